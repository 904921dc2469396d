"""The Pareto/NBD model."""

import math
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from retention_metrics._typing import FloatArray, Period
from retention_metrics.predictive._beta_geometric import PURCHASING, starting_places
from retention_metrics.predictive._fit import Fit, fitted
from retention_metrics.predictive._fitting import Derivatives, Direction, Limit
from retention_metrics.predictive._histories import Histories, per_distinct, read_histories, refuse_thin
from retention_metrics.predictive._pareto_integral import LeftBetween, Parameters, left_between
from retention_metrics.predictive._purchases import PurchaseModel
from retention_metrics.predictive._smooth import few_ages, smooth
from retention_metrics.predictive._special import (
    faded,
    legendre,
    log_integral,
    log_negative_binomial,
    log_rising,
)
from retention_metrics.predictive._sums import more_than, rising, sums, total

_NODES = 128
_HALVINGS = 60
_FALL = 44.0
_MANY = 1024
"""So many customers who did not buy again are worth being replaced by few ages."""
_STRAIGHT = 40.0
"""Beyond so many units of a logarithm 1 plus its exponential is the exponential."""


@cache
def _panels() -> tuple[FloatArray, FloatArray]:
    """Places and weights of quadrature on 0 to 1 in stretches that are shorter near 0."""
    edges = np.array([0, 0.02, 0.06, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1])
    places, weights = legendre(32)
    widths = np.diff(edges)[:, None]
    return np.ravel(edges[:-1, None] + widths * places), np.ravel(widths * weights)


class ParetoNbd(PurchaseModel):
    r"""Pareto/NBD: customers buy at a rate of their own, and leave at any time at a rate of their own.

    .. math:: \lambda \sim \text{Gamma}(r, \alpha), \quad \mu \sim \text{Gamma}(s, \beta), \qquad
        P(\text{alive}) = \Big[1 + s \int_{t_x}^{T} \Big(\frac{\alpha + T}{\alpha + y}\Big)^{r + x}
        \Big(\frac{\beta + T}{\beta + y}\Big)^{s} \frac{dy}{\beta + y}\Big]^{-1}

    .. math:: E[X(t)] = \frac{r \beta}{\alpha (s - 1)} \Big[1 - \Big(\frac{\beta}{\beta + t}\Big)^{s - 1}\Big]

    The integral takes the place of two hypergeometric functions that nearly cancel.

    Attributes:
        r: Shape of the gamma distribution of purchase rates, > 0.
        alpha: Its rate, > 0, in the unit of time; the mean purchase rate is r / alpha.
        s: Shape of the gamma distribution of dropout rates, >= 0; with 0 nobody drops out.
        beta: Its rate, > 0, in the unit of time; the mean dropout rate is s / beta.
        unit: The unit of time, such as ``"week"``, or ``None`` if nobody said.

    Examples:
        >>> model = ParetoNbd(r=0.55, alpha=10.56, s=0.61, beta=11.64, unit="week")
        >>> model.expected_purchases([1, 2, 3]).round(5)
        array([0.05078, 0.09916, 0.14543])
        >>> round(model.probability_alive(frequency=0, recency=0, T=39), 3)
        0.292

    References:
        Schmittlein, Morrison & Colombo (1987), "Counting your customers: who are they and what will they do next?",
        *Management Science* 33(1), 1-24; Fader & Hardie (2005), note 009, for the integral.
    """

    TIMES: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    DIRECTIONS: ClassVar[tuple[Direction, ...]] = (
        *PURCHASING,
        Direction(
            (0, 0, 1, -1),
            Limit(
                math.log(1e-9),
                ("s", "beta"),
                "s / beta runs to 0",
                "nobody drops out (NBD)",
                idle=(3,),
                exact={"s": 0.0, "beta": 1.0},
            ),
            Limit(
                math.log(1e9),
                ("s", "beta"),
                "beta runs to 0",
                "some customers leave at once, the others stay for very long",
            ),
        ),
        Direction(
            (0, 0, 1, 0),
            Limit(
                math.log(1e-6),
                ("s", "beta"),
                "s runs to 0",
                "nobody drops out (NBD)",
                idle=(2,),
                exact={"s": 0.0, "beta": 1.0},
            ),
            Limit(
                math.log(1e6),
                ("s", "beta"),
                "s and beta run to infinity together",
                "all customers drop out at the same rate, s / beta",
            ),
        ),
    )

    r: float = Field(gt=0)
    alpha: float = Field(gt=0)
    s: float = Field(ge=0)
    beta: float = Field(gt=0)

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
            Schmittlein, Morrison & Colombo (1987), *Management Science* 33(1), 1-24.
        """
        read = read_histories(histories, frequency=frequency, recency=recency, T=T, weights=weights, unit=unit)
        refuse_thin(read)
        starts = starting_places(cls.DIRECTIONS, read, _Likelihood, ((0.6, 0.5), (0.1, 0.1), (5.0, 10.0)))
        return fitted(cls, read, _Likelihood, starts)

    def _log_odds_gone(self, x: FloatArray, last: FloatArray, T: FloatArray) -> FloatArray:
        return per_distinct(self._log_odds, x, last, T)

    def _log_odds(self, x: FloatArray, last: FloatArray, T: FloatArray) -> FloatArray:
        own = (self.r, self.alpha, self.s, self.beta)
        odds = np.log(self.s) + _log_fall(x, last, T, own)
        for batch in left_between(x, last, T, own):
            odds[batch.rows] += batch.log_total
        return np.asarray(odds)

    def _log_likelihood(self, x: FloatArray, last: FloatArray, T: FloatArray) -> FloatArray:
        bought = log_rising(self.r, x) - self.r * np.log1p(T / self.alpha) - x * np.log(self.alpha + T)
        stayed = -self.s * np.log1p(T / self.beta)
        likelihood: FloatArray = bought + stayed + np.logaddexp(0, self._log_odds_gone(x, last, T))
        return likelihood

    def mean_alive(self, x: FloatArray, T: FloatArray, horizon: FloatArray) -> FloatArray:
        mean: FloatArray = (self.r + x) / (self.alpha + T) * faded(horizon, self.beta + T, self.s)
        return mean

    def _pmf_alive(self, x: FloatArray, T: FloatArray, horizon: FloatArray, count: FloatArray) -> FloatArray:
        x, T, horizon, count = np.broadcast_arrays(x, T, horizon, count)
        shape, buying, leaving = self.r + x, self.alpha + T, self.beta + T
        stays = np.exp(log_negative_binomial(count, shape, horizon, buying) - self.s * np.log1p(horizon / leaving))
        return np.asarray(stays + np.exp(_log_left_after(count, shape, buying, self.s, leaving, horizon)))

    def _discounted_alive(self, x: FloatArray, T: FloatArray, discount: FloatArray) -> FloatArray:
        rate, leaving = (np.broadcast_to(v, x.shape)[:, None] for v in (np.log1p(discount), self.beta + T))
        log_time = log_integral(
            lambda u: u - rate * np.exp(u) - self.s * np.log1p(np.exp(u) / leaving),
            -np.log(rate + (self.s + 1) / leaving) - 3,
            -np.log(rate) + 1,
            left_rate=1.0,
            right_rate=1.0,
        )
        mean: FloatArray = (self.r + x) / (self.alpha + T) * np.exp(log_time)
        return mean

    def _time_alive(self, x: FloatArray, T: FloatArray, share: FloatArray) -> FloatArray:
        r, buying, leaving = self.r + x, self.alpha + T, self.beta + T
        base = np.minimum(buying, leaving)
        to_buying, to_leaving = np.log(buying / base), np.log(leaving / base)
        straight = _STRAIGHT + to_buying + to_leaving
        places, weights = _panels()

        def bought(longest: FloatArray) -> FloatArray:
            """Share that buys again before the logarithm of (base + time) has grown so much."""
            near = np.minimum(longest, straight)
            v = places[:, None] * near
            grown = np.expm1(v)
            falls = (r + 1) * np.log1p(base / buying * grown) + self.s * np.log1p(base / leaving * grown)
            part = near * (np.exp(v - to_buying - falls) * weights[:, None]).sum(axis=0)
            rate = r + self.s
            tail = (np.exp(-rate * near) - np.exp(-rate * longest)) / rate
            return np.asarray(r * (part + np.exp(r * to_buying + self.s * to_leaving) * tail))

        low, high = np.zeros(x.shape), _FALL / r + to_buying
        ever = bought(high)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            early = bought(middle) < share
            low, high = np.where(early, middle, low), np.where(early, high, middle)
        return np.where(share < ever, base * np.expm1((low + high) / 2), np.nan)

    def _simulate(self, T: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        rate = rng.gamma(self.r, 1 / self.alpha, T.size)
        leaving = rng.gamma(self.s, 1 / self.beta, T.size) if self.s > 0 else np.zeros(T.size)
        with np.errstate(divide="ignore"):
            there = np.minimum(rng.exponential(size=T.size) / leaving, T)
        frequency = rng.poisson(rate * there).astype(np.float64)
        place = rng.uniform(size=T.size) ** (1 / np.maximum(frequency, 1))
        return frequency, np.where(frequency > 0, there * place, 0.0)


class _Likelihood:
    """Log-likelihood of distinct histories, with gradient and Hessian in (r, alpha, s, beta)."""

    def __init__(self, histories: Histories) -> None:
        self._rows = (histories.frequency, histories.recency, histories.T, histories.weights)
        self._purchases = more_than(histories.frequency, histories.weights)
        self._ages = np.zeros(0)
        once = histories.frequency == 0
        if np.count_nonzero(once) >= _MANY:
            self._ages, weights = few_ages(histories.T[once], histories.weights[once])
            none = np.zeros(self._ages.size)
            self._few = [
                np.concatenate([more, column[~once]])
                for more, column in zip((none, none, self._ages, weights), self._rows, strict=True)
            ]

    def __call__(self, parameters: FloatArray) -> Derivatives:
        own: Parameters = tuple(parameters.tolist())
        r = own[0]
        value, slope, bend = 0.0, np.zeros(4), np.zeros((4, 4))
        value, slope[0], bend[0, 0] = rising(r, self._purchases)
        x, last, T, w = self._few if self._ages.size and self._suffice(own) else self._rows
        for batch in left_between(x, last, T, own):
            at = batch.rows
            more = _part(x[at], last[at], T[at], w[at], own, batch)
            value, slope, bend = value + more[0], slope + more[1], bend + more[2]
        return value, slope, np.triu(bend) + np.triu(bend, 1).T

    def _suffice(self, parameters: Parameters) -> bool:
        """Whether few ages stand for all of those who did not buy again."""
        none = np.zeros(self._ages.size)
        r, alpha, s, beta = parameters
        model = ParetoNbd(r=r, alpha=alpha, s=s, beta=beta)
        return smooth(model._log_likelihood(none, none, self._ages))


def _log_fall(x: FloatArray, last: FloatArray, T: FloatArray, parameters: Parameters) -> FloatArray:
    """Logarithm of the factor by which "still there" falls between the last purchase and now."""
    r, alpha, s, beta = parameters
    fall: FloatArray = (r + x) * np.log1p((T - last) / (alpha + last)) + s * np.log1p((T - last) / (beta + last))
    return fall


def _part(
    x: FloatArray, last: FloatArray, T: FloatArray, w: FloatArray, parameters: Parameters, between: LeftBetween
) -> Derivatives:
    """What some histories add: the logarithm of the sum of "still there" and "left on the way".

    Both are taken relative to time 0, as (1 + y / alpha), so that nothing cancels when shapes and rates are large.
    """
    r, alpha, s, beta = parameters
    count = r + x
    odds = math.log(s) + between.log_total + _log_fall(x, last, T, parameters)
    small = np.exp(-np.abs(odds))
    more = 1 / (1 + small)
    gone = 0.5 + np.copysign(more - 0.5, odds)
    to_alpha, to_beta = np.log1p(T / alpha), np.log1p(T / beta)
    value = sums(w, np.maximum(odds, 0) - np.log(more) - count * to_alpha - x * math.log(alpha) - s * to_beta)

    lost, kept = w * gone, w * (1 - gone)
    spread = lost * (1 - gone)
    # Derivatives of the logarithm of the integrand at its places, apart from what is the same at all of them.
    scaled = (count / alpha)[:, None]
    columns = (
        -between.by_alpha,
        scaled * (between.times / (alpha + between.times)),
        -between.by_beta,
        ((s + 1) / beta) * (between.times / (beta + between.times)),
    )
    weighted = [between.weights * column for column in columns]
    means = [part.sum(axis=1) for part in weighted]
    ends = (T / (alpha + T), T / (beta + T))
    stays = (-to_alpha, (count * ends[0] - x) / alpha, -to_beta, s / beta * ends[1])
    left = (
        means[0] - np.log1p(last / alpha),
        means[1] - x / alpha,
        means[2] - np.log1p(last / beta) + 1 / s,
        means[3] - 1 / beta,
    )
    slope = np.array([sums(kept, a) + sums(lost, b) for a, b in zip(stays, left, strict=True)])
    bend = np.zeros((4, 4))
    for part in weighted:
        part *= lost[:, None]
    apart = [a - b for a, b in zip(stays, left, strict=True)]
    squares = {(i, j): float(np.einsum("ij,ij->", weighted[i], columns[j])) for i in range(4) for j in range(i, 4)}
    for i in range(4):
        for j in range(i, 4):
            bend[i, j] = squares[i, j] - sums(lost, means[i], means[j]) + sums(spread, apart[i], apart[j])
    # Second derivatives of the logarithms themselves; (y / (a + y)) squared needs no new mean.
    by_count = float(np.einsum("ij,ij->", weighted[1] / count[:, None], columns[1]))
    bend[0, 1] += sums(kept, ends[0]) / alpha + sums(lost, means[1] / count)
    bend[1, 1] += sums(w, x) / alpha**2 - sums(kept, count, ends[0] * (2 - ends[0])) / alpha**2
    bend[1, 1] += by_count - 2 * sums(lost, means[1]) / alpha
    bend[2, 2] -= total(lost) / s**2
    bend[2, 3] += sums(kept, ends[1]) / beta + sums(lost, means[3]) / (s + 1)
    bend[3, 3] += total(lost) / beta**2 - s * sums(kept, ends[1] * (2 - ends[1])) / beta**2
    bend[3, 3] += squares[3, 3] / (s + 1) - 2 * sums(lost, means[3]) / beta
    return value, slope, bend


def _log_left_after(
    count: FloatArray, shape: FloatArray, buying: FloatArray, s: float, leaving: FloatArray, horizon: FloatArray
) -> FloatArray:
    r"""Logarithm of the probability to buy so often and then leave within the horizon.

    .. math:: \int_0^h \frac{s \beta^s}{(\beta + y)^{s + 1}} P_{\text{NBD}}(n; r, \alpha, y) \, dy

    Over the logarithm of y the integrand has one peak; Gauss-Legendre quadrature as far as it counts on either side.
    """

    def fall(u: FloatArray) -> FloatArray:
        y = np.exp(u)
        return (count + 1) * u - (shape + count) * np.log1p(y / buying) - (s + 1) * np.log1p(y / leaving)

    def slope(u: FloatArray) -> FloatArray:
        y = np.exp(u)
        return count + 1 - (shape + count) * y / (buying + y) - (s + 1) * y / (leaving + y)

    end = np.log(np.maximum(horizon, np.finfo(float).tiny))
    peak = _halve(lambda u: slope(u) > 0, end - 2 * _FALL - 10, end)
    top = fall(peak)
    start = _halve(lambda u: fall(u) < top - _FALL, peak - _FALL - 2 * np.log1p(shape) - 10, peak)
    stop = _halve(lambda u: fall(u) > top - _FALL, peak, end)
    places, weights = legendre(_NODES)
    integral = np.zeros(peak.shape)
    for low, high in ((start, peak), (peak, stop)):
        u = low + (high - low) * places[:, None]
        integral += (high - low) * (np.exp(fall(u) - top) * weights[:, None]).sum(axis=0)
    ways = log_rising(shape, count) - log_rising(1.0, count)
    scale = -count * np.log(buying) - np.log(leaving) + math.log(s) if s > 0 else -np.inf
    found: FloatArray = np.where(horizon > 0, ways + scale + top + np.log(integral), -np.inf)
    return found


def _halve(before: Any, low: FloatArray, high: FloatArray) -> FloatArray:
    """Where a condition that holds on the left ceases to hold."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        yes = before(middle)
        low, high = np.where(yes, middle, low), np.where(yes, high, middle)
    return (low + high) / 2
