"""The result of a fit: the model, how sure it is, and what follows from that for any prediction."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import at_least, choice, fraction, freeze, generator, refuse_if, single, whole
from retention_metrics._stats import Interval, Intervals, two_sided_z
from retention_metrics._typing import FloatArray
from retention_metrics.errors import InvalidValue, RetentionMetricsWarning
from retention_metrics.predictive._fitting import Objective, Optimum, maximise
from retention_metrics.predictive._histories import Histories
from retention_metrics.predictive._model import Model, Scale

M = TypeVar("M", bound=Model)

_STEP = 1e-4


class BoundaryWarning(RetentionMetricsWarning):
    """The likelihood is largest where a parameter runs to zero or to infinity: a simpler model fits as well."""


class Boundary(BaseModel):
    """A limit at which the likelihood is largest.

    Attributes:
        parameters: The parameters that have no estimate of their own there.
        limit: Where they run to.
        becomes: What the model becomes there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameters: tuple[str, ...]
    limit: str
    becomes: str


class Fit(BaseModel, Generic[M]):
    """A model fitted by maximum likelihood.

    Attributes:
        model: The model at the maximum. On a boundary it is the limit model, or stands so close to it that
            predictions agree to six digits.
        customers: Customers behind the fit.
        histories: Distinct histories that they have.
        log_likelihood: Logarithm of the likelihood at the maximum.
        covariance: Covariance matrix of the parameters in the order of ``model.parameters``, from the exact Hessian.
        boundary: The limits at which the maximum lies; empty for a proper optimum.
        free: Parameters estimated; a boundary takes one or more away.
        steps: Newton steps to convergence. There is no flag to look at: a search that finds no maximum raises, and one
            that ends at a limit names it in ``boundary``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: M
    customers: float
    histories: int
    log_likelihood: float
    covariance: tuple[tuple[float, ...], ...]
    boundary: tuple[Boundary, ...]
    free: int
    steps: int

    @property
    def standard_errors(self) -> dict[str, float | None]:
        """Standard error of each parameter; ``None`` for one that ran to a limit."""
        spread = np.sqrt(np.diag(np.array(self.covariance)))
        lost = {name for limit in self.boundary for name in limit.parameters}
        return {
            name: None if name in lost else float(error)
            for name, error in zip(self.model.parameters, spread, strict=True)
        }

    @property
    def aic(self) -> float:
        """Akaike's information criterion; the smaller, the better.

        References:
            Akaike (1974), *IEEE Transactions on Automatic Control* 19, 716-723.
        """
        return 2 * self.free - 2 * self.log_likelihood

    @property
    def bic(self) -> float:
        """Bayesian information criterion; the smaller, the better.

        References:
            Schwarz (1978), *Annals of Statistics* 6, 461-464.
        """
        return self.free * math.log(self.customers) - 2 * self.log_likelihood

    def parameter_intervals(self, level: float = 0.95) -> dict[str, Interval | None]:
        r"""Confidence interval of each parameter, on the scale of its logarithm.

        .. math:: \hat\theta \, e^{\pm z \, se(\hat\theta) / \hat\theta}

        Args:
            level: Confidence level, between 0 and 1.

        Returns:
            Intervals by name; ``None`` for a parameter that ran to a limit.

        References:
            Meeker & Escobar (1998), *Statistical Methods for Reliability Data*, section 8.4.
        """
        z = two_sided_z(level)
        found: dict[str, Interval | None] = {}
        for name, error in self.standard_errors.items():
            value = self.model.parameters[name]
            factor = None if error is None else math.exp(min(z * error / value, 700.0))
            found[name] = (
                None
                if factor is None
                else Interval(
                    low=value / factor, high=min(value * factor, 1e300), level=level, method="wald of the log"
                )
            )
        return found

    @overload
    def interval(
        self,
        question: Callable[..., float],
        /,
        *args: Any,
        level: float = 0.95,
        scale: Scale | None = None,
        **options: Any,
    ) -> Interval: ...
    @overload
    def interval(
        self,
        question: str | Callable[..., Any],
        /,
        *args: Any,
        level: float = 0.95,
        scale: Scale | None = None,
        **options: Any,
    ) -> Interval | Intervals: ...
    def interval(
        self,
        question: str | Callable[..., Any],
        /,
        *args: Any,
        level: float = 0.95,
        scale: Scale | None = None,
        **options: Any,
    ) -> Interval | Intervals:
        r"""Confidence interval of a prediction, by the delta method.

        .. math:: g(f(\hat\theta)) \pm z \sqrt{\nabla g(f)^\top V \, \nabla g(f)}

        It says how far the parameters are open, not how chance makes single customers stray from their expectation.

        Args:
            question: Name of a method of the model, or a function that is given a model and answers with a number or
                an array.
            *args: What the method or the function is to be called with.
            level: Confidence level, between 0 and 1.
            scale: Scale g on which the interval is symmetric. By default that of the method: ``"logit"`` for
                probabilities, ``"log"`` for counts and money; ``"identity"`` for a function.
            **options: What the method or the function is to be called with, by name.

        Returns:
            An :class:`~retention_metrics.Interval` for a number, :class:`~retention_metrics.Intervals` for an array.

        Raises:
            InvalidValue: The model has no such method.

        Examples:
            >>> from retention_metrics.predictive import BgNbd
            >>> shop = BgNbd(r=0.24, alpha=4.4, a=0.8, b=2.4).simulate(T=[39] * 2000, rng=1)
            >>> found = BgNbd.fit(shop).interval("expected_purchases", 52)
            >>> round(found.low, 2), round(found.high, 2)
            (1.2, 1.46)

        References:
            Oehlert (1992), "A note on the delta method", *The American Statistician* 46, 27-29.
        """
        z = two_sided_z(level)
        chosen = scale_of(self.model, question, scale)
        value = np.asarray(ask(self.model, question, *args, **options), dtype=np.float64)
        slopes = sensitivities(self.model, lambda model: ask(model, question, *args, **options), chosen)
        variance = np.einsum("i...,ij,j...->...", slopes, self.log_covariance(), slopes)
        return around(value, np.sqrt(np.maximum(variance, 0)), z, level, chosen, "delta")

    def bootstrap(
        self, *, T: Any, weights: Any = None, draws: int = 200, rng: np.random.Generator | int
    ) -> "Bootstrap[M]":
        """Refit the model to histories simulated from it: how far it strays by chance.

        Args:
            T: How long each customer was observed.
            weights: Customers observed for so long, whole numbers; 1 each by default.
            draws: How many times to simulate and refit, >= 2.
            rng: Generator or seed; the same seed gives the same numbers.

        Returns:
            A :class:`Bootstrap`, from which intervals of any prediction follow.

        Raises:
            InvalidValue: Weights are not whole, or ``draws`` is below 2.
            InvalidType: ``rng`` is neither a generator nor a seed.

        References:
            Efron & Tibshirani (1993), *An Introduction to the Bootstrap*, section 6.5.
        """
        number, source = whole(2, draws=draws), generator(rng)
        ages = np.atleast_1d(at_least(0, T=T))
        if weights is not None:
            counts = np.atleast_1d(at_least(0, weights=weights))
            refuse_if(counts % 1 != 0, "weights must be whole: simulated customers are counted")
            ages = np.repeat(ages, counts.astype(np.int64))
        model: Any = self.model
        kept, failed, bounded = [], 0, 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BoundaryWarning)
            for _ in range(number):
                try:
                    found = type(model).fit(model.simulate(T=ages, rng=source))
                except InvalidValue:
                    failed += 1
                    continue
                bounded += bool(found.boundary)
                kept.append(list(found.model.parameters.values()))
        if len(kept) < 2:
            raise InvalidValue("hardly any of the simulated samples could be fitted; there are too few customers")
        return Bootstrap(model=self.model, draws=np.array(kept), failed=failed, bounded=bounded)

    def log_covariance(self) -> FloatArray:
        """Covariance matrix of the logarithms of the parameters; 0 for one that is 0.

        References:
            Oehlert (1992), *The American Statistician* 46, 27-29.
        """
        values = np.array(list(self.model.parameters.values()))
        inverse = np.where(values > 0, 1 / np.where(values > 0, values, 1.0), 0.0)
        logs: FloatArray = np.array(self.covariance) * inverse * inverse[:, None]
        return logs

    def __str__(self) -> str:
        lines = [f"{type(self.model).__name__} of {self.customers:,.0f} customers"]
        if self.model.unit:
            lines[0] += f", per {self.model.unit}"
        errors = self.standard_errors
        width = max(len(name) for name in errors)
        for name, value in self.model.parameters.items():
            error = errors[name]
            lines.append(f"{name:>{width}}  {value:>10.4g}  {'' if error is None else f'se {error:.3g}'}".rstrip())
        lines.append(f"log-likelihood {self.log_likelihood:,.2f}, AIC {self.aic:,.2f}, BIC {self.bic:,.2f}")
        lines.append(f"converged in {self.steps} steps")
        lines += [said(limit) for limit in self.boundary]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, eq=False)
class Bootstrap(Generic[M]):
    """Parameters of a model refitted to samples simulated from it.

    Attributes:
        model: The model that was simulated.
        draws: One row a sample, one column a parameter.
        failed: Samples in which too few customers bought again for a fit.
        bounded: Samples whose maximum lay on a boundary.
    """

    model: M
    draws: FloatArray
    failed: int
    bounded: int

    def __post_init__(self) -> None:
        """Make the array read-only."""
        freeze(self, "draws")

    def interval(
        self, question: str | Callable[..., Any], /, *args: Any, level: float = 0.95, **options: Any
    ) -> Interval | Intervals:
        """Confidence interval of a prediction: quantiles of its values in the refitted models.

        Args:
            question: As for :meth:`Fit.interval`.
            *args: What the method or the function is to be called with.
            level: Confidence level, between 0 and 1.
            **options: What the method or the function is to be called with, by name.

        Returns:
            An :class:`~retention_metrics.Interval` for a number, :class:`~retention_metrics.Intervals` for an array.

        Raises:
            InvalidValue: The model has no such method.

        References:
            Efron & Tibshirani (1993), *An Introduction to the Bootstrap*, section 13.3.
        """
        confidence = single(fraction(open_low=True, open_high=True, level=level), "level")
        values = np.array([ask(self.model.moved(row), question, *args, **options) for row in self.draws])
        low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
        return limits(low, high, confidence, f"parametric bootstrap of {len(self.draws)} samples")


def fitted(
    kind: type[M],
    histories: Histories,
    likelihood: Callable[[Histories], Objective],
    starts: Sequence[Sequence[float]],
) -> Fit[M]:
    """Fit a model of purchases in units of the mean time observed, so that the user's unit makes no difference."""
    length = float((histories.T * histories.weights).sum()) / histories.customers
    if length == 0:
        raise InvalidValue("T is 0 for everybody: nobody has been observed for any time")
    scaled = Histories(
        histories.frequency, histories.recency / length, histories.T / length, histories.weights, histories.unit
    )
    optimum = maximise(likelihood(scaled), kind.DIRECTIONS, starts)
    factor = np.array([length if name in kind.TIMES else 1.0 for name in kind.model_fields if name != "unit"])
    purchases = float((histories.weights * histories.frequency).sum())
    shifted = optimum._replace(
        parameters=optimum.parameters * factor,
        log_likelihood=optimum.log_likelihood - purchases * math.log(length),
    )
    return conclude(
        kind, shifted, customers=histories.customers, histories=histories.T.size, unit=histories.unit, depth=4
    )


def conclude(kind: type[M], optimum: Optimum, *, customers: float, histories: int, unit: Any, depth: int = 3) -> Fit[M]:
    """The result of a search, with a warning to the caller so many calls up if it ended at a limit."""
    names = [name for name in kind.model_fields if name != "unit"]
    values = dict(zip(names, optimum.parameters.tolist(), strict=True))
    for limit in optimum.limits:
        values.update(limit.exact)
    parameters = np.array(list(values.values()))
    found = Fit[kind](  # type: ignore[valid-type]
        model=kind(**values, unit=unit),
        customers=customers,
        histories=histories,
        log_likelihood=optimum.log_likelihood,
        covariance=tuple(map(tuple, (optimum.covariance * np.outer(parameters, parameters)).tolist())),
        boundary=tuple(
            Boundary(parameters=limit.parameters, limit=limit.towards, becomes=limit.becomes)
            for limit in optimum.limits
        ),
        free=optimum.free,
        steps=optimum.steps,
    )
    for reached in found.boundary:
        warnings.warn(said(reached), BoundaryWarning, stacklevel=depth)
    return found


def said(limit: Boundary) -> str:
    """A boundary in words."""
    return f"the likelihood is largest where {limit.limit}: {limit.becomes}"


def ask(model: Model, question: str | Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    """The answer of a model to a question that is one of its methods, or a function."""
    if callable(question):
        return question(model, *args, **options)
    choice(model.SCALES, question=question)
    return getattr(model, question)(*args, **options)


def scale_of(model: Model, question: str | Callable[..., Any], scale: Scale | None) -> Scale:
    """The scale on which an interval is taken."""
    if scale is not None:
        choice(("log", "logit", "identity"), scale=scale)
        return scale
    if callable(question):
        return "identity"
    choice(model.SCALES, question=question)
    return model.SCALES[question]


def sensitivities(model: Model, value: Callable[[Any], Any], scale: Scale) -> FloatArray:
    """Change of a value, on a scale, with the logarithm of each parameter; 0 where the scale has no end."""
    values = list(model.parameters.values())
    rows = []
    for i, parameter in enumerate(values):
        ends = []
        for sign in (1, -1):
            moved = list(values)
            moved[i] = parameter * math.exp(sign * _STEP)
            ends.append(onto(np.asarray(value(model.moved(moved)), dtype=np.float64), scale))
        with np.errstate(invalid="ignore"):
            rows.append((ends[0] - ends[1]) / (2 * _STEP))
    slopes = np.array(rows)
    return np.where(np.isfinite(slopes), slopes, 0.0)


def onto(value: FloatArray, scale: Scale) -> FloatArray:
    """A value on its scale."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "identity":
            return value
        logs: FloatArray = np.log(value)
        return logs if scale == "log" else logs - np.log1p(-value)


def around(
    value: FloatArray, error: FloatArray, z: float, level: float, scale: Scale, method: str
) -> Interval | Intervals:
    """The interval around a value whose standard error is known on a scale."""
    with np.errstate(over="ignore", invalid="ignore"):
        half = z * error
        if scale == "identity":
            low, high = value - half, value + half
        elif scale == "log":
            ends = value * np.exp(-half), value * np.exp(half)
            low, high = np.minimum(*ends), np.maximum(*ends)
        else:
            low = value / (value + (1 - value) * np.exp(half))
            high = value / (value + (1 - value) * np.exp(-half))
    fixed = error == 0
    return limits(np.where(fixed, value, low), np.where(fixed, value, high), level, method)


def limits(low: FloatArray, high: FloatArray, level: float, method: str) -> Interval | Intervals:
    """One interval for numbers, arrays of limits for arrays."""
    if np.ndim(low) == 0:
        return Interval(low=float(low), high=float(high), level=level, method=method)
    return Intervals(low=low, high=high, level=level, method=method)
