"""Lowers NumPy's functions of traced arguments to IR. `numpy_module` is the stand-in of NumPy that a compiled function sees.

A handler receives the user's arguments. It converts a Series to an array where NumPy does, and calls the Series' method where
NumPy does (np.clip, np.round). A function without a traced argument runs unchanged.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.types import BOOL
from udf_compiler.frontends.pandas.any_form import concerns, in_all_forms
from udf_compiler.frontends.pandas.array import TracedArray, apply, as_array
from udf_compiler.frontends.pandas.batch_dependent import is_batch_dependent
from udf_compiler.frontends.pandas.calls import arrays, lists, reductions
from udf_compiler.frontends.pandas.calls.batch_dependent_methods import truth
from udf_compiler.frontends.pandas.calls.membership import numpy_isin
from udf_compiler.frontends.pandas.calls.polynomials import digitize, interp, polyval, searchsorted
from udf_compiler.frontends.pandas.calls.strings.choose import choose, has_texts
from udf_compiler.frontends.pandas.calls.time_conversions import choose_times, has_times
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.python.ndarrays import leave_none
from udf_compiler.frontends.python.path_explorer import is_exploring
from udf_compiler.frontends.tracing.lower import BY_VALUE, cast, constant, prototype, run_prototype, type_of, ufunc_call
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import Traced, raw


def has_traced(x: Any) -> bool:
    """Whether `x`, or a list, tuple or dict within it, contains a traced value."""
    if isinstance(x, Traced):
        return True
    if isinstance(x, dict):
        return any(map(has_traced, x.values()))
    return isinstance(x, list | tuple) and any(map(has_traced, x))


def _operand(x: Any, call: str) -> Any:
    """Returns a traced value as an array, and a constant unchanged."""
    return as_array(x, call) if isinstance(x, Traced) else x


def _wrapped(loop: Any, value: Any, dtype: np.dtype, call: str) -> Value:
    """Converts a constant as np.where does: an integer that overflows the dtype wraps."""
    return constant(loop, np.asarray(value)[()], dtype, call)


#: Whether equal numbers are close for np.isclose with any tolerance. Before NumPy 2, finite rows are compared by the tolerance
#: alone, and others by ``==`` alone.
_EQUAL_IS_CLOSE = bool(np.isclose(1.0, 1.0, rtol=0.0, atol=-1.0))


def where(condition: Any, x: Any, y: Any) -> Any:
    call = "np.where"
    if has_texts((x, y)):
        return _where_of_texts(condition, x, y, call)
    if has_times((x, y)):
        return choose_times(_condition(condition, call).value, x, y, call)
    if is_batch_dependent(condition):
        condition = TracedArray(condition.loop, (truth(condition),))

    def choose(loop: Any, ops: tuple[Any, ...]) -> tuple[Value, ...]:
        expected = run_prototype(call, np.where, *map(prototype, ops))
        type = type_of(expected.dtype, call)
        condition, x, y = ops
        chosen = loop.cast(condition, BOOL) if isinstance(condition, Value) else loop.const(bool(condition), BOOL)
        a, b = (loop.cast(v, type) if isinstance(v, Value) else _wrapped(loop, v, type.dtype, call) for v in (x, y))
        return (loop.select(chosen, a, b),)

    return apply(choose, tuple(_operand(v, call) for v in (condition, x, y)), call)


def _condition(condition: Any, call: str) -> TracedArray:
    """Returns the condition of np.where as a one-dimensional array. Refuses (SW262) anything but a column."""
    array = TracedArray(condition.loop, (truth(condition),)) if is_batch_dependent(condition) else _operand(condition, call)
    if not isinstance(array, TracedArray) or array.ndim != 1:
        refuse("SW262", call=call, what="a condition that is not a column")
    return array


def _where_of_texts(condition: Any, x: Any, y: Any, call: str) -> Any:
    array = _condition(condition, call)
    return choose(array.loop, [array.loop.cast(array.value, BOOL)], (x,), y, call)


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    call = "np.select"
    if not (isinstance(condlist, list | tuple) and isinstance(choicelist, list | tuple)):
        refuse("SW262", call=call, what="an argument that is not a list")
    if len(condlist) != len(choicelist) or not condlist:
        refuse("SW252", call=call, error="ValueError: list of cases must be same length as list of conditions")
    count = len(condlist)
    if has_texts((*choicelist, default)):
        return _select_of_texts(condlist, choicelist, default, call)

    def choose(loop: Any, ops: tuple[Any, ...]) -> tuple[Value, ...]:
        protos = [prototype(o) for o in ops]
        expected = run_prototype(call, np.select, protos[:count], protos[count:-1], protos[-1])
        type = type_of(expected.dtype, call)
        values = [loop.cast(v, type) if isinstance(v, Value) else _wrapped(loop, v, type.dtype, call) for v in ops[count:]]
        result = values[-1]
        for condition, value in zip(reversed(ops[:count]), reversed(values[:-1]), strict=True):
            if not isinstance(condition, Value):
                refuse("SW262", call=call, what="a condition that is not a column")
            result = loop.select(condition, value, result)
        return (result,)

    return apply(choose, tuple(_operand(v, call) for v in (*condlist, *choicelist, default)), call)


def _select_of_texts(condlist: Any, choicelist: Any, default: Any, call: str) -> Any:
    arrays_ = [_operand(c, call) for c in condlist]
    if not all(isinstance(a, TracedArray) and a.ndim == 1 for a in arrays_):
        refuse("SW262", call=call, what="a condition that is not a column")
    if any(a.dtype != np.bool_ for a in arrays_):
        refuse("SW252", call=call, error="TypeError: invalid entry in condlist: should be boolean ndarray")
    return choose(arrays_[0].loop, [a.value for a in arrays_], choicelist, default, call)


def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    call = "np.nan_to_num"
    if copy is not True:
        refuse("SW256", call="np.nan_to_num(copy=False)")

    def replace(loop: Any, ops: tuple[Any, ...]) -> tuple[Value, ...]:
        (value,) = ops
        dtype = value.type.dtype
        if dtype.kind != "f":
            return (value,)
        probe = np.array([np.nan, np.inf, -np.inf], dtype)
        fills = run_prototype(call, np.nan_to_num, probe, nan=nan, posinf=posinf, neginf=neginf)
        result = loop.select(loop.call("isnan", value), loop.const(fills[0], value.type), value)
        for infinity, fill in ((np.inf, fills[1]), (-np.inf, fills[2])):
            at = loop.call("equal", value, loop.const(infinity, value.type))
            result = loop.select(at, loop.const(fill, value.type), result)
        return (result,)

    return apply(replace, (as_array(x, call),), call)


def isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    call = "np.isclose"
    if type(rtol) not in (int, float) or type(atol) not in (int, float):
        refuse("SW262", call=call, what="a tolerance that is not a Python number")

    def compare(loop: Any, ops: tuple[Any, ...]) -> tuple[Value, ...]:
        def call_of(ufunc: np.ufunc, *args: Any) -> Any:
            if not any(isinstance(x, Value) for x in args):
                return ufunc(*args)
            return ufunc_call(loop, ufunc, args, call)[0]

        x, y = ops
        _check_widths(ops, call)
        if isinstance(y, Value):
            y = cast(loop, y, type_of(np.result_type(y.type.dtype, 1.0), call))
        elif type(y) in (int, bool):
            y = float(y)
        elif isinstance(y, np.generic):
            y = y.astype(np.result_type(y, 1.0))
        size = call_of(np.absolute, y) if not isinstance(y, float) or isinstance(y, np.generic) else abs(y)
        scaled = rtol * size if not isinstance(size, Value) else call_of(np.multiply, rtol, size)
        bound = atol + scaled if not isinstance(scaled, Value) else call_of(np.add, atol, scaled)
        near = call_of(np.less_equal, call_of(np.absolute, call_of(np.subtract, x, y)), bound)
        finite, equal = call_of(np.isfinite, y), call_of(np.equal, x, y)
        if not _EQUAL_IS_CLOSE:
            finite = call_of(np.bitwise_and, finite, call_of(np.isfinite, x))
            equal = call_of(np.bitwise_and, equal, call_of(np.logical_not, finite))
        result = call_of(np.bitwise_or, call_of(np.bitwise_and, near, finite), equal)
        if equal_nan:
            both = call_of(np.bitwise_and, call_of(np.isnan, x), call_of(np.isnan, y))
            result = call_of(np.bitwise_or, result, both)
        return (result,)

    return apply(compare, (_operand(a, call), _operand(b, call)), call)


def _check_widths(operands: tuple[Any, ...], call: str) -> None:
    """Refuses (SW251) a float32 and a constant before NumPy 2, which compares as float64 in a batch with NaN or infinity."""
    dtypes = [x.type.dtype if isinstance(x, Value) else getattr(x, "dtype", None) for x in operands]
    if BY_VALUE and np.dtype(np.float32) in dtypes and not all(isinstance(x, Value) for x in operands):
        refuse("SW251", call=f"{call} of a float32 and a constant, before NumPy 2,")


def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    if isinstance(a, TracedSeries):
        return a.clip(low, high)
    if not isinstance(a, TracedArray):
        refuse("SW262", call="np.clip", what=f"{raw(a)} with traced bounds")
    return arrays.clip(a, low, high)


def round_(a: Any, decimals: int = 0) -> Any:
    if not isinstance(a, Traced):
        refuse("SW262", call="np.round", what=raw(a))
    return a.round(decimals)


def full_like(a: Any, fill_value: Any, dtype: Any = None) -> Any:
    call = "np.full_like"
    array = as_array(a, call)

    def fill(loop: Any, ops: tuple[Any, ...]) -> tuple[Value, ...]:
        proto = run_prototype(call, np.full_like, prototype(ops[0]), fill_value, dtype=dtype)
        return (loop.const(proto[0], type_of(proto.dtype, call)),)

    if has_traced(fill_value):
        refuse("SW262", call=call, what="a traced fill value")
    return apply(fill, (array,), call)


def zeros_like(a: Any, dtype: Any = None) -> Any:
    return full_like(a, 0, dtype)


def ones_like(a: Any, dtype: Any = None) -> Any:
    return full_like(a, 1, dtype)


def _reduction(name: str) -> Callable[..., Any]:
    def reduce(a: Any, axis: Any = None) -> Any:
        if not isinstance(a, TracedArray):
            refuse("SW250", call=f"np.{name}")
        return reductions.reduce(name, a, axis)

    return reduce


def _norm(x: Any, ord: Any = None, axis: Any = None) -> Any:
    """Implements np.linalg.norm of the rows of a matrix: the root of the sum of their squares."""
    matrix = as_array(x, "np.linalg.norm")
    if matrix.ndim != 2 or axis not in (1, -1) or ord not in (None, 2):
        refuse("SW250" if axis in (None, 0) else "SW262", call="np.linalg.norm", what="this form")
    if matrix.dtype.kind != "f":
        matrix = arrays.astype(matrix, float)
    return np.sqrt(reductions.reduce("sum", matrix._binary("mul", matrix, False), 1))


#: Handlers of functions with traced arguments. Ufuncs need no entry: `TracedSeries.__array_ufunc__` handles them.
TABLE: dict[Any, Callable[..., Any]] = {
    np.where: where,
    np.select: select,
    np.clip: clip,
    np.round: round_,
    np.around: round_,
    np.nan_to_num: nan_to_num,
    np.isclose: isclose,
    np.isin: numpy_isin,
    np.zeros_like: zeros_like,
    np.ones_like: ones_like,
    np.full_like: full_like,
    np.asarray: arrays.asarray,
    np.asanyarray: arrays.asarray,
    np.ascontiguousarray: arrays.asarray,
    np.array: arrays.array,
    np.copy: lambda a: arrays.array(a),
    np.column_stack: arrays.column_stack,
    np.stack: arrays.stack,
    np.vstack: arrays.vstack,
    np.hstack: arrays.hstack,
    np.concatenate: arrays.concatenate,
    np.transpose: arrays.transpose,
    np.dot: reductions.dot,
    np.polyval: polyval,
    np.interp: interp,
    np.digitize: digitize,
    np.searchsorted: searchsorted,
    np.linalg.norm: _norm,
    np.ndim: lambda a: as_array(a, "np.ndim").ndim,
} | {getattr(np, n): _reduction(n) for n in ("sum", "mean", "max", "min", "amax", "amin", "argmax", "any", "all")}

#: Functions whose results depend on other rows; they have a refusal of their own (SW250).
ROW_MIXING = frozenset(
    """cumsum cumprod diff sort argsort unique median percentile quantile std var average ptp argmax argmin flip roll
    nansum nanmean nanmax nanmin nanstd nanvar nanmedian nanpercentile nanquantile count_nonzero nonzero argwhere flatnonzero
    cov corrcoef polyfit histogram bincount convolve correlate ediff1d gradient trapezoid prod nanprod cumulative_sum size shape
    inner vdot outer tile repeat append array_equal allclose partition lexsort searchsorted take compress extract""".split()
)

#: Pure functions, which run unchanged on constants while a function is traced.
PURE = frozenset(
    """array asarray asanyarray ascontiguousarray zeros ones full arange linspace logspace geomspace eye identity diag
    zeros_like ones_like full_like sum mean prod max min amax amin any all std var median percentile quantile average cumsum
    cumprod diff sort argsort unique argmax argmin where select clip round around nan_to_num isclose allclose isin array_equal dot
    vdot inner outer tensordot einsum trace transpose reshape ravel squeeze expand_dims stack vstack hstack column_stack
    concatenate append insert delete repeat tile flip fliplr flipud roll rot90 broadcast_to atleast_1d atleast_2d meshgrid
    polyval polyfit interp digitize searchsorted histogram bincount count_nonzero nonzero flatnonzero argwhere take
    ndim shape size copy isscalar iscomplexobj isrealobj issubdtype result_type promote_types can_cast min_scalar_type
    common_type norm nansum nanmean nanmax nanmin nanstd nanvar nanmedian nanpercentile nanquantile triu tril diagonal
    cross kron trapezoid logical_and real imag angle sinc i0 array_split split vander poly roots polyadd polymul polyder polyint
    iterable base_repr""".split()
)  # fmt: skip


def name_of(function: Any) -> str:
    return f"np.{getattr(function, '__name__', function)}"


def call_function(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Calls the handler of a NumPy function of traced arguments. Refuses a function without one (SW250, SW251)."""
    if concerns(args, kwargs):
        return in_all_forms(lambda *a, **k: call_function(function, a, k), args, kwargs)
    if args and lists.concerns(args[0]):
        return lists.call_numpy(function, args, kwargs)
    if is_exploring() and args and args[0] is None:
        leave_none()
    handler = TABLE.get(function)
    call = name_of(function)
    if current().groups is not None:
        handler = current().groups.numpy_function(function, args) or handler
    if current().group is not None:
        args = tuple(map(current().group.alone, args))
        kwargs = {name: current().group.alone(x) for name, x in kwargs.items()}
        handler = current().group.numpy_function(function, args) or handler
        args = current().group.beside(args, call)
    if handler is None:
        name = getattr(function, "__name__", "")
        if current().group is not None and name in ROW_MIXING:
            refuse("SW312", call=call, what="not among the supported functions")
        refuse("SW250" if name in ROW_MIXING or name == "cumulative_sum" else "SW251", call=call)
    try:
        inspect.signature(handler).bind(*args, **kwargs)
    except TypeError as error:
        refuse("SW262", call=call, what=f"this form ({error})")
    return handler(*args, **kwargs)
