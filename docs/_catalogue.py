"""The metrics catalogue, made from the docstrings of the public functions and methods.

As a Sphinx extension it writes ``_generated/catalogue.md`` before the pages are read. A test imports it
too, and fails when something public has no row.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import retention_metrics

DOCS = Path(__file__).parent
TARGET = DOCS / "_generated" / "catalogue.md"

WITHOUT_METRICS = {"errors", "plots", "report"}
"""Public modules that measure nothing."""

EXPORTS = {"to_dict", "to_frame"}
"""Methods that hand a result on; they answer no question of their own."""


class Row(NamedTuple):
    """One metric: its short name, its full name, the question it answers, its module and its source."""

    name: str
    target: str
    answers: str
    module: str
    source: str


def rows() -> list[Row]:
    """Every public metric, module by module in the order of their ``__all__``."""
    return [row for module in modules() for row in _rows_of(module)]


def modules() -> list[ModuleType]:
    """The public modules that hold metrics."""
    public = [getattr(retention_metrics, name) for name in retention_metrics.__all__]
    found = [thing for thing in public if inspect.ismodule(thing)]
    return [module for module in found if _short(module.__name__) not in WITHOUT_METRICS]


def table() -> str:
    """The catalogue as a MyST table."""
    lines = ["| metric | what it answers | module | source |", "|---|---|---|---|"]
    for row in rows():
        cells = (
            f"{{py:obj}}`{row.name} <{row.target}>`",
            _markdown(row.answers),
            f"[{row.module}](reference/{row.module}.md)",
            _markdown(row.source) or "–",
        )
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def write() -> None:
    """Write the table; an unchanged file is left alone, so that a second build reads nothing anew."""
    text = table()
    if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
        TARGET.parent.mkdir(exist_ok=True)
        TARGET.write_text(text, encoding="utf-8")


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", lambda _: write())
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _rows_of(module: ModuleType) -> Iterator[Row]:
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.isfunction(thing):
            yield _row(name, module, thing)
        elif inspect.isclass(thing):
            for method in _methods(thing):
                yield _row(f"{name}.{method}", module, getattr(thing, method), thing)


def _methods(cls: type) -> list[str]:
    """Public methods that a class defines itself, in the order of its source."""
    return [
        name
        for name, member in vars(cls).items()
        if isinstance(member, (FunctionType, classmethod, staticmethod))
        and not name.startswith(("_", "model_"))
        and name not in EXPORTS
    ]


def _row(name: str, module: ModuleType, thing: object, owner: type | None = None) -> Row:
    text = inspect.getdoc(thing) or ""
    return Row(
        name=name,
        target=f"{module.__name__}.{name}",
        answers=" ".join(text.split("\n\n")[0].split()),
        module=_short(module.__name__),
        source=_references(text) or _references(inspect.getdoc(owner) or ""),
    )


def _references(text: str) -> str:
    """The References section of a Google docstring, on one line."""
    found = re.search(r"^References:\n((?:[ \t]+\S.*\n?|[ \t]*\n)+)", text, flags=re.MULTILINE)
    return " ".join(found[1].split()) if found else ""


def _markdown(text: str) -> str:
    """The little reStructuredText that first lines and sources use, as Markdown."""
    text = re.sub(r":math:`([^`]*)`", r"$\1$", text)
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    return text.replace("``", "`")


def _short(module: str) -> str:
    return module.removeprefix("retention_metrics.")
