"""Sphinx configuration."""

import sys
from pathlib import Path

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

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120

html_theme = "furo"
html_title = f"{project} {release}"
