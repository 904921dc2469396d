"""Money in whole minor units: cents, kopecks, yen. Nothing here rounds a float."""

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from retention_metrics._checks import at_least, first_true, whole
from retention_metrics._typing import IntArray
from retention_metrics.errors import InvalidType, InvalidValue

MOST_MONEY = 2**60
"""No amount and no total of a ledger may reach this many minor units."""
MOST_SESSIONS = 2**30
BASIS = 10_000
_EXACT_IN_FLOAT = 2**53


@overload
def to_minor(x: float | Decimal, exponent: int = 2) -> int: ...
@overload
def to_minor(x: Sequence[float] | NDArray[Any], exponent: int = 2) -> IntArray: ...
def to_minor(x: float | Decimal | Sequence[float] | NDArray[Any], exponent: int = 2) -> int | IntArray:
    r"""Whole minor units of an amount of money, which must be exact: 15.10 is 1510 cents, 15.105 is refused.

    .. math:: n = x \cdot 10^{e}

    A float stands for the decimal number that it is printed as, so 0.1 is ten cents, and 0.1 + 0.2 is refused.

    Args:
        x: An amount in major units, or amounts; a ``Decimal`` or floats below :math:`2^{53}` minor units.
        exponent: Decimal places of the currency, from 0 to 4: 2 for most, 0 for the yen, 3 for the Kuwaiti dinar.

    Returns:
        An int for a number, an int64 array for several.

    Raises:
        InvalidValue: An amount is not finite, not exact in minor units, or too large for a float to be exact.
        InvalidType: An amount is no number.

    Examples:
        >>> to_minor(15_000.10)
        1500010
        >>> to_minor([19.99, 5], 2)
        array([1999,  500])
        >>> to_minor(1200, exponent=0)
        1200

    References:
        ISO 4217:2015, *Codes for the representation of currencies*, minor units.
    """
    places = whole(0, exponent=exponent)
    if places > 4:
        raise InvalidValue(f"exponent must be from 0 to 4 decimal places, got {places}")
    scale = 10**places
    if isinstance(x, Decimal):
        scaled = x * scale
        if not x.is_finite() or scaled != scaled.to_integral_value() or abs(scaled) >= MOST_MONEY:
            raise InvalidValue(f"x must be a whole number of minor units with {places} decimal places, got {x}")
        return int(scaled)
    if type(x) is int:
        return minor_units(-MOST_MONEY, x=x * scale)
    amounts = np.asarray(at_least(-math.inf, x=x))
    units = np.rint(amounts * scale)
    where = first_true((units / scale != amounts) | (np.abs(units) >= _EXACT_IN_FLOAT))
    if where is not None:
        spot = f"x[{', '.join(map(str, where))}]" if where else "x"
        raise InvalidValue(
            f"{spot} must be a whole number of minor units with {places} decimal places, below 2**53 of them, got "
            f"{float(amounts[where])!r}; round it first, by a rule of your own"
        )
    return int(units) if units.ndim == 0 else units.astype(np.int64)


def session_shares(price: int, sessions: int) -> IntArray:
    r"""The share of the price that each session of a package earns, exact to the last minor unit.

    .. math:: e_k = \text{cum}(k) - \text{cum}(k - 1), \qquad
        \text{cum}(k) = \left\lfloor \frac{2 P k + N}{2 N} \right\rfloor

    The running total is rounded half up, not each share: shares differ by at most one unit, none is negative, they add
    up to the price, and after any number of sessions what was earned is within half a unit of the exact amount, so a
    refund is right on any day.

    Args:
        price: Price of the package in minor units, a whole number >= 0.
        sessions: Number of sessions N, a whole number >= 1.

    Returns:
        An int64 array of N shares, in the order in which sessions are used.

    Raises:
        InvalidValue: A value is out of range.
        InvalidType: A value is no whole number; money as a float goes through :func:`to_minor`.

    Examples:
        >>> session_shares(10_000, 3)
        array([3333, 3334, 3333])
        >>> session_shares(100, 8)
        array([13, 12, 13, 12, 13, 12, 13, 12])

    References:
        IFRS 15 *Revenue from Contracts with Customers*, B44 and B46: revenue as the service is transferred; cumulative
        rounding as in Bresenham (1965), *IBM Systems Journal* 4(1), 25-30.
    """
    total = minor_units(0, price=price)
    count = minor_units(1, sessions=sessions)
    if count >= MOST_SESSIONS:
        raise InvalidValue(f"sessions must be below {MOST_SESSIONS:,}, got {count:,}")
    shares: IntArray = np.diff(earned_by(np.int64(total), np.int64(count), np.arange(count + 1)))
    return shares


def earned_by(price: Any, sessions: Any, used: Any) -> Any:
    """What so many used sessions have earned; no product exceeds 2 N squared, whatever the price."""
    each, rest = np.divmod(price, sessions)
    return each * used + (2 * rest * used + sessions) // (2 * sessions)


def part_of(amount: Any, bps: Any) -> Any:
    """Basis points of an amount >= 0, rounded half up."""
    whole_parts, rest = np.divmod(amount, BASIS)
    return whole_parts * bps + (2 * rest * bps + BASIS) // (2 * BASIS)


def minor_units(low: int, /, **argument: object) -> int:
    """A whole number not below ``low`` and small enough for a ledger; floats and bools are refused."""
    ((name, value),) = argument.items()
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        remedy = "; convert money with prepaid.to_minor()" if isinstance(value, (float, np.floating, Decimal)) else ""
        raise InvalidType(f"{name} must be a whole number, got {type(value).__name__} {value!r}{remedy}")
    if not low <= value < MOST_MONEY:
        raise InvalidValue(f"{name} must be a whole number >= {low} and below 2**60, got {value}")
    return int(value)
