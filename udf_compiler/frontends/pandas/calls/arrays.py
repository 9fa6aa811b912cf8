"""Lowers methods, indexing and stacking of ndarrays to IR; an array is k columns, that is, k values for each row."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from udf_compiler.frontends.pandas.any_form import concerns, in_all_forms
from udf_compiler.frontends.pandas.apply.comprehensions import collect, is_collection, python_values
from udf_compiler.frontends.pandas.array import TracedArray, apply, as_array
from udf_compiler.frontends.pandas.calls.reductions import dot, reduction
from udf_compiler.frontends.python.builtin_calls import real_arguments
from udf_compiler.frontends.tracing.lower import (
    BY_VALUE,
    cast,
    constant,
    constant_of,
    dtype_of,
    is_number,
    prototype,
    run_prototype,
    type_of,
    ufunc_call,
)
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.frontends.tracing.values import Traced, raw


class TracedRows(Traced):
    """An array of shape (k, n) for n rows, as np.array([a, b]) makes it; only its transpose is supported."""

    __slots__ = ("array",)
    what = "array"
    stands_for = np.ndarray
    visible = frozenset({"T", "transpose"})

    def __init__(self, array: TracedArray) -> None:
        self.array = array

    @property
    def T(self) -> TracedArray:
        return self.array

    def transpose(self) -> TracedArray:
        return self.array

    def __getattr__(self, name: str) -> Any:
        refuse("SW250", call=f"an array of columns laid out as rows: .{name}")

    def _binary(self, name: str, *args: Any, **kwargs: Any) -> Any:
        refuse("SW251", call=f"{name} of an array of columns laid out as rows; transpose it first:")

    _unary = _in_place = __array_ufunc__ = _binary


class _Shape(StandIn):
    """The shape of an array, of which only the number of columns is known."""

    __slots__ = ("columns",)
    what = "array.shape"
    stands_for = tuple
    __class__ = tuple  # type: ignore[assignment]

    def __init__(self, columns: int) -> None:
        self.columns = columns

    def __getitem__(self, at: Any) -> int:
        if at not in (1, -1):
            refuse("SW250", call="array.shape[0]")
        return self.columns

    def _refuse(self, *args: Any) -> Any:
        refuse("SW250", call="array.shape")

    __iter__ = __eq__ = __len__ = __hash__ = _refuse  # type: ignore[assignment]


def asarray(a: Any, dtype: Any = None) -> Any:
    """Implements np.asarray: returns the array itself, or a copy in another dtype."""
    if isinstance(a, list | tuple) or is_collection(a):
        return array(a, dtype)
    result = as_array(a, "np.asarray")
    return result if dtype is None or dtype_of(dtype, "np.array") == result.dtype else astype(result, dtype)


def array(object: Any, dtype: Any = None, copy: Any = True) -> Any:
    """Implements np.array: returns a copy; a list of columns becomes the rows of a (k, n) array."""
    if copy is not True:
        refuse("SW262", call="np.array", what="the argument copy=")
    if is_collection(object):
        object = collect(object)
    if isinstance(object, list | tuple):
        return _rows("np.array", np.array, object, dtype)
    made = as_array(object, "np.array")
    result = TracedArray(made.loop, made.columns, made.ndim, made.order)
    return result if dtype is None or dtype_of(dtype, "np.array") == result.dtype else astype(result, dtype)


def _columns(parts: Any, call: str) -> list[TracedArray]:
    if not isinstance(parts, list | tuple) or not parts:
        refuse("SW262", call=call, what="anything but a list of columns")
    if not all(isinstance(p, Traced) for p in parts):
        refuse("SW262", call=call, what="a constant among the columns")
    return [as_array(p, call) for p in parts]


def _like(x: TracedArray) -> np.ndarray:
    """Returns a NumPy array of 5 rows with the dtype, number of columns and memory order of `x`."""
    ones = np.ones((5, len(x.columns)), x.dtype)
    return ones[:, 0].copy() if x.ndim == 1 else np.asfortranarray(ones) if x.order == "F" else ones


def _joined(call: str, function: Callable[..., Any], parts: Sequence[TracedArray], dtype: Any = None) -> TracedArray:
    """Concatenates the columns of `parts` in their common dtype; a call of NumPy on prototypes determines the memory order."""
    loop = parts[0].loop
    protos = [_like(p) for p in parts]
    made = run_prototype(call, function, protos)
    type = type_of(made.dtype if dtype is None else dtype_of(dtype, call), call)
    columns = [cast(loop, v, type) for p in parts for v in p.columns]
    order = "C" if made.flags.c_contiguous else "F" if made.flags.f_contiguous else None
    if any(p.ndim == 2 and p.order is None for p in parts):
        order = None
    return TracedArray(loop, columns, 2, order)


def _rows(call: str, function: Callable[..., Any], parts: Any, dtype: Any = None) -> TracedRows:
    arrays = _columns(parts, call)
    if any(a.ndim != 1 for a in arrays):
        refuse("SW250", call=f"{call} of two-dimensional arrays")
    return TracedRows(_joined(call, lambda protos: function(protos).T, arrays, dtype))


def column_stack(tup: Any) -> TracedArray:
    return _joined("np.column_stack", np.column_stack, _columns(tup, "np.column_stack"))


def stack(arrays: Any, axis: int = 0) -> Any:
    parts = _columns(arrays, "np.stack")
    if any(p.ndim != 1 for p in parts):
        refuse("SW262", call="np.stack", what="a two-dimensional array")
    if axis == 0:
        return _rows("np.stack", np.stack, arrays)
    return _joined("np.stack", lambda protos: np.stack(protos, axis), parts)


def vstack(tup: Any) -> TracedRows:
    return _rows("np.vstack", np.vstack, tup)


def concatenate(arrays: Any, axis: int = 0) -> TracedArray:
    parts = _columns(arrays, "np.concatenate")
    if any(p.ndim != 2 for p in parts) or axis not in (1, -1):
        refuse("SW250", call="np.concatenate along the rows")
    return _joined("np.concatenate", lambda protos: np.concatenate(protos, axis), parts)


def hstack(tup: Any) -> TracedArray:
    return concatenate(tup, 1)


def transpose(a: Any) -> Any:
    if isinstance(a, TracedRows) or (isinstance(a, TracedArray) and a.ndim == 1):
        return a.T
    refuse("SW250", call="np.transpose")


def astype(x: TracedArray, dtype: Any, copy: bool = True) -> TracedArray:
    """Implements ndarray.astype. Guards floats that overflow the integer type: NumPy leaves their results undefined."""
    made = run_prototype("array.astype", np.ones(1, x.dtype).astype, dtype)
    type = type_of(made.dtype, "array.astype")
    shared = copy is not True
    x.shared = x.shared or shared
    return TracedArray(x.loop, [cast(x.loop, v, type) for v in x.columns], x.ndim, x.order, shared)


def _power_of_ten(n: int) -> float:
    """Returns 10**n as NumPy computes it (multiarray/calculation.c): exact up to 1e8, then by repeated multiplication."""
    if n < 9:
        return float(10**n)
    result = 1e9
    for _ in range(n - 9):
        result *= 10.0
    return result


def round_(x: TracedArray, decimals: int = 0) -> TracedArray:
    """Implements ndarray.round: multiply, rint, divide; for negative `decimals`, divide, rint, multiply."""
    call = "round"
    if type(decimals) is not int and not isinstance(decimals, np.integer):
        refuse("SW262", call=call, what=f"decimals={raw(decimals)}")
    decimals = int(decimals)

    def rounded(loop: LoopBuilder, ops: tuple[Any, ...]) -> tuple[Value, ...]:
        (value,) = ops
        proto = run_prototype(call, prototype(value).round, decimals)
        if proto.dtype != value.type.dtype:
            refuse("SW254", call=call, type=proto.dtype.name)
        if not value.type.is_float:
            if decimals >= 0:
                return (value,)
            refuse("SW262", call=call, what="negative decimals of integers")
        if decimals == 0:
            return ufunc_call(loop, np.rint, (value,), call)
        first, last = (np.multiply, np.divide) if decimals > 0 else (np.divide, np.multiply)
        factor = _power_of_ten(abs(decimals))
        scaled = ufunc_call(loop, first, (value, factor), call)
        return ufunc_call(loop, last, (*ufunc_call(loop, np.rint, scaled, call), factor), call)

    result = apply(rounded, (x,), call)
    if x.dtype.kind != "f":  # NumPy returns the array itself
        x.shared = result.shared = True
    return result


def _single(x: Any) -> Any:
    """Returns the element of an array of one element, which broadcasts as a scalar; other values unchanged."""
    return x.ravel()[0] if isinstance(x, np.ndarray) and x.size == 1 else x


#: Whether np.clip with two scalar bounds returns x when x equals a bound. Before NumPy 2, it always returns the bound.
_KEEPS_EQUAL = bool(np.signbit(np.clip(np.array([-0.0]), 0.0, 2.0)[0]))


def clip(x: TracedArray, low: Any = None, high: Any = None) -> TracedArray:
    """Implements ndarray.clip: min(max(x, low), high), NaN where x or a bound is NaN."""
    call = "clip"
    bounds = [as_array(b, call) if isinstance(b, Traced) else _single(b) for b in (low, high)]
    if x.ndim == 2 and not all(b is None or is_number(b) for b in bounds):
        refuse("SW262", call=call, what="a two-dimensional array with bounds that are not scalars")
    if x.dtype.kind == "i" and not BY_VALUE:
        limits = np.iinfo(x.dtype)  # NumPy ignores Python int bounds at or beyond the type's limits
        bounds[0] = None if type(bounds[0]) is int and bounds[0] <= limits.min else bounds[0]
        bounds[1] = None if type(bounds[1]) is int and bounds[1] >= limits.max else bounds[1]
    given = [b for b in bounds if b is not None]

    def clipped(loop: LoopBuilder, ops: tuple[Any, ...]) -> tuple[Value, ...]:
        protos = iter([prototype(o) for o in ops])
        first = next(protos)
        kwargs = {k: next(protos) for k, b in zip(("min", "max"), bounds, strict=True) if b is not None}
        made = run_prototype(call, first.clip, **kwargs) if kwargs else first
        type = type_of(made.dtype, call)
        values = [loop.cast(o, type) if isinstance(o, Value) else constant(loop, o, type.dtype, call) for o in ops]
        if len(given) < 2:  # one bound: NumPy runs maximum or minimum
            name = "maximum" if bounds[0] is not None else "minimum"
            return (loop.call(name, *values) if given else values[0],)
        result = values[0]
        scalars = _KEEPS_EQUAL and not any(isinstance(o, Value) for o in ops[1:])
        for compare, bound in zip(("less", "greater") if scalars else ("greater", "less"), values[1:], strict=True):
            if scalars:  # NumPy has a separate loop for scalar bounds: it returns x when x equals a bound
                beyond = loop.call(compare, result, bound)
                if type.is_float:
                    beyond = loop.call("logical_or", beyond, loop.call("isnan", bound))
                result = loop.select(beyond, bound, result)
                continue
            keep = loop.call(compare, result, bound)
            if type.is_float:
                keep = loop.call("logical_or", keep, loop.call("isnan", result))
            result = loop.select(keep, result, bound)
        return (result,)

    return apply(clipped, (x, *given), call)


def item(x: TracedArray, key: Any) -> Any:
    """Implements ``x[:, j]``, ``x[:, a:b]``, ``x[:, [i, j]]`` and ``x[:, None]``; refuses indexing that selects rows (SW250)."""
    if type(key) is int and x.ndim == 1 and current().group is not None:
        return current().group.element(x, key, "array[...]")
    if isinstance(key, slice) and key != slice(None) and x.ndim == 1 and current().group is not None:
        return current().group.rows_at(x, key)
    rest = key[1:] if isinstance(key, tuple) else ()
    first = key[0] if isinstance(key, tuple) and key else key
    if isinstance(first, slice) and first == slice(None) and len(rest) <= 1:
        if not rest:
            return _view(x, x.columns, x.ndim)
        (at,) = rest
        if x.ndim == 1 and at is None:
            return _view(x, x.columns, 2)
        if x.ndim == 2 and type(at) is int:
            if not -len(x.columns) <= at < len(x.columns):
                refuse("SW252", call="array[:, ...]", error=f"IndexError: index {at} is out of bounds")
            return _view(x, (x.columns[at],), 1)
        if x.ndim == 2 and isinstance(at, slice) and x.columns[at]:
            order = x.order if at.step in (None, 1) else None
            return _view(x, x.columns[at], 2, order)
        if x.ndim == 2 and isinstance(at, list) and at and all(type(j) is int and 0 <= j < len(x.columns) for j in at):
            return TracedArray(x.loop, [x.columns[j] for j in at], 2, None)
    refuse("SW250", call="array[...]")


def _view(x: TracedArray, columns: Sequence[Value], ndim: int, order: str | None = "keep") -> TracedArray:
    x.shared = True
    return TracedArray(x.loop, columns, ndim, x.order if order == "keep" else order, shared=True)


def set_item(x: TracedArray, key: Any, value: Any) -> None:
    """Implements ``x[mask] = scalar`` on an unshared one-dimensional array; casts the scalar to the array's dtype."""
    call = "array[...] = ..."
    if x.shared:
        refuse("SW256", call=call)
    group = current().group
    if group is not None and type(key) is int and x.ndim == 1:
        group.set_element(x, key, constant_of(value))
        return
    if not isinstance(key, Traced) or x.ndim != 1:
        refuse("SW262", call=call, what="anything but a mask")
    mask, value = as_array(key, call), constant_of(value)
    if mask.ndim != 1 or mask.dtype != np.bool_ or mask.loop is not x.loop or not is_number(value):
        refuse("SW262", call=call, what=f"a {mask.dtype} index with {raw(value)}")

    def assigned() -> Any:
        proto = np.ones(2, x.dtype)
        proto[np.array([True, False])] = value
        return proto[0]

    constant_value = x.loop.const(run_prototype(call, assigned), x.value.type)
    x.columns = (x.loop.select(mask.value, constant_value, x.value),)


def _reshape(x: TracedArray, *shape: Any) -> TracedArray:
    shape = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
    if shape == (-1, 1) and len(x.columns) == 1:
        return _view(x, x.columns, 2)
    if shape == (-1,) and len(x.columns) == 1:
        return _view(x, x.columns, 1)
    if x.ndim == 2 and shape == (-1, len(x.columns)):
        return _view(x, x.columns, 2)
    refuse("SW250", call="array.reshape")


def _flat(x: TracedArray) -> TracedArray:
    return _reshape(x, -1)


#: Methods of ndarray.
METHODS: dict[str, Callable[..., Any]] = {
    "astype": astype,
    "round": round_,
    "clip": lambda x, min=None, max=None: clip(x, min, max),
    "copy": lambda x: TracedArray(x.loop, x.columns, x.ndim, x.order),
    "tolist": python_values,
    "dot": dot,
    "reshape": _reshape,
    "ravel": _flat,
    "flatten": lambda x: TracedArray(x.loop, _flat(x).columns, 1),
}
METHODS.update({name: reduction(name) for name in ("sum", "mean", "max", "min", "argmax", "any", "all")})

_VALUES = frozenset("tolist item tobytes tostring dump tofile data flat ctypes".split())
_IN_PLACE = frozenset("fill put sort partition itemset resize setfield setflags byteswap".split())
_ELEMENTWISE_MISSING = frozenset("conj conjugate real imag view strides flags base itemsize nbytes".split())


def attribute(x: TracedArray, name: str) -> Any:
    """Returns an attribute of ndarray, or refuses it."""
    if current().groups is not None and x.ndim == 1:
        reduction_ = current().groups.array_attribute(x, name)
        if reduction_ is not None:
            return reduction_
    if current().group is not None and x.ndim == 1:
        reduction_ = current().group.array_attribute(x, name)
        if reduction_ is not None:
            return reduction_
    if name == "T" and x.ndim == 1:
        return _view(x, x.columns, 1)
    if name == "shape" and x.ndim == 2:
        return _Shape(len(x.columns))
    if name in METHODS:
        return bound(METHODS[name], x, f"array.{name}")
    call = f"array.{name}"
    if name in _VALUES:
        refuse("SW259", call=call)
    if name in _IN_PLACE:
        refuse("SW256", call=call)
    if not hasattr(np.ndarray, name):
        refuse("SW252", call=call, error=f"AttributeError: 'numpy.ndarray' object has no attribute {name!r}")
    refuse("SW251" if name in _ELEMENTWISE_MISSING or name.startswith("__") else "SW250", call=call)


def bound(function: Callable[..., Any], x: Any, call: str) -> Callable[..., Any]:
    """Binds `x` as the first argument of `function`. Calls refuse unsupported signatures (SW262)."""
    return called(functools.partial(function, x), call)


def called(function: Callable[..., Any], call: str) -> Callable[..., Any]:
    """Wraps `function` so that calls refuse unsupported signatures (SW262)."""

    def method(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = real_arguments(args, kwargs)
        check_form(function, args, kwargs, call)
        return in_all_forms(function, args, kwargs) if concerns(args, kwargs) else function(*args, **kwargs)

    method.__name__ = call
    return method
