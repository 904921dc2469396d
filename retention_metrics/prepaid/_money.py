"""Money in whole minor units: cents, kopecks, yen. Nothing here rounds a float."""

from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from retention_metrics._checks import finite, first_true, whole
from retention_metrics._typing import BoolArray, IntArray
from retention_metrics.errors import InvalidType, InvalidValue

MOST_MONEY = 2**60
"""No amount and no total of a ledger may reach this many minor units."""
MOST_SESSIONS = 2**30
BASIS = 10_000
_EXACT_IN_FLOAT = 2**53
_DIGITS = Context(prec=40)


@overload
def to_minor(x: float | Decimal, exponent: int = 2) -> int: ...
@overload
def to_minor(x: Sequence[float | Decimal | None] | NDArray[Any], exponent: int = 2) -> IntArray: ...
def to_minor(x: float | Decimal | Sequence[float | Decimal | None] | NDArray[Any], exponent: int = 2) -> int | IntArray:
    r"""Whole minor units of an amount of money, which must be exact: 15.10 is 1510 cents, 15.105 is refused.

    .. math:: n = x \cdot 10^{e}

    A float stands for the decimal number that it is printed as, so 0.1 is ten cents, and 0.1 + 0.2 is refused.

    Args:
        x: An amount in major units, or amounts; ``Decimal``, or floats below :math:`2^{53}` minor units. Amounts that
            are missing are ``None``, or masked (``numpy.ma``).
        exponent: Decimal places of the currency, from 0 to 4: 2 for most, 0 for the yen, 3 for the Kuwaiti dinar.

    Returns:
        An int for a number, an int64 array for several; a masked one when some are missing.

    Raises:
        InvalidValue: An amount is NaN or infinite, not exact in minor units, or too large for a float to be exact.
        InvalidType: An amount is no number.

    Examples:
        >>> to_minor(15_000.10)
        1500010
        >>> to_minor([19.99, 5], 2)
        array([1999,  500])
        >>> to_minor([19.99, None]).tolist()
        [1999, None]
        >>> to_minor(1200, exponent=0)
        1200

    References:
        ISO 4217:2015, *Codes for the representation of currencies*, minor units.
    """
    places = whole(0, exponent=exponent)
    if places > 4:
        raise InvalidValue(f"exponent must be from 0 to 4 decimal places, got {places}")
    if isinstance(x, np.ma.MaskedArray):
        return np.ma.array(to_minor(x.filled(0), exponent), mask=x.mask)
    if isinstance(x, Decimal):
        return _decimal_units("x", x, places)
    if type(x) is int:
        return minor_units(-MOST_MONEY, x=x * 10**places)
    amounts = _array_of(x)
    if amounts.dtype != object or not amounts.ndim:
        return _number_units(x if amounts.dtype == object else amounts, places)
    gaps, decimals = (_all_of(kind, amounts) for kind in (type(None), Decimal))
    units = np.asarray(_number_units(np.where(gaps | decimals, 0, amounts), places))
    for where in np.argwhere(decimals).tolist():
        units[*where] = _decimal_units(_spot(tuple(where)), amounts[*where], places)
    return np.ma.array(units, mask=gaps) if gaps.any() else units


def _array_of(x: object) -> NDArray[Any]:
    """Amounts as an array; of objects when they are not plain numbers, and without an axis when they are no array."""
    if isinstance(x, Sequence) and not isinstance(x, str):
        kinds = set(map(type, x))
        if kinds and kinds <= {float, int}:
            return np.asarray(x)
        if kinds & {type(None), Decimal}:
            return np.array([*x, None], object)[:-1]
    if isinstance(x, float) or hasattr(x, "__array__"):
        return np.asarray(x)
    return np.array(None)


def _all_of(kind: type, amounts: NDArray[np.object_]) -> BoolArray:
    """Which of some objects are of a kind."""
    return np.array([isinstance(each, kind) for each in amounts.flat], bool).reshape(amounts.shape)


def _number_units(x: Any, places: int) -> int | IntArray:
    """Minor units of an amount, or of an array of them."""
    raw: NDArray[Any] = np.asarray(x) if isinstance(x, (float, np.ndarray)) else np.empty(0)
    if raw.dtype == object:
        raw = np.where(_all_of(float, raw), raw, 0).astype(float)
    nan = first_true(np.isnan(raw)) if raw.dtype.kind == "f" else None
    if nan is not None:
        raise _is_nan(_spot(nan))
    scale = 10**places
    amounts = np.asarray(finite(x=x))
    units = np.rint(amounts * scale)
    where = first_true((units / scale != amounts) | (np.abs(units) >= _EXACT_IN_FLOAT))
    if where is not None:
        raise InvalidValue(
            f"{_spot(where)} must be a whole number of minor units with {places} decimal places, below 2**53 of them, "
            f"got {float(amounts[where])!r}; round it first, by a rule of your own"
        )
    return int(units) if units.ndim == 0 else units.astype(np.int64)


def _decimal_units(name: str, x: Decimal, places: int) -> int:
    if x.is_nan():
        raise _is_nan(name)
    if not x.is_finite():
        raise InvalidValue(f"{name} must be a finite number, got {x}")
    rule = f"a whole number of minor units with {places} decimal places, below 2**60 of them"
    if x.copy_abs() >= MOST_MONEY:
        raise InvalidValue(f"{name} must be {rule}, got {x}")
    units = int(x.quantize(Decimal(1).scaleb(-places), context=_DIGITS).scaleb(places, context=_DIGITS))
    if Decimal(units).scaleb(-places, context=_DIGITS) != x or abs(units) >= MOST_MONEY:
        raise InvalidValue(f"{name} must be {rule}, got {x}")
    return units


def _spot(where: tuple[int, ...]) -> str:
    return f"x[{', '.join(map(str, where))}]" if where else "x"


def _is_nan(spot: str) -> InvalidValue:
    return InvalidValue(f"{spot} is NaN; mask what is missing, as numpy.ma.masked_invalid(x) does, or pass None for it")


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
    if not np.any(bps):
        return np.zeros_like(amount)
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
