"""The redemption model: closed forms, the exact recursion against enumeration of every customer's fate, refusals."""

import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.redemption import RedemptionModel

CHANCE = st.one_of(st.sampled_from([0.0, 1.0, 0.5]), st.floats(0.01, 0.99))


@st.composite
def models(draw, most=4, bursts=True):
    size = draw(st.integers(1, most))
    hazard = draw(st.lists(CHANCE, min_size=size, max_size=size))
    refund = draw(st.lists(CHANCE, min_size=size, max_size=size))
    burst = None
    if bursts and draw(st.booleans()):
        weights = draw(st.lists(st.integers(0, 5), min_size=1, max_size=3).filter(any))
        burst = [each / sum(weights) for each in weights]
    return RedemptionModel(hazard, refund, burst)


def fates(model, sessions, periods, gap=0):
    """Every course that one customer can take, as (probability, events); an event is (what, sessions used)."""

    def go(g, left, t):
        if t == periods or left == 0:
            yield 1.0, ()
            return
        h, q = model.hazard[min(g, model.buckets - 1)], model.refund[min(g, model.buckets - 1)]
        if q > 0:
            yield q, (("refund", left),)
        for k, share in enumerate([1.0] if model.burst is None else model.burst, start=1):
            if (1 - q) * h * share > 0:
                for p, later in go(0, left - min(k, left), t + 1):
                    yield (1 - q) * h * share * p, (("visit", min(k, left)), *later)
        if (1 - q) * (1 - h) > 0:
            for p, later in go(g + 1, left, t + 1):
                yield (1 - q) * (1 - h) * p, (("silence", 0), *later)

    return list(go(gap, sessions, 0))


def expected_by_hand(model, sessions, periods, gap=0):
    """Series of one customer's expected visits, sessions used, refunds, sessions refunded, and sessions left."""
    series = {name: np.zeros(periods) for name in ("visits", "delivered", "refunds", "refunded", "outstanding", "live")}
    for p, events in fates(model, sessions, periods, gap):
        left = sessions
        for t in range(periods):
            what, count = events[t] if t < len(events) else ("silence", 0)
            series["visits"][t] += p * (what == "visit")
            series["delivered"][t] += p * count * (what == "visit")
            series["refunds"][t] += p * (what == "refund")
            series["refunded"][t] += p * count * (what == "refund")
            left -= count
            series["outstanding"][t] += p * left
            series["live"][t] += p * (left > 0)
    return series


@pytest.mark.parametrize(
    ("sessions", "hazard", "after", "value"),
    [(10, 0.3, 12, 6.400015943230), (10, 0.3, 24, 2.922027542355), (5, 0.5, 4, 3.0), (1, 0.2, 10, 0.1073741824)],
)
def test_outstanding_of_customers_without_memory(sessions, hazard, after, value):
    model = RedemptionModel.geometric(hazard)
    assert model.outstanding(sessions, after) == pytest.approx(value, abs=1e-11)
    course = model.expected([1], sessions=sessions, periods=after)
    assert course.outstanding[-1] == pytest.approx(value, abs=1e-11)


@pytest.mark.parametrize(
    ("sessions", "hazard", "refund", "value"),
    [(10, 0.25, 0, 210), (10, 1, 0, 45), (1, 0.2, 0.05, 3.1666666666667), (4, 0.2, 0.05, 29.8526596258)],
)
def test_steady_state_of_customers_without_memory(sessions, hazard, refund, value):
    assert RedemptionModel.geometric(hazard, refund=refund).steady_state(sessions) == pytest.approx(value, rel=1e-11)


@given(models(most=3), st.integers(1, 3), st.integers(1, 5), st.integers(0, 3))
def test_the_recursion_adds_up_every_fate_of_a_customer(model, sessions, periods, gap):
    by_hand = expected_by_hand(model, sessions, periods, gap)
    start = np.zeros((model.buckets, sessions))
    start[min(gap, model.buckets - 1), -1] = 1
    course = model.expected(0, sessions=sessions, periods=periods, start=start)
    for name, series in by_hand.items():
        np.testing.assert_allclose(getattr(course, name), series, atol=1e-12, err_msg=name)


@given(models(most=3), st.integers(1, 3), st.integers(1, 5))
def test_a_sale_is_a_trial_in_its_own_period(model, sessions, periods):
    by_hand = expected_by_hand(model, sessions, periods)
    course = model.expected([0, 1], sessions=sessions, periods=periods + 1)
    for name, series in by_hand.items():
        np.testing.assert_allclose(getattr(course, name), np.append(0, series), atol=1e-12, err_msg=name)


@given(models(), st.integers(1, 4), st.integers(1, 6))
def test_the_state_says_how_long_and_how_much(model, sessions, periods):
    cells = Counter()
    for p, events in fates(model, sessions, periods):
        left, silent = sessions - sum(count for _, count in events), 0
        for what, _ in events:
            silent = 0 if what == "visit" else silent + 1
        if left:
            cells[min(silent, model.buckets - 1), left] += p
    state = model.expected([1], sessions=sessions, periods=periods).state[-1]
    for (g, left), p in cells.items():
        assert state[g, left - 1] == pytest.approx(p, abs=1e-12)
    assert state.sum() == pytest.approx(sum(cells.values()), abs=1e-12)


@given(models(), st.integers(1, 6), st.lists(st.floats(0, 50), min_size=1, max_size=12))
def test_what_is_sold_is_delivered_refunded_or_outstanding(model, sessions, sales):
    course = model.expected(sales, sessions=sessions)
    moved = np.cumsum(course.delivered + course.refunded) + course.outstanding
    np.testing.assert_allclose(moved, sessions * np.cumsum(sales), atol=1e-9)
    ended = (course.state * np.arange(1, sessions + 1)).sum(axis=(1, 2))
    np.testing.assert_allclose(ended, course.outstanding, atol=1e-9)


@given(models(), st.integers(1, 5), st.lists(st.integers(0, 9), min_size=2, max_size=8), st.data())
def test_a_course_can_be_cut_and_taken_up_again(model, sessions, sales, data):
    cut = data.draw(st.integers(1, len(sales) - 1))
    whole = model.expected(sales, sessions=sessions)
    early = model.expected(sales[:cut], sessions=sessions)
    late = model.expected(sales[cut:], sessions=sessions, start=early.state[-1])
    for name in ("visits", "delivered", "refunds", "refunded", "live", "outstanding"):
        joined = np.append(getattr(early, name), getattr(late, name))
        np.testing.assert_allclose(joined, getattr(whole, name), atol=1e-12)


@given(models(), st.integers(1, 5), st.lists(st.integers(0, 12), min_size=1, max_size=4))
def test_outstanding_is_the_course_of_a_single_sale(model, sessions, after):
    course = model.expected([1], sessions=sessions, periods=max(*after, 1))
    curve = np.append(sessions, course.outstanding)
    np.testing.assert_allclose(model.outstanding(sessions, after), curve[after], atol=1e-10)
    assert [model.outstanding(sessions, each) for each in after] == model.outstanding(sessions, after).tolist()


@given(st.floats(0.001, 0.999), st.floats(0, 0.5), st.integers(1, 12), st.integers(0, 400))
def test_equal_hazards_in_several_buckets_are_one_hazard(hazard, refund, sessions, after):
    one, several = RedemptionModel.geometric(hazard, refund=refund), RedemptionModel([hazard] * 3, refund)
    slow = RedemptionModel([hazard] * 3, refund, burst=[1.0])
    assert several.outstanding(sessions, after) == one.outstanding(sessions, after)
    assert slow.outstanding(sessions, after) == pytest.approx(one.outstanding(sessions, after), rel=1e-9, abs=1e-12)
    assert several.steady_state(sessions) == pytest.approx(one.steady_state(sessions), rel=1e-9)


def test_the_binomial_sum_holds_for_long_times_and_large_packages():
    model = RedemptionModel.geometric(0.5)
    exact = sum((600 - j) * math.comb(1_100, j) for j in range(600)) / 2**1_100
    assert model.outstanding(600, 1_100) == pytest.approx(float(exact), rel=1e-10)
    assert RedemptionModel.geometric(0).outstanding(7, 10**9) == 7
    assert RedemptionModel.geometric(1).outstanding(7, [0, 3, 7, 9]).tolist() == [7, 4, 0, 0]
    assert RedemptionModel([0.5, 0.0]).outstanding(1, 10**9) == 0.5


@given(models(bursts=True), st.integers(1, 5))
def test_steady_state_is_the_sum_of_all_ages(model, sessions):
    if model.refund[-1] + model.hazard[-1] < 0.05:
        return
    ages = model.expected([1], sessions=sessions, periods=1_000).outstanding
    assert model.steady_state(sessions) == pytest.approx(ages.sum(), rel=1e-9, abs=1e-9)


def test_steady_state_is_reached_by_selling_long_enough():
    model = RedemptionModel([0.6, 0.3, 0.1], refund=[0.0, 0.02, 0.05], burst=[0.7, 0.3])
    course = model.expected(40, sessions=10, periods=600)
    assert course.outstanding[-1] == pytest.approx(40 * model.steady_state(10), rel=1e-9)
    assert course.delivered[-1] == pytest.approx(40 * model.redeemed(10), rel=1e-9)


def test_sessions_pile_up_when_some_never_come_back():
    with pytest.raises(UndefinedMetric, match="after 1 silent periods nobody comes"):
        RedemptionModel([0.5, 0.0]).steady_state(3)
    assert RedemptionModel([1.0, 0.0]).steady_state(3) == 3


@given(models(), st.integers(0, 5), st.integers(1, 7))
def test_return_probability_adds_up_every_fate_with_a_visit(model, gap, horizon):
    by_hand = sum(p for p, events in fates(model, 1, horizon, gap) if ("visit", 1) in events)
    assert model.return_probability(gap, horizon) == pytest.approx(by_hand, abs=1e-12)


@given(models(), st.integers(0, 6))
def test_return_for_ever_is_the_limit_of_long_horizons(model, gap):
    for_ever = model.return_probability(gap, None)
    assert model.return_probability(gap, 5_000) == pytest.approx(for_ever, abs=1e-9)
    shorter = [model.return_probability(gap, m) for m in (1, 2, 5, 20)]
    assert shorter == sorted(shorter)
    assert shorter[-1] <= for_ever + 1e-12


def test_refunds_compete_with_returns():
    model = RedemptionModel.geometric(0.2, refund=0.1)
    assert model.return_probability(4, None) == pytest.approx(0.9 * 0.2 / (1 - 0.9 * 0.8))
    assert RedemptionModel.geometric(1.0, refund=1.0).return_probability(0, None) == 0
    many = RedemptionModel([0.6, 0.2, 0.05])
    assert many.return_probability([[0, 1], [2, 9]], 3).shape == (2, 2)
    assert many.return_probability([0, 1, 2, 9], 3).tolist() == [many.return_probability(g, 3) for g in (0, 1, 2, 9)]


@given(models(most=3), st.integers(1, 4), st.integers(0, 4))
def test_redeemed_is_what_a_long_course_delivers(model, sessions, gap):
    if 0 < model.refund[-1] + model.hazard[-1] < 0.2:
        return
    start = np.zeros((model.buckets, sessions))
    start[min(gap, model.buckets - 1), -1] = 1
    course = model.expected(0, sessions=sessions, periods=250, start=start)
    assert model.redeemed(sessions, gap=gap) == pytest.approx(course.delivered.sum(), abs=1e-9)
    assert model.redeemed(sessions, gap=[gap, gap]).tolist() == [model.redeemed(sessions, gap=gap)] * 2


def test_edges():
    one = RedemptionModel([0.3], refund=1.0)
    course = one.expected([5], sessions=1)
    assert course.refunds.tolist() == [5]
    assert course.visits.tolist() == [0]
    assert course.outstanding.tolist() == [0]
    never = RedemptionModel([0.0]).expected([5, 0], sessions=2)
    assert never.outstanding.tolist() == [10, 10]
    assert never.state[1].tolist() == [[0, 5]]
    always = RedemptionModel([1.0]).expected([5], sessions=2, periods=2)
    assert always.visits.tolist() == [5, 5]
    assert always.outstanding.tolist() == [5, 0]
    glutton = RedemptionModel([1.0], burst=[0, 0, 1]).expected([5], sessions=2)
    assert glutton.delivered.tolist() == [10]
    assert glutton.visits.tolist() == [5]
    mixed = RedemptionModel([1.0]).expected([1], sessions=1, start=[[0, 0, 2.0]])
    assert mixed.delivered.tolist() == [3]
    assert mixed.outstanding.tolist() == [4]


def test_clockwork():
    course = RedemptionModel.deterministic(3).expected([1], sessions=2, periods=8)
    assert course.visits.tolist() == [0, 0, 1, 0, 0, 1, 0, 0]
    assert RedemptionModel.deterministic(1).steady_state(10) == 45


def hidden_chain(active, dormant, lapse, refund, periods):
    """P(the first visit is in each period), of a customer who is active or dormant, without any gap."""
    awake, asleep, found = 1.0, 0.0, []
    for _ in range(periods):
        awake, asleep = awake * (1 - refund), asleep * (1 - refund)
        found.append(awake * active + asleep * dormant)
        awake, asleep = awake * (1 - active), asleep * (1 - dormant)
        awake, asleep = awake * (1 - lapse), asleep + awake * lapse
    return found


@given(CHANCE, CHANCE, CHANCE, st.sampled_from([0.0, 0.1]))
def test_the_gap_hazard_of_a_hidden_chain(active, dormant, lapse, refund):
    model = RedemptionModel.two_state(active=active, dormant=dormant, lapse=lapse, refund=refund, buckets=9)
    course = model.expected([1], sessions=1, periods=8)
    np.testing.assert_allclose(course.visits, hidden_chain(active, dormant, lapse, refund, 8), atol=1e-12)


@pytest.mark.parametrize("buckets", [1, 2, 5, 40])
@pytest.mark.parametrize(("active", "dormant", "lapse"), [(0.7, 0.05, 0.3), (0.2, 0.4, 1.0), (1.0, 0.3, 0.5)])
def test_the_last_bucket_keeps_the_mean_wait(buckets, active, dormant, lapse):
    model = RedemptionModel.two_state(active=active, dormant=dormant, lapse=lapse, buckets=buckets)
    first = np.array(hidden_chain(active, dormant, lapse, 0.0, 4_000))
    mean_wait = first @ np.arange(first.size)
    assert model.steady_state(1) == pytest.approx(mean_wait, rel=1e-9)
    assert model.steady_state(10) == pytest.approx(10 * 11 / 2 * (mean_wait + 1) - 10, rel=1e-9)


def test_chains_that_stand_still():
    assert RedemptionModel.two_state(active=0, dormant=0, lapse=0, buckets=3).hazard.tolist() == [0, 0, 0]
    assert RedemptionModel.two_state(active=0.5, dormant=0, lapse=0.5, buckets=3).hazard[-1] == 0
    assert RedemptionModel.two_state(active=0.5, dormant=0, lapse=0, buckets=3).hazard.tolist() == [0.5] * 3
    assert RedemptionModel.two_state(active=0, dormant=0.2, lapse=1, buckets=3).hazard.tolist() == [0, 0.2, 0.2]
    assert RedemptionModel.two_state(active=1, dormant=0.2, lapse=0.4, buckets=5).hazard.tolist() == [1]


def test_models_are_plain_values():
    model = RedemptionModel([0.5, 0.25], refund=0.01, burst=[0.75, 0.25])
    again = RedemptionModel.from_dict(json.loads(json.dumps(model.to_dict())))
    assert again.to_dict() == model.to_dict()
    assert model.refund.tolist() == [0.01, 0.01]
    assert RedemptionModel.from_dict({"hazard": [0.5]}).burst is None
    with pytest.raises(ValueError, match="read-only"):
        model.hazard[0] = 1
    assert str(model) == (
        "gap   visit  refund\n  0  0.5000  0.0100\n 1+  0.2500  0.0100\nsessions a visit: 1 with 0.7500, 2 with 0.2500"
    )
    course = model.expected([2, 1], sessions=3)
    assert json.loads(json.dumps(course.to_dict()))["sold"] == [2, 1]
    assert list(course.to_frame()["period"]) == [0, 1]
    assert len(course) == 2
    assert "outstanding" in str(course)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: RedemptionModel([]), InvalidValue, "hazard is empty"),
        (lambda: RedemptionModel([0.5, 1.5]), InvalidValue, r"hazard\[1\] must be a fraction from 0 to 1"),
        (lambda: RedemptionModel([0.5, -0.1]), InvalidValue, r"hazard\[1\]"),
        (lambda: RedemptionModel([0.5, math.nan]), InvalidValue, r"hazard\[1\].*leave missing values out"),
        (lambda: RedemptionModel.deterministic(10**7), InvalidValue, "gap must be at most 1,000,000, got 1e\\+07"),
        (lambda: RedemptionModel([0.5]).redeemed(2, gap=1e300), InvalidValue, "gap must be below 2"),
        (lambda: RedemptionModel([0.5]).expected(1e300, sessions=1, periods=2), InvalidValue, "sales must be below 2"),
        (
            lambda: RedemptionModel([0.5] * 9).expected(1, sessions=10**4, periods=10**4),
            InvalidValue,
            "periods, gap buckets and sessions are 9e\\+08 cells together; they must be at most 134,217,728",
        ),
        (lambda: RedemptionModel([True]), InvalidType, r"hazard\[0\]"),
        (lambda: RedemptionModel(0.5), InvalidValue, r"hazard must be a list .*write \[0.5\]"),
        (lambda: RedemptionModel([[0.5]]), InvalidValue, r"hazard must be one row"),
        (lambda: RedemptionModel([0.5, 0.4], refund=[0.1]), InvalidValue, "each of the 2 gap buckets"),
        (lambda: RedemptionModel([0.5], refund=[1.1]), InvalidValue, r"refund\[0\]"),
        (lambda: RedemptionModel([0.5], refund=math.inf), InvalidValue, "refund must be"),
        (lambda: RedemptionModel([0.5], burst=[0.5, 0.4]), InvalidValue, "burst must add up to 1, got 0.9"),
        (lambda: RedemptionModel([0.5], burst=[]), InvalidValue, "burst is empty"),
        (lambda: RedemptionModel([0.5], burst=[1.5, -0.5]), InvalidValue, r"burst\[0\]"),
        (lambda: RedemptionModel([0.5], burst=1), InvalidValue, "burst must be a list"),
        (lambda: RedemptionModel.geometric([0.5, 0.5]), InvalidValue, "hazard must be one number"),
        (lambda: RedemptionModel.deterministic(0), InvalidValue, "gap must be a whole number >= 1"),
        (lambda: RedemptionModel.two_state(active=2, dormant=0, lapse=0), InvalidValue, "active must be"),
        (lambda: RedemptionModel.two_state(active=0, dormant=-1, lapse=0), InvalidValue, "dormant must be"),
        (lambda: RedemptionModel.two_state(active=0, dormant=0, lapse=3), InvalidValue, "lapse must be"),
        (lambda: RedemptionModel.two_state(active=0, dormant=0, lapse=0, buckets=0), InvalidValue, "buckets must be"),
        (lambda: RedemptionModel.from_dict({"refund": 0}), InvalidValue, "values must have hazard"),
        (lambda: RedemptionModel.from_dict({"hazard": [1], "life": 3}), InvalidValue, "values must have hazard"),
        (lambda: RedemptionModel.from_dict([0.5]), InvalidType, "values must be a dict"),
    ],
)
def test_models_that_are_refused(build, error, message):
    with pytest.raises(error, match=message):
        build()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda m: m.expected(5, sessions=2), "periods is missing"),
        (lambda m: m.expected([5, -1], sessions=2), r"sales\[1\]"),
        (lambda m: m.expected([[5]], sessions=2), "sales must be one number or one for each period"),
        (lambda m: m.expected([5, 5], sessions=2, periods=1), "not be less than the 2 periods of sales"),
        (lambda m: m.expected([5], sessions=0), "sessions must be a whole number >= 1"),
        (lambda m: m.expected([5], sessions=2, periods=1.5), "periods must be a whole number"),
        (lambda m: m.expected([5], sessions=2, start=[[1, 2]]), "each of the 2 gap buckets .* got shape"),
        (lambda m: m.expected([5], sessions=2, start=3), "each of the 2 gap buckets"),
        (lambda m: m.expected([5], sessions=2, start=[[1, 2], [0, -1]]), r"start\[1, 1\]"),
        (lambda m: m.outstanding(2, -1), "after must be"),
        (lambda m: m.outstanding(2, [1, 1.5]), r"after must be whole .*first at \[1\]"),
        (lambda m: m.outstanding(1.5, 2), "sessions must be a whole number"),
        (lambda m: m.steady_state(0), "sessions must be a whole number >= 1"),
        (lambda m: m.redeemed(2, gap=0.5), "gap must be whole"),
        (lambda m: m.return_probability(-1, 3), "gap must be"),
        (lambda m: m.return_probability(1, 0), "horizon must be a whole number >= 1"),
    ],
)
def test_questions_that_are_refused(ask, message):
    with pytest.raises(InvalidValue, match=message):
        ask(RedemptionModel([0.5, 0.25]))
