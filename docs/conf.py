"""Configures Sphinx, which builds the site from the Markdown pages of this folder: `make docs`.

The pages are also read on GitHub, so they have no directives. The table of contents comes from the lists of index.md, and the
reference of the Python interface from those of api.md.
"""

from __future__ import annotations

import inspect
import pydoc
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
smartquotes = False
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
nitpick_ignore_regex = [("py:.*", r"(?!sparkweld).*|.*\._F|sparkweld\.serving\.forms\.Form")]

#: Classes of which users call methods.
_WITH_METHODS = {"ServedProgram", "Batcher", "SplitType", "Report", "Profile"}
#: Classes that only functions of this project construct.
_RETURNED = {"ServedProgram", "Fitted", "Cascade", "CascadeCertificate", "Ranking", "RankCertificate", "Session", "Annotation",
             "RowDomain", "Column", "Contents", "Report", "Udf", "Finding", "Profile"}  # fmt: skip

_LIST = re.compile(r"^## (?P<caption>.+?)\n(?P<body>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"^- `(?P<name>sparkweld[\w.]+)`.*$", re.MULTILINE)
_PAGE = re.compile(r"^- \[[^\]]+\]\((?P<page>[\w./-]+)\.md\)", re.MULTILINE)


def contents(text: str) -> str:
    """Returns hidden tables of contents: a caption for each heading of index.md, with the pages of the list below it."""
    tables = []
    for section in _LIST.finditer(text):
        if pages := _PAGE.findall(section["body"]):
            tables.append("\n".join(["```{toctree}", ":hidden:", f":caption: {section['caption']}", "", *pages, "```", ""]))
    return "\n".join(tables)


def documented(item: re.Match[str]) -> str:
    """Returns the directive that documents the name of a list item of api.md."""
    found, name = pydoc.locate(item["name"]), item["name"]
    if not inspect.isclass(found):
        directive = f".. autofunction:: {name}"
    else:
        signature = "()" if found.__name__ in _RETURNED else ""
        members = "\n   :members:" if found.__name__ in _WITH_METHODS else ""
        directive = f".. auto{'exception' if issubclass(found, Exception) else 'class'}:: {name}{signature}{members}"
    return f"```{{eval-rst}}\n{directive}\n```\n"


def complete(app: Any, page: str, source: list[str]) -> None:
    """Adds the tables of contents to the text of index.md, and the documentation of names to that of api.md."""
    if page == root_doc:
        source[0] += "\n" + contents(source[0])
    if page == "api":
        source[0] = _NAME.sub(documented, source[0])


def setup(app: Any) -> None:
    app.connect("source-read", complete)
