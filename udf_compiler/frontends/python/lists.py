"""Lowers a list or a one-dimensional ndarray of a row to list ops: indexing, slices, tests and reductions.

An element of a list is a Python number or str. An element of an ndarray (`numpy` is "ndarray") is a NumPy scalar or a str. No
element is None: rows with such elements are guarded where the value is created.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ListCall, StrCall
from sparkweld.ir.ops.lists import NO_BOUND, PYTHON_SUM
from sparkweld.ir.types import BOOL, F64, I64, STR, Type
from udf_compiler.frontends.python import ndarray_calls, ndarrays
from udf_compiler.frontends.python.conditions import both
from udf_compiler.frontends.python.ndarray_calls import bound
from udf_compiler.frontends.python.ndarrays import LONGEST
from udf_compiler.frontends.python.ndarrays import length as length
from udf_compiler.frontends.python.numpy_scalars import numpy_scalar
from udf_compiler.frontends.python.operands import (
    as_int,
    as_text,
    is_number,
    is_text,
    kind_of,
    make_bool,
    make_float,
    make_int,
    make_text,
)
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, array_of_vector, is_scalar, of_value
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.values import Traced, raw

_END = 2**62
#: `TracedScalar.numpy` of an array.
NDARRAY = "ndarray"
#: `TracedScalar.numpy` of a list of NumPy scalars.
NUMPY_ELEMENTS = "elements"
#: That of a list of Python's and NumPy's numbers, of which nothing is read (`Session.of_columns`).
MIXED_ELEMENTS = "mixed"
#: That of the elements of a set, of which only the number is read (`Session.of_columns`).
SET_ELEMENTS = "set"
#: Functions of lists that need not know the classes of the elements.
_OF_ANY = ("length", "slice", "concat")


def is_list(x: object) -> bool:
    """Whether `x` is a list or an ndarray of the row."""
    return is_scalar(x) and x.value.type.is_list  # type: ignore[attr-defined]


def of_list(value: Value, ndarray: bool = False) -> TracedScalar:
    """Returns a list value as the symbolic list or ndarray that the function sees."""
    return TracedScalar(value.type.kind, value, numpy=NDARRAY if ndarray else "")


def guard_list(loop: LoopBuilder, value: Value) -> None:
    """Guards rows whose list has a NULL element, or an element that is not valid UTF-8."""
    loop.guard(loop.emit(ListCall("complete", value.type), value))
    if value.type.element == STR:
        loop.guard(loop.emit(ListCall("valid_utf8", value.type), value))


def call(fn: str, x: TracedScalar, *more: Value) -> Value:
    """Emits a function of lists (see `ir.ops.lists`)."""
    if x.numpy in (MIXED_ELEMENTS, SET_ELEMENTS) and fn not in _OF_ANY:
        refuse("SW222", call=fn, kind="list of NumPy's and Python's numbers" if x.numpy == MIXED_ELEMENTS else "set")
    return explorer().loop.emit(ListCall(fn, x.value.type), x.value, *more)


def refuse_list(x: TracedScalar, what: str) -> NoReturn:
    """Refuses (SW222) an operation that is unsupported for lists."""
    refuse("SW222", call=what, kind=_named(x))


def _named(x: TracedScalar) -> str:
    return NDARRAY if x.is_ndarray else "list"


def _element_type(x: TracedScalar) -> Type:
    return x.value.type.element


def _scalar(x: TracedScalar, value: Value) -> TracedScalar:
    """Returns an element as the function sees it."""
    return numpy_scalar(value, value.type.dtype) if x.numpy and value.type != STR else of_value(value)


class LazyList(Traced):
    """A list that is made only where the function needs all of it (`whole`), such as the elements of a split."""

    __slots__ = ()
    stands_for = list

    __class__ = list  # type: ignore[assignment]

    @property
    def count(self) -> Any:
        """Returns the number of elements."""
        raise NotImplementedError

    @property
    def whole(self) -> Any:
        """Returns the list itself, as a value or as one of tuples."""
        raise NotImplementedError

    def __contains__(self, part: Any) -> bool:
        return part in as_list(self)

    def __getitem__(self, key: Any) -> Any:
        return as_list(self)[key]

    def __iter__(self) -> Any:
        return iter(as_list(self))

    def __getattr__(self, name: str) -> Any:
        return getattr(as_list(self), name)

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        return as_list(self)._binary(name, other, reflected)


def is_lazy(x: object) -> bool:
    """Whether `x` is a lazy list of the row; `isinstance` would trust `__class__`."""
    return issubclass(type(x), LazyList)


def as_list(x: Any) -> Any:
    """Returns the list of the row for a lazy one; anything else unchanged."""
    if not is_lazy(x):
        return x
    whole = x.whole
    return of_list(whole) if type(whole) is Value else whole


def is_empty(x: TracedScalar) -> Value:
    return explorer().loop.call("equal", call("length", x), explorer().loop.const(0, I64))


def truth(x: TracedScalar) -> Value:
    """Returns the condition that a list has elements; refuses ndarrays, for which NumPy raises except for one element."""
    if x.is_ndarray:
        refuse_list(x, "bool()")
    return explorer().loop.call("logical_not", is_empty(x))


def element(x: TracedScalar, position: Any) -> TracedScalar:
    """Returns the element at an index within the list."""
    return _scalar(x, call("at", x, as_int(position)))


def item(x: TracedScalar, key: Any) -> Any:
    """Returns ``x[i]`` or ``x[a:b]``."""
    if isinstance(key, slice):
        return _slice(x, key)
    if x.is_ndarray and is_list(key):
        return ndarrays.masked(x, key)
    return _scalar(x, call("at", x, place(x, key)))


def place(x: TracedScalar, key: Any, size: Value | None = None) -> Value:
    """Returns the index within the list that an int stands for, which may be negative; IndexError outside of the list.

    `size`: the number of elements, if it is not that of `x`.
    """
    if key is None and not x.is_ndarray:
        raise in_place(TypeError("list indices must be integers or slices, not NoneType"))
    if not is_number(key) or kind_of(key) != "int":
        refuse_list(x, f"[...] with {raw(key)}")
    run, loop = explorer(), explorer().loop
    size, index, zero = call("length", x) if size is None else size, as_int(key), loop.const(0, I64)
    below = loop.call("less", index, zero)
    index = loop.select(below, loop.call("add", index, size), index)
    inside = both(loop, loop.call("greater_equal", index, zero), loop.call("less", index, size))
    run.raise_if(loop.call("logical_not", inside), lambda: IndexError(f"{_named(x)} index out of range"))
    return index


def without(x: TracedScalar, index: Value) -> TracedScalar:
    """Returns the list without the element at an index within it."""
    loop = explorer().loop
    after = loop.call("add", index, loop.const(1, I64))
    parts = call("slice", x, loop.const(0, I64), index), call("slice", x, after, loop.const(_END, I64))
    return TracedScalar(x.kind, loop.emit(ListCall("concat", x.value.type), *parts), numpy=x.numpy)


def unpacked(x: TracedScalar, count: int) -> list[TracedScalar]:
    """Returns the elements of a list that must have this length; Python's ValueError otherwise."""
    run = explorer()
    other = run.loop.call("not_equal", call("length", x), run.loop.const(count, I64))
    run.raise_if(other, lambda: ValueError("not enough or too many values to unpack"))
    return [element(x, at) for at in range(count)]


def _slice(x: TracedScalar, key: slice) -> TracedScalar:
    bounds = (key.start, key.stop)
    known = all(b is None or (is_number(b) and kind_of(b) == "int" and not (is_scalar(b) and b.numpy)) for b in bounds)
    if not known or is_scalar(key.step) or type(key.step) not in (int, type(None)):
        refuse_list(x, "[...] with this slice")
    if key.step not in (None, 1):
        return _stepped(x, bounds, key.step)
    start, stop = (as_int(default if b is None else b) for b, default in zip(bounds, (0, _END), strict=True))
    return TracedScalar(x.kind, call("slice", x, start, stop), numpy=x.numpy)


def _stepped(x: TracedScalar, bounds: tuple[Any, ...], step: int) -> TracedScalar:
    if step == 0:
        raise in_place(ValueError("slice step cannot be zero"))
    if any(map(is_scalar, bounds)):
        refuse_list(x, "[...] with a step and a bound that is not constant")
    ends = (NO_BOUND if b is None else max(-_END, min(b, _END)) for b in bounds)
    parts = (explorer().loop.const(n, I64) for n in (*ends, max(-_END, min(step, _END))))
    return TracedScalar(x.kind, call("stepped", x, *parts), numpy=x.numpy)


def reversed_(x: TracedScalar) -> TracedScalar:
    """Returns the list ``x[::-1]``; for an ndarray, a list of NumPy scalars."""
    return _listed(x, _stepped(x, (None, None), -1).value)


def _listed(x: TracedScalar, value: Value) -> TracedScalar:
    """Returns a list of the elements of `x`, which may be an ndarray."""
    return TracedScalar(x.kind, value, numpy=NUMPY_ELEMENTS if x.numpy and value.type.element != STR else "")


def to_list(x: TracedScalar) -> TracedScalar:
    """Returns ``list(x)``."""
    return _listed(x, x.value)


def sorted_(x: TracedScalar, key: Any = None, reverse: Any = False) -> TracedScalar:
    """Returns ``sorted(x)``; guards rows with a NaN, whose order depends on the comparisons that the sort makes."""
    if key is not None or type(reverse) not in (bool, int):
        refuse_list(x, "sorted() with a key")
    guard_ordered(x)
    return _listed(x, call("sorted_down" if reverse else "sorted", x))


def guard_ordered(x: TracedScalar) -> None:
    """Guards rows with a NaN among the elements."""
    if _element_type(x).is_float:
        explorer().guard(call("ordered", x))


def join(separator: Any, x: TracedScalar) -> Any:
    """Returns ``separator.join(x)``."""
    if _element_type(x) != STR:
        some = explorer().loop.call("logical_not", is_empty(x))
        explorer().raise_if(some, lambda: TypeError("sequence item 0: expected str instance"))
        return ""
    return make_text(call("join", x, as_text(separator)))


def contains(x: TracedScalar, part: Any) -> Any:
    """Evaluates ``part in x`` by equality alone: `part` cannot be the same object as an element."""
    return make_bool(explorer().loop.call("greater_equal", sought("find", x, part, "in"), explorer().loop.const(0, I64)))


def sought(fn: str, x: TracedScalar, part: Any, what: str) -> Value:
    """Returns the number of elements equal to a value ("count"), or the position of the first ("find")."""
    loop, element_type = explorer().loop, _element_type(x)
    absent = loop.const(0 if fn == "count" else -1, I64)
    if element_type == STR:
        if not is_text(part) and not is_number(part) and part is not None:
            refuse_list(x, f"{what} with {raw(part)}")
        if not is_text(part):
            return absent
        if x.is_ndarray:  # NumPy ignores NULs at the end of the searched string
            ends = loop.emit(StrCall("ends_with", ("\0",)), as_text(part))
            explorer().guard(loop.call("logical_not", ends))
        return call(fn, x, as_text(part))
    if type(part) in (type(None), str) and not x.numpy:
        return absent
    same = is_number(part) and kind_of(part) == {"f": "float", "i": "int", "b": "bool"}[element_type.dtype.kind]
    if not same or x.numpy or (is_scalar(part) and part.numpy):
        refuse_list(x, f"{what} with {raw(part)}")
    value = part.value if is_scalar(part) else loop.const(part, {"float": F64, "int": I64, "bool": BOOL}[kind_of(part)])
    if value.type == F64:
        explorer().guard(loop.call("equal", value, value))  # a list contains a NaN only if it is the same object
    if value.type == element_type:
        return call(fn, x, value)
    narrow = loop.cast(value, element_type)
    exact = loop.call("equal", loop.cast(narrow, value.type), value)
    return loop.select(exact, call(fn, x, narrow), absent)


def _index(x: TracedScalar, value: Any) -> TracedScalar:
    at = sought("find", x, value, "index")
    run = explorer()
    run.raise_if(run.loop.call("less", at, run.loop.const(0, I64)), lambda: ValueError("list.index(x): x not in list"))
    return make_int(at, (0, LONGEST))


def sum_(x: TracedScalar, start: Any = 0) -> Any:
    """Returns ``sum(x, start)``, which is the start for an empty list."""
    if not x.numpy and not _element_type(x).is_float and _is_start(start):
        return sum_(x) + start
    if type(start) not in (int, float) or start != 0:
        refuse_list(x, "sum() with a start")
    element_type = _element_type(x)
    if element_type == STR:
        refuse_list(x, "sum() of strings")
    if element_type.is_float:
        if x.numpy and element_type != F64:
            refuse_list(x, "sum() of float32")
        if type(start) is int and explorer().decide(is_empty(x)):
            return 0
        # `sum` adds NumPy scalars without compensation: they are not exactly of class float
        total = call("sum_in_order" if x.numpy else PYTHON_SUM, x)
        return numpy_scalar(total, np.dtype(np.float64)) if x.numpy else make_float(total)
    if type(start) is float:
        refuse_list(x, f"sum() of {element_type}")
    if x.numpy and explorer().decide(is_empty(x)):
        return 0
    if x.numpy and element_type != I64:  # NumPy's ints wrap in their own dtype; bools add up to int64
        to = element_type if element_type.is_int else I64
        return numpy_scalar(explorer().loop.cast(call("sum_wrapping", x), to), to.dtype)
    total = present(call("sum", x))
    return numpy_scalar(total, np.dtype(np.int64)) if x.numpy else make_int(total)


def _is_start(x: Any) -> bool:
    """Whether ``sum`` starts with an int other than 0."""
    return is_number(x) and kind_of(x) == "int" and not (type(x) is int and x == 0) and not (is_scalar(x) and x.numpy)


def present(value: Value) -> Value:
    """Returns a nullable value without NULL; guards rows where it is NULL."""
    explorer().guard(explorer().loop.is_valid(value))
    return explorer().loop.value_of(value)


def extreme(name: str, x: TracedScalar, kwargs: dict[str, Any]) -> Any:
    """Returns ``min(x)`` or ``max(x)``."""
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
    """Returns ``any(x)`` or ``all(x)``."""
    return make_bool(call(name, x))


def attribute(x: TracedScalar, name: str) -> Any:
    """Returns ``x.name``; refuses unsupported attributes (SW222). AttributeError where Python has no such attribute."""
    if name in _OF_LIST and not x.is_ndarray:
        return bound(_OF_LIST[name], x, f"list.{name}")
    if name == "tolist" and x.is_ndarray:
        return lambda: of_list(x.value)
    _check_elements(x, name)
    found = ndarray_calls.attribute(x, name) if x.is_ndarray else None
    if found is not None:
        return found
    if not hasattr(np.ndarray if x.is_ndarray else list, name):
        raise in_place(AttributeError(f"'{_named(x)}' object has no attribute {name!r}"))
    refuse_list(x, f".{name}")


def _check_elements(x: TracedScalar, name: str) -> None:
    """Refuses (SW222) most attributes of an array of strings."""
    if x.is_ndarray and _element_type(x) == STR and name not in ("size", "shape", "ndim", "copy"):
        refuse_list(x, f".{name} of strings")


def numpy_function(name: str, x: TracedScalar, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Evaluates ``np.name(x, ...)`` of a list or an ndarray of the row, which NumPy converts to an array first."""
    _check_elements(x, name)
    array = array_of_vector(x) if x.is_ndarray else ndarrays.array_of(x, f"np.{name}")
    return ndarray_calls.numpy_function(name, array, args, kwargs)


_OF_LIST: dict[str, Callable[..., Any]] = {
    "count": lambda x, value: make_int(sought("count", x, value, "count"), (0, LONGEST)), "index": _index,
    "copy": lambda x: x,
}
