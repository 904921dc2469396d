"""What the library costs before any data: its import, and one call with plain numbers."""

import json
import statistics
import subprocess
import sys
import timeit

# In this order, in one fresh interpreter: each step pays only for what the steps before have not loaded.
IMPORTS = {
    "numpy": "import numpy",
    "narwhals": "import narwhals.stable.v2",
    "pydantic": "from pydantic import BaseModel",
    "retention_metrics itself": "import retention_metrics",
}
CALLS = {
    "retention_rate": "rm.churn.retention_rate(start=200, end=220, new=40)",
    "lifetime_value": "rm.ltv.lifetime_value(margin=40, churn=0.05)",
}


def import_ms(statements, rounds):
    """Median milliseconds of each statement over fresh interpreters."""
    lines = ["import json, time", "marks = [time.perf_counter()]"]
    for statement in statements:
        lines += [statement, "marks.append(time.perf_counter())"]
    lines.append("print(json.dumps([b - a for a, b in zip(marks, marks[1:])]))")
    command = [sys.executable, "-c", "\n".join(lines)]
    runs = [json.loads(subprocess.check_output(command)) for _ in range(rounds)]
    return [1000 * statistics.median(step) for step in zip(*runs, strict=True)]


def call_us(statement):
    """Best microseconds of one call."""
    timer = timeit.Timer(statement, "import retention_metrics as rm")
    number, _ = timer.autorange()
    return 1e6 * min(timer.repeat(repeat=9, number=number)) / number


if __name__ == "__main__":
    import_ms(IMPORTS.values(), 1)
    steps = dict(zip(IMPORTS, import_ms(IMPORTS.values(), 10), strict=True))
    (whole,) = import_ms(["import retention_metrics"], 10)
    print(
        json.dumps(
            {
                "import_ms": {"import retention_metrics": whole, **steps},
                "call_us": {name: call_us(statement) for name, statement in CALLS.items()},
            }
        )
    )
