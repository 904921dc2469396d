"""What it can cost to deliver everything that is still owed."""

import math
from typing import Any

import numpy as np

from retention_metrics._checks import fraction, single
from retention_metrics._typing import FloatArray, IntArray, Number, Numbers
from retention_metrics.cashflow._flows import MOST_MONEY, refuse_negative, whole_amounts
from retention_metrics.errors import InvalidValue

_ROUNDING = 1e-9
_MOST_CELLS = 4_000_000
_WIDTH, _BEYOND = 12, 40
"""Standard deviations, and sessions, from the mean beyond which a binomial probability is a numerical zero."""
_NEGLIGIBLE = 1e-30


def run_off_reserve(sessions: int | Numbers, *, probability: Numbers, cost: int | Numbers, level: float = 0.95) -> int:
    r"""Money that pays for delivering the sessions already sold, with a given probability, if nothing is sold any more.

    .. math:: \min \left\{ x : P\!\left(\sum_i c_i B_i \le x\right) \ge \text{level} \right\}, \qquad
        B_i \sim \text{Binomial}(n_i, u_i)

    Sessions are taken to be redeemed independently of one another. Customers who hold several, and whatever moves all
    of them at once, make the true reserve larger.

    Args:
        sessions: Sessions outstanding, whole numbers >= 0: one number, or one for each plan.
        probability: Probability that a session will ever be redeemed, from 0 to 1, for all plans or for each.
        cost: Cost of delivering a session in whole minor units, >= 0, for all plans or for each.
        level: Probability with which the reserve is enough, above 0 and below 1.

    Returns:
        Whole minor units, an amount that can be attained.

    Raises:
        InvalidValue: A value is out of range, or the plans' costs have too many different sums.
        InvalidType: Sessions or costs are no whole numbers; floats go through ``prepaid.to_minor``.

    Examples:
        >>> run_off_reserve(200, probability=0.4, cost=70_000)
        6370000
        >>> run_off_reserve([200, 50], probability=[0.4, 0.9], cost=[70_000, 120_000], level=0.99)
        12270000

    References:
        Klugman, Panjer & Willmot (2012), *Loss Models*, 4th ed., chapter 9, on sums of independent claims.
    """
    confidence = single(fraction(open_low=True, open_high=True, level=level), "level")
    plans = _plans(_whole_row("sessions", sessions), fraction(probability=probability), _whole_row("cost", cost))
    totals: IntArray = np.zeros(1, np.int64)
    weights = np.ones(1)
    for count, chance, each in plans:
        redeemed, likely = _binomial(count, chance)
        if len(totals) * len(redeemed) > _MOST_CELLS:
            raise InvalidValue(
                "the costs of the plans have too many different sums; round them up to a common unit, such as hundreds"
            )
        totals, place = np.unique(totals[:, None] + each * redeemed, return_inverse=True)
        weights = np.asarray(np.bincount(place.ravel(), np.multiply.outer(weights, likely).ravel()), np.float64)
    above = np.append(np.cumsum(weights[::-1])[::-1][1:], 0.0)
    return int(totals[np.argmax(above <= (1 - confidence) * (1 + _ROUNDING))])


def _plans(sessions: IntArray, probability: Number, cost: IntArray) -> list[tuple[int, float, int]]:
    """Sessions, probability and cost of each plan."""
    try:
        counts, chances, costs = np.broadcast_arrays(sessions, np.asarray(probability), cost)
    except ValueError:
        sizes = f"{np.size(sessions)}, {np.size(probability)} and {np.size(cost)}"
        raise InvalidValue(f"sessions, probability and cost must have one value for each plan, got {sizes}") from None
    if counts.ndim != 1:
        raise InvalidValue(f"probability must be one number, or one for each plan, got shape {np.shape(probability)}")
    if counts.astype(float) @ costs.astype(float) >= MOST_MONEY:
        raise InvalidValue("delivering all sessions must cost less than 2**59 minor units")
    return list(zip(counts.tolist(), chances.tolist(), costs.tolist(), strict=True))


def _whole_row(name: str, value: Any) -> IntArray:
    amounts = np.atleast_1d(whole_amounts(name, value))
    if amounts.ndim != 1:
        raise InvalidValue(f"{name} must be one number, or one for each plan, got shape {amounts.shape}")
    refuse_negative(name, amounts)
    return amounts


def _binomial(n: int, p: float) -> tuple[IntArray, FloatArray]:
    """Numbers of successes with a probability that is no numerical zero, and those probabilities."""
    if p in (0.0, 1.0) or n == 0:
        return np.array([n if p == 1 else 0]), np.ones(1)
    width = _WIDTH * math.sqrt(n * p * (1 - p)) + _BEYOND
    k = np.arange(max(0, math.floor(n * p - width)), min(n, math.ceil(n * p + width)) + 1)
    steps = np.log((n - k[1:] + 1) / k[1:]) + (math.log(p) - math.log1p(-p))
    logs = np.append(0.0, np.cumsum(steps))
    likely = np.exp(logs - logs.max())
    some = likely > _NEGLIGIBLE
    return k[some], likely[some] / likely.sum()
