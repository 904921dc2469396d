"""Both engines against the exact recursion, closed forms, an enumeration, and each other.

Seeds are fixed, so nothing here fails by chance; levels say how often a correct engine would fail with another seed.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention_metrics._stats import chi_squared_p
from retention_metrics.cashflow import CommonShock, MassReturn, RefundRun
from retention_metrics.cashflow._binomial import BinomialTables
from retention_metrics.cashflow._cohort_engine import Dice, Moves, expect_cohorts, march, run_cohorts
from retention_metrics.cashflow._rates import Rates, rates_of, side_by_side
from retention_metrics.cashflow._renewal_engine import run_renewals
from retention_metrics.cashflow._start import Start
from retention_metrics.cashflow._tally import Tally
from retention_metrics.cashflow._terms import PackageTerms, package_terms
from retention_metrics.prepaid import PackagePlan, RefundPolicy
from retention_metrics.redemption import RedemptionModel

ENGINES = [pytest.param(run_cohorts, id="cohort"), pytest.param(run_renewals, id="renewal")]
FALSE_ALARM = 1e-3
"""How often a goodness-of-fit or two-sample test of a correct engine would fail with another seed."""
STANDARD_ERRORS = 4.5
"""Beyond which a mean is wrong: once in 147,000 cells."""

LAZY = RedemptionModel([0.5, 0.3, 0.15, 0.1, 0.05], [0.0, 0.01, 0.02, 0.02, 0.04])
BURSTS = RedemptionModel([0.4, 0.2, 0.1], [0.02, 0.0, 0.05], burst=[0.5, 0.0, 0.3, 0.2])
STEADY = RedemptionModel([0.3])
FINE = RedemptionModel(np.linspace(0.5, 0.05, 70), np.linspace(0, 0.03, 70))
EVENTS = (MassReturn(3, 2.5, periods=2, gap=1), RefundRun(6, 0.3), MassReturn(7, 0))


def terms(price: int = 1000, sessions: int = 3, cost: int = 70, life: int | None = None, **rules: Any) -> PackageTerms:
    plan = PackagePlan(id="x", price=price, sessions=sessions, cost_per_session=cost, **rules)
    made = package_terms(plan, price=price, sessions=sessions, cost=cost)
    return replace(made, life=life, forfeits=True)


def run(
    engine: Any,
    model: RedemptionModel,
    of: PackageTerms,
    *,
    sales: Any,
    paths: int,
    seed: int,
    start: Any = None,
    events: tuple[Any, ...] = (),
    factor: Any = None,
) -> Tally:
    rates = rates_of(model, events, len(sales))
    sold = np.repeat(np.asarray(sales)[:, None], paths, axis=1)
    return engine(of, state(start, rates, of), sold, rates, factor, np.random.default_rng(seed))


def state(start: Any, rates: Rates, of: PackageTerms) -> Start:
    """Live packages with the buckets that the rates tell apart."""
    found = np.zeros((rates.buckets, of.sessions), np.int64)
    if start is not None:
        for gap, row in enumerate(start):
            found[min(gap, rates.buckets - 1)] += row
    return Start.of(found)


def exact_means(of: PackageTerms, start: Start, sales: Any, rates: Rates) -> Tally:
    return expect_cohorts(of, start, np.asarray(sales, float), side_by_side([rates]))


# Deviates


@pytest.mark.parametrize("count", [1, 2, 7, 40, 63, 64, 65, 200, 1000, 4095, 4096, 5000])
def test_binomial_deviates_follow_the_binomial_distribution(count: int) -> None:
    chances = np.array([0.003, 0.04, 0.5, 0.04, 0.93])
    counts = np.full((5, 40_000), count, np.int32)
    drawn = BinomialTables(chances).draw(counts, np.random.default_rng(count))
    for chance, values in zip(chances, drawn, strict=True):
        mass = [
            math.exp(
                math.lgamma(count + 1)
                - math.lgamma(k + 1)
                - math.lgamma(count - k + 1)
                + k * math.log(chance)
                + (count - k) * math.log1p(-chance)
            )
            for k in range(count + 1)
        ]
        assert p_of_fit(values, dict(enumerate(mass))) > FALSE_ALARM / 10


def test_counts_of_every_size_in_one_call_are_drawn_each_by_its_own_chance() -> None:
    rng = np.random.default_rng(5)
    counts = rng.integers(0, 6000, (3, 4, 5000)).astype(np.int32)
    counts[0] %= 5
    chances = np.array([0.2, 0.5, 0.8])
    drawn = BinomialTables(chances).draw(counts, rng)
    assert (drawn >= 0).all()
    assert (drawn <= counts).all()
    spread = np.sqrt(np.maximum(counts * (chances * (1 - chances))[:, None, None], 1e-9))
    scores = (drawn - counts * chances[:, None, None]) / spread
    some = counts > 0
    assert abs(scores[some].mean()) < STANDARD_ERRORS / math.sqrt(some.sum())
    assert abs((scores[some] ** 2).mean() - 1) < STANDARD_ERRORS * math.sqrt(2.5 / some.sum())


def p_of_fit(values: Any, mass: Mapping[int, float]) -> float:
    """Pearson's chi-squared test, neighbouring values with small expectations taken together."""
    n = len(values)
    observed, expected = [0.0], [0.0]
    for value, likely in sorted(mass.items()):
        if expected[-1] >= 5:
            observed.append(0.0)
            expected.append(0.0)
        observed[-1] += np.count_nonzero(np.asarray(values) == value)
        expected[-1] += n * likely
    if expected[-1] < 5 and len(expected) > 1:
        observed[-2:], expected[-2:] = [sum(observed[-2:])], [sum(expected[-2:])]
    assert sum(observed) == n
    if len(expected) == 1:
        return 1.0
    statistic = sum((o - e) ** 2 / e for o, e in zip(observed, expected, strict=True))
    return chi_squared_p(statistic, len(expected) - 1)


# Means of every cell


CASES = [
    pytest.param(LAZY, None, (), id="empty start"),
    pytest.param(LAZY, [[2, 0, 1], [0, 3, 0], [1, 1, 1], [0, 0, 4], [5, 2, 0]], (), id="live start"),
    pytest.param(BURSTS, [[2, 0, 1], [0, 3, 0], [1, 1, 1]], (), id="bursts"),
    pytest.param(STEADY, None, (), id="one bucket"),
    pytest.param(FINE, [[1, 0, 2]] * 70, (), id="many buckets"),
]


@pytest.mark.parametrize(("model", "start", "events"), CASES)
def test_the_cohort_engine_has_the_mean_of_the_recursion_in_every_cell(
    model: RedemptionModel, start: Any, events: Any
) -> None:
    sales, paths = [6, 0, 3, 5, 5, 5, 5, 5], 4000
    rates = rates_of(model, events, len(sales))
    live = state(start, rates, terms())
    dice = Dice(rates, None, np.random.default_rng(11))
    exact = model.expected(sales, sessions=3, start=start).state
    for moved, cells in zip(march(live, np.tile(sales, (paths, 1)).T, rates, None, dice), exact, strict=True):
        assert_means(moved.live[0], cells)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("model", "start", "events"), CASES)
def test_both_engines_have_the_means_of_the_recursion_by_sessions_left(
    engine: Any, model: RedemptionModel, start: Any, events: Any
) -> None:
    sales = [6, 0, 3, 5, 5, 5, 5, 5]
    course = model.expected(sales, sessions=3, start=start)
    found = run(engine, model, terms(), sales=sales, paths=2000, seed=12, start=start, events=events)
    assert_means(found.delivered, course.delivered)
    assert_means(found.refunded, course.refunded)
    assert_means(found.outstanding, course.outstanding)
    # What is earned by the last session alone, by the one before, and so on: one run, seen through other shares.
    before = np.concatenate([np.zeros((1, *course.state.shape[1:])), course.state[:-1]])
    before[0] = 0 if start is None else start
    before[:, 0, -1] += sales
    back = np.einsum("tgr,g->tr", before, model.refund)
    for left in range(1, 4):
        one = replace(terms(), earned=np.eye(3, dtype=int)[left - 1], paid_back=np.eye(3, dtype=int)[left - 1])
        seen = run(engine, model, one, sales=sales, paths=2000, seed=12, start=start, events=events)
        assert_means(seen.refunds_paid, back[:, left - 1])
        if model.burst is None:
            came = np.einsum("tgr,g->tr", before, (1 - model.refund) * model.hazard)
            assert_means(seen.earned, came[:, left - 1])


def assert_means(drawn: Any, exact: Any) -> None:
    """Means over the last axis, within the standard errors allowed; a constant has to be right."""
    n = drawn.shape[-1]
    error = drawn.std(axis=-1) / math.sqrt(n)
    assert (
        np.abs(drawn.mean(axis=-1) - exact) <= STANDARD_ERRORS * np.maximum(error, 1e-12 / math.sqrt(n)) + 1e-9
    ).all()


@pytest.mark.parametrize(("model", "start", "events"), CASES)
def test_the_means_that_a_forecast_states_are_those_of_the_recursion(
    model: RedemptionModel, start: Any, events: Any
) -> None:
    sales = np.array([6, 0, 3, 5, 5, 5, 5, 5.5])
    rates = rates_of(model, events, len(sales))
    found = exact_means(terms(), state(start, rates, terms()), sales, rates)
    course = model.expected(sales, sessions=3, start=start)
    np.testing.assert_allclose(found.delivered[:, 0], course.delivered, rtol=1e-12)
    np.testing.assert_allclose(found.refunded[:, 0], course.refunded, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.outstanding[:, 0], course.outstanding, rtol=1e-12)
    np.testing.assert_allclose(found.liability[:, 0], course.state.sum(axis=1) @ terms().owed, rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("life", [None, 1, 3, 20])
@pytest.mark.parametrize("model", [LAZY, BURSTS])
def test_events_and_expiry_have_the_means_of_the_recursion(engine: Any, model: RedemptionModel, life: Any) -> None:
    sales = [6, 0, 3, 5, 5, 5, 5, 5, 2]
    rates = rates_of(model, EVENTS, len(sales))
    exact = exact_means(terms(life=life), state(None, rates, terms()), sales, rates)
    found = run(engine, model, terms(life=life), sales=sales, paths=4000, seed=13, events=EVENTS)
    for name in ("delivered", "refunded", "expired", "outstanding", "breakage", "liability"):
        assert_means(getattr(found, name), getattr(exact, name)[:, 0])


@pytest.mark.parametrize("life", [1, 4])
def test_what_is_expected_to_expire_is_the_closed_form(life: int) -> None:
    rates = rates_of(STEADY, (), life + 1)
    sales = np.array([1.0] + [0.0] * life)
    found = exact_means(terms(life=life), state(None, rates, terms()), sales, rates)
    assert found.expired[life, 0] == pytest.approx(STEADY.outstanding(3, after=life))
    assert found.outstanding[life, 0] == pytest.approx(0, abs=1e-12)


# Whole distributions


def enumerated(
    model: RedemptionModel, of: PackageTerms, periods: int, events: tuple[Any, ...] = ()
) -> dict[tuple[int, int, int], float]:
    """Delivered, refunded and expired sessions of one package sold at the start: every course of events, one by one."""
    sizes = [1.0] if model.burst is None else model.burst.tolist()
    found: dict[tuple[int, int, int], float] = {}

    def chances(t: int, gap: int) -> tuple[float, float]:
        place = min(gap, model.buckets - 1)
        back, comes = float(model.refund[place]), float(model.hazard[place])
        for event in events:
            if isinstance(event, RefundRun) and event.period == t:
                back = back + event.probability - back * event.probability
            if isinstance(event, MassReturn) and 0 <= t - event.period < event.periods and gap >= event.gap:
                comes = min(1.0, comes * event.uplift)
        return back, comes

    def follow(t: int, gap: int, left: int, used: int, weight: float) -> None:
        if weight == 0:
            return
        if left == 0 or t == periods:
            found[used, 0, 0] = found.get((used, 0, 0), 0.0) + weight
            return
        if of.life is not None and t >= of.life:
            found[used, 0, left] = found.get((used, 0, left), 0.0) + weight
            return
        back, comes = chances(t, gap)
        found[used, left, 0] = found.get((used, left, 0), 0.0) + weight * back
        for size, share in enumerate(sizes, start=1):
            taken = min(size, left)
            follow(t + 1, 0, left - taken, used + taken, weight * (1 - back) * comes * share)
        follow(t + 1, gap + 1, left, used, weight * (1 - back) * (1 - comes))

    follow(0, 0, of.sessions, 0, 1.0)
    return found


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("model", "life", "events"),
    [
        (LAZY, None, ()),
        (LAZY, 4, EVENTS),
        (BURSTS, None, EVENTS),
        (BURSTS, 3, ()),
        (RedemptionModel([1.0]), None, ()),
        (RedemptionModel([0.0], [0.3]), 4, ()),
        (RedemptionModel([0.0, 1.0]), None, ()),
        (RedemptionModel([0.4], [1.0]), None, ()),
    ],
)
def test_one_package_has_the_distribution_of_an_enumeration(
    engine: Any, model: RedemptionModel, life: Any, events: Any
) -> None:
    of = terms(sessions=4, life=life)
    found = run(engine, model, of, sales=[1] + [0] * 8, paths=20_000, seed=14, events=events)
    exact = enumerated(model, of, 9, events)
    assert sum(exact.values()) == pytest.approx(1)
    codes = (found.delivered.sum(0) * 10 + found.refunded.sum(0)) * 10 + found.expired.sum(0)
    assert p_of_fit(codes, {(d * 10 + r) * 10 + e: p for (d, r, e), p in exact.items()}) > FALSE_ALARM


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("hazard", "refund"), [(0.2, 0.0), (0.3, 0.1)])
def test_single_sessions_outstanding_are_binomial(engine: Any, hazard: float, refund: float) -> None:
    # Each of n is still there after t trials with probability ((1 - q)(1 - h))^t, independently.
    n, t = 30, 4
    found = run(
        engine, RedemptionModel([hazard], [refund]), terms(sessions=1), sales=[n, 0, 0, 0], paths=20_000, seed=15
    )
    stays = ((1 - refund) * (1 - hazard)) ** t
    mass = {k: math.comb(n, k) * stays**k * (1 - stays) ** (n - k) for k in range(n + 1)}
    assert p_of_fit(found.outstanding[-1], mass) > FALSE_ALARM


@pytest.mark.parametrize("engine", ENGINES)
def test_visits_are_poisson_when_sales_are(engine: Any) -> None:
    # Thinning and superposition of Poisson processes: in any one period visits are Poisson with their mean.
    rng = np.random.default_rng(16)
    sales = rng.poisson(3.0, (6, 20_000))
    rates = rates_of(LAZY, (), 6)
    found = engine(terms(), state(None, rates, terms()), sales, rates, None, rng)
    mean = float(LAZY.expected(3.0, sessions=3, periods=6).delivered[-1])
    mass = {k: math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) for k in range(60)}
    assert p_of_fit(found.delivered[-1], mass) > FALSE_ALARM


@pytest.mark.parametrize("engine", ENGINES)
def test_under_a_common_shock_each_path_is_binomial_with_its_own_chance(engine: Any) -> None:
    n, t = 50, 3
    factor = CommonShock(0.5, 0.6).draw(periods=t, paths=20_000, rng=17)
    found = run(
        engine, RedemptionModel([0.4]), terms(sessions=1), sales=[n, 0, 0], paths=20_000, seed=18, factor=factor
    )
    stays = np.prod(1 - np.minimum(0.4 * factor, 1), axis=0)
    spread = np.sqrt(n * stays * (1 - stays))
    some = spread > 0.1
    scores = ((found.outstanding[-1] - n * stays)[some]) / spread[some]
    assert abs(scores.mean()) < STANDARD_ERRORS / math.sqrt(some.sum())
    assert abs(scores.var() - 1) < STANDARD_ERRORS * math.sqrt(3 / some.sum())


@pytest.mark.parametrize(
    ("model", "events", "shock", "life"),
    [
        (LAZY, (), None, None),
        (LAZY, EVENTS, CommonShock(0.3, 0.7), None),
        (FINE, EVENTS, CommonShock(0.3, 0.7), None),
        (BURSTS, EVENTS, None, 4),
        (BURSTS, (), CommonShock(0.3, 0.7), 5),
    ],
)
def test_the_engines_agree_in_distribution(model: RedemptionModel, events: Any, shock: Any, life: Any) -> None:
    sales, paths = [6, 0, 3, 5, 5, 5, 5, 5, 2, 2], 4000
    both = []
    for number, engine in enumerate((run_cohorts, run_renewals)):
        factor = None if shock is None else shock.draw(periods=len(sales), paths=paths, rng=19 + number)
        of = terms(life=life, refund=RefundPolicy(fee=40))
        both.append(run(engine, model, of, sales=sales, paths=paths, seed=21 + number, events=events, factor=factor))
    for period in (2, 5, 9):
        for name in ("delivered", "outstanding", "refunds_paid", "earned", "liability"):
            one, other = (getattr(each, name)[period] for each in both)
            assert distance(one, other) < critical_distance(paths, paths)
    # The two engines follow paths alike over time too.
    one, other = (each.outstanding[9] - each.outstanding[4] for each in both)
    assert distance(one, other) < critical_distance(paths, paths)


def distance(one: Any, other: Any) -> float:
    """The largest difference of two empirical distribution functions."""
    at = np.union1d(one, other)
    below = [np.searchsorted(np.sort(each), at, side="right") / len(each) for each in (one, other)]
    return float(np.abs(below[0] - below[1]).max())


def critical_distance(n: int, m: int) -> float:
    """Smirnov (1948), *Annals of Mathematical Statistics* 19, 279-281; on the safe side for whole numbers."""
    return math.sqrt(-math.log(FALSE_ALARM / 2) / 2 * (n + m) / (n * m))


# Identities on every path


chances = st.floats(0, 1) | st.sampled_from([0.0, 1.0])


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    buckets = draw(st.integers(1, 4))
    row = st.lists(chances, min_size=buckets, max_size=buckets)
    burst = draw(st.none() | st.lists(st.integers(0, 3), min_size=1, max_size=4).filter(any))
    periods, sessions = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    live = st.lists(st.integers(0, 80), min_size=sessions, max_size=sessions)
    refund = draw(st.sampled_from([{}, {"fee": 90}, {"fee_bps": 1234}, {"kind": "rerate", "fee": 7}]))
    life = draw(st.none() | st.integers(1, 4))
    return {
        "model": RedemptionModel(draw(row), draw(row), None if burst is None else np.array(burst) / sum(burst)),
        "of": replace(
            terms(draw(st.integers(90, 2000)), sessions, list_price=400, refund=RefundPolicy(**refund)),
            life=life,
            forfeits=draw(st.booleans()),
        ),
        "sales": draw(st.lists(st.integers(0, 9) | st.integers(60, 70), min_size=periods, max_size=periods)),
        "start": draw(st.none() | st.lists(live, min_size=buckets, max_size=buckets)),
        "events": tuple(
            each
            for each in draw(st.lists(st.sampled_from([MassReturn(0, 3, gap=1), RefundRun(1, 0.5)]), max_size=2))
            if each.period < periods
        ),
        "factor": draw(st.none() | st.just(CommonShock(0.6, 0.5).draw(periods=periods, paths=7, rng=1))),
    }


@pytest.mark.parametrize("engine", ENGINES)
@given(world=worlds(), seed=st.integers(0, 99))
def test_sessions_and_money_are_conserved_on_every_path(engine: Any, world: dict[str, Any], seed: int) -> None:
    found = run(engine, **world, paths=7, seed=seed)
    of = world["of"]
    live = np.sum([] if world["start"] is None else world["start"], axis=0) * np.ones(of.sessions, int)
    sold = np.cumsum(found.sold * of.sessions, axis=0) + int(live @ np.arange(1, of.sessions + 1))
    settled = np.cumsum(found.delivered + found.refunded + found.expired, axis=0)
    assert (found.outstanding >= 0).all()
    assert (sold == settled + found.outstanding).all()
    received = np.cumsum(found.collections, axis=0) + int(live @ of.owed)
    out = found.earned + found.breakage + found.refunds_paid + found.refund_fees
    assert (received == np.cumsum(out, axis=0) + found.liability).all()
    assert (found.liability >= 0).all()
    assert ((found.liability == 0) == (found.outstanding == 0)).all()
    assert (found.cost_outstanding == found.outstanding * of.cost).all()
    for name in ("delivered", "refunded", "expired", "earned", "breakage", "refunds_paid", "refund_fees"):
        assert (getattr(found, name) >= 0).all()


@given(world=worlds(), seed=st.integers(0, 99))
@settings(max_examples=15)
def test_what_is_owed_is_the_value_of_the_packages_that_are_live(world: dict[str, Any], seed: int) -> None:
    of, rates = world["of"], rates_of(world["model"], world["events"], len(world["sales"]))
    found = run(run_cohorts, **world, paths=7, seed=seed)
    live = state(world["start"], rates, of)
    dice = Dice(rates, world["factor"], np.random.default_rng(seed))
    steps: Iterator[Moves] = march(live, np.repeat(np.array(world["sales"])[:, None], 7, axis=1), rates, of.life, dice)
    for period, moved in enumerate(steps):
        value = sum((np.tensordot(of.owed, each.sum(axis=0), 1) for each in moved.live), np.zeros(7, int))
        assert (value == found.liability[period]).all()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("sessions", [1, 3])
def test_certain_visits_and_no_visits(engine: Any, sessions: int) -> None:
    sales = [2, 1, 0, 0]
    always = run(engine, RedemptionModel([1.0]), terms(sessions=sessions), sales=sales, paths=3, seed=1)
    expected = [[2, 1, 0, 0], [2, 3, 3, 1]][sessions == 3]
    assert always.delivered.T.tolist() == [expected] * 3
    never = run(engine, RedemptionModel([0.0]), terms(sessions=sessions), sales=sales, paths=3, seed=1)
    assert never.delivered.sum() == 0
    assert never.liability[-1].tolist() == [3000] * 3


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("life", [None, 2])
def test_nothing_sold_nothing_owed(engine: Any, life: Any) -> None:
    found = run(engine, LAZY, terms(life=life), sales=[0, 0, 0], paths=5, seed=1)
    assert found.outstanding.sum() == found.liability.sum() == found.collections.sum() == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_gift_costs_and_earns_nothing(engine: Any) -> None:
    found = run(engine, LAZY, terms(price=0), sales=[5, 5], paths=50, seed=2)
    assert found.earned.sum() == found.liability.sum() == 0
    assert found.delivery_cost.sum() == 70 * found.delivered.sum() > 0


@pytest.mark.parametrize("engine", ENGINES)
def test_one_period(engine: Any) -> None:
    found = run(engine, RedemptionModel([0.5]), terms(sessions=1), sales=[100], paths=4000, seed=3)
    assert_means(found.delivered, np.array([50.0]))


@pytest.mark.parametrize("engine", ENGINES)
def test_ten_thousand_packages_on_a_path(engine: Any) -> None:
    found = run(engine, LAZY, terms(), sales=[6000, 0, 6000], paths=60, seed=4)
    course = LAZY.expected([6000, 0, 6000], sessions=3)
    assert_means(found.delivered, course.delivered)
    assert_means(found.outstanding, course.outstanding)
