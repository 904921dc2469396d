"""Satisfaction, effort and the satisfaction index."""

import math
from statistics import NormalDist

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics import RetentionMetricsError, nps
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric

SCALES = {"1-5": (1, 5), "1-7": (1, 7), "1-10": (1, 10), "0-10": (0, 10)}
samples = st.sampled_from(sorted(SCALES)).flatmap(
    lambda scale: st.tuples(
        st.just(scale),
        st.lists(st.integers(*SCALES[scale]), min_size=1, max_size=60),
        st.integers(1, SCALES[scale][1] - SCALES[scale][0]),
    )
)


def wilson(k, n, level=0.95):
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    centre, half = (k + z2 / 2) / (n + z2), math.sqrt(z2 * (k * (n - k) / n + z2 / 4)) / (n + z2)
    return max(centre - half, 0), min(centre + half, 1)


def test_the_reference_satisfaction(reference):
    example = reference("A-CSAT-02")
    counts, expect = example["input"]["counts"], example["expect"]
    ratings = [rating for rating, count in zip((5, 4, 3, 2, 1), counts, strict=True) for _ in range(count)]
    found = nps.top_box(ratings)
    assert found.value == pytest.approx(expect["top2"], abs=example["tol"])
    assert found.mean == pytest.approx(expect["mean"], abs=example["tol"])
    span = found.interval()
    assert (span.low, span.high) == pytest.approx(tuple(expect["wilson95"]), abs=example["tol"])
    assert found == nps.Ratings(counts=tuple(reversed(counts)), scale="1-5", boxes=2)


def test_the_reference_index(reference):
    example = reference("A-CSAT-01")
    given_ = {"satisfaction": "sat", "expectations": "exp", "performance": "perf"}
    answers = {name: example["input"][key] for name, key in given_.items()}
    assert nps.satisfaction_index(**answers) == pytest.approx(example["expect"]["score"], abs=example["tol"])


@given(samples, st.sampled_from([0.8, 0.95, 0.99]))
def test_the_share_of_the_best_boxes(sample, level):
    scale, ratings, boxes = sample
    found = nps.top_box(ratings, boxes=boxes, scale=scale)
    good = sum(rating > SCALES[scale][1] - boxes for rating in ratings)
    assert (found.rate.numerator, found.rate.denominator) == (good, len(ratings))
    assert found.value == pytest.approx(good / len(ratings))
    span = found.interval(level)
    assert (span.low, span.high) == pytest.approx(wilson(good, len(ratings), level), abs=1e-12)
    assert found.mean == pytest.approx(sum(ratings) / len(ratings))
    assert found.n == len(ratings) == sum(found.counts)
    low, high = SCALES[scale]
    assert found.counts == tuple(ratings.count(rating) for rating in range(low, high + 1))


@given(samples, st.sampled_from([0.8, 0.95]))
def test_the_interval_of_a_mean_rating(sample, level):
    scale, ratings, boxes = sample
    found = nps.top_box(ratings, boxes=boxes, scale=scale)
    if len(set(ratings)) == 1:
        with pytest.raises(UndefinedMetric, match=r"all .* ratings are the same.*use .interval\(\)"):
            found.mean_interval(level)
        return
    half = NormalDist().inv_cdf((1 + level) / 2) * np.std(ratings, ddof=1) / math.sqrt(len(ratings))
    low, high = SCALES[scale]
    span = found.mean_interval(level)
    plain = np.mean(ratings) - half, np.mean(ratings) + half
    assert (span.low, span.high) == pytest.approx((max(plain[0], low), min(plain[1], high)))
    assert span.clipped == (plain[0] < low or plain[1] > high)


@given(samples)
def test_effort_asked_the_other_way_round_is_the_mirror(sample):
    scale, ratings, boxes = sample
    low, high = SCALES[scale]
    easy = nps.effort(ratings, direction="high_is_easy", boxes=boxes, scale=scale)
    hard = nps.effort([low + high - r for r in ratings], direction="high_is_hard", boxes=boxes, scale=scale)
    assert easy.rate.numerator == hard.rate.numerator
    assert easy.value == hard.value
    assert easy.mean == pytest.approx(low + high - hard.mean)
    assert easy == nps.top_box(ratings, boxes=boxes, scale=scale)


def test_the_usual_boxes_of_effort_are_named():
    ratings = [1, 2, 3, 4, 5]
    assert nps.effort([*ratings, 6, 7], direction="high_is_easy").rate.definition == "ratings 5 to 7 / all ratings"
    assert nps.effort(ratings, direction="high_is_hard", scale="1-5").rate.definition == "ratings 1 to 2 / all ratings"
    assert nps.effort(ratings, direction="high_is_hard").rate.numerator == 3
    for scale in ("1-10", "0-10"):
        with pytest.raises(InvalidValue, match=f"boxes must be given on the scale {scale}"):
            nps.effort(ratings, direction="high_is_easy", scale=scale)


def test_the_direction_of_effort_is_never_guessed():
    with pytest.raises(TypeError, match="direction"):
        nps.effort([1, 2])
    for bad in ("easy", None, True):
        with pytest.raises(InvalidValue, match="direction must be one of 'high_is_easy', 'high_is_hard'"):
            nps.effort([1, 2], direction=bad)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [(0, "out of scale"), (6, "out of scale"), (4.5, "fractional"), ("4", "not a number"), (True, "true or false")]
    + [(value, "missing") for value in (None, math.nan, pd.NA)]
    + [(math.inf, "out of scale")],
)
def test_a_bad_rating_is_refused_or_counted(bad, reason):
    for ask in (nps.top_box, lambda *a, **k: nps.effort(*a, direction="high_is_easy", scale="1-5", **k)):
        with pytest.raises(
            (InvalidValue, InvalidType), match=rf"ratings\[1\] must be a whole number from 1 to 5.*{reason}"
        ):
            ask([5, bad, 3])
        found = ask([5, bad, 3], on_invalid="exclude")
        assert (found.n, found.excluded) == (2, {reason: 1})


@pytest.mark.parametrize(
    "make",
    [
        tuple,
        np.array,
        lambda x: np.array(x, ">i2"),
        lambda x: np.array(x, "u1"),
        pd.Series,
        pl.Series,
        pa.array,
        lambda x: pd.Series(x, dtype="Int64"),
        lambda x: np.repeat(x, 3)[::3],
    ],
)
def test_ratings_in_any_container(make):
    assert nps.top_box(make([5, 4, 4, 3, 1])) == nps.top_box([5, 4, 4, 3, 1])


@pytest.mark.parametrize("empty", [[], np.array([], int), pd.Series([], dtype="Int64")])
def test_nobody_has_no_satisfaction(empty):
    with pytest.raises(UndefinedMetric, match="there are no answers"):
        nps.top_box(empty)


def test_nobody_left_has_no_satisfaction():
    with pytest.raises(UndefinedMetric, match="none of 2 answers can be used"):
        nps.top_box([None, 9], on_invalid="exclude")


@pytest.mark.parametrize("boxes", [0, -1, 5, 6, 1.5, "2", True, math.nan])
def test_boxes_that_are_none(boxes):
    with pytest.raises((InvalidValue, InvalidType), match="boxes must be"):
        nps.top_box([5, 4, 3], boxes=boxes)


def test_unknown_names():
    for bad in ("5", None, 5):
        with pytest.raises(InvalidValue, match="scale must be one of '1-5'"):
            nps.top_box([5], scale=bad)
        with pytest.raises(InvalidValue, match="scale must be one of '1-5'"):
            nps.effort([5], direction="high_is_easy", scale=bad)
    with pytest.raises(InvalidValue, match="on_invalid must be one of"):
        nps.top_box([5], on_invalid="skip")
    for level in (0, 1, 95, math.nan, "0.9"):
        for ask in (nps.top_box([5, 4]).interval, nps.top_box([5, 4]).mean_interval):
            with pytest.raises((InvalidValue, InvalidType), match="level must be"):
                ask(level)


@given(*[st.integers(1, 10)] * 3)
def test_the_index_of_equal_weights_is_the_published_form(satisfaction, expectations, performance):
    answers = {"satisfaction": satisfaction, "expectations": expectations, "performance": performance}
    expected = (satisfaction + expectations + performance - 3) / 27 * 100
    assert nps.satisfaction_index(**answers) == pytest.approx(expected, abs=1e-9)
    for weights, kept in (((1, 0, 0), satisfaction), ((0, 7, 0), expectations), ((0, 0, 0.1), performance)):
        found = nps.satisfaction_index(**answers, weights=weights)
        assert found == pytest.approx((kept - 1) / 9 * 100, abs=1e-9)


@given(st.tuples(*[st.floats(0.01, 100)] * 3), st.floats(1, 10))
def test_only_the_ratios_of_the_weights_matter(weights, rating):
    answers = {"satisfaction": rating, "expectations": 1, "performance": 10}
    one = nps.satisfaction_index(**answers, weights=weights)
    assert one == pytest.approx(nps.satisfaction_index(**answers, weights=tuple(3 * w for w in weights)))
    alike = {"satisfaction": rating, "expectations": rating, "performance": rating}
    assert nps.satisfaction_index(**alike, weights=weights) == pytest.approx((rating - 1) / 9 * 100, abs=1e-9)
    assert -1e-9 <= one <= 100 + 1e-9


def test_an_array_of_indices_is_each_index_alone():
    rows = [(8, 7, 7), (1, 1, 1), (10, 10, 10), (2.5, 9, 4)]
    names = ("satisfaction", "expectations", "performance")
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    found = nps.satisfaction_index(**columns, weights=(3, 2, 1))
    alone = [nps.satisfaction_index(**dict(zip(names, row, strict=True)), weights=(3, 2, 1)) for row in rows]
    assert found.tolist() == pytest.approx(alone, abs=1e-12)
    assert nps.satisfaction_index(satisfaction=[[8], [1]], expectations=[7, 1, 1], performance=7).shape == (2, 3)


@pytest.mark.parametrize(
    "bad",
    [
        {"satisfaction": 0.5},
        {"satisfaction": 10.5},
        {"performance": [5, 11]},
        {"expectations": math.nan},
        {"expectations": None},
        {"performance": "7"},
        {"performance": True},
        {"weights": (1, 1)},
        {"weights": (0, 0, 0)},
        {"weights": (1, 1, -1)},
        {"weights": (1, math.nan, 1)},
        {"weights": 1},
    ],
    ids=str,
)
def test_what_has_no_index(bad):
    ((name, _),) = bad.items()
    with pytest.raises(RetentionMetricsError, match=name):
        nps.satisfaction_index(**{"satisfaction": 8, "expectations": 7, "performance": 7, **bad})


def test_ratings_survive_json_and_are_frozen():
    for found in (
        nps.top_box([5, None, 4, 1], on_invalid="exclude"),
        nps.effort([1, 7, 3], direction="high_is_hard", boxes=1),
    ):
        again = nps.Ratings.model_validate_json(found.model_dump_json())
        assert again == found
        assert again.interval() == found.interval()
        with pytest.raises(pydantic.ValidationError, match="frozen"):
            found.boxes = 1
    for text in (
        '{"counts": [1, 2, 3], "scale": "1-5", "boxes": 2}',
        '{"counts": [], "scale": "1-5", "boxes": 2}',
        '{"counts": [0, 0, 0, 0, 0], "scale": "1-5", "boxes": 2}',
        '{"counts": [0, 0, 0, -1, 2], "scale": "1-5", "boxes": 2}',
        '{"counts": [0, 0, 0, 1, 2], "scale": "1-5", "boxes": 5}',
    ):
        with pytest.raises(ValueError, match="counts|boxes|no answers"):
            nps.Ratings.model_validate_json(text)
