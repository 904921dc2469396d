"""The days on which customers bought: worked out for one question, or kept for several."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw

from retention_metrics._checks import day
from retention_metrics._typing import Period
from retention_metrics.logs._engines import Frame, kept, with_previous, with_short_plan
from retention_metrics.logs._rows import Days, Log, Rows, usable_rows
from retention_metrics.logs._segments import joined, with_segment


def purchase_days(log: Log, as_of: dt.date | str, by: Any = None) -> Days:
    """One row a customer and day of purchase, with the segment of the customer if there are segments."""
    known = _known(log, day(as_of=as_of), by)
    if known is not None:
        return known
    rows = usable_rows(with_segment(log, by), as_of=as_of, period="day")
    days = netted(rows.frame.rename({"period": "day"}), "day", paid=log.paid)
    return Days(with_short_plan(joined(days, log, rows, by)), rows.excluded, rows.until)


def netted(rows: Frame, period: str, *, paid: bool) -> Frame:
    """One row a customer and period, with the sum of the amounts."""
    own = ["customer", period]
    # Without amounts not a group_by that aggregates nothing: on pandas it is a loop over the groups.
    return rows.group_by(*own).agg(nw.col("amount").sum()) if paid else rows.select(*own).unique()


def with_steps(days: Frame) -> Frame:
    """Add ``previous``: the customer's purchase day before, null on the first."""
    return days if "previous" in days.columns else with_previous(days, within="customer", order="day")


@contextmanager
def kept_steps(days: Frame) -> Iterator[Frame]:
    """The days with ``previous``, kept by the engine until the block ends."""
    if "previous" in days.columns:
        yield days
        return
    with kept(with_steps(days)) as steps:
        yield steps


@contextmanager
def prepared(log: Log, as_of: dt.date | str) -> Iterator[Log]:
    """See :meth:`Transactions.prepared`."""
    days = purchase_days(log, as_of)
    with kept_steps(days.frame) as frame:
        yield replace(log, days=days._replace(frame=frame))


def prepared_days(log: Log, rows: Rows, step: Period, by: Any) -> Frame | None:
    """The prepared days as periods of a day, if they answer a question about these rows."""
    known = _known(log, rows.until, by) if step == "day" else None
    return None if known is None else known.frame.rename({"day": "period"})


def _known(log: Log, until: dt.date, by: object) -> Days | None:
    """The prepared days, if they are those of a question."""
    return log.days if by is None and log.days is not None and log.days.until == until else None
