"""Survival curves and cumulative hazards, from complete and incomplete lifetimes."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import (
    aligned,
    at_least,
    choice,
    divide,
    fraction,
    freeze,
    refuse_undefined,
    single,
)
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result
from retention_metrics._stats import Interval, Intervals, two_sided_z
from retention_metrics._typing import FloatArray, Numbers, Scalar, Undefined
from retention_metrics.errors import RetentionMetricsWarning, UndefinedMetric
from retention_metrics.survival._hazard import HazardRow, HazardTable, edges_of
from retention_metrics.survival._spells import count_spells, read_spells

_TIES = 1e-12
_ROUNDING = 1e-12


class ThinRiskSetWarning(RetentionMetricsWarning):
    """With late entry nobody was left at some early time, so the curve is 0 from there on whatever comes later."""


class RestrictedMean(BaseModel):
    """Mean time until leaving or until the horizon, whichever comes first."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float
    standard_error: float
    horizon: float

    def interval(self, level: float = 0.95) -> Interval:
        """Confidence interval: value plus and minus z standard errors, within 0 and the horizon.

        Args:
            level: Confidence level, between 0 and 1.

        Returns:
            An :class:`~retention_metrics.Interval` in the unit of the durations.
        """
        half = two_sided_z(level) * self.standard_error
        low, high = self.value - half, self.value + half
        clipped = low < 0 or high > self.horizon
        return Interval(low=max(low, 0.0), high=min(high, self.horizon), level=level, method="wald", clipped=clipped)


@dataclass(frozen=True, slots=True, eq=False)
class SurvivalCurve(Result):
    r"""Share of customers who stay longer than t, estimated from complete and incomplete lifetimes (Kaplan-Meier).

    .. math:: S(t) = \prod_{t_i \le t} \left(1 - \frac{d_i}{n_i}\right)

    The arrays have one element for each distinct time at which somebody left or dropped out of view. They are all that
    the curve was computed from, so hazards and tests follow from the curve alone.

    Attributes:
        times: Distinct durations, ascending.
        events: Customers who left at each, weighted.
        censored: Customers last seen at each, weighted.
        at_risk: Customers at risk just before each, weighted: entered earlier and not yet gone.
        survival: The curve just after each time.
        entries: Distinct times of entry above 0, ascending; empty without late entry.
        entered: Customers who entered at each, weighted.
    """

    times: FloatArray
    events: FloatArray
    censored: FloatArray
    at_risk: FloatArray
    survival: FloatArray
    entries: FloatArray
    entered: FloatArray

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, *self.__slots__)

    @property
    def n(self) -> float:
        """Customers behind the curve, weighted."""
        return float(self.events.sum() + self.censored.sum())

    @overload
    def at(self, t: Scalar, *, undefined: Undefined = "raise") -> float: ...
    @overload
    def at(self, t: Numbers, *, undefined: Undefined = "raise") -> FloatArray | float: ...
    def at(self, t: Numbers, *, undefined: Undefined = "raise") -> FloatArray | float:
        """Share of customers who stay longer than t.

        Args:
            t: Time or times, >= 0, in the unit of the durations.
            undefined: ``"nan"`` gives NaN for times of an array beyond the last observation.

        Returns:
            A fraction: a float for a number, otherwise an array.

        Raises:
            UndefinedMetric: t lies beyond the last observation and somebody was still there.
            InvalidValue: t is negative or not finite.

        Examples:
            >>> curve = kaplan_meier([2, 3, 3, 5, 8], observed=[True, True, False, True, False])
            >>> round(curve.at(4), 6)
            0.6

        References:
            Kaplan & Meier (1958), *JASA* 53, 457-481.
        """
        when = at_least(0, t=t)
        unknown = np.asarray((when > self.times[-1]) & (self.survival[-1] > 0))
        reason = f"nobody was observed beyond {self.times[-1]:g}, when {self.survival[-1]:.4g} of them were there"
        refuse_undefined(unknown, metric="survival", reason=reason, undefined=undefined)
        steps = np.concatenate([[1.0], self.survival])
        values = steps[np.searchsorted(self.times, when, side="right")]
        return float(values) if isinstance(when, float) else np.where(unknown, np.nan, values)

    @overload
    def ends_within(self, horizon: Scalar, *, after: Scalar, undefined: Undefined = "raise") -> float: ...
    @overload
    def ends_within(self, horizon: Numbers, *, after: Numbers, undefined: Undefined = "raise") -> FloatArray: ...
    def ends_within(self, horizon: Numbers, *, after: Numbers, undefined: Undefined = "raise") -> float | FloatArray:
        r"""Share of those still there after a time who leave within the horizon that follows.

        .. math:: 1 - S(t + h) / S(t)

        On the gaps between purchases: the chance that somebody who has been away for so long returns in time.

        Args:
            horizon: Length of the time that follows, >= 0, in the unit of the durations.
            after: Time or times already past, >= 0.
            undefined: ``"nan"`` gives NaN where an array has an undefined cell, instead of an error.

        Returns:
            A fraction: a float for two numbers, otherwise an array of the broadcast shape.

        Raises:
            UndefinedMetric: Nobody was there after that time, or was observed for so long.
            InvalidValue: A time is negative or not finite.

        Examples:
            >>> curve = kaplan_meier([2, 3, 3, 5, 8], observed=[True, True, False, True, False])
            >>> curve.ends_within(3, after=2)
            0.625

        References:
            Klein & Moeschberger (2003), *Survival Analysis*, 2nd ed., section 4.2.
        """
        length, past = at_least(0, horizon=horizon), at_least(0, after=after)
        aligned(horizon=length, after=past)
        there, later = self.at(past, undefined=undefined), self.at(past + length, undefined=undefined)
        left: float | FloatArray = divide(
            there - later, there, metric="ends_within", reason="nobody is there after that time", undefined=undefined
        )
        return left

    def quantile(self, q: float) -> float:
        """First time by which a share ``q`` of the customers has left.

        Args:
            q: A share, above 0 and below 1.

        Returns:
            A time in the unit of the durations.

        Raises:
            UndefinedMetric: So many have not left within the time observed.
            InvalidValue: ``q`` is not between 0 and 1.

        Examples:
            >>> kaplan_meier([2, 3, 3, 5, 8], observed=[True, True, False, True, False]).quantile(0.25)
            3.0

        References:
            Klein & Moeschberger (2003), *Survival Analysis*, 2nd ed., section 4.5.
        """
        share = single(fraction(open_low=True, open_high=True, q=q), "q")
        reached = np.flatnonzero(self.survival <= 1 - share + _TIES)
        if not reached.size:
            raise UndefinedMetric(
                f"the {share:g} quantile of the lifetime",
                f"by {self.times[-1]:g}, the last time observed, only {1 - self.survival[-1]:.4g} had left",
            )
        return float(self.times[reached[0]])

    def median(self) -> float:
        """First time by which half of the customers have left.

        Returns:
            A time in the unit of the durations.

        Raises:
            UndefinedMetric: Half have not left within the time observed.

        Examples:
            >>> kaplan_meier([2, 3, 3, 5, 8], observed=[True, True, False, True, False]).median()
            5.0

        References:
            Klein & Moeschberger (2003), *Survival Analysis*, 2nd ed., section 4.5.
        """
        return self.quantile(0.5)

    def standard_error(self) -> FloatArray:
        r"""Standard error of the curve at each of its times, by Greenwood.

        .. math:: S(t) \sqrt{\sum_{t_i \le t} \frac{d_i}{n_i (n_i - d_i)}}

        Returns:
            An array like ``times``; NaN where the curve is 0.

        References:
            Greenwood (1926), *Reports on Public Health and Medical Subjects* 33.
        """
        with np.errstate(invalid="ignore"):
            return self.survival * np.sqrt(self._greenwood())

    def interval(self, level: float = 0.95, *, transform: Literal["log_log", "plain"] = "log_log") -> Intervals:
        r"""Pointwise confidence intervals of the curve at each of its times.

        Args:
            level: Confidence level, between 0 and 1.
            transform: ``"log_log"`` takes the interval on the scale of :math:`\ln(-\ln S)` and stays inside 0 to 1;
                ``"plain"`` is S plus and minus z standard errors, cut to 0 and 1.

        Returns:
            :class:`~retention_metrics.Intervals` with arrays like ``times``. Before the first event the curve is 1
            and so are the limits; where it is 0 there is no estimate of its error, and they are NaN.

        References:
            Kalbfleisch & Prentice (2002), *The Statistical Analysis of Failure Time Data*, 2nd ed., section 1.4.
        """
        choice(("log_log", "plain"), transform=transform)
        z = two_sided_z(level)
        s = self.survival
        with np.errstate(divide="ignore", invalid="ignore"):
            if transform == "plain":
                half = z * self.standard_error()
                low, high = np.maximum(s - half, 0.0), np.minimum(s + half, 1.0)
            else:
                spread = np.exp(z * np.sqrt(self._greenwood()) / -np.log(s))
                low, high = s**spread, s ** (1 / spread)
        low, high = (np.where(s == 1, 1.0, np.where(s == 0, np.nan, limit)) for limit in (low, high))
        return Intervals(low=low, high=high, level=level, method=transform)

    def restricted_mean(self, horizon: float) -> RestrictedMean:
        r"""Mean lifetime up to a horizon: the area under the curve.

        .. math:: \int_0^\tau S(t) \, dt, \qquad
            \text{variance} \; \sum_{t_i \le \tau} \Big( \int_{t_i}^\tau S \Big)^2 \frac{d_i}{n_i (n_i - d_i)}

        The mean without a horizon depends on how long the last customers will stay, which nobody has seen.

        Args:
            horizon: Time up to which lifetimes count, > 0, within the time observed.

        Returns:
            A :class:`RestrictedMean` with standard error and interval.

        Raises:
            UndefinedMetric: The horizon lies beyond the last observation and somebody was still there.
            InvalidValue: ``horizon`` is not positive.

        Examples:
            >>> curve = kaplan_meier([2, 3, 3, 5, 8], observed=[True, True, False, True, False])
            >>> round(curve.restricted_mean(8).value, 6)  # 2 at 1, 1 at 0.8, 2 at 0.6, 3 at 0.3
            4.9

        References:
            Klein & Moeschberger (2003), *Survival Analysis*, 2nd ed., section 4.5.
        """
        until = single(at_least(0, open_low=True, horizon=horizon), "horizon")
        self.at(until)
        inside = self.times < until
        edges = np.concatenate([[0.0], self.times[inside], [until]])
        areas = np.diff(edges) * np.concatenate([[1.0], self.survival[inside]])
        rest = np.cumsum(areas[::-1])[::-1][1:]
        at_risk, events = self.at_risk[inside], self.events[inside]
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = np.where(rest > 0, rest**2 * events / (at_risk * (at_risk - events)), 0.0)
        return RestrictedMean(value=float(areas.sum()), standard_error=math.sqrt(float(parts.sum())), horizon=until)

    def hazard(self, bins: Sequence[float]) -> HazardTable:
        """Losses per customer and unit of time, by stretches of tenure.

        Args:
            bins: Edges of the stretches, ascending, from 0 or later; a loss at an edge belongs to the stretch that
                ends there.

        Returns:
            A :class:`HazardTable`: events, exposure, rate and interval of each stretch.

        Raises:
            InvalidValue: Fewer than two edges, or edges that do not ascend.

        Examples:
            >>> curve = kaplan_meier([2, 3, 3, 5, 8], observed=[True, True, False, True, False])
            >>> [(row.events, row.exposure) for row in curve.hazard([0, 3, 9]).rows]
            [(2.0, 14.0), (1.0, 7.0)]

        References:
            Kalbfleisch & Prentice (2002), *The Statistical Analysis of Failure Time Data*, 2nd ed., section 2.2.
        """
        edges = edges_of(bins)
        left = np.searchsorted(edges, self.times, side="left")
        events = np.bincount(left, weights=self.events, minlength=edges.size + 1)[1 : edges.size]
        gone = self.events + self.censored
        # Each lifetime spends min(t, b) - min(t, a) in a stretch, late entries take away what was not observed.
        seen = np.diff([np.dot(np.minimum(self.times, edge), gone) for edge in edges])
        unseen = np.diff([np.dot(np.minimum(self.entries, edge), self.entered) for edge in edges])
        # What is left of large sums that cancel is no time that anybody was observed.
        least = _ROUNDING * float(np.dot(self.times, gone))
        rows = [
            HazardRow(low=low, high=high, events=count, exposure=spent if spent > least else 0.0)
            for low, high, count, spent in zip(
                edges[:-1].tolist(), edges[1:].tolist(), events.tolist(), (seen - unseen).tolist(), strict=True
            )
        ]
        return HazardTable(rows=tuple(rows))

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a time; the interval is that of ``interval()``."""
        span = self.interval()
        return {
            "time": self.times.tolist(),
            "at_risk": self.at_risk.tolist(),
            "events": self.events.tolist(),
            "censored": self.censored.tolist(),
            "survival": self.survival.tolist(),
            "low": _listed(span.low),
            "high": _listed(span.high),
        }

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a time, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)

    def __repr__(self) -> str:
        share = f"{self.survival[-1]:.4g} still there at {self.times[-1]:g}"
        return f"SurvivalCurve({self.n:g} customers, {self.events.sum():g} left, {share})"

    def _greenwood(self) -> FloatArray:
        with np.errstate(divide="ignore"):
            terms = np.where(self.events > 0, self.events / (self.at_risk * (self.at_risk - self.events)), 0.0)
        return np.cumsum(terms)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CumulativeHazard(Result):
    r"""The hazard of leaving, added up over time (Nelson-Aalen): :math:`H(t) = \sum_{t_i \le t} d_i / n_i`.

    Attributes:
        times: Distinct durations, ascending.
        hazard: The sum just after each.
        standard_error: Its standard error: :math:`\sqrt{\sum d_i / n_i^2}`.
    """

    times: FloatArray
    hazard: FloatArray
    standard_error: FloatArray

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, *self.__slots__)

    def interval(self, level: float = 0.95) -> Intervals:
        """Pointwise confidence intervals on the scale of the logarithm, so that they stay above 0.

        Args:
            level: Confidence level, between 0 and 1.

        Returns:
            :class:`~retention_metrics.Intervals` with arrays like ``times``; 0 before the first event.

        References:
            Klein & Moeschberger (2003), *Survival Analysis*, 2nd ed., section 4.3.
        """
        z = two_sided_z(level)
        with np.errstate(invalid="ignore", divide="ignore"):
            factor = np.where(self.hazard > 0, np.exp(z * self.standard_error / self.hazard), 1.0)
        return Intervals(low=self.hazard / factor, high=self.hazard * factor, level=level, method="log")

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a time."""
        span = self.interval()
        return {
            "time": self.times.tolist(),
            "hazard": self.hazard.tolist(),
            "low": span.low.tolist(),
            "high": span.high.tolist(),
        }

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a time, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)


def kaplan_meier(durations: Any, observed: Any = None, *, entry: Any = None, weights: Any = None) -> SurvivalCurve:
    r"""How long customers stay: the share still there after each time, with those still there counted as such.

    .. math:: S(t) = \prod_{t_i \le t} \left(1 - \frac{d_i}{n_i}\right)

    :math:`d_i` customers left at :math:`t_i`, :math:`n_i` were at risk: they had entered before :math:`t_i` and were
    not gone. Means of tenures that are not over are too short, and so are means of those that are over; this is
    neither.

    Args:
        durations: Time from joining until leaving, or until last seen; > 0 (0 is a customer who left at once).
        observed: True where the customer left, false where the customer was still there; ``None``: all left.
        entry: Tenure at which the customer came into view, >= 0 and below the duration; ``None``: 0 for all.
        weights: Customers that each element stands for, > 0; ``None``: 1 each.

    Returns:
        A :class:`SurvivalCurve`.

    Raises:
        InvalidValue: A duration is negative or not finite, an entry not below its duration, a weight not positive, or
            arrays that differ in length.
        InvalidType: A value is not a number, or ``observed`` is not true or false.

    Examples:
        >>> curve = kaplan_meier([2, 3, 3, 5, 8], observed=[True, True, False, True, False])
        >>> curve.survival.round(6)
        array([0.8, 0.6, 0.3, 0.3])
        >>> curve.median()
        5.0

    References:
        Kaplan & Meier (1958), "Nonparametric estimation from incomplete observations", *JASA* 53, 457-481.
    """
    spells = read_spells(durations, observed, entry, weights)
    times, events, censored = count_spells(spells)
    gone = events + censored
    at_risk = np.cumsum(gone[::-1])[::-1]
    entries: FloatArray = np.empty(0)
    entered: FloatArray = np.empty(0)
    if spells.entry is not None:
        late = spells.entry > 0
        entries, where = np.unique(spells.entry[late], return_inverse=True)
        counts = np.bincount(where, weights=None if spells.weights is None else spells.weights[late])
        entered = counts.astype(np.float64)
        not_yet = np.concatenate([np.cumsum(entered[::-1])[::-1], [0.0]])
        at_risk = at_risk - not_yet[np.searchsorted(entries, times, side="left")]
    staying = np.maximum(1 - events / np.maximum(at_risk, events), 0.0)
    staying[events >= at_risk * (1 - _TIES)] = 0.0
    staying[events == 0] = 1.0
    survival: FloatArray = np.cumprod(staying).astype(np.float64)
    if entries.size and (survival[:-1] == 0).any():
        at = times[int(np.argmax(survival == 0))]
        warnings.warn(
            f"everybody at risk at {at:g} left there, so the curve is 0 from then on, though customers with longer "
            "tenure entered later; take longer periods, or condition on staying past that time",
            ThinRiskSetWarning,
            stacklevel=2,
        )
    return SurvivalCurve(times, events, censored, at_risk, survival, entries, entered)


def nelson_aalen(durations: Any, observed: Any = None, *, entry: Any = None, weights: Any = None) -> CumulativeHazard:
    r"""The hazard of leaving, added up over time.

    .. math:: H(t) = \sum_{t_i \le t} \frac{d_i}{n_i}

    A straight line is a constant hazard; a curve that flattens out says that long-standing customers leave less.

    Args:
        durations: As for :func:`kaplan_meier`.
        observed: As for :func:`kaplan_meier`.
        entry: As for :func:`kaplan_meier`.
        weights: As for :func:`kaplan_meier`.

    Returns:
        A :class:`CumulativeHazard`.

    Raises:
        InvalidValue: As for :func:`kaplan_meier`.
        InvalidType: As for :func:`kaplan_meier`.

    Examples:
        >>> nelson_aalen([2, 3, 3, 5, 8], observed=[True, True, False, True, False]).hazard.round(4)
        array([0.2 , 0.45, 0.95, 0.95])

    References:
        Nelson (1972), *Technometrics* 14, 945-966; Aalen (1978), *Annals of Statistics* 6, 701-726.
    """
    curve = kaplan_meier(durations, observed, entry=entry, weights=weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where(curve.events > 0, curve.events / curve.at_risk, 0.0)
        spreads = np.where(curve.events > 0, curve.events / curve.at_risk**2, 0.0)
    return CumulativeHazard(curve.times, np.cumsum(steps), np.sqrt(np.cumsum(spreads)))


def _listed(values: FloatArray) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]
