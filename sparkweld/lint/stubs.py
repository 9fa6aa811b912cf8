"""Replaces Spark while a user's module is imported: nothing starts, and every declared UDF is recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyspark
from pyspark.sql import SparkSession, functions
from pyspark.sql.pandas import functions as vectorized
from pyspark.sql.types import StructField, StructType

from sparkweld.api import session, udfs
from sparkweld.api.udfs import parsed_type
from sparkweld.contract.constants import MAP_ARROW, MAP_PANDAS

#: Methods of DataFrames and groups that take a function -> its eval type.
_TAKERS = {
    "mapInPandas": MAP_PANDAS,
    "mapInArrow": MAP_ARROW,
    "applyInPandas": 201,
    "applyInArrow": 209,
}


@dataclass
class Declared:
    """A UDF as the module declared it. `inside`: the UDFs that it is called on, as in f(g(x))."""

    function: Callable[..., Any]
    return_type: Any
    eval_type: int
    kind: str
    deterministic: bool = True
    inside: list[Declared] = field(default_factory=list)


class Recorder:
    """The UDFs declared so far, in order."""

    def __init__(self) -> None:
        self.declared: list[Declared] = []

    def add(self, function: Any, return_type: Any, eval_type: int, kind: str) -> Declared | None:
        if not callable(function) or isinstance(function, Nothing):
            return None
        made = Declared(function, return_type, eval_type, kind)
        self.declared.append(made)
        return made


class Nothing:
    """Replaces a session, a DataFrame or a Column: any attribute, call or operator returns another stub."""

    def __init__(self, recorder: Recorder, name: str = "") -> None:
        self._recorder, self._name = recorder, name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Nothing(self._recorder, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._name in _TAKERS and (args or "func" in kwargs):
            function, *rest = (*args, *(kwargs[key] for key in ("func", "schema") if key in kwargs))
            self._recorder.add(function, _type(rest[0] if rest else None), _TAKERS[self._name], self._name)
        if self._name == "register" and len(args) > 1 and not isinstance(args[1], Nothing):
            self._recorder.add(args[1], _type(args[2] if len(args) > 2 else kwargs.get("returnType", "string")), 101, "udf")
        return Nothing(self._recorder)

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        return 0

    def __int__(self) -> int:
        return 0

    __index__ = __int__
    __hash__ = object.__hash__

    def __float__(self) -> float:
        return 0.0

    def __enter__(self) -> Nothing:
        return self

    def __exit__(self, *error: Any) -> None:
        return None


def _define_operators() -> None:
    def operator(self: Nothing, *others: Any) -> Nothing:
        return Nothing(self._recorder)

    two = "add sub mul truediv floordiv mod pow and or xor lshift rshift matmul".split()
    names = [*two, *(f"r{name}" for name in two), "eq", "ne", "lt", "le", "gt", "ge", "neg", "pos", "invert", "abs", "getitem"]
    for name in (*names, "setitem", "delitem"):
        setattr(Nothing, f"__{name}__", operator)


_define_operators()


class DeclaredUdf(Nothing):
    """The result of a decorator: a call on columns returns a column, and records the UDFs among them."""

    def __init__(self, recorder: Recorder, declared: Declared, inner: bool = False) -> None:
        super().__init__(recorder)
        self._declared, self._inner = declared, inner

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        called = [a._declared for a in (*args, *kwargs.values()) if isinstance(a, DeclaredUdf) and a._inner]
        self._declared.inside += [other for other in called if other not in self._declared.inside]
        return DeclaredUdf(self._recorder, self._declared, inner=True)

    def asNondeterministic(self) -> DeclaredUdf:
        self._declared.deterministic = False
        return self


class UnknownType:
    """A declared return type in DDL that only a JVM can parse."""

    def __init__(self, text: object) -> None:
        self.text = text

    def typeName(self) -> str:
        return str(self.text)

    simpleString = typeName


def _type(given: Any) -> Any:
    """Parses a return type to a DataType where that needs no JVM."""
    if given is None or isinstance(given, Nothing):
        return UnknownType("a type that only the running job knows")
    known = parsed_type(given)
    if hasattr(known, "typeName"):
        return known
    parts = [part.replace(":", " ").split() for part in known.split(",")] if isinstance(known, str) else []
    if parts and all(len(part) == 2 and hasattr(parsed_type(part[1]), "typeName") for part in parts):
        return StructType([StructField(name, parsed_type(kind)) for name, kind in parts])
    return UnknownType(given)


def _vectorized(recorder: Recorder, kind: str) -> Callable[..., Any]:
    def declare(f: Any = None, returnType: Any = None, functionType: Any = None, **options: Any) -> Any:
        if f is None or isinstance(f, str) or not callable(f):
            function_type = returnType if isinstance(returnType, int) else functionType
            return lambda function: made(function, f if f is not None else returnType, function_type)
        return made(f, returnType, functionType)

    def made(function: Any, return_type: Any, function_type: Any) -> Any:
        if hasattr(vectorized, "_validate_vectorized_udf"):
            eval_type = vectorized._validate_vectorized_udf(function, function_type, kind)
        else:  # Spark 4.0, which has no Arrow UDFs
            eval_type = vectorized._validate_pandas_udf(function, function_type)  # type: ignore[attr-defined]
        declared = recorder.add(function, _type(return_type), eval_type, f"{kind}_udf")
        return Nothing(recorder) if declared is None else DeclaredUdf(recorder, declared)

    return declare


def _plain(recorder: Recorder) -> Callable[..., Any]:
    def declare(f: Any = None, returnType: Any = "string", *, useArrow: bool | None = None, **options: Any) -> Any:
        if f is None or isinstance(f, str) or not callable(f):
            return lambda function: made(function, f if f is not None else returnType)
        return made(f, returnType)

    def made(function: Any, return_type: Any) -> Any:
        declared = recorder.add(function, _type(return_type), 101, "udf")
        return Nothing(recorder) if declared is None else DeclaredUdf(recorder, declared)

    return declare


class SparkStarted(Exception):
    """Raised when the module tries to start a JVM by a path that is not replaced; nothing was started."""


def replace_spark(recorder: Recorder) -> None:
    """Installs the stubs permanently: only a process that lives for one import may call it."""

    def no_jvm(*_: Any, **__: Any) -> Any:
        raise SparkStarted("the import would start Spark")

    makers = {"pandas_udf": _vectorized(recorder, "pandas"), "arrow_udf": _vectorized(recorder, "arrow"), "udf": _plain(recorder)}
    for name in dir(functions):
        value = getattr(functions, name)
        if name in makers:
            setattr(functions, name, makers[name])
        elif not name.startswith("_") and callable(value) and value.__module__.startswith("pyspark.sql.functions"):
            setattr(functions, name, Nothing(recorder, name))
    pyspark.SparkContext._ensure_initialized = no_jvm
    pyspark.SparkContext = Nothing(recorder, "SparkContext")
    for name in ("builder", "getActiveSession", "active"):
        setattr(SparkSession, name, Nothing(recorder, name))
    udfs.pandas_udf, udfs.udf = makers["pandas_udf"], makers["udf"]
    session.configure = lambda builder: builder
