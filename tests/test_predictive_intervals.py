"""Intervals of parameters and of predictions: coverage, standard errors, delta method and bootstrap."""

import numpy as np
import pytest

from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.predictive import BgBb, BgNbd, GammaGamma, MbgNbd, ParetoNbd
from tests import predictive_oracles as oracles

TRUTH = {
    BgNbd: BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426),
    MbgNbd: MbgNbd(r=0.525, alpha=6.183, a=0.891, b=1.614),
    ParetoNbd: ParetoNbd(r=0.553, alpha=10.58, s=0.606, beta=11.67),
    BgBb: BgBb(alpha=1.2, beta=0.75, gamma=0.66, delta=2.78),
}


@pytest.fixture(scope="module")
def histories(cdnow_sample):
    return oracles.purchases(oracles.cdnow(cdnow_sample))


@pytest.fixture(scope="module")
def bg(histories):
    return BgNbd.fit(**histories, unit="week")


def values_of(fit):
    return list(fit.model.parameters.values())


@pytest.mark.parametrize("kind", [BgNbd, MbgNbd, ParetoNbd, BgBb])
def test_intervals_of_parameters_cover_at_their_level(kind):
    """40 samples of 2,000: fewer than 31 of 40 cover at 95 % once in 48,000, for each of 20 quantities."""
    truth = TRUTH[kind]
    T = np.random.default_rng(1).uniform(27, 39, 2000)
    covered = dict.fromkeys(truth.parameters, 0)
    ahead = 0
    future = truth.expected_purchases(10)
    for seed in range(40):
        sample = truth.simulate(T=np.round(T / 3) if kind is BgBb else T, rng=seed)
        fit = kind.fit(sample)
        for name, interval in fit.parameter_intervals().items():
            covered[name] += interval is not None and interval.low <= truth.parameters[name] <= interval.high
        found = fit.interval("expected_purchases", 10)
        ahead += found.low <= future <= found.high
    assert min(covered.values()) >= 31, covered
    assert ahead >= 31


def test_intervals_are_not_too_wide_either():
    """40 samples: a half of the 50 % intervals cover; fewer than 8 or more than 32 of 40 do once in 23,000."""
    truth, T = TRUTH[BgNbd], np.random.default_rng(2).uniform(27, 39, 1000)
    half = 0.6744897501960817 / 1.959963984540054
    covered = np.zeros(5)
    for seed in range(40):
        fit = BgNbd.fit(truth.simulate(T=T, rng=seed))
        spans = fit.parameter_intervals(level=0.5)
        covered[:4] += [span.low <= truth.parameters[name] <= span.high for name, span in spans.items()]
        found = fit.interval("expected_purchases", 10, level=0.5)
        covered[4] += found.low <= truth.expected_purchases(10) <= found.high
    wide = fit.interval("expected_purchases", 10, level=0.95)
    assert np.log(found.high / found.low) == pytest.approx(half * np.log(wide.high / wide.low))
    assert covered.min() >= 8, covered
    assert covered.max() <= 32, covered


def test_intervals_of_spend_cover_at_their_level():
    """30 samples of 500: fewer than 22 of 30 cover at 95 % once in 93,000, for each of four quantities."""
    spend = GammaGamma(p=6.25, q=3.74, v=15.44)
    covered = np.zeros(4)
    for seed in range(30):
        x = np.random.default_rng(seed).integers(1, 6, 500)
        fit = GammaGamma.fit(frequency=x, monetary_value=spend.simulate(frequency=x, rng=seed))
        spans = [*fit.parameter_intervals().values(), fit.interval("expected_spend")]
        truths = [*spend.parameters.values(), spend.expected_spend()]
        covered += [span.low <= true <= span.high for span, true in zip(spans, truths, strict=True)]
    assert covered.min() >= 22, covered


def test_standard_errors_are_those_of_the_information_matrix(bg, histories):
    """Inverse of the negative Hessian in the parameters themselves, by differences of an independent likelihood."""
    place = np.array(values_of(bg))

    def likelihood(at):
        return BgNbd(**dict(zip(bg.model.parameters, at, strict=True))).log_likelihood(**histories).sum()

    steps = 1e-3 * place
    hessian = np.zeros((4, 4))
    for i in range(4):
        for j in range(4):
            corners = [
                likelihood(place + np.eye(4)[i] * steps[i] * one + np.eye(4)[j] * steps[j] * two)
                for one in (1, -1)
                for two in (1, -1)
            ]
            hessian[i, j] = (corners[0] - corners[1] - corners[2] + corners[3]) / (4 * steps[i] * steps[j])
    assert np.array(bg.covariance) == pytest.approx(np.linalg.inv(-hessian), rel=2e-3)
    assert (np.array(bg.covariance) == np.array(bg.covariance).T).all()


def test_delta_intervals_against_a_cloud_of_parameters(bg):
    """Draws from the normal distribution of the log-parameters give the same intervals, roughly."""
    spread = np.array(bg.covariance) / np.outer(values_of(bg), values_of(bg))
    draws = np.exp(np.random.default_rng(1).multivariate_normal(np.log(values_of(bg)), spread, 300))
    cloud = [bg.model.moved(row) for row in draws]
    customer = {"frequency": 2, "recency": 20.0, "T": 39.0}
    for question, options in (
        ("probability_alive", customer),
        ("expected_purchases", {"horizon": 39.0} | customer),
        ("expected_purchases", {"horizon": 52.0}),
        ("purchase_count_pmf", {"count": 1, "horizon": 10.0}),
        ("next_purchase", {"probability": 0.2} | customer),
        ("expected_residual_transactions", {"discount": 0.003} | customer),
    ):
        drawn = [getattr(model, question)(**options) for model in cloud]
        found = bg.interval(question, **options)
        low, high = np.quantile(drawn, [0.025, 0.975])
        width = high - low
        assert found.low == pytest.approx(low, abs=0.3 * width), question
        assert found.high == pytest.approx(high, abs=0.3 * width), question


def test_intervals_of_arrays_and_of_functions(bg):
    ages = {"frequency": [0, 2], "recency": [0, 20], "T": [39, 39]}
    found = bg.interval("probability_alive", **ages)
    assert (found.low[0], found.high[0]) == (1, 1)  # alive by assumption, whatever the parameters
    single = bg.interval("probability_alive", frequency=2, recency=20, T=39)
    assert found.low[1] == pytest.approx(single.low, rel=1e-12)
    assert 0 < single.low < bg.model.probability_alive(frequency=2, recency=20, T=39) < single.high < 1
    path = bg.interval("alive_history", [20], at=[20, 39])
    later = bg.interval("probability_alive", frequency=1, recency=20, T=39)
    assert (path.low[1], path.high[1]) == pytest.approx((later.low, later.high), rel=1e-12)
    mean = bg.interval(lambda model: model.r / model.alpha, scale="log")
    assert mean.low < bg.model.r / bg.model.alpha < mean.high
    wide, narrow = bg.interval("expected_purchases", 9, level=0.99), bg.interval("expected_purchases", 9, level=0.5)
    assert wide.low < narrow.low < narrow.high < wide.high
    plain = bg.interval("expected_purchases", 9, scale="identity")
    assert plain.low + plain.high == pytest.approx(2 * bg.model.expected_purchases(9), rel=1e-12)
    with pytest.raises(InvalidValue, match="did you mean 'expected_purchases'"):
        bg.interval("expected_purchase", 9)
    with pytest.raises(InvalidValue, match="scale must be one of"):
        bg.interval("expected_purchases", 9, scale="sqrt")


def test_the_bootstrap_agrees_with_the_delta_method(bg, histories):
    again = bg.bootstrap(T=histories["T"], draws=80, rng=5)
    assert again.draws.shape == (80, 4)
    assert np.array_equal(again.draws, bg.bootstrap(T=histories["T"], draws=80, rng=5).draws)
    with pytest.raises(ValueError, match="read-only"):
        again.draws[0, 0] = 1
    found, delta = again.interval("expected_purchases", 39), bg.interval("expected_purchases", 39)
    assert found.high - found.low == pytest.approx(delta.high - delta.low, rel=0.3)
    assert found.low < bg.model.expected_purchases(39) < found.high
    counted = bg.bootstrap(T=[30, 39], weights=[40, 60], draws=4, rng=1)
    assert counted.draws.shape[1] == 4
    with pytest.raises(InvalidValue, match="weights must be whole"):
        bg.bootstrap(T=[30], weights=[1.5], draws=4, rng=1)
    with pytest.raises(InvalidValue, match="hardly any of the simulated samples"):
        bg.bootstrap(T=[30] * 3, draws=4, rng=1)
    with pytest.raises(InvalidType, match="rng must be"):
        bg.bootstrap(T=[30] * 3, draws=4, rng="seed")
