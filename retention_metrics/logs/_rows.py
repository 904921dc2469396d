"""The rows of a log: which can be used, which cannot, and why."""

import datetime as dt
import difflib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import narwhals.stable.v2 as nw

from retention_metrics._checks import choice, day, whole
from retention_metrics._periods import PERIODS, WEEKDAYS
from retention_metrics._typing import Period, Weekday
from retention_metrics.errors import (
    InvalidRows,
    InvalidType,
    InvalidValue,
    MissingColumn,
    RowsExcludedWarning,
    by_reason,
)
from retention_metrics.logs._engines import (
    Clock,
    Frame,
    is_true,
    make_clock,
    open_frame,
    to_numbers,
    with_known_zone,
    with_period,
    with_short_plan,
)

AFTER = "after as_of"
_EXACT_IN_FLOAT = 2**53


class Days(NamedTuple):
    """Days of purchase up to a day.

    Attributes:
        frame: One row a customer and day: ``customer``, ``day``, ``amount`` and ``segment`` if there are, ``previous``
            (the customer's purchase day before) where it is known already.
        excluded: Rows left out, by reason.
        until: The day ``as_of``.
    """

    frame: Frame
    excluded: dict[str, int]
    until: dt.date


@dataclass(frozen=True, slots=True)
class Log:
    """A frame whose columns have been checked.

    Attributes:
        frame: The log.
        eager: Whether it came as an eager frame.
        columns: Name of the column of each role that was named.
        clock: The time column, read as business time.
        floating_ids: Whether customer ids are floats.
        on_invalid: What to do with rows that cannot be used.
        carried: Expressions of the columns that questions need beside customer and time, by role.
        unusable: Further conditions that make a row unusable, by reason.
        days: Days of purchase that are known already, or ``None``.
    """

    frame: Frame
    eager: bool
    columns: dict[str, str]
    clock: Clock
    floating_ids: bool
    on_invalid: Literal["raise", "exclude"]
    carried: dict[str, nw.Expr] = field(default_factory=dict)
    unusable: dict[str, nw.Expr] = field(default_factory=dict)
    days: Days | None = None

    @property
    def paid(self) -> bool:
        """Whether the log has amounts."""
        return "amount" in self.carried

    def clock_of(self, column: str) -> Clock:
        """The clock for a column that holds times of the log under another name."""
        return replace(self.clock, column=column)

    def dtype(self, role: str) -> nw.dtypes.DType:
        """Type of the column of a role."""
        return self.frame.collect_schema()[self.columns[role]]

    def invalid(self) -> dict[str, nw.Expr]:
        """What makes a row unusable, by reason."""
        who = nw.col(self.columns["customer"])
        flags = {"null customer": who.is_null(), "null time": nw.col(self.clock.column).is_null()}
        if self.floating_ids:
            flags["null customer"] = who.is_null() | ~who.is_finite()
            flags["customer id not exact as a float"] = who.abs() >= _EXACT_IN_FLOAT
            flags["customer id not a whole number"] = who != who.round()
        return flags | self.unusable


class Rows(NamedTuple):
    """The rows that count, how many were left out for which reason, the day ``as_of``, and how many count."""

    frame: Frame
    excluded: dict[str, int]
    until: dt.date
    usable: int


def open_log(
    frame: Any,
    *,
    customer: str,
    time: str,
    roles: Mapping[str, str | None] = MappingProxyType({}),
    tz: str | None,
    week_start: Weekday,
    day_start: int = 0,
    on_invalid: Literal["raise", "exclude"],
) -> Log:
    """Check the columns of a frame; ``roles`` are those beside customer and time."""
    opens = whole(0, day_start=day_start)
    choice(WEEKDAYS, week_start=week_start)
    choice(("raise", "exclude"), on_invalid=on_invalid)
    opened, eager = open_frame(frame)
    schema = opened.collect_schema()
    if time in schema:
        opened = with_known_zone(opened, time)
    named = {"customer": customer, "time": time} | {role: name for role, name in roles.items() if name is not None}
    refuse_missing(named, schema.names())
    ids = schema[customer]
    if not (ids.is_integer() or ids.is_float() or ids in (nw.String, nw.Categorical, nw.Enum)):
        raise InvalidType(f"customer column {customer!r} holds {ids}; ids must be strings or integers")
    clock = make_clock(opened, time, tz=tz, week_start=week_start)
    if opens > 23 or (opens and clock.kind == "date"):
        rule = (
            "a whole hour from 0 to 23" if opens > 23 else f"0: time column {time!r} holds dates without a time of day"
        )
        raise InvalidValue(f"day_start must be {rule}, got {opens}")
    return Log(
        frame=opened,
        eager=eager,
        columns=named,
        clock=replace(clock, day_start=opens),
        floating_ids=ids.is_float(),
        on_invalid=on_invalid,
    )


def refuse_missing(named: Mapping[str, str], columns: list[str]) -> None:
    """Refuse a column that the frame does not have, with the nearest that it has."""
    for role, column in named.items():
        if column not in columns:
            near = difflib.get_close_matches(str(column), map(str, columns), n=1, cutoff=0)
            hint = f"; the nearest is {near[0]!r}" if near else ""
            raise MissingColumn(f"{role} column {column!r} is not in the frame{hint}")


def with_numbers(log: Log, role: str) -> Log:
    """The log with a column of finite numbers carried along, as float64, if it was named."""
    if role not in log.columns:
        return log
    name = log.columns[role]
    if not log.dtype(role).is_numeric():
        raise InvalidType(
            f"{role} column {name!r} holds {log.dtype(role)}, not numbers; convert it to floats first "
            "(pandas: to_numeric, Polars: cast, SQL: cast to DOUBLE)"
        )
    number = nw.col(name).cast(nw.Float64)
    return replace(
        log,
        carried=log.carried | {role: number},
        unusable=log.unusable | {f"{role} missing or not finite": number.is_null() | ~number.is_finite()},
    )


def with_flag(log: Log, role: str) -> Log:
    """The log with a column of yes and no carried along: 1 where it says yes."""
    flag = is_true(log.frame, log.columns[role])
    if flag is None:
        raise InvalidType(
            f"{role} column {log.columns[role]!r} holds {log.dtype(role)}; it must hold true and false, or 1 and 0"
        )
    return replace(log, carried=log.carried | {role: flag})


def excluded_rows(log: Log, as_of: dt.date) -> tuple[dict[str, int], int]:
    """Rows left out by reason, and rows in all; refuses what the log was told to refuse."""
    usable = nw.lit(value=True)
    counts = {}
    for reason, flag in log.invalid().items():
        counts[reason] = usable & flag
        usable = usable & ~flag
    counts[AFTER] = usable & log.clock.after(as_of)
    found = to_numbers(
        log.frame.select(
            nw.len().alias("rows"), *(flag.cast(nw.Int64).sum().alias(name) for name, flag in counts.items())
        )
    )
    rows = int(found.pop("rows")[0])
    excluded = {reason: int(count[0]) for reason, count in found.items() if count[0]}
    invalid = {reason: count for reason, count in excluded.items() if reason != AFTER}
    if invalid and log.on_invalid == "raise":
        raise InvalidRows("the log", invalid, rows)
    if rows == 0:
        raise InvalidValue("the log is empty: it has no rows")
    if sum(excluded.values()) == rows:
        raise InvalidValue(f"the log has no usable row up to as_of {as_of}: of {rows:,} rows, {by_reason(excluded)}")
    return excluded, rows


def usable_rows(log: Log, *, as_of: dt.date | str, period: Period | None = None) -> Rows:
    """The rows that count, with columns ``customer``, ``time``, those carried by the log, and ``period``."""
    until = day(as_of=as_of)
    if period is not None:
        choice(PERIODS, period=period)
    excluded, rows = excluded_rows(log, until)
    frame = log.frame
    for reason in excluded:
        frame = frame.filter(~log.clock.after(until) if reason == AFTER else ~log.invalid()[reason])
    columns = [nw.col(log.columns["customer"]).alias("customer"), nw.col(log.clock.column).alias("time")]
    columns += [expression.alias(role) for role, expression in log.carried.items()]
    shifted = period is not None and log.clock.day_start > 0
    if period is not None:
        columns.append((log.clock.day() if shifted else log.clock.period(period)).alias("period"))
    chosen = frame.select(*columns)
    if period is not None and shifted:
        chosen = with_period(chosen, "period", day="period", period=period, week_start=log.clock.week_start)
    return Rows(with_short_plan(chosen), excluded, until, rows - sum(excluded.values()))


def described(log: Log) -> str:
    """Engine and columns of a log, for its repr."""
    columns = ", ".join(f"{role}={name!r}" for role, name in log.columns.items())
    return f"{log.frame.implementation.name}, {columns}"


def warn_of(excluded: dict[str, int], question: str) -> None:
    """Say which rows a plain frame was computed without."""
    if excluded:
        warnings.warn(
            f"{question} leaves out {sum(excluded.values()):,} rows of the log: {by_reason(excluded)}",
            RowsExcludedWarning,
            stacklevel=4,
        )
