"""A list or a one-dimensional ndarray of a row: indexing, slices, tests and reductions as ops of lists.

An element of a list is a Python number, one of an ndarray (`numpy` is "ndarray") a NumPy scalar. No element is None: rows with
such elements are guarded where the value is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.ops import ListCall
from sparkweld.ir.ops.lists import PYTHON_SUM
from sparkweld.ir.types import BOOL, F64, I64, Type
from udf_compiler.scalar import ndarrays
from udf_compiler.scalar.exceptions import of_python
from udf_compiler.scalar.ndarrays import LONGEST, bound
from udf_compiler.scalar.ndarrays import length as length
from udf_compiler.scalar.numpy_scalars import numpy_scalar
from udf_compiler.scalar.operands import as_int, is_number, kind_of, make_bool, make_float, make_int
from udf_compiler.scalar.paths import both, explorer
from udf_compiler.scalar.values import TracedScalar, is_scalar, of_value
from udf_compiler.trace.session import refuse
from udf_compiler.trace.values import BINARY, UNARY, raw, symbol

_END = 2**62
#: `TracedScalar.numpy` of an array.
NDARRAY = "ndarray"
#: `TracedScalar.numpy` of a list of NumPy scalars.
NUMPY_ELEMENTS = "elements"


def is_list(x: object) -> bool:
    """Whether `x` is a list or an ndarray of the row."""
    return is_scalar(x) and x.value.type.is_list  # type: ignore[attr-defined]


def of_list(value: Value, ndarray: bool = False) -> TracedScalar:
    """A list value as what the function sees."""
    return TracedScalar(value.type.kind, value, numpy=NDARRAY if ndarray else "")


def call(fn: str, x: TracedScalar, *more: Value) -> Value:
    """A function of lists (see `ir.ops.lists`)."""
    return explorer().loop.emit(ListCall(fn, x.value.type), x.value, *more)


def refuse_list(x: TracedScalar, what: str) -> NoReturn:
    """Refuses (SW222) what is not known of lists."""
    refuse("SW222", call=what, kind=_named(x))


def _named(x: TracedScalar) -> str:
    return NDARRAY if x.is_ndarray else "list"


def _element_type(x: TracedScalar) -> Type:
    return x.value.type.element


def _scalar(x: TracedScalar, value: Value) -> TracedScalar:
    """An element as the function sees it."""
    return numpy_scalar(value, value.type.dtype) if x.numpy else of_value(value)


def is_empty(x: TracedScalar) -> Value:
    return explorer().loop.call("equal", call("length", x), explorer().loop.const(0, I64))


def truth(x: TracedScalar) -> Value:
    """Whether a list has elements. Refuses ndarrays, for which NumPy raises but for one element."""
    if x.is_ndarray:
        refuse_list(x, "bool()")
    return explorer().loop.call("logical_not", is_empty(x))


def element(x: TracedScalar, position: Any) -> TracedScalar:
    """The element of an index within the list."""
    return _scalar(x, call("at", x, as_int(position)))


def item(x: TracedScalar, key: Any) -> Any:
    """``x[i]`` and ``x[a:b]``."""
    if isinstance(key, slice):
        return _slice(x, key)
    if x.is_ndarray and is_list(key):
        return ndarrays.masked(x, key)
    if not is_number(key) or kind_of(key) != "int" or (is_scalar(key) and key.numpy):
        refuse_list(x, f"[...] with {raw(key)}")
    run, loop = explorer(), explorer().loop
    size, index, zero = call("length", x), as_int(key), loop.const(0, I64)
    below = loop.call("less", index, zero)
    index = loop.select(below, loop.call("add", index, size), index)
    inside = both(loop, loop.call("greater_equal", index, zero), loop.call("less", index, size))
    run.raise_if(loop.call("logical_not", inside), lambda: IndexError(f"{_named(x)} index out of range"))
    return _scalar(x, call("at", x, index))


def _slice(x: TracedScalar, key: slice) -> TracedScalar:
    bounds = (key.start, key.stop)
    known = all(b is None or (is_number(b) and kind_of(b) == "int" and not (is_scalar(b) and b.numpy)) for b in bounds)
    if not known or key.step not in (None, 1) or is_scalar(key.step):
        refuse_list(x, "[...] with this slice")
    start, stop = (as_int(default if b is None else b) for b, default in zip(bounds, (0, _END), strict=True))
    return TracedScalar(x.kind, call("slice", x, start, stop), numpy=x.numpy)


def contains(x: TracedScalar, part: Any) -> Any:
    """``part in x``: equality, as an element is no object that `part` could be."""
    if part is None and not x.is_ndarray:
        return False
    return make_bool(explorer().loop.call("greater", _count(x, part, "in"), explorer().loop.const(0, I64)))


def _count(x: TracedScalar, part: Any, what: str) -> Value:
    """How many elements are equal to a number."""
    loop, element_type = explorer().loop, _element_type(x)
    same = is_number(part) and kind_of(part) == {"f": "float", "i": "int", "b": "bool"}[element_type.dtype.kind]
    if not same or x.numpy or (is_scalar(part) and part.numpy):
        refuse_list(x, f"{what} with {raw(part)}")
    value = part.value if is_scalar(part) else loop.const(part, {"float": F64, "int": I64, "bool": BOOL}[kind_of(part)])
    if value.type == F64:
        explorer().guard(loop.call("equal", value, value))  # a NaN is in a list that holds this very object
    if value.type == element_type:
        return call("count", x, value)
    narrow = loop.cast(value, element_type)
    exact = loop.call("equal", loop.cast(narrow, value.type), value)
    return loop.select(exact, call("count", x, narrow), loop.const(0, I64))


def sum_(x: TracedScalar, start: Any = 0) -> Any:
    """``sum(x)``, whose result is the int 0 where there are no elements."""
    if type(start) not in (int, float) or start != 0:
        refuse_list(x, "sum() with a start")
    element_type = _element_type(x)
    if element_type.is_float:
        if x.numpy and element_type != F64:
            refuse_list(x, "sum() of float32")
        if type(start) is int and explorer().decide(is_empty(x)):
            return 0
        # NumPy's scalars are no floats of Python's, so it adds them plainly
        total = call("sum_in_order" if x.numpy else PYTHON_SUM, x)
        return numpy_scalar(total, np.dtype(np.float64)) if x.numpy else make_float(total)
    if type(start) is float:
        refuse_list(x, f"sum() of {element_type}")
    if x.numpy and explorer().decide(is_empty(x)):
        return 0
    if x.numpy and element_type != I64:  # the ints that they add up to wrap in their own dtype; bools make int64
        to = element_type if element_type.is_int else I64
        return numpy_scalar(explorer().loop.cast(call("sum_wrapping", x), to), to.dtype)
    total = _present(call("sum", x))
    return numpy_scalar(total, np.dtype(np.int64)) if x.numpy else make_int(total)


def _present(value: Value) -> Value:
    """A nullable value; rows where it is NULL go to Python."""
    explorer().guard(explorer().loop.is_valid(value))
    return explorer().loop.value_of(value)


def extreme(name: str, x: TracedScalar, kwargs: dict[str, Any]) -> Any:
    """``min(x)`` and ``max(x)``."""
    if not kwargs.keys() <= {"default"} or _element_type(x) == BOOL:
        refuse_list(x, f"{name}() of this form")
    run = explorer()
    if "default" in kwargs:
        if run.decide(is_empty(x)):
            return kwargs["default"]
    else:
        run.raise_if(is_empty(x), lambda: ValueError(f"{name}() iterable argument is empty"))
    return _scalar(x, run.loop.value_of(call({"min": "smallest", "max": "largest"}[name], x)))


def test(name: str, x: TracedScalar) -> Any:
    """``any(x)`` and ``all(x)``."""
    return make_bool(call(name, x))


def binary(name: str, a: Any, b: Any) -> Any:
    """An operator with a list."""
    if ndarrays.is_ndarray(a) or ndarrays.is_ndarray(b):
        return ndarrays.elementwise(BINARY[name], (a, b), symbol(name))
    refuse_list(a if is_list(a) else b, f"{name} of {raw(a)} and {raw(b)}")


def unary(name: str, x: TracedScalar) -> Any:
    """``-x``, ``+x``, ``abs(x)`` and ``~x`` of an ndarray."""
    if x.is_ndarray:
        return ndarrays.elementwise(UNARY[name], (x,), f"unary {name}")
    refuse_list(x, f"unary {name}")


def attribute(x: TracedScalar, name: str) -> Any:
    """``x.name``. Refuses SW222; AttributeError where Python has no such attribute."""
    if name in _OF_LIST and not x.is_ndarray:
        return bound(_OF_LIST[name], x, f"list.{name}")
    if name == "tolist" and x.is_ndarray:
        return lambda: of_list(x.value)
    found = ndarrays.attribute(x, name) if x.is_ndarray else None
    if found is not None:
        return found
    if not hasattr(np.ndarray if x.is_ndarray else list, name):
        raise of_python(AttributeError(f"'{_named(x)}' object has no attribute {name!r}"))
    refuse_list(x, f".{name}")


def numpy_function(name: str, x: TracedScalar, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``np.name(x, ...)`` of an ndarray of the row: its method of that name."""
    if not x.is_ndarray:
        refuse_list(x, f"np.{name}")
    return ndarrays.numpy_function(name, x, args, kwargs)


_OF_LIST: dict[str, Callable[..., Any]] = {
    "count": lambda x, value: make_int(_count(x, value, "count"), (0, LONGEST)),
}
