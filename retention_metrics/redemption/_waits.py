"""One wait: from the last activity to the next visit, or to the refund that ends it."""

from dataclasses import dataclass

import numpy as np

from retention_metrics._typing import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Waits:
    """What comes of a wait that has lasted for some periods, by gap bucket.

    Attributes:
        visit: Probability that it ends with a visit.
        silent: Expected further periods without activity; infinite when it may never end.
    """

    visit: FloatArray
    silent: FloatArray


def waits_of(hazard: FloatArray, refund: FloatArray) -> Waits:
    """Backwards from the open last bucket, in which every period is like the one before."""
    ends = refund + (1 - refund) * hazard
    stays = (1 - refund) * (1 - hazard)
    visit, silent = np.empty((2, hazard.size))
    if ends[-1] > 0:
        visit[-1] = (1 - refund[-1]) * hazard[-1] / ends[-1]
        silent[-1] = stays[-1] / ends[-1]
    else:
        visit[-1], silent[-1] = 0.0, np.inf
    for g in range(hazard.size - 2, -1, -1):
        visit[g] = (1 - refund[g]) * hazard[g] + stays[g] * visit[g + 1]
        silent[g] = stays[g] * (1 + silent[g + 1]) if stays[g] > 0 else 0.0
    return Waits(visit, silent)


def visit_within(hazard: FloatArray, refund: FloatArray, gap: IntArray, horizon: int) -> FloatArray:
    """Probability of a visit within some periods, before any refund, after each gap."""
    comes, stays = (1 - refund) * hazard, (1 - refund) * (1 - hazard)
    following = np.minimum(np.arange(1, hazard.size + 1), hazard.size - 1)
    within = np.zeros(hazard.size)
    for _ in range(horizon):
        longer = comes + stays * within[following]
        if np.array_equal(longer, within):
            break
        within = longer
    found: FloatArray = within[np.minimum(gap, hazard.size - 1)]
    return found


def sessions_per_visit(burst: FloatArray | None, sessions: int) -> FloatArray:
    """Expected sessions that a visit uses when 0, 1, ..., ``sessions`` of them are left."""
    left = np.arange(sessions + 1.0)
    shares = np.ones(1) if burst is None else burst
    used: FloatArray = np.minimum(left[:, None], np.arange(1, shares.size + 1)) @ shares
    return used


def by_sessions_left(at_zero: FloatArray, weight: float, burst: FloatArray | None) -> FloatArray:
    r"""The recursion over the sessions left, from one visit to the next.

    .. math:: x_r = a_r + w \sum_{k < r} b_k x_{r-k}
    """
    sizes = np.ones(1) if burst is None else burst
    found = at_zero.copy()
    for r in range(1, found.size):
        most = min(r, sizes.size)
        found[r] += weight * float(sizes[:most] @ found[r - most : r][::-1])
    return found
