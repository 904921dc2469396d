"""The report: every question put to whatever logs there are."""

import datetime as dt
import warnings
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

from retention_metrics._checks import day, finite, fraction, single, whole
from retention_metrics.churn._flow import ShortWindowWarning
from retention_metrics.errors import InvalidValue, RowsExcludedWarning
from retention_metrics.logs import PrepaidEvents, Responses, Subscriptions, Transactions
from retention_metrics.prepaid import PackagePlan
from retention_metrics.report._ads import ads_section, has_column
from retention_metrics.report._coming import coming_section
from retention_metrics.report._gap import gap_section
from retention_metrics.report._html import page_html
from retention_metrics.report._json import section_dict
from retention_metrics.report._language import Language, visible
from retention_metrics.report._orders import OrderAnswers, ask_orders, order_missing, order_sections
from retention_metrics.report._page import Section, words
from retention_metrics.report._prepaid import open_book, prepaid_sections
from retention_metrics.report._progress import Progress
from retention_metrics.report._state import missing_section, state_section
from retention_metrics.report._subscriptions import subscription_missing, subscription_sections
from retention_metrics.report._survey import survey_missing, survey_sections
from retention_metrics.report._text import section_text


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """The state of a customer base on a day.

    Attributes:
        title: What the report is of.
        as_of: Last day that the data cover.
        sections: The state of the base, a section for each question that the data answer, and what is missing.
        language: ``"en"`` or ``"ru"``.
        orders: What the orders say, or ``None`` without orders.
    """

    title: str
    as_of: dt.date
    sections: tuple[Section, ...]
    language: str
    orders: OrderAnswers | None

    def __repr__(self) -> str:
        return f"Report({self.heading!r}, sections={[each.name for each in self.sections]})"

    @property
    def heading(self) -> str:
        """The title with the day."""
        return Language(self.language).say(words("as_of", title=self.title, day=self.as_of))

    def to_dict(self) -> dict[str, Any]:
        """The same figures, tables and sentences as plain values, numbers beside their text."""
        language = Language(self.language)
        return {
            "title": visible(self.title),
            "as_of": self.as_of.isoformat(),
            "language": self.language,
            "sections": [section_dict(each, language) for each in self.sections],
        }

    def to_text(self) -> str:
        """The report for a terminal; long tables show their last rows and say so."""
        language = Language(self.language)
        return "\n\n".join([self.heading, *(section_text(each, language) for each in self.sections)])

    def to_html(self) -> str:
        """The report as one self-contained page; its pictures take matplotlib, and are left out without it."""
        return page_html(self.heading, self.sections, Language(self.language))


def build(
    orders: Transactions | None = None,
    *,
    as_of: dt.date | str,
    subscriptions: Subscriptions | None = None,
    survey: Responses | None = None,
    prepaid: PrepaidEvents | None = None,
    plans: Iterable[PackagePlan] = (),
    ads: Any = None,
    title: str | None = None,
    language: Literal["en", "ru"] = "en",
    lost_after: int | None = None,
    at_risk_after: int | None = None,
    margin_share: float | None = None,
    source: str = "source",
    lag_days: int = 0,
    cash: float | None = None,
    fixed_costs: float | None = None,
    exponent: int = 2,
    progress: Progress = lambda _: nullcontext(),
) -> Report:
    """Compute the report of any subset of: orders, subscriptions, survey, prepaid packages, advertising.

    Each log answers its questions; what is left open is listed at the end of the report with what would answer it. A
    question without an answer says why, and leaves the others alone.

    Without ``lost_after`` a customer is lost after three purchase cycles without a purchase, and at risk after
    two; the cycle is found in the log itself.

    Args:
        orders: The log of purchases.
        as_of: Last day that the data cover, inclusive.
        subscriptions: The log of subscriptions; amounts are money per month.
        survey: The log of survey responses.
        prepaid: The log of prepaid packages; it takes ``plans``.
        plans: The plans that the prepaid events name.
        ads: Advertising spend: a dict of columns or a dataframe with ``month`` (days or ``"2026-10"``), ``channel`` and
            ``spend``. It takes orders with a column of sources.
        title: What the report is of.
        language: ``"en"`` or ``"ru"``.
        lost_after: More days than this without a purchase: lost.
        at_risk_after: More days than this without a purchase: at risk. By default two thirds of
            ``lost_after``.
        margin_share: Share of the revenue left after variable costs, above 0 and up to 1; without it the
            lifetime value is one of revenue, and says so.
        source: Column of the orders that says where each came from, for ``ads``.
        lag_days: Days from the spend to the first order, because a decision takes its time.
        cash: Cash in hand, in units of the currency, to be set against what is owed to customers.
        fixed_costs: Fixed costs of a month, in units of the currency, for the forecast of the cash.
        exponent: Decimal places of the currency of the prepaid book, as in :func:`retention_metrics.prepaid.to_minor`.
        progress: Called with what is being computed, in the language of the report; returns a context manager for the
            time it takes.

    Returns:
        A :class:`Report`.

    Raises:
        InvalidRows: Rows that cannot be used, counted by reason.
        InvalidValue: Nothing to report on, no usable order up to ``as_of``, or an argument out of range.

    Examples:
        >>> import polars as pl
        >>> from datetime import date
        >>> from retention_metrics.logs import Transactions
        >>> frame = pl.DataFrame({
        ...     "who": ["ann", "ann", "ann", "bob"],
        ...     "day": [date(2026, 1, 5), date(2026, 1, 25), date(2026, 2, 14), date(2026, 2, 1)],
        ... })
        >>> report = build(Transactions(frame, customer="who", time="day"), as_of="2026-02-28")
        >>> report.orders.lost_after, dict(report.orders.status)
        (60, {'active': 2, 'at_risk': 0, 'lost': 0})
    """
    until, said = day(as_of=as_of), Language(language)
    share = None if margin_share is None else fraction(open_low=True, margin_share=margin_share)
    if share is not None and not isinstance(share, float):
        raise InvalidValue("margin_share must be one number")
    lag = whole(0, lag_days=lag_days)
    sold = tuple(plans)
    if all(log is None for log in (orders, subscriptions, survey, prepaid)):
        raise InvalidValue("there is nothing to report on: give orders, subscriptions, survey or prepaid")
    if prepaid is not None and not sold:
        raise InvalidValue("prepaid takes the plans that its events name: give plans")
    in_hand, costs = (
        _minor(exponent, **{name: value}) for name, value in (("cash", cash), ("fixed_costs", fixed_costs))
    )

    def doing(key: str) -> AbstractContextManager[object]:
        return progress(said.text(key))

    missing: list[tuple[str, str]] = []
    sections: list[Section] = []
    found = None
    with warnings.catch_warnings():
        # The report says itself what was left out, and what is risky.
        for kind in (RowsExcludedWarning, ShortWindowWarning):
            warnings.simplefilter("ignore", kind)
        if orders is None:
            missing.append(("orders", "orders"))
        else:
            with ExitStack() as stack:
                with doing("doing.days"):
                    prepared = stack.enter_context(orders.prepared(as_of=until))
                found = ask_orders(
                    prepared,
                    as_of=until,
                    lost_after=lost_after,
                    at_risk_after=at_risk_after,
                    margin_share=share,
                    progress=doing,
                )
                coming = coming_section(prepared, found, as_of=until, progress=doing)
            sections += order_sections(found, subscriptions=subscriptions is not None, packages=prepaid is not None)
            sections.append(coming)
            missing += order_missing(found)
        if ads is None:
            missing.append(("ads", "ads"))
        elif orders is None or found is None or not has_column(orders, source):
            missing.append(("ads", "orders.ads"))
        else:
            sections.append(ads_section(orders, found, ads, as_of=until, source=source, lag_days=lag, progress=doing))
        if subscriptions is None:
            missing.append(("subscriptions", "subscriptions"))
        else:
            with doing("doing.subscriptions"):
                sections += subscription_sections(subscriptions, until)
            missing += subscription_missing(subscriptions)
        if survey is None:
            missing.append(("survey", "survey"))
        else:
            with doing("doing.survey"):
                sections += survey_sections(survey, until)
            missing += survey_missing(survey)
        if prepaid is None:
            missing.append(("prepaid", "prepaid"))
        else:
            with doing("doing.prepaid"):
                book = open_book(prepaid, sold, until, exponent, in_hand)
                sections += prepaid_sections(book)
            if in_hand is None:
                missing.append(("cash", "cash"))
            if in_hand is None or costs is None:
                missing.append(("gap", "costs"))
            else:
                sections.append(gap_section(book, costs, doing))
    return Report(
        title=said.text("title") if title is None else title,
        as_of=until,
        sections=(state_section(sections), *sections, missing_section(missing)),
        language=language,
        orders=found,
    )


def _minor(exponent: int, **amount: float | None) -> int | None:
    """An amount of units in minor units, rounded."""
    ((name, value),) = amount.items()
    if value is None:
        return None
    units: float = single(finite(**{name: value}), name)
    return round(units * float(10 ** whole(0, exponent=exponent)))
