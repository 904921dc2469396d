"""What comes of packages of one kind, counted: sessions and money by period and path."""

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from retention_metrics._typing import IntArray
from retention_metrics.cashflow._flows import AMOUNTS, Flows
from retention_metrics.cashflow._start import Start
from retention_metrics.cashflow._terms import PackageTerms


class Tally:
    """Sessions and money of packages of one kind, of shape (periods, paths).

    Args:
        terms: The money.
        start: Packages live before the first period.
        sold: Packages sold, of shape (periods, paths).
        order: How deliveries lie in memory: ``"C"`` when they come period by period, ``"F"`` path by path.
    """

    def __init__(self, terms: PackageTerms, start: Start, sold: Any, order: Literal["C", "F"] = "C") -> None:
        self.terms, self.sold = terms, sold
        live = start.by_sessions()
        left = np.arange(1, live.size + 1)
        self._sessions, self._owed = live @ left, live @ terms.owed[: live.size]
        shape, dtype = sold.shape, sold.dtype
        self.delivered, self._extra = (np.zeros(shape, dtype, order) for _ in range(2))
        self.refunded, self.expired = np.zeros((2, *shape), dtype)
        self.breakage, self.refunds_paid, self.refund_fees = (np.zeros(shape, dtype) for _ in range(3))
        self._least = int(terms.earned.min())
        # What is owed on a package and paid back of that, by period and sessions left less one.
        always = (len(sold), terms.sessions)
        self._closing = np.broadcast_to(terms.owed, always), np.broadcast_to(terms.paid_back, always)
        self._opening = self._closing

    def deliver(self, left: IntArray, sessions: Any, at: Any) -> None:
        """Sessions delivered in some periods and paths, the first axis by how many were ``left`` before each."""
        self.delivered[at] += sessions[0] if len(sessions) == 1 else sessions.sum(axis=0)
        extra = self.terms.earned[left - 1] - self._least
        if extra.any():
            self._extra[at] += _weighed(extra, sessions)

    def give_back(self, left: IntArray, packages: Any, at: int) -> None:
        """Packages given back in a period, the first axis by how many sessions are ``left``."""
        self.refunded[at] += _weighed(left, packages)
        self._pay_back(_looked_up(self._closing, at, left), packages, at)

    def expire(self, left: IntArray, packages: Any, at: int) -> None:
        """Packages that expire at the beginning of a period, the first axis by how many sessions are ``left``."""
        self.expired[at] += _weighed(left, packages)
        worth = _looked_up(self._opening, at, left)
        if self.terms.forfeits:
            self.breakage[at] += _weighed(worth[0], packages)
        else:
            self._pay_back(worth, packages, at)

    def give_back_singly(self, left: int, at: tuple[IntArray, IntArray]) -> None:
        """Packages given back one by one in some periods, on some paths, with ``left`` sessions each."""
        np.add.at(self.refunded, at, left)
        self._pay_back_singly(_looked_up(self._closing, at[0], left), at)

    def expire_singly(self, left: int, at: tuple[IntArray, IntArray]) -> None:
        """Packages that expire one by one."""
        np.add.at(self.expired, at, left)
        worth = _looked_up(self._opening, at[0], left)
        if self.terms.forfeits:
            np.add.at(self.breakage, at, worth[0])
        else:
            self._pay_back_singly(worth, at)

    def _pay_back_singly(self, worth: tuple[Any, Any], at: tuple[IntArray, IntArray]) -> None:
        owed, paid = worth
        np.add.at(self.refunds_paid, at, paid)
        if np.any(owed > paid):
            np.add.at(self.refund_fees, at, owed - paid)

    def _pay_back(self, worth: tuple[Any, Any], packages: Any, at: int) -> None:
        owed, paid = worth
        self.refunds_paid[at] += _weighed(paid, packages)
        kept = owed - paid
        if kept.any():
            self.refund_fees[at] += _weighed(kept, packages)

    def finish(self) -> None:
        """Nothing comes any more: lay everything out period by period."""
        self.delivered, self._extra = np.ascontiguousarray(self.delivered), np.ascontiguousarray(self._extra)

    @property
    def collections(self) -> Any:
        """Money received."""
        return self.sold * self.terms.price

    @property
    def commission(self) -> Any:
        """Commission paid out."""
        return self.sold * self.terms.commission

    @property
    def earned(self) -> Any:
        """Money worked off."""
        return self.delivered * self._least + self._extra

    @property
    def delivery_cost(self) -> Any:
        """Cost of the sessions delivered."""
        return self.delivered * self.terms.cost

    @property
    def outstanding(self) -> Any:
        """Sessions outstanding at the end of each period."""
        moved = self.sold * self.terms.sessions - self.delivered - self.refunded - self.expired
        return np.cumsum(moved, axis=0) + self._sessions

    @property
    def liability(self) -> Any:
        """What is owed at the end of each period."""
        settled = self.earned + self.breakage + self.refunds_paid + self.refund_fees
        return np.cumsum(self.collections - settled, axis=0) + self._owed

    @property
    def cost_outstanding(self) -> Any:
        """What delivering the sessions outstanding will cost."""
        return self.outstanding * self.terms.cost


def flows_of(tallies: Iterable[Tally]) -> Flows:
    """The money of all kinds of packages together; no more than two tallies are kept at a time."""
    amounts: dict[str, Any] = {}
    for each in tallies:
        for name in AMOUNTS:
            values = getattr(each, name)
            if name in amounts:
                amounts[name] += values
            else:
                amounts[name] = values
    for values in amounts.values():
        values.flags.writeable = False
    return Flows(**amounts)


def _looked_up(tables: tuple[IntArray, IntArray], period: Any, left: Any) -> tuple[Any, Any]:
    owed, paid_back = tables
    return owed[period, left - 1], paid_back[period, left - 1]


def _weighed(weights: IntArray, counts: Any) -> Any:
    return counts[0] * weights[0] if weights.size == 1 else np.tensordot(weights, counts, 1)
