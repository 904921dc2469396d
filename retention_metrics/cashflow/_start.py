"""The packages of one kind that are live before the first period."""

from dataclasses import dataclass

import numpy as np

from retention_metrics._checks import freeze
from retention_metrics._typing import IntArray

NEVER = 2**30
"""A period that does not come."""


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Live packages in lots; those of a lot have their first trial, and expire, in the same period.

    Attributes:
        counts: Packages by lot, gap bucket of the next trial, and sessions left less one.
        enters: The period of the first trial of each lot, not after it expires.
        expires: The period at the beginning of which it has expired, or :data:`NEVER`.
        used_up: Packages without sessions, of which money is still to come.
    """

    counts: IntArray
    enters: IntArray
    expires: IntArray
    used_up: int = 0

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, "counts", "enters", "expires")

    @classmethod
    def of(cls, counts: IntArray) -> "Start":
        """Packages by gap and sessions left that are there from the first period on, and never expire."""
        return cls(counts[None], np.zeros(1, np.int64), np.full(1, NEVER))

    @property
    def packages(self) -> int:
        """Number of packages with sessions left."""
        return int(self.counts.sum())

    def by_sessions(self) -> IntArray:
        """Packages by sessions left less one."""
        found: IntArray = self.counts.sum(axis=(0, 1))
        return found
