"""Represents Python scalars symbolically: the ints, floats, bools, strings, dates and lists of a row in a scalar function.

Their operators record IR by the rules of their kinds (`kinds`). Their truth value is a decision of the path. None is never
symbolic: whether an argument is None is decided before the function runs, or where it is first used (`undecided`).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.ops.string_functions import MOST_DECIMALS
from sparkweld.ir.types import BOOL, DATE, F64, I64, LISTS, STR, TS, Type
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.tracing.constants import ConstantDate, ConstantDatetime
from udf_compiler.frontends.tracing.dispatch import ScalarKind
from udf_compiler.frontends.tracing.enum_members import data_of
from udf_compiler.frontends.tracing.session import check_size, current, refuse
from udf_compiler.frontends.tracing.values import Traced

MIN, MAX = -(2**63), 2**63 - 1

#: Kind of a Decimal -> the number of its decimals, which is constant. Its value is the int without the decimal point.
#: That of a loose one is exact, but Python's has trailing zeros that depend on the row, as quotients have.
LOOSE = {f"loose{scale}": scale for scale in range(MOST_DECIMALS + 1)}
DECIMALS = {**{f"decimal{scale}": scale for scale in range(MOST_DECIMALS + 1)}, **LOOSE}

_CLASSES: dict[str, type] = {
    "bool": bool, "int": int, "float": float, "str": str, "date": datetime.date, "datetime": datetime.datetime,
    "utc": datetime.datetime, "timedelta": datetime.timedelta, **dict.fromkeys(DECIMALS, Decimal),
}  # fmt: skip
#: Class of a value -> its type; lists have their own kinds.
SCALARS = {
    "bool": BOOL, "int": I64, "float": F64, "str": STR, "date": DATE, "datetime": TS, "utc": TS, "timedelta": I64,
    **dict.fromkeys(DECIMALS, I64),
}  # fmt: skip
#: The kinds of times, of which no list and no Series is made.
TIME_KINDS = ("datetime", "utc", "timedelta")
#: `TracedScalar.numpy` of a DenseVector.
VECTOR = "vector"
#: A DenseVector has the attributes of its array, by `__getattr__`.
NAMES_OF_ARRAYS = frozenset(("array", *dir(np.ndarray)))
TYPES = {**SCALARS, **{kind: Type(kind) for kind in LISTS}}


class TracedScalar(Traced):
    """One Python value of the row. `kind` is its class; for a list, that of its value.

    An int lies between the two ends of `span` (within int64), as do the microseconds of a timedelta and the value of a Decimal.
    `numpy`: the dtype of a NumPy scalar, "ndarray" for an array, "elements" for a list of NumPy scalars, "" for a Python value.
    It is VECTOR for a DenseVector of pyspark.ml, which holds an array.
    """

    __slots__ = ("kind", "numpy", "span", "value")
    what = "Python value"

    kind: str
    value: Value
    span: tuple[int, int]
    numpy: str

    def __init__(self, kind: str, value: Value, span: tuple[int, int] = (MIN, MAX), numpy: str = "") -> None:
        assert value.type == TYPES[kind], f"a {kind} of type {value.type}"
        self.kind, self.value, self.span = kind, value, (0, 1) if kind == "bool" else span
        self.numpy = numpy

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        if self.is_list:
            return dense_vector() if self.numpy == VECTOR else np.ndarray if self.is_ndarray else list
        return getattr(np, f"{self.numpy}{'_' if self.numpy == 'bool' else ''}") if self.numpy else _CLASSES[self.kind]

    @property
    def is_list(self) -> bool:
        return self.kind in LISTS

    @property
    def is_ndarray(self) -> bool:
        return self.numpy in ("ndarray", VECTOR)

    def _more_names(self) -> Any:
        return NAMES_OF_ARRAYS if self.numpy == VECTOR else ()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs:
            refuse("SW251", call=f"np.{ufunc.__name__}")
        return _deciding(inputs).ufunc(ufunc, inputs)

    @property  # type: ignore[override]
    def stands_for(self) -> Any:
        return self.__class__

    def __getattr__(self, name: str) -> Any:
        return scalar_kind(self).attribute(self, name)

    def __bool__(self) -> bool:
        truth = scalar_kind(self).truth(self)
        return truth if isinstance(truth, bool) else explorer().decide(truth)

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        return binary(name, other, self) if reflected else binary(name, self, other)

    def _unary(self, name: str) -> Any:
        return scalar_kind(self).unary(name, self)

    def _in_place(self, name: str, other: Any) -> Any:
        return scalar_kind(self).in_place(self, name)

    def __matmul__(self, other: Any) -> Any:
        return self.__array_ufunc__(np.matmul, "__call__", self, other) if self.numpy == "ndarray" else NotImplemented

    def __rmatmul__(self, other: Any) -> Any:
        return self.__array_ufunc__(np.matmul, "__call__", other, self) if self.numpy == "ndarray" else NotImplemented

    def __contains__(self, part: Any) -> bool:
        return bool(scalar_kind(self).contains(self, data_of(part)))

    def __getitem__(self, key: Any) -> Any:
        return scalar_kind(self).item(self, data_of(key))

    def __iter__(self) -> Any:
        return scalar_kind(self).iterate(self)

    def __format__(self, spec: str) -> str:
        return scalar_kind(self).format(self, spec)

    def __round__(self, ndigits: Any = None) -> Any:
        return scalar_kind(self).round(self, ndigits)

    def __trunc__(self) -> Any:
        return scalar_kind(self).whole(self, "trunc")

    def __floor__(self) -> Any:
        return scalar_kind(self).whole(self, "floor")

    def __ceil__(self) -> Any:
        return scalar_kind(self).whole(self, "ceil")

    def __hash__(self) -> int:
        return scalar_kind(self).hash(self)


def shown(kinds: Iterable[str]) -> str:
    """Returns the names of kinds for a message."""
    return " and ".join(sorted({"Decimal" if kind in DECIMALS else kind for kind in kinds}))


def dense_vector() -> type:
    """Returns the class DenseVector."""
    from pyspark.ml.linalg import DenseVector

    return DenseVector


def array_of_vector(x: TracedScalar) -> TracedScalar:
    """Returns the array of a DenseVector."""
    return TracedScalar(x.kind, x.value, numpy="ndarray")


def is_scalar(x: object) -> bool:
    """Whether `x` is a symbolic scalar; `isinstance` would trust `__class__`."""
    return type(x) is TracedScalar


def is_string(x: Any) -> bool:
    """Whether `x` is a str of the row, not a string of NumPy."""
    return is_scalar(x) and x.kind == "str" and not x.numpy


def scalar_kind(x: TracedScalar) -> ScalarKind:
    """Returns the operators and protocols of a scalar, from the session."""
    if x.kind in LISTS:
        name = x.numpy if x.is_ndarray else "list"
    else:
        name = "numpy" if x.numpy else "decimal" if x.kind in DECIMALS else x.kind
    return current().dispatch.scalar_kinds[name]


#: Class of a constant -> the kind that its operators with values of the row follow; other constants follow the value's kind.
_OF_CONSTANTS = {
    str: "str", datetime.date: "date", ConstantDate: "date", datetime.timedelta: "timedelta", datetime.datetime: "datetime",
    ConstantDatetime: "datetime", Decimal: "decimal",
}  # fmt: skip


def _deciding(operands: Iterable[Any]) -> ScalarKind:
    """Returns the kind that decides an operator with these operands, at least one of which is a scalar of the row."""
    kinds = current().dispatch.scalar_kinds
    found = []
    for x in operands:
        if is_scalar(x):
            found.append(scalar_kind(x))
        elif isinstance(x, np.generic):
            found.append(kinds["numpy"])
        elif type(x) in _OF_CONSTANTS:
            found.append(kinds[_OF_CONSTANTS[type(x)]])
    return max(found, key=lambda kind: kind.rank)


def binary(name: str, a: Any, b: Any) -> Any:
    """Evaluates ``a op b``; NotImplemented where the other operand's class may define it, TypeError where neither does."""
    loop = explorer().loop
    check_size(loop)
    a, b = (x.of_row(loop) if hasattr(type(x), "of_row") else data_of(x) for x in (a, b))  # a reduction of a group
    return _deciding((a, b)).binary(name, a, b)


def of_value(value: Value) -> TracedScalar:
    """Returns a number of the loop as the row's Python value: any integer as an int, any float as a float."""
    loop, type = value.loop, value.type
    if type == BOOL:
        return TracedScalar("bool", value)
    if type == DATE:
        return TracedScalar("date", value)
    if type == TS:
        return TracedScalar("datetime", value)
    if type == STR:
        return TracedScalar("str", value)
    if type.is_list:
        return TracedScalar(type.kind, value)
    if type.is_float:
        return TracedScalar("float", loop.cast(value, F64))
    if type.is_int:
        bits = 8 * type.dtype.itemsize
        return TracedScalar("int", loop.cast(value, I64), (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
    refuse("SW293", type=str(type))
