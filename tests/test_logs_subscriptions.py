"""Every question to a log of subscriptions, on every engine, against plain Python."""

import datetime as dt
import random
from collections import Counter, defaultdict
from typing import NamedTuple

import pyarrow as pa
import pytest

from retention_metrics.errors import (
    InvalidRows,
    InvalidType,
    InvalidValue,
    MissingColumn,
    RowsExcludedWarning,
    UndefinedMetric,
)
from retention_metrics.logs import Subscriptions
from retention_metrics.survival import kaplan_meier

AS_OF = dt.date(2024, 6, 30)
DAY = dt.timedelta(days=1)
NAMES = {"customer": "who", "start": "since", "end": "until"}

pytestmark = pytest.mark.filterwarnings("ignore::retention_metrics.errors.RowsExcludedWarning")


class Row(NamedTuple):
    who: str
    since: dt.date
    until: dt.date | None
    plan: str
    paid: float
    paused: bool | None


def book(seed=5):
    """Terms that follow, overlap, pause and nest; ends on, before and after the last day; starts after it."""
    rng = random.Random(seed)
    rows = []
    for i in range(40):
        at = dt.date(2023, 10, 1) + rng.randrange(200) * DAY
        for _ in range(rng.choice([1, 1, 2, 3, 4])):
            length = rng.choice([0, 7, 30, 30, 90])
            end = rng.choice([at + length * DAY, at + length * DAY, at + length * DAY, None, AS_OF])
            end = None if end is not None and end < at else end
            paused = rng.choice([True, False, None])
            rows.append(Row(f"c{i:02}", at, end, rng.choice(["basic", "pro"]), float(rng.randrange(10, 99)), paused))
            at = at + (length + rng.choice([-20, -3, 0, 0, 1, 5, 40])) * DAY
    rng.shuffle(rows)
    return rows


ROWS = book()


def columns(rows):
    types = {"since": pa.timestamp("us"), "until": pa.timestamp("us"), "paid": pa.float64(), "paused": pa.bool_()}
    noon = dt.time(12, 30)
    table = {}
    for name in Row._fields:
        values = [getattr(row, name) for row in rows]
        if name in ("since", "until"):
            values = [None if value is None else dt.datetime.combine(value, noon) for value in values]
        table[name] = pa.array(values, types.get(name, pa.string()))
    return table


def stays(rows, window, as_of=AS_OF):
    return [stay for mine in stays_of_customers(rows, window, as_of).values() for stay in mine]


def stays_of_customers(rows, window, as_of=AS_OF):
    """Stays of each customer, day by day: the days on which a subscription runs, short pauses filled in."""
    found = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.who, row.since, row.until or dt.date.max)):
        if row.since > as_of:
            continue
        stop = row.until or dt.date.max
        mine = found[row.who]
        if mine and (row.since - mine[-1][1]).days <= window:
            mine[-1][1] = max(mine[-1][1], stop)
        else:
            mine.append([row.since, stop])
    return {who: [tuple(stay) for stay in mine] for who, mine in found.items()}


@pytest.fixture
def log(engine):
    return Subscriptions(engine.frame(**columns(ROWS)), **NAMES)


def as_counts(curve):
    return [curve.times.tolist(), curve.events.tolist(), curve.censored.tolist(), curve.at_risk.tolist()]


def test_the_book_is_nasty():
    assert any(row.until == AS_OF for row in ROWS)
    assert any(row.until is None for row in ROWS)
    assert any(row.since > AS_OF for row in ROWS)
    assert any(row.until == row.since for row in ROWS)
    assert len(stays(ROWS, 0)) > len(stays(ROWS, 10)) > len({row.who for row in ROWS if row.since <= AS_OF})


@pytest.mark.parametrize("window", [0, 10])
def test_lifetimes(log, window):
    curve = log.lifetimes(as_of=AS_OF, reactivation_window=window)
    found = stays(ROWS, window)
    lengths = [(min(stop, AS_OF) - start).days for start, stop in found]
    expected = kaplan_meier(lengths, [stop < AS_OF for _, stop in found])
    assert as_counts(curve) == as_counts(expected)
    assert 0 < curve.censored.sum() < curve.n


def test_lifetimes_of_customers_who_were_there_before_the_data(log):
    since = dt.date(2024, 1, 15)
    curve = log.lifetimes(as_of=AS_OF, since=since)
    seen = [(start, stop) for start, stop in stays(ROWS, 0) if min(stop, AS_OF) > since]
    lengths = [(min(stop, AS_OF) - start).days for start, stop in seen]
    entries = [max((since - start).days, 0) for start, _ in seen]
    expected = kaplan_meier(lengths, [stop < AS_OF for _, stop in seen], entry=entries)
    assert max(entries) > 0
    assert as_counts(curve) == as_counts(expected)


def test_an_end_on_the_day_of_the_extract_is_no_loss(engine):
    start = AS_OF - 30 * DAY
    rows = [Row("a", start, AS_OF, "basic", 1.0, False), Row("b", start, AS_OF - DAY, "basic", 1.0, None)]
    curve = Subscriptions(engine.frame(**columns(rows)), **NAMES).lifetimes(as_of=AS_OF)
    assert as_counts(curve) == [[29, 30], [1, 0], [0, 1], [2, 1]]


def test_renewals_due(engine):
    table = columns(ROWS)
    if engine.name == "dask":  # which turns booleans with gaps into strings before we see them
        table["paused"] = table["paused"].cast(pa.int8())
    roles = {"plan": "plan", "amount": "paid", "frozen": "paused"}
    log = Subscriptions(engine.frame(**table), **NAMES, **roles)
    latest = {}
    for row in ROWS:
        if row.since <= AS_OF:
            latest[row.who] = max(latest.get(row.who, dt.date.min), row.until or dt.date.max)
    ahead = AS_OF + 45 * DAY
    due = [row for row in ROWS if row.since <= AS_OF and row.until == latest[row.who] and AS_OF <= row.until <= ahead]
    assert {row.paused for row in due} == {True, False, None}
    expected = [
        (row.who, row.until, (row.until - AS_OF).days, row.plan, row.paid) for row in due if row.paused is not True
    ]
    found = engine.rows(log.renewals_due(as_of=AS_OF, within=45))
    assert Counter(tuple(row.values()) for row in found) == Counter(expected)
    assert list(found[0]) == ["customer", "ends_on", "days_left", "plan", "amount"]


def test_the_renewal_rate_counts_only_those_whose_term_ended(log):
    first, last, window = dt.date(2024, 1, 1), dt.date(2024, 4, 30), 10
    rate = log.renewal_rate(first=first, last=last, as_of=AS_OF, reactivation_window=window)
    renewed = up = 0
    for row in ROWS:
        if row.since <= AS_OF and row.until is not None and first <= row.until <= last:
            own = stays([other for other in ROWS if other.who == row.who], window)
            (stay,) = [s for s in own if s[0] <= row.since and row.until <= s[1]]
            up += 1
            renewed += stay[1] > row.until
    assert 0 < renewed < up
    assert (rate.numerator, rate.denominator) == (renewed, up)


def test_what_is_refused(engine):
    table = columns(ROWS[:6])
    early = [dt.datetime(2020, 1, 1)] * 2 + [None] * 4
    broken = table | {"until": pa.array(early, pa.timestamp("us")), "who": pa.array(["a", None, "c", "d", "e", "f"])}
    log = Subscriptions(engine.frame(**broken), **NAMES)
    with pytest.raises(InvalidRows, match="1 null customer, 1 end before start"):
        log.lifetimes(as_of="2025-01-01")
    lenient = Subscriptions(engine.frame(**broken), **NAMES, on_invalid="exclude")
    with pytest.warns(RowsExcludedWarning, match="lifetimes leaves out 2 rows of the log"):
        assert lenient.lifetimes(as_of="2025-01-01").n == 4


def test_spans_that_cannot_be_judged():
    log = Subscriptions(pa.table(columns(ROWS)), **NAMES)
    with pytest.raises(InvalidValue, match="too close to it: renewals within 30 days can still come"):
        log.renewal_rate(first="2024-06-01", last="2024-06-15", as_of=AS_OF, reactivation_window=30)
    with pytest.raises(InvalidValue, match="last must not be before first"):
        log.renewal_rate(first="2024-06-01", last="2024-05-15", as_of=AS_OF)
    with pytest.raises(UndefinedMetric, match="no subscription ended from 2023-01-01"):
        log.renewal_rate(first="2023-01-01", last="2023-01-31", as_of=AS_OF)
    with pytest.raises(InvalidValue, match="no stay reaches beyond since 2024-06-30"):
        log.lifetimes(as_of=AS_OF, since=AS_OF)
    with pytest.raises(MissingColumn, match="end column 'untill' is not in the frame; the nearest is 'until'"):
        Subscriptions(pa.table(columns(ROWS)), customer="who", start="since", end="untill")
    with pytest.raises(InvalidType, match="frozen column 'plan' holds String"):
        Subscriptions(pa.table(columns(ROWS)), **NAMES, frozen="plan").renewals_due(as_of=AS_OF)
    with pytest.raises(InvalidType, match="time column 'plan' holds String, not dates"):
        Subscriptions(pa.table(columns(ROWS)), customer="who", start="since", end="plan")


def test_who_was_lost_and_of_which_plan(engine):
    """The stays that ended in spring, day by day in Python; the segment is that of the row that ended them."""
    book = Subscriptions(engine.frame(**columns(ROWS)), **NAMES, plan="plan")
    first, last = dt.date(2023, 11, 1), dt.date(2024, 5, 31)
    found = engine.rows(book.lost(first=first, last=last, as_of=AS_OF, reactivation_window=5, by="plan"))
    expected = []
    for who, spells in stays_of_customers(ROWS, 5).items():
        for start, stop in spells:
            if first <= stop <= last:
                plans = [row.plan for row in ROWS if row.who == who and row.until == stop and row.since >= start]
                expected.append((who, start, stop, (stop - start).days, min(plans)))
    key = ("customer", "started_on", "lost_on", "days", "segment")
    assert sorted(tuple(row[name] for name in key) for row in found) == sorted(expected)
    assert len(expected) > 5
    flow = book.retention_by_period(as_of=AS_OF, reactivation_window=5)
    months = [i for i, month in enumerate(flow.periods) if first <= month <= last]
    assert flow.lost[months].sum() == len(expected)
    with pytest.raises(InvalidValue, match="last must be before as_of 2024-06-30, got 2024-06-30"):
        book.lost(first=first, last=AS_OF, as_of=AS_OF)


def test_ends_that_are_the_last_day(engine):
    """Three months in a row, each named by its last day, and the fourth ends on the day of the extract."""
    at = dt.datetime.fromisoformat
    terms = [("2026-01-01", "2026-01-31"), ("2026-02-01", "2026-02-28"), ("2026-03-01", "2026-03-31")]
    frame = engine.frame(who=["ann"] * 3, since=[at(start) for start, _ in terms], until=[at(end) for _, end in terms])
    broken = Subscriptions(frame, **NAMES).retention_by_period(as_of="2026-03-31")
    assert broken.returned.tolist() == [0, 1, 1]
    whole = Subscriptions(frame, **NAMES, end_included=True)
    flow = whole.retention_by_period(as_of="2026-03-31")
    assert (flow.lost.tolist(), flow.returned.tolist(), flow.end.tolist()) == ([0, 0, 0], [0, 0, 0], [1, 1, 1])
    assert whole.retention_by_period(as_of="2026-04-02").lost.tolist() == [0, 0, 0, 1]
    assert whole.lifetimes(as_of="2026-04-02").times.tolist() == [90]


def test_months_whose_losses_are_not_known_yet_are_not_complete(engine):
    at = dt.datetime.fromisoformat
    frame = engine.frame(who=["ann"], since=[at("2026-01-01")], until=[at("2026-01-20")])
    book = Subscriptions(frame, **NAMES)
    assert book.retention_by_period(as_of="2026-03-31").complete.tolist() == [True, True, True]
    assert book.retention_by_period(as_of="2026-03-31", reactivation_window=30).complete.tolist() == [True, True, False]
