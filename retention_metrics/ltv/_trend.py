"""Cost per lead over time: is it learning, or is it noise?"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from retention_metrics._checks import at_least, freeze, refuse_if
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result
from retention_metrics._stats import Interval, Intervals, two_sided_p, two_sided_z
from retention_metrics._typing import FloatArray, Vector
from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.ltv._tails import student_p, student_quantile

_FEWEST = 3
_STEPS = 200
_CLOSE = 1e-12
_TELLING = 0.05
_METHOD = "poisson trend, the wider of poisson and quasi-poisson"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CostTrend(Result):
    """Cost per lead by period, the trend fitted to it, and how sure that is.

    Attributes:
        spend: Money spent in each period.
        leads: Leads that came in each period.
        fitted: Cost per lead of each period according to the trend.
        slope: Change of the logarithm of the cost from one period to the next.
        standard_error: That of the slope if leads are Poisson.
        dispersion: Pearson's chi-squared over its degrees of freedom: about 1 when leads scatter around the trend as
            Poisson numbers do, more when something else makes them scatter.
    """

    spend: FloatArray
    leads: FloatArray
    fitted: FloatArray
    slope: float
    standard_error: float
    dispersion: float

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, "spend", "leads", "fitted")

    @property
    def periods(self) -> int:
        """Periods with spend, on which the trend rests."""
        return int((self.spend > 0).sum())

    @property
    def change(self) -> float:
        """Change of the cost per lead from one period to the next, as a fraction: -0.2 is a fifth less each time.

        References:
            As for :func:`cost_trend`.
        """
        return math.expm1(self.slope)

    @property
    def p_value(self) -> float:
        """Probability of a trend at least as strong, in either direction, if the cost did not change.

        The larger of two: leads taken as Poisson, and with the scatter that they show.

        References:
            As for :func:`cost_trend`.
        """
        poisson = two_sided_p(self.slope / self.standard_error)
        spread = self.standard_error * math.sqrt(self.dispersion)
        return max(poisson, student_p(self.slope / spread, self.periods - 2)) if spread > 0 else poisson

    def interval(self, level: float = 0.95) -> Interval:
        """Confidence interval of ``change``.

        Args:
            level: Confidence level, between 0 and 1.

        Returns:
            An :class:`~retention_metrics.Interval` of fractions, above -1.

        References:
            As for :func:`cost_trend`.
        """
        half = self._width(level) * self.standard_error
        low, high = math.expm1(self.slope - half), math.expm1(self.slope + half)
        return Interval(low=low, high=high, level=level, method=_METHOD)

    def fitted_interval(self, level: float = 0.95) -> Intervals:
        """Confidence intervals of the fitted cost per lead, one a period: first and last are where it was and is.

        Args:
            level: Confidence level, between 0 and 1.

        Returns:
            :class:`~retention_metrics.Intervals` with arrays like ``fitted``.

        References:
            McCullagh & Nelder (1989), *Generalized Linear Models*, 2nd ed., section 6.2.
        """
        place = np.arange(self.spend.size)
        centre = float(place @ self.leads) / self.leads.sum()
        spread = np.sqrt(1 / self.leads.sum() + ((place - centre) * self.standard_error) ** 2)
        factor = np.exp(self._width(level) * spread)
        return Intervals(low=self.fitted / factor, high=self.fitted * factor, level=level, method=_METHOD)

    @property
    def answer(self) -> str:
        """Learning or noise? In plain words, and with what the data cannot tell."""
        first, last = float(self.fitted[0]), float(self.fitted[-1])
        if self.p_value >= _TELLING:
            return (
                f"A change of the cost per lead from about {first:,.2f} to {last:,.2f} can be noise (p = "
                f"{self.p_value:.2f}): {self.leads.sum():,.0f} leads in {self.periods} periods do not show a trend."
            )
        way = "fell" if self.slope < 0 else "rose"
        span = self.interval()
        shown = f"p = {self.p_value:.3f}" if self.p_value >= 0.001 else "p < 0.001"
        said = (
            f"The cost per lead {way} from about {first:,.2f} to {last:,.2f}, by {abs(self.change):.0%} a period "
            f"(95 %: {span.low:+.0%} to {span.high:+.0%}), which is more than noise ({shown}). "
        )
        if self.slope < 0:
            return said + "Whether it is learning, or season, prices or rivals, these numbers alone cannot tell."
        return (
            said + "Whether the channel is running dry, or season, prices or rivals, these numbers alone cannot tell."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a period counted from 1; ``None`` where nobody came. Limits are at 95 %."""
        span = self.fitted_interval()
        return {
            "period": list(range(1, self.spend.size + 1)),
            "spend": self.spend.tolist(),
            "leads": self.leads.tolist(),
            "cost": [
                paid / came if came else None
                for paid, came in zip(self.spend.tolist(), self.leads.tolist(), strict=True)
            ],
            "fitted": self.fitted.tolist(),
            "low": span.low.tolist(),
            "high": span.high.tolist(),
        }

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a period, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)

    def _width(self, level: float) -> float:
        """How many Poisson standard errors an interval reaches to either side."""
        z = two_sided_z(level)
        return max(z, student_quantile(level, self.periods - 2) * math.sqrt(self.dispersion))


def cost_trend(*, spend: Vector, leads: Vector) -> CostTrend:
    r"""Whether the cost per lead really falls from period to period, or whether that is noise.

    Leads come one by one, in proportion to spend and with a cost that changes by the same share each period:

    .. math:: \text{leads}_t \sim \text{Poisson}\left( \frac{\text{spend}_t}{c_0 e^{b t}} \right), \qquad
        \hat\phi = \frac{1}{n - 2} \sum_t \frac{(\text{leads}_t - \text{fitted}_t)^2}{\text{fitted}_t}

    Real leads may scatter more than that. Intervals and p-values are therefore the wider of two: Poisson with normal
    quantiles, and quasi-Poisson, with the dispersion :math:`\hat\phi` and Student quantiles with n - 2 degrees of
    freedom. So a few periods that happen to lie on a line are not taken for certainty, and neither is scatter that has
    other causes.

    Args:
        spend: Money spent in each period, >= 0, oldest first; a period without spend says nothing.
        leads: Leads that came in each, whole numbers.

    Returns:
        A :class:`CostTrend`: change per period, p-value, fitted costs with intervals, and the answer in plain words.

    Raises:
        UndefinedMetric: Fewer than three periods with spend, nobody came, or all leads came in the first or in the
            last period, so that no trend fits.
        InvalidValue: Spend is negative, leads are not whole numbers, came without spend, or lengths differ.
        InvalidType: A value is not a plain number.

    Examples:
        >>> trend = cost_trend(spend=[300] * 6, leads=[5, 7, 9, 14, 18, 25])
        >>> round(trend.change, 3), round(trend.p_value, 5)
        (-0.275, 1e-05)
        >>> print(cost_trend(spend=[60, 60, 60, 60], leads=[1, 2, 1, 5]).answer)
        A change of the cost per lead from about 69.37 to 14.31 can be noise (p = 0.18): 9 leads in 4 periods do not
        show a trend.

    References:
        McCullagh & Nelder (1989), *Generalized Linear Models*, 2nd ed., sections 6.2 and 4.5, for the regression and
        its dispersion; Cox & Lewis (1966), *The Statistical Analysis of Series of Events*, chapter 3, for the trend.
    """
    money, came = at_least(0, spend=spend), at_least(0, leads=leads)
    if isinstance(money, float) or isinstance(came, float) or money.ndim != 1 or money.shape != came.shape:
        raise InvalidValue("spend and leads must be one number a period each, oldest first")
    refuse_if(came % 1 != 0, "leads must be whole numbers")
    refuse_if((money == 0) & (came > 0), "leads came without spend: they belong to another channel, or to other spend")
    paid = np.flatnonzero(money > 0)
    if paid.size < _FEWEST:
        raise UndefinedMetric("cost_trend", f"a trend needs {_FEWEST} periods with spend, there are {paid.size}")
    everybody = float(came.sum())
    if everybody == 0:
        raise UndefinedMetric("cost_trend", "nobody came, so there is no cost per lead")
    place = np.arange(money.size, dtype=np.float64)
    for end, name in ((paid[0], "first"), (paid[-1], "last")):
        if came[end] == everybody:
            raise UndefinedMetric("cost_trend", f"all leads came in the {name} period with spend, so no trend fits")
    slope, shares, variance = _fit(money, place, float(place @ came) / everybody)
    expected = everybody * shares
    dispersion = float((((came - expected)[paid]) ** 2 / expected[paid]).sum() / (paid.size - 2))
    first = paid[0]
    start = math.log(money[first]) - math.log(expected[first])
    return CostTrend(
        spend=money,
        leads=came,
        fitted=np.exp(start - slope * (place - first)),
        slope=-slope,
        standard_error=1 / math.sqrt(everybody * variance),
        dispersion=dispersion,
    )


def _fit(spend: FloatArray, place: FloatArray, mean: float) -> tuple[float, FloatArray, float]:
    """Growth of leads per spend with which they come at the mean place they did; shares by period, and the variance."""
    low, high = -1.0, 1.0
    while _shares(spend, place, low) @ place > mean:
        low *= 2
    while _shares(spend, place, high) @ place < mean:
        high *= 2
    for _ in range(_STEPS):
        slope = (low + high) / 2
        if _shares(spend, place, slope) @ place < mean:
            low = slope
        else:
            high = slope
        if high - low <= _CLOSE * max(1.0, abs(slope)):
            break
    shares = _shares(spend, place, slope)
    return slope, shares, float(shares @ (place - mean) ** 2)


def _shares(spend: FloatArray, place: FloatArray, slope: float) -> FloatArray:
    """Shares of all leads by period, when leads per spend grow by so much."""
    with np.errstate(divide="ignore"):
        logarithms = np.log(spend) + slope * place
    weights = np.exp(logarithms - logarithms.max())
    shares: FloatArray = weights / weights.sum()
    return shares
