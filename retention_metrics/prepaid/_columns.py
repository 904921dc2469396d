"""Events as columns: arrays of whole numbers, and the list of what cannot be booked."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retention_metrics._typing import BoolArray, IntArray
from retention_metrics.prepaid._events import NEEDS, Kind
from retention_metrics.prepaid._plan import PackagePlan
from retention_metrics.prepaid._problems import Issue

MISSING = np.iinfo(np.int64).min
LAST_DAY = dt.date.max.toordinal()
KINDS: tuple[Kind, ...] = tuple(NEEDS)
"""The kinds of event, in the order in which those of a day follow one another."""
# The order of a day: a new estimate, what was sold, ..., what was given back, and at its end what fell due.
ESTIMATE = 0
PURCHASE, OPENING, INSTALMENT, TRANSFER, FREEZE, EXTENSION, VISIT, VOID, REFUND = range(1, 10)
REMOTE, EXPIRY = 10, 11

AnyArray: TypeAlias = NDArray[Any]
Labels: TypeAlias = NDArray[np.object_]

NUMBERS = ("amount", "price", "sessions", "days")


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Events, one a place in each array; ids are places in their labels, and -1 is none.

    ``plan`` is the place of a plan among those of the book; one that is not among them is -2 less its place in
    ``plan_names``.

    ``day`` is when something happened, ``posted`` the day on which it counts; ``row`` its place among the events given.
    """

    kind: NDArray[np.int8]
    day: IntArray
    posted: IntArray
    seq: IntArray
    row: IntArray
    id: IntArray
    package: IntArray
    customer: IntArray
    plan: IntArray
    segment: IntArray
    to: IntArray
    target: IntArray
    amount: IntArray
    price: IntArray
    sessions: IntArray
    days: IntArray
    until: IntArray
    expires: IntArray
    ids: Labels
    packages: Labels
    customers: Labels
    plan_names: Labels
    segments: Labels

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, rows: IntArray | BoolArray) -> "Columns":
        """Some of the events."""
        size = len(self)
        taken = {
            each.name: picked(array, rows)
            for each in fields(self)
            if (array := getattr(self, each.name)).dtype != object and array.shape == (size,)
        }
        return replace(self, **taken)

    def id_of(self, place: int) -> Any:
        """The id of an event, or ``None``."""
        return None if self.id[place] < 0 else self.ids[self.id[place]]


class Problems:
    """A growing list of events that cannot be booked."""

    def __init__(self, issues: Iterable[Issue] = ()) -> None:
        self.issues = list(issues)

    def refuse(self, columns: Columns, places: Iterable[int], code: str, reason: Callable[[int], str]) -> None:
        """Say the same of several events."""
        for place in places:
            self.issues.append(
                Issue(row=int(columns.row[place]), id=columns.id_of(place), code=code, reason=reason(place))
            )


def sorted_by(*keys: AnyArray) -> IntArray:
    """Order by some whole numbers, the first one first; what is equal keeps its order.

    Keys are packed into as few numbers of 63 bits as their ranges allow. When one holds them all and the place, sorting
    it is several times faster than sorting by keys.
    """
    size = len(keys[0])
    if size < 2:
        return np.arange(size)
    place = (size - 1).bit_length()
    words: list[IntArray] = []
    room = 0
    for key in keys:
        low, high = int(key.min()), int(key.max())
        if low == high:
            continue
        if low == MISSING:
            low = int(np.where(key == MISSING, high, key).min()) - 1
            key = np.maximum(key, low)
        bits = (high - low).bit_length()
        if bits > room:
            words.append(np.subtract(key, low, dtype=np.int64))
            room = 63 - bits
            continue
        words[-1] <<= bits
        words[-1] += key
        words[-1] -= low
        room -= bits
    if not words:
        return np.arange(size)
    if len(words) == 1 and room >= place:
        packed = words[0]
        packed <<= place
        packed += np.arange(size)
        packed.sort()
        packed &= (1 << place) - 1
        return packed
    return np.lexsort(tuple(reversed(words)))


def kind_of(columns: Columns, place: int) -> Kind:
    """The kind of an event by name."""
    return KINDS[int(columns.kind[place]) - 1]


def shown(day: int | np.int64) -> str:
    """A day as it is written in a message."""
    return dt.date.fromordinal(int(day)).isoformat()


def prices_of(columns: Columns, sale: IntArray, plans: tuple[PackagePlan, ...]) -> IntArray:
    """The price of each package sold; of one taken over, its unearned value."""
    listed = np.array([each.price for each in plans], np.int64)[columns.plan[sale]]
    amount, price = picked(columns.amount, sale), picked(columns.price, sale)
    agreed = np.where(columns.kind[sale] == OPENING, amount, price)
    return np.where(agreed == MISSING, listed, agreed)


def and_none(labels: Labels) -> Labels:
    """Labels with ``None`` behind them, in the place of -1."""
    found = np.empty(len(labels) + 1, object)
    found[:-1] = labels
    return found


def picked(array: NDArray[Any], rows: IntArray | BoolArray) -> NDArray[Any]:
    """Some elements; of one that stands for all nothing is copied."""
    if array.strides == (0,) and len(array):
        size = int(np.count_nonzero(rows)) if rows.dtype == bool else len(rows)
        return np.broadcast_to(array[0], size)
    return array[rows]
