"""Growth by word of mouth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics import growth
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric


def test_two_for_each_one(reference):
    example = reference("A-GRO-02")
    given_ = example["input"]
    found = growth.viral_users(start=given_["u0"], coefficient=given_["k"], cycles=given_["cycles"])
    assert found == pytest.approx(example["expect"]["total"], abs=example["tol"])


def test_the_published_table(reference):
    example = reference("A-GRO-03")
    given_, expect = example["input"], example["expect"]["cumulative"]
    found = growth.viral_users(start=given_["u0"], coefficient=given_["k"], cycles=[int(n) for n in expect])
    np.testing.assert_allclose(found, list(expect.values()), atol=example["tol"])


def test_the_amplification(reference):
    example = reference("A-GRO-04")
    found = growth.referral_amplification(coefficient=example["input"]["k"])
    assert found == pytest.approx(example["expect"]["multiplier"], abs=example["tol"])


@given(st.floats(0, 1e4), st.one_of(st.floats(0, 3), st.floats(1 - 1e-9, 1 + 1e-9)), st.integers(0, 40))
def test_the_closed_form_is_the_sum_of_the_generations(start, coefficient, cycles):
    newest, total = start, start
    for _ in range(cycles):
        newest *= coefficient
        total += newest
    found = growth.viral_users(start=start, coefficient=coefficient, cycles=cycles)
    assert found == pytest.approx(total, rel=1e-9)


@given(st.floats(0, 0.9))
def test_without_end_it_is_the_amplification(coefficient):
    found = growth.viral_users(start=1, coefficient=coefficient, cycles=1000)
    assert found == pytest.approx(growth.referral_amplification(coefficient=coefficient))


@given(st.lists(st.floats(0, 3), min_size=1, max_size=5))
def test_arrays_agree_with_numbers(coefficients):
    found = growth.viral_users(start=3, coefficient=coefficients, cycles=4.5)
    one_by_one = [growth.viral_users(start=3, coefficient=k, cycles=4.5) for k in coefficients]
    np.testing.assert_allclose(found, one_by_one, rtol=1e-13)


def test_customers_who_bring_customers_without_end():
    with pytest.raises(UndefinedMetric, match="coefficient is 1 or more"):
        growth.referral_amplification(coefficient=1)
    found = growth.referral_amplification(coefficient=[0.5, 1, 2], undefined="nan")
    np.testing.assert_array_equal(found, [2, np.nan, np.nan])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"start": -1}, InvalidValue, "start must be a finite number >= 0"),
        ({"coefficient": -1}, InvalidValue, "coefficient must be"),
        ({"cycles": -1}, InvalidValue, "cycles must be"),
        ({"cycles": "3"}, InvalidType, "cycles must be a number"),
        ({"cycles": 5000}, InvalidValue, "growth goes beyond float64"),
        ({"start": [1, 1e307], "cycles": 10}, InvalidValue, r"growth goes beyond float64.*first at \[1\]"),
        ({"cycles": [1, 2], "start": [1, 2, 3]}, InvalidValue, "arrays must have one shape"),
    ],
)
def test_impossible_terms_are_named(changes, error, message):
    with pytest.raises(error, match=message):
        growth.viral_users(**{"start": 10, "coefficient": 2, "cycles": 3, **changes})
