"""Distinct histories, however they are found, and work done once for each."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics.errors import InvalidValue
from retention_metrics.predictive import GammaGamma, Histories, diagnose
from retention_metrics.predictive._histories import code, distinct, per_distinct, read_customers, read_histories

rows = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([0.0, 1 / 7, 0.3, 2.0]), st.floats(0, 50), st.integers(0, 3)),
    min_size=1,
)


@given(rows)
def test_distinct_rows_are_those_of_a_dictionary(table):
    expected = {}
    for *history, weight in table:
        if weight:
            expected[tuple(map(float, history))] = expected.get(tuple(map(float, history)), 0) + weight
    columns = tuple(np.array(column, dtype=float) for column in zip(*table, strict=True))
    found, weights = distinct(columns[:3], columns[3])
    assert list(zip(*(column.tolist() for column in found), strict=True)) == sorted(expected)
    assert weights.tolist() == [expected[key] for key in sorted(expected)]
    if columns[3].all():
        _, counts = distinct(columns[:3], None)
        assert counts.sum() == len(table)


@given(st.lists(st.integers(0, 400), min_size=1), st.sampled_from([1.0, 7.0, 30.4375]))
def test_places_on_a_grid_and_off_it(days, unit):
    column = np.array(days) / unit
    for values in (column, column + np.random.default_rng(0).uniform(0, 1e-9, column.size)):
        known, at = code(values)
        assert (known[at] == values).all()
        assert (np.diff(known) > 0).all()


@given(st.integers(1, 900), st.integers(1, 40))
def test_work_is_done_once_for_each_distinct_row(size, kinds):
    rng = np.random.default_rng(size)
    one, two = rng.integers(0, kinds, size) / 7, rng.uniform(0, 1, kinds)[rng.integers(0, kinds, size)]
    asked = []

    def function(first, second, third):
        asked.append(first.size)
        assert first.shape == second.shape == third.shape
        return first * 100 + second + third

    found = per_distinct(function, one, two, 5.0)
    assert (found == one * 100 + two + 5).all()
    assert asked[0] <= max(kinds**2, 256)


def test_collapsing_keeps_everybody():
    found = Histories(
        np.array([1.0, 0, 1, 0]),
        np.array([3.0, 0, 3, 0]),
        np.array([9.0, 9, 9, 5]),
        np.array([1.0, 2, 3, 0]),
        unit="week",
    ).collapse()
    assert found.to_dict() == {"frequency": [0, 1], "recency": [0, 3], "T": [9, 9], "weights": [2, 4]}
    assert (found.customers, found.unit) == (6, "week")
    assert found.to_frame("polars").height == 2
    with pytest.raises(ValueError, match="read-only"):
        found.T[0] = 1


def test_customers_whose_refunds_undo_their_purchases_are_left_out_and_counted():
    spend = np.array([30.0, np.nan, 0, -4])
    seen = Histories(
        np.array([1.0, 0, 2, 1]),
        np.array([3.0, 0, 3, 4]),
        np.full(4, 9.0),
        np.array([1.0, 2, 3, 4]),
        unit="week",
        monetary_value=spend,
        excluded={"after as_of": 5},
    )
    paying = seen.paying()
    assert paying.to_dict() == {
        "frequency": [1, 0],
        "recency": [3, 0],
        "T": [9, 9],
        "weights": [1, 2],
        "monetary_value": [30, None],
    }
    assert paying.excluded == {"after as_of": 5, "repeat purchases bring nothing": 7}
    assert paying.unit == "week"
    assert paying.paying() is paying
    with pytest.raises(InvalidValue, match="the histories hold no money"):
        seen.collapse().paying()


@pytest.mark.parametrize("mean", [0, -50])
def test_the_refusal_of_such_customers_says_what_to_do(mean):
    rng = np.random.default_rng(3)
    x, spend = np.append(rng.integers(0, 9, 40), 1), np.append(rng.gamma(4, 5, 40), mean)
    for ask in (GammaGamma.fit, diagnose_spend):
        with pytest.raises(InvalidValue, match=rf"\[40\] must be > 0 .*, got {mean}; leave out .*Histories\.paying"):
            ask(frequency=x, monetary_value=spend)
    seen = Histories(x, np.where(x > 0, 3.0, 0), np.full(41, 9.0), np.ones(41), monetary_value=spend)
    assert GammaGamma.fit(seen.paying()).model == GammaGamma.fit(frequency=x[:40], monetary_value=spend[:40]).model
    with pytest.raises(InvalidValue, match=rf"monetary_value\[1\] must be > 0 .*, got {mean};"):
        GammaGamma(p=6, q=4, v=15).expected_spend(frequency=[0, 2], monetary_value=mean)
    # Of those who did not buy again no money is looked at.
    assert GammaGamma(p=6, q=4, v=15).expected_spend(frequency=0, monetary_value=mean) == pytest.approx(6 * 15 / 3)


def diagnose_spend(*, frequency, monetary_value):
    times = np.where(frequency > 0, 3.0, 0)
    return diagnose(frequency=frequency, recency=times, T=np.full(len(times), 9.0), monetary_value=monetary_value)


def test_very_many_rows_of_which_none_are_alike_stay_as_they_are():
    rng = np.random.default_rng(0)
    columns = tuple(rng.uniform(1, 2, 150_000) for _ in range(3))
    found, weights = distinct(columns, None)
    assert all((one == other).all() for one, other in zip(found, columns, strict=True))
    assert (weights == 1).all()
    assert (per_distinct(lambda a, b: a + b, *columns[:2]) == columns[0] + columns[1]).all()


@given(st.integers(256, 70_000), st.integers(0, 2**32 - 1), st.integers(0, 8))
def test_long_arrays_are_refused_as_short_ones_are(size, seed, flaw):
    """Arrays that are possible are taken as they are; one bad row anywhere in them is found, and its place is told."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 3, size).astype(float)
    T = rng.uniform(5, 9, size)
    last = np.where(x > 0, rng.uniform(0.1, 5, size), 0.0)
    assert all(taken is column for taken, column in zip(read_customers(x, last, T), (x, last, T), strict=True))
    at = int(rng.integers(size))
    flaws = [(-1.0, 1, 5), (1.5, 1, 5), (1, 6, 5), (0, 1, 5), (2, 0, 5), (2, np.nan, 5), (2, 1, np.nan), (2, 1, np.inf)]
    flaws += [(np.inf, 1, 5)]
    x[at], last[at], T[at] = flaws[flaw]
    with pytest.raises(InvalidValue, match=rf"\[{at}\]"):
        read_customers(x, last, T)


def test_work_done_once_on_whole_numbers_and_on_huge_ones():
    counts = np.array([3.0, 5, 4, 3] * 100)
    for column in (counts, counts * 1e200, counts - 9):
        assert (per_distinct(lambda a: a + 1, column) == column + 1).all()


def test_nobody_at_all():
    with pytest.raises(InvalidValue, match="weights are all 0"):
        read_histories(None, frequency=[1], recency=[1], T=[2], weights=[0], unit=None)
