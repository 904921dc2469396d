"""Score, classes, weights and exclusions; what is refused and what is read."""

import array as arrays
import math
from collections import deque
from fractions import Fraction
from itertools import chain

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from retention_metrics import Interval, RetentionMetricsError, nps
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric

answers = st.lists(st.integers(0, 10), min_size=1, max_size=60)
tables = st.tuples(*[st.integers(0, 10**6)] * 3).filter(any)
weighted = st.lists(st.tuples(st.integers(0, 10), st.floats(0.1, 10)), min_size=1, max_size=40)
INTEGERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
SCALES = {
    "0-10": (range(11), (7, 8)),
    "1-10": (range(1, 11), (7, 8)),
    "1-7": (range(1, 8), (5,)),
    "1-5": (range(1, 6), (4,)),
}
SOME = [10, 9, 8, 7, 6, 0, 3, 10]


def wave(promoters, passives, detractors):
    return nps.from_counts(promoters=promoters, passives=passives, detractors=detractors)


def code(answer):
    return 1 if answer >= 9 else 0 if answer >= 7 else -1


def counts(result):
    return result.promoters, result.passives, result.detractors


def counted(scores):
    codes = [code(answer) for answer in scores]
    return codes.count(1), codes.count(0), codes.count(-1)


def span(text):
    low, high = map(int, text.split("-"))
    return range(low, high + 1)


# Reference numbers


def test_the_classes_of_the_articles(reference):
    example = reference("S-NPS-01")
    for name, ends in example["input"].items():
        for answer in span(ends):
            assert getattr(nps.score([answer]), name) == 1
    # "share of promoters minus share of detractors, in points": forty more of a hundred than of the others.
    assert nps.score([9] * 60 + [7] * 20 + [6] * 20).value == pytest.approx(40, abs=example["tol"])


def test_the_class_of_each_answer(reference):
    example = reference("A-NPS-10")
    assert sorted(chain.from_iterable(example["expect"].values())) == example["input"]["scores"]
    for name, members in example["expect"].items():
        assert [getattr(nps.score([answer]), f"{name}s") for answer in members] == [1] * len(members)


def test_score_variance_and_standard_error(reference):
    example = reference("A-NPS-01")
    found, expect = nps.from_counts(**example["input"]), example["expect"]
    close = {"abs": example["tol"]}
    assert found.value == pytest.approx(expect["nps"], **close)
    assert found.variance == pytest.approx(expect["variance_unit"], **close)
    assert found.standard_error() == pytest.approx(expect["se_points"], **close)


def test_the_shares_are_not_taken_for_independent(reference):
    example = reference("A-NPS-02")
    assert nps.from_counts(**example["input"]).standard_error() != pytest.approx(
        example["expect"]["se_points_not"], abs=1
    )


def test_published_population_proportions(reference):
    example = reference("A-NPS-04")
    n, expect = example["input"]["n"], example["expect"]
    found = wave(*(round(share * n) for share in example["input"]["p"]))
    assert found.value == pytest.approx(expect["nps"], abs=example["tol"])
    assert found.variance == pytest.approx(expect["variance_unit"], abs=example["tol"])
    assert found.standard_error() == pytest.approx(expect["se_points"], abs=example["tol"])
    shares = dict(zip(("promoters", "passives", "detractors"), example["input"]["p"], strict=True))
    assert nps.net_promoter_score(**shares) == pytest.approx(expect["nps"], abs=example["tol"])


def test_published_margin_of_three_hundred_answers(reference):
    example = reference("A-NPS-05")
    found, expect = nps.from_counts(**example["input"]), example["expect"]
    assert found.value == pytest.approx(expect["nps"], abs=example["tol"])
    assert found.standard_error() == pytest.approx(expect["se_points"], abs=example["tol"])
    limits = found.interval(method="wald")
    assert (limits.high - limits.low) / 2 == pytest.approx(expect["moe95"], abs=example["tol"])


def test_effective_size_by_kish(reference):
    example = reference("A-NPS-09")
    weights = [
        float(w)
        for part in example["input"]["weights"].split(", ")
        for k, w in [part.split(" x ")]
        for _ in range(int(k))
    ]
    found, expect = nps.score([9, 3, 8, 10, 0] * 5, weights=weights), example["expect"]
    assert found.n_effective == pytest.approx(expect["n_eff"], abs=example["tol"])
    assert found.design_effect == pytest.approx(expect["deff"], abs=example["tol"])
    assert found.design_effect - 1 == pytest.approx(expect["cv2_population"], abs=example["tol"])


def test_impossible_answers_are_refused_and_zero_is_a_detractor(reference):
    example = reference("A-NPS-11")
    scores = example["input"]["scores"]
    assert nps.score(scores[:1]).detractors == 1
    for bad in example["expect"]["reject"]:
        with pytest.raises(InvalidValue, match="out of scale"):
            nps.score([0, bad])
    with pytest.raises(InvalidValue, match="fractional"):
        nps.score([0, 6.5])
    found = nps.score(scores, on_invalid="exclude")
    assert (counts(found), found.excluded) == ((0, 0, 1), {"out of scale": 2, "fractional": 1, "missing": 1})


def test_two_standard_errors_of_weighted_answers(reference):
    example = reference("A-NPS-12")
    scores = [{1: 10, 0: 7, -1: 0}[s] for s in example["input"]["s"]]
    found, expect = nps.score(scores, weights=example["input"]["w"]), example["expect"]
    assert found.value == pytest.approx(expect["nps"], abs=example["tol"])
    assert found.n_effective == pytest.approx(expect["n_eff"], abs=example["tol"])
    assert found.standard_error() == pytest.approx(expect["se_kish"], abs=example["tol"])
    assert found.standard_error(method="linearised") == pytest.approx(expect["se_linearised"], abs=example["tol"])


# Properties


@given(answers)
def test_a_sample_of_answers_is_the_sample_of_their_counts(scores):
    found = nps.score(scores)
    assert counts(found) == counted(scores)
    assert found == wave(*counted(scores))
    codes = [code(answer) for answer in scores]
    mean = Fraction(sum(codes), len(codes))
    assert found.value == pytest.approx(float(100 * mean), abs=1e-12)
    variance = sum((s - mean) ** 2 for s in codes) / len(codes)
    assert found.variance == pytest.approx(float(variance), abs=1e-12)
    assert found.standard_error() == pytest.approx(100 * math.sqrt(variance / len(codes)), abs=1e-9)
    assert found.standard_error(method="linearised") == found.standard_error()
    assert (found.n, found.n_effective, found.design_effect) == (len(scores), len(scores), 1)


@given(st.lists(tables, min_size=1, max_size=8))
def test_an_array_of_scores_is_each_score_alone(rows):
    names = ("promoters", "passives", "detractors")
    columns = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    alone = [nps.net_promoter_score(**dict(zip(names, row, strict=True))) for row in rows]
    assert nps.net_promoter_score(**columns).tolist() == alone
    assert alone == [wave(*row).value for row in rows]
    assert nps.net_promoter_score(**{name: np.array(column) for name, column in columns.items()}).tolist() == alone
    assert alone == pytest.approx([float(Fraction(100 * (p - d), p + q + d)) for p, q, d in rows], abs=1e-12)


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_a_score_stays_within_the_scale(promoters, other):
    assert nps.net_promoter_score(promoters=promoters, passives=0, detractors=0) == 100
    assert nps.net_promoter_score(promoters=0, passives=0, detractors=promoters) == -100
    assert -100 <= nps.net_promoter_score(promoters=promoters, passives=0, detractors=other) <= 100


@pytest.mark.parametrize("weight", [2.771035437486299, 0.07, 0.29])
def test_a_unanimous_weighted_sample_scores_exactly_one_hundred(weight):
    found = nps.score([10], weights=[weight])
    assert found.value == 100
    assert found.interval().low <= found.value <= found.interval().high


def test_arrays_broadcast_and_holes_are_asked_for():
    grid = nps.net_promoter_score(promoters=[[1], [2]], passives=1, detractors=[0, 1, 2])
    assert grid.shape == (2, 3)
    assert grid[1, 2] == 0
    with pytest.raises(UndefinedMetric, match=r"at \[1\]: there are no answers"):
        nps.net_promoter_score(promoters=[1, 0], passives=[0, 0], detractors=[0, 0])
    holes = nps.net_promoter_score(promoters=[1, 0], passives=[0, 0], detractors=[0, 0], undefined="nan")
    assert holes[0] == 100
    assert math.isnan(holes[1])
    with pytest.raises(UndefinedMetric):
        nps.net_promoter_score(promoters=0, passives=0, detractors=0)
    with pytest.raises(InvalidValue, match="promoters"):
        nps.net_promoter_score(promoters=[1, 2], passives=[1, 2, 3], detractors=1)


@given(weighted)
def test_weighted_formulas(rows):
    found = nps.score([a for a, _ in rows], weights=[w for _, w in rows])
    total = math.fsum(w for _, w in rows)
    mean = math.fsum(w * code(a) for a, w in rows) / total
    variance = math.fsum(w * (code(a) - mean) ** 2 for a, w in rows) / total
    n_eff = total**2 / math.fsum(w * w for _, w in rows)
    assert found.value == pytest.approx(100 * mean, abs=1e-9)
    assert found.variance == pytest.approx(variance, abs=1e-9)
    assert found.n_effective == pytest.approx(n_eff, rel=1e-9)
    assert found.design_effect == pytest.approx(len(rows) / n_eff, rel=1e-9)
    assert found.standard_error() == pytest.approx(100 * math.sqrt(variance / n_eff), abs=1e-6)
    linearised = 100 * math.sqrt(math.fsum((w * (code(a) - mean)) ** 2 for a, w in rows)) / total
    assert found.standard_error(method="linearised") == pytest.approx(linearised, abs=1e-9)
    assert math.fsum(found.shares) == pytest.approx(1)
    assert counts(found) == counted([a for a, _ in rows])


@given(weighted, st.floats(1e-6, 1e6))
def test_scaling_all_weights_changes_nothing(rows, factor):
    scores, weights = [a for a, _ in rows], [w for _, w in rows]
    one, other = nps.score(scores, weights=weights), nps.score(scores, weights=[factor * w for w in weights])
    for name in ("value", "variance", "n_effective", "design_effect", "shares"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-9)
    for method in ("kish", "linearised"):
        assert one.standard_error(method=method) == pytest.approx(other.standard_error(method=method), abs=1e-6)
    for method in ("score", "adjusted_wald", "dirichlet"):
        first, second = one.interval(method=method), other.interval(method=method)
        assert (first.low, first.high) == pytest.approx((second.low, second.high), abs=1e-6)


@given(answers, st.floats(0.01, 100))
def test_equal_weights_are_no_weights(scores, weight):
    one, other = nps.score(scores), nps.score(scores, weights=[weight] * len(scores))
    for name in ("value", "variance", "n_effective", "shares"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-9)
    assert one.standard_error() == pytest.approx(other.standard_error(method="linearised"), abs=1e-6)
    first, second = one.interval(), other.interval()
    assert (first.low, first.high) == pytest.approx((second.low, second.high), abs=1e-6)


@given(st.integers(2, 40), st.floats(0.01, 3))
def test_the_design_effect_is_never_below_one(n, weight):
    found = nps.score([9, 3] * n, weights=[weight] * 2 * n)
    assert found.design_effect >= 1
    # So that it can be handed on.
    assert nps.sample_size(margin=10, design_effect=found.design_effect) >= 385


@given(st.lists(st.tuples(st.integers(0, 10), st.integers(1, 6)), min_size=1, max_size=20))
def test_whole_weights_score_as_repeated_answers(rows):
    found = nps.score([a for a, _ in rows], weights=[w for _, w in rows])
    repeated = nps.score([a for a, w in rows for _ in range(w)])
    assert found.value == pytest.approx(repeated.value, abs=1e-12)
    assert found.shares == pytest.approx(repeated.shares)
    assert found.n_effective <= repeated.n + 1e-9


@given(tables)
def test_turning_the_sample_round_turns_the_sign(table):
    p, q, d = table
    one, other = wave(p, q, d), wave(d, q, p)
    assert one.value == -other.value
    assert one.standard_error() == pytest.approx(other.standard_error())


@given(tables, st.integers(1, 10**6))
def test_a_finite_population_shrinks_the_standard_error(table, more):
    found = wave(*table)
    everybody = found.n + more
    left = Fraction(everybody - found.n, everybody - 1)
    assert found.standard_error(population=everybody) == pytest.approx(
        found.standard_error() * math.sqrt(left), abs=1e-12
    )
    assert found.standard_error(population=found.n) == 0
    assert found.standard_error(population=10**15) == pytest.approx(found.standard_error(), rel=1e-6)


def test_more_answers_than_people_are_refused():
    found = wave(5, 3, 2)
    for ask in (found.standard_error, found.interval):
        with pytest.raises(InvalidValue, match="population must be at least n, the 10 answers given, got 9"):
            ask(population=9)
        for bad in (9.5, 0, -1, math.nan, math.inf, "100", True):
            with pytest.raises((InvalidValue, InvalidType), match="population"):
                ask(population=bad)


@pytest.mark.parametrize("method", ["kisch", "", None, 1])
def test_unknown_standard_error(method):
    with pytest.raises(InvalidValue, match="method must be one of 'kish', 'linearised'"):
        wave(5, 3, 2).standard_error(method=method)


# Scales


@pytest.mark.parametrize("scale", SCALES)
def test_every_answer_of_every_scale_falls_in_its_class(scale):
    points, passives = SCALES[scale]
    for answer in points:
        for given_ in ([answer], np.array([answer]), [float(answer)], np.array([answer], "i1")):
            expected = (1, 0, 0) if answer > max(passives) else (0, 1, 0) if answer in passives else (0, 0, 1)
            assert counts(nps.score(given_, scale=scale)) == expected
    for answer in (min(points) - 1, max(points) + 1, max(points) + 256):
        for given_ in ([answer], np.array([answer]), [float(answer)]):
            with pytest.raises(InvalidValue, match=f"whole number from {min(points)} to {max(points)}"):
                nps.score(given_, scale=scale)
    assert nps.score([max(points)], scale=scale).scale == scale


def test_a_scale_is_never_guessed():
    assert counts(nps.score([5, 5, 4, 5])) == (0, 0, 4)
    with pytest.raises(InvalidValue, match="scale must be one of '0-10', '1-10', '1-7', '1-5', got '1-6'"):
        nps.score([5], scale="1-6")
    for bad in (5, None, "0-5", ["1-5"]):
        with pytest.raises(InvalidValue, match="scale must be one of"):
            nps.score([5], scale=bad)


# Bad answers

BAD = [
    (11, "out of scale"),
    (-1, "out of scale"),
    (6.5, "fractional"),
    ("9", "not a number"),
    (True, "true or false"),
    (np.True_, "true or false"),
    (math.nan, "missing"),
    (None, "missing"),
    (pd.NA, "missing"),
    (pd.NaT, "missing"),
    (math.inf, "out of scale"),
    (-math.inf, "out of scale"),
    (10**400, "out of scale"),
    (9 + 0j, "not a number"),
    (b"9", "not a number"),
    ([9], "not a number"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD, ids=[str(bad)[:12] for bad, _ in BAD])
@pytest.mark.parametrize("kind", ["list", "tuple", "object array", "object series"])
def test_a_bad_answer_is_refused_or_counted(bad, reason, kind):
    given_ = [9, 0, bad, 8]
    if kind == "tuple":
        given_ = tuple(given_)
    elif kind != "list":
        cells = np.empty(4, object)
        cells[:] = [9, 0, None, 8]
        cells[2] = bad
        given_ = cells if kind == "object array" else pd.Series(cells, dtype=object)
    with pytest.raises((InvalidValue, InvalidType)) as caught:
        nps.score(given_)
    message = str(caught.value)
    assert isinstance(caught.value, InvalidType if reason in ("not a number", "true or false") else InvalidValue)
    assert "scores[2] must be a whole number from 0 to 10" in message
    shown = repr(bad.item() if isinstance(bad, np.generic) else bad)
    assert f"got {shown[:37]}" in message
    assert f"(1 {reason})" in message
    assert 'on_invalid="exclude"' in message
    found = nps.score(given_, on_invalid="exclude")
    assert (counts(found), found.excluded) == ((1, 1, 1), {reason: 1})


def test_reasons_are_counted_together_and_the_first_is_named():
    given_ = [9, None, 11, 6.5, None, "x", True]
    with pytest.raises(InvalidValue, match=r"scores\[1\] .* in all 6 of 7 cannot be used \(2 missing"):
        nps.score(given_)
    found = nps.score(given_, on_invalid="exclude")
    assert found.excluded == {"missing": 2, "out of scale": 1, "fractional": 1, "not a number": 1, "true or false": 1}
    assert found.n == 1


@pytest.mark.parametrize("kind", INTEGERS)
def test_a_bad_integer_of_any_width_is_found_where_it_is(kind):
    ends = np.iinfo(kind)
    for bad in {11, ends.max, *([-1, ends.min] if ends.min else [])}:
        given_ = np.array([9, 0, 8, bad], kind)
        with pytest.raises(InvalidValue, match=rf"scores\[3\] must be .*, got {bad};"):
            nps.score(given_)
        assert nps.score(given_, on_invalid="exclude").excluded == {"out of scale": 1}


@pytest.mark.parametrize(
    "given_",
    [np.array([True, False]), np.array(["9", "10"]), np.array([b"9"]), np.array([9], "M8[D]"), np.array([9 + 0j])],
    ids=lambda array: array.dtype.kind,
)
def test_arrays_of_another_kind_are_refused(given_):
    with pytest.raises(InvalidType, match=r"scores\[0\] must be a whole number"):
        nps.score(given_)
    with pytest.raises(UndefinedMetric, match="answers can be used"):
        nps.score(given_, on_invalid="exclude")


@pytest.mark.parametrize("given_", [np.ma.array([True, False]), np.ma.array([True, False], mask=[False, True])])
def test_truth_values_behind_a_mask_are_no_answers(given_):
    with pytest.raises(InvalidType, match="true or false"):
        nps.score(given_)


def test_strings_behind_a_mask_are_refused_like_any_others():
    with pytest.raises((InvalidType, UndefinedMetric)):
        nps.score(np.ma.array(["9", "8"], mask=[False, True]), on_invalid="exclude")


@pytest.mark.parametrize("bad", [np.array([1, 2]), pd.Series([1, 2])], ids=["array", "series"])
def test_an_array_among_the_answers_is_no_number(bad):
    with pytest.raises(InvalidType, match=r"scores\[0\]"):
        nps.score([bad, 9])


@pytest.mark.parametrize(
    "given_",
    [5, 5.0, None, "987", b"987", {9: 1}, {9, 8}, object(), (score for score in [9, 8])],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_column_of_answers_is_refused(given_):
    with pytest.raises(InvalidType, match="scores must be a sequence or an array, got"):
        nps.score(given_)


@pytest.mark.parametrize(
    "given_", [np.ones((2, 2), int), np.array(9), np.int64(9), np.ma.ones((2, 2)), pd.DataFrame({"a": [9]})], ids=str
)
def test_only_one_dimension_is_read(given_):
    with pytest.raises(InvalidValue, match="scores must be one-dimensional, got an array of shape"):
        nps.score(given_)


EMPTY = [
    [],
    (),
    np.array([]),
    np.array([], int),
    np.array([], "u1"),
    np.array([], object),
    pd.Series([], dtype="Int64"),
    pl.Series([], dtype=pl.Int8),
    pa.array([], pa.int8()),
]


@pytest.mark.parametrize("given_", EMPTY, ids=lambda value: f"{type(value).__name__} {getattr(value, 'dtype', '')}")
@pytest.mark.parametrize("on_invalid", ["raise", "exclude"])
def test_nobody_has_no_score(given_, on_invalid):
    with pytest.raises(UndefinedMetric, match="nps is undefined: there are no answers"):
        nps.score(given_, on_invalid=on_invalid)


def test_nobody_left_has_no_score_and_says_why():
    with pytest.raises(UndefinedMetric, match=r"none of 3 answers can be used \(2 missing, 1 out of scale\)"):
        nps.score([None, 11, None], on_invalid="exclude")


def test_no_counts_have_no_score():
    with pytest.raises(UndefinedMetric, match="there are no answers"):
        wave(0, 0, 0)


@pytest.mark.parametrize("bad", [-1, 1.5, math.nan, math.inf, "5", None, True, [5]])
@pytest.mark.parametrize("name", ["promoters", "passives", "detractors"])
def test_a_count_is_a_whole_number(bad, name):
    with pytest.raises((InvalidValue, InvalidType), match=name):
        nps.from_counts(**{"promoters": 5, "passives": 3, "detractors": 2, name: bad})


@pytest.mark.parametrize("bad", ["skip", None, True, "Exclude"])
def test_unknown_treatment_of_bad_answers(bad):
    for given_ in ([9], np.array([9])):
        with pytest.raises(InvalidValue, match="on_invalid must be one of 'raise', 'exclude'"):
            nps.score(given_, on_invalid=bad)


# Weights


@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf, -math.inf, None, "1", True])
def test_a_bad_weight_is_refused_or_counted(bad):
    with pytest.raises((InvalidValue, InvalidType)) as caught:
        nps.score([9, 0, 8], weights=[1, bad, 1])
    assert "weights[1] must be a finite number > 0" in str(caught.value)
    assert f"got {bad!r}" in str(caught.value).replace(".0", "")
    found = nps.score([9, 0, 8], weights=[1, bad, 1], on_invalid="exclude")
    assert (counts(found), found.excluded) == ((1, 1, 0), {"weight not a positive number": 1})


def test_all_weights_zero_leave_nobody():
    with pytest.raises(InvalidValue, match=r"3 weight not a positive number"):
        nps.score([9, 0, 8], weights=[0, 0, 0])
    with pytest.raises(UndefinedMetric, match="none of 3 answers"):
        nps.score([9, 0, 8], weights=np.zeros(3), on_invalid="exclude")


@pytest.mark.parametrize("weights", [[1, 1], [1, 1, 1, 1], []])
def test_one_weight_an_answer(weights):
    with pytest.raises(InvalidValue, match=f"weights must be one an answer, got {len(weights)} for 3 answers"):
        nps.score([9, 0, 8], weights=weights)
    with pytest.raises(InvalidValue, match="weights must be one-dimensional"):
        nps.score([9, 0, 8], weights=np.ones((3, 1)))
    with pytest.raises(InvalidType, match="weights must be a sequence"):
        nps.score([9, 0, 8], weights=1)


def test_a_bad_answer_takes_its_weight_along():
    found = nps.score([9, None, 0], weights=[2, 100, 1], on_invalid="exclude")
    assert found.value == pytest.approx(100 / 3)
    assert found.excluded == {"missing": 1}
    assert nps.score([9, None, 0], weights=[2, 0, 1], on_invalid="exclude").excluded == {"missing": 1}


@pytest.mark.parametrize("weight", [1e200, 1e-200])
def test_weights_beyond_reckoning_are_refused(weight):
    with pytest.raises(InvalidValue, match="divide them by their mean"):
        nps.score([9, 0], weights=[weight, weight])


# Containers

WITH_HOLES = {
    "list": lambda: [9, None, 0, 8],
    "tuple": lambda: (9, None, 0, 8),
    "deque": lambda: deque([9, None, 0, 8]),
    "float array": lambda: np.array([9, np.nan, 0, 8]),
    "float32": lambda: np.array([9, np.nan, 0, 8], "f4"),
    "masked int": lambda: np.ma.array([9, 99, 0, 8], mask=[0, 1, 0, 0]),
    "masked float": lambda: np.ma.array([9.0, 5, 0, 8], mask=[0, 1, 0, 0]),
    "pandas float": lambda: pd.Series([9, None, 0, 8]),
    "pandas object": lambda: pd.Series([9, None, 0, 8], dtype=object),
    "pandas Int64": lambda: pd.Series([9, pd.NA, 0, 8], dtype="Int64"),
    "pandas UInt8": lambda: pd.Series([9, pd.NA, 0, 8], dtype="UInt8"),
    "pandas Float64": lambda: pd.Series([9, pd.NA, 0, 8], dtype="Float64"),
    "pandas arrow": lambda: pd.Series([9, None, 0, 8], dtype=pd.ArrowDtype(pa.int64())),
    "pandas category": lambda: pd.Series([9, None, 0, 8]).astype("category"),
    "pandas odd index": lambda: pd.Series([9, None, 0, 8], index=[7, 7, 1, 0]),
    "polars": lambda: pl.Series([9, None, 0, 8]),
    "polars float": lambda: pl.Series([9.0, None, 0.0, 8.0]),
    "polars small": lambda: pl.Series([9, None, 0, 8], dtype=pl.UInt8),
    "arrow": lambda: pa.array([9, None, 0, 8]),
    "arrow small": lambda: pa.array([9, None, 0, 8], pa.uint8()),
    "arrow float": lambda: pa.array([9.0, None, 0.0, 8.0]),
    "arrow chunks": lambda: pa.chunked_array([[9, None], [0, 8]]),
}


@pytest.mark.parametrize("kind", WITH_HOLES)
def test_a_missing_answer_is_one_in_every_container(kind):
    found = nps.score(WITH_HOLES[kind](), on_invalid="exclude")
    assert (counts(found), found.excluded) == ((1, 1, 1), {"missing": 1})
    with pytest.raises(InvalidValue, match=r"scores\[1\] must be .*\(1 missing\)"):
        nps.score(WITH_HOLES[kind]())
    with pytest.raises(InvalidValue, match=r"weights\[1\]"):
        nps.score([10, 10, 0, 10], weights=WITH_HOLES[kind]())


FULL = {
    "tuple": tuple,
    "float list": lambda scores: list(map(float, scores)),
    "list of numpy": lambda scores: list(np.array(scores)),
    "fractions": lambda scores: list(map(Fraction, scores)),
    "bytearray": bytearray,
    "memoryview": lambda scores: memoryview(bytes(scores)),
    "array": lambda scores: arrays.array("b", scores),
    "object array": lambda scores: np.array(scores, object),
    "masked": np.ma.array,
    "pandas": pd.Series,
    "pandas Int64": lambda scores: pd.Series(scores, dtype="Int64"),
    "pandas int8": lambda scores: pd.Series(scores, dtype="int8"),
    "pandas index": pd.Index,
    "pandas arrow": lambda scores: pd.Series(scores, dtype=pd.ArrowDtype(pa.int8())),
    "polars": pl.Series,
    "polars chunks": lambda scores: pl.concat([pl.Series(scores[:3]), pl.Series(scores[3:])], rechunk=False),
    "arrow": pa.array,
    "arrow chunks": lambda scores: pa.chunked_array([scores[:3], scores[3:]]),
    **{dtype: lambda scores, dtype=dtype: np.array(scores, dtype) for dtype in [*INTEGERS, "f2", "f4", "f8", "g"]},
    **{
        f">{t}": lambda scores, t=t: np.array(scores, f">{t}") for t in ["i2", "i4", "i8", "u2", "u4", "u8", "f4", "f8"]
    },
}


@pytest.mark.parametrize("kind", FULL)
def test_the_same_answers_in_every_container(kind):
    assert nps.score(FULL[kind](SOME)) == nps.score(SOME)
    assert counts(nps.score(FULL[kind](SOME))) == counted(SOME)
    weights = FULL[kind]([1, 2, 3, 4, 5, 6, 7, 8])
    assert nps.score(SOME, weights=weights) == nps.score(SOME, weights=[1, 2, 3, 4, 5, 6, 7, 8])


def test_a_range_is_a_column():
    assert counts(nps.score(range(11))) == (2, 2, 7)


@pytest.mark.parametrize("kind", ["i1", "i8", "u4", ">i2", ">i8", "f4", "f8", ">f8", "O"])
@pytest.mark.parametrize("cut", [np.s_[::3], np.s_[::-1], np.s_[5:90:7], np.s_[::-2]], ids=str)
def test_views_are_read_in_place_and_never_changed(kind, cut):
    base = np.random.default_rng(5).integers(0, 11, 200).astype(kind)
    view = base[cut]
    before = base.copy()
    base.flags.writeable = view.flags.writeable = False
    assert counts(nps.score(view)) == counted(before[cut].tolist())
    weights = (np.arange(200) + 1.0)[cut]
    weights.flags.writeable = False
    assert nps.score(view, weights=weights) == nps.score(before[cut].tolist(), weights=weights.tolist())
    assert (base == before).all()


def test_a_column_of_a_matrix_is_one_dimension():
    matrix = np.random.default_rng(6).integers(0, 11, (50, 3))
    assert counts(nps.score(matrix[:, 1])) == counted(matrix[:, 1].tolist())


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "i4", "i8"])
@pytest.mark.parametrize("scale", SCALES)
def test_long_arrays_are_counted_to_the_last_block(kind, scale):
    points, passives = SCALES[scale]
    scores = np.random.default_rng(7).integers(min(points), max(points) + 1, 300_001).astype(kind)
    found = nps.score(scores, scale=scale)
    of_each = np.bincount(scores, minlength=11)
    assert found.promoters == of_each[max(passives) + 1 :].sum()
    assert found.passives == of_each[list(passives)].sum()
    assert found.n == scores.size
    scores[-1] = max(points) + 1
    with pytest.raises(InvalidValue, match=r"scores\[300000\]"):
        nps.score(scores, scale=scale)


@given(
    st.lists(
        st.one_of(st.integers(-3, 14), st.floats(-1, 11), st.none(), st.booleans(), st.text(max_size=1)), max_size=20
    )
)
def test_every_answer_is_either_counted_or_excluded(scores):
    good = [s for s in scores if type(s) in (int, float) and 0 <= s <= 10 and s == int(s)]
    assume(good)
    found = nps.score(scores, on_invalid="exclude")
    assert counts(found) == counted(good)
    assert found.n + sum(found.excluded.values()) == len(scores)
    if len(good) < len(scores):
        with pytest.raises(RetentionMetricsError):
            nps.score(scores)


# Results


@pytest.mark.parametrize(
    "found",
    [
        wave(50, 30, 20),
        wave(0, 0, 1),
        nps.score([9, None, 0, 8], weights=[1, 1, 0.1, 1 / 3], on_invalid="exclude"),
        nps.score([5, 4, 1], scale="1-5"),
    ],
    ids=str,
)
def test_a_score_survives_json(found):
    again = nps.NpsScore.model_validate_json(found.model_dump_json())
    assert again == found
    assert again.interval() == found.interval()
    limits = found.interval()
    assert Interval.model_validate_json(limits.model_dump_json()) == limits


def test_a_score_is_frozen():
    found = nps.score([9, 0], weights=[1, 2])
    for result, name in (
        (found, "promoters"),
        (found, "weighting"),
        (found.weighting, "sums"),
        (found.interval(), "low"),
    ):
        with pytest.raises(pydantic.ValidationError, match="frozen"):
            setattr(result, name, 1)
    with pytest.raises(pydantic.ValidationError, match="extra"):
        nps.NpsScore(promoters=1, passives=1, detractors=1, nps=0)


@pytest.mark.parametrize(
    "text",
    [
        '{"promoters": -1, "passives": 0, "detractors": 5}',
        '{"promoters": 0, "passives": 0, "detractors": 0}',
        '{"promoters": 1, "passives": 0, "detractors": 0, "scale": "0-5"}',
        '{"promoters": 1, "passives": 0, "detractors": 0, "weighting": {"sums": [0, 0, 0], "squares": [0, 0, 0]}}',
        '{"promoters": 1, "passives": 0, "detractors": 1, "weighting": {"sums": [-1, 0, 1], "squares": [1, 0, 1]}}',
    ],
)
def test_json_that_is_no_score_is_refused(text):
    with pytest.raises(ValueError, match="promoters|no answers|scale|weight"):
        nps.NpsScore.model_validate_json(text)


def test_a_score_prints_what_is_behind_it():
    text = str(nps.score([9, 0, 8], weights=[2, 1, 1]))
    assert "NPS 25.0 (95 %: " in text
    assert "n = 3, weighted to 2.7 answers: 1 promoters, 1 passives, 1 detractors" in text
    assert "weighted" not in str(wave(50, 30, 20))


@pytest.mark.parametrize("method", ["kish", "linearised"])
@pytest.mark.parametrize("weights", [None, [1, 2, 0.5, 3, 1, 1]])
def test_the_error_shrinks_with_the_share_of_the_population_that_answered(method, weights):
    """Cochran (1977): the variance times (N - n) / (N - 1); nothing is left when everybody answered."""
    found = nps.score([10, 9, 8, 3, 10, 6], weights=weights)
    plain = found.standard_error(method=method)
    for everybody in (7, 16, 600):
        smaller = found.standard_error(method=method, population=everybody)
        assert smaller == pytest.approx(plain * math.sqrt((everybody - 6) / (everybody - 1)))
    assert found.standard_error(method=method, population=6) == 0
    with pytest.raises(InvalidValue, match="population must be at least n, the 6 answers given, got 5"):
        found.standard_error(method=method, population=5)


def test_weights_that_are_none_are_refused():
    good = {"sums": (1.0, 0.0, 2.0), "squares": (1.0, 0.0, 4.0)}
    for name in good:
        with pytest.raises(pydantic.ValidationError, match="sums and squares of weights must not all be 0"):
            nps.Weighting(**good | {name: (0.0, 0.0, 0.0)})
