"""Losses per customer and unit of time, by stretches of tenure."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import (
    at_least,
)
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result
from retention_metrics._stats import Interval, two_sided_z
from retention_metrics._typing import FloatArray
from retention_metrics.errors import InvalidValue, UndefinedMetric


class HazardRow(BaseModel):
    """Losses per customer and unit of time within a stretch of tenure.

    Attributes:
        low: Tenure at which the stretch begins.
        high: Tenure at which it ends.
        events: Customers who left in it, weighted.
        exposure: Time that customers spent in it, weighted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    low: float
    high: float
    events: float
    exposure: float

    @property
    def rate(self) -> float:
        """Events per customer and unit of time; undefined without exposure."""
        if self.exposure == 0:
            raise UndefinedMetric("hazard", f"nobody was observed at a tenure from {self.low:g} to {self.high:g}")
        return self.events / self.exposure

    def interval(self, level: float = 0.95) -> Interval:
        r"""Score interval of the rate, for events that come singly.

        .. math:: \frac{d + z^2/2 \pm z \sqrt{d + z^2/4}}{\text{exposure}}

        Args:
            level: Confidence level, between 0 and 1.

        Returns:
            An :class:`~retention_metrics.Interval` of rates; its high limit is above 0 even without events.

        References:
            Rao (1948), *Proceedings of the Cambridge Philosophical Society* 44, 50-57, for score tests; Barker
            (2002), *The American Statistician* 56(2), 85-89, for this interval.
        """
        z = two_sided_z(level)
        rate = self.rate
        centre, half = self.events + z * z / 2, z * math.sqrt(self.events + z * z / 4)
        low = 0.0 if self.events == 0 else (centre - half) / self.exposure
        return Interval(low=min(low, rate), high=(centre + half) / self.exposure, level=level, method="score")


class HazardTable(Result, BaseModel):
    """The hazard of leaving by tenure, one row a stretch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: tuple[HazardRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a stretch; ``None`` where nobody was observed. Intervals are at 95 %."""
        seen = [row if row.exposure > 0 else None for row in self.rows]
        return {
            "low": [row.low for row in self.rows],
            "high": [row.high for row in self.rows],
            "events": [row.events for row in self.rows],
            "exposure": [row.exposure for row in self.rows],
            "rate": [row.rate if row else None for row in seen],
            "rate_low": [row.interval().low if row else None for row in seen],
            "rate_high": [row.interval().high if row else None for row in seen],
        }

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a stretch, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)


def edges_of(bins: Sequence[float]) -> FloatArray:
    """Checked edges of stretches of tenure."""
    edges = at_least(0, bins=bins)
    if isinstance(edges, float) or edges.ndim != 1 or edges.size < 2 or (np.diff(edges) <= 0).any():
        raise InvalidValue("bins must be two or more ascending edges")
    return edges
