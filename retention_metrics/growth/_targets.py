"""What it takes to have so many customers by then."""

from typing import overload

import numpy as np

from retention_metrics._checks import aligned, at_least, first_true, fraction, refuse_undefined, whole
from retention_metrics._typing import FloatArray, Number, Numbers, Scalar, Undefined
from retention_metrics.growth._terms import ROUNDING
from retention_metrics.growth._viral import geometric

_HALVINGS = 64


@overload
def required_retention(
    *,
    start: Scalar = 0,
    acquired: Scalar,
    target: Scalar,
    periods: int,
    referral: Scalar = 0.0,
    undefined: Undefined = "raise",
) -> float: ...
@overload
def required_retention(
    *,
    start: Numbers = 0,
    acquired: Numbers,
    target: Numbers,
    periods: int,
    referral: Numbers = 0.0,
    undefined: Undefined = "raise",
) -> FloatArray: ...
def required_retention(
    *,
    start: Numbers = 0,
    acquired: Numbers,
    target: Numbers,
    periods: int,
    referral: Numbers = 0.0,
    undefined: Undefined = "raise",
) -> float | FloatArray:
    r"""The smallest retention per period with which a base reaches a target in a number of periods.

    .. math:: \min \left\{ r : N_0 (r + k)^n + a \sum_{j < n} (r + k)^j \ge N \right\}

    Args:
        start: Customers before the first period, >= 0.
        acquired: Customers won per period, >= 0.
        target: Customers wanted at the end of the last period, >= 0.
        periods: Number of periods, >= 1.
        referral: Customers whom each customer brings per period, >= 0.
        undefined: ``"nan"`` gives NaN where an array has targets out of reach, instead of an error.

    Returns:
        A fraction in [0, 1], 0 where the customers of the last period are enough: a float for plain numbers, otherwise
        an array of the broadcast shape.

    Raises:
        UndefinedMetric: The target is out of reach even if nobody leaves.
        InvalidValue: A value is out of range.
        InvalidType: A value is not a plain number.

    Examples:
        >>> round(required_retention(start=400, acquired=40, target=450, periods=12), 4)
        0.9161
        >>> required_retention(acquired=15, target=[50, 70], periods=4, undefined="nan").round(4)
        array([0.8795,    nan])

    References:
        The closed form of the stock-and-flow recursion, see :func:`steady_state`, solved by bisection.
    """
    base, won, brought, wanted = _read(start, acquired, referral, target)
    length = whole(1, periods=periods)

    def reached(retention: Number) -> FloatArray:
        power, total = geometric(retention + brought - 1, float(length))
        return np.asarray(base * power + won * total)

    most = reached(1.0)
    missed = np.asarray(most < wanted * (1 - ROUNDING))
    where = first_true(missed)
    if where is not None:
        shown = float(np.broadcast_to(most, missed.shape)[where])
        reason = f"even retention 1 gives only {shown:.6g} customers"
        refuse_undefined(missed, metric="required_retention", reason=reason, undefined=undefined)
    low = np.zeros(missed.shape)
    high = np.where(reached(0.0) >= wanted, 0.0, 1.0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        enough = reached(middle) >= wanted
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    found = np.where(missed, np.nan, high)
    return float(found) if found.ndim == 0 else found


@overload
def required_acquisition(
    *, start: Scalar = 0, retention: Scalar, target: Scalar, periods: int, referral: Scalar = 0.0
) -> float: ...
@overload
def required_acquisition(
    *, start: Numbers = 0, retention: Numbers, target: Numbers, periods: int, referral: Numbers = 0.0
) -> FloatArray: ...
def required_acquisition(
    *, start: Numbers = 0, retention: Numbers, target: Numbers, periods: int, referral: Numbers = 0.0
) -> float | FloatArray:
    r"""How many customers to win per period, so that a base reaches a target in a number of periods.

    .. math:: a = \max \left(0, \; \frac{N - N_0 (r + k)^n}{\sum_{j < n} (r + k)^j} \right)

    Args:
        start: Customers before the first period, >= 0.
        retention: Share of the base kept per period, from 0 to 1.
        target: Customers wanted at the end of the last period, >= 0.
        periods: Number of periods, >= 1.
        referral: Customers whom each customer brings per period, >= 0.

    Returns:
        Customers per period, >= 0, not rounded; 0 where the target is reached without. A float for plain numbers,
        otherwise an array of the broadcast shape.

    Raises:
        InvalidValue: A value is out of range.
        InvalidType: A value is not a plain number.

    Examples:
        >>> required_acquisition(retention=1.0, target=60, periods=4)
        15.0

    References:
        The closed form of the stock-and-flow recursion, see :func:`steady_state`.
    """
    kept = fraction(retention=retention)
    base, _, brought, wanted = _read(start, 0.0, referral, target)
    aligned(start=base, retention=kept, target=wanted, referral=brought)
    power, total = geometric(kept + brought - 1, float(whole(1, periods=periods)))
    needed = np.maximum((wanted - base * power) / total, 0.0)
    return float(needed) if needed.ndim == 0 else needed


def _read(start: Numbers, acquired: Numbers, referral: Numbers, target: Numbers) -> tuple[Number, ...]:
    base, won = at_least(0, start=start), at_least(0, acquired=acquired)
    brought, wanted = at_least(0, referral=referral), at_least(0, target=target)
    aligned(start=base, acquired=won, referral=brought, target=wanted)
    return base, won, brought, wanted
