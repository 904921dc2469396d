"""The BG/BB model."""

import math
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from retention_metrics._typing import FloatArray, IntArray, Period
from retention_metrics.errors import InvalidValue
from retention_metrics.predictive._fit import Fit, conclude
from retention_metrics.predictive._fitting import Derivatives, Direction, Limit, maximise
from retention_metrics.predictive._histories import Histories, per_distinct, read_histories, refuse_thin
from retention_metrics.predictive._purchases import PurchaseModel
from retention_metrics.predictive._special import beta_mean, log_choose, log_rising
from retention_metrics.predictive._sums import total

_ROWS = 1024
_MOST_OPPORTUNITIES = 100_000
_FEWEST_OPPORTUNITIES = 3


class BgBb(PurchaseModel):
    r"""BG/BB: at each opportunity a customer who is still there buys with a probability, and before it may leave.

    .. math:: p \sim \text{Beta}(\alpha, \beta), \quad \theta \sim \text{Beta}(\gamma, \delta), \qquad
        L = \frac{B(\alpha + x, \beta + n - x)}{B(\alpha, \beta)} \frac{B(\gamma, \delta + n)}{B(\gamma, \delta)}
        + \sum_{m = t_x}^{n - 1} \frac{B(\alpha + x, \beta + m - x)}{B(\alpha, \beta)}
        \frac{B(\gamma + 1, \delta + m)}{B(\gamma, \delta)}

    For purchases at given occasions: yearly conferences, weekly markets, donations. ``T`` is the number n of
    opportunities since the first purchase, ``recency`` the one at which the last purchase was made, ``frequency`` at
    how many there was one. "Alive" means still there when the next opportunity, n + 1, comes.

    Attributes:
        alpha: First shape of the beta distribution of purchase probabilities, > 0.
        beta: Its second shape, > 0; the mean purchase probability is alpha / (alpha + beta).
        gamma: First shape of the beta distribution of dropout probabilities, >= 0; with 0 nobody drops out.
        delta: Its second shape, > 0; the mean dropout probability is gamma / (gamma + delta).
        unit: The time between two opportunities, such as ``"year"``, or ``None`` if nobody said.

    Examples:
        >>> model = BgBb(alpha=1.204, beta=0.75, gamma=0.657, delta=2.784, unit="year")
        >>> model.expected_purchases([1, 10]).round(3)
        array([0.499, 3.179])
        >>> model.probability_alive(frequency=[0, 2, 6], recency=[0, 4, 6], T=6).round(2)
        array([0.11, 0.59, 0.93])

    References:
        Fader, Hardie & Shang (2010), "Customer-base analysis in a discrete-time noncontractual setting", *Marketing
        Science* 29(6), 1086-1108.
    """

    WHOLE_TIMES: ClassVar[bool] = True
    DIRECTIONS: ClassVar[tuple[Direction, ...]] = (
        Direction(
            (1, -1, 0, 0),
            Limit(math.log(1e-9), ("alpha", "beta"), "alpha / beta runs to 0", "nobody buys", idle=(1,)),
            Limit(
                math.log(1e9),
                ("alpha", "beta"),
                "beta runs to 0",
                "everybody buys at every opportunity while still there",
                idle=(1,),
            ),
        ),
        Direction(
            (0, 1, 0, 0),
            Limit(
                math.log(1e-6),
                ("alpha", "beta"),
                "alpha and beta run to 0 together",
                "customers buy at every opportunity or never",
            ),
            Limit(
                math.log(1e5),
                ("alpha", "beta"),
                "alpha and beta run to infinity together",
                "all customers buy with the same probability, alpha / (alpha + beta)",
            ),
        ),
        Direction(
            (0, 0, 1, -1),
            Limit(
                math.log(1e-9),
                ("gamma", "delta"),
                "gamma runs to 0",
                "nobody drops out",
                idle=(3,),
                exact={"gamma": 0.0, "delta": 1.0},
            ),
            Limit(
                math.log(1e9), ("gamma", "delta"), "gamma / delta runs to infinity", "everybody drops out at once", (3,)
            ),
        ),
        Direction(
            (0, 0, 0, 1),
            Limit(
                math.log(1e-6),
                ("gamma", "delta"),
                "gamma and delta run to 0 together",
                "a share gamma / (gamma + delta) of the customers drops out at once, the others never do",
            ),
            Limit(
                math.log(1e5),
                ("gamma", "delta"),
                "gamma and delta run to infinity together",
                "all customers drop out with the same probability, gamma / (gamma + delta)",
            ),
        ),
    )

    alpha: float = Field(gt=0)
    beta: float = Field(gt=0)
    gamma: float = Field(ge=0)
    delta: float = Field(gt=0)

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

        Args:
            histories: Any object with ``frequency``, ``recency`` and ``T`` (and perhaps ``weights`` and ``unit``), such
                as :class:`Histories`; in place of the arguments that follow.
            frequency: Opportunities at which each customer bought, whole numbers.
            recency: The opportunity at which the last purchase was made, whole; 0 without one.
            T: Number of opportunities, whole, >= ``recency``.
            weights: Customers who have each history; 1 by default.
            unit: The time between two opportunities, such as ``"year"``.

        Returns:
            A :class:`Fit`: the model, covariance, standard errors, likelihood, and what the data leave open.

        Raises:
            InvalidValue: A history is impossible, fewer than five customers bought again, or nobody has had three
                opportunities.
            InvalidType: A value is not a plain number.

        Warns:
            BoundaryWarning: The likelihood is largest at a limit, such as "nobody drops out"; ``boundary`` names it.

        References:
            Fader, Hardie & Shang (2010), *Marketing Science* 29(6), 1086-1108.
        """
        read = read_histories(
            histories, frequency=frequency, recency=recency, T=T, weights=weights, unit=unit, whole_times=True
        )
        refuse_thin(read)
        most = int(read.T.max())
        if most < _FEWEST_OPPORTUNITIES:
            raise InvalidValue(
                f"T is at most {most}: four parameters cannot be told from fewer than {_FEWEST_OPPORTUNITIES} "
                "opportunities; wait for more, or take shorter periods"
            )
        starts = [(1.0, 1.0, 0.5, 2.0), (0.5, 2.0, 0.05, 0.2), (4.0, 8.0, 2.0, 20.0)]
        optimum = maximise(_Likelihood(read), cls.DIRECTIONS, starts)
        return conclude(cls, optimum, customers=read.customers, histories=read.T.size, unit=read.unit)

    def _log_left(self, x: FloatArray, m: FloatArray) -> FloatArray:
        """Logarithm of the probability to have bought as seen and left after m opportunities."""
        bought = log_rising(self.beta, m - x) - log_rising(self.alpha + self.beta, m)
        left = np.log(self.gamma) + log_rising(self.delta, m) - log_rising(self.gamma + self.delta, m + 1)
        both: FloatArray = bought + left
        return both

    def _log_odds_gone(self, x: FloatArray, last: FloatArray, T: FloatArray) -> FloatArray:
        return per_distinct(self._log_odds, x, last, T)

    def _log_odds(self, x: FloatArray, last: FloatArray, T: FloatArray) -> FloatArray:
        odds = np.full(x.shape, -np.inf)
        for after in range(int((T - last).max()) + 1):
            at = np.flatnonzero(last + after <= T)
            odds[at] = np.logaddexp(odds[at], self._log_left(x[at], last[at] + after))
        return odds - self._log_stayed(x, T)

    def _log_stayed(self, x: FloatArray, T: FloatArray) -> FloatArray:
        """Logarithm of the probability to have bought as seen and be there at the opportunity after T."""
        bought = log_rising(self.beta, T - x) - log_rising(self.alpha + self.beta, T)
        both: FloatArray = bought + log_rising(self.delta, T + 1) - log_rising(self.gamma + self.delta, T + 1)
        return both

    def _log_likelihood(self, x: FloatArray, last: FloatArray, T: FloatArray) -> FloatArray:
        likelihood: FloatArray = (
            log_rising(self.alpha, x) + self._log_stayed(x, T) + np.logaddexp(0, self._log_odds_gone(x, last, T))
        )
        return likelihood

    def mean_alive(self, x: FloatArray, T: FloatArray, horizon: FloatArray) -> FloatArray:
        there, opportunities = np.ones(x.shape), np.zeros(x.shape)
        keep = self.delta + T + 1
        for step in range(int(horizon.max())):
            opportunities += np.where(step < horizon, there, 0.0)
            there *= (keep + step) / (self.gamma + keep + step)
        return (self.alpha + x) / (self.alpha + self.beta + T) * opportunities

    def _pmf_alive(self, x: FloatArray, T: FloatArray, horizon: FloatArray, count: FloatArray) -> FloatArray:
        x, T, horizon, count = np.broadcast_arrays(x, T, horizon, count)
        buy, pass_, keep = self.alpha + x, self.beta + T - x, self.delta + T + 1
        found = np.where((horizon == 0) & (count == 0), 1.0, 0.0)
        for seen in range(1, int(horizon.max()) + 1):
            at = np.flatnonzero((seen <= horizon) & (count <= seen))
            n, k = float(seen), count[at]
            bought = log_choose(n, k) + log_rising(buy[at], k) + log_rising(pass_[at], n - k)
            bought -= log_rising(buy[at] + pass_[at], n)
            stayed = log_rising(keep[at], n - 1) - log_rising(self.gamma + keep[at], n - 1)
            leaves = np.where(horizon[at] == n, 1.0, self.gamma / (self.gamma + keep[at] + n - 1))
            found[at] += np.exp(bought + stayed) * leaves
        return found

    def _discounted_alive(self, x: FloatArray, T: FloatArray, discount: FloatArray) -> FloatArray:
        discount, keep = np.broadcast_arrays(discount, self.delta + T + 1)
        lasting = 1 / discount
        if self.gamma > 0:
            lasting = np.array(
                [
                    beta_mean(lambda p, d=d: 1 / (p + d), self.gamma, k)
                    for d, k in zip(discount.tolist(), keep.tolist(), strict=True)
                ]
            )
        mean: FloatArray = (self.alpha + x) / (self.alpha + self.beta + T) * lasting
        return mean

    def _time_alive(self, x: FloatArray, T: FloatArray, share: FloatArray) -> FloatArray:
        buy, pass_, keep = self.alpha + x, self.beta + T - x, self.delta + T + 1
        times, bought = np.full(x.shape, np.nan), np.zeros(x.shape)
        waits, there = np.ones(x.shape), np.ones(x.shape)
        for step in range(_MOST_OPPORTUNITIES):
            bought += there * waits * buy / (buy + pass_ + step)
            waits *= (pass_ + step) / (buy + pass_ + step)
            there *= (keep + step) / (self.gamma + keep + step)
            times[np.isnan(times) & (bought >= share)] = step + 1.0
            if (~np.isnan(times) | (bought + there * waits < share)).all():
                break
        return times

    def _simulate(self, T: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        buys = rng.beta(self.alpha, self.beta, T.size)
        leaves = rng.beta(self.gamma, self.delta, T.size) if self.gamma > 0 else np.zeros(T.size)
        with np.errstate(divide="ignore", invalid="ignore"):
            there = np.minimum(np.floor(_waiting(rng, leaves)), T)
            # Looking back from the end, purchases fail for a geometric time; those before the last are independent.
            last = np.maximum(there - np.floor(_waiting(rng, buys)), 0.0)
        earlier = rng.binomial(np.maximum(last - 1, 0).astype(np.int64), buys)
        return np.where(last > 0, earlier + 1.0, 0.0), last


def _waiting(rng: np.random.Generator, chance: FloatArray) -> FloatArray:
    """Continuous waiting time whose whole part is the number of failures before a success."""
    waiting: FloatArray = np.where(chance < 1, np.log(rng.uniform(size=chance.size)) / np.log1p(-chance), 0.0)
    return waiting


class _Likelihood:
    """Log-likelihood of distinct histories, with gradient and Hessian in (alpha, beta, gamma, delta)."""

    def __init__(self, histories: Histories) -> None:
        self._x, self._last, self._n = (
            column.astype(np.int64) for column in (histories.frequency, histories.recency, histories.T)
        )
        self._weights = histories.weights

    def __call__(self, parameters: FloatArray) -> Derivatives:
        tables = [_table(start, int(self._n.max()) + 2) for start in self._starts(parameters)]
        value, slope, bend = 0.0, np.zeros(4), np.zeros((4, 4))
        for start in range(0, self._n.size, _ROWS):
            part = slice(start, start + _ROWS)
            more = _part(self._x[part], self._last[part], self._n[part], self._weights[part], parameters[2], tables)
            value, slope, bend = value + more[0], slope + more[1], bend + more[2]
        return value, slope, np.triu(bend) + np.triu(bend, 1).T

    @staticmethod
    def _starts(parameters: FloatArray) -> tuple[float, ...]:
        alpha, beta, gamma, delta = parameters.tolist()
        return alpha, beta, alpha + beta, delta, gamma + delta


def _table(start: float, most: int) -> FloatArray:
    """Logarithm of the rising factorials of a number, and the first two derivatives; one row each."""
    places = start + np.arange(most)
    table = np.zeros((3, most + 1))
    table[:, 1:] = np.cumsum([np.log(places), 1 / places, -(places**-2.0)], axis=1)
    return table


def _part(
    x: IntArray, last: IntArray, n: IntArray, w: FloatArray, gamma: float, tables: list[FloatArray]
) -> Derivatives:
    """What some histories add. A column is one way to explain the silence since the last purchase."""
    rises_alpha, rises_beta, rises_both, rises_delta, rises_end = tables
    m = np.minimum(last[:, None] + np.arange(int((n - last).max()) + 2), n[:, None] + 1)
    repeated = np.zeros(m.shape, dtype=bool)
    repeated[:, 1:] = m[:, 1:] == m[:, :-1]
    left = m <= n[:, None]  # left after m opportunities; in the column n + 1, still there
    seen = np.minimum(m, n[:, None])
    end = np.where(left, m + 1, m)
    bought = np.broadcast_to(x[:, None], m.shape)
    pick = (
        (rises_alpha, bought),
        (rises_beta, seen - bought),
        (rises_both, seen),
        (rises_delta, m),
        (rises_end, end),
    )
    log_term = sum(sign * table[0][at] for sign, (table, at) in zip((1, 1, -1, 1, -1), pick, strict=True))
    log_term = np.where(repeated, -np.inf, log_term + np.where(left, math.log(gamma), 0.0))
    top = log_term.max(axis=1, keepdims=True)
    share = np.exp(log_term - top)
    whole = share.sum(axis=1, keepdims=True)
    share /= whole
    first = [table[1][at] for table, at in pick]
    second = [table[2][at] for table, at in pick]
    slopes = (first[0] - first[2], first[1] - first[2], np.where(left, 1 / gamma, 0.0) - first[4], first[3] - first[4])
    bends = {
        (0, 0): second[0] - second[2],
        (0, 1): -second[2],
        (1, 1): second[1] - second[2],
        (2, 2): np.where(left, -1 / gamma**2, 0.0) - second[4],
        (2, 3): -second[4],
        (3, 3): second[3] - second[4],
    }
    means = [(share * one).sum(axis=1, keepdims=True) for one in slopes]
    bend = np.zeros((4, 4))
    for i in range(4):
        for j in range(i, 4):
            within = (slopes[i] - means[i]) * (slopes[j] - means[j]) + bends.get((i, j), 0.0)
            bend[i, j] = total(w[:, None] * share * within)
    value = total(w * (top + np.log(whole))[:, 0])
    return value, np.array([total(w * mean[:, 0]) for mean in means]), bend
