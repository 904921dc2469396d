"""Every question to a log of purchases, on every engine, against plain Python."""

import datetime as dt
from collections import Counter

import pyarrow as pa
import pytest

from retention_metrics.errors import InvalidValue, RowsExcludedWarning
from retention_metrics.logs import Transactions
from tests import oracles
from tests.oracles import Order, at, columns, nasty_log

pytestmark = pytest.mark.filterwarnings("ignore::retention_metrics.churn.ShortWindowWarning")

AS_OF = dt.date(2024, 3, 31)  # a Sunday and the end of a month: some periods are complete, none of them a year
ORDERS = nasty_log([f"client {number:02}" for number in range(24)])
HUGE = [2**53 + step for step in range(4)] + [-7, 0, 7, 2**62]
NAMES = {"customer": "customer", "time": "time", "amount": "amount"}


@pytest.fixture
def log(engine):
    return Transactions(engine.frame(**columns(ORDERS)), **NAMES)


def table_of(found):
    """A cohort table as plain values, to stand beside the oracle's."""
    if found is None:
        return None
    plain = found.to_dict()
    return {"cohorts": list(found.cohorts)} | {name: plain[name] for name in ("sizes", "retained", "states")}


def flow_of(found):
    names = ("start", "new", "returned", "lost", "lost_of_start", "end", "buyers", "returning", "complete")
    return {"periods": list(found.periods)} | {name: getattr(found, name).tolist() for name in names}


def assert_same_rows(found, expected):
    """The same columns and values; only floats may differ, in the order in which they were added up."""
    assert [list(row) for row in found] == [list(row) for row in expected]
    assert found == [
        {name: _nearly(value) if isinstance(value, float) else value for name, value in row.items()} for row in expected
    ]


def _nearly(value):
    return pytest.approx(value, rel=1e-12, abs=1e-9)


def test_the_nasty_log_is_nasty():
    days = [(order.customer, order.day) for order in ORDERS]
    times = {order.time.time() for order in ORDERS}
    assert len(days) > len(set(days)), "same-day orders"
    assert min(order.amount for order in ORDERS) < 0, "refunds"
    assert any(order.amount == 0 for order in ORDERS), "free orders"
    assert {dt.time(0, 0), dt.time(23, 59, 59, 999_999)} <= times, "edges of days"
    assert any(order.day > AS_OF for order in ORDERS), "rows after as_of"
    assert any(order.day == dt.date(2024, 2, 29) for order in ORDERS), "leap day"
    assert any(row["frequency"] == 0 for row in oracles.rfm(ORDERS, AS_OF, "day")), "one-time buyers"


def test_summary(log):
    found = log.summary(as_of=AS_OF).model_dump()
    expected = oracles.summary(ORDERS, AS_OF)
    assert found.pop("revenue") == _nearly(expected.pop("revenue"))
    assert found == expected


@pytest.mark.parametrize("unit", ["day", "week", "month"])
def test_rfm(engine, log, unit):
    with pytest.warns(RowsExcludedWarning, match=r"rfm leaves out \d+ rows of the log: \d+ after as_of"):
        found = engine.rows(log.rfm(as_of=AS_OF, unit=unit, opportunities=True))
    assert_same_rows(found, oracles.rfm(ORDERS, AS_OF, unit))


def test_integer_ids_beyond_float64_stay_apart(engine):
    orders = nasty_log(HUGE, seed=53)
    log = Transactions(engine.frame(**columns(orders)), **NAMES)
    until = dt.date(2024, 4, 30)  # nothing lies after it, so nothing is warned of
    assert_same_rows(engine.rows(log.rfm(as_of=until)), oracles.rfm(orders, until, "day"))
    closed, still_open = oracles.gaps(orders, until)
    found = log.purchase_cycle(as_of=until)
    assert (found.closed, found.open) == (len(closed), len(still_open))


def test_status(engine, log):
    with pytest.warns(RowsExcludedWarning, match="status leaves out"):
        found = engine.rows(log.status(as_of=AS_OF, lost_after=30, at_risk_after=10))
    expected = oracles.status(ORDERS, AS_OF, 30, 10)
    assert {row["status"] for row in expected} == {"active", "at_risk", "lost"}
    assert found == expected
    counts = log.status_counts(as_of=AS_OF, lost_after=30, at_risk_after=10)
    assert counts == Counter(row["status"] for row in expected)


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"counting": "on_or_after"},
        {"anchor": "every", "min_events": 2},
        {"period": "week", "anchor": "every", "counting": "on_or_after", "min_events": 2},
        {"period": "quarter", "start": dt.date(2024, 1, 17)},
    ],
    ids=str,
)
def test_cohorts(log, question):
    found = log.cohorts(as_of=AS_OF, **question)
    assert table_of(found) == oracles.cohorts(ORDERS, AS_OF, **question)
    assert found.excluded == oracles.summary(ORDERS, AS_OF)["excluded"]


def test_repeat_purchase_rate(log):
    found = log.repeat_purchase_rate(as_of=AS_OF, min_age=60)
    assert (found.numerator, found.denominator) == oracles.repeat_purchase_rate(ORDERS, AS_OF, 60)


def test_purchase_cycle(log):
    closed, still_open = oracles.gaps(ORDERS, AS_OF)
    found = log.purchase_cycle(as_of=AS_OF)
    assert (found.closed, found.open) == (len(closed), len(still_open))
    assert found.median == oracles.kaplan_meier_median(closed, still_open)


@pytest.mark.parametrize(("period", "lost_after"), [("month", 20), ("week", 6)])
def test_retention_by_period(log, period, lost_after):
    found = log.retention_by_period(period=period, as_of=AS_OF, lost_after=lost_after)
    expected = oracles.flow(ORDERS, AS_OF, period, lost_after)
    assert found.revenue.tolist() == _nearly(expected.pop("revenue"))
    assert flow_of(found) == expected
    assert found.excluded == oracles.summary(ORDERS, AS_OF)["excluded"]


WITH_DATES = ["pandas-pyarrow", "polars", "polars-lazy", "pyarrow", "duckdb", "spark"]


@pytest.mark.parametrize("engine", WITH_DATES, indirect=True)
def test_days_without_a_time_of_day(engine):
    """A column of dates says the same as the same days at noon; pandas without Arrow has no such column."""
    table = columns(ORDERS)
    log = Transactions(engine.frame(**table | {"time": table["time"].cast(pa.date32())}), **NAMES)
    assert table_of(log.cohorts(as_of=AS_OF)) == oracles.cohorts(ORDERS, AS_OF)
    with pytest.warns(RowsExcludedWarning, match="after as_of"):
        assert engine.rows(log.status(as_of=AS_OF, lost_after=30)) == oracles.status(ORDERS, AS_OF, 30)


def test_without_amounts(engine):
    log = Transactions(engine.frame(**columns(ORDERS)), customer="customer", time="time")
    with pytest.warns(RowsExcludedWarning, match="after as_of"):
        found = engine.rows(log.rfm(as_of=AS_OF))
    expected = oracles.rfm(ORDERS, AS_OF, "day")
    assert found == [{name: row[name] for name in ("customer", "frequency", "recency", "T")} for row in expected]
    assert log.summary(as_of=AS_OF).revenue is None
    assert log.retention_by_period(as_of=AS_OF, lost_after=20).revenue is None


def test_repeat_purchase_rate_of_the_reference(engine, reference):
    """A-RET-14: ten buyers, four of whom returned; two of the others came within the last 30 days."""
    item = reference("A-RET-14")
    day = {"old": at("2026-08-01T09:00"), "back": at("2026-09-01T09:00"), "late": at("2026-10-15")}
    orders = [Order(f"repeat {n}", day[when], 1.0) for n in range(4) for when in ("old", "back")]
    orders += [Order(f"once {n}", day["old"], 1.0) for n in range(4)]
    orders += [Order(f"recent {n}", day["late"], 1.0) for n in range(2)]
    log = Transactions(engine.frame(**columns(orders)), customer="customer", time="time")
    everyone = log.repeat_purchase_rate(as_of="2026-10-31")
    grown = log.repeat_purchase_rate(as_of="2026-10-31", min_age=item["input"]["min_age_days"])
    assert everyone.value == pytest.approx(item["expect"]["all_buyers"], abs=item["tol"])
    assert grown.value == pytest.approx(item["expect"]["mature_only"], abs=item["tol"])


@pytest.mark.parametrize(
    "question", [{}, {"counting": "on_or_after"}, {"anchor": "every"}, {"min_events": 2}, {"period": "week"}], ids=str
)
def test_returns_told_by_another_log(engine, question):
    """Customers won by purchases, followed by their visits: visits before the first purchase do not count."""
    visits = nasty_log([f"client {number:02}" for number in range(5, 30)], seed=77)
    log, other = (Transactions(engine.frame(**columns(orders)), **NAMES) for orders in (ORDERS, visits))
    found = log.cohorts(as_of=AS_OF, returns=other, **question)
    anchor, counting = question.get("anchor", "first"), question.get("counting", "on")
    alone = log.cohorts(as_of=AS_OF, **question)
    assert found.cohorts == alone.cohorts
    assert found.sizes.tolist() == alone.sizes.tolist()
    assert found.states.tolist() == alone.states.tolist()
    index = {day: i for i, day in enumerate(oracles.openings(dt.date(2023, 11, 1), AS_OF, found.period))}
    bought, came = {}, {}
    for orders, where in ((ORDERS, bought), (visits, came)):
        for order in orders:
            if order.day <= AS_OF:
                where.setdefault(order.customer, Counter())[index[oracles.opening(order.day, found.period)]] += 1
    for row, opened in enumerate(found.cohorts):
        first = index[opened]
        members = [who for who, days in bought.items() if (min(days) == first if anchor == "first" else first in days)]
        for age in range(found.retained.shape[1]):
            if found.states[row, age] != "unobserved":
                cell = first + age
                later = range(cell, len(index)) if counting == "on_or_after" else [cell]
                counts = [sum(came.get(who, Counter())[i] for i in later) for who in members]
                assert found.retained[row, age] == sum(n >= question.get("min_events", 1) for n in counts)
    assert any(reason.endswith("(returns)") for reason in found.excluded)


def test_returns_must_be_told_by_a_log_of_the_same_kind():
    import polars as pl

    table = pa.table(columns(ORDERS))
    log = Transactions(table, **NAMES)
    with pytest.raises(InvalidValue, match="returns must be a log of the same engine .* POLARS with String"):
        log.cohorts(as_of=AS_OF, returns=Transactions(pl.from_arrow(table), **NAMES))
    numbered = table.set_column(0, "customer", pa.array(range(len(ORDERS))))
    with pytest.raises(InvalidValue, match="PYARROW with Int64 beside PYARROW with String"):
        log.cohorts(as_of=AS_OF, returns=Transactions(numbered, **NAMES))
