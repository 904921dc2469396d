"""Does the model hold on what it has not seen?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import at_least, finite, freeze, refuse_if, single
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Readable, Result
from retention_metrics._typing import FloatArray, Numbers, Scalar
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.predictive._fit import Fit
from retention_metrics.predictive._gamma_gamma import GammaGamma
from retention_metrics.predictive._histories import per_distinct, read_customers, refuse_unpaid
from retention_metrics.predictive._purchases import PurchaseModel

_MOST_PAST = 7
_AS_GOOD = 2.0
_HARDLY = 0.01
"""Errors in a holdout that differ by a smaller share are taken for equal."""


class PastRow(BaseModel):
    """Customers who had bought so often before the holdout, and what they did in it.

    Attributes:
        past: Repeat purchases before the holdout.
        more: Whether the row also holds customers with more.
        customers: How many there are.
        actual: Purchases per customer in the holdout.
        expected: What the model expected.
        naive: What the past rate of purchases, frequency / T, would have given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    past: int
    more: bool
    customers: float
    actual: float
    expected: float
    naive: float


class RevenueForecast(BaseModel):
    """Money of a holdout, beside what was expected.

    Attributes:
        actual: Money that came.
        expected: Purchases to be expected times the spend to be expected of each customer, added up.
        naive: Average ticket times frequency: what the repeat purchases brought per unit of time, carried on.
        mean_absolute_error: Mean over the customers of how far the model was out.
        naive_mean_absolute_error: The same of the naive forecast.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    actual: float
    expected: float
    naive: float
    mean_absolute_error: float
    naive_mean_absolute_error: float


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tracking(Result):
    """Repeat purchases of a cohort as it ages, counted and expected; read-only arrays.

    Attributes:
        times: Times from the beginning of the holdout on; below 0 before it.
        actual: Repeat purchases made until then.
        expected: Repeat purchases that the model expects until then.
    """

    times: FloatArray
    actual: FloatArray
    expected: FloatArray

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, "times", "actual", "expected")

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a time."""
        return {name: getattr(self, name).tolist() for name in ("times", "actual", "expected")}

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a time, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Validation(Result):
    """What a model expected of a holdout, beside what came; read-only arrays.

    Attributes:
        model: Name of the model.
        actual: Purchases in the holdout.
        expected: What the model expected.
        naive: What the past rate of purchases, frequency / T, would have given.
        mean_absolute_error: Mean over the customers of how far the model was out.
        naive_mean_absolute_error: The same of the naive forecast.
        root_mean_squared_error: Root of the mean over the customers of the squared error of the model.
        naive_root_mean_squared_error: The same of the naive forecast.
        by_past: Rows by past purchases.
        counts: Numbers of purchases in the holdout, 0, 1, 2 ... and a last one that also holds all larger ones.
        actual_customers: Customers who made each number of purchases.
        expected_customers: Customers whom the model expected to.
        revenue: The same of money, or ``None`` without a model of spend.
        tracking: The tracking curve, or ``None`` where it takes a log to count it.
    """

    model: str
    actual: float
    expected: float
    naive: float
    mean_absolute_error: float
    naive_mean_absolute_error: float
    root_mean_squared_error: float
    naive_root_mean_squared_error: float
    by_past: tuple[PastRow, ...]
    counts: FloatArray
    actual_customers: FloatArray
    expected_customers: FloatArray
    revenue: RevenueForecast | None = None
    tracking: Tracking | None = None

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, "counts", "actual_customers", "expected_customers")

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a row of past purchases."""
        return {name: [getattr(row, name) for row in self.by_past] for name in PastRow.model_fields}

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a number of past purchases, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)

    def __str__(self) -> str:
        lines = [f"{'past':>5} {'customers':>10} {'actual':>8} {'model':>8} {'naive':>8}"]
        for row in self.by_past:
            past = f"{row.past}{'+' if row.more else ''}"
            lines.append(f"{past:>5} {row.customers:>10,.0f} {row.actual:>8.3f} {row.expected:>8.3f} {row.naive:>8.3f}")
        lines.append(f"  all {self.actual:>19,.0f} {self.expected:>8,.0f} {self.naive:>8,.0f}")
        lines.append(f"{'holdout':>7} {'customers':>17} {'model':>8}")
        for number, came, expected in zip(self.counts, self.actual_customers, self.expected_customers, strict=True):
            counted = f"{number:.0f}{'+' if number == self.counts[-1] else ''}"
            lines.append(f"{counted:>7} {came:>17,.0f} {expected:>8,.0f}")
        lines.append(
            f"mean absolute error {self.mean_absolute_error:.3f}, naive {self.naive_mean_absolute_error:.3f}; "
            f"root mean squared {self.root_mean_squared_error:.3f}, naive {self.naive_root_mean_squared_error:.3f}"
        )
        if self.revenue is not None:
            money = self.revenue
            lines.append(f"revenue {money.actual:,.2f}, model {money.expected:,.2f}, naive {money.naive:,.2f}")
        return "\n".join(lines)


def validate(
    model: Any,
    *,
    frequency: Numbers,
    recency: Numbers,
    T: Numbers,
    holdout: Numbers,
    horizon: Scalar,
    weights: Numbers | None = None,
    spend: Any = None,
    monetary_value: Numbers | None = None,
    holdout_amount: Numbers | None = None,
) -> Validation:
    """Compare what a model expects of a holdout with what came, and with the naive rate of the past.

    On a log :meth:`~retention_metrics.logs.Transactions.validate` makes all of this from a day to split at.

    Args:
        model: A model of purchases or its :class:`Fit`, made from the time before the holdout only.
        frequency: Repeat purchases of each customer before the holdout, whole numbers.
        recency: Time from the first purchase to the last one before the holdout; 0 without a repeat purchase.
        T: Time from the first purchase to the beginning of the holdout.
        holdout: Purchases of each customer in the holdout, whole numbers.
        horizon: Length of the holdout, > 0, in the unit of the model.
        weights: Customers who have each history; 1 by default.
        spend: A :class:`GammaGamma` model or its :class:`Fit`, to compare money too.
        monetary_value: With ``spend``: mean spend per repeat purchase before the holdout.
        holdout_amount: With ``spend``: money that each customer brought in the holdout.

    Returns:
        A :class:`Validation`: totals, errors, rows by past purchases, and customers by number of purchases.

    Raises:
        InvalidValue: A history is impossible, purchases are not whole, or lengths differ.
        InvalidType: The model is of the wrong kind, or a value is not a plain number.

    Examples:
        >>> from retention_metrics.predictive import BgNbd
        >>> model = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> found = validate(model, frequency=[0, 0, 3], recency=[0, 0, 30], T=[39, 30, 35], holdout=[0, 1, 2],
        ...                  horizon=39)
        >>> round(found.expected, 2), found.actual, [row.past for row in found.by_past]
        (2.46, 3.0, [0, 3])

    References:
        Fader, Hardie & Lee (2005), *Marketing Science* 24(2), 275-284, section 4.
    """
    asked = _purchase_model(model)
    given = read_customers(frequency, recency, T, whole_times=asked.WHOLE_TIMES)
    came, length = at_least(0, holdout=holdout), single(at_least(0, open_low=True, horizon=horizon), "horizon")
    refuse_if(np.not_equal(np.mod(came, 1), 0), "holdout must be whole: it counts purchases")
    w = at_least(0, weights=1.0 if weights is None else weights)
    try:
        x, last, age, came, w = (np.atleast_1d(v) for v in np.broadcast_arrays(*given, came, w))
    except ValueError:
        raise InvalidValue("frequency, recency, T, holdout and weights must be one number a customer each") from None
    people = float(w.sum())
    refuse_if(people == 0, "weights are all 0: there is nobody to validate on")
    together = [given is None for given in (spend, monetary_value, holdout_amount)]
    if any(together) and not all(together):
        raise InvalidValue("spend, monetary_value and holdout_amount go together")
    expected = asked.expected_purchases(length, frequency=x, recency=last, T=age)
    naive = np.divide(x, age, out=np.zeros_like(age), where=age > 0) * length
    errors, naive_errors = expected - came, naive - came
    most = int(min(came.max(), _MOST_PAST))
    counts = np.arange(most + 1.0)
    chances = np.array(
        [(w * asked.purchase_count_pmf(n, horizon=length, frequency=x, recency=last, T=age)).sum() for n in counts[:-1]]
    )
    return Validation(
        model=type(asked).__name__,
        actual=float((w * came).sum()),
        expected=float((w * expected).sum()),
        naive=float((w * naive).sum()),
        mean_absolute_error=float((w * np.abs(errors)).sum()) / people,
        naive_mean_absolute_error=float((w * np.abs(naive_errors)).sum()) / people,
        root_mean_squared_error=math.sqrt(float((w * errors**2).sum()) / people),
        naive_root_mean_squared_error=math.sqrt(float((w * naive_errors**2).sum()) / people),
        by_past=_rows(x, w, came, expected, naive),
        counts=counts,
        actual_customers=np.asarray(
            np.bincount(np.minimum(came, most).astype(np.int64), w, minlength=most + 1), dtype=np.float64
        ),
        expected_customers=np.append(chances, people - chances.sum()),
        revenue=None if spend is None else _revenue(spend, x, monetary_value, holdout_amount, expected, naive, w),
    )


def expected_tracking(model: Any, *, T: Numbers, at: Numbers, weights: Numbers | None = None) -> FloatArray:
    r"""Repeat purchases to be expected of all customers up to given times: the tracking curve.

    .. math:: \sum_i w_i E[X(\max(0, T_i + u))]

    Beside the purchases that were counted it shows whether the model follows a cohort as it ages, before and after the
    end of the observation.

    Args:
        model: A model of purchases or its :class:`Fit`.
        T: Time from the first purchase of each customer to the end of the observation.
        at: Times u from the end of the observation on: below 0 before it, above 0 after it.
        weights: Customers who were observed for so long; 1 by default.

    Returns:
        Cumulative repeat purchases at each time.

    Raises:
        InvalidValue: T is negative.
        InvalidType: The model is of the wrong kind, or a value is not a plain number.

    Examples:
        >>> from retention_metrics.predictive import BgNbd
        >>> model = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> expected_tracking(model, T=[30, 39], at=[-39, 0, 39]).round(2)
        array([0.  , 2.2 , 3.59])

    References:
        Fader, Hardie & Lee (2005), *Marketing Science* 24(2), 275-284, figures 2 and 3.
    """
    asked = _purchase_model(model)
    ages = np.atleast_1d(at_least(0, T=T))
    counted = np.broadcast_to(at_least(0, weights=1.0 if weights is None else weights), ages.shape)
    known, inverse = np.unique(ages, return_inverse=True)
    many = np.bincount(inverse, counted)
    when = np.atleast_1d(finite(at=at))
    times = np.maximum(known + when[:, None], 0)
    found: FloatArray = (many * per_distinct(asked.expected_purchases, times)).sum(axis=1)
    return found


class ComparedModel(BaseModel):
    """One model of a comparison.

    Attributes:
        model: Its name.
        log_likelihood: Logarithm of the likelihood.
        free: Parameters estimated.
        aic: Akaike's criterion; the smaller, the better.
        bic: Bayesian criterion; the smaller, the better.
        boundary: What it becomes, if its maximum lies on a boundary.
        holdout_error: Root mean squared error per customer in the holdout, if one was given. It is least for the right
            expectation, which of the mean absolute error does not hold: half of the customers or more buy nothing, and
            a forecast of nothing for all would do well by it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str
    log_likelihood: float
    free: int
    aic: float
    bic: float
    boundary: tuple[str, ...]
    holdout_error: float | None


class ModelComparison(Readable, BaseModel):
    """Models fitted to the same histories, the best by Akaike's criterion first."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rows: tuple[ComparedModel, ...]

    @property
    def answer(self) -> str:
        """Which model to take, in plain words: by likelihood, and by the holdout if there is one."""
        best = self.rows[0]
        near = [row for row in self.rows[1:] if row.aic - best.aic < _AS_GOOD]
        simpler = [row for row in near if row.free < best.free]
        taken = simpler[0] if simpler else best
        if simpler:
            said = f"{taken.model} is as good as {best.model} and simpler."
        elif near:
            said = f"{best.model} fits best, but {' and '.join(row.model for row in near)} cannot be told from it."
        elif len(self.rows) == 1:
            return f"{best.model} stands alone: there is nothing to compare it with."
        else:
            said = f"{best.model} fits best, by {self.rows[1].aic - best.aic:.1f} of AIC before {self.rows[1].model}."
        errors = {row.model: row.holdout_error for row in self.rows if row.holdout_error is not None}
        return f"{said} {_in_holdout(taken.model, errors)}" if errors else said

    def __str__(self) -> str:
        width = max(len(row.model) for row in self.rows)
        lines = [f"{'model':<{width}} {'log-lik.':>14} {'free':>5} {'AIC':>14} {'BIC':>14} {'holdout':>8}"]
        for row in self.rows:
            error = "-" if row.holdout_error is None else f"{row.holdout_error:.3f}"
            lines.append(
                f"{row.model:<{width}} {row.log_likelihood:>14,.2f} {row.free:>5} {row.aic:>14,.2f} {row.bic:>14,.2f} "
                f"{error:>8}"
            )
            lines += [f"{'':<{width}} becomes: {limit}" for limit in row.boundary]
        return "\n".join([*lines, self.answer])


def compare(fits: Sequence[Fit[Any]], *, validations: Sequence[Validation] | None = None) -> ModelComparison:
    r"""Put models side by side that were fitted to the same histories.

    .. math:: \text{AIC} = 2 k - 2 \ln L, \qquad \text{BIC} = k \ln n - 2 \ln L

    Parameters that ran to a limit are not counted in k. Models whose AIC differs by less than 2 cannot be told apart by
    likelihood, and of these the one with the fewest parameters is as good; errors in the holdout that differ by less
    than 1 % are taken for equal.

    Args:
        fits: Fits of :class:`BgNbd`, :class:`MbgNbd`, :class:`ParetoNbd` to the same histories.
        validations: What :func:`validate` said of each, in the same order, on the same holdout.

    Returns:
        A :class:`ModelComparison`, the best by AIC first, with the answer in plain words.

    Raises:
        InvalidValue: There is nothing to compare, the fits rest on different customers, or a validation is of another
            model or holdout.
        InvalidType: Something is not a fit.

    Examples:
        >>> from retention_metrics.predictive import BgNbd, MbgNbd
        >>> shop = MbgNbd(r=0.5, alpha=6, a=0.9, b=1.6).simulate(T=[39] * 4000, rng=1)
        >>> print(compare([BgNbd.fit(shop), MbgNbd.fit(shop)]).answer)
        MbgNbd fits best, by 16.7 of AIC before BgNbd.

    References:
        Burnham & Anderson (2002), *Model Selection and Multimodel Inference*, 2nd ed., chapter 2.
    """
    if not fits or (validations is not None and len(validations) != len(fits)):
        raise InvalidValue("fits must be at least one, and validations one for each")
    for fit in fits:
        if not isinstance(fit, Fit) or not isinstance(fit.model, PurchaseModel):
            raise InvalidType(f"fits must be fits of models of purchases, got {type(fit).__name__}")
    kinds = {(fit.customers, fit.histories, fit.model.unit, fit.model.WHOLE_TIMES) for fit in fits}
    if len(kinds) > 1:
        raise InvalidValue("the fits rest on different histories or units of time, so their likelihoods do not compare")
    for fit, told in zip(fits, validations or (), strict=validations is not None):
        if not isinstance(told, Validation):
            raise InvalidType(f"validations must be what validate gives, got {type(told).__name__}")
        if told.model != type(fit.model).__name__:
            raise InvalidValue(
                f"validations must be in the order of the fits: {told.model} stands beside a fit of "
                f"{type(fit.model).__name__}"
            )
    if len({(told.actual, float(told.actual_customers.sum())) for told in validations or ()}) > 1:
        raise InvalidValue("the validations are of different holdouts, so their errors do not compare")
    rows = [
        ComparedModel(
            model=type(fit.model).__name__,
            log_likelihood=fit.log_likelihood,
            free=fit.free,
            aic=fit.aic,
            bic=fit.bic,
            boundary=tuple(limit.becomes for limit in fit.boundary),
            holdout_error=None if validations is None else validations[i].root_mean_squared_error,
        )
        for i, fit in enumerate(fits)
    ]
    return ModelComparison(rows=tuple(sorted(rows, key=lambda row: row.aic)))


def _in_holdout(taken: str, errors: dict[str, float]) -> str:
    """Whether the holdout agrees with a choice."""
    least = min(errors, key=lambda model: errors[model])
    if max(errors.values()) <= errors[least] * (1 + _HARDLY):
        return f"The holdout does not tell them apart: errors differ by less than {_HARDLY:.0%}."
    if errors[taken] <= errors[least] * (1 + _HARDLY):
        return "The holdout agrees: none errs less there" + (f" by {_HARDLY:.0%} or more." if least != taken else ".")
    more = errors[taken] / errors[least] - 1
    return f"The holdout does not agree: {taken} errs {more:.0%} more there than {least}; to forecast, take {least}."


def _purchase_model(given: Any) -> PurchaseModel:
    model = given.model if isinstance(given, Fit) else given
    if not isinstance(model, PurchaseModel):
        raise InvalidType(f"model must be a model of purchases or its Fit, got {type(given).__name__}")
    return model


def _revenue(
    spend: Any,
    x: FloatArray,
    monetary_value: Any,
    holdout_amount: Any,
    expected: FloatArray,
    naive: FloatArray,
    w: FloatArray,
) -> RevenueForecast:
    """Money: the model's purchases times the model's spend, and the past purchases times the own average."""
    paying = spend.model if isinstance(spend, Fit) else spend
    if not isinstance(paying, GammaGamma):
        raise InvalidType(f"spend must be a GammaGamma or its Fit, got {type(paying).__name__}")
    brought, ticket = finite(holdout_amount=holdout_amount), np.asarray(monetary_value, dtype=np.float64)
    if np.shape(brought) != x.shape or ticket.shape != x.shape:
        raise InvalidValue("holdout_amount must be one number a customer, and so must monetary_value")
    refuse_unpaid(x, ticket)
    ticket = np.where(x > 0, ticket, 0.0)
    modelled = expected * paying.expected_spend(frequency=x, monetary_value=ticket)
    carried_on = naive * ticket
    people = float(w.sum())
    return RevenueForecast(
        actual=float((w * brought).sum()),
        expected=float((w * modelled).sum()),
        naive=float((w * carried_on).sum()),
        mean_absolute_error=float((w * np.abs(modelled - brought)).sum()) / people,
        naive_mean_absolute_error=float((w * np.abs(carried_on - brought)).sum()) / people,
    )


def _rows(
    x: FloatArray, w: FloatArray, came: FloatArray, expected: FloatArray, naive: FloatArray
) -> tuple[PastRow, ...]:
    past = np.minimum(x, _MOST_PAST).astype(np.int64)
    people, *sums = (np.bincount(past, w * column) for column in (np.ones_like(w), came, expected, naive))
    return tuple(
        PastRow(
            past=n,
            more=n == _MOST_PAST and bool(x.max() > _MOST_PAST),
            customers=float(people[n]),
            actual=float(sums[0][n] / people[n]),
            expected=float(sums[1][n] / people[n]),
            naive=float(sums[2][n] / people[n]),
        )
        for n in np.flatnonzero(people > 0).tolist()
    )
