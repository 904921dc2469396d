"""Retention and churn: rates by name, conversion between periods, the customer base over time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, overload

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import (
    aligned,
    at_least,
    choice,
    divide,
    fraction,
    freeze,
    refuse_if,
    refuse_undefined,
    whole,
)
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._periods import label
from retention_metrics._stats import Rate, expm1, log1p
from retention_metrics._typing import BoolArray, FloatArray, IntArray, Number, Numbers, Period, Scalar, Undefined
from retention_metrics.errors import UndefinedMetric

__all__ = [
    "CustomerFlow",
    "PurchaseCycle",
    "cohort_retention",
    "expected_lifetime",
    "half_life",
    "hazard",
    "rescale_churn",
    "retention_rate",
]

_FLOW_COUNTS = ("start", "new", "returned", "lost", "lost_of_start", "end", "buyers", "returning")
_NOBODY = "start is 0, so there was nobody to keep"


@overload
def retention_rate(*, start: Scalar, end: Scalar, new: Scalar, undefined: Undefined = "raise") -> float: ...
@overload
def retention_rate(*, start: Numbers, end: Numbers, new: Numbers, undefined: Undefined = "raise") -> FloatArray: ...
def retention_rate(*, start: Numbers, end: Numbers, new: Numbers, undefined: Undefined = "raise") -> float | FloatArray:
    r"""Customer retention rate: the share of the opening base that the closing base still makes up.

    .. math:: r = \frac{\text{end} - \text{new}}{\text{start}}

    It equals the retention of the customers present at the start only when nobody joins and leaves
    within the period; :func:`cohort_retention` follows those very customers.

    Args:
        start: Customers when the period opened, >= 0. A number, or one per period.
        end: Customers when the period closed, >= ``new``.
        new: Customers won during the period, >= 0.
        undefined: ``"nan"`` gives NaN where an array has ``start`` 0, instead of an error.

    Returns:
        A fraction in [0, 1]: a float for three numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: ``start`` is 0.
        InvalidValue: A count is negative, or ``end - new`` is negative or exceeds ``start``.
        InvalidType: A value is not a plain number.

    Examples:
        >>> retention_rate(start=200, end=220, new=40)
        0.9
        >>> retention_rate(start=[200, 400], end=[220, 400], new=[40, 20])
        array([0.9 , 0.95])

    References:
        The retention formula as printed in the trade press; its identity with 1 - lost / start is
        discussed in Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5.
    """
    opening = at_least(0, start=start)
    closing = at_least(0, end=end)
    joined = at_least(0, new=new)
    aligned(start=opening, end=closing, new=joined)
    kept = closing - joined
    refuse_if(kept > opening, "end - new exceeds start: more customers kept than there were; is new complete?")
    refuse_if(
        kept < 0,
        "end is less than new: some of the new have left again, so this formula cannot tell who was kept; "
        "use cohort_retention with the customers present at the start",
    )
    return divide(kept, opening, metric="retention_rate", reason=_NOBODY, undefined=undefined)


@overload
def cohort_retention(*, start: Scalar, retained: Scalar, undefined: Undefined = "raise") -> float: ...
@overload
def cohort_retention(*, start: Numbers, retained: Numbers, undefined: Undefined = "raise") -> FloatArray: ...
def cohort_retention(*, start: Numbers, retained: Numbers, undefined: Undefined = "raise") -> float | FloatArray:
    r"""Share of the customers present when a period opens who are still there when it closes.

    .. math:: r = \text{retained} / \text{start}

    Customers won during the period count in neither number.

    Args:
        start: Customers when the period opened, >= 0. A number, or one per period.
        retained: How many of those same customers remain, from 0 to ``start``.
        undefined: ``"nan"`` gives NaN where an array has ``start`` 0, instead of an error.

    Returns:
        A fraction in [0, 1]: a float for two numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: ``start`` is 0.
        InvalidValue: A count is negative, or ``retained`` exceeds ``start``.
        InvalidType: A value is not a plain number.

    Examples:
        >>> cohort_retention(start=400, retained=368)
        0.92
        >>> cohort_retention(start=[400, 500], retained=[368, 475])
        array([0.92, 0.95])

    References:
        Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5.
    """
    opening = at_least(0, start=start)
    kept = at_least(0, retained=retained)
    aligned(start=opening, retained=kept)
    refuse_if(kept > opening, "retained exceeds start; leave out customers won during the period")
    return divide(kept, opening, metric="cohort_retention", reason=_NOBODY, undefined=undefined)


@overload
def rescale_churn(churn: Scalar, /, *, periods: Scalar) -> float: ...
@overload
def rescale_churn(churn: Numbers, /, *, periods: Numbers) -> FloatArray: ...
def rescale_churn(churn: Numbers, /, *, periods: Numbers) -> float | FloatArray:
    r"""Churn over several periods, or over a part of one, from churn per period.

    .. math:: C = 1 - (1 - c)^k

    Rates compound: a monthly 5 % is 45.964 % a year, not 60 %. It assumes that every customer runs the
    same risk in every period; a base that mixes loyal and fickle customers loses fewer than this over a
    long stretch.

    Args:
        churn: Share lost per period, from 0 to 1.
        periods: Length of the wanted period in given periods, > 0: 12 from months to a year, 1/12 back,
            ``365 / 45`` from 45 days to a year.

    Returns:
        A fraction in [0, 1]: a float for two numbers, otherwise an array of the broadcast shape.

    Raises:
        InvalidValue: ``churn`` is outside 0 to 1 or ``periods`` is not positive.
        InvalidType: A value is not a plain number.

    Examples:
        >>> round(rescale_churn(0.05, periods=12), 5)
        0.45964
        >>> round(rescale_churn(0.2, periods=1 / 12), 6)
        0.018423

    References:
        Gold (2020), *Fighting Churn with Data*, listings 2.5 and 2.6.
    """
    rate = fraction(churn=churn)
    stretch = at_least(0, open_low=True, periods=periods)
    aligned(churn=rate, periods=stretch)
    return -expm1(stretch * log1p(-rate))


@overload
def hazard(churn: Scalar, /, *, undefined: Undefined = "raise") -> float: ...
@overload
def hazard(churn: Numbers, /, *, undefined: Undefined = "raise") -> FloatArray: ...
def hazard(churn: Numbers, /, *, undefined: Undefined = "raise") -> float | FloatArray:
    r"""The constant rate of leaving, per period, that loses a share ``churn`` within one period.

    .. math:: \lambda = -\ln(1 - c)

    Args:
        churn: Share lost per period, from 0 to 1.
        undefined: ``"nan"`` gives NaN where an array has churn 1, instead of an error.

    Returns:
        Events per customer and period, >= 0.

    Raises:
        UndefinedMetric: ``churn`` is 1: no finite rate empties the base within a period.
        InvalidValue: ``churn`` is outside 0 to 1.
        InvalidType: A value is not a plain number.

    Examples:
        >>> round(hazard(0.05), 6)
        0.051293

    References:
        Kalbfleisch & Prentice (2002), *The Statistical Analysis of Failure Time Data*, chapter 1.
    """
    rate = fraction(churn=churn)
    everybody = rate == 1
    refuse_undefined(
        everybody,
        metric="hazard",
        reason="churn is 1, and no finite rate loses everybody",
        undefined=undefined,
    )
    intensity = -log1p(-rate)
    return intensity if isinstance(intensity, float) else np.where(everybody, np.nan, intensity)


Convention = Literal["certain_first", "completed", "continuous"]


@overload
def expected_lifetime(
    churn: Scalar, /, *, convention: Convention = "certain_first", undefined: Undefined = "raise"
) -> float: ...
@overload
def expected_lifetime(
    churn: Numbers, /, *, convention: Convention = "certain_first", undefined: Undefined = "raise"
) -> FloatArray: ...
def expected_lifetime(
    churn: Numbers, /, *, convention: Convention = "certain_first", undefined: Undefined = "raise"
) -> float | FloatArray:
    r"""Mean number of periods that a customer stays when every period loses the same share.

    ================== ==================== ==========================================
    convention         formula              counts
    ================== ==================== ==========================================
    ``certain_first``  :math:`1/c`          periods begun; the first is certain
    ``completed``      :math:`(1-c)/c`      periods lived through to the end
    ``continuous``     :math:`-1/\ln(1-c)`  time until leaving, at any moment
    ================== ==================== ==========================================

    On a base that mixes loyal and fickle customers the blended rate understates the mean: half at 1 %
    and half at 20 % live 52.5 periods, not 9.5.

    Args:
        churn: Share lost per period, from 0 to 1.
        convention: Which of the three to count.
        undefined: ``"nan"`` gives NaN where an array has no answer, instead of an error.

    Returns:
        Periods, in the unit of the churn rate.

    Raises:
        UndefinedMetric: ``churn`` is 0, so nobody ever leaves; or it is 1 with ``"continuous"``.
        InvalidValue: ``churn`` is outside 0 to 1, or the convention is unknown.
        InvalidType: A value is not a plain number.

    Examples:
        >>> expected_lifetime(0.05)
        20.0
        >>> round(expected_lifetime(0.05, convention="completed"), 9)
        19.0
        >>> round(expected_lifetime(0.05, convention="continuous"), 4)
        19.4957

    References:
        Skok, *SaaS Metrics 2.0*, for 1 / churn; the three differ by the mean of a geometric distribution
        from 1, of one from 0, and of the exponential distribution.
    """
    choice(("certain_first", "completed", "continuous"), convention=convention)
    rate = fraction(churn=churn)
    leaving: Number = rate
    if convention == "continuous":
        leaving = _hazard(rate, metric="expected_lifetime", undefined=undefined)
    reached: Number = 1 - rate if convention == "completed" else 1.0
    reason = "churn is 0, so no lifetime ever ends"
    return divide(reached, leaving, metric="expected_lifetime", reason=reason, undefined=undefined)


@overload
def half_life(churn: Scalar, /, *, undefined: Undefined = "raise") -> float: ...
@overload
def half_life(churn: Numbers, /, *, undefined: Undefined = "raise") -> FloatArray: ...
def half_life(churn: Numbers, /, *, undefined: Undefined = "raise") -> float | FloatArray:
    r"""Periods after which half of the customers have left, at constant churn.

    .. math:: t_{1/2} = \frac{\ln 2}{-\ln(1 - c)}

    Args:
        churn: Share lost per period, from 0 to 1.
        undefined: ``"nan"`` gives NaN where an array has churn 0 or 1, instead of an error.

    Returns:
        Periods, in the unit of the churn rate.

    Raises:
        UndefinedMetric: ``churn`` is 0 (half never leaves) or 1 (no finite rate).
        InvalidValue: ``churn`` is outside 0 to 1.
        InvalidType: A value is not a plain number.

    Examples:
        >>> round(half_life(0.05), 4)
        13.5134

    References:
        The median of the exponential lifetime; Skok, *SaaS Metrics 2.0*, for its use beside 1 / churn.
    """
    reason = "churn is 0, so half of the customers never leave"
    rate = _hazard(fraction(churn=churn), metric="half_life", undefined=undefined)
    return divide(float(np.log(2)), rate, metric="half_life", reason=reason, undefined=undefined)


def _hazard(rate: Number, *, metric: str, undefined: Undefined) -> Number:
    everybody = rate == 1
    reason = "churn is 1, and no finite rate loses everybody"
    refuse_undefined(everybody, metric=metric, reason=reason, undefined=undefined)
    intensity = -log1p(-rate)
    return intensity if isinstance(intensity, float) else np.where(everybody, np.nan, intensity)


class PurchaseCycle(BaseModel):
    """How long customers take from one purchase to the next, in days; purchases of one day count as one.

    A gap is closed when another purchase followed, and open when none has followed yet.
    ``median_closed`` is the median of the closed gaps alone: short-sighted, because long gaps are the ones
    still open. ``median`` counts the open gaps as "longer than seen so far": it is the first length at which
    the Kaplan-Meier curve of all gaps is down to one half, and ``None`` when the curve never gets there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    median: float | None
    median_closed: float
    closed: int
    open: int

    @property
    def days(self) -> float:
        """The censored median where it exists, otherwise the median of the closed gaps."""
        return self.median_closed if self.median is None else self.median


@dataclass(frozen=True, slots=True, eq=False)
class CustomerFlow:
    """The customer base from period to period: ``start + new + returned - lost = end``, always.

    Each array has one element a period. A customer is lost on the day on which the last purchase is more
    than ``lost_after`` days ago, and has returned with the next purchase after that. Counts of a period
    that ``as_of`` cuts short are counts so far; ``complete`` says which periods are whole.

    Attributes:
        periods: First day of each period.
        complete: Whether the period had ended by ``as_of``.
        start: Customers when the period opened.
        new: Customers whose first purchase fell into the period.
        returned: Lost customers who bought again.
        lost: Customers who became lost in the period.
        lost_of_start: Customers who were there when the period opened and not when it closed. Who was lost
            and returned within it is not among them; who bought in it and was lost even so is.
        end: Customers when it closed.
        buyers: Customers who bought in the period.
        returning: Buyers whose first purchase was in an earlier period.
        revenue: Sum of the amounts, or ``None`` when the log has no amounts.
        period: ``"month"`` or another calendar period.
        as_of: Last day that the data cover.
        lost_after: Days without a purchase after which a customer is lost.
        excluded: Rows of the log left out, by reason.
    """

    periods: tuple[date, ...]
    complete: BoolArray
    start: IntArray
    new: IntArray
    returned: IntArray
    lost: IntArray
    lost_of_start: IntArray
    end: IntArray
    buyers: IntArray
    returning: IntArray
    revenue: FloatArray | None
    period: Period
    as_of: date
    lost_after: int
    excluded: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a book that does not close; make the arrays read-only."""
        freeze(self, "complete", *_FLOW_COUNTS, "revenue")
        open_at = self.start + self.new + self.returned - self.lost != self.end
        refuse_if(open_at, "start + new + returned - lost is not end")

    def retention(self) -> FloatArray:
        """Retention of the customers present at the start of each period; NaN where there were none.

        It is :func:`cohort_retention` of ``start`` and ``start - lost_of_start``.

        References:
            Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5.
        """
        return cohort_retention(start=self.start, retained=self.start - self.lost_of_start, undefined="nan")

    def pooled_churn(self, *, last: int | None = None) -> Rate:
        r"""Share of customers lost per period, pooled over the complete periods.

        .. math:: \sum \text{lost\_of\_start} / \sum \text{start}

        Args:
            last: Only so many complete periods, counted from the latest; ``None`` takes all. The first
                periods of a log cannot lose anybody until ``lost_after`` days have passed.

        Returns:
            A :class:`~retention_metrics.Rate`; its interval takes the losses as independent.

        Raises:
            UndefinedMetric: No complete period began with customers.

        References:
            The ratio estimator: Cochran (1977), *Sampling Techniques*, 3rd ed., chapter 6.
        """
        chosen = np.flatnonzero(self.complete)
        if last is not None:
            chosen = chosen[-whole(1, last=last) :]
        opened = int(self.start[chosen].sum())
        if opened == 0:
            raise UndefinedMetric("pooled_churn", f"no complete {self.period} began with customers")
        return Rate(
            definition=f"lost of the start set / start, pooled over {chosen.size} complete {self.period}s",
            numerator=int(self.lost_of_start[chosen].sum()),
            denominator=opened,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a period."""
        table: dict[str, Any] = {
            "period": [label(day, self.period) for day in self.periods],
            "complete": self.complete.tolist(),
        }
        for name in _FLOW_COUNTS:
            table[name] = getattr(self, name).tolist()
        if self.revenue is not None:
            table["revenue"] = self.revenue.tolist()
        return table

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a period, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)
