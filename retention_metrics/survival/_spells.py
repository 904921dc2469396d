"""Lifetimes as they come in: checked, and counted by their length."""

from typing import Any, NamedTuple

import numpy as np

from retention_metrics._checks import at_least, refuse_if
from retention_metrics._typing import BoolArray, FloatArray, Number
from retention_metrics.errors import InvalidType, InvalidValue


class Spells(NamedTuple):
    """Lifetimes: how long, whether over, from when on in view, and for how many customers each stands."""

    durations: FloatArray
    observed: BoolArray | None
    entry: FloatArray | None
    weights: FloatArray | None


def read_spells(durations: Any, observed: Any, entry: Any, weights: Any) -> Spells:
    """Check the columns of some lifetimes."""
    lengths = _column("durations", at_least(0, durations=durations))
    left = None if observed is None else _flags(observed, lengths.size)
    entered = None if entry is None else _column("entry", at_least(0, entry=entry), lengths.size)
    counts = None if weights is None else _column("weights", at_least(0, open_low=True, weights=weights), lengths.size)
    if entered is not None:
        unseen = (entered >= lengths) & (entered > 0)
        refuse_if(unseen, "entry must be below durations: nobody is seen before coming into view")
    return Spells(lengths, left, entered, counts)


def _column(name: str, values: Number, size: int | None = None) -> FloatArray:
    if isinstance(values, float) or values.ndim != 1:
        raise InvalidValue(f"{name} must be one-dimensional, one element a customer")
    if size is not None and values.size != size:
        raise InvalidValue(f"{name} must be one a customer, got {values.size:,} for {size:,} durations")
    return values


def _flags(observed: Any, size: int) -> BoolArray:
    flags = np.asarray(observed)
    if flags.dtype.kind in "iu" and np.isin(flags, (0, 1)).all():
        flags = flags.astype(np.bool_)
    if flags.dtype.kind != "b":
        raise InvalidType(f"observed must be true or false (or 1 or 0) for each customer, got {flags.dtype} values")
    if flags.shape != (size,):
        raise InvalidValue(f"observed must be one a customer, got {flags.size:,} for {size:,} durations")
    return flags


def count_spells(spells: Spells) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Distinct durations with the customers who left and who were last seen at each."""
    lengths, left, weights = spells.durations, spells.observed, spells.weights
    top = float(lengths.max())
    if top <= 10 * lengths.size + 1_000 and (lengths == np.floor(lengths)).all():
        where = lengths.astype(np.int64)
        gone, events = _sums(where, left, weights, int(top) + 1)
        times = np.flatnonzero(gone)
        return times.astype(np.float64), events[times], (gone - events)[times]
    order = np.argsort(lengths)
    ascending = lengths[order]
    new = np.concatenate([[True], ascending[1:] != ascending[:-1]])
    where = np.cumsum(new) - 1
    gone, events = _sums(
        where, None if left is None else left[order], None if weights is None else weights[order], int(where[-1]) + 1
    )
    return ascending[new], events, gone - events


def _sums(where: Any, left: BoolArray | None, weights: FloatArray | None, size: int) -> tuple[FloatArray, FloatArray]:
    gone = np.bincount(where, weights=weights, minlength=size).astype(np.float64)
    if left is None:
        return gone, gone
    leavers = np.bincount(where[left], weights=None if weights is None else weights[left], minlength=size)
    return gone, leavers.astype(np.float64)
