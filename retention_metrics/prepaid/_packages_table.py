"""Every package of a book, and how it stands."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retention_metrics._checks import freeze
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result, text_table
from retention_metrics._typing import IntArray
from retention_metrics.prepaid._packages import NEVER


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PackageTable(Result):
    """Packages in the order of their ids, one a row; money in whole minor units.

    Attributes:
        package: Id of the package.
        customer: Who has it.
        plan: Id of its plan.
        segment: Its segment, or ``None``.
        sold: Day of the sale, as an ordinal.
        expires: Last usable day, as an ordinal; 2**32 for none.
        status: ``"open"``, ``"frozen"``, ``"used"`` up, ``"expired"``, ``"refunded"``, ``"ended"`` (a term), or a visit
            that was ``"unpaid"`` and perhaps ``"settled"`` since.
        price: Price.
        sessions: Sessions it holds; 0 for a term.
        used: Sessions used; of a term, visits.
        left: Sessions that can still be used.
        paid: What was paid for it, or taken over.
        earned: What was worked off.
        breakage: Unused value that became income.
        liability: What is owed on it.
        contract_asset: What the customer owes on it.
        escheat: The part of the liability that is owed to a third party.
        cost_to_serve: What delivering the sessions left will cost.
        refundable_now: What would be paid back if the customer asked at the end of the day.
    """

    package: NDArray[np.object_]
    customer: NDArray[np.object_]
    plan: NDArray[np.object_]
    segment: NDArray[np.object_]
    sold: IntArray
    expires: IntArray
    status: NDArray[np.str_]
    price: IntArray
    sessions: IntArray
    used: IntArray
    left: IntArray
    paid: IntArray
    earned: IntArray
    breakage: IntArray
    liability: IntArray
    contract_asset: IntArray
    escheat: IntArray
    cost_to_serve: IntArray
    refundable_now: IntArray

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, *self.__slots__)

    def __len__(self) -> int:
        return len(self.package)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, days as dates or ``None``."""
        return {
            name: days_of(getattr(self, name)) if name in {"sold", "expires"} else getattr(self, name).tolist()
            for name in self.__slots__
        }

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a package, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)

    def __str__(self) -> str:
        """The main columns as text."""
        shown = ("package", "customer", "plan", "status", "expires", "used", "left", "earned", "liability")
        everything = self.to_dict()
        return text_table({name: [_name(name, value) for value in everything[name]] for name in shown})


def days_of(ordinals: IntArray) -> list[dt.date | None]:
    """Ordinals as dates, ``None`` for a day that never comes."""
    return [dt.date.fromordinal(each) if each < NEVER else None for each in ordinals.tolist()]


def _name(column: str, value: Any) -> Any:
    return str(value) if column in {"package", "customer", "plan"} else value
