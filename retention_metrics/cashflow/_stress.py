"""What would hurt, and what would help: a dip, a wave of returns, a run on refunds; reminding those who stay away."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import at_least, fraction, generator, single, whole
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result, text_table
from retention_metrics._stats import Rate
from retention_metrics._typing import IntArray, Period
from retention_metrics.cashflow._attained import attained
from retention_metrics.cashflow._case import Progress
from retention_metrics.cashflow._forecast import CashGapForecast, first_gap_of
from retention_metrics.cashflow._policy import FirmPolicy
from retention_metrics.cashflow._run import PathScalars
from retention_metrics.cashflow._sales import SalesPath
from retention_metrics.cashflow._shocks import CommonShock, Event, MassReturn, RefundRun, refuse_unlisted
from retention_metrics.cashflow._simulate import simulate
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid import Ledger, PackagePlan
from retention_metrics.redemption import LiveBook, ParameterDraws, RedemptionModel


class SimulationOptions(TypedDict, total=False):
    """What :func:`stress` and :func:`reminder_value` hand on to :func:`simulate`."""

    paths: int
    step: Period
    draws: ParameterDraws | None
    common: CommonShock | None
    engine: Literal["auto", "cohort", "renewal"]
    threads: int
    progress: Progress | None
    max_bytes: int
    keep_paths: bool


class StressRow(BaseModel):
    """One scenario under one policy; money in whole minor units, periods counted from 0.

    Attributes:
        scenario: ``"as planned"``, ``"dip in sales"``, ``"wave of returns"`` or ``"run on refunds"``.
        policy: ``"spend_collections"`` or ``"ring_fence"``.
        gap: Paths with a gap of all paths, with ``value`` and ``interval(level)``; ``None`` when it cannot happen.
        gap_if_independent: The same with independent customers; ``None`` without a common shock.
        first_gap: The period by which half of the paths have had a gap; ``None`` when they never have.
        depth_50: Depth of the gap, median of all paths.
        depth_95: 95 % of the paths are not deeper in the red.
        duration_95: 95 % of the paths have no more periods with a gap.
        drawn_50: What the owner takes out in all, median.
        closing_50: Cash at the end, median.
        reason: Why the row has no figures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scenario: str
    policy: str
    gap: Rate | None = None
    gap_if_independent: Rate | None = None
    first_gap: int | None = None
    depth_50: int | None = None
    depth_95: int | None = None
    duration_95: int | None = None
    drawn_50: int | None = None
    closing_50: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StressTest(Result):
    """Scenarios under two policies, on the same streams of chance.

    Attributes:
        rows: One for each scenario and policy.
        forecasts: The forecast behind each scenario by its name, under ``"spend_collections"``; none of one that cannot
            happen.
        scenarios: What happens in each scenario, in words.
    """

    rows: tuple[StressRow, ...]
    forecasts: Mapping[str, CashGapForecast] = field(repr=False)
    scenarios: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The rows and the scenarios as plain values, ready for JSON."""
        return {"rows": [row.model_dump(mode="json") for row in self.rows], "scenarios": dict(self.scenarios)}

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a scenario and policy, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        columns: dict[str, list[Any]] = {"scenario": [], "policy": []}
        for row in self.rows:
            told: dict[str, Any] = {"scenario": row.scenario, "policy": row.policy}
            interval = None if row.gap is None else row.gap.interval()
            told["gap_probability"] = None if row.gap is None else row.gap.value
            told["gap_low"], told["gap_high"] = (None, None) if interval is None else (interval.low, interval.high)
            alone = row.gap_if_independent
            told["gap_probability_if_independent"] = None if alone is None else alone.value
            for name in ("first_gap", "depth_50", "depth_95", "duration_95", "drawn_50", "closing_50", "reason"):
                told[name] = getattr(row, name)
            for name, value in told.items():
                columns.setdefault(name, []).append(value)
        return columns_to_frame(columns, backend)

    def __str__(self) -> str:
        """Scenarios and policies as text; amounts are quantiles, ``first`` is the median period of the first gap."""
        columns: dict[str, list[Any]] = {"scenario": [row.scenario for row in self.rows]}
        columns["policy"] = [_SHORT.get(row.policy, row.policy) for row in self.rows]
        columns["P(gap)"] = [None if row.gap is None else f"{row.gap.value:.2%}" for row in self.rows]
        if any(row.gap_if_independent is not None for row in self.rows):
            alone = [row.gap_if_independent for row in self.rows]
            columns["indep."] = [None if rate is None else f"{rate.value:.2%}" for rate in alone]
        columns["first"] = [row.first_gap for row in self.rows]
        money = {name: [getattr(row, name) for row in self.rows] for name in ("depth_50", "depth_95", "drawn_50")}
        most = max((each for values in money.values() for each in values if each is not None), default=0)
        unit = 1 if most < _WIDEST else 1_000 if most < 1_000 * _WIDEST else 1_000_000
        for name, values in money.items():
            title = name.replace("_", " ") + "%"
            columns[title] = [None if each is None else round(each / unit) for each in values]
        notes = [f"{row.scenario}: {row.reason}" for row in self.rows[::2] if row.reason]
        impossible = {row.scenario for row in self.rows if row.reason}
        told = [f"{name}: {what}" for name, what in self.scenarios.items() if name not in impossible]
        amounts = [] if unit == 1 else [f"money in {'thousands' if unit == 1_000 else 'millions'}"]
        return "\n".join([text_table(columns), *told, *notes, *amounts])


_SHORT = {"spend_collections": "spend", "ring_fence": "hold"}
_WIDEST = 10**8
"""Amounts below it fit into the table."""


def stress(
    start: Ledger | LiveBook | None = None,
    *,
    model: RedemptionModel,
    sales: SalesPath,
    plan: PackagePlan,
    policy: FirmPolicy,
    periods: int,
    rng: np.random.Generator | int,
    at: int | None = None,
    lasting: int = 6,
    dip: float = 0.6,
    uplift: float = 2.0,
    run: float = 0.2,
    **options: Unpack[SimulationOptions],
) -> StressTest:
    r"""What a dip in sales, a wave of returns and a run on refunds do to a firm that spends, and to one that holds.

    Every scenario is simulated once, from the same seed, and its flows run through both policies: spending whatever is
    in the till, and holding customers' money until it is worked off. Sales as planned are those of :func:`simulate`
    with the same arguments and ``rng``. Sales without noise are whole: what is left of them in the dip is rounded.

    .. math:: m_t \leftarrow (1 - \text{dip}) m_t, \qquad h_{g,t} \leftarrow \min(1, \text{uplift} \cdot h_g), \qquad
        q_{g,t} \leftarrow 1 - (1 - q_g)(1 - \text{run})

    Args:
        start: The ledger, its live book, or ``None``.
        model: When customers come back.
        sales: Packages to be sold as planned.
        plan: What is sold.
        policy: Opening cash, fixed costs and the like; its ratio and take are replaced.
        periods: Number of periods.
        rng: Generator or seed.
        at: Period in which the trouble begins, counted from 0; by default the middle one.
        lasting: Periods that the dip and the wave last.
        dip: Share of the sales that is lost, from 0 to 1.
        uplift: What the hazard of a visit is multiplied by in the wave, >= 0.
        run: Probability with which every customer asks for the money back in the run, from 0 to 1.
        options: See :func:`simulate`.

    Returns:
        A :class:`StressTest`.

    Raises:
        InvalidValue: A number is out of range; see :func:`simulate` for the rest.
        InvalidType: ``sales`` is no :class:`SalesPath`, or another argument is of the wrong kind.

    Examples:
        >>> from retention_metrics.prepaid import PackagePlan
        >>> from retention_metrics.redemption import RedemptionModel
        >>> test = stress(
        ...     model=RedemptionModel.two_state(active=0.5, dormant=0.04, lapse=0.3),
        ...     sales=SalesPath(40),
        ...     plan=PackagePlan(id="ten", price=15_000, sessions=10, cost_per_session=700),
        ...     policy=FirmPolicy(fixed_costs=150_000),
        ...     periods=48,
        ...     paths=300,
        ...     rng=1,
        ... )
        >>> [(row.scenario, row.policy, row.gap.value) for row in test.rows[2:4]]
        [('dip in sales', 'spend_collections', 1.0), ('dip in sales', 'ring_fence', 0.0)]

    References:
        Diamond & Dybvig (1983), *Journal of Political Economy* 91(3), on runs; Committee of European Banking
        Supervisors (2010), *Guidelines on Stress Testing* (GL32), on scenarios of liquidity.
    """
    if not isinstance(sales, SalesPath):
        raise InvalidType(f"sales must be a SalesPath, so that it can dip, got {type(sales).__name__}")
    if not isinstance(policy, FirmPolicy):
        raise InvalidType(f"policy must be a FirmPolicy, got {type(policy).__name__}")
    length, spell = whole(1, periods=periods), whole(1, lasting=lasting)
    begin = length // 2 if at is None else whole(0, at=at)
    if begin >= length:
        raise InvalidValue(f"at is period {begin}, after the last one, {length - 1}")
    left = 1 - single(fraction(dip=dip), "dip")
    wave = MassReturn(begin, single(at_least(0, uplift=uplift), "uplift"), periods=spell)
    rush = RefundRun(begin, single(fraction(run=run), "run"))
    dipped, rounded = sales.scaled((begin, begin + spell, left)), ""
    if sales.noise == "fixed":
        mean = dipped.mean(length)
        dipped = replace(dipped, base=np.rint(mean).tolist(), season=None, trend=0.0, shocks=())
        rounded = "" if np.allclose(mean, dipped.base, rtol=1e-9) else ", rounded to whole packages"
    scenarios: dict[str, tuple[SalesPath, Sequence[Event]]] = {
        "as planned": (sales, ()),
        "dip in sales": (dipped, ()),
        "wave of returns": (sales, (wave,)),
        "run on refunds": (sales, (rush,)),
    }
    streams = _copies(rng, len(scenarios))
    spend = replace(policy, reserve_ratio=0, take=1)
    rows: list[StressRow] = []
    forecasts: dict[str, CashGapForecast] = {}
    for (scenario, (sold, events)), stream in zip(scenarios.items(), streams, strict=True):
        stuck = forecasts["as planned"]._case.without_refunds if events == (rush,) else None
        if stuck is not None:
            reason = f"plan {stuck.terms.plan.id!r} gives no refunds on demand"
            rows += [StressRow(scenario=scenario, policy=name, reason=reason) for name in _POLICIES]
            continue
        found = simulate(
            start,
            model=model,
            sales=sold,
            plan=plan,
            policy=spend,
            periods=length,
            rng=stream,
            events=events,
            **options,
        )
        forecasts[scenario] = found
        rows += _rows(scenario, found)
    last = min(begin + spell, length) - 1
    spoken = f"in period {begin}" if last == begin else f"in periods {begin} to {last}"
    told = {
        "dip in sales": f"{1 - left:.3g} of the sales lost {spoken}{rounded}",
        "wave of returns": f"chances of a visit times {wave.uplift:.3g} {spoken}",
        "run on refunds": f"each customer asks with probability {rush.probability:.3g} in period {begin}",
    }
    return StressTest(tuple(rows), MappingProxyType(forecasts), MappingProxyType(told))


def _copies(rng: np.random.Generator | int, number: int) -> list[np.random.Generator]:
    """Generators that say the same; the first one is that of the caller, so that it moves on."""
    random = generator(rng)
    return [random, *(copy.deepcopy(random) for _ in range(number - 1))]


_POLICIES = {"spend_collections": 0.0, "ring_fence": 1.0}


def _rows(scenario: str, forecast: CashGapForecast) -> list[StressRow]:
    ratios = list(_POLICIES.values())
    alone = forecast.without_common_shock
    apart = [None] * len(ratios) if alone is None else [_rate(each) for each in alone.under(ratios)]
    return [
        StressRow(
            scenario=scenario,
            policy=name,
            gap=_rate(run),
            gap_if_independent=rate,
            first_gap=first_gap_of(run, forecast.periods).quantile(0.5),
            depth_50=int(attained(run.depth, 0.5)),
            depth_95=int(attained(run.depth, 0.95)),
            duration_95=int(attained(run.duration, 0.95)),
            drawn_50=int(attained(run.drawn, 0.5)),
            closing_50=int(attained(run.closing, 0.5)),
        )
        for name, run, rate in zip(_POLICIES, forecast.under(ratios), apart, strict=True)
    ]


def _rate(run: PathScalars) -> Rate:
    return Rate(definition="paths with a gap / paths", numerator=run.gaps, denominator=run.lowest.size)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ReminderValue(Result):
    """What reminding those who stay away does to the cash; periods count from 0.

    A reminder brings visits forward: they cost now, and are not waiting to come all at once. It does not always help:
    more visits may also bring a gap forward.

    Attributes:
        reminded: The forecast with the reminder.
        otherwise: The forecast without it.
    """

    reminded: CashGapForecast
    otherwise: CashGapForecast

    @property
    def extra_sessions(self) -> float:
        """Sessions that are delivered within the forecast because of the reminder, expected, exact."""
        return float((self.reminded.expected["delivered"] - self.otherwise.expected["delivered"]).sum())

    @property
    def extra_cost(self) -> float:
        """What delivering them costs, expected, exact."""
        return float((self.reminded.expected["delivery_cost"] - self.otherwise.expected["delivery_cost"]).sum())

    @property
    def liability_worked_off(self) -> float:
        """How much less is owed at the end, expected, exact."""
        return float(self.otherwise.expected["liability"][-1] - self.reminded.expected["liability"][-1])

    @property
    def gap_probability_change(self) -> float:
        """Probability of a gap with the reminder, less that without it; see the intervals of both."""
        return self.reminded.gap_probability().value - self.otherwise.gap_probability().value

    def to_dict(self) -> dict[str, Any]:
        """The figures, and both forecasts, as plain values."""
        names = ("extra_sessions", "extra_cost", "liability_worked_off", "gap_probability_change")
        both = {"reminded": self.reminded.to_dict(), "otherwise": self.otherwise.to_dict()}
        return {name: getattr(self, name) for name in names} | both

    def __str__(self) -> str:
        """With and without, side by side."""
        both = (self.reminded, self.otherwise)
        intervals = [each.gap_probability().interval() for each in both]
        told: dict[str, list[Any]] = {
            "P(gap)": [f"{each.gap_probability().value:.2%}" for each in both],
            "95% interval": [f"{each.low:.2%}-{each.high:.2%}" for each in intervals],
            "first gap, period (median)": [each.first_gap().quantile(0.5) for each in both],
            "depth 50%": [each.depth(0.5) for each in both],
            "depth 95%": [each.depth(0.95) for each in both],
            "sessions delivered, expected": [round(float(each.expected["delivered"].sum())) for each in both],
            "owed at the end, expected": [round(float(each.expected["liability"][-1])) for each in both],
        }
        columns = {"": list(told), "with reminder": [each[0] for each in told.values()]}
        return text_table(columns | {"without": [each[1] for each in told.values()]})


def reminder_value(
    start: Ledger | LiveBook | None = None,
    *,
    model: RedemptionModel,
    sales: SalesPath | Sequence[int] | IntArray,
    plan: PackagePlan,
    policy: FirmPolicy,
    periods: int,
    rng: np.random.Generator | int,
    uplift: float,
    gap: int = 3,
    at: int = 0,
    lasting: int = 3,
    events: Sequence[Event] = (),
    **options: Unpack[SimulationOptions],
) -> ReminderValue:
    r"""What reminding customers who hold unused sessions does to the cash later: the same forecast with and without.

    .. math:: h_{g,t} \leftarrow \min(1, \text{uplift} \cdot h_g), \qquad g \ge \text{gap}, \quad
        \text{at} \le t < \text{at} + \text{lasting}

    Both start from the same seed, and the one without is that of :func:`simulate` with it. The expected sessions, costs
    and debts are exact.

    Args:
        start: The ledger, its live book, or ``None``.
        model: When customers come back if nobody reminds them.
        sales: Packages to be sold.
        plan: What is sold.
        policy: What the firm does with the cash.
        periods: Number of periods.
        rng: Generator or seed.
        uplift: What a reminder multiplies the hazard of a visit by, >= 0.
        gap: Whole periods of silence from which on a customer is reminded, >= 0.
        at: First period of the reminders, counted from 0.
        lasting: How many periods they go on.
        events: What happens besides, in both forecasts.
        options: See :func:`simulate`.

    Returns:
        A :class:`ReminderValue`.

    Raises:
        InvalidValue: A number is out of range; see :func:`simulate` for the rest.
        InvalidType: An argument is of the wrong kind.

    Examples:
        >>> from retention_metrics.prepaid import PackagePlan
        >>> from retention_metrics.redemption import RedemptionModel
        >>> value = reminder_value(
        ...     model=RedemptionModel([0.5, 0.3, 0.1, 0.05]),
        ...     sales=SalesPath(40),
        ...     plan=PackagePlan(id="ten", price=15_000, sessions=10, cost_per_session=700),
        ...     policy=FirmPolicy.spend_collections(fixed_costs=150_000),
        ...     periods=24,
        ...     paths=300,
        ...     rng=1,
        ...     uplift=2,
        ...     at=6,
        ... )
        >>> round(value.extra_sessions), round(value.extra_cost), round(value.liability_worked_off)
        (36, 25234, 54072)

    References:
        Cox (1972), *JRSS B* 34, 187-220, on proportional hazards; Neslin, Taylor, Grantham & McNeil (2013),
        "Overcoming the 'recency trap'", *Journal of the Academy of Marketing Science* 41, 320-337.
    """
    refuse_unlisted(events)
    reminder = MassReturn(whole(0, at=at), uplift, periods=whole(1, lasting=lasting), gap=whole(0, gap=gap))
    both = [
        simulate(
            start,
            model=model,
            sales=sales,
            plan=plan,
            policy=policy,
            periods=periods,
            rng=stream,
            events=each,
            **options,
        )
        for each, stream in zip(((*events, reminder), tuple(events)), _copies(rng, 2), strict=True)
    ]
    return ReminderValue(*both)
