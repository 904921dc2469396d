"""The questions that every model of purchases answers."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self, overload

import numpy as np

from retention_metrics._checks import aligned, at_least, fraction, generator, refuse_if, refuse_undefined
from retention_metrics._typing import FloatArray, Number, Numbers, Period, Scalar, Undefined
from retention_metrics.errors import InvalidValue
from retention_metrics.predictive._fit import Fit
from retention_metrics.predictive._histories import Histories, flat, parts, per_distinct, read_customers
from retention_metrics.predictive._model import Model, Scale, answer
from retention_metrics.predictive._smooth import per_age
from retention_metrics.predictive._special import special

_LONG = 1 << 16
_GONE = "the chance that the customer ever buys again is too small for that; lower the probability"


class PurchaseModel(Model):
    """A model of repeat purchases: how often customers buy while they are customers, and when they stop being ones.

    Every question may be asked of a customer, with ``frequency``, ``recency`` and ``T``, or without them of somebody
    who has just made the first purchase. Numbers give a float, arrays an array of the broadcast shape.

    A model has no uncertainty of its own: intervals of any answer come from the fit, as in
    ``fit.interval("expected_purchases", 52)``.
    """

    WHOLE_TIMES: ClassVar[bool] = False
    """Whether times are counts of opportunities."""
    CHEAP: ClassVar[bool] = False
    """Whether a probability costs less than it does to find the histories that are alike."""
    SCALES: ClassVar[dict[str, Scale]] = {
        "log_likelihood": "identity",
        "probability_alive": "logit",
        "alive_history": "logit",
        "expected_purchases": "log",
        "purchase_count_pmf": "logit",
        "expected_residual_transactions": "log",
        "next_purchase": "log",
    }

    @classmethod
    @abstractmethod
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
        """Fit the model by maximum likelihood.

        References:
            As for the model.
        """

    @overload
    def log_likelihood(self, *, frequency: Scalar, recency: Scalar, T: Scalar) -> float: ...
    @overload
    def log_likelihood(self, *, frequency: Numbers, recency: Numbers, T: Numbers) -> FloatArray: ...
    def log_likelihood(self, *, frequency: Numbers, recency: Numbers, T: Numbers) -> float | FloatArray:
        """Logarithm of the likelihood of each purchase history.

        Args:
            frequency: Repeat purchases, whole numbers.
            recency: Time from the first purchase to the last, in the unit of the model; 0 without a repeat purchase.
            T: Time from the first purchase to the end of the observation, >= ``recency``.

        Returns:
            The logarithm of a density: a float for numbers, otherwise an array.

        Raises:
            InvalidValue: A history is impossible, as ``recency > T``; the message says which.
            InvalidType: A value is not a plain number.

        References:
            Fader, Hardie & Lee (2005), *Marketing Science* 24(2), 275-284; Fader & Hardie (2013), note 027.
        """
        return self._of_each(self._log_likelihood, frequency, recency, T)

    @overload
    def probability_alive(self, *, frequency: Scalar, recency: Scalar, T: Scalar) -> float: ...
    @overload
    def probability_alive(self, *, frequency: Numbers, recency: Numbers, T: Numbers) -> FloatArray: ...
    def probability_alive(self, *, frequency: Numbers, recency: Numbers, T: Numbers) -> float | FloatArray:
        """Probability that a customer with this history is still one at the end of the observation.

        Args:
            frequency: Repeat purchases, whole numbers.
            recency: Time from the first purchase to the last, in the unit of the model; 0 without a repeat purchase.
            T: Time from the first purchase to the end of the observation, >= ``recency``.

        Returns:
            Fractions: a float for numbers, otherwise an array.

        Raises:
            InvalidValue: A history is impossible, as ``recency > T``; the message says which.
            InvalidType: A value is not a plain number.

        References:
            Schmittlein, Morrison & Colombo (1987), *Management Science* 33(1), 1-24; Fader, Hardie & Lee (2005),
            *Marketing Science* 24(2), 275-284.
        """
        return self._of_each(self._alive, frequency, recency, T)

    @overload
    def expected_purchases(
        self, horizon: Scalar, *, frequency: Scalar | None = ..., recency: Scalar | None = ..., T: Scalar | None = ...
    ) -> float: ...
    @overload
    def expected_purchases(
        self,
        horizon: Numbers,
        *,
        frequency: Numbers | None = ...,
        recency: Numbers | None = ...,
        T: Numbers | None = ...,
    ) -> FloatArray: ...
    def expected_purchases(
        self,
        horizon: Numbers,
        *,
        frequency: Numbers | None = None,
        recency: Numbers | None = None,
        T: Numbers | None = None,
    ) -> float | FloatArray:
        r"""Purchases to be expected within a horizon, of a new customer or of one with a history.

        .. math:: E[Y(h) \mid x, t_x, T] = P(\text{alive}) \, E[Y(h) \mid x, T, \text{alive}]

        Args:
            horizon: Length of the time that follows T, >= 0, in the unit of the model.
            frequency: Repeat purchases, whole numbers; without a history a customer has just made the first purchase.
            recency: Time from the first purchase to the last, in the unit of the model.
            T: Time from the first purchase to the end of the observation, >= ``recency``.

        Returns:
            Repeat purchases: a float for numbers, otherwise an array.

        Raises:
            InvalidValue: The horizon is negative, or a history is impossible; the message says which.
            InvalidType: A value is not a plain number.

        References:
            Fader, Hardie & Lee (2005), *Marketing Science* 24(2), 275-284, equations (9) and (10).
        """
        given = read_customers(frequency, recency, T, whole_times=self.WHOLE_TIMES)
        ahead = self._horizon(horizon)
        aligned(horizon=ahead, **given._asdict())
        return self._answer(self._expected, *given, ahead)

    @overload
    def purchase_count_pmf(
        self,
        count: Scalar,
        *,
        horizon: Scalar,
        frequency: Scalar | None = ...,
        recency: Scalar | None = ...,
        T: Scalar | None = ...,
    ) -> float: ...
    @overload
    def purchase_count_pmf(
        self,
        count: Numbers,
        *,
        horizon: Numbers,
        frequency: Numbers | None = ...,
        recency: Numbers | None = ...,
        T: Numbers | None = ...,
    ) -> FloatArray: ...
    def purchase_count_pmf(
        self,
        count: Numbers,
        *,
        horizon: Numbers,
        frequency: Numbers | None = None,
        recency: Numbers | None = None,
        T: Numbers | None = None,
    ) -> float | FloatArray:
        r"""Probability of exactly so many purchases within a horizon.

        .. math:: P(Y(h) = n) = P(\text{alive}) \, P(Y(h) = n \mid \text{alive}) + [n = 0] \, (1 - P(\text{alive}))

        Args:
            count: Numbers of repeat purchases, whole.
            horizon: Length of the time that follows T, >= 0, in the unit of the model.
            frequency: Repeat purchases, whole numbers; without a history a customer has just made the first purchase.
            recency: Time from the first purchase to the last, in the unit of the model.
            T: Time from the first purchase to the end of the observation, >= ``recency``.

        Returns:
            Probabilities: a float for numbers, otherwise an array.

        Raises:
            InvalidValue: A count is not whole, the horizon is negative, or a history is impossible.
            InvalidType: A value is not a plain number.

        References:
            Fader, Hardie & Lee (2005), *Marketing Science* 24(2), 275-284, equation (8).
        """
        given = read_customers(frequency, recency, T, whole_times=self.WHOLE_TIMES)
        many, ahead = at_least(0, count=count), self._horizon(horizon)
        refuse_if(np.not_equal(np.mod(many, 1), 0), "count must be whole: it is a number of purchases")
        aligned(count=many, horizon=ahead, **given._asdict())
        return self._answer(lambda *rows: per_distinct(self._pmf, *rows), *given, ahead, many)

    @overload
    def expected_residual_transactions(
        self,
        discount: Scalar,
        *,
        frequency: Scalar | None = ...,
        recency: Scalar | None = ...,
        T: Scalar | None = ...,
    ) -> float: ...
    @overload
    def expected_residual_transactions(
        self,
        discount: Numbers,
        *,
        frequency: Numbers | None = ...,
        recency: Numbers | None = ...,
        T: Numbers | None = ...,
    ) -> FloatArray: ...
    def expected_residual_transactions(
        self,
        discount: Numbers,
        *,
        frequency: Numbers | None = None,
        recency: Numbers | None = None,
        T: Numbers | None = None,
    ) -> float | FloatArray:
        r"""Purchases to be expected over all the time to come, discounted to now (DERT).

        .. math:: \int_0^\infty (1 + d)^{-t} \, dE[Y(t) \mid x, t_x, T]

        Args:
            discount: Discount rate per unit of time of the model, above 0: money in one unit of time from now is worth
                1 / (1 + d) of money now. For a yearly rate R and a model per week d = (1 + R)^(7 / 365.25) - 1.
            frequency: Repeat purchases, whole numbers; without a history a customer has just made the first purchase.
            recency: Time from the first purchase to the last, in the unit of the model.
            T: Time from the first purchase to the end of the observation, >= ``recency``.

        Returns:
            Discounted repeat purchases: a float for numbers, otherwise an array.

        Raises:
            InvalidValue: The discount is not above 0, or a history is impossible.
            InvalidType: A value is not a plain number.

        References:
            Fader, Hardie & Lee (2005), "RFM and CLV: Using iso-value curves for customer base analysis", *Journal of
            Marketing Research* 42, 415-430; Fader, Hardie & Shang (2010), equation (14), for discrete time.
        """
        given = read_customers(frequency, recency, T, whole_times=self.WHOLE_TIMES)
        rate = at_least(0, open_low=True, discount=discount)
        aligned(discount=rate, **given._asdict())
        return self._answer(self._discounted, *given, rate)

    @overload
    def next_purchase(
        self,
        probability: Scalar = ...,
        *,
        frequency: Scalar | None = ...,
        recency: Scalar | None = ...,
        T: Scalar | None = ...,
        undefined: Undefined = ...,
    ) -> float: ...
    @overload
    def next_purchase(
        self,
        probability: Numbers = ...,
        *,
        frequency: Numbers | None = ...,
        recency: Numbers | None = ...,
        T: Numbers | None = ...,
        undefined: Undefined = ...,
    ) -> FloatArray: ...
    def next_purchase(
        self,
        probability: Numbers = 0.5,
        *,
        frequency: Numbers | None = None,
        recency: Numbers | None = None,
        T: Numbers | None = None,
        undefined: Undefined = "raise",
    ) -> float | FloatArray:
        r"""Time within which the next purchase comes with a given probability.

        .. math:: P(Y(t) \ge 1 \mid x, t_x, T) = p

        The median by default. It does not exist for a customer who is more likely gone than not; an expected time
        never does, because with some probability the customer has left.

        Args:
            probability: Probability p, above 0 and below 1.
            frequency: Repeat purchases, whole numbers; without a history a customer has just made the first purchase.
            recency: Time from the first purchase to the last, in the unit of the model.
            T: Time from the first purchase to the end of the observation, >= ``recency``.
            undefined: ``"nan"`` gives NaN where an array has no such time.

        Returns:
            Time from T on, in the unit of the model: a float for numbers, otherwise an array.

        Raises:
            UndefinedMetric: The customer buys again at all with a smaller probability.
            InvalidValue: The probability is not between 0 and 1, or a history is impossible.
            InvalidType: A value is not a plain number.

        References:
            The distribution of the first purchase of :meth:`purchase_count_pmf`.
        """
        given = read_customers(frequency, recency, T, whole_times=self.WHOLE_TIMES)
        share = fraction(open_low=True, open_high=True, probability=probability)
        aligned(probability=share, **given._asdict())
        times = self._answer(lambda *rows: per_distinct(self._next, *rows), *given, share)
        refuse_undefined(np.isnan(times), metric="next_purchase", reason=_GONE, undefined=undefined)
        return times

    def alive_history(self, purchases: Numbers, *, at: Numbers) -> float | FloatArray:
        """Probability that one customer was still one, as it stood at earlier times.

        Args:
            purchases: Times of the repeat purchases since the first one, > 0, in any order; ``[]`` if there was none.
            at: Time or times since the first purchase at which to ask, >= 0.

        Returns:
            Fractions: a float for a number, otherwise an array like ``at``.

        Raises:
            InvalidValue: A time is negative, or two purchases share one.
            InvalidType: A value is not a plain number.

        References:
            Fader, Hardie & Lee (2005), *Marketing Science* 24(2), 275-284, for the probability itself.
        """
        made = at_least(0, open_low=True, purchases=purchases) if np.size(purchases) else np.empty(0)
        times = np.sort(np.atleast_1d(made))
        refuse_if(np.diff(times) == 0, "purchases must be at different times; those of one day count as one")
        when = at_least(0, at=at)
        so_far = np.searchsorted(times, when, side="right")
        last = np.concatenate([[0.0], times])[so_far]
        found: float | FloatArray = answer(
            self.probability_alive(frequency=so_far, recency=last, T=np.asarray(when)), when
        )
        return found

    def simulate(self, *, T: Numbers, rng: np.random.Generator | int) -> Histories:
        """Draw a purchase history for each customer.

        Args:
            T: How long each customer is observed, one number a customer.
            rng: Generator or seed; the same seed gives the same numbers.

        Returns:
            :class:`Histories` in the order of ``T``, each of weight 1.

        Raises:
            InvalidValue: T is negative.
            InvalidType: A value is not a plain number, or ``rng`` is neither a generator nor a seed.

        References:
            Devroye (1986), *Non-Uniform Random Variate Generation*, section V.1, for the time of the last of several
            purchases.
        """
        given = read_customers(0, 0, T, whole_times=self.WHOLE_TIMES).T
        ages = np.atleast_1d(given)
        if ages.ndim != 1:
            raise InvalidValue("T must be one number a customer")
        frequency, recency = self._simulate(ages, generator(rng))
        return Histories(frequency, recency, ages, np.ones_like(ages), self.unit)

    def _answer(self, function: Callable[..., FloatArray], *columns: Number) -> Number:
        with np.errstate(divide="ignore", over="ignore", under="ignore"):
            arrays = np.broadcast_arrays(*columns)
            values = function(*(flat(array) for array in arrays)).reshape(arrays[0].shape)
            return answer(values, *columns)

    def _of_each(self, function: Callable[..., FloatArray], *columns: Any) -> Number:
        """An answer for each history; in long arrays part by part where that is cheap, which spares memory."""
        given = read_customers(*columns, whole_times=self.WHOLE_TIMES)
        size = np.size(given.T)
        arrays = [column for column in given if not isinstance(column, float) and column.shape == (size,)]
        if not self.CHEAP or size <= _LONG or len(arrays) < len(given):
            return self._answer(function, *given)
        found = np.empty(size)
        with np.errstate(divide="ignore", over="ignore", under="ignore"):
            for part in parts(size):
                found[part] = function(*(column[part] for column in arrays))
        return found

    def _horizon(self, horizon: Any) -> Number:
        ahead = at_least(0, horizon=horizon)
        if self.WHOLE_TIMES:
            refuse_if(np.not_equal(np.mod(ahead, 1), 0), "horizon must be whole: it counts opportunities")
        return ahead

    def _alive(self, x: FloatArray, last: FloatArray, T: FloatArray) -> FloatArray:
        alive: FloatArray = special().expit(-self._log_odds_gone(x, last, T))
        return alive

    def _expected(self, x: FloatArray, last: FloatArray, T: FloatArray, horizon: FloatArray) -> FloatArray:
        expected = per_age(self.mean_alive, x, T, horizon)
        if not self.CHEAP:
            return expected * self._alive(x, last, T)
        for part in parts(x.size):
            expected[part] *= self._alive(x[part], last[part], T[part])
        return expected

    def _pmf(
        self, x: FloatArray, last: FloatArray, T: FloatArray, horizon: FloatArray, count: FloatArray
    ) -> FloatArray:
        odds = self._log_odds_gone(x, last, T)
        expit = special().expit
        never = np.where(count == 0, expit(odds), 0.0)
        return np.asarray(expit(-odds) * self._pmf_alive(x, T, horizon, count) + never)

    def _discounted(self, x: FloatArray, last: FloatArray, T: FloatArray, discount: FloatArray) -> FloatArray:
        return self._alive(x, last, T) * per_age(self._discounted_alive, x, T, discount)

    def _next(self, x: FloatArray, last: FloatArray, T: FloatArray, share: FloatArray) -> FloatArray:
        wanted = share / self._alive(x, last, T)
        times = np.full(wanted.shape, np.nan)
        within = wanted < 1
        if within.any():
            times[within] = self._time_alive(x[within], T[within], wanted[within])
        return times

    @abstractmethod
    def mean_alive(self, x: FloatArray, T: FloatArray, horizon: FloatArray) -> FloatArray:
        """Purchases to be expected of those still there at T; arrays of one shape, not checked."""

    @abstractmethod
    def _log_likelihood(self, x: FloatArray, last: FloatArray, T: FloatArray) -> FloatArray: ...

    @abstractmethod
    def _log_odds_gone(self, x: FloatArray, last: FloatArray, T: FloatArray) -> FloatArray:
        """Logarithm of the odds that the customer has left."""

    @abstractmethod
    def _pmf_alive(self, x: FloatArray, T: FloatArray, horizon: FloatArray, count: FloatArray) -> FloatArray:
        """Probability of a number of purchases of those still there at T."""

    @abstractmethod
    def _discounted_alive(self, x: FloatArray, T: FloatArray, discount: FloatArray) -> FloatArray:
        """Discounted purchases to be expected of those still there at T."""

    @abstractmethod
    def _time_alive(self, x: FloatArray, T: FloatArray, share: FloatArray) -> FloatArray:
        """Time in which a share of those still there at T have bought again; NaN if fewer ever do."""

    @abstractmethod
    def _simulate(self, T: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Frequency and recency of customers observed for so long."""
