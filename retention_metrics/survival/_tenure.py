"""Does the risk of leaving change with tenure?"""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._stats import two_sided_p
from retention_metrics._typing import BoolArray
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.survival._curve import SurvivalCurve, ThinRiskSetWarning, kaplan_meier
from retention_metrics.survival._hazard import HazardTable, edges_of
from retention_metrics.survival._spells import Spells, read_spells

_TIES = 1e-12


class TenureEffect(BaseModel):
    """The churn hazard by tenure, and whether it rises or falls.

    Attributes:
        hazard: Losses per customer and unit of time, by stretches of tenure.
        trend: Score test of a trend over the stretches, in standard errors: below 0 the hazard falls with tenure.
        trend_within: The same within groups, when groups were given: what is left of the trend among customers of
            one group.
        rate_ratio: Hazard of the last stretch with a loss or exposure over that of the first; ``None`` when the first
            has no losses.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    hazard: HazardTable
    trend: float
    trend_within: float | None
    rate_ratio: float | None

    @property
    def p_value(self) -> float:
        """Probability of a trend at least as strong, in either direction, if tenure made no difference."""
        return two_sided_p(self.trend)

    @property
    def p_value_within(self) -> float | None:
        """The same within groups."""
        return None if self.trend_within is None else two_sided_p(self.trend_within)

    @property
    def answer(self) -> str:
        """Do customers who stayed longer leave less? In plain words, and with what the data cannot tell."""
        if self.p_value >= 0.05:
            return (
                "The data do not show that the risk of leaving changes with tenure "
                f"(p = {self.p_value:.2f}); with more customers it might."
            )
        falls = self.trend < 0
        much = ""
        if self.rate_ratio is not None:
            much = f", in the last stretch to {self.rate_ratio:.0%} of what it is in the first"
        how, what = ("less", "falls") if falls else ("more", "rises")
        first = f"Customers who stayed longer leave {how}: the risk {what} with tenure{much} "
        first += f"(p = {_shown_p(self.p_value)}). "
        if not falls:
            return first + "That cannot come from the weak ones leaving first, which would make the risk fall."
        if self.p_value_within is None:
            return first + (
                "Whether loyalty grows, or the fickle ones just left first, these lifetimes alone cannot tell: "
                "both make the risk fall. Name groups (plan, channel, segment) to see what remains within them."
            )
        if self.p_value_within >= 0.05:
            return first + (
                "Within the groups no trend is left that could be told from chance "
                f"(p = {self.p_value_within:.2f}): the fickle groups left first, and that explains the fall."
            )
        if (self.trend_within or 0) > 0:
            return first + "Within the groups it even rises: the fickle groups left first, and that explains the fall."
        return first + (
            f"Within the groups it falls as well (p = {_shown_p(self.p_value_within)}), so the groups named do not "
            "explain it: either loyalty grows, or the groups hide differences of their own."
        )


def tenure_effect(
    durations: Any,
    observed: Any = None,
    *,
    entry: Any = None,
    weights: Any = None,
    bins: Sequence[float],
    groups: Any = None,
) -> TenureEffect:
    r"""Whether customers who stayed longer leave less, or the weak ones just left first.

    The hazard by stretches of tenure, and a score test for a trend over the stretches. With D losses of which
    :math:`d_k` fall into stretch k, which has a share :math:`\pi_k` of the exposure,

    .. math:: z = \frac{\sum_k k \, (d_k - D \pi_k)}{\sqrt{D \left( \sum_k k^2 \pi_k - (\sum_k k \pi_k)^2 \right)}}

    A hazard that falls can mean that loyalty grows, or that the base is mixed and the fickle leave first: single
    lifetimes cannot tell the two apart. With ``groups`` the test is repeated within groups, and ``answer`` says what
    is left of the trend there.

    Args:
        durations: As for :func:`kaplan_meier`; or a :class:`SurvivalCurve`, such as ``logs.Subscriptions.lifetimes``.
        observed: As for :func:`kaplan_meier`.
        entry: As for :func:`kaplan_meier`.
        weights: As for :func:`kaplan_meier`.
        bins: Edges of the stretches of tenure, ascending; at least two stretches.
        groups: A label for each customer (plan, channel, segment), or ``None``; beside a curve, one curve for each
            group by its name, such as ``lifetimes(by="plan")``.

    Returns:
        A :class:`TenureEffect`, with the answer in plain words.

    Raises:
        UndefinedMetric: Nobody left within the stretches, or all exposure lies in one of them.
        InvalidValue: As for :func:`kaplan_meier`; fewer than two stretches; labels of another length.
        InvalidType: As for :func:`kaplan_meier`.

    Examples:
        >>> left = [True] * 8 + [False] * 2
        >>> effect = tenure_effect([1, 1, 1, 2, 2, 5, 8, 9, 12, 12], observed=left, bins=[0, 3, 6, 12])
        >>> [round(row.rate, 3) for row in effect.hazard.rows], round(effect.trend, 2)
        ([0.227, 0.071, 0.118], -0.93)

    References:
        Cox & Lewis (1966), *The Statistical Analysis of Series of Events*, chapter 3; Heckman & Singer (1984),
        *Econometrica* 52, 271-320, for what single lifetimes cannot tell.
    """
    edges = edges_of(bins)
    if edges.size < 3:
        raise InvalidValue("bins must have at least three edges: a trend needs two stretches")
    told = isinstance(durations, SurvivalCurve)
    if told and not (observed is None and entry is None and weights is None):
        raise InvalidValue("a curve already holds observed, entry and weights; leave them out")
    if groups is not None and told != isinstance(groups, Mapping):
        raise InvalidType("groups must be curves by name beside a curve, and labels beside durations")
    curve = durations if told else kaplan_meier(durations, observed, entry=entry, weights=weights)
    table = curve.hazard(edges.tolist())
    pooled = _trend([table])
    within = None
    if told and groups is not None:
        within = _trend([curve.hazard(edges.tolist()) for curve in groups.values()])
    elif groups is not None:
        labels = np.asarray(groups)
        spells = read_spells(durations, observed, entry, weights)
        if labels.shape != spells.durations.shape:
            raise InvalidValue(f"groups must be one label a customer, got {labels.size} for {spells.durations.size}")
        members = [labels == label for label in dict.fromkeys(labels.tolist())]
        within = _trend([_of(spells, chosen).hazard(edges.tolist()) for chosen in members])
    seen = [row for row in table.rows if row.exposure > 0]
    ratio = seen[-1].rate / seen[0].rate if seen[0].events > 0 else None
    return TenureEffect(hazard=table, trend=pooled, trend_within=within, rate_ratio=ratio)


def _of(spells: Spells, chosen: BoolArray) -> SurvivalCurve:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ThinRiskSetWarning)  # the hazard by stretches does not need the product
        lengths, ended, entered, counted = (None if part is None else part[chosen] for part in spells)
        return kaplan_meier(lengths, ended, entry=entered, weights=counted)


def _trend(tables: Sequence[HazardTable]) -> float:
    """Score test for a trend of the rates over the stretches, within each table, added up over the tables."""
    surplus = spread = 0.0
    for table in tables:
        events = np.array([row.events for row in table.rows])
        exposure = np.array([row.exposure for row in table.rows])
        if exposure.sum() == 0:
            continue
        shares = exposure / exposure.sum()
        place = np.arange(events.size)
        surplus += float(place @ (events - events.sum() * shares))
        spread += float(events.sum() * (place**2 @ shares - (place @ shares) ** 2))
    if spread <= _TIES:
        raise UndefinedMetric("tenure_effect", "nobody left within the stretches, or only one of them was observed")
    return surplus / math.sqrt(spread)


def _shown_p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "below 0.001"
