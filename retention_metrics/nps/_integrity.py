"""Survey answers that cannot be trusted: too alike, in too long runs, double, or too fast."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result
from retention_metrics._stats import holm
from retention_metrics._typing import FloatArray, IntArray

Flag: TypeAlias = Literal["too alike", "long run", "duplicates", "too fast"]

_FIRST_DRAWS = 1_999
_DRAWS_PER_AGENT = 400
_FEWEST_DRAWS = 19_999
_TIES = 1e-9
_FEW, _RARE = 3, 0.05  # fewer fast answers than these, in number or as a share, happen to everybody


class Evidence(NamedTuple):
    """What the engine counted for each agent, in the same order.

    Attributes:
        agents: Who collected the answers.
        counts: Usable answers by agent and point of the scale.
        unusable: Answers off the scale, fractional or missing.
        runs: Longest run of equal answers.
        duplicates: Answers beyond the first of one customer on one day.
        fast: Answers sooner after the one before than ``fastest`` seconds, or ``None``.
    """

    agents: Sequence[str]
    counts: IntArray
    unusable: IntArray
    runs: IntArray
    duplicates: IntArray
    fast: IntArray | None


class AgentIntegrity(BaseModel):
    """What is known of the answers that one agent collected.

    Attributes:
        agent: Who collected them.
        n: Usable answers.
        unusable: Answers off the scale, fractional or missing.
        entropy: How varied the answers are, in bits: 0 when all are the same.
        expected_entropy: What as many answers drawn from all agents' answers would have on average, in bits.
        p_alike: Probability that drawn answers are as little varied as these.
        p_alike_adjusted: The same after Holm, for looking at all agents.
        longest_run: Most equal answers in a row, by time.
        p_run: Probability of so long a run among drawn answers.
        p_run_adjusted: The same after Holm.
        duplicates: Answers beyond the first of one customer on one day.
        too_fast: Answers too soon after the one before, or ``None`` when the times cannot tell.
        flags: What looks wrong: a small adjusted p-value, any duplicate, or too fast answers that are three or more
            and at least one in twenty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent: str
    n: int
    unusable: int
    entropy: float
    expected_entropy: float
    p_alike: float
    p_alike_adjusted: float
    longest_run: int
    p_run: float
    p_run_adjusted: float
    duplicates: int
    too_fast: int | None
    flags: tuple[Flag, ...]


class SurveyIntegrity(Result, BaseModel):
    """Signs that answers were not given by customers: a flag asks for a look, it proves nothing and deletes nothing.

    An agent may have pleased everybody, or have asked only the pleased; then the answers are alike for a reason.

    Attributes:
        as_of: Last day that the data cover.
        agents: One row an agent, the most suspicious first.
        level: A flag needs an adjusted p-value below 1 - level.
        fastest: Seconds below which an answer is too soon after the one before.
        speed_unknown: Why the times cannot tell how fast answers came, or ``None``.
        without_agent: Rows without an agent, which belong to nobody here.
        excluded: Rows of the log left out, by reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    as_of: date
    agents: tuple[AgentIntegrity, ...]
    level: float
    fastest: int
    speed_unknown: str | None
    without_agent: int
    excluded: dict[str, int]

    @property
    def flagged(self) -> tuple[AgentIntegrity, ...]:
        """The agents whose answers deserve a look."""
        return tuple(row for row in self.agents if row.flags)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element an agent."""
        table: dict[str, Any] = {
            name: [getattr(row, name) for row in self.agents] for name in AgentIntegrity.model_fields if name != "flags"
        }
        return table | {"flags": [", ".join(row.flags) for row in self.agents]}

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row an agent, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)


def judge(evidence: Evidence, *, level: float, rng: np.random.Generator) -> tuple[AgentIntegrity, ...]:
    """Compare each agent's answers with answers drawn from those of all agents."""
    pool = evidence.counts.sum(axis=0)
    sizes = evidence.counts.sum(axis=1)
    observed = _entropy(evidence.counts)
    alike = np.ones(sizes.size)
    expected = np.zeros(sizes.size)
    draws = max(_FEWEST_DRAWS, _DRAWS_PER_AGENT * sizes.size)
    for i, size in enumerate(sizes.tolist()):
        if size:
            alike[i], expected[i] = _rarer(pool, size, observed[i], _FIRST_DRAWS, rng)
            # The first look costs little and settles most; what is rare is looked at again, with other draws.
            if alike[i] < 0.1:
                alike[i], expected[i] = _rarer(pool, size, observed[i], draws, rng)
    shares = pool / max(int(pool.sum()), 1)
    runs = np.array([run_chance(shares, n, run) for n, run in zip(sizes.tolist(), evidence.runs.tolist(), strict=True)])
    alike_adjusted, runs_adjusted = holm(alike), holm(runs)
    rare = 1 - level
    rows = []
    for i, agent in enumerate(evidence.agents):
        signs: dict[Flag, bool] = {
            "too alike": bool(alike_adjusted[i] < rare),
            "long run": bool(runs_adjusted[i] < rare),
            "duplicates": bool(evidence.duplicates[i]),
            "too fast": evidence.fast is not None and bool(evidence.fast[i] >= max(_FEW, _RARE * sizes[i])),
        }
        rows.append(
            AgentIntegrity(
                agent=agent,
                n=int(sizes[i]),
                unusable=int(evidence.unusable[i]),
                entropy=float(observed[i]),
                expected_entropy=float(expected[i]),
                p_alike=float(alike[i]),
                p_alike_adjusted=float(alike_adjusted[i]),
                longest_run=int(evidence.runs[i]),
                p_run=float(runs[i]),
                p_run_adjusted=float(runs_adjusted[i]),
                duplicates=int(evidence.duplicates[i]),
                too_fast=None if evidence.fast is None else int(evidence.fast[i]),
                flags=tuple(name for name, seen in signs.items() if seen),
            )
        )
    return tuple(sorted(rows, key=_least_suspicious))


def _least_suspicious(row: AgentIntegrity) -> tuple[int, float, str]:
    return -len(row.flags), min(row.p_alike_adjusted, row.p_run_adjusted), row.agent


def run_chance(shares: FloatArray, n: int, run: int) -> float:
    """Probability that n independent answers hold somewhere at least ``run`` equal ones in a row.

    Counts sequences without such a run by their last answer: a sequence that ends in answer i, one longer, minus those
    in which that made the run too long.
    """
    if run <= 1 or run > n:
        return 1.0 if run <= min(n, 1) else 0.0
    steps = min(n, 2_000 + 10 * run)
    free = np.zeros((steps + 1, shares.size))
    total = np.zeros(steps + 1)
    total[0] = 1.0
    too_long = shares**run
    for t in range(1, steps + 1):
        free[t] = shares * total[t - 1]
        if t >= run:
            free[t] -= too_long * (total[t - run] - free[t - run])
        total[t] = free[t].sum()
    # By then each further answer multiplies the chance by the same factor.
    without = total[steps] * (total[steps] / total[steps - 1]) ** (n - steps) if n > steps else total[n]
    return float(min(max(1 - without, 0.0), 1.0))


def _rarer(pool: IntArray, size: int, observed: float, draws: int, rng: np.random.Generator) -> tuple[float, float]:
    """Share of random draws that are as little varied as the observed answers, and their mean entropy."""
    drawn = _entropy(rng.multivariate_hypergeometric(pool, size, size=draws, method="marginals"))
    return float((1 + np.count_nonzero(drawn <= observed + _TIES)) / (1 + draws)), float(drawn.mean())


def _entropy(counts: IntArray) -> FloatArray:
    """Entropy of each row of counts, in bits."""
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shares = counts / totals
    with np.errstate(divide="ignore"):
        logs = np.where(counts > 0, np.log2(shares), 0.0)
    entropy: FloatArray = -(shares * logs).sum(axis=1)
    return np.maximum(entropy, 0.0)
