"""What each customer will bring, and all of them together, with intervals."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from retention_metrics._checks import at_least, choice, finite, freeze, single, whole
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result
from retention_metrics._stats import Interval, Intervals, two_sided_z
from retention_metrics._typing import FloatArray, Number, Numbers, Period, Scalar
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.predictive._fit import Fit, around, sensitivities
from retention_metrics.predictive._gamma_gamma import GammaGamma
from retention_metrics.predictive._histories import NO_MONEY, Customers, column_of, one_unit, read_customers, unit_of
from retention_metrics.predictive._purchases import PurchaseModel
from retention_metrics.predictive._smooth import per_age

_METHOD = "delta, both fits independent"
_CELLS = 1 << 18


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CustomerValues(Result):
    """Value of each customer over a horizon, and of all together.

    Of one customer given by plain numbers it holds plain numbers, of several read-only arrays.

    Attributes:
        values: Money that each customer is expected to bring, discounted.
        purchases: Purchases to be expected of each, discounted.
        spend: Spend per purchase to be expected of each.
        total: Value of all customers, each counted with its weight.
        customers: How many there are, each counted with its weight.
        intervals: Confidence intervals of the values, an :class:`~retention_metrics.Interval` of one value, or
            ``None`` unless both models were passed as fits.
        total_interval: Confidence interval of the total, or ``None``.
        horizon: Periods valued.
        discount: Discount rate per period.
        per: The period.
        margin: Share of spend that is kept.
        timing: When in its period a purchase is paid, ``"start"`` or ``"end"``.
    """

    values: Number
    purchases: Number
    spend: Number
    total: float
    customers: float
    intervals: Interval | Intervals | None
    total_interval: Interval | None
    horizon: int
    discount: float
    per: Period
    margin: float
    timing: str

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        if not isinstance(self.values, float):
            freeze(self, "values", "purchases", "spend")
        if isinstance(self.intervals, Intervals):
            self.intervals.low.flags.writeable = self.intervals.high.flags.writeable = False

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a customer."""
        table = {name: np.atleast_1d(getattr(self, name)).tolist() for name in ("values", "purchases", "spend")}
        if self.intervals is not None:
            limits = {"low": self.intervals.low, "high": self.intervals.high}
            table |= {name: np.atleast_1d(limit).tolist() for name, limit in limits.items()}
        return table

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a customer, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)

    def __str__(self) -> str:
        who = "1 customer" if self.customers == 1 else f"{self.customers:,.0f} customers"
        said = f"{who} will bring {self.total:,.2f} within {self.horizon} {self.per}{'s' if self.horizon > 1 else ''}"
        if self.total_interval is not None:
            found = self.total_interval
            said += f" ({found.low:,.2f} to {found.high:,.2f} at {found.level:.4g})"
        return said


def customer_lifetime_value(
    purchases: Any,
    spend: Any,
    *,
    histories: Any = None,
    frequency: Numbers | None = None,
    recency: Numbers | None = None,
    T: Numbers | None = None,
    monetary_value: Numbers | None = None,
    horizon: int,
    discount: Scalar,
    per: Period,
    margin: Scalar = 1.0,
    timing: Literal["start", "end"] = "end",
    weights: Numbers | None = None,
    level: float = 0.95,
) -> CustomerValues:
    r"""Money that each customer is expected to bring over a horizon, discounted, and the total of all.

    .. math:: V = m \, E[M \mid x, \bar z] \sum_{k=1}^{H}
        \frac{E[Y(k) \mid x, t_x, T] - E[Y(k - 1) \mid x, t_x, T]}{(1 + d)^k}

    With ``timing="start"`` the exponent is k - 1. Spend and purchases are taken to be independent. Intervals say how
    far the parameters of the two fits are open, not how chance makes single customers stray.

    Args:
        purchases: A model of purchases, or its :class:`Fit` for intervals.
        spend: A :class:`GammaGamma` model, or its :class:`Fit` for intervals.
        histories: :class:`Histories` with money, as of a log with ``spend=True``, or any object with ``frequency``,
            ``recency``, ``T``, ``monetary_value`` and perhaps ``weights``; in place of the arguments that follow.
        frequency: Repeat purchases of each customer, whole numbers.
        recency: Time from the first purchase to the last; 0 without a repeat purchase.
        T: Time from the first purchase to the end of the observation.
        monetary_value: Mean spend per repeat purchase, > 0 where there was one; not looked at where there was none.
        horizon: Periods to value, whole, >= 1.
        discount: Discount rate per period, >= 0. A yearly rate R is (1 + R)^(7 / 365.25) - 1 per week.
        per: The period of horizon and discount; it must be the unit of time of the model.
        margin: Share of spend kept after variable costs.
        timing: Whether the purchases of a period are paid at its ``"start"`` or at its ``"end"``.
        weights: Customers who have each history; 1 by default.
        level: Confidence level of the intervals, between 0 and 1.

    Returns:
        :class:`CustomerValues`.

    Raises:
        UndefinedMetric: The spend of somebody has no mean (q <= 1).
        InvalidValue: The model is per another unit of time, a history is impossible, or an argument is out of range.
        InvalidType: A model is of the wrong kind, or a value is not a plain number.

    Examples:
        >>> from retention_metrics.predictive import BgNbd, GammaGamma
        >>> found = customer_lifetime_value(
        ...     BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week"),
        ...     GammaGamma(p=6.25, q=3.74, v=15.44),
        ...     frequency=[2, 0], recency=[30.43, 0], T=[38.86, 38.86], monetary_value=[22.35, 0],
        ...     horizon=52, discount=0.002, per="week", margin=0.3)
        >>> found.values.round(2)
        array([10.98,  2.53])

    References:
        Fader, Hardie & Lee (2005), "RFM and CLV: Using iso-value curves for customer base analysis", *Journal of
        Marketing Research* 42, 415-430.
    """
    buying, buying_fit = _model_of(purchases, PurchaseModel, "purchases")
    paying, paying_fit = _model_of(spend, GammaGamma, "spend")
    one_unit(per, buying.unit)
    choice(("start", "end"), timing=timing)
    periods, rate = whole(1, horizon=horizon), single(at_least(0, discount=discount), "discount")
    share = single(finite(margin=margin), "margin")
    if histories is not None:
        columns = (frequency, recency, T, monetary_value, weights)
        frequency, recency, T, monetary_value, weights = _columns_of(histories, columns, per)
    if frequency is None or monetary_value is None:
        raise InvalidValue("a value needs histories, or frequency, recency, T and monetary_value")
    given = read_customers(frequency, recency, T, whole_times=buying.WHOLE_TIMES)
    worth = worth_of_periods(periods, rate, timing)

    def bought(model: Any) -> Any:
        return discounted_purchases(model, given, worth)

    def paid(model: Any) -> Any:
        return model.expected_spend(frequency=frequency, monetary_value=monetary_value)

    w = at_least(0, weights=1.0 if weights is None else weights)
    each = tuple(np.asarray(part, dtype=np.float64) for part in (bought(buying), paid(paying), w))
    try:
        expected, average, counted = np.broadcast_arrays(*each)
    except ValueError:
        raise InvalidValue("frequency, recency, T, monetary_value and weights must be one number a customer") from None
    values = share * expected * average
    total = float((counted * values).sum())
    intervals: Interval | Intervals | None = None
    total_interval: Interval | None = None
    z = two_sided_z(level)
    if buying_fit is not None and paying_fit is not None:
        variance, total_variance = np.zeros_like(values), 0.0
        for fit, value in ((buying_fit, bought), (paying_fit, paid)):
            slopes, spread = sensitivities(fit.model, value, "log"), fit.log_covariance()
            variance = variance + np.einsum("i...,ij,j...->...", slopes, spread, slopes)
            of_total = np.array([float((slope * (counted * values)).sum()) for slope in slopes])
            total_variance += float(np.einsum("i,ij,j->", of_total, spread, of_total))
        intervals = around(values, np.sqrt(np.maximum(variance, 0)), z, level, "log", _METHOD)
        error = np.sqrt(max(total_variance, 0.0)) / abs(total) if total else 0.0
        of_all = around(np.asarray(total), np.asarray(error), z, level, "log", _METHOD)
        total_interval = of_all if isinstance(of_all, Interval) else None
    one = values.ndim == 0
    return CustomerValues(
        values=float(values) if one else values,
        purchases=float(expected) if one else expected,
        spend=float(average) if one else average,
        total=total,
        customers=float(counted.sum()),
        intervals=intervals,
        total_interval=total_interval,
        horizon=periods,
        discount=rate,
        per=per,
        margin=share,
        timing=timing,
    )


def worth_of_periods(periods: int, discount: float, timing: Literal["start", "end"]) -> FloatArray:
    """What money of each of the next periods is worth now."""
    return np.asarray((1 + discount) ** -(np.arange(float(periods)) + (timing == "end")), dtype=np.float64)


def discounted_purchases(model: PurchaseModel, given: Customers, worth: FloatArray) -> Any:
    """Purchases to be expected in each of the next periods, times what one of that period is worth."""
    horizons = np.arange(1.0, worth.size + 1)
    rows = max(_CELLS // worth.size, 1)
    # Purchases up to each horizon count with what is lost when they slip into the next period.
    loss = worth - np.append(worth[1:], 0.0)

    def staying(x: FloatArray, T: FloatArray) -> FloatArray:
        total = np.empty(x.shape)
        for start in range(0, x.size, rows):
            cells = np.broadcast_arrays(x[start : start + rows, None], T[start : start + rows, None], horizons)
            until = model.mean_alive(*(np.ravel(cell) for cell in cells)).reshape(cells[0].shape)
            total[start : start + rows] = (until * loss).sum(axis=1)
        return total

    x, _, T = given
    return model.probability_alive(frequency=x, recency=given.recency, T=T) * per_age(staying, x, T)


def spend_variance(fit: Fit[GammaGamma], x: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    r"""Variance of the logarithm of the spend to be expected: a + b u + c u^2, where u = v / (v + money spent).

    So a log of any size needs only a and b of each number of purchases, and c.
    """
    p, q, _ = fit.model.parameters.values()
    below = p * x + q - 1
    below = np.where(below > 0, below, np.nan)
    of_p, of_q = 1 - p * x / below, -q / below
    (pp, pq, pv), (_, qq, qv), (_, _, vv) = fit.log_covariance()
    alone = of_p**2 * pp + 2 * of_p * of_q * pq + of_q**2 * qq
    return np.nan_to_num(alone), np.nan_to_num(2 * (of_p * pv + of_q * qv)), float(vv)


def _columns_of(histories: Any, given: tuple[Any, ...], per: Period) -> tuple[Any, ...]:
    """The columns of an object that has them."""
    if any(column is not None for column in given):
        raise InvalidValue("pass either histories, or frequency=, recency=, T=, monetary_value= and weights=, not both")
    names = ("frequency", "recency", "T", "monetary_value", "weights")
    columns = tuple(column_of(histories, name) for name in names)
    if any(column is None for column in columns[:3]):
        raise InvalidType(
            f"histories must have frequency, recency, T and monetary_value, got {type(histories).__name__}"
        )
    if columns[3] is None:
        raise InvalidValue(NO_MONEY)
    one_unit(per, unit_of(histories))
    return columns


def _model_of(given: Any, kind: type[Any], name: str) -> tuple[Any, Fit[Any] | None]:
    """A model, and the fit that it came from, if there was one."""
    fit = given if isinstance(given, Fit) else None
    model = given.model if fit is not None else given
    if not isinstance(model, kind):
        raise InvalidType(f"{name} must be a {kind.__name__} or its Fit, got {type(given).__name__}")
    return model, fit
