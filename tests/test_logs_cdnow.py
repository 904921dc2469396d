"""CDNOW, the field's best-known log: published counts of the sample, and the whole log against plain Python."""

import datetime as dt

import pyarrow as pa
import pytest

from retention_metrics.errors import RowsExcludedWarning
from retention_metrics.logs import Transactions
from tests import oracles
from tests.oracles import Order

pytestmark = pytest.mark.filterwarnings("ignore::retention_metrics.churn.ShortWindowWarning")

NAMES = {"customer": "customer", "time": "time", "amount": "amount"}
CALIBRATION = dt.date(1997, 9, 30)
LAST = dt.date(1998, 6, 30)


def columns_of(table: pa.Table):
    return {name: table[name].combine_chunks() for name in table.column_names}


def orders_of(table: pa.Table):
    return [Order(*row) for row in zip(*(table[name].to_pylist() for name in NAMES), strict=True)]


@pytest.fixture(scope="session")
def master_orders(cdnow_master):
    """The distributed CDNOW_master.txt has 69,659 rows of 23,570 customers."""
    orders = orders_of(cdnow_master)
    assert (len(orders), len({order.customer for order in orders})) == (69_659, 23_570)
    return orders


@pytest.fixture(params=["polars", "duckdb"])
def master(request, cdnow_master, tmp_path):
    library = pytest.importorskip(request.param)
    if request.param == "polars":
        return Transactions(library.from_arrow(cdnow_master), **NAMES)
    import pyarrow.parquet as pq

    pq.write_table(cdnow_master, tmp_path / "master.parquet")
    return Transactions(library.read_parquet(str(tmp_path / "master.parquet")), **NAMES)


def test_the_published_counts_of_the_sample(engine, cdnow_sample):
    """Fader, Hardie & Lee (2005): 2,357 customers, 946 of whom buy again in the 39 weeks, on 2,457 days in all.

    All were won in the first quarter of 1997, by the construction of the data.
    """
    log = Transactions(engine.frame(**columns_of(cdnow_sample)), **NAMES)
    with pytest.warns(RowsExcludedWarning, match="after as_of"):
        rows = engine.rows(log.rfm(as_of=CALIBRATION))
    assert len(rows) == 2_357
    assert sum(row["frequency"] > 0 for row in rows) == 946
    assert sum(row["frequency"] for row in rows) == 2_457
    assert all(188 <= row["T"] <= 272 for row in rows), "first purchases from 1 January to 26 March"
    repeat = log.repeat_purchase_rate(as_of=CALIBRATION)
    assert (repeat.numerator, repeat.denominator) == (946, 2_357)
    quarters = log.cohorts(period="quarter", as_of=CALIBRATION)
    assert quarters.labels == ["1997-Q1"]
    assert quarters.sizes.tolist() == [2_357]
    assert log.purchase_cycle(as_of=CALIBRATION).closed == 2_457


def test_summary_of_the_master(master, master_orders):
    found = master.summary(as_of=LAST).model_dump()
    expected = oracles.summary(master_orders, LAST)
    assert found.pop("revenue") == pytest.approx(expected.pop("revenue"), rel=1e-12)
    assert found == expected


def test_rfm_of_the_master(master, master_orders):
    found = master.rfm(as_of=LAST)
    table = found.to_dicts() if hasattr(found, "to_dicts") else found.pl().to_dicts()
    table.sort(key=lambda row: row["customer"])
    expected = oracles.rfm(master_orders, LAST, "day")
    money, expected_money = ([row.pop("monetary_value") for row in rows] for rows in (table, expected))
    assert table == expected
    assert money == [None if mean is None else pytest.approx(mean, rel=1e-9, abs=1e-9) for mean in expected_money]


def test_cohorts_of_the_master(master, master_orders):
    for question in ({}, {"period": "quarter", "counting": "on_or_after", "min_events": 2}):
        found, expected = master.cohorts(as_of=LAST, **question), oracles.cohorts(master_orders, LAST, **question)
        assert list(found.cohorts) == expected["cohorts"]
        for name in ("sizes", "retained", "states"):
            assert found.to_dict()[name] == expected[name]


def test_cycle_of_the_master(master, master_orders):
    closed, still_open = oracles.gaps(master_orders, CALIBRATION)
    found = master.purchase_cycle(as_of=CALIBRATION)
    assert (found.closed, found.open) == (len(closed), len(still_open))
    assert found.median == oracles.kaplan_meier_median(closed, still_open)


def test_flow_of_the_master(master, master_orders):
    found = master.retention_by_period(period="quarter", as_of=LAST, lost_after=60)
    expected = oracles.flow(master_orders, LAST, "quarter", 60)
    for name in ("start", "new", "returned", "lost", "lost_of_start", "end", "buyers", "returning"):
        assert getattr(found, name).tolist() == expected[name], name
    assert found.revenue.tolist() == pytest.approx(expected["revenue"], rel=1e-12)
