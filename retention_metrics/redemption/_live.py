"""The live book as a start for forecasts: how many packages of a kind have how much left, and how long they rest."""

import datetime as dt
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from retention_metrics._checks import choice, day, freeze, whole
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._periods import PERIODS, period_of
from retention_metrics._results import Result, text_table
from retention_metrics._typing import BoolArray, FloatArray, IntArray, Period
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid import Ledger, PackagePlan
from retention_metrics.prepaid._histories import FOR_EVER, LivePackages, live_packages
from retention_metrics.prepaid._money import minor_units
from retention_metrics.redemption._counts import whole_count

Day: TypeAlias = dt.date | str
Due: TypeAlias = Day | Mapping[Hashable, Day | Sequence[tuple[Day, int]]]
Payments: TypeAlias = tuple[tuple[int, int], ...]
"""What is to be paid, as pairs of a period to come and an amount."""

_SHOWN = 3


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LiveBook(Result):
    """Packages with sessions left, or not paid in full, counted by everything that a forecast needs to know of them.

    The arrays have one element for each kind of package that there is. Two packages of one kind are alike in all that
    is named here. Money is in whole minor units; periods to come count from 0, the first one that is not over.

    Attributes:
        currency: Currency of the ledger, if its plans name one.
        plans: Plans of the ledger, whose rules the packages follow.
        step: The period.
        buckets: Number of gap buckets, the last one open-ended.
        plan: Place of the plan among ``plans``.
        price: Price of a package, or the value that was taken over.
        sessions: Sessions that it held.
        left: Sessions that are left of it; 0 when it is used up and not paid in full.
        gap: Gap bucket of its next trial.
        rests: Periods to come without a trial: those with frozen days, and the running one after a visit in it.
        trials: Periods to come after which it has expired; -1 when it never does. A period in which it expires before
            the end is not one of them.
        waits: Whether its validity counts from a first visit that has yet to come.
        unpaid: What is still to be paid of each package.
        due: When, for each kind: pairs of a period to come and an amount. What is not in them is not expected to come.
        count: Packages of this kind.
        liability: What is owed on all of them together.
        cost: What one session of them costs to deliver.
    """

    currency: str | None
    plans: tuple[PackagePlan, ...]
    step: Period
    buckets: int
    plan: IntArray
    price: IntArray
    sessions: IntArray
    left: IntArray
    gap: IntArray
    rests: IntArray
    trials: IntArray
    waits: BoolArray
    unpaid: IntArray
    due: tuple[Payments, ...]
    count: IntArray
    liability: IntArray
    cost: IntArray
    _names: tuple[tuple[Hashable, ...], ...] = field(repr=False)

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, *(name for name in _COLUMNS if name != "due"))

    def __len__(self) -> int:
        return len(self.count)

    @property
    def uncollected(self) -> int:
        """What is still to be paid, and not due on any day that was named: no forecast counts on it."""
        due = [sum(amount for _, amount in payments) for payments in self.due]
        return int((self.count * (self.unpaid - np.array(due, np.int64))).sum())

    def state(self, plan: int | None = None) -> FloatArray:
        """Live packages by gap bucket and sessions left, the ``start`` of :meth:`RedemptionModel.expected`.

        It does not say which of them rest, and when they expire.

        Args:
            plan: Place of a plan in ``Ledger.plans``; by default all plans together.

        Returns:
            An array ``state[g, r - 1]`` of counts.

        Raises:
            InvalidValue: ``plan`` is not a whole number >= 0.

        References:
            Howard (1971), *Dynamic Probabilistic Systems* 2: the state of a semi-Markov process.
        """
        some = self.left > 0
        if plan is not None:
            some &= self.plan == whole(0, plan=plan)
        found = np.zeros((self.buckets, int(self.left[some].max(initial=1))))
        np.add.at(found, (self.gap[some], self.left[some] - 1), self.count[some])
        return found

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        plans = [plan.model_dump(mode="json") for plan in self.plans]
        return {"currency": self.currency, "plans": plans, "step": self.step, "buckets": self.buckets} | self._columns()

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a kind, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self._columns(), backend)

    def _columns(self) -> dict[str, list[Any]]:
        columns = {name: getattr(self, name).tolist() for name in _COLUMNS if name != "due"}
        due = [[list(payment) for payment in payments] for payments in self.due]
        return {name: due if name == "due" else columns[name] for name in _COLUMNS}

    def __str__(self) -> str:
        """The kinds as text; what is the same for nearly every book is left out where it is."""
        columns = self._columns()
        columns["trials"] = [None if each == FOR_EVER else each for each in columns["trials"]]
        columns["due"] = ["; ".join(f"{amount:,} in {at}" for at, amount in each) or None for each in columns["due"]]
        for name in _UNUSUAL:
            if not any(each not in (None, 0, False) for each in columns[name]):
                del columns[name]
        return text_table(columns)


_COLUMNS = LiveBook.__slots__[4:-1]
_UNUSUAL = ("rests", "trials", "waits", "unpaid", "due")


def live_book(ledger: Ledger, *, step: Period = "month", buckets: int = 7, due: Due | None = None) -> LiveBook:
    """The packages of a ledger that have sessions left, as the start of a forecast.

    A customer who did nothing for g whole periods has the next trial in bucket g. A period that is not over on the last
    day of the book does not count as silent, nor do periods with frozen days. Of a package that was taken over from an
    older book nothing earlier than that is known, and it counts as bought then.

    A ledger knows what has been paid, and not when the rest will be. So no forecast counts on an open rest unless
    ``due`` names its day; what is left out is in :attr:`LiveBook.uncollected`.

    Args:
        ledger: A :class:`~retention_metrics.prepaid.Ledger`.
        step: Period of the model.
        buckets: Number of gap buckets of the model, >= 1.
        due: When open rests will be paid: one day for all of them, or by the id of the package a day or pairs of a day
            and an amount. What is overdue, on the last day of the book or before it, is expected in the first period;
            leave it out if it will not come.

    Returns:
        A :class:`LiveBook`; it is empty when nothing is left to deliver and nothing to be paid.

    Raises:
        InvalidType: ``ledger`` is not a ledger, or ``due`` of the wrong kind.
        InvalidValue: ``step`` or ``buckets`` is out of range, or ``due`` names a package without an open rest, or more
            than that.

    Examples:
        >>> from retention_metrics.prepaid import PackagePlan
        >>> plan = PackagePlan(id="ten", price=1_500_000, sessions=10, cost_per_session=70_000)
        >>> events = [
        ...     {"kind": "purchase", "date": "2024-01-10", "package": "p1", "customer": "ann", "plan": "ten"},
        ...     {"kind": "visit", "date": "2024-01-15", "customer": "ann"},
        ... ]
        >>> print(live_book(Ledger.from_events(events, [plan], as_of="2024-04-30")))
        plan      price  sessions  left  gap  count  liability    cost
           0  1,500,000        10     9    3      1  1,350,000  70,000

        Half of a package is paid, and the rest falls due in June:

        >>> events[0]["amount"] = 750_000
        >>> book = Ledger.from_events(events, [plan], as_of="2024-04-30")
        >>> live_book(book).uncollected, live_book(book, due={"p1": "2024-06-10"}).due
        (750000, (((1, 750000),),))

    References:
        IFRS 15, 116-118: the contract liability of a book; IFRS 15, 107 on what is delivered and not paid yet.
    """
    if not isinstance(ledger, Ledger):
        raise InvalidType(f"ledger must be a prepaid.Ledger, got {type(ledger).__name__}")
    choice(PERIODS, step=step)
    size = whole_count(buckets=buckets)
    live = live_packages(ledger, step)
    payments = _payments(due, live, step)
    schedule_of: dict[Payments, int] = {}
    when = np.array([schedule_of.setdefault(each, len(schedule_of)) for each in payments], np.int64)
    gap = np.minimum(live.silent, size - 1)
    keys = [live.plan, live.price, live.sessions, live.left, gap, live.rests, live.trials, live.waits, live.unpaid]
    rows = np.stack([*keys, when, live.cost]).astype(np.int64)
    kinds, which = np.unique(rows, axis=1, return_inverse=True)
    which = which.ravel()
    count, liability = np.zeros((2, kinds.shape[1]), np.int64)
    np.add.at(count, which, 1)
    np.add.at(liability, which, live.liability)
    names = np.split(live.name[np.argsort(which, kind="stable")], np.cumsum(count)[:-1])
    plan, price, sessions, left, gap, rests, trials, waits, unpaid, at, cost = kinds
    schedules = list(schedule_of)
    return LiveBook(
        currency=ledger.currency,
        plans=ledger.plans,
        step=step,
        buckets=size,
        plan=plan,
        price=price,
        sessions=sessions,
        left=left,
        gap=gap,
        rests=rests,
        trials=trials,
        waits=waits == 1,
        unpaid=unpaid,
        due=tuple(schedules[each] for each in at.tolist()),
        count=count,
        liability=liability,
        cost=cost,
        _names=tuple(tuple(each.tolist()) for each in names[: len(count)]),
    )


def some_names(names: Sequence[Hashable]) -> str:
    """The first few ids of packages, and how many there are besides."""
    shown = ", ".join(repr(each) for each in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN:,} more"


def _payments(due: Any, live: LivePackages, step: Period) -> list[Payments]:
    """When the rest of each package is paid, as far as that is known."""
    rest = dict(zip(live.name.tolist(), live.unpaid.tolist(), strict=True))
    if due is None:
        return [()] * len(rest)
    if not isinstance(due, Mapping):
        day(due=due)
        due = {name: due for name, unpaid in rest.items() if unpaid}
    strange = [name for name in due if not rest.get(name)]
    if strange:
        raise InvalidValue(
            f"due names packages of which nothing is still to be paid: {some_names(strange)}; leave them out"
        )
    found: dict[Hashable, Payments] = {}
    for name, told in due.items():
        label = f"due[{name!r}]"
        pairs = [(told, rest[name])] if isinstance(told, (str, dt.date)) else _pairs(label, told)
        paid: dict[int, int] = {}
        for place, (on, amount) in enumerate(pairs):
            spot = label if told is on else f"{label}[{place}]"
            period = max(period_of(day(**{spot: on}), step) - live.opens, 0)
            paid[period] = paid.get(period, 0) + minor_units(1, **{spot: amount})
        if sum(paid.values()) > rest[name]:
            raise InvalidValue(f"{label} is {sum(paid.values()):,}, and only {rest[name]:,} is still to be paid")
        found[name] = tuple(sorted(paid.items()))
    return [found.get(name, ()) for name in rest]


def _pairs(label: str, told: Any) -> list[tuple[Any, Any]]:
    if not isinstance(told, Sequence) or not all(isinstance(each, (tuple, list)) and len(each) == 2 for each in told):
        raise InvalidType(f"{label} must be a day, or pairs of a day and an amount, got {told!r:.60}")
    return [(on, amount) for on, amount in told]
