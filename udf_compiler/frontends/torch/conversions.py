"""Converts arrays and lists of a function to tensors of PyTorch, and tensors to arrays, lists and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import MakeList
from sparkweld.ir.types import BOOL, F32, F64, I32, I64, Type
from udf_compiler.frontends.models.traced import rows_argument
from udf_compiler.frontends.networks.tensors import Tensor
from udf_compiler.frontends.pandas.apply.comprehensions import python_values
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.lists import Stack, stack_of
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.python.ndarrays import leave_none
from udf_compiler.frontends.python.numpy_scalars import numpy_scalar
from udf_compiler.frontends.python.operands import as_float, as_int, is_number, kind_of
from udf_compiler.frontends.python.path_explorer import explorer, is_exploring
from udf_compiler.frontends.python.row_matrices import RowMatrix, is_matrix, vector
from udf_compiler.frontends.python.values import is_scalar, of_value
from udf_compiler.frontends.torch.functions import given_out
from udf_compiler.frontends.torch.values import KINDS, SAMPLES, RowTensor, cast, grid_of, library, type_of
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced, raw

#: Classes of Python's numbers -> the types of PyTorch's tensors of them.
_OF_PYTHON = {"float": F32, "int": I64, "bool": BOOL}


def has_rows(x: Any) -> bool:
    """Whether a value, or a list within it, has values of the rows."""
    if type(x) in (list, tuple):
        return any(map(has_rows, x))
    return isinstance(x, Traced)


@dataclass(frozen=True)
class Stacked:
    """A tensor of arrays whose length the consumer knows. `batched`: one array for each row of the batch.

    `axes`: the number of axes of one element before that of the array.
    """

    stack: Stack
    batched: bool
    axes: int

    def astype(self, dtype: Any, call: str) -> Stacked:
        """Returns the tensor converted to a dtype of PyTorch. Refuses SW843."""
        kind = type_of(dtype, call).dtype
        return replace(self, stack=self.stack.later(lambda made: made.astype(kind)))

    def of_width(self, width: int, call: str) -> RowTensor:
        """Returns the tensor. Rows run in Python whose array has another length."""
        array = self.stack.of_width(width)
        made = of_array(array, None, call)
        if self.batched:
            return made
        shape = (*(1,) * self.axes, width)
        return RowTensor(Tensor(array.loop, made.values.columns, shape), False, made.sample[0].reshape(shape))


def tensor_of(data: Any, dtype: Any, call: str, copies: bool) -> RowTensor | Stacked:
    """Returns a tensor of an array, a list of columns' values, or numbers of the row."""
    if is_exploring():
        return _later(data, dtype, call) or _of_row(data, dtype, call)
    x = rows_argument(data)
    python = type(data) is not type(x) or type(x) is TracedSeries
    if type(x) is Stack:
        return Stacked(x, True, 0) if dtype is None else Stacked(x, True, 0).astype(dtype, call)
    if type(x) is TracedSeries and x.kind is NUMBERS and not python:
        refuse("SW810", call=call, what="a Series")
    if type(x) is not TracedArray:
        refuse("SW810", call=call, what=raw(x))
    if not copies:
        x.shared = True
    return of_array(x, dtype, call)


def _later(data: Any, dtype: Any, call: str) -> Stacked | None:
    """Returns the tensor of an array or list of the row, whose length is not known; None for other data."""
    rows: Sequence[Any] = data.rows if is_matrix(data) else data if type(data) is list else ()
    row, axes = (rows[0], 1) if len(rows) == 1 else (data, 0)
    if not is_scalar(row) or not row.is_list or isinstance(row.value.loop.body[row.value.id].op, MakeList):
        return None
    made = Stacked(stack_of(explorer().loop, row.value), False, axes)
    return made if dtype is None else made.astype(dtype, call)


def of_array(x: TracedArray, dtype: Any, call: str) -> RowTensor:
    """Returns the tensor of an array with a value, or a row of values, for each row of the batch."""
    shape = (SAMPLES,) if x.ndim == 1 else (SAMPLES, len(x.columns))
    sample = run_prototype(call, library().tensor, np.ones(shape, x.dtype), dtype=dtype)
    type = type_of(sample.dtype, call)
    if type == BOOL and x.dtype != np.bool_:
        refuse("SW843", call=call, what="numbers that become booleans")
    rows = Tensor(x.loop, [cast(v, type) for v in x.columns], shape[1:])
    return RowTensor(rows, True, sample)


def _of_row(data: Any, dtype: Any, call: str) -> RowTensor:
    """Returns the tensor of numbers of the row."""
    if explorer().inside:
        refuse("SW810", call=call, what="a value within a loop or one of many branches")
    loop = explorer().loop
    values, numpy = _values(loop, data, call)
    flat = values.ravel()
    if not len(flat):
        refuse("SW810", call=call, what="no numbers")
    if dtype is not None:
        type = type_of(dtype, call)
    elif numpy is not None:
        type = KINDS.get(numpy) or refuse("SW843", call=call, what=f"numbers of {numpy}")
    else:
        kinds = {v.type for v in flat}
        type = F32 if kinds & {F64, F32} else I64 if I64 in kinds else BOOL
    for value in flat:
        if value.type != type and (type == BOOL or (type == I32 and value.type.is_int)):
            refuse("SW843", call=call, what="numbers that become booleans, or integers for which PyTorch raises")
        if numpy is None and type.is_float and value.type.is_int:
            # PyTorch converts an int of Python to a float of Python first.
            flat = grid_of([loop.cast(v, F64) for v in flat], flat.shape)
            break
    sample = library().ones(values.shape, dtype=dtype or _torch_type(type))
    return RowTensor(Tensor(loop, [cast(v, type) for v in flat], values.shape), False, sample)


def _torch_type(type: Type) -> Any:
    return library().from_numpy(np.zeros(1, type.dtype)).dtype


def _values(loop: LoopBuilder, data: Any, call: str) -> tuple[np.ndarray, np.dtype | None]:
    """Returns (the numbers of nested lists or of an array, the dtype of the array)."""
    if data is None:
        leave_none()
    if is_matrix(data):
        parts = [_values(loop, row, call) for row in data.rows]
        return np.stack([p for p, _ in parts]), parts[0][1]
    if is_scalar(data) and data.is_ndarray:
        let = loop.body[data.value.id]
        return grid_of([loop.value(at) for at in let.args], (len(let.args),)), data.value.type.element.dtype
    if type(data) in (list, tuple):
        parts = [_values(loop, x, call) for x in data]
        if len({p.shape for p, _ in parts}) != 1:
            refuse("SW810", call=call, what="a ragged list")
        return np.stack([p for p, _ in parts]), None
    if not is_number(data) or (is_scalar(data) and data.numpy):
        refuse("SW810", call=call, what=raw(data))
    value = {"int": as_int, "float": as_float, "bool": _as_bool}[kind_of(data)](data)
    return grid_of([value], ()), None


def _as_bool(x: Any) -> Value:
    return x.value if is_scalar(x) else explorer().loop.const(x, BOOL)


def array_of(x: RowTensor) -> Any:
    """Returns ``x.numpy()``. Refuses SW252 where PyTorch raises: for a tensor with a gradient."""
    call = "tensor.numpy"
    shown = run_prototype(call, x.sample.numpy)
    if x.rows is None:
        return shown.copy()
    x = given_out(x, call)
    if x.batched:
        if len(x.shape) > 1:
            refuse("SW843", call=call, what=f"a tensor of {len(x.shape) + 1} axes")
        return TracedArray(x.loop, x.values.columns, 1 + len(x.shape), "C", shared=True)
    rows = [vector([numpy_scalar(v, v.type.dtype) for v in row]) for row in _matrix(x, call)]
    return rows[0] if len(x.shape) == 1 else RowMatrix(rows)


def _matrix(x: RowTensor, call: str) -> Sequence[Any]:
    if len(x.shape) not in (1, 2) or 0 in x.shape:
        refuse("SW843", call=call, what=f"a tensor of {len(x.shape)} axes for one row")
    made: Sequence[Any] = x.grid.reshape(-1, x.shape[-1]).tolist()
    return made


def list_of(x: RowTensor) -> Any:
    """Returns ``x.tolist()``."""
    call = "tensor.tolist"
    if x.rows is None:
        return x.sample.tolist()
    x = given_out(x, call)
    if x.batched:
        if len(x.shape) > 1:
            refuse("SW843", call=call, what=f"a tensor of {len(x.shape) + 1} axes")
        wide = [_python(v) for v in x.values.columns]
        return python_values(TracedArray(x.loop, wide, 1 + len(x.shape), "C"))
    return _nested(x.grid)


def _python(value: Value) -> Value:
    """Returns a value as Python's number."""
    return value.loop.cast(value, F64 if value.type.is_float else I64 if value.type.is_int else BOOL)


def _nested(grid: np.ndarray) -> Any:
    if grid.ndim == 0:
        value: Any = grid[()]
        return of_value(value)
    return [_nested(part if isinstance(part, np.ndarray) else grid_of([part], ())) for part in grid]


def number_of(x: RowTensor) -> Any:
    """Returns ``x.item()``, the number of a tensor with one element."""
    call = "tensor.item"
    if x.rows is None:
        return x.sample.item()
    if x.batched:
        refuse("SW843", call=call, what="a value for each row of the batch")
    if x.grid.size != 1:
        refuse("SW252", call=call, error="RuntimeError: several elements")
    return of_value(given_out(x, call).grid.ravel()[0])
