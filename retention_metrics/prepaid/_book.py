"""From columns to a replayed book: everything that a ledger knows, and how it came to know it."""

import datetime as dt
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retention_metrics._checks import choice, day, whole
from retention_metrics._typing import BoolArray, IntArray
from retention_metrics.errors import InvalidValue
from retention_metrics.prepaid._booked import Booked, Rules, Unpaid
from retention_metrics.prepaid._booking import book
from retention_metrics.prepaid._columns import MISSING, OPENING, PURCHASE, Columns, Labels, Problems, and_none
from retention_metrics.prepaid._flows import Flows, Key, owed
from retention_metrics.prepaid._goodwill import goodwill
from retention_metrics.prepaid._money import MOST_MONEY
from retention_metrics.prepaid._packages import NEVER, NO_REFUND, Packages, sold_packages
from retention_metrics.prepaid._packages_table import PackageTable
from retention_metrics.prepaid._plan import PackagePlan
from retention_metrics.prepaid._problems import InvalidEvents, Issue
from retention_metrics.prepaid._replay import Replay, replay
from retention_metrics.prepaid._unpaid import UnpaidVisits, unpaid_plan, unpaid_visits
from retention_metrics.prepaid._usable import Dedupe, Late, usable_columns

OnError: TypeAlias = Literal["raise", "collect"]
By: TypeAlias = Literal["plan", "segment", "customer", "package"]
BYS = ("plan", "segment", "customer", "package")
_MOST_GRACE = 36_525


@dataclass(frozen=True, slots=True)
class Options:
    """How a book is made, beside its events and plans.

    What was recorded after ``known_by`` is left out, if that is given.
    """

    rules: Rules
    dedupe: Dedupe
    closed_until: int | None
    late: Late
    on_error: OnError
    known_by: int | None = None


def read_options(
    *,
    on_error: OnError = "raise",
    dedupe: Dedupe = "id",
    grace_days: int = 0,
    allow_excess: bool = False,
    unpaid: Unpaid = "error",
    reconcile: bool = False,
    closed_until: dt.date | str | None = None,
    late: Late = "post",
) -> Options:
    """Check the options of a book."""
    choice(("raise", "collect"), on_error=on_error)
    choice(("id", "content"), dedupe=dedupe)
    choice(("error", "receivable"), unpaid=unpaid)
    choice(("post", "error"), late=late)
    if reconcile and unpaid != "receivable":
        raise InvalidValue('reconcile needs unpaid="receivable": otherwise no visit waits to be settled')
    grace = whole(0, grace_days=grace_days)
    if grace > _MOST_GRACE:
        raise InvalidValue(f"grace_days must be at most {_MOST_GRACE:,}, got {grace:,}")
    closed = None if closed_until is None else day(closed_until=closed_until).toordinal()
    return Options(Rules(grace, allow_excess, unpaid, reconcile), dedupe, closed, late, on_error)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Events as given: columns, days of recording, currencies, those that cannot be read, and how many there were.

    ``unread_sales`` are the rows of sales that cannot be read, by the id of the package.
    """

    columns: Columns
    recorded: IntArray
    currencies: Labels
    issues: tuple[Issue, ...]
    unread_sales: Mapping[Any, int]
    events: int

    def refused_sales(self, problems: Problems) -> dict[Any, int]:
        """The rows of sales that cannot be booked, by the id of the package."""
        columns = self.columns
        sale = (columns.kind == PURCHASE) | (columns.kind == OPENING)
        refused = np.isin(columns.row, [issue.row for issue in problems.issues])
        places = np.flatnonzero(sale & refused & (columns.package >= 0))[::-1]
        names = columns.packages[columns.package[places]].tolist()
        return {**self.unread_sales, **dict(zip(names, columns.row[places].tolist(), strict=True))}


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """A replayed book."""

    columns: Columns
    plans: tuple[PackagePlan, ...]
    packages: Packages
    booked: Booked
    replay: Replay
    unpaid: UnpaidVisits
    flows: Flows
    as_of: int

    @property
    def plan(self) -> IntArray:
        """Place of the plan of each package."""
        return np.append(self.packages.plan, self.unpaid.plan)

    @property
    def segment(self) -> IntArray:
        """Place of the segment of each package, -1 for none."""
        return np.append(self.packages.segment, np.full(len(self.unpaid.plan), -1))

    @property
    def names(self) -> NDArray[np.object_]:
        """Id of each package."""
        return np.append(self.columns.packages[self.packages.code], self.unpaid.name)

    def key(self, by: By | None) -> tuple[Key, list[Hashable]]:
        """The group of a movement by package and owner, and the groups."""
        if by == "customer":
            return (lambda _, owner: owner), list(self.columns.customers)
        if by == "package":
            return (lambda package, _: package), list(self.names)
        if by == "plan":
            of_plan = self.plan
            return (lambda package, _: of_plan[package]), [each.id for each in self.plans]
        if by == "segment":
            of_segment = self.segment
            groups = and_none(self.columns.segments).tolist()
            return (lambda package, _: of_segment[package] % len(groups)), groups
        return (lambda package, _: np.zeros_like(package)), [None]

    def balances(self, day: int) -> IntArray:
        """Liability less contract asset of each package at the end of a day."""
        ends = np.array([day, self.as_of] if day < self.as_of else [day])
        key, groups = self.key("package")
        result: IntArray = owed(self.flows.grid(key, len(groups), ends))[:, 0]
        return result


def make_book(
    source: Source, plans: tuple[PackagePlan, ...], options: Options, as_of: int
) -> tuple[Book, dict[str, int], tuple[Issue, ...]]:
    """A book, how many events were left out for which reason, and those that cannot be booked."""
    problems = Problems(source.issues)
    columns, ignored = usable_columns(
        source.columns,
        source.recorded,
        source.currencies,
        plans,
        as_of=as_of,
        known_by=options.known_by,
        dedupe=options.dedupe,
        closed_until=options.closed_until,
        late=options.late,
        problems=problems,
    )
    packages, columns = sold_packages(columns, plans, problems, closed_until=options.closed_until)
    booked, timeline = book(
        columns,
        packages,
        partial(source.refused_sales, problems),
        partial(unpaid_plan, plans),
        options.rules,
        problems,
    )
    issues = tuple(sorted(problems.issues, key=lambda each: each.row))
    if issues and options.on_error == "raise":
        raise InvalidEvents(issues, source.events)
    if not len(packages) and not booked.unpaid:
        if issues:
            raise InvalidEvents(issues, source.events)
        raise InvalidValue("there is no sale in the events up to as_of: the book is empty")
    _refuse_overflow(columns, packages, plans)
    replayed = replay(
        columns, packages, timeline, plans, booked.undone, as_of=as_of, grace_days=options.rules.grace_days
    )
    unpaid = unpaid_visits(columns, booked, plans, len(packages))
    postings = (*replayed.postings, unpaid.postings, goodwill(columns, booked))
    made = Book(columns, plans, packages, booked, replayed, unpaid, Flows(postings, replayed.stretches), as_of)
    return made, ignored, issues


def _refuse_overflow(columns: Columns, packages: Packages, plans: tuple[PackagePlan, ...]) -> None:
    """Refuse a book whose totals would leave the range of whole numbers."""
    dearest = max(max(each.cost_per_session, each.list_price or 0, each.commission) for each in plans)
    given = columns.amount[columns.amount != MISSING] if columns.amount.strides != (0,) else columns.amount[:0]
    total = packages.price.astype(float).sum() + given.astype(float).sum() + float(dearest) * len(columns)
    total += (packages.sessions.astype(float) * packages.cost).sum()
    if 2 * total >= MOST_MONEY:
        raise InvalidValue(f"the amounts of the book may add up to {total:.3g} minor units; they must stay below 2**59")


def package_table(made: Book) -> PackageTable:
    """Every package, and how it stands."""
    packages, standing, unpaid = made.packages, made.replay.standing, made.unpaid
    value = standing.paid - standing.earned - standing.settled
    balance = value - standing.breakage
    left = rights_left(made)
    status = _status(made, left)
    open_ = is_open(made, left)
    due = refundable(packages, standing.paid, value, standing.used, open_, made.as_of)
    owing = np.where(unpaid.settled, 0, unpaid.price)
    nothing = np.zeros(len(owing), np.int64)
    done = np.where(unpaid.settled, 0, 1)
    customers = np.append(standing.owner, unpaid.customer)
    return PackageTable(
        package=made.names,
        customer=made.columns.customers[customers],
        plan=_objects([each.id for each in made.plans])[made.plan],
        segment=and_none(made.columns.segments)[made.segment],
        sold=np.append(packages.day, unpaid.day),
        expires=np.append(standing.dates.expires, np.full(len(owing), NEVER)),
        status=np.append(status, np.where(unpaid.settled, "settled", "unpaid")),
        price=np.append(packages.price, owing),
        sessions=np.append(packages.sessions, done),
        used=np.append(standing.used, done),
        left=np.append(left, nothing),
        paid=np.append(standing.paid, nothing),
        earned=np.append(standing.earned, owing),
        breakage=np.append(standing.breakage, nothing),
        liability=np.append(np.maximum(balance, 0), nothing),
        contract_asset=np.append(np.maximum(-balance, 0), owing),
        escheat=np.append(standing.escheat, nothing),
        cost_to_serve=np.append(left * packages.cost, nothing),
        refundable_now=np.append(due, nothing),
    )


def rights_left(made: Book) -> IntArray:
    """Sessions of each package that can still be used."""
    standing = made.replay.standing
    gone = standing.expired | standing.refunded | made.packages.term
    return np.where(gone, 0, made.packages.sessions - standing.used)


def is_open(made: Book, left: IntArray) -> BoolArray:
    """Packages of which something is left: sessions, or days of a term."""
    standing = made.replay.standing
    running: BoolArray = made.packages.term & ~standing.refunded & (standing.dates.expires > made.as_of)
    return running | (left > 0)


def refundable(
    packages: Packages, paid: IntArray, value: IntArray, used: IntArray, open_: BoolArray, day: int
) -> IntArray:
    """What each package would pay back on demand."""
    every = slice(None)
    asked = np.full(len(packages), MISSING)
    payout, _, _, _ = packages.refund_terms(every, paid=paid, value=np.maximum(value, 0), used=used, asked=asked)
    by_right = open_ & (packages.refund != NO_REFUND) & (day - packages.day <= packages.window)
    return np.where(by_right, payout, 0)


def _status(made: Book, left: IntArray) -> NDArray[np.str_]:
    standing = made.replay.standing
    frozen = (standing.dates.frozen_until >= made.as_of) & is_open(made, left)
    return np.select(
        [standing.refunded, standing.expired, frozen, is_open(made, left), made.packages.term],
        ["refunded", "expired", "frozen", "open", "ended"],
        default="used",
    )


def _objects(values: list[Hashable]) -> NDArray[np.object_]:
    array = np.empty(len(values), object)
    array[:] = values
    return array
