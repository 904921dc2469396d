"""Whom to call: customers who have vanished with sessions unused, and packages about to end."""

import datetime as dt

import pytest

from retention_metrics.prepaid import Ledger, PackagePlan

TEN = PackagePlan(id="ten", price=1_000, sessions=10, cost_per_session=30)
MONTH = PackagePlan(id="month", price=500, sessions=5, expiry="forfeit", validity_days=30)
GYM = PackagePlan(id="gym", price=300, term_days=30)
PLANS = [TEN, MONTH, GYM]


def sold(package, customer, plan, day="2024-01-01", **fields):
    return {"kind": "purchase", "date": day, "package": package, "customer": customer, "plan": plan.id, **fields}


def event(kind, day, package, **fields):
    return {"kind": kind, "date": day, "package": package, **fields}


def ledger(*events, as_of="2024-06-30"):
    return Ledger.from_events(events, PLANS, as_of=as_of)


def test_a_package_that_is_still_valid_does_not_hide_its_owner():
    lasting = PackagePlan(id="ten", price=1_000, sessions=10, expiry="forfeit", validity_months=12)
    book = Ledger.from_events([sold(1, "ann", lasting)], [lasting], as_of="2024-06-30")
    silent = book.dormant(days=90)
    assert silent.customer.tolist() == ["ann"]
    assert silent.days_to_expiry.tolist() == [(dt.date(2024, 12, 31) - dt.date(2024, 6, 30)).days]


def test_the_largest_debt_comes_first_and_packages_are_counted():
    silent = ledger(
        sold(1, "ann", TEN),
        sold(2, "bob", TEN),
        sold(3, "bob", TEN),
        event("visit", "2024-01-20", 3),
        sold(4, "cleo", TEN, price=2_000),
    ).dormant(days=30)
    assert silent.customer.tolist() == ["cleo", "bob", "ann"]
    assert silent.packages.tolist() == [1, 2, 1]
    assert silent.sessions_left.tolist() == [10, 19, 10]
    assert silent.unearned.tolist() == [2_000, 1_900, 1_000]
    assert silent.cost_to_serve.tolist() == [300, 570, 300]
    assert silent.days_since.tolist() == [181, 162, 181]


def test_equal_debts_are_ranked_by_the_cost_of_serving_them():
    dear = TEN.model_copy(update={"id": "month", "cost_per_session": 31})
    book = Ledger.from_events([sold(1, "ann", TEN), sold(2, "bob", dear)], [TEN, dear], as_of="2024-06-30")
    assert book.dormant().customer.tolist() == ["bob", "ann"]


@pytest.mark.parametrize(
    ("sign", "days"),
    [
        (event("visit", "2024-05-31", 1), 30),
        (event("instalment", "2024-06-20", 1, amount=400), 10),
        (sold(2, "ann", GYM, "2024-06-29"), 1),
        (event("freeze", "2024-06-01", 1, until="2024-06-20"), 161),
        (event("freeze", "2024-06-21", 1, until="2024-07-20"), 171),
    ],
)
def test_signs_of_life_and_frozen_days(sign, days):
    assert ledger(sold(1, "ann", TEN, amount=600), sign).dormant(days=0).days_since.tolist() == [days]


def test_a_visit_that_is_taken_back_is_no_sign():
    visit = event("visit", "2024-06-01", 1, id="v")
    void = {"kind": "void", "date": "2024-06-02", "target": "v"}
    assert ledger(sold(1, "ann", TEN), visit, void).dormant(days=0).days_since.tolist() == [181]


def test_a_late_unpaid_visit_is_a_sign_of_its_own_day():
    late = {"kind": "visit", "date": "2024-01-20", "customer": "ann", "plan": "ten", "recorded": "2024-02-10"}
    priced = TEN.model_copy(update={"list_price": 100})
    book = Ledger.from_events(
        [late, sold(1, "ann", TEN, "2024-01-10"), *[event("visit", "2024-01-11", 1)] * 10, sold(2, "ann", MONTH)],
        [priced, MONTH, GYM],
        as_of="2024-06-30",
        unpaid="receivable",
        closed_until="2024-01-31",
        grace_days=365,
    )
    assert book.dormant(days=0).days_since.tolist() == [162]


def test_a_package_that_goes_over_is_a_sign_of_its_new_owner():
    silent = ledger(sold(1, "ann", TEN), event("transfer", "2024-06-20", 1, to="bob")).dormant(days=0)
    assert (silent.customer.tolist(), silent.days_since.tolist()) == (["bob"], [10])


def test_who_has_nothing_left_is_not_listed():
    used = [event("visit", "2024-01-02", 1)] * 5
    book = ledger(sold(1, "ann", MONTH), *used, sold(2, "bob", MONTH), sold(3, "cleo", GYM), sold(4, "dan", TEN))
    assert book.dormant(days=0).customer.tolist() == ["dan"], "used up, expired, a term without sessions"


def test_packages_about_to_end():
    soon = ledger(
        sold("late", "ann", MONTH, "2024-06-20"),
        sold("soon", "bob", MONTH, "2024-06-05"),
        sold("gym", "cleo", GYM, "2024-06-10"),
        sold("frozen", "dan", GYM, "2024-06-10"),
        event("freeze", "2024-06-28", "frozen", until="2024-07-02"),
        sold("used", "eve", MONTH, "2024-06-05"),
        *[event("visit", "2024-06-06", "used")] * 5,
        sold("over", "fay", MONTH, "2024-06-01"),
        sold("never", "gil", TEN, "2024-06-01"),
    ).expiring(within=15)
    assert soon.to_dict() == {
        "as_of": "2024-06-30",
        "within": 15,
        "package": ["soon", "gym"],
        "customer": ["bob", "cleo"],
        "plan": ["month", "gym"],
        "expires": [dt.date(2024, 7, 4), dt.date(2024, 7, 9)],
        "days_left": [4, 9],
        "sessions_left": [5, 0],
        "unearned": [500, 90],
    }


def test_lists_as_text_and_frames():
    book = ledger(sold(1, "ann", TEN), sold(2, "bob", MONTH, "2024-06-20"))
    assert str(book.dormant(days=0)).splitlines()[1].split() == ["ann", "1", "10", "1,000", "300", "181", "-"]
    assert "2024-07-19" in str(book.expiring())
    assert book.dormant(days=0).to_frame("polars").shape == (2, 7)
    assert book.expiring().to_frame("pandas").loc[0, "days_left"] == 19
    with pytest.raises(ValueError, match="read-only"):
        book.dormant(days=0).unearned[0] = 0
