"""Recency, frequency, age and spend of every customer."""

import datetime as dt
from typing import Any, Literal

import narwhals.stable.v2 as nw

from retention_metrics._checks import choice
from retention_metrics._periods import period_of
from retention_metrics.logs._engines import close_frame
from retention_metrics.logs._rows import Log, usable_rows, warn_of
from retention_metrics.logs._segments import group_of, joined, with_segment


def rfm(log: Log, as_of: dt.date | str, unit: Literal["day", "week", "month"], by: Any) -> Any:
    """See :meth:`Transactions.rfm`."""
    choice(("day", "week", "month"), unit=unit)
    rows = usable_rows(with_segment(log, by), as_of=as_of, period=unit)
    warn_of(rows.excluded, "rfm")
    paid = log.paid
    purchases = rows.frame.group_by("customer", "period").agg(*([nw.col("amount").sum()] if paid else []))
    customers = purchases.group_by("customer").agg(
        nw.len().alias("purchases"),
        nw.col("period").min().alias("first"),
        nw.col("period").max().alias("last"),
        *([nw.col("amount").sum().alias("total")] if paid else []),
    )
    now = period_of(rows.until, unit, log.clock.week_start)
    columns = [
        nw.col("customer"),
        nw.col("frequency"),
        (nw.col("last") - nw.col("first")).cast(nw.Int64).alias("recency"),
        (now - nw.col("first")).cast(nw.Int64).alias("T"),
    ]
    if paid:
        # The first purchase is found by a join: engines share no aggregate for "the amount at the earliest time".
        customers = purchases.rename({"period": "first"}).join(customers, on=["customer", "first"])
        repeats = nw.when(nw.col("frequency") > 0).then(nw.col("frequency"))
        columns.append(((nw.col("total") - nw.col("amount")) / repeats).alias("monetary_value"))
    customers = customers.with_columns(frequency=nw.col("purchases").cast(nw.Int64) - 1)
    customers = joined(customers, log, rows, by)
    return close_frame(customers.select(*columns, *group_of(by)), eager=log.eager)
