"""Ours on each engine, and the queries by hand. Runs in the project's environment."""

import duckdb
import narwhals.stable.v2 as nw
import pandas as pd
import polars as pl
import queries
from data import AS_OF
from measure import Variant, main

from retention_metrics.logs import Transactions

COLUMNS = {"customer": "customer", "time": "time", "amount": "amount"}


def load_duckdb(path):
    connection = duckdb.connect()
    connection.execute("set threads = 2")
    connection.execute(f"create table log as from '{path}'")
    return connection


def rfm(log):
    return Transactions(log, **COLUMNS).rfm(as_of=AS_OF)


def rfm_duckdb(connection):
    return rfm(connection.table("log")).to_arrow_table()


def cohorts(log):
    return Transactions(log, **COLUMNS).cohorts(period="month", as_of=AS_OF)


def cohorts_duckdb(connection):
    return cohorts(connection.table("log"))


def save(answer, path):
    nw.from_native(answer, eager_only=True).write_parquet(path)


def save_cohorts(table, path):
    cells = table.to_frame("polars").filter(pl.col("retained") > 0)
    save(cells.select("cohort", "age", customers="retained"), path)


VARIANTS = {
    "rfm ours polars": Variant(pl.read_parquet, rfm, save),
    "rfm ours duckdb": Variant(load_duckdb, rfm_duckdb, save),
    "rfm ours pandas": Variant(pd.read_parquet, rfm, save),
    "rfm hand polars": Variant(pl.read_parquet, queries.rfm_polars, save),
    "rfm hand duckdb": Variant(load_duckdb, queries.rfm_duckdb, save),
    "cohorts ours polars": Variant(pl.read_parquet, cohorts, save_cohorts),
    "cohorts ours duckdb": Variant(load_duckdb, cohorts_duckdb, save_cohorts),
    "cohorts hand polars": Variant(pl.read_parquet, queries.cohorts_polars, save),
    "cohorts hand duckdb": Variant(load_duckdb, queries.cohorts_duckdb, save),
}

if __name__ == "__main__":
    main(VARIANTS)
