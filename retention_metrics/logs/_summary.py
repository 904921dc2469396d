"""What a log holds."""

import datetime as dt
from typing import Any

import narwhals.stable.v2 as nw
from pydantic import BaseModel, ConfigDict

from retention_metrics.logs._engines import to_parts
from retention_metrics.logs._rows import Log, usable_rows
from retention_metrics.logs._segments import Numbers, Segments, by_segment, group_of, joined, with_segment


class LogSummary(BaseModel):
    """What a log of purchases holds up to a day.

    ``excluded`` counts the rows left out by reason; ``revenue`` is ``None`` when the log has no amounts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    as_of: dt.date
    customers: int
    orders: int
    first_day: dt.date
    last_day: dt.date
    revenue: float | None
    excluded: dict[str, int]


def summary(log: Log, as_of: dt.date | str, by: Any) -> LogSummary | Segments[LogSummary]:
    """See :meth:`Transactions.summary`."""
    group = group_of(by)
    rows = usable_rows(with_segment(log, by), as_of=as_of)
    paid = log.paid
    customers = rows.frame.group_by("customer").agg(
        nw.len().alias("orders"),
        nw.col("time").min().alias("first"),
        nw.col("time").max().alias("last"),
        *([nw.col("amount").sum()] if paid else []),
    )
    first, last = (log.clock_of(name).day().alias(name) for name in ("first", "last"))
    customers = joined(customers, log, rows, by).with_columns(first, last)
    totals = [
        nw.len().alias("customers"),
        nw.col("orders").sum(),
        nw.col("first").min(),
        nw.col("last").max(),
        *([nw.col("amount").sum()] if paid else []),
    ]
    table = customers.group_by(*group).agg(*totals) if group else customers.select(*totals)

    def held(found: Numbers) -> LogSummary:
        return LogSummary(
            as_of=rows.until,
            customers=int(found["customers"][0]),
            orders=int(found["orders"][0]),
            first_day=dt.date.fromordinal(int(found["first"][0])),
            last_day=dt.date.fromordinal(int(found["last"][0])),
            revenue=float(found["amount"][0]) if paid else None,
            excluded=rows.excluded,
        )

    return by_segment(by, to_parts(table, group, floats=("amount",)), held)
