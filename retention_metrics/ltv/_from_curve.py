"""Lifetime value from a survival curve: customers still there, and customers who came into view late, included."""

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from retention_metrics._checks import at_least, choice, finite, generator, single, whole
from retention_metrics._results import Result
from retention_metrics._stats import Interval, two_sided_z
from retention_metrics._typing import FloatArray, Number
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.ltv._value import NOTHING, annuity
from retention_metrics.survival import SurvivalCurve

CurveTiming: TypeAlias = Literal["start", "end", "continuous"]

_DRAWS = 4_000
_CELLS = 2_000_000  # random numbers held at a time


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CurveValue(Result):
    """Lifetime value from a survival curve, and how sure it is.

    Attributes:
        value: Money per customer within the horizon.
        standard_error: Its standard error, from Greenwood's covariance of the curve.
        horizon: Periods that count.
        margin: Money per customer and period after variable costs.
        discount: Discount rate per period.
        timing: ``"start"``, ``"end"`` or ``"continuous"``.
        curve: The curve.
    """

    value: float
    standard_error: float
    horizon: float
    margin: float
    discount: float
    timing: CurveTiming
    curve: SurvivalCurve

    def interval(
        self,
        level: float = 0.95,
        *,
        method: Literal["delta", "bootstrap"] = "delta",
        rng: np.random.Generator | int | None = None,
    ) -> Interval:
        r"""Confidence interval that follows from the uncertainty of the curve; margin and discount are taken as given.

        ``"delta"`` takes the standard error to the log odds of the share that is collected of the most that is
        possible, so that the limits stay between the payment that is certain and what customers bring who never leave.
        ``"bootstrap"`` takes percentiles of curves drawn anew: at each time the losses are binomial among those at
        risk, which holds for censored and for late-entry lifetimes alike.

        Args:
            level: Confidence level, between 0 and 1.
            method: ``"delta"`` or ``"bootstrap"``.
            rng: Generator or seed, for ``"bootstrap"``: 4,000 curves are drawn.

        Returns:
            An :class:`~retention_metrics.Interval` in money per customer.

        Raises:
            UndefinedMetric: Nobody left before the last payment, or everybody before the second: the curve then says
                nothing of its own error.
            InvalidValue: Unknown method, a level outside 0 to 1, ``rng`` without use for it, or customers that are
                not whole with ``"bootstrap"``.
            InvalidType: ``"bootstrap"`` without a generator or seed.

        Examples:
            >>> from retention_metrics.survival import kaplan_meier
            >>> curve = kaplan_meier([2, 3, 3, 5, 8], observed=[True, True, False, True, False])
            >>> span = value_from_curve(curve, margin=40, horizon=8).interval()
            >>> round(span.low, 1), round(span.high, 1)
            (114.8, 267.6)

        References:
            Klein & Moeschberger (2003), *Survival Analysis*, 2nd ed., section 4.5, for the variance; Andersen, Borgan,
            Gill & Keiding (1993), *Statistical Models Based on Counting Processes*, section IV.1.4, for the bootstrap.
        """
        choice(("delta", "bootstrap"), method=method)
        z = two_sided_z(level)
        if method == "delta" and rng is not None:
            raise InvalidValue('rng is for method="bootstrap"; the delta method draws nothing')
        inside, weights = _payments(self.curve, self.horizon, self.discount, self.timing)
        certain = self.margin if self.timing == "start" and self.curve.at(0) == 1 else 0.0
        most = self.margin * float(weights.sum())
        if math.isclose(most, certain):
            return Interval(low=certain, high=certain, level=level, method=method)
        if self.standard_error == 0:
            raise UndefinedMetric(
                "interval of value_from_curve",
                "nobody left before the last payment, or everybody before the second, "
                "so the curve says nothing of its own error",
            )
        if method == "bootstrap":
            low, high = np.quantile(self._resampled(inside, weights, rng), [(1 - level) / 2, (1 + level) / 2])
            return Interval(low=float(low), high=float(high), level=level, method=method)
        share = (self.value - certain) / (most - certain)
        centre = math.log(share / (1 - share))
        half = z * self.standard_error / abs(most - certain) / (share * (1 - share))
        ends = sorted(certain + (most - certain) / (1 + math.exp(-x)) for x in (centre - half, centre + half))
        return Interval(low=ends[0], high=ends[1], level=level, method=method)

    def to_dict(self) -> dict[str, Any]:
        """The numbers by name; the curve has a ``to_dict`` of its own."""
        names = ("value", "standard_error", "horizon", "margin", "discount", "timing")
        return {name: getattr(self, name) for name in names} | {"customers": self.curve.n}

    def _resampled(self, inside: int, weights: FloatArray, rng: object) -> FloatArray:
        at_risk, events = self.curve.at_risk[:inside], self.curve.events[:inside]
        if (at_risk % 1 != 0).any() or (events % 1 != 0).any():
            raise InvalidValue('method="bootstrap" needs whole customers; this curve has weights that are not')
        source = generator(rng)
        chances = events / np.maximum(at_risk, 1)
        rows = max(_CELLS // max(inside, 1), 1)
        values = []
        for begin in range(0, _DRAWS, rows):
            size = (min(rows, _DRAWS - begin), inside)
            staying = 1 - source.binomial(at_risk.astype(np.int64), chances, size) / np.maximum(at_risk, 1)
            values.append(weights[0] + np.cumprod(staying, axis=1) @ weights[1:])
        return self.margin * np.concatenate(values)


def value_from_curve(
    curve: SurvivalCurve,
    *,
    margin: float,
    discount: float = 0,
    horizon: float | None = None,
    timing: CurveTiming = "start",
) -> CurveValue:
    r"""Lifetime value from a survival curve: what is paid by those still there, period by period.

    ================ ===================================================== =============================================
    timing           value                                                 payments
    ================ ===================================================== =============================================
    ``"start"``      :math:`m \sum_{k=0}^{H-1} S(k) / (1 + i)^k`           at once and after each whole period
    ``"end"``        :math:`m \sum_{k=1}^{H} S(k) / (1 + i)^k`             after each whole period
    ``"continuous"`` :math:`m \int_0^H S(t) (1 + i)^{-t} dt`               a steady flow; without discount, margin times
                                                                           the restricted mean lifetime
    ================ ===================================================== =============================================

    ``"start"`` is the convention of :func:`lifetime_value`, and gives its numbers where churn is constant. Unlike one
    over churn, and unlike the mean tenure of those who have left, it is right for customers who differ, for those
    still there and for those who came into view late. It says nothing beyond the follow-up: a curve that does not
    reach 0 needs a horizon within it.

    Args:
        curve: A :class:`~retention_metrics.survival.SurvivalCurve`, as of ``kaplan_meier``; a period is one unit of
            its durations.
        margin: Money per customer and period after variable costs; may be negative.
        discount: Discount rate per the same period, >= 0.
        horizon: Periods that count: a whole number >= 1, or any > 0 with ``"continuous"``. ``None`` only where
            everybody has left by the last time observed.
        timing: One of the table above.

    Returns:
        A :class:`CurveValue`, with standard error and interval.

    Raises:
        UndefinedMetric: Somebody was still there at the last time observed, and the horizon is missing or beyond it.
        InvalidValue: A value is out of range.
        InvalidType: ``curve`` is not a :class:`SurvivalCurve`, or a value not a plain number.

    Examples:
        >>> from retention_metrics.survival import kaplan_meier
        >>> curve = kaplan_meier([2, 3, 3, 5, 8], observed=[True, True, False, True, False])
        >>> round(value_from_curve(curve, margin=40, horizon=8).value, 6)  # 40 * (1 + 1 + 0.8 + 0.6 + 0.6 + 3 * 0.3)
        196.0
        >>> value_from_curve(curve, margin=40)
        Traceback (most recent call last):
            ...
        retention_metrics.errors.UndefinedMetric: value_from_curve is undefined: 0.3 of the customers are still there
        at 8, the last time observed; give a horizon of at most 9

    References:
        Kaplan & Meier (1958), *JASA* 53, 457-481; Pfeifer & Bang (2005), "Non-parametric estimation of mean customer
        lifetime value", *Journal of Interactive Marketing* 19(4), 48-66.
    """
    if not isinstance(curve, SurvivalCurve):
        raise InvalidType(f"curve must be a SurvivalCurve, got {type(curve).__name__}; see survival.kaplan_meier")
    money = single(finite(margin=margin), "margin")
    interest = single(at_least(0, discount=discount), "discount")
    choice(("start", "end", "continuous"), timing=timing)
    until = _within(curve, horizon, timing)
    inside, weights = _payments(curve, until, interest, timing)
    collected = weights * np.concatenate([[1.0], curve.survival[:inside]])
    rest = np.cumsum(collected[::-1])[::-1][1:]
    at_risk, events = curve.at_risk[:inside], curve.events[:inside]
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(rest > 0, rest**2 * events / (at_risk * (at_risk - events)), 0.0)
    return CurveValue(
        value=money * float(collected.sum()),
        standard_error=abs(money) * math.sqrt(float(parts.sum())),
        horizon=until,
        margin=money,
        discount=interest,
        timing=timing,
        curve=curve,
    )


def _within(curve: SurvivalCurve, horizon: float | None, timing: CurveTiming) -> float:
    """The horizon, checked to lie within the follow-up, or the end of a curve that reaches 0."""
    last, left = float(curve.times[-1]), float(curve.survival[-1])
    until: float
    if horizon is None:
        until = max(math.ceil(last), 1)
    elif timing == "continuous":
        until = single(at_least(0, open_low=True, horizon=horizon), "horizon")
    else:
        until = whole(1, horizon=horizon)
    most = {"start": math.floor(last) + 1, "end": math.floor(last), "continuous": last}[timing]
    if left > 0 and (horizon is None or until > most):
        raise UndefinedMetric(
            "value_from_curve",
            f"{left:.4g} of the customers are still there at {last:g}, the last time observed; "
            + (f"give a horizon of at most {most:g}" if most else "that is too short for any payment"),
        )
    return float(until)


def _payments(curve: SurvivalCurve, horizon: float, discount: float, timing: CurveTiming) -> tuple[int, FloatArray]:
    """How many times of the curve matter, and the discounted payments before the first, between them and after."""
    end = horizon + 1 if timing == "end" else horizon
    inside = int(np.searchsorted(curve.times, end, side="left"))
    edges = np.concatenate([[0.0], curve.times[:inside], [end]])
    loss = discount / (1 + discount)
    paid: Number
    if timing == "continuous":
        force = math.log1p(discount)
        paid = edges if force < NOTHING else -np.expm1(-edges * force) / force
    elif timing == "start":
        paid = annuity(loss, np.ceil(edges))
    else:
        paid = (1 - loss) * annuity(loss, np.maximum(np.ceil(edges) - 1, 0.0))
    return inside, np.diff(np.asarray(paid))
