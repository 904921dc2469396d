"""The rows of a log: which can be used, which cannot, and why."""

import datetime as dt
import difflib
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import narwhals.stable.v2 as nw

from retention_metrics._checks import choice, day
from retention_metrics._periods import PERIODS
from retention_metrics._typing import Period, Weekday
from retention_metrics.errors import (
    InvalidRows,
    InvalidType,
    InvalidValue,
    MissingColumn,
    RowsExcludedWarning,
    by_reason,
)
from retention_metrics.logs._engines import Clock, Frame, make_clock, open_frame, to_numbers, with_known_zone

AFTER = "after as_of"
_EXACT_IN_FLOAT = 2**53


@dataclass(frozen=True, slots=True)
class Log:
    """A frame whose columns have been checked."""

    frame: Frame
    eager: bool
    customer: str
    clock: Clock
    amount: str | None
    floating_ids: bool
    on_invalid: Literal["raise", "exclude"]

    def invalid(self) -> dict[str, nw.Expr]:
        """What makes a row unusable, by reason."""
        who = nw.col(self.customer)
        flags = {"null customer": who.is_null(), "null time": nw.col(self.clock.column).is_null()}
        if self.floating_ids:
            flags["null customer"] = who.is_null() | ~who.is_finite()
            flags["customer id not exact as a float"] = who.abs() >= _EXACT_IN_FLOAT
            flags["customer id not a whole number"] = who != who.round()
        if self.amount is not None:
            money = nw.col(self.amount).cast(nw.Float64)
            flags["amount missing or not finite"] = money.is_null() | ~money.is_finite()
        return flags


def open_log(
    frame: Any,
    *,
    customer: str,
    time: str,
    amount: str | None,
    tz: str | None,
    week_start: Weekday,
    on_invalid: Literal["raise", "exclude"],
) -> Log:
    """Check the columns of a frame."""
    opened, eager = open_frame(frame)
    schema = opened.collect_schema()
    if time in schema:
        opened = with_known_zone(opened, time)
    for role, column in (("customer", customer), ("time", time), ("amount", amount)):
        if column is not None and column not in schema:
            near = difflib.get_close_matches(str(column), map(str, schema.names()), n=1, cutoff=0)
            hint = f"; the nearest is {near[0]!r}" if near else ""
            raise MissingColumn(f"{role} column {column!r} is not in the frame{hint}")
    ids = schema[customer]
    if not (ids.is_integer() or ids.is_float() or ids in (nw.String, nw.Categorical, nw.Enum)):
        raise InvalidType(f"customer column {customer!r} holds {ids}; ids must be strings or integers")
    if amount is not None and not (schema[amount].is_numeric()):
        raise InvalidType(
            f"amount column {amount!r} holds {schema[amount]}, not numbers; convert it to floats first "
            "(pandas: to_numeric, Polars: cast, SQL: cast to DOUBLE)"
        )
    return Log(
        frame=opened,
        eager=eager,
        customer=customer,
        clock=make_clock(opened, time, tz=tz, week_start=week_start),
        amount=amount,
        floating_ids=ids.is_float(),
        on_invalid=on_invalid,
    )


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


def usable_rows(
    log: Log, *, as_of: dt.date | str, period: Period | None = None
) -> tuple[Frame, dict[str, int], dt.date]:
    """The rows that count, with columns ``customer``, ``time``, ``amount`` and ``period``.

    Returns them with the number of rows left out by reason, and the day ``as_of``.
    """
    until = day(as_of=as_of)
    if period is not None:
        choice(PERIODS, period=period)
    excluded, _ = excluded_rows(log, until)
    frame = log.frame
    for reason in excluded:
        frame = frame.filter(~log.clock.after(until) if reason == AFTER else ~log.invalid()[reason])
    columns = [nw.col(log.customer).alias("customer"), nw.col(log.clock.column).alias("time")]
    if log.amount is not None:
        columns.append(nw.col(log.amount).cast(nw.Float64).alias("amount"))
    if period is not None:
        columns.append(log.clock.period(period).alias("period"))
    return frame.select(*columns), excluded, until


def warn_of(excluded: dict[str, int], question: str) -> None:
    """Say which rows a plain frame was computed without."""
    if excluded:
        warnings.warn(
            f"{question} leaves out {sum(excluded.values()):,} rows of the log: {by_reason(excluded)}",
            RowsExcludedWarning,
            stacklevel=4,
        )
