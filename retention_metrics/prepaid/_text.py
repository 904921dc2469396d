"""Tables of whole numbers as text, for one screen."""

from collections.abc import Mapping, Sequence

_MOST_ROWS = 24


def text_table(columns: Mapping[str, Sequence[object]]) -> str:
    """Columns under their names, numbers to the right; the middle of a long table is left out."""
    rows = list(zip(*([_figure(value) for value in column] for column in columns.values()), strict=True))
    if len(rows) > _MOST_ROWS:
        half = _MOST_ROWS // 2
        rows = [*rows[:half], tuple("..." for _ in columns), *rows[-half:]]
    widths = [max([len(name), *(len(row[i]) for row in rows)]) for i, name in enumerate(columns)]
    return "\n".join(
        "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        for row in [tuple(columns), *rows]
    )


def _figure(value: object) -> str:
    if value is None or value != value:
        return "-"
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
