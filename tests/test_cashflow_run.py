"""The cash engine: worked examples to the unit, a slow engine, what holds on every path, and closed forms."""

import itertools
import json
import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics.cashflow import FirmPolicy, Flows, run_policy
from retention_metrics.cashflow._flows import AMOUNTS
from retention_metrics.cashflow._run import PathScalars, run_scalars
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid import Ledger, PackagePlan
from tests.cashflow_oracle import plain_run, random_books

SERIES = ("low", "low_conservative", "injections", "draws", "cash")
SIX = {
    "collections": [3000, 3000, 3000, 0, 0, 0],
    "earned": [500, 750, 1000, 1500, 2000, 2500],
    "delivery_cost": [200, 300, 400, 600, 800, 1000],
    "liability": [2500, 4750, 6750, 5250, 3250, 750],
}
seeds = st.integers(0, 2**32)


def article(as_of="2024-09-30"):
    """One package of ten, used once, forgotten for half a year, and then used up week by week."""
    plan = PackagePlan(id="ten", price=1_500_000, sessions=10, cost_per_session=70_000)
    days = ["01-15", "07-15", "07-22", "07-29", "08-05", "08-12", "08-19", "08-26", "09-02", "09-09"]
    sale = {"kind": "purchase", "date": "2024-01-10", "package": "p1", "customer": "ann", "plan": "ten"}
    visits = [{"kind": "visit", "date": f"2024-{day}", "package": "p1"} for day in days]
    return Ledger.from_events([sale, *visits], [plan], as_of=as_of)


def random_flows(seed, *, periods=9, paths=15, **kind):
    return Flows(**random_books(random.Random(seed), periods=periods, paths=paths, **kind))


def random_policy(rng, periods, **fields):
    return FirmPolicy(
        **{
            "opening_cash": rng.choice([0, 0, 500, -300]),
            "fixed_costs": rng.choice([0, 30, [rng.randint(0, 90) for _ in range(periods)]]),
            "reserve_ratio": rng.choice([0, 0.1, 0.37, 0.4223, 1]),
            "basis": rng.choice(["liability", "delivery_cost"]),
            "take": rng.choice([0, 0.25, 0.333, 1, 1]),
            "buffer": rng.choice([0, 0, 77]),
            "payroll_lag": rng.choice([0, 0, 1, 3, 40]),
            "gap_funding": rng.choice(["overdraft", "owner"]),
        }
        | fields
    )


def test_the_article_when_what_comes_in_is_spent():
    flows = Flows.of_ledger(article())
    assert flows.earned.tolist() == [150_000, 0, 0, 0, 0, 0, 450_000, 600_000, 300_000]
    assert flows.liability.tolist() == [1_350_000] * 6 + [900_000, 300_000, 0]
    run = run_policy(flows, FirmPolicy.spend_collections())
    assert run.low.tolist() == [1_430_000, 0, 0, 0, 0, 0, -210_000, -490_000, -630_000]
    assert run.draws.tolist() == [1_430_000] + [0] * 8
    assert (flows.names[run.first_gap], run.depth, run.duration) == ("2024-07", 630_000, 3)
    assert run.gap.tolist() == [False] * 6 + [True] * 3
    assert run.custody_shortfall[5] == 1_350_000
    assert str(run).endswith("A gap from period 2024-07 on, in 3 of 9 periods, 630,000 deep.")


def test_the_article_by_day():
    ledger = article()
    daily, monthly = (Flows.of_ledger(ledger, period) for period in ("day", "month"))
    every_evening = run_policy(daily, FirmPolicy.spend_collections())
    assert daily.names[every_evening.first_gap] == "2024-01-15"
    assert every_evening.low[every_evening.first_gap] == -70_000
    drawn = dict(zip(monthly.names, run_policy(monthly, FirmPolicy.spend_collections()).draws.tolist(), strict=True))
    untouched = run_policy(daily, FirmPolicy(take=0)).low
    by_month_end = [sum(draw for month, draw in drawn.items() if month < day[:7]) for day in daily.names]
    low = untouched - by_month_end
    first = int(np.argmax(low < 0))
    assert (daily.names[first], low[first]) == ("2024-07-15", -70_000)


def test_the_article_when_money_is_held_until_it_is_worked_off():
    run = run_policy(Flows.of_ledger(article()), FirmPolicy.ring_fence())
    assert run.draws.tolist() == [80_000, 0, 0, 0, 0, 0, 240_000, 320_000, 160_000]
    assert run.draws.sum() == 800_000
    assert run.cash.tolist() == run.flows.liability.tolist()
    assert (run.first_gap, run.depth, run.duration) == (None, 0, 0)
    assert str(run).endswith("No gap.")


@pytest.mark.parametrize(
    ("ratio", "low", "draws", "cash"),
    [
        (0, [2650, 2550, 2450, -750, -1700, -2850], [2650, 2550, 2450, 0, 0, 0], [0, 0, 0, -750, -1700, -2850]),
        (0.5, [2650, 3800, 4825, 2625, 1675, 475], [1400, 1425, 1450, 0, 50, 100], [1250, 2375, 3375, 2625, 1625, 375]),
        (1, [2650, 5050, 7200, 6000, 4300, 2100], [150, 300, 450, 750, 1050, 1350], SIX["liability"]),
    ],
)
def test_six_periods(ratio, low, draws, cash):
    run = run_policy(Flows(**SIX), FirmPolicy(fixed_costs=150, reserve_ratio=ratio))
    assert run.low.tolist() == low
    assert run.draws.tolist() == draws
    assert run.cash.tolist() == cash
    outflows = np.array(SIX["delivery_cost"]) + 150
    assert run.low_conservative.tolist() == ([0, *cash[:-1]] - outflows).tolist()


def test_six_periods_around_the_smallest_ratio():
    policy = FirmPolicy(fixed_costs=150)
    assert run_policy(Flows(**SIX), replace(policy, reserve_ratio=0.42)).low.min() == -15
    assert run_policy(Flows(**SIX), replace(policy, reserve_ratio=0.4223)).depth == 0
    assert sum(SIX["earned"]) - sum(SIX["delivery_cost"]) - 6 * 150 == 4050
    assert run_policy(Flows(**SIX), replace(policy, reserve_ratio=1)).draws.sum() == 4050


def test_coverage_and_custody():
    flows = Flows(collections=[1_500_000, 0], liability=[1_350_000, 0], cost_outstanding=[630_000, 0])
    run = run_policy(flows, FirmPolicy(opening_cash=-1_000_000, take=0))
    assert run.cash[0] == 500_000
    assert run.coverage[0] == pytest.approx(0.79365, abs=5e-6)
    assert math.isnan(run.coverage[1])
    assert run.free_cash.tolist() == [-850_000, 500_000]
    assert run.custody_shortfall.tolist() == [850_000, 0]
    assert run.to_dict()["coverage"] == [500_000 / 630_000, None]


def test_owner_fills_a_gap():
    run = run_policy(Flows(**SIX), FirmPolicy(fixed_costs=150, gap_funding="owner"))
    assert run.low.tolist() == [2650, 2550, 2450, -750, -950, -1150]
    assert run.injections.tolist() == [0, 0, 0, 750, 950, 1150]
    assert run.cash.tolist() == [0] * 6
    assert (run.first_gap, run.depth, run.duration) == (3, 1150, 3)


def test_payroll_is_paid_later_and_owed_until_then():
    run = run_policy(Flows(**SIX), FirmPolicy(take=0, payroll_lag=2))
    assert run.low.tolist() == [3000, 6000, 8800, 8500, 8100, 7500]
    assert run.payroll_owed.tolist() == [200, 500, 700, 1000, 1400, 1800]
    assert run_policy(Flows(**SIX), FirmPolicy(take=0, payroll_lag=99)).cash[-1] == 9000


@given(seeds)
def test_agrees_with_a_slow_engine_on_every_path(seed):
    rng = random.Random(seed)
    flows = random_flows(seed, periods=rng.choice([1, 2, 9]), paths=4, cheap=False, commission=True)
    policy = random_policy(rng, flows.periods)
    run, short = run_policy(flows, policy), run_scalars(flows, policy)
    for path in range(flows.paths):
        expected = plain_run(flows, policy, path)
        for name in SERIES:
            assert getattr(run, name)[:, path].tolist() == expected[name], name
        gaps = [t for t, low in enumerate(expected["low"]) if low < 0]
        assert run.first_gap[path] == (gaps[0] if gaps else -1)
        assert run.duration[path] == len(gaps)
        assert run.depth[path] == max(0, -min(expected["low"]))
        alone = run_policy(Flows(**{name: getattr(flows, name)[:, path] for name in AMOUNTS}), policy)
        assert alone.cash.tolist() == expected["cash"]
        assert (alone.first_gap is None) == (not gaps)
    for name in ("first_gap", "duration", "depth"):
        np.testing.assert_array_equal(getattr(short, name), getattr(run, name))
    np.testing.assert_array_equal(short.lowest, run.low.min(axis=0))
    np.testing.assert_array_equal(short.closing, run.cash[-1])
    np.testing.assert_array_equal(short.drawn, run.draws.sum(axis=0))
    np.testing.assert_array_equal(short.injected, run.injections.sum(axis=0))
    assert short.gaps == int(run.gap.any(axis=0).sum())


@given(seeds)
def test_cash_is_conserved(seed):
    rng = random.Random(seed)
    flows = random_flows(seed, cheap=False, commission=True)
    policy = random_policy(rng, flows.periods)
    run = run_policy(flows, policy)
    paid = flows.delivery_cost.sum(axis=0) - run.payroll_owed[-1]
    out = paid + flows.commission.sum(axis=0) + flows.refunds_paid.sum(axis=0) + policy.fixed_by_period(9).sum()
    expected = policy.opening_cash + flows.collections.sum(axis=0) - out
    np.testing.assert_array_equal(run.cash[-1], expected + run.injections.sum(axis=0) - run.draws.sum(axis=0))
    assert (run.draws >= 0).all()
    assert (run.injections >= 0).all()


@given(seeds, st.integers(0, 500), st.integers(0, 50), st.sampled_from([0, 0.3, 1]))
def test_ring_fenced_cash_covers_what_is_owed_on_every_path(seed, opening, buffer, take):
    flows = random_flows(seed)
    run = run_policy(flows, FirmPolicy(reserve_ratio=1, opening_cash=opening, buffer=buffer, take=take))
    assert (run.cash >= flows.liability).all()
    assert (run.low >= flows.liability).all()
    assert not run.gap.any()
    assert (run.custody_shortfall == 0).all()


def test_ring_fencing_does_not_help_when_a_session_costs_more_than_its_share():
    flows = Flows(collections=[100, 0], earned=[50, 50], delivery_cost=[60, 60], liability=[50, 0])
    assert run_policy(flows, FirmPolicy.ring_fence()).low.tolist() == [40, -20]


@given(seeds, st.sampled_from([0, 0.3, 1]))
def test_a_gap_under_ring_fencing_needs_an_earned_loss_beyond_what_is_owed(seed, take):
    rng = random.Random(seed)
    flows = random_flows(seed, cheap=False, commission=True)
    fixed = rng.choice([[0] * 9, [rng.randint(0, 200) for _ in range(9)]])
    run = run_policy(flows, FirmPolicy(reserve_ratio=1, take=take, fixed_costs=fixed, opening_cash=rng.randint(0, 300)))
    earned = flows.earned + flows.breakage + flows.refund_fees - flows.delivery_cost - flows.commission
    profit = np.cumsum(earned - np.array(fixed)[:, None], axis=0)
    drawdown = np.maximum.accumulate(np.maximum(profit, 0), axis=0) - profit
    assert (run.low - flows.liability >= -drawdown).all()
    assert not (run.gap & (drawdown <= flows.liability)).any()


@given(seeds)
def test_low_is_monotone_on_every_path(seed):
    rng = random.Random(seed)
    flows = random_flows(seed, cheap=False, commission=True)
    policy = random_policy(rng, flows.periods)
    run = run_policy(flows, policy)
    more = rng.randint(1, 100)
    ratio, take = sorted([rng.random(), policy.reserve_ratio]), sorted([rng.random(), policy.take])
    fixed = policy.fixed_by_period(9) + np.array([rng.choice([0, more]) for _ in range(9)])
    safer = [
        (replace(policy, reserve_ratio=ratio[0]), replace(policy, reserve_ratio=ratio[1])),
        (replace(policy, take=take[1]), replace(policy, take=take[0])),
        (policy, replace(policy, opening_cash=policy.opening_cash + more)),
        (policy, replace(policy, buffer=policy.buffer + more)),
        (replace(policy, fixed_costs=fixed), policy),
    ]
    for worse, better in safer:
        assert (run_policy(flows, worse).low <= run_policy(flows, better).low).all()
    for name in ("delivery_cost", "commission", "refunds_paid"):
        dearer = replace(flows, **{name: getattr(flows, name) + rng.randint(0, more)})
        assert (run_policy(dearer, policy).low <= run.low).all()


def test_a_finer_scale_of_ratios_never_lowers_the_cash():
    flows = Flows(**SIX)
    runs = [run_policy(flows, FirmPolicy(reserve_ratio=r / 997, take=0.7, fixed_costs=150)).low for r in range(998)]
    assert all((a <= b).all() for a, b in itertools.pairwise(runs))


def steps(length):
    """Every path of steps of +1 and -1, as flows of shape (length, 2 ** length)."""
    every = np.array(list(itertools.product([1, -1], repeat=length))).T
    return Flows(
        collections=(every > 0).astype(int), earned=(every > 0).astype(int), refunds_paid=(every < 0).astype(int)
    )


@pytest.mark.parametrize("opening", [0, 1, 3, 8, 12])
def test_ruin_of_a_gambler_by_the_reflection_principle(opening):
    length, ruin = 12, opening + 1
    ends = {length - 2 * falls: math.comb(length, falls) for falls in range(length + 1)}
    ruined = sum(ways for end, ways in ends.items() if end <= -ruin) + sum(
        ways for end, ways in ends.items() if end < -ruin
    )
    run = run_scalars(steps(length), FirmPolicy(opening_cash=opening, take=0))
    assert run.gaps == ruined


def test_what_an_owner_draws_from_a_fair_game_is_its_running_maximum():
    length = 12
    run = run_scalars(steps(length), FirmPolicy.spend_collections())
    ends = {length - 2 * falls: math.comb(length, falls) for falls in range(length + 1)}
    for height in range(1, length + 1):
        reached = sum(ways * ((end >= height) + (end > height)) for end, ways in ends.items())
        assert (run.drawn >= height).sum() == reached


def test_first_gap_of_a_fair_game_by_the_ballot_theorem():
    length, opening = 12, 2
    run = run_scalars(steps(length), FirmPolicy(opening_cash=opening, take=0))
    for t in range(1, length + 1):
        falls = (t + opening + 1) / 2
        exact = math.comb(t, int(falls)) * (opening + 1) * 2 ** (length - t) / t if falls % 1 == 0 else 0
        assert (run.first_gap == t - 1).sum() == exact


def test_many_paths_as_text_and_frame():
    flows = Flows(
        collections=[[5, 9, 1], [0, 0, 0]], refunds_paid=[[0, 0, 0], [4, 4, 4]], liability=[[4, 4, 1], [0] * 3]
    )
    run = run_policy(flows, FirmPolicy(take=0))
    assert str(run).splitlines()[2].split() == ["2", "1", "-3", "1", "5", "1"]
    assert str(run).endswith("1 of 3 paths have a gap.")
    frame = run.to_frame("pandas")
    assert frame[["period", "path", "low"]].to_numpy().tolist() == [
        ["1", 0, 5],
        ["1", 1, 9],
        ["1", 2, 1],
        ["2", 0, 1],
        ["2", 1, 5],
        ["2", 2, -3],
    ]
    assert run.first_gap.tolist() == [-1, -1, 1]
    assert run.to_dict()["first_gap"] == [-1, -1, 1]


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_one_path_as_frame_and_json(backend):
    run = run_policy(Flows.of_ledger(article()), FirmPolicy.spend_collections(fixed_costs=[0] * 9))
    assert run.to_frame(backend).shape[0] == 9
    plain = json.loads(json.dumps(run.to_dict()))
    assert plain["depth"] == 630_000
    assert plain["periods"][plain["first_gap"]] == "2024-07"
    assert plain["custody_shortfall"][5] == 1_350_000
    assert plain["coverage"][8] is None
    with pytest.raises(ValueError, match="read-only"):
        run.low[0] = 5


def test_scalars_of_parts_are_joined():
    flows = random_flows(7, paths=10)
    policy = FirmPolicy(fixed_costs=20)
    parts = [Flows(**{name: getattr(flows, name)[:, some] for name in AMOUNTS}) for some in (slice(4), slice(4, None))]
    joined, whole = PathScalars.joined([run_scalars(part, policy) for part in parts]), run_scalars(flows, policy)
    for name in PathScalars.__slots__:
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))


def test_a_reserve_needs_what_it_is_a_part_of():
    bare = Flows(collections=[900, 0, 0], delivery_cost=[100, 200, 300])
    with pytest.raises(InvalidValue, match=r"flows has no liability, yet more is collected.*Flows\(liability="):
        run_policy(bare, FirmPolicy.ring_fence())
    run = run_policy(bare, FirmPolicy.spend_collections())
    assert run.low.tolist() == [800, -200, -500]
    assert "free_cash" not in str(run)
    assert "free_cash" not in run.to_dict()
    with pytest.raises(InvalidValue, match="flows has no liability"):
        assert run.free_cash is None
    owed = replace(bare, liability=[750, 450, 0])
    with pytest.raises(InvalidValue, match=r"flows has no cost_outstanding, yet.*Flows\(cost_outstanding="):
        run_scalars(owed, FirmPolicy(reserve_ratio=0.5, basis="delivery_cost"))


def test_nothing_sold_and_nothing_owed_needs_no_reserve():
    flows = Flows(collections=np.zeros((3, 2), int))
    assert run_policy(flows, FirmPolicy.ring_fence(basis="delivery_cost")).cash.tolist() == [[0, 0]] * 3
    shop = Flows(collections=[50, 60], earned=[50, 60], delivery_cost=[20, 20])
    assert run_policy(shop, FirmPolicy.ring_fence()).draws.tolist() == [30, 40]


def test_the_largest_amounts_do_not_overflow():
    most = 2**56
    flows = Flows(collections=[most, 0], earned=[0, 0], delivery_cost=[0, most], liability=[most, 1])
    policy = FirmPolicy(opening_cash=2**59, fixed_costs=[0, 2**58], buffer=2**59, reserve_ratio=0.999999999, take=0.999)
    run = run_policy(flows, policy)
    for name, expected in plain_run(flows, policy).items():
        assert getattr(run, name).tolist() == expected


def test_refuses_others():
    with pytest.raises(InvalidType, match=r"flows must be Flows, got Ledger; of a ledger: Flows\.of_ledger"):
        run_policy(article(), FirmPolicy())
    with pytest.raises(InvalidType, match="policy must be a FirmPolicy, got dict"):
        run_policy(Flows(**SIX), {})
