"""Names that want to be more than names, files with holes, and questions without an answer."""

import datetime as dt
import json
import unicodedata

import polars as pl
import pytest

from retention_metrics import report
from retention_metrics.errors import InvalidRows, InvalidValue
from retention_metrics.logs import PrepaidEvents, Responses, Subscriptions, Transactions
from retention_metrics.prepaid import PackagePlan
from tests.report_page import Page

NAMES = [
    "<script>alert(1)</script>",
    "</svg><img src=x onerror=alert(1)>",
    "=cmd|' /C calc'!A0",
    "quo\"te's & co",
    "line\nbreak\ttab\r\x1b[31mred\x00",
    "שלום עולם",
    "\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe",
    "日本語 \N{GRINNING FACE}",
    "$\\frac{1}{0}$ _{x}^{y}",
    "x" * 10_000,
    "{owed:money} %s {0}",
]
AS_OF = dt.date(2026, 6, 30)


def day(number):
    return dt.date(2026, 1, 1) + dt.timedelta(days=number)


@pytest.fixture(scope="module")
def logs():
    many = [(name, i) for i, name in enumerate(NAMES)]
    orders = [(name, day(10 * i + 30 * k), 50.0, name) for name, i in many for k in range(2)]
    terms = [(f"{name}{k}", name, day(k * 9), day(k * 9 + 40), 10.0) for name, i in many for k in range(3)]
    answers = [
        (f"{name}{k}", day(9 * k), (i + k) % 11, name, name, name, k % 2 == 0) for name, i in many for k in range(12)
    ]
    sold = [("purchase", day(i), name, name, name, 1000) for name, i in many]
    plans = [PackagePlan(id=name, price=1000, sessions=4, cost_per_session=100) for name in NAMES]

    def frame(rows, *columns):
        return pl.DataFrame(rows, schema=list(columns), orient="row")

    return {
        "orders": Transactions(
            frame(orders, "who", "day", "paid", "source"), customer="who", time="day", amount="paid"
        ),
        "subscriptions": Subscriptions(
            frame(terms, "who", "plan", "start", "end", "paid"),
            customer="who",
            start="start",
            end="end",
            plan="plan",
            amount="paid",
        ),
        "survey": Responses(
            frame(answers, "who", "day", "score", "reason", "agent", "shop", "agreed"),
            customer="who",
            time="day",
            score="score",
            reason="reason",
            agent="agent",
            segment="shop",
            may_contact="agreed",
        ),
        "prepaid": PrepaidEvents(
            frame(sold, "kind", "day", "card", "who", "plan", "paid"),
            kind="kind",
            date="day",
            package="card",
            customer="who",
            plan="plan",
            amount="paid",
        ),
        "plans": plans,
        "ads": {"month": ["2026-01"] * len(NAMES), "channel": NAMES, "spend": [100.0] * len(NAMES)},
    }


@pytest.fixture(scope="module")
def built(logs):
    return report.build(
        **logs, as_of=AS_OF, title=NAMES[0] + NAMES[9], lost_after=60, margin_share=0.5, cash=1.0, fixed_costs=1.0
    )


@pytest.fixture(scope="module")
def source(built):
    return built.to_html()


def test_names_stay_names_in_the_page_and_its_pictures(source):
    page = Page(source)
    assert page.open == []
    assert not {"script", "img"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert page.tags.count("svg") >= 5
    assert "xxxxx" * 30 not in source
    for name in NAMES[:4]:
        assert name in page.text


def test_nothing_steers_the_terminal_or_turns_the_line(built, source):
    for written in (source, built.to_text()):
        assert {each for each in written if unicodedata.category(each) in {"Cc", "Cs"}} == {"\n"}
        assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in written


def test_numbers_for_programs_hold_no_endless_names(built):
    text = json.dumps(built.to_dict(), allow_nan=False)
    assert "xxxxx" * 30 not in text
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in json.loads(text)


def test_a_question_without_an_answer_leaves_the_others_alone(logs):
    late = Responses(
        pl.DataFrame({"who": ["a"], "day": [dt.date(2027, 1, 1)], "score": [9]}),
        customer="who",
        time="day",
        score="score",
    )
    built = report.build(logs["orders"], survey=late, as_of=AS_OF, lost_after=60)
    text = " ".join(built.to_text().split())
    assert "Beware: No answer: the log has no usable row up to as_of 2026-06-30" in text
    assert "Customers 11" in text


def test_unusable_rows_of_any_file_are_refused(logs):
    broken = Responses(
        pl.DataFrame({"who": ["a"], "day": [dt.date(2026, 1, 1)], "score": [12]}),
        customer="who",
        time="day",
        score="score",
    )
    with pytest.raises(InvalidRows):
        report.build(survey=broken, as_of=AS_OF)


def test_each_file_may_come_alone(logs):
    for name in ("orders", "subscriptions", "survey", "prepaid"):
        more = {"plans": logs["plans"]} if name == "prepaid" else {}
        built = report.build(**{name: logs[name]}, **more, as_of=AS_OF)
        assert len(built.sections) > 3
        missing = built.sections[-1].sentences
        assert len({each.words.values["need"] for each in missing}) >= 4


def test_events_that_cannot_be_booked_are_listed(logs):
    rows = [("purchase", day(1), "p1", "ann", "ten", 1000), ("visit", day(2), "p2", "bob", None, None)]
    events = PrepaidEvents(
        pl.DataFrame(rows, schema=["kind", "day", "card", "who", "plan", "paid"], orient="row"),
        kind="kind",
        date="day",
        package="card",
        customer="who",
        plan="plan",
        amount="paid",
    )
    plans = [PackagePlan(id="ten", price=1000, sessions=10)]
    built = report.build(prepaid=events, plans=plans, as_of=AS_OF, cash=5.0)
    audit = next(part for part in built.sections if part.name == "audit")
    (table,) = audit.tables
    assert [row[0] for row in table.rows] == [2]
    assert "1 events could not be booked" in built.to_text().replace("\n", " ")
    assert "Cash in hand 5.00, and 10.00 belongs to customers: 5.00 of their money has been spent." in built.to_text()


@pytest.mark.parametrize(
    ("ads", "reason"),
    [
        ({"month": ["2026-01"], "channel": ["a"]}, "ads has no column 'spend'"),
        ({"month": ["January"], "channel": ["a"], "spend": [1.0]}, "month must be written as 2026-10, got 'January'"),
        ({"month": ["2026-01"], "channel": [None], "spend": [1.0]}, "ads: row 1 names no channel"),
        ({"month": ["2026-01"], "channel": ["a"], "spend": [-1.0]}, "spend must be"),
        ({"month": ["2026-07"], "channel": ["a"], "spend": [1.0]}, "no month of the spend is over for long enough"),
    ],
)
def test_a_table_of_spend_that_cannot_be_read_says_why(logs, ads, reason):
    built = report.build(logs["orders"], ads=ads, as_of=AS_OF, lost_after=60)
    part = next(each for each in built.sections if each.name == "ads")
    assert reason in part.sentences[0].words.values["reason"]


def test_spend_counts_in_whole_months_that_are_over(logs):
    ads = {"month": [dt.date(2026, 1, 1), "2026-05", "2026-06"], "channel": ["a", "a", "a"], "spend": [1.0, 2.0, 4.0]}
    built = report.build(logs["orders"], ads=ads, as_of=AS_OF, lost_after=60, lag_days=20)
    part = next(each for each in built.sections if each.name == "ads")
    assert next(each for each in part.figures if each.name == "spend").value == 3.0
    assert [each.words.values["spend"] for each in part.sentences if each.words.key == "ads.later"] == [4.0]


def test_orders_without_sources_say_what_spend_needs(logs):
    built = report.build(logs["orders"], ads=logs["ads"], source="channel", as_of=AS_OF, lost_after=60)
    needs = {each.words.values["need"] for each in built.sections[-1].sentences}
    assert "need.orders.ads" in needs


def test_plans_are_asked_for(logs):
    with pytest.raises(InvalidValue, match="give plans"):
        report.build(prepaid=logs["prepaid"], as_of=AS_OF)


def _survey(rows, **columns):
    frame = pl.DataFrame(rows, schema=["who", "day", "score", "agent"], orient="row")
    return Responses(frame, customer="who", time="day", score="score", **columns)


def _said(built, name):
    part = next(each for each in built.sections if each.name == name)
    return {each.words.key: dict(each.words.values) for each in part.sentences}


def test_half_of_a_short_survey_is_set_against_the_other_half():
    """Five whole months and a running one: April and May against February and March; each customer once in each."""
    scores = {1: [0, 0], 2: [9, 9, 3], 3: [9, 7], 4: [2, 9], 5: [7, 2, 2], 6: [10, 10]}
    rows = [(f"{m}-{i}", dt.date(2026, m, 9), each, None) for m, many in scores.items() for i, each in enumerate(many)]
    rows += [("4-1", dt.date(2026, 5, 30), 1, None), ("3-0", dt.date(2026, 4, 30), 8, None)]
    said = _said(report.build(survey=_survey(rows), as_of="2026-06-20"), "nps")
    (told,) = (said[key] for key in ("nps.rose", "nps.fell", "nps.same") if key in said)
    assert (told["earlier"], told["later"]) == ("2026-02 \N{EN DASH} 2026-03", "2026-04 \N{EN DASH} 2026-05")
    assert told["before"] == pytest.approx(100 * (3 - 1) / 5)  # 9, 9, 3, 9, 7
    assert told["now"] == pytest.approx(100 * (0 - 4) / 6)  # 2, 1 in place of 9, 7, 2, 2, 8
    assert told["change"] == pytest.approx(told["now"] - told["before"])
    assert ("nps.same" in said) == (told["low"] <= 0 <= told["high"])


@pytest.mark.parametrize("months", [[6], [5, 6], [1, 4, 5, 6]])
def test_a_survey_with_nothing_to_compare_has_no_trend_to_tell(months):
    """One whole month or none, or nobody in the earlier half: of five whole months, February and March."""
    rows = [(f"c{month}", dt.date(2026, month, 9), 9, None) for month in months]
    told = _said(report.build(survey=_survey(rows), as_of="2026-06-20"), "nps")
    assert not {"nps.rose", "nps.fell", "nps.same", "unanswered"} & set(told)


@pytest.mark.parametrize("kind", [pl.String, pl.Int64, pl.Float64, pl.Categorical])
def test_the_score_without_an_agent_takes_names_of_any_kind(kind):
    """Agent 7 asks nobody and writes tens; a customer of theirs who answered elsewhere keeps that answer."""
    rows = [(f"a{i}", day(i), 10, "7") for i in range(60)]
    rows += [(f"b{i}", day(i), (9, 7, 8, 2, 5)[i % 5], str(i % 2)) for i in range(80)]
    rows += [("a59", day(0), 0, None)]
    frame = _survey(rows, agent="agent")._log.frame.collect().to_native()
    agents = frame["agent"].cast(pl.Int64).cast(kind) if kind.is_numeric() else frame["agent"].cast(kind)
    survey = Responses(frame.with_columns(agent=agents), customer="who", time="day", score="score", agent="agent")
    told = _said(report.build(survey=survey, as_of=AS_OF), "trust")
    assert told["trust.look"]["names"] == ["7"]
    assert told["trust.without"]["score"] == pytest.approx(100 * (16 - 33) / 81)
    assert told["trust.without"]["all"] == pytest.approx(100 * (60 + 16 - 32) / 140)


def test_nobody_left_without_the_agents_is_no_score():
    """Ann writes down twenty answers, one a second."""
    rows = [(f"a{i}", dt.datetime.combine(AS_OF, dt.time(12, 0, i)), 9, "ann") for i in range(20)]
    told = _said(report.build(survey=_survey(rows, agent="agent"), as_of=AS_OF), "trust")
    assert set(told) == {"trust.look"}


def test_a_customer_who_answers_twice_casts_no_doubt_on_the_agent():
    rows = [(who, day(1), 9, "ann") for who in ("a", "a", "b")]
    told = _said(report.build(survey=_survey(rows, agent="agent"), as_of=AS_OF), "trust")
    assert set(told) == {"trust.clean"}


def test_worth_says_which_money_is_not_in_it(logs):
    for beside, key in (
        ({}, None),
        ({"subscriptions": logs["subscriptions"]}, "worth.beside_subscriptions"),
        ({"prepaid": logs["prepaid"], "plans": logs["plans"]}, "worth.beside_packages"),
    ):
        told = _said(report.build(logs["orders"], **beside, as_of=AS_OF, lost_after=60), "worth")
        assert {each for each in told if each.startswith("worth.beside")} == ({key} if key else set())
