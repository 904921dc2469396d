"""Revenue by where it comes from: kept customers, customers won by recommendation, customers bought."""

import math

from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import at_least, single
from retention_metrics._stats import Bounds
from retention_metrics.errors import UndefinedMetric

_ROUNDING = 1e-12  # growth of sums of cents that is none


class EarnedGrowth(BaseModel):
    """Growth that customers bring by staying, buying more and recommending, beside growth that is bought.

    Attributes:
        revenue_last: Revenue of last year.
        returning_this_year: Revenue of this year from customers of last year.
        earned_new: Revenue of this year from new customers who came by recommendation.
        bought_new: Revenue of this year from new customers won by advertising, sales or discounts.
        unknown_new: Revenue of this year from new customers of whom nobody knows why they came.

    References:
        Reichheld, Darnell & Burns (2021), "Net Promoter 3.0", *Harvard Business Review* 99(6), 80-89.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    revenue_last: float
    returning_this_year: float
    earned_new: float
    bought_new: float
    unknown_new: float = 0.0

    def model_post_init(self, _context: object) -> None:
        """Refuse sums below zero, and a growth from nothing."""
        for name in ("revenue_last", "returning_this_year", "earned_new", "bought_new", "unknown_new"):
            at_least(0, open_low=False, **{name: getattr(self, name)})
        _refuse_nothing(self.revenue_last)

    @property
    def nrr(self) -> float:
        """Net revenue retention: revenue from last year's customers / revenue of last year."""
        return self.returning_this_year / self.revenue_last

    @property
    def enc(self) -> float:
        """Earned new customers: revenue from customers who came by recommendation / revenue of last year."""
        return self.earned_new / self.revenue_last

    @property
    def earned_growth_rate(self) -> float:
        """Growth without the customers that were bought: nrr + enc - 1. Customers of unknown source are not earned."""
        return self.nrr + self.enc - 1

    @property
    def total_growth(self) -> float:
        """Growth of the whole revenue: revenue of this year / revenue of last year - 1."""
        parts = (self.returning_this_year, self.earned_new, self.bought_new, self.unknown_new)
        return math.fsum(parts) / self.revenue_last - 1

    @property
    def earned_growth_ratio(self) -> float:
        """Share of the growth that was earned: earned_growth_rate / total_growth; undefined without growth."""
        if self.total_growth <= _ROUNDING:
            raise UndefinedMetric(
                "earned_growth_ratio",
                f"revenue did not grow (total growth {self.total_growth:.4g}), so it has no shares",
            )
        return self.earned_growth_rate / self.total_growth

    @property
    def rate_bounds(self) -> Bounds:
        """The earned growth rate if nobody, and if everybody, of unknown source came by recommendation."""
        return Bounds(self.earned_growth_rate, self.earned_growth_rate + self.unknown_new / self.revenue_last)


def earned_growth(
    *,
    revenue_last: float,
    returning_this_year: float,
    earned_new: float,
    bought_new: float,
    unknown_new: float = 0.0,
) -> EarnedGrowth:
    r"""Earned growth (Net Promoter 3.0): how much of the growth came from customers who stayed or recommended.

    .. math:: \text{earned growth} = \text{NRR} + \text{ENC} - 1

    where NRR is net revenue retention and ENC the revenue from customers who came by recommendation, both over the
    revenue of last year. Every new customer needs a source; those without one are a bucket of their own, never
    counted as earned, and ``rate_bounds`` says what they could change.

    Args:
        revenue_last: Revenue of last year, > 0.
        returning_this_year: Revenue of this year from customers of last year, >= 0.
        earned_new: Revenue of this year from new customers who came by recommendation, >= 0.
        bought_new: Revenue of this year from new customers who were bought, >= 0.
        unknown_new: Revenue of this year from new customers of unknown source, >= 0.

    Returns:
        An :class:`EarnedGrowth`.

    Raises:
        UndefinedMetric: ``revenue_last`` is 0.
        InvalidValue: A sum is negative or not finite.
        InvalidType: A value is not a plain number.

    Examples:
        >>> growth = earned_growth(revenue_last=100, returning_this_year=85, earned_new=20, bought_new=25)
        >>> round(growth.earned_growth_rate, 4), round(growth.total_growth, 4), round(growth.earned_growth_ratio, 4)
        (0.05, 0.3, 0.1667)
        >>> unsure = earned_growth(
        ...     revenue_last=100, returning_this_year=85, earned_new=20, bought_new=15, unknown_new=10
        ... )
        >>> round(unsure.rate_bounds.low, 4), round(unsure.rate_bounds.high, 4)
        (0.05, 0.15)

    References:
        Reichheld, Darnell & Burns (2021), "Net Promoter 3.0", *Harvard Business Review* 99(6), 80-89.
    """
    parts = {
        "revenue_last": at_least(0, revenue_last=revenue_last),
        "returning_this_year": at_least(0, returning_this_year=returning_this_year),
        "earned_new": at_least(0, earned_new=earned_new),
        "bought_new": at_least(0, bought_new=bought_new),
        "unknown_new": at_least(0, unknown_new=unknown_new),
    }
    _refuse_nothing(single(parts["revenue_last"], "revenue_last"))
    return EarnedGrowth(**{name: single(part, name) for name, part in parts.items()})


def _refuse_nothing(revenue_last: float) -> None:
    if revenue_last == 0:
        raise UndefinedMetric("earned_growth", "revenue_last is 0, so there is nothing to grow from")
