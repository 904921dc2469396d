"""Intervals, and the rate that remembers its counts."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics import Rate, _stats
from retention_metrics.errors import InvalidType, InvalidValue

cells = st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_published_wilson_intervals(reference):
    example = reference("A-RET-12")
    for (kept, size), limits in zip(example["input"]["cells"], example["expect"]["ci"], strict=True):
        interval = Rate(definition="cell", numerator=kept, denominator=size).interval()
        assert (interval.low, interval.high) == pytest.approx(tuple(limits), abs=example["tol"])


@given(cells, st.floats(0.01, 0.999))
def test_the_limits_solve_the_score_equation(cell, level):
    """Wilson's limits are the p with |k/n - p| = z sqrt(p (1 - p) / n)."""
    k, n = cell
    z = _stats.two_sided_z(level)
    interval = Rate(definition="cell", numerator=k, denominator=n).interval(level=level)
    assert 0 <= interval.low <= k / n <= interval.high <= 1
    for limit in (interval.low, interval.high):
        distance = abs(k / n - limit)
        if 0 < limit < 1:
            assert distance == pytest.approx(z * math.sqrt(limit * (1 - limit) / n), rel=1e-6, abs=1e-9)


@given(cells)
def test_turning_the_question_round_mirrors_the_interval(cell):
    k, n = cell
    one = Rate(definition="kept", numerator=k, denominator=n).interval()
    other = Rate(definition="lost", numerator=n - k, denominator=n).interval()
    assert (one.low, one.high) == pytest.approx((1 - other.high, 1 - other.low))


def test_no_trials_have_no_interval():
    low, high = _stats.wilson(np.array([0, 0]), np.array([0, 5]), 0.95)
    assert np.isnan([low[0], high[0]]).all()
    assert low[1] == 0


@pytest.mark.parametrize("level", [0, 1, 1.5, -0.1, math.nan, [0.9, 0.95]])
def test_a_level_is_one_number_between_zero_and_one(level):
    with pytest.raises(InvalidValue, match="level must be"):
        Rate(definition="x", numerator=1, denominator=2).interval(level=level)


def test_ninety_five_percent_is_the_familiar_quantile():
    assert _stats.two_sided_z(0.95) == pytest.approx(1.959963985, abs=1e-9)
    with pytest.raises(InvalidType):
        _stats.two_sided_z("0.95")


@pytest.mark.parametrize(("numerator", "denominator"), [(3, 2), (-1, 2), (0, 0), (1, -1)])
def test_a_share_outside_zero_to_one_cannot_be_made(numerator, denominator):
    with pytest.raises(ValueError, match="nominator|numerator|denominator"):
        Rate(definition="x", numerator=numerator, denominator=denominator)


def test_a_rate_survives_json():
    rate = Rate(definition="lost / start", numerator=9, denominator=200)
    assert Rate.model_validate_json(rate.model_dump_json()) == rate
    assert rate.value == 0.045


@pytest.mark.parametrize("statistic", [0.0, 1e-3, 3.3, 40.0, 1_600.0, 2_500.0])
@pytest.mark.parametrize("degrees", [1, 2, 3, 10, 1_599, 1_600])
def test_chi_squared_tail_against_arbitrary_precision(statistic, degrees):
    exact = mpmath.gammainc(mpmath.mpf(degrees) / 2, mpmath.mpf(statistic) / 2, regularized=True)
    assert _stats.chi_squared_p(statistic, degrees) == pytest.approx(float(exact), rel=1e-9, abs=1e-300)
