"""Runs the top-level code of a file with Spark replaced, and what can still be defined after a statement that raises.

A file reads variables, secrets and models that only the job's own machine has. From the first statement that raises, only those
run that define: imports, functions, classes and constants. Names that the others would assign are unknown.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import importlib
import importlib.abc
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from sparkweld.lint.building import Definitions, flags_of
from sparkweld.lint.sources import Source
from sparkweld.lint.stubs import Missing, Nothing, Recorder, is_stub
from udf_compiler.function.bytecode import Namespace

#: Names that a shell or a notebook of Spark defines.
_OF_SESSIONS = ("spark", "sc", "sqlContext", "dbutils", "display", "displayHTML", "get_ipython", "getArgument", "table", "sql")


class NetworkUsed(PermissionError):
    """Raised where the linted code would connect to another machine."""


def run(source: Source, recorder: Recorder, folders: Sequence[Path] = ()) -> tuple[Namespace, list[str]]:
    """Runs a file; returns its globals, and notes on what raised, also in modules of its folder and of `folders`."""
    no_network()
    modules = _OwnModules((source.path.parent, *folders))
    sys.meta_path.insert(0, modules)
    argparse.ArgumentParser.parse_args = _parse_args  # type: ignore[assignment]
    argparse.ArgumentParser.parse_known_args = lambda *given, **named: (_parse_args(*given, **named), [])  # type: ignore[assignment, method-assign]
    module = _module_of(source)
    namespace = vars(module)
    namespace["__file__"] = str(source.path)
    for name in (*_OF_SESSIONS, *(undefined(source.tree) if source.runs_notebooks else ())):
        if not hasattr(builtins, name):
            namespace[name] = Nothing(recorder, name) if name in _OF_SESSIONS else Missing(name)
    return namespace, [*_run_all(source, namespace), *modules.notes]


class _OwnModules(importlib.abc.MetaPathFinder):
    """Finds the modules in the user's folders, and runs them in the same way as the linted file."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.notes: list[str] = []
        self._folders = tuple(str(folder.absolute()) for folder in folders)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target)
        file = (spec.origin or "") if spec is not None else ""
        installed = "site-packages" in file or "dist-packages" in file
        if spec is None or installed or not file.endswith(".py") or not os.path.abspath(file).startswith(self._folders):
            return None
        spec.loader = _OwnLoader(name, file, self.notes)
        return spec


class _OwnLoader(SourceFileLoader):
    def __init__(self, name: str, file: str, notes: list[str]) -> None:
        super().__init__(name, file)
        self._notes = notes

    def exec_module(self, module: ModuleType) -> None:
        self._notes += _run_all(Source.of(Path(self.path)), vars(module))


def _run_all(source: Source, namespace: Namespace) -> list[str]:
    notes: list[str] = []

    def is_inert(name: str) -> bool:
        value = namespace.get(name)
        module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", "")
        return is_stub(value) or str(module).startswith("pyspark.")

    defines = Definitions(is_inert)
    for node in source.tree.body:
        if notes and not defines(node):
            namespace.update((name, Missing(name)) for name in bound_in(node) if name not in namespace)
            continue
        try:
            code = ast.Module([node], [])
            exec(compile(code, str(source.path), "exec", flags=flags_of(source.tree), dont_inherit=True), namespace)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            if not notes:
                notes.append(_note(source, error))
            namespace.update((name, Missing(name)) for name in bound_in(node) if name not in namespace)
    return notes


def _note(source: Source, error: BaseException) -> str:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(source.path)]
    cell, line = source.cell_of(lines[-1] or 0) if lines else (0, 0)
    place = f" at {f'cell {cell}, ' if cell else ''}line {line}" if lines else ""
    text = str(error).splitlines()[0] if str(error) else "no message"
    what = f"{source.path.name} raised {type(error).__name__}{place} when imported ({text})"
    return f"{what}; after that, only definitions were run"


def _module_of(source: Source) -> ModuleType:
    """Returns an empty module under the name that imports of the file use, within its package if it has one."""
    folders = package_of(source)
    root = source.path.absolute().parent
    for _ in folders:
        root = root.parent
    sys.path[:0] = [str(root), *([str(source.path.absolute().parent)] if folders else [])]
    name = ".".join((*folders, source.path.stem))
    if folders:
        try:
            importlib.import_module(".".join(folders))
        except Exception:  # noqa: BLE001 - the package's own code, whose names the file may not need
            package = ModuleType(folders[0])
            package.__path__ = [str(root / folders[0])]
            sys.modules.setdefault(folders[0], package)
    module = ModuleType(name)
    module.__package__ = ".".join(folders)
    sys.modules[name] = module
    return module


def package_of(source: Source) -> tuple[str, ...]:
    """Returns the packages that hold a file: those with an `__init__.py`, else as many as its relative imports need."""
    folder = source.path.absolute().parent
    relative = [node.level for node in ast.walk(source.tree) if isinstance(node, ast.ImportFrom)]
    found: list[str] = []
    while folder.name.isidentifier() and (len(found) < max(relative, default=0) or Path(folder, "__init__.py").exists()):
        found.insert(0, folder.name)
        folder = folder.parent
    return tuple(found)


def undefined(tree: ast.Module) -> set[str]:
    """Returns the names that a file reads and never defines."""
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return read - set(_defined(tree)) - set(dir(builtins))


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name


def bound_in(node: ast.stmt) -> set[str]:
    """Returns the names that a statement of a file assigns or defines, also in its branches."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    return set(_defined(ast.Module([node], [])))


def no_network() -> None:
    """Makes connections to other machines raise for the rest of the process: linting a file must not start its work."""

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo" and arguments[0] not in (None, "", "localhost", "127.0.0.1", "::1"):
            _refuse(arguments[0])
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            if arguments[1][0] not in ("localhost", "127.0.0.1", "::1"):
                _refuse(arguments[1][0])

    sys.addaudithook(refuse)


def _refuse(host: object) -> NoReturn:
    raise NetworkUsed(f"lint connects to no network, and the code would connect to {host}")


def _parse_args(parser: argparse.ArgumentParser, *_: Any, **__: Any) -> argparse.Namespace:
    """Returns the default of each argument of a program; one without a default has a value of its type, or is unknown."""
    values: dict[str, Any] = {}
    for action in parser._actions:
        if action.dest not in (argparse.SUPPRESS, "help", "version"):
            values[action.dest] = _value_of(action)
    return argparse.Namespace(**{**parser._defaults, **values})


def _value_of(action: argparse.Action) -> Any:
    if action.default is not None and action.default is not argparse.SUPPRESS:
        given = action.default
        return action.type(given) if isinstance(given, str) and callable(action.type) else given
    if action.choices:
        return next(iter(action.choices))
    known: dict[Any, Any] = {int: 1, float: 1.0, bool: True}
    return known.get(action.type, Missing(action.dest))
