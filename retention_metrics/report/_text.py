"""The report for a terminal."""

from textwrap import fill

from retention_metrics.report._language import Language
from retention_metrics.report._page import Figure, Section, Table, words

_ROWS = 13
_WIDTH = 110


def section_text(section: Section, language: Language) -> str:
    """A section: its figures, its tables, its sentences."""
    title = language.text(f"{section.name}.title")
    lines = [title, "-" * len(title)]
    if section.figures:
        lines += _figures(section.figures, language)
    for table in section.tables:
        lines += _table(table, language)
    for sentence in section.sentences:
        said = language.say(sentence.words)
        lines.append(fill(_warning(said, language) if sentence.warns else said, _WIDTH))
    return "\n".join(lines)


def _warning(text: str, language: Language) -> str:
    return language.text("text.warning").format(text=text)


def _figures(figures: tuple[Figure, ...], language: Language) -> list[str]:
    shown = [(language.text(each.name), language.figure(each), each) for each in figures]
    label = max(len(name) for name, _, _ in shown)
    value = max(len(number) for _, number, _ in shown)
    indent = " " * (label + value + 4)
    lines = []
    for name, number, figure in shown:
        head = f"{name:<{label}}  {number:>{value}}  "
        meaning = language.say(figure.explained)
        if figure.warning is not None:
            meaning += f". {_warning(language.say(figure.warning), language)}"
        lines.append(fill(meaning, _WIDTH, initial_indent=head, subsequent_indent=indent))
    return lines


def _table(table: Table, language: Language) -> list[str]:
    """The last rows and the first columns of a table, so that it fits a terminal."""
    header = [language.label(table, column) for column in table.columns]
    rows = [
        [
            language.cell(value, column.kind) + ("*" if (i, k) in table.provisional else "")
            for k, (value, column) in enumerate(zip(row, table.columns, strict=True))
        ]
        for i, row in enumerate(table.rows)
    ]
    shown = rows[-_ROWS:]
    widths = [max(map(len, column)) for column in zip(header, *shown, strict=True)]
    fitting = 1
    while fitting < len(widths) and sum(widths[: fitting + 1]) + 2 * fitting <= _WIDTH:
        fitting += 1
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:fitting], widths[1:fitting])]).rstrip()
        for row in [header, *shown]
    ]
    hidden, cut = len(rows) - len(shown), len(header) - fitting
    parts = [language.say(words("text.rows", rows=hidden))] * (hidden > 0)
    parts += [language.say(words("text.columns", columns=cut))] * (cut > 0)
    if parts:
        lines.append(language.text("text.hidden").format(what=language.text("text.and").join(parts)))
    return lines
