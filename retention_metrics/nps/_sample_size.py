"""How many people to ask."""

import math
from statistics import NormalDist
from typing import Literal

from retention_metrics._checks import at_least, choice, finite, fraction, single, whole
from retention_metrics._stats import two_sided_z
from retention_metrics.errors import InvalidValue, UndefinedMetric

_ADDED = {"wald": 0, "adjusted_wald": 3}
_ROUNDING = 1e-9
_MOST = 1e15


def sample_size(
    *,
    margin: float,
    variance: float = 1.0,
    level: float = 0.95,
    method: Literal["wald", "adjusted_wald"] = "wald",
    population: int | None = None,
    response_rate: float = 1.0,
    design_effect: float = 1.0,
) -> int:
    r"""How many people to ask for a score that is known to within a margin.

    .. math:: n = \left\lceil \frac{z^2 V}{d^2} \right\rceil, \qquad
        \frac{n}{1 + (n - 1) / N} \cdot \frac{\text{design effect}}{\text{response rate}}

    Rounded up at the end as well.

    Args:
        margin: Half the width of the wanted interval, in points: above 0, at most 100.
        variance: Variance of one answer on -1..1, above 0, at most 1; 1 is the worst case, a base of promoters and
            detractors only. Of an earlier wave: ``NpsScore.variance``.
        level: Confidence level, between 0 and 1.
        method: The interval that will be used; ``"adjusted_wald"`` needs three answers fewer.
        population: Number of people who could be asked, or ``None`` for very many.
        response_rate: Share of the people asked who will answer, above 0, at most 1.
        design_effect: How much weights or clusters inflate the variance, >= 1: ``NpsScore.design_effect``.

    Returns:
        People to ask; with ``response_rate=1``, answers needed.

    Raises:
        UndefinedMetric: The population has not so many people.
        InvalidValue: An argument is out of range.
        InvalidType: An argument is not a plain number.

    Examples:
        >>> sample_size(margin=10)
        385
        >>> sample_size(margin=10, variance=0.61, response_rate=0.2, population=5000)
        1123

    References:
        Cochran (1977), *Sampling Techniques*, 3rd ed., chapter 4; Lewis & Sauro, *MeasuringU*, for the three
        answers fewer.
    """
    choice(_ADDED, method=method)
    half = single(at_least(0, open_low=True, margin=margin), "margin") / 100
    if half > 1:
        raise InvalidValue(f"margin must be at most 100 points, got {margin:g}")
    spread = single(fraction(open_low=True, variance=variance), "variance")
    answering = single(fraction(open_low=True, response_rate=response_rate), "response_rate")
    inflation = single(at_least(1, design_effect=design_effect), "design_effect")
    answers = max(_up(_squared(two_sided_z(level) / half) * spread - _ADDED[method]), 1)
    everybody = math.inf if population is None else whole(1, population=population)
    asked = _up(answers / (1 + (answers - 1) / everybody) / answering * inflation)
    if asked > everybody:
        raise UndefinedMetric(
            "sample_size",
            f"{asked:,} people would have to be asked and the population has {everybody:,}; "
            "raise the response rate, or accept a wider margin",
        )
    return asked


def sample_size_to_detect(
    *,
    difference: float,
    variances: tuple[float, float] = (1.0, 1.0),
    power: float = 0.8,
    level: float = 0.95,
    method: Literal["wald", "adjusted_wald"] = "wald",
) -> int:
    r"""How many answers each of two groups needs, so that a real difference of scores is likely to be found.

    .. math:: n = \left\lceil \frac{(V_1 + V_2)(z_{1-\alpha/2} + z_{power})^2}{\Delta^2} \right\rceil

    Args:
        difference: The true difference to be found, in points, not 0; its sign does not matter.
        variances: Variance of one answer in each group, on -1..1; ``(1, 1)`` is the worst case.
        power: Probability of finding it, between 0 and 1.
        level: Confidence level of the two-sided test, between 0 and 1.
        method: The test that will be used; ``"adjusted_wald"`` needs three answers a group fewer.

    Returns:
        Answers per group.

    Raises:
        InvalidValue: An argument is out of range.
        InvalidType: An argument is not a plain number.

    Examples:
        >>> sample_size_to_detect(difference=10, variances=(0.61, 0.61))
        958

    References:
        Fleiss, Levin & Paik (2003), *Statistical Methods for Rates and Proportions*, 3rd ed., chapter 4; Lewis
        & Sauro, *MeasuringU*, for the three answers fewer.
    """
    choice(_ADDED, method=method)
    gap = abs(single(finite(difference=difference), "difference")) / 100
    if gap == 0:
        raise InvalidValue("difference must not be 0: no number of answers finds what is not there")
    if gap > 2:
        raise InvalidValue(f"difference must be from -200 to 200 points, got {difference:g}")
    spreads = fraction(open_low=True, variances=variances)
    if isinstance(spreads, float) or spreads.shape != (2,):
        raise InvalidValue("variances must be two numbers, one a group")
    z = two_sided_z(level) + NormalDist().inv_cdf(single(fraction(open_low=True, open_high=True, power=power), "power"))
    if z <= 0:
        raise InvalidValue(f"power must exceed what chance alone gives at this level, got {power:g}")
    return max(_up(float(spreads.sum()) * _squared(z / gap) - _ADDED[method]), 1)


def _squared(x: float) -> float:
    return x * x


def _up(x: float) -> int:
    """Rounded up, but not because of an error of rounding."""
    if not x < _MOST:
        raise InvalidValue(f"that would take more than {_MOST:.0e} people; allow a wider margin")
    return math.ceil(x - _ROUNDING * max(1.0, x))
