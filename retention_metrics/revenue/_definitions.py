"""Every named revenue rate of one book, side by side."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import choice, single, whole
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result
from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.revenue._rates import FORMULAS, checked, fraction_of, rate_of

_VENDORS = {
    "gross_retention": "Tidemill",
    "net_retention": "Baremetrics",
    "net_retention_tidemill": "Tidemill",
    "gross_churn_chartmogul": "ChartMogul",
    "gross_churn_tidemill": "Tidemill",
    "net_churn_baremetrics": "Baremetrics",
    "net_churn_chartmogul": "ChartMogul",
    "quick_ratio": "ChartMogul, Baremetrics",
    "quick_ratio_tidemill": "Tidemill",
}


class DefinedRate(BaseModel):
    """One rate of a book under its name, with the numbers it was made of and a sentence that says what it is.

    ``value`` is ``None`` where the book has no such rate, and ``reason`` says why. ``unit`` is ``"fraction"``, or
    ``"ratio"`` for a multiple.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    value: float | None
    numerator: float | None
    denominator: float | None
    meaning: str
    reason: str | None = None
    unit: Literal["fraction", "ratio"] = "fraction"


class Definitions(Result, BaseModel):
    """Every named revenue rate of one book, side by side."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rates: tuple[DefinedRate, ...]

    def __getitem__(self, name: str) -> DefinedRate:
        """The rate of a name."""
        choice([rate.name for rate in self.rates], name=name)
        return next(rate for rate in self.rates if rate.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a definition."""
        names = ("name", "value", "unit", "numerator", "denominator", "meaning", "reason")
        return {name: [getattr(rate, name) for rate in self.rates] for name in names}

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a definition, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)

    def __str__(self) -> str:
        return "\n".join(f"{rate.name:<24}{_shown(rate):>8}  {rate.reason or rate.meaning}" for rate in self.rates)


def definitions(
    *,
    start: float,
    new: float,
    expansion: float,
    contraction: float,
    churn: float,
    reactivation: float = 0.0,
    customers: int | None = None,
    customers_lost: int | None = None,
) -> Definitions:
    """Every named retention, churn and quick ratio of one book of recurring revenue, side by side.

    Vendors differ in whether contraction is churn, and in whether customers who came back make up for losses. They
    also differ, which these sums do not show, in the movements they see: ProfitWell leaves out who came and went
    within a month, Maxio counts them as new and as churn; a return after more than 90 days is new to
    Maxio and a reactivation to ProfitWell. ``logs.Subscriptions.movements`` offers those choices by name.

    Args:
        start: Recurring revenue when the period opened, >= 0.
        new: Revenue from new customers, >= 0.
        expansion: Revenue gained from customers who were there, >= 0.
        contraction: Revenue lost from customers who stayed and pay less, >= 0.
        churn: Revenue lost from customers who left, >= 0.
        reactivation: Revenue from customers who came back, >= 0.
        customers: Paying customers when the period opened, or ``None``.
        customers_lost: Those of them who left; without it and ``customers`` there is no ``logo_retention``.

    Returns:
        :class:`Definitions`: a table that can be asked by name.

    Raises:
        InvalidValue: An amount or a count is negative, or more customers were lost than there were.
        InvalidType: A value is not a plain number.

    Examples:
        >>> book = definitions(start=400, new=60, expansion=30, contraction=30, churn=50, reactivation=40)
        >>> book["net_retention"].value, book["net_churn_chartmogul"].value
        (0.875, 0.025)
        >>> print(book)
        gross_retention           80.00%  (start - contraction - churn) / start: Tidemill
        net_retention             87.50%  (start + expansion - contraction - churn) / start: Baremetrics
        net_retention_tidemill    97.50%  (start + expansion + reactivation - contraction - churn) / start: Tidemill
        gross_churn_chartmogul    20.00%  (churn + contraction) / start: ChartMogul
        gross_churn_tidemill      12.50%  churn / start: Tidemill
        net_churn_baremetrics     12.50%  (churn + contraction - expansion) / start: Baremetrics
        net_churn_chartmogul       2.50%  (churn + contraction - expansion - reactivation) / start: ChartMogul
        quick_ratio                1.125  (new + expansion) / (contraction + churn): ChartMogul, Baremetrics
        quick_ratio_tidemill       1.625  (new + expansion + reactivation) / (contraction + churn): Tidemill
        logo_retention                 -  customers and customers_lost were not given

    References:
        ChartMogul, *Metric: MRR Churn Rate*; Baremetrics, *Net Revenue Retention* and *Quick Ratio*; Tidemill, *Metric
        definitions*; Paddle, *ProfitWell vs. Maxio*, for the movements that count.
    """
    amounts = checked(
        start=start, new=new, expansion=expansion, contraction=contraction, churn=churn, reactivation=reactivation
    )
    book = {name: single(amount, name) for name, amount in amounts.items()}
    return Definitions(rates=(*(_rate(name, book) for name in FORMULAS), _logo_retention(customers, customers_lost)))


def _rate(name: str, book: dict[str, float]) -> DefinedRate:
    numerator, denominator = fraction_of(name, book)
    try:
        value, reason = rate_of(name, book), None
    except UndefinedMetric as error:
        value, reason = None, error.reason
    above, below = (f"({part})" if " " in part else part for part in FORMULAS[name])
    return DefinedRate(
        name=name,
        value=value,
        numerator=numerator,
        denominator=denominator,
        meaning=f"{above} / {below}: {_VENDORS[name]}",
        reason=reason,
        unit="ratio" if name.startswith("quick_ratio") else "fraction",
    )


def _logo_retention(customers: int | None, customers_lost: int | None) -> DefinedRate:
    """Of the customers at the start, those who were still there at the end."""
    value = kept = there = reason = None
    if customers is None or customers_lost is None:
        reason = "customers and customers_lost were not given"
    else:
        there, lost = whole(0, customers=customers), whole(0, customers_lost=customers_lost)
        if lost > there:
            raise InvalidValue(f"customers_lost must be at most customers, got {lost} of {there}")
        kept = there - lost
        value, reason = (kept / there, None) if there else (None, "there were no customers at the start")
    return DefinedRate(
        name="logo_retention",
        value=value,
        numerator=kept,
        denominator=there,
        meaning="(customers - customers lost) / customers: heads, not money",
        reason=reason,
    )


def _shown(rate: DefinedRate) -> str:
    if rate.value is None:
        return "-"
    return f"{rate.value:.2%}" if rate.unit == "fraction" else f"{rate.value:.3f}"
