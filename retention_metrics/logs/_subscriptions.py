"""The log of subscriptions: a thin handle on a frame, and the questions one can put to it."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, Literal, overload

from retention_metrics._stats import Rate
from retention_metrics._typing import Period, Weekday
from retention_metrics.churn import CustomerFlow
from retention_metrics.logs import _contracts, _movements, _rows
from retention_metrics.logs._segments import Segments
from retention_metrics.revenue import RevenueFlow
from retention_metrics.revenue._flow import MovementMode
from retention_metrics.survival import SurvivalCurve


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Subscriptions:
    """A log of subscriptions: who, from when, until when; one row a subscription.

    A subscription runs from ``start`` up to, and not on, ``end``; without an end it runs on. An end on the last day of
    the data or later is no loss: nobody knows yet whether it will be renewed. Subscriptions of one customer that follow
    or overlap one another make one stay; ``reactivation_window`` says how many days may lie between them.

    The frame may be a pandas, Polars (eager or lazy), PyArrow, DuckDB, PySpark or Dask table. Rows that cannot be used
    (no customer, no start, an end before the start) are an error that counts them by reason, or with
    ``on_invalid="exclude"`` are left out. These, and subscriptions that start after ``as_of``, are counted in a
    :class:`~retention_metrics.errors.RowsExcludedWarning`.

    Every question takes ``by=``, as for :class:`Transactions`. Of customers the latest row decides; a term that is up
    for renewal is in the segment of its own row.

    Args:
        frame: The log.
        customer: Column of customer ids: strings or integers.
        start: Column of the first day: dates or timestamps.
        end: Column of the day on which it no longer runs; missing while it runs on.
        end_included: Whether the end is the last day on which it runs, as in contracts "from 1 to 31 January".
        amount: Column of the money, per month where :meth:`movements` is asked for, or ``None``.
        currency: Column of the currency of the amount, or ``None``: sums over several currencies are refused.
        plan: Column of the plan, or ``None``.
        frozen: Column that says which subscriptions are frozen (true and false, or 1 and 0), or ``None``.
        tz: Time zone of the business, for timestamps that carry a zone.
        week_start: ``"monday"`` or ``"sunday"``.
        on_invalid: ``"raise"`` or ``"exclude"``.

    Raises:
        MissingColumn: A column that the frame does not have; the message names the nearest one.
        InvalidType: The frame is of no supported kind, or a column is of the wrong one.
        InvalidValue: A time zone is missing, unknown or superfluous.

    Examples:
        >>> import polars as pl
        >>> from datetime import date
        >>> frame = pl.DataFrame({
        ...     "client": ["ann", "ann", "bob", "cleo"],
        ...     "from": [date(2026, 1, 1), date(2026, 2, 1), date(2026, 1, 10), date(2026, 2, 1)],
        ...     "to": [date(2026, 2, 1), date(2026, 3, 1), date(2026, 1, 20), None],
        ... })
        >>> book = Subscriptions(frame, customer="client", start="from", end="to")
        >>> curve = book.lifetimes(as_of="2026-02-10")
        >>> curve.times, curve.events
        (array([ 9., 10., 40.]), array([0., 1., 0.]))
        >>> book.renewals_due(as_of="2026-02-10").rows()
        [('ann', datetime.datetime(2026, 3, 1, 0, 0), 19)]
    """

    _log: _rows.Log = field()

    def __init__(
        self,
        frame: Any,
        *,
        customer: str,
        start: str,
        end: str,
        amount: str | None = None,
        currency: str | None = None,
        plan: str | None = None,
        frozen: str | None = None,
        end_included: bool = False,
        tz: str | None = None,
        week_start: Weekday = "monday",
        on_invalid: Literal["raise", "exclude"] = "raise",
    ) -> None:
        log = _rows.open_log(
            frame,
            customer=customer,
            time=start,
            roles={"end": end, "amount": amount, "currency": currency, "plan": plan, "frozen": frozen},
            tz=tz,
            week_start=week_start,
            on_invalid=on_invalid,
        )
        log = _rows.with_numbers(log, "amount")
        object.__setattr__(self, "_log", _contracts.with_ends(log, tz, week_start, last_day=end_included))

    def __repr__(self) -> str:
        return f"Subscriptions({_rows.described(self._log)})"

    @overload
    def lifetimes(
        self, *, as_of: dt.date | str, reactivation_window: int = 0, since: dt.date | str | None = None, by: None = None
    ) -> SurvivalCurve: ...
    @overload
    def lifetimes(
        self, *, as_of: dt.date | str, reactivation_window: int = 0, since: dt.date | str | None = None, by: Any
    ) -> Segments[SurvivalCurve]: ...
    def lifetimes(
        self, *, as_of: dt.date | str, reactivation_window: int = 0, since: dt.date | str | None = None, by: Any = None
    ) -> SurvivalCurve | Segments[SurvivalCurve]:
        """How many days customers stay, those who are still there counted as such.

        With ``by=`` a customer who changed the segment brings the whole lifetime to the latest one, in which the time
        before the change could not have ended: to compare plans fairly, pass a frame with the plan that each began
        with.

        Each stay is a lifetime; who comes back after more than ``reactivation_window`` days begins another.

        Args:
            as_of: Last day that the data cover, inclusive.
            reactivation_window: Days without a subscription that do not end a stay, >= 0.
            since: First day that the data cover, when earlier losses are not in the log: customers of before count
                from that day on (late entry), and stays that ended by then are left out. ``None``: nothing is missing.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            A :class:`~retention_metrics.survival.SurvivalCurve` of days.

        Raises:
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``, or no stay after ``since``.

        References:
            Kaplan & Meier (1958), *JASA* 53, 457-481; Klein & Moeschberger (2003), *Survival Analysis*, 2nd ed.,
            section 4.6, for late entry.
        """
        return _contracts.lifetimes(self._log, as_of, reactivation_window, since, by)

    @overload
    def retention_by_period(
        self, *, period: Period = "month", as_of: dt.date | str, reactivation_window: int = 0, by: None = None
    ) -> CustomerFlow: ...
    @overload
    def retention_by_period(
        self, *, period: Period = "month", as_of: dt.date | str, reactivation_window: int = 0, by: Any
    ) -> Segments[CustomerFlow]: ...
    def retention_by_period(
        self, *, period: Period = "month", as_of: dt.date | str, reactivation_window: int = 0, by: Any = None
    ) -> CustomerFlow | Segments[CustomerFlow]:
        """The customer base from period to period: who was there, came, returned, was lost.

        A customer is lost on the day on which the last subscription of a stay ended, and not while it may still be
        renewed: an end on ``as_of`` is no loss. With a ``reactivation_window`` the losses of its last days are
        provisional.

        Args:
            period: ``"day"``, ``"week"``, ``"month"``, ``"quarter"`` or ``"year"``, of the calendar.
            as_of: Last day that the data cover, inclusive.
            reactivation_window: Days without a subscription that do not end a stay, >= 0.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            A :class:`~retention_metrics.churn.CustomerFlow` without buyers and revenue.

        Raises:
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``.

        References:
            Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5.
        """
        return _contracts.retention_by_period(self._log, period, as_of, reactivation_window, by)

    def lost(
        self,
        *,
        first: dt.date | str,
        last: dt.date | str,
        as_of: dt.date | str,
        reactivation_window: int = 0,
        by: Any = None,
    ) -> Any:
        """Whose stay ended in a span of days: the losses of :meth:`retention_by_period`, one by one.

        Args:
            first: First day of the span.
            last: Last day of the span, before ``as_of``.
            as_of: Last day that the data cover, inclusive.
            reactivation_window: Days without a subscription that do not end a stay, >= 0.
            by: What makes segments: a column, of the last subscription of the stay (its plan, its manager, the reason
                of its end), or a frame of customers and segments; ``None``: no segments.

        Returns:
            A frame of the kind that came in, one row a stay that ended, in no particular order: customer, started_on,
            lost_on, days (of the stay), and segment with ``by``.

        Raises:
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``, or the span is empty or not over by ``as_of``.

        References:
            Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5.
        """
        return _contracts.lost(self._log, first, last, as_of, reactivation_window, by)

    def renewals_due(self, *, as_of: dt.date | str, within: int = 30, by: Any = None) -> Any:
        """Whose stay ends within the next days unless they renew; frozen subscriptions are left out.

        A customer with another subscription that runs on is not due.

        Args:
            as_of: Last day that the data cover, inclusive.
            within: Days to look ahead, >= 0.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            A frame of the kind that came in, one row a subscription, in no particular order: customer, ends_on,
            days_left, and plan and amount as far as the log has them.

        Raises:
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidType: ``frozen`` holds something else than true and false, or 1 and 0.
            InvalidValue: No usable row up to ``as_of``.

        References:
            The renewal list of membership and subscription businesses.
        """
        return _contracts.renewals_due(self._log, as_of, within, by)

    @overload
    def renewal_rate(
        self,
        *,
        first: dt.date | str,
        last: dt.date | str,
        as_of: dt.date | str,
        reactivation_window: int = 0,
        by: None = None,
    ) -> Rate: ...
    @overload
    def renewal_rate(
        self, *, first: dt.date | str, last: dt.date | str, as_of: dt.date | str, reactivation_window: int = 0, by: Any
    ) -> Segments[Rate]: ...
    def renewal_rate(
        self,
        *,
        first: dt.date | str,
        last: dt.date | str,
        as_of: dt.date | str,
        reactivation_window: int = 0,
        by: Any = None,
    ) -> Rate | Segments[Rate]:
        """Share of the subscriptions that were up for renewal in a span of days whose customers stayed on.

        Churn over all customers hides in a base of yearly contracts, of which few can leave in a month; here only those
        count whose term ended.

        Args:
            first: First day of the span.
            last: Last day of the span.
            as_of: Last day that the data cover, inclusive; at least ``reactivation_window`` days after ``last``.
            reactivation_window: Days after the end of a term within which a new one counts as a renewal, >= 0.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            A :class:`~retention_metrics.Rate` with counts and Wilson interval.

        Raises:
            UndefinedMetric: No subscription was up for renewal.
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: The span is empty, or reaches too close to ``as_of`` to be judged.

        References:
            Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5.
        """
        return _contracts.renewal_rate(self._log, first, last, as_of, reactivation_window, by)

    @overload
    def movements(
        self,
        *,
        period: Period = "month",
        as_of: dt.date | str,
        mode: MovementMode = "snapshot",
        reactivation_window: int | None = None,
        since: dt.date | str | None = None,
        by: None = None,
    ) -> RevenueFlow: ...
    @overload
    def movements(
        self,
        *,
        period: Period = "month",
        as_of: dt.date | str,
        mode: MovementMode = "snapshot",
        reactivation_window: int | None = None,
        since: dt.date | str | None = None,
        by: Any,
    ) -> Segments[RevenueFlow]: ...
    def movements(
        self,
        *,
        period: Period = "month",
        as_of: dt.date | str,
        mode: MovementMode = "snapshot",
        reactivation_window: int | None = None,
        since: dt.date | str | None = None,
        by: Any = None,
    ) -> RevenueFlow | Segments[RevenueFlow]:
        """Recurring revenue from period to period: new, expansion, contraction, churn, reactivation.

        The amounts of the log must be per month (``revenue.monthly_amount`` makes them so). The unit is the customer:
        subscriptions that run at once are added up. Amounts that differ by less than 1e-12 of what moved are the same.

        Args:
            period: ``"day"``, ``"week"``, ``"month"``, ``"quarter"`` or ``"year"``, of the calendar.
            as_of: Last day that the data cover, inclusive. What ends on that day only makes room for what starts on
                it: it is no loss, since nobody knows yet whether it will be renewed.
            mode: ``"snapshot"`` compares the amounts in force when periods close: who comes and goes in between is not
                seen (as with ProfitWell), and later is one who comes back. ``"event"`` adds up every change from day to
                day (as with Maxio): the same net, with more gains and more losses; what ends and begins
                on one day nets.
            reactivation_window: Days without a subscription after which a return is new: 90 is Maxio's rule, 0 makes
                every return new, and ``None`` makes it a reactivation however late, as with ProfitWell and ChartMogul.
            since: First day that the data cover, when subscriptions that ended earlier are not in the log. The table
                opens with the first whole period from that day on; who was there before is in its start, and not new.
                ``None``: nothing is missing.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            A :class:`~retention_metrics.revenue.RevenueFlow`, which closes: start + gains - losses = end.

        Raises:
            InvalidRows: Rows that cannot be used, a negative amount among them, counted by reason.
            InvalidValue: No amounts, or no subscription that brings money up to ``as_of``.

        References:
            ChartMogul, *Data Table and MRR Movements*; Paddle, *ProfitWell vs. Maxio*, for the two modes and windows.
        """
        return _movements.movements(self._log, period, as_of, mode, reactivation_window, since, by)
