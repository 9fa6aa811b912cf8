"""Represents a two-dimensional ndarray of the row whose rows are known one by one: constant centres minus a list of the row."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from sparkweld.ir.ops import MakeList
from sparkweld.ir.types import BOOL, F64, I64, list_of
from udf_compiler.frontends.python.ndarray_reductions import REDUCTIONS, dot
from udf_compiler.frontends.python.ndarrays import array_of, elementwise, guard_lengths, leave_none
from udf_compiler.frontends.python.operands import is_number, kind_of
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.lower import constant_of, type_of
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.values import BINARY, REFLECTED, UNARY, Traced, ndarray_class, raw, symbol

#: The most rows of a matrix: each has code of its own.
_MOST_ROWS = 64

_NUMBERS = {"bool": BOOL, "int": I64, "float": F64}


class RowMatrix(Traced):
    """A matrix of the row; `rows` are arrays of the row of one length."""

    __slots__ = ("rows",)
    what = "matrix of the row"
    stands_for = np.ndarray

    def __init__(self, rows: Sequence[TracedScalar]) -> None:
        if len(rows) > _MOST_ROWS:
            _refuse(f"a matrix of more than {_MOST_ROWS} rows")
        guard_lengths([x.value for x in rows])
        self.rows = tuple(rows)

    __class__ = property(ndarray_class)  # type: ignore[assignment]

    def _binary(self, name: str, other: Any, reflected: bool) -> RowMatrix:
        function = REFLECTED[name] if reflected else BINARY[name]
        return by_rows(function, (self, other), symbol(name))

    def _unary(self, name: str) -> RowMatrix:
        return by_rows(UNARY[name], (self,), f"unary {name}")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> RowMatrix:
        if method != "__call__" or kwargs or ufunc is np.matmul:
            _refuse(f"np.{ufunc.__name__} of a matrix")
        return by_rows(ufunc, inputs, f"np.{ufunc.__name__}")

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return current().dispatch.call_numpy(function, args, kwargs)

    def __matmul__(self, other: Any) -> TracedScalar:
        return vector([dot(row, other) for row in self.rows])

    def __iter__(self) -> Iterator[TracedScalar]:
        return iter(self.rows)

    def __getitem__(self, key: Any) -> Any:
        if type(key) is int:
            return self._row(key)
        if type(key) is tuple and len(key) == 2 and type(key[0]) is int:
            return self._row(key[0])[key[1]]
        if type(key) is tuple and len(key) == 2 and key[0] == slice(None) and type(key[1]) is int:
            return vector([row[key[1]] for row in self.rows])
        _refuse(f"a matrix [{raw(key)}]")

    def _row(self, at: int) -> TracedScalar:
        if not -len(self.rows) <= at < len(self.rows):
            raise in_place(IndexError("index is out of bounds for axis 0"))
        return self.rows[at]

    def __getattr__(self, name: str) -> Any:
        if name == "shape":
            return len(self.rows), self.rows[0].size
        if name == "ndim":
            return 2
        if name == "tolist":
            return lambda: [row.tolist() for row in self.rows]
        if name == "astype":
            return lambda dtype: RowMatrix([row.astype(dtype) for row in self.rows])
        if name in ("ravel", "flatten") and len(self.rows) == 1:
            return lambda: self.rows[0]
        if name in REDUCTIONS:
            return lambda *args, **kwargs: reduced(name, self, args, kwargs)
        _refuse(f"a matrix .{name}")


def _refuse(call: str) -> Any:
    refuse("SW222", call=call, kind="ndarray")


def is_matrix(x: object) -> bool:
    """Whether a value is a matrix of the row; `isinstance` would trust `__class__`."""
    return type(x) is RowMatrix


def reduced(name: str, x: RowMatrix, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TracedScalar:
    """Returns ``x.name(axis=1)``, or that of all elements of one row: NumPy reduces a row of a matrix as an array alone."""
    check_form(_along, args, kwargs, f"ndarray.{name}")
    axis = _along(*args, **kwargs)
    if axis is None and len(x.rows) == 1:
        return REDUCTIONS[name](x.rows[0])  # type: ignore[no-any-return]
    if axis not in (1, -1):
        _refuse(f".{name} of a matrix along this axis")
    return vector([REDUCTIONS[name](row) for row in x.rows])


def _along(axis: Any = None) -> Any:
    return axis


def norms(x: RowMatrix, ord: Any = None, axis: Any = None) -> TracedScalar:
    """Returns ``np.linalg.norm(x, axis=1)``: the roots of the sums of squares."""
    if axis not in (1, -1) or ord not in (None, 2):
        _refuse("np.linalg.norm of a matrix in this form")
    squares = by_rows(operator.mul, (x, x), "np.linalg.norm")
    return elementwise(np.sqrt, (reduced("sum", squares, (1,), {}),), "np.linalg.norm")


def by_rows(function: Callable[..., Any], args: Sequence[Any], call: str) -> RowMatrix:
    """Applies an elementwise function to matrices, arrays and numbers of the row and constants, as NumPy broadcasts them."""
    known = [x if is_matrix(x) or is_scalar(x) else constant_of(x) for x in args]
    counts = {len(x.rows) if is_matrix(x) else len(x) for x in known if is_matrix(x) or is_constant_matrix(x)}
    if len(counts) != 1:
        _refuse(f"{call} of matrices with other numbers of rows")

    def of_row(at: int) -> list[Any]:
        return [x.rows[at] if is_matrix(x) else x[at] if is_constant_matrix(x) else x for x in known]

    return RowMatrix([elementwise(function, of_row(at), call) for at in range(counts.pop())])


def is_constant_matrix(x: Any) -> bool:
    """Whether a value is a constant array of two dimensions, with rows."""
    return type(x) is np.ndarray and x.ndim == 2 and x.shape[0] > 0 and x.shape[1] > 0


def vector(items: Sequence[Any]) -> TracedScalar:
    """Returns the array of numbers of the row, of the dtype that NumPy finds for them. Refuses other values (SW222)."""
    loop = explorer().loop
    if any(x is None for x in items):
        leave_none()
    if not items or not all(map(is_number, items)):
        _refuse("np.array of these values")
    dtypes = [np.dtype(x.numpy) if is_scalar(x) and x.numpy else _dtype(x) for x in items]
    to = type_of(np.result_type(*dtypes), "np.array")
    values = [loop.cast(x.value if is_scalar(x) else loop.const(x, _NUMBERS[kind_of(x)]), to) for x in items]
    return TracedScalar(list_of(to).kind, loop.emit(MakeList(list_of(to)), *values), numpy="ndarray")


def _dtype(x: Any) -> np.dtype:
    if isinstance(x, np.generic) or (type(x) is int and not -(2**63) <= x < 2**63):
        _refuse(f"np.array with {raw(x)}")
    return np.dtype({"bool": np.bool_, "int": np.int64, "float": np.float64}[kind_of(x)])


def made_of(items: Any) -> Any:
    """Returns ``np.array(items)`` of a list or tuple with values of the row: an array of numbers, or a matrix of arrays."""
    if any(is_scalar(x) and x.is_list for x in items) or any(type(x) in (list, tuple) for x in items):
        return RowMatrix([_row_of(x) for x in items])
    return vector(items)


def _row_of(x: Any) -> TracedScalar:
    if is_scalar(x) and x.is_list:
        return array_of(x, "np.array")
    return vector(x) if type(x) in (list, tuple) else _refuse(f"np.array with {raw(x)}")  # type: ignore[no-any-return]
