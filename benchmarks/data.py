"""A made-up order log: two years, about ten orders a customer, some customers far more than others."""

import argparse
from pathlib import Path

import numpy as np
import polars as pl

AS_OF = "2026-10-31"
IDS = ("integer", "string")
_FIRST, _LAST = np.datetime64("2024-11-01", "us"), np.datetime64("2026-11-01", "us")


def order_log(rows: int, ids: str, seed: int = 20261031) -> pl.DataFrame:
    """Columns customer, time, amount, in order of time; the same arguments give the same frame."""
    rng = np.random.default_rng(seed)
    customers = max(rows // 10, 1)
    rates = rng.gamma(shape=0.8, size=customers)
    who = np.searchsorted(np.cumsum(rates / rates.sum())[:-1], rng.random(rows), side="right")
    joined = rng.random(customers)[who]
    when = joined + (1 - joined) * rng.random(rows)
    time = _FIRST + (when * (_LAST - _FIRST).astype(np.int64)).astype("timedelta64[us]")
    frame = pl.DataFrame(
        {
            "customer": 100_000 + rng.permutation(customers)[who],
            "time": time,
            "amount": rng.gamma(shape=2, scale=20, size=rows).round(2),
        }
    )
    if ids == "string":
        frame = frame.with_columns(pl.format("client-{}", "customer").alias("customer"))
    return frame.sort("time")


def log_file(folder: Path, rows: int, ids: str) -> Path:
    """The Parquet file of a log, written when it is not there yet."""
    path = folder / f"orders-{rows}-{ids}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        order_log(rows, ids).write_parquet(path)
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("rows", type=int)
    parser.add_argument("ids", choices=IDS)
    arguments = parser.parse_args()
    print(log_file(arguments.folder, arguments.rows, arguments.ids))
