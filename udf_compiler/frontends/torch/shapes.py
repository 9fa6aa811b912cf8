"""Translates PyTorch's functions that move or choose values of a row, and its reductions of a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.types import BOOL
from udf_compiler.frontends.models.features import guard_finite
from udf_compiler.frontends.models.labels import all_of
from udf_compiler.frontends.networks.layers import LARGEST, clear_largest
from udf_compiler.frontends.networks.tensors import Accuracy, Tensor, eps_of, scaled, total
from udf_compiler.frontends.pandas.row_counts import RowCount
from udf_compiler.frontends.torch.elementwise import made
from udf_compiler.frontends.torch.values import RowTensor, Step, grid_of


def _view(step: Step, x: RowTensor, grid: np.ndarray) -> RowTensor:
    """Returns some of a row's values in another shape or order."""
    return RowTensor(x.values.like(list(grid.ravel()), grid.shape), x.batched, step.expected)


def _same(step: Step, x: RowTensor, *others: Any, **options: Any) -> RowTensor:
    return RowTensor(x.rows, x.batched, step.expected)


def _copy(step: Step, x: RowTensor, *, memory_format: Any = None) -> RowTensor:
    return RowTensor(x.rows, x.batched, step.expected, fresh=True)


def _reshaped(step: Step, x: RowTensor, *shape: Any) -> RowTensor:
    """Implements view and reshape, which must leave the axis of the rows."""
    sizes = list(shape[0]) if len(shape) == 1 and type(shape[0]) in (tuple, list) else list(shape)
    if any(type(n) not in (int, RowCount) for n in sizes):
        step.refuse("a shape that is not constant")
    if not x.batched:
        return _view(step, x, x.grid.reshape(sizes))
    if not sizes or not (sizes[0] == -1 if type(sizes[0]) is int else True) or any(type(n) is RowCount for n in sizes[1:]):
        step.refuse("a shape without an axis of the batch's rows in front")
    rest = sizes[1:]
    if -1 in rest and type(sizes[0]) is int or (-1 not in rest and prod(rest) != x.grid.size):
        step.refuse("a shape with another number of rows")
    return _view(step, x, x.grid.reshape(rest))


def _flatten(step: Step, x: RowTensor, start_dim: Any = 0, end_dim: Any = -1) -> RowTensor:
    rank = len(x.shape) + x.batched
    if type(start_dim) is not int or type(end_dim) is not int:
        step.refuse("axes that are not constant")
    start, end = (d % rank if rank else 0 for d in (start_dim, end_dim))
    if not rank or start > end:
        return _view(step, x, x.grid.reshape(1) if not rank else x.grid)
    if x.batched and start == 0:
        if any(n != 1 for n in x.shape[: end]):
            step.refuse("several values of a row, which become rows")
        return _view(step, x, x.grid.reshape(x.shape[end:]))
    first, last = start - x.batched, end - x.batched
    return _view(step, x, x.grid.reshape(*x.shape[:first], -1, *x.shape[last + 1 :]))


def _squeeze(step: Step, x: RowTensor, dim: Any = None) -> RowTensor:
    if dim is None:
        if x.batched:
            step.refuse("the axis of the rows among its axes, which it removes from a batch of one row: name the axis")
        return _view(step, x, x.grid.reshape([n for n in x.shape if n != 1]))
    axes = [step.axis(x, d) for d in (dim if type(dim) is tuple else (dim,))]
    return _view(step, x, x.grid.reshape([n for at, n in enumerate(x.shape) if at not in axes or n != 1]))


def _unsqueeze(step: Step, x: RowTensor, dim: Any) -> RowTensor:
    rank = len(x.shape) + x.batched + 1
    if type(dim) is not int or not -rank <= dim < rank or (dim % rank == 0 and x.batched):
        step.refuse("an axis before that of the rows")
    return _view(step, x, np.expand_dims(x.grid, dim % rank - x.batched))


def _transpose(step: Step, x: RowTensor, dim0: Any, dim1: Any) -> RowTensor:
    return _view(step, x, np.swapaxes(x.grid, step.axis(x, dim0), step.axis(x, dim1)))


def item(step: Step, x: RowTensor, key: Any) -> RowTensor:
    """Implements ``x[key]`` with constant keys, whose first part leaves the axis of the rows."""
    parts = list(key) if type(key) is tuple else [key]
    if any(not _is_constant(p) for p in parts):
        step.refuse("an index that is not constant")
    if x.batched:
        if parts[0] is Ellipsis:
            count = len(x.shape) - sum(p is not None for p in parts[1:])
            parts = [slice(None), *[slice(None)] * max(count, 0), *parts[1:]]
        if parts[0] != slice(None):
            step.refuse("an index of the batch's rows")
        parts = parts[1:]
    parts = [list(p) if type(p) is tuple else p for p in parts]
    return _view(step, x, _as_grid(x.grid[tuple(parts)]))


def _is_constant(part: Any) -> bool:
    if type(part) in (list, tuple):
        return all(type(p) is int for p in part)
    if type(part) is slice:
        return all(p is None or type(p) is int for p in (part.start, part.stop, part.step))
    return part is None or part is Ellipsis or type(part) is int


def _select(step: Step, x: RowTensor, dim: Any, index: Any) -> RowTensor:
    if type(index) is not int:
        step.refuse("an index that is not constant")
    return _view(step, x, _as_grid(np.take(x.grid, index, step.axis(x, dim))))


def _as_grid(chosen: Any) -> np.ndarray:
    return chosen if isinstance(chosen, np.ndarray) else grid_of([chosen], ())


def _axes(step: Step, x: RowTensor, dim: Any) -> tuple[int, ...]:
    """Returns the axes of a reduction. Refuses that of the rows."""
    if dim is None:
        if x.batched:
            step.refuse("the axis of the batch's rows: name the axis")
        return tuple(range(len(x.shape)))
    return tuple(step.axis(x, d) for d in (dim if type(dim) in (tuple, list) else (dim,)))


def _by_axis(x: RowTensor, axes: tuple[int, ...], keepdim: bool) -> tuple[list[list[Value]], tuple[int, ...]]:
    """Returns (the values of each reduction, the shape of the results)."""
    kept = [n for at, n in enumerate(x.shape) if at not in axes]
    moved = np.moveaxis(x.grid, axes, range(len(kept), len(x.shape)))
    groups = moved.reshape(prod(kept), -1)
    shape = tuple(1 if at in axes else n for at, n in enumerate(x.shape)) if keepdim else tuple(kept)
    return [list(group) for group in groups], shape


def _summed(fn: str, step: Step, input: RowTensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> RowTensor:
    """Implements sum and mean. Rows whose sums could overflow in some order run in Python."""
    loop, type, given = input.loop, step.type, input.values
    if dtype is not None or (type.is_float and not given.type.is_float):
        step.refuse("dtype")
    groups, shape = _by_axis(input, _axes(step, input, dim), keepdim)
    count = len(groups[0])
    groups = [[loop.cast(v, type) for v in group] for group in groups]
    values = [loop.fold("add", group) for group in groups]
    if not type.is_float:
        return made(step, input, values, shape)
    limit = loop.const(LARGEST[type] / count, type)
    small = [loop.call("less", loop.call("absolute", v), limit) for group in groups for v in group]
    loop.guard(all_of(loop, small), local=True)
    if fn == "mean":
        values = [loop.call("divide", v, loop.const(count, type)) for v in values]

    def bounds() -> Accuracy:
        factor = 1 if fn == "mean" else count
        size = scaled(loop, given.bounds.size, factor)
        rounding = scaled(loop, size, 2 * (count + 2) * eps_of(type))
        return Accuracy(size, total(loop, scaled(loop, given.bounds.error, factor), rounding))

    return made(step, input, values, shape, given.accuracy if count == 1 else bounds)


def _extreme(fn: str, step: Step, input: RowTensor, dim: Any = (), keepdim: bool = False) -> RowTensor:
    """Implements amax and amin. Rows with NaN run in Python, and so do those of zeros of both signs."""
    groups, shape = _by_axis(input, _axes(step, input, dim if dim != () else None), keepdim)
    return made(step, input, _extremes(fn, input, groups), shape, input.values.accuracy)


def _extremes(fn: str, input: RowTensor, groups: Sequence[Sequence[Value]]) -> list[Value]:
    loop = input.loop
    if input.values.type.is_float:
        guard_finite(loop, input.values.columns)
        if input.values.exact:
            zero = loop.const(0, input.values.type)
            for group in groups:
                positive = [_is_zero(v, zero, False) for v in group]
                negative = [_is_zero(v, zero, True) for v in group]
                mixed = loop.call("logical_and", loop.fold("logical_or", positive), loop.fold("logical_or", negative))
                loop.guard(loop.call("logical_not", mixed), local=True)
    return [loop.fold(fn, list(group)) for group in groups]


def _is_zero(value: Value, zero: Value, negative: bool) -> Value:
    loop = value.loop
    sign = loop.call("signbit", value)
    return loop.call("logical_and", loop.call("equal", value, zero), sign if negative else loop.call("logical_not", sign))


def _argmax(step: Step, input: RowTensor, dim: Any = None, keepdim: bool = False) -> RowTensor:
    """Implements argmax: the first of equal values. Rows in which an error decides run in Python."""
    groups, shape = _by_axis(input, _axes(step, input, dim), keepdim)
    return made(step, input, _positions(step, input, groups), shape)


def _positions(step: Step, input: RowTensor, groups: Sequence[Sequence[Value]]) -> list[Value]:
    given = input.values
    if not given.type.is_float:
        step.refuse("integers")
    return [clear_largest(Tensor(input.loop, group, (len(group),), given.accuracy)) for group in groups]


class Extremes(NamedTuple):
    """The result of ``max(dim)``: values and their positions."""

    values: RowTensor
    indices: RowTensor


def largest(values: Step, indices: Step, input: RowTensor, dim: Any, keepdim: bool = False) -> Extremes:
    """Implements ``max(input, dim)``."""
    groups, shape = _by_axis(input, _axes(values, input, dim), keepdim)
    found = made(indices, input, _positions(indices, input, groups), shape)
    return Extremes(made(values, input, _extremes("maximum", input, groups), shape, input.values.accuracy), found)


def _some(fn: str, step: Step, input: RowTensor, dim: Any = None, keepdim: bool = False) -> RowTensor:
    if input.values.type != BOOL:
        step.refuse("numbers")
    groups, shape = _by_axis(input, _axes(step, input, dim), keepdim)
    return made(step, input, [input.loop.fold(fn, group) for group in groups], shape)


FUNCTIONS: dict[str, Callable[..., RowTensor]] = {
    **dict.fromkeys(("view", "reshape"), _reshaped),
    "flatten": _flatten,
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
    "transpose": _transpose,
    "select": _select,
    **dict.fromkeys(("detach", "cpu", "contiguous", "requires_grad_"), _same),
    "clone": _copy,
    "sum": partial(_summed, "sum"),
    "mean": partial(_summed, "mean"),
    "amax": partial(_extreme, "maximum"),
    "amin": partial(_extreme, "minimum"),
    "argmax": _argmax,
    "any": partial(_some, "logical_or"),
    "all": partial(_some, "logical_and"),
}
