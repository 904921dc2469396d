"""The live book as a start for forecasts: how many packages of a kind have how much left, and how long they rest."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from retention_metrics._checks import choice, freeze, whole
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._periods import PERIODS
from retention_metrics._typing import FloatArray, IntArray, Period
from retention_metrics.errors import InvalidType
from retention_metrics.prepaid import Ledger, PackagePlan
from retention_metrics.prepaid._histories import live_packages
from retention_metrics.prepaid._text import text_table
from retention_metrics.redemption._counts import whole_count


@dataclass(frozen=True, slots=True, eq=False)
class LiveBook:
    """Packages with sessions left, counted by everything that a forecast needs to know of them.

    The arrays have one element for each kind of package that there is. Two packages of one kind have the same plan,
    price, size, sessions left and gap bucket. Money is in whole minor units.

    Attributes:
        currency: Currency of the ledger, if its plans name one.
        plans: Plans of the ledger, whose rules the packages follow.
        buckets: Number of gap buckets, the last one open-ended.
        plan: Place of the plan among ``plans``.
        price: Price of a package, or the value that was taken over.
        sessions: Sessions that it held.
        left: Sessions that are left of it.
        gap: Gap bucket of its next trial.
        count: Packages of this kind.
        liability: What is owed on all of them together.
        cost: What one session of them costs to deliver.
    """

    currency: str | None
    plans: tuple[PackagePlan, ...]
    buckets: int
    plan: IntArray
    price: IntArray
    sessions: IntArray
    left: IntArray
    gap: IntArray
    count: IntArray
    liability: IntArray
    cost: IntArray

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, *self.__slots__[3:])

    def __len__(self) -> int:
        return len(self.count)

    def state(self, plan: int | None = None) -> FloatArray:
        """Live packages by gap bucket and sessions left, the ``start`` of :meth:`RedemptionModel.expected`.

        Args:
            plan: Place of a plan in ``Ledger.plans``; by default all plans together.

        Returns:
            An array ``state[g, r - 1]`` of counts.

        Raises:
            InvalidValue: ``plan`` is not a whole number >= 0.

        References:
            Howard (1971), *Dynamic Probabilistic Systems* 2: the state of a semi-Markov process.
        """
        some = np.ones(len(self), bool) if plan is None else self.plan == whole(0, plan=plan)
        found = np.zeros((self.buckets, int(self.left[some].max(initial=1))))
        np.add.at(found, (self.gap[some], self.left[some] - 1), self.count[some])
        return found

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        plans = [plan.model_dump(mode="json") for plan in self.plans]
        return {"currency": self.currency, "plans": plans, "buckets": self.buckets} | self._columns()

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a kind, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self._columns(), backend)

    def _columns(self) -> dict[str, list[int]]:
        return {name: getattr(self, name).tolist() for name in self.__slots__[3:]}

    def __str__(self) -> str:
        """The kinds as text."""
        return text_table(self._columns())


def live_book(ledger: Ledger, *, step: Period = "month", buckets: int = 7) -> LiveBook:
    """The packages of a ledger that have sessions left, as the start of a forecast.

    A customer who did nothing for g whole periods has the next trial in bucket g. A period that is not over on the last
    day of the book does not count as silent, nor do periods with frozen days. Of a package that was taken over from an
    older book nothing earlier than that is known, and it counts as bought then.

    Args:
        ledger: A :class:`~retention_metrics.prepaid.Ledger`.
        step: Period of the model.
        buckets: Number of gap buckets of the model, >= 1.

    Returns:
        A :class:`LiveBook`; it is empty when nothing is left to deliver.

    Raises:
        InvalidType: ``ledger`` is not a ledger.
        InvalidValue: ``step`` or ``buckets`` is out of range.

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

    References:
        IFRS 15, 116-118: the contract liability of a book.
    """
    if not isinstance(ledger, Ledger):
        raise InvalidType(f"ledger must be a prepaid.Ledger, got {type(ledger).__name__}")
    choice(PERIODS, step=step)
    size = whole_count(buckets=buckets)
    live = live_packages(ledger, step)
    gap = np.minimum(live.silent, size - 1)
    keys = np.stack([live.plan, live.price, live.sessions, live.left, gap, live.cost])
    kinds, which = np.unique(keys, axis=1, return_inverse=True)
    count, liability = np.zeros((2, kinds.shape[1]), np.int64)
    np.add.at(count, which.ravel(), 1)
    np.add.at(liability, which.ravel(), live.liability)
    plan, price, sessions, left, gap, cost = kinds
    return LiveBook(
        currency=ledger.currency,
        plans=ledger.plans,
        buckets=size,
        plan=plan,
        price=price,
        sessions=sessions,
        left=left,
        gap=gap,
        count=count,
        liability=liability,
        cost=cost,
    )
