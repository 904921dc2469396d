"""The customer base from period to period, and the cycle in which customers buy."""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import at_least, choice, fraction, freeze, refuse_if, single, whole
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._periods import label
from retention_metrics._results import Result
from retention_metrics._stats import Rate
from retention_metrics._typing import BoolArray, FloatArray, IntArray, Numbers, Period
from retention_metrics.churn._rates import Definitions, cohort_retention, definitions
from retention_metrics.errors import RetentionMetricsWarning, UndefinedMetric

Dated: TypeAlias = Literal["cut_off", "last_purchase", "detection"]

FEWEST_CYCLES = 3
QuantileRule: TypeAlias = Literal["linear", "lower", "higher", "weibull", "hazen"]

QUANTILE_RULES: tuple[QuantileRule, ...] = ("linear", "lower", "higher", "weibull", "hazen")
DATED: tuple[Dated, ...] = ("cut_off", "last_purchase", "detection")
_FLOW_COUNTS = ("start", "new", "returned", "lost", "lost_of_start", "end", "buyers", "returning")


class ShortWindowWarning(RetentionMetricsWarning):
    """A window of fewer than three purchase cycles: many are called lost who are merely between two purchases."""


def retention_window(*, purchase_cycle: float, cycles: float = 3) -> int:
    r"""The period over which to compute retention without subscriptions: at least three purchase cycles.

    .. math:: \lceil \text{cycles} \times \text{purchase cycle} \rceil

    Args:
        purchase_cycle: Days from one purchase to the next, > 0: ``logs.Transactions.purchase_cycle(...).days``.
        cycles: How many of them, > 0; fewer than three are warned of.

    Returns:
        Days.

    Raises:
        InvalidValue: An argument is not positive.
        InvalidType: A value is not a plain number.

    Examples:
        >>> retention_window(purchase_cycle=14)
        42

    References:
        Trade practice for shops and salons; Buckinx & Van den Poel (2005), *European Journal of Operational
        Research* 164(1), 252-268, for defection by inactivity.
    """
    days = single(at_least(0, open_low=True, purchase_cycle=purchase_cycle), "purchase_cycle")
    return math.ceil(warn_of_few(cycles, stacklevel=3) * days - 1e-9)


def inactivity_cutoff(gaps: Numbers, *, quantile: float = 0.8, rule: QuantileRule = "linear") -> float:
    r"""Days without a purchase after which to call a customer lost, as a quantile of the gaps between purchases.

    The quantile of a sample is a matter of definition, so the rule has a name: with n sorted gaps, ``"linear"`` reads
    them at the place :math:`(n - 1) q + 1`, ``"weibull"`` at :math:`(n + 1) q`, ``"hazen"`` at :math:`n q + 1/2`, each
    between two gaps in proportion; ``"lower"`` and ``"higher"`` take the gap below and above the place of ``"linear"``.

    Closed gaps alone are too short, because the long ones are still open:
    ``logs.Transactions.purchase_gaps(...).quantile(0.8)`` counts those as well.

    Args:
        gaps: Days between purchases, > 0.
        quantile: Share of the gaps that the cut-off is to cover, from 0 to 1.
        rule: ``"linear"``, ``"lower"``, ``"higher"``, ``"weibull"`` or ``"hazen"``.

    Returns:
        Days.

    Raises:
        InvalidValue: There are no gaps, one is not positive, or an unknown rule.
        InvalidType: A value is not a plain number.

    Examples:
        >>> gaps = [10, 20, 30, 40, 50]
        >>> {rule: inactivity_cutoff(gaps, rule=rule) for rule in ("linear", "lower", "higher", "weibull", "hazen")}
        {'linear': 42.0, 'lower': 40.0, 'higher': 50.0, 'weibull': 48.0, 'hazen': 45.0}

    References:
        Hyndman & Fan (1996), "Sample quantiles in statistical packages", *The American Statistician* 50(4), 361-365.
    """
    choice(QUANTILE_RULES, rule=rule)
    share = single(fraction(quantile=quantile), "quantile")
    days = np.atleast_1d(at_least(0, open_low=True, gaps=gaps))
    return float(np.quantile(days, share, method=rule))


def warn_of_few(cycles: float, *, stacklevel: int) -> float:
    """A checked number of purchase cycles, with a warning when customers would be called lost too soon."""
    many = single(at_least(0, open_low=True, cycles=cycles), "cycles")
    if many < FEWEST_CYCLES:
        warnings.warn(
            f"cycles is {many:g}: below {FEWEST_CYCLES}, many are called lost who will be back",
            ShortWindowWarning,
            stacklevel=stacklevel,
        )
    return many


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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CustomerFlow(Result):
    """The customer base from period to period: ``start + new + returned - lost = end``, always.

    Each array has one element a period. A customer is lost when the last purchase is more than ``lost_after`` days ago,
    and has returned with the next purchase after that; ``dated`` says to which day the loss is booked. Counts of a
    period that ``as_of`` cuts short are counts so far; ``complete`` says which periods are whole.

    Attributes:
        periods: First day of each period.
        complete: Whether the period had ended by ``as_of``, and with ``dated="last_purchase"`` its losses are known.
        start: Customers when the period opened.
        new: Customers whose first purchase fell into the period.
        returned: Lost customers who bought again.
        lost: Customers who became lost in the period.
        lost_of_start: Customers who were there when the period opened and not when it closed. Who was lost
            and returned within it is not among them; who bought in it and was lost even so is.
        end: Customers when it closed.
        buyers: Customers who bought in the period, or ``None`` for subscriptions.
        returning: Buyers whose first purchase was in an earlier period, or ``None`` for subscriptions.
        revenue: Sum of the amounts, or ``None`` when the log has no amounts.
        period: ``"month"`` or another calendar period.
        as_of: Last day that the data cover.
        lost_after: Days without a purchase, or a subscription, after which a customer is lost.
        dated: ``"cut_off"``: lost on the first day past the limit. ``"last_purchase"``: lost on the day of the last
            purchase, or on the day on which the last subscription ended; the last ``lost_after`` days are then
            provisional. ``"detection"``: seen at the close of each period only, so that who comes back before it was
            never lost.
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
    buyers: IntArray | None
    returning: IntArray | None
    revenue: FloatArray | None
    period: Period
    as_of: date
    lost_after: int
    dated: Dated = "cut_off"
    excluded: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a book that does not close; make the arrays read-only."""
        freeze(self, "complete", *_FLOW_COUNTS, "revenue")
        open_at = self.start + self.new + self.returned - self.lost != self.end
        refuse_if(open_at, "start + new + returned - lost is not end")

    def definitions(self, period: str) -> Definitions:
        """Churn of one period under every name, side by side: :func:`definitions` of its row.

        Customers who returned count as new.

        Args:
            period: Name of a period, such as ``"2026-03"``.

        Raises:
            InvalidValue: There is no such period.

        References:
            Tidemill and Recurly, as in :func:`definitions`.
        """
        names = [label(day, self.period) for day in self.periods]
        row = names.index(choice(names, period=period))
        start, new, returned, lost, lost_of_start, end = (
            int(getattr(self, name)[row]) for name in ("start", "new", "returned", "lost", "lost_of_start", "end")
        )
        return definitions(start=start, new=new + returned, lost=lost, lost_of_start=lost_of_start, end=end)

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
        columns = {name: getattr(self, name) for name in (*_FLOW_COUNTS, "revenue")}
        return table | {name: values.tolist() for name, values in columns.items() if values is not None}

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a period, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)
