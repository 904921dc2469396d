"""The packages of a book, with the terms that they were sold on."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from retention_metrics._typing import BoolArray, IntArray
from retention_metrics.prepaid._columns import (
    MISSING,
    OPENING,
    PURCHASE,
    AnyArray,
    Columns,
    Problems,
    picked,
    prices_of,
    shown,
    sorted_by,
)
from retention_metrics.prepaid._money import part_of
from retention_metrics.prepaid._plan import PackagePlan

NEVER = 2**32
"""A day that does not come."""

REFUNDS = ("none", "pro_rata", "rerate")
NO_REFUND, PRO_RATA, RERATE = range(3)
EXPIRIES = ("never", "forfeit", "refund")
PAY_BACK = 2
METHODS = ("on_expiry", "remote", "proportional")
ON_EXPIRY, DORMANT, IN_PROPORTION = range(3)
UNLIMITED = 2**40
_EPOCH = np.datetime64("1970-01-01").astype(np.int64) + 719_163


@dataclass(frozen=True, slots=True, eq=False)
class Packages:
    """Packages in the order of their ids, one a place in each array; terms copied from the plan at the sale.

    Attributes:
        code: Place of the package among the labels of the columns.
        sale: Place of the sale among the events.
        plan: Place of its plan.
        customer: First owner.
        segment: Segment, -1 for none.
        day: Day of the sale.
        posted: Day on which the sale counts.
        price: Price, or the unearned value that was taken over.
        sessions: Sessions it holds; 0 for a term.
        share: Whole units that every session earns, 0 for a term; ``rest`` is what they leave of the price.
        cash: Paid at the sale.
        taken_over: Whether it comes from an older book.
        span_days: Days of validity or term, 0 for none.
        span_months: Months of validity or term, 0 for none.
        expires: Last usable day when it was agreed, or :data:`MISSING`.
        waits: Whether validity or term counts from a first visit that has yet to come.
        term: Whether it runs for a term instead of holding sessions.
        cost: What a session costs to deliver.
        commission: Paid out at the sale; ``commission_bps`` of every payment.
        list_price: Price of a single session.
        refund: Place of the refund policy in :data:`REFUNDS`, with its ``fee``, ``fee_bps`` and ``window`` in days.
        expiry: Place of the expiry policy in :data:`EXPIRIES`.
        method: Place of the breakage method in :data:`METHODS`, with its ``dormant_days``.
        escheat_bps: Part of expired value that is owed to a third party.
        priority: What is used first has the lower number.
    """

    code: IntArray
    sale: IntArray
    plan: IntArray
    customer: IntArray
    segment: IntArray
    day: IntArray
    posted: IntArray
    price: IntArray
    sessions: IntArray
    share: IntArray
    rest: IntArray
    cash: IntArray
    taken_over: BoolArray
    term: BoolArray
    span_days: IntArray
    span_months: IntArray
    expires: IntArray
    waits: BoolArray
    cost: IntArray
    commission: IntArray
    commission_bps: IntArray
    list_price: IntArray
    refund: IntArray
    fee: IntArray
    fee_bps: IntArray
    window: IntArray
    expiry: IntArray
    method: IntArray
    dormant_days: IntArray
    escheat_bps: IntArray
    priority: IntArray

    def __len__(self) -> int:
        return len(self.code)

    def last_day(self, which: Any, start: IntArray) -> IntArray:
        """Last usable day of packages whose validity or term starts on some day; :data:`NEVER` without an end."""
        found = np.where(self.span_days[which] > 0, start + self.span_days[which] - 1, NEVER)
        months = self.span_months[which]
        monthly = months > 0
        if monthly.any():
            found[monthly] = anniversary(start[monthly], months[monthly]) - 1
        agreed = self.expires[which]
        return np.where(agreed == MISSING, found, agreed)

    def term_days(self, which: Any, start: IntArray) -> IntArray:
        """Days of a term that starts on some day."""
        return self.last_day(which, start) - start + 1

    def refund_terms(
        self, which: Any, *, paid: IntArray, value: IntArray, used: IntArray, asked: IntArray
    ) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """What is paid out, kept as fee, gained, and paid in excess, when packages worth ``value`` are given back.

        ``asked`` is the amount that was paid out, or :data:`MISSING` for what the plan says.
        """
        rerated = np.clip(paid - used * self.list_price[which], 0, value)
        due = np.where(self.refund[which] == RERATE, rerated, value)
        charge = np.minimum(due, self.fee[which] + part_of(due, self.fee_bps[which]))
        payout = np.where(asked == MISSING, due - charge, asked)
        kept = np.maximum(value - payout, 0)
        fee = np.minimum(charge, kept)
        return payout, fee, kept - fee, np.maximum(payout - value, 0)

    def earned(self, which: Any, used: IntArray) -> IntArray:
        """What used sessions have earned; a term earns by the day, not here."""
        even: IntArray = self.share[which] * used
        if self.rest.any():
            count = np.maximum(self.sessions[which], 1)
            even += (2 * self.rest[which] * used + count) // (2 * count)
        return even


def anniversary(days: IntArray, months: IntArray) -> IntArray:
    """The day some months later; the 1st of the month after when the month has no such day."""
    dates = (days - _EPOCH).astype("datetime64[D]")
    month = dates.astype("datetime64[M]")
    of_month = (dates - month).astype(np.int64)
    target = month.astype(np.int64) + months
    opens, next_opens = (
        each.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + _EPOCH for each in (target, target + 1)
    )
    day: IntArray = np.minimum(opens + of_month, next_opens)
    return day


def sold_packages(
    columns: Columns, plans: tuple[PackagePlan, ...], problems: Problems, *, closed_until: int | None
) -> tuple[Packages, Columns]:
    """The packages that were sold, and the events without the sales that cannot be."""
    is_sale = (columns.kind == PURCHASE) | (columns.kind == OPENING)
    sale = np.flatnonzero(is_sale)
    package = columns.package[sale]
    order = sorted_by(package)
    first = np.append(True, np.diff(package[order]) > 0)[: len(sale)]
    bad = np.zeros(len(columns), bool)
    if first.all():
        sale = sale[order]
    else:
        keys: list[AnyArray] = [columns.posted, columns.seq, columns.kind, columns.id, columns.customer, columns.plan]
        keys += [columns.amount, columns.price, columns.sessions]
        sale = sale[sorted_by(package, *(key[sale] for key in keys))]
        opens = sale[np.flatnonzero(first)[np.cumsum(first) - 1]]
        origin = dict(zip(sale.tolist(), opens.tolist(), strict=True))
        again = sale[~first]
        problems.refuse(
            columns,
            again,
            "sold_twice",
            lambda i: (
                f"package {columns.packages[columns.package[i]]!r} was sold on {shown(columns.day[origin[i]])} "
                "already; give every package an id of its own"
            ),
        )
        bad[again] = True
        sale = sale[first]
    terms = np.array([each.is_term for each in plans])[columns.plan[sale]]
    late_terms = sale[terms & (columns.posted[sale] != columns.day[sale])] if closed_until is not None else sale[:0]
    if late_terms.size:
        problems.refuse(
            columns,
            late_terms,
            "late",
            lambda i: f"a term that began on {shown(columns.day[i])} has earned in days that are closed",
        )
        bad[late_terms] = True
        sale = sale[~np.isin(sale, late_terms)]
    if bad.any():
        kept = ~bad
        sale = (np.cumsum(kept) - 1)[sale]
        columns = columns.take(kept)
    return _copied(columns, sale, plans), columns


def _copied(columns: Columns, sale: IntArray, plans: tuple[PackagePlan, ...]) -> Packages:
    plan = columns.plan[sale]

    def terms(values: list[Any]) -> IntArray:
        if len(set(values)) == 1:
            return np.broadcast_to(np.int64(values[0]), len(plan))
        return np.array(values, np.int64)[plan]

    price = prices_of(columns, sale, plans)
    opening = columns.kind[sale] == OPENING
    term = np.array([each.is_term for each in plans])[plan]
    held = picked(columns.sessions, sale)
    left = picked(columns.days, sale)
    days = terms([each.validity_days or each.term_days or 0 for each in plans])
    months = terms([each.validity_months or each.term_months or 0 for each in plans])
    part = picked(columns.amount, sale)
    agreed = picked(columns.expires, sale)
    sessions = np.where(held == MISSING, terms([each.sessions or 0 for each in plans]), held)
    share, rest = np.divmod(np.where(term, 0, price), np.maximum(sessions, 1))
    return Packages(
        code=columns.package[sale],
        sale=sale,
        plan=plan,
        customer=columns.customer[sale],
        segment=picked(columns.segment, sale),
        day=columns.day[sale],
        posted=columns.posted[sale],
        price=price,
        sessions=sessions,
        share=share,
        rest=rest,
        cash=np.where(part == MISSING, price, part),
        taken_over=opening,
        term=term,
        span_days=np.where(left == MISSING, days, left),
        span_months=np.where(left == MISSING, months, 0),
        expires=agreed,
        waits=(
            (terms([each.starts == "first_visit" for each in plans]) == 1)
            & (days + months > 0)
            & (agreed == MISSING)
            & (left == MISSING)
        ),
        cost=terms([each.cost_per_session for each in plans]),
        commission=terms([each.commission for each in plans]),
        commission_bps=terms([each.commission_bps for each in plans]),
        list_price=terms([each.list_price or 0 for each in plans]),
        refund=terms([REFUNDS.index(each.refund.kind) for each in plans]),
        fee=terms([each.refund.fee for each in plans]),
        fee_bps=terms([each.refund.fee_bps for each in plans]),
        window=terms([NEVER if each.refund.window_days is None else each.refund.window_days for each in plans]),
        expiry=terms([EXPIRIES.index(each.expiry) for each in plans]),
        method=terms([METHODS.index(each.breakage.method) for each in plans]),
        dormant_days=terms([getattr(each.breakage, "dormant_days", 0) for each in plans]),
        escheat_bps=terms([each.escheat_bps for each in plans]),
        priority=terms([each.priority for each in plans]),
    )
