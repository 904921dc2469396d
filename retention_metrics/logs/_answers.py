"""Answers counted by the engine: how many of each kind, by segment and period; only the counts travel."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import narwhals.stable.v2 as nw
import numpy as np

from retention_metrics._checks import choice
from retention_metrics._periods import PERIODS, first_day, last_day, period_of
from retention_metrics._typing import FloatArray, Period
from retention_metrics.errors import InvalidType, InvalidValue, MissingColumn
from retention_metrics.logs._engines import Frame, close_frame, one_of_each, to_labels
from retention_metrics.logs._rows import Log, usable_rows, warn_of, with_flag
from retention_metrics.nps import NpsCell, NpsScore, NpsStep, NpsTable, NpsTrend, Weighting, compare
from retention_metrics.nps._scales import SCALES, Scale, ScaleName

Repeated: TypeAlias = Literal["latest", "first", "all"]

REPEATED: tuple[Repeated, ...] = ("latest", "first", "all")
_SUPERSEDED = {"latest": "followed by a later answer", "first": "preceded by an earlier answer"}


def with_answers(log: Log, scale: Scale) -> Log:
    """The log with its scores carried along as whole numbers on the scale, weights and other columns beside them."""
    name, dtype = log.columns["score"], log.dtype("score")
    if not dtype.is_numeric():
        raise InvalidType(
            f"score column {name!r} holds {dtype}, not numbers; convert it first "
            "(pandas: to_numeric, Polars: cast, SQL: cast to INTEGER)"
        )
    whole = dtype.is_integer()
    answer = nw.col(name) if whole else nw.col(name).cast(nw.Float64)
    # Not is_nan: from the statistics of a Parquet file DuckDB 2.0 concludes that there is none.
    missing = answer.is_null() if whole else answer.is_null() | ~answer.is_finite()
    unusable = {
        "score missing or not finite": missing,
        "score out of scale": (answer < scale.low) | (answer > scale.high),
    }
    if not whole:
        unusable["score fractional"] = answer != answer.round()
    carried = {"score": answer}
    if "weight" in log.columns:
        if not log.dtype("weight").is_numeric():
            raise InvalidType(f"weight column {log.columns['weight']!r} holds {log.dtype('weight')}, not numbers")
        weight = nw.col(log.columns["weight"]).cast(nw.Float64)
        unusable["weight not a positive number"] = weight.is_null() | ~weight.is_finite() | (weight <= 0)
        carried["weight"] = weight
    for role in ("reason", "may_contact", "segment", "agent"):
        if role in log.columns:
            carried[role] = nw.col(log.columns[role])
    return replace(log, carried=log.carried | carried, unusable=log.unusable | unusable)


def score(
    log: Log,
    *,
    as_of: dt.date | str,
    by: str | Sequence[str] | None,
    period: Period | None,
    repeated: Repeated,
    scale: ScaleName,
) -> NpsScore | NpsTable:
    """See :meth:`Responses.score`."""
    names = (by,) if isinstance(by, str) else tuple(by or ())
    cells, excluded, until = _cells(log, as_of, names, period, repeated, scale)
    if names or period is not None:
        return NpsTable(by=names, period=period, as_of=until, cells=cells, excluded=excluded)
    return cells[0].score.model_copy(update={"excluded": excluded})


def trend(log: Log, *, as_of: dt.date | str, period: Period, repeated: Repeated, scale: ScaleName) -> NpsTrend:
    """See :meth:`Responses.trend`."""
    choice(PERIODS, period=period)
    cells, excluded, until = _cells(log, as_of, (), period, repeated, scale)
    week_start = log.clock.week_start
    found = {period_of(cell.period, period, week_start): cell.score for cell in cells if cell.period is not None}
    steps = []
    previous = None
    for index in range(min(found), max(found) + 1):
        current = found.get(index)
        steps.append(
            NpsStep(
                period=first_day(index, period, week_start),
                complete=last_day(index, period, week_start) <= until,
                score=current,
                change=compare(current, previous) if current and previous else None,
            )
        )
        previous = current or previous
    return NpsTrend(period=period, as_of=until, steps=tuple(steps), excluded=excluded)


def follow_up(
    log: Log, group: Literal["promoters", "passives", "detractors"], *, as_of: dt.date | str, scale: Scale
) -> Any:
    """See :meth:`Responses.follow_up`."""
    choice(("promoters", "passives", "detractors"), group=group)
    if "may_contact" not in log.columns:
        raise InvalidValue(
            "follow_up lists those who agreed to be contacted, and the log does not say who did; "
            "name the column with may_contact="
        )
    rows, excluded, _, _ = usable_rows(with_flag(log, "may_contact"), as_of=as_of)
    warn_of(excluded, "follow_up")
    newest = _one_each(rows, ["customer"], "latest")
    answer = nw.col("score")
    members = {
        "promoters": answer >= scale.promoter,
        "passives": (answer >= scale.passive) & (answer < scale.promoter),
        "detractors": answer < scale.passive,
    }
    shown = [name for name in ("customer", "time", "score", "reason", "segment", "agent") if name in newest.columns]
    return close_frame(newest.filter((nw.col("may_contact") == 1) & members[group]).select(*shown), eager=log.eager)


def _one_each(rows: Frame, within: list[str], repeated: Repeated) -> Frame:
    """The latest (or first) answer of each customer; of answers at the same moment the lowest."""
    ties = ["score", *(name for name in rows.columns if name not in (*within, "time", "score"))]
    return one_of_each(rows, within=within, latest=repeated == "latest", time="time", ties=ties)


def _columns_of(log: Log, by: Sequence[str]) -> dict[str, nw.Expr]:
    """Expressions of the columns to group by: a role by its name, any other column by its own."""
    schema = log.frame.collect_schema()
    for name in by:
        if name not in log.columns and name not in schema:
            raise MissingColumn(f"by column {name!r} is not in the frame, and no role of the log has that name")
    return {f"by_{i}": nw.col(log.columns.get(name, name)) for i, name in enumerate(by)}


def _cells(
    log: Log,
    as_of: dt.date | str,
    by: tuple[str, ...],
    period: Period | None,
    repeated: Repeated,
    scale: ScaleName,
) -> tuple[tuple[NpsCell, ...], dict[str, int], dt.date]:
    """One score a segment and period, in their order."""
    keys = _columns_of(log, by)
    wanted = {name: log.carried[name] for name in ("score", "weight") if name in log.carried}
    rows, excluded, until, usable = usable_rows(replace(log, carried=wanted | keys), as_of=as_of, period=period)
    group = [*keys, *(["period"] if period else [])]
    if repeated != "all":
        rows = _one_each(rows, ["customer", *(["period"] if period else [])], repeated)
    weighted = "weight" in wanted
    if weighted:
        rows = rows.with_columns(square=nw.col("weight") * nw.col("weight"))
    sums = [nw.col("weight").sum(), nw.col("square").sum()] if weighted else []
    table = rows.group_by(*group, "score").agg(nw.len().alias("count"), *sums).collect()
    counts = table["count"].to_numpy().astype(np.int64)
    if repeated != "all" and usable > counts.sum():
        excluded = excluded | {_SUPERSEDED[repeated]: usable - int(counts.sum())}
    labels = list(zip(*(to_labels(table[name]) for name in keys), strict=True))
    labels = labels or [()] * counts.size
    periods = table["period"].to_list() if period else [None] * counts.size
    rule = SCALES[scale]
    classes = np.digitize(table["score"].to_numpy().astype(np.float64), (rule.passive, rule.promoter))
    weights = np.array([table[name].to_numpy().astype(np.float64) for name in ("weight", "square") if weighted])
    places: dict[tuple[Any, ...], list[int]] = {}
    for i, key in enumerate(zip(labels, periods, strict=True)):
        places.setdefault(key, []).append(i)
    cells = []
    week_start = log.clock.week_start
    for (names, index), at in sorted(places.items(), key=_in_order):
        detractors, passives, promoters = np.bincount(classes[at], weights=counts[at], minlength=3).astype(int).tolist()
        cells.append(
            NpsCell(
                group=names,
                period=None if index is None or period is None else first_day(int(index), period, week_start),
                complete=index is None or period is None or last_day(int(index), period, week_start) <= until,
                score=NpsScore(
                    promoters=promoters,
                    passives=passives,
                    detractors=detractors,
                    scale=scale,
                    weighting=_weighting(classes[at], weights[:, at]) if weighted else None,
                ),
            )
        )
    return tuple(cells), excluded, until


def _weighting(classes: Any, weights: FloatArray) -> Weighting:
    sums, squares = (np.bincount(classes, weights=each, minlength=3)[::-1].tolist() for each in weights)
    return Weighting(sums=tuple(sums), squares=tuple(squares))


def _in_order(item: tuple[tuple[Any, ...], list[int]]) -> tuple[Any, ...]:
    """Segments by name, those without one last; periods in time."""
    names, index = item[0]
    return tuple((name is None, name or "") for name in names), index or 0
