"""Replaces Spark while a user's module is imported: nothing starts, and every declared UDF is recorded."""

from __future__ import annotations

import argparse
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyspark
from pyspark import Broadcast
from pyspark.sql import SparkSession, functions
from pyspark.sql.pandas import functions as vectorized
from pyspark.sql.types import IntegerType, StructField, StructType

from sparkweld.api import session, udfs
from sparkweld.contract.constants import (
    ARROW_BATCHED,
    BATCHED,
    GROUPED_MAP_PANDAS,
    MAP_ARROW,
    MAP_PANDAS,
    SCALAR_ARROW,
    SCALAR_PANDAS,
)
from sparkweld.lint.ddl import parse_ddl
from udf_compiler.process.spark_line import BROADCASTS, LINE

#: Methods of DataFrames and groups that take a function -> its eval type.
TAKERS = {
    "mapInPandas": MAP_PANDAS,
    "mapInArrow": MAP_ARROW,
    "applyInPandas": GROUPED_MAP_PANDAS,
    "applyInArrow": 209,
    "applyInPandasWithState": 208,
}

#: Results of DataFrames that are falsy, as most jobs test whether there is nothing to do.
_FALSY = frozenset(("isEmpty", "=="))


#: Eval types of functions that receive two groups at a time, or the state of a group; no line of Spark uses them otherwise.
COGROUPED, WITH_STATE = 206, 208


@dataclass
class Declared:
    """A UDF as the module declared it. `inside`: the UDFs that it is called on, as in f(g(x)).

    `keys`: the columns of its groups. `windowed`: it is used over a window. `pinned`: a map that Spark must run itself.
    """

    function: Callable[..., Any]
    return_type: Any
    eval_type: int
    kind: str
    deterministic: bool = True
    inside: list[Declared] = field(default_factory=list)
    keys: tuple[str, ...] = ()
    windowed: bool = False
    pinned: bool = False


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
    """Replaces a session, a DataFrame or a Column: any attribute, call or operator returns another stub.

    `keys`: the columns by which the DataFrame is grouped.
    """

    def __init__(self, recorder: Recorder, name: str = "", keys: tuple[str, ...] = (), cogrouped: bool = False) -> None:
        self._recorder, self._name, self._keys, self._cogrouped = recorder, name, keys, cogrouped

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Nothing(self._recorder, name, self._keys, self._cogrouped)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._name in TAKERS and (args or "func" in kwargs):
            self._take(*args, **kwargs)
        elif self._name == "register" and len(args) > 1 and not isinstance(args[1], Nothing):
            self._recorder.add(args[1], type_of(args[2] if len(args) > 2 else kwargs.get("returnType", "string")), 101, "udf")
        elif self._name == "broadcast" and len(args) == 1 and not isinstance(args[0], Nothing):
            return broadcast_of(args[0])
        elif self._name == "apply" and len(args) == 1 and isinstance(args[0], DeclaredUdf):
            args[0]._declared.keys = self._keys
        elif self._name in ("groupBy", "groupby"):
            return Nothing(self._recorder, "", tuple(key for key in args if isinstance(key, str)))
        elif self._name == "cogroup":
            return Nothing(self._recorder, "", (), cogrouped=True)
        return Nothing(self._recorder, self._name if self._name in _FALSY else "")

    def _take(self, *args: Any, **kwargs: Any) -> None:
        function, *rest = (*args, *(kwargs[key] for key in ("func", "schema") if key in kwargs))
        eval_type, kind = TAKERS[self._name], self._name
        if self._cogrouped:
            eval_type, kind = COGROUPED, f"{self._name} of cogroups"
        made = self._recorder.add(function, type_of(rest[0] if rest else None), eval_type, kind)
        if made is not None:
            made.keys, made.pinned = self._keys, "profile" in kwargs or kwargs.get("barrier") is True

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __bool__(self) -> bool:
        return self._name not in _FALSY

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

    def equal(self: Nothing, other: Any) -> Nothing:
        return Nothing(self._recorder, "==")

    two = "add sub mul truediv floordiv mod pow and or xor lshift rshift matmul".split()
    names = [*two, *(f"r{name}" for name in two), "eq", "ne", "lt", "le", "gt", "ge", "neg", "pos", "invert", "abs", "getitem"]
    for name in (*names, "setitem", "delitem"):
        setattr(Nothing, f"__{name}__", equal if name == "eq" else operator)


_define_operators()


class Missing(Nothing):
    """Replaces what a package that is not installed would define, or a value that only the running job knows.

    `package`: the package's name, empty for a value. As a decorator it returns the function itself.
    """

    def __init__(self, name: str, package: str = "") -> None:
        super().__init__(Recorder(), name)
        self.package = package

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Missing(name, self.package)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and isinstance(args[0], type | types.FunctionType):
            return args[0]
        return Missing("", self.package)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return ()


class MissingModule(types.ModuleType):
    """Replaces a module of a package that is not installed: it has every name."""

    @property
    def package(self) -> str:
        return self.__name__.partition(".")[0]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Missing(name, self.package)


def is_stub(value: object) -> bool:
    """Whether a value replaces one that lint does not have."""
    return isinstance(value, Nothing | MissingModule)


def has_stub(value: object) -> bool:
    """Whether a value, or an argument of the program in it, replaces one that lint does not have."""
    return is_stub(value) or (isinstance(value, argparse.Namespace) and any(map(is_stub, vars(value).values())))


def package_of(value: object) -> str:
    """Returns the package that is not installed and that would define a value; an empty string for another value."""
    return value.package if isinstance(value, Missing | MissingModule) else ""


def broadcast_of(value: Any) -> Broadcast[Any]:
    """Returns a broadcast variable that needs no JVM, and that functions may capture."""
    made: Any = Broadcast.__new__(Broadcast)
    registry = BROADCASTS._broadcastRegistry
    number = len(registry)
    made._value, made._jbroadcast, made._pickle_registry = value, _Numbered(number), set()
    registry[number] = made
    return made  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _Numbered:
    """Replaces the JVM's broadcast, of which pickling reads the number."""

    number: int

    def id(self) -> int:
        return self.number


class DeclaredUdf(Nothing):
    """The result of a decorator: a call on columns returns a column, and records the UDFs among them."""

    def __init__(self, recorder: Recorder, declared: Declared, inner: bool = False) -> None:
        super().__init__(recorder)
        self._declared, self._inner = declared, inner

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        called = [a._declared for a in (*args, *kwargs.values()) if isinstance(a, DeclaredUdf) and a._inner]
        self._declared.inside += [other for other in called if other not in self._declared.inside]
        return DeclaredUdf(self._recorder, self._declared, inner=True)

    @property
    def func(self) -> Callable[..., Any]:
        return self._declared.function

    def over(self, window: Any) -> Nothing:
        self._declared.windowed = True
        return Nothing(self._recorder)

    def asNondeterministic(self) -> DeclaredUdf:
        self._declared.deterministic = False
        return self


class UnknownType:
    """A declared return type that only the running job knows, or in a form that only a JVM can parse: `text` is that reason."""

    def __init__(self, text: object) -> None:
        self.text = text

    def typeName(self) -> str:
        return str(self.text)

    simpleString = typeName


def type_of(given: Any) -> Any:
    """Returns a declared type as a DataType, or an UnknownType."""
    if given is None or is_stub(given):
        return UnknownType("only the running job knows its schema")
    known = (parse_ddl(given) if isinstance(given, str) else given) or given
    return known if hasattr(known, "typeName") else UnknownType(f"only Spark parses its type {given}")


def vectorized_type(function: Any, function_type: Any, kind: str) -> int:
    """Returns the eval type of a pandas or Arrow UDF, as PySpark finds it from its annotations or its declared type."""
    if is_stub(function_type):
        function_type = None
    if not isinstance(function, types.FunctionType) or any(map(is_stub, function.__annotations__.values())):
        return SCALAR_PANDAS if kind == "pandas" else SCALAR_ARROW
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if hasattr(vectorized, "_validate_vectorized_udf"):
            return int(vectorized._validate_vectorized_udf(function, function_type, kind))
        if hasattr(vectorized, "_validate_pandas_udf"):  # no Arrow UDFs in 4.0
            return int(vectorized._validate_pandas_udf(function, function_type))
        returns = StructType([StructField("x", IntegerType())]) if function_type == GROUPED_MAP_PANDAS else IntegerType()
        made = vectorized._create_pandas_udf(function, returns, function_type)  # type: ignore[attr-defined]  # 3.5 validates here
        return int(made.evalType)


def _vectorized(recorder: Recorder, kind: str) -> Callable[..., Any]:
    def declare(f: Any = None, returnType: Any = None, functionType: Any = None, **options: Any) -> Any:
        if f is None or isinstance(f, str) or not callable(f):
            function_type = returnType if isinstance(returnType, int) else functionType
            return lambda function: made(function, f if f is not None else returnType, function_type)
        return made(f, returnType, functionType)

    def made(function: Any, return_type: Any, function_type: Any) -> Any:
        declared = recorder.add(function, type_of(return_type), vectorized_type(function, function_type, kind), f"{kind}_udf")
        return Nothing(recorder) if declared is None else DeclaredUdf(recorder, declared)

    return declare


def plain_type(use_arrow: Any) -> int:
    """Returns the eval type of a plain UDF, by the argument `useArrow` or by the default of the installed line of Spark."""
    return ARROW_BATCHED if (use_arrow if isinstance(use_arrow, bool) else LINE.plain_over_arrow) else BATCHED


def _plain(recorder: Recorder) -> Callable[..., Any]:
    def declare(f: Any = None, returnType: Any = "string", *, useArrow: bool | None = None, **options: Any) -> Any:
        if f is None or isinstance(f, str) or not callable(f):
            return lambda function: made(function, f if f is not None else returnType, useArrow)
        return made(f, returnType, useArrow)

    def made(function: Any, return_type: Any, use_arrow: Any) -> Any:
        declared = recorder.add(function, type_of(return_type), plain_type(use_arrow), "udf")
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
