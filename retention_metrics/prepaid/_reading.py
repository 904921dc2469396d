"""Events as objects or dictionaries, read into columns."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeGuard
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import ValidationError

from retention_metrics._checks import time_zone, whole
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid._events import PrepaidEvent
from retention_metrics.prepaid._problems import Issue

_FIELDS = tuple(PrepaidEvent.model_fields)
_DAYS = ("until", "expires", "recorded")
_SALES = ("purchase", "opening")


class Unread(NamedTuple):
    """Events that are none; and the rows of those that would have sold a package, by its id."""

    issues: list[Issue]
    sales: dict[Any, int]


def read_events(
    events: Iterable[PrepaidEvent | Mapping[str, Any]], *, tz: str | None, day_start: int
) -> tuple[dict[str, Any], Unread, int]:
    """Columns by name, the events that are none, and how many there were."""
    zone = None if tz is None else ZoneInfo(time_zone(tz=tz))
    opens = whole(0, day_start=day_start)
    if opens > 23:
        raise InvalidValue(f"day_start must be a whole hour from 0 to 23, got {opens}")
    _refuse_other_things(events)
    good: list[PrepaidEvent] = []
    rows: list[int] = []
    unread = Unread([], {})
    count = 0
    for row, given in enumerate(events):
        count = row + 1
        try:
            good.append(given if isinstance(given, PrepaidEvent) else PrepaidEvent.model_validate(given))
            rows.append(row)
        except ValidationError as error:
            unread.issues.append(_issue(row, given, error))
            if isinstance(given, Mapping) and given.get("kind") in _SALES and _is_key(given.get("package")):
                unread.sales.setdefault(given["package"], row)
    days = _days([each.date for each in good], rows, zone, opens)
    raw: dict[str, Any] = {}
    for name in _FIELDS:
        values = days if name == "date" else [getattr(each, name) for each in good]
        if name in {"kind", "date", "seq"} or any(value is not None for value in values):
            raw[name] = _column(name, values)
    return raw | {"row": np.array(rows, np.int64)}, unread, count


def _refuse_other_things(events: object) -> None:
    """Refuse what is no list of events, though perhaps iterable: a frame, a file name, a single event."""
    if hasattr(type(events), "columns"):
        remedy = "; a frame goes through logs.PrepaidEvents"
    elif isinstance(events, PrepaidEvent):
        remedy = "; pass [event]"
    elif isinstance(events, Mapping):
        remedy = "; pass [event], or arrays by name to Ledger.from_columns"
    elif isinstance(events, (str, bytes)) or not isinstance(events, Iterable):
        remedy = ""
    else:
        return
    raise InvalidType(f"events must be an iterable of PrepaidEvent or of dicts, got {type(events).__name__}{remedy}")


def _column(name: str, values: list[Any]) -> Any:
    if name in {"kind", "date", "seq"}:
        return np.array(values) if values else np.empty(0, np.int64)
    array = np.empty(len(values), object)
    array[:] = [None if value is None else value.toordinal() for value in values] if name in _DAYS else values
    return array


def _days(moments: list[dt.date], rows: list[int], zone: ZoneInfo | None, opens: int) -> list[int]:
    """The business days of some dates and times, as ordinals."""
    times = [(row, each) for row, each in zip(rows, moments, strict=True) if isinstance(each, dt.datetime)]
    aware = [row for row, each in times if each.tzinfo is not None]
    naive = [row for row, each in times if each.tzinfo is None]
    if aware and naive:
        raise InvalidValue(
            f"dates mix times with a time zone (row {aware[0]}) and without one (row {naive[0]}); give all of them one"
        )
    if aware and zone is None:
        raise InvalidValue(f"dates have a time zone (row {aware[0]}); name that of the business, as tz='Europe/Paris'")
    found = []
    for each in moments:
        if isinstance(each, dt.datetime):
            local = each.astimezone(zone).replace(tzinfo=None) if each.tzinfo is not None else each
            found.append((local - dt.timedelta(hours=opens)).toordinal())
        else:
            found.append(each.toordinal())
    return found


def _issue(row: int, given: Any, error: ValidationError) -> Issue:
    name = given.get("id") if isinstance(given, Mapping) else None
    told = "; ".join(
        f"{'.'.join(str(part) for part in each['loc'][:1]) or 'event'}: {each['msg'].removeprefix('Value error, ')}"
        + (f", got {each['input']!r:.60}" if each["loc"] else "")
        for each in error.errors(include_url=False)
    )
    return Issue(row=row, id=name if _is_key(name) else None, code="invalid", reason=told)


def _is_key(name: object) -> TypeGuard[int | str]:
    return isinstance(name, (int, str)) and not isinstance(name, bool)
