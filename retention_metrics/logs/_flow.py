"""From one purchase to the next: repeat purchases, the purchase cycle, and the base from period to period."""

import datetime as dt

import narwhals.stable.v2 as nw
import numpy as np

from retention_metrics._checks import choice, whole
from retention_metrics._periods import PERIODS, first_day, last_day, period_of, periods_of
from retention_metrics._stats import Rate
from retention_metrics._typing import FloatArray, IntArray, Period, Weekday
from retention_metrics.churn import CustomerFlow, PurchaseCycle
from retention_metrics.errors import UndefinedMetric
from retention_metrics.logs._engines import Frame, to_numbers, with_period, with_previous, with_short_plan
from retention_metrics.logs._rows import Log, usable_rows
from retention_metrics.survival import SurvivalCurve, kaplan_meier

_NEVER = 1_000_000
"""Days after which nobody is lost any more: longer than any calendar, and short enough for 32 bits."""


def repeat_purchase_rate(log: Log, as_of: dt.date | str, min_age: int) -> Rate:
    """See :meth:`Transactions.repeat_purchase_rate`."""
    age = whole(0, min_age=min_age)
    days, _, until = purchase_days(log, as_of)
    customers = days.group_by("customer").agg(nw.len().alias("purchases"), nw.col("day").min().alias("first"))
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


def purchase_gaps(log: Log, as_of: dt.date | str) -> SurvivalCurve:
    """See :meth:`Transactions.purchase_gaps`."""
    days, _, until = purchase_days(log, as_of)
    return gaps_between(days, until)


def purchase_cycle(log: Log, as_of: dt.date | str) -> PurchaseCycle:
    """See :meth:`Transactions.purchase_cycle`."""
    days, _, until = purchase_days(log, as_of)
    return cycle_of(days, until)


def gaps_between(days: Frame, until: dt.date) -> SurvivalCurve:
    """The gaps between the purchase days of each customer, the last one of each still open."""
    follow = with_previous(days, within="customer", order="day").filter(~nw.col("previous").is_null())
    gap = (nw.col("day") - nw.col("previous")).alias("gap")
    closed = to_numbers(follow.select(gap).group_by("gap").agg(nw.len().alias("count")))
    if closed["gap"].size == 0:
        raise UndefinedMetric("the gap between purchases", "no customer has bought on a second day")
    last = _last_days(days)
    lengths = np.concatenate([closed["gap"], until.toordinal() - last["day"]])
    count = np.concatenate([closed["count"], last["customers"]])
    ended = np.concatenate([np.ones(closed["gap"].size, bool), np.zeros(last["day"].size, bool)])
    return kaplan_meier(lengths, ended, weights=count)


def cycle_of(days: Frame, until: dt.date) -> PurchaseCycle:
    """How long customers take from one of their purchase days to the next."""
    gaps = gaps_between(days, until)
    closed = gaps.events > 0
    return PurchaseCycle(
        median=gaps.median() if gaps.survival[-1] <= 0.5 + 1e-12 else None,
        median_closed=_median(gaps.times[closed], gaps.events[closed]),
        closed=int(gaps.events.sum()),
        open=int(gaps.censored.sum()),
    )


def retention_by_period(log: Log, period: Period, as_of: dt.date | str, lost_after: int) -> CustomerFlow:
    """See :meth:`Transactions.retention_by_period`."""
    choice(PERIODS, period=period)
    days_away = whole(0, lost_after=lost_after)
    limit = min(days_away, _NEVER)
    week_start = log.clock.week_start
    days, excluded, until = purchase_days(log, as_of)
    days = with_period(days, "period", day="day", period=period, week_start=week_start)
    bought = _purchases(days, limit, paid=log.paid)
    stays = _stays(days, limit, period, until, week_start)
    last = _last_days(days)
    last = {name: values[until.toordinal() - last["day"] > limit] for name, values in last.items()}

    opened = period_of(dt.date.fromordinal(int(bought["day"].min())), period, week_start)
    indices = range(opened, period_of(until, period, week_start) + 1)

    def count(periods: IntArray, values: IntArray | FloatArray) -> FloatArray:
        return np.bincount(periods - opened, weights=values, minlength=len(indices)).astype(np.float64)

    def count_days(ordinals: IntArray, values: IntArray | FloatArray) -> FloatArray:
        return count(periods_of(ordinals, period, week_start), values)

    again = bought["lapsed"] > 0
    new = count_days(bought["day"], bought["new"])
    returned = count_days(bought["day"][again], bought["customers"][again])
    # A customer is lost on the first day that is more than lost_after days from the last purchase.
    lost = count_days(bought["lapsed"][again] + limit + 1, bought["customers"][again])
    lost += count_days(last["day"] + limit + 1, last["customers"])
    end = np.cumsum(new + returned - lost)
    gone = stays["left"] > 0
    last_period = periods_of(last["day"], period, week_start)
    lapse_period = periods_of(last["day"] + limit + 1, period, week_start)
    stayed = lapse_period > last_period
    lost_of_start = count(stays["left"][gone], stays["customers"][gone])
    lost_of_start += count(lapse_period[stayed], last["customers"][stayed])
    buyers = count(stays["period"], stays["customers"])
    return CustomerFlow(
        periods=tuple(first_day(index, period, week_start) for index in indices),
        complete=np.array([last_day(index, period, week_start) <= until for index in indices]),
        start=_counts(np.concatenate([[0.0], end[:-1]])),
        new=_counts(new),
        returned=_counts(returned),
        lost=_counts(lost),
        lost_of_start=_counts(lost_of_start),
        end=_counts(end),
        buyers=_counts(buyers),
        returning=_counts(buyers - new),
        revenue=count_days(bought["day"], bought["amount"]) if log.paid else None,
        period=period,
        as_of=until,
        lost_after=days_away,
        excluded=excluded,
    )


def purchase_days(log: Log, as_of: dt.date | str) -> tuple[Frame, dict[str, int], dt.date]:
    """One row a customer and day of purchase: ``customer``, ``day`` and, if the log has amounts, ``amount``."""
    rows, excluded, until, _ = usable_rows(log, as_of=as_of, period="day")
    amounts = [nw.col("amount").sum()] if log.paid else []
    days = rows.rename({"period": "day"}).group_by("customer", "day").agg(*amounts)
    return with_short_plan(days), excluded, until


def _purchases(days: Frame, limit: int, *, paid: bool) -> dict[str, IntArray]:
    """Purchases by day and, for those who had been lost, by the last day before: ``lapsed``, otherwise 0."""
    previous = nw.col("previous")
    back = nw.col("day") - previous > limit + 1
    steps = with_previous(days, within="customer", order="day").with_columns(
        new=previous.is_null().cast(nw.Int64), lapsed=nw.when(back).then(previous).otherwise(nw.lit(0))
    )
    amounts = [nw.col("amount").sum()] if paid else []
    counted = steps.group_by("day", "lapsed").agg(nw.len().alias("customers"), nw.col("new").sum(), *amounts)
    return to_numbers(counted, floats=("amount",))


def _stays(days: Frame, limit: int, period: Period, until: dt.date, week_start: Weekday) -> dict[str, IntArray]:
    """Buyers by period, and by the period at whose end a stay is seen to have ended: ``left``, otherwise 0.

    A customer is there at the end of a period when the last purchase is at most ``limit`` days ago. Looking
    back from a period with a purchase to the one before it, the customer left the base in between; or was
    there when this period opened, bought, and was gone again when it closed. Stays that end after a
    customer's last purchase are not among them.
    """
    active = days.group_by("customer", "period").agg(nw.col("day").max())
    steps = with_previous(active, within="customer", order="day")
    steps = steps.with_columns(
        previous=nw.col("previous").fill_null(0).cast(nw.Int64), lapse_day=nw.col("day") + (limit + 1)
    ).with_columns(previous_lapse_day=nw.col("previous") + (limit + 1))
    for into, day in (("before", "previous"), ("lapse", "previous_lapse_day"), ("own_lapse", "lapse_day")):
        steps = with_period(steps, into, day=day, period=period, week_start=week_start)
    here, lapse = nw.col("period"), nw.col("lapse")
    known = nw.col("previous") > 0
    between = known & (lapse > nw.col("before")) & (lapse < here)
    gone = (nw.col("own_lapse") == here) & (nw.col("lapse_day") <= until.toordinal())
    within = known & (lapse >= here) & gone
    left = nw.when(between).then(lapse).otherwise(nw.when(within).then(here).otherwise(nw.lit(0)))
    return to_numbers(steps.with_columns(left=left).group_by("period", "left").agg(nw.len().alias("customers")))


def _last_days(days: Frame) -> dict[str, IntArray]:
    """Customers by day of their last purchase."""
    last = days.group_by("customer").agg(nw.col("day").max())
    return to_numbers(last.group_by("day").agg(nw.len().alias("customers")))


def _median(values: FloatArray, weights: FloatArray) -> float:
    """The middle value, or the mean of the two in the middle."""
    order = np.argsort(values)
    upto = np.cumsum(weights[order])
    middle = np.searchsorted(upto, [(upto[-1] + 1) // 2, upto[-1] // 2 + 1])
    return float(values[order][middle].mean())


def _counts(values: FloatArray) -> IntArray:
    return np.rint(values).astype(np.int64)
