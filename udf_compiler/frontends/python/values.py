"""Represents Python scalars symbolically: the ints, floats, bools, strings, dates and lists of a row in a scalar function.

Their operators record IR by Python's own rules (`numbers`); their truth value is a decision of the path. None is never symbolic:
whether an argument is None is decided before the function runs.
"""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.types import BOOL, DATE, F64, I64, LISTS, STR, Type
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced, symbol

MIN, MAX = -(2**63), 2**63 - 1

_CLASSES: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str, "date": datetime.date}
#: Class of a value -> its type; lists have their own kinds.
SCALARS = {"bool": BOOL, "int": I64, "float": F64, "str": STR, "date": DATE}
TYPES = {**SCALARS, **{kind: Type(kind) for kind in LISTS}}


class TracedScalar(Traced):
    """One Python value of the row. `kind` is its class; for a list, that of its value.

    An int lies between the two ends of `span` (within int64). `numpy`: the dtype of a NumPy scalar, "ndarray" for an array,
    "elements" for a list of NumPy scalars, "" for a Python value.
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
            return np.ndarray if self.is_ndarray else list
        return getattr(np, f"{self.numpy}{'_' if self.numpy == 'bool' else ''}") if self.numpy else _CLASSES[self.kind]

    @property
    def is_list(self) -> bool:
        return self.kind in LISTS

    @property
    def is_ndarray(self) -> bool:
        return self.numpy == "ndarray"

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from udf_compiler.frontends.python.numpy_scalars import call_ufunc

        if method != "__call__" or kwargs:
            refuse("SW251", call=f"np.{ufunc.__name__}")
        return call_ufunc(ufunc, inputs)

    @property  # type: ignore[override]
    def stands_for(self) -> Any:
        return self.__class__

    def __getattr__(self, name: str) -> Any:
        from udf_compiler.frontends.python.methods import attribute

        return attribute(self, name)

    def __bool__(self) -> bool:
        from udf_compiler.frontends.python import lists, numbers, strings

        if self.kind == "date":
            return True
        return explorer().decide((lists if self.is_list else strings if self.kind == "str" else numbers).truth(self))

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        from udf_compiler.frontends.python.numbers import binary

        return binary(name, other, self) if reflected else binary(name, self, other)

    def __contains__(self, part: Any) -> bool:
        from udf_compiler.frontends.python import lists, strings

        if self.is_list:
            return bool(lists.contains(self, part))
        return strings.contains(self, part) if self.kind == "str" else self._not_a("container or iterable")

    def __getitem__(self, key: Any) -> Any:
        from udf_compiler.frontends.python import lists, strings

        if self.is_list:
            return lists.item(self, key)
        return strings.item(self, key) if self.kind == "str" else self._not_a("subscriptable")

    def __iter__(self) -> Any:
        from udf_compiler.frontends.python.strings import characters

        if self.is_list:
            refuse("SW223")
        return characters(self) if self.kind == "str" else self._not_a("iterable")

    def _no_list(self, what: str) -> None:
        if self.is_list:
            refuse("SW222", call=what, kind="ndarray" if self.is_ndarray else "list")

    def _not_a(self, what: str) -> Any:
        from udf_compiler.frontends.python.numbers import raise_type_error

        if self.numpy:
            refuse("SW251", call=f"a np.{self.numpy} as what is {what}")
        raise_type_error(f"'{self.kind}' object is not {what}")

    def _unary(self, name: str) -> Any:
        from udf_compiler.frontends.python.numbers import unary

        return unary(name, self)

    def __matmul__(self, other: Any) -> Any:
        if self.is_ndarray:
            refuse("SW222", call="@", kind="ndarray")  # BLAS adds in an order of its own
        return NotImplemented

    __rmatmul__ = __matmul__

    def _in_place(self, name: str, other: Any) -> Any:
        if self.is_ndarray:
            refuse("SW256", call=f"ndarray {symbol(name)}= ...")
        self._no_list(f"{name}=")  # other names may refer to it
        return NotImplemented  # numbers are immutable: Python falls back to the operator itself

    def __format__(self, spec: str) -> str:
        self._no_list("format()")
        from udf_compiler.frontends.python.formats import format_

        return format_(self, spec)

    def __round__(self, ndigits: Any = None) -> Any:
        self._no_list("round()")
        from udf_compiler.frontends.python.rounding import round_

        return round_(self, ndigits)

    def __trunc__(self) -> Any:
        self._no_list("trunc()")
        from udf_compiler.frontends.python.rounding import to_int

        return to_int(self)

    def __floor__(self) -> Any:
        self._no_list("floor()")
        from udf_compiler.frontends.python.rounding import floor

        return floor(self)

    def __ceil__(self) -> Any:
        self._no_list("ceil()")
        from udf_compiler.frontends.python.rounding import ceil

        return ceil(self)

    def __hash__(self) -> int:
        self._no_list("hash()")
        from udf_compiler.frontends.python.lookups import hash_of

        return hash_of(self)


def is_scalar(x: object) -> bool:
    """Whether `x` is a symbolic scalar; `isinstance` would trust `__class__`."""
    return type(x) is TracedScalar


def of_value(value: Value) -> TracedScalar:
    """Returns a number of the loop as the row's Python value: any integer as an int, any float as a float."""
    loop, type = value.loop, value.type
    if type == BOOL:
        return TracedScalar("bool", value)
    if type == DATE:
        return TracedScalar("date", value)
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
