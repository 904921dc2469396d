"""How long customers stay: curves, hazards, comparisons, against published numbers and plain loops."""

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.survival import (
    HazardRow,
    SurvivalCurve,
    TenureEffect,
    ThinRiskSetWarning,
    kaplan_meier,
    logrank,
    nelson_aalen,
    tenure_effect,
)

# Freireich et al. (1963), as printed in Kleinbaum & Klein, Survival Analysis: weeks in remission without treatment.
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]

spells = st.lists(
    st.tuples(st.integers(1, 12), st.booleans(), st.integers(0, 11), st.integers(1, 3)), min_size=1, max_size=25
)


def columns(rows):
    durations, observed, entry, weights = (np.array(column) for column in zip(*rows, strict=True))
    return durations, observed, np.minimum(entry, durations - 1), weights


def brute_curve(durations, observed, entry, weights):
    """The product over the times of losses, with everybody counted anew at each of them."""
    survival, alive = {}, 1.0
    for t in sorted(set(durations.tolist())):
        at_risk = sum(w for d, e, w in zip(durations, entry, weights, strict=True) if e < t <= d)
        lost = sum(w for d, o, w in zip(durations, observed, weights, strict=True) if d == t and o)
        alive *= 1 - lost / at_risk
        survival[t] = alive
    return survival


@pytest.fixture
def freireich(predictive):
    return predictive("km-6mp")


def test_the_published_curve(freireich):
    curve = kaplan_meier(freireich["inputs"]["t"], freireich["inputs"]["e"])
    expected, close = freireich["expected"], freireich["rtol"]
    at = np.isin(curve.times, expected["t"])
    assert curve.times[curve.events > 0].tolist() == expected["t"]
    assert curve.survival[at] == pytest.approx(expected["S"], rel=close)
    assert curve.standard_error()[at] == pytest.approx(expected["se"], abs=5e-5)
    assert curve.median() == expected["median"]
    interval = curve.interval()
    limits = [float(limit[curve.times == 23][0]) for limit in interval[:2]]
    assert limits == pytest.approx(expected["loglog_ci_at_23"], rel=close)


def test_the_textbook_cumulative_hazard(freireich):
    """Klein & Moeschberger (2003), table 4.2, gives 0.1428 ... 0.7521 by adding the rounded d / n."""
    hazard = nelson_aalen(freireich["inputs"]["t"], freireich["inputs"]["e"])
    at = np.isin(hazard.times, freireich["expected"]["t"])
    steps = [3 / 21, 1 / 17, 1 / 15, 1 / 12, 1 / 11, 1 / 7, 1 / 6]
    assert hazard.hazard[at] == pytest.approx(list(itertools.accumulate(steps)), rel=1e-12)
    assert hazard.hazard[-1] == pytest.approx(0.7521, abs=1e-4)
    assert hazard.standard_error[-1] ** 2 == pytest.approx(math.fsum([3 / 21**2, *(x * x for x in steps[1:])]))
    span = hazard.interval()
    assert (span.low <= hazard.hazard).all()
    assert (span.high >= hazard.hazard).all()


def test_the_textbook_comparison(freireich):
    """Kleinbaum & Klein: the log-rank statistic of the two arms is 16.79; observed 9 and 21, expected 19.25, 10.75."""
    treated = kaplan_meier(freireich["inputs"]["t"], freireich["inputs"]["e"])
    test = logrank({"6-MP": treated, "placebo": kaplan_meier(PLACEBO)})
    assert test.statistic == pytest.approx(16.79, abs=5e-3)
    assert test.observed == {"6-MP": 9, "placebo": 21}
    assert test.expected == pytest.approx({"6-MP": 19.25, "placebo": 10.75}, abs=5e-3)
    assert test.p_value == pytest.approx(math.erfc(math.sqrt(test.statistic / 2)))
    assert test.degrees_of_freedom == 1


def test_the_example_of_the_definitions(reference):
    example = reference("A-RET-11")["expect"]
    durations, observed = [2, 3, 3, 5, 8], [True, True, False, True, False]
    curve = kaplan_meier(durations, observed)
    assert {t: curve.at(float(t)) for t in example["S"]} == pytest.approx(example["S"])
    (whole,) = curve.hazard([0, 8]).rows
    assert 1 / whole.rate == pytest.approx(example["exposure_lifetime"])
    assert np.mean(durations) == pytest.approx(example["naive_mean_all_wrong"])


@given(spells)
def test_the_curve_is_the_brute_force_product(rows):
    durations, observed, entry, weights = columns(rows)
    expected = brute_curve(durations, observed, entry, weights)
    assume(0 not in list(expected.values())[:-1])
    curve = kaplan_meier(durations, observed, entry=entry, weights=weights)
    assert curve.times.tolist() == list(expected)
    np.testing.assert_allclose(curve.survival, list(expected.values()), atol=1e-12)
    assert (np.diff(curve.survival) <= 0).all()


@given(spells, st.randoms(use_true_random=False))
def test_order_and_weights_do_not_matter(rows, random):
    durations, observed, _, weights = columns(rows)
    curve = kaplan_meier(durations, observed, weights=weights)
    repeated = kaplan_meier(np.repeat(durations, weights), np.repeat(observed, weights))
    shuffled = list(rows)
    random.shuffle(shuffled)
    d, o, _, w = columns(shuffled)
    fractional = kaplan_meier(d + 0.5, o, weights=w)  # off the whole numbers another way of counting is taken
    for other in (repeated, fractional):
        np.testing.assert_allclose(curve.survival, other.survival, atol=1e-12)
        assert curve.events.tolist() == other.events.tolist()
    assert (fractional.times - curve.times == 0.5).all()


@given(st.lists(st.floats(0.1, 50), min_size=1, max_size=30))
def test_without_censoring_it_is_the_share_still_there(durations):
    curve = kaplan_meier(durations)
    for t in [0.0, *durations]:
        assert curve.at(t) == pytest.approx(np.mean(np.array(durations) > t), abs=1e-12)
    horizon = max(durations)
    mean = curve.restricted_mean(horizon)
    assert mean.value == pytest.approx(np.mean(durations))
    assert mean.standard_error == pytest.approx(np.std(durations) / math.sqrt(len(durations)), abs=1e-9)


@given(spells, st.floats(0.3, 12))
def test_the_restricted_mean_is_the_area_under_the_curve(rows, horizon):
    durations, observed, _, weights = columns(rows)
    curve = kaplan_meier(durations, observed, weights=weights)
    assume(horizon <= curve.times[-1])
    grid = np.unique(np.concatenate([[0.0, horizon], curve.times[curve.times < horizon]]))
    area = math.fsum((b - a) * curve.at(float(a)) for a, b in itertools.pairwise(grid.tolist()))
    mean = curve.restricted_mean(horizon)
    assert mean.value == pytest.approx(area)
    assert 0 <= mean.interval().low <= mean.value <= mean.interval().high <= horizon


@given(spells, st.lists(st.integers(0, 14), min_size=2, max_size=5, unique=True).map(sorted))
def test_the_hazard_counts_losses_and_time(rows, bins):
    durations, observed, entry, weights = columns(rows)
    assume(0 not in list(brute_curve(durations, observed, entry, weights).values())[:-1])
    table = kaplan_meier(durations, observed, entry=entry, weights=weights).hazard(bins)
    for row, (low, high) in zip(table.rows, itertools.pairwise(bins), strict=True):
        people = list(zip(durations, observed, entry, weights, strict=True))
        spent = sum(w * max(min(d, high) - max(e, low), 0) for d, _, e, w in people)
        assert row.events == sum(w for d, o, _, w in people if o and low < d <= high)
        assert row.exposure == pytest.approx(spent, abs=1e-9)


def test_intervals_hold_the_curve_and_stay_inside():
    curve = kaplan_meier([1, 2, 3, 4, 4, 5], observed=[0, 1, 1, 0, 1, 1])
    for transform in ("log_log", "plain"):
        span = curve.interval(transform=transform)
        assert span.low[0] == span.high[0] == 1
        assert np.isnan([span.low[-1], span.high[-1]]).all(), "the curve is 0 there"
        inside = slice(1, -1)
        assert (span.low[inside] >= 0).all()
        assert (span.high[inside] <= 1).all()
        assert (span.low[inside] < curve.survival[inside]).all()
        assert (curve.survival[inside] < span.high[inside]).all()
    assert curve.to_dict()["low"][-1] is None


def test_beyond_the_last_observation_nothing_is_known():
    open_ended = kaplan_meier([2, 3], observed=[True, False])
    with pytest.raises(UndefinedMetric, match="nobody was observed beyond 3, when 0.5 of them were there"):
        open_ended.at(4)
    assert np.isnan(open_ended.at([2.5, 4], undefined="nan")).tolist() == [False, True]
    with pytest.raises(UndefinedMetric, match="beyond 3"):
        open_ended.restricted_mean(5)
    with pytest.raises(UndefinedMetric, match=r"the 0\.9 quantile .* only 0\.5 had left"):
        open_ended.quantile(0.9)
    assert open_ended.median() == 2
    everybody_left = kaplan_meier([2, 3])
    assert everybody_left.at(100) == 0
    assert everybody_left.restricted_mean(100).value == pytest.approx(2.5)


def test_an_early_empty_risk_set_is_warned_of():
    with pytest.warns(ThinRiskSetWarning, match="everybody at risk at 1 left there"):
        curve = kaplan_meier([1, 5, 6], observed=[True, True, False], entry=[0, 3, 3])
    assert curve.at(6) == 0


def test_groups_that_are_alike_are_not_told_apart():
    curve = kaplan_meier(PLACEBO)
    test = logrank({"a": curve, "b": curve})
    assert test.statistic == pytest.approx(0, abs=1e-12)
    assert test.p_value == pytest.approx(1)


@given(spells, spells)
def test_the_log_rank_statistic_is_that_of_plain_loops(one, two):
    data = [columns(rows) for rows in (one, two)]
    for durations, observed, entry, weights in data:
        assume(0 not in list(brute_curve(durations, observed, entry, weights).values())[:-1])
    surplus = variance = 0.0
    for t in range(1, 13):
        n = [sum(w for d, e, w in zip(d_, e_, w_, strict=True) if e < t <= d) for d_, _, e_, w_ in data]
        lost = [sum(w for d, o, w in zip(d_, o_, w_, strict=True) if d == t and o) for d_, o_, _, w_ in data]
        total, losses = sum(n), sum(lost)
        if losses:
            surplus += lost[0] - losses * n[0] / total
            variance += losses * (total - losses) / max(total - 1, 1) * n[0] * n[1] / total**2
    curves = {str(i): kaplan_meier(t, left, entry=came, weights=n) for i, (t, left, came, n) in enumerate(data)}
    if variance < 1e-9:
        with pytest.raises(UndefinedMetric, match="logrank is undefined"):
            logrank(curves)
    else:
        assert logrank(curves).statistic == pytest.approx(surplus**2 / variance, abs=1e-9)


@given(st.integers(1, 4), st.lists(st.integers(1, 9), min_size=2, max_size=4))
def test_the_moments_of_the_trend_test_are_those_of_all_placements(losses, exposure):
    """Under no trend each loss falls into a stretch in proportion to its exposure; all placements, one by one."""
    shares = np.array(exposure) / sum(exposure)
    mean = square = 0.0
    for placed in itertools.product(range(len(exposure)), repeat=losses):
        chance = math.prod(shares[list(placed)])
        value = sum(placed) - losses * float(np.arange(len(exposure)) @ shares)
        mean += chance * value
        square += chance * value**2
    assert mean == pytest.approx(0, abs=1e-9)
    place = np.arange(len(exposure))
    assert square == pytest.approx(losses * (place**2 @ shares - (place @ shares) ** 2), abs=1e-9)


def test_loyalty_that_only_seems_to_grow():
    """Two groups of constant risk, 20 % and 2 % a month: pooled, the risk falls; within the groups it does not."""
    rng = np.random.default_rng(3)
    risk = np.repeat([0.2, 0.02], 3_000)
    lifetimes = rng.geometric(risk)
    durations, left = np.minimum(lifetimes, 24), lifetimes <= 24
    blind = tenure_effect(durations, left, bins=[0, 3, 6, 12, 24])
    assert blind.trend < -5
    assert "cannot tell" in blind.answer
    seeing = tenure_effect(durations, left, bins=[0, 3, 6, 12, 24], groups=np.repeat(["trial", "paid"], 3_000))
    assert seeing.trend == blind.trend
    assert abs(seeing.trend_within) < 3
    assert "the fickle groups left first" in seeing.answer
    rates = [row.rate for row in seeing.hazard.rows]
    assert rates == sorted(rates, reverse=True)
    assert seeing.rate_ratio == pytest.approx(rates[-1] / rates[0])


def test_a_risk_that_rises_and_one_that_stays():
    rng = np.random.default_rng(8)
    steady = rng.exponential(10, 4_000)
    same = tenure_effect(np.minimum(steady, 30), steady < 30, bins=[0, 5, 10, 20, 30])
    assert abs(same.trend) < 3
    rising = 10 * rng.weibull(2, 4_000)
    effect = tenure_effect(np.minimum(rising, 30), rising < 30, bins=[0, 5, 10, 15])
    assert effect.trend > 5
    assert effect.answer.startswith("Customers who stayed longer leave more")


def test_the_interval_of_a_rate_covers_as_promised():
    """Exact coverage over Poisson counts: the score interval is near 95 % on the whole and never below 91 %."""
    spans = [HazardRow(low=0, high=1, events=k, exposure=1).interval() for k in range(120)]
    for mean in (1.0, 2.5, 6.0, 20.0, 50.0):
        chances = [math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(120)]
        covered = math.fsum(p for p, span in zip(chances, spans, strict=True) if span.low <= mean <= span.high)
        assert 0.91 < covered < 0.99
    assert spans[0].low == 0
    assert spans[0].high > 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"durations": [1, -2]}, InvalidValue, r"durations\[1\] must be a finite number >= 0, got -2"),
        ({"durations": [1, math.nan]}, InvalidValue, r"durations\[1\] must be .* leave missing values out"),
        ({"durations": 3}, InvalidValue, "durations must be one-dimensional"),
        ({"durations": []}, InvalidValue, "durations is empty"),
        ({"durations": [1, 2], "observed": [True]}, InvalidValue, "observed must be one a customer, got 1 for 2"),
        ({"durations": [1], "observed": ["yes"]}, InvalidType, "observed must be true or false"),
        ({"durations": [1], "observed": [2]}, InvalidType, "observed must be true or false"),
        ({"durations": [3, 2], "entry": [0, 2]}, InvalidValue, r"entry must be below durations.*first at \[1\]"),
        ({"durations": [3], "entry": [-1]}, InvalidValue, r"entry\[0\] must be a finite number >= 0"),
        ({"durations": [3], "weights": [0]}, InvalidValue, r"weights\[0\] must be a finite number > 0"),
        ({"durations": [3], "weights": [1, 2]}, InvalidValue, "weights must be one a customer, got 2 for 1"),
    ],
)
def test_bad_lifetimes_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        kaplan_meier(**arguments)


def test_what_else_is_refused():
    curve = kaplan_meier([1, 2])
    with pytest.raises(InvalidValue, match="groups must be two or more"):
        logrank({"a": curve})
    with pytest.raises(InvalidType, match=r"groups\['b'\] must be a SurvivalCurve, got list"):
        logrank({"a": curve, "b": [1, 2]})
    with pytest.raises(InvalidValue, match="two or more ascending edges"):
        curve.hazard([3, 1])
    with pytest.raises(InvalidValue, match="at least three edges"):
        tenure_effect([1, 2], bins=[0, 3])
    with pytest.raises(InvalidValue, match="groups must be one label a customer, got 1 for 2"):
        tenure_effect([1, 2], bins=[0, 1, 3], groups=["a"])
    with pytest.raises(UndefinedMetric, match="nobody left within the stretches"):
        tenure_effect([5, 6], observed=[False, False], bins=[0, 2, 7])
    with pytest.raises(UndefinedMetric, match="nobody was observed at a tenure from 5 to 9"):
        _ = curve.hazard([0, 5, 9]).rows[1].rate
    assert curve.hazard([0, 5, 9]).to_dict()["rate"][1] is None


def test_curves_cannot_be_written_to():
    curve = kaplan_meier([1, 2])
    assert isinstance(curve, SurvivalCurve)
    with pytest.raises(ValueError, match="read-only"):
        curve.survival[0] = 2
    assert repr(curve) == "SurvivalCurve(2 customers, 2 left, 0 still there at 2)"
    assert curve.to_frame("polars").columns == list(curve.to_dict())


@given(
    st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=30), st.integers(0, 9), st.integers(0, 9)
)
def test_the_chance_of_leaving_is_that_of_a_curve_begun_anew_with_those_still_there(spells, after, horizon):
    """The chance is one minus the survival of a curve that begins anew with those who were still there."""
    durations, observed = zip(*spells, strict=True)
    curve = kaplan_meier(durations, observed)
    rest = [(length - after, ended) for length, ended in spells if length > after]
    try:
        found = curve.ends_within(horizon, after=after)
    except UndefinedMetric:
        assert curve.survival[-1] > 0 or not rest
        assert not rest or after + horizon > max(durations)
    else:
        expected = 1 - kaplan_meier(*zip(*rest, strict=True)).at(horizon) if rest else 0
        assert found == pytest.approx(expected, abs=1e-12)
        np.testing.assert_allclose(curve.ends_within(horizon, after=np.array([after])), [found])


def test_the_tenure_effect_of_curves_is_that_of_their_lifetimes():
    """A log hands over curves: one of all, one for each plan."""
    rng = np.random.default_rng(3)
    durations = np.concatenate([rng.geometric(0.05, 200), rng.geometric(0.3, 200)]).clip(max=24)
    observed = durations < 24
    plans = np.array(["yearly"] * 200 + ["monthly"] * 200)
    curves = {plan: kaplan_meier(durations[plans == plan], observed[plans == plan]) for plan in ("yearly", "monthly")}
    bins = [0, 3, 6, 12, 24]
    spelled = tenure_effect(durations, observed, bins=bins, groups=plans)
    told = tenure_effect(kaplan_meier(durations, observed), bins=bins, groups=curves)
    assert told.trend == pytest.approx(spelled.trend)
    assert told.trend_within == pytest.approx(spelled.trend_within)
    assert told.answer == spelled.answer
    with pytest.raises(InvalidValue, match="a curve already holds observed, entry and weights"):
        tenure_effect(curves["yearly"], observed, bins=bins)
    for durations_, groups in ((curves["yearly"], plans), (durations, curves)):
        with pytest.raises(InvalidType, match="groups must be curves by name beside a curve, and labels beside"):
            tenure_effect(durations_, bins=bins, groups=groups)


# Limits worked out by hand from the published errors


def test_plain_limits_are_z_standard_errors_away_and_cut_to_one(freireich):
    """S(6) = 18/21 with the published error 0.0764; S(10) = 0.7529 with 0.0963."""
    curve = kaplan_meier(freireich["inputs"]["t"], freireich["inputs"]["e"])
    assert curve.n == 21
    span = curve.interval(transform="plain")
    sixth, tenth = (int(np.flatnonzero(curve.times == t)[0]) for t in (6, 10))
    assert (span.low[sixth], span.high[sixth]) == (pytest.approx(18 / 21 - 1.959964 * 0.0764, abs=2e-4), 1)
    assert span.low[tenth] == pytest.approx(0.7529 - 1.959964 * 0.0963, abs=2e-4)
    assert span.high[tenth] == pytest.approx(0.7529 + 1.959964 * 0.0963, abs=2e-4)
    wide = curve.interval(0.99, transform="plain")
    assert wide.low[tenth] == pytest.approx(0.7529 - 2.575829 * 0.0963, abs=3e-4)


def test_limits_of_the_cumulative_hazard_are_those_of_its_logarithm(freireich):
    """Three of 21 leave at 6: H = 1/7 with the error sqrt(3)/21: limits H e^(-z / sqrt(3)) and its mirror."""
    summed = nelson_aalen(freireich["inputs"]["t"], freireich["inputs"]["e"])
    (sixth,) = np.flatnonzero(summed.times == 6)
    for level, z in ((0.95, 1.959964), (0.5, 0.6744898)):
        span = summed.interval(level)
        assert span.low[sixth] == pytest.approx(math.exp(-z / math.sqrt(3)) / 7, rel=1e-5)
        assert span.high[sixth] == pytest.approx(math.exp(z / math.sqrt(3)) / 7, rel=1e-5)
    early = nelson_aalen([1, 2, 3], [False, True, False])
    span = early.interval()
    assert (early.hazard.tolist(), span.low[0], span.high[0]) == ([0, 0.5, 0.5], 0, 0)
    assert span.method == "log"


def test_limits_of_a_restricted_mean_stay_between_nothing_and_the_horizon():
    """One of four leaves at 1: 1 + 0.75 up to 2, variance (0.75)^2 / (4 * 3)."""
    mean = kaplan_meier([1, 2, 2, 2], observed=[True, False, False, False]).restricted_mean(2)
    assert (mean.value, mean.standard_error) == (1.75, pytest.approx(0.75 / math.sqrt(12)))
    narrow, wide = mean.interval(0.5), mean.interval(0.95)
    assert narrow.low == pytest.approx(1.75 - 0.6744898 * 0.75 / math.sqrt(12))
    assert narrow.high == pytest.approx(1.75 + 0.6744898 * 0.75 / math.sqrt(12))
    assert (narrow.clipped, wide.clipped, wide.high) == (False, True, 2)
    soon = kaplan_meier([1, 1, 2], observed=[True, True, False]).restricted_mean(2)
    assert soon.interval(0.9999999).low == 0
    assert soon.interval(0.9999999).clipped
    certain = kaplan_meier([3, 3], observed=[True, False]).restricted_mean(2).interval()
    assert (certain.low, certain.high, certain.clipped) == (2, 2, False)


def test_a_loss_at_the_horizon_takes_nothing_away():
    curve = kaplan_meier([1, 2, 2, 3], observed=[True, True, True, False])
    assert curve.restricted_mean(2).standard_error == pytest.approx(0.75 / math.sqrt(12))
    everybody = kaplan_meier([2, 2]).restricted_mean(2)
    assert (everybody.value, everybody.standard_error) == (2, 0)


def test_a_quantile_is_reached_where_the_curve_meets_it():
    thirds = kaplan_meier([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    assert [thirds.quantile(q) for q in (0.1, 0.3, 0.7, 0.9)] == [1, 3, 7, 9]


def test_of_the_last_one_at_risk_no_chance_is_compared():
    """After time 1 each group has one left; at 3 the last of all leaves alone, which says nothing of groups."""
    one, two = kaplan_meier([1, 2]), kaplan_meier([1, 3])
    test = logrank({"one": one, "two": two})
    # At 1: two of four leave, expected 1 each, variance 2 * 2 / 3 / 4; at 2 one of two, 1/2 and 1/4.
    assert test.expected == {"one": pytest.approx(1.5), "two": pytest.approx(2.5)}
    assert test.statistic == pytest.approx((2 - 1.5) ** 2 / (1 / 3 + 1 / 4))


def test_who_enters_at_once_does_not_enter_late():
    rows = ([2, 4, 5], [True, False, True])
    late, plain = kaplan_meier(*rows, entry=[0, 0, 0]), kaplan_meier(*rows)
    assert late.entries.size == late.entered.size == 0
    assert late.at_risk.tolist() == plain.at_risk.tolist() == [3, 2, 1]
    assert kaplan_meier(*rows, entry=[0, 3, 0]).at_risk.tolist() == [2, 2, 1]


@example(1, 1.0, (0.95, 1.959964))
@given(
    st.integers(0, 500), st.floats(0.01, 1e4), st.sampled_from([(0.5, 0.6744898), (0.95, 1.959964), (0.99, 2.575829)])
)
def test_both_limits_of_a_rate_solve_the_equation_of_the_score_test(events, exposure, confidence):
    """Where (d - r E)^2 = z^2 r E the count is z standard deviations away from what the rate r lets expect."""
    level, z = confidence
    row = HazardRow(low=0, high=1, events=events, exposure=exposure)
    span = row.interval(level)
    assert span.low <= row.rate == events / exposure < span.high
    for limit in (span.low, span.high):
        expected = limit * exposure
        assert (events - expected) ** 2 == pytest.approx(z * z * expected, rel=1e-5, abs=1e-9)


def test_a_table_of_rates_shows_nothing_where_nobody_was_observed():
    table = kaplan_meier([1, 2], observed=[True, False]).hazard([0, 1, 2, 3]).to_dict()
    assert table["events"] == [1, 0, 0]
    assert table["exposure"] == [2, 1, 0]
    assert table["rate"] == [0.5, 0, None]
    assert table["rate_low"][1:] == [0, None]
    assert table["rate_high"][1] == pytest.approx(1.959964**2, rel=1e-6)  # no events in one unit: z^2


def test_the_risk_set_that_empties_early_is_named_with_its_time():
    with pytest.warns(ThinRiskSetWarning, match="everybody at risk at 2 left there") as caught:
        curve = kaplan_meier([1, 2, 5, 6], observed=[False, True, True, True], entry=[0, 0, 3, 3])
    assert caught[0].filename == __file__
    assert curve.survival.tolist() == [1, 0, 0, 0]


def test_weights_that_add_up_with_rounding_empty_the_risk_set():
    curve = kaplan_meier([1, 1, 1], weights=[0.1, 0.2, 0.3])
    assert curve.survival.tolist() == [0]
    one = kaplan_meier([1, 2], weights=[1, 1e-9])
    assert one.survival[0] == pytest.approx(1e-9, rel=1e-5)


def test_stretches_of_tenure_ascend():
    curve = kaplan_meier([1, 2], observed=[True, False])
    for bins in ([0, 1, 1], [1], [2, 1], 3):
        with pytest.raises(InvalidValue, match="bins must be two or more ascending edges"):
            curve.hazard(bins)


@pytest.mark.parametrize(
    ("trend", "within", "ratio", "said"),
    [
        # 1.95 and 1.97 standard errors lie on the two sides of 5 %.
        (-1.95, None, 0.5, r"do not show that the risk of leaving changes with tenure \(p = 0\.05\)"),
        (-1.97, None, 0.5, r"leave less: the risk falls with tenure, in the last stretch to 50% .* \(p = 0\.049\)"),
        (
            -1.97,
            None,
            None,
            r"leave less: the risk falls with tenure \(p = 0\.049\).* these lifetimes alone cannot tell",
        ),
        (3.0, None, 2.0, r"leave more: the risk rises with tenure, .* to 200% .* \(p = 0\.003\).* cannot come from"),
        (3.0, -4.0, 2.0, "leave more: the risk rises with tenure, .* cannot come from the weak ones"),
        (-4.0, 1.95, 0.5, r"\(p = below 0\.001\).*no trend is left .* \(p = 0\.05\)"),
        (-4.0, 1.97, 0.5, r"leave less.*Within the groups it even rises"),
        (-4.0, -1.97, 0.5, r"leave less.*Within the groups it falls as well \(p = 0\.049\)"),
    ],
)
def test_every_answer_about_loyalty_in_words(trend, within, ratio, said):
    table = kaplan_meier([1, 2], observed=[True, True]).hazard([0, 1, 2])
    effect = TenureEffect(hazard=table, trend=trend, trend_within=within, rate_ratio=ratio)
    assert re.search(said, effect.answer)


def test_three_groups_are_three_and_not_one_against_the_others():
    rng = np.random.default_rng(21)
    groups = np.repeat(["a", "b", "c"], 200)
    durations = np.minimum(rng.geometric(np.repeat([0.3, 0.1, 0.05], 200)), 12)
    left, bins = durations < 12, [0, 3, 6, 12]
    named = tenure_effect(durations, left, bins=bins, groups=groups)
    curves = {name: kaplan_meier(durations[groups == name], left[groups == name]) for name in "abc"}
    assert named.trend_within == pytest.approx(
        tenure_effect(kaplan_meier(durations, left), bins=bins, groups=curves).trend_within
    )
    # The surplus of late losses over what even risk lets expect, summed over the groups, by hand.
    surplus = spread = 0.0
    for curve in curves.values():
        rows = curve.hazard(bins).rows
        whole, lost = sum(row.exposure for row in rows), sum(row.events for row in rows)
        mean = sum(k * row.exposure / whole for k, row in enumerate(rows))
        surplus += sum(k * row.events for k, row in enumerate(rows)) - lost * mean
        spread += lost * sum((k - mean) ** 2 * row.exposure / whole for k, row in enumerate(rows))
    assert named.trend_within == pytest.approx(surplus / math.sqrt(spread))


def test_the_ratio_of_risks_needs_losses_at_first_and_somebody_at_last():
    late = tenure_effect([3, 3, 4], [True, False, True], bins=[0, 2, 5])
    assert late.rate_ratio is None
    # Seven months of exposure with two losses, then four with one; nobody is observed after 4.
    seen = tenure_effect([1, 2, 4, 4], [True, True, True, False], bins=[0, 2, 4, 9])
    assert [row.exposure for row in seen.hazard.rows] == [7, 4, 0]
    assert seen.rate_ratio == pytest.approx((1 / 4) / (2 / 7))


def test_groups_that_were_never_at_risk_do_not_count_in_the_log_rank_test():
    old = kaplan_meier([1, 2, 2, 3, 6], observed=[True] * 4 + [False])
    other = kaplan_meier([4, 8, 9, 11, 12], observed=[True, True] + [False] * 3)
    young = kaplan_meier([0.5, 0.5, 0.2], observed=[False] * 3)
    two, three = logrank({"old": old, "other": other}), logrank({"old": old, "other": other, "young": young})
    assert (two.degrees_of_freedom, three.degrees_of_freedom) == (1, 1)
    assert three.p_value == pytest.approx(two.p_value, rel=1e-12)


def test_what_rounding_leaves_of_time_observed_is_none():
    # Nobody is observed before 5.7, so that nothing is before 3.3; with the edge at 3 the sums cancel exactly.
    late = kaplan_meier([11.1, 9.3, 8.2, 10.6, 12.2, 9.6], entry=[6.2, 8.1, 6.1, 6.8, 8.1, 5.7])
    for edge in (3, 3.3):
        assert late.hazard([0, edge, 9, 13]).rows[0].exposure == 0
