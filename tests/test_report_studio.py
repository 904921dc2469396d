"""The report on every file of the studio: each figure against its own count of the files, in both languages."""

import csv
import json
from collections import Counter, defaultdict

import pytest

from retention_metrics import __main__ as command
from retention_metrics._demo import write_studio
from tests.report_page import Page

SECTIONS = [
    "state",
    "base",
    "return",
    "status",
    "months",
    "cohorts",
    "worth",
    "coming",
    "ads",
    "subscribers",
    "recurring",
    "tenure",
    "plans",
    "nps",
    "reasons",
    "trust",
    "call",
    "till",
    "dormant",
    "audit",
    "gap",
    "missing",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def files(folder):
    return write_studio(folder, seed=7)


@pytest.fixture(scope="module")
def rows(files):
    def read(name):
        with files[name].open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    return read


@pytest.fixture(scope="module")
def written(files, folder):
    line = ["report", "--as-of", "2026-10-31", "--margin-share", "0.6", "--cash", "70000", "--fixed-costs", "6000"]
    for name, path in files.items():
        line += [f"--{name}", str(path)]
    line += ["--language", "ru", "--title", "Студия"]
    assert command.main([*line, "--html", str(folder / "page.html"), "--json", str(folder / "page.json")]) == 0
    return folder / "page.html", folder / "page.json"


@pytest.fixture(scope="module")
def numbers(written):
    return json.loads(written[1].read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(written):
    return Page(written[0].read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def value(numbers):
    found = {each["name"]: each["value"] for part in numbers["sections"] for each in part["figures"]}
    return found.__getitem__


@pytest.fixture(scope="module")
def said(numbers):
    found = {(part["name"], each["key"]): each["values"] for part in numbers["sections"] for each in part["sentences"]}
    return lambda section, key: found[section, key]


def test_every_question_has_its_section(numbers):
    assert [part["name"] for part in numbers["sections"]] == SECTIONS
    unanswered = [part["name"] for part in numbers["sections"] if "unanswered" in {s["key"] for s in part["sentences"]}]
    assert set(unanswered) <= {"gap"}


def test_orders_are_those_of_the_file(rows, value):
    orders = rows("orders")
    assert value("customers") == len({row["client_id"] for row in orders})
    assert value("orders") == len(orders)
    assert value("revenue") == pytest.approx(sum(float(row["sum"]) for row in orders))


def test_the_score_is_that_of_the_latest_answers(rows, value):
    latest = {}
    for row in sorted(rows("survey"), key=lambda each: each["answered_at"]):
        latest[row["client_id"]] = int(row["score"])
    good, bad = sum(each >= 9 for each in latest.values()), sum(each <= 6 for each in latest.values())
    assert (value("promoters"), value("detractors"), value("answers")) == (good, bad, len(latest))
    assert value("nps") == pytest.approx(100 * (good - bad) / len(latest))


def test_spend_meets_the_first_orders_of_each_channel(rows, value, numbers):
    spend, came, seen = defaultdict(float), Counter(), set()
    for row in rows("ads"):
        spend[row["channel"]] += float(row["spend"])
    for row in sorted(rows("orders"), key=lambda each: each["paid_at"]):
        if row["client_id"] not in seen:
            came[row["source"]] += 1
            seen.add(row["client_id"])
    assert value("spend") == pytest.approx(sum(spend.values()))
    won = sum(came[channel] for channel in spend)
    assert value("cac") == pytest.approx(sum(spend.values()) / won)
    table = next(part for part in numbers["sections"] if part["name"] == "ads")["tables"][0]
    shown = {row[0]: row[1:4] for row in table["rows"]}
    assert shown["leaflets"][1:] == [0, None]
    for channel, paid in spend.items():
        assert shown[channel][:2] == [pytest.approx(paid), came[channel]]


def test_money_of_packages_is_collected_earned_paid_back_or_owed(rows, value):
    paid = sum(int(row["amount"] or 0) for row in rows("prepaid") if row["kind"] in {"purchase", "instalment"})
    assert value("prepaid_collections") == pytest.approx(paid / 100)
    gone = value("prepaid_earned") + value("prepaid_refunds_paid") + value("prepaid_breakage")
    assert value("prepaid_collections") - gone == pytest.approx(value("owed"))
    assert value("free_cash") == pytest.approx(70_000 - value("owed"))


def test_subscribers_are_those_whose_term_runs(rows, value):
    running = [row for row in rows("subscriptions") if not row["end"] or row["end"] >= "2026-10-31"]
    assert value("subscribers") == len({row["client_id"] for row in running})
    assert value("mrr") == pytest.approx(sum(float(row["amount"]) for row in running))


def test_page_and_numbers_say_the_same(numbers, page):
    for part in numbers["sections"]:
        assert part["title"] in page.words
        for each in part["figures"]:
            assert each["text"] in page.figures
            assert each["meaning"] in page.words
        for said in part["sentences"]:
            assert " ".join(said["text"].split()) in page.text


def test_the_page_is_whole_and_its_own(page, written):
    assert page.open == []
    assert not {"script", "img", "iframe", "link"} & set(page.tags)
    ids = [name for key, name in page.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    assert {name[1:] for key, name in page.attributes if key == "href"} <= set(ids)
    assert page.tags.count("svg") >= 6
    assert "http" not in written[0].read_text(encoding="utf-8")


def test_russian_is_written_as_russians_write(page):
    assert ("lang", "ru") in page.attributes
    assert "Студия, на 31.10.2026" in page.words
    assert "1\N{NO-BREAK SPACE}400" in page.figures
    assert "границы 95 %" in page.text  # within a picture
    assert "No answer" not in page.text


def _points(scores):
    """Score, and its counts of promoters, passives and detractors."""
    counts = [sum(lo <= each <= hi for each in scores) for lo, hi in ((9, 10), (7, 8), (0, 6))]
    return 100 * (counts[0] - counts[2]) / len(scores), counts


def _latest(rows):
    return list({row["client_id"]: int(row["score"]) for row in sorted(rows, key=lambda x: x["answered_at"])}.values())


def test_the_trend_sets_the_last_year_against_the_one_before(rows, said):
    answers = rows("survey")
    before, now = (
        _latest([row for row in answers if first <= row["answered_at"][:7] <= last])
        for first, last in (("2024-11", "2025-10"), ("2025-11", "2026-10"))
    )
    fell = said("nps", "nps.fell")
    assert fell["before"] == pytest.approx(_points(before)[0])
    assert fell["now"] == pytest.approx(_points(now)[0])
    assert fell["change"] == pytest.approx(_points(now)[0] - _points(before)[0])
    # Adjusted Wald: 3/4, 3/2 and 3/4 answers more in each year.
    centre, variance = 0.0, 0.0
    for sign, scores in ((1, now), (-1, before)):
        good, even, bad = (count + more for count, more in zip(_points(scores)[1], (0.75, 1.5, 0.75), strict=True))
        n = good + even + bad
        centre += sign * (good - bad) / n
        variance += ((good + bad) / n - ((good - bad) / n) ** 2) / n
    half = 1.959964 * variance**0.5
    assert fell["low"] == pytest.approx(100 * (centre - half), abs=1e-3)
    assert fell["high"] == pytest.approx(100 * (centre + half), abs=1e-3)
    assert (fell["earlier"], fell["later"]) == ("2024-11 \N{EN DASH} 2025-10", "2025-11 \N{EN DASH} 2026-10")


def test_the_score_is_also_told_without_those_who_deserve_a_look(rows, said):
    others = _latest([row for row in rows("survey") if row["agent"] != "administrator"])
    told = said("trust", "trust.without")
    assert told["score"] == pytest.approx(_points(others)[0])
    assert told["all"] == pytest.approx(_points(_latest(rows("survey")))[0])
    assert told["low"] < told["score"] < told["high"] < told["all"]


def test_the_forecast_says_what_is_not_in_it(rows, files, said):
    plans = json.loads(files["plans"].read_text(encoding="utf-8"))
    told = said("gap", "gap.no_refunds")
    assert told["plans"] == [plan["id"] for plan in plans if plan["refund"]["kind"] == "none"]
    paid = [int(row["amount"]) for row in rows("prepaid") if row["kind"] == "refund" and row["date"][:7] > "2025-10"]
    assert told["paid"] == pytest.approx(sum(paid) / 100)
    assert told["months"] == 12
    assert said("gap", "gap.outside") == said("worth", "worth.beside_both") == {}
