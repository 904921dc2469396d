"""The base by chance."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics import Rate, growth
from retention_metrics.errors import InvalidType, InvalidValue

CURVE = [1, 0.6, 0.45, 0.4, 0]
CASES = {
    "plain": {"start": 40, "acquired": 15, "retention": 0.8, "periods": 8},
    "by period": {"acquired": [30, 0, 9, 9, 0, 20], "retention": [1, 0.5, 0, 0.9, 0.9, 0.2], "periods": 6},
    "referral": {"start": 40, "acquired": 5, "retention": 0.7, "referral": 0.4, "periods": 8},
    "returning": {"start": 40, "lapsed": 60, "acquired": 5, "retention": 0.7, "returning": 0.2, "periods": 8},
    "everything": {
        "start": 40,
        "lapsed": 60,
        "acquired": 5,
        "retention": 0.7,
        "returning": 0.2,
        "referral": [0, 0.3, 0.1, 0, 0.5, 0.2],
        "periods": 6,
    },
    "by age": {"start": [30, 20, 10], "acquired": 15, "survival": CURVE, "periods": 7},
    "by age, referral": {"start": [30, 20, 10], "acquired": 5, "survival": CURVE, "referral": 0.3, "periods": 7},
}
MONEY = {"margin": 3, "spend": 50, "discount": 0.03}
PATHS = 4000


@pytest.mark.parametrize("case", CASES)
def test_the_paths_have_the_exact_means_and_deviations(case):
    found = growth.simulate(**CASES[case], **MONEY, rng=7, paths=PATHS, keep_paths=True)
    projected = growth.project(**CASES[case], **MONEY)
    for name in ("active", "cumulative"):
        mean, sd = getattr(projected, name), getattr(found, f"{name}_sd")
        np.testing.assert_array_equal(getattr(found.expected, name), mean)
        paths = getattr(found, f"{name}_paths")
        assert (np.abs(paths.mean(axis=0) - mean) <= 5 * sd / math.sqrt(PATHS) + 1e-9).all()
        np.testing.assert_allclose(paths.std(axis=0), sd, rtol=0.08, atol=1e-9)


@given(st.floats(0, 100), st.floats(0, 1), st.integers(1, 12))
def test_from_nothing_the_base_is_poisson(acquired, retention, periods):
    found = growth.simulate(acquired=acquired, retention=retention, periods=periods, rng=0, paths=1)
    np.testing.assert_allclose(found.active_sd, np.sqrt(found.expected.active), rtol=1e-9, atol=1e-6)


@given(st.integers(0, 500), st.floats(0, 1), st.integers(1, 12))
def test_without_arrivals_the_base_is_binomial(start, retention, periods):
    found = growth.simulate(start=start, acquired=0, retention=retention, periods=periods, rng=0, paths=1)
    alive = retention ** np.arange(1, periods + 1)
    np.testing.assert_allclose(found.active_sd**2, start * alive * (1 - alive), rtol=1e-9, atol=1e-9)


@given(st.floats(0, 20), st.floats(0, 1), st.floats(0, 1.5), st.integers(0, 50))
def test_recommending_customers_branch(acquired, retention, referral, start):
    found = growth.simulate(
        start=start, acquired=acquired, retention=retention, referral=referral, periods=6, rng=0, paths=1
    )
    mean, variance = start, 0.0
    for t in range(6):
        variance = (retention + referral) ** 2 * variance + mean * (retention * (1 - retention) + referral) + acquired
        mean = (retention + referral) * mean + acquired
        assert found.active_sd[t] ** 2 == pytest.approx(variance, rel=1e-9, abs=1e-6)


def presence(stays, kinds, start, periods):
    """Probability that a customer of each kind is active in periods t and u, by powers of the matrix of one period."""
    step = np.asarray(stays)
    powers = [np.linalg.matrix_power(step, t) for t in range(periods + 1)]
    active = np.zeros(step.shape[0])
    active[:kinds] = 1
    both = np.empty((periods, periods))
    for t in range(1, periods + 1):
        for u in range(1, periods + 1):
            first, gap = min(t, u), abs(t - u)
            both[t - 1, u - 1] = sum((active @ powers[gap])[j] * powers[first][j, start] for j in range(kinds))
    return both


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 20), st.integers(0, 20), st.floats(0, 9), st.integers(1, 6))
def test_the_deviation_of_the_money_is_that_of_so_many_single_customers(stay, back, start, lapsed, acquired, periods):
    found = growth.simulate(
        start=start,
        lapsed=lapsed,
        acquired=acquired,
        retention=stay,
        returning=back,
        margin=3,
        discount=0.1,
        periods=periods,
        rng=0,
        paths=1,
    )
    step = [[stay, back], [1 - stay, 1 - back]]
    worth = 3 / 1.1 ** np.arange(periods)
    variance = 0.0
    for kind, many in enumerate((start, lapsed)):
        both = presence(step, 1, kind, periods)
        variance += many * (worth @ both @ worth - (worth @ np.diag(both)) ** 2)
    for joined in range(periods):
        later = periods - joined - 1
        both = np.ones((later + 1, later + 1))
        both[1:, 1:] = presence(step, 1, 0, later)
        both[0, 1:] = both[1:, 0] = np.diag(both)[1:]
        variance += acquired * (worth[joined:] @ both @ worth[joined:])
    assert found.cumulative_sd[-1] ** 2 == pytest.approx(variance, rel=1e-9, abs=1e-6)


def test_arrivals_by_age_are_poisson_and_so_is_the_base():
    found = growth.simulate(acquired=15, survival=CURVE, periods=9, rng=0, paths=1)
    np.testing.assert_allclose(found.active_sd, np.sqrt(found.expected.active))


def test_the_band_has_the_limits_of_the_poisson_distribution():
    found = growth.simulate(acquired=15, retention=1.0, periods=4, rng=3, paths=50_000, level=0.9)
    for t, mean in enumerate((15, 30, 45, 60)):
        steps = np.cumsum([math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) for k in range(3 * mean)])
        assert abs(found.active_band.low[t] - np.searchsorted(steps, 0.05)) <= 1
        assert abs(found.active_band.high[t] - np.searchsorted(steps, 0.95)) <= 1
    assert (found.active_band.level, found.active_band.method) == (0.9, "quantiles of 50000 paths")


def test_the_probability_of_break_even_is_counted_from_the_paths():
    spend = np.array([380] * 12 + [2000] * 2)
    terms = {"acquired": 15, "retention": 0.95, "periods": 14, "margin": 5, "spend": spend, "discount": 0.01}
    found = growth.simulate(**terms, rng=11, paths=500, level=0.9, keep_paths=True)
    by_then = np.maximum.accumulate(found.cumulative_paths >= 0, axis=1).sum(axis=0)
    np.testing.assert_array_equal(found.break_even_probability, by_then / 500)
    for t, count in enumerate(by_then):
        span = Rate(definition="broke even", numerator=int(count), denominator=500).interval(0.9)
        assert (found.break_even_interval.low[t], found.break_even_interval.high[t]) == (span.low, span.high)
    assert by_then[-1] > (found.cumulative_paths[:, -1] >= 0).sum()  # some have broken even and sunk again
    earned = (5 * found.active_paths - spend) / 1.01 ** np.arange(14)
    np.testing.assert_allclose(found.cumulative_paths, earned.cumsum(axis=1), atol=1e-6)


def test_a_base_without_chance_breaks_even_when_its_projection_does():
    terms = {"start": 100, "acquired": 0, "retention": 1, "periods": 6, "margin": 5, "spend": [1600, 0, 0, 0, 0, 0]}
    found = growth.simulate(**terms, rng=0, paths=20)
    assert found.expected.break_even == 4
    assert found.break_even_probability.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.active_sd.tolist() == [0] * 6
    assert found.cumulative_sd.tolist() == [0] * 6


@pytest.mark.parametrize("case", CASES)
def test_the_same_seed_gives_the_same_numbers(case):
    terms = {**CASES[case], **MONEY, "paths": 50}
    one, again, kept = (growth.simulate(**terms, rng=rng) for rng in (5, np.random.default_rng(5), 5))
    other = growth.simulate(**terms, rng=6)
    held = growth.simulate(**terms, rng=5, keep_paths=True)
    assert one.to_dict() == again.to_dict() == kept.to_dict() == held.to_dict()
    assert one.to_dict() != other.to_dict()
    assert one.active_paths is one.cumulative_paths is None
    assert held.active_paths.shape == held.cumulative_paths.shape == (50, CASES[case]["periods"])


def test_without_money_there_is_no_money():
    found = growth.simulate(**CASES["plain"], rng=0, paths=10, keep_paths=True)
    assert (
        found.cumulative_sd is found.cumulative_band is found.break_even_probability is found.cumulative_paths is None
    )
    assert list(found.to_dict()) == ["period", "active", "active_sd", "active_low", "active_high"]
    unspent = growth.simulate(**CASES["plain"], margin=1, spend=0, rng=0, paths=10)
    assert unspent.break_even_probability is unspent.break_even_interval is None
    assert unspent.cumulative_sd is not None


def test_a_simulation_cannot_be_changed_and_reads_as_a_table():
    found = growth.simulate(**CASES["plain"], **MONEY, rng=0, paths=10)
    for array in (found.active_sd, found.active_band.low, found.cumulative_band.high, found.break_even_probability):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    frame = found.to_frame("polars")
    assert frame["cumulative_discounted"].to_list() == found.expected.cumulative.tolist()
    assert "break_even_high" in frame.columns
    assert "0.95 of 10 paths lie between low and high" in str(found)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"start": 10.5}, InvalidValue, "start must be whole customers in a simulation"),
        ({"lapsed": 0.5, "returning": 0.1}, InvalidValue, "lapsed must be whole customers in a simulation"),
        ({"retention": None, "survival": [1, 1, 0], "start": [1, 0.5]}, InvalidValue, r"start must be whole.*\[1\]"),
        ({"acquired": 1e13}, InvalidValue, r"counts up to 1e\+12 customers, got a mean of 1.75e\+13"),
        ({"paths": 0}, InvalidValue, "paths must be a whole number >= 1"),
        ({"level": 1}, InvalidValue, "level must be a fraction above 0 and below 1"),
        ({"rng": None}, InvalidType, "rng must be a numpy.random.Generator or a whole number"),
        ({"retention": 1.5}, InvalidValue, "retention must be a fraction"),
    ],
)
def test_impossible_terms_are_named(changes, error, message):
    terms = {"acquired": 1, "retention": 0.5, "periods": 3, "rng": 0, "paths": 5, **changes}
    with pytest.raises(error, match=message):
        growth.simulate(**terms)
