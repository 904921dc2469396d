"""Spend by source against the customers whose first order came from it, on every engine."""

import datetime as dt

import pyarrow as pa
import pytest

from retention_metrics import ltv
from retention_metrics.errors import InvalidType, InvalidValue, MissingColumn, RowsExcludedWarning
from retention_metrics.logs import Transactions

ROWS = [
    ("ann", "2026-01-05T10:00", 30.0, "search"),
    ("ann", "2026-02-05T10:00", 90.0, "social"),
    ("bob", "2026-01-20T10:00", 50.0, "search"),
    ("cleo", "2026-02-27T10:00", 20.0, "social"),
    ("dan", "2026-01-12T10:00", 10.0, None),
    ("eve", "2026-02-20T10:00", 40.0, "friend"),
    ("old", "2025-12-30T10:00", 70.0, "social"),
    ("old", "2026-01-30T10:00", 70.0, "search"),
    ("late", "2026-03-20T10:00", 70.0, "search"),
]
SPAN = {"first": "2026-01-01", "last": "2026-02-28", "as_of": "2026-03-15"}
SPEND = {"search": 40.0, "social": 60.0, "press": 100.0}


@pytest.fixture
def orders(engine):
    frame = engine.frame(
        who=[row[0] for row in ROWS],
        at=pa.array([dt.datetime.fromisoformat(row[1]) for row in ROWS], pa.timestamp("us")),
        paid=[row[2] for row in ROWS],
        source=pa.array([row[3] for row in ROWS], pa.string()),
    )
    return Transactions(frame, customer="who", time="at", amount="paid")


@pytest.mark.filterwarnings("ignore::retention_metrics.errors.RowsExcludedWarning")
def test_each_customer_belongs_to_the_source_of_the_first_order(orders):
    """By hand: search won ann and bob, social cleo alone, press nobody; of dan nobody knows."""
    found = orders.channels(
        source="source", spend=SPEND, **SPAN, margin_share=0.5, ltv={"search": 90.0, "social": 80.0}
    )
    rows = {row.channel: row for row in found.rows}
    assert {name: (row.spend, row.customers) for name, row in rows.items()} == {
        "search": (40, 2), "social": (60, 1), "press": (100, 0), "friend": (0, 1), "(unknown)": (0, 1),
    }  # fmt: skip
    assert rows["search"].first_margin == pytest.approx((30 + 50) / 2 / 2)
    assert rows["search"].cac == 20
    assert (rows["search"].ltv, rows["social"].ltv, rows["friend"].ltv) == (90, 80, None)
    assert rows["press"].cac is None
    by_hand = ltv.channels({"channel": ["press"], "spend": [100], "customers": [0]})
    assert rows["press"].at_least == by_hand.rows[0].at_least


@pytest.mark.filterwarnings("ignore::retention_metrics.errors.RowsExcludedWarning")
def test_customers_come_later_than_the_spend(orders):
    """Ten days later: from 11 January to 10 March, so that ann is of before."""
    found = orders.channels(source="source", spend=SPEND, **SPAN, lag_days=10)
    assert {row.channel: row.customers for row in found.rows}["search"] == 1
    with pytest.raises(InvalidValue, match="customers come up to 16 days after the spend"):
        orders.channels(source="source", spend=SPEND, **SPAN, lag_days=16)


def test_what_is_refused_and_warned_of(orders):
    with pytest.warns(RowsExcludedWarning, match="channels leaves out 1 rows of the log"):
        orders.channels(source="source", spend=SPEND, **SPAN)
    with pytest.raises(MissingColumn, match="source column 'utm' is not in the frame"):
        orders.channels(source="utm", spend=SPEND, **SPAN)
    with pytest.raises(InvalidType, match="spend must be a dict by name"):
        orders.channels(source="source", spend=[40.0], **SPAN)
    with pytest.raises(InvalidValue, match="last must not be before first"):
        orders.channels(source="source", spend=SPEND, **SPAN | {"first": "2026-03-01"})
