"""What a ledger puts up with, and what became of each event."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retention_metrics._typing import BoolArray, IntArray

Unpaid: TypeAlias = Literal["error", "receivable"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a ledger puts up with.

    Attributes:
        grace_days: Days after its last usable day on which a package is still honoured.
        allow_excess: Whether more than is owed may be refunded, at a cost.
        unpaid: Whether visits without a session are refused, or booked at list price as receivables.
        reconcile: Whether such visits are taken from the next package that the customer buys.
    """

    grace_days: int
    allow_excess: bool
    unpaid: Unpaid
    reconcile: bool


class UnpaidVisit(NamedTuple):
    """Who came, and the plan that prices it."""

    customer: int
    plan: int


@dataclass(slots=True)
class Booked:
    """What became of the events: the package of each, whether it counts, on which day, and the visit a void takes back.

    Events of a day are in order of ``turn`` (where they were taken one after another), ``seq``, and ``rank``, which is
    twice their kind, so that there is room between. ``undone`` are visits taken back before validity ended, so that it
    does not count from them. ``unpaid`` are visits that no package covered, ``settled`` the days on which some of
    them were settled, by event. ``goodwill`` are refunds of what is closed: event, package and owner.
    """

    package: IntArray
    good: BoolArray
    day: IntArray
    posted: IntArray
    seq: IntArray
    rank: NDArray[np.int8]
    turn: IntArray
    target: IntArray
    undone: BoolArray
    unpaid: dict[int, UnpaidVisit] = field(default_factory=dict)
    settled: dict[int, int] = field(default_factory=dict)
    goodwill: list[tuple[int, int, int]] = field(default_factory=list)
