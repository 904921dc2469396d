"""What each interval is worth: its coverage, from every sample that can happen."""

import math

import numpy as np

from retention_metrics._checks import at_least, choice, whole
from retention_metrics._stats import two_sided_z
from retention_metrics._typing import FloatArray
from retention_metrics.errors import InvalidValue
from retention_metrics.nps import _intervals
from retention_metrics.nps._intervals import Counts, IntervalMethod
from retention_metrics.nps._score import BLIND, CLOSED, METHODS

_LARGEST_ENUMERATION = 400


def coverage(
    shares: tuple[float, float, float], *, n: int, method: IntervalMethod = "score", level: float = 0.95
) -> float:
    r"""Exact probability that an interval contains the true score, found by looking at every possible sample.

    .. math:: \sum_{(p, q, d)} \text{P}(p, q, d) \; [\text{low}(p, q, d) \le \text{NPS} \le \text{high}(p, q, d)]

    over all counts that add up to ``n``. A good method stays near ``level``; a unanimous sample, where some methods
    have no interval, counts as a miss for them.

    Args:
        shares: True shares of promoters, passives and detractors; they add up to 1.
        n: Number of answers, from 1 to 400.
        method: A method of :meth:`NpsScore.interval`, in its default form.
        level: Confidence level, between 0 and 1.

    Returns:
        A probability.

    Raises:
        InvalidValue: ``shares`` are no three fractions that add up to 1, or ``n`` is out of range.

    Examples:
        >>> round(coverage((0.7, 0.2, 0.1), n=10, method="wald"), 3)
        0.877
        >>> round(coverage((0.7, 0.2, 0.1), n=10, method="score"), 3)
        0.961

    References:
        The exact coverage studies of Rocks (2016), *The American Statistician* 70(4), 365-372.
    """
    choice(METHODS, method=method)
    two_sided_z(level)
    true = np.asarray(at_least(0, shares=shares))
    if true.shape != (3,) or not math.isclose(true.sum(), 1, abs_tol=1e-9):
        raise InvalidValue(f"shares must be three fractions that add up to 1, got {shares!r}")
    if whole(1, n=n) > _LARGEST_ENUMERATION:
        raise InvalidValue(f"n must be at most {_LARGEST_ENUMERATION} to look at every sample, got {n:,}")
    p, d = (table.ravel() for table in np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij"))
    p, d = p[p + d <= n], d[p + d <= n]
    counts = Counts(p.astype(float), (n - p - d).astype(float), d.astype(float))
    score_ = true[0] - true[2]
    if method == "dirichlet":
        inside = _intervals.dirichlet_holds(counts.plus(1, 1, 1), np.full(counts.size.shape, score_), level)
    else:
        low, high = CLOSED[method](counts, level) if method in CLOSED else _resampled_tables(counts, method, level)
        unseen = (counts.variance == 0) & (method in BLIND)
        inside = (low <= score_ + 1e-12) & (high >= score_ - 1e-12) & ~unseen
    return float(_multinomial(counts, true)[inside].sum())


def _resampled_tables(counts: Counts, method: str, level: float) -> _intervals.Limits:
    limits = np.empty((counts.size.size, 2))
    for i, (p, q, d) in enumerate(zip(*(part.astype(int).tolist() for part in counts), strict=True)):
        chances = _intervals.resampled(p, q, d)
        one = Counts(*(part[i : i + 1] for part in counts))
        limits[i] = (
            _intervals.bootstrap(chances, level) if method == "bootstrap" else _intervals.bca(chances, one, level)
        )
    return limits[:, 0], limits[:, 1]


def _multinomial(counts: Counts, shares: FloatArray) -> FloatArray:
    """Probability of each table of counts."""
    n = int(counts.size[0])
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    with np.errstate(divide="ignore"):
        logs = np.log(shares)
    chance = np.full(counts.size.size, log_factorial[n])
    for part, log in zip(counts, logs, strict=True):
        chance -= log_factorial[part.astype(int)]
        chance += np.where(part > 0, part * log, 0.0) if log > -math.inf else np.where(part > 0, -math.inf, 0.0)
    probability: FloatArray = np.exp(chance)
    return probability
