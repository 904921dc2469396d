"""Maximum likelihood by Newton's method, on coordinates whose ends are limit models that have names."""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np

from retention_metrics._typing import BoolArray, FloatArray
from retention_metrics.errors import InvalidValue

Derivatives: TypeAlias = tuple[float, FloatArray, FloatArray]
"""Log-likelihood, gradient and Hessian."""
Objective: TypeAlias = Callable[[FloatArray], Derivatives]

_MOST_STEPS = 300
_LONGEST_STEP = 2.0
_SHORTEST_STEP = 1e-10
_ARRIVED = 2e-9
"""After so short a step the likelihood is what the one before has foretold."""
_ALIKE = 1e-6
"""Log-likelihoods that differ by less are taken for equal."""
_VAGUE = 3.0
"""A coordinate with a larger standard error may be running to its end."""
_ROUNDING = 1e-14


class Limit(NamedTuple):
    """What a model becomes at one end of a direction.

    Attributes:
        at: Where the search stops; the likelihood hardly differs from the limit there.
        parameters: The parameters that have no estimate of their own at the limit.
        towards: Where they run to.
        becomes: What the model becomes.
        idle: Other directions that have no meaning there.
        exact: Parameters that can be set to the limit itself.
    """

    at: float
    parameters: tuple[str, ...]
    towards: str
    becomes: str
    idle: tuple[int, ...] = ()
    exact: Mapping[str, float] = MappingProxyType({})


class Direction(NamedTuple):
    """A direction in the space of the logarithms of the parameters, and its two ends."""

    along: tuple[float, ...]
    low: Limit
    high: Limit


class Optimum(NamedTuple):
    """Where the likelihood is largest.

    Attributes:
        parameters: The parameters.
        log_likelihood: Its logarithm there.
        covariance: Covariance of the logarithms of the parameters; of rank as many as there are free directions.
        limits: The ends of directions at which it lies; none for a proper optimum.
        free: How many directions were estimated.
        steps: How many Newton steps were taken.
    """

    parameters: FloatArray
    log_likelihood: float
    covariance: FloatArray
    limits: tuple[Limit, ...]
    free: int
    steps: int


class _Place(NamedTuple):
    """A place in the box of coordinates, what the likelihood is there, and which coordinates are still open."""

    at: FloatArray
    here: Derivatives
    free: BoolArray
    steps: int


def maximise(objective: Objective, directions: Sequence[Direction], starts: Sequence[Sequence[float]]) -> Optimum:
    """The largest likelihood from the first start; from all of them, if that ends at a limit.

    Args:
        objective: Log-likelihood with gradient and Hessian in the parameters themselves.
        directions: The coordinates of the search, as many as there are parameters.
        starts: Parameters to start from.
    """
    box = _Box(objective, directions)
    best = box.climb(np.einsum("ij,j->i", box.into, np.log(starts[0])))
    for start in starts[1:]:
        if best.free.all():
            break
        other = box.climb(np.einsum("ij,j->i", box.into, np.log(start)))
        if other.here[0] > best.here[0] + _ALIKE:
            best = other
    value, _, bend = best.here
    covariance = np.zeros_like(bend)
    open_ = np.ix_(best.free, best.free)
    covariance[open_] = np.linalg.inv(-bend[open_])
    covariance = np.einsum("ik,kl,jl->ij", box.back, covariance, box.back)
    return Optimum(
        np.exp(np.einsum("ij,j->i", box.back, best.at)),
        value,
        (covariance + covariance.T) / 2,
        box.limits(best),
        int(best.free.sum()),
        best.steps,
    )


def from_sample(
    objective: Objective, directions: Sequence[Direction], starts: Sequence[Sequence[float]]
) -> Sequence[Sequence[float]]:
    """Starts for a large fit: first the optimum of a sample, if it is a proper one, so that few steps are left."""
    try:
        found = maximise(objective, directions, starts)
    except (InvalidValue, np.linalg.LinAlgError):
        return starts
    return starts if found.limits or found.free < len(directions) else [found.parameters.tolist(), *starts]


class _Box:
    """The likelihood in coordinates, each between two ends."""

    def __init__(self, objective: Objective, directions: Sequence[Direction]) -> None:
        self.objective = objective
        self.directions = directions
        self.into = np.array([direction.along for direction in directions], dtype=np.float64)
        self.back = np.linalg.inv(self.into)
        self.low = np.array([direction.low.at for direction in directions])
        self.high = np.array([direction.high.at for direction in directions])

    def climb(self, start: FloatArray) -> _Place:
        """Newton's method; a coordinate that hardly matters any more is moved to the end it runs to."""
        found = self._newton(np.clip(start, self.low, self.high), np.ones(start.size, dtype=bool))
        for i in np.flatnonzero(found.free):
            if 1 / max(-float(found.here[2][i, i]), 1e-300) < _VAGUE**2:
                continue
            for end in (self.low[i], self.high[i]):
                there = found.at.copy()
                there[i] = end
                if self._value(there)[0] >= found.here[0] - _ALIKE:
                    held = found.free.copy()
                    held[i] = False
                    found = self._newton(there, held)._replace(steps=found.steps)
                    break
        return found

    def limits(self, place: _Place) -> tuple[Limit, ...]:
        """The ends at which a place lies."""
        found: list[Limit] = []
        without_meaning: set[int] = set()
        for i in np.flatnonzero(~place.free).tolist():
            limit = self._end(place.at, i)
            if limit is not None and i not in without_meaning:
                found.append(limit)
                without_meaning |= set(limit.idle)
        return tuple(found)

    def _end(self, at: FloatArray, i: int) -> Limit | None:
        if at[i] <= self.low[i]:
            return self.directions[i].low
        return self.directions[i].high if at[i] >= self.high[i] else None

    def _value(self, at: FloatArray) -> Derivatives:
        parameters = np.exp(np.einsum("ij,j->i", self.back, at))
        value, slope, bend = self.objective(parameters)
        relative = parameters * slope
        bend = parameters[:, None] * bend * parameters + np.diag(relative)
        return value, np.einsum("ji,j->i", self.back, relative), np.einsum("ki,kl,lj->ij", self.back, bend, self.back)

    def _free(self, at: FloatArray, slope: FloatArray, allowed: BoolArray) -> BoolArray:
        """Coordinates that may still move: not pushed against an end, and not without meaning at the end of another."""
        free = allowed & ~(((at <= self.low) & (slope <= 0)) | ((at >= self.high) & (slope >= 0)))
        for i in np.flatnonzero(~free):
            limit = self._end(at, int(i))
            if limit is not None:
                free[list(limit.idle)] = False
        return free

    def _newton(self, at: FloatArray, allowed: BoolArray) -> _Place:
        """Newton's method within the box; where the likelihood is not concave, uphill along its own axes."""
        here = self._value(at)
        for number in range(1, _MOST_STEPS + 1):
            value, slope, bend = here
            free = self._free(at, slope, allowed)
            if not free.any():
                return _Place(at, here, free, number)
            curve, axes = np.linalg.eigh(-bend[np.ix_(free, free)])
            push = np.einsum("ij,i->j", axes, slope[free])
            steep = np.maximum(np.abs(curve), 1e-12 * max(float(np.abs(curve).max()), 1e-300))
            step = np.zeros_like(at)
            step[free] = np.einsum("ij,j->i", axes, push / steep)
            size = float(np.abs(step).max())
            gain = float((push**2 / steep).sum()) / 2
            if size > _LONGEST_STEP:
                step *= _LONGEST_STEP / size
            if (curve > 0).all() and size < _ARRIVED:
                end = np.clip(at + step, self.low, self.high)
                return _Place(end, (value + gain, slope, bend), free, number)
            there = self._uphill(at, step, value)
            if there is None:
                return _Place(at, here, free, number)
            at, here = there
            if (curve > 0).all() and gain < _ROUNDING * (1 + abs(value)):
                return _Place(at, here, free, number)
        raise InvalidValue(f"the likelihood has no maximum that {_MOST_STEPS} steps could find")

    def _uphill(self, at: FloatArray, step: FloatArray, value: float) -> tuple[FloatArray, Derivatives] | None:
        """The first of ever shorter steps that does not lead down, apart from rounding."""
        length = 1.0
        while length > _SHORTEST_STEP:
            there = np.clip(at + length * step, self.low, self.high)
            here = self._value(there)
            if math.isfinite(here[0]) and here[0] >= value - 10 * _ROUNDING * (1 + abs(value)):
                return there, here
            length /= 4
        return None
