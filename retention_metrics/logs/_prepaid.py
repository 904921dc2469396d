"""The log of prepaid packages: a thin handle on a frame, and the ledger of its events."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, overload

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from retention_metrics._checks import whole
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.logs._engines import Frame, make_clock, open_frame, to_labels, with_known_zone
from retention_metrics.logs._rows import refuse_missing
from retention_metrics.prepaid import Issue, Ledger, PackagePlan

_DAYS = ("date", "until", "expires", "recorded")
_NUMBERS = ("amount", "price", "sessions", "days", "seq")


@dataclass(frozen=True, slots=True, init=False, repr=False)
class PrepaidEvents:
    """A log of prepaid packages: what was sold, used, paid back, frozen; one row an event.

    The fields are those of :class:`retention_metrics.prepaid.PrepaidEvent`; name the columns that hold them. Money is
    in whole minor units (cents): :func:`retention_metrics.prepaid.to_minor` makes them.

    The frame may be a pandas, Polars (eager or lazy), PyArrow, DuckDB, PySpark or Dask table. The columns named are
    read as arrays when a ledger is asked for, because it is exact to the last event; nothing else of the frame is.
    DuckDB, Spark and Dask keep no order of rows: name ``seq`` where events of one kind and day depend on theirs.

    Args:
        frame: The log.
        kind: Column of the kind of event: ``"purchase"``, ``"visit"``, ``"refund"`` and the others.
        date: Column of its day: dates or timestamps.
        kinds: What other words in the column of kinds stand for, such as ``{"sale": "purchase"}``; or ``None``.
        tz: Time zone of the business, for timestamps that carry a zone.
        day_start: Hour at which a day opens, 0 to 23.
        columns: Columns of the other fields by their names: ``id``, ``package``, ``customer``, ``plan``, ``amount``,
            ``price``, ``sessions``, ``days``, ``until``, ``expires``, ``to``, ``target``, ``segment``, ``seq``,
            ``currency``, ``recorded``.

    Raises:
        MissingColumn: A column that the frame does not have; the message names the nearest one.
        InvalidType: The frame is of no supported kind, or a column is of the wrong one.
        InvalidValue: An unknown field; or a time zone is missing, unknown or superfluous.

    Examples:
        >>> import polars as pl
        >>> from datetime import date
        >>> from retention_metrics.prepaid import PackagePlan
        >>> frame = pl.DataFrame({
        ...     "what": ["sale", "visit", "visit"],
        ...     "day": [date(2024, 1, 10), date(2024, 1, 15), date(2024, 7, 15)],
        ...     "card": [1, 1, 1],
        ...     "client": ["ann", "ann", "ann"],
        ...     "plan": ["ten", None, None],
        ... })
        >>> events = PrepaidEvents(
        ...     frame, kind="what", date="day", kinds={"sale": "purchase"},
        ...     package="card", customer="client", plan="plan",
        ... )
        >>> events.ledger([PackagePlan(id="ten", price=1_500_000, sessions=10)], as_of="2024-12-31").liability()
        1200000
    """

    _frame: Frame = field()
    _fields: Mapping[str, nw.Expr] = field()
    _kinds: Mapping[str, str] = field()

    def __init__(
        self,
        frame: Any,
        *,
        kind: str,
        date: str,
        kinds: Mapping[str, str] | None = None,
        tz: str | None = None,
        day_start: int = 0,
        **columns: str,
    ) -> None:
        opened, _ = open_frame(frame)
        named = {"kind": kind, "date": date, **columns}
        known = {*_DAYS, *_NUMBERS, "kind", "id", "package", "customer", "plan", "to", "target", "segment", "currency"}
        for name in named:
            if name not in known:
                raise InvalidValue(f"there is no field {name!r} of an event; the fields are {', '.join(sorted(known))}")
        refuse_missing(named, opened.collect_schema().names())
        opens = whole(0, day_start=day_start)
        if opens > 23:
            raise InvalidValue(f"day_start must be a whole hour from 0 to 23, got {opens}")
        wanted = {}
        for role, column in named.items():
            wanted[role] = nw.col(column)
            if role in _DAYS:
                opened = with_known_zone(opened, column)
                clock = make_clock(opened, column, tz=tz, week_start="monday")
                shifted = opens if role == "date" and clock.kind != "date" else 0
                wanted[role] = replace(clock, day_start=shifted).day_if_known()
        object.__setattr__(self, "_frame", opened)
        object.__setattr__(self, "_fields", wanted)
        object.__setattr__(self, "_kinds", dict(kinds or {}))

    def __repr__(self) -> str:
        return f"PrepaidEvents({self._frame.implementation.name}, {', '.join(self._fields)})"

    @overload
    def ledger(
        self, plans: Iterable[PackagePlan], *, as_of: dt.date | str, on_error: Literal["raise"] = "raise", **rules: Any
    ) -> Ledger: ...
    @overload
    def ledger(
        self, plans: Iterable[PackagePlan], *, as_of: dt.date | str, on_error: Literal["collect"], **rules: Any
    ) -> tuple[Ledger, tuple[Issue, ...]]: ...
    def ledger(
        self,
        plans: Iterable[PackagePlan],
        *,
        as_of: dt.date | str,
        on_error: Literal["raise", "collect"] = "raise",
        **rules: Any,
    ) -> Ledger | tuple[Ledger, tuple[Issue, ...]]:
        """The ledger of the events: :meth:`retention_metrics.prepaid.Ledger.from_columns` of these columns.

        Args:
            plans: Every plan that the events name.
            as_of: The last day of the book; later events are ignored and counted.
            on_error: ``"raise"`` refuses a book with events that cannot be booked, listing all of them; ``"collect"``
                leaves them out and returns the list beside the ledger.
            rules: The other rules of :meth:`~retention_metrics.prepaid.Ledger.from_columns`, by name.

        Returns:
            The ledger; with ``on_error="collect"`` the ledger and the tuple of issues.

        Raises:
            InvalidEvents: Events cannot be booked; the message lists them by row, id and reason.

        References:
            IFRS 15, B44-B47 and 106; ASC 606-10-55-46 to 49.
        """
        table = self._frame.select(**self._fields).collect()
        columns = {role: _array(role, table[role]) for role in self._fields}
        columns["kind"] = np.array([self._kinds.get(name, name) for name in columns["kind"].tolist()], dtype=object)
        return Ledger.from_columns(columns, plans, as_of=as_of, on_error=on_error, **rules)


def _array(role: str, column: nw.Series[Any]) -> NDArray[Any]:
    """A column as the ledger reads it: whole numbers with a mask where some are missing, or names."""
    if not column.dtype.is_numeric():
        if role in _NUMBERS:
            raise InvalidType(
                f"{role} column holds {column.dtype}, not whole numbers; prepaid.to_minor() makes minor units of money"
            )
        return np.array(to_labels(column), dtype=object)
    missing = column.is_null().to_numpy().astype(bool)
    numbers = np.nan_to_num(column.fill_null(0).to_numpy().astype(np.float64 if column.dtype.is_float() else np.int64))
    part = np.flatnonzero(numbers % 1 != 0)
    if part.size:
        raise InvalidType(
            f"{role} must hold whole numbers, got {numbers[part[0]]} in row {part[0]}; prepaid.to_minor() makes minor "
            "units of money"
        )
    whole_numbers = numbers.astype(np.int64)
    return np.ma.array(whole_numbers, mask=missing) if missing.any() else whole_numbers
