"""Stays of customers with contracts: lifetimes, renewals that are due, and renewals that came."""

import datetime as dt
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from retention_metrics._checks import day, whole
from retention_metrics._stats import Rate
from retention_metrics._typing import Weekday
from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.logs._engines import (
    Frame,
    as_date,
    close_frame,
    make_clock,
    to_numbers,
    with_known_zone,
    with_stays,
)
from retention_metrics.logs._rows import Log, usable_rows, warn_of, with_flag
from retention_metrics.survival import SurvivalCurve, kaplan_meier

_RUNNING = 10_000_000
"""The day on which what runs on ends: beyond any calendar."""


def with_ends(log: Log, tz: str | None, week_start: Weekday) -> Log:
    """The log with the day of the end carried along, ``_RUNNING`` where there is none."""
    log = replace(log, frame=with_known_zone(log.frame, log.columns["end"]))
    column = log.columns["end"]
    ends = make_clock(log.frame, column, tz=tz, week_start=week_start).day_if_known()
    backwards = ~nw.col(column).is_null() & (ends < log.clock.day_if_known())
    carried = {"stop": ends.fill_null(_RUNNING).cast(nw.Int64)} | {
        role: nw.col(log.columns[role]) for role in ("plan",) if role in log.columns
    }
    return replace(log, carried=log.carried | carried, unusable=log.unusable | {"end before start": backwards})


def lifetimes(log: Log, as_of: dt.date | str, reactivation_window: int, since: dt.date | str | None) -> SurvivalCurve:
    """See :meth:`Subscriptions.lifetimes`."""
    stays, until, excluded = _stays(log, as_of, reactivation_window)
    warn_of(excluded, "lifetimes")
    opened = None if since is None else day(since=since).toordinal()
    ended = nw.col("stop") < until
    last = nw.when(ended).then(nw.col("stop")).otherwise(nw.lit(until))
    stays = stays.with_columns(observed=ended.cast(nw.Int64), last=last)
    stays = stays.with_columns(length=nw.col("last") - nw.col("start"))
    if opened is not None:
        stays = stays.filter(nw.col("last") > opened)
        early = nw.when(nw.col("start") < opened).then(opened - nw.col("start")).otherwise(nw.lit(0))
        stays = stays.with_columns(entry=early)
    keys = ["length", "observed", *(["entry"] if opened is not None else [])]
    found = to_numbers(stays.group_by(*keys).agg(nw.len().alias("stays")))
    if not found["length"].size:
        raise InvalidValue(f"no stay reaches beyond since {since}")
    return kaplan_meier(
        found["length"], found["observed"], entry=found.get("entry"), weights=found["stays"].astype(np.float64)
    )


def renewals_due(log: Log, as_of: dt.date | str, within: int) -> Any:
    """See :meth:`Subscriptions.renewals_due`."""
    ahead = whole(0, within=within)
    if "frozen" in log.columns:
        log = with_flag(log, "frozen")
    rows, excluded, until, _ = usable_rows(log, as_of=as_of)
    warn_of(excluded, "renewals_due")
    today = until.toordinal()
    latest = rows.group_by("customer").agg(nw.col("stop").max())
    due = rows.join(latest, on=["customer", "stop"])
    due = due.filter((nw.col("stop") >= today) & (nw.col("stop") <= today + ahead))
    if "frozen" in log.carried:
        due = due.filter(~(nw.col("frozen") == 1).fill_null(value=False))
    due = due.with_columns(
        ends_on=as_date(due, nw.col("stop").cast(nw.Int64)), days_left=(nw.col("stop") - today).cast(nw.Int64)
    )
    shown = [name for name in ("plan", "amount") if name in log.carried]
    return close_frame(due.select("customer", "ends_on", "days_left", *shown), eager=log.eager)


def renewal_rate(
    log: Log, first: dt.date | str, last: dt.date | str, as_of: dt.date | str, reactivation_window: int
) -> Rate:
    """See :meth:`Subscriptions.renewal_rate`."""
    window = whole(0, reactivation_window=reactivation_window)
    opened, closed, until = day(first=first), day(last=last), day(as_of=as_of)
    if closed < opened:
        raise InvalidValue(f"last must not be before first, got {opened} to {closed}")
    if (until - closed).days <= window:
        raise InvalidValue(
            f"last is {closed}, and as_of {until} is too close to it: renewals within {window} days can still come"
        )
    rows, excluded, _, _ = usable_rows(log, as_of=until, period="day")
    warn_of(excluded, "renewal_rate")
    parts = with_stays(rows.select("customer", nw.col("period").alias("start"), "stop"), gap=window)
    ends = parts.group_by("customer", "stay").agg(nw.col("stop").max().alias("stay_stop"))
    up = parts.filter((nw.col("stop") >= opened.toordinal()) & (nw.col("stop") <= closed.toordinal()))
    up = up.join(ends, on=["customer", "stay"])
    renewed = (nw.col("stay_stop") > nw.col("stop")).cast(nw.Int64)
    found = to_numbers(up.with_columns(renewed=renewed).select(nw.len().alias("up"), nw.col("renewed").sum()))
    if not found["up"][0]:
        raise UndefinedMetric("renewal_rate", f"no subscription ended from {opened} to {closed}")
    return Rate(
        definition=f"renewed within {window} days / subscriptions that ended from {opened} to {closed}",
        numerator=int(found["renewed"][0]),
        denominator=int(found["up"][0]),
    )


def _stays(log: Log, as_of: dt.date | str, reactivation_window: int) -> tuple[Frame, int, dict[str, int]]:
    """One row a stay: customer, start and stop; the last day of the data; and the rows left out."""
    window = whole(0, reactivation_window=reactivation_window)
    rows, excluded, until, _ = usable_rows(log, as_of=as_of, period="day")
    parts = with_stays(rows.select("customer", nw.col("period").alias("start"), "stop"), gap=window)
    stays = parts.group_by("customer", "stay").agg(nw.col("start").min(), nw.col("stop").max())
    stays = stays.with_columns(nw.col("start").cast(nw.Int64), nw.col("stop").cast(nw.Int64))
    return stays, until.toordinal(), excluded
