"""Models DenseVector of pyspark.ml.linalg: the numbers of an ndarray of the row, with methods and operators of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL, F64, Items, list_of
from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.arguments import Parts
from udf_compiler.frontends.python.list_operators import guard_ordered
from udf_compiler.frontends.python.ndarray_calls import binary as of_arrays
from udf_compiler.frontends.python.ndarray_calls import bound
from udf_compiler.frontends.python.ndarray_calls import unary as of_array
from udf_compiler.frontends.python.ndarray_reductions import dot, norm
from udf_compiler.frontends.python.ndarrays import array_of, elementwise, is_empty, leave_none
from udf_compiler.frontends.python.operands import is_number, make_bool
from udf_compiler.frontends.python.path_explorer import Node, explorer, leaves
from udf_compiler.frontends.python.result_kinds import merged
from udf_compiler.frontends.python.row_matrices import vector
from udf_compiler.frontends.python.values import NAMES_OF_ARRAYS, VECTOR, TracedScalar, array_of_vector, dense_vector, is_scalar
from udf_compiler.frontends.tracing.lower import constant_of
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn, in_place
from udf_compiler.frontends.tracing.values import raw, symbol

#: The IR type of the numbers of a vector.
NUMBERS = list_of(F64)

_KIND = "DenseVector"
#: Operators that the class defines, on either side.
_OPERATORS = ("add", "sub", "mul", "truediv", "mod")


class DenseArgument(Parts):
    """An argument that is a DenseVector or None, as the list of its numbers."""

    @property
    def value(self) -> Value:
        return self.columns[0]

    def made(self, values: list[Value]) -> Any:
        return vector_of(values[0])


def vector_of(value: Value) -> TracedScalar:
    """Returns the DenseVector with the numbers of a list."""
    return TracedScalar(value.type.kind, value, numpy=VECTOR)


def is_vector(x: object) -> bool:
    """Whether `x` is a DenseVector of the row."""
    return is_scalar(x) and x.numpy == VECTOR  # type: ignore[attr-defined]


class ConstantVector(StandIn):
    """A captured DenseVector; `array` is a view of its numbers that cannot be written to."""

    __slots__ = ("_array",)
    what = _KIND

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    @property
    def stands_for(self) -> type:  # type: ignore[override]
        return dense_vector()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return dense_vector()

    def _more_names(self) -> Any:
        return NAMES_OF_ARRAYS

    def __getattr__(self, name: str) -> Any:
        if name == "toArray":
            return lambda: self._array
        if name in ("values", "array"):
            return self._array
        if name in ("dot", "squared_distance"):
            return lambda other: self._with(name, other)
        if name == "norm":
            return self._norm
        refuse("SW251", call=f"{_KIND}.{name}")

    def _norm(self, p: Any) -> Any:
        """Returns the norm, a constant as of any captured array."""
        if type(p) not in (int, float):
            refuse("SW262", call=f"{_KIND}.norm", what="a norm that is not constant")
        return np.linalg.norm(self._array, p)

    def _with(self, name: str, other: Any) -> Any:
        """Calls a symmetric method with a vector of the row."""
        if not is_vector(other):
            refuse("SW251", call=f"{_KIND}.{name} of {raw(other)}")
        return _METHODS[name](array_of_vector(other), self)

    def __getitem__(self, key: Any) -> Any:
        return self._array[key]

    def __len__(self) -> int:
        return len(self._array)


def _operator(name: str) -> Callable[[ConstantVector, Any], Any]:
    def apply(self: ConstantVector, other: Any) -> Any:
        return binary(name, self, other) if is_vector(other) else refuse("SW251", call=f"{symbol(name)} of a captured vector")

    return apply


for _name in _OPERATORS:
    setattr(ConstantVector, f"__{_name}__", _operator(_name))


def is_constant(x: object) -> bool:
    """Whether `x` is a captured vector; `isinstance` would trust `__class__`."""
    return type(x) is ConstantVector


def constant_of_class(original: Any) -> np.ndarray | None:
    """Returns the numbers of a captured DenseVector; None for another object."""
    kind = type(original)
    return original.array if kind.__module__ == "pyspark.ml.linalg" and kind.__name__ == _KIND else None


def dense(*elements: Any) -> TracedScalar:
    """Implements ``Vectors.dense(xs)`` and ``Vectors.dense(a, b)``."""
    one = len(elements) == 1 and not (is_number(elements[0]) or isinstance(elements[0], int | float))
    return made_of(elements[0] if one else elements)


def made_of(items: Any) -> TracedScalar:
    """Implements ``DenseVector(items)``, the vector of the float64 array of an array, a list, a tuple or a vector."""
    call = f"{_KIND}()"
    if items is None:
        leave_none()  # the vector of an array without a dimension
    items = lists.as_list(items)
    if is_scalar(items) and items.is_list:
        array = array_of(items, call)
    else:
        known = constant_of(items)
        if type(known) not in (list, tuple, np.ndarray) or (type(known) is np.ndarray and known.ndim != 1):
            refuse("SW222", call=f"{call} of {raw(items)}", kind=_KIND)
        if len(known) == 0:
            return vector_of(explorer().loop.const(Items(F64.kind), NUMBERS))
        array = vector(known.tolist() if type(known) is np.ndarray else known)
    if array.value.type != NUMBERS:
        array = elementwise(lambda a: current().dispatch.call_numpy(np.asarray, (a, float), {}), (array,), call)
    return vector_of(array.value)


def truth(x: TracedScalar) -> Value:
    """Returns whether a vector has elements: its truth value is that of its length."""
    return explorer().loop.call("logical_not", is_empty(x))


def item(x: TracedScalar, key: Any) -> Any:
    """Returns ``x[key]``: a NumPy scalar or an array."""
    return lists.item(array_of_vector(x), key)


def attribute(x: TracedScalar, name: str) -> Any:
    """Returns ``x.name``; a vector has the attributes of its array, too."""
    array = array_of_vector(x)
    if name in ("values", "array"):
        return array
    if name in _METHODS:
        return bound(_METHODS[name], array, f"{_KIND}.{name}")
    return lists.attribute(array, name)


def binary(name: str, a: Any, b: Any) -> Any:
    """Applies an operator of the class with a vector on either side; refuses others (SW222), most of which raise in Python."""
    if name in ("eq", "ne") and is_vector(a) and is_vector(b):
        guard_ordered(a)  # a NaN differs from itself
        loop, same = explorer().loop, lists.call("equal", a, b.value)
        return make_bool(same if name == "eq" else loop.call("logical_not", same))
    other = b if is_vector(a) else a
    if name in ("eq", "ne") and (other is None or type(other) in (int, float, str, bool, list, tuple)):
        return name == "ne"  # a vector equals vectors alone
    if other is None and name in _OPERATORS:
        _operand(other)
    # NumPy's own scalars and arrays on the left compute the result themselves: it is an array.
    of_numpy = isinstance(other, np.generic) or (is_scalar(other) and other.numpy)
    if name not in _OPERATORS or not (is_vector(a) or is_constant(a) or (is_number(a) and not of_numpy)):
        refuse("SW222", call=f"{symbol(name)} of {raw(a)} and {raw(b)}", kind=_KIND)
    made = of_arrays(name, *(x if is_number(x) else _operand(x) for x in (a, b)))
    return vector_of(made.value) if made.value.type == NUMBERS else refuse("SW222", call=symbol(name), kind=_KIND)


def unary(name: str, x: TracedScalar) -> TracedScalar:
    """Returns ``-x``; the class defines no other."""
    if name != "neg":
        refuse("SW222", call=f"unary {name}", kind=_KIND)
    return vector_of(of_array(name, array_of_vector(x)).value)


def _operand(x: Any) -> Any:
    """Returns an operand as NumPy sees it; raises TypeError for None, as NumPy and pyspark.ml do."""
    if x is None:
        raise in_place(TypeError("a vector is required, not NoneType"))
    x = object.__getattribute__(x, "_array") if is_constant(x) else x
    if type(x) is np.ndarray and x.size < 2 or is_number(x):
        refuse("SW222", call=f"a vector and {raw(x)}", kind=_KIND)  # NumPy would broadcast it
    return array_of_vector(x) if is_vector(x) else x


def _dot(x: TracedScalar, other: Any) -> Any:
    return dot(x, _operand(other))


def _squared_distance(x: TracedScalar, other: Any) -> Any:
    apart = of_arrays("sub", x, _operand(other))
    return dot(apart, apart)


def _norm(x: TracedScalar, p: Any) -> Any:
    return norm(x, p)


_METHODS: dict[str, Callable[..., Any]] = {
    "toArray": lambda x: x, "norm": _norm, "dot": _dot, "squared_distance": _squared_distance,
}  # fmt: skip


def vector_of_row(loop: LoopBuilder, tree: Node, place: str, pruned: Node | None) -> Value:
    """Returns the numbers of the vectors that a function returns, NULL for None. Refuses other results (SW226)."""
    values = [leaf.value for leaf in leaves(tree) if leaf.error is None]
    others = [leaf.value for leaf in leaves(pruned) if leaf.error is None] if pruned is not None else []
    for x in (*values, *others):
        if x is not None and not is_vector(x):
            refuse("SW226", at=place, what=raw(x), type="vector")
    made = merged(loop, tree, NUMBERS, lambda x: loop.const(Items(F64.kind), NUMBERS) if x is None else x.value)
    if not any(x is None for x in values):
        return made
    return loop.optional(made, merged(loop, tree, BOOL, lambda x: loop.const(x is not None, BOOL)))
