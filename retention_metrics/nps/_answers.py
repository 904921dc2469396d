"""Raw answers: which can be used, which cannot and why, and how many fall into each class."""

import math
import numbers
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retention_metrics._checks import choice
from retention_metrics._typing import BoolArray, FloatArray
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric, by_reason
from retention_metrics.nps._scales import Scale

OnInvalid: TypeAlias = Literal["raise", "exclude"]

MISSING, NOT_A_NUMBER, BOOLEAN = "missing", "not a number", "true or false"
FRACTIONAL, OUT_OF_SCALE, BAD_WEIGHT = "fractional", "out of scale", "weight not a positive number"
_REASONS = ("", MISSING, NOT_A_NUMBER, BOOLEAN, FRACTIONAL, OUT_OF_SCALE, BAD_WEIGHT)
_CODE = {reason: np.uint8(code) for code, reason in enumerate(_REASONS)}
_WRONG_KIND = {NOT_A_NUMBER, BOOLEAN}
_REMEDIES = {
    NOT_A_NUMBER: "convert it to a number",
    BOOLEAN: "an answer is a number, not true or false",
}
_BLOCK_BYTES = 1 << 18


class Answers(NamedTuple):
    """Usable answers as float64 beside the mask that picks them, and the others counted by reason."""

    values: FloatArray
    usable: BoolArray
    excluded: dict[str, int]


def count_classes(array: NDArray[Any], scale: Scale) -> tuple[int, int, int] | None:
    """Detractors, passives and promoters of an integer array in one pass; ``None`` when an answer is off the scale.

    Block by block, so that no copy of the array is ever made; read as unsigned, so that what lies below the scale
    lies far above it and one comparison checks both ends.
    """
    unsigned = array.view(f"u{array.dtype.itemsize}")
    kind = unsigned.dtype.type
    size = _BLOCK_BYTES // unsigned.itemsize
    shifted, above = np.empty(size, kind), np.empty(size, np.bool_)
    low, high = kind(scale.low), scale.high - scale.low
    edges = kind(scale.passive - scale.low), kind(scale.promoter - scale.low)
    not_detractors = promoters = 0
    for first in range(0, unsigned.size, size):
        block = unsigned[first : first + size]
        if low:
            block = np.subtract(block, low, out=shifted[: block.size])
        if block.max() > high:
            return None
        flags = above[: block.size]
        not_detractors += int(np.count_nonzero(np.greater_equal(block, edges[0], out=flags)))
        promoters += int(np.count_nonzero(np.greater_equal(block, edges[1], out=flags)))
    return array.size - not_detractors, not_detractors - promoters, promoters


def to_array(name: str, answers: Any, size: int | None = None) -> NDArray[Any]:
    """One-dimensional answers as an array, without a copy where they are one; lists are looked at with care.

    ``size`` is the number of answers that they have to go with.
    """
    if isinstance(answers, np.ma.MaskedArray):
        gaps = np.ma.getmaskarray(answers)
        answers = answers.data
        if gaps.any():
            answers = answers.astype(object)
            answers[gaps] = None
    if isinstance(answers, Sequence) and not isinstance(answers, (str, bytes)):
        kinds = set(map(type, answers))
        # numpy would read [9, True] as [9, 1] and turn a list with a string into strings.
        array = (
            np.asarray(answers) if kinds <= {int} or kinds <= {float} else np.fromiter(answers, object, len(answers))
        )
        if not kinds:
            array = np.empty(0)
    elif hasattr(answers, "__array__"):
        array = np.asarray(answers)
    else:
        raise InvalidType(
            f"{name} must be a sequence or an array, got {type(answers).__name__}; "
            f"wrap a single one in a list, and make a list of an iterator"
        )
    if array.ndim != 1:
        raise InvalidValue(f"{name} must be one-dimensional, got an array of shape {array.shape}; pass one column")
    if size is not None and array.size != size:
        raise InvalidValue(f"{name} must be one an answer, got {array.size:,} for {size:,} answers")
    return array


def read_answers(
    name: str, answers: NDArray[Any], *, low: int, high: int, on_invalid: OnInvalid, weights: NDArray[Any] | None = None
) -> Answers:
    """Look at every answer: a whole number from ``low`` to ``high``, or a reason why not."""
    choice(("raise", "exclude"), on_invalid=on_invalid)
    values, codes = _coded(answers)
    found = codes == 0
    # An infinity is whole to numpy, and off the scale.
    codes[found & (values != np.floor(values))] = _CODE[FRACTIONAL]
    codes[found & ((values < low) | (values > high))] = _CODE[OUT_OF_SCALE]
    if weights is not None:
        weighed, unweighed = _coded(weights)
        good = (unweighed == 0) & np.isfinite(weighed) & (weighed > 0)
        codes[(codes == 0) & ~good] = _CODE[BAD_WEIGHT]
    counted = np.bincount(codes, minlength=len(_REASONS))
    excluded = {reason: int(counted[code]) for reason, code in _CODE.items() if reason and counted[code]}
    if excluded and on_invalid == "raise":
        raise _refusal(name, answers, weights, codes, excluded, f"a whole number from {low} to {high}")
    return Answers(values, codes == 0, excluded)


def read_ratings(name: str, ratings: Any, *, size: int, on_invalid: OnInvalid) -> tuple[FloatArray, BoolArray]:
    """Ratings on any scale as float64, beside the mask of those that are finite numbers."""
    array = to_array(name, ratings, size)
    values, codes = _coded(array)
    codes[(codes == 0) & ~np.isfinite(values)] = _CODE[MISSING]
    if on_invalid == "raise" and codes.any():
        excluded = {reason: int(np.count_nonzero(codes == code)) for reason, code in _CODE.items() if reason}
        excluded = {reason: count for reason, count in excluded.items() if count}
        raise _refusal(name, array, None, codes, excluded, "a finite number")
    return values, codes == 0


def refuse_none_left(metric: str, usable: int, excluded: dict[str, int]) -> None:
    """Refuse to score nobody."""
    if usable == 0:
        why = f"none of {sum(excluded.values()):,} answers can be used ({by_reason(excluded)})"
        raise UndefinedMetric(metric, why if excluded else "there are no answers")


def _coded(array: NDArray[Any]) -> tuple[FloatArray, NDArray[np.uint8]]:
    """Values as float64, and a code for each that is none."""
    if array.dtype.kind in "iuf":
        values = array.astype(np.float64)
        return values, np.where(np.isnan(values), _CODE[MISSING], np.uint8(0))
    if array.dtype.kind != "O":
        reason = BOOLEAN if array.dtype.kind == "b" else NOT_A_NUMBER
        return np.zeros(array.size), np.full(array.size, _CODE[reason])
    reasons = [_reason(value) for value in array]
    codes = np.array([_CODE[reason] for reason in reasons], dtype=np.uint8)
    values = np.array([0.0 if reason else _bounded(value) for value, reason in zip(array, reasons, strict=True)])
    return values, codes


def is_missing(value: object) -> bool:
    """Whether a value stands for nothing: None, NaN, or what pandas has for it."""
    return (
        value is None
        or type(value).__name__ in ("NAType", "NaTType")
        or (isinstance(value, numbers.Real) and value != value)
    )


def _reason(value: object) -> str:
    if is_missing(value):
        return MISSING
    if isinstance(value, (bool, np.bool_)):
        return BOOLEAN
    return "" if isinstance(value, numbers.Real) else NOT_A_NUMBER


def _bounded(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _refusal(
    name: str, answers: NDArray[Any], weights: Any, codes: NDArray[np.uint8], excluded: dict[str, int], rule: str
) -> InvalidType | InvalidValue:
    """The first thing that is wrong, where it is, and how many there are of each kind."""
    at = int(np.argmax(codes != 0))
    reason = _REASONS[codes[at]]
    what, value = ("weights", weights[at]) if reason == BAD_WEIGHT else (name, answers[at])
    value = value.item() if isinstance(value, np.generic) else value
    rule = "a finite number > 0" if reason == BAD_WEIGHT else rule
    remedy = f" ({_REMEDIES[reason]})" if reason in _WRONG_KIND else ""
    error = InvalidType if reason in _WRONG_KIND else InvalidValue
    shown = repr(value)
    shown = shown if len(shown) <= 40 else shown[:37] + "..."
    return error(
        f"{what}[{at}] must be {rule}, got {shown}{remedy}; in all {sum(excluded.values()):,} of {codes.size:,} "
        f'cannot be used ({by_reason(excluded)}): mend them, or pass on_invalid="exclude" to leave them out'
    )
