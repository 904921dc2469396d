"""Intervals of the score: published limits, independent computations, coverage."""

import math
from fractions import Fraction
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from retention_metrics import nps
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric

METHODS = ["score", "adjusted_wald", "adjusted_wald_z2", "wald", "goodman", "dirichlet", "bootstrap", "bca"]
BLIND = ["wald", "goodman", "bootstrap", "bca"]
SIGHTED = [method for method in METHODS if method not in BLIND]
Z = NormalDist().inv_cdf(0.975)
NODES = np.polynomial.legendre.leggauss(120)

tables = st.tuples(*[st.integers(0, 60)] * 3).filter(any)
mixed = tables.filter(lambda table: max(table) < sum(table))
levels = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])


def wave(promoters, passives, detractors):
    return nps.from_counts(promoters=promoters, passives=passives, detractors=detractors)


def limits(table, level=0.95, **options):
    found = wave(*table).interval(level, **options)
    return found.low, found.high


def moments(p, q, d):
    """Mean and variance of one answer, on the scale -1 to 1."""
    n = p + q + d
    mean = (p - d) / n
    return n, mean, (p * (1 - mean) ** 2 + q * mean**2 + d * (1 + mean) ** 2) / n


def around(mean, half):
    return 100 * (mean - half), 100 * (mean + half)


# Reference numbers


@pytest.mark.parametrize(
    ("method", "key"), [("wald", "wald"), ("adjusted_wald", "adjusted_wald"), ("score", "score_tango")]
)
def test_intervals_of_the_reference(reference, method, key):
    example = reference("A-NPS-03")
    shares = {name: example["input"][name] for name in ("promoters", "passives", "detractors")}
    found = nps.from_counts(**shares).interval(example["input"]["conf"], method=method)
    assert (found.low, found.high) == pytest.approx(tuple(example["expect"][key]), abs=example["tol"])
    assert (found.level, found.method, found.clipped) == (0.95, method, False)


def test_the_centre_of_the_adjusted_interval(reference):
    example = reference("A-NPS-03")
    low, high = limits((50, 30, 20), method="adjusted_wald")
    assert (low + high) / 2 == pytest.approx(example["expect"]["adjusted_wald_center"], abs=example["tol"])


def test_the_posterior_of_the_reference(reference):
    example = reference("A-NPS-03")
    expect = example["expect"]["dirichlet_1_1_1"]
    for prior in (None, (1, 1, 1)):
        assert limits((50, 30, 20), method="dirichlet", prior=prior) == pytest.approx(
            tuple(expect["eti"]), abs=example["tol"]
        )
    # Mean and standard deviation are integrals of the quantile over the probability, here by Gauss and Legendre.
    nodes, weights = np.polynomial.legendre.leggauss(40)
    quantiles = np.ravel([limits((50, 30, 20), level=node, method="dirichlet") for node in nodes[nodes > 0]])
    chances = np.repeat(weights[nodes > 0], 2) / 2
    mean = chances @ quantiles
    assert mean == pytest.approx(expect["mean"], abs=1e-2)
    assert math.sqrt(chances @ (quantiles - mean) ** 2) == pytest.approx(expect["sd"], abs=1e-2)


@pytest.mark.parametrize(
    ("method", "low", "high"),
    [
        ("wald", 14.692192, 45.307808),
        ("adjusted_wald", 14.051130, 44.201297),
        ("adjusted_wald_z2", 13.803050, 43.977340),
        ("goodman", 10.882486, 49.117514),
        ("score", 13.955142, 44.339307),
        ("dirichlet", 13.681914, 43.769750),
    ],
)
def test_the_table_of_the_specification(method, low, high):
    assert limits((50, 30, 20), method=method) == pytest.approx((low, high), abs=1e-3)


@pytest.mark.parametrize("method", ["bootstrap", "bca"])
def test_resampling_is_close_to_wald_in_a_large_mixed_sample(method):
    assert limits((500, 300, 200), method=method) == pytest.approx(limits((500, 300, 200), method="wald"), abs=0.3)


def test_score_is_the_default():
    assert wave(5, 3, 2).interval() == wave(5, 3, 2).interval(0.95, method="score")


# Closed forms


@given(mixed, levels)
def test_wald_and_its_relatives_by_their_formulas(table, level):
    z = NormalDist().inv_cdf((1 + level) / 2)
    n, mean, variance = moments(*table)
    options = {"level": level, "clip": False}
    assert limits(table, method="wald", **options) == pytest.approx(around(mean, z * math.sqrt(variance / n)), abs=1e-7)
    wide = math.sqrt(-2 * math.log(1 - level))  # chi squared with two degrees of freedom: P(X > x) = exp(-x / 2)
    assert limits(table, method="goodman", **options) == pytest.approx(
        around(mean, wide * math.sqrt(variance / n)), abs=1e-7
    )
    for method, added in (("adjusted_wald", (0.75, 1.5, 0.75)), ("adjusted_wald_z2", (z * z / 3,) * 3)):
        n, mean, variance = moments(*(a + b for a, b in zip(table, added, strict=True)))
        assert limits(table, method=method, **options) == pytest.approx(
            around(mean, z * math.sqrt(variance / n)), abs=1e-7
        )


@given(st.integers(1, 10**6), levels)
def test_the_score_interval_of_one_voice(n, level):
    """For all promoters it is Wilson's interval of n of n; for all passives z^2 / (n + z^2) to both sides."""
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    assert limits((n, 0, 0), level) == pytest.approx((100 * (n - z2) / (n + z2), 100), abs=1e-7)
    assert limits((0, 0, n), level) == pytest.approx((-100, -100 * (n - z2) / (n + z2)), abs=1e-7)
    assert limits((0, n, 0), level) == pytest.approx((-100 * z2 / (n + z2), 100 * z2 / (n + z2)), abs=1e-7)


def most_likely(p, q, d, delta):
    """Share of detractors that makes the counts most likely when promoters exceed them by delta, by halving."""
    low, high = max(0.0, -delta), (1 - delta) / 2

    def rising(x):
        slope = -2 * q / (1 - delta - 2 * x) if q else 0.0
        return slope + (p / (x + delta) if p else 0.0) + (d / x if d else 0.0) > 0

    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) else (low, middle)
    return (low + high) / 2


@given(mixed, levels)
def test_the_score_limits_solve_the_score_test(table, level):
    """At each limit the deviation is z standard deviations, under the most likely shares that have this score."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    p, q, d = table
    n = p + q + d
    for limit in limits(table, level):
        delta = limit / 100
        if abs(delta) < 1:
            share = most_likely(p, q, d, delta)
            spread = math.sqrt(n * max(2 * share + delta - delta**2, 0))
            assert abs(p - d - n * delta) == pytest.approx(z * spread, rel=1e-4, abs=1e-4)


# Invariants


@given(st.tuples(*[st.integers(0, 10**6)] * 3).filter(any), levels)
def test_the_score_interval_holds_the_value_inside_the_scale(table, level):
    found = wave(*table)
    span = found.interval(level)
    assert -100 <= span.low <= found.value <= span.high <= 100
    assert span.low < span.high
    assert not span.clipped


@pytest.mark.parametrize("method", METHODS)
@given(table=mixed, level=st.sampled_from([0.9, 0.95, 0.99]))
@settings(max_examples=15)
def test_turning_the_sample_round_mirrors_the_interval(method, table, level):
    low, high = limits(table, level, method=method)
    assert limits(table[::-1], level, method=method) == pytest.approx((-high, -low), abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
@given(table=mixed)
@settings(max_examples=10)
def test_more_confidence_takes_a_wider_interval(method, table):
    spans = [limits(table, level, method=method) for level in (0.5, 0.8, 0.95, 0.999)]
    for (low, high), (lower, higher) in pairwise(spans):
        assert lower <= low <= high <= higher


@example((9, 1, 0), "wald")  # beyond 100
@example((0, 1, 9), "wald")  # beyond -100
@example((4, 0, 1), "goodman")
@given(mixed, st.sampled_from(METHODS))
def test_limits_are_clipped_to_the_scale_and_say_so(table, method):
    plain = wave(*table).interval(method=method, clip=False)
    clipped = wave(*table).interval(method=method)
    assert not plain.clipped
    assert (clipped.low, clipped.high) == (max(plain.low, -100), min(plain.high, 100))
    assert clipped.clipped == (plain.low < -100 or plain.high > 100)


@pytest.mark.parametrize("method", METHODS)
def test_of_everybody_the_interval_is_the_value(method):
    for table in ((5, 3, 2), (10, 0, 0)):
        found = wave(*table)
        span = found.interval(method=method, population=10)
        assert (span.low, span.high) == (found.value, found.value)


@pytest.mark.parametrize("method", ["score", "adjusted_wald", "adjusted_wald_z2", "wald", "goodman", "dirichlet"])
def test_a_finite_population_counts_for_more_answers(method):
    # (19 - 1) / (19 - 10) = 2: ten of nineteen tell as much as twenty of very many.
    assert limits((5, 3, 2), method=method, population=19) == pytest.approx(limits((10, 6, 4), method=method), abs=1e-6)
    assert limits((5, 3, 2), method=method, population=10**13) == pytest.approx(
        limits((5, 3, 2), method=method), abs=1e-6
    )
    # Ten thousand of ten thousand and one: all but certain.
    near = limits((5000, 3000, 2000), method=method, population=10_001)
    assert near == pytest.approx((30, 30), abs=0.05)


def test_wald_in_a_finite_population_is_the_shrunken_standard_error():
    found = wave(50, 30, 20)
    span = found.interval(method="wald", population=250)
    half = Z * found.standard_error(population=250)
    assert (span.low, span.high) == pytest.approx((30 - half, 30 + half))


@pytest.mark.parametrize("method", ["score", "adjusted_wald", "adjusted_wald_z2", "wald", "goodman", "dirichlet"])
def test_weighted_answers_count_for_their_effective_number(method):
    # Four answers with weights 3, 1, 1, 1 tell as much as (3 + 3)^2 / (9 + 3) = 3 of equal weight.
    groups = [10] * 5 + [8] * 3 + [0] * 2
    found = nps.score(np.repeat(groups, 4), weights=[3, 1, 1, 1] * 10)
    span = found.interval(method=method)
    assert (span.low, span.high) == pytest.approx(limits((15, 9, 6), method=method), abs=1e-6)


def test_the_weighted_wald_interval_is_the_kish_standard_error():
    found = nps.score([9, 3, 8, 10, 0], weights=[1, 2, 3, 4, 5])
    span = found.interval(method="wald", clip=False)
    half = Z * found.standard_error()
    assert (span.low, span.high) == pytest.approx((found.value - half, found.value + half))


@pytest.mark.parametrize("table", [(1, 0, 0), (0, 7, 0), (0, 0, 50)])
def test_one_voice_is_no_certainty(table):
    for method in BLIND:
        with pytest.raises(UndefinedMetric, match=rf'the {method} interval of an NPS .*use method="score"'):
            wave(*table).interval(method=method)
    for method in SIGHTED:
        span = wave(*table).interval(method=method)
        assert span.low < span.high
    weighted = nps.score([10, 10, 9], weights=[1, 2, 0.3])
    for method in BLIND:
        with pytest.raises(InvalidValue):
            weighted.interval(method=method)


# Dirichlet


@given(
    st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30)).filter(any),
    st.sampled_from([(1, 1, 1), (2, 1, 3)]),
)
def test_the_posterior_probability_of_zero_is_a_coin_toss(table, prior):
    """P(promoters <= detractors) = P(Binomial(ap + ad - 1, 1/2) >= ap): so the level that has its limit at 0."""
    ap, _, ad = (count + added for count, added in zip(table, prior, strict=True))
    tosses = ap + ad - 1
    below = Fraction(sum(math.comb(tosses, heads) for heads in range(ap, tosses + 1)), 2**tosses)
    assume(1e-7 < below < 1 - 1e-7)
    assume(below != Fraction(1, 2))
    found = wave(*table).interval(float(abs(1 - 2 * below)), method="dirichlet", prior=prior)
    assert (found.low if below < Fraction(1, 2) else found.high) == pytest.approx(0, abs=1e-5)


def chance_below(alphas, x):
    """P(p - d <= x) for whole alphas: u = p + d is a beta variable, p / u an independent one with a binomial tail."""
    ap, aq, ad = alphas
    total, front = 0.0, math.exp(math.lgamma(ap + aq + ad) - math.lgamma(ap + ad) - math.lgamma(aq))
    for low, high in ((0.0, abs(x)), (abs(x), 1.0)):
        for node, weight in zip(*NODES, strict=True):
            u = low + (high - low) * (node + 1) / 2
            r = min(max((1 + x / u) / 2, 0.0), 1.0)
            tosses = ap + ad - 1
            tail = math.fsum(math.comb(tosses, j) * r**j * (1 - r) ** (tosses - j) for j in range(ap, tosses + 1))
            total += weight * (high - low) / 2 * front * u ** (ap + ad - 1) * (1 - u) ** (aq - 1) * tail
    return total


@given(st.tuples(*[st.integers(0, 12)] * 3).filter(any), st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999]))
def test_the_posterior_limits_leave_equal_tails(table, level):
    alphas = [count + 1 for count in table]
    low, high = limits(table, level, method="dirichlet")
    assert chance_below(alphas, low / 100) == pytest.approx((1 - level) / 2, abs=1e-8)
    assert chance_below(alphas, high / 100) == pytest.approx((1 + level) / 2, abs=1e-8)


@pytest.mark.parametrize("n", [3, 1000, 100_000])
@pytest.mark.parametrize("level", [0.95, 0.999, 1 - 1e-6])
def test_far_out_in_the_tails(n, level):
    """P(p - d <= x) of Dirichlet(a, 1, 1) is 2 ((1 + x) / 2)^(a+1), less x^(a+1) where x is positive."""
    low, high = limits((n, 0, 0), level, method="dirichlet")
    below, above = (2 * ((1 + x) / 2) ** (n + 2) - max(x, 0) ** (n + 2) for x in (low / 100, high / 100))
    assert below == pytest.approx((1 - level) / 2, rel=1e-3)
    assert 1 - above == pytest.approx((1 - level) / 2, rel=1e-3)


@pytest.mark.parametrize(
    ("table", "prior"),
    [
        ((50, 30, 20), (1, 1, 1)),
        ((100_000, 0, 0), (1, 1, 1)),
        ((0, 100_000, 0), (1, 1, 1)),
        ((0, 0, 1), (1, 1, 1)),
        ((0, 0, 1), (0.1, 0.1, 0.1)),
        ((1, 0, 0), (0.1, 5, 0.3)),
        ((3, 0, 3), (0.5, 0.5, 0.5)),
        ((40_000, 2, 30_000), (1, 1, 1)),
        ((1, 10**6, 0), (1, 1, 1)),
        ((20, 0, 0), (0.15, 0.15, 0.15)),
        ((0, 0, 1000), (0.2, 0.2, 0.2)),
    ],
)
def test_posterior_draws_fall_outside_as_often_as_they_should(table, prior):
    alphas = np.add(table, prior)
    shares = np.random.default_rng(20).dirichlet(alphas, 200_000)
    drawn = 100 * (shares[:, 0] - shares[:, 2])
    for level in (0.5, 0.95):
        tail = (1 - level) / 2
        error = math.sqrt(tail * (1 - tail) / drawn.size)
        low, high = limits(table, level, method="dirichlet", prior=prior)
        assert (drawn < low).mean() == pytest.approx(tail, abs=5 * error)
        assert (drawn > high).mean() == pytest.approx(tail, abs=5 * error)


@given(tables, tables)
@settings(max_examples=10)
def test_a_prior_is_answers_that_came_before(table, before):
    prior = tuple(count + 1 for count in before)
    together = tuple(a + b for a, b in zip(table, before, strict=True))
    assert limits(table, method="dirichlet", prior=prior) == pytest.approx(
        limits(together, method="dirichlet"), abs=1e-6
    )


# Bootstrap


def resampled(table):
    """Exact distribution of promoters minus detractors when n answers are drawn from a sample of n."""
    p, q, d = table
    n = sum(table)
    chances = {}
    for i in range(n + 1):
        for j in range(n - i + 1):
            k = n - i - j
            ways = math.comb(n, i) * math.comb(n - i, j)
            chances[i - j] = chances.get(i - j, 0) + Fraction(ways * p**i * d**j * q**k, n**n)
    return chances


def quantile(chances, probability):
    """The lowest sum that is reached with at least this probability; a tie within rounding counts as reached."""
    total = Fraction(0)
    for value in sorted(chances):
        total += chances[value]
        if total >= probability - 1e-12 and chances[value]:
            return value
    return max(value for value, chance in chances.items() if chance)


small = st.tuples(*[st.integers(0, 8)] * 3).filter(lambda table: max(table) < sum(table) <= 8)


@given(small, levels)
def test_the_percentile_bootstrap_by_looking_at_every_resample(table, level):
    chances, n = resampled(table), sum(table)
    expected = [100 * quantile(chances, side) / n for side in ((1 - level) / 2, (1 + level) / 2)]
    assert limits(table, level, method="bootstrap") == pytest.approx(tuple(expected), abs=1e-9)


def bias_corrected(table, level):
    """Efron's BCa: the bias from the resamples (those that hit the value count half), the skew from the jackknife."""
    p, q, d = table
    n = sum(table)
    chances = resampled(table)
    normal = NormalDist()
    share = sum(chance for value, chance in chances.items() if value < p - d) + chances[p - d] / 2
    bias = normal.inv_cdf(float(share))
    left_out = [(p - d - s) / (n - 1) for s, count in ((1, p), (0, q), (-1, d)) for _ in range(count)]
    centre = sum(left_out) / n
    gaps = [centre - each for each in left_out]
    skew = sum(gap**3 for gap in gaps) / (6 * sum(gap**2 for gap in gaps) ** 1.5)
    z = normal.inv_cdf((1 + level) / 2)
    moved = [bias + side for side in (-z, z)]
    probabilities = [normal.cdf(bias + each / (1 - skew * each)) for each in moved]
    return tuple(100 * quantile(chances, probability) / n for probability in probabilities)


@given(small, levels)
def test_bca_by_its_definition(table, level):
    assert limits(table, level, method="bca") == pytest.approx(bias_corrected(table, level), abs=1e-9)


@pytest.mark.parametrize("table", [(20, 15, 5), (3, 30, 7), (1, 0, 39)])
def test_bca_of_forty_answers(table):
    assert limits(table, method="bca") == pytest.approx(bias_corrected(table, 0.95), abs=1e-9)


@pytest.mark.parametrize("table", [(9, 1, 0), (3, 1, 0)])
@pytest.mark.parametrize("level", [0.95, 0.9999, 0.999999])
@pytest.mark.parametrize("method", ["bootstrap", "bca"])
def test_no_resample_has_a_detractor_that_the_sample_has_not(table, level, method):
    low, _ = limits(table, level, method=method)
    assert low >= 0
    _, high = limits(table[::-1], level, method=method)
    assert high <= 0


def test_bca_at_any_level_holds_the_middle_of_the_resamples():
    for level in (0.95, 0.999, 1 - 1e-6):
        low, high = limits((99, 0, 1), level, method="bca")
        assert low < 98 <= high
    with pytest.raises(UndefinedMetric, match="breaks down at so high a level"):
        limits((99, 0, 1), 1 - 1e-9, method="bca")


@pytest.mark.parametrize("table", [(50, 30, 20), (80, 15, 5), (10, 10, 80)])
@pytest.mark.parametrize("method", ["bootstrap", "bca"])
def test_random_draws_are_within_one_answer_of_the_exact_limits(table, method):
    exact = limits(table, method=method)
    for rng in (1, 2, np.random.default_rng(3)):
        assert limits(table, method=method, rng=rng) == pytest.approx(exact, abs=1 + 1e-9)
    assert limits(table, method=method, rng=7) == limits(table, method=method, rng=7)


@pytest.mark.parametrize("method", ["bootstrap", "bca"])
def test_above_a_million_answers_draws_must_be_asked_for(method):
    large = wave(1_000_000, 1, 0)
    with pytest.raises(InvalidValue, match="rng must be given above 1,000,000 answers, got 1,000,001"):
        large.interval(method=method)
    weighted = nps.score([9, 0], weights=[1, 2])
    with pytest.raises(InvalidValue, match='use method="score"'):
        weighted.interval(method=method)
    with pytest.raises(InvalidValue, match='use method="score"'):
        wave(5, 3, 2).interval(method=method, population=100)


# Coverage

NOMINAL = {
    (10, (0.7, 0.2, 0.1)): (87.7, 95.1, 96.1),
    (20, (0.5, 0.3, 0.2)): (92.6, 94.8, 94.7),
    (30, (0.1, 0.1, 0.8)): (90.8, 95.7, 95.0),
    (50, (0.5, 0.3, 0.2)): (94.1, 95.0, 95.1),
}


@pytest.mark.parametrize(("n", "shares"), NOMINAL)
def test_published_coverage(n, shares):
    for method, expected in zip(("wald", "adjusted_wald", "score"), NOMINAL[n, shares], strict=True):
        assert 100 * nps.coverage(shares, n=n, method=method) == pytest.approx(expected, abs=0.0501)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_coverage_by_looking_at_every_table(method, level):
    n = 6
    held = {}
    triples = [(0.5, 0.3, 0.2), (0.7, 0.2, 0.1), (0.05, 0.15, 0.8), (0.4, 0.0, 0.6), (1 / 3, 1 / 3, 1 / 3)]
    for p in range(n + 1):
        for d in range(n + 1 - p):
            try:
                held[p, d] = limits((p, n - p - d, d), level, method=method)
            except UndefinedMetric:
                assert max(p, d, n - p - d) == n
    for shares in triples:
        true, expected = 100 * (shares[0] - shares[2]), 0.0
        for (p, d), (low, high) in held.items():
            chance = math.comb(n, p) * math.comb(n - p, d) * shares[0] ** p * shares[2] ** d * shares[1] ** (n - p - d)
            expected += chance * (low - 1e-9 <= true <= high + 1e-9)
        assert nps.coverage(shares, n=n, method=method, level=level) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_coverage_does_not_know_left_from_right(method):
    one = nps.coverage((0.55, 0.25, 0.2), n=13, method=method)
    assert nps.coverage((0.2, 0.25, 0.55), n=13, method=method) == pytest.approx(one, abs=1e-9)
    assert 0 < one <= 1


def test_a_base_of_one_voice_is_never_covered_by_a_blind_method():
    for method in BLIND:
        assert nps.coverage((1.0, 0.0, 0.0), n=5, method=method) == 0
    assert nps.coverage((1.0, 0.0, 0.0), n=5, method="score") == pytest.approx(1)


@pytest.mark.parametrize(
    "shares", [(0.5, 0.3, 0.3), (0.5, 0.5), (1.2, -0.2, 0), 1.0, (math.nan, 0.5, 0.5), ("1", 0, 0)]
)
def test_shares_that_are_none(shares):
    with pytest.raises((InvalidValue, InvalidType), match="shares"):
        nps.coverage(shares, n=5)


@pytest.mark.parametrize("n", [0, -1, 1.5, 401, "5", True])
def test_sizes_that_are_not_enumerated(n):
    with pytest.raises((InvalidValue, InvalidType), match="n must be"):
        nps.coverage((0.5, 0.3, 0.2), n=n)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", [0, 1, 1.5, 95, -0.1, math.nan, "0.95", None, True])
def test_a_level_is_a_fraction_between_zero_and_one(method, level):
    with pytest.raises((InvalidValue, InvalidType), match="level must be"):
        wave(5, 3, 2).interval(level, method=method)
    with pytest.raises((InvalidValue, InvalidType), match="level must be"):
        nps.coverage((0.5, 0.3, 0.2), n=3, method=method, level=level)


# Arguments that do not go together


def test_a_near_miss_is_answered_with_the_right_method():
    with pytest.raises(InvalidValue, match="did you mean 'wald'"):
        wave(5, 3, 2).interval(method="walt")
    with pytest.raises(InvalidValue, match="method must be one of 'score'"):
        nps.coverage((0.5, 0.3, 0.2), n=5, method="t")


@pytest.mark.parametrize("method", [method for method in METHODS if method != "dirichlet"])
def test_a_prior_is_for_dirichlet(method):
    with pytest.raises(InvalidValue, match='prior is for method="dirichlet"'):
        wave(5, 3, 2).interval(method=method, prior=(1, 1, 1))


@pytest.mark.parametrize("method", [*SIGHTED, "wald", "goodman"])
def test_random_draws_are_for_the_bootstrap(method):
    with pytest.raises(InvalidValue, match='rng is for method="bootstrap"'):
        wave(5, 3, 2).interval(method=method, rng=1)


@pytest.mark.parametrize(
    "prior", [(1, 1), (1, 1, 0), (1, 1, -1), 1, (1, 1, math.nan), ("1", 1, 1), [[1, 1, 1]], "flat"]
)
def test_priors_that_are_none(prior):
    with pytest.raises((InvalidValue, InvalidType), match="prior"):
        wave(5, 3, 2).interval(method="dirichlet", prior=prior)


@pytest.mark.parametrize("rng", ["x", -1, 1.5])
def test_seeds_that_are_none(rng):
    with pytest.raises((InvalidValue, InvalidType), match="rng"):
        wave(5, 3, 2).interval(method="bootstrap", rng=rng)


@pytest.mark.parametrize(("table", "value"), [((9, 1, 0), 90), ((0, 1, 9), -90)])
def test_wald_by_hand_beyond_the_scale(table, value):
    """Nine promoters and a passive: shares 0.9 and 0.1, variance 0.9 - 0.81; the mirror image likewise."""
    half = 1.959963985 * 100 * math.sqrt((0.9 - 0.81) / 10)
    plain = wave(*table).interval(method="wald", clip=False)
    assert (plain.low, plain.high) == (pytest.approx(value - half), pytest.approx(value + half))
    cut = wave(*table).interval(method="wald")
    limits_of_scale = (max(value - half, -100), min(value + half, 100))
    assert (cut.low, cut.high, cut.clipped) == (*map(pytest.approx, limits_of_scale), True)
