"""Do groups of customers leave at different rates?"""

from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._stats import chi_squared_p
from retention_metrics._typing import FloatArray
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.survival._curve import SurvivalCurve

_TIES = 1e-12


class LogRank(BaseModel):
    """Whether groups of customers leave at different rates.

    Attributes:
        statistic: Chi-squared with one degree of freedom fewer than groups.
        degrees_of_freedom: Groups minus 1.
        observed: Losses in each group.
        expected: Losses that each group would have had if all left alike.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    statistic: float
    degrees_of_freedom: int
    observed: dict[str, float]
    expected: dict[str, float]

    @property
    def p_value(self) -> float:
        """Probability of a statistic at least as large if all groups left alike."""
        return chi_squared_p(self.statistic, self.degrees_of_freedom)


def logrank(groups: Mapping[str, SurvivalCurve]) -> LogRank:
    r"""Compare how long groups of customers stay: losses against those expected if all groups left alike.

    At every time of a loss the expected losses of a group are its share of the customers at risk, times the losses:

    .. math:: E_g = \sum_i d_i \frac{n_{gi}}{n_i}, \qquad
        V_{gh} = \sum_i d_i \frac{n_i - d_i}{n_i - 1} \frac{n_{gi}}{n_i} \left( \delta_{gh} - \frac{n_{hi}}{n_i} \right)

    Args:
        groups: A :class:`SurvivalCurve` by name; two or more. Weighted curves are taken as so many customers.

    Returns:
        A :class:`LogRank` with statistic, p-value, observed and expected losses.

    Raises:
        UndefinedMetric: Nobody left while customers of two groups were at risk.
        InvalidValue: Fewer than two groups.
        InvalidType: A group is not a :class:`SurvivalCurve`.

    Examples:
        >>> from retention_metrics.survival import kaplan_meier
        >>> monthly = kaplan_meier([1, 2, 2, 3, 6], observed=[True, True, True, True, False])
        >>> yearly = kaplan_meier([4, 8, 9, 11, 12], observed=[True, True, False, False, False])
        >>> test = logrank({"monthly": monthly, "yearly": yearly})
        >>> round(test.statistic, 3), round(test.p_value, 4)
        (4.546, 0.033)

    References:
        Mantel (1966), *Cancer Chemotherapy Reports* 50, 163-170; Peto & Peto (1972), *JRSS A* 135, 185-207.
    """
    if len(groups) < 2:
        raise InvalidValue(f"groups must be two or more to be compared, got {len(groups)}")
    for name, curve in groups.items():
        if not isinstance(curve, SurvivalCurve):
            raise InvalidType(f"groups[{name!r}] must be a SurvivalCurve, got {type(curve).__name__}; see kaplan_meier")
    curves = list(groups.values())
    times = np.unique(np.concatenate([curve.times[curve.events > 0] for curve in curves]))
    losses = np.stack([_events_at(curve, times) for curve in curves])
    at_risk = np.stack([_at_risk_at(curve, times) for curve in curves])
    total, lost = at_risk.sum(axis=0), losses.sum(axis=0)
    shares = at_risk / total
    expected = shares * lost
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(total > 1, lost * (total - lost) / (total - 1), 0.0)
    variance = np.einsum("i,gi,ghi->gh", scale, shares, np.eye(len(curves))[:, :, None] - shares[None])
    surplus = (losses - expected).sum(axis=1)
    if np.trace(variance) <= _TIES:
        raise UndefinedMetric("logrank", "nobody left while customers of two groups were at risk")
    statistic = float(surplus @ np.linalg.pinv(variance, hermitian=True) @ surplus)
    return LogRank(
        statistic=max(statistic, 0.0),
        degrees_of_freedom=int(np.count_nonzero(expected.sum(axis=1) > 0)) - 1,
        observed={str(name): float(count) for name, count in zip(groups, losses.sum(axis=1), strict=True)},
        expected={str(name): float(count) for name, count in zip(groups, expected.sum(axis=1), strict=True)},
    )


def _events_at(curve: SurvivalCurve, times: FloatArray) -> FloatArray:
    place = np.searchsorted(curve.times, times)
    place = np.minimum(place, curve.times.size - 1)
    return np.where(curve.times[place] == times, curve.events[place], 0.0)


def _at_risk_at(curve: SurvivalCurve, times: FloatArray) -> FloatArray:
    """Customers who had entered before each time and were not gone before it."""
    gone = np.concatenate([np.cumsum((curve.events + curve.censored)[::-1])[::-1], [0.0]])
    not_yet = np.concatenate([np.cumsum(curve.entered[::-1])[::-1], [0.0]])
    at_risk: FloatArray = (
        gone[np.searchsorted(curve.times, times, side="left")]
        - not_yet[np.searchsorted(curve.entries, times, side="left")]
    )
    return at_risk
