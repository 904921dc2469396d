"""Calendar periods as running numbers."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics import _periods

days = st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1))
periods = st.sampled_from(_periods.PERIODS)
week_starts = st.sampled_from(_periods.WEEKDAYS)


@given(days, periods, week_starts)
def test_a_day_lies_between_the_ends_of_its_period(day, period, week_start):
    index = _periods.period_of(day, period, week_start)
    first, last = _periods.first_day(index, period, week_start), _periods.last_day(index, period, week_start)
    assert first <= day <= last
    assert _periods.period_of(first, period, week_start) == _periods.period_of(last, period, week_start) == index
    assert _periods.first_day(index + 1, period, week_start) == last + dt.timedelta(days=1)


@given(days, week_starts)
def test_weeks_open_on_their_weekday(day, week_start):
    first = _periods.first_day(_periods.period_of(day, "week", week_start), "week", week_start)
    assert first.strftime("%A").lower() == week_start


@given(days)
def test_longer_periods_follow_the_calendar(day):
    opened = {p: _periods.first_day(_periods.period_of(day, p), p) for p in ("month", "quarter", "year")}
    assert opened["month"] == day.replace(day=1)
    assert opened["quarter"] == dt.date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)
    assert opened["year"] == dt.date(day.year, 1, 1)


@given(st.lists(days, min_size=1), periods, week_starts)
def test_many_days_at_once(several, period, week_start):
    ordinals = np.array([day.toordinal() for day in several])
    one_by_one = [_periods.period_of(day, period, week_start) for day in several]
    assert _periods.periods_of(ordinals, period, week_start).tolist() == one_by_one


@pytest.mark.parametrize(
    ("period", "name"),
    [("year", "2026"), ("quarter", "2026-Q4"), ("month", "2026-10"), ("week", "2026-10-01"), ("day", "2026-10-01")],
)
def test_names(period, name):
    assert _periods.label(dt.date(2026, 10, 1), period) == name
