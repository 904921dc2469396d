"""Terms earn by the day: the stretches of days over which they run."""

from dataclasses import dataclass, fields

import numpy as np

from retention_metrics._typing import BoolArray, IntArray
from retention_metrics.prepaid._money import earned_by


@dataclass(frozen=True, slots=True, eq=False)
class Stretches:
    """Days on end on which a term ran for one owner.

    Attributes:
        package: Place of the package.
        owner: Whose it was.
        first: First day of the stretch.
        last: Last day.
        before: Days that the term had run before.
        price: Price of the whole term.
        length: Days of the whole term.
    """

    package: IntArray
    owner: IntArray
    first: IntArray
    last: IntArray
    before: IntArray
    price: IntArray
    length: IntArray

    def take(self, some: IntArray | BoolArray) -> "Stretches":
        """Some of the stretches."""
        return Stretches(*(getattr(self, each.name)[some] for each in fields(self)))

    def earned_until(self, day: IntArray | int) -> IntArray:
        """What each stretch had earned by the end of a day."""
        days = np.clip(np.minimum(self.last, day) - self.first + 1, 0, None)
        full: IntArray = earned_by(self.price, self.length, self.before + days)
        result: IntArray = full - earned_by(self.price, self.length, self.before)
        return result


def run_days(day: IntArray, start: IntArray, frozen: IntArray, frozen_until: IntArray, length: IntArray) -> IntArray:
    """Days of a term that have run at the end of a day, without the frozen ones; the last freeze may not be over."""
    passed = day - start + 1 - (frozen - np.maximum(frozen_until - day, 0))
    ran: IntArray = np.clip(passed, 0, length)
    return ran


def make_stretches(
    package: IntArray,
    owner: IntArray,
    begin: IntArray,
    pause: IntArray,
    stop: IntArray,
    price: IntArray,
    length: IntArray,
) -> Stretches:
    """Stretches between the days on which something changes.

    The changes of a package follow one another in time: ``begin`` is the day from which it runs after each (after a
    freeze the day that follows it), ``pause`` the day of the change, from which the stretch before is over. ``stop`` is
    the last day of the package.
    """
    size = len(package)
    opens = np.append(True, package[1:] != package[:-1])[:size]
    lift = np.cumsum(opens) * 2**34
    running = np.maximum.accumulate(begin + lift) - lift
    last = stop.copy()
    same = ~opens[1:]
    last[:-1][same] = np.minimum(pause[1:] - 1, stop[:-1])[same]
    days = np.maximum(last - running + 1, 0)
    total = np.cumsum(days)
    at_open = (total - days)[opens]
    before = total - days - at_open[np.cumsum(opens) - 1]
    return Stretches(package, owner, running, last, before, price, length).take(days > 0)
