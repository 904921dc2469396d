"""The report as one page that needs nothing else."""

from html import escape
from itertools import groupby

from retention_metrics.report._language import Language
from retention_metrics.report._page import Figure, Item, Picture, Section, Sentence, Table
from retention_metrics.report._pictures import picture_html
from retention_metrics.report._style import STYLE


def page_html(title: str, sections: tuple[Section, ...], language: Language) -> str:
    """The whole page."""
    body = "\n".join(_section(section, language) for section in sections)
    named = "".join(
        f"<li><a href='#{section.name}'>{escape(language.text(f'{section.name}.title'))}</a></li>"
        for section in sections[1:]
    )
    contents = f"<nav aria-label='{escape(language.text('page.contents'))}'><ul>{named}</ul></nav>"
    first, rest = body.split("</section>", 1)
    head = f'<!doctype html>\n<html lang="{language.code}">\n<head>\n<meta charset="utf-8">'
    return "\n".join(
        [
            head,
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>\n{STYLE}</style>\n</head>\n<body>\n<main>",
            f"<h1>{escape(title)}</h1>",
            f"{first}</section>",
            contents,
            rest.strip(),
            "</main>\n</body>\n</html>\n",
        ]
    )


def _section(section: Section, language: Language) -> str:
    title = language.text(f"{section.name}.title")
    parts = [f"<section id='{section.name}'><h2>{escape(title)}</h2>"]
    for kind, items in groupby(section.items, key=type):
        if kind is Figure:
            shown = "\n".join(_figure(item, language) for item in items if isinstance(item, Figure))
            parts.append(f"<dl>\n{shown}\n</dl>")
        else:
            parts += [_item(item, title, language) for item in items]
    return "\n".join([*(part for part in parts if part), "</section>"])


def _figure(figure: Figure, language: Language) -> str:
    warning = ""
    if figure.warning is not None:
        warning = f"<dd class=warning>{_warning(language.say(figure.warning), language)}</dd>"
    beside = "".join(f" <span>{escape(each)}</span>" for each in language.beside(figure))
    value = escape(language.show(figure.value, figure.kind))
    return (
        f"<div><dt>{escape(language.text(figure.name))}</dt><dd>{value}{beside}</dd>"
        f"<dd class=meaning>{escape(language.say(figure.explained))}</dd>{warning}</div>"
    )


def _item(item: Item, title: str, language: Language) -> str:
    if isinstance(item, Picture):
        return picture_html(item, language)
    if isinstance(item, Table):
        return _table(item, title, language)
    assert isinstance(item, Sentence)  # noqa: S101
    said = language.say(item.words)
    if item.warns:
        return f"<p class=warning>{_warning(said, language)}</p>"
    return f"<p{' class=say' if item.headline else ''}>{escape(said)}</p>"


def _warning(said: str, language: Language) -> str:
    return f"<strong>{escape(language.text('page.warning'))}:</strong> {escape(said)}"


def _table(table: Table, title: str, language: Language) -> str:
    text = [column.kind in {"name", "text", "words"} for column in table.columns]
    head = "".join(
        f"<th scope=col{' class=text' if left else ''}>{escape(language.label(table, column))}</th>"
        for column, left in zip(table.columns, text, strict=True)
    )
    lines = [
        f"<div class=wide tabindex=0 role=region aria-label='{escape(title)}'><table>",
        f"<thead><tr>{head}</tr></thead><tbody>",
    ]
    for i, row in enumerate(table.rows):
        cells = []
        for k, (value, column) in enumerate(zip(row, table.columns, strict=True)):
            running = (i, k) in table.provisional
            shown = escape(language.cell(value, column.kind)) + ("*" if running else "")
            if k == 0:
                cells.append(f"<th scope=row>{shown}</th>")
                continue
            shaded = table.shaded is not None and k >= table.shaded and value is not None
            classes = [name for name, on in (("text", text[k]), ("partial", running and shaded)) if on]
            attribute = f" class='{' '.join(classes)}'" if classes else ""
            attribute += f" style='--tone:{value:.2f}'" if shaded else ""
            cells.append(f"<td{attribute}>{shown}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return "\n".join([*lines, "</tbody></table></div>"])
