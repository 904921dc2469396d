"""New customers by the source of their first order, set against what was spent on each source."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

import narwhals.stable.v2 as nw

from retention_metrics._checks import day, fraction, mapping, single, whole
from retention_metrics.errors import InvalidValue, MissingColumn
from retention_metrics.logs._engines import one_of_each, to_parts
from retention_metrics.logs._rows import Log, usable_rows, warn_of
from retention_metrics.ltv import Channels
from retention_metrics.ltv import channels as side_by_side

_UNKNOWN = "(unknown)"


def channels(
    log: Log,
    spend: Mapping[str, float],
    *,
    source: str,
    first: dt.date | str,
    last: dt.date | str,
    as_of: dt.date | str,
    lag_days: int,
    margin_share: float,
    ltv: float | Mapping[str, float] | None,
    level: float,
) -> Channels:
    """See :meth:`Transactions.channels`."""
    mapping(spend=spend)
    share = single(fraction(margin_share=margin_share), "margin_share")
    lag = whole(0, lag_days=lag_days)
    opened, closed, until = day(first=first), day(last=last), day(as_of=as_of)
    if closed < opened:
        raise InvalidValue(f"last must not be before first, got {opened} to {closed}")
    if (until - closed).days < lag:
        raise InvalidValue(
            f"last is {closed}, and as_of {until} is too close to it: customers come up to {lag} days after the spend"
        )
    if source not in log.frame.collect_schema():
        raise MissingColumn(f"source column {source!r} is not in the frame")
    log = replace(log, carried=log.carried | {"segment": nw.col(source)})
    rows, excluded, _, _ = usable_rows(log, as_of=until, period="day")
    warn_of(excluded, "channels")
    paid = ["amount"] if log.paid else []
    orders = rows.select("customer", "time", "period", "segment", *paid)
    won = one_of_each(orders, within=["customer"], latest=False, time="time", ties=["segment", *paid])
    won = won.filter((nw.col("period") >= opened.toordinal() + lag) & (nw.col("period") <= closed.toordinal() + lag))
    sums = [nw.col(name).sum() for name in paid]
    counted = won.group_by("segment").agg(nw.len().alias("customers"), *sums)
    found = {name or _UNKNOWN: part for name, part in to_parts(counted, ["segment"], floats=("amount",)).items()}
    table: dict[str, list[object]] = {"channel": [], "spend": [], "customers": [], "first_margin": [], "ltv": []}
    for channel in dict.fromkeys([*spend, *found]):
        part = found.get(channel)
        customers = 0 if part is None else int(part["customers"][0])
        first_sale = None if part is None or not log.paid else float(part["amount"][0]) / customers * share
        worth = ltv.get(channel) if isinstance(ltv, Mapping) else ltv
        row = (channel, spend.get(channel, 0), customers, first_sale, worth)
        for column, value in zip(table.values(), row, strict=True):
            column.append(value)
    return side_by_side(table, level=level)
