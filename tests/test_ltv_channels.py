"""Channels with their uncertainty, what one more customer costs, and cost per lead over time."""

import itertools
import json
import math

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from retention_metrics import ltv
from retention_metrics.errors import InvalidType, InvalidValue, MissingColumn, UndefinedMetric
from retention_metrics.ltv import _tails

# Exact limits


def test_the_published_limits_of_a_poisson_count():
    """Garwood's 95 % limits as tabled by Ulm (1990), and 3 over n for no events, one-sided."""
    low, high = _tails.poisson_limits(np.array([0.0, 5.0, 10.0]), 0.95)
    np.testing.assert_allclose(low, [0, 1.6235, 4.7954], atol=5e-5)
    np.testing.assert_allclose(high, [3.6889, 11.6683, 18.3904], atol=5e-5)
    assert _tails.poisson_high(np.zeros(1), 0.05)[0] == pytest.approx(-math.log(0.05))


def poisson(k, mean):
    return math.exp(k * math.log(mean) - mean - math.lgamma(k + 1))


@given(st.lists(st.integers(0, 400), min_size=1, max_size=8), st.floats(0.5, 0.999))
def test_poisson_limits_leave_half_of_the_rest_in_each_tail(counts, level):
    low, high = _tails.poisson_limits(np.array(counts, dtype=float), level)
    for count, l_, h in zip(counts, low.tolist(), high.tolist(), strict=True):
        tail = math.fsum(poisson(k, h) for k in range(count + 1))
        assert tail == pytest.approx((1 - level) / 2, rel=1e-9)
        if count:
            assert 1 - math.fsum(poisson(k, l_) for k in range(count)) == pytest.approx((1 - level) / 2, rel=1e-6)
        else:
            assert l_ == 0


def test_a_large_count_has_the_limits_of_the_normal_distribution():
    low, high = _tails.poisson_limits(np.array([1e6]), 0.95)
    assert [low[0], high[0]] == pytest.approx([1e6 - 1959.96, 1e6 + 1959.96], abs=4)


def binomial(k, n, p):
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


@given(st.integers(1, 60), st.data())
def test_binomial_tails_are_those_of_plain_sums(n, data):
    k, p = data.draw(st.integers(0, n)), data.draw(st.floats(0.01, 0.99))
    below = math.fsum(binomial(j, n, p) for j in range(k + 1))
    above = math.fsum(binomial(j, n, p) for j in range(k, n + 1))
    found = _tails.binomial_p(np.array([float(k)]), np.array([float(n)]), np.array([p]))[0]
    assert found == pytest.approx(min(1, 2 * min(below, above)), rel=1e-9)
    low, high = _tails.binomial_limits(k, n, 0.025)
    if k:
        assert math.fsum(binomial(j, n, low) for j in range(k, n + 1)) == pytest.approx(0.025, rel=1e-6)
    if k < n:
        assert math.fsum(binomial(j, n, high) for j in range(k + 1)) == pytest.approx(0.025, rel=1e-6)


def test_published_quantiles_of_student():
    table = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 7: 2.365, 10: 2.228, 30: 2.042}
    for degrees, quantile in table.items():
        assert _tails.student_quantile(0.95, degrees) == pytest.approx(quantile, abs=5e-4)
        assert _tails.student_p(quantile, degrees) == pytest.approx(0.05, abs=1e-4)
    assert _tails.student_p(1.0, 1) == pytest.approx(0.5)
    assert _tails.student_p(-1.0, 2) == pytest.approx(1 - 1 / math.sqrt(3))


# The table of channels


def test_spent_and_nobody_came(reference):
    example = reference("S-ADS-01")
    phrases, expect = example["input"]["phrases"], example["expect"]["cac"]
    spend, customers = zip(*phrases.values(), strict=True)
    found = ltv.channels({"phrase": list(phrases), "spend": spend, "customers": customers}, by="phrase")
    assert {row.channel: row.cac for row in found.rows} == expect
    nobody = found.row("for a house")
    assert nobody.reason.startswith("no CAC: nobody came for 100.00")
    assert nobody.at_least == pytest.approx(100 / -math.log(0.05))
    assert nobody.statement == "nobody came; at least 33 a customer with 95 % confidence"
    assert nobody.interval is None
    assert nobody.payback is None
    some = found.row("for a fence")
    assert (some.interval.low, some.interval.high) == pytest.approx((50 / 11.66833, 50 / 1.62349), rel=1e-5)
    assert found.to_dict()["cac_low"][0] == nobody.at_least
    test = found.compare("for a house", "for a fence")
    assert test.p_value == pytest.approx(2 * (1 / 3) ** 5)
    assert test.ratio == test.interval().low == 0
    assert test.interval().high < 1


def test_the_salon_pays_though_the_first_month_does_not(reference):
    example = reference("S-LTV-03")
    given_, expect = example["input"], example["expect"]
    table = {
        "channel": ["search"],
        "spend": [given_["agency_fee"] + given_["clicks"]],
        "customers": [given_["clients"]],
        "first_margin": [given_["margin_per_month"]],
        "margin": [given_["margin_per_month"]],
        "ltv": [ltv.lifetime_value(margin=given_["margin_per_month"], periods=given_["months"])],
    }
    (row,) = ltv.channels(table).rows
    close = {"abs": example["tol"]}
    assert row.cac == pytest.approx(expect["cac"], **close)
    assert row.ltv == expect["ltv"]
    assert row.ltv_to_cac == pytest.approx(expect["ltv_to_cac"], **close)
    assert row.first_sale_minus_cac == pytest.approx(5 - expect["cac"], **close)
    assert row.ltv_minus_cac == pytest.approx(60 - expect["cac"], **close)
    assert row.payback.periods == 6
    assert row.verdict == "pays", "15 clients cost at most 410 / 8.395 = 48.84, less than 60"
    assert row.interval.high == pytest.approx(410 / 8.3954, rel=1e-4)
    assert "the first sale alone brings 5.00 and would have called it a loss (-22.33)" in row.statement
    assert row.statement.endswith("where the lifetime says +32.67")
    assert row.p_value is None


def test_building_materials_beside_their_wrong_comparison(reference):
    example = reference("S-LTV-02")
    given_, expect = example["input"], example["expect"]
    margin = given_["average_check"] * given_["margin_share"]
    table = {
        "channel": ["ads"],
        "spend": [given_["ad_spend"]],
        "customers": [given_["deals"]],
        "first_margin": [margin],
        "ltv": [margin * given_["purchases_per_year"]],
    }
    (row,) = ltv.channels(table).rows
    assert row.cac == expect["cac"]
    assert row.first_sale_minus_cac == pytest.approx(expect["ltv_one_sale_minus_cac"])
    assert row.ltv_minus_cac == pytest.approx(expect["ltv_year_minus_cac"])
    assert row.ltv_to_cac == pytest.approx(expect["ltv_to_cac"])


books = st.lists(st.tuples(st.floats(1, 1e4), st.integers(0, 200), st.floats(-100, 500)), min_size=1, max_size=6)


def table_of(rows, **columns):
    spend, customers, worth = (list(column) for column in zip(*rows, strict=True))
    names = [f"channel {i}" for i in range(len(rows))]
    return {"channel": names, "spend": spend, "customers": customers, "ltv": worth} | columns


@given(books, st.floats(0.6, 0.99))
def test_the_verdict_is_where_the_value_lies_beside_the_limits_of_the_cost(rows, level):
    found = ltv.channels(table_of(rows), level=level)
    for (spend, customers, worth), row in zip(rows, found.rows, strict=True):
        if customers:
            assert row.cac == pytest.approx(spend / customers)
            assert row.interval.low < row.cac < row.interval.high
            low, high = row.interval.low, row.interval.high
        else:
            assert row.at_least == pytest.approx(spend / -math.log(1 - level))
            low, high = row.at_least, math.inf
        assert row.verdict == ("pays" if high < worth else "loses" if low > worth else "unsure")
    assert ltv.Channels.model_validate_json(found.model_dump_json()) == found
    assert len(json.dumps(found.to_dict())) > 0


@given(books, st.floats(0.01, 100))
def test_verdicts_and_tests_have_no_currency(rows, rate):
    one = ltv.channels(table_of(rows))
    other = ltv.channels(table_of([(spend * rate, customers, worth * rate) for spend, customers, worth in rows]))
    for a, b in zip(one.rows, other.rows, strict=True):
        assert (a.p_value or 0) == pytest.approx(b.p_value or 0, rel=1e-6)
        limit = a.interval.high if a.interval else math.inf
        low = a.interval.low if a.interval else a.at_least
        if all(abs(a.ltv - edge) > 1e-6 for edge in (limit, low)):
            assert a.verdict == b.verdict


@given(st.floats(1, 1e3), st.integers(0, 60), st.floats(1, 1e3), st.integers(0, 60))
def test_the_comparison_of_two_is_exact_and_mirrors(s1, n1, s2, n2):
    assume(n1 + n2)
    found = ltv.channels(table_of([(s1, n1, 0), (s2, n2, 0)]))
    test, back = found.compare("channel 0", "channel 1"), found.compare("channel 1", "channel 0")
    share, n = s1 / (s1 + s2), n1 + n2
    below = math.fsum(binomial(k, n, share) for k in range(n1 + 1))
    above = math.fsum(binomial(k, n, share) for k in range(n1, n + 1))
    assert test.p_value == pytest.approx(min(1, 2 * min(below, above)), rel=1e-6)
    assert test.p_value == pytest.approx(back.p_value, rel=1e-9)
    assert found.rows[0].p_value == pytest.approx(min(1, 2 * test.p_value))  # Holm, of two equal p-values
    if n1 and n2:
        assert test.ratio * back.ratio == pytest.approx(1)
        span, mirrored = test.interval(), back.interval()
        assert span.low < test.ratio < span.high
        assert span.low * mirrored.high == pytest.approx(1, rel=1e-6)
        if abs(test.p_value - 0.05) > 1e-6:
            assert (span.low <= 1 <= span.high) == (test.p_value > 0.05)


def test_against_the_rest_the_many_phrases_are_corrected_for():
    """30 phrases of one cost, over and over: at 5 % hardly ever is any of them called different."""
    rng = np.random.default_rng(6)
    names = [f"phrase {i}" for i in range(30)]
    false = 0
    for _ in range(100):
        table = {"channel": names, "spend": [100] * 30, "customers": rng.poisson(4, 30)}
        false += any(row.p_value < 0.05 for row in ltv.channels(table).rows)
    assert false <= 8
    loud = ltv.channels({"channel": names, "spend": [100] * 30, "customers": [25] + [4] * 29})
    assert loud.rows[0].p_value < 1e-6
    assert all(row.p_value == 1 for row in loud.rows[1:])


def test_the_limits_of_the_cost_cover_as_promised():
    """Exact over Poisson counts: intervals miss no more often than promised, nor does the limit when nobody came."""
    counts = list(range(90))
    rows = ltv.channels({"channel": list(map(str, counts)), "spend": [1] * 90, "customers": counts}).rows
    for mean in (1.0, 3.0, 7.5, 20.0, 40.0):
        missed = [row for row in rows[1:] if not row.interval.low <= 1 / mean <= row.interval.high]
        assert math.fsum(poisson(row.customers, mean) for row in missed) <= 0.05
        assert poisson(0, mean) * (rows[0].at_least > 1 / mean) <= 0.05
    assert math.fsum(poisson(row.customers, 40.0) for row in missed) > 0.015


def test_worth_from_margin_and_churn_row_by_row():
    table = {
        "channel": ["a", "b", "c", "d"],
        "spend": [300, 300, 300, 0],
        "customers": [30, 30, 30, 4],
        "margin": [2, 2, None, 2],
        "churn": [0.1, 0, 0.1, 0.1],
    }
    found = ltv.channels(table)
    assert [row.ltv for row in found.rows] == [20, None, None, 20]
    assert found.row("b").reason == "no ltv: churn is 0, so the lifetime has no end; give a horizon"
    assert found.row("c").reason == "no ltv, nor margin and churn to make it of"
    assert [row.verdict for row in found.rows] == ["pays", "value unknown", "value unknown", "pays"]
    assert found.row("a").payback == ltv.payback(cac=10, margin=2, churn=0.1)
    assert found.row("b").payback.periods == 5
    free = found.row("d")
    assert (free.cac, free.ltv_to_cac, free.payback.periods, free.p_value) == (0, None, 0, None)
    dear = ltv.channels({"channel": ["a"], "spend": [300], "customers": [3], "ltv": [50], "margin": [2]}).rows[0]
    assert dear.payback.reason == "a customer brings 50 in all and costs 100"
    nothing = ltv.channels({"channel": ["a"], "spend": [0], "customers": [0], "ltv": [50]}).rows[0]
    assert (nothing.verdict, nothing.at_least) == ("unsure", None)
    assert nothing.statement == "nothing was spent and nobody came"


@pytest.mark.parametrize(
    "make",
    [pd.DataFrame, pl.DataFrame, lambda data: pl.DataFrame(data).lazy(), pa.table],
    ids=["pandas", "polars", "lazy", "arrow"],
)
def test_a_frame_is_as_good_as_a_dict(make):
    data = {
        "channel": ["a", "b"],
        "clicks": [10, 20],
        "spend": [300.0, 100.0],
        "customers": [30, 0],
        "ltv": [20.0, None],
    }
    assert ltv.channels(make(data)).to_dict() == ltv.channels(data).to_dict()
    frame = ltv.channels(make(data)).to_frame("polars")
    assert frame["cac"].to_list() == [10, None]
    assert frame["verdict"].to_list() == ["pays", "value unknown"]


def test_the_table_as_text_fits_the_screen_and_says_it_in_words():
    text = str(ltv.channels(table_of([(410, 15, 60), (100, 0, 60), (50, 3, 10)], first_margin=[5, 5, None])))
    lines = text.splitlines()
    assert all(len(line) <= 120 for line in lines[:4])
    assert lines[0].split()[:4] == ["channel", "spend", "customers", "CAC"]
    assert lines[4] == ""
    assert "channel 1: nobody came; at least 33 a customer with 95 % confidence, who would bring 60.00: too" in text
    assert "first sale" not in lines[-1]


BOOK = {"channel": ["a", "b"], "spend": [10, 20], "customers": [1, 2]}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"channel": ["a", "a"]}, InvalidValue, r"channel\[1\] is 'a' for the second time; add up"),
        ({"channel": ["a", None]}, InvalidType, r"channel\[1\] must be a name, got None"),
        ({"channel": []}, InvalidValue, "table is empty"),
        ({"spend": [10, -1]}, InvalidValue, r"spend\[1\] must be a finite number >= 0"),
        ({"spend": [10, 20, 30]}, InvalidValue, "spend must be one number a channel, got 3 for 2"),
        ({"spend": [10, None]}, InvalidType, r"spend\[1\] must be a number"),
        ({"customers": [1, 2.5]}, InvalidValue, r"customers must be whole numbers of people; first at \[1\]"),
        ({"customers": [1, 1e17]}, InvalidValue, "customers must be whole numbers"),
        ({"churn": [0.1, 5]}, InvalidValue, r"churn\[1\] must be a fraction"),
        ({"ltv": [1]}, InvalidValue, "ltv must be one number or None a channel, got 1 for 2"),
        ({"ltv": 60}, InvalidType, "ltv must be a column, one element a channel, got 60"),
        ({"channel": "ab"}, InvalidType, "channel must be a column"),
        ({"ltv": [1, "2"]}, InvalidType, r"ltv\[1\] must be a number"),
    ],
)
def test_bad_tables_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        ltv.channels(BOOK | change)


def test_what_else_a_table_refuses():
    with pytest.raises(MissingColumn, match="table has no column 'phrase'; it has 'channel', 'spend', 'customers'"):
        ltv.channels(BOOK, by="phrase")
    with pytest.raises(InvalidType, match="table must be a dict of columns or a dataframe, got list"):
        ltv.channels([1, 2])
    with pytest.raises(InvalidValue, match="level must be a fraction"):
        ltv.channels(BOOK, level=95)
    found = ltv.channels({"channel": ["a", "b", "c", "d"], "spend": [10, 0, 5, 7], "customers": [1, 2, 0, 0]})
    with pytest.raises(InvalidValue, match="channel must be one of 'a', 'b', 'c', 'd', got 'e'"):
        found.row("e")
    with pytest.raises(InvalidValue, match="must be two channels, got 'a' twice"):
        found.compare("a", "a")
    with pytest.raises(UndefinedMetric, match="nothing was spent on b"):
        found.compare("a", "b")
    with pytest.raises(UndefinedMetric, match="nobody came through either"):
        found.compare("c", "d")
    test = found.compare("a", "c")
    for ask in (lambda: test.ratio, test.interval):
        with pytest.raises(UndefinedMetric, match="nobody came through c"):
            ask()


# One more customer


@given(st.floats(0, 1e4), st.floats(0, 1e4), st.integers(0, 100), st.integers(0, 100))
def test_the_marginal_cost_is_the_slope_between_two_periods(s1, s2, n1, n2):
    assume(abs(s1 - s2) > 1)
    one = ltv.marginal_cost(spend_before=s1, spend_after=s2, customers_before=n1, customers_after=n2)
    two = ltv.marginal_cost(spend_before=s2, spend_after=s1, customers_before=n2, customers_after=n1)
    assert one == two, "which of the periods came first does not matter"
    slope = (n2 - n1) / (s2 - s1)
    if slope > 0:
        assert one.value == pytest.approx(1 / slope)
        assert one.at_least() < one.value
    else:
        with pytest.raises(UndefinedMetric, match="more brought"):
            _ = one.value
    try:
        span = one.interval()
    except UndefinedMetric:
        assert abs(n2 - n1) < 1.96 * math.sqrt(n1 + n2) + 6 or slope < 0
    else:
        assert span.low < one.value < span.high
        assert one.at_least(0.975) == pytest.approx(span.low)


def test_the_next_customer_is_dearer_than_the_average_one():
    more = ltv.marginal_cost(spend_before=400, spend_after=1_600, customers_before=40, customers_after=80)
    assert more.value == 30
    span = more.interval()
    down = math.hypot(80 - 63.44, 54.47 - 40)  # Garwood's limits of 40 and of 80
    up = math.hypot(99.57 - 80, 40 - 28.58)
    assert (span.low, span.high) == pytest.approx((1_200 / (40 + up), 1_200 / (40 - down)), rel=1e-3)
    assert span.method == "mover"


def test_the_interval_of_the_marginal_cost_covers_as_promised():
    """Exact over both counts: 20 customers for 100, 32 for 200; where no limit is claimed, none is missed."""
    missed = 0.0
    for n1, n2 in itertools.product(range(2, 45), range(8, 65)):
        chance = poisson(n1, 20) * poisson(n2, 32)
        if chance < 1e-5:
            continue
        more = ltv.marginal_cost(spend_before=100, spend_after=200, customers_before=n1, customers_after=n2)
        try:
            span = more.interval()
        except UndefinedMetric:
            continue
        missed += chance * (not span.low <= 100 / 12 <= span.high)
    assert 0.005 < missed < 0.05


def test_what_the_marginal_cost_refuses():
    unsure = ltv.marginal_cost(spend_before=100, spend_after=200, customers_before=5, customers_after=6)
    with pytest.raises(UndefinedMetric, match=r"may not have become more at all.*see at_least\(\)"):
        unsure.interval()
    assert 0 < unsure.at_least() < 100
    fewer = ltv.marginal_cost(spend_before=100, spend_after=200, customers_before=60, customers_after=5)
    with pytest.raises(UndefinedMetric, match="more brought -55 customers"):
        _ = fewer.value
    with pytest.raises(UndefinedMetric, match="beyond doubt"):
        fewer.at_least()
    for arguments, message in (
        ({"spend_after": 100}, "both periods have the same spend"),
        ({"spend_before": -1}, "spend_before must be"),
        ({"customers_after": 2.5}, "customers_after must be a whole number"),
    ):
        with pytest.raises(InvalidValue, match=message):
            ltv.marginal_cost(
                **{"spend_before": 100, "spend_after": 200, "customers_before": 5, "customers_after": 6} | arguments
            )
    with pytest.raises(InvalidValue, match="level must be above 0.5"):
        unsure.at_least(0.4)


# Cost per lead over time


def regression(spend, leads):
    """Poisson regression of leads with the logarithm of spend as offset, by Newton's method on both coefficients."""
    place = np.arange(len(spend))
    design = np.stack([np.ones(len(spend)), place], axis=1)
    beta = np.array([math.log(sum(leads) / sum(spend)), 0.0])
    for _ in range(200):
        mean = spend * np.exp(design @ beta)
        information = design.T @ (design * mean[:, None])
        step = np.linalg.solve(information, design.T @ (leads - mean))
        beta = beta + step / max(1, *abs(step))
    return beta, np.linalg.inv(information), mean


months = st.lists(st.tuples(st.floats(50, 500), st.integers(0, 40)), min_size=3, max_size=10)


@given(months)
def test_the_trend_is_a_poisson_regression(rows):
    spend, leads = (np.array(column) for column in zip(*rows, strict=True))
    assume(leads[1:].sum() > 0)
    assume(leads[:-1].sum() > 0)
    beta, covariance, mean = regression(spend, leads)
    found = ltv.cost_trend(spend=spend, leads=leads)
    assert found.slope == pytest.approx(-beta[1], abs=1e-7)
    assert found.standard_error == pytest.approx(math.sqrt(covariance[1, 1]), rel=1e-5)
    np.testing.assert_allclose(found.fitted, spend / mean, rtol=1e-5)
    assert found.dispersion == pytest.approx(float(((leads - mean) ** 2 / mean).sum() / (len(rows) - 2)), rel=1e-4)
    place = np.stack([np.ones(len(rows)), np.arange(len(rows))], axis=1)
    spread = np.sqrt(np.einsum("ij,jk,ik->i", place, covariance, place))
    width = max(1.959964, _tails.student_quantile(0.95, len(rows) - 2) * math.sqrt(found.dispersion))
    span = found.fitted_interval()
    np.testing.assert_allclose(span.high, found.fitted * np.exp(width * spread), rtol=1e-4)
    np.testing.assert_allclose(span.low * span.high, found.fitted**2, rtol=1e-9)
    limits = found.interval()
    assert limits.low <= found.change <= limits.high
    if abs(found.p_value - 0.05) > 1e-6:
        assert (limits.low <= 0 <= limits.high) == (found.p_value > 0.05)


@given(months, st.floats(0.01, 100))
def test_the_trend_has_no_currency_and_turns_with_time(rows, rate):
    spend, leads = (np.array(column) for column in zip(*rows, strict=True))
    assume(leads[1:].sum() > 0)
    assume(leads[:-1].sum() > 0)
    found = ltv.cost_trend(spend=spend, leads=leads)
    other = ltv.cost_trend(spend=spend[::-1] * rate, leads=leads[::-1])
    assert other.slope == pytest.approx(-found.slope, abs=1e-6)
    assert other.p_value == pytest.approx(found.p_value, abs=1e-6)
    np.testing.assert_allclose(other.fitted[::-1], found.fitted * rate, rtol=1e-4)


def test_from_sixty_to_twelve():
    """300 a month: 5 leads in the first month, 25 in the last. Many leads tell what few cannot."""
    learnt = ltv.cost_trend(spend=[300] * 6, leads=[5, 7, 9, 14, 18, 25])
    assert learnt.p_value < 0.001
    assert learnt.interval().high < 0
    _, _, mean = regression(np.full(6, 300.0), np.array([5, 7, 9, 14, 18, 25]))
    first, last = 300 / mean[0], 300 / mean[-1]
    assert learnt.answer.startswith(f"The cost per lead fell from about {first:.2f} to {last:.2f}, by ")
    assert "more than noise" in learnt.answer
    assert "these numbers alone cannot tell" in learnt.answer
    luck = ltv.cost_trend(spend=[60] * 4, leads=[1, 2, 1, 5])
    assert luck.p_value > 0.05
    assert "can be noise" in luck.answer
    worse = ltv.cost_trend(spend=[300] * 6, leads=[25, 18, 14, 9, 7, 5])
    assert worse.answer.startswith("The cost per lead rose")
    assert "running dry" in worse.answer
    level = ltv.cost_trend(spend=[100, 200, 300], leads=[10, 20, 30])
    assert (level.change, level.p_value) == (pytest.approx(0, abs=1e-9), pytest.approx(1))
    assert level.fitted == pytest.approx([10, 10, 10])


def test_a_perfect_line_of_three_points_is_not_certainty():
    trend = ltv.cost_trend(spend=[100, 100, 100], leads=[1, 2, 4])
    assert trend.dispersion == pytest.approx(0, abs=1e-12)
    assert trend.p_value > 0.1


def test_the_trend_cries_wolf_no_more_often_than_promised():
    """No trend, with Poisson scatter and with three times its variance; 5 % wanted, standard error of 250 runs 1.4."""
    rng = np.random.default_rng(2)
    for dispersion in (1, 3):
        wrong = covered = 0
        for _ in range(250):
            spend = rng.uniform(50, 150, 8)
            mean = spend / 5
            flat = rng.poisson(mean if dispersion == 1 else rng.gamma(mean / (dispersion - 1), dispersion - 1))
            wrong += ltv.cost_trend(spend=spend, leads=flat).p_value < 0.05
            falling = mean * np.exp(0.2 * np.arange(8))
            falling = falling if dispersion == 1 else rng.gamma(falling / (dispersion - 1), dispersion - 1)
            span = ltv.cost_trend(spend=spend, leads=rng.poisson(falling)).interval()
            covered += span.low <= math.expm1(-0.2) <= span.high
        assert wrong <= 22
        assert 0.92 <= covered / 250 <= 0.998


def test_periods_without_spend_or_without_leads():
    trend = ltv.cost_trend(spend=[300, 0, 300, 300, 300], leads=[5, 0, 9, 0, 18])
    assert trend.periods == 4
    table = trend.to_dict()
    assert table["cost"] == [60, None, pytest.approx(300 / 9), None, pytest.approx(300 / 18)]
    assert table["fitted"][1] == pytest.approx(math.sqrt(table["fitted"][0] * table["fitted"][2]))
    assert trend.to_frame("polars").columns == ["period", "spend", "leads", "cost", "fitted", "low", "high"]
    assert len(json.dumps(table)) > 0
    with pytest.raises(ValueError, match="read-only"):
        trend.fitted[0] = 1
    steep = ltv.cost_trend(spend=[1] * 4, leads=[1, 0, 0, 10**9])
    assert math.isfinite(steep.slope)
    assert steep.fitted[-1] == pytest.approx(1e-9)


@pytest.mark.parametrize(
    ("spend", "leads", "message"),
    [
        ([100, 100], [1, 2], "a trend needs 3 periods with spend, there are 2"),
        ([100, 0, 0, 100], [1, 0, 0, 2], "there are 2"),
        ([100, 100, 100], [0, 0, 0], "nobody came"),
        ([100, 100, 100], [0, 0, 3], "all leads came in the last period"),
        ([0, 100, 100, 100], [0, 2, 0, 0], "all leads came in the first period"),
        ([100, 0, 100, 100], [1, 1, 1, 1], r"leads came without spend.*first at \[1\]"),
        ([100, 100, 100], [1, 1.5, 1], r"leads must be whole numbers; first at \[1\]"),
        ([100, -1, 100], [1, 1, 1], r"spend\[1\] must be a finite number >= 0"),
        ([100, 100, 100], [1, 1], "one number a period each"),
        (100, 3, "one number a period each"),
    ],
)
def test_what_has_no_trend(spend, leads, message):
    with pytest.raises(InvalidValue, match=message):
        ltv.cost_trend(spend=spend, leads=leads)
