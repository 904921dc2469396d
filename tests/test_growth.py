"""The base over time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics import growth, ltv
from retention_metrics.errors import InvalidValue


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
    total, paid, deepest = 0, None, (0, None)
    for n in range(1, len(acquired) + 1):
        total += margin * sum(acquired[:n]) - spend
        if spend > 0 and total >= 0 and paid is None:
            paid = n
        if -total > deepest[0]:
            deepest = (-total, n)
    assert base.break_even == paid
    assert (base.reason is None) == (paid is not None)
    assert (base.funding_need, base.funding_period) == deepest


def test_why_there_is_no_break_even():
    terms = {"acquired": 1, "retention": 0.5, "periods": 3}
    assert growth.project(**terms).reason == "no margin was given"
    assert growth.project(**terms, margin=1).reason == "no spend was given"
    assert growth.project(**terms, margin=1, spend=0).reason == "nothing was spent"
    assert growth.project(**terms, margin=1, spend=9).reason == "the margin has not paid for the spend within 3 periods"
    with pytest.raises(InvalidValue, match="spend needs margin"):
        growth.project(**terms, spend=9)


def test_advertising_that_has_not_begun_has_not_paid():
    late = growth.project(start=10, acquired=0, retention=1, periods=4, margin=1, spend=[0, 0, 35, 0])
    assert (late.break_even, late.funding_need, late.funding_period) == (4, 5, 3)


def test_rounding_does_not_put_off_the_break_even():
    exact = growth.project(acquired=[1, 0, 0, 0], retention=1, periods=4, margin=0.1, spend=[0.4, 0, 0, 0])
    assert 0.1 - 0.4 + 0.1 + 0.1 + 0.1 < 0  # in float64
    assert exact.break_even == 4


def test_rounding_needs_no_funds_and_a_small_sum_does():
    still = {"start": 1, "acquired": 0, "retention": 1}
    even = growth.project(**still, periods=8, margin=0.1, spend=[0] * 7 + [0.8])
    assert even.cumulative[-1] < 0  # in float64
    assert (even.funding_need, even.funding_period) == (0, None)
    small = growth.project(**still, periods=1, margin=1e6, spend=1e6 + 0.5)
    assert (small.funding_need, small.funding_period) == (0.5, 1)


def test_a_projection_cannot_be_changed_and_reads_as_a_table():
    base = growth.project(acquired=[15, 20], retention=1.0, periods=2, margin=5, spend=410)
    with pytest.raises(ValueError, match="read-only"):
        base.active[0] = 1
    assert base.to_dict()["active"] == [15, 35]
    columns = ["period", "active", "acquired", "referred", "lost", "margin", "spend", "cumulative"]
    assert base.to_frame("polars").columns == columns
    assert all(column in base.to_frame("pyarrow").column_names for column in columns)
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
        ({"referral": -0.1}, "referral must be a finite number >= 0"),
        ({"referral": [0.1]}, "referral must be one number or 3"),
        ({"returning": 1.5}, "returning must be a fraction"),
        ({"lapsed": 5}, "lapsed needs returning"),
        ({"lapsed": [5, 6], "returning": 0.1}, "lapsed must be one number"),
        ({"discount": 0.1}, "discount needs margin"),
        ({"discount": -0.1, "margin": 1}, "discount must be a finite number >= 0"),
        ({"discount": [0.1, 0.2], "margin": 1}, "discount must be one number"),
        ({"survival": [1, 0]}, "give either retention .* or survival"),
        ({"retention": None}, "give either retention .* or survival"),
        ({"referral": 1e200}, "the base outgrows float64 in period 3"),
        ({"margin": 1e308, "retention": 1}, "the money outgrows float64 in period 2"),
    ],
)
def test_impossible_terms_are_named(changes, message):
    with pytest.raises(InvalidValue, match=message):
        growth.project(**{"acquired": 1, "retention": 0.5, "periods": 3, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"survival": 1}, "survival must be one number an age"),
        ({"survival": [[1, 0]]}, "survival must be one number an age"),
        ({"survival": [0.9, 0]}, r"survival\[0\] must be 1: at age 0 nobody has left yet, got 0.9"),
        ({"survival": [1, 0.5, 0.6, 0]}, r"survival must not rise with age; first at \[2\]"),
        ({"survival": [1, 1.5]}, "survival must be a fraction|survival.1. must be a fraction"),
        ({"survival": [1, 0.5]}, "survival ends at age 1 with 0.5 of the customers still there, and age 2 is asked"),
        ({"survival": [1, 0.5, 0.4], "start": [3]}, "and age 3 is asked for; go on to that age, or append 0"),
        ({"start": 5}, "with survival, start must be 0 or customers by age"),
        ({"start": [[5]]}, "start must be one number an age"),
        ({"start": [5, 4, 1]}, "start has customers of age 2, an age that nobody reaches"),
        ({"start": [5, -4]}, r"start\[1\] must be a finite number >= 0"),
        ({"returning": 0.1}, "returning needs retention"),
    ],
)
def test_impossible_curves_are_named(changes, message):
    with pytest.raises(InvalidValue, match=message):
        growth.project(**{"acquired": 1, "survival": [1, 0.5, 0], "periods": 3, **changes})


def test_survival_by_age(reference):
    example = reference("A-GRO-06")
    given_, expect = example["input"], example["expect"]
    base = growth.project(acquired=given_["a"], survival=[*given_["S"], 0], periods=5)
    np.testing.assert_allclose(base.active, expect["active"], atol=example["tol"])
    np.testing.assert_allclose(base.lost, [0, 40, 55, 60, 100])


def test_nobody_may_be_of_an_age_that_nobody_reaches():
    terms = {"acquired": 1, "survival": [1, 0.5, 0], "periods": 2}
    padded = growth.project(start=[5, 4, 0, 0, 0], **terms)
    np.testing.assert_allclose(padded.active, [1 + 2.5, 1 + 0.5])
    np.testing.assert_array_equal(padded.active, growth.project(start=[5, 4], **terms).active)


def test_a_curve_that_goes_on_long_enough_need_not_reach_zero():
    base = growth.project(acquired=100, survival=[1, 0.6, 0.45], periods=3)
    np.testing.assert_allclose(base.active, [100, 160, 205])


shares = st.floats(0, 1, allow_subnormal=False)
curves = st.lists(shares, min_size=1, max_size=8).map(lambda kept: np.cumprod([1, *kept, 0]))


@given(curves, st.data())
def test_with_survival_the_base_is_a_convolution(curve, data):
    periods = data.draw(st.integers(1, 12))
    acquired = np.array(data.draw(st.lists(st.floats(0, 100), min_size=periods, max_size=periods)))
    ages = int((curve > 0).sum())
    start = np.array(data.draw(st.lists(st.floats(0, 100), min_size=1, max_size=ages)))
    base = growth.project(start=start, acquired=acquired, survival=curve, periods=periods)
    by_hand = np.zeros(periods)
    for t in range(periods):
        for s in range(t + 1):
            by_hand[t] += acquired[s] * (curve[t - s] if t - s < curve.size else 0)
        for age, present in enumerate(start):
            reached = age + t + 1
            by_hand[t] += present * (curve[reached] if reached < curve.size else 0) / curve[age]
    np.testing.assert_allclose(base.active, by_hand, rtol=1e-9, atol=1e-9)


@given(st.floats(0, 1), st.floats(0, 0.5), st.integers(1, 12))
def test_constant_retention_is_a_geometric_curve(retention, referral, periods):
    terms = {"acquired": 15, "referral": referral, "periods": periods, "margin": 2, "spend": 20}
    by_rate = growth.project(retention=retention, **terms)
    by_age = growth.project(survival=retention ** np.arange(periods), **terms)
    for name in ("active", "acquired", "referred", "lost", "cumulative"):
        np.testing.assert_allclose(getattr(by_age, name), getattr(by_rate, name), rtol=1e-9, atol=1e-9)
    assert by_age.break_even == by_rate.break_even


@given(st.floats(0, 1e6), st.floats(0, 1e4), st.floats(0, 1), st.floats(0.001, 0.5), st.integers(1, 60))
def test_referral_adds_to_retention(start, acquired, retention, referral, periods):
    base = growth.project(start=start, acquired=acquired, retention=retention, referral=referral, periods=periods)
    t, q = np.arange(1, periods + 1), retention + referral
    powers = np.array([sum(q**j for j in range(n)) for n in t])
    np.testing.assert_allclose(base.active, start * q**t + acquired * powers, rtol=1e-9)
    opening = np.concatenate([[start], base.active[:-1]])
    np.testing.assert_allclose(base.referred, referral * opening, rtol=1e-12)
    after = opening + base.acquired + base.referred - base.lost
    np.testing.assert_allclose(after, base.active, rtol=1e-9, atol=1e-12 * opening.max())


@given(
    st.lists(st.tuples(shares, shares, st.floats(0, 50)), min_size=1, max_size=20), st.floats(0, 50), st.floats(0, 50)
)
def test_active_and_lapsed_together_grow_by_what_is_won(rates, start, lapsed):
    retention, returning, acquired = (np.array(column) for column in zip(*rates, strict=True))
    base = growth.project(
        start=start, lapsed=lapsed, acquired=acquired, retention=retention, returning=returning, periods=len(rates)
    )
    np.testing.assert_allclose(base.active + base.lapsed, start + lapsed + np.cumsum(acquired), rtol=1e-9, atol=1e-9)
    a, dormant = start, lapsed
    for t, (r, q, new) in enumerate(rates):
        a, dormant = a * r + dormant * q + new, dormant * (1 - q) + a * (1 - r)
        assert (base.active[t], base.lapsed[t]) == pytest.approx((a, dormant), rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(base.returned, returning * [lapsed, *base.lapsed[:-1]], rtol=1e-12)


def test_nobody_returns_when_the_share_is_zero():
    terms = {"start": 50, "acquired": 5, "retention": 0.8, "periods": 6}
    plain, books = growth.project(**terms), growth.project(**terms, returning=0, lapsed=7)
    np.testing.assert_array_equal(plain.active, books.active)
    np.testing.assert_allclose(books.lapsed, 7 + np.cumsum(plain.lost))
    assert plain.returned is plain.lapsed is None
    assert "lapsed" not in plain.to_dict()
    assert books.to_dict()["returned"] == [0] * 6


@given(st.floats(0.01, 0.9), st.floats(0, 0.2), st.integers(1, 40))
def test_one_customer_brings_the_lifetime_value(churn, discount, periods):
    one = growth.project(
        acquired=[1] + [0] * (periods - 1), retention=1 - churn, periods=periods, margin=40, discount=discount
    )
    value = ltv.lifetime_value(margin=40, churn=churn, discount=discount, horizon=periods)
    assert one.cumulative[-1] == pytest.approx(value, rel=1e-9)


def test_discounting_moves_the_break_even_and_not_the_money_in_hand():
    terms = {"acquired": 15, "retention": 1.0, "periods": 24, "margin": 5, "spend": 410}
    plain, later = growth.project(**terms), growth.project(**terms, discount=0.05)
    worth = [sum((5 * 15 * (t + 1) - 410) / 1.05**t for t in range(n)) for n in range(1, 25)]
    np.testing.assert_allclose(later.cumulative, worth)
    assert later.break_even == next(n for n in range(1, 25) if worth[n - 1] >= 0) > plain.break_even
    assert (later.funding_need, later.funding_period) == (plain.funding_need, plain.funding_period) == (925, 5)
    assert "cumulative_discounted" in later.to_dict()
    assert "cumulative" not in later.to_dict()


def test_a_projection_prints_on_one_screen():
    long = str(growth.project(acquired=15, retention=1.0, periods=60, margin=5, spend=410))
    assert len(long.splitlines()) < 30
    assert "..." in long
    assert long.splitlines()[-2:] == ["break-even in period 10", "deepest funding need 925.00 in period 5"]
    assert "no break-even: nothing was spent" in str(
        growth.project(acquired=1, retention=1, periods=1, margin=1, spend=0)
    )
    assert str(growth.project(acquired=1e13, retention=1, periods=1)).split()[-5:] == [
        "1",
        "1e+13",
        "1e+13",
        "0.00",
        "0.00",
    ]
