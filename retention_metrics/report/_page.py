"""What a report is made of: figures, sentences, tables and pictures, in sections, in no language yet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from retention_metrics._stats import Interval, Rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Kind: TypeAlias = Literal[
    "count", "money", "percent", "share", "days", "months", "points", "ratio", "p", "day", "name", "text", "words"
]
"""How a value is written. A share is a percentage without its sign, points have a sign, names come from the data."""


@dataclass(frozen=True, slots=True)
class Words:
    """A sentence by its key in the table of texts, with the values that belong into it."""

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)


def words(key: str, **values: Any) -> Words:
    """A sentence by its key, with its values by name."""
    return Words(key, values)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its name, what it means, and how sure it is.

    Attributes:
        name: Its name, the key of its label, and of its meaning with ``.meaning`` behind it.
        value: The number.
        kind: How it is written.
        meaning: What it means, if that takes values.
        interval: Its limits, or ``None`` for a count.
        share: Its part of a whole, or ``None``.
        warning: What to beware of, or ``None``.
        headline: Whether it belongs to the state of the customer base.
    """

    name: str
    value: float
    kind: Kind
    meaning: Words | None = None
    interval: Interval | None = None
    share: float | None = None
    warning: Words | None = None
    headline: bool = False

    @property
    def explained(self) -> Words:
        """What it means."""
        return self.meaning or Words(f"{self.name}.meaning")


def rate_figure(name: str, rate: Rate, **rest: Any) -> Figure:
    """A share with its interval; its meaning is told the counts that it was made of."""
    counted = words(f"{name}.meaning", numerator=rate.numerator, denominator=rate.denominator)
    return Figure(name, rate.value, "percent", counted, rate.interval(), **rest)


@dataclass(frozen=True, slots=True)
class Sentence:
    """Something to say, or to warn of."""

    words: Words
    warns: bool = False
    headline: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; its label is ``table.name`` in the table of texts, or as given."""

    name: str
    kind: Kind
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Values under a header, the first of each row its name; ``None`` is an empty cell.

    Attributes:
        name: Its name.
        columns: Its columns.
        rows: Its rows.
        provisional: Cells, by row and column, that count a period which is not over.
        shaded: Columns from this one on are shares that colour their cells; ``None`` for none.
    """

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    provisional: frozenset[tuple[int, int]] = frozenset()
    shaded: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Something to look at; it is drawn when a page is made."""

    name: str
    draw: "Callable[[], Axes]"


Item: TypeAlias = Figure | Sentence | Table | Picture


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """One question about the customers, and its answer; its title is its name with ``.title`` in the table of texts."""

    name: str
    items: tuple[Item, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures of the section."""
        return tuple(item for item in self.items if isinstance(item, Figure))

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """The sentences of the section."""
        return tuple(item for item in self.items if isinstance(item, Sentence))

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables of the section."""
        return tuple(item for item in self.items if isinstance(item, Table))
