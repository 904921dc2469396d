"""Numbers, days and sentences in the language of the reader."""

import datetime as dt
import math
import string
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retention_metrics._checks import choice
from retention_metrics.report._page import Column, Figure, Table, Words
from retention_metrics.report._texts import TEXTS

LANGUAGES = ("en", "ru")
_LONGEST = 60
_ISOLATE, _END = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
_TURNS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
_SPACE, _MINUS = "\N{NO-BREAK SPACE}", "\N{MINUS SIGN}"


def harmless(text: str) -> str:
    """A text in which no character steers a terminal or turns the line."""
    return "".join(character if character == "\n" else _shown(character) for character in text)


def visible(name: object) -> str:
    """A name from the data, safe to print: on one line, not too long, and unable to turn the text around it."""
    text = "".join(_shown(character) for character in str(name)[: 2 * _LONGEST])
    length = len(str(name))
    if length > _LONGEST:
        text = f"{text[:_LONGEST]}\N{HORIZONTAL ELLIPSIS} ({length:,})"
    if any(unicodedata.bidirectional(character) in {"R", "AL", "AN"} for character in text):
        return f"{_ISOLATE}{text}{_END}"
    return text


def _shown(character: str) -> str:
    kind = unicodedata.category(character)
    if kind in {"Cc", "Zl", "Zp"}:
        return " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
    turns = unicodedata.bidirectional(character) in _TURNS
    return "\N{REPLACEMENT CHARACTER}" if turns or kind == "Cs" else character


@dataclass(frozen=True)
class Language(string.Formatter):
    """How things are said: ``"en"`` or ``"ru"``.

    A text of the table names its values with the way in which they are written: ``{owed:money}``.
    """

    code: str

    def __post_init__(self) -> None:
        """Refuse a language that there are no texts for."""
        choice(LANGUAGES, language=self.code)

    def text(self, key: str) -> str:
        """A text without values."""
        return TEXTS[key][LANGUAGES.index(self.code)]

    def say(self, said: Words) -> str:
        """A sentence with its values."""
        return self.vformat(self.text(said.key), (), said.values)

    def format_field(self, value: Any, format_spec: str) -> str:
        """A value of a sentence, in the way that the text names."""
        return self.show(value, format_spec)

    def label(self, table: Table, column: Column) -> str:
        """The header of a column."""
        return self.text(f"{table.name}.{column.name}") if column.label is None else visible(column.label)

    def figure(self, figure: Figure) -> str:
        """A figure with its limits or its share."""
        return " ".join([self.show(figure.value, figure.kind), *self.beside(figure)])

    def beside(self, figure: Figure) -> list[str]:
        """What stands beside a figure in brackets: its share of a whole, its limits."""
        found = []
        if figure.share is not None:
            found.append(f"({self.show(figure.share, 'percent')})")
        if figure.interval is not None:
            low, high = (self.show(limit, figure.kind) for limit in (figure.interval.low, figure.interval.high))
            found.append(f"({self.text('interval').format(low=low, high=high)})")
        return found

    def cell(self, value: Any, kind: str) -> str:
        """A value in a table, and nothing where there is none."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return ""
        return self.say(value) if isinstance(value, Words) else self.show(value, kind)

    def show(self, value: Any, kind: str) -> str:
        """A value in words or digits."""
        if kind == "name":
            return visible(value)
        if kind == "names":
            return ", ".join(map(visible, value))
        if kind in {"text", ""}:
            return str(value)
        if kind == "key":
            return self.text(value)
        if kind == "day":
            return self._day(value)
        if kind == "reasons":
            return self._reasons(value)
        return self._number(value, kind)

    def _number(self, value: float, kind: str) -> str:
        if kind == "percent":
            return f"{self._digits(100 * value, 1)}{_SPACE}%"
        if kind == "share":
            return self._digits(100 * value, 1)
        if kind == "points":
            return ("+" if value > 0 else "") + self._digits(value, 1)
        if kind == "money":
            return self._digits(value, 2 if abs(value) < 1000 else 0)
        if kind == "about":
            return self._about(value)
        if kind == "count":
            return self._digits(value, 0)
        if kind == "p":
            return f"< {self._digits(0.001, 3)}" if value < 0.001 else self._digits(value, 3)
        if kind in {"days", "months"}:
            decimals = 0 if value == round(value) and kind == "days" else 1
            return self.text(kind).format(self._digits(value, decimals))
        decimals = {"ratio": 2, "one": 1}[kind]
        return self._digits(value, decimals)

    def _digits(self, value: float, decimals: int) -> str:
        text = f"{value:,.{decimals}f}"
        if float(text.replace(",", "")) == 0:
            text = text.lstrip("-")
        if self.code == "ru":
            text = text.replace(",", _SPACE).replace(".", ",").replace("-", _MINUS)
        return text

    def _about(self, value: float) -> str:
        for size, unit in ((1e9, "billions"), (1e6, "millions"), (1e4, "thousands")):
            if abs(value) >= size:
                scale = 1e3 if unit == "thousands" else size
                short = value / scale
                return f"{self._digits(short, 1 if abs(short) < 100 else 0)}{_SPACE}{self.text(unit)}"
        return self._number(value, "money")

    def _day(self, value: dt.date) -> str:
        return f"{value:%Y-%m-%d}" if self.code == "en" else f"{value:%d.%m.%Y}"

    def _reasons(self, counts: Mapping[str, int] | Sequence[tuple[str, int]]) -> str:
        pairs = counts.items() if isinstance(counts, Mapping) else counts
        ranked = sorted(pairs, key=lambda item: -item[1])
        return ", ".join(f"{self._digits(count, 0)} {self._reason(reason)}" for reason, count in ranked)

    def _reason(self, reason: str) -> str:
        key = f"excluded.{reason}"
        return self.text(key) if key in TEXTS else reason
