"""Are the data enough for a model of purchases, and for which one?"""

import math
import warnings
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import at_least
from retention_metrics._results import Readable
from retention_metrics._stats import Interval, two_sided_z
from retention_metrics._typing import Numbers
from retention_metrics.errors import InvalidValue
from retention_metrics.predictive._bg_nbd import BgNbd
from retention_metrics.predictive._fit import Boundary, BoundaryWarning, said
from retention_metrics.predictive._histories import column_of, read_histories, refuse_unpaid
from retention_metrics.predictive._mbg_nbd import MbgNbd

_MOST_ONE_TIME = 0.5
_ENOUGH_REPEATERS = 100
_FEWEST_PAIRS = 4
_SLIGHT, _STRONG = 0.1, 0.3
"""Correlations from which on one calls them small, and medium (Cohen)."""


class Diagnosis(Readable, BaseModel):
    """What purchase histories can tell, and what they cannot.

    Attributes:
        customers: How many customers there are.
        repeat_buyers: How many bought again.
        repeat_purchases: How often altogether.
        one_time_share: Share of the customers who did not buy again.
        boundary: Limits at which the likelihood of BG/NBD is largest, if it lies on any.
        mbg_boundary: The same of MBG/NBD.
        correlation: Correlation of frequency and mean spend among those who bought again, or ``None`` without spend.
        correlation_interval: Its 95 % interval, or ``None``.
        advice: What follows, in plain words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    customers: float
    repeat_buyers: float
    repeat_purchases: float
    one_time_share: float
    boundary: tuple[Boundary, ...]
    mbg_boundary: tuple[Boundary, ...]
    correlation: float | None
    correlation_interval: Interval | None
    advice: tuple[str, ...]

    def __str__(self) -> str:
        who = "1 customer" if self.customers == 1 else f"{self.customers:,.0f} customers"
        head = f"{who}, {self.repeat_buyers:,.0f} of whom bought again, {self.repeat_purchases:,.0f} times in all"
        return "\n".join([head, *(f"- {line}" for line in self.advice)])


def diagnose(
    histories: Any = None,
    /,
    *,
    frequency: Any = None,
    recency: Any = None,
    T: Any = None,
    weights: Any = None,
    monetary_value: Numbers | None = None,
) -> Diagnosis:
    """Say what purchase histories can tell before a model is trusted.

    Is the sample large enough? Does the maximum of the likelihood lie on a boundary, and what does the model become
    there? Are most customers one-time buyers, whom BG/NBD takes to be alive for certain? Do frequency and spend go
    together, which the Gamma-Gamma model rules out?

    Args:
        histories: Any object with ``frequency``, ``recency`` and ``T`` (and perhaps ``weights`` and
            ``monetary_value``), in place of the arguments that follow.
        frequency: Repeat purchases of each customer, whole numbers.
        recency: Time from the first purchase to the last; 0 without a repeat purchase.
        T: Time from the first purchase to the end of the observation.
        weights: Customers who have each history; 1 by default.
        monetary_value: Mean spend per repeat purchase, with ``frequency``, one number a customer.

    Returns:
        A :class:`Diagnosis`.

    Raises:
        InvalidValue: A history is impossible.
        InvalidType: A value is not a plain number.

    Examples:
        >>> found = diagnose(frequency=[0] * 90 + [1, 2] * 5, recency=[0] * 90 + [4, 9] * 5, T=[30] * 100)
        >>> found.one_time_share
        0.9

    References:
        Batislam, Denizel & Filiztekin (2007), *International Journal of Research in Marketing* 24(3), 201-209, for
        one-time buyers; Fader & Hardie (2013), note 025, for frequency and spend; Cohen (1988), *Statistical Power
        Analysis for the Behavioral Sciences*, section 3.2, for the size of a correlation.
    """
    read = read_histories(histories, frequency=frequency, recency=recency, T=T, weights=weights, unit=None)
    again = read.frequency > 0
    repeaters = float(read.weights[again].sum())
    share = 1 - repeaters / read.customers
    advice: list[str] = []
    limits: list[tuple[Boundary, ...]] = []
    for kind in (BgNbd, MbgNbd):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", BoundaryWarning)
                found = kind.fit(read).boundary
        except InvalidValue as refusal:
            advice.append(f"{kind.__name__} cannot be fitted: {refusal}.")
            found = ()
        limits.append(found)
        advice += [f"{kind.__name__}: {said(limit)}; a simpler model says as much." for limit in found]
    if repeaters < _ENOUGH_REPEATERS:
        advice.append(
            f"Only {repeaters:,.0f} customers bought again: parameters will be wide open; look at the intervals, and "
            "take more customers or more time."
        )
    if share > _MOST_ONE_TIME:
        advice.append(
            f"{share:.0%} of the customers bought once only, and BgNbd takes every one of them to be still there; "
            "MbgNbd and ParetoNbd do not."
        )
    correlation = interval = None
    if histories is not None:
        frequency, weights = column_of(histories, "frequency"), column_of(histories, "weights")
        monetary_value = column_of(histories, "monetary_value") if monetary_value is None else monetary_value
    if monetary_value is not None:
        correlation, interval = _correlation(frequency, monetary_value, weights)
        if correlation is not None:
            advice += _of_correlation(correlation, interval)
    if not advice:
        advice.append("Nothing speaks against fitting a model.")
    return Diagnosis(
        customers=read.customers,
        repeat_buyers=repeaters,
        repeat_purchases=float((read.weights * read.frequency).sum()),
        one_time_share=share,
        boundary=limits[0],
        mbg_boundary=limits[1],
        correlation=correlation,
        correlation_interval=interval,
        advice=tuple(advice),
    )


def _of_correlation(value: float, interval: Interval | None) -> list[str]:
    """What a correlation of frequency and spend means for GammaGamma: by its size, if it is more than chance."""
    known = "" if interval is None else f", {interval.low:.2f} to {interval.high:.2f}"
    if interval is not None and interval.low <= 0 <= interval.high:
        if max(-interval.low, interval.high) < _STRONG:
            return []
        return [
            f"Whether who buys more often spends more or less each time is open (correlation {value:.2f}{known}); "
            "GammaGamma takes the two to be independent."
        ]
    if abs(value) < _SLIGHT:
        return []
    said = f"Who buys more often spends {'more' if value > 0 else 'less'} each time (correlation {value:.2f}{known}), "
    said += "and GammaGamma takes the two to be independent: "
    if abs(value) < _STRONG:
        return [said + "it is a small correlation, so hold the money of the best customers against a holdout."]
    out = "low" if value > 0 else "high"
    return [said + f"values of the most frequent customers will be too {out}; fit segments apart, or do not use it."]


def _correlation(frequency: Any, monetary_value: Any, weights: Any) -> tuple[float | None, Interval | None]:
    """Correlation among those who bought again, with Fisher's interval."""
    x, spend = np.atleast_1d(at_least(0, frequency=frequency)), np.asarray(monetary_value, dtype=np.float64)
    if x.shape != spend.shape:
        raise InvalidValue("monetary_value must be one number a customer, with frequency")
    w = np.ones(x.shape) if weights is None else np.atleast_1d(at_least(0, weights=weights))
    again = (x > 0) & (w > 0)
    refuse_unpaid(np.where(again, 1.0, 0.0), spend)
    x, spend, w = x[again], spend[again], w[again]
    people = float(w.sum())
    if people < _FEWEST_PAIRS:
        return None, None
    x, spend = x - (w * x).sum() / people, spend - (w * spend).sum() / people
    scale = math.sqrt(float((w * x * x).sum()) * float((w * spend * spend).sum()))
    if scale == 0:
        return None, None
    value = min(1.0, max(-1.0, float((w * x * spend).sum()) / scale))
    if abs(value) == 1 or people <= _FEWEST_PAIRS - 1:
        return value, None
    half = two_sided_z(0.95) / math.sqrt(people - 3)
    low, high = math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half)
    return value, Interval(low=low, high=high, level=0.95, method="fisher z")
