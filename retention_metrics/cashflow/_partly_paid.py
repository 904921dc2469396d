"""Packages that are not paid in full when the forecast begins: what is still to come, and what is owed meanwhile."""

from typing import Any, Literal

import numpy as np

from retention_metrics._typing import IntArray
from retention_metrics.cashflow._start import Start
from retention_metrics.cashflow._tally import Tally
from retention_metrics.cashflow._terms import PackageTerms, given_back
from retention_metrics.prepaid._money import part_of


class PartlyPaid(Tally):
    """A tally of packages of which a part of the price is still to be paid, or never will be.

    What a package owes is what was paid and is not worked off, never less than nothing: what one customer has to pay
    is not set off against what is owed to another. Who has given the package back, or let it expire, pays no more; who
    has used it up does.
    """

    def __init__(self, terms: PackageTerms, start: Start, sold: Any, order: Literal["C", "F"] = "C") -> None:
        super().__init__(terms, start, sold, order)
        self._live, self._payers = start.by_sessions(), start.packages + start.used_up
        self._paid: IntArray = np.zeros(len(sold), np.int64)
        for period, amount in terms.payments:
            if period < len(sold):
                self._paid[period] += amount
        unpaid = terms.unpaid - np.cumsum(self._paid)
        self._closing = given_back(terms.plan, terms.price, terms.owed, unpaid)
        self._opening = given_back(terms.plan, terms.price, terms.owed, unpaid + self._paid)
        self._used, self._ended = np.zeros((2, terms.sessions, *sold.shape), sold.dtype)
        self._lapsed = np.zeros(sold.shape, sold.dtype)

    def deliver(self, left: IntArray, sessions: Any, at: Any) -> None:
        """Sessions delivered."""
        super().deliver(left, sessions, at)
        for place, counts in zip((left - 1).tolist(), sessions, strict=True):
            self._used[place][at] += counts

    def give_back(self, left: IntArray, packages: Any, at: int) -> None:
        """Packages given back."""
        super().give_back(left, packages, at)
        self._ended[left - 1, at] += packages

    def expire(self, left: IntArray, packages: Any, at: int) -> None:
        """Packages that expire."""
        super().expire(left, packages, at)
        self._ended[left - 1, at] += packages
        self._lapsed[at] += packages.sum(axis=0)

    def give_back_singly(self, left: int, at: tuple[IntArray, IntArray]) -> None:
        """Packages given back one by one."""
        super().give_back_singly(left, at)
        np.add.at(self._ended[left - 1], at, 1)

    def expire_singly(self, left: int, at: tuple[IntArray, IntArray]) -> None:
        """Packages that expire one by one."""
        super().expire_singly(left, at)
        np.add.at(self._ended[left - 1], at, 1)
        np.add.at(self._lapsed, at, 1)

    @property
    def collections(self) -> Any:
        """What comes in from those who still hold their package, or have used it up."""
        return self._paid[:, None] * self._paying()

    @property
    def commission(self) -> Any:
        """The commission on that."""
        return part_of(self._paid, self.terms.plan.commission_bps)[:, None] * self._paying()

    @property
    def liability(self) -> Any:
        """What is owed at the end of each period: package by package, never below 0."""
        moved = -self._used - self._ended
        moved[:-1] += self._used[1:]
        live = np.cumsum(moved, axis=1) + self._live[:, None, None]
        return np.einsum("rtp,tr->tp", live, self._closing[0])

    def _paying(self) -> Any:
        """Packages that are paid for in each period when something is due."""
        ended = self._ended.sum(axis=0)
        return self._payers - (np.cumsum(ended, axis=0) - ended + self._lapsed)


def tally_of(terms: PackageTerms, start: Start, sold: Any, order: Literal["C", "F"] = "C") -> Tally:
    """The tally that goes with the terms; what is partly paid is not sold in the forecast."""
    return PartlyPaid(terms, start, sold, order) if terms.unpaid else Tally(terms, start, sold, order)
