"""The log of subscriptions: a thin handle on a frame, and the questions one can put to it."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, Literal

from retention_metrics._stats import Rate
from retention_metrics._typing import Weekday
from retention_metrics.logs import _contracts, _rows
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

    Args:
        frame: The log.
        customer: Column of customer ids: strings or integers.
        start: Column of the first day: dates or timestamps.
        end: Column of the day on which it no longer runs; missing while it runs on.
        amount: Column of the money per term, or ``None``.
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
        plan: str | None = None,
        frozen: str | None = None,
        tz: str | None = None,
        week_start: Weekday = "monday",
        on_invalid: Literal["raise", "exclude"] = "raise",
    ) -> None:
        log = _rows.open_log(
            frame,
            customer=customer,
            time=start,
            roles={"end": end, "amount": amount, "plan": plan, "frozen": frozen},
            tz=tz,
            week_start=week_start,
            on_invalid=on_invalid,
        )
        object.__setattr__(self, "_log", _contracts.with_ends(_rows.with_numbers(log, "amount"), tz, week_start))

    def __repr__(self) -> str:
        return f"Subscriptions({_rows.described(self._log)})"

    def lifetimes(
        self, *, as_of: dt.date | str, reactivation_window: int = 0, since: dt.date | str | None = None
    ) -> SurvivalCurve:
        """How many days customers stay, those who are still there counted as such.

        Each stay is a lifetime; who comes back after more than ``reactivation_window`` days begins another.

        Args:
            as_of: Last day that the data cover, inclusive.
            reactivation_window: Days without a subscription that do not end a stay, >= 0.
            since: First day that the data cover, when earlier losses are not in the log: customers of before count
                from that day on (late entry), and stays that ended by then are left out. ``None``: nothing is missing.

        Returns:
            A :class:`~retention_metrics.survival.SurvivalCurve` of days.

        Raises:
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``, or no stay after ``since``.

        References:
            Kaplan & Meier (1958), *JASA* 53, 457-481; Klein & Moeschberger (2003), *Survival Analysis*, 2nd ed.,
            section 4.6, for late entry.
        """
        return _contracts.lifetimes(self._log, as_of, reactivation_window, since)

    def renewals_due(self, *, as_of: dt.date | str, within: int = 30) -> Any:
        """Whose stay ends within the next days unless they renew; frozen subscriptions are left out.

        A customer with another subscription that runs on is not due.

        Args:
            as_of: Last day that the data cover, inclusive.
            within: Days to look ahead, >= 0.

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
        return _contracts.renewals_due(self._log, as_of, within)

    def renewal_rate(
        self,
        *,
        first: dt.date | str,
        last: dt.date | str,
        as_of: dt.date | str,
        reactivation_window: int = 0,
    ) -> Rate:
        """Share of the subscriptions that were up for renewal in a span of days whose customers stayed on.

        Churn over all customers hides in a base of yearly contracts, of which few can leave in a month; here only those
        count whose term ended.

        Args:
            first: First day of the span.
            last: Last day of the span.
            as_of: Last day that the data cover, inclusive; at least ``reactivation_window`` days after ``last``.
            reactivation_window: Days after the end of a term within which a new one counts as a renewal, >= 0.

        Returns:
            A :class:`~retention_metrics.Rate` with counts and Wilson interval.

        Raises:
            UndefinedMetric: No subscription was up for renewal.
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: The span is empty, or reaches too close to ``as_of`` to be judged.

        References:
            Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5.
        """
        return _contracts.renewal_rate(self._log, first, last, as_of, reactivation_window)
