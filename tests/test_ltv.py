"""Lifetime value, acquisition cost and their ratio."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics import ltv
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric

rates = st.floats(0.001, 1)
margins = st.floats(-1e6, 1e6)


def test_margin_times_months(reference):
    example = reference("S-LTV-01")
    given_, expect = example["input"], example["expect"]
    assert ltv.lifetime_value(margin=given_["margin_per_month"], periods=given_["months"]) == expect["ltv"]


def test_the_wrong_comparison_beside_the_right_one(reference):
    example = reference("S-LTV-02")
    given_, expect = example["input"], example["expect"]
    margin = given_["average_check"] * given_["margin_share"]
    cac = ltv.acquisition_cost(spend=given_["ad_spend"], customers=given_["deals"])
    year = ltv.lifetime_value(margin=margin, periods=given_["purchases_per_year"])
    assert (margin, cac, year) == pytest.approx((expect["margin_per_sale"], expect["cac"], expect["ltv_year"]))
    assert margin - cac == pytest.approx(expect["ltv_one_sale_minus_cac"])
    assert year - cac == pytest.approx(expect["ltv_year_minus_cac"])
    assert ltv.ltv_to_cac(ltv=year, cac=cac) == pytest.approx(expect["ltv_to_cac"])


def test_the_salon(reference):
    example = reference("S-LTV-03")
    given_, expect = example["input"], example["expect"]
    spend = given_["agency_fee"] + given_["clicks"]
    cac = ltv.acquisition_cost(spend=spend, customers=given_["clients"])
    value = ltv.lifetime_value(margin=given_["margin_per_month"], periods=given_["months"])
    close = {"abs": example["tol"]}
    assert spend == expect["spend"]
    assert cac == pytest.approx(expect["cac"], **close)
    assert ltv.ltv_to_cac(ltv=given_["margin_per_month"], cac=cac) == pytest.approx(
        expect["first_month_margin_to_cac"], **close
    )
    assert value == expect["ltv"]
    assert value * given_["clients"] == expect["cohort_ltv"]
    assert ltv.ltv_to_cac(ltv=value, cac=cac) == pytest.approx(expect["ltv_to_cac"], **close)


def test_two_forms_of_acquisition_cost(reference):
    example = reference("S-CAC-01")
    given_, expect = example["input"], example["expect"]
    loaded = given_["media"] + given_["agency"] + given_["sales_cost"]
    costs = ltv.acquisition_cost(spend=[given_["media"], loaded], customers=given_["customers"])
    assert costs == pytest.approx([expect["media_cac"], expect["loaded_cac"]], abs=example["tol"])


def test_the_variants_of_lifetime_value(reference):
    example = reference("A-LTV-01")
    given_, expect = example["input"], example["expect"]
    churn, discount = given_["churn"], given_["d"]
    margin = given_["arpu"] * given_["gross_margin"]
    found = {
        "revenue_ltv": ltv.lifetime_value(margin=given_["arpu"], churn=churn),
        "margin_ltv": ltv.lifetime_value(margin=margin, churn=churn),
        "discounted_start": ltv.lifetime_value(margin=margin, churn=churn, discount=discount),
        "discounted_end": ltv.lifetime_value(margin=margin, churn=churn, discount=discount, timing="end"),
        "horizon12": ltv.lifetime_value(margin=margin, churn=churn, horizon=12),
        "horizon12_discounted": ltv.lifetime_value(margin=margin, churn=churn, discount=discount, horizon=12),
    }
    assert found == pytest.approx(expect, abs=example["tol"])


def test_the_published_multiple(reference):
    example = reference("A-LTV-02")
    given_, expect = example["input"], example["expect"]
    terms = {"margin": given_["m"], "churn": 1 - given_["r"], "discount": given_["i"]}
    assert ltv.lifetime_value(**terms, timing="end") == pytest.approx(expect["clv"], abs=example["tol"])
    assert ltv.lifetime_value(**terms) == pytest.approx(expect["clv_with_first_margin"], abs=example["tol"])


@given(margins, rates, st.floats(0, 0.5), st.integers(0, 40), st.sampled_from(["start", "end"]))
def test_the_finite_value_is_the_sum_of_its_payments(margin, churn, discount, horizon, timing):
    first = 0 if timing == "start" else 1
    stream = sum(margin * (1 - churn) ** k / (1 + discount) ** k for k in range(first, first + horizon))
    value = ltv.lifetime_value(margin=margin, churn=churn, discount=discount, horizon=horizon, timing=timing)
    assert value == pytest.approx(stream, rel=1e-9, abs=1e-6)


@given(margins, st.floats(0.05, 1), st.floats(0, 0.5), st.sampled_from(["start", "end"]))
def test_the_infinite_value_is_the_limit_of_the_finite_one(margin, churn, discount, timing):
    terms = {"margin": margin, "churn": churn, "discount": discount, "timing": timing}
    assert ltv.lifetime_value(**terms) == pytest.approx(ltv.lifetime_value(**terms, horizon=2000), rel=1e-9, abs=1e-6)


@given(st.floats(0.01, 1e6), st.floats(0.01, 0.9), st.floats(0, 0.5))
def test_more_churn_or_later_payment_is_worth_less(margin, churn, discount):
    terms = {"margin": margin, "discount": discount}
    value = ltv.lifetime_value(**terms, churn=churn)
    assert ltv.lifetime_value(**terms, churn=min(1, churn * 1.1)) < value
    assert ltv.lifetime_value(**terms, churn=churn, timing="end") == pytest.approx(value - margin, abs=1e-6)


@given(st.lists(st.tuples(margins, rates), min_size=1, max_size=5), st.floats(0, 0.5), st.floats(0, 50))
def test_arrays_agree_with_numbers(rows, discount, horizon):
    margin, churn = np.array(rows).T
    for extra in ({}, {"horizon": horizon}, {"timing": "end"}):
        one_by_one = [ltv.lifetime_value(margin=m, churn=c, discount=discount, **extra) for m, c in rows]
        together = ltv.lifetime_value(margin=margin, churn=churn, discount=discount, **extra)
        np.testing.assert_allclose(together, one_by_one, rtol=1e-12)


def test_nobody_leaving_has_no_value_without_a_horizon():
    with pytest.raises(UndefinedMetric, match="churn is 0, so the lifetime has no end; give a horizon"):
        ltv.lifetime_value(margin=40, churn=0)
    with pytest.raises(UndefinedMetric):
        ltv.lifetime_value(margin=40, churn=0, discount=0.01)
    assert ltv.lifetime_value(margin=40, churn=0, horizon=12) == 480
    assert ltv.lifetime_value(margin=40, churn=0, horizon=12, timing="end") == 480
    np.testing.assert_array_equal(ltv.lifetime_value(margin=40, churn=[0, 0.5], horizon=2), [80, 60])
    np.testing.assert_array_equal(ltv.lifetime_value(margin=40, churn=[0, 0.5], undefined="nan"), [np.nan, 80])
    with pytest.raises(UndefinedMetric, match=r"at \[0\]"):
        ltv.lifetime_value(margin=40, churn=[0, 0.5])


def test_everybody_leaving_leaves_the_first_payment():
    assert ltv.lifetime_value(margin=40, churn=1) == 40
    assert ltv.lifetime_value(margin=40, churn=1, timing="end") == 0
    assert ltv.lifetime_value(margin=40, churn=1, horizon=3) == 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give either periods .* or churn"),
        ({"periods": 7, "churn": 0.05}, "give either periods"),
        ({"periods": 7, "discount": 0.01}, "discount, timing and horizon need churn"),
        ({"periods": 7, "horizon": 3}, "discount, timing and horizon need churn"),
        ({"periods": 7, "timing": "end"}, "discount, timing and horizon need churn"),
        ({"periods": -1}, "periods must be a finite number >= 0"),
        ({"churn": 1.2}, "churn must be a fraction"),
        ({"churn": 0.1, "discount": -0.1}, "discount must be"),
        ({"churn": 0.1, "horizon": -1}, "horizon must be"),
        ({"churn": 0.1, "timing": "middle"}, "timing must be one of 'start', 'end'"),
        ({"churn": [0.1, 0.2], "discount": [0.1, 0.2, 0.3]}, r"churn \(2,\), discount \(3,\)"),
    ],
)
def test_contradictory_or_impossible_terms_are_named(arguments, message):
    with pytest.raises(InvalidValue, match=message):
        ltv.lifetime_value(margin=40, **arguments)


def test_spend_that_brought_nobody():
    with pytest.raises(UndefinedMetric, match="nobody was won for this spend"):
        ltv.acquisition_cost(spend=100, customers=0)
    np.testing.assert_array_equal(
        ltv.acquisition_cost(spend=[100, 50], customers=[0, 5], undefined="nan"), [np.nan, 10]
    )
    with pytest.raises(InvalidValue, match="spend must be a finite number >= 0"):
        ltv.acquisition_cost(spend=-1, customers=5)
    with pytest.raises(InvalidType, match="spend must be a number"):
        ltv.acquisition_cost(spend="410", customers=15)


@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e9), st.floats(1e-3, 1e3))
def test_the_ratio_has_no_currency(value, cost, rate):
    ratio = ltv.ltv_to_cac(ltv=value, cac=cost)
    assert ltv.ltv_to_cac(ltv=value * rate, cac=cost * rate) == pytest.approx(ratio, rel=1e-9)
    assert ratio * cost == pytest.approx(value, rel=1e-9, abs=1e-9)


def test_customers_that_cost_nothing_have_no_ratio():
    with pytest.raises(UndefinedMetric, match="cost nothing to win"):
        ltv.ltv_to_cac(ltv=60, cac=0)
