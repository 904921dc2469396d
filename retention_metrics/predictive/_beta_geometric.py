"""What BG/NBD and MBG/NBD share: dropout by the toss of a coin after a purchase."""

import math
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from retention_metrics._typing import FloatArray, IntArray, Period
from retention_metrics.predictive._fit import Fit, fitted
from retention_metrics.predictive._fitting import Derivatives, Direction, Limit
from retention_metrics.predictive._histories import Histories, code, read_histories, refuse_thin
from retention_metrics.predictive._purchases import PurchaseModel
from retention_metrics.predictive._special import (
    discounted_until_dropout,
    log_negative_binomial,
    log_rising,
    special,
    thinned_count,
)
from retention_metrics.predictive._sums import more_than, rising, sums, total

PURCHASING = (
    Direction(
        (1, 0, 0, 0),
        Limit(
            math.log(1e-5), ("r",), "r runs to 0", "nearly all purchases come from a vanishing share of the customers"
        ),
        Limit(
            math.log(1e6),
            ("r", "alpha"),
            "r and alpha run to infinity together",
            "all customers buy at the same rate, r / alpha",
        ),
    ),
    Direction(
        (-1, 1, 0, 0),
        Limit(-30.0, ("r", "alpha"), "r / alpha runs to infinity", "customers buy without end"),
        Limit(30.0, ("r", "alpha"), "r / alpha runs to 0", "nobody buys"),
    ),
)
DROPOUT = (
    Direction(
        (0, 0, 1, -1),
        Limit(
            math.log(1e-9),
            ("a", "b"),
            "a runs to 0",
            "nobody drops out (NBD)",
            idle=(3,),
            exact={"a": 0.0, "b": 1.0},
        ),
        Limit(
            math.log(1e6), ("a", "b"), "a / b runs to infinity", "everybody drops out at the first chance", idle=(3,)
        ),
    ),
    Direction(
        (0, 0, 0, 1),
        Limit(
            math.log(1e-5),
            ("a", "b"),
            "a and b run to 0 together",
            "a share a / (a + b) of the customers drops out at the first chance, the others never do",
        ),
        Limit(
            math.log(1e6),
            ("a", "b"),
            "a and b run to infinity together",
            "all customers drop out with the same probability, a / (a + b)",
        ),
    ),
)


class BetaGeometric(PurchaseModel):
    """Purchases at a gamma-distributed rate, and after each of them dropout with a beta-distributed probability.

    Attributes:
        r: Shape of the gamma distribution of purchase rates, > 0.
        alpha: Its rate, > 0, in the unit of time; the mean purchase rate is r / alpha.
        a: First shape of the beta distribution of dropout probabilities, >= 0; with 0 nobody drops out.
        b: Its second shape, > 0; the mean dropout probability is a / (a + b).
    """

    CHEAP: ClassVar[bool] = True
    TIMES: ClassVar[tuple[str, ...]] = ("alpha",)
    DIRECTIONS: ClassVar[tuple[Direction, ...]] = (*PURCHASING, *DROPOUT)
    FIRST: ClassVar[int]
    """Chances to drop out before the first repeat purchase."""

    r: float = Field(gt=0)
    alpha: float = Field(gt=0)
    a: float = Field(ge=0)
    b: float = Field(gt=0)

    @classmethod
    def fit(
        cls,
        histories: Any = None,
        /,
        *,
        frequency: Any = None,
        recency: Any = None,
        T: Any = None,
        weights: Any = None,
        unit: Period | None = None,
    ) -> Fit[Self]:
        """Fit the model by maximum likelihood, by Newton's method with exact derivatives.

        Only the distinct histories matter, and the order of the customers and the unit of time do not.

        Args:
            histories: Any object with ``frequency``, ``recency`` and ``T`` (and perhaps ``weights`` and ``unit``), such
                as :class:`Histories`; in place of the arguments that follow.
            frequency: Repeat purchases of each customer, whole numbers.
            recency: Time from the first purchase to the last; 0 without a repeat purchase.
            T: Time from the first purchase to the end of the observation, >= ``recency``.
            weights: Customers who have each history; 1 by default.
            unit: The unit of the times, such as ``"week"``: it goes with the model and is checked later.

        Returns:
            A :class:`Fit`: the model, covariance, standard errors, likelihood, and what the data leave open.

        Raises:
            InvalidValue: A history is impossible, or fewer than five customers bought again.
            InvalidType: A value is not a plain number.

        Warns:
            BoundaryWarning: The likelihood is largest at a limit, such as "nobody drops out"; ``boundary`` names it.

        References:
            Fader & Hardie (2013), note 027, for the stable form of the likelihood.
        """
        read = read_histories(histories, frequency=frequency, recency=recency, T=T, weights=weights, unit=unit)
        refuse_thin(read)
        rate = float((read.weights * read.frequency).sum()) / float((read.weights * read.T).sum())
        length = float((read.weights * read.T).sum()) / read.customers
        alpha = 0.5 / (1.5 * rate * length)
        starts = [(0.5, alpha, a, b) for a, b in ((0.6, 2.0), (0.1, 0.1), (5.0, 20.0))]
        return fitted(cls, read, lambda scaled: BetaGeometricLikelihood(scaled, cls.FIRST), starts)

    def _alive(self, x: FloatArray, last: FloatArray, T: FloatArray) -> FloatArray:
        """Without logarithms of odds, because these cost more than all the rest."""
        alive = np.ones(x.shape)
        if self.a == 0:
            return alive
        may = slice(None) if self.FIRST else np.flatnonzero(x > 0)
        some, seen, end = x[may], last[may], T[may]
        odds = (end + self.alpha) / (seen + self.alpha)
        np.log(odds, out=odds)
        odds *= some + self.r
        np.exp(odds, out=odds)
        odds *= self.a
        odds /= self.b + (some + (self.FIRST - 1))
        odds += 1
        alive[may] = np.reciprocal(odds, out=odds)
        return alive

    def _log_odds_gone(self, x: FloatArray, last: FloatArray, T: FloatArray) -> FloatArray:
        chances = x + self.FIRST
        since = np.log1p((T - last) / (self.alpha + last))
        before = np.maximum(chances - 1, 0)
        odds = np.log(self.a / (self.b + before)) + (self.r + x) * since
        return np.where(chances > 0, odds, -np.inf)

    def _log_likelihood(self, x: FloatArray, last: FloatArray, T: FloatArray) -> FloatArray:
        chances = x + self.FIRST
        kept = log_rising(self.b, chances) - log_rising(self.a + self.b, chances)
        bought = log_rising(self.r, x) - self.r * np.log1p(T / self.alpha) - x * np.log(self.alpha + T)
        likelihood: FloatArray = kept + bought + np.logaddexp(0, self._log_odds_gone(x, last, T))
        return likelihood

    def mean_alive(self, x: FloatArray, T: FloatArray, horizon: FloatArray) -> FloatArray:
        return thinned_count(self.r + x, horizon / (self.alpha + T), self.a, self.b + x + self.FIRST)

    def _pmf_alive(self, x: FloatArray, T: FloatArray, horizon: FloatArray, count: FloatArray) -> FloatArray:
        shape, scale, keep = self.r + x, self.alpha + T, self.b + x + self.FIRST
        kept = log_rising(keep, count) - log_rising(self.a + keep, count)
        exactly = np.exp(kept + log_negative_binomial(count, shape, horizon, scale))
        many = np.maximum(count, 1)
        at_least = special().betainc(many, shape, horizon / (scale + horizon))
        last = np.exp(kept) * self.a / np.maximum(keep + count - 1, np.finfo(float).tiny)
        return np.asarray(exactly + np.where(count > 0, last * at_least, 0.0))

    def _discounted_alive(self, x: FloatArray, T: FloatArray, discount: FloatArray) -> FloatArray:
        rate = np.log1p(discount) * (self.alpha + T)
        return discounted_until_dropout(self.r + x, rate, self.a, self.b + x + self.FIRST)

    def _time_alive(self, x: FloatArray, T: FloatArray, share: FloatArray) -> FloatArray:
        time: FloatArray = (self.alpha + T) * np.expm1(-np.log1p(-share) / (self.r + x))
        return time

    def _simulate(self, T: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        rate = rng.gamma(self.r, 1 / self.alpha, T.size)
        chance = rng.beta(self.a, self.b, T.size) if self.a > 0 else np.zeros(T.size)
        with np.errstate(divide="ignore"):
            # The number of the purchase after which the customer drops out, geometric on 1, 2, 3 ...
            drop = np.ceil(np.log(rng.uniform(size=T.size)) / np.log1p(-chance))
        drop = np.where(chance < 1, np.maximum(drop, 1), 1.0) - self.FIRST
        would = rng.poisson(rate * T).astype(np.float64)
        frequency = np.minimum(would, drop)
        place = rng.beta(np.maximum(frequency, 1), would - np.minimum(frequency, would) + 1)
        return frequency, np.where(frequency > 0, T * place, 0.0)


class BetaGeometricLikelihood:
    r"""Log-likelihood of distinct histories, with gradient and Hessian in (r, alpha, a, b).

    With n chances to drop out in x purchases (n = x in BG/NBD, x + 1 in MBG/NBD),

    .. math:: \ell = \ln\frac{(r)_x (b)_n}{(a + b)_n} + r \ln\alpha + \ln\Big[(\alpha + T)^{-(r + x)} +
        [n > 0] \frac{a}{b + n - 1} (\alpha + t_x)^{-(r + x)}\Big]

    Rising factorials need only how many customers bought more than k times.
    """

    def __init__(self, histories: Histories, first: int) -> None:
        x, chances, w = histories.frequency, histories.frequency + first, histories.weights
        self._customers = total(w)
        self._repeats = total(w * x)
        self._purchases = more_than(x, w)
        self._chances = more_than(chances, w)
        self._times, at = _coded(histories.T)
        self._watched = np.bincount(at, w, minlength=self._times.size)
        self._bought = np.bincount(at, w * x, minlength=self._times.size)
        may = np.flatnonzero(chances > 0)
        self._x, self._w, self._at_end = x[may], w[may], at[may]
        self._lasts, self._at_last = _coded(histories.recency[may])
        self._before, self._at_chance = _coded(chances[may] - 1)

    def __call__(self, parameters: FloatArray) -> Derivatives:
        r, alpha, a, b = parameters.tolist()
        slope = np.zeros(4)
        bend = np.zeros((4, 4))
        value, slope[0], bend[0, 0] = rising(r, self._purchases)
        value += self._keep(a, b, slope, bend)

        # Everybody as if still there; logarithms are relative to alpha, so that nothing cancels when it is large.
        until, end = np.log1p(self._times / alpha), self._times / (alpha + self._times)
        count = r * self._watched + self._bought
        value -= total(count * until) + self._repeats * math.log(alpha)
        slope[0] -= total(self._watched * until)
        slope[1] += (total(count * end) - self._repeats) / alpha
        bend[0, 1] += total(self._watched * end) / alpha
        bend[1, 1] += (self._repeats - total(count * end * (2 - end))) / alpha**2

        # And the odds that those who had a chance to leave have taken it.
        since_start, last = np.log1p(self._lasts / alpha), self._lasts / (alpha + self._lasts)
        keep = 1 / (b + self._before)
        kept = keep[self._at_chance]
        since = until[self._at_end] - since_start[self._at_last]
        ended, lasted = end[self._at_end], last[self._at_last]
        purchases = r + self._x
        odds = np.log(a * keep)[self._at_chance] + purchases * since
        small = np.exp(-np.abs(odds))
        more = 1 / (1 + small)
        gone = 0.5 + np.copysign(more - 0.5, odds)
        value += sums(self._w, np.maximum(odds, 0)) - sums(self._w, np.log(more))
        lost = self._w * gone
        spread = lost * (1 - gone)
        turn = lasted - ended
        move = purchases * turn / alpha
        lost_all = total(lost)
        slope[0] += sums(lost, since)
        slope[1] += sums(lost, move)
        slope[2] += lost_all / a
        slope[3] -= sums(lost, kept)
        by_rate, by_scale = spread * since, spread * move
        spread_all, spread_kept = total(spread), sums(spread, kept)
        bend[0] += sums(by_rate, since), sums(by_rate, move), total(by_rate) / a, -sums(by_rate, kept)
        bend[1, 1:] += sums(by_scale, move), total(by_scale) / a, -sums(by_scale, kept)
        bend[2, 2:] += spread_all / a**2, -spread_kept / a
        bend[3, 3] += sums(spread, kept, kept)
        bend[0, 1] += sums(lost, turn) / alpha
        bend[1, 1] -= sums(lost, move, 2 - lasted - ended) / alpha
        bend[2, 2] -= lost_all / a**2
        bend[3, 3] += sums(lost, kept, kept)
        return float(value), slope, np.triu(bend) + np.triu(bend, 1).T

    def _keep(self, a: float, b: float, slope: FloatArray, bend: FloatArray) -> float:
        """Logarithm of the chance of having kept on buying; its derivatives are added to those of the other parts."""
        places = b + np.arange(self._chances.size)
        both = 1 / (a + places)
        own = self._chances * both
        slope[2] -= total(own)
        slope[3] += a * total(own / places)
        bend[2, 2] += total(own * both)
        bend[2, 3] += total(own * both)
        bend[3, 3] += total(own * both) - total(self._chances / places**2)
        return -total(self._chances * np.log1p(a / places))


def _coded(column: FloatArray) -> tuple[FloatArray, IntArray]:
    """Values for tables of logarithms, and where each element stands; the column itself where that saves nothing."""
    found = code(column) if column.size else None
    return (column, np.arange(column.size)) if found is None else found
