"""Revenue retention, revenue churn and the quick ratio, from the movements of a period."""

from collections.abc import Mapping
from typing import Literal, overload

import numpy as np

from retention_metrics._checks import aligned, at_least, choice, divide, refuse_undefined
from retention_metrics._typing import FloatArray, Number, Numbers, Scalar, Undefined

GrossChurn = Literal["chartmogul", "tidemill"]
NetChurn = Literal["baremetrics", "chartmogul"]

FORMULAS = {
    "gross_retention": ("start - contraction - churn", "start"),
    "net_retention": ("start + expansion - contraction - churn", "start"),
    "net_retention_tidemill": ("start + expansion + reactivation - contraction - churn", "start"),
    "gross_churn_chartmogul": ("churn + contraction", "start"),
    "gross_churn_tidemill": ("churn", "start"),
    "net_churn_baremetrics": ("churn + contraction - expansion", "start"),
    "net_churn_chartmogul": ("churn + contraction - expansion - reactivation", "start"),
    "quick_ratio": ("new + expansion", "contraction + churn"),
    "quick_ratio_tidemill": ("new + expansion + reactivation", "contraction + churn"),
}
"""Numerator and denominator of every named rate, as they are computed and as they are shown."""

_METRICS = ("gross_retention", "net_retention", "gross_churn", "net_churn", "quick_ratio")
_NOTHING = "start is 0, so there was nothing to keep"
_NO_LOSSES = "contraction and churn are 0: nothing was lost that gains could be compared with"
_MIXED = (
    "more was lost than there was at the start, so some of it was won in the same period, and sums of movements "
    "cannot tell what was kept; compare the amounts at the two ends of the period"
)
_DUST = 1e-9  # of the start: what sums of cents may miss zero by


@overload
def gross_retention(*, start: Scalar, contraction: Scalar, churn: Scalar, undefined: Undefined = "raise") -> float: ...
@overload
def gross_retention(
    *, start: Numbers, contraction: Numbers, churn: Numbers, undefined: Undefined = "raise"
) -> FloatArray: ...
def gross_retention(
    *, start: Numbers, contraction: Numbers, churn: Numbers, undefined: Undefined = "raise"
) -> float | FloatArray:
    r"""Gross revenue retention (GRR): the share of the opening recurring revenue that was not lost.

    .. math:: \text{GRR} = \frac{\text{start} - \text{contraction} - \text{churn}}{\text{start}}

    Gains do not make up for losses, so it never exceeds 1.

    Args:
        start: Recurring revenue when the period opened, >= 0. A number, or one per period.
        contraction: Revenue lost from customers who stayed and pay less, >= 0.
        churn: Revenue lost from customers who left, >= 0.
        undefined: ``"nan"`` gives NaN where an array has no value, instead of an error.

    Returns:
        A fraction in [0, 1]: a float for three numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: ``start`` is 0, or more was lost than there was at the start.
        InvalidValue: An amount is negative.
        InvalidType: A value is not a plain number.

    Examples:
        >>> gross_retention(start=400, contraction=30, churn=50)
        0.8

    References:
        Tidemill, *Metric definitions*, Gross Revenue Retention; ChartMogul, *Gross MRR Churn Rate*, is 1 minus this.
    """
    book = checked(start=start, contraction=contraction, churn=churn)
    return rate_of("gross_retention", book, undefined)


@overload
def net_retention(
    *,
    start: Scalar,
    expansion: Scalar,
    contraction: Scalar,
    churn: Scalar,
    reactivation: Scalar = 0.0,
    undefined: Undefined = "raise",
) -> float: ...
@overload
def net_retention(
    *,
    start: Numbers,
    expansion: Numbers,
    contraction: Numbers,
    churn: Numbers,
    reactivation: Numbers = 0.0,
    undefined: Undefined = "raise",
) -> FloatArray: ...
def net_retention(
    *,
    start: Numbers,
    expansion: Numbers,
    contraction: Numbers,
    churn: Numbers,
    reactivation: Numbers = 0.0,
    undefined: Undefined = "raise",
) -> float | FloatArray:
    r"""Net revenue retention (NRR): what the customers of the start bring at the end, over what they brought.

    .. math:: \text{NRR} = \frac{\text{start} + \text{expansion} - \text{contraction} - \text{churn}
        [+ \text{reactivation}]}{\text{start}}

    Customers who came back were not there at the start, so they count only when their revenue is passed as
    ``reactivation``. New customers never count.

    Args:
        start: Recurring revenue when the period opened, >= 0. A number, or one per period.
        expansion: Revenue gained from customers who were there, >= 0.
        contraction: Revenue lost from customers who stayed and pay less, >= 0.
        churn: Revenue lost from customers who left, >= 0.
        reactivation: Revenue from customers who came back, >= 0, if it is to count: Tidemill and ChartMogul count it,
            Baremetrics does not.
        undefined: ``"nan"`` gives NaN where an array has no value, instead of an error.

    Returns:
        A fraction >= 0, above 1 when gains exceed losses: a float for numbers, otherwise an array of the broadcast
        shape.

    Raises:
        UndefinedMetric: ``start`` is 0, or more was lost than there was.
        InvalidValue: An amount is negative.
        InvalidType: A value is not a plain number.

    Examples:
        >>> net_retention(start=400, expansion=30, contraction=30, churn=50)
        0.875
        >>> net_retention(start=400, expansion=30, contraction=30, churn=50, reactivation=40)
        0.975

    References:
        Baremetrics, *Net Revenue Retention*; Tidemill, *Metric definitions*, for the form with reactivation.
    """
    book = checked(start=start, expansion=expansion, contraction=contraction, churn=churn, reactivation=reactivation)
    return rate_of("net_retention_tidemill", book, undefined)


@overload
def gross_churn(
    *,
    start: Scalar,
    contraction: Scalar,
    churn: Scalar,
    definition: GrossChurn = "chartmogul",
    undefined: Undefined = "raise",
) -> float: ...
@overload
def gross_churn(
    *,
    start: Numbers,
    contraction: Numbers,
    churn: Numbers,
    definition: GrossChurn = "chartmogul",
    undefined: Undefined = "raise",
) -> FloatArray: ...
def gross_churn(
    *,
    start: Numbers,
    contraction: Numbers,
    churn: Numbers,
    definition: GrossChurn = "chartmogul",
    undefined: Undefined = "raise",
) -> float | FloatArray:
    r"""Gross revenue churn: recurring revenue lost in a period, over the revenue when it opened.

    ============== ================================= ==================================================
    definition     formula                           says
    ============== ================================= ==================================================
    ``chartmogul`` (churn + contraction) / start     all losses; 1 minus :func:`gross_retention`
    ``tidemill``   churn / start                     only the revenue of customers who left altogether
    ============== ================================= ==================================================

    Args:
        start: Recurring revenue when the period opened, >= 0. A number, or one per period.
        contraction: Revenue lost from customers who stayed and pay less, >= 0.
        churn: Revenue lost from customers who left, >= 0.
        definition: Which of the two.
        undefined: ``"nan"`` gives NaN where an array has ``start`` 0, instead of an error.

    Returns:
        A fraction >= 0; above 1 when much was won and lost in the same period.

    Raises:
        UndefinedMetric: ``start`` is 0.
        InvalidValue: An amount is negative, or an unknown definition.
        InvalidType: A value is not a plain number.

    Examples:
        >>> gross_churn(start=400, contraction=30, churn=50)
        0.2
        >>> gross_churn(start=400, contraction=30, churn=50, definition="tidemill")
        0.125

    References:
        ChartMogul, *Metric: MRR Churn Rate*; Tidemill, *Metric definitions*, Revenue Churn Rate.
    """
    choice(("chartmogul", "tidemill"), definition=definition)
    book = checked(start=start, contraction=contraction, churn=churn)
    return rate_of(f"gross_churn_{definition}", book, undefined)


@overload
def net_churn(
    *,
    start: Scalar,
    expansion: Scalar,
    contraction: Scalar,
    churn: Scalar,
    reactivation: Scalar = 0.0,
    definition: NetChurn = "baremetrics",
    undefined: Undefined = "raise",
) -> float: ...
@overload
def net_churn(
    *,
    start: Numbers,
    expansion: Numbers,
    contraction: Numbers,
    churn: Numbers,
    reactivation: Numbers = 0.0,
    definition: NetChurn = "baremetrics",
    undefined: Undefined = "raise",
) -> FloatArray: ...
def net_churn(
    *,
    start: Numbers,
    expansion: Numbers,
    contraction: Numbers,
    churn: Numbers,
    reactivation: Numbers = 0.0,
    definition: NetChurn = "baremetrics",
    undefined: Undefined = "raise",
) -> float | FloatArray:
    r"""Net revenue churn: losses less what existing customers gained, over the revenue when the period opened.

    =============== ====================================================== ========================================
    definition      formula                                                says
    =============== ====================================================== ========================================
    ``baremetrics`` (churn + contraction - expansion) / start              1 minus :func:`net_retention`
    ``chartmogul``  (churn + contraction - expansion - reactivation)       customers who came back make up for losses
                    / start                                                too
    =============== ====================================================== ========================================

    Args:
        start: Recurring revenue when the period opened, >= 0. A number, or one per period.
        expansion: Revenue gained from customers who were there, >= 0.
        contraction: Revenue lost from customers who stayed and pay less, >= 0.
        churn: Revenue lost from customers who left, >= 0.
        reactivation: Revenue from customers who came back, >= 0; only ``"chartmogul"`` counts it.
        definition: Which of the two.
        undefined: ``"nan"`` gives NaN where an array has ``start`` 0, instead of an error.

    Returns:
        A fraction; below 0 when gains exceed losses.

    Raises:
        UndefinedMetric: ``start`` is 0.
        InvalidValue: An amount is negative, or an unknown definition.
        InvalidType: A value is not a plain number.

    Examples:
        >>> book = dict(start=400, expansion=30, contraction=30, churn=50, reactivation=40)
        >>> net_churn(**book), net_churn(**book, definition="chartmogul")
        (0.125, 0.025)

    References:
        Baremetrics, *Net MRR Churn*; ChartMogul, *Metric: MRR Churn Rate*.
    """
    choice(("baremetrics", "chartmogul"), definition=definition)
    book = checked(start=start, expansion=expansion, contraction=contraction, churn=churn, reactivation=reactivation)
    return rate_of(f"net_churn_{definition}", book, undefined)


@overload
def quick_ratio(
    *,
    new: Scalar,
    expansion: Scalar,
    contraction: Scalar,
    churn: Scalar,
    reactivation: Scalar = 0.0,
    undefined: Undefined = "raise",
) -> float: ...
@overload
def quick_ratio(
    *,
    new: Numbers,
    expansion: Numbers,
    contraction: Numbers,
    churn: Numbers,
    reactivation: Numbers = 0.0,
    undefined: Undefined = "raise",
) -> FloatArray: ...
def quick_ratio(
    *,
    new: Numbers,
    expansion: Numbers,
    contraction: Numbers,
    churn: Numbers,
    reactivation: Numbers = 0.0,
    undefined: Undefined = "raise",
) -> float | FloatArray:
    r"""Quick ratio of recurring revenue: what was gained for every unit that was lost.

    .. math:: \frac{\text{new} + \text{expansion} [+ \text{reactivation}]}{\text{contraction} + \text{churn}}

    Args:
        new: Revenue from new customers, >= 0. A number, or one per period.
        expansion: Revenue gained from customers who were there, >= 0.
        contraction: Revenue lost from customers who stayed and pay less, >= 0.
        churn: Revenue lost from customers who left, >= 0.
        reactivation: Revenue from customers who came back, >= 0, if it is to count: Tidemill counts it, ChartMogul
            and Baremetrics do not.
        undefined: ``"nan"`` gives NaN where an array has no losses, instead of an error.

    Returns:
        A ratio >= 0: a float for numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: Nothing was lost.
        InvalidValue: An amount is negative.
        InvalidType: A value is not a plain number.

    Examples:
        >>> quick_ratio(new=20, expansion=8, contraction=3, churn=5)
        3.5

    References:
        Hamid (2015), *The SaaS quick ratio*, Social Capital; Baremetrics, *Quick Ratio*; Tidemill, *Metric
        definitions*, Quick Ratio, for the form with reactivation.
    """
    book = checked(new=new, expansion=expansion, contraction=contraction, churn=churn, reactivation=reactivation)
    return rate_of("quick_ratio_tidemill", book, undefined)


def checked(**amounts: object) -> dict[str, Number]:
    """Amounts that are at least zero and fit together."""
    book = {name: at_least(0, open_low=False, **{name: amount}) for name, amount in amounts.items()}
    aligned(**book)
    return book


def rate_of(name: str, book: Mapping[str, Number], undefined: Undefined = "raise") -> Number:
    """The rate of a name; retention is undefined where more was lost than there was."""
    numerator, denominator = fraction_of(name, book)
    metric = next(each for each in _METRICS if name.startswith(each))
    if metric in ("gross_retention", "net_retention"):
        mixed = np.less(numerator, -_DUST * denominator) & np.greater(denominator, 0)
        refuse_undefined(mixed, metric=metric, reason=_MIXED, undefined=undefined)
        if isinstance(numerator, float):
            numerator = max(numerator, 0.0)
        else:
            numerator = np.where(mixed, np.nan, np.maximum(numerator, 0))
    reason = _NO_LOSSES if metric == "quick_ratio" else _NOTHING
    return divide(numerator, denominator, metric=metric, reason=reason, undefined=undefined)


def fraction_of(name: str, book: Mapping[str, Number]) -> tuple[Number, Number]:
    """Numerator and denominator of a rate."""
    numerator, denominator = FORMULAS[name]
    return _sum(numerator, book), _sum(denominator, book)


def _sum(formula: str, book: Mapping[str, Number]) -> Number:
    """The value of ``"one + another - third"``."""
    first, *rest = formula.split()
    total = book[first]
    for sign, term in zip(rest[::2], rest[1::2], strict=True):
        total = total + book[term] if sign == "+" else total - book[term]
    return total
