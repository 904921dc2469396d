"""The forecast of a cash gap: how likely, when, how deep, how long, and what would prevent it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

import numpy as np

from retention_metrics._checks import fraction, freeze, in_a_row, single
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result, text_table
from retention_metrics._stats import Rate
from retention_metrics._typing import FloatArray, IntArray
from retention_metrics.cashflow._attained import attained, rank
from retention_metrics.cashflow._case import Case
from retention_metrics.cashflow._flows import AMOUNTS, Flows
from retention_metrics.cashflow._policy import FirmPolicy
from retention_metrics.cashflow._policy_table import PolicyTable, table_of
from retention_metrics.cashflow._reserve import required_reserve_ratio
from retention_metrics.cashflow._run import PathScalars, net_flow, run_policy, run_scalars
from retention_metrics.errors import UndefinedMetric

SERIES = (*AMOUNTS, "low", "draws", "injections", "cash", "free_cash", "custody_shortfall")
_MILLION, _STEP = 1_000_000, 100
_LEVELS = (0.5, 0.95, 0.99)
_MOST_ROWS = 12
T = TypeVar("T")
Series: TypeAlias = IntArray | FloatArray


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FirstGap(Result):
    """When the cash runs out for the first time; one element a period, counted from 0.

    Attributes:
        probability: Share of the paths whose first gap is in the period.
        by_then: Share of the paths with a gap in the period or before it.
        never: Share of the paths without a gap.
    """

    probability: FloatArray
    by_then: FloatArray
    never: float

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, "probability", "by_then")

    def quantile(self, level: float) -> int | None:
        """The first period by which a share ``level`` of the paths has had a gap; ``None`` when they never have.

        References:
            Hyndman & Fan (1996), *The American Statistician* 50, 361-365, definition 1.
        """
        share = single(fraction(open_low=True, level=level), "level")
        reached = np.flatnonzero(self.by_then >= share * (1 - 1e-12))
        return int(reached[0]) if reached.size else None

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {"probability": self.probability.tolist(), "by_then": self.by_then.tolist(), "never": self.never}

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a period, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        columns = {"period": list(range(self.probability.size)), "probability": self.probability}
        return columns_to_frame(columns | {"by_then": self.by_then}, backend)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Bands(Result):
    """Between which amounts a share of the paths lies, for every series and period; whole minor units.

    The series are the movements and debts of :class:`Flows`, those of :class:`CashRun`, ``fixed_costs``, which are the
    same on all paths, and ``coverage``, a ratio, NaN where nothing that costs is outstanding on the path of that rank.

    Attributes:
        low: Lower limits by name of the series.
        median: Medians.
        high: Upper limits.
        level: Share of the paths between the limits.
        paths: Number of paths that the quantiles were taken from: all of them, or as many as fit in memory.
    """

    low: Mapping[str, Series]
    median: Mapping[str, Series]
    high: Mapping[str, Series]
    level: float
    paths: int

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values; a coverage of nothing is ``None``."""
        limits = {name: {k: _plain(v) for k, v in getattr(self, name).items()} for name in ("low", "median", "high")}
        return {"level": self.level, "paths": self.paths} | limits

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a period, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        columns: dict[str, Any] = {}
        for series in self.median:
            for name in ("low", "median", "high"):
                columns[f"{series}_{name}"] = getattr(self, name)[series]
        return columns_to_frame({"period": list(range(len(next(iter(columns.values())))))} | columns, backend)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CashGapForecast(Result):
    """What simulated paths say about the cash of a firm. Make it with :func:`simulate`.

    Money is in whole minor units; quantiles are amounts that some path attains. Periods count from 0. How far the
    number of paths leaves the answer open is in the interval of :meth:`gap_probability`. How far the hazards do is in
    all figures when they were drawn, and otherwise in none.

    Attributes:
        policy: What the firm does with the cash.
        engine: ``"cohort"`` or ``"renewal"``, for the packages that are sold; with ``"auto"`` live packages of other
            kinds may have the other one.
        hazard_sets: How many sets of drawn hazards the paths were shared out among; 0 when all have those of the model.
        scalars: Lowest cash, first gap, duration, closing cash and draws of every path.
        expected: Exact means of the flows by period, with ``sold``, ``delivered``, ``refunded``, ``expired`` and
            ``outstanding`` sessions, for customers who are independent of each other.
        without_common_shock: The forecast of the same case with independent customers; ``None`` without a common shock.
        flows: The flows of every path, of shape ``(periods, paths)``, when they were to be kept.
    """

    policy: FirmPolicy
    engine: str
    hazard_sets: int
    scalars: PathScalars
    expected: Mapping[str, FloatArray]
    without_common_shock: "CashGapForecast | None"
    flows: Flows | None
    _case: Case = field(repr=False)
    _sample: Flows = field(repr=False)
    _threads: int = field(repr=False)

    @property
    def periods(self) -> int:
        """Number of periods."""
        return self._case.periods

    @property
    def paths(self) -> int:
        """Number of paths."""
        return self._case.paths

    def gap_probability(self) -> Rate:
        r"""Share of the paths whose cash falls below 0 before a draw, in any period.

        .. math:: \hat P(\text{gap}) = \#\{\text{paths with } \min_t \text{low}_t < 0\} / n

        Its ``interval(level)`` says how far the number of paths leaves it open: none of 10,000 paths still allows a
        probability of some hundredths of a percent. With drawn hazards it is the share over all of them, and the
        interval takes paths as independent: with few sets it is too short. See :meth:`gap_by_set`.

        Returns:
            A :class:`~retention_metrics.Rate` with ``value`` and ``interval(level)``.

        References:
            Wilson (1927), *JASA* 22, 209-212.
        """
        return Rate(definition="paths with a gap / paths", numerator=self.scalars.gaps, denominator=self.paths)

    def gap_by_set(self) -> FloatArray:
        """Share of the paths with a gap under each set of drawn hazards: how far the hazards leave it open.

        Each is taken from the paths of its set alone, and moves with their number too.

        Returns:
            One share for each set, in the order of ``draws``.

        Raises:
            UndefinedMetric: No hazards were drawn.

        References:
            Gelman et al. (2013), *Bayesian Data Analysis*, 3rd ed., section 1.9, on simulating from a posterior.
        """
        if not self.hazard_sets:
            raise UndefinedMetric("gap_by_set", "all paths have the hazards of the model; pass draws to simulate")
        sizes = self._case.set_sizes()
        opens = np.cumsum(sizes) - sizes
        shares: FloatArray = np.add.reduceat((self.scalars.lowest < 0).astype(np.float64), opens) / sizes
        return shares

    @property
    def uncollected(self) -> int:
        """What is still to be paid for live packages, and was not counted on, since nobody said when it will come."""
        return self._case.uncollected

    def first_gap(self) -> FirstGap:
        """When the cash runs out for the first time.

        Returns:
            A :class:`FirstGap`.

        References:
            Asmussen & Albrecher (2010), *Ruin Probabilities*, 2nd ed., chapter V, on the time of ruin.
        """
        return first_gap_of(self.scalars, self.periods)

    def depth(self, level: float = 0.95) -> int:
        """The depth that a gap does not exceed on a share of all paths; 0 on a path without a gap.

        Args:
            level: Share of the paths, above 0; 0.95 is the value at risk of that level.

        Returns:
            Whole minor units.

        References:
            McNeil, Frey & Embrechts (2015), *Quantitative Risk Management*, 2nd ed., section 2.3.
        """
        return int(attained(self.scalars.depth, _share(level)))

    def duration(self, level: float = 0.95) -> int:
        """The number of periods with a gap that a share of all paths does not exceed.

        Args:
            level: Share of the paths, above 0.

        Returns:
            Periods.

        References:
            Hyndman & Fan (1996), *The American Statistician* 50, 361-365, definition 1.
        """
        return int(attained(self.scalars.duration, _share(level)))

    def required_opening_cash(self, level: float = 0.95) -> int:
        """The smallest opening cash without a gap on a share of the paths, if nothing is drawn.

        It takes the place of the opening cash of the policy; fixed costs and the payroll lag count.

        Args:
            level: Share of the paths, above 0.

        Returns:
            Whole minor units; see :func:`required_opening_cash`.

        References:
            McNeil, Frey & Embrechts (2015), *Quantitative Risk Management*, 2nd ed., section 2.3.
        """
        share = _share(level)
        deepest = self._each(lambda flows: np.cumsum(net_flow(flows, self.policy), axis=0).min(axis=0))
        return int(attained(np.maximum(-np.concatenate(list(deepest)), 0), share))

    def required_reserve_ratio(self, level: float = 0.95) -> float:
        """The smallest reserve ratio without a gap on a share of the paths; found to a millionth.

        All ratios are tried on the same paths, where holding back more never lowers the cash. Paths that were not kept
        are simulated again, three times.

        Args:
            level: Share of the paths, above 0.

        Returns:
            A ratio from 0 to 1.

        Raises:
            UndefinedMetric: Even holding back the whole basis does not do.

        References:
            Glasserman (2003), *Monte Carlo Methods in Financial Engineering*, chapter 7, on common random numbers.
        """
        share = _share(level)
        if self._sample.paths == self.paths:
            return required_reserve_ratio(self._sample, self.policy, level=share)
        allowed = self.paths - rank(share, self.paths)
        low, width = 0, _MILLION
        while True:
            tried = np.arange(low, low + width + 1, max(width // _STEP, 1))
            gaps = np.array([run.gaps for run in self.under((tried / _MILLION).tolist())])
            enough = np.flatnonzero(gaps <= allowed)
            if not enough.size:
                raise UndefinedMetric(
                    "required_reserve_ratio",
                    f"even with a ratio of 1, {gaps[-1]:,} of {self.paths:,} paths have a gap, and {allowed:,} may "
                    "have one; opening cash, a buffer or lower costs are needed besides",
                )
            if enough[0] == 0 or width <= _STEP:
                return float(tried[enough[0]]) / _MILLION
            low, width = int(tried[enough[0] - 1]), width // _STEP

    def policy_table(self, ratios: Sequence[float] | FloatArray, *, level: float = 0.95) -> PolicyTable:
        """Several reserve ratios on the same paths: how likely, deep and long a gap is, and what the owner takes.

        Args:
            ratios: Reserve ratios from 0 to 1.
            level: Confidence level of the interval of the probability.

        Returns:
            A :class:`PolicyTable`.

        References:
            Glasserman (2003), *Monte Carlo Methods in Financial Engineering*, chapter 7, on common random numbers.
        """
        tried = in_a_row(ratios=fraction(ratios=ratios))
        return table_of(tried, self.under(tried), level=level)

    def under(self, ratios: Sequence[float] | FloatArray) -> list[PathScalars]:
        """The scalars of all paths under each of some reserve ratios, all else being equal.

        Args:
            ratios: Reserve ratios from 0 to 1.

        Returns:
            :class:`PathScalars` for each ratio.

        References:
            Glasserman (2003), *Monte Carlo Methods in Financial Engineering*, chapter 7, on common random numbers.
        """
        tried = in_a_row(ratios=fraction(ratios=ratios))
        policies = [replace(self.policy, reserve_ratio=ratio) for ratio in tried.tolist()]
        runs = self._each(lambda flows: [run_scalars(flows, policy) for policy in policies])
        return [PathScalars.joined(parts) for parts in zip(*runs, strict=True)]

    def bands(self, level: float = 0.9) -> Bands:
        """Between which amounts a share of the paths lies, for every flow, what is owed, and the cash.

        Args:
            level: Share of the paths between the limits, above 0 and below 1, half of the others on each side.

        Returns:
            :class:`Bands`; exact for all paths if they fit in memory, otherwise of as many as do.

        References:
            Hyndman & Fan (1996), *The American Statistician* 50, 361-365, definition 1.
        """
        share = single(fraction(open_low=True, open_high=True, level=level), "level")
        run = run_policy(self._sample, self.policy)
        fixed, nothing = self.policy.fixed_by_period(self.periods), np.copysign(np.inf, run.cash)
        coverage = np.where(np.isnan(run.coverage), nothing, run.coverage)
        limits: list[dict[str, Series]] = [{}, {}, {}]
        for found, tail in zip(limits, ((1 - share) / 2, 0.5, (1 + share) / 2), strict=True):
            for name in SERIES:
                found[name] = attained(getattr(self._sample if name in AMOUNTS else run, name), tail)
            middle = attained(coverage, tail)
            found |= {"fixed_costs": fixed, "coverage": np.where(np.isinf(middle), np.nan, middle)}
            for values in found.values():
                values.flags.writeable = False
        low, median, high = (MappingProxyType(each) for each in limits)
        return Bands(low, median, high, share, self._sample.paths)

    def to_dict(self) -> dict[str, Any]:
        """A summary as plain values, ready for JSON: every figure, exact means, bands of 90 %; no single paths."""
        rate = self.gap_probability()
        alone = self.without_common_shock
        return {
            "engine": self.engine,
            "periods": self.periods,
            "paths": self.paths,
            "hazard_sets": self.hazard_sets,
            "uncollected": self.uncollected,
            "policy": self.policy.to_dict(),
            "gap_probability": rate.value,
            "gap_interval": rate.interval().model_dump(),
            "first_gap": self.first_gap().to_dict(),
            "depth": {f"{level:g}": self.depth(level) for level in _LEVELS},
            "duration": {f"{level:g}": self.duration(level) for level in _LEVELS},
            "required_opening_cash": {f"{level:g}": self.required_opening_cash(level) for level in _LEVELS[1:]},
            "expected": {name: values.tolist() for name, values in self.expected.items()},
            "bands": self.bands().to_dict(),
            "without_common_shock": None if alone is None else alone.to_dict(),
        }

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a period: exact means and bands of 90 %, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        columns: dict[str, Any] = {"period": list(range(self.periods))}
        columns |= {f"{name}_expected": values for name, values in self.expected.items()}
        bands = self.bands()
        for series in bands.median:
            columns |= {f"{series}_{name}": getattr(bands, name)[series] for name in ("low", "median", "high")}
        return columns_to_frame(columns, backend)

    def __str__(self) -> str:
        """The figures, and cash against what is owed in some of the periods."""
        lines = [f"{self.paths:,} paths of {self.periods} periods, reserve ratio {self.policy.reserve_ratio:g}"]
        lines.append(f"P(gap)            {_probability(self)}")
        if self.without_common_shock is not None:
            lines.append(f"  if independent  {_probability(self.without_common_shock)}")
        if self.hazard_sets:
            shares = np.sort(self.gap_by_set())
            lines.append(f"  hazards         drawn {self.hazard_sets:,} times: {shares[0]:.2%} to {shares[-1]:.2%}")
        median = self.first_gap().quantile(0.5)
        lines.append(
            f"first gap         {'not on half of the paths' if median is None else f'period {median} (median)'}"
        )
        for name, unit in (("depth", ""), ("duration", " periods")):
            found = ", ".join(f"{level:.0%}: {getattr(self, name)(level):,}{unit}" for level in _LEVELS)
            lines.append(f"{name:<18}{found}")
        if self.uncollected:
            lines.append(f"not counted on    {self.uncollected:,} that is still to be paid, at no known time")
        bands = self.bands()
        shown = np.unique(np.linspace(0, self.periods - 1, min(self.periods, _MOST_ROWS)).round().astype(int))
        columns: dict[str, list[int]] = {"period": shown.tolist()}
        for title, name in (("5%", "low"), ("50%", "median"), ("95%", "high")):
            columns[f"low {title}"] = getattr(bands, name)["low"][shown].tolist()
        columns["owed 50%"] = bands.median["liability"][shown].tolist()
        columns["expected earned"] = self.expected["earned"][shown].round().astype(int).tolist()
        columns["delivery"] = self.expected["delivery_cost"][shown].round().astype(int).tolist()
        return "\n".join(lines) + "\n\n" + text_table(columns)

    def _each(self, of: Callable[[Flows], T]) -> Iterator[T]:
        """What is made of the flows of all paths: those that were kept, or portion by portion once more."""
        if self._sample.paths == self.paths:
            return iter([of(self._sample)])
        return self._case.each(self._threads, lambda _, flows: of(flows))


def first_gap_of(scalars: PathScalars, periods: int) -> FirstGap:
    """When some paths run out of cash for the first time."""
    first = scalars.first_gap
    counts = np.bincount(first[first >= 0], minlength=periods)
    by_then = np.cumsum(counts)
    return FirstGap(counts / first.size, by_then / first.size, 1 - int(by_then[-1]) / first.size)


def _plain(values: Series) -> list[Any]:
    return [None if each != each else each for each in values.tolist()]


def _share(level: float) -> float:
    return single(fraction(open_low=True, level=level), "level")


def _probability(forecast: CashGapForecast) -> str:
    rate = forecast.gap_probability()
    interval = rate.interval()
    return f"{rate.value:.2%} (95% interval {interval.low:.2%} to {interval.high:.2%})"
