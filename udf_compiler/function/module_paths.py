"""Sets up a worker's import path and working directory, and finds modules on it that would shadow the service's own."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from functools import cache
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder
from typing import Any

from sparkweld.contract.constants import JOB_VARIABLES_VARIABLE, LOCAL_VARIABLE, WITHHELD_VARIABLE, WORKER_PATH_VARIABLE
from sparkweld.contract.replies import ModelFile
from sparkweld.reasons import refusal

FileState = tuple[str, int, int]

#: Environment variables in which the JVM describes the workers: the entries of the workers' PYTHONPATH; whether workers are
#: children of the same JVM; the variables withheld from this process; the variables that the job sets for all workers.
PATH, LOCAL, WITHHELD, OF_JOB = WORKER_PATH_VARIABLE, LOCAL_VARIABLE, WITHHELD_VARIABLE, JOB_VARIABLES_VARIABLE

#: Third-party packages that this process itself imports.
_OURS = frozenset(("sparkweld", "udf_compiler", "numba", "llvmlite", "numpy", "pandas", "pyarrow", "pyspark", "py4j"))
#: Libraries that are usable only through `stand_in`.
LIBRARIES = _OURS | {"sklearn", "scipy", "torch"}
#: Installed packages whose code is not read: the compiler knows their behaviour by version.
_NO_READERS = frozenset(
    """numpy pandas pyarrow scipy sklearn numba llvmlite lightgbm xgboost catboost statsmodels patsy mlflow onnx
    onnxruntime torch""".split()
)
_BY_VERSION = LIBRARIES | _NO_READERS | {"joblib", "cloudpickle", "dill", "skops"}
_MOST_SEEN = 64
#: Variables that Spark sets only for workers.
_OF_WORKERS = ("SPARK", "PYSPARK", "PYTHON", "OMP_", "_PYSPARK", "SPARKWELD")


class Stale(BaseException):
    """A changed module that only a new process can import again. It is no `Exception`, as this process must not continue."""


class Seen:
    """Cached facts about import paths, valid while nothing changes."""

    def __init__(self) -> None:
        #: Archive -> its state when Python read its directory.
        self.archives: dict[str, FileState] = {}
        #: States of folders -> own modules that nothing in them shadows.
        self.unshadowed: dict[tuple[FileState, ...], set[str]] = {}


@cache
def reserved() -> frozenset[str]:
    """Returns the modules that always come from where this process found them at its start, whoever imports them."""
    return frozenset(sys.stdlib_module_names) | _OURS


@cache
def _own() -> tuple[str, ...]:
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    folder = os.getcwd()
    return tuple(path for path in sys.path if os.path.abspath(path) != folder or path == here)


@cache
def _library_folders() -> tuple[str, ...]:
    found = [
        *site.getsitepackages(),
        site.getusersitepackages(),
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib")),
    ]
    return tuple(
        sorted({os.path.join(os.path.realpath(path), "") for path in found} | {os.path.join(path, "") for path in found})
    )


def file_state(path: str) -> FileState:
    """Returns the path of a file with its size and time, -1 when there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return path, -1, -1
    return path, status.st_size, status.st_mtime_ns


def is_library_file(path: str) -> bool:
    """Whether a file belongs to the standard library or to an installed package."""
    return path.startswith(_library_folders())


def is_known_library(name: str) -> bool:
    """Whether a module is of an installed package whose version defines its behaviour.

    Other modules are identified by their files.
    """
    return name.partition(".")[0] in _BY_VERSION


def imports_for_itself(name: str) -> bool:
    """Whether a module's library imports nothing on behalf of the user, unlike libraries that read pickles."""
    return name.partition(".")[0] in _NO_READERS


def file_of(spec: ModuleSpec) -> str | None:
    """Returns the file of a module, or the archive that contains it; None for a package without one."""
    return getattr(spec.loader, "archive", None) or (spec.origin if spec.has_location else None)


def same_file(one: ModuleSpec, other: ModuleSpec) -> bool:
    """Whether both specs locate a module in the same place."""
    if one.origin is None and other.origin is None:
        return list(one.submodule_search_locations or ()) == list(other.submodule_search_locations or ())
    return one.origin == other.origin


class WorkerPath:
    """The `sys.path` and the working directory of the workers of a request.

    `folder`: where they are started, None when that is unknown here; `importable`: it is the first entry of their path.
    `includes`: the folder of the job's files and the archives in it.
    """

    def __init__(self, includes: Sequence[str], folder: str | None, importable: bool) -> None:
        self._folder = folder
        self.entries = [folder] if folder is not None and importable else []
        given = os.environ.get(PATH)
        own, added = _own(), (os.environ.get("PYTHONPATH") or "").split(os.pathsep)
        if given is None:
            self.entries += own
        else:
            self.entries += [*filter(None, given.split(os.pathsep)), *(path for path in own if path not in added)]
        self.entries = list(dict.fromkeys(self.entries))
        for path in includes:
            if path not in self.entries:
                self.entries.insert(1, path)  # worker_util.add_path: later files come first
        self._includes = includes

    @staticmethod
    def own() -> list[str]:
        """Returns `sys.path` as at the start of this process, without its working directory."""
        return list(_own())

    @contextmanager
    def entered(self, seen: Seen) -> Iterator[None]:
        """Sets the workers' `sys.path` and working directory inside the block."""
        before, folder = list(sys.path), os.getcwd()
        sys.path[:] = self.entries
        if self._folder is not None:
            os.chdir(self._folder)
        for path in self.searched():
            _look_again(path, seen)
        try:
            yield
        finally:
            sys.path[:] = before
            os.chdir(folder)

    def searched(self) -> list[str]:
        """Returns the entries where a module would be found before the installed packages."""
        return [path for path in self.entries if not os.path.join(path, "").startswith(_library_folders())]

    def check_shadows(self, seen: Seen, packages: Set[str]) -> None:
        """Refuses (SW208) when a module of this process, or of `packages`, differs in the workers.

        Folders on this process's own path are checked too: a module may have appeared there since it started.
        """
        searched = self.searched()
        checked = seen.unshadowed.setdefault(tuple(map(file_state, searched)), set())
        unchecked = [name for name in (reserved() | LIBRARIES | packages) - checked if name in sys.modules]
        for name in unchecked:
            own = getattr(sys.modules.get(name), "__spec__", None)
            if own is None or not own.has_location or own.loader in (BuiltinImporter, FrozenImporter):
                continue
            if PathFinder.find_spec(name, searched) is None:
                continue
            found = PathFinder.find_spec(name, self.entries)
            if found is not None and found.origin is not None and not _is_same(found.origin, own.origin):
                raise refusal("SW208", module=name, path=found.origin)
        while len(seen.unshadowed) > _MOST_SEEN:
            seen.unshadowed.pop(next(iter(seen.unshadowed)))
        checked.update(unchecked)

    def knows_variable(self, name: str) -> bool:
        """Whether a variable has the same value here and in the workers."""
        local = os.environ.get(LOCAL)
        if local is None:
            return True
        if name in (os.environ.get(OF_JOB) or "").split(","):
            return True
        withheld = (os.environ.get(WITHHELD) or "").split(",")
        return local == "true" and name != "*" and name not in withheld and not name.startswith(_OF_WORKERS)

    def described(self, state: tuple[str, int, int], digest: str) -> ModelFile:
        """Describes a file that a module has opened, as `model_files.FileState.described` does."""
        path, size, modified = state
        root = os.path.join(self._includes[0], "") if self._includes else None
        of_job = root is not None and path.startswith(root)
        name = path[len(root or "") :] if of_job else path
        return ModelFile(path=name, of_job=of_job, bytes=size, modified=modified, digest=digest)


def _is_same(one: str, other: str | None) -> bool:
    try:
        return other is not None and os.path.samefile(one, other)
    except OSError:
        return one == other


def _look_again(path: str, seen: Seen) -> None:
    """Makes Python read a folder again, as two changes in quick succession may leave the same time; and a changed archive."""
    cached: Any = sys.path_importer_cache.get(path)
    if cached is None or not hasattr(cached, "invalidate_caches"):
        return
    if hasattr(cached, "archive"):
        state = file_state(cached.archive)
        if seen.archives.setdefault(path, state) == state:
            return
        seen.archives[path] = state
    cached.invalidate_caches()
