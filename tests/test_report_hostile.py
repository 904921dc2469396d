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
