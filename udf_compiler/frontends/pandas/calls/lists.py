"""Lowers a pandas Series of arrays (one-dimensional ndarrays, None where NULL): its methods, and its stacking into a matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ListCall
from sparkweld.ir.types import F64, I32, I64, STR
from udf_compiler.frontends.pandas.apply.elementwise import apply_function, element
from udf_compiler.frontends.pandas.apply.results import explored, series_of_tree
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.strings.mapping import integers, known_int, known_text
from udf_compiler.frontends.pandas.kind import ARRAY_OBJECTS
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import optional, text_series, validity
from udf_compiler.frontends.python import lists as row_lists
from udf_compiler.frontends.python import ndarray_calls
from udf_compiler.frontends.python.path_explorer import is_exploring
from udf_compiler.frontends.python.row_matrices import is_matrix
from udf_compiler.frontends.tracing.lower import constant_of, is_number, run_prototype
from udf_compiler.frontends.tracing.session import check_size, current, refuse
from udf_compiler.frontends.tracing.values import BINARY, UNARY, Traced, ndarray_class, raw

#: Maximum number of matrix columns. No supported model gains from reading wider rows in place.
_WIDEST = 8192


def list_series(loop: LoopBuilder, value: Value) -> TracedSeries:
    """Returns the Series of a column of arrays.

    A NULL element of float arrays becomes NaN. For other element types it changes the dtype of all rows' arrays to float or
    object, so a guard sends the batch to Python.
    """
    plain = loop.value_of(value)
    if plain.type.element.is_float:
        filled = loop.emit(ListCall("filled", plain.type), plain)
        value = loop.optional(filled, loop.is_valid(value)) if value.type.nullable else filled
    else:
        row_lists.guard_list(loop, plain)
    return TracedSeries(loop, value, np.dtype(object), kind=ARRAY_OBJECTS)


def is_list_series(x: object) -> bool:
    return type(x) is TracedSeries and x.kind is ARRAY_OBJECTS


def _mapped(s: TracedSeries, arg: Any, na_action: Any = None) -> Any:
    if not callable(arg) or isinstance(arg, np.ufunc) or na_action is not None:
        refuse("SW224", call=f"Series.map with {raw(arg)}")
    return apply_function(s, arg, "Series.map")


def _isna(s: TracedSeries) -> TracedSeries:
    return s.new(s.loop.call("logical_not", s.loop.is_valid(s.value)))


#: Operators that NumPy applies to the arrays of a Series one by one.
_OPERATORS = frozenset("add sub mul truediv".split())


def operator(s: TracedSeries, name: str, other: Any, reflected: bool, call: str) -> Any:
    """Returns ``s op other`` (``other op s`` when reflected) of arrays and of arrays, numbers or a Python number.

    NumPy calls the operator for each array and the other operand's element, a Python number unless it is an array. A batch with a
    missing array runs in Python.
    """
    if name not in _OPERATORS:
        ARRAY_OBJECTS.check_numeric(call)
    sources = [_operand(s.loop, x, call) for x in ((other, s) if reflected else (s, other))]
    tree = explored(s.loop, lambda: BINARY[name](*(source() for source in sources)), current().handlers)
    made = series_of_tree(s.loop, tree)
    if not is_list_series(made):
        ARRAY_OBJECTS.check_numeric(call)
    return made


def _operand(loop: LoopBuilder, x: Any, call: str) -> Callable[[], Any]:
    """Returns a function that yields the row's element of an operand."""
    x = constant_of(x)
    if type(x) in (int, float):
        return lambda: x
    if is_list_series(x) and x.loop is loop:
        if x.value.type.nullable:
            loop.guard(loop.is_valid(x.value))
        return element(TracedSeries(loop, loop.value_of(x.value), np.dtype(object), kind=ARRAY_OBJECTS), call)
    is_column = isinstance(x, TracedSeries) and x.kind is NUMBERS and x.loop is loop
    if not is_column or x.dtype.kind not in "if":
        refuse("SW224", call=f"{call} with {raw(x)}")
    return element(x, call)


METHODS: dict[str, Callable[..., Any]] = {
    "map": _mapped,
    "apply": lambda s, func: _mapped(s, func),
    "isna": _isna,
    "isnull": _isna,
    "notna": lambda s: s.new(s.loop.is_valid(s.value)),
    "notnull": lambda s: s.new(s.loop.is_valid(s.value)),
    "copy": lambda s, deep=True: s.twin(shared=True),
    "tolist": lambda s: Rows(s, of_list=True),
    "to_list": lambda s: Rows(s, of_list=True),
    "to_numpy": lambda s: Rows(s, of_list=False),
}
PROPERTIES: dict[str, Callable[[TracedSeries], Any]] = {
    "values": lambda s: Rows(s, of_list=False), "str": lambda s: Accessor(s), "ndim": lambda s: 1,
}  # fmt: skip


class _Alone(Traced):
    """A value without operators that only a few functions accept."""

    __slots__ = ()

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        refuse("SW224", call=f"an operator of a {self.what}")

    _binary = _unary = _in_place = __array_ufunc__ = _refuse  # type: ignore[assignment]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return current().dispatch.call_numpy(function, args, kwargs)


class Accessor(_Alone):
    """The accessor ``series.str`` of arrays: lengths, elements, slices and join."""

    __slots__ = ("series",)
    what = "Series.str"
    stands_for = pd.Series.str

    def __init__(self, series: TracedSeries) -> None:
        self.series = series

    def __getattr__(self, name: str) -> Any:
        series = object.__getattribute__(self, "series")
        if name == "len":
            return lambda: _lengths(series)
        if name == "get":
            return lambda i: _elements(series, known_int(i, "Series.str.get"))
        if name == "join":
            return lambda sep: _joined(series, known_text(sep, "Series.str.join"))
        refuse("SW224", call=f"Series.str.{name}")

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return _slices(object.__getattribute__(self, "series"), key)
        return _elements(object.__getattribute__(self, "series"), known_int(key, "Series.str[...]"))


def _lengths(s: TracedSeries) -> Any:
    plain = s.loop.value_of(s.value)
    return integers(s, s.loop.emit(ListCall("length", plain.type), plain))


def _joined(s: TracedSeries, sep: str) -> TracedSeries:
    """Joins the strings of each array with `sep`; None stays None. Refuses (SW224) other element types."""
    loop, plain = s.loop, s.loop.value_of(s.value)
    if plain.type.element != STR:
        refuse("SW224", call=f"Series.str.join of {plain.type.element} elements")
    value = loop.emit(ListCall("join", plain.type), plain, loop.const(sep, STR))
    missing = Missing(none=s.value.type.nullable)
    return text_series(loop, optional(loop, value, validity(loop, s.value)), missing)  # type: ignore[no-any-return]


def _slices(s: TracedSeries, key: slice) -> TracedSeries:
    """Slices each array v as ``v[a:b]``; None stays None."""
    bounds = [0 if key.start is None else key.start, 2**62 if key.stop is None else key.stop]
    if key.step not in (None, 1) or not all(type(b) is int and abs(b) <= 2**62 for b in bounds):
        refuse("SW224", call="Series.str[...] with this slice")
    loop, plain = s.loop, s.loop.value_of(s.value)
    value = loop.emit(ListCall("slice", plain.type), plain, *(loop.const(b, I64) for b in bounds))
    return TracedSeries(loop, optional(loop, value, validity(loop, s.value)), np.dtype(object), kind=ARRAY_OBJECTS)


def _elements(s: TracedSeries, at: int) -> TracedSeries:
    """Returns the element at position `at` of each array, NaN where an array is too short.

    Integer elements require one in every row, which a guard checks: NaN would change the dtype.
    """
    loop, plain = s.loop, s.loop.value_of(s.value)
    if plain.type.element not in (F64, I32, I64, STR):
        refuse("SW224", call=f"Series.str[...] of {plain.type.element} elements")
    size = loop.emit(ListCall("length", plain.type), plain)
    index = loop.const(at, I64) if at >= 0 else loop.call("add", size, loop.const(at, I64))
    inside = loop.call("logical_and", loop.call("greater_equal", index, loop.const(0, I64)), loop.call("less", index, size))
    value = loop.emit(ListCall("at", plain.type), plain, index)
    if plain.type.element == STR:
        there = validity(loop, s.value)
        there = inside if there is None else loop.call("logical_and", there, inside)
        missing = Missing(none=s.value.type.nullable, nan=True, void=True)
        return text_series(loop, loop.optional(value, there), missing)  # type: ignore[no-any-return]
    valid = loop.is_valid(s.value)
    if plain.type.element != F64:
        loop.guard(loop.call("logical_and", valid, inside))
        return s.new(value)
    loop.guard_some(valid)  # pandas returns dtype object for a batch of None only
    return s.new(loop.select(loop.call("logical_and", valid, inside), value, loop.const(float("nan"), F64)))


class Rows(_Alone):
    """The arrays of all rows as a list or as an array of objects, which NumPy can stack."""

    __slots__ = ("of_list", "series")
    what = "array of arrays"

    def __init__(self, series: TracedSeries, of_list: bool) -> None:
        self.series, self.of_list = series, of_list

    @property  # type: ignore[override]
    def stands_for(self) -> Any:
        return list if self.of_list else np.ndarray

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return list if self.of_list else ndarray_class(self)

    def __getattr__(self, name: str) -> Any:
        if name == "tolist" and not object.__getattribute__(self, "of_list"):
            return lambda: Rows(object.__getattribute__(self, "series"), of_list=True)
        refuse("SW224", call=f"{self.what}.{name}")


def concerns(x: object) -> bool:
    """Whether an argument of a NumPy function is a Series of arrays, a stack of them, or an array or a list of one row."""
    of_row = row_lists.is_list(x) or is_matrix(x) or (is_exploring() and type(x) in (list, tuple))
    return of_row or is_list_series(x) or type(x) in (Rows, Stack)


def call_numpy(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Calls a NumPy function on a first argument for which `concerns` holds. Refuses with SW222, SW224 or SW225."""
    first, name = args[0], getattr(function, "__name__", str(function))
    if row_lists.is_list(first):
        return row_lists.numpy_function(name, first, args[1:], kwargs)
    if is_matrix(first):
        return ndarray_calls.of_matrix(name, first, args[1:], kwargs)
    if type(first) in (list, tuple):
        return ndarray_calls.of_sequence(name, first, args[1:], kwargs)
    if type(first) is Stack:
        if name in ("array", "asarray", "ascontiguousarray", "copy") and len(args) == 1 and not kwargs:
            return first.later(lambda x: x)
        if name == "dot" and len(args) == 2 and not kwargs:
            return first @ args[1]
        refuse("SW225", call=f"np.{name}")
    of_list = type(first) is Rows and first.of_list
    dtype = kwargs.pop("dtype", None)
    stacks = name in ("stack", "vstack") or (of_list and name in ("array", "asarray"))
    if not stacks or len(args) != 1 or (kwargs and kwargs != {"axis": 0}):
        refuse("SW224", call=f"np.{name}")
    made = stacked(first.series if type(first) is Rows else first)
    return made if dtype is None else made.later(lambda x: x.astype(dtype))


def stacked(series: Any) -> Stack:
    """Returns the matrix of a Series of arrays or of lists. Refuses (SW224) one of strings."""
    loop = series.loop
    if series.value.type.element == STR:
        refuse("SW224", call="a matrix of strings")
    loop.guard(loop.is_valid(series.value))  # NumPy raises for None
    return stack_of(loop, loop.value_of(series.value))


def stack_of(loop: LoopBuilder, value: Value) -> Stack:
    """Returns the matrix whose rows are these lists."""
    return Stack(loop, value, ())


class Stack(_Alone):
    """The arrays of all rows stacked into a matrix. Its consumer supplies the width; NumPy raises for rows of another length.

    `then`: elementwise operations that are deferred until the width is known.
    """

    __slots__ = ("loop", "then", "value")
    what = "matrix of stacked arrays"
    stands_for = np.ndarray

    def __init__(self, loop: LoopBuilder, value: Value, then: tuple[Callable[[TracedArray], Any], ...]) -> None:
        self.loop, self.value, self.then = loop, value, then

    __class__ = property(ndarray_class)  # type: ignore[assignment]

    def of_width(self, width: int) -> Any:
        """Returns the matrix of that width. Rows of another length are guarded: Python then raises unless all lengths agree."""
        loop, type_ = self.loop, self.value.type
        if not 0 < width <= _WIDEST:
            refuse("SW225", call=f"a matrix of {width} columns")
        size = loop.emit(ListCall("length", type_), self.value)
        loop.guard(loop.call("equal", size, loop.const(width, I64)))
        columns = [loop.emit(ListCall("at", type_), self.value, loop.const(i, I64)) for i in range(width)]
        check_size(loop)
        made: Any = TracedArray(loop, columns, 2, "C")
        for function in self.then:
            made = function(made)
        return made

    def later(self, function: Callable[[TracedArray], Any]) -> Stack:
        """Defers an elementwise function; returns the matrix of its results."""
        return Stack(self.loop, self.value, (*self.then, function))

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        known = constant_of(other)
        if is_number(known):
            return self.later(lambda x: x._binary(name, known, reflected))
        return self.of_width(_width_of(known, f"{name} of a matrix"))._binary(name, known, reflected)

    def _unary(self, name: str) -> Any:
        run_prototype(f"{name} of a matrix", UNARY[name], np.ones((1, 1), self.value.type.element.dtype))
        return self.later(lambda x: x._unary(name))

    def __matmul__(self, w: Any) -> Any:
        known = constant_of(w)
        if not isinstance(known, np.ndarray | list | tuple) or np.ndim(known) not in (1, 2):
            refuse("SW225", call="@")
        return self.of_width(len(known)) @ known

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if ufunc is np.matmul and len(inputs) == 2 and inputs[0] is self:
            return self @ inputs[1]
        if method != "__call__" or kwargs or len(inputs) != 1 or ufunc.nout != 1:
            refuse("SW225", call=f"np.{ufunc.__name__}")
        return self.later(ufunc)

    def __getattr__(self, name: str) -> Any:
        if name == "dot":
            return lambda w: self @ w
        if name == "astype":
            return lambda dtype: object.__getattribute__(self, "later")(lambda x: x.astype(dtype))
        if name == "reshape":
            return lambda *shape: _reshaped(self, shape)
        if name == "ndim":
            return 2
        refuse("SW225", call=f".{name}")

    def __getitem__(self, key: Any) -> Any:
        refuse("SW225", call="[...]")


def _width_of(constant: Any, call: str) -> int:
    shape = np.shape(constant) if isinstance(constant, np.ndarray | list | tuple) else ()
    if not shape or shape[-1] < 2 or (len(shape) == 2 and shape[0] != 1) or len(shape) > 2:
        refuse("SW225", call=call)
    return int(shape[-1])


def _reshaped(stack: Stack, shape: tuple[Any, ...]) -> Any:
    shape = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
    if len(shape) != 2 or shape[0] != -1 or type(shape[1]) is not int:
        refuse("SW225", call=".reshape")
    return stack.of_width(shape[1])


def for_model(x: Any, width: int | None, call: str) -> Any:
    """Returns a stack as a matrix of `width` columns, the model's number of features; other arguments unchanged."""
    if type(x) is not Stack:
        return x
    if width is None:
        refuse("SW225", call=call)
    return x.of_width(width)


__all__ = ["Stack", "call_numpy", "concerns", "for_model", "is_list_series", "list_series", "stack_of", "stacked"]
