"""From one purchase to the next: repeat purchases, the purchase cycle, and the base from period to period."""

import datetime as dt

import narwhals.stable.v2 as nw
import numpy as np

from retention_metrics._checks import whole
from retention_metrics._periods import first_day, last_day, period_of, periods_of
from retention_metrics._stats import Rate, weighted_survival
from retention_metrics._typing import FloatArray, IntArray, Period
from retention_metrics.churn import CustomerFlow, PurchaseCycle
from retention_metrics.errors import UndefinedMetric
from retention_metrics.logs._engines import Frame, to_numbers, with_previous
from retention_metrics.logs._rows import Log, usable_rows


def repeat_purchase_rate(log: Log, as_of: dt.date | str, min_age: int) -> Rate:
    """See :meth:`Transactions.repeat_purchase_rate`."""
    age = whole(0, min_age=min_age)
    days, _, until = _purchase_days(log, as_of)
    customers = days.group_by("customer").agg(nw.len().alias("purchases"), nw.col("period").min().alias("first"))
    old = customers.filter(nw.col("first") <= until.toordinal() - age)
    repeated = (nw.col("purchases") > 1).cast(nw.Int64).sum()
    found = to_numbers(old.select(nw.len().alias("buyers"), repeated.alias("repeated")))
    buyers = int(found["buyers"][0])
    if buyers == 0:
        raise UndefinedMetric("repeat_purchase_rate", f"no customer's first purchase is {age} or more days ago")
    grown = f" whose first purchase is at least {age} days ago" if age else ""
    return Rate(
        definition=f"customers with purchases on two or more days / customers{grown}",
        numerator=int(found["repeated"][0]),
        denominator=buyers,
    )


def purchase_cycle(log: Log, as_of: dt.date | str) -> PurchaseCycle:
    """See :meth:`Transactions.purchase_cycle`."""
    days, _, until = _purchase_days(log, as_of)
    gap = nw.col("period") - nw.col("previous")
    follow = with_previous(days, within="customer", order="period").filter(~nw.col("previous").is_null())
    closed = to_numbers(follow.select(gap.alias("gap")).group_by("gap").agg(nw.len().alias("count")))
    if closed["gap"].size == 0:
        raise UndefinedMetric("purchase_cycle", "no customer has bought on a second day")
    last = _last_days(days)
    lengths = np.concatenate([closed["gap"], until.toordinal() - last["day"]])
    count = np.concatenate([closed["count"], last["customers"]])
    ended = np.concatenate([np.ones(closed["gap"].size, bool), np.zeros(last["day"].size, bool)])
    order = np.argsort(closed["gap"])
    middle = np.searchsorted(np.cumsum(closed["count"][order]), closed["count"].sum() / 2)
    times, survival = weighted_survival(lengths, ended, count)
    reached = times[survival <= 0.5]
    return PurchaseCycle(
        median=float(reached[0]) if reached.size else None,
        median_closed=float(closed["gap"][order][middle]),
        closed=int(closed["count"].sum()),
        open=int(last["customers"].sum()),
    )


def retention_by_period(log: Log, period: Period, as_of: dt.date | str, lost_after: int) -> CustomerFlow:
    """See :meth:`Transactions.retention_by_period`."""
    limit = whole(0, lost_after=lost_after)
    days, excluded, until = _purchase_days(log, as_of)
    week_start = log.clock.week_start
    steps = with_previous(days, within="customer", order="period")
    # A customer is lost on the first day that is more than lost_after days from the last purchase.
    back = nw.col("period") - nw.col("previous") > limit + 1
    by_day = to_numbers(
        steps.with_columns(
            new=nw.col("previous").is_null().cast(nw.Int64),
            returned=back.fill_null(value=False).cast(nw.Int64),
        )
        .group_by("period")
        .agg(nw.col("new").sum(), nw.col("returned").sum(), *([nw.col("amount").sum()] if log.amount else [])),
        floats=("amount",),
    )
    lapsed = to_numbers(steps.filter(back).group_by("previous").agg(nw.len().alias("customers")))
    last = _last_days(days)
    gone = until.toordinal() - last["day"] > limit

    bought_on = by_day["period"]
    opened = period_of(dt.date.fromordinal(int(bought_on.min())), period, week_start)
    current = period_of(until, period, week_start)
    length = current - opened + 1

    def spread(ordinals: IntArray, values: IntArray | FloatArray) -> FloatArray:
        placed = periods_of(ordinals, period, week_start) - opened
        return np.bincount(placed, weights=values, minlength=length).astype(np.float64)

    last_seen = np.concatenate([lapsed["previous"], last["day"][gone]])
    leavers = np.concatenate([lapsed["customers"], last["customers"][gone]])
    lost_on = last_seen + limit + 1
    from_start = periods_of(last_seen, period, week_start) < periods_of(lost_on, period, week_start)
    new = spread(bought_on, by_day["new"])
    returned = spread(bought_on, by_day["returned"])
    lost = spread(lost_on, leavers)
    end = np.cumsum(new + returned - lost)
    indices = range(opened, current + 1)
    buyers = _buyers(log, as_of, period, opened, length)
    closes = np.array([last_day(index, period, week_start) <= until for index in indices])
    return CustomerFlow(
        periods=tuple(first_day(index, period, week_start) for index in indices),
        complete=closes,
        start=_counts(np.concatenate([[0.0], end[:-1]])),
        new=_counts(new),
        returned=_counts(returned),
        lost=_counts(lost),
        lost_of_start=_counts(spread(lost_on[from_start], leavers[from_start])),
        end=_counts(end),
        buyers=buyers,
        returning=buyers - _counts(new),
        revenue=spread(bought_on, by_day["amount"]) if log.amount else None,
        period=period,
        as_of=until,
        lost_after=limit,
        excluded=excluded,
    )


def _purchase_days(log: Log, as_of: dt.date | str) -> tuple[Frame, dict[str, int], dt.date]:
    """One row a customer and day of purchase: ``customer``, ``period`` (the day) and, if there is any, ``amount``."""
    rows, excluded, until = usable_rows(log, as_of=as_of, period="day")
    amounts = [nw.col("amount").sum()] if log.amount else []
    return rows.group_by("customer", "period").agg(*amounts), excluded, until


def _last_days(days: Frame) -> dict[str, IntArray]:
    """Customers by day of their last purchase."""
    last = days.group_by("customer").agg(nw.col("period").max().alias("day"))
    return to_numbers(last.group_by("day").agg(nw.len().alias("customers")))


def _buyers(log: Log, as_of: dt.date | str, period: Period, opened: int, length: int) -> IntArray:
    """Customers who bought, by period."""
    rows, _, _ = usable_rows(log, as_of=as_of, period=period)
    active = rows.group_by("customer", "period").agg()
    found = to_numbers(active.group_by("period").agg(nw.len().alias("customers")))
    counts = np.zeros(length, dtype=np.int64)
    counts[found["period"] - opened] = found["customers"]
    return counts


def _counts(values: FloatArray) -> IntArray:
    return np.rint(values).astype(np.int64)
