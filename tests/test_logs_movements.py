"""Movements of recurring revenue on every engine, against a day-by-day count in plain Python."""

import datetime as dt
import math
import random
from collections import Counter
from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics import revenue
from retention_metrics._periods import first_day, last_day, period_of
from retention_metrics.errors import InvalidRows, InvalidValue, UndefinedMetric
from retention_metrics.logs import Subscriptions

AS_OF = dt.date(2024, 6, 20)
DAY = dt.timedelta(days=1)
NAMES = {"customer": "who", "start": "since", "end": "until", "amount": "paid"}
KINDS = ("new", "reactivation", "expansion", "contraction", "churn")


class Row(NamedTuple):
    who: str
    since: dt.date
    until: dt.date | None
    cents: int


class Counts(NamedTuple):
    """Money (in cents) and heads of one period."""

    start: int
    end: int
    money: Counter
    heads: Counter
    start_customers: int
    end_customers: int


def in_force(rows, day, as_of):
    """Cents in force when a day closes; on the last day of the data nothing is lost yet."""
    raw = sum(row.cents for row in rows if row.since <= day and (row.until is None or day < row.until))
    return max(raw, in_force(rows, day - DAY, dt.date.max)) if day == as_of else raw


def paid_by_day(rows, as_of):
    """Customers, and what each pays on every day from before the first to the last."""
    rows = [row for row in rows if row.since <= as_of]
    first = min(row.since for row in rows) - DAY
    days = [first + i * DAY for i in range((as_of - first).days + 1)]
    return {
        who: {day: in_force([row for row in rows if row.who == who], day, as_of) for day in days}
        for who in sorted({row.who for row in rows})
    }


def movement(before, after, gap, window):
    if before == 0:
        return "new" if gap is None or (window is not None and gap > window) else "reactivation"
    return "churn" if after == 0 else "expansion" if after > before else "contraction"


def moves_of(paid, closes, window):
    """Movements of one customer from close to close: the close, the kind and the cents."""
    moves, before, previous = [], 0, min(paid)
    active = sorted(day for day, cents in paid.items() if cents)
    for close in closes:
        after = paid[close]
        if after != before:
            back = next((day for day in active if day > previous), None)
            left = max((day + DAY for day in active if day <= previous), default=None)
            gap = (back - left).days if back and left else None
            moves.append((close, movement(before, after, gap, window), abs(after - before)))
        before, previous = after, close
    return moves


def expected(rows, *, period="month", as_of=AS_OF, mode="snapshot", reactivation_window=None, since=None):
    paid = paid_by_day(rows, as_of)
    days = sorted(next(iter(paid.values())))
    closes = [day for day in days if mode == "event" or day == as_of or day == last_day(period_of(day, period), period)]
    moves = [move for each in paid.values() for move in moves_of(each, closes, reactivation_window)]
    opened = min(period_of(move[0], period) for move in moves)  # ValueError: nobody was seen
    if since is not None:
        opened = next(i for i in range(period_of(since, period), 10**6) if first_day(i, period) >= since)
    found = []
    for index in range(opened, period_of(as_of, period) + 1):
        before, after = first_day(index, period) - DAY, min(last_day(index, period), as_of)
        inside = [move for move in moves if before < move[0] <= after]
        money = Counter()
        for _, kind, cents in inside:
            money[kind] += cents
        start = [each.get(before, 0) for each in paid.values()]
        end = [each.get(after, 0) for each in paid.values()]
        heads = Counter(kind for _, kind, _ in inside)
        found.append(Counts(sum(start), sum(end), money, heads, sum(map(bool, start)), sum(map(bool, end))))
    return found


def same(flow, counts):
    for name in ("start", "end"):
        cents = [getattr(each, name) for each in counts]
        np.testing.assert_allclose(getattr(flow, name), np.array(cents) / 100, rtol=1e-12, atol=1e-9)
        assert getattr(flow, f"{name}_customers").tolist() == [getattr(each, f"{name}_customers") for each in counts]
    for kind in KINDS:
        assert getattr(flow, f"{kind}_customers").tolist() == [each.heads[kind] for each in counts], kind
        cents = [each.money[kind] for each in counts]
        np.testing.assert_allclose(getattr(flow, kind), np.array(cents) / 100, rtol=1e-12, atol=1e-9)


def book(seed=11):
    """Terms that follow, overlap, pause and nest, at prices that leave dust; ends on, before and after the last day."""
    rng = random.Random(seed)
    rows = []
    for i in range(30):
        at = dt.date(2023, 11, 5) + rng.randrange(180) * DAY
        for _ in range(rng.choice([1, 2, 3, 5, 6])):
            length = rng.choice([0, 5, 30, 30, 60, 90])
            end = rng.choice([at + length * DAY] * 4 + [None, AS_OF])
            end = None if end is not None and end < at else end
            rows.append(Row(f"c{i:02}", at, end, rng.choice([0, 10, 20, 30, 3333, 99901])))
            at = at + (length + rng.choice([-25, -20, 0, 0, 0, 1, 12, 25, 35, 50])) * DAY
    rows += [Row("d1", AS_OF - 30 * DAY, AS_OF, 500), Row("d1", AS_OF, None, 500)]
    rows += [Row("d2", AS_OF - 30 * DAY, AS_OF, 500), Row("d2", AS_OF, None, 700)]
    rows += [Row("d3", AS_OF - 30 * DAY, AS_OF, 500), Row("d3", AS_OF, None, 300)]
    rng.shuffle(rows)
    return rows


ROWS = book()


def columns(rows):
    noon = dt.time(12, 30)
    stamps = {
        name: [None if day is None else dt.datetime.combine(day, noon) for day in days]
        for name, days in (("since", [row.since for row in rows]), ("until", [row.until for row in rows]))
    }
    return {
        "who": pa.array([row.who for row in rows]),
        **{name: pa.array(values, pa.timestamp("us")) for name, values in stamps.items()},
        "paid": pa.array([row.cents / 100 for row in rows], pa.float64()),
    }


@pytest.fixture
def log(engine):
    return Subscriptions(engine.frame(**columns(ROWS)), **NAMES)


def of(rows, **names):
    return Subscriptions(pa.table(columns(rows)), **NAMES, **names)


def test_the_book_is_nasty():
    for mode in ("snapshot", "event"):
        heads = sum((each.heads for each in expected(ROWS, mode=mode)), Counter())
        assert min(heads[kind] for kind in KINDS) >= 2
    windowed = sum((each.heads for each in expected(ROWS, reactivation_window=40)), Counter())
    plain = sum((each.heads for each in expected(ROWS)), Counter())
    assert 0 < windowed["reactivation"] < plain["reactivation"]
    assert any(row.since > AS_OF for row in ROWS)
    assert any(row.cents == 0 for row in ROWS)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"mode": "event"},
        {"reactivation_window": 40},
        {"mode": "event", "reactivation_window": 10, "period": "quarter"},
        {"since": dt.date(2024, 1, 15), "period": "week"},
        {"since": dt.date(2024, 2, 1), "mode": "event"},
    ],
    ids=str,
)
def test_movements(log, asked):
    same(log.movements(as_of=AS_OF, **asked), expected(ROWS, **asked))


terms = st.lists(
    st.builds(
        lambda who, at, length, cents: Row(
            who,
            dt.date(2024, 1, 1) + at * DAY,
            None if length is None else dt.date(2024, 1, 1) + (at + length) * DAY,
            cents,
        ),
        st.sampled_from("ab"),
        st.integers(0, 100),
        st.none() | st.integers(0, 60),
        st.sampled_from([0, 10, 20, 30, 3333, 99901]),
    ),
    min_size=1,
    max_size=7,
)


@given(
    terms,
    st.sampled_from(["snapshot", "event"]),
    st.none() | st.integers(0, 40),
    st.sampled_from(["week", "month", "quarter"]),
    st.integers(60, 130),
    st.none() | st.integers(0, 50),
    st.sampled_from(
        [lambda table: table, pl.from_arrow, lambda table: pl.from_arrow(table).lazy(), pa.Table.to_pandas]
    ),
)
def test_any_small_book(rows, mode, window, period, last, since, make):
    as_of = dt.date(2024, 1, 1) + last * DAY
    since = None if since is None else dt.date(2024, 1, 1) + since * DAY
    asked = {"mode": mode, "reactivation_window": window, "period": period, "as_of": as_of, "since": since}
    log = Subscriptions(make(pa.table(columns(rows))), **NAMES)
    began = [row for row in rows if row.since <= as_of]
    if not began or not any(any(days.values()) for days in paid_by_day(rows, as_of).values()):
        with pytest.raises(InvalidValue, match="no usable row|no subscription brings money"):
            log.movements(**asked)
        return
    try:
        counts = expected(rows, **asked)
    except ValueError:
        with pytest.raises(InvalidValue, match="no subscription brings money"):
            log.movements(**asked)
        return
    if not counts:
        with pytest.raises(InvalidValue, match="opens from since"):
            log.movements(**asked)
        return
    same(log.movements(**asked), counts)


@given(terms, st.none() | st.integers(0, 40))
def test_the_modes_differ_only_in_what_happens_in_between(rows, window):
    log = of([*rows, Row("c", dt.date(2024, 1, 1), None, 100)])
    snapshot, event = (
        log.movements(as_of=AS_OF, mode=mode, reactivation_window=window) for mode in ("snapshot", "event")
    )
    np.testing.assert_allclose(snapshot.end, event.end, rtol=1e-12, atol=1e-9)
    assert snapshot.end_customers.tolist() == event.end_customers.tolist()
    for names in (("new", "reactivation", "expansion"), ("contraction", "churn")):
        gross = [sum(getattr(flow, name) for name in names) for flow in (snapshot, event)]
        assert (gross[0] <= gross[1] + 1e-9).all()


def test_snapshots_are_movements_between_the_closes():
    """The door for arrays gives the same waterfall, month by month."""
    flow = of(ROWS).movements(as_of=AS_OF)
    paid, seen = paid_by_day(ROWS, AS_OF), set()
    for waterfall, opened in zip(flow.waterfalls(), flow.periods, strict=False):
        close = last_day(period_of(opened, "month"), "month")
        before, after = (
            {who: each[day] / 100 for who, each in paid.items() if each.get(day)} for day in (opened - DAY, close)
        )
        moved = revenue.movements(before, after, seen_before=seen)
        assert moved.totals.model_dump() == pytest.approx(waterfall.model_dump(), abs=1e-9)
        seen |= {
            who
            for who, each in paid.items()
            if any(each.get(opened + i * DAY) for i in range((close - opened).days + 1))
        }


def test_a_year_follows_its_customers_from_end_to_end():
    rows = [Row("ann", dt.date(2023, 5, 1), None, 10_000), Row("bob", dt.date(2024, 3, 1), dt.date(2024, 9, 1), 10_000)]
    log = of(rows)
    (*_, year) = log.movements(period="year", as_of="2024-12-31").waterfalls()
    months = log.movements(as_of="2024-12-31").waterfalls(last=12)
    assert year.net_retention() == 1
    assert revenue.compound_retention(months) == 0.5


# The edges


def test_an_end_on_the_last_day_is_no_loss(engine):
    rows = [
        Row("stays", AS_OF - 40 * DAY, AS_OF, 500),
        Row("goes", AS_OF - 40 * DAY, AS_OF - DAY, 500),
        Row("renews", AS_OF - 40 * DAY, AS_OF, 500),
        Row("renews", AS_OF, None, 500),
        Row("grows", AS_OF - 40 * DAY, AS_OF, 500),
        Row("grows", AS_OF, None, 800),
    ]
    for mode in ("snapshot", "event"):
        flow = Subscriptions(engine.frame(**columns(rows)), **NAMES).movements(as_of=AS_OF, mode=mode)
        assert flow.churn[-1] == 5
        assert flow.expansion[-1] == pytest.approx(3)
        assert flow.contraction[-1] == 0
        assert flow.end[-1] == pytest.approx(18)
        assert flow.complete.tolist() == [True, False]


def test_customers_older_than_the_data_are_not_new():
    rows = [Row("old", dt.date(2019, 3, 1), None, 500), Row("young", dt.date(2024, 2, 10), None, 700)]
    log = of(rows)
    flow = log.movements(as_of="2024-03-31", since="2024-01-01")
    assert flow.periods == (dt.date(2024, 1, 1), dt.date(2024, 2, 1), dt.date(2024, 3, 1))
    assert (flow.start.tolist(), flow.new.tolist()) == ([5, 5, 12], [0, 7, 0])
    assert log.movements(as_of="2024-03-31", since="2024-01-02").periods[0] == dt.date(2024, 2, 1)
    assert len(log.movements(as_of="2024-03-31").periods) == 61


def test_a_change_of_plan_on_one_day_nets(engine):
    change = dt.date(2024, 3, 15)
    rows = [Row("a", dt.date(2024, 1, 1), change, 30), Row("a", change, None, 10), Row("a", change, None, 20)]
    assert 0.1 + 0.2 - 0.3 != 0
    for mode in ("snapshot", "event"):
        flow = Subscriptions(engine.frame(**columns(rows)), **NAMES).movements(as_of=AS_OF, mode=mode)
        assert flow.expansion_customers.sum() == flow.contraction_customers.sum() == flow.churn_customers.sum() == 0
        assert flow.end.tolist() == pytest.approx([0.3] * 6)


def test_two_subscriptions_cancelled_in_turn_are_contraction_and_churn():
    begun = dt.date(2024, 1, 1)
    rows = [Row("a", begun, dt.date(2024, 3, 15), 1000), Row("a", begun, dt.date(2024, 4, 15), 500)]
    flow = of(rows).movements(as_of=AS_OF)
    assert flow.contraction.tolist() == [0, 0, 10, 0, 0, 0]
    assert flow.churn.tolist() == [0, 0, 0, 5, 0, 0]
    assert flow.end.tolist() == [15, 15, 5, 0, 0, 0]


def test_the_window_of_reactivation_is_counted_in_days():
    left = dt.date(2024, 2, 10)
    rows = [Row("a", dt.date(2024, 1, 1), left, 1000), Row("a", left + 90 * DAY, None, 1000)]
    for mode in ("snapshot", "event"):
        for window, kind in ((None, "reactivation"), (90, "reactivation"), (89, "new"), (0, "new")):
            flow = of(rows).movements(as_of=AS_OF, mode=mode, reactivation_window=window)
            assert getattr(flow, kind)[4] == 10, (mode, window)
            assert flow.reactivation_window == window


def test_only_who_paid_before_comes_back():
    back = Row("a", dt.date(2024, 4, 1), None, 1000)
    early = dt.date(2024, 2, 1)
    for before, kind in [
        (Row("a", early, early + 10 * DAY, 500), "reactivation"),  # seen by no close, and yet a customer
        (Row("a", early, early + 40 * DAY, 0), "new"),
        (Row("a", early, early, 500), "new"),
    ]:
        for mode in ("snapshot", "event"):
            flow = of([before, back]).movements(as_of=AS_OF, mode=mode)
            assert flow.periods[-3] == dt.date(2024, 4, 1)
            assert getattr(flow, kind)[-3] == 10, (before, mode)


def test_a_free_term_does_not_shorten_the_time_away():
    rows = [
        Row("a", dt.date(2024, 1, 1), dt.date(2024, 1, 5), 1000),
        Row("a", dt.date(2024, 1, 20), dt.date(2024, 1, 28), 0),
        Row("a", dt.date(2024, 4, 1), dt.date(2024, 4, 1), 1000),
        Row("a", dt.date(2024, 4, 10), None, 1000),
    ]
    for window, kind in ((96, "reactivation"), (95, "new")):
        assert getattr(of(rows).movements(as_of=AS_OF, reactivation_window=window), kind)[-3] == 10


def test_the_time_away_is_from_the_last_end_to_the_first_start():
    begun = dt.date(2024, 1, 1)
    rows = [Row("a", begun, dt.date(2024, 3, 3), 1000), Row("a", begun, dt.date(2024, 3, 25), 1000)]
    rows += [Row("a", dt.date(2024, 4, 10), None, 400), Row("a", dt.date(2024, 4, 28), None, 600)]
    for window, kind in ((16, "reactivation"), (15, "new")):
        assert getattr(of(rows).movements(as_of=AS_OF, reactivation_window=window), kind)[-3] == 10


def test_who_comes_and_goes_within_a_month_is_seen_by_one_mode_only():
    rows = [Row("a", dt.date(2024, 1, 1), None, 100), Row("b", dt.date(2024, 3, 5), dt.date(2024, 3, 25), 900)]
    snapshot, event = (of(rows).movements(as_of=AS_OF, mode=mode) for mode in ("snapshot", "event"))
    assert snapshot.new[2] == snapshot.churn[2] == 0
    assert event.new[2] == event.churn[2] == 9
    assert math.isnan(event.gross_retention()[2])
    assert snapshot.gross_retention()[2] == 1
    with pytest.raises(UndefinedMetric, match="won in the same period"):
        _ = event.waterfalls()[2].gross_retention


def test_weeks_open_on_the_day_that_the_log_says():
    sunday = dt.date(2024, 3, 10)
    rows = [Row("a", sunday - 30 * DAY, None, 100), Row("b", sunday - 30 * DAY, sunday, 200)]
    for week_start, opened in (("monday", sunday - 6 * DAY), ("sunday", sunday)):
        flow = of(rows, week_start=week_start).movements(as_of=AS_OF, period="week")
        assert [day for day, lost in zip(flow.periods, flow.churn, strict=True) if lost] == [opened]


def test_an_end_may_be_the_last_day_that_runs():
    ended = [row for row in ROWS if row.until is None or row.until > row.since]
    included = [row._replace(until=row.until and row.until - DAY) for row in ended]
    log = of(included, end_included=True)
    for mode in ("snapshot", "event"):
        same(log.movements(as_of=AS_OF, mode=mode), expected(ended, mode=mode))


def test_months_are_those_of_the_business():
    late = dt.datetime(2024, 1, 31, 23, 30, tzinfo=dt.UTC)
    frame = pl.DataFrame(
        {"who": ["a", "b"], "since": [late, late], "until": [None, late + 29 * DAY], "paid": [1.0, 2.0]},
        schema_overrides={"until": pl.Datetime(time_zone="UTC")},
    )
    for tz, months in (("UTC", (1, 2)), ("Europe/Paris", (2, 3))):
        flow = Subscriptions(frame, **NAMES, tz=tz).movements(as_of=AS_OF)
        assert (flow.periods[0].month, flow.periods[int(flow.churn.argmax())].month) == months


# Segments, input and refusals


def test_segments_add_up_to_the_whole(engine):
    table = columns(ROWS)
    table["plan"] = pa.array(["pro" if int(row.who[1:]) % 3 else "basic" for row in ROWS])
    log = Subscriptions(engine.frame(**table), **NAMES, plan="plan")
    parts = log.movements(as_of=AS_OF, by="plan")
    for name, part in parts.items():
        own = [row for row in ROWS if ("pro" if int(row.who[1:]) % 3 else "basic") == name]
        counts = expected(own)
        same(part, [expected([]) if False else each for each in padded(counts, len(part.periods))])
    whole = log.movements(as_of=AS_OF)
    for name in (*KINDS, "start", "end"):
        np.testing.assert_allclose(sum(getattr(part, name) for part in parts.values()), getattr(whole, name), atol=1e-9)


def padded(counts, length):
    """Empty periods before the first one of a segment."""
    return [Counts(0, 0, Counter(), Counter(), 0, 0)] * (length - len(counts)) + counts


def test_amounts_must_be_there_and_not_negative():
    rows = ROWS[:3]
    with pytest.raises(InvalidValue, match="the log has no amounts; name their column with amount="):
        Subscriptions(pa.table(columns(rows)), customer="who", start="since", end="until").movements(as_of=AS_OF)
    table = columns(rows) | {"paid": pa.array([-1.0, math.nan, 5.0])}
    with pytest.raises(InvalidRows, match="1 amount missing or not finite, 1 negative amount"):
        Subscriptions(pa.table(table), **NAMES).movements(as_of="2025-01-01")
    lenient = Subscriptions(pa.table(table), **NAMES, on_invalid="exclude").movements(as_of="2025-01-01")
    assert lenient.excluded == {"amount missing or not finite": 1, "negative amount": 1}
    free = columns(rows) | {"paid": pa.array([0.0, 0.0, 0.0])}
    with pytest.raises(InvalidValue, match="no subscription brings money up to as_of 2025-01-01"):
        Subscriptions(pa.table(free), **NAMES).movements(as_of="2025-01-01")


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ({"period": "decade"}, "period must be one of"),
        ({"mode": "events"}, "mode must be one of 'snapshot', 'event', got 'events'; did you mean 'event'"),
        ({"reactivation_window": -1}, "reactivation_window must be a whole number >= 0"),
        ({"reactivation_window": 1.5}, "reactivation_window must be a whole number >= 0"),
        ({"since": "2024-06-02"}, "no month opens from since 2024-06-02 to as_of 2024-06-20"),
        ({"since": "June"}, "since must be a day"),
        ({"as_of": "2020-01-01"}, "no usable row up to as_of 2020-01-01"),
    ],
    ids=str,
)
def test_questions_that_are_refused(asked, refusal):
    with pytest.raises(InvalidValue, match=refusal):
        of(ROWS).movements(**{"as_of": AS_OF, **asked})


def test_integer_amounts_and_ids(engine):
    rows = [Row(str(2**60 + i), dt.date(2024, 1, 1) + i * DAY, None, 100 * i) for i in range(1, 4)]
    table = columns(rows) | {"who": pa.array([2**60 + i for i in range(1, 4)]), "paid": pa.array([1, 2, 3])}
    flow = Subscriptions(engine.frame(**table), **NAMES).movements(as_of="2024-02-10")
    assert flow.new.tolist() == [6, 0]
    assert flow.end_customers.tolist() == [3, 3]


def test_large_and_small_amounts_do_not_disturb_one_another():
    """A customer who once paid a fortune, in sums that leave dust, and then goes on with a cent and leaves."""
    start = dt.date(2024, 1, 1)
    rows = [Row("a", start + i * DAY, start + (40 + i) * DAY, 10_000_037 * (i + 1)) for i in range(9)]
    rows += [Row("a", start + 20 * DAY, dt.date(2024, 5, 5), 1)]
    for mode in ("snapshot", "event"):
        same(of(rows).movements(as_of=AS_OF, mode=mode), expected(rows, mode=mode))


def test_a_book_without_customers_is_exactly_empty():
    first = [dt.date(2023, 12, 1), dt.date(2024, 1, 1), dt.date(2024, 2, 1)]
    rows = [Row(str(i), day, dt.date(2024, 5 - i, 1), 10 * (i + 1)) for i, day in enumerate(first)]
    flow = of(rows).movements(as_of=AS_OF)
    assert 0.1 + 0.2 + 0.3 - 0.3 - 0.2 - 0.1 != 0
    assert flow.end.tolist()[-2:] == [0, 0]
    assert math.isnan(flow.net_retention()[-1])


def test_a_flow_is_a_table():
    flow = of(ROWS).movements(as_of=AS_OF)
    frame = nw.from_native(flow.to_frame("pandas"))
    assert isinstance(frame.to_native(), pd.DataFrame)
    assert frame["period"].to_list()[-1] == "2024-06"
    assert len(str(flow).splitlines()) == len(flow.periods) + 1


def test_several_currencies_are_not_added_up(engine):
    at = dt.datetime.fromisoformat
    table = {"who": ["ann", "bob", "cleo"], "since": [at("2026-01-05")] * 3, "paid": [10.0, 20.0, 30.0]}
    until = pa.nulls(3, pa.timestamp("us"))
    mixed = engine.frame(**table, until=until, money=pa.array(["EUR", "USD", "EUR"]))
    names = NAMES | {"currency": "money"}
    with pytest.raises(
        InvalidValue, match=r"in several currencies: EUR \(2 rows\), USD \(1 rows\); convert them to one"
    ):
        Subscriptions(mixed, **names).movements(as_of="2026-01-31")
    alike = engine.frame(**table, until=until, money=pa.array(["EUR"] * 3))
    assert Subscriptions(alike, **names).movements(as_of="2026-01-31").new.tolist() == [60]
