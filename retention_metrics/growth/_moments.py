"""Exact variances of the base and of its money, when customers come and go by chance."""

import numpy as np

from retention_metrics._typing import FloatArray
from retention_metrics.growth._terms import Terms


def standard_deviations(terms: Terms) -> tuple[FloatArray, FloatArray | None]:
    r"""Standard deviation at the end of each period of the active customers, and of the cumulative money.

    Customers are of some kinds j: by age, or active and lapsed. In each period each of them becomes one of kind i with
    probability :math:`P_{ij}`, and Poisson many others join. With :math:`M = P + k e_0 w^\top`, where w marks the
    active kinds, and mean :math:`m`:

    .. math:: C' = M C M^\top + \operatorname{diag}(P m) - P \operatorname{diag}(m) P^\top
        + \operatorname{diag}\big(e_0 (a + k w^\top m)\big)

    Money adds the worth of a customer, g, times the active of each period: its variance grows by
    :math:`2 g \operatorname{cov} + g^2 w^\top C' w`.

    References:
        Harris (1963), *The Theory of Branching Processes*, chapter II; multitype, with immigration.
    """
    kinds = terms.start.size + (terms.returning is not None)
    active = np.arange(kinds) < terms.start.size
    mean = np.append(terms.start, terms.lapsed)[:kinds]
    covariance = np.zeros((kinds, kinds))
    worth = np.zeros(terms.periods) if terms.margin is None else terms.margin * terms.worth
    with_money = np.zeros(kinds)
    money = 0.0
    variances = np.empty((2, terms.periods))
    for t in range(terms.periods):
        fate = _fate(terms, t)
        arrivals = terms.acquired[t] + terms.referral[t] * mean[active].sum()
        step = fate.copy()
        step[0, active] += terms.referral[t]
        chance = np.diag(fate @ mean) - (fate * mean) @ fate.T
        chance[0, 0] += arrivals
        covariance = step @ covariance @ step.T + chance
        mean = fate @ mean
        mean[0] += arrivals
        carried = step @ with_money
        spread = covariance[np.ix_(active, active)].sum()
        money += 2 * worth[t] * carried[active].sum() + worth[t] ** 2 * spread
        with_money = carried + worth[t] * covariance[:, active].sum(axis=1)
        variances[:, t] = spread, money
    deviations = np.sqrt(np.maximum(variances, 0.0))
    return deviations[0], None if terms.margin is None else deviations[1]


def _fate(terms: Terms, t: int) -> FloatArray:
    """Probability that a customer of kind j, the column, is of kind i, the row, one period later."""
    kept = terms.kept_in(t)
    if terms.by_age:
        return np.diag(kept[:-1], -1)
    if terms.returning is None:
        return kept[np.newaxis]
    back = terms.returning[t : t + 1]
    return np.array([[kept[0], back[0]], [1 - kept[0], 1 - back[0]]])
