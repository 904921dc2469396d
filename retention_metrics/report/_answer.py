"""A section out of parts, each of which may have no answer."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import narwhals.stable.v2 as nw

from retention_metrics.errors import InvalidRows, InvalidValue, MissingExtra, UndefinedMetric
from retention_metrics.logs._engines import open_frame, to_numbers
from retention_metrics.report._page import Item, Section, Sentence, words

Part: TypeAlias = Callable[[], Iterable[Item]]


def answered(name: str, *parts: Part) -> Section:
    """A section; a part that has no answer says why, and the others are none the worse for it."""
    items: list[Item] = []
    for part in parts:
        try:
            items += part()
        except InvalidRows:
            raise
        except (InvalidValue, MissingExtra) as refusal:
            items.append(Sentence(words("unanswered", reason=reason_of(refusal)), warns=True))
    return Section(name, tuple(items))


def reason_of(refusal: InvalidValue | MissingExtra) -> str:
    """Why something has no value, as a sentence without its full stop."""
    said = refusal.reason if isinstance(refusal, UndefinedMetric) else str(refusal)
    return said.splitlines()[0].rstrip(".:")


def rows_in(frame: Any) -> int:
    """How many rows a frame of any engine has."""
    opened, _ = open_frame(frame)
    return int(to_numbers(opened.select(nw.len().alias("rows")))["rows"][0])
