"""Customers one by one: the wait of each until something happens is drawn, not the periods in between.

The cost hardly depends on the number of periods. Where chances differ from period to period or from path to path,
candidates come with the largest chance there is, and each is kept in proportion to its own; the others wait on.
"""

from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retention_metrics._typing import BoolArray, FloatArray, IntArray
from retention_metrics.cashflow._binomial import InverseTable
from retention_metrics.cashflow._partly_paid import tally_of
from retention_metrics.cashflow._rates import Rates
from retention_metrics.cashflow._start import NEVER, Start
from retention_metrics.cashflow._tally import Tally
from retention_metrics.cashflow._terms import PackageTerms

_BITS, _FEWER_BITS, _FEW = 16, 12, 16
"""Bits of a deviate that are looked up, and for more than a few gap buckets, whose tables would be large."""
_BATCH = 200_000
"""Packages that are followed together: few enough to stay in the cache, and enough for threads to run side by side."""
_NONE = np.empty(0, np.int64)
Moments: TypeAlias = NDArray[np.int32]
"""Periods, in the low bits, and paths above them."""


class Packages(NamedTuple):
    """Packages with the same number of sessions left.

    Attributes:
        at: Period of the next trial, in the low bits, and the path above them.
        gap: Gap bucket of that trial; ``None`` for 0.
        until: Period in which each has expired, and the path above it; ``None`` for never.
    """

    at: Moments
    gap: IntArray | None
    until: Moments | None


def run_renewals(
    terms: PackageTerms,
    start: Start,
    sales: IntArray,
    rates: Rates,
    factor: FloatArray | None,
    rng: np.random.Generator,
) -> Tally:
    """What comes of one kind of package; the arguments are those of :func:`run_cohorts`."""
    tally = tally_of(terms, start, sales, order="F")
    paths = sales.shape[1]
    width = max(1, _BATCH // max(start.packages + int(sales.sum()) // paths, 1))
    thinned = factor is not None or not rates.usual.all()
    waits = Candidates(rates, factor) if thinned else _outcomes(rates)
    for first in range(0, paths, width):
        some = slice(first, min(first + width, paths))
        _Batch(tally, rates, waits, some, rng).run(start, sales[:, some])
    tally.finish()
    return tally


class Settled(NamedTuple):
    """What comes of some packages; what lies after the last period comes to nothing.

    Attributes:
        visited: When each is visited; after the last period for all others.
        which: Places of those that are given back, or would be after the last period.
        given_back: When these are.
    """

    visited: Moments
    which: IntArray
    given_back: Moments


class Outcomes:
    """The same chances in every period: one deviate says when something happens, and what.

    The waits until a visit come first, then the one number for nothing, then the waits until a refund.
    """

    def __init__(self, rates: Rates) -> None:
        self._periods = rates.periods
        visit = (1 - rates.refund[0]) * rates.hazard[0]
        visits, refunds = _waits(visit, rates.refund[0], rates.periods)
        nothing = np.maximum(1 - visits.sum(axis=1) - refunds.sum(axis=1), 0)
        mass = np.concatenate([visits, nothing[:, None], refunds], axis=1)
        self._has_refunds = bool(rates.refund[0].any())
        self._mass = mass if self._has_refunds else mass[:, : rates.periods + 1]
        self._first = _table(self._mass[:1])

    def settle(self, packages: Packages, _: int, rng: np.random.Generator) -> Settled:
        """What comes of some packages."""
        if packages.gap is None:
            code = self._first.draw_row(0, packages.at.size, rng)
        else:
            code = self._any.draw(packages.gap.astype(np.int32), rng)
        which = np.flatnonzero(code > self._periods) if self._has_refunds else _NONE
        return Settled(packages.at + code, which, packages.at[which] + code[which] - (self._periods + 1))

    @cached_property
    def _any(self) -> InverseTable:
        """From any gap: only packages that are live at the start have one."""
        return _table(self._mass)


@lru_cache(maxsize=4)
def _outcomes(rates: Rates) -> Outcomes:
    """Made once for all portions of the paths."""
    return Outcomes(rates)


class Candidates:
    """Chances that change: candidates at the largest of them, kept in proportion to their own."""

    def __init__(self, rates: Rates, factor: FloatArray | None) -> None:
        self._rates, self._factor = rates, factor
        most = np.ones((rates.periods, 1)) if factor is None else factor.max(axis=1, keepdims=True)
        self._chance = (1 - (1 - rates.refund) * (1 - np.minimum(rates.hazard * most, 1.0))).max(axis=0)
        waits, _ = _waits(self._chance, np.zeros_like(self._chance), rates.periods)
        nothing = np.maximum(1 - waits.sum(axis=1, keepdims=True), 0)
        self._table = _table(np.concatenate([waits, nothing], axis=1))

    def settle(self, packages: Packages, first_path: int, rng: np.random.Generator) -> Settled:
        """What comes of some packages, the first path of which is ``first_path`` of the factor."""
        rates, last = self._rates, self._rates.buckets - 1
        shift = path_shift(rates.periods)
        visited = packages.at + rates.periods
        which, given_back = [_NONE], [packages.at[:0]]
        waiting, at = np.arange(visited.size), packages.at
        gap = np.zeros(visited.size, np.int32) if packages.gap is None else packages.gap.astype(np.int32)
        while waiting.size:
            wait = self._table.draw(gap, rng)
            at = at + wait
            period = at & ((1 << shift) - 1)
            there = np.flatnonzero(period < rates.periods)
            waiting, at, period = waiting[there], at[there], period[there]
            gap = np.minimum(gap[there] + wait[there], last)
            back, comes = rates.refund[period, gap], rates.hazard[period, gap]
            if self._factor is not None:
                comes = np.minimum(comes * self._factor[period, first_path + (at >> shift)], 1.0)
            drawn = rng.random(waiting.size) * self._chance[gap]
            refund = drawn < back
            visit = ~refund & (drawn < back + (1 - back) * comes)
            which.append(waiting[refund])
            given_back.append(at[refund])
            visited[waiting[visit]] = at[visit]
            rest = np.flatnonzero(~refund & ~visit)
            waiting, at, gap = waiting[rest], at[rest] + 1, np.minimum(gap[rest] + 1, last).astype(np.int32)
        return Settled(visited, np.concatenate(which), np.concatenate(given_back))


class _Batch:
    """Some paths, one kind of package."""

    def __init__(
        self,
        tally: Tally,
        rates: Rates,
        waits: Outcomes | Candidates,
        paths: slice,
        rng: np.random.Generator,
    ) -> None:
        self.tally, self.rates, self.waits, self.rng = tally, rates, waits, rng
        self.at = (slice(None), paths)
        self.first_path, self.paths = paths.start, paths.stop - paths.start
        self.shift = path_shift(rates.periods)
        self.stride = 1 << self.shift
        self.waiting: list[list[Packages]] = [[] for _ in range(tally.terms.sessions + 1)]

    def run(self, start: Start, sales: IntArray) -> None:
        """Follow every package to its end or that of the last period."""
        path, periods = np.arange(self.paths, dtype=np.int32) * self.stride, self.rates.periods
        for counts, enters, expires in zip(start.counts, start.enters.tolist(), start.expires.tolist(), strict=True):
            for left in range(1, self.tally.terms.sessions + 1):
                live = counts[:, left - 1]
                if live.any():
                    gap = np.tile(np.repeat(np.arange(live.size), live), self.paths)
                    of = np.repeat(path, int(live.sum()))
                    until = None if expires == NEVER else of + min(expires, periods)
                    self.waiting[left].append(Packages(of + min(enters, periods), gap, until))
        at = np.repeat((path[:, None] + np.arange(periods, dtype=np.int32)).ravel(), sales.T.ravel())
        life = self.tally.terms.life
        self.waiting[-1].append(Packages(at, None, None if life is None else at + min(life, periods)))
        for left in range(self.tally.terms.sessions, 0, -1):
            for packages in self.waiting[left]:
                self._settle(packages, left)
            self.waiting[left].clear()

    def _settle(self, packages: Packages, left: int) -> None:
        visited, which, given_back = self.waits.settle(packages, self.first_path, self.rng)
        here = self._in_time(visited)
        until = packages.until
        if until is not None:
            late = visited >= until
            before = given_back < until[which]
            late[which] = ~before
            given_back = given_back[before]
            expired = until[np.flatnonzero(late)]
            self.tally.expire_singly(left, self._place(expired[self._in_time(expired)]))
            here &= ~late
        if which.size:
            self.tally.give_back_singly(left, self._place(given_back[self._in_time(given_back)]))
        visited = visited.compress(here)
        until = None if until is None else until.compress(here)
        for size, some in self._sizes(visited.size, left):
            used = visited if some is None else visited[some]
            counts = self._counted(used)
            for each in range(left, left - size, -1):
                self.tally.deliver(np.array([each]), counts, self.at)
            if left > size:
                expires = until if some is None or until is None else until[some]
                self.waiting[left - size].append(Packages(used + 1, None, expires))

    def _in_time(self, at: Moments) -> BoolArray:
        """Whether something happens before the end."""
        early: BoolArray = at & (self.stride - 1) < self.rates.periods
        return early

    def _place(self, at: Moments) -> tuple[Any, Any]:
        """Periods and paths of some events."""
        return at & (self.stride - 1), self.first_path + (at >> self.shift)

    def _sizes(self, visits: int, left: int) -> Iterator[tuple[int, IntArray | None]]:
        """How many sessions visits use, at most those left, and which visits do."""
        burst = self.rates.burst
        if burst is None:
            yield 1, None
            return
        size = np.searchsorted(np.cumsum(burst)[:-1], self.rng.random(visits), side="right") + 1
        np.minimum(size, left, out=size)
        for each in range(1, min(left, burst.size) + 1):
            yield each, np.flatnonzero(size == each)

    def _counted(self, at: Moments) -> IntArray:
        """Events by period and path, below one axis for the sessions left."""
        counts = np.bincount(at, minlength=self.paths * self.stride).reshape(self.paths, self.stride)
        return counts[None, :, : self.rates.periods].swapaxes(1, 2)


def path_shift(periods: int) -> int:
    """How many bits hold a period, and any number up to three times as many."""
    return (3 * periods + 2).bit_length()


def _waits(visit: FloatArray, refund: FloatArray, periods: int) -> tuple[FloatArray, FloatArray]:
    """Probabilities that a wait from each gap ends after 0, 1, 2, ... silent periods, with a visit or with a refund."""
    gap = np.minimum(np.arange(visit.size)[:, None] + np.arange(periods), visit.size - 1)
    stays = np.cumprod(1 - (visit + refund)[gap], axis=1)
    stays = np.concatenate([np.ones((visit.size, 1)), stays[:, :-1]], axis=1)
    return stays * visit[gap], stays * refund[gap]


def _table(mass: FloatArray) -> InverseTable:
    cumulative = np.minimum(np.cumsum(mass, axis=1), 1.0)
    cumulative[:, -1] = 1.0
    return InverseTable(cumulative, _BITS if len(mass) <= _FEW else _FEWER_BITS)
