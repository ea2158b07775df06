"""The documentation site: `make docs` builds it, executes every example, and fails on a warning."""

import importlib.metadata
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from _api import write_api  # noqa: E402
from _gallery import write_gallery  # noqa: E402

project = "ktrans"
author = "The ktrans developers"
release = importlib.metadata.version("ktrans")
html_title = "ktrans"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3

nb_execution_mode = "cache"  # an example runs again when its text changes, or after `make clean`
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True

default_role = "literal"  # docstrings write code in single backticks
autodoc_typehints = "none"  # shapes and units stand in the docstrings
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "exclude-members": "tree_flatten, tree_unflatten"}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
suppress_warnings = ["ref.python"]  # words like "shape" that several classes have as a name

html_theme = "sphinx_book_theme"
html_theme_options = {"show_toc_level": 2, "home_page_in_toc": True}
html_copy_source = False
html_show_sourcelink = False


def escape(app, what, name, obj, options, lines):
    """What docstrings write as mathematics, f* or |f|, is not markup."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "..")):
            lines[i] = re.sub(r"(?<![`\\])([*|])(?!`)", r"\\\1", line)


def setup(app):
    """Called by Sphinx."""
    write_api(HERE / "api.md")
    write_gallery(HERE / "gallery.md")
    app.connect("autodoc-process-docstring", escape, priority=1000)
