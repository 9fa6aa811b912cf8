"""Provides the stand-ins of functions that load models: calls with constant paths return the models in those files.

Covers joblib.load, pickle.load and loads, and cloudpickle's; Booster and load_model of LightGBM, XGBoost and CatBoost;
`SparkFiles.get`.
Also covers `open`, `pathlib` and the string functions of `os.path` as far as they lead to a file. A loaded object is rebuilt like
any captured object.
"""

from __future__ import annotations

import importlib
import io
import os
import types
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, NoReturn

from udf_compiler.frontends.tracing.class_stand_ins import ClassStandIn, attribute_for_user, class_stand_in
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.function import model_files
from udf_compiler.function.model_files import FileName, Reads

#: Rebuilds an object for the function that loaded it.
Rebuild = Callable[[Any], Any]

_TEXTS = ("join", "basename", "dirname", "normpath", "splitext")


class FilePath(PurePosixPath):
    """The stand-in of `pathlib.Path`."""

    def open(self, mode: str = "r") -> OpenFile:
        return open_(self, mode)

    def read_bytes(self) -> bytes:
        return open_(self, "rb").read()


class OpenFile(StandIn):
    """A file that a function opened to load from; it is read at the load."""

    __slots__ = ("name",)
    what = "opened file"
    stands_for = io.BufferedReader
    visible = frozenset({"close", "read"})

    def __init__(self, name: str | FileName) -> None:
        self.name = name

    def read(self) -> bytes:
        return allowed("open").load(self.name, bytes, _contents)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Does nothing: no file is open."""

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(self, *fault: object) -> None:
        """Does not suppress the exception."""


class Memory(StandIn, metaclass=ClassStandIn):
    """The stand-in of `io.BytesIO`: bytes to load from."""

    __slots__ = ("data",)
    what = label = "io.BytesIO"
    stands_for = io.BytesIO

    def __init__(self, initial_bytes: Any) -> None:
        if not isinstance(initial_bytes, bytes):
            refuse("SW862", call="io.BytesIO", what="something other than constant bytes")
        self.data = initial_bytes


def open_(file: Any, mode: str = "r", *rest: Any, **named: Any) -> OpenFile:
    """Implements ``open(path, "rb")``. Refuses (SW862) other modes."""
    if mode not in ("rb", "br") or rest or named:
        refuse("SW862", call="open", what=f"the mode {mode!r}, which is not 'rb'")
    allowed("open")
    return OpenFile(path_named(file, "open"))


class ModuleStandIn(StandIn):
    """A subset of a module's names; other names are refused (SW263)."""

    __slots__ = ("__name__", "_members", "stands_for")
    what = "module"

    def __init__(self, real: types.ModuleType, name: str, members: dict[str, Any]) -> None:
        self.stands_for, self.__name__, self._members = real, name, members

    def __getattr__(self, name: str) -> Any:
        if name not in self._members:
            refuse("SW263", name=f"{self.__name__}.{name}")
        return self._members[name]


def _no_files(*args: Any, **kwargs: Any) -> NoReturn:
    refuse("SW862", call="SparkFiles", what="an object of it")


def _get(filename: Any) -> FileName:
    """Implements ``SparkFiles.get``."""
    if not isinstance(filename, str):
        refuse("SW862", call="SparkFiles.get", what="a name that is not a constant string")
    return FileName(filename)


#: The stand-in of `SparkFiles`.
JobFiles = class_stand_in(model_files.SparkFiles, "SparkFiles", _no_files, visible=frozenset({"get"}), get=staticmethod(_get))


class Unloaded(StandIn):
    """A model of XGBoost or CatBoost that is created empty and then loaded from a file."""

    __slots__ = ("_loaded", "_make", "_name", "_rebuild", "stands_for")
    what = "model"
    of_instances = frozenset({"handle"})
    visible = frozenset({"load_model"})

    def __init__(self, kind: type, arguments: tuple[Any, ...], named: dict[str, Any], rebuild: Rebuild) -> None:
        self._make = lambda: kind(*arguments, **named)
        self._rebuild, self._name, self.stands_for = rebuild, kind.__name__, kind
        self._loaded: Any = None

    def load_model(self, fname: Any) -> Any:
        call = f"{self._name}.load_model"
        if self._loaded is not None:
            refuse("SW862", call=call, what="a second model for the same object")

        def read(path: str) -> Any:
            made = self._make()
            made.load_model(path)
            return made

        self._loaded = self._rebuild(allowed(call).load(path_named(fname, call), self._make, read))
        return self if self._name.startswith("CatBoost") else None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or self._loaded is None:
            refuse("SW812", name=self._name, attribute=name)
        return attribute_for_user(self._loaded, name)


def module(original: types.ModuleType) -> Any:
    """Returns the stand-in of a module that builds paths; None for another module."""
    texts = {name: getattr(os.path, name) for name in _TEXTS}
    job_files = {"SparkFiles": JobFiles}
    known = {
        "io": {"BytesIO": Memory, "open": open_},
        "os": {"path": ModuleStandIn(os.path, "os.path", texts), "sep": os.sep, "fspath": os.fspath},
        "posixpath": texts,
        "pathlib": {"Path": FilePath},
        "pyspark": job_files,
        "pyspark.files": job_files,
        "pyspark.core.files": job_files,
    }.get(original.__name__)
    return None if known is None else ModuleStandIn(original, original.__name__, known)


def stand_in(original: Any, rebuild: Rebuild) -> Any:
    """Returns the stand-in of a function or class that loads models; None for another object."""
    if type(original) in _PATHS:
        return FilePath(original)
    owner, name = getattr(original, "__module__", None), getattr(original, "__qualname__", None)
    if not isinstance(owner, str) or not isinstance(name, str):
        return None
    if f"{owner}.{name}" in _PLAIN:
        return _PLAIN[f"{owner}.{name}"]
    if owner == "posixpath" and name in _TEXTS:
        return original
    make = _FUNCTIONS.get(f"{owner}.{name}")
    created = (owner, name[:3]) in (("xgboost.sklearn", "XGB"), ("catboost.core", "Cat"))
    if make is None and created and isinstance(original, type):
        return lambda *arguments, **named: Unloaded(original, arguments, named, rebuild)
    return None if make is None else make(original, rebuild)


def _unpickling(original: Any, rebuild: Rebuild) -> Callable[..., Any]:
    """Returns the stand-in of joblib.load (a path or an open file) or pickle.load (an open file)."""
    call = f"{original.__module__.partition('.')[0].strip('_')}.load"
    by_path = original.__module__.startswith("joblib")

    def load(source: Any, *rest: Any, **named: Any) -> Any:
        if rest or named:
            refuse("SW862", call=call, what=f"the argument {next(iter(named), 'after the first one')}")
        if isinstance(source, Memory):
            return rebuild(unpickled(original, io.BytesIO(source.data), call))
        if not by_path and not isinstance(source, OpenFile):
            refuse("SW862", call=call, what="something other than an opened file")
        where = source.name if isinstance(source, OpenFile) else path_named(source, call)
        return rebuild(allowed(call).load(where, original, lambda path: _read_with(original, path, by_path)))

    return load


def _of_bytes(original: Any, rebuild: Rebuild) -> Callable[..., Any]:
    """Returns the stand-in of pickle.loads, for bytes that the function holds or has read."""

    def loads(data: Any) -> Any:
        if not isinstance(data, bytes):
            refuse("SW862", call="pickle.loads", what="something other than constant bytes")
        return rebuild(unpickled(original, data, "pickle.loads"))

    return loads


def unpickled(load: Callable[[Any], Any], source: Any, call: str) -> Any:
    """Returns the object that `load` reads from constant bytes. Refuses SW860."""
    try:
        return load(source)
    except Exception as error:  # noqa: BLE001 - a pickle runs user code, which raises again in the worker
        refuse("SW860", path=f"what {call} gets", why=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")


def _lightgbm(original: Any, rebuild: Rebuild) -> Callable[..., Any]:
    def booster(params: Any = None, train_set: Any = None, model_file: Any = None, model_str: Any = None) -> Any:
        if params is not None or train_set is not None:
            refuse("SW862", call="lightgbm.Booster", what="parameters or data to train with")
        if isinstance(model_str, str) and model_file is None:
            return rebuild(original(model_str=model_str))
        where = path_named(model_file, "lightgbm.Booster")
        return rebuild(allowed("lightgbm.Booster").load(where, original, lambda path: original(model_file=path)))

    return booster


def _xgboost(original: Any, rebuild: Rebuild) -> Callable[..., Any]:
    def booster(params: Any = None, cache: Any = None, model_file: Any = None) -> Any:
        if cache is not None:
            refuse("SW862", call="xgboost.Booster", what="data to train with")
        made = Unloaded(original, (params,), {}, rebuild)
        if model_file is not None:
            made.load_model(model_file)
        return made

    return booster


#: Qualified name -> the factory of the function's or class's stand-in.
_FUNCTIONS: dict[str, Callable[[Any, Rebuild], Any]] = {
    "joblib.numpy_pickle.load": _unpickling,
    "_pickle.load": _unpickling,
    "_pickle.loads": _of_bytes,
    "lightgbm.basic.Booster": _lightgbm,
    "xgboost.core.Booster": _xgboost,
}

_PLAIN: dict[str, Any] = {
    "_io.open": open_, "io.open": open_, "_io.BytesIO": Memory,
    "pyspark.core.files.SparkFiles": JobFiles, "pyspark.files.SparkFiles": JobFiles,
    "pathlib.Path": FilePath, "pathlib._local.Path": FilePath,
}  # fmt: skip

_PATHS = tuple(getattr(importlib.import_module("pathlib"), name) for name in ("PosixPath", "PurePosixPath"))


def allowed(call: str) -> Reads:
    """Returns the files that the request may read. Refuses (SW805) when it may read none."""
    found = model_files.reads()
    if found is None:
        refuse("SW805", call=call)
    return found


def path_named(path: Any, call: str) -> str | FileName:
    """Returns the constant path of a file, or its name among the job's. Refuses (SW862) others."""
    if isinstance(path, FileName):
        return path
    if not isinstance(path, str | PurePosixPath):
        refuse("SW862", call=call, what="a path that is not a constant string")
    return os.fspath(path)


def _read_with(load: Callable[[Any], Any], path: str, by_path: bool) -> Any:
    if by_path:
        return load(path)
    with open(path, "rb") as file:
        return load(file)


def _contents(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
