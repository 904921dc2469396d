"""The replay: what every event moves, in whole minor units, for all packages at once."""

from dataclasses import dataclass

import numpy as np

from retention_metrics._typing import BoolArray, IntArray
from retention_metrics.prepaid._breakage import rates_on, recognised
from retention_metrics.prepaid._columns import (
    EXPIRY,
    FREEZE,
    INSTALMENT,
    MISSING,
    OPENING,
    PURCHASE,
    REFUND,
    REMOTE,
    TRANSFER,
    VISIT,
    VOID,
    Columns,
    picked,
)
from retention_metrics.prepaid._due import SIGNS, Dates, dates_of, falls_due
from retention_metrics.prepaid._money import earned_by, part_of
from retention_metrics.prepaid._packages import DORMANT, IN_PROPORTION, NEVER, ON_EXPIRY, Packages
from retention_metrics.prepaid._plan import PackagePlan
from retention_metrics.prepaid._terms import Stretches, make_stretches, run_days
from retention_metrics.prepaid._timeline import Timeline


@dataclass(frozen=True, slots=True, eq=False)
class Postings:
    """Movements: when, in which package, of which owner, and the amounts by name."""

    day: IntArray
    package: IntArray
    owner: IntArray
    amounts: dict[str, IntArray]


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """How packages stand at the end of the replay, one a place in each array."""

    dates: Dates
    owner: IntArray
    used: IntArray
    paid: IntArray
    earned: IntArray
    settled: IntArray
    breakage: IntArray
    escheat: IntArray
    expired: BoolArray
    refunded: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """Every movement, the days over which terms earn, and how packages stand."""

    postings: tuple[Postings, ...]
    stretches: Stretches
    timeline: Timeline
    owner: IntArray
    standing: Standing


def replay(
    columns: Columns,
    packages: Packages,
    timeline: Timeline,
    plans: tuple[PackagePlan, ...],
    undone: BoolArray,
    *,
    as_of: int,
    grace_days: int,
) -> Replay:
    """Replay the events that count; validity does not count from visits that were ``undone``."""
    dates = dates_of(columns, packages, timeline, undone)
    due = falls_due(columns, packages, timeline, plans, dates, as_of=as_of, grace_days=grace_days)
    return _Replaying(columns, packages, timeline.with_due(*due), dates, plans).run(as_of)


class _Replaying:
    """Running values of all packages, row by row; what a book has no use for is not computed."""

    def __init__(
        self,
        columns: Columns,
        packages: Packages,
        timeline: Timeline,
        dates: Dates,
        plans: tuple[PackagePlan, ...],
    ) -> None:
        self.columns, self.packages, self.timeline, self.dates, self.plans = columns, packages, timeline, dates, plans
        self.owner = timeline.owners(columns, packages)
        self.refunds, self.expiries = timeline.of_kind(REFUND), timeline.of_kind(EXPIRY)
        self.instalments = timeline.of_kind(INSTALMENT)
        self.step = (timeline.kind == VISIT).astype(np.int64)
        self.step[timeline.of_kind(VOID)] = -1
        self.used = timeline.running(self.step)
        self.delivered = packages.earned(timeline.package, self.used)
        self.at_sale = np.where(packages.taken_over, packages.price, packages.cash)
        self.paid_later = self._from_some(self.instalments, columns.amount[timeline.event[self.instalments]])
        self.of_terms = self._earned_by_terms()
        self.settled: IntArray | None = None

    def run(self, as_of: int) -> Replay:
        timeline, packages = self.timeline, self.packages
        postings = [self._visits(), self._payments(), self._give_back()]
        breakage, escheat, expired = self._broken()
        postings += [self._broken_postings(breakage, escheat, expired), self._transfers(breakage)]
        stretches = self._stretches(as_of)
        closes = timeline.closes
        earned = self.delivered[closes]
        np.add.at(earned, stretches.package, stretches.earned_until(as_of))
        standing = Standing(
            dates=self.dates,
            owner=self.owner[closes],
            used=self.used[closes],
            paid=self._paid(closes),
            earned=earned,
            settled=np.zeros(len(packages), np.int64) if self.settled is None else self.settled[closes],
            breakage=breakage[closes],
            escheat=escheat[closes],
            expired=self._have(self.expiries),
            refunded=self._have(self.refunds),
        )
        return Replay(tuple(postings), stretches, timeline, self.owner, standing)

    def _from_some(self, rows: IntArray, amounts: IntArray) -> IntArray | None:
        """The running total of what some rows add; ``None`` when there are none."""
        if not rows.size:
            return None
        values = np.zeros(len(self.timeline), np.int64)
        values[rows] = amounts
        return self.timeline.running(values)

    def _have(self, rows: IntArray) -> BoolArray:
        """Packages that have one of some rows."""
        found = np.zeros(len(self.packages), bool)
        found[self.timeline.package[rows]] = True
        return found

    def _paid(self, at: IntArray) -> IntArray:
        """What has been paid by some rows."""
        paid: IntArray = self.at_sale[self.timeline.package[at]]
        return paid if self.paid_later is None else paid + self.paid_later[at]

    def _balance(self, at: IntArray) -> IntArray:
        """What has been paid, and neither earned nor given back, by some rows; below 0 the customer owes."""
        balance = self._paid(at) - self.delivered[at]
        for part in (self.of_terms, self.settled):
            if part is not None:
                balance -= part[at]
        return balance

    def _left(self, at: IntArray) -> IntArray:
        """Sessions not used by some rows."""
        which = self.timeline.package[at]
        return np.where(self.packages.term[which], 0, self.packages.sessions[which] - self.used[at])

    def _visits(self) -> Postings:
        timeline, packages = self.timeline, self.packages
        which, step = timeline.package, self.step
        amounts = {"earned": timeline.change(self.delivered), "sessions_delivered": step}
        if packages.cost.any():
            amounts["delivery_cost"] = step * picked(packages.cost, which)
        if packages.term.any():
            in_term = packages.term[which]
            amounts |= {"sessions_delivered": np.where(in_term, 0, step), "term_visits": np.where(in_term, step, 0)}
        return Postings(timeline.day, which, self.owner, amounts)

    def _payments(self) -> Postings:
        packages, timeline = self.packages, self.timeline
        sales = np.arange(len(packages))
        over = packages.taken_over
        later = self.instalments
        which = np.append(sales, timeline.package[later])
        received = np.append(np.where(over, 0, packages.cash), self.columns.amount[timeline.event[later]])
        none = np.zeros(len(later), np.int64)
        rows = np.append(timeline.opens, later)
        return Postings(
            timeline.day[rows],
            which,
            self.owner[rows],
            {
                "collections": received,
                "taken_over": np.append(np.where(over, packages.price, 0), none),
                "commission": np.append(np.where(over, 0, packages.commission), none)
                + part_of(received, packages.commission_bps[which]),
                "sessions_sold": np.append(np.where(over, 0, packages.sessions), none),
                "sessions_taken_over": np.append(np.where(over, packages.sessions, 0), none),
            },
        )

    def _give_back(self) -> Postings:
        """What refunds move; from then on their value is settled."""
        at, timeline = self.refunds, self.timeline
        which, event = timeline.package[at], timeline.event[at]
        value = np.maximum(self._balance(at), 0)
        asked = np.where(event < 0, MISSING, self.columns.amount[event])
        payout, fee, gain, excess = self.packages.refund_terms(
            which, paid=self._paid(at), value=value, used=self.used[at], asked=asked
        )
        self.settled = self._from_some(at, value)
        amounts = {"refunds_paid": payout, "refund_fees": fee, "refund_gain": gain, "refund_excess": excess}
        return Postings(timeline.day[at], which, self.owner[at], amounts | {"sessions_refunded": self._left(at)})

    def _broken(self) -> tuple[IntArray, IntArray, IntArray]:
        """Breakage to date, value owed to third parties, and expired sessions, after each row."""
        timeline, packages = self.timeline, self.packages
        breakage, escheat, expired = (np.zeros(len(timeline), np.int64) for _ in range(3))
        if (packages.method == IN_PROPORTION).any():
            some = np.flatnonzero(packages.method[timeline.package] == IN_PROPORTION)
            rates = rates_on(self.plans, packages.plan[timeline.package[some]], timeline.day[some])
            breakage[some] = self._kept(some, recognised(self.delivered[some], self._balance(some), rates))
        if (packages.method == DORMANT).any():
            telling = timeline.last_of(timeline.of_kind(REMOTE, *SIGNS))
            silent = (timeline.kind[telling] == REMOTE) & (packages.method[timeline.package] == DORMANT)
            some = np.flatnonzero(silent)
            breakage[some] = self._kept(some, np.maximum(self._balance(some), 0))
        if self.refunds.size and (packages.method != ON_EXPIRY).any():
            breakage[timeline.last_of(self.refunds) >= 0] = 0
        if self.expiries.size:
            some = np.flatnonzero(timeline.last_of(self.expiries) >= 0)
            owed = np.maximum(self._balance(some), 0)
            breakage[some] = self._kept(some, owed)
            escheat[some] = owed - breakage[some]
            expired[some] = self._left(some)
        return breakage, escheat, expired

    def _kept(self, at: IntArray, unused: IntArray) -> IntArray:
        """What is not owed to a third party of value that is not used, by some rows."""
        kept: IntArray = unused - part_of(unused, self.packages.escheat_bps[self.timeline.package[at]])
        return kept

    def _broken_postings(self, breakage: IntArray, escheat: IntArray, expired: IntArray) -> Postings:
        timeline = self.timeline
        values = {"breakage": breakage, "escheat": escheat, "sessions_expired": expired}
        at = timeline.opens[:0]
        if self.expiries.size or (self.packages.method != ON_EXPIRY).any():
            values = {name: timeline.change(each) for name, each in values.items()}
            at = np.flatnonzero(np.any([each != 0 for each in values.values()], axis=0))
        amounts = {name: each[at] for name, each in values.items()}
        return Postings(timeline.day[at], timeline.package[at], self.owner[at], amounts)

    def _transfers(self, breakage: IntArray) -> Postings:
        """What goes over to another customer: out of the hands of one, into those of the other."""
        timeline = self.timeline
        at = timeline.of_kind(TRANSFER)
        value, left = self._balance(at) - breakage[at - 1], self._left(at)
        return Postings(
            np.tile(timeline.day[at], 2),
            np.tile(timeline.package[at], 2),
            np.append(self.owner[at - 1], self.owner[at]),
            {"transferred": np.append(-value, value), "sessions_transferred": np.append(-left, left)},
        )

    def _earned_by_terms(self) -> IntArray | None:
        """What terms had earned before the day of each row ran out."""
        packages, timeline = self.packages, self.timeline
        runs = packages.term & (self.dates.start < NEVER)
        if not runs.any():
            return None
        some = np.flatnonzero(runs[timeline.package])
        which, freezes = timeline.package[some], timeline.of_kind(FREEZE)
        length, until = np.zeros((2, len(timeline)), np.int64)
        until[freezes] = self.columns.until[timeline.event[freezes]]
        length[freezes] = until[freezes] - self.columns.day[timeline.event[freezes]] + 1
        frozen, frozen_until = timeline.running(length)[some], timeline.latest(until)[some]
        start = self.dates.start[which]
        days = packages.term_days(which, start)
        ran = run_days(timeline.day[some] - 1, start, frozen, frozen_until, days)
        found = np.zeros(len(timeline), np.int64)
        found[some] = earned_by(packages.price[which], days, ran)
        return found

    def _stretches(self, as_of: int) -> Stretches:
        """The days on which terms run, apart from frozen ones, and by owner."""
        packages, timeline, start = self.packages, self.timeline, self.dates.start
        stop = np.minimum(self.dates.expires, as_of)
        refunded = timeline.package[self.refunds]
        stop[refunded] = np.minimum(stop[refunded], timeline.day[self.refunds] - 1)
        runs = packages.term & (start < NEVER)
        at = timeline.of_kind(PURCHASE, OPENING, FREEZE, TRANSFER) if runs.any() else timeline.opens[:0]
        at = at[runs[timeline.package[at]]]
        which, event, pause = timeline.package[at], timeline.event[at], timeline.day[at]
        begin = np.where(timeline.kind[at] == FREEZE, self.columns.until[event] + 1, pause)
        return make_stretches(
            which,
            self.owner[at],
            np.maximum(begin, start[which]),
            pause,
            stop[which],
            packages.price[which],
            packages.term_days(which, start[which]),
        )
