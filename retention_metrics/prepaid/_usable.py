"""Which events count: what can be said against each by itself, and those that came twice or too late."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np

from retention_metrics._typing import BoolArray, IntArray
from retention_metrics.prepaid._columns import (
    FREEZE,
    INSTALMENT,
    KINDS,
    LAST_DAY,
    MISSING,
    OPENING,
    PURCHASE,
    REFUND,
    VISIT,
    VOID,
    Columns,
    Labels,
    Problems,
    kind_of,
    prices_of,
    shown,
    sorted_by,
)
from retention_metrics.prepaid._events import DETAILS, NEEDS, TAKES, Kind
from retention_metrics.prepaid._money import MOST_MONEY, MOST_SESSIONS
from retention_metrics.prepaid._plan import PackagePlan

Dedupe = Literal["id", "content"]
Late = Literal["post", "error"]

_LATE_KINDS = (PURCHASE, INSTALMENT, VISIT, VOID, REFUND)
_RANGES = {"amount": (0, MOST_MONEY), "price": (0, MOST_MONEY), "sessions": (1, MOST_SESSIONS), "days": (1, 36_526)}
_DAYS = ("until", "expires")
_IDS = ("package", "customer", "plan", "segment", "to", "target")
_CONTENT = ("kind", "day", "seq", *DETAILS)


def _kinds_of(table: Mapping[Kind, tuple[str, ...]], name: str) -> BoolArray:
    return np.array([False] + [name in table[kind] for kind in KINDS])


_FIELD_KINDS = {name: (_kinds_of(NEEDS, name), _kinds_of(NEEDS, name) | _kinds_of(TAKES, name)) for name in DETAILS}
"""Which kinds of event need a field, and which may have it."""


def usable_columns(
    columns: Columns,
    recorded: IntArray,
    currencies: Labels,
    plans: tuple[PackagePlan, ...],
    *,
    as_of: int,
    known_by: int | None,
    dedupe: Dedupe,
    closed_until: int | None,
    late: Late,
    problems: Problems,
) -> tuple[Columns, dict[str, int]]:
    """The events that count, and how many others were left out for which reason; the wrong ones go to ``problems``."""
    checks = _Checks(columns, problems)
    checks.calendar("recorded", recorded, np.flatnonzero(recorded != MISSING))
    if closed_until is not None:
        columns = _posted_late(columns, recorded, closed_until, late, checks)
        checks.columns = columns
    later = (columns.posted > as_of) & checks.good
    checks.good &= ~later
    ignored = {"after as_of": int(np.count_nonzero(later))}
    if known_by is not None:
        unknown = (recorded > known_by) & checks.good
        checks.good &= ~unknown
        ignored["recorded after as_of"] = int(np.count_nonzero(unknown))
    checks.fields()
    checks.sense(currencies, plans)
    if not checks.good.all():
        columns = columns.take(checks.good)
    columns, ignored["repeated"] = _once(columns, dedupe, problems)
    return columns, {reason: count for reason, count in ignored.items() if count}


def _posted_late(columns: Columns, recorded: IntArray, closed_until: int, late: Late, checks: "_Checks") -> Columns:
    """Events of closed days that were entered later count on the first open day, those that can."""
    belated = (columns.day <= closed_until) & (recorded > closed_until)
    if not belated.any():
        return columns
    never = belated & (~np.isin(columns.kind, _LATE_KINDS) | (late == "error"))
    checks.refuse(
        np.flatnonzero(never),
        "late",
        lambda i: (
            f"{checks.name(i)} of {shown(columns.day[i])} was entered on {shown(recorded[i])}, and the book is closed "
            f"until {shown(closed_until)}"
        ),
    )
    return replace(columns, posted=np.where(belated, closed_until + 1, columns.day))


class _Checks:
    """What can be said against events by themselves; each is refused once, for the first reason."""

    def __init__(self, columns: Columns, problems: Problems) -> None:
        self.columns, self.problems = columns, problems
        self.good = np.ones(len(columns), bool)

    def name(self, place: int) -> str:
        """The kind of an event."""
        return kind_of(self.columns, place)

    def refuse(self, places: IntArray, code: str, reason: Callable[[int], str]) -> None:
        """Refuse some events that were good so far."""
        places = places[self.good[places]]
        if places.size:
            self.problems.refuse(self.columns, places.tolist(), code, reason)
            self.good[places] = False

    def fields(self) -> None:
        """Refuse events without what their kind needs, with what it does not have, and numbers out of range."""
        columns = self.columns
        bad_day = (columns.day < 1) | (columns.day > LAST_DAY)
        self.refuse(np.flatnonzero(bad_day), "no_date", lambda _: "the event has no date")
        visits = columns.kind == VISIT
        others = np.flatnonzero(~visits)
        kinds = columns.kind[others]
        there = np.bincount(kinds, minlength=len(KINDS) + 1) > 0
        for name in DETAILS:
            values: IntArray = getattr(columns, name)
            given = values[others] != (-1 if name in _IDS else MISSING)
            needed, allowed = _FIELD_KINDS[name]
            lacks = strange = others[:0]
            if (needed & there).any():
                lacks = others[~given & needed[kinds]]
            if (~allowed & there).any():
                strange = others[given & ~allowed[kinds]]
            if not allowed[VISIT] and values.strides != (0,):
                strange = np.append(strange, np.flatnonzero(visits & (values != (-1 if name in _IDS else MISSING))))
            self.refuse(lacks, "incomplete", lambda i, name=name: f"{self.name(i)} needs {name}")  # type: ignore[misc]
            self.refuse(strange, "strange_field", lambda i, name=name: f"{self.name(i)} takes no {name}")  # type: ignore[misc]
            if name in _RANGES:
                self.range(name, values, others[given])
            elif name in _DAYS:
                self.calendar(name, values, others[given])
        lost = visits & (columns.package < 0) & (columns.customer < 0)
        self.refuse(np.flatnonzero(lost), "incomplete", lambda _: "visit needs package or customer")

    def range(self, name: str, values: IntArray, some: IntArray) -> None:
        """Refuse numbers out of range."""
        low, high = _RANGES[name]
        self.refuse(
            some[(values[some] < low) | (values[some] >= high)],
            "out_of_range",
            lambda i: f"{name} must be a whole number >= {low} and below {high:,}, got {values[i]:,}",
        )

    def calendar(self, name: str, values: IntArray, some: IntArray) -> None:
        """Refuse days that are in no calendar."""
        self.refuse(
            some[(values[some] < 1) | (values[some] > LAST_DAY)],
            "out_of_range",
            lambda i: f"{name} must be a day from 0001-01-01 to 9999-12-31, got the ordinal {values[i]:,}",
        )

    def sense(self, currencies: Labels, plans: tuple[PackagePlan, ...]) -> None:
        """Refuse unknown plans, other currencies, and days in the wrong order."""
        columns = self.columns

        @cache
        def no_plan(name: str | int) -> str:
            (near,) = difflib.get_close_matches(str(name), [str(each.id) for each in plans], n=1, cutoff=0)
            nearest = next(each.id for each in plans if str(each.id) == near)
            return f"there is no plan {name!r} among the plans; the nearest is {nearest!r}"

        self.refuse(
            np.flatnonzero(columns.plan < -1),
            "unknown_plan",
            lambda i: no_plan(columns.plan_names[-2 - columns.plan[i]]),
        )
        if len(currencies):
            own = plans[0].currency
            self.refuse(
                np.flatnonzero([each is not None and each != own for each in currencies]),
                "currency",
                lambda i: f"the event is in {currencies[i]}, and the ledger in {own}; keep one ledger a currency",
            )
        freezes = np.flatnonzero(columns.kind == FREEZE)
        self.refuse(
            freezes[columns.until[freezes] < columns.day[freezes]],
            "freeze_ends_early",
            lambda i: f"the freeze ends on {shown(columns.until[i])}, before it begins on {shown(columns.day[i])}",
        )
        sale = np.flatnonzero(((columns.kind == PURCHASE) | (columns.kind == OPENING)) & self.good)
        self.sales(sale, plans)

    def sales(self, sale: IntArray, plans: tuple[PackagePlan, ...]) -> None:
        """Refuse sales that contradict their plan."""
        columns, plan = self.columns, self.columns.plan[sale]
        term = np.array([each.is_term for each in plans])[plan]
        lasting = np.array([each.expiry == "never" for each in plans])[plan]
        price = prices_of(columns, sale, plans)
        opening = columns.kind[sale] == OPENING
        sessions, days, expires = columns.sessions[sale], columns.days[sale], columns.expires[sale]
        paid, agreed = columns.amount[sale], expires != MISSING
        asked = dict(zip(sale.tolist(), price.tolist(), strict=True)) if (paid > price).any() else {}
        refusals: list[tuple[BoolArray, str, Callable[[int], str]]] = [
            (term & (sessions != MISSING), "strange_field", lambda i: f"{self.name(i)} of a term takes no sessions"),
            (
                opening & ~term & (sessions == MISSING),
                "incomplete",
                lambda _: "opening needs sessions, those that are left",
            ),
            (opening & term & (days == MISSING), "incomplete", lambda _: "opening of a term needs the days left"),
            (opening & ~term & (days != MISSING), "strange_field", lambda _: "opening of sessions takes no days"),
            (
                agreed & (expires < columns.day[sale]),
                "expires_early",
                lambda i: (
                    f"the package expires on {shown(columns.expires[i])}, before its sale on {shown(columns.day[i])}"
                ),
            ),
            (
                agreed & lasting,
                "strange_field",
                lambda i: (
                    f"packages of plan {plans[columns.plan[i]].id!r} never expire, and this one expires on "
                    f"{shown(columns.expires[i])}; set expiry of the plan"
                ),
            ),
            (
                (paid != MISSING) & (paid > price),
                "overpaid",
                lambda i: f"{columns.amount[i]:,} is paid for a package with a price of {asked[i]:,}",
            ),
        ]
        for bad, code, reason in refusals:
            self.refuse(sale[bad], code, reason)


def _once(columns: Columns, dedupe: Dedupe, problems: Problems) -> tuple[Columns, int]:
    """Each event once; another event under an id that is taken is a problem."""
    drop = np.zeros(len(columns), bool)
    named = columns.id >= 0
    repeated = 0
    if named.any():
        counts = np.bincount(columns.id[named], minlength=len(columns.ids))
        twice = np.flatnonzero(named)[counts[columns.id[named]] > 1]
        if twice.size:
            twice, same, first = _grouped(columns, twice, columns.id)
            drop[twice[first != twice]] = True
            repeated += int(np.count_nonzero(same & (first != twice)))
            origin = dict(zip(twice.tolist(), first.tolist(), strict=True))
            problems.refuse(
                columns,
                twice[~same].tolist(),
                "id_taken",
                lambda i: (
                    f"the id stands for another {kind_of(columns, origin[i])} of "
                    f"{shown(int(columns.day[origin[i]]))}, row {columns.row[origin[i]]}"
                ),
            )
    if dedupe == "content" and not named.all():
        nameless = np.flatnonzero(~named)
        ordered = nameless[sorted_by(*(getattr(columns, name)[nameless] for name in _CONTENT))]
        again = np.ones(len(ordered), bool)
        again[:1] = False
        for name in _CONTENT:
            values = getattr(columns, name)[ordered]
            again[1:] &= values[1:] == values[:-1]
        drop[ordered[again]] = True
        repeated += int(np.count_nonzero(again))
    return (columns.take(~drop), repeated) if drop.any() else (columns, repeated)


def _grouped(columns: Columns, some: IntArray, group: IntArray) -> tuple[IntArray, BoolArray, IntArray]:
    """Events in order within their group, whether each says what the first one says, and the first one."""
    keys = [columns.posted[some], *(getattr(columns, name)[some] for name in _CONTENT)]
    some = some[sorted_by(group[some], *keys)]
    opens = np.append(True, group[some][1:] != group[some][:-1])
    first = some[np.flatnonzero(opens)[np.cumsum(opens) - 1]]
    same = np.ones(len(some), bool)
    for name in _CONTENT:
        values = getattr(columns, name)
        same &= values[some] == values[first]
    return some, same, first
