"""Events as columns: arrays of whole numbers, and what can be said against a row by itself."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retention_metrics._typing import BoolArray, IntArray
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid._events import DETAILS, NEEDS, Kind
from retention_metrics.prepaid._plan import PackagePlan
from retention_metrics.prepaid._problems import Issue

MISSING = np.iinfo(np.int64).min
KINDS: tuple[Kind, ...] = tuple(NEEDS)
"""The kinds of event, in the order in which those of a day follow one another."""
# The order of a day: a new estimate, what was sold, ..., what was given back, and at its end what fell due.
ESTIMATE = 0
PURCHASE, OPENING, INSTALMENT, TRANSFER, FREEZE, EXTENSION, VISIT, VOID, REFUND = range(1, 10)
REMOTE, EXPIRY = 10, 11

AnyArray: TypeAlias = NDArray[Any]
Labels: TypeAlias = NDArray[np.object_]

NUMBERS = ("amount", "price", "sessions", "days")
_DENSE = 4


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Events, one a place in each array; ids are places in their labels, and -1 is none.

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
    segments: Labels

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, rows: IntArray | BoolArray) -> "Columns":
        """Some of the events."""
        size = len(self)
        picked = {
            each.name: _picked(array, rows)
            for each in fields(self)
            if (array := getattr(self, each.name)).dtype != object and array.shape == (size,)
        }
        return replace(self, **picked)

    def id_of(self, place: int) -> Any:
        """The id of an event, or ``None``."""
        return None if self.id[place] < 0 else self.ids[self.id[place]]


class Problems:
    """A growing list of events that cannot be booked."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []

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
            words.append(np.zeros(size, np.int64))
            room = 63
        words[-1] <<= bits
        words[-1] |= key.astype(np.int64, copy=False) - low
        room -= bits
    if not words:
        return np.arange(size)
    if len(words) == 1 and room >= place:
        packed = (words[0] << place) | np.arange(size)
        packed.sort()
        return packed & ((1 << place) - 1)
    return np.lexsort(tuple(reversed(words)))


def coded(*columns: Any) -> tuple[list[IntArray], Labels]:
    """Ids as places among their sorted labels, whole numbers before names, -1 where there is none."""
    arrays = [each if isinstance(each, np.ma.MaskedArray) else np.asarray(each) for each in columns]
    if all(each.dtype.kind in "iu" for each in arrays):
        return _coded_numbers(arrays)
    lists = [each.tolist() for each in arrays]
    seen = set().union(*lists) - {None, ""}
    for label in seen:
        if isinstance(label, bool) or not isinstance(label, (int, str)):
            raise InvalidType(f"ids must be strings or whole numbers, got {type(label).__name__} {label!r}")
    ranked = sorted(seen, key=lambda label: (isinstance(label, str), label))
    place: dict[Any, int] = {label: number for number, label in enumerate(ranked)} | {None: -1, "": -1}
    labels = np.empty(len(ranked), object)
    labels[:] = ranked
    return [np.fromiter(map(place.__getitem__, each), np.int64, len(each)) for each in lists], labels


def _coded_numbers(arrays: list[NDArray[Any]]) -> tuple[list[IntArray], Labels]:
    there = [~np.ma.getmaskarray(each) if isinstance(each, np.ma.MaskedArray) else None for each in arrays]
    values = [np.ma.getdata(each).astype(np.int64, copy=False) for each in arrays]
    real = [each if known is None else each[known] for each, known in zip(values, there, strict=True)]
    real = [each for each in real if each.size]
    if not real:
        return [np.full(each.size, -1) for each in arrays], np.empty(0, object)
    low, high = min(int(each.min()) for each in real), max(int(each.max()) for each in real)
    if high - low > _DENSE * sum(each.size for each in real):
        labels = np.unique(np.concatenate(real))
        codes = [np.searchsorted(labels, each) for each in values]
    else:
        used = np.zeros(high - low + 1, bool)
        for each in real:
            used[each - low] = True
        labels, place = np.flatnonzero(used) + low, np.cumsum(used) - 1
        codes = [place[np.clip(each - low, 0, high - low)] for each in values]
    return [
        code if known is None else np.where(known, code, -1) for code, known in zip(codes, there, strict=True)
    ], labels.astype(object)


def whole_column(name: str, values: Any) -> IntArray:
    """A column of whole numbers, with :data:`MISSING` where there is none."""
    if isinstance(values, np.ma.MaskedArray):
        found = whole_column(name, values.data).copy()
        found[np.ma.getmaskarray(values)] = MISSING
        return found
    array = np.asarray(values)
    if array.dtype.kind in "iu":
        if array.dtype == np.uint64 and array.size and int(array.max()) > np.iinfo(np.int64).max:
            raise InvalidValue(f"column {name!r} holds {int(array.max())}, which is beyond int64")
        return array.astype(np.int64, copy=False)
    if array.dtype.kind != "O":
        raise InvalidType(
            f"column {name!r} holds {array.dtype}, not whole numbers; convert money with prepaid.to_minor(), "
            "and mask what is missing with numpy.ma"
        )
    for place, value in enumerate(array):
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, np.integer))):
            raise InvalidType(f"{name}[{place}] must be a whole number or None, got {type(value).__name__} {value!r}")
    return np.array([MISSING if value is None else int(value) for value in array], np.int64)


def day_column(name: str, values: Any) -> IntArray:
    """A column of days as ordinals, from ordinals or ``datetime64``."""
    array = values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
    if array.dtype.kind == "M":
        days = array.astype("datetime64[D]")
        found: IntArray = days.astype(np.int64) + dt.date(1970, 1, 1).toordinal()
        found[np.isnat(days)] = MISSING
        return found
    return whole_column(name, values)


def make_columns(raw: Mapping[str, Any], plans: Mapping[Any, int]) -> tuple[Columns, IntArray, Labels]:
    """Columns from arrays by name; and the days of recording and the currencies, which no later step needs.

    The names are the fields of :class:`PrepaidEvent`, with ``kind`` and ``date`` always there and ``row`` for the place
    of each event among those given, when that is not its place in the arrays.
    """
    known = {"kind", "date", "row", "id", "seq", "currency", "recorded", *DETAILS}
    for name in raw:
        if name not in known:
            raise InvalidValue(f"there is no column {name!r}; the columns are {', '.join(sorted(known))}")
    for name in ("kind", "date"):
        if name not in raw:
            raise InvalidValue(f"column {name!r} is missing")
    size = len(raw["kind"])
    for name, values in raw.items():
        if len(values) != size:
            raise InvalidValue(f"column {name!r} has {len(values):,} elements, and kind has {size:,}")
    absent = np.broadcast_to(np.int64(MISSING), size)
    nobody = np.broadcast_to(np.int64(-1), size)

    def ids(*names: str) -> tuple[list[IntArray], Labels]:
        there = [name for name in names if name in raw]
        codes, labels = coded(*(raw[name] for name in there)) if there else ([], np.empty(0, object))
        found = dict(zip(there, codes, strict=True))
        return [found.get(name, nobody) for name in names], labels

    (event, target), event_ids = ids("id", "target")
    (package,), package_ids = ids("package")
    (customer, to), customer_ids = ids("customer", "to")
    (segment,), segments = ids("segment")
    (plan_name,), plan_names = ids("plan")
    place = np.array([plans.get(name, -2) for name in plan_names] + [-1], np.int64)
    (currency,), currencies = ids("currency")
    day = day_column("date", raw["date"])
    numbers = {name: whole_column(name, raw[name]) if name in raw else absent for name in NUMBERS}
    days = {name: day_column(name, raw[name]) if name in raw else absent for name in ("until", "expires")}
    columns = Columns(
        kind=_kinds(raw["kind"]),
        day=day,
        posted=day,
        seq=whole_column("seq", raw["seq"]) if "seq" in raw else np.broadcast_to(np.int64(0), size),
        row=whole_column("row", raw["row"]) if "row" in raw else np.arange(size),
        id=event,
        package=package,
        customer=customer,
        plan=place[plan_name] if "plan" in raw else nobody,
        segment=segment,
        to=to,
        target=target,
        ids=event_ids,
        packages=package_ids,
        customers=customer_ids,
        segments=segments,
        **numbers,
        **days,
    )
    recorded = day_column("recorded", raw["recorded"]) if "recorded" in raw else absent
    return columns, recorded, and_none(currencies)[currency] if "currency" in raw else np.empty(0, object)


def _kinds(values: Any) -> NDArray[np.int8]:
    array = np.asarray(values)
    if array.dtype.kind in "iu":
        if array.size and not 0 <= int(array.min()) <= int(array.max()) < len(KINDS):
            raise InvalidValue(f"column 'kind' must hold places in prepaid.KINDS, from 0 to {len(KINDS) - 1}")
        return (array + 1).astype(np.int8)
    place = {name: number for number, name in enumerate(KINDS, start=1)}
    names = array.tolist()
    for name in set(names):
        if name not in place:
            raise InvalidValue(f"column 'kind' must hold {', '.join(map(repr, KINDS))}, got {name!r}")
    return np.fromiter(map(place.__getitem__, names), np.int8, len(names))


def kind_of(columns: Columns, place: int) -> Kind:
    """The kind of an event by name."""
    return KINDS[int(columns.kind[place]) - 1]


def shown(day: int | np.int64) -> str:
    """A day as it is written in a message."""
    return dt.date.fromordinal(int(day)).isoformat()


def prices_of(columns: Columns, sale: IntArray, plans: tuple[PackagePlan, ...]) -> IntArray:
    """The price of each package sold; of one taken over, its unearned value."""
    listed = np.array([each.price for each in plans], np.int64)[columns.plan[sale]]
    agreed = np.where(columns.kind[sale] == OPENING, columns.amount[sale], columns.price[sale])
    return np.where(agreed == MISSING, listed, agreed)


def and_none(labels: Labels) -> Labels:
    """Labels with ``None`` behind them, in the place of -1."""
    found = np.empty(len(labels) + 1, object)
    found[:-1] = labels
    return found


def _picked(array: NDArray[Any], rows: IntArray | BoolArray) -> NDArray[Any]:
    if array.strides == (0,) and len(array):
        size = int(np.count_nonzero(rows)) if rows.dtype == bool else len(rows)
        return np.broadcast_to(array[0], size)
    return array[rows]
