"""What makes large fits quick changes nothing: starts from a sample, few ages for many, blocks of rows."""

import numpy as np
import pytest

from retention_metrics.predictive import BgNbd, GammaGamma, Histories, MbgNbd, ParetoNbd
from retention_metrics.predictive import _beta_geometric as beta_geometric
from retention_metrics.predictive import _fitting as fitting
from retention_metrics.predictive import _gamma_gamma as gamma_gamma
from retention_metrics.predictive import _pareto_nbd as pareto_nbd
from retention_metrics.predictive._beta_geometric import BetaGeometricLikelihood
from retention_metrics.predictive._sums import Elapsed, blocks, coded

TRUTH = (
    BgNbd(r=0.5, alpha=6, a=0.8, b=2.4),
    MbgNbd(r=0.5, alpha=6, a=0.8, b=2.4),
    ParetoNbd(r=0.55, alpha=10.6, s=0.6, beta=11.7),
)
PLACE = np.array([0.5, 0.2, 0.8, 2.4])


def shop(model, customers, seed=1):
    return model.simulate(T=np.random.default_rng(seed).uniform(13, 65, customers), rng=seed)


def agree(found, expected):
    assert list(found.model.parameters.values()) == pytest.approx(list(expected.model.parameters.values()), rel=1e-9)
    assert found.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-13)
    assert np.array(found.covariance) == pytest.approx(np.array(expected.covariance), rel=1e-7)


@pytest.mark.parametrize("model", TRUTH, ids=lambda model: type(model).__name__)
def test_a_start_from_a_sample_leads_to_the_same_maximum_in_fewer_steps(model, monkeypatch):
    customers = shop(model, 4000)
    monkeypatch.setattr(pareto_nbd, "_MANY", 10**9)
    plain = type(model).fit(customers)
    monkeypatch.setattr(beta_geometric, "_LARGE", 2000)
    monkeypatch.setattr(beta_geometric, "_SAMPLE", 1000)
    sampled = type(model).fit(customers)
    agree(sampled, plain)
    assert sampled.steps <= plain.steps


def test_spend_is_fitted_the_same_from_a_sample(monkeypatch):
    x = np.random.default_rng(2).integers(1, 20, 4000).astype(float)
    paid = {"frequency": x, "monetary_value": GammaGamma(p=6.25, q=3.74, v=15.44).simulate(frequency=x, rng=2)}
    plain = GammaGamma.fit(**paid)
    monkeypatch.setattr(gamma_gamma, "_LARGE", 2000)
    monkeypatch.setattr(gamma_gamma, "_SAMPLE", 1000)
    sampled = GammaGamma.fit(**paid)
    agree(sampled, plain)
    assert sampled.steps <= plain.steps


def test_a_sample_that_ends_at_a_limit_or_nowhere_is_not_started_from(monkeypatch):
    def hill(top):
        return lambda place: (-(((place - top) / top) ** 2).sum(), -2 * (place - top) / top**2, -2 * np.diag(top**-2))

    starts = [(1.0, 1.0, 1.0, 1.0)]
    top = np.array([2.0, 3.0, 0.5, 4.0])
    found = fitting.from_sample(hill(top), BgNbd.DIRECTIONS, starts)
    assert found[0] == pytest.approx(top, rel=1e-6)
    assert found[1:] == starts
    beyond = np.array([2.0, 3.0, 1e-12, 4.0])
    assert fitting.from_sample(hill(beyond), BgNbd.DIRECTIONS, starts) == starts

    monkeypatch.setattr(fitting, "_MOST_STEPS", 1)
    assert fitting.from_sample(hill(top), BgNbd.DIRECTIONS, starts) == starts


def test_customers_who_never_came_back_are_pooled_where_few_ages_suffice(monkeypatch):
    customers = shop(TRUTH[2], 6000)
    pooled = ParetoNbd.fit(customers)
    monkeypatch.setattr(pareto_nbd, "_MANY", 10**9)
    agree(pooled, ParetoNbd.fit(customers))


def test_customers_are_not_pooled_where_few_ages_do_not_suffice(monkeypatch):
    ages = np.random.default_rng(3).uniform(0, 2, 3000)
    customers = Histories(np.zeros(3000), np.zeros(3000), ages, np.ones(3000))
    place = np.array([0.5, 1e-4, 0.6, 1e-3])
    found = pareto_nbd._Likelihood(customers)
    assert not found._suffice(tuple(place.tolist()))
    monkeypatch.setattr(pareto_nbd, "_MANY", 10**9)
    for part, expected in zip(found(place), pareto_nbd._Likelihood(customers)(place), strict=True):
        assert part == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("alpha", [0.2, 90.0, 110.0])
def test_rows_of_several_blocks_add_up(first, alpha):
    """Twenty thousand different customers are summed as they are, the same ones in small parts with tables."""
    drawn = shop(TRUTH[first], 20_000)
    columns = [drawn.frequency, drawn.recency / 39, drawn.T / 39, drawn.weights]
    place = PLACE * [1, alpha / PLACE[1], 1, 1]
    whole = BetaGeometricLikelihood(Histories(*columns), first)(place)
    parts = [
        BetaGeometricLikelihood(Histories(*(column[start : start + 2000] for column in columns)), first)(place)
        for start in range(0, 20_000, 2000)
    ]
    for i, expected in enumerate(whole):
        assert sum(part[i] for part in parts) == pytest.approx(expected, rel=1e-10)


def test_times_in_tables_and_in_rows():
    rng = np.random.default_rng(7)
    for times in (rng.uniform(0, 9, 9000), np.rint(rng.uniform(0, 9, 9000))):
        elapsed = Elapsed(times)
        elapsed.measure(0.7)
        for part in blocks(times.size):
            logs, shares = elapsed.rows(part)
            assert logs == pytest.approx(np.log1p(times[part] / 0.7), rel=1e-14, abs=1e-15)
            assert shares == pytest.approx(times[part] / (times[part] + 0.7), rel=1e-14)
        weights = rng.uniform(0, 2, times.size)
        assert (elapsed.pooled(weights) * elapsed.times).sum() == pytest.approx((weights * times).sum(), rel=1e-13)
    assert coded(rng.uniform(size=9000))[1] is None
    assert coded(np.zeros(9000))[1] is not None
