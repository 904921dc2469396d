"""What the sessions of a package are worth in a forecast: shares, refunds, fees, to the last unit."""

import pytest

from retention_metrics.cashflow._terms import terms_of
from retention_metrics.prepaid import PackagePlan, RefundPolicy


def rerated(list_price: int, **fees: int) -> PackagePlan:
    refund = RefundPolicy(kind="rerate", **fees)
    return PackagePlan(id="x", price=1000, sessions=10, cost_per_session=1, list_price=list_price, refund=refund)


def test_sessions_earn_what_the_book_says_in_the_same_order() -> None:
    # 100 over 8 is 13, 12, 13, 12, ... half up; the first session is used when eight are left.
    terms = terms_of(PackagePlan(id="x", price=100, sessions=8, cost_per_session=1), "month")
    assert terms.earned[::-1].tolist() == [13, 12, 13, 12, 13, 12, 13, 12]
    assert [int(terms.owed[left - 1]) for left in (8, 7, 6, 1)] == [100, 87, 75, 12]


def test_re_rating_pays_back_no_more_than_is_owed() -> None:
    used = range(9, -1, -1)
    assert terms_of(rerated(130), "month").paid_back.tolist() == [max(0, 1000 - 130 * each) for each in used]
    assert terms_of(rerated(50), "month").paid_back.tolist() == [1000 - 100 * each for each in used]


def test_fees_are_a_part_of_what_is_paid_back() -> None:
    # Four used at 130 each: 480 is due of the 600 that are owed, 10 % of it is kept.
    assert terms_of(rerated(130, fee_bps=1000), "month").paid_back[5] == 432
    assert terms_of(rerated(130, fee=500), "month").paid_back[5] == 0


@pytest.mark.parametrize(
    ("months", "step", "life"), [(3, "month", 3), (4, "quarter", 1), (5, "quarter", 2), (1, "day", 30)]
)
def test_validity_is_the_nearest_whole_number_of_periods(months: int, step: str, life: int) -> None:
    plan = PackagePlan(id="x", price=9, sessions=3, cost_per_session=1, validity_months=months, expiry="forfeit")
    assert terms_of(plan, step).life == life  # type: ignore[arg-type]
