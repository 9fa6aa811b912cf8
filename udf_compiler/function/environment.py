"""Sets up a worker's module path and broadcasts in this process for one request.

PySpark's worker has its start folder and the files of `--py-files` and `addPyFile` on `sys.path`, and has the broadcasts of
its task. One service reads functions of many such environments. So both are set up for a request and undone after it, and
`udf_compiler.function.modules` separates the modules of the environments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from pyspark.core.broadcast import Broadcast, _broadcastRegistry

from udf_compiler.function.module_paths import WorkerPath
from udf_compiler.function.modules import MODULES


def module_path(python: dict[str, Any]) -> AbstractContextManager[None]:
    """Sets a worker's import path and folder inside the block. Refuses like `Modules.using`.

    `python` comes from a request: ``{"includes", "folder"?, "importable"?, "modules"?}``, where `modules` maps required
    modules to their digests.
    """
    path = WorkerPath(python.get("includes", ()), python.get("folder"), bool(python.get("importable", False)))
    return MODULES.using(path, python.get("modules"))


@contextmanager
def broadcasts(variables: Iterable[dict[str, Any]]) -> Iterator[None]:
    """Fills PySpark's registry of broadcasts with these ``{"id", "path"}`` inside the block; values are read on demand."""
    before = dict(_broadcastRegistry)
    for variable in variables:
        if variable.get("path") is not None:  # an encrypted one has no path: it remains unknown and is therefore refused
            _broadcastRegistry[int(variable["id"])] = Broadcast(path=variable["path"])
    try:
        yield
    finally:
        _broadcastRegistry.clear()
        _broadcastRegistry.update(before)


def broadcasts_of(steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the broadcasts that the functions of a request's steps use."""
    udfs = [entry["udf"] for step in steps if step["kind"] == "python" for entry in step["udfs"]]
    udfs += [step["udf"] for step in steps if step["kind"] == "map"]
    found: list[dict[str, Any]] = []
    while udfs:
        udf = udfs.pop()
        found += udf.get("broadcasts", ())
        udfs += [argument["udf"] for argument in udf["args"] if argument.get("udf") is not None]
    return found


@contextmanager
def worker_environment(request: dict[str, Any]) -> Iterator[None]:
    """Sets up the module path and the broadcasts of the request's functions in a worker, inside the block."""
    with module_path(request.get("python", {})), broadcasts(broadcasts_of(request["steps"])):
        yield
