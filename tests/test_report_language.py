"""The texts of the report: the same in both languages, and each way of writing a value."""

import datetime as dt
import re
import string
from contextlib import nullcontext
from pathlib import Path

import polars as pl
import pytest

from retention_metrics import report
from retention_metrics._stats import Interval
from retention_metrics.errors import InvalidValue
from retention_metrics.logs import Transactions
from retention_metrics.report._language import Language, visible
from retention_metrics.report._page import Figure, words
from retention_metrics.report._texts import TEXTS
from retention_metrics.report._texts._drawn import DRAWN

EN, RU = Language("en"), Language("ru")
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in sorted(Path(report.__file__).parent.glob("*.py")))


def places(text):
    return sorted((name, spec) for _, name, spec, _ in string.Formatter().parse(text) if name is not None)


def test_both_languages_say_the_same_values_in_the_same_way():
    assert [key for key, (english, russian) in TEXTS.items() if places(english) != places(russian)] == []
    assert [key for key, (english, russian) in TEXTS.items() if bool(english) != bool(russian)] == []


def test_russian_is_translated():
    untranslated = [
        key for key, (english, russian) in TEXTS.items() if english == russian and re.search("[a-z]{3}", english)
    ]
    assert [key for key in untranslated if not key.startswith(("flags.", "needs", "as_of"))] == []
    assert all(re.search("[а-я%NPS]", text) for text in DRAWN.values())


def test_every_text_that_the_report_asks_for_is_there():
    asked = re.findall(r'words\(\s*"([\w. ]+)"', SOURCES)
    named = re.findall(r'Figure\(\s*"(\w+)"', SOURCES)
    drawn = re.findall(r'Picture\(\s*"(\w+)"', SOURCES)
    titled = re.findall(r'(?:Section|answered)\(\s*"(\w+)"', SOURCES)
    done = re.findall(r'(?:progress|doing)\("([\w.]+)"', SOURCES)
    assert len(done) == 13
    wanted = {*asked, *named, *done, *(f"picture.{name}" for name in drawn), *(f"{name}.title" for name in titled)}
    assert len(wanted) > 90
    assert wanted - set(TEXTS) == set()


@pytest.mark.parametrize(("language", "first"), [("en", "finding the days of purchase"), ("ru", "нахожу дни покупок")])
def test_what_is_being_done_is_said_in_the_language_of_the_report(language, first):
    said = []

    def progress(what):
        said.append(what)
        return nullcontext()

    days = [dt.date(2026, 1, 5), dt.date(2026, 1, 25), dt.date(2026, 2, 1)]
    orders = Transactions(pl.DataFrame({"who": ["ann", "ann", "bob"], "day": days}), customer="who", time="day")
    report.build(orders, as_of="2026-02-28", language=language, progress=progress)
    assert said[0] == first
    assert len(said) == len(set(said)) == 8
    assert all(bool(re.search("[а-я]", what)) == (language == "ru") for what in said)


@pytest.mark.parametrize(
    ("value", "kind", "english", "russian"),
    [
        (1234567, "count", "1,234,567", "1 234 567"),
        (1234.5, "money", "1,234", "1 234"),
        (-12.345, "money", "-12.35", "−12,35"),
        (-0.001, "money", "0.00", "0,00"),
        (0.0456, "percent", "4.6 %", "4,6 %"),
        (0.0456, "share", "4.6", "4,6"),
        (12.34, "points", "+12.3", "+12,3"),
        (-12.34, "points", "-12.3", "−12,3"),
        (0, "points", "0.0", "0,0"),
        (1_234_000, "about", "1.2 M", "1,2 млн"),
        (320_400, "about", "320 k", "320 тыс."),
        (9_999, "about", "9,999", "9 999"),
        (2.5e9, "about", "2.5 bn", "2,5 млрд"),
        (3, "days", "3 days", "3 дн."),
        (3.26, "months", "3.3 months", "3,3 мес."),
        (0.0004, "p", "< 0.001", "< 0,001"),
        (0.25, "p", "0.250", "0,250"),
        (4.5149, "ratio", "4.51", "4,51"),
        (dt.date(2026, 10, 31), "day", "2026-10-31", "31.10.2026"),
        ({"null time": 2, "null customer": 1200}, "reasons", "1,200 null customer, 2 null time", None),
        (["b", "a\nb"], "names", "b, a b", "b, a b"),
    ],
)
def test_values_are_written_as_readers_write_them(value, kind, english, russian):
    assert EN.show(value, kind).replace("\N{NO-BREAK SPACE}", " ") == english
    if russian is not None:
        assert RU.show(value, kind).replace("\N{NO-BREAK SPACE}", " ") == russian


def test_nothing_is_an_empty_cell():
    assert EN.cell(None, "money") == EN.cell(float("nan"), "percent") == ""
    assert EN.cell(words("cohorts.all"), "text") == "pooled"


def test_a_figure_has_its_share_and_its_limits_beside_it():
    limits = Interval(low=0.1, high=0.3, level=0.95, method="wilson")
    figure = Figure("repeat_rate", 0.2, "percent", interval=limits)
    assert EN.figure(figure).replace("\N{NO-BREAK SPACE}", " ") == "20.0 % (10.0 % to 30.0 %)"
    assert RU.figure(figure).replace("\N{NO-BREAK SPACE}", " ") == "20,0 % (от 10,0 % до 30,0 %)"
    assert EN.figure(Figure("lost", 5, "count", share=0.25)).replace("\N{NO-BREAK SPACE}", " ") == "5 (25.0 %)"


def test_names_cannot_break_out_of_their_line():
    assert visible("a\nb\tc\r") == "a b c "
    assert visible("\x1b[31mred\x00") == "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}"
    assert visible("x" * 10_000) == "x" * 60 + "… (10,000)"
    assert visible("אבג") == "\N{FIRST STRONG ISOLATE}אבג\N{POP DIRECTIONAL ISOLATE}"
    assert visible("evil\N{RIGHT-TO-LEFT OVERRIDE}txt") == "evil\N{REPLACEMENT CHARACTER}txt"
    assert visible("\ud800") == "\N{REPLACEMENT CHARACTER}"
    assert visible("=cmd|' /C calc'!A0") == "=cmd|' /C calc'!A0"


def test_another_language_is_refused():
    with pytest.raises(InvalidValue, match="language must be"):
        Language("fr")
