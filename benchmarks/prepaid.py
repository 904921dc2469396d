"""The book of prepaid packages: a million visits replayed beside a plain loop, ten million events on an engine.

Each variant runs in a process of its own, in turn; what it earned is compared by month, and a difference ends the run.
The loop and the queries by hand know purchases and visits that name their package, and check nothing.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
AS_OF = "2024-06-30"
OPENED = np.datetime64("2020-01-01", "D")
DAYS = 1_642
PRICE, SESSIONS = 1_500_000, 10
REPLAYED = 150_000


def columns(packages, seed=20240630, *, shuffled=False):
    """Sales and visits of packages, seven visits each on average, in the order of their days or in none."""
    rng = np.random.default_rng(seed)
    sold = rng.integers(0, DAYS - 1, packages)
    used = rng.binomial(SESSIONS, 0.667, packages)
    of = np.repeat(np.arange(packages), used)
    days = np.append(sold, np.minimum(sold[of] + rng.integers(0, 400, len(of)), DAYS))
    package = np.append(np.arange(packages), of)
    visit = np.append(np.zeros(packages, np.int64), np.ones(len(of), np.int64))
    order = rng.permutation(len(days)) if shuffled else np.lexsort((visit, days))
    return {"visit": visit[order], "date": (OPENED + days)[order], "package": package[order]}


def plans():
    from retention_metrics.prepaid import PackagePlan

    return [PackagePlan(id=1, price=PRICE, sessions=SESSIONS, cost_per_session=70_000)]


def earned_of(rolled):
    return {period: int(earned) for period, earned in zip(rolled.labels, rolled.earned, strict=True)}


def arrays_of(book):
    """The same as arrays by the names of their fields."""
    from retention_metrics.prepaid import KINDS

    kind = np.where(book["visit"] == 1, KINDS.index("visit"), KINDS.index("purchase"))
    plan = np.ma.array(np.ones(len(kind), np.int64), mask=book["visit"] == 1)
    return {"kind": kind, "date": book["date"], "package": book["package"], "customer": book["package"], "plan": plan}


def replayed(arrays):
    from retention_metrics.prepaid import Ledger

    return earned_of(Ledger.from_columns(arrays, plans(), as_of=AS_OF).roll_forward())


def events_of(book):
    """The same as a list of dictionaries, as they come from a file or an interface."""
    kinds = ["purchase", "visit"]
    rows = zip(book["visit"].tolist(), book["date"].tolist(), book["package"].tolist(), strict=True)
    return [{"kind": kinds[visit], "date": date, "package": package} for visit, date, package in rows]


def looped(events):
    """What a programmer writes first: one event after the other, and a table of months."""
    packages, months = {}, {}
    for event in events:
        name = f"{event['date'].year}-{event['date'].month:02}"
        month = months.get(name)
        if month is None:
            month = months[name] = dict.fromkeys(("collections", "earned", "cost", "sold", "delivered", "owed"), 0)
        if event["kind"] == "purchase":
            packages[event["package"]] = {"price": PRICE, "sessions": SESSIONS, "used": 0, "earned": 0}
            month["collections"] += PRICE
            month["owed"] += PRICE
            month["sold"] += SESSIONS
        else:
            package = packages[event["package"]]
            if package["used"] == package["sessions"]:
                raise ValueError(event)
            package["used"] += 1
            so_far = (2 * package["price"] * package["used"] + package["sessions"]) // (2 * package["sessions"])
            month["earned"] += so_far - package["earned"]
            month["owed"] -= so_far - package["earned"]
            month["cost"] += 70_000
            month["delivered"] += 1
            package["earned"] = so_far
    return {name: month["earned"] for name, month in months.items()}


def sorted_and_looped(events):
    """The same for events that come in any order, as the ledger takes them."""
    return looped(sorted(events, key=lambda event: (event["date"], event["kind"])))


def book_file(folder, rows):
    import polars as pl

    path = folder / f"packages-{rows}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        book = columns(round(rows / (1 + 0.667 * SESSIONS)))
        visit = pl.col("visit") == 1
        pl.DataFrame(book).select(
            pl.when(visit).then(pl.lit("visit")).otherwise(pl.lit("purchase")).alias("kind"),
            "date",
            "package",
            customer="package",
            plan=pl.when(~visit).then(1),
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


def log_of(frame):
    from retention_metrics.logs import PrepaidEvents

    return PrepaidEvents(frame, **{name: name for name in ("kind", "date", "package", "customer", "plan")})


def counted(frame):
    return earned_of(log_of(frame).roll_forward(plans(), as_of=AS_OF))


def booked(frame):
    return earned_of(log_of(frame).ledger(plans(), as_of=AS_OF).roll_forward())


def by_hand_polars(frame):
    import polars as pl

    visits = frame.lazy().filter(pl.col("kind") == "visit")
    month = pl.col("date").dt.truncate("1mo")
    often = visits.group_by("package", month=month).agg(pl.len().cast(pl.Int64).alias("visits"))
    sold = frame.lazy().filter(pl.col("kind") == "purchase").select("package", price=pl.lit(PRICE, pl.Int64))
    done = pl.col("visits").cum_sum().over("package", order_by="month")
    often = often.join(sold, on="package").with_columns(done=done)
    now, then = pl.col("done"), pl.col("done") - pl.col("visits")
    price = 2 * pl.col("price")
    share = (price * now + SESSIONS) // (2 * SESSIONS) - (price * then + SESSIONS) // (2 * SESSIONS)
    found = often.group_by("month").agg(share.sum().alias("earned")).collect()
    return {f"{month:%Y-%m}": earned for month, earned in found.iter_rows()}


def by_hand_duckdb(connection):
    found = connection.sql(
        f"""
        with often as (
            select package, date_trunc('month', date) as month, count(*) as visits
            from book where kind = 'visit' group by all
        ), sold as (
            select package, {PRICE}::bigint as price from book where kind = 'purchase'
        ), running as (
            select month, visits, price, sum(visits) over (partition by package order by month) as done
            from often join sold using (package)
        )
        select strftime(month, '%Y-%m'), sum(
            (2 * price * done + {SESSIONS}) // {2 * SESSIONS}
            - (2 * price * (done - visits) + {SESSIONS}) // {2 * SESSIONS}
        ) from running group by all
        """
    ).fetchall()
    return {month: int(earned) for month, earned in found}


def table(connection):
    return connection.table("book")


VARIANTS = {
    "ours, replay": (lambda _: arrays_of(columns(REPLAYED)), replayed),
    "plain loop": (lambda _: events_of(columns(REPLAYED)), looped),
    "ours, replay, any order": (lambda _: arrays_of(columns(REPLAYED, shuffled=True)), replayed),
    "plain loop, any order": (lambda _: events_of(columns(REPLAYED, shuffled=True)), sorted_and_looped),
    "ours, counted on polars": (load_polars, counted),
    "ours, ledger from polars": (load_polars, booked),
    "by hand polars": (load_polars, by_hand_polars),
    "ours, counted on duckdb": (load_duckdb, lambda connection: counted(table(connection))),
    "ours, ledger from duckdb": (load_duckdb, lambda connection: booked(table(connection))),
    "by hand duckdb": (load_duckdb, by_hand_duckdb),
}
BESIDE = {
    "plain loop": "ours, replay",
    "plain loop, any order": "ours, replay, any order",
    "ours, counted on polars": "by hand polars",
    "ours, counted on duckdb": "by hand duckdb",
}


def run_one(variant, path):
    load, ask = VARIANTS[variant]
    book = load(path)
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        answer = ask(book)
        seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    months = {month: earned for month, earned in answer.items() if earned}
    print(json.dumps({"seconds": seconds[1:], "answer": months, "loaded_mb": loaded, "peak_mb": peak}))


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
    times, found, answers = {}, {}, {}
    for number in range(arguments.rounds):
        for name in VARIANTS if number % 2 == 0 else list(VARIANTS)[::-1]:
            found[name] = json.loads(
                subprocess.check_output([sys.executable, HERE / "prepaid.py", "--one", name, path])
            )
            times.setdefault(name, []).extend(found[name]["seconds"])
            answer = answers.setdefault("replay" in name or "loop" in name, found[name]["answer"])
            assert found[name]["answer"] == answer, name
    print("| variant | events | seconds | ratio | loaded MB | peak MB |\n|---|---:|---:|---|---:|---:|")
    for name, seconds in times.items():
        rows = len(columns(REPLAYED)["visit"]) if "replay" in name or "loop" in name else arguments.rows
        peer = BESIDE.get(name)
        ratio = f"{statistics.median(seconds) / statistics.median(times[peer]):.2f} of {peer}" if peer else ""
        memory = f"{found[name]['loaded_mb']:,.0f} | {found[name]['peak_mb']:,.0f}"
        print(f"| {name} | {rows:,} | {statistics.median(seconds):.3g} | {ratio} | {memory} |")


if __name__ == "__main__":
    main()
