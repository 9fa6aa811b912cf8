"""Reads the function from a UDF's command bytes, as a worker reads them (`worker_util.read_command`).

The command is cloudpickle's ``(function, return type)``. Above `spark.broadcast.UDFCompressionThreshold` (1 MB) it is a
pickled Broadcast whose value is those bytes. A function of a module is pickled by name, so the module is imported here.
"""

from __future__ import annotations

import functools
import pickle
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyspark import Broadcast, serializers
from pyspark.errors import PySparkRuntimeError
from pyspark.util import fail_on_stopiteration

from sparkweld.errors import Refusal
from sparkweld.reasons import refusal
from udf_compiler.function.permitted_modules import check_module
from udf_compiler.process.sandbox import may_unpickle

_SERIALIZER = serializers.CPickleSerializer()
_STOP_ITERATION_WRAPPER = fail_on_stopiteration(lambda: None).__code__


@dataclass(frozen=True, slots=True)
class Command:
    """A worker's command: the user's function, and its declared return type (a pyspark DataType)."""

    function: Callable[..., Any]
    return_type: Any


def load_command(payload: bytes) -> Command:
    """Returns the command in these bytes. `environment.module_path` and `environment.broadcasts` must be set up.

    Refuses a missing module (SW201), a module that lacks the name (SW202), and a corrupt pickle (SW203). Refuses when user code
    raises while it is read (SW204), and when the broadcast that holds the command is unreadable (SW205). Refuses everything
    when reading functions is disabled (SW871), and functions of modules that operators leave to Spark (SW370).
    """
    function, return_type = read_command(payload)
    return Command(unwrap(function), return_type)


def read_command(payload: bytes) -> tuple[Callable[..., Any], Any]:
    """Returns the pickled pair: the function, in its wrapper, and the return type. Refuses like `load_command`."""
    command = _unpickle(payload)
    if isinstance(command, Broadcast):
        command = _unpickle(read_broadcast(command))
    if not isinstance(command, tuple) or len(command) != 2 or not callable(command[0]):
        raise refusal("SW203", error=f"it holds a {type(command).__name__}, not a function and its return type")
    check_module(unwrap(command[0]))
    return command


def read_class(payload: bytes) -> type:
    """Returns the pickled class of a table function. Refuses like `load_command`."""
    command = _unpickle(payload)
    if isinstance(command, Broadcast):
        command = _unpickle(read_broadcast(command))
    if not isinstance(command, type):
        raise refusal("SW203", error=f"it holds a {type(command).__name__}, not a class")
    check_module(command)
    return command


def read_broadcast(variable: Broadcast[Any]) -> Any:
    """Returns the value of a broadcast. Refuses SW205 for an unreadable file; like `load_command` for an unreadable pickle."""
    if not may_unpickle():
        raise refusal("SW871")
    try:
        return variable.value
    except (OSError, EOFError, PySparkRuntimeError) as error:
        raise refusal("SW205", id=getattr(variable, "_path", "?"), error=_line(error)) from None
    except Exception as error:  # noqa: BLE001 - user classes are rebuilt here, and their code may raise anything
        raise _unpickle_refusal(error) from None


def unwrap(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the user's function inside the wrapper with which PySpark converts StopIteration to an error.

    No value can make a traced function raise StopIteration, so the wrapper has no effect on the compiled code.
    """
    while isinstance(function, types.FunctionType) and function.__code__ == _STOP_ITERATION_WRAPPER:
        assert function.__closure__ is not None
        function = function.__closure__[0].cell_contents
    return function


def name_of(function: object) -> str:
    """Returns a readable name of a callable: its own, that of the function in a partial, or its class."""
    if isinstance(function, functools.partial):
        return name_of(function.func)
    return getattr(function, "__name__", type(function).__name__)


def _unpickle(payload: bytes) -> Any:
    if not may_unpickle():
        raise refusal("SW871")
    try:
        return _SERIALIZER.loads(payload)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a pickle runs user code, which may raise anything
        raise _unpickle_refusal(error) from None


def _unpickle_refusal(error: BaseException) -> Refusal:
    if isinstance(error, ModuleNotFoundError):
        return refusal("SW201", module=error.name or _line(error))
    if isinstance(error, PySparkRuntimeError):
        return refusal("SW205", id="that the function uses", error=_line(error))
    if isinstance(error, AttributeError) and "Can't get attribute" in str(error) or isinstance(error, ImportError):
        return refusal("SW202", error=_line(error))
    by_pickle = not isinstance(error, SystemExit) and _last_file(error) in (__file__, serializers.__file__)
    if isinstance(error, pickle.UnpicklingError | EOFError) or by_pickle:
        return refusal("SW203", error=_line(error))
    return refusal("SW204", error=_line(error))


def _last_file(error: BaseException) -> str:
    traceback = error.__traceback__
    file = ""
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        traceback = traceback.tb_next
    return file


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:500]}" if text else type(error).__name__
