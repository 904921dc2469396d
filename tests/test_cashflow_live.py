"""Forecasts from real books: half-paid, frozen and expiring packages, against a slow loop and against the ledger."""

import datetime as dt
import json
import math
import tracemalloc
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
    reminder_value,
    run_policy,
    simulate,
    stress,
)
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.prepaid import Ledger, PackagePlan, RefundPolicy, Remote
from retention_metrics.redemption import LiveBook, ParameterDraws, RedemptionModel, live_book

MODEL = RedemptionModel([0.5, 0.3, 0.15, 0.05], [0.02, 0.0, 0.03, 0.05], burst=[0.7, 0.2, 0.1])
SOLD = PackagePlan(
    id="four",
    price=4_001,
    sessions=4,
    cost_per_session=700,
    validity_months=3,
    expiry="forfeit",
    commission=20,
    commission_bps=500,
    refund=RefundPolicy(fee_bps=1_000),
)
LASTING = PackagePlan(id="six", price=6_000, sessions=6, cost_per_session=300, commission_bps=250)
PAID_BACK = PackagePlan(
    id="three",
    price=3_000,
    sessions=3,
    cost_per_session=500,
    list_price=1_300,
    expiry="refund",
    refund=RefundPolicy(kind="rerate", fee=50),
)
PLANS = [SOLD, LASTING, PAID_BACK]
AS_OF = "2024-03-31"
PERIODS = 7

# Package, plan, day of the sale, paid then, visits, other events; then what it is on 31 March, worked out by hand:
# silent months, months of rest to come, trials until it has expired (None for never), when how much of the rest comes.
PACKAGES: list[tuple[Any, ...]] = [
    ("plain", SOLD, "2024-03-10", None, [], [], 1, 0, 2, {}),  # to 9 June: April and May to their ends
    ("worn", SOLD, "2024-01-15", None, ["2024-02-03", "2024-02-20"], [], 1, 0, 0, {}),  # to 14 April
    ("month's end", SOLD, "2024-03-01", None, ["2024-03-05"], [{"expires": "2024-04-30"}], 0, 0, 1, {}),
    ("longer", SOLD, "2024-02-01", None, ["2024-03-05"], [{"kind": "extension", "days": 40}], 0, 0, 2, {}),
    ("half", SOLD, "2024-03-02", 2_000, ["2024-03-03"], [], 0, 0, 2, {1: 2_001}),
    ("more used than paid", LASTING, "2024-01-20", 1_000, ["2024-01-21", "2024-02-21"], [], 1, 0, None, {2: 3_000}),
    ("never paid", LASTING, "2024-02-20", 2_500, [], [], 2, 0, None, {}),
    ("twice", LASTING, "2023-10-20", 2_500, ["2024-03-03"], [], 0, 0, None, {0: 1_000, 4: 2_500}),
    ("used up", LASTING, "2023-10-20", 4_000, ["2024-03-03"] * 6, [], 0, 0, None, {3: 2_000}),
    ("frozen", LASTING, "2024-01-20", None, ["2024-01-29"], [{"until": "2024-05-10"}], 1, 2, None, {}),
    ("back", PAID_BACK, "2024-01-01", None, ["2024-01-01"], [{"expires": "2024-06-15"}], 2, 0, 2, {}),
    ("half back", PAID_BACK, "2024-03-31", 1_200, [], [{"expires": "2024-05-31"}], 1, 0, 2, {1: 1_800}),
]
DUE: dict[str, Any] = {
    "half": "2024-05-31",
    "more used than paid": [("2024-06-01", 3_000)],
    "twice": [(dt.date(2024, 2, 10), 400), ("2024-04-30", 600), ("2024-08-01", 2_500)],
    "used up": "2024-07-10",
    "half back": "2024-05-01",
}


def book(*packages: tuple[Any, ...], more: list[dict[str, Any]] | None = None, as_of: str = AS_OF) -> Ledger:
    events: list[dict[str, Any]] = list(more or [])
    for name, plan, day, paid, visits, others, *_ in packages:
        sale = {"kind": "purchase", "date": day, "package": name, "customer": name, "plan": plan.id}
        events.append(sale | ({} if paid is None else {"amount": paid}))
        events += [{"kind": "visit", "date": each, "package": name, "seq": i} for i, each in enumerate(visits)]
        for other in others:
            if "expires" in other:
                sale = events[-1 - len(visits)]
                events[-1 - len(visits)] = sale | other
            elif "until" in other:
                events.append({"kind": "freeze", "date": "2024-03-20", "package": name} | other)
            else:
                events.append({"date": "2024-03-25", "package": name} | other)
    return Ledger.from_events(events, PLANS, as_of=as_of)


def slow_loop(sales: list[float], packages: Any = PACKAGES, model: RedemptionModel = MODEL) -> dict[str, list[float]]:
    """Expected flows, package by package and state by state, with money taken from the definitions."""
    names = ("collections", "earned", "breakage", "refunds_paid", "refund_fees", "delivery_cost", "commission")
    found = {name: [0.0] * len(sales) for name in (*names, "liability", "cost_outstanding")}

    def follow(weight: float, plan: Any, start: int, used: int, gap: int, rest: int, ends: Any, paid: int, due: Any):
        price, size = plan.price, plan.sessions
        cum = [(2 * price * k + size) // (2 * size) for k in range(size + 1)]
        states = {(gap, used): weight}
        gone = 0.0

        def give_back(t: int, used: int, paid: int, weight: float) -> None:
            value = max(paid - cum[used], 0)
            back = min(max(paid - used * plan.list_price, 0), value) if plan.refund.kind == "rerate" else value
            fee = min(back, plan.refund.fee + (back * plan.refund.fee_bps + 5_000) // 10_000)
            found["refunds_paid"][t] += weight * (back - fee)
            found["refund_fees"][t] += weight * (value - back + fee)

        for t in range(start, len(sales)):
            if ends is not None and t >= ends:
                for (_, used), share in states.items():
                    if used < size and plan.expiry == "forfeit":
                        found["breakage"][t] += share * max(paid - cum[used], 0)
                    elif used < size:
                        give_back(t, used, paid, share)
                states = {state: share for state, share in states.items() if state[1] == size}
                ends = None
            if t in due:
                paid += due[t]
                found["collections"][t] += due[t] * sum(states.values())
                found["commission"][t] += (due[t] * plan.commission_bps + 5_000) // 10_000 * sum(states.values())
            after: dict[tuple[int, int], float] = {}
            for (gap, used), share in states.items():
                if used == size or t < rest:
                    after[gap, used] = after.get((gap, used), 0) + share
                    continue
                back, comes = model.refund[min(gap, 3)], model.hazard[min(gap, 3)]
                give_back(t, used, paid, share * back)
                gone += share * back
                silent = share * (1 - back) * (1 - comes)
                after[gap + 1, used] = after.get((gap + 1, used), 0) + silent
                for k, part in enumerate([1.0] if model.burst is None else model.burst, start=1):
                    now = min(used + k, size)
                    came = share * (1 - back) * comes * part
                    after[0, now] = after.get((0, now), 0) + came
                    found["earned"][t] += came * (cum[now] - cum[used])
                    found["delivery_cost"][t] += came * (now - used) * plan.cost_per_session
            states = after
            for (_, used), share in states.items():
                found["liability"][t] += share * max(paid - cum[used], 0)
                found["cost_outstanding"][t] += share * (size - used) * plan.cost_per_session

    for _, plan, _, paid, visits, _, gap, rest, ends, due in packages:
        follow(1.0, plan, 0, len(visits), gap, rest, ends, plan.price if paid is None else paid, due)
    for t, sold in enumerate(sales):
        found["collections"][t] += sold * SOLD.price
        found["commission"][t] += sold * (20 + 200)
        follow(sold, SOLD, t, 0, 0, 0, t + 3, SOLD.price, {})
    return found


WORLD: dict[str, Any] = {
    "model": MODEL,
    "sales": [2, 0, 1, 1, 0, 0, 3],
    "plan": SOLD,
    "policy": FirmPolicy(fixed_costs=1_000, opening_cash=5_000, reserve_ratio=0.2),
    "periods": PERIODS,
    "paths": 300,
    "rng": 1,
}
BOOK = book(*PACKAGES)
LIVE = live_book(BOOK, buckets=4, due=DUE)


def small(**changes: Any) -> CashGapForecast:
    return simulate(**(WORLD | changes))


def test_a_live_book_says_when_packages_rest_expire_and_are_paid() -> None:
    found = {
        name: (LIVE.gap[i], LIVE.rests[i], LIVE.trials[i], dict(LIVE.due[i]))
        for i, names in enumerate(LIVE._names)
        for name in names
    }
    for name, plan, _, paid, visits, _, gap, rests, trials, due in PACKAGES:
        said = found[name]
        assert said[1:] == (rests, -1 if trials is None else trials, due), name
        if len(visits) < plan.sessions:
            assert said[0] == gap, name
        assert paid is None or LIVE.unpaid[[name in each for each in LIVE._names]] == [plan.price - paid]
    assert LIVE.uncollected == 3_500 + 2_000  # never paid, and what is not named of the one with too many visits
    assert LIVE.liability.sum() == BOOK.liability()


def test_the_exact_means_are_those_of_a_slow_loop() -> None:
    expected = small(start=LIVE).expected
    for name, values in slow_loop(WORLD["sales"]).items():
        assert expected[name] == pytest.approx(values, rel=1e-12, abs=1e-9), name
    known = {"half", "more used than paid", "twice", "used up", "half back"}
    unknown = [(*each[:-1], {}) if each[0] in known else each for each in PACKAGES]
    expected = small(start=BOOK).expected
    for name, values in slow_loop(WORLD["sales"], unknown).items():
        assert expected[name] == pytest.approx(values, rel=1e-12, abs=1e-9), name


@pytest.mark.parametrize("engine", ["cohort", "renewal"])
@pytest.mark.parametrize("events", [[], [MassReturn(1, 0.999999), RefundRun(0, 1e-9)]])
def test_both_engines_have_the_means_of_a_slow_loop(engine: Any, events: Any) -> None:
    # The second case is nearly the first one, and takes the other way through each engine.
    paths = 4000
    forecast = small(start=LIVE, engine=engine, events=events, paths=paths, keep_paths=True)
    assert forecast.flows is not None
    for name, values in slow_loop(WORLD["sales"]).items():
        drawn = getattr(forecast.flows, name)
        error = drawn.std(axis=1) / math.sqrt(paths)
        assert (np.abs(drawn.mean(axis=1) - values) <= 4.5 * error + 1e-5).all(), name


def test_auto_follows_a_few_live_packages_of_other_kinds_one_by_one() -> None:
    forecast = small(start=LIVE, sales=[400] * PERIODS, paths=1000)
    assert forecast.engine == "cohort"
    assert set(forecast._case.engines[1:]) == {"renewal"}
    exact = forecast.expected["earned"]
    alike = small(start=LIVE, sales=[400] * PERIODS, paths=1000, keep_paths=True).flows
    assert alike is not None
    assert (np.abs(alike.earned.mean(axis=1) - exact) < 4.5 * alike.earned.std(axis=1) / math.sqrt(1000)).all()


@pytest.mark.parametrize("engine", ["cohort", "renewal"])
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize(
    ("months", "ends"), [(0, "refund"), (2, "refund"), (4, "refund"), (6, "refund"), (3, "expiry")]
)
def test_the_money_of_a_half_paid_package_is_that_of_the_ledger(engine: Any, plan: Any, months: int, ends: str) -> None:
    """A customer who comes each month, pays the second part in May, and gives the package back or lets it expire."""
    sale = {"kind": "purchase", "date": "2024-03-05", "package": 1, "customer": 1, "plan": plan.id}
    sale |= {"amount": plan.price // 4}
    if plan.expiry != "never":
        sale["expires"] = "2024-07-20" if ends == "expiry" else "2025-12-31"
    visits = [{"kind": "visit", "date": f"2024-{4 + k:02}-05", "package": 1} for k in range(min(months, plan.sessions))]
    paid = {"kind": "instalment", "date": "2024-05-01", "package": 1, "amount": plan.price // 2}
    events = [sale, *visits, *([paid] if months > 0 else [])]
    if ends == "refund" and months < plan.sessions:
        events.append({"kind": "refund", "date": f"2024-{4 + months:02}-20", "package": 1})
    real = Flows.of_ledger(Ledger.from_events(events, PLANS, as_of="2024-10-31"))
    start = live_book(
        Ledger.from_events([sale], PLANS, as_of=AS_OF), buckets=1, due={1: [("2024-05-01", plan.price // 2)]}
    )
    forecast = small(
        start=start,
        sales=[0] * PERIODS,
        model=RedemptionModel([1.0]),
        events=[RefundRun(months, 1.0)] if ends == "refund" else [MassReturn(months, 0, periods=9)],
        engine=engine,
        paths=1,
        keep_paths=True,
    )
    flows = forecast.flows
    assert flows is not None
    if ends == "expiry" and plan.expiry == "never":
        return
    for name in Flows.__slots__[:-1]:
        if name != "delivery_cost" or ends != "expiry":
            assert getattr(flows, name)[:, 0].tolist() == getattr(real, name)[1:].tolist(), name


chances = st.floats(0, 1) | st.sampled_from([0.0, 1.0])


@settings(max_examples=12)
@given(
    hazard=st.lists(chances, min_size=4, max_size=4),
    refund=st.lists(chances, min_size=4, max_size=4),
    seed=st.integers(0, 99),
    engine=st.sampled_from(["cohort", "renewal"]),
    common=st.none() | st.just(CommonShock(0.8, 0.5)),
)
def test_on_every_path_money_is_conserved_and_no_debt_is_set_off(
    hazard: list[float], refund: list[float], seed: int, engine: Any, common: Any
) -> None:
    run = {"engine": engine, "model": RedemptionModel(hazard, refund), "rng": seed, "common": common}
    flows = small(start=LIVE, paths=9, keep_paths=True, **run).flows
    assert flows is not None
    out = flows.earned + flows.breakage + flows.refunds_paid + flows.refund_fees
    asset = BOOK.contract_asset()
    assert asset == 2 * 1_000 - 1_000 + 2_000
    net = BOOK.liability() - asset + np.cumsum(flows.collections - out, axis=0)
    assert (flows.liability >= np.maximum(net, 0)).all()
    assert (flows.liability - net <= asset + 6_000).all()
    for values in (flows.earned, flows.breakage, flows.refunds_paid, flows.refund_fees, flows.collections):
        assert (values >= 0).all()
    most = [2 * 4_001 + 1_000, 2_001 + 1_800, 4_001 + 3_000, 4_001 + 2_000, 2_500, 0, 3 * 4_001]
    assert (flows.collections <= np.array(most)[:, None]).all()
    if not any(refund) and hazard[0] < 1:
        # The only one that may expire before its day of payment is due in the period after.
        assert (flows.collections == np.array(most)[:, None]).all()


def test_a_visit_in_the_running_month_is_the_trial_of_that_month() -> None:
    events = [
        {"kind": "purchase", "date": "2024-03-05", "package": each, "customer": each, "plan": "six"} for each in "ab"
    ]
    events.append({"kind": "visit", "date": "2024-04-02", "package": "a"})
    running = Ledger.from_events(events, PLANS, as_of="2024-04-20")
    made = live_book(running, buckets=2)
    assert [(left, rest) for left, rest in zip(made.left, made.rests, strict=True)] == [(5, 1), (6, 0)]
    always = small(start=running, model=RedemptionModel([1.0]), sales=[0] * PERIODS, paths=1)
    assert always.expected["delivered"].tolist() == [1, 2, 2, 2, 2, 2, 0]


def test_days_of_grace_count_and_weeks_and_days_are_periods_too() -> None:
    sale = {"kind": "purchase", "date": "2024-03-02", "package": 1, "customer": 1, "plan": "three"}
    sale["expires"] = "2024-04-27"
    for grace, step, trials in ((0, "month", 0), (3, "month", 1), (0, "week", 3), (1, "week", 4), (0, "day", 27)):
        made = Ledger.from_events([sale], PLANS, as_of=AS_OF, grace_days=grace)
        assert live_book(made, step=step, buckets=2).trials.tolist() == [trials], (grace, step)
    forecast = small(
        start=live_book(made, step="day", buckets=1),
        step="day",
        model=RedemptionModel([0.0]),
        sales=[0] * 40,
        periods=40,
        paths=1,
    )
    assert forecast.expected["expired"].tolist() == [3 * (day == 27) for day in range(40)]  # on the 28th


def test_what_cannot_be_followed_is_told_all_at_once_with_ids() -> None:
    late = PackagePlan(id="late", price=900, sessions=3, validity_days=60, expiry="forfeit", starts="first_visit")
    late = late.model_copy(update={"refund": RefundPolicy(window_days=5)})
    quiet = PackagePlan(
        id="quiet",
        price=900,
        sessions=3,
        cost_per_session=1,
        refund=RefundPolicy(kind="none"),
        breakage=Remote(dormant_days=90),
    )
    gym = PackagePlan(id="gym", price=300, term_days=300)
    events = [
        {"kind": "purchase", "date": "2024-03-01", "package": f"{plan}{i}", "customer": i, "plan": plan}
        for plan, number in (("late", 5), ("quiet", 1), ("gym", 1), ("four", 1))
        for i in range(number)
    ]
    events.append({"kind": "visit", "date": "2024-03-02", "package": "late0"})
    start = Ledger.from_events(events, [*PLANS, late, quiet, gym], as_of=AS_OF)
    with pytest.raises(InvalidValue) as refused:
        small(start=start)
    said = str(refused.value).splitlines()
    assert len(said) == 6
    assert "269 is owed on memberships for a term (package 'gym0')" in said[1]
    assert "plan 'late' has no cost_per_session" in said[2]
    assert "(5 packages: 'late0', 'late1', 'late2' and 2 more)" in said[2]
    assert "plan 'late' has a refund window" in said[3]
    assert "plan 'late' counts validity from a first visit" in said[4]
    assert "(4 packages: 'late1', 'late2', 'late3' and 1 more); leave them out" in said[4]
    assert "plan 'quiet' has breakage 'remote'" in said[5]
    assert "(package 'quiet0')" in said[5]


def test_a_package_whose_first_visit_has_been_expires_on_its_day() -> None:
    late = PackagePlan(
        id="late", price=900, sessions=3, cost_per_session=1, validity_days=60, expiry="forfeit", starts="first_visit"
    )
    sale = {"kind": "purchase", "date": "2024-01-01", "package": 1, "customer": 1, "plan": "late"}
    start = Ledger.from_events(
        [sale, {"kind": "visit", "date": "2024-03-20", "package": 1}], [*PLANS, late], as_of=AS_OF
    )
    expected = small(start=start, model=RedemptionModel([0.0]), sales=[0] * PERIODS).expected
    assert expected["breakage"].tolist() == [0, 600, 0, 0, 0, 0, 0]  # 60 days from 20 March: to 18 May


@pytest.mark.parametrize(
    ("due", "error", "message"),
    [
        ({"plain": "2024-05-01"}, InvalidValue, "due names packages of which nothing is still to be paid: 'plain'"),
        ({f"p{i}": "2024-05-01" for i in range(9)}, InvalidValue, "'p0', 'p1', 'p2' and 6 more; leave them out"),
        ({"half": [("2024-05-01", 3_000)]}, InvalidValue, r"due\['half'\] is 3,000, and only 2,001 is still to be"),
        ({"half": [("2024-05-01", -3)]}, InvalidValue, r"due\['half'\]\[0\] must be a whole number >= 1"),
        ({"half": [("2024-05-01", 3.5)]}, InvalidType, r"due\['half'\]\[0\] must be a whole number, got float 3.5"),
        ({"half": "May"}, InvalidValue, r"due\['half'\] must be a day like"),
        ({"half": 5}, InvalidType, r"due\['half'\] must be a day, or pairs of a day and an amount, got 5"),
        (5, InvalidType, "due must be a datetime.date or a string"),
        ("soon", InvalidValue, "due must be a day like"),
    ],
)
def test_days_of_payment_that_are_refused(due: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        live_book(BOOK, due=due)


def test_one_day_may_be_named_for_all_open_rests() -> None:
    made = live_book(BOOK, due="2024-03-01")
    assert made.uncollected == 0
    assert {each for each in made.due if each} == {
        ((0, amount),) for amount in (2_001, 5_000, 3_500, 3_500, 2_000, 1_800)
    }


def test_a_live_book_with_everything_is_plain_values_and_fits_the_screen() -> None:
    assert json.loads(json.dumps(LIVE.to_dict()))["due"][3] == [list(each) for each in LIVE.due[3]]
    for backend in ("pandas", "polars", "pyarrow"):
        assert LIVE.to_frame(backend).shape == (len(LIVE), 13)
    assert "1,000 in 0; 2,500 in 4" in str(LIVE)
    assert isinstance(LIVE, LiveBook)


def test_a_book_in_other_periods_is_refused() -> None:
    with pytest.raises(InvalidValue, match="start counts in periods of a month, and step is 'week'"):
        small(start=LIVE, step="week")


def test_what_is_not_counted_on_is_said() -> None:
    forecast = small(start=LIVE)
    assert forecast.uncollected == 5_500
    assert "not counted on    5,500 that is still to be paid" in str(forecast)
    assert forecast.to_dict()["uncollected"] == 5_500
    assert small().uncollected == 0
    used_up = next(each for each in PACKAGES if each[0] == "used up")
    only = small(start=book(used_up), sales=[0] * PERIODS)
    assert only.uncollected == live_book(book(used_up)).uncollected == 2_000
    assert only.expected["collections"].tolist() == [0] * PERIODS
    assert small(start=book(used_up)).expected["earned"] == pytest.approx(small().expected["earned"])


# The same numbers everywhere


@pytest.mark.parametrize("rng", [7, np.random.default_rng(7)])
def test_as_planned_is_the_forecast_with_the_same_rng(rng: Any) -> None:
    planned = WORLD | {
        "sales": SalesPath(3, noise="poisson"),
        "common": CommonShock(0.2, 0.5),
        "start": LIVE,
        "paths": 60,
    }
    spend = FirmPolicy.spend_collections(fixed_costs=1_000, opening_cash=5_000)
    del planned["rng"]
    one = simulate(**(planned | {"policy": spend}), rng=np.random.default_rng(7))
    test = stress(**planned, rng=rng)
    found = test.forecasts["as planned"]
    assert (found.scalars.lowest == one.scalars.lowest).all()
    assert test.rows[0].gap == one.gap_probability()
    assert one.without_common_shock is not None
    assert test.rows[0].gap_if_independent == one.without_common_shock.gap_probability()
    if isinstance(rng, int):
        value = reminder_value(**planned, rng=rng, uplift=2)
        kept = simulate(**planned, rng=rng)
        assert (value.otherwise.scalars.lowest == kept.scalars.lowest).all()


def test_a_generator_moves_on_after_a_stress_test() -> None:
    rng = np.random.default_rng(7)
    one, other = (stress(**(WORLD | {"sales": SalesPath(3), "rng": rng, "paths": 50})) for _ in range(2))
    assert not np.array_equal(one.forecasts["as planned"].scalars.lowest, other.forecasts["as planned"].scalars.lowest)


# Hazards in doubt


def sets(number: int, seed: int = 3) -> ParameterDraws:
    rng = np.random.default_rng(seed)
    return ParameterDraws(rng.beta(3, 4, (4, number)), rng.beta(1, 30, (4, number)))


@pytest.mark.parametrize("engine", ["cohort", "renewal"])
def test_paths_are_shared_out_among_drawn_hazards(engine: Any) -> None:
    drawn = ParameterDraws(np.array([[0.0, 1.0, 0.0]] * 4), np.array([[0.0, 0.0, 1.0]] * 4))
    found = small(draws=drawn, engine=engine, model=MODEL, paths=301, keep_paths=True, sales=[1] + [0] * 6)
    assert found.flows is not None
    delivered = found.flows.delivery_cost.sum(axis=0) > 0
    refunded = found.flows.refunds_paid.sum(axis=0) > 0
    assert [int(delivered.sum()), int(refunded.sum())] == [100, 101]
    assert delivered[100:200].all()
    assert refunded[200:].all()
    assert found.expected["refunds_paid"][0] == pytest.approx(101 / 301 * (4_001 - 400))


@pytest.mark.parametrize("engine", ["cohort", "renewal"])
def test_drawn_hazards_give_the_mixture_of_their_forecasts(engine: Any) -> None:
    drawn = sets(5)
    mixed = small(start=LIVE, draws=drawn, engine=engine, paths=1200)
    alone = [
        small(start=LIVE, model=RedemptionModel(hazard, refund, MODEL.burst), paths=2000, rng=i, engine=engine)
        for i, (hazard, refund) in enumerate(zip(drawn.hazard.T, drawn.refund.T, strict=True))
    ]
    for name, values in mixed.expected.items():
        assert values == pytest.approx(np.mean([each.expected[name] for each in alone], axis=0)), name
    shares = mixed.gap_by_set()
    assert shares.mean() == pytest.approx(mixed.gap_probability().value)
    rates = np.array([each.gap_probability().value for each in alone])
    assert (np.abs(shares - rates) < 4.5 * np.sqrt(rates * (1 - rates) * (1 / 240 + 1 / 2000)) + 1e-9).all()
    assert np.ptp(rates) > 0.1
    assert "hazards         drawn 5 times" in str(mixed)
    assert mixed.to_dict()["hazard_sets"] == mixed.hazard_sets == 5


def test_drawn_hazards_give_the_same_numbers_for_any_threads_and_memory() -> None:
    case = {
        "draws": sets(5),
        "paths": 1501,
        "start": live_book(book(*PACKAGES[3:5]), buckets=4, due={"half": "2024-05-31"}),
        "periods": 3,
    }
    case |= {"sales": [20] * 3, "common": CommonShock(0.2, 0.3)}
    one = small(**case)
    for changes in ({"threads": 2}, {"max_bytes": 600_000}):
        other = small(**case, **changes)
        assert (one.scalars.lowest == other.scalars.lowest).all()
        assert one.required_opening_cash(0.5) == other.required_opening_cash(0.5)
        assert (one.gap_by_set() == other.gap_by_set()).all()
    assert other.bands().paths < 1501
    assert one.without_common_shock is not None
    assert one.without_common_shock.hazard_sets == 5


def test_equal_sets_are_the_model() -> None:
    equal = ParameterDraws(np.repeat(MODEL.hazard[:, None], 3, axis=1), np.repeat(MODEL.refund[:, None], 3, axis=1))
    doubtful, sure = small(draws=equal), small()
    for name, values in sure.expected.items():
        assert doubtful.expected[name] == pytest.approx(values)
    with pytest.raises(UndefinedMetric, match="all paths have the hazards of the model; pass draws to simulate"):
        sure.gap_by_set()


def test_drawn_hazards_of_a_fit_go_through_stress_and_reminders() -> None:
    events = [
        {"kind": "purchase", "date": f"2023-{1 + i % 9:02}-10", "package": i, "customer": i, "plan": "six"}
        for i in range(60)
    ]
    events += [{"kind": "visit", "date": f"2023-{2 + i % 9:02}-12", "package": i} for i in range(45)]
    fit = RedemptionModel.fit(Ledger.from_events(events, PLANS, as_of=AS_OF), buckets=3)
    case = WORLD | {"sales": SalesPath(3), "model": fit.model, "draws": fit.draws(20, rng=1), "paths": 100}
    test = stress(**case, keep_paths=True)
    assert test.forecasts["dip in sales"].hazard_sets == 20
    assert test.forecasts["dip in sales"].flows is not None
    assert reminder_value(**case, uplift=2, gap=1).reminded.hazard_sets == 20


@pytest.mark.parametrize(
    ("draws", "error", "message"),
    [
        (
            MODEL,
            InvalidType,
            r"draws must be ParameterDraws or None, got RedemptionModel; pass fit.draws\(200, rng=...\)",
        ),
        (sets(301), InvalidValue, "draws has 301 sets for 300 paths; draw as many as paths, or fewer"),
        (ParameterDraws(np.ones((3, 2)), np.zeros((3, 2))), InvalidValue, r"two arrays of shape \(4, sets\).*\(3, 2\)"),
        (ParameterDraws(np.ones((4, 2)), np.zeros((4, 3))), InvalidValue, r"got \(4, 2\) and \(4, 3\)"),
        (ParameterDraws(np.ones((4, 0)), np.zeros((4, 0))), InvalidValue, "draws"),
        (ParameterDraws(np.full((4, 2), 1.2), np.zeros((4, 2))), InvalidValue, r"draws.hazard\[0, 0\] must be a frac"),
    ],
)
def test_draws_that_are_refused(draws: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        small(draws=draws)


def test_bands_know_what_is_fixed_what_is_spent_and_what_covers_the_rest() -> None:
    forecast = small(start=LIVE, keep_paths=True, policy=FirmPolicy(fixed_costs=[1, 2, 3, 4, 5, 6, 7]))
    bands, flows = forecast.bands(0.8), forecast.flows
    assert flows is not None
    run = run_policy(flows, forecast.policy)
    assert bands.low["fixed_costs"].tolist() == bands.high["fixed_costs"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert (bands.high["custody_shortfall"] == np.quantile(run.custody_shortfall, 0.9, 1, method="inverted_cdf")).all()
    assert not np.isnan(run.coverage).any()
    assert (bands.median["coverage"] == np.quantile(run.coverage, 0.5, 1, method="inverted_cdf")).all()
    nothing = small(sales=[0] * PERIODS).bands()
    assert np.isnan(nothing.median["coverage"]).all()
    assert json.loads(json.dumps(nothing.to_dict()))["median"]["coverage"] == [None] * PERIODS


def test_memory_does_not_grow_with_the_kinds_of_live_packages() -> None:
    plan = PackagePlan(id="ten", price=15_000, sessions=10, cost_per_session=700)

    def peak(kinds: int) -> int:
        sales = [
            {
                "kind": "purchase",
                "date": "2024-01-10",
                "package": i,
                "customer": i,
                "plan": "ten",
                "price": 15_000 - 10 * i,
            }
            for i in range(kinds)
        ]
        start = live_book(Ledger.from_events(sales, [plan], as_of="2024-03-31"), buckets=1)
        tracemalloc.start()
        simulate(
            start,
            model=RedemptionModel([0.3]),
            sales=[1] * 24,
            plan=plan,
            policy=FirmPolicy(),
            periods=24,
            rng=1,
            paths=4_000,
            engine="cohort",
        )
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(12) < 1.3 * peak(3)


@pytest.mark.parametrize("as_of", ["2024-06-29", "2024-06-30", "2024-07-09"])
def test_a_rest_is_still_to_come_when_the_last_day_of_a_used_up_package_is_over(as_of: str) -> None:
    plan = PackagePlan(id="one", price=15_000, sessions=1, cost_per_session=90, validity_days=40, expiry="forfeit")
    sale = {"kind": "purchase", "date": "2024-05-22", "package": 1, "customer": 1, "plan": "one", "amount": 7_500}
    events = [sale, {"kind": "visit", "date": "2024-05-25", "package": 1}]
    made = Ledger.from_events(events, [plan], as_of=as_of)
    assert made.contract_asset() == 7_500
    for due in ("2024-07-10", {1: "2024-07-10"}):
        live = live_book(made, buckets=1, due=due)
        forecast = simulate(
            live, model=RedemptionModel([0.5]), sales=[0] * 3, plan=plan, policy=FirmPolicy(), periods=3, rng=1, paths=2
        )
        assert forecast.expected["collections"].sum() == 7_500


def test_nothing_is_to_come_of_a_package_that_expired_with_sessions_left() -> None:
    plan = PackagePlan(id="two", price=15_000, sessions=2, cost_per_session=90, validity_days=40, expiry="forfeit")
    sale = {"kind": "purchase", "date": "2024-05-22", "package": 1, "customer": 1, "plan": "two", "amount": 7_500}
    made = Ledger.from_events([sale, {"kind": "visit", "date": "2024-05-25", "package": 1}], [plan], as_of="2024-07-01")
    assert live_book(made, buckets=1).uncollected == 0
    with pytest.raises(InvalidValue, match="of which nothing is still to be paid"):
        live_book(made, buckets=1, due={1: "2024-07-10"})
