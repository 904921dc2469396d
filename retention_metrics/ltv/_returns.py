"""What came back for the money that marketing spent: ROMI, ROAS, magic number, break-even."""

from typing import overload

import numpy as np

from retention_metrics._checks import aligned, at_least, divide, finite, fraction, refuse_undefined
from retention_metrics._typing import FloatArray, Numbers, Scalar, Undefined

_NOTHING_SPENT = "spend is 0, so nothing can be set against it"
_QUARTERS = 4
_ROUNDING = 1e-12  # units that fall short of a whole number but for an error of rounding


@overload
def romi(*, revenue: Scalar, margin_share: Scalar, spend: Scalar, undefined: Undefined = "raise") -> float: ...
@overload
def romi(*, revenue: Numbers, margin_share: Numbers, spend: Numbers, undefined: Undefined = "raise") -> FloatArray: ...
def romi(
    *, revenue: Numbers, margin_share: Numbers, spend: Numbers, undefined: Undefined = "raise"
) -> float | FloatArray:
    r"""Return on marketing investment: the margin that marketing brought beyond its cost, for each unit of cost.

    .. math:: \text{ROMI} = \frac{\text{revenue} \cdot \text{margin share} - \text{spend}}{\text{spend}}

    At 0 the spend has just come back. A ROAS of 2.5 may be a ROMI of 0.5, or a loss: compare margins, not revenue.

    Args:
        revenue: Revenue that the marketing brought, >= 0.
        margin_share: Share of it left after variable costs, from 0 to 1.
        spend: Money spent on the marketing, >= 0.
        undefined: ``"nan"`` gives NaN where an array has ``spend`` 0, instead of an error.

    Returns:
        A ratio >= -1: a float for numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: ``spend`` is 0.
        InvalidValue: A value is out of range.
        InvalidType: A value is not a plain number.

    Examples:
        >>> romi(revenue=300_000, margin_share=0.6, spend=120_000)
        0.5

    References:
        Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 10.
    """
    brought, share = at_least(0, revenue=revenue), fraction(margin_share=margin_share)
    spent = at_least(0, spend=spend)
    aligned(revenue=brought, margin_share=share, spend=spent)
    return divide(brought * share - spent, spent, metric="romi", reason=_NOTHING_SPENT, undefined=undefined)


@overload
def roas(*, revenue: Scalar, spend: Scalar, undefined: Undefined = "raise") -> float: ...
@overload
def roas(*, revenue: Numbers, spend: Numbers, undefined: Undefined = "raise") -> FloatArray: ...
def roas(*, revenue: Numbers, spend: Numbers, undefined: Undefined = "raise") -> float | FloatArray:
    r"""Return on advertising spend: revenue for each unit of spend.

    .. math:: \text{ROAS} = \text{revenue} / \text{spend}

    It is revenue, so a ROAS above 1 can still be a loss; :func:`romi` takes the margin.

    Args:
        revenue: Revenue that the advertising brought, >= 0.
        spend: Money spent on it, >= 0.
        undefined: ``"nan"`` gives NaN where an array has ``spend`` 0, instead of an error.

    Returns:
        A ratio >= 0: a float for two numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: ``spend`` is 0.
        InvalidValue: A value is negative.
        InvalidType: A value is not a plain number.

    Examples:
        >>> roas(revenue=300_000, spend=120_000)
        2.5

    References:
        Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 10.
    """
    brought, spent = at_least(0, revenue=revenue), at_least(0, spend=spend)
    aligned(revenue=brought, spend=spent)
    return divide(brought, spent, metric="roas", reason=_NOTHING_SPENT, undefined=undefined)


@overload
def magic_number(*, revenue_change: Scalar, prior_spend: Scalar, undefined: Undefined = "raise") -> float: ...
@overload
def magic_number(*, revenue_change: Numbers, prior_spend: Numbers, undefined: Undefined = "raise") -> FloatArray: ...
def magic_number(
    *, revenue_change: Numbers, prior_spend: Numbers, undefined: Undefined = "raise"
) -> float | FloatArray:
    r"""Magic number: growth of yearly revenue for each unit of sales and marketing spent a quarter before.

    .. math:: \frac{4 \, (\text{revenue}_q - \text{revenue}_{q-1})}{\text{sales and marketing}_{q-1}}

    12 divided by it are the months in which the growth has brought as much revenue as was spent. It knows neither
    margin nor churn, and growth of which nobody paid the price counts as well.

    Args:
        revenue_change: Recurring revenue of the quarter less that of the quarter before; may be negative.
        prior_spend: Sales and marketing of the quarter before, >= 0.
        undefined: ``"nan"`` gives NaN where an array has ``prior_spend`` 0, instead of an error.

    Returns:
        A ratio: a float for two numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: ``prior_spend`` is 0.
        InvalidValue: A value is out of range.
        InvalidType: A value is not a plain number.

    Examples:
        >>> round(magic_number(revenue_change=480_000, prior_spend=1_800_000), 4)
        1.0667

    References:
        Scale Venture Partners (2008), "The magic number for SaaS companies".
    """
    change, spent = finite(revenue_change=revenue_change), at_least(0, prior_spend=prior_spend)
    aligned(revenue_change=change, prior_spend=spent)
    reason = "prior_spend is 0, so nothing can be set against it"
    return divide(_QUARTERS * change, spent, metric="magic_number", reason=reason, undefined=undefined)


@overload
def break_even_units(*, fixed: Scalar, price: Scalar, variable: Scalar, undefined: Undefined = "raise") -> float: ...
@overload
def break_even_units(
    *, fixed: Numbers, price: Numbers, variable: Numbers, undefined: Undefined = "raise"
) -> FloatArray: ...
def break_even_units(
    *, fixed: Numbers, price: Numbers, variable: Numbers, undefined: Undefined = "raise"
) -> float | FloatArray:
    r"""Units to sell until fixed costs are covered.

    .. math:: \left\lceil \frac{\text{fixed}}{\text{price} - \text{variable}} \right\rceil

    Args:
        fixed: Costs that do not depend on the units sold, such as a campaign, >= 0.
        price: Price of a unit, >= 0.
        variable: Cost of a unit, >= 0.
        undefined: ``"nan"`` gives NaN where an array never breaks even, instead of an error.

    Returns:
        A whole number: a float for numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: ``price`` does not exceed ``variable``: each unit adds to the loss, or nothing.
        InvalidValue: A value is negative.
        InvalidType: A value is not a plain number.

    Examples:
        >>> break_even_units(fixed=10_000, price=50, variable=30)
        500.0

    References:
        Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 3.
    """
    costs = at_least(0, fixed=fixed)
    gained, spent = at_least(0, price=price), at_least(0, variable=variable)
    aligned(fixed=costs, price=gained, variable=spent)
    never = np.less_equal(gained, spent)
    reason = "price does not exceed variable, so no number of units covers the fixed costs"
    refuse_undefined(never, metric="break_even_units", reason=reason, undefined=undefined)
    units = np.ceil(costs / np.where(never, np.nan, gained - spent) * (1 - _ROUNDING))
    return float(units) if units.ndim == 0 else units
