"""What a prepaid business takes in, works off and pays out, period by period, on one path or on many."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from retention_metrics._checks import first_true
from retention_metrics._typing import IntArray, Period
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid import Ledger

MOST_MONEY = 2**59
"""What all periods of a path add up to must stay below this many minor units."""

_MOVEMENTS = ("collections", "earned", "breakage", "refunds_paid", "refund_fees", "delivery_cost", "commission")
_STOCKS = ("liability", "cost_outstanding")
AMOUNTS = _MOVEMENTS + _STOCKS

_ABSENT: IntArray = np.empty(0, np.int64)


def _left_out() -> IntArray:
    return _ABSENT


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Flows:
    r"""Movements of a prepaid business by period, and what it owes when each period closes; all in whole minor units.

    Arrays of shape ``(periods,)`` are one course of events, such as a real book; of shape ``(periods, paths)`` many
    possible ones. What is left out is 0. Any movement may be negative, as a reversal is; what is owed may not.

    Attributes:
        collections: Money received.
        earned: Money worked off.
        breakage: Value of sessions that will not be used, as income.
        refunds_paid: Money paid back.
        refund_fees: What was kept of refunds.
        delivery_cost: Cost of the sessions delivered in the period, whenever it is paid.
        commission: Commission paid out.
        liability: Owed to customers at the end of the period for what they paid and have not had.
        cost_outstanding: What delivering the sessions left at the end of the period will cost.
        labels: Name of each period, or ``None``.

    Raises:
        InvalidValue: Arrays of different shapes, none at all, a negative debt, or amounts beyond exact arithmetic.
        InvalidType: Something else than whole numbers.

    Examples:
        >>> flows = Flows(collections=[900, 0, 0], delivery_cost=[100, 200, 300], liability=[750, 450, 0])
        >>> flows.periods, flows.paths, flows.earned
        (3, 1, array([0, 0, 0]))

    References:
        IFRS 15, 116-118 on contract balances; IAS 7, 18 on the direct method of cash flows.
    """

    collections: IntArray
    earned: IntArray = field(default_factory=_left_out)
    breakage: IntArray = field(default_factory=_left_out)
    refunds_paid: IntArray = field(default_factory=_left_out)
    refund_fees: IntArray = field(default_factory=_left_out)
    delivery_cost: IntArray = field(default_factory=_left_out)
    commission: IntArray = field(default_factory=_left_out)
    liability: IntArray = field(default_factory=_left_out)
    cost_outstanding: IntArray = field(default_factory=_left_out)
    labels: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Read and check the arrays, and make them read-only."""
        object.__setattr__(self, "collections", whole_amounts("collections", self.collections))
        shape = self.collections.shape
        if len(shape) not in (1, 2):
            raise InvalidValue(f"collections must have shape (periods,) or (periods, paths), got {shape}")
        nothing = np.zeros(shape, np.int64)
        nothing.flags.writeable = False
        total = 0.0
        for name in AMOUNTS:
            given = getattr(self, name)
            amounts = nothing if given is _ABSENT else whole_amounts(name, given)
            object.__setattr__(self, name, amounts)
            if amounts.shape != shape:
                raise InvalidValue(f"{name} must have the shape of collections, {shape}, got {amounts.shape}")
            if amounts is not nothing:
                low, high = float(amounts.min()), float(amounts.max())
                if name in _STOCKS and low < 0:
                    refuse_negative(name, amounts)
                total += max(high, -low) * (1 if name in _STOCKS else shape[0])
        if total >= MOST_MONEY:
            raise InvalidValue(f"the flows may add up to {total:.3g} minor units; they must stay below 2**59")
        if self.labels is not None:
            if not isinstance(self.labels, Sequence) or isinstance(self.labels, str):
                raise InvalidType(f"labels must be a list of names, got {type(self.labels).__name__}")
            object.__setattr__(self, "labels", tuple(self.labels))
            if len(self.labels) != shape[0]:
                raise InvalidValue(f"labels must name each of the {shape[0]} periods, got {len(self.labels)} names")

    @property
    def periods(self) -> int:
        """Number of periods."""
        return len(self.collections)

    @property
    def paths(self) -> int:
        """Number of paths; 1 for one course of events."""
        return 1 if self.collections.ndim == 1 else self.collections.shape[1]

    @property
    def names(self) -> list[str]:
        """The periods by name: their labels, or 1, 2, 3."""
        return [str(i + 1) for i in range(self.periods)] if self.labels is None else list(self.labels)

    @classmethod
    def of_ledger(cls, ledger: Ledger, period: Period = "month") -> "Flows":
        """The flows of a real book, from its first event to its last day.

        The gain of refunds counts as a fee and their excess against it. What delivering the sessions left will cost is
        taken at the cost of their plans; terms have no sessions to count.

        Args:
            ledger: The book.
            period: A calendar period; the last one ends with the book.

        Returns:
            Flows of shape ``(periods,)``, with the periods by name.

        Raises:
            InvalidValue: An unknown period.
            InvalidType: Not a ledger.

        Examples:
            >>> from retention_metrics.prepaid import Ledger, PackagePlan
            >>> plan = PackagePlan(id="ten", price=1_500_000, sessions=10, cost_per_session=70_000)
            >>> events = [
            ...     {"kind": "purchase", "date": "2024-01-10", "package": "p1", "customer": "ann", "plan": "ten"},
            ...     {"kind": "visit", "date": "2024-01-15", "customer": "ann"},
            ... ]
            >>> flows = Flows.of_ledger(Ledger.from_events(events, [plan], as_of="2024-02-29"))
            >>> flows.labels, flows.liability, flows.cost_outstanding
            (('2024-01', '2024-02'), array([1350000, 1350000]), array([630000, 630000]))

        References:
            IFRS 15, 116-118 on contract balances.
        """
        if not isinstance(ledger, Ledger):
            raise InvalidType(f"ledger must be a prepaid.Ledger, got {type(ledger).__name__}")
        rolled, by_plan = ledger.roll_forward(period), ledger.roll_forward(period, by="plan")
        costs: dict[Hashable, int] = {plan.id: plan.cost_per_session for plan in ledger.plans}
        row = {opened: i for i, opened in enumerate(rolled.starts)}
        outstanding = np.zeros(len(row), np.int64)
        left = by_plan.sessions_outstanding * np.array([costs[plan] for plan in by_plan.groups or ()], dtype=np.int64)
        np.add.at(outstanding, [row[opened] for opened in by_plan.starts], left)
        return cls(
            collections=rolled.collections,
            earned=rolled.earned,
            breakage=rolled.breakage,
            refunds_paid=rolled.refunds_paid,
            refund_fees=rolled.refund_fees + rolled.refund_gain - rolled.refund_excess,
            delivery_cost=rolled.delivery_cost,
            commission=rolled.commission,
            liability=rolled.liability,
            cost_outstanding=outstanding,
            labels=tuple(rolled.labels),
        )


def whole_amounts(name: str, value: Any) -> IntArray:
    """Whole numbers as a read-only int64 array; floats and bools are refused."""
    if _is_ready(value):
        frozen: IntArray = value
        return frozen
    if isinstance(value, Sequence) and not isinstance(value, str):
        for i, element in enumerate(value):
            if isinstance(element, (bool, np.bool_)):
                raise InvalidType(f"{name}[{i}] must be a whole number, got {element!r}")
    try:
        array = np.asarray(value)
    except ValueError:
        raise InvalidValue(f"{name} must be a rectangular array of whole numbers") from None
    if not array.size:
        raise InvalidValue(f"{name} is empty; pass at least one number")
    kind = array.dtype.kind
    if kind == "u" or (kind == "O" and all(type(element) is int for element in array.flat)):
        _refuse_beyond(name, array)
    elif kind != "i":
        remedy = "; convert money with prepaid.to_minor()" if kind in "fO" else ""
        raise InvalidType(f"{name} must hold whole numbers of minor units, got {array.dtype}{remedy}")
    amounts = np.array(array, np.int64, order="C")
    amounts.flags.writeable = False
    return amounts


def _is_ready(value: Any) -> bool:
    """Whether a value needs no copy: an int64 array of its own that cannot be written to."""
    if not isinstance(value, np.ndarray) or value.dtype != np.int64:
        return False
    return value.flags.owndata and value.flags.c_contiguous and not value.flags.writeable


def refuse_negative(name: str, amounts: IntArray) -> None:
    """Refuse an amount below 0 by its position."""
    if amounts.min() < 0:
        where = first_true(amounts < 0) or ()
        raise InvalidValue(f"{name}[{', '.join(map(str, where))}] must be >= 0, got {int(amounts[where])}")


def _refuse_beyond(name: str, array: Any) -> None:
    where = first_true(np.abs(array) >= MOST_MONEY)
    if where is not None:
        raise InvalidValue(f"{name}[{', '.join(map(str, where))}] must be below 2**59 minor units, got {array[where]}")
