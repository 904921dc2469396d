"""When packages are used: their visits, refunds and silences by whole periods, as far as the book has seen them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from retention_metrics._periods import periods_of
from retention_metrics._typing import BoolArray, IntArray, Period
from retention_metrics.prepaid._book import Book, rights_left
from retention_metrics.prepaid._columns import EXPIRY, FREEZE, REFUND, VISIT, VOID
from retention_metrics.prepaid._ledger import Ledger
from retention_metrics.prepaid._packages import NEVER


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Trials of packages with sessions left, and what came of them, by period and by periods of silence before.

    Attributes:
        first: Running number of the first period.
        exposure: Trials, of shape (periods, buckets); the last bucket is open-ended.
        visits: Trials with a visit.
        refunds: Trials with a refund.
        used: Visits that used 1, 2, ... sessions and left some.
        used_up: Visits that used the last 1, 2, ... sessions, of a customer who might have used more.
    """

    first: int
    exposure: IntArray
    visits: IntArray
    refunds: IntArray
    used: IntArray
    used_up: IntArray


FOR_EVER = -1
"""Trials of a package that does not expire."""


@dataclass(frozen=True, slots=True, eq=False)
class LivePackages:
    """Packages with sessions left, or used up and not paid in full; one a place in each array, money in minor units.

    Attributes:
        opens: Running number of the first period that is not over at the end of the book.
        name: Id of the package.
        plan: Place of the plan among those of the ledger.
        price: Price, or the value that was taken over.
        sessions: Sessions that it held.
        left: Sessions left.
        silent: Whole periods without activity so far.
        rests: Periods to come without a trial: those with frozen days, and one in which it has been visited already.
        trials: Periods to come in which it is usable to their end, those without a trial included; :data:`FOR_EVER`.
        waits: Whether its validity counts from a first visit that has yet to come.
        unpaid: What is still to be paid of the price.
        liability: What is owed on it.
        cost: What a session costs to deliver.
    """

    opens: int
    name: NDArray[np.object_]
    plan: IntArray
    price: IntArray
    sessions: IntArray
    left: IntArray
    silent: IntArray
    rests: IntArray
    trials: IntArray
    waits: BoolArray
    unpaid: IntArray
    liability: IntArray
    cost: IntArray


def trials_of(ledger: Ledger, step: Period, buckets: int) -> Trials:
    """Count the trials of a book: each package and complete period in which it has sessions and is not frozen.

    The first trial is in the period of the sale. The silence before a trial is counted in trials since the sale or the
    last visit. A refund comes before a visit of the same period. The period in which a package expires counts when it
    is usable to its end. A package that was taken over from an older book has no trials before its first visit, since
    its silence is not known.
    """
    return _Histories(ledger._book, step).trials(buckets)


def live_packages(ledger: Ledger, step: Period) -> LivePackages:
    """The packages with sessions left, for how many periods they have been silent, and for how many they will last.

    A period that is not over at the end of the book has not been silent yet, and frozen periods are not silent either.
    """
    made = ledger._book
    packages, standing = made.packages, made.replay.standing
    left, unpaid = rights_left(made), packages.price - standing.paid
    lost = standing.expired & (standing.used < packages.sessions)
    closed = lost | standing.refunded | packages.term
    some = np.flatnonzero((left > 0) | (~closed & (unpaid > 0)))
    histories = _Histories(made, step)
    balance = standing.paid - standing.earned - standing.settled - standing.breakage
    expires = standing.dates.expires
    closes = np.maximum(expires + ledger._options.rules.grace_days, packages.posted)
    lasting = periods_of(np.where(expires < NEVER, closes, made.as_of) + 1, step) - (histories.end + 1)
    return LivePackages(
        opens=histories.end + 1,
        name=made.columns.packages[packages.code[some]],
        plan=packages.plan[some],
        price=packages.price[some],
        sessions=packages.sessions[some],
        left=left[some],
        silent=histories.silent()[some],
        rests=histories.rests()[some],
        trials=np.where(expires < NEVER, lasting, FOR_EVER)[some],
        waits=(packages.waits & (standing.dates.start == NEVER))[some],
        unpaid=unpaid[some],
        liability=np.maximum(balance, 0)[some],
        cost=packages.cost[some],
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Stretches:
    """Trials on end of a package, in periods on end: ``length`` of them from ``start``, the first after ``silent``."""

    start: IntArray
    silent: IntArray
    length: IntArray
    known: BoolArray
    visit: BoolArray
    refund: BoolArray

    def ends(self, how: BoolArray) -> tuple[IntArray, IntArray]:
        """Period and silence of the last trials of some stretches."""
        some = how & self.known
        return (self.start + self.length - 1)[some], (self.silent + self.length - 1)[some]


class _Histories:
    """Packages of sessions by periods; a visit or a freeze ends one stretch of trials and opens the next."""

    def __init__(self, made: Book, step: Period) -> None:
        self.made, self.step, self.packages = made, step, made.packages
        self.sold = periods_of(made.packages.day, step)
        self.end = int(periods_of(np.array([made.as_of + 1]), step)[0]) - 1
        self.first = int(self.sold.min(initial=self.end))

    @cached_property
    def visited(self) -> tuple[IntArray, IntArray, IntArray]:
        """Package, period and number of the visits that stand, in order."""
        timeline, booked = self.made.replay.timeline, self.made.booked
        void = np.zeros(len(self.made.columns), bool)
        void[booked.target[timeline.event[timeline.of_kind(VOID)]]] = True
        rows = timeline.of_kind(VISIT)
        rows = rows[~void[timeline.event[rows]] & ~self.packages.term[timeline.package[rows]]]
        which = timeline.package[rows]
        period = periods_of(booked.day[timeline.event[rows]], self.step)
        key, count = np.unique(self._key(which, period), return_counts=True)
        return *self._unpacked(key), count

    @cached_property
    def frozen(self) -> tuple[IntArray, IntArray]:
        """Packages and periods with frozen days, in order."""
        timeline = self.made.replay.timeline
        rows = timeline.of_kind(FREEZE)
        rows = rows[~self.packages.term[timeline.package[rows]]]
        which, event = timeline.package[rows], timeline.event[rows]
        opens = periods_of(self.made.columns.day[event], self.step)
        closes = np.minimum(periods_of(self.made.columns.until[event], self.step), self.end)
        counts = np.maximum(closes - opens + 1, 0)
        number = np.repeat(np.arange(len(rows)), counts)
        offset = np.arange(len(number)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self._unpacked(np.unique(self._key(which[number], opens[number] + offset)))

    def silent(self) -> IntArray:
        """Whole periods without activity of each package at the end of the book."""
        resumes = self.sold.copy()
        which, period, _ = self.visited
        np.maximum.at(resumes, which, period + 1)
        which, period = self.frozen
        rests = np.bincount(which[period >= resumes[which]], minlength=len(self.packages))
        silent: IntArray = np.maximum(self.end - resumes + 1 - rests, 0)
        return silent

    def rests(self) -> IntArray:
        """Periods after the last whole one in which each package has no trial: it is frozen, or was visited already."""
        until = np.array(periods_of(self.made.replay.standing.dates.frozen_until, self.step))
        which, period, _ = self.visited
        np.maximum.at(until, which, period)
        rests: IntArray = np.maximum(until - self.end, 0)
        return rests

    def trials(self, buckets: int) -> Trials:
        """See :func:`trials_of`."""
        last, given_back = self._last_periods()
        which, period, count = self.visited
        seen = (period <= last[which]) & ~(given_back[which] & (period == last[which]))
        which, period, count = which[seen], period[seen], count[seen]
        before = self._left_before(which, count)
        out = count >= before
        last[which[out]] = period[out]
        stretches = self._stretches(which, period, last, given_back)
        periods = self.end - self.first + 1
        exposure = self._exposure(stretches, periods, buckets)
        frozen = np.isin(self._key(which, period), self._key(*self.frozen))
        visits, refunds = (
            self._counted(*stretches.ends(how), periods, buckets) for how in (stretches.visit, stretches.refund)
        )
        partly, fully = count[~out & ~frozen], before[out & ~frozen]
        sizes = int(max(partly.max(initial=0), fully.max(initial=0))) + 1
        return Trials(
            first=self.first,
            exposure=exposure,
            visits=visits,
            refunds=refunds,
            used=np.bincount(partly, minlength=sizes)[1:],
            used_up=np.bincount(fully, minlength=sizes)[1:],
        )

    def _key(self, which: IntArray, period: IntArray) -> IntArray:
        key: IntArray = which * 2**32 + (period - self.first)
        return key

    def _unpacked(self, key: IntArray) -> tuple[IntArray, IntArray]:
        return key // 2**32, key % 2**32 + self.first

    def _last_periods(self) -> tuple[IntArray, BoolArray]:
        """The last period in which each package has a trial, if its sessions last, and whether it ends in a refund."""
        timeline = self.made.replay.timeline
        last = np.where(self.packages.term, self.sold - 1, self.end)
        refunds = timeline.of_kind(REFUND)
        asked = refunds[timeline.event[refunds] >= 0]
        due = np.append(timeline.of_kind(EXPIRY), refunds[timeline.event[refunds] < 0])
        ended = timeline.day[due]
        np.minimum.at(last, timeline.package[due], periods_of(ended + 1, self.step) - 1)
        period = periods_of(self.made.booked.day[timeline.event[asked]], self.step)
        here = (period <= self.end) & ~self.packages.term[timeline.package[asked]]
        which = timeline.package[asked][here]
        last[which] = period[here]
        given_back = np.zeros(len(self.packages), bool)
        given_back[which] = True
        return last, given_back

    def _left_before(self, which: IntArray, count: IntArray) -> IntArray:
        """Sessions left before each visit."""
        total = np.cumsum(count) - count
        opens = np.append(True, which[1:] != which[:-1])[: len(which)]
        at_open = total[opens][np.cumsum(opens) - 1] if which.size else total
        left: IntArray = self.packages.sessions[which] - (total - at_open)
        return left

    def _stretches(self, which: IntArray, period: IntArray, last: IntArray, given_back: BoolArray) -> _Stretches:
        """Trials between one visit or frozen period and the next, and to the last period of each package."""
        held, rests = self.frozen
        inside = (rests >= self.sold[held]) & (rests <= last[held])
        key = np.append(self._key(which, period), self._key(held[inside], rests[inside]))
        key, place = np.unique(key, return_inverse=True)
        visit, frozen = np.zeros(len(key), bool), np.zeros(len(key), bool)
        visit[place[: len(which)]] = True
        frozen[place[len(which) :]] = True

        # Each package has one stretch more than it has visits and frozen periods: the last one stays open.
        packages = np.arange(len(self.packages))
        tails = np.searchsorted(key, (packages + 1) * 2**32)
        marked, ended = self._unpacked(key)
        marks, until = np.insert(marked, tails, packages), np.insert(ended, tails, last)
        visit, frozen = np.insert(visit, tails, False), np.insert(frozen, tails, False)
        tail = np.zeros(len(marks), bool)
        tail[tails + packages] = True
        opens = np.append(True, tail[:-1])[: len(tail)]
        start = np.where(opens, self.sold[marks], np.append(0, until[:-1] + 1)[: len(until)])
        length = np.maximum(until - frozen - start + 1, 0)

        # Silence adds up over stretches until a visit; of a package that was taken over it is unknown until the first.
        fresh = opens | np.append(False, visit[:-1])[: len(visit)]
        since = np.maximum.accumulate(np.where(fresh, np.arange(len(length)), 0))
        before = np.cumsum(length) - length
        known = ~opens[since] | ~self.packages.taken_over[marks]
        return _Stretches(
            start=start,
            silent=before - before[since],
            length=length,
            known=known & (length > 0),
            visit=visit & ~frozen,
            refund=tail & given_back[marks],
        )

    def _exposure(self, stretches: _Stretches, periods: int, buckets: int) -> IntArray:
        """Trials by period and bucket; those of the open bucket are what the others leave."""
        some = stretches.known
        start, silent, length = stretches.start[some] - self.first, stretches.silent[some], stretches.length[some]
        change = np.bincount(start, minlength=periods + 1) - np.bincount(start + length, minlength=periods + 1)
        exposure = np.zeros((periods, buckets), np.int64)
        for g in range(buckets - 1):
            there = (silent <= g) & (g < silent + length)
            exposure[:, g] = np.bincount((start + g - silent)[there], minlength=periods)
        exposure[:, -1] = np.cumsum(change)[:periods] - exposure[:, :-1].sum(axis=1)
        return exposure

    def _counted(self, period: IntArray, silent: IntArray, periods: int, buckets: int) -> IntArray:
        cell = (period - self.first) * buckets + np.minimum(silent, buckets - 1)
        return np.bincount(cell, minlength=periods * buckets).reshape(periods, buckets)
