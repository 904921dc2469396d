"""What a log holds."""

import datetime as dt

import narwhals.stable.v2 as nw
from pydantic import BaseModel, ConfigDict

from retention_metrics.logs._engines import to_numbers
from retention_metrics.logs._rows import Log, usable_rows


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


def summary(log: Log, as_of: dt.date | str) -> LogSummary:
    """See :meth:`Transactions.summary`."""
    rows, excluded, until, _ = usable_rows(log, as_of=as_of)
    paid = log.paid
    customers = rows.group_by("customer").agg(
        nw.len().alias("orders"),
        nw.col("time").min().alias("first"),
        nw.col("time").max().alias("last"),
        *([nw.col("amount").sum()] if paid else []),
    )
    first, last = (log.clock_of(name).day().alias(name) for name in ("first", "last"))
    totals = customers.with_columns(first, last).select(
        nw.len().alias("customers"),
        nw.col("orders").sum(),
        nw.col("first").min(),
        nw.col("last").max(),
        *([nw.col("amount").sum()] if paid else []),
    )
    found = {name: values[0] for name, values in to_numbers(totals, floats=("amount",)).items()}
    return LogSummary(
        as_of=until,
        customers=int(found["customers"]),
        orders=int(found["orders"]),
        first_day=dt.date.fromordinal(int(found["first"])),
        last_day=dt.date.fromordinal(int(found["last"])),
        revenue=float(found["amount"]) if paid else None,
        excluded=excluded,
    )
