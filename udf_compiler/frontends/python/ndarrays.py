"""Lowers a one-dimensional ndarray of the row: operators, ufuncs and functions of its elements, masks, and reductions.

In the loop over its elements, an element is a column value as in `trace`. Promotion, wrap-around and functions are therefore
those of arrays.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from sparkweld.ir import LoopBuilder, ProgramBuilder, Type, Value
from sparkweld.ir.ops import Arg, Call, ListCall
from sparkweld.ir.ops.elementwise import LIBM_ULP
from sparkweld.ir.types import BOOL, F32, F64, I64, STR, Items, list_of
from udf_compiler.frontends.python.list_maps import kept, mapped
from udf_compiler.frontends.python.numpy_scalars import numpy_scalar, typed
from udf_compiler.frontends.python.operands import guard_between, is_number, make_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.lower import constant_of, type_of
from udf_compiler.frontends.tracing.lower import is_number as is_constant
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.values import BINARY, UNARY, Traced, raw, symbol

#: The longest array in Spark.
LONGEST = 2**31 - 1

#: The most elements of a constant array: a program should not carry more.
_LONGEST_CONSTANT = 4096


def is_ndarray(x: object) -> bool:
    """Whether `x` is an ndarray of the row."""
    return is_scalar(x) and x.is_ndarray  # type: ignore[attr-defined]


def elementwise(function: Callable[..., Any], args: Sequence[Any], call: str) -> TracedScalar:
    """Evaluates ``function(*args)`` for numbers, arrays of the row and constant arrays, all arrays of equal lengths.

    `function` receives symbolic arrays of single elements instead. Refuses other arguments (SW222) and functions of libm (SW286).
    """
    known = [_operand(x, call) for x in args]
    if function in (np.power, operator.pow) and is_scalar(known[1]) and known[1].kind == "float":
        refuse("SW222", call=f"{call} with an exponent of the row", kind="ndarray")  # NumPy takes the root for 0.5
    lists = [x for x in known if isinstance(x, Value) and x.type.is_list]
    row = typed([x for x in known if is_scalar(x)], lists, call)
    _guard_lengths(lists)

    def of(block: LoopBuilder, elements: Sequence[Value], numbers: Sequence[Value]) -> Value:
        at, given = iter(elements), iter(numbers)
        arrays = [next(at) if isinstance(x, Value) else next(given) if is_scalar(x) else x for x in known]
        made = current().dispatch.of_arrays(function, block, arrays)
        return refuse("SW222", call=call, kind="ndarray") if made is None else made

    return _array(mapped(explorer().loop, lists, row, list_of(_type_of(of, lists, row, call)), of))


def binary(name: str, a: Any, b: Any) -> TracedScalar:
    """Applies an operator with an ndarray of the row as an operand."""
    return elementwise(BINARY[name], (a, b), symbol(name))


def unary(name: str, x: TracedScalar) -> TracedScalar:
    """Returns ``-x``, ``+x``, ``abs(x)`` or ``~x``."""
    return elementwise(UNARY[name], (x,), f"unary {name}")


def call_ufunc(ufunc: np.ufunc, inputs: tuple[Any, ...]) -> TracedScalar:
    """Applies a NumPy function to arrays and numbers of the row."""
    return elementwise(ufunc, inputs, f"np.{ufunc.__name__}")


def refuse_in_place(x: TracedScalar, name: str) -> NoReturn:
    refuse("SW256", call=f"ndarray {symbol(name)}= ...")


def attribute(x: TracedScalar, name: str) -> Any:
    """Returns ``x.name``; None for an unsupported attribute."""
    if name in _PROPERTIES:
        return _PROPERTIES[name](x)
    if name in _REDUCTIONS:
        return bound(_REDUCTIONS[name], x, f"ndarray.{name}")
    if name in _METHODS:
        return lambda *args, **kwargs: _method(name, x, args, kwargs)
    return None


def numpy_function(name: str, x: TracedScalar, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Evaluates ``np.name(x, ...)``; refuses unsupported functions (SW222)."""
    call_numpy = current().dispatch.call_numpy
    if name in _REDUCTIONS:
        return bound(_REDUCTIONS[name], x, f"np.{name}")(*args, **kwargs)
    if name == "where" and len(args) == 2 and not kwargs:
        return elementwise(lambda *given: call_numpy(np.where, given, {}), (x, *args), "np.where")
    if name not in _FUNCTIONS or any(isinstance(a, Traced) for a in (*args, *kwargs.values())):
        refuse("SW222", call=f"np.{name}", kind="ndarray")
    return elementwise(lambda a: call_numpy(getattr(np, name), (a, *args), kwargs), (x,), f"np.{name}")


def _method(name: str, x: TracedScalar, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TracedScalar:
    if any(isinstance(a, Traced) for a in (*args, *kwargs.values())):
        refuse("SW222", call=f".{name} of this form", kind="ndarray")
    return elementwise(lambda a: getattr(a, name)(*args, **kwargs), (x,), f".{name}")


def masked(x: TracedScalar, mask: Any) -> TracedScalar:
    """Returns ``x[mask]`` for an array of bools as long as `x`."""
    if not is_ndarray(mask) or mask.value.type.element != BOOL:
        refuse("SW222", call=f"[...] with {raw(mask)}", kind="ndarray")
    _guard_lengths([x.value, mask.value])
    return _array(kept(explorer().loop, x.value, mask.value))


def _array(made: Value) -> TracedScalar:
    loop = explorer().loop
    explorer().guard(loop.is_valid(made))
    return TracedScalar(made.type.kind, loop.value_of(made), numpy="ndarray")


def _operand(x: Any, call: str) -> Any:
    """Returns an operand as a list of the loop, a number of the row, or a constant; refuses others (SW222)."""
    if is_ndarray(x) and x.value.type.element != STR:
        return x.value
    if is_scalar(x):
        return x if is_number(x) and not x.is_list else refuse("SW222", call=f"{call} with {raw(x)}", kind="ndarray")
    x = constant_of(x)
    if is_constant(x):
        return x
    if isinstance(x, list | tuple) and x and all(type(v) in (int, float, bool) for v in x):
        x = np.asarray(x)
    if type(x) is not np.ndarray or x.ndim != 1 or not 0 < x.size <= _LONGEST_CONSTANT:
        refuse("SW222", call=f"{call} with {raw(x)}", kind="ndarray")
    element = type_of(x.dtype, call)
    if x.size == 1:
        return x[0]
    return explorer().loop.const(Items(element.kind, tuple(x.tolist())), list_of(element))


def _guard_lengths(lists: Sequence[Value]) -> None:
    """Guards rows with unequal lengths: NumPy raises, or broadcasts an array of one element."""
    loop = explorer().loop
    first, *others = (loop.emit(ListCall("length", x.type), x) for x in lists)
    for other in others:
        explorer().guard(loop.call("equal", first, other))


def _type_of(of: Callable[..., Value], lists: Sequence[Value], row: Sequence[Value], call: str) -> Type:
    """Returns the type of the results, by a first trace."""
    block = ProgramBuilder("region", ()).loop("block")
    types = [*(x.type.element for x in lists), *(x.type for x in row)]
    args = [block.emit(Arg(number, type)) for number, type in enumerate(types)]
    made = of(block, args[: len(lists)], args[len(lists) :])
    if any(isinstance(let.op, Call) and let.op.fn in LIBM_ULP for let in block.body):
        refuse("SW286", call=call)
    return made.type


def _call(fn: str, x: TracedScalar) -> Value:
    return explorer().loop.emit(ListCall(fn, x.value.type), x.value)


def length(x: TracedScalar) -> TracedScalar:
    """Returns ``len(x)`` of an array or a list."""
    return make_int(_call("length", x), (0, LONGEST))


def _is_empty(x: TracedScalar) -> Value:
    return explorer().loop.call("equal", _call("length", x), explorer().loop.const(0, I64))


def _reduction(function: Callable[[TracedScalar], Any]) -> Callable[..., Any]:
    def reduced(x: TracedScalar, axis: Any = None) -> Any:
        _check_axis(axis)
        return function(x)

    return reduced


def _check_axis(axis: Any) -> None:
    if axis not in (None, 0, -1):
        refuse("SW222", call="a reduction with this axis", kind="ndarray")


def _sum(x: TracedScalar) -> TracedScalar:
    total = _call("sum_pairwise" if x.value.type.element.is_float else "sum_wrapping", x)
    return numpy_scalar(total, total.type.dtype)


def _test(name: str) -> Callable[..., Any]:
    return _reduction(lambda x: numpy_scalar(_call(name, x), np.dtype(np.bool_)))


def _mean(x: TracedScalar) -> TracedScalar:
    """Returns the sum divided by the count; sums integers in float64, where the sum is exact."""
    loop, of = explorer().loop, x.value.type.element
    explorer().guard(loop.call("logical_not", _is_empty(x)))  # NumPy warns and returns NaN
    total = _call("sum_pairwise", x) if of.is_float else _exact_sum(x)
    return numpy_scalar(loop.call("divide", total, loop.cast(_call("length", x), total.type)), total.type.dtype)


def _exact_sum(x: TracedScalar) -> Value:
    """Returns the sum of integers in float64; guards rows whose partial sums may round."""
    loop, of = explorer().loop, x.value.type.element
    guard_between(loop, _call("length", x), 0, 2**21)
    for fn in ("smallest", "largest") if of == I64 else ():
        guard_between(loop, loop.value_of(_call(fn, x)), -(2**32), 2**32)
    return loop.cast(_call("sum_wrapping", x), F64)


def _variance(x: TracedScalar, axis: Any = None, *, ddof: Any = 0) -> TracedScalar:
    """Returns NumPy's variance (_methods.py): the sum of squared deviations from the mean, divided by the count minus `ddof`."""
    _check_axis(axis)
    loop, of = explorer().loop, x.value.type.element
    if type(ddof) is not int or of == F32:
        refuse("SW222", call=".var of this form", kind="ndarray")
    mean, count = _mean(x), _call("length", x)
    explorer().guard(loop.call("greater", count, loop.const(ddof, I64)))  # NumPy warns
    apart = elementwise(operator.sub, (x, mean), ".var")
    total = _call("sum_pairwise", elementwise(operator.mul, (apart, apart), ".var"))
    freedom = loop.cast(loop.call("subtract", count, loop.const(ddof, I64)), F64)
    return numpy_scalar(loop.call("divide", total, freedom), F64.dtype)


def _deviation(x: TracedScalar, axis: Any = None, *, ddof: Any = 0) -> TracedScalar:
    return numpy_scalar(explorer().loop.call("sqrt", _variance(x, axis, ddof=ddof).value), F64.dtype)


def _extreme(name: str) -> Callable[..., Any]:
    def extreme(x: TracedScalar) -> TracedScalar:
        loop, of = explorer().loop, x.value.type.element
        if of == BOOL:
            refuse("SW222", call=f".{name}() of bools", kind="ndarray")
        explorer().raise_if(_is_empty(x), lambda: ValueError("zero-size array to reduction operation which has no identity"))
        fn = {"min": "minimum", "max": "maximum"} if of.is_float else {"min": "smallest", "max": "largest"}
        value = loop.value_of(_call(fn[name], x))
        if of.is_float:
            explorer().guard(loop.call("not_equal", value, loop.const(0, of)))  # which of 0.0 and -0.0 wins depends on the CPU
        return numpy_scalar(value, of.dtype)

    return _reduction(extreme)


def bound(function: Callable[..., Any], x: TracedScalar, call: str) -> Callable[..., Any]:
    """Returns `function` as a method of `x`; refuses arguments that it does not take (SW262)."""

    def called(*args: Any, **kwargs: Any) -> Any:
        check_form(function, (x, *args), kwargs, call)
        return function(x, *args, **kwargs)

    return called


_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "sum": _reduction(_sum), "mean": _reduction(_mean), "any": _test("any"), "all": _test("all"),
    "min": _extreme("min"), "max": _extreme("max"), "amin": _extreme("min"), "amax": _extreme("max"),
    "var": _variance, "std": _deviation,
}  # fmt: skip
_PROPERTIES: dict[str, Callable[[TracedScalar], Any]] = {
    "size": length, "shape": lambda x: (length(x),), "ndim": lambda x: 1, "dtype": lambda x: x.value.type.element.dtype,
}  # fmt: skip
#: Elementwise methods of ndarrays and functions of NumPy: each result depends on one element alone.
_METHODS = frozenset(("astype", "clip", "copy", "round"))
_FUNCTIONS = frozenset("around array asarray clip copy full_like isclose isin nan_to_num ones_like round zeros_like".split())

__all__ = ["elementwise", "is_ndarray", "masked"]
