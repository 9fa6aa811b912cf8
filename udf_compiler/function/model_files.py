"""Reads the model files of a function, and records each file so that a task can compare it with its own.

A kernel may replace a function that reads a file only while that file is unchanged. So each file is recorded with its size,
time and content digest. The reply carries the record, and a task whose file is missing or different runs the function
itself. A request may require files with given digests; others are then refused (SW861).
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from pyspark import SparkFiles

from sparkweld.contract.replies import ModelFile
from sparkweld.contract.requests import FileAccess
from udf_compiler.frontends.tracing.session import refuse

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class FileName(os.PathLike[str]):
    """A file that was added to the job: `SparkFiles.get` finds it in a separate folder on each machine."""

    name: str

    def __fspath__(self) -> str:
        return SparkFiles.get(self.name)


@dataclass(frozen=True, slots=True)
class FileState:
    """A file that was read. `path`: as the function names it, or its name among the job's files."""

    path: str
    of_job: bool
    size: int
    modified: int
    digest: str

    @property
    def described(self) -> ModelFile:
        return ModelFile(path=self.path, of_job=self.of_job, bytes=self.size, modified=self.modified, digest=self.digest)


@dataclass(slots=True)
class Reads:
    """The file reads of one request.

    `limit`: the largest number of bytes of a file. `wanted`: path (``job:name`` for the job's files) -> digest, when only
    these files are acceptable.
    """

    limit: int
    wanted: Mapping[str, str] | None
    states: dict[str, FileState] = field(default_factory=dict)
    _loaded: dict[tuple[str, Any], Any] = field(default_factory=dict)

    def load(self, name: str | FileName, loader: Any, read: Callable[[str], Any]) -> Any:
        """Returns the result of `read` for a file. Refuses SW860 (no readable file) and SW861 (a different file)."""
        path = os.fspath(name)
        before = self._status(path)
        if path not in self.states:
            self.states[path] = self._state(name, path, before)
        key = (path, loader)
        if key not in self._loaded:
            try:
                self._loaded[key] = read(path)
            except Exception as error:  # noqa: BLE001 - a pickle runs user code; the worker will raise it
                refuse("SW860", path=path, why=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
        after = self._status(path)
        if (after.st_size, after.st_mtime_ns) != (self.states[path].size, self.states[path].modified):
            refuse("SW861", path=path, what="it was written while it was read")
        return self._loaded[key]

    def _status(self, path: str) -> os.stat_result:
        try:
            status = os.stat(path)
        except OSError as error:
            refuse("SW860", path=path, why=f"{type(error).__name__}: {error.strerror}")
        if not stat.S_ISREG(status.st_mode):
            refuse("SW860", path=path, why="it is not a regular file")
        if status.st_size > self.limit:
            refuse("SW860", path=path, why=f"its {status.st_size:,} bytes exceed the limit of {self.limit:,}")
        return status

    def _state(self, name: str | FileName, path: str, status: os.stat_result) -> FileState:
        digest = _digest(path)
        named = (name.name, True) if isinstance(name, FileName) else (path, False)
        known = f"job:{name.name}" if isinstance(name, FileName) else path
        if self.wanted is not None and self.wanted.get(known) != digest:
            refuse("SW861", path=path, what="its contents have changed")
        return FileState(*named, status.st_size, status.st_mtime_ns, digest)


_READS: ContextVar[Reads | None] = ContextVar("sparkweld_model_files", default=None)


def reads() -> Reads | None:
    """Returns the file reads of the running request; None when it may not read files."""
    return _READS.get()


@contextmanager
def reading(given: FileAccess | None) -> Iterator[Reads | None]:
    """Allows a request to read files inside the block, from the driver's folder and from the files of its job.

    `given`: None when no file may be read.
    """
    if given is None:
        yield None
        return
    made = Reads(given.limit, given.wanted)
    token = _READS.set(made)
    before = os.getcwd(), SparkFiles._root_directory, SparkFiles._is_running_on_worker
    SparkFiles._root_directory, SparkFiles._is_running_on_worker = given.job_files, True
    try:
        os.chdir(given.folder)
        yield made
    finally:
        os.chdir(before[0])
        SparkFiles._root_directory, SparkFiles._is_running_on_worker = before[1:]
        _READS.reset(token)


def unchanged(described: ModelFile) -> bool:
    """Whether a recorded file still has its size and time. A file of a job never changes."""
    if described.of_job:
        return True
    try:
        status = os.stat(described.path)
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (described.bytes, described.modified)


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
