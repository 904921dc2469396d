"""Functions that are smooth in the age of a customer, at very many ages at once."""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.polynomial import chebyshev

from retention_metrics._typing import FloatArray, Numbers
from retention_metrics.predictive._histories import parts, per_distinct

_NODES = 64
_CHECKS = 7
_CLOSE = 1e-12
"""A polynomial whose values at the checks are not so close, relatively, is not used."""
_NEGLIGIBLE = 2e-16
_WORTH_IT = 4 * (_NODES + _CHECKS)


@cache
def _places() -> tuple[FloatArray, FloatArray]:
    """Places on -1 to 1, of a polynomial and then of the checks, and the way from values to coefficients."""
    angles = np.pi * (np.arange(_NODES) + 0.5) / _NODES
    into = 2 / _NODES * np.cos(np.arange(_NODES)[:, None] * angles)
    into[0] /= 2
    return np.append(np.cos(angles), np.linspace(-1, 1, _CHECKS)), into


def per_age(function: Callable[..., FloatArray], x: Numbers, T: Numbers, *others: Numbers) -> FloatArray:
    """Values of a function of rows that is smooth in T, worked out once for each distinct row.

    Where very many ages go with one x, and nothing else varies, a Chebyshev polynomial in T takes the place of the
    function, if it is as exact as float64 allows at places where it was not made.
    """
    return per_distinct(lambda *rows: _along(function, *rows), x, T, *others)


def _along(function: Callable[..., FloatArray], x: FloatArray, T: FloatArray, *others: FloatArray) -> FloatArray:
    if x.size < _WORTH_IT or any(other.strides != (0,) for other in others):
        return function(x, T, *others)
    counts, group, many = np.unique(x, return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    rows = np.split(order, np.cumsum(many)[:-1])
    large = [(count, at) for count, at in zip(counts, rows, strict=True) if at.size >= _WORTH_IT and np.ptp(T[at]) > 0]
    if not large:
        return function(x, T, *others)
    places, into = _places()
    lows, highs = (np.array([end(T[at]) for _, at in large])[:, None] for end in (np.min, np.max))
    middles, halves = (lows + highs) / 2, (highs - lows) / 2
    ages = middles + halves * places
    wide = np.repeat([count for count, _ in large], places.size)
    known = function(wide, ages.ravel(), *(np.broadcast_to(other[:1], wide.shape) for other in others))
    known = known.reshape(ages.shape)
    found, left = np.empty(x.shape), np.ones(x.shape, dtype=bool)
    for (_, at), values, middle, half in zip(large, known, middles[:, 0], halves[:, 0], strict=True):
        coefficients = np.einsum("ij,j->i", into, values[:_NODES])
        seen = np.flatnonzero(np.abs(coefficients) > _NEGLIGIBLE * np.abs(coefficients).max())
        coefficients = coefficients[: seen[-1] + 1] if seen.size else coefficients[:1]
        checks = values[_NODES:]
        if (np.abs(chebyshev.chebval(places[_NODES:], coefficients) - checks) > _CLOSE * np.abs(checks)).any():
            continue
        left[at] = False
        for part in parts(at.size):
            found[at[part]] = chebyshev.chebval((T[at[part]] - middle) / half, coefficients)
    rest = np.flatnonzero(left)
    if rest.size:
        found[rest] = function(x[rest], T[rest], *(np.broadcast_to(other[:1], rest.shape) for other in others))
    return found
