"""Scores that speak for everybody, changes of the mix, and how many people to ask."""

import math
from statistics import NormalDist

import pydantic
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from retention_metrics import nps
from retention_metrics.errors import InvalidType, InvalidValue, RetentionMetricsError, UndefinedMetric

Z = NormalDist().inv_cdf(0.975)
tables = st.tuples(*[st.integers(0, 200)] * 3).filter(any)
strata = st.lists(st.tuples(tables, st.integers(1, 10**6)), min_size=1, max_size=6)
waves = st.dictionaries(
    st.sampled_from("abcde"), st.tuples(st.integers(0, 1000), st.floats(-100, 100)), min_size=1
).filter(lambda wave: any(size for size, _ in wave.values()))


def sample(promoters, passives, detractors):
    return nps.from_counts(promoters=promoters, passives=passives, detractors=detractors)


# Post-stratification


def test_the_reference_strata(reference):
    example = reference("A-NPS-13")  # the item names its input in words
    found = nps.post_stratify(
        {"one": sample(35, 10, 5), "two": sample(15, 25, 10)}, population={"one": 100, "two": 900}
    )
    assert found.unadjusted.value == pytest.approx(example["expect"]["pooled"], abs=example["tol"])
    assert found.value == pytest.approx(example["expect"]["post_stratified"], abs=example["tol"])
    assert found.standard_error == pytest.approx(example["expect"]["se_points"], abs=example["tol"])


@given(strata, st.sampled_from([0.8, 0.95]))
def test_a_stratified_score_by_its_formula(rows, level):
    named = {f"s{i}": sample(*table) for i, (table, _) in enumerate(rows)}
    sizes = {f"s{i}": size for i, (_, size) in enumerate(rows)}
    found = nps.post_stratify(named, population=sizes)
    total = sum(sizes.values())
    value = sum(sizes[name] / total * named[name].value for name in named)
    assert found.value == pytest.approx(value, abs=1e-9)
    variance = sum((sizes[n] / total) ** 2 * named[n].variance / named[n].n for n in named)
    assert found.standard_error == pytest.approx(100 * math.sqrt(variance), abs=1e-9)
    assert math.fsum(found.shares.values()) == pytest.approx(1)
    half = NormalDist().inv_cdf((1 + level) / 2) * found.standard_error
    span = found.interval(level, method="wald")
    assert (span.low, span.high) == pytest.approx((max(value - half, -100), min(value + half, 100)), abs=1e-9)
    assert span.clipped == (span.low > value - half + 1e-9 or span.high < value + half - 1e-9)


@given(strata)
def test_joined_score_intervals_stay_inside_the_scale(rows):
    named = {f"s{i}": sample(*table) for i, (table, _) in enumerate(rows)}
    sizes = {f"s{i}": size for i, (_, size) in enumerate(rows)}
    found = nps.post_stratify(named, population=sizes)
    span = found.interval()
    total = sum(sizes.values())
    below = sum((sizes[n] / total * (named[n].value - named[n].interval().low)) ** 2 for n in named)
    above = sum((sizes[n] / total * (named[n].value - named[n].interval().high)) ** 2 for n in named)
    expected = max(found.value - math.sqrt(below), -100), min(found.value + math.sqrt(above), 100)
    assert (span.low, span.high) == pytest.approx(expected, abs=1e-9)
    assert -100 <= span.low <= found.value <= span.high <= 100
    assert span.low < span.high
    assert (span.method, span.level) == ("mover", 0.95)


@given(st.lists(tables, min_size=1, max_size=6), st.integers(1, 50))
def test_the_shares_of_the_sample_give_the_pooled_score(rows, factor):
    named = {f"s{i}": sample(*table) for i, table in enumerate(rows)}
    found = nps.post_stratify(named, population={name: factor * each.n for name, each in named.items()})
    pooled = sample(*map(sum, zip(*rows, strict=True)))
    assert found.value == pytest.approx(pooled.value, abs=1e-9)
    assert found.unadjusted == pooled
    # Variance within strata cannot exceed the variance of all.
    assert found.standard_error <= pooled.standard_error() + 1e-9


@given(tables)
def test_one_stratum_is_the_sample(table):
    found = nps.post_stratify({"all": sample(*table)}, population={"all": 12})
    alone = sample(*table)
    assert found.value == pytest.approx(alone.value, abs=1e-12)
    assert found.standard_error == pytest.approx(alone.standard_error())
    span, expected = found.interval(), alone.interval()
    assert (span.low, span.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_shares_and_sizes_of_the_population_are_the_same():
    named = {"a": sample(35, 10, 5), "b": sample(15, 25, 10)}
    one = nps.post_stratify(named, population={"a": 100, "b": 900})
    other = nps.post_stratify(named, population={"b": 0.9, "a": 0.1})
    assert one.value == pytest.approx(other.value)
    assert one.standard_error == pytest.approx(other.standard_error)


def test_strata_that_do_not_match_the_population():
    good = sample(5, 3, 2)
    with pytest.raises(InvalidValue, match="stratum 'b' of the population has no answers; merge it"):
        nps.post_stratify({"a": good}, population={"a": 1, "b": 2})
    with pytest.raises(InvalidValue, match="population must name every stratum, and 'b' is missing"):
        nps.post_stratify({"a": good, "b": good}, population={"a": 1})
    with pytest.raises(InvalidValue, match="strata is empty"):
        nps.post_stratify({}, population={})
    with pytest.raises(InvalidType, match=r"strata\['a'\] must be an NpsScore, got float"):
        nps.post_stratify({"a": 30.0}, population={"a": 1})
    for bad in (0, -1, math.nan, math.inf, "1", None, True, [1, 2]):
        with pytest.raises((InvalidValue, InvalidType), match=r"population\['a'\]"):
            nps.post_stratify({"a": good}, population={"a": bad})
    with pytest.raises(InvalidValue, match="method must be one of 'mover', 'wald'"):
        nps.post_stratify({"a": good}, population={"a": 1}).interval(method="score")
    for method in ("mover", "wald"):
        for level in (0, 1, 95, math.nan, "0.9"):
            with pytest.raises((InvalidValue, InvalidType), match="level must be"):
                nps.post_stratify({"a": good}, population={"a": 1}).interval(level, method=method)


def test_strata_on_different_scales_are_no_sample():
    with pytest.raises(InvalidValue, match="scale"):
        nps.post_stratify({"a": sample(5, 3, 2), "b": nps.score([5, 4], scale="1-5")}, population={"a": 1, "b": 1})


def test_a_stratum_can_have_a_number_for_a_name():
    """So can a segment, and a segment of decompose_change."""
    found = nps.post_stratify({2024: sample(5, 3, 2), 2025: sample(2, 3, 5)}, population={2024: 1, 2025: 1})
    assert found.value == 0


@pytest.mark.parametrize("bad", [[sample(5, 3, 2)], None, 3])
def test_strata_are_a_mapping(bad):
    with pytest.raises(RetentionMetricsError):
        nps.post_stratify(bad, population={"a": 1})
    with pytest.raises(RetentionMetricsError):
        nps.post_stratify({"a": sample(5, 3, 2)}, population=bad)


# Non-response


def test_the_reference_bounds(reference):
    example = reference("A-NPS-14")
    found = nps.nonresponse_bounds(example["input"]["nps"], response_rate=example["input"]["response_rate"])
    assert (found.low, found.high) == pytest.approx(tuple(example["expect"]["bounds"]), abs=example["tol"])


@given(tables, st.integers(0, 1000))
def test_the_bounds_are_the_scores_if_all_the_others_were_of_one_mind(table, silent):
    answered = sample(*table)
    p, q, d = table
    found = nps.nonresponse_bounds(answered.value, response_rate=answered.n / (answered.n + silent))
    assert found.low == pytest.approx(sample(p, q, d + silent).value, abs=1e-9)
    assert found.high == pytest.approx(sample(p + silent, q, d).value, abs=1e-9)


def test_bounds_of_many_waves():
    found = nps.nonresponse_bounds([40, -20], response_rate=[0.2, 1])
    assert found.low.tolist() == pytest.approx([-72, -20])
    assert found.high.tolist() == pytest.approx([88, -20])
    for value, rate in (
        (101, 0.5),
        (-100.1, 0.5),
        (math.nan, 0.5),
        (40, 0),
        (40, 1.1),
        (40, 20),
        ("40", 0.5),
        (40, None),
    ):
        with pytest.raises((InvalidValue, InvalidType), match="value|response_rate"):
            nps.nonresponse_bounds(value, response_rate=rate)
    with pytest.raises(InvalidValue, match=r"value must be from -100 to 100 points; first at \[1\]"):
        nps.nonresponse_bounds([40, 400], response_rate=0.5)
    with pytest.raises(InvalidValue, match="shape"):
        nps.nonresponse_bounds([1, 2], response_rate=[0.1, 0.2, 0.3])


# Mix and rate


def test_the_reference_change(reference):
    example = reference("A-NPS-15")
    found = nps.decompose_change(
        *({name: tuple(cell) for name, cell in example["input"][key].items()} for key in ("wave1", "wave2"))
    )
    expect, close = example["expect"], {"abs": example["tol"]}
    assert [found.before, found.after] == pytest.approx(expect["nps"], **close)
    assert found.rate_effect == pytest.approx(expect["rate_effect"], **close)
    assert found.mix_effect == pytest.approx(expect["mix_effect"], **close)
    assert found.total == pytest.approx(expect["total"], **close)


@given(waves, waves)
def test_nothing_of_a_change_is_left_over(before, after):
    found = nps.decompose_change(before, after)
    for wave, total in ((before, found.before), (after, found.after)):
        sizes = sum(size for size, _ in wave.values())
        assert total == pytest.approx(sum(size * score for size, score in wave.values()) / sizes, abs=1e-9)
    assert found.rate_effect + found.mix_effect == pytest.approx(found.total, abs=1e-9)
    assert sum(row.rate_effect for row in found.segments) == pytest.approx(found.rate_effect, abs=1e-9)
    assert sum(row.mix_effect for row in found.segments) == pytest.approx(found.mix_effect, abs=1e-9)


@given(waves, waves)
def test_the_effects_of_each_segment_by_their_formulas(before, after):
    found = nps.decompose_change(before, after)
    middle = (found.before + found.after) / 2
    kept = {row.segment: row for row in found.segments}
    for name in {**before, **after}:
        (size0, score0), (size1, score1) = before.get(name, (0, 0)), after.get(name, (0, 0))
        share0, share1 = (
            size / sum(each for each, _ in wave.values()) for size, wave in ((size0, before), (size1, after))
        )
        if share0 == share1 == 0:
            assert name not in kept
            continue
        # A segment that only one wave has takes its one score for both.
        score0, score1 = score0 if share0 else score1, score1 if share1 else score0
        assert kept[name].rate_effect == pytest.approx((share0 + share1) / 2 * (score1 - score0), abs=1e-9)
        assert kept[name].mix_effect == pytest.approx((share1 - share0) * ((score0 + score1) / 2 - middle), abs=1e-9)


@given(waves, waves)
def test_turning_time_round_turns_the_effects(before, after):
    one, other = nps.decompose_change(before, after), nps.decompose_change(after, before)
    assert one.rate_effect == pytest.approx(-other.rate_effect, abs=1e-9)
    assert one.mix_effect == pytest.approx(-other.mix_effect, abs=1e-9)


@given(waves, st.data())
def test_a_change_of_one_kind_has_one_effect(before, data):
    found = nps.decompose_change(
        before, {k: (size, data.draw(st.floats(-100, 100))) for k, (size, _) in before.items()}
    )
    assert found.mix_effect == pytest.approx(0, abs=1e-9)
    moved = {name: (data.draw(st.integers(1, 100)), score) for name, (_, score) in before.items()}
    assert nps.decompose_change(before, moved).rate_effect == pytest.approx(0, abs=1e-9)


def test_a_segment_that_comes_or_goes_changes_the_mix_only():
    found = nps.decompose_change({"old": (1, 40), "gone": (1, 0)}, {"old": (1, 40), "new": (3, 80)})
    assert found.rate_effect == 0
    assert found.total == found.mix_effect == pytest.approx(50)
    assert [row.segment for row in found.segments] == ["old", "gone", "new"]
    empty = nps.decompose_change({"old": (1, 40), "new": (0, -100)}, {"old": (1, 40), "new": (1, 80)})
    assert (empty.rate_effect, empty.mix_effect) == pytest.approx((0, 20))


@given(st.lists(st.tuples(tables, tables), min_size=1, max_size=4))
def test_samples_count_by_their_size(rows):
    before = {f"s{i}": sample(*first) for i, (first, _) in enumerate(rows)}
    after = {f"s{i}": sample(*second) for i, (_, second) in enumerate(rows)}
    found = nps.decompose_change(before, after)
    as_pairs = ({name: (each.n, each.value) for name, each in wave.items()} for wave in (before, after))
    assert found == nps.decompose_change(*as_pairs)
    assert found.before == pytest.approx(
        sample(*map(sum, zip(*(first for first, _ in rows), strict=True))).value, abs=1e-9
    )


def test_weighted_samples_count_by_their_weight():
    found = nps.decompose_change(
        {"a": nps.score([9, 0], weights=[2, 1]), "b": nps.score([9], weights=[3])}, {"a": (1, 0)}
    )
    assert found.before == pytest.approx(100 * (3 * (1 / 3) + 3 * 1) / 6)


def test_weighted_and_unweighted_samples_have_no_common_size():
    """Weights of a hundred each would make two people two hundred beside two."""
    mixed = {"a": nps.score([9, 9], weights=[100, 100]), "b": sample(0, 0, 2)}
    with pytest.raises(InvalidValue, match="weight"):
        nps.decompose_change(mixed, {"a": (1, 50), "b": (1, 50)})


def test_a_change_of_the_scale_is_no_change_of_the_score():
    with pytest.raises(InvalidValue, match="scale"):
        nps.decompose_change({"a": sample(5, 3, 2)}, {"a": nps.score([5, 4], scale="1-5")})


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({}, "before has nobody"),
        ({"a": (0, 10)}, "before has nobody"),
        ({"a": (-1, 10)}, r"before\['a'\]\[0\]"),
        ({"a": (math.nan, 10)}, r"before\['a'\]\[0\]"),
        ({"a": (1, 100.5)}, r"before\['a'\]\[1\] must be a score from -100 to 100"),
        ({"a": (1, math.inf)}, r"before\['a'\]\[1\]"),
        ({"a": (1, None)}, r"before\['a'\]\[1\]"),
        ({"a": (1, "10")}, r"before\['a'\]\[1\]"),
        ({"a": (True, 10)}, r"before\['a'\]\[0\]"),
        ({"a": 40}, r"before\['a'\]"),
        ({"a": (1, 2, 3)}, r"before\['a'\]"),
        ({"a": None}, r"before\['a'\]"),
        ([(1, 10)], "before"),
    ],
    ids=str,
)
def test_waves_that_are_none(bad, message):
    with pytest.raises((InvalidValue, InvalidType), match=message):
        nps.decompose_change(bad, {"a": (1, 10)})


# Sample size


def test_the_reference_sample_size(reference):
    example = reference("A-NPS-07")
    expect = example["expect"]
    asked = {"variance": example["input"]["variance"], "level": example["input"]["conf"]}
    margin = example["input"]["moe_points"]
    assert nps.sample_size(margin=margin, **asked) == expect["n_wald"]
    assert nps.sample_size(margin=margin, method="adjusted_wald", **asked) == expect["n_adjusted_wald"]
    # A margin ten thousand times as small needs a hundred million times as many: the digits behind the point.
    assert nps.sample_size(margin=margin / 1e4, **asked) / 1e8 == pytest.approx(expect["n_exact"], abs=example["tol"])


def test_the_reference_sample_size_of_two_groups(reference):
    example = reference("A-NPS-08")
    expect, given_ = example["expect"], example["input"]
    asked = {"variances": tuple(given_["variance"]), "level": 1 - given_["alpha"], "power": given_["power"]}
    delta = given_["delta_points"]
    assert nps.sample_size_to_detect(difference=delta, **asked) == expect["n_per_group"]
    assert nps.sample_size_to_detect(difference=-delta, **asked) == expect["n_per_group"]
    assert nps.sample_size_to_detect(difference=delta, method="adjusted_wald", **asked) == expect["n_adjusted_wald"]
    quantiles = NormalDist().inv_cdf(1 - given_["alpha"] / 2) + NormalDist().inv_cdf(given_["power"])
    exact = sum(given_["variance"]) * quantiles**2 / (delta / 100) ** 2
    assert exact == pytest.approx(expect["n_exact"], abs=example["tol"])
    assert nps.sample_size_to_detect(difference=delta / 100, **asked) == math.ceil(1e4 * exact)


def half_width(n, variance, level, population=None):
    left = 1 if population is None else (population - n) / (population - 1)
    return 100 * NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(variance / n * left)


@given(st.floats(3, 100), st.floats(0.01, 1), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_one_person_fewer_would_not_do(margin, variance, level):
    n = next(n for n in range(1, 10**6) if half_width(n, variance, level) <= margin)
    assume(abs(half_width(n, variance, level) / margin - 1) > 1e-8)
    assert nps.sample_size(margin=margin, variance=variance, level=level) == n
    assert nps.sample_size(margin=margin, variance=variance, level=level, method="adjusted_wald") == max(n - 3, 1)


@given(st.floats(3, 50), st.floats(0.1, 1), st.integers(2, 5000))
def test_a_finite_population_needs_no_more_people_than_it_has(margin, variance, population):
    """Rounded up before the correction and after it, so at most one person more than the fewest that do."""
    n = nps.sample_size(margin=margin, variance=variance, population=population)
    assert n <= population
    fewest = next(n for n in range(1, population + 1) if half_width(n, variance, 0.95, population) <= margin + 1e-9)
    assert n - fewest in (0, 1)
    assert nps.sample_size(margin=margin, variance=variance, population=10**15) == nps.sample_size(
        margin=margin, variance=variance
    )


@given(st.floats(3, 30), st.floats(0.01, 1), st.floats(1, 4))
def test_silence_and_clusters_ask_for_more(margin, rate, inflation):
    answers = nps.sample_size(margin=margin)
    asked = nps.sample_size(margin=margin, response_rate=rate, design_effect=inflation)
    assert asked == pytest.approx(math.ceil(answers / rate * inflation), abs=1)
    assert asked >= answers / rate * inflation * (1 - 1e-8)


def test_the_steps_of_the_specification_in_order():
    # z^2 V / d^2 = 3.841459 * .61 / .01 = 234.33, so 235; / (1 + 234 / 5000) = 224.50; / .2 * 1.5 = 1683.7.
    assert nps.sample_size(margin=10, variance=0.61, population=5000, response_rate=0.2, design_effect=1.5) == 1684


def test_a_population_that_is_too_small_to_be_asked():
    with pytest.raises(UndefinedMetric, match="the population has 300"):
        nps.sample_size(margin=5, population=300, response_rate=0.2)
    assert nps.sample_size(margin=0.1, population=300) == 300


@given(st.floats(5, 200), st.floats(0.1, 1), st.floats(0.1, 1), st.floats(0.5, 0.99))
def test_the_groups_are_large_enough_and_no_larger(difference, one, two, power):
    n = nps.sample_size_to_detect(difference=difference, variances=(one, two), power=power)

    def found(n):
        """Probability that the difference lies beyond z standard errors, on its own side."""
        return NormalDist().cdf(difference / 100 / math.sqrt((one + two) / n) - Z)

    assert found(n) >= power - 1e-7
    assert n == 1 or found(n - 1) < power + 1e-7


@pytest.mark.parametrize(
    "bad",
    [
        {"margin": 0},
        {"margin": -5},
        {"margin": 101},
        {"margin": math.nan},
        {"margin": "10"},
        {"margin": None},
        {"margin": True},
        {"margin": [5, 10]},
        {"variance": 1.1},
        {"variance": -0.1},
        {"variance": "1"},
        {"level": 95},
        {"level": 1},
        {"method": "score"},
        {"population": 0},
        {"population": 10.5},
        {"population": "many"},
        {"response_rate": 0},
        {"response_rate": 20},
        {"design_effect": 0.5},
        {"design_effect": math.inf},
    ],
    ids=str,
)
def test_what_has_no_sample_size(bad):
    ((name, _),) = bad.items()
    with pytest.raises((InvalidValue, InvalidType), match=name):
        nps.sample_size(**{"margin": 10, **bad})


@pytest.mark.parametrize(
    "bad",
    [
        {"difference": 0},
        {"difference": 201},
        {"difference": math.nan},
        {"difference": "10"},
        {"difference": None},
        {"difference": True},
        {"difference": [10]},
        {"variances": 1},
        {"variances": (1, 1, 1)},
        {"variances": (1, 2)},
        {"variances": (1, None)},
        {"power": 0},
        {"power": 1},
        {"power": 80},
        {"power": 0.01},
        {"power": "0.8"},
        {"level": 95},
        {"method": "score"},
    ],
    ids=str,
)
def test_what_cannot_be_detected(bad):
    ((name, _),) = bad.items()
    with pytest.raises((InvalidValue, InvalidType), match=name):
        nps.sample_size_to_detect(**{"difference": 10, **bad})


@pytest.mark.parametrize("tiny", [{"margin": 1e-170}, {"margin": 1e-152}, {"margin": 10, "response_rate": 1e-308}])
def test_sizes_beyond_reckoning_are_refused_by_name(tiny):
    with pytest.raises(RetentionMetricsError):
        nps.sample_size(**tiny)


# Results


def test_results_survive_json_and_are_frozen():
    stratified = nps.post_stratify(
        {"a": sample(35, 10, 5), "b": nps.score([9, 8, 0], weights=[1, 2, 3])}, population={"a": 100, "b": 900}
    )
    change = nps.decompose_change({"X": (0.5, 60), "Y": (0.5, 20)}, {"X": (0.2, 65), "Y": (0.8, 25)})
    for found, name in ((stratified, "population"), (change, "before"), (change.segments[0], "mix_effect")):
        again = type(found).model_validate_json(found.model_dump_json())
        assert again == found
        with pytest.raises(pydantic.ValidationError, match="frozen"):
            setattr(found, name, None)
    again = nps.PostStratified.model_validate_json(stratified.model_dump_json())
    assert (again.value, again.standard_error) == (stratified.value, stratified.standard_error)
