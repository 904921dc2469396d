"""What a policy may say, exact ratios, and reserve ratios side by side."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from retention_metrics.cashflow import FirmPolicy, Flows, policy_table, run_policy
from retention_metrics.cashflow._policy import exact_ratio, part_rounded_down, part_rounded_up
from retention_metrics.errors import InvalidType, InvalidValue

ratios = st.floats(0, 1)
fractions = st.builds(lambda a, b: Fraction(min(a, b), max(a, b)), st.integers(1, 10**9), st.integers(1, 10**9))


def test_presets():
    assert FirmPolicy.spend_collections(buffer=5) == FirmPolicy(reserve_ratio=0, take=1, buffer=5)
    assert FirmPolicy.ring_fence(fixed_costs=[1, 2]) == FirmPolicy(reserve_ratio=1, take=1, fixed_costs=(1, 2))


def test_policy_is_a_value():
    policy = FirmPolicy(opening_cash=np.int64(5), fixed_costs=np.array([1, 2]), take=np.float64(0.5), payroll_lag=1.0)
    assert policy.to_dict() == {
        "opening_cash": 5,
        "fixed_costs": (1, 2),
        "reserve_ratio": 0.0,
        "basis": "liability",
        "take": 0.5,
        "buffer": 0,
        "payroll_lag": 1,
        "gap_funding": "overdraft",
    }
    assert FirmPolicy(**policy.to_dict()) == policy
    assert len({policy, replace(policy, take=0.5)}) == 1


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"reserve_ratio": 1.5}, InvalidValue, "reserve_ratio must be a fraction from 0 to 1.*got 1.5"),
        ({"reserve_ratio": -0.1}, InvalidValue, "reserve_ratio must be a fraction from 0 to 1.*got -0.1"),
        ({"reserve_ratio": math.nan}, InvalidValue, "reserve_ratio must be a fraction"),
        ({"reserve_ratio": [0.1, 0.2]}, InvalidValue, "reserve_ratio must be one number"),
        ({"reserve_ratio": True}, InvalidType, "reserve_ratio must be a number"),
        ({"take": 1.01}, InvalidValue, "take must be a fraction from 0 to 1.*got 1.01"),
        ({"take": -1}, InvalidValue, "take must be a fraction from 0 to 1.*got -1"),
        ({"opening_cash": 10.0}, InvalidType, r"opening_cash must be a whole number.*prepaid\.to_minor"),
        ({"opening_cash": 2**60}, InvalidValue, "opening_cash must be a whole number >= .* and below"),
        ({"buffer": 0.5}, InvalidType, r"buffer must be a whole number.*prepaid\.to_minor"),
        ({"buffer": -1}, InvalidValue, "buffer must be a whole number >= 0"),
        ({"fixed_costs": 150.0}, InvalidType, r"fixed_costs must be a whole number.*prepaid\.to_minor"),
        ({"fixed_costs": [1, 2.0]}, InvalidType, r"fixed_costs must hold whole numbers.*prepaid\.to_minor"),
        ({"fixed_costs": -5}, InvalidValue, "fixed_costs must be a whole number >= 0"),
        ({"fixed_costs": [3, -5]}, InvalidValue, r"fixed_costs\[1\] must be >= 0, got -5"),
        ({"fixed_costs": []}, InvalidValue, "fixed_costs is empty"),
        ({"fixed_costs": [[1], [2, 3]]}, InvalidValue, "fixed_costs must be a rectangular array"),
        ({"fixed_costs": "12"}, InvalidType, "fixed_costs must hold whole numbers"),
        ({"fixed_costs": np.array(5)}, InvalidValue, r"one for each period, got shape \(\)"),
        ({"fixed_costs": [[1], [2]]}, InvalidValue, r"one number, or one for each period, got shape \(2, 1\)"),
        ({"fixed_costs": [2**58, 2**58]}, InvalidValue, "fixed_costs must add up to less than"),
        ({"payroll_lag": -1}, InvalidValue, "payroll_lag must be a whole number >= 0, got int -1"),
        ({"payroll_lag": 0.5}, InvalidValue, "payroll_lag must be a whole number >= 0"),
        ({"basis": "liabilities"}, InvalidValue, "basis must be one of.*did you mean 'liability'"),
        ({"gap_funding": "bank"}, InvalidValue, "gap_funding must be one of 'overdraft', 'owner', got 'bank'"),
    ],
)
def test_policy_refuses(fields, error, message):
    with pytest.raises(error, match=message):
        FirmPolicy(**fields)


def test_fixed_costs_of_another_length():
    flows = Flows(collections=[1, 2, 3], earned=[1, 2, 3])
    with pytest.raises(InvalidValue, match="fixed_costs must be one number or one for each of the 3 periods, got 2"):
        run_policy(flows, FirmPolicy(fixed_costs=[1, 2]))
    with pytest.raises(InvalidValue, match="fixed_costs of 3 periods must add up to less than"):
        run_policy(flows, FirmPolicy(fixed_costs=2**58))


@given(st.integers(0, 10**9))
@example(32_396_941)
def test_a_float_stands_for_the_decimal_it_is_printed_as(billionths):
    assert exact_ratio(billionths / 10**9) == Fraction(billionths, 10**9)


@given(st.integers(1, 30_000).flatmap(lambda d: st.tuples(st.integers(0, d), st.just(d))))
def test_a_float_stands_for_the_simple_fraction_it_came_from(pair):
    assert exact_ratio(pair[0] / pair[1]) == Fraction(*pair)


@given(ratios, ratios)
def test_exact_ratios_keep_their_order(a, b):
    low, high = sorted((a, b))
    assert exact_ratio(low) <= exact_ratio(high)
    assert abs(exact_ratio(a) - Fraction(a)) <= Fraction(1, 10**9)


@given(fractions, st.lists(st.integers(0, 2**61 - 1), min_size=1, max_size=5))
def test_parts_are_exact_up_to_the_largest_amounts(ratio, amounts):
    array = np.array(amounts)
    assert part_rounded_down(ratio, array).tolist() == [math.floor(ratio * each) for each in amounts]
    assert part_rounded_up(ratio, array).tolist() == [math.ceil(ratio * each) for each in amounts]


def test_parts_in_the_worst_case():
    ratio, largest = Fraction(10**9 - 1, 10**9), 2**61 - 1
    for amount in (largest, largest // 10**9 * 10**9 - 1, 10**9 - 1, 1, 0):
        array = np.array([amount])
        assert part_rounded_up(ratio, array)[0] == math.ceil(ratio * amount)
        assert part_rounded_down(ratio, array)[0] == math.floor(ratio * amount)


SIX = {
    "collections": [3000, 3000, 3000, 0, 0, 0],
    "earned": [500, 750, 1000, 1500, 2000, 2500],
    "delivery_cost": [200, 300, 400, 600, 800, 1000],
    "liability": [2500, 4750, 6750, 5250, 3250, 750],
}


def test_table_of_one_path_has_no_interval():
    table = policy_table(Flows(**SIX), FirmPolicy(fixed_costs=150), [0, 0.42, 0.4223, 1])
    assert table.paths == 1
    assert table.gaps.tolist() == [1, 1, 0, 0]
    assert table.depth_95.tolist() == [2850, 15, 0, 0]
    assert table.duration_50.tolist() == [3, 1, 0, 0]
    assert table.drawn_50.tolist()[::3] == [7650, 4050]
    assert table.closing_50.tolist()[::3] == [-2850, 750]
    assert table.to_dict()["low"] == [None] * 4
    assert "interval" not in str(table)


def test_table_of_five_paths():
    depths = np.array([[0, 10, 20, 30, 0]])
    flows = Flows(collections=np.zeros_like(depths), refunds_paid=depths)
    table = policy_table(flows, FirmPolicy(gap_funding="owner"), 0.5, level=0.9)
    p, z2, n = 0.6, 1.6448536269514722**2, 5
    half = math.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n)))
    assert table.gap_probability.tolist() == [0.6]
    assert table.low[0] == pytest.approx((p + z2 / (2 * n) - half) / (1 + z2 / n))
    assert table.high[0] == pytest.approx((p + z2 / (2 * n) + half) / (1 + z2 / n))
    assert (table.depth_50[0], table.depth_95[0], table.depth_99[0]) == (10, 30, 30)
    assert (table.injected_50[0], table.duration_50[0]) == (10, 1)


def test_no_gap_in_any_path_still_leaves_an_upper_limit():
    flows = Flows(collections=np.zeros((1, 1000), int))
    table = policy_table(flows, FirmPolicy(), [0])
    assert table.low[0] == 0
    assert table.high[0] == pytest.approx(3.8416 / 1003.8416, rel=1e-4)


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_table_as_frame(backend):
    frame = policy_table(Flows(**SIX), FirmPolicy(), [0, 1]).to_frame(backend)
    assert [str(each) for each in (frame.column_names if backend == "pyarrow" else frame.columns)][:3] == [
        "ratios",
        "gaps",
        "gap_probability",
    ]
    assert frame.shape == (2, 13)


@pytest.mark.parametrize(
    ("tried", "error", "message"),
    [
        ([0.5, 1.5], InvalidValue, r"ratios\[1\] must be a fraction from 0 to 1"),
        ([], InvalidValue, "ratios is empty"),
        ([[0.5]], InvalidValue, r"ratios must be numbers in a row, got an array of shape \(1, 1\)"),
        ("0.5", InvalidType, "ratios must be a number or an array"),
    ],
)
def test_table_refuses(tried, error, message):
    with pytest.raises(error, match=message):
        policy_table(Flows(**SIX), FirmPolicy(), tried)
    with pytest.raises(InvalidValue, match="level must be a fraction"):
        policy_table(Flows(**SIX), FirmPolicy(), [0.5], level=1)
