"""A NumPy ufunc call on traced values and constants to IR: resolves the inner loop as the installed NumPy does, casts, emits.

NumPy itself is the authority. Every call also runs on one-element *prototypes*, so an error that depends on types and
constants only (int8 + 200) is NumPy's own, and the result types are compared with NumPy's results.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from sparkweld.errors import InternalError
from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Call, Fits
from sparkweld.ir.ops.elementwise import FUNCTIONS, HALF_IS_ROOT
from sparkweld.ir.types import BOOL, Type, of_dtype
from udf_compiler.trace.constants import unwrapped
from udf_compiler.trace.session import check_size, refuse

#: A traced value, or a constant: a Python number (weak, NEP 50) or a NumPy scalar (typed).
Operand = Value | bool | int | float | np.generic

_KNOWN = frozenset(FUNCTIONS)
_COMPARISONS = frozenset("equal not_equal less less_equal greater greater_equal".split())
#: They read the sign of a NaN in their last argument, which no two compilers (nor pandas and NumPy) agree on.
_SIGN_READERS = frozenset(("signbit", "copysign"))
#: Of 0.0 and -0.0 they give the second one in NumPy's SIMD loop and the first one in its tail: a matter of the row's position.
_ZERO_PICKERS = frozenset(("fmax", "fmin"))
_PARTS = {"divmod": ("floor_divide", "remainder")}


def is_number(x: object) -> bool:
    """Whether `x` is a constant that an elementwise function takes: a bool, int, float or NumPy number, no complex."""
    if isinstance(x, np.generic):
        return x.dtype.kind in "biuf"
    return type(x) in (bool, int, float)


def constant_of(x: Any) -> Any:
    """A zero-dimensional array as the NumPy scalar it holds, a pandas constant as its Series; anything else as it is."""
    return x[()] if isinstance(x, np.ndarray) and x.ndim == 0 else unwrapped(x)


def run_prototype(call: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """`function` on prototypes, warnings off. What it raises is refused (SW252): Spark's own run raises it too."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - whatever the library raises for these types is what the user will see
        refuse("SW252", call=call, error=f"{type(error).__name__}: {error}")


def dtype_of(given: Any, call: str) -> np.dtype:
    """The dtype that an argument names. What NumPy raises for others is refused (SW252)."""
    return run_prototype(call, np.dtype, given)  # type: ignore[no-any-return]


def type_of(dtype: np.dtype, call: str) -> Type:
    """The IR type of a dtype. Refuses SW254."""
    type = of_dtype(dtype)
    if type is None or not np.dtype(dtype).isnative:
        refuse("SW254", call=call, type=np.dtype(dtype).name)
    return type


def prototype(operand: Operand) -> Any:
    """One element of the operand's dtype (1, which no function treats in a special way); constants as they are."""
    return np.ones(1, operand.type.dtype) if isinstance(operand, Value) else operand


@lru_cache(maxsize=64)
def _one(dtype: np.dtype) -> np.ndarray:
    made = np.ones(1, dtype)
    made.flags.writeable = False
    return made


def constant(loop: LoopBuilder, value: Any, dtype: np.dtype, call: str) -> Value:
    """A constant converted to `dtype` as NumPy converts an operand."""
    type = type_of(dtype, call)
    with np.errstate(all="ignore"):
        converted = value.astype(dtype) if isinstance(value, np.generic) else run_prototype(call, np.array, value, dtype)[()]
    return loop.const(converted, type)


def cast(loop: LoopBuilder, value: Value, to: Type) -> Value:
    """``astype``. Floats that the integer type cannot hold are guarded: NumPy leaves them undefined, pandas raises for some."""
    if value.type.is_float and to.is_int:
        loop.guard(loop.emit(Fits(to), value), local=True)
    return loop.cast(value, to)


def ufunc_call(loop: LoopBuilder, ufunc: np.ufunc, operands: tuple[Operand, ...], call: str) -> tuple[Value, ...]:
    """`ufunc` on operands of one row each; at least one is a Value. Gives all its outputs."""
    if ufunc.signature is not None or ufunc.nin != len(operands):
        refuse("SW251", call=call)
    expected, dtypes = _resolved(ufunc, tuple(map(kind_of, operands)), call)
    if len(operands) == 2 and ufunc.__name__ in _COMPARISONS and _out_of_range(*operands):
        return (loop.const(bool(expected[0][0]), BOOL),)  # no value of the integer type compares otherwise
    types = [type_of(dtype, call) for dtype in dtypes]
    args = tuple(
        loop.cast(o, t) if isinstance(o, Value) else constant(loop, o, t.dtype, call)
        for o, t in zip(operands, types, strict=False)
    )
    results = _emit(loop, ufunc, operands, args, call)
    check_size(loop)
    for got, wanted, proto in zip(results, types[ufunc.nin :], expected, strict=True):
        if got.type != wanted or got.type.dtype != proto.dtype:
            raise InternalError(f"{call} resolved to {got.type}, NumPy gives {proto.dtype}")
    return results


def kind_of(operand: Operand) -> tuple[Any, ...]:
    """All that NumPy's choice of an inner loop, and its complaints, depend on: a dtype, or a constant with its type. (Equal
    constants may differ in their type, and zeros in their sign.)
    """
    return (operand.type.dtype,) if isinstance(operand, Value) else (type(operand), operand, str(operand))


def given(kind: tuple[Any, ...]) -> Any:
    """What stands for an operand of that kind where NumPy is asked."""
    return _one(kind[0]) if isinstance(kind[0], np.dtype) else kind[1]


@lru_cache(maxsize=1024)
def _resolved(ufunc: np.ufunc, kinds: tuple[Any, ...], call: str) -> tuple[tuple[np.ndarray, ...], tuple[np.dtype, ...]]:
    """What the ufunc gives for prototypes, and the dtypes of its inner loop."""
    expected = run_prototype(call, ufunc, *map(given, kinds))
    descriptors = tuple(kind[0] if isinstance(kind[0], np.dtype) else _descriptor(kind[1]) for kind in kinds)
    dtypes = ufunc.resolve_dtypes(descriptors + (None,) * ufunc.nout)
    return (expected if isinstance(expected, tuple) else (expected,)), dtypes


def _emit(
    loop: LoopBuilder, ufunc: np.ufunc, operands: tuple[Operand, ...], args: tuple[Value, ...], call: str
) -> tuple[Value, ...]:
    name = ufunc.__name__
    if name in _PARTS:
        return tuple(loop.call(part, *args) for part in _PARTS[name])
    if name not in _KNOWN or getattr(np, name) is not ufunc:
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


def guard_zeros_agree(loop: LoopBuilder, a: Value, b: Value) -> None:
    """Rows of two zeros with different signs go to Python."""
    zeros = [loop.call("equal", v, loop.const(0, v.type)) for v in (a, b)]
    signs = [loop.call("signbit", v) for v in (a, b)]
    apart = loop.call("logical_and", loop.call("logical_and", *zeros), loop.call("logical_xor", *signs))
    loop.guard(loop.call("logical_not", apart))


def _power(loop: LoopBuilder, operands: tuple[Operand, ...], args: tuple[Value, ...]) -> Value:
    base, exponent = args
    if exponent.type.is_int and isinstance(operands[1], Value):
        zero = loop.const(0, exponent.type)
        loop.guard(loop.call("greater_equal", exponent, zero), local=True)  # a negative one raises
        exponent = loop.call("maximum", exponent, zero)
    if exponent.type.is_float and not isinstance(operands[1], Value) and operands[1] == 2:
        return loop.call("square", base)  # NumPy's inner loop multiplies when the exponent is one 2.0 for all rows
    if HALF_IS_ROOT and exponent.type.is_float and not isinstance(operands[1], Value) and operands[1] == 0.5:
        return loop.call("sqrt", base)
    return loop.call("power", base, exponent)


def _descriptor(constant: Any) -> Any:
    if isinstance(constant, np.generic):
        return constant.dtype
    return np.dtype(np.bool_) if isinstance(constant, bool) else type(constant)


def _out_of_range(a: Operand, b: Operand) -> bool:
    """Whether a Python int meets an integer type that does not hold it."""
    value, number = (a, b) if isinstance(a, Value) else (b, a)
    if not (isinstance(value, Value) and value.type.is_int and type(number) is int):
        return False
    info = np.iinfo(value.type.dtype)
    return not info.min <= number <= info.max


class _Recorder(np.ndarray):
    """An array that notes which ufunc an operator ends in, instead of running it."""

    calls: list[tuple[np.ufunc, tuple[Any, ...]]]

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs:
            raise NotImplementedError(f"{ufunc.__name__}.{method}")
        self.calls.append((ufunc, inputs))
        return (self,) * ufunc.nout if ufunc.nout > 1 else self


def operator_call(loop: LoopBuilder, operator: Callable[..., Any], operands: tuple[Operand, ...], call: str) -> tuple[Value, ...]:
    """A Python operator on NumPy arrays: which ufunc it runs (``a ** 2`` is np.square) is asked of NumPy."""
    ufunc, inputs = _ufunc_of(operator, tuple(map(kind_of, operands)), call)
    return ufunc_call(loop, ufunc, tuple(operands[x] if is_position else x for is_position, x in inputs), call)


@lru_cache(maxsize=1024)
def _ufunc_of(operator: Callable[..., Any], kinds: tuple[Any, ...], call: str) -> tuple[np.ufunc, tuple[tuple[bool, Any], ...]]:
    """The ufunc that an operator ends in, and its inputs: numbers of operands, marked True, or constants."""
    operands = tuple(map(given, kinds))
    run_prototype(call, operator, *operands)
    calls: list[tuple[np.ufunc, tuple[Any, ...]]] = []
    recorders: list[Any] = []
    for kind, operand in zip(kinds, operands, strict=True):
        recorder: Any = operand
        if isinstance(kind[0], np.dtype):
            recorder = np.ones(1, kind[0]).view(_Recorder)
            recorder.calls = calls
        recorders.append(recorder)
    run_prototype(call, operator, *recorders)
    if len(calls) != 1:
        refuse("SW251", call=call)
    ufunc, inputs = calls[0]
    positions = [_position(x, recorders) for x in inputs]
    return ufunc, tuple((i is not None, constant_of(x) if i is None else i) for i, x in zip(positions, inputs, strict=True))


def _position(x: Any, recorders: list[Any]) -> int | None:
    return next((i for i, recorder in enumerate(recorders) if recorder is x), None)
