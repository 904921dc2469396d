"""Fits of the purchase models: published estimates, what must not matter, boundaries, intervals."""

import json
import subprocess
import sys
import warnings

import mpmath as mp
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.predictive import (
    BgBb,
    BgNbd,
    BoundaryWarning,
    Fit,
    GammaGamma,
    Histories,
    MbgNbd,
    ParetoNbd,
    ShiftedBetaGeometric,
)
from retention_metrics.predictive._beta_geometric import BetaGeometricLikelihood
from retention_metrics.predictive._bg_bb import _Likelihood as BgBbLikelihood
from retention_metrics.predictive._gamma_gamma import _Likelihood as GammaGammaLikelihood
from retention_metrics.predictive._pareto_nbd import _Likelihood as ParetoLikelihood
from retention_metrics.predictive._sbg import _Likelihood as SbgLikelihood
from tests import predictive_oracles as oracles

NBD = (BgNbd, MbgNbd, ParetoNbd)
TRUTH = {
    BgNbd: BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426),
    MbgNbd: MbgNbd(r=0.525, alpha=6.183, a=0.891, b=1.614),
    ParetoNbd: ParetoNbd(r=0.553, alpha=10.58, s=0.606, beta=11.67),
    BgBb: BgBb(alpha=1.2, beta=0.75, gamma=0.66, delta=2.78),
}


@pytest.fixture(scope="module")
def cdnow(cdnow_sample):
    return oracles.cdnow(cdnow_sample)


@pytest.fixture(scope="module")
def histories(cdnow):
    return oracles.purchases(cdnow)


@pytest.fixture(scope="module")
def donors():
    return oracles.donations()


@pytest.fixture(scope="module")
def bg(histories):
    return BgNbd.fit(**histories, unit="week")


def values_of(fit):
    return list(fit.model.parameters.values())


def test_the_published_description_of_the_data(predictive, cdnow):
    customers, repeaters, purchases, holdout = predictive("cdnow-desc")["expected"]
    assert cdnow["T"].size == customers
    assert (cdnow["frequency"] > 0).sum() == repeaters
    assert cdnow["frequency"].sum() == purchases
    assert cdnow["holdout"].sum() == holdout
    spend = cdnow["monetary_value"][cdnow["frequency"] > 0]
    # The paper rounds to whole dollars.
    shown = [spend.mean(), spend.std(ddof=1), spend.min(), np.median(spend), spend.max()]
    assert [round(value) for value in shown] == [35, 30, 3, 27, 300]


def test_published_estimates_of_bg_nbd(predictive, bg, histories):
    expected = predictive("bg-mle")["expected"]
    assert values_of(bg) == pytest.approx(expected["params"], rel=1e-4)
    assert bg.log_likelihood == pytest.approx(expected["ll"], abs=5e-4)
    assert bg.log_likelihood == pytest.approx(bg.model.log_likelihood(**histories).sum(), rel=1e-12)
    assert bg.boundary == ()


def test_published_estimates_of_mbg_nbd(predictive, histories):
    fit = MbgNbd.fit(**histories)
    assert values_of(fit) == pytest.approx(predictive("mbg-mle")["expected"]["params"], rel=1e-3)
    assert fit.log_likelihood == pytest.approx(fit.model.log_likelihood(**histories).sum(), rel=1e-12)


def test_published_estimates_of_pareto_nbd(predictive, histories):
    fit = ParetoNbd.fit(**histories)
    expected = predictive("pnbd-mle")["expected"]
    assert values_of(fit) == pytest.approx(expected["params"], rel=5e-4)
    assert fit.log_likelihood == pytest.approx(expected["ll"], abs=5e-4)
    assert fit.log_likelihood == pytest.approx(fit.model.log_likelihood(**histories).sum(), rel=1e-12)


def test_published_estimates_of_bg_bb(predictive, donors):
    fit = BgBb.fit(**donors, unit="year")
    expected = predictive("bgbb-mle")["expected"]
    assert values_of(fit) == pytest.approx(expected["params"], rel=1e-3)
    assert fit.log_likelihood == pytest.approx(expected["ll"], abs=5e-3)
    one_by_one = fit.model.log_likelihood(**{name: donors[name] for name in ("frequency", "recency", "T")})
    assert fit.log_likelihood == pytest.approx((donors["weights"] * one_by_one).sum(), rel=1e-12)


def test_published_estimates_of_gamma_gamma(predictive, cdnow):
    fit = GammaGamma.fit(frequency=cdnow["frequency"], monetary_value=cdnow["monetary_value"])
    expected = predictive("gg-mle")["expected"]
    assert values_of(fit) == pytest.approx(expected["params"], rel=2e-3)
    assert fit.log_likelihood == pytest.approx(expected["ll"], abs=5e-3)
    assert fit.customers == 946


@pytest.mark.parametrize("item", ["sbg-he", "sbg-re"])
def test_published_estimates_of_the_shifted_beta_geometric(predictive, item):
    example = predictive(item)
    fit = ShiftedBetaGeometric.fit(survivors=example["inputs"], unit="year")
    assert values_of(fit) == pytest.approx(example["expected"]["params"], rel=1e-3)


def likelihoods(histories, donors, cdnow):
    week = Histories(*(histories[name] for name in ("frequency", "recency", "T")), np.ones(2357)).collapse()
    donor = Histories(*(donors[name] for name in ("frequency", "recency", "T", "weights")))
    again = cdnow["frequency"] > 0
    spend = (cdnow["frequency"][again], cdnow["monetary_value"][again] / 35)
    lifetimes = (np.array([1.0, 2, 3, 3]), np.array([True, True, True, False]), np.array([20.0, 9, 5, 30]))
    return [
        (BetaGeometricLikelihood(week, 0), [0.3, 5.0, 0.7, 2.0]),
        (BetaGeometricLikelihood(week, 1), [0.5, 7.0, 1.3, 0.8]),
        (ParetoLikelihood(week), [0.5, 9.0, 0.7, 8.0]),
        (ParetoLikelihood(week), [0.9, 4.0, 1.0, 40.0]),
        (BgBbLikelihood(donor), [1.0, 0.8, 0.5, 2.0]),
        (GammaGammaLikelihood(*spend, np.ones(again.sum())), [3.0, 3.0, 0.7]),
        (SbgLikelihood(*lifetimes), [0.7, 3.0]),
    ]


def test_gradients_and_hessians_agree_with_finite_differences(histories, donors, cdnow):
    for likelihood, place in likelihoods(histories, donors, cdnow):
        place = np.array(place)
        _, slope, bend = likelihood(place)
        assert (bend == bend.T).all()
        for i, value in enumerate(place):
            step = np.zeros(place.size)
            step[i] = 1e-5 * value
            up, down = likelihood(place + step), likelihood(place - step)
            assert slope[i] == pytest.approx((up[0] - down[0]) / (2 * step[i]), rel=1e-5)
            numerical = (up[1] - down[1]) / (2 * step[i])
            assert bend[i] == pytest.approx(numerical, rel=1e-6, abs=1e-6 * np.abs(bend).max())


@pytest.mark.parametrize("kind", NBD)
def test_neither_order_nor_collapsing_nor_the_unit_matters(kind, histories):
    base = kind.fit(**histories)
    shuffled = np.random.default_rng(0).permutation(2357)
    mixed = kind.fit(**{name: column[shuffled] for name, column in histories.items()})
    assert mixed.model == base.model
    assert mixed.covariance == base.covariance
    collapsed = Histories(*(histories[name] for name in ("frequency", "recency", "T")), np.ones(2357)).collapse()
    assert collapsed.T.size < 2357 == collapsed.customers
    assert values_of(kind.fit(collapsed)) == pytest.approx(values_of(base), rel=1e-12)
    twice = kind.fit(**histories, weights=np.full(2357, 2.0))
    assert values_of(twice) == pytest.approx(values_of(base), rel=1e-9)
    assert np.array(twice.covariance) == pytest.approx(np.array(base.covariance) / 2, rel=1e-6)
    in_days = {name: np.round(column * 7) if name != "frequency" else column for name, column in histories.items()}
    days = kind.fit(**in_days)
    stretch = [7.0 if name in kind.TIMES else 1.0 for name in base.model.parameters]
    assert values_of(days) == pytest.approx(np.array(values_of(base)) * stretch, rel=1e-9)
    assert days.log_likelihood == pytest.approx(
        base.log_likelihood - histories["frequency"].sum() * np.log(7), rel=1e-12
    )


def test_anything_with_the_three_columns_can_be_fitted(histories, bg):
    class Table:
        frequency, recency, T = histories["frequency"], histories["recency"], histories["T"]
        unit = "week"

    assert BgNbd.fit(Table()) == bg
    with pytest.raises(InvalidValue, match="units of time differ: 'day' was asked for and .* per 'week'"):
        BgNbd.fit(Table(), unit="day")
    for frame in (histories, pl.DataFrame(histories), pd.DataFrame(histories), pa.table(histories)):
        assert BgNbd.fit(frame, unit="week") == bg
    for other in (list(histories.values()), pd.DataFrame(histories).drop(columns="T")):
        with pytest.raises(InvalidType, match="histories must have frequency, recency and T"):
            BgNbd.fit(other)
    with pytest.raises(InvalidValue, match="not both"):
        BgNbd.fit(Table(), frequency=[1])


def still_to_gain(fit, sample):
    """By how much another Newton step would raise the log-likelihood, by differences of the public one."""
    values, step = np.array(values_of(fit)), 1e-4
    ends = [
        [
            fit.model.moved(values * np.exp(sign * step * np.eye(4)[i])).log_likelihood(**sample).sum()
            for sign in (1, -1)
        ]
        for i in range(4)
    ]
    slope = np.array([(up - down) / (2 * step) for up, down in ends])
    return slope @ fit.log_covariance() @ slope / 2


@pytest.mark.parametrize("kind", NBD)
def test_small_samples_end_in_an_optimum_or_at_a_limit_with_a_name(kind, histories):
    rng = np.random.default_rng(0)
    named = 0
    for _ in range(30 if kind is ParetoNbd else 100):
        chosen = rng.choice(2357, 50, replace=False)
        sample = {name: column[chosen] for name, column in histories.items()}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fit = kind.fit(**sample)
        assert len(caught) == len(fit.boundary)
        named += bool(fit.boundary)
        assert fit.free == 4 - sum(2 if "NBD" in limit.becomes else 1 for limit in fit.boundary)
        best = fit.model.log_likelihood(**sample).sum()
        assert best == pytest.approx(fit.log_likelihood, abs=1e-3)
        assert fit.log_likelihood >= TRUTH[kind].log_likelihood(**sample).sum() - 1e-6
        errors = [error for error in fit.standard_errors.values() if error is not None]
        assert np.isfinite(errors).all()
        assert len(errors) == 4 - 2 * len(fit.boundary) or not fit.boundary
        if not fit.boundary:
            curvature = np.linalg.eigvalsh(np.array(fit.covariance))
            assert (curvature > 0).all()
            assert still_to_gain(fit, sample) < 1e-6
        alive = fit.model.probability_alive(**sample)
        ahead = fit.model.expected_purchases(39, **sample)
        assert np.isfinite(ahead).all()
        assert ((alive >= 0) & (alive <= 1)).all()
    assert named > 0


def test_the_limits_are_those_that_made_the_data():
    """About half of the samples from a limit model end at it, in theory; these seeds are of that half."""
    rng = np.random.default_rng(3)
    T = rng.uniform(20, 40, 4000)
    nobody_leaves = BgNbd(r=0.8, alpha=6, a=0, b=1).simulate(T=T, rng=9)
    for kind in NBD:
        with pytest.warns(BoundaryWarning, match="nobody drops out"):
            fit = kind.fit(nobody_leaves)
        assert fit.free == 2
        assert fit.model.probability_alive(frequency=3, recency=20, T=30) == 1
        assert fit.model.r == pytest.approx(0.8, rel=0.15)
    same_rate = BgNbd(r=2e4, alpha=1e5, a=0.8, b=2.4).simulate(T=T, rng=2)
    with pytest.warns(BoundaryWarning, match="all customers buy at the same rate"):
        fit = BgNbd.fit(same_rate)
    assert fit.model.r / fit.model.alpha == pytest.approx(0.2, rel=0.05)
    assert fit.standard_errors["r"] is None
    assert fit.standard_errors["a"] is not None
    assert fit.parameter_intervals()["r"] is None
    assert "becomes" in fit.model_dump()["boundary"][0]
    assert "all customers buy at the same rate" in str(fit)


def test_a_limit_is_approached_from_below(histories):
    """The likelihood at the reported limit exceeds that of models on the way to it."""
    rng = np.random.default_rng(0)
    picks = [rng.choice(2357, 50, replace=False) for _ in range(2)]
    sample = {name: column[picks[1]] for name, column in histories.items()}
    with pytest.warns(BoundaryWarning, match="same probability"):
        fit = BgNbd.fit(**sample)
    values = fit.model.parameters
    ladder = [
        BgNbd(**values | {"a": values["a"] / values["b"] * b, "b": b}).log_likelihood(**sample).sum()
        for b in (1, 10, 100, 1e4)
    ]
    assert (np.diff([*ladder, fit.log_likelihood]) > 0).all()


def test_criteria(bg):
    assert bg.aic == pytest.approx(8 - 2 * bg.log_likelihood)
    assert bg.bic == pytest.approx(4 * np.log(2357) - 2 * bg.log_likelihood)


def test_a_fit_goes_to_json_and_back(bg):
    text = bg.model_dump_json()
    assert Fit[BgNbd].model_validate_json(text) == bg
    assert json.loads(text)["model"]["unit"] == "week"
    assert "2,357 customers, per week" in str(bg)


@pytest.mark.parametrize("kind", [*NBD, BgBb])
def test_too_little_to_learn_from(kind):
    with pytest.raises(InvalidValue, match="at least 5 customers who bought again, got 2"):
        kind.fit(frequency=[0, 1, 1], recency=[0, 2, 3], T=[9, 9, 9])
    with pytest.raises(InvalidValue, match="one number a history each"):
        kind.fit(frequency=[0, 1, 1], recency=[0, 2, 3], T=9)
    with pytest.raises(InvalidValue, match="a fit needs frequency, recency and T"):
        kind.fit()
    with pytest.raises(InvalidValue, match="recency exceeds T"):
        kind.fit(frequency=[0, 1, 1], recency=[0, 2, 30], T=[9, 9, 9])
    with pytest.raises(InvalidValue, match="unit must be one of"):
        kind.fit(frequency=[0, 1, 1], recency=[0, 2, 3], T=[9, 9, 9], unit="weeks")


def test_spend_that_cannot_be():
    with pytest.raises(InvalidValue, match=r"monetary_value\[1\] must be > 0 where there was a repeat purchase"):
        GammaGamma.fit(frequency=[1, 2, 0], monetary_value=[5, 0, 0])
    with pytest.raises(InvalidValue, match=r"monetary_value\[1\] must be > 0 where .*, got -3"):
        GammaGamma.fit(frequency=[1, 2, 0], monetary_value=[5, -3, 0])
    with pytest.raises(InvalidValue, match="at least 5 customers who bought again, got 2"):
        GammaGamma.fit(frequency=[1, 2, 0], monetary_value=[5, 3, 0])


def test_scipy_is_loaded_by_the_first_question_and_not_before():
    program = (
        "import sys; import retention_metrics.predictive as p; assert 'scipy' not in sys.modules; "
        "p.BgNbd(r=1, alpha=1, a=1, b=1).log_likelihood(frequency=1, recency=1, T=2); assert 'scipy' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_scipy_the_command_that_installs_it():
    program = (
        "import sys; sys.modules['scipy'] = None\n"
        "import retention_metrics.predictive as p\n"
        "try: p.BgNbd(r=1, alpha=1, a=1, b=1).log_likelihood(frequency=1, recency=1, T=2)\n"
        "except ImportError as error: print(error)"
    )
    shown = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert shown.stdout.strip() == "scipy is not installed: pip install 'retention-metrics[predictive]'"


def test_the_oracle_itself_gives_the_published_likelihood(predictive):
    """So that the arbitrary-precision tests rest on more than one reading of the formulas."""
    truth = oracles.BetaGeometric(0.25, 4, 0.8, 2.5, first=0)
    found = [float(mp.log(truth.likelihood(*place))) for place in ((0, 0, 40), (200, 38, 40))]
    assert found == pytest.approx(predictive("bg-logp")["expected"], rel=1e-6)
