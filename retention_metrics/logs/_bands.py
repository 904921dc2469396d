"""Customers in bands of what they bring in a period."""

import datetime as dt
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from retention_metrics._checks import finite, single, whole
from retention_metrics._periods import period_of
from retention_metrics._typing import Period
from retention_metrics.errors import InvalidValue
from retention_metrics.logs._engines import Frame, close_frame, to_numbers
from retention_metrics.logs._rows import Log, usable_rows, warn_of

_FEW = 50_000
_BINS = 1_024
_DECIMALS = 6
"""Sums of money are compared to the millionth, because engines add them up in different orders."""


def arpu_bands(log: Log, as_of: dt.date | str, period: Period, bands: int | None, edges: Sequence[float] | None) -> Any:
    """See :meth:`Transactions.arpu_bands`."""
    if not log.paid:
        raise InvalidValue("arpu_bands needs the amounts of the log: name their column with amount=")
    if (bands is None) == (edges is None):
        raise InvalidValue("give either bands (how many, of equal numbers of customers) or edges (their limits)")
    limits = [] if edges is None else [single(finite(edges=edge), "edges") for edge in edges]
    if edges is not None and (not limits or limits != sorted(set(limits))):
        raise InvalidValue(f"edges must be numbers in rising order, got {list(edges)}")
    many = 0 if bands is None else whole(2, bands=bands)
    rows, excluded, until, _ = usable_rows(log, as_of=as_of, period=period)
    warn_of(excluded, "arpu_bands")
    now = period_of(until, period, log.clock.week_start)
    customers = rows.group_by("customer").agg(nw.col("amount").sum(), nw.col("period").min().alias("first"))
    arpu = (nw.col("amount") / (now + 1 - nw.col("first"))).round(_DECIMALS)
    customers = customers.select("customer", arpu=arpu)
    if bands is not None:
        limits = _quantiles(customers.select(value=nw.col("arpu")), many)
    names = _names(limits)
    band = nw.lit(names[-1])
    for limit, name in reversed(list(zip(limits, names, strict=False))):
        band = nw.when(nw.col("arpu") <= limit).then(nw.lit(name)).otherwise(band)
    return close_frame(customers.with_columns(band=band), eager=log.eager)


def _quantiles(values: Frame, bands: int) -> list[float]:
    """The values of customers below or at which 1, 2, ... of so many equal shares of them lie."""
    ends = to_numbers(
        values.select(nw.len().alias("count"), nw.col("value").min().alias("low"), nw.col("value").max().alias("high")),
        floats=("low", "high"),
    )
    count, low, high = int(ends["count"][0]), float(ends["low"][0]), float(ends["high"][0])
    ranks = [math.ceil(count * i / bands) for i in range(1, bands)]
    found = _ranked(values, ranks, low, high, count)
    return sorted(set(found) - {high})


def _ranked(values: Frame, ranks: list[int], low: float, high: float, count: int) -> list[float]:
    """The values of some ranks (from 1, the smallest) among those from ``low`` to ``high``; counts leave the engine."""
    value = nw.col("value")
    inside = values.filter((value >= low) & (value <= high))
    size = nw.len().alias("count")
    if count <= _FEW or low == high:
        table = to_numbers(inside.group_by("value").agg(size), floats=("value",))
        order = np.argsort(table["value"])
        upto = np.cumsum(table["count"][order])
        return [float(table["value"][order][np.searchsorted(upto, rank)]) for rank in ranks]
    place = ((value - low) / (high - low) * _BINS).floor().cast(nw.Int64)
    table = to_numbers(
        inside.with_columns(place=place)
        .group_by("place")
        .agg(size, value.min().alias("low"), value.max().alias("high")),
        floats=("low", "high"),
    )
    order = np.argsort(table["place"])
    low_of, high_of, count_of = (table[name][order] for name in ("low", "high", "count"))
    upto = np.cumsum(count_of)
    found = []
    for place in np.unique(np.searchsorted(upto, ranks)):
        before = int(upto[place] - count_of[place])
        mine = [rank - before for rank in ranks if before < rank <= upto[place]]
        found += _ranked(values, mine, float(low_of[place]), float(high_of[place]), int(count_of[place]))
    return found


def _names(limits: list[float]) -> list[str]:
    shown = [f"{limit:,.2f}".removesuffix(".00") for limit in limits]
    if not shown:
        return ["1: all"]
    between = [f"over {low} to {high}" for low, high in pairwise(shown)]
    return [f"{i}: {name}" for i, name in enumerate([f"up to {shown[0]}", *between, f"over {shown[-1]}"], 1)]
