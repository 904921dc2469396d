"""Sphinx configuration."""

import sys
from pathlib import Path
from typing import Any

import retention_metrics

sys.path.insert(0, str(Path(__file__).parent))  # for the local extension _catalogue

project = "retention_metrics"
author = "The retention_metrics founders"
copyright = author  # noqa: A001
version = release = retention_metrics.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "myst_nb",
    "_catalogue",
]
# _generated holds what a page includes, not pages.
exclude_patterns = ["_build", "_generated", "**.ipynb_checkpoints"]

# Signatures show names and defaults; the text below them says what each argument is, with unit and range.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_default_options = {
    # What pydantic adds to every model, and says nothing about this one.
    "exclude-members": "model_config, model_post_init, model_fields, model_computed_fields",
}
add_module_names = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

html_theme = "furo"
html_title = f"{project} {release}"


def returns_in_words(_app: Any, _what: str, _name: str, _thing: Any, _options: Any, lines: list[str]) -> None:
    """Keep "Returns: A fraction: a float for ..." whole; napoleon takes what is before a colon for a type."""
    for i, line in enumerate(lines[:-1]):
        if line == "Returns:":
            text = lines[i + 1].lstrip()
            lines[i + 1] = " " * (len(lines[i + 1]) - len(text)) + ": " + text


def setup(app: Any) -> None:
    """Register with Sphinx, ahead of napoleon."""
    app.connect("autodoc-process-docstring", returns_in_words, priority=400)
