"""What goes with a high score: shares of R squared, gaps, and reasons."""

import math
from decimal import Decimal
from itertools import permutations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from retention_metrics import nps
from retention_metrics.errors import InvalidType, InvalidValue, RetentionMetricsError, UndefinedMetric

SCORES = [10, 9, 9, 7, 6, 3, 8, 10]
SERVICE = [5, 5, 4, 3, 3, 1, 4, 5]
PRICE = [3, 4, 2, 4, 3, 2, 3, 5]

surveys = st.integers(1, 5).flatmap(
    lambda k: st.lists(st.tuples(st.integers(0, 10), *[st.integers(1, 5)] * k), min_size=k + 2, max_size=40)
)


def r_squared(scores, columns):
    """Share of the variance that a least-squares fit explains, by numpy."""
    y = np.asarray(scores, float)
    x = np.column_stack([np.ones(y.size), *columns])
    fitted = x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return 1 - ((y - fitted) ** 2).sum() / ((y - y.mean()) ** 2).sum()


def averaged(scores, columns):
    """What each driver adds to R squared, averaged over all orders in which they could enter."""
    shares = np.zeros(len(columns))
    orders = list(permutations(range(len(columns))))
    for order in orders:
        known = 0.0
        for i, j in enumerate(order):
            now = r_squared(scores, [columns[m] for m in order[: i + 1]])
            shares[j] += (now - known) / len(orders)
            known = now
    return shares


def split(rows):
    """Answers and ratings of a survey in which each of them varies."""
    columns = [np.array(column, float) for column in zip(*rows, strict=True)]
    assume(all(np.ptp(column) > 0 for column in columns))
    return columns[0].astype(int).tolist(), columns[1:]


# Drivers


def test_the_reference_shares(reference):
    example = reference("A-NPS-16")
    given_, expect = example["input"], example["expect"]
    # Numbers with exactly these correlations: three columns at right angles, mixed by the root of the matrix.
    wanted = np.array(
        [[1, given_["r1y"], given_["r2y"]], [given_["r1y"], 1, given_["r12"]], [given_["r2y"], given_["r12"], 1]]
    )
    upright = np.linalg.qr(np.column_stack([np.ones(11), np.random.default_rng(3).normal(size=(11, 3))]))[0][:, 1:]
    scores = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    upright[:, 0] = (scores - 5) / np.linalg.norm(scores - 5)
    upright[:, 1:] = np.linalg.qr(np.column_stack([np.ones(11), upright]))[0][:, 2:]
    mixed = upright @ np.linalg.cholesky(wanted).T
    found = nps.drivers(scores, {"one": mixed[:, 1], "two": mixed[:, 2]}, top=0)
    assert found.r_squared == pytest.approx(expect["r2"], abs=example["tol"])
    assert [row.name for row in found.drivers] == ["one", "two"]
    assert [row.share for row in found.drivers] == pytest.approx(expect["shapley"], abs=example["tol"])
    assert [row.correlation for row in found.drivers] == pytest.approx([given_["r1y"], given_["r2y"]])


@given(surveys)
def test_shares_add_up_to_r_squared(rows):
    scores, columns = split(rows)
    found = nps.drivers(scores, {f"r{i}": column for i, column in enumerate(columns)}, top=4)
    assert math.fsum(row.share for row in found.drivers) == pytest.approx(found.r_squared)
    assert found.r_squared == pytest.approx(r_squared(scores, columns), abs=1e-8)
    assert all(row.share >= -1e-12 for row in found.drivers)
    assert [row.share for row in found.drivers] == sorted((row.share for row in found.drivers), reverse=True)
    assert (found.n, found.excluded) == (len(rows), {})


@given(st.lists(st.tuples(st.integers(0, 10), *[st.integers(1, 5)] * 3), min_size=5, max_size=40))
def test_a_share_is_the_mean_over_all_orders(rows):
    scores, columns = split(rows)
    found = nps.drivers(scores, {str(i): column for i, column in enumerate(columns)}, top=4)
    by_name = {row.name: row for row in found.drivers}
    assert [by_name[str(i)].share for i in range(3)] == pytest.approx(averaged(scores, columns), abs=1e-8)
    for i, column in enumerate(columns):
        expected = np.corrcoef(scores, column)[0, 1]
        assert by_name[str(i)].correlation == pytest.approx(expected)


@given(surveys, st.floats(0.01, 100), st.floats(-100, 100))
def test_the_unit_of_a_rating_changes_no_share(rows, factor, shift):
    scores, columns = split(rows)
    one = nps.drivers(scores, {str(i): column for i, column in enumerate(columns)}, top=4)
    other = nps.drivers(scores, {str(i): factor * column + shift for i, column in enumerate(columns)}, top=4)
    shares = {row.name: row.share for row in other.drivers}
    assert {row.name: row.share for row in one.drivers} == pytest.approx(shares, abs=1e-6)


def test_drivers_that_repeat_each_other_split_what_they_share():
    rng = np.random.default_rng(8)
    scores = rng.integers(0, 11, 60)
    first, second = rng.integers(1, 6, 60), rng.integers(1, 6, 60)
    once = {row.name: row.share for row in nps.drivers(scores, {"a": first, "b": second}, top=4).drivers}
    twice = nps.drivers(scores, {"a": first, "again": 3 * first + 1, "b": second, "sum": first + second}, top=4)
    assert twice.r_squared == pytest.approx(sum(once.values()), abs=1e-9)
    shares = {row.name: row.share for row in twice.drivers}
    assert shares["a"] == pytest.approx(shares["again"], abs=1e-9)
    columns = [first, 3 * first + 1, second, first + second]
    assert [shares[n] for n in ("a", "again", "b", "sum")] == pytest.approx(averaged(scores, columns), abs=1e-8)


def test_fourteen_drivers_and_no_more():
    rng = np.random.default_rng(9)
    ratings = {f"r{i:02}": rng.integers(1, 6, 100) for i in range(14)}
    scores = np.clip(sum(ratings.values()) - 37, 0, 10)
    found = nps.drivers(scores, ratings, top=4)
    assert found.r_squared == pytest.approx(r_squared(scores, list(ratings.values())), abs=1e-8)
    with pytest.raises(InvalidValue, match="ratings must be of 1 to 14 aspects, got 15"):
        nps.drivers(scores, {**ratings, "one more": rng.integers(1, 6, 100)}, top=4)
    with pytest.raises(InvalidValue, match="1 to 14 aspects, got 0"):
        nps.drivers(scores, {}, top=4)


def test_the_gap_compares_top_ratings_with_the_others():
    found = nps.drivers(SCORES, {"service": SERVICE, "price": PRICE}, top=4)
    for row, ratings in zip(found.drivers, (SERVICE, PRICE), strict=True):
        top = nps.score([s for s, r in zip(SCORES, ratings, strict=True) if r >= 4])
        rest = nps.score([s for s, r in zip(SCORES, ratings, strict=True) if r < 4])
        assert row.gap == nps.compare(top, rest)
        assert row.reason is None
    assert [row.name for row in found.drivers] == ["service", "price"]
    for top, reason in ((6, "nobody gave a top rating"), (1, "everybody gave a top rating")):
        row = nps.drivers(SCORES, {"service": SERVICE}, top=top).drivers[0]
        assert (row.gap, row.reason) == (None, reason)


def test_people_who_left_out_a_rating_are_left_out_of_all():
    scores = [10, 9, None, 7, 6, 3, 8, 10, 2]
    service = [5, 5, 4, None, 3, 1, 4, 5, 1]
    price = [3, 4, 2, math.nan, 3, 2, None, 5, 1]
    found = nps.drivers(scores, {"service": service, "price": price}, top=4, on_invalid="exclude")
    assert found.n == 6
    assert sum(found.excluded.values()) == 3
    assert found.excluded == {"missing": 1, "service missing": 1, "price missing": 1}
    kept = [0, 1, 4, 5, 7, 8]
    alone = nps.drivers(
        [scores[i] for i in kept], {"service": [service[i] for i in kept], "price": [price[i] for i in kept]}, top=4
    )
    assert found.drivers == alone.drivers
    with pytest.raises(InvalidValue, match=r"scores\[2\]"):
        nps.drivers(scores, {"service": service, "price": price}, top=4)
    for bad in (None, math.nan, math.inf):
        with pytest.raises(InvalidValue, match=r"ratings\['service'\]\[3\] must be a finite number"):
            nps.drivers(SCORES, {"service": [5, 5, 4, bad, 3, 1, 4, 5]}, top=4)


RATINGS = {
    "tuple": tuple,
    "float": lambda x: np.array(x, float),
    "int8": lambda x: np.array(x, "i1"),
    "big endian": lambda x: np.array(x, ">i4"),
    "object": lambda x: np.array(x, object),
    "pandas": pd.Series,
    "pandas Int64": lambda x: pd.Series(x, dtype="Int64"),
    "polars": pl.Series,
    "arrow": pa.array,
    "view": lambda x: np.repeat(x, 3)[::3],
}


@pytest.mark.parametrize("kind", RATINGS)
def test_ratings_in_any_container(kind):
    expected = nps.drivers(SCORES, {"service": SERVICE, "price": PRICE}, top=4)
    given_ = {"service": RATINGS[kind](SERVICE), "price": RATINGS[kind](PRICE)}
    assert nps.drivers(RATINGS[kind](SCORES), given_, top=4) == expected


HOLES = {
    "list": lambda x: [None if i == 2 else v for i, v in enumerate(x)],
    "list with NA": lambda x: [pd.NA if i == 2 else v for i, v in enumerate(x)],
    "pandas Int64": lambda x: pd.Series(x, dtype="Int64").mask(np.arange(len(x)) == 2),
    "pandas object": lambda x: pd.Series([pd.NA if i == 2 else v for i, v in enumerate(x)], dtype=object),
    "polars": lambda x: pl.Series([None if i == 2 else v for i, v in enumerate(x)]),
    "arrow": lambda x: pa.array([None if i == 2 else v for i, v in enumerate(x)]),
    "masked": lambda x: np.ma.array(x, mask=np.arange(len(x)) == 2),
}


@pytest.mark.parametrize("kind", HOLES)
def test_a_missing_rating_is_one_in_every_container(kind):
    found = nps.drivers(SCORES, {"service": HOLES[kind](SERVICE)}, top=4, on_invalid="exclude")
    assert (found.n, found.excluded) == (7, {"service missing": 1})
    with pytest.raises(InvalidValue, match=r"ratings\['service'\]\[2\]"):
        nps.drivers(SCORES, {"service": HOLES[kind](SERVICE)}, top=4)


def test_inputs_are_never_changed():
    scores, service = np.array(SCORES), np.array(SERVICE, float)
    scores.flags.writeable = service.flags.writeable = False
    nps.drivers(scores, {"service": service}, top=4)
    assert (scores.tolist(), service.tolist()) == (SCORES, SERVICE)


@pytest.mark.parametrize(
    "bad",
    [
        ["5"] * 8,
        [5, "5", 4, 3, 3, 1, 4, 5],
        [5, True, 4, 3, 3, 1, 4, 5],
        [True, False] * 4,
        np.array([True, False] * 4),
        [5, [1, 2], 4, 3, 3, 1, 4, 5],
        [5, 1j, 4, 3, 3, 1, 4, 5],
        [Decimal(5), 5, 4, 3, 3, 1, 4, 5],
        "55433145",
        5,
        None,
    ],
    ids=str,
)
def test_ratings_that_are_no_numbers(bad):
    with pytest.raises(InvalidType, match=r"ratings\['service'\]"):
        nps.drivers(SCORES, {"service": bad}, top=4)


def test_what_cannot_be_driven():
    with pytest.raises(InvalidValue, match=r"ratings\['service'\] must be one an answer, got 7 for 8 answers"):
        nps.drivers(SCORES, {"service": SERVICE[1:]}, top=4)
    with pytest.raises(InvalidValue, match="one-dimensional"):
        nps.drivers(SCORES, {"service": np.ones((8, 1))}, top=4)
    with pytest.raises(UndefinedMetric, match="service is the same for everybody"):
        nps.drivers(SCORES, {"service": [5] * 8}, top=4)
    with pytest.raises(UndefinedMetric, match="scores is the same for everybody"):
        nps.drivers([9] * 8, {"service": SERVICE}, top=4)
    with pytest.raises(UndefinedMetric, match="2 people gave all ratings, and 1 ratings need 3"):
        nps.drivers([9, 3], {"service": [5, 1]}, top=4)
    with pytest.raises(InvalidValue, match="scale must be one of"):
        nps.drivers(SCORES, {"service": SERVICE}, top=4, scale="0-5")
    with pytest.raises(InvalidValue, match="on_invalid must be one of"):
        nps.drivers(SCORES, {"service": SERVICE}, top=4, on_invalid="skip")


@pytest.mark.parametrize("top", [math.nan, math.inf, "4", None, True, [4, 4], [4] * 8])
def test_the_top_is_one_number(top):
    with pytest.raises((InvalidValue, InvalidType), match="top must be"):
        nps.drivers(SCORES, {"service": SERVICE}, top=top)


def test_ratings_are_a_mapping():
    with pytest.raises(RetentionMetricsError, match="ratings"):
        nps.drivers(SCORES, [SERVICE], top=4)


# Reasons

ANSWERS = [3, 6, 9, 10, 2, 8, 7, 0, 9]
CODES = ["wait", ["wait", "price"], "staff", None, "wait", "price", [], ["price", "price"], ["staff", "price", ""]]
people = st.lists(
    st.tuples(st.integers(0, 10), st.lists(st.sampled_from(["wait", "price", "staff", "food"]), max_size=4)),
    min_size=1,
    max_size=30,
)


@given(people, st.sampled_from(["detractors", "promoters", "all"]))
def test_reasons_are_counted_by_person_and_class(rows, order):
    table = nps.reasons([a for a, _ in rows], [codes for _, codes in rows], order=order)
    classes = ["promoters" if a >= 9 else "passives" if a >= 7 else "detractors" for a, _ in rows]
    given_ = {
        name: sum(bool(codes) for c, (_, codes) in zip(classes, rows, strict=True) if c == name)
        for name in set(classes)
    }
    assert table.with_reason == sum(bool(codes) for _, codes in rows)
    assert table.without_reason == len(rows) - table.with_reason
    assert {row.code for row in table.reasons} == {code for _, codes in rows for code in codes}
    for row in table.reasons:
        for name in ("promoters", "passives", "detractors"):
            expected = sum(row.code in codes for c, (_, codes) in zip(classes, rows, strict=True) if c == name)
            assert getattr(row, name) == expected
        assert row.mentions == sum(row.code in codes for _, codes in rows)
        for rate, name in ((row.among_promoters, "promoters"), (row.among_detractors, "detractors")):
            if given_.get(name):
                assert (rate.numerator, rate.denominator) == (getattr(row, name), given_[name])
            else:
                assert rate is None
        assert row.score == nps.score([a for a, codes in rows if row.code in codes])
    leading = [row.mentions if order == "all" else getattr(row, order) for row in table.reasons]
    assert leading == sorted(leading, reverse=True)
    total = sum(leading)
    running = [sum(leading[: i + 1]) / total if total else 0 for i in range(len(leading))]
    assert [row.cumulative for row in table.reasons] == pytest.approx(running)


def test_a_code_counts_once_a_person():
    table = nps.reasons(ANSWERS, CODES)
    assert [(row.code, row.detractors, row.passives, row.promoters) for row in table.reasons] == [
        ("wait", 3, 0, 0),
        ("price", 2, 1, 1),
        ("staff", 0, 0, 2),
    ]
    assert (table.with_reason, table.without_reason) == (7, 2)
    assert nps.reasons(ANSWERS, CODES, order="promoters").reasons[0].code == "staff"
    assert nps.reasons(ANSWERS, CODES, order="all").reasons[0].code == "price"


def test_no_reason_at_all_is_a_table_without_rows():
    table = nps.reasons([3, 9], [None, ""])
    assert (table.reasons, table.with_reason, table.without_reason) == ((), 0, 2)
    assert nps.reasons([3, 9], [math.nan, []]) == table


def test_unusable_answers_take_their_reasons_along():
    with pytest.raises(InvalidValue, match=r"scores\[1\]"):
        nps.reasons([3, None, 9], ["wait", "price", "staff"])
    table = nps.reasons([3, None, 9], ["wait", "price", "staff"], on_invalid="exclude")
    assert {row.code for row in table.reasons} == {"wait", "staff"}
    assert table.excluded == {"missing": 1}
    with pytest.raises(UndefinedMetric, match="none of 1 answers"):
        nps.reasons([None], ["wait"], on_invalid="exclude")
    with pytest.raises(UndefinedMetric):
        nps.reasons([], [])


CONTAINERS = {
    "tuple": lambda: (["wait", "price"], None),
    "tuples": lambda: [("wait", "price"), None],
    "arrays": lambda: [np.array(["wait", "price"]), None],
    "object arrays": lambda: [np.array(["wait", "price"], object), None],
    "pandas": lambda: pd.Series([["wait", "price"], None]),
    "pandas NA": lambda: pd.Series([["wait", "price"], pd.NA]),
    "arrow to pandas": lambda: pa.array([["wait", "price"], None]).to_pandas(),
    "polars": lambda: pl.Series([["wait", "price"], None]),
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_several_codes_a_person_in_any_container(kind):
    assert nps.reasons([3, 9], CONTAINERS[kind]()) == nps.reasons([3, 9], [["wait", "price"], None])


ONE = {
    "tuple": lambda: ("wait", None),
    "array": lambda: np.array(["wait", None], object),
    "pandas": lambda: pd.Series(["wait", None]),
    "pandas NA": lambda: pd.Series(["wait", pd.NA], dtype="string"),
    "pandas object NA": lambda: pd.Series(["wait", pd.NA], dtype=object),
    "pandas category": lambda: pd.Series(["wait", None], dtype="category"),
    "polars": lambda: pl.Series(["wait", None]),
}


@pytest.mark.parametrize("kind", ONE)
def test_one_code_a_person_in_any_container(kind):
    assert nps.reasons([3, 9], ONE[kind]()) == nps.reasons([3, 9], ["wait", None])


@pytest.mark.parametrize("bad", [5, 5.5, True, ["wait", 5], {"wait": 1}, b"wait", [None]], ids=str)
def test_codes_are_strings(bad):
    with pytest.raises(InvalidType, match=r"codes\[1\] must be a string, a list of strings or None"):
        nps.reasons([3, 9], ["wait", bad])


def test_codes_go_with_answers():
    with pytest.raises(InvalidValue, match="codes must be one an answer, got 1 for 2 answers"):
        nps.reasons([3, 9], ["wait"])
    with pytest.raises(InvalidValue, match="order must be one of 'detractors', 'promoters', 'all'"):
        nps.reasons([3, 9], ["wait", None], order="passives")
    with pytest.raises(InvalidValue, match="scale must be one of"):
        nps.reasons([3, 9], ["wait", None], scale="10")


@pytest.mark.parametrize("bad", ["ab", None, 5])
def test_codes_are_a_column(bad):
    with pytest.raises(InvalidType, match="codes"):
        nps.reasons([3, 9], bad)


# Results


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_frames_are_the_tables(backend):
    for table in (nps.drivers(SCORES, {"service": SERVICE, "price": PRICE}, top=5), nps.reasons(ANSWERS, CODES)):
        frame = table.to_frame(backend)
        if backend == "pandas":
            read = {name: frame[name].tolist() for name in frame}
        else:
            read = frame.to_pydict() if backend == "pyarrow" else frame.to_dict(as_series=False)
        assert read == table.to_dict()


def test_the_tables_hold_wilson_intervals_and_gaps():
    columns = nps.reasons(ANSWERS, CODES).to_dict()
    assert columns["reason"] == ["wait", "price", "staff"]
    # Three of the four detractors who gave a reason.
    z2, n, k = 1.959963985**2, 4, 3
    centre, half = (k + z2 / 2) / (n + z2), math.sqrt(z2 * (k * (n - k) / n + z2 / 4)) / (n + z2)
    assert columns["among_detractors"][0] == 0.75
    assert columns["among_detractors_low"][0] == pytest.approx(centre - half)
    assert columns["among_detractors_high"][0] == pytest.approx(centre + half)
    found = nps.drivers(SCORES, {"service": SERVICE}, top=6).to_dict()
    assert found["gap"] == found["gap_low"] == found["gap_high"] == [None]


def test_results_survive_json_and_are_frozen():
    found = nps.drivers(SCORES, {"service": SERVICE, "price": PRICE}, top=5)
    table = nps.reasons(ANSWERS, CODES)
    for result, name in ((found, "n"), (found.drivers[0], "share"), (table, "order"), (table.reasons[0], "promoters")):
        assert type(result).model_validate_json(result.model_dump_json()) == result
        with pytest.raises(pydantic.ValidationError, match="frozen"):
            setattr(result, name, None)


@given(st.data())
@settings(max_examples=10)
def test_other_scales_have_their_own_classes(data):
    scores = data.draw(st.lists(st.integers(1, 5), min_size=4, max_size=12).filter(lambda s: len(set(s)) > 1))
    service = data.draw(st.lists(st.integers(1, 5), min_size=len(scores), max_size=len(scores)))
    assume(len(set(service)) > 1)
    found = nps.drivers(scores, {"service": service}, top=4, scale="1-5").drivers[0]
    if found.gap:
        top = nps.score([s for s, r in zip(scores, service, strict=True) if r >= 4], scale="1-5")
        rest = nps.score([s for s, r in zip(scores, service, strict=True) if r < 4], scale="1-5")
        assert found.gap.observed == pytest.approx(top.value - rest.value)
    table = nps.reasons(scores, ["x"] * len(scores), scale="1-5")
    assert table.reasons[0].promoters == scores.count(5)
    assert table.reasons[0].passives == scores.count(4)


def test_the_score_of_a_reason_is_on_the_scale_that_was_asked():
    row = nps.reasons([5, 4, 1], ["wait", "wait", "wait"], scale="1-5").reasons[0]
    assert row.score == nps.score([5, 4, 1], scale="1-5")
