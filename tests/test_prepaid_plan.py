"""Plans of prepaid packages: the honest default, and contradictions refused."""

import datetime as dt

import pytest
from pydantic import ValidationError

from retention_metrics.prepaid import OnExpiry, PackagePlan, Proportional, RefundPolicy, Remote

TEN = {"id": "ten", "price": 1_500_000, "sessions": 10}
NONE = RefundPolicy(kind="none")


def test_the_default_is_honest():
    plan = PackagePlan(**TEN)
    assert (plan.expiry, plan.validity_days, plan.validity_months) == ("never", None, None)
    assert plan.refund == RefundPolicy(kind="pro_rata", fee=0, fee_bps=0, window_days=None)
    assert plan.breakage == OnExpiry()
    assert plan.escheat_bps == 0


@pytest.mark.parametrize(
    "plan",
    [
        PackagePlan(**TEN, currency="EUR", priority=-1, commission=5, commission_bps=100, list_price=200_000),
        PackagePlan(**TEN, expiry="forfeit", validity_days=30, refund=NONE, breakage=Remote(dormant_days=90)),
        PackagePlan(
            **TEN, refund=NONE, breakage=Proportional(rate_bps=100, revisions={dt.date(2024, 1, 1): 200}), escheat_bps=0
        ),
        PackagePlan(id=7, price=0, term_months=12, starts="first_visit", refund=RefundPolicy(fee=0, window_days=14)),
        PackagePlan(**TEN, list_price=1, refund=RefundPolicy(kind="rerate", fee_bps=1_000)),
    ],
)
def test_a_plan_goes_through_json_and_back(plan):
    assert PackagePlan.model_validate_json(plan.model_dump_json()) == plan


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sessions": None}, "give exactly one of sessions, term_days and term_months"),
        ({"term_days": 30}, "give exactly one of sessions, term_days and term_months"),
        (
            {"validity_days": 30, "validity_months": 1, "expiry": "forfeit"},
            "validity_days or validity_months, not both",
        ),
        ({"validity_days": 30}, "validity needs expiry='forfeit' or 'refund'"),
        ({"sessions": None, "term_days": 30, "expiry": "forfeit"}, "a term ends by itself"),
        ({"escheat_bps": 100}, "escheat_bps needs expiry='forfeit'"),
        ({"refund": {"kind": "rerate"}}, "refund kind 'rerate' needs sessions and a list_price"),
        ({"refund": {"fee": 1_500_001}}, "the refund fee 1500001 is more than the price 1500000"),
        ({"refund": {"kind": "none", "fee": 1}}, "kind='none' takes no fee"),
        ({"refund": {"fee_bps": 10_001}}, "less than or equal to 10000"),
        (
            {"breakage": {"method": "proportional", "rate_bps": 100}},
            "breakage 'proportional' needs refund kind 'none'.*paid back on demand there is no breakage",
        ),
        ({"breakage": {"method": "remote", "dormant_days": 90}}, "breakage 'remote' needs refund kind 'none'"),
        (
            {
                "breakage": {"method": "remote", "dormant_days": 90},
                "refund": {"kind": "none"},
                "expiry": "refund",
                "validity_days": 9,
            },
            "and no expiry 'refund'",
        ),
        (
            {
                "sessions": None,
                "term_days": 30,
                "refund": {"kind": "none"},
                "breakage": {"method": "remote", "dormant_days": 9},
            },
            "a term has no breakage",
        ),
        ({"breakage": {"method": "proportional", "rate_bps": 10_000}}, "less than 10000"),
        ({"price": -1}, "greater than or equal to 0"),
        ({"price": 1500.0}, r"whole minor units \(cents\); convert with prepaid\.to_minor\(1500\.0\)"),
        ({"price": float("nan")}, "whole minor units"),
        ({"price": "1500"}, "valid integer"),
        ({"price": True}, "valid integer"),
        ({"price": 2**60}, "less than"),
        ({"sessions": 0}, "greater than or equal to 1"),
        ({"cost_per_session": -1}, "greater than or equal to 0"),
        ({"validity_days": 0, "expiry": "forfeit"}, "greater than or equal to 1"),
        ({"currency": "euro"}, "should match pattern"),
        ({"prise": 1}, "Extra inputs are not permitted"),
    ],
)
def test_contradictions_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        PackagePlan(**TEN | changes)


def test_a_plan_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        PackagePlan(**TEN).price = 1
