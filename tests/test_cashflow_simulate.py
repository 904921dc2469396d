"""Simulated cash: the same numbers for any threads and memory, identities, bounds, and what is refused."""

import math
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention_metrics.cashflow import (
    CashGapForecast,
    CommonShock,
    FirmPolicy,
    Flows,
    MassReturn,
    RefundRun,
    SalesPath,
    _case,
    run_policy,
    simulate,
)
from retention_metrics.cashflow._case import Case
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid import Ledger, PackagePlan, RefundPolicy, Remote
from retention_metrics.redemption import RedemptionModel, live_book

PLAN = PackagePlan(id="ten", price=15_000, sessions=10, cost_per_session=700)
MODEL = RedemptionModel([0.5, 0.3, 0.15, 0.05], [0.0, 0.0, 0.01, 0.02])
POLICY = FirmPolicy.spend_collections(fixed_costs=200_000)
EVENTS: list[dict[str, Any]] = []
for name, last, used in (("ann", "2024-01-20", 1), ("bob", "2024-02-11", 4), ("cem", "2024-03-30", 8)):
    EVENTS.append({"kind": "purchase", "date": "2024-01-02", "package": name, "customer": name, "plan": "ten"})
    EVENTS += [{"kind": "visit", "date": last, "customer": name, "seq": i} for i in range(used)]
WORLD: dict[str, Any] = {"model": MODEL, "sales": SalesPath(20), "plan": PLAN, "policy": POLICY, "periods": 12}


def small(**changes: Any) -> CashGapForecast:
    return simulate(**(WORLD | {"paths": 200, "rng": 1} | changes))


def same(one: CashGapForecast, other: CashGapForecast) -> bool:
    return all(
        np.array_equal(getattr(one.scalars, name), getattr(other.scalars, name))
        for name in ("lowest", "first_gap", "duration", "closing", "drawn", "injected")
    )


@pytest.mark.parametrize("engine", ["cohort", "renewal"])
@pytest.mark.parametrize("common", [None, CommonShock(0.2, 0.7)])
def test_the_same_seed_gives_the_same_numbers_for_any_threads_and_memory(
    engine: Any, common: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_case, "_MOST_PATHS", 1024)  # several portions of few paths
    noisy = SalesPath(5, noise="negative_binomial", dispersion=3)
    policy = FirmPolicy.spend_collections(fixed_costs=20_000)
    case = {"sales": noisy, "policy": policy, "engine": engine, "common": common, "paths": 3500, "periods": 6}
    one = small(**case)
    for changes in ({"threads": 2, "max_bytes": 2_600_000}, {"max_bytes": 2_600_000}):
        other = small(**case, **changes)
        assert same(one, other)
        assert other.bands().paths < 3500
        assert other.required_reserve_ratio(0.5) == one.required_reserve_ratio(0.5)
        assert other.required_opening_cash(0.9) == one.required_opening_cash(0.9)
        assert other.policy_table([0, 0.3]).to_dict() == one.policy_table([0, 0.3]).to_dict()
        if common is not None:
            assert same(one.without_common_shock, other.without_common_shock)


def test_another_seed_gives_other_numbers_and_a_generator_moves_on() -> None:
    assert not same(small(rng=1), small(rng=2))
    rng = np.random.default_rng(3)
    assert not same(small(rng=rng), small(rng=rng))
    assert same(small(rng=np.random.default_rng(3)), small(rng=np.random.default_rng(3)))


def test_paths_differ_from_one_another_across_portions() -> None:
    lowest = small(paths=3000).scalars.closing + small(paths=3000).scalars.drawn
    first, second = lowest[:1500], lowest[1500:]
    assert not np.array_equal(first, second)
    assert abs(np.corrcoef(first, second)[0, 1]) < 4.5 / math.sqrt(1500)


def test_kept_flows_are_those_behind_the_scalars() -> None:
    forecast = small(paths=1500, keep_paths=True)
    assert forecast.flows is not None
    run = run_policy(forecast.flows, POLICY)
    assert (run.low.min(axis=0) == forecast.scalars.lowest).all()
    assert (run.first_gap == forecast.scalars.first_gap).all()
    assert (run.draws.sum(axis=0) == forecast.scalars.drawn).all()
    assert small().flows is None


def test_portions_do_not_depend_on_threads_or_memory() -> None:
    assert {"threads", "max_bytes"}.isdisjoint(Case.__slots__)


@pytest.mark.parametrize("paths", [1, 65, 1500, 2049, 4097, 10_000, 30_001])
@pytest.mark.parametrize("periods", [1, 60, 730, 10_000])
@pytest.mark.parametrize("sets", [1, 3, 50])
def test_portions_hold_every_path_once_and_are_about_as_large(paths: int, periods: int, sets: int) -> None:
    case = Case((), (None,) * min(sets, paths), SalesPath(1), None, periods, paths, (), ())  # type: ignore[arg-type]
    bounds = np.array([case._opens(number) for number in range(case.portions + 1)])
    sizes = np.diff(bounds)
    assert (bounds[0], bounds[-1]) == (0, paths)
    assert sizes.max() == case.portion <= max(64, min(8192, 2**19 // periods))
    assert sizes.min() >= case.portion - 2
    assert sets > 1 or case.portions == 1 or case.portions % 2 == 0
    set_ends = np.cumsum(case.set_sizes())
    assert set(set_ends.tolist()) <= set(bounds.tolist())


def test_more_threads_than_fit_in_memory_are_not_started() -> None:
    assert same(small(paths=3000, threads=9, max_bytes=4_000_000), small(paths=3000))


@pytest.mark.parametrize("engine", ["cohort", "renewal"])
def test_money_and_sessions_are_conserved_from_a_live_book(engine: Any) -> None:
    forecast = small(start=ledger(), engine=engine, events=[RefundRun(3, 0.2)], paths=2000, keep_paths=True)
    flows = forecast.flows
    assert flows is not None
    out = flows.earned + flows.breakage + flows.refunds_paid + flows.refund_fees
    opening = ledger().liability()
    assert opening == 13_500 + 9_000 + 3_000
    assert (opening + np.cumsum(flows.collections - out, axis=0) == flows.liability).all()
    cost = ledger().cost_to_serve() + np.cumsum(flows.collections // 15_000 * 7_000 - flows.delivery_cost, axis=0)
    assert (flows.cost_outstanding <= cost).all()
    for name, exact in forecast.expected.items():
        if name in ("earned", "delivery_cost", "liability", "refunds_paid"):
            drawn = getattr(flows, name)
            assert (np.abs(drawn.mean(axis=1) - exact) < 4.5 * drawn.std(axis=1) / math.sqrt(2000) + 1e-6).all()


def ledger(currency: str | None = None, plan: PackagePlan | None = None) -> Ledger:
    """Nine, six and two sessions are left, after two, one and no silent months."""
    sold = plan or PLAN.model_copy(update={"currency": currency})
    return Ledger.from_events(EVENTS, [sold], as_of="2024-03-31")


def test_a_ledger_starts_from_its_live_book() -> None:
    start = ledger()
    book = live_book(start, step="month", buckets=MODEL.buckets)
    assert same(small(start=start), small(start=book))
    exact = MODEL.expected(20, sessions=10, periods=12, start=book.state())
    assert small(start=start).expected["delivered"] == pytest.approx(exact.delivered)
    assert small(start=start).expected["outstanding"] == pytest.approx(exact.outstanding)
    assert not same(small(start=start), small())


@pytest.mark.parametrize("engine", ["cohort", "renewal"])
def test_live_packages_of_other_plans_keep_their_own_prices(engine: Any) -> None:
    old = PackagePlan(id="old", price=3_000, sessions=3, cost_per_session=100, refund=RefundPolicy(fee=50))
    events = [
        {"kind": "purchase", "date": "2024-03-02", "package": i, "customer": i, "plan": plan}
        for i, plan in enumerate(["old"] * 40 + ["ten"] * 3)
    ]
    start = Ledger.from_events(events, [PLAN, old], as_of="2024-03-31")
    forecast = small(start=start, sales=[2] * 12, engine=engine, paths=3000, keep_paths=True)
    alone = {
        plan.id: MODEL.expected(
            2 * (place == 0), sessions=plan.sessions, periods=12, start=live_book(start, buckets=4).state(place)
        )
        for place, plan in enumerate((PLAN, old))
    }
    cost = alone["ten"].delivered * 700 + alone["old"].delivered * 100
    earned = alone["ten"].delivered * 1_500 + alone["old"].delivered * 1_000
    assert forecast.expected["delivery_cost"] == pytest.approx(cost)
    assert forecast.expected["earned"] == pytest.approx(earned)
    flows = forecast.flows
    assert flows is not None
    error = flows.earned.std(axis=1) / math.sqrt(3000)
    assert (np.abs(flows.earned.mean(axis=1) - earned) < 4.5 * error).all()
    assert forecast.expected["refund_fees"] == pytest.approx(50 * alone["old"].refunds)


RULES: list[dict[str, Any]] = [
    {},
    {"refund": RefundPolicy(fee=400)},
    {"refund": RefundPolicy(fee_bps=1_234)},
    {"refund": RefundPolicy(kind="rerate", fee=350), "list_price": 290},
    {"commission": 17, "commission_bps": 321},
]


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("used", range(7))
def test_money_is_that_of_the_ledger(rules: dict[str, Any], used: int) -> None:
    """Customers who come in every period and then all ask for their money, in the forecast and in the book."""
    plan = PackagePlan(id="x", price=1_503, sessions=7, cost_per_session=30, **rules)
    forecast = small(
        plan=plan,
        model=RedemptionModel([1.0]),
        sales=[1] + [0] * 11,
        events=[RefundRun(used, 1.0)],
        paths=1,
        keep_paths=True,
    )
    events: list[dict[str, Any]] = [
        {"kind": "purchase", "date": "2024-01-01", "package": 1, "customer": 1, "plan": "x"},
        *({"kind": "visit", "date": f"2024-{month + 1:02}-05", "customer": 1} for month in range(used)),
        {"kind": "refund", "date": f"2024-{used + 1:02}-20", "package": 1},
    ]
    book = Flows.of_ledger(Ledger.from_events(events, [plan], as_of="2024-12-31"))
    assert forecast.flows is not None
    for name in ("collections", "earned", "refunds_paid", "refund_fees", "delivery_cost", "commission", "liability"):
        assert getattr(forecast.flows, name)[:, 0].tolist() == getattr(book, name).tolist(), name
    assert forecast.flows.cost_outstanding[:, 0].tolist() == book.cost_outstanding.tolist()


def test_sales_by_path() -> None:
    table = np.arange(12 * 200).reshape(12, 200) % 7
    forecast = small(sales=table, keep_paths=True)
    assert forecast.flows is not None
    assert (forecast.flows.collections == table * 15_000).all()
    assert forecast.expected["collections"] == pytest.approx(table.mean(axis=1) * 15_000)
    assert same(small(sales=[3] * 12), small(sales=SalesPath(3)))


def test_validity_is_the_nearest_number_of_whole_periods_and_what_expires_is_kept_or_paid_back() -> None:
    for rule, step, life in (
        ({"validity_months": 3}, "month", 3),
        ({"validity_months": 4}, "quarter", 1),
        ({"validity_months": 5}, "quarter", 2),
        ({"validity_months": 1}, "week", 4),
        ({"validity_days": 90}, "month", 3),
        ({"validity_days": 31}, "month", 1),
        ({"validity_days": 92}, "month", 3),
        ({"validity_days": 10}, "month", 1),
        ({"validity_days": 5}, "day", 5),
        ({"validity_days": 15}, "week", 2),
    ):
        for expiry, name in (("forfeit", "breakage"), ("refund", "refunds_paid")):
            plan = PackagePlan(id="x", price=1_000, sessions=2, cost_per_session=1, expiry=expiry, **rule)
            forecast = small(
                plan=plan, model=RedemptionModel([0.0]), sales=[1] + [0] * 11, step=step, paths=2, keep_paths=True
            )
            assert forecast.flows is not None
            assert getattr(forecast.flows, name)[:, 0].tolist() == [1_000 * (t == life) for t in range(12)]


@pytest.mark.parametrize("days", [20, 30, 31, 61, 75, 92, 183, 366])
def test_validity_is_nearest_to_the_months_that_packages_sold_on_any_day_are_usable_to_the_end_of(days: int) -> None:
    sold = np.arange("2025-01-01", "2026-01-01", dtype="datetime64[D]")
    over = (sold + np.timedelta64(days, "D")).astype("datetime64[M]")  # the first month to whose end it is not usable
    usable = float((over - sold.astype("datetime64[M]")).astype(int).mean())
    plan = PackagePlan(id="x", price=1_000, sessions=1, cost_per_session=1, expiry="forfeit", validity_days=days)
    found = simulate(
        model=RedemptionModel([0.0]), sales=[1] + [0] * 15, plan=plan, policy=FirmPolicy(), periods=16, paths=1, rng=1
    )
    (life,) = np.flatnonzero(found.expected["expired"])
    assert abs(life - usable) <= 0.5 or (usable < 0.7 and life == 1)


def test_a_forecast_goes_to_another_process_and_back() -> None:
    forecast = small(common=CommonShock(0.2, 0.7), sales=SalesPath(5, noise="poisson"))
    copied = pickle.loads(pickle.dumps(forecast))  # noqa: S301 - made here
    assert same(copied, forecast)
    assert copied.to_json() == forecast.to_json()
    assert copied.policy_table([0.3]).to_json() == forecast.policy_table([0.3]).to_json()
    with pytest.raises(TypeError):
        copied.expected["earned"] = 1


def test_one_ratio_needs_no_list() -> None:
    forecast = small()
    (one,), (listed,) = forecast.under(0.3), forecast.under([0.3])
    assert one.lowest.tolist() == listed.lowest.tolist()
    with pytest.raises(InvalidValue, match=r"ratios must be numbers in a row, got an array of shape \(1, 2\)"):
        forecast.under(np.array([[0.1, 0.2]]))


def test_a_live_book_may_tell_more_gaps_apart_than_the_model() -> None:
    events = [MassReturn(2, 2.0, gap=5)]
    by_ledger = small(start=ledger(), events=events)
    for buckets in (6, 9):
        by_book = small(start=live_book(ledger(), buckets=buckets), events=events)
        assert same(by_book, by_ledger)
        assert by_book.expected["earned"] == pytest.approx(by_ledger.expected["earned"], rel=1e-12)


def test_ring_fencing_never_gaps_without_fixed_costs() -> None:
    policy = FirmPolicy.ring_fence()
    assert (
        small(policy=policy, common=CommonShock(0.5, 0.8), events=[MassReturn(4, 9), RefundRun(6, 0.9)]).scalars.gaps
        == 0
    )


@given(
    hazard=st.lists(st.floats(0, 1), min_size=1, max_size=4),
    sales=st.lists(st.integers(0, 30), min_size=1, max_size=8),
    shares=st.integers(1, 6),
    seed=st.integers(0, 1000),
    shock=st.none() | st.just(CommonShock(0.8, 0.5)),
)
def test_cash_covers_what_is_owed_when_it_is_ring_fenced(
    hazard: list[float], sales: list[int], shares: int, seed: int, shock: Any
) -> None:
    # A session costs no more than its share of the price, and there are no fixed costs.
    plan = PackagePlan(id="x", price=100 * shares + 1, sessions=shares, cost_per_session=100)
    forecast = simulate(
        model=RedemptionModel(hazard, 0.05),
        sales=sales,
        plan=plan,
        policy=FirmPolicy.ring_fence(),
        periods=len(sales),
        paths=20,
        rng=seed,
        common=shock,
        keep_paths=True,
    )
    assert forecast.flows is not None
    run = run_policy(forecast.flows, forecast.policy)
    assert (run.cash >= forecast.flows.liability).all()
    assert forecast.scalars.gaps == 0


@settings(max_examples=15)
@given(
    seed=st.integers(0, 50),
    name=st.sampled_from(["reserve_ratio", "opening_cash", "buffer", "fixed_costs", "take"]),
    low=st.floats(0, 1),
    high=st.floats(0, 1),
)
def test_cash_is_monotone_in_the_policy_on_every_path(seed: int, name: str, low: float, high: float) -> None:
    low, high = sorted((low, high))
    size = 1 if name in ("reserve_ratio", "take") else 300_000
    values = [low, high] if size == 1 else [int(low * size), int(high * size)]
    terms = {"fixed_costs": 100_000, "reserve_ratio": 0.2, "take": 0.9, "buffer": 500}
    less, more = (small(policy=FirmPolicy(**(terms | {name: each})), rng=seed, paths=50).scalars for each in values)
    if name in ("fixed_costs", "take"):
        less, more = more, less
    assert (less.lowest <= more.lowest).all()


def test_a_cost_per_session_lowers_the_cash_on_every_path() -> None:
    cheap, dear = (small(plan=PLAN.model_copy(update={"cost_per_session": cost})) for cost in (600, 700))
    assert (dear.scalars.lowest <= cheap.scalars.lowest).all()


@pytest.mark.parametrize(
    ("periods", "packages", "engine"), [(60, 4, "renewal"), (60, 400, "cohort"), (730, 10, "renewal")]
)
def test_few_customers_are_followed_one_by_one_and_many_by_the_crowd(periods: int, packages: int, engine: str) -> None:
    hazard = np.array([0.55, 0.4, 0.25, 0.12, 0.08, 0.05, 0.04])
    seven = RedemptionModel(hazard if periods == 60 else hazard / 30, 0.001)
    assert small(model=seven, sales=SalesPath(packages), periods=periods, paths=100).engine == engine
    assert small(engine="cohort").engine == "cohort"


def test_progress_is_told() -> None:
    seen: list[tuple[int, int]] = []
    small(paths=2500, common=CommonShock(0.1), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (5000, 5000)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"paths": 0}, "paths must be a whole number >= 1, got int 0"),
        ({"periods": 0}, "periods must be a whole number >= 1"),
        ({"periods": 20_000}, "periods must be at most 10,000, got 20,000"),
        ({"threads": 0}, "threads must be a whole number >= 1"),
        ({"engine": "chorot"}, "engine must be one of .* did you mean 'cohort'"),
        ({"step": "fortnight"}, "step must be one of"),
        ({"sales": [1, 2, -3] + [0] * 9}, r"sales\[2\] must be >= 0, got -3"),
        ({"sales": [1.5] * 12}, r"sales\[0\] must be a whole number of packages, got 1.5"),
        ({"sales": SalesPath([1, 2.5] + [0] * 10)}, r"sales\[1\] must be whole with noise='fixed', got 2.5"),
        ({"sales": [1] * 11}, r"sales must have shape \(12,\)"),
        ({"sales": np.ones((12, 3), int)}, "sales must have one column or one for each of the 200 paths, got 3"),
        ({"sales": SalesPath(2**28)}, "stay below 2"),
        ({"plan": PackagePlan(id="x", price=9, sessions=3)}, "plan 'x' has no cost_per_session"),
        ({"plan": PackagePlan(id="x", price=9, term_days=30, cost_per_session=1)}, "plan 'x' runs for a term"),
        (
            {"plan": PLAN.model_copy(update={"refund": RefundPolicy(kind="none")})},
            "plan 'ten' has refund kind 'none', yet packages are given back",
        ),
        ({"plan": PLAN.model_copy(update={"refund": RefundPolicy(window_days=14)})}, "plan 'ten' has a refund window"),
        (
            {
                "plan": PLAN.model_copy(
                    update={"refund": RefundPolicy(kind="none"), "breakage": Remote(dormant_days=90)}
                )
            },
            "plan 'ten' has breakage 'remote'",
        ),
        (
            {"policy": FirmPolicy(fixed_costs=[1, 2])},
            "fixed_costs must be one number or one for each of the 12 periods",
        ),
        ({"max_bytes": 1000}, r"max_bytes must be at least [\d,]+ for a portion of the paths, got 1,000"),
        (
            {"paths": 10**6, "keep_paths": True},
            r"1,000,000 paths of 12 periods do not fit in max_bytes .* needs 1,728,",
        ),
        ({"paths": 10**9}, "paths must be at most 10,000,000, got 1,000,000,000"),
        ({"events": [MassReturn(12, 2)]}, r"events\[0\] is in period 12, after the last one, 11"),
        (
            {"start": ledger("EUR"), "plan": PLAN.model_copy(update={"currency": "USD"})},
            "start is in EUR and plan 'ten' in USD",
        ),
        ({"start": live_book(ledger(), buckets=3)}, "start has 3 gap buckets; the model and the events tell 4 apart"),
        (
            {"start": live_book(ledger(), buckets=4), "events": [MassReturn(0, 2, gap=6)]},
            "start has 4 gap buckets; the model and the events tell 7 apart",
        ),
        ({"plan": PLAN.model_copy(update={"price": 2**55})}, "the money of a path may reach"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        small(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": [0.2]}, "model must be a redemption.RedemptionModel, got list"),
        ({"policy": None}, "policy must be a FirmPolicy, got NoneType"),
        ({"plan": "ten"}, "plan must be a prepaid.PackagePlan, got str"),
        ({"common": 0.2}, "common must be a CommonShock or None, got float"),
        ({"start": [1]}, "start must be a prepaid.Ledger, a redemption.LiveBook or None, got list"),
        ({"events": MassReturn(0, 2)}, "events must be a list of MassReturn and RefundRun, got MassReturn"),
        ({"progress": 3}, "progress must be a function of two numbers or None, got int"),
        ({"rng": None}, "rng must be a numpy.random.Generator or a whole number"),
        ({"sales": "many"}, "sales must be a SalesPath or whole numbers"),
    ],
)
def test_wrong_kinds(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidType, match=message):
        small(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"refund": RefundPolicy(kind="none")}, "plan 'old' has refund kind 'none', yet packages are given back"),
        ({"refund": RefundPolicy(window_days=9)}, "plan 'old' has a refund window, which a forecast does not follow"),
        (
            {"refund": RefundPolicy(kind="none"), "breakage": Remote(dormant_days=400)},
            "plan 'old' has breakage 'remote', which a forecast does not follow",
        ),
    ],
)
def test_what_the_plans_of_live_packages_say_is_followed_or_refused(changes: dict[str, Any], message: str) -> None:
    old = PackagePlan(id="old", price=3_000, sessions=3, cost_per_session=100, **changes)
    sale = {"kind": "purchase", "date": "2024-03-02", "package": 1, "customer": 1, "plan": "old"}
    start = Ledger.from_events([sale], [PLAN, old], as_of="2024-03-31")
    for book in (start, live_book(start, buckets=MODEL.buckets)):
        with pytest.raises(InvalidValue, match=message):
            small(start=book)


def test_a_live_plan_without_a_cost_is_refused() -> None:
    free = PackagePlan(id="old", price=3_000, sessions=3)
    sale = {"kind": "purchase", "date": "2024-03-02", "package": 1, "customer": 1, "plan": "old"}
    with pytest.raises(InvalidValue, match="plan 'old' has no cost_per_session"):
        small(start=Ledger.from_events([sale], [PLAN, free], as_of="2024-03-31"))


def test_plans_of_which_nothing_is_live_may_say_anything() -> None:
    gone = PackagePlan(id="old", price=3_000, sessions=3, refund=RefundPolicy(kind="none"))
    start = ledger()
    assert same(small(start=start), small(start=Ledger.from_events(EVENTS, [PLAN, gone], as_of="2024-03-31")))


def test_live_packages_that_are_alike_but_for_refunds_are_told_apart() -> None:
    twin = PLAN.model_copy(update={"id": "twin", "refund": RefundPolicy(kind="none")})
    sale = {"kind": "purchase", "date": "2024-03-02", "package": 1, "customer": 1, "plan": "twin"}
    with pytest.raises(InvalidValue, match="plan 'twin' has refund kind 'none'"):
        small(start=Ledger.from_events([sale], [PLAN, twin], as_of="2024-03-31"))


def test_a_live_book_keeps_the_rules_of_its_plans() -> None:
    old = PackagePlan(id="old", price=3_000, sessions=3, cost_per_session=100, refund=RefundPolicy(fee=200))
    sale = {"kind": "purchase", "date": "2024-03-02", "package": 1, "customer": 1, "plan": "old"}
    start = Ledger.from_events([sale], [PLAN, old], as_of="2024-03-31")
    run = {"model": RedemptionModel([0.0], [0.5]), "sales": [0], "periods": 1}
    for book in (start, live_book(start, buckets=1)):
        expected = small(start=book, **run).expected
        assert expected["refunds_paid"].tolist() == [1_400]
        assert expected["refund_fees"].tolist() == [100]


@pytest.mark.parametrize("engine", ["cohort", "renewal"])
def test_a_fee_of_a_single_unit_is_kept(engine: Any) -> None:
    plan = PLAN.model_copy(update={"refund": RefundPolicy(fee=1)})
    run = {"plan": plan, "model": RedemptionModel([0.0], [1.0]), "sales": [3], "periods": 1}
    flows = small(**run, engine=engine, keep_paths=True).flows
    assert flows is not None
    assert (flows.refund_fees == 3).all()
    assert (flows.refunds_paid == 3 * 14_999).all()
    assert not flows.liability.any()


def test_memberships_for_a_term_are_not_left_out_in_silence() -> None:
    gym = PackagePlan(id="gym", price=300, term_days=300)
    events = [
        *EVENTS,
        {"kind": "purchase", "date": "2024-01-01", "package": "gym", "customer": "dan", "plan": "gym"},
    ]
    start = Ledger.from_events(events, [PLAN, gym], as_of="2024-03-31")
    owed = start.liability() - ledger().liability()
    assert owed == 300 - 91
    with pytest.raises(InvalidValue, match=r"209 is owed on memberships for a term.*live_book\(ledger\)"):
        small(start=start)
    assert same(small(start=live_book(start, buckets=MODEL.buckets)), small(start=ledger()))
    over = Ledger.from_events(events, [PLAN, gym], as_of="2024-12-31")
    assert small(start=over).expected["delivered"].sum() > 0


def test_a_cost_of_nothing_is_a_cost() -> None:
    assert small(plan=PackagePlan(id="x", price=9, sessions=3, cost_per_session=0)).expected["delivery_cost"].sum() == 0


def test_a_case_can_be_replaced_without_its_shock() -> None:
    forecast = small(common=CommonShock(0.3, 0.5), engine="cohort")
    alone = small(engine="cohort")
    assert forecast.without_common_shock is not None
    assert same(forecast.without_common_shock, replace(alone))
    assert alone.without_common_shock is None
