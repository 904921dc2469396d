"""The log of prepaid packages: a thin handle on a frame, and the ledger of its events."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, overload

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from retention_metrics._checks import choice, day, mapping, whole
from retention_metrics._periods import PERIODS, WEEKDAYS
from retention_metrics._typing import IntArray, Period, Weekday
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.logs._engines import Clock, Frame, make_clock, open_frame, to_labels, with_known_zone, zone_of
from retention_metrics.logs._owed import PackageLog, dormant, liability, roll_forward
from retention_metrics.logs._rows import refuse_missing
from retention_metrics.prepaid import Dormant, Issue, Ledger, PackagePlan, RollForward
from retention_metrics.prepaid._book import read_options
from retention_metrics.prepaid._ledger import BookOptions, read_plans

_DAYS = ("date", "until", "expires", "recorded")
_MONEY = ("amount", "price")
_NUMBERS = (*_MONEY, "sessions", "days", "seq")


@dataclass(frozen=True, slots=True, init=False, repr=False)
class PrepaidEvents:
    """A log of prepaid packages: what was sold, used, paid back, frozen; one row an event.

    The fields are those of :class:`retention_metrics.prepaid.PrepaidEvent`; name the columns that hold them. Money is
    in whole minor units (cents): :func:`retention_metrics.prepaid.to_minor` makes them.

    The frame may be a pandas, Polars (eager or lazy), PyArrow, DuckDB, PySpark or Dask table. The columns named are
    read as arrays when a :meth:`ledger` is asked for, because it is exact to the last event; nothing else of the frame
    is. For logs that are too large for that, :meth:`roll_forward`, :meth:`liability` and :meth:`dormant` give the same
    numbers and leave most of the work to the engine.
    The order of the rows never counts: name ``seq`` where events of one kind and day depend on theirs.

    Args:
        frame: The log.
        kind: Column of the kind of event: ``"purchase"``, ``"visit"``, ``"refund"`` and the others.
        date: Column of its day: dates or timestamps.
        kinds: What other words in the column of kinds stand for, such as ``{"sale": "purchase"}``; or ``None``.
        tz: Time zone of the business, for timestamps that carry a zone; columns of days beside them need none.
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
    _clock: Clock = field()

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
        if kinds is not None:
            mapping(kinds=kinds)
        opens = whole(0, day_start=day_start)
        if opens > 23:
            raise InvalidValue(f"day_start must be a whole hour from 0 to 23, got {opens}")
        wanted = {}
        for role, column in named.items():
            if role in _DAYS:
                opened = with_known_zone(opened, column)
        zoned = {role for role, column in named.items() if role in _DAYS and zone_of(opened, column) is not None}
        for role, column in named.items():
            wanted[role] = nw.col(column)
            if role in _DAYS:
                of_zone = tz if role in zoned or not zoned else None
                clock = make_clock(opened, column, tz=of_zone, week_start="monday")
                shifted = opens if role == "date" and clock.kind != "date" else 0
                clock = replace(clock, day_start=shifted)
                wanted[role] = clock.day_if_known()
                if role == "date":
                    object.__setattr__(self, "_clock", clock)
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
        _read_rules(rules)
        columns = self._columns(self._frame.select(**self._fields))
        return Ledger.from_columns(columns, plans, as_of=as_of, on_error=on_error, **rules)

    def roll_forward(
        self,
        plans: Iterable[PackagePlan],
        *,
        as_of: dt.date | str,
        period: Period = "month",
        by: Literal["plan", "segment"] | None = None,
        week_start: Weekday = "monday",
        **rules: Any,
    ) -> RollForward:
        """What was collected, earned, given back and is owed by period, added up on the engine of the log.

        To the last unit that of :meth:`retention_metrics.prepaid.Ledger.roll_forward`, without reading the log.
        Packages that are only sold and then used, by visits that name them, are counted where they are. Events of
        customers with anything else (refunds, freezes, transfers, instalments, visits that name no package, an
        opening balance, plans with a term, with refund at expiry or with breakage by estimate) are read and booked.

        Args:
            plans: Every plan that the events name.
            as_of: The last day of the book.
            period: A calendar period.
            by: ``"plan"`` or ``"segment"`` gives every period a row for each; for the tables by customer or package,
                ask the :meth:`ledger`.
            week_start: First day of weeks.
            rules: Rules of the ledger by name. Under ``dedupe`` and ``closed_until`` all events are read, and on Dask.

        Returns:
            A :class:`~retention_metrics.prepaid.RollForward`, in whole minor units.

        Raises:
            InvalidEvents: Events cannot be booked; the message lists them by row, id and reason.
            InvalidValue: An unknown name, or nothing was sold.

        References:
            IFRS 15, 116-118 on contract balances, and B44-B47.
        """
        choice(PERIODS, period=period)
        choice(WEEKDAYS, week_start=week_start)
        asked = self._asked(plans, as_of, rules, **self._period(period, week_start))
        return roll_forward(asked, period, by, week_start)

    def liability(self, plans: Iterable[PackagePlan], *, as_of: dt.date | str, **rules: Any) -> int:
        """What is owed to customers at the end of a day, in minor units, added up on the engine of the log.

        Args:
            plans: Every plan that the events name.
            as_of: The day.
            rules: Rules of the ledger by name, as in :meth:`roll_forward`.

        Returns:
            A whole number: that of :meth:`retention_metrics.prepaid.Ledger.liability`.

        Raises:
            InvalidEvents: Events cannot be booked.
            InvalidValue: Nothing was sold.

        References:
            IFRS 15, 106 and B44.
        """
        return liability(self._asked(plans, as_of, rules))

    def dormant(self, plans: Iterable[PackagePlan], *, as_of: dt.date | str, days: int = 90, **rules: Any) -> Dormant:
        """Customers with unused sessions who have not been seen for a while, by what is owed to them.

        The engine of the log finds who may be one of them; only their events are read.

        Args:
            plans: Every plan that the events name.
            as_of: The last day of the book.
            days: Days without a sign of life, >= 0.
            rules: Rules of the ledger by name, as in :meth:`roll_forward`.

        Returns:
            The :class:`~retention_metrics.prepaid.Dormant` list of :meth:`retention_metrics.prepaid.Ledger.dormant`.

        Raises:
            InvalidEvents: Events cannot be booked.
            InvalidValue: ``days`` is not a whole number >= 0.

        References:
            The opposite of Costasiella's report of inactive accounts, which leaves out those with a valid class pass.
        """
        return dormant(self._asked(plans, as_of, rules), days)

    def _columns(self, events: Frame) -> dict[str, NDArray[Any]]:
        """Some of the events as the ledger reads them."""
        table = events.collect()
        columns = {role: _array(role, table[role]) for role in self._fields if role != "kind"}
        kinds = [self._kinds.get(name, name) if name else None for name in to_labels(table["kind"])]
        return {"kind": np.array(kinds, dtype=object), **columns}

    def _period(self, period: Period, week_start: Weekday) -> dict[str, nw.Expr]:
        """The period of each event, where the engine reads it from the calendar faster than from the day."""
        if self._clock.dates is None or self._clock.day_start:
            return {}
        return {"period": replace(self._clock, week_start=week_start).period(period)}

    def _asked(
        self, plans: Iterable[PackagePlan], as_of: dt.date | str, rules: Mapping[str, Any], **more: nw.Expr
    ) -> PackageLog:
        sold, until = read_plans(plans), day(as_of=as_of)
        _read_rules(rules)

        def book(events: Frame) -> Ledger | None:
            columns = self._columns(events)
            return Ledger.from_columns(columns, sold, as_of=until, **rules) if len(columns["kind"]) else None

        return PackageLog(self._frame.select(**self._fields, **more), self._kinds, sold, until, rules, book)


def _read_rules(rules: Mapping[str, Any]) -> None:
    """Refuse unknown rules and wrong ones, whether or not a ledger will be made."""
    for name in rules:
        if name not in BookOptions.__annotations__:
            remedy = "; ask the ledger() for the issues of events" if name == "on_error" else ""
            raise InvalidValue(
                f"there is no rule {name!r}; the rules are {', '.join(sorted(BookOptions.__annotations__))}{remedy}"
            )
    read_options(**rules)


def _array(role: str, column: nw.Series[Any]) -> NDArray[Any]:
    """A column as the ledger reads it: whole numbers with a mask where some are missing, or names."""
    missing = column.is_null().to_numpy().astype(bool)
    if missing.all():
        return np.ma.array(np.zeros(len(missing), np.int64), mask=missing)
    if not column.dtype.is_numeric():
        if role in _NUMBERS:
            raise InvalidType(f"{role} column holds {column.dtype}, not whole numbers{_remedy(role)}")
        return np.array(to_labels(column), dtype=object)
    if column.dtype.is_integer():
        numbers = column.fill_null(0).to_numpy()
        numbers = numbers if numbers.dtype == np.uint64 else numbers.astype(np.int64)
    else:
        numbers = _whole_numbers(role, column, missing)
    return np.ma.array(numbers, mask=missing) if missing.any() else numbers


def _whole_numbers(role: str, column: nw.Series[Any], missing: NDArray[np.bool_]) -> IntArray:
    """Floats and decimals that are whole numbers; of money no floats, and no decimals with places for cents."""
    money = role in _MONEY
    if money and column.dtype.is_float():
        raise InvalidType(f"{role} column holds {column.dtype}, not whole numbers{_remedy(role)}")
    given = np.flatnonzero(~missing)
    values = column.to_numpy() if column.dtype.is_float() else np.array(column.to_list(), dtype=object)
    known = values[given]
    wrong = [
        not (value == value and abs(value) < 2**53 and value % 1 == 0) or (money and value.as_tuple().exponent < 0)
        for value in known.tolist()
    ]
    if any(wrong):
        at = int(np.argmax(wrong))
        raise InvalidType(f"{role} must hold whole numbers, got {known[at]} in row {given[at]}{_remedy(role)}")
    numbers = np.zeros(len(missing), np.int64)
    numbers[given] = known.astype(np.int64)
    return numbers


def _remedy(role: str) -> str:
    if role not in _MONEY:
        return ""
    return '; prepaid.to_minor() makes minor units of money, and .astype("Int64") keeps whole ones with gaps in pandas'
