"""The identities of a book, checked."""

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._periods import periods_of
from retention_metrics._results import Readable, text_table
from retention_metrics._typing import BoolArray, IntArray
from retention_metrics.prepaid._book import Book, package_table, rights_left
from retention_metrics.prepaid._flows import outstanding, owed


class AuditCheck(BaseModel):
    """One identity: for how many things it was checked, and for how many it does not hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    checked: int
    broken: int


class Audit(Readable, BaseModel):
    """The identities of a book; ``passed`` when all of them hold.

    Examples:
        >>> Audit(checks=(AuditCheck(name="sold = used + left", checked=3, broken=0),)).passed
        True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    checks: tuple[AuditCheck, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing is broken."""
        return not any(each.broken for each in self.checks)

    def __str__(self) -> str:
        """The checks as text."""
        return text_table(
            {
                "identity": [each.name for each in self.checks],
                "checked": [each.checked for each in self.checks],
                "broken": [each.broken for each in self.checks],
            }
        )


def audit_book(made: Book) -> Audit:
    """See :meth:`Ledger.audit`."""
    table = package_table(made)
    standing, packages = made.replay.standing, made.packages
    end = np.array([made.as_of])
    by_package = _closing(made, "package", end)
    by_customer = _closing(made, "customer", end)
    net = table.liability - table.contract_asset
    customers = np.zeros(len(made.columns.customers), np.int64)
    np.add.at(customers, np.append(standing.owner, made.unpaid.customer), net)
    plans = np.zeros(len(made.plans), np.int64)
    np.add.at(plans, made.plan, net)
    sums, sessions = by_package
    of_packages = slice(len(packages))
    checks = [
        ("movements of a package add up to what is owed on it", owed(sums)[:, 0] != net),
        ("movements of a customer add up to what is owed", owed(by_customer[0])[:, 0] != customers),
        ("movements of a plan add up to what is owed", owed(_closing(made, "plan", end)[0])[:, 0] != plans),
        ("sessions sold = delivered + expired + refunded + left", sessions[:, 0] != table.left),
        ("sessions left of a customer", by_customer[1][:, 0] != _left_by_customer(made)),
        ("no session is used twice", (rights_left(made) < 0) | (standing.used < 0)),
        (
            "sessions earned their shares of the price, to the unit",
            (sums["earned"][of_packages, 0] != packages.earned(slice(None), standing.used)) & ~packages.term,
        ),
        ("nothing that expired or was refunded is owed, but to third parties", _stale(made, table.liability)),
        ("periods close with what the next ones open with", _broken_chain(made)),
        ("transfers change no total", owed(_transfers_only(made))[:, 0] != 0),
    ]
    return Audit(
        checks=tuple(
            AuditCheck(name=name, checked=len(broken), broken=int(np.count_nonzero(broken))) for name, broken in checks
        )
    )


def _closing(made: Book, by: str, ends: IntArray) -> tuple[dict[str, IntArray], IntArray]:
    key, groups = made.key(by)  # type: ignore[arg-type]
    sums = made.flows.grid(key, len(groups), ends)
    return sums, outstanding(sums)


def _left_by_customer(made: Book) -> IntArray:
    left = np.zeros(len(made.columns.customers), np.int64)
    np.add.at(left, made.replay.standing.owner, rights_left(made))
    return left


def _stale(made: Book, liability: IntArray) -> BoolArray:
    standing = made.replay.standing
    closed = standing.expired | standing.refunded
    held: IntArray = liability[: len(closed)]
    stale: BoolArray = closed & (held != standing.escheat)
    return stale


def _broken_chain(made: Book) -> BoolArray:
    """Months that do not close with what all days up to their last one leave."""
    first = made.flows.first_day()
    days = np.arange(first, made.as_of + 1)
    months = periods_of(days, "month")
    ends = days[np.append(months[1:] != months[:-1], True)]
    daily, monthly = (np.cumsum(owed(_closing(made, "plan", each)[0]).sum(axis=0)) for each in (days, ends))
    broken: BoolArray = monthly != daily[ends - first]
    return broken


def _transfers_only(made: Book) -> dict[str, IntArray]:
    sums, _ = _closing(made, "package", np.array([made.as_of]))
    return {name: each if name == "transferred" else np.zeros_like(each) for name, each in sums.items()}
