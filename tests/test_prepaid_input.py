"""Bad input of a prepaid ledger: every event that cannot be booked is named, with its reason; none is dropped."""

import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid import (
    KINDS,
    InvalidEvents,
    Issue,
    Ledger,
    PackagePlan,
    PrepaidEvent,
    RefundPolicy,
    compare_policies,
)

TWO = PackagePlan(id="two", price=100, sessions=2)
ENDING = PackagePlan(id="ending", price=100, sessions=5, expiry="forfeit", validity_days=10)
WAITING = PackagePlan(id="waiting", price=100, sessions=5, expiry="forfeit", validity_days=10, starts="first_visit")
GYM = PackagePlan(id="gym", price=300, term_days=30)
FINAL = PackagePlan(id="final", price=100, sessions=5, refund=RefundPolicy(kind="none"))
SOON = PackagePlan(id="soon", price=100, sessions=5, refund=RefundPolicy(window_days=14))
PLANS = [TWO, ENDING, WAITING, GYM, FINAL, SOON]


def sold(plan="two", day="2024-01-10", package="p", customer="ann", **fields):
    return {"kind": "purchase", "date": day, "package": package, "customer": customer, "plan": plan, **fields}


def event(kind, day, package="p", **fields):
    return {"kind": kind, "date": day, "package": package, **fields}


def collect(events, plans=PLANS, as_of="2024-12-31", **options):
    return Ledger.from_events(events, plans, as_of=as_of, on_error="collect", **options)


VISIT = event("visit", "2024-01-12")

CASES = [
    ("before_purchase", [sold(), event("visit", "2024-01-09")], "package 'p' was sold on 2024-01-10, after this visit"),
    (
        "unknown_package",
        [sold(), event("visit", "2024-01-12", "q")],
        "package 'q' is not in the book: no sale of it is",
    ),
    ("overdraw", [sold(), VISIT, VISIT, VISIT], "package 'p' has 2 sessions, and all of them are used"),
    (
        "no_package",
        [sold(), {"kind": "visit", "date": "2024-01-09", "customer": "ann"}],
        "customer 'ann' has no package with a session left on 2024-01-09; unpaid=\"receivable\" would book it",
    ),
    (
        "after_expiry",
        [sold("ending"), event("visit", "2024-01-20")],
        "package 'p' expired on 2024-01-19, before this visit; grace_days= would honour it",
    ),
    (
        "after_expiry",
        [sold("ending"), event("extension", "2024-01-20", days=5)],
        "package 'p' expired on 2024-01-19, before this extension",
    ),
    (
        "in_freeze",
        [sold(), event("freeze", "2024-01-11", until="2024-01-13"), VISIT],
        "package 'p' is frozen from 2024-01-11 to 2024-01-13",
    ),
    (
        "after_refund",
        [sold(), event("refund", "2024-01-11"), VISIT],
        "package 'p' was refunded on 2024-01-11, before this visit",
    ),
    (
        "after_refund",
        [sold(), event("refund", "2024-01-11"), event("refund", "2024-01-12")],
        "package 'p' was refunded on 2024-01-11, before this refund",
    ),
    (
        "after_refund",
        [
            sold(),
            VISIT | {"id": "v"},
            event("refund", "2024-01-13"),
            {"kind": "void", "date": "2024-01-14", "target": "v"},
        ],
        "package 'p' was refunded with that visit in it",
    ),
    (
        "excess_refund",
        [sold(), VISIT, event("refund", "2024-01-13", amount=51)],
        "51 is refunded for package 'p', and 50 is owed; allow_excess=True books the difference as a cost",
    ),
    ("nothing_left", [sold(), VISIT, VISIT, event("refund", "2024-01-13")], "nothing of package 'p' is left"),
    (
        "after_expiry",
        [sold("gym"), event("refund", "2024-02-09")],
        "package 'p' expired on 2024-02-08, before this refund",
    ),
    (
        "not_refundable",
        [sold("final"), event("refund", "2024-01-13")],
        "pays nothing back on demand on that day; give the amount that was paid out of goodwill",
    ),
    ("not_refundable", [sold("soon"), event("refund", "2024-01-25")], "pays nothing back on demand on that day"),
    ("sold_twice", [sold(), sold(day="2024-01-11")], "package 'p' was sold on 2024-01-10 already"),
    (
        "overpaid",
        [sold(amount=60), event("instalment", "2024-01-12", amount=41)],
        "41 is paid for package 'p', of which 40 is not paid yet",
    ),
    (
        "overpaid",
        [sold("ending", amount=60), event("instalment", "2024-02-12", amount=1)],
        "1 is paid for package 'p', which is closed, and is more than what was delivered and not paid",
    ),
    ("overpaid", [sold(amount=101)], "101 is paid for a package with a price of 100"),
    ("unknown_plan", [sold("three")], "there is no plan 'three' among the plans; the nearest is"),
    ("currency", [sold(currency="USD")], "the event is in USD, and the ledger in None; keep one ledger a currency"),
    (
        "freeze_ends_early",
        [sold(), event("freeze", "2024-01-12", until="2024-01-11")],
        "before it begins on 2024-01-12",
    ),
    (
        "freezes_overlap",
        [
            sold(),
            event("freeze", "2024-01-11", until="2024-01-13"),
            event("freeze", "2024-01-13", until="2024-01-20"),
        ],
        "package 'p' is frozen until 2024-01-13 already",
    ),
    ("not_started", [sold("waiting"), event("freeze", "2024-01-11", until="2024-01-13")], "which has not been"),
    ("expires_early", [sold("ending", expires="2024-01-09")], "the package expires on 2024-01-09, before its sale"),
    ("strange_field", [sold(expires="2024-02-09")], "packages of plan 'two' never expire"),
    ("strange_field", [sold("gym", sessions=3)], "purchase of a term takes no sessions"),
    (
        "never_expires",
        [sold(), event("extension", "2024-01-12", days=3)],
        "package 'p' never expires: there is nothing",
    ),
    (
        "term_extended",
        [sold("gym"), event("extension", "2024-01-12", days=3)],
        "further days are a package of their own",
    ),
    (
        "own_package",
        [sold(), event("transfer", "2024-01-12", to="ann")],
        "package 'p' belongs to customer 'ann' already",
    ),
    (
        "other_owner",
        [sold(), event("visit", "2024-01-12", customer="bob")],
        "package 'p' belongs to customer 'ann', not to 'bob'; transfer it, or name no customer",
    ),
    ("unknown_target", [sold(), {"kind": "void", "date": "2024-01-12", "target": "v"}], "'v' is not in the book"),
    (
        "not_a_visit",
        [sold(id="s"), {"kind": "void", "date": "2024-01-12", "target": "s"}],
        "event 's' is no visit; only visits can be taken back",
    ),
    (
        "unbooked_target",
        [sold(), VISIT | {"id": "v"}, {"kind": "void", "date": "2024-01-11", "target": "v"}],
        "the visit to be taken back was not booked by then",
    ),
    (
        "voided_twice",
        [
            sold(),
            VISIT | {"id": "v"},
            *({"kind": "void", "date": day, "target": "v"} for day in ("2024-01-13", "2024-02-13")),
        ],
        "the visit was taken back already",
    ),
    (
        "other_package",
        [
            sold(),
            sold(package="q"),
            VISIT | {"id": "v"},
            {"kind": "void", "date": "2024-01-13", "target": "v", "package": "q"},
        ],
        "the visit to be taken back is of package 'p'",
    ),
    (
        "id_taken",
        [sold(), VISIT | {"id": "v"}, event("visit", "2024-01-13", id="v")],
        "the id stands for another visit of 2024-01-12, row 1",
    ),
    (
        "incomplete",
        [
            sold(),
            {"kind": "opening", "date": "2024-01-10", "package": "q", "customer": "c", "plan": "two", "amount": 5},
        ],
        "opening needs sessions",
    ),
    (
        "incomplete",
        [
            sold(),
            {"kind": "opening", "date": "2024-01-10", "package": "q", "customer": "c", "plan": "gym", "amount": 5},
        ],
        "opening of a term needs the days left",
    ),
]


@pytest.mark.parametrize(
    ("code", "events", "reason"), CASES, ids=[f"{code}-{n}" for n, (code, _, _) in enumerate(CASES)]
)
def test_events_that_cannot_be_booked(code, events, reason):
    with pytest.raises(InvalidEvents) as refusal:
        Ledger.from_events(events, PLANS, as_of="2024-12-31")
    (issue,) = refusal.value.issues
    assert issue.code == code
    assert reason in issue.reason
    assert f"row {issue.row}" in str(refusal.value)
    assert issue.reason in str(refusal.value)


@pytest.mark.parametrize(
    ("code", "events", "reason"), CASES, ids=[f"{code}-{n}" for n, (code, _, _) in enumerate(CASES)]
)
def test_the_rest_of_the_book_stands(code, events, reason):
    try:
        ledger, issues = collect(events)
    except InvalidEvents:
        assert len(events) == 1, "nothing but the bad event"
        return
    assert len(issues) == 1
    assert ledger.issues == issues
    assert ledger.audit().passed
    without = [each for row, each in enumerate(events) if row != issues[0].row]
    assert (
        ledger.roll_forward().to_dict()
        == Ledger.from_events(without, PLANS, as_of="2024-12-31").roll_forward().to_dict()
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"amount": -1}, "greater than or equal to 0"),
        ({"amount": 10.0}, "whole minor units"),
        ({"amount": math.nan}, "whole minor units"),
        ({"amount": math.inf}, "whole minor units"),
        ({"amount": True}, "valid integer"),
        ({"amount": "100"}, "valid integer"),
        ({"amount": 2**60}, "less than"),
        ({"sessions": 0}, "greater than or equal to 1"),
        ({"customer": None}, "purchase needs customer"),
        ({"customer": ""}, "at least 1 character"),
        ({"customer": 1.5}, "valid string"),
        ({"days": 3}, "purchase takes no days"),
        ({"date": "10.01.2024"}, "Invalid isoformat string"),
        ({"date": "2024-13-01"}, "month must be in 1..12"),
        ({"date": 20240110}, "must be a datetime.date, a datetime.datetime or an ISO string"),
        ({"date": None}, "must be a datetime.date"),
        ({"kind": "sale"}, "Input should be 'purchase'"),
        ({"currency": "usd"}, "should match pattern"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
    ],
)
def test_an_event_is_refused_at_its_making(fields, message):
    with pytest.raises(ValidationError, match=message):
        PrepaidEvent(**sold() | fields)
    ledger, issues = collect([sold(package="q"), sold() | fields])
    assert (issues[0].row, issues[0].code) == (1, "invalid")
    assert ledger.liability() == 100


def test_a_visit_needs_a_package_or_a_customer():
    with pytest.raises(ValidationError, match="visit needs package or customer"):
        PrepaidEvent(kind="visit", date="2024-01-01")


def test_all_problems_are_reported_together_in_the_order_of_the_rows():
    events = [VISIT | {"id": 7}, sold(), sold(amount=-1), event("visit", "2024-01-12", "q"), sold("three", package="r")]
    events += [VISIT | {"date": "2024-01-11"}] * 30
    with pytest.raises(InvalidEvents) as refusal:
        Ledger.from_events(events, PLANS, as_of="2024-12-31")
    issues = refusal.value.issues
    assert [issue.row for issue in issues] == [0, *range(2, 5), *range(7, 35)], "the first two of a day are booked"
    text = str(refusal.value)
    assert text.startswith(
        "32 of 35 events cannot be booked (29 overdraw, 1 invalid, 1 unknown_package, 1 unknown_plan)"
    )
    assert "row 0, id 7: package 'p' has 2 sessions" in text
    assert "row 2: amount: Input should be greater than or equal to 0, got -1" in text
    assert text.endswith("... and 12 more in .issues")
    assert issues[0] == Issue.model_validate_json(issues[0].model_dump_json())
    assert isinstance(refusal.value, ValueError)


def test_an_event_that_arrives_twice_counts_once():
    events = [sold(id="s"), VISIT | {"id": "v"}, VISIT | {"id": "v"}, sold(id="s")]
    ledger = Ledger.from_events(events, PLANS, as_of="2024-12-31")
    assert ledger.ignored == {"repeated": 2}
    assert ledger.liability() == 50


def test_events_without_an_id_count_once_only_when_that_is_asked_for():
    events = [sold(), VISIT, VISIT]
    assert Ledger.from_events(events, PLANS, as_of="2024-12-31").liability() == 0
    ledger = Ledger.from_events(events, PLANS, as_of="2024-12-31", dedupe="content")
    assert ledger.liability() == 50
    assert ledger.ignored == {"repeated": 1}


def test_later_events_are_ignored_and_counted():
    ledger = Ledger.from_events([sold(), VISIT, event("visit", "2030-01-01", "unknown")], PLANS, as_of="2024-01-31")
    assert ledger.ignored == {"after as_of": 1}
    assert ledger.liability() == 50


def test_days_of_grace():
    events = [sold("ending"), event("visit", "2024-01-22")]
    ledger = Ledger.from_events(events, PLANS, as_of="2024-01-31", grace_days=3)
    daily = ledger.roll_forward("day")
    assert {str(d): x for d, x in zip(daily.starts, daily.breakage.tolist(), strict=True) if x} == {"2024-01-22": 80}
    with pytest.raises(InvalidEvents, match="expired on 2024-01-19"):
        Ledger.from_events(events, PLANS, as_of="2024-01-31", grace_days=2)


def test_an_excess_may_be_allowed():
    events = [sold(), VISIT, event("refund", "2024-01-13", amount=70)]
    rolled = Ledger.from_events(events, PLANS, as_of="2024-01-31", allow_excess=True).roll_forward()
    assert (rolled.refunds_paid[0], rolled.refund_excess[0], rolled.liability[0]) == (70, 20, 0)


# Visits that nobody paid for

SINGLE = PackagePlan(id="two", price=100, sessions=2, cost_per_session=7, list_price=60)
UNPAID = {"kind": "visit", "date": "2024-01-05", "customer": "ann", "id": "u"}


def test_an_unpaid_visit_is_a_receivable_at_list_price():
    ledger = Ledger.from_events([sold(), UNPAID], [SINGLE], as_of="2024-01-31", unpaid="receivable")
    rolled = ledger.roll_forward()
    assert (rolled.earned[0], rolled.contract_asset[0], rolled.liability[0]) == (60, 60, 100)
    assert (rolled.delivery_cost[0], rolled.sessions_delivered[0], rolled.sessions_sold[0]) == (7, 1, 3)
    assert ledger.packages().status.tolist() == ["open", "unpaid"]
    assert ledger.audit().passed


def test_the_next_package_settles_it():
    ledger = Ledger.from_events(
        [sold(day="2024-02-10"), UNPAID], [SINGLE], as_of="2024-02-28", unpaid="receivable", reconcile=True
    )
    rolled = ledger.roll_forward()
    assert rolled.earned.tolist() == [60, -10]
    assert rolled.contract_asset.tolist() == [60, 0]
    assert rolled.liability.tolist() == [0, 50]
    assert rolled.delivery_cost.tolist() == [7, 0]
    assert rolled.sessions_delivered.tolist() == [1, 0]
    assert ledger.packages().status.tolist() == ["open", "settled"]
    assert ledger.audit().passed


def test_an_unpaid_visit_can_be_taken_back():
    void = {"kind": "void", "date": "2024-02-05", "target": "u"}
    ledger = Ledger.from_events([sold(), UNPAID, void], [SINGLE], as_of="2024-02-28", unpaid="receivable")
    assert ledger.roll_forward().earned.tolist() == [60, -60]
    assert ledger.contract_asset() == 0


def test_an_unpaid_visit_needs_a_price():
    with pytest.raises(InvalidEvents, match="name a plan with a list_price, at which it can be booked"):
        Ledger.from_events([sold(), UNPAID], PLANS, as_of="2024-01-31", unpaid="receivable")


def test_reconciling_needs_receivables():
    with pytest.raises(InvalidValue, match='reconcile needs unpaid="receivable"'):
        Ledger.from_events([sold()], PLANS, as_of="2024-01-31", reconcile=True)


# Closed periods


def test_a_late_event_does_not_change_a_closed_period():
    late = event("visit", "2024-01-18", recorded="2024-02-03")
    events = [sold("ending"), late]
    closed = Ledger.from_events(events[:1], PLANS, as_of="2024-01-31").roll_forward("day")
    ledger = Ledger.from_events(events, PLANS, as_of="2024-02-29", closed_until="2024-01-31")
    daily = ledger.roll_forward("day")
    days = len(closed.starts)
    np.testing.assert_array_equal(daily.liability[:days], closed.liability)
    # It was valid on its own day: the breakage of January is taken back on the first open day.
    assert (daily.earned[days], daily.breakage[days]) == (20, -20)
    assert ledger.roll_forward().sessions_expired.tolist() == [5, -1]


def test_a_late_visit_may_fall_into_an_earlier_freeze():
    freezes = [
        event("freeze", day, until=until) for day, until in (("2024-01-11", "2024-01-13"), ("2024-01-20", "2024-01-21"))
    ]
    for day, refused in (("2024-01-12", True), ("2024-01-15", False), ("2024-01-20", True)):
        visits = [
            event("visit", day, recorded="2024-02-03"),
            {"kind": "visit", "date": day, "customer": "ann", "recorded": "2024-02-03"},
        ]
        _, issues = collect([sold(), *freezes, *visits], closed_until="2024-01-31")
        assert [issue.code for issue in issues] == (["in_freeze", "no_package"] if refused else [])
        assert not refused or f"from {freezes[day > '2024-01-15']['date']}" in issues[0].reason


def test_what_was_entered_later_was_not_known_then():
    late = event("visit", "2024-01-12", recorded="2024-05-05", id="v")
    other = event("visit", "2024-01-13", recorded="2024-02-15", id="v")
    ledger, _ = collect([sold(recorded="2024-01-10"), late, other])
    assert (ledger.liability(), ledger.liability("2024-02-15")) == (50, 50), "as it is known now"
    then = ledger.at("2024-02-15")
    assert (then.liability(), then.ignored, then.issues) == (50, {"recorded after as_of": 1}, ())
    assert then.roll_forward("day").earned[3] == 50, "the id was not taken yet"
    before = ledger.at("2024-05-04").at("2024-02-14")
    assert (before.liability(), before.ignored) == (100, {"recorded after as_of": 2})
    assert compare_policies(before, validity_days=400)["refund_on_demand"].liability == 100
    assert ledger.at("2024-12-31").liability() == 50
    hanging = Ledger.from_events([sold(package="q"), sold(recorded="2024-05-05"), VISIT], PLANS, as_of="2024-12-31")
    assert [issue.code for issue in hanging.at("2024-02-15").issues] == ["unknown_package"]
    year_end = Ledger.from_events([sold(), late], PLANS, as_of="2024-01-31")
    assert year_end.liability() == 50, "a book may be closed after its last day"


def test_a_late_event_may_be_refused():
    events = [sold("ending"), event("visit", "2024-01-18", recorded="2024-02-03")]
    with pytest.raises(
        InvalidEvents, match="visit of 2024-01-18 was entered on 2024-02-03, and the book is closed until"
    ):
        Ledger.from_events(events, PLANS, as_of="2024-02-29", closed_until="2024-01-31", late="error")


def test_terms_and_freezes_cannot_come_late():
    events = [sold(), sold("gym", package="g", recorded="2024-02-03")]
    events.append(event("freeze", "2024-01-20", until="2024-01-25", recorded="2024-02-03"))
    _, issues = collect(events, closed_until="2024-01-31")
    assert [issue.code for issue in issues] == ["late", "late"]
    assert "a term that began on 2024-01-10 has earned in days that are closed" in issues[0].reason


# Times


def at(when, **fields):
    return VISIT | {"date": when} | fields


def test_times_are_read_in_the_zone_of_the_business():
    times = ["2024-01-31T22:30:00+00:00", "2024-01-31T20:30:00+00:00"]
    ledger = Ledger.from_events([sold(), *map(at, times)], PLANS, as_of="2024-02-29", tz="Europe/Moscow")
    assert ledger.roll_forward().earned.tolist() == [50, 50]


def test_a_business_day_may_end_after_midnight():
    events = [sold(), at("2024-02-01T02:59:00"), at("2024-02-01T03:00:00")]
    ledger = Ledger.from_events(events, PLANS, as_of="2024-02-29", day_start=3)
    assert ledger.roll_forward().earned.tolist() == [50, 50]


@pytest.mark.parametrize(
    ("times", "options", "message"),
    [
        (["2024-01-31T22:30:00+00:00", "2024-01-31T22:30:00"], {"tz": "Europe/Paris"}, "mix times with a time zone"),
        (["2024-01-31T22:30:00+00:00"], {}, "name that of the business, as tz='Europe/Paris'"),
        (["2024-01-31T22:30:00"], {"tz": "Paris"}, "tz must be an IANA time zone"),
        (["2024-01-31T22:30:00"], {"day_start": 24}, "day_start must be a whole hour from 0 to 23"),
    ],
)
def test_times_that_cannot_be_told_are_refused(times, options, message):
    with pytest.raises(InvalidValue, match=message):
        Ledger.from_events([sold(), *map(at, times)], PLANS, as_of="2024-02-29", **options)


# Plans and arguments


@pytest.mark.parametrize(
    ("plans", "kind", "message"),
    [
        ([], InvalidValue, "plans is empty"),
        ([TWO, TWO], InvalidValue, "plans names 'two' twice"),
        ([{"id": "two"}], InvalidType, r"plans\[0\] must be a PackagePlan, got dict"),
        (
            [TWO, TWO.model_copy(update={"id": "b", "currency": "EUR"})],
            InvalidValue,
            "plans are in EUR, None; keep one",
        ),
    ],
)
def test_plans_are_checked(plans, kind, message):
    with pytest.raises(kind, match=message):
        Ledger.from_events([sold()], plans, as_of="2024-12-31")


@pytest.mark.parametrize(
    ("events", "options", "kind", "message"),
    [
        ([], {}, InvalidValue, "there is no sale in the events up to as_of: the book is empty"),
        ([sold()], {"as_of": "2023-12-31"}, InvalidValue, "there is no sale in the events up to as_of"),
        ({"kind": "visit"}, {}, InvalidType, "events must be an iterable of PrepaidEvent or of dicts, got dict"),
        ([sold()], {"on_error": "ignore"}, InvalidValue, "on_error must be one of 'raise', 'collect'"),
        ([sold()], {"dedupe": "hash"}, InvalidValue, "dedupe must be one of 'id', 'content'"),
        ([sold()], {"unpaid": "yes"}, InvalidValue, "unpaid must be one of 'error', 'receivable'"),
        ([sold()], {"late": "drop"}, InvalidValue, "late must be one of 'post', 'error'"),
        ([sold()], {"grace_days": -1}, InvalidValue, "grace_days must be a whole number >= 0"),
        ([sold()], {"as_of": "yesterday"}, InvalidValue, "as_of must be a day like"),
    ],
)
def test_arguments_are_checked(events, options, kind, message):
    with pytest.raises(kind, match=message):
        Ledger.from_events(events, PLANS, **{"as_of": "2024-12-31"} | options)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (lambda book: book.at("2025-01-01"), "date must not be after the last day of the book, 2024-12-31"),
        (lambda book: book.liability("2025-01-01"), "as_of must not be after the last day of the book"),
        (lambda book: book.roll_forward("fortnight"), "period must be one of"),
        (lambda book: book.roll_forward(by="city"), "by must be one of 'plan', 'segment', 'customer', 'package'"),
        (lambda book: book.custody_shortfall(cash=2**60), "cash must be a whole number"),
        (lambda book: book.free_cash(cash=1.5), r"cash must be a whole number, got float 1.5; .* prepaid.to_minor\(\)"),
        (lambda book: book.dormant(days=-1), "days must be a whole number >= 0"),
        (lambda book: book.expiring(within=-1), "within must be a whole number >= 0"),
        (lambda book: book.breakage_rate("three"), "there is no plan 'three'"),
        (lambda book: book.breakage_rate(), "breakage_rate is undefined: no paid package has been used up"),
    ],
)
def test_questions_are_checked(question, message):
    book = Ledger.from_events([sold()], PLANS, as_of="2024-12-31")
    with pytest.raises((InvalidValue, InvalidType), match=message):
        question(book)


def test_totals_beyond_the_range_are_refused():
    plan = PackagePlan(id="dear", price=2**59, sessions=3)
    with pytest.raises(InvalidValue, match=r"the amounts of the book may add up to .* must stay below 2\*\*59"):
        Ledger.from_events([sold("dear", package=n) for n in range(4)], [plan], as_of="2024-12-31")


def test_the_largest_amounts_are_exact():
    plan = PackagePlan(id="dear", price=2**58 - 1, sessions=2**20 + 1)
    events = [sold("dear"), *(event("visit", "2024-01-12") for _ in range(7))]
    price, count = plan.price, plan.sessions
    expected = price - (2 * price * 7 + count) // (2 * count)
    assert Ledger.from_events(events, [plan], as_of="2024-12-31").liability() == expected


# Columns


def columns(**changes):
    base = {
        "kind": np.array(["purchase", "visit"]),
        "date": np.array(["2024-01-10", "2024-01-12"], "datetime64[D]"),
        "package": np.array([1, 1]),
        "customer": np.array([5, 5]),
        "plan": np.array(["two", None], object),
    }
    return {name: value for name, value in (base | changes).items() if value is not None}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"kind": np.array([KINDS.index("purchase"), KINDS.index("visit")])},
        {"date": np.array([dt.date(2024, 1, 10).toordinal(), dt.date(2024, 1, 12).toordinal()])},
        {"date": np.array(["2024-01-10T08", "2024-01-12T23"], "datetime64[h]")},
        {"package": np.array(["a", "a"])},
        {"package": np.array(["a", "a"], object), "customer": np.ma.array([5, 0], mask=[False, True])},
        {"amount": np.ma.array([100, 0], mask=[False, True])},
        {"amount": np.array([100, None], object), "seq": np.array([0, 0], np.int8)},
        {"package": np.array([2**62, 2**62]), "id": np.array([-(2**40), 2**40])},
        {"segment": np.array(["north", ""])},
        {"customer": np.ma.array([5, 0], mask=[False, True], dtype=np.int32)},
        {"customer": np.array([2**64 - 1, 2**64 - 1], np.uint64)},
        {"date": ["2024-01-10", "2024-01-12"]},
        {"date": np.array(["2024-01-10T08:00:00", "2024-01-12"])},
        {"date": [dt.date(2024, 1, 10), dt.datetime(2024, 1, 12, 23)]},
        {"date": np.array([dt.date(2024, 1, 10), "2024-01-12"], object)},
        {"date": pd.Series(pd.to_datetime(["2024-01-10", "2024-01-12"]))},
        {"date": pd.Series(pd.to_datetime(["2024-01-10", "2024-01-12"])).astype(object)},
        {"until": [None, pd.NaT], "expires": ["", None]},
        {"recorded": np.ma.array(["2024-01-10", "2024-01-12"], mask=[False, True], dtype="datetime64[D]")},
        {"kind": np.ma.array(["purchase", "visit"], mask=[False, False])},
        {"kind": pd.Categorical(["purchase", "visit"])},
    ],
)
def test_columns_say_what_events_say(changes):
    assert Ledger.from_columns(columns(**changes), PLANS, as_of="2024-12-31").liability() == 50


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"kind": None}, InvalidValue, "column 'kind' is missing"),
        ({"date": None}, InvalidValue, "column 'date' is missing"),
        ({"colour": np.array([1, 2])}, InvalidValue, "there is no column 'colour'; the columns are amount, "),
        ({"package": np.array([1])}, InvalidValue, "column 'package' has 1 elements, and kind has 2"),
        ({"amount": np.array([100.0, np.nan])}, InvalidType, "column 'amount' holds float64, .*prepaid.to_minor"),
        ({"amount": np.array([True, False])}, InvalidType, "column 'amount' holds bool"),
        (
            {"amount": np.array([1.5, None], object)},
            InvalidType,
            r"amount\[0\] must be a whole number or None, got float",
        ),
        ({"amount": np.array([2**64 - 1, 0], np.uint64)}, InvalidValue, "which is beyond int64"),
        (
            {"amount": np.array([None, 2**64 - 1], object)},
            InvalidValue,
            r"amount\[1\] is 18446744073709551615, which is",
        ),
        ({"sessions": np.array([2.0, np.nan])}, InvalidType, "holds float64, not whole numbers; mask what is missing"),
        ({"date": np.array([1.0, 2.0])}, InvalidType, "column 'date' holds float64, not days; pass datetime64, "),
        ({"date": np.array([1.5, None], object)}, InvalidType, r"date\[0\] must be a day, .* or None, got float 1.5"),
        (
            {"date": [dt.datetime(2024, 1, 10, tzinfo=dt.UTC)] * 2},
            InvalidType,
            r"date\[0\] has a time zone; pass the day in that of the business",
        ),
        ({"until": pd.array([None, None], "string")}, InvalidType, r"until\[0\] must be a day, .* got NAType <NA>"),
        ({"customer": pd.array(["a", None], "string")}, InvalidType, "ids must be strings or whole numbers, got NA"),
        ({"customer": np.array([1.5, 2.5])}, InvalidType, "ids must be strings or whole numbers, got float 1.5"),
        ({"customer": np.array([True, None], object)}, InvalidType, "ids must be strings or whole numbers, got bool"),
    ],
)
def test_columns_of_another_kind_are_refused(changes, kind, message):
    with pytest.raises(kind, match=message):
        Ledger.from_columns(columns(**changes), PLANS, as_of="2024-12-31")


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"date": np.array(["2024-01-10", "NaT"], "datetime64[D]")}, "no_date", "the event has no date"),
        ({"amount": np.ma.array([-5, 0], mask=[False, True])}, "out_of_range", "amount must be a whole number >= 0"),
        ({"amount": np.array([100, 0])}, "strange_field", "visit takes no amount"),
        ({"plan": np.array([None, None], object)}, "incomplete", "purchase needs plan"),
        ({"date": ["2024-01-10", "12.01.2024"]}, "invalid", "date must be a day like '2026-10-31', got '12.01.2024'"),
        ({"date": ["2024-01-10", "2024-02-30"]}, "invalid", "date must be a day like '2026-10-31', got '2024-02-30'"),
        ({"date": ["2024-01-10", None]}, "no_date", "the event has no date"),
        ({"date": [dt.date(2024, 1, 10), pd.NaT]}, "no_date", "the event has no date"),
        (
            {"date": np.ma.array(["2024-01-10", "2024-01-12"], mask=[False, True], dtype="datetime64[D]")},
            "no_date",
            "the event has no date",
        ),
        (
            {"kind": ["purchase", "vist"]},
            "unknown_kind",
            "there is no kind 'vist'; did you mean 'visit'? The kinds are",
        ),
        (
            {"kind": ["purchase", "sale"]},
            "unknown_kind",
            "there is no kind 'sale'; the kinds are 'purchase', 'opening'",
        ),
        ({"kind": ["purchase", None]}, "unknown_kind", "the event has no kind; the kinds are 'purchase', 'opening'"),
        ({"kind": np.ma.array([0, 6], mask=[False, True])}, "unknown_kind", "the event has no kind; the kinds are"),
        ({"kind": pd.array(["purchase", None], "string")}, "unknown_kind", "there is no kind <NA>"),
        ({"kind": ["purchase", math.nan]}, "unknown_kind", "there is no kind 'nan'; the kinds are"),
        ({"kind": np.array([0, 9])}, "unknown_kind", "there is no kind 9; the kinds are 'purchase', "),
        ({"kind": np.array([0, -1], np.int8)}, "unknown_kind", "there is no kind -1; the kinds are 'purchase', "),
        ({"until": np.ma.array([5, 0], mask=[False, True])}, "strange_field", "purchase takes no until"),
        (
            {
                "package": np.ma.array([1, 0], mask=[False, True]),
                "customer": np.ma.array([5, 0], mask=[False, True]),
            },
            "incomplete",
            "visit needs package or customer",
        ),
    ],
)
def test_rows_of_columns_that_cannot_be_booked(changes, code, reason):
    with pytest.raises(InvalidEvents) as refusal:
        Ledger.from_columns(columns(**changes), PLANS, as_of="2024-12-31")
    assert (refusal.value.issues[0].code, reason in refusal.value.issues[0].reason) == (code, True)


def test_rows_of_unknown_kind_are_listed_and_the_rest_is_booked():
    words = {"kind": ["purchase", "vist", "visit"], "date": ["2024-01-10"] * 3, "package": [1, 1, 1]}
    words |= {"customer": [5, None, None], "plan": ["two", None, None], "id": ["a", "b", "c"]}
    book, issues = Ledger.from_columns(words, PLANS, as_of="2024-12-31", on_error="collect")
    assert [(issue.row, issue.id, issue.code) for issue in issues] == [(1, "b", "unknown_kind")]
    assert book.liability() == 50


def test_ids_beyond_int64_stay_what_they_are():
    customer = np.array([2**64 - 1, 2**64 - 1], np.uint64)
    made = Ledger.from_columns(columns(customer=customer), PLANS, as_of="2024-12-31")
    assert made.packages().customer.tolist() == [2**64 - 1]


@pytest.mark.parametrize(("places", "fits"), [([None, -1], False), ([None, 1], True), ([-1, None], True)])
def test_an_event_without_a_place_in_the_day_stands_at_zero(places, fits):
    of_a_day = columns(date=["2024-01-10"] * 2, seq=places)
    _, issues = Ledger.from_columns(of_a_day, PLANS, as_of="2024-12-31", on_error="collect")
    assert [issue.code for issue in issues] == ([] if fits else ["before_purchase"])


def test_columns_must_be_named():
    with pytest.raises(InvalidType, match="columns must be a dict of arrays by name, got list"):
        Ledger.from_columns([1, 2], PLANS, as_of="2024-12-31")
