"""What is sold: a package of sessions or a term, and its rules of expiry, refund and breakage."""

import datetime as dt
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from retention_metrics.prepaid._money import BASIS, MOST_MONEY, MOST_SESSIONS


def _no_float(amount: Any) -> Any:
    if isinstance(amount, float):
        # Pydantic tells of a ValueError, and lets a TypeError through.
        raise ValueError(  # noqa: TRY004
            f"money is whole minor units (cents); convert with prepaid.to_minor({amount!r})"
        )
    return amount


Money: TypeAlias = Annotated[int, BeforeValidator(_no_float), Field(strict=True, ge=0, lt=MOST_MONEY)]
BasisPoints: TypeAlias = Annotated[int, Field(strict=True, ge=0, le=BASIS)]
Sessions: TypeAlias = Annotated[int, Field(strict=True, ge=1, lt=MOST_SESSIONS)]
Days: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=36_525)]
Months: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=1_200)]
Key: TypeAlias = Annotated[str, Field(strict=True, min_length=1)] | Annotated[int, Field(strict=True)]


class _Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RefundPolicy(_Rules):
    """What a customer who asks for it gets back for the sessions that are left.

    Attributes:
        kind: ``"pro_rata"``: what was paid and is not earned yet. ``"rerate"``: what was paid less the sessions used at
            the list price of a single one. ``"none"``: nothing on demand.
        fee: Kept of every refund, in minor units, never more than the refund.
        fee_bps: Kept of every refund, in basis points of it (1 % is 100), rounded half up.
        window_days: Days after the purchase on which a refund may still be asked for; ``None`` sets no limit.

    Examples:
        >>> RefundPolicy(fee_bps=1000).kind
        'pro_rata'

    References:
        IFRS 15, 55 and B20-B27 on refund liabilities.
    """

    kind: Literal["none", "pro_rata", "rerate"] = "pro_rata"
    fee: Money = 0
    fee_bps: BasisPoints = 0
    window_days: Annotated[int, Field(strict=True, ge=0)] | None = None

    @model_validator(mode="after")
    def _refuse_terms_without_refund(self) -> "RefundPolicy":
        if self.kind == "none" and (self.fee or self.fee_bps or self.window_days is not None):
            raise ValueError("kind='none' takes no fee, fee_bps or window_days: there is no refund on demand")
        return self


class OnExpiry(_Rules):
    """Breakage is recognised when unused sessions expire, and not before."""

    method: Literal["on_expiry"] = "on_expiry"


class Remote(_Rules):
    """Breakage is recognised when the return of the customer has become remote: after so many days of silence.

    A visit after that takes the breakage back and earns as usual. Frozen days do not count.

    References:
        IFRS 15, B46, last sentence; ASC 606-10-55-48.
    """

    method: Literal["remote"] = "remote"
    dormant_days: Days


class Proportional(_Rules):
    """Expected breakage is recognised in proportion to the sessions that are used.

    Attributes:
        rate_bps: Part of the price that is expected never to be used, in basis points, below 10,000.
        revisions: Later estimates, by the day from which each holds. On that day what was recognised is caught up with.

    References:
        IFRS 15, B46, first sentence; ASC 606-10-55-48.
    """

    method: Literal["proportional"] = "proportional"
    rate_bps: Annotated[int, Field(strict=True, ge=0, lt=BASIS)]
    revisions: dict[dt.date, Annotated[int, Field(strict=True, ge=0, lt=BASIS)]] = {}


Breakage: TypeAlias = Annotated[OnExpiry | Remote | Proportional, Field(discriminator="method")]


class PackagePlan(_Rules):
    """A package as it is sold: its price, what it holds, how long it is good for, and what becomes of the rest.

    The defaults are the honest plan: it never expires, the rest is refunded on demand, in proportion and without a fee,
    and no money is earned that was not worked off. All money is in whole minor units, net of tax.

    Attributes:
        id: Name of the plan.
        price: Price of the package.
        sessions: Number of sessions it holds; or it runs for a term instead.
        term_days: Days of unlimited use; the price is earned day by day, visits cost but earn nothing.
        term_months: Months of unlimited use.
        currency: ISO 4217 code; all plans of a ledger have the same one.
        validity_days: Days on which sessions can be used, the first one included.
        validity_months: The same in months: to the day before the anniversary.
        starts: Whether validity or term counts from the purchase or from the first visit.
        expiry: What becomes of unused sessions after that: ``"forfeit"`` makes their value breakage, ``"refund"`` pays
            it back, ``"never"`` lets nothing expire. Without a validity only packages end whose sale names a day
            (``expires``).
        cost_per_session: What delivering a session, or a visit within a term, costs.
        commission: Paid out at the sale, per package.
        commission_bps: Paid out of every payment, in basis points of it, rounded half up.
        refund: What a customer gets back on demand.
        list_price: Price of a single session without a package, for re-rating and for visits that nobody paid.
        breakage: When unused value becomes income: :class:`OnExpiry`, :class:`Remote` or :class:`Proportional`.
        escheat_bps: Part of the expired value that is owed to a third party by law and stays a liability.
        priority: Packages of a plan with a lower number are used first.

    Examples:
        >>> plan = PackagePlan(id="manicure-10", price=1_500_000, sessions=10, cost_per_session=70_000)
        >>> plan.expiry, plan.refund.kind
        ('never', 'pro_rata')

    References:
        IFRS 15, B44-B47 and 55; ASC 606-10-55-46 to 49.
    """

    id: Key
    price: Money
    sessions: Sessions | None = None
    term_days: Days | None = None
    term_months: Months | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    validity_days: Days | None = None
    validity_months: Months | None = None
    starts: Literal["purchase", "first_visit"] = "purchase"
    expiry: Literal["forfeit", "refund", "never"] = "never"
    cost_per_session: Money = 0
    commission: Money = 0
    commission_bps: BasisPoints = 0
    refund: RefundPolicy = RefundPolicy()
    list_price: Money | None = None
    breakage: Breakage = OnExpiry()
    escheat_bps: BasisPoints = 0
    priority: Annotated[int, Field(strict=True, ge=-1000, le=1000)] = 0

    @property
    def is_term(self) -> bool:
        """Whether it runs for a term instead of holding sessions."""
        return self.sessions is None

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> "PackagePlan":
        contents = [self.sessions, self.term_days, self.term_months]
        if sum(each is not None for each in contents) != 1:
            raise ValueError("give exactly one of sessions, term_days and term_months")
        if self.validity_days is not None and self.validity_months is not None:
            raise ValueError("give validity_days or validity_months, not both")
        limited = self.validity_days is not None or self.validity_months is not None
        if self.is_term and (limited or self.expiry != "never" or self.escheat_bps):
            raise ValueError("a term ends by itself: it takes no validity, no expiry and no escheat_bps")
        if limited and self.expiry == "never":
            raise ValueError("validity needs expiry='forfeit' or 'refund': with 'never' nothing ends")
        if self.escheat_bps and self.expiry != "forfeit":
            raise ValueError("escheat_bps needs expiry='forfeit': otherwise no value is forfeited")
        if self.refund.kind == "rerate" and (self.is_term or self.list_price is None):
            raise ValueError("refund kind 'rerate' needs sessions and a list_price, the price of a single session")
        if self.refund.fee > self.price:
            raise ValueError(f"the refund fee {self.refund.fee} is more than the price {self.price}")
        if self.breakage.method != "on_expiry":
            if self.refund.kind != "none" or self.expiry == "refund":
                raise ValueError(
                    f"breakage {self.breakage.method!r} needs refund kind 'none' and no expiry 'refund': on money that "
                    "is paid back on demand there is no breakage (IFRS 15 B45)"
                )
            if self.is_term:
                raise ValueError("a term has no breakage: its price is earned day by day")
        return self
