"""The one-page report: the figures of the results, in text and in HTML."""

import datetime as dt
import json
from html.parser import HTMLParser

import polars as pl
import pytest

import retention_metrics as rm
from retention_metrics import report
from retention_metrics.errors import InvalidRows, InvalidValue


class _Page(HTMLParser):
    """Checks that tags close in order, and collects the text and the attributes."""

    VOID = frozenset({"meta", "br", "link", "img", "!doctype"})

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def cdnow(cdnow_sample):
    orders = rm.logs.Transactions(pl.from_arrow(cdnow_sample), customer="customer", time="time", amount="amount")
    return report.build(orders, as_of="1998-06-30", title="CDNOW", margin_share=0.5)


def test_the_published_figures_of_cdnow(cdnow, cdnow_sample):
    """2,357 customers of the sample, all won in the first quarter of 1997; repeat buyers counted by hand below."""
    days = {}
    for row in cdnow_sample.to_pylist():
        days.setdefault(row["customer"], set()).add(row["time"])
    assert cdnow.summary.customers == len(days) == 2357
    assert cdnow.summary.orders == cdnow_sample.num_rows
    assert cdnow.summary.revenue == pytest.approx(sum(cdnow_sample["amount"].to_pylist()))
    assert cdnow.repeat.numerator == sum(len(dates) > 1 for dates in days.values())
    assert cdnow.cohorts.labels == ["1997-01", "1997-02", "1997-03"]
    assert sum(cdnow.status.values()) == 2357
    assert cdnow.flow.end[-1] == cdnow.status["active"] + cdnow.status["at_risk"]


def test_lost_is_three_purchase_cycles_unless_told(cdnow):
    assert cdnow.lost_after == round(3 * cdnow.cycle.days)
    assert cdnow.at_risk_after == cdnow.lost_after * 2 // 3


def test_text_and_page_say_the_same(cdnow):
    text, words = cdnow.to_text(), _Page(cdnow.to_html()).words
    page = " ".join(words)
    for section in cdnow.sections:
        assert section.title in text
        assert section.title in page
        for figure in section.figures:
            assert figure.value in text
            assert figure.value in words
    assert f"{cdnow.repeat.numerator:,} of 2,357" in page


def test_the_page_stands_alone_and_closes_its_tags(cdnow):
    page = _Page(cdnow.to_html())
    assert page.open == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert not [value for name, value in page.attributes if name in {"src", "href"}]
    assert "http" not in cdnow.to_html()


def test_the_lifetime_value_is_the_formula_on_the_figures_shown(cdnow):
    churn = cdnow.flow.pooled_churn(last=12)
    year = slice(-12, None)
    present = (cdnow.flow.start[year] + cdnow.flow.end[year]).sum() / 2
    value = 0.5 * cdnow.flow.revenue[year].sum() / present / churn.value
    worth = cdnow.sections[-1].figures
    assert worth[-1].value.startswith(f"{value:,.2f} (")
    assert worth[-2].value == f"{1 / churn.value:.1f} months"
    low, high = churn.interval().low, churn.interval().high
    assert f"({value * churn.value / high:,.2f} to {value * churn.value / low:,.2f})" in worth[-1].value


def test_long_tables_say_what_they_leave_out(cdnow):
    text = cdnow.to_text()
    assert "(not shown: 5 earlier rows)" in text  # 18 months from January 1997 to June 1998, 13 shown
    assert "(not shown: 5 more columns)" in text
    page = _Page(cdnow.to_html()).words
    assert {"1997-01", "1998-06"} <= set(page)


def _log(rows, **columns):
    frame = pl.DataFrame(rows, schema=["who", "day", "paid"], orient="row")
    return rm.logs.Transactions(frame, customer="who", time="day", **columns)


def test_a_running_month_is_marked(cdnow_sample):
    orders = rm.logs.Transactions(pl.from_arrow(cdnow_sample), customer="customer", time="time")
    built = report.build(orders, as_of="1997-05-15", lost_after=60)
    assert "1997-05*" in built.to_text()
    assert "the month is not over" in built.to_text()
    assert built.summary.excluded == {"after as_of": built.summary.excluded["after as_of"]}
    assert f"{built.summary.excluded['after as_of']:,} after as_of" in built.to_html()


def test_a_log_without_amounts_or_returns_says_what_it_lacks():
    built = report.build(
        _log([("ann", dt.date(2026, 1, 5), 1.0), ("bob", dt.date(2026, 2, 1), 1.0)]), as_of="2026-02-28"
    )
    text = built.to_text()
    assert "Nobody has bought on a second day" in text
    assert "give lost_after" in text
    assert "The log has no amounts" in text
    assert (built.cycle, built.flow, built.status, built.lost_after) == (None, None, {}, None)


def test_nobody_lost_means_no_lifetime_value():
    rows = [("ann", dt.date(2026, month, 5), 30.0) for month in range(1, 7)]
    text = report.build(_log(rows, amount="paid"), as_of="2026-06-30").to_text()
    assert "No lifetime value: churn is 0, so the lifetime has no end; give a horizon." in text


def test_names_from_outside_are_escaped():
    rows = [("<script>alert(1)</script>", dt.date(2026, 1, 5), 1.0)]
    page = report.build(_log(rows), as_of="2026-01-31", title="<b>&'\"").to_html()
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;" in page


def test_the_numbers_travel_as_json(cdnow):
    again = json.loads(json.dumps(cdnow.to_dict()))
    assert again["summary"]["customers"] == 2357
    assert again["cohorts"]["retained"][2][-1] is None
    assert again["flow"]["end"][-1] == int(cdnow.flow.end[-1])


@pytest.mark.parametrize("share", [0, 1.5, -1, [0.5, 0.6]])
def test_a_margin_share_is_one_fraction(share):
    with pytest.raises(InvalidValue, match="margin_share must be"):
        report.build(_log([("ann", dt.date(2026, 1, 5), 1.0)]), as_of="2026-01-31", margin_share=share)


def test_unusable_rows_are_refused():
    with pytest.raises(InvalidRows, match="1 null customer"):
        report.build(_log([(None, dt.date(2026, 1, 5), 1.0), ("ann", dt.date(2026, 1, 5), 1.0)]), as_of="2026-01-31")
