"""The customers of the start of each period, followed one by one to its end."""

import datetime as dt
import warnings

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import retention_metrics as rm

pytestmark = pytest.mark.filterwarnings("ignore::retention_metrics.churn.ShortWindowWarning")

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


@given(
    logs,
    st.integers(0, 45),
    st.sampled_from(["day", "week", "month", "quarter"]),
    st.integers(100, 140),
    st.sampled_from(["last_purchase", "detection"]),
)
def test_three_dates_three_tables(log, lost_after, period, horizon, dated):
    """Lost on the day of the last purchase before a long absence, or seen as lost at the close of a period."""
    days = {who: sorted(START + dt.timedelta(days=n) for n in several) for who, several in log.items()}
    as_of = START + dt.timedelta(days=horizon)
    frame = pl.DataFrame(
        [(who, day) for who, several in days.items() for day in several], schema=["who", "day"], orient="row"
    )
    orders = rm.logs.Transactions(frame, customer="who", time="day")
    flow = orders.retention_by_period(period=period, as_of=as_of, lost_after=lost_after, dated=dated)
    closes = [day - dt.timedelta(days=1) for day in flow.periods[1:]] + [as_of]

    def there(who, on):
        """At the close of a day: within the limit; or, looking back, on the way to a purchase within it."""
        bought = [day for day in days[who] if day <= on]
        if dated == "detection" or not bought:
            return _present(days[who], on, lost_after)
        later = [day for day in days[who] if day > on]
        return ((later[0] if later else as_of) - bought[-1]).days <= lost_after + bool(later)

    before: set[str] = set()
    for i, (opens, closing) in enumerate(zip(flow.periods, closes, strict=True)):
        after = {who for who in days if there(who, closing)}
        won = {who for who in days if opens <= days[who][0] <= closing}
        assert (flow.start[i], flow.end[i], flow.new[i]) == (len(before), len(after), len(won))
        assert flow.lost_of_start[i] == len(before - after)
        if dated == "detection":
            assert flow.lost[i] == len((before | won) - after)
            assert flow.returned[i] == len(after - before - won)
        else:
            gone = sum(
                opens <= day <= closing and ((following or as_of) - day).days > lost_after + bool(following)
                for several in days.values()
                for day, following in zip(several, [*several[1:], None], strict=True)
            )
            assert flow.lost[i] == gone
        before = after
    assert flow.dated == dated


def test_a_short_window_is_warned_of():
    """A purchase every ten days: three cycles are thirty."""
    days = [dt.date(2026, 1, 1) + dt.timedelta(days=10 * n) for n in range(12)]
    orders = rm.logs.Transactions(pl.DataFrame({"who": ["ann"] * 12, "day": days}), customer="who", time="day")
    with pytest.warns(rm.churn.ShortWindowWarning, match="lost_after is 29 days, and customers take 10 from one"):
        orders.retention_by_period(as_of="2026-04-30", lost_after=29)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        orders.retention_by_period(as_of="2026-04-30", lost_after=30)


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


def test_a_loss_that_is_dated_back_is_known_later():
    """With ninety days to wait, the losses of December are known by the end of March, those of January not."""
    days = [dt.date(2025, 12, 5), dt.date(2026, 1, 7), dt.date(2026, 3, 31)]
    orders = rm.logs.Transactions(
        pl.DataFrame({"who": ["ann", "bob", "cleo"], "day": days}), customer="who", time="day"
    )
    flow = orders.retention_by_period(as_of="2026-03-31", lost_after=90, dated="last_purchase")
    assert flow.complete.tolist() == [True, False, False, False]
    assert orders.retention_by_period(as_of="2026-03-31", lost_after=90).complete.tolist() == [True] * 4


def test_one_month_of_the_book_under_every_name():
    """By hand: 2 at the start, 1 new, 1 back and 1 of the start lost, 3 at the end."""
    bought = {"ann": ["2025-12-30", "2026-01-20"], "bob": ["2025-12-20"], "cleo": ["2026-01-05"],
              "dan": ["2025-10-01", "2026-01-09"]}  # fmt: skip
    rows = [(who, dt.date.fromisoformat(day)) for who, several in bought.items() for day in several]
    orders = rm.logs.Transactions(pl.DataFrame(rows, schema=["who", "day"], orient="row"), customer="who", time="day")
    book = orders.retention_by_period(as_of="2026-01-31", lost_after=30).definitions("2026-01")
    assert book["start"].value == book["cohort"].value == 1 / 2
    assert book["start_plus_new"].value == 1 / 4
    with pytest.raises(rm.errors.InvalidValue, match="period must be one of .*, got '2026-02'"):
        orders.retention_by_period(as_of="2026-01-31", lost_after=30).definitions("2026-02")


def test_duckdb_keeps_nothing_of_ours_after_an_answer(tmp_path):
    days = [dt.date(2026, 1, 5), dt.date(2026, 3, 2), dt.date(2026, 1, 12)]
    orders = pl.DataFrame({"who": ["ann", "ann", "bob"], "day": days})
    connection = duckdb.connect(str(tmp_path / "shop.db"))
    connection.register("sold", orders.to_arrow())
    connection.execute("CREATE TABLE orders AS FROM sold")
    connection.unregister("sold")
    log = rm.logs.Transactions(connection.table("orders"), customer="who", time="day")
    found = log.retention_by_period(as_of="2026-04-30", lost_after=30)
    assert found.new.tolist() == [2, 0, 0, 0]
    assert found.returned.tolist() == [0, 0, 1, 0]
    assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("orders",)]
    assert connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall() == []
