"""Recurring revenue: amounts per month, movements by customer, the waterfall, and the rates of many names."""

import math
from datetime import date
from itertools import pairwise

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics import revenue
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric

money = st.integers(0, 10**6)
cents = st.sampled_from([0, 0, 0, 1, 10, 20, 33, 4999, 10**7]).map(lambda amount: amount / 100)
books = st.dictionaries(st.integers(0, 30), st.tuples(cents, cents, st.booleans()), min_size=1)
TERMS = ("new", "reactivation", "expansion", "contraction", "churn")
sums = st.fixed_dictionaries(dict.fromkeys(TERMS, money)) | st.just(dict.fromkeys(TERMS, 0))

JANUARY = {"a": 200, "b": 100, "c": 50, "d": 50}
FEBRUARY = {"a": 200, "b": 130, "c": 20, "e": 60, "f": 40}


def moved_by_hand(start, end, seen):
    """One customer's movement, by the table of definitions: zero branches first."""
    if start == 0:
        return "absent" if end == 0 else "reactivation" if seen else "new"
    if end == 0:
        return "churn"
    return "unchanged" if start == end else "expansion" if end > start else "contraction"


# Amounts per month


def test_recurring_revenue_of_mixed_plans(reference):
    example = reference("A-MRR-01")
    plans = list(example["input"].values())
    each = revenue.monthly_amount([plan["amount"] for plan in plans], interval=[plan["interval"] for plan in plans])
    assert each @ [plan["n"] for plan in plans] == pytest.approx(example["expect"]["mrr"])


def test_the_discount_comes_before_the_month(reference):
    example = reference("A-MRR-02")
    found = revenue.monthly_amount(example["input"]["annual"], interval="year", discount=example["input"]["discount"])
    assert found == pytest.approx(example["expect"]["mrr"])


@pytest.mark.parametrize(
    ("interval", "count", "a_year"),
    [("month", 1, 12), ("month", 6, 2), ("quarter", 1, 4), ("year", 1, 1), ("year", 3, 1 / 3), ("week", 2, 26)],
)
def test_twelve_months_are_what_is_billed_in_a_year(interval, count, a_year):
    assert 12 * revenue.monthly_amount(90.0, interval=interval, count=count) == pytest.approx(90 * a_year)


def test_weeks_and_days_have_a_rule():
    assert revenue.monthly_amount(7, interval="week", week_rule="30.4375/7") == pytest.approx(365.25 / 12)
    assert 12 * revenue.monthly_amount(1, interval="day") == pytest.approx(365)
    assert 12 * revenue.monthly_amount(1, interval="day", day_rule="30.4375") == pytest.approx(365.25)


@given(
    st.lists(
        st.tuples(
            money, st.sampled_from(["day", "week", "month", "quarter", "year"]), st.integers(1, 24), st.floats(0, 1)
        ),
        min_size=1,
    )
)
def test_amounts_of_arrays_agree_with_numbers(rows):
    amounts, intervals, counts, discounts = zip(*rows, strict=True)
    found = revenue.monthly_amount(amounts, interval=np.array(intervals), count=counts, discount=discounts)
    one_by_one = [revenue.monthly_amount(row[0], interval=row[1], count=row[2], discount=row[3]) for row in rows]
    assert all(type(value) is float for value in one_by_one)
    np.testing.assert_array_equal(found, one_by_one)


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"interval": "annual"}, "interval must be one of .*'year', got 'annual'; half a year is interval='month'"),
        ({"interval": "yaer"}, "did you mean 'year'"),
        ({"interval": ["month", "fortnight"]}, r"interval\[1\] must be one of .* got 'fortnight'"),
        ({"interval": ["month", None]}, r"interval\[1\] must be one of .* got None"),
        ({"interval": np.array(["month", math.nan], object)}, r"interval\[1\] must be one of .* got nan"),
        ({"amount": -1}, "amount must be a finite number >= 0"),
        ({"amount": math.nan}, "leave missing values out"),
        ({"count": 0}, "count must be a finite number >= 1"),
        ({"count": 1.5}, "count must be a whole number of intervals"),
        ({"count": [1, 2.5]}, r"whole number of intervals; first at \[1\]"),
        ({"discount": 10}, "discount must be a fraction from 0 to 1"),
        ({"week_rule": "4.33"}, "week_rule must be one of"),
        ({"day_rule": "30"}, "day_rule must be one of"),
        ({"amount": [1, 2, 3], "interval": ["month", "year"]}, "arrays must have one shape"),
    ],
    ids=str,
)
def test_amounts_that_are_refused(given, refusal):
    with pytest.raises(InvalidValue, match=refusal):
        revenue.monthly_amount(**{"amount": 10, "interval": "year", **given})


@pytest.mark.parametrize("bad", [12, None, [], [3, 12]], ids=str)
def test_an_interval_is_a_name(bad):
    with pytest.raises(InvalidType, match="interval must be a name"):
        revenue.monthly_amount(10, interval=bad)


# Movements


def test_six_customers(reference):
    example = reference("A-MRR-05")
    moved = revenue.movements(JANUARY, FEBRUARY, seen_before={"f"})
    totals, expect = moved.totals, example["expect"]
    found = {
        "new": totals.new,
        "expansion": totals.expansion,
        "contraction": -totals.contraction,
        "churn": -totals.churn,
        "reactivation": totals.reactivation,
        "net_new": totals.net_new,
        "grr": moved.gross_retention,
        "nrr": moved.net_retention(),
        "nrr_counting_reactivation": moved.net_retention(count_reactivation=True),
        "logo_retention": moved.logo_retention,
        "gross_mrr_churn": moved.gross_churn(),
        "net_mrr_churn_chartmogul": moved.net_churn("chartmogul"),
        "quick_with_reactivation": moved.quick_ratio(count_reactivation=True),
        "quick_without": moved.quick_ratio(),
    }
    assert found == pytest.approx(expect, abs=example["tol"])
    assert {"start": totals.start, "end": totals.end} == example["input"]


def test_the_quick_ratio_of_the_glossary(reference):
    example = reference("A-MRR-03")
    assert revenue.quick_ratio(**example["input"]) == pytest.approx(example["expect"]["quick_ratio"])


def test_the_churn_of_the_help_pages(reference):
    example = reference("A-RET-07")
    book = dict(example["input"])
    book["start"] = book.pop("start_mrr")
    net = revenue.net_churn(**book, definition="chartmogul")
    assert net == pytest.approx(example["expect"]["net_mrr_churn"])
    losses = {name: book[name] for name in ("start", "contraction", "churn")}
    assert revenue.gross_churn(**losses) == pytest.approx(example["expect"]["gross_mrr_churn"])
    assert revenue.gross_churn(**losses, definition="tidemill") == pytest.approx(0.1)


@given(books)
def test_any_book_is_split_customer_by_customer(book):
    start = {who: row[0] for who, row in book.items() if row[0]}
    end = {who: row[1] for who, row in book.items() if row[1]}
    seen = [who for who, row in book.items() if row[2]]
    if not start and not end:
        with pytest.raises(InvalidValue, match="start and end name no customer"):
            revenue.movements(start, end, seen_before=seen)
        return
    moved = revenue.movements(start, end, seen_before=seen)
    for i, who in enumerate(moved.customers):
        before, after = start.get(who, 0), end.get(who, 0)
        name = moved_by_hand(before, after, who in seen)
        assert moved.movement[i] == name
        for each in TERMS:
            assert getattr(moved, each)[i] == pytest.approx(abs(after - before) if each == name else 0)
        assert moved.unchanged[i] == (before if name == "unchanged" else 0)
    totals = moved.totals
    assert totals.start == pytest.approx(math.fsum(start.values()))
    assert totals.end == pytest.approx(math.fsum(end.values()))
    gains = totals.new + totals.reactivation + totals.expansion
    assert totals.start + gains - totals.contraction - totals.churn == pytest.approx(totals.end, abs=1e-6)


@given(books)
def test_retention_follows_the_customers_of_the_start(book):
    start, end, seen = map(np.array, zip(*book.values(), strict=True))
    moved = revenue.movements(start, end, seen_before=seen)
    there = start > 0
    if not there.any():
        for ask in ("gross_retention", "logo_retention"):
            with pytest.raises(UndefinedMetric, match="start"):
                getattr(moved, ask)
        with pytest.raises(UndefinedMetric, match="start is 0, so there was nothing to keep"):
            moved.net_retention()
        return
    gross, net = moved.gross_retention, moved.net_retention()
    assert gross == pytest.approx(np.minimum(start, end)[there].sum() / start.sum(), abs=1e-9)
    assert net == pytest.approx(end[there].sum() / start.sum(), abs=1e-9)
    back = end[~there & seen].sum() / start.sum()
    assert moved.net_retention(count_reactivation=True) == pytest.approx(net + back, abs=1e-9)
    assert moved.logo_retention == pytest.approx((end[there] > 0).mean())
    assert 0 <= gross <= 1
    assert gross <= net + 1e-12
    assert moved.gross_churn() == pytest.approx(1 - gross, abs=1e-9)
    assert moved.gross_churn("tidemill") == pytest.approx(start[there & (end == 0)].sum() / start.sum(), abs=1e-9)
    assert moved.net_churn() == pytest.approx(1 - net, abs=1e-9)
    assert moved.net_churn("chartmogul") == pytest.approx(1 - net - back, abs=1e-9)


@given(books, st.floats(1e-3, 1e6))
def test_the_currency_changes_nothing(book, rate):
    start, end, seen = map(np.array, zip(*book.values(), strict=True))
    one, other = (
        revenue.movements(start, end, seen_before=seen),
        revenue.movements(rate * start, rate * end, seen_before=seen),
    )
    assert one.movement.tolist() == other.movement.tolist()


@given(books)
def test_dictionaries_agree_with_arrays(book):
    start, end, seen = zip(*book.values(), strict=True)
    arrays = revenue.movements(start, end, seen_before=seen, customers=list(book))
    by_name = revenue.movements(
        dict(zip(book, start, strict=True)),
        dict(reversed(list(zip(book, end, strict=True)))),
        seen_before={who for who, row in book.items() if row[2]},
    )
    assert arrays.to_dict() == by_name.to_dict()


def test_rounding_in_sums_of_cents_is_no_movement():
    moved = revenue.movements([0.1 + 0.2, 0.3], [0.3, 0.1 + 0.2])
    assert moved.movement.tolist() == ["unchanged", "unchanged"]

    handed_over = revenue.movements([0.1 + 0.2, 1], [0, 1.3], transfers=[-0.3, 0.3])
    assert handed_over.movement.tolist() == ["absent", "unchanged"]


# Transfers and revaluation


def test_a_merger_is_neither_churn_nor_expansion():
    start, end = {"a": 100, "b": 50, "c": 10}, {"b": 150, "c": 10}
    apart = revenue.movements(start, end)
    merged = revenue.movements(start, end, transfers={"a": -100, "b": 100})
    assert apart.counts["churn"] == apart.counts["expansion"] == 1
    assert merged.counts == dict.fromkeys(merged.counts, 0) | {"unchanged": 2, "absent": 1}
    assert merged.gross_retention == merged.net_retention() == merged.logo_retention == 1


def test_who_took_over_an_account_and_left_took_both_along():
    moved = revenue.movements({"a": 100, "b": 50, "c": 50}, {"c": 50}, transfers={"a": -100, "b": 100})
    assert moved.totals.churn == 150
    assert moved.gross_retention == 0.25
    assert moved.logo_retention == 0.5


def test_accounts_taken_over_from_outside_enlarge_what_can_be_lost():
    moved = revenue.movements([100, 0], [100, 30], transfers=[0, 60])
    totals = moved.totals
    assert (totals.transfer, totals.new, totals.contraction, totals.base) == (60, 0, 30, 160)
    assert moved.gross_retention == pytest.approx(130 / 160)


def test_the_exchange_rate_is_no_expansion():
    # At 1.10 instead of 1.00: one stays, one grows by 20 at the old rate, one is new with 50, one leaves.
    start = {"a": 100, "b": 100, "d": 40}
    end = {"a": 110, "b": 132, "c": 55}
    moved = revenue.movements(start, end, revaluation={"a": 10, "b": 12, "c": 5})
    assert moved.movement.tolist() == ["unchanged", "expansion", "churn", "new"]
    totals = moved.totals
    found = (totals.new, totals.expansion, totals.churn, totals.revaluation)
    assert found == pytest.approx((50, 20, 40, 27))
    assert moved.net_retention() == pytest.approx((100 + 120) / 240)


@given(books, st.data())
def test_the_waterfall_closes_with_transfers_and_revaluation(book, data):
    start, end, seen = map(np.array, zip(*book.values(), strict=True))
    parts = st.lists(st.integers(0, 10), min_size=start.size, max_size=start.size)
    transfers = -start * np.array(data.draw(parts)) / 10
    transfers[0] -= transfers.sum()
    revaluation = end * np.array(data.draw(parts)) / 10
    moved = revenue.movements(start, end, seen_before=seen, transfers=transfers, revaluation=revaluation)
    totals = moved.totals
    assert totals.transfer == pytest.approx(0, abs=1e-6)
    rest = totals.net_new + totals.transfer + totals.revaluation
    assert totals.start + rest == pytest.approx(totals.end, abs=1e-6)
    if totals.base > 1e-6:
        assert 0 <= moved.gross_retention <= 1 + 1e-12


# What is refused


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"start": [1, -2]}, r"start\[1\] must be a finite number >= 0, got -2"),
        ({"end": [1, math.nan]}, r"end\[1\] must be .* leave missing values out"),
        ({"start": {"ann": -5}, "end": {"ann": 1}}, r"start\['ann'\] must be a finite number >= 0"),
        ({"start": {"ann": 5}, "end": {"bob": math.inf}}, r"end\['bob'\] must be a finite number"),
        ({"customers": ["a", "a"]}, "customers repeats 'a': the unit is the customer"),
        ({"customers": ["a"]}, r"customers must have one element a customer.*\(1,\) beside \(2,\)"),
        ({"end": [1, 2, 3]}, "end must have one element a customer.*pass dicts by customer"),
        ({"end": 3}, "end must have one element a customer"),
        ({"seen_before": [True]}, "seen_before must have one element a customer"),
        ({"transfers": [0, -3]}, r"transfers take more from a customer than start is; first at \[1\]"),
        ({"revaluation": [0, 3]}, r"revaluation is more than the end of a customer; first at \[1\]"),
        ({"start": {"a": 1}, "end": {}, "transfers": {"b": 1}}, "transfers names customers that are neither.*'b'"),
        ({"start": {}, "end": {}}, "start and end name no customer"),
        ({"start_total": 13}, r"the amounts of start add up to 3.00, and start_total is 13.00: 10.00 is not explained"),
        ({"end_total": 3.02}, "the amounts of end add up to 3.00, and end_total is 3.02"),
        ({"end_total": -3}, "end_total must be a finite number >= 0"),
    ],
    ids=str,
)
def test_movements_that_are_refused(given, refusal):
    with pytest.raises(InvalidValue, match=refusal):
        revenue.movements(**{"start": [1, 2], "end": [1, 2], **given})


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"start": {"a": 1}}, "must all be arrays, or all be dicts"),
        ({"start": {"a": 1}, "end": {"a": 1}, "customers": ["a"]}, "dicts by customer name them already"),
        ({"start": {"a": 1}, "end": {"a": 1}, "seen_before": np.array([True])}, "seen_before must name customers"),
        (
            {"start": {"a": 1}, "end": {"a": 1}, "seen_before": {"a": False}},
            "seen_before must name customers .* got dict",
        ),
        ({"start": {"a": 1}, "end": {"a": 1}, "seen_before": "a"}, "seen_before must name customers .* got str"),
        ({"start": {"a": 1}, "end": {"a": 1}, "seen_before": 5}, "seen_before must name customers .* got int"),
        ({"start": {"a": "1"}, "end": {}}, r"start\['a'\] must be a number"),
        ({"seen_before": ["a", "b"]}, "seen_before must be true or false for each customer"),
        ({"start": ["1", "2"]}, "convert it with float"),
    ],
    ids=str,
)
def test_movements_of_the_wrong_kind(given, refusal):
    with pytest.raises(InvalidType, match=refusal):
        revenue.movements(**{"start": [1, 2], "end": [1, 2], **given})


def test_repeated_ids_are_named_up_to_a_point():
    with pytest.raises(InvalidValue, match="repeats 0, 1, 2, 3, 4 and 2 more:"):
        revenue.movements(np.ones(14), np.ones(14), customers=np.arange(14) % 7)


def test_stated_totals_are_compared_to_the_cent():
    moved = revenue.movements([0.1] * 3, [0.2] * 3, start_total=0.3, end_total=0.604)
    assert moved.totals.end == pytest.approx(0.6)


# Numbers and arrays


@given(st.lists(st.tuples(st.integers(1, 10**6), sums), min_size=1))
def test_rates_of_arrays_agree_with_numbers(rows):
    for name, needs in {
        "gross_retention": ("start", "contraction", "churn"),
        "net_retention": ("start", "expansion", "contraction", "churn", "reactivation"),
        "gross_churn": ("start", "contraction", "churn"),
        "net_churn": ("start", "expansion", "contraction", "churn", "reactivation"),
        "quick_ratio": ("new", "expansion", "contraction", "churn", "reactivation"),
    }.items():
        rate = getattr(revenue, name)
        given = [{key: {"start": start, **terms}[key] for key in needs} for start, terms in rows]
        one_by_one = []
        for each in given:
            try:
                one_by_one.append(rate(**each))
                assert type(one_by_one[-1]) is float
            except UndefinedMetric:
                one_by_one.append(math.nan)
        arrays = {key: np.array([each[key] for each in given]) for key in needs}
        np.testing.assert_array_equal(rate(**arrays, undefined="nan"), one_by_one)
        if any(map(math.isnan, one_by_one)):
            with pytest.raises(UndefinedMetric, match=name):
                rate(**arrays)


def test_rates_that_do_not_exist_say_why():
    nothing = {"start": 0, "contraction": 0, "churn": 0}
    for rate in (revenue.gross_retention, revenue.gross_churn):
        with pytest.raises(UndefinedMetric, match="start is 0, so there was nothing to keep"):
            rate(**nothing)
    with pytest.raises(UndefinedMetric, match="start is 0"):
        revenue.gross_retention(start=0, contraction=0, churn=5)
    with pytest.raises(UndefinedMetric, match="won in the same period"):
        revenue.gross_retention(start=100, contraction=50, churn=60)
    with pytest.raises(UndefinedMetric, match="won in the same period"):
        revenue.net_retention(start=100, expansion=5, contraction=50, churn=60)
    with pytest.raises(UndefinedMetric, match="nothing was lost"):
        revenue.quick_ratio(new=1, expansion=1, contraction=0, churn=0)
    assert revenue.gross_retention(start=0.3, contraction=0.1, churn=0.2) == 0
    assert revenue.gross_churn(start=100, contraction=50, churn=60) == pytest.approx(1.1)
    with pytest.raises(InvalidValue, match="definition must be one of 'chartmogul', 'tidemill'"):
        revenue.gross_churn(start=1, contraction=0, churn=0, definition="stripe")
    with pytest.raises(InvalidValue, match="definition must be one of 'baremetrics', 'chartmogul'"):
        revenue.net_churn(start=1, expansion=0, contraction=0, churn=0, definition="tidemill")


# The waterfall


@given(st.integers(1, 10**6), sums, money, st.integers(-100, 100))
def test_a_waterfall_closes_or_is_refused(start, terms, transfer, revaluation):
    end = start + terms["new"] + terms["reactivation"] + terms["expansion"] - terms["contraction"] - terms["churn"]
    end += transfer + revaluation
    book = {"start": start, **terms, "transfer": transfer, "revaluation": revaluation}
    if end < 0:
        with pytest.raises(InvalidValue, match="end must be a finite number >= 0"):
            revenue.waterfall(**book, end=end)
        return
    found = revenue.waterfall(**{name: value / 100 for name, value in book.items()}, end=end / 100)
    assert revenue.Waterfall.model_validate_json(found.model_dump_json()) == found
    for name in (*book, "end"):
        off = {"end": end, **book}
        off[name] += 1
        with pytest.raises(InvalidValue, match=r"the waterfall does not close: .*0.01 is not explained"):
            revenue.waterfall(**{key: value / 100 for key, value in off.items()})


def test_a_large_book_closes_in_spite_of_rounding():
    assert revenue.waterfall(start=1e15, new=0.3, expansion=0.3, contraction=0, churn=0, end=1e15 + 0.6).net_new == 0.6
    rng = np.random.default_rng(3)
    start, end = rng.integers(0, 10**9, (2, 10**5)) / 100
    moved = revenue.movements(start, end, start_total=math.fsum(start), end_total=math.fsum(end))
    assert moved.totals.end == pytest.approx(math.fsum(end), rel=1e-12)


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"end": 451}, r"expansion 30.00 - contraction 30.00 - churn 50.00 is 450.00, and end is 451.00: 1.00 is not"),
        ({"churn": -50}, "churn must be a finite number >= 0, got -50"),
        ({"transfer": -500, "end": 0}, "transfer takes 500.00 away, and start is 400.00"),
        ({"new": [60]}, "new must be one number"),
    ],
    ids=str,
)
def test_waterfalls_that_are_refused(wrong, refusal):
    book = {"start": 400, "new": 60, "reactivation": 40, "expansion": 30, "contraction": 30, "churn": 50, "end": 450}
    with pytest.raises(InvalidValue, match=refusal):
        revenue.waterfall(**{**book, **wrong})
    with pytest.raises(pydantic.ValidationError):
        revenue.Waterfall(**{**book, **wrong})


def test_a_waterfall_prints_only_what_there_is():
    text = str(revenue.waterfall(start=10, new=0, expansion=0, contraction=1, churn=2, end=6.5, revaluation=-0.5))
    assert [line.split() for line in text.splitlines()] == [
        ["start", "10.00"],
        ["+", "new", "0.00"],
        ["+", "reactivation", "0.00"],
        ["+", "expansion", "0.00"],
        ["-", "contraction", "1.00"],
        ["-", "churn", "2.00"],
        ["-", "revaluation", "0.50"],
        ["=", "end", "6.50"],
    ]


# Several periods


@given(st.lists(st.lists(cents, min_size=4, max_size=4), min_size=2, max_size=6))
def test_compounding_and_following(history):
    periods, seen = [], np.zeros(4, bool)
    for start, end in pairwise(history):
        periods.append(revenue.movements(start, end, seen_before=seen | (np.array(start) > 0)))
        seen |= np.array(start) > 0
    first, last = np.array(history[0]), np.array(history[-1])
    followed = revenue.follow_cohort(periods)
    if first.sum() > 0:
        assert followed.net_retention() == pytest.approx(last[first > 0].sum() / first.sum(), abs=1e-9)
    assert ((followed.movement == "new") == ((first == 0) & (last > 0))).all()
    for kind, rate in (("net", lambda each: each.net_retention()), ("gross", lambda each: each.gross_retention)):
        if all(sum(start) > 0 for start in history[:-1]):
            expected = math.prod(rate(each) for each in periods)
            assert revenue.compound_retention(periods, kind=kind) == pytest.approx(expected)
            assert revenue.compound_retention([each.totals for each in periods], kind=kind) == pytest.approx(expected)
        else:
            with pytest.raises(UndefinedMetric):
                revenue.compound_retention(periods, kind=kind)


def test_following_is_not_compounding_when_the_new_leave():
    months = [
        revenue.movements({"ann": 100}, {"ann": 100, "bob": 100}),
        revenue.movements({"ann": 100, "bob": 100}, {"ann": 100}),
    ]
    assert revenue.compound_retention(months) == 0.5
    assert revenue.follow_cohort(months).net_retention() == 1


def test_customers_who_come_and_go_on_the_way():
    months = [
        revenue.movements({"ann": 10}, {"bob": 5, "eve": 1}, seen_before={"eve"}),
        revenue.movements({"bob": 5, "eve": 1}, {"eve": 1}, seen_before={"ann", "eve"}),
        revenue.movements({"eve": 1}, {"ann": 10, "bob": 7, "eve": 2}, seen_before={"ann", "bob"}),
    ]
    followed = revenue.follow_cohort(months)
    assert dict(zip(followed.customers, followed.movement.tolist(), strict=True)) == {
        "ann": "unchanged",
        "bob": "new",
        "eve": "reactivation",
    }


def test_periods_that_do_not_follow_one_another():
    one = revenue.movements({"ann": 10}, {"ann": 12})
    for other, refusal in [
        (revenue.movements({"ann": 11}, {"ann": 12}), r"periods\[1\] does not open with the amounts with which"),
        (revenue.movements([12], [12]), "periods must all name their customers"),
        (
            revenue.movements({"ann": 12, "b": 0}, {"b": 12}, transfers={"ann": -12, "b": 12}),
            "transfers after the first",
        ),
    ]:
        with pytest.raises(InvalidValue, match=refusal):
            revenue.follow_cohort([one, other])
    with pytest.raises(InvalidValue, match=r"periods have \[1, 2\] customers"):
        revenue.follow_cohort([revenue.movements([1], [1]), revenue.movements([1, 2], [1, 1])])
    for ask in (revenue.follow_cohort, revenue.compound_retention):
        with pytest.raises(InvalidValue, match="periods is empty"):
            ask([])
    with pytest.raises(InvalidValue, match="kind must be one of 'net', 'gross'"):
        revenue.compound_retention([one], kind="logo")


# The table of names


def test_every_name_on_one_book():
    table = revenue.movements(JANUARY, FEBRUARY, seen_before={"f"}).definitions()
    assert {rate.name: rate.value for rate in table.rates} == pytest.approx(
        {
            "gross_retention": 0.8,
            "net_retention": 0.875,
            "net_retention_tidemill": 0.975,
            "gross_churn_chartmogul": 0.2,
            "gross_churn_tidemill": 0.125,
            "net_churn_baremetrics": 0.125,
            "net_churn_chartmogul": 0.025,
            "quick_ratio": 90 / 80,
            "quick_ratio_tidemill": 130 / 80,
            "logo_retention": 0.75,
        }
    )
    for rate in table.rates:
        assert rate.value == pytest.approx(rate.numerator / rate.denominator)
    assert revenue.Definitions.model_validate_json(table.model_dump_json()) == table
    frame = nw.from_native(table.to_frame("pyarrow"))
    assert frame["value"].to_list() == [rate.value for rate in table.rates]
    with pytest.raises(InvalidValue, match="did you mean 'gross_churn_tidemill'"):
        table["gross_churn_tidemil"]


def test_names_without_a_value_have_a_reason():
    table = revenue.definitions(start=0, new=5, expansion=0, contraction=0, churn=0, customers=0, customers_lost=0)
    assert all(rate.value is None and rate.reason for rate in table.rates)
    assert "start is 0" in str(table)
    mixed = revenue.definitions(start=10, new=50, expansion=0, contraction=0, churn=20)
    assert "won in the same period" in mixed["gross_retention"].reason
    assert mixed["gross_churn_chartmogul"].value == 2
    with pytest.raises(InvalidValue, match="customers_lost must be at most customers, got 3 of 2"):
        revenue.definitions(start=1, new=0, expansion=0, contraction=0, churn=0, customers=2, customers_lost=3)
    with pytest.raises(InvalidValue, match="churn must be one number"):
        revenue.definitions(start=1, new=0, expansion=0, contraction=0, churn=[1, 2])


# Results


def test_movements_are_read_only_and_become_frames():
    moved = revenue.movements(JANUARY, FEBRUARY)
    with pytest.raises(ValueError, match="read-only"):
        moved.start[0] = 5
    frame = nw.from_native(moved.to_frame("polars"))
    assert frame["customer"].to_list() == list("abcdef")
    assert frame["movement"].to_list() == ["unchanged", "expansion", "contraction", "churn", "new", "new"]
    assert revenue.movements([1.0], [2.0]).to_dict()["customer"] == [0]


def flow(**changed):
    """Two months of a book, the second one cut short."""
    book = {
        "start": [0, 100],
        "new": [100, 10],
        "reactivation": [0, 5],
        "expansion": [0, 3],
        "contraction": [0, 4],
        "churn": [0, 20],
        "end": [100, 94],
    }
    heads = {"start": [0, 9], "new": [9, 1], "reactivation": [0, 1], "expansion": [0, 2], "contraction": [0, 3]}
    heads |= {"churn": [0, 2], "end": [9, 9]}
    columns = {name: np.array(values, float) for name, values in book.items()}
    columns |= {f"{name}_customers": np.array(values) for name, values in heads.items()}
    return revenue.RevenueFlow(
        **columns
        | {
            "periods": (date(2026, 1, 1), date(2026, 2, 1)),
            "complete": np.array([True, False]),
            "period": "month",
            "as_of": date(2026, 2, 20),
            "mode": "snapshot",
            "reactivation_window": None,
        }
        | changed
    )


def test_rates_by_period():
    book = flow()
    second = {name: float(getattr(book, name)[1]) for name in ("start", "contraction", "churn")}
    np.testing.assert_allclose(book.gross_retention(), [math.nan, 0.76])
    np.testing.assert_allclose(book.net_retention(), [math.nan, 0.79])
    np.testing.assert_allclose(book.net_retention(count_reactivation=True), [math.nan, 0.84])
    np.testing.assert_allclose(book.logo_retention(), [math.nan, 7 / 9])
    np.testing.assert_allclose(book.gross_churn("tidemill"), [math.nan, second["churn"] / second["start"]])
    np.testing.assert_allclose(book.net_churn("chartmogul"), [math.nan, 0.16])
    np.testing.assert_allclose(book.quick_ratio(), [math.nan, 13 / 24])
    np.testing.assert_allclose(book.quick_ratio(count_reactivation=True), [math.nan, 18 / 24])
    assert book.waterfalls() == (revenue.waterfall(start=0, new=100, expansion=0, contraction=0, churn=0, end=100),)
    (latest,) = flow(complete=np.array([True, True])).waterfalls(last=1)
    assert (latest.start, latest.end) == (100, 94)
    turned_over = flow(new_customers=np.array([9, 10]), churn_customers=np.array([0, 11]))
    assert np.isnan(turned_over.logo_retention()).all()
    frame = nw.from_native(book.to_frame("pandas"))
    assert frame["period"].to_list() == ["2026-01", "2026-02"]
    assert frame["churn_customers"].to_list() == [0, 2]
    assert str(book).splitlines()[-1].endswith("so far")


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"end": np.array([100.0, 94.02])}, r"start \+ gains - losses is not end; first at \[1\]"),
        ({"start": np.array([0.0, 99]), "end": np.array([100.0, 93])}, "a period does not open with what the last"),
        ({"end_customers": np.array([9, 8])}, "customers at the start"),
    ],
    ids=["open", "torn", "heads"],
)
def test_a_flow_that_does_not_close_cannot_be_made(changed, refusal):
    with pytest.raises(InvalidValue, match=refusal):
        flow(**changed)


# Where rules turn


def test_customers_who_keep_paying_what_they_took_over_are_unchanged():
    moved = revenue.movements({"a": 50, "b": 30}, {"a": 80, "b": 0}, transfers={"a": 30, "b": -30})
    assert dict(zip(moved.customers, moved.unchanged.tolist(), strict=True)) == {"a": 80, "b": 0}


def test_only_the_repeated_are_named_and_nobody_beyond_the_last():
    with pytest.raises(InvalidValue, match="repeats 'b': the unit"):
        revenue.movements([1, 1, 1], [1, 1, 1], customers=["a", "b", "b"])
    with pytest.raises(InvalidValue, match="repeats 0, 1, 2, 3, 4: the unit"):
        revenue.movements(np.ones(10), np.ones(10), customers=np.arange(10) % 5)


def test_who_was_seen_before_may_come_one_by_one():
    flags = (each for each in (False, True))
    moved = revenue.movements([0, 0], [5, 7], seen_before=flags)
    assert moved.movement.tolist() == ["new", "reactivation"]


def test_a_dict_counts_who_is_not_named_as_paying_nothing():
    moved = revenue.movements({"a": 5}, {"b": 7}, revaluation={"b": 1})
    assert (moved.start.tolist(), moved.end.tolist()) == ([5, 0], [0, 7])
    assert moved.revaluation.tolist() == [0, 1]
    with pytest.raises(InvalidValue, match=r"start\['a'\] must be a finite number >= 0, got -5"):
        revenue.movements({"a": -5}, {})
    assert revenue.movements({"a": 5, "b": 5}, {"a": 2, "b": 8}, transfers={"a": -3, "b": 3}).counts["unchanged"] == 2


def test_half_of_the_customer_counts_is_none():
    book = {"start": 10, "new": 0, "expansion": 0, "contraction": 0, "churn": 1}
    for half in ({"customers": 4}, {"customers_lost": 1}):
        found = revenue.definitions(**book, **half)["logo_retention"]
        assert (found.value, found.reason) == (None, "customers and customers_lost were not given")
    assert revenue.definitions(**book, customers=4, customers_lost=4)["logo_retention"].value == 0
    plain, back = revenue.definitions(**book), revenue.definitions(**book, reactivation=0)
    assert plain == back


@pytest.mark.parametrize("place", range(3))
def test_adjustments_belong_to_the_ends_of_a_history(place):
    """Transfers before the first start and revaluation after the last end disturb no comparison; any other does."""
    base = {"a": 50.0, "b": 30.0}

    def history(**changed):
        return [revenue.movements(base, base, **(changed if n == place else {})) for n in range(3)]

    for name, allowed in (("transfers", 0), ("revaluation", 2)):
        periods = history(**{name: {"a": 10.0, "b": -10.0}})
        if place == allowed:
            revenue.follow_cohort(periods)
        else:
            with pytest.raises(InvalidValue, match="amounts of different days cannot be compared"):
                revenue.follow_cohort(periods)


def test_a_month_in_which_all_of_the_start_left():
    book = flow(
        new_customers=np.array([9, 9]), churn_customers=np.array([0, 9]), reactivation_customers=np.array([0, 0])
    )
    np.testing.assert_array_equal(book.logo_retention(), [math.nan, 0])


def test_long_books_print_their_last_two_years():
    months = 30

    def each(value):
        return np.full(months, value)

    money = dict.fromkeys(("start", "end"), each(100.0))
    money |= dict.fromkeys(("new", "reactivation", "expansion", "contraction", "churn"), each(0.0))
    heads = {f"{name}_customers": values.astype(int) for name, values in money.items()}
    days = tuple(date(2024 + n // 12, n % 12 + 1, 1) for n in range(months))
    book = flow(**money, **heads, periods=days, complete=each(value=True))
    lines = str(book).splitlines()
    assert lines[1:3] == ["... 6 earlier", lines[2]]
    assert lines[2].startswith("2024-07")
    assert len(lines) == 26
    assert [each.start for each in book.waterfalls(last=2)] == [100, 100]
    assert len(book.waterfalls()) == months
    assert str(flow()).splitlines()[1].startswith("2026-01")


def test_what_is_not_given_is_nothing():
    assert revenue.net_churn(start=100, expansion=0, contraction=0, churn=10, definition="chartmogul") == 0.1
    assert revenue.net_retention(start=100, expansion=0, contraction=0, churn=10) == 0.9
    plain = revenue.waterfall(start=100, new=5, expansion=0, contraction=0, churn=10, end=95)
    assert (plain.reactivation, plain.end) == (0, 95)
    year = revenue.earned_growth(revenue_last=100, returning_this_year=90, earned_new=20, bought_new=10)
    assert year.total_growth == pytest.approx(0.2)
    assert year.earned_growth_ratio == pytest.approx(0.5)


@pytest.mark.parametrize("kind", [float, lambda amount: np.array([amount])])
def test_retention_of_less_than_one_unit_of_money(kind):
    for rate in (revenue.gross_retention, lambda **book: revenue.net_retention(expansion=0, **book)):
        assert rate(start=kind(0.5), contraction=kind(0.125), churn=kind(0)) == 0.75
        dust = rate(start=kind(0.3), contraction=kind(0), churn=kind(0.1 + 0.2))
        assert dust == 0
        with pytest.raises(UndefinedMetric, match="won in the same period"):
            rate(start=kind(0.5), contraction=kind(0), churn=kind(0.6))


def test_a_book_of_one_customer_over_three_months():
    """Won at 10, grown to 15, gone: what each month opens with is what the one before closed with, not the first."""
    money = {"start": [0, 10, 15], "new": [10, 0, 0], "expansion": [0, 5, 0], "churn": [0, 0, 15], "end": [10, 15, 0]}
    money |= {key: [0, 0, 0] for key in ("reactivation", "contraction")}
    heads = {"start": [0, 1, 1], "new": [1, 0, 0], "expansion": [0, 1, 0], "churn": [0, 0, 1], "end": [1, 1, 0]}
    heads |= {key: [0, 0, 0] for key in ("reactivation", "contraction")}
    book = flow(
        **{name: np.array(values, float) for name, values in money.items()},
        **{f"{name}_customers": np.array(values) for name, values in heads.items()},
        periods=tuple(date(2026, month, 1) for month in (1, 2, 3)),
        complete=np.array([True] * 3),
    )
    np.testing.assert_array_equal(book.logo_retention(), [math.nan, 1, 0])
    np.testing.assert_array_equal(book.net_retention(), [math.nan, 1.5, 0])


def test_one_more_is_named_by_its_number():
    with pytest.raises(InvalidValue, match="repeats 0, 1, 2, 3, 4 and 1 more: the unit"):
        revenue.movements(np.ones(12), np.ones(12), customers=np.arange(12) % 6)


@pytest.mark.parametrize("names", [{"fay"}, ["fay", "zoe"], np.array(["fay", "zoe"]), pd.Series(["fay", "zoe"])])
def test_customers_seen_before_may_come_in_a_column(names):
    found = revenue.movements({"ann": 200, "fay": 0}, {"ann": 200, "fay": 40}, seen_before=names)
    assert found.movement.tolist() == ["unchanged", "reactivation"]
