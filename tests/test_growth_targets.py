"""What it takes to reach a target."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from retention_metrics import growth
from retention_metrics.errors import InvalidValue, UndefinedMetric

lengths = st.integers(1, 48)


def last(**terms):
    return growth.project(**terms).active[-1]


@given(st.floats(0, 1000), st.floats(0.1, 100), st.floats(0.01, 1), st.floats(0, 0.2), lengths)
def test_the_retention_that_made_a_base_is_found_again(start, acquired, retention, referral, periods):
    terms = {"start": start, "acquired": acquired, "referral": referral, "periods": periods}
    target = last(retention=retention, **terms)
    found = growth.required_retention(target=target, **terms)
    assert last(retention=found, **terms) == pytest.approx(target, rel=1e-9)
    assume(start > 1 or periods > 1)
    assert found == pytest.approx(retention, abs=1e-6)


@given(st.floats(0, 1000), st.floats(0, 100), st.floats(0, 1), st.floats(0, 0.2), lengths)
def test_the_acquisition_that_made_a_base_is_found_again(start, acquired, retention, referral, periods):
    terms = {"start": start, "retention": retention, "referral": referral, "periods": periods}
    target = last(acquired=acquired, **terms)
    found = growth.required_acquisition(target=target, **terms)
    assert found == pytest.approx(acquired, rel=1e-9, abs=1e-9 * start * (1 + referral) ** periods)


@given(st.floats(50, 5000), st.floats(1.001, 2))
def test_a_higher_target_takes_more(target, factor):
    terms = {"start": 400, "periods": 12}
    wins = [growth.required_acquisition(retention=0.9, target=t, **terms) for t in (target, factor * target)]
    keeps = growth.required_retention(acquired=500, target=[target, factor * target], undefined="nan", **terms)
    assert wins[0] <= wins[1]
    assert not keeps[0] > keeps[1]


def test_a_target_that_is_reached_anyway():
    assert growth.required_retention(start=400, acquired=50, target=50, periods=3) == 0
    assert growth.required_acquisition(start=400, retention=1, target=300, periods=3) == 0


def test_a_target_out_of_reach():
    with pytest.raises(UndefinedMetric, match="even retention 1 gives only 60 customers"):
        growth.required_retention(acquired=15, target=60.01, periods=4)
    assert growth.required_retention(acquired=15, target=60, periods=4) == 1
    found = growth.required_retention(acquired=[15, 20], target=70, periods=4, undefined="nan")
    assert np.isnan(found[0])
    assert last(acquired=20, retention=found[1], periods=4) == pytest.approx(70)
    with pytest.raises(UndefinedMetric, match=r"at \[1\]: even retention 1 gives only 40"):
        growth.required_retention(acquired=[20, 10], target=70, periods=4)


def test_arrays_agree_with_numbers():
    starts, targets = [0, 100, 400], [300, 350, 450]
    keep = {"acquired": 40, "periods": 12}
    one_by_one = [growth.required_retention(start=s, target=t, **keep) for s, t in zip(starts, targets, strict=True)]
    np.testing.assert_allclose(growth.required_retention(start=starts, target=targets, **keep), one_by_one, rtol=1e-14)
    win = {"retention": 0.9, "periods": 12}
    one_by_one = [growth.required_acquisition(start=s, target=t, **win) for s, t in zip(starts, targets, strict=True)]
    np.testing.assert_allclose(growth.required_acquisition(start=starts, target=targets, **win), one_by_one, rtol=1e-14)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": -1}, "target must be a finite number >= 0"),
        ({"periods": 0}, "periods must be a whole number >= 1"),
        ({"periods": [1, 2]}, "periods must be a whole number >= 1"),
        ({"start": -1}, "start must be"),
        ({"referral": -1}, "referral must be"),
        ({"referral": 5, "periods": 1000}, "growth goes beyond float64"),
        ({"start": [1, 2], "target": [1, 2, 3]}, "arrays must have one shape"),
    ],
)
def test_impossible_terms_are_named(changes, message):
    terms = {"start": 1, "target": 5, "periods": 3, **changes}
    with pytest.raises(InvalidValue, match=message):
        growth.required_retention(acquired=1, **terms)
    with pytest.raises(InvalidValue, match=message):
        growth.required_acquisition(retention=0.5, **terms)


def test_rates_outside_their_range():
    with pytest.raises(InvalidValue, match="retention must be a fraction"):
        growth.required_acquisition(retention=2, target=5, periods=3)
    with pytest.raises(InvalidValue, match="acquired must be"):
        growth.required_retention(acquired=-2, target=5, periods=3)
