"""Run ours and the peers in turn on the same data, and print medians and ratios as Markdown."""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from data import IDS, log_file

HERE = Path(__file__).parent
QUESTIONS = {"rfm": ("polars", "duckdb", "pandas"), "cohorts": ("polars", "duckdb")}
SIZES = (100_000, 1_000_000, 10_000_000)
LARGE = 10_000_000  # from this size on a process makes one call, and lifetimes takes part in two rounds only


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", nargs="+", choices=(*QUESTIONS, "overhead"), default=[*QUESTIONS, "overhead"])
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="orders in the log")
    parser.add_argument("--ids", nargs="+", choices=IDS, default=IDS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", type=absolute, help="the interpreter that has lifetimes; left out, lifetimes is")
    parser.add_argument(
        "--folder",
        type=absolute,
        default=HERE / ".logs",
        help="where logs and answers are kept",
    )
    parser.add_argument("--json", type=Path, help="write every single run to this file")
    arguments = parser.parse_args()
    found = {}
    for question in QUESTIONS:
        if question in arguments.rows:
            cases = found[question] = []
            for size in arguments.sizes:
                for ids in arguments.ids:
                    runs = compare(question, size, ids, arguments)
                    cases.append({"size": size, "ids": ids, "runs": runs})
            print_table(question, cases)
    if "overhead" in arguments.rows:
        found["overhead"] = json.loads(subprocess.check_output([sys.executable, "overhead.py"], cwd=HERE))
        print_overhead(found["overhead"])
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


def absolute(path):
    """The path as the programs see it that run in another folder; a link stays a link."""
    return Path(path).absolute()


def compare(question, size, ids, arguments):
    """Every variant once a round, each in a fresh process; a wrong answer ends the run."""
    log, warm_up = (log_file(arguments.folder, rows, ids) for rows in (size, 1_000))
    expected, answer = arguments.folder / "expected.parquet", arguments.folder / "answer.parquet"
    variants = [f"{question} {who} {engine}" for engine in QUESTIONS[question] for who in ("ours", "hand")]
    variants = [variant for variant in variants if variant != "rfm hand pandas"]
    if question == "rfm" and arguments.peers:
        variants.append("rfm lifetimes")
    runs = {variant: [] for variant in variants}
    calls = 1 if size >= LARGE else 5
    for number in range(arguments.rounds):
        for variant in variants if number % 2 == 0 else reversed(variants):
            peer = variant == "rfm lifetimes"
            if peer and size >= LARGE and number >= 2:
                continue
            program = [arguments.peers, "peer_lifetimes.py"] if peer else [sys.executable, "variants.py"]
            written = expected if number == 0 and variant == variants[0] else answer
            command = [*program, variant, log, warm_up, written, str(calls)]
            found = json.loads(subprocess.check_output(command, cwd=HERE))
            print(f"{size:,} {ids}, round {number + 1}: {variant} {min(found['seconds']):.3g} s", file=sys.stderr)
            if number == 0:
                # In a process of its own: Linux never reports a child's peak below its parent's.
                subprocess.check_call([sys.executable, "check.py", expected, written], cwd=HERE)
            clocks = zip(found["seconds"], found["cpu_seconds"], strict=True)
            runs[variant] += [found | {"seconds": wall, "cpu_seconds": cpu} for wall, cpu in clocks]
    return runs


def print_table(question, cases):
    """One line for each log and engine; CPU seconds and peak memory are those of ours, by hand, lifetimes."""
    print(f"\n{question}\n")
    names = ("orders", "ids", "engine", "ours", "by hand", "ours / by hand", "lifetimes", "lifetimes / ours")
    print("| " + " | ".join([*names, "CPU s", "peak MB"]) + " |")
    print("|" + "---|" * (len(names) + 2))
    for case in cases:
        for engine in QUESTIONS[question]:
            names = (f"{question} ours {engine}", f"{question} hand {engine}", f"{question} lifetimes")
            ours, hand, peer = (middle(case["runs"].get(name), "seconds") for name in names)
            cpus, peaks = (
                ", ".join(shown(middle(case["runs"].get(name), key), form, "") for name in names)
                for key, form in (("cpu_seconds", ".3g"), ("peak_mb", ",.0f"))
            )
            cells = [
                f"{case['size']:,}",
                case["ids"],
                engine,
                *(shown(value, ".3g", " s") for value in (ours, hand)),
                shown(hand and ours / hand, ".2f", ""),
                shown(peer, ".3g", " s"),
                shown(peer and peer / ours, ".1f", ""),
                cpus,
                peaks,
            ]
            print("| " + " | ".join(cells) + " |")


def print_overhead(found):
    """One line for each import and each call."""
    whole = found["import_ms"]["import retention_metrics"]
    print("\n| overhead | time | share |\n|---|---:|---:|")
    for name, milliseconds in found["import_ms"].items():
        print(f"| {name} | {milliseconds:.0f} ms | {milliseconds / whole:.0%} |")
    for name, microseconds in found["call_us"].items():
        print(f"| {name}, one call | {microseconds:.2f} µs | |")


def middle(runs, key):
    """The median of a measure, or None where nothing was run."""
    return statistics.median(run[key] for run in runs) if runs else None


def shown(value, form, unit):
    """A number as it is printed; a dash where there is none."""
    return "-" if value is None else f"{value:{form}}{unit}"


if __name__ == "__main__":
    main()
