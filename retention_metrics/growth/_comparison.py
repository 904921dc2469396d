"""Acquire or keep: what a strategy does to the base and to the books, beside another one and beside doing nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import at_least, choice, mapping, single, whole
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result, text_table
from retention_metrics._typing import FloatArray
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.growth._projection import Projection, project
from retention_metrics.growth._steady import steady_state
from retention_metrics.growth._strategies import Base, Strategy, win_and_keep
from retention_metrics.growth._terms import worth

_BASE = "base"
_TIE = 1e-10
_MEASURES = ("customers", "money")
Measure = Literal["customers", "money"]


class StrategyOutcome(BaseModel):
    """What comes of a strategy.

    Attributes:
        acquired: Customers won per period.
        retention: Share of the base kept per period.
        first_gain: Customers more than in the base at the end of the first period.
        customers: Customers at the horizon.
        from_start: Those of them who were there at the beginning and never left; all others came later.
        customer_periods: Customers summed over the periods.
        cost: Money that the strategy costs over the horizon.
        money: Margin less all spend and cost over the horizon, or ``None`` without a margin.
        gain: Money more than in the base, or ``None``.
        gain_per_cost: Gain for each unit of cost, or ``None`` without a margin or a cost.
        steady_state: Where the base comes to rest, or ``None``.
        long_run_ratio: Steady state / steady state of the base, or ``None``.
        reason: Why there is no steady state, or ``None``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    acquired: float
    retention: float
    first_gain: float
    customers: float
    from_start: float
    customer_periods: float
    cost: float
    money: float | None
    gain: float | None
    gain_per_cost: float | None
    steady_state: float | None
    long_run_ratio: float | None
    reason: str | None


class Crossover(BaseModel):
    """Which of two is ahead first, and when the other one overtakes it.

    Attributes:
        measure: ``"customers"`` at the end of each period, or ``"money"`` from the beginning.
        first: Name of the one.
        second: Name of the other.
        leader: The one of them that is ahead first, or ``None`` when they tie throughout.
        leads_from: The period, counted from 1, from which the leader is ahead; before it they tie.
        overtaken_in: The first period by whose end the other one is ahead, or ``None`` within the horizon.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    measure: Measure
    first: str
    second: str
    leader: str | None
    leads_from: int | None
    overtaken_in: int | None

    def __str__(self) -> str:
        if self.leader is None:
            return f"{self.measure}: {self.first} and {self.second} tie throughout"
        follower = self.second if self.leader == self.first else self.first
        later = "and stays ahead" if self.overtaken_in is None else f"is overtaken in period {self.overtaken_in}"
        return f"{self.measure}: {self.leader} leads {follower} from period {self.leads_from}, {later}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StrategyComparison(Result):
    """Strategies side by side, and beside the base as it is.

    Attributes:
        horizon: Number of periods compared.
        discount: Discount rate per period.
        outcomes: What comes of each, by name; ``"base"`` is the base with nothing changed.
        projections: The :class:`Projection` of each, by name.
        crossovers: Of every two of them, in customers and, with a margin, in money.
        equal_cost: Whether all strategies cost the same. Where they do not, ``gain`` is still net of the cost, but what
            a budget buys is ``gain_per_cost``.
        elasticity_acquired: Percent by which the steady state of the base grows with each percent of customers won:
            always 1; ``None`` without a steady state above 0.
        elasticity_churn: Percent by which it changes with each percent of churn: -1, or beyond it with referral;
            ``None`` without a steady state above 0.
    """

    horizon: int
    discount: float
    outcomes: Mapping[str, StrategyOutcome]
    projections: Mapping[str, Projection]
    crossovers: tuple[Crossover, ...]
    equal_cost: bool
    elasticity_acquired: float | None
    elasticity_churn: float | None

    def leader(self, measure: Measure) -> str | None:
        """Who is ahead at the horizon, the base included; ``None`` when the best tie.

        Args:
            measure: ``"customers"`` at the horizon, or ``"money"`` from the beginning to it.

        Returns:
            A name among ``outcomes``, or ``None``.

        Raises:
            InvalidValue: Unknown measure, or ``"money"`` without a margin.

        References:
            The comparison at equal cost over a stated horizon, see :func:`compare_strategies`.
        """
        choice(_MEASURES, measure=measure)
        if measure == "money" and self.outcomes[_BASE].money is None:
            raise InvalidValue("there is no money to compare: base has no margin")
        last = {name: _track(projection, measure)[-1] for name, projection in self.projections.items()}
        best = max(last, key=last.__getitem__)
        span = max(map(abs, last.values()))
        return best if all(last[best] - value > _TIE * span for name, value in last.items() if name != best) else None

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a strategy; the first is the base."""
        rows = {name: outcome.model_dump() for name, outcome in self.outcomes.items()}
        fields = {field: [row[field] for row in rows.values()] for field in StrategyOutcome.model_fields}
        return {"strategy": list(rows), **fields}

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a strategy, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)

    def __str__(self) -> str:
        table = self.to_dict()
        table["retention"] = [f"{kept:.2%}" for kept in table["retention"]]
        shown = ["strategy", "acquired", "retention", "customers", "from_start"]
        if self.outcomes[_BASE].money is not None:
            shown += ["cost", "money", "gain", "gain_per_cost"]
        lines = [text_table({name: table[name] for name in (*shown, "steady_state")})]
        lines += [str(crossover) for crossover in self.crossovers]
        if not self.equal_cost:
            lines.append("the strategies do not cost the same: compare the gain for each unit of cost")
        return "\n".join(lines)


def compare_strategies(
    base: Base, strategies: Mapping[str, Strategy], *, horizon: int, cost: float = 0.0, discount: float = 0.0
) -> StrategyComparison:
    r"""Winning more customers against losing fewer: customers and money, at equal cost, over a stated horizon.

    To win a share x more brings :math:`a x` customers in the first period, to lose a share x less
    :math:`N c x`: the same from the steady state, where :math:`N = a / c`; below it winning is ahead at first, above it
    keeping is. In the long run

    .. math:: N^*_{win} = (1 + x) N^*, \qquad N^*_{keep} = \frac{N^*}{1 - x}

    so that keeping is ahead for every x between 0 and 1.

    All strategies cost the same ``cost`` unless one names its own. The base itself is compared as well, as ``"base"``
    and at no cost: where a strategy overtakes it in money, the strategy has paid for itself. Customers who are there at
    the horizon count for nothing beyond it: where the horizon is short, look at ``steady_state`` too.

    Args:
        base: Where the business stands.
        strategies: What to do instead, by name.
        horizon: Periods to compare over, >= 1.
        cost: Money that each strategy costs per period beyond what is spent already, >= 0.
        discount: Discount rate per period, >= 0.

    Returns:
        A :class:`StrategyComparison`.

    Raises:
        InvalidValue: No strategy, one called ``"base"``, one that loses more than everybody, a cost without a margin.
        InvalidType: ``base`` or a strategy is of another kind.

    Examples:
        To win half as many again as there are and lose half of the old, or to win nobody and keep all: the heads are
        equal, the books are not.

        >>> now = Base(start=100, acquired=0, retention=0.5, margin=10)
        >>> found = compare_strategies(
        ...     now, {"win": Strategy(acquired=50, cost=600), "keep": Strategy(retention=1.0, cost=200)}, horizon=1
        ... )
        >>> win, keep = found.outcomes["win"], found.outcomes["keep"]
        >>> win.customers, keep.customers
        (100.0, 100.0)
        >>> win.from_start, keep.from_start
        (50.0, 100.0)
        >>> win.money, keep.money
        (400.0, 800.0)

        From a steady state and at equal cost, a tenth more won or a tenth fewer lost:

        >>> steady = Base(start=400, acquired=40, retention=0.9, margin=10)
        >>> tenth = {"win": Strategy(win_more=0.1), "keep": Strategy(lose_less=0.1)}
        >>> print(compare_strategies(steady, tenth, horizon=12, cost=100))
        strategy  acquired  retention  customers  from_start      cost      money      gain  gain_per_cost  steady_state
            base     40.00     90.00%     400.00      112.97      0.00  48,000.00      0.00              -        400.00
             win     44.00     90.00%     428.70      112.97  1,200.00  49,016.75  1,016.75           0.85        440.00
            keep     40.00     91.00%     430.11      128.99  1,200.00  49,088.66  1,088.66           0.91        444.44
        customers: win leads base from period 1, and stays ahead
        money: base leads win from period 1, is overtaken in period 5
        customers: keep leads base from period 1, and stays ahead
        money: base leads keep from period 1, is overtaken in period 5
        customers: keep leads win from period 2, and stays ahead
        money: keep leads win from period 2, and stays ahead

    References:
        The closed form of the stock-and-flow recursion, see :func:`steady_state`; Gupta, Lehmann & Stuart (2004),
        "Valuing customers", *Journal of Marketing Research* 41(1), 7-18, for the elasticities of acquisition and
        retention.
    """
    if not isinstance(base, Base):
        raise InvalidType(f"base must be a growth.Base, got {type(base).__name__}")
    length = whole(1, horizon=horizon)
    plans = _plans(base, strategies, single(at_least(0, cost=cost), "cost"))
    projections = {
        name: project(
            start=base.start,
            acquired=plan.acquired,
            retention=plan.retention,
            referral=base.referral,
            periods=length,
            margin=base.margin,
            spend=None if base.margin is None else base.spend + plan.cost,
            discount=discount,
        )
        for name, plan in plans.items()
    }
    unchanged = projections[_BASE]
    rest = _rest(base, plans[_BASE])[0]
    outcomes = {name: _outcome(base, plan, projections[name], unchanged, rest) for name, plan in plans.items()}
    measures: tuple[Measure, ...] = ("customers",) if base.margin is None else ("customers", "money")
    churn = 1 - base.retention
    return StrategyComparison(
        horizon=length,
        discount=unchanged.discount,
        outcomes=outcomes,
        projections=projections,
        crossovers=tuple(
            _crossover(measure, pair, projections) for pair in combinations(plans, 2) for measure in measures
        ),
        equal_cost=len({plan.cost for name, plan in plans.items() if name != _BASE}) == 1,
        elasticity_acquired=1.0 if rest else None,
        elasticity_churn=-churn / (churn - base.referral) if rest else None,
    )


class _Plan(NamedTuple):
    """Customers won, share kept and extra cost, per period."""

    acquired: float
    retention: float
    cost: float


def _plans(base: Base, strategies: Mapping[str, Strategy], common: float) -> dict[str, _Plan]:
    mapping(strategies=strategies)
    if not strategies:
        raise InvalidValue("strategies is empty; give at least one by name")
    plans = {_BASE: _Plan(base.acquired, base.retention, 0.0)}
    for name, strategy in strategies.items():
        if not isinstance(name, str):
            raise InvalidType(f"strategies must be named by strings, got {name!r}")
        if name == _BASE:
            raise InvalidValue('no strategy may be called "base": that is what all are compared with')
        if not isinstance(strategy, Strategy):
            raise InvalidType(f"strategies[{name!r}] must be a growth.Strategy, got {type(strategy).__name__}")
        won, kept = win_and_keep(base, strategy)
        if kept < 0:
            raise InvalidValue(f"strategies[{name!r}] loses more customers than there are: churn would be {1 - kept:g}")
        plans[name] = _Plan(won, kept, common if strategy.cost is None else strategy.cost)
    if base.margin is None and (base.spend or any(plan.cost for plan in plans.values())):
        raise InvalidValue("cost and spend need a margin in base: without it nothing can be set against them")
    return plans


def _rest(base: Base, plan: _Plan) -> tuple[float | None, str | None]:
    """The steady state, or why there is none."""
    try:
        return steady_state(acquired=plan.acquired, churn=1 - plan.retention, referral=base.referral), None
    except UndefinedMetric as error:
        return None, error.reason


def _outcome(
    base: Base, plan: _Plan, projection: Projection, unchanged: Projection, rest_of_base: float | None
) -> StrategyOutcome:
    periods = projection.active.size
    cost = plan.cost * float(worth(projection.discount, periods).sum())
    money = gain = None
    if projection.cumulative is not None and unchanged.cumulative is not None:
        money = float(projection.cumulative[-1])
        gain = money - float(unchanged.cumulative[-1])
    rest, reason = _rest(base, plan)
    return StrategyOutcome(
        acquired=plan.acquired,
        retention=plan.retention,
        first_gain=float(projection.active[0] - unchanged.active[0]),
        customers=float(projection.active[-1]),
        from_start=base.start * plan.retention**periods,
        customer_periods=float(projection.active.sum()),
        cost=cost,
        money=money,
        gain=gain,
        gain_per_cost=gain / cost if gain is not None and cost else None,
        steady_state=rest,
        long_run_ratio=rest / rest_of_base if rest is not None and rest_of_base else None,
        reason=reason,
    )


def _track(projection: Projection, measure: Measure) -> FloatArray:
    track = projection.active if measure == "customers" else projection.cumulative
    return np.zeros_like(projection.active) if track is None else track


def _crossover(measure: Measure, names: tuple[str, str], projections: Mapping[str, Projection]) -> Crossover:
    one, other = (_track(projections[name], measure) for name in names)
    ahead = np.sign(
        np.where(np.abs(one - other) > _TIE * max(np.abs(one).max(), np.abs(other).max()), one - other, 0.0)
    )
    apart = np.flatnonzero(ahead)
    leader = leads_from = overtaken = None
    if apart.size:
        side = ahead[apart[0]]
        leader, leads_from = names[0 if side > 0 else 1], int(apart[0]) + 1
        behind = np.flatnonzero(ahead == -side)
        overtaken = int(behind[0]) + 1 if behind.size else None
    return Crossover(
        measure=measure,
        first=names[0],
        second=names[1],
        leader=leader,
        leads_from=leads_from,
        overtaken_in=overtaken,
    )
