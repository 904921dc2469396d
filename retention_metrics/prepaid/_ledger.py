"""The ledger: prepaid packages to the last minor unit, from the events of the book."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypedDict, Unpack, overload

import numpy as np

from retention_metrics._checks import choice, day, refuse_undefined, whole
from retention_metrics._periods import PERIODS, WEEKDAYS
from retention_metrics._stats import Rate
from retention_metrics._typing import FloatArray, Period, Undefined, Weekday
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.prepaid._arrays import make_columns
from retention_metrics.prepaid._audit import Audit, audit_book
from retention_metrics.prepaid._book import (
    BYS,
    Book,
    By,
    OnError,
    Options,
    Source,
    make_book,
    package_table,
    read_options,
)
from retention_metrics.prepaid._booked import Unpaid
from retention_metrics.prepaid._columns import Problems
from retention_metrics.prepaid._events import PrepaidEvent
from retention_metrics.prepaid._money import MOST_MONEY, minor_units
from retention_metrics.prepaid._packages_table import PackageTable
from retention_metrics.prepaid._people import Dormant, Expiring, dormant_customers, expiring_packages
from retention_metrics.prepaid._plan import PackagePlan
from retention_metrics.prepaid._problems import Issue
from retention_metrics.prepaid._reading import Unread, read_events
from retention_metrics.prepaid._rolling import RollForward, periods_until, roll
from retention_metrics.prepaid._sums import sums_of
from retention_metrics.prepaid._usable import Dedupe, Late


class BookOptions(TypedDict, total=False):
    """What :meth:`Ledger.from_columns` takes beside events, plans and ``as_of``."""

    dedupe: Dedupe
    grace_days: int
    allow_excess: bool
    unpaid: Unpaid
    reconcile: bool
    closed_until: dt.date | str | None
    late: Late


class EventOptions(BookOptions, total=False):
    """What :meth:`Ledger.from_events` takes beside that."""

    tz: str | None
    day_start: int


@dataclass(frozen=True, slots=True, eq=False)
class Ledger:
    """A book of prepaid packages on a day, exact to the last minor unit. Make it with :meth:`from_events`.

    Attributes:
        as_of: The last day of the book, inclusive.
        currency: Its currency, if the plans name one.
        plans: The plans that packages were sold on.
        ignored: Events that do not count, by reason: those after ``as_of``, those that arrived again, and in a book
            :meth:`at` an earlier day those that were recorded after it.
        issues: Events that cannot be booked, when they were to be collected, and in a book :meth:`at` an earlier day.
    """

    as_of: dt.date
    currency: str | None
    plans: tuple[PackagePlan, ...]
    ignored: Mapping[str, int]
    issues: tuple[Issue, ...]
    _source: Source = field(repr=False)
    _options: Options = field(repr=False)
    _book: Book = field(repr=False)

    @overload
    @classmethod
    def from_events(
        cls,
        events: Iterable[PrepaidEvent | Mapping[str, Any]],
        plans: Iterable[PackagePlan],
        *,
        as_of: dt.date | str,
        on_error: Literal["raise"] = "raise",
        **options: Unpack[EventOptions],
    ) -> "Ledger": ...
    @overload
    @classmethod
    def from_events(
        cls,
        events: Iterable[PrepaidEvent | Mapping[str, Any]],
        plans: Iterable[PackagePlan],
        *,
        as_of: dt.date | str,
        on_error: Literal["collect"],
        **options: Unpack[EventOptions],
    ) -> "tuple[Ledger, tuple[Issue, ...]]": ...
    @classmethod
    def from_events(
        cls,
        events: Iterable[PrepaidEvent | Mapping[str, Any]],
        plans: Iterable[PackagePlan],
        *,
        as_of: dt.date | str,
        on_error: OnError = "raise",
        tz: str | None = None,
        day_start: int = 0,
        dedupe: Dedupe = "id",
        grace_days: int = 0,
        allow_excess: bool = False,
        unpaid: Unpaid = "error",
        reconcile: bool = False,
        closed_until: dt.date | str | None = None,
        late: Late = "post",
    ) -> "Ledger | tuple[Ledger, tuple[Issue, ...]]":
        """The ledger of some events, in whatever order they come.

        Events of a day follow one another as: purchase and opening balance, instalment, transfer, freeze, extension,
        visit, void, refund, and at its end expiry; ``seq`` of the events overrides that. A visit that names no package
        uses the customer's one with the lowest priority number, then the earliest expiry, then the earliest purchase,
        then the smallest id.

        Args:
            events: :class:`PrepaidEvent` or dictionaries with their fields.
            plans: Every plan that the events name.
            as_of: The last day of the book; later events are ignored and counted. Events of the book may have been
                ``recorded`` later, as long as :meth:`at` is not asked.
            on_error: ``"raise"`` refuses a book with events that contradict one another, listing all of them.
                ``"collect"`` leaves them out and returns the list beside the ledger.
            tz: Time zone of the business, for events with aware times.
            day_start: Hour at which a business day begins, for events with times.
            dedupe: ``"id"``: events with the same id and content count once. ``"content"``: so do events without an id.
            grace_days: Days after the last usable day on which visits are still accepted; the rest expires after them.
            allow_excess: Whether a refund may exceed what is owed; the difference is a cost. Of a package of which
                nothing is left (used up, expired or refunded), all of a refund with an ``amount`` is.
            unpaid: What becomes of a visit of a customer without a session left, or on a package that is used up:
                ``"error"``, or ``"receivable"``, which books it at list price as owed by the customer.
            reconcile: Whether the customer's next package settles such visits, one session each.
            closed_until: Last day of the periods that are closed. An event of an earlier day that was ``recorded``
                after it does not change them.
            late: What becomes of such an event: ``"post"`` counts it on the first open day, with its own day kept for
                validity; ``"error"`` refuses it.

        Returns:
            The ledger; with ``on_error="collect"`` the ledger and the tuple of issues.

        Raises:
            InvalidEvents: Events cannot be booked; the message lists them by row, id and reason.
            InvalidValue: Plans are contradictory, or the arguments are.
            InvalidType: An argument is of the wrong kind.

        Examples:
            >>> plan = PackagePlan(id="ten", price=1_500_000, sessions=10, cost_per_session=70_000)
            >>> events = [
            ...     {"kind": "purchase", "date": "2024-01-10", "package": "p1", "customer": "ann", "plan": "ten"},
            ...     {"kind": "visit", "date": "2024-01-15", "customer": "ann"},
            ... ]
            >>> ledger = Ledger.from_events(events, [plan], as_of="2024-06-30")
            >>> ledger.liability(), ledger.cost_to_serve()
            (1350000, 630000)

        References:
            IFRS 15, B44-B47 and 106; ASC 606-10-55-46 to 49.
        """
        options = read_options(
            on_error=on_error,
            dedupe=dedupe,
            grace_days=grace_days,
            allow_excess=allow_excess,
            unpaid=unpaid,
            reconcile=reconcile,
            closed_until=closed_until,
            late=late,
        )
        raw, unread, count = read_events(events, tz=tz, day_start=day_start)
        return cls._opened(raw, plans, unread, count, day(as_of=as_of), options)

    @overload
    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, Any],
        plans: Iterable[PackagePlan],
        *,
        as_of: dt.date | str,
        on_error: Literal["raise"] = "raise",
        **options: Unpack[BookOptions],
    ) -> "Ledger": ...
    @overload
    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, Any],
        plans: Iterable[PackagePlan],
        *,
        as_of: dt.date | str,
        on_error: Literal["collect"],
        **options: Unpack[BookOptions],
    ) -> "tuple[Ledger, tuple[Issue, ...]]": ...
    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, Any],
        plans: Iterable[PackagePlan],
        *,
        as_of: dt.date | str,
        on_error: OnError = "raise",
        dedupe: Dedupe = "id",
        grace_days: int = 0,
        allow_excess: bool = False,
        unpaid: Unpaid = "error",
        reconcile: bool = False,
        closed_until: dt.date | str | None = None,
        late: Late = "post",
    ) -> "Ledger | tuple[Ledger, tuple[Issue, ...]]":
        """The ledger of events that come as arrays, one element an event.

        Args:
            columns: Arrays by the names of the fields of :class:`PrepaidEvent`: ``kind`` and ``date`` always, the
                others when any event has them. Kinds are names, or their places in ``KINDS``; days are ``datetime64``,
                ``datetime.date``, ISO strings or ordinals (``date.toordinal``); money, sessions and days are integers,
                ids integers or strings. What an event does not have is masked (``numpy.ma``), or ``None`` in an object
                array.
            plans: Every plan that the events name.
            as_of: The last day of the book.
            on_error: See :meth:`from_events`, as for the rest.
            dedupe: Which events count once.
            grace_days: Days after the last usable day on which visits are still accepted.
            allow_excess: Whether a refund may exceed what is owed.
            unpaid: What becomes of visits without a session.
            reconcile: Whether the next package settles them.
            closed_until: Last day of the periods that are closed.
            late: What becomes of events that come after that.

        Returns:
            The ledger; with ``on_error="collect"`` the ledger and the tuple of issues.

        Raises:
            InvalidEvents: Events cannot be booked.
            InvalidValue: A column is unknown, or of another length.
            InvalidType: A column holds something else.

        Examples:
            >>> import numpy as np
            >>> columns = {
            ...     "kind": np.array(["purchase", "visit", "visit"]),
            ...     "date": np.array(["2024-01-10", "2024-01-15", "2024-07-15"], "datetime64[D]"),
            ...     "package": np.array([1, 1, 1]),
            ...     "customer": np.array([7, 7, 7]),
            ...     "plan": np.array(["ten", None, None], dtype=object),
            ... }
            >>> plan = PackagePlan(id="ten", price=1_500_000, sessions=10)
            >>> Ledger.from_columns(columns, [plan], as_of="2024-12-31").liability()
            1200000

        References:
            IFRS 15, B44-B47 and 106; ASC 606-10-55-46 to 49.
        """
        if not isinstance(columns, Mapping):
            raise InvalidType(f"columns must be a dict of arrays by name, got {type(columns).__name__}")
        options = read_options(
            on_error=on_error,
            dedupe=dedupe,
            grace_days=grace_days,
            allow_excess=allow_excess,
            unpaid=unpaid,
            reconcile=reconcile,
            closed_until=closed_until,
            late=late,
        )
        count = len(columns.get("kind", ()))
        return cls._opened(columns, plans, Unread([], {}), count, day(as_of=as_of), options)

    @classmethod
    def _opened(
        cls,
        raw: Mapping[str, Any],
        plans: Iterable[PackagePlan],
        unread: Unread,
        count: int,
        as_of: dt.date,
        options: Options,
    ) -> "Ledger | tuple[Ledger, tuple[Issue, ...]]":
        sold = read_plans(plans)
        problems = Problems(unread.issues)
        columns, recorded, currencies = make_columns(raw, {each.id: place for place, each in enumerate(sold)}, problems)
        source = Source(columns, recorded, currencies, tuple(problems.issues), unread.sales, count)
        made = cls._made(source, sold, options, as_of)
        return made if options.on_error == "raise" else (made, made.issues)

    @classmethod
    def _made(cls, source: Source, plans: tuple[PackagePlan, ...], options: Options, as_of: dt.date) -> "Ledger":
        made, ignored, issues = make_book(source, plans, options, as_of.toordinal())
        return cls(as_of, plans[0].currency, plans, ignored, issues, source, options, made)

    def at(self, date: dt.date | str) -> "Ledger":
        """The book as it stood at the end of an earlier day: only what had happened by then is known.

        An event that was ``recorded`` after the day is left out, and counted in ``ignored``; what cannot be booked
        without it is in ``issues``. :meth:`liability` of the day, and the rows of a roll-forward up to it, count it on
        its own day, as it is known now.

        Args:
            date: A day, not after ``as_of``.

        Returns:
            A ledger of its own.

        Raises:
            InvalidValue: The day is after ``as_of``, or nothing had been sold by then.

        References:
            OpenMeter, *Ledger*: point-in-time reads of an immutable journal.
        """
        then = self._until(day(date=date), "date")
        options = replace(self._options, known_by=then.toordinal(), on_error="collect")
        return Ledger._made(self._source, self.plans, options, then)

    def roll_forward(
        self, period: Period = "month", *, by: By | None = None, week_start: Weekday = "monday"
    ) -> RollForward:
        r"""What was collected, earned, given back and is owed, in each period from the first event to ``as_of``.

        .. math::
            \text{collections} = \text{earned} + \text{breakage} + \text{refunds} + \text{fees} + \text{gain}
            - \text{excess} + \Delta \text{liability}

        Args:
            period: A calendar period.
            by: ``"plan"``, ``"segment"``, ``"customer"`` or ``"package"`` gives every period a row for each; the last
                two make as many rows as there are customers or packages times periods.
            week_start: First day of weeks.

        Returns:
            A :class:`RollForward`, in whole minor units.

        Raises:
            InvalidValue: An unknown name.

        Examples:
            >>> plan = PackagePlan(id="ten", price=1_000, sessions=3)
            >>> events = [
            ...     {"kind": "purchase", "date": "2024-01-10", "package": 1, "customer": "ann", "plan": "ten"},
            ...     {"kind": "visit", "date": "2024-01-15", "customer": "ann"},
            ...     {"kind": "visit", "date": "2024-02-05", "customer": "ann"},
            ... ]
            >>> print(Ledger.from_events(events, [plan], as_of="2024-02-29").roll_forward())
             period  ratio  collected  earned  breakage  cost  liability  refunds  sessions
            2024-01   0.33      1,000     333         0     0        667        0         2
            2024-02      -          0     334         0     0        333        0         1

        References:
            IFRS 15, 116-118 on contract balances.
        """
        choice(PERIODS, period=period)
        choice(WEEKDAYS, week_start=week_start)
        if by is not None:
            choice(BYS, by=by)
        starts, ends = periods_until(self._book.flows.first_day(), self.as_of, period, week_start)
        return roll(sums_of(self._book, by, ends), period=period, as_of=self.as_of, starts=starts, by=by)

    def earned_ratio(
        self, period: Period = "month", *, week_start: Weekday = "monday", undefined: Undefined = "raise"
    ) -> FloatArray:
        r"""Money worked off for every unit collected, in each period: the first number to look at.

        .. math:: \text{earned} / \text{collections}

        Args:
            period: A calendar period; the periods are those of :meth:`roll_forward`.
            week_start: First day of weeks.
            undefined: ``"nan"`` gives NaN for periods in which nothing was collected.

        Returns:
            An array with one element a period.

        Raises:
            UndefinedMetric: Nothing was collected in some period.

        References:
            IFRS 15, B44: a prepayment is a liability until the service is delivered.
        """
        ratio = self.roll_forward(period, week_start=week_start).earned_ratio
        reason = "nothing was collected in the period"
        refuse_undefined(np.isnan(ratio), metric="earned_ratio", reason=reason, undefined=undefined)
        return ratio

    def packages(self) -> PackageTable:
        """Every package, and how it stands.

        References:
            IFRS 15, 105-108 on contract assets and liabilities, contract by contract.
        """
        return package_table(self._book)

    def liability(self, as_of: dt.date | str | None = None) -> int:
        """What is owed to customers for what they paid and have not had, in minor units.

        Args:
            as_of: An earlier day; by default the last day of the book.

        Returns:
            The sum of the contract liabilities. What customers owe for visits that are not paid is no part of it.

        Raises:
            InvalidValue: The day is after the last day of the book.

        References:
            IFRS 15, 106 and B44.
        """
        return int(np.maximum(self._book.balances(self._day(as_of)), 0).sum())

    def contract_asset(self, as_of: dt.date | str | None = None) -> int:
        """What customers owe for sessions that were delivered and are not paid, in minor units.

        Args:
            as_of: An earlier day; by default the last day of the book.

        Returns:
            The sum of the contract assets, never netted against another customer's liability.

        Raises:
            InvalidValue: The day is after the last day of the book.

        References:
            IFRS 15, 107.
        """
        return int(np.maximum(-self._book.balances(self._day(as_of)), 0).sum())

    def refundable_now(self) -> int:
        """What would be paid back if every customer asked for it now, by the refund policies of the plans.

        Now is the end of the last day of the book, which terms have earned.

        References:
            IFRS 15, 55 on refund liabilities.
        """
        return int(self.packages().refundable_now.sum())

    def cost_to_serve(self) -> int:
        """What it will cost to deliver all sessions that are left, in minor units; terms have none to count.

        References:
            IAS 37, 66-69, on the unavoidable costs of meeting a contract.
        """
        return int(self.packages().cost_to_serve.sum())

    def custody_shortfall(self, *, cash: int) -> int:
        r"""How much of the customers' money has already been spent.

        .. math:: \max(0, \text{liability} - \text{cash})

        Args:
            cash: Cash in hand in minor units; below 0 when overdrawn.

        Returns:
            Whole minor units.

        Raises:
            InvalidType: The cash is no whole number.

        References:
            Safeguarding of customers' money: Directive (EU) 2015/2366, article 10, compares the two in the same way.
        """
        return max(0, -self.free_cash(cash=cash))

    def free_cash(self, *, cash: int) -> int:
        r"""How much of the cash in hand is the business's own; below 0 when customers' money has been spent.

        .. math:: \text{cash} - \text{liability}

        Args:
            cash: Cash in hand in minor units; below 0 when overdrawn.

        Returns:
            Whole minor units.

        Raises:
            InvalidType: The cash is no whole number.

        References:
            IFRS 15, 106.
        """
        return minor_units(-MOST_MONEY, cash=cash) - self.liability()

    def coverage(self, *, cash: int) -> float:
        r"""How many times the cash in hand would pay for delivering what is owed.

        .. math:: \text{cash} / \text{cost to serve}

        Args:
            cash: Cash in hand in minor units; below 0 when overdrawn.

        Returns:
            A ratio.

        Raises:
            UndefinedMetric: Delivering what is left costs nothing.
            InvalidType: The cash is no whole number.

        References:
            A coverage ratio in the sense of IAS 7 analysis: cash over the obligations it has to meet.
        """
        held, cost = minor_units(-MOST_MONEY, cash=cash), self.cost_to_serve()
        if cost == 0:
            raise UndefinedMetric("coverage", "no session that costs anything is left to be delivered")
        return held / cost

    def dormant(self, days: int = 90) -> Dormant:
        """Customers with unused sessions who have not been seen for a while, by what is owed to them.

        A visit, a payment or taking over a package is a sign of life; frozen days do not count. A package that is still
        valid does not hide its owner.

        Args:
            days: Days without a sign, >= 0.

        Returns:
            A :class:`Dormant` list, the largest debt first.

        Raises:
            InvalidValue: ``days`` is not a whole number >= 0.

        References:
            The opposite of Costasiella's report of inactive accounts, which leaves out those with a valid class pass.
        """
        return dormant_customers(self._book, whole(0, days=days))

    def expiring(self, within: int = 30) -> Expiring:
        """Packages that are about to end with something left, frozen ones left out.

        Args:
            within: Days ahead, >= 0.

        Returns:
            An :class:`Expiring` list, the earliest first.

        Raises:
            InvalidValue: ``within`` is not a whole number >= 0.

        References:
            Zenoti, *Memberships due for renewal*.
        """
        return expiring_packages(self._book, whole(0, within=within))

    def breakage_rate(self, plan: str | int | None = None) -> Rate:
        r"""Part of the value of finished packages that was never used, an estimate for :class:`Proportional`.

        .. math:: \frac{\text{value that expired}}{\text{value of packages used up or expired}}

        Args:
            plan: Id of a plan; by default all plans.

        Returns:
            A :class:`~retention_metrics.Rate` in minor units.

        Raises:
            UndefinedMetric: No package has been finished.
            InvalidValue: There is no such plan.

        References:
            IFRS 15, B46, with the constraint of 56-58; KPMG, *Revenue: IFRS 15 handbook*, 10.5, on portfolio data.
        """
        if plan is not None and plan not in [each.id for each in self.plans]:
            raise InvalidValue(f"there is no plan {plan!r}; there are {[each.id for each in self.plans]}")
        table = self.packages()
        done = np.isin(table.status, ("used", "expired"))
        if plan is not None:
            done &= table.plan == plan
        value = int(table.paid[done].sum())
        if not value:
            raise UndefinedMetric("breakage_rate", "no paid package has been used up or has expired")
        unused = int((table.breakage + table.escheat)[done & (table.status == "expired")].sum())
        return Rate(
            definition="value expired / value of packages used up or expired", numerator=unused, denominator=value
        )

    def audit(self) -> Audit:
        """The identities of the book, checked to the last minor unit.

        References:
            IFRS 15, 116-118; the invariants of double-entry bookkeeping.
        """
        return audit_book(self._book)

    def _until(self, date: dt.date, name: str) -> dt.date:
        if date > self.as_of:
            raise InvalidValue(f"{name} must not be after the last day of the book, {self.as_of}, got {date}")
        return date

    def _day(self, as_of: dt.date | str | None) -> int:
        return self._book.as_of if as_of is None else self._until(day(as_of=as_of), "as_of").toordinal()

    def __str__(self) -> str:
        """The roll-forward by month."""
        return str(self.roll_forward())


def read_plans(plans: Iterable[PackagePlan]) -> tuple[PackagePlan, ...]:
    """Check the plans of a book."""
    if isinstance(plans, PackagePlan) or not isinstance(plans, Iterable):
        raise InvalidType(f"plans must be a list of PackagePlan, got {type(plans).__name__}")
    sold = tuple(plans)
    for number, each in enumerate(sold):
        if not isinstance(each, PackagePlan):
            raise InvalidType(f"plans[{number}] must be a PackagePlan, got {type(each).__name__}")
    if not sold:
        raise InvalidValue("plans is empty; pass the plans that packages were sold on")
    ids = [each.id for each in sold]
    if len(set(ids)) < len(ids):
        twice = next(each for each in ids if ids.count(each) > 1)
        raise InvalidValue(f"plans names {twice!r} twice; give each plan an id of its own")
    currencies = {each.currency for each in sold}
    if len(currencies) > 1:
        raise InvalidValue(f"plans are in {', '.join(sorted(map(str, currencies)))}; keep one ledger a currency")
    return sold
