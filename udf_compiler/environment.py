"""A worker's module path and broadcasts to this process's, for the time of one request.

PySpark's worker has the folder that it was started in and the files of `--py-files` and `addPyFile` on `sys.path`, and knows the
broadcasts of its task. One service reads functions of many such environments, so both are set up for a request and undone after
it; `udf_compiler.modules` keeps the modules of one environment from another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from pyspark.core.broadcast import Broadcast, _broadcastRegistry

from udf_compiler.module_paths import WorkerPath
from udf_compiler.modules import MODULES


def module_path(python: dict[str, Any]) -> AbstractContextManager[None]:
    """A worker's import path and folder inside the block. `python`: of a request: ``{"includes", "folder"?, "importable"?,
    "modules"?}``, where `modules` are the digests of those that it must have. Refuses as `Modules.using`."""
    path = WorkerPath(python.get("includes", ()), python.get("folder"), bool(python.get("importable", False)))
    return MODULES.using(path, python.get("modules"))


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
