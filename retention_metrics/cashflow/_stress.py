"""What would hurt, and what would help: a dip, a wave of returns, a run on refunds; reminding those who stay away."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import at_least, fraction, generator, single, whole
from retention_metrics._frames import Backend, columns_to_frame
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
from retention_metrics.prepaid._text import text_table
from retention_metrics.redemption import LiveBook, RedemptionModel


class SimulationOptions(TypedDict, total=False):
    """What :func:`stress` and :func:`reminder_value` hand on to :func:`simulate`."""

    paths: int
    step: Period
    common: CommonShock | None
    engine: Literal["auto", "cohort", "renewal"]
    threads: int
    progress: Progress | None
    max_bytes: int


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


@dataclass(frozen=True, slots=True, eq=False)
class StressTest:
    """Scenarios under two policies, on the same streams of chance.

    Attributes:
        rows: One for each scenario and policy.
        forecasts: The forecast behind each scenario by its name, under ``"spend_collections"``; none of one that cannot
            happen.
    """

    rows: tuple[StressRow, ...]
    forecasts: dict[str, CashGapForecast] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The rows as plain values, ready for JSON."""
        return {"rows": [row.model_dump(mode="json") for row in self.rows]}

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
        """Scenarios and policies as text."""
        columns: dict[str, list[Any]] = {"scenario": [row.scenario for row in self.rows]}
        columns["policy"] = [row.policy for row in self.rows]
        columns["P(gap)"] = [None if row.gap is None else f"{row.gap.value:.2%}" for row in self.rows]
        if any(row.gap_if_independent is not None for row in self.rows):
            alone = [row.gap_if_independent for row in self.rows]
            columns["if independent"] = [None if rate is None else f"{rate.value:.2%}" for rate in alone]
        for name in ("first_gap", "depth_50", "depth_95", "duration_95", "drawn_50"):
            columns[name] = [getattr(row, name) for row in self.rows]
        reasons = [f"{row.scenario}: {row.reason}" for row in self.rows[::2] if row.reason]
        return "\n".join([text_table(columns), *reasons])


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
    in the till, and holding customers' money until it is worked off.

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
    dipped = sales.scaled((begin, begin + spell, left))
    if sales.noise == "fixed":
        dipped = replace(dipped, base=np.rint(dipped.mean(length)).tolist(), season=None, trend=0.0, shocks=())
    scenarios: dict[str, tuple[SalesPath, Sequence[Event]]] = {
        "as planned": (sales, ()),
        "dip in sales": (dipped, ()),
        "wave of returns": (sales, (wave,)),
        "run on refunds": (sales, (rush,)),
    }
    seed = int(generator(rng).integers(2**63))
    spend = replace(policy, reserve_ratio=0, take=1)
    rows: list[StressRow] = []
    forecasts: dict[str, CashGapForecast] = {}
    for scenario, (sold, events) in scenarios.items():
        stuck = forecasts["as planned"]._case.without_refunds if events == (rush,) else None
        if stuck is not None:
            reason = f"plan {stuck.id!r} gives no refunds on demand"
            rows += [StressRow(scenario=scenario, policy=name, reason=reason) for name in _POLICIES]
            continue
        found = simulate(
            start, model=model, sales=sold, plan=plan, policy=spend, periods=length, rng=seed, events=events, **options
        )
        forecasts[scenario] = found
        rows += _rows(scenario, found)
    return StressTest(tuple(rows), forecasts)


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


@dataclass(frozen=True, slots=True, eq=False)
class ReminderValue:
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
        columns: dict[str, list[Any]] = {"": ["with reminder", "without"]}
        both = (self.reminded, self.otherwise)
        columns["P(gap)"] = [f"{each.gap_probability().value:.2%}" for each in both]
        intervals = [each.gap_probability().interval() for each in both]
        columns["95% interval"] = [f"{each.low:.2%}-{each.high:.2%}" for each in intervals]
        columns["first gap"] = [each.first_gap().quantile(0.5) for each in both]
        for level in (0.5, 0.95):
            columns[f"depth {level:.0%}"] = [each.depth(level) for each in both]
        columns["delivered"] = [round(float(each.expected["delivered"].sum())) for each in both]
        columns["owed at the end"] = [round(float(each.expected["liability"][-1])) for each in both]
        return text_table(columns)


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

    Both start from the same seed. The expected sessions, costs and debts are exact.

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
    seed = int(generator(rng).integers(2**63))
    both = [
        simulate(
            start, model=model, sales=sales, plan=plan, policy=policy, periods=periods, rng=seed, events=each, **options
        )
        for each in ((*events, reminder), tuple(events))
    ]
    return ReminderValue(*both)
