"""Lowers NumPy ufunc calls on traced values and constants to IR.

It resolves the inner loop as the installed NumPy does, casts the operands and emits the op. NumPy itself is the authority:
every call also runs on one-element *prototypes*. So an error that depends only on types and constants (int8 + 200) is
NumPy's own, and the result types are compared with NumPy's results.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from sparkweld.errors import InternalError
from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Call, Fits
from sparkweld.ir.ops.elementwise import FUNCTIONS, HALF_IS_ROOT
from sparkweld.ir.types import BOOL, Type, of_dtype
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.exceptions import unwatched
from udf_compiler.frontends.tracing.session import check_size, refuse

#: A traced value, or a constant: a Python number (weak, NEP 50) or a NumPy scalar (typed).
Operand = Value | bool | int | float | np.generic

_KNOWN = frozenset(FUNCTIONS)
_COMPARISONS = frozenset("equal not_equal less less_equal greater greater_equal".split())
#: Functions that read the sign of a NaN in their last argument, which differs between compilers, and between pandas and
#: NumPy.
_SIGN_READERS = frozenset(("signbit", "copysign"))
#: Functions that, of 0.0 and -0.0, return the second in NumPy's SIMD loop and the first in its tail, depending on the row's
#: position.
_ZERO_PICKERS = frozenset(("fmax", "fmin"))
_PARTS = {"divmod": ("floor_divide", "remainder")}


def is_number(x: object) -> bool:
    """Whether `x` is a constant operand of an elementwise function: a bool, int, float or real NumPy number."""
    if isinstance(x, np.generic):
        return x.dtype.kind in "biuf"
    return type(x) in (bool, int, float)


def constant_of(x: Any) -> Any:
    """Returns a zero-dimensional array as its NumPy scalar, a pandas constant as its Series; any other object unchanged."""
    return x[()] if isinstance(x, np.ndarray) and x.ndim == 0 else unwrapped(x)


def run_prototype(call: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls `function` on prototypes, with warnings off. Refuses (SW252) if it raises: Spark's own run raises, too."""
    try:
        with unwatched(), np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - whatever the library raises for these types is what the user will see
        refuse("SW252", call=call, error=f"{type(error).__name__}: {error}")


def dtype_of(given: Any, call: str) -> np.dtype:
    """Returns the dtype that an argument names. Refuses (SW252) if NumPy raises."""
    return run_prototype(call, np.dtype, given)  # type: ignore[no-any-return]


def type_of(dtype: np.dtype, call: str) -> Type:
    """Returns the IR type of a dtype. Refuses SW254."""
    type = of_dtype(dtype)
    if type is None or not np.dtype(dtype).isnative:
        refuse("SW254", call=call, type=np.dtype(dtype).name)
    return type


def prototype(operand: Operand) -> Any:
    """Returns one element of the operand's dtype (1, which no function treats specially); a constant unchanged."""
    return np.ones(1, operand.type.dtype) if isinstance(operand, Value) else operand


@lru_cache(maxsize=64)
def _one(dtype: np.dtype) -> np.ndarray:
    made = np.ones(1, dtype)
    made.flags.writeable = False
    return made


def constant(loop: LoopBuilder, value: Any, dtype: np.dtype, call: str) -> Value:
    """Returns a constant converted to `dtype` as NumPy converts an operand."""
    type = type_of(dtype, call)
    with np.errstate(all="ignore"):
        converted = value.astype(dtype) if isinstance(value, np.generic) else run_prototype(call, np.array, value, dtype)[()]
    return loop.const(converted, type)


def cast(loop: LoopBuilder, value: Value, to: Type) -> Value:
    """Casts like ``astype``; guards floats that the integer type cannot hold.

    NumPy leaves those undefined, and pandas raises for some.
    """
    if value.type.is_float and to.is_int:
        loop.guard(loop.emit(Fits(to), value), local=True)
    return loop.cast(value, to)


def ufunc_call(loop: LoopBuilder, ufunc: np.ufunc, operands: tuple[Operand, ...], call: str) -> tuple[Value, ...]:
    """Emits `ufunc` on operands and returns all its outputs. At least one operand is a Value."""
    if ufunc.signature is not None or ufunc.nin != len(operands):
        refuse("SW251", call=call)
    expected, dtypes = _resolved(ufunc, tuple(map(kind_of, operands)), call)
    if len(operands) == 2 and ufunc.__name__ in _COMPARISONS and _out_of_range(*operands):
        return (loop.const(bool(expected[0][0]), BOOL),)  # every value of the integer type compares the same
    types = [type_of(dtype, call) for dtype in dtypes]
    args = tuple(
        loop.cast(o, t) if isinstance(o, Value) else constant(loop, o, t.dtype, call)
        for o, t in zip(operands, types, strict=False)
    )
    results = _emit(loop, ufunc, operands, args, call)
    check_size(loop)
    for got, wanted, proto in zip(results, types[ufunc.nin :], expected, strict=True):
        if got.type != wanted or got.type.dtype != proto.dtype:
            raise InternalError(f"{call} resolved to {got.type}, NumPy returns {proto.dtype}")
    return results


def kind_of(operand: Operand) -> tuple[Any, ...]:
    """Returns everything that NumPy's choice of an inner loop and its errors depend on: a dtype, or a constant with its type.

    The string is included because equal constants may differ in type, and zeros in sign.
    """
    return (operand.type.dtype,) if isinstance(operand, Value) else (type(operand), operand, str(operand))


def given(kind: tuple[Any, ...]) -> Any:
    """Returns the prototype of an operand of that kind for calls of NumPy."""
    return _one(kind[0]) if isinstance(kind[0], np.dtype) else kind[1]


#: Whether the value of a constant decides the common type, as before NumPy 2: ``float32 > np.float64(0.1)`` compares float32.
BY_VALUE = np.result_type(np.ones(1, np.float32), np.float64(1)) == np.float32


def _check_promotion(ufunc: np.ufunc, kinds: tuple[Any, ...], dtypes: tuple[np.dtype, ...], call: str) -> None:
    """Refuses (SW251) operands that NumPy converts to other types than NEP 50 does."""
    common = run_prototype(call, np.result_type, *map(given, kinds))
    try:
        same = ufunc.resolve_dtypes((common,) * ufunc.nin + (None,) * ufunc.nout) == dtypes
    except TypeError:  # ldexp requires operands of two kinds
        same = False
    if not same:
        refuse("SW251", call=f"{call} of a constant whose value decides the type, as before NumPy 2,")


@lru_cache(maxsize=1024)
def _resolved(ufunc: np.ufunc, kinds: tuple[Any, ...], call: str) -> tuple[tuple[np.ndarray, ...], tuple[np.dtype, ...]]:
    """Returns the ufunc's results for prototypes, and the dtypes of its inner loop."""
    expected = run_prototype(call, ufunc, *map(given, kinds))
    descriptors = tuple(kind[0] if isinstance(kind[0], np.dtype) else _descriptor(kind[1]) for kind in kinds)
    dtypes = ufunc.resolve_dtypes(descriptors + (None,) * ufunc.nout)
    if BY_VALUE and ufunc.nin > 1:
        _check_promotion(ufunc, kinds, dtypes, call)
    return (expected if isinstance(expected, tuple) else (expected,)), dtypes


def _emit(
    loop: LoopBuilder, ufunc: np.ufunc, operands: tuple[Operand, ...], args: tuple[Value, ...], call: str
) -> tuple[Value, ...]:
    name = ufunc.__name__
    if name == "_ones_like":  # x ** 0 before NumPy 2.3
        return (loop.const(1, args[0].type),)
    if name in _PARTS:
        return tuple(loop.call(part, *args) for part in _PARTS[name])
    if name not in _KNOWN or getattr(np, name, None) is not ufunc:
        refuse("SW251", call=call)
    if name == "power":
        return (_power(loop, operands, args),)
    if name in _SIGN_READERS and args[-1].type.is_float:
        loop.guard(loop.call("logical_not", loop.call("isnan", args[-1])), local=True)
    if name in _ZERO_PICKERS and args[0].type.is_float and all(isinstance(o, Value) or o == 0 for o in operands):
        guard_zeros_agree(loop, *args)
    if ufunc.nout == 1:
        return (loop.call(name, *args),)
    return tuple(loop.emit(Call(name, output), *args) for output in range(ufunc.nout))


def is_negative_zero(loop: LoopBuilder, x: Value) -> Value:
    """Returns whether a float is -0.0."""
    return loop.call("logical_and", loop.call("equal", x, loop.const(0.0, x.type)), loop.call("signbit", x))


def guard_zeros_agree(loop: LoopBuilder, a: Value, b: Value) -> None:
    """Flags rows of two zeros with different signs."""
    zeros = [loop.call("equal", v, loop.const(0, v.type)) for v in (a, b)]
    signs = [loop.call("signbit", v) for v in (a, b)]
    apart = loop.call("logical_and", loop.call("logical_and", *zeros), loop.call("logical_xor", *signs))
    loop.guard(loop.call("logical_not", apart))


def _power(loop: LoopBuilder, operands: tuple[Operand, ...], args: tuple[Value, ...]) -> Value:
    base, exponent = args
    if exponent.type.is_int and isinstance(operands[1], Value):
        zero = loop.const(0, exponent.type)
        loop.guard(loop.call("greater_equal", exponent, zero), local=True)  # Python raises for a negative exponent
        exponent = loop.call("maximum", exponent, zero)
    if exponent.type.is_float and not isinstance(operands[1], Value) and operands[1] == 2:
        return loop.call("square", base)  # NumPy's inner loop multiplies if the exponent is 2.0 for all rows
    if HALF_IS_ROOT and exponent.type.is_float and not isinstance(operands[1], Value) and operands[1] == 0.5:
        return loop.call("sqrt", base)
    return loop.call("power", base, exponent)


def _descriptor(constant: Any) -> Any:
    if isinstance(constant, np.generic):
        return constant.dtype
    return np.dtype(np.bool_) if isinstance(constant, bool) else type(constant)


def _out_of_range(a: Operand, b: Operand) -> bool:
    """Whether a Python int is compared with an integer type that cannot hold it."""
    value, number = (a, b) if isinstance(a, Value) else (b, a)
    if not (isinstance(value, Value) and value.type.is_int and type(number) is int):
        return False
    info = np.iinfo(value.type.dtype)
    return not info.min <= number <= info.max


class _Recorder(np.ndarray):
    """An array that records the ufunc of an operator instead of running it. `position`: that of the operand."""

    calls: list[tuple[np.ufunc, tuple[Any, ...]]]
    position: int

    def __array_finalize__(self, source: Any) -> None:
        """Makes a copy, which NumPy converts to another type, an input of the same operand."""
        if isinstance(source, _Recorder):
            self.calls, self.position = source.calls, source.position

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: tuple[Any, ...] = (), **kwargs: Any) -> Any:
        # NumPy before 2.3 squares integers to a float power in the copy that it has converted.
        if method != "__call__" or kwargs or any(x is not self for x in out):
            raise NotImplementedError(f"{ufunc.__name__}.{method}")
        self.calls.append((ufunc, inputs))
        return (self,) * ufunc.nout if ufunc.nout > 1 else self


def operator_call(loop: LoopBuilder, operator: Callable[..., Any], operands: tuple[Operand, ...], call: str) -> tuple[Value, ...]:
    """Emits a Python operator on NumPy arrays; NumPy decides which ufunc it runs (``a ** 2`` is np.square)."""
    ufunc, inputs = _ufunc_of(operator, tuple(map(kind_of, operands)), call)
    given = (_converted(loop, operands[x.position], x.dtype, call) if isinstance(x, _Input) else x for x in inputs)
    return ufunc_call(loop, ufunc, tuple(given), call)


def _converted(loop: LoopBuilder, operand: Operand, dtype: np.dtype, call: str) -> Operand:
    if not isinstance(operand, Value) or operand.type.dtype == dtype:
        return operand
    return loop.cast(operand, type_of(dtype, call))


@dataclass(frozen=True, slots=True)
class _Input:
    """An operand as an input of a ufunc: its position, and the dtype that the operator has converted it to."""

    position: int
    dtype: np.dtype


@lru_cache(maxsize=1024)
def _ufunc_of(operator: Callable[..., Any], kinds: tuple[Any, ...], call: str) -> tuple[np.ufunc, tuple[Any, ...]]:
    """Returns the ufunc of an operator and its inputs: an `_Input` for each traced operand, or a constant."""
    operands = tuple(map(given, kinds))
    run_prototype(call, operator, *operands)
    calls: list[tuple[np.ufunc, tuple[Any, ...]]] = []
    recorders: list[Any] = []
    for position, (kind, operand) in enumerate(zip(kinds, operands, strict=True)):
        recorder: Any = operand
        if isinstance(kind[0], np.dtype):
            recorder = np.ones(1, kind[0]).view(_Recorder)
            recorder.calls, recorder.position = calls, position
        recorders.append(recorder)
    run_prototype(call, operator, *recorders)
    if len(calls) != 1:
        refuse("SW251", call=call)
    ufunc, inputs = calls[0]
    return ufunc, tuple(_Input(x.position, x.dtype) if isinstance(x, _Recorder) else constant_of(x) for x in inputs)
