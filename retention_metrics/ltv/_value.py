"""Lifetime value in closed form: from a mean lifetime, or from churn, discount and growth of the margin."""

import math
from typing import Literal, TypeAlias, overload

import numpy as np

from retention_metrics._checks import aligned, at_least, choice, finite, fraction, refuse_if, refuse_undefined
from retention_metrics._stats import log1p
from retention_metrics._typing import BoolArray, FloatArray, Number, Numbers, Scalar, Undefined
from retention_metrics.errors import InvalidValue

Timing: TypeAlias = Literal["start", "end"]
ExpansionKind: TypeAlias = Literal["compound", "linear"]

_ROUNDING = 1e-15  # growth that outweighs churn but for an error of rounding
NOTHING = 1e-300  # a rate with too few digits left to divide by
_SHORT = 0.01  # losses over a horizon so small that a power series is the more exact form
_TERMS = 7


@overload
def lifetime_value(
    *,
    margin: Scalar,
    periods: Scalar | None = None,
    churn: Scalar | None = None,
    discount: Scalar = 0,
    timing: Timing = "start",
    horizon: Scalar | None = None,
    expansion: Scalar = 0,
    expansion_kind: ExpansionKind = "compound",
    undefined: Undefined = "raise",
) -> float: ...
@overload
def lifetime_value(
    *,
    margin: Numbers,
    periods: Numbers | None = None,
    churn: Numbers | None = None,
    discount: Numbers = 0,
    timing: Timing = "start",
    horizon: Numbers | None = None,
    expansion: Numbers = 0,
    expansion_kind: ExpansionKind = "compound",
    undefined: Undefined = "raise",
) -> FloatArray: ...
def lifetime_value(
    *,
    margin: Numbers,
    periods: Numbers | None = None,
    churn: Numbers | None = None,
    discount: Numbers = 0,
    timing: Timing = "start",
    horizon: Numbers | None = None,
    expansion: Numbers = 0,
    expansion_kind: ExpansionKind = "compound",
    undefined: Undefined = "raise",
) -> float | FloatArray:
    r"""What a customer brings over the whole relationship, after variable costs.

    Give either the mean lifetime in ``periods``, or the ``churn`` per period. With retention
    :math:`r = 1 - c`, discount :math:`i`, expansion :math:`g` and :math:`K = r / (1 + i)`:

    =============================== ============================================== =================================
    called with                     value                                          payments
    =============================== ============================================== =================================
    ``periods``                     :math:`m \cdot \text{periods}`                 in every period of the lifetime
    ``churn``                       :math:`m / (1 - K)`                            at the start; the first is certain
    ``timing="end"``                that times :math:`K`                           at the end, from those still there
    ``horizon`` H                   :math:`m (1 - K^H) / (1 - K)`                  in the first H periods only
    ``expansion``                   :math:`m / (1 - K (1 + g))`                    each :math:`1 + g` times the last
    ``expansion_kind="linear"``     :math:`m / (1 - K) + g m K / (1 - K)^2`        each larger by :math:`g m`
    =============================== ============================================== =================================

    The options combine: each value is the sum of its stream of payments, the first of which is ``margin``, if paid.
    Use the margin after variable costs, not the revenue: LTV on revenue compared with acquisition cost
    calls a losing channel a good one.

    Args:
        margin: Money per customer and period after variable costs; may be negative.
        periods: Mean lifetime in periods, >= 0. No discounting: use ``churn`` for that.
        churn: Share of customers lost per period, from 0 to 1. At 0 a horizon is needed, whatever the
            discount: that nobody has left yet does not make an everlasting customer.
        discount: Discount rate per the same period, >= 0. Where the present value of 1 in a period is called
            :math:`1 - d`, as Skok does, it is :math:`d / (1 - d)`.
        timing: ``"start"`` (first payment at once and certain) or ``"end"`` (Gupta-Lehmann).
        horizon: Count only this many periods, >= 0.
        expansion: Growth of the margin of a customer who stays, per period, as a fraction, > -1. Where it outweighs
            churn, :math:`r (1 + g) \ge 1`, a horizon is needed, whatever the discount.
        expansion_kind: ``"compound"``, or ``"linear"``: by the same amount each period, ``expansion`` (>= 0) times
            the first margin.
        undefined: ``"nan"`` gives NaN where an array has no value without a horizon, instead of an error.

    Returns:
        Money per customer: a float for numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: No ``horizon`` is given, and ``churn`` is 0 (the lifetime has no end) or expansion outweighs
            it (the payments have no sum).
        InvalidValue: Neither or both of ``periods`` and ``churn``, or a value out of range.
        InvalidType: A value is not a plain number.

    Examples:
        >>> lifetime_value(margin=13, periods=7)
        91.0
        >>> lifetime_value(margin=40, churn=0.05)
        800.0
        >>> round(lifetime_value(margin=40, churn=0.05, discount=0.01, timing="end"), 3)
        633.333
        >>> round(lifetime_value(margin=40, churn=0.05, horizon=12), 3)
        367.712
        >>> round(lifetime_value(margin=40, churn=0.05, expansion=0.02), 3)
        1290.323
        >>> round(lifetime_value(margin=40, churn=0.05, expansion=0.02, expansion_kind="linear"), 3)
        1104.0

    References:
        Gupta & Lehmann (2003), "Customers as assets", *Journal of Interactive Marketing* 17(1), 9-24,
        for payment at the end, and (2005), *Managing Customers as Investments*, for growth of the margin; Skok,
        *What's your TRUE customer lifetime value?*, for linear expansion; Farris et al. (2010), *Marketing Metrics*,
        2nd ed., chapter 5.
    """
    money = finite(margin=margin)
    if (periods is None) == (churn is None):
        raise InvalidValue("give either periods (a mean lifetime) or churn (a share lost per period)")
    if periods is not None:
        if horizon is not None or timing != "start" or _asked(discount) or _asked(expansion):
            raise InvalidValue(
                "discount, timing, horizon and expansion need churn; a mean lifetime does not say when customers leave"
            )
        lifetime = at_least(0, periods=periods)
        aligned(margin=money, periods=lifetime)
        return money * lifetime
    rate = fraction(churn=churn)
    interest = at_least(0, discount=discount)
    choice(("start", "end"), timing=timing)
    growth = read_expansion(expansion, expansion_kind)
    compound = expansion_kind == "compound"
    stretch = None if horizon is None else at_least(0, horizon=horizon)
    aligned(margin=money, churn=rate, discount=interest, expansion=growth, horizon=0.0 if stretch is None else stretch)
    shrink = rate - growth * (1 - rate) if compound else rate
    if stretch is None:
        staying = rate == 0
        refuse_undefined(
            staying,
            metric="lifetime_value",
            reason="churn is 0, so the lifetime has no end; give a horizon",
            undefined=undefined,
        )
        endless = shrink <= _ROUNDING * (rate + growth)
        refuse_undefined(
            endless,
            metric="lifetime_value",
            reason="expansion outweighs churn, so the payments never die down; give a horizon",
            undefined=undefined,
        )
        shrink = shrink if isinstance(shrink, float) else np.where(endless | staying, np.nan, shrink)
    first = money if timing == "start" else money * (1 - rate) / (1 + interest)
    loss = (shrink + interest) / (1 + interest)
    total = annuity(loss, stretch)
    if not compound:
        total = total + growth * _ramp(loss, stretch)
    return _within_float(first, total, loss)


def read_expansion(expansion: Numbers, kind: ExpansionKind) -> Number:
    """Growth of the margin that leaves it above 0, or at it."""
    choice(("compound", "linear"), expansion_kind=kind)
    return at_least(0, expansion=expansion) if kind == "linear" else at_least(-1, open_low=True, expansion=expansion)


def annuity(loss: Number, horizon: Number | None) -> Number:
    """Sum of (1 - loss)^k for k from 0 to horizon - 1; without a horizon the whole sum, for a loss above 0."""
    if horizon is None:
        return 1 / loss
    everlasting = np.less(np.abs(loss), NOTHING)
    ending = np.equal(loss, 1)
    decay = horizon * log1p(-np.where(ending, 0.0, loss))
    with np.errstate(over="ignore"):
        total = np.where(everlasting, horizon, -np.expm1(decay) / np.where(everlasting, 1.0, loss))
    total = np.where(ending, np.sign(horizon), total)
    return float(total) if total.ndim == 0 else total


def _ramp(loss: Number, horizon: Number | None) -> Number:
    """Sum of k (1 - loss)^k for k from 0 to horizon - 1; without a horizon the whole sum, for a loss above 0."""
    if horizon is None:
        return (1 - loss) / loss**2
    short = np.less(np.multiply(loss, horizon), _SHORT)
    some = np.where(short, 1.0, loss)
    sums = annuity(loss, horizon)
    with np.errstate(over="ignore", invalid="ignore"):
        long = (sums - horizon * (1 - some) ** horizon) / some - sums
        total = np.where(short, _ramp_series(loss, horizon), long)
    return float(total) if total.ndim == 0 else total


def _ramp_series(loss: Number, horizon: Number) -> FloatArray:
    """The same for small losses: the powers expanded, k C(k, j) = (j + 1) C(k + 1, j + 1) - C(k, j), and added up."""
    lost, periods = np.asarray(loss, dtype=np.float64), np.asarray(horizon, dtype=np.float64)
    total = np.zeros(np.broadcast_shapes(lost.shape, periods.shape))
    here, above = periods, (periods + 1) * periods / 2  # C(H, 1) and C(H + 1, 2)
    for j in range(_TERMS):
        total = total + (-lost) ** j * ((j + 1) * above - here)
        here, above = here * (periods - j - 1) / (j + 2), above * (periods - j - 1) / (j + 3)
    return total


def _within_float(first: Number, total: Number, loss: Number) -> Number:
    """The product, refused where it is beyond the largest float; NaN only where the loss is."""
    if isinstance(first, float) and isinstance(total, float):
        value: Number = first * total
        beyond: bool | BoolArray = not (-math.inf < total < math.inf and -math.inf < value < math.inf)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            value = first * total
        beyond = ~np.isfinite(value) & ~np.isnan(loss)
    refuse_if(beyond, "the value is beyond the largest float; shorten the horizon, or look at margin and expansion")
    return value


def _asked(option: Numbers) -> bool:
    return type(option) not in {int, float} or option != 0
