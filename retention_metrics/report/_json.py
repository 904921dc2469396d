"""The report for programs: the figures of the page, as numbers and as they are written."""

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

from retention_metrics.report._language import Language, visible
from retention_metrics.report._page import Figure, Picture, Section, Sentence, Table, Words


def section_dict(section: Section, language: Language) -> dict[str, Any]:
    """A section as plain values."""
    return {
        "name": section.name,
        "title": language.text(f"{section.name}.title"),
        "figures": [figure_dict(each, language) for each in section.figures],
        "tables": [_table(each, language) for each in section.tables],
        "sentences": [_sentence(each, language) for each in section.sentences],
        "pictures": [each.name for each in section.items if isinstance(each, Picture)],
    }


def figure_dict(figure: Figure, language: Language) -> dict[str, Any]:
    """A figure: the number, its limits, and how all of it is written."""
    return {
        "name": figure.name,
        "label": language.text(figure.name),
        "value": plain(figure.value),
        "kind": figure.kind,
        "share": figure.share,
        "interval": figure.interval and figure.interval.model_dump(),
        "text": language.figure(figure),
        "meaning": language.say(figure.explained),
        "warning": figure.warning and language.say(figure.warning),
    }


def _sentence(sentence: Sentence, language: Language) -> dict[str, Any]:
    return {
        "key": sentence.words.key,
        "values": plain(dict(sentence.words.values)),
        "warning": sentence.warns,
        "text": language.say(sentence.words),
    }


def _table(table: Table, language: Language) -> dict[str, Any]:
    return {
        "name": table.name,
        "columns": [column.name for column in table.columns],
        "header": [language.label(table, column) for column in table.columns],
        "rows": [[plain(value, language) for value in row] for row in table.rows],
        "provisional": sorted(map(list, table.provisional)),
    }


def plain(value: Any, language: Language | None = None) -> Any:
    """A value as JSON knows it: days as text, what is no number as null, names cut where they are endless."""
    if isinstance(value, Words):
        return language.say(value) if language is not None else value.key
    if isinstance(value, Mapping):
        return {str(name): plain(each, language) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each, language) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dt.date):
        return value.isoformat()
    return visible(value) if isinstance(value, str) else value
