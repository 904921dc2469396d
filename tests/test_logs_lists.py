"""Who is lost, at risk and back, by their own rhythm, on every engine, against plain Python."""

import datetime as dt
import itertools
import math
from collections import defaultdict

import pytest

from retention_metrics import churn
from retention_metrics.errors import InvalidValue, RowsExcludedWarning, UndefinedMetric
from retention_metrics.logs import Transactions
from tests import oracles
from tests.oracles import Order, columns, nasty_log

AS_OF = dt.date(2024, 3, 31)
ORDERS = nasty_log([f"client {number:02}" for number in range(24)])
NAMES = {"customer": "customer", "time": "time", "amount": "amount"}

pytestmark = pytest.mark.filterwarnings("ignore::retention_metrics.errors.RowsExcludedWarning")


def purchase_days(orders, until=AS_OF):
    days = defaultdict(set)
    for order in orders:
        if order.day <= until:
            days[order.customer].add(order.day)
    return {customer: sorted(found) for customer, found in days.items()}


def cycle(orders, until=AS_OF):
    """The censored median gap of everybody."""
    return oracles.kaplan_meier_median(*oracles.gaps(orders, until))


def rhythm(days, common):
    gaps = [(b - a).days for a, b in itertools.pairwise(days)]
    return (sum(gaps) + common) / (len(gaps) + 1)


def classed(orders, until, limit_of, early=0.5):
    """Lost and at-risk customers with the columns of the frames."""
    common = cycle(orders, until)
    lost, risky = [], []
    for customer, days in purchase_days(orders, until).items():
        own = rhythm(days, common)
        limit, since = limit_of(own), (until - days[-1]).days
        row = {
            "customer": customer,
            "last_purchase": days[-1],
            "days_since": since,
            "purchases": len(days),
            "rhythm": pytest.approx(own),
            "lost_on": days[-1] + dt.timedelta(days=math.floor(limit) + 1),
        }
        if since > limit:
            lost.append(row)
        elif since > early * limit:
            risky.append(row)
    return [sorted(rows, key=lambda row: row["customer"]) for rows in (lost, risky)]


@pytest.fixture
def log(engine):
    return Transactions(engine.frame(**columns(ORDERS)), **NAMES)


def test_lost_and_at_risk_by_the_own_rhythm(engine, log):
    lost, risky = classed(ORDERS, AS_OF, lambda own: 3 * own)
    assert len(lost) > 3
    assert len(risky) > 3
    assert engine.rows(log.lost(as_of=AS_OF)) == lost
    assert engine.rows(log.at_risk(as_of=AS_OF)) == risky


def test_lost_after_the_same_days_for_all(engine, log):
    with pytest.warns(churn.ShortWindowWarning, match="lost_after is 20 days, and customers take"):
        found = engine.rows(log.lost(as_of=AS_OF, lost_after=20, dated="last_purchase"))
    lost, _ = classed(ORDERS, AS_OF, lambda _own: 20)
    assert found == [row | {"lost_on": row["last_purchase"]} for row in lost]


def test_three_dates_of_a_loss(engine, log):
    by = {name: engine.rows(log.lost(as_of=AS_OF, dated=name)) for name in ("cut_off", "last_purchase", "detection")}
    for cut_off, last, seen in zip(*by.values(), strict=True):
        assert last["lost_on"] == last["last_purchase"] < cut_off["lost_on"] <= seen["lost_on"] == AS_OF


def test_returned_customers_had_been_lost(engine, log):
    window, common = 60, cycle(ORDERS)
    expected = []
    for customer, days in purchase_days(ORDERS).items():
        steps = [(a, b, (b - a).days) for a, b in itertools.pairwise(days)]
        for _, back, away in reversed(steps):
            others = [gap for _, day, gap in steps if day != back]
            usual = (sum(others) + common) / (len(others) + 1)
            if (AS_OF - back).days < window and away > 3 * usual:
                row = {"customer": customer, "returned_on": back, "days_away": away, "purchases": len(days)}
                expected.append(row)
                break
    assert len(expected) > 2
    assert engine.rows(log.returned(as_of=AS_OF, within=window)) == sorted(expected, key=lambda row: row["customer"])


def test_a_weekly_customer_is_at_risk_sooner_than_a_monthly_one():
    start = dt.datetime(2026, 1, 1)
    weekly = [Order("weekly", start + dt.timedelta(days=7 * n), 1.0) for n in range(12)]
    monthly = [Order("monthly", start + dt.timedelta(days=30 * n + 17), 1.0) for n in range(3)]
    assert weekly[-1].day == monthly[-1].day
    import pyarrow as pa

    log = Transactions(pa.table(columns(weekly + monthly)), **NAMES)
    until = weekly[-1].day + dt.timedelta(days=14)
    assert log.at_risk(as_of=until)["customer"].to_pylist() == ["weekly"]
    assert log.lost(as_of=until).num_rows == 0
    assert log.lost(as_of=until + dt.timedelta(days=10))["customer"].to_pylist() == ["weekly"]


def test_the_window_of_three_cycles(reference):
    example = reference("S-RET-02")
    window = churn.retention_window(
        purchase_cycle=example["input"]["purchase_cycle_days"], cycles=example["input"]["cycles"]
    )
    assert window == example["expect"]["window_days"]
    with pytest.warns(churn.ShortWindowWarning, match="cycles is 2: below 3"):
        assert churn.retention_window(purchase_cycle=14, cycles=2) == 28


def test_what_is_refused_and_warned_of():
    import pyarrow as pa

    log = Transactions(pa.table(columns(ORDERS)), **NAMES)
    with pytest.raises(InvalidValue, match="dated must be one of"):
        log.lost(as_of=AS_OF, dated="order")
    with pytest.raises(InvalidValue, match="risk_cycles must be below cycles, got 3 and 3"):
        log.at_risk(as_of=AS_OF, risk_cycles=3)
    with pytest.raises(InvalidValue, match="within must be a whole number >= 1"):
        log.returned(as_of=AS_OF, within=0)
    with pytest.warns(churn.ShortWindowWarning, match=r"cycles is 2\.5"):
        log.lost(as_of=AS_OF, cycles=2.5)
    with pytest.warns(RowsExcludedWarning, match="lost leaves out"):
        log.lost(as_of=AS_OF)
    once = Transactions(pa.table(columns(ORDERS[:1])), **NAMES)
    with pytest.raises(UndefinedMetric, match="no customer has bought on a second day"):
        once.lost(as_of="2025-01-01")


def test_the_gap_curve_counts_open_gaps(engine, log):
    closed, still_open = oracles.gaps(ORDERS, AS_OF)
    curve = log.purchase_gaps(as_of=AS_OF)
    assert (curve.events.sum(), curve.censored.sum()) == (len(closed), len(still_open))
    assert curve.median() == oracles.kaplan_meier_median(closed, still_open)
    first = min(closed)
    at_least_so_long = sum(gap >= first for gap in closed + still_open)
    assert curve.at(float(first)) == pytest.approx(1 - closed.count(first) / at_least_so_long)


def test_whom_to_win_back(engine, log):
    """The lost with what they brought a month: money over rhythm times purchases, the days for which they came."""
    rows = engine.rows(log.win_back_candidates(as_of=AS_OF))
    lost = engine.rows(log.lost(as_of=AS_OF))
    spent = {who: sum(by_day.values()) for who, by_day in oracles.spent(ORDERS, AS_OF).items()}
    assert len(rows) == len(lost) > 0
    for row, plain in zip(rows, lost, strict=True):
        amount, monthly = row.pop("amount"), row.pop("amount_per_month")
        assert row == plain
        assert amount == pytest.approx(spent[row["customer"]], abs=1e-9)
        assert monthly == pytest.approx(amount / (row["rhythm"] * row["purchases"]) * 30.4375, abs=1e-9)
    with pytest.raises(InvalidValue, match="win_back_candidates needs the amounts of the log"):
        Transactions(engine.frame(**columns(ORDERS)), customer="customer", time="time").win_back_candidates(as_of=AS_OF)
