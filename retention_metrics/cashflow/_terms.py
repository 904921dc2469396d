"""What the sessions of a package are worth, as its plan says: earned, given back, expired, to the last minor unit."""

import math
from dataclasses import dataclass, replace

import numpy as np

from retention_metrics._checks import freeze
from retention_metrics._typing import IntArray, Period
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid import PackagePlan, session_shares
from retention_metrics.prepaid._money import part_of

_DAYS = {"day": 1, "week": 7, "month": 30.436875, "quarter": 91.310625, "year": 365.2425}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, slots=True, eq=False)
class PackageTerms:
    """The money of one kind of package by the sessions left of it; all in whole minor units.

    Attributes:
        plan: The plan whose rules it follows.
        price: What it is sold for.
        sessions: Sessions it holds.
        commission: Paid out at the sale.
        cost: What delivering a session costs.
        earned: What the session earns that leaves ``r`` of them, at place ``r``.
        owed: What is owed on a package with ``r + 1`` sessions left, at place ``r``.
        paid_back: What is paid back of that when it is given back.
        life: Periods in which it has a trial before it expires when it is sold in the forecast; ``None`` for ever.
        forfeits: Whether what expires is kept; otherwise it is paid back.
        unpaid: What is still to be paid of it before the first period.
        payments: What will be, as pairs of a period and an amount.
    """

    plan: PackagePlan
    price: int
    sessions: int
    commission: int
    cost: int
    earned: IntArray
    owed: IntArray
    paid_back: IntArray
    life: int | None
    forfeits: bool
    unpaid: int = 0
    payments: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, "earned", "owed", "paid_back")

    @property
    def refundable(self) -> bool:
        """Whether it is paid back on demand."""
        return self.plan.refund.kind != "none"


def terms_of(plan: PackagePlan, step: Period) -> PackageTerms:
    """The money of a plan; what a forecast cannot follow is refused by name."""
    if not isinstance(plan, PackagePlan):
        raise InvalidType(f"plan must be a prepaid.PackagePlan, got {type(plan).__name__}")
    if plan.sessions is None:
        raise InvalidValue(f"plan {plan.id!r} runs for a term; a forecast needs sessions, whose delivery is chance")
    faults = unfollowed(plan)
    if plan.starts != "purchase" and plan.expiry != "never":
        faults.append("validity from the first visit, which a forecast does not follow; copy it without")
    if faults:
        raise InvalidValue("; ".join(f"plan {plan.id!r} has {each}" for each in faults))
    terms = package_terms(plan, price=plan.price, sessions=plan.sessions, cost=plan.cost_per_session)
    return replace(terms, life=_life(plan, step))


def package_terms(
    plan: PackagePlan,
    *,
    price: int,
    sessions: int,
    cost: int,
    unpaid: int = 0,
    payments: tuple[tuple[int, int], ...] = (),
) -> PackageTerms:
    """The money of a package that was sold at a price of its own, by the rules of a plan; it has no end of its own."""
    earned = session_shares(price, sessions)[::-1]
    owed, paid_back = given_back(plan, price, np.cumsum(earned), np.zeros(1, np.int64))
    return PackageTerms(
        plan=plan,
        price=price,
        sessions=sessions,
        commission=plan.commission + int(part_of(price, plan.commission_bps)),
        cost=cost,
        earned=earned,
        owed=owed[0],
        paid_back=paid_back[0],
        life=None,
        forfeits=plan.expiry == "forfeit",
        unpaid=unpaid,
        payments=payments,
    )


def given_back(plan: PackagePlan, price: int, unused: IntArray, unpaid: IntArray) -> tuple[IntArray, IntArray]:
    """What is owed on a package, and what is paid back of that, when so much of the price is not paid.

    Args:
        plan: Its rules.
        price: Its price.
        unused: The part of the price that is not worked off, by the sessions left less one.
        unpaid: Amounts that are not paid.

    Returns:
        Two arrays with one row for each of ``unpaid``, one column for each of ``unused``.
    """
    missing = unpaid[:, None]
    owed = np.maximum(unused - missing, 0)
    due = owed
    if plan.refund.kind == "rerate":
        used = np.arange(unused.size)[::-1]
        due = np.clip(price - missing - used * (plan.list_price or 0), 0, owed)
    charge = np.minimum(due, plan.refund.fee + part_of(due, plan.refund.fee_bps))
    return owed, due - charge


def unfollowed(plan: PackagePlan) -> list[str]:
    """What a plan has that a forecast does not follow, each with a remedy."""
    found = []
    if "cost_per_session" not in plan.model_fields_set:
        found.append(
            "no cost_per_session, without which there is no gap to see; give it, as 0 if a session costs nothing to "
            "deliver"
        )
    for broken, what in (
        (plan.breakage.method != "on_expiry", f"breakage {plan.breakage.method!r}"),
        (plan.refund.window_days is not None, "a refund window"),
        (plan.escheat_bps > 0, "escheat_bps"),
    ):
        if broken:
            found.append(f"{what}, which a forecast does not follow; copy it without")
    return found


def _life(plan: PackagePlan, step: Period) -> int | None:
    """Validity in periods: as many as packages sold on any day are usable to the end of, on average, but whole ones."""
    if plan.expiry == "never":
        return None
    if plan.validity_months is not None and step in _MONTHS:
        periods = plan.validity_months / _MONTHS[step]
    elif plan.validity_months is not None:
        periods = plan.validity_months * _DAYS["month"] / _DAYS[step]
    elif plan.validity_days is not None:
        periods = plan.validity_days / _DAYS[step]
    else:
        return None
    return max(1, math.floor(periods + 0.5))
