"""Translates PyTorch's layers with parameters: products by matrices, normalizations, embeddings, and dropout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.ops import Lookup
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.models.features import guard_finite
from udf_compiler.frontends.models.labels import all_of
from udf_compiler.frontends.networks.layers import affine, dense
from udf_compiler.frontends.networks.tensors import Accuracy, eps_of, joined, scaled, total
from udf_compiler.frontends.torch.elementwise import made
from udf_compiler.frontends.torch.values import RowTensor, Step, is_traced

#: The most numbers in the tables of embeddings.
_MOST_ENTRIES = 1 << 14


def _constant(step: Step, x: Any, what: str) -> np.ndarray:
    if not isinstance(x, RowTensor) or is_traced(x):
        step.refuse(f"{what} that is not constant")
    return x.array()


def _dense(step: Step, input: RowTensor, weights: np.ndarray, bias: np.ndarray) -> RowTensor:
    """Returns ``input @ weights + bias`` along the last axis, which is the only one of more than one element."""
    if not input.values.type.is_float or any(n != 1 for n in input.shape[:-1]):
        step.refuse("integers, or several vectors of a row")
    return RowTensor(dense(input.values, weights, bias), input.batched, step.expected, fresh=True)


def _linear(step: Step, input: RowTensor, weight: RowTensor, bias: RowTensor | None = None) -> RowTensor:
    matrix = _constant(step, weight, "a weight")
    if matrix.ndim != 2:
        step.refuse("a vector as weight")
    offsets = np.zeros(len(matrix), matrix.dtype) if bias is None else _constant(step, bias, "a bias")
    return _dense(step, input, np.ascontiguousarray(matrix.T), offsets)


def _matmul(step: Step, input: Any, other: Any) -> RowTensor:
    matrix = _constant(step, other, "a second matrix")
    if matrix.ndim != 2:
        step.refuse("a vector as second matrix")
    return _dense(step, input, matrix, np.zeros(matrix.shape[1], matrix.dtype))


def _addmm(step: Step, input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> RowTensor:
    bias, matrix = _constant(step, input, "an addend"), _constant(step, mat2, "a second matrix")
    if (beta, alpha) != (1, 1) or bias.ndim != 1:
        step.refuse("beta, alpha, or a matrix as addend")
    return _dense(step, mat1, matrix, bias)


def _dropout(step: Step, input: RowTensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> RowTensor:
    if training and p:
        step.refuse("random results: call eval() before")
    return RowTensor(input.rows, input.batched, step.expected)


def _batch_norm(
    step: Step, input: RowTensor, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
    training: bool = False, momentum: Any = 0.1, eps: float = 1e-5,
) -> RowTensor:  # fmt: skip
    """Implements the normalization by learned statistics: ``(x - mean) / sqrt(var + eps) * weight + bias``."""
    if training or running_mean is None or running_var is None:
        step.refuse("the statistics of the batch: call eval() before")
    if any(n != 1 for n in input.shape[:-1]) or not input.values.type.is_float:
        step.refuse("several axes, or integers")
    mean, variance = (_constant(step, x, "a statistic").astype(np.float64) for x in (running_mean, running_var))
    factor = 1 / np.sqrt(variance + eps)
    if weight is not None:
        factor = factor * _constant(step, weight, "a weight")
    offset = np.zeros(len(mean)) if bias is None else _constant(step, bias, "a bias").astype(np.float64)
    return RowTensor(affine(input.values, factor, offset - mean * factor, np.abs(mean * factor) + np.abs(offset)),
                     input.batched, step.expected, fresh=True)  # fmt: skip


def _layer_norm(
    step: Step, input: RowTensor, normalized_shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> RowTensor:
    """Implements the normalization of a row. Rows run in Python whose numbers differ by little relative to their size."""
    given, loop, type = input.values, input.loop, input.values.type
    if list(normalized_shape) != [input.shape[-1]] or any(n != 1 for n in input.shape[:-1]) or not type.is_float:
        step.refuse("several axes, or integers")
    guard_finite(loop, given.columns)
    count, unit = len(given.columns), eps_of(type)
    wide = [loop.cast(v, F64) for v in given.columns]
    mean = scaled(loop, total(loop, *wide), 1 / count)
    centred = [loop.call("subtract", v, mean) for v in wide]
    spread = scaled(loop, total(loop, *(loop.call("square", c) for c in centred)), 1 / count)
    variance = loop.call("add", spread, loop.const(eps, F64))
    # PyTorch's mean and variance have errors of this size, from the rounding of sums and from the errors of the arguments.
    size = loop.fold("maximum", [loop.call("absolute", v) for v in wide])
    doubt = scaled(loop, loop.call("square", size), 8 * (count + 4) * unit)
    if not given.exact:
        doubt = total(loop, doubt, scaled(loop, loop.call("multiply", size, given.bounds.error), 8.0))
    loop.guard(loop.call("greater", variance, scaled(loop, doubt, 16.0)), local=True)
    # Squares of larger numbers overflow in PyTorch's format.
    most = float(np.sqrt(np.finfo(type.dtype).max / count)) / 4
    loop.guard(loop.call("less", size, loop.const(most, F64)), local=True)
    root = loop.call("sqrt", variance)
    weights = np.ones(count) if weight is None else _constant(step, weight, "a weight").astype(np.float64)
    offsets = np.zeros(count) if bias is None else _constant(step, bias, "a bias").astype(np.float64)
    values = [_affine(loop.call("divide", c, root), w, b) for c, w, b in zip(centred, weights, offsets, strict=True)]

    def bounds() -> Accuracy:
        # |c| / root is at most sqrt(count); its relative error is that of c, and half of that of the variance.
        most, least = float(np.abs(weights).max()), float(np.abs(offsets).max())
        shift = total(loop, scaled(loop, size, 2 * (count + 4) * unit), scaled(loop, given.bounds.error, 2.0))
        relative = loop.call("divide", doubt, variance)
        error = total(loop, loop.call("divide", shift, root), scaled(loop, relative, count**0.5))
        whole = most * count**0.5 + least
        return Accuracy(loop.const(whole, F64), total(loop, scaled(loop, error, 1.1 * most), loop.const(8 * unit * whole, F64)))

    return made(step, input, [loop.cast(v, type) for v in values], input.shape, bounds)


def _affine(value: Value, weight: float, offset: float) -> Value:
    loop = value.loop
    return loop.call("add", scaled(loop, value, float(weight)), loop.const(float(offset), F64))


def _indices(step: Step, input: RowTensor, count: int) -> list[Value]:
    """Returns the row's integers as positions in a table. Rows with others run in Python, where PyTorch raises."""
    loop = input.loop
    if input.values.type.is_float or not input.values.exact:
        step.refuse("numbers that are not integers")
    columns = [loop.cast(v, I64) for v in input.values.columns]
    inside = [loop.call("greater_equal", v, loop.const(0, I64)) for v in columns]
    inside += [loop.call("less", v, loop.const(count, I64)) for v in columns]
    loop.guard(all_of(loop, inside), local=True)
    return columns


def _embedding(
    step: Step, input: RowTensor, weight: RowTensor, padding_idx: Any = None, max_norm: Any = None, norm_type: float = 2.0,
    scale_grad_by_freq: bool = False, sparse: bool = False,
) -> RowTensor:  # fmt: skip
    """Implements the lookup of vectors by the row's integers."""
    table = _table(step, weight, max_norm)
    columns = _looked_up(step, input, table)
    return made(step, input, columns, (*input.shape, table.shape[1]))


def _table(step: Step, weight: RowTensor, max_norm: Any) -> np.ndarray:
    table = _constant(step, weight, "a table")
    if max_norm is not None:
        step.refuse("max_norm, which changes the table")
    if table.size > _MOST_ENTRIES:
        step.refuse(f"a table of {table.size:,} numbers; kernels support up to {_MOST_ENTRIES:,}")
    return table


def _looked_up(step: Step, input: RowTensor, table: np.ndarray) -> list[Value]:
    loop, type = input.loop, step.type
    ops = [Lookup.of(dict(enumerate(column)), I64, type) for column in table.T]  # type: ignore[arg-type]
    return [loop.value_of(loop.emit(op, at)) for at in _indices(step, input, len(table)) for op in ops]


def _embedding_bag(
    step: Step, input: RowTensor, weight: RowTensor, offsets: Any = None, max_norm: Any = None, norm_type: float = 2,
    scale_grad_by_freq: bool = False, mode: str = "mean",
) -> RowTensor:  # fmt: skip
    """Implements sums and means of the vectors of a row's integers."""
    table = _table(step, weight, max_norm)
    if offsets is not None or len(input.shape) != 1 or mode not in ("sum", "mean"):
        step.refuse("offsets, the mode max, or several axes")
    loop, count, width = input.loop, input.shape[0], table.shape[1]
    found = _looked_up(step, input, table)
    values = [loop.fold("add", found[k::width]) for k in range(width)]
    if mode == "mean":
        values = [loop.call("divide", v, loop.const(count, v.type)) for v in values]
    size = float(np.abs(table).max(initial=0.0)) * (count if mode == "sum" else 1)
    error = 2 * (count + 2) * eps_of(step.type) * size
    return made(step, input, values, (width,), lambda: Accuracy(loop.const(size, F64), loop.const(error, F64)))


def _cat(step: Step, tensors: Sequence[RowTensor], dim: Any = 0) -> RowTensor:
    return _joined(step, tensors, dim, np.concatenate)


def _stack(step: Step, tensors: Sequence[RowTensor], dim: Any = 0) -> RowTensor:
    return _joined(step, tensors, dim, np.stack)


def _column_stack(step: Step, tensors: Sequence[RowTensor]) -> RowTensor:
    if not all(is_traced(t) and t.batched and len(t.shape) < 2 for t in tensors):
        step.refuse("tensors that are not columns or matrices of the rows")
    grids = [t.grid.reshape(-1) for t in tensors]
    return _of_parts(step, tensors, np.concatenate(grids))


def _joined(step: Step, tensors: Sequence[Any], dim: Any, join: Callable[..., np.ndarray]) -> RowTensor:
    if type(tensors) not in (list, tuple) or not all(map(is_traced, tensors)):
        step.refuse("tensors without values of the rows among its arguments")
    if len({t.batched for t in tensors}) > 1 or type(dim) is not int:
        step.refuse("tensors of rows beside tensors of one row")
    first = tensors[0]
    rank = len(first.shape) + first.batched + (join is np.stack)
    axis = (dim + rank if dim < 0 else dim) - first.batched
    if axis < 0:
        step.refuse("the axis of the batch's rows")
    return _of_parts(step, tensors, join([t.grid for t in tensors], axis))


def _of_parts(step: Step, tensors: Sequence[RowTensor], grid: np.ndarray) -> RowTensor:
    loop, type = tensors[0].loop, step.type
    columns = [loop.cast(v, type) for v in grid.ravel()]
    bounds = joined([t.values for t in tensors])
    return made(step, tensors[0], columns, grid.shape, bounds)


FUNCTIONS: dict[str, Callable[..., RowTensor]] = {
    "linear": _linear,
    "matmul": _matmul,
    "mm": _matmul,
    "addmm": _addmm,
    "dropout": _dropout,
    "alpha_dropout": _dropout,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "embedding": _embedding,
    "embedding_bag": _embedding_bag,
    "cat": _cat,
    "concat": _cat,
    "concatenate": _cat,
    "stack": _stack,
    "column_stack": _column_stack,
}
