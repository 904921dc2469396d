"""The customer base over time: stock and flow, steady state, and the period in which advertising has paid."""

from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from retention_metrics._checks import aligned, at_least, divide, finite, first_true, fraction, freeze, whole
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._typing import FloatArray, Number, Numbers, Scalar, Undefined
from retention_metrics.errors import InvalidValue

__all__ = ["Projection", "project", "steady_state"]


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """The base and its money, one element a period; read-only arrays.

    Attributes:
        active: Customers at the end of each period.
        acquired: Customers won in each period.
        lost: Customers lost in each period.
        margin: Money that the active customers bring in each period, or ``None`` when no margin was given.
        spend: Money spent in each period, or ``None`` when no spend was given.
        cumulative: Margin less spend from the beginning, or ``None`` when no margin was given.
        break_even: The first period, counted from 1, by whose end the margin has paid for the spend, or ``None``.
        reason: Why there is no break-even, or ``None``.
    """

    active: FloatArray
    acquired: FloatArray
    lost: FloatArray
    margin: FloatArray | None
    spend: FloatArray | None
    cumulative: FloatArray | None
    break_even: int | None
    reason: str | None

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, "active", "acquired", "lost", "margin", "spend", "cumulative")

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a period counted from 1."""
        table: dict[str, Any] = {"period": list(range(1, self.active.size + 1))}
        for name in ("active", "acquired", "lost", "margin", "spend", "cumulative"):
            column = getattr(self, name)
            if column is not None:
                table[name] = column.tolist()
        return table

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a period, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)


def project(
    *,
    acquired: Numbers,
    retention: Numbers,
    periods: int,
    start: Scalar = 0,
    margin: Numbers | None = None,
    spend: Numbers | None = None,
) -> Projection:
    r"""Project the customer base from what is won and what is kept in each period.

    .. math:: N_{t+1} = r_t N_t + a_t

    Customers won in a period are active at its end and first at risk in the next one. Every active
    customer brings the ``margin`` of the period.

    Args:
        acquired: Customers won per period, >= 0. A number, or one per period.
        retention: Share of the base kept per period, from 0 to 1. A number, or one per period.
        periods: How many periods to project, >= 1.
        start: Customers before the first period, >= 0.
        margin: Money per active customer and period after variable costs. A number, or one per period.
        spend: Money spent per period on winning customers, >= 0. A number, or one per period.

    Returns:
        A :class:`Projection` of ``periods`` elements.

    Raises:
        InvalidValue: A value is out of range, an array is not one value per period, or ``spend`` comes
            without ``margin``.
        InvalidType: A value is not a plain number.

    Examples:
        >>> project(acquired=15, retention=1.0, periods=4).active
        array([15., 30., 45., 60.])
        >>> project(acquired=15, retention=1.0, periods=12, margin=5, spend=410).break_even
        10

    References:
        The stock-and-flow recursion; closed form in :func:`steady_state`.
    """
    length = whole(1, periods=periods)
    base = at_least(0, start=start)
    if not isinstance(base, float):
        raise InvalidValue("start must be one number, the customers before the first period")
    won = _per_period(length, acquired=at_least(0, acquired=acquired))
    kept = _per_period(length, retention=fraction(retention=retention))
    active = np.empty(length)
    lost = np.empty(length)
    for t in range(length):
        lost[t] = base * (1 - kept[t])
        base = base * kept[t] + won[t]
        active[t] = base
    earned = None if margin is None else active * _per_period(length, margin=finite(margin=margin))
    spent = None if spend is None else _per_period(length, spend=at_least(0, spend=spend))
    if earned is None:
        if spent is not None:
            raise InvalidValue("spend needs margin: without it nothing can be set against the spend")
        cumulative = paid = None
        reason: str | None = "no margin was given"
    else:
        cumulative = np.cumsum(earned if spent is None else earned - spent)
        paid, reason = _break_even(cumulative, spent)
    return Projection(
        active=active,
        acquired=won,
        lost=lost,
        margin=earned,
        spend=spent,
        cumulative=cumulative,
        break_even=paid,
        reason=reason,
    )


@overload
def steady_state(*, acquired: Scalar, churn: Scalar, undefined: Undefined = "raise") -> float: ...
@overload
def steady_state(*, acquired: Numbers, churn: Numbers, undefined: Undefined = "raise") -> FloatArray: ...
def steady_state(*, acquired: Numbers, churn: Numbers, undefined: Undefined = "raise") -> float | FloatArray:
    r"""The size at which a base stops growing: what is won each period then equals what is lost.

    .. math:: N^* = a / c, \qquad N_t = N_0 r^t + a \frac{1 - r^t}{1 - r}

    Args:
        acquired: Customers won per period, >= 0.
        churn: Share lost per period, from 0 to 1.
        undefined: ``"nan"`` gives NaN where an array has churn 0, instead of an error.

    Returns:
        Customers: a float for two numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: ``churn`` is 0: the base grows without end.
        InvalidValue: A value is out of range.
        InvalidType: A value is not a plain number.

    Examples:
        >>> steady_state(acquired=100, churn=0.05)
        2000.0

    References:
        Little (1961), "A proof for the queuing formula L = λW", *Operations Research* 9(3), 383-387.
    """
    won = at_least(0, acquired=acquired)
    rate = fraction(churn=churn)
    aligned(acquired=won, churn=rate)
    reason = "churn is 0, so the base never stops growing"
    return divide(won, rate, metric="steady_state", reason=reason, undefined=undefined)


def _per_period(length: int, **argument: Number) -> FloatArray:
    ((name, value),) = argument.items()
    if not isinstance(value, float) and value.shape != (length,):
        raise InvalidValue(f"{name} must be one number or {length} numbers, one per period, got shape {value.shape}")
    return np.broadcast_to(value, (length,))


def _break_even(cumulative: FloatArray, spend: FloatArray | None) -> tuple[int | None, str | None]:
    if spend is None:
        return None, "no spend was given"
    reached = first_true(cumulative >= 0)
    if reached is None:
        return None, f"the margin has not paid for the spend within {cumulative.size} periods"
    return reached[0] + 1, None
