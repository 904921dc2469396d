"""When the cash runs out: the forecast of the prepaid book under two policies."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from retention_metrics._stats import Interval
from retention_metrics.cashflow import CashGapForecast, FirmPolicy, SalesPath, simulate
from retention_metrics.errors import UndefinedMetric
from retention_metrics.plots import cash_and_debt
from retention_metrics.prepaid import PackagePlan
from retention_metrics.redemption import RedemptionModel
from retention_metrics.report._answer import answered
from retention_metrics.report._page import Column, Figure, Item, Picture, Section, Sentence, Table, words
from retention_metrics.report._prepaid import Book
from retention_metrics.report._progress import Progress

_PERIODS = 24
_PATHS = 2_000
_SEED = 7
_MONTHS = 12
_FEWEST_TRIALS = 200


def gap_section(book: Book, fixed_costs: int, progress: Progress) -> Section:
    """The forecast of the cash of the book."""

    def forecast() -> Iterator[Item]:
        with progress("doing.gap"):
            found, plan, sales = _simulate(book, fixed_costs)
        return _told(book, found, plan, sales, fixed_costs)

    return answered("gap", forecast)


def _simulate(book: Book, fixed_costs: int) -> tuple[CashGapForecast, PackagePlan, float]:
    fit = RedemptionModel.fit(book.ledger)
    trials = int(fit.exposure.sum())
    if trials < _FEWEST_TRIALS:
        raise UndefinedMetric(
            "the cash gap",
            f"the book is too thin to say when customers come back: {trials:,} months of packages, "
            f"{_FEWEST_TRIALS:,} are needed",
        )
    plan, sales = _sold(book)
    policy = FirmPolicy.spend_collections(opening_cash=book.cash or 0, fixed_costs=fixed_costs)
    path = SalesPath(sales, noise="poisson")
    found = simulate(
        book.ledger,
        model=_followed(fit.model, book),
        sales=path,
        plan=plan,
        policy=policy,
        periods=_PERIODS,
        paths=_PATHS,
        rng=_SEED,
    )
    return found, plan, sales


def _followed(model: RedemptionModel, book: Book) -> RedemptionModel:
    """The model, without refunds where a plan gives none: a forecast has one model for all packages."""
    if all(plan.refund.kind != "none" for plan in book.ledger.plans):
        return model
    return replace(model, refund=np.zeros_like(model.refund))


def _sold(book: Book) -> tuple[PackagePlan, float]:
    """The plan that brought most in the last year, and packages of it a month that bring as much as all plans did."""
    table = book.ledger.packages()
    as_of = book.ledger.as_of
    months = min(_MONTHS, len(book.ledger.roll_forward().starts) - 1)
    recent = table.sold > as_of.toordinal() - round(months * 365.25 / 12)
    if months < 1 or not recent.any():
        raise UndefinedMetric("the cash gap", "nothing was sold in the last year")
    plans = {plan.id: plan for plan in book.ledger.plans if plan.sessions is not None and plan.price > 0}
    brought = {name: int(table.price[recent & (table.plan == name)].sum()) for name in plans}
    if not brought or max(brought.values()) == 0:
        raise UndefinedMetric("the cash gap", "no plan of sessions was sold in the last year")
    best = max(brought, key=lambda name: brought[name])
    return plans[best], int(table.price[recent].sum()) / months / plans[best].price


def _told(book: Book, found: CashGapForecast, plan: PackagePlan, sales: float, fixed_costs: int) -> Iterator[Item]:
    table = found.policy_table([0.0, 1.0])
    spend, hold = table.gap_probability.tolist()
    for name, i in (("gap_spend", 0), ("gap_hold", 1)):
        limits = Interval(low=float(table.low[i]), high=float(table.high[i]), level=table.level, method="wilson")
        told = words(f"{name}.meaning", months=_PERIODS)
        yield Figure(name, float(table.gap_probability[i]), "percent", told, limits, headline=True)
    first = found.first_gap().quantile(0.5)
    if first is not None:
        month = _month_after(book, first)
        depth = book.money(int(table.depth_50[0]))
        yield Sentence(words("gap.when", month=month, depth=depth), warns=True, headline=True)
    elif spend > hold:
        yield Sentence(words("gap.maybe"))
    else:
        yield Sentence(words("gap.none"))
    if hold > 0.05:
        yield Sentence(words("gap.costs", share=hold), warns=True)
    yield Sentence(words("gap.outside"))
    yield Picture("gap", lambda: cash_and_debt(found, exponent=book.exponent))
    rows = tuple(
        (
            words(f"gap.policy_{i}"),
            float(table.gap_probability[i]),
            *(book.money(int(getattr(table, name)[i])) for name in ("depth_50", "depth_95")),
            int(table.duration_95[i]),
            book.money(int(table.drawn_50[i])),
        )
        for i in range(2)
    )
    header = (
        Column("policy", "words"),
        Column("probability", "percent"),
        Column("depth_50", "money"),
        Column("depth_95", "money"),
        Column("duration_95", "count"),
        Column("drawn_50", "money"),
    )
    yield Table("gap", header, rows)
    kept = [each.id for each in book.ledger.plans if each.refund.kind == "none"]
    if 0 < len(kept) < len(book.ledger.plans):
        refunds = book.ledger.roll_forward().refunds_paid[-_MONTHS:]
        paid = book.money(int(refunds.sum()))
        yield Sentence(words("gap.no_refunds", plans=kept, months=refunds.size, paid=paid))
    yield Sentence(
        words(
            "gap.supposed", sales=sales, plan=plan.id, costs=book.money(fixed_costs), paths=found.paths, months=_PERIODS
        )
    )


def _month_after(book: Book, periods: int) -> str:
    """The month of a period of the forecast, the first one being that of the day after the book."""
    start = np.datetime64(book.ledger.as_of + dt.timedelta(days=1), "M")
    return str(start + np.timedelta64(periods, "M"))
