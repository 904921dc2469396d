"""The shifted beta-geometric against integrals of its definition, its own simulation and its limits."""

from dataclasses import replace

import mpmath as mp
import numpy as np
import polars as pl
import pytest

from retention_metrics.cohorts import from_counts
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.logs import Transactions
from retention_metrics.predictive import BoundaryWarning, ShiftedBetaGeometric

MODEL = ShiftedBetaGeometric(alpha=0.668, beta=3.806)


def mean_over_customers(function, alpha=0.668, beta=3.806):
    def density(u):
        p = 1 / (1 + mp.exp(-u))
        return p**alpha * (1 - p) ** beta * function(p)

    return float(mp.quad(density, [-200, -50, -20, -10, -5, -2, 0, 2, 5, 20, 60]) / mp.beta(alpha, beta))


@pytest.mark.parametrize("t", [0, 1, 5, 40])
def test_survival_and_retention_are_means_over_customers(t):
    assert MODEL.survival(t) == pytest.approx(mean_over_customers(lambda p: (1 - p) ** t), rel=1e-10)
    if t:
        ratio = MODEL.survival(t) / MODEL.survival(t - 1)
        assert MODEL.retention(t) == pytest.approx(ratio, rel=1e-12)
        left = np.exp(MODEL.log_likelihood(durations=t))
        assert left == pytest.approx(MODEL.survival(t - 1) - MODEL.survival(t), rel=1e-10)
        assert np.exp(MODEL.log_likelihood(durations=t, observed=False)) == pytest.approx(MODEL.survival(t))


def test_retention_rises_with_tenure():
    assert (np.diff(MODEL.retention(np.arange(1, 50))) > 0).all()


@pytest.mark.parametrize(("discount", "renewals"), [(0.1, 0), (0.1, 4), (0.01, 1), (3.0, 0)])
def test_discounted_renewals(discount, renewals):
    beta = mp.mpf(3.806) + renewals
    alpha = mp.mpf(0.668)
    published = beta / (alpha + beta) * mp.hyp2f1(1, beta + 1, alpha + beta + 1, 1 / (1 + mp.mpf(discount)))
    found = MODEL.expected_residual_lifetime(discount, renewals=renewals)
    assert found == pytest.approx(float(published), rel=1e-10)
    later = np.arange(1, 40_000)
    slow = (MODEL.survival(renewals + later) / MODEL.survival(renewals) * (1.0 + discount) ** -(later - 1)).sum()
    assert found == pytest.approx(slow, rel=1e-6)


def test_mean_lifetime():
    loyal = ShiftedBetaGeometric(alpha=2.5, beta=9)
    slow = loyal.survival(np.arange(200_000)).sum()
    assert loyal.expected_lifetime() == pytest.approx(slow, rel=1e-4)
    assert loyal.expected_residual_lifetime(0) == pytest.approx(loyal.expected_lifetime() - 1, rel=1e-12)
    for ask in (MODEL.expected_lifetime, lambda: MODEL.expected_residual_lifetime(0)):
        with pytest.raises(UndefinedMetric, match="alpha = 0.668 is at most 1"):
            ask()
    found = MODEL.expected_residual_lifetime([0, 0.1], undefined="nan")
    assert np.isnan(found[0])
    assert found[1] == MODEL.expected_residual_lifetime(0.1)


def test_survivors_and_lifetimes_are_the_same_data():
    survivors = [1000, 869, 743, 653, 593, 551, 517, 491]
    cohort = ShiftedBetaGeometric.fit(survivors=survivors, unit="year")
    lost = -np.diff(survivors)
    lives = ShiftedBetaGeometric.fit(
        durations=[*range(1, 8), 7], observed=[True] * 7 + [False], weights=[*lost.tolist(), 491], unit="year"
    )
    assert lives == cohort
    spelled_out = ShiftedBetaGeometric.fit(
        durations=np.repeat([*range(1, 8), 7], [*lost, 491]), observed=np.repeat([True] * 7 + [False], [*lost, 491])
    )
    assert spelled_out.model.parameters == pytest.approx(cohort.model.parameters, rel=1e-9)
    found = cohort.interval("survival", [7, 12])
    assert (found.low < cohort.model.survival([7, 12])).all()
    assert (found.high > cohort.model.survival([7, 12])).all()


def test_cohorts_of_a_log_are_one_base():
    """Three yearly cohorts of contracts, seen three, two and one years on; lifetimes spelled out one by one."""
    table = from_counts([[100, 80, 70, 66], [50, 45, 40], [20, 11], [9]], start="2021-01-01", period="year")
    fit = ShiftedBetaGeometric.fit(table)
    lost = {1: 20 + 5 + 9, 2: 10 + 5, 3: 4}
    kept = {1: 11, 2: 40, 3: 66}
    lives = ShiftedBetaGeometric.fit(
        durations=[*lost, *kept],
        observed=[True] * 3 + [False] * 3,
        weights=[*lost.values(), *kept.values()],
        unit="year",
    )
    assert fit.model.parameters == pytest.approx(lives.model.parameters, rel=1e-12)
    assert (fit.customers, fit.model.unit) == (170, "year")
    with pytest.raises(InvalidValue, match="units of time differ: 'month' was asked for"):
        ShiftedBetaGeometric.fit(table, unit="month")
    with pytest.raises(InvalidValue, match=r"customers of cohort 2021-01 must never rise, but do from \[1\] to \[2\]"):
        ShiftedBetaGeometric.fit(from_counts([[9, 5, 6]], start="2021-01-01"))
    with pytest.raises(InvalidValue, match="no cohort that was observed after its first period"):
        ShiftedBetaGeometric.fit(from_counts([[9]], start="2021-01-01"))
    with pytest.raises(InvalidValue, match="one column a period"):
        ShiftedBetaGeometric.fit(replace(table, anchor="every"))
    with pytest.raises(InvalidType, match="table must be a CohortTable, got list"):
        ShiftedBetaGeometric.fit([10, 9, 8])


def test_contracts_from_the_log_of_payments():
    """Monthly payments of simulated contracts; a month without one ends the contract."""
    left = MODEL.simulate(customers=3000, rng=5)
    rng = np.random.default_rng(6)
    began = rng.integers(0, 12, left.size)
    paid = [(i, month) for i in range(left.size) for month in range(began[i], min(12, began[i] + int(left[i])))]
    frame = pl.DataFrame(paid, schema=["who", "month"], orient="row")
    frame = frame.with_columns(day=pl.date(2025, pl.col("month") + 1, 5))
    orders = Transactions(frame, customer="who", time="day")
    fit = ShiftedBetaGeometric.fit(orders.cohorts(period="month", as_of="2025-12-31", counting="on_or_after"))
    seen = np.minimum(left, 11 - began)
    spelled = ShiftedBetaGeometric.fit(durations=seen[began < 11], observed=(left <= 11 - began)[began < 11])
    assert fit.model.parameters == pytest.approx(spelled.model.parameters, rel=1e-9)
    assert fit.model.unit == "month"


def test_simulated_lifetimes():
    times = MODEL.simulate(customers=100_000, rng=2)
    assert times.min() == 1
    for t in (1, 2, 5, 20):
        share = (times > t).mean()
        assert abs(share - MODEL.survival(t)) < 5 * np.sqrt(0.25 / 100_000)
    fit = ShiftedBetaGeometric.fit(durations=np.minimum(times, 20), observed=times <= 20)
    for name, interval in fit.parameter_intervals(level=0.9999).items():
        assert interval.low < MODEL.parameters[name] < interval.high


def test_a_cohort_that_leaves_at_one_rate_has_a_name():
    with pytest.warns(BoundaryWarning, match="all customers leave with the same probability"):
        fit = ShiftedBetaGeometric.fit(survivors=(1000 * 0.8 ** np.arange(9)).tolist())
    assert fit.model.retention(5) == pytest.approx(0.8, rel=1e-5)
    with pytest.warns(BoundaryWarning, match="customers leave at the first renewal or never"):
        fit = ShiftedBetaGeometric.fit(survivors=[100, 60, 60, 60])
    assert fit.model.survival([1, 3]) == pytest.approx([0.6, 0.6], rel=1e-4)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "pass one of a table of cohorts, survivors, or durations"),
        ({"survivors": [10, 9, 8], "durations": [1, 2]}, "pass one of a table"),
        ({"survivors": [10, 9]}, "after at least two renewals"),
        ({"survivors": [10, 9, 9.5]}, r"never rise, but do from \[1\] to \[2\]"),
        ({"survivors": [10, 10, 10]}, "a fit needs customers who left"),
        ({"survivors": [10, 9, 8], "weights": [1, 1, 1]}, "go with durations"),
        ({"durations": [1, 2.5]}, "durations must be whole"),
        ({"durations": [0, 2]}, "durations must be >= 1"),
        ({"durations": [1, 2], "weights": [1, 2, 3]}, "one number a customer each"),
        ({"durations": [1, 2], "unit": "years"}, "did you mean 'year'"),
    ],
)
def test_bad_data(data, said):
    with pytest.raises(InvalidValue, match=said):
        ShiftedBetaGeometric.fit(**data)


def test_bad_questions():
    with pytest.raises(InvalidValue, match="t must be whole"):
        MODEL.survival(1.5)
    with pytest.raises(InvalidValue, match="t must be a finite number >= 1"):
        MODEL.retention(0)
    with pytest.raises(InvalidValue, match="durations must be >= 1"):
        MODEL.log_likelihood(durations=0)
