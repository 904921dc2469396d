"""What one more customer costs: the change of spend over the change of customers."""

import math

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import at_least, fraction, single, whole
from retention_metrics._stats import Interval, two_sided_z
from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.ltv._tails import poisson_limits


class MarginalCost(BaseModel):
    """What the last customers cost that a channel brought when more was spent on it.

    Attributes:
        spend_low: Money spent in the period with less spend.
        spend_high: Money spent in the other one.
        customers_low: Customers won with less spend.
        customers_high: Customers won with more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    spend_low: float
    spend_high: float
    customers_low: int
    customers_high: int

    @property
    def value(self) -> float:
        """Money per additional customer; undefined when more money brought no more customers.

        References:
            As for :func:`marginal_cost`.
        """
        more = self.customers_high - self.customers_low
        if more <= 0:
            raise UndefinedMetric("marginal_cost", f"{self._extra:,.2f} more brought {more:+,} customers")
        return self._extra / more

    def interval(self, level: float = 0.95) -> Interval:
        r"""Confidence interval of the value, from exact Poisson limits of both numbers of customers.

        .. math:: D_{low} = D - \sqrt{(N_2 - l_2)^2 + (u_1 - N_1)^2}, \qquad
            D_{high} = D + \sqrt{(u_2 - N_2)^2 + (N_1 - l_1)^2}

        Args:
            level: Confidence level, between 0 and 1.

        Returns:
            An :class:`~retention_metrics.Interval` in money per customer.

        Raises:
            UndefinedMetric: The customers may not have become more at all, so that the cost has no upper limit; then
                ask ``at_least()``.
            InvalidValue: The level is not between 0 and 1.

        References:
            Zou & Donner (2008), *Statistics in Medicine* 27, 1693-1702, for the limits of a difference from those of
            its parts; Garwood (1936), *Biometrika* 28, 437-442, for the latter.
        """
        low, high = self._more(level)
        if low <= 0:
            raise UndefinedMetric(
                "interval of marginal_cost",
                "the customers may not have become more at all, so the cost of one more has no upper limit; "
                "see at_least()",
            )
        return Interval(low=self._extra / high, high=self._extra / low, level=level, method="mover")

    def at_least(self, level: float = 0.95) -> float:
        """What one more customer costs at least, with so much confidence.

        Args:
            level: Confidence level, above 0.5 and below 1.

        Returns:
            Money per customer.

        Raises:
            UndefinedMetric: The customers have become fewer, with that confidence.
            InvalidValue: The level is not above 0.5 and below 1.

        References:
            Zou & Donner (2008), *Statistics in Medicine* 27, 1693-1702.
        """
        confidence = single(fraction(open_high=True, level=level), "level")
        if confidence <= 0.5:
            raise InvalidValue(f"level must be above 0.5, got {confidence:g}")
        _, high = self._more(2 * confidence - 1)
        if high <= 0:
            raise UndefinedMetric("at_least of marginal_cost", "more money brought fewer customers, beyond doubt")
        return self._extra / high

    @property
    def _extra(self) -> float:
        return self.spend_high - self.spend_low

    def _more(self, level: float) -> tuple[float, float]:
        """Limits of how many more customers the extra spend brings."""
        two_sided_z(level)
        counts = np.array([self.customers_low, self.customers_high], dtype=np.float64)
        low, high = poisson_limits(counts, level)
        more = float(counts[1] - counts[0])
        down = math.hypot(counts[1] - low[1], high[0] - counts[0])
        up = math.hypot(high[1] - counts[1], counts[0] - low[0])
        return more - down, more + up


def marginal_cost(
    *, spend_before: float, spend_after: float, customers_before: int, customers_after: int
) -> MarginalCost:
    r"""What one more customer costs: the change of spend between two periods of a channel over that of customers.

    .. math:: \frac{\text{spend}_{after} - \text{spend}_{before}}{\text{customers}_{after} - \text{customers}_{before}}

    The first customers of a channel are the cheap ones. A CAC of 27 says nothing about the next customer, who may cost
    60; it is the next one that decides whether to spend more. The difference of two small numbers is very unsure, so
    look at the interval. Season, prices and other channels have to be the same in both periods.

    Args:
        spend_before: Money spent in one period, >= 0.
        spend_after: Money spent in another one of the same length, >= 0, not the same sum.
        customers_before: Customers won in the first, a whole number.
        customers_after: Customers won in the second, a whole number.

    Returns:
        A :class:`MarginalCost`: ``value``, ``interval()`` and ``at_least()``.

    Raises:
        UndefinedMetric: Both periods have the same spend.
        InvalidValue: Spend is negative, or customers are not whole numbers.
        InvalidType: A value is not a plain number.

    Examples:
        >>> more = marginal_cost(spend_before=400, spend_after=1000, customers_before=15, customers_after=25)
        >>> more.value, round(more.at_least(), 1)  # 600 more for 10 more; on average 27, then 40
        (60.0, 28.0)

    References:
        Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5; Zou & Donner (2008), *Statistics in Medicine*
        27, 1693-1702, for the interval.
    """
    before, after = whole(0, customers_before=customers_before), whole(0, customers_after=customers_after)
    first = single(at_least(0, spend_before=spend_before), "spend_before")
    second = single(at_least(0, spend_after=spend_after), "spend_after")
    if first == second:
        raise UndefinedMetric("marginal_cost", f"both periods have the same spend, {first:,.2f}")
    (low, few), (high, many) = sorted([(first, before), (second, after)])
    return MarginalCost(spend_low=low, spend_high=high, customers_low=few, customers_high=many)
