"""Elementary functions and intervals that several rooms share."""

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import fraction, single, whole
from retention_metrics._typing import FloatArray, IntArray, Number
from retention_metrics.errors import InvalidValue


class Interval(BaseModel):
    """A confidence interval: low and high limit, the confidence level, and the method that made it.

    ``clipped`` says that a limit lay outside the range of the metric and was moved to its end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    low: float
    high: float
    level: float
    method: str
    clipped: bool = False


class Intervals(NamedTuple):
    """Confidence intervals of a whole table: arrays of limits, NaN where there is no estimate."""

    low: FloatArray
    high: FloatArray
    level: float
    method: str


class Bounds(NamedTuple):
    """The lowest and the highest value that are possible; no probability is attached to them."""

    low: Number
    high: Number


class Rate(BaseModel):
    """A share that remembers what it was computed from: ``value = numerator / denominator``.

    Examples:
        >>> churn = Rate(definition="lost of the start set / start", numerator=9, denominator=200)
        >>> churn.value
        0.045
        >>> round(churn.interval().low, 4)
        0.0239
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    definition: str
    numerator: int
    denominator: int

    def model_post_init(self, _context: object) -> None:
        """Refuse a share outside 0 to 1."""
        whole(1, denominator=self.denominator)
        if not 0 <= self.numerator <= self.denominator:
            raise InvalidValue(f"numerator must be from 0 to {self.denominator}, got {self.numerator}")

    @property
    def value(self) -> float:
        """The share, from 0 to 1."""
        return self.numerator / self.denominator

    def interval(self, level: float = 0.95) -> Interval:
        """Wilson score interval of the share; it stays inside 0 to 1 and is never empty."""
        low, high = wilson(np.array([self.numerator]), np.array([self.denominator]), level)
        return Interval(low=float(low[0]), high=float(high[0]), level=level, method="wilson")


def wilson(
    successes: FloatArray | IntArray, trials: FloatArray | IntArray, level: float
) -> tuple[FloatArray, FloatArray]:
    r"""Limits of the Wilson score interval, NaN where there are no trials.

    .. math:: \frac{p + z^2/2n \pm z\sqrt{p(1-p)/n + z^2/4n^2}}{1 + z^2/n}

    References:
        Wilson (1927), *JASA* 22, 209-212.
    """
    z2 = two_sided_z(level) ** 2
    n = np.where(trials > 0, trials, np.nan)
    p = successes / n
    centre = p + z2 / (2 * n)
    half = np.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n)))
    low = np.where(successes == 0, 0.0 * p, (centre - half) / (1 + z2 / n))
    high = np.where(successes == trials, 0.0 * p + 1.0, (centre + half) / (1 + z2 / n))
    return low, high


def two_sided_z(level: float) -> float:
    """The normal quantile that leaves ``1 - level`` outside, half on each side."""
    confidence = single(fraction(open_low=True, open_high=True, level=level), "level")
    return NormalDist().inv_cdf((1 + confidence) / 2)


def two_sided_p(z: float) -> float:
    """Probability of a normal deviate at least as far from zero as ``z``, on either side."""
    return math.erfc(abs(z) / math.sqrt(2))


def chi_squared_p(statistic: float, degrees_of_freedom: int) -> float:
    r"""Probability that a chi-squared variable with whole degrees of freedom exceeds a value; a finite sum.

    References:
        Abramowitz & Stegun (1964), *Handbook of Mathematical Functions*, 26.4.4 and 26.4.5.
    """
    if statistic == 0:
        return 1.0
    half, odd = statistic / 2, degrees_of_freedom % 2
    powers = [i + odd / 2 for i in range(degrees_of_freedom // 2)]
    # In logarithms, because the first factor of all terms vanishes when there are many.
    terms = math.fsum(math.exp(power * math.log(half) - half - math.lgamma(power + 1)) for power in powers)
    return min(terms + (math.erfc(math.sqrt(half)) if odd else 0.0), 1.0)


def holm(p_values: FloatArray) -> FloatArray:
    r"""P-values adjusted so that any false finding among all is as rare as promised.

    .. math:: \tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1) p_{(j)})

    References:
        Holm (1979), *Scandinavian Journal of Statistics* 6, 65-70.
    """
    m = p_values.size
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(m, 0, -1))
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def benjamini_hochberg(p_values: FloatArray) -> FloatArray:
    r"""P-values adjusted so that the expected share of false findings among the findings is as promised.

    .. math:: \tilde p_{(i)} = \min_{j \ge i} \min(1, m p_{(j)} / j)

    References:
        Benjamini & Hochberg (1995), *JRSS B* 57, 289-300.
    """
    m = p_values.size
    order = np.argsort(p_values, kind="stable")[::-1]
    stepped = np.minimum.accumulate(p_values[order] * m / np.arange(m, 0, -1))
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def log1p(x: Number) -> Number:
    """``log(1 + x)`` for x >= -1, minus infinity at -1."""
    if isinstance(x, float):
        return math.log1p(x) if x > -1 else -math.inf
    with np.errstate(divide="ignore"):
        return np.log1p(x)


def expm1(x: Number) -> Number:
    """``exp(x) - 1`` without loss near zero."""
    return math.expm1(x) if isinstance(x, float) else np.expm1(x)
