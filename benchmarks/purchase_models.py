"""Purchase models: ours beside lifetimes and clvkit, each in a process of its own, on the same numbers."""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
KINDS = ("days", "no ties")
TRUTH = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
SPEND = {"p": 6.25, "q": 3.74, "v": 15.44}
TERMS = {"ahead": 39.0, "periods": 12, "discount": 0.01}
CALLS = 5
# Job, customers, and the ratio to lifetimes that is wanted; where that is slow it is called once.
JOBS = {
    "fit BG/NBD": ((100_000, 40), (1_000_000, 60)),
    "fit Pareto/NBD": ((100_000, 60),),
    "fit Gamma-Gamma": ((1_000_000, 10),),
    "expected purchases": ((1_000_000, 10),),
    "P(alive)": ((1_000_000, 4),),
    "CLV of a year": ((1_000_000, 100),),
}
SLOW = 3.0
# clvkit has no table of distinct histories: a fit of a million customers takes minutes.
OF_CLVKIT, MOST_FOR_CLVKIT, WANTED_OF_CLVKIT = ("fit BG/NBD",), 100_000, 500


def data(customers, kind):
    """Customers who buy and leave as in BG/NBD; in whole days of a year, or at any time."""
    rng = np.random.default_rng(20261122)
    rate = rng.gamma(TRUTH["r"], 1 / TRUTH["alpha"], customers)
    chance = rng.beta(TRUTH["a"], TRUTH["b"], customers)
    age = rng.uniform(13, 65, customers)
    frequency, recency, now = np.zeros(customers), np.zeros(customers), np.zeros(customers)
    there = np.arange(customers)
    while there.size:
        now[there] += rng.exponential(1 / rate[there])
        there = there[now[there] < age[there]]
        frequency[there] += 1
        recency[there] = now[there]
        there = there[rng.uniform(size=there.size) > chance[there]]
    if kind == "days":
        age = np.rint(age * 7) / 7
        recency = np.where(frequency > 0, np.clip(np.rint(recency * 7), 1, age * 7) / 7, 0)
    nu = rng.gamma(SPEND["q"], 1 / SPEND["v"], customers)
    mean = rng.gamma(SPEND["p"] * np.maximum(frequency, 1), 1 / (nu * np.maximum(frequency, 1)))
    return {"frequency": frequency, "recency": recency, "T": age, "monetary_value": np.where(frequency > 0, mean, 0)}


def purchase_job(job, table, truth, spend, terms):
    """A job as a function whose answer is a number or an array."""
    from retention_metrics import predictive

    history = {name: table[name] for name in ("frequency", "recency", "T")}
    money = {"monetary_value": table["monetary_value"]}
    buying, paying = predictive.BgNbd(**truth, unit="month"), predictive.GammaGamma(**spend)
    value = {"horizon": terms["periods"], "discount": terms["discount"], "per": "month"}
    calls = {
        "fit BG/NBD": lambda: predictive.BgNbd.fit(**history).log_likelihood,
        "fit Pareto/NBD": lambda: predictive.ParetoNbd.fit(**history).log_likelihood,
        "fit Gamma-Gamma": lambda: predictive.GammaGamma.fit(frequency=table["frequency"], **money).log_likelihood,
        "expected purchases": lambda: buying.expected_purchases(terms["ahead"], **history),
        "P(alive)": lambda: buying.probability_alive(**history),
        "CLV of a year": lambda: predictive.customer_lifetime_value(buying, paying, **history, **money, **value).values,
    }
    return calls[job]


def run_one(who, job, path):
    warnings.simplefilter("ignore")
    make = purchase_job if who == "ours" else import_module(f"peer_{who}").purchase_job
    with np.load(path) as stored:
        table = {name: stored[name] for name in stored}
    call = make(job, table, TRUTH, SPEND, TERMS)
    seconds = []
    while len(seconds) < CALLS + 1:
        started = time.perf_counter()
        answer = call()
        seconds.append(time.perf_counter() - started)
        if sum(seconds) > SLOW and (len(seconds) > 2 or seconds[0] > 2 * SLOW):
            break
    # The first call warms up, unless there is time for one only.
    middle = statistics.median(seconds[1:] or seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": middle, "answer": float(np.sum(answer)), "peak_mb": peak}))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lifetimes", type=Path, help="the interpreter that has lifetimes 0.11.3")
    parser.add_argument("--clvkit", type=Path, help="the interpreter that has clvkit 0.2.1")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--largest", type=int, default=1_000_000, help="leave out jobs with more customers")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        run_one(*arguments.one)
        return
    peers = {"lifetimes": arguments.lifetimes, "clvkit": arguments.clvkit}
    programs = {"ours": sys.executable} | {who: program for who, program in peers.items() if program}
    print("| job | customers | data | who | seconds | peak MB | theirs / ours | wanted |")
    print("|---|---:|---|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for job in arguments.jobs:
            for customers, wanted in JOBS[job]:
                for kind in KINDS if customers <= arguments.largest else ():
                    path = Path(folder) / f"{customers} {kind}.npz"
                    if not path.exists():
                        np.savez(path, **data(customers, kind))
                    compare(job, customers, kind, wanted, programs, path)


def compare(job, customers, kind, wanted, programs, path):
    found = {}
    for who, program in programs.items():
        if who == "clvkit" and (job not in OF_CLVKIT or customers > MOST_FOR_CLVKIT):
            continue
        command = [program, Path(__file__).name, "--one", who, job, path]
        found[who] = each = json.loads(subprocess.check_output(command, cwd=HERE))
        # A fit of ours may be better than that of a peer, but never worse; lifetimes has NaN for some of Pareto/NBD.
        gap = (found["ours"]["answer"] - each["answer"]) / abs(each["answer"])
        assert not gap < -1e-9 if job.startswith("fit") else abs(gap) < 1e-6, (job, who, gap)
        ratio = f"{each['seconds'] / found['ours']['seconds']:.1f}" if who != "ours" else ""
        wanted = wanted if who != "clvkit" else WANTED_OF_CLVKIT
        print(
            f"| {job} | {customers:,} | {kind} | {who} | {each['seconds']:.3g} | {each['peak_mb']:,.0f} | {ratio} | "
            f"{wanted if ratio else ''} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
