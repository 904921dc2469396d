"""Prepaid books as a hostile till would write them: what each line is answered, and that nothing else is lost."""

import copy
import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from pydantic import ValidationError

from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.logs import PrepaidEvents
from retention_metrics.prepaid import (
    InvalidEvents,
    Ledger,
    OnExpiry,
    PackagePlan,
    PrepaidEvent,
    Proportional,
    RefundPolicy,
    Remote,
    compare_policies,
    session_shares,
    to_minor,
)

TWO = PackagePlan(id="two", price=100, sessions=2)
TEN = PackagePlan(id="ten", price=1_500_000, sessions=10, cost_per_session=70_000)
ENDING = PackagePlan(id="ending", price=100, sessions=5, expiry="forfeit", validity_days=10)
GIFT = PackagePlan(id="gift", price=0, sessions=5, cost_per_session=7, refund=RefundPolicy(fee_bps=10_000))
GYM = PackagePlan(id="gym", price=300, term_days=30)
PLANS = [TWO, TEN, ENDING, GIFT, GYM]


def sold(plan="two", day="2024-01-10", package="p", customer="ann", **fields):
    return {"kind": "purchase", "date": day, "package": package, "customer": customer, "plan": plan, **fields}


def event(kind, day, package="p", **fields):
    return {"kind": kind, "date": day, "package": package, **fields}


def nameless(day, customer="ann", **fields):
    return {"kind": "visit", "date": day, "customer": customer, **fields}


def ledger(*events, plans=PLANS, as_of="2024-12-31", **options):
    return Ledger.from_events(events, plans, as_of=as_of, **options)


def life(*events, **options):
    return ledger(*events, **options).roll_forward("year")


def refusals(*events, **options):
    with pytest.raises(InvalidEvents) as refusal:
        ledger(*events, **options)
    return [(issue.row, issue.code, issue.reason) for issue in refusal.value.issues]


VISIT = event("visit", "2024-01-12")


# Ids


def test_an_id_that_stands_for_two_things_is_refused_beside_its_repetitions():
    events = [sold(), VISIT | {"id": 1}, VISIT | {"id": 1}, event("visit", "2024-01-13", id=1)]
    ((row, code, reason),) = refusals(*events)
    assert (row, code) == (3, "id_taken")
    assert "another visit of 2024-01-12, row 1" in reason
    book, _ = ledger(*events, on_error="collect")
    assert (book.ignored, book.liability()) == ({"repeated": 1}, 50)


def test_a_number_and_its_digits_are_different_ids():
    assert ledger(sold(id=1), VISIT | {"id": "1"}).liability() == 50
    assert refusals(sold(package=1), event("visit", "2024-01-12", "1")) == [
        (1, "unknown_package", "package '1' is not in the book: no sale of it is")
    ]


def test_ids_that_are_taken_after_the_last_day_are_not_known_yet():
    book = ledger(sold(), VISIT | {"id": 1}, event("visit", "2030-01-12", id=1))
    assert (book.ignored, book.liability()) == ({"after as_of": 1}, 50)
    void = {"kind": "void", "date": "2024-02-01", "target": 1}
    assert refusals(sold(), event("visit", "2030-01-12", id=1), void) == [
        (2, "unknown_target", "event 1 is not in the book")
    ]


def test_a_repeated_event_in_another_currency_is_no_repetition():
    ((row, code, reason),) = refusals(sold(), VISIT | {"id": 1}, VISIT | {"id": 1, "currency": "USD"})
    assert (row, code) == (2, "currency")
    assert "the event is in USD" in reason


# What hangs on a sale that is refused


def test_what_hangs_on_a_refused_sale_says_so():
    _, issues = ledger(sold(package="q"), sold(amount=101), VISIT, event("refund", "2024-01-13"), on_error="collect")
    assert [(issue.row, issue.code) for issue in issues] == [(1, "overpaid"), (2, "sale_refused"), (3, "sale_refused")]
    assert issues[1].reason == "the sale of package 'p' in row 1 was refused, and with it this visit"
    assert issues[2].reason == "the sale of package 'p' in row 1 was refused, and with it this refund"


def test_what_hangs_on_a_sale_that_cannot_be_read_says_so():
    _, issues = ledger(sold(package="q"), VISIT, sold(price=99.5), PrepaidEvent(**VISIT), on_error="collect")
    assert [(issue.row, issue.code) for issue in issues] == [(1, "sale_refused"), (2, "invalid"), (3, "sale_refused")]
    assert "package 'p' in row 2 was refused" in issues[0].reason
    _, issues = ledger(sold(), VISIT, sold(price=99.5), on_error="collect")
    assert [issue.code for issue in issues] == ["invalid"], "the package was sold by another event"


def test_a_sale_that_is_not_known_yet_was_not_refused():
    assert refusals(sold(package="q"), sold(day="2025-01-01"), VISIT)[0][1] == "unknown_package"


# Visits that name no package

NO_PACKAGE = "customer 'ann' has no package with a session left on 2024-01-22"


@pytest.mark.parametrize(
    ("before", "cause"),
    [
        ([sold("ending")], ": package 'p' expired on 2024-01-19"),
        (
            [sold("ending", "2024-01-15"), event("freeze", "2024-01-20", until="2024-01-25")],
            ": package 'p' is frozen from 2024-01-20 to 2024-01-25",
        ),
        ([sold(), event("refund", "2024-01-21")], ""),
        ([sold(), VISIT, VISIT], ""),
        ([sold(), event("transfer", "2024-01-21", to="bob")], ""),
        ([sold(customer="bob")], ""),
        ([sold(day="2024-01-23")], ""),
    ],
    ids=["expired", "frozen", "refunded", "used up", "passed on", "another's", "sold later"],
)
def test_a_customer_without_a_session_left_is_not_let_in_on_another_package(before, cause):
    ((row, code, reason),) = refusals(*before, nameless("2024-01-22"))
    assert (row, code) == (len(before), "no_package")
    assert reason == f'{NO_PACKAGE}{cause}; unpaid="receivable" would book it at list price'


def test_a_frozen_package_is_passed_over_and_one_within_grace_is_not():
    frozen = [sold(), sold(package="q"), event("freeze", "2024-01-11", until="2024-01-13"), nameless("2024-01-12")]
    assert ledger(*frozen).packages().used.tolist() == [0, 1]
    assert ledger(sold("ending"), nameless("2024-01-21"), grace_days=2).packages().used.tolist() == [1]
    assert refusals(sold("ending"), nameless("2024-01-22"), grace_days=2)[0][1] == "no_package"


def test_a_visit_of_a_plan_takes_no_package_of_another_one():
    assert refusals(sold(), nameless("2024-01-22", plan="ten"))[0][1] == "no_package"
    assert refusals(sold(), nameless("2024-01-22", plan="tne"), sold("giftt", package="q")) == [
        (1, "unknown_plan", "there is no plan 'tne' among the plans; the nearest is 'ten'"),
        (2, "unknown_plan", "there is no plan 'giftt' among the plans; the nearest is 'gift'"),
    ]


# Cards that are used up, in a till that lets their owners in


def test_a_visit_on_a_card_that_is_used_up_is_owed_by_its_owner():
    priced = PackagePlan(id="two", price=100, sessions=2, cost_per_session=7, list_price=60)
    other = PackagePlan(id="ten", price=900, sessions=10)
    events = [sold(), event("transfer", "2024-01-11", to="bob"), *[VISIT | {"id": n} for n in range(3)]]
    options = {"plans": [priced, other], "unpaid": "receivable"}
    book = ledger(*events, **options)
    assert (book.liability(), book.contract_asset()) == (0, 60)
    assert book.packages().customer.tolist() == ["bob", "bob"]
    assert book.packages().used.tolist() == [2, 1]
    assert book.audit().passed
    void = {"kind": "void", "date": "2024-01-20", "target": 2}
    assert ledger(*events, void, **options).contract_asset() == 0
    settled = ledger(*events, sold("ten", "2024-02-01", "q", "bob"), reconcile=True, **options)
    assert (settled.contract_asset(), settled.liability()) == (0, 810)
    assert settled.audit().passed


def test_a_visit_on_a_card_that_is_used_up_needs_a_price():
    ((row, code, reason),) = refusals(sold(), VISIT, VISIT, VISIT, unpaid="receivable")
    assert (row, code) == (3, "overdraw")
    assert reason == (
        "package 'p' has 2 sessions, and all of them are used; its plan has no list_price, at which the visit could "
        "be booked"
    )


# What comes before the sale, or after the end

LATER = [
    ("transfer", {"to": "bob"}),
    ("freeze", {"until": "2024-03-05"}),
    ("extension", {"days": 5}),
    ("instalment", {"amount": 5}),
    ("refund", {}),
    ("visit", {}),
]


@pytest.mark.parametrize(("kind", "fields"), LATER, ids=[kind for kind, _ in LATER])
def test_nothing_happens_to_a_package_before_its_sale_or_after_its_end(kind, fields):
    sale = sold("ending", amount=90)
    assert refusals(sale, event(kind, "2024-01-01", **fields)) == [
        (1, "before_purchase", f"package 'p' was sold on 2024-01-10, after this {kind}")
    ]
    ((_, code, reason),) = refusals(sale, event(kind, "2024-03-01", **fields))
    if kind == "instalment":
        assert (code, "which is closed" in reason) == ("overpaid", True)
    else:
        assert code == "after_expiry"
        assert reason.startswith(f"package 'p' expired on 2024-01-19, before this {kind}")
        assert ("grace_days=" in reason) == (kind == "visit"), "grace is for visits"
    ((_, code, reason),) = refusals(sale, event("refund", "2024-01-11"), event(kind, "2024-01-12", **fields))
    if kind == "instalment":
        assert (code, "which is closed" in reason) == ("overpaid", True)
    else:
        assert (code, reason) == ("after_refund", f"package 'p' was refunded on 2024-01-11, before this {kind}")


CLOSED = {
    "used up": [sold(), VISIT, VISIT],
    "refunded": [sold(), event("refund", "2024-01-11")],
    "expired": [sold("ending")],
    "a term": [sold("gym")],
}


@pytest.mark.parametrize("before", CLOSED.values(), ids=CLOSED)
def test_goodwill_for_what_is_closed_is_a_cost_and_changes_nothing_else(before):
    goodwill = event("refund", "2024-03-01", amount=30)
    book = ledger(*before, goodwill, allow_excess=True)
    without, paid = life(*before), book.roll_forward("year")
    assert (paid.refunds_paid - without.refunds_paid).tolist() == [30]
    assert paid.refund_excess.tolist() == [30]
    for name in ("earned", "breakage", "liability", "sessions_refunded", "sessions_expired", "refund_gain"):
        assert getattr(paid, name).tolist() == getattr(without, name).tolist(), name
    assert book.packages().status.tolist() == ledger(*before).packages().status.tolist()
    assert book.roll_forward("month", by="customer").refund_excess.tolist()[2] == 30
    assert book.audit().passed
    assert [row for row, *_ in refusals(*before, goodwill)] == [len(before)], "unless it is allowed"


@pytest.mark.parametrize("before", CLOSED.values(), ids=CLOSED)
def test_goodwill_names_its_amount_and_its_customer(before):
    ((_, code, _),) = refusals(*before, event("refund", "2024-03-01"), allow_excess=True)
    assert code in ("nothing_left", "after_refund", "after_expiry")
    stranger = event("refund", "2024-03-01", amount=30, customer="bob")
    assert refusals(*before, stranger, allow_excess=True)[0][1] == "other_owner"


def test_a_refund_by_the_unit():
    assert refusals(sold(), event("refund", "2024-01-13", amount=101))[0][1] == "excess_refund"
    exact = life(sold(), event("refund", "2024-01-13", amount=100))
    assert (exact.refunds_paid[0], exact.refund_gain[0], exact.refund_excess[0]) == (100, 0, 0)
    nothing = life(sold(), event("refund", "2024-01-13", amount=0))
    assert (nothing.refunds_paid[0], nothing.refund_gain[0], nothing.liability[0]) == (0, 100, 0)


def test_a_refund_is_of_the_owner():
    ((_, code, reason),) = refusals(sold(), event("refund", "2024-01-13", customer="bob"))
    assert (code, "belongs to customer 'ann', not to 'bob'" in reason) == ("other_owner", True)


def test_the_last_day_of_the_refund_window():
    window = PackagePlan(id="w", price=100, sessions=5, refund=RefundPolicy(window_days=14))
    assert life(sold("w"), event("refund", "2024-01-24"), plans=[window]).refunds_paid.tolist() == [100]
    assert refusals(sold("w"), event("refund", "2024-01-25"), plans=[window])[0][1] == "not_refundable"
    assert ledger(sold("w"), plans=[window], as_of="2024-01-24").refundable_now() == 100
    assert ledger(sold("w"), plans=[window], as_of="2024-01-25").refundable_now() == 0


def test_goodwill_above_what_is_owed_is_a_cost_where_nothing_is_refundable():
    final = PackagePlan(id="f", price=100, sessions=2, refund=RefundPolicy(kind="none"))
    paid = life(sold("f"), event("refund", "2024-01-12", amount=150), plans=[final], allow_excess=True)
    assert (paid.refunds_paid[0], paid.refund_excess[0], paid.refund_gain[0]) == (150, 50, 0)


def test_the_fee_of_a_cheaper_sale_is_never_more_than_what_is_owed():
    fee = PackagePlan(id="f", price=100, sessions=2, refund=RefundPolicy(fee=50))
    found = life(sold("f", price=10), event("refund", "2024-01-12"), plans=[fee])
    assert (found.refunds_paid[0], found.refund_fees[0], found.liability[0]) == (0, 10, 0)


# Taken back


def test_a_session_taken_back_can_be_used_again():
    void = {"kind": "void", "date": "2024-01-13", "target": 1}
    events = [sold(), VISIT | {"id": 1}, VISIT, void, event("visit", "2024-01-14")]
    assert ledger(*events).packages().used.tolist() == [2]
    assert [row for row, *_ in refusals(*events, event("visit", "2024-01-15"))] == [5]


def test_a_void_is_of_the_owner():
    void = {"kind": "void", "date": "2024-01-13", "target": 1, "customer": "bob"}
    ((row, code, reason),) = refusals(sold(), VISIT | {"id": 1}, void)
    assert (row, code) == (2, "other_owner")
    assert "package 'p' belongs to customer 'ann', not to 'bob'" in reason
    assert ledger(sold(), VISIT | {"id": 1}, void | {"customer": "ann"}).liability() == 100
    priced = PackagePlan(id="two", price=100, sessions=2, list_price=60)
    unpaid = [sold(), nameless("2024-01-05", id=1), void]
    ((row, code, reason),) = refusals(*unpaid, plans=[priced], unpaid="receivable")
    assert (row, code, reason) == (2, "other_owner", "the visit to be taken back is of customer 'ann', not of 'bob'")


def test_a_void_cannot_be_taken_back():
    void = {"kind": "void", "date": "2024-01-13", "target": 1, "id": 2}
    again = {"kind": "void", "date": "2024-01-14", "target": 2}
    ((row, code, reason),) = refusals(sold(), VISIT | {"id": 1}, void, again)
    assert (row, code) == (3, "not_a_visit")
    assert "event 2 is no visit" in reason


# Gifts, bonus sessions, and what is taken over


def test_a_gift_earns_nothing_and_costs_what_it_costs():
    book = ledger(sold("gift"), VISIT)
    assert (book.liability(), book.cost_to_serve(), book.refundable_now()) == (0, 28, 0)
    assert (book.dormant().unearned.tolist(), book.dormant().cost_to_serve.tolist()) == ([0], [28])
    with pytest.raises(UndefinedMetric, match="nothing was collected"):
        book.earned_ratio("year")
    assert life(sold("gift"), event("refund", "2024-01-12")).refunds_paid.tolist() == [0]
    assert book.audit().passed


def test_ten_and_one_for_free():
    visits = [VISIT] * 11
    daily = life(sold("ten", sessions=11), *visits)
    assert (daily.earned[0], daily.sessions_delivered[0], daily.liability[0]) == (1_500_000, 11, 0)
    shares = session_shares(1_500_000, 11)
    assert ledger(sold("ten", sessions=11), *visits[:4]).liability() == 1_500_000 - shares[:4].sum()
    assert refusals(sold("ten", sessions=11), *visits, VISIT)[0][1] == "overdraw"


def test_an_opening_balance_is_no_more_than_what_is_left():
    opening = {
        "kind": "opening",
        "date": "2024-01-01",
        "package": "p",
        "customer": "a",
        "plan": "ten",
        "sessions": 3,
        "amount": 400_000,
    }
    assert refusals(opening, *[VISIT] * 4) == [(4, "overdraw", "package 'p' has 3 sessions, and all of them are used")]
    assert life(opening, VISIT, event("refund", "2024-01-13")).refunds_paid.tolist() == [266_667]
    assert life(opening | {"amount": 0}, VISIT).earned.tolist() == [0]
    assert refusals(opening, event("instalment", "2024-01-12", amount=1))[0][1] == "overpaid"
    assert refusals(opening | {"price": 5})[0][2] == "event: opening takes no price"


# Days and times


@pytest.mark.parametrize("day", ["01/02/2024", "2024-02-30", "10.01.2024", "today", "", "2024-1-5"])
def test_days_are_not_guessed_at(day):
    ((row, code, reason),) = refusals(sold(), event("visit", day))
    assert (row, code) == (1, "invalid")
    assert reason.startswith("date: ")


def test_days_without_a_time_go_with_times_that_have_a_zone():
    book = ledger(sold(), event("visit", "2024-01-31T23:30:00+00:00"), tz="Europe/Moscow", as_of="2024-02-29")
    assert book.roll_forward().earned.tolist() == [0, 50]


@pytest.mark.parametrize(
    ("before_three", "after_three", "days"),
    [
        # Clocks go from 2:00 to 3:00 in the night to 31 March, and from 3:00 to 2:00 in that to 27 October.
        ("2024-03-31T00:30:00Z", "2024-03-31T01:30:00Z", ("2024-03-30", "2024-03-31")),
        ("2024-10-27T01:30:00Z", "2024-10-27T02:30:00Z", ("2024-10-26", "2024-10-27")),
    ],
)
def test_a_business_day_opens_by_the_clock_when_clocks_change(before_three, after_three, days):
    visits = [event("visit", before_three), event("visit", after_three)]
    daily = ledger(sold(), *visits, tz="Europe/Paris", day_start=3).roll_forward("day")
    assert [str(day) for day, earned in zip(daily.starts, daily.earned, strict=True) if earned] == list(days)


ENDLESS = [
    [sold("ending", "9999-12-25")],
    [sold("ending", expires="9999-12-31"), event("freeze", "2024-01-11", until="2024-01-13")],
    [sold("ending", expires="9999-12-31"), event("extension", "2024-01-11", days=5)],
    [sold("gym", "9999-12-25")],
    [sold("gym"), event("freeze", "2024-01-11", until="9999-12-31")],
]


@pytest.mark.parametrize("events", ENDLESS, ids=["validity", "freeze", "extension", "term", "frozen term"])
def test_what_ends_after_the_calendar_does_not_end(events):
    book = ledger(*events, as_of="9999-12-31")
    assert book.packages().to_dict()["expires"] == [None]
    assert book.packages().breakage.tolist() == [0]
    assert str(book.packages())
    assert len(book.expiring()) == 0


@pytest.mark.parametrize("name", ["until", "expires", "recorded"])
def test_days_outside_the_calendar_are_refused(name):
    other = event("freeze", "2024-01-12", until=dt.date(2024, 1, 13))
    for day in (0, 3_652_060):
        columns = {
            "kind": ["purchase", "freeze"],
            "date": ["2024-01-10", "2024-01-12"],
            "package": ["p", "p"],
            "customer": ["ann", None],
            "plan": ["ending", None],
            "until": [None, other["until"]],
            "expires": [None, None],
        }
        columns[name] = [day, None] if name == "expires" else [None, day]
        with pytest.raises(InvalidEvents, match=f"{name} must be a day from 0001-01-01 to 9999-12-31, got the ordinal"):
            Ledger.from_columns(columns, PLANS, as_of="2024-12-31", closed_until="2024-01-31")


def test_the_last_day_of_the_book_is_a_day():
    with pytest.raises(InvalidValue, match=r"as_of must be a whole day, got datetime.datetime.*; pass .date\(\) of it"):
        ledger(sold(), as_of=dt.datetime(2024, 12, 31, 5, tzinfo=dt.UTC))
    with pytest.raises(InvalidType, match="as_of must be a datetime.date or a string like"):
        ledger(sold(), as_of=None)
    with pytest.raises(InvalidValue, match="date must be a day like '2026-10-31'"):
        ledger(sold()).at("31.12.2024")
    with pytest.raises(InvalidValue, match="there is no sale in the events up to as_of"):
        ledger(sold()).at("2023-12-31")
    with pytest.raises(InvalidValue, match="closed_until must be a day like"):
        ledger(sold(), closed_until="Jan")


def test_what_is_entered_late_counts_on_the_first_open_day():
    closed = {"closed_until": "2024-01-31", "as_of": "2024-03-31"}
    late = {"recorded": "2024-02-05"}
    rolled = ledger(sold(), sold(package="q", **late), **closed).roll_forward()
    assert rolled.collections.tolist() == [100, 100, 0]
    refund = event("refund", "2024-01-20", **late)
    assert ledger(sold(), refund, **closed).roll_forward().refunds_paid.tolist() == [0, 100, 0]
    instalment = event("instalment", "2024-01-20", amount=60, **late)
    assert ledger(sold(amount=40), instalment, **closed).roll_forward().collections.tolist() == [40, 60, 0]
    void = {"kind": "void", "date": "2024-01-20", "target": 1, **late}
    assert ledger(sold(), VISIT | {"id": 1}, void, **closed).roll_forward().earned.tolist() == [50, -50, 0]
    assert refusals(sold(), event("transfer", "2024-01-20", to="bob", **late), **closed)[0][1] == "late"


# What is no event


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (None, "valid dictionary or instance of PrepaidEvent"),
        ("visit", "valid dictionary or instance of PrepaidEvent"),
        (VISIT | {"date": np.datetime64("2024-01-12")}, "must be a datetime.date, a datetime.datetime or an ISO"),
        (VISIT | {"date": pd.NaT}, "date: must be a datetime.date, a datetime.datetime or an ISO"),
        (sold("ending", package="q", expires=pd.NaT), "expires: must be a datetime.date"),
        (sold(package="q", amount=np.int64(100)), "valid integer"),
        (sold(package="q", amount=Decimal(100)), "valid integer"),
        (sold(package="q", price=-1), "greater than or equal to 0"),
        (sold(package="q", sessions=0), "greater than or equal to 1"),
        (sold(package=float("nan")), "valid string"),
        (sold(package=["p"]), "valid string"),
        (event("extension", "2024-01-12", days=0), "greater than or equal to 1"),
    ],
)
def test_what_is_no_event_is_listed_and_the_rest_is_booked(given, reason):
    book, issues = ledger(sold(), given, VISIT, on_error="collect")
    assert [(issue.row, issue.code) for issue in issues] == [(1, "invalid")]
    assert reason in issues[0].reason
    assert book.liability() == 50


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (pd.DataFrame([sold()]), "got DataFrame; a frame goes through logs.PrepaidEvents"),
        (pl.DataFrame([sold()]), "got DataFrame; a frame goes through logs.PrepaidEvents"),
        (pl.LazyFrame([sold()]), "got LazyFrame; a frame goes through logs.PrepaidEvents"),
        (pl.DataFrame([sold()]).to_arrow(), "got Table; a frame goes through logs.PrepaidEvents"),
        ("events.csv", "got str"),
        (PrepaidEvent(**sold()), r"got PrepaidEvent; pass \[event\]"),
        ({"kind": ["purchase"]}, r"got dict; pass \[event\], or arrays by name to Ledger.from_columns"),
        (None, "got NoneType"),
    ],
)
def test_what_is_no_list_of_events_is_refused_at_once(events, message):
    with pytest.raises(InvalidType, match=f"events must be an iterable of PrepaidEvent or of dicts, {message}"):
        Ledger.from_events(events, PLANS, as_of="2024-12-31")


@pytest.mark.parametrize(("plans", "name"), [(TWO, "PackagePlan"), (None, "NoneType")])
def test_what_is_no_list_of_plans_is_refused_at_once(plans, name):
    with pytest.raises(InvalidType, match=f"plans must be a list of PackagePlan, got {name}"):
        ledger(sold(), plans=plans)


def test_events_may_come_one_by_one():
    assert Ledger.from_events((each for each in [sold(), VISIT]), PLANS, as_of="2024-12-31").liability() == 50


# Plans


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"commission": -1}, "greater than or equal to 0"),
        ({"commission_bps": 10_001}, "less than or equal to 10000"),
        ({"list_price": -1}, "greater than or equal to 0"),
        ({"priority": 1.5}, "valid integer"),
        ({"validity_days": True, "expiry": "forfeit"}, "valid integer"),
        ({"validity_months": 0, "expiry": "forfeit"}, "greater than or equal to 1"),
        ({"validity_days": 40_000, "expiry": "forfeit"}, "less than or equal to 36525"),
        ({"sessions": None, "term_days": 0}, "greater than or equal to 1"),
        ({"sessions": True}, "valid integer"),
        ({"sessions": "5"}, "valid integer"),
        ({"sessions": 2**30}, "less than 1073741824"),
        ({"refund": {"kind": "maybe"}}, "'none', 'pro_rata' or 'rerate'"),
        ({"refund": {"fee": -1}}, "greater than or equal to 0"),
        ({"refund": {"window_days": -1}}, "greater than or equal to 0"),
        ({"breakage": {"method": "hope"}}, "'on_expiry', 'remote', 'proportional'"),
        ({"expiry": "soon"}, "'forfeit', 'refund' or 'never'"),
        ({"escheat_bps": 10_001, "expiry": "forfeit"}, "less than or equal to 10000"),
        ({"id": ""}, "at least 1 character"),
        ({"id": True}, "valid string"),
        ({"price": None}, "valid integer"),
    ],
)
def test_plans_that_no_shop_could_sell_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        PackagePlan(**{"id": "x", "price": 100, "sessions": 5} | changes)


def test_methods_of_breakage_are_checked():
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        Remote(dormant_days=0)
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        Proportional(rate_bps=-1)
    with pytest.raises(ValidationError, match="valid date"):
        Proportional(rate_bps=1, revisions={"01.02.2024": 5})
    with pytest.raises(ValidationError, match="Extra inputs"):
        OnExpiry(dormant_days=3)


@pytest.mark.parametrize(
    ("plan", "events"),
    [
        (PackagePlan(id="d", price=2, sessions=2, commission=2**59), [sold("d", package=n) for n in range(4)]),
        (PackagePlan(id="d", price=2, sessions=2**20, cost_per_session=2**59), [sold("d"), *[VISIT] * 40]),
        (
            PackagePlan(id="d", price=2**50, sessions=50, list_price=2**59, refund=RefundPolicy(kind="rerate")),
            [sold("d"), *[VISIT] * 40, event("refund", "2024-01-15")],
        ),
        (
            PackagePlan(id="d", price=2, sessions=2**20, cost_per_session=2**40),
            [sold("d", package=n) for n in range(8)],
        ),
        (
            PackagePlan(id="d", price=2, sessions=1, cost_per_session=2**40),
            [sold("d", package=n, sessions=2**20) for n in range(8)],
        ),
    ],
    ids=["commission", "delivery", "re-rating", "cost to serve", "cost to serve as agreed"],
)
def test_no_product_leaves_the_range_unseen(plan, events):
    with pytest.raises(InvalidValue, match=r"the amounts of the book may add up to .* must stay below 2\*\*59"):
        ledger(*events, plans=[plan])


# Currencies


def test_money_without_cents_and_with_three_places():
    for price, exponent, code in ((1_200, 0, "JPY"), (1.125, 3, "KWD")):
        units = to_minor(price, exponent)
        plan = PackagePlan(id="two", price=units, sessions=2, currency=code)
        book = ledger(sold(currency=code), VISIT, plans=[plan])
        assert (book.currency, book.liability()) == (code, units - session_shares(units, 2)[0])
    with pytest.raises(InvalidValue, match="with 0 decimal places"):
        to_minor(1_200.5, 0)


@pytest.mark.parametrize("amount", [np.float32(0.1), np.array([0.1, 19.99], np.float32), np.array([2**55 + 1])])
def test_money_that_has_lost_its_last_digits_is_refused(amount):
    with pytest.raises(InvalidValue, match="must be a whole number of minor units"):
        to_minor(amount)


def test_money_of_a_frame():
    assert to_minor(pd.Series([1.10, 2.0])).tolist() == [110, 200]
    assert to_minor(pl.Series([1.10, 2.0])).tolist() == [110, 200]
    assert to_minor(-5.10) == -510
    assert to_minor(pl.Series([Decimal("1.10"), Decimal(2)])).tolist() == [110, 200]
    for column in (pd.Series([1.10, None]), pl.Series([1.10, None])):
        with pytest.raises(InvalidValue, match=r"x\[1\] is NaN; .*numpy.ma.masked_invalid\(x\)"):
            to_minor(column)
        assert to_minor(np.ma.masked_invalid(column)).tolist() == [110, None]


def test_money_with_gaps_is_read_as_it_comes():
    amount = to_minor([1.0, None])
    columns = {
        "kind": ["purchase", "visit"],
        "date": ["2024-01-10", "2024-01-12"],
        "package": [1, 1],
        "customer": [1, None],
        "plan": ["two", None],
    }
    book = Ledger.from_columns(columns | {"amount": amount}, PLANS, as_of="2024-12-31")
    assert (book.roll_forward().collections[0], book.liability()) == (100, 50)


# Frames


def frame_log(frame=pl.DataFrame, **changes):
    base = {
        "kind": ["purchase", "visit"],
        "date": [dt.datetime(2024, 1, 10, 12), dt.datetime(2024, 1, 31, 22, 30)],
        "package": [1, 1],
        "customer": ["ann", "ann"],
        "plan": ["two", None],
    }
    columns = base | changes
    return PrepaidEvents(frame(columns), **{name: name for name in columns})


def of_frame(log, **options):
    return log.ledger(PLANS, as_of="2024-12-31", **options)


@pytest.mark.parametrize("frame", [pl.DataFrame, pd.DataFrame])
def test_amounts_that_are_missing_are_those_of_the_plan(frame):
    amount = pl.Series([None, None], dtype=pl.Int64) if frame is pl.DataFrame else pd.array([None, None], "Int64")
    assert of_frame(frame_log(frame, amount=amount)).liability() == 50
    with pytest.raises(InvalidType, match="amount column holds Float64.*astype"):
        of_frame(frame_log(pd.DataFrame, amount=[100.0, np.nan]))


@pytest.mark.parametrize(
    ("amount", "message"),
    [
        ([True, None], "amount column holds Boolean, not whole numbers"),
        (["100", None], "amount column holds String, not whole numbers; prepaid.to_minor"),
        ([99.5, None], "amount column holds Float64, not whole numbers; prepaid.to_minor"),
    ],
)
def test_columns_of_money_hold_whole_numbers(amount, message):
    with pytest.raises(InvalidType, match=message):
        of_frame(frame_log(amount=amount))


def test_rows_of_a_frame_are_named_by_place_and_id():
    log = frame_log(
        kind=["purchase", "visit", "visit", "visit", "purchase", "visit"],
        date=[dt.date(2024, 1, 10)] * 5 + [None],
        package=[1, 1, 1, 1, 2, 1],
        customer=["ann", None, None, None, "", None],
        plan=["two", None, None, None, "two", None],
        amount=[None, None, None, None, -5, None],
        id=["a", "b", "c", "d", "e", "f"],
    )
    with pytest.raises(InvalidEvents) as refusal:
        of_frame(log)
    assert [(issue.row, issue.id, issue.code) for issue in refusal.value.issues] == [
        (3, "d", "overdraw"),
        (4, "e", "incomplete"),
        (5, "f", "no_date"),
    ]
    book, issues = of_frame(log, on_error="collect")
    assert (book.liability(), issues) == (0, refusal.value.issues)


def test_negative_money_of_a_frame_is_refused():
    with pytest.raises(InvalidEvents, match="row 0: amount must be a whole number >= 0"):
        of_frame(frame_log(amount=[-5, None]))


def test_the_currency_of_a_row_of_a_frame():
    with pytest.raises(InvalidEvents, match="row 0: the event is in USD, and the ledger in None"):
        of_frame(frame_log(currency=["USD", None]))


def test_times_of_a_frame():
    moments = pd.to_datetime(["2024-01-10T12:00", "2024-01-31T22:30"], utc=True)
    log = pd.DataFrame(
        {"kind": ["purchase", "visit"], "date": moments, "p": [1, 1], "c": [1, 1], "plan": ["two", None]}
    )

    def earned(frame=log, **options):
        events = PrepaidEvents(frame, kind="kind", date="date", package="p", customer="c", plan="plan", **options)
        return events.ledger(PLANS, as_of="2024-02-29").roll_forward().earned.tolist()

    assert earned(tz="Europe/Moscow") == [0, 50]
    assert earned(tz="Europe/Moscow", day_start=3) == [50, 0]
    with pytest.raises(InvalidValue, match=r"has the time zone UTC, .*; pass tz="):
        earned()
    local = log.assign(date=moments.tz_localize(None))
    assert earned(local) == [50, 0]
    with pytest.raises(InvalidValue, match=r"its times are taken as local; leave tz out"):
        earned(local, tz="Europe/Moscow")
    with pytest.raises(InvalidType, match="holds String, not dates or timestamps; parse it first"):
        of_frame(frame_log(date=["2024-01-10", "10.01.2024"]))


def test_the_index_of_a_frame_says_nothing():
    frame = pd.DataFrame({"kind": ["purchase", "visit"], "date": pd.to_datetime(["2024-01-10"] * 2)}, index=[5, 5])
    frame = frame.assign(package=1, customer=1, plan=["two", None])
    events = PrepaidEvents(frame, **{name: name for name in frame})
    assert of_frame(events).liability() == 50


# Questions


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (lambda book: book.dormant(days=True), "days must be a number"),
        (lambda book: book.dormant(days=1.5), "days must be a whole number >= 0, got float 1.5"),
        (lambda book: book.expiring(within="30"), "within must be a number"),
        (lambda book: book.free_cash(cash=True), "cash must be a whole number, got bool True"),
        (lambda book: book.free_cash(cash=Decimal("5.5")), r"convert money with prepaid.to_minor\(\)"),
        (lambda book: book.coverage(cash=None), "cash must be a whole number, got NoneType None"),
        (lambda book: book.earned_ratio(undefined="zero"), "undefined must be one of 'raise', 'nan', got 'zero'"),
        (lambda book: book.roll_forward("week", week_start="friday"), "week_start must be one of 'monday', 'sunday'"),
        (lambda book: compare_policies(book, validity_days=1.5), "validity_days must be a whole number >= 1"),
    ],
)
def test_questions_that_make_no_sense_are_refused(question, message):
    with pytest.raises((InvalidValue, InvalidType), match=message):
        question(ledger(sold(), VISIT))


def test_the_till_may_be_overdrawn():
    book = ledger(sold("ten"), VISIT)
    assert book.free_cash(cash=np.int64(-5)) == -1_350_005
    assert book.custody_shortfall(cash=-5) == 1_350_005
    assert book.coverage(cash=-63_000) == -0.1


def test_a_copy_of_a_book_is_that_book():
    book = ledger(sold(), VISIT, sold("ending", package="q"))
    copied = copy.deepcopy(book)
    assert copied.roll_forward().to_dict() == book.roll_forward().to_dict()
    assert copied.at("2024-01-15").liability() == book.at("2024-01-15").liability() == 150
