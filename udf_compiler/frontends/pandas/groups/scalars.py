"""Traces the scalars that reductions of a group return: in aggregate functions, and in functions of whole groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL, F64, I64
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.arrays import round_
from udf_compiler.frontends.pandas.columns import ColumnLike, SeriesOperand
from udf_compiler.frontends.python.numpy_scalars import check_weak, numpy_scalar
from udf_compiler.frontends.python.values import binary, is_scalar, of_value
from udf_compiler.frontends.tracing.lower import constant_of, is_number, operator_call, ufunc_call
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import BINARY, REFLECTED, Traced, raw, symbol

#: Python ints up to here are exact as doubles.
EXACT = 2**53

#: Functions of math that are exact, and of which one raises.
_MATH = ("sqrt", "fabs", "isnan", "isinf", "isfinite")

#: The most rows of a group: one Arrow batch cannot hold more.
MAX_ROWS = 2**31


class GroupScalar(SeriesOperand):
    """A NumPy scalar of each group.

    `weak` marks a Python number (a length, ``float(x)``), which takes the other operand's dtype. `bound` limits the absolute
    value of a Python int; None: unknown.
    """

    __slots__ = ("bound", "dtype", "loop", "shared", "value", "weak")
    what = "result of a reduction"

    loop: LoopBuilder
    value: Value
    dtype: np.dtype
    weak: bool
    bound: int | None

    def __init__(self, loop: LoopBuilder, value: Value, weak: bool = False, bound: int | None = None) -> None:
        self.loop, self.value, self.dtype, self.shared = loop, value, value.type.dtype, True
        self.weak, self.bound = weak, bound

    @property  # type: ignore[override]
    def stands_for(self) -> type:
        """Returns the scalar's class as user code sees it."""
        python = {"b": bool, "i": int, "f": float}.get(self.dtype.kind, object)
        return python if self.weak else self.dtype.type

    __class__ = stands_for  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        if name == "dtype" and not self.weak:
            return self.dtype
        if name == "round" and not self.weak:
            return lambda decimals=0: self.__round__(decimals)
        if name == "item" and self.dtype.kind in "if":
            return lambda: self
        refuse("SW251", call=f"{self.what}.{name}")

    @property
    def python_kind(self) -> str:  # type: ignore[override]
        return {"b": "bool", "i": "int", "f": "float"}.get(self.dtype.kind, "") if self.weak else ""

    def converted(self, to: type) -> Any:
        """Returns the Python scalar of the same value: ``float(x)``, ``int(x)`` of integers, ``bool(x)`` of bools, ``str(x)``."""
        group = current().group
        if to is str and group is not None:
            return group.text_of(self)
        if to is float and self.dtype.kind in "if":
            return GroupScalar(self.loop, self.loop.cast(self.value, F64), weak=True)
        if (to is int and self.dtype.kind == "i") or (to is bool and self.dtype.kind == "b"):
            return GroupScalar(self.loop, self.loop.cast(self.value, BOOL if to is bool else I64), weak=True)
        refuse("SW259", call=f"{to.__name__}() of a {self.what}")

    def math(self, name: str) -> GroupScalar:
        """Returns a function of math that is exact for doubles; refuses others (SW251)."""
        if name not in _MATH or self.dtype.kind not in "if" or current().group is None:
            refuse("SW251", call=f"math.{name} of a {self.what}")
        loop = self.loop
        x = loop.cast(self.value, F64)
        if name == "sqrt":
            loop.guard(loop.call("logical_not", loop.call("less", x, loop.const(0.0, F64))))  # Python raises
        return GroupScalar(loop, loop.call(name, x), weak=True)

    def of_row(self, loop: LoopBuilder) -> Any:
        """Returns the scalar as one of each row, for a function of single values."""
        group = current().group
        if group is None:
            refuse("SW383", call="a reduction in a function of single values")
        value = group.of_rows(self.value, loop)
        return of_value(value) if self.weak else numpy_scalar(value, self.dtype)

    def __round__(self, decimals: int | None = None) -> GroupScalar:
        if decimals is None or self.weak or self.dtype.kind != "f":
            refuse("SW251", call="round() to a Python int")
        rounded = round_(TracedArray(self.loop, (self.value,)), decimals)
        return GroupScalar(self.loop, rounded.value)

    def __bool__(self) -> bool:
        group = current().group
        return super().__bool__() if group is None else group.decide(self)  # type: ignore[no-any-return]

    def with_series(self, series: Any, name: str, reflected: bool) -> Any:
        group = current().group
        if group is None:
            refuse("SW383", call=f"Series {symbol(name)} ..." if not reflected else f"... {symbol(name)} Series")
        return group.with_series(self, series, name, reflected)

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        if type(other) is list and name == "mul" and current().group is not None:
            return current().group.repeated(self, other)  # type: ignore[union-attr]
        if isinstance(other, ColumnLike) and current().group is not None:
            return NotImplemented  # the column runs its own operator
        if is_scalar(other):
            return binary(name, other, self) if reflected else binary(name, self, other)
        if isinstance(other, Traced) and type(other) is not GroupScalar and current().group is not None:
            refuse("SW312", call=f"a reduction {symbol(name)} {raw(other)}", what="other than numbers")
        if isinstance(other, Traced) and type(other) is not GroupScalar:
            refuse("SW383", call=f"a column {symbol(name)} a reduction")
        call = f"reduction {symbol(name)} ..." if not reflected else f"... {symbol(name)} reduction"
        if name == "pow" and not reflected and current().group is not None:
            return self._power(constant_of(other), call)
        if name in ("pow", "divmod"):
            refuse("SW251", call=call)
        function = REFLECTED[name] if reflected else BINARY[name]
        left, right, bound = self._operands(name, other, reflected, call)
        return self._result(operator_call(self.loop, function, (left, right), call), other, bound)

    def _power(self, exponent: Any, call: str) -> GroupScalar:
        """Returns a power of a NumPy double by a constant or by a Python number: of a scalar, NumPy computes it with libm."""
        of_group = type(exponent) is GroupScalar and exponent.weak and exponent.dtype.kind in "if"
        if self.weak or self.dtype != np.float64 or not (of_group or type(exponent) in (int, float)):
            refuse("SW251", call=call)
        if of_group and exponent.dtype.kind == "i" and (exponent.bound is None or exponent.bound > EXACT):
            refuse("SW262", call=call, what="a Python int of any size")
        loop = self.loop
        power = loop.cast(exponent.value, F64) if of_group else loop.const(float(exponent), F64)
        return GroupScalar(loop, loop.call("power", self.value, power))

    def _operands(self, name: str, other: Any, reflected: bool, call: str) -> tuple[Any, Any, int | None]:
        """Returns both operands, and the result's bound for an operation on Python numbers."""
        other = constant_of(other)
        if type(other) is GroupScalar and self.weak != other.weak:
            typed = other if self.weak else self  # NumPy casts a Python number to this narrower dtype; here it is I64 or F64
            if typed.value.type not in (I64, F64, BOOL):
                refuse("SW262", call=call, what=f"a {typed.dtype} beside a Python number")
        elif type(other) is not GroupScalar and not is_number(other):
            refuse("SW262", call=call, what=raw(other))
        _check_weak((self, other), call)
        python = self.weak and (type(other) in (int, float, bool) or (type(other) is GroupScalar and other.weak))
        bound = _python_bound(name, self, other, reflected, call) if python else None
        return self.value, other.value if type(other) is GroupScalar else other, bound

    def _result(self, values: tuple[Value, ...], other: Any, bound: int | None) -> GroupScalar:
        (value,) = values
        python = self.weak and (type(other) in (int, float) or (type(other) is GroupScalar and other.weak))
        return GroupScalar(self.loop, value, weak=python, bound=bound)

    def _unary(self, name: str) -> GroupScalar:
        ufunc = {"neg": np.negative, "pos": np.positive, "invert": np.invert, "abs": np.absolute}[name]
        return GroupScalar(self.loop, ufunc_call(self.loop, ufunc, (self.value,), name)[0], self.weak, self.bound)

    def _in_place(self, name: str, other: Any) -> Any:
        return self._binary(name, other, False)  # scalars are immutable: x += y binds a new one

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        call = f"np.{ufunc.__name__}"
        if method != "__call__" or kwargs:
            refuse("SW251", call=call)
        if current().group is not None and any(isinstance(x, ColumnLike) for x in inputs):
            return NotImplemented
        operands = []
        for x in inputs:
            if isinstance(x, Traced) and type(x) is not GroupScalar:
                refuse("SW383", call=f"{call} of a column and a reduction")
            if type(x) is GroupScalar and x.weak and len(inputs) > 1:
                refuse("SW262", call=call, what="a length")
            operands.append(x.value if type(x) is GroupScalar else constant_of(x))
            if type(x) is not GroupScalar and not is_number(operands[-1]):
                refuse("SW262", call=call, what=raw(x))
        _check_weak(inputs, call)
        results = tuple(GroupScalar(self.loop, v) for v in ufunc_call(self.loop, ufunc, tuple(operands), call))
        return results if len(results) > 1 else results[0]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        refuse("SW251", call=f"np.{getattr(function, '__name__', function)} of a reduction")


def _check_weak(operands: Sequence[Any], call: str) -> None:
    typed = [x.dtype for x in operands if type(x) is GroupScalar and not x.weak]
    check_weak(typed, [type(x).__name__ for x in operands if type(x) in (int, float)], call)


def _python_bound(name: str, left: GroupScalar, other: Any, reflected: bool, call: str) -> int | None:
    """Returns the bound of a Python operation's int result; refuses operations that NumPy's scalars compute differently.

    Python's ints do not wrap. Its / rounds the exact quotient. Its % and // of floats differ from NumPy's. All of them raise for
    a zero divisor. Its bools are ints.
    """
    bound = other.bound if type(other) is GroupScalar else abs(other) if type(other) is int else None
    kinds = {left.dtype.kind, other.dtype.kind if type(other) is GroupScalar else np.asarray(other).dtype.kind}
    if "b" in kinds or (name in ("floordiv", "mod") and "f" in kinds):
        refuse("SW262", call=call, what="Python scalars")
    if name in ("truediv", "floordiv", "mod"):
        divisor = left if reflected else other
        never_zero = divisor != 0 if type(divisor) in (int, float) else is_length(divisor)
        if not never_zero and type(divisor) is GroupScalar and current().group is not None:
            loop = divisor.loop
            loop.guard(loop.call("not_equal", divisor.value, loop.const(0, divisor.value.type)))  # Python raises
        elif not never_zero:
            refuse("SW262", call=call, what="a divisor that may be 0")
    if "f" in kinds or name not in ("add", "sub", "mul", "truediv", "floordiv", "mod"):
        return None
    known = left.bound
    if known is None or bound is None:
        if current().group is None:
            refuse("SW262", call=call, what="a Python int of any size")
        known = _guarded_bound(left, bound, name) if known is None else known
        bound = _guarded_bound(other, known, name) if bound is None else bound
    made = known * bound if name == "mul" else known + bound  # also bounds a quotient or a remainder
    if made > EXACT:
        refuse("SW262", call=call, what="a large Python int")
    return made


def _guarded_bound(x: GroupScalar, other: int | None, name: str) -> int:
    """Returns a bound of a Python int, for an operation with another of a known bound. A larger one runs in Python."""
    if name == "mul":
        limit = 2**26 if other is None else EXACT // max(other, 1)
    else:
        limit = EXACT // 2
    loop = x.loop
    loop.guard(loop.call("less_equal", x.value, loop.const(limit, I64)))
    loop.guard(loop.call("greater_equal", x.value, loop.const(-limit, I64)))
    return limit


def is_length(x: GroupScalar) -> bool:
    """Whether x is the number of rows of its group, which is never 0."""
    groups = current().groups or current().group
    return groups is not None and groups.is_length(x)  # type: ignore[no-any-return]
