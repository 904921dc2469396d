"""Where a base comes to rest."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics import growth
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric

churns = st.floats(0.01, 1)


def test_little_s_law(reference):
    example = reference("A-GRO-06")
    given_, expect = example["input"], example["expect"]
    curve = [*given_["S"], 0]
    close = {"abs": example["tol"]}
    assert growth.steady_state(acquired=given_["a"], survival=curve) == pytest.approx(expect["steady"], **close)
    assert growth.steady_state(acquired=1, survival=curve) == pytest.approx(expect["mean_lifetime"], **close)


@given(churns, st.floats(0, 0.9), st.floats(0, 1e5))
def test_a_base_in_its_steady_state_stays_there_whatever_is_recommended(churn, share, acquired):
    referral = share * churn
    rest = growth.steady_state(acquired=acquired, churn=churn, referral=referral)
    base = growth.project(start=rest, acquired=acquired, retention=1 - churn, referral=referral, periods=4)
    np.testing.assert_allclose(base.active, rest, rtol=1e-9)


@given(st.lists(st.floats(0, 0.95), max_size=6), st.floats(0, 0.9))
def test_a_base_by_age_comes_to_its_steady_state(kept, share):
    curve = np.cumprod([1, *kept, 0])
    referral = share / curve.sum()
    rest = growth.steady_state(acquired=10, survival=curve, referral=referral)
    base = growth.project(acquired=10, survival=curve, referral=referral, periods=1200)
    assert base.active[-1] == pytest.approx(rest, rel=1e-6)


@given(churns)
def test_a_geometric_curve_is_constant_churn(churn):
    curve = (1 - churn) ** np.arange(5000)
    curve[-1] = 0
    by_age = growth.steady_state(acquired=7, survival=curve, referral=churn / 3)
    assert by_age == pytest.approx(growth.steady_state(acquired=7, churn=churn, referral=churn / 3), rel=1e-9)


def test_arrays_agree_with_numbers():
    acquired, churn, referral = [10, 20, 30], [0.1, 0.2, 0.5], [0, 0.1, 0.25]
    found = growth.steady_state(acquired=acquired, churn=churn, referral=referral)
    np.testing.assert_allclose(found, [100, 200, 120])
    np.testing.assert_allclose(growth.steady_state(acquired=acquired, survival=[1, 0.5, 0]), [15, 30, 45])
    halves = growth.half_way_time(churn=churn, referral=referral)
    np.testing.assert_allclose(halves, [math.log(0.5) / math.log(q) for q in (0.9, 0.9, 0.75)])


def test_a_base_that_never_stops_growing_has_no_steady_state():
    with pytest.raises(UndefinedMetric, match="churn is 0, so the base never stops growing"):
        growth.steady_state(acquired=100, churn=0)
    with pytest.raises(UndefinedMetric, match="referral is not below churn, so the base never stops growing"):
        growth.steady_state(acquired=100, churn=0.05, referral=0.05)
    with pytest.raises(UndefinedMetric, match="at least one other in a lifetime"):
        growth.steady_state(acquired=100, survival=[1, 1, 0], referral=0.5)
    with pytest.raises(UndefinedMetric, match=r"ends at age 1 with 0.5 of the customers still there.*append 0"):
        growth.steady_state(acquired=100, survival=[1, 0.5])
    np.testing.assert_array_equal(growth.steady_state(acquired=100, churn=[0, 0.05], undefined="nan"), [np.nan, 2000])
    found = growth.steady_state(acquired=100, churn=0.5, referral=[0.6, 0.5, 0.25], undefined="nan")
    np.testing.assert_array_equal(found, [np.nan, np.nan, 400])


def test_what_only_rounding_leaves_of_churn_is_nothing():
    assert 0.1 + 0.2 - 0.3 > 0
    with pytest.raises(UndefinedMetric, match="never stops growing"):
        growth.steady_state(acquired=1, churn=0.1 + 0.2, referral=0.3)


@given(churns.filter(lambda churn: churn < 0.99), st.floats(0, 0.9), st.floats(0, 1000))
def test_half_of_the_way_is_gone_at_half_time(churn, share, start):
    referral = share * churn
    half = growth.half_way_time(churn=churn, referral=referral)
    rest = growth.steady_state(acquired=10, churn=churn, referral=referral)
    after = rest + (start - rest) * (1 - churn + referral) ** half
    assert after == pytest.approx((start + rest) / 2, rel=1e-9, abs=1e-9)


def test_the_half_way_time_is_seen_in_a_projection():
    churn = 1 - 0.5 ** (1 / 7)
    assert growth.half_way_time(churn=churn) == pytest.approx(7)
    base = growth.project(acquired=10, retention=1 - churn, periods=7)
    assert base.active[-1] == pytest.approx(growth.steady_state(acquired=10, churn=churn) / 2)


def test_where_there_is_no_way_there_is_no_half_of_it():
    with pytest.raises(UndefinedMetric, match="churn is 0, so there is no steady state"):
        growth.half_way_time(churn=0)
    with pytest.raises(UndefinedMetric, match="referral is not below churn, so there is no steady state"):
        growth.half_way_time(churn=0.1, referral=0.2)
    with pytest.raises(UndefinedMetric, match="half_way_time is undefined: churn is 1"):
        growth.half_way_time(churn=1)
    found = growth.half_way_time(churn=[0, 0.5, 1], undefined="nan")
    np.testing.assert_allclose(found, [np.nan, 1, np.nan])


@pytest.mark.parametrize(
    ("terms", "error", "message"),
    [
        ({}, InvalidValue, "give either churn .* or survival"),
        ({"churn": 0.1, "survival": [1, 0]}, InvalidValue, "give either churn .* or survival"),
        ({"churn": 5}, InvalidValue, "churn must be a fraction"),
        ({"churn": True}, InvalidType, "churn must be a number"),
        ({"churn": 0.1, "referral": -1}, InvalidValue, "referral must be a finite number >= 0"),
        ({"churn": [0.1, 0.2], "referral": [0, 0, 0]}, InvalidValue, "arrays must have one shape"),
        ({"survival": [1, 2]}, InvalidValue, r"survival\[1\] must be a fraction"),
        ({"churn": 0.1, "acquired": -1}, InvalidValue, "acquired must be"),
    ],
)
def test_impossible_terms_are_named(terms, error, message):
    with pytest.raises(error, match=message):
        growth.steady_state(**{"acquired": 1, **terms})
