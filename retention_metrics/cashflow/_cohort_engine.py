"""Customers by the crowd: packages of a kind are counted, and binomial deviates move the counts.

The cost does not depend on how many customers there are. Exact in distribution: packages in the same gap bucket, with
the same number of sessions left, have the same chances, and nothing else about them matters.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from retention_metrics._typing import FloatArray, IntArray
from retention_metrics.cashflow._binomial import BinomialTables
from retention_metrics.cashflow._partly_paid import tally_of
from retention_metrics.cashflow._rates import Rates
from retention_metrics.cashflow._start import NEVER, Start
from retention_metrics.cashflow._tally import Tally
from retention_metrics.cashflow._terms import PackageTerms

MOST_TABLES = 64
"""With more gap buckets the tables would be large, and deviates are drawn one by one."""
Counts = Any
"""Packages: whole numbers of many paths, or expected numbers of one."""
Kind: TypeAlias = type[np.int32] | type[np.float64]


class Chance(Protocol):
    """How many of some packages do something; the first axis of ``counts`` is the gap."""

    kind: Kind

    def refunds(self, counts: Counts, period: int) -> Counts:
        """Packages given back."""

    def visits(self, counts: Counts, period: int) -> Counts:
        """Packages visited."""

    def part(self, counts: Counts, share: float) -> Counts:
        """A share of some packages."""


class Moves(NamedTuple):
    """What happens in a period, and the packages live at its end.

    Counts by sessions left and path: row ``r - 1`` is for ``r`` sessions, before the delivery of one.

    Attributes:
        delivered: Sessions delivered.
        refunded: Packages given back.
        expired: Packages that expired before the period.
        live: Packages by gap of the next trial, sessions left and path; one array for those that expire together.
    """

    delivered: Counts
    refunded: Counts
    expired: Counts
    live: list[Counts]


class Expectation:
    """Mean numbers in place of chance; every path has probabilities of its own, along a last axis of the rates."""

    kind: Kind = np.float64

    def __init__(self, rates: Rates) -> None:
        self._rates = rates

    def refunds(self, counts: Counts, period: int) -> Counts:
        """The mean of packages given back."""
        return counts * self._rates.refund[period][:, None, :]

    def visits(self, counts: Counts, period: int) -> Counts:
        """The mean of packages visited."""
        return counts * self._rates.hazard[period][:, None, :]

    def part(self, counts: Counts, share: float) -> Counts:
        """The mean of a share."""
        return counts * share


class Dice:
    """Binomial deviates: from tables in usual periods, one by one where chances differ from path to path."""

    kind: Kind = np.int32

    def __init__(self, rates: Rates, factor: FloatArray | None, rng: np.random.Generator) -> None:
        self._rates, self._factor, self._rng = rates, factor, rng

    def refunds(self, counts: Counts, period: int) -> Counts:
        """Packages given back."""
        return self._drawn(counts, self._rates.refund[period], usual=bool(self._rates.usual[period]))

    def visits(self, counts: Counts, period: int) -> Counts:
        """Packages visited."""
        hazard = self._rates.hazard[period]
        if self._factor is None:
            return self._drawn(counts, hazard, usual=bool(self._rates.usual[period]))
        chance = np.minimum(hazard[:, None] * self._factor[period], 1.0)
        drawn = np.zeros_like(counts)
        gap, left, path = np.nonzero(counts)
        drawn[gap, left, path] = self._rng.binomial(counts[gap, left, path], chance[gap, path])
        return drawn

    def part(self, counts: Counts, share: float) -> Counts:
        """A share of some packages."""
        return self._drawn(counts[None], np.array([share]), usual=True)[0]

    def _drawn(self, counts: Counts, chance: FloatArray, *, usual: bool) -> Counts:
        open_ = np.flatnonzero((chance > 0) & (chance < 1))
        if open_.size == chance.size:
            return self._binomial(counts, chance, usual=usual)
        drawn = np.zeros_like(counts)
        certain = chance == 1
        drawn[certain] = counts[certain]
        if open_.size:
            drawn[open_] = self._binomial(counts[open_], chance[open_], usual=usual)
        return drawn

    def _binomial(self, counts: Counts, chance: FloatArray, *, usual: bool) -> Counts:
        if usual and self._rates.shared and chance.size <= MOST_TABLES:
            return BinomialTables.of(chance).draw(counts, self._rng)
        return self._rng.binomial(counts, chance[:, None, None]).astype(counts.dtype)


class _Block:
    """Packages that expire together, by gap, sessions left and path; those with fewer than ``lowest + 1`` are none."""

    def __init__(self, counts: Counts, lowest: int) -> None:
        self.counts, self.lowest = counts, lowest


class _Blocks(dict[int, _Block]):
    """Live packages by the period at the beginning of which they have expired."""

    def __init__(self, shape: tuple[int, ...], kind: Kind) -> None:
        super().__init__()
        self._shape, self._kind = shape, kind

    def __missing__(self, expires: int) -> _Block:
        self[expires] = _Block(np.zeros(self._shape, self._kind), self._shape[1] - 1)
        return self[expires]

    def enter(self, counts: IntArray, expires: int) -> None:
        """Let packages in, counted by gap and sessions left."""
        if counts.any():
            block = self[expires]
            block.counts += counts[:, :, None].astype(self._kind)
            block.lowest = min(block.lowest, int(np.flatnonzero(counts.any(axis=0))[0]))


def march(start: Start, sales: Counts, rates: Rates, life: int | None, chance: Chance) -> Iterator[Moves]:
    """The moves of each period.

    Args:
        start: Packages live before the first period.
        sales: Packages sold by period and path, with as many sessions as ``start`` has columns.
        rates: The chances.
        life: Periods after which what is sold expires.
        chance: What is drawn.
    """
    sessions, visit = start.counts.shape[2], rates.largest_visit
    blocks = _Blocks((rates.buckets, sessions, sales.shape[1]), chance.kind)
    for period in range(rates.periods):
        delivered, refunded, expired = (np.zeros((sessions, sales.shape[1]), chance.kind) for _ in range(3))
        for lot in np.flatnonzero(start.enters == period).tolist():
            blocks.enter(start.counts[lot], int(start.expires[lot]))
        if period in blocks:
            expired += blocks.pop(period).counts.sum(axis=0, dtype=chance.kind)
        if sales[period].any():
            blocks[NEVER if life is None else period + life].counts[0, -1] += sales[period].astype(chance.kind)
        for block in blocks.values():
            low = block.lowest
            live = block.counts[:, low:]
            if rates.refund[period].any():
                back = chance.refunds(live, period)
                live -= back
                refunded[low:] += back.sum(axis=0, dtype=back.dtype)
            came = chance.visits(live, period)
            live -= came
            visitors = came.sum(axis=0, dtype=came.dtype)
            if rates.buckets > 1:
                live[-1] += live[-2]
                live[1:-1] = live[:-2].copy()
                live[0] = 0
            block.lowest = max(low - visit, 0)
            _use(visitors, block.counts[0], delivered, low, rates, chance)
        yield Moves(delivered, refunded, expired, [block.counts for block in blocks.values()])


def _use(visitors: Counts, arrive: Counts, delivered: Counts, low: int, rates: Rates, chance: Chance) -> None:
    """Let visitors use one session, or several; whoever has some left arrives in the first gap bucket."""
    rest, tail = visitors, 1.0
    for size, share in enumerate((1.0,) if rates.burst is None else rates.burst, start=1):
        if size == rates.largest_visit:
            part = rest
        else:
            part = chance.part(rest, min(share / tail, 1.0))
            rest, tail = rest - part, tail - share
        for used in range(min(size, len(delivered))):
            fewest = max(low - used, 0)
            delivered[fewest : len(delivered) - used] += part[fewest + used - low :]
        if size < len(delivered):
            fewest = max(low - size, 0)
            arrive[fewest : len(arrive) - size] += part[fewest + size - low :]
        if size == rates.largest_visit:
            break


def run_cohorts(
    terms: PackageTerms,
    start: Start,
    sales: IntArray,
    rates: Rates,
    factor: FloatArray | None,
    rng: np.random.Generator,
) -> Tally:
    """What comes of one kind of package.

    Args:
        terms: The money.
        start: Packages live before the first period.
        sales: Packages sold by period and path.
        rates: The chances.
        factor: What the hazard is multiplied by, by period and path.
        rng: Where chance comes from.
    """
    tally = tally_of(terms, start, sales)
    book(tally, march(start, sales, rates, terms.life, Dice(rates, factor, rng)))
    return tally


def expect_cohorts(terms: PackageTerms, start: Start, sales: FloatArray, rates: Rates) -> Tally:
    """What is expected of one kind of package, exact: a path of means for each set of probabilities.

    Args:
        terms: The money.
        start: Packages live before the first period.
        sales: Mean packages sold by period.
        rates: The chances, of shape (periods, buckets, sets).
    """
    by_set = np.repeat(sales[:, None], rates.hazard.shape[2], axis=1)
    tally = tally_of(terms, start, by_set)
    book(tally, march(start, by_set, rates, terms.life, Expectation(rates)))
    return tally


def book(tally: Tally, moves: Iterator[Moves]) -> None:
    """Add the moves of each period."""
    left = np.arange(1, tally.terms.sessions + 1)
    for period, moved in enumerate(moves):
        tally.deliver(left, moved.delivered, period)
        if moved.refunded.any():
            tally.give_back(left, moved.refunded, period)
        if moved.expired.any():
            tally.expire(left, moved.expired, period)
