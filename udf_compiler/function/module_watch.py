"""Records the environment variables and files that user modules read while they are imported."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from udf_compiler.function.module_paths import is_library_file

if TYPE_CHECKING:
    from udf_compiler.function.modules import Loaded, Modules

_IMPORT_SYSTEM = ("importlib._bootstrap", "importlib._bootstrap_external")
_OF_CODE = (".py", ".pyc", ".so")
#: The module that reads pickles.
_READER = "udf_compiler.function.payload"
_ACTIVE: list[Modules] = []
_HOOKED: list[bool] = []


@contextmanager
def watching(modules: Modules) -> Iterator[None]:
    """Records the reads of user modules inside the block."""
    if not _HOOKED:
        _HOOKED.append(True)
        sys.addaudithook(_on_event)  # permanent: an audit hook cannot be removed
    _ACTIVE.append(modules)
    kind = type(os.environ)
    os.environ.__class__ = _Watched
    try:
        yield
    finally:
        os.environ.__class__ = kind
        _ACTIVE.pop()


class _Watched(os._Environ):  # type: ignore[type-arg]
    """`os.environ` that records the variables read."""

    def __getitem__(self, key: Any) -> Any:
        _note(key)
        return super().__getitem__(key)

    def __iter__(self) -> Any:
        _note("*")
        return super().__iter__()


def _note(variable: Any) -> None:
    if not isinstance(variable, str):
        return
    module = _importing()
    if module is not None:
        module.variables.add(variable)
    elif _ACTIVE and _in_pickle():
        _ACTIVE[-1].variables.add(variable)


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not _ACTIVE:
        return
    path, mode = arguments[0], arguments[1]
    if not isinstance(path, str | os.PathLike) or (isinstance(mode, str) and not set(mode) <= set("rbtU")):
        return
    name = os.fspath(path)
    if not isinstance(name, str) or name.endswith(_OF_CODE):
        return
    module = _importing()
    if module is not None:
        at = os.path.abspath(name)
        try:
            status = os.stat(at)
        except OSError:
            return
        if stat.S_ISREG(status.st_mode) and not at.startswith(("/proc/", "/sys/")):
            module.files.setdefault(at, (at, status.st_size, status.st_mtime_ns))


def _in_pickle() -> bool:
    """Whether the reading code runs inside a pickle, such as a method ``__setstate__`` of a class of ``__main__``."""
    frame: FrameType | None = sys._getframe(3)
    by_user = False
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if name == _READER:
            return by_user
        if name in _IMPORT_SYSTEM:
            return False  # of a library that is imported for it
        file = frame.f_code.co_filename
        ours = isinstance(name, str) and name.startswith(("udf_compiler.", "sparkweld."))
        by_user |= not (ours or file.startswith("<frozen ") or is_library_file(file))
        frame = frame.f_back
    return False


def _importing() -> Loaded | None:
    """Returns the user module whose code reads, directly or through a function it calls; None for an installed package.

    Also None for PySpark: its decorators read the variables of Spark Connect, which do not change the behaviour of a
    function.
    """
    loaded = _ACTIVE[-1].loaded if _ACTIVE else {}
    frame = sys._getframe(2) if loaded else None
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if name in _IMPORT_SYSTEM or isinstance(name, str) and name.startswith("pyspark."):
            return None
        if name in loaded and getattr(sys.modules.get(name), "__dict__", None) is frame.f_globals:
            return None if loaded[name].installed else loaded[name]
        frame = frame.f_back
    return None
