"""Confidence limits of a Net Promoter Score from the three counts of a sample, on the scale -1 to 1.

Every method takes arrays of counts, which need not be whole: a weighted sample counts for its effective size.
"""

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from retention_metrics._stats import two_sided_z
from retention_metrics._typing import BoolArray, FloatArray
from retention_metrics.errors import UndefinedMetric

IntervalMethod: TypeAlias = Literal[
    "score", "adjusted_wald", "adjusted_wald_z2", "wald", "goodman", "dirichlet", "bootstrap", "bca"
]
Limits: TypeAlias = tuple[FloatArray, FloatArray]

_HALVINGS = 60
_NEGLIGIBLE = 37.0  # exp(-37) is below rounding
_NOISE = 1e-15  # what the transform leaves where the chance is 0
_CHUNK = 128
_NORMAL = NormalDist()


class Counts(NamedTuple):
    """Promoters, passives and detractors of some samples."""

    promoters: FloatArray
    passives: FloatArray
    detractors: FloatArray

    @property
    def size(self) -> FloatArray:
        """Answers in each sample."""
        return self.promoters + self.passives + self.detractors

    @property
    def mean(self) -> FloatArray:
        """Score of each sample, from -1 to 1."""
        score: FloatArray = (self.promoters - self.detractors) / self.size
        return score

    @property
    def variance(self) -> FloatArray:
        """Variance of one answer, coded 1, 0 and -1, in each sample: p + d - (p - d)^2."""
        spread: FloatArray = (self.promoters + self.detractors) / self.size - self.mean**2
        return np.maximum(spread, 0.0)

    def plus(self, promoters: float, passives: float, detractors: float) -> "Counts":
        """The samples with so many answers added to each class."""
        return Counts(self.promoters + promoters, self.passives + passives, self.detractors + detractors)


def adjusted(counts: Counts) -> Counts:
    """Three answers more, a quarter, a half and a quarter of them in the three classes."""
    return counts.plus(0.75, 1.5, 0.75)


def wald(counts: Counts, level: float) -> Limits:
    """Mean plus and minus z standard errors."""
    return _around(counts, two_sided_z(level))


def adjusted_wald(counts: Counts, level: float) -> Limits:
    """Wald's limits after adding three answers; the centre moves with them."""
    return wald(adjusted(counts), level)


def adjusted_wald_z2(counts: Counts, level: float) -> Limits:
    """Wald's limits after adding z^2 answers, a third of them to each class."""
    third = two_sided_z(level) ** 2 / 3
    return wald(counts.plus(third, third, third), level)


def goodman(counts: Counts, level: float) -> Limits:
    """Wald's limits for all contrasts of the three classes at once: z^2 becomes chi^2 with 2 degrees of freedom."""
    two_sided_z(level)
    return _around(counts, math.sqrt(-2 * math.log1p(-level)))


def score(counts: Counts, level: float) -> Limits:
    """All scores that a score test does not reject, the variance taken under the score that is tested."""
    z = two_sided_z(level)
    mean = counts.mean
    low = _last_where(lambda tested: _excess(counts, tested) > z * _spread(counts, tested), -np.ones_like(mean), mean)
    mirrored = Counts(counts.detractors, counts.passives, counts.promoters)
    high = _last_where(
        lambda tested: _excess(mirrored, tested) > z * _spread(mirrored, tested), -np.ones_like(mean), -mean
    )
    return low, -high


def dirichlet(alphas: Counts, level: float) -> Limits:
    """Quantiles of p - d where the shares have a Dirichlet distribution: equal tails are left out."""
    two_sided_z(level)
    tail = (1 - level) / 2
    one = np.ones_like(alphas.mean)
    low = _last_where(lambda x: _tail_below(alphas, x, tail), -one, one)
    high = _last_where(lambda x: _tail_below(alphas, x, 1 - tail), -one, one)
    return low, high


def dirichlet_holds(alphas: Counts, x: FloatArray, level: float) -> BoolArray:
    """Whether the interval of :func:`dirichlet` holds x, without looking for its limits."""
    tail = (1 - level) / 2
    return ~_tail_below(alphas, x, tail) & _tail_below(alphas, x, 1 - tail)


def _tail_below(alphas: Counts, x: FloatArray, tail: float) -> BoolArray:
    r"""Whether the probability that p - d is at most x is below ``tail``.

    With independent gamma variables G the shares are G / sum(G), and p - d <= x says that
    L = (1 - x) G_p - x G_q - (1 + x) G_d <= 0. The distribution of such a sum follows from its characteristic
    function by the inversion of Gil-Pelaez (1951); over ln t the trapezoidal rule converges faster than any power.
    Where L lies too many standard deviations from 0, Cantelli's inequality has the answer already.
    """
    weights = np.stack([1 - x, -x, -1 - x], axis=-1)
    shapes = np.stack(alphas, axis=-1)
    scale = np.sqrt((shapes * weights**2).sum(axis=-1))
    distance = (shapes * weights).sum(axis=-1) / scale
    reach = math.sqrt(1 / min(tail, 1 - tail) - 1)
    below: BoolArray = distance > 0
    (open_,) = np.nonzero(np.abs(distance) <= reach)
    # Near the ends of the scale all but one of the three variables may be too small to make the integrand fall.
    ends = -40 - math.log1p(reach), 8 + 40 / float(min(alphas.promoters.min(), alphas.detractors.min()))
    for first in range(0, open_.size, _CHUNK):
        part = open_[first : first + _CHUNK]
        rates = (weights[part] / scale[part, None])[..., None]
        chance = 0.5 - _inverted(rates, shapes[part, :, None], *ends) / math.pi
        below[part] = chance < tail
    return below


def _inverted(rates: FloatArray, shapes: FloatArray, low: float, high: float) -> FloatArray:
    """Integral over ln t of the imaginary part of the characteristic function of a sum of gamma variables."""
    coarse = np.arange(low, high, 0.25)
    with np.errstate(over="ignore"):
        turns = rates * np.exp(coarse)
        loud = (shapes * np.log1p(turns * turns)).sum(axis=1) < 2 * _NEGLIGIBLE
        swings = np.abs((shapes * turns / (1 + turns * turns)).sum(axis=1))
    # Fine enough for the fastest swing, and beyond it so fine that the error falls below rounding.
    step = 2 * math.pi / (float(swings[loud].max()) + _NEGLIGIBLE / 0.7)
    last = coarse[np.flatnonzero(loud.any(axis=0))[-1]] + 0.25
    turns = rates * np.exp(np.arange(low, last, step))
    size = np.exp(-0.5 * (shapes * np.log1p(turns * turns)).sum(axis=1))
    imaginary: FloatArray = (size * np.sin((shapes * np.arctan(turns)).sum(axis=1))).sum(axis=1)
    return step * imaginary


def resampled(promoters: int, passives: int, detractors: int) -> FloatArray:
    """Probability of every sum -n .. n of n answers drawn with replacement from a sample: its exact bootstrap."""
    n = promoters + passives + detractors
    size = 2 * n + 1
    turn = 2 * math.pi * np.fft.rfftfreq(size)
    one = (promoters * np.exp(-1j * turn) + passives + detractors * np.exp(1j * turn)) / n
    sums = np.fft.irfft(one**n, size)
    chances: FloatArray = np.roll(sums, n)
    chances[chances < _NOISE] = 0.0
    return chances


def drawn(promoters: int, passives: int, detractors: int, rng: np.random.Generator, draws: int) -> FloatArray:
    """The same from random draws, for samples too large for the exact distribution."""
    n = promoters + passives + detractors
    found = rng.multinomial(n, [promoters / n, passives / n, detractors / n], size=draws)
    return np.bincount(found[:, 0] - found[:, 2] + n, minlength=2 * n + 1) / draws


def bootstrap(chances: FloatArray, level: float) -> tuple[float, float]:
    """Percentiles of the resampled score."""
    two_sided_z(level)
    return _quantile(chances, (1 - level) / 2), _quantile(chances, (1 + level) / 2)


def bca(chances: FloatArray, counts: Counts, level: float) -> tuple[float, float]:
    """Percentiles of the resampled score, corrected for bias and for the change of its spread with the score."""
    z = two_sided_z(level)
    mean, n = float(counts.mean[0]), (chances.size - 1) // 2
    at = round(mean * n) + n
    below = float(chances[:at].sum() + chances[at] / 2)
    if not 0 < below < 1 or chances[at] > 1 - 1e-12:
        return mean, mean
    bias = _NORMAL.inv_cdf(below)
    shares = np.concatenate(counts) / n
    off = np.array([1.0, 0.0, -1.0]) - mean
    skew = float((shares * off**3).sum() / (6 * math.sqrt(n) * (shares * off**2).sum() ** 1.5))
    limits = []
    for side in (-z, z):
        shrink = 1 - skew * (bias + side)
        if shrink <= 0:
            raise UndefinedMetric("the bca interval of an NPS", "its correction breaks down at so high a level")
        limits.append(_quantile(chances, _NORMAL.cdf(bias + (bias + side) / shrink)))
    return limits[0], limits[1]


def _around(counts: Counts, z: float) -> Limits:
    half = z * np.sqrt(counts.variance / counts.size)
    return counts.mean - half, counts.mean + half


def _excess(counts: Counts, tested: FloatArray) -> FloatArray:
    return counts.promoters - counts.detractors - counts.size * tested


def _spread(counts: Counts, tested: FloatArray) -> FloatArray:
    """Standard deviation of promoters minus detractors when their true score is the tested one.

    The share of detractors is the most likely one under that score, the root of a quadratic equation.
    """
    p, _, d = counts
    n = counts.size
    linear = -d - p + (2 * n - p + d) * tested
    constant = -d * tested * (1 - tested)
    root = np.sqrt(np.maximum(linear**2 - 8 * n * constant, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        # Of the two forms of the root the one that does not subtract nearly equal numbers.
        share = np.where(linear > 0, -2 * constant / (linear + root), (root - linear) / (4 * n))
    spread: FloatArray = np.sqrt(n * np.maximum(2 * share + tested * (1 - tested), 0.0))
    return spread


def _last_where(holds: Callable[[FloatArray], BoolArray], low: FloatArray, high: FloatArray) -> FloatArray:
    """The last x for which a condition holds that holds up to some x and then never again, by halving."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        kept = holds(middle)
        low, high = np.where(kept, middle, low), np.where(kept, high, middle)
    return (low + high) / 2


def _quantile(chances: FloatArray, probability: float) -> float:
    """The lowest score at or below which so much of the chance lies; never one that has no chance."""
    n = (chances.size - 1) // 2
    return float(np.searchsorted(np.cumsum(chances), max(probability * (1 - 1e-9), 1e-300)) - n) / n
