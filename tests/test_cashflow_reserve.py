"""The money that prevents a gap: on the first day, held back, and to run off what was sold."""

import itertools
import math
import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics.cashflow import (
    FirmPolicy,
    Flows,
    required_opening_cash,
    required_reserve_ratio,
    run_off_reserve,
    run_policy,
)
from retention_metrics.cashflow._attained import attained, rank
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.prepaid import Ledger, PackagePlan
from tests.cashflow_oracle import plain_run, random_books

SIX = Flows(
    collections=[3000, 3000, 3000, 0, 0, 0],
    earned=[500, 750, 1000, 1500, 2000, 2500],
    delivery_cost=[200, 300, 400, 600, 800, 1000],
    liability=[2500, 4750, 6750, 5250, 3250, 750],
)
DEPTHS = np.array([[0, 10, 20, 30, 0]])
levels = st.integers(1, 1000).map(lambda thousandths: thousandths / 1000)
seeds = st.integers(0, 2**32)


@pytest.mark.parametrize(("level", "depth"), [(0.5, 10), (0.8, 20), (0.81, 30), (0.95, 30)])
def test_quantiles_are_attained(level, depth):
    assert attained(DEPTHS[0], level) == depth
    flows = Flows(collections=np.zeros_like(DEPTHS), refunds_paid=DEPTHS)
    assert required_opening_cash(flows, FirmPolicy(), level=level) == depth


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=40), levels)
def test_quantile_is_the_smallest_value_that_enough_do_not_exceed(values, level):
    found = int(attained(np.array(values), level))
    needed = Fraction(round(level * 1000), 1000) * len(values)
    assert found in values
    assert sum(each <= found for each in values) >= needed
    assert sum(each < found for each in values) < needed


def test_rank_is_not_moved_by_rounding():
    assert math.ceil(0.07 * 100) == 8
    assert rank(0.07, 100) == 7
    assert [rank(level, 20) for level in (0.95, 0.951, 1, 1e-9)] == [19, 20, 20, 1]


def test_the_article_needs_seven_fifteenths():
    plan = PackagePlan(id="ten", price=1_500_000, sessions=10, cost_per_session=70_000)
    days = ["01-15", "07-15", "07-22", "07-29", "08-05", "08-12", "08-19", "08-26", "09-02", "09-09"]
    events = [{"kind": "visit", "date": f"2024-{day}", "package": 1} for day in days]
    events += [{"kind": "purchase", "date": "2024-01-10", "package": 1, "customer": "ann", "plan": "ten"}]
    flows = Flows.of_ledger(Ledger.from_events(events, [plan], as_of="2024-09-30"))
    ratio = required_reserve_ratio(flows, FirmPolicy())
    assert ratio == pytest.approx(7 / 15, abs=2e-6)
    assert run_policy(flows, FirmPolicy(reserve_ratio=7 / 15)).depth == 0
    assert run_policy(flows, FirmPolicy(reserve_ratio=ratio - 1e-6)).depth > 0
    assert required_reserve_ratio(flows, FirmPolicy(basis="delivery_cost")) == pytest.approx(1, abs=2e-6)


def test_six_periods():
    policy = FirmPolicy(fixed_costs=150)
    ratio = required_reserve_ratio(SIX, policy)
    assert ratio == pytest.approx(19 / 45, abs=2e-4)
    assert min(plain_run(SIX, replace(policy, reserve_ratio=ratio))["low"]) >= 0
    assert min(plain_run(SIX, replace(policy, reserve_ratio=round(ratio - 1e-6, 6)))["low"]) < 0
    assert required_opening_cash(SIX, policy) == 0
    assert required_opening_cash(SIX, replace(policy, fixed_costs=1500)) == 6 * 1500 + 3300 - 9000


@given(seeds, levels, st.sampled_from(["overdraft", "owner"]), st.sampled_from([0.4, 1]))
def test_smallest_ratio_is_the_first_that_does(seed, level, funding, take):
    rng = random.Random(seed)
    flows = Flows(**random_books(rng, periods=8, paths=9))
    policy = FirmPolicy(fixed_costs=rng.choice([0, 3, 20]), gap_funding=funding, take=take)
    allowed = 9 - max(1, math.ceil(Fraction(round(level * 1000), 1000) * 9))

    def gaps(ratio):
        tried = replace(policy, reserve_ratio=ratio)
        return sum(min(plain_run(flows, tried, path)["low"]) < 0 for path in range(9))

    try:
        ratio = required_reserve_ratio(flows, policy, level=level)
    except UndefinedMetric:
        assert gaps(1) > allowed
        return
    assert gaps(ratio) <= allowed
    if ratio > 0:
        assert gaps(round(ratio - 1e-6, 6)) > allowed


@given(seeds, levels, st.sampled_from([0, 1, 3]))
def test_opening_cash_is_the_smallest_that_does(seed, level, lag):
    rng = random.Random(seed)
    flows = Flows(**random_books(rng, periods=8, paths=9, cheap=False))
    policy = FirmPolicy(fixed_costs=rng.choice([0, 30]), opening_cash=55, reserve_ratio=0.5, payroll_lag=lag)
    needed = required_opening_cash(flows, policy, level=level)
    allowed = 9 - max(1, math.ceil(Fraction(round(level * 1000), 1000) * 9))

    def gaps(opening):
        tried = replace(policy, opening_cash=opening, take=0)
        return sum(min(plain_run(flows, tried, path)["low"]) < 0 for path in range(9))

    assert gaps(needed) <= allowed
    if needed > 0:
        assert gaps(needed - 1) > allowed


def test_even_the_whole_liability_may_not_do():
    flows = Flows(collections=[[100] * 4, [0] * 4], earned=[[50] * 4] * 2, liability=[[50] * 4, [0] * 4])
    policy = FirmPolicy(fixed_costs=[0, 51])
    with pytest.raises(UndefinedMetric, match="even with a ratio of 1, 4 of 4 paths have a gap, and 1 may have one"):
        required_reserve_ratio(flows, policy, level=0.75)
    assert required_reserve_ratio(flows, replace(policy, buffer=1), level=1) > 0.98


@pytest.mark.parametrize("function", [required_opening_cash, required_reserve_ratio])
def test_refusals(function):
    with pytest.raises(InvalidValue, match="level must be a fraction above 0 to 1.*got 0"):
        function(SIX, FirmPolicy(), level=0)
    with pytest.raises(InvalidValue, match="level must be a fraction above 0 to 1.*got 95"):
        function(SIX, FirmPolicy(), level=95)
    with pytest.raises(InvalidType, match="flows must be Flows, got list"):
        function([1, 2], FirmPolicy())
    with pytest.raises(InvalidValue, match="one for each of the 6 periods, got 2"):
        function(SIX, FirmPolicy(fixed_costs=[1, 2]))


@pytest.mark.parametrize(("level", "sessions"), [(0.95, 91), (0.99, 96)])
def test_run_off_of_one_plan(level, sessions):
    assert run_off_reserve(200, probability=0.4, cost=70_000, level=level) == sessions * 70_000


def exact_binomial(n, p):
    return [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


plans = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 20), st.sampled_from([0, 1, 2, 70, 333])), min_size=1, max_size=3
)


@given(plans, st.integers(1, 999))
def test_run_off_of_several_plans_by_counting(plans, thousandths):
    law = {}
    each = [exact_binomial(n, Fraction(p, 20)) for n, p, _ in plans]
    for used in itertools.product(*(range(len(law_of_plan)) for law_of_plan in each)):
        total = sum(k * cost for k, (_, _, cost) in zip(used, plans, strict=True))
        law[total] = law.get(total, 0) + math.prod(pmf[k] for pmf, k in zip(each, used, strict=True))
    below, expected = Fraction(0), None
    for total in sorted(law):
        below += law[total]
        if below >= Fraction(thousandths, 1000) and law[total] > 0:
            expected = total
            break
    sessions, chances, costs = zip(*plans, strict=True)
    found = run_off_reserve(sessions, probability=[p / 20 for p in chances], cost=costs, level=thousandths / 1000)
    assert found == expected


def test_run_off_at_the_ends():
    assert run_off_reserve(20, probability=0, cost=7) == 0
    assert run_off_reserve(20, probability=1, cost=7) == 140
    assert run_off_reserve(0, probability=0.5, cost=7) == 0
    assert run_off_reserve(1, probability=0.05, cost=7, level=0.95) == 0
    assert run_off_reserve(1, probability=0.0501, cost=7, level=0.95) == 7
    assert run_off_reserve([30, 30], probability=0.5, cost=10, level=0.9) == run_off_reserve(
        60, probability=0.5, cost=10, level=0.9
    )


def test_run_off_of_very_many_sessions_is_near_the_normal_quantile():
    n, p = 1_000_000, 0.37
    near = n * p + 1.6448536269514722 * math.sqrt(n * p * (1 - p))
    assert run_off_reserve(n, probability=p, cost=1) == pytest.approx(near, abs=2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((200.0, 0.4, 70), InvalidType, "sessions must hold whole numbers"),
        ((200, 0.4, 70.5), InvalidType, r"cost must hold whole numbers.*prepaid\.to_minor"),
        ((200, 1.4, 70), InvalidValue, "probability must be a fraction from 0 to 1"),
        ((-1, 0.4, 70), InvalidValue, r"sessions\[0\] must be >= 0, got -1"),
        ((200, 0.4, [70, -1]), InvalidValue, r"cost\[1\] must be >= 0, got -1"),
        (([1, 2], [0.4, 0.5, 0.6], 70), InvalidValue, "one value for each plan, got 2, 3 and 1"),
        ((5, [[0.4], [0.5]], 70), InvalidValue, r"probability must be one number, or one.*got shape \(2, 1\)"),
        (([[1]], 0.4, 70), InvalidValue, r"sessions must be one number, or one for each plan, got shape \(1, 1\)"),
        ((2**40, 0.4, 2**30), InvalidValue, r"must cost less than 2\*\*59"),
        (([5000] * 4, 0.4, [1_000_003, 999_983, 700_001, 13]), InvalidValue, "too many different sums; round them up"),
    ],
)
def test_run_off_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        run_off_reserve(arguments[0], probability=arguments[1], cost=arguments[2])


def test_run_off_refuses_levels():
    with pytest.raises(InvalidValue, match="level must be a fraction above 0 and below 1"):
        run_off_reserve(200, probability=0.4, cost=70, level=1)
