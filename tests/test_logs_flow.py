"""The customers of the start of each period, followed one by one to its end."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import retention_metrics as rm

START = dt.date(2023, 12, 20)

logs = st.dictionaries(st.sampled_from("abcdef"), st.sets(st.integers(0, 100), min_size=1, max_size=15), min_size=1)


def _present(days, on, lost_after):
    """Whether the last purchase up to a day is at most ``lost_after`` days old."""
    bought = [day for day in days if day <= on]
    return bool(bought) and (on - max(bought)).days <= lost_after


@given(
    logs,
    st.integers(0, 45),
    st.sampled_from(["day", "week", "month", "quarter", "year"]),
    st.integers(100, 140),
    st.sampled_from(["monday", "sunday"]),
)
def test_who_was_there_at_the_start_and_not_at_the_end(log, lost_after, period, horizon, week_start):
    days = {who: sorted(START + dt.timedelta(days=n) for n in several) for who, several in log.items()}
    as_of = START + dt.timedelta(days=horizon)
    rows = [(who, day) for who, several in days.items() for day in several]
    frame = pl.DataFrame(rows, schema=["who", "day"], orient="row")
    orders = rm.logs.Transactions(frame, customer="who", time="day", week_start=week_start)
    flow = orders.retention_by_period(period=period, as_of=as_of, lost_after=lost_after)
    closes = [day - dt.timedelta(days=1) for day in flow.periods[1:]] + [as_of]
    for i, (opens, closing) in enumerate(zip(flow.periods, closes, strict=True)):
        before = {who for who in days if _present(days[who], opens - dt.timedelta(days=1), lost_after)}
        after = {who for who in days if _present(days[who], closing, lost_after)}
        bought = {who for who in days if any(opens <= day <= closing for day in days[who])}
        won = {who for who in days if opens <= days[who][0] <= closing}
        assert flow.start[i] == len(before)
        assert flow.end[i] == len(after)
        assert flow.lost_of_start[i] == len(before - after)
        assert flow.buyers[i] == len(bought)
        assert flow.new[i] == len(won)
        assert flow.returning[i] == len(bought - won)


def test_a_last_purchase_within_the_period_of_the_loss():
    """There at new year, bought on 10 January, lost for good in April: the year kept nobody."""
    frame = pl.DataFrame({"who": ["ann", "ann"], "day": [dt.date(2025, 12, 20), dt.date(2026, 1, 10)]})
    orders = rm.logs.Transactions(frame, customer="who", time="day")
    flow = orders.retention_by_period(period="year", as_of="2026-12-31", lost_after=90)
    assert (flow.start[1], flow.end[1], flow.lost_of_start[1]) == (1, 0, 1)
    np.testing.assert_array_equal(flow.retention(), [np.nan, 0])


def test_lost_and_back_within_a_period_is_kept():
    frame = pl.DataFrame(
        {"who": ["ann"] * 3, "day": [dt.date(2025, 12, 30), dt.date(2026, 1, 5), dt.date(2026, 1, 30)]}
    )
    orders = rm.logs.Transactions(frame, customer="who", time="day")
    flow = orders.retention_by_period(period="month", as_of="2026-01-31", lost_after=10)
    assert (flow.lost[1], flow.returned[1], flow.lost_of_start[1]) == (1, 1, 0)


@pytest.mark.parametrize("lost_after", [10**6, 10**12])
def test_a_limit_beyond_all_time_loses_nobody(lost_after):
    frame = pl.DataFrame({"who": ["ann", "ann"], "day": [dt.date(1900, 1, 1), dt.date(2026, 1, 10)]})
    orders = rm.logs.Transactions(frame, customer="who", time="day")
    assert orders.retention_by_period(period="year", as_of="2026-12-31", lost_after=lost_after).lost.sum() == 0
