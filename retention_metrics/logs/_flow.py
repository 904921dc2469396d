"""From one purchase to the next: repeat purchases, the purchase cycle, and the base from period to period."""

import datetime as dt
import warnings
from contextlib import suppress
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from retention_metrics._checks import choice, whole
from retention_metrics._periods import PERIODS
from retention_metrics._stats import Rate
from retention_metrics._typing import FloatArray, Period
from retention_metrics.churn import CustomerFlow, PurchaseCycle, ShortWindowWarning
from retention_metrics.churn._flow import DATED, FEWEST_CYCLES, Dated
from retention_metrics.errors import UndefinedMetric
from retention_metrics.logs._book import RUNNING, Counted, back_dated, flow_of
from retention_metrics.logs._days import kept_steps, purchase_days, with_steps
from retention_metrics.logs._engines import Frame, to_parts, with_running, with_short_plan
from retention_metrics.logs._rows import Log
from retention_metrics.logs._segments import Numbers, Segments, beside, by_segment, group_of
from retention_metrics.survival import SurvivalCurve, kaplan_meier

_NEVER = 1_000_000
"""Days after which nobody is lost any more: longer than any calendar, and short enough for 32 bits."""


def repeat_purchase_rate(log: Log, as_of: dt.date | str, min_age: int, by: Any) -> Rate | Segments[Rate]:
    """See :meth:`Transactions.repeat_purchase_rate`."""
    age = whole(0, min_age=min_age)
    group = group_of(by)
    days, _, until = purchase_days(log, as_of, by)
    customers = days.group_by("customer", *group).agg(nw.len().alias("purchases"), nw.col("day").min().alias("first"))
    old = (nw.col("first") <= until.toordinal() - age).cast(nw.Int64)
    customers = customers.with_columns(old=old, repeated=(nw.col("purchases") > 1).cast(nw.Int64))
    kinds = customers.group_by(*group, "old", "repeated").agg(nw.len().alias("customers"))
    grown = f" whose first purchase is at least {age} days ago" if age else ""

    def rate(found: Numbers) -> Rate:
        old = found["old"] == 1
        buyers = int(found["customers"][old].sum())
        if buyers == 0:
            raise UndefinedMetric("repeat_purchase_rate", f"no customer's first purchase is {age} or more days ago")
        return Rate(
            definition=f"customers with purchases on two or more days / customers{grown}",
            numerator=int(found["customers"][old & (found["repeated"] == 1)].sum()),
            denominator=buyers,
        )

    return by_segment(by, to_parts(kinds, group), rate)


def purchase_gaps(log: Log, as_of: dt.date | str, by: Any) -> SurvivalCurve | Segments[SurvivalCurve]:
    """See :meth:`Transactions.purchase_gaps`."""
    days, _, until = purchase_days(log, as_of, by)
    return by_segment(by, _gaps(days, until, group_of(by)), _curve)


def purchase_cycle(log: Log, as_of: dt.date | str, by: Any) -> PurchaseCycle | Segments[PurchaseCycle]:
    """See :meth:`Transactions.purchase_cycle`."""
    days, _, until = purchase_days(log, as_of, by)
    return by_segment(by, _gaps(days, until, group_of(by)), lambda gaps: _cycle(_curve(gaps)))


def cycle_of(days: Frame, until: dt.date) -> PurchaseCycle:
    """How long customers take from one of their purchase days to the next."""
    return _cycle(_curve(_gaps(days, until, [])[None]))


def warn_of_short_window(lost_after: int, cycle: float, *, stacklevel: int) -> None:
    """Say that customers are called lost who are merely between two purchases."""
    if lost_after < FEWEST_CYCLES * cycle:
        warnings.warn(
            f"lost_after is {lost_after} days, and customers take {cycle:g} from one purchase to the next: fewer than "
            f"{FEWEST_CYCLES} cycles ({FEWEST_CYCLES * cycle:g} days) call many lost who will be back",
            ShortWindowWarning,
            stacklevel=stacklevel,
        )


def retention_by_period(
    log: Log, period: Period, as_of: dt.date | str, lost_after: int, dated: Dated, by: Any
) -> CustomerFlow | Segments[CustomerFlow]:
    """See :meth:`Transactions.retention_by_period`."""
    choice(PERIODS, period=period)
    choice(DATED, dated=dated)
    days_away = whole(0, lost_after=lost_after)
    limit = min(days_away, _NEVER)
    days, excluded, until = purchase_days(log, as_of, by)
    with kept_steps(days) as steps:
        with suppress(UndefinedMetric):  # Nobody has bought twice: there is no cycle to compare with.
            warn_of_short_window(days_away, cycle_of(steps, until).days, stacklevel=4)
        rule = Counted(period, until, log.clock.week_start, days_away, dated, excluded)
        return flow_of(_stays(steps, limit, rule, group_of(by)), steps, rule, by)


def _stays(steps: Frame, limit: int, rule: Counted, group: list[str]) -> Frame:
    """One row a time during which a customer was there, with the day to which its end is dated."""
    # A stay ends with the last purchase before the next one opens, or with the last of all; far fewer rows than
    # purchases say where.
    own = ["customer", *group]
    before = nw.col("previous").fill_null(0).cast(nw.Int64).alias("before")
    opens = steps.filter(nw.col("previous").is_null() | (nw.col("day") - nw.col("previous") > limit + 1))
    opens = opens.select(*own, nw.col("day").cast(nw.Int64), before)
    last = steps.group_by(*own).agg(before=nw.col("day").max())
    last = last.select(*own, nw.lit(RUNNING + 1).cast(nw.Int64).alias("day"), nw.col("before").cast(nw.Int64))
    marks = nw.concat([opens, last]).with_columns(one=nw.lit(1).cast(nw.Int64))
    marks = with_running(marks, within="customer", order="day", of="one", previous=True).filter(nw.col("running") > 1)
    stays = marks.select(
        *own,
        stay=nw.col("running") - 2,
        start=nw.col("previous").cast(nw.Int64),
        stop=nw.col("before"),
    )
    # Lost on the first day that is more than lost_after days from the last purchase, or dated back to that purchase.
    past = nw.col("stop") + (limit + 1)
    day = nw.col("stop") if back_dated(rule) else past
    leaves = nw.when(past <= rule.until.toordinal()).then(day).otherwise(nw.lit(RUNNING))
    return with_short_plan(stays.with_columns(leaves=leaves.cast(nw.Int64)))


def _gaps(days: Frame, until: dt.date, group: list[str]) -> dict[str | None, tuple[Numbers, ...]]:
    """Gaps that were closed by another purchase, and those still open, counted by their length."""
    follow = with_steps(days).filter(~nw.col("previous").is_null())
    follow = follow.with_columns(gap=nw.col("day") - nw.col("previous"))
    last = days.group_by("customer", *group).agg(nw.col("day").max())
    last = last.with_columns(gap=until.toordinal() - nw.col("day"))
    count = nw.len().alias("count")
    closed, still = (to_parts(gaps.group_by(*group, "gap").agg(count), group) for gaps in (follow, last))
    return beside(still, closed)


def _curve(gaps: tuple[Numbers, ...]) -> SurvivalCurve:
    still, closed = gaps
    if not closed or closed["gap"].size == 0:
        raise UndefinedMetric("the gap between purchases", "no customer has bought on a second day")
    lengths, count = (np.concatenate([closed[name], still[name]]) for name in ("gap", "count"))
    return kaplan_meier(lengths, np.arange(lengths.size) < closed["gap"].size, weights=count)


def _cycle(gaps: SurvivalCurve) -> PurchaseCycle:
    closed = gaps.events > 0
    return PurchaseCycle(
        median=gaps.median() if gaps.survival[-1] <= 0.5 + 1e-12 else None,
        median_closed=_median(gaps.times[closed], gaps.events[closed]),
        closed=int(gaps.events.sum()),
        open=int(gaps.censored.sum()),
    )


def _median(values: FloatArray, weights: FloatArray) -> float:
    """The middle value, or the mean of the two in the middle."""
    order = np.argsort(values)
    upto = np.cumsum(weights[order])
    middle = np.searchsorted(upto, [(upto[-1] + 1) // 2, upto[-1] // 2 + 1])
    return float(values[order][middle].mean())
