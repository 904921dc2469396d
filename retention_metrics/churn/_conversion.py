"""From one period to another, and from churn to lifetimes."""

from typing import Literal, overload

import numpy as np

from retention_metrics._checks import (
    aligned,
    at_least,
    choice,
    divide,
    fraction,
    refuse_undefined,
)
from retention_metrics._stats import expm1, log1p
from retention_metrics._typing import FloatArray, Number, Numbers, Scalar, Undefined


@overload
def rescale_churn(churn: Scalar, /, *, periods: Scalar) -> float: ...
@overload
def rescale_churn(churn: Numbers, /, *, periods: Numbers) -> FloatArray: ...
def rescale_churn(churn: Numbers, /, *, periods: Numbers) -> float | FloatArray:
    r"""Churn over several periods, or over a part of one, from churn per period.

    .. math:: C = 1 - (1 - c)^k

    Rates compound: a monthly 5 % is 45.964 % a year, not 60 %. It assumes that every customer runs the
    same risk in every period; a base that mixes loyal and fickle customers loses fewer than this over a
    long stretch.

    Args:
        churn: Share lost per period, from 0 to 1.
        periods: Length of the wanted period in given periods, > 0: 12 from months to a year, 1/12 back,
            ``365 / 45`` from 45 days to a year.

    Returns:
        A fraction in [0, 1]: a float for two numbers, otherwise an array of the broadcast shape.

    Raises:
        InvalidValue: ``churn`` is outside 0 to 1 or ``periods`` is not positive.
        InvalidType: A value is not a plain number.

    Examples:
        >>> round(rescale_churn(0.05, periods=12), 5)
        0.45964
        >>> round(rescale_churn(0.2, periods=1 / 12), 6)
        0.018423

    References:
        Gold (2020), *Fighting Churn with Data*, listings 2.5 and 2.6.
    """
    rate = fraction(churn=churn)
    stretch = at_least(0, open_low=True, periods=periods)
    aligned(churn=rate, periods=stretch)
    return -expm1(stretch * log1p(-rate))


@overload
def hazard(churn: Scalar, /, *, undefined: Undefined = "raise") -> float: ...
@overload
def hazard(churn: Numbers, /, *, undefined: Undefined = "raise") -> FloatArray: ...
def hazard(churn: Numbers, /, *, undefined: Undefined = "raise") -> float | FloatArray:
    r"""The constant rate of leaving, per period, that loses a share ``churn`` within one period.

    .. math:: \lambda = -\ln(1 - c)

    Args:
        churn: Share lost per period, from 0 to 1.
        undefined: ``"nan"`` gives NaN where an array has churn 1, instead of an error.

    Returns:
        Events per customer and period, >= 0.

    Raises:
        UndefinedMetric: ``churn`` is 1: no finite rate empties the base within a period.
        InvalidValue: ``churn`` is outside 0 to 1.
        InvalidType: A value is not a plain number.

    Examples:
        >>> round(hazard(0.05), 6)
        0.051293

    References:
        Kalbfleisch & Prentice (2002), *The Statistical Analysis of Failure Time Data*, chapter 1.
    """
    return _hazard(fraction(churn=churn), metric="hazard", undefined=undefined)


Convention = Literal["certain_first", "completed", "continuous"]


@overload
def expected_lifetime(
    churn: Scalar, /, *, convention: Convention = "certain_first", undefined: Undefined = "raise"
) -> float: ...
@overload
def expected_lifetime(
    churn: Numbers, /, *, convention: Convention = "certain_first", undefined: Undefined = "raise"
) -> FloatArray: ...
def expected_lifetime(
    churn: Numbers, /, *, convention: Convention = "certain_first", undefined: Undefined = "raise"
) -> float | FloatArray:
    r"""Mean number of periods that a customer stays when every period loses the same share.

    ================== ==================== ==========================================
    convention         formula              counts
    ================== ==================== ==========================================
    ``certain_first``  :math:`1/c`          periods begun; the first is certain
    ``completed``      :math:`(1-c)/c`      periods lived through to the end
    ``continuous``     :math:`-1/\ln(1-c)`  time until leaving, at any moment
    ================== ==================== ==========================================

    On a base that mixes loyal and fickle customers the blended rate understates the mean: half at 1 %
    and half at 20 % live 52.5 periods, not 9.5.

    Args:
        churn: Share lost per period, from 0 to 1.
        convention: Which of the three to count.
        undefined: ``"nan"`` gives NaN where an array has no answer, instead of an error.

    Returns:
        Periods, in the unit of the churn rate.

    Raises:
        UndefinedMetric: ``churn`` is 0, so nobody ever leaves; or it is 1 with ``"continuous"``.
        InvalidValue: ``churn`` is outside 0 to 1, or the convention is unknown.
        InvalidType: A value is not a plain number.

    Examples:
        >>> expected_lifetime(0.05)
        20.0
        >>> round(expected_lifetime(0.05, convention="completed"), 9)
        19.0
        >>> round(expected_lifetime(0.05, convention="continuous"), 4)
        19.4957

    References:
        Skok, *SaaS Metrics 2.0*, for 1 / churn; the three differ by the mean of a geometric distribution
        from 1, of one from 0, and of the exponential distribution.
    """
    choice(("certain_first", "completed", "continuous"), convention=convention)
    rate = fraction(churn=churn)
    leaving: Number = rate
    if convention == "continuous":
        leaving = _hazard(rate, metric="expected_lifetime", undefined=undefined)
    reached: Number = 1 - rate if convention == "completed" else 1.0
    reason = "churn is 0, so no lifetime ever ends"
    return divide(reached, leaving, metric="expected_lifetime", reason=reason, undefined=undefined)


@overload
def half_life(churn: Scalar, /, *, undefined: Undefined = "raise") -> float: ...
@overload
def half_life(churn: Numbers, /, *, undefined: Undefined = "raise") -> FloatArray: ...
def half_life(churn: Numbers, /, *, undefined: Undefined = "raise") -> float | FloatArray:
    r"""Periods after which half of the customers have left, at constant churn.

    .. math:: t_{1/2} = \frac{\ln 2}{-\ln(1 - c)}

    Args:
        churn: Share lost per period, from 0 to 1.
        undefined: ``"nan"`` gives NaN where an array has churn 0 or 1, instead of an error.

    Returns:
        Periods, in the unit of the churn rate.

    Raises:
        UndefinedMetric: ``churn`` is 0 (half never leaves) or 1 (no finite rate).
        InvalidValue: ``churn`` is outside 0 to 1.
        InvalidType: A value is not a plain number.

    Examples:
        >>> round(half_life(0.05), 4)
        13.5134

    References:
        The median of the exponential lifetime; Skok, *SaaS Metrics 2.0*, for its use beside 1 / churn.
    """
    reason = "churn is 0, so half of the customers never leave"
    rate = _hazard(fraction(churn=churn), metric="half_life", undefined=undefined)
    return divide(float(np.log(2)), rate, metric="half_life", reason=reason, undefined=undefined)


def _hazard(rate: Number, *, metric: str, undefined: Undefined) -> Number:
    everybody = rate == 1
    reason = "churn is 1, and no finite rate loses everybody"
    refuse_undefined(everybody, metric=metric, reason=reason, undefined=undefined)
    intensity = -log1p(-rate)
    return intensity if isinstance(intensity, float) else np.where(everybody, np.nan, intensity)
