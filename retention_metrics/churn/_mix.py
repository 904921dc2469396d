"""The trap of the blended rate: customers who differ, taken for one average customer."""

import warnings

from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import aligned, at_least, fraction
from retention_metrics._typing import FloatArray, Vector
from retention_metrics.churn._conversion import Convention, expected_lifetime
from retention_metrics.errors import InvalidValue, RetentionMetricsWarning

_TELLING = 1.1


class BlendedRateWarning(RetentionMetricsWarning):
    """One churn rate stands for groups that differ: the lifetime it implies is too short."""


class MixedLifetime(BaseModel):
    """Mean lifetime of a base that consists of groups, beside what its blended churn rate would say.

    Attributes:
        value: Mean over the groups of their own lifetimes, in periods.
        from_blended: Lifetime at the blended rate; never longer.
        blended_churn: Mean churn rate of the base as it is now.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float
    from_blended: float
    blended_churn: float


def mixed_lifetime(*, churn: Vector, shares: Vector, convention: Convention = "certain_first") -> MixedLifetime:
    r"""Mean lifetime of a base of groups with churn rates of their own.

    .. math:: \sum_g w_g L(c_g) \;\ge\; L\Big(\sum_g w_g c_g\Big)

    The blended rate describes the base of this period. It falls from period to period, because the fickle leave
    first, so one over it understates the mean lifetime: half at 1 % and half at 20 % live 52.5 periods, not 9.5.

    Args:
        churn: Churn rate of each group per period, above 0 and at most 1.
        shares: How many customers each group has, or its share; >= 0, only ratios matter.
        convention: As for :func:`expected_lifetime`.

    Returns:
        A :class:`MixedLifetime`.

    Raises:
        UndefinedMetric: A group with customers has churn 0 (or 1 with ``"continuous"``).
        InvalidValue: Rates outside 0 to 1, shares that are negative or all 0, arrays that differ in length.
        InvalidType: A value is not a plain number.

    Examples:
        >>> life = mixed_lifetime(churn=[0.01, 0.2], shares=[0.5, 0.5])
        >>> round(life.value, 6), round(life.from_blended, 2)
        (52.5, 9.52)

    References:
        Fader & Hardie (2010), "Customer-base valuation in a contractual setting: the perils of ignoring
        heterogeneity", *Marketing Science* 29(1), 85-93.
    """
    rates, weights = _mix(churn, shares)
    there = weights > 0
    lifetimes = expected_lifetime(rates[there], convention=convention)
    blended = float(rates @ weights)
    return MixedLifetime(
        value=float(lifetimes @ weights[there]),
        from_blended=expected_lifetime(blended, convention=convention),
        blended_churn=blended,
    )


def blended_churn(*, churn: Vector, shares: Vector) -> float:
    r"""Churn rate of a base of groups in this period: :math:`\sum_g w_g c_g`.

    It is right for this period and for no later one. Where the groups differ so much that the lifetime it implies is
    out by a tenth or more, :class:`BlendedRateWarning` says so; see :func:`mixed_lifetime`.

    Args:
        churn: Churn rate of each group per period, from 0 to 1.
        shares: How many customers each group has, or its share; >= 0, only ratios matter.

    Returns:
        A fraction.

    Raises:
        InvalidValue: Rates outside 0 to 1, shares that are negative or all 0, arrays that differ in length.
        InvalidType: A value is not a plain number.

    Examples:
        >>> round(blended_churn(churn=[0.04, 0.05], shares=[300, 100]), 4)
        0.0425

    References:
        Fader & Hardie (2010), *Marketing Science* 29(1), 85-93.
    """
    rates, weights = _mix(churn, shares)
    blended = float(rates @ weights)
    there = weights > 0
    if blended > 0 and (rates[there] == 0).any():
        said = "a group never leaves, so its customers outlive any lifetime that one rate implies"
    elif blended > 0 and (stretch := float((weights[there] / rates[there]).sum() * blended)) > _TELLING:
        said = f"the groups differ so much that customers stay {stretch:.2g} times as long as 1 / churn says"
    else:
        return blended
    warnings.warn(f"{said}; use mixed_lifetime for lifetimes", BlendedRateWarning, stacklevel=2)
    return blended


def _mix(churn: Vector, shares: Vector) -> tuple[FloatArray, FloatArray]:
    rates, sizes = fraction(churn=churn), at_least(0, shares=shares)
    aligned(churn=rates, shares=sizes)
    if isinstance(rates, float) or isinstance(sizes, float) or rates.shape != sizes.shape or rates.ndim != 1:
        raise InvalidValue("churn and shares must be one number a group each")
    if sizes.sum() == 0:
        raise InvalidValue("shares are all 0: there is nobody in any group")
    return rates, sizes / sizes.sum()
