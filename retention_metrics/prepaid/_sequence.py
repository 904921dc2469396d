"""Events taken one after another where one decides about the next, for all customers at once.

A visit that names no package goes to the one that is open on that day; an event that cannot be booked is left out, and
the next one is judged without it. Customers have nothing to do with one another unless a package goes over from one to
the other, so the first event of everybody is taken, then the second of everybody, and so on: each step is a few
operations on arrays, however many customers there are.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from retention_metrics._typing import BoolArray, IntArray
from retention_metrics.prepaid._booked import Booked, Rules, UnpaidVisit
from retention_metrics.prepaid._columns import (
    EXTENSION,
    FREEZE,
    INSTALMENT,
    MISSING,
    OPENING,
    PURCHASE,
    REFUND,
    TRANSFER,
    VISIT,
    VOID,
    AnyArray,
    Columns,
    Problems,
    kind_of,
    shown,
    sorted_by,
)
from retention_metrics.prepaid._money import earned_by
from retention_metrics.prepaid._packages import NEVER, NO_REFUND, PAY_BACK, UNLIMITED, Packages
from retention_metrics.prepaid._terms import run_days


class Sequence:
    """Packages as they stand, event by event."""

    def __init__(
        self,
        columns: Columns,
        packages: Packages,
        booked: Booked,
        priced: Callable[[int], int],
        rules: Rules,
        problems: Problems,
    ) -> None:
        size = len(packages)
        self.columns, self.packages, self.booked = columns, packages, booked
        self.priced, self.rules, self.problems = priced, rules, problems
        self.bought = np.zeros(size, bool)
        self.owner = packages.customer.copy()
        self.left = np.where(packages.term, UNLIMITED, packages.sessions)
        self.used = np.zeros(size, np.int64)
        self.paid = np.where(packages.taken_over, packages.price, packages.cash)
        self.start = np.full(size, NEVER)
        self.extra = np.zeros(size, np.int64)
        self.expires = np.full(size, NEVER)
        self.frozen = np.zeros(size, np.int64)
        self.frozen_from = np.full(size, NEVER)
        self.frozen_until = np.full(size, -1)
        self.freezes: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        self.refunded = np.full(size, NEVER)
        self.owed = np.zeros(size, np.int64)
        self.done = np.zeros(len(columns), bool)
        self.voided = np.zeros(len(columns), bool)
        self.pending: defaultdict[int, list[int]] = defaultdict(list)

    def run(self, rows: IntArray, group: IntArray, package_group: IntArray, groups: int) -> None:
        """Take some events in order, those of different groups side by side."""
        columns = self.columns
        keys: list[AnyArray] = [columns.posted, columns.seq, columns.kind, self.booked.package < 0, columns.id]
        keys += [columns.package, columns.customer, columns.to, columns.target, columns.plan, columns.day]
        keys += [columns.until, columns.days, columns.amount]
        order = rows[sorted_by(group, *(key[rows] for key in keys))]
        lengths = np.bincount(group, minlength=groups)
        starts = np.cumsum(lengths) - lengths
        self.booked.turn = np.zeros(len(columns), np.int64)
        self.booked.turn[order] = np.arange(len(order)) - np.repeat(starts, lengths)
        longest_first = np.argsort(-lengths, kind="stable")
        starts, lengths = starts[longest_first], lengths[longest_first]
        self.by_group = np.argsort(package_group, kind="stable")
        self.group_edges = np.searchsorted(package_group[self.by_group], np.arange(groups + 1))
        self.group_of = np.full(len(columns), -1)
        self.group_of[rows] = group
        handlers: dict[int, Callable[[IntArray], None]] = {
            PURCHASE: self.sell,
            OPENING: self.sell,
            INSTALMENT: self.pay,
            TRANSFER: self.transfer,
            FREEZE: self.freeze,
            EXTENSION: self.extend,
            VISIT: self.visit,
            VOID: self.void,
            REFUND: self.give_back,
        }
        for turn in range(int(lengths.max(initial=0))):
            active = int(np.searchsorted(-lengths, -turn, side="left"))
            now = order[starts[:active] + turn]
            kinds = columns.kind[now]
            for kind, handle in handlers.items():
                chosen = now[kinds == kind]
                if chosen.size:
                    handle(chosen)

    def sell(self, rows: IntArray) -> None:
        which = self.booked.package[rows]
        self.bought[which] = True
        days = self.columns.day[rows]
        self._begin(which, np.where(self.packages.waits[which], NEVER, days))
        if self.rules.reconcile:
            for row, package in zip(rows.tolist(), which.tolist(), strict=True):
                self._settle(row, package)

    def pay(self, rows: IntArray) -> None:
        rows, which = self._of_owner(rows)
        amount = self.columns.amount[rows]
        rest = self.packages.price[which] - self.paid[which]
        rest_of = dict(zip(rows.tolist(), rest.tolist(), strict=True))
        rows, which = self._keep(
            rows,
            (amount <= rest) & ~self.packages.taken_over[which],
            "overpaid",
            lambda i, p: (
                f"{self.columns.amount[i]:,} is paid for {self._named(p)}, of which "
                f"{0 if self.packages.taken_over[p] else rest_of[i]:,} is not paid yet"
            ),
        )
        amount = self.columns.amount[rows]
        expired = self._expired(which, self.columns.posted[rows]) & ~self.packages.term[which]
        asset = np.where(
            self.refunded[which] < NEVER,
            self.owed[which],
            np.maximum(self.packages.earned(which, self.used[which]) - self.paid[which], 0),
        )
        closed = (self.refunded[which] < NEVER) | expired
        rows, which = self._keep(
            rows,
            ~closed | (amount <= asset),
            "overpaid",
            lambda i, p: (
                f"{self.columns.amount[i]:,} is paid for {self._named(p)}, which is closed, and is more than "
                "what was delivered and not paid"
            ),
        )
        amount = self.columns.amount[rows]
        self.paid[which] += amount
        self.owed[which] = np.maximum(self.owed[which] - amount, 0)

    def transfer(self, rows: IntArray) -> None:
        rows, which = self._open(rows)
        to = self.columns.to[rows]
        rows, which = self._keep(
            rows,
            to != self.owner[which],
            "own_package",
            lambda i, p: f"{self._named(p)} belongs to customer {self._customer(self.columns.to[i])!r} already",
        )
        self.owner[which] = self.columns.to[rows]

    def freeze(self, rows: IntArray) -> None:
        rows, which = self._open(rows)
        rows, which = self._keep(
            rows,
            self.start[which] < NEVER,
            "not_started",
            lambda _, p: (
                f"{self._named(p)} counts from its first visit, which has not been: there is nothing to freeze"
            ),
        )
        rows, which = self._keep(
            rows,
            self.columns.day[rows] <= self.expires[which],
            "after_expiry",
            lambda _, p: f"{self._named(p)} expired on {shown(self.expires[p])}: there is nothing to freeze",
        )
        rows, which = self._keep(
            rows,
            self.columns.day[rows] > self.frozen_until[which],
            "freezes_overlap",
            lambda _, p: f"{self._named(p)} is frozen until {shown(self.frozen_until[p])} already",
        )
        day, until = self.columns.day[rows], self.columns.until[rows]
        self.frozen_from[which], self.frozen_until[which] = day, until
        for package, *freeze in zip(which.tolist(), day.tolist(), until.tolist(), strict=True):
            self.freezes[package].append((freeze[0], freeze[1]))
        self.frozen[which] += until - day + 1
        self._prolong(which, until - day + 1)

    def extend(self, rows: IntArray) -> None:
        rows, which = self._open(rows)
        rows, which = self._keep(
            rows,
            ~self.packages.term[which],
            "term_extended",
            lambda _, p: (
                f"{self._named(p)} is a term: its price is earned over its days, so further days are a package "
                "of their own; sell one at price 0, or freeze this one"
            ),
        )
        rows, which = self._keep(
            rows,
            self.packages.waits[which] | (self.expires[which] < NEVER),
            "never_expires",
            lambda _, p: f"{self._named(p)} never expires: there is nothing to extend",
        )
        self._prolong(which, self.columns.days[rows])

    def visit(self, rows: IntArray) -> None:
        nameless = self.booked.package[rows] < 0
        if nameless.any():
            found, closed = self._choose(rows[nameless])
            self.booked.package[rows[nameless]] = found
            for row, package in zip(rows[nameless][found < 0].tolist(), closed[found < 0].tolist(), strict=True):
                self._without_package(row, package)
            rows = rows[self.booked.package[rows] >= 0]
        rows, which = self._open(rows)
        rows, which = self._keep(
            rows,
            ~self._frozen(which, rows),
            "in_freeze",
            lambda i, p: f"{self._named(p)} is frozen {self._freeze_on(p, int(self.columns.day[i]))}",
        )
        used_up = self.left[which] <= 0
        for row, package in zip(rows[used_up].tolist(), which[used_up].tolist(), strict=True):
            self._overdrawn(row, package)
        rows, which = rows[~used_up], which[~used_up]
        self._use(which, self.columns.posted[rows])
        self.done[rows] = True

    def void(self, rows: IntArray) -> None:
        targets = self.booked.target[rows]
        counted = self.done[targets] & ~self.voided[targets]
        for row in rows[~counted].tolist():
            again = self.voided[self.booked.target[row]]
            self._refuse(
                row,
                "voided_twice" if again else "unbooked_target",
                "the visit was taken back already" if again else "the visit to be taken back was not booked by then",
            )
        rows, targets = rows[counted], targets[counted]
        self.booked.package[rows] = self.booked.package[targets]
        for row, target in zip(rows.tolist(), targets.tolist(), strict=True):
            package = int(self.booked.package[target])
            if package < 0:
                self._forget(row, target)
                continue
            if not self._of_customer(np.array([row]))[0].size:
                continue
            gone = self.refunded[package] < NEVER or (
                self.packages.expiry[package] == PAY_BACK
                and self._expired(np.array([package]), self.columns.posted[row : row + 1])[0]
            )
            named = int(self.columns.package[row])
            if gone:
                self._refuse(row, "after_refund", f"{self._named(package)} was refunded with that visit in it")
            elif named >= 0 and named != self.packages.code[package]:
                self._refuse(row, "other_package", f"the visit to be taken back is of {self._named(package)}")
            else:
                self.voided[target] = True
                self.left[package] += not self.packages.term[package]
                self.used[package] -= 1
                self._begin_again(row, target, package)

    def give_back(self, rows: IntArray) -> None:
        if self.rules.allow_excess:
            rows = self._without_goodwill(rows)
        rows, which = self._open(rows)
        rows, which = self._keep(
            rows,
            ~self._finished(which, self.columns.posted[rows]),
            "nothing_left",
            lambda _, p: f"nothing of {self._named(p)} is left to be refunded",
        )
        asked = self.columns.amount[rows]
        late = self.columns.day[rows] - self.packages.day[which] > self.packages.window[which]
        by_right = (self.packages.refund[which] != NO_REFUND) & ~late
        rows, which = self._keep(
            rows,
            by_right | (asked != MISSING),
            "not_refundable",
            lambda _, p: (
                f"the plan of {self._named(p)} pays nothing back on demand on that day; give the amount that was "
                "paid out of goodwill"
            ),
        )
        earned = self._earned(which, self.columns.posted[rows])
        value = np.maximum(self.paid[which] - earned, 0)
        asked = self.columns.amount[rows]
        fits = (asked == MISSING) | (asked <= value) | self.rules.allow_excess
        worth = dict(zip(rows.tolist(), value.tolist(), strict=True))
        rows, which = self._keep(
            rows,
            fits,
            "excess_refund",
            lambda i, p: (
                f"{self.columns.amount[i]:,} is refunded for {self._named(p)}, and {worth[i]:,} is owed; "
                "allow_excess=True books the difference as a cost"
            ),
        )
        self.owed[which] = np.maximum(earned[fits] - self.paid[which], 0)
        self.refunded[which] = self.columns.posted[rows]

    def _without_goodwill(self, rows: IntArray) -> IntArray:
        """Refunds of what is still open; an amount that is paid for what is closed is set apart."""
        rows, which = self._of_owner(rows)
        day = self.columns.posted[rows]
        closed = (self.refunded[which] < NEVER) | self._expired(which, day) | self._finished(which, day)
        closed &= self.columns.amount[rows] != MISSING
        apart = zip(*(each[closed].tolist() for each in (rows, which, self.owner[which])), strict=True)
        self.booked.goodwill.extend(apart)
        self.booked.good[rows[closed]] = False
        return rows[~closed]

    def _finished(self, which: IntArray, day: IntArray) -> BoolArray:
        """Packages without a session left, and terms that are over."""
        finished: BoolArray = (self.left[which] <= 0) | (self.packages.term[which] & (day > self.expires[which]))
        return finished

    def _begin(self, which: IntArray, start: IntArray) -> None:
        """Let validity or term start."""
        self.start[which] = start
        known = np.where(start < NEVER, self.packages.last_day(which, start), NEVER)
        self.expires[which] = np.where(known < NEVER, known + self.extra[which], NEVER)

    def _prolong(self, which: IntArray, days: IntArray) -> None:
        self.extra[which] += days
        self.expires[which] += np.where(self.expires[which] < NEVER, days, 0)

    def _use(self, which: IntArray, day: IntArray) -> None:
        self.left[which] -= ~self.packages.term[which]
        self.used[which] += 1
        first = self.start[which] == NEVER
        if first.any():
            self._begin(which[first], day[first])

    def _begin_again(self, row: int, target: int, package: int) -> None:
        """Let validity count from the first visit that stands, if the one that was taken back had begun it.

        Not when validity has ended with that visit, and not for terms, which have earned since.
        """
        at, day = np.array([package]), self.columns.posted[row : row + 1]
        if not self.packages.waits[package] or self.packages.term[package] or self._expired(at, day)[0]:
            return
        booked = self.booked
        booked.undone[target] = True
        stands = (booked.package == package) & (self.columns.kind == VISIT) & self.done & ~booked.undone
        self._begin(at, booked.posted[stands].min(keepdims=True, initial=NEVER))

    def _expired(self, which: IntArray, day: IntArray) -> BoolArray:
        return day > self.expires[which] + self.rules.grace_days

    def _frozen(self, which: IntArray, rows: IntArray) -> BoolArray:
        """Whether packages rest on the day of a visit; one that is posted late may fall into an earlier freeze."""
        day = self.columns.day[rows]
        frozen: BoolArray = (self.frozen_from[which] <= day) & (day <= self.frozen_until[which])
        for place in np.flatnonzero(self.columns.posted[rows] != day).tolist():
            frozen[place] = any(first <= day[place] <= last for first, last in self.freezes[int(which[place])])
        return frozen

    def _earned(self, which: IntArray, day: IntArray) -> IntArray:
        """What packages have earned when a day begins, and its visits have been."""
        earned = self.packages.earned(which, self.used[which])
        running = self.packages.term[which] & (self.start[which] < NEVER)
        some = which[running]
        if some.size:
            length = self.packages.term_days(some, self.start[some])
            ran = run_days(day[running] - 1, self.start[some], self.frozen[some], self.frozen_until[some], length)
            earned[running] = earned_by(self.packages.price[some], length, ran)
        return earned

    def _open(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        """Events of packages that are theirs to use: not given back, and still good on that day."""
        rows, which = self._of_owner(rows)
        rows, which = self._keep(
            rows,
            self.refunded[which] == NEVER,
            "after_refund",
            lambda i, p: f"{self._named(p)} was refunded on {shown(self.refunded[p])}, before this {self._kind(i)}",
        )
        visits = self.columns.kind[rows] == VISIT
        honoured = np.where(
            visits & (self.packages.expiry[which] != PAY_BACK), self.columns.day[rows], self.columns.posted[rows]
        )
        return self._keep(
            rows,
            ~self._expired(which, honoured),
            "after_expiry",
            lambda i, p: (
                f"{self._named(p)} expired on {shown(self.expires[p])}, before this {self._kind(i)}"
                + ("; grace_days= would honour it" if self.columns.kind[i] == VISIT else "")
            ),
        )

    def _of_owner(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        """Events of packages that have been sold, to the customer who is named."""
        which = self.booked.package[rows]
        known = self.bought[which] & (self.columns.day[rows] >= self.packages.day[which])
        rows, _ = self._keep(
            rows,
            known,
            "before_purchase",
            lambda i, p: f"{self._named(p)} was sold on {shown(self.packages.day[p])}, after this {self._kind(i)}",
        )
        return self._of_customer(rows)

    def _of_customer(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        """Events of packages that belong to the customer who is named."""
        customer = self.columns.customer[rows]
        return self._keep(
            rows,
            (customer < 0) | (customer == self.owner[self.booked.package[rows]]),
            "other_owner",
            lambda i, p: (
                f"{self._named(p)} belongs to customer {self._customer(self.owner[p])!r}, not to "
                f"{self._customer(self.columns.customer[i])!r}; transfer it, or name no customer"
            ),
        )

    def _keep(
        self, rows: IntArray, fit: BoolArray, code: str, reason: Callable[[int, int], str]
    ) -> tuple[IntArray, IntArray]:
        """The events that fit, and their packages; the others are refused."""
        if not fit.all():
            for row in rows[~fit].tolist():
                self._refuse(row, code, reason(row, int(self.booked.package[row])))
            rows = rows[fit]
        return rows, self.booked.package[rows]

    def _refuse(self, row: int, code: str, reason: str) -> None:
        self.booked.good[row] = False
        self.problems.refuse(self.columns, [row], code, lambda _: reason)

    def _choose(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        """The package that each visit uses: by priority, then earliest expiry, then day of the sale, then id.

        And one that would have done, had it not expired or been frozen; -1 for none.
        """
        group = self.group_of[rows]
        low, high = self.group_edges[group], self.group_edges[group + 1]
        counts = high - low
        visit = np.repeat(np.arange(len(rows)), counts)
        offset = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        which = self.by_group[low[visit] + offset]
        row = rows[visit]
        day, plan = self.columns.day[row], self.columns.plan[row]
        held = self.bought[which] & (self.owner[which] == self.columns.customer[row]) & (self.left[which] > 0)
        held &= (self.refunded[which] == NEVER) & (self.packages.day[which] <= day)
        held &= (plan < 0) | (self.packages.plan[which] == plan)
        honoured = np.where(self.packages.expiry[which] != PAY_BACK, day, self.columns.posted[row])
        open_ = held & ~self._expired(which, honoured)
        open_ &= ~self._frozen(which, row)
        closed = np.full(len(rows), -1)
        closed[visit[held]] = which[held]
        visit, which = visit[open_], which[open_]
        ranks = (self.packages.priority, self.expires, self.packages.day, self.packages.code)
        best_first = sorted_by(visit, *(rank[which] for rank in ranks)) if visit.size else visit
        visit, which = visit[best_first], which[best_first]
        first = np.append(True, np.diff(visit) > 0)[: len(visit)]
        found = np.full(len(rows), -1)
        found[visit[first]] = which[first]
        return found, closed

    def _without_package(self, row: int, closed: int) -> None:
        """A visit of a customer without a session left, but perhaps in a package that is closed on that day."""
        customer = int(self.columns.customer[row])
        if self._receivable(row, customer, int(self.columns.plan[row])):
            return
        if self.rules.unpaid == "receivable":
            remedy = "name a plan with a list_price, at which it can be booked"
        else:
            remedy = 'unpaid="receivable" would book it at list price'
        day = int(self.columns.day[row])
        self._refuse(
            row,
            "no_package",
            f"customer {self._customer(customer)!r} has no package with a session left on {shown(day)}"
            f"{self._why_closed(closed, day) if closed >= 0 else ''}; {remedy}",
        )

    def _overdrawn(self, row: int, package: int) -> None:
        """A visit on a package that is used up."""
        named = int(self.columns.plan[row])
        if self._receivable(row, int(self.owner[package]), named if named >= 0 else int(self.packages.plan[package])):
            return
        remedy = "; its plan has no list_price, at which the visit could be booked"
        self._refuse(
            row,
            "overdraw",
            f"{self._named(package)} has {self.packages.sessions[package]:,} sessions, and all of them are used"
            + (remedy if self.rules.unpaid == "receivable" else ""),
        )

    def _receivable(self, row: int, customer: int, plan: int) -> bool:
        """Let the customer owe the list price of a visit, where that is the rule and a plan has one."""
        plan = self.priced(plan) if self.rules.unpaid == "receivable" else -1
        if plan < 0:
            return False
        self.booked.unpaid[row] = UnpaidVisit(customer, plan)
        self.booked.package[row] = -1
        self.done[row] = True
        self.pending[customer].append(row)
        return True

    def _why_closed(self, package: int, day: int) -> str:
        if any(first <= day <= last for first, last in self.freezes[package]):
            return f": {self._named(package)} is frozen {self._freeze_on(package, day)}"
        return f": {self._named(package)} expired on {shown(self.expires[package])}"

    def _settle(self, row: int, package: int) -> None:
        """Take visits that nobody paid for from a package that is bought now."""
        waiting = self.pending[int(self.owner[package])]
        of_plan = [each for each in waiting if self.columns.plan[each] in (-1, self.packages.plan[package])]
        for visit in of_plan[: int(min(self.left[package], len(of_plan)))]:
            waiting.remove(visit)
            day = int(self.columns.posted[row])
            self.booked.settled[visit] = day
            self.booked.package[visit] = package
            self.booked.day[visit] = self.columns.day[row]
            self.booked.posted[visit] = day
            self.booked.seq[visit] = self.columns.seq[row]
            self.booked.rank[visit] = 2 * OPENING + 1
            self.booked.turn[visit] = self.booked.turn[row]
            self._use(np.array([package]), self.columns.posted[row : row + 1])

    def _forget(self, row: int, target: int) -> None:
        """Take back a visit that no package covered."""
        customer, named = self.booked.unpaid[target].customer, int(self.columns.customer[row])
        if named not in (-1, customer):
            self._refuse(
                row,
                "other_owner",
                f"the visit to be taken back is of customer {self._customer(customer)!r}, not of "
                f"{self._customer(named)!r}",
            )
            return
        self.voided[target] = True
        self.pending[customer].remove(target)
        self.booked.settled[target] = int(self.columns.posted[row])
        self.booked.good[row] = False

    def _freeze_on(self, package: int, day: int) -> str:
        first, last = next(each for each in self.freezes[package] if each[0] <= day <= each[1])
        return f"from {shown(first)} to {shown(last)}"

    def _named(self, package: int) -> str:
        return f"package {self.columns.packages[self.packages.code[package]]!r}"

    def _customer(self, code: Any) -> Any:
        return self.columns.customers[code]

    def _kind(self, row: int) -> str:
        return kind_of(self.columns, row)
