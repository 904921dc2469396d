"""Tails of the Poisson, binomial and Student distributions, and the exact limits that follow from them.

A tail is summed outward from its largest term, and a limit is found by Newton's method on the logarithm of the tail.
That is concave in the logarithm of the mean, and in the log odds of the share, so that after the first step Newton
comes nearer from one side and cannot fail.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from retention_metrics._typing import FloatArray

_BLOCK = 64
_STEPS = 100
_CLOSE = 1e-12
_HALVINGS = 100

_log_factorial = np.vectorize(lambda n: math.lgamma(n + 1), otypes=[np.float64])
_Tail: TypeAlias = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


def poisson_limits(counts: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Exact limits of the mean of Poisson counts, (1 - level) / 2 in each tail; the lower is 0 for a count of 0.

    References:
        Garwood (1936), *Biometrika* 28, 437-442.
    """
    tail = (1 - level) / 2
    distinct, place = np.unique(counts, return_inverse=True)
    return _poisson_low(distinct, tail)[place], poisson_high(distinct, tail)[place]


def poisson_high(counts: FloatArray, tail: float) -> FloatArray:
    """The mean under which so few as the count have the probability ``tail``.

    References:
        Garwood (1936), *Biometrika* 28, 437-442.
    """

    def at_most(u: FloatArray) -> tuple[FloatArray, FloatArray]:
        mean = np.exp(u)
        ratio = _outward(lambda j: (counts[:, None] - j) / mean[:, None], counts.size)
        return counts * u - mean - _log_factorial(counts) + np.log(ratio), -mean / ratio

    return np.exp(_solve(at_most, np.log(counts + 1), math.log(tail)))


def _poisson_low(counts: FloatArray, tail: float) -> FloatArray:
    some = np.maximum(counts, 1.0)

    def at_least(u: FloatArray) -> tuple[FloatArray, FloatArray]:
        mean = np.exp(u)
        ratio = _outward(lambda j: mean[:, None] / (some[:, None] + 1 + j), some.size)
        return some * u - mean - _log_factorial(some) + np.log(ratio), some / ratio

    return np.where(counts > 0, np.exp(_solve(at_least, np.log(some), math.log(tail))), 0.0)


def binomial_limits(successes: int, trials: int, tail: float) -> tuple[float, float]:
    """Exact limits of a share, ``tail`` outside on each side.

    References:
        Clopper & Pearson (1934), *Biometrika* 26, 404-413.
    """
    low = 0.0 if successes == 0 else _binomial_low(successes, trials, tail)
    high = 1.0 if successes == trials else 1 - _binomial_low(trials - successes, trials, tail)
    return low, high


def _binomial_low(successes: int, trials: int, tail: float) -> float:
    """The share under which so many as the successes have the probability ``tail``."""
    k, n = np.array([float(successes)]), np.array([float(trials)])

    def at_least(u: FloatArray) -> tuple[FloatArray, FloatArray]:
        share = 1 / (1 + np.exp(-u))
        logarithm, ratio = _binomial_at_least(k, n, share)
        return logarithm, k * (1 - share) / ratio

    start = np.log((k + 0.5) / (n - k + 0.5))
    return float(1 / (1 + np.exp(-_solve(at_least, start, math.log(tail))))[0])


def binomial_p(successes: FloatArray, trials: FloatArray, share: FloatArray) -> FloatArray:
    """Two-sided exact p-values of counts under shares between 0 and 1: twice the smaller tail, at most 1."""
    above = successes >= trials * share
    k = np.where(above, successes, trials - successes)
    logarithm, _ = _binomial_at_least(k, trials, np.where(above, share, 1 - share))
    both: FloatArray = np.minimum(2 * np.exp(logarithm), 1.0)
    return both


def _binomial_at_least(k: FloatArray, n: FloatArray, share: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Logarithm of the probability of k or more, and that over the probability of k."""
    odds = (share / (1 - share))[:, None]
    ratio = _outward(lambda j: (n[:, None] - k[:, None] - j) / (k[:, None] + 1 + j) * odds, k.size)
    choose = _log_factorial(n) - _log_factorial(k) - _log_factorial(n - k)
    return choose + k * np.log(share) + (n - k) * np.log1p(-share) + np.log(ratio), ratio


def binomial_quantiles(successes: int, trials: int, tail: float) -> tuple[int, int]:
    """Counts with at least ``tail`` at or below, and at least 1 - ``tail``, when the share is the one observed."""
    reach = math.ceil(12 * math.sqrt(trials) + 12)
    counts = np.arange(max(successes - reach, 0), min(successes + reach, trials) + 1)
    share = successes / trials
    steps = np.log((trials - counts[:-1]) / counts[1:]) + math.log(share / (1 - share))
    logarithms = np.concatenate([[0.0], np.cumsum(steps)])
    chances = np.exp(logarithms - logarithms.max())
    below = np.cumsum(chances) / chances.sum()
    return int(counts[np.searchsorted(below, tail)]), int(counts[np.searchsorted(below, 1 - tail)])


def student_p(t: float, degrees_of_freedom: int) -> float:
    r"""Probability of a Student deviate at least as far from zero, for whole degrees of freedom; a finite sum.

    References:
        Abramowitz & Stegun (1964), *Handbook of Mathematical Functions*, 26.7.3 and 26.7.4.
    """
    angle = math.atan2(abs(t), math.sqrt(degrees_of_freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees_of_freedom % 2
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for i in range(degrees_of_freedom // 2):
        total += term
        term *= cosine**2 * ((2 * i + 2) / (2 * i + 3) if odd else (2 * i + 1) / (2 * i + 2))
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return max(1 - inside, 0.0)


def student_quantile(level: float, degrees_of_freedom: int) -> float:
    """The deviate that leaves ``1 - level`` outside, half on each side."""
    low, high = 0.0, math.pi / 2
    for _ in range(_HALVINGS):
        angle = (low + high) / 2
        if student_p(math.tan(angle), degrees_of_freedom) > 1 - level:
            low = angle
        else:
            high = angle
    return math.tan(low)


def _outward(ratios: Callable[[FloatArray], FloatArray], rows: int) -> FloatArray:
    """The sum of 1, r_0, r_0 r_1, ... in each row, until the terms no longer count."""
    total, term = np.ones(rows), np.ones(rows)
    begin = 0
    while (term > _CLOSE * 1e-6 * total).any():
        steps = np.maximum(ratios(np.arange(begin, begin + _BLOCK, dtype=np.float64)), 0.0)
        terms = term[:, None] * np.cumprod(steps, axis=1)
        total += terms.sum(axis=1)
        term = terms[:, -1]
        begin += _BLOCK
    return total


def _solve(log_tail: _Tail, start: FloatArray, target: float) -> FloatArray:
    """Where the logarithm of a tail, concave and monotone, reaches its target."""
    u = start
    for _ in range(_STEPS):
        value, slope = log_tail(u)
        step = (target - value) / slope
        u = u + step
        if (np.abs(step) <= _CLOSE * (1 + np.abs(u))).all():
            break
    return u
