"""A worker's module path and broadcasts to this process's, for the time of one request.

PySpark's worker puts the files of `--py-files` and `addPyFile` on `sys.path` and knows the broadcasts of its task. One
service reads functions of many such environments, so both are set up for a request and undone after it; modules that
came from one set of files are forgotten before a request with another set.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pyspark.core.broadcast import Broadcast, _broadcastRegistry


class ModulePath:
    """Which include files the modules in `sys.modules` may come from: those of the latest request."""

    def __init__(self) -> None:
        self._state: tuple[tuple[str, int, int], ...] = ()

    @contextmanager
    def using(self, includes: Sequence[str]) -> Iterator[None]:
        """`sys.path` as a worker with these includes has it, inside the block."""
        state = tuple(file_state(path) for path in includes)
        if state != self._state:
            self._forget([path for path, _, _ in self._state])
            self._state = state
        before = list(sys.path)
        for path in includes:
            if path not in sys.path:
                sys.path.insert(1, path)  # worker_util.add_path: later files come first
        if sys.path != before:
            importlib.invalidate_caches()
        try:
            yield
        finally:
            sys.path[:] = before

    @staticmethod
    def _forget(paths: Sequence[str]) -> None:
        for name, module in list(sys.modules.items()):
            if any(_inside(origin, paths) for origin in _origins(module)):
                del sys.modules[name]
        for entry in list(sys.path_importer_cache):
            if _inside(entry, paths):
                del sys.path_importer_cache[entry]


@contextmanager
def broadcasts(variables: Iterable[dict[str, Any]]) -> Iterator[None]:
    """PySpark's registry of broadcasts holds these ``{"id", "path"}`` inside the block; values are read when asked for."""
    before = dict(_broadcastRegistry)
    for variable in variables:
        if variable.get("path") is not None:  # an encrypted one has no path: it stays unknown, and so refused
            _broadcastRegistry[int(variable["id"])] = Broadcast(path=variable["path"])
    try:
        yield
    finally:
        _broadcastRegistry.clear()
        _broadcastRegistry.update(before)


def file_state(path: str) -> tuple[str, int, int]:
    """The path of a file with its size and time, -1 when there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return path, -1, -1
    return path, status.st_size, status.st_mtime_ns


def _origins(module: object) -> list[str]:
    found = [getattr(module, "__file__", None), *_strings(getattr(module, "__path__", ()))]
    return [origin for origin in found if isinstance(origin, str)]


def _strings(values: Any) -> list[str]:
    try:
        return [value for value in values if isinstance(value, str)]
    except TypeError:
        return []


def _inside(origin: str, paths: Sequence[str]) -> bool:
    return any(origin == path or origin.startswith(path.rstrip(os.sep) + os.sep) for path in paths)


def broadcasts_of(steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The broadcasts that the functions of a request's steps use."""
    udfs = [entry["udf"] for step in steps if step["kind"] == "python" for entry in step["udfs"]]
    udfs += [step["udf"] for step in steps if step["kind"] == "map"]
    found: list[dict[str, Any]] = []
    while udfs:
        udf = udfs.pop()
        found += udf.get("broadcasts", ())
        udfs += [argument["udf"] for argument in udf["args"] if argument.get("udf") is not None]
    return found
