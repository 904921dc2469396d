"""Holdout, tracking, comparison and diagnosis."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest

from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.predictive import (
    BgBb,
    BgNbd,
    BoundaryWarning,
    Fit,
    GammaGamma,
    MbgNbd,
    ParetoNbd,
    compare,
    diagnose,
    expected_tracking,
    validate,
)
from tests import predictive_oracles as oracles

BG = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week")


@pytest.fixture(scope="module")
def cdnow(cdnow_sample):
    return oracles.cdnow(cdnow_sample)


@pytest.fixture(scope="module")
def fits(cdnow):
    return [kind.fit(**oracles.purchases(cdnow), unit="week") for kind in (BgNbd, MbgNbd, ParetoNbd)]


@pytest.fixture(scope="module")
def validation(cdnow, fits):
    return validate(fits[0], **oracles.purchases(cdnow), holdout=cdnow["holdout"], horizon=39)


def test_the_holdout_of_cdnow_recomputed(cdnow, fits, validation):
    model = fits[0].model
    rows = list(zip(*(cdnow[name] for name in ("frequency", "recency", "T", "holdout")), strict=True))
    expected = [model.expected_purchases(39, frequency=x, recency=last, T=T) for x, last, T, _ in rows[:300]]
    some = validate(
        model,
        **{name: cdnow[name][:300] for name in ("frequency", "recency", "T", "holdout")},
        horizon=39,
    )
    came = np.array([row[3] for row in rows[:300]])
    assert some.expected == pytest.approx(sum(expected))
    assert some.mean_absolute_error == pytest.approx(np.abs(np.array(expected) - came).mean())
    assert some.root_mean_squared_error == pytest.approx(np.sqrt(((np.array(expected) - came) ** 2).mean()))
    naive = np.array([x / T * 39 for x, _, T, _ in rows[:300]])
    assert some.naive == pytest.approx(naive.sum())
    assert some.naive_mean_absolute_error == pytest.approx(np.abs(naive - came).mean())
    assert validation.actual == 1882
    for row in validation.by_past:
        chosen = cdnow["frequency"] >= 7 if row.more else cdnow["frequency"] == row.past
        assert row.customers == chosen.sum()
        assert row.actual == pytest.approx(cdnow["holdout"][chosen].mean())
    assert [row.past for row in validation.by_past] == list(range(8))


def test_the_model_beats_the_rate_of_the_past(validation):
    """Fader, Hardie & Lee (2005): the model follows the holdout, where the past rate far overshoots."""
    assert abs(validation.expected / validation.actual - 1) < 0.15
    assert abs(validation.naive / validation.actual - 1) > 0.5
    assert validation.root_mean_squared_error < validation.naive_root_mean_squared_error


def test_the_frequency_table_counts_everybody(cdnow, validation):
    assert validation.actual_customers.sum() == 2357
    assert validation.expected_customers.sum() == pytest.approx(2357)
    assert validation.actual_customers[0] == (cdnow["holdout"] == 0).sum()
    assert validation.actual_customers[-1] == (cdnow["holdout"] >= 7).sum()
    zero = BG.purchase_count_pmf(0, horizon=39, **oracles.purchases(cdnow)).sum()
    again = validate(BG, **oracles.purchases(cdnow), holdout=cdnow["holdout"], horizon=39)
    assert again.expected_customers[0] == pytest.approx(zero)
    assert again.to_frame("polars").height == 8
    assert "past  customers   actual    model    naive" in str(validation)
    nobody = f"      0 {validation.actual_customers[0]:>17,.0f} {validation.expected_customers[0]:>8,.0f}"
    assert nobody in str(validation).splitlines()


def test_weights_stand_for_customers(cdnow):
    columns = ("frequency", "recency", "T", "holdout")
    twice = validate(BG, **{name: np.tile(cdnow[name][:50], 2) for name in columns}, horizon=39)
    weighted = validate(BG, **{name: cdnow[name][:50] for name in columns}, horizon=39, weights=np.full(50, 2))
    assert weighted.expected == pytest.approx(twice.expected)
    assert weighted.mean_absolute_error == pytest.approx(twice.mean_absolute_error)
    assert weighted.by_past == pytest.approx(twice.by_past) or [r.customers for r in weighted.by_past] == [
        r.customers for r in twice.by_past
    ]


def test_a_simulated_holdout_is_met():
    """Long histories cut in two: the model that made them meets the holdout within five standard errors."""
    rng = np.random.default_rng(4)
    rate, chance = rng.gamma(BG.r, 1 / BG.alpha, 20_000), rng.beta(BG.a, BG.b, 20_000)
    frequency, last, later = np.zeros(20_000), np.zeros(20_000), np.zeros(20_000)
    time, there = np.zeros(20_000), np.ones(20_000, dtype=bool)
    while there.any():
        time = np.where(there, time + rng.exponential(1 / rate), time)
        there &= time < 60
        before = there & (time < 30)
        frequency += before
        last = np.where(before, time, last)
        later += there & ~before
        there &= rng.uniform(size=20_000) > chance
    found = validate(BG, frequency=frequency, recency=last, T=np.full(20_000, 30.0), holdout=later, horizon=30)
    assert abs(found.expected - found.actual) < 5 * later.std() * np.sqrt(20_000)
    seen, said = found.actual_customers, found.expected_customers
    assert (np.abs(seen - said) < 5 * np.sqrt(said)).all()


def test_the_tracking_curve_is_the_sum_over_customers(cdnow):
    at = [-200, -20, 0, 39]
    found = expected_tracking(BG, T=cdnow["T"][:60], at=at)
    slow = [sum(BG.expected_purchases(max(0.0, T + u)) for T in cdnow["T"][:60]) for u in at]
    assert found == pytest.approx(slow)
    whole = expected_tracking(BG, T=cdnow["T"], at=[0, 39])
    assert whole[0] == pytest.approx(2457, rel=0.05)
    assert whole[1] == pytest.approx(2457 + 1882, rel=0.07)
    assert expected_tracking(BG, T=[30], at=[5], weights=[3]) == pytest.approx(3 * BG.expected_purchases(35))


def test_what_cannot_be_validated():
    history = {"frequency": [1], "recency": [2], "T": [9]}
    with pytest.raises(InvalidType, match="model must be a model of purchases"):
        validate(GammaGamma(p=1, q=2, v=3), **history, holdout=[1], horizon=3)
    with pytest.raises(InvalidValue, match="holdout must be whole"):
        validate(BG, **history, holdout=[1.5], horizon=3)
    with pytest.raises(InvalidValue, match="horizon must be a finite number > 0"):
        validate(BG, **history, holdout=[1], horizon=0)
    with pytest.raises(InvalidValue, match="one number a customer each"):
        validate(BG, frequency=[1, 1], recency=[2, 2], T=[9, 9], holdout=[1, 2, 3], horizon=3)
    with pytest.raises(InvalidValue, match="nobody to validate on"):
        validate(BG, **history, holdout=[1], horizon=3, weights=[0])


def test_money_beside_the_average_ticket_times_frequency():
    spend = GammaGamma(p=6, q=4, v=15)
    history = {"frequency": [0, 2], "recency": [0, 20], "T": [10, 40]}
    found = validate(
        BG,
        **history,
        holdout=[1, 1],
        horizon=20,
        weights=[3, 1],
        spend=spend,
        monetary_value=[np.nan, 30],
        holdout_amount=[9, 50],
    ).revenue
    bought = BG.expected_purchases(20, **history)
    paid = [spend.expected_spend(), spend.expected_spend(frequency=2, monetary_value=30)]
    modelled = bought * paid
    assert found.actual == 3 * 9 + 50
    assert found.naive == pytest.approx(2 / 40 * 20 * 30)
    assert found.expected == pytest.approx(3 * modelled[0] + modelled[1])
    assert found.mean_absolute_error == pytest.approx((3 * abs(modelled[0] - 9) + abs(modelled[1] - 50)) / 4)
    assert found.naive_mean_absolute_error == pytest.approx((3 * 9 + 20) / 4)
    assert type(found).model_validate_json(found.model_dump_json()) == found


def test_money_that_cannot_be_validated():
    terms = {"frequency": [1], "recency": [2], "T": [9], "holdout": [1], "horizon": 3}
    with pytest.raises(InvalidValue, match="spend, monetary_value and holdout_amount go together"):
        validate(BG, **terms, monetary_value=[3])
    with pytest.raises(InvalidType, match="spend must be a GammaGamma or its Fit, got BgNbd"):
        validate(BG, **terms, spend=BG, monetary_value=[3], holdout_amount=[3])
    with pytest.raises(InvalidValue, match="holdout_amount must be one number a customer"):
        validate(BG, **terms, spend=GammaGamma(p=1, q=2, v=3), monetary_value=[3], holdout_amount=[3, 4])
    with pytest.raises(InvalidValue, match=r"monetary_value\[0\] must be > 0 where .*, got nan"):
        validate(BG, **terms, spend=GammaGamma(p=1, q=2, v=3), monetary_value=[np.nan], holdout_amount=[3])


def test_models_side_by_side(fits, validation):
    found = compare(fits)
    assert [row.aic for row in found.rows] == sorted(row.aic for row in found.rows)
    assert {row.model for row in found.rows} == {"BgNbd", "MbgNbd", "ParetoNbd"}
    assert found.rows[0].model == "MbgNbd"
    assert found.answer == "MbgNbd fits best, but BgNbd cannot be told from it."
    assert type(found).model_validate_json(found.model_dump_json()) == found
    alone = compare(fits[:1], validations=[validation])
    assert alone.rows[0].holdout_error == validation.root_mean_squared_error
    assert "stands alone" in alone.answer
    assert "MbgNbd fits best" in str(found)


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ((1.0, 1.0, 1.005), "The holdout does not tell them apart: errors differ by less than 1%."),
        ((1.2, 1.0, 1.3), "The holdout agrees: none errs less there."),
        ((1.0, 1.005, 1.3), "The holdout agrees: none errs less there by 1% or more."),
        ((1.3, 1.1, 1.0), "The holdout does not agree: MbgNbd errs 10% more there than ParetoNbd; to forecast, take "),
    ],
)
def test_the_holdout_has_a_say(fits, validation, errors, said):
    """Of BgNbd, MbgNbd and ParetoNbd the second fits best by AIC."""
    trials = [
        replace(validation, model=type(fit.model).__name__, root_mean_squared_error=error)
        for fit, error in zip(fits, errors, strict=True)
    ]
    answer = compare(fits, validations=trials).answer
    assert answer.startswith("MbgNbd fits best, but BgNbd cannot be told from it. " + said)
    with pytest.raises(InvalidValue, match="in the order of the fits: MbgNbd stands beside a fit of BgNbd"):
        compare(fits, validations=[trials[1], trials[0], trials[2]])
    with pytest.raises(InvalidValue, match="different holdouts"):
        compare(fits, validations=[*trials[:2], replace(trials[2], actual=7.0)])
    with pytest.raises(InvalidType, match="validations must be what validate gives, got float"):
        compare(fits, validations=[1.0, 2.0, 3.0])
    with pytest.raises(InvalidValue, match="one for each"):
        compare(fits, validations=trials[:2])


def test_a_simpler_model_is_as_good(cdnow):
    """On a sample whose maximum lies on a boundary the models differ in the parameters they really have."""
    rng = np.random.default_rng(9)
    sample = BgNbd(r=0.8, alpha=6, a=0, b=1).simulate(T=rng.uniform(20, 40, 4000), rng=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        fits = [kind.fit(sample) for kind in (BgNbd, ParetoNbd)]
    rows = [fit.model_dump() for fit in fits]
    assert {row["free"] for row in rows} <= {2, 3, 4}
    simple, rich = fits[0].model_copy(update={"free": 2}), fits[1].model_copy(update={"free": 4})
    rich = rich.model_copy(update={"log_likelihood": simple.log_likelihood + 2.5})
    assert compare([rich, simple]).answer == "BgNbd is as good as ParetoNbd and simpler."


def test_what_does_not_compare(cdnow, fits):
    half = {name: column[:1000] for name, column in oracles.purchases(cdnow).items()}
    with pytest.raises(InvalidValue, match="different histories or units"):
        compare([fits[0], MbgNbd.fit(**half, unit="week")])
    with pytest.raises(InvalidValue, match="at least one"):
        compare([])
    with pytest.raises(InvalidType, match="fits must be fits of models of purchases"):
        compare([BG])
    donors = BgBb.fit(**oracles.donations(), unit="week")
    with pytest.raises(InvalidValue, match="different histories"):
        compare([fits[0], donors])
    assert isinstance(fits[0], Fit)


def test_diagnosis_of_cdnow(cdnow):
    found = diagnose(**oracles.purchases(cdnow), monetary_value=cdnow["monetary_value"])
    assert (found.customers, found.repeat_buyers, found.repeat_purchases) == (2357, 946, 2457)
    assert found.one_time_share == pytest.approx(1411 / 2357)
    assert found.boundary == ()
    again = cdnow["frequency"] > 0
    expected = np.corrcoef(cdnow["frequency"][again], cdnow["monetary_value"][again])[0, 1]
    assert found.correlation == pytest.approx(expected)  # 0.11: Fader, Hardie & Lee (2005) find it negligible too
    half = 1.959963984540054 / np.sqrt(946 - 3)  # Fisher (1915): the inverse hyperbolic tangent is nearly normal
    limits = np.tanh([np.arctanh(expected) - half, np.arctanh(expected) + half])
    assert [found.correlation_interval.low, found.correlation_interval.high] == pytest.approx(limits)
    said = str(found)
    assert "60% of the customers bought once only" in said
    assert "2,357 customers, 946 of whom bought again, 2,457 times in all" in said


@pytest.mark.parametrize(
    ("strength", "customers", "said"),
    [
        (0.0, 4000, None),
        (0.07, 4000, None),  # more than chance, and too small to matter
        (0.2, 4000, "Who buys more often spends more each time .* small correlation"),
        (0.7, 4000, "spends more each time .* will be too low"),
        (-0.7, 4000, "spends less each time .* will be too high"),
        (0.1, 30, "is open .correlation 0.10, -0.27 to 0.44"),
        (1.0, 4000, "spends more each time .correlation 1.00., and .* will be too low"),
    ],
)
def test_a_correlation_weighs_by_its_size(strength, customers, said):
    """Spend with exactly this correlation with frequency: of two uncorrelated parts, mixed."""
    rng = np.random.default_rng(2)
    x = rng.integers(1, 9, customers).astype(float)
    unit = (x - x.mean()) / x.std()
    noise = rng.normal(size=customers)
    noise -= noise.mean()
    noise -= unit * (noise * unit).mean()
    spend = 100 + strength * unit + np.sqrt(1 - strength**2) * noise / noise.std()
    found = diagnose(frequency=x, recency=np.full(customers, 20.0), T=np.full(customers, 30.0), monetary_value=spend)
    assert found.correlation == pytest.approx(strength, abs=1e-12)
    lines = [line for line in found.advice if "GammaGamma" in line]
    assert len(lines) == (said is not None)
    assert said is None or re.search(said, lines[0])


def test_diagnosis_of_thin_data(cdnow):
    rng = np.random.default_rng(0)
    picks = [rng.choice(2357, 50, replace=False) for _ in range(2)]
    sample = {name: column[picks[1]] for name, column in oracles.purchases(cdnow).items()}
    found = diagnose(**sample)
    assert found.boundary[0].parameters == ("a", "b")
    assert any("same probability" in line for line in found.advice)
    assert any("customers bought again: parameters will be wide open" in line for line in found.advice)
    hardly = diagnose(frequency=[0, 1], recency=[0, 2], T=[9, 9], monetary_value=[0, 5])
    assert any("BgNbd cannot be fitted" in line for line in hardly.advice)
    assert hardly.correlation is None


def test_nothing_to_say_against_good_data():
    sample = MbgNbd(r=2.0, alpha=6, a=0.9, b=5).simulate(T=np.full(3000, 39.0), rng=1)
    assert diagnose(sample).advice == ("Nothing speaks against fitting a model.",)
