"""The roll-forward: what was collected, earned, given back and is owed, period by period."""

import datetime as dt
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from retention_metrics._checks import freeze
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._periods import first_day, label, last_day, period_of
from retention_metrics._results import Result, text_table
from retention_metrics._typing import FloatArray, IntArray, Period, Weekday
from retention_metrics.prepaid._flows import outstanding, owed
from retention_metrics.prepaid._sums import Sums


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RollForward(Result):
    r"""What is owed to customers, from one period to the next; all money in whole minor units, nothing is rounded.

    .. math::
        \text{closing} = \text{opening} + \text{collections} + \text{taken over} + \text{transferred}
        - \text{earned} - \text{breakage} - \text{refunds paid} - \text{fees} - \text{gain} + \text{excess}

    Opening and closing are liability less contract asset. One row a period, or a period and group.

    Attributes:
        period: ``"month"`` or another calendar period.
        as_of: Last day of the book; the last period is complete when it ends on that day.
        by: What the groups are, or ``None``.
        starts: First day of the period of each row.
        groups: Group of each row, or ``None``.
        collections: Money received for packages.
        taken_over: Unearned value of packages from an older book.
        transferred: Value that came with packages of other groups, below 0 went with them.
        earned: Money worked off: the price of what was delivered.
        breakage: Value of sessions that will not be used, as income.
        refunds_paid: Money paid back.
        refund_fees: Fees kept of refunds.
        refund_gain: What else was not paid back of the value of refunded packages.
        refund_excess: What was paid back above that value, a cost.
        delivery_cost: Cost of the sessions and visits delivered.
        commission: Commission paid out.
        opening: Liability less contract asset when the period opened.
        liability: Owed to customers (or third parties) when it closed.
        contract_asset: Owed by customers then, for what was delivered and is not paid.
        escheat: The part of the liability that is owed to third parties.
        sessions_sold: Sessions sold.
        sessions_taken_over: Sessions left of packages from an older book.
        sessions_transferred: Sessions that came with packages of other groups.
        sessions_delivered: Sessions used, less those taken back.
        sessions_expired: Sessions expired.
        sessions_refunded: Sessions given back.
        sessions_outstanding: Sessions left at the close.
        term_visits: Visits within terms, which are not counted in sessions.

    References:
        IFRS 15, 116-118 on contract balances; IFRS 15, B44-B47.
    """

    period: Period
    as_of: dt.date
    by: str | None
    starts: tuple[dt.date, ...]
    groups: tuple[Hashable, ...] | None
    collections: IntArray
    taken_over: IntArray
    transferred: IntArray
    earned: IntArray
    breakage: IntArray
    refunds_paid: IntArray
    refund_fees: IntArray
    refund_gain: IntArray
    refund_excess: IntArray
    delivery_cost: IntArray
    commission: IntArray
    opening: IntArray
    liability: IntArray
    contract_asset: IntArray
    escheat: IntArray
    sessions_sold: IntArray
    sessions_taken_over: IntArray
    sessions_transferred: IntArray
    sessions_delivered: IntArray
    sessions_expired: IntArray
    sessions_refunded: IntArray
    sessions_outstanding: IntArray
    term_visits: IntArray

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, *AMOUNTS)

    @property
    def labels(self) -> list[str]:
        """Each row's period by name, such as ``"2026-10"``."""
        return [label(opened, self.period) for opened in self.starts]

    @property
    def earned_ratio(self) -> FloatArray:
        r"""Money earned for every unit that was collected in the same period; NaN where nothing was.

        .. math:: \text{earned} / \text{collections}

        Below 1 the money in hand grows faster than the work behind it; above 1 old promises are kept.

        References:
            IFRS 15, B44: a prepayment is a liability until the service is delivered.
        """
        some = self.collections > 0
        ratio: FloatArray = np.divide(self.earned, self.collections, out=np.full(len(some), np.nan), where=some)
        return ratio

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values; ``earned_ratio`` is ``None`` where nothing was collected."""
        return {
            "period": self.period,
            "as_of": self.as_of.isoformat(),
            "by": self.by,
            "periods": self.labels,
            "groups": None if self.groups is None else list(self.groups),
            "earned_ratio": [None if ratio != ratio else ratio for ratio in self.earned_ratio.tolist()],
        } | {name: getattr(self, name).tolist() for name in AMOUNTS}

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a period (and group), as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        columns: dict[str, Any] = {"period": self.labels}
        if self.groups is not None and self.by is not None:
            columns[self.by] = list(self.groups)
        columns["earned_ratio"] = self.earned_ratio
        return columns_to_frame(columns | {name: getattr(self, name) for name in AMOUNTS}, backend)

    def __str__(self) -> str:
        """The main columns as text; ``ratio`` is :attr:`earned_ratio`."""
        columns: dict[str, list[Any]] = {"period": self.labels}
        if self.groups is not None and self.by is not None:
            columns[self.by] = [str(group) for group in self.groups]
        columns["ratio"] = self.earned_ratio.tolist()
        shown = {"collections": "collected", "earned": "earned", "breakage": "breakage", "delivery_cost": "cost"}
        shown |= {"liability": "liability", "refunds_paid": "refunds", "sessions_outstanding": "sessions"}
        columns |= {title: getattr(self, name).tolist() for name, title in shown.items()}
        return text_table(columns)


AMOUNTS = tuple(each.name for each in fields(RollForward))[5:]


def periods_until(first: int, as_of: dt.date, period: Period, week_start: Weekday) -> tuple[list[dt.date], IntArray]:
    """The first days of the periods from that of a day to that of ``as_of``, and their last days as ordinals."""
    opened = period_of(dt.date.fromordinal(first), period, week_start)
    periods = range(opened, period_of(as_of, period, week_start) + 1)
    ends = np.array([last_day(each, period, week_start).toordinal() for each in periods])
    ends[-1] = as_of.toordinal()
    return [first_day(each, period, week_start) for each in periods], ends


def roll(sums: Sums, *, period: Period, as_of: dt.date, starts: Sequence[dt.date], by: str | None) -> RollForward:
    """The roll-forward of movements that are added up; groups in which nothing ever moved are left out."""
    moved, asset = sums.moved, sums.contract_asset
    net, left = np.cumsum(owed(moved), axis=1), np.cumsum(outstanding(moved), axis=1)
    columns = moved | {
        "opening": net - owed(moved),
        "liability": net + asset,
        "contract_asset": asset,
        "escheat": np.cumsum(moved["escheat"], axis=1),
        "sessions_outstanding": left,
    }
    some = np.flatnonzero(np.any([each.any(axis=1) for each in columns.values()], axis=0) | (by is None)).tolist()
    return RollForward(
        period=period,
        as_of=as_of,
        by=by,
        starts=tuple(each for each in starts for _ in some),
        groups=None if by is None else tuple(sums.groups[each] for _ in starts for each in some),
        **{name: columns[name][some].T.ravel() for name in AMOUNTS},
    )
