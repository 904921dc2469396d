"""Lifetime value from counted losses, with the interval that follows from the uncertainty of churn."""

import math
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import at_least, choice, finite, fraction, single, whole
from retention_metrics._stats import Interval, Rate, two_sided_z
from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.ltv._tails import binomial_limits, binomial_quantiles
from retention_metrics.ltv._value import ExpansionKind, Timing, lifetime_value, read_expansion

ValueMethod: TypeAlias = Literal["wilson", "delta", "bootstrap"]


class LifetimeValue(BaseModel):
    """Lifetime value from a churn that was counted, not known.

    Attributes:
        margin: Money per customer and period after variable costs.
        churn: Lost of those at the start of the period.
        discount: As for :func:`lifetime_value`, like all that follow.
        timing: When payments come.
        horizon: Periods that count, or ``None`` for all.
        expansion: Growth of the margin per period.
        expansion_kind: ``"compound"`` or ``"linear"``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    margin: float
    churn: Rate
    discount: float = 0.0
    timing: Timing = "start"
    horizon: float | None = None
    expansion: float = 0.0
    expansion_kind: ExpansionKind = "compound"

    @property
    def value(self) -> float:
        """Lifetime value at the churn observed; undefined as :func:`lifetime_value` is.

        References:
            As for :func:`lifetime_value`.
        """
        return self._at(self.churn.value)

    def interval(self, level: float = 0.95, *, method: ValueMethod = "wilson") -> Interval:
        r"""Confidence interval of the value: an interval of churn, each limit of which is turned into a value.

        The value falls as churn rises, so nothing is lost by that, and the interval is as trustworthy as that of churn.
        It knows the uncertainty of churn only: margin and discount are taken as given.

        ============== ====================================================================================
        method         the interval of churn
        ============== ====================================================================================
        ``wilson``     Wilson's score interval: near its level for few losses and for many
        ``delta``      the delta method on the scale of log odds, :math:`\pm z / \sqrt{n c (1 - c)}`; a
                       little too wide for few losses
        ``bootstrap``  percentiles of resampled churn, exact: no random draws are needed; without an upper
                       limit where a resample may have no losses
        ============== ====================================================================================

        Args:
            level: Confidence level, between 0 and 1.
            method: One of the table above.

        Returns:
            An :class:`~retention_metrics.Interval` in money per customer.

        Raises:
            UndefinedMetric: Churn may be so low that the value has no upper limit; or nobody or everybody left, which
                ``"delta"`` and ``"bootstrap"`` would take for certainty.
            InvalidValue: Unknown method, or a level outside 0 to 1.

        Examples:
            >>> estimate = lifetime_value_estimate(margin=40, lost=10, start=200)
            >>> span = estimate.interval()
            >>> round(estimate.value, 1), round(span.low, 1), round(span.high, 1)
            (800.0, 446.5, 1460.8)

        References:
            Wilson (1927), *JASA* 22, 209-212; Efron & Tibshirani (1993), *An Introduction to the Bootstrap*, chapter
            13; van der Vaart (1998), *Asymptotic Statistics*, chapter 3, for the delta method.
        """
        choice(("wilson", "delta", "bootstrap"), method=method)
        z = two_sided_z(level)
        lost, start = self.churn.numerator, self.churn.denominator
        if method == "wilson":
            span = self.churn.interval(level)
            low, high = span.low, span.high
        elif lost in {0, start}:
            who = "nobody" if lost == 0 else "everybody"
            raise UndefinedMetric(
                f"{method} interval of lifetime_value",
                f"{who} of {start:,} left, and the method would take that for certain; the default method does not",
            )
        elif method == "bootstrap":
            least, most = binomial_quantiles(lost, start, (1 - level) / 2)
            low, high = least / start, most / start
        else:
            centre, half = math.log(lost / (start - lost)), z * math.sqrt(start / (lost * (start - lost)))
            low, high = (1 / (1 + math.exp(-limit)) for limit in (centre - half, centre + half))
        ends = sorted((self._limit_at(high), self._limit_at(low)))
        return Interval(low=ends[0], high=ends[1], level=level, method=method)

    def at_least(self, level: float = 0.95) -> float:
        """What a customer is worth at least, with so much confidence: the value at the highest churn that is credible.

        It has an answer where ``interval()`` has none: nobody of 200 has left, and yet churn may be up to 1.5 %.

        Args:
            level: Confidence level, between 0 and 1.

        Returns:
            Money per customer.

        Raises:
            UndefinedMetric: The margin is negative and the loss that a customer makes has no limit.
            InvalidValue: The level is not between 0 and 1.

        Examples:
            >>> round(lifetime_value_estimate(margin=40, lost=0, start=200).at_least(), 1)
            2690.5

        References:
            Clopper & Pearson (1934), *Biometrika* 26, 404-413, for the exact limit of churn.
        """
        tail = 1 - single(fraction(open_low=True, open_high=True, level=level), "level")
        low, high = binomial_limits(self.churn.numerator, self.churn.denominator, tail)
        return self._limit_at(high if self.margin >= 0 else low)

    def _at(self, churn: float) -> float:
        return lifetime_value(
            margin=self.margin,
            churn=churn,
            discount=self.discount,
            timing=self.timing,
            horizon=self.horizon,
            expansion=self.expansion,
            expansion_kind=self.expansion_kind,
        )

    def _limit_at(self, churn: float) -> float:
        try:
            return self._at(churn)
        except UndefinedMetric as error:
            raise UndefinedMetric(
                "interval of lifetime_value",
                f"churn may be as low as {churn:.4g}, and the value then has no limit ({error.reason}); "
                "see at_least() for what a customer is worth at least",
            ) from None


def lifetime_value_estimate(
    *,
    margin: float,
    lost: int,
    start: int,
    discount: float = 0,
    timing: Timing = "start",
    horizon: float | None = None,
    expansion: float = 0,
    expansion_kind: ExpansionKind = "compound",
) -> LifetimeValue:
    r"""Lifetime value from counted losses, which can say how sure it is.

    .. math:: \text{LTV}(\hat c), \quad \hat c = \text{lost} / \text{start}, \qquad
        [\text{LTV}(c_{high}), \; \text{LTV}(c_{low})]

    One over a small number is a wild number: 10 lost of 200 make a value of 800, and anything from 447 to 1,461 would
    be no surprise.

    Args:
        margin: Money per customer and period after variable costs; may be negative.
        lost: Customers of the start who were lost in the period, a whole number from 0 to ``start``.
        start: Customers at the start of the period, a whole number >= 1; or summed over several periods with one
            churn, customers at risk and losses alike.
        discount: As for :func:`lifetime_value`, like all that follow.
        timing: When payments come.
        horizon: Periods that count.
        expansion: Growth of the margin per period.
        expansion_kind: ``"compound"`` or ``"linear"``.

    Returns:
        A :class:`LifetimeValue`: ``value``, ``interval()`` and ``at_least()``.

    Raises:
        InvalidValue: A value is out of range, or ``lost`` exceeds ``start``.
        InvalidType: A value is not a plain number.

    Examples:
        >>> estimate = lifetime_value_estimate(margin=40, lost=10, start=200, horizon=12)
        >>> span = estimate.interval(method="bootstrap")
        >>> round(estimate.value, 1), round(span.low, 1), round(span.high, 1)
        (367.7, 316.2, 430.6)

    References:
        As for :func:`lifetime_value`; Wilson (1927), *JASA* 22, 209-212, for the interval of churn.
    """
    gone, there = whole(0, lost=lost), whole(1, start=start)
    if gone > there:
        raise InvalidValue(f"lost must be at most the {there:,} at the start, got {gone:,}")
    choice(("start", "end"), timing=timing)
    return LifetimeValue(
        margin=single(finite(margin=margin), "margin"),
        churn=Rate(definition="lost of the start set / start", numerator=gone, denominator=there),
        discount=single(at_least(0, discount=discount), "discount"),
        timing=timing,
        horizon=None if horizon is None else single(at_least(0, horizon=horizon), "horizon"),
        expansion=single(read_expansion(expansion, expansion_kind), "expansion"),
        expansion_kind=expansion_kind,
    )
