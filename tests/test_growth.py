"""The base over time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics import growth
from retention_metrics.errors import InvalidValue, UndefinedMetric


def test_the_salon_grows_by_fifteen_a_month(reference):
    example = reference("S-GRO-01")
    given_, expect = example["input"], example["expect"]
    base = growth.project(
        acquired=given_["new_per_month"],
        retention=given_["retention"],
        periods=12,
        margin=given_["margin_per_month"],
        spend=given_["spend_per_month"],
    )
    assert base.active[:4].tolist() == expect["active"]
    assert base.margin[:9].sum() == expect["cumulative_margin_month_9"]
    assert base.spend[:9].sum() == expect["cumulative_spend_month_9"]
    assert base.break_even == expect["breakeven_month"]
    assert base.cumulative[9] == expect["cumulative_result_month_10"]


def test_the_steady_state_and_the_way_there(reference):
    example = reference("A-GRO-01")
    given_, expect = example["input"], example["expect"]
    base = growth.project(
        start=given_["start"], acquired=given_["acquisition"], retention=1 - given_["churn"], periods=12
    )
    found = {
        "steady": growth.steady_state(acquired=given_["acquisition"], churn=given_["churn"]),
        **{f"after_{n}": base.active[n - 1] for n in (1, 3, 12)},
    }
    assert found == pytest.approx(expect, abs=example["tol"])


@given(st.floats(0, 1e6), st.floats(0, 1e4), st.floats(0, 0.999), st.integers(1, 60))
def test_the_recursion_agrees_with_the_closed_form(start, acquired, retention, periods):
    base = growth.project(start=start, acquired=acquired, retention=retention, periods=periods)
    t = np.arange(1, periods + 1)
    closed = start * retention**t + acquired * (1 - retention**t) / (1 - retention)
    np.testing.assert_allclose(base.active, closed, rtol=1e-9, atol=1e-6)


@given(st.integers(1, 20).flatmap(lambda n: st.tuples(*[st.lists(st.floats(0, 1), min_size=n, max_size=n)] * 2)))
def test_the_book_closes_in_every_period(rates):
    retention, acquired = rates
    base = growth.project(start=10, acquired=acquired, retention=retention, periods=len(retention))
    opening = np.concatenate([[10], base.active[:-1]])
    np.testing.assert_allclose(opening + base.acquired - base.lost, base.active, atol=1e-12)
    np.testing.assert_allclose(base.lost, opening * (1 - np.array(retention)), atol=1e-12)


@given(st.floats(1, 1e4), st.floats(0.01, 1))
def test_a_base_in_its_steady_state_stays_there(acquired, churn):
    steady = growth.steady_state(acquired=acquired, churn=churn)
    base = growth.project(start=steady, acquired=acquired, retention=1 - churn, periods=5)
    np.testing.assert_allclose(base.active, steady, rtol=1e-9)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=12), st.integers(1, 9), st.integers(0, 60))
def test_break_even_is_the_first_period_that_has_paid(acquired, margin, spend):
    base = growth.project(acquired=acquired, retention=1.0, periods=len(acquired), margin=margin, spend=spend)
    total, paid = 0.0, None
    for n in range(1, len(acquired) + 1):
        total += margin * sum(acquired[:n]) - spend
        if total >= 0 and paid is None:
            paid = n
    assert base.break_even == paid
    assert (base.reason is None) == (paid is not None)


def test_why_there_is_no_break_even():
    terms = {"acquired": 1, "retention": 0.5, "periods": 3}
    assert growth.project(**terms).reason == "no margin was given"
    assert growth.project(**terms, margin=1).reason == "no spend was given"
    assert growth.project(**terms, margin=1, spend=9).reason == "the margin has not paid for the spend within 3 periods"
    with pytest.raises(InvalidValue, match="spend needs margin"):
        growth.project(**terms, spend=9)


def test_a_projection_cannot_be_changed_and_reads_as_a_table():
    base = growth.project(acquired=[15, 20], retention=1.0, periods=2, margin=5, spend=410)
    with pytest.raises(ValueError, match="read-only"):
        base.active[0] = 1
    assert base.to_dict()["active"] == [15, 35]
    assert base.to_frame("polars").columns == ["period", "active", "acquired", "lost", "margin", "spend", "cumulative"]
    assert growth.project(acquired=1, retention=1, periods=2).to_frame("pandas")["period"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"periods": 0}, "periods must be a whole number >= 1"),
        ({"acquired": [1, 2]}, r"acquired must be one number or 3 numbers, one per period, got shape \(2,\)"),
        ({"retention": [1, 1, 1, 1]}, "retention must be one number or 3"),
        ({"retention": 1.1}, "retention must be a fraction"),
        ({"acquired": -1}, "acquired must be a finite number >= 0"),
        ({"start": [1, 2]}, "start must be one number"),
        ({"margin": [1], "spend": 1}, "margin must be one number or 3"),
        ({"margin": 1, "spend": -1}, "spend must be"),
    ],
)
def test_impossible_terms_are_named(changes, message):
    with pytest.raises(InvalidValue, match=message):
        growth.project(**{"acquired": 1, "retention": 0.5, "periods": 3, **changes})


def test_a_base_that_loses_nobody_has_no_steady_state():
    with pytest.raises(UndefinedMetric, match="never stops growing"):
        growth.steady_state(acquired=100, churn=0)
    np.testing.assert_array_equal(growth.steady_state(acquired=100, churn=[0, 0.05], undefined="nan"), [np.nan, 2000])
