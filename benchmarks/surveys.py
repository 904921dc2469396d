"""Scores of ten million answers by segment, and of a hundred million in one array: ours, by hand and the peers.

Each variant runs in a process of its own, in turn; the tables of all are compared, and a difference ends the run.
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
AS_OF = "2026-10-31"
ARRAY = 100_000_000
CROSSTABS_MOST = 1_000_000  # it takes a list of dicts, of which ten million do not fit


def survey_file(folder, rows, seed=20261031):
    """The Parquet file of a survey: a third as many customers as answers, twenty segments."""
    import polars as pl

    path = folder / f"survey-{rows}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(seed)
        start, length = np.datetime64("2025-11-01", "us"), 365 * 86_400 * 10**6
        pl.DataFrame(
            {
                "customer": rng.integers(0, max(rows // 3, 1), rows),
                "time": start + rng.integers(0, length, rows).astype("timedelta64[us]"),
                "score": rng.choice(11, rows, p=[0.03] * 6 + [0.07, 0.15, 0.2, 0.2, 0.2]).astype(np.int8),
                "segment": np.array([f"segment {i:02}" for i in range(20)])[rng.integers(0, 20, rows)],
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
    connection.execute(f"create table log as from '{path}'")
    return connection


def load_pandas(path):
    import pandas as pd

    return pd.read_parquet(path)


def load_rows(path):
    return load_pandas(path)[["score", "segment"]].to_dict("records")


def ours(frame, repeated):
    from retention_metrics.logs import Responses

    names = {"customer": "customer", "time": "time", "score": "score", "segment": "segment"}
    table = Responses(frame, **names, repeated=repeated).score(as_of=AS_OF, by="segment")
    return {c.group[0]: [c.score.promoters, c.score.passives, c.score.detractors] for c in table.cells}


def by_hand_polars(frame, repeated):
    import polars as pl

    rows = frame.lazy()
    if repeated == "latest":
        rows = rows.filter(pl.col("time") == pl.col("time").max().over("customer"))
        rows = rows.group_by("customer").agg(pl.col("score").min(), pl.col("segment").first())
    score = pl.col("score")
    table = rows.group_by("segment").agg(p=(score >= 9).sum(), n=pl.len(), d=(score <= 6).sum()).collect()
    return {s: [p, n - p - d, d] for s, p, n, d in table.iter_rows()}


def by_hand_duckdb(connection, repeated):
    rows = "log"
    if repeated == "latest":
        rows = "(select arg_max(score, time) as score, arg_max(segment, time) as segment from log group by customer)"
    found = connection.sql(
        f"""select segment, count(*) filter (score >= 9), count(*) filter (score between 7 and 8),
        count(*) filter (score <= 6) from {rows} group by segment"""
    )
    return {segment: list(counts) for segment, *counts in found.fetchall()}


def by_hand_pandas(frame, _repeated):
    score = frame["score"]
    flags = frame[["segment"]].assign(p=score >= 9, q=score.between(7, 8), d=score <= 6)
    return {segment: list(row) for segment, *row in flags.groupby("segment").sum().itertuples()}


def crosstabs(rows, _repeated):
    from crosstabs_mcp.market_research import nps_analysis

    found = nps_analysis(data=rows, score_var="score", segment_var="segment")["segments"]
    shares = ("promoter_share", "passive_share", "detractor_share")
    return {row["segment"]: [round(row["count"] * row["estimate"][share]) for share in shares] for row in found}


VARIANTS = {
    "ours polars": (load_polars, ours),
    "by hand polars": (load_polars, by_hand_polars),
    "ours duckdb": (load_duckdb, lambda connection, repeated: ours(connection.table("log"), repeated)),
    "by hand duckdb": (load_duckdb, by_hand_duckdb),
    "ours pandas": (load_pandas, ours),
    "by hand pandas": (load_pandas, by_hand_pandas),
    "crosstabs": (load_rows, crosstabs),
}


def run_one(variant, path, repeated):
    load, ask = VARIANTS[variant]
    log = load(path)
    seconds = []
    for _ in range(6):
        started = time.perf_counter()
        answer = ask(log, repeated)
        seconds.append(time.perf_counter() - started)
    print(json.dumps({"seconds": seconds[1:], "answer": answer}))


def run_array():
    """One array of int8: our score beside numpy.sum, in turn, each five times after a first call."""
    from retention_metrics import nps

    answers = np.random.default_rng(1).integers(0, 11, ARRAY, dtype=np.int8)
    seconds = {"nps.score": [], "numpy.sum": []}
    for _ in range(6):
        for name, call in (("nps.score", nps.score), ("numpy.sum", np.sum)):
            started = time.perf_counter()
            call(answers)
            seconds[name].append(time.perf_counter() - started)
    times = {name: statistics.median(each[1:]) for name, each in seconds.items()}
    print(
        f"\n{ARRAY:,} int8 answers: nps.score {times['nps.score']:.4f} s, numpy.sum {times['numpy.sum']:.4f} s, "
        f"ratio {times['nps.score'] / times['numpy.sum']:.2f}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--crosstabs", type=Path, help="the interpreter that has crosstabs 1.5.0; left out, it is")
    parser.add_argument("--folder", type=Path, default=HERE / ".logs")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        run_one(*arguments.one)
        return
    path = survey_file(arguments.folder.absolute(), arguments.rows).absolute()
    small = survey_file(arguments.folder.absolute(), min(arguments.rows, CROSSTABS_MOST)).absolute()
    print("| repeated | variant | answers | seconds | ratio |\n|---|---|---:|---:|---:|")
    for repeated in ("all", "latest"):
        cases = [(name, sys.executable, path) for name in VARIANTS if name != "crosstabs"]
        if repeated == "latest":
            cases = [case for case in cases if case[0] != "by hand pandas"]
        elif arguments.crosstabs:
            cases += [("ours pandas", sys.executable, small), ("crosstabs", arguments.crosstabs.absolute(), small)]
        times, answers = {}, {}
        for number in range(arguments.rounds):
            for name, program, file in cases if number % 2 == 0 else cases[::-1]:
                command = [program, HERE / "surveys.py", "--one", name, file, repeated]
                found = json.loads(subprocess.check_output(command))
                times.setdefault((name, file), []).extend(found["seconds"])
                assert answers.setdefault(file, found["answer"]) == found["answer"], name
        for (name, file), seconds in times.items():
            kin = {"ours polars": "by hand polars", "ours duckdb": "by hand duckdb", "ours pandas": "by hand pandas"}
            peer = times.get((kin.get(name), file)) or times.get(("crosstabs", file) if name == "ours pandas" else None)
            ratio = f"{statistics.median(seconds) / statistics.median(peer):.2f}" if peer else ""
            size = arguments.rows if file == path else min(arguments.rows, CROSSTABS_MOST)
            print(f"| {repeated} | {name} | {size:,} | {statistics.median(seconds):.3g} | {ratio} |")
    run_array()


if __name__ == "__main__":
    main()
