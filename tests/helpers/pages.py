"""Finds the code blocks of pages, and runs them: Python in one namespace, commands, C, queries, settings, and what they print."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "tests" / "bench" / "README.md"])
#: What a block of each language is: code to run, what the code before it prints, data, or what another test compares.
LANGUAGES = {
    **dict.fromkeys(("python", "sh", "c", "sql", "java", "go"), "code"), "text": "output",
    **dict.fromkeys(("json", "properties"), "data"), **dict.fromkeys(("diff", "scala"), "source"),
}  # fmt: skip

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w-]*)$")
_NOT_RUN = re.compile(r"^ *<!-- not run: (?P<reason>.+) -->$")
_FILE = re.compile(r"^ *<!-- file: (?P<name>[\w.]+) -->$")
#: The prefix of a setting for one pool of the scheduler.
_POOL = re.compile(r"^spark\.sparkweld\.pool\.[^.]+\.")
_SETTING = re.compile(r"^\| `(spark\.sparkweld\.[\w.]+)` \|", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A code block. `reason`: why it is not run, or nothing. A block within an HTML comment prepares those below it.

    `file`: the name of the file that the block is written to instead of being run.
    """

    page: Path
    line: int
    language: str
    code: str
    reason: str = ""
    file: str = ""

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Yields the blocks of a page in their order. Raises ValueError for a marker without a block."""
    lines = page.read_text(encoding="utf-8").splitlines()
    reason, file, at = "", "", 0
    while at < len(lines):
        if marker := _NOT_RUN.match(lines[at]):
            reason = marker["reason"]
        elif marker := _FILE.match(lines[at]):
            file = marker["name"]
        elif fence := _FENCE.match(lines[at]):
            end = next(k for k in range(at + 1, len(lines)) if lines[k] == fence["indent"] + "```")
            code = textwrap.dedent("\n".join(lines[at + 1 : end]) + "\n")
            yield Block(page, at + 2, fence["language"], code, reason, file)
            reason, file, at = "", "", end
        elif (reason or file) and lines[at]:
            raise ValueError(f"{page.relative_to(ROOT)}:{at}: a marker `not run` or `file` precedes no block")
        at += 1


def settings() -> set[str]:
    """Returns the names of all settings of the plugin."""
    return set(_SETTING.findall((ROOT / "docs" / "settings.md").read_text(encoding="utf-8")))


@dataclass
class Runner:
    """Runs the blocks of a page in their order, in a folder and a session of Spark. Each raises what its code raises."""

    spark: Any
    folder: Path
    compare_output: bool = True

    def __post_init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__", "spark": self.spark}
        self.printed = ""

    def run(self, block: Block) -> None:
        if block.file:
            (self.folder / block.file).write_text(block.code)
            return
        getattr(self, f"_{block.language}", self._source)(block)

    def _python(self, block: Block) -> None:
        out = io.StringIO()
        code = compile("\n" * (block.line - 1) + block.code, str(block.page), "exec")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            exec(code, self.names)
        self.printed += out.getvalue()

    def _sh(self, block: Block) -> None:
        programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = os.environ | {"PATH": programs, "PYTHONPATH": str(ROOT), "SPARK_LOCAL_IP": "127.0.0.1"}
        command = ["bash", "-euo", "pipefail", "-c", block.code]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{block.place}\n{done.stdout}{done.stderr}"
        self.printed += done.stdout

    def _c(self, block: Block) -> None:
        """Runs statements of a function, against the libraries and headers that the page has exported."""
        headers = "".join(f'#include "{path.name}"\n' for path in sorted(self.folder.glob("*.h")))
        (self.folder / "main.c").write_text(f"#include <stdio.h>\n{headers}int main(void) {{\n{block.code}return 0;\n}}\n")
        libraries = [f"./{path.name}" for path in sorted(self.folder.glob("*.so"))]
        command = ["cc", "-Wall", "-Wextra", "-Werror", "main.c", *libraries, "-Wl,-rpath,.", "-o", "main"]
        subprocess.run(command, cwd=self.folder, check=True)
        self.printed += subprocess.run(["./main"], cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def _sql(self, block: Block) -> None:
        for query in filter(str.strip, block.code.split(";")):
            self.spark.sql(query).collect()

    def _text(self, block: Block) -> None:
        """Checks that the code since the last such block printed these lines; `...` is any text."""
        printed, self.printed = self.printed, ""
        pieces = (re.escape(" ".join(piece.split())) for piece in block.code.split("..."))
        found = re.search(".*".join(pieces), " ".join(printed.split()))
        assert found or not self.compare_output, f"{block.place} is not part of what the code before it prints:\n{printed}"

    def _json(self, block: Block) -> None:
        json.loads(block.code)

    def _properties(self, block: Block) -> None:
        pairs = [line.split(None, 1) for line in block.code.splitlines() if line.strip() and line[0] != "#"]
        assert all(len(pair) == 2 for pair in pairs), block.place
        own = {_POOL.sub("spark.sparkweld.", key) for key, _ in pairs if key.startswith("spark.sparkweld.")}
        assert own <= settings(), f"{block.place}: no such setting: {own - settings()}"

    def _source(self, block: Block) -> None:
        """Another test compares diffs and Scala with the sources."""
