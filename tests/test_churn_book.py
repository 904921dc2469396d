"""One book under every name, averages over periods, mixes of groups, plans, flows and reasons."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics import churn
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric

counts = st.integers(0, 10_000)
books = st.tuples(st.integers(1, 5_000), st.integers(0, 5_000), st.data())


def test_the_reference_book_under_every_name(reference):
    example = reference("A-RET-09")
    given_, expect = example["input"], example["expect"]
    book = churn.definitions(
        start=given_["start"],
        new=given_["new"],
        lost=given_["churned"],
        lost_of_start=given_["churned_from_start"],
        end=given_["end"],
    )
    names = {
        "start": "simple_all",
        "cohort": "cohort_only",
        "average_base": "average_base",
        "start_plus_new": "start_plus_new",
        "start_plus_half_new": "start_plus_half_new",
        "retention_rate": "crr_E_minus_N_over_S",
        "cohort_retention": "true_cohort_retention",
    }
    found = {theirs: book[ours].value for ours, theirs in names.items()}
    assert found == pytest.approx(expect, abs=example["tol"])
    assert book["customer_days"].value is None
    assert book["customer_days"].reason == "customer_days was not given"
    assert len(str(book).splitlines()) == len(book.rates) == 8


@pytest.mark.parametrize("name", ["A-RET-02", "A-RET-03"])
def test_the_same_behaviour_gives_another_rate_next_month(reference, name):
    example = reference(name)
    start, of_start, new, of_new = (example["input"][k] for k in ("start", "lost_of_start", "new", "lost_of_new"))
    rate = churn.churn_rate(start=start, lost=of_start + of_new)
    expect = example["expect"]
    assert rate == pytest.approx(expect["all_losses_over_start"], abs=example["tol"])
    if "cohort_only" in expect:
        cohort = churn.churn_rate(definition="cohort", start=start, lost_of_start=of_start)
        assert cohort == pytest.approx(expect["cohort_only"], abs=example["tol"])
        assert start + new - of_start - of_new == expect["end"]


def test_churn_by_customer_days(reference):
    example = reference("A-RET-10")
    given_ = example["input"]
    rate = churn.churn_rate(
        definition="customer_days", lost=given_["churned"], customer_days=given_["customer_days"], days=given_["days"]
    )
    assert rate == pytest.approx(example["expect"]["churn"], abs=example["tol"])
    # The daily base of Noble (2011): losses over the mean number of customers at the start of each day.
    active = [95 + 5 * (day < 20) + 10 * (day >= 15) for day in range(30)]
    assert rate == pytest.approx(given_["churned"] / np.mean(active))


@given(books)
def test_the_rates_of_a_book_hang_together(book):
    start, new, data = book
    of_start = data.draw(st.integers(0, start))
    lost = of_start + data.draw(st.integers(0, new))
    rates = churn.definitions(start=start, new=new, lost=lost, lost_of_start=of_start, end=start + new - lost)
    value = {rate.name: rate.value for rate in rates.rates}
    assert value["cohort"] + value["cohort_retention"] == pytest.approx(1)
    if value["retention_rate"] is not None:
        assert value["start"] + value["retention_rate"] == pytest.approx(1)
        assert value["retention_rate"] == pytest.approx(
            churn.retention_rate(start=start, end=start + new - lost, new=new)
        )
    assert value["cohort"] <= value["start"] + 1e-12
    assert value["start_plus_new"] <= value["start_plus_half_new"] <= value["start"]
    for rate in rates.rates:
        if rate.value is not None:
            assert rate.value == pytest.approx(rate.numerator / rate.denominator)
            if rate.name not in ("retention_rate", "cohort_retention"):
                named = {"start": start, "new": new, "lost": lost, "lost_of_start": of_start}
                assert churn.churn_rate(definition=rate.name, **named) == pytest.approx(rate.value)


def test_arrays_are_the_same_calls():
    arrays = {"start": [200, 1000], "new": [50, 500], "lost": [12, 62], "lost_of_start": [9, 50]}
    for name in ("start", "cohort", "average_base", "start_plus_new", "start_plus_half_new"):
        one_by_one = [churn.churn_rate(definition=name, **{k: v[i] for k, v in arrays.items()}) for i in (0, 1)]
        assert churn.churn_rate(definition=name, **arrays).tolist() == pytest.approx(one_by_one)
    holes = churn.churn_rate(start=[0, 10], lost=[0, 1], undefined="nan")
    assert np.isnan(holes).tolist() == [True, False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": 200, "new": 50, "lost": 12, "end": 240}, "the book does not close: .* is 238, and end is 240"),
        ({"start": 10, "new": 0, "lost": 11}, "lost exceeds start"),
        ({"start": 10, "new": 5, "lost": 4, "lost_of_start": 11}, "lost_of_start exceeds start"),
        ({"start": 10, "new": 5, "lost": 4, "lost_of_start": 5}, "lost_of_start exceeds lost"),
        ({"start": -1, "new": 5, "lost": 4}, "start must be a finite number >= 0"),
    ],
)
def test_books_that_do_not_fit(arguments, message):
    with pytest.raises(InvalidValue, match=message):
        churn.definitions(**arguments)


def test_what_a_definition_needs():
    with pytest.raises(InvalidValue, match='definition="cohort" needs lost_of_start, and it was not given'):
        churn.churn_rate(definition="cohort", start=10)
    with pytest.raises(InvalidValue, match="did you mean 'cohort'"):
        churn.churn_rate(definition="cohorts", start=10)
    with pytest.raises(UndefinedMetric, match="start is 0"):
        churn.churn_rate(start=0, lost=0)
    with pytest.raises(UndefinedMetric, match="customer_days is 0"):
        churn.churn_rate(definition="customer_days", lost=0, customer_days=0, days=30)
    empty = churn.definitions(start=0, new=5, lost=5)
    assert empty["start"].reason == "the denominator is 0"
    assert empty["start_plus_new"].value == 1
    assert "cannot say who was kept" in empty["retention_rate"].reason


def test_the_interval_of_a_retention_rate(reference):
    example = reference("A-RET-12")
    for (kept, size), limits in zip(example["input"]["cells"], example["expect"]["ci"], strict=True):
        span = churn.retention_interval(retained=kept, start=size)
        assert (span.low, span.high) == pytest.approx(tuple(limits), abs=example["tol"])
    with pytest.raises(UndefinedMetric, match="start is 0"):
        churn.retention_interval(retained=0, start=0)
    with pytest.raises(InvalidValue, match="retained must be at most start, got 3 of 2"):
        churn.retention_interval(retained=3, start=2)


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 1)), min_size=1, max_size=12))
def test_averages_over_periods(periods):
    start = [size for size, _ in periods]
    retained = [round(size * share) for size, share in periods]
    rates = [kept / size for kept, size in zip(retained, start, strict=True)]
    averages = {
        name: churn.average_retention(start=start, retained=retained, average=name)
        for name in ("pooled", "compounding", "unweighted")
    }
    assert averages["pooled"] == pytest.approx(sum(retained) / sum(start))
    assert averages["unweighted"] == pytest.approx(math.fsum(rates) / len(rates))
    assert averages["compounding"] ** len(rates) == pytest.approx(math.prod(rates), abs=1e-12)
    assert averages["compounding"] <= averages["unweighted"] + 1e-12


def test_the_trap_of_the_blended_rate():
    """definitions.md: half at 1 % and half at 20 % live 52.5 periods, not 9.5."""
    life = churn.mixed_lifetime(churn=[0.01, 0.2], shares=[1, 1])
    assert life.value == pytest.approx(52.5)
    assert life.from_blended == pytest.approx(1 / 0.105)
    with pytest.warns(churn.BlendedRateWarning, match=r"customers stay 5\.5 times as long as 1 / churn says"):
        assert churn.blended_churn(churn=[0.01, 0.2], shares=[5, 5]) == pytest.approx(0.105)
    with pytest.warns(churn.BlendedRateWarning, match="a group never leaves"):
        churn.blended_churn(churn=[0.0, 0.2], shares=[1, 1])
    assert churn.blended_churn(churn=[0.05, 0.05, 0.9], shares=[1, 2, 0]) == pytest.approx(0.05)
    with pytest.raises(UndefinedMetric, match="churn is 0"):
        churn.mixed_lifetime(churn=[0.0, 0.2], shares=[1, 1])


@given(st.lists(st.tuples(st.floats(0.001, 1), st.floats(0.01, 10)), min_size=1, max_size=6))
def test_blending_never_lengthens_a_lifetime(groups):
    rates, shares = zip(*groups, strict=True)
    life = churn.mixed_lifetime(churn=rates, shares=shares)
    assert life.from_blended <= life.value * (1 + 1e-9)
    scaled = churn.mixed_lifetime(churn=rates, shares=[7 * share for share in shares])
    assert scaled.value == pytest.approx(life.value)
    assert life.value == pytest.approx(math.fsum(w / c for c, w in groups) / math.fsum(shares))


def test_churn_against_a_plan(reference):
    example = reference("S-CHU-01")
    outflow, allowed = example["input"]["outflow"], example["input"]["allowed"]
    check = churn.against_plan(churn=outflow, allowed=allowed)
    assert check.within_allowed is example["expect"]["within_allowed"]
    assert check.times_allowed == pytest.approx(example["expect"]["times_allowed"])
    later = churn.against_plan(churn=example["expect"]["outflow_at_140_percent_fulfilment"], allowed=allowed)
    assert later.fulfilment == pytest.approx(1.4, abs=1e-4)
    assert later.within_allowed
    with pytest.raises(UndefinedMetric, match="nobody was lost"):
        _ = churn.against_plan(churn=0, allowed=0.02).fulfilment


def test_heads_and_money_can_part():
    flow = churn.net_flow(won=30, lost=12, won_money=900, lost_money=1400)
    assert (flow.net, flow.net_money) == (18, -500)
    assert churn.net_flow(won=1, lost=2).net_money is None
    with pytest.raises(InvalidValue, match="won must be a whole number >= 0"):
        churn.net_flow(won=-1, lost=0)


def test_why_customers_leave(reference):
    example = reference("S-CHU-02")
    shares = dict(zip(("indifference", "dissatisfaction", "competitors"), example["input"]["shares"], strict=True))
    why = churn.losses_by_reason({name: round(100 * share) for name, share in shares.items()}, total=100)
    assert [row.reason for row in why.reasons] == list(shares)
    assert [row.share.value for row in why.reasons] == pytest.approx(list(shares.values()))
    assert why.named_share == pytest.approx(example["expect"]["named_share"])
    assert why.other_share == pytest.approx(example["expect"]["other"])
    assert [row.cumulative for row in why.reasons] == pytest.approx([0.68, 0.82, 0.91])
    table = why.to_dict()
    assert table["reason"][-1] == "other"
    assert sum(table["lost"]) == 100
    assert math.fsum(table["share"]) == pytest.approx(1)


def test_reasons_given_one_by_one():
    why = churn.losses_by_reason(["price", "moved", None, "price", "price"], min_losses=2)
    assert [(row.reason, row.share.numerator) for row in why.reasons] == [("price", 3)]
    assert (why.other, why.total) == (2, 5)
    with pytest.raises(UndefinedMetric, match="nobody was lost"):
        churn.losses_by_reason([])
    with pytest.raises(InvalidValue, match="total must be at least the 5 losses"):
        churn.losses_by_reason({"price": 5}, total=4)
    with pytest.raises(InvalidType, match="got one string"):
        churn.losses_by_reason("price")
    with pytest.raises(InvalidType, match="a reason must be a string or None, got 3"):
        churn.losses_by_reason([3, "price"])


def test_results_travel_as_json():
    for result in (
        churn.definitions(start=200, new=50, lost=12),
        churn.mixed_lifetime(churn=[0.1], shares=[1]),
        churn.against_plan(churn=0.1, allowed=0.2),
        churn.net_flow(won=1, lost=2),
        churn.losses_by_reason({"price": 5}),
    ):
        assert type(result).model_validate_json(result.model_dump_json()) == result


def test_the_rule_of_the_cut_off_has_a_name(reference):
    """A-RET-13: the 80th percentile of the same five gaps is 40 to 50 days."""
    item = reference("A-RET-13")
    names = {name: name.split("_")[0] for name in item["expect"]}
    found = {
        name: churn.inactivity_cutoff(item["input"]["gaps"], quantile=item["input"]["q"], rule=rule)
        for name, rule in names.items()
    }
    assert found == pytest.approx(item["expect"], abs=item["tol"])


def test_what_a_cut_off_cannot_be():
    with pytest.raises(InvalidValue, match="gaps is empty; pass at least one number"):
        churn.inactivity_cutoff([])
    with pytest.raises(InvalidValue, match=r"gaps\[1\] must be a finite number > 0, got 0"):
        churn.inactivity_cutoff([3, 0])
    with pytest.raises(InvalidValue, match="rule must be one of 'linear', .*; did you mean 'hazen'"):
        churn.inactivity_cutoff([3], rule="hazn")
    with pytest.raises(InvalidValue, match="quantile must be a fraction from 0 to 1"):
        churn.inactivity_cutoff([3], quantile=80)


def test_lifetimes_of_the_reference(reference):
    """A-RET-08: 3 % a month and 20 % a year, the first period certain."""
    item = reference("A-RET-08")
    assert churn.expected_lifetime(item["input"]["monthly"]) == pytest.approx(item["expect"]["months"], abs=item["tol"])
    assert churn.expected_lifetime(item["input"]["annual"]) == pytest.approx(item["expect"]["years"], abs=item["tol"])


# Where rules turn: each expectation follows from the written rule, at the very place where it changes.


def test_a_window_of_less_than_a_day_is_rounded_up_to_one():
    assert churn.retention_window(purchase_cycle=0.2) == 1
    assert churn.retention_window(purchase_cycle=1 / 3) == 1
    with pytest.raises(InvalidValue, match="purchase_cycle must be a finite number > 0, got 0"):
        churn.retention_window(purchase_cycle=0)


def test_three_cycles_are_enough_and_fewer_are_warned_of():
    assert churn.retention_window(purchase_cycle=10, cycles=3) == 30
    with pytest.warns(churn.ShortWindowWarning, match=r"cycles is 2\.9") as caught:
        assert churn.retention_window(purchase_cycle=10, cycles=2.9) == 29
    assert caught[0].filename == __file__


def test_a_gap_may_be_a_part_of_a_day():
    assert churn.inactivity_cutoff([0.25, 0.75], quantile=0.5) == 0.5


def test_a_cycle_is_the_censored_median_where_there_is_one():
    known = churn.PurchaseCycle(median=40, median_closed=25, closed=3, open=2)
    assert known.days == 40
    assert known.model_copy(update={"median": None}).days == 25


@pytest.mark.parametrize(("rates", "stretch"), [((0.1, 0.1 * 1.86), 1.0994), ((0.1, 0.1 * 1.9), 1.1066)])
def test_a_lifetime_out_by_a_tenth_is_warned_of(rates, stretch):
    """Halves at c and cx live (1 + x)^2 / 4x times as long as 1 / churn says: a tenth at x = 1.8633."""
    low, high = rates
    assert (low + high) ** 2 / (4 * low * high) == pytest.approx(stretch, abs=1e-4)
    if stretch < 1.1:
        assert churn.blended_churn(churn=rates, shares=[1, 1]) == pytest.approx((low + high) / 2)
        return
    with pytest.warns(churn.BlendedRateWarning, match=r"customers stay 1\.1 times as long") as caught:
        churn.blended_churn(churn=rates, shares=[1, 1])
    assert caught[0].filename == __file__


def test_groups_without_customers_say_nothing():
    assert churn.mixed_lifetime(churn=[0, 0.1], shares=[0, 3]).value == pytest.approx(10)
    assert churn.blended_churn(churn=[0, 0.1], shares=[0, 3]) == pytest.approx(0.1)
    assert churn.blended_churn(churn=[0, 0], shares=[1, 3]) == 0


@pytest.mark.parametrize(
    ("rates", "shares"), [(0.1, 1), ([0.1], 1), (0.1, [1]), ([[0.1, 0.2]], [[1, 2]]), ([0.1], [[1], [2]])]
)
def test_groups_are_one_rate_and_one_share_each(rates, shares):
    for mix in (churn.mixed_lifetime, churn.blended_churn):
        with pytest.raises(InvalidValue, match="churn and shares must be one number a group each"):
            mix(churn=rates, shares=shares)


def test_churn_at_the_allowed_level_is_within_it():
    assert churn.against_plan(churn=0.02, allowed=0.02).within_allowed
    with pytest.raises(InvalidValue, match="allowed must be a fraction above 0"):
        churn.against_plan(churn=0.02, allowed=0)


def test_flows_of_nothing_and_of_half_known_money():
    nothing = churn.net_flow(won=0, lost=0, won_money=0, lost_money=0)
    assert (nothing.net, nothing.net_money) == (0, 0)
    assert churn.net_flow(won=1, lost=1, won_money=5).net_money is None
    assert churn.net_flow(won=1, lost=1, lost_money=5).net_money is None
    assert churn.net_flow(won=1, lost=1, won_money=0.5, lost_money=0.25).net_money == 0.25


def test_reasons_nobody_named_and_reasons_at_the_limit():
    why = churn.losses_by_reason({"price": 2, "moved": 0, "taste": 3})
    assert [(row.reason, row.cumulative) for row in why.reasons] == [("taste", 3 / 5), ("price", 1)]
    assert (why.other, why.named_share) == (0, 1)
    assert why.to_dict()["cumulative"] == [3 / 5, 1, 1]
    assert [row.reason for row in churn.losses_by_reason({"price": 2, "taste": 3}, min_losses=2).reasons] == [
        "taste",
        "price",
    ]
    alike = churn.losses_by_reason({"taste": 1, "moved": 2, "price": 1, "health": 1})
    assert [row.reason for row in alike.reasons] == ["moved", "health", "price", "taste"]
    only = churn.losses_by_reason({}, total=4)
    assert (only.reasons, only.other, only.other_share) == ((), 4, 1)
    with pytest.raises(UndefinedMetric, match="nobody was lost"):
        churn.losses_by_reason({}, total=0)


def test_a_book_closes_but_for_rounding():
    closing = churn.definitions(start=0.1, new=0.2, lost=0, end=0.3)
    assert closing["start"].value == 0
    assert churn.definitions(start=5, new=0, lost=5, end=0)["start"].value == 1
    with pytest.raises(InvalidValue, match="the book does not close: .* is 5, and end is 5"):
        churn.definitions(start=5, new=0, lost=0, end=5.0000001)


def test_everybody_kept_and_nobody_kept():
    for average in ("pooled", "compounding", "unweighted"):
        assert churn.average_retention(start=[4, 4], retained=[4, 4], average=average) == 1
        assert churn.average_retention(start=[0.5, 4], retained=[0.25, 2], average=average) == pytest.approx(0.5)
    assert churn.average_retention(start=[4, 4], retained=[0, 2], average="compounding") == 0
    none = churn.definitions(start=5, new=3, lost=5, lost_of_start=5)
    assert (none["retention_rate"].value, none["cohort_retention"].value) == (0, 0)


def test_an_interval_of_everybody_and_of_nobody():
    """Wilson by hand: n / (n + z^2) for all kept, its mirror for none."""
    bound = 10 / (10 + 1.959964**2)
    everybody, nobody = (churn.retention_interval(retained=kept, start=10) for kept in (10, 0))
    assert (everybody.low, everybody.high) == (pytest.approx(bound, rel=1e-6), 1)
    assert (nobody.low, nobody.high) == (0, pytest.approx(1 - bound, rel=1e-6))
    with pytest.raises(InvalidValue, match="retained must be at most start, got 11 of 10"):
        churn.retention_interval(retained=11, start=10)
