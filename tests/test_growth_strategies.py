"""Acquire or keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.growth import Base, Crossover, Strategy, StrategyOutcome, compare_strategies, steady_state

shares = st.floats(0.01, 0.99)
sizes = st.floats(1, 10_000)
churns = st.floats(0.01, 0.99)


def tenths(x=0.1, **extra):
    return {"win": Strategy(win_more=x, **extra), "keep": Strategy(lose_less=x, **extra)}


def crossover(comparison, measure, first, second):
    (found,) = [
        each for each in comparison.crossovers if (each.measure, each.first, each.second) == (measure, first, second)
    ]
    return found


def test_a_tenth_more_won_or_a_tenth_fewer_lost(reference):
    example = reference("A-GRO-05")
    expect, close = example["expect"], {"abs": example["tol"]}
    steady = Base(start=400, acquired=40, retention=0.9)
    found = compare_strategies(steady, tenths(), horizon=12)
    for name, short in (("win", "acq"), ("keep", "ret")):
        outcome = found.outcomes[name]
        assert found.projections[name].active[0] == pytest.approx(expect["after_1"][short], **close)
        assert outcome.first_gain == pytest.approx(expect["after_1"][short] - 400, **close)
        assert outcome.customers == pytest.approx(expect["after_12"][short], **close)
        assert outcome.customer_periods == pytest.approx(expect["sum_12"][short], **close)
        assert outcome.steady_state == pytest.approx(expect["steady"][short], **close)
        assert outcome.long_run_ratio == pytest.approx(expect["steady"][short] / 400, **close)
    assert found.outcomes["base"].customer_periods == pytest.approx(expect["sum_12"]["base"])
    race = crossover(found, "customers", "win", "keep")
    assert (race.leader, race.leads_from, race.overtaken_in) == ("keep", 2, None)
    assert found.leader("customers") == "keep"


def test_equal_heads_and_unequal_books(reference):
    example = reference("S-STR-01")
    given_, expect = example["input"], example["expect"]
    size = given_["base"]
    now = Base(start=size, acquired=0, retention=1 - given_["lose_share"], margin=10)
    found = compare_strategies(
        now,
        {
            "a": Strategy(acquired=given_["win_share"] * size, cost=600),
            "b": Strategy(retention=1, cost=200),
        },
        horizon=1,
    )
    for name in ("a", "b"):
        outcome = found.outcomes[name]
        assert outcome.customers == expect[f"active_{name}"]
        assert outcome.customers - outcome.from_start == expect[f"of_them_new_{name}"]
    assert found.leader("customers") is None
    assert found.leader("money") == "b"
    assert (found.outcomes["a"].money, found.outcomes["b"].money) == (1000 - 600, 1000 - 200)
    race = crossover(found, "customers", "a", "b")
    assert (race.leader, race.leads_from, race.overtaken_in) == (None, None, None)


@given(churns, shares, sizes)
def test_from_the_steady_state_the_first_period_ties_and_keeping_never_trails(churn, x, acquired):
    start = steady_state(acquired=acquired, churn=churn)
    found = compare_strategies(Base(start=start, acquired=acquired, retention=1 - churn), tenths(x), horizon=30)
    win, keep = found.outcomes["win"], found.outcomes["keep"]
    assert win.first_gain == pytest.approx(acquired * x, rel=1e-6)
    assert keep.first_gain == pytest.approx(start * churn * x, rel=1e-6)
    assert win.first_gain == pytest.approx(keep.first_gain, rel=1e-6)
    assert (found.projections["keep"].active >= found.projections["win"].active * (1 - 1e-9)).all()
    assert crossover(found, "customers", "win", "keep").leader in ("keep", None)


@given(churns, shares, sizes, st.floats(0, 3).filter(lambda size: abs(size - 1) > 0.01))
def test_below_the_steady_state_winning_is_ahead_first_and_above_it_keeping(churn, x, acquired, size):
    start = size * acquired / churn
    found = compare_strategies(Base(start=start, acquired=acquired, retention=1 - churn), tenths(x), horizon=1)
    race = crossover(found, "customers", "win", "keep")
    assert (race.leader, race.leads_from) == ("win" if size < 1 else "keep", 1)


@given(churns, shares, sizes)
def test_in_the_long_run_keeping_is_ahead(churn, x, acquired):
    found = compare_strategies(Base(acquired=acquired, retention=1 - churn), tenths(x), horizon=1)
    win, keep = found.outcomes["win"], found.outcomes["keep"]
    assert win.long_run_ratio == pytest.approx(1 + x, rel=1e-9)
    assert keep.long_run_ratio == pytest.approx(1 / (1 - x), rel=1e-9)


def test_keeping_overtakes_winning_when_a_young_base_has_grown():
    young = Base(start=0, acquired=40, retention=0.9, margin=10)
    found = compare_strategies(young, tenths(), horizon=200, cost=20)
    win, keep = [0.0], [0.0]
    for _ in range(200):
        win.append(0.9 * win[-1] + 44)
        keep.append(0.91 * keep[-1] + 40)
    overtaken = next(n for n in range(1, 201) if keep[n] > win[n])
    race = crossover(found, "customers", "win", "keep")
    assert (race.leader, race.leads_from, race.overtaken_in) == ("win", 1, overtaken)
    money = next(n for n in range(1, 201) if sum(keep[: n + 1]) > sum(win[: n + 1]))
    assert crossover(found, "money", "win", "keep").overtaken_in == money > overtaken
    assert str(race) == f"customers: win leads keep from period 1, is overtaken in period {overtaken}"


@given(st.floats(0, 1), st.floats(0, 0.2), st.just(0) | st.floats(0.01, 50), st.floats(0, 0.1), st.integers(1, 24))
def test_the_books_of_each_strategy(x, referral, cost, discount, horizon):
    base = Base(start=300, acquired=20, retention=0.9, referral=referral, margin=8, spend=100)
    found = compare_strategies(base, tenths(x), horizon=horizon, cost=cost, discount=discount)
    money = {}
    for name, (won, kept, extra) in {
        "base": (20, 0.9, 0),
        "win": (20 * (1 + x), 0.9, cost),
        "keep": (20, 1 - 0.1 * (1 - x), cost),
    }.items():
        customers, total, paid = 300.0, 0.0, 0.0
        for t in range(horizon):
            customers = (kept + referral) * customers + won
            total += (8 * customers - 100 - extra) / (1 + discount) ** t
            paid += extra / (1 + discount) ** t
        outcome = found.outcomes[name]
        money[name] = total
        assert outcome.customers == pytest.approx(customers)
        assert outcome.money == pytest.approx(total, abs=1e-6)
        assert outcome.cost == pytest.approx(paid)
        assert outcome.gain == pytest.approx(total - money["base"], abs=1e-6)
        assert outcome.from_start == pytest.approx(300 * kept**horizon)
        if paid:
            assert outcome.gain_per_cost == pytest.approx((total - money["base"]) / paid, abs=1e-6 / paid)
        else:
            assert outcome.gain_per_cost is None
    assert found.equal_cost


def test_a_strategy_has_paid_for_itself_where_it_overtakes_the_base():
    steady = Base(start=400, acquired=40, retention=0.9, margin=10)
    found = compare_strategies(steady, {"win": Strategy(win_more=0.1)}, horizon=24, cost=100)
    more = [4 * sum(0.9**j for j in range(n)) for n in range(1, 25)]
    paid = next(n for n in range(1, 25) if sum(10 * extra - 100 for extra in more[:n]) > 0)
    race = crossover(found, "money", "base", "win")
    assert (race.leader, race.leads_from, race.overtaken_in) == ("base", 1, paid)


def test_unequal_costs_are_said():
    steady = Base(start=400, acquired=40, retention=0.9, margin=10)
    plans = {"win": Strategy(win_more=0.1, cost=50), "keep": Strategy(lose_less=0.1)}
    found = compare_strategies(steady, plans, horizon=12, cost=100)
    assert not found.equal_cost
    assert (found.outcomes["win"].cost, found.outcomes["keep"].cost) == (600, 1200)
    assert "do not cost the same" in str(found)
    assert found.outcomes["win"].gain_per_cost > found.outcomes["keep"].gain_per_cost
    free = compare_strategies(steady, {**tenths(), "free": Strategy(win_more=0.01, cost=0)}, horizon=12, cost=100)
    assert not free.equal_cost
    assert (free.outcomes["free"].cost, free.outcomes["free"].gain_per_cost) == (0, None)
    assert "do not cost the same" not in str(compare_strategies(steady, tenths(), horizon=12, cost=100))


@given(churns, st.floats(0, 0.9))
def test_the_elasticities_are_the_slopes_of_the_steady_state(churn, share):
    referral, step = share * churn, 1e-6
    found = compare_strategies(
        Base(acquired=10, retention=1 - churn, referral=referral), {"any": Strategy()}, horizon=1
    )
    rest = steady_state(acquired=10, churn=churn, referral=referral)
    more = steady_state(acquired=10 * (1 + step), churn=churn, referral=referral)
    worse = steady_state(acquired=10, churn=churn * (1 + step), referral=referral)
    assert found.elasticity_acquired == pytest.approx((more / rest - 1) / step, rel=1e-3)
    assert found.elasticity_churn == pytest.approx((worse / rest - 1) / step, rel=1e-3)


def test_a_base_without_a_steady_state_has_no_long_run():
    grows = Base(start=10, acquired=5, retention=1.0)
    found = compare_strategies(grows, tenths(), horizon=3)
    assert found.elasticity_acquired is found.elasticity_churn is None
    outcome = found.outcomes["win"]
    assert outcome.steady_state is outcome.long_run_ratio is None
    assert outcome.reason == "churn is 0, so the base never stops growing"
    viral = compare_strategies(Base(acquired=5, retention=0.9, referral=0.095), tenths(), horizon=3)
    assert viral.outcomes["win"].long_run_ratio == pytest.approx(1.1)
    assert viral.outcomes["keep"].reason == "referral is not below churn, so the base never stops growing"
    empty = compare_strategies(Base(acquired=0, retention=0.9), {"win": Strategy(acquired=5)}, horizon=3)
    assert empty.elasticity_acquired is empty.elasticity_churn is None
    assert (empty.outcomes["win"].steady_state, empty.outcomes["win"].long_run_ratio) == (pytest.approx(50), None)


def test_without_a_margin_only_customers_are_compared():
    found = compare_strategies(Base(start=10, acquired=5, retention=0.9), tenths(), horizon=3)
    assert {race.measure for race in found.crossovers} == {"customers"}
    assert found.outcomes["win"].money is found.outcomes["win"].gain is found.outcomes["win"].gain_per_cost is None
    assert "money" not in str(found)
    with pytest.raises(InvalidValue, match="no money to compare: base has no margin"):
        found.leader("money")
    with pytest.raises(InvalidValue, match="measure must be one of 'customers', 'money'"):
        found.leader("heads")


def test_doing_nothing_may_be_best():
    steady = Base(start=400, acquired=40, retention=0.9, margin=10)
    assert compare_strategies(steady, tenths(), horizon=12, cost=1000).leader("money") == "base"


def test_a_comparison_reads_as_a_table():
    steady = Base(start=400, acquired=40, retention=0.9, margin=10)
    found = compare_strategies(steady, tenths(), horizon=12, cost=100)
    table = found.to_dict()
    assert table["strategy"] == ["base", "win", "keep"]
    assert table["money"] == [outcome.money for outcome in found.outcomes.values()]
    assert found.to_frame("polars")["gain_per_cost"].to_list()[0] is None
    assert len(str(found).splitlines()) == 4 + 6


def test_what_a_comparison_is_made_of_survives_json():
    steady = Base(start=400, acquired=40, retention=0.9, margin=10)
    found = compare_strategies(steady, tenths(), horizon=12, cost=100)
    for model, kind in (
        (steady, Base),
        (Strategy(win_more=0.1, retention=0.9), Strategy),
        (found.outcomes["win"], StrategyOutcome),
        (found.crossovers[0], Crossover),
    ):
        assert kind.model_validate_json(model.model_dump_json()) == model
    with pytest.raises(ValidationError, match="frozen"):
        steady.start = 5


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"acquired": 5, "win_more": 0.1}, "give acquired or win_more, not both"),
        ({"retention": 0.5, "lose_less": 0.1}, "give retention or lose_less, not both"),
        ({"lose_less": 10}, r"lose_less must be at most 1 \(write 5 % as 0.05\), got 10"),
        ({"win_more": -2}, "win_more must be a finite number >= -1, got -2"),
        ({"acquired": -1}, "acquired must be a finite number >= 0, got -1"),
        ({"retention": 90}, "retention must be a fraction"),
        ({"cost": float("nan")}, "cost must be a finite number"),
        ({"lose_less": [0.1, 0.2]}, "lose_less must be one number"),
        ({"spend": 5}, "Extra inputs are not permitted"),
    ],
)
def test_impossible_strategies_are_named(terms, message):
    with pytest.raises(ValueError, match=message):
        Strategy(**terms)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"start": -1}, "start must be a finite number >= 0"),
        ({"retention": 1.2}, "retention must be a fraction"),
        ({"retention": None}, "retention"),
        ({"margin": float("inf")}, "margin must be a finite number"),
        ({"referral": -0.1}, "referral must be"),
    ],
)
def test_impossible_bases_are_named(terms, message):
    with pytest.raises(ValueError, match=message):
        Base(**{"acquired": 1, "retention": 0.5, **terms})


def test_a_number_in_quotes_is_no_number():
    with pytest.raises(InvalidType, match="start must be a number"):
        Base(start="100", acquired=1, retention=0.5)
    with pytest.raises(InvalidType, match="win_more must be a number"):
        Strategy(win_more=True)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"base": {"acquired": 1}}, InvalidType, "base must be a growth.Base, got dict"),
        ({"strategies": []}, InvalidType, "strategies must be a dict by name"),
        ({"strategies": {}}, InvalidValue, "strategies is empty"),
        ({"strategies": {1: Strategy()}}, InvalidType, "strategies must be named by strings, got 1"),
        ({"strategies": {"win": 0.1}}, InvalidType, r"strategies\['win'\] must be a growth.Strategy, got float"),
        ({"strategies": {"base": Strategy()}}, InvalidValue, 'no strategy may be called "base"'),
        (
            {"strategies": {"x": Strategy(lose_less=-2)}},
            InvalidValue,
            r"strategies\['x'\] loses more .* churn would be 1.5",
        ),
        ({"horizon": 0}, InvalidValue, "horizon must be a whole number >= 1"),
        ({"cost": -1}, InvalidValue, "cost must be a finite number >= 0"),
        ({"cost": 5}, InvalidValue, "cost and spend need a margin in base"),
        ({"discount": 0.1}, InvalidValue, "discount needs margin"),
    ],
)
def test_impossible_comparisons_are_named(changes, error, message):
    terms = {"base": Base(acquired=1, retention=0.5), "strategies": tenths(), "horizon": 3, **changes}
    with pytest.raises(error, match=message):
        compare_strategies(terms.pop("base"), terms.pop("strategies"), **terms)


def test_projections_come_with_the_comparison():
    found = compare_strategies(Base(acquired=15, retention=1.0, margin=5, spend=410), tenths(), horizon=12)
    np.testing.assert_allclose(found.projections["base"].active[:4], [15, 30, 45, 60])
    assert found.projections["base"].break_even == 10
