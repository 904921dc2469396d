"""What advertising costs and brings: spend by channel against the customers whose first order came from it."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from retention_metrics._checks import at_least, day, single
from retention_metrics.churn import CustomerFlow
from retention_metrics.errors import InvalidType, InvalidValue, MissingColumn, UndefinedMetric
from retention_metrics.logs import Segments, Transactions
from retention_metrics.ltv import ChannelRow, Channels, channels, lifetime_value
from retention_metrics.ltv._channels import _columns as columns_of
from retention_metrics.plots import channel_returns
from retention_metrics.report._answer import answered
from retention_metrics.report._orders import OrderAnswers, yearly
from retention_metrics.report._page import Column, Figure, Item, Picture, Section, Sentence, Table, words
from retention_metrics.report._progress import Progress

_NEEDED = ("month", "channel", "spend")


@dataclass(frozen=True, slots=True)
class Spend:
    """What was spent on each channel in the whole months that can be judged by now.

    Attributes:
        by_channel: Spend by channel.
        first: First day of the spend.
        last: Last day of it.
        later: Spend of months that are too recent, left out.
    """

    by_channel: Mapping[str, float]
    first: dt.date
    last: dt.date
    later: float


def read_spend(ads: Any, as_of: dt.date, lag_days: int) -> Spend:
    """A table of spend by month and channel: as a dict of columns or a dataframe."""
    columns = columns_of(ads)
    for name in _NEEDED:
        if name not in columns:
            raise MissingColumn(f"ads has no column {name!r}; its columns are {', '.join(map(str, columns))}")
    known_by = as_of - dt.timedelta(days=lag_days)
    paid: dict[str, float] = {}
    months: list[dt.date] = []
    later = 0.0
    for number, (month, channel, spend) in enumerate(zip(*(columns[name] for name in _NEEDED), strict=True)):
        first = _first_day(month, number)
        if channel is None or not str(channel).strip():
            raise InvalidValue(f"ads: row {number + 1} names no channel")
        amount = single(at_least(0, spend=spend), "spend")
        if _last_day(first) > known_by:
            later += amount
            continue
        months.append(first)
        paid[str(channel)] = paid.get(str(channel), 0.0) + amount
    if not months:
        raise UndefinedMetric("acquisition cost", "no month of the spend is over for long enough")
    return Spend(paid, min(months), _last_day(max(months)), later)


def _first_day(month: object, row: int) -> dt.date:
    if isinstance(month, dt.datetime):
        return month.date().replace(day=1)
    if isinstance(month, dt.date):
        return month.replace(day=1)
    text = str(month)
    try:
        return day(month=f"{text}-01" if len(text) == 7 else text[:10]).replace(day=1)
    except (InvalidValue, InvalidType):
        raise InvalidValue(f"ads: month must be written as 2026-10, got {text[:40]!r} in row {row + 1}") from None


def _last_day(first: dt.date) -> dt.date:
    return (first + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)


def has_column(orders: Transactions, column: str) -> bool:
    """Whether a log has a column of sources."""
    return column in orders._log.frame.collect_schema()


def ads_section(
    orders: Transactions,
    found: OrderAnswers,
    ads: Any,
    *,
    as_of: dt.date,
    source: str,
    lag_days: int,
    progress: Progress,
) -> Section:
    """What a new customer costs and brings, channel by channel."""

    def told() -> Iterator[Item]:
        with progress("doing.channels"):
            spend = read_spend(ads, as_of, lag_days)
            rows = orders.channels(
                source=source,
                spend=spend.by_channel,
                first=spend.first,
                last=spend.last,
                lag_days=lag_days,
                as_of=as_of,
                margin_share=1.0 if found.margin_share is None else found.margin_share,
                ltv=_worth(orders, found, spend, as_of, source),
            )
        return _told(rows, spend, lag_days)

    return answered("ads", told)


def _worth(
    orders: Transactions, found: OrderAnswers, spend: Spend, as_of: dt.date, source: str
) -> dict[str, float] | None:
    """Lifetime value on margin of the customers of each source, and of all customers for channels without any."""
    if found.margin_share is None or found.lost_after is None or found.flow is None or found.flow.revenue is None:
        return None
    flows: Segments[CustomerFlow] = orders.retention_by_period(as_of=as_of, lost_after=found.lost_after, by=source)
    everybody: dict[str | None, CustomerFlow] = dict.fromkeys(spend.by_channel, found.flow)
    worth = {}
    for name, flow in (everybody | dict(flows)).items():
        try:
            churn, monthly, _ = yearly(flow)
            if name is not None:
                worth[name] = lifetime_value(margin=monthly * found.margin_share, churn=churn.value)
        except UndefinedMetric:
            continue
    return worth


def _told(found: Channels, spend: Spend, lag_days: int) -> Iterator[Item]:
    paid = [row for row in found.rows if row.spend > 0]
    money, came = sum(row.spend for row in paid), sum(row.customers for row in paid)
    total = channels({"channel": ["all"], "spend": [money], "customers": [came]}, level=found.level).rows[0]
    told = words("spend.meaning", first=spend.first, last=spend.last)
    yield Figure("spend", money, "money", told)
    yield Figure("won", came, "count", words("won.lagged", lag=lag_days) if lag_days else None)
    if total.cac is not None:
        yield Figure("cac", total.cac, "money", interval=total.interval, headline=True)
    for row in paid:
        yield from _verdict(row)
    if any(row.ltv_to_cac is not None for row in found.rows):
        yield Picture("channels", lambda: channel_returns(found))
    yield _table(found)
    yield Sentence(words("ads.explained"))
    if spend.later:
        yield Sentence(words("ads.later", spend=spend.later, last=spend.last))


def _verdict(row: ChannelRow) -> Iterator[Item]:
    if row.customers == 0:
        least = row.at_least or 0.0
        yield Sentence(
            words("ads.nobody", channel=row.channel, spend=row.spend, least=least), warns=True, headline=True
        )
    elif row.verdict == "loses":
        yield Sentence(words("ads.loses", channel=row.channel, cac=row.cac, ltv=row.ltv), warns=True, headline=True)


def _limits(row: ChannelRow) -> tuple[float | None, float | None, float | None]:
    """What a customer costs, with the limits of that; where nobody came, the least that one costs."""
    if not row.spend:
        return None, None, None
    if row.cac is None or row.interval is None:
        return None, row.at_least, None
    return row.cac, row.interval.low, row.interval.high


def _table(found: Channels) -> Table:
    rows = tuple(
        (
            row.channel,
            row.spend,
            row.customers,
            *_limits(row),
            row.ltv,
            row.ltv_to_cac,
            words(
                f"verdict.{'nobody' if row.spend and not row.customers else 'free' if not row.spend else row.verdict}"
            ),
        )
        for row in found.rows
    )
    header = (
        Column("channel", "name"),
        Column("spend", "money"),
        Column("customers", "count"),
        Column("cac", "money"),
        Column("low", "money"),
        Column("high", "money"),
        Column("ltv", "money"),
        Column("ratio", "ratio"),
        Column("verdict", "words"),
    )
    return Table("ads", header, rows)
