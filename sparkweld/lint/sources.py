"""Reads source code from Python files and notebooks, and lists the files of a folder."""

from __future__ import annotations

import ast
import json
import os
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sparkweld.errors import UserError

SUFFIXES = (".py", ".ipynb")

#: Folders that hold no jobs.
_SKIPPED = frozenset(("__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist"))

#: The first line of a notebook that Databricks exports as Python; `# MAGIC` precedes its cells in other languages.
_DATABRICKS = "# Databricks notebook source"
_MAGIC_RUN = re.compile(r"^(?:# MAGIC |pass  # )%run\b", re.MULTILINE)

#: Cell magics of IPython whose cell is Python code.
_PYTHON_CELLS = frozenset(("time", "timeit", "capture", "prun", "python", "python3", "pyspark", "spark"))
#: Magics after which a whole cell of Databricks is in another language.
_OTHER_CELLS = frozenset(("sql", "md", "md-sandbox", "sh", "bash", "scala", "r", "html", "fs"))
_LINE_MAGIC = re.compile(r"^(\s*)([%!].*|[\w.]+\s*\?{1,2}\s*|\?{1,2}[\w.]+\s*)$")
_ASSIGNED_MAGIC = re.compile(r"^(\s*[\w, ]+=\s*)([%!].*)$")


@dataclass(frozen=True)
class Source:
    """A file's source code and its syntax tree. `cells`: the first line and the number of each cell of a notebook."""

    path: Path
    text: str
    tree: ast.Module
    cells: tuple[tuple[int, int], ...] = field(default=())

    @classmethod
    def of(cls, path: Path) -> Source:
        """Reads a file. Raises UserError when it is not valid Python, or no notebook."""
        try:
            if path.suffix == ".ipynb":
                text, cells = _of_notebook(json.loads(path.read_text(encoding="utf-8")))
            else:
                with tokenize.open(path) as file:
                    text, cells = file.read(), ()
            return cls(path, text, ast.parse(text, str(path)), cells)
        except (SyntaxError, UnicodeDecodeError) as error:
            raise UserError(f"{path} is not valid Python: {error}") from None
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path} is not a notebook: {type(error).__name__}: {error}") from None

    @property
    def is_notebook(self) -> bool:
        """Whether the code runs where a session and other names already exist."""
        return bool(self.cells) or self.text.lstrip().startswith(_DATABRICKS) or "# COMMAND ----------" in self.text

    @property
    def runs_notebooks(self) -> bool:
        """Whether the notebook runs others, which may define any name."""
        return self.is_notebook and _MAGIC_RUN.search(self.text) is not None

    def is_file(self, file: str) -> bool:
        """Whether the file with this name is the source's."""
        return bool(file) and os.path.exists(file) and os.path.samefile(file, self.path)

    def cell_of(self, line: int) -> tuple[int, int]:
        """Returns the number of a line's cell and its line in that cell; 0 and the line itself outside of notebooks."""
        at = bisect_right(self.cells, (line, 1 << 30)) - 1
        return (self.cells[at][1], line - self.cells[at][0] + 1) if at >= 0 else (0, line)


def files_of(folder: Path) -> Iterator[Path]:
    """Yields the Python files and notebooks of a folder, in order, without hidden folders and installed packages."""
    for here, folders, names in os.walk(folder):
        kept = (name for name in folders if not name.startswith(".") and name not in _SKIPPED)
        folders[:] = sorted(name for name in kept if not Path(here, name, "pyvenv.cfg").exists())
        yield from (Path(here, name) for name in sorted(names) if name.endswith(SUFFIXES) and not name.startswith("."))


def _of_notebook(notebook: dict[str, object]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Returns the Python code of a notebook's cells, and where each cell begins."""
    lines: list[str] = []
    cells = []
    found = notebook["cells"]
    if not isinstance(found, list):
        raise TypeError("cells is not a list")
    for number, cell in enumerate(found, start=1):
        if cell["cell_type"] == "code":
            text = cell["source"]
            cells.append((len(lines) + 1, number))
            lines += _plain_python(text if isinstance(text, str) else "".join(text)).split("\n")
    return "\n".join(lines) + "\n", tuple(cells)


def _plain_python(cell: str) -> str:
    """Returns the Python code of a cell with as many lines: magics and commands of the shell do nothing, nor do other languages.

    A cell that is Python already stays as it is, since a string may hold a line that looks like a magic.
    """
    if _is_python(cell):
        return cell
    lines = cell.split("\n")
    first = next((line.strip() for line in lines if line.strip()), "")
    magic = (first.lstrip("%").split() or [""])[0].lower()
    other = magic not in _PYTHON_CELLS if first.startswith("%%") else magic in _OTHER_CELLS
    if first.startswith("%") and other:
        return "\n".join(f"# {line}" for line in lines)
    plain = "\n".join(_ASSIGNED_MAGIC.sub(r"\1None  # \2", _LINE_MAGIC.sub(r"\1pass  # \2", line)) for line in lines)
    return plain if _is_python(plain) else "\n".join(f"# {line}" for line in lines)


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True
