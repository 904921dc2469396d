"""Scenarios and reminders: against forecasts made one by one, and the demonstration of a comfortable owner."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from retention_metrics.cashflow import (
    CommonShock,
    FirmPolicy,
    MassReturn,
    RefundRun,
    SalesPath,
    StressTest,
    reminder_value,
    simulate,
    stress,
)
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid import Ledger, PackagePlan, RefundPolicy
from retention_metrics.redemption import RedemptionModel

PLAN = PackagePlan(id="ten", price=15_000, sessions=10, cost_per_session=700)
WORLD: dict[str, Any] = {
    "model": RedemptionModel([0.5, 0.3, 0.15, 0.05], [0.0, 0.0, 0.01, 0.02]),
    "sales": SalesPath(40),
    "plan": PLAN,
    "policy": FirmPolicy(fixed_costs=200_000, reserve_ratio=0.3, take=0.5),
    "periods": 24,
    "paths": 300,
}


def stressed(**changes: Any) -> StressTest:
    return stress(**(WORLD | {"rng": 1} | changes))


TEST = stressed(common=CommonShock(0.2, 0.7))


def test_every_scenario_is_shown_under_both_policies() -> None:
    assert [(row.scenario, row.policy) for row in TEST.rows] == [
        (scenario, policy)
        for scenario in ("as planned", "dip in sales", "wave of returns", "run on refunds")
        for policy in ("spend_collections", "ring_fence")
    ]


@pytest.mark.parametrize("place", range(8))
def test_a_row_is_the_forecast_of_its_scenario_under_its_policy(place: int) -> None:
    row = TEST.rows[place]
    sales, events = {
        "as planned": (SalesPath(40), []),
        "dip in sales": (SalesPath(40, shocks=[(12, 18, 0.4)]), []),
        "wave of returns": (SalesPath(40), [MassReturn(12, 2, periods=6)]),
        "run on refunds": (SalesPath(40), [RefundRun(12, 0.2)]),
    }[row.scenario]
    policy = getattr(FirmPolicy, row.policy)(fixed_costs=200_000)
    changes = {"sales": sales, "policy": policy, "events": events, "rng": 1, "common": CommonShock(0.2, 0.7)}
    alone = simulate(**(WORLD | changes))
    assert row.gap == alone.gap_probability()
    assert alone.without_common_shock is not None
    assert row.gap_if_independent == alone.without_common_shock.gap_probability()
    assert row.first_gap == alone.first_gap().quantile(0.5)
    assert (row.depth_50, row.depth_95, row.duration_95) == (alone.depth(0.5), alone.depth(0.95), alone.duration(0.95))


def test_holding_the_money_is_never_worse_than_spending_it() -> None:
    for spend, hold in zip(TEST.rows[::2], TEST.rows[1::2], strict=True):
        assert spend.gap is not None
        assert hold.gap is not None
        assert hold.gap.numerator <= spend.gap.numerator
        assert (hold.depth_95 or 0) <= (spend.depth_95 or 0)


def test_a_dip_of_what_is_not_whole_is_rounded() -> None:
    odd = stressed(sales=SalesPath(7), dip=0.5, at=2, lasting=1)
    assert odd.forecasts["dip in sales"].expected["collections"].tolist() == [105_000] * 2 + [60_000] + [105_000] * 21
    assert odd.scenarios["dip in sales"] == "0.5 of the sales lost in period 2, rounded to whole packages"
    noisy = stressed(sales=SalesPath(7, noise="poisson"), dip=0.5, at=2, lasting=1)
    assert noisy.scenarios["dip in sales"] == "0.5 of the sales lost in period 2"
    assert noisy.forecasts["dip in sales"].expected["collections"][2] == pytest.approx(52_500)


def test_a_plan_without_refunds_has_no_run_and_says_so() -> None:
    plan = PLAN.model_copy(update={"refund": RefundPolicy(kind="none")})
    found = stressed(plan=plan, model=RedemptionModel([0.5, 0.1]))
    assert [row.gap for row in found.rows[6:]] == [None, None]
    assert found.rows[6].reason == "plan 'ten' gives no refunds on demand"
    assert str(found).endswith("run on refunds: plan 'ten' gives no refunds on demand")
    assert "each customer asks" not in str(found)
    assert found.to_frame("polars").shape[0] == 8


def test_the_table_is_text_json_and_a_frame() -> None:
    lines = str(TEST).splitlines()
    assert max(map(len, lines)) <= 85
    assert len(lines) == 9 + 3
    assert lines[9:] == [
        "dip in sales: 0.6 of the sales lost in periods 12 to 17",
        "wave of returns: chances of a visit times 2 in periods 12 to 17",
        "run on refunds: each customer asks with probability 0.2 in period 12",
    ]
    assert TEST.to_dict()["scenarios"]["dip in sales"] == "0.6 of the sales lost in periods 12 to 17"
    assert json.loads(json.dumps(TEST.to_dict()))["rows"][3]["policy"] == "ring_fence"
    frame = TEST.to_frame("pandas")
    assert frame.shape == (8, 13)
    assert frame["gap_probability"][2] == TEST.rows[2].gap.value  # type: ignore[union-attr]


@pytest.mark.parametrize(("price", "unit"), [(15_000, ""), (1_500_000, "thousands"), (2_000_000_000, "millions")])
def test_large_amounts_fit_the_screen_too(price: int, unit: str) -> None:
    policy = FirmPolicy(fixed_costs=price * 13)
    found = stressed(
        plan=PLAN.model_copy(update={"price": price}), policy=policy, common=CommonShock(0.2), paths=20, lasting=900
    )
    lines = str(found).splitlines()
    assert max(map(len, lines)) <= 85
    assert lines[-1] == f"money in {unit}" if unit else not lines[-1].startswith("money")
    scale = {"": 1, "thousands": 1_000, "millions": 1_000_000}[unit]
    assert lines[1].split()[-1] == f"{round((found.rows[0].drawn_50 or 0) / scale):,}"
    assert "in periods 12 to 23" in str(found)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"at": 24}, "at is period 24, after the last one, 23"),
        ({"dip": 1.2}, "dip must be a fraction"),
        ({"run": -0.1}, "run must be a fraction"),
        ({"uplift": -1}, "uplift must be a finite number >= 0"),
        ({"lasting": 0}, "lasting must be a whole number >= 1"),
        ({"paths": 0}, "paths must be a whole number >= 1"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        stressed(**changes)


def test_wrong_kinds() -> None:
    with pytest.raises(InvalidType, match="sales must be a SalesPath, so that it can dip, got list"):
        stressed(sales=[40] * 24)
    with pytest.raises(InvalidType, match="policy must be a FirmPolicy"):
        stressed(policy=0.2)


def test_a_reminder_is_the_forecast_with_and_without_a_wave() -> None:
    value = reminder_value(**WORLD, rng=2, uplift=3, gap=2, at=5, lasting=2)
    with_wave = simulate(**WORLD, rng=2, events=[MassReturn(5, 3, periods=2, gap=2)])
    without = simulate(**WORLD, rng=2)
    assert value.reminded.gap_probability() == with_wave.gap_probability()
    assert value.otherwise.gap_probability() == without.gap_probability()
    assert value.gap_probability_change == with_wave.gap_probability().value - without.gap_probability().value
    assert value.extra_cost == pytest.approx(700 * value.extra_sessions)


def test_what_a_reminder_works_off_is_earned_or_not_given_back() -> None:
    value = reminder_value(**WORLD, rng=2, uplift=3, gap=2, at=5, lasting=2)
    assert value.extra_sessions > 0
    saved = (value.otherwise.expected["refunds_paid"] - value.reminded.expected["refunds_paid"]).sum()
    assert value.liability_worked_off == pytest.approx(1_500 * value.extra_sessions - saved)


def test_a_reminder_that_moves_nobody_is_worth_nothing() -> None:
    value = reminder_value(**WORLD, rng=2, uplift=1)
    assert (value.extra_sessions, value.extra_cost, value.liability_worked_off) == (0, 0, 0)
    assert value.gap_probability_change == 0
    lines = str(value).splitlines()
    assert len(lines) == 8
    assert max(map(len, lines)) <= 85
    assert lines[-1].split()[-1] == f"{value.otherwise.expected['liability'][-1]:,.0f}"
    assert json.loads(json.dumps(value.to_dict()))["extra_sessions"] == 0


def test_the_demonstration_of_the_comfortable_owner() -> None:
    """The story is told without its hazards; those of the example were fitted to what is owed and earned."""
    figures = runpy.run_path(str(Path(__file__).parents[1] / "examples" / "cash_gap.py"))["figures"]
    told = figures(paths=1000)
    assert told["collected"] == 36_000_000
    assert told["drawn"] == pytest.approx(11.77e6, rel=0.01)
    assert told["result"] == pytest.approx(-1.77e6, rel=0.03)
    assert told["owed"] == pytest.approx(13.5e6, rel=0.01)
    assert told["gap"] == pytest.approx(0.02, abs=0.02)
    assert told["gap_in_dip"] == 1
    assert told["depth_in_dip"] == pytest.approx(1.02e6, rel=0.05)
    assert told["gap_in_dip_at_a_fifth"] == 0
    assert told["ratio_alone"] == pytest.approx(0.12, abs=0.01)
    assert 0.15 <= told["ratio_together"] <= 0.20


def test_live_packages_without_refunds_have_no_run_either() -> None:
    old = PLAN.model_copy(update={"id": "old", "refund": RefundPolicy(kind="none")})
    sale = {"kind": "purchase", "date": "2024-03-02", "package": 1, "customer": 1, "plan": "old"}
    start = Ledger.from_events([sale], [PLAN, old], as_of="2024-03-31")
    found = stressed(start=start, model=RedemptionModel([0.5, 0.1]))
    assert found.rows[6].reason == "plan 'old' gives no refunds on demand"
