"""When a customer has paid for what winning one cost."""

import math

from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import at_least, finite, fraction, single

_ROUNDING = 1e-12  # payments that reach the cost but for an error of rounding


class Payback(BaseModel):
    """How long until a customer has paid for the cost of acquisition.

    Attributes:
        periods: The payment, counted from 1, with which the cost is covered; ``None`` if that never happens.
        exact_periods: The same as if money came in steadily, not above ``periods``; ``None`` likewise.
        reason: Why it never happens, or ``None``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    periods: int | None
    exact_periods: float | None
    reason: str | None = None

    def __str__(self) -> str:
        return f"never: {self.reason}" if self.periods is None else f"{self.periods} periods ({self.exact_periods:.2f})"


def payback(*, cac: float, margin: float, churn: float = 0, discount: float = 0) -> Payback:
    r"""Periods until the margin of a customer has covered the cost of winning one, or why it never will.

    The smallest whole n, and the exact one, with :math:`K = (1 - c) / (1 + i)` of

    .. math:: \sum_{k=1}^n m K^{k-1} \ge \text{CAC}, \qquad n = \frac{\ln(1 - \text{CAC} (1 - K) / m)}{\ln K}

    Payments come at the start of a period and the first is certain, as in :func:`lifetime_value`: n is the number of
    payments needed, and the last of them arrives n - 1 periods after the first. Without churn and discount it is
    CAC / m. With churn the average customer's payments die down, and they may never reach the cost.

    Args:
        cac: Acquisition cost, money per customer, >= 0.
        margin: Money per customer and period after variable costs.
        churn: Share of customers lost per period, from 0 to 1; 0 is a customer who stays.
        discount: Discount rate per the same period, >= 0.

    Returns:
        A :class:`Payback`; its ``periods`` are ``None`` and its ``reason`` says why when the cost is never covered.

    Raises:
        InvalidValue: ``cac`` or ``discount`` is negative, or ``churn`` outside 0 to 1.
        InvalidType: A value is not a plain number.

    Examples:
        >>> payback(cac=600, margin=40)
        Payback(periods=15, exact_periods=15.0, reason=None)
        >>> payback(cac=600, margin=40, churn=0.05).periods
        28
        >>> print(payback(cac=800, margin=40, churn=0.05))
        never: a customer brings at most 800 in all and costs 800

    References:
        Skok, *SaaS Metrics 2.0*, for months to recover CAC; the sum with churn is that of :func:`lifetime_value`.
    """
    cost = single(at_least(0, cac=cac), "cac")
    money = single(finite(margin=margin), "margin")
    rate = single(fraction(churn=churn), "churn")
    interest = single(at_least(0, discount=discount), "discount")
    if cost == 0:
        return Payback(periods=0, exact_periods=0.0)
    if money <= 0:
        return _never(f"a customer brings {money:g} a period, so the cost is never covered")
    loss = (rate + interest) / (1 + interest)
    reached = cost * (1 - _ROUNDING)
    if loss == 1:
        if reached > money:
            return _too_little(money, cost)
        return Payback(periods=1, exact_periods=min(cost / money, 1.0))
    if reached / money * loss >= 1 - 2 * _ROUNDING:
        return _too_little(money / loss, cost)
    exact = _exact(cost / money, loss)
    if not math.isfinite(exact):
        return _never("a customer brings so little a period that no number of them would do")
    periods = max(math.ceil(_exact(reached / money, loss)), 1)
    return Payback(periods=periods, exact_periods=min(exact, float(periods)))


def _exact(ratio: float, loss: float) -> float:
    """How many payments, each smaller than the last by ``loss``, make so many times the first."""
    if loss == 0 or max(ratio, 1.0) * loss < 1e-17:  # below it, so many payments differ from equal ones by no digit
        return ratio
    return math.log1p(-ratio * loss) / math.log1p(-loss)


def _never(reason: str) -> Payback:
    return Payback(periods=None, exact_periods=None, reason=reason)


def _too_little(total: float, cost: float) -> Payback:
    return _never(f"a customer brings at most {total:,.4g} in all and costs {cost:,.4g}")
