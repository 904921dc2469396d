"""Which package each event belongs to, and which events can be booked."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from retention_metrics._typing import BoolArray, IntArray
from retention_metrics.prepaid._booked import Booked, Rules
from retention_metrics.prepaid._columns import (
    OPENING,
    PURCHASE,
    TRANSFER,
    VISIT,
    VOID,
    AnyArray,
    Columns,
    Problems,
    kind_of,
    sorted_by,
)
from retention_metrics.prepaid._packages import NEVER, Packages
from retention_metrics.prepaid._sequence import Sequence
from retention_metrics.prepaid._timeline import Timeline, make_timeline


def book(
    columns: Columns,
    packages: Packages,
    refused_sales: Callable[[], Mapping[Any, int]],
    priced: Callable[[int], int],
    rules: Rules,
    problems: Problems,
) -> tuple[Booked, Timeline]:
    """What became of each event, and the events that count in the order of their packages and of time.

    ``refused_sales`` tells the rows of sales that were refused by the id of their package, ``priced`` the plan that
    prices a visit without a session from the plan named.

    A package that is sold and used in time, by visits that name it or whose customer has no other, needs no more than
    a look at the order of its visits. Customers with anything else are taken event by event.
    """
    which = _named_packages(columns, packages)
    booked = Booked(
        package=which,
        good=np.ones(len(columns), bool),
        day=columns.day,
        posted=columns.posted,
        seq=columns.seq,
        rank=2 * columns.kind,
        turn=np.broadcast_to(np.int64(0), len(columns)),
        target=np.full(len(columns), -1),
        undone=np.zeros(len(columns), bool),
    )
    unknown = (columns.package >= 0) & (which < 0)
    if unknown.any():
        _refuse_unknown(columns, np.flatnonzero(unknown), refused_sales(), problems)
        booked.good &= ~unknown
    _find_targets(columns, booked, problems)
    group = _groups(columns, packages, booked)
    of_package = group[packages.customer]
    intricate = np.zeros(len(group), bool)
    special = _special(columns, packages, booked) & booked.good
    if columns.posted is not columns.day:
        special |= columns.posted != columns.day
    intricate[_group_of(columns, packages, booked, group, np.flatnonzero(special))] = True
    plain = ~intricate[of_package]
    simple = booked.good & (booked.package >= 0)
    if not plain.all():
        simple &= plain[booked.package]
    timeline = _in_order(columns, booked, simple)
    intricate[of_package[_flawed(packages, timeline, rules.grace_days)]] = True
    if not intricate.any():
        return booked, timeline
    left = np.flatnonzero(booked.good)
    groups = _group_of(columns, packages, booked, group, left)
    rows = left[intricate[groups]]
    names, compressed = np.unique(group[groups[intricate[groups]]], return_inverse=True)
    number = np.full(len(group), -1)
    number[names] = np.arange(len(names))
    booked.package[rows[(columns.package[rows] < 0) & (columns.kind[rows] == VISIT)]] = -1
    if rules.reconcile:
        booked.day, booked.posted, booked.seq = columns.day.copy(), columns.posted.copy(), columns.seq.copy()
    sequence = Sequence(columns, packages, booked, priced, rules, problems)
    sequence.run(rows, compressed, number[of_package], len(names))
    return booked, _in_order(columns, booked, booked.good & (booked.package >= 0))


def _named_packages(columns: Columns, packages: Packages) -> IntArray:
    """Place of the package that each event names, -1 for none and for one that was not sold."""
    place = np.full(len(columns.packages) + 1, -1)
    place[packages.code] = np.arange(len(packages))
    return place[columns.package]


def _refuse_unknown(columns: Columns, rows: IntArray, refused: Mapping[Any, int], problems: Problems) -> None:
    """Refuse events of packages that were not sold."""
    names = columns.packages[columns.package[rows]]
    hanging = np.array([name in refused for name in names.tolist()], bool)
    problems.refuse(
        columns,
        rows[hanging],
        "sale_refused",
        lambda i: (
            f"the sale of package {columns.packages[columns.package[i]]!r} in row "
            f"{refused[columns.packages[columns.package[i]]]} was refused, and with it this {kind_of(columns, i)}"
        ),
    )
    problems.refuse(
        columns,
        rows[~hanging],
        "unknown_package",
        lambda i: f"package {columns.packages[columns.package[i]]!r} is not in the book: no sale of it is",
    )


def _find_targets(columns: Columns, booked: Booked, problems: Problems) -> None:
    """Find the visit that each void takes back."""
    voids = np.flatnonzero((columns.kind == VOID) & booked.good)
    if not voids.size:
        return
    place = np.full(len(columns.ids), -1)
    named = np.flatnonzero(columns.id >= 0)
    place[columns.id[named]] = named
    found = place[columns.target[voids]]
    is_visit = (found >= 0) & (columns.kind[found] == VISIT)
    for missing, code, reason in (
        (found < 0, "unknown_target", "is not in the book"),
        ((found >= 0) & ~is_visit, "not_a_visit", "is no visit; only visits can be taken back"),
    ):
        problems.refuse(
            columns,
            voids[missing],
            code,
            lambda i, reason=reason: f"event {columns.ids[columns.target[i]]!r} {reason}",  # type: ignore[misc]
        )
    wrong = is_visit & ~booked.good[found]
    problems.refuse(
        columns, voids[wrong], "unbooked_target", lambda _: "the visit to be taken back was not booked by then"
    )
    booked.good[voids[~is_visit | wrong]] = False
    booked.target[voids] = np.where(is_visit, found, -1)


def _groups(columns: Columns, packages: Packages, booked: Booked) -> IntArray:
    """For each customer the first one of those among whom packages go over; mostly the customer."""
    group = np.arange(len(columns.customers))
    transfers = np.flatnonzero((columns.kind == TRANSFER) & booked.good)
    for row in transfers.tolist():
        ends = [int(packages.customer[booked.package[row]]), int(columns.to[row])]
        for end in range(2):
            while group[ends[end]] != ends[end]:
                group[ends[end]] = group[group[ends[end]]]
                ends[end] = int(group[ends[end]])
        group[max(ends)] = min(ends)
    while transfers.size and (group[group] != group).any():
        group = group[group]
    return group


def _group_of(columns: Columns, packages: Packages, booked: Booked, group: IntArray, rows: IntArray) -> IntArray:
    """The group of the customers of some events."""
    source = np.where(booked.target[rows] >= 0, booked.target[rows], rows)
    package = booked.package[source]
    customer = np.where(package >= 0, np.append(packages.customer, -1)[package], columns.customer[source])
    return group[customer]


def _special(columns: Columns, packages: Packages, booked: Booked) -> BoolArray:
    """Events that are more than a sale or a visit of a known package; finds the only one that a customer has."""
    special: BoolArray = (columns.kind != VISIT) & (columns.kind != PURCHASE) & (columns.kind != OPENING)
    nameless = np.flatnonzero((columns.kind == VISIT) & (booked.package < 0) & booked.good)
    if nameless.size:
        owned = np.bincount(packages.customer, minlength=len(columns.customers))
        only = np.full(len(columns.customers), -1)
        only[packages.customer] = np.arange(len(packages))
        customer, plan = columns.customer[nameless], columns.plan[nameless]
        package = only[customer]
        sure = (owned[customer] == 1) & ((plan < 0) | (np.append(packages.plan, -1)[package] == plan))
        booked.package[nameless[sure]] = package[sure]
        special[nameless[~sure]] = True
    customer = columns.customer
    if customer.strides != (0,):
        named = (booked.package >= 0) & (customer >= 0)
        special |= named & (np.append(packages.customer, -1)[booked.package] != customer)
    return special


def _in_order(columns: Columns, booked: Booked, some: BoolArray) -> Timeline:
    keys: list[AnyArray] = [booked.package, booked.posted, booked.turn, booked.seq, booked.rank]
    if some.all():
        event = sorted_by(*keys)
    else:
        rows = np.flatnonzero(some)
        event = rows[sorted_by(*(key[rows] for key in keys))]
    return make_timeline(booked.package[event], columns.kind[event], booked.posted[event], event)


def _flawed(packages: Packages, timeline: Timeline, grace_days: int) -> IntArray:
    """Packages of which some visit comes too early, too late or once too often."""
    opens, last, day = timeline.opens, timeline.closes, timeline.day
    held = timeline.package[opens]
    if not held.size:
        return held
    first_is_visit = timeline.kind[opens] == VISIT
    visits = last - opens + first_is_visit
    start = packages.day[held].copy()
    waits = packages.waits[held]
    if waits.any():
        start[waits] = np.where(visits > 0, day[np.minimum(opens + 1, last)], NEVER)[waits]
    flawed = first_is_visit | ((visits > packages.sessions[held]) & ~packages.term[held])
    flawed |= (visits > 0) & (day[last] > packages.last_day(held, start) + grace_days)
    found: IntArray = held[flawed]
    return found
