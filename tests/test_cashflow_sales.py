"""Sales paths and shocks: means, spread, and what is refused."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics.cashflow import CommonShock, MassReturn, RefundRun, SalesPath
from retention_metrics.cashflow._rates import rates_of
from retention_metrics.cashflow._sales import sales_table
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.redemption import RedemptionModel


def by_hand(
    base: list[float], season: list[float], trend: float, shocks: list[tuple[int, int, float]], t: int
) -> float:
    mean = base[t] * (1 + trend) ** t * season[t % len(season)]
    for start, end, factor in shocks:
        mean *= factor if start <= t < end else 1
    return mean


@given(
    base=st.lists(st.floats(0, 100), min_size=4, max_size=9),
    season=st.lists(st.floats(0, 3), min_size=1, max_size=5),
    trend=st.floats(-0.5, 0.5),
    shocks=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9), st.floats(0, 3)), max_size=3),
)
def test_the_mean_is_the_product_of_its_parts(
    base: list[float], season: list[float], trend: float, shocks: list[tuple[int, int, float]]
) -> None:
    shocks = [(start, start + length, factor) for start, length, factor in shocks]
    path = SalesPath(base, season=season, trend=trend, shocks=shocks, noise="poisson")
    expected = [by_hand(base, season, trend, shocks, t) for t in range(len(base))]
    assert path.mean(len(base)) == pytest.approx(expected)


def test_a_dip_of_sixty_percent_for_six_periods() -> None:
    mean = SalesPath(40, shocks=[(30, 36, 0.4)]).mean(60)
    assert mean.tolist() == [40] * 30 + [16] * 6 + [40] * 24


def test_fixed_sales_do_not_vary() -> None:
    drawn = SalesPath([3, 0, 7]).draw(periods=3, paths=4, rng=1)
    assert drawn.dtype == np.int64
    assert drawn.tolist() == [[3] * 4, [0] * 4, [7] * 4]


@pytest.mark.parametrize(("noise", "dispersion"), [("poisson", None), ("negative_binomial", 4.0)])
def test_noise_keeps_the_mean_and_has_its_variance(noise: Any, dispersion: float | None) -> None:
    path = SalesPath(12.5, season=[1, 2], noise=noise, dispersion=dispersion)
    drawn = path.draw(periods=4, paths=50_000, rng=7)
    mean = np.array([12.5, 25, 12.5, 25])
    variance = mean + (0 if dispersion is None else mean**2 / dispersion)
    # 4.5 standard errors: a false alarm once in 150,000.
    assert np.abs(drawn.mean(axis=1) - mean).max() < 4.5 * math.sqrt(variance.max() / 50_000)
    # The relative standard error of a variance is about sqrt((kurtosis - 1) / n), below sqrt(4 / n) here.
    assert drawn.var(axis=1) == pytest.approx(variance, rel=4.5 * math.sqrt(4 / 50_000))
    off_diagonal = np.corrcoef(drawn)[np.triu_indices(4, 1)]
    assert np.abs(off_diagonal).max() < 4.5 / math.sqrt(50_000)


def test_the_same_seed_gives_the_same_sales() -> None:
    path = SalesPath(3.5, noise="poisson")
    assert (path.draw(periods=5, paths=6, rng=9) == path.draw(periods=5, paths=6, rng=9)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SalesPath(-1), r"base must be a finite number >= 0, got -1"),
        (lambda: SalesPath([1, -2]), r"base\[1\] must be a finite number >= 0, got -2"),
        (lambda: SalesPath([[1, 2]]), r"base must be one number or one for each period, got an array of shape"),
        (lambda: SalesPath(4, trend=-1), "trend must be a finite number > -1"),
        (lambda: SalesPath(4, season=[1, -1]), r"season\[1\] must be"),
        (
            lambda: SalesPath(4, season=[[0.5], [1.5]]),
            r"season must be numbers in a row, got an array of shape \(2, 1\)",
        ),
        (lambda: SalesPath(4, noise="poison"), "noise must be one of .* did you mean 'poisson'"),
        (lambda: SalesPath(4, trend=1e300).mean(5), r"sales\[2\] has no finite mean"),
        (lambda: SalesPath(4, dispersion=2), "dispersion goes with noise='negative_binomial'"),
        (lambda: SalesPath(4, noise="negative_binomial"), "dispersion goes with noise='negative_binomial'"),
        (lambda: SalesPath(4, noise="negative_binomial", dispersion=0), "dispersion must be a finite number >= 1e-06"),
        (lambda: SalesPath(4, shocks=[(3, 3, 0.5)]), r"shocks\[0\] must end after it starts"),
        (lambda: SalesPath(4, shocks=[(0, 3, 0.5), (3, 5, -1)]), r"shocks\[1\]\[2\] must be a finite number >= 0"),
        (lambda: SalesPath(4, shocks=[(3, 0.5)]), r"shocks\[0\] must be \(start, end, factor\)"),
        (lambda: SalesPath(4, shocks=[(9, 12, 0.5)]).mean(5), r"shocks\[0\] starts in period 9, after the last one, 4"),
        (lambda: SalesPath([1, 2]).mean(3), "base must be one number or one for each of the 3 periods, got 2"),
        (
            lambda: SalesPath(2.5).draw(periods=2, paths=1, rng=1),
            r"sales\[0\] must be whole with noise='fixed', got 2.5",
        ),
        (lambda: SalesPath([4, 4.2]).draw(periods=2, paths=1, rng=1), r"sales\[1\] must be whole .* noise='poisson'"),
        (lambda: SalesPath(1e9).draw(periods=2, paths=1, rng=1), r"stay below 2\*\*30"),
        (lambda: sales_table([1, -2, 3], 3), r"sales\[1\] must be >= 0, got -2"),
        (lambda: sales_table([[1, 2], [3, -4]], 2), r"sales\[1, 1\] must be >= 0, got -4"),
        (
            lambda: sales_table([1, 2.5], 2),
            r"sales\[1\] must be a whole number of packages, got 2.5; .*noise='poisson'",
        ),
        (lambda: sales_table([1, float("nan")], 2), r"sales\[1\] must be a whole number of packages, got nan"),
        (lambda: sales_table([1, 2], 3), r"sales must have shape \(3,\) or \(3, paths\), got \(2,\)"),
        (lambda: sales_table(40, 3), r"a constant is SalesPath\(40\)"),
        (lambda: CommonShock(-0.1), "sigma must be a finite number >= 0"),
        (lambda: CommonShock(5, 0.99), "sigma=5 with phi=0.99 is too large"),
        (lambda: MassReturn(1, 2, gap=10**6), r"gap must be at most 10,000 silent periods, got 1e\+06"),
        (lambda: sales_table([[1, 2], [3]], 2), "sales must have as many paths in every period"),
        (lambda: CommonShock(0.1, 1), "phi must be a fraction from 0 and below 1"),
        (lambda: MassReturn(-1, 2), "period must be a whole number >= 0"),
        (lambda: MassReturn(1, -2), "uplift must be a finite number >= 0"),
        (lambda: MassReturn(1, 2, periods=0), "periods must be a whole number >= 1"),
        (lambda: RefundRun(1, 1.5), "probability must be a fraction"),
    ],
)
def test_what_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        call()


def test_sales_are_numbers() -> None:
    with pytest.raises(InvalidType, match=r"shocks must be a list of \(start, end, factor\), got float"):
        SalesPath(4, shocks=0.4)  # type: ignore[arg-type]
    with pytest.raises(InvalidType, match="sales must be a SalesPath or whole numbers"):
        sales_table(["4"], 1)
    with pytest.raises(InvalidType, match="sales must be a SalesPath or whole numbers"):
        sales_table([True], 1)


@given(sigma=st.floats(0, 1), phi=st.floats(0, 0.95))
def test_the_spread_of_the_shock_is_that_of_its_stationary_law(sigma: float, phi: float) -> None:
    # Var x = phi^2 Var x + sigma^2
    assert CommonShock(sigma, phi).sd ** 2 == pytest.approx((phi * CommonShock(sigma, phi).sd) ** 2 + sigma**2)


def test_the_shock_is_stationary_with_mean_one_and_the_correlation_asked_for() -> None:
    shock = CommonShock(0.2, 0.7)
    factor = shock.draw(periods=6, paths=100_000, rng=3)
    log = np.log(factor)
    assert shock.sd == pytest.approx(0.28006, abs=1e-5)
    assert np.abs(factor.mean(axis=1) - 1).max() < 4.5 * math.sqrt((math.exp(shock.sd**2) - 1) / 100_000)
    assert log.std(axis=1) == pytest.approx(np.full(6, shock.sd), rel=4.5 * math.sqrt(0.5 / 100_000))
    for lag in (1, 2, 5):
        assert np.corrcoef(log[0], log[lag])[0, 1] == pytest.approx(0.7**lag, abs=4.5 / math.sqrt(100_000))


def test_no_shock_is_one() -> None:
    assert (CommonShock(0, 0.5).draw(periods=3, paths=2, rng=1) == 1).all()


MODEL = RedemptionModel([0.5, 0.2, 0.1], [0.0, 0.05, 0.1])


def test_a_wave_multiplies_the_hazard_of_the_silent_and_no_more_than_to_one() -> None:
    rates = rates_of(MODEL, [MassReturn(1, 6, periods=2, gap=1)], 4)
    for period in range(4):
        expected = [0.5, 1, 0.6000000000000001] if period in (1, 2) else [0.5, 0.2, 0.1]
        assert rates.hazard[period].tolist() == expected
    assert rates.usual.tolist() == [True, False, False, True]


def test_a_wave_of_the_long_silent_tells_more_buckets_apart() -> None:
    rates = rates_of(MODEL, [MassReturn(0, 2, gap=4)], 2)
    assert rates.hazard.tolist() == [[0.5, 0.2, 0.1, 0.1, 0.2], [0.5, 0.2, 0.1, 0.1, 0.1]]


def test_a_run_adds_to_the_refunds_of_one_period() -> None:
    rates = rates_of(MODEL, [RefundRun(1, 0.5)], 3)
    assert rates.refund[1] == pytest.approx([0.5, 1 - 0.95 * 0.5, 1 - 0.9 * 0.5])
    assert rates.refund[[0, 2]].tolist() == [[0.0, 0.05, 0.1]] * 2


def test_buckets_that_are_all_the_same_at_the_end_are_one() -> None:
    assert rates_of(RedemptionModel([0.3, 0.3, 0.3]), [], 2).buckets == 1
    assert rates_of(RedemptionModel([0.4, 0.3, 0.3, 0.3]), [], 2).hazard[0].tolist() == [0.4, 0.3]
    assert rates_of(RedemptionModel([0.3, 0.3, 0.3], [0, 0.1, 0.1]), [], 2).buckets == 2
    assert rates_of(RedemptionModel([0.3, 0.4, 0.3]), [], 2).buckets == 3


def test_events_are_in_time_and_of_a_kind() -> None:
    with pytest.raises(InvalidValue, match=r"events\[0\] is in period 3, after the last one, 2"):
        rates_of(MODEL, [MassReturn(3, 2)], 3)
    with pytest.raises(InvalidType, match=r"events\[1\] must be a MassReturn or a RefundRun, got tuple"):
        rates_of(MODEL, [RefundRun(1, 0.1), (1, 2)], 3)  # type: ignore[list-item]
