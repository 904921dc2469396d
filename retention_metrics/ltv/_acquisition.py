"""What a customer costs: acquisition cost on two axes, with the time that spend takes to work, and LTV to CAC."""

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, overload

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import (
    aligned,
    at_least,
    choice,
    divide,
    finite,
    fraction,
    freeze,
    single,
    whole,
)
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result
from retention_metrics._typing import FloatArray, Numbers, Scalar, Undefined, Vector
from retention_metrics.errors import InvalidValue, UndefinedMetric

_ROUNDING = 1e-9  # weights written as decimals


@overload
def acquisition_cost(*, spend: Scalar, customers: Scalar, undefined: Undefined = "raise") -> float: ...
@overload
def acquisition_cost(*, spend: Numbers, customers: Numbers, undefined: Undefined = "raise") -> FloatArray: ...
def acquisition_cost(*, spend: Numbers, customers: Numbers, undefined: Undefined = "raise") -> float | FloatArray:
    r"""Customer acquisition cost (CAC): what was spent for each customer won.

    .. math:: \text{CAC} = \text{spend} / \text{customers}

    Name what both numbers hold before comparing two of them: ``spend`` may be media only, or fully loaded
    with agency fees and salaries; ``customers`` may be all who came, or those that advertising brought.

    Args:
        spend: Money spent on winning customers, >= 0.
        customers: Customers won for it, >= 0.
        undefined: ``"nan"`` gives NaN where an array has no customers, instead of an error.

    Returns:
        Money per customer: a float for two numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: ``customers`` is 0: money was spent and nobody came.
        InvalidValue: A value is negative.
        InvalidType: A value is not a plain number.

    Examples:
        >>> round(acquisition_cost(spend=410, customers=15), 2)
        27.33
        >>> media, agency = 260, 150
        >>> round(acquisition_cost(spend=media, customers=15), 2), acquisition_cost(spend=media + agency, customers=10)
        (17.33, 41.0)

    References:
        Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5.
    """
    money = at_least(0, spend=spend)
    won = at_least(0, customers=customers)
    aligned(spend=money, customers=won)
    reason = "customers is 0, nobody was won for this spend"
    return divide(money, won, metric="acquisition_cost", reason=reason, undefined=undefined)


Costs: TypeAlias = Literal["media", "loaded"]
Customers: TypeAlias = Literal["all", "paid"]


class CostCell(BaseModel):
    """One of the four acquisition costs.

    Attributes:
        cost: ``"media"``: what was paid for advertising only; ``"loaded"``: with agency, tools and salaries.
        customers: ``"all"`` who came, or those that ``"paid"`` advertising brought.
        spend: Money counted.
        won: Customers counted.
        value: Money per customer, or ``None``.
        reason: Why there is no value, or ``None``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cost: Costs
    customers: Customers
    spend: float
    won: float | None
    value: float | None
    reason: str | None


class AcquisitionCosts(Result, BaseModel):
    """The four acquisition costs side by side; each answers another question.

    Attributes:
        cells: media / all, media / paid, loaded / all, loaded / paid.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cells: tuple[CostCell, ...]

    def cell(self, *, cost: Costs, customers: Customers) -> CostCell:
        """The cell of the table by its two names."""
        choice(("media", "loaded"), cost=cost)
        choice(("all", "paid"), customers=customers)
        return next(cell for cell in self.cells if (cell.cost, cell.customers) == (cost, customers))

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a cell; ``None`` where there is no value."""
        return {name: [getattr(cell, name) for cell in self.cells] for name in CostCell.model_fields}

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a cell, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)

    def __str__(self) -> str:
        """The table as text: costs in rows, customers in columns, and the reasons for gaps below."""
        lines = [f"{'cost per customer':<17} {'all':>12} {'paid':>12}"]
        for cost in ("media", "loaded"):
            shown = ["-" if cell.value is None else f"{cell.value:,.2f}" for cell in self.cells if cell.cost == cost]
            lines.append(f"{cost:<17} {shown[0]:>12} {shown[1]:>12}")
        return "\n".join([*lines, *dict.fromkeys(cell.reason for cell in self.cells if cell.reason)])


def acquisition_costs(
    *,
    media: float,
    customers: float,
    paid: float | None = None,
    agency: float = 0,
    tools: float = 0,
    marketing_salaries: float = 0,
    sales_salaries: float = 0,
) -> AcquisitionCosts:
    r"""Acquisition cost on its two axes: which money, and which customers.

    .. math:: \text{CAC} = \frac{\text{media} \;[+ \text{agency} + \text{tools} + \text{salaries}]}
        {\text{all customers, or those from paid channels}}

    "Blended" is used for both, all customers and full costs, so neither is called that here. Media over paid customers
    says what the next click is worth; loaded over all says whether the business as a whole can afford its growth.

    Args:
        media: Money paid for advertising: clicks, slots, space; >= 0.
        customers: All customers won, >= 0.
        paid: Those of them that advertising brought, from 0 to ``customers``; ``None`` when nobody knows.
        agency: Fees of those who run the advertising, >= 0.
        tools: Software and services for it, >= 0.
        marketing_salaries: Salaries of those who make it, >= 0.
        sales_salaries: Salaries of those who turn leads into customers, >= 0.

    Returns:
        An :class:`AcquisitionCosts` of four cells; undefined ones hold ``None`` and the reason.

    Raises:
        InvalidValue: A value is negative, or ``paid`` exceeds ``customers``.
        InvalidType: A value is not a plain number.

    Examples:
        >>> print(acquisition_costs(media=260, agency=150, customers=15, paid=10))
        cost per customer          all         paid
        media                    17.33        26.00
        loaded                   27.33        41.00

    References:
        Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5; Skok, *SaaS Metrics 2.0*, for full costs.
    """
    parts = {
        "media": at_least(0, media=media),
        "agency": at_least(0, agency=agency),
        "tools": at_least(0, tools=tools),
        "marketing_salaries": at_least(0, marketing_salaries=marketing_salaries),
        "sales_salaries": at_least(0, sales_salaries=sales_salaries),
    }
    sums = {name: single(part, name) for name, part in parts.items()}
    spends: dict[Costs, float] = {"media": sums["media"], "loaded": math.fsum(sums.values())}
    everybody = single(at_least(0, customers=customers), "customers")
    bought = None if paid is None else single(at_least(0, paid=paid), "paid")
    if bought is not None and bought > everybody:
        raise InvalidValue(f"paid must be at most the {everybody:g} customers, got {bought:g}")
    counts: dict[Customers, float | None] = {"all": everybody, "paid": bought}
    return AcquisitionCosts(
        cells=tuple(_cell(cost, name, spends[cost], counts[name]) for cost in spends for name in counts)
    )


def _cell(cost: Costs, customers: Customers, spend: float, won: float | None) -> CostCell:
    value, reason = _or_reason(spend, won, "paid is not given, so nobody knows whom advertising brought")
    return CostCell(cost=cost, customers=customers, spend=spend, won=won, value=value, reason=reason)


def _or_reason(spend: float | None, won: float | None, unknown: str) -> tuple[float | None, str | None]:
    """Cost per customer, or why there is none."""
    if spend is None or won is None:
        return None, unknown
    try:
        return acquisition_cost(spend=spend, customers=won), None
    except UndefinedMetric as error:
        return None, error.reason


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LaggedCost(Result):
    """Acquisition cost when spend takes time to work: customers against the spend that brought them.

    Attributes:
        weights: Share of a period's spend that works 0, 1, 2 ... periods later.
        working: Spend that worked in each period; NaN in the first periods, into which earlier spend reaches that is
            not known.
        customers: Customers won in each period.
        left_out: How many first periods are left out for that.
        pending: Spend of the last periods whose customers are still to come; it counts nowhere yet.
    """

    weights: FloatArray
    working: FloatArray
    customers: FloatArray
    left_out: int
    pending: float

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, "weights", "working", "customers")

    @property
    def value(self) -> float:
        """Working spend over customers, both summed over the periods that are not left out.

        References:
            Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5.
        """
        known = slice(self.left_out, None)
        return acquisition_cost(spend=float(self.working[known].sum()), customers=float(self.customers[known].sum()))

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a period counted from 1; ``None`` and the reason where undefined."""
        known = [None if spend != spend else spend for spend in self.working.tolist()]
        unknown = "earlier spend works here, and it is not known"
        cells = [_or_reason(*pair, unknown) for pair in zip(known, self.customers.tolist(), strict=True)]
        return {
            "period": list(range(1, len(known) + 1)),
            "working": known,
            "customers": self.customers.tolist(),
            "cac": [value for value, _ in cells],
            "reason": [reason for _, reason in cells],
        }

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a period, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)


def lagged_acquisition_cost(
    *, spend: Vector, customers: Vector, lag_periods: int | None = None, weights: Vector | None = None
) -> LaggedCost:
    r"""Acquisition cost when a decision takes time: customers are set against the spend that brought them.

    .. math:: \text{working}_t = \sum_j w_j \, \text{spend}_{t - j}, \qquad
        \text{CAC} = \frac{\sum_t \text{working}_t}{\sum_t \text{customers}_t}

    The sums run over the periods for which all the spend that works in them is known. While spend grows, CAC without
    the lag is too high, and while it is cut, too low.

    Args:
        spend: Money spent in each period, >= 0, oldest first.
        customers: Customers won in each period, >= 0, one for each ``spend``.
        lag_periods: Periods from spend to sale, >= 0; 1 unless ``weights`` are given.
        weights: Instead of one lag, the share of spend that works 0, 1, 2 ... periods later; sums to 1.

    Returns:
        A :class:`LaggedCost`: ``value``, cost by period, and what is left out at both ends.

    Raises:
        UndefinedMetric: No period is left whose working spend is known; ``value`` when nobody came.
        InvalidValue: A value is negative, lengths differ, weights do not sum to 1, or both lags are given.
        InvalidType: A value is not a plain number.

    Examples:
        >>> cost = lagged_acquisition_cost(spend=[300, 600, 900], customers=[4, 10, 20], lag_periods=1)
        >>> cost.value, cost.left_out, cost.pending  # (300 + 600) / (10 + 20)
        (30.0, 1, 900.0)

    References:
        Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5; Almon (1965), *Econometrica* 33, 178-196, for
        distributed lags.
    """
    money, won = at_least(0, spend=spend), at_least(0, customers=customers)
    if isinstance(money, float) or isinstance(won, float) or money.ndim != 1 or money.shape != won.shape:
        raise InvalidValue("spend and customers must be one number a period each, oldest first")
    if weights is None:
        shares = np.zeros(whole(0, lag_periods=1 if lag_periods is None else lag_periods) + 1)
        shares[-1] = 1.0
    elif lag_periods is None:
        shares = np.atleast_1d(fraction(weights=weights))
        if shares.ndim != 1 or abs(shares.sum() - 1) > _ROUNDING:
            raise InvalidValue(f"weights must be shares by lag that sum to 1, got a sum of {shares.sum():g}")
        shares = np.trim_zeros(shares, "b")
    else:
        raise InvalidValue("give either lag_periods (one lag) or weights (shares by lag)")
    periods, reach = money.size, shares.size - 1
    if reach >= periods:
        raise UndefinedMetric(
            "lagged_acquisition_cost", f"spend works up to {reach} periods later and only {periods} are known"
        )
    working = np.convolve(money, shares)
    pending = float(working[periods:].sum())
    working = working[:periods]
    working[:reach] = np.nan
    return LaggedCost(weights=shares, working=working, customers=won, left_out=reach, pending=pending)


@overload
def ltv_to_cac(*, ltv: Scalar, cac: Scalar, undefined: Undefined = "raise") -> float: ...
@overload
def ltv_to_cac(*, ltv: Numbers, cac: Numbers, undefined: Undefined = "raise") -> FloatArray: ...
def ltv_to_cac(*, ltv: Numbers, cac: Numbers, undefined: Undefined = "raise") -> float | FloatArray:
    r"""How many times a customer brings back what it cost to win one.

    .. math:: \text{LTV} / \text{CAC}

    Below 1 every customer won is a loss. The profit of the first sale against CAC is the wrong comparison:
    it leaves out all that comes after.

    Args:
        ltv: Lifetime value on margin, money per customer; may be negative.
        cac: Acquisition cost, money per customer, >= 0.
        undefined: ``"nan"`` gives NaN where an array has a cost of 0, instead of an error.

    Returns:
        A ratio: a float for two numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: ``cac`` is 0.
        InvalidValue: ``cac`` is negative.
        InvalidType: A value is not a plain number.

    Examples:
        >>> round(ltv_to_cac(ltv=60, cac=410 / 15), 3)
        2.195

    References:
        Skok, *SaaS Metrics 2.0*.
    """
    value = finite(ltv=ltv)
    cost = at_least(0, cac=cac)
    aligned(ltv=value, cac=cost)
    reason = "cac is 0, these customers cost nothing to win"
    return divide(value, cost, metric="ltv_to_cac", reason=reason, undefined=undefined)
