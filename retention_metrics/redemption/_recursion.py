"""The expected course of redemption, exactly: one linear step a period."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from retention_metrics._checks import freeze
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result, text_table
from retention_metrics._typing import FloatArray, IntArray
from retention_metrics.redemption._waits import sessions_per_visit


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ExpectedRedemption(Result):
    """Expected redemption by period, exact, for customers who come as the model says.

    The arrays have one element a period. Sold sessions, and those outstanding at the start, are delivered, refunded or
    outstanding.

    Attributes:
        sold: Packages sold.
        visits: Packages that are visited, each counted once a period.
        delivered: Sessions used.
        refunds: Packages given back.
        refunded: Sessions given back with them.
        live: Packages with sessions left at the end of the period.
        outstanding: Sessions left in them.
        state: Those packages by gap bucket of the next period and by sessions left: ``state[t, g, r - 1]``.
    """

    sold: FloatArray
    visits: FloatArray
    delivered: FloatArray
    refunds: FloatArray
    refunded: FloatArray
    live: FloatArray
    outstanding: FloatArray
    state: FloatArray

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, *self.__slots__)

    def __len__(self) -> int:
        return len(self.sold)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {name: getattr(self, name).tolist() for name in self.__slots__}

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a period, without the state, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self._columns(), backend)

    def __str__(self) -> str:
        """The course as text."""
        return text_table(self._columns())

    def _columns(self) -> dict[str, list[Any]]:
        series = {name: getattr(self, name).tolist() for name in self.__slots__ if name != "state"}
        return {"period": list(range(len(self)))} | series


def step_forward(
    state: FloatArray, hazard: FloatArray, refund: FloatArray, burst: FloatArray | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The state after a period, and what was given back and visited in it, all by gap bucket and sessions left."""
    given_back = state * refund[:, None]
    asked_nothing = state - given_back
    visited = asked_nothing * hazard[:, None]
    silent = asked_nothing - visited
    after = np.zeros_like(state)
    after[1:] = silent[:-1]
    after[-1] += silent[-1]
    came = visited.sum(axis=0)
    for k, share in enumerate((1.0,) if burst is None else burst, start=1):
        if k < came.size:
            after[0, :-k] += share * came[k:]
    return after, given_back, visited


def expected_course(
    hazard: FloatArray,
    refund: FloatArray,
    burst: FloatArray | None,
    *,
    sales: FloatArray,
    sessions: int,
    start: FloatArray | None,
) -> ExpectedRedemption:
    """See :meth:`RedemptionModel.expected`."""
    width = sessions if start is None else max(sessions, start.shape[1])
    state = np.zeros((hazard.size, width))
    if start is not None:
        state[:, : start.shape[1]] = start
    left = np.arange(1.0, width + 1)
    used = sessions_per_visit(burst, width)[1:]
    states = np.empty((sales.size, hazard.size, width))
    visits, delivered, refunds, refunded, live, outstanding = series = np.empty((6, sales.size))
    for t, sold in enumerate(sales):
        state[0, sessions - 1] += sold
        state, given_back, visited = step_forward(state, hazard, refund, burst)
        states[t] = state
        came, back, held = visited.sum(axis=0), given_back.sum(axis=0), state.sum(axis=0)
        series[:, t] = came.sum(), came @ used, back.sum(), back @ left, held.sum(), held @ left
    return ExpectedRedemption(
        sold=sales,
        visits=visits,
        delivered=delivered,
        refunds=refunds,
        refunded=refunded,
        live=live,
        outstanding=outstanding,
        state=states,
    )


def outstanding_after(
    hazard: FloatArray, refund: FloatArray, burst: FloatArray | None, *, sessions: int, after: IntArray
) -> FloatArray:
    """See :meth:`RedemptionModel.outstanding`; a binomial sum where nothing depends on the gap."""
    if burst is None and (hazard == hazard[0]).all() and (refund == refund[0]).all():
        return _binomial_outstanding(float(hazard[0]), float(refund[0]), sessions, after)
    state = np.zeros((hazard.size, sessions))
    state[0, -1] = 1.0
    left = np.arange(1.0, sessions + 1)
    course = [float(sessions)]
    for _ in range(int(after.max())):
        moved, _, _ = step_forward(state, hazard, refund, burst)
        if np.array_equal(moved, state):
            break
        state = moved
        course.append(float(state.sum(axis=0) @ left))
    return np.array(course)[np.minimum(after, len(course) - 1)]


def _binomial_outstanding(hazard: float, refund: float, sessions: int, after: IntArray) -> FloatArray:
    r""":math:`(1-q)^t \sum_{j < N} (N-j) \binom{t}{j} h^j (1-h)^{t-j}`, in logarithms."""
    trials = after.astype(np.float64)
    kept = (1 - refund) ** trials
    if hazard == 0:
        return sessions * kept
    if hazard == 1:
        return np.maximum(sessions - trials, 0.0) * kept
    odds = math.log(hazard) - math.log1p(-hazard)
    log_share = trials * math.log1p(-hazard)
    total = sessions * np.exp(log_share)
    for j in range(1, sessions):
        enough = trials >= j
        with np.errstate(divide="ignore"):
            log_share = log_share + odds + np.log(np.where(enough, trials - j + 1, 0.0) / j)
        total = total + (sessions - j) * np.exp(log_share)
    return total * kept
