"""Scores by segment and period, and their change from one period to the next."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import choice
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._periods import label
from retention_metrics._results import Result
from retention_metrics._typing import Period
from retention_metrics.errors import InvalidValue
from retention_metrics.nps._comparison import NpsComparison, pool
from retention_metrics.nps._score import NpsScore, score_intervals


class NpsCell(BaseModel):
    """The score of one segment, one period, or one segment in one period.

    Attributes:
        group: Values of the columns in the table's ``by``; ``None`` where the log has none.
        period: First day of the period, or ``None`` when the table has no periods.
        complete: Whether the period had ended by ``as_of``.
        score: The score.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    group: tuple[str | None, ...]
    period: date | None
    complete: bool
    score: NpsScore


class NpsTable(Result, BaseModel):
    """Scores by segment and period; a segment without answers in a period has no row.

    Attributes:
        by: Names of the columns that make the segments.
        period: ``"month"`` or another calendar period, or ``None``.
        as_of: Last day that the data cover.
        cells: One a segment and period, in their order.
        excluded: Rows of the log left out, by reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: tuple[str, ...]
    period: Period | None
    as_of: date
    cells: tuple[NpsCell, ...]
    excluded: dict[str, int]

    @property
    def total(self) -> NpsScore:
        """The score of all answers in the table."""
        return pool([cell.score for cell in self.cells])

    def segments(self, period: str | None = None) -> dict[str, NpsScore]:
        """Score by name of the segment: what :func:`compare_segments`, :func:`decompose_change` and their kin ask for.

        Several columns are joined by a slash; a missing value is called ``(none)``.

        Args:
            period: A period by its label (``"2026-Q1"``, as in ``to_dict()``), or ``None`` to pool all periods.

        Returns:
            Scores by name of the segment, in the order of the table.

        Raises:
            InvalidValue: The table has no such period.
        """
        labels = {label(cell.period, self.period) for cell in self.cells if cell.period and self.period}
        if period is not None:
            choice(sorted(labels), period=period)
        groups: dict[str, list[NpsScore]] = {}
        for cell in self.cells:
            if period is None or (cell.period and self.period and label(cell.period, self.period) == period):
                groups.setdefault(_name(cell.group), []).append(cell.score)
        return {name: pool(samples) for name, samples in groups.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a cell; intervals are score intervals at 95 %."""
        return _columns(self.by, self.period, self.cells)

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a cell, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)


class NpsStep(BaseModel):
    """One period of a trend.

    Attributes:
        period: First day of the period.
        complete: Whether the period had ended by ``as_of``.
        score: The score, or ``None`` when nobody answered.
        change: Against the last period before it in which somebody answered, or ``None`` for the first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    period: date
    complete: bool
    score: NpsScore | None
    change: NpsComparison | None


class NpsTrend(Result, BaseModel):
    """The score from period to period, every period from the first to the last one with an answer.

    The changes compare samples of different people, with the adjusted Wald method; for the same people asked
    twice see :func:`compare_paired`.

    Attributes:
        period: ``"month"`` or another calendar period.
        as_of: Last day that the data cover.
        steps: One a period, in order; a period without answers is there, without a score.
        excluded: Rows of the log left out, by reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    period: Period
    as_of: date
    steps: tuple[NpsStep, ...]
    excluded: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a period; ``None`` where there is no score or nothing to compare with."""
        steps = self.steps
        spans = [step.score.interval() if step.score else None for step in steps]
        return {
            "period": [label(step.period, self.period) for step in steps],
            "complete": [step.complete for step in steps],
            "n": [step.score.n if step.score else 0 for step in steps],
            "nps": [step.score.value if step.score else None for step in steps],
            "low": [span.low if span else None for span in spans],
            "high": [span.high if span else None for span in spans],
            "change": [step.change.observed if step.change else None for step in steps],
            "p_value": [step.change.p_value if step.change else None for step in steps],
        }

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a period, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)


def _columns(by: Sequence[str], period: Period | None, cells: Sequence[NpsCell]) -> dict[str, Any]:
    low, high = score_intervals([cell.score for cell in cells])
    table: dict[str, Any] = {name: [cell.group[i] for cell in cells] for i, name in enumerate(by)}
    if period is not None:
        if any(cell.period is None for cell in cells):
            raise InvalidValue("every cell of a table with periods must have one")
        table["period"] = [label(cell.period, period) for cell in cells if cell.period]
        table["complete"] = [cell.complete for cell in cells]
    for name in ("n", "promoters", "passives", "detractors"):
        table[name] = [getattr(cell.score, name) for cell in cells]
    table["nps"] = [cell.score.value for cell in cells]
    table["low"] = low.tolist()
    table["high"] = high.tolist()
    return table


def _name(group: tuple[str | None, ...]) -> str:
    return " / ".join("(none)" if value is None else value for value in group)
