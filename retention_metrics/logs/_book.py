"""The customer base from period to period, counted from the stays of customers."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from retention_metrics._periods import first_day, last_day, period_of
from retention_metrics._typing import FloatArray, IntArray, Period, Weekday
from retention_metrics.churn import CustomerFlow
from retention_metrics.churn._flow import Dated
from retention_metrics.logs._engines import Frame, kept, to_parts, with_period, with_short_plan
from retention_metrics.logs._segments import Numbers, Segments, beside, by_segment, group_of

RUNNING = dt.date.max.toordinal()
"""The day on which what runs on ends: the last of the calendar."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How a base is counted: by which periods, up to which day, and when a customer counts as lost."""

    period: Period
    until: dt.date
    week_start: Weekday
    lost_after: int
    dated: Dated
    excluded: Mapping[str, int]


def flow_of(stays: Frame, visits: Frame | None, rule: Counted, by: Any) -> CustomerFlow | Segments[CustomerFlow]:
    """The book of a base.

    ``stays`` has one row a stay: customer, stay (0 is the first of a customer), start, and leaves (the day to which
    the loss is dated, ``RUNNING`` where there is none). ``visits`` has customer, day, previous (the customer's day
    before) and perhaps amount. Both have a segment beside if there are segments.
    """
    group = group_of(by)
    stays = _placed(_placed(stays, "came", "start", rule), "went", "leaves", rule)
    stays = with_short_plan(stays.with_columns(first=(nw.col("stay") == 0).cast(nw.Int64)))
    count = nw.len().alias("customers")
    with kept(stays) as stays:
        counted = to_parts(stays.group_by(*group, "came", "went").agg(count, nw.col("first").sum()), group)
        gone = stays.filter((nw.col("went") > nw.col("came")) | (nw.col("first") == 1))
        gone = gone.select("customer", *group, "first", "came", at=nw.col("went"))
        again = stays.filter((nw.col("stay") > 0) & (nw.col("went") > nw.col("came")))
        back = gone.join(again.select("customer", at=nw.col("came")), on=["customer", "at"])
        back = back.with_columns(fresh=(nw.col("came") == nw.col("at")).cast(nw.Int64))
        returned = to_parts(back.group_by(*group, "at", "fresh").agg(count), group)
    bought: Mapping[str | None, Numbers] = {}
    if visits is not None:
        amounts = [nw.col("amount").sum()] if "amount" in visits.columns else []
        # A customer counts once a period: with the first day there.
        visits = visits.with_columns(earlier=nw.col("previous").fill_null(1).cast(nw.Int64))
        placed = _placed(_placed(visits, "at", "day", rule), "before", "earlier", rule)
        opens = nw.col("previous").is_null() | (nw.col("at") != nw.col("before"))
        placed = placed.with_columns(customers=opens.cast(nw.Int64))
        sums = placed.group_by(*group, "at").agg(nw.col("customers").sum(), *amounts)
        bought = to_parts(sums, group, floats=("amount",))
    opened = min(int(part["came"].min()) for part in counted.values())
    indices = range(opened, period_of(rule.until, rule.period, rule.week_start) + 1)
    parts = beside(counted, returned, bought)
    return by_segment(by, parts, lambda part: _flow(*part, indices=indices, rule=rule))


def _flow(counted: Numbers, back: Numbers, bought: Numbers, *, indices: range, rule: Counted) -> CustomerFlow:
    def count(periods: IntArray, values: IntArray | FloatArray) -> FloatArray:
        inside = periods < indices.stop
        sums = np.bincount(periods[inside] - indices.start, weights=values[inside], minlength=len(indices))
        return sums.astype(np.float64)

    came, went, customers = counted["came"], counted["went"], counted["customers"]
    new, entered, lost = count(came, counted["first"]), count(came, customers), count(went, customers)
    end = np.cumsum(entered - lost)
    start = np.concatenate([[0.0], end[:-1]])
    stayed = went > came
    lost_of_start = count(went[stayed], customers[stayed])
    fresh = count(went[~stayed], counted["first"][~stayed])
    if back:
        once = back["fresh"] == 1
        lost_of_start -= count(back["at"][~once], back["customers"][~once])
        fresh -= count(back["at"][once], back["customers"][once])
    returned = entered - new
    if rule.dated == "detection":
        # Seen at the close of each period only: who is back by then was never lost, and who is gone again never back.
        lost = lost_of_start + fresh
        returned = end - start - new + lost
    buyers = count(bought["at"], bought["customers"]) if bought else None
    # A loss that is dated back is known only when its limit has passed.
    known = rule.until - dt.timedelta(days=min(rule.lost_after, rule.until.toordinal() - 1) if back_dated(rule) else 0)
    return CustomerFlow(
        periods=tuple(first_day(index, rule.period, rule.week_start) for index in indices),
        complete=np.array([last_day(index, rule.period, rule.week_start) <= known for index in indices]),
        start=_counts(start),
        new=_counts(new),
        returned=_counts(returned),
        lost=_counts(lost),
        lost_of_start=_counts(lost_of_start),
        end=_counts(end),
        buyers=None if buyers is None else _counts(buyers),
        returning=None if buyers is None else _counts(buyers - new),
        revenue=count(bought["at"], bought["amount"]) if "amount" in bought else None,
        period=rule.period,
        as_of=rule.until,
        lost_after=rule.lost_after,
        dated=rule.dated,
        excluded=rule.excluded,
    )


def back_dated(rule: Counted) -> bool:
    """Whether losses are booked to a day before they are known."""
    return rule.dated == "last_purchase"


def _placed(frame: Frame, into: str, day: str, rule: Counted) -> Frame:
    return with_period(frame, into, day=day, period=rule.period, week_start=rule.week_start)


def _counts(values: FloatArray) -> IntArray:
    return np.rint(values).astype(np.int64)
