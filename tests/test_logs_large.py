"""A million customers with one order each: every count has a closed form."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from retention_metrics.errors import UndefinedMetric
from retention_metrics.logs import Transactions

pytestmark = pytest.mark.filterwarnings("ignore::retention_metrics.churn.ShortWindowWarning")

CUSTOMERS = 1_000_000
OPENED, AS_OF = dt.date(2024, 1, 1), dt.date(2024, 12, 31)
# Customer i buys on day i modulo 366 of a leap year: 1,000,000 = 2,732 * 366 + 88, so the first 88 days have one more.
PER_DAY = np.full(366, 2_732) + (np.arange(366) < 88)
MONTHS = np.array([31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
PER_MONTH = [int(part.sum()) for part in np.split(PER_DAY, MONTHS.cumsum()[:-1])]


@pytest.fixture(scope="module", params=["polars", "duckdb"])
def log(request, tmp_path_factory):
    library = pytest.importorskip(request.param)
    days = np.datetime64(OPENED, "D") + np.arange(CUSTOMERS) % 366
    table = pa.table({"customer": 2**60 + np.arange(CUSTOMERS), "time": days.astype("datetime64[us]")})
    if request.param == "polars":
        frame = library.from_arrow(table)
    else:
        import pyarrow.parquet as pq

        path = tmp_path_factory.mktemp("million") / "log.parquet"
        pq.write_table(table, path)
        frame = library.read_parquet(str(path))
    return Transactions(frame, customer="customer", time="time")


def polars_of(frame):
    return frame.pl() if hasattr(frame, "pl") else frame


def test_rfm(log):
    pytest.importorskip("polars")
    table = polars_of(log.rfm(as_of=AS_OF))
    assert table["customer"].n_unique() == CUSTOMERS
    assert (table["frequency"].sum(), table["recency"].sum()) == (0, 0)
    assert table["T"].sum() == (PER_DAY * np.arange(365, -1, -1)).sum()


def test_cohorts(log):
    table = log.cohorts(as_of=AS_OF)
    assert table.sizes.tolist() == PER_MONTH
    assert table.counts()[:, 0].tolist() == PER_MONTH
    assert np.nansum(table.counts()[:, 1:]) == 0
    assert log.cohorts(as_of=AS_OF, counting="on_or_after").counts()[0].tolist() == [PER_MONTH[0]] + [0] * 11


def test_status(log):
    pytest.importorskip("polars")
    expected = {"active": PER_DAY[-31:].sum(), "at_risk": PER_DAY[-91:-31].sum(), "lost": PER_DAY[:-91].sum()}
    question = {"as_of": AS_OF, "lost_after": 90, "at_risk_after": 30}
    table = polars_of(log.status(**question))
    assert dict(table["status"].value_counts().rows()) == expected
    assert log.status_counts(**question) == expected


def test_flow(log):
    """Each leaves 31 days after the purchase: the losses of a month are the buyers of the days 31 days before it."""
    flow = log.retention_by_period(as_of=AS_OF, lost_after=30)
    assert flow.new.tolist() == flow.buyers.tolist() == PER_MONTH
    left = np.concatenate([np.zeros(31, int), PER_DAY[:-31]])
    assert flow.lost.tolist() == [part.sum() for part in np.split(left, MONTHS.cumsum()[:-1])]
    assert flow.end[-1] == PER_DAY[-31:].sum()
    assert flow.returned.sum() == flow.returning.sum() == 0


def test_nobody_came_back(log):
    assert log.repeat_purchase_rate(as_of=AS_OF).numerator == 0
    with pytest.raises(UndefinedMetric, match="no customer has bought on a second day"):
        log.purchase_cycle(as_of=AS_OF)
