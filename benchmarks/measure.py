"""Time one variant in a process of its own, and keep its answer so that it can be checked.

Only the standard library is used here: both environments run this file.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from typing import Any, NamedTuple


class Variant(NamedTuple):
    """One way to an answer: read the log, compute, write the answer down."""

    load: Callable[[str], Any]
    call: Callable[[Any], Any]
    save: Callable[[Any, str], None]


def main(variants: dict[str, Variant]) -> None:
    """Run the variant named on the command line; print wall and CPU seconds and peak memory as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("variant", choices=variants)
    parser.add_argument("log", help="Parquet file of the log")
    parser.add_argument("warm_up", help="Parquet file of a small log, for the first call, which is not timed")
    parser.add_argument("answer", help="Parquet file for the answer")
    parser.add_argument("calls", type=int, help="timed calls")
    arguments = parser.parse_args()
    load, call, save = variants[arguments.variant]
    call(load(arguments.warm_up))
    log = load(arguments.log)
    loaded = peak_mb()
    seconds, cpu_seconds = [], []
    for _ in range(arguments.calls):
        started, cpu_started = time.perf_counter(), time.process_time()
        answer = call(log)
        seconds.append(time.perf_counter() - started)
        cpu_seconds.append(time.process_time() - cpu_started)
    peak = peak_mb()
    save(answer, arguments.answer)
    memory = {"loaded_mb": loaded, "peak_mb": peak}
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, **memory}))


def peak_mb() -> float:
    """The most memory that this process has held so far (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
