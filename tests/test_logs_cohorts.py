"""Cohorts on other columns: windows since the first purchase, brackets of ages, another start of the day, money."""

import datetime as dt
from collections import defaultdict

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.logs import Transactions
from tests import oracles
from tests.oracles import DAY, Order, at, columns, nasty_log, opening

AS_OF = dt.date(2024, 3, 31)
ORDERS = nasty_log([f"client {number:02}" for number in range(24)])
NAMES = {"customer": "customer", "time": "time", "amount": "amount"}
LENGTHS = {"24h": 1, "7d": 7, "30d": 30}


def by_hand(orders, period, window, brackets=None):
    """Counts, money and states of each cohort, customer by customer, on the clock."""
    mine = defaultdict(list)
    for order in oracles.known(orders, AS_OF):
        mine[order.customer].append(order)
    cohorts = defaultdict(list)
    for rows in mine.values():
        rows.sort(key=lambda row: row.time)
        cohorts[opening(rows[0].day, period)].append(rows)
    length, end = dt.timedelta(days=LENGTHS[window]), dt.datetime.combine(AS_OF + DAY, dt.time())
    first = dt.datetime.combine(min(cohorts), dt.time())
    spans = brackets or [(age, age) for age in range((end - DAY - first) // length + 1)]
    table = {}
    for opened, members in sorted(cohorts.items()):
        start = dt.datetime.combine(opened, dt.time())
        stop = start
        while opening(stop.date(), period) == opened:
            stop += DAY
        cells = []
        for low, high in spans:
            inside = [
                [
                    row
                    for row in rows
                    if low <= (row.time.replace(microsecond=0) - rows[0].time.replace(microsecond=0)) // length <= high
                ]
                for rows in members
            ]
            state = "observed" if stop + (high + 1) * length <= end else "partial"
            state = "unobserved" if start + low * length >= end else state
            cells.append((sum(map(bool, inside)), sum(row.amount for rows in inside for row in rows), state))
        table[opened] = (len(members), cells)
    return table


@pytest.mark.parametrize(("period", "window", "brackets"), [
    ("day", "24h", None), ("week", "7d", None), ("month", "30d", None), ("month", "7d", [(0, 0), (1, 3), (5, 8)]),
])  # fmt: skip
def test_windows_since_the_first_purchase(engine, period, window, brackets):
    log = Transactions(engine.frame(**columns(ORDERS)), **NAMES)
    found = log.cohorts(period=period, as_of=AS_OF, window=window, brackets=brackets, revenue=True)
    expected = by_hand(ORDERS, period, window, brackets)
    assert found.cohorts == tuple(expected)
    assert found.sizes.tolist() == [size for size, _ in expected.values()]
    assert found.states.tolist() == [[state for *_, state in cells] for _, cells in expected.values()]
    for row, (_, cells) in enumerate(expected.values()):
        known = found.states[row] != "unobserved"
        assert found.retained[row][known].tolist() == [count for count, _, state in cells if state != "unobserved"]
        assert found.money[row][known].tolist() == pytest.approx([s for _, s, state in cells if state != "unobserved"])
        assert np.isnan(found.retained[row][~known]).all()
        assert np.isnan(found.money[row][~known]).all()


def test_the_same_purchases_in_other_cells(engine):
    """Bought late on 31 January and early on 1 February: the next month, and the same thirty days."""
    orders = [Order("ann", at("2026-01-31T22:00"), 10.0), Order("ann", at("2026-02-01T09:00"), 5.0)]
    log = Transactions(engine.frame(**columns(orders)), **NAMES)
    assert log.cohorts(as_of="2026-03-31").counts().tolist()[0][:2] == [1, 1]
    assert log.cohorts(as_of="2026-03-31", window="30d").counts().tolist()[0][:2] == [1, 0]
    assert log.cohorts(period="day", as_of="2026-03-31").counts().tolist()[0][:2] == [1, 1]
    assert log.cohorts(period="day", as_of="2026-03-31", window="24h").counts().tolist()[0][:2] == [1, 0]


def test_windows_told_by_another_log(engine):
    bought = [Order("ann", at("2026-01-05T10:00"), 10.0), Order("bob", at("2026-01-07T10:00"), 10.0)]
    visits = [Order("ann", at(f"2026-01-{time}"), 0.0) for time in ("05T09:00", "12T10:00", "19T09:59")]
    visits += [Order("bob", at("2026-01-07T11:00"), 0.0), Order("cleo", at("2026-01-08T11:00"), 0.0)]
    log, others = (Transactions(engine.frame(**columns(rows)), **NAMES) for rows in (bought, visits))
    table = log.cohorts(as_of="2026-02-28", window="7d", returns=others)
    assert table.counts().tolist()[0][:3] == [1, 1, 0], (
        "bob at once, ann in the second week; hers before does not count"
    )
    assert table.sizes.tolist() == [2]


@pytest.mark.parametrize("anchor", ["first", "every"])
def test_brackets_of_calendar_ages(engine, anchor):
    """A bracket counts who is in any of its cells: brute force over the customers of the plain table's events."""
    log = Transactions(engine.frame(**columns(ORDERS)), **NAMES)
    brackets = [(0, 0), (1, 2), (4, 6)]
    found = log.cohorts(period="week", as_of=AS_OF, anchor=anchor, min_events=2, brackets=brackets)
    bought = defaultdict(lambda: defaultdict(int))
    for order in oracles.known(ORDERS, AS_OF):
        bought[order.customer][opening(order.day, "week")] += 1
    assert found.ages == ["0", "1-2", "4-6"]
    for row, cohort in enumerate(found.cohorts):
        members = [
            weeks for weeks in bought.values() if (min(weeks) == cohort if anchor == "first" else cohort in weeks)
        ]
        assert found.sizes[row] == len(members)
        for place, (low, high) in enumerate(brackets):
            cells = [cohort + 7 * age * DAY for age in range(low, high + 1)]
            if found.states[row, place] == "unobserved":
                assert cells[0] > AS_OF
                continue
            assert (found.states[row, place] == "observed") == (cells[-1] + 6 * DAY <= AS_OF)
            expected = sum(sum(weeks.get(cell, 0) for cell in cells) >= 2 for weeks in members)
            assert found.retained[row, place] == expected


def test_a_day_that_opens_at_four(engine):
    """At 3 in the morning of 1 February it is still 31 January, at 4 no longer: a clock four hours back says so."""
    shifted = [order._replace(time=order.time - dt.timedelta(hours=4)) for order in ORDERS]
    log = Transactions(engine.frame(**columns(ORDERS)), **NAMES, day_start=4)
    back = Transactions(engine.frame(**columns(shifted)), **NAMES)
    periods = ("day", "week", "month", "quarter", "year")
    for period in periods[::2] if engine.name == "spark" else periods:  # seconds a question
        mine, theirs = (each.cohorts(period=period, as_of=AS_OF).to_dict() for each in (log, back))
        assert mine == theirs
    mine, theirs = (engine.rows(each.status(as_of=dt.date(2024, 6, 30), lost_after=9)) for each in (log, back))
    assert [row["days_since"] for row in mine] == [row["days_since"] for row in theirs]
    mine, theirs = (each.summary(as_of=AS_OF) for each in (log, back))
    assert mine.model_copy(update={"revenue": None}) == theirs.model_copy(update={"revenue": None})
    assert mine.revenue == pytest.approx(theirs.revenue)


def test_what_a_day_start_cannot_be():
    dates = pl.DataFrame({"customer": ["ann"], "time": [dt.date(2026, 1, 1)]})
    with pytest.raises(InvalidValue, match="day_start must be 0: time column 'time' holds dates without a time of day"):
        Transactions(dates, customer="customer", time="time", day_start=4)
    with pytest.raises(InvalidValue, match="day_start must be a whole hour from 0 to 23, got 24"):
        Transactions(dates.cast({"time": pl.Datetime}), customer="customer", time="time", day_start=24)


def test_revenue_of_cohorts():
    """By hand: of 50 in January 60 in February, from one of two customers. Money may grow where heads cannot."""
    bought = [("ann", "01-05", 30.0), ("bob", "01-09", 20.0), ("bob", "02-02", 60.0), ("cleo", "02-20", 40.0)]
    orders = [Order(who, at(f"2026-{day}"), paid) for who, day, paid in [*bought, ("ann", "03-01", -5.0)]]
    table = Transactions(pl.from_arrow(pa.table(columns(orders))), **NAMES).cohorts(as_of="2026-03-31", revenue=True)
    nan = np.nan
    np.testing.assert_allclose(table.revenue(), [[50, 60, -5], [40, 0, nan]])
    np.testing.assert_allclose(table.revenue(cumulative=True), [[50, 110, 105], [40, 40, nan]])
    np.testing.assert_allclose(table.revenue("customer"), [[25, 30, -2.5], [40, 0, nan]])
    np.testing.assert_allclose(table.revenue("first"), [[1, 1.2, -0.1], [1, 0, nan]])
    np.testing.assert_allclose(table.rates(), [[1, 0.5, 0.5], [1, 0, nan]])
    assert table.to_dict()["money"] == [[50, 60, -5], [40, 0, None]]
    assert table.to_frame("polars")["money"].to_list() == [50, 60, -5, 40, 0]
    with pytest.raises(UndefinedMetric, match="the table has no amounts; make it with revenue=True"):
        Transactions(pl.from_arrow(pa.table(columns(orders))), **NAMES).cohorts(as_of="2026-03-31").revenue()


def test_what_does_not_go_together():
    frame = pl.DataFrame({"customer": ["ann"], "time": [dt.date(2026, 1, 1)]})
    log = Transactions(frame, customer="customer", time="time")
    for arguments, message in (
        ({"window": "30d", "anchor": "every"}, "window counts from the first event, so anchor must be 'first'"),
        ({"brackets": [(0, 1)], "counting": "on_or_after"}, "brackets are counted 'on'"),
        ({"revenue": True}, "revenue needs the amounts of the log"),
        ({"window": "31d"}, "window must be one of '24h', '7d', '30d', got '31d'"),
        ({"brackets": [(0, 2), (2, 3)]}, "brackets must be pairs .* that do not overlap"),
        ({"brackets": [(3, 1)]}, "brackets must be pairs"),
        ({"brackets": []}, "brackets must be pairs"),
        ({"brackets": [(0, 0.5)]}, "brackets must be a whole number"),
    ):
        with pytest.raises(InvalidValue, match=message):
            log.cohorts(as_of="2026-01-31", **arguments)
    paid = Transactions(frame.with_columns(amount=1.0), **NAMES)
    with pytest.raises(InvalidValue, match="revenue needs counting='on' and min_events=1"):
        paid.cohorts(as_of="2026-01-31", revenue=True, min_events=2)


logs = st.dictionaries(st.sampled_from("abcdef"), st.sets(st.integers(0, 60), min_size=1, max_size=12), min_size=1)


def table_of(log, as_of, shift=0, **arguments):
    rows = [(who, dt.date(2024, 1, 1) + dt.timedelta(days=n + shift)) for who, days in log.items() for n in days]
    orders = Transactions(pl.DataFrame(rows, schema=["who", "day"], orient="row"), customer="who", time="day")
    return orders.cohorts(period="week", as_of=as_of + dt.timedelta(days=shift), **arguments)


@given(logs, st.integers(60, 80), st.sampled_from([None, "24h", "7d", "30d"]), st.integers(1, 30))
def test_shifting_all_dates_by_whole_weeks_shifts_the_table(log, last, window, weeks):
    as_of = dt.date(2024, 1, 1) + dt.timedelta(days=last)
    here, there = (table_of(log, as_of, shift, window=window) for shift in (0, 7 * weeks))
    assert there.cohorts == tuple(day + dt.timedelta(days=7 * weeks) for day in here.cohorts)
    np.testing.assert_array_equal(there.states, here.states)
    np.testing.assert_array_equal(there.retained, here.retained)


@given(logs, st.sets(st.integers(0, 60), min_size=1), st.sampled_from(["on", "on_or_after"]),
       st.sampled_from([None, "7d"]), st.integers(1, 2))  # fmt: skip
def test_another_customer_never_lowers_a_cell(log, days, counting, window, enough):
    as_of = dt.date(2024, 3, 5)
    arguments = {"counting": counting, "window": window, "min_events": enough}
    before, after = table_of(log, as_of, **arguments), table_of(log | {"new": days}, as_of, **arguments)
    for cohort, row in zip(before.cohorts, before.retained, strict=True):
        later = after.retained[after.cohorts.index(cohort)][: row.size]
        assert (np.nan_to_num(later) >= np.nan_to_num(row)).all()


@given(logs, st.sampled_from([None, "7d", "30d"]))
def test_on_or_after_never_rises_within_a_cohort(log, window):
    table = table_of(log, dt.date(2024, 3, 5), counting="on_or_after", window=window)
    for row in table.retained:
        assert (np.diff(row[~np.isnan(row)]) <= 0).all()


@given(logs)
def test_a_bracket_holds_no_fewer_than_any_of_its_ages_and_no_more_than_their_sum(log):
    as_of = dt.date(2024, 3, 5)
    single, joined = table_of(log, as_of), table_of(log, as_of, brackets=[(0, 0), (1, 3)])
    cells = np.nan_to_num(single.retained[:, 1:4])
    counted = np.nan_to_num(joined.retained[:, 1])
    assert (counted >= cells.max(axis=1)).all()
    assert (counted <= cells.sum(axis=1)).all()
    np.testing.assert_array_equal(joined.retained[:, 0], joined.sizes)
