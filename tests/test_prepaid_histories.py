"""Random histories of prepaid packages with every kind of event: the identities, and agreement with a slow ledger."""

import datetime as dt
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics.errors import InvalidValue
from retention_metrics.prepaid import Ledger, OnExpiry, PackagePlan, Proportional, RefundPolicy, Remote
from tests.prepaid_oracle import MONEY_IN, MONEY_OUT, Oracle

HISTORIES = 150
START = dt.date(2024, 1, 20)
SPAN = 150
SESSIONS_IN = ("sessions_sold", "sessions_taken_over", "sessions_transferred")
SESSIONS_OUT = ("sessions_delivered", "sessions_expired", "sessions_refunded")
FLOWS = (*MONEY_IN, *MONEY_OUT, *SESSIONS_IN, *SESSIONS_OUT, "delivery_cost", "commission", "term_visits")


def random_plan(rng, name):
    kind = rng.choice(["honest", "forfeit", "back", "first", "remote", "proportional", "term", "rerate"])
    common = {
        "id": name,
        "price": rng.choice([0, 1, 10, 999, 100_000, 363]),
        "cost_per_session": rng.choice([0, 7, 70]),
        "commission": rng.choice([0, 0, 5]),
        "commission_bps": rng.choice([0, 0, 333]),
        "priority": rng.choice([0, 0, 0, 1, -1]),
        "list_price": rng.choice([None, 40, 20_000]),
    }
    sessions = rng.choice([1, 2, 3, 5, 7, 12])
    fees = {"fee_bps": rng.choice([0, 1_000, 3_333])}
    match kind:
        case "honest":
            return PackagePlan(
                **common, sessions=sessions, refund=RefundPolicy(window_days=rng.choice([None, None, 20]))
            )
        case "forfeit":
            return PackagePlan(
                **common,
                sessions=sessions,
                expiry="forfeit",
                validity_days=rng.choice([1, 20, 45]),
                escheat_bps=rng.choice([0, 0, 2_500]),
                refund=RefundPolicy(**fees),
            )
        case "back":
            return PackagePlan(
                **common, sessions=sessions, expiry="refund", validity_months=1, refund=RefundPolicy(**fees)
            )
        case "first":
            return PackagePlan(
                **common, sessions=sessions, expiry="forfeit", validity_days=rng.choice([10, 30]), starts="first_visit"
            )
        case "remote":
            return PackagePlan(
                **common,
                sessions=sessions,
                refund=RefundPolicy(kind="none"),
                breakage=Remote(dormant_days=rng.choice([5, 20, 40])),
                **rng.choice([{}, {"expiry": "forfeit", "validity_days": 50, "escheat_bps": rng.choice([0, 3_000])}]),
            )
        case "proportional":
            revisions = {
                START + dt.timedelta(days=rng.randrange(SPAN)): rng.choice([0, 1_000, 6_000]) for _ in range(2)
            }
            return PackagePlan(
                **common,
                sessions=sessions,
                refund=RefundPolicy(kind="none"),
                expiry="forfeit",
                validity_days=60,
                escheat_bps=rng.choice([0, 0, 2_500]),
                breakage=Proportional(rate_bps=rng.choice([0, 2_000, 9_999]), revisions=rng.choice([{}, revisions])),
            )
        case "term":
            return PackagePlan(
                **common,
                starts=rng.choice(["purchase", "first_visit"]),
                refund=RefundPolicy(**fees),
                **rng.choice([{"term_days": 30}, {"term_months": 2}]),
            )
    common["list_price"] = 40
    return PackagePlan(**common, sessions=sessions, refund=RefundPolicy(kind="rerate", **fees))


def random_history(rng, *, calm=False):
    """Plans and events: purchases first in number, then whatever may happen to them, in any order of rows."""
    plans = [random_plan(rng, f"plan{number}") for number in range(rng.randint(1, 3))]
    people = [f"c{number}" for number in range(rng.randint(1, 3))]
    events = []
    packages = []

    def add(kind, day, **fields):
        event = {"kind": kind, "date": START + dt.timedelta(days=day), "id": f"e{len(events):03}", **fields}
        if rng.random() < 0.05:
            event["seq"] = rng.choice([-1, 1])
        events.append(event)

    for number in range(rng.randint(1, 5)):
        plan, name = rng.choice(plans), f"p{number}"
        packages.append(name)
        day = rng.randrange(SPAN // 2)
        if rng.random() < 0.12:
            left = {"days": rng.randint(1, 40)} if plan.is_term else {"sessions": rng.randint(1, 6)}
            add(
                "opening",
                day,
                package=name,
                customer=rng.choice(people),
                plan=plan.id,
                amount=rng.randint(0, 500),
                **left,
            )
            continue
        extra = {}
        if rng.random() < 0.3:
            extra["amount"] = rng.randint(0, plan.price)
        if rng.random() < 0.1:
            extra |= {"price": plan.price + 11}
        if rng.random() < 0.1 and plan.expiry != "never":
            extra["expires"] = START + dt.timedelta(days=day + rng.randint(0, 60))
        if rng.random() < 0.3:
            extra["segment"] = rng.choice(["north", "south"])
        add("purchase", day, package=name, customer=rng.choice(people), plan=plan.id, **extra)
    weights = {
        "visit": 12,
        "instalment": 3,
        "refund": 3,
        "freeze": 2,
        "extension": 1,
        "transfer": 1,
        "void": 2,
        "purchase": 0 if calm else 0.3,
    }
    for _ in range(rng.randint(0, 30)):
        kind = rng.choices(list(weights), list(weights.values()))[0]
        day, package = rng.randrange(SPAN), rng.choice(packages if calm or rng.random() > 0.03 else ["lost"])
        match kind:
            case "visit" if rng.random() < 0.5:
                plan = {"plan": rng.choice(plans).id} if rng.random() < 0.2 else {}
                add("visit", day, customer=rng.choice(people), **plan)
            case "visit":
                who = {"customer": rng.choice(people)} if rng.random() < 0.1 else {}
                add("visit", day, package=package, **who)
            case "instalment":
                add("instalment", day, package=package, amount=rng.choice([0, 1, 50, 400, 30_000]))
            case "refund":
                amount = {"amount": rng.choice([0, 30, 500])} if rng.random() < 0.4 else {}
                add("refund", day, package=package, **amount)
            case "freeze":
                until = START + dt.timedelta(days=day + rng.choice([0, 5, 25]))
                add("freeze", day, package=package, until=until)
            case "extension":
                add("extension", day, package=package, days=rng.choice([1, 10]))
            case "transfer":
                add("transfer", day, package=package, to=rng.choice(people))
            case "void":
                visits = [each["id"] for each in events if each["kind"] == "visit"]
                later = rng.choice([0, 3, 40])
                target = rng.choice(visits) if visits else "e999"
                when = next((each["date"] for each in events if each["id"] == target), START)
                who = {"customer": rng.choice(people)} if rng.random() < 0.1 else {}
                add("void", (when - START).days + later, target=target, **who)
            case "purchase":
                add("purchase", day, package=package, customer=rng.choice(people), plan=rng.choice(plans).id)
    if events and rng.random() < 0.2:
        events.append(dict(rng.choice(events)))
    if events and rng.random() < 0.05:
        events.append(dict(rng.choice(events), date=START))
    if rng.random() < 0.2:
        for event in rng.sample(events, len(events) // 3):
            event["recorded"] = event["date"] + dt.timedelta(days=rng.choice([0, 10, 60]))
    rng.shuffle(events)
    return plans, events


def random_options(rng):
    receivable = rng.random() < 0.3
    return {
        "grace_days": rng.choice([0, 0, 3]),
        "allow_excess": rng.random() < 0.3,
        "unpaid": "receivable" if receivable else "error",
        "reconcile": receivable and rng.random() < 0.6,
        "closed_until": rng.choice([None, START + dt.timedelta(days=45)]),
    }


def booked(events, plans, as_of, **options):
    """The ledger, or None when nothing was sold by then."""
    try:
        return Ledger.from_events(events, plans, as_of=as_of, on_error="collect", **options)[0]
    except InvalidValue:
        return None


def check_against_oracle(plans, events, as_of, options):
    slow = Oracle(events, plans, as_of, **options)
    fast = booked(events, plans, as_of, **options)
    if fast is None:
        assert not slow.packages
        assert not slow.singles
        return
    assert sorted((each.row, each.code) for each in fast.issues) == sorted(slow.issues)
    assert dict(fast.ignored) == dict(slow.ignored)
    for by, place in (("package", 2), ("customer", 3)):
        rolled = fast.roll_forward(by=by)
        expected = Counter()
        found = Counter()
        for (name, month, *ids), amount in slow.flows.items():
            group = ids[place - 2]
            group = "unpaid" if isinstance(group, tuple) else group
            expected[name, month, group] += amount
        for name in FLOWS:
            for start, group, amount in zip(rolled.starts, rolled.groups, getattr(rolled, name), strict=True):
                named = "unpaid" if str(group).startswith("unpaid visit") else group
                found[name, (start.year, start.month), named] += int(amount)
        expected = {key: amount for key, amount in expected.items() if amount and key[0] in FLOWS}
        if by == "package":
            expected = {
                key: amount for key, amount in expected.items() if key[0] not in ("transferred", "sessions_transferred")
            }
        assert {key: amount for key, amount in found.items() if amount} == expected
    assert fast.liability() == slow.liability()
    assert fast.contract_asset() == slow.asset()
    table = {each["package"]: each for each in rows_of(fast.packages())}
    for name, package in slow.packages.items():
        row = table[name]
        assert (row["used"], row["left"], row["customer"]) == (package.used, package.left(), package.owner)
        assert row["earned"] == package.earned()
        assert row["expires"] == package.last_day() or (package.last_day() is None and row["expires"] is None)
    assert fast.roll_forward().escheat[-1] == slow.total("escheat")
    silent = fast.dormant(days=25)
    columns = (silent.sessions_left, silent.unearned, silent.cost_to_serve, silent.days_since)
    assert dict(
        zip(silent.customer, zip(*(each.tolist() for each in columns), strict=True), strict=True)
    ) == slow.dormant(25)


def rows_of(table):
    columns = table.to_dict()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def check_identities(ledger):
    assert ledger.audit().passed, str(ledger.audit())
    for by in (None, "package", "customer", "plan", "segment"):
        rolled = ledger.roll_forward(by=by)
        came = sum(getattr(rolled, name) for name in MONEY_IN)
        went = sum(getattr(rolled, name) for name in MONEY_OUT)
        closing = rolled.liability - rolled.contract_asset
        np.testing.assert_array_equal(rolled.opening + came - went, closing)
        assert (rolled.liability >= 0).all()
        assert (rolled.contract_asset >= 0).all()
        assert (rolled.sessions_outstanding >= 0).all()
        groups = 1 if by is None else len(set(rolled.groups))
        if not groups:
            assert rolled.opening.size == 0, "a book without packages has no rows by them"
            continue
        np.testing.assert_array_equal(rolled.opening[groups:], closing[:-groups])
        assert (rolled.opening[:groups] == 0).all()
        change = sum(getattr(rolled, name) for name in SESSIONS_IN) - sum(
            getattr(rolled, name) for name in SESSIONS_OUT
        )
        left = rolled.sessions_outstanding.reshape(-1, groups)
        np.testing.assert_array_equal(np.diff(left, axis=0, prepend=0).ravel(), change)
        if by in (None, "plan", "segment"):
            assert not rolled.transferred.any()


def same_movements(first, second):
    for name in (*FLOWS, "opening", "liability", "contract_asset", "escheat", "sessions_outstanding"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_the_slow_ledger_agrees(seed):
    rng = random.Random(seed)
    plans, events = random_history(rng)
    as_of = START + dt.timedelta(days=rng.choice([40, 90, 200]))
    check_against_oracle(plans, events, as_of, random_options(rng))


@given(st.randoms(use_true_random=False))
def test_the_identities_hold_for_packages_customers_plans_and_periods(rng):
    plans, events = random_history(rng)
    ledger = booked(events, plans, START + dt.timedelta(days=200), **random_options(rng))
    if ledger is not None:
        check_identities(ledger)


@given(st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(rng):
    plans, events = random_history(rng)
    options = random_options(rng)
    as_of = START + dt.timedelta(days=rng.choice([60, 200]))
    ledger = booked(events, plans, as_of, **options)
    if ledger is None:
        return
    shuffled = rng.sample(events, len(events))
    again = [dict(rng.choice(events)) for _ in range(3)]
    other = booked([*shuffled, *again], plans, as_of, **options)
    same_movements(ledger.roll_forward(by="package"), other.roll_forward(by="package"))
    there = sum(ledger.ignored.values())
    resent = sum(other.ignored.values())
    refused = len(other.issues) - len(ledger.issues)
    assert resent + refused == there + len(again)


@given(st.randoms(use_true_random=False))
def test_the_book_of_a_day_is_the_whole_book_cut_there(rng):
    plans, events = random_history(rng)
    for event in events:
        event.pop("recorded", None)
    ledger = booked(events, plans, START + dt.timedelta(days=SPAN), **random_options(rng))
    if ledger is None:
        return
    date = START + dt.timedelta(days=rng.randrange(SPAN))
    whole = ledger.roll_forward("day")
    if date < whole.starts[0]:
        return
    then = ledger.at(date).roll_forward("day")
    days = len(then.starts)
    assert then.starts == whole.starts[:days]
    for name in (*FLOWS, "opening", "liability", "contract_asset", "escheat", "sessions_outstanding"):
        np.testing.assert_array_equal(getattr(then, name), getattr(whole, name)[:days], err_msg=name)
    assert ledger.at(date).liability() == ledger.liability(date)
    assert ledger.at(date).contract_asset() == ledger.contract_asset(date)


@given(st.randoms(use_true_random=False))
def test_the_book_of_a_day_knows_nothing_that_was_recorded_later(rng):
    plans, events = random_history(rng)
    options, date = random_options(rng), START + dt.timedelta(days=rng.randrange(SPAN))
    ledger = booked(events, plans, START + dt.timedelta(days=SPAN), **options)
    then = booked([each for each in events if each.get("recorded", date) <= date], plans, date, **options)
    if ledger is None or then is None:
        return
    same_movements(ledger.at(date).roll_forward("day", by="package"), then.roll_forward("day", by="package"))


@given(st.randoms(use_true_random=False))
def test_columns_and_events_make_one_ledger(rng):
    plans, events = random_history(rng)
    options = random_options(rng)
    as_of = START + dt.timedelta(days=200)
    ledger = booked(events, plans, as_of, **options)
    if ledger is None:
        return
    names = sorted({name for each in events for name in each})
    columns = {name: np.array([each.get(name) for each in events], object) for name in names}
    for name in {"date", "until", "expires", "recorded"} & columns.keys():
        columns[name] = np.array(columns[name], "datetime64[D]")
    columns["seq"] = np.array([each.get("seq", 0) for each in events])
    other, issues = Ledger.from_columns(columns, plans, as_of=as_of, on_error="collect", **options)
    assert issues == ledger.issues
    same_movements(ledger.roll_forward(by="package"), other.roll_forward(by="package"))


@given(st.randoms(use_true_random=False))
def test_totals_add_over_plans_customers_and_segments(rng):
    plans, events = random_history(rng)
    ledger = booked(events, plans, START + dt.timedelta(days=200), **random_options(rng))
    if ledger is None:
        return
    total = ledger.roll_forward()
    for by in ("plan", "segment", "customer", "package"):
        parts = ledger.roll_forward(by=by)
        for name in (*FLOWS, "liability", "contract_asset", "escheat", "sessions_outstanding"):
            summed = getattr(parts, name).reshape(len(total.starts), -1).sum(axis=1)
            np.testing.assert_array_equal(summed, getattr(total, name), err_msg=f"{by} {name}")


@given(st.randoms(use_true_random=False))
def test_transfers_move_no_total_and_freezes_no_money(rng):
    plans, events = random_history(rng, calm=True)
    as_of = START + dt.timedelta(days=200)
    plans = [each.model_copy(update={"breakage": OnExpiry()}) for each in plans]
    kept = [each for each in events if each["kind"] not in ("transfer", "freeze", "extension") and "package" in each]
    ledger = booked(kept, plans, as_of)
    packages = [each for each in kept if each["kind"] in ("purchase", "opening")]
    if ledger is None:
        return
    # A package that has just been sold goes over at once; one that is over rests.
    moves = [
        {"kind": "transfer", "date": each["date"], "id": f"t{each['package']}", "package": each["package"], "to": "new"}
        for each in packages
    ]
    nameless = [
        {name: value for name, value in each.items() if name != "customer"} for each in kept if each not in packages
    ]
    moved = booked([*packages, *nameless, *moves], plans, as_of)
    plain = booked([*packages, *nameless], plans, as_of)
    same_movements(moved.roll_forward(), plain.roll_forward())
    # Where there is neither money nor a session to hand over, no row has anything to show.
    if not moved.issues and plain.roll_forward().sessions_outstanding.any():
        assert set(moved.roll_forward(by="customer").groups) >= {"new"}
        assert moved.roll_forward(by="customer").transferred.sum() == 0


@given(st.randoms(use_true_random=False))
def test_breakage_methods_agree_once_packages_are_closed(rng):
    plans, events = random_history(rng, calm=True)
    methods = [OnExpiry(), Remote(dormant_days=15), Proportional(rate_bps=3_000, revisions={START: 100})]
    totals = []
    for method in methods:
        changed = [
            PackagePlan(
                id=each.id,
                price=each.price,
                sessions=each.sessions or 4,
                expiry="forfeit",
                validity_days=40,
                refund=RefundPolicy(kind="none"),
                breakage=method,
            )
            for each in plans
        ]
        ledger = booked(
            [each for each in events if "days" not in each or each["kind"] == "extension"],
            changed,
            START + dt.timedelta(days=500),
        )
        if ledger is None:
            return
        rolled = ledger.roll_forward()
        assert rolled.liability[-1] == 0
        totals.append({name: int(getattr(rolled, name).sum()) for name in FLOWS})
    assert totals[0] == totals[1] == totals[2]
