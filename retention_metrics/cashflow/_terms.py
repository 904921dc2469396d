"""What the sessions of a package are worth, as its plan says: earned, given back, expired, to the last minor unit."""

import math
from dataclasses import dataclass

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
        life: Periods in which it has a trial before it expires; ``None`` for ever.
        forfeits: Whether what expires is kept; otherwise it is paid back.
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
    return package_terms(plan, price=plan.price, sessions=plan.sessions, cost=plan.cost_per_session, step=step)


def package_terms(plan: PackagePlan, *, price: int, sessions: int, cost: int, step: Period) -> PackageTerms:
    """The money of a package that was sold at a price of its own, by the rules of a plan."""
    _refuse_unfollowed(plan)
    shares = session_shares(price, sessions)
    earned = shares[::-1]
    owed = np.cumsum(earned)
    due = owed
    if plan.refund.kind == "rerate":
        used = np.arange(sessions)[::-1]
        due = np.clip(price - used * (plan.list_price or 0), 0, owed)
    charge = np.minimum(due, plan.refund.fee + part_of(due, plan.refund.fee_bps))
    return PackageTerms(
        plan=plan,
        price=price,
        sessions=sessions,
        commission=plan.commission + int(part_of(price, plan.commission_bps)),
        cost=cost,
        earned=earned,
        owed=owed,
        paid_back=due - charge,
        life=_life(plan, step),
        forfeits=plan.expiry == "forfeit",
    )


def _refuse_unfollowed(plan: PackagePlan) -> None:
    if "cost_per_session" not in plan.model_fields_set:
        raise InvalidValue(
            f"plan {plan.id!r} has no cost_per_session, without which there is no gap to see; give it, as 0 if a "
            "session costs nothing to deliver"
        )
    for broken, what in (
        (plan.breakage.method != "on_expiry", f"breakage {plan.breakage.method!r}"),
        (plan.refund.window_days is not None, "a refund window"),
        (plan.escheat_bps > 0, "escheat_bps"),
        (plan.starts != "purchase" and plan.expiry != "never", "validity from the first visit"),
    ):
        if broken:
            raise InvalidValue(f"plan {plan.id!r} has {what}, which a forecast does not follow; copy it without")


def _life(plan: PackagePlan, step: Period) -> int | None:
    """Validity in periods, rounded up to whole ones."""
    if plan.expiry == "never":
        return None
    if plan.validity_months is not None and step in _MONTHS:
        return -(-plan.validity_months // _MONTHS[step])
    days = plan.validity_days if plan.validity_months is None else plan.validity_months * _DAYS["month"]
    return None if days is None else math.ceil(days / _DAYS[step])
