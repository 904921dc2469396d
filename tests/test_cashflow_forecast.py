"""The figures of a forecast, each recomputed from the kept paths in another way."""

import json
import math
from typing import Any

import numpy as np
import pytest

from retention_metrics.cashflow import (
    CashGapForecast,
    CommonShock,
    FirmPolicy,
    FirstGap,
    SalesPath,
    required_opening_cash,
    required_reserve_ratio,
    run_policy,
    simulate,
)
from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.prepaid import PackagePlan
from retention_metrics.redemption import RedemptionModel

PLAN = PackagePlan(id="ten", price=15_000, sessions=10, cost_per_session=700)
MODEL = RedemptionModel([0.5, 0.3, 0.15, 0.05], [0.0, 0.0, 0.01, 0.02])


def forecast_of(**changes: Any) -> CashGapForecast:
    world: dict[str, Any] = {
        "model": MODEL,
        "sales": SalesPath(20, shocks=[(12, 15, 0.5)], noise="poisson"),
        "plan": PLAN,
        "policy": FirmPolicy.spend_collections(fixed_costs=80_000),
        "periods": 20,
        "paths": 700,
        "rng": 4,
        "keep_paths": True,
    }
    return simulate(**(world | changes))


FORECAST = forecast_of(common=CommonShock(0.2, 0.7))


def cash_by_hand(forecast: CashGapForecast, path: int) -> list[int]:
    """Cash before the draw, in whole numbers, one path and period after another."""
    assert forecast.flows is not None
    flows, cash, found = forecast.flows, 0, []
    for t in range(forecast.periods):
        cash += int(flows.collections[t, path]) - int(flows.delivery_cost[t, path])
        cash -= int(flows.refunds_paid[t, path]) + 80_000
        found.append(cash)
        cash = min(cash, 0)
    return found


LOW = np.array([cash_by_hand(FORECAST, path) for path in range(FORECAST.paths)])


def smallest_attained(values: Any, level: float) -> int:
    return int(np.sort(values)[math.ceil(round(level * len(values), 9)) - 1])


def test_the_probability_of_a_gap_is_counted() -> None:
    rate = FORECAST.gap_probability()
    gaps = int((LOW.min(axis=1) < 0).sum())
    assert 0 < gaps < 700
    assert (rate.numerator, rate.denominator) == (gaps, 700)
    assert rate.value == gaps / 700
    interval = rate.interval(0.95)
    # The ends of a Wilson interval p solve (gaps / n - p)^2 = z^2 p (1 - p) / n.
    for end in (interval.low, interval.high):
        assert (gaps / 700 - end) ** 2 == pytest.approx(1.959963984540054**2 * end * (1 - end) / 700)


def test_no_gap_in_n_paths_still_leaves_an_upper_limit() -> None:
    safe = forecast_of(policy=FirmPolicy.ring_fence(), paths=1000)
    interval = safe.gap_probability().interval(0.95)
    assert safe.gap_probability().value == 0
    assert interval.low == 0
    assert interval.high == pytest.approx(1.959963984540054**2 / (1000 + 1.959963984540054**2))
    assert safe.first_gap().quantile(0.01) is None
    assert safe.first_gap().never == 1
    assert safe.depth(1.0) == safe.duration(1.0) == 0


def test_the_first_gap_is_the_first_period_below_zero() -> None:
    found = FORECAST.first_gap()
    firsts = [next((t for t, low in enumerate(path) if low < 0), None) for path in LOW.tolist()]
    for t in range(20):
        assert found.probability[t] == firsts.count(t) / 700
        assert found.by_then[t] == pytest.approx(sum(first is not None and first <= t for first in firsts) / 700)
    assert found.never == pytest.approx(firsts.count(None) / 700)
    assert found.probability.sum() + found.never == pytest.approx(1)
    assert found.by_then[-1] == pytest.approx(FORECAST.gap_probability().value)
    for level in (0.05, 0.3, 0.5):
        reached = next((t for t in range(20) if found.by_then[t] >= level), None)
        assert found.quantile(level) == reached


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99, 1.0])
def test_quantiles_are_attained(level: float) -> None:
    depth, duration = np.maximum(-LOW.min(axis=1), 0), (LOW < 0).sum(axis=1)
    assert FORECAST.depth(level) == smallest_attained(depth, level)
    assert FORECAST.duration(level) == smallest_attained(duration, level)
    assert FORECAST.flows is not None
    assert FORECAST.required_opening_cash(level) == required_opening_cash(FORECAST.flows, FORECAST.policy, level=level)


def test_a_higher_level_is_never_less() -> None:
    for name in ("depth", "duration", "required_opening_cash", "required_reserve_ratio"):
        found = [getattr(FORECAST, name)(level) for level in (0.5, 0.8, 0.95, 0.99)]
        assert found == sorted(found)


def test_a_path_has_a_first_gap_exactly_when_it_is_deep() -> None:
    scalars = FORECAST.scalars
    assert ((scalars.first_gap >= 0) == (scalars.depth > 0)).all()
    assert ((scalars.duration > 0) == (scalars.depth > 0)).all()


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_required_ratio_is_the_smallest_that_does(level: float) -> None:
    ratio = FORECAST.required_reserve_ratio(level)
    assert FORECAST.flows is not None
    assert ratio == required_reserve_ratio(FORECAST.flows, FORECAST.policy, level=level)
    allowed = 700 - math.ceil(700 * level)
    table = FORECAST.policy_table([ratio, ratio - 1e-6])
    assert table.gaps[0] <= allowed < table.gaps[1]


def test_a_ratio_that_does_not_exist_is_undefined_whether_paths_were_kept_or_not() -> None:
    for changes in ({}, {"keep_paths": False, "max_bytes": 6_300_000, "paths": 3000}):
        hopeless = forecast_of(policy=FirmPolicy(fixed_costs=10**6), **changes)
        with pytest.raises(UndefinedMetric, match="even with a ratio of 1, [0-9,]+ of [0-9,]+ paths have a gap"):
            hopeless.required_reserve_ratio()


def test_no_reserve_is_needed_where_there_is_no_gap() -> None:
    for changes in ({}, {"keep_paths": False, "max_bytes": 6_300_000, "paths": 3000}):
        assert forecast_of(policy=FirmPolicy(), model=RedemptionModel([0.0]), **changes).required_reserve_ratio() == 0


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_bands_are_quantiles_of_every_series(level: float) -> None:
    bands = FORECAST.bands(level)
    assert FORECAST.flows is not None
    run = run_policy(FORECAST.flows, FORECAST.policy)
    assert bands.paths == 700
    for name in ("earned", "liability", "low", "cash", "draws", "free_cash"):
        values = getattr(FORECAST.flows, name, None)
        values = getattr(run, name) if values is None else values
        for limits, tail in ((bands.low, (1 - level) / 2), (bands.median, 0.5), (bands.high, (1 + level) / 2)):
            assert limits[name].tolist() == [smallest_attained(row, tail) for row in values]
    np.testing.assert_array_equal(np.quantile(LOW, 0.5, axis=0, method="inverted_cdf"), bands.median["low"])


def test_bands_of_some_of_the_paths_are_of_every_portion_alike() -> None:
    every = forecast_of(paths=3000)
    some = forecast_of(paths=3000, keep_paths=False, max_bytes=6_300_000)
    kept = some.bands().paths
    assert 1500 <= kept < 3000
    assert every.flows is not None
    halves = [slice(0, kept // 2), slice(1500, 1500 + kept - kept // 2)]
    taken = np.concatenate([every.flows.liability[:, half] for half in halves], axis=1)
    assert some.bands().median["liability"].tolist() == [smallest_attained(row, 0.5) for row in taken]


def test_expected_series_are_within_the_errors_of_the_paths_without_a_shock() -> None:
    alone = FORECAST.without_common_shock
    assert alone is not None
    assert alone.flows is not None
    for name in ("collections", "earned", "refunds_paid", "delivery_cost", "liability", "cost_outstanding"):
        drawn, exact = getattr(alone.flows, name), alone.expected[name]
        error = np.maximum(drawn.std(axis=1) / math.sqrt(700), 1e-6)
        assert (np.abs(drawn.mean(axis=1) - exact) < 4.5 * error).all()
    course = MODEL.expected(SalesPath(20, shocks=[(12, 15, 0.5)], noise="poisson").mean(20), sessions=10)
    assert alone.expected["outstanding"] == pytest.approx(course.outstanding)
    assert alone.expected["sold"] == pytest.approx(10 * course.sold)
    assert alone.expected["liability"] == pytest.approx(1_500 * course.outstanding)


def test_customers_who_move_together_spread_the_cash() -> None:
    alone = FORECAST.without_common_shock
    assert alone is not None
    assert alone.without_common_shock is None
    assert FORECAST.flows is not None
    assert alone.flows is not None
    # Sales are the same on both sides, so that only the customers differ.
    assert (FORECAST.flows.collections == alone.flows.collections).all()
    together, apart = (each.flows.delivery_cost[10:].std(axis=1).mean() for each in (FORECAST, alone))
    assert together > 2 * apart


def test_the_summary_is_json_and_says_what_the_methods_say() -> None:
    told = json.loads(FORECAST.to_json())
    assert told == FORECAST.to_dict()
    assert told["gap_probability"] == FORECAST.gap_probability().value
    assert told["depth"]["0.95"] == FORECAST.depth(0.95)
    assert told["required_opening_cash"]["0.99"] == FORECAST.required_opening_cash(0.99)
    assert told["first_gap"]["by_then"] == FORECAST.first_gap().by_then.tolist()
    assert told["bands"]["median"]["cash"] == FORECAST.bands().median["cash"].tolist()
    assert told["without_common_shock"]["without_common_shock"] is None
    assert len(told["expected"]["earned"]) == told["periods"] == 20


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_tables(backend: Any) -> None:
    assert FORECAST.to_frame(backend).shape[0] == 20
    assert FORECAST.bands().to_frame(backend).shape[0] == 20
    assert FORECAST.first_gap().to_frame(backend).shape == (20, 3)


def test_the_text_fits_a_screen_and_shows_both_probabilities() -> None:
    lines = str(FORECAST).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 120
    assert lines[0] == "700 paths of 20 periods, reserve ratio 0"
    assert f"{FORECAST.gap_probability().value:.2%}" in lines[1]
    assert "if independent" in lines[2]
    assert "if independent" not in str(FORECAST.without_common_shock)
    assert "not on half of the paths" in str(forecast_of(policy=FirmPolicy.ring_fence()))


def test_results_are_read_only() -> None:
    for array in (FORECAST.expected["earned"], FORECAST.bands().low["cash"], FORECAST.first_gap().by_then):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(TypeError):
        FORECAST.expected["earned"] = 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: FORECAST.depth(0), "level must be a fraction above 0 to 1"),
        (lambda: FORECAST.duration(1.5), "level must be a fraction"),
        (lambda: FORECAST.bands(1), "level must be a fraction above 0 and below 1"),
        (lambda: FORECAST.policy_table([0.1, 1.2]), r"ratios\[1\] must be a fraction"),
        (lambda: FORECAST.policy_table([[0.1]]), "ratios must be numbers in a row"),
        (lambda: FORECAST.required_reserve_ratio(0), "level must be a fraction"),
    ],
)
def test_what_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        call()


def test_the_time_of_a_gap_is_when_the_whole_share_has_had_it() -> None:
    first = FirstGap(np.array([0.5, 0.445]), np.array([0.5, 0.945]), 0.055)
    assert [first.quantile(level) for level in (0.5, 0.501, 0.945, 0.95)] == [0, 1, 1, None]
