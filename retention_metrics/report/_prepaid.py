"""What the book of prepaid packages says: collected, earned, owed, and whose money is in the till."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from retention_metrics.logs import PrepaidEvents
from retention_metrics.plots import roll_forward
from retention_metrics.prepaid import Issue, Ledger, PackagePlan
from retention_metrics.report._answer import answered
from retention_metrics.report._page import Column, Figure, Item, Picture, Section, Sentence, Table, words

_SILENT = 90
_AHEAD = 30
_ROWS = 10
_YEAR = 12


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """The ledger with what is needed to read it.

    Attributes:
        ledger: The ledger of the events that can be booked.
        issues: The events that cannot.
        exponent: Decimal places of the currency.
        cash: Cash in hand in minor units, or ``None``.
    """

    ledger: Ledger
    issues: tuple[Issue, ...]
    exponent: int
    cash: int | None

    def money(self, minor: float) -> float:
        """An amount of minor units in units."""
        return float(minor / 10**self.exponent)


def open_book(
    events: PrepaidEvents, plans: Iterable[PackagePlan], as_of: dt.date, exponent: int, cash: int | None
) -> Book:
    """The ledger of the events; those that cannot be booked stay out of it."""
    ledger, issues = events.ledger(plans, as_of=as_of, on_error="collect")
    return Book(ledger, issues, exponent, cash)


def prepaid_sections(book: Book) -> Iterator[Section]:
    """The questions that the book answers."""
    yield answered("till", lambda: _owed(book), lambda: _months(book))
    yield answered("dormant", lambda: _dormant(book), lambda: _expiring(book))
    yield answered("audit", lambda: _audit(book))


def _owed(book: Book) -> Iterator[Item]:
    ledger, money = book.ledger, book.money
    owed = ledger.liability()
    wrong = words("till.issues", count=len(book.issues)) if book.issues else None
    if book.cash is not None:
        cash, free = money(book.cash), money(ledger.free_cash(cash=book.cash))
        key = "till.yours" if free >= 0 else "till.spent"
        said = words(key, cash=cash, owed=money(owed), free=abs(free))
        yield Sentence(said, warns=free < 0, headline=True)
        yield Figure("cash", cash, "money")
        yield Figure("free_cash", free, "money", headline=True)
    yield Figure("owed", money(owed), "money", warning=wrong, headline=True)
    rolled = ledger.roll_forward()
    for name in ("collections", "earned", "refunds_paid", "breakage"):
        total = int(getattr(rolled, name).sum())
        if total or name in {"collections", "earned"}:
            yield Figure(f"prepaid_{name}", money(total), "money")
    yield Figure("cost_to_serve", money(ledger.cost_to_serve()), "money")
    yield Figure("refundable", money(ledger.refundable_now()), "money")
    collected, earned = (int(getattr(rolled, name)[-_YEAR:].sum()) for name in ("collections", "earned"))
    if collected:
        key = "till.less" if earned < collected else "till.more"
        yield Sentence(words(key, share=earned / collected, months=min(len(rolled.starts), _YEAR)))


def _months(book: Book) -> Iterator[Item]:
    rolled = book.ledger.roll_forward()
    if len(rolled.starts) > 1:
        yield Picture("till", lambda: roll_forward(rolled, exponent=book.exponent))
    amounts = ("collections", "earned", "breakage", "refunds_paid", "liability")
    ratio = rolled.earned_ratio
    rows = tuple(
        (f"{month:%Y-%m}", *(book.money(int(getattr(rolled, name)[i])) for name in amounts), float(ratio[i]))
        for i, month in enumerate(rolled.starts)
    )
    header = (Column("month", "text"), *(Column(name, "money") for name in amounts), Column("ratio", "ratio"))
    yield Table("till", header, rows)
    yield Sentence(words("till.explained"))


def _dormant(book: Book) -> Iterator[Item]:
    found, money = book.ledger.dormant(_SILENT), book.money
    owed, cost = int(found.unearned.sum()), int(found.cost_to_serve.sum())
    told = words("silent.meaning", days=_SILENT)
    yield Figure("silent", len(found.customer), "count", told, headline=True)
    if not len(found.customer):
        return
    yield Figure("silent_owed", money(owed), "money")
    yield Figure("silent_cost", money(cost), "money")
    yield Sentence(words("dormant.call"))
    rows = tuple(
        (
            found.customer[i],
            int(found.sessions_left[i]),
            money(int(found.unearned[i])),
            money(int(found.cost_to_serve[i])),
            int(found.days_since[i]),
        )
        for i in range(min(len(found.customer), _ROWS))
    )
    header = (
        Column("customer", "name"),
        Column("left", "count"),
        Column("owed", "money"),
        Column("cost", "money"),
        Column("days", "count"),
    )
    yield Table("dormant", header, rows)
    if len(found.customer) > _ROWS:
        yield Sentence(words("table.more", count=len(found.customer) - _ROWS))


def _expiring(book: Book) -> Iterator[Item]:
    found = book.ledger.expiring(_AHEAD)
    told = words("expiring.meaning", days=_AHEAD, owed=book.money(int(np.sum(found.unearned))))
    yield Figure("expiring", len(found.package), "count", told)


def _audit(book: Book) -> Iterator[Item]:
    audit = book.ledger.audit()
    broken = sum(check.broken for check in audit.checks)
    yield Figure("audit_checks", sum(check.checked for check in audit.checks), "count")
    yield Sentence(
        words("audit.passed") if audit.passed else words("audit.broken", count=broken), warns=not audit.passed
    )
    if book.issues:
        yield Sentence(words("audit.issues", count=len(book.issues)), warns=True)
        rows = tuple(
            (issue.row + 1, "" if issue.id is None else issue.id, issue.reason) for issue in book.issues[:_ROWS]
        )
        yield Table("issues", (Column("row", "count"), Column("event", "name"), Column("reason", "name")), rows)
        if len(book.issues) > _ROWS:
            yield Sentence(words("table.more", count=len(book.issues) - _ROWS))
