"""What honesty costs: the same book under refund on demand, under expiry, and under re-rating."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import whole
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result, text_table
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid._columns import MISSING, REFUND, VISIT
from retention_metrics.prepaid._ledger import Ledger
from retention_metrics.prepaid._plan import OnExpiry, PackagePlan, RefundPolicy


class PolicyRow(BaseModel):
    """What a policy books, pays and owes; all money in whole minor units.

    Attributes:
        policy: Its name.
        collections: Money received.
        earned: Money worked off.
        breakage: Unused value that became income.
        kept_of_refunds: Fees and gains of refunds, less what was paid in excess.
        refunds_paid: Money paid back.
        delivery_cost: Cost of what was delivered.
        commission: Commission paid out.
        liability: Owed at the end.
        refundable_now: What of it would be paid back on demand.
        cost_to_serve: Cost of delivering what is owed.
        sessions_delivered: Sessions delivered.
        sessions_expired: Sessions expired.
        sessions_outstanding: Sessions left.
        visits_turned_away: Visits of the book that the policy would not have honoured.
        refunds_refused: Refunds of the book that it would not have paid.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: str
    collections: int
    earned: int
    breakage: int
    kept_of_refunds: int
    refunds_paid: int
    delivery_cost: int
    commission: int
    liability: int
    refundable_now: int
    cost_to_serve: int
    sessions_delivered: int
    sessions_expired: int
    sessions_outstanding: int
    visits_turned_away: int
    refunds_refused: int

    @property
    def income(self) -> int:
        """What the policy books: earned money, breakage, and what is kept of refunds."""
        return self.earned + self.breakage + self.kept_of_refunds

    @property
    def result(self) -> int:
        """Income less delivery and commission."""
        return self.income - self.delivery_cost - self.commission


class PolicyComparison(Result, BaseModel):
    """A book under several policies, the one it was sold under first; and why others do not apply to it, by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: tuple[PolicyRow, ...]
    left_out: dict[str, str] = {}

    def __getitem__(self, policy: str) -> PolicyRow:
        for row in self.rows:
            if row.policy == policy:
                return row
        reason = f": {self.left_out[policy]}" if policy in self.left_out else ""
        raise InvalidValue(f"there is no policy {policy!r}{reason}; there are {[row.policy for row in self.rows]}")

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """The rows by policy, with income and result."""
        return {row.policy: row.model_dump() | {"income": row.income, "result": row.result} for row in self.rows}

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a policy, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        rows = list(self.to_dict().values())
        return columns_to_frame({name: [row[name] for row in rows] for name in rows[0]}, backend)

    def __str__(self) -> str:
        """The policies side by side, and those that do not apply."""
        rows = self.to_dict()
        names = ["earned", "breakage", "kept_of_refunds", "refunds_paid", "result", "liability", "refundable_now"]
        names += ["visits_turned_away", "refunds_refused"]
        table = text_table({"": names} | {policy: [row[name] for name in names] for policy, row in rows.items()})
        return "\n".join([table, *(f"{policy} is left out: {reason}" for policy, reason in self.left_out.items())])


def compare_policies(ledger: Ledger, *, validity_days: int | None = None) -> PolicyComparison:
    """The same events under refund on demand, under expiry, and under re-rating: what each books, pays and owes.

    ====================== ================ =====================================================================
    policy                 unused sessions  a refund
    ====================== ================ =====================================================================
    ``as_sold``            by the plans     by the plans, with the amounts that were paid
    ``refund_on_demand``   never expire     what was paid and is not earned, without a fee
    ``expiry``             are forfeited    none
    ``rerating``           never expire     what was paid less the sessions used at list price
    ====================== ================ =====================================================================

    Visits and refunds that a policy would not have honoured are counted: those are the customers it turns away. What
    they would have done instead is not known, and not guessed at. Terms keep their rules.

    Args:
        ledger: The book.
        validity_days: Days of validity under ``expiry`` for plans that have no validity of their own, >= 1.

    Returns:
        A :class:`PolicyComparison`; ``rerating`` is left out when a plan has no list price, and all but ``as_sold``
        when every plan is a term.

    Raises:
        InvalidValue: ``validity_days`` is missing and some plan has no validity.

    Examples:
        >>> plan = PackagePlan(id="ten", price=1_000, sessions=10)
        >>> events = [
        ...     {"kind": "purchase", "date": "2024-01-10", "package": 1, "customer": "ann", "plan": "ten"},
        ...     {"kind": "visit", "date": "2024-01-15", "package": 1},
        ...     {"kind": "visit", "date": "2024-07-15", "package": 1},
        ... ]
        >>> compared = compare_policies(Ledger.from_events(events, [plan], as_of="2024-12-31"), validity_days=90)
        >>> compared["expiry"].breakage, compared["expiry"].visits_turned_away
        (900, 1)
        >>> compared["refund_on_demand"].liability
        800

    References:
        IFRS 15, B44-B47: breakage only of what the entity expects to be entitled to; 55 for what it expects to refund.
    """
    if not isinstance(ledger, Ledger):
        raise InvalidType(f"ledger must be a Ledger, got {type(ledger).__name__}")
    days = None if validity_days is None else whole(1, validity_days=validity_days)
    rules: dict[str, Callable[[PackagePlan], PackagePlan]] = {
        "refund_on_demand": lambda plan: _lasting(plan, RefundPolicy()),
        "expiry": lambda plan: _forfeiting(plan, days),
        "rerating": lambda plan: _lasting(plan, RefundPolicy(kind="rerate")),
    }
    left_out = _inapplicable(ledger.plans, rules)
    rows = [_row("as_sold", ledger, Counter())]
    for name, rule in rules.items():
        if name in left_out:
            continue
        other = _replayed(ledger, tuple(plan if plan.is_term else rule(plan) for plan in ledger.plans))
        rows.append(_row(name, other, _refused(ledger, other)))
    return PolicyComparison(rows=tuple(rows), left_out=left_out)


def _inapplicable(plans: tuple[PackagePlan, ...], policies: Iterable[str]) -> dict[str, str]:
    """Policies that do not apply to some plans, and why."""
    if all(plan.is_term for plan in plans):
        return dict.fromkeys(policies, "every plan is a term, and terms keep their rules")
    unpriced = [plan.id for plan in plans if not plan.is_term and plan.list_price is None]
    return {"rerating": f"plan {unpriced[0]!r} has no list_price"} if unpriced else {}


def _lasting(plan: PackagePlan, refund: RefundPolicy) -> PackagePlan:
    changes = {"expiry": "never", "validity_days": None, "validity_months": None, "escheat_bps": 0}
    return PackagePlan(**plan.model_dump() | changes | {"refund": refund, "breakage": OnExpiry()})


def _forfeiting(plan: PackagePlan, days: int | None) -> PackagePlan:
    own = plan.validity_days is not None or plan.validity_months is not None
    if not own and days is None:
        raise InvalidValue(f"plan {plan.id!r} has no validity; give validity_days, after which it would have expired")
    changes: dict[str, Any] = {} if own else {"validity_days": days}
    changes |= {"expiry": "forfeit", "refund": RefundPolicy(kind="none"), "breakage": OnExpiry()}
    return PackagePlan(**plan.model_dump() | changes)


def _replayed(ledger: Ledger, plans: tuple[PackagePlan, ...]) -> Ledger:
    """The events of a ledger under other plans: refunds are asked for, and paid by the plan."""
    columns = ledger._source.columns
    amount = np.where(columns.kind == REFUND, MISSING, columns.amount)
    ends = np.array([plan.expiry == "never" for plan in plans] + [False])
    expires = np.where(ends[np.maximum(columns.plan, -1)], MISSING, columns.expires)
    source = replace(ledger._source, columns=replace(columns, amount=amount, expires=expires))
    return Ledger._made(source, plans, replace(ledger._options, on_error="collect"), ledger.as_of)


def _refused(ledger: Ledger, other: Ledger) -> Counter[int]:
    """Events that another policy refuses and the ledger does not, by kind."""
    known = {issue.row for issue in ledger.issues}
    rows = [issue.row for issue in other.issues if issue.row not in known]
    columns = ledger._source.columns
    return Counter(columns.kind[np.isin(columns.row, rows)].tolist())


def _row(name: str, ledger: Ledger, refused: Counter[int]) -> PolicyRow:
    rolled = ledger.roll_forward("year")
    total = {
        each: int(getattr(rolled, each).sum())
        for each in (
            "collections",
            "earned",
            "breakage",
            "refunds_paid",
            "delivery_cost",
            "commission",
            "sessions_delivered",
            "sessions_expired",
        )
    }
    kept = rolled.refund_fees.sum() + rolled.refund_gain.sum() - rolled.refund_excess.sum()
    return PolicyRow(
        policy=name,
        kept_of_refunds=int(kept),
        liability=int(rolled.liability[-1]),
        refundable_now=ledger.refundable_now(),
        cost_to_serve=ledger.cost_to_serve(),
        sessions_outstanding=int(rolled.sessions_outstanding[-1]),
        visits_turned_away=refused[VISIT],
        refunds_refused=refused[REFUND],
        **total,
    )
