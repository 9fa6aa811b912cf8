"""Traces NumPy arrays of one value, or one row of k values, per row of the batch, by NumPy's own rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from udf_compiler.frontends.pandas.columns import ColumnLike, defers
from udf_compiler.frontends.tracing.lower import Operand, constant_of, is_number, operator_call, type_of, ufunc_call
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import BINARY, REFLECTED, UNARY, ndarray_class, raw, symbol


class TracedArray(ColumnLike):
    """A symbolic array of shape (n,), one column, or (n, k), k columns of one dtype; `order` is "C", "F" or None (unknown)."""

    __slots__ = ("columns", "dtype", "loop", "ndim", "order", "shared")
    what = "array"
    stands_for = np.ndarray
    visible = frozenset({"dtype", "ndim"})
    operator_rank = 0

    loop: LoopBuilder
    columns: tuple[Value, ...]
    dtype: np.dtype
    ndim: int
    order: str | None

    def __init__(
        self, loop: LoopBuilder, columns: Sequence[Value], ndim: int = 1, order: str | None = "C", shared: bool = False
    ) -> None:
        self.loop, self.columns, self.ndim, self.order, self.shared = loop, tuple(columns), ndim, order, shared
        self.dtype = self.columns[0].type.dtype

    @property
    def value(self) -> Value:
        """Returns the value of a row of a one-dimensional array."""
        assert self.ndim == 1
        return self.columns[0]

    __class__ = property(ndarray_class)  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return current().dispatch.attribute(self, name)

    def __getitem__(self, key: Any) -> Any:
        return current().dispatch.item(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        current().dispatch.set_item(self, key, value)

    def __iter__(self) -> Any:
        return current().dispatch.rows(self)

    def __round__(self, decimals: int | None = None) -> Any:
        refuse("SW252", call="round() of an array", error="TypeError: type numpy.ndarray doesn't define __round__ method")

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        if defers(self, other):
            return NotImplemented  # NumPy defers to the Series, which runs its reflected operator
        call = f"array {symbol(name)} ..." if not reflected else f"... {symbol(name)} array"
        function = REFLECTED[name] if reflected else BINARY[name]
        return apply(lambda loop, ops: operator_call(loop, function, ops, call), (self, other), call)

    def _unary(self, name: str) -> Any:
        function, call = UNARY[name], f"{name} of an array"
        return apply(lambda loop, ops: operator_call(loop, function, ops, call), (self,), call)

    def _in_place(self, name: str, other: Any) -> Any:
        call = f"array {symbol(name)}= ..."
        if self.shared:
            refuse("SW256", call=call)
        result = apply(lambda loop, ops: operator_call(loop, BINARY[name], ops, call), (self, other), call)
        if result.dtype != self.dtype or result.ndim != self.ndim or len(result.columns) != len(self.columns):
            refuse("SW262", call=call, what="a result of another dtype or shape")
        self.columns = result.columns
        return self

    def __matmul__(self, other: Any) -> Any:
        return current().dispatch.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        refuse("SW250", call="... @ array")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        call = f"np.{ufunc.__name__}"
        if method != "__call__":
            refuse("SW250", call=f"{call}.{method}")
        if kwargs:
            return into_array(ufunc, inputs, **kwargs)
        if defers(self, *inputs):
            return NotImplemented  # ndarray defers to the Series
        if ufunc is np.matmul and isinstance(inputs[0], TracedArray):
            return current().dispatch.matmul(*inputs)
        return apply(lambda loop, ops: ufunc_call(loop, ufunc, ops, call), inputs, call)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return current().dispatch.call_numpy(function, args, kwargs)

    def to_array(self, call: str) -> TracedArray:
        return self


def array_of(loop: LoopBuilder, value: Value) -> TracedArray:
    """Returns a new one-dimensional array."""
    return TracedArray(loop, (value,))


def as_array(x: Any, call: str) -> TracedArray:
    """Returns np.asarray of a traced value: a view. Refuses dates."""
    if not isinstance(x, ColumnLike):
        refuse("SW262", call=call, what=raw(x))
    return x.to_array(call)


def into_array(ufunc: np.ufunc, inputs: tuple[Any, ...], out: Any = None, where: Any = None, **others: Any) -> TracedArray:
    """Evaluates ``ufunc(*inputs, out=array, where=mask)``, which returns `array` with the results where the mask holds.

    Computing the other elements, too, changes nothing: no ufunc raises for a number. Refuses (SW262) any other argument, an array
    of another dtype than that of the results, and `where` without `out`, which leaves elements of unknown values. Refuses (SW256)
    an array that may be a view.
    """
    call = f"np.{ufunc.__name__}"
    if others:
        refuse("SW262", call=call, what=f"the argument {sorted(others)[0]}=")
    array = out[0] if type(out) is tuple and len(out) == 1 else out
    if type(array) is not TracedArray or array.ndim != 1:
        refuse("SW262", call=call, what="the argument where= without out=" if out is None else f"{raw(array)} as out=")
    if array.shared:
        refuse("SW256", call=f"{call}(out=...)")
    found, masks = as_array(ufunc(*inputs), call), [] if where is None else [as_array(where, call)]
    if any(x.ndim != 1 or x.loop is not array.loop for x in (found, *masks)) or any(m.dtype != np.bool_ for m in masks):
        refuse("SW262", call=call, what="a where= that is not a mask of the rows, or results of other rows,")
    if found.dtype != array.dtype:
        refuse("SW262", call=call, what=f"results of dtype {found.dtype} into an array of dtype {array.dtype}")
    array.columns = (array.loop.select(masks[0].value, found.value, array.value) if masks else found.value,)
    return array


def apply(function: Callable[[LoopBuilder, tuple[Operand, ...]], tuple[Value, ...]], args: Sequence[Any], call: str) -> Any:
    """Applies an elementwise function to arrays and constants, broadcast as NumPy does; returns the outputs as arrays."""
    arrays = [a for a in args if isinstance(a, TracedArray)]
    loop = arrays[0].loop
    group = current().group
    if group is not None and any(map(group.has_array, args)):
        args = [group.array_beside(a, arrays, call) if group.has_array(a) else a for a in args]
        arrays = [a for a in args if isinstance(a, TracedArray)]
    if any(a.loop is not loop for a in arrays):
        refuse("SW262", call=call, what="a column of another function call")
    ndim = max(a.ndim for a in arrays)
    wide = [a for a in arrays if a.ndim == ndim]
    if len(wide) < len(arrays):
        refuse("SW257", call=call, shape="(n,), which NumPy broadcasts along the columns of a two-dimensional array,")
    constants = [_constant(a, ndim, loop, call) for a in args if not isinstance(a, TracedArray)]
    widths = {len(a.columns) for a in wide} | {len(c) for c in constants if isinstance(c, tuple)}
    width = max(widths)
    if not widths <= {1, width}:
        refuse("SW252", call=call, error=f"ValueError: operands could not be broadcast together ({sorted(widths)} columns)")
    remaining = iter(constants)
    spread = [a.columns if isinstance(a, TracedArray) else next(remaining) for a in args]
    results = []
    for j in range(width):
        row = tuple((s[j] if len(s) > 1 else s[0]) if isinstance(s, tuple) else s for s in spread)
        results.append(function(loop, row))
    orders = {a.order for a in wide if len(a.columns) == width}
    order = orders.pop() if len(orders) == 1 else None
    outputs = tuple(TracedArray(loop, columns, ndim, order) for columns in zip(*results, strict=True))
    return outputs if len(outputs) > 1 else outputs[0]


def _constant(x: Any, ndim: int, loop: LoopBuilder, call: str) -> Any:
    """Returns a scalar unchanged, an array as one typed constant per column."""
    x = constant_of(x)
    if is_number(x):
        return x
    if isinstance(x, list | tuple):
        try:
            x = np.asarray(x)
        except ValueError:
            refuse("SW262", call=call, what="a ragged sequence")
    if not isinstance(x, np.ndarray) or isinstance(x, pd.Series) or x.dtype.kind not in "biuf":
        refuse("SW262", call=call, what=raw(x))
    if x.ndim > ndim or (x.ndim == 2 and x.shape[0] != 1) or (ndim == 1 and x.shape != (1,)) or 0 in x.shape:
        refuse("SW257", call=call, shape=f"{x.shape}")
    type = type_of(x.dtype, call)
    return tuple(loop.const(v, type) for v in x.ravel())
