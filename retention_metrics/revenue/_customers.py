"""Amounts by customer, from arrays or from dictionaries."""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retention_metrics._checks import at_least, finite
from retention_metrics._typing import BoolArray, FloatArray, Number, Numbers
from retention_metrics.errors import InvalidType, InvalidValue

Amounts: TypeAlias = Numbers | Mapping[Any, float]
Flags: TypeAlias = Collection[Any] | NDArray[np.bool_]

_SHOWN = 5


class Book(NamedTuple):
    """Amounts of the same customers when a period opened and when it closed."""

    customers: tuple[Hashable, ...] | None
    start: FloatArray
    end: FloatArray
    transfer: FloatArray
    revaluation: FloatArray
    seen_before: BoolArray


def read_book(
    start: Amounts,
    end: Amounts,
    seen_before: Flags | None,
    customers: Iterable[Hashable] | None,
    transfers: Amounts | None,
    revaluation: Amounts | None,
) -> Book:
    """The amounts of a period aligned by customer; customers missing on one side have 0 there."""
    mappings = [isinstance(each, Mapping) for each in (start, end, transfers, revaluation) if each is not None]
    if any(mappings):
        if not all(mappings):
            raise InvalidType("start, end, transfers and revaluation must all be arrays, or all be dicts by customer")
        if customers is not None:
            raise InvalidType("customers names the elements of arrays; dicts by customer name them already")
        return _from_mappings(start, end, seen_before, transfers or {}, revaluation or {})  # type: ignore[arg-type]
    opening = np.atleast_1d(at_least(0, start=start))
    closing = np.atleast_1d(at_least(0, end=end))
    shape = opening.shape
    ids = None if customers is None else _ids(customers)
    book = Book(
        customers=ids,
        start=opening,
        end=closing,
        transfer=np.zeros(shape) if transfers is None else np.atleast_1d(finite(transfers=transfers)),
        revaluation=np.zeros(shape) if revaluation is None else np.atleast_1d(finite(revaluation=revaluation)),
        seen_before=np.zeros(shape, bool) if seen_before is None else _flags(seen_before),
    )
    sizes = {"customers": opening.shape if ids is None else (len(ids),)}
    sizes |= {name: getattr(book, name).shape for name in ("end", "transfer", "revaluation", "seen_before")}
    for name, size in sizes.items():
        if size != shape or opening.ndim != 1:
            raise InvalidValue(
                f"{name} must have one element a customer, as start has: got shape {size} beside {shape}; "
                "when the customers of start and end differ, pass dicts by customer"
            )
    return book


def _names(seen_before: Any) -> frozenset[Any]:
    """The customers named, in a set, a list, an array or a column."""
    names = seen_before.tolist() if hasattr(seen_before, "tolist") else seen_before
    if names is None:
        return frozenset()
    flags = getattr(getattr(seen_before, "dtype", None), "kind", None) == "b"
    if flags or isinstance(names, (str, Mapping)) or not isinstance(names, Iterable):
        raise InvalidType(
            "seen_before must name customers in a set or a list, as start and end are dicts by customer, got "
            f"{type(seen_before).__name__}"
        )
    return frozenset(names)


def _from_mappings(
    start: Mapping[Any, float],
    end: Mapping[Any, float],
    seen_before: Flags | None,
    transfers: Mapping[Any, float],
    revaluation: Mapping[Any, float],
) -> Book:
    ids = tuple(dict.fromkeys([*start, *end]))
    if not ids:
        raise InvalidValue("start and end name no customer")
    known = set(ids)
    for name, amounts in (("transfers", transfers), ("revaluation", revaluation)):
        strange = [each for each in amounts if each not in known]
        if strange:
            raise InvalidValue(
                f"{name} names customers that are neither in start nor in end: {_listed(strange)}; "
                "give them 0 there if they are meant"
            )
    seen = _names(seen_before)
    return Book(
        customers=ids,
        start=_amounts("start", start, ids, signed=False),
        end=_amounts("end", end, ids, signed=False),
        transfer=_amounts("transfers", transfers, ids, signed=True),
        revaluation=_amounts("revaluation", revaluation, ids, signed=True),
        seen_before=np.array([each in seen for each in ids]),
    )


def _amounts(name: str, amounts: Mapping[Any, float], ids: tuple[Hashable, ...], *, signed: bool) -> FloatArray:
    """The amounts of some customers in their order, 0 for those who are not named; a refusal names the customer."""

    def check(**argument: object) -> Number:
        return finite(**argument) if signed else at_least(0, open_low=False, **argument)

    try:
        return np.atleast_1d(check(**{name: [amounts.get(each, 0.0) for each in ids]}))
    except (InvalidValue, InvalidType):
        for each, amount in amounts.items():
            check(**{f"{name}[{each!r}]": amount})
        raise


def _ids(customers: Iterable[Hashable]) -> tuple[Hashable, ...]:
    """Names of the elements of arrays, each once."""
    ids = tuple(customers.tolist() if hasattr(customers, "tolist") else customers)
    if len(set(ids)) < len(ids):
        twice = [each for each, count in Counter(ids).items() if count > 1]
        raise InvalidValue(
            f"customers repeats {_listed(twice)}: the unit is the customer, so add up the subscriptions of each first"
        )
    return ids


def _flags(seen_before: Flags) -> BoolArray:
    flags = np.asarray(seen_before if hasattr(seen_before, "__array__") else list(seen_before))
    if flags.dtype.kind != "b":
        raise InvalidType("seen_before must be true or false for each customer, as start and end are arrays")
    return flags


def _listed(ids: list[Any]) -> str:
    more = len(ids) - _SHOWN
    return ", ".join(repr(each) for each in ids[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
