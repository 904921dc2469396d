"""Quantiles that are values which were attained."""

import math
from typing import TypeVar

import numpy as np

from retention_metrics._typing import FloatArray, IntArray
from retention_metrics.cashflow._policy import exact_ratio

Values = TypeVar("Values", IntArray, FloatArray)


def attained(values: Values, level: float) -> Values:
    r"""The smallest value of the last axis that at least a share ``level`` of the values does not exceed.

    .. math:: q = x_{(\lceil n \cdot \text{level} \rceil)}

    The rank is computed in whole numbers: 95 % of 20 values is the 19th, whatever 0.95 * 20 is in floating point.

    References:
        Hyndman & Fan (1996), *The American Statistician* 50, 361-365, definition 1: the inverse of the empirical CDF.
    """
    place = rank(level, values.shape[-1]) - 1
    found: Values = np.partition(values, place, axis=-1)[..., place]
    return found


def rank(level: float, n: int) -> int:
    """How many of n values make up at least a share ``level``; one at the least."""
    return max(1, math.ceil(exact_ratio(level) * n))
