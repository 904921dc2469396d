"""The report of orders: its figures on real data, what it says when they are lacking, and how it is written."""

import datetime as dt
import json

import polars as pl
import pytest

import retention_metrics as rm
from retention_metrics import report
from retention_metrics.errors import InvalidRows, InvalidValue, UndefinedMetric
from retention_metrics.logs import Transactions
from retention_metrics.report._orders import yearly
from tests.report_page import Page


@pytest.fixture(scope="module")
def cdnow(cdnow_sample):
    orders = rm.logs.Transactions(pl.from_arrow(cdnow_sample), customer="customer", time="time", amount="amount")
    return report.build(orders, as_of="1998-06-30", title="CDNOW", margin_share=0.5)


@pytest.fixture(scope="module")
def page(cdnow):
    return Page(cdnow.to_html())


def section(built, name):
    return next(each for each in built.sections if each.name == name)


def figure(built, part, name):
    return next(each for each in section(built, part).figures if each.name == name)


def test_the_published_figures_of_cdnow(cdnow, cdnow_sample):
    """2,357 customers of the sample, all won in the first quarter of 1997; repeat buyers counted by hand below."""
    days = {}
    for row in cdnow_sample.to_pylist():
        days.setdefault(row["customer"], set()).add(row["time"])
    found = cdnow.orders
    assert found.summary.customers == len(days) == 2357
    assert found.summary.orders == cdnow_sample.num_rows
    assert found.summary.revenue == pytest.approx(sum(cdnow_sample["amount"].to_pylist()))
    assert found.repeat.numerator == sum(len(dates) > 1 for dates in days.values())
    assert found.cohorts.labels == ["1997-01", "1997-02", "1997-03"]
    assert sum(found.status.values()) == 2357
    assert found.flow.end[-1] == found.status["active"] + found.status["at_risk"]


def test_lost_is_three_purchase_cycles_unless_told(cdnow):
    assert cdnow.orders.lost_after == round(3 * cdnow.orders.cycle.days)
    assert cdnow.orders.at_risk_after == cdnow.orders.lost_after * 2 // 3


def test_text_and_page_say_the_same(cdnow, page):
    text = " ".join(cdnow.to_text().split())
    for part in cdnow.to_dict()["sections"]:
        assert part["title"] in text
        assert part["title"] in page.words
        for each in part["figures"]:
            assert " ".join(each["text"].split()) in text
            assert each["text"] in page.figures
    assert f"{cdnow.orders.repeat.numerator:,} of 2,357" in page.text


def test_the_page_stands_alone_and_closes_its_tags(cdnow, page):
    assert page.open == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert not [value for name, value in page.attributes if name == "src"]
    assert all(value.startswith("#") for name, value in page.attributes if name in {"href", "xlink:href"})
    assert "http" not in cdnow.to_html()
    assert "@import" not in cdnow.to_html()


def test_the_same_report_is_the_same_page(cdnow):
    assert cdnow.to_html() == cdnow.to_html()


def test_links_and_references_lead_to_one_place_each(page):
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for name, value in page.attributes if name == "href"} <= set(ids)


def test_headings_are_in_order_and_pictures_have_words(page):
    assert page.headings[0] == "h1"
    assert set(page.headings[1:]) == {"h2"}
    pictures = [dict(attrs) for tag, attrs in page.starts if tag == "svg"]
    assert pictures
    assert all(each["role"] == "img" and len(each["aria-label"]) > 40 for each in pictures)


def test_the_lifetime_value_is_the_formula_on_the_figures_shown(cdnow):
    flow = cdnow.orders.flow
    # Nobody can be lost in months that open before the limit has passed since the log did.
    opens = flow.periods[0] + dt.timedelta(days=flow.lost_after)
    months = min(12, sum(day >= opens for day in flow.periods))
    churn = flow.pooled_churn(last=months)
    year = slice(-months, None)
    present = (flow.start[year] + flow.end[year]).sum() / 2
    value = 0.5 * flow.revenue[year].sum() / present / churn.value
    worth = figure(cdnow, "worth", "ltv")
    assert worth.value == pytest.approx(value)
    assert figure(cdnow, "worth", "lifetime").value == pytest.approx(1 / churn.value)
    low, high = churn.interval().low, churn.interval().high
    assert worth.interval.low == pytest.approx(value * churn.value / high)
    assert worth.interval.high == pytest.approx(value * churn.value / low)


def test_long_tables_say_what_they_leave_out(cdnow, page):
    text = cdnow.to_text()
    assert "(not shown: 5 earlier rows)" in text  # 18 months from January 1997 to June 1998, 13 shown
    assert "more columns)" in text
    assert {"1997-01", "1998-06"} <= set(page.words)
    assert max(map(len, text.splitlines())) <= 110


def _log(rows, **columns):
    frame = pl.DataFrame(rows, schema=["who", "day", "paid"], orient="row")
    return rm.logs.Transactions(frame, customer="who", time="day", **columns)


def test_a_running_month_is_marked(cdnow_sample):
    orders = rm.logs.Transactions(pl.from_arrow(cdnow_sample), customer="customer", time="time")
    built = report.build(orders, as_of="1997-05-15", lost_after=60)
    assert "1997-05*" in built.to_text()
    assert "the month is not over" in built.to_text()
    excluded = built.orders.summary.excluded
    assert set(excluded) == {"after as_of"}
    assert f"{excluded['after as_of']:,} after as_of" in built.to_html()


def test_a_log_without_amounts_or_returns_says_what_it_lacks():
    built = report.build(
        _log([("ann", dt.date(2026, 1, 5), 1.0), ("bob", dt.date(2026, 2, 1), 1.0)]), as_of="2026-02-28"
    )
    text = built.to_text()
    assert "Nobody has bought on a second day" in text
    assert "give lost_after" in text
    assert "The log has no amounts" in text
    assert "What a customer is worth: name the column of the money (--amount)." in text
    found = built.orders
    assert (found.cycle, found.flow, found.status, found.lost_after) == (None, None, {}, None)


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
    again = json.loads(json.dumps(cdnow.to_dict(), allow_nan=False))
    parts = {each["name"]: each for each in again["sections"]}
    customers = parts["base"]["figures"][0]
    assert (customers["name"], customers["value"], customers["text"]) == ("customers", 2357, "2,357")
    cohorts = parts["cohorts"]["tables"][0]
    assert cohorts["rows"][2][-1] is None
    assert cohorts["rows"][0][1] == int(cdnow.orders.cohorts.sizes[0])
    months = parts["months"]["tables"][0]
    assert months["rows"][-1][months["columns"].index("end")] == int(cdnow.orders.flow.end[-1])


@pytest.mark.parametrize("share", [0, 1.5, -1, [0.5, 0.6]])
def test_a_margin_share_is_one_fraction(share):
    with pytest.raises(InvalidValue, match="margin_share must be"):
        report.build(_log([("ann", dt.date(2026, 1, 5), 1.0)]), as_of="2026-01-31", margin_share=share)


def test_unusable_rows_are_refused():
    with pytest.raises(InvalidRows, match="1 null customer"):
        report.build(_log([(None, dt.date(2026, 1, 5), 1.0), ("ann", dt.date(2026, 1, 5), 1.0)]), as_of="2026-01-31")


def test_a_report_on_nothing_is_refused():
    with pytest.raises(InvalidValue, match="nothing to report on"):
        report.build(as_of="2026-01-31")


def test_a_report_names_itself_in_short(cdnow):
    assert repr(cdnow).startswith("Report('CDNOW, as of 1998-06-30', sections=['state', 'base', 'return', 'status',")


def test_churn_is_not_told_of_months_in_which_nobody_could_be_lost():
    days = [dt.date(2026, 1, 1) + dt.timedelta(days=30 * i) for i in range(4)]
    log = pl.DataFrame({"who": ["a", "b"] * 4, "day": sorted(days * 2), "paid": [10.0] * 8})
    orders = Transactions(log, customer="who", time="day", amount="paid")
    flow = orders.retention_by_period(as_of="2026-05-31", lost_after=90)
    assert yearly(flow)[2] == 2  # April and May: 90 days after the 1st of January it is the 1st of April
    with pytest.raises(UndefinedMetric, match="no complete month began 180 days into the log"):
        yearly(orders.retention_by_period(as_of="2026-05-31", lost_after=180))
