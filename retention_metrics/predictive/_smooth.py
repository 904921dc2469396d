"""Functions that are smooth in the age of a customer, at very many ages at once."""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.polynomial import chebyshev

from retention_metrics._typing import FloatArray, Numbers
from retention_metrics.predictive._histories import flat, hardly_alike, per_distinct
from retention_metrics.predictive._sums import blocks

_NODES = 64
_CHECKS = 7
_CLOSE = 1e-12
"""A polynomial whose values at the checks are not so close, relatively, is not used."""
_TAIL = 8
_FLAT = 1e-14
"""The last coefficients of a polynomial that leaves nothing out, as a share of the largest."""
_PIECES = 512
_DEGREE = 6
_WORTH_IT = 4 * (_NODES + _CHECKS)
_MANY = 1 << 14
_MOST_PURCHASES = 1 << 20


@cache
def _places() -> tuple[FloatArray, FloatArray]:
    """Places on -1 to 1, of a polynomial and then of the checks, and the way from values to coefficients."""
    angles = np.pi * (np.arange(_NODES) + 0.5) / _NODES
    into = 2 / _NODES * np.cos(np.arange(_NODES)[:, None] * angles)
    into[0] /= 2
    return np.append(np.cos(angles), np.linspace(-1, 1, _CHECKS)), into


@cache
def _pieces() -> tuple[FloatArray, FloatArray, FloatArray]:
    """The way from Chebyshev coefficients to those of short pieces, powers of a place on -1 to 1 in each piece.

    And values at places of checks: those of the long polynomial by its coefficients, those of the pieces by theirs.
    """
    nodes = np.cos(np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
    checks = np.array([-1.0, -0.6, 0.1, 0.8])
    middles = (np.arange(_PIECES) * 2 + 1)[:, None] / _PIECES - 1

    def values(places: FloatArray) -> FloatArray:
        return np.asarray(chebyshev.chebvander(middles + places / _PIECES, _NODES - 1), dtype=np.float64)

    powers = np.linalg.inv(np.vander(nodes, increasing=True))
    return (
        np.einsum("ij,kjl->ikl", powers, values(nodes)),
        values(checks),
        np.vander(checks, _DEGREE + 1, increasing=True),
    )


def per_age(function: Callable[..., FloatArray], x: Numbers, T: Numbers, *others: Numbers) -> FloatArray:
    """Values of a function of rows that is smooth in T, worked out once for each distinct row.

    Where very many ages go with one x, and nothing else varies, a Chebyshev polynomial in T takes the place of the
    function, and short pieces of low degree that of the polynomial, if they are as exact as float64 allows at places
    where they were not made.
    """
    arrays = np.broadcast_arrays(*(np.asarray(column, dtype=np.float64) for column in (x, T, *others)))
    rows = [flat(array) for array in arrays]
    if rows[1].size >= _MANY and hardly_alike(rows[1]):
        return _along(function, *rows).reshape(arrays[0].shape)
    return per_distinct(lambda *some: _along(function, *some), x, T, *others)


def few_ages(T: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ages and weights, over which a function that is smooth in T has the same sum as over very many customers."""
    low, high = float(T.min()), float(T.max())
    middle, half = (low + high) / 2, (high - low) / 2 or 1.0
    places, into = _places()
    sums = np.zeros(_NODES)
    for part in blocks(T.size):
        place = (T[part] - middle) / half
        before, polynomial, twice = place, np.ones(place.size), 2 * place
        for i in range(_NODES):
            sums[i] += np.einsum("i,i->", polynomial, weights[part])
            before, polynomial = polynomial, twice * polynomial - before
    return np.maximum(middle + half * places[:_NODES], 0), np.einsum("ij,i->j", into, sums)


def smooth(values: FloatArray) -> bool:
    """Whether the values of a function at few ages are enough to know it at all ages between."""
    coefficients = np.abs(np.einsum("ij,j->i", _places()[1], values))
    return bool(coefficients[-_TAIL:].max() <= _FLAT * coefficients.max())


def _along(function: Callable[..., FloatArray], x: FloatArray, T: FloatArray, *others: FloatArray) -> FloatArray:
    if x.size < _WORTH_IT or x.max() > _MOST_PURCHASES or any(other.strides != (0,) for other in others):
        return function(x, T, *others)
    low, high = float(T.min()), float(T.max())
    many = np.bincount(x.astype(np.int64))
    counts = np.flatnonzero(many >= _WORTH_IT)
    if not counts.size or not low < high:
        return function(x, T, *others)
    places, into = _places()
    ages = np.tile((low + high) / 2 + (high - low) / 2 * places, counts.size)
    wide = np.repeat(counts.astype(np.float64), places.size)
    known = function(wide, ages, *(np.broadcast_to(other[:1], wide.shape) for other in others))
    known = known.reshape(counts.size, places.size)
    table, exact = _table(known, into)
    # Counts without an exact polynomial point beyond, to zeros, and are asked for one by one.
    first = np.full(many.size, counts.size * _PIECES)
    first[counts[exact]] = np.flatnonzero(exact) * _PIECES
    found = np.empty(x.shape)
    for part in blocks(x.size):
        place = T[part] - low
        place *= _PIECES / (high - low)
        piece = np.minimum(place.astype(np.int64), _PIECES - 1)
        place -= piece
        place *= 2
        place -= 1
        piece += first[x[part].astype(np.int64)]
        values = table[-1].take(piece)
        for row in table[-2::-1]:
            values *= place
            values += row.take(piece)
        found[part] = values
    many[counts[exact]] = 0
    if many.any():
        rest = np.flatnonzero(many[x.astype(np.int64)])
        found[rest] = function(x[rest], T[rest], *(np.broadcast_to(other[:1], rest.shape) for other in others))
    return found


def _table(known: FloatArray, into: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Coefficients of the pieces of each function, power by power, and at the end one of 0; which are exact."""
    long = np.einsum("ij,kj->ki", into, known[:, :_NODES])
    checks = known[:, _NODES:]
    ends = chebyshev.chebval(_places()[0][_NODES:], long.T)
    exact = (np.abs(ends - checks) <= _CLOSE * np.abs(checks)).all(axis=1)
    to_pieces, at_checks, powers = _pieces()
    pieces = np.einsum("ikl,jl->ijk", to_pieces, long)
    right = np.einsum("kcl,jl->jkc", at_checks, long)
    off = np.abs(np.einsum("ijk,ci->jkc", pieces, powers) - right)
    exact &= (off <= _CLOSE * np.abs(right)).all(axis=(1, 2))
    table = np.zeros((_DEGREE + 1, (len(known) + 1) * _PIECES))
    table[:, :-_PIECES] = pieces.reshape(_DEGREE + 1, -1)
    return table, exact
