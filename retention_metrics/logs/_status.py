"""Active, at risk or lost, by days since the last purchase."""

import datetime as dt
from typing import Any

import narwhals.stable.v2 as nw

from retention_metrics._checks import whole
from retention_metrics.errors import InvalidValue
from retention_metrics.logs._engines import Frame, close_frame, to_parts
from retention_metrics.logs._rows import Log, usable_rows, warn_of
from retention_metrics.logs._segments import Segments, by_segment, group_of, joined, with_segment

STATUSES = ("active", "at_risk", "lost")


def status(log: Log, as_of: dt.date | str, lost_after: int, at_risk_after: int | None, by: Any) -> Any:
    """See :meth:`Transactions.status`."""
    table, excluded = _classed(log, as_of, lost_after, at_risk_after, by)
    warn_of(excluded, "status")
    return close_frame(table, eager=log.eager)


def status_counts(
    log: Log, as_of: dt.date | str, lost_after: int, at_risk_after: int | None, by: Any
) -> dict[str, int] | Segments[dict[str, int]]:
    """See :meth:`Transactions.status_counts`."""
    group = group_of(by)
    table, _ = _classed(log, as_of, lost_after, at_risk_after, by)
    table = table.with_columns(*((nw.col("status") == name).cast(nw.Int64).alias(name) for name in STATUSES))
    sums = [nw.col(name).sum() for name in STATUSES]
    found = to_parts(table.group_by(*group).agg(*sums) if group else table.select(*sums), group)
    shown = [name for name in STATUSES if name != "at_risk" or at_risk_after is not None]
    return by_segment(by, found, lambda counts: {name: int(counts[name][0]) for name in shown})


def _classed(
    log: Log, as_of: dt.date | str, lost_after: int, at_risk_after: int | None, by: Any
) -> tuple[Frame, dict[str, int]]:
    limit = whole(0, lost_after=lost_after)
    early = limit if at_risk_after is None else whole(0, at_risk_after=at_risk_after)
    if at_risk_after is not None and early >= limit:
        raise InvalidValue(f"at_risk_after must be below lost_after, got {early} and {limit}")
    rows = usable_rows(with_segment(log, by), as_of=as_of)
    last = joined(rows.frame.group_by("customer").agg(nw.col("time").max().alias("last_purchase")), log, rows, by)
    clock = log.clock_of("last_purchase")
    days = nw.col("days_since")
    still = nw.when(days > early).then(nw.lit("at_risk")).otherwise(nw.lit("active"))
    named = nw.when(days > limit).then(nw.lit("lost")).otherwise(still)
    table = last.with_columns(days_since=(rows.until.toordinal() - clock.day()).cast(nw.Int64))
    shown = ["customer", "last_purchase", "days_since", "status", *group_of(by)]
    return table.with_columns(status=named).select(*shown), rows.excluded
