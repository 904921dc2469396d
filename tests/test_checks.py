"""The one place that coerces and refuses."""

import datetime as dt
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics import _checks
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric

KINDS = [True, np.True_, "5", b"5", Decimal(5), Fraction(1, 2), 5j, None]


@pytest.mark.parametrize("value", KINDS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("check", [_checks.at_least, _checks.fraction, _checks.finite])
def test_other_kinds_are_refused_with_a_remedy(check, value):
    low = (0,) if check is _checks.at_least else ()
    with pytest.raises(InvalidType, match=r"^start must be a number or an array of numbers, got .+; .+"):
        check(*low, start=value)


@pytest.mark.parametrize("value", KINDS, ids=lambda value: type(value).__name__)
def test_other_kinds_inside_a_list_are_refused_by_position(value):
    with pytest.raises((InvalidType, InvalidValue), match=r"^start\[1\] "):
        _checks.at_least(0, start=[1, value, 2])


@pytest.mark.parametrize(
    "value", [{1: 2}, {1, 2}, dt.date(2026, 1, 1), object()], ids=lambda value: type(value).__name__
)
def test_things_that_are_no_numbers_are_refused(value):
    with pytest.raises(InvalidType, match="start must be a number"):
        _checks.at_least(0, start=value)


@pytest.mark.parametrize(
    "array", [np.array([True]), np.array(["1"]), np.array(["2026-01-01"], "M8[D]"), np.array([1j])]
)
def test_arrays_of_other_kinds_are_refused(array):
    with pytest.raises(InvalidType, match="start must be a number"):
        _checks.at_least(0, start=array)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, -1e-300])
def test_a_number_out_of_range_is_refused(value):
    with pytest.raises(InvalidValue, match=r"^start must be a finite number >= 0, got "):
        _checks.at_least(0, start=value)


def test_the_first_bad_element_is_named():
    with pytest.raises(
        InvalidValue, match=r"^start\[2\] must be a finite number > 0, got nan; leave missing values out"
    ):
        _checks.at_least(0, open_low=True, start=[1.0, 2.0, math.nan, -1.0])
    with pytest.raises(InvalidValue, match=r"^start\[1, 0\] must be .* got -3"):
        _checks.at_least(0, start=[[1, 2], [-3, 4]])


def test_ends_of_a_range_belong_to_it_unless_it_is_open():
    assert _checks.at_least(0, x=0) == 0
    assert _checks.fraction(x=0) == 0
    assert _checks.fraction(x=1) == 1
    for check in (
        lambda: _checks.at_least(0, open_low=True, x=0),
        lambda: _checks.fraction(open_low=True, x=0.0),
        lambda: _checks.fraction(open_high=True, x=1.0),
    ):
        with pytest.raises(InvalidValue, match="x must be"):
            check()


def test_a_percentage_is_answered_with_the_fraction():
    with pytest.raises(InvalidValue, match=r"churn must be a fraction from 0 to 1 \(write 5 % as 0.05\), got 5"):
        _checks.fraction(churn=5)


def test_an_integer_beyond_float_is_refused():
    with pytest.raises(InvalidValue, match="beyond float64"):
        _checks.at_least(0, start=10**400)
    with pytest.raises(InvalidValue, match="beyond float64"):
        _checks.at_least(0, start=[10**400])


@pytest.mark.parametrize(
    "value",
    [
        [1, 2],
        (1.0, 2.0),
        np.array([1, 2], np.int8),
        np.array([1, 2], np.float32),
        np.array([1, 2], object),
        pd.Series([1, 2]),
        pd.Series([1, 2], dtype="Int64"),
        pl.Series([1, 2]),
        range(1, 3),
    ],
    ids=repr,
)
def test_every_kind_of_array_becomes_float64(value):
    checked = _checks.at_least(0, start=value)
    assert checked.dtype == np.float64
    assert checked.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("value", [3, 3.0, np.int32(3), np.float32(3), np.float64(3), np.array(3)], ids=repr)
def test_every_kind_of_number_becomes_a_plain_float(value):
    checked = _checks.at_least(0, start=value)
    assert type(checked) is float
    assert checked == 3.0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (pl.Series([1, None]), r"start\[1\] must be a finite number"),
        (pd.Series([1, None]), r"start\[1\] must be a finite number"),
        (np.ma.array([1, 2], mask=[False, True]), "masked"),
        ([[1, 2], [3]], "rectangular"),
        ([], "empty"),
    ],
)
def test_gaps_in_an_array_are_refused(value, message):
    with pytest.raises(InvalidValue, match=message):
        _checks.at_least(0, start=value)


def test_missing_values_of_nullable_pandas_are_refused_by_position():
    with pytest.raises((InvalidType, InvalidValue), match=r"start\[1\]"):
        _checks.at_least(0, start=pd.Series([1, None], dtype="Int64"))


def test_the_array_handed_in_is_left_alone():
    given_array = np.array([1.0, 2.0])
    checked = _checks.at_least(0, start=given_array)
    assert checked is not given_array


def test_arrays_that_do_not_broadcast_are_named_with_their_shapes():
    with pytest.raises(InvalidValue, match=r"start \(2,\), end \(3,\)"):
        _checks.aligned(start=np.ones(2), end=np.ones(3), new=1.0)
    assert _checks.aligned(start=np.ones((2, 1)), end=np.ones(3)) is None


@given(st.integers(-5, 5))
def test_whole_numbers(value):
    if value >= 1:
        assert _checks.whole(1, periods=value) == value
        assert _checks.whole(1, periods=float(value)) == value
    else:
        with pytest.raises(InvalidValue, match="periods must be a whole number >= 1"):
            _checks.whole(1, periods=value)


@pytest.mark.parametrize("value", [1.5, math.nan, math.inf, [1], [1, 2]], ids=repr)
def test_what_is_not_one_whole_number_is_refused(value):
    with pytest.raises(InvalidValue, match="periods must be a whole number"):
        _checks.whole(1, periods=value)


def test_a_near_miss_is_answered_with_the_right_name():
    with pytest.raises(InvalidValue, match="did you mean 'month'"):
        _checks.choice(("day", "month"), period="months")
    with pytest.raises(InvalidValue, match="period must be one of 'day', 'month', got 7"):
        _checks.choice(("day", "month"), period=7)


@pytest.mark.parametrize(
    "value", ["2026-10-31", dt.date(2026, 10, 31), dt.datetime(2026, 10, 31), pd.Timestamp("2026-10-31")]
)
def test_days_in_every_spelling(value):
    assert _checks.day(as_of=value) == dt.date(2026, 10, 31)
    assert type(_checks.day(as_of=value)) is dt.date


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("31.10.2026", InvalidValue, "as_of must be a day like '2026-10-31', got '31.10.2026'"),
        (dt.datetime(2026, 10, 31, 9), InvalidValue, r"as_of must be a whole day.*pass \.date\(\)"),
        (dt.datetime(2026, 10, 31, tzinfo=dt.UTC), InvalidValue, "as_of must be a whole day"),
        (20261031, InvalidType, "as_of must be a datetime.date"),
        (None, InvalidType, "as_of must be a datetime.date"),
    ],
)
def test_what_is_no_day_is_refused(value, error, message):
    with pytest.raises(error, match=message):
        _checks.day(as_of=value)


def test_division_names_the_hole():
    with pytest.raises(UndefinedMetric, match=r"^ratio is undefined: nothing there$") as caught:
        _checks.divide(1.0, 0.0, metric="ratio", reason="nothing there")
    assert caught.value.reason == "nothing there"
    with pytest.raises(UndefinedMetric, match=r'^ratio is undefined at \[1\]: nothing there; pass undefined="nan"'):
        _checks.divide(1.0, np.array([1.0, 0.0]), metric="ratio", reason="nothing there")


def test_division_gives_nan_only_where_asked_and_only_in_the_hole():
    ratio = _checks.divide(np.array([1.0, 2.0]), np.array([0.0, 4.0]), metric="r", reason="x", undefined="nan")
    np.testing.assert_array_equal(ratio, [np.nan, 0.5])
    with pytest.raises(UndefinedMetric):
        _checks.divide(1.0, 0.0, metric="r", reason="x", undefined="nan")


def test_an_unknown_way_to_treat_holes_is_refused():
    with pytest.raises(InvalidValue, match="undefined must be one of 'raise', 'nan'"):
        _checks.divide(np.array([1.0]), np.array([0.0]), metric="r", reason="x", undefined="zero")
