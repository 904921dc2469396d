"""Cash-gap paths: ours beside plain Python and simpy 4, the same model, CPU time per path in one run.

Ours simulates all paths of a case. The others follow every package of a path from period to period, as one would write
it down, and simulate fewer paths; a path costs the same whichever it is, so their time per path is that of 10,000. The
mean of the sessions delivered has to agree.

    pip install simpy
    python benchmarks/cashgap.py --rounds 3
"""

import argparse
import math
import random
import statistics
import time
from typing import NamedTuple

import numpy as np

from retention_metrics.cashflow import CommonShock, FirmPolicy, SalesPath, simulate
from retention_metrics.prepaid import PackagePlan
from retention_metrics.redemption import RedemptionModel

PRICE, SESSIONS, COST, FIXED = 15_000, 10, 700, 200_000
MONTHLY = ([0.534, 0.366, 0.227, 0.128, 0.087, 0.061, 0.047], [0.001, 0.001, 0.0052, 0.0052, 0.0094, 0.0094, 0.0094])
DAILY = (
    [0.02] * 6 + [0.25] * 3 + [0.1] * 6 + [0.03] * 15 + [0.008],
    [0.0001] * 30 + [0.0005],
)


class Case(NamedTuple):
    """A case, and how many paths each takes part with."""

    name: str
    hazards: tuple
    periods: int
    packages: int
    ours: int
    python: int
    simpy: int


CASES = [
    Case("monthly, 240", MONTHLY, 60, 4, 10_000, 200, 40),
    Case("monthly, 2,400", MONTHLY, 60, 40, 10_000, 20, 4),
    Case("monthly, 24,000", MONTHLY, 60, 400, 5_000, 3, 1),
    Case("daily, 7,300", DAILY, 730, 10, 1_000, 2, 1),
]


def ours(case, paths, *, threads=1, engine="auto", common=None, progress=None):
    hazard, refund = case.hazards
    return simulate(
        model=RedemptionModel(hazard, refund),
        sales=SalesPath(case.packages),
        plan=PackagePlan(id="ten", price=PRICE, sessions=SESSIONS, cost_per_session=COST),
        policy=FirmPolicy.spend_collections(fixed_costs=FIXED),
        periods=case.periods,
        paths=paths,
        engine=engine,
        common=common,
        threads=threads,
        progress=progress,
        rng=1,
    )


def close(delivered, refunded, packages):
    """The cash of a path: spend what comes in, period by period."""
    cash, lowest = 0, 0
    for used, back in zip(delivered, refunded, strict=True):
        cash += packages * PRICE - used * COST - back * (PRICE // SESSIONS) - FIXED
        lowest = min(lowest, cash)
        cash = min(cash, 0)
    return lowest


def python_path(case, draw):
    """One path in plain Python: every package, period by period."""
    hazard, refund = case.hazards
    last = len(hazard) - 1
    delivered, refunded = [0] * case.periods, [0] * case.periods
    for sold in range(case.periods):
        for _ in range(case.packages):
            gap, left = 0, SESSIONS
            for t in range(sold, case.periods):
                if draw() < refund[gap]:
                    refunded[t] += left
                    break
                if draw() < hazard[gap]:
                    delivered[t] += 1
                    left -= 1
                    if not left:
                        break
                    gap = 0
                elif gap < last:
                    gap += 1
    close(delivered, refunded, case.packages)
    return sum(delivered)


def simpy_path(case, draw):
    """One path in simpy: every package is a process that wakes up once a period."""
    import simpy

    hazard, refund = case.hazards
    last = len(hazard) - 1
    delivered, refunded = [0] * case.periods, [0] * case.periods
    env = simpy.Environment()

    def package():
        gap, left = 0, SESSIONS
        while left:
            t = int(env.now)
            if draw() < refund[gap]:
                refunded[t] += left
                return
            if draw() < hazard[gap]:
                delivered[t] += 1
                left -= 1
                gap = 0
            elif gap < last:
                gap += 1
            yield env.timeout(1)

    def shop():
        for _ in range(case.periods):
            for _ in range(case.packages):
                env.process(package())
            yield env.timeout(1)

    env.process(shop())
    env.run(until=case.periods)
    close(delivered, refunded, case.packages)
    return sum(delivered)


def cpu(call):
    started = time.process_time()
    answer = call()
    return time.process_time() - started, answer


def per_path(case, scale):
    """CPU milliseconds per path of each, and the engine that ours took."""
    paths = max(1, int(case.ours * scale))
    ours(case, 64)
    seconds, forecast = cpu(lambda: ours(case, paths))
    found = {"ours": seconds / paths}
    mean = float(forecast.expected["delivered"].sum())
    for name, path in (("python", python_path), ("simpy", simpy_path)):
        count = max(1, int(getattr(case, name) * scale))
        draw = random.Random(7).random  # noqa: S311
        seconds, used = cpu(lambda path=path, count=count, draw=draw: [path(case, draw) for _ in range(count)])
        found[name] = seconds / count
        # Five standard errors; the variance of a path is at most about that of as many sessions.
        assert abs(statistics.fmean(used) - mean) < 5 * math.sqrt(2 * SESSIONS * mean / count), (name, mean, used)
    return {name: 1000 * value for name, value in found.items()}, forecast.engine


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the paths to simulate")
    parser.add_argument("--cases", nargs="*", type=int, default=range(len(CASES)), help="places of the cases, from 0")
    arguments = parser.parse_args()
    print("| packages per path | engine | ours ms | plain Python ms | simpy ms | plain / ours | simpy / ours |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for case in (CASES[place] for place in arguments.cases):
        runs = [per_path(case, arguments.scale) for _ in range(arguments.rounds)]
        mid = {name: statistics.median(run[name] for run, _ in runs) for name in ("ours", "python", "simpy")}
        ratios = [f"{mid[name] / mid['ours']:,.0f}" for name in ("python", "simpy")]
        shown = [f"{mid[name]:.3g}" for name in ("ours", "python", "simpy")]
        print(f"| {case.name} | {runs[0][1]} | {' | '.join(shown + ratios)} |")
    print()
    print("| 2,400 packages per path | ms per path |\n|---|---:|")
    case, paths = CASES[1], max(1, int(10_000 * arguments.scale))
    for name, options in (
        ("cohort engine", {"engine": "cohort"}),
        ("renewal engine", {"engine": "renewal"}),
        ("with a common shock, and without it besides", {"common": CommonShock(0.2, 0.7)}),
    ):
        seconds = [cpu(lambda options=options: ours(case, paths, **options))[0] for _ in range(arguments.rounds)]
        print(f"| {name} | {1000 * statistics.median(seconds) / paths:.3g} |")
    print()
    print("| threads | wall seconds |\n|---|---:|")
    wall: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(arguments.rounds):
        for threads, taken in wall.items():
            started = time.perf_counter()
            ours(case, 3 * paths, threads=threads)
            taken.append(time.perf_counter() - started)
    for threads, taken in wall.items():
        print(f"| {threads} | {statistics.median(taken):.3g} |")
    faster = statistics.median(one / two for one, two in zip(*wall.values(), strict=True))
    print(f"\ntwo threads: {faster:.2f} times one; numpy {np.__version__}")


if __name__ == "__main__":
    main()
