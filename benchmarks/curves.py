"""Kaplan-Meier at a million lifetimes: ours beside lifelines, each in a process of its own, on the same numbers."""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

LIFETIMES = 1_000_000
KINDS = ("distinct", "days")


def data(kind):
    """Exponential lifetimes of which three in ten are still running; as they are, or in whole days."""
    rng = np.random.default_rng(20261122)
    durations = rng.exponential(100, LIFETIMES)
    observed = rng.random(LIFETIMES) < 0.7
    return (np.ceil(durations) if kind == "days" else durations), observed


def ours(durations, observed):
    from retention_metrics.survival import kaplan_meier

    return kaplan_meier(durations, observed).at(100.0)


def lifelines(durations, observed):
    from lifelines import KaplanMeierFitter

    return float(KaplanMeierFitter().fit(durations, observed).survival_function_at_times(100.0).iloc[0])


def run_one(who, kind):
    durations, observed = data(kind)
    call = {"ours": ours, "lifelines": lifelines}[who]
    seconds = []
    for _ in range(6):
        started = time.perf_counter()
        answer = call(durations, observed)
        seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": statistics.median(seconds[1:]), "answer": answer, "peak_mb": peak}))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lifelines", type=Path, help="the interpreter that has lifelines 0.30")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        run_one(*arguments.one)
        return
    programs = {"ours": sys.executable} | ({"lifelines": arguments.lifelines} if arguments.lifelines else {})
    print("| lifetimes | who | seconds | peak MB | lifelines / ours |\n|---|---|---:|---:|---:|")
    for kind in KINDS:
        found = {
            who: json.loads(subprocess.check_output([program, Path(__file__), "--one", who, kind]))
            for who, program in programs.items()
        }
        for who, each in found.items():
            assert abs(each["answer"] - found["ours"]["answer"]) < 1e-9, who
            ratio = f"{each['seconds'] / found['ours']['seconds']:.1f}" if who == "lifelines" else ""
            print(f"| {kind} | {who} | {each['seconds']:.3g} | {each['peak_mb']:,.0f} | {ratio} |")


if __name__ == "__main__":
    main()
