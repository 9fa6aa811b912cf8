"""Sets up a worker's module path and broadcasts in this process for one request.

PySpark's worker has its start folder and the files of `--py-files` and `addPyFile` on `sys.path`, and has the broadcasts of
its task. One service reads functions of many such environments. So both are set up for a request and undone after it, and
`udf_compiler.function.modules` separates the modules of the environments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

from pyspark import Broadcast

from sparkweld.contract.requests import BroadcastFile, PipelineRequest, WorkerDescription
from udf_compiler.function.module_paths import WorkerPath
from udf_compiler.function.modules import MODULES
from udf_compiler.process.spark_line import BROADCASTS


def module_path(python: WorkerDescription) -> AbstractContextManager[None]:
    """Sets a worker's import path and folder inside the block. Refuses like `Modules.using`."""
    return MODULES.using(WorkerPath(python.includes, python.folder, python.importable), python.modules)


@contextmanager
def broadcasts(variables: Iterable[BroadcastFile]) -> Iterator[None]:
    """Fills PySpark's registry of broadcasts with these inside the block; values are read on demand."""
    registry = BROADCASTS._broadcastRegistry
    before = dict(registry)
    for variable in variables:
        if variable.path is not None:  # an encrypted one has no path: it remains unknown and is therefore refused
            registry[variable.id] = Broadcast(path=variable.path)
    try:
        yield
    finally:
        registry.clear()
        registry.update(before)


@contextmanager
def worker_environment(request: PipelineRequest) -> Iterator[None]:
    """Sets up the module path and the broadcasts of the request's functions in a worker, inside the block."""
    with module_path(request.python), broadcasts(variable for udf in request.udfs for variable in udf.broadcasts):
        yield
