"""Care after the sale: fading recommendations, reminders, and the spacing that pays best."""

import math

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics import nps
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.ltv import ReferralValue, best_spacing, expected_referrals, referral_value

SALON = {"shares": (0.5, 0.3, 0.2), "rates": (0.1, 0.02, -0.05), "half_life": 6, "horizon": 12, "ltv": 200}

lengths = st.floats(0.1, 60)
horizons = st.floats(0, 120)
rates = st.floats(-2, 2)


def stream(rate, half_life, horizon, spacing=None, steps=20_000):
    """New customers summed over short steps of time, the rate halving since the last reminder."""
    middle = (np.arange(steps) + 0.5) * horizon / steps
    since = middle if spacing is None else middle % spacing
    return float(np.sum(rate * 0.5 ** (since / half_life)) * horizon / steps)


@st.composite
def cares(draw):
    """Arguments of a base of customers under care."""
    answers = draw(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(1, 50)))
    return {
        "shares": tuple(count / sum(answers) for count in answers),
        "rates": (draw(st.floats(0, 0.5)), draw(st.floats(-0.1, 0.2)), draw(st.floats(-0.5, 0.1))),
        "half_life": draw(st.floats(0.5, 24)),
        "horizon": draw(st.floats(0, 40)),
        "ltv": draw(st.floats(-10, 1000)),
        "reminder_cost": draw(st.floats(0, 100)),
    }


# The stream


@given(rates, lengths, horizons)
def test_the_closed_form_is_the_sum_of_the_stream(rate, half_life, horizon):
    found = expected_referrals(rate=rate, half_life=half_life, horizon=horizon)
    assert found == pytest.approx(stream(rate, half_life, horizon), rel=1e-3, abs=1e-9)


@given(rates, lengths, st.floats(0.1, 120), st.floats(0.1, 1.5))
def test_with_reminders_too(rate, half_life, horizon, part):
    spacing = part * horizon
    found = expected_referrals(rate=rate, half_life=half_life, horizon=horizon, spacing=spacing)
    # At a step in which a reminder falls the sum is wrong by no more than the whole step.
    slack = abs(rate) * horizon / 20_000 * 12
    assert found == pytest.approx(stream(rate, half_life, horizon, spacing), rel=1e-3, abs=slack + 1e-9)


@given(st.floats(0.01, 2), lengths, st.floats(0.1, 120))
def test_referrals_lie_between_their_limits(rate, half_life, horizon):
    found = expected_referrals(rate=rate, half_life=half_life, horizon=horizon)
    assert 0 < found <= rate * min(horizon, half_life / math.log(2)) * (1 + 1e-12)
    longer = expected_referrals(rate=rate, half_life=2 * half_life, horizon=horizon)
    assert found <= longer <= rate * horizon * (1 + 1e-12)
    assert found <= expected_referrals(rate=rate, half_life=half_life, horizon=2 * horizon)
    assert expected_referrals(rate=rate, half_life=1e12, horizon=horizon) == pytest.approx(rate * horizon)
    assert expected_referrals(rate=rate, half_life=half_life, horizon=1e9) == pytest.approx(
        rate * half_life / math.log(2)
    )


def test_after_one_half_life_half_of_all_is_said():
    half, whole = expected_referrals(rate=0.3, half_life=6, horizon=[6, 1e9])
    assert half == pytest.approx(whole / 2)


@given(st.floats(0.01, 2), lengths, st.integers(1, 60), st.integers(1, 60))
def test_reminders_never_hurt_and_frequent_ones_keep_the_rate_fresh(rate, half_life, horizon, spacing):
    terms = {"rate": rate, "half_life": half_life, "horizon": horizon}
    never = expected_referrals(**terms)
    found = expected_referrals(**terms, spacing=spacing)
    assert never <= found * (1 + 1e-12)
    assert found <= rate * horizon * (1 + 1e-12)
    assert found <= expected_referrals(**terms, spacing=spacing / 2) * (1 + 1e-9)
    assert expected_referrals(**terms, spacing=horizon) == pytest.approx(never)
    assert expected_referrals(**terms, spacing=horizon + spacing) == pytest.approx(never)
    assert expected_referrals(**terms, spacing=horizon / 10_000) == pytest.approx(
        rate * horizon, rel=horizon / half_life / 10_000
    )


@given(st.lists(st.tuples(rates, lengths, horizons, lengths), min_size=1, max_size=6))
def test_arrays_agree_with_numbers(rows):
    names = ("rate", "half_life", "horizon", "spacing")
    together = expected_referrals(**dict(zip(names, np.array(rows).T, strict=True)))
    one_by_one = [expected_referrals(**dict(zip(names, row, strict=True))) for row in rows]
    np.testing.assert_allclose(together, one_by_one, rtol=1e-12)
    assert all(type(value) is float for value in one_by_one)


def test_no_time_brings_nobody():
    assert expected_referrals(rate=0.1, half_life=6, horizon=0) == 0
    assert expected_referrals(rate=0.1, half_life=6, horizon=0, spacing=3) == 0


# Value


def reckoned(care, spacing=None):
    """Net value of an average customer and the reminders a promoter gets, from a calendar of reminders."""
    (p, q, d), (first, second, third) = care["shares"], care["rates"]
    h, horizon = care["half_life"], care["horizon"]
    days = [0.0]
    while spacing is not None and days[-1] + spacing < horizon * (1 - 1e-12):
        days.append(spacing * len(days))

    def told(rate, starts):
        ends = [*starts[1:], horizon]
        decay = math.log(2) / h
        return sum(
            rate / decay * (1 - math.exp(-decay * (end - start))) for start, end in zip(starts, ends, strict=True)
        )

    referrals = p * told(first, days) + q * told(second, [0.0]) + d * told(third, [0.0])
    sent = len(days) - 1
    return care["ltv"] * referrals - p * sent * care["reminder_cost"], sent, referrals


@given(cares(), st.none() | st.integers(1, 45) | st.sampled_from([0.1, 0.5, 2.5]))
def test_the_value_is_that_of_a_calendar_of_reminders(care, spacing):
    found = referral_value(**care, spacing=spacing)
    net, sent, referrals = reckoned(care, spacing)
    without, _, few = reckoned(care)
    assert found.reminders == sent
    assert found.net_value == pytest.approx(net, rel=1e-9, abs=1e-6)
    assert found.value_without == pytest.approx(without, rel=1e-9, abs=1e-6)
    assert (found.referrals_with, found.referrals_without) == pytest.approx((referrals, few), rel=1e-9, abs=1e-9)
    assert found.cost == pytest.approx(care["shares"][0] * sent * care["reminder_cost"])
    assert found.gain == pytest.approx(found.net_value - found.value_without)
    assert sum(found.referrals_by_class) == pytest.approx(found.referrals_without)


def test_half_a_year_of_the_salon_by_hand():
    # 0.1 x 6 / ln 2 x 1/2 = 0.43281 from a promoter within a half-life, as much again after one reminder.
    half = 0.3 / math.log(2)
    found = referral_value(**SALON, spacing=6, reminder_cost=5)
    assert found.referrals_by_class[0] == pytest.approx(0.5 * half * 1.5)
    assert found.referrals_with == pytest.approx(0.5 * half * 2 + (0.3 * 0.2 - 0.2 * 0.5) * half * 1.5)
    assert (found.reminders, found.cost, found.nps) == (1, 2.5, pytest.approx(30))
    assert found.gain == pytest.approx(200 * 0.5 * half * 0.5 - 2.5)


@pytest.mark.parametrize(
    ("horizon", "spacing", "sent"), [(12, 12, 0), (12, 6, 1), (12.5, 6, 2), (1.1, 0.1, 10), (0, 1, 0)]
)
def test_a_reminder_at_the_horizon_is_not_sent(horizon, spacing, sent):
    assert referral_value(**SALON | {"horizon": horizon}, spacing=spacing, reminder_cost=1).reminders == sent


def test_it_takes_the_shares_of_a_score():
    wave = nps.from_counts(promoters=50, passives=30, detractors=20)
    found = referral_value(**SALON | {"shares": wave.shares})
    assert found == referral_value(**SALON)
    assert found.nps == pytest.approx(wave.value)


def test_it_claims_no_cause():
    found = referral_value(**SALON)
    assert found.reading == (
        "At NPS 30.0 word of mouth is worth 59.73 a customer over 12 periods. This is an association under the stated "
        "rates: it does not say that a higher score brings more."
    )
    assert " ".join(str(found).splitlines()[:2]) == found.reading
    assert "detractors             -0.0649        -12.98" in str(found)
    assert "every" not in str(found)


def test_a_referred_customer_with_all_who_come_through_them(reference):
    example = reference("A-GRO-04")
    # A rate that never fades: all of K within one period.
    terms = {"shares": (1, 0, 0), "rates": (example["input"]["k"], 0, 0), "half_life": 1e12, "horizon": 1, "ltv": 1}
    found = referral_value(**terms).worth_of_referred
    assert found == pytest.approx(example["expect"]["multiplier"], abs=example["tol"])
    with pytest.raises(UndefinedMetric, match="every customer brings 1.5 more, so the chain has no end"):
        _ = referral_value(**terms | {"rates": (1.5, 0, 0)}).worth_of_referred


@given(cares(), st.integers(1, 20))
def test_the_chain_is_the_sum_of_its_generations(care, spacing):
    found = referral_value(**care, spacing=spacing)
    if abs(found.referrals_with) < 0.9:
        each = care["ltv"] - found.cost
        chain = math.fsum(each * found.referrals_with**generation for generation in range(400))
        assert found.worth_of_referred == pytest.approx(chain, rel=1e-6, abs=1e-6)


def test_a_value_travels_as_json_and_cannot_be_changed():
    found = referral_value(**SALON, spacing=3, reminder_cost=10)
    assert ReferralValue.model_validate_json(found.model_dump_json()) == found
    with pytest.raises(pydantic.ValidationError):
        found.ltv = 3


# Spacing


@given(cares())
def test_the_best_spacing_is_the_best_of_all(care):
    table = best_spacing(**care)
    tried = range(1, max(math.ceil(care["horizon"]), 1))
    assert table.spacing.tolist() == list(tried)
    never = reckoned(care)[0]
    assert table.net_value_never == pytest.approx(never, rel=1e-9, abs=1e-6)
    every = [reckoned(care, spacing) for spacing in tried]
    assert table.reminders.tolist() == [sent for _, sent, _ in every]
    assert table.net_value.tolist() == pytest.approx([net for net, _, _ in every], rel=1e-9, abs=1e-6)
    assert table.referrals.tolist() == pytest.approx([count for _, _, count in every], rel=1e-9, abs=1e-9)
    highest = max([never, *(net for net, _, _ in every)])
    if table.best is None:
        assert highest == pytest.approx(never, rel=1e-6, abs=1e-4)
        assert table.reason
        assert table.gain == 0
    else:
        assert table.reason is None
        assert referral_value(**care, spacing=table.best).net_value == pytest.approx(highest, rel=1e-9, abs=1e-6)
        assert table.gain == pytest.approx(highest - never, rel=1e-6, abs=1e-6)


def test_dearer_reminders_are_sent_more_rarely():
    found = [best_spacing(**SALON, reminder_cost=cost).best for cost in (0, 5, 10, 30, 60)]
    assert found[0] == 1
    assert found[-1] is None
    assert [spacing or 99 for spacing in found] == sorted(spacing or 99 for spacing in found)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"shares": (0, 0.6, 0.4)}, "there are no promoters to remind"),
        ({"rates": (0, 0.1, 0)}, "promoters bring nobody, so a reminder has nothing to refresh"),
        ({"ltv": -4}, "a referred customer is worth -4.00, so more of them bring nothing"),
        ({"horizon": 1}, "no whole period lies within the horizon"),
        ({"horizon": 0}, "no whole period lies within the horizon"),
        # One reminder at 6 brings 0.5 x 0.3 / ln 2 x (2 - 1.5) x 200.
        ({"reminder_cost": 80}, "the best of them, every 6 periods, brings 21.64 a customer and costs 40.00"),
    ],
)
def test_when_no_reminder_pays_it_says_why(changed, reason):
    table = best_spacing(**SALON | {"reminder_cost": 10} | changed)
    assert (table.best, table.reason, table.gain) == (None, reason, 0)
    assert str(table).splitlines()[0] == f"never remind: {reason}"


def test_reminders_that_change_nothing_are_not_sent():
    table = best_spacing(**SALON | {"half_life": 1e15}, reminder_cost=0)
    assert table.best is None


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_the_table_ends_with_never(backend):
    table = best_spacing(**SALON, reminder_cost=10)
    frame = table.to_frame(backend)
    read = frame.to_pydict() if backend == "pyarrow" else {name: list(frame[name]) for name in table.to_dict()}
    assert read["net_value"] == [*table.net_value.tolist(), table.net_value_never]
    assert read["spacing"][:-1] == list(range(1, 12))
    assert read["spacing"][-1] is None or math.isnan(read["spacing"][-1])
    with pytest.raises(ValueError, match="read-only"):
        table.net_value[0] = 3


def test_a_long_table_is_shown_on_one_screen():
    lines = str(best_spacing(**SALON | {"horizon": 600}, reminder_cost=60)).splitlines()
    assert len(lines) <= 16
    assert lines[-2].split()[0] == "never"
    assert lines[-1].endswith("spacings that are worth less")
    short = str(best_spacing(**SALON, reminder_cost=10)).splitlines()
    assert short[0] == "remind every 3 periods: +21.49 a customer beside never"
    assert len(short) == 14
    assert str(best_spacing(**SALON, reminder_cost=0)).startswith("remind every period: ")


# Bad input


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"shares": (0.5, 0.3, 0.3)}, "shares must add up to 1, got 1.1"),
        ({"shares": (50, 30, 20)}, r"shares\[0\] must be a fraction from 0 to 1"),
        ({"shares": (0.5, 0.5)}, "shares must be three numbers: of promoters, passives and detractors"),
        ({"rates": 0.1}, "rates must be three numbers"),
        ({"rates": (-0.1, 0, 0)}, r"rates\[0\], of promoters, must be >= 0, got -0.1; who warns others is a detractor"),
        ({"rates": (0.1, math.nan, 0)}, r"rates\[1\] must be a finite number, got nan"),
        ({"half_life": 0}, "half_life must be a finite number > 0"),
        ({"horizon": -1}, "horizon must be a finite number >= 0"),
        ({"ltv": math.inf}, "ltv must be a finite number"),
        ({"ltv": [100, 200]}, r"ltv must be one number, got an array of shape \(2,\)"),
        ({"reminder_cost": -1}, "reminder_cost must be a finite number >= 0"),
        ({"rates": (1e308, 0, -1e308), "half_life": 1e9, "horizon": 99}, "the value is beyond the largest float"),
        ({"reminder_cost": 1.7e308}, "the value is beyond the largest float"),
        ({"ltv": 1e308, "rates": (100, 0, 0)}, "the value is beyond the largest float"),
    ],
)
def test_impossible_terms_are_named(changed, message):
    terms = SALON | {"reminder_cost": 10} | changed
    with pytest.raises(InvalidValue, match=message):
        referral_value(**terms, spacing=3)
    with pytest.raises(InvalidValue, match=message):
        best_spacing(**terms)


def test_spacings_out_of_reason():
    with pytest.raises(InvalidValue, match="spacing must be a finite number > 0, got 0"):
        referral_value(**SALON, spacing=0)
    with pytest.raises(InvalidValue, match="more than 1,000,000 reminders; got 1e-09"):
        referral_value(**SALON, spacing=1e-9)
    with pytest.raises(
        InvalidValue, match=r"horizon must be at most 1,000,000 periods, got 1e\+07; take longer periods"
    ):
        best_spacing(**SALON | {"horizon": 1e7}, reminder_cost=1)
    with pytest.raises(InvalidValue, match=r"half_life \(3,\), spacing \(2,\)"):
        expected_referrals(rate=0.1, half_life=[1, 2, 3], horizon=12, spacing=[1, 2])
    with pytest.raises(InvalidValue, match=r"beyond the largest float; first at \[0\]"):
        expected_referrals(rate=0.1, half_life=6, horizon=1e300, spacing=[1e-300, 1])


@pytest.mark.parametrize("name", [*SALON, "reminder_cost", "spacing"])
def test_text_is_no_number(name):
    with pytest.raises(InvalidType, match=f"{name} must be a number"):
        referral_value(**SALON | {"reminder_cost": 1, "spacing": 3} | {name: "5"})
