"""Polynomials in the age of a customer stand in for a function only where they are as exact."""

import numpy as np
import pytest

from retention_metrics.predictive import BgNbd, GammaGamma, MbgNbd, ParetoNbd, customer_lifetime_value
from retention_metrics.predictive._smooth import few_ages, per_age, smooth

MODELS = [
    BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week"),
    BgNbd(r=2, alpha=0.01, a=1, b=0.3, unit="week"),
    MbgNbd(r=0.525, alpha=6.183, a=0.891, b=1.614, unit="week"),
    ParetoNbd(r=0.553, alpha=10.58, s=1, beta=11.67, unit="week"),
]


@pytest.fixture(scope="module")
def customers():
    rng = np.random.default_rng(3)
    frequency = rng.choice([0.0, 1, 2, 40, 1000], 4000, p=[0.4, 0.3, 0.2, 0.09, 0.01])
    age = rng.uniform(0.5, 300, 4000)
    return {"frequency": frequency, "recency": np.where(frequency > 0, age * 0.9, 0), "T": age}


def each(answer, customers, places):
    return [answer({name: float(column[i]) for name, column in customers.items()}) for i in places]


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_many_ages_are_answered_as_single_ones(model, customers):
    """A single customer is too few for a polynomial."""
    places = range(0, 4000, 97)
    found = model.expected_purchases(39, **customers)
    alone = each(lambda one: model.expected_purchases(39.0, **one), customers, places)
    assert found[list(places)] == pytest.approx(alone, rel=3e-12)
    spend = GammaGamma(p=6, q=4, v=15)
    terms = {"horizon": 12, "discount": 0.01, "per": "week"}
    value = customer_lifetime_value(model, spend, **customers, monetary_value=np.full(4000, 9.0), **terms)
    alone = each(
        lambda one: customer_lifetime_value(model, spend, **one, monetary_value=9.0, **terms).total, customers, places
    )
    assert value.values[list(places)] == pytest.approx(alone, rel=3e-12)


def test_a_polynomial_saves_work_where_it_is_exact():
    asked = []

    def smooth(x, T, scale):
        asked.append(T.size)
        return scale * (1 + x) / (4 + T)

    x, T = np.repeat([0.0, 3.0, 5.0], [5000, 5000, 3]), np.random.default_rng(0).uniform(1, 60, 10_003)
    assert per_age(smooth, x, T, 2.0) == pytest.approx(2 * (1 + x) / (4 + T), rel=1e-13)
    assert sum(asked) < 200


@pytest.mark.parametrize("function", [lambda x, T: np.abs(T - 20.3) + x, lambda x, T: np.sin(50 * T) + 2 + x])
def test_a_function_that_no_polynomial_follows_is_asked_itself(function):
    x, T = np.repeat([0.0, 3.0], 2000), np.random.default_rng(0).uniform(1, 60, 4000)
    assert (per_age(function, x, T) == function(x, T)).all()


def test_what_is_not_smooth_ages_alone_is_asked_itself():
    x, T, other = np.zeros(2000), np.linspace(1, 9, 2000), np.linspace(0, 1, 2000)
    assert (per_age(lambda x, T, other: x + T * other, x, T, other) == T * other).all()
    one_age = np.append(np.random.default_rng(0).uniform(1, 9, 150_000), np.full(500, 3.0))
    group = np.append(np.zeros(150_000), np.full(500, 7.0))
    assert per_age(lambda x, T: x + T, group, one_age) == pytest.approx(group + one_age, rel=1e-13)


def test_a_count_of_purchases_that_is_rare_among_very_many_ages_is_asked_itself():
    rng = np.random.default_rng(4)
    x, T = np.repeat([0.0, 6.0, 2.0], [20_000, 100, 4000]), rng.uniform(1, 60, 24_100)
    order = rng.permutation(x.size)
    x, T = x[order], T[order]
    asked = []

    def hyperbola(x, T, scale):
        asked.append(np.unique(x).size)
        return scale * (1 + x) / (4 + T)

    assert per_age(hyperbola, x, T, 2.0) == pytest.approx(2 * (1 + x) / (4 + T), rel=1e-13)
    assert asked == [2, 1]


@pytest.mark.parametrize("T", [np.random.default_rng(5).uniform(0, 70, 9000), np.full(9000, 31.0)], ids=["ages", "one"])
def test_few_ages_stand_for_many(T):
    weights = np.random.default_rng(6).integers(1, 4, T.size).astype(float)
    ages, few = few_ages(T, weights)
    assert ages.size < 100
    assert few.sum() == pytest.approx(weights.sum(), rel=1e-12)
    for function in (lambda T: np.log(30 + T), lambda T: T**5, lambda T: 1 / (20 + T) ** 2):
        assert smooth(function(ages))
        assert (few * function(ages)).sum() == pytest.approx((weights * function(T)).sum(), rel=1e-12)


def test_few_ages_do_not_stand_for_what_is_not_smooth():
    ages, _ = few_ages(np.linspace(0, 70, 9000), np.ones(9000))
    assert not smooth(np.abs(ages - 20.3))
    assert not smooth(np.log(1e-3 + ages))
