"""Movements of recurring revenue in a log of subscriptions, from period to period."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from retention_metrics._checks import choice, day, whole
from retention_metrics._periods import PERIODS, first_day, last_day, period_of, periods_of
from retention_metrics._typing import BoolArray, FloatArray, Period, Weekday
from retention_metrics.errors import InvalidValue
from retention_metrics.logs._engines import Frame, to_parts, with_period, with_running, with_short_plan
from retention_metrics.logs._rows import Log, usable_rows
from retention_metrics.logs._segments import Numbers, Segments, by_segment, group_of, joined, with_segment
from retention_metrics.revenue import RevenueFlow
from retention_metrics.revenue._flow import MovementMode

_DUST = 1e-12
"""Of the amounts that change: less than that is rounding in their sum."""

_GAINS = ("new", "reactivation", "expansion")


@dataclass(frozen=True, slots=True)
class _Rule:
    """What counts as a movement, and when."""

    period: Period
    until: dt.date
    week_start: Weekday
    mode: MovementMode
    window: int | None
    excluded: Mapping[str, int]


def movements(
    log: Log,
    period: Period,
    as_of: dt.date | str,
    mode: MovementMode,
    reactivation_window: int | None,
    since: dt.date | str | None,
    by: Any,
) -> RevenueFlow | Segments[RevenueFlow]:
    """See :meth:`Subscriptions.movements`."""
    choice(PERIODS, period=period)
    choice(("snapshot", "event"), mode=mode)
    window = None if reactivation_window is None else whole(0, reactivation_window=reactivation_window)
    if not log.paid:
        raise InvalidValue("the log has no amounts; name their column with amount=")
    log = replace(log, unusable=log.unusable | {"negative amount": log.carried["amount"] < 0})
    if "currency" in log.columns:
        log = replace(log, carried=log.carried | {"currency": nw.col(log.columns["currency"])})
    if mode == "snapshot":
        log = replace(log, carried=log.carried | {"came": log.clock.period(period)})
    rows = usable_rows(with_segment(log, by), as_of=as_of, period="day")
    if "currency" in log.columns:
        _refuse_several(rows.frame)
    rule = _Rule(period, rows.until, log.clock.week_start, mode, window, rows.excluded)
    group = group_of(by)
    moves = joined(_moves(_changes(rows.frame, rule), rule), log, rows, by)
    keys = ("at", "gain", "whole", "known")
    counted = moves.group_by(*group, *keys).agg(nw.col("amount").sum(), nw.len().alias("customers"))
    parts = to_parts(counted, group, floats=("amount",))
    if not any(part["at"].size for part in parts.values()):
        raise InvalidValue(f"no subscription brings money up to as_of {rule.until}")
    if mode == "event":
        for part in parts.values():
            part["at"] = periods_of(part["at"], period, rule.week_start)
    indices = range(_opening(parts, rule, since), period_of(rule.until, period, rule.week_start) + 1)
    if not indices:
        raise InvalidValue(f"no {period} opens from since {since} to as_of {rule.until}")
    return by_segment(by, parts, lambda part: _flow(part, indices, rule))


def _refuse_several(rows: Frame) -> None:
    found = to_parts(rows.group_by("currency").agg(nw.len().alias("rows")), ["currency"])
    if len(found) > 1:
        shown = ", ".join(f"{name or 'none'} ({int(part['rows'][0]):,} rows)" for name, part in found.items())
        raise InvalidValue(
            f"the amounts are in several currencies: {shown}; convert them to one at a constant rate first, and give "
            "revaluation as a term of its own (revenue.movements)"
        )


def _changes(rows: Frame, rule: _Rule) -> Frame:
    """By how much the amount of each customer changes on a day, or from one close of a period to the next.

    One row a customer and ``at``, the day or the running number of the period: ``change`` of the amount, ``held`` of
    the number of subscriptions, ``moved`` (all amounts that came or went), and with a window of reactivation the
    ``first`` and the ``last`` day of a change.
    """
    until = rule.until.toordinal()
    begun, stop, amount = nw.col("period"), nw.col("stop"), nw.col("amount")
    rows = rows.filter((amount > 0) & (stop > begun))

    def part(frame: Frame, at: nw.Expr, day: nw.Expr, change: nw.Expr, held: int) -> Frame:
        columns = {"at": at, "day": day} if rule.window is not None else {"at": at}
        whole = {name: number.cast(nw.Int32) for name, number in columns.items()}
        return frame.select("customer", change=change, moved=change.abs(), held=nw.lit(held, dtype=nw.Int64), **whole)

    # On the last day what ends only makes room for what starts: nobody knows yet whether it will be renewed.
    today = rows.filter((begun == until) | (stop == until))
    today = today.with_columns(starts=amount * (begun == until).cast(nw.Float64))
    today = today.with_columns(ends=amount - nw.col("starts"))
    today = today.group_by("customer").agg(nw.col("starts", "ends").sum())
    today = today.with_columns(room=nw.min_horizontal("starts", "ends")).filter(nw.col("room") > 0)
    ended = rows.filter(stop < until)
    came, went, closing = begun, stop, until
    if rule.mode == "snapshot":
        ended = with_period(ended, "went", day="stop", period=rule.period, week_start=rule.week_start)
        came, went = nw.col("came"), nw.col("went")
        closing = period_of(rule.until, rule.period, rule.week_start)
    parts = [
        part(rows, came, begun, amount, 1),
        part(ended, went, stop, 0 - amount, -1),
        part(today, nw.lit(closing), nw.lit(until), 0 - nw.col("room"), 0),
    ]
    sums = nw.col("change", "moved", "held").sum()
    days = [] if rule.window is None else [nw.col("day").min().alias("first"), nw.col("day").max().alias("last")]
    return with_short_plan(nw.concat(parts).group_by("customer", "at").agg(sums, *days))


def _moves(changes: Frame, rule: _Rule) -> Frame:
    """The movement of each change: whether a gain, whether of the whole amount, and whether the customer is known."""
    order = "at" if rule.window is None else "last"
    steps = with_running(changes, within="customer", order=order, of="held", previous=True)
    change, previous, held = nw.col("change"), nw.col("previous"), nw.col("running")
    if rule.window is None:
        known = ~previous.is_null()
    else:
        known = (nw.col("first") - previous <= rule.window).fill_null(value=False)
    # Subscriptions are counted, and not their amounts, to see who has none: sums of cents miss zero by their rounding.
    return steps.filter(change.abs() > nw.col("moved") * _DUST).select(
        "customer",
        "at",
        gain=(change > 0).cast(nw.Int64),
        whole=((held == 0) | (held == nw.col("held"))).cast(nw.Int64),
        known=known.cast(nw.Int64),
        amount=change.abs(),
    )


def _opening(parts: Mapping[str | None, Numbers], rule: _Rule, since: dt.date | str | None) -> int:
    """The first period of the table."""
    if since is None:
        return min(int(part["at"].min()) for part in parts.values())
    covered = day(since=since)
    index = period_of(covered, rule.period, rule.week_start)
    return index if first_day(index, rule.period, rule.week_start) == covered else index + 1


def _flow(part: Numbers, indices: range, rule: _Rule) -> RevenueFlow:
    gain, full, known = (part[name] == 1 for name in ("gain", "whole", "known"))
    kinds = {
        "new": gain & full & ~known,
        "reactivation": gain & full & known,
        "expansion": gain & ~full,
        "contraction": ~gain & ~full,
        "churn": ~gain & full,
    }
    earlier = part["at"] < indices.start

    def add(values: Any, chosen: BoolArray) -> FloatArray:
        inside = chosen & ~earlier
        return np.bincount(part["at"][inside] - indices.start, values[inside], len(indices)).astype(np.float64)

    def book(values: Any, signs: Mapping[str, int]) -> dict[str, FloatArray]:
        columns = {name: add(values, chosen) for name, chosen in kinds.items()}
        opened = sum(sign * values[kinds[name] & earlier].sum() for name, sign in signs.items())
        net = sum(sign * columns[name] for name, sign in signs.items())
        end = opened + np.cumsum(net)
        return columns | {"start": np.concatenate([[opened], end[:-1]]), "end": end}

    counted = book(part["customers"].astype(np.float64), {"new": 1, "reactivation": 1, "churn": -1})
    heads = {name: np.rint(values).astype(np.int64) for name, values in counted.items()}
    money = book(part["amount"], {name: 1 if name in _GAINS else -1 for name in kinds})
    # Where there is no customer there is no money: sums of cents miss zero by their rounding.
    money |= {name: np.where(heads[name] == 0, 0.0, money[name]) for name in ("start", "end")}
    columns: dict[str, Any] = {**money, **{f"{name}_customers": values for name, values in heads.items()}}
    return RevenueFlow(
        periods=tuple(first_day(index, rule.period, rule.week_start) for index in indices),
        complete=np.array([last_day(index, rule.period, rule.week_start) <= rule.until for index in indices]),
        **columns,
        period=rule.period,
        as_of=rule.until,
        mode=rule.mode,
        reactivation_window=rule.window,
        excluded=rule.excluded,
    )
