"""Binomial deviates from tables: many counts, few probabilities, exact to the precision of a float.

The inverse of the distribution function is looked up with the first 12 bits of a uniform deviate. Where these bits do
not decide it, which is rare, 53 more are drawn and the search is finished. A count of 64 or more gives the sum of two
independent deviates, one of its multiple of 64 and one of the rest.
"""

from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retention_metrics._typing import FloatArray, IntArray

Counts: TypeAlias = NDArray[np.int32]
Codes: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]

_BITS = 12
_DIGIT = 6
_DIGITS = 2**_DIGIT
_MOST = 2**11
"""Counts from here on are left to numpy: their tables would be large, and rarely used."""


class InverseTable:
    """Inverse distribution functions of whole numbers from 0, one a row.

    Args:
        cumulative: Distribution functions by row, each rising to 1; at most 65,535 columns.
        bits: How many bits of a uniform deviate are looked up, at most 16.
    """

    def __init__(self, cumulative: FloatArray, bits: int) -> None:
        rows, self._width = cumulative.shape
        kind = np.uint8 if self._width < 2**8 else np.uint16
        self._bits, self._undecided = bits, int(np.iinfo(kind).max)
        self._values = np.concatenate([_values(row, self._undecided, 2**bits).astype(kind) for row in cumulative])
        self._cumulative = (cumulative + np.arange(rows)[:, None]).ravel()
        self._top = (cumulative < 1).sum(axis=1)

    def draw(self, row: Counts, rng: np.random.Generator) -> Codes:
        """A deviate of each row; ``row`` is one-dimensional."""
        bits = self._first_bits(row.size, rng)
        at = row << self._bits
        at |= bits
        drawn = self._values.take(at)
        some = np.flatnonzero(drawn == self._undecided)
        if some.size:
            drawn[some] = self._search(row[some].astype(np.int64), bits[some], rng)
        return drawn

    def draw_row(self, row: int, size: int, rng: np.random.Generator) -> Codes:
        """Deviates of one row."""
        bits = self._first_bits(size, rng)
        drawn = self._values[row << self._bits : (row + 1) << self._bits].take(bits)
        some = np.flatnonzero(drawn == self._undecided)
        if some.size:
            drawn[some] = self._search(np.full(some.size, row), bits[some], rng)
        return drawn

    def _first_bits(self, size: int, rng: np.random.Generator) -> "NDArray[np.uint16]":
        bits: NDArray[np.uint16] = rng.bit_generator.random_raw(-(-size // 4)).view(np.uint16)[:size]
        return bits if self._bits == 16 else np.right_shift(bits, np.uint16(16 - self._bits))

    def _search(self, row: IntArray, bits: "NDArray[np.uint16]", rng: np.random.Generator) -> IntArray:
        uniform = (bits + rng.random(row.size)) / 2**self._bits
        found = np.searchsorted(self._cumulative, row + uniform, side="right") - row * self._width
        least: IntArray = np.minimum(found, self._top[row])
        return least


def _values(cumulative: FloatArray, undecided: int, slots: int) -> IntArray:
    """The value for each of the first bits, or that they do not decide it."""
    edges = cumulative[: int(np.searchsorted(cumulative, 1.0))] * slots
    upper = np.ceil(edges).astype(np.int64)
    values = np.repeat(np.arange(edges.size + 1), np.diff(upper, prepend=0, append=slots))
    values[np.floor(edges).astype(np.int64)[edges < upper]] = undecided
    return values


class BinomialTables:
    """Binomial deviates with one probability for each element of the first axis of the counts."""

    def __init__(self, probability: FloatArray) -> None:
        self.probability = probability
        self._distinct, self._which = np.unique(probability, return_inverse=True)

    @classmethod
    def of(cls, probability: FloatArray) -> "BinomialTables":
        """Tables that were made before, or new ones."""
        return _tables(tuple(probability.tolist()))

    def draw(self, counts: Counts, rng: np.random.Generator) -> Counts:
        """How many of each count are drawn."""
        largest = counts.max(axis=tuple(range(1, counts.ndim)), initial=0)
        small = np.flatnonzero(largest < _MOST)
        if small.size == largest.size:
            return self._look_up(counts, rng, largest)
        drawn = np.empty_like(counts)
        large = np.flatnonzero(largest >= _MOST)
        drawn[large] = rng.binomial(counts[large], _column(self.probability[large], counts.ndim))
        if small.size:
            drawn[small] = BinomialTables.of(self.probability[small])._look_up(counts[small], rng, largest[small])
        return drawn

    def _look_up(self, counts: Counts, rng: np.random.Generator, largest: IntArray) -> Counts:
        digits = min(_power_above(int(largest.max())), _DIGITS)
        row = counts & (_DIGITS - 1)
        row += self._first_row(digits, counts.ndim)
        drawn: Counts = self._table(1, digits).draw(row.ravel(), rng).astype(np.int32).reshape(counts.shape)
        tall = np.flatnonzero(largest >= _DIGITS)
        if tall.size:
            digits = _power_above(int(largest.max()) >> _DIGIT)
            row = counts[tall] >> _DIGIT
            row += self._first_row(digits, counts.ndim)[tall]
            drawn[tall] += self._table(_DIGITS, digits).draw(row.ravel(), rng).reshape(row.shape)
        return drawn

    def _first_row(self, digits: int, dimensions: int) -> Counts:
        rows: Counts = _column(self._which.astype(np.int32) * np.int32(digits), dimensions)
        return rows

    def _table(self, unit: int, digits: int) -> InverseTable:
        return _table(tuple(self._distinct.tolist()), unit, digits)


@lru_cache(maxsize=256)
def _tables(probability: tuple[float, ...]) -> BinomialTables:
    return BinomialTables(np.array(probability))


@lru_cache(maxsize=48)
def _table(probabilities: tuple[float, ...], unit: int, digits: int) -> InverseTable:
    """Binomial distributions of 0, 1, 2, ... times ``unit`` trials, for one probability after the other."""
    cumulative = np.ones((len(probabilities), digits, unit * (digits - 1) + 1))
    for p, rows in zip(probabilities, cumulative, strict=True):
        step = _distribution(p, unit)
        mass = np.ones(1)
        for row in rows:
            row[: mass.size - 1] = np.minimum(np.cumsum(mass)[:-1], 1.0)
            mass = np.convolve(mass, step)
    return InverseTable(cumulative.reshape(-1, cumulative.shape[-1]), _BITS)


def _distribution(probability: float, trials: int) -> FloatArray:
    mass = np.ones(1)
    for _ in range(trials):
        mass = np.convolve(mass, [1 - probability, probability])
    return mass


def _power_above(number: int) -> int:
    """The smallest power of two above a number."""
    return 1 << number.bit_length()


def _column(values: Any, dimensions: int) -> Any:
    return values.reshape(-1, *[1] * (dimensions - 1))
