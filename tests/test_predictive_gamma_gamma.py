"""Gamma-Gamma against integrals of its definition, its own simulation, and published numbers."""

import mpmath as mp
import numpy as np
import pytest

from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.predictive import BoundaryWarning, GammaGamma, Histories
from tests import predictive_oracles as oracles

MODEL = GammaGamma(p=6.25, q=3.74, v=15.44)


@pytest.mark.parametrize("history", [(1, 11.77), (7, 73.74), (300, 20.0), (1000, 35.0)])
@pytest.mark.parametrize("parameters", [(6.25, 3.74, 15.44), (0.4, 0.6, 200.0), (50.0, 1.0, 0.7)])
def test_density_and_mean_are_integrals_over_customers(history, parameters):
    x, mean = history
    p, q, v = parameters

    def joint(u):
        rate = mp.exp(u)
        prior = mp.exp(q * mp.log(v) - mp.loggamma(q) + q * u - v * rate)
        shape = p * x
        density = shape * mp.log(rate * x) - mp.loggamma(shape) + (shape - 1) * mp.log(mean) - rate * x * mean
        return prior * mp.exp(density)

    centre = mp.log((p * x + q) / (v + x * mean))
    width = 1 / mp.sqrt(p * x + q)
    places = [centre + width * k for k in (-60, -20, -8, -4, -2, 0, 2, 4, 8, 20)]
    with mp.workdps(30):
        density = mp.quad(joint, places)
        spend = mp.quad(lambda u: joint(u) * p * mp.exp(-u), places) / density
    model = GammaGamma(p=p, q=q, v=v)
    assert model.log_likelihood(frequency=x, monetary_value=mean) == pytest.approx(float(mp.log(density)), rel=1e-9)
    if p * x + q > 1.5:
        assert model.expected_spend(frequency=x, monetary_value=mean) == pytest.approx(float(spend), rel=1e-9)


def test_published_numbers(predictive, cdnow_sample):
    table = oracles.cdnow(cdnow_sample)
    first = {name: table[name][:10] for name in ("frequency", "monetary_value")}
    found = MODEL.expected_spend(**first)
    assert found == pytest.approx(predictive("gg-cond")["expected"], rel=5e-3)
    assert MODEL.expected_spend() == found[2]


def test_the_expected_spend_lies_between_the_own_average_and_that_of_all():
    everybody = MODEL.expected_spend()
    own = MODEL.expected_spend(frequency=[1, 5, 50, 5000], monetary_value=80.0)
    assert (np.diff(own) > 0).all()
    assert everybody < own[0]
    assert own[-1] == pytest.approx(80, rel=1e-3)


def test_spend_without_a_mean():
    wild = GammaGamma(p=2, q=0.8, v=10)
    with pytest.raises(UndefinedMetric, match=r"q = 0.8\): such spend has no mean"):
        wild.expected_spend()
    found = wild.expected_spend(frequency=[0, 1], monetary_value=[0, 20.0], undefined="nan")
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(2 * 30 / 1.8)


def test_simulated_spend_recovers_the_model():
    x = np.random.default_rng(1).integers(0, 6, 20_000)
    spend = MODEL.simulate(frequency=x, rng=2)
    assert ((spend > 0) == (x > 0)).all()
    assert spend[x > 0].mean() == pytest.approx(MODEL.expected_spend(), rel=0.05)
    fit = GammaGamma.fit(frequency=x, monetary_value=spend)
    for name, interval in fit.parameter_intervals(level=0.9999).items():
        assert interval.low < MODEL.parameters[name] < interval.high
    found = fit.interval("expected_spend", level=0.9999)
    assert found.low < MODEL.expected_spend() < found.high


def test_intervals_cover_at_their_level():
    """100 samples: fewer than 86 cover at 95 % once in 7,000 runs."""
    covered = 0
    for seed in range(100):
        x = np.random.default_rng(seed).integers(1, 6, 400)
        fit = GammaGamma.fit(frequency=x, monetary_value=MODEL.simulate(frequency=x, rng=seed + 1000))
        found = fit.parameter_intervals()["q"]
        covered += found.low <= MODEL.q <= found.high
    assert covered >= 86


def test_neither_order_nor_currency_nor_repetition_matters():
    x = np.random.default_rng(1).integers(0, 6, 800)
    spend = MODEL.simulate(frequency=x, rng=2)
    base = GammaGamma.fit(frequency=x, monetary_value=spend)
    order = np.random.default_rng(2).permutation(800)
    assert GammaGamma.fit(frequency=x[order], monetary_value=spend[order]).model == base.model
    cents = GammaGamma.fit(frequency=x, monetary_value=spend * 100)
    assert cents.model.v == pytest.approx(base.model.v * 100, rel=1e-8)
    assert cents.model.p == pytest.approx(base.model.p, rel=1e-8)
    again = base.customers
    assert cents.log_likelihood == pytest.approx(base.log_likelihood - again * np.log(100), rel=1e-10)
    doubled = GammaGamma.fit(frequency=x, monetary_value=spend, weights=np.full(800, 2.0))
    twice = GammaGamma.fit(frequency=np.tile(x, 2), monetary_value=np.tile(spend, 2))
    assert doubled.model.parameters == pytest.approx(twice.model.parameters, rel=1e-8)
    missing = np.where(x > 0, spend, np.nan)
    assert GammaGamma.fit(frequency=x, monetary_value=missing).model == base.model


def test_a_limit_has_a_name():
    x = np.random.default_rng(1).integers(1, 6, 500)
    alike = np.random.default_rng(2).gamma(4.0 * x, 10 / x)
    with pytest.warns(BoundaryWarning, match="all customers spend alike on average"):
        fit = GammaGamma.fit(frequency=x, monetary_value=alike)
    assert fit.model.expected_spend() == pytest.approx(40, rel=0.05)


def test_bad_input():
    with pytest.raises(InvalidValue, match="frequency must be >= 1"):
        MODEL.log_likelihood(frequency=0, monetary_value=3)
    with pytest.raises(InvalidValue, match="frequency must be whole"):
        MODEL.expected_spend(frequency=1.5, monetary_value=3)
    with pytest.raises(InvalidValue, match="monetary_value must be > 0"):
        MODEL.expected_spend(frequency=1, monetary_value=0)
    with pytest.raises(InvalidValue, match="go together"):
        MODEL.expected_spend(frequency=1)
    with pytest.raises(InvalidValue, match="one number a customer each"):
        GammaGamma.fit(frequency=[1, 2], monetary_value=[3, 4], weights=[1])


def test_a_fit_to_histories_with_money():
    x = np.random.default_rng(1).integers(0, 6, 800).astype(float)
    spend = MODEL.simulate(frequency=x, rng=2)
    held = Histories(x, x, x + 1, np.full(800, 2.0), monetary_value=np.where(x > 0, spend, np.nan))
    expected = GammaGamma.fit(frequency=x, monetary_value=spend, weights=np.full(800, 2))
    assert GammaGamma.fit(held).model == expected.model
    with pytest.raises(InvalidValue, match="the histories hold no money"):
        GammaGamma.fit(Histories(x, x, x + 1, np.ones(800)))
    with pytest.raises(InvalidValue, match="pass either histories, or"):
        GammaGamma.fit(held, frequency=x)
    with pytest.raises(InvalidType, match="histories must have frequency and monetary_value, got list"):
        GammaGamma.fit([1, 2])
    with pytest.raises(InvalidValue, match="a fit needs frequency and monetary_value"):
        GammaGamma.fit(frequency=x)
