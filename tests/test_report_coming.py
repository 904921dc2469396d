"""The forecast of the report: that of the frame of customers, checked by counting, and quiet when it must be."""

import datetime as dt
import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import polars as pl
import pytest

import retention_metrics as rm
from retention_metrics import report
from retention_metrics.predictive import GammaGamma, MbgNbd

ROOT = Path(__file__).parents[1]
AS_OF = dt.date(1998, 6, 30)
SPLIT = dt.date(1998, 3, 31)


@pytest.fixture(scope="module")
def orders(cdnow_sample):
    return rm.logs.Transactions(pl.from_arrow(cdnow_sample), customer="customer", time="time", amount="amount")


@pytest.fixture(scope="module")
def built(orders):
    return report.build(orders, as_of=AS_OF, margin_share=0.5)


def coming(built):
    return next(part for part in built.sections if part.name == "coming")


def figures(built):
    return {each.name: each for each in coming(built).figures}


def said(built):
    return {each.words.key: each.words.values for each in coming(built).sentences}


def test_totals_are_those_of_the_customers(orders, built):
    seen = orders.histories(as_of=AS_OF, unit="month", spend=True)
    kept = seen.frequency[(seen.frequency > 0) & (seen.monetary_value > 0)]
    spent = seen.monetary_value[(seen.frequency > 0) & (seen.monetary_value > 0)]
    spend = GammaGamma.fit(frequency=kept, monetary_value=spent)
    told = orders.predict(MbgNbd.fit(seen), horizon=3, as_of=AS_OF, spend=spend, margin=0.5)
    found = figures(built)
    assert found["alive"].value == pytest.approx(told["probability_alive"].sum())
    assert found["alive"].share == pytest.approx(told["probability_alive"].mean())
    assert found["coming"].value == pytest.approx(told["expected_purchases"].sum())
    assert found["bring_margin"].value == pytest.approx(told["value"].sum(), rel=1e-6)
    assert found["buyers"].value < min(found["alive"].value, found["coming"].value)


def test_every_expectation_has_limits(built):
    for each in figures(built).values():
        assert each.interval.low < each.value < each.interval.high


def test_the_check_counts_what_came(orders, built, cdnow_sample):
    days = defaultdict(set)
    for row in cdnow_sample.to_pylist():
        days[row["customer"]].add(row["time"].date() if isinstance(row["time"], dt.datetime) else row["time"])
    ahead = (AS_OF - SPLIT).days
    known = [each for each in days.values() if min(each) <= SPLIT]
    before = [[day for day in each if day <= SPLIT] for each in known]
    checked = said(built)["coming.checked"]
    assert checked["split"] == SPLIT
    assert checked["actual"] == sum(SPLIT < day <= AS_OF for each in known for day in each)
    # Nobody of the sample began on the day of the split, so every past rate is a number.
    rates = [(len(each) - 1) / (SPLIT - min(each)).days for each in before]
    assert checked["naive"] == pytest.approx(ahead * sum(rates))
    fit = MbgNbd.fit(orders.histories(as_of=SPLIT, unit="month"))
    then = pl.from_arrow(cdnow_sample).filter(pl.col("time").dt.date() <= SPLIT)
    log = rm.logs.Transactions(then, customer="customer", time="time")
    told = log.predict(fit, horizon=ahead / (365.25 / 12), as_of=SPLIT)
    assert checked["expected"] == pytest.approx(told["expected_purchases"].sum())
    (table,) = coming(built).tables
    assert sum(row[1] for row in table.rows) == len(known) == 2357
    assert table.rows[0][1] == sum(len(each) == 1 for each in before)


def regulars(until, *, customers=150, netted=0):
    """Customers who come at random, a third a month, until a day; refunds as large as all repeat purchases of some."""
    draw, rows = random.Random(5), []
    for who in range(customers):
        first = dt.date(2025, 1, 1) + dt.timedelta(days=draw.randrange(60))
        rows.append((who, first, 20.0))
        day = first
        while (day := day + dt.timedelta(days=1 + int(draw.expovariate(1 / 40)))) <= until:
            rows.append((who, day, 20.0 + draw.randrange(20)))
        paid = sum(amount for each, on, amount in rows if each == who and on > first)
        if who < netted and paid:
            rows.append((who, until, -paid))
    frame = pl.DataFrame(rows, schema=["who", "day", "paid"], orient="row")
    return rm.logs.Transactions(frame, customer="who", time="day", amount="paid")


def test_a_forecast_that_would_have_failed_says_so():
    gone = report.build(regulars(dt.date(2025, 9, 30)), as_of="2025-12-30")
    assert "coming.far_out" in said(gone)
    assert said(gone)["coming.checked"]["actual"] == 0
    stayed = report.build(regulars(dt.date(2025, 12, 30)), as_of="2025-12-30")
    assert "coming.far_out" not in said(stayed)
    assert "bring" in figures(stayed)
    for name in ("alive", "buyers"):
        told = figures(stayed)[name]
        assert told.interval.low <= told.value <= told.interval.high <= 150


def test_customers_who_gave_all_back_are_counted_and_left_out_of_the_money():
    orders = regulars(dt.date(2025, 12, 30), netted=3)
    assert said(report.build(orders, as_of="2025-12-30"))["coming.netted"] == {"customers": 3.0}


def test_purchases_that_bring_nothing_leave_the_money_open():
    frame = pl.DataFrame(
        {"who": [n % 120 for n in range(600)], "day": [dt.date(2025, 1, 1) + dt.timedelta(n // 2) for n in range(600)]}
    ).with_columns(paid=pl.lit(-1.0))
    orders = rm.logs.Transactions(frame, customer="who", time="day", amount="paid")
    told = report.build(orders, as_of="2025-12-30")
    assert "coming.no_money" in said(told)
    assert "bring" not in figures(told)


@pytest.mark.parametrize(
    ("as_of", "customers", "reason"),
    [
        ("2025-05-30", 150, "at least half a year of orders"),
        ("2025-12-30", 40, "take 100 customers who bought again, got 40"),
    ],
)
def test_too_little_to_go_by_is_refused_with_a_reason(as_of, customers, reason):
    orders = regulars(dt.date.fromisoformat(as_of), customers=customers)
    told = said(report.build(orders, as_of=as_of))
    assert reason in told["unanswered"]["reason"]
    assert figures(report.build(orders, as_of=as_of)) == {}


def test_without_scipy_the_rest_is_reported():
    program = (
        "import sys; sys.modules['scipy'] = None\n"
        "from tests.test_report_coming import dt, regulars, report, said\n"
        "built = report.build(regulars(dt.date(2025, 12, 30)), as_of='2025-12-30')\n"
        "print(len(built.sections), said(built)['unanswered']['reason'])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout.strip() == "9 scipy is not installed: pip install 'retention-metrics[predictive]'"
