"""Where a base comes to rest, and how fast it gets there."""

from typing import overload

import numpy as np

from retention_metrics._checks import aligned, at_least, divide, fraction, refuse_undefined
from retention_metrics._typing import FloatArray, Number, Numbers, Scalar, Undefined, Vector
from retention_metrics.churn import half_life
from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.growth._terms import ROUNDING, curve_by_age


@overload
def steady_state(
    *,
    acquired: Scalar,
    churn: Scalar | None = None,
    survival: Vector | None = None,
    referral: Scalar = 0.0,
    undefined: Undefined = "raise",
) -> float: ...
@overload
def steady_state(
    *,
    acquired: Numbers,
    churn: Numbers | None = None,
    survival: Vector | None = None,
    referral: Numbers = 0.0,
    undefined: Undefined = "raise",
) -> FloatArray: ...
def steady_state(
    *,
    acquired: Numbers,
    churn: Numbers | None = None,
    survival: Vector | None = None,
    referral: Numbers = 0.0,
    undefined: Undefined = "raise",
) -> float | FloatArray:
    r"""The size at which a base stops growing: what is won each period then equals what is lost.

    With churn :math:`c`, or with a mean lifetime :math:`T`, and with :math:`k` customers brought by each customer:

    .. math:: N^* = \frac{a}{c - k}, \qquad N^* = \frac{a T}{1 - k T}, \quad T = \sum_{j \ge 0} S(j)

    .. math:: N_t = N^* + (N_0 - N^*)(1 - c + k)^t

    With ``acquired=1`` it is the mean lifetime itself, and where former customers return there is none.

    Args:
        acquired: Customers won per period, >= 0.
        churn: Share lost per period, from 0 to 1.
        survival: In place of churn: share of customers still there by age, from 1 at age 0 down to 0.
        referral: Customers whom each customer brings per period, >= 0.
        undefined: ``"nan"`` gives NaN where an array has no steady state, instead of an error.

    Returns:
        Customers: a float for plain numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: Churn is 0, or customers bring as many as leave, and the base grows without end; or
            ``survival`` ends before 0, so that the mean lifetime is not known.
        InvalidValue: A value is out of range; both or neither of ``churn`` and ``survival`` are given.
        InvalidType: A value is not a plain number.

    Examples:
        >>> steady_state(acquired=100, churn=0.05)
        2000.0
        >>> steady_state(acquired=100, churn=0.05, referral=0.01)
        2500.0
        >>> round(steady_state(acquired=100, survival=[1, 0.6, 0.45, 0.4, 0]), 6)
        245.0

    References:
        Little (1961), "A proof for the queuing formula L = λW", *Operations Research* 9(3), 383-387.
    """
    won = at_least(0, acquired=acquired)
    brought = at_least(0, referral=referral)
    if (churn is None) == (survival is None):
        raise InvalidValue("give either churn (a share lost per period) or survival (a share still there by age)")
    if churn is not None:
        rate = fraction(churn=churn)
        aligned(acquired=won, churn=rate, referral=brought)
        return divide(
            won,
            _net_churn(rate, brought),
            metric="steady_state",
            reason=_grows("the base never stops growing", brought),
            undefined=undefined,
        )
    curve = curve_by_age(survival)
    if curve[-1] > 0:
        raise UndefinedMetric(
            "steady_state",
            f"survival ends at age {curve.size - 1} with {curve[-1]:.4g} of the customers still there, so the mean "
            "lifetime is not known; append 0 if nobody stays longer",
        )
    aligned(acquired=won, referral=brought)
    lifetime = float(curve.sum())
    return divide(
        won * lifetime,
        _net_churn(1.0, brought * lifetime),
        metric="steady_state",
        reason="each customer brings at least one other in a lifetime, so the base never stops growing",
        undefined=undefined,
    )


@overload
def half_way_time(*, churn: Scalar, referral: Scalar = 0.0, undefined: Undefined = "raise") -> float: ...
@overload
def half_way_time(*, churn: Numbers, referral: Numbers = 0.0, undefined: Undefined = "raise") -> FloatArray: ...
def half_way_time(*, churn: Numbers, referral: Numbers = 0.0, undefined: Undefined = "raise") -> float | FloatArray:
    r"""Periods in which a base covers half of the way to its steady state, from wherever it starts.

    .. math:: t_{1/2} = \frac{\ln \frac12}{\ln(1 - c + k)}

    After twice as long a quarter of the way is left. It does not depend on how many customers are won.

    Args:
        churn: Share lost per period, from 0 to 1.
        referral: Customers whom each customer brings per period, >= 0.
        undefined: ``"nan"`` gives NaN where an array has no answer, instead of an error.

    Returns:
        Periods: a float for plain numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: There is no steady state; or churn is 1, and the whole way is covered in the first period.
        InvalidValue: A value is out of range.
        InvalidType: A value is not a plain number.

    Examples:
        >>> round(half_way_time(churn=0.05), 4)
        13.5134

    References:
        The closed form of the stock-and-flow recursion, see :func:`steady_state`.
    """
    rate, brought = fraction(churn=churn), at_least(0, referral=referral)
    aligned(churn=rate, referral=brought)
    net = _net_churn(rate, brought)
    reason = _grows("there is no steady state", brought)
    refuse_undefined(net == 0, metric="half_way_time", reason=reason, undefined=undefined)
    reason = "churn is 1, so the whole way is covered in the first period"
    refuse_undefined(net == 1, metric="half_way_time", reason=reason, undefined=undefined)
    return half_life(net, undefined=undefined)


def _net_churn(churn: Number, referral: Number) -> Number:
    """Churn less referral; 0 where nothing, or nothing but rounding, is left of it."""
    net = np.asarray(churn - referral)
    net = np.where(net > ROUNDING * churn, net, 0.0)
    return float(net) if net.ndim == 0 else net


def _grows(consequence: str, referral: Number) -> str:
    cause = "referral is not below churn" if np.any(np.greater(referral, 0)) else "churn is 0"
    return f"{cause}, so {consequence}"
