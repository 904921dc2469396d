"""Recurring amounts per month, whatever the interval in which they are billed."""

from collections.abc import Sequence
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from retention_metrics._checks import aligned, at_least, choice, fraction, refuse_if
from retention_metrics._typing import FloatArray, Number, Numbers, Scalar
from retention_metrics.errors import InvalidType, InvalidValue

BillingInterval = Literal["day", "week", "month", "quarter", "year"]
WeekRule = Literal["52/12", "30.4375/7"]
DayRule = Literal["365/12", "30.4375"]

_MONTHS = {"month": 1.0, "quarter": 3.0, "year": 12.0}
_WEEKS = {"52/12": 52 / 12, "30.4375/7": 30.4375 / 7}
_DAYS = {"365/12": 365 / 12, "30.4375": 30.4375}


@overload
def monthly_amount(
    amount: Scalar,
    *,
    interval: BillingInterval,
    count: Scalar = 1,
    discount: Scalar = 0,
    week_rule: WeekRule = "52/12",
    day_rule: DayRule = "365/12",
) -> float: ...
@overload
def monthly_amount(
    amount: Numbers,
    *,
    interval: str | Sequence[str] | NDArray[Any],
    count: Numbers = 1,
    discount: Numbers = 0,
    week_rule: WeekRule = "52/12",
    day_rule: DayRule = "365/12",
) -> float | FloatArray: ...
def monthly_amount(
    amount: Numbers,
    *,
    interval: str | Sequence[str] | NDArray[Any],
    count: Numbers = 1,
    discount: Numbers = 0,
    week_rule: WeekRule = "52/12",
    day_rule: DayRule = "365/12",
) -> float | FloatArray:
    r"""What a subscription brings per month (its MRR), from the amount that is billed at each interval.

    .. math:: m = \frac{\text{amount} (1 - \text{discount})}{\text{count} \times \text{months in the interval}}

    A month is 1, a quarter 3 and a year 12 months. Weeks and days are no even part of a month, so their rule has a
    name. One-off payments, taxes and trials are no recurring amounts: leave them out.

    ============= ======================================= ==============================================
    rule          a month has                             which is
    ============= ======================================= ==============================================
    ``52/12``     52 / 12 = 4.3333 weeks                  52 weeks a year; the default, as in Tidemill
    ``30.4375/7`` 30.4375 / 7 = 4.3482 weeks              365.25 days a year
    ``365/12``    365 / 12 = 30.4167 days                 365 days a year; the default for days
    ``30.4375``   30.4375 days                            365.25 days a year
    ============= ======================================= ==============================================

    Args:
        amount: Money billed at each interval before the discount, >= 0. A number, or one per subscription.
        interval: ``"day"``, ``"week"``, ``"month"``, ``"quarter"`` or ``"year"``; one name, or one per subscription.
        count: Intervals between two bills, a whole number >= 1: half a year is ``interval="month", count=6``.
        discount: Part of the amount that is not charged, from 0 to 1, for as long as the subscription runs.
        week_rule: How many weeks a month has.
        day_rule: How many days a month has.

    Returns:
        Money per month: a float for single values, otherwise an array of the broadcast shape. Nothing is rounded.

    Raises:
        InvalidValue: An unknown interval or rule, a negative amount, a count that is not whole, or a discount that is
            no fraction.
        InvalidType: A value is not a plain number, or an interval not a name.

    Examples:
        >>> monthly_amount(600, interval="year")
        50.0
        >>> round(monthly_amount(120, interval="year", discount=0.1), 2)
        9.0
        >>> monthly_amount([100, 600, 270], interval=["month", "year", "quarter"])
        array([100.,  50.,  90.])
        >>> [round(monthly_amount(12, interval="week", week_rule=rule), 4) for rule in ("52/12", "30.4375/7")]
        [52.0, 52.1786]

    References:
        Stripe Billing, *Metric definitions*: the monthly-normalised value of all active subscriptions; ProfitWell
        documentation for discounts that apply before; Tidemill, *Metric definitions*, for weeks of 52/12.
    """
    choice(_WEEKS, week_rule=week_rule)
    choice(_DAYS, day_rule=day_rule)
    billed = at_least(0, amount=amount)
    intervals = at_least(1, count=count)
    refuse_if(np.not_equal(intervals, np.floor(intervals)), "count must be a whole number of intervals")
    charged = 1 - fraction(discount=discount)
    months = _months(interval, {"day": 1 / _DAYS[day_rule], "week": 1 / _WEEKS[week_rule], **_MONTHS})
    aligned(amount=billed, interval=months, count=intervals, discount=charged)
    return billed * charged / (intervals * months)


def _months(interval: str | Sequence[str] | NDArray[Any], months: dict[str, float]) -> Number:
    """Months in an interval that is known by its name, or in several."""
    if isinstance(interval, str):
        return months[_named(interval, months, "interval")]
    names = np.asarray(interval)
    if names.dtype.kind not in "OUT" or names.ndim == 0 or names.size == 0:
        raise InvalidType(f"interval must be a name or names of intervals, got {interval!r:.60}")
    flat = names.ravel().tolist()
    kinds = set(flat)
    if not kinds <= months.keys():
        first = next(i for i, name in enumerate(flat) if name not in months)
        spot = ", ".join(str(int(i)) for i in np.unravel_index(first, names.shape))
        _named(flat[first], months, f"interval[{spot}]")
    found = np.empty(names.shape)
    for name in kinds:
        found[names == name] = months[name]
    return found


def _named(name: object, months: dict[str, float], where: str) -> str:
    try:
        return choice(months, **{where: name})
    except InvalidValue as error:
        raise InvalidValue(f"{error}; half a year is interval='month' with count=6") from None
