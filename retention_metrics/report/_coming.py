"""What customers will still buy: a purchase model, held against the last months before it is believed."""

import datetime as dt
import warnings
from collections.abc import Iterator

from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.logs import Transactions
from retention_metrics.plots import tracking_curve
from retention_metrics.predictive import (
    BoundaryWarning,
    Fit,
    GammaGamma,
    Histories,
    MbgNbd,
    Validation,
    customer_lifetime_value,
)
from retention_metrics.report._answer import answered
from retention_metrics.report._orders import OrderAnswers
from retention_metrics.report._page import Column, Figure, Item, Picture, Section, Sentence, Table, words
from retention_metrics.report._progress import Progress

_MONTHS = 3
_HELD_OUT = dt.timedelta(days=91)
_FEWEST_AGAIN = 100
_FAR_OUT = 0.25


def coming_section(orders: Transactions, found: OrderAnswers, *, as_of: dt.date, progress: Progress) -> Section:
    """Who will buy again in the next three months, and what that brings."""

    def told() -> Iterator[Item]:
        with progress("doing.coming"), warnings.catch_warnings():
            warnings.simplefilter("ignore", BoundaryWarning)
            if found.summary.first_day > as_of - 2 * _HELD_OUT:
                raise UndefinedMetric("purchases to come", "predictions take at least half a year of orders")
            seen = orders.histories(as_of=as_of, unit="month", spend=found.summary.revenue is not None)
            again = float(seen.weights[seen.frequency > 0].sum())
            if again < _FEWEST_AGAIN:
                raise UndefinedMetric(
                    "purchases to come",
                    f"predictions take {_FEWEST_AGAIN} customers who bought again, got {again:,.0f}",
                )
            checked = orders.validate(MbgNbd, split=as_of - _HELD_OUT, as_of=as_of, unit="month")
            items = list(_expected(seen, found))
        items += _checked(checked, as_of - _HELD_OUT)
        return iter(items)

    return answered("coming", told)


def _expected(seen: Histories, found: OrderAnswers) -> Iterator[Item]:
    distinct = seen.collapse()
    fit, many = MbgNbd.fit(distinct), distinct.weights
    history = {"frequency": distinct.frequency, "recency": distinct.recency, "T": distinct.T}

    def alive(model: MbgNbd) -> float:
        return float(many @ model.probability_alive(**history))

    def purchases(model: MbgNbd) -> float:
        return float(many @ model.expected_purchases(_MONTHS, **history))

    def buyers(model: MbgNbd) -> float:
        return float(many @ (1 - model.purchase_count_pmf(0, horizon=_MONTHS, **history)))

    for name, total in (("alive", alive), ("buyers", buyers), ("coming", purchases)):
        value, limits = total(fit.model), fit.interval(total, scale="log")
        share = None if total is purchases else value / fit.customers
        if share is not None and limits.high > fit.customers:
            limits = limits.model_copy(update={"high": fit.customers, "clipped": True})
        yield Figure(name, value, "count", words(f"{name}.meaning", months=_MONTHS), limits, share=share)
    if seen.monetary_value is not None:
        yield from _money(fit, seen, found.margin_share)


def _money(fit: Fit[MbgNbd], seen: Histories, margin_share: float | None) -> Iterator[Item]:
    """What the purchases bring; customers whose repeat purchases net to nothing have no mean to go by."""
    paying = seen.paying()
    try:
        spend = GammaGamma.fit(paying)
        margin = 1.0 if margin_share is None else margin_share
        value = customer_lifetime_value(
            fit, spend, histories=paying, horizon=_MONTHS, discount=0, per="month", margin=margin
        )
    except InvalidValue:
        yield Sentence(words("coming.no_money"))
        return
    name = "bring" if margin_share is None else "bring_margin"
    yield Figure(name, value.total, "money", words(f"{name}.meaning", months=_MONTHS), value.total_interval)
    netted = seen.customers - paying.customers
    if netted:
        yield Sentence(words("coming.netted", customers=netted))


def _checked(checked: Validation, split: dt.date) -> Iterator[Item]:
    """How the same forecast would have done a quarter ago."""
    yield Sentence(
        words(
            "coming.checked",
            split=split,
            expected=checked.expected,
            actual=checked.actual,
            naive=checked.naive,
        )
    )
    if abs(checked.expected - checked.actual) > _FAR_OUT * checked.actual:
        yield Sentence(words("coming.far_out"), warns=True)
    yield Sentence(words("coming.explained"))
    yield Picture("tracking", lambda: tracking_curve(checked, unit="months"))
    rows = tuple(
        (f"{row.past}{'+' if row.more else ''}", round(row.customers), row.actual, row.expected, row.naive)
        for row in checked.by_past
    )
    header = (
        Column("past", "text"),
        Column("customers", "count"),
        Column("actual", "ratio"),
        Column("expected", "ratio"),
        Column("naive", "ratio"),
    )
    yield Table("coming", header, rows)
