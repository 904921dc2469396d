"""What subscriptions say: who stays, what they pay, how long they stay, and who may be lost next."""

import datetime as dt
from collections.abc import Iterator

import numpy as np

from retention_metrics.churn import CustomerFlow
from retention_metrics.errors import UndefinedMetric
from retention_metrics.logs import Segments, Subscriptions
from retention_metrics.plots import revenue_waterfall, survival_curves
from retention_metrics.report._answer import answered, rows_in
from retention_metrics.report._page import (
    Column,
    Figure,
    Item,
    Picture,
    Section,
    Sentence,
    Table,
    words,
)
from retention_metrics.revenue import RevenueFlow, compound_retention
from retention_metrics.survival import SurvivalCurve, tenure_effect

_YEAR = 12
_AHEAD = 30
_MONTH = 365.25 / 12
_STRETCHES = (0, 91, 182, 365, 730)
_MOST_PLANS = 6
_PLANS_SHOWN = 12
_SURE = 0.05


def subscription_sections(book: Subscriptions, as_of: dt.date) -> Iterator[Section]:
    """The questions that subscriptions answer."""
    yield answered("subscribers", lambda: _stay(book, as_of), lambda: _due(book, as_of))
    if book._log.paid:
        yield answered("recurring", lambda: _movements(book, as_of))
    yield answered("tenure", lambda: _tenure(book, as_of))
    if "plan" in book._log.columns:
        yield answered("plans", lambda: _plans(book, as_of))


def subscription_missing(book: Subscriptions) -> Iterator[tuple[str, str]]:
    """What the columns leave open."""
    if not book._log.paid:
        yield "money", "subscriptions.amount"


def _stay(book: Subscriptions, as_of: dt.date) -> Iterator[Item]:
    flow = book.retention_by_period(as_of=as_of)
    yield Figure("subscribers", int(flow.end[-1]), "count", words("subscribers.meaning", day=as_of), headline=True)
    churn = flow.pooled_churn(last=_YEAR)
    months = min(int(flow.complete.sum()), _YEAR)
    told = words("subscriber_churn.meaning", months=months, numerator=churn.numerator, denominator=churn.denominator)
    yield Figure("subscriber_churn", churn.value, "percent", told, churn.interval(), headline=True)
    year = np.flatnonzero(flow.complete)[-_YEAR:]
    won, lost = (int(each[year].sum()) for each in (flow.new + flow.returned, flow.lost))
    key = "subscribers.grew" if won > lost else "subscribers.shrank" if won < lost else "subscribers.held"
    yield Sentence(words(key, won=won, lost=lost, months=months))
    if flow.excluded:
        yield Sentence(words("left_out", counts=flow.excluded), warns=True)


def _due(book: Subscriptions, as_of: dt.date) -> Iterator[Item]:
    told = words("renewals_due.meaning", days=_AHEAD)
    yield Figure("renewals_due", rows_in(book.renewals_due(as_of=as_of, within=_AHEAD)), "count", told)


def _movements(book: Subscriptions, as_of: dt.date) -> Iterator[Item]:
    flow = book.movements(as_of=as_of)
    yield Figure("mrr", float(flow.end[-1]), "money", headline=True)
    whole = flow.waterfalls(last=_YEAR)
    if whole:
        for name, kind in (("grr", "gross"), ("nrr", "net")):
            kept = compound_retention(whole, kind="gross" if kind == "gross" else "net")
            told = words(f"{name}.meaning", months=len(whole))
            yield Figure(name, kept, "percent", told)
        last = int(np.flatnonzero(flow.complete)[-1])
        month = f"{flow.periods[last]:%Y-%m}"
        gained, gone = (
            float(sum(getattr(flow, name)[last] for name in names))
            for names in (("new", "reactivation", "expansion"), ("churn", "contraction"))
        )
        yield Sentence(words("recurring.last", month=month, gained=gained, gone=gone))
        yield Picture("waterfall", lambda: revenue_waterfall(whole[-1]))
    yield _movement_table(flow)


def _movement_table(flow: RevenueFlow) -> Table:
    moved = ("start", "new", "reactivation", "expansion", "contraction", "churn", "end")
    gross, net = flow.gross_retention(), flow.net_retention()
    rows = tuple(
        (f"{month:%Y-%m}", *(float(getattr(flow, name)[i]) for name in moved), float(gross[i]), float(net[i]))
        for i, month in enumerate(flow.periods)
    )
    running = frozenset((i, 0) for i, over in enumerate(flow.complete) if not over)
    header = (Column("month", "text"), *(Column(name, "money") for name in moved))
    return Table("recurring", (*header, Column("grr", "percent"), Column("nrr", "percent")), rows, running)


def _tenure(book: Subscriptions, as_of: dt.date) -> Iterator[Item]:
    curve = book.lifetimes(as_of=as_of)
    with_end = curve.survival.size and curve.survival[-1] <= 0.5
    if with_end:
        yield Figure("median_stay", curve.median() / _MONTH, "months")
    shown: SurvivalCurve | dict[str, SurvivalCurve] = curve
    if "plan" in book._log.columns:
        curves = {str(name): each for name, each in book.lifetimes(as_of=as_of, by="plan").items()}
        shown = curves if 1 < len(curves) <= _MOST_PLANS else curve
    yield Picture("stays", lambda: survival_curves(shown, unit="days"))
    effect = tenure_effect(curve, bins=_STRETCHES)
    rows = []
    for row in effect.hazard.rows:
        if row.exposure > 0:
            span = row.interval()
            rate, low, high = (each * _MONTH for each in (row.rate, span.low, span.high))
            stretch = words("tenure.from_to", low=row.low / _MONTH, high=row.high / _MONTH)
            rows.append((stretch, int(row.events), rate, low, high))
    rates = (Column(name, "percent") for name in ("rate", "low", "high"))
    yield Table("tenure", (Column("stretch", "words"), Column("events", "count"), *rates), tuple(rows))
    sure = effect.p_value < _SURE
    key = "tenure.falls" if sure and effect.trend < 0 else "tenure.rises" if sure else "tenure.level"
    yield Sentence(words(key, p=effect.p_value))


def _plans(book: Subscriptions, as_of: dt.date) -> Iterator[Item]:
    flows: Segments[CustomerFlow] = book.retention_by_period(as_of=as_of, by="plan")
    rows = []
    for name, flow in flows.items():
        try:
            rate = flow.pooled_churn(last=_YEAR)
        except UndefinedMetric:
            continue
        span = rate.interval()
        shown = words("plans.none") if name is None else name
        rows.append((shown, int(flow.end[-1]), rate.numerator, rate.value, span.low, span.high))
    if not rows:
        raise UndefinedMetric("churn by plan", "no plan has a complete month")
    rows.sort(key=lambda row: -row[3])
    counts = (Column(name, "count") for name in ("end", "lost"))
    rates = (Column(name, "percent") for name in ("churn", "low", "high"))
    yield Table("plans", (Column("plan", "name"), *counts, *rates), tuple(rows[:_PLANS_SHOWN]))
    if len(rows) > _PLANS_SHOWN:
        yield Sentence(words("table.more", count=len(rows) - _PLANS_SHOWN))
    worst, best = rows[0], rows[-1]
    if worst[4] > best[5]:
        yield Sentence(words("plans.apart", worst=worst[0], best=best[0], high=worst[3], low=best[3]))
