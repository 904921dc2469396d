"""Where recurring revenue came from and where it went, customer by customer."""

import itertools
import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from retention_metrics._checks import at_least, choice, freeze, refuse_if, single
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result
from retention_metrics._typing import BoolArray, FloatArray
from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.revenue._customers import Amounts, Book, Flags, read_book
from retention_metrics.revenue._definitions import Definitions
from retention_metrics.revenue._rates import GrossChurn, NetChurn
from retention_metrics.revenue._waterfall import GAINS, LOSSES, Waterfall, cent, lines_of

Movement = Literal["new", "reactivation", "expansion", "contraction", "churn", "unchanged", "absent"]
MOVEMENTS: tuple[Movement, ...] = (*GAINS, *LOSSES, "unchanged", "absent")  # type: ignore[assignment]

_DUST = 1e-12  # of an amount: what sums of cents may differ by and still be the same amount


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Movements(Result):
    """What each customer paid at the start and at the end of a period, and the movement between.

    ``new``, ``expansion`` and the other movements are arrays with one element a customer: the amount of the movement,
    0 for customers of another one. ``totals`` is their :class:`Waterfall`, which closes to the cent.

    Attributes:
        customers: Ids of the customers, or ``None`` when they were not named.
        start: What each paid per month when the period opened.
        end: What each paid when it closed.
        transfer: What each took over from other accounts, below 0 handed over.
        revaluation: What the change of exchange rates added to ``end``, below 0 took.
        movement: The name of each customer's movement; ``"absent"`` for those who paid nothing at either end.
    """

    customers: tuple[Hashable, ...] | None
    start: FloatArray
    end: FloatArray
    transfer: FloatArray
    revaluation: FloatArray
    movement: NDArray[np.str_]

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, "start", "end", "transfer", "revaluation", "movement")

    def _of(self, movement: Movement) -> FloatArray:
        moved = np.abs(self.end - self.revaluation - self.start - self.transfer)
        return np.where(self.movement == movement, moved, 0.0)

    @property
    def new(self) -> FloatArray:
        """Revenue of customers who were never there before."""
        return self._of("new")

    @property
    def reactivation(self) -> FloatArray:
        """Revenue of customers who had left and came back."""
        return self._of("reactivation")

    @property
    def expansion(self) -> FloatArray:
        """Revenue gained from customers who were there."""
        return self._of("expansion")

    @property
    def contraction(self) -> FloatArray:
        """Revenue lost from customers who stayed and pay less."""
        return self._of("contraction")

    @property
    def churn(self) -> FloatArray:
        """Revenue lost from customers who left."""
        return self._of("churn")

    @property
    def unchanged(self) -> FloatArray:
        """Revenue of customers who pay what they paid."""
        return np.where(self.movement == "unchanged", self.start + self.transfer, 0.0)

    @property
    def counts(self) -> dict[Movement, int]:
        """Customers by movement."""
        return {each: int(np.count_nonzero(self.movement == each)) for each in MOVEMENTS}

    @property
    def totals(self) -> Waterfall:
        """The movements summed over customers."""
        return Waterfall(
            start=float(self.start.sum()),
            new=float(self.new.sum()),
            reactivation=float(self.reactivation.sum()),
            expansion=float(self.expansion.sum()),
            contraction=float(self.contraction.sum()),
            churn=float(self.churn.sum()),
            transfer=float(self.transfer.sum()),
            revaluation=float(self.revaluation.sum()),
            end=float(self.end.sum()),
        )

    @property
    def gross_retention(self) -> float:
        """Gross revenue retention (GRR): the share of the opening revenue that was not lost, from 0 to 1.

        References:
            See :func:`gross_retention`.
        """
        return self.totals.gross_retention

    def net_retention(self, *, count_reactivation: bool = False) -> float:
        """Net revenue retention (NRR): what customers of the start bring at the end, over what they brought.

        Args:
            count_reactivation: Whether customers who came back count, as with Tidemill and ChartMogul.

        References:
            See :func:`net_retention`.
        """
        return self.totals.net_retention(count_reactivation=count_reactivation)

    @property
    def logo_retention(self) -> float:
        """Share of the customers of the start who were still there at the end: heads, not money.

        References:
            Tidemill, *Metric definitions*, Logo Churn Rate, is 1 minus this.
        """
        there, lost = self._logos()
        if there == 0:
            raise UndefinedMetric("logo_retention", "there were no customers at the start")
        return (there - lost) / there

    def gross_churn(self, definition: GrossChurn = "chartmogul") -> float:
        """Gross revenue churn, as ChartMogul or as Tidemill defines it.

        References:
            See :func:`gross_churn`.
        """
        return self.totals.gross_churn(definition)

    def net_churn(self, definition: NetChurn = "baremetrics") -> float:
        """Net revenue churn, as Baremetrics or as ChartMogul defines it.

        References:
            See :func:`net_churn`.
        """
        return self.totals.net_churn(definition)

    def quick_ratio(self, *, count_reactivation: bool = False) -> float:
        """Quick ratio: what was gained for every unit that was lost.

        Args:
            count_reactivation: Whether customers who came back count, as with Tidemill.

        References:
            See :func:`quick_ratio`.
        """
        return self.totals.quick_ratio(count_reactivation=count_reactivation)

    def definitions(self) -> Definitions:
        """Every named rate of these movements, side by side; see :func:`definitions`."""
        there, lost = self._logos()
        return self.totals.definitions(customers=there, customers_lost=lost)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a customer."""
        who = range(self.start.size) if self.customers is None else self.customers
        names = ("start", "end", "transfer", "revaluation", "movement", *GAINS, *LOSSES)
        return {"customer": list(who)} | {name: getattr(self, name).tolist() for name in names}

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a customer, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)

    def __str__(self) -> str:
        heads = {name: int(np.count_nonzero(getattr(self, name))) for name in ("start", "end")} | {**self.counts}
        return "\n".join(
            f"{sign} {name:<14}{amount:>16,.2f}{heads.get(name, ''):>12}"
            for sign, name, amount in lines_of(self.totals)
        )

    def _logos(self) -> tuple[int, int]:
        """Customers who were there to be kept, and those of them who left."""
        counts = self.counts
        stayed = counts["expansion"] + counts["contraction"] + counts["unchanged"]
        return stayed + counts["churn"], counts["churn"]


def movements(
    start: Amounts,
    end: Amounts,
    *,
    seen_before: Flags | None = None,
    customers: Iterable[Hashable] | None = None,
    transfers: Amounts | None = None,
    revaluation: Amounts | None = None,
    start_total: float | None = None,
    end_total: float | None = None,
) -> Movements:
    r"""Movements of recurring revenue between two days, customer by customer.

    ============== ================================== ===========================================================
    movement       start and end                      says
    ============== ================================== ===========================================================
    new            0, then more; not seen before      a customer for the first time
    reactivation   0, then more; seen before          a customer who had left and came back
    expansion      more than 0, then more than that   pays more
    contraction    more than 0, then less             pays less
    churn          more than 0, then 0                left
    unchanged      the same                           amounts that differ by less than 1e-12 of them are the same
    ============== ================================== ===========================================================

    The unit is the customer: add up the subscriptions of each first. A customer who cancels one of two has contracted.
    A transfer is made when the period opens: it moves the amount that the customer is compared with, so that a merger
    of accounts is neither churn nor expansion. Revaluation is taken out of the closing amount before it is compared,
    so that movements are at the exchange rates of the start.

    Args:
        start: What each customer paid per month when the period opened, >= 0: an array, or a dict by customer.
        end: What each paid when it closed: an array in the same order, or a dict; who is missing in one has 0 there.
        seen_before: Who had paid at any time before the start: true or false for each element of an array, or the
            ids. ``None``: nobody, and who was not there at the start is new.
        customers: Ids of the elements of arrays, each once.
        transfers: What each customer took over from other accounts, below 0 handed over: an array or a dict.
        revaluation: The closing amount less what it would be at the exchange rates of the start: an array or a dict.
        start_total: Total of the start that the books state; the amounts must add up to it, to the cent.
        end_total: Total of the end that the books state; the amounts must add up to it, to the cent.

    Returns:
        A :class:`Movements`.

    Raises:
        InvalidValue: A negative amount, a customer named twice, arrays that differ in length, more transferred or
            revalued away than there is, or sums that are not the stated totals.
        InvalidType: A value is not a plain number, or arrays beside dicts.

    Examples:
        >>> january = {"ann": 200, "bob": 100, "cleo": 50, "dan": 50}
        >>> february = {"ann": 200, "bob": 130, "cleo": 20, "eve": 60, "fay": 40}
        >>> moved = movements(january, february, seen_before={"fay"})
        >>> print(moved)
          start                   400.00           4
        + new                      60.00           1
        + reactivation             40.00           1
        + expansion                30.00           1
        - contraction              30.00           1
        - churn                    50.00           1
        = end                     450.00           5
        >>> moved.gross_retention, moved.net_retention(), moved.logo_retention
        (0.8, 0.875, 0.75)
        >>> moved.net_retention(count_reactivation=True)
        0.975
        >>> merged = movements({"a": 100, "b": 50}, {"b": 150}, transfers={"a": -100, "b": 100})
        >>> merged.gross_retention, merged.net_retention()
        (1.0, 1.0)

    References:
        ChartMogul, *Data Table and MRR Movements*; Tidemill, *Metric definitions*, MRR Movements.
    """
    book = read_book(start, end, seen_before, customers, transfers, revaluation)
    for name, total, amounts in (("start", start_total, book.start), ("end", end_total, book.end)):
        if total is not None:
            _refuse_other_sum(
                name, single(at_least(0, open_low=False, **{f"{name}_total": total}), f"{name}_total"), amounts
            )
    return _compared(book)


def compound_retention(
    periods: Iterable[Movements | Waterfall],
    *,
    kind: Literal["net", "gross"] = "net",
    count_reactivation: bool = False,
) -> float:
    r"""Retention over several periods by compounding: the product of the retention of each.

    .. math:: \prod_t \text{NRR}_t \quad\text{or}\quad \prod_t \text{GRR}_t

    Each period has its own start, with the customers won before it, so this is not what the customers of the first
    start brought in the end: :func:`follow_cohort` is.

    Args:
        periods: Movements or waterfalls of periods that follow one another.
        kind: Net or gross revenue retention.
        count_reactivation: Whether customers who came back count in net retention.

    Returns:
        A fraction >= 0.

    Raises:
        UndefinedMetric: A period opened without revenue.
        InvalidValue: No period, or an unknown kind.

    Examples:
        >>> january = movements([50, 50, 0], [45, 50, 100])
        >>> february = movements([45, 50, 100], [45, 50, 0])
        >>> january.net_retention(), round(february.net_retention(), 4)
        (0.95, 0.4872)
        >>> round(compound_retention([january, february]), 4)
        0.4628

    References:
        Compounding of rates; ChartMogul, *Cohort: Net MRR Retention*, for following the cohort instead.
    """
    choice(("net", "gross"), kind=kind)
    rates = [
        each.gross_retention if kind == "gross" else each.net_retention(count_reactivation=count_reactivation)
        for each in periods
    ]
    if not rates:
        raise InvalidValue("periods is empty; pass the movements of at least one period")
    return math.prod(rates)


def follow_cohort(periods: Sequence[Movements]) -> Movements:
    """Movements over several periods by following customers from the first start to the last end.

    What a customer lost and gained back in between cancels out; who came and went in between is absent. Its
    ``net_retention()`` is what the customers of the first start still bring.

    Args:
        periods: Movements of periods that follow one another: of arrays with the same customers in the same order, or
            of named customers.

    Returns:
        A :class:`Movements` of the whole time.

    Raises:
        InvalidValue: No period, a period that does not open with the amounts with which the one before it closed, or
            customers that are named in one and not in another.

    Examples:
        >>> january = movements({"ann": 50, "bob": 50}, {"ann": 60, "bob": 50, "cleo": 100})
        >>> february = movements({"ann": 60, "bob": 50, "cleo": 100}, {"ann": 60, "bob": 50})
        >>> round(compound_retention([january, february]), 4)
        0.5762
        >>> follow_cohort([january, february]).net_retention()
        1.1

    References:
        ChartMogul, *Cohort: Net MRR Retention*.
    """
    if not periods:
        raise InvalidValue("periods is empty; pass the movements of at least one period")
    ids, books = _aligned(periods)
    for number, (before, after) in enumerate(itertools.pairwise(books), start=1):
        apart = np.abs(before.end - after.start) > cent()
        refuse_if(apart, f"periods[{number}] does not open with the amounts with which periods[{number - 1}] closed")
    if any(each.transfer.any() for each in books[1:]) or any(each.revaluation.any() for each in books[:-1]):
        raise InvalidValue(
            "periods hold transfers after the first start, or revaluation before the last end, so amounts of different "
            "days cannot be compared; state all of them for the same accounts and at the same exchange rates"
        )
    first = books[0].movement
    for each in books[1:]:
        first = np.where(first == "absent", each.movement, first)
    return _compared(
        Book(ids, books[0].start, books[-1].end, books[0].transfer, books[-1].revaluation, seen_before=first != "new")
    )


def _compared(book: Book) -> Movements:
    """The movement of each customer between two days."""
    opening = _without_dust(book.start + book.transfer, book.start, "transfers take more from a customer than start is")
    closing = _without_dust(book.end - book.revaluation, book.end, "revaluation is more than the end of a customer")
    same = np.abs(closing - opening) <= _DUST * np.maximum(closing, opening)
    there, stays = opening > 0, closing > 0
    cases: list[tuple[Movement, BoolArray]] = [
        ("absent", ~there & ~stays),
        ("unchanged", same),
        ("reactivation", ~there & book.seen_before),
        ("new", ~there),
        ("churn", ~stays),
        ("expansion", closing > opening),
    ]
    names, flags = zip(*cases, strict=True)
    return Movements(
        customers=book.customers,
        start=book.start,
        end=book.end,
        transfer=book.transfer,
        revaluation=book.revaluation,
        movement=np.select(flags, names, default="contraction"),
    )


def _without_dust(amount: FloatArray, of: FloatArray, refusal: str) -> FloatArray:
    """An amount that is left of another one, exactly 0 where only rounding is."""
    left = np.where(np.abs(amount) <= _DUST * of, 0.0, amount)
    refuse_if(left < 0, refusal)
    return left


def _refuse_other_sum(name: str, total: float, amounts: FloatArray) -> None:
    found = float(amounts.sum())
    if abs(found - total) > cent(found, total):
        raise InvalidValue(
            f"the amounts of {name} add up to {found:,.2f}, and {name}_total is {total:,.2f}: {total - found:,.2f} is "
            "not explained; are customers missing, or named twice?"
        )


def _aligned(periods: Sequence[Movements]) -> tuple[tuple[Hashable, ...] | None, list[Movements]]:
    """The ids of all customers, and the periods with those customers in that order."""
    named = [each.customers for each in periods if each.customers is not None]
    if not named:
        sizes = {each.start.size for each in periods}
        if len(sizes) > 1:
            raise InvalidValue(f"periods have {sorted(sizes)} customers; name the customers when they differ")
        return None, list(periods)
    if len(named) < len(periods):
        raise InvalidValue("periods must all name their customers, or none of them")
    index = {each: number for number, each in enumerate(dict.fromkeys(itertools.chain.from_iterable(named)))}
    return tuple(index), [_spread(each, index) for each in periods]


def _spread(period: Movements, index: dict[Hashable, int]) -> Movements:
    """A period with a place for every customer of all periods."""
    places = np.fromiter((index[each] for each in period.customers or ()), np.int64, period.start.size)
    money = {name: np.zeros(len(index)) for name in ("start", "end", "transfer", "revaluation")}
    for name, amounts in money.items():
        amounts[places] = getattr(period, name)
    movement = np.full(len(index), "absent", dtype=period.movement.dtype)
    movement[places] = period.movement
    return Movements(customers=tuple(index), movement=movement, **money)
