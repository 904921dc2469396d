"""Differences of scores: two samples, pairs, segments."""

import math
from fractions import Fraction
from statistics import NormalDist

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from retention_metrics import nps
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric

Z = NormalDist().inv_cdf(0.975)
METHODS = ["adjusted_wald", "wald"]

tables = st.tuples(*[st.integers(0, 200)] * 3).filter(any)
mixed = tables.filter(lambda table: max(table) < sum(table))
pairs = st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=1, max_size=40)
segments = st.lists(tables, min_size=2, max_size=7)


def wave(promoters, passives, detractors):
    return nps.from_counts(promoters=promoters, passives=passives, detractors=detractors)


def code(answer):
    return 1 if answer >= 9 else 0 if answer >= 7 else -1


def moments(codes, weights):
    """Mean and variance of some values with whole weights, exactly."""
    total = sum(weights)
    mean = Fraction(sum(w * s for w, s in zip(weights, codes, strict=True)), total)
    return mean, sum(w * (s - mean) ** 2 for w, s in zip(weights, codes, strict=True)) / total


def textbook(a, b, added):
    """Difference and standard error in points after adding quarters of answers, exactly up to the root."""
    found = []
    for table in (a, b):
        quarters = [4 * count + more for count, more in zip(table, added, strict=True)]
        mean, variance = moments((1, 0, -1), quarters)
        found.append((mean, variance * 4 / sum(quarters)))
    (m1, v1), (m2, v2) = found
    return float(100 * (m1 - m2)), 100 * math.sqrt(v1 + v2)


ADDED = {"adjusted_wald": (3, 6, 3), "wald": (0, 0, 0)}


# Two samples


def test_the_reference_difference(reference):
    example = reference("A-NPS-06")
    a, b = (wave(*example["input"][name]) for name in "ab")
    expect, close = example["expect"], {"abs": example["tol"]}
    plain = nps.compare(a, b, method="wald")
    assert plain.difference == plain.observed == pytest.approx(expect["diff"], **close)
    assert plain.standard_error == pytest.approx(expect["se"], **close)
    assert plain.z == pytest.approx(expect["z"], **close)
    assert plain.p_value == pytest.approx(expect["p"], **close)
    span = plain.interval()
    assert (span.low, span.high) == pytest.approx(tuple(expect["ci"]), **close)
    adjusted = nps.compare(a, b)
    assert adjusted.method == "adjusted_wald"
    assert adjusted.observed == pytest.approx(expect["diff"], **close)
    for name, key in (("difference", "diff"), ("standard_error", "se"), ("z", "z"), ("p_value", "p")):
        assert getattr(adjusted, name) == pytest.approx(expect["adj_wald"][key], **close)


@given(mixed, tables, st.sampled_from(METHODS), st.sampled_from([0.8, 0.95, 0.99]))
def test_a_difference_by_its_formula(a, b, method, level):
    found = nps.compare(wave(*a), wave(*b), method=method)
    difference, error = textbook(a, b, ADDED[method])
    assert found.difference == pytest.approx(difference, abs=1e-9)
    assert found.standard_error == pytest.approx(error, rel=1e-9)
    assert found.z == pytest.approx(difference / error, abs=1e-9)
    assert found.p_value == pytest.approx(2 * NormalDist().cdf(-abs(difference / error)), abs=1e-9)
    assert found.observed == pytest.approx(wave(*a).value - wave(*b).value)
    span = found.interval(level)
    half = NormalDist().inv_cdf((1 + level) / 2) * error
    assert span.low == pytest.approx(max(difference - half, -200), abs=1e-6)
    assert span.high == pytest.approx(min(difference + half, 200), abs=1e-6)
    assert span.clipped == (difference - half < -200 or difference + half > 200)
    assert (span.level, span.method) == (level, method)


@given(mixed, tables, st.sampled_from(METHODS))
def test_swapping_the_samples_flips_the_sign(a, b, method):
    one, other = nps.compare(wave(*a), wave(*b), method=method), nps.compare(wave(*b), wave(*a), method=method)
    assert (one.observed, one.difference) == pytest.approx((-other.observed, -other.difference), abs=1e-12)
    assert one.standard_error == pytest.approx(other.standard_error)
    assert one.p_value == pytest.approx(other.p_value)
    first, second = one.interval(), other.interval()
    assert (first.low, first.high) == pytest.approx((-second.high, -second.low), abs=1e-9)


@given(mixed, tables)
def test_the_interval_and_the_test_agree(a, b):
    found = nps.compare(wave(*a), wave(*b))
    assume(abs(found.p_value - 0.05) > 1e-9)
    span = found.interval(0.95)
    assert (found.p_value < 0.05) == (span.low > 0 or span.high < 0)


def test_weighted_answers_count_for_their_effective_number():
    # Weights 3, 1, 1, 1 tell as much as (3 + 3)^2 / (9 + 3) = 3 of four.
    a = nps.score(np.repeat([10] * 5 + [8] * 3 + [0] * 2, 4), weights=[3, 1, 1, 1] * 10)
    b = wave(40, 30, 30)
    for method in METHODS:
        one, other = nps.compare(a, b, method=method), nps.compare(wave(15, 9, 6), b, method=method)
        assert one.difference == pytest.approx(other.difference)
        assert one.standard_error == pytest.approx(other.standard_error)


def test_unanimous_samples_have_no_plain_difference():
    for a, b in (((5, 0, 0), (5, 0, 0)), ((5, 0, 0), (0, 0, 9)), ((0, 1, 0), (0, 0, 1))):
        with pytest.raises(UndefinedMetric, match='both samples are unanimous.*use method="adjusted_wald"'):
            nps.compare(wave(*a), wave(*b), method="wald")
        found = nps.compare(wave(*a), wave(*b))
        assert found.standard_error == pytest.approx(textbook(a, b, (3, 6, 3))[1])
        assert math.isfinite(found.p_value)


def test_only_scores_on_one_scale_compare():
    with pytest.raises(InvalidValue, match="scores must be on one scale, got 0-10, 1-5"):
        nps.compare(wave(5, 3, 2), nps.score([5, 4], scale="1-5"))
    for bad in (30.0, [9, 8], None, (50, 30, 20)):
        with pytest.raises(InvalidType, match="b must be an NpsScore"):
            nps.compare(wave(5, 3, 2), bad)
        with pytest.raises(InvalidType, match="a must be an NpsScore"):
            nps.compare(bad, wave(5, 3, 2))
    with pytest.raises(InvalidValue, match="did you mean 'wald'"):
        nps.compare(wave(5, 3, 2), wave(5, 3, 2), method="wold")
    for bad in (0, 1, 95, math.nan, "0.9"):
        with pytest.raises((InvalidValue, InvalidType), match="level must be"):
            nps.compare(wave(5, 3, 2), wave(5, 3, 2)).interval(bad)


# Pairs


def doubled(rows, added):
    """Differences of pairs with weights: each pair 16 times, and 3 x 16 pairs more that are independent."""
    changes = [code(after) - code(before) for before, after in rows]
    weights = [16] * len(rows)
    if added:
        for i, first in zip((1, 0, -1), (1, 2, 1), strict=True):
            for j, second in zip((1, 0, -1), (1, 2, 1), strict=True):
                changes.append(j - i)
                weights.append(3 * first * second)
    return changes, weights


@given(pairs, st.sampled_from(METHODS))
def test_the_change_of_the_same_people_by_its_definition(rows, method):
    mean, variance = moments(*doubled(rows, method == "adjusted_wald"))
    assume(variance > 0)
    found = nps.compare_paired([b for b, _ in rows], [a for _, a in rows], method=method)
    n = len(rows) + (3 if method == "adjusted_wald" else 0)
    assert found.difference == pytest.approx(float(100 * mean), abs=1e-9)
    assert found.standard_error == pytest.approx(100 * math.sqrt(variance / n), rel=1e-9)
    assert found.observed == pytest.approx(100 * sum(code(a) - code(b) for b, a in rows) / len(rows), abs=1e-9)
    assert found.paired
    assert found.excluded == {}


@given(pairs)
def test_both_waves_are_adjusted_as_for_different_people(rows):
    before, after = [b for b, _ in rows], [a for _, a in rows]
    alone = nps.compare(nps.score(after), nps.score(before))
    assert nps.compare_paired(before, after).difference == pytest.approx(alone.difference, abs=1e-9)


@given(pairs, st.sampled_from(METHODS))
def test_swapping_the_waves_flips_the_sign(rows, method):
    before, after = [b for b, _ in rows], [a for _, a in rows]
    assume(method == "adjusted_wald" or len({code(a) - code(b) for b, a in rows}) > 1)
    one, other = nps.compare_paired(before, after, method=method), nps.compare_paired(after, before, method=method)
    assert one.difference == pytest.approx(-other.difference, abs=1e-12)
    assert one.standard_error == pytest.approx(other.standard_error)


@given(st.tuples(*[st.integers(1, 6)] * 3), st.tuples(*[st.integers(1, 6)] * 3))
def test_pairs_without_any_connection_are_two_samples(first, second):
    """Every answer of one wave beside every answer of the other: the covariance is zero."""
    one, two = ([10] * t[0] + [8] * t[1] + [0] * t[2] for t in (first, second))
    before = [b for b in one for _ in two]
    after = [a for _ in one for a in two]
    paired = nps.compare_paired(before, after, method="wald")
    alone = nps.compare(nps.score(after), nps.score(before), method="wald")
    assert paired.standard_error == pytest.approx(alone.standard_error)
    assert paired.difference == pytest.approx(alone.difference)


def test_a_like_change_of_everybody_has_no_plain_error():
    for before, after in (([9, 8], [9, 8]), ([0, 7], [7, 10])):
        with pytest.raises(UndefinedMetric, match="everybody changed in the same way"):
            nps.compare_paired(before, after, method="wald")
        assert nps.compare_paired(before, after).standard_error > 0


def test_pairs_with_an_unusable_answer_are_refused_or_counted():
    before, after = [9, None, 3, 11, 8], [7, 9, 6.5, None, 8]
    with pytest.raises(InvalidValue, match=r"before\[1\]"):
        nps.compare_paired(before, after)
    with pytest.raises(InvalidValue, match=r"after\[2\]"):
        nps.compare_paired([9, 8, 3], [9, 8, 6.5])
    found = nps.compare_paired(before, after, on_invalid="exclude")
    assert found.observed == pytest.approx(-50)
    assert sum(found.excluded.values()) == 3
    with pytest.raises(UndefinedMetric, match="no pair"):
        nps.compare_paired([9, None], [None, 9], on_invalid="exclude")
    with pytest.raises(UndefinedMetric):
        nps.compare_paired([], [])


def test_waves_that_are_no_pairs_are_refused():
    with pytest.raises(InvalidValue, match="same people in the same order, got 2 and 3 answers"):
        nps.compare_paired([9, 8], [9, 8, 7])
    with pytest.raises(InvalidType, match="after must be a sequence"):
        nps.compare_paired([9, 8], 9)
    with pytest.raises(InvalidType, match=r"before\[0\]"):
        nps.compare_paired(["9", 8], [9, 8])
    with pytest.raises(InvalidValue, match="on_invalid must be one of"):
        nps.compare_paired([9, 8], [9, 8], on_invalid="skip")
    with pytest.raises(InvalidValue, match="from 1 to 5"):
        nps.compare_paired([9, 8], [9, 8], scale="1-5")


@pytest.mark.parametrize(
    "make",
    [
        tuple,
        np.array,
        pd.Series,
        lambda x: pd.Series(x, dtype="Int64"),
        pl.Series,
        pa.array,
        lambda x: np.array(x, ">i4"),
    ],
)
def test_pairs_in_any_container(make):
    before, after = [9, 9, 7, 3, 8, 10], [7, 9, 6, 3, 8, 8]
    assert nps.compare_paired(make(before), make(after)) == nps.compare_paired(before, after)


def test_pairs_on_another_scale():
    on_five = nps.compare_paired([5, 4, 1, 5], [4, 5, 5, 1], scale="1-5")
    on_ten = nps.compare_paired([9, 7, 0, 10], [8, 10, 9, 6])
    assert (on_five.difference, on_five.standard_error) == (on_ten.difference, on_ten.standard_error)


# Segments


def holm(p_values):
    """Step down: the smallest times m, the next times m - 1, ...; never below the one before, never above 1."""
    m, adjusted, worst = len(p_values), [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        worst = max(worst, min(1.0, (m - rank) * p_values[i]))
        adjusted[i] = worst
    return adjusted


def benjamini_hochberg(p_values):
    """Each p-value times m over its rank; the smallest of those at or above it, never above 1."""
    m = len(p_values)
    ranked = sorted(p_values)
    return [min(min(1.0, m * q / (rank + 1)) for rank, q in enumerate(ranked) if q >= p) for p in p_values]


TEXTBOOK = {"holm": holm, "benjamini_hochberg": benjamini_hochberg}


@given(segments, st.sampled_from(sorted(TEXTBOOK)), st.integers(1, 150))
def test_p_values_are_corrected_for_the_segments_compared(rows, correction, fewest):
    named = {f"s{i}": wave(*row) for i, row in enumerate(rows)}
    table = nps.compare_segments(named, correction=correction, min_answers=fewest)
    compared = [row for row in table.rows if row.comparison is not None]
    p_values = [row.comparison.p_value for row in compared]
    # Two segments make one test, seen from both sides.
    expected = p_values if len(rows) == 2 else TEXTBOOK[correction](p_values)
    assert [row.p_adjusted for row in compared] == pytest.approx(expected, rel=1e-12)
    for row in table.rows:
        if row.score.n < fewest:
            assert (row.comparison, row.p_adjusted, row.reason) == (None, None, f"fewer than {fewest} answers")
    assert (table.correction, table.min_answers) == (correction, fewest)


@pytest.mark.parametrize("correction", TEXTBOOK)
def test_the_textbook_corrections_reject_what_the_procedures_reject(correction):
    """Holm rejects while p(i) <= a / (m - i + 1); Benjamini and Hochberg up to the last p(i) <= i a / m."""
    p_values = [0.001, 0.04, 0.012, 0.03, 0.2, 0.012]
    ranked, m = sorted(p_values), len(p_values)
    for alpha in (0.01, 0.05, 0.07, 0.1, 0.3):
        if correction == "holm":
            passed = next((i for i, p in enumerate(ranked) if p > alpha / (m - i)), m)
        else:
            passed = max((i + 1 for i, p in enumerate(ranked) if p <= (i + 1) * alpha / m), default=0)
        assert sorted(p_values)[:passed] == sorted(
            p for p, q in zip(p_values, TEXTBOOK[correction](p_values), strict=True) if q <= alpha
        )


@given(segments)
def test_a_segment_and_its_rest_are_the_whole(rows):
    table = nps.compare_segments({f"s{i}": wave(*row) for i, row in enumerate(rows)}, min_answers=1)
    whole = tuple(map(sum, zip(*rows, strict=True)))
    for row, counts in zip(table.rows, rows, strict=True):
        assert (row.score.promoters, row.score.passives, row.score.detractors) == counts
        together = (
            row.score.promoters + row.rest.promoters,
            row.score.passives + row.rest.passives,
            row.score.detractors + row.rest.detractors,
        )
        assert together == whole
        assert row.comparison == nps.compare(row.score, row.rest)


@given(segments)
def test_segment_scores_weighted_by_size_give_the_total(rows):
    table = nps.compare_segments({f"s{i}": wave(*row) for i, row in enumerate(rows)})
    total = sum(row.score.n for row in table.rows)
    pooled = sum(row.score.n * row.score.value for row in table.rows) / total
    assert pooled == pytest.approx(wave(*map(sum, zip(*rows, strict=True))).value, abs=1e-9)


def test_the_rest_of_weighted_segments_keeps_the_weights():
    rng = np.random.default_rng(4)
    scores, weights = rng.integers(0, 11, 90), rng.uniform(0.5, 3, 90)
    parts = [slice(0, 30), slice(30, 50), slice(50, 90)]
    table = nps.compare_segments({f"s{i}": nps.score(scores[p], weights=weights[p]) for i, p in enumerate(parts)})
    for row, part in zip(table.rows, parts, strict=True):
        rest = nps.score(np.delete(scores, part), weights=np.delete(weights, part))
        assert row.rest.value == pytest.approx(rest.value)
        assert row.rest.n_effective == pytest.approx(rest.n_effective)
        assert row.comparison.p_value == pytest.approx(nps.compare(row.score, rest).p_value)


def test_a_rest_that_is_too_small_is_not_compared_either():
    """A thousand against three is the comparison of three against a thousand, which is refused."""
    table = nps.compare_segments({"large": wave(500, 300, 200), "small": wave(2, 1, 0)})
    assert [row.comparison for row in table.rows] == [None, None]


def test_unanimous_segments_do_not_take_the_whole_table_down():
    """a against the rest has no plain test, b against the rest has one: a row says why, as for a small segment."""
    table = nps.compare_segments({"a": wave(20, 0, 0), "b": wave(30, 0, 0)}, method="wald")
    assert all(row.reason for row in table.rows)


def test_what_cannot_be_segments():
    good = wave(5, 3, 2)
    for few in ({}, {"a": good}):
        with pytest.raises(InvalidValue, match=f"segments must be at least two, got {len(few)}"):
            nps.compare_segments(few)
    with pytest.raises(InvalidType, match=r"segments\['b'\] must be an NpsScore, got float"):
        nps.compare_segments({"a": good, "b": 30.0})
    with pytest.raises(InvalidValue, match="scale"):
        nps.compare_segments({"a": good, "b": nps.score([5], scale="1-5")})
    with pytest.raises(InvalidValue, match="weighted and unweighted"):
        nps.compare_segments({"a": good, "b": nps.score([9, 8], weights=[1, 2]), "c": good})
    with pytest.raises(InvalidValue, match="correction must be one of 'holm', 'benjamini_hochberg'"):
        nps.compare_segments({"a": good, "b": good}, correction="bonferroni")
    for bad in (0, 1.5, "10", None):
        with pytest.raises((InvalidValue, InvalidType), match="min_answers"):
            nps.compare_segments({"a": good, "b": good}, min_answers=bad)


def test_segments_are_a_mapping():
    with pytest.raises(InvalidType, match="segments"):
        nps.compare_segments([wave(5, 3, 2), wave(3, 3, 3)])


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_a_frame_of_segments_is_the_table(backend):
    table = nps.compare_segments({"a": wave(45, 35, 20), "b": wave(30, 40, 30), "c": wave(3, 1, 0)})
    columns = table.to_dict()
    frame = table.to_frame(backend)
    read = (
        frame.to_pydict() if backend == "pyarrow" else frame.to_dict(as_series=False) if backend == "polars" else None
    )
    if read is None:
        read = {name: [None if value != value else value for value in frame[name].tolist()] for name in frame}
    assert read == columns
    span = table.rows[0].comparison.interval()
    assert (columns["low"][0], columns["high"][0]) == (span.low, span.high)
    assert columns["n"] == [100, 100, 4]
    assert columns["reason"][2] == "fewer than 10 answers"
    with pytest.raises(InvalidValue, match="backend must be one of"):
        table.to_frame("panda")


def test_the_table_shows_the_difference_of_the_scores_it_shows():
    columns = nps.compare_segments({"a": wave(45, 35, 20), "b": wave(15, 10, 5), "c": wave(30, 40, 30)}).to_dict()
    for value, rest, difference in zip(columns["nps"], columns["nps_rest"], columns["difference"], strict=True):
        assert difference == pytest.approx(value - rest, abs=1e-9)


# Results


def test_comparisons_survive_json_and_are_frozen():
    plain = nps.compare(wave(50, 30, 20), wave(40, 30, 30))
    paired = nps.compare_paired([9, None, 3, 7], [7, 9, 6, 9], on_invalid="exclude")
    for found in (plain, paired):
        again = nps.NpsComparison.model_validate_json(found.model_dump_json())
        assert again == found
        assert again.p_value == found.p_value
        with pytest.raises(pydantic.ValidationError, match="frozen"):
            found.difference = 0
    table = nps.compare_segments({"a": wave(45, 35, 20), "b": wave(30, 40, 30), "c": wave(3, 1, 0)})
    assert nps.NpsSegments.model_validate_json(table.model_dump_json()) == table
    for result, name in ((table, "rows"), (table.rows[0], "p_adjusted")):
        with pytest.raises(pydantic.ValidationError, match="frozen"):
            setattr(result, name, None)


def test_a_comparison_prints_the_sign():
    found = nps.compare(wave(40, 30, 30), wave(50, 30, 20), method="wald")
    assert str(found) == "difference -20.0 points (95 %: -42.3 to +2.3), z = -1.75, p = 0.079"
