"""Breakage: money for sessions that were paid and are never used."""

import datetime as dt
from typing import Any, overload

import numpy as np

from retention_metrics._checks import refuse_if
from retention_metrics._typing import IntArray
from retention_metrics.prepaid._arrays import whole_column
from retention_metrics.prepaid._money import BASIS, MOST_MONEY, minor_units
from retention_metrics.prepaid._plan import PackagePlan, Proportional


@overload
def revenue_to_date(value: int, *, used: int, expected: int) -> int: ...
@overload
def revenue_to_date(value: int, *, used: Any, expected: Any) -> int | IntArray: ...
def revenue_to_date(value: int, *, used: Any, expected: Any) -> int | IntArray:
    r"""Revenue of a pool of prepaid rights so far, with expected breakage in proportion to the rights that are used.

    .. math:: \min\left(V, \frac{V \cdot \text{used}}{\text{expected}}\right)

    Used and expected are in one unit: sessions, points, or the price of what was delivered. After a new estimate the
    revenue of a period is the revenue to date less what was booked before, which may be negative (the catch-up). The
    breakage in it is the revenue less the price of what was delivered.

    Args:
        value: What was paid for all rights, in minor units, >= 0.
        used: Rights used so far, whole numbers >= 0.
        expected: Rights expected to be used in the end, whole numbers >= 1.

    Returns:
        Whole minor units, rounded half up: an int, or an array.

    Raises:
        InvalidValue: A value is out of range.
        InvalidType: A value is no whole number.

    Examples:
        >>> first = revenue_to_date(9_000, used=4_500, expected=9_700)
        >>> first, revenue_to_date(9_000, used=8_500, expected=9_900) - first
        (4175, 3552)
        >>> revenue_to_date(1_000_000, used=500_000, expected=800_000) - 500_000
        125000

    References:
        IFRS 15, B46; KPMG, *Revenue: IFRS 15 handbook*, examples 10A and 10B.
    """
    total = minor_units(0, value=value)
    done, rights = whole_column("used", used), whole_column("expected", expected)
    refuse_if(done < 0, "used must be a whole number >= 0")
    refuse_if(rights < 1, "expected must be a whole number >= 1")
    refuse_if((done >= MOST_MONEY) | (rights >= MOST_MONEY), "used and expected must be below 2**60")
    scaled = [
        min(total, (2 * total * int(a) + int(b)) // (2 * int(b)))
        for a, b in zip(*(each.ravel() for each in np.broadcast_arrays(done, rights)), strict=True)
    ]
    shape = np.broadcast_shapes(done.shape, rights.shape)
    return np.array(scaled, np.int64).reshape(shape) if shape else scaled[0]


def recognised(delivered: IntArray, balance: IntArray, rate_bps: IntArray) -> IntArray:
    """Breakage to date of packages that have delivered so much and hold so much, at an expected rate of breakage."""
    parts = BASIS - rate_bps
    wholes, rest = np.divmod(delivered, parts)
    # One whole more than was paid for is enough, and fits.
    wholes = np.minimum(wholes, (delivered + np.maximum(balance, 0)) // BASIS + 1)
    revenue = wholes * BASIS + (2 * rest * BASIS + parts) // (2 * parts)
    breakage: IntArray = np.clip(revenue - delivered, 0, np.maximum(balance, 0))
    return breakage


def rates_on(plans: tuple[PackagePlan, ...], plan: IntArray, day: IntArray) -> IntArray:
    """The rate of breakage that is expected of each plan on a day, in basis points."""
    found = np.zeros(len(plan), np.int64)
    for number, each in enumerate(plans):
        if isinstance(each.breakage, Proportional):
            of_plan = plan == number
            days = sorted(each.breakage.revisions)
            rates = np.array([each.breakage.rate_bps, *(each.breakage.revisions[one] for one in days)], np.int64)
            since = np.array([one.toordinal() for one in days], np.int64)
            found[of_plan] = rates[np.searchsorted(since, day[of_plan], side="right")]
    return found


def revised_days(plan: PackagePlan) -> list[int]:
    """The days on which another rate of breakage is expected of a plan, as ordinals."""
    found: dict[dt.date, int] = getattr(plan.breakage, "revisions", {})
    return sorted(each.toordinal() for each in found)
