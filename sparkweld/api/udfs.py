"""Defines drop-in `pandas_udf` and `udf`: PySpark's decorators, which also report at definition whether a function compiles.

They return the same as PySpark's, and work with and without the plugin. Options are stored in the function itself
(`udf_compiler.function.options`), so they reach every process that reads the payload.
"""

from __future__ import annotations

import functools
import os
import sys
import types
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from pyspark.sql import functions
from pyspark.sql.types import _parse_datatype_json_value

from sparkweld.api.verdict import Verdict, examine, told
from sparkweld.errors import RefusalWarning, UserError
from udf_compiler.function.options import ATTRIBUTE, BACKENDS
from udf_compiler.process.context_variables import assigned

#: DDL names of types that can be parsed without a JVM, so that a UDF can be declared before a session exists.
_DDL = {
    "boolean": "boolean", "byte": "byte", "tinyint": "byte", "short": "short", "smallint": "short", "int": "integer",
    "integer": "integer", "long": "long", "bigint": "long", "float": "float", "real": "float", "double": "double",
    "string": "string", "date": "date", "timestamp": "timestamp", "timestamp_ntz": "timestamp_ntz", "binary": "binary",
}  # fmt: skip

_examining: ContextVar[bool] = ContextVar("sparkweld_examining", default=False)
_warned: set[tuple[str, str]] = set()


def pandas_udf(
    f: Any = None, returnType: Any = None, functionType: Any = None, *, exact: bool = False, backend: str = "auto"
) -> Any:
    """Declares a UDF like `pyspark.sql.functions.pandas_udf`; the result also has `.explain()`, `.exact` and `.backend`.

    `exact`: refuses operations that would differ from NumPy by a documented bound. `backend`: "auto" compiles where possible,
    and warns once, with code, line and hint, where not. "native" requires a kernel, never a Catalyst expression, and raises that
    Refusal instead of the warning. "python" leaves the function to Spark. With an option, a function of a module is pickled by
    value, as a decorated one is.
    """
    made = functools.partial(_made, exact=exact, backend=_checked(backend), depth=_depth(f))
    declare = functools.partial(functions.pandas_udf, functionType=functionType)
    return _declared(declare, f, returnType, made)


def udf(
    f: Any = None,
    returnType: Any = "string",
    *,
    useArrow: bool | None = None,
    exact: bool = False,
    backend: str = "auto",
) -> Any:
    """Declares a UDF like `pyspark.sql.functions.udf`, with the additions of `pandas_udf`."""
    made = functools.partial(_made, exact=exact, backend=_checked(backend), depth=_depth(f))
    declare = functools.partial(functions.udf, useArrow=useArrow)
    return _declared(declare, f, returnType, made)


def _declared(declare: Callable[..., Any], f: Any, returnType: Any, made: Callable[..., Any]) -> Any:
    """Returns the UDF, or its decorator: PySpark itself distinguishes the forms of the arguments."""
    f, returnType = parsed_type(f), parsed_type(returnType)
    if _is_type(f):
        decorate = declare(f, returnType)
        return lambda function: made(decorate, function)
    return made(lambda function: declare(function, returnType), f)


def _made(declare: Callable[[Any], Any], function: Any, *, exact: bool, backend: str, depth: int) -> Any:
    options = {"exact": exact, "backend": backend}
    made = declare(_with_options(function, options) if exact or backend != "auto" else function)
    _attach(made, options)
    if backend != "python" and not _is_elsewhere():
        _judge(made, function, backend, depth)
    return made


def _attach(made: Any, options: dict[str, Any]) -> None:
    """Adds the attributes to PySpark's UDF, and to the UDF that its asNondeterministic returns."""
    nondeterministic = made.asNondeterministic

    def asNondeterministic() -> Any:
        other = nondeterministic()
        _attach(other, options)
        return other

    def explain(*columns: str) -> str:
        return str(_verdict(made, columns))

    explain.__doc__ = """What SparkWeld does with the function; `columns`: Spark type names of its arguments, if known."""
    made.explain, made.asNondeterministic = explain, functools.wraps(nondeterministic)(asNondeterministic)
    made.exact, made.backend = options["exact"], options["backend"]


def _verdict(made: Any, columns: tuple[str, ...] = ()) -> Verdict:
    with assigned(_examining, True):
        return examine(made.func, made.returnType, made.evalType, columns or None)


def _judge(made: Any, function: Any, backend: str, depth: int) -> None:
    """Warns once about a function that will not be compiled; raises its Refusal for the backend "native"."""
    refusal = _verdict(made).refusal
    if refusal is None:
        return
    if backend == "native":
        raise refusal.error()
    first, *rest = told(refusal)
    text = "\n  ".join([f"{made.__name__} runs in Python. {first}", *rest, 'To keep it in Python silently: backend="python".'])
    if (made.__name__, text) not in _warned:
        _warned.add((made.__name__, text))
        warnings.warn(text, RefusalWarning, stacklevel=depth)


def _depth(f: Any) -> int:
    """Returns the number of frames from `_judge` to the line that defines the UDF.

    That line itself calls a decorator that has arguments.
    """
    return 4 if _is_type(f) else 5


def _is_type(f: Any) -> bool:
    """Whether the first argument of a decorator is a return type or missing, not a function."""
    return f is None or isinstance(f, str) or not callable(f)


def parsed_type(given: Any) -> Any:
    """Parses a return type that needs no JVM to a DataType; returns others unchanged, for Spark to parse within a session."""
    name = given.strip().lower() if isinstance(given, str) else None
    return _parse_datatype_json_value(_DDL[name]) if name in _DDL else given


def _checked(backend: str) -> str:
    if backend not in BACKENDS:
        raise UserError(f"backend={backend!r}: it is one of {', '.join(map(repr, BACKENDS))}")
    return backend


def _with_options(function: Any, options: dict[str, Any]) -> Any:
    """Returns a copy of the function that carries the options. Raises UserError for a callable without attributes."""
    copy: Any
    if isinstance(function, types.FunctionType):
        copy = types.FunctionType(
            function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
        )
        copy.__kwdefaults__ = function.__kwdefaults__
        functools.update_wrapper(copy, function)
        del copy.__wrapped__  # else inspect would read the original's signature, and pickle would include it
    elif type(function) is functools.partial:
        copy = functools.partial(function)
        vars(copy).update(vars(function))
    else:
        raise UserError(f"exact= and backend= require a function, not a {type(function).__name__}; wrap it in a def or a lambda")
    vars(copy)[ATTRIBUTE] = {**vars(copy).get(ATTRIBUTE, {}), **options}  # keeps what `cascade.apply` records
    return copy


def _is_elsewhere() -> bool:
    """Whether this process is a worker or the compile service, which import the module of a UDF but do not define it."""
    main = getattr(sys.modules.get("__main__"), "__spec__", None)
    in_service = main is not None and main.name == "udf_compiler.service"
    return in_service or _examining.get() or os.environ.get("SPARK_PYTHON_RUNTIME") == "PYTHON_WORKER"
