"""Every period, anchor, way of counting, start and week start, on generated logs (Polars) against plain Python."""

import datetime as dt
import statistics

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from retention_metrics import churn
from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.logs import Transactions
from tests import oracles
from tests.oracles import DAY, Order, at, columns

pytestmark = pytest.mark.filterwarnings("ignore::retention_metrics.churn.ShortWindowWarning")

pl = pytest.importorskip("polars")

SPAN = {"day": 25, "week": 80, "month": 200, "quarter": 500, "year": 1_200}
HOURS = [dt.time(0, 0), dt.time(12, 30), dt.time(23, 59, 59, 999_999)]
FIRST = dt.date(2023, 12, 10)  # new year, a leap day and the ISO weeks 52 and 1 follow soon
FLOW = ("start", "new", "returned", "lost", "lost_of_start", "end", "buyers", "returning", "complete")
PERIODS = pytest.mark.parametrize("period", SPAN)
WEEK_STARTS = st.sampled_from(["monday", "sunday"])


def orders_within(days, *, most=40):
    """Logs of up to six customers who never buy after the last day."""
    order = st.builds(
        lambda who, day, hour, cents: Order(who, dt.datetime.combine(FIRST + day * DAY, hour), cents / 100),
        st.sampled_from("abcdef"),
        st.integers(0, days),
        st.sampled_from(HOURS),
        st.integers(-5_000, 10_000),
    )
    return st.lists(order, min_size=1, max_size=most)


def open_log(orders, **options):
    table = {name: array.to_pylist() for name, array in columns(orders).items()}
    return Transactions(pl.DataFrame(table), customer="customer", time="time", amount="amount", **options)


def orders_of(text):
    """``"a 2024-01-28 2024-02-02; b ..."`` as orders."""
    listed = [part.split() for part in text.split(";")]
    return [Order(who, at(day), 1.0) for who, *days in listed for day in days]


@PERIODS
@given(data=st.data())
def test_cohorts(period, data):
    orders = data.draw(orders_within(SPAN[period]))
    last = max(order.day for order in orders)
    as_of = last + data.draw(st.integers(0, 10)) * DAY
    week_start = data.draw(WEEK_STARTS)
    start = data.draw(st.none() | st.integers(-30, (as_of - FIRST).days).map(lambda n: FIRST + n * DAY))
    question = {
        "anchor": data.draw(st.sampled_from(["first", "every"])),
        "counting": data.draw(st.sampled_from(["on", "on_or_after"])),
        "min_events": data.draw(st.integers(1, 3)),
        "start": start,
    }
    expected = oracles.cohorts(orders, as_of, period, week_start=week_start, **question)
    log = open_log(orders, week_start=week_start)
    if expected is None:
        with pytest.raises(InvalidValue, match=f"no cohort from start {start} on"):
            log.cohorts(period=period, as_of=as_of, **question)
        return
    found = log.cohorts(period=period, as_of=as_of, **question)
    assert list(found.cohorts) == expected["cohorts"]
    assert {name: found.to_dict()[name] for name in ("sizes", "retained", "states")} == {
        name: expected[name] for name in ("sizes", "retained", "states")
    }


@PERIODS
@given(data=st.data())
def test_retention_by_period(period, data):
    orders = data.draw(orders_within(SPAN[period]))
    as_of = max(order.day for order in orders) + data.draw(st.integers(0, 40)) * DAY
    week_start = data.draw(WEEK_STARTS)
    lost_after = data.draw(st.sampled_from([0, 1, 5, 6, 7, 13, 20, 31, 90]))
    found = open_log(orders, week_start=week_start).retention_by_period(
        period=period, as_of=as_of, lost_after=lost_after
    )
    expected = oracles.flow(orders, as_of, period, lost_after, week_start)
    assert list(found.periods) == expected["periods"]
    assert {name: getattr(found, name).tolist() for name in FLOW} == {name: expected[name] for name in FLOW}
    assert found.revenue.tolist() == pytest.approx(expected["revenue"], rel=1e-12, abs=1e-9)


@pytest.mark.parametrize("unit", ["day", "week", "month"])
@given(data=st.data())
def test_rfm(unit, data):
    orders = data.draw(orders_within(SPAN[unit]))
    as_of = max(order.day for order in orders) + data.draw(st.integers(0, 40)) * DAY
    week_start = data.draw(WEEK_STARTS)
    as_of = oracles.closing(as_of, unit, week_start)
    found = open_log(orders, week_start=week_start).rfm(as_of=as_of, unit=unit, opportunities=True).sort("customer")
    expected = pl.DataFrame(oracles.rfm(orders, as_of, unit, week_start), schema=found.schema)
    values = found["monetary_value"].to_list()
    assert found.drop("monetary_value").rows() == expected.drop("monetary_value").rows()
    assert values == [
        None if value is None else pytest.approx(value, rel=1e-12, abs=1e-9) for value in expected["monetary_value"]
    ]


# Gaps of 2, 2, 3, 3, 4, 7, 7, 8 days, all ended on 31 January, and two still open for 4 days: survival is
# 8/10 * 6/8 * 5/6 = 1/2 exactly at 4 days. Multiplied in floats it is one ulp more, and the median would be 7.
@example(
    orders=orders_of(
        "a 2024-01-29 2024-01-31; b 2024-01-29 2024-01-31; c 2024-01-28 2024-01-31; d 2024-01-28 2024-01-31;"
        "e 2024-01-27 2024-01-31; f 2024-01-24 2024-01-31; g 2024-01-24 2024-01-31; h 2024-01-23 2024-01-31;"
        "i 2024-01-27; j 2024-01-27"
    ),
    wait=0,
)
@given(orders=orders_within(40, most=25), wait=st.integers(0, 40))
def test_purchase_cycle(orders, wait):
    as_of = max(order.day for order in orders) + wait * DAY
    closed, still_open = oracles.gaps(orders, as_of)
    log = open_log(orders)
    if not closed:
        with pytest.raises(UndefinedMetric, match="no customer has bought on a second day"):
            log.purchase_cycle(as_of=as_of)
        return
    found = log.purchase_cycle(as_of=as_of)
    assert (found.closed, found.open) == (len(closed), len(still_open))
    assert found.median == oracles.kaplan_meier_median(closed, still_open)
    assert found.median_closed == statistics.median(closed)


@given(orders=orders_within(90), wait=st.integers(0, 40), min_age=st.integers(0, 100))
def test_repeat_purchase_rate(orders, wait, min_age):
    as_of = max(order.day for order in orders) + wait * DAY
    repeated, buyers = oracles.repeat_purchase_rate(orders, as_of, min_age)
    log = open_log(orders)
    if buyers == 0:
        with pytest.raises(UndefinedMetric, match=f"no customer's first purchase is {min_age} or more days"):
            log.repeat_purchase_rate(as_of=as_of, min_age=min_age)
        return
    found = log.repeat_purchase_rate(as_of=as_of, min_age=min_age)
    assert (found.numerator, found.denominator) == (repeated, buyers)


@given(orders=orders_within(60), cut=st.integers(0, 60), lost_after=st.integers(1, 40), data=st.data())
def test_status(orders, cut, lost_after, data):
    as_of = FIRST + cut * DAY
    orders = [*oracles.known(orders, as_of), Order("z", dt.datetime.combine(FIRST, HOURS[1]), 1.0)]
    early = data.draw(st.none() | st.integers(0, lost_after - 1))
    found = open_log(orders).status(as_of=as_of, lost_after=lost_after, at_risk_after=early)
    expected = oracles.status(orders, as_of, lost_after, early)
    assert found.drop("last_purchase").sort("customer").rows() == [
        (row["customer"], row["days_since"], row["status"]) for row in expected
    ]


# --- small cases, worked by hand


def test_lost_of_the_start_although_seen_in_the_period():
    """Ann was there on 1 February, came once more on the 2nd, and was lost by the 13th: nobody was kept."""
    flow = open_log(orders_of("ann 2024-01-28 2024-02-02")).retention_by_period(as_of="2024-02-29", lost_after=10)
    assert (flow.start[1], flow.lost[1], flow.lost_of_start[1], flow.end[1]) == (1, 1, 1, 0)
    assert flow.retention()[1] == 0
    assert flow.pooled_churn().value == 1


def test_who_is_lost_and_returns_within_the_period_is_not_lost_of_the_start():
    """Ann of 31 January is lost on 11 February, back on the 20th, and there at the end of the month."""
    flow = open_log(orders_of("ann 2024-01-31 2024-02-20")).retention_by_period(as_of="2024-02-29", lost_after=10)
    assert (flow.start[1], flow.lost[1], flow.returned[1], flow.end[1]) == (1, 1, 1, 1)
    assert flow.lost_of_start[1] == 0
    assert flow.retention()[1] == 1


def test_who_joins_and_leaves_within_the_period_is_not_lost_of_the_start():
    """Definitions 1.5: ann is the start set and stays; bob joins and leaves: L = 1, L0 = 0."""
    flow = open_log(orders_of("ann 2024-01-31 2024-02-10 2024-02-20; bob 2024-02-02")).retention_by_period(
        as_of="2024-02-29", lost_after=10
    )
    assert (flow.start[1], flow.new[1], flow.lost[1], flow.lost_of_start[1], flow.end[1]) == (1, 1, 1, 0, 1)
    assert flow.retention()[1] == 1


def test_the_day_of_coming_of_age():
    """1 January is 30 days before the 31st: old enough for 30 days, not for 31."""
    log = open_log(orders_of("ann 2024-01-01 2024-01-05"))
    assert log.repeat_purchase_rate(as_of="2024-01-31", min_age=30).denominator == 1
    with pytest.raises(UndefinedMetric, match="no customer's first purchase is 31 or more days ago"):
        log.repeat_purchase_rate(as_of="2024-01-31", min_age=31)


def test_the_day_of_loss():
    """Bought on 1 January, lost after 10 days: here on the 11th, lost on the 12th, unless back that day."""
    log = open_log(orders_of("ann 2024-01-01"))
    assert log.retention_by_period(period="day", as_of="2024-01-12", lost_after=10).lost.tolist()[-2:] == [0, 1]
    assert log.status(as_of="2024-01-11", lost_after=10)["status"].to_list() == ["active"]
    assert log.status(as_of="2024-01-12", lost_after=10)["status"].to_list() == ["lost"]
    back = open_log(orders_of("ann 2024-01-01 2024-01-12")).retention_by_period(
        period="day", as_of="2024-01-12", lost_after=10
    )
    assert (back.lost.sum(), back.returned.sum()) == (0, 0)


def test_iso_weeks_over_new_year():
    """31 December 2024 and 2 January 2025 lie in the week of Monday 30 December 2024 (ISO 2025-W01)."""
    log = open_log(orders_of("ann 2024-12-31 2025-01-02 2025-01-06"))
    assert log.rfm(as_of="2025-01-12", unit="week", opportunities=True).drop("monetary_value").rows() == [
        ("ann", 1, 1, 1)
    ]
    weeks = log.cohorts(period="week", as_of="2025-01-06")
    assert weeks.cohorts == (dt.date(2024, 12, 30),)
    assert weeks.states.tolist() == [["observed", "partial"]]


def test_recency_and_age_by_hand():
    """Fader & Hardie's x, t_x and T: two repeat days, 60 days after the first, 90 days observed; mean of 20 and 30."""
    orders = [
        Order("ann", at("2026-01-01T08:00"), 100.0),
        Order("ann", at("2026-01-01T20:00"), 1.0),  # the same day: one purchase
        Order("ann", at("2026-01-31T08:00"), 20.0),
        Order("ann", at("2026-03-02T08:00"), 50.0),
        Order("ann", at("2026-03-02T09:00"), -20.0),  # a refund of the day: 30 are left
    ]
    assert open_log(orders).rfm(as_of="2026-04-01").rows() == [("ann", 2, 60, 90, 25.0)]


def test_days_of_the_purchase_cycle():
    """Gaps of 10 and 20 days, as_of at the end of the longer: 4 at risk less the two open at 0 and 10 days."""
    found = open_log(orders_of("a 2024-01-01 2024-01-11; b 2024-01-01 2024-01-21")).purchase_cycle(as_of="2024-01-21")
    assert found.median == 20  # S(10) = 2/3, S(20) = 0
    assert found.days == found.median
    never = churn.PurchaseCycle(median=None, median_closed=7, closed=1, open=9)
    assert never.days == 7
