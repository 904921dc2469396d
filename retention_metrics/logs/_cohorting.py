"""The cohort table of a log: the engine counts customers by cohort and period, numpy lays out the grid."""

import datetime as dt

import narwhals.stable.v2 as nw
import numpy as np

from retention_metrics._checks import choice, day, whole
from retention_metrics._periods import first_day, period_of
from retention_metrics._typing import FloatArray, IntArray, Period
from retention_metrics.cohorts import UNOBSERVED, Anchor, CohortTable, Counting, cell_states
from retention_metrics.errors import InvalidValue
from retention_metrics.logs._engines import Frame, to_numbers
from retention_metrics.logs._rows import Log, usable_rows

_MOST_PERIODS = 5_000


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
) -> CohortTable:
    """See :meth:`Transactions.cohorts`."""
    choice(("first", "every"), anchor=anchor)
    choice(("on", "on_or_after"), counting=counting)
    enough = whole(1, min_events=min_events)
    rows, excluded, until, _ = usable_rows(log, as_of=as_of, period=period)
    week_start = log.clock.week_start
    current = period_of(until, period, week_start)
    since = None if start is None else period_of(day(start=start), period, week_start)

    activity = rows.group_by("customer", "period").agg(nw.len().alias("events"))
    members = _members(activity, anchor)
    if since is not None:
        members = members.filter(nw.col("cohort") >= since)
    if returns is not None:
        activity, others = _returns(log, returns, until, period)
        excluded = excluded | {f"{reason} (returns)": count for reason, count in others.items()}
    early = anchor == "every" or returns is not None
    found = _on(activity, members, enough, early=early) if counting == "on" else _on_or_after(activity, members, enough)
    won = None
    if returns is not None and counting == "on":
        won = to_numbers(members.group_by("cohort").agg(nw.len().alias("customers")))
    known = found if won is None else won
    if known["cohort"].size == 0:
        raise InvalidValue(f"no cohort from start {start} on: no customer was won between then and {until}")
    opened = int(known["cohort"].min()) if since is None or anchor == "first" else since
    if current - opened >= _MOST_PERIODS:
        raise InvalidValue(
            f"the table would have {current - opened + 1:,} {period}s "
            f"from {first_day(opened, period, week_start)} on; the most is {_MOST_PERIODS:,}: "
            "choose a longer period, or a later start"
        )
    grid, sizes = _grid(found, opened, current, counting, won)
    shown = np.arange(opened, current + 1)
    if anchor == "first":
        kept = sizes > 0
        grid, sizes, shown = grid[kept], sizes[kept], shown[kept]
    states = cell_states(shown, grid.shape[1], period=period, as_of=until, week_start=week_start)
    return CohortTable(
        cohorts=tuple(first_day(int(index), period, week_start) for index in shown),
        sizes=sizes,
        retained=np.where(states == UNOBSERVED, np.nan, grid),
        states=states,
        period=period,
        as_of=until,
        anchor=anchor,
        counting=counting,
        min_events=enough,
        excluded=excluded,
    )


def _members(activity: Frame, anchor: Anchor) -> Frame:
    """Each customer with each cohort that he or she belongs to."""
    if anchor == "every":
        return activity.select("customer", nw.col("period").alias("cohort"))
    return activity.group_by("customer").agg(nw.col("period").min().alias("cohort"))


def _returns(log: Log, returns: Log, until: dt.date, period: Period) -> tuple[Frame, dict[str, int]]:
    """The periods in which customers of another log were active, and the rows of it left out."""
    mine, theirs = log.frame.implementation, returns.frame.implementation
    if mine != theirs or log.dtype("customer") != returns.dtype("customer"):
        raise InvalidValue(
            f"returns must be a log of the same engine with customer ids of the same type: {theirs.name} with "
            f"{returns.dtype('customer')} beside {mine.name} with {log.dtype('customer')}"
        )
    rows, excluded, _, _ = usable_rows(returns, as_of=until, period=period)
    return rows.group_by("customer", "period").agg(nw.len().alias("events")), excluded


def _on(activity: Frame, members: Frame, enough: int, *, early: bool) -> dict[str, IntArray]:
    """Customers by cohort and by period in which they were active, and those of them with events enough.

    ``early`` says that there may be events from before the cohort, which do not count.
    """
    pairs = activity.join(members, on="customer")
    if early:
        pairs = pairs.filter(nw.col("period") >= nw.col("cohort"))
    if enough == 1:
        counts = to_numbers(pairs.group_by("cohort", "period").agg(nw.len().alias("customers")))
        return {**counts, "counted": counts["customers"]}
    pairs = pairs.with_columns(counted=(nw.col("events") >= enough).cast(nw.Int64))
    return to_numbers(pairs.group_by("cohort", "period").agg(nw.len().alias("customers"), nw.col("counted").sum()))


def _on_or_after(activity: Frame, members: Frame, enough: int) -> dict[str, IntArray]:
    """Customers by cohort and by the last period from which on they have events enough.

    Members who never have enough, or only before the cohort, are counted in the period before it.
    """
    if enough > 1:
        later = activity.select("customer", nw.col("period").alias("later"), nw.col("events").alias("more"))
        rest = activity.select("customer", "period").join(later, on="customer")
        rest = rest.filter(nw.col("later") >= nw.col("period"))
        activity = rest.group_by("customer", "period").agg(nw.col("more").sum()).filter(nw.col("more") >= enough)
    last = activity.group_by("customer").agg(nw.col("period").max())
    pairs = members.join(last, on="customer", how="left")
    if enough > 1:
        before = nw.col("cohort") - 1
        pairs = pairs.with_columns(period=nw.max_horizontal(nw.col("period").fill_null(0), before))
    return to_numbers(pairs.group_by("cohort", "period").agg(nw.len().alias("customers")))


def _grid(
    found: dict[str, IntArray], opened: int, current: int, counting: Counting, won: dict[str, IntArray] | None
) -> tuple[FloatArray, IntArray]:
    """Counts by cohort and age, and sizes by cohort, for every period from ``opened`` to ``current``.

    Members are active in the period that makes them members, and are counted there, unless returns are told by
    another log: then ``won`` has the sizes.
    """
    length = current - opened + 1
    row, age = found["cohort"] - opened, found["period"] - found["cohort"]
    grid = np.zeros((length, length))
    if counting == "on":
        grid[row, age] = found["counted"]
        founding = age == 0
        sizes = np.bincount(row[founding], weights=found["customers"][founding], minlength=length)
        if won is not None:
            sizes = np.bincount(won["cohort"] - opened, weights=won["customers"], minlength=length)
    else:
        reached = age >= 0
        grid[row[reached], age[reached]] = found["customers"][reached]
        grid = np.cumsum(grid[:, ::-1], axis=1)[:, ::-1]
        sizes = np.bincount(row, weights=found["customers"], minlength=length)
    return grid, sizes.astype(np.int64)
