"""The cash of a prepaid business by chance: thousands of courses that its book may take."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from retention_metrics._checks import choice, fraction, generator, whole
from retention_metrics._periods import PERIODS
from retention_metrics._typing import FloatArray, IntArray, Period
from retention_metrics.cashflow._case import Case, Engine, Progress, fastest, kinds_of
from retention_metrics.cashflow._flows import AMOUNTS, Flows
from retention_metrics.cashflow._forecast import CashGapForecast
from retention_metrics.cashflow._policy import FirmPolicy
from retention_metrics.cashflow._rates import rates_of_sets
from retention_metrics.cashflow._run import PathScalars, run_scalars
from retention_metrics.cashflow._sales import SalesPath, sales_table, whole_packages
from retention_metrics.cashflow._shocks import CommonShock, Event
from retention_metrics.cashflow._tally import Tally
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid import Ledger, PackagePlan
from retention_metrics.redemption import LiveBook, ParameterDraws, RedemptionModel
from retention_metrics.redemption._live import some_names

_MOST_PERIODS = 10_000
_MOST_PATHS = 10_000_000
_MEAN_SESSIONS = ("delivered", "refunded", "expired", "outstanding")
_ARRAYS = 2 * len(AMOUNTS) + 8
"""Arrays of whole numbers by period and path that a portion needs while it is simulated, about."""


def simulate(
    start: Ledger | LiveBook | None = None,
    *,
    model: RedemptionModel,
    sales: SalesPath | Sequence[int] | IntArray,
    plan: PackagePlan,
    policy: FirmPolicy,
    periods: int,
    rng: np.random.Generator | int,
    paths: int = 10_000,
    step: Period = "month",
    draws: ParameterDraws | None = None,
    common: CommonShock | None = None,
    events: Sequence[Event] = (),
    engine: Literal["auto", "cohort", "renewal"] = "auto",
    threads: int = 1,
    progress: Progress | None = None,
    max_bytes: int = 2**29,
    keep_paths: bool = False,
) -> CashGapForecast:
    r"""See the cash gap coming: what a firm's cash may do when its prepaying customers come back.

    Packages are sold, and each has a trial a period as :class:`~retention_metrics.redemption.RedemptionModel` says: a
    refund, a visit, or silence. The flows of every path then run through :func:`run_policy`. In a period packages
    expire first, then come sales, refunds and visits, costs, the measuring of the cash, and the draw.

    The engine is exact in distribution either way. ``"cohort"`` moves counts of like packages by binomial deviates, at
    a cost that does not depend on the number of customers; ``"renewal"`` draws the waits of each package, at a cost
    that hardly depends on the number of periods; ``"auto"`` takes the one that is expected to be faster. With the same
    seed, every number is the same for any number of ``threads``, and for any ``max_bytes`` but the bands, which are
    taken from as many paths as it has room for.

    The first period is the one that holds the day after the last one of the ledger. Its live packages follow the rules
    of their own plans, expire on their own days (at the beginning of the first period in which they are not usable to
    the end), and rest while they are frozen. Of what is still to be paid only that counts whose day is known:
    ``start=live_book(ledger, buckets=model.buckets, due=...)``. Who gives a package back, or lets it expire, pays no
    more for it.

    Args:
        start: The ledger, or its live book: what is owed before the first period; ``None`` for an empty one.
        model: When customers come back, such as ``RedemptionModel.fit(ledger)`` says.
        sales: Packages to be sold: a :class:`SalesPath`, or whole numbers by period, or by period and path.
        plan: What is sold; its ``cost_per_session`` must be given, 0 if delivery costs nothing.
        policy: What the firm pays besides, and what it does with the cash.
        periods: Number of periods, from 1 to 10,000.
        rng: Generator or seed.
        paths: Number of paths, from 1 to 10,000,000.
        step: What a period of the model is; it matters for the live packages of a ledger and for validity, of
            which a package sold here has the nearest whole number of periods, at least one.
        draws: Hazards as they might be in truth, such as ``fit.draws(200, rng=1)``: the paths are shared out among them
            evenly, in order, so that all figures include how uncertain the hazards are. By default all paths have those
            of the model.
        common: A mood that all customers of a path share. The forecast with independent customers is made besides.
        events: Waves of returns and runs on refunds; see :class:`MassReturn` and :class:`RefundRun`.
        engine: ``"auto"``, ``"cohort"`` or ``"renewal"``.
        threads: Number of threads, >= 1; no more are started than fit in ``max_bytes``.
        progress: Called with the paths that are done and all paths, from time to time.
        max_bytes: How much memory the flows of kept paths may take, about. All quantiles of single paths are exact; the
            bands of the series are taken from as many paths as fit.
        keep_paths: Whether the result has the flows of every path; refused when they do not fit.

    Returns:
        A :class:`CashGapForecast`.

    Raises:
        InvalidValue: A number is out of range; sales that are negative or not whole; a start in another currency, or
            with what a forecast does not follow, all of it by name; a plan without a cost; refunds on a plan without
            them; more draws than paths; what does not fit in memory.
        InvalidType: An argument is of the wrong kind.

    Examples:
        >>> from retention_metrics.prepaid import PackagePlan
        >>> from retention_metrics.redemption import RedemptionModel
        >>> forecast = simulate(
        ...     model=RedemptionModel.two_state(active=0.5, dormant=0.04, lapse=0.3),
        ...     sales=SalesPath(40, shocks=[(30, 36, 0.4)]),
        ...     plan=PackagePlan(id="ten", price=15_000, sessions=10, cost_per_session=700),
        ...     policy=FirmPolicy.spend_collections(fixed_costs=200_000),
        ...     periods=60,
        ...     paths=500,
        ...     rng=1,
        ... )
        >>> forecast.gap_probability().value
        1.0
        >>> forecast.first_gap().quantile(0.5)
        30

    References:
        Asmussen & Glynn (2007), *Stochastic Simulation*, chapters II and III; Cox (1962), *Renewal Theory*.
    """
    if not isinstance(model, RedemptionModel):
        raise InvalidType(f"model must be a redemption.RedemptionModel, got {type(model).__name__}; a fit has .model")
    if not isinstance(policy, FirmPolicy):
        raise InvalidType(f"policy must be a FirmPolicy, got {type(policy).__name__}")
    if common is not None and not isinstance(common, CommonShock):
        raise InvalidType(f"common must be a CommonShock or None, got {type(common).__name__}")
    if progress is not None and not callable(progress):
        raise InvalidType(f"progress must be a function of two numbers or None, got {type(progress).__name__}")
    choice(("auto", "cohort", "renewal"), engine=engine)
    choice(PERIODS, step=step)
    length, number, crew = whole(1, periods=periods), whole(1, paths=paths), whole(1, threads=threads)
    if length > _MOST_PERIODS:
        raise InvalidValue(f"periods must be at most {_MOST_PERIODS:,}, got {length:,}; take longer steps")
    if number > _MOST_PATHS:
        raise InvalidValue(f"paths must be at most {_MOST_PATHS:,}, got {number:,}; 10,000 tell P(gap) to within 1 %")
    policy.fixed_by_period(length)
    rates = rates_of_sets(_models(model, draws, number), events, length, paths=number)
    kinds, uncollected = kinds_of(start, plan, buckets=model.buckets, kept=rates[0].buckets, step=step)
    entropy = tuple(generator(rng).integers(0, 2**32, 4).tolist())
    engines: tuple[Engine, ...] = ("cohort" if engine == "auto" else engine,) * len(kinds)
    case = Case(kinds, rates, _sales(sales, length, number), common, length, number, engines, entropy, uncollected)
    stuck = case.without_refunds
    if stuck is not None and any(each.refund.any() for each in rates):
        live = f" (live: {some_names(stuck.names)})" if stuck.names else ""
        raise InvalidValue(
            f"plan {stuck.terms.plan.id!r} has refund kind 'none', yet packages are given back by model.refund or a "
            f"RefundRun; pass a model without refunds, or the plan with them{live}"
        )
    size = 8 * len(AMOUNTS) * length
    budget = whole(1, max_bytes=max_bytes) // (2 if common is not None else 1) // 2
    portion = 8 * _ARRAYS * length * case.portion
    if portion > max_bytes:
        raise InvalidValue(f"max_bytes must be at least {portion:,} for a portion of the paths, got {max_bytes:,}")
    if keep_paths and size * number > budget:
        raise InvalidValue(
            f"{number:,} paths of {length} periods do not fit in max_bytes = {max_bytes:,}; keep_paths needs "
            f"{size * number * (4 if common is not None else 2):,}"
        )
    crew = min(crew, max_bytes // portion)
    tallies = case.expected()
    sets = 0 if draws is None else len(rates)
    weights = case.set_sizes() / number
    means = _means(tallies, weights)
    if engine == "auto":
        sold = [float(case.mean_sales().sum())] + [0.0] * (len(kinds) - 1)
        sessions = [float(each.delivered.sum(axis=0) @ weights) for each in tallies]
        taken = zip(kinds, sold, sessions, strict=True)
        case = replace(
            case,
            engines=tuple(fastest(case, kind, more + kind.start.packages, used) for kind, more, used in taken),
        )
    kept = min(number, max(budget // size, case.portion))
    total = number if common is None else 2 * number

    def forecast(of: Case, done: int, alone: CashGapForecast | None) -> CashGapForecast:
        scalars, sample = _run(of, policy, kept, crew, progress, done=done, total=total)
        flows = sample if keep_paths else None
        return CashGapForecast(policy, of.engines[0], sets, scalars, means, alone, flows, of, sample, crew)

    if common is None:
        return forecast(case, 0, None)
    return forecast(case, number, forecast(case.alone(), 0, None))


def _sales(sales: Any, periods: int, paths: int) -> SalesPath | IntArray:
    if isinstance(sales, SalesPath):
        mean = sales.mean(periods)
        if sales.noise == "fixed":
            whole_packages(mean)
        return sales
    table = sales_table(sales, periods)
    if table.shape[1] not in (1, paths):
        raise InvalidValue(f"sales must have one column or one for each of the {paths:,} paths, got {table.shape[1]:,}")
    return table


def _models(model: RedemptionModel, draws: ParameterDraws | None, paths: int) -> list[RedemptionModel]:
    """The model, or one for each set of drawn hazards."""
    if draws is None:
        return [model]
    if not isinstance(draws, ParameterDraws):
        raise InvalidType(
            f"draws must be ParameterDraws or None, got {type(draws).__name__}; pass fit.draws(200, rng=...)"
        )
    hazard, refund = (np.asarray(fraction(**{f"draws.{name}": getattr(draws, name)})) for name in draws._fields)
    if hazard.ndim != 2 or hazard.shape != refund.shape or len(hazard) != model.buckets:
        raise InvalidValue(
            f"draws must have two arrays of shape ({model.buckets}, sets), a row for each gap bucket of model, got "
            f"{hazard.shape} and {refund.shape}"
        )
    if hazard.shape[1] > paths:
        raise InvalidValue(f"draws has {hazard.shape[1]:,} sets for {paths:,} paths; draw as many as paths, or fewer")
    return [RedemptionModel(comes, back, model.burst) for comes, back in zip(hazard.T, refund.T, strict=True)]


def _run(
    case: Case, policy: FirmPolicy, kept: int, threads: int, progress: Progress | None, *, done: int, total: int
) -> tuple[PathScalars, Flows]:
    """The scalars of all paths, and the flows of some of them, taken from all portions alike."""
    runs: list[PathScalars] = []
    sample: dict[str, Any] = {name: np.empty((case.periods, kept), np.int64) for name in AMOUNTS}

    def scalars(first: int, flows: Flows) -> PathScalars:
        opens, closes = (kept * seen // case.paths for seen in (first, first + flows.paths))
        for name, values in sample.items():
            values[:, opens:closes] = getattr(flows, name)[:, : closes - opens]
        return run_scalars(flows, policy)

    for run in case.each(threads, scalars):
        runs.append(run)
        done += run.lowest.size
        if progress is not None:
            progress(done, total)
    for values in sample.values():
        values.flags.writeable = False
    return PathScalars.joined(runs), Flows(**sample)


def _means(tallies: Sequence[Tally], weights: FloatArray) -> Mapping[str, FloatArray]:
    """Exact means by period, over all kinds of packages, and all sets of chances."""
    found = {name: sum(getattr(each, name) @ weights for each in tallies) for name in (*AMOUNTS, *_MEAN_SESSIONS)}
    found["sold"] = sum((each.sold @ weights) * each.terms.sessions for each in tallies)
    for values in found.values():
        values.flags.writeable = False
    return MappingProxyType(found)
