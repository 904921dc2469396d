"""Recurring revenue from period to period."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import numpy as np

from retention_metrics._checks import freeze, refuse_if, whole
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._periods import label
from retention_metrics._results import Result
from retention_metrics._typing import BoolArray, FloatArray, IntArray, Period
from retention_metrics.revenue._rates import (
    GrossChurn,
    NetChurn,
    gross_churn,
    gross_retention,
    net_churn,
    net_retention,
    quick_ratio,
)
from retention_metrics.revenue._waterfall import GAINS, LOSSES, Waterfall, cent

MovementMode = Literal["snapshot", "event"]

_MONEY = ("start", *GAINS, *LOSSES, "end")
_HEADS = tuple(f"{name}_customers" for name in _MONEY)
_SHOWN = 24


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RevenueFlow(Result):
    """Recurring revenue from period to period: ``start + gains - losses = end``, in money and in customers.

    Each array has one element a period. Sums of a period that ``as_of`` cuts short are sums so far; ``complete`` says
    which periods are whole. ``*_customers`` count movements: in snapshot mode a customer has at most one in a period,
    in event mode as many as the amount changed.

    Attributes:
        periods: First day of each period.
        complete: Whether the period had ended by ``as_of``.
        start: Recurring revenue when the period opened.
        new: Revenue from customers who were never there before.
        reactivation: Revenue from customers who had left and came back.
        expansion: Revenue gained from customers who were there.
        contraction: Revenue lost from customers who stayed and pay less.
        churn: Revenue lost from customers who left.
        end: Recurring revenue when the period closed.
        start_customers: Paying customers when the period opened.
        new_customers: Customers who were never there before.
        reactivation_customers: Customers who had left and came back.
        expansion_customers: Customers who pay more.
        contraction_customers: Customers who stayed and pay less.
        churn_customers: Customers who left.
        end_customers: Paying customers when the period closed.
        period: ``"month"`` or another calendar period.
        as_of: Last day that the data cover.
        mode: ``"snapshot"`` compares the amounts in force when periods close; ``"event"`` adds up every change.
        reactivation_window: Days after which a return is new, or ``None``: a return is a reactivation however late.
        excluded: Rows of the log left out, by reason.
    """

    periods: tuple[date, ...]
    complete: BoolArray
    start: FloatArray
    new: FloatArray
    reactivation: FloatArray
    expansion: FloatArray
    contraction: FloatArray
    churn: FloatArray
    end: FloatArray
    start_customers: IntArray
    new_customers: IntArray
    reactivation_customers: IntArray
    expansion_customers: IntArray
    contraction_customers: IntArray
    churn_customers: IntArray
    end_customers: IntArray
    period: Period
    as_of: date
    mode: MovementMode
    reactivation_window: int | None
    excluded: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a book that does not close, or opens otherwise than it closed; make the arrays read-only."""
        freeze(self, "complete", *_MONEY, *_HEADS)
        reached = self.start + self.new + self.reactivation + self.expansion - self.contraction - self.churn
        slack = cent(float(np.abs(reached).max(initial=0.0)), float(np.abs(self.end).max(initial=0.0)))
        refuse_if(np.abs(reached - self.end) > slack, "start + gains - losses is not end")
        refuse_if(
            np.abs(self.start[1:] - self.end[:-1]) > slack, "a period does not open with what the last closed with"
        )
        heads = self.start_customers + self.new_customers + self.reactivation_customers - self.churn_customers
        refuse_if(
            heads != self.end_customers, "customers at the start + new + reactivated - lost are not those at the end"
        )

    def gross_retention(self) -> FloatArray:
        """Gross revenue retention (GRR) of each period; NaN where it is undefined.

        References:
            See :func:`gross_retention`.
        """
        return gross_retention(start=self.start, contraction=self.contraction, churn=self.churn, undefined="nan")

    def net_retention(self, *, count_reactivation: bool = False) -> FloatArray:
        """Net revenue retention (NRR) of each period; NaN where it is undefined.

        Args:
            count_reactivation: Whether customers who came back count, as with Tidemill and ChartMogul.

        References:
            See :func:`net_retention`.
        """
        return net_retention(
            start=self.start,
            expansion=self.expansion,
            contraction=self.contraction,
            churn=self.churn,
            reactivation=self.reactivation if count_reactivation else 0.0,
            undefined="nan",
        )

    def logo_retention(self) -> FloatArray:
        """Share of the customers of each start who did not leave; NaN where there were none, or more left.

        References:
            Tidemill, *Metric definitions*, Logo Churn Rate, is 1 minus this.
        """
        kept = self.start_customers - self.churn_customers
        defined = (self.start_customers > 0) & (kept >= 0)
        rate: FloatArray = np.divide(kept, self.start_customers, out=np.full(kept.shape, np.nan), where=defined)
        return rate

    def gross_churn(self, definition: GrossChurn = "chartmogul") -> FloatArray:
        """Gross revenue churn of each period, as ChartMogul or as Tidemill defines it; NaN where start is 0.

        References:
            See :func:`gross_churn`.
        """
        return gross_churn(
            start=self.start, contraction=self.contraction, churn=self.churn, definition=definition, undefined="nan"
        )

    def net_churn(self, definition: NetChurn = "baremetrics") -> FloatArray:
        """Net revenue churn of each period, as Baremetrics or as ChartMogul defines it; NaN where start is 0.

        References:
            See :func:`net_churn`.
        """
        return net_churn(
            start=self.start,
            expansion=self.expansion,
            contraction=self.contraction,
            churn=self.churn,
            reactivation=self.reactivation,
            definition=definition,
            undefined="nan",
        )

    def quick_ratio(self, *, count_reactivation: bool = False) -> FloatArray:
        """Quick ratio of each period; NaN where nothing was lost.

        Args:
            count_reactivation: Whether customers who came back count, as with Tidemill.

        References:
            See :func:`quick_ratio`.
        """
        return quick_ratio(
            new=self.new,
            expansion=self.expansion,
            contraction=self.contraction,
            churn=self.churn,
            reactivation=self.reactivation if count_reactivation else 0.0,
            undefined="nan",
        )

    def waterfalls(self, *, last: int | None = None) -> tuple[Waterfall, ...]:
        """The complete periods one by one, for instance for :func:`compound_retention`.

        Args:
            last: Only so many, counted from the latest; ``None`` takes all.
        """
        chosen = np.flatnonzero(self.complete)
        if last is not None:
            chosen = chosen[-whole(1, last=last) :]
        return tuple(Waterfall(**{name: float(getattr(self, name)[i]) for name in _MONEY}) for i in chosen)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a period."""
        table: dict[str, Any] = {
            "period": [label(day, self.period) for day in self.periods],
            "complete": self.complete.tolist(),
        }
        return table | {name: getattr(self, name).tolist() for name in (*_MONEY, *_HEADS)}

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a period, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)

    def __str__(self) -> str:
        first = max(len(self.periods) - _SHOWN, 0)
        lines = ["period    " + "".join(f"{name:>14}" for name in _MONEY)]
        lines += [f"... {first} earlier"] if first else []
        for i in range(first, len(self.periods)):
            money = "".join(f"{getattr(self, name)[i]:>14,.2f}" for name in _MONEY)
            lines.append(f"{label(self.periods[i], self.period):<10}{money}{'' if self.complete[i] else '  so far'}")
        return "\n".join(lines)
