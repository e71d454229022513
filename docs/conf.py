"""Sphinx configuration; ``sphinx-build -W --keep-going -b html docs docs/_build/html``."""

from __future__ import annotations

import os
import warnings
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib

import lipmat

matplotlib.use("agg")
warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.")

project = "lipmat"
author = "the lipmat authors"
release = version = lipmat.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery", "sg_execution_times.rst"]
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
root_doc = "index"

html_theme = "furo"
html_title = f"lipmat {release}"
html_static_path = ["_static"]
html_css_files = ["lipmat.css"]
html_show_sourcelink = False
html_show_copyright = False

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings give shapes and units, which types do not
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": "/plot_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": False,
    "capture_repr": (),
    "download_all_examples": False,
    "copyfile_regex": r"",
    "image_scrapers": ("matplotlib",),
    "min_reported_time": 1,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
}


def _formulas_as_written(
    app: object, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Show the indented formulas of a docstring as they are written.

    They stand after an empty line, under a line that is not indented.
    """
    out: list[str] = []
    above = ""
    for line in lines:
        starts = line.startswith("    ") and out and not out[-1].strip() and above[:1].strip()
        if starts and not above.rstrip().endswith("::"):
            out += ["::", ""]
        if line.strip():
            above = line
        out.append(line)
    lines[:] = out


def setup(app: Any) -> None:
    """Connect the handler of docstrings."""
    app.connect("autodoc-process-docstring", _formulas_as_written, priority=100)
