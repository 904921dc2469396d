"""What falls due by itself: expiry, the day on which a return has become remote, new estimates of breakage."""

from typing import NamedTuple

import numpy as np

from retention_metrics._typing import BoolArray, IntArray
from retention_metrics.prepaid._breakage import revised_days
from retention_metrics.prepaid._columns import (
    ESTIMATE,
    EXPIRY,
    EXTENSION,
    FREEZE,
    INSTALMENT,
    LAST_DAY,
    OPENING,
    PURCHASE,
    REFUND,
    REMOTE,
    TRANSFER,
    VISIT,
    Columns,
)
from retention_metrics.prepaid._packages import DORMANT, NEVER, PAY_BACK, Packages
from retention_metrics.prepaid._plan import PackagePlan
from retention_metrics.prepaid._timeline import Timeline

SIGNS = (PURCHASE, OPENING, INSTALMENT, TRANSFER, VISIT)
"""Events that show that a customer is still there."""


class Dates(NamedTuple):
    """The days that matter for each package.

    ``start`` and ``expires`` are the first and last day of validity or term, ``frozen`` its frozen days and
    ``frozen_until`` the last of them.
    """

    start: IntArray
    expires: IntArray
    frozen: IntArray
    frozen_until: IntArray


def dates_of(columns: Columns, packages: Packages, timeline: Timeline, undone: BoolArray) -> Dates:
    """When validity or term of each package starts and ends, freezes and extensions included.

    It does not count from visits that were ``undone``.

    What would end after the last day of the calendar does not end.
    """
    start = np.where(packages.waits, NEVER, packages.day)
    if packages.waits.any():
        visits = timeline.of_kind(VISIT)[::-1]
        visits = visits[packages.waits[timeline.package[visits]] & ~undone[timeline.event[visits]]]
        start[timeline.package[visits]] = timeline.day[visits]
    size = len(packages)
    frozen, extra, until = np.zeros(size, np.int64), np.zeros(size, np.int64), np.full(size, -1)
    freezes, extensions = timeline.of_kind(FREEZE), timeline.of_kind(EXTENSION)
    events, at = timeline.event[freezes], timeline.package[freezes]
    np.add.at(frozen, at, columns.until[events] - columns.day[events] + 1)
    np.maximum.at(until, at, columns.until[events])
    np.add.at(extra, timeline.package[extensions], columns.days[timeline.event[extensions]])
    expires = packages.last_day(slice(None), start) + frozen + extra
    return Dates(start, np.where(expires > LAST_DAY, NEVER, expires), frozen, until)


def falls_due(
    columns: Columns,
    packages: Packages,
    timeline: Timeline,
    plans: tuple[PackagePlan, ...],
    dates: Dates,
    *,
    as_of: int,
    grace_days: int,
) -> tuple[IntArray, IntArray, IntArray]:
    """What falls due up to ``as_of``: packages, kinds and days."""
    refunded = np.full(len(packages), NEVER)
    refunds = timeline.of_kind(REFUND)
    refunded[timeline.package[refunds]] = timeline.day[refunds]
    closes = np.maximum(dates.expires + grace_days, packages.posted)
    ends = np.flatnonzero((closes <= as_of) & (refunded == NEVER) & ~packages.term)
    found = [(ends, np.where(packages.expiry[ends] == PAY_BACK, REFUND, EXPIRY), closes[ends])]
    if (packages.method == DORMANT).any():
        silent, since = _silent(columns, packages, timeline, refunded, as_of)
        still = since <= closes[silent]
        found.append((silent[still], np.full(int(still.sum()), REMOTE), since[still]))
    for number, plan in enumerate(plans):
        for revised in revised_days(plan):
            live = (packages.plan == number) & (packages.posted < revised) & (closes >= revised) & (refunded >= revised)
            there = np.flatnonzero(live & (revised <= as_of))
            found.append((there, np.full(len(there), ESTIMATE), np.full(len(there), revised)))
    package, kind, day = (np.concatenate(each) for each in zip(*found, strict=True))
    return package, kind, day


def _silent(
    columns: Columns, packages: Packages, timeline: Timeline, refunded: IntArray, as_of: int
) -> tuple[IntArray, IntArray]:
    """Packages, and days on which there has been no sign for as long as their plan says, frozen days apart."""
    signs = timeline.of_kind(*SIGNS)
    signs = signs[packages.method[timeline.package[signs]] == DORMANT]
    which, day = timeline.package[signs], timeline.day[signs]
    last = np.append(which[1:] != which[:-1], True)
    until = np.minimum(np.where(last, as_of + 1, np.append(day[1:], 0)), refunded[which])
    since = day + packages.dormant_days[which]
    freezes = timeline.of_kind(FREEZE)
    if freezes.size:
        ends = columns.until[timeline.event[freezes]]
        rest = np.zeros(len(timeline), np.int64)
        rest[freezes] = ends
        since += np.maximum(timeline.latest(rest)[signs] - day, 0)
        # A freeze that begins in time puts the day off, which may let in the next freeze.
        of_sign = np.searchsorted(signs, freezes) - 1
        for freeze, sign, end in zip(freezes.tolist(), of_sign.tolist(), ends.tolist(), strict=True):
            begin = int(timeline.day[freeze])
            if which[sign] == timeline.package[freeze] and begin <= since[sign]:
                since[sign] += end - max(begin, int(day[sign]) + 1) + 1
    quiet = since < until
    return which[quiet], since[quiet]
