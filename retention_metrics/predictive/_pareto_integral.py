"""The one integral on which the Pareto/NBD model rests: the customer left between the last purchase and now."""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np

from retention_metrics._typing import FloatArray, IntArray
from retention_metrics.predictive._special import legendre

Parameters: TypeAlias = tuple[float, float, float, float]
"""The four of the Pareto/NBD model: r, alpha, s, beta."""

_FALL = 44.0
"""Beyond a fall by e**-44 the integrand no longer counts."""
_PLAIN = 100.0
"""Up to such shapes the rounding of plain logarithms does not count; they cost a third of those of 1 plus little."""
_NEWTON = 60
_CELLS = 1 << 15
_GRADES = ((3.0, 8.0, 12), (5.0, 20.0, 16), (14.0, _FALL + 1, 40), (np.inf, np.inf, 96))
"""Longest stretch, largest fall on it, and how many places give it to rounding."""


class LeftBetween(NamedTuple):
    """Places between the last purchase and now, weighted by how likely the customer left there.

    Attributes:
        rows: Which of the histories these are.
        log_total: Logarithm of the integral.
        weights: Weights of the places, one row a history; each row adds up to 1.
        times: The places themselves.
        by_alpha: Logarithm of (alpha + place) / (alpha + last purchase).
        by_beta: The same for beta.
    """

    rows: IntArray
    log_total: FloatArray
    weights: FloatArray
    times: FloatArray
    by_alpha: FloatArray
    by_beta: FloatArray


def left_between(x: FloatArray, last: FloatArray, T: FloatArray, parameters: Parameters) -> Iterator[LeftBetween]:
    r"""The integral of leaving, with the places that carry it, a batch of histories at a time.

    .. math:: \int_{t_x}^{T} \Big(\frac{\alpha + t_x}{\alpha + y}\Big)^{r + x}
        \Big(\frac{\beta + t_x}{\beta + y}\Big)^{s} \frac{dy}{\beta + y}

    In the closed form the two hypergeometric functions of its ends cancel; here everything is positive. The variable is
    the logarithm of y plus the smaller of alpha and beta, in which the integrand is smooth; Gauss-Legendre quadrature
    as far as the integrand counts, with as many places as its shape needs.
    """
    r, alpha, s, beta = parameters
    base, other = min(alpha, beta), max(alpha, beta)
    near, far = ((s + 1) * np.ones_like(x), r + x) if beta < alpha else (r + x, (s + 1) * np.ones_like(x))
    share = (base + last) / (other + last)
    span, fall = _reach(near, far, share, np.log1p((T - last) / (base + last)))
    waiting = np.ones(x.shape, dtype=bool)
    for longest, deepest, nodes in _GRADES:
        chosen = waiting & (span <= longest) & (fall <= deepest)
        waiting &= ~chosen
        rows = np.flatnonzero(chosen)
        batch = max(_CELLS // nodes, 1)
        for start in range(0, rows.size, batch):
            at = rows[start : start + batch]
            yield _batch(at, x[at], last[at], span[at], share[at], parameters, nodes)


def _batch(
    rows: IntArray,
    x: FloatArray,
    last: FloatArray,
    span: FloatArray,
    share: FloatArray,
    parameters: Parameters,
    nodes: int,
) -> LeftBetween:
    r, alpha, s, beta = parameters
    places, weights = legendre(nodes)
    by_base = span[:, None] * places
    if max(r, s) > _PLAIN:
        grown = np.expm1(by_base)
        by_other = np.log1p(share[:, None] * grown)
    else:
        grown = np.exp(by_base)
        grown -= 1
        by_other = share[:, None] * grown
        by_other += 1
        np.log(by_other, out=by_other)
    by_alpha, by_beta = (by_base, by_other) if alpha <= beta else (by_other, by_base)
    start = min(alpha, beta) + last
    heights = (r + x)[:, None] * by_alpha
    np.subtract(by_base, heights, out=heights)
    heights -= (s + 1) * by_beta
    np.exp(heights, out=heights)
    heights *= weights
    total = heights.sum(axis=1)
    with np.errstate(divide="ignore"):
        logs = np.log(total * span * start / (beta + last))
    heights /= total[:, None]
    grown *= start[:, None]
    grown += last[:, None]
    return LeftBetween(rows, logs, heights, grown, by_alpha, by_beta)


def _reach(near: FloatArray, far: FloatArray, share: FloatArray, span: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How far one need go until the integrand has fallen enough, and the fall; convex, so Newton comes from above."""
    reach = span.copy()
    for _ in range(_NEWTON):
        grown = share * np.expm1(reach)
        fall = near * reach + far * np.log1p(grown)
        more = fall > _FALL + 0.5
        if not more.any():
            break
        slope = near + far * (grown + share) / (1 + grown)
        reach = np.where(more, np.maximum(reach - (fall - _FALL) / slope, 0), reach)
    return reach, fall
