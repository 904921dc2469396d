"""Churn against a plan, what came and went, and why customers leave."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import at_least, fraction, single, whole
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result
from retention_metrics._stats import Rate
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric


class PlanCheck(BaseModel):
    """Churn beside the level that is allowed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    churn: float
    allowed: float

    @property
    def within_allowed(self) -> bool:
        """Whether churn is not above the allowed level."""
        return self.churn <= self.allowed

    @property
    def times_allowed(self) -> float:
        """Churn as a multiple of the allowed level."""
        return self.churn / self.allowed

    @property
    def fulfilment(self) -> float:
        """How far a plan of losing few was met: allowed / churn; 1.4 is a plan met at 140 %. Undefined at churn 0."""
        if self.churn == 0:
            raise UndefinedMetric("fulfilment", "nobody was lost, so the plan was met beyond any percentage")
        return self.allowed / self.churn


def against_plan(*, churn: float, allowed: float) -> PlanCheck:
    r"""Compare churn with the level that a plan allows.

    .. math:: \text{times allowed} = c / a, \qquad \text{fulfilment} = a / c

    Args:
        churn: Churn rate of the period, from 0 to 1.
        allowed: Allowed churn rate of the same period, above 0, at most 1.

    Returns:
        A :class:`PlanCheck`.

    Raises:
        InvalidValue: A rate is outside its range.
        InvalidType: A value is not a plain number.

    Examples:
        >>> check = against_plan(churn=0.04, allowed=0.025)
        >>> check.within_allowed, round(check.times_allowed, 6)
        (False, 1.6)

    References:
        The plan fulfilment of operational reporting, for a figure that should be small.
    """
    rate = single(fraction(churn=churn), "churn")
    return PlanCheck(churn=rate, allowed=single(fraction(open_low=True, allowed=allowed), "allowed"))


class NetFlow(BaseModel):
    """What a period won and lost, in customers and in money.

    Attributes:
        won: Customers won, or won back.
        lost: Customers lost.
        won_money: Money per period that the won bring, or ``None``.
        lost_money: Money per period that the lost brought, or ``None``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    won: int
    lost: int
    won_money: float | None = None
    lost_money: float | None = None

    @property
    def net(self) -> int:
        """Customers won minus customers lost."""
        return self.won - self.lost

    @property
    def net_money(self) -> float | None:
        """Money won minus money lost; ``None`` when either is not known."""
        return None if self.won_money is None or self.lost_money is None else self.won_money - self.lost_money


def net_flow(*, won: int, lost: int, won_money: float | None = None, lost_money: float | None = None) -> NetFlow:
    """What a period won against what it lost, in heads and in money: the two can point in different directions.

    Args:
        won: Customers won, a whole number >= 0.
        lost: Customers lost, a whole number >= 0.
        won_money: Money per period of the won, >= 0, or ``None``.
        lost_money: Money per period of the lost, >= 0, or ``None``.

    Returns:
        A :class:`NetFlow`.

    Raises:
        InvalidValue: A count is negative or not whole, or money is negative.
        InvalidType: A value is not a plain number.

    Examples:
        >>> flow = net_flow(won=30, lost=12, won_money=900, lost_money=1400)
        >>> flow.net, flow.net_money
        (18, -500.0)

    References:
        Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5.
    """
    money = {}
    if won_money is not None:
        money["won_money"] = single(at_least(0, won_money=won_money), "won_money")
    if lost_money is not None:
        money["lost_money"] = single(at_least(0, lost_money=lost_money), "lost_money")
    return NetFlow(won=whole(0, won=won), lost=whole(0, lost=lost), **money)


class LossReason(BaseModel):
    """One reason why customers left: its share of all losses, and the share of it and those before it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str
    share: Rate
    cumulative: float


class LossReasons(Result, BaseModel):
    """Why customers left, most frequent first.

    Attributes:
        reasons: One row a named reason.
        other: Losses whose reason is not named: not known, or too rare for a row.
        total: All losses.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reasons: tuple[LossReason, ...]
    other: int
    total: int

    @property
    def named_share(self) -> float:
        """Share of the losses that the rows explain."""
        return 1 - self.other_share

    @property
    def other_share(self) -> float:
        """Share of the losses whose reason is not named."""
        return self.other / self.total

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a reason and the last one for the others; intervals are at 95 %."""
        rest = Rate(definition="other / all losses", numerator=self.other, denominator=self.total)
        rates = [row.share for row in self.reasons] + [rest]
        return {
            "reason": [row.reason for row in self.reasons] + ["other"],
            "lost": [rate.numerator for rate in rates],
            "share": [rate.value for rate in rates],
            "low": [rate.interval().low for rate in rates],
            "high": [rate.interval().high for rate in rates],
            "cumulative": [row.cumulative for row in self.reasons] + [1.0],
        }

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a reason, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)


def losses_by_reason(
    reasons: Mapping[str, int] | Iterable[str | None], *, total: int | None = None, min_losses: int = 1
) -> LossReasons:
    """Why customers leave, most frequent first, with the losses that nobody can explain named "other".

    Args:
        reasons: Losses by reason; or a reason for each lost customer, ``None`` where it is not known.
        total: All losses, when ``reasons`` counts only some of them; ``None``: what it counts is all.
        min_losses: Reasons with fewer losses go to the others.

    Returns:
        A :class:`LossReasons` with Wilson intervals.

    Raises:
        UndefinedMetric: There are no losses.
        InvalidValue: A count is negative or not whole, or ``total`` is less than what is counted.
        InvalidType: A reason is not a string.

    Examples:
        >>> why = losses_by_reason({"indifference": 68, "dissatisfaction": 14, "competitors": 9}, total=100)
        >>> round(why.named_share, 2), round(why.other_share, 2)
        (0.91, 0.09)
        >>> why.reasons[0].share.interval().low > 0.5
        True

    References:
        Juran (1951), *Quality Control Handbook*, for the Pareto order; Wilson (1927), *JASA* 22, 209-212.
    """
    if isinstance(reasons, Mapping):
        counts = {name: whole(0, **{f"reasons[{name!r}]": count}) for name, count in reasons.items()}
        unknown = 0
    elif isinstance(reasons, str):
        raise InvalidType("reasons must be counts by reason or one reason a customer, got one string")
    else:
        listed = list(reasons)
        counts = dict(Counter(name for name in listed if name is not None))
        unknown = len(listed) - sum(counts.values())
    for name in counts:
        if not isinstance(name, str):
            raise InvalidType(f"a reason must be a string or None, got {name!r}")
    counted = sum(counts.values()) + unknown
    losses = counted if total is None else whole(0, total=total)
    if losses < counted:
        raise InvalidValue(f"total must be at least the {counted} losses counted by reason, got {losses}")
    if losses == 0:
        raise UndefinedMetric("losses_by_reason", "nobody was lost, so there are no reasons")
    fewest = whole(1, min_losses=min_losses)
    ranked = sorted(
        ((name, count) for name, count in counts.items() if count >= fewest), key=lambda item: (-item[1], item[0])
    )
    rows, running = [], 0
    for name, count in ranked:
        running += count
        share = Rate(definition=f"lost for {name} / all losses", numerator=count, denominator=losses)
        rows.append(LossReason(reason=name, share=share, cumulative=running / losses))
    return LossReasons(reasons=tuple(rows), other=losses - running, total=losses)
