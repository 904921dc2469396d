"""Reserve ratios side by side: how often the cash runs out, how deep, how long, and what the owner took."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from retention_metrics._checks import fraction, freeze, in_a_row, single
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result, text_table
from retention_metrics._stats import wilson
from retention_metrics._typing import FloatArray, IntArray
from retention_metrics.cashflow._attained import attained
from retention_metrics.cashflow._flows import Flows
from retention_metrics.cashflow._policy import FirmPolicy
from retention_metrics.cashflow._run import PathScalars, refuse_others, run_scalars


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PolicyTable(Result):
    """What each reserve ratio does on the same paths; one element a ratio, money in whole minor units.

    Quantiles are the smallest attained amounts that the share of paths in their names does not exceed.

    Attributes:
        ratios: The reserve ratios.
        paths: Number of paths.
        gaps: Paths with a gap.
        gap_probability: Their share.
        low: Lower limit of its Wilson interval; NaN for a single path, which has no probability.
        high: Upper limit.
        level: Confidence level of the interval.
        depth_50: Depth of the gap, median over all paths; 0 on a path without one.
        depth_95: 95 % of the paths are not deeper in the red.
        depth_99: 99 % are not.
        duration_50: Periods with a gap, median.
        duration_95: 95 % of the paths have no more of them.
        drawn_50: What the owner takes out in all, median.
        injected_50: What the owner puts in in all, median.
        closing_50: Cash at the end, median.

    References:
        Wilson (1927), *JASA* 22, 209-212; Hyndman & Fan (1996), *The American Statistician* 50, 361-365, definition 1.
    """

    ratios: FloatArray
    paths: int
    gaps: IntArray
    gap_probability: FloatArray
    low: FloatArray
    high: FloatArray
    level: float
    depth_50: IntArray
    depth_95: IntArray
    depth_99: IntArray
    duration_50: IntArray
    duration_95: IntArray
    drawn_50: IntArray
    injected_50: IntArray
    closing_50: IntArray

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, *_COLUMNS)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values; limits of a single path are ``None``."""
        return {"paths": self.paths, "level": self.level} | self._plain()

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a ratio, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame({name: getattr(self, name) for name in _COLUMNS}, backend)

    def _plain(self) -> dict[str, list[Any]]:
        lists = {name: getattr(self, name).tolist() for name in _COLUMNS}
        return {name: [None if value != value else value for value in each] for name, each in lists.items()}

    def __str__(self) -> str:
        """The ratios side by side."""
        shown = self._plain()
        columns: dict[str, Any] = {"ratio": [f"{each:g}" for each in shown["ratios"]]}
        columns["P(gap)"] = [f"{each:.4f}" for each in shown["gap_probability"]]
        if self.paths > 1:
            limits = zip(shown["low"], shown["high"], strict=True)
            columns[f"{self.level:.3g} interval"] = [f"{low:.4f}-{high:.4f}" for low, high in limits]
        for name in ("depth_50", "depth_95", "depth_99", "duration_95", "drawn_50"):
            columns[name] = shown[name]
        return text_table(columns)


_COLUMNS = tuple(name for name in PolicyTable.__slots__ if name not in {"paths", "level"})


def policy_table(
    flows: Flows, policy: FirmPolicy, ratios: Sequence[float] | FloatArray, *, level: float = 0.95
) -> PolicyTable:
    r"""Several reserve ratios on the same paths: probability, depth and duration of a gap, and what the owner takes.

    .. math:: \hat P(\text{gap}) = \#\{\text{paths with } \min_t \text{low}_t < 0\} / n

    Args:
        flows: Simulated paths, or one path.
        policy: The policy; its ratio is replaced by each of the ratios.
        ratios: Reserve ratios from 0 to 1.
        level: Confidence level of the interval of the probability.

    Returns:
        A :class:`PolicyTable`.

    Raises:
        InvalidValue: A ratio outside 0 to 1, none at all, fixed costs of another length, or flows without the basis.
        InvalidType: Something else than flows and a policy.

    Examples:
        >>> flows = Flows(
        ...     collections=[[3000, 3000], [3000, 3000], [0, 0], [0, 0]],
        ...     delivery_cost=[[300, 300], [300, 300], [900, 600], [900, 600]],
        ...     liability=[[2250, 2250], [4500, 4500], [2250, 3000], [0, 1500]],
        ... )
        >>> print(policy_table(flows, FirmPolicy(), [0, 0.4, 1]))
        ratio  P(gap)   0.95 interval  depth_50  depth_95  depth_99  duration_95  drawn_50
            0  1.0000  0.3424-1.0000     1,200     1,800     1,800            2     5,400
          0.4  0.0000  0.0000-0.6576         0         0         0            0     3,600
            1  0.0000  0.0000-0.6576         0         0         0            0     2,700

    References:
        Wilson (1927), *JASA* 22, 209-212, for the interval; Glasserman (2003), *Monte Carlo Methods in Financial
        Engineering*, chapter 7, on common random numbers.
    """
    refuse_others(flows, policy)
    tried = in_a_row(ratios=fraction(ratios=ratios))
    runs = [run_scalars(flows, replace(policy, reserve_ratio=ratio)) for ratio in tried.tolist()]
    return table_of(tried, runs, level=level)


def table_of(ratios: FloatArray, runs: Sequence[PathScalars], *, level: float) -> PolicyTable:
    """The table of runs of the same paths, one for each ratio."""
    confidence = single(fraction(open_low=True, open_high=True, level=level), "level")
    paths = len(runs[0].lowest)
    gaps = np.array([run.gaps for run in runs])
    limits = wilson(gaps, np.full(len(gaps), paths if paths > 1 else 0), confidence)

    def quantile(name: str, share: float) -> IntArray:
        return np.array([int(attained(getattr(run, name), share)) for run in runs])

    return PolicyTable(
        ratios=ratios,
        paths=paths,
        gaps=gaps,
        gap_probability=gaps / paths,
        low=limits[0],
        high=limits[1],
        level=confidence,
        depth_50=quantile("depth", 0.5),
        depth_95=quantile("depth", 0.95),
        depth_99=quantile("depth", 0.99),
        duration_50=quantile("duration", 0.5),
        duration_95=quantile("duration", 0.95),
        drawn_50=quantile("drawn", 0.5),
        injected_50=quantile("injected", 0.5),
        closing_50=quantile("closing", 0.5),
    )
