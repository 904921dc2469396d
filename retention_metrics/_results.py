"""What results do alike: they read well in a console and in a notebook, and tables travel as JSON."""

import copyreg
from collections.abc import Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Any

from pydantic_core import to_json

_MOST_ROWS = 24
_LONGEST = 72


def _read_only(values: dict[str, Any]) -> MappingProxyType[str, Any]:
    return MappingProxyType(values)


# Results hold mappings that cannot be written to, and travel to other processes and caches all the same.
copyreg.pickle(MappingProxyType, lambda proxy: (_read_only, (dict(proxy),)))


class Readable:
    """A result whose text is what a console and a notebook show."""

    __slots__ = ()

    def __repr__(self) -> str:
        """The text, so that a console shows it without being asked."""
        return str(self)

    def _repr_html_(self) -> str:
        return f'<pre style="white-space: pre; overflow-x: auto">{escape(str(self))}</pre>'


class Result(Readable):
    """A result with arrays, which :meth:`to_dict` names one by one."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values and lists by name."""
        raise NotImplementedError

    def to_json(self) -> str:
        """:meth:`to_dict` as JSON: days in the ISO way, ``null`` for what is not a number."""
        return to_json(self.to_dict(), inf_nan_mode="null").decode()

    def __str__(self) -> str:
        """Lists of one length as a table, everything else line by line."""
        values = self.to_dict()
        columns = {name: _whole_if_all_are(value) for name, value in values.items() if isinstance(value, list)}
        if len({len(column) for column in columns.values()}) > 1:
            columns = {}
        lines = [f"{name}: {_cut(value)}" for name, value in values.items() if name not in columns]
        table = [text_table(columns, decimals=4)] if columns else []
        return "\n".join([type(self).__name__, *lines, *table])


def text_table(columns: Mapping[str, Sequence[object]], *, decimals: int = 2) -> str:
    """Columns under their names, flush right; the middle of a long table is left out."""
    rows = list(zip(*([_figure(value, decimals) for value in column] for column in columns.values()), strict=True))
    if len(rows) > _MOST_ROWS:
        half = _MOST_ROWS // 2
        rows = [*rows[:half], tuple("..." for _ in columns), *rows[-half:]]
    widths = [max([len(name), *(len(row[i]) for row in rows)]) for i, name in enumerate(columns)]
    return "\n".join(
        "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        for row in [tuple(columns), *rows]
    )


def _whole_if_all_are(column: list[Any]) -> list[Any]:
    if all(isinstance(value, float) and value.is_integer() for value in column):
        return [int(value) for value in column]
    return column


def _figure(value: object, decimals: int) -> str:
    if value is None or value != value:
        return "-"
    if isinstance(value, float):
        return f"{value:,.{decimals}f}" if abs(value) < 1e12 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _cut(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
