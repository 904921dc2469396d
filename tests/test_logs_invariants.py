"""What must hold of any log, whatever the numbers are (Polars)."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from retention_metrics.logs import Transactions
from tests import oracles
from tests.oracles import DAY, Order, columns

pytestmark = pytest.mark.filterwarnings("ignore::retention_metrics.churn.ShortWindowWarning")

pl = pytest.importorskip("polars")

FIRST = dt.date(2023, 12, 10)
HOURS = st.sampled_from([dt.time(0, 0), dt.time(12, 30), dt.time(23, 59, 59, 999_999)])
PERIODS = st.sampled_from(["day", "week", "month", "quarter"])


@st.composite
def logs(draw, customers="abcdefgh", days=100):
    drawn = draw(
        st.lists(
            st.tuples(st.sampled_from(customers), st.integers(0, days), HOURS, st.integers(-5_000, 10_000)),
            min_size=2,
            max_size=40,
        )
    )
    return [Order(who, dt.datetime.combine(FIRST + n * DAY, hour), cents / 100) for who, n, hour, cents in drawn]


def open_log(orders, **options):
    table = {name: array.to_pylist() for name, array in columns(orders).items()}
    return Transactions(pl.DataFrame(table), customer="customer", time="time", amount="amount", **options)


def last_day(orders):
    return max(order.day for order in orders)


@given(orders=logs(), period=PERIODS, anchor=st.sampled_from(["first", "every"]), enough=st.integers(1, 3))
def test_on_or_after_never_rises_with_age_and_covers_on(orders, period, anchor, enough):
    question = {"period": period, "as_of": last_day(orders), "anchor": anchor, "min_events": enough}
    log = open_log(orders)
    later = log.cohorts(**question, counting="on_or_after").counts()
    on = log.cohorts(**question).counts()
    known = ~np.isnan(later)
    assert (np.diff(later, axis=1)[known[:, 1:]] <= 0).all()
    assert (on[known] <= later[known]).all()
    assert (np.isnan(on) == np.isnan(later)).all()


@given(orders=logs(), period=PERIODS, enough=st.integers(1, 3))
def test_more_events_asked_for_never_raise_a_cell_nor_change_a_size(orders, period, enough):
    log, as_of = open_log(orders), last_day(orders)
    few = log.cohorts(period=period, as_of=as_of, min_events=enough)
    more = log.cohorts(period=period, as_of=as_of, min_events=enough + 1)
    assert few.sizes.tolist() == more.sizes.tolist()
    known = ~np.isnan(few.counts())
    assert (more.counts()[known] <= few.counts()[known]).all()
    if enough == 1:
        assert few.counts()[:, 0].tolist() == few.sizes.tolist(), "everyone is there at age 0"


@given(orders=logs(), weeks=st.integers(-500, 500), week_start=st.sampled_from(["monday", "sunday"]))
def test_whole_weeks_later_is_the_same_weekly_table(orders, weeks, week_start):
    shift = weeks * 7 * DAY
    moved = [order._replace(time=order.time + shift) for order in orders]
    as_of = last_day(orders)
    here = open_log(orders, week_start=week_start).cohorts(period="week", as_of=as_of)
    there = open_log(moved, week_start=week_start).cohorts(period="week", as_of=as_of + shift)
    assert [day + shift for day in here.cohorts] == list(there.cohorts)
    for name in ("sizes", "retained", "states"):
        assert here.to_dict()[name] == there.to_dict()[name]


@given(orders=logs(), others=logs(customers="xyz"), counting=st.sampled_from(["on", "on_or_after"]))
def test_another_customer_never_lowers_a_cell(orders, others, counting):
    as_of = max(last_day(orders), last_day(others))
    cells = []
    for log in (orders, orders + others):
        table = open_log(log).cohorts(as_of=as_of, counting=counting)
        cells.append(
            {
                (cohort, age): count
                for cohort, row in zip(table.cohorts, table.counts(), strict=True)
                for age, count in enumerate(row)
                if not np.isnan(count)
            }
        )
    before, after = cells
    assert all(after[cell] >= count for cell, count in before.items())


@given(orders=logs(), period=PERIODS)
def test_sizes_add_up_to_the_customers(orders, period):
    table = open_log(orders).cohorts(period=period, as_of=last_day(orders))
    assert table.sizes.sum() == len({order.customer for order in orders})


@given(orders=logs(), period=PERIODS, start=st.integers(0, 100))
def test_start_cuts_rows_and_changes_none(orders, period, start):
    """Customers won before ``start`` are left out, and are not taken for new ones."""
    since = FIRST + start * DAY
    whole = open_log(orders).cohorts(period=period, as_of=last_day(orders))
    opened = oracles.opening(since, period)
    rows = [row for row, cohort in enumerate(whole.cohorts) if cohort >= opened]
    assume(rows)
    cut = open_log(orders).cohorts(period=period, as_of=last_day(orders), start=since)
    ages = cut.counts().shape[1]
    assert list(cut.cohorts) == [whole.cohorts[row] for row in rows]
    np.testing.assert_array_equal(cut.counts(), whole.counts()[rows][:, :ages])


@given(orders=logs(), period=PERIODS, lost_after=st.integers(0, 60))
def test_the_base_adds_up_and_agrees_with_status(orders, period, lost_after):
    """start + new + returned - lost = end, and end is the number of customers not lost on that evening."""
    log, as_of = open_log(orders), last_day(orders)
    flow = log.retention_by_period(period=period, as_of=as_of, lost_after=lost_after)
    assert (flow.start + flow.new + flow.returned - flow.lost == flow.end).all()
    assert flow.start.tolist() == [0, *flow.end[:-1].tolist()]
    assert (flow.lost_of_start <= np.minimum(flow.start, flow.lost)).all()
    assert flow.new.sum() == len({order.customer for order in orders})
    evenings = [day - DAY for day in flow.periods[1:]] + [as_of]
    for evening, end in list(zip(evenings, flow.end, strict=True))[-3:]:
        until = open_log(oracles.known(orders, evening)).status(as_of=evening, lost_after=lost_after)
        assert (until["status"] != "lost").sum() == end


@given(orders=logs(), lost_after=st.integers(0, 60))
def test_pooled_churn_is_lost_over_start(orders, lost_after):
    """Retention of each period, weighted by the customers at its start, is one minus the pooled churn."""
    flow = open_log(orders).retention_by_period(as_of=last_day(orders), lost_after=lost_after)
    opened = flow.start[flow.complete]
    assume(opened.sum() > 0)
    kept = flow.retention()[flow.complete]
    weighted = np.average(np.nan_to_num(kept), weights=opened)
    assert flow.pooled_churn().value == pytest.approx(1 - weighted)
    assert (np.isnan(kept) == (opened == 0)).all()


@given(orders=logs(), unit=st.sampled_from(["day", "week", "month"]))
def test_frequencies_and_customers_are_the_purchases(orders, unit):
    """sum(frequency) + customers = distinct pairs of a customer and a unit; and 0 <= recency <= T."""
    as_of = oracles.closing(last_day(orders), unit)
    table = open_log(orders).rfm(as_of=as_of, unit=unit, opportunities=True)
    distinct = {(order.customer, oracles.opening(order.day, unit)) for order in orders}
    assert table["frequency"].sum() + table.height == len(distinct)
    assert (table["recency"] >= table["frequency"]).all(), "one purchase a unit at most"
    assert (table["T"] >= table["recency"]).all()
    assert ((table["frequency"] == 0) == table["monetary_value"].is_null()).all()


@given(orders=logs(), times=st.integers(2, 4))
def test_doubled_rows_change_no_frequency(orders, times):
    as_of = last_day(orders)
    once, often = (open_log(rows).rfm(as_of=as_of).sort("customer") for rows in (orders, orders * times))
    assert once.drop("monetary_value").rows() == often.drop("monetary_value").rows()
    money = [table["monetary_value"].to_list() for table in (once, often)]
    assert money[1] == [None if m is None else pytest.approx(times * m, abs=1e-9) for m in money[0]]


def assert_alike(before, after):
    """Sums of money may differ in the order of addition; nothing else may."""
    money = [answer.pop("revenue", 0.0) for answer in (before, after)]
    assert money[1] == pytest.approx(money[0], rel=1e-12, abs=1e-9)
    assert before == after


@given(orders=logs(), later=st.integers(1, 50))
def test_rows_after_as_of_change_nothing_but_their_count(orders, later):
    """Answers of a past day stay what they were when more data arrive."""
    as_of = last_day(orders)
    future = [order._replace(time=order.time + (later + 100) * DAY) for order in orders]
    then, now = open_log(orders), open_log(orders + future)
    for question in ("summary", "cohorts", "repeat_purchase_rate"):
        answers = [getattr(log, question)(as_of=as_of) for log in (then, now)]
        before, after = (a.model_dump() if hasattr(a, "model_dump") else a.to_dict() for a in answers)
        assert before.pop("excluded", {}) == {}
        assert after.pop("excluded", {"after as_of": len(future)}) == {"after as_of": len(future)}
        assert_alike(before, after)
    assert_alike(*(log.retention_by_period(as_of=as_of, lost_after=20).to_dict() for log in (then, now)))


@given(orders=logs())
def test_averages_and_intervals_of_the_table(orders):
    """Pooled is the size-weighted mean of the observed rates; Wilson's limits hold the rate, within 0 and 1."""
    table = open_log(orders).cohorts(as_of=last_day(orders) + 40 * DAY)
    rates, observed = table.rates(), table.observed
    for age in range(rates.shape[1]):
        rows = observed[:, age]
        if rows.any():
            pooled = np.average(rates[rows, age], weights=table.sizes[rows])
            assert table.average()[age] == pytest.approx(pooled)
            assert table.average("unweighted")[age] == pytest.approx(rates[rows, age].mean())
        else:
            assert np.isnan(table.average()[age])
    low, high, *_ = table.interval(level=0.9)
    assert (np.isnan(low) == ~observed).all()
    assert ((low[observed] >= 0) & (high[observed] <= 1)).all()
    assert ((low[observed] <= rates[observed]) & (rates[observed] <= high[observed])).all()
    assert (low[observed] < high[observed]).all()


def test_arrays_of_the_answers_cannot_be_written_to():
    log = open_log([Order("a", dt.datetime.combine(FIRST, dt.time()), 1.0)])
    table = log.cohorts(as_of=FIRST)
    flow = log.retention_by_period(as_of=FIRST, lost_after=1)
    arrays = [table.sizes, table.retained, table.states]
    arrays += [flow.start, flow.new, flow.lost, flow.end, flow.complete, flow.revenue]
    assert not any(array.flags.writeable for array in arrays)
