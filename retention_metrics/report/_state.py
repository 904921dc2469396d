"""The first screen, and what is missing."""

from collections.abc import Iterable, Iterator, Sequence

from retention_metrics.report._page import Figure, Item, Section, Sentence, words


def state_section(sections: Iterable[Section]) -> Section:
    """The few figures and sentences that matter, out of all sections."""
    every = [item for section in sections for item in section.items if isinstance(item, Figure | Sentence)]
    chosen = [item for item in every if item.headline]
    figures = [item for item in chosen if isinstance(item, Figure)]
    sentences = [item for item in chosen if isinstance(item, Sentence)]
    items: list[Item] = [*sentences, *figures]
    if any(figure.interval is not None for figure in figures):
        items.append(Sentence(words("state.intervals")))
    return Section("state", tuple(items))


def missing_section(missing: Sequence[tuple[str, str]]) -> Section:
    """What could not be computed, and what would allow it: pairs of a question and a need."""

    def said() -> Iterator[Sentence]:
        for question, need in missing:
            yield Sentence(words("needs", question=f"question.{question}", need=f"need.{need}"))
        if not missing:
            yield Sentence(words("missing.nothing"))

    return Section("missing", tuple(said()))
