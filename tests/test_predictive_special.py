"""The special functions against arbitrary precision, where they are hardest."""

import mpmath as mp
import numpy as np
import pytest

from retention_metrics.predictive import _special as special
from retention_metrics.predictive._pareto_integral import left_between


def thinned(r, tau, a, b):
    """The formula of Fader, Hardie & Lee, with more digits than its terms cancel."""
    with mp.workdps(300):
        nudge = mp.mpf(10) ** -90
        r, tau, a, b = (mp.mpf(value) for value in (r, tau, a, b))
        a += nudge * ((a == 1) + (a + b == 1))
        bracket = 1 - (1 + tau) ** -r * mp.hyp2f1(r, b, a + b - 1, tau / (1 + tau))
        return float((a + b - 1) / (a - 1) * bracket)


@pytest.mark.parametrize(
    "place",
    [
        (0.243, 8.8, 0.793, 2.426),
        (0.243, 1e-9, 0.793, 2.426),
        (26.2, 1.5, 0.793, 28.4),
        (3.0, 2.0, 1.0, 2.0),
        (3.0, 2.0, 0.25, 0.75),
        (3.0, 2.0, 0.2, 0.3),
        (1000.0, 1.0, 0.8, 1002.0),
        (1000.0, 1e-4, 0.05, 1000.0),
        (289.0, 5.0, 0.19, 621.0),
        (868.0, 129.0, 0.055, 164.0),
        (0.01, 3000.0, 0.02, 0.03),
        (2.0, 60.0, 15.0, 0.1),
    ],
)
def test_purchases_before_dropout(place):
    assert float(special.thinned_count(*place)) == pytest.approx(thinned(*place), rel=1e-10)


def test_series_and_integral_agree_where_they_meet(monkeypatch):
    rng = np.random.default_rng(0)
    r, tau, a, b = np.exp(rng.uniform(-2, [[3.0], [2.0], [2.0], [3.0]], (4, 200)))
    series = special.thinned_count(r, tau, a, b)
    monkeypatch.setattr(special, "_LONGEST_SERIES", 0)
    assert special.thinned_count(r, tau, a, b) == pytest.approx(series, rel=1e-11)


def test_nothing_bought_in_no_time_and_all_kept_without_dropout():
    assert special.thinned_count(2.0, 0.0, 1.0, 1.0) == 0
    assert special.thinned_count(2.0, 7.0, 0.0, 1.0) == 14


@pytest.mark.parametrize("shape", [0.0, 0.3, 1.0, 1.0 + 1e-9, 2.5])
def test_time_that_fades(shape):
    slow = mp.quad(lambda y: (1 + y / 3) ** -shape, [0, 1, 5, 20])
    assert float(special.faded(20.0, 3.0, shape)) == pytest.approx(float(slow), rel=1e-12)


@pytest.mark.parametrize("place", [(0.2, 0.01, 0.8, 2.4), (30.0, 0.5, 1.0, 20.0), (1.0, 40.0, 3.0, 0.2)])
def test_discounted_purchases_before_dropout(place):
    r, rate, a, b = (mp.mpf(value) for value in place)
    slow = mp.quad(lambda t: mp.exp(-rate * t) * r * mp.hyp2f1(r + 1, a, a + b, -t), [0, 0.1, 1, 10, 100, 1e3, 1e4])
    assert float(special.discounted_until_dropout(*place)) == pytest.approx(float(slow), rel=1e-10)


@pytest.mark.parametrize("parameters", [(0.5, 10.0, 0.6, 11.0), (0.5, 1e-2, 2.0, 50.0), (3.0, 80.0, 0.1, 1e-2)])
@pytest.mark.parametrize("history", [(0.0, 0.0, 39.0), (5.0, 20.0, 39.0), (1000.0, 20.0, 39.0), (1000.0, 38.9, 39.0)])
def test_the_pareto_integral(parameters, history):
    r, alpha, s, beta = parameters
    x, last, T = history

    def density(y):
        return mp.exp(-(r + x) * mp.log((alpha + y) / (alpha + last)) - s * mp.log((beta + y) / (beta + last))) / (
            beta + y
        )

    places = [last + (T - last) * mp.mpf(2) ** -k for k in range(24, -1, -1)]
    with mp.workdps(25):
        slow = mp.quad(density, [last, *places])
    (found,) = left_between(*(np.array([value]) for value in history), parameters)
    assert found.log_total[0] == pytest.approx(float(mp.log(slow)), abs=1e-10)
    assert found.weights.sum() == pytest.approx(1)
    assert ((found.times >= last) & (found.times <= T * (1 + 1e-12))).all()


def test_nobody_left_in_no_time():
    (found,) = left_between(np.array([2.0]), np.array([9.0]), np.array([9.0]), (0.5, 10.0, 0.6, 11.0))
    assert found.log_total[0] == -np.inf


def test_logarithms_of_counts():
    assert special.log_rising(0.5, 3.0) == pytest.approx(np.log(0.5 * 1.5 * 2.5))
    assert special.log_choose(10.0, 3.0) == pytest.approx(np.log(120))
    nbd = special.log_negative_binomial(np.arange(400.0), 0.7, 3.0, 2.0)
    assert np.exp(nbd).sum() == pytest.approx(1)
    assert (np.exp(nbd) * np.arange(400)).sum() == pytest.approx(0.7 * 1.5)
