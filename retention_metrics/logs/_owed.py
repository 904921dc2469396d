"""What was collected, earned and is owed, of a log whose packages are counted where it is."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Literal, TypeAlias

from retention_metrics._checks import choice, whole
from retention_metrics._periods import period_of
from retention_metrics._typing import Period, Weekday
from retention_metrics.errors import InvalidValue
from retention_metrics.logs._engines import Frame
from retention_metrics.logs._packages import Counted, Lots, can_be_counted, can_count, count, lots_of, sums_of_lots
from retention_metrics.logs._rows import AFTER, warn_of
from retention_metrics.prepaid import Dormant, InvalidEvents, Ledger, PackagePlan, RollForward
from retention_metrics.prepaid._people import no_one
from retention_metrics.prepaid._rolling import periods_until, roll
from retention_metrics.prepaid._sums import sums_of

Group: TypeAlias = Literal["plan", "segment"]

_FOR_LEDGER = {"dedupe", "closed_until"}
"""Rules under which every event has to be looked at."""


@dataclass(frozen=True, slots=True)
class PackageLog:
    """A log of packages with the plans, the last day and the rules of a question.

    ``book`` makes the ledger of some of the events, and ``None`` of none.
    """

    events: Frame
    kinds: Mapping[str, str]
    plans: tuple[PackagePlan, ...]
    as_of: dt.date
    rules: Mapping[str, Any]
    book: Callable[[Frame], Ledger | None]

    def counted(self, by: Group | None = None) -> Counted | None:
        """The log with its packages counted, or ``None`` when the ledger has to take all of it."""
        unknown = _FOR_LEDGER & self.rules.keys() or not any(map(can_be_counted, self.plans))
        if unknown or not can_count(self.events):
            return None
        grace, until = self.rules.get("grace_days", 0), self.as_of.toordinal()
        return count(self.events, self.kinds, self.plans, until=until, grace_days=grace, by=by)

    def ledger(self, question: str, counted: Counted | None, *, of_all: bool = False) -> Ledger | None:
        """The ledger of the events that are not counted; ``None`` of none, as when ``of_all`` are.

        What cannot be booked is named by its row in the whole log.
        """
        try:
            made = None if of_all else self.book(counted.rest() if counted else self.events)
        except InvalidEvents:
            if counted:
                self.book(self.events)
            raise
        ignored = dict(made.ignored) if made else {}
        warn_of(ignored | ({AFTER: counted.later} if counted and counted.later else {}), question)
        return made


def roll_forward(log: PackageLog, period: Period, by: Group | None, week_start: Weekday) -> RollForward:
    """See :meth:`PrepaidEvents.roll_forward`."""
    if by is not None:
        choice(("plan", "segment"), by=by)
        if by == "segment" and "segment" not in log.events.collect_schema().names():
            raise InvalidValue("by='segment' needs the column of segments; name it with segment= when the log is made")
    lots, rest = _parts(log, "roll_forward", by)
    first = ([int(lots.sold.min())] if lots else []) + ([rest._book.flows.first_day()] if rest else [])
    starts, ends = periods_until(min(first), log.as_of, period, week_start)
    opened = period_of(starts[0], period, week_start)
    sums = []
    if rest:
        sums.append(sums_of(rest._book, by, ends))
    if lots:
        sums.append(sums_of_lots(lots, ends, opened=opened, period=period, week_start=week_start))
    return roll(reduce(add, sums), period=period, as_of=log.as_of, starts=starts, by=by)


def liability(log: PackageLog) -> int:
    """See :meth:`PrepaidEvents.liability`."""
    lots, rest = _parts(log, "liability", None)
    return (lots.liability() if lots else 0) + (rest.liability() if rest else 0)


def dormant(log: PackageLog, days: int) -> Dormant:
    """See :meth:`PrepaidEvents.dormant`."""
    silent = whole(0, days=days)
    counted = log.counted()
    made = log.ledger("dormant", counted.with_silent(silent) if counted else None)
    return made.dormant(silent) if made else no_one(log.as_of, silent)


def _parts(log: PackageLog, question: str, by: Group | None) -> tuple[Lots | None, Ledger | None]:
    """What is counted of a log, and the ledger of the rest."""
    counted = log.counted(by)
    lots = lots_of(counted, by) if counted else None
    rest = log.ledger(question, counted, of_all=lots is not None and lots.events == lots.counted.rows)
    if rest is None and not lots:
        raise InvalidValue("there is no sale in the events up to as_of: the book is empty")
    return lots, rest
