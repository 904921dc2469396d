"""The only place that coerces and refuses.

A checked argument is passed by its own name, so that the refusal can say it: ``at_least(0, start=start)``.
Plain floats and ints take the short way through; everything else is looked at with care.
"""

import datetime as dt
import difflib
import math
import numbers
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import SupportsFloat
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from retention_metrics._typing import BoolArray, FloatArray, Number, Undefined
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric

_REMEDIES: dict[type, str] = {
    bool: "write 0 or 1 if a number is meant",
    np.bool_: "write 0 or 1 if a number is meant",
    str: "convert it with float()",
    bytes: "convert it with float()",
    Decimal: "convert it with float(); metrics are estimates in float64",
    Fraction: "convert it with float()",
    complex: "pass its real part if that is meant",
    type(None): "leave missing values out",
}
_REFUSED = tuple(_REMEDIES)


def at_least(low: float, /, *, open_low: bool = False, **argument: object) -> Number:
    """A finite number, or array of them, not below ``low`` (above it when ``open_low``)."""
    for name, value in argument.items():
        if type(value) is float and low < value < math.inf:
            return value
        checked = _coerce(name, value)
        if type(checked) is float and (low < checked < math.inf or (checked == low and not open_low)):
            return checked
    rule = f"a finite number {'>' if open_low else '>='} {low:g}"
    _refuse_where(name, checked, np.less_equal(checked, low) if open_low else np.less(checked, low), rule)
    return checked


def finite(**argument: object) -> Number:
    """A finite number, or array of them."""
    for name, value in argument.items():
        checked = _coerce(name, value)
        if type(checked) is float and -math.inf < checked < math.inf:
            return checked
    _refuse_where(name, checked, np.False_, "a finite number")
    return checked


def fraction(*, open_low: bool = False, open_high: bool = False, **argument: object) -> Number:
    """A fraction from 0 to 1, or array of them; either end may be left out."""
    for name, value in argument.items():
        if type(value) is float and 0 < value < 1:
            return value
        checked = _coerce(name, value)
    below = np.less_equal(checked, 0) if open_low else np.less(checked, 0)
    above = np.greater_equal(checked, 1) if open_high else np.greater(checked, 1)
    ends = f"{'above' if open_low else 'from'} 0 {'and below' if open_high else 'to'} 1"
    _refuse_where(name, checked, below | above, f"a fraction {ends} (write 5 % as 0.05)")
    return checked


def in_a_row(**argument: Number) -> FloatArray:
    """A checked number, or several, as an array of one dimension."""
    ((name, checked),) = argument.items()
    row = np.atleast_1d(np.asarray(checked))
    if row.ndim != 1:
        raise InvalidValue(f"{name} must be numbers in a row, got an array of shape {row.shape}")
    return row


def single(checked: Number, name: str) -> float:
    """A checked argument that has to be one number."""
    if not isinstance(checked, float):
        raise InvalidValue(f"{name} must be one number, got an array of shape {checked.shape}")
    return checked


def generator(rng: object) -> np.random.Generator:
    """A random generator, or one made from a seed."""
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, (bool, np.bool_)) or not isinstance(rng, (int, np.integer)) or rng < 0:
        raise InvalidType(f"rng must be a numpy.random.Generator or a whole number >= 0, got {_shown(rng)}")
    return np.random.default_rng(int(rng))


def mapping(**argument: object) -> None:
    """A dictionary, or something that can be asked like one."""
    for name, value in argument.items():
        if not isinstance(value, Mapping):
            raise InvalidType(f"{name} must be a dict by name, got {_shown(value)}")


def whole(low: int, /, **argument: object) -> int:
    """A whole number not below ``low``; a float that is whole will do."""
    ((name, value),) = argument.items()
    checked = _coerce(name, value)
    if not isinstance(checked, float) or not checked.is_integer() or checked < low:
        raise InvalidValue(f"{name} must be a whole number >= {low}, got {_shown(value)}")
    return int(checked)


def choice(options: Collection[str], /, **argument: object) -> str:
    """One of a few names; a near miss is answered with the right one."""
    ((name, value),) = argument.items()
    if isinstance(value, str) and value in options:
        return value
    near = difflib.get_close_matches(str(value), options, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InvalidValue(f"{name} must be one of {', '.join(map(repr, options))}, got {value!r}{hint}")


def day(**argument: object) -> dt.date:
    """A calendar day: a ``date``, an ISO string, or a naive ``datetime`` at midnight."""
    ((name, value),) = argument.items()
    if isinstance(value, str):
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            raise InvalidValue(f"{name} must be a day like '2026-10-31', got {value!r}") from None
    if isinstance(value, dt.datetime):
        if value == value and value.tzinfo is None and value.time() == dt.time():
            return value.date()
        raise InvalidValue(f"{name} must be a whole day, got {value!r}; pass .date() of it")
    if isinstance(value, dt.date):
        return value
    raise InvalidType(f"{name} must be a datetime.date or a string like '2026-10-31', got {_shown(value)}")


def time_zone(**argument: object) -> str:
    """The name of a time zone, as in the IANA database."""
    ((name, value),) = argument.items()
    if isinstance(value, str):
        try:
            return ZoneInfo(value).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise InvalidValue(f"{name} must be an IANA time zone such as 'Europe/Paris', got {value!r}")


def aligned(**arguments: Number) -> None:
    """Refuse arrays that cannot be taken element by element."""
    for value in arguments.values():
        if type(value) is not float:
            break
    else:
        return
    shapes = {name: value.shape for name, value in arguments.items() if not isinstance(value, float)}
    if len(shapes) > 1:
        try:
            np.broadcast_shapes(*shapes.values())
        except ValueError:
            listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise InvalidValue(f"arrays must have one shape, or shapes that broadcast, got {listed}") from None


def refuse_if(broken: "bool | np.bool_ | BoolArray", message: str) -> None:
    """Refuse a combination of arguments; the first position at which it breaks is added to the message."""
    where = first_true(broken)
    if where is not None:
        raise InvalidValue(message + (f"; first at [{', '.join(map(str, where))}]" if where else ""))


def refuse_element(
    name: str, value: Number, broken: "bool | np.bool_ | BoolArray", rule: str, remedy: str = ""
) -> None:
    """Refuse the first value that breaks its rule, by its place; ``remedy`` follows the value if it is not missing."""
    where = first_true(broken)
    if where is None:
        return
    spot = f"{name}[{', '.join(map(str, where))}]" if where else name
    element = float(value if isinstance(value, float) else value[where])
    remedy = "; leave missing values out" if math.isnan(element) else remedy
    raise InvalidValue(f"{spot} must be {rule}, got {element:g}{remedy}")


def divide(
    numerator: Number, denominator: Number, *, metric: str, reason: str, undefined: Undefined = "raise"
) -> Number:
    """A ratio that is undefined where its denominator is zero."""
    if undefined != "raise":
        choice(("raise", "nan"), undefined=undefined)
    if isinstance(denominator, float) and isinstance(numerator, float):
        if denominator == 0:
            raise UndefinedMetric(metric, reason)
        return numerator / denominator
    hole = np.equal(denominator, 0)
    refuse_undefined(hole, metric=metric, reason=reason, undefined=undefined)
    shape = np.broadcast_shapes(np.shape(numerator), np.shape(denominator))
    ratio: FloatArray = np.divide(numerator, denominator, out=np.full(shape, np.nan), where=~hole)
    return ratio


def refuse_undefined(
    hole: "bool | np.bool_ | BoolArray", *, metric: str, reason: str, undefined: Undefined = "raise"
) -> None:
    """Refuse where a metric has no value; an array call may ask for NaN in those places instead."""
    if undefined != "raise":
        choice(("raise", "nan"), undefined=undefined)
    where = first_true(hole)
    if where is None:
        return
    if undefined == "raise" or where == ():
        raise UndefinedMetric(metric, reason, where or None)


def first_true(mask: "bool | np.bool_ | BoolArray") -> tuple[int, ...] | None:
    """Index of the first true element; ``()`` for a single true value, ``None`` when there is none."""
    if mask is False:
        return None
    flags = np.asarray(mask)
    if not flags.any():
        return None
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(flags)), flags.shape)) if flags.shape else ()


def freeze(result: object, *names: str) -> None:
    """Replace arrays of a frozen result by copies that cannot be written to."""
    for name in names:
        array = getattr(result, name)
        if array is not None:
            copy = np.array(array)
            copy.flags.writeable = False
            object.__setattr__(result, name, copy)


def _to_float(name: str, value: SupportsFloat) -> float:
    try:
        return float(value)
    except OverflowError:
        raise InvalidValue(f"{name} must be a finite number, got an integer beyond float64") from None


def _coerce(name: str, value: object) -> Number:
    if type(value) is float or type(value) is int:
        return _to_float(name, value)
    if isinstance(value, _REFUSED):
        raise _wrong_kind(name, value)
    if isinstance(value, numbers.Real):
        return _to_float(name, value)
    if isinstance(value, Sequence):
        return _from_sequence(name, value)
    if isinstance(value, np.ma.MaskedArray) and value.mask.any():
        raise InvalidValue(f"{name} has masked values; leave missing values out")
    if hasattr(value, "__array__"):
        return _from_array(name, np.asarray(value))
    raise _wrong_kind(name, value)


def _from_sequence(name: str, value: Sequence[object]) -> Number:
    """Lists need a look at each element: numpy would read ``[1, True]`` as ``[1, 1]``."""
    for i, element in enumerate(value):
        if isinstance(element, _REFUSED):
            raise _wrong_kind(f"{name}[{i}]", element)
    try:
        return _from_array(name, np.asarray(value))
    except OverflowError:
        raise InvalidValue(f"{name} must hold finite numbers, got an integer beyond float64") from None
    except ValueError as error:
        if isinstance(error, InvalidValue):
            raise
        raise InvalidValue(f"{name} must be a rectangular array of numbers") from None


def _from_array(name: str, array: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]") -> Number:
    if array.dtype.kind == "O":
        for i, element in enumerate(array.flat):
            if not isinstance(element, numbers.Real) or isinstance(element, _REFUSED):
                raise _wrong_kind(f"{name}[{i}]", element)
    elif array.size == 0 and array.dtype.kind in "iuf":
        raise InvalidValue(f"{name} is empty; pass at least one number")
    elif array.dtype.kind not in "iuf":
        raise _wrong_kind(name, array.flat[0] if array.size else array)
    floats = array.astype(np.float64)
    return float(floats) if floats.ndim == 0 else floats


def _refuse_where(name: str, value: Number, outside: "bool | np.bool_ | BoolArray", rule: str) -> None:
    refuse_element(name, value, outside | ~np.isfinite(value), rule)


def _wrong_kind(name: str, value: object) -> InvalidType:
    remedy = next((f"; {text}" for kind, text in _REMEDIES.items() if isinstance(value, kind)), "")
    return InvalidType(f"{name} must be a number or an array of numbers, got {_shown(value)}{remedy}")


def _shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"
