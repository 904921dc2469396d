"""What orders say: who comes back, who was lost, month by month, by cohort, and what a customer is worth."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from retention_metrics._checks import whole
from retention_metrics._stats import Interval, Rate
from retention_metrics.churn import CustomerFlow, PurchaseCycle, expected_lifetime
from retention_metrics.churn._flow import FEWEST_CYCLES
from retention_metrics.cohorts import CohortTable
from retention_metrics.errors import UndefinedMetric
from retention_metrics.logs import LogSummary, Transactions
from retention_metrics.ltv import lifetime_value
from retention_metrics.plots import retention_curve
from retention_metrics.report._page import (
    Column,
    Figure,
    Item,
    Picture,
    Section,
    Sentence,
    Table,
    rate_figure,
    words,
)
from retention_metrics.report._progress import Progress

_YEAR = 12


@dataclass(frozen=True, slots=True, eq=False)
class OrderAnswers:
    """What a log of purchases says on a day.

    Attributes:
        summary: What the log holds.
        repeat: Repeat purchase rate of all customers.
        repeat_mature: The same of customers whose first purchase is at least ``lost_after`` days ago, or
            ``None``.
        cycle: Purchase cycle, or ``None`` when nobody has bought twice.
        lost_after: Days without a purchase after which a customer is lost, or ``None``.
        at_risk_after: Days without a purchase after which a customer is at risk, or ``None``.
        status: Customers who are active, at risk and lost; empty when no rule is known.
        flow: The base month by month, or ``None`` when no rule is known.
        cohorts: Customers by month of first purchase.
        margin_share: Share of the revenue that is left after variable costs, or ``None``.
    """

    summary: LogSummary
    repeat: Rate
    repeat_mature: Rate | None
    cycle: PurchaseCycle | None
    lost_after: int | None
    at_risk_after: int | None
    status: Mapping[str, int]
    flow: CustomerFlow | None
    cohorts: CohortTable
    margin_share: float | None = None


def ask_orders(
    orders: Transactions,
    *,
    as_of: dt.date | str,
    lost_after: int | None,
    at_risk_after: int | None,
    margin_share: float | None,
    progress: Progress,
) -> OrderAnswers:
    """Put all questions to a log of purchases."""
    if lost_after is not None:
        whole(0, lost_after=lost_after)
    with progress("doing.orders"):
        summary = orders.summary(as_of=as_of)
    with progress("doing.cycle"):
        try:
            cycle = orders.purchase_cycle(as_of=as_of)
        except UndefinedMetric:
            cycle = None
    if lost_after is None and cycle is not None:
        lost_after = round(FEWEST_CYCLES * cycle.days)
    if at_risk_after is None and lost_after is not None and lost_after > 0:
        at_risk_after = lost_after * 2 // 3
    with progress("doing.repeat"):
        repeat = orders.repeat_purchase_rate(as_of=as_of)
        try:
            repeat_mature = orders.repeat_purchase_rate(as_of=as_of, min_age=lost_after) if lost_after else None
        except UndefinedMetric:
            repeat_mature = None
    status: dict[str, int] = {}
    flow = None
    if lost_after is not None:
        with progress("doing.status"):
            status = orders.status_counts(as_of=as_of, lost_after=lost_after, at_risk_after=at_risk_after)
        with progress("doing.months"):
            flow = orders.retention_by_period(period="month", as_of=as_of, lost_after=lost_after)
    with progress("doing.cohorts"):
        cohorts = orders.cohorts(period="month", as_of=as_of)
    return OrderAnswers(
        summary=summary,
        repeat=repeat,
        repeat_mature=repeat_mature,
        cycle=cycle,
        lost_after=lost_after,
        at_risk_after=at_risk_after,
        status=status,
        flow=flow,
        cohorts=cohorts,
        margin_share=margin_share,
    )


def order_sections(found: OrderAnswers, *, subscriptions: bool, packages: bool) -> Iterator[Section]:
    """The questions that orders answer, beside files of subscriptions or packages or without."""
    beside = "both" if subscriptions and packages else "subscriptions" if subscriptions else "packages"
    yield Section("base", tuple(_base(found)))
    yield Section("return", tuple(_return(found)))
    yield Section("status", tuple(_status(found)))
    yield Section("months", tuple(_months(found)))
    yield Section("cohorts", tuple(_cohorts(found)))
    yield Section("worth", tuple(_worth(found, beside if subscriptions or packages else None)))


def order_missing(found: OrderAnswers) -> Iterator[tuple[str, str]]:
    """What the columns and options leave open."""
    if found.summary.revenue is None:
        yield "worth", "amount"
    elif found.margin_share is None:
        yield "margin", "margin"


def _base(found: OrderAnswers) -> Iterator[Item]:
    held = found.summary
    yield Figure("customers", held.customers, "count", headline=True)
    yield Figure("orders", held.orders, "count", words("orders.meaning", first=held.first_day, last=held.last_day))
    if held.revenue is not None:
        yield Figure("revenue", held.revenue, "money")
        yield Figure("mean_order", held.revenue / held.orders, "money")
    if held.excluded:
        yield Sentence(words("left_out", counts=held.excluded), warns=True)


def _return(found: OrderAnswers) -> Iterator[Item]:
    yield rate_figure("repeat_rate", found.repeat)
    if found.repeat_mature is not None:
        rate = found.repeat_mature
        told = words(
            "repeat_rate_mature.meaning",
            days=found.lost_after,
            numerator=rate.numerator,
            denominator=rate.denominator,
        )
        yield Figure("repeat_rate_mature", rate.value, "percent", told, rate.interval())
    if found.cycle is None:
        yield Sentence(words("return.never"))
    else:
        closed = found.cycle.median is None
        yield Figure("cycle", found.cycle.days, "days", words("cycle.closed") if closed else None)


def _status(found: OrderAnswers) -> Iterator[Item]:
    if found.lost_after is None:
        yield Sentence(words("status.no_rule"))
        return
    limits = {"active": 0, "at_risk": found.at_risk_after, "lost": found.lost_after}
    everybody = sum(found.status.values())
    for name, count in found.status.items():
        told = words(f"{name}.meaning", days=limits[name])
        yield Figure(name, count, "count", told, share=count / everybody, headline=name != "lost")
    if found.cycle is not None and found.lost_after < FEWEST_CYCLES * found.cycle.days:
        yield Sentence(words("status.short", days=found.lost_after, cycle=found.cycle.days), warns=True)
    if found.status.get("at_risk"):
        yield Sentence(words("status.act", count=found.status["at_risk"]))


def _months(found: OrderAnswers) -> Iterator[Item]:
    flow = found.flow
    if flow is None:
        yield Sentence(words("months.no_rule"))
        return
    plain = flow.to_dict()
    counted = ("start", "new", "returned", "lost", "end", "buyers", "returning")
    columns = zip(plain["period"], *(plain[name] for name in counted), strict=True)
    rows = tuple(
        (*row, float(kept) if opened else None)
        for row, kept, opened in zip(columns, flow.retention(), flow.start, strict=True)
    )
    running = frozenset((i, 0) for i, over in enumerate(flow.complete) if not over)
    header = (
        Column("month", "text"),
        *(Column(name, "count") for name in counted),
        Column("retention", "percent"),
    )
    yield Table("months", header, rows, provisional=running)
    yield Sentence(words("months.explained"))
    yield Sentence(words("months.lost_on", day=flow.lost_after + 1))
    if running:
        yield Sentence(words("months.running"))


def _cohorts(found: OrderAnswers) -> Iterator[Item]:
    table = found.cohorts
    rates, pooled = table.rates(), table.average()
    if rates.shape[1] > 1:
        yield Picture("retention", lambda: retention_curve(table))
    rows: list[tuple[Any, ...]] = [
        (name, int(table.sizes[i]), *(None if np.isnan(rate) else float(rate) for rate in rates[i]))
        for i, name in enumerate(table.labels)
    ]
    everybody = (None if np.isnan(rate) else float(rate) for rate in pooled)
    rows.append((words("cohorts.all"), int(table.sizes.sum()), *everybody))
    partial = frozenset((int(i), int(k) + 2) for i, k in np.argwhere(np.asarray(table.states) == "partial"))
    ages = (Column(str(age), "share", label=str(age)) for age in range(rates.shape[1]))
    header = (Column("cohort", "text"), Column("size", "count"), *ages)
    yield Table("cohorts", header, tuple(rows), provisional=partial, shaded=2)
    yield Sentence(words("cohorts.explained"))
    yield Sentence(words("cohorts.pooled"))


def _worth(found: OrderAnswers, beside: str | None) -> Iterator[Item]:
    held = found.summary
    if held.revenue is None:
        yield Sentence(words("worth.no_amounts"))
        return
    yield Figure("so_far", held.revenue / held.customers, "money")
    try:
        yield from _lifetime(found)
    except UndefinedMetric as undefined:
        yield Sentence(words("worth.none", reason=undefined.reason))
        return
    share = found.margin_share
    yield (
        Sentence(words("worth.revenue"), warns=True) if share is None else Sentence(words("worth.margin", share=share))
    )
    if beside is not None:
        yield Sentence(words(f"worth.beside_{beside}"))
    yield Sentence(words("worth.caution"))


def _lifetime(found: OrderAnswers) -> list[Item]:
    flow = found.flow
    if flow is None or flow.revenue is None:
        raise UndefinedMetric("lifetime_value", "there is no rule for who is lost")
    churn, monthly, months = yearly(flow)
    margin = monthly * (1.0 if found.margin_share is None else found.margin_share)
    value = lifetime_value(margin=margin, churn=churn.value)
    span = churn.interval()
    low, high = sorted(lifetime_value(margin=margin, churn=limit) for limit in (span.high, span.low))
    limits = Interval(low=low, high=high, level=span.level, method=span.method)
    told = words("churn_month.meaning", months=months, numerator=churn.numerator, denominator=churn.denominator)
    return [
        Figure("revenue_month", monthly, "money", words("revenue_month.meaning", months=months)),
        Figure("churn_month", churn.value, "percent", told, span, headline=True),
        Figure("lifetime", expected_lifetime(churn.value), "months"),
        Figure(
            "ltv",
            value,
            "money",
            words("ltv.of_revenue") if found.margin_share is None else None,
            limits,
            headline=found.margin_share is not None,
        ),
    ]


def yearly(flow: CustomerFlow) -> tuple[Rate, float, int]:
    """Churn and revenue a month per customer present, over the last complete months, and how many these are.

    The first months of a log, in which nobody can be lost yet, are left out.
    """
    opens = flow.periods[0] + dt.timedelta(days=flow.lost_after)
    exposed = [complete and day >= opens for day, complete in zip(flow.periods, flow.complete.tolist(), strict=True)]
    year = np.flatnonzero(exposed)[-_YEAR:]
    if not year.size:
        raise UndefinedMetric(
            "churn", f"no complete month began {flow.lost_after} days into the log; before that nobody can be lost"
        )
    churn = flow.pooled_churn(last=year.size)
    present = float((flow.start[year] + flow.end[year]).sum()) / 2
    paid = 0.0 if flow.revenue is None else float(flow.revenue[year].sum())
    return churn, paid / present, year.size
