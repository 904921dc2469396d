"""Every question by segment: the answer for a segment is the answer of a log that holds its customers alone."""

import datetime as dt
import math

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from retention_metrics.errors import InvalidValue, MissingColumn, UndefinedMetric
from retention_metrics.logs import Segments, Subscriptions, Transactions
from tests.oracles import columns, nasty_log

AS_OF = dt.date(2024, 3, 31)
CUSTOMERS = [f"client {number:02}" for number in range(24)]
ORDERS = nasty_log(CUSTOMERS)
NAMES = {"customer": "customer", "time": "time", "amount": "amount"}
SHOPS = ["north", "south", None]

pytestmark = [
    pytest.mark.filterwarnings("ignore::retention_metrics.churn.ShortWindowWarning"),
    pytest.mark.filterwarnings("ignore::retention_metrics.errors.RowsExcludedWarning"),
]


def shop_of_row(place):
    """The shop in which an order was placed: customers change it, and some orders have none."""
    number = int(ORDERS[place].customer[-2:])
    return None if number % 6 == 0 else SHOPS[(place * 7 + number) % 3] if place % 5 else "north"


def shop_of_customer():
    """The shop of the latest order up to as_of that has one; of several at one moment the first by name."""
    named = {}
    for place, order in enumerate(ORDERS):
        if order.day <= AS_OF and shop_of_row(place):
            named.setdefault(order.customer, []).append((order.time, shop_of_row(place)))
    newest = {who: max(time for time, _ in rows) for who, rows in named.items()}
    return dict.fromkeys(CUSTOMERS) | {
        who: min(shop for time, shop in rows if time == newest[who]) for who, rows in named.items()
    }


def with_shops():
    return columns(ORDERS) | {"shop": pa.array([shop_of_row(place) for place in range(len(ORDERS))], pa.string())}


def alone(members):
    """The log of some customers only, as a Polars frame."""
    chosen = [order for order in ORDERS if order.customer in members]
    return Transactions(pl.from_arrow(pa.table(columns(chosen))), **NAMES)


def plain(result):
    if isinstance(result, dict):
        return result
    if hasattr(result, "model_dump"):
        return {name: value for name, value in result.model_dump().items() if name != "excluded"}
    if hasattr(result, "survival"):
        return {name: getattr(result, name).tolist() for name in ("times", "events", "censored")}
    return {name: value for name, value in result.to_dict().items() if name != "excluded"}


QUESTIONS = [
    ("summary", {}),
    ("status_counts", {"lost_after": 30, "at_risk_after": 10}),
    ("repeat_purchase_rate", {"min_age": 20}),
    ("purchase_gaps", {}),
    ("purchase_cycle", {}),
    ("retention_by_period", {"period": "week", "lost_after": 15}),
    ("cohorts", {"period": "month"}),
    ("cohorts", {"period": "month", "counting": "on_or_after", "min_events": 2}),
    ("cohorts", {"period": "week", "window": "7d", "brackets": [(0, 0), (1, 3)], "revenue": True}),
]


def nearly(found, expected):
    """Sums of floats may differ in the order in which they were added up."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, float) or name in ("revenue", "money"):
            flat = [item for row in value for item in row] if isinstance(value, list) and name == "money" else value
            mine = (
                [item for row in found[name] for item in row]
                if isinstance(value, list) and name == "money"
                else found[name]
            )
            assert mine == pytest.approx(flat, nan_ok=True)
        else:
            assert found[name] == value, name


@pytest.mark.parametrize(("question", "arguments"), QUESTIONS)
def test_a_segment_is_a_log_of_its_own(engine, question, arguments):
    log = Transactions(engine.frame(**with_shops()), **NAMES)
    found = getattr(log, question)(as_of=AS_OF, **arguments, by="shop")
    shops = shop_of_customer()
    assert isinstance(found, Segments)
    assert list(found) == ["north", "south", None]
    assert len(found) == 3
    for name in found:
        own = getattr(alone({who for who, shop in shops.items() if shop == name}), question)
        expected, mine = plain(own(as_of=AS_OF, **arguments)), plain(found[name])
        if question in ("retention_by_period", "cohorts"):
            expected, mine = on_its_own_time(expected), on_its_own_time(mine)
        nearly(mine, expected)


def on_its_own_time(table):
    """Without the periods before the first customer of the segment: the tables of segments share their time."""
    if "start" in table:
        first = next(place for place, new in enumerate(table["new"]) if new)
        return {name: values[first:] for name, values in table.items()}
    width = max((len([cell for cell in row if cell is not None]) for row in table["retained"]), default=0)
    cut = {name: [row[:width] for row in table[name]] for name in ("retained", "states", "money") if name in table}
    return table | cut | {"ages": table["ages"][:width]}


@pytest.mark.parametrize(
    ("question", "arguments"),
    [
        ("rfm", {}),
        ("status", {"lost_after": 30}),
        ("lost", {"lost_after": 20}),
        ("at_risk", {"cycles": 3}),
        ("returned", {"within": 60, "lost_after": 20}),
        ("falling_off", {"window": 20, "drop": 0.3, "level": 0.2}),
    ],
)
def test_lists_name_the_segment(engine, question, arguments):
    log = Transactions(engine.frame(**with_shops()), **NAMES)
    rows = engine.rows(getattr(log, question)(as_of=AS_OF, **arguments, by="shop"))
    without = engine.rows(getattr(log, question)(as_of=AS_OF, **arguments))
    shops = shop_of_customer()
    assert rows, "the list is not empty"
    assert [row.pop("segment") for row in rows] == [shops[row["customer"]] for row in without]
    assert [list(row) for row in rows] == [list(row) for row in without]
    assert [row["customer"] for row in rows] == [row["customer"] for row in without]


def test_segments_from_a_frame(engine):
    log = Transactions(engine.frame(**columns(ORDERS)), **NAMES)
    known = CUSTOMERS[:10]
    table = engine.frame(
        customer=known, note=["x"] * 10, tier=["gold" if who < "client 05" else "tin" for who in known]
    )
    found = log.repeat_purchase_rate(as_of=AS_OF, by=table)
    tiers = {"gold": set(known[:5]), "tin": set(known[5:]), None: set(CUSTOMERS[10:])}
    assert list(found) == list(tiers)
    for name, members in tiers.items():
        assert found[name] == alone(members).repeat_purchase_rate(as_of=AS_OF)


def test_a_segment_without_a_result_keeps_its_reason():
    frame = pl.DataFrame({
        "who": ["ann", "ann", "bob"], "day": [dt.date(2026, 1, 1), dt.date(2026, 1, 9), dt.date(2026, 1, 5)],
        "shop": ["north", "north", "south"],
    })  # fmt: skip
    cycles = Transactions(frame, customer="who", time="day").purchase_cycle(as_of="2026-01-31", by="shop")
    assert list(cycles) == ["north"]
    assert cycles["north"].median_closed == 8
    assert "south" not in cycles
    assert cycles.undefined == {"south": "no customer has bought on a second day"}
    with pytest.raises(UndefinedMetric, match="shop 'south' is undefined: no customer has bought on a second day"):
        cycles["south"]
    with pytest.raises(KeyError):
        cycles["west"]


def test_what_is_refused_of_segments():
    frame = pl.DataFrame({"who": ["ann"], "day": [dt.date(2026, 1, 1)]})
    log = Transactions(frame, customer="who", time="day")
    with pytest.raises(MissingColumn, match="by column 'shop' is not in the frame, and no role of the log"):
        log.summary(as_of="2026-01-31", by="shop")
    with pytest.raises(MissingColumn, match="by must be a frame with the column 'customer' and, last,"):
        log.summary(as_of="2026-01-31", by=pl.DataFrame({"who": ["ann"], "shop": ["north"]}))
    with pytest.raises(InvalidValue, match="by must name each customer once; 1 customers have several rows"):
        log.summary(as_of="2026-01-31", by=pl.DataFrame({"customer": ["ann", "ann"], "shop": ["north", "south"]}))
    with pytest.raises(InvalidValue, match="by must be a frame of the same engine as the log"):
        log.summary(as_of="2026-01-31", by=pa.table({"customer": ["ann"], "shop": ["north"]}))


TERMS = [
    ("ann", "2026-01-01", "2026-02-01", "basic"),
    ("ann", "2026-02-01", None, "pro"),
    ("bob", "2026-01-10", "2026-01-20", "basic"),
    ("cleo", "2026-01-15", "2026-02-10", "basic"),
    ("cleo", "2026-02-20", "2026-03-10", "basic"),
    ("dan", "2026-02-05", "2026-03-20", "pro"),
]


@pytest.fixture
def terms(engine):
    at = {name: pa.array([row[i] and dt.datetime.fromisoformat(row[i]) for row in TERMS], pa.timestamp("us"))
          for i, name in ((1, "since"), (2, "until"))}  # fmt: skip
    frame = engine.frame(who=[row[0] for row in TERMS], **at, plan=[row[3] for row in TERMS])
    return Subscriptions(frame, customer="who", start="since", end="until", plan="plan")


def test_subscriptions_by_plan(engine, terms):
    """By hand. Ann is a customer of the plan that she has now; a term is one of its own plan."""
    lifetimes = terms.lifetimes(as_of="2026-03-31", by="plan")
    assert {name: (curve.times.tolist(), curve.events.tolist()) for name, curve in lifetimes.items()} == {
        "basic": ([10, 18, 26], [1, 1, 1]),
        "pro": ([43, 89], [1, 0]),
    }
    renewed = terms.renewal_rate(first="2026-01-01", last="2026-02-28", as_of="2026-03-31", by="plan")
    assert {name: (rate.numerator, rate.denominator) for name, rate in renewed.items()} == {"basic": (1, 3)}
    due = engine.rows(terms.renewals_due(as_of="2026-03-05", by="plan"))
    assert [(row["customer"], row["days_left"], row["segment"]) for row in due] == [
        ("cleo", 5, "basic"),
        ("dan", 15, "pro"),
    ]


def test_the_book_of_subscriptions(terms):
    """By hand: bob leaves in January, cleo in February after ten days back in; she and dan in March."""
    flow = terms.retention_by_period(as_of="2026-03-31")
    table = {
        name: getattr(flow, name).tolist() for name in ("start", "new", "returned", "lost", "lost_of_start", "end")
    }
    assert table == {
        "start": [0, 2, 3],
        "new": [3, 1, 0],
        "returned": [0, 1, 0],
        "lost": [1, 1, 2],
        "lost_of_start": [0, 0, 2],
        "end": [2, 3, 1],
    }
    assert (flow.buyers, flow.returning, flow.revenue) == (None, None, None)
    assert flow.retention()[1:].tolist() == [1, 1 / 3]
    assert "buyers" not in flow.to_dict()
    joined = terms.retention_by_period(as_of="2026-03-31", reactivation_window=10)
    assert (joined.lost.tolist(), joined.returned.tolist()) == ([1, 0, 2], [0, 0, 0])
    by_plan = terms.retention_by_period(as_of="2026-03-31", by="plan")
    assert {name: part.end.tolist() for name, part in by_plan.items()} == {"basic": [1, 1, 0], "pro": [1, 2, 1]}
    np.testing.assert_array_equal(sum(part.lost for part in by_plan.values()), flow.lost)


def test_an_end_on_the_day_of_the_extract_is_no_loss_in_the_book(engine):
    at = dt.datetime.fromisoformat
    frame = engine.frame(who=["ann"], since=[at("2026-01-01")], until=[at("2026-03-31")])
    book = Subscriptions(frame, customer="who", start="since", end="until")
    assert book.retention_by_period(as_of="2026-03-31").lost.tolist() == [0, 0, 0]
    assert book.retention_by_period(as_of="2026-04-01").lost.tolist() == [0, 0, 1, 0]


def test_none_of_the_expected_is_nan():
    assert not any(isinstance(shop, float) and math.isnan(shop) for shop in shop_of_customer().values())
