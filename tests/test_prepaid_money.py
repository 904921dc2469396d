"""Money in minor units: conversion that refuses what is not exact, and the shares of sessions."""

from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics import prepaid
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid._money import earned_by, part_of

prices = st.integers(0, 2**60 - 1) | st.integers(0, 2_000)
counts = st.integers(1, 400)


@pytest.mark.parametrize(
    ("price", "sessions", "shares"),
    [
        (10_000, 3, [3333, 3334, 3333]),
        (1_000, 7, [143, 143, 143, 142, 143, 143, 143]),
        (100, 8, [13, 12, 13, 12, 13, 12, 13, 12]),
        (1, 10, [0, 0, 0, 0, 1, 0, 0, 0, 0, 0]),
        (0, 5, [0, 0, 0, 0, 0]),
    ],
)
def test_the_worked_shares(price, sessions, shares):
    found = prepaid.session_shares(price, sessions)
    assert found.dtype == np.int64
    assert found.tolist() == shares


def test_the_last_share_is_never_negative():
    # Twenty-eight rounded shares of 13 would leave -1 for the last session.
    assert prepaid.session_shares(363, 29).min() == 12
    assert prepaid.session_shares(363, 29).sum() == 363


@given(prices, counts)
def test_shares_add_up_differ_by_one_and_stay_within_half_a_unit(price, sessions):
    shares = prepaid.session_shares(price, sessions).tolist()
    assert sum(shares) == price
    assert max(shares) - min(shares) <= 1
    assert min(shares) >= 0
    running = 0
    for k, share in enumerate(shares, start=1):
        running += share
        assert abs(running - Fraction(price * k, sessions)) <= Fraction(1, 2)
        assert running - Fraction(price * k, sessions) != Fraction(-1, 2), "halves go up"


@given(prices, st.integers(1, 2**30 - 1), st.data())
def test_no_product_leaves_the_range_of_int64(price, sessions, data):
    used = data.draw(st.integers(0, sessions))
    found = earned_by(np.array([price]), np.array([sessions]), np.array([used]))
    assert found.tolist() == [(2 * price * used + sessions) // (2 * sessions)]


@given(prices, st.integers(0, 10_000))
def test_a_part_is_rounded_half_up(amount, bps):
    assert part_of(np.array([amount]), np.array([bps])).tolist() == [(2 * amount * bps + 10_000) // 20_000]


@given(st.integers(-(10**12), 10**12), st.integers(0, 4))
def test_exact_amounts_come_back(units, exponent):
    text = f"{Decimal(units).scaleb(-exponent)}"
    assert prepaid.to_minor(float(text), exponent) == units
    assert prepaid.to_minor(Decimal(text), exponent) == units
    assert prepaid.to_minor([float(text)], exponent).tolist() == [units]


def test_gaps_are_masked():
    for amounts in (
        [None, 19.99, Decimal("5"), 7],
        np.array([None, 19.99, Decimal("5"), 7], object),
        np.ma.array([np.nan, 19.99, 5.0, 7.0], mask=[True, False, False, False]),
        np.ma.array([None, 19.99, Decimal("5"), 7], mask=[True, False, False, False]),
    ):
        found = prepaid.to_minor(amounts)
        assert isinstance(found, np.ma.MaskedArray)
        assert (found.dtype, found.tolist()) == (np.int64, [None, 1999, 500, 700])
    assert prepaid.to_minor([None, None]).tolist() == [None, None]
    decimals = prepaid.to_minor([Decimal("0.1"), Decimal("1152921504606846.97")])
    assert type(decimals) is np.ndarray
    assert decimals.tolist() == [10, 115_292_150_460_684_697], "beyond what a float tells apart"


def test_the_digits_of_a_decimal_are_not_rounded():
    with pytest.raises(InvalidValue, match="must be a whole number of minor units"):
        prepaid.to_minor(Decimal("0.01") + Decimal("1E-26"))
    with pytest.raises(InvalidValue, match="must be a whole number of minor units"):
        prepaid.to_minor(Decimal("0.010000000000000000000000000000000000000000000000000001"))
    with localcontext(prec=3):
        assert prepaid.to_minor(Decimal("12345.67")) == 1_234_567


def test_whole_amounts_and_types():
    assert prepaid.to_minor(1200) == 120_000
    assert type(prepaid.to_minor(15.1)) is int
    assert prepaid.to_minor(1200, exponent=0) == 1200
    assert prepaid.to_minor(np.array([0.1, 19.99])).dtype == np.int64


@pytest.mark.parametrize("amount", [15.105, 0.1 + 0.2, 1e16, Decimal("0.001"), [1.0, 0.005]])
def test_amounts_that_are_not_exact_are_refused(amount):
    with pytest.raises(InvalidValue, match="must be a whole number of minor units with 2 decimal places"):
        prepaid.to_minor(amount)


@pytest.mark.parametrize(
    ("amount", "kind", "message"),
    [
        (float("nan"), InvalidValue, "^x is NaN; "),
        ([1.0, float("nan")], InvalidValue, r"^x\[1\] is NaN; "),
        ([None, float("nan")], InvalidValue, r"^x\[1\] is NaN; "),
        (Decimal("nan"), InvalidValue, "^x is NaN; "),
        (Decimal("sNaN"), InvalidValue, "^x is NaN; "),
        ([None, Decimal("sNaN")], InvalidValue, r"^x\[1\] is NaN; "),
        (float("inf"), InvalidValue, "x must be a finite number, got inf"),
        (Decimal("-inf"), InvalidValue, "x must be a finite number, got -Infinity"),
        (Decimal("1E+999999"), InvalidValue, "below 2\\*\\*60"),
        ([True, None], InvalidType, r"x\[0\] must be a number.* got bool True"),
        ([None, "15"], InvalidType, r"x\[1\] must be a number.* got str '15'"),
        ([None, [1.0]], InvalidType, r"x\[1\] must be a number.* got list"),
        ([], InvalidValue, "x is empty"),
        ([[1.0], [1.0, 2.0]], InvalidValue, "x must be a rectangular array of numbers"),
        (True, InvalidType, "got bool True"),
        ("15", InvalidType, "got str '15'"),
        (None, InvalidType, "got NoneType None"),
        (2**70, InvalidValue, "below 2\\*\\*60"),
    ],
)
def test_what_is_no_amount_is_refused(amount, kind, message):
    with pytest.raises(kind, match=message):
        prepaid.to_minor(amount)


def test_the_exponent_is_that_of_a_currency():
    with pytest.raises(InvalidValue, match="exponent must be from 0 to 4 decimal places, got 5"):
        prepaid.to_minor(1, exponent=5)
    with pytest.raises(InvalidValue, match=r"x must be .* with 0 decimal places"):
        prepaid.to_minor(0.5, exponent=0)
    assert prepaid.to_minor(0.125, exponent=3) == 125


@pytest.mark.parametrize(
    ("price", "sessions", "kind", "message"),
    [
        (-1, 3, InvalidValue, "price must be a whole number >= 0"),
        (10, 0, InvalidValue, "sessions must be a whole number >= 1"),
        (10, 2**30, InvalidValue, "sessions must be below"),
        (2**60, 3, InvalidValue, r"price must be .* below 2\*\*60"),
        (
            10.0,
            3,
            InvalidType,
            r"price must be a whole number, got float 10.0; convert money with prepaid.to_minor\(\)",
        ),
        (True, 3, InvalidType, "price must be a whole number, got bool True"),
        (10, "3", InvalidType, "sessions must be a whole number, got str '3'"),
    ],
)
def test_shares_of_what_is_no_package_are_refused(price, sessions, kind, message):
    with pytest.raises(kind, match=message):
        prepaid.session_shares(price, sessions)
