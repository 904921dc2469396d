"""What moved in a book, added up by group and period: all that a roll-forward is made of."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from retention_metrics._typing import IntArray
from retention_metrics.prepaid._book import Book, By
from retention_metrics.prepaid._flows import owed


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Movements by name, and contract assets at the end of each period; each of shape (groups, periods)."""

    groups: Sequence[Hashable]
    moved: dict[str, IntArray]
    contract_asset: IntArray

    def __add__(self, other: "Sums") -> "Sums":
        """The sums of two books without a package in common."""
        groups = self.groups
        if list(groups) != list(other.groups):
            groups = sorted({*groups, *other.groups}, key=lambda each: (each is None, isinstance(each, str), each))
        return Sums(
            groups,
            {
                name: self._among(groups, mine) + other._among(groups, other.moved[name])
                for name, mine in self.moved.items()
            },
            self._among(groups, self.contract_asset) + other._among(groups, other.contract_asset),
        )

    def _among(self, groups: Sequence[Hashable], values: IntArray) -> IntArray:
        place = {group: row for row, group in enumerate(groups)}
        found = np.zeros((len(groups), values.shape[1]), np.int64)
        found[[place[group] for group in self.groups]] = values
        return found


def sums_of(made: Book, by: By | None, ends: IntArray) -> Sums:
    """The sums of a book over periods that end on some days."""
    key, groups = made.key(by)
    return Sums(groups, made.flows.grid(key, len(groups), ends), _assets(made, by, ends))


def _assets(made: Book, by: By | None, ends: IntArray) -> IntArray:
    """Contract assets of each group at the end of each period, contract by contract."""
    key, groups = made.key(by)
    total = np.zeros((len(groups), len(ends)), np.int64)
    packages = made.packages
    partly = np.append((packages.cash < packages.price) & ~packages.taken_over, np.ones(len(made.unpaid.plan), bool))
    if not partly.any():
        return total
    people = len(made.columns.customers)
    shares = [each.package * people + each.owner for each in made.flows.postings]
    contracts = np.unique(np.concatenate([each[partly[each // people]] for each in shares]))

    def contract_of(package: IntArray, owner: IntArray) -> IntArray:
        code = package * people + owner
        place = np.minimum(np.searchsorted(contracts, code), len(contracts) - 1)
        return np.where(contracts[place] == code, place, -1)

    balance = np.cumsum(owed(made.flows.grid(contract_of, len(contracts), ends)), axis=1)
    np.add.at(total, key(contracts // people, contracts % people), np.maximum(-balance, 0))
    return total
