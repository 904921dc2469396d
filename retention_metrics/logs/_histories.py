"""Purchase histories for the purchase models: collapsed by the engine to the distinct ones, with weights."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np

from retention_metrics._checks import choice
from retention_metrics._periods import PERIODS, last_day, period_of
from retention_metrics._typing import Period
from retention_metrics.errors import InvalidValue
from retention_metrics.logs._days import netted, prepared_days
from retention_metrics.logs._engines import Frame, to_parts, with_short_plan
from retention_metrics.logs._rows import Log, usable_rows
from retention_metrics.logs._segments import Numbers, Segments, by_segment, group_of, joined, with_segment
from retention_metrics.predictive import Histories

HISTORY = ("frequency", "recency", "T")
_YEAR = 365.25
_DAYS: dict[Period, float] = {"day": 1, "week": 7, "month": _YEAR / 12, "quarter": _YEAR / 4, "year": _YEAR}
_DECIMALS = 6
"""Sums of money are told apart to the millionth, because engines add them up in different orders."""


class Scale(NamedTuple):
    """How time is counted.

    Attributes:
        unit: The unit of the histories.
        step: The calendar period in which purchases are one purchase.
        steps: Steps in a unit.
    """

    unit: Period
    step: Period
    steps: float


class Lives(NamedTuple):
    """One row a customer, in steps of time, and what was left out.

    Attributes:
        frame: ``customer``, ``first``, ``frequency``, ``recency``, ``T``, ``spent`` in the repeat purchases if money is
            asked for, ``segment`` if there are segments; with a holdout also ``later`` (purchases in it) and
            ``brought`` (money).
        purchases: One row a customer and step with a purchase: ``customer``, ``period``.
        excluded: Rows left out, by reason.
        now: The step that ends the observation.
        until: The step of ``as_of``: ``now``, or the end of the holdout.
    """

    frame: Frame
    purchases: Frame
    excluded: dict[str, int]
    now: int
    until: int


def histories(
    log: Log, as_of: dt.date | str, unit: Period, *, opportunities: bool, spend: bool, by: Any
) -> Histories | Segments[Histories]:
    """See :meth:`Transactions.histories`."""
    scale = scale_of(unit, opportunities=opportunities)
    found = lives(log, as_of, scale, spend=spend, by=by)
    group = group_of(by)
    own = [*HISTORY, *(["spent"] if spend else [])]
    alike = found.frame.group_by(*group, *own).agg(nw.len().alias("weights"))
    parts = to_parts(alike, group, floats=("spent",))
    return by_segment(by, parts, lambda part: of_rows(in_order(part, own), scale, found.excluded))


def in_order(part: Numbers, names: Sequence[str]) -> Numbers:
    """A small table by the first of some columns, then by the second, and so on: engines have orders of their own."""
    order = np.lexsort([part[name] for name in reversed(names)])
    return {name: column[order] for name, column in part.items()}


def of_rows(part: Numbers, scale: Scale, excluded: dict[str, int]) -> Histories:
    """Histories in the order of the rows, from whole steps of time."""
    frequency, recency, age, weights = (part[name].astype(np.float64) for name in (*HISTORY, "weights"))
    mean = None
    if "spent" in part:
        mean = np.divide(part["spent"], frequency, out=np.full(frequency.shape, np.nan), where=frequency > 0)
    return Histories(
        frequency, recency / scale.steps, age / scale.steps, weights, scale.unit, monetary_value=mean, excluded=excluded
    )


def scale_of(unit: Period, *, opportunities: bool) -> Scale:
    """Days in units of a fixed length, or whole calendar periods."""
    choice(PERIODS, unit=unit)
    return Scale(unit, unit, 1.0) if opportunities else Scale(unit, "day", _DAYS[unit])


def lives(
    log: Log, as_of: dt.date | str, scale: Scale, *, spend: bool, by: Any = None, split: dt.date | None = None
) -> Lives:
    """The history of every customer up to ``as_of``; with ``split`` up to that day, and what came after it."""
    if spend and not log.paid:
        raise InvalidValue("spend needs the amounts of the log: name their column with amount=")
    rows = usable_rows(with_segment(log, by), as_of=as_of, period=scale.step)
    until = _closing(rows.until, "as_of", scale, log)
    now = until if split is None else _closing(split, "split", scale, log)
    if split is not None and now >= until:
        raise InvalidValue(f"split must be before as_of, got {split} and {rows.until}")
    seen = prepared_days(log, rows, scale.step, by)
    if seen is None:
        seen = with_short_plan(netted(rows.frame, "period", paid=spend))
    purchases = seen
    totals = [nw.len().alias("purchases"), nw.col("period").max().alias("last")]
    if split is not None:
        early = (nw.col("period") <= now).cast(nw.Int64)
        seen = seen.with_columns(early=early, later=1 - early).with_columns(last=nw.col("period") * nw.col("early"))
        totals = [nw.col("early").sum().alias("purchases"), nw.col("last").max(), nw.col("later").sum()]
        if spend:
            parts = {"amount": nw.col("amount") * nw.col("early"), "brought": nw.col("amount") * nw.col("later")}
            seen = seen.with_columns(**parts)
            totals.append(nw.col("brought").sum())
    totals += [nw.col("period").min().alias("first"), *([nw.col("amount").sum().alias("total")] if spend else [])]
    customers = seen.group_by("customer").agg(*totals)
    if split is not None:
        customers = customers.filter(nw.col("first") <= now)
    if spend:
        # The first purchase is found by a join: engines share no aggregate for "the amount at the earliest time".
        firsts = seen.filter(nw.col("previous").is_null()) if "previous" in seen.columns else seen
        firsts = firsts.select("customer", "amount", first=nw.col("period"))
        customers = firsts.join(customers, on=["customer", "first"])
        customers = customers.with_columns(spent=(nw.col("total") - nw.col("amount")).round(_DECIMALS))
    customers = customers.with_columns(
        frequency=nw.col("purchases").cast(nw.Int64) - 1,
        recency=(nw.col("last") - nw.col("first")).cast(nw.Int64),
        T=(now - nw.col("first")).cast(nw.Int64),
    )
    customers = joined(customers, log, rows, by)
    columns = ["customer", "first", *HISTORY, *(["spent"] if spend else []), *group_of(by)]
    columns += ["later", *(["brought"] if spend else [])] if split is not None else []
    return Lives(with_short_plan(customers.select(*columns)), purchases, rows.excluded, now, until)


def _closing(day: dt.date, name: str, scale: Scale, log: Log) -> int:
    """The step of a day; it must close the step, so that every opportunity counted is over."""
    step = period_of(day, scale.step, log.clock.week_start)
    closes = last_day(step, scale.step, log.clock.week_start)
    if closes != day:
        before = last_day(step - 1, scale.step, log.clock.week_start)
        raise InvalidValue(
            f"{name} must be the last day of a {scale.step}, so that every opportunity is over, got {day}; "
            f"{before} and {closes} are such days"
        )
    return step
