"""Whether a model tells what happened: visits observed and expected, by gap and by period."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np

from retention_metrics._checks import freeze
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._periods import first_day, label, period_of
from retention_metrics._results import Result, text_table
from retention_metrics._stats import chi_squared_p
from retention_metrics._typing import FloatArray, IntArray, Period
from retention_metrics.errors import UndefinedMetric


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GoodnessOfFit(Result):
    r"""Visits observed against those that a model expects.

    .. math::
        z_t = \frac{O_t - E_t}{\sqrt{\textstyle\sum_g n_{tg} h_g (1 - h_g) (1 - n_{tg} / n_g)}}, \qquad
        \text{dispersion} = \frac{1}{T} \sum_t z_t^2

    The last factor allows for hazards that were estimated from the same trials; against a model from elsewhere it is 1.

    Attributes:
        step: Period of the model.
        period: First day of each period.
        trials: Trials in each period without a refund.
        observed: Visits in each period.
        expected: Visits expected from the silences at its beginning.
        z: Standardised differences; NaN where the outcome is certain.
        gap_trials: Trials without a refund by gap bucket.
        gap_observed: Visits by gap bucket.
        gap_expected: Visits expected.
        gap_z: Standardised differences; NaN where the hazard was estimated from just these trials, or is certain.
        dispersion: Mean square of ``z``, about 1 when customers are independent; ``None`` when nothing was uncertain.
        p_value: Probability of so large a sum of squares by chance (chi-squared, approximately).
    """

    step: Period
    period: tuple[dt.date, ...]
    trials: IntArray
    observed: IntArray
    expected: FloatArray
    z: FloatArray
    gap_trials: IntArray
    gap_observed: IntArray
    gap_expected: FloatArray
    gap_z: FloatArray
    dispersion: float | None
    p_value: float | None

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, *self.__slots__[2:10])

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values; ``None`` where there is no standardised difference."""
        arrays = {name: _plain(getattr(self, name)) for name in self.__slots__[2:10]}
        days = [each.isoformat() for each in self.period]
        return {"step": self.step, "period": days} | arrays | {"dispersion": self.dispersion, "p_value": self.p_value}

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a period, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        series = {name: _plain(getattr(self, name)) for name in ("trials", "observed", "expected", "z")}
        return columns_to_frame({"period": list(self.period)} | series, backend)

    def __str__(self) -> str:
        """Observed and expected visits by gap, and the dispersion over periods."""
        last = len(self.gap_trials) - 1
        gaps = {
            "gap": [f"{g}+" if g == last else f"{g}" for g in range(last + 1)],
            "trials": self.gap_trials.tolist(),
            "observed": self.gap_observed.tolist(),
            "expected": self.gap_expected.tolist(),
            "z": _plain(self.gap_z),
        }
        periods = f"{len(self.period)} periods from {label(self.period[0], self.step)}"
        if self.dispersion is None or self.p_value is None:
            return f"{text_table(gaps)}\n{periods}: nothing was uncertain"
        return f"{text_table(gaps)}\n{periods}: dispersion {self.dispersion:.2f}, p = {self.p_value:.4f}"


def compare(
    *,
    hazard: FloatArray,
    trials: IntArray,
    visits: IntArray,
    group: IntArray | None,
    step: Period,
    first: dt.date,
) -> GoodnessOfFit:
    """Compare visits, by period and gap bucket, with hazards; ``group`` of the buckets if estimated from them."""
    spread = hazard * (1 - hazard)
    of_period, of_gap = trials @ spread, trials.sum(axis=0) * spread
    if group is not None:
        member = group[:, None] == np.arange(int(group[-1]) + 1)
        total = np.maximum(trials.sum(axis=0) @ member, 1)
        of_period = of_period - (trials @ member) ** 2 @ ((spread * member.T).max(axis=1) / total)
        of_gap = of_gap * (1 - trials.sum(axis=0) / total[group])
    expected = trials * hazard
    z = _standardised(visits.sum(axis=1), expected.sum(axis=1), of_period, "a period")
    gap_z = _standardised(visits.sum(axis=0), expected.sum(axis=0), of_gap, "a gap bucket")
    squares = z[~np.isnan(z)] ** 2
    begins = period_of(first, step)
    return GoodnessOfFit(
        step=step,
        period=tuple(first_day(begins + t, step) for t in range(len(trials))),
        trials=trials.sum(axis=1),
        observed=visits.sum(axis=1),
        expected=expected.sum(axis=1),
        z=z,
        gap_trials=trials.sum(axis=0),
        gap_observed=visits.sum(axis=0),
        gap_expected=expected.sum(axis=0),
        gap_z=gap_z,
        dispersion=float(squares.mean()) if squares.size else None,
        p_value=chi_squared_p(float(squares.sum()), squares.size) if squares.size else None,
    )


def _standardised(observed: IntArray, expected: FloatArray, variance: FloatArray, where: str) -> FloatArray:
    certain = variance <= 1e-9 * np.maximum(expected, 1)
    if (certain & (np.abs(observed - expected) > 1e-6 * np.maximum(expected, 1))).any():
        raise UndefinedMetric("goodness_of_fit", f"the model rules out what the book shows in {where}")
    z: FloatArray = np.divide(
        observed - expected, np.sqrt(variance), out=np.full(len(expected), np.nan), where=~certain
    )
    return z


def _plain(array: FloatArray | IntArray) -> list[Any]:
    return [None if each != each else each for each in array.tolist()]
