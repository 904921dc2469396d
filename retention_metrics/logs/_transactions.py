"""The log of purchases: a thin handle on a frame, and the questions one can put to it."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, overload

from retention_metrics._stats import Rate
from retention_metrics._typing import Period, Weekday
from retention_metrics.churn import CustomerFlow, PurchaseCycle
from retention_metrics.churn._flow import Dated
from retention_metrics.cohorts import CohortTable
from retention_metrics.cohorts._states import Window
from retention_metrics.cohorts._table import Anchor, Counting
from retention_metrics.logs import (
    _bands,
    _cohorting,
    _days,
    _decline,
    _flow,
    _histories,
    _lists,
    _prediction,
    _rfm,
    _rows,
    _sources,
    _status,
    _summary,
)
from retention_metrics.logs._segments import Segments
from retention_metrics.ltv import Channels
from retention_metrics.predictive import Histories, Validation
from retention_metrics.survival import SurvivalCurve


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Transactions:
    """A log of purchases: who bought, when, and for how much; one row an order.

    The frame may be a pandas, Polars (eager or lazy), PyArrow, DuckDB, PySpark or Dask table. The columns
    are checked at once, the rows when a question is asked. Lazy stays lazy, and tables of customers come back
    as a frame of the kind that came in, in no particular order.

    Orders of one customer on one day count as one purchase, except where orders themselves are counted
    (``summary``, ``min_events``). Refunds are negative amounts: they are netted
    with the other amounts of their day, and a day with nothing but a refund still counts as a purchase day, so
    leave such rows out if that is not meant.

    Rows that cannot be used (no customer, no time, an amount that is missing or not finite) are an error that
    counts them by reason, or are left out and counted with ``on_invalid="exclude"``. Rows after ``as_of`` lie
    outside the question: they are left out and counted in the result's ``excluded`` or, where the result is a
    plain frame, in a :class:`~retention_metrics.errors.RowsExcludedWarning`.

    Every question takes ``by=``: a column of the log, or a frame of the same engine with the column ``customer`` and,
    last, that of the segment, such as :meth:`arpu_bands` gives. A customer is in one segment: by a column in that of
    the latest row up to ``as_of`` that names one. Frames then have a column ``segment``; other results become
    :class:`Segments`, one result a segment, with ``None`` for the customers without one. What was left out is counted
    for the log as a whole.

    Args:
        frame: The log.
        customer: Column of customer ids: strings or integers. Whole floats are accepted, because pandas makes
            them of integers with gaps.
        time: Column of the time of purchase: dates or timestamps. Timestamps without a zone are local
            business time.
        amount: Column of the money paid, or ``None``.
        tz: Time zone of the business, for timestamps that carry a zone; DuckDB and Spark must have it as the
            zone of their session.
        week_start: ``"monday"`` or ``"sunday"``.
        day_start: Hour at which a day opens, 0 to 23: with 4, a purchase at 3 in the morning belongs to the day before.
        on_invalid: ``"raise"`` or ``"exclude"``.

    Raises:
        MissingColumn: A column that the frame does not have; the message names the nearest one.
        InvalidType: The frame is of no supported kind, or a column is of the wrong one.
        InvalidValue: A time zone is missing, unknown or superfluous.

    Examples:
        >>> import polars as pl
        >>> from datetime import date
        >>> frame = pl.DataFrame({
        ...     "client_id": ["ann", "ann", "bob"],
        ...     "paid_at": [date(2026, 1, 5), date(2026, 2, 4), date(2026, 1, 20)],
        ...     "sum": [30.0, 40.0, 25.0],
        ... })
        >>> orders = Transactions(frame, customer="client_id", time="paid_at", amount="sum")
        >>> orders.rfm(as_of="2026-02-28").sort("customer").rows()
        [('ann', 1, 30, 54, 40.0), ('bob', 0, 0, 39, None)]
    """

    _log: _rows.Log = field()

    def __init__(
        self,
        frame: Any,
        *,
        customer: str,
        time: str,
        amount: str | None = None,
        tz: str | None = None,
        week_start: Weekday = "monday",
        day_start: int = 0,
        on_invalid: Literal["raise", "exclude"] = "raise",
    ) -> None:
        log = _rows.open_log(
            frame,
            customer=customer,
            time=time,
            roles={"amount": amount},
            tz=tz,
            week_start=week_start,
            day_start=day_start,
            on_invalid=on_invalid,
        )
        object.__setattr__(self, "_log", _rows.with_numbers(log, "amount"))

    def __repr__(self) -> str:
        return f"Transactions({_rows.described(self._log)})"

    @contextmanager
    def prepared(self, *, as_of: dt.date | str) -> Iterator["Transactions"]:
        """The same log with its days of purchase worked out once, for several questions about one day.

        DuckDB and Polars keep a table of one row a customer and day until the block ends, DuckDB as a temporary table,
        which may be larger than memory. Questions about other days, with ``by=``, or about orders rather than days go
        to the log itself. Every answer is the same as without it. A DuckDB relation that comes from inside the block is
        a query still: write it out, or turn it into a frame, before the block ends.

        Args:
            as_of: Last day covered by the data.

        Raises:
            InvalidRows: Rows that cannot be used.
            InvalidValue: ``as_of`` is not a day, or nobody bought up to it.

        Examples:
            >>> import polars as pl
            >>> from datetime import date
            >>> frame = pl.DataFrame({"who": ["ann", "ann", "bob"], "day": [date(2026, 1, d) for d in (5, 25, 7)]})
            >>> orders, as_of = Transactions(frame, customer="who", time="day"), date(2026, 1, 31)
            >>> with orders.prepared(as_of=as_of) as log:
            ...     log.purchase_cycle(as_of=as_of).days, log.repeat_purchase_rate(as_of=as_of).value
            (20.0, 0.5)
        """
        with _days.prepared(self._log, as_of) as log:
            prepared = object.__new__(Transactions)
            object.__setattr__(prepared, "_log", log)
            yield prepared

    @overload
    def summary(self, *, as_of: dt.date | str, by: None = None) -> _summary.LogSummary: ...
    @overload
    def summary(self, *, as_of: dt.date | str, by: Any) -> Segments[_summary.LogSummary]: ...
    def summary(self, *, as_of: dt.date | str, by: Any = None) -> _summary.LogSummary | Segments[_summary.LogSummary]:
        """What the log holds up to a day: customers, orders, days, revenue, and rows left out.

        Args:
            as_of: Last day that the data cover, inclusive.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            A :class:`LogSummary`.

        Raises:
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``.
        """
        return _summary.summary(self._log, as_of, by)

    def channels(
        self,
        *,
        source: str,
        spend: Mapping[str, float],
        first: dt.date | str,
        last: dt.date | str,
        as_of: dt.date | str,
        lag_days: int = 0,
        margin_share: float = 1.0,
        ltv: float | Mapping[str, float] | None = None,
        level: float = 0.95,
    ) -> Channels:
        """What was spent on each source against the customers whose first order came from it.

        A customer belongs to the source of the first order in the log. Sources without customers, customers of sources
        without spend, and customers of unknown source (``"(unknown)"``) have a row each.

        Args:
            source: Column of the source of an order: channel, campaign or search phrase.
            spend: Money spent on each source from ``first`` to ``last``, >= 0.
            first: First day of the spend.
            last: Last day of the spend.
            as_of: Last day that the data cover, inclusive; at least ``lag_days`` after ``last``.
            lag_days: Days from the spend to the first order: customers count who came so much later, because a decision
                takes its time.
            margin_share: Share of the amount of the first order that is margin, for the comparison of the first sale.
            ltv: Lifetime value on margin, one or by source; ``None`` where not known.
            level: Confidence level of the intervals.

        Returns:
            The :class:`~retention_metrics.ltv.Channels` of :func:`retention_metrics.ltv.channels`.

        Raises:
            MissingColumn: There is no such column.
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: The span is empty or reaches too close to ``as_of``, or an argument is out of range.

        References:
            Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5, for acquisition cost; Garwood (1936),
            *Biometrika* 28, 437-442, for its limits.
        """
        return _sources.channels(
            self._log,
            spend,
            source=source,
            first=first,
            last=last,
            as_of=as_of,
            lag_days=lag_days,
            margin_share=margin_share,
            ltv=ltv,
            level=level,
        )

    def rfm(self, *, as_of: dt.date | str, unit: Period = "day", opportunities: bool = False, by: Any = None) -> Any:
        """Recency, frequency, age and spend of every customer, by the convention of the field.

        Purchases of one day are one purchase. ``frequency`` is the number of repeat purchases: days with a purchase
        after the first one. ``recency`` is the time from the first to the last of them, and ``T`` the time from the
        first to ``as_of``: days, divided by the length of the unit, as in :meth:`histories` and :meth:`predict`. So the
        columns may be put to any model that was fitted per this unit. ``monetary_value`` is the mean amount of the
        repeat purchases, missing for customers without any.

        Args:
            as_of: Last day that the data cover, inclusive.
            unit: ``"day"``, ``"week"``, ``"month"``, ``"quarter"`` or ``"year"``: the unit of recency and T.
            opportunities: Whether to count whole periods of the calendar instead: purchases of one period are one, and
                times are numbers of periods; ``as_of`` must close one.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            A frame of the kind that came in, one row a customer, in no particular order: customer,
            frequency, recency, T and, when the log has amounts, monetary_value.

        Raises:
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``, an unknown unit, or ``as_of`` in the middle of an opportunity.

        References:
            Fader, Hardie & Lee (2005), "RFM and CLV", *Journal of Marketing Research* 42(4), 415-430.
        """
        return _rfm.rfm(self._log, as_of, unit, opportunities=opportunities, by=by)

    @overload
    def histories(
        self, *, as_of: dt.date | str, unit: Period, opportunities: bool = False, spend: bool = False, by: None = None
    ) -> Histories: ...
    @overload
    def histories(
        self, *, as_of: dt.date | str, unit: Period, opportunities: bool = False, spend: bool = False, by: Any
    ) -> Segments[Histories]: ...
    def histories(
        self, *, as_of: dt.date | str, unit: Period, opportunities: bool = False, spend: bool = False, by: Any = None
    ) -> Histories | Segments[Histories]:
        """The distinct purchase histories, each with the customers who share it: what a purchase model is fitted to.

        The engine collapses the customers, so that of a log of any size only the distinct histories leave it.
        ``frequency`` counts the days with a purchase after the first one, ``recency`` is the time from the first to the
        last of them, and ``T`` the time from the first to ``as_of``: days, divided by the length of the unit. A week
        has 7 days, a year 365.25, a month a twelfth and a quarter a fourth of these.

        Args:
            as_of: Last day that the data cover, inclusive.
            unit: ``"day"``, ``"week"``, ``"month"``, ``"quarter"`` or ``"year"``: the unit of recency and T.
            opportunities: For :class:`~retention_metrics.predictive.BgBb`: the calendar periods after that of the first
                purchase are opportunities, at each of which a customer buys or does not; ``as_of`` must close one.
            spend: Whether to tell histories apart by the mean spend per repeat purchase too, for
                :class:`~retention_metrics.predictive.GammaGamma`. Nearly every repeat buyer then is a row of its own.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            :class:`~retention_metrics.predictive.Histories` in ascending order, for the ``fit`` of any model of
            purchases; rows left out are counted in ``excluded``.

        Raises:
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``, an unknown unit, ``spend`` on a log without amounts, or
                ``as_of`` in the middle of an opportunity.

        Examples:
            >>> import polars as pl
            >>> from datetime import date
            >>> days = [date(2026, 1, 5), date(2026, 2, 2), date(2026, 1, 5), date(2026, 2, 2), date(2026, 1, 12)]
            >>> frame = pl.DataFrame({"who": ["ann", "ann", "bob", "bob", "cyd"], "day": days})
            >>> found = Transactions(frame, customer="who", time="day").histories(as_of="2026-02-23", unit="week")
            >>> found.to_dict()
            {'frequency': [0.0, 1.0], 'recency': [0.0, 4.0], 'T': [6.0, 7.0], 'weights': [1.0, 2.0]}

        References:
            Fader, Hardie & Lee (2005), *Marketing Science* 24(2), 275-284; Fader, Hardie & Shang (2010), *Marketing
            Science* 29(6), 1086-1108, for opportunities.
        """
        return _histories.histories(self._log, as_of, unit, opportunities=opportunities, spend=spend, by=by)

    def predict(
        self,
        model: Any,
        *,
        horizon: float,
        as_of: dt.date | str,
        unit: Period | None = None,
        spend: Any = None,
        discount: float = 0.0,
        margin: float = 1.0,
        level: float | None = None,
        by: Any = None,
    ) -> Any:
        """What a purchase model says of every customer: still there or not, purchases to be expected, value.

        The engine collapses the customers to the distinct histories, the model answers for each of these at once, and
        the engine joins the answers to the customers. On lazy frames the log is gone through once when asked, for the
        distinct histories, and again when the answer is collected.

        Args:
            model: A model of purchases or its :class:`~retention_metrics.predictive.Fit`. For
                :class:`~retention_metrics.predictive.BgBb` time is counted in calendar periods, as by
                ``histories(opportunities=True)``.
            horizon: Length of the time after ``as_of``, >= 0, in the unit of the model; whole with ``spend``.
            as_of: Last day that the data cover, inclusive.
            unit: The unit of time; needed where the model does not say it, and refused where it says another.
            spend: A :class:`~retention_metrics.predictive.GammaGamma` or its fit, for what each customer will bring.
            discount: With ``spend``: discount rate per unit of time, >= 0; purchases are paid at the end of theirs.
            margin: With ``spend``: share of spend kept after variable costs.
            level: Confidence level of limits for the purchases to be expected, which take a fit, and for the value,
                which take fits of both models.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            A frame of the kind that came in, one row a customer, in no particular order: customer, frequency, recency
            and T (in the unit), probability_alive, expected_purchases, with ``level`` purchases_low and purchases_high,
            and with ``spend`` expected_spend (per purchase) and value, with both value_low and value_high too. Money is
            missing where repeat purchases net to nothing or less, and where spend has no mean (q <= 1). For the sum of
            all values with its interval, see :func:`~retention_metrics.predictive.customer_lifetime_value`, which takes
            ``histories``.

        Raises:
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidType: A model is of the wrong kind.
            InvalidValue: The unit is missing or not that of the model, or an argument is out of range.

        Examples:
            >>> import polars as pl
            >>> from datetime import date
            >>> from retention_metrics.predictive import BgNbd
            >>> days = [date(2026, 1, 5), date(2026, 3, 2), date(2026, 1, 12)]
            >>> frame = pl.DataFrame({"who": ["ann", "ann", "bob"], "day": days})
            >>> model = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week")
            >>> orders = Transactions(frame, customer="who", time="day")
            >>> told = orders.predict(model, horizon=52, as_of="2026-03-30").sort("customer")
            >>> told.select("customer", pl.col("probability_alive", "expected_purchases").round(2)).rows()
            [('ann', 0.68, 1.79), ('bob', 1.0, 0.59)]

        References:
            Fader, Hardie & Lee (2005), *Marketing Science* 24(2), 275-284; and "RFM and CLV", *Journal of Marketing
            Research* 42(4), 415-430, for value.
        """
        return _prediction.predict(
            self._log,
            model,
            horizon=horizon,
            as_of=as_of,
            unit=unit,
            spend=spend,
            discount=discount,
            margin=margin,
            level=level,
            by=by,
        )

    def validate(
        self,
        model: Any,
        *,
        split: dt.date | str,
        as_of: dt.date | str,
        unit: Period | None = None,
        spend: Any = None,
    ) -> Validation:
        """How a purchase model does on time that it has not seen: fitted up to a day, held against what came after it.

        Args:
            model: A class such as :class:`~retention_metrics.predictive.BgNbd`, to be fitted to the time up to
                ``split``; or a model or :class:`~retention_metrics.predictive.Fit` made from that time only.
            split: Last day of the calibration; the holdout begins on the day after it.
            as_of: Last day of the holdout, inclusive.
            unit: The unit of time; needed for a class, and where the model does not say it.
            spend: :class:`~retention_metrics.predictive.GammaGamma`, to be fitted likewise, or such a model or its fit:
                then money is compared too, with the average ticket times frequency.

        Returns:
            A :class:`~retention_metrics.predictive.Validation` of the customers won up to ``split``: totals and errors
            beside the naive rate of the past, calibration by past purchases, the frequency table, and the tracking
            curve. Purchases are days with one.

        Raises:
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidType: A model is of the wrong kind.
            InvalidValue: ``split`` is not before ``as_of``, there is no usable row up to ``split``, the unit is missing
                or not that of the model, or the calibration is too thin for a fit.

        References:
            Fader, Hardie & Lee (2005), *Marketing Science* 24(2), 275-284, section 4.
        """
        return _prediction.validate(self._log, model, split=split, as_of=as_of, unit=unit, spend=spend)

    @overload
    def cohorts(
        self,
        *,
        period: Period = "month",
        as_of: dt.date | str,
        anchor: Anchor = "first",
        counting: Counting = "on",
        min_events: int = 1,
        start: dt.date | str | None = None,
        returns: "Transactions | None" = None,
        window: Window | None = None,
        brackets: Sequence[tuple[int, int]] | None = None,
        revenue: bool = False,
        by: None = None,
    ) -> CohortTable: ...
    @overload
    def cohorts(
        self,
        *,
        period: Period = "month",
        as_of: dt.date | str,
        anchor: Anchor = "first",
        counting: Counting = "on",
        min_events: int = 1,
        start: dt.date | str | None = None,
        returns: "Transactions | None" = None,
        window: Window | None = None,
        brackets: Sequence[tuple[int, int]] | None = None,
        revenue: bool = False,
        by: Any,
    ) -> Segments[CohortTable]: ...
    def cohorts(
        self,
        *,
        period: Period = "month",
        as_of: dt.date | str,
        anchor: Anchor = "first",
        counting: Counting = "on",
        min_events: int = 1,
        start: dt.date | str | None = None,
        returns: "Transactions | None" = None,
        window: Window | None = None,
        brackets: Sequence[tuple[int, int]] | None = None,
        revenue: bool = False,
        by: Any = None,
    ) -> CohortTable | Segments[CohortTable]:
        """Customers by the period of their first purchase, followed through the periods after it.

        Ages are periods of the calendar, or with ``window`` the time that has passed since the first purchase of each
        customer: the same purchases, in other cells.

        Args:
            period: ``"day"``, ``"week"``, ``"month"``, ``"quarter"`` or ``"year"``, of the calendar.
            as_of: Last day that the data cover, inclusive. It decides which cells are observed.
            anchor: ``"first"``: a customer is in the cohort of the first purchase only, and a period that won
                nobody has no row. ``"every"``: a customer is in the cohort of every period with a purchase,
                and every period has a row.
            counting: ``"on"``: counted at age k when active in that very period. ``"on_or_after"``: when
                active in that period or later, up to ``as_of``.
            min_events: Orders that a customer needs in a cell to be counted there, >= 1; the size of the
                cohort does not depend on it.
            start: A day in the first period to show; earlier cohorts are left out, and their customers are
                not taken for new ones.
            returns: Another log whose events count as returns, in place of this one's: visits of those who bought,
                say. It must be of the same engine, with ids of the same type; at age 0 a customer then counts only
                with such an event, and events of people who never bought count nowhere.
            window: ``"24h"``, ``"7d"`` or ``"30d"``: ages are windows of that length since the customer's own first
                purchase, on the clock of the business, so that over a clock change one is an hour shorter or longer;
                ``period`` then only makes the cohorts. A cell is observed once its window is over for every member.
            brackets: First and last age of each column, such as ``[(0, 0), (1, 3), (4, 6)]``: counted when active
                anywhere in between. ``None``: every age has a column.
            revenue: Whether to add up the amounts of each cell as well, for ``CohortTable.revenue``; of ``returns``
                where it is given.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            A :class:`~retention_metrics.cohorts.CohortTable`; rows left out of ``returns`` are counted apart.

        Raises:
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``, no cohort from ``start`` on, a table too large, or arguments
                that do not go together.

        References:
            Fader & Hardie (2007), "How to project customer retention", *Journal of Interactive Marketing*
            21(1), 76-90.
        """
        return _cohorting.cohorts(
            self._log,
            period=period,
            as_of=as_of,
            anchor=anchor,
            counting=counting,
            min_events=min_events,
            start=start,
            returns=None if returns is None else returns._log,
            window=window,
            brackets=brackets,
            revenue=revenue,
            by=by,
        )

    def status(self, *, as_of: dt.date | str, lost_after: int, at_risk_after: int | None = None, by: Any = None) -> Any:
        """Who is still a customer, who is at risk and who is lost, by days since the last purchase.

        Args:
            as_of: Last day that the data cover, inclusive.
            lost_after: More days than this without a purchase: ``"lost"``.
            at_risk_after: More days than this, but not lost: ``"at_risk"``; ``None`` does without this class.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            A frame of the kind that came in, one row a customer, in no particular order: customer,
            last_purchase, days_since, status (``"active"``, ``"at_risk"`` or ``"lost"``).

        Raises:
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``, or ``at_risk_after`` not below ``lost_after``.

        References:
            Buckinx & Van den Poel (2005), *European Journal of Operational Research* 164(1), 252-268, for
            defection by inactivity.
        """
        return _status.status(self._log, as_of, lost_after, at_risk_after, by)

    def lost(
        self,
        *,
        as_of: dt.date | str,
        lost_after: int | None = None,
        cycles: float = 3.0,
        dated: Dated = "cut_off",
        by: Any = None,
    ) -> Any:
        r"""Who is lost, by the customer's own rhythm: a weekly customer sooner than a yearly one.

        .. math:: \text{rhythm} = \frac{\text{last} - \text{first} + C}{\text{purchases}}

        is the mean gap between a customer's purchases, taken together with one gap of C, the purchase cycle of
        customers in general: of those with few purchases little is known, so they are taken to be like the others.
        A customer is lost ``cycles`` rhythms after the last purchase, or ``lost_after`` days for all alike.

        Args:
            as_of: Last day that the data cover, inclusive.
            lost_after: More days than this without a purchase: lost, for all alike; ``None``: by the own rhythm.
            cycles: Rhythms without a purchase after which a customer is lost, > 0; fewer than three are warned of.
            dated: The day to date a loss to: ``"cut_off"``, the first day past the limit; ``"last_purchase"``;
                or ``"detection"``, the day of this look, ``as_of``.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            A frame of the kind that came in, one row a lost customer, in no particular order: customer,
            last_purchase, days_since, purchases (days with one), rhythm (days) and lost_on.

        Raises:
            UndefinedMetric: No customer has bought on a second day, so there is no rhythm.
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``, or an argument out of range.

        References:
            Buckinx & Van den Poel (2005), *European Journal of Operational Research* 164(1), 252-268.
        """
        return _lists.lost(self._log, as_of, lost_after, cycles, dated, by)

    def at_risk(
        self,
        *,
        as_of: dt.date | str,
        lost_after: int | None = None,
        cycles: float = 3.0,
        risk_cycles: float = 1.5,
        by: Any = None,
    ) -> Any:
        """Who has been away for longer than usual and is not lost yet, with the day on which each would be.

        Args:
            as_of: Last day that the data cover, inclusive.
            lost_after: As for :meth:`lost`; a customer is then at risk after ``risk_cycles / cycles`` of it.
            cycles: As for :meth:`lost`.
            risk_cycles: Rhythms without a purchase after which a customer is at risk, > 0 and below ``cycles``.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            A frame of the kind that came in, one row a customer at risk, in no particular order, with the columns of
            :meth:`lost`; ``lost_on`` is the day on which the customer would be called lost.

        Raises:
            UndefinedMetric: No customer has bought on a second day, so there is no rhythm.
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``, or an argument out of range.

        References:
            Buckinx & Van den Poel (2005), *European Journal of Operational Research* 164(1), 252-268.
        """
        return _lists.at_risk(self._log, as_of, lost_after, cycles, risk_cycles, by)

    def returned(
        self,
        *,
        as_of: dt.date | str,
        within: int = 30,
        lost_after: int | None = None,
        cycles: float = 3.0,
        by: Any = None,
    ) -> Any:
        """Who had been lost and has bought again within the last days; not new customers, and not forgotten ones.

        The rhythm is that of the other gaps: the absence itself does not count as usual.

        Args:
            as_of: Last day that the data cover, inclusive.
            within: Days up to ``as_of`` in which they came back, >= 1.
            lost_after: As for :meth:`lost`.
            cycles: As for :meth:`lost`.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            A frame of the kind that came in, one row a returned customer, in no particular order: customer,
            returned_on, days_away and purchases (days with one).

        Raises:
            UndefinedMetric: No customer has bought on a second day.
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``, or an argument out of range.

        References:
            Buckinx & Van den Poel (2005), *European Journal of Operational Research* 164(1), 252-268.
        """
        return _lists.returned(self._log, as_of, within, lost_after, cycles, by)

    def falling_off(
        self, *, as_of: dt.date | str, window: int = 30, drop: float = 0.5, level: float = 0.95, by: Any = None
    ) -> Any:
        r"""Who comes far less often than before, by more than chance would do: the list that a manager calls.

        The purchase days of the last ``window`` days are compared with those of the customer's own past. If nothing had
        changed, x of the n = x + y days after the first would fall into the window with the binomial probability of
        its share of the time, :math:`w / (w + t)`:

        .. math:: p = \sum_{k=0}^{x} \binom{n}{k} \left( \frac{w}{w + t} \right)^k
            \left( \frac{t}{w + t} \right)^{n - k}

        the exact comparison of two Poisson rates. Of customers who have not changed, up to 1 - ``level`` are listed.
        Those who had not come for ``window`` days when the window opened are not: see :meth:`lost`.

        Args:
            as_of: Last day that the data cover, inclusive.
            window: Days up to ``as_of`` to look at, 1 to 366.
            drop: Least decline against the own past, above 0 to 1; 0.5 is half as often.
            level: Customers are listed when p is at most 1 - level, from 0 to 1.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            A frame of the kind that came in, one row a customer, in no particular order: customer, last_purchase,
            recent (days with a purchase in the window), usual (as many as the past would lead to expect), drop and
            p_value.

        Raises:
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``, or an argument out of range.

        References:
            Przyborowski & Wilenski (1940), "Homogeneity of results in testing samples from Poisson series",
            *Biometrika* 31(3/4), 313-323.
        """
        return _decline.falling_off(self._log, as_of, window, drop, level, by)

    def arpu_bands(
        self,
        *,
        as_of: dt.date | str,
        period: Period = "month",
        bands: int | None = None,
        edges: Sequence[float] | None = None,
    ) -> Any:
        r"""Customers in bands of what they bring in a period, to be passed on as ``by=``.

        .. math:: \text{ARPU} = \frac{\text{amount}}{\text{periods from that of the first purchase to that of as_of}}

        Both of these periods count, so that who came this month has been here for one.

        Args:
            as_of: Last day that the data cover, inclusive.
            period: ``"day"``, ``"week"``, ``"month"``, ``"quarter"`` or ``"year"``, of the calendar.
            bands: So many bands of equal numbers of customers, >= 2: the limits are amounts of customers, the smallest
                below or at which 1, 2, ... of so many equal shares lie; fewer bands where many bring the same.
            edges: Limits of the bands, in rising order; give either these or ``bands``. A limit belongs to the band
                below it.

        Returns:
            A frame of the kind that came in, one row a customer, in no particular order: customer, arpu and band, such
            as ``"2: over 10 to 25"``.

        Raises:
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: The log has no amounts, or neither or both of ``bands`` and ``edges`` are given.

        Examples:
            >>> import polars as pl
            >>> from datetime import date
            >>> frame = pl.DataFrame({
            ...     "who": ["ann", "bob", "ann"], "day": [date(2026, 1, 5), date(2026, 2, 9), date(2026, 2, 20)],
            ...     "sum": [30.0, 20.0, 10.0],
            ... })
            >>> orders = Transactions(frame, customer="who", time="day", amount="sum")
            >>> bands = orders.arpu_bands(as_of="2026-02-28", edges=[20])
            >>> bands.sort("customer").rows()
            [('ann', 20.0, '1: up to 20'), ('bob', 20.0, '1: up to 20')]
            >>> {name: rate.value for name, rate in orders.repeat_purchase_rate(as_of="2026-02-28", by=bands).items()}
            {'1: up to 20': 0.5}

        References:
            Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5, for average revenue per user.
        """
        return _bands.arpu_bands(self._log, as_of, period, bands, edges)

    def win_back_candidates(
        self, *, as_of: dt.date | str, lost_after: int | None = None, cycles: float = 3.0, by: Any = None
    ) -> Any:
        r"""Lost customers with what they brought, for :func:`retention_metrics.ltv.win_back` to weigh an offer to each.

        .. math:: \text{amount per month} = \frac{\text{amount}}{\text{purchases} \times \text{rhythm}} \times 30.4375

        the money over the days for which the customer came, one gap beyond the last purchase among them. The chance of
        a return without an offer is that of the gaps of others:
        ``purchase_gaps(...).ends_within(horizon, after=days_since)``.

        Args:
            as_of: Last day that the data cover, inclusive.
            lost_after: As for :meth:`lost`.
            cycles: As for :meth:`lost`.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            A frame of the kind that came in, one row a lost customer, in no particular order, with the columns of
            :meth:`lost`, and amount (in all) and amount_per_month, which are revenue as far as the log holds revenue.

        Raises:
            UndefinedMetric: No customer has bought on a second day, so there is no rhythm.
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: The log has no amounts, or no usable row up to ``as_of``, or an argument is out of range.

        References:
            Stauss & Friege (1999), "Regaining service customers", *Journal of Service Research* 1(4), 347-361.
        """
        return _lists.win_back_candidates(self._log, as_of, lost_after, cycles, by)

    @overload
    def status_counts(
        self, *, as_of: dt.date | str, lost_after: int, at_risk_after: int | None = None, by: None = None
    ) -> dict[str, int]: ...
    @overload
    def status_counts(
        self, *, as_of: dt.date | str, lost_after: int, at_risk_after: int | None = None, by: Any
    ) -> Segments[dict[str, int]]: ...
    def status_counts(
        self, *, as_of: dt.date | str, lost_after: int, at_risk_after: int | None = None, by: Any = None
    ) -> dict[str, int] | Segments[dict[str, int]]:
        """How many customers are active, at risk and lost: :meth:`status`, counted by the engine.

        Args:
            as_of: Last day that the data cover, inclusive.
            lost_after: More days than this without a purchase: ``"lost"``.
            at_risk_after: More days than this, but not lost: ``"at_risk"``; ``None`` does without this class.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            Customers by status; they add up to all customers.

        Raises:
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``, or ``at_risk_after`` not below ``lost_after``.

        References:
            Buckinx & Van den Poel (2005), *European Journal of Operational Research* 164(1), 252-268, for
            defection by inactivity.
        """
        return _status.status_counts(self._log, as_of, lost_after, at_risk_after, by)

    @overload
    def repeat_purchase_rate(self, *, as_of: dt.date | str, min_age: int = 0, by: None = None) -> Rate: ...
    @overload
    def repeat_purchase_rate(self, *, as_of: dt.date | str, min_age: int = 0, by: Any) -> Segments[Rate]: ...
    def repeat_purchase_rate(self, *, as_of: dt.date | str, min_age: int = 0, by: Any = None) -> Rate | Segments[Rate]:
        """Share of the customers who bought on at least two days.

        Args:
            as_of: Last day that the data cover, inclusive.
            min_age: Leave out customers whose first purchase is fewer days ago than this, who have hardly
                had time to return.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            A :class:`~retention_metrics.Rate` with counts and Wilson interval.

        Raises:
            UndefinedMetric: No customer is old enough.
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``.

        References:
            Wilson (1927), *Journal of the American Statistical Association* 22, 209-212, for the interval.
        """
        return _flow.repeat_purchase_rate(self._log, as_of, min_age, by)

    @overload
    def purchase_gaps(self, *, as_of: dt.date | str, by: None = None) -> SurvivalCurve: ...
    @overload
    def purchase_gaps(self, *, as_of: dt.date | str, by: Any) -> Segments[SurvivalCurve]: ...
    def purchase_gaps(self, *, as_of: dt.date | str, by: Any = None) -> SurvivalCurve | Segments[SurvivalCurve]:
        """How many days customers take from one purchase to the next, as a survival curve.

        A gap is closed when another purchase followed; the gap since a customer's last purchase is open and counts
        as "longer than so far". A mean of the closed gaps alone would be too short: the long ones are still open.

        Args:
            as_of: Last day that the data cover, inclusive.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            A :class:`~retention_metrics.survival.SurvivalCurve` of days: ``.at(30)`` is the share of purchases that no
            other purchase follows within 30 days, ``.quantile(0.8)`` a cut-off that four in five gaps stay below.

        Raises:
            UndefinedMetric: No customer has bought on a second day.
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``.

        References:
            Kaplan & Meier (1958), *Journal of the American Statistical Association* 53, 457-481.
        """
        return _flow.purchase_gaps(self._log, as_of, by)

    @overload
    def purchase_cycle(self, *, as_of: dt.date | str, by: None = None) -> PurchaseCycle: ...
    @overload
    def purchase_cycle(self, *, as_of: dt.date | str, by: Any) -> Segments[PurchaseCycle]: ...
    def purchase_cycle(self, *, as_of: dt.date | str, by: Any = None) -> PurchaseCycle | Segments[PurchaseCycle]:
        """How many days customers take from one purchase to the next, open gaps counted as open.

        Args:
            as_of: Last day that the data cover, inclusive.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            A :class:`~retention_metrics.churn.PurchaseCycle`.

        Raises:
            UndefinedMetric: No customer has bought on a second day.
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``.

        References:
            Kaplan & Meier (1958), *Journal of the American Statistical Association* 53, 457-481.
        """
        return _flow.purchase_cycle(self._log, as_of, by)

    @overload
    def retention_by_period(
        self,
        *,
        period: Period = "month",
        as_of: dt.date | str,
        lost_after: int,
        dated: Dated = "cut_off",
        by: None = None,
    ) -> CustomerFlow: ...
    @overload
    def retention_by_period(
        self, *, period: Period = "month", as_of: dt.date | str, lost_after: int, dated: Dated = "cut_off", by: Any
    ) -> Segments[CustomerFlow]: ...
    def retention_by_period(
        self,
        *,
        period: Period = "month",
        as_of: dt.date | str,
        lost_after: int,
        dated: Dated = "cut_off",
        by: Any = None,
    ) -> CustomerFlow | Segments[CustomerFlow]:
        """The customer base from period to period: who was there, came, returned, was lost.

        Args:
            period: ``"day"``, ``"week"``, ``"month"``, ``"quarter"`` or ``"year"``, of the calendar.
            as_of: Last day that the data cover, inclusive.
            lost_after: More days than this without a purchase: the customer is lost. Fewer than three purchase cycles
                are warned of.
            dated: The day to book a loss to: ``"cut_off"``, the first day past the limit; ``"last_purchase"``, so that
                the last ``lost_after`` days are provisional; or ``"detection"``, the close of the period, so that who
                comes back before it was never lost.
            by: What makes segments: a column of the log, or a frame of customers and segments; ``None``: all as one.

        Returns:
            A :class:`~retention_metrics.churn.CustomerFlow`, from the period of the first purchase in the log to
            the period of ``as_of``.

        Raises:
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``.

        References:
            Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5.
        """
        return _flow.retention_by_period(self._log, period, as_of, lost_after, dated, by)
