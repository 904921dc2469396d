"""Customers who come far less often than they used to."""

import datetime as dt
import math
from typing import Any

import narwhals.stable.v2 as nw

from retention_metrics._checks import fraction, single, whole
from retention_metrics.errors import InvalidValue
from retention_metrics.logs._days import purchase_days
from retention_metrics.logs._engines import Frame, as_date, close_frame, with_short_plan
from retention_metrics.logs._rows import Log, warn_of
from retention_metrics.logs._segments import group_of

_LONGEST = 366
_STEP = 40
"""Terms of a sum written into one expression; engines parse longer ones slowly."""
_ROUNDING = 1e-9


def falling_off(log: Log, as_of: dt.date | str, window: int, drop: float, level: float, by: Any) -> Any:
    """See :meth:`Transactions.falling_off`."""
    length = whole(1, window=window)
    if length > _LONGEST:
        raise InvalidValue(f"window must be at most {_LONGEST} days, got {length}")
    least = single(fraction(open_low=True, drop=drop), "drop")
    confidence = single(fraction(open_low=True, open_high=True, level=level), "level")
    group = group_of(by)
    days, excluded, until = purchase_days(log, as_of, by)
    warn_of(excluded, "falling_off")
    opens = until.toordinal() - length
    days = days.with_columns(recent=(nw.col("day") > opens).cast(nw.Int64))
    customers = days.group_by("customer", *group).agg(
        nw.len().alias("days"),
        nw.col("recent").sum(),
        nw.col("day").min().alias("first"),
        nw.col("day").max().alias("last"),
    )
    # The first purchase opens the time in which the others are counted.
    customers = customers.with_columns(
        earlier=(nw.col("days").cast(nw.Int64) - nw.col("recent") - 1).cast(nw.Float64),
        past=(opens - nw.col("first")).cast(nw.Float64),
    )
    # Who had been away for a whole window before it opened is not falling off any more, but gone.
    still = nw.col("last") > opens - length
    customers = customers.filter((nw.col("earlier") > 0) & (nw.col("past") > 0) & still)
    customers = customers.with_columns(usual=nw.col("earlier") / nw.col("past") * length)
    customers = customers.with_columns(drop=1 - nw.col("recent") / nw.col("usual")).filter(nw.col("drop") >= least)
    customers = _with_tail(with_short_plan(customers), length, most=math.floor((1 - least) * length + _ROUNDING))
    quiet = customers.filter(nw.col("p_value") <= 1 - confidence)
    quiet = quiet.with_columns(last_purchase=as_date(quiet, nw.col("last").cast(nw.Int64)))
    shown = ["customer", "last_purchase", "recent", "usual", "drop", "p_value", *group]
    return close_frame(quiet.select(*shown), eager=log.eager)


def _with_tail(customers: Frame, window: int, *, most: int) -> Frame:
    """Add ``p_value``: the binomial probability of at most ``recent`` of all purchases, if nothing had changed.

    The sum of C(n, k) r^k from 0 to ``recent`` is worked out from the inside: 1 + n r (1 + (n - 1) r / 2 (1 + ...)).
    """
    customers = customers.with_columns(
        events=nw.col("earlier") + nw.col("recent"), odds=window / nw.col("past"), inner=nw.lit(1.0)
    )
    for last in range(most, 0, -_STEP):
        inner = nw.col("inner")
        for k in range(last, max(last - _STEP, 0), -1):
            counted = (nw.col("recent") >= k).cast(nw.Float64)
            inner = 1 + counted * (nw.col("events") - (k - 1)) * nw.col("odds") / k * inner
        customers = customers.with_columns(inner=inner)
    none = (nw.col("events") * (nw.col("past") / (nw.col("past") + window)).log()).exp()
    return customers.with_columns(p_value=none * nw.col("inner"))
