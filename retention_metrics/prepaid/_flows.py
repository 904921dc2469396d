"""Movements added up by group and period, in whole numbers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from retention_metrics._typing import BoolArray, IntArray
from retention_metrics.prepaid._replay import Postings
from retention_metrics.prepaid._terms import Stretches

MONEY = {
    "collections": 1,
    "taken_over": 1,
    "transferred": 1,
    "earned": -1,
    "breakage": -1,
    "refunds_paid": -1,
    "refund_fees": -1,
    "refund_gain": -1,
    "refund_excess": 1,
}
"""What raises and what lowers what is owed."""
SESSIONS = {
    "sessions_sold": 1,
    "sessions_taken_over": 1,
    "sessions_transferred": 1,
    "sessions_delivered": -1,
    "sessions_expired": -1,
    "sessions_refunded": -1,
}
OTHER = ("delivery_cost", "commission", "escheat", "term_visits")

Key = Callable[[IntArray, IntArray], IntArray]


@dataclass(frozen=True, slots=True, eq=False)
class Flows:
    """All movements of a book."""

    postings: tuple[Postings, ...]
    stretches: Stretches

    def first_day(self) -> int:
        """The first day on which anything moved."""
        return min(int(each.day.min()) for each in self.postings if each.day.size)

    def grid(self, key: Key, groups: int, ends: IntArray) -> dict[str, IntArray]:
        """Sums by name, of shape (groups, periods); ``key`` tells the group by package and owner, -1 for none.

        Args:
            key: Group of each movement.
            groups: Number of groups.
            ends: Last day of each period, ascending; the last one is not before any movement.
        """
        shape = groups, len(ends)
        found = {name: np.zeros(groups * len(ends), np.int64) for name in (*MONEY, *SESSIONS, *OTHER)}
        base = self.first_day()
        period_of = np.searchsorted(ends, np.arange(base, int(ends[-1]) + 1))
        for each in self.postings:
            cell, some = _cells(key(each.package, each.owner), period_of[each.day - base], len(ends))
            for name, amounts in each.amounts.items():
                np.add.at(found[name], cell, amounts if some is None else amounts[some])
        number, period, earned = self._accrued(ends)
        terms = self.stretches
        cell, some = _cells(key(terms.package[number], terms.owner[number]), period, len(ends))
        np.add.at(found["earned"], cell, earned if some is None else earned[some])
        return {name: sums.reshape(shape) for name, sums in found.items()}

    def _accrued(self, ends: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """What terms earn, by stretch and period."""
        terms = self.stretches
        opens, closes = np.searchsorted(ends, terms.first), np.searchsorted(ends, terms.last)
        counts = closes - opens + 1
        number = np.repeat(np.arange(len(counts)), counts)
        period = np.arange(len(number)) - np.repeat(np.cumsum(counts) - counts, counts) + opens[number]
        each = terms.take(number)
        before = np.append(ends[0] - ends[0], ends)[period]
        return number, period, each.earned_until(ends[period]) - each.earned_until(before)


def owed(sums: dict[str, IntArray]) -> IntArray:
    """What all movements leave to be owed."""
    total: IntArray = np.sum([sign * sums[name] for name, sign in MONEY.items()], axis=0)
    return total


def outstanding(sums: dict[str, IntArray]) -> IntArray:
    """The sessions that all movements leave."""
    total: IntArray = np.sum([sign * sums[name] for name, sign in SESSIONS.items()], axis=0)
    return total


def _cells(group: IntArray, period: IntArray, periods: int) -> tuple[IntArray, BoolArray | None]:
    some = group >= 0
    cell = group * periods + period
    return (cell, None) if some.all() else (cell[some], some)
