"""Movements of recurring revenue by month from ten million subscriptions, and a million offers: ours and by hand.

Each variant runs in a process of its own, in turn; the sums of all are compared, and a difference ends the run. The
queries by hand compare the ends of months as ours does by default. They check nothing, and know neither a reactivation
window nor the edges of the data.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
AS_OF = "2024-06-30"
OFFERS = 1_000_000


def book_file(folder, rows, seed=20240630):
    """The Parquet file of a book: a third as many customers as subscriptions, of which one in seven runs on."""
    import polars as pl

    path = folder / f"subscriptions-{rows}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(seed)
        since = np.datetime64("2020-01-01", "D") + rng.integers(0, 1_500, rows).astype("timedelta64[D]")
        until = since + rng.choice([30, 90, 180, 365], rows).astype("timedelta64[D]")
        until[rng.random(rows) < 0.15] = np.datetime64("NaT")
        pl.DataFrame(
            {
                "customer": rng.integers(0, max(rows // 3, 1), rows),
                "start": since.astype("datetime64[us]"),
                "end": until.astype("datetime64[us]"),
                "amount": rng.choice([10.0, 20.0, 50.0, 99.0], rows),
            }
        ).write_parquet(path)
    return path


def load_polars(path):
    import polars as pl

    return pl.read_parquet(path)


def load_duckdb(path):
    import duckdb

    connection = duckdb.connect()
    connection.execute("set threads = 2")
    connection.execute(f"create table book as from '{path}'")
    return connection


def ours(frame):
    from retention_metrics.logs import Subscriptions

    names = {"customer": "customer", "start": "start", "end": "end", "amount": "amount"}
    flow = Subscriptions(frame, **names).movements(as_of=AS_OF)
    return {name: float(getattr(flow, name).sum()) for name in KINDS}


KINDS = ("new", "reactivation", "expansion", "contraction", "churn")


def by_hand_polars(frame):
    import polars as pl

    def month(column):
        return (pl.col(column).dt.year() * 12 + pl.col(column).dt.month() - 1).cast(pl.Int32)

    book = frame.lazy()
    ended = book.filter(pl.col("end") < pl.lit(AS_OF).str.to_datetime("%Y-%m-%d"))
    changes = pl.concat(
        [
            book.select("customer", month=month("start"), change="amount", runs=pl.lit(1, pl.Int32)),
            ended.select("customer", month=month("end"), change=-pl.col("amount"), runs=pl.lit(-1, pl.Int32)),
        ]
    )
    by_month = changes.group_by("customer", "month").agg(pl.col("change").sum(), pl.col("runs").sum())
    held = pl.col("runs").cum_sum().over("customer", order_by="month")
    earlier = pl.col("month").shift(1).over("customer", order_by="month").is_not_null()
    change, run, before = pl.col("change"), pl.col("held"), pl.col("held") - pl.col("runs")
    kind = (
        pl.when((change > 0) & (before == 0) & ~pl.col("earlier"))
        .then(pl.lit("new"))
        .when((change > 0) & (before == 0))
        .then(pl.lit("reactivation"))
        .when(change > 0)
        .then(pl.lit("expansion"))
        .when((change < 0) & (run == 0))
        .then(pl.lit("churn"))
        .when(change < 0)
        .then(pl.lit("contraction"))
    )
    table = (
        by_month.with_columns(held=held, earlier=earlier)
        .group_by("month", kind=kind)
        .agg(pl.col("change").abs().sum())
        .collect()
    )
    return {name: float(table.filter(pl.col("kind") == name)["change"].sum()) for name in KINDS}


def by_hand_duckdb(connection):
    found = connection.sql(
        f"""
        with changes as (
            select customer, year(start) * 12 + month(start) - 1 as month, amount as change, 1 as runs from book
            union all
            select customer, year("end") * 12 + month("end") - 1, -amount, -1 from book where "end" < date '{AS_OF}'
        ), by_month as (
            select customer, month, sum(change) as change, sum(runs) as runs from changes group by all
        ), held as (
            select *,
                sum(runs) over (partition by customer order by month) as held,
                lag(month) over (partition by customer order by month) as earlier
            from by_month
        )
        select month,
            case
                when change > 0 and held - runs = 0 and earlier is null then 'new'
                when change > 0 and held - runs = 0 then 'reactivation'
                when change > 0 then 'expansion'
                when change < 0 and held = 0 then 'churn'
                when change < 0 then 'contraction'
            end as kind,
            sum(abs(change)) as change
        from held group by all
        """
    ).fetchall()
    return {name: float(sum(change for _, kind, change in found if kind == name)) for name in KINDS}


VARIANTS = {
    "ours polars": (load_polars, ours),
    "by hand polars": (load_polars, by_hand_polars),
    "ours duckdb": (load_duckdb, lambda connection: ours(connection.table("book"))),
    "by hand duckdb": (load_duckdb, by_hand_duckdb),
}


def run_one(variant, path):
    import resource

    load, ask = VARIANTS[variant]
    log = load(path)
    seconds = []
    for _ in range(4):
        started = time.perf_counter()
        answer = ask(log)
        seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds[1:], "answer": answer, "peak_mb": peak}))


def run_offers():
    from retention_metrics import ltv

    rng = np.random.default_rng(1)
    without = rng.uniform(0, 0.3, OFFERS)
    seconds = []
    for _ in range(4):
        started = time.perf_counter()
        ltv.win_back(
            return_with=without + 0.2,
            return_without=without,
            margin=rng.uniform(5, 60, OFFERS),
            churn=0.1,
            horizon=24,
            fault="theirs",
            cost_to_serve=0,
            offer_per_return=15,
        )
        seconds.append(time.perf_counter() - started)
    print(f"\n{OFFERS:,} offers weighed and ranked by ltv.win_back: {statistics.median(seconds[1:]):.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=HERE / ".logs")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        run_one(*arguments.one)
        return
    path = book_file(arguments.folder.absolute(), arguments.rows)
    times, peaks, answers = {}, {}, {}
    for number in range(arguments.rounds):
        for name in VARIANTS if number % 2 == 0 else list(VARIANTS)[::-1]:
            command = [sys.executable, HERE / "movements.py", "--one", name, path]
            found = json.loads(subprocess.check_output(command))
            times.setdefault(name, []).extend(found["seconds"])
            peaks[name] = max(found["peak_mb"], peaks.get(name, 0))
            answers[name] = found["answer"]
            for kind, total in answers["ours polars"].items():
                assert abs(found["answer"][kind] - total) <= 1e-9 * total, (name, kind)
    print("| variant | subscriptions | seconds | ours / by hand | peak MB |\n|---|---:|---:|---:|---:|")
    for name, seconds in times.items():
        peer = times.get(name.replace("ours", "by hand")) if name.startswith("ours") else None
        ratio = f"{statistics.median(seconds) / statistics.median(peer):.2f}" if peer else ""
        print(f"| {name} | {arguments.rows:,} | {statistics.median(seconds):.3g} | {ratio} | {peaks[name]:,.0f} |")
    run_offers()


if __name__ == "__main__":
    main()
