"""BG/BB against its published formulas in arbitrary precision, a brute-force enumeration, and its own simulation."""

import itertools
from math import comb

import mpmath as mp
import numpy as np
import pytest

from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.predictive import BgBb

PUBLISHED = ("alpha", "beta", "gamma", "delta")
MODEL = BgBb(alpha=1.2, beta=0.75, gamma=0.66, delta=2.78, unit="year")


class Truth:
    """Fader, Hardie & Shang (2010), equations (5), (11), (13) and (14), digit by digit."""

    def __init__(self, alpha, beta, gamma, delta):
        self.a, self.b, self.c, self.d = (mp.mpf(value) for value in (alpha, beta, gamma, delta))

    def bought(self, x, n):
        return mp.beta(self.a + x, self.b + n - x) / mp.beta(self.a, self.b)

    def likelihood(self, x, last, n):
        there = self.bought(x, n) * mp.beta(self.c, self.d + n) / mp.beta(self.c, self.d)
        return there + mp.fsum(
            self.bought(x, m) * mp.beta(self.c + 1, self.d + m) / mp.beta(self.c, self.d) for m in range(last, n)
        )

    def alive(self, x, last, n):
        there = self.bought(x, n) * mp.beta(self.c, self.d + n + 1) / mp.beta(self.c, self.d)
        return there / self.likelihood(x, last, n)

    def expected(self, horizon, x, last, n):
        with mp.workdps(120):
            c = self.c + mp.mpf(10) ** -60 * (self.c == 1)
            ratio = mp.gammaprod([self.d + n + 1 + horizon, c + self.d + n], [self.d + n + 1, c + self.d + n + horizon])
            tail = mp.gammaprod([c + self.d, self.d + n + 1], [c + self.d + n, self.d]) / (c - 1) * (1 - ratio)
            bought = mp.beta(self.a + x + 1, self.b + n - x) / mp.beta(self.a, self.b)
            return bought * tail / self.likelihood(x, last, n)

    def discounted(self, rate, x, last, n):
        bought = mp.beta(self.a + x + 1, self.b + n - x) / mp.beta(self.a, self.b)
        kept = mp.beta(self.c, self.d + n + 1) / (mp.beta(self.c, self.d) * (1 + rate))
        series = mp.hyp2f1(1, self.d + n + 1, self.c + self.d + n + 1, 1 / (1 + mp.mpf(rate)))
        return bought * kept * series / self.likelihood(x, last, n)


def cases(seed, number):
    rng = np.random.default_rng(seed)
    for case in range(number):
        values = np.exp(rng.uniform(-2, 2, 4))
        values[2] = 1.0 if case % 4 == 0 else values[2]
        n = int(rng.choice([1, 6, 40, 1000 if case % 5 == 0 else 12]))
        last = int(rng.integers(0, n + 1))
        x = int(rng.integers(1, last + 1)) if last else 0
        yield values.tolist(), {"frequency": x, "recency": last, "T": n}


def test_closed_forms():
    with mp.workdps(30):
        for values, history in cases(1, 25):
            model, truth = BgBb(**dict(zip(PUBLISHED, values, strict=True))), Truth(*values)
            place = tuple(history.values())
            assert model.log_likelihood(**history) == pytest.approx(float(mp.log(truth.likelihood(*place))), rel=1e-9)
            assert model.probability_alive(**history) == pytest.approx(float(truth.alive(*place)), rel=1e-9)
            found = model.expected_purchases(15, **history)
            assert found == pytest.approx(float(truth.expected(15, *place)), rel=1e-9)
            assert model.expected_purchases(3) == pytest.approx(float(truth.expected(3, 0, 0, 0)), rel=1e-9)
            found = model.expected_residual_transactions(0.1, **history)
            assert found == pytest.approx(float(truth.discounted(0.1, *place)), rel=1e-9)


def test_every_possible_history_adds_up():
    """All strings of buying or not at six opportunities, by brute force."""
    total = 0.0
    for string in itertools.product((0, 1), repeat=6):
        x, last = sum(string), max((i + 1 for i, bought in enumerate(string) if bought), default=0)
        total += np.exp(MODEL.log_likelihood(frequency=x, recency=last, T=6))
    assert total == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("history", [None, (0, 0, 6), (2, 4, 6), (6, 6, 6)])
def test_the_distribution_is_that_of_longer_histories(history):
    """P(n more purchases) from the likelihoods of all continuations, by brute force."""
    x, last, n = history or (0, 0, 0)
    place = {} if history is None else {"frequency": x, "recency": last, "T": n}
    base = np.exp(MODEL.log_likelihood(frequency=x, recency=last, T=n)) if history else 1.0
    expected = np.zeros(5)
    for string in itertools.product((0, 1), repeat=4):
        more = sum(string)
        latest = max((n + i + 1 for i, bought in enumerate(string) if bought), default=last)
        longer = {"frequency": x + more, "recency": latest, "T": n + 4}
        expected[more] += np.exp(MODEL.log_likelihood(**longer)) / base
    assert MODEL.purchase_count_pmf(range(5), horizon=4, **place) == pytest.approx(expected, rel=1e-10)
    mean = (expected * np.arange(5)).sum()
    assert MODEL.expected_purchases(4, **place) == pytest.approx(mean, rel=1e-10)
    soon = MODEL.next_purchase(float(1 - expected[0]) - 1e-9, **place)
    assert soon == 4
    assert MODEL.purchase_count_pmf([0, 1], horizon=0, **place) == pytest.approx([1, 0])


def test_the_next_purchase_may_never_come():
    with pytest.raises(UndefinedMetric, match="too small"):
        MODEL.next_purchase(0.5, frequency=0, recency=0, T=6)
    assert np.isnan(MODEL.next_purchase([0.5], frequency=0, recency=0, T=6, undefined="nan")[0])


def test_published_numbers(predictive):
    item = predictive("bgbb-exp")
    model = BgBb(**dict(zip(PUBLISHED, item["inputs"], strict=True)))
    found = [
        model.expected_purchases(10),
        *model.expected_purchases(10, frequency=[0, 4], recency=[0, 5], T=[6, 6]),
    ]
    assert found == pytest.approx(item["expected"], rel=1e-6)
    alive = model.probability_alive(frequency=[0, 2, 6], recency=[0, 4, 6], T=6)
    assert alive == pytest.approx(predictive("bgbb-alive")["expected"], rel=0.02)
    series = model.expected_purchases(range(1, 12))
    assert series == pytest.approx(predictive("bgbb-exp1-11")["expected"], rel=1e-3)


def test_simulated_customers_follow_the_likelihood():
    """Each of the 22 cells within 5 standard errors; the number of strings in a cell is a binomial coefficient."""
    found = MODEL.simulate(T=np.full(100_000, 6), rng=3).collapse()
    for x, last, n, weight in zip(found.frequency, found.recency, found.T, found.weights, strict=True):
        ways = comb(int(last) - 1, int(x) - 1) if x else 1
        chance = ways * np.exp(MODEL.log_likelihood(frequency=x, recency=last, T=n))
        assert abs(weight / 100_000 - chance) < 5 * np.sqrt(chance / 100_000)
    assert found.unit == "year"


def test_without_dropout_it_is_the_beta_binomial():
    model = BgBb(alpha=1.2, beta=0.75, gamma=0, delta=1)
    assert model.probability_alive(frequency=0, recency=0, T=6) == 1
    assert model.expected_purchases(10) == pytest.approx(10 * 1.2 / 1.95)
    assert model.expected_residual_transactions(0.1) == pytest.approx(10 * 1.2 / 1.95)
    assert model.simulate(T=[6.0] * 20, rng=1).frequency.sum() > 0


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ({"frequency": 3, "recency": 2, "T": 6}, "frequency exceeds recency"),
        ({"frequency": 1, "recency": 1.5, "T": 6}, "recency must be whole"),
        ({"frequency": 1, "recency": 1, "T": 6.5}, "T must be whole"),
    ],
)
def test_impossible_histories(history, said):
    with pytest.raises(InvalidValue, match=said):
        MODEL.probability_alive(**history)
    with pytest.raises(InvalidValue, match="horizon must be whole"):
        MODEL.expected_purchases(1.5)


def test_fewer_than_three_opportunities_do_not_tell_four_parameters_apart():
    truth = BgBb(alpha=1.2, beta=0.75, gamma=0.66, delta=2.78)
    for opportunities in (1, 2):
        with pytest.raises(InvalidValue, match=f"T is at most {opportunities}: four parameters cannot be told from"):
            BgBb.fit(truth.simulate(T=[opportunities] * 500, rng=1))
