"""How much money prevents a cash gap: on the first day, or held back of what customers paid."""

from dataclasses import replace

import numpy as np

from retention_metrics._checks import fraction, single
from retention_metrics.cashflow._attained import attained, rank
from retention_metrics.cashflow._flows import Flows
from retention_metrics.cashflow._policy import FirmPolicy
from retention_metrics.cashflow._run import net_flow, refuse_others, run_scalars
from retention_metrics.errors import UndefinedMetric

_GRID = 1_000_000


def required_opening_cash(flows: Flows, policy: FirmPolicy, *, level: float = 0.95) -> int:
    r"""The smallest opening cash with which there is no gap, with a given probability, if nothing is drawn.

    .. math:: \max\left(0, -\min_t \sum_{s \le t} \text{net}_s\right), \text{ its quantile over the paths}

    It replaces the opening cash of the policy. Its fixed costs and payroll lag count; ratio, take and buffer do not:
    what the firm's own result does to its cash, nobody taking anything out.

    Args:
        flows: One path, or simulated ones.
        policy: What the firm pays besides.
        level: Share of the paths without a gap, above 0; 1 for every one.

    Returns:
        Whole minor units, an amount that some path needs.

    Raises:
        InvalidValue: A level outside 0 to 1, or fixed costs of another length.
        InvalidType: Something else than flows and a policy.

    Examples:
        >>> flows = Flows(collections=[900, 0, 0], delivery_cost=[300, 300, 300], liability=[600, 300, 0])
        >>> required_opening_cash(flows, FirmPolicy(fixed_costs=40))
        120

    References:
        McNeil, Frey & Embrechts (2015), *Quantitative Risk Management*, 2nd ed., section 2.3: value at risk as a
        quantile; here of the largest cumulative deficit.
    """
    share = single(fraction(open_low=True, level=level), "level")
    refuse_others(flows, policy)
    deepest = np.cumsum(net_flow(flows, policy), axis=0).min(axis=0)
    return int(attained(np.maximum(-deepest, 0), share))


def required_reserve_ratio(flows: Flows, policy: FirmPolicy, *, level: float = 0.95) -> float:
    r"""The smallest reserve ratio with which there is no gap, with a given probability; found to a millionth.

    .. math:: \min \{ \rho : \#\{\text{paths with } \min_t \text{low}_t < 0\} \le n - \lceil n \cdot \text{level}
        \rceil \}

    The paths are the same at every ratio, and on each of them holding back more never lowers the cash. So bisection
    finds the smallest ratio, and not just one of several.

    Args:
        flows: One path, or simulated ones.
        policy: The policy; its ratio is replaced.
        level: Share of the paths without a gap, above 0; 1 for every one.

    Returns:
        A ratio from 0 to 1, a whole number of millionths.

    Raises:
        UndefinedMetric: Even holding back the whole basis does not do.
        InvalidValue: A level outside 0 to 1, fixed costs of another length, or flows without the basis.
        InvalidType: Something else than flows and a policy.

    Examples:
        >>> flows = Flows(
        ...     collections=[3000, 3000, 3000, 0, 0, 0],
        ...     earned=[500, 750, 1000, 1500, 2000, 2500],
        ...     delivery_cost=[200, 300, 400, 600, 800, 1000],
        ...     liability=[2500, 4750, 6750, 5250, 3250, 750],
        ... )
        >>> required_reserve_ratio(flows, FirmPolicy(fixed_costs=150))
        0.422075

    References:
        Glasserman (2003), *Monte Carlo Methods in Financial Engineering*, chapter 7, on common random numbers.
    """
    share = single(fraction(open_low=True, level=level), "level")
    refuse_others(flows, policy)
    allowed = flows.paths - rank(share, flows.paths)

    def gaps(millionths: int) -> int:
        return run_scalars(flows, replace(policy, reserve_ratio=millionths / _GRID)).gaps

    short, enough = -1, _GRID
    left = gaps(enough)
    if left > allowed:
        raise UndefinedMetric(
            "required_reserve_ratio",
            f"even with a ratio of 1, {left:,} of {flows.paths:,} paths have a gap, and {allowed:,} may have one; "
            "opening cash, a buffer or lower costs are needed besides",
        )
    while enough - short > 1:
        middle = (short + enough) // 2
        if gaps(middle) > allowed:
            short = middle
        else:
            enough = middle
    return enough / _GRID
