"""Sums over histories of which likelihoods are made."""

import numpy as np

from retention_metrics._typing import FloatArray
from retention_metrics.errors import InvalidValue

_MOST_PURCHASES = 10_000_000


def more_than(counts: FloatArray, weights: FloatArray) -> FloatArray:
    """How many customers have a count above 0, above 1, and so on."""
    if counts.size and counts.max() > _MOST_PURCHASES:
        raise InvalidValue(f"no count may exceed {_MOST_PURCHASES:,}, got {counts.max():g}")
    many = np.asarray(np.bincount(counts.astype(np.int64), weights), dtype=np.float64)
    above: FloatArray = np.cumsum(many[::-1])[::-1][1:]
    return above


def rising(start: float, above: FloatArray) -> tuple[float, float, float]:
    """Sum of the logarithms of rising factorials over customers, and its two derivatives.

    One logarithm for each number of purchases that occurs replaces the gamma functions of every customer.
    """
    places = start + np.arange(above.size)
    share = above / places
    return float((above * np.log(places)).sum()), float(share.sum()), -float((share / places).sum())


def pooled(values: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The distinct values and the weight of each."""
    known, inverse = np.unique(values, return_inverse=True)
    return known, np.asarray(np.bincount(inverse, weights, minlength=known.size), dtype=np.float64)


def total(values: FloatArray) -> float:
    """Sum of an array; not a dot product, which threads of BLAS make slow on a busy machine."""
    return float(values.sum())


def sums(*factors: FloatArray) -> float:
    """Sum of the products of arrays, element by element."""
    return float(np.einsum(",".join("i" * len(factors)) + "->", *factors))
