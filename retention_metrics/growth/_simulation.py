"""The customer base by chance: how far it may stray from its projection."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from retention_metrics._checks import fraction, freeze, generator, refuse_if, single, whole
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result, text_table
from retention_metrics._stats import Intervals, wilson
from retention_metrics._typing import FloatArray, Numbers, Scalar, Vector
from retention_metrics.errors import InvalidValue
from retention_metrics.growth._moments import standard_deviations
from retention_metrics.growth._projection import Projection, expected
from retention_metrics.growth._terms import Terms, flows, has_paid, read_terms

_MOST_CUSTOMERS = 1e12


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Simulation(Result):
    """What chance does to a projection, one element a period; read-only arrays.

    Means and standard deviations are exact; the bands and the probabilities come from the simulated paths.

    Attributes:
        expected: The :class:`Projection` of the same arguments: the exact means.
        active_sd: Exact standard deviation of the customers at the end of each period.
        active_band: Between which limits a share ``level`` of the paths has its customers.
        cumulative_sd: Exact standard deviation of the cumulative money, or ``None`` when no margin was given.
        cumulative_band: Between which limits a share ``level`` of the paths has its cumulative money, or ``None``.
        break_even_probability: Share of the paths that had broken even by the end of each period, or ``None`` when
            nothing was spent.
        break_even_interval: Wilson interval of that share at ``level``: how far the number of paths leaves it open.
        paths: Number of paths.
        active_paths: Customers at the end of each period, one row a path, if the paths were kept.
        cumulative_paths: Cumulative money of each path, if the paths were kept and a margin was given.
    """

    expected: Projection
    active_sd: FloatArray
    active_band: Intervals
    cumulative_sd: FloatArray | None
    cumulative_band: Intervals | None
    break_even_probability: FloatArray | None
    break_even_interval: Intervals | None
    paths: int
    active_paths: FloatArray | None
    cumulative_paths: FloatArray | None

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, "active_sd", "cumulative_sd", "break_even_probability", "active_paths", "cumulative_paths")
        for band in (self.active_band, self.cumulative_band, self.break_even_interval):
            if band is not None:
                band.low.flags.writeable = band.high.flags.writeable = False

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a period counted from 1."""
        means = self.expected.to_dict()
        table: dict[str, Any] = {"period": means["period"]}
        rows = [
            ("active", self.active_sd, self.active_band),
            (
                "cumulative_discounted" if self.expected.discount else "cumulative",
                self.cumulative_sd,
                self.cumulative_band,
            ),
        ]
        for name, deviation, band in rows:
            if deviation is not None and band is not None:
                table[name] = means[name]
                table[f"{name}_sd"] = deviation.tolist()
                table[f"{name}_low"] = band.low.tolist()
                table[f"{name}_high"] = band.high.tolist()
        if self.break_even_probability is not None and self.break_even_interval is not None:
            table["break_even"] = self.break_even_probability.tolist()
            table["break_even_low"] = self.break_even_interval.low.tolist()
            table["break_even_high"] = self.break_even_interval.high.tolist()
        return table

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a period, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)

    def __str__(self) -> str:
        table = {name: column for name, column in self.to_dict().items() if not name.endswith("_sd")}
        said = f"{self.active_band.level:.4g} of {self.paths:,} paths lie between low and high"
        return f"{text_table(table)}\n{said}"


def simulate(
    *,
    acquired: Numbers,
    retention: Numbers | None = None,
    survival: Vector | None = None,
    periods: int,
    rng: np.random.Generator | int,
    start: Numbers = 0,
    referral: Numbers = 0.0,
    returning: Numbers | None = None,
    lapsed: Scalar = 0,
    margin: Numbers | None = None,
    spend: Numbers | None = None,
    discount: Scalar = 0,
    paths: int = 10_000,
    level: float = 0.95,
    keep_paths: bool = False,
) -> Simulation:
    r"""Let the base of :func:`project` grow by chance: customers come, recommend, stay and return one by one.

    .. math:: N_{t+1} = \operatorname{Bin}(N_t, r_t) + \operatorname{Poisson}(k_t N_t) + \operatorname{Poisson}(a_t)

    Customers won are Poisson with mean ``acquired``. Each customer stays with probability ``retention`` (or, by age,
    with that of ``survival``), brings a Poisson number of others with mean ``referral``, and once lapsed comes back
    with probability ``returning``, all independently. The means are those of :func:`project`; the rates themselves are
    taken as known, so that the bands show chance alone and are too narrow where the rates are guesses.

    Memory grows with the paths (times the ages, with ``survival``) and not with the periods, unless the paths are
    kept.

    Args:
        acquired: Customers expected per period, >= 0. A number, or one per period.
        retention: Probability of staying per period, from 0 to 1. A number, or one per period.
        survival: Probability of still being there by age; see :func:`project`.
        periods: How many periods to simulate, >= 1.
        rng: Generator or seed; the same seed gives the same numbers.
        start: Customers before the first period, whole; with ``survival`` 0 or customers by age.
        referral: Customers whom each customer is expected to bring per period, >= 0.
        returning: Probability per period that a lapsed customer comes back; needs ``retention``.
        lapsed: Former customers before the first period, whole; needs ``returning``.
        margin: Money per active customer and period after variable costs. A number, or one per period.
        spend: Money spent per period, >= 0. A number, or one per period.
        discount: Discount rate per period, >= 0.
        paths: How many paths to simulate, >= 1.
        level: Share of the paths inside the bands, and level of the Wilson intervals, between 0 and 1.
        keep_paths: Whether the result holds every path.

    Returns:
        A :class:`Simulation` of ``periods`` elements.

    Raises:
        InvalidValue: As in :func:`project`; customers that are not whole; more than 1e12 customers.
        InvalidType: A value is not a plain number, or ``rng`` is neither a generator nor a seed.

    Examples:
        >>> chance = simulate(acquired=15, retention=1.0, periods=12, margin=5, spend=410, rng=1)
        >>> chance.expected.break_even
        10
        >>> chance.active_sd.round(2)[[0, 11]]  # Poisson with means 15 and 180
        array([ 3.87, 13.42])
        >>> chance.break_even_probability[[8, 9, 10, 11]].round(1)
        array([0.2, 0.5, 0.8, 1. ])

    References:
        Harris (1963), *The Theory of Branching Processes*, for growth with immigration; Wilson (1927), *JASA* 22,
        209-212, for the intervals.
    """
    terms = read_terms(
        start=start,
        acquired=acquired,
        retention=retention,
        survival=survival,
        referral=referral,
        returning=returning,
        lapsed=lapsed,
        periods=periods,
        margin=margin,
        spend=spend,
        discount=discount,
    )
    number = whole(1, paths=paths)
    confidence = single(fraction(open_low=True, open_high=True, level=level), "level")
    refuse_if(terms.start % 1 != 0, "start must be whole customers in a simulation")
    refuse_if(terms.lapsed % 1 != 0, "lapsed must be whole customers in a simulation")
    means = expected(terms)
    largest = max(float(means.active.max()), means.start, terms.lapsed)
    if largest > _MOST_CUSTOMERS:
        raise InvalidValue(f"a simulation counts up to {_MOST_CUSTOMERS:.0e} customers, got a mean of {largest:.4g}")
    active_sd, cumulative_sd = standard_deviations(terms)
    return Simulation(
        expected=means,
        active_sd=active_sd,
        cumulative_sd=cumulative_sd,
        paths=number,
        **_draw(terms, generator(rng), number, confidence, keep=keep_paths),
    )


def _draw(terms: Terms, rng: np.random.Generator, paths: int, level: float, *, keep: bool) -> dict[str, Any]:
    """All that follows from the paths, read off period by period, so that none of them need be kept."""
    tails = [(1 - level) / 2, (1 + level) / 2]
    has_money, has_spend = terms.margin is not None, terms.spend is not None and bool(terms.spend.any())
    margin = terms.margin if terms.margin is not None else np.zeros(terms.periods)
    spend = terms.spend if terms.spend is not None else np.zeros(terms.periods)
    worth = terms.worth
    cumulative, turnover = np.zeros(paths), np.zeros(paths)
    paid = np.zeros(paths, dtype=bool)
    spent = 0.0
    active_limits, money_limits = np.empty((2, terms.periods)), np.empty((2, terms.periods))
    paid_by = np.empty(terms.periods)
    active_paths = np.empty((paths, terms.periods)) if keep else None
    money_paths = np.empty((paths, terms.periods)) if keep and has_money else None
    for t, flow in enumerate(flows(terms, keep=rng.binomial, arrive=rng.poisson, paths=paths, dtype=np.int64)):
        active_limits[:, t] = np.quantile(flow.active, tails, method="inverted_cdf")
        if active_paths is not None:
            active_paths[:, t] = flow.active
        if not has_money:
            continue
        earned = margin[t] * flow.active
        cumulative += (earned - spend[t]) * worth[t]
        turnover += (np.abs(earned) + spend[t]) * worth[t]
        spent += spend[t]
        paid |= has_paid(cumulative, turnover, spent)
        money_limits[:, t] = np.quantile(cumulative, tails, method="inverted_cdf")
        paid_by[t] = paid.sum()
        if money_paths is not None:
            money_paths[:, t] = cumulative
    method = f"quantiles of {paths} paths"
    return {
        "active_band": Intervals(active_limits[0], active_limits[1], level, method),
        "cumulative_band": Intervals(money_limits[0], money_limits[1], level, method) if has_money else None,
        "break_even_probability": paid_by / paths if has_spend else None,
        "break_even_interval": (
            Intervals(*wilson(paid_by, np.full(terms.periods, paths), level), level, "wilson") if has_spend else None
        ),
        "active_paths": active_paths,
        "cumulative_paths": money_paths,
    }
