"""Growth by word of mouth alone, and growth that it adds to."""

from typing import overload

import numpy as np

from retention_metrics._checks import aligned, at_least, divide, refuse_if
from retention_metrics._stats import expm1, log1p
from retention_metrics._typing import FloatArray, Number, Numbers, Scalar, Undefined

_LARGEST = 1e308
_LARGEST_EXPONENT = 700.0
_TOO_LARGE = "growth goes beyond float64; take fewer periods"


@overload
def viral_users(*, start: Scalar, coefficient: Scalar, cycles: Scalar) -> float: ...
@overload
def viral_users(*, start: Numbers, coefficient: Numbers, cycles: Numbers) -> FloatArray: ...
def viral_users(*, start: Numbers, coefficient: Numbers, cycles: Numbers) -> float | FloatArray:
    r"""All who have joined after some cycles in which the newest customers bring the next ones.

    .. math:: U_n = U_0 \frac{K^{n+1} - 1}{K - 1}, \qquad U_n = U_0 (n + 1) \text{ for } K = 1

    Nobody leaves in this formula, and each customer brings others once, in the cycle after joining. Where customers
    leave, or go on recommending, use :func:`project` with ``referral``.

    Args:
        start: Customers to begin with, >= 0.
        coefficient: Viral coefficient K, >= 0: invitations sent by each customer times the share accepted.
        cycles: Cycles gone by, >= 0: time divided by the time that one cycle takes.

    Returns:
        Customers: a float for plain numbers, otherwise an array of the broadcast shape.

    Raises:
        InvalidValue: A value is negative, or the number is too large for a float.
        InvalidType: A value is not a plain number.

    Examples:
        >>> round(viral_users(start=10, coefficient=2, cycles=10))
        20470
        >>> viral_users(start=10, coefficient=1, cycles=[0, 1, 2])
        array([10., 20., 30.])

    References:
        Skok, *Lessons Learned: Viral Marketing*.
    """
    first = at_least(0, start=start)
    factor = at_least(0, coefficient=coefficient)
    turns = at_least(0, cycles=cycles)
    aligned(start=first, coefficient=factor, cycles=turns)
    joined = geometric(factor - 1, turns + 1)[1]
    refuse_if(np.greater(first, _LARGEST / joined), _TOO_LARGE)
    return first * joined


@overload
def referral_amplification(*, coefficient: Scalar, undefined: Undefined = "raise") -> float: ...
@overload
def referral_amplification(*, coefficient: Numbers, undefined: Undefined = "raise") -> FloatArray: ...
def referral_amplification(*, coefficient: Numbers, undefined: Undefined = "raise") -> float | FloatArray:
    r"""How many customers come, in the end, for each one who was won, when customers bring customers.

    .. math:: 1 + K + K^2 + \dots = \frac{1}{1 - K}

    Divide the acquisition cost by it: who brings others costs less.

    Args:
        coefficient: Customers whom each customer brings in a lifetime, K >= 0: invitations times the share accepted.
        undefined: ``"nan"`` gives NaN where an array has K >= 1, instead of an error.

    Returns:
        Customers per customer won, the latter included: a float for a number, otherwise an array.

    Raises:
        UndefinedMetric: K is 1 or more: the sum has no end.
        InvalidValue: K is negative.
        InvalidType: A value is not a plain number.

    Examples:
        >>> round(referral_amplification(coefficient=3.5 * 0.2), 4)
        3.3333

    References:
        The geometric series; Skok, *Lessons Learned: Viral Marketing*.
    """
    factor = at_least(0, coefficient=coefficient)
    left = np.maximum(1 - factor, 0.0)
    return divide(
        1.0,
        left if isinstance(factor, np.ndarray) else float(left),
        metric="referral_amplification",
        reason="coefficient is 1 or more, so that customers bring customers without end",
        undefined=undefined,
    )


def geometric(growth: Number, n: Number) -> tuple[Number, Number]:
    r"""The power :math:`q^n` and the sum of :math:`q^j` for j < n, with q = 1 + growth and n >= 1; exact near q = 1."""
    exponent = n * log1p(growth)
    refuse_if(np.greater(exponent, _LARGEST_EXPONENT), _TOO_LARGE)
    level = np.equal(growth, 0)
    total = np.where(level, n, expm1(exponent) / np.where(level, 1.0, growth))
    power = np.exp(exponent)
    return (float(power), float(total)) if total.ndim == 0 else (power, total)
