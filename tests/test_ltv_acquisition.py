"""Acquisition cost on its axes and with its lag, payback, and what came back for the spend."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from retention_metrics import ltv
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric


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


# The two axes


def test_the_four_costs_side_by_side(reference):
    example = reference("S-CAC-01")
    given_, expect = example["input"], example["expect"]
    table = ltv.acquisition_costs(
        media=given_["media"],
        agency=given_["agency"],
        sales_salaries=given_["sales_cost"],
        customers=given_["customers"],
        paid=10,
    )
    values = {(cell.cost, cell.customers): cell.value for cell in table.cells}
    assert values == pytest.approx(
        {
            ("media", "all"): expect["media_cac"],
            ("media", "paid"): 26,
            ("loaded", "all"): expect["loaded_cac"],
            ("loaded", "paid"): 41,
        },
        abs=example["tol"],
    )
    assert table.cell(cost="loaded", customers="paid").spend == 410
    assert ltv.AcquisitionCosts.model_validate_json(table.model_dump_json()) == table
    assert table.to_frame("polars").shape == (4, 6)


money = st.floats(0, 1e6)


@given(money, money, money, money, money, st.integers(1, 500), st.data())
def test_full_costs_are_never_below_media_and_paid_customers_never_cheaper(m, a, t, x, y, customers, data):
    paid = data.draw(st.integers(1, customers))
    table = ltv.acquisition_costs(
        media=m, agency=a, tools=t, marketing_salaries=x, sales_salaries=y, customers=customers, paid=paid
    )
    media_all, media_paid, loaded_all, loaded_paid = (cell.value for cell in table.cells)
    assert media_all <= media_paid <= loaded_paid
    assert media_all <= loaded_all <= loaded_paid
    assert loaded_all * customers == pytest.approx(m + a + t + x + y)


def test_gaps_in_the_four_have_their_reasons():
    table = ltv.acquisition_costs(media=260, customers=15)
    assert [cell.value is None for cell in table.cells] == [False, True, False, True]
    assert "nobody knows whom advertising brought" in table.cell(cost="media", customers="paid").reason
    assert str(table).splitlines()[-1] == "paid is not given, so nobody knows whom advertising brought"
    organic = ltv.acquisition_costs(media=260, customers=15, paid=0)
    assert organic.cell(cost="media", customers="paid").reason == "customers is 0, nobody was won for this spend"
    with pytest.raises(InvalidValue, match="paid must be at most the 15 customers, got 16"):
        ltv.acquisition_costs(media=260, customers=15, paid=16)
    with pytest.raises(InvalidValue, match="tools must be a finite number >= 0"):
        ltv.acquisition_costs(media=260, customers=15, tools=-1)
    with pytest.raises(InvalidValue, match="customers must be one number"):
        ltv.acquisition_costs(media=260, customers=[15, 3])
    with pytest.raises(InvalidValue, match="did you mean 'loaded'"):
        table.cell(cost="load", customers="all")


# The time that spend takes to work

spends = st.lists(st.tuples(st.floats(0, 1e4), st.integers(0, 50)), min_size=2, max_size=12)


@given(spends, st.lists(st.integers(0, 5), min_size=1, max_size=4).filter(any))
def test_spend_is_set_against_the_periods_it_works_in(rows, parts):
    spend, customers = (list(column) for column in zip(*rows, strict=True))
    weights = np.array(parts) / sum(parts)
    reach = max(j for j, part in enumerate(parts) if part)
    assume(reach < len(rows))
    cost = ltv.lagged_acquisition_cost(spend=spend, customers=customers, weights=weights)
    worked = [sum(weights[j] * spend[t - j] for j in range(reach + 1)) for t in range(reach, len(rows))]
    assert cost.left_out == reach
    assert cost.working[reach:] == pytest.approx(worked, abs=1e-9)
    assert np.isnan(cost.working[:reach]).all()
    late = [(t, j) for t in range(len(rows)) for j in range(reach + 1) if t + j >= len(rows)]
    assert cost.pending == pytest.approx(sum(weights[j] * spend[t] for t, j in late), abs=1e-9)
    if sum(customers[reach:]):
        assert cost.value == pytest.approx(sum(worked) / sum(customers[reach:]), abs=1e-9)
    else:
        with pytest.raises(UndefinedMetric, match="nobody was won"):
            _ = cost.value


@given(spends, st.integers(0, 3))
def test_one_lag_is_a_distribution_at_one_point(rows, lag):
    assume(lag < len(rows))
    spend, customers = (list(column) for column in zip(*rows, strict=True))
    one = ltv.lagged_acquisition_cost(spend=spend, customers=customers, lag_periods=lag)
    weights = [0.0] * lag + [1.0, 0.0]
    assert one.to_dict() == ltv.lagged_acquisition_cost(spend=spend, customers=customers, weights=weights).to_dict()
    assert one.working[lag:].tolist() == spend[: len(rows) - lag]


def test_growing_spend_looks_dear_without_the_lag():
    spend, customers = [100 * 2**t for t in range(6)], [0] + [5 * 2**t for t in range(5)]
    at_once = ltv.acquisition_cost(spend=sum(spend), customers=sum(customers))
    lagged = ltv.lagged_acquisition_cost(spend=spend, customers=customers)
    assert (lagged.value, lagged.left_out, lagged.pending) == (20, 1, 3_200)
    assert at_once > 2 * lagged.value
    table = lagged.to_dict()
    assert table["cac"] == [None, 20, 20, 20, 20, 20]
    assert table["reason"][0] == "earlier spend works here, and it is not known"
    assert lagged.to_frame("polars").columns == ["period", "working", "customers", "cac", "reason"]
    empty = ltv.lagged_acquisition_cost(spend=[50, 50], customers=[1, 0], lag_periods=1)
    assert empty.to_dict()["reason"][1] == "customers is 0, nobody was won for this spend"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lag_periods": 3}, "works up to 3 periods later and only 3 are known"),
        ({"lag_periods": -1}, "lag_periods must be a whole number >= 0"),
        ({"lag_periods": 0.5}, "lag_periods must be a whole number >= 0"),
        ({"weights": [0.5, 0.4]}, "weights must be shares by lag that sum to 1, got a sum of 0.9"),
        ({"weights": [1.5, -0.5]}, r"weights\[0\] must be a fraction"),
        ({"weights": [0, 1], "lag_periods": 1}, "give either lag_periods .* or weights"),
        ({"customers": [1, 2]}, "one number a period each"),
        ({"spend": 100}, "one number a period each"),
        ({"spend": [1, -2, 3]}, r"spend\[1\] must be a finite number >= 0"),
    ],
)
def test_impossible_lags_are_refused(arguments, message):
    with pytest.raises(InvalidValue, match=message):
        ltv.lagged_acquisition_cost(**{"spend": [100, 100, 100], "customers": [1, 2, 3]} | arguments)


# Payback


def test_simple_payback(reference):
    example = reference("A-LTV-03")
    given_, expect = example["input"], example["expect"]
    found = ltv.payback(cac=given_["cac"], margin=given_["arpu"] * given_["gross_margin"])
    assert found.periods == expect["months"]
    assert found.exact_periods == pytest.approx(expect["months"])
    assert ltv.Payback.model_validate_json(found.model_dump_json()) == found


@given(st.integers(1, 2_000), st.integers(0, 99), st.integers(0, 20), st.integers(1, 80))
def test_a_cost_that_is_exactly_a_sum_is_paid_by_its_last_payment(cents, churn, discount, n):
    """The sum in exact arithmetic, handed over as the nearest float, like a user's decimals."""
    margin, kept = Fraction(cents, 100), Fraction(100 - churn, 100) / (1 + Fraction(discount, 100))
    cost = margin * (n if kept == 1 else (1 - kept**n) / (1 - kept))
    assume(margin * kept ** (n - 1) > cost / 10**7)  # payments that do not drown in the tolerance
    terms = {"margin": float(margin), "churn": churn / 100, "discount": discount / 100}
    found = ltv.payback(cac=float(cost), **terms)
    assert found.periods == n
    assert found.exact_periods == pytest.approx(n, abs=1e-4)
    assert found.exact_periods <= n
    assert ltv.payback(cac=float(cost) * (1 + 1e-9), **terms).periods in {n + 1, None}
    assert ltv.payback(cac=float(cost) * (1 - 1e-9), **terms).periods == n


@given(st.floats(0.01, 1e4), st.floats(0.01, 1e3), st.floats(0, 1), st.floats(0, 0.2))
def test_payback_is_the_first_period_whose_cumulated_stream_passes_the_cost(cac, margin, churn, discount):
    found = ltv.payback(cac=cac, margin=margin, churn=churn, discount=discount)
    n, before, paid, due = 0, 0.0, 0.0, margin
    while paid < cac and n < 2_000:
        n, before, paid = n + 1, paid, paid + due
        due *= (1 - churn) / (1 + discount)
    if paid < cac:
        assert found.periods is None or found.periods > 2_000
        return
    assume(min(paid - cac, cac - before) > 1e-9 * cac)
    assert found.periods == n
    assert n - 1 < found.exact_periods <= n


@given(st.floats(1, 1e3), st.floats(0.01, 0.9), st.floats(0.01, 0.99))
def test_the_exact_payback_solves_its_equation(margin, churn, share):
    cac = share * margin / churn
    exact = ltv.payback(cac=cac, margin=margin, churn=churn).exact_periods
    assert margin * (1 - (1 - churn) ** exact) / churn == pytest.approx(cac, rel=1e-6)
    steady = ltv.payback(cac=cac, margin=margin).exact_periods
    assert steady == pytest.approx(cac / margin)
    assert exact > steady or exact == pytest.approx(steady) or cac <= margin


def test_what_is_never_paid_back_says_why():
    for churn, worth in ((0.05, 800), (0.1, 400), (0.3, 40 / 0.3)):
        assert ltv.lifetime_value(margin=40, churn=churn) == pytest.approx(worth)
        never = ltv.payback(cac=worth, margin=40, churn=churn)
        assert (never.periods, never.exact_periods) == (None, None)
        assert never.reason.startswith("a customer brings at most")
        assert ltv.payback(cac=worth * 0.999, margin=40, churn=churn).periods >= 20
    assert ltv.payback(cac=5_000, margin=40, discount=0.01).periods is None
    for margin in (0, -3):
        assert "so the cost is never covered" in ltv.payback(cac=10, margin=margin).reason
    assert ltv.payback(cac=1e300, margin=1e-300).periods is None
    assert str(never).startswith("never: a customer brings at most 133.3 in all and costs 133.3")


@pytest.mark.parametrize("discount", [5e-324, 1e-300, 1e-18])
def test_a_discount_too_small_to_show_changes_no_payback(discount):
    for cac, margin, periods, exact in ((1.5, 1, 2, 1.5), (1, 2, 1, 0.5), (600, 40, 15, 15)):
        found = ltv.payback(cac=cac, margin=margin, discount=discount)
        assert (found.periods, found.exact_periods) == (periods, pytest.approx(exact, rel=1e-12))
    assert ltv.payback(cac=1e12, margin=1, discount=1e-13).exact_periods == pytest.approx(1e12 * 1.0536, rel=1e-4)


def test_the_edges_of_payback():
    assert ltv.payback(cac=0, margin=-3).periods == 0
    assert ltv.payback(cac=40, margin=40, churn=1).periods == 1
    assert ltv.payback(cac=40.01, margin=40, churn=1).periods is None
    assert ltv.payback(cac=0.3, margin=0.1).periods == 3
    assert str(ltv.payback(cac=100, margin=40)) == "3 periods (2.50)"
    for arguments, message in (
        ({"cac": -1}, "cac must be"),
        ({"churn": 1.1}, "churn must be a fraction"),
        ({"discount": -1}, "discount must be"),
        ({"margin": [1, 2]}, "margin must be one number"),
    ):
        with pytest.raises(InvalidValue, match=message):
            ltv.payback(**{"cac": 600, "margin": 40} | arguments)


# What came back for the spend


def test_the_magic_number(reference):
    example = reference("A-LTV-04")
    given_, expect = example["input"], example["expect"]
    magic = ltv.magic_number(revenue_change=given_["delta_quarter_revenue"], prior_spend=given_["prior_quarter_sm"])
    assert magic == pytest.approx(expect["magic"], abs=example["tol"])
    assert 12 / magic == pytest.approx(expect["implied_payback_months"], abs=example["tol"])


def test_return_on_margin_return_on_revenue_and_break_even(reference):
    example = reference("A-LTV-05")
    given_, expect = example["input"], example["expect"]
    terms = {"revenue": given_["revenue"], "spend": given_["spend"]}
    assert ltv.romi(**terms, margin_share=given_["gross_margin"]) == pytest.approx(expect["romi"])
    assert ltv.roas(**terms) == pytest.approx(expect["roas"])
    units = ltv.break_even_units(fixed=given_["fixed"], price=given_["price"], variable=given_["variable"])
    assert units == expect["breakeven_units"]


@given(st.floats(0, 1e6), st.floats(0, 1), st.floats(1, 1e6))
def test_romi_is_roas_times_margin_less_one(revenue, share, spend):
    expected = ltv.roas(revenue=revenue, spend=spend) * share - 1
    assert ltv.romi(revenue=revenue, margin_share=share, spend=spend) == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 10**6), st.integers(1, 10**4), st.integers(0, 10**4))
def test_break_even_is_the_smallest_number_of_units_that_covers(fixed, gain, variable):
    units = ltv.break_even_units(fixed=fixed / 100, price=(variable + gain) / 100, variable=variable / 100)
    assert units * gain >= fixed > (units - 1) * gain or (fixed == 0 and units == 0)


def test_returns_of_arrays_and_without_spend():
    np.testing.assert_array_equal(ltv.roas(revenue=[10, 20], spend=[5, 0], undefined="nan"), [2, np.nan])
    np.testing.assert_array_equal(
        ltv.romi(revenue=[10, 20], margin_share=0.5, spend=[5, 0], undefined="nan"), [0, np.nan]
    )
    np.testing.assert_array_equal(
        ltv.magic_number(revenue_change=[10, 20], prior_spend=[40, 0], undefined="nan"), [1, np.nan]
    )
    np.testing.assert_array_equal(
        ltv.break_even_units(fixed=[10, 10, 10], price=[3, 3, 3], variable=[1, 3, 4], undefined="nan"),
        [5, np.nan, np.nan],
    )
    with pytest.raises(UndefinedMetric, match="roas is undefined: spend is 0"):
        ltv.roas(revenue=10, spend=0)
    with pytest.raises(UndefinedMetric, match="romi is undefined: spend is 0"):
        ltv.romi(revenue=10, margin_share=0.5, spend=0)
    with pytest.raises(UndefinedMetric, match="prior_spend is 0"):
        ltv.magic_number(revenue_change=10, prior_spend=0)
    with pytest.raises(UndefinedMetric, match="price does not exceed variable"):
        ltv.break_even_units(fixed=10, price=3, variable=3)
    with pytest.raises(InvalidValue, match="margin_share must be a fraction"):
        ltv.romi(revenue=10, margin_share=50, spend=1)
    with pytest.raises(InvalidValue, match="revenue must be"):
        ltv.roas(revenue=-10, spend=1)
    assert math.isclose(ltv.magic_number(revenue_change=-10, prior_spend=40), -1)
