"""Events from arrays by name: ids, whole numbers and days are read, and rows that cannot be are set apart."""

import datetime as dt
import difflib
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retention_metrics._typing import BoolArray, IntArray
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid._columns import KINDS, MISSING, NUMBERS, AnyArray, Columns, Labels, Problems, and_none
from retention_metrics.prepaid._events import DETAILS, iso_moment

_DENSE = 4
_MOST = np.iinfo(np.int64).max
_EPOCH = dt.date(1970, 1, 1).toordinal()

Faults: TypeAlias = dict[int, tuple[str, str]]
"""Code and reason of each row that cannot be read."""


def make_columns(
    raw: Mapping[str, Any], plans: Mapping[Any, int], problems: Problems
) -> tuple[Columns, IntArray, Labels]:
    """Columns from arrays by name; and the days of recording and the currencies, which no later step needs.

    The names are the fields of :class:`PrepaidEvent`, with ``kind`` and ``date`` always there and ``row`` for the place
    of each event among those given, when that is not its place in the arrays. Rows that cannot be read are left out.
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
    faults: Faults = {}

    def ids(*names: str) -> tuple[list[IntArray], Labels]:
        there = [name for name in names if name in raw]
        codes, labels = coded(*(raw[name] for name in there)) if there else ([], np.empty(0, object))
        found = dict(zip(there, codes, strict=True))
        return [found.get(name, nobody) for name in names], labels

    def days(name: str) -> IntArray:
        return day_column(name, raw[name], faults) if name in raw else absent

    (event, target), event_ids = ids("id", "target")
    (package,), package_ids = ids("package")
    (customer, to), customer_ids = ids("customer", "to")
    (segment,), segments = ids("segment")
    (plan_name,), plan_names = ids("plan")
    place = np.array([plans.get(name, -2 - number) for number, name in enumerate(plan_names)] + [-1], np.int64)
    (currency,), currencies = ids("currency")
    kind, day = _kinds(raw["kind"], faults), days("date")
    columns = Columns(
        kind=kind,
        day=day,
        posted=day,
        seq=_places(raw["seq"]) if "seq" in raw else np.broadcast_to(np.int64(0), size),
        row=whole_column("row", raw["row"]) if "row" in raw else np.arange(size),
        id=event,
        package=package,
        customer=customer,
        plan=place[plan_name] if "plan" in raw else nobody,
        segment=segment,
        to=to,
        target=target,
        until=days("until"),
        expires=days("expires"),
        ids=event_ids,
        packages=package_ids,
        customers=customer_ids,
        plan_names=plan_names,
        segments=segments,
        **{name: whole_column(name, raw[name]) if name in raw else absent for name in NUMBERS},
    )
    recorded = days("recorded")
    currencies = and_none(currencies)[currency] if "currency" in raw else np.empty(0, object)
    if not faults:
        return columns, recorded, currencies
    for row, (code, reason) in sorted(faults.items()):
        problems.refuse(columns, [row], code, lambda _, reason=reason: reason)  # type: ignore[misc]
    read = np.ones(size, bool)
    read[list(faults)] = False
    return columns.take(read), recorded[read], currencies[read] if "currency" in raw else currencies


def coded(*columns: Any) -> tuple[list[IntArray], Labels]:
    """Ids as places among their sorted labels, whole numbers before names, -1 where there is none."""
    arrays = [_array(each) for each in columns]
    if all(each.dtype.kind in "iu" and not _too_large(each) for each in arrays):
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


def _coded_numbers(arrays: list[AnyArray]) -> tuple[list[IntArray], Labels]:
    there = [~np.ma.getmaskarray(each) if isinstance(each, np.ma.MaskedArray) else None for each in arrays]
    values = [np.ma.getdata(each).astype(np.int64, copy=False) for each in arrays]
    real = [each if known is None else each[known] for each, known in zip(values, there, strict=True)]
    some = [each for each in real if each.size]
    if not some:
        return [np.full(each.size, -1) for each in arrays], np.empty(0, object)
    low, high = min(int(each.min()) for each in some), max(int(each.max()) for each in some)
    if high - low > _DENSE * sum(each.size for each in some):
        labels = np.unique(np.concatenate(some))
        codes = [np.searchsorted(labels, each) for each in real]
    else:
        used = np.zeros(high - low + 1, bool)
        codes = [each - low for each in real]
        for code in codes:
            used[code] = True
        labels = np.flatnonzero(used) + low
        if not used.all():
            codes = [(np.cumsum(used) - 1)[code] for code in codes]
    return [_spread(code, known) for code, known in zip(codes, there, strict=True)], labels.astype(object)


def _spread(codes: IntArray, known: BoolArray | None) -> IntArray:
    """The codes of what is known, -1 for the rest."""
    if known is None:
        return codes
    found = np.full(known.size, -1)
    found[known] = codes
    return found


def whole_column(name: str, values: Any) -> IntArray:
    """A column of whole numbers, with :data:`MISSING` where there is none."""
    if isinstance(values, np.ma.MaskedArray):
        found = whole_column(name, values.filled(0)).copy()
        found[np.ma.getmaskarray(values)] = MISSING
        return found
    array = np.asarray(values)
    if array.dtype.kind in "iu":
        if _too_large(array):
            raise InvalidValue(f"column {name!r} holds {int(array.max())}, which is beyond int64")
        return array.astype(np.int64, copy=False)
    if array.dtype.kind != "O":
        remedy = "convert money with prepaid.to_minor(), and mask" if name in {"amount", "price"} else "mask"
        raise InvalidType(
            f"column {name!r} holds {array.dtype}, not whole numbers; {remedy} what is missing with numpy.ma"
        )
    for place, value in enumerate(array):
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, np.integer))):
            raise InvalidType(f"{name}[{place}] must be a whole number or None, got {type(value).__name__} {value!r}")
    return np.array(
        [MISSING if value is None else _int64(name, place, value) for place, value in enumerate(array)], np.int64
    )


def _places(values: Any) -> IntArray:
    """Places in the day; an event without one stands at 0."""
    found = whole_column("seq", values)
    return np.where(found == MISSING, 0, found)


def day_column(name: str, values: Any, faults: Faults) -> IntArray:
    """A column of days as ordinals, with :data:`MISSING` where there is none; text that is no day is a fault."""
    array = _array(values)
    if array.dtype.kind == "M":
        days = np.ma.getdata(array).astype("datetime64[D]", copy=False)
        found: IntArray = days.view(np.int64) + _EPOCH
        found[np.isnat(days) | np.ma.getmaskarray(array)] = MISSING
        return found
    if array.dtype.kind in "iu":
        return whole_column(name, array)
    if array.dtype.kind not in "OU":
        raise InvalidType(
            f"column {name!r} holds {array.dtype}, not days; pass datetime64, datetime.date, ISO strings or ordinals, "
            "and mask what is missing with numpy.ma"
        )
    found = np.full(len(array), MISSING)
    for place, value in enumerate(array.tolist()):
        try:
            day = iso_moment(value) if isinstance(value, str) and value else value
        except ValueError:
            faults.setdefault(place, ("invalid", f"{name} must be a day like '2026-10-31', got {value!r}"))
        else:
            if not _is_gap(day):
                found[place] = _ordinal(name, place, day)
    return found


def _ordinal(name: str, place: int, value: Any) -> int:
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        raise InvalidType(f"{name}[{place}] has a time zone; pass the day in that of the business")
    if isinstance(value, dt.date):
        return value.toordinal()
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise InvalidType(
            f"{name}[{place}] must be a day, its ordinal, an ISO string or None, got {type(value).__name__} {value!r}"
        )
    return _int64(name, place, value)


def _kinds(values: Any, faults: Faults) -> NDArray[np.int8]:
    """Places in :data:`KINDS` from 1; unknown ones are faults."""
    array = _array(values)
    if array.dtype.kind in "iu":
        places = np.ma.getdata(array)
        known = (places >= 0) & (places < len(KINDS)) & ~np.ma.getmaskarray(array)
        found = np.where(known, places.astype(np.int8) + 1, 0).astype(np.int8)
    else:
        place = defaultdict(int, {name: number for number, name in enumerate(KINDS, start=1)})
        found = np.fromiter(map(place.__getitem__, array.tolist()), np.int8, len(array))
    unknown = np.flatnonzero(found == 0)
    for row, word in zip(unknown.tolist(), array[unknown].tolist(), strict=True):
        faults[row] = ("unknown_kind", _no_kind(word))
    return found


@lru_cache(typed=True)
def _no_kind(word: Any) -> str:
    kinds = f"he kinds are {', '.join(map(repr, KINDS))}"
    if _is_gap(word):
        return f"the event has no kind; t{kinds}"
    near = difflib.get_close_matches(word, KINDS, n=1) if isinstance(word, str) else []
    return f"there is no kind {word!r}" + (f"; did you mean {near[0]!r}? T{kinds}" if near else f"; t{kinds}")


def _is_gap(value: Any) -> bool:
    """Whether there is no value: ``None``, an empty name, NaN or NaT."""
    if isinstance(value, (float, dt.date)):
        return value != value
    return value is None or (isinstance(value, str) and not value)


def _array(values: Any) -> AnyArray:
    return values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)


def _too_large(array: AnyArray) -> bool:
    return array.dtype == np.uint64 and bool((np.ma.getdata(array) > _MOST).any())


def _int64(name: str, place: int, value: Any) -> int:
    if not -_MOST <= value <= _MOST:
        raise InvalidValue(f"{name}[{place}] is {value}, which is beyond int64")
    return int(value)
