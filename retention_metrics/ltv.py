"""What a customer is worth and what one costs: lifetime value, acquisition cost and their ratio."""

from typing import Literal, overload

import numpy as np

from retention_metrics._checks import aligned, at_least, choice, divide, finite, fraction, refuse_undefined
from retention_metrics._stats import expm1, log1p
from retention_metrics._typing import FloatArray, Number, Numbers, Scalar, Undefined
from retention_metrics.errors import InvalidValue

__all__ = ["acquisition_cost", "lifetime_value", "ltv_to_cac"]

Timing = Literal["start", "end"]


@overload
def lifetime_value(
    *,
    margin: Scalar,
    periods: Scalar | None = None,
    churn: Scalar | None = None,
    discount: Scalar = 0,
    timing: Timing = "start",
    horizon: Scalar | None = None,
    undefined: Undefined = "raise",
) -> float: ...
@overload
def lifetime_value(
    *,
    margin: Numbers,
    periods: Numbers | None = None,
    churn: Numbers | None = None,
    discount: Numbers = 0,
    timing: Timing = "start",
    horizon: Numbers | None = None,
    undefined: Undefined = "raise",
) -> FloatArray: ...
def lifetime_value(
    *,
    margin: Numbers,
    periods: Numbers | None = None,
    churn: Numbers | None = None,
    discount: Numbers = 0,
    timing: Timing = "start",
    horizon: Numbers | None = None,
    undefined: Undefined = "raise",
) -> float | FloatArray:
    r"""What a customer brings over the whole relationship, after variable costs.

    Give either the mean lifetime in ``periods``, or the ``churn`` per period. With retention
    :math:`r = 1 - c` and discount :math:`i`, and with :math:`q = r / (1 + i)`:

    ====================== =============================================== =================================
    called with            value                                           payments
    ====================== =============================================== =================================
    ``periods``            :math:`m \cdot \text{periods}`                  in every period of the lifetime
    ``churn``              :math:`m / (1 - q)`                             at the start; the first is certain
    ``timing="end"``       :math:`m q / (1 - q)`                           at the end, from those still there
    ``horizon`` H          the same times :math:`1 - q^H`                  in the first H periods only
    ====================== =============================================== =================================

    Use the margin after variable costs, not the revenue: LTV on revenue compared with acquisition cost
    calls a losing channel a good one.

    Args:
        margin: Money per customer and period after variable costs; may be negative.
        periods: Mean lifetime in periods, >= 0. No discounting: use ``churn`` for that.
        churn: Share of customers lost per period, from 0 to 1. At 0 a horizon is needed, whatever the
            discount: that nobody has left yet does not make an everlasting customer.
        discount: Discount rate per the same period, >= 0.
        timing: ``"start"`` (first payment at once and certain) or ``"end"`` (Gupta-Lehmann).
        horizon: Count only this many periods, >= 0.
        undefined: ``"nan"`` gives NaN where an array has churn 0 and no horizon, instead of an error.

    Returns:
        Money per customer: a float for numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: ``churn`` is 0 and no ``horizon`` is given: the lifetime has no end.
        InvalidValue: Neither or both of ``periods`` and ``churn``, or a value out of range.
        InvalidType: A value is not a plain number.

    Examples:
        >>> lifetime_value(margin=13, periods=7)
        91.0
        >>> lifetime_value(margin=40, churn=0.05)
        800.0
        >>> round(lifetime_value(margin=40, churn=0.05, discount=0.01, timing="end"), 3)
        633.333
        >>> round(lifetime_value(margin=40, churn=0.05, horizon=12), 3)
        367.712

    References:
        Gupta & Lehmann (2003), "Customers as assets", *Journal of Interactive Marketing* 17(1), 9-24,
        for payment at the end; Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5.
    """
    money = finite(margin=margin)
    if (periods is None) == (churn is None):
        raise InvalidValue("give either periods (a mean lifetime) or churn (a share lost per period)")
    if periods is not None:
        if horizon is not None or timing != "start" or type(discount) not in {int, float} or discount != 0:
            raise InvalidValue(
                "discount, timing and horizon need churn; a mean lifetime does not say when customers leave"
            )
        lifetime = at_least(0, periods=periods)
        aligned(margin=money, periods=lifetime)
        return money * lifetime
    rate = fraction(churn=churn)
    interest = at_least(0, discount=discount)
    choice(("start", "end"), timing=timing)
    aligned(margin=money, churn=rate, discount=interest)
    kept = (1 - rate) / (1 + interest)
    first = money if timing == "start" else money * kept
    if horizon is not None:
        stretch = at_least(0, horizon=horizon)
        aligned(margin=money, churn=rate, discount=interest, horizon=stretch)
        return first * _annuity(rate, interest, stretch)
    reason = "churn is 0, so the lifetime has no end; give a horizon"
    forever = rate == 0
    refuse_undefined(forever, metric="lifetime_value", reason=reason, undefined=undefined)
    lost = (rate + interest) / (1 + interest)
    if isinstance(lost, float):
        return first / lost
    return first / np.where(forever, np.nan, lost)


@overload
def acquisition_cost(*, spend: Scalar, customers: Scalar, undefined: Undefined = "raise") -> float: ...
@overload
def acquisition_cost(*, spend: Numbers, customers: Numbers, undefined: Undefined = "raise") -> FloatArray: ...
def acquisition_cost(*, spend: Numbers, customers: Numbers, undefined: Undefined = "raise") -> float | FloatArray:
    r"""Customer acquisition cost (CAC): what was spent for each customer won.

    .. math:: \text{CAC} = \text{spend} / \text{customers}

    Name what both numbers hold before comparing two of them: ``spend`` may be media only, or fully loaded
    with agency fees and salaries; ``customers`` may be all who came, or those that advertising brought.

    Args:
        spend: Money spent on winning customers, >= 0.
        customers: Customers won for it, >= 0.
        undefined: ``"nan"`` gives NaN where an array has no customers, instead of an error.

    Returns:
        Money per customer: a float for two numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: ``customers`` is 0: money was spent and nobody came.
        InvalidValue: A value is negative.
        InvalidType: A value is not a plain number.

    Examples:
        >>> round(acquisition_cost(spend=410, customers=15), 2)
        27.33
        >>> media, agency = 260, 150
        >>> round(acquisition_cost(spend=media, customers=15), 2), acquisition_cost(spend=media + agency, customers=10)
        (17.33, 41.0)

    References:
        Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5.
    """
    money = at_least(0, spend=spend)
    won = at_least(0, customers=customers)
    aligned(spend=money, customers=won)
    reason = "customers is 0, nobody was won for this spend"
    return divide(money, won, metric="acquisition_cost", reason=reason, undefined=undefined)


@overload
def ltv_to_cac(*, ltv: Scalar, cac: Scalar, undefined: Undefined = "raise") -> float: ...
@overload
def ltv_to_cac(*, ltv: Numbers, cac: Numbers, undefined: Undefined = "raise") -> FloatArray: ...
def ltv_to_cac(*, ltv: Numbers, cac: Numbers, undefined: Undefined = "raise") -> float | FloatArray:
    r"""How many times a customer brings back what it cost to win one.

    .. math:: \text{LTV} / \text{CAC}

    Below 1 every customer won is a loss. The profit of the first sale against CAC is the wrong comparison:
    it leaves out all that comes after.

    Args:
        ltv: Lifetime value on margin, money per customer; may be negative.
        cac: Acquisition cost, money per customer, >= 0.
        undefined: ``"nan"`` gives NaN where an array has a cost of 0, instead of an error.

    Returns:
        A ratio: a float for two numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: ``cac`` is 0.
        InvalidValue: ``cac`` is negative.
        InvalidType: A value is not a plain number.

    Examples:
        >>> round(ltv_to_cac(ltv=60, cac=410 / 15), 3)
        2.195

    References:
        Skok, *SaaS Metrics 2.0*.
    """
    value = finite(ltv=ltv)
    cost = at_least(0, cac=cac)
    aligned(ltv=value, cac=cost)
    reason = "cac is 0, these customers cost nothing to win"
    return divide(value, cost, metric="ltv_to_cac", reason=reason, undefined=undefined)


def _annuity(churn: Number, discount: Number, horizon: Number) -> Number:
    """Sum of q^k for k from 0 to horizon - 1, where q = (1 - churn) / (1 + discount)."""
    lost = (churn + discount) / (1 + discount)
    everlasting = np.equal(lost, 0)
    ending = np.equal(lost, 1)
    decay = horizon * log1p(-np.where(ending, 0.0, lost))
    total = np.where(everlasting, horizon, -expm1(decay) / np.where(everlasting, 1.0, lost))
    total = np.where(ending, np.sign(horizon), total)
    return float(total) if total.ndim == 0 else total
