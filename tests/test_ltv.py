"""Lifetime value: in closed form, from counted losses, from a survival curve and from cohorts."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from retention_metrics import cohorts, ltv, survival
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric

rates = st.floats(0.001, 1)
margins = st.floats(-1e6, 1e6)


def test_margin_times_months(reference):
    example = reference("S-LTV-01")
    given_, expect = example["input"], example["expect"]
    assert ltv.lifetime_value(margin=given_["margin_per_month"], periods=given_["months"]) == expect["ltv"]


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
        ({"periods": 7, "discount": 0.01}, "discount, timing, horizon and expansion need churn"),
        ({"periods": 7, "horizon": 3}, "discount, timing, horizon and expansion need churn"),
        ({"periods": 7, "timing": "end"}, "discount, timing, horizon and expansion need churn"),
        ({"periods": 7, "expansion": 0.1}, "discount, timing, horizon and expansion need churn"),
        ({"periods": -1}, "periods must be a finite number >= 0"),
        ({"churn": 1.2}, "churn must be a fraction"),
        ({"churn": 0.1, "discount": -0.1}, "discount must be"),
        ({"churn": 0.1, "horizon": -1}, "horizon must be"),
        ({"churn": 0.1, "timing": "middle"}, "timing must be one of 'start', 'end'"),
        ({"churn": 0.1, "expansion": -1}, "expansion must be a finite number > -1"),
        ({"churn": 0.1, "expansion": -0.1, "expansion_kind": "linear"}, "expansion must be a finite number >= 0"),
        ({"churn": 0.1, "expansion_kind": "lineal"}, "did you mean 'linear'"),
        ({"churn": [0.1, 0.2], "discount": [0.1, 0.2, 0.3]}, r"churn \(2,\), discount \(3,\)"),
    ],
)
def test_contradictory_or_impossible_terms_are_named(arguments, message):
    with pytest.raises(InvalidValue, match=message):
        ltv.lifetime_value(margin=40, **arguments)


streams = {
    "churn": st.floats(0.01, 1),
    "discount": st.floats(0, 0.5),
    "expansion": st.floats(-0.5, 0.5),
    "timing": st.sampled_from(["start", "end"]),
    "expansion_kind": st.sampled_from(["compound", "linear"]),
}


def payments(margin, churn, discount, expansion, timing, expansion_kind, horizon):
    """What one customer pays on average, payment by payment."""
    due, alive, worth = margin, 1.0, 1.0
    for _ in range(horizon):
        if timing == "end":
            alive, worth = alive * (1 - churn), worth / (1 + discount)
        yield due * alive * worth
        if timing == "start":
            alive, worth = alive * (1 - churn), worth / (1 + discount)
        due = due * (1 + expansion) if expansion_kind == "compound" else due + expansion * margin


@given(st.fixed_dictionaries(streams), st.integers(0, 60))
def test_with_expansion_it_is_still_the_sum_of_its_payments(terms, horizon):
    terms["expansion"] = abs(terms["expansion"]) if terms["expansion_kind"] == "linear" else terms["expansion"]
    value = ltv.lifetime_value(margin=40, horizon=horizon, **terms)
    assert value == pytest.approx(math.fsum(payments(40, horizon=horizon, **terms)), rel=1e-9, abs=1e-9)


@given(st.fixed_dictionaries(streams))
def test_with_expansion_the_infinite_value_is_the_limit(terms):
    terms["expansion"] = abs(terms["expansion"]) if terms["expansion_kind"] == "linear" else terms["expansion"]
    if terms["expansion_kind"] == "compound" and (1 - terms["churn"]) * (1 + terms["expansion"]) >= 1:
        with pytest.raises(UndefinedMetric, match="expansion outweighs churn"):
            ltv.lifetime_value(margin=40, **terms)
        return
    kept = (1 - terms["churn"]) * (1 + terms["expansion"] * (terms["expansion_kind"] == "compound"))
    assume(kept < 0.97)
    limit = math.fsum(payments(40, horizon=1_500, **terms))
    assert ltv.lifetime_value(margin=40, **terms) == pytest.approx(limit, rel=1e-9)


def test_the_rows_of_the_definitions_with_expansion():
    """m / (1 - r (1 + g)), and Skok's a / (1 - K) + b K / (1 - K)^2 with K = r (1 - d), by hand."""
    assert ltv.lifetime_value(margin=40, churn=0.05, expansion=0.02) == pytest.approx(40 / (1 - 0.95 * 1.02))
    r, d, first, more = 0.95, 0.01, 40, 2
    k = r * (1 - d)
    skok = first / (1 - k) + more * k / (1 - k) ** 2
    found = ltv.lifetime_value(
        margin=first, churn=1 - r, discount=d / (1 - d), expansion=more / first, expansion_kind="linear"
    )
    assert found == pytest.approx(skok)


@given(st.floats(0, 1e-3), st.integers(1, 60))
def test_linear_expansion_is_exact_for_the_smallest_churn(churn, horizon):
    exact = sum((1 + Fraction(k, 8)) * (1 - Fraction(churn)) ** k for k in range(horizon))
    value = ltv.lifetime_value(margin=1, churn=churn, horizon=horizon, expansion=0.125, expansion_kind="linear")
    assert value == pytest.approx(float(exact), rel=1e-11)


@given(st.lists(st.tuples(margins, rates, st.floats(-0.5, 0.5)), min_size=1, max_size=5), st.floats(0, 50))
def test_arrays_agree_with_numbers_with_expansion(rows, horizon):
    margin, churn, growth = np.array(rows).T
    for kind, expansion in (("compound", growth), ("linear", abs(growth))):
        terms = {"horizon": horizon, "expansion_kind": kind}
        each = zip(margin, churn, expansion, strict=True)
        one_by_one = [ltv.lifetime_value(margin=m, churn=c, expansion=g, **terms) for m, c, g in each]
        together = ltv.lifetime_value(margin=margin, churn=churn, expansion=expansion, **terms)
        np.testing.assert_allclose(together, one_by_one, rtol=1e-12)


def test_growth_beyond_churn_has_no_value_without_a_horizon():
    for terms in ({}, {"discount": 0.5}):  # a discount makes the sum finite, and does not make the customer mortal
        with pytest.raises(UndefinedMetric, match="expansion outweighs churn.*give a horizon"):
            ltv.lifetime_value(margin=40, churn=0.2, expansion=0.25, **terms)
    for percent in range(1, 100):  # the two outweigh each other but for rounding
        with pytest.raises(UndefinedMetric, match="expansion outweighs churn"):
            ltv.lifetime_value(margin=40, churn=percent / 100, expansion=percent / (100 - percent))
    assert ltv.lifetime_value(margin=40, churn=0.2, expansion=0.25, horizon=3) == pytest.approx(120)
    assert ltv.lifetime_value(margin=40, churn=0, expansion=0.5, horizon=2) == 100
    assert ltv.lifetime_value(margin=40, churn=0, expansion=0.5, expansion_kind="linear", horizon=3) == 180
    with pytest.raises(UndefinedMetric, match="churn is 0"):
        ltv.lifetime_value(margin=40, churn=0, expansion=-0.1)
    found = ltv.lifetime_value(margin=40, churn=[0, 0.2, 0.5], expansion=[0, 0.25, 0], undefined="nan")
    np.testing.assert_array_equal(found, [np.nan, np.nan, 80])
    with pytest.raises(InvalidValue, match=r"beyond the largest float; shorten the horizon.*first at \[1\]"):
        ltv.lifetime_value(margin=[40, 40], churn=0.1, expansion=1, horizon=[5, 5_000])
    for terms in (
        {"margin": 0, "churn": 0.1, "expansion": 1, "horizon": 5_000},
        {"margin": 1, "churn": [0, 0], "expansion": 1, "expansion_kind": "linear", "horizon": 1e200},
        {"margin": 1, "churn": 1e-320},
    ):
        with pytest.raises(InvalidValue, match="beyond the largest float"):
            ltv.lifetime_value(**terms)
    assert ltv.lifetime_value(margin=1, churn=1e-320, horizon=2.5) == 2.5


# From counted losses


def test_the_estimate_is_the_value_at_the_churn_observed():
    estimate = ltv.lifetime_value_estimate(margin=40, lost=10, start=200, discount=0.01, timing="end")
    assert estimate.value == ltv.lifetime_value(margin=40, churn=0.05, discount=0.01, timing="end")
    assert ltv.LifetimeValue.model_validate_json(estimate.model_dump_json()) == estimate
    for method in ("wilson", "delta", "bootstrap"):
        span = estimate.interval(method=method)
        assert span.method == method
        assert span.low < estimate.value < span.high


@given(st.integers(1, 99), st.floats(1, 100))
def test_without_discount_the_interval_is_margin_over_that_of_churn(lost, margin):
    estimate = ltv.lifetime_value_estimate(margin=margin, lost=lost, start=100)
    churn, span = estimate.churn.interval(), estimate.interval()
    assert (span.low, span.high) == pytest.approx((margin / churn.high, margin / churn.low))
    mirrored = ltv.lifetime_value_estimate(margin=-margin, lost=lost, start=100).interval()
    assert (mirrored.low, mirrored.high) == pytest.approx((-span.high, -span.low))
    odds = math.log(lost / (100 - lost))
    delta = estimate.interval(method="delta")
    half = 1.959963984540054 / math.sqrt(100 * lost / 100 * (1 - lost / 100))
    assert delta.high == pytest.approx(margin * (1 + math.exp(half - odds)))
    assert delta.low == pytest.approx(margin * (1 + math.exp(-half - odds)))


def chances(n, p):
    return [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


@pytest.mark.parametrize(("n", "churn"), [(60, 0.1), (100, 0.05), (100, 0.3), (400, 0.02), (400, 0.05)])
def test_the_intervals_of_the_estimate_cover_as_promised(n, churn):
    """Exact coverage, all possible numbers of losses with their chances; without losses there is no upper limit."""
    true = ltv.lifetime_value(margin=40, churn=churn, discount=0.01)
    covered = dict.fromkeys(("wilson", "delta", "bootstrap", "at_least"), 0.0)
    for lost, chance in enumerate(chances(n, churn)):
        if chance < 1e-12:
            continue
        estimate = ltv.lifetime_value_estimate(margin=40, lost=lost, start=n, discount=0.01)
        covered["at_least"] += chance * (estimate.at_least() <= true)
        for method in ("wilson", "delta", "bootstrap"):
            try:
                span = estimate.interval(method=method)
            except UndefinedMetric:
                covered[method] += chance  # no upper limit is claimed
            else:
                covered[method] += chance * (span.low <= true <= span.high)
    assert 0.93 < covered["wilson"] < 0.98
    assert 0.93 < covered["delta"] < 0.98
    assert 0.93 < covered["bootstrap"] <= 1
    assert 0.95 <= covered["at_least"] < 0.99


def test_bootstrap_limits_are_quantiles_of_resampled_churn():
    rng = np.random.default_rng(4)
    drawn = 40 / (rng.binomial(500, 0.06, 400_000) / 500)
    span = ltv.lifetime_value_estimate(margin=40, lost=30, start=500).interval(0.9, method="bootstrap")
    assert (span.low, span.high) == pytest.approx(tuple(np.quantile(drawn, [0.05, 0.95], method="inverted_cdf")))


def test_nobody_lost_yet_has_a_lower_limit_only():
    estimate = ltv.lifetime_value_estimate(margin=40, lost=0, start=200)
    with pytest.raises(UndefinedMetric, match="churn is 0"):
        _ = estimate.value
    with pytest.raises(UndefinedMetric, match=r"churn may be as low as 0, .*see at_least\(\)"):
        estimate.interval()
    assert estimate.at_least() == pytest.approx(40 / (1 - 0.05 ** (1 / 200)))
    finite = ltv.lifetime_value_estimate(margin=40, lost=0, start=200, horizon=12)
    assert finite.value == finite.interval().high == 480
    for lost, who in ((0, "nobody"), (200, "everybody")):
        certain = ltv.lifetime_value_estimate(margin=40, lost=lost, start=200, horizon=12)
        for method in ("delta", "bootstrap"):
            with pytest.raises(UndefinedMetric, match=f"{who} of 200 left.*take that for certain"):
                certain.interval(method=method)
    growing = ltv.lifetime_value_estimate(margin=40, lost=10, start=200, expansion=0.03)
    with pytest.raises(UndefinedMetric, match=r"expansion outweighs churn.*see at_least"):
        growing.interval()
    assert growing.at_least() < growing.value
    unprofitable = ltv.lifetime_value_estimate(margin=-40, lost=10, start=200)
    assert unprofitable.at_least() < unprofitable.value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lost": 201}, "lost must be at most the 200 at the start, got 201"),
        ({"lost": 1.5}, "lost must be a whole number >= 0"),
        ({"start": 0}, "start must be a whole number >= 1"),
        ({"timing": "middle"}, "timing must be one of"),
        ({"discount": -1}, "discount must be"),
        ({"margin": [1, 2]}, "margin must be one number"),
    ],
)
def test_bad_counts_are_refused(arguments, message):
    with pytest.raises(InvalidValue, match=message):
        ltv.lifetime_value_estimate(**{"margin": 40, "lost": 10, "start": 200} | arguments)
    with pytest.raises(InvalidValue, match="level must be a fraction above 0 and below 1"):
        ltv.lifetime_value_estimate(margin=40, lost=10, start=200).interval(1)


# From a survival curve

spells = st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=3, max_size=40)


def curve_of(rows, shift=0.0):
    durations, observed = zip(*rows, strict=True)
    return survival.kaplan_meier([d - shift for d in durations], observed=list(observed))


@given(spells, st.integers(1, 12), st.floats(0, 0.3), st.sampled_from([0.0, 0.4]))
def test_the_value_of_a_curve_is_what_those_still_there_pay(rows, horizon, discount, shift):
    curve = curve_of(rows, shift)
    assume(curve.survival[-1] == 0 or horizon <= curve.times[-1])
    for timing, when in (("start", range(horizon)), ("end", range(1, horizon + 1))):
        stream = math.fsum(40 * curve.at(k) / (1 + discount) ** k for k in when)
        found = ltv.value_from_curve(curve, margin=40, discount=discount, horizon=horizon, timing=timing)
        assert found.value == pytest.approx(stream, abs=1e-9)


@given(spells, st.floats(0.5, 12), st.floats(0, 0.3))
def test_a_steady_flow_is_margin_times_the_restricted_mean(rows, horizon, discount):
    curve = curve_of(rows)
    assume(curve.survival[-1] == 0 or horizon <= curve.times[-1])
    flow = ltv.value_from_curve(curve, margin=40, horizon=horizon, timing="continuous")
    mean = curve.restricted_mean(horizon)
    assert flow.value == pytest.approx(40 * mean.value)
    assert flow.standard_error == pytest.approx(40 * mean.standard_error, abs=1e-9)
    later = ltv.value_from_curve(curve, margin=40, discount=discount, horizon=horizon, timing="continuous")
    grid = np.unique(np.concatenate([[0.0, horizon], curve.times[curve.times < horizon]])).tolist()
    force = math.log1p(discount)
    pieces = [
        40 * curve.at(a) * ((math.exp(-force * a) - math.exp(-force * b)) / force if force > 1e-9 else b - a)
        for a, b in itertools.pairwise(grid)
    ]
    assert later.value == pytest.approx(math.fsum(pieces), rel=1e-6)


@given(st.lists(st.integers(1, 12), min_size=3, max_size=40), st.floats(0, 0.2))
def test_with_all_lifetimes_complete_it_is_the_mean_of_what_each_paid(durations, discount):
    curve = survival.kaplan_meier(durations)
    paid = [40 * sum((1 + discount) ** -k for k in range(d)) for d in durations]
    found = ltv.value_from_curve(curve, margin=40, discount=discount)
    assert found.value == pytest.approx(np.mean(paid))
    assert found.standard_error == pytest.approx(np.std(paid) / math.sqrt(len(paid)), abs=1e-9)
    assert found.horizon == max(durations)


def test_a_constant_churn_gives_the_closed_form():
    left = [(1 - 0.2) ** k * 0.2 for k in range(60)]
    curve = survival.kaplan_meier(np.arange(1, 61), weights=np.array(left) * 1e6)
    for timing in ("start", "end"):
        terms = {"margin": 40, "discount": 0.01, "timing": timing, "horizon": 24}
        found = ltv.value_from_curve(curve, **terms).value
        assert found == pytest.approx(ltv.lifetime_value(churn=0.2, **terms), rel=1e-5)


def test_late_entry_is_not_survivorship():
    """Customers seen only from tenure 5 on say nothing of the first five periods."""
    rng = np.random.default_rng(11)
    lifetimes = rng.geometric(0.1, 40_000).astype(float)
    entry = np.where(rng.random(40_000) < 0.7, 5.0, 0.0)
    seen = lifetimes > entry
    durations, left = np.minimum(lifetimes, 30)[seen], (lifetimes <= 30)[seen]
    curve = survival.kaplan_meier(durations, left, entry=entry[seen])
    found = ltv.value_from_curve(curve, margin=40, horizon=24)
    true = ltv.lifetime_value(margin=40, churn=0.1, horizon=24)
    assert found.value == pytest.approx(true, rel=0.02)
    blind = survival.kaplan_meier(durations, left)
    assert ltv.value_from_curve(blind, margin=40, horizon=24).value > 1.1 * true
    span = found.interval(method="bootstrap", rng=1)
    delta = found.interval()
    assert (span.low, span.high) == pytest.approx((delta.low, delta.high), rel=0.01)


def test_the_intervals_of_a_curve_cover_as_promised():
    """Simulated: 40 customers of churn 10 %, followed for 5 to 20 periods, valued over 10; standard error 0.011."""
    rng = np.random.default_rng(1)
    true = ltv.lifetime_value(margin=40, churn=0.1, discount=0.02, horizon=10)
    covered = {"delta": 0, "bootstrap": 0}
    asked = dict.fromkeys(covered, 0)
    for run in range(400):
        lifetimes, followed = rng.geometric(0.1, 40), rng.integers(5, 21, 40)
        curve = survival.kaplan_meier(np.minimum(lifetimes, followed), lifetimes <= followed)
        found = ltv.value_from_curve(curve, margin=40, discount=0.02, horizon=10)
        for method, options in (("delta", {}), ("bootstrap", {"rng": run})):
            if method == "bootstrap" and run % 4:
                continue
            span = found.interval(method=method, **options)
            asked[method] += 1
            covered[method] += span.low <= true <= span.high
            assert (
                40
                <= span.low
                < found.value
                < span.high
                <= ltv.lifetime_value(margin=40, churn=0, discount=0.02, horizon=10)
            )
    assert 0.915 < covered["delta"] / asked["delta"] < 0.98
    assert 0.88 < covered["bootstrap"] / asked["bootstrap"] <= 1


def test_a_curve_needs_a_horizon_within_the_follow_up():
    curve = survival.kaplan_meier([2, 3, 3, 5, 8], observed=[True, True, False, True, False])
    for timing, most in (("start", 9), ("end", 8), ("continuous", 8)):
        assert ltv.value_from_curve(curve, margin=40, horizon=most, timing=timing).value > 0
        for horizon in (None, most + 1):
            with pytest.raises(UndefinedMetric, match=f"0.3 of the customers .* at 8.*horizon of at most {most}"):
                ltv.value_from_curve(curve, margin=40, horizon=horizon, timing=timing)
    gone = survival.kaplan_meier([2, 3])
    assert (
        ltv.value_from_curve(gone, margin=40, horizon=100).value == ltv.value_from_curve(gone, margin=40).value == 100
    )


def test_a_curve_that_cannot_say_how_sure_it_is():
    staying = survival.kaplan_meier([5, 6, 7], observed=[False, False, False])
    found = ltv.value_from_curve(staying, margin=40, horizon=5)
    assert (found.value, found.standard_error) == (200, 0)
    for options in ({}, {"method": "bootstrap", "rng": 1}):
        with pytest.raises(UndefinedMetric, match="the curve says nothing of its own error"):
            found.interval(**options)
    for discount in (0, 0.01, 0.03, 0.07):
        once = ltv.value_from_curve(staying, margin=40, horizon=1, discount=discount)
        assert (once.interval().low, once.interval().high) == (40, 40)
    negative = ltv.value_from_curve(survival.kaplan_meier([1, 2, 2, 5]), margin=-40, horizon=4)
    mirrored = ltv.value_from_curve(survival.kaplan_meier([1, 2, 2, 5]), margin=40, horizon=4)
    assert negative.interval().low == pytest.approx(-mirrored.interval().high)
    at_once = survival.kaplan_meier([0, 0, 3, 4])
    assert ltv.value_from_curve(at_once, margin=40, horizon=2).value == 40
    assert ltv.value_from_curve(at_once, margin=40, horizon=2).interval().low < 40
    assert set(found.to_dict()) == {"value", "standard_error", "horizon", "margin", "discount", "timing", "customers"}


def test_what_a_value_from_a_curve_refuses():
    curve = survival.kaplan_meier([1, 2, 2, 5])
    with pytest.raises(InvalidType, match="curve must be a SurvivalCurve, got list"):
        ltv.value_from_curve([1, 2], margin=40)
    with pytest.raises(InvalidValue, match="horizon must be a whole number >= 1, got float 1.5"):
        ltv.value_from_curve(curve, margin=40, horizon=1.5)
    with pytest.raises(InvalidValue, match="timing must be one of"):
        ltv.value_from_curve(curve, margin=40, timing="middle")
    with pytest.raises(InvalidValue, match="discount must be"):
        ltv.value_from_curve(curve, margin=40, discount=-0.1)
    found = ltv.value_from_curve(curve, margin=40)
    with pytest.raises(InvalidValue, match="the delta method draws nothing"):
        found.interval(rng=1)
    with pytest.raises(InvalidType, match="rng must be"):
        found.interval(method="bootstrap")
    weighted = ltv.value_from_curve(survival.kaplan_meier([1, 2, 3], weights=[1, 1.5, 1]), margin=40)
    with pytest.raises(InvalidValue, match="needs whole customers"):
        weighted.interval(method="bootstrap", rng=1)


# From cohorts

triangles = st.lists(
    st.tuples(st.integers(1, 50), st.lists(st.floats(-100, 1_000), min_size=1, max_size=6)), min_size=1, max_size=6
)


@given(triangles)
def test_the_observed_value_is_the_sum_of_pooled_means(rows):
    sizes, cells = zip(*rows, strict=True)
    found = ltv.value_from_cohorts(list(cells), sizes=list(sizes))
    for age in range(max(map(len, cells))):
        old = [i for i, row in enumerate(cells) if len(row) > age]
        money, people = math.fsum(cells[i][age] for i in old), sum(sizes[i] for i in old)
        assert found.by_age[age] == pytest.approx(money / people)
        assert (found.customers[age], found.cohorts[age]) == (people, len(old))
    assert found.value == pytest.approx(math.fsum(found.by_age))
    assert found.cumulative[-1] == pytest.approx(found.value)
    padded = np.full((len(cells), 8), np.nan)
    for i, row in enumerate(cells):
        padded[i, : len(row)] = row
    assert ltv.value_from_cohorts(padded, sizes=np.array(sizes)).to_dict() == found.to_dict()


def test_zeros_count_and_the_unobserved_do_not():
    found = ltv.value_from_cohorts([[10, 0, 0], [10, 8, None], [10]], sizes=[1, 1, 1])
    assert found.by_age.tolist() == [10, 4, 0]
    assert found.value == 14
    assert ltv.value_from_cohorts([[10, 0, 0], [10, 8], [10]], sizes=[1, 1, 1], horizon=2).value == 14
    assert found.to_frame("polars").columns == ["age", "margin", "cumulative", "customers", "cohorts"]
    with pytest.raises(ValueError, match="read-only"):
        found.by_age[0] = 1


def test_a_cohort_table_gives_observed_cells_only():
    table = cohorts.from_counts([[4, 2, 0], [5, 3], [6]], start="2026-01-01")
    found = ltv.value_from_cohorts(table, margin=10)
    assert found.value == pytest.approx(10 * (1 + 5 / 9 + 0))
    pooled = 10 * table.average()
    np.testing.assert_allclose(found.by_age, pooled)
    states = table.states.copy()
    states[1, 1] = "partial"
    fields = {name: getattr(table, name) for name in table.__slots__} | {"states": states}
    running = cohorts.CohortTable(**fields)
    assert ltv.value_from_cohorts(running, margin=10).by_age[1] == pytest.approx(10 * 2 / 4)
    paid = cohorts.CohortTable(**fields | {"money": table.retained * 50})
    assert ltv.value_from_cohorts(paid, margin_share=0.2).value == ltv.value_from_cohorts(running, margin=10).value


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"cohorts": [[1, 2]], "sizes": [1, 2]}, InvalidValue, "sizes must be 1 counts, one for each cohort"),
        ({"cohorts": [[1, 2]]}, InvalidValue, "give sizes"),
        ({"cohorts": [[1, 2]], "sizes": [3], "margin": 2}, InvalidValue, "give sizes, .* and nothing else"),
        ({"cohorts": [], "sizes": [3]}, InvalidValue, "cohorts must be rows of money"),
        ({"cohorts": [[]], "sizes": [3]}, InvalidValue, "cohorts must be rows of money"),
        (
            {"cohorts": [[1, None, 2]], "sizes": [3]},
            InvalidValue,
            r"though a later one is known; write 0.*first at \[0, 1\]",
        ),
        ({"cohorts": [[1], [math.inf]], "sizes": [3, 3]}, InvalidValue, r"cohorts\[1\]\[0\] must be a finite number"),
        ({"cohorts": [1, 2], "sizes": [3]}, InvalidType, r"cohorts\[0\] must be money by age, .* got int"),
        ({"cohorts": np.ones((1, 1, 1)), "sizes": [3]}, InvalidType, "cohorts must be money by age, .* got ndarray"),
        ({"cohorts": "ab", "sizes": [3]}, InvalidType, "cohorts must be money by age, .* got str"),
        ({"cohorts": [["9"]], "sizes": [3]}, InvalidType, r"cohorts\[0\]\[0\] must be a number"),
        ({"cohorts": [[1], [2]], "sizes": [3, 0]}, InvalidValue, r"without customers cannot bring money; first at \[1"),
        ({"cohorts": [[0, 0]], "sizes": [0]}, UndefinedMetric, "reached age 0 have no customers"),
        ({"cohorts": [[1, 2]], "sizes": [3], "horizon": 3}, UndefinedMetric, "no cohort has reached age 2 yet"),
        ({"cohorts": [[None]], "sizes": [3]}, UndefinedMetric, "no cohort has reached age 0 yet"),
    ],
)
def test_bad_cohorts_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        ltv.value_from_cohorts(**arguments)


def test_what_does_not_belong_to_a_cohort_table():
    table = cohorts.from_counts([[4, 2, 0], [5, 3], [6]], start="2026-01-01")
    fields = {name: getattr(table, name) for name in table.__slots__}
    for arguments, message in (
        ({"margin": 1, "sizes": [1, 2, 3]}, "sizes are in the cohort table already"),
        ({}, "give either margin .* or margin_share"),
        ({"margin": 1, "margin_share": 0.5}, "give either margin .* or margin_share"),
        ({"margin_share": 0.5}, "margin_share needs a cohort table with money"),
    ):
        with pytest.raises(InvalidValue, match=message):
            ltv.value_from_cohorts(table, **arguments)
    for change in ({"counting": "on_or_after"}, {"min_events": 2}, {"brackets": ((0, 0), (1, 2), (3, 4))}):
        with pytest.raises(InvalidValue, match='needs a table counted "on"'):
            ltv.value_from_cohorts(cohorts.CohortTable(**fields | change), margin=1)
    with pytest.raises(InvalidValue, match="a lifetime begins once"):
        ltv.value_from_cohorts(cohorts.CohortTable(**fields | {"anchor": "every"}), margin=1)
