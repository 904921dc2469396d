"""Breakage: the formula of the standards, the three methods in the ledger, and the rate of a book."""

import datetime as dt
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid import Ledger, PackagePlan, Proportional, RefundPolicy, Remote, revenue_to_date

NONE = RefundPolicy(kind="none")


# The formula


def test_the_points_of_the_handbook():
    # KPMG, examples 10A and 10B: 9,000 for points of which 9,700, later 9,900 or 9,200, are expected to be used.
    second = revenue_to_date(9_000, used=4_500, expected=9_700)
    assert second == 4_175
    assert revenue_to_date(9_000, used=8_500, expected=9_900) - second == 3_552
    assert revenue_to_date(9_000, used=8_500, expected=9_200) - second == 4_140


def test_the_points_of_the_standard():
    # IFRS 15, example 52: 100,000 split by stand-alone prices of 100,000 and 9,500.
    points = round(Fraction(100_000 * 9_500, 109_500))
    assert points == 8_676
    first = revenue_to_date(points, used=4_500, expected=9_500)
    assert (first, revenue_to_date(points, used=8_500, expected=9_700) - first) == (4_110, 3_493)


def test_class_books_of_which_some_are_not_used():
    assert revenue_to_date(50_000, used=1, expected=40) == 1_250
    assert revenue_to_date(50_000, used=1, expected=30) == 1_667
    assert revenue_to_date(1_000_000, used=1, expected=85) == 11_765


@pytest.mark.parametrize(
    ("delivered", "expected_breakage", "revenue"),
    [
        (200_000, 200_000, 250_000),
        (500_000, 200_000, 625_000),
        (500_000, 100_000, 555_556),
        (900_000, 200_000, 1_000_000),
    ],
)
def test_the_pool(delivered, expected_breakage, revenue):
    assert revenue_to_date(1_000_000, used=delivered, expected=1_000_000 - expected_breakage) == revenue


def test_half_of_the_rights_recognise_half_of_the_breakage():
    assert revenue_to_date(1_000, used=400, expected=800) - 400 == 100


@given(
    st.integers(0, 2**60 - 1), st.lists(st.tuples(st.integers(0, 2**59), st.integers(1, 2**59)), min_size=1, max_size=9)
)
def test_arrays_agree_with_fractions(value, rights):
    used, expected = np.array(rights).T
    found = revenue_to_date(value, used=used, expected=expected)
    assert found.tolist() == [min(value, int(Fraction(value * a, b) + Fraction(1, 2))) for a, b in rights]
    assert found[0] == revenue_to_date(value, used=rights[0][0], expected=rights[0][1])


@pytest.mark.parametrize(
    ("value", "used", "expected", "kind", "message"),
    [
        (-1, 1, 1, InvalidValue, "value must be a whole number >= 0"),
        (1, -1, 1, InvalidValue, "used must be a whole number >= 0"),
        (1, [1, -1], 1, InvalidValue, r"used must be a whole number >= 0; first at \[1\]"),
        (1, 1, 0, InvalidValue, "expected must be a whole number >= 1"),
        (1, 2**61, 1, InvalidValue, "must be below"),
        (1.0, 1, 1, InvalidType, "value must be a whole number, got float"),
        (1, 1.5, 1, InvalidType, "'used' holds float64, not whole numbers"),
    ],
)
def test_the_formula_refuses(value, used, expected, kind, message):
    with pytest.raises(kind, match=message):
        revenue_to_date(value, used=used, expected=expected)


# In the ledger


def pool(breakage, visits, **changes):
    plan = PackagePlan(id="pool", price=1_000_000, sessions=10, refund=NONE, breakage=breakage, **changes)
    events = [{"kind": "purchase", "date": "2024-01-01", "package": "p", "customer": "ann", "plan": "pool"}]
    events += [{"kind": "visit", "date": day, "package": "p"} for day in visits]
    return Ledger.from_events(events, [plan], as_of="2024-12-31").roll_forward("year")


@pytest.mark.parametrize(("visits", "breakage"), [(0, 0), (2, 50_000), (5, 125_000), (9, 100_000), (10, 0)])
def test_expected_breakage_in_proportion(visits, breakage):
    found = pool(Proportional(rate_bps=2_000), ["2024-02-01"] * visits)
    assert (found.earned[0], found.breakage[0]) == (visits * 100_000, breakage)
    assert found.liability[0] == 1_000_000 - visits * 100_000 - breakage


def test_a_new_estimate_is_caught_up_with():
    method = Proportional(rate_bps=2_000, revisions={dt.date(2024, 3, 1): 1_000})
    plan = PackagePlan(id="pool", price=1_000_000, sessions=10, refund=NONE, breakage=method)
    events = [{"kind": "purchase", "date": "2024-01-01", "package": "p", "customer": "ann", "plan": "pool"}]
    events += [{"kind": "visit", "date": "2024-02-01", "package": "p"}] * 5
    rolled = Ledger.from_events(events, [plan], as_of="2024-03-31").roll_forward()
    assert rolled.breakage.tolist() == [0, 125_000, -69_444]


def test_a_refund_out_of_goodwill_takes_expected_breakage_back():
    plan = PackagePlan(id="p", price=1_000, sessions=10, refund=NONE, breakage=Proportional(rate_bps=2_000))
    events = [
        {"kind": "purchase", "date": "2024-01-01", "package": "p", "customer": "ann", "plan": "p"},
        *({"kind": "visit", "date": "2024-01-02", "package": "p"} for _ in range(4)),
        {"kind": "refund", "date": "2024-02-01", "package": "p", "amount": 600},
    ]
    rolled = Ledger.from_events(events, [plan], as_of="2024-02-29").roll_forward()
    assert rolled.breakage.tolist() == [100, -100]
    assert (rolled.refunds_paid[1], rolled.liability[1]) == (600, 0)


def test_no_breakage_on_money_that_was_not_paid():
    plan = PackagePlan(id="p", price=1_000, sessions=10, refund=NONE, breakage=Proportional(rate_bps=5_000))
    events = [
        {"kind": "purchase", "date": "2024-01-01", "package": "p", "customer": "ann", "plan": "p", "amount": 250},
        *({"kind": "visit", "date": "2024-01-02", "package": "p"} for _ in range(2)),
    ]
    rolled = Ledger.from_events(events, [plan], as_of="2024-01-31").roll_forward()
    assert (rolled.earned[0], rolled.breakage[0], rolled.contract_asset[0]) == (200, 50, 0)


def test_frozen_days_do_not_make_a_return_remote():
    plan = PackagePlan(id="p", price=1_000, sessions=10, refund=NONE, breakage=Remote(dormant_days=30))
    events = [
        {"kind": "purchase", "date": "2024-01-01", "package": "p", "customer": "ann", "plan": "p"},
        {"kind": "freeze", "date": "2024-01-20", "until": "2024-02-08", "package": "p"},
    ]
    daily = Ledger.from_events(events, [plan], as_of="2024-03-31").roll_forward("day")
    booked = [str(day) for day, amount in zip(daily.starts, daily.breakage, strict=True) if amount]
    assert booked == ["2024-02-20"], "30 days after the sale, and 20 more"


def test_the_breakage_rate_of_finished_packages():
    plan = PackagePlan(id="p", price=1_000, sessions=10, expiry="forfeit", validity_days=30, escheat_bps=5_000)
    events = []
    for number, used in enumerate((10, 4, 0)):
        sale = {"kind": "purchase", "date": "2024-01-01", "package": number, "customer": "ann", "plan": "p"}
        events += [sale, *({"kind": "visit", "date": "2024-01-02", "package": number} for _ in range(used))]
    events.append({"kind": "purchase", "date": "2024-02-20", "package": 9, "customer": "ann", "plan": "p"})
    rate = Ledger.from_events(events, [plan], as_of="2024-02-29").breakage_rate("p")
    assert (rate.numerator, rate.denominator) == (1_600, 3_000)


@pytest.mark.parametrize("early", [Remote(dormant_days=30), Proportional(rate_bps=5_000)])
def test_what_is_owed_to_a_third_party_is_never_revenue_before_it_expires_either(early):
    # IFRS 15 B47. All of it here, and a quarter of it below.
    rules = {"expiry": "forfeit", "validity_days": 200, "refund": NONE, "breakage": early}
    sale = {"kind": "purchase", "date": "2024-01-01", "package": "p", "customer": "a", "plan": "p"}
    visits = [{"kind": "visit", "date": "2024-01-15", "package": "p", "seq": i} for i in range(4)]
    for share, at_last in ((10_000, 0), (2_500, 450)):
        plan = PackagePlan(id="p", price=1_000, sessions=10, escheat_bps=share, **rules)
        rolled = Ledger.from_events([sale, *visits], [plan], as_of="2024-12-31").roll_forward()
        assert rolled.breakage.sum() == at_last
        assert rolled.liability[-1] == 600 - at_last
        assert rolled.breakage.min() >= 0
        # Half of the price is expected to be used: four of those five sessions earn four fifths of the other half.
        before = 600 if early.method == "remote" else 400
        assert rolled.breakage[:6].sum() == before - before * share // 10_000


def test_breakage_in_proportion_of_the_largest_amounts():
    # 200 sessions of 5e12 are used, and one in 10,000 is expected to be: what is left is breakage at once.
    plan = PackagePlan(
        id="p",
        price=5 * 10**15,
        sessions=1_000,
        expiry="forfeit",
        validity_days=300,
        refund=NONE,
        breakage=Proportional(rate_bps=9_999),
    )
    sale = {"kind": "purchase", "date": "2024-01-01", "package": "p", "customer": "a", "plan": "p"}
    visits = [{"kind": "visit", "date": "2024-01-15", "package": "p"}] * 200
    rolled = Ledger.from_events([sale, *visits], [plan], as_of="2024-02-20").roll_forward()
    assert rolled.breakage.tolist() == [4 * 10**15, 0]
