"""Earned growth."""

import math

import numpy as np
import pydantic
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from retention_metrics import revenue
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric

NAMES = ("revenue_last", "returning_this_year", "earned_new", "bought_new", "unknown_new")
GOOD = {"revenue_last": 100, "returning_this_year": 85, "earned_new": 20, "bought_new": 25}
sums = st.integers(0, 10**6)
years = st.tuples(st.integers(1, 10**6), sums, sums, sums, sums).map(lambda row: dict(zip(NAMES, row, strict=True)))


def test_the_reference_growth(reference):
    example = reference("A-EGR-01")
    found = revenue.earned_growth(**example["input"])
    for name, expected in example["expect"].items():
        assert getattr(found, name) == pytest.approx(expected, abs=example["tol"])
    assert found.rate_bounds == (found.earned_growth_rate, found.earned_growth_rate)


@given(years)
def test_growth_by_its_formulas(year):
    found = revenue.earned_growth(**year)
    last = year["revenue_last"]
    assert found.nrr == pytest.approx(year["returning_this_year"] / last)
    assert found.enc == pytest.approx(year["earned_new"] / last)
    kept = year["returning_this_year"] + year["earned_new"]
    assert found.earned_growth_rate == pytest.approx((kept - last) / last, abs=1e-9)
    this = kept + year["bought_new"] + year["unknown_new"]
    assert found.total_growth == pytest.approx((this - last) / last, abs=1e-9)
    if this > last:
        assert found.earned_growth_ratio == pytest.approx((kept - last) / (this - last), abs=1e-6)
    else:
        with pytest.raises(UndefinedMetric, match="revenue did not grow"):
            _ = found.earned_growth_ratio


@given(years)
def test_unknown_customers_may_all_or_none_be_earned(year):
    found = revenue.earned_growth(**year)
    low, high = found.rate_bounds
    bought = {**year, "bought_new": year["bought_new"] + year["unknown_new"], "unknown_new": 0}
    earned = {**year, "earned_new": year["earned_new"] + year["unknown_new"], "unknown_new": 0}
    assert low == pytest.approx(revenue.earned_growth(**bought).earned_growth_rate, abs=1e-9)
    assert high == pytest.approx(revenue.earned_growth(**earned).earned_growth_rate, abs=1e-9)
    assert low == found.earned_growth_rate <= high


@given(years, st.floats(1e-6, 1e6))
def test_the_currency_changes_nothing(year, rate):
    one = revenue.earned_growth(**year)
    other = revenue.earned_growth(**{name: rate * value for name, value in year.items()})
    for name in ("nrr", "enc", "earned_growth_rate", "total_growth"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-9)


@given(years)
def test_without_bought_customers_all_growth_is_earned(year):
    year = {**year, "bought_new": 0, "unknown_new": 0}
    assume(year["returning_this_year"] + year["earned_new"] > year["revenue_last"])
    assert revenue.earned_growth(**year).earned_growth_ratio == pytest.approx(1, abs=1e-6)


@given(st.integers(1, 10**7), st.integers(0, 10**6))
def test_revenue_that_only_comes_again_has_no_growth_to_share(kept, earned):
    """In cents the year before is the sum of its parts, and rounding makes no growth of that."""
    found = revenue.earned_growth(
        revenue_last=(kept + earned) / 100, returning_this_year=kept / 100, earned_new=earned / 100, bought_new=0
    )
    with pytest.raises(UndefinedMetric):
        _ = found.earned_growth_ratio


def test_a_first_year_has_no_growth():
    with pytest.raises(UndefinedMetric, match="revenue_last is 0"):
        revenue.earned_growth(**{**GOOD, "revenue_last": 0})


@pytest.mark.parametrize("bad", [-1, math.nan, math.inf, "100", None, True, [100], np.array([1, 2])], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_a_sum_is_one_number_of_at_least_zero(name, bad):
    with pytest.raises((InvalidValue, InvalidType), match=f"{name}"):
        revenue.earned_growth(**{**GOOD, name: bad})


def test_a_source_must_be_said():
    for name in GOOD:
        with pytest.raises(TypeError, match=name):
            revenue.earned_growth(**{key: value for key, value in GOOD.items() if key != name})


def test_growth_survives_json_and_is_frozen():
    found = revenue.earned_growth(**GOOD, unknown_new=10.5)
    assert revenue.EarnedGrowth.model_validate_json(found.model_dump_json()) == found
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        found.earned_new = 50.0
    with pytest.raises(pydantic.ValidationError, match="extra"):
        revenue.EarnedGrowth(**GOOD, gift=1)


@pytest.mark.parametrize(
    "bad", [{"revenue_last": -100}, {"revenue_last": 0}, {"earned_new": -1}, {"bought_new": math.inf}]
)
def test_growth_cannot_be_made_from_what_is_none(bad):
    with pytest.raises(ValueError, match="revenue_last|earned_new|bought_new"):
        revenue.EarnedGrowth(**{**GOOD, **bad})
