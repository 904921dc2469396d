"""The one-page report of a log of purchases: figures with their definitions, as text and as HTML.

A report is a list of sections, and a section is figures, sentences and a table; text and HTML are two ways to
write the same sections down.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from html import escape
from textwrap import fill
from typing import Any

import numpy as np

from retention_metrics._checks import fraction, whole
from retention_metrics._stats import Rate
from retention_metrics.churn import CustomerFlow, PurchaseCycle, expected_lifetime
from retention_metrics.cohorts import CohortTable
from retention_metrics.cohorts._table import cell_text
from retention_metrics.errors import InvalidValue, UndefinedMetric, by_reason
from retention_metrics.logs import LogSummary, Transactions
from retention_metrics.ltv import lifetime_value

__all__ = ["Report", "build"]

Progress = Callable[[str], AbstractContextManager[object]]

_YEAR = 12
_TEXT_ROWS = 13
_TEXT_WIDTH = 110


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, said in words, with what it means."""

    label: str
    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a header; ``shades`` are fractions that colour the cells of the HTML."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    shades: tuple[tuple[float | None, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """One question about the customers, and its answer."""

    title: str
    figures: tuple[Figure, ...] = ()
    sentences: tuple[str, ...] = ()
    table: Table | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """The state of a customer base on a day.

    Attributes:
        title: What the report is of.
        summary: What the log holds.
        repeat: Repeat purchase rate of all customers.
        repeat_mature: The same of customers whose first purchase is at least ``lost_after`` days ago, or
            ``None``.
        cycle: Purchase cycle, or ``None`` when nobody has bought twice.
        lost_after: Days without a purchase after which a customer is lost, or ``None``.
        at_risk_after: Days without a purchase after which a customer is at risk, or ``None``.
        status: Customers who are active, at risk and lost; empty when no rule is known.
        flow: The base month by month, or ``None`` when no rule is known.
        cohorts: Customers by month of first purchase.
        margin_share: Share of the revenue that is left after variable costs, or ``None``.
    """

    title: str
    summary: LogSummary
    repeat: Rate
    repeat_mature: Rate | None
    cycle: PurchaseCycle | None
    lost_after: int | None
    at_risk_after: int | None
    status: Mapping[str, int]
    flow: CustomerFlow | None
    cohorts: CohortTable
    margin_share: float | None = None

    @property
    def sections(self) -> tuple[Section, ...]:
        """The questions and their answers, in order."""
        return (
            _base(self),
            _return(self),
            _status(self),
            _months(self),
            _cohorts(self),
            _worth(self),
        )

    def to_dict(self) -> dict[str, Any]:
        """The numbers of the report as plain values."""
        return {
            "title": self.title,
            "summary": self.summary.model_dump(mode="json"),
            "repeat": self.repeat.model_dump(),
            "repeat_mature": self.repeat_mature and self.repeat_mature.model_dump(),
            "cycle": self.cycle and self.cycle.model_dump(),
            "lost_after": self.lost_after,
            "at_risk_after": self.at_risk_after,
            "status": dict(self.status),
            "flow": self.flow and self.flow.to_dict(),
            "cohorts": self.cohorts.to_dict(),
            "margin_share": self.margin_share,
        }

    def to_text(self) -> str:
        """The report for a terminal; long tables show their last rows and say so."""
        return "\n\n".join([f"{self.title}, as of {self.summary.as_of}", *map(_section_text, self.sections)])

    def to_html(self) -> str:
        """The report as one self-contained page."""
        body = "\n".join(map(_section_html, self.sections))
        title = escape(f"{self.title}, as of {self.summary.as_of}")
        return _PAGE.replace("%TITLE%", title).replace("%BODY%", body)


def build(
    orders: Transactions,
    *,
    as_of: dt.date | str,
    title: str = "Customers",
    lost_after: int | None = None,
    at_risk_after: int | None = None,
    margin_share: float | None = None,
    progress: Progress = lambda _: nullcontext(),
) -> Report:
    """Compute the report of a log of purchases.

    Without ``lost_after`` a customer is lost after three purchase cycles without a purchase, and at risk after
    two; the cycle is found in the log itself.

    Args:
        orders: The log.
        as_of: Last day that the data cover, inclusive.
        title: What the report is of.
        lost_after: More days than this without a purchase: lost.
        at_risk_after: More days than this without a purchase: at risk. By default two thirds of
            ``lost_after``.
        margin_share: Share of the revenue left after variable costs, above 0 and up to 1; without it the
            lifetime value is one of revenue, and says so.
        progress: Called with what is being computed; returns a context manager for the time it takes.

    Returns:
        A :class:`Report`.

    Raises:
        InvalidRows: Rows that cannot be used, counted by reason.
        InvalidValue: No usable row up to ``as_of``, or an argument out of range.

    Examples:
        >>> import polars as pl
        >>> from datetime import date
        >>> from retention_metrics.logs import Transactions
        >>> frame = pl.DataFrame({
        ...     "who": ["ann", "ann", "ann", "bob"],
        ...     "day": [date(2026, 1, 5), date(2026, 1, 25), date(2026, 2, 14), date(2026, 2, 1)],
        ... })
        >>> report = build(Transactions(frame, customer="who", time="day"), as_of="2026-02-28")
        >>> report.lost_after, dict(report.status)
        (60, {'active': 2, 'at_risk': 0, 'lost': 0})
    """
    share = None if margin_share is None else fraction(open_low=True, margin_share=margin_share)
    if share is not None and not isinstance(share, float):
        raise InvalidValue("margin_share must be one number")
    if lost_after is not None:
        whole(0, lost_after=lost_after)
    with progress("reading the log"):
        summary = orders.summary(as_of=as_of)
    with progress("measuring the purchase cycle"):
        try:
            cycle = orders.purchase_cycle(as_of=as_of)
        except UndefinedMetric:
            cycle = None
    if lost_after is None and cycle is not None:
        lost_after = round(3 * cycle.days)
    if at_risk_after is None and lost_after is not None and lost_after > 0:
        at_risk_after = lost_after * 2 // 3
    with progress("counting repeat buyers"):
        repeat = orders.repeat_purchase_rate(as_of=as_of)
        try:
            repeat_mature = orders.repeat_purchase_rate(as_of=as_of, min_age=lost_after) if lost_after else None
        except UndefinedMetric:
            repeat_mature = None
    status: dict[str, int] = {}
    flow = None
    if lost_after is not None:
        with progress("finding who was lost"):
            status = orders.status_counts(as_of=as_of, lost_after=lost_after, at_risk_after=at_risk_after)
        with progress("following the base month by month"):
            flow = orders.retention_by_period(period="month", as_of=as_of, lost_after=lost_after)
    with progress("laying out the cohorts"):
        cohorts = orders.cohorts(period="month", as_of=as_of)
    return Report(
        title=title,
        summary=summary,
        repeat=repeat,
        repeat_mature=repeat_mature,
        cycle=cycle,
        lost_after=lost_after,
        at_risk_after=at_risk_after,
        status=status,
        flow=flow,
        cohorts=cohorts,
        margin_share=share,
    )


def _base(report: Report) -> Section:
    found = report.summary
    figures = [
        Figure("Customers", f"{found.customers:,}", "who bought at least once"),
        Figure("Orders", f"{found.orders:,}", f"from {found.first_day} to {found.last_day}"),
    ]
    if found.revenue is not None:
        figures.append(Figure("Revenue", _money(found.revenue), "sum of the amounts, refunds netted"))
        mean = _money(found.revenue / found.orders)
        figures.append(Figure("Mean order", mean, "revenue / orders"))
    sentences = []
    if found.excluded:
        sentences.append(f"Left out of everything below: {by_reason(found.excluded)} (rows of the log).")
    return Section("The customer base", tuple(figures), tuple(sentences))


def _return(report: Report) -> Section:
    figures = [_rate_figure("Repeat purchase rate", report.repeat)]
    if report.repeat_mature is not None:
        figures.append(_rate_figure("The same, of those with time to return", report.repeat_mature))
    if report.cycle is None:
        sentence = "Nobody has bought on a second day, so there is no purchase cycle."
        return Section("Do customers come back?", tuple(figures), (sentence,))
    cycle = report.cycle
    if cycle.median is None:
        text = "days from one purchase to the next; median of the gaps that have closed, which is on the short side"
    else:
        text = "days from one purchase to the next; median, purchases not yet followed by another counted as open"
    figures.append(Figure("Purchase cycle", f"{cycle.days:g} days", text))
    return Section("Do customers come back?", tuple(figures))


def _status(report: Report) -> Section:
    title = "Who is still a customer?"
    if report.lost_after is None:
        return Section(title, sentences=("Without a purchase cycle there is no rule for this: give lost_after.",))
    everybody = sum(report.status.values())
    meanings = {
        "active": "a purchase recently enough",
        "at_risk": f"no purchase for more than {report.at_risk_after} days",
        "lost": f"no purchase for more than {report.lost_after} days",
    }
    figures = tuple(
        Figure(name.replace("_", " ").capitalize(), f"{count:,} ({_percent(count / everybody)})", meanings[name])
        for name, count in report.status.items()
    )
    return Section(title, figures)


def _months(report: Report) -> Section:
    title = "Month by month"
    flow = report.flow
    if flow is None:
        return Section(title, sentences=("Without a rule for who is lost there is nothing to count.",))
    header = ("month", "start", "new", "back", "lost", "end", "buyers", "returning", "retention")
    retention = flow.retention()
    plain = flow.to_dict()
    shown = ("period", "start", "new", "returned", "lost", "end", "buyers", "returning")
    columns = zip(*(plain[name] for name in shown), strict=True)
    rows = tuple(
        (
            name if whole_month else f"{name}*",
            *(f"{count:,}" for count in counts),
            _percent(kept) if opened else "",
        )
        for (name, *counts), whole_month, kept, opened in zip(
            columns, flow.complete, retention, flow.start, strict=True
        )
    )
    sentences = [
        "start + new + back - lost = end. Back: lost customers who bought again. Returning: buyers who first bought "
        "in an earlier month. Retention: share of the customers present at the start who were there at the end.",
        f"A customer is lost on day {flow.lost_after + 1} after the last purchase, so the first months of a log "
        "cannot lose anybody yet.",
    ]
    if not flow.complete[-1]:
        sentences.append("* counts so far: the month is not over.")
    return Section(title, sentences=tuple(sentences), table=Table(header, rows))


def _cohorts(report: Report) -> Section:
    table = report.cohorts
    rates, pooled = table.rates(), table.average()
    ages = range(rates.shape[1])
    rows = [
        (name, f"{table.sizes[i]:,}", *(cell_text(rates[i, k], table.states[i, k]) for k in ages))
        for i, name in enumerate(table.labels)
    ]
    rows.append(("pooled", f"{table.sizes.sum():,}", *(cell_text(rate, "observed") for rate in pooled)))
    shades = [[None, None, *(None if np.isnan(rate) else float(rate) for rate in row)] for row in [*rates, pooled]]
    sentences = (
        "Percent of the customers first won in a month who bought in that month (age 0) and in the months after it. "
        "0.0 is an observed zero; an empty cell lies in the future; * is a month that is not over.",
        "Pooled: all customers of the cohorts old enough, partial months left out.",
    )
    header = ("cohort", "size", *map(str, ages))
    return Section("Cohorts", sentences=sentences, table=Table(header, tuple(rows), tuple(map(tuple, shades))))


def _worth(report: Report) -> Section:
    title = "What is a customer worth?"
    found = report.summary
    if found.revenue is None:
        return Section(title, sentences=("The log has no amounts: name the column of the money paid.",))
    figures = [
        Figure("So far", _money(found.revenue / found.customers), "revenue per customer up to now"),
    ]
    try:
        figures += _lifetime(report)
    except UndefinedMetric as undefined:
        return Section(title, tuple(figures), (f"No lifetime value: {undefined.reason}.",))
    share = report.margin_share
    base = (
        "This is revenue, not profit: give the share that is left after variable costs (margin_share) before "
        "comparing it with the cost of winning a customer."
        if share is None
        else f"Margin is {_percent(share)} of revenue."
    )
    caution = (
        "It supposes that every month loses the same share of every kind of customer; customers differ, so take it "
        "as a first figure. The interval covers the uncertainty of churn alone."
    )
    return Section(title, tuple(figures), (base, caution))


def _lifetime(report: Report) -> list[Figure]:
    flow = report.flow
    if flow is None or flow.revenue is None:
        raise UndefinedMetric("lifetime_value", "there is no rule for who is lost")
    churn = flow.pooled_churn(last=_YEAR)
    year = np.flatnonzero(flow.complete)[-_YEAR:]
    present = float((flow.start[year] + flow.end[year]).sum()) / 2
    monthly = float(flow.revenue[year].sum()) / present
    margin = monthly * (1.0 if report.margin_share is None else report.margin_share)
    value = lifetime_value(margin=margin, churn=churn.value)
    span = churn.interval()
    low, high = sorted(lifetime_value(margin=margin, churn=limit) for limit in (span.high, span.low))
    of = f"last {year.size} complete months"
    return [
        Figure("Revenue a month", _money(monthly), f"per customer present, {of}"),
        _rate_figure("Churn a month", churn),
        Figure(
            "Lifetime",
            f"{expected_lifetime(churn.value):.1f} months",
            "1 / churn; the first month is certain",
        ),
        Figure(
            "Lifetime value",
            f"{_money(value)} ({_money(low)} to {_money(high)})",
            "revenue a month / churn" if report.margin_share is None else "margin a month / churn",
        ),
    ]


def _rate_figure(label: str, rate: Rate) -> Figure:
    span = rate.interval()
    value = f"{_percent(rate.value)} ({_percent(span.low)} to {_percent(span.high)})"
    return Figure(label, value, f"{rate.definition}: {rate.numerator:,} of {rate.denominator:,}")


def _percent(share: float) -> str:
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def _money(amount: float) -> str:
    return f"{amount:,.2f}" if abs(amount) < 1000 else f"{amount:,.0f}"


def _section_text(section: Section) -> str:
    lines = [section.title, "-" * len(section.title)]
    if section.figures:
        label = max(len(figure.label) for figure in section.figures)
        value = max(len(figure.value) for figure in section.figures)
        indent = " " * (label + value + 4)
        for figure in section.figures:
            head = f"{figure.label:<{label}}  {figure.value:>{value}}  "
            lines.append(fill(figure.meaning, _TEXT_WIDTH, initial_indent=head, subsequent_indent=indent))
    if section.table is not None:
        lines += _table_text(section.table)
    lines += [fill(sentence, _TEXT_WIDTH) for sentence in section.sentences]
    return "\n".join(lines)


def _table_text(table: Table) -> list[str]:
    """The last rows and the first columns of a table, so that it fits a terminal."""
    columns = slice(0, _TEXT_ROWS + 2)
    rows = [row[columns] for row in table.rows[-_TEXT_ROWS:]]
    header = table.header[columns]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in [header, *rows]
    ]
    hidden = len(table.rows) - len(rows)
    cut = len(table.header) - len(header)
    parts = [f"{hidden} earlier rows"] * (hidden > 0) + [f"{cut} more columns"] * (cut > 0)
    return [*lines, f"(not shown: {' and '.join(parts)})"] if parts else lines


def _section_html(section: Section) -> str:
    parts = [f"<section><h2>{escape(section.title)}</h2>"]
    if section.figures:
        parts.append("<dl>")
        parts += [
            f"<div><dt>{escape(f.label)}</dt><dd>{escape(f.value)}</dd><dd class=meaning>{escape(f.meaning)}</dd></div>"
            for f in section.figures
        ]
        parts.append("</dl>")
    if section.table is not None:
        parts.append(_table_html(section.table, section.title))
    parts += [f"<p>{escape(sentence)}</p>" for sentence in section.sentences]
    return "\n".join([*parts, "</section>"])


def _table_html(table: Table, title: str) -> str:
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in table.header)
    lines = [
        f"<div class=wide tabindex=0 role=region aria-label='{escape(title)}'><table>",
        f"<thead><tr>{head}</tr></thead><tbody>",
    ]
    shades = table.shades or tuple((None,) * len(row) for row in table.rows)
    for row, tones in zip(table.rows, shades, strict=True):
        cells = "".join(
            f"<td{_shade(tone, cell)}>{escape(cell)}</td>" for cell, tone in zip(row[1:], tones[1:], strict=True)
        )
        lines.append(f"<tr><th scope=row>{escape(row[0])}</th>{cells}</tr>")
    return "\n".join([*lines, "</tbody></table></div>"])


def _shade(tone: float | None, cell: str) -> str:
    if tone is None:
        return ""
    partial = " class=partial" if cell.endswith("*") else ""
    return f"{partial} style='--tone:{tone:.2f}'"


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%TITLE%</title>
<style>
:root { color-scheme: light dark; --ink: light-dark(#1c2430, #e6e9ee); --paper: light-dark(#ffffff, #14181f);
  --soft: light-dark(#5a6472, #a2acba); --line: light-dark(#dfe3e8, #313945); --tint: 37 99 175; }
body { margin: 0 auto; max-width: 80rem; padding: 1rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 1rem 0; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid var(--line); padding-bottom: .3rem; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem 1.5rem; margin: 0; }
dt { color: var(--soft); font-size: .9rem; }
dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
dd.meaning { color: var(--soft); font-size: .85rem; line-height: 1.35; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .55rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th:first-child { text-align: left; position: sticky; left: 0; background: var(--paper); }
td[style] { background: rgb(var(--tint) / calc(var(--tone) * .55)); }
td.partial { background: none; color: var(--soft); font-style: italic; }
p { max-width: 44rem; color: var(--soft); font-size: .9rem; margin: .5rem 0; }
@media print { body { max-width: none; font-size: 11px; } section { break-inside: avoid; }
  .wide { overflow: visible; } }
</style>
</head>
<body>
<h1>%TITLE%</h1>
%BODY%
</body>
</html>
"""
