"""The shifted beta-geometric model of contractual relationships."""

import math
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from retention_metrics._checks import at_least, finite, first_true, generator, refuse_if, refuse_undefined, whole
from retention_metrics._typing import FloatArray, Numbers, Period, Undefined, Vector
from retention_metrics.cohorts import CohortTable
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.predictive._fit import Fit, conclude
from retention_metrics.predictive._fitting import Derivatives, Direction, Limit, maximise
from retention_metrics.predictive._histories import one_unit, per_distinct
from retention_metrics.predictive._model import Model, Scale, answer
from retention_metrics.predictive._special import beta_mean, log_rising
from retention_metrics.predictive._sums import more_than, rising, total

_FEWEST_LOST = 1.0


class ShiftedBetaGeometric(Model):
    r"""Shifted beta-geometric: at each renewal a customer leaves with a probability of its own.

    .. math:: \theta \sim \text{Beta}(\alpha, \beta), \qquad S(t) = \frac{B(\alpha, \beta + t)}{B(\alpha, \beta)},
        \qquad r_t = \frac{\beta + t - 1}{\alpha + \beta + t - 1}

    The retention rate of a cohort rises from period to period although nobody grows more loyal: the fickle leave first.

    Attributes:
        alpha: First shape of the beta distribution of churn probabilities, > 0.
        beta: Its second shape, > 0; the mean churn probability at the first renewal is alpha / (alpha + beta).
        unit: The length of a contract period, such as ``"year"``, or ``None`` if nobody said.

    Examples:
        >>> fit = ShiftedBetaGeometric.fit(survivors=[1000, 869, 743, 653, 593, 551, 517, 491], unit="year")
        >>> fit.model.survival([8, 9, 10]).round(3)
        array([0.46 , 0.436, 0.414])
        >>> fit.model.retention([1, 2, 8]).round(3)
        array([0.851, 0.878, 0.942])

    References:
        Fader & Hardie (2007), "How to project customer retention", *Journal of Interactive Marketing* 21(1), 76-90.
    """

    SCALES: ClassVar[dict[str, Scale]] = {
        "log_likelihood": "identity",
        "survival": "logit",
        "retention": "logit",
        "expected_lifetime": "log",
        "expected_residual_lifetime": "log",
    }
    DIRECTIONS: ClassVar[tuple[Direction, ...]] = (
        Direction(
            (1, -1),
            Limit(math.log(1e-9), ("alpha", "beta"), "alpha / beta runs to 0", "nobody leaves", idle=(1,)),
            Limit(math.log(1e9), ("alpha", "beta"), "beta runs to 0", "everybody leaves at once", idle=(1,)),
        ),
        Direction(
            (0, 1),
            Limit(
                math.log(1e-6),
                ("alpha", "beta"),
                "alpha and beta run to 0 together",
                "customers leave at the first renewal or never",
            ),
            Limit(
                math.log(1e6),
                ("alpha", "beta"),
                "alpha and beta run to infinity together",
                "all customers leave with the same probability, alpha / (alpha + beta)",
            ),
        ),
    )

    alpha: float = Field(gt=0)
    beta: float = Field(gt=0)

    @classmethod
    def fit(
        cls,
        table: CohortTable | None = None,
        /,
        *,
        survivors: Vector | None = None,
        durations: Vector | None = None,
        observed: Any = None,
        weights: Vector | None = None,
        unit: Period | None = None,
    ) -> Fit[Self]:
        """Fit the model by maximum likelihood, to cohorts, to the survivors of one cohort, or to lifetimes.

        Args:
            table: A table of cohorts of a log with one payment a period, ``orders.cohorts(counting="on_or_after")``:
                all cohorts are one base, each as far as it was observed. Its period is the unit.
            survivors: Customers of one cohort at the start and after each renewal, never rising. Counts, not percent,
                for standard errors that mean something.
            durations: In place of ``survivors``: the renewal at which each customer left (1, 2, ...), or for those
                still there how many renewals they made (0, 1, ...).
            observed: With ``durations``: whether each customer left; true for all by default.
            weights: With ``durations``: customers who have each lifetime; 1 by default.
            unit: The length of a contract period, such as ``"year"``.

        Returns:
            A :class:`Fit`: the model, covariance, standard errors, likelihood, and what the data leave open.

        Raises:
            InvalidValue: Survivors rise, nobody left, lifetimes are not whole, or ages of the table are no periods.
            InvalidType: A value is not a plain number.

        Warns:
            BoundaryWarning: The likelihood is largest at a limit, such as one churn rate for all.

        References:
            Fader & Hardie (2007), *Journal of Interactive Marketing* 21(1), 76-90, appendix B.
        """
        one_unit(unit, None)
        if sum(given is not None for given in (table, survivors, durations)) != 1:
            raise InvalidValue("pass one of a table of cohorts, survivors, or durations")
        if durations is None and (observed is not None or weights is not None):
            raise InvalidValue("observed and weights go with durations")
        if table is not None:
            unit = one_unit(unit, _period_of(table))
            times, left, counts = _of_table(table)
        elif survivors is not None:
            times, left, counts = _of_cohort(survivors)
        else:
            times, left, counts = _of_lifetimes(durations, observed, weights)
        if total(counts[left]) < _FEWEST_LOST or times.max() < 2:
            raise InvalidValue("a fit needs customers who left, and at least two renewals; observe for longer")
        starts = [(1.0, 2.0), (0.1, 0.1), (5.0, 50.0)]
        optimum = maximise(_Likelihood(times, left, counts), cls.DIRECTIONS, starts)
        rows = np.unique(np.stack([times, left]), axis=1).shape[1]
        return conclude(cls, optimum, customers=total(counts), histories=rows, unit=unit)

    def log_likelihood(self, *, durations: Numbers, observed: Any = True) -> float | FloatArray:
        r"""Logarithm of the probability of each lifetime.

        .. math:: P(T = t) = \frac{B(\alpha + 1, \beta + t - 1)}{B(\alpha, \beta)}, \qquad
            P(T > t) = \frac{B(\alpha, \beta + t)}{B(\alpha, \beta)}

        Args:
            durations: The renewal at which a customer left, or for those still there how many they made; whole.
            observed: Whether the customer left.

        Returns:
            A float for a number, otherwise an array.

        Raises:
            InvalidValue: Durations are not whole, or somebody left at renewal 0.
            InvalidType: A value is not a plain number.

        References:
            Fader & Hardie (2007), equations (2) and (3).
        """
        times = at_least(0, durations=durations)
        left = np.asarray(observed, dtype=bool)
        refuse_if(np.not_equal(np.mod(times, 1), 0), "durations must be whole: they count renewals")
        refuse_if(left & np.equal(times, 0), "durations must be >= 1 for customers who left")
        kept = np.where(left, np.subtract(times, 1), times)
        logs = log_rising(self.beta, kept) - log_rising(self.alpha + self.beta, times)
        logs = logs + np.where(left, math.log(self.alpha), 0.0)
        return float(logs) if np.ndim(logs) == 0 else np.asarray(logs)

    def survival(self, t: Numbers) -> float | FloatArray:
        r"""Share of a cohort still there after t renewals.

        .. math:: S(t) = \frac{B(\alpha, \beta + t)}{B(\alpha, \beta)}

        Args:
            t: Renewals, >= 0, whole.

        Returns:
            Fractions: a float for a number, otherwise an array.

        Raises:
            InvalidValue: t is negative or not whole.
            InvalidType: A value is not a plain number.

        References:
            Fader & Hardie (2007), equation (3).
        """
        times = at_least(0, t=t)
        refuse_if(np.not_equal(np.mod(times, 1), 0), "t must be whole: it counts renewals")
        shares: float | FloatArray = answer(
            np.exp(log_rising(self.beta, times) - log_rising(self.alpha + self.beta, times)), times
        )
        return shares

    def retention(self, t: Numbers) -> float | FloatArray:
        r"""Share of those there before renewal t who stay.

        .. math:: r_t = \frac{\beta + t - 1}{\alpha + \beta + t - 1}

        Args:
            t: Which renewal, 1 or later, whole.

        Returns:
            Fractions: a float for a number, otherwise an array.

        Raises:
            InvalidValue: t is below 1 or not whole.
            InvalidType: A value is not a plain number.

        References:
            Fader & Hardie (2007), equation (8).
        """
        times = at_least(1, t=t)
        refuse_if(np.not_equal(np.mod(times, 1), 0), "t must be whole: it counts renewals")
        rates: float | FloatArray = answer((self.beta + times - 1) / (self.alpha + self.beta + times - 1), times)
        return rates

    def expected_lifetime(self) -> float:
        r"""Mean number of periods that a customer stays, the first one counted.

        .. math:: E[T] = \frac{\alpha + \beta - 1}{\alpha - 1}

        Returns:
            Periods, >= 1.

        Raises:
            UndefinedMetric: alpha is at most 1: the loyal few stay so long that there is no mean. Discount, or take a
                horizon.

        Examples:
            >>> ShiftedBetaGeometric(alpha=2, beta=9).expected_lifetime()
            10.0

        References:
            Fader & Hardie (2007), *Journal of Interactive Marketing* 21(1), 76-90.
        """
        reason = f"alpha = {self.alpha:.4g} is at most 1: some stay for so long that there is no mean; discount instead"
        refuse_undefined(self.alpha <= 1, metric="expected_lifetime", reason=reason)
        return (self.alpha + self.beta - 1) / (self.alpha - 1)

    def expected_residual_lifetime(
        self, discount: Numbers, *, renewals: Numbers = 0, undefined: Undefined = "raise"
    ) -> float | FloatArray:
        r"""Renewals still to come, discounted to the next one, which is just due (DERL).

        .. math:: \sum_{k \ge 1} \frac{S(n + k)}{S(n)} (1 + d)^{-(k - 1)} =
            \frac{\beta + n}{\alpha + \beta + n} \, {}_2F_1\Big(1, \beta + n + 1; \alpha + \beta + n + 1;
            \frac{1}{1 + d}\Big)

        Args:
            discount: Discount rate per contract period, >= 0.
            renewals: Renewals n that the customer has made, whole.
            undefined: ``"nan"`` gives NaN where an array has no such sum.

        Returns:
            Discounted renewals: a float for numbers, otherwise an array. Times the fee of a period it is the value of
            the customer.

        Raises:
            UndefinedMetric: Without discount and with alpha at most 1 the sum is infinite.
            InvalidValue: Discount is negative, or renewals are not whole.
            InvalidType: A value is not a plain number.

        Examples:
            >>> model = ShiftedBetaGeometric(alpha=0.668, beta=3.806)
            >>> model.expected_residual_lifetime(0.1, renewals=[0, 1, 4]).round(2)
            array([5.41, 5.9 , 6.9 ])

        References:
            Fader & Hardie (2010), "Customer-base valuation in a contractual setting: the perils of ignoring
            heterogeneity", *Marketing Science* 29(1), 85-93.
        """
        rate, made = at_least(0, discount=discount), at_least(0, renewals=renewals)
        refuse_if(np.not_equal(np.mod(made, 1), 0), "renewals must be whole")
        reason = f"alpha = {self.alpha:.4g} is at most 1 and nothing is discounted, so the sum is infinite"
        endless = np.broadcast_to(
            np.equal(rate, 0) & (self.alpha <= 1), np.broadcast_shapes(np.shape(rate), np.shape(made))
        )
        refuse_undefined(endless, metric="expected_residual_lifetime", reason=reason, undefined=undefined)
        found: float | FloatArray = answer(per_distinct(self._residual, rate, made), rate, made)
        return found

    def simulate(self, *, customers: int, rng: np.random.Generator | int) -> FloatArray:
        """Draw the renewal at which each of some customers leaves.

        Args:
            customers: How many, >= 1.
            rng: Generator or seed; the same seed gives the same numbers.

        Returns:
            An array of whole numbers, 1 or more.

        Raises:
            InvalidValue: ``customers`` is below 1.
            InvalidType: ``rng`` is neither a generator nor a seed.

        References:
            As for the model.
        """
        number, source = whole(1, customers=customers), generator(rng)
        chance = source.beta(self.alpha, self.beta, number)
        with np.errstate(divide="ignore"):
            waits = np.log(source.uniform(size=number)) / np.log1p(-chance)
        times: FloatArray = np.maximum(np.ceil(np.where(chance < 1, waits, 1.0)), 1.0)
        return times

    def _residual(self, rate: FloatArray, made: FloatArray) -> FloatArray:
        def one(d: float, n: float) -> float:
            if d == 0:
                return (self.beta + n) / (self.alpha - 1) if self.alpha > 1 else math.nan
            return (1 + d) * beta_mean(lambda p: (1 - p) / (d + p), self.alpha, self.beta + n)

        return np.array([one(d, n) for d, n in zip(rate.tolist(), made.tolist(), strict=True)])


class _Likelihood:
    """Log-likelihood of lifetimes, with gradient and Hessian in (alpha, beta)."""

    def __init__(self, times: FloatArray, left: FloatArray, counts: FloatArray) -> None:
        self._lost = total(counts[left.astype(bool)])
        self._kept = more_than(times - left, counts)
        self._faced = more_than(times, counts)

    def __call__(self, parameters: FloatArray) -> Derivatives:
        alpha, beta = parameters.tolist()
        own, both = rising(beta, self._kept), rising(alpha + beta, self._faced)
        value = self._lost * math.log(alpha) + own[0] - both[0]
        slope = np.array([self._lost / alpha - both[1], own[1] - both[1]])
        bend = np.array([[-self._lost / alpha**2 - both[2], -both[2]], [-both[2], own[2] - both[2]]])
        return value, slope, bend


def _of_cohort(survivors: Vector) -> tuple[FloatArray, Any, FloatArray]:
    """Lifetimes of a cohort of which the survivors are known."""
    there = at_least(0, survivors=survivors)
    if isinstance(there, float) or there.ndim != 1 or there.size < 3:
        raise InvalidValue("survivors must be the customers at the start and after at least two renewals")
    return _steps_of(there, "survivors")


def _steps_of(there: FloatArray, name: str) -> tuple[FloatArray, Any, FloatArray]:
    """Lifetimes of those who were there at the start, and after each renewal."""
    rises = first_true(np.diff(there) > 0)
    if rises is not None:
        raise InvalidValue(f"{name} must never rise, but do from [{rises[0]}] to [{rises[0] + 1}]")
    renewals = there.size - 1
    times = np.append(np.arange(1.0, renewals + 1), renewals)
    left = np.append(np.ones(renewals), 0.0).astype(bool)
    return times, left, np.append(-np.diff(there), there[-1])


def _period_of(table: CohortTable) -> Period:
    """The period of a table in which each customer is in one cohort and each column is one period."""
    if not isinstance(table, CohortTable):
        raise InvalidType(f"table must be a CohortTable, got {type(table).__name__}; or pass survivors= or durations=")
    if table.anchor != "first" or table.min_events != 1 or table.window is not None or table.brackets is not None:
        raise InvalidValue("table must have one column a period, and customers in the cohort of their first one")
    return table.period


def _of_table(table: CohortTable) -> tuple[FloatArray, Any, FloatArray]:
    """Lifetimes of all cohorts, each as far as it was observed."""
    parts = []
    for label, size, kept, known in zip(table.labels, table.sizes, table.retained, table.observed, strict=True):
        there = np.append(float(size), kept[1:][known[1:]])
        if there.size > 1 and size:
            parts.append(_steps_of(there, f"the customers of cohort {label}"))
    if not parts:
        raise InvalidValue("table has no cohort that was observed after its first period")
    times, left, counts = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return times, left.astype(bool), counts


def _of_lifetimes(durations: Any, observed: Any, weights: Any) -> tuple[FloatArray, Any, FloatArray]:
    """Checked lifetimes."""
    times = np.atleast_1d(at_least(0, durations=durations))
    left = np.ones(times.shape, dtype=bool) if observed is None else np.atleast_1d(np.asarray(observed))
    counts = np.ones(times.shape) if weights is None else np.atleast_1d(at_least(0, weights=weights))
    if left.dtype != bool:
        left = finite(observed=observed) != 0  # type: ignore[assignment]
    if not times.shape == left.shape == counts.shape or times.ndim != 1:
        raise InvalidValue("durations, observed and weights must be one number a customer each")
    refuse_if(times % 1 != 0, "durations must be whole: they count renewals")
    refuse_if(left & (times == 0), "durations must be >= 1 for customers who left")
    return times, left, counts
