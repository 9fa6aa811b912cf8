"""Configures Sphinx, which builds the site from the Markdown pages of this folder: `make docs`.

The pages are also read on GitHub, so they have no directives. The table of contents comes from the lists of index.md.
"""

from __future__ import annotations

import re
from importlib.metadata import version as version_of
from typing import Any

project = "SparkWeld"
author = "the authors of SparkWeld"
release = version = version_of("sparkweld")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "index"
exclude_patterns = ["conf.py"]
html_theme = "furo"
html_title = f"SparkWeld {version}"
html_copy_source = html_show_sourcelink = False
html_show_copyright = False

#: Links to headings, by the rules of GitHub.
myst_heading_anchors = 4
#: Code blocks in languages of our own: programs of the IR, and what a program prints.
highlight_language = "text"

#: Docstrings name code in single backquotes.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
#: Names of other libraries have no page here: only those of this project must resolve.
nitpick_ignore_regex = [("py:.*", r"(?!sparkweld|udf_compiler).*")]

_LIST = re.compile(r"^## (?P<caption>.+?)\n(?P<body>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_PAGE = re.compile(r"^- \[[^\]]+\]\((?P<page>[\w./-]+)\.md\)", re.MULTILINE)


def contents(text: str) -> str:
    """Returns hidden tables of contents: a caption for each heading of index.md, with the pages of the list below it."""
    tables = []
    for section in _LIST.finditer(text):
        if pages := _PAGE.findall(section["body"]):
            tables.append("\n".join(["```{toctree}", ":hidden:", f":caption: {section['caption']}", "", *pages, "```", ""]))
    return "\n".join(tables)


def add_contents(app: Any, page: str, source: list[str]) -> None:
    """Adds the tables of contents to the text of index.md."""
    if page == root_doc:
        source[0] += "\n" + contents(source[0])


def setup(app: Any) -> None:
    app.connect("source-read", add_contents)
