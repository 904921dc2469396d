"""Timestamps with a time zone: the day of an event is the day of the business, on days of 23 and 25 hours too."""

import datetime as dt
import os
import time
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from retention_metrics.errors import InvalidType, InvalidValue, RowsExcludedWarning
from retention_metrics.logs import Transactions
from tests import oracles
from tests.oracles import Order, at

NEW_YORK = "America/New_York"
NAMES = {"customer": "customer", "time": "time"}
# New York puts its clocks forward on 10 March 2024 and back on 3 November 2024.
MARCH, NOVEMBER = dt.date(2024, 3, 10), dt.date(2024, 11, 3)
# Half-hour steps around both changes, three customers in turn.
MOMENTS = [
    (f"client {step % 3}", at(f"{day}T00:00+00:00") + dt.timedelta(minutes=30 * step))
    for day in (MARCH, NOVEMBER)
    for step in range(-60, 120)
]
# The same as told by the clocks of New York, without a zone.
LOCAL = [Order(who, moment.astimezone(ZoneInfo(NEW_YORK)).replace(tzinfo=None), 1.0) for who, moment in MOMENTS]


def aware(zone):
    customers, moments = zip(*MOMENTS, strict=True)
    return {"customer": pa.array(customers), "time": pa.array(moments, pa.timestamp("us", zone))}


def assert_new_york(log, rows):
    """The answers of a log of MOMENTS are those of LOCAL, up to the end of each changed day."""
    for day in (MARCH, NOVEMBER):
        found = log.summary(as_of=day)
        expected = oracles.summary(LOCAL, day)
        assert (found.orders, found.first_day, found.last_day) == (
            expected["orders"],
            expected["first_day"],
            expected["last_day"],
        )
        assert found.excluded == expected["excluded"]
    with pytest.warns(RowsExcludedWarning, match="after as_of"):
        found = rows(log.rfm(as_of=NOVEMBER))
    expected = oracles.rfm(LOCAL, NOVEMBER, "day")
    assert found == [{name: row[name] for name in ("customer", "frequency", "recency", "T")} for row in expected]
    with pytest.warns(RowsExcludedWarning, match="after as_of"):
        found = rows(log.status(as_of=MARCH, lost_after=0))
    assert [row["days_since"] for row in found] == [
        row["days_since"] for row in oracles.status(LOCAL, MARCH, lost_after=0)
    ]
    table = log.cohorts(period="day", as_of=MARCH, anchor="every")
    assert table.sizes.tolist() == oracles.cohorts(LOCAL, MARCH, "day", anchor="every")["sizes"]


def test_the_days_of_utc_and_new_york_differ():
    """Otherwise nothing here would prove anything; and the changed days have 23 and 25 hours."""
    assert [moment.date() for _, moment in MOMENTS] != [order.day for order in LOCAL]
    assert [sum(order.day == day for order in LOCAL) / 2 for day in (MARCH, NOVEMBER)] == [23, 25]


@pytest.mark.parametrize(
    "engine", ["pandas", "pandas-pyarrow", "polars", "polars-lazy", "pyarrow", "dask"], indirect=True
)
@pytest.mark.parametrize("zone", ["UTC", NEW_YORK, "Asia/Tokyo"])
def test_zones_are_converted_to_the_zone_of_the_business(engine, zone):
    """DuckDB and Spark have a zone of the session: see below."""
    assert_new_york(Transactions(engine.frame(**aware(zone)), **NAMES, tz=NEW_YORK), engine.rows)


@pytest.mark.parametrize("zone", ["UTC", NEW_YORK])
def test_a_zone_asks_for_the_zone_of_the_business(engine, zone):
    with pytest.raises(InvalidValue, match="time column 'time' has the time zone .*; pass tz="):
        Transactions(engine.frame(**aware(zone)), **NAMES)


def test_local_times_take_no_zone(engine):
    frame = engine.frame(customer=pa.array(["ann"]), time=pa.array([at("2024-03-10T12:00")]))
    with pytest.raises(InvalidValue, match="tz is 'UTC', but time column 'time' has no time zone.*; leave tz out"):
        Transactions(frame, **NAMES, tz="UTC")


@pytest.mark.parametrize("tz", ["Mars/Olympus", "", "Europe", "../UTC", "New York"])
def test_unknown_zones(tz):
    pl = pytest.importorskip("polars")
    with pytest.raises(InvalidValue, match="tz must be an IANA time zone such as 'Europe/Paris', got"):
        Transactions(pl.from_arrow(pa.table(aware("UTC"))), **NAMES, tz=tz)


def test_a_zone_that_is_no_name():
    pl = pytest.importorskip("polars")
    with pytest.raises((InvalidType, InvalidValue), match="tz must be"):
        Transactions(pl.from_arrow(pa.table(aware("UTC"))), **NAMES, tz=5)


def test_mixed_zones_in_a_pandas_column_are_refused():
    pd = pytest.importorskip("pandas")
    times = [at("2024-03-10T12:00+00:00"), at("2024-03-10T12:00-05:00")]
    frame = pd.DataFrame({"customer": ["ann", "bob"], "time": pd.Series(times, dtype=object)})
    with pytest.raises(InvalidType, match="time column 'time' holds Object, not dates .*, with one time zone or none"):
        Transactions(frame, **NAMES, tz="UTC")


# --- engines whose sessions have a zone


CONNECTIONS = []


def duckdb_log(tmp_path, session, columns, **options):
    duckdb = pytest.importorskip("duckdb")
    pq.write_table(pa.table(columns), tmp_path / "log.parquet")
    connection = duckdb.connect()
    CONNECTIONS.append(connection)  # older versions close one that nobody holds, though a relation needs it
    connection.execute(f"SET TimeZone = '{session}'")
    return Transactions(connection.read_parquet(str(tmp_path / "log.parquet")), **NAMES, **options)


def by_customer(frame):
    table = frame.arrow().read_all().to_pylist() if hasattr(frame.arrow(), "read_all") else frame.arrow().to_pylist()
    return sorted(table, key=lambda row: row["customer"])


def test_duckdb_in_the_zone_of_the_business(tmp_path):
    assert_new_york(duckdb_log(tmp_path, NEW_YORK, aware("UTC"), tz=NEW_YORK), by_customer)


def test_duckdb_in_another_zone_is_refused(tmp_path):
    message = f"tz is '{NEW_YORK}', but this DUCKDB session reads timestamps in 'UTC'; set the session's time zone"
    with pytest.raises(InvalidValue, match=message):
        duckdb_log(tmp_path, "UTC", aware("UTC"), tz=NEW_YORK)


def local():
    return {
        "customer": pa.array([order.customer for order in LOCAL]),
        "time": pa.array([order.time for order in LOCAL], pa.timestamp("us")),
    }


def test_duckdb_reads_local_times_the_same_in_any_zone(tmp_path):
    assert_new_york(duckdb_log(tmp_path, "Asia/Tokyo", local()), by_customer)


@pytest.fixture
def spark_in(request, tmp_path):
    """Opens a log in a Spark session of a given zone."""
    if not request.config.getoption("--all-engines"):
        pytest.importorskip("pyspark")
    session = request.getfixturevalue("spark")
    before = session.conf.get("spark.sql.session.timeZone")

    def open_log(zone, columns, **options):
        pq.write_table(pa.table(columns), tmp_path / "log.parquet")
        session.conf.set("spark.sql.session.timeZone", zone)
        return Transactions(session.read.parquet(str(tmp_path / "log.parquet")), **NAMES, **options)

    yield open_log
    session.conf.set("spark.sql.session.timeZone", before)


def spark_rows(frame):
    return sorted((row.asDict() for row in frame.collect()), key=lambda row: row["customer"])


def test_spark_in_the_zone_of_the_business(spark_in):
    """Whatever the zone of the machine: the session's zone decides."""
    assert_new_york(spark_in(NEW_YORK, aware("UTC"), tz=NEW_YORK), spark_rows)


def test_spark_reads_local_times_the_same_in_any_zone(spark_in):
    assert_new_york(spark_in("Asia/Tokyo", local()), spark_rows)


def test_spark_in_another_zone_is_refused(spark_in):
    message = f"tz is '{NEW_YORK}', but this PYSPARK session reads timestamps in 'UTC'; set the session's time zone"
    with pytest.raises(InvalidValue, match=message):
        spark_in("UTC", aware("UTC"), tz=NEW_YORK)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of the process cannot be set here")
def test_the_zone_of_the_machine_does_not_matter(engine, monkeypatch):
    monkeypatch.setitem(os.environ, "TZ", "Asia/Tokyo")
    time.tzset()
    try:
        found = Transactions(engine.frame(**local()), **NAMES).summary(as_of=MARCH)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found.orders == oracles.summary(LOCAL, MARCH)["orders"]
    assert found.excluded == oracles.summary(LOCAL, MARCH)["excluded"]
