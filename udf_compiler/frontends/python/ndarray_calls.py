"""Finds the operators, attributes and functions of NumPy for an ndarray of the row: elementwise ones, reductions, matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from udf_compiler.frontends.python.ndarray_orders import FUNCTIONS
from udf_compiler.frontends.python.ndarray_reductions import METHODS, REDUCTIONS, dot, median, norm
from udf_compiler.frontends.python.ndarrays import elementwise, length
from udf_compiler.frontends.python.row_matrices import (
    RowMatrix,
    by_rows,
    is_constant_matrix,
    is_matrix,
    made_of,
    norms,
    reduced,
    vector,
)
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.lower import constant_of
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.values import BINARY, UNARY, Traced, symbol


def binary(name: str, a: Any, b: Any) -> Any:
    """Applies an operator with an ndarray of the row as an operand."""
    return _computed(BINARY[name], (a, b), symbol(name))


def unary(name: str, x: TracedScalar) -> TracedScalar:
    """Returns ``-x``, ``+x``, ``abs(x)`` or ``~x``."""
    return elementwise(UNARY[name], (x,), f"unary {name}")


def call_ufunc(ufunc: np.ufunc, inputs: tuple[Any, ...]) -> Any:
    """Applies a NumPy function to arrays, lists and numbers of the row."""
    if ufunc is np.matmul:
        table = constant_of(inputs[0])
        return vector([dot(row, inputs[1]) for row in table]) if is_constant_matrix(table) else dot(*inputs)
    return _computed(ufunc, inputs, f"np.{ufunc.__name__}")


def _computed(function: Callable[..., Any], args: tuple[Any, ...], call: str) -> Any:
    matrices = any(is_matrix(x) or is_constant_matrix(constant_of(x)) for x in args)
    return by_rows(function, args, call) if matrices else elementwise(function, args, call)


def attribute(x: TracedScalar, name: str) -> Any:
    """Returns ``x.name``; None for an unsupported attribute."""
    if name in _PROPERTIES:
        return _PROPERTIES[name](x)
    if name in REDUCTIONS:
        return bound(REDUCTIONS[name], x, f"ndarray.{name}")
    if name in METHODS:
        return bound(METHODS[name], x, f"ndarray.{name}")
    if name in _METHODS:
        return lambda *args, **kwargs: _method(name, x, args, kwargs)
    if name == "dot":
        return bound(dot, x, "ndarray.dot")
    return (lambda *shape: _reshaped(x, shape)) if name == "reshape" else None


def _reshaped(x: TracedScalar, shape: tuple[Any, ...]) -> Any:
    """Returns ``x.reshape(1, -1)``, the matrix of one row, or ``x.reshape(-1)``; refuses other shapes (SW222)."""
    shape = shape[0] if len(shape) == 1 and type(shape[0]) in (tuple, list) else shape
    if tuple(shape) == (-1,):
        return x
    if tuple(shape) != (1, -1):
        refuse("SW222", call=".reshape to this shape", kind="ndarray")
    return RowMatrix([x])


def of_matrix(name: str, x: RowMatrix, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Evaluates ``np.name(x, ...)`` of a matrix of the row; refuses unsupported functions (SW222)."""
    if name in ("array", "asarray"):
        return x if not args and not kwargs else x.astype(*args, **kwargs)
    if name in REDUCTIONS:
        return reduced(name, x, args, kwargs)
    if name == "norm":
        return bound(norms, x, "np.linalg.norm")(*args, **kwargs)
    if name == "dot" and len(args) == 1 and not kwargs:
        return x @ args[0]
    refuse("SW222", call=f"np.{name} of a matrix", kind="ndarray")


def of_sequence(name: str, items: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Evaluates ``np.name(items, ...)`` of a list or tuple with values of the row, which NumPy converts to an array first."""
    made = made_of(items)
    return of_matrix(name, made, args, kwargs) if is_matrix(made) else numpy_function(name, made, args, kwargs)


def numpy_function(name: str, x: TracedScalar, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Evaluates ``np.name(x, ...)``; refuses unsupported functions (SW222)."""
    call_numpy = current().dispatch.call_numpy
    if name in _OF_ARRAYS:
        return bound(_OF_ARRAYS[name], x, f"np.{name}")(*args, **kwargs)
    if name in ("expand_dims", "atleast_2d") and args in ((), (0,)) and not kwargs:
        return RowMatrix([x])
    if name == "where" and len(args) == 2 and not kwargs:
        return elementwise(lambda *given: call_numpy(np.where, given, {}), (x, *args), "np.where")
    if name not in _FUNCTIONS or any(isinstance(a, Traced) for a in (*args, *kwargs.values())):
        refuse("SW222", call=f"np.{name}", kind="ndarray")
    return elementwise(lambda a: call_numpy(getattr(np, name), (a, *args), kwargs), (x,), f"np.{name}")


def _method(name: str, x: TracedScalar, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TracedScalar:
    if any(isinstance(a, Traced) for a in (*args, *kwargs.values())):
        refuse("SW222", call=f".{name} of this form", kind="ndarray")
    return elementwise(lambda a: getattr(a, name)(*args, **kwargs), (x,), f".{name}")


def bound(function: Callable[..., Any], x: Any, call: str) -> Callable[..., Any]:
    """Returns `function` as a method of `x`; refuses arguments that it does not take (SW262)."""

    def called(*args: Any, **kwargs: Any) -> Any:
        check_form(function, (x, *args), kwargs, call)
        return function(x, *args, **kwargs)

    return called


#: Functions of one array, or of an array and another operand, beside the methods.
_OF_ARRAYS: dict[str, Callable[..., Any]] = {
    **REDUCTIONS, **METHODS, **FUNCTIONS, "median": median, "dot": dot, "inner": dot, "vdot": dot, "norm": norm,
}  # fmt: skip
_PROPERTIES: dict[str, Callable[[TracedScalar], Any]] = {
    "size": length, "shape": lambda x: (length(x),), "ndim": lambda x: 1, "dtype": lambda x: x.value.type.element.dtype,
}  # fmt: skip
#: Elementwise methods of ndarrays and functions of NumPy: each result depends on one element alone.
_METHODS = frozenset(("astype", "clip", "copy", "round"))
_FUNCTIONS = frozenset("around array asarray clip copy full_like isclose isin nan_to_num ones_like round zeros_like".split())
