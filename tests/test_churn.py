"""Retention and churn rates, and the conversions between periods."""

import datetime as dt
import math
import pickle

import narwhals.stable.v2 as nw
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from retention_metrics import churn
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric

counts = st.integers(1, 10**9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
rates = st.floats(1e-9, 1 - 1e-9)


@pytest.mark.parametrize("item", ["S-RET-01", "A-RET-01"])
def test_the_formula_of_the_articles(reference, item):
    example = reference(item)
    assert churn.retention_rate(**example["input"]) == pytest.approx(example["expect"]["retention"], rel=1e-12)


def test_monthly_churn_in_other_words(reference):
    example = reference("A-RET-04")
    monthly, expect = example["input"]["monthly"], example["expect"]
    close = {"abs": example["tol"]}
    assert churn.rescale_churn(monthly, periods=12) == pytest.approx(expect["annual"], **close)
    assert churn.rescale_churn(monthly, periods=3) == pytest.approx(expect["quarterly"], **close)
    assert churn.rescale_churn(monthly, periods=12) != pytest.approx(expect["naive_12x_not"], abs=0.1)
    assert churn.expected_lifetime(monthly) == pytest.approx(expect["lifetime_months"], **close)
    assert churn.half_life(monthly) == pytest.approx(expect["half_life_months"], **close)
    assert churn.hazard(monthly) == pytest.approx(expect["hazard"], **close)


def test_annual_churn_per_month(reference):
    example = reference("A-RET-05")
    monthly = churn.rescale_churn(example["input"]["annual"], periods=1 / 12)
    assert monthly == pytest.approx(example["expect"]["monthly"], abs=example["tol"])


def test_churn_of_an_odd_window(reference):
    example = reference("A-RET-06")
    start, lost, days = (example["input"][key] for key in ("start", "churned", "days"))
    measured = 1 - churn.cohort_retention(start=start, retained=start - lost)
    assert measured == pytest.approx(example["expect"]["measured"])
    for period, length in (("annual", 365), ("monthly", 365 / 12)):
        rescaled = churn.rescale_churn(measured, periods=length / days)
        assert rescaled == pytest.approx(example["expect"][period], abs=example["tol"])


def test_the_three_lifetimes_have_their_closed_forms():
    assert churn.expected_lifetime(0.05) == pytest.approx(sum(0.95**k for k in range(5000)))
    assert churn.expected_lifetime(0.05, convention="completed") == pytest.approx(sum(0.95**k for k in range(1, 5000)))
    fine = np.exp(-churn.hazard(0.05) * np.arange(0, 2000, 0.01)).sum() * 0.01
    assert churn.expected_lifetime(0.05, convention="continuous") == pytest.approx(fine, rel=1e-3)


def test_a_blended_rate_understates_the_lifetime_of_a_mixed_base():
    # Half at 1 %, half at 20 %: definitions of the field give 52.5 periods, the blended rate 9.5.
    assert np.mean(churn.expected_lifetime([0.01, 0.2])) == pytest.approx(52.5)
    assert churn.expected_lifetime((0.01 + 0.2) / 2) == pytest.approx(9.5238, abs=1e-4)


@given(counts)
def test_retention_is_a_fraction_and_complements_churn(cohort):
    start, kept = cohort
    rate = churn.cohort_retention(start=start, retained=kept)
    assert 0 <= rate <= 1
    assert rate + churn.cohort_retention(start=start, retained=start - kept) == pytest.approx(1)


@given(counts, st.integers(0, 10**6))
def test_the_formula_is_one_minus_the_share_lost(cohort, new):
    start, lost = cohort
    rate = churn.retention_rate(start=start, end=start + new - lost, new=new)
    assert rate == pytest.approx(1 - lost / start, abs=1e-12)
    assert rate == churn.cohort_retention(start=start, retained=start - lost)


@given(st.lists(counts, min_size=1))
def test_arrays_agree_with_numbers(rows):
    start, kept = np.array(rows).T
    one_by_one = [churn.cohort_retention(start=int(s), retained=int(k)) for s, k in rows]
    np.testing.assert_array_equal(churn.cohort_retention(start=start, retained=kept), one_by_one)


@given(st.lists(rates, min_size=1, max_size=5))
def test_conversions_of_arrays_agree_with_numbers(values):
    for convert in (
        lambda c: churn.rescale_churn(c, periods=7.5),
        churn.hazard,
        churn.half_life,
        churn.expected_lifetime,
        lambda c: churn.expected_lifetime(c, convention="completed"),
        lambda c: churn.expected_lifetime(c, convention="continuous"),
    ):
        np.testing.assert_allclose(convert(np.array(values)), [convert(value) for value in values], rtol=1e-14)


@given(st.floats(1e-12, 0.999), st.floats(0.05, 50))
def test_rescaling_there_and_back(rate, periods):
    there = churn.rescale_churn(rate, periods=periods)
    assume(there < 1 - 1e-9)
    assert churn.rescale_churn(there, periods=1 / periods) == pytest.approx(rate, rel=1e-6)


@given(rates, st.integers(1, 60))
def test_rescaling_to_whole_periods_compounds_survival(rate, periods):
    survival = 1.0
    for _ in range(periods):
        survival *= 1 - rate
    assert churn.rescale_churn(rate, periods=periods) == pytest.approx(1 - survival, abs=1e-12)


@given(rates)
def test_half_of_the_customers_are_left_after_the_half_life(rate):
    assert churn.rescale_churn(rate, periods=churn.half_life(rate)) == pytest.approx(0.5)
    assert churn.hazard(rate) >= rate


def test_the_ends_of_the_scale():
    assert churn.rescale_churn(0, periods=12) == 0
    assert churn.rescale_churn(1, periods=0.5) == 1
    np.testing.assert_array_equal(churn.rescale_churn([0, 1], periods=12), [0, 1])
    assert churn.hazard(0) == 0
    assert churn.expected_lifetime(1) == 1
    assert churn.expected_lifetime(1, convention="completed") == 0
    assert churn.rescale_churn(1e-15, periods=12) == pytest.approx(1.2e-14, rel=1e-9)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda u: churn.retention_rate(start=[0, 2], end=[1, 2], new=[1, 0], undefined=u), "nobody to keep"),
        (lambda u: churn.cohort_retention(start=[0, 2], retained=[0, 2], undefined=u), "nobody to keep"),
        (lambda u: churn.hazard([1, 0.5], undefined=u), "no finite rate"),
        (lambda u: churn.expected_lifetime([0, 0.5], undefined=u), "no lifetime ever ends"),
        (lambda u: churn.expected_lifetime([1, 0.5], convention="continuous", undefined=u), "no finite rate"),
        (lambda u: churn.half_life([0, 0.5], undefined=u), "never leave"),
        (lambda u: churn.half_life([1, 0.5], undefined=u), "no finite rate"),
    ],
)
def test_undefined_is_refused_with_a_reason_or_nan_on_request(call, reason):
    with pytest.raises(UndefinedMetric, match=rf"undefined at \[0\]: .*{reason}"):
        call("raise")
    assert np.isnan(call("nan")).tolist() == [True, False]


@pytest.mark.parametrize(
    "call",
    [
        lambda: churn.retention_rate(start=0, end=5, new=5),
        lambda: churn.cohort_retention(start=0, retained=0),
        lambda: churn.hazard(1),
        lambda: churn.expected_lifetime(0),
        lambda: churn.half_life(0),
        lambda: churn.half_life(1, undefined="nan"),
    ],
)
def test_a_single_undefined_number_is_always_refused(call):
    with pytest.raises(UndefinedMetric):
        call()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": 200, "end": 260, "new": 40}, "end - new exceeds start"),
        ({"start": 200, "end": 30, "new": 40}, "end is less than new"),
        ({"start": [200, 200], "end": [220, 260], "new": 40}, r"exceeds start.*first at \[1\]"),
        ({"start": -1, "end": 0, "new": 0}, "start must be a finite number >= 0, got -1"),
        ({"start": 1, "end": -2, "new": 0}, "end must be"),
        ({"start": 1, "end": 0, "new": -3}, "new must be"),
        ({"start": 1, "end": math.nan, "new": 0}, "end must be"),
        ({"start": [1, 2], "end": [1, 2, 3], "new": 0}, r"start \(2,\), end \(3,\)"),
    ],
)
def test_impossible_counts_are_named(arguments, message):
    with pytest.raises(InvalidValue, match=message):
        churn.retention_rate(**arguments)


def test_more_retained_than_there_were():
    with pytest.raises(InvalidValue, match="retained exceeds start; leave out customers won"):
        churn.cohort_retention(start=10, retained=11)


def test_kinds_and_ranges_of_rates():
    with pytest.raises(InvalidType, match="churn must be a number"):
        churn.rescale_churn("0.05", periods=12)
    with pytest.raises(InvalidValue, match="write 5 % as 0.05"):
        churn.rescale_churn(5, periods=12)
    with pytest.raises(InvalidValue, match="periods must be a finite number > 0"):
        churn.rescale_churn(0.05, periods=0)
    with pytest.raises(InvalidValue, match="convention must be one of"):
        churn.expected_lifetime(0.05, convention="mean")


def test_results_are_plain_floats_and_new_arrays():
    assert type(churn.retention_rate(start=np.int64(200), end=220, new=np.float32(40))) is float
    rate = np.array([0.1])
    assert churn.hazard(rate) is not rate


def test_an_error_survives_pickling():
    error = UndefinedMetric("half_life", "nobody leaves", (2,))
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (str(again), again.reason, again.position) == (str(error), error.reason, (2,))


def _flow(**changes):
    fields = {
        "periods": (dt.date(2026, 1, 1), dt.date(2026, 2, 1), dt.date(2026, 3, 1)),
        "complete": np.array([True, True, False]),
        "start": np.array([0, 10, 12]),
        "new": np.array([10, 4, 1]),
        "returned": np.array([0, 0, 1]),
        "lost": np.array([0, 2, 6]),
        "lost_of_start": np.array([0, 1, 6]),
        "end": np.array([10, 12, 8]),
        "buyers": np.array([10, 9, 5]),
        "returning": np.array([0, 5, 4]),
        "revenue": None,
        "period": "month",
        "as_of": dt.date(2026, 3, 15),
        "lost_after": 30,
    }
    return churn.CustomerFlow(**{**fields, **changes})


def test_flow_retention_follows_the_customers_of_the_start():
    np.testing.assert_allclose(_flow().retention(), [np.nan, 0.9, 0.5])


def test_pooled_churn_takes_complete_periods_only():
    pooled = _flow().pooled_churn()
    assert (pooled.numerator, pooled.denominator, pooled.value) == (1, 10, 0.1)
    every = _flow(complete=np.array([True, True, True]))
    assert (every.pooled_churn().numerator, every.pooled_churn().denominator) == (7, 22)
    assert (every.pooled_churn(last=1).numerator, every.pooled_churn(last=1).denominator) == (6, 12)


def test_pooled_churn_without_a_start_is_undefined():
    with pytest.raises(UndefinedMetric, match="no complete month began with customers"):
        _flow(complete=np.array([True, False, False])).pooled_churn()
    with pytest.raises(InvalidValue, match="last must be a whole number >= 1"):
        _flow().pooled_churn(last=0)


def test_a_book_that_does_not_close_is_refused():
    with pytest.raises(InvalidValue, match=r"start \+ new \+ returned - lost is not end; first at \[1\]"):
        _flow(lost=np.array([0, 3, 6]))


def test_a_flow_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        _flow().end[0] = 5


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_flow_as_a_frame(backend):
    frame = nw.from_native(_flow().to_frame(backend))
    assert frame.implementation.name.lower() == backend
    assert frame["period"].to_list() == ["2026-01", "2026-02", "2026-03"]
    assert frame["end"].to_list() == [10, 12, 8]
