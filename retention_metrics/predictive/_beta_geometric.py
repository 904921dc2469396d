"""What BG/NBD and MBG/NBD share: dropout by the toss of a coin after a purchase."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from retention_metrics._typing import FloatArray, Period
from retention_metrics.predictive._fit import Fit, fitted
from retention_metrics.predictive._fitting import Derivatives, Direction, Limit, Objective, from_sample
from retention_metrics.predictive._histories import Histories, read_histories, refuse_thin
from retention_metrics.predictive._purchases import PurchaseModel
from retention_metrics.predictive._special import (
    discounted_until_dropout,
    log_negative_binomial,
    log_rising,
    special,
    thinned_count,
)
from retention_metrics.predictive._sums import Elapsed, blocks, coded, more_than, rising, sums, total

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


_SAMPLE = 1 << 14
_LARGE = 4 * _SAMPLE


def starting_places(
    directions: Sequence[Direction],
    histories: Histories,
    likelihood: Callable[[Histories], Objective],
    dropout: Sequence[tuple[float, float]],
) -> Sequence[Sequence[float]]:
    """Parameters from which to look for the maximum, in units of the mean time observed.

    Args:
        directions: The coordinates of the search.
        histories: Distinct histories.
        likelihood: What makes an objective of histories in those units.
        dropout: Places for the last two parameters; the others start where the number of purchases is about right.
    """
    x, last, T, w = histories.frequency, histories.recency, histories.T, histories.weights
    watched = sums(w, T)
    length = watched / histories.customers
    alpha = 0.5 * watched / (1.5 * sums(w, x) * length)
    starts = [(0.5, alpha, *pair) for pair in dropout]
    if T.size < _LARGE:
        return starts
    some = slice(None, None, T.size // _SAMPLE)
    return from_sample(
        likelihood(Histories(x[some], last[some] / length, T[some] / length, w[some])), directions, starts
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

        def likelihood(scaled: Histories) -> BetaGeometricLikelihood:
            return BetaGeometricLikelihood(scaled, cls.FIRST)

        starts = starting_places(cls.DIRECTIONS, read, likelihood, ((0.6, 2.0), (0.1, 0.1), (5.0, 20.0)))
        return fitted(cls, read, likelihood, starts)

    def _alive(self, x: FloatArray, last: FloatArray, T: FloatArray) -> FloatArray:
        """Without logarithms of odds, because these cost more than all the rest."""
        alive = np.ones(x.shape)
        if self.a == 0:
            return alive
        if not self.FIRST:
            may = np.flatnonzero(x > 0)
            x, last, T = x.take(may), last.take(may), T.take(may)
        odds = T + self.alpha
        odds /= last + self.alpha
        np.log(odds, out=odds)
        odds *= x + self.r
        np.exp(odds, out=odds)
        odds *= self.a
        odds /= self.b + (x + (self.FIRST - 1))
        odds += 1
        np.reciprocal(odds, out=odds)
        if self.FIRST:
            return odds
        alive[may] = odds
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
        self._repeats = sums(w, x)
        self._purchases = more_than(x, w)
        self._chances = more_than(chances, w)
        # Those with a chance to leave come first.
        may = chances > 0
        order = slice(None) if may.all() else np.concatenate([np.flatnonzero(may), np.flatnonzero(~may)])
        x, chances, w = x[order], chances[order], w[order]
        self._ages = Elapsed(histories.T[order])
        self._watched, self._bought = self._ages.pooled(w), self._ages.pooled(w * x)
        mortal = int(np.count_nonzero(may))
        self._x, self._w = x[:mortal], w[:mortal]
        self._lasts = Elapsed(histories.recency[order][:mortal])
        self._before, self._at_chance = coded(chances[:mortal] - 1)

    def __call__(self, parameters: FloatArray) -> Derivatives:
        r, alpha, a, b = parameters.tolist()
        slope = np.zeros(4)
        bend = np.zeros((4, 4))
        value, slope[0], bend[0, 0] = rising(r, self._purchases)
        value += self._keep(a, b, slope, bend)
        # Logarithms are relative to alpha, so that nothing cancels when it is large.
        self._ages.measure(alpha)
        self._lasts.measure(alpha)
        value += self._stay(r, alpha, slope, bend) + self._leave(r, alpha, a, b, slope, bend)
        return float(value), slope, np.triu(bend) + np.triu(bend, 1).T

    def _stay(self, r: float, alpha: float, slope: FloatArray, bend: FloatArray) -> float:
        """Everybody as if still there."""
        watched = bought = ended = twice = lasting = 0.0
        for part in blocks(self._watched.size):
            until, end = self._ages.known(part)
            weights, count = self._watched[part], r * self._watched[part] + self._bought[part]
            bought += sums(count, until)
            watched += sums(weights, until)
            lasting += sums(weights, end)
            count *= end
            ended += total(count)
            twice += sums(count, end)
        slope[0] -= watched
        slope[1] += (ended - self._repeats) / alpha
        bend[0, 1] += lasting / alpha
        bend[1, 1] += (self._repeats - 2 * ended + twice) / alpha**2
        return -bought - self._repeats * math.log(alpha)

    def _leave(self, r: float, alpha: float, a: float, b: float, slope: FloatArray, bend: FloatArray) -> float:
        """The odds that those who had a chance to leave have taken it."""
        keep = 1 / (b + self._before)
        log_odds = np.log(a * keep)
        value = turned = moved = kept_twice = 0.0
        # Derivatives of the logarithm of the odds: a constant over a, and by r, alpha and b.
        first, second = np.zeros(4), np.zeros((4, 4))
        for part in blocks(self._w.size):
            until, ended = self._ages.rows(part)
            since_start, lasted = self._lasts.rows(part)
            w, at = self._w[part], part if self._at_chance is None else self._at_chance[part]
            by = np.empty((4, w.size))
            constant, since, move, kept = by
            constant[:] = 1
            np.subtract(until, since_start, out=since)
            kept[:] = keep[at]
            purchases = r + self._x[part]
            odds = purchases * since
            odds += log_odds[at]
            turn = lasted - ended
            np.multiply(purchases, turn, out=move)
            small = np.exp(-np.abs(odds))
            more = 1 + small
            value += sums(w, np.maximum(odds, 0)) + sums(w, np.log(more))
            one = w / more
            other = one * small
            lost = np.where(odds > 0, one, other)
            other /= more
            first += np.einsum("ij,j->i", by, lost)
            turned += sums(lost, turn)
            moved += sums(lost, move, 2 - lasted - ended)
            kept_twice += sums(lost, kept, kept)
            second += np.einsum("ik,jk->ij", by * other, by)
        scales = np.array([1 / a, 1.0, 1 / alpha, -1.0])
        order = [2, 0, 1, 3]  # where constant, since, move and kept stand among r, alpha, a and b
        first *= scales
        second *= np.outer(scales, scales)
        slope[order] += first
        bend[np.ix_(order, order)] += second
        bend[0, 1] += turned / alpha
        bend[1, 1] -= moved / alpha**2
        bend[2, 2] -= first[0] / a
        bend[3, 3] += kept_twice
        return value

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
