"""Stays of customers with contracts: lifetimes, renewals that are due, and renewals that came."""

import datetime as dt
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from retention_metrics._checks import choice, day, whole
from retention_metrics._periods import PERIODS
from retention_metrics._stats import Rate
from retention_metrics._typing import Period, Weekday
from retention_metrics.churn import CustomerFlow
from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.logs._book import RUNNING, Counted, flow_of
from retention_metrics.logs._engines import (
    Frame,
    as_date,
    close_frame,
    make_clock,
    to_parts,
    with_known_zone,
    with_stays,
)
from retention_metrics.logs._rows import Log, usable_rows, warn_of, with_flag
from retention_metrics.logs._segments import (
    Numbers,
    Segments,
    by_segment,
    group_of,
    joined,
    of_terms,
    with_segment,
)
from retention_metrics.survival import SurvivalCurve, kaplan_meier


def with_ends(log: Log, tz: str | None, week_start: Weekday, *, last_day: bool) -> Log:
    """The log with the day of the end carried along, ``RUNNING`` where there is none."""
    log = replace(log, frame=with_known_zone(log.frame, log.columns["end"]))
    column = log.columns["end"]
    ends = make_clock(log.frame, column, tz=tz, week_start=week_start).day_if_known()
    backwards = ~nw.col(column).is_null() & (ends < log.clock.day_if_known())
    stop = (ends + 1 if last_day else ends).fill_null(RUNNING)
    carried = {"stop": stop.cast(nw.Int64)} | {
        role: nw.col(log.columns[role]) for role in ("plan",) if role in log.columns
    }
    return replace(log, carried=log.carried | carried, unusable=log.unusable | {"end before start": backwards})


def lifetimes(
    log: Log, as_of: dt.date | str, reactivation_window: int, since: dt.date | str | None, by: Any
) -> SurvivalCurve | Segments[SurvivalCurve]:
    """See :meth:`Subscriptions.lifetimes`."""
    group = group_of(by)
    stays, until, excluded = _stays(log, as_of, reactivation_window, by)
    warn_of(excluded, "lifetimes")
    today = until.toordinal()
    opened = None if since is None else day(since=since).toordinal()
    ended = nw.col("stop") < today
    last = nw.when(ended).then(nw.col("stop")).otherwise(nw.lit(today))
    stays = stays.with_columns(observed=ended.cast(nw.Int64), last=last)
    stays = stays.with_columns(length=nw.col("last") - nw.col("start"))
    if opened is not None:
        stays = stays.filter(nw.col("last") > opened)
        early = nw.when(nw.col("start") < opened).then(opened - nw.col("start")).otherwise(nw.lit(0))
        stays = stays.with_columns(entry=early)
    keys = ["length", "observed", *(["entry"] if opened is not None else [])]
    found = to_parts(stays.group_by(*group, *keys).agg(nw.len().alias("stays")), group)
    if not any(part["length"].size for part in found.values()):
        raise InvalidValue(f"no stay reaches beyond since {since}")

    def curve(part: Numbers) -> SurvivalCurve:
        weights = part["stays"].astype(np.float64)
        return kaplan_meier(part["length"], part["observed"], entry=part.get("entry"), weights=weights)

    return by_segment(by, found, curve)


def retention_by_period(
    log: Log, period: Period, as_of: dt.date | str, reactivation_window: int, by: Any
) -> CustomerFlow | Segments[CustomerFlow]:
    """See :meth:`Subscriptions.retention_by_period`."""
    choice(PERIODS, period=period)
    window = whole(0, reactivation_window=reactivation_window)
    stays, until, excluded = _stays(log, as_of, reactivation_window, by)
    leaves = nw.when(nw.col("stop") < until.toordinal()).then(nw.col("stop")).otherwise(nw.lit(RUNNING))
    rule = Counted(period, until, log.clock.week_start, window, "last_purchase", excluded)
    return flow_of(stays.with_columns(leaves=leaves.cast(nw.Int64)), None, rule, by)


def lost(
    log: Log, first: dt.date | str, last: dt.date | str, as_of: dt.date | str, reactivation_window: int, by: Any
) -> Any:
    """See :meth:`Subscriptions.lost`."""
    window = whole(0, reactivation_window=reactivation_window)
    opened, closed = _span(first, last)
    own = group_of(by) if isinstance(by, str) else []
    rows, excluded, until, _ = usable_rows(with_segment(log, by), as_of=as_of, period="day")
    if closed >= until:
        raise InvalidValue(f"last must be before as_of {until}, got {closed}: who ends on as_of may still renew")
    warn_of(excluded, "lost")
    parts = with_stays(rows.select("customer", nw.col("period").alias("start"), "stop", *own), gap=window)
    stays = parts.group_by("customer", "stay").agg(
        nw.col("start").min().alias("began"), nw.col("stop").max().alias("stop")
    )
    ended = stays.filter((nw.col("stop") >= opened.toordinal()) & (nw.col("stop") <= closed.toordinal()))
    if own:
        # Of subscriptions that end the stay on one day the segment is the first by name.
        final = parts.group_by("customer", "stay", "stop").agg(nw.col("segment").min())
        ended = ended.join(final, on=["customer", "stay", "stop"])
    ended = of_terms(ended, log, by).with_columns(
        started_on=as_date(ended, nw.col("began").cast(nw.Int64)),
        lost_on=as_date(ended, nw.col("stop").cast(nw.Int64)),
        days=(nw.col("stop") - nw.col("began")).cast(nw.Int64),
    )
    return close_frame(ended.select("customer", "started_on", "lost_on", "days", *group_of(by)), eager=log.eager)


def renewals_due(log: Log, as_of: dt.date | str, within: int, by: Any) -> Any:
    """See :meth:`Subscriptions.renewals_due`."""
    ahead = whole(0, within=within)
    if "frozen" in log.columns:
        log = with_flag(log, "frozen")
    rows, excluded, until, _ = usable_rows(with_segment(log, by), as_of=as_of)
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
    due = of_terms(due, log, by)
    return close_frame(due.select("customer", "ends_on", "days_left", *shown, *group_of(by)), eager=log.eager)


def renewal_rate(
    log: Log, first: dt.date | str, last: dt.date | str, as_of: dt.date | str, reactivation_window: int, by: Any
) -> Rate | Segments[Rate]:
    """See :meth:`Subscriptions.renewal_rate`."""
    window = whole(0, reactivation_window=reactivation_window)
    opened, closed = _span(first, last)
    until = day(as_of=as_of)
    if (until - closed).days <= window:
        raise InvalidValue(
            f"last is {closed}, and as_of {until} is too close to it: renewals within {window} days can still come"
        )
    group = group_of(by)
    rows, excluded, _, _ = usable_rows(with_segment(log, by), as_of=until, period="day")
    warn_of(excluded, "renewal_rate")
    own = group if isinstance(by, str) else []
    parts = with_stays(rows.select("customer", nw.col("period").alias("start"), "stop", *own), gap=window)
    ends = parts.group_by("customer", "stay").agg(nw.col("stop").max().alias("stay_stop"))
    up = parts.filter((nw.col("stop") >= opened.toordinal()) & (nw.col("stop") <= closed.toordinal()))
    up = of_terms(up.join(ends, on=["customer", "stay"]), log, by)
    up = up.with_columns(renewed=(nw.col("stay_stop") > nw.col("stop")).cast(nw.Int64))
    count, renewed = nw.len().alias("up"), nw.col("renewed").sum()
    found = to_parts(up.group_by(*group).agg(count, renewed) if group else up.select(count, renewed), group)

    def rate(part: Numbers) -> Rate:
        if not part["up"][0]:
            raise UndefinedMetric("renewal_rate", f"no subscription ended from {opened} to {closed}")
        return Rate(
            definition=f"renewed within {window} days / subscriptions that ended from {opened} to {closed}",
            numerator=int(part["renewed"][0]),
            denominator=int(part["up"][0]),
        )

    return by_segment(by, found, rate)


def _span(first: dt.date | str, last: dt.date | str) -> tuple[dt.date, dt.date]:
    opened, closed = day(first=first), day(last=last)
    if closed < opened:
        raise InvalidValue(f"last must not be before first, got {opened} to {closed}")
    return opened, closed


def _stays(log: Log, as_of: dt.date | str, reactivation_window: int, by: Any) -> tuple[Frame, dt.date, dict[str, int]]:
    """One row a stay: customer, segment, stay, start and stop; the last day of the data; and the rows left out."""
    window = whole(0, reactivation_window=reactivation_window)
    rows = usable_rows(with_segment(log, by), as_of=as_of, period="day")
    parts = with_stays(rows.frame.select("customer", nw.col("period").alias("start"), "stop"), gap=window)
    stays = parts.group_by("customer", "stay").agg(nw.col("start").min(), nw.col("stop").max())
    stays = stays.with_columns(nw.col("start").cast(nw.Int64), nw.col("stop").cast(nw.Int64))
    return joined(stays, log, rows, by), rows.until, rows.excluded
