"""Purchase histories: how often, how recently, observed for how long; checked, and collapsed to the distinct ones."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from retention_metrics._checks import aligned, at_least, choice, freeze, refuse_element, refuse_if
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._periods import PERIODS
from retention_metrics._results import Result
from retention_metrics._typing import FloatArray, IntArray, Number, Numbers, Period
from retention_metrics.errors import InvalidType, InvalidValue

NO_MONEY = "the histories hold no money: ask the log for them with spend=True"
_FEWEST_REPEATERS = 5
_LARGEST_KEY = 2**62
_FEW = 256
_MANY = 100_000
_SAMPLE = 4096
_PART = 1 << 15


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Histories(Result):
    """Purchase histories of customers, or the distinct ones with the number of customers who share each.

    All that the purchase models need to know of a customer. The first purchase opens the history and is not counted.

    Attributes:
        frequency: Repeat purchases (or periods with one), whole numbers.
        recency: Time from the first purchase to the last; 0 without a repeat purchase.
        T: Time from the first purchase to the end of the observation.
        weights: Customers who have this history.
        unit: The unit of recency and T, or ``None`` if nobody said.
        monetary_value: Mean spend per repeat purchase, NaN without one; ``None`` where money was not asked for.
        excluded: Rows of a log that were left out, by reason.
    """

    frequency: FloatArray
    recency: FloatArray
    T: FloatArray
    weights: FloatArray
    unit: Period | None = None
    monetary_value: FloatArray | None = None
    excluded: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, "frequency", "recency", "T", "weights", "monetary_value")

    @property
    def customers(self) -> float:
        """Customers behind the histories."""
        return float(self.weights.sum())

    def collapse(self) -> "Histories":
        """The distinct histories in ascending order, each with the customers who share it, without money.

        References:
            Fader & Hardie (2013), "Overcoming the BG/NBD model's #NUM! error problem", note 027, for the sufficiency
            of the distinct histories.
        """
        (frequency, recency, T), weights = distinct((self.frequency, self.recency, self.T), self.weights)
        return replace(self, frequency=frequency, recency=recency, T=T, weights=weights, monetary_value=None)

    def paying(self) -> "Histories":
        """The histories whose money can be modelled: all but those whose repeat purchases brought nothing in all.

        Refunds can undo repeat purchases. Such customers have no mean spend to go by, and ``excluded`` counts them
        under ``"repeat purchases bring nothing"``.

        Raises:
            InvalidValue: The histories hold no money.

        Examples:
            >>> import numpy as np
            >>> times = {name: np.array([1.0, 1.0, 0.0]) for name in ("frequency", "recency")}
            >>> spend = np.array([40, -5, np.nan])
            >>> seen = Histories(**times, T=np.full(3, 9.0), weights=np.ones(3), monetary_value=spend)
            >>> seen.paying().frequency, seen.paying().excluded
            (array([1., 0.]), {'repeat purchases bring nothing': 1})

        References:
            Fader & Hardie (2013), "The Gamma-Gamma model of monetary value", note 025: spend per purchase is above 0.
        """
        if self.monetary_value is None:
            raise InvalidValue(NO_MONEY)
        kept = (self.frequency == 0) | (self.monetary_value > 0)
        if kept.all():
            return self
        columns = ("frequency", "recency", "T", "weights", "monetary_value")
        left_out = {"repeat purchases bring nothing": round(float(self.weights[~kept].sum()))}
        return replace(
            self, excluded={**self.excluded, **left_out}, **{name: getattr(self, name)[kept] for name in columns}
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a history; ``None`` for the spend of those who did not buy again."""
        table = {name: getattr(self, name).tolist() for name in ("frequency", "recency", "T", "weights")}
        if self.monetary_value is not None:
            table["monetary_value"] = [None if mean != mean else mean for mean in self.monetary_value.tolist()]
        return table

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a history, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)


def refuse_unpaid(frequency: Number, monetary_value: Number) -> None:
    """Refuse repeat purchases that brought nothing, and name the first customer who has such."""
    broken = np.greater(frequency, 0) & ~np.greater(monetary_value, 0)
    refuse_element(
        "monetary_value",
        np.broadcast_to(monetary_value, np.shape(broken)),
        broken,
        "> 0 where there was a repeat purchase",
        "; leave out customers whose refunds undo theirs (Histories.paying), or refunds altogether",
    )


class Customers(NamedTuple):
    """Checked histories of customers whose future is asked for."""

    frequency: Number
    recency: Number
    T: Number


NEW = Customers(0.0, 0.0, 0.0)
"""Somebody who has just made the first purchase."""


def read_customers(frequency: Any, recency: Any, T: Any, *, whole_times: bool = False) -> Customers:
    """Checked histories; nothing at all stands for a customer who has just made the first purchase."""
    given = {"frequency": frequency, "recency": recency, "T": T}
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == 3:
        return NEW
    if missing:
        raise InvalidValue(f"frequency, recency and T go together; {' and '.join(missing)} are missing")
    if not whole_times and _plain(frequency, recency, T):
        return Customers(frequency, recency, T)
    x, last, age = at_least(0, frequency=frequency), at_least(0, recency=recency), at_least(0, T=T)
    aligned(frequency=x, recency=last, T=age)
    refuse_if(np.not_equal(np.rint(x), x), "frequency must be whole: it counts repeat purchases")
    refuse_if(np.greater(last, age), "recency exceeds T: the last purchase lies beyond the end of the observation")
    refuse_if(
        np.equal(x, 0) & np.greater(last, 0),
        "recency must be 0 where frequency is 0: it is the time from the first purchase to the last",
    )
    refuse_if(
        np.greater(x, 0) & np.equal(last, 0),
        "recency must be > 0 where frequency is > 0; purchases of one day count as one",
    )
    if whole_times:
        refuse_if(np.not_equal(np.mod(last, 1), 0), "recency must be whole: it counts opportunities")
        refuse_if(np.not_equal(np.mod(age, 1), 0), "T must be whole: it counts opportunities")
        refuse_if(np.greater(x, last), "frequency exceeds recency: at most one purchase an opportunity")
    return Customers(x, last, age)


def _plain(*columns: Any) -> bool:
    """Whether columns are long arrays of possible histories: looked at once, part by part, and not copied."""
    if not all(type(column) is np.ndarray and column.dtype == np.float64 and column.ndim == 1 for column in columns):
        return False
    x, last, age = columns
    return x.size == last.size == age.size >= _FEW and all(
        _possible(x[part], last[part], age[part]) for part in parts(x.size)
    )


def _possible(x: FloatArray, last: FloatArray, age: FloatArray) -> bool:
    """Whether all histories are possible; no comparison holds for NaN."""
    return bool(
        x.min() >= 0
        and last.min() >= 0
        and max(x.max(), age.max()) < np.inf
        and (last <= age).all()
        and (np.rint(x) == x).all()
        and np.array_equal(x > 0, last > 0)
    )


def read_histories(
    histories: Any,
    *,
    frequency: Any,
    recency: Any,
    T: Any,
    weights: Any,
    unit: Any,
    whole_times: bool = False,
) -> Histories:
    """Distinct checked histories for a fit, from arrays or from any object that has them."""
    if histories is not None:
        own = [column_of(histories, name) for name in ("frequency", "recency", "T")]
        if any(column is None for column in own):
            raise InvalidType(
                "histories must have frequency, recency and T (and may have weights), "
                f"got {type(histories).__name__}; or pass frequency=, recency= and T="
            )
        if not all(given is None for given in (frequency, recency, T, weights)):
            raise InvalidValue("pass either histories, or frequency=, recency=, T= and weights=, not both")
        frequency, recency, T = own
        weights = column_of(histories, "weights")
        unit = one_unit(unit, unit_of(histories))
    one_unit(unit, None)
    if frequency is None:
        raise InvalidValue("a fit needs frequency, recency and T")
    customers = read_customers(frequency, recency, T, whole_times=whole_times)
    columns = tuple(np.atleast_1d(column) for column in customers)
    counted = None if weights is None else np.atleast_1d(at_least(0, weights=weights))
    shapes = {column.shape for column in (*columns, *([] if counted is None else [counted]))}
    if len(shapes) > 1 or len(next(iter(shapes))) != 1:
        raise InvalidValue("frequency, recency, T and weights must be one number a history each")
    (frequency, recency, T), counts = distinct(columns, counted)
    if not counts.size:
        raise InvalidValue("weights are all 0: there are no customers")
    return Histories(frequency, recency, T, counts, unit)


def column_of(table: Any, name: str) -> Any:
    """A column of a frame or of a dictionary, or an attribute of anything else; ``None`` where there is none."""
    # The attribute T of a pandas frame is not its column, and the columns of an Arrow table are not names.
    names = table if isinstance(table, Mapping) else getattr(table, "column_names", getattr(table, "columns", None))
    if names is None:
        return getattr(table, name, None)
    return table[name] if name in names else None


def unit_of(table: Any) -> Period | None:
    """The unit of time of histories that know it; frames do not."""
    found: Period | None = getattr(table, "unit", None)
    return found if isinstance(found, str) else None


def refuse_thin(histories: Histories) -> None:
    """Refuse data from which no model of purchases can be learnt."""
    repeaters = float(histories.weights[histories.frequency > 0].sum())
    if repeaters < _FEWEST_REPEATERS:
        raise InvalidValue(
            f"a fit needs at least {_FEWEST_REPEATERS} customers who bought again, got {repeaters:g}; "
            "observe for longer, or take more customers"
        )


def one_unit(unit: Any, other: Period | None) -> Period | None:
    """The unit of time that two things share, or that one of them has."""
    if unit is None:
        return other
    choice(PERIODS, unit=unit)
    if other is not None and unit != other:
        raise InvalidValue(f"units of time differ: {unit!r} was asked for and the data or the model are per {other!r}")
    found: Period = unit
    return found


def distinct(columns: tuple[FloatArray, ...], weights: FloatArray | None) -> tuple[list[FloatArray], FloatArray]:
    """The distinct rows in ascending order and the weight of each; rows of weight 0 are left out.

    Where hardly two of very many rows are alike they are handed back as they came.
    """
    if weights is not None and not weights.all():
        columns, weights = tuple(column[weights > 0] for column in columns), weights[weights > 0]
    numbered = _number(columns) if columns[0].size else None
    if numbered is None:
        return list(columns), np.ones(columns[0].size) if weights is None else weights
    key, known, most = numbered
    if most <= 8 * key.size + _MANY:
        many = np.bincount(key, weights, minlength=1).astype(np.float64)
        keys = np.flatnonzero(many)
        return _decode(keys, known), many[keys]
    if weights is None:
        keys, counts = np.unique(key, return_counts=True)
        return _decode(keys, known), counts.astype(np.float64)
    keys, inverse = np.unique(key, return_inverse=True)
    return _decode(keys, known), np.asarray(np.bincount(inverse, weights), dtype=np.float64)


def per_distinct(function: Callable[..., FloatArray], *columns: Numbers) -> FloatArray:
    """Values of a function of rows, worked out once for each distinct row."""
    arrays = np.broadcast_arrays(*(np.asarray(column, dtype=np.float64) for column in columns))
    rows = [flat(array) for array in arrays]
    varying = [i for i, row in enumerate(rows) if row.strides != (0,)]
    numbered = _number(tuple(rows[i] for i in varying)) if varying and rows[0].size >= _FEW else None
    if numbered is None:
        return np.asarray(function(*rows)).reshape(arrays[0].shape)
    key, known, most = numbered
    dense = most <= 4 * key.size + _MANY
    if dense:
        occurs = np.zeros(most, dtype=bool)
        occurs[key] = True
        keys = np.flatnonzero(occurs)
    else:
        keys, key = np.unique(key, return_inverse=True)
    few = [np.broadcast_to(row[:1], keys.shape) for row in rows]
    for i, column in zip(varying, _decode(keys, known), strict=True):
        few[i] = column
    values = np.asarray(function(*few))
    if dense:
        found, values = values, np.zeros(most)
        values[keys] = found
    return values[key].reshape(arrays[0].shape)


def flat(array: FloatArray) -> FloatArray:
    """An array of one dimension; one number for all rows stays one number in memory."""
    if array.ndim and not any(array.strides):
        return np.broadcast_to(array[(0,) * array.ndim], array.size)
    return np.ravel(array)


def parts(size: int) -> Iterator[slice]:
    """Stretches of a long array that fit into the cache of a processor."""
    for start in range(0, size, _PART):
        yield slice(start, start + _PART)


def code(column: FloatArray) -> tuple[FloatArray, IntArray] | None:
    """Values in ascending order, among them all of the column, and where each of its elements stands.

    At once for values on a grid, as counts, days and weeks are; otherwise the distinct ones, by sorting. ``None`` where
    most of very many values occur once only.
    """
    sample = np.unique(column[:: max(column.size // _SAMPLE, 1)])
    low, high = float(column.min()), float(column.max())
    step = float(np.diff(sample).min()) if sample.size > 1 else 1.0
    cells = (high - low) / step + 1
    if 0 <= low < high < _LARGEST_KEY and step == 1 and cells <= 4 * column.size + 1024:
        at = column.astype(np.int64)
        if all((at[part] == column[part]).all() for part in parts(column.size)):
            at -= int(low)
            return low + np.arange(cells), at
    if cells <= min(16 * sample.size + 1024, 4 * column.size + 1024):
        known = np.asarray(low + step * np.arange(int(cells) + 2), dtype=np.float64)
        at = np.empty(column.size, dtype=np.int64)
        for part in parts(column.size):
            near = np.rint((column[part] - low) / step).astype(np.int64)
            known[near] = column[part]
            at[part] = near
        if all((known[at[part]] == column[part]).all() for part in parts(column.size)) and (np.diff(known) > 0).all():
            return known, at
    known = np.unique(column)
    if known.size > column.size / 2 and column.size > _MANY:
        return None
    return known, np.asarray(np.searchsorted(known, column), dtype=np.int64)


def hardly_alike(column: FloatArray) -> bool:
    """Whether all of some values, taken from everywhere in a long column, differ."""
    sample = column[:: max(column.size // _SAMPLE, 1)]
    return np.unique(sample).size == sample.size


def _number(columns: tuple[FloatArray, ...]) -> tuple[IntArray, list[FloatArray], int] | None:
    """One whole number a row, in the order of the rows; the values behind it; how many numbers there could be."""
    if columns and columns[0].size > 4 * _SAMPLE and any(hardly_alike(column) for column in columns):
        return None
    most, key = 1, np.zeros(1, dtype=np.int64)
    values: list[FloatArray] = []
    for column in columns:
        coded = code(column)
        if coded is None or most * coded[0].size > _LARGEST_KEY:
            return None
        known, at = coded
        most *= known.size
        if values:
            for part in parts(at.size):
                at[part] += key[part] * known.size
        key = at
        values.append(known)
    return (key, values, most) if values else None


def _decode(keys: IntArray, values: list[FloatArray]) -> list[FloatArray]:
    """The columns behind the numbers of rows."""
    found = []
    for known in reversed(values):
        keys, at = np.divmod(keys, known.size)
        found.append(known[at])
    return found[::-1]
