"""Packages counted on the engine: to the last unit what the ledger of the same events says, whatever else happens."""

import datetime as dt
import random

import polars as pl
import pyarrow as pa
import pytest

from retention_metrics.errors import InvalidValue, RowsExcludedWarning
from retention_metrics.logs import PrepaidEvents
from retention_metrics.logs import _owed as owed
from retention_metrics.prepaid import InvalidEvents, Ledger, PackagePlan, RefundPolicy, Remote

START = dt.date(2023, 11, 20)
AS_OF = dt.date(2025, 2, 10)
PLANS = [
    PackagePlan(id="ten", price=1_500_000, sessions=10, cost_per_session=70_000, commission_bps=333),
    PackagePlan(
        id="half", price=70_001, sessions=7, validity_months=6, expiry="forfeit", escheat_bps=1_234, commission=11
    ),
    PackagePlan(id="month", price=1_001, sessions=3, validity_days=30, expiry="forfeit", starts="first_visit"),
    PackagePlan(
        id="back", price=9_999, sessions=4, validity_months=1, expiry="refund", refund=RefundPolicy(fee_bps=500)
    ),
    PackagePlan(
        id="silent", price=5_000, sessions=6, refund=RefundPolicy(kind="none"), breakage=Remote(dormant_days=60)
    ),
    PackagePlan(id="year", price=36_525, term_months=12, cost_per_session=3),
]
FIELDS = ("id", "package", "customer", "plan", "amount", "price", "sessions", "until", "to", "target", "segment", "seq")
TYPES = {name: pa.int64() for name in ("amount", "price", "sessions", "seq")} | {"until": pa.date32()}


def book_of(customers, *, odd, seed):
    """Events of many customers: most only buy and come, a share ``odd`` of them do everything else as well."""
    rng = random.Random(seed)
    events = []

    def add(kind, day, **fields):
        events.append({"kind": kind, "date": day, "id": f"e{len(events)}", **fields})

    for customer in range(customers):
        who, strange = f"c{customer}", rng.random() < odd
        for number in range(rng.choice([1, 1, 1, 2, 3])):
            plan, card = rng.choice(PLANS if strange else PLANS[:3]), f"p{customer}-{number}"
            sold = START + dt.timedelta(days=rng.randrange(300))
            own = rng.random() < 0.2
            extra = {"price": plan.price + rng.randrange(50)} if own else {}
            extra |= {"sessions": plan.sessions + 1} if rng.random() < 0.1 and plan.sessions else {}
            extra |= {"amount": extra.get("price", plan.price)} if rng.random() < 0.3 else {}
            extra |= {"segment": rng.choice(["north", "south"])} if rng.random() < 0.7 else {}
            if strange and rng.random() < 0.3:
                extra["amount"] = plan.price // 2
                add("instalment", sold + dt.timedelta(days=40), package=card, amount=100)
            add("purchase", sold, package=card, customer=who, plan=plan.id, **extra)
            first = sold + dt.timedelta(days=rng.randrange(80))
            for visit in range(rng.randint(0, plan.sessions or 5)):
                day = first + dt.timedelta(days=rng.randrange(30 if plan.id == "month" else 170) * min(visit, 1))
                named = {"package": card} if not strange or rng.random() < 0.5 else {"customer": who}
                named |= {"customer": who} if rng.random() < 0.5 else {}
                named |= {"seq": rng.choice([-1, 1])} if rng.random() < 0.1 else {}
                add("visit", day, **named)
                if strange and rng.random() < 0.15:
                    add("void", day, target=events[-1]["id"])
            if strange and rng.random() < 0.4:
                day = sold + dt.timedelta(days=100)
                what = rng.choice(["refund", "freeze", "transfer"])
                details = {
                    "freeze": {"until": day + dt.timedelta(days=9)},
                    "transfer": {"to": f"c{(customer + 7) % customers}"},
                }
                add(what, day, package=card, **details.get(what, {}))
    if odd:
        events += rng.sample(events, 5)
    rng.shuffle(events)
    while True:
        wrong = {
            each.row for each in Ledger.from_events(events, PLANS, as_of=dt.date(2026, 1, 1), on_error="collect")[1]
        }
        if not wrong:
            return events
        events = [event for row, event in enumerate(events) if row not in wrong]


def log_of(engine, events, fields=FIELDS):
    columns = {"kind": pa.array([event["kind"] for event in events])}
    columns["date"] = pa.array([event["date"] for event in events], pa.date32()).cast(pa.timestamp("us"))
    for name in fields:
        values = pa.array([event.get(name) for event in events], TYPES.get(name, pa.string()))
        columns[name] = values.cast(pa.timestamp("us")) if name == "until" else values
    frame = engine.frame(**columns)
    if getattr(engine, "name", None) in {"pandas", "dask"}:
        frame = frame.astype({name: "Int64" for name in ("amount", "price") if name in fields})
    return PrepaidEvents(frame, kind="kind", date="date", **{name: name for name in fields})


def counted_events(log, plans=PLANS, as_of=AS_OF):
    """How many events the engine counts, and how many there are."""
    counted = log._asked(plans, as_of, {}).counted()
    return owed.lots_of(counted, None).events, counted.rows


@pytest.mark.filterwarnings("ignore::retention_metrics.errors.RowsExcludedWarning")
def test_what_is_counted_and_what_is_booked_make_the_ledger(engine):
    as_of = dt.date(2024, 8, 15)
    events = book_of(120, odd=0.25, seed=1)
    log, ledger = log_of(engine, events), Ledger.from_events(events, PLANS, as_of=as_of)
    if engine.name not in {"dask", "spark"}:
        some, every = counted_events(log, as_of=as_of)
        assert 0.2 * every < some < every
    found = log.roll_forward(PLANS, as_of=as_of, by="segment")
    assert found.to_dict() == ledger.roll_forward(by="segment").to_dict()
    assert log.dormant(PLANS, as_of=as_of, days=60).to_dict() == ledger.dormant(60).to_dict()
    assert log.liability(PLANS, as_of=as_of) == ledger.liability()


class Polars:
    @staticmethod
    def frame(**columns):
        return pl.from_arrow(pa.table(columns))


@pytest.mark.filterwarnings("ignore::retention_metrics.errors.RowsExcludedWarning")
@pytest.mark.parametrize("seed", range(6))
def test_random_books_in_every_period_and_group(seed):
    rng = random.Random(seed)
    events = book_of(40, odd=rng.choice([0, 0.1, 0.5]), seed=seed)
    rules = rng.choice([{}, {"grace_days": 12}, {"unpaid": "receivable", "reconcile": True}])
    log = log_of(Polars, events)
    for as_of in (AS_OF, START + dt.timedelta(days=rng.randrange(30, 400))):
        ledger = Ledger.from_events(events, PLANS, as_of=as_of, **rules)
        for period, by in (("month", None), ("month", "plan"), ("week", None), ("quarter", "segment")):
            found = log.roll_forward(PLANS, as_of=as_of, period=period, by=by, week_start="sunday", **rules)
            assert found.to_dict() == ledger.roll_forward(period, by=by, week_start="sunday").to_dict()
        for days in (0, 90):
            assert log.dormant(PLANS, as_of=as_of, days=days, **rules).to_dict() == ledger.dormant(days).to_dict()
        assert log.liability(PLANS, as_of=as_of, **rules) == ledger.liability()


def test_plain_packages_are_not_read_event_by_event():
    log = log_of(Polars, book_of(60, odd=0, seed=3), ("package", "customer", "plan", "price", "sessions", "amount"))
    some, every = counted_events(log, as_of=dt.date(2026, 1, 1))
    # Only visits in the last days of months that are shorter or longer than others are looked at one by one.
    assert some >= 0.9 * every


@pytest.mark.filterwarnings("ignore::retention_metrics.errors.RowsExcludedWarning")
def test_rules_that_concern_every_event_leave_all_to_the_ledger():
    events = book_of(20, odd=0, seed=4)
    log = log_of(Polars, events)
    for rules in ({"dedupe": "content"}, {"closed_until": "2024-03-31"}):
        assert log._asked(PLANS, AS_OF, rules).counted() is None
        expected = Ledger.from_events(events, PLANS, as_of=AS_OF, **rules)
        assert log.roll_forward(PLANS, as_of=AS_OF, **rules).to_dict() == expected.roll_forward().to_dict()
        assert log.liability(PLANS, as_of=AS_OF, **rules) == expected.liability()
        assert log.dormant(PLANS, as_of=AS_OF, **rules).to_dict() == expected.dormant().to_dict()


FAULTS = {
    "too_early": {"kind": "visit", "date": dt.date(2024, 1, 9), "package": "a"},
    "overdraw": {"kind": "visit", "date": dt.date(2024, 1, 20), "package": "b"},
    "too_late": {"kind": "visit", "date": dt.date(2024, 7, 10), "package": "c"},
    "unknown": {"kind": "visit", "date": dt.date(2024, 1, 20), "package": "d"},
    "strange": {"kind": "visit", "date": dt.date(2024, 1, 20), "package": "a", "amount": 5},
    "sold twice": {"kind": "purchase", "date": dt.date(2024, 2, 20), "package": "a", "customer": "ann", "plan": "ten"},
    "no plan": {"kind": "purchase", "date": dt.date(2024, 2, 20), "package": "e", "customer": "ann", "plan": "none"},
    "too dear": {
        "kind": "purchase",
        "date": dt.date(2024, 2, 20),
        "package": "e",
        "customer": "ann",
        "plan": "ten",
        "amount": 1_500_001,
    },
    "free of price": {
        "kind": "purchase",
        "date": dt.date(2024, 2, 20),
        "package": "e",
        "customer": "ann",
        "plan": "ten",
        "price": -1,
    },
    "empty": {
        "kind": "purchase",
        "date": dt.date(2024, 2, 20),
        "package": "e",
        "customer": "ann",
        "plan": "ten",
        "sessions": 0,
    },
    "no day": {"kind": "visit", "package": "a"},
    "other kind": {"kind": "gift", "date": dt.date(2024, 2, 20), "package": "a"},
    "no name": {"kind": "visit", "date": dt.date(2024, 2, 20), "package": ""},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_refused_by_their_row_in_the_whole_log(fault):
    events = [
        {"kind": "purchase", "date": dt.date(2024, 1, 10), "package": "a", "customer": "ann", "plan": "ten"},
        {
            "kind": "purchase",
            "date": dt.date(2024, 1, 10),
            "package": "b",
            "customer": "bob",
            "plan": "month",
            "sessions": 1,
        },
        {"kind": "visit", "date": dt.date(2024, 1, 12), "package": "b"},
        {"kind": "purchase", "date": dt.date(2024, 1, 10), "package": "c", "customer": "cleo", "plan": "half"},
        FAULTS[fault],
    ]
    columns = {name: [event.get(name) for event in events] for name in ("kind", "date", "package", "customer", "plan")}
    columns |= {
        name: pa.array([each.get(name) for each in events], pa.int64()) for name in ("amount", "price", "sessions")
    }
    frame = pl.from_arrow(pa.table(columns))
    log = PrepaidEvents(frame, **{name: name for name in columns})
    with pytest.raises(InvalidEvents) as told:
        log.ledger(PLANS, as_of=AS_OF)
    for question in (log.roll_forward, log.liability, log.dormant):
        with pytest.raises(InvalidEvents) as refused:
            question(PLANS, as_of=AS_OF)
        assert str(refused.value) == str(told.value)
    assert 4 in [issue.row for issue in told.value.issues]


def test_money_beyond_what_floats_hold_stays_exact():
    # 2**17 packages of 2**37 - 1 minor units: a sum that no float holds.
    price, packages = 2**37 - 1, 2**17
    frame = pl.DataFrame(
        {
            "kind": "purchase",
            "date": dt.date(2024, 1, 10),
            "package": range(packages),
            "customer": "ann",
            "plan": "dear",
        }
    )
    log = PrepaidEvents(frame, **{name: name for name in frame.columns})
    plans = [PackagePlan(id="dear", price=price, sessions=3)]
    assert log.liability(plans, as_of=AS_OF) == price * packages
    assert log.roll_forward(plans, as_of=AS_OF).collections[0] == price * packages
    many = pl.concat([frame.with_columns(package=pl.col("package") + packages * number) for number in range(40)])
    with pytest.raises(InvalidValue, match=r"the amounts of the book may add up to 7.21e\+17 minor units"):
        PrepaidEvents(many, **{name: name for name in frame.columns}).liability(plans, as_of=AS_OF)


def test_the_cost_of_what_was_sold_is_bounded_like_its_price():
    frame = pl.DataFrame(
        {"kind": "purchase", "date": dt.date(2024, 1, 10), "package": range(8), "customer": "ann", "plan": "dear"}
    )
    log = PrepaidEvents(frame, **{name: name for name in frame.columns})
    plans = [PackagePlan(id="dear", price=2, sessions=2**11, cost_per_session=2**46)]
    for question in (log.ledger, log.liability, log.roll_forward):
        with pytest.raises(InvalidValue, match="they must stay below 2\\*\\*59"):
            question(plans, as_of=AS_OF)


def test_what_is_left_out_is_said():
    events = book_of(20, odd=0, seed=5)
    later = sum(event["date"] > dt.date(2024, 3, 1) for event in events)
    log = log_of(Polars, [*events, events[0]])
    with pytest.warns(RowsExcludedWarning, match=f"liability leaves out {later + 1:,} rows of the log"):
        log.liability(PLANS, as_of="2024-03-01")
    with pytest.raises(InvalidValue, match="the book is empty"), pytest.warns(RowsExcludedWarning):
        log.roll_forward(PLANS, as_of="2020-01-01")
    with pytest.raises(InvalidValue, match="by must be one of 'plan', 'segment', got 'customer'"):
        log.roll_forward(PLANS, as_of=AS_OF, by="customer")
