"""The cohort table of a log: the engine counts customers by cohort and age, numpy lays out the grid."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from retention_metrics._checks import choice, day, whole
from retention_metrics._periods import first_day, last_day, period_of
from retention_metrics._typing import FloatArray, Period
from retention_metrics.cohorts import CohortTable
from retention_metrics.cohorts._states import (
    UNOBSERVED,
    WINDOWS,
    Brackets,
    Window,
    bracket_states,
    cell_states,
    checked_brackets,
    window_states,
)
from retention_metrics.cohorts._table import Anchor, Counting
from retention_metrics.errors import InvalidValue
from retention_metrics.logs._engines import Frame, to_parts
from retention_metrics.logs._rows import Log, usable_rows
from retention_metrics.logs._segments import Numbers, Segments, beside, by_segment, group_of, joined, with_segment

_MOST_PERIODS = 5_000
_SECONDS = 86_400


def cohorts(
    log: Log,
    *,
    period: Period,
    as_of: dt.date | str,
    anchor: Anchor,
    counting: Counting,
    min_events: int,
    start: dt.date | str | None,
    returns: Log | None,
    window: Window | None,
    brackets: Sequence[tuple[int, int]] | None,
    revenue: bool,
    by: Any,
) -> CohortTable | Segments[CohortTable]:
    """See :meth:`Transactions.cohorts`."""
    choice(("first", "every"), anchor=anchor)
    choice(("on", "on_or_after"), counting=counting)
    enough = whole(1, min_events=min_events)
    spans = None if brackets is None else checked_brackets(brackets)
    teller = log if returns is None else returns
    if window is not None:
        choice(WINDOWS, window=window)
        _refuse(anchor == "every", "window counts from the first event, so anchor must be 'first'")
    _refuse(spans is not None and counting != "on", "brackets are counted 'on': anywhere between their two ages")
    _refuse(revenue and not teller.paid, "revenue needs the amounts of the log: name their column with amount=")
    _refuse(revenue and (counting != "on" or enough > 1), "revenue needs counting='on' and min_events=1")

    group, sums = group_of(by), ["events", "amount"] if revenue else ["events"]
    rows = usable_rows(with_segment(_timed(log, window), by), as_of=as_of, period=period)
    until, excluded, week_start = rows.until, rows.excluded, log.clock.week_start
    since = None if start is None else period_of(day(start=start), period, week_start)
    activity, members = _followed(rows.frame, anchor, window, revenue=revenue and returns is None)
    if since is not None:
        members = members.filter(nw.col("cohort") >= since)
    if returns is not None:
        _refuse_another_kind(log, returns)
        others = usable_rows(_timed(returns, window), as_of=until, period=period)
        activity = _active(others.frame, members, window, revenue=revenue)
        excluded = excluded | {f"{reason} (returns)": count for reason, count in others.excluded.items()}
    members = joined(members.select("customer", "cohort"), log, rows, by)
    if counting == "on":
        pairs = activity.join(members, on="customer").with_columns(age=nw.col("period") - nw.col("cohort"))
        if anchor == "every" or returns is not None:
            pairs = pairs.filter(nw.col("age") >= 0)
        if spans is not None:
            pairs = _in_brackets(pairs, spans, group, sums)
        counts = [nw.len().alias("customers"), *([nw.col("amount").sum()] if revenue else [])]
        if enough > 1:
            pairs = pairs.with_columns(counted=(nw.col("events") >= enough).cast(nw.Int64))
            counts.append(nw.col("counted").sum())
        cells = pairs.group_by(*group, "cohort", "age").agg(*counts)
    else:
        cells = _on_or_after(activity, members, enough, group)
    found = to_parts(cells, group, floats=("amount",))
    won: Mapping[str | None, Numbers] = {}
    if counting == "on" and (returns is not None or spans is not None):
        won = to_parts(members.group_by(*group, "cohort").agg(nw.len().alias("customers")), group)
    known = won or found
    numbers = [part["cohort"] for part in known.values() if part["cohort"].size]
    if not numbers:
        raise InvalidValue(f"no cohort from start {start} on: no customer was won between then and {until}")
    opened = int(min(part.min() for part in numbers)) if since is None or anchor == "first" else since
    current = period_of(until, period, week_start)
    _refuse(
        current - opened >= _MOST_PERIODS,
        f"the table would have {current - opened + 1:,} {period}s "
        f"from {first_day(opened, period, week_start)} on; the most is {_MOST_PERIODS:,}: "
        "choose a longer period, or a later start",
    )
    shown = np.arange(opened, current + 1)
    first = [first_day(int(index), period, week_start).toordinal() for index in shown]
    if window is None:
        ages = shown.size if spans is None else spans[-1][1] + 1
        states = cell_states(shown, ages, period=period, as_of=until, week_start=week_start)
    else:
        last = [last_day(int(index), period, week_start).toordinal() for index in shown]
        ages = max((until.toordinal() - first[0]) // WINDOWS[window] + 1, 1 if spans is None else spans[-1][1] + 1)
        states = window_states(first, last, ages, window, as_of=until, whole_days=log.clock.kind == "date")
    states = states if spans is None else bracket_states(states, spans)
    shape = states.shape

    def table(part: tuple[Numbers, ...]) -> CohortTable:
        cells = part[0]
        grid, sizes = _grid(cells, opened, shape, counting, part[1] if won else None)
        kept = sizes > 0 if anchor == "first" else np.ones(sizes.size, bool)
        unseen = states == UNOBSERVED
        money = None
        if revenue:
            money = np.zeros(shape)
            money[cells["cohort"] - opened, cells["age"]] = cells["amount"]
            money = np.where(unseen, np.nan, money)[kept]
        return CohortTable(
            cohorts=tuple(dt.date.fromordinal(day) for day, keep in zip(first, kept, strict=True) if keep),
            sizes=sizes[kept],
            retained=np.where(unseen, np.nan, grid)[kept],
            states=states[kept],
            period=period,
            as_of=until,
            anchor=anchor,
            counting=counting,
            min_events=enough,
            window=window,
            brackets=spans,
            money=money,
            excluded=excluded,
        )

    parts = {name: (found.get(name, _no_cells(found)), part) for name, part in won.items()} if won else beside(found)
    return by_segment(by, parts, table)


def _timed(log: Log, window: Window | None) -> Log:
    """The log with the moment of each event carried along, when windows are counted from the first one."""
    return log if window is None else replace(log, carried=log.carried | {"moment": log.clock.moment()})


def _followed(rows: Frame, anchor: Anchor, window: Window | None, *, revenue: bool) -> tuple[Frame, Frame]:
    """Activity of customers by period, and each customer with each cohort that he or she belongs to."""
    if window is not None:
        members = rows.group_by("customer").agg(
            nw.col("period").min().alias("cohort"), nw.col("moment").min().alias("opened")
        )
        return _active(rows, members, window, revenue=revenue), members
    activity = _active(rows, None, None, revenue=revenue)
    if anchor == "every":
        return activity, activity.select("customer", nw.col("period").alias("cohort"))
    return activity, activity.group_by("customer").agg(nw.col("period").min().alias("cohort"))


def _active(rows: Frame, members: Frame | None, window: Window | None, *, revenue: bool) -> Frame:
    """Events of each customer by period; with windows, the period is the cohort's plus the windows gone by."""
    if members is not None and window is not None:
        rows = rows.drop("period").join(members, on="customer").filter(nw.col("moment") >= nw.col("opened"))
        elapsed = (nw.col("moment") - nw.col("opened")) // (WINDOWS[window] * _SECONDS)
        rows = rows.with_columns(period=nw.col("cohort") + elapsed)
    amounts = [nw.col("amount").sum()] if revenue else []
    return rows.group_by("customer", "period").agg(nw.len().alias("events"), *amounts)


def _refuse_another_kind(log: Log, returns: Log) -> None:
    mine, theirs = log.frame.implementation, returns.frame.implementation
    if mine != theirs or log.dtype("customer") != returns.dtype("customer"):
        raise InvalidValue(
            f"returns must be a log of the same engine with customer ids of the same type: {theirs.name} with "
            f"{returns.dtype('customer')} beside {mine.name} with {log.dtype('customer')}"
        )


def _in_brackets(pairs: Frame, brackets: Brackets, group: list[str], sums: list[str]) -> Frame:
    """Activity by bracket of ages, in place of the single ages."""
    age = nw.col("age")
    place, inside = nw.lit(-1), nw.lit(value=False)
    for low, high in brackets:
        place = place + (age >= low).cast(nw.Int64)
        inside = inside | ((age >= low) & (age <= high))
    pairs = pairs.filter(inside).with_columns(age=place)
    return pairs.group_by("customer", *group, "cohort", "age").agg(*(nw.col(name).sum() for name in sums))


def _on_or_after(activity: Frame, members: Frame, enough: int, group: list[str]) -> Frame:
    """Customers by cohort and by the last age from which on they have events enough.

    Members who never have enough, or only before the cohort, are counted at an age below 0.
    """
    if enough > 1:
        later = activity.select("customer", nw.col("period").alias("later"), nw.col("events").alias("more"))
        rest = activity.select("customer", "period").join(later, on="customer")
        rest = rest.filter(nw.col("later") >= nw.col("period"))
        activity = rest.group_by("customer", "period").agg(nw.col("more").sum()).filter(nw.col("more") >= enough)
    last = activity.group_by("customer").agg(nw.col("period").max())
    pairs = members.join(last, on="customer", how="left")
    pairs = pairs.with_columns(age=nw.col("period").fill_null(0) - nw.col("cohort"))
    return pairs.group_by(*group, "cohort", "age").agg(nw.len().alias("customers"))


def _grid(
    found: Numbers, opened: int, shape: tuple[int, ...], counting: Counting, won: Numbers | None
) -> tuple[FloatArray, Any]:
    """Counts by cohort and age, and sizes by cohort.

    Members are active in the period that makes them members, and are counted there, unless ``won`` has the sizes.
    """
    row, age = found["cohort"] - opened, found["age"]
    grid = np.zeros(shape)
    if counting == "on":
        grid[row, age] = found.get("counted", found["customers"])
        founding = age == 0
        where, customers = row[founding], found["customers"][founding]
    else:
        reached = age >= 0
        grid[row[reached], age[reached]] = found["customers"][reached]
        grid = np.cumsum(grid[:, ::-1], axis=1)[:, ::-1]
        where, customers = row, found["customers"]
    if won is not None:
        where, customers = won["cohort"] - opened, won["customers"]
    return grid, np.bincount(where, weights=customers, minlength=shape[0]).astype(np.int64)


def _no_cells(found: Mapping[str | None, Numbers]) -> Numbers:
    return {name: values[:0] for name, values in next(iter(found.values()), {}).items()}


def _refuse(broken: object, rule: str) -> None:
    if broken:
        raise InvalidValue(rule)
