"""Engines, real data and reference numbers that the tests share."""

import datetime as dt
import importlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("local", max_examples=25, deadline=None)
settings.register_profile(
    "ci", max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("brief", settings.get_profile("ci"), max_examples=6)
RUNNER = os.environ.get("CI")
settings.load_profile("brief" if RUNNER == "brief" else "ci" if RUNNER else "local")

REFERENCE = Path(__file__).parent / "reference"
ENGINES = {
    "pandas": "pandas",
    "pandas-pyarrow": "pandas",
    "polars": "polars",
    "polars-lazy": "polars",
    "pyarrow": "pyarrow",
    "duckdb": "duckdb",
    "spark": "pyspark",
    "dask": "dask.dataframe",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-engines", action="store_true", help="a missing engine fails instead of being skipped")


@pytest.fixture(scope="session")
def reference() -> Callable[[str], dict[str, Any]]:
    """The reference numbers by id; each has input, expected value, tolerance and source."""
    return _by_id("metrics.json")


@pytest.fixture(scope="session")
def predictive() -> Callable[[str], dict[str, Any]]:
    """The reference numbers of survival and of purchase models, by id; each has inputs, expected values and source."""
    return _by_id("predictive.json")


def _by_id(name: str) -> Callable[[str], dict[str, Any]]:
    items = json.loads((REFERENCE / name).read_text(encoding="utf-8"))
    return {item["id"]: item for item in items}.__getitem__


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[1]")
        # Few rows: generating code for a query and compiling it well takes longer than the query.
        .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@dataclass(frozen=True)
class Engine:
    """A dataframe engine: makes a native frame of some columns, and reads one back."""

    name: str
    make: Callable[[pa.Table], Any]

    def frame(self, **columns: Any) -> Any:
        return self.make(pa.table(columns))

    def rows(self, frame: Any) -> list[dict[str, Any]]:
        """Rows of a native frame, by customer; missing values are None and days are dates."""
        table = nw.from_native(frame)
        table = table.collect() if isinstance(table, nw.LazyFrame) else table
        rows = [{name: _plain(value) for name, value in row.items()} for row in table.rows(named=True)]
        return sorted(rows, key=lambda row: str(row["customer"]))


def _plain(value: Any) -> Any:
    if value is None or value != value or str(value) == "<NA>":
        return None
    if isinstance(value, dt.datetime):
        return value.date()
    return value.item() if hasattr(value, "item") else value


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    name: str = request.param
    if not request.config.getoption("--all-engines"):
        pytest.importorskip(ENGINES[name])
    library = importlib.import_module(ENGINES[name])
    if name == "spark":
        session = request.getfixturevalue("spark")

    def stored(table: pa.Table) -> str:
        import pyarrow.parquet as pq

        path = tmp_path_factory.mktemp("frame") / "log.parquet"
        pq.write_table(table, path)
        return str(path)

    makers: dict[str, Callable[[pa.Table], Any]] = {
        "pandas": lambda table: table.to_pandas(),
        "pandas-pyarrow": lambda table: table.to_pandas(types_mapper=library.ArrowDtype),
        "polars": lambda table: library.from_arrow(table),
        "polars-lazy": lambda table: library.from_arrow(table).lazy(),
        "pyarrow": lambda table: table,
        "duckdb": lambda table: library.read_parquet(stored(table)),
        "spark": lambda table: session.read.parquet(stored(table)),
        "dask": lambda table: library.from_pandas(table.to_pandas(), npartitions=3),
    }
    return Engine(name, makers[name])


def _lifetimes_file(name: str) -> Path:
    """A data file of the PyPI package ``lifetimes`` (MIT), read without importing the package."""
    found = [path for path in files("lifetimes") or [] if path.name == name]
    return Path(str(found[0].locate()))


def _read_cdnow(path: Path, customer: int, fields: int) -> pa.Table:
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if len(row) == fields and row[0].isdigit()]
    return pa.table(
        {
            "customer": [row[customer] for row in rows],
            "time": [dt.datetime.strptime(row[-3], "%Y%m%d") for row in rows],
            "amount": [float(row[-1]) for row in rows],
        }
    )


@pytest.fixture(scope="session")
def cdnow_sample() -> pa.Table:
    """The 1/10 sample of the CDNOW log: 2,357 customers."""
    return _read_cdnow(_lifetimes_file("CDNOW_sample.txt"), customer=1, fields=5)


@pytest.fixture(scope="session")
def cdnow_master() -> pa.Table:
    """The whole CDNOW log: 69,659 rows of 23,570 customers."""
    return _read_cdnow(_lifetimes_file("CDNOW_master.txt"), customer=0, fields=4)
