"""Recency, frequency, age and spend of every customer."""

import datetime as dt
from typing import Any

import narwhals.stable.v2 as nw

from retention_metrics._typing import Period
from retention_metrics.logs._engines import close_frame
from retention_metrics.logs._histories import lives, scale_of
from retention_metrics.logs._rows import Log, warn_of
from retention_metrics.logs._segments import group_of


def rfm(log: Log, as_of: dt.date | str, unit: Period, *, opportunities: bool, by: Any) -> Any:
    """See :meth:`Transactions.rfm`."""
    scale = scale_of(unit, opportunities=opportunities)
    found = lives(log, as_of, scale, spend=log.paid, by=by)
    warn_of(found.excluded, "rfm")
    times = [nw.col(name) if scale.steps == 1 else nw.col(name) / scale.steps for name in ("recency", "T")]
    repeats = nw.when(nw.col("frequency") > 0).then(nw.col("frequency"))
    money = [(nw.col("spent") / repeats).alias("monetary_value")] if log.paid else []
    return close_frame(found.frame.select("customer", "frequency", *times, *money, *group_of(by)), eager=log.eager)
