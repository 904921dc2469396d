"""Whom to win back: value of an offer, its break-even, the largest offer, and the rule of fault."""

import math

import numpy as np
import pandas as pd
import polars as pl
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics.errors import InvalidType, InvalidValue, RetentionMetricsError, UndefinedMetric
from retention_metrics.ltv import WinBack, WinBackRanking, win_back

NUMBERS = (
    "value",
    "worth",
    "gain",
    "cost",
    "cannibalised",
    "break_even_probability",
    "largest_offer_per_contact",
    "largest_offer_per_return",
)


@st.composite
def offers(draw, fault=None):
    """Arguments of one offer; word of mouth runs in both directions."""
    without, with_offer = sorted((draw(st.floats(0, 1)), draw(st.floats(0, 1))))
    money = st.floats(0, 500)
    whose = fault or draw(st.sampled_from(["ours", "theirs"]))
    return {
        "return_with": with_offer,
        "return_without": without,
        "margin": draw(st.floats(-50, 200)),
        "churn": draw(st.floats(0.01, 1)),
        "discount": draw(st.floats(0, 0.2)),
        "horizon": draw(st.none() | st.integers(0, 40)),
        "offer_per_contact": draw(money),
        "offer_per_return": draw(money),
        "compensation": draw(money) if whose == "ours" else 0.0,
        "cost_to_serve": draw(st.floats(0, 100)),
        "word_of_mouth_returned": draw(st.floats(-100, 100)),
        "word_of_mouth_away": draw(st.floats(-100, 100)),
        "fault": whose,
    }


def books(offer):
    """Expected money with the offer less expected money without it, from two ledgers kept payment by payment."""
    kept, factor = 1 - offer["churn"], 1 / (1 + offer["discount"])
    length = 5000 if offer["horizon"] is None else offer["horizon"]
    each = offer["margin"] - offer["cost_to_serve"]
    stream = math.fsum(each * (kept * factor) ** k for k in range(length))
    back, away = stream + offer["word_of_mouth_returned"], offer["word_of_mouth_away"]
    chance = offer["return_with"]
    made = chance * (back - offer["offer_per_return"]) + (1 - chance) * away
    made -= offer["offer_per_contact"] + offer["compensation"]
    chance = offer["return_without"]
    return made - (chance * back + (1 - chance) * away)


GYM = {
    "return_with": 0.4,
    "return_without": 0.1,
    "margin": 30,
    "churn": 0.2,
    "fault": "theirs",
    "cost_to_serve": 5,
    "offer_per_contact": 4,
    "offer_per_return": 20,
    "word_of_mouth_returned": 6,
    "word_of_mouth_away": -9,
}


def test_an_offer_reckoned_by_hand():
    # LTV 25 / 0.2 = 125, worth 125 + 6 + 9 = 140, gain 0.3 x 140 = 42, cost 4 + 0.4 x 20 = 12.
    offer = win_back(**GYM)
    assert (offer.return_with, offer.return_without, offer.fault) == (0.4, 0.1, "theirs")
    assert (offer.worth, offer.gain, offer.cost) == pytest.approx((140, 42, 12))
    assert (offer.value, offer.cannibalised, offer.verdict) == (pytest.approx(30), 2.0, "win back")
    barely = win_back(**GYM | {"offer_per_contact": 33.9})
    assert (barely.verdict, barely.reasons[0]) == ("win back", offer.reasons[0])
    # (0.1 x 140 + 4) / (140 - 20), then 42 as a gift, or 42 / 0.4 as a discount.
    assert offer.break_even_probability == pytest.approx(0.15)
    assert offer.largest_offer_per_contact == pytest.approx(42)
    assert offer.largest_offer_per_return == pytest.approx(105)


@given(offers())
def test_the_value_is_the_difference_of_two_ledgers(offer):
    found = win_back(**offer)
    assert found.value == pytest.approx(books(offer), rel=1e-9, abs=1e-6)
    assert found.value == pytest.approx(found.gain - found.cost, abs=1e-9)
    assert (found.verdict == "win back") == (found.value > 0)
    assert (found.reasons[0] == "the returns that the offer brings are worth more than it costs") == (found.value > 0)


@given(offers())
def test_at_the_break_even_probability_the_value_is_nothing(offer):
    found = win_back(**offer)
    chance = found.break_even_probability
    if chance is None:
        # A straight line in the probability, above 0 nowhere from return_without to 1.
        assert win_back(**offer | {"return_with": 1}).value <= 1e-6
        assert found.verdict == "let go"
    else:
        assert offer["return_without"] - 1e-9 <= chance <= 1
        chance = max(chance, offer["return_without"])
        assert win_back(**offer | {"return_with": chance}).value == pytest.approx(0, abs=1e-6)
        if found.verdict == "win back":
            assert chance < offer["return_with"]


@given(offers())
def test_at_the_largest_offer_the_value_is_nothing(offer):
    found = win_back(**offer)
    free = offer | {"offer_per_contact": 0, "offer_per_return": 0}
    if found.largest_offer_per_contact is None:
        assert win_back(**free).value < 0
        assert found.largest_offer_per_return is None
        return
    gift = free | {"offer_per_contact": found.largest_offer_per_contact}
    assert win_back(**gift).value == pytest.approx(0, abs=1e-6)
    if found.largest_offer_per_return is None:
        assert offer["return_with"] < 1e-300
    else:
        discount = free | {"offer_per_return": found.largest_offer_per_return}
        assert win_back(**discount).value == pytest.approx(0, abs=1e-6)


@given(offers(), st.floats(0, 1), st.floats(0, 100))
def test_more_returns_and_more_margin_are_worth_more(offer, step, more):
    found = win_back(**offer)
    likelier = win_back(**offer | {"return_with": offer["return_with"] + step * (1 - offer["return_with"])})
    if found.worth >= offer["offer_per_return"]:
        assert likelier.value >= found.value - 1e-6
    else:
        assert likelier.value <= found.value + 1e-6
    assert win_back(**offer | {"margin": offer["margin"] + more}).value >= found.value - 1e-6


@given(offers(), st.floats(0, 300))
def test_costs_and_word_of_mouth_act_in_their_direction(offer, money):
    value = win_back(**offer).value
    uplift = offer["return_with"] - offer["return_without"]
    close = {"abs": 1e-6}

    def raised(name):
        return win_back(**offer | {name: offer[name] + money}).value

    assert raised("offer_per_contact") == pytest.approx(value - money, **close)
    assert raised("offer_per_return") == pytest.approx(value - money * offer["return_with"], **close)
    assert raised("word_of_mouth_returned") == pytest.approx(value + money * uplift, **close)
    assert raised("word_of_mouth_away") == pytest.approx(value - money * uplift, **close)
    assert raised("cost_to_serve") <= value + 1e-6


@given(offers(), st.floats(0.01, 100))
def test_the_currency_does_not_matter(offer, rate):
    money = {name for name in offer if name.startswith(("offer", "word", "cost", "comp")) or name == "margin"}
    found = win_back(**offer)
    other = win_back(**{name: value * rate if name in money else value for name, value in offer.items()})
    assert other.value == pytest.approx(found.value * rate, rel=1e-6, abs=1e-6)


def test_those_who_would_come_anyway_are_no_effect_and_take_the_discount():
    sure = win_back(**GYM | {"return_without": 0.4})
    assert (sure.gain, sure.value) == (0, -sure.cost)
    assert sure.cannibalised == pytest.approx(0.4 * 20)
    assert math.copysign(1, win_back(**GYM | {"return_without": 0.4, "margin": 0}).gain) == 1
    assert sure.reasons[0] == "the offer brings nobody back who would not return anyway"


def test_a_lifetime_value_from_elsewhere_is_a_margin_with_churn_1():
    direct = win_back(**GYM | {"margin": 130, "churn": 1})
    assert direct.worth == 130 - 5 + 6 + 9


# Fault


def test_what_we_owe_is_paid_to_all_who_are_contacted():
    terms = GYM | {"fault": "ours", "compensation": 10}
    assert win_back(**terms).fault == "ours"
    assert win_back(**terms).value == pytest.approx(30 - 10)
    assert win_back(**terms).largest_offer_per_contact == pytest.approx(42 - 10)
    assert win_back(**terms | {"compensation": 0}).value == pytest.approx(30)
    assert win_back(**terms | {"cost_to_serve": None}).worth == pytest.approx(140 + 25)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fault": "ours"}, 'compensation must be given where fault is "ours": it is owed; 0 for a bare apology$'),
        ({"cost_to_serve": None}, 'cost_to_serve must be given where fault is "theirs"; 0 for'),
        ({"compensation": 3}, 'compensation must be 0 where fault is "theirs": nothing is owed'),
        ({"fault": ["theirs", "ours"]}, r"compensation must be given .*; first at \[1\]"),
        ({"fault": ["ours", "theirs"], "compensation": [3, 3]}, r"must be 0 where .*; first at \[1\]"),
        ({"fault": "their"}, "fault must be one of 'ours', 'theirs', got 'their'; did you mean 'theirs'"),
        ({"fault": ["theirs", "Ours"]}, r"fault\[1\] must be one of .*, got 'Ours'; did you mean 'ours'"),
        ({"fault": np.array(["theirs", None], dtype=object)}, r"fault\[1\] must be one of .*, got None"),
        ({"fault": []}, "fault is empty"),
    ],
)
def test_the_rule_of_fault_is_held(changed, message):
    with pytest.raises(InvalidValue, match=message):
        win_back(**GYM | changed)


@pytest.mark.parametrize("fault", [None, 1, [True, False], b"ours", np.array("ours")])
def test_a_fault_is_a_name(fault):
    with pytest.raises(InvalidType, match="fault must be 'ours', 'theirs' or one of them per customer"):
        win_back(**GYM | {"fault": fault})


# Reasons


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, "the returns that the offer brings are worth more than it costs"),
        ({"margin": 1}, "a customer who returns is worth no more than one who stays away"),
        ({"return_without": 0.4}, "the offer brings nobody back who would not return anyway"),
        ({"fault": "ours", "compensation": 42.5}, "the compensation alone takes all that the returns are worth"),
        ({"offer_per_contact": 126}, "the offer would not pay even if everybody returned"),
        ({"return_without": 0.35, "offer_per_contact": 0}, "too much of the offer goes to customers who would return"),
        ({"offer_per_contact": 40}, "the offer costs at least as much as the returns that it brings are worth"),
    ],
)
def test_the_deciding_reason(changed, reason):
    offer = win_back(**GYM | changed)
    assert offer.reasons[0].startswith(reason)
    assert offer.verdict == ("win back" if not changed else "let go")
    (row,) = win_back(**GYM | changed | {"discount": [0]}).reason
    assert row == offer.reasons[0]


def test_the_reasons_name_the_amounts():
    text = str(win_back(**GYM | {"fault": "ours", "compensation": 35}))
    assert text.splitlines() == [
        "let go: the offer is worth -5.00 a customer",
        "- the offer costs at least as much as the returns that it brings are worth",
        "- 30.0 in 100 such customers return because of it, each worth 140.00: 42.00 gained for 47.00 spent",
        "- 2.00 of the cost goes to customers who would return anyway",
        "- the fault is ours: 35.00 of compensation is owed, returned or not; apart from it the offer would pay",
        "- serving them takes 5.00 more than others in every period",
        "- the offer pays from a probability of return of 44.2 %",
    ]
    beyond = win_back(**GYM | {"fault": "ours", "compensation": 35, "offer_per_contact": 40})
    assert "the fault is ours: 35.00 of compensation is owed, returned or not" in beyond.reasons
    apology = win_back(**GYM | {"fault": "ours", "compensation": 0})
    assert "the fault is ours: an apology is owed, and no money" in apology.reasons
    assert "the fault is not ours: nothing is owed" in win_back(**GYM).reasons


# Lists


@given(st.lists(offers(), min_size=1, max_size=6))
def test_a_list_agrees_with_its_customers(rows):
    for row in rows:
        row["horizon"] = row["horizon"] or 12
    ranking = win_back(**{name: [row[name] for row in rows] for name in rows[0]})
    assert isinstance(ranking, WinBackRanking)
    for i, row in enumerate(rows):
        one = win_back(**row)
        for name in NUMBERS:
            expected = getattr(one, name)
            found = getattr(ranking, name)[i]
            assert math.isnan(found) if expected is None else found == pytest.approx(expected, rel=1e-12, abs=1e-9)
        assert ranking.win_back[i] == (one.verdict == "win back")
        assert ranking.reason[i] == one.reasons[0]
    ranked = ranking.value[ranking.order].tolist()
    assert ranked == sorted(ranked, reverse=True)
    assert sorted(ranking.order.tolist()) == list(range(len(rows)))


def test_equals_keep_their_order_and_the_undefined_come_last():
    found = win_back(**GYM | {"churn": [0, 0.5, 0.2, 0.5]}, undefined="nan")
    assert found.order.tolist() == [2, 1, 3, 0]
    for name in NUMBERS:
        assert np.isnan(getattr(found, name)).tolist() == [True, False, False, False]
    assert not found.win_back[0]
    table = found.to_dict()
    assert (table["rank"], table["customer"]) == ([1, 2, 3, 4], [2, 1, 3, 0])
    assert all(table[name][-1] is None for name in (*NUMBERS, "verdict"))
    assert table["reason"][-1] == "churn is 0, so the lifetime after the return has no end; give a horizon"
    assert table["verdict"][0] == "win back"
    assert str(found).splitlines()[-1].split()[:3] == ["4", "0", "-"]


def test_churn_nothing_needs_a_horizon():
    with pytest.raises(UndefinedMetric, match="churn is 0"):
        win_back(**GYM | {"churn": 0})
    with pytest.raises(UndefinedMetric, match=r"at \[1\]"):
        win_back(**GYM | {"churn": [0.1, 0]})
    with pytest.raises(UndefinedMetric):
        win_back(**GYM | {"churn": 0}, undefined="nan")
    assert win_back(**GYM | {"churn": 0, "horizon": 3}).worth == pytest.approx(3 * 25 + 15)


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_a_frame_has_one_row_a_customer_the_best_first(backend):
    found = win_back(**GYM | {"margin": [10, 30, 20]})
    frame = found.to_frame(backend)
    read = frame.to_pydict() if backend == "pyarrow" else {name: list(frame[name]) for name in found.to_dict()}
    assert read["customer"] == [1, 2, 0]
    assert read["value"] == found.value[[1, 2, 0]].tolist()


@pytest.mark.parametrize("series", [pd.Series, pl.Series, np.array, lambda x: pd.Series(x).astype("category")])
def test_columns_of_a_frame_will_do(series):
    found = win_back(**GYM | {"fault": series(["theirs", "ours"]), "compensation": [0, 10]})
    assert found.value == pytest.approx([30, 20])


def test_one_long_list_is_shown_on_one_screen():
    text = str(win_back(**GYM | {"margin": np.linspace(1, 60, 500)}))
    assert len(text.splitlines()) == 13
    assert text.splitlines()[-1] == "... and 490 more"


def test_results_cannot_be_changed_and_travel_as_json():
    offer = win_back(**GYM | {"margin": 1})
    assert (offer.break_even_probability, offer.largest_offer_per_contact) == (None, None)
    assert WinBack.model_validate_json(offer.model_dump_json()) == offer
    with pytest.raises(pydantic.ValidationError):
        offer.value = 3
    ranking = win_back(**GYM | {"margin": [1, 2]})
    with pytest.raises(ValueError, match="read-only"):
        ranking.value[0] = 3


# Bad input


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"return_with": 0.05}, "return_with must not be below return_without: an offer that keeps customers away"),
        ({"return_with": [0.3, 0.05]}, r"return_with must not be .*; first at \[1\]"),
        ({"return_with": 40}, "return_with must be a fraction from 0 to 1 .*, got 40"),
        ({"return_without": -0.1}, "return_without must be a fraction"),
        ({"churn": [0.1, 1.2]}, r"churn\[1\] must be a fraction"),
        ({"margin": math.nan}, "margin must be a finite number, got nan; leave missing values out"),
        ({"discount": -0.1}, "discount must be a finite number >= 0"),
        ({"horizon": -1}, "horizon must be a finite number >= 0"),
        ({"offer_per_contact": -1}, "offer_per_contact must be a finite number >= 0"),
        ({"offer_per_return": -1}, "offer_per_return must be a finite number >= 0"),
        ({"cost_to_serve": -1}, "cost_to_serve must be a finite number >= 0"),
        ({"fault": "ours", "compensation": -1}, "compensation must be a finite number >= 0"),
        ({"word_of_mouth_away": math.inf}, "word_of_mouth_away must be a finite number, got inf"),
        ({"margin": [1, 2], "churn": [0.1, 0.2, 0.3]}, r"margin \(2,\), churn \(3,\)"),
        ({"fault": ["theirs", "theirs"], "churn": [0.1, 0.2, 0.3]}, r"churn \(3,\), fault \(2,\)"),
        ({"fault": ["ours", "ours"], "compensation": [1, 2, 3]}, r"fault \(2,\), compensation \(3,\)"),
        ({"margin": [[1, 2]]}, r"one dimension, got arrays of shape \(1, 2\)"),
        ({"margin": []}, "margin is empty"),
        ({"margin": 1e308, "churn": 1e-5}, "the value is beyond the largest float"),
        ({"word_of_mouth_returned": 1e308, "word_of_mouth_away": -1e308}, "the value is beyond the largest float$"),
        ({"word_of_mouth_returned": [0, 1e308], "word_of_mouth_away": -1e308}, r"largest float; first at \[1\]"),
    ],
)
def test_impossible_terms_are_named(changed, message):
    with pytest.raises(InvalidValue, match=message):
        win_back(**GYM | changed)


@pytest.mark.parametrize("name", [name for name in GYM if name != "fault"])
def test_text_is_no_number(name):
    with pytest.raises(InvalidType, match=f"{name} must be a number"):
        win_back(**GYM | {name: "5"})
    with pytest.raises(RetentionMetricsError):
        win_back(**GYM | {name: [0.1, True]})


def test_a_list_keeps_the_ids_of_its_customers():
    terms = {"return_with": [0.3, 0.6], "return_without": 0.1, "margin": 20, "churn": 0.1, "fault": "theirs"}
    ranking = win_back(**terms, cost_to_serve=0, offer_per_contact=1, customers=pl.Series(["ann", "bob"]))
    assert ranking.to_dict()["customer"] == ["bob", "ann"]
    assert "bob" in str(ranking)
    assert win_back(**terms, cost_to_serve=0, offer_per_contact=1).to_dict()["customer"] == [1, 0]
    with pytest.raises(InvalidValue, match="customers must be one id for each of 2 offers, got 1"):
        win_back(**terms, cost_to_serve=0, customers=["ann"])
