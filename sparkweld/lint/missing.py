"""Replaces packages that are not installed, so that a file that imports them can be examined."""

from __future__ import annotations

import ast
import importlib.abc
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from sparkweld.lint.stubs import MissingModule


class MissingPackages(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules that nothing else finds, for imports in files of the user, and makes stubs of them.

    A library that tries an import must still see that it fails, and so must a file that handles the error. `folders`: those of
    the user's files. `starred`: the names that `from package import *` defines. `found`: the packages replaced so far.
    """

    def __init__(self, folders: Iterable[Path], starred: Iterable[str]) -> None:
        self.found: dict[str, None] = {}
        self._folders = tuple(str(folder.absolute()) for folder in folders)
        self._starred = sorted(starred)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        package = name.partition(".")[0]
        if package not in self.found and (package in sys.modules or not self._is_users()):
            return None
        if package not in self.found and package in sys.stdlib_module_names:
            return None
        self.found[package] = None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return MissingModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__all__ = self._starred  # type: ignore[attr-defined]

    def _is_users(self) -> bool:
        """Whether the import is a statement of a user's file that does not handle its failure."""
        frame = sys._getframe(1)
        while frame is not None and ("importlib" in frame.f_code.co_filename or frame.f_code.co_filename == __file__):
            frame = frame.f_back  # type: ignore[assignment]
        if frame is None:
            return False
        file = frame.f_code.co_filename
        users = file.startswith(self._folders) and "site-packages" not in file and "dist-packages" not in file
        return users and not any(first <= frame.f_lineno <= last for first, last in _handled(file))


@cache
def _handled(file: str) -> tuple[tuple[int, int], ...]:
    """Returns the first and last lines of the blocks of a file whose failing imports are handled."""
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return ()
    blocks = (node.body for node in ast.walk(tree) if isinstance(node, ast.Try) and node.handlers)
    return tuple((body[0].lineno, body[-1].end_lineno or body[-1].lineno) for body in blocks)
