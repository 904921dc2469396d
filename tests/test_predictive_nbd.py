"""The three NBD models against their published formulas in arbitrary precision, and against their own simulations."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.predictive import BgNbd, MbgNbd, ParetoNbd
from tests.predictive_oracles import BetaGeometric, Pareto

CLASSIC = {
    BgNbd: {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426},
    MbgNbd: {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614},
    ParetoNbd: {"r": 0.553, "alpha": 10.58, "s": 0.606, "beta": 11.67},
}
MODELS = list(CLASSIC)
HISTORIES = [(0, 0.0, 39.0), (1, 5.0, 39.0), (2, 30.43, 38.86), (26, 30.86, 31.0), (7, 31.0, 31.0)]


def oracle(kind, **parameters):
    if kind is ParetoNbd:
        return Pareto(**parameters)
    return BetaGeometric(**parameters, first=int(kind is MbgNbd))


def cases(kind, seed, number):
    """Random parameters and customers, among them singular places, heavy buyers, and histories that just ended."""
    rng = np.random.default_rng(seed)
    names = list(CLASSIC[kind])
    for case in range(number):
        values = np.exp(rng.uniform(-2.5, 2.5, 4))
        values[1] *= 8
        if kind is ParetoNbd:
            values[3] *= 8
            values[2] = 1.0 if case % 5 == 0 else values[2]
            values[3] = values[1] if case % 7 == 0 else values[3]
        elif case % 5 == 0:
            values[2:] = (1.0, 0.7) if case % 2 else (0.25, 0.75)
        x = int(rng.choice([0, 0, 1, 2, 5, 40, 300, 1000]))
        T = float(np.exp(rng.uniform(0, 6)))
        last = 0.0 if x == 0 else float(T * rng.choice([0.2, 0.7, 0.97, 1.0]))
        yield dict(zip(names, values.tolist(), strict=True)), {"frequency": x, "recency": last, "T": T}


def close(found, expected, rel=1e-9):
    return found == pytest.approx(float(expected), rel=rel, abs=1e-290)


@pytest.mark.parametrize("kind", MODELS)
def test_likelihood_and_probability_of_being_alive(kind):
    with mp.workdps(40):
        for parameters, history in cases(kind, 1, 40):
            model, truth = kind(**parameters), oracle(kind, **parameters)
            place = tuple(history.values())
            assert close(model.log_likelihood(**history), mp.log(truth.likelihood(*place))), (parameters, history)
            assert close(model.probability_alive(**history), truth.alive(*place)), (parameters, history)


@pytest.mark.parametrize("kind", MODELS)
def test_expected_purchases(kind):
    with mp.workdps(40):
        for i, (parameters, history) in enumerate(cases(kind, 2, 14)):
            model, truth = kind(**parameters), oracle(kind, **parameters)
            horizon = (0.01, 1.0, 30.0, 400.0)[i % 4]
            assert close(model.expected_purchases(horizon), truth.expected(horizon)), parameters
            found = model.expected_purchases(horizon, **history)
            assert close(found, truth.expected(horizon, *history.values())), (parameters, history, horizon)


@pytest.mark.parametrize("kind", MODELS)
def test_distribution_of_the_number_of_purchases(kind):
    with mp.workdps(30):
        for i, (parameters, history) in enumerate(cases(kind, 3, 12)):
            model, truth = kind(**parameters), oracle(kind, **parameters)
            count, horizon = (0, 1, 4, 60)[i % 4], (0.5, 20.0, 150.0)[i % 3]
            found = model.purchase_count_pmf(count, horizon=horizon, **history)
            assert close(found, truth.pmf(count, horizon, *history.values())), (parameters, history, count, horizon)
            assert close(model.purchase_count_pmf(count, horizon=horizon), truth.pmf(count, horizon))


@pytest.mark.parametrize("kind", MODELS)
def test_discounted_purchases_to_come(kind):
    with mp.workdps(20):
        for i, (parameters, history) in enumerate(cases(kind, 4, 6)):
            if history["frequency"] > 100 and kind is not ParetoNbd:
                history |= {"frequency": 12}
            model, truth = kind(**parameters), oracle(kind, **parameters)
            discount = (0.002, 0.03, 0.5)[i % 3]
            found = model.expected_residual_transactions(discount, **history)
            assert close(found, truth.discounted(discount, *history.values())), (parameters, history, discount)


@pytest.mark.parametrize("kind", MODELS)
def test_a_heavy_buyer_is_finite(kind):
    model = kind(**CLASSIC[kind])
    heavy = {"frequency": 1000, "recency": 38.0, "T": 40.0}
    assert np.isfinite(model.log_likelihood(**heavy))
    assert 0 <= model.probability_alive(**heavy) <= 1
    assert np.isfinite(model.expected_purchases([0.1, 40, 1e6], **heavy)).all()
    assert np.isfinite(model.purchase_count_pmf(1000, horizon=40, **heavy))


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("history", HISTORIES)
def test_the_distribution_adds_up_and_has_the_expected_mean(kind, history):
    model = kind(**CLASSIC[kind])
    place = dict(zip(("frequency", "recency", "T"), history, strict=True))
    counts = np.arange(600)
    chances = model.purchase_count_pmf(counts, horizon=20, **place)
    assert chances.sum() == pytest.approx(1, rel=1e-10)
    assert (chances * counts).sum() == pytest.approx(model.expected_purchases(20, **place), rel=1e-9)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("history", HISTORIES)
def test_the_next_purchase_is_where_the_first_of_the_distribution_falls(kind, history):
    model = kind(**CLASSIC[kind])
    place = dict(zip(("frequency", "recency", "T"), history, strict=True))
    time = model.next_purchase(0.05, **place)
    assert model.purchase_count_pmf(0, horizon=time, **place) == pytest.approx(0.95, rel=1e-9)
    # Who is still there buys again for certain where only a purchase can end the relationship.
    ever = model.probability_alive(**place)
    if kind is ParetoNbd:
        ever = 1 - model.purchase_count_pmf(0, horizon=1e15, **place)
    if ever > 0.99:
        return
    with pytest.raises(UndefinedMetric, match="too small"):
        model.next_purchase(ever + 0.005, **place)
    given = model.next_purchase([0.05, ever + 0.005], **place, undefined="nan")
    assert given[0] == pytest.approx(time, rel=1e-12)
    assert np.isnan(given[1])


@pytest.mark.parametrize("parameters", [(0.05, 3, 0.2, 200), (0.02, 500, 1e-3, 0.1), (3, 1e-3, 4, 1e3), (0.4, 6, 0, 1)])
def test_the_next_purchase_where_buying_and_leaving_have_other_scales(parameters):
    model = ParetoNbd(**dict(zip(("r", "alpha", "s", "beta"), parameters, strict=True)))
    for history in ({}, {"frequency": 2, "recency": 3.0, "T": 9.0}):
        ever = 1 - model.purchase_count_pmf(0, horizon=1e9, **history)
        for share in (0.01, 0.5, 0.9):
            time = model.next_purchase(share * ever, **history)
            assert model.purchase_count_pmf(0, horizon=time, **history) == pytest.approx(1 - share * ever, rel=1e-9)


@pytest.mark.parametrize("kind", MODELS)
def test_discounted_purchases_are_the_sum_of_what_comes(kind):
    """Fine periods discounted one by one, a recomputation that knows nothing of the closed form."""
    model = kind(**CLASSIC[kind])
    times = np.arange(0, 400, 0.02)
    until = model.expected_purchases(times, frequency=3, recency=30, T=35)
    slow = (np.diff(until) * 1.1 ** -(times[1:] - 0.01)).sum()
    assert model.expected_residual_transactions(0.1, frequency=3, recency=30, T=35) == pytest.approx(slow, rel=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_simulated_customers_follow_the_model(kind):
    """Five standard errors either way: a false alarm once in a million runs, and the seed is fixed."""
    model = kind(**CLASSIC[kind])
    number, horizon = 60_000, 39.0
    found = model.simulate(T=np.full(number, horizon), rng=7)
    assert (found.recency <= found.T).all()
    assert ((found.recency > 0) == (found.frequency > 0)).all()
    chances = model.purchase_count_pmf(np.arange(8), horizon=horizon)
    seen = np.array([(found.frequency == n).mean() for n in range(8)])
    assert (np.abs(seen - chances) < 5 * np.sqrt(chances * (1 - chances) / number)).all()
    error = found.frequency.std() / np.sqrt(number)
    assert abs(found.frequency.mean() - model.expected_purchases(horizon)) < 5 * error
    likelihood = model.log_likelihood(frequency=found.frequency, recency=found.recency, T=found.T)
    alive = model.probability_alive(frequency=found.frequency, recency=found.recency, T=found.T)
    assert np.isfinite(likelihood).all()
    ever_alive = model.expected_purchases(1e-6, frequency=0, recency=0, T=0) / (model.r / model.alpha * 1e-6)
    assert 0 < alive.mean() < ever_alive + 1e-9


@pytest.mark.parametrize("kind", MODELS)
def test_recency_of_simulated_customers_has_the_density_of_the_likelihood(kind):
    """Share with one purchase before time c, by integrating the likelihood over recency."""
    model = kind(**CLASSIC[kind])
    found = model.simulate(T=np.full(60_000, 39.0), rng=11)
    grid = (np.arange(4000) + 0.5) * 10 / 4000
    chance = np.exp(model.log_likelihood(frequency=1, recency=grid, T=39.0)).sum() * 10 / 4000
    seen = ((found.frequency == 1) & (found.recency < 10)).mean()
    assert abs(seen - chance) < 5 * np.sqrt(chance / 60_000)


@pytest.mark.parametrize("kind", MODELS)
@given(x=st.integers(0, 300), share=st.floats(0.01, 1), T=st.floats(0.5, 500), horizon=st.floats(0, 300))
def test_bounds_and_directions(kind, x, share, T, horizon):
    model = kind(**CLASSIC[kind])
    history = {"frequency": x, "recency": T * share if x else 0.0, "T": T}
    alive = model.probability_alive(**history)
    assert 0 <= alive <= 1
    assert model.probability_alive(**history | {"T": T * 1.5}) <= alive + 1e-12
    more = model.expected_purchases([horizon, horizon * 1.1 + 0.1], **history)
    assert more[0] <= more[1]
    assert 0 <= more[0] <= alive * (model.r + x) / (model.alpha + T) * horizon * (1 + 1e-12) + 1e-300
    assert 0 <= model.purchase_count_pmf(3, horizon=horizon, **history) <= 1


@pytest.mark.parametrize("kind", MODELS)
def test_arrays_agree_with_numbers_also_when_many_are_alike(kind):
    model = kind(**CLASSIC[kind])
    rng = np.random.default_rng(5)
    x = rng.integers(0, 6, 700).astype(float)
    T = rng.integers(10, 60, 700) / 7
    last = np.where(x > 0, T * 0.5, 0)
    many = {"frequency": x, "recency": last, "T": T}
    one_by_one = range(0, 700, 97)

    def check(found, ask):
        for i in one_by_one:
            single = ask(frequency=float(x[i]), recency=float(last[i]), T=float(T[i]))
            assert isinstance(single, float)
            assert found[i] == pytest.approx(single, rel=1e-13)

    check(model.log_likelihood(**many), model.log_likelihood)
    check(model.probability_alive(**many), model.probability_alive)
    check(model.expected_purchases(12, **many), lambda **one: model.expected_purchases(12, **one))
    check(model.purchase_count_pmf(2, horizon=9, **many), lambda **one: model.purchase_count_pmf(2, horizon=9, **one))
    check(
        model.expected_residual_transactions(0.05, **many),
        lambda **one: model.expected_residual_transactions(0.05, **one),
    )
    both = model.expected_purchases(np.array([[1.0], [5.0]]), **many)
    assert both.shape == (2, 700)


@pytest.mark.parametrize("kind", MODELS)
def test_the_unit_of_time_rescales_exactly(kind):
    weeks = kind(**CLASSIC[kind], unit="week")
    stretched = {name: value * (7 if name in kind.TIMES else 1) for name, value in CLASSIC[kind].items()}
    days = kind(**stretched, unit="day")
    history, in_days = {"frequency": 3, "recency": 20.0, "T": 30.0}, {"frequency": 3, "recency": 140.0, "T": 210.0}
    assert weeks.probability_alive(**history) == pytest.approx(days.probability_alive(**in_days), rel=1e-13)
    assert weeks.expected_purchases(4, **history) == pytest.approx(days.expected_purchases(28, **in_days), rel=1e-12)
    assert weeks.next_purchase(0.3, **history) * 7 == pytest.approx(days.next_purchase(0.3, **in_days), rel=1e-12)
    density = days.log_likelihood(**in_days) + 3 * np.log(7)
    assert weeks.log_likelihood(**history) == pytest.approx(density, rel=1e-13)


def test_without_dropout_all_three_are_the_nbd():
    models = [
        BgNbd(r=0.7, alpha=5, a=0, b=1),
        MbgNbd(r=0.7, alpha=5, a=0, b=1),
        ParetoNbd(r=0.7, alpha=5, s=0, beta=1),
    ]
    history = {"frequency": 3, "recency": 20.0, "T": 30.0}
    for model in models:
        assert model.probability_alive(**history) == 1
        assert model.expected_purchases(10, **history) == pytest.approx(3.7 / 35 * 10, rel=1e-12)
        nbd = 0.7 * (1 - 10 / 15) ** 0.7 * (10 / 15)
        assert model.purchase_count_pmf(1, horizon=10) == pytest.approx(nbd, rel=1e-12)
        assert model.expected_residual_transactions(0.1) == pytest.approx(0.7 / 5 / np.log(1.1), rel=1e-9)
        assert model.simulate(T=[10.0] * 50, rng=1).frequency.sum() > 0


def test_one_time_buyers_are_alive_by_assumption_in_one_model_only():
    never = {"frequency": 0, "recency": 0, "T": [1, 39, 500]}
    assert BgNbd(**CLASSIC[BgNbd]).probability_alive(**never).tolist() == [1, 1, 1]
    for kind in (MbgNbd, ParetoNbd):
        assert (np.diff(kind(**CLASSIC[kind]).probability_alive(**never)) < 0).all()


def test_the_history_of_one_customer():
    """P(alive) jumps up at each purchase and falls between them."""
    model = BgNbd(**CLASSIC[BgNbd])
    at = [0, 4.9, 5, 20, 20.5, 39]
    found = model.alive_history([20.5, 5], at=at)
    assert found[0] == found[1] == 1
    assert found[4] > found[3]
    assert found[5] == model.probability_alive(frequency=2, recency=20.5, T=39)
    assert model.alive_history([20.5, 5], at=39) == found[5]
    once = MbgNbd(**CLASSIC[MbgNbd])
    assert once.alive_history([], at=[0, 39]).tolist() == [
        once.probability_alive(frequency=0, recency=0, T=T) for T in (0, 39)
    ]
    with pytest.raises(InvalidValue, match="different times"):
        model.alive_history([5, 5], at=10)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    ("history", "said"),
    [
        ({"frequency": 1, "recency": 5, "T": 4}, "recency exceeds T"),
        ({"frequency": 0, "recency": 5, "T": 9}, "recency must be 0 where frequency is 0"),
        ({"frequency": 2, "recency": 0, "T": 9}, "recency must be > 0 where frequency is > 0"),
        ({"frequency": 1.5, "recency": 5, "T": 9}, "frequency must be whole"),
        ({"frequency": [1, -1], "recency": 5, "T": 9}, r"frequency\[1\] must be a finite number >= 0, got -1"),
        ({"frequency": 1, "recency": float("nan"), "T": 9}, "recency must be a finite number >= 0, got nan"),
        ({"frequency": [1, 2], "recency": [1, 2, 3], "T": 9}, "arrays must have one shape"),
        ({"frequency": 1, "recency": 5, "T": None}, "T are missing"),
    ],
)
def test_impossible_histories(kind, history, said):
    model = kind(**CLASSIC[kind])
    with pytest.raises(InvalidValue, match=said):
        model.probability_alive(**history)
    with pytest.raises(InvalidValue, match=said):
        model.expected_purchases(3, **history)


@pytest.mark.parametrize("kind", MODELS)
def test_impossible_questions(kind):
    model = kind(**CLASSIC[kind])
    with pytest.raises(InvalidValue, match="horizon must be a finite number >= 0, got -1"):
        model.expected_purchases(-1)
    with pytest.raises(InvalidValue, match="count must be whole"):
        model.purchase_count_pmf(1.5, horizon=3)
    with pytest.raises(InvalidValue, match="discount must be a finite number > 0"):
        model.expected_residual_transactions(0)
    with pytest.raises(InvalidValue, match="probability must be a fraction above 0 and below 1"):
        model.next_purchase(1.0)
    with pytest.raises(InvalidType, match="rng must be"):
        model.simulate(T=[3], rng=None)
    with pytest.raises(InvalidType, match="horizon must be a number"):
        model.expected_purchases("52")
    with pytest.raises(ValueError, match="greater than 0"):
        kind(**CLASSIC[kind] | {"r": 0})
    with pytest.raises(ValueError, match="unit"):
        kind(**CLASSIC[kind], unit="fortnight")


@pytest.mark.parametrize("kind", MODELS)
def test_a_million_customers_are_answered_part_by_part(kind):
    model, rng = kind(**CLASSIC[kind]), np.random.default_rng(5)
    x = rng.integers(0, 4, 70_000).astype(float)
    T = rng.integers(10, 40, 70_000).astype(float)
    given = {"frequency": x, "recency": np.where(x > 0, np.floor(T / 2), 0.0), "T": T}
    before = {name: column.copy() for name, column in given.items()}
    for question in (model.probability_alive, model.log_likelihood):
        found = question(**given)
        for i in range(0, 70_000, 6_999):
            alone = question(**{name: float(column[i]) for name, column in given.items()})
            assert found[i] == pytest.approx(alone, rel=1e-13)
    assert all((given[name] == before[name]).all() for name in given)


@pytest.mark.parametrize("kind", [BgNbd, MbgNbd])
def test_nobody_has_left_where_nobody_leaves(kind):
    model = kind(r=0.2, alpha=1e-3, a=0, b=1)
    assert model.probability_alive(frequency=[0, 1000], recency=[0, 1], T=[5, 1e9]).tolist() == [1, 1]
    tiny = kind(r=0.2, alpha=3, a=1e-30, b=1e-30)
    odds = (12 / 7) ** 1.2 if kind is BgNbd else 0.0  # a / b is 1, a / (b + 1) as good as 0
    assert tiny.probability_alive(frequency=1, recency=4, T=9) == pytest.approx(1 / (1 + odds), rel=1e-12)


@pytest.mark.parametrize("kind", MODELS)
def test_parameters_go_to_text_and_back(kind):
    model = kind(**CLASSIC[kind], unit="week")
    assert kind.model_validate_json(model.model_dump_json()) == model
    assert list(model.parameters) == list(CLASSIC[kind])
    assert str(model).startswith(kind.__name__)
    assert "per week" in str(model)


def test_published_numbers_of_bg_nbd(predictive):
    fitted = dict(zip(("r", "alpha", "a", "b"), predictive("bg-exp52")["inputs"], strict=True))
    model = BgNbd(**fitted)
    heavy = {"frequency": 26, "recency": 216 / 7, "T": 31}
    assert model.expected_purchases(52) == pytest.approx(predictive("bg-exp52")["expected"], rel=1e-6)
    assert model.expected_purchases(52, **heavy) == pytest.approx(predictive("bg-cond")["expected"], rel=1e-6)
    assert model.probability_alive(**heavy) == pytest.approx(predictive("bg-alive")["expected"], rel=1e-6)
    paper = BgNbd(**dict(zip(("r", "alpha", "a", "b"), predictive("bg-cond2")["inputs"], strict=True)))
    found = paper.expected_purchases(39, frequency=2, recency=30.43, T=38.86)
    assert found == pytest.approx(predictive("bg-cond2")["expected"], rel=1e-3)
    counts = paper.purchase_count_pmf([10, 0, 11], horizon=[2, 39, 30])
    assert counts == pytest.approx(predictive("bg-pmf")["expected"], rel=1e-5)
    sheet = paper.expected_purchases([0.1429, 1, 3, 31.8571, 32, 78])
    assert sheet == pytest.approx(predictive("bg-exp")["expected"], rel=5e-3)


def test_published_likelihoods(predictive):
    parameters = {"r": 0.25, "alpha": 4, "a": 0.8, "b": 2.5}
    for kind, item in ((BgNbd, "bg-logp"), (MbgNbd, "mbg-logp")):
        found = kind(**parameters).log_likelihood(frequency=[0, 200], recency=[0, 38], T=40)
        assert found == pytest.approx(predictive(item)["expected"], rel=1e-6)


def test_published_numbers_of_pareto_nbd(predictive):
    item = predictive("pnbd-alive")
    model = ParetoNbd(**dict(zip(("r", "alpha", "s", "beta"), item["inputs"], strict=True)))
    heavy = {"frequency": 26, "recency": 216 / 7, "T": 31}
    assert model.probability_alive(**heavy) == pytest.approx(item["expected"], rel=1e-4)
    assert model.expected_purchases(52, **heavy) == pytest.approx(predictive("pnbd-cond")["expected"], rel=1e-4)
    item = predictive("pnbd-exp")
    manual = ParetoNbd(**dict(zip(("r", "alpha", "s", "beta"), item["inputs"], strict=True)))
    assert manual.expected_purchases(range(10)) == pytest.approx(item["expected"], rel=1e-6)
