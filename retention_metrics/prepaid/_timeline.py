"""Events in the order of their packages and of time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retention_metrics._typing import IntArray
from retention_metrics.prepaid._columns import ESTIMATE, EXPIRY, TRANSFER, Columns
from retention_metrics.prepaid._packages import Packages

_FAR = 2**34


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Rows in the order of their packages and of time, each package opening with its sale.

    Attributes:
        package: Place of the package.
        kind: What it is.
        day: The day on which it counts.
        event: Place of the event among the columns, -1 for what fell due by itself.
        opens: Where each package begins; there is one place for every package.
    """

    package: IntArray
    kind: NDArray[np.int8]
    day: IntArray
    event: IntArray
    opens: IntArray

    def __len__(self) -> int:
        return len(self.package)

    @property
    def closes(self) -> IntArray:
        """Where each package ends."""
        return np.append(self.opens[1:], len(self))[: len(self.opens)] - 1

    def of_kind(self, *kinds: int) -> IntArray:
        """The rows of some kinds."""
        found = self.kind == kinds[0]
        for kind in kinds[1:]:
            found |= self.kind == kind
        return np.flatnonzero(found)

    def running(self, values: IntArray) -> IntArray:
        """Running totals within each package."""
        total = np.cumsum(values)
        before = total[self.opens] - values[self.opens]
        total -= before[self.package]
        return total

    def change(self, values: IntArray) -> IntArray:
        """What each row changed in a running value that is 0 before a package begins."""
        change = np.empty_like(values)
        np.subtract(values[1:], values[:-1], out=change[1:])
        change[self.opens] = values[self.opens]
        return change

    def latest(self, days: IntArray) -> IntArray:
        """The latest day so far within each package."""
        lift = self.package * _FAR
        found: IntArray = np.maximum.accumulate(days + lift) - lift
        return found

    def last_of(self, rows: IntArray) -> IntArray:
        """For each row the last one of some rows that is not after it and of its package, -1 for none."""
        latest = np.full(len(self), -1)
        latest[rows] = rows
        latest = np.maximum.accumulate(latest)
        return np.where((latest >= 0) & (self.package[latest] == self.package), latest, -1)

    def with_due(self, package: IntArray, kind: IntArray, day: IntArray) -> "Timeline":
        """The timeline with what falls due: new estimates open their day, everything else closes it."""
        if not package.size:
            return self
        ranked = np.lexsort((kind == EXPIRY, day, package))
        package, kind, day = package[ranked], kind[ranked], day[ranked]
        width = int(max(self.day.max(), day.max())) + 2
        moments = self.package * width + self.day
        place = np.searchsorted(moments, package * width + day - (kind == ESTIMATE), side="right")
        return make_timeline(
            np.insert(self.package, place, package),
            np.insert(self.kind, place, kind.astype(np.int8)),
            np.insert(self.day, place, day),
            np.insert(self.event, place, -1),
        )

    def owners(self, columns: Columns, packages: Packages) -> IntArray:
        """Whose each package is after each row."""
        owner = packages.customer[self.package]
        moved = self.of_kind(TRANSFER)
        if moved.size:
            last = self.last_of(moved)
            taken = last >= 0
            owner[taken] = columns.to[self.event[last[taken]]]
        return owner


def make_timeline(package: IntArray, kind: NDArray[np.int8], day: IntArray, event: IntArray) -> Timeline:
    """A timeline of rows that are in order."""
    opens = np.flatnonzero(np.append(True, package[1:] != package[:-1])[: len(package)])
    return Timeline(package, kind, day, event, opens)
