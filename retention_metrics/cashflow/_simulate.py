"""The cash of a prepaid business by chance: thousands of courses that its book may take."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from retention_metrics._checks import choice, generator, whole
from retention_metrics._periods import PERIODS
from retention_metrics._typing import FloatArray, IntArray, Period
from retention_metrics.cashflow._case import Case, Progress, fastest, kinds_of
from retention_metrics.cashflow._flows import AMOUNTS, Flows
from retention_metrics.cashflow._forecast import CashGapForecast
from retention_metrics.cashflow._policy import FirmPolicy
from retention_metrics.cashflow._rates import rates_of
from retention_metrics.cashflow._run import PathScalars, run_scalars
from retention_metrics.cashflow._sales import SalesPath, sales_table, whole_packages
from retention_metrics.cashflow._shocks import CommonShock, Event
from retention_metrics.cashflow._tally import Tally
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid import Ledger, PackagePlan
from retention_metrics.redemption import LiveBook, RedemptionModel

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
    seed, every number is the same for any number of ``threads`` and any ``max_bytes``.

    Args:
        start: The ledger, or its live book: what is owed before the first period, on packages that follow the rules of
            their own plans; ``None`` for an empty one.
        model: When customers come back, such as ``RedemptionModel.fit(ledger)`` says.
        sales: Packages to be sold: a :class:`SalesPath`, or whole numbers by period, or by period and path.
        plan: What is sold; its ``cost_per_session`` must be given, 0 if delivery costs nothing.
        policy: What the firm pays besides, and what it does with the cash.
        periods: Number of periods, from 1 to 10,000.
        rng: Generator or seed.
        paths: Number of paths, from 1 to 10,000,000.
        step: What a period of the model is; it matters for the live packages of a ledger and for validity, which is
            rounded up to whole periods.
        common: A mood that all customers of a path share. The forecast with independent customers is made besides.
        events: Waves of returns and runs on refunds; see :class:`MassReturn` and :class:`RefundRun`.
        engine: ``"auto"``, ``"cohort"`` or ``"renewal"``.
        threads: Number of threads, >= 1.
        progress: Called with the paths that are done and all paths, from time to time.
        max_bytes: How much memory the flows of kept paths may take, about. All quantiles of single paths are exact; the
            bands of the series are taken from as many paths as fit.
        keep_paths: Whether the result has the flows of every path; refused when they do not fit.

    Returns:
        A :class:`CashGapForecast`.

    Raises:
        InvalidValue: A number is out of range; sales that are negative or not whole; a start in another currency, or
            with packages that expire or are not paid in full, or a ledger with memberships for a term; a plan, sold or
            live, without a cost; refunds on a plan without them; what does not fit in memory.
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
    rates = rates_of(model, events, length)
    kinds = kinds_of(start, plan, buckets=model.buckets, kept=rates.buckets, step=step)
    entropy = tuple(generator(rng).integers(0, 2**32, 4).tolist())
    case = Case(kinds, rates, _sales(sales, length, number), common, length, number, "cohort", entropy)
    stuck = case.without_refunds
    if stuck is not None and rates.refund.any():
        raise InvalidValue(
            f"plan {stuck.id!r} has refund kind 'none', yet packages are given back by model.refund or a RefundRun; "
            "pass a model without refunds, or the plan with them"
        )
    size = 8 * len(AMOUNTS) * length
    budget = whole(1, max_bytes=max_bytes) // (2 if common is not None else 1) // 2
    portion = 8 * _ARRAYS * length * min(case.portion, number) * min(crew, case.portions)
    if portion > max_bytes:
        raise InvalidValue(f"max_bytes must be at least {portion:,} for a portion of the paths, got {max_bytes:,}")
    if keep_paths and size * number > budget:
        raise InvalidValue(
            f"{number:,} paths of {length} periods do not fit in max_bytes = {max_bytes:,}; keep_paths needs "
            f"{size * number * (4 if common is not None else 2):,}"
        )
    tallies = case.expected()
    means = _means(tallies)
    if engine == "auto":
        packages = float(case.mean_sales().sum()) + sum(int(kind.start.sum()) for kind in kinds)
        engine = fastest(case, packages, float(means["delivered"].sum()))
    case = replace(case, engine=engine)
    kept = min(number, max(budget // size, min(case.portion, number)))
    total = number if common is None else 2 * number

    def forecast(of: Case, done: int, alone: CashGapForecast | None) -> CashGapForecast:
        scalars, sample = _run(of, policy, kept, crew, progress, done=done, total=total)
        flows = sample if keep_paths else None
        return CashGapForecast(policy, of.engine, scalars, means, alone, flows, of, sample, crew)

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


def _run(
    case: Case, policy: FirmPolicy, kept: int, threads: int, progress: Progress | None, *, done: int, total: int
) -> tuple[PathScalars, Flows]:
    """The scalars of all paths, and the flows of the first ones."""
    runs: list[PathScalars] = []
    sample: dict[str, Any] = {name: np.empty((case.periods, kept), np.int64) for name in AMOUNTS}
    filled = 0
    for flows in case.each(threads):
        runs.append(run_scalars(flows, policy))
        fits = min(kept - filled, flows.paths)
        for name, values in sample.items():
            values[:, filled : filled + fits] = getattr(flows, name)[:, :fits]
        filled += fits
        done += flows.paths
        if progress is not None:
            progress(done, total)
    return PathScalars.joined(runs), Flows(**sample)


def _means(tallies: Sequence[Tally]) -> Mapping[str, FloatArray]:
    """Exact means by period, over all kinds of packages."""
    found = {name: sum(getattr(each, name)[:, 0] for each in tallies) for name in (*AMOUNTS, *_MEAN_SESSIONS)}
    found["sold"] = sum(each.sold[:, 0] * each.terms.sessions for each in tallies)
    for values in found.values():
        values.flags.writeable = False
    return MappingProxyType(found)
