"""Whom to call: customers who have vanished with sessions unused, and packages that are about to end."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retention_metrics._checks import freeze
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result, text_table
from retention_metrics._typing import IntArray
from retention_metrics.prepaid._book import Book, is_open, rights_left
from retention_metrics.prepaid._columns import FREEZE, VOID, sorted_by
from retention_metrics.prepaid._due import SIGNS
from retention_metrics.prepaid._packages import NEVER
from retention_metrics.prepaid._packages_table import days_of


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dormant(Result):
    """Customers with unused sessions and without a sign of life, the largest debt first; money in minor units.

    Attributes:
        as_of: Last day of the book.
        days: Days without a sign from which a customer is listed.
        customer: Id of the customer.
        packages: Packages with sessions left.
        sessions_left: Those sessions.
        unearned: What was paid for them.
        cost_to_serve: What delivering them will cost.
        days_since: Days since the last sign, without frozen ones.
        days_to_expiry: Days until the first of the packages expires; 2**32 when none does.
    """

    as_of: dt.date
    days: int
    customer: NDArray[np.object_]
    packages: IntArray
    sessions_left: IntArray
    unearned: IntArray
    cost_to_serve: IntArray
    days_since: IntArray
    days_to_expiry: IntArray

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, *self.__slots__[2:])

    def __len__(self) -> int:
        return len(self.customer)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values; ``days_to_expiry`` is ``None`` when nothing expires."""
        return {"as_of": self.as_of.isoformat(), "days": self.days} | self._columns()

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a customer, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self._columns(), backend)

    def _columns(self) -> dict[str, Any]:
        found = {name: getattr(self, name).tolist() for name in self.__slots__[2:]}
        found["days_to_expiry"] = [each if each < NEVER else None for each in found["days_to_expiry"]]
        return found

    def __str__(self) -> str:
        """The list as text."""
        columns = self._columns()
        return text_table(columns | {"customer": [str(each) for each in columns["customer"]]})


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Expiring(Result):
    """Packages that end soon with something left, the earliest first; money in minor units.

    Attributes:
        as_of: Last day of the book.
        within: Days ahead.
        package: Id of the package.
        customer: Who has it.
        plan: Id of its plan.
        expires: Its last usable day, as an ordinal.
        days_left: Days until then; below 0 within the days of grace.
        sessions_left: Sessions left; 0 for a term.
        unearned: What was paid for them.
    """

    as_of: dt.date
    within: int
    package: NDArray[np.object_]
    customer: NDArray[np.object_]
    plan: NDArray[np.object_]
    expires: IntArray
    days_left: IntArray
    sessions_left: IntArray
    unearned: IntArray

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, *self.__slots__[2:])

    def __len__(self) -> int:
        return len(self.package)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, days as dates."""
        return {"as_of": self.as_of.isoformat(), "within": self.within} | self._columns()

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a package, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self._columns(), backend)

    def _columns(self) -> dict[str, Any]:
        return {name: getattr(self, name).tolist() for name in self.__slots__[2:]} | {"expires": days_of(self.expires)}

    def __str__(self) -> str:
        """The list as text."""
        named = {name: [str(each) for each in getattr(self, name)] for name in ("package", "customer", "plan")}
        return text_table(self._columns() | named)


def dormant_customers(made: Book, days: int) -> Dormant:
    """See :meth:`Ledger.dormant`."""
    packages, standing = made.packages, made.replay.standing
    left = rights_left(made)
    held = np.flatnonzero(left > 0)
    owner = standing.owner[held]
    seen = _last_signs(made)
    idle = made.as_of - seen[owner] - _frozen_since(made, seen[standing.owner])[held]
    value = np.maximum(standing.paid - standing.earned - standing.settled, 0)
    people = len(made.columns.customers)
    count, sessions, unearned, cost = (np.zeros(people, np.int64) for _ in range(4))
    since, expiry = np.full(people, NEVER), np.full(people, NEVER)
    np.add.at(count, owner, 1)
    np.add.at(sessions, owner, left[held])
    np.add.at(unearned, owner, value[held])
    np.add.at(cost, owner, (left * packages.cost)[held])
    np.minimum.at(since, owner, idle)
    ends = standing.dates.expires[held]
    np.minimum.at(expiry, owner, np.where(ends < NEVER, ends - made.as_of, NEVER))
    who = np.flatnonzero((count > 0) & (since >= days))
    who = who[sorted_by(-unearned[who], -cost[who], who)]
    return Dormant(
        as_of=dt.date.fromordinal(made.as_of),
        days=days,
        customer=made.columns.customers[who],
        packages=count[who],
        sessions_left=sessions[who],
        unearned=unearned[who],
        cost_to_serve=cost[who],
        days_since=since[who],
        days_to_expiry=expiry[who],
    )


def no_one(as_of: dt.date, days: int) -> Dormant:
    """The list of a book in which nobody is dormant."""
    none = np.zeros(0, np.int64)
    return Dormant(as_of, days, np.zeros(0, object), none, none, none, none, none, none)


def expiring_packages(made: Book, within: int) -> Expiring:
    """See :meth:`Ledger.expiring`."""
    packages, standing = made.packages, made.replay.standing
    left = rights_left(made)
    live = is_open(made, left) & (standing.dates.frozen_until < made.as_of)
    soon = np.flatnonzero(live & (standing.dates.expires <= made.as_of + within))
    soon = soon[sorted_by(standing.dates.expires[soon], soon)]
    value = standing.paid - standing.earned - standing.settled
    plans = np.empty(len(made.plans), object)
    plans[:] = [each.id for each in made.plans]
    return Expiring(
        as_of=dt.date.fromordinal(made.as_of),
        within=within,
        package=made.columns.packages[packages.code[soon]],
        customer=made.columns.customers[standing.owner[soon]],
        plan=plans[packages.plan[soon]],
        expires=standing.dates.expires[soon],
        days_left=standing.dates.expires[soon] - made.as_of,
        sessions_left=left[soon],
        unearned=np.maximum(value[soon], 0),
    )


def _last_signs(made: Book) -> IntArray:
    """The last day on which each customer came, paid or took a package over."""
    timeline, booked, unpaid = made.replay.timeline, made.booked, made.unpaid
    seen = np.zeros(len(made.columns.customers), np.int64)
    void = np.zeros(len(made.columns), bool)
    void[booked.target[timeline.event[timeline.of_kind(VOID)]]] = True
    signs = timeline.of_kind(*SIGNS)
    signs = signs[~void[timeline.event[signs]]]
    np.maximum.at(seen, made.replay.owner[signs], booked.day[timeline.event[signs]])
    came = ~unpaid.settled | (booked.package[unpaid.event] >= 0)
    np.maximum.at(seen, unpaid.customer[came], made.columns.day[unpaid.event[came]])
    return seen


def _frozen_since(made: Book, seen: IntArray) -> IntArray:
    """Frozen days of each package after a day of its own, up to the end of the book."""
    timeline = made.replay.timeline
    found = np.zeros(len(made.packages), np.int64)
    freezes = timeline.of_kind(FREEZE)
    which, event = timeline.package[freezes], timeline.event[freezes]
    first = np.maximum(made.columns.day[event], seen[which] + 1)
    last = np.minimum(made.columns.until[event], made.as_of)
    np.add.at(found, which, np.maximum(last - first + 1, 0))
    return found
