"""The live book as the start of a forecast."""

import json

import pytest

from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid import Ledger, PackagePlan
from retention_metrics.redemption import RedemptionModel, live_book

TEN = PackagePlan(id="ten", price=1_005, sessions=10, cost_per_session=70, currency="EUR")
TWO = PackagePlan(id="two", price=200, sessions=2, cost_per_session=60, currency="EUR")
GYM = PackagePlan(id="gym", price=300, term_days=900, currency="EUR")


def sold(package, plan, day, **fields):
    return {"kind": "purchase", "date": day, "package": package, "customer": package, "plan": plan.id, **fields}


def visit(package, *days):
    return [{"kind": "visit", "date": day, "package": package} for day in days]


def book(*events, as_of="2024-06-30", plans=(TEN, TWO, GYM)):
    return Ledger.from_events(events, plans, as_of=as_of)


EVENTS = [
    sold("a", TEN, "2024-01-10"),
    *visit("a", "2024-01-15", "2024-05-02", "2024-05-03"),
    sold("b", TEN, "2024-05-10"),
    *visit("b", "2024-05-11", "2024-05-12", "2024-05-13"),
    sold("c", TEN, "2024-06-20"),
    *visit("c", "2024-06-21", "2024-06-22", "2024-06-23"),
    sold("d", TEN, "2024-05-05", price=900, sessions=9),
    sold("e", TWO, "2024-01-01"),
    *visit("e", "2024-01-01", "2024-02-01"),
    sold("f", TWO, "2024-01-01"),
    {"kind": "refund", "date": "2024-02-01", "package": "f"},
    sold("g", GYM, "2024-01-01"),
]


def test_packages_of_one_kind_are_counted_together():
    ledger = book(*EVENTS)
    live = live_book(ledger, step="month", buckets=4)
    assert live.currency == "EUR"
    assert len(live) == 3
    told = ["plan", "price", "sessions", "left", "gap", "count", "liability", "cost"]
    rows = list(live.to_frame()[told].itertuples(index=False, name=None))
    # Half up, three sessions of 100.5 are 302, and 703 are left: a and b came in May, c in June, d not at all.
    assert rows == [
        (0, 900, 9, 9, 2, 1, 900, 70),
        (0, 1_005, 10, 7, 0, 1, 703, 70),
        (0, 1_005, 10, 7, 1, 2, 1_406, 70),
    ]
    table = ledger.packages()
    assert live.liability.sum() == table.liability[table.left > 0].sum()
    assert (live.left * live.count * live.cost).sum() == ledger.cost_to_serve()


def test_long_silences_share_the_open_bucket():
    ledger = book(sold("a", TEN, "2023-01-10"), sold("b", TEN, "2024-05-10"))
    assert live_book(ledger, buckets=2).count.tolist() == [2]
    assert live_book(ledger, buckets=3).gap.tolist() == [2]
    assert live_book(ledger, buckets=30).gap.tolist() == [2, 18]
    assert live_book(ledger, step="quarter", buckets=30).gap.tolist() == [1, 6]


def test_a_month_that_is_not_over_is_not_silent():
    events = [sold("a", TEN, "2024-04-10"), sold("b", TEN, "2024-06-10"), sold("c", TWO, "2024-01-01")]
    events += visit("c", "2024-06-03")
    live = live_book(book(*events, as_of="2024-06-29"))
    assert live.gap.tolist() == [0, 2, 0]
    live = live_book(book(*events, as_of="2024-06-30"))
    assert live.gap.tolist() == [1, 3, 0]


def test_frozen_months_are_not_silent():
    frozen = {"kind": "freeze", "date": "2024-03-20", "package": "a", "until": "2025-01-10"}
    assert live_book(book(sold("a", TEN, "2024-01-10"), frozen)).gap.tolist() == [2]


def test_the_state_starts_a_course():
    live = live_book(book(*EVENTS), buckets=4)
    state = live.state()
    assert state.shape == (4, 9)
    assert {(g, r + 1): state[g, r] for g, r in zip(*state.nonzero(), strict=True)} == {(2, 9): 1, (0, 7): 1, (1, 7): 2}
    model = RedemptionModel([0.0, 0.0, 1.0, 0.0])
    course = model.expected(0, sessions=10, periods=3, start=state)
    assert course.visits.tolist() == [1, 2, 1]  # d; a and b a month later; then c
    assert live.state(plan=1).shape == (4, 1)
    assert not live.state(plan=1).any()


def test_a_book_with_nothing_left_is_an_empty_start():
    live = live_book(book(sold("e", TWO, "2024-01-01"), *visit("e", "2024-01-01", "2024-02-01")))
    assert len(live) == 0
    assert live.state().tolist() == [[0]] * 7


def test_a_live_book_is_plain_values():
    live = live_book(book(*EVENTS))
    kept = json.loads(json.dumps(live.to_dict()))
    assert kept["currency"] == "EUR"
    assert kept["count"] == live.count.tolist()
    assert "liability" in str(live)
    with pytest.raises(ValueError, match="read-only"):
        live.count[0] = 3


def test_what_is_refused():
    with pytest.raises(InvalidType, match=r"ledger must be a prepaid\.Ledger"):
        live_book({})
    with pytest.raises(InvalidValue, match="step must be one of"):
        live_book(book(*EVENTS), step="hour")
    with pytest.raises(InvalidValue, match="buckets must be"):
        live_book(book(*EVENTS), buckets=0)
    with pytest.raises(InvalidValue, match="plan must be"):
        live_book(book(*EVENTS)).state(plan=-1)
