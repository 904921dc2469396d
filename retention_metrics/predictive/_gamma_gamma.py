"""The Gamma-Gamma model of spend per purchase."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self, overload

import numpy as np
from pydantic import Field

from retention_metrics._checks import aligned, at_least, finite, generator, refuse_if, refuse_undefined
from retention_metrics._typing import FloatArray, Number, Numbers, Scalar, Undefined
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.predictive._fit import Fit, conclude
from retention_metrics.predictive._fitting import Derivatives, Direction, Limit, from_sample, maximise
from retention_metrics.predictive._histories import NO_MONEY, column_of, refuse_unpaid
from retention_metrics.predictive._model import Model, Scale, answer
from retention_metrics.predictive._special import special
from retention_metrics.predictive._sums import blocks, log_of_more, pooled, sums, total

_FEWEST = 5
_SAMPLE = 1 << 14
_LARGE = 4 * _SAMPLE


class GammaGamma(Model):
    r"""Gamma-Gamma: what a customer spends per purchase scatters around a mean of its own.

    .. math:: z \sim \text{Gamma}(p, \nu), \quad \nu \sim \text{Gamma}(q, v), \qquad
        E[M \mid x, \bar z] = \frac{p (v + x \bar z)}{p x + q - 1}

    The expected spend of a customer lies between the own average and that of everybody, closer to the own one the
    more purchases there were. The model takes spend to be independent of how often a customer buys;
    :func:`~retention_metrics.predictive.diagnose` reports their correlation.

    Attributes:
        p: Shape of the gamma distribution of spend within a customer, > 0.
        q: Shape of the gamma distribution of its rate between customers, > 0; with q <= 1 spend has no mean.
        v: Rate of that distribution, > 0, in money.

    Examples:
        >>> model = GammaGamma(p=6.25, q=3.74, v=15.44)
        >>> model.expected_spend(frequency=[2, 1, 0], monetary_value=[22.35, 11.77, 0]).round(2)
        array([24.66, 18.92, 35.22])

    References:
        Colombo & Jiang (1999), "A stochastic RFM model", *Journal of Interactive Marketing* 13(3), 2-12; Fader &
        Hardie (2013), "The Gamma-Gamma model of monetary value", note 025.
    """

    TIMES: ClassVar[tuple[str, ...]] = ("v",)
    SCALES: ClassVar[dict[str, Scale]] = {"log_likelihood": "identity", "expected_spend": "log"}
    DIRECTIONS: ClassVar[tuple[Direction, ...]] = (
        Direction(
            (1, 0, 0),
            Limit(math.log(1e-6), ("p",), "p runs to 0", "spend within a customer scatters without bound"),
            Limit(math.log(1e6), ("p", "v"), "p runs to infinity", "each customer always spends the same"),
        ),
        Direction(
            (0, 1, 0),
            Limit(math.log(1e-6), ("q",), "q runs to 0", "spend between customers scatters without bound"),
            Limit(
                math.log(1e6), ("q", "v"), "q and v run to infinity together", "all customers spend alike on average"
            ),
        ),
        Direction(
            (1, -1, 1),
            Limit(-40.0, ("v",), "v runs to 0", "spend has no scale"),
            Limit(40.0, ("v",), "v runs to infinity", "spend has no scale"),
        ),
    )

    p: float = Field(gt=0)
    q: float = Field(gt=0)
    v: float = Field(gt=0)

    @classmethod
    def fit(
        cls,
        histories: Any = None,
        /,
        *,
        frequency: Any = None,
        monetary_value: Any = None,
        weights: Any = None,
    ) -> Fit[Self]:
        """Fit the model by maximum likelihood to the customers who bought again, by Newton's method.

        Customers without a repeat purchase have no average and are left out; the fit counts those it used.

        Args:
            histories: Any object with ``frequency`` and ``monetary_value`` (and perhaps ``weights``), such as
                :class:`Histories` with money; in place of the arguments that follow.
            frequency: Repeat purchases of each customer, whole numbers.
            monetary_value: Mean spend per repeat purchase, > 0 where there was one.
            weights: Customers who have each pair; 1 by default.

        Returns:
            A :class:`Fit`: the model, covariance, standard errors, likelihood, and what the data leave open.

        Raises:
            InvalidValue: Spend of somebody who bought again is not above 0, or fewer than five customers did.
            InvalidType: A value is not a plain number.

        Warns:
            BoundaryWarning: The likelihood is largest at a limit, such as "each customer always spends the same".

        References:
            Fader & Hardie (2013), note 025, equation (1).
        """
        if histories is not None:
            frequency, monetary_value, weights = _columns_of(histories, frequency, monetary_value, weights)
        if frequency is None or monetary_value is None:
            raise InvalidValue("a fit needs frequency and monetary_value")
        x, mean = _read(frequency, monetary_value)
        x, mean = np.broadcast_arrays(np.atleast_1d(x), np.atleast_1d(mean))
        w = np.ones(x.shape) if weights is None else np.atleast_1d(at_least(0, weights=weights))
        if w.shape != x.shape or x.ndim != 1:
            raise InvalidValue("frequency, monetary_value and weights must be one number a customer each")
        again = (x > 0) & (w > 0)
        x, mean, w = x[again], mean[again], w[again]
        if total(w) < _FEWEST:
            raise InvalidValue(f"a fit needs at least {_FEWEST} customers who bought again, got {total(w):g}")
        # In this order sums do not depend on the order of the customers.
        order = np.lexsort((mean, x)) if x.size <= 10_000 else slice(None)
        x, mean, w = x[order], mean[order], w[order]
        scale = total(w * mean) / total(w)
        starts: Sequence[Sequence[float]] = [(2.0, 3.0, 1.0), (0.5, 2.0, 2.0), (20.0, 5.0, 0.2)]
        mean = mean / scale
        if x.size >= _LARGE:
            some = slice(None, None, x.size // _SAMPLE)
            starts = from_sample(_Likelihood(x[some], mean[some], w[some]), cls.DIRECTIONS, starts)
        optimum = maximise(_Likelihood(x, mean, w), cls.DIRECTIONS, starts)
        shifted = optimum._replace(
            parameters=optimum.parameters * [1.0, 1.0, scale],
            log_likelihood=optimum.log_likelihood - total(w) * math.log(scale),
        )
        return conclude(cls, shifted, customers=total(w), histories=x.size, unit=None)

    @overload
    def log_likelihood(self, *, frequency: Scalar, monetary_value: Scalar) -> float: ...
    @overload
    def log_likelihood(self, *, frequency: Numbers, monetary_value: Numbers) -> FloatArray: ...
    def log_likelihood(self, *, frequency: Numbers, monetary_value: Numbers) -> float | FloatArray:
        r"""Logarithm of the density of the average spend of each customer who bought again.

        .. math:: \ln\frac{\Gamma(p x + q)}{\Gamma(p x) \Gamma(q)} - \ln \bar z +
            q \ln\frac{v}{v + x \bar z} + p x \ln\frac{x \bar z}{v + x \bar z}

        Args:
            frequency: Repeat purchases, whole numbers >= 1.
            monetary_value: Mean spend per repeat purchase, > 0.

        Returns:
            A float for numbers, otherwise an array.

        Raises:
            InvalidValue: A frequency is 0 or not whole, or spend is not above 0.
            InvalidType: A value is not a plain number.

        References:
            Fader & Hardie (2013), note 025, equation (1).
        """
        x, mean = _read(frequency, monetary_value)
        refuse_if(np.equal(x, 0), "frequency must be >= 1: without a repeat purchase there is no average")
        spent = x * mean
        logs = -special().betaln(self.p * x, self.q) - np.log(mean)
        logs -= self.q * np.log1p(spent / self.v) + self.p * x * np.log1p(self.v / spent)
        found: float | FloatArray = answer(logs, x, mean)
        return found

    @overload
    def expected_spend(
        self, *, frequency: Scalar | None = ..., monetary_value: Scalar | None = ..., undefined: Undefined = ...
    ) -> float: ...
    @overload
    def expected_spend(
        self, *, frequency: Numbers | None = ..., monetary_value: Numbers | None = ..., undefined: Undefined = ...
    ) -> FloatArray: ...
    def expected_spend(
        self,
        *,
        frequency: Numbers | None = None,
        monetary_value: Numbers | None = None,
        undefined: Undefined = "raise",
    ) -> float | FloatArray:
        r"""Mean spend per purchase to be expected, of anybody or of a customer with an average of its own.

        .. math:: E[M \mid x, \bar z] = \frac{p (v + x \bar z)}{p x + q - 1}, \qquad E[M] = \frac{p v}{q - 1}

        Args:
            frequency: Repeat purchases, whole numbers; without them the mean of everybody.
            monetary_value: Mean spend per repeat purchase, > 0 where there was one; not looked at where there was none.
            undefined: ``"nan"`` gives NaN where an array has no mean.

        Returns:
            Money per purchase: a float for numbers, otherwise an array.

        Raises:
            UndefinedMetric: p x + q is at most 1, so that the mean does not exist.
            InvalidValue: A frequency is not whole, or spend is not above 0.
            InvalidType: A value is not a plain number.

        References:
            Fader & Hardie (2013), note 025, equation (5).
        """
        if frequency is None and monetary_value is None:
            frequency, monetary_value = 0, 0
        elif frequency is None or monetary_value is None:
            raise InvalidValue("frequency and monetary_value go together")
        x, mean = _read(frequency, monetary_value)
        values = self.share_of_money(x) * (self.v + x * mean)
        reason = f"p x + q is at most 1 (q = {self.q:.4g}): such spend has no mean; use the median, or more data"
        refuse_undefined(np.isnan(values), metric="expected_spend", reason=reason, undefined=undefined)
        found: float | FloatArray = answer(values, x, mean)
        return found

    def share_of_money(self, x: Number) -> FloatArray:
        """Expected spend per purchase as a share of v and the money spent in x repeat purchases; NaN without a mean."""
        below = np.asarray(self.p * x + (self.q - 1))
        if below.size and below.min() > 0:
            return np.asarray(self.p / below)
        return np.where(below > 0, self.p / np.where(below > 0, below, 1.0), np.nan)

    def simulate(self, *, frequency: Numbers, rng: np.random.Generator | int) -> FloatArray:
        """Draw the average spend of customers who bought so often again.

        Args:
            frequency: Repeat purchases, whole numbers, one a customer.
            rng: Generator or seed; the same seed gives the same numbers.

        Returns:
            Mean spend per repeat purchase, 0 where there was none.

        Raises:
            InvalidValue: Frequencies are negative or not whole.
            InvalidType: A value is not a plain number, or ``rng`` is neither a generator nor a seed.

        References:
            As for the model.
        """
        source = generator(rng)
        x = np.atleast_1d(_read(frequency, 1.0)[0])
        rate = source.gamma(self.q, 1 / self.v, x.shape)
        spent: FloatArray = source.gamma(self.p * np.maximum(x, 1), 1 / (rate * np.maximum(x, 1)))
        return np.where(x > 0, spent, 0.0)


class _Likelihood:
    """Log-likelihood of average spends, with gradient and Hessian in (p, q, v)."""

    def __init__(self, x: FloatArray, mean: FloatArray, w: FloatArray) -> None:
        self._x, self._spent, self._w = x, x * mean, w
        self._counts, self._many = pooled(x, w)
        self._log_mean = total(w * np.log(mean))

    def __call__(self, parameters: FloatArray) -> Derivatives:
        p, q, v = parameters.tolist()
        psi, polygamma = special().digamma, special().polygamma
        k, n = self._counts, self._many
        customers, purchases = total(n), total(n * k)
        value = -total(n * special().betaln(p * k, q)) - self._log_mean
        bend = np.zeros((3, 3))
        slope = np.zeros(3)
        slope[0] = total(n * k * (psi(p * k + q) - psi(p * k)))
        slope[1] = total(n * (psi(p * k + q) - psi(q)))
        both = polygamma(1, p * k + q)
        bend[0, 0] = total(n * k**2 * (both - polygamma(1, p * k)))
        bend[0, 1] = total(n * k * both)
        bend[1, 1] = total(n * both) - customers * float(polygamma(1, q))

        logarithm = log_of_more(q)
        log_whole = log_part = own = of_count = own_twice = count_twice = 0.0
        for part in blocks(self._x.size):
            x, w, grown = self._x[part], self._w[part], self._spent[part] / v
            whole = logarithm(grown)
            logs = np.log(grown)
            logs -= whole
            share = 1 / (1 + grown)
            weighted = w * share
            bought = weighted * x
            log_whole += sums(w, whole)
            log_part += sums(w, x, logs)
            own += total(weighted)
            of_count += total(bought)
            own_twice += sums(weighted, share)
            count_twice += sums(bought, share)
        own, of_count, own_twice, count_twice = own / v, of_count / v, own_twice / v**2, count_twice / v**2
        value += p * log_part - q * log_whole
        slope[0] += log_part
        slope[1] -= log_whole
        slope[2] = q * customers / v - p * of_count - q * own
        bend[0, 2] = -of_count
        bend[1, 2] = customers / v - own
        bend[2, 2] = -q * customers / v**2 + p * count_twice + q * own_twice
        if not math.isfinite(value) or purchases <= 0:
            return -math.inf, slope, bend
        return value, slope, np.triu(bend) + np.triu(bend, 1).T


def _columns_of(histories: Any, *given: Any) -> tuple[Any, Any, Any]:
    """Frequency, spend and weights of an object that has them."""
    if any(column is not None for column in given):
        raise InvalidValue("pass either histories, or frequency=, monetary_value= and weights=, not both")
    frequency, spend, weights = (column_of(histories, name) for name in ("frequency", "monetary_value", "weights"))
    if frequency is None:
        raise InvalidType(f"histories must have frequency and monetary_value, got {type(histories).__name__}")
    if spend is None:
        raise InvalidValue(NO_MONEY)
    return frequency, spend, weights


def _read(frequency: Any, monetary_value: Any) -> tuple[Number, Number]:
    """Checked frequency and spend; spend of those who did not buy again is not looked at."""
    x = at_least(0, frequency=frequency)
    refuse_if(np.not_equal(np.mod(x, 1), 0), "frequency must be whole: it counts repeat purchases")
    if not isinstance(monetary_value, (int, float)):
        values = np.asarray(monetary_value)
        if values.dtype.kind == "f" and values.shape == np.shape(x):
            monetary_value = np.where(np.equal(x, 0), 0.0, values)
    mean = finite(monetary_value=monetary_value)
    aligned(frequency=x, monetary_value=mean)
    refuse_unpaid(x, mean)
    return x, np.maximum(mean, 0) if isinstance(mean, np.ndarray) else max(mean, 0.0)
