"""Models a pyarrow ListArray without NULL elements, and lowers the functions of pyarrow.compute that take one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ListCall
from sparkweld.ir.types import BOOL, I32, I64
from udf_compiler.frontends.arrow import logic
from udf_compiler.frontends.arrow.array import TracedArrow
from udf_compiler.frontends.python.lists import guard_list
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw

_END = 2**62


class TracedLists(TracedArrow):
    """A symbolic ListArray over the rows of `loop`, stored as in `TracedArrow`. Functions of other arrays do not accept it."""

    __slots__ = ("loop", "shared", "valid", "value")
    what = "ListArray"
    stands_for = pa.ListArray

    def __getattr__(self, name: str) -> Any:
        if name in _METHODS:
            return lambda: _METHODS[name](self)
        refuse("SW250" if name in ("flatten", "values", "offsets") else "SW251", call=f"ListArray.{name}")


def lists_of(loop: LoopBuilder, value: Value) -> TracedLists:
    """Returns the ListArray of a column; guards rows with a NULL element, which fall back to Python with their batch."""
    plain = loop.value_of(value)
    guard_list(loop, plain)
    return TracedLists(loop, plain, loop.is_valid(value) if value.type.nullable else None)


def _lists(x: Any, name: str) -> TracedLists:
    if type(x) is not TracedLists:
        refuse("SW262", call=f"pc.{name}", what=raw(x))
    return x


def _call(fn: str, x: TracedLists, *more: int) -> Value:
    return x.loop.emit(ListCall(fn, x.value.type), x.value, *(x.loop.const(number, I64) for number in more))


def _is_null(values: Any, *, nan_is_null: bool = False) -> TracedArrow:
    if type(values) is not TracedLists:
        return logic.is_null(values, nan_is_null=nan_is_null)
    return TracedArrow(values.loop, values.null())


def _is_valid(values: Any) -> TracedArrow:
    if type(values) is not TracedLists:
        return logic.FUNCTIONS["is_valid"](values)
    return TracedArrow(values.loop, values.loop.const(True, BOOL) if values.valid is None else values.valid)


def _value_length(lists: Any) -> TracedArrow:
    x = _lists(lists, "list_value_length")
    return TracedArrow(x.loop, x.loop.cast(_call("length", x), I32), x.valid)


def _element(lists: Any, index: Any) -> TracedArrow:
    """Returns the element at a constant index from the front; guards lists that are too short, for which pyarrow raises."""
    x, at = _lists(lists, "list_element"), _position(index, "list_element")
    x.guard(x.loop.call("greater", _call("length", x), x.loop.const(at, I64)))
    return TracedArrow(x.loop, _call("at", x, at), x.valid)


def _slice(lists: Any, start: Any, stop: Any = None, step: Any = 1, return_fixed_size_list: Any = None) -> TracedLists:
    call = "list_slice"
    x, first, last = _lists(lists, call), _position(start, call), _END if stop is None else _position(stop, call)
    if step != 1 or return_fixed_size_list:
        refuse("SW262", call=f"pc.{call}", what="a step, or lists of a fixed size")
    if last < first:
        refuse("SW252", call=f"pc.{call}", error="ArrowInvalid: `start` should not be greater than `stop`")
    return TracedLists(x.loop, _call("slice", x, first, last), x.valid)


def _position(number: Any, name: str) -> int:
    if type(number) is not int:
        refuse("SW262", call=f"pc.{name}", what=raw(number))
    if not 0 <= number < 2**31:
        refuse("SW252", call=f"pc.{name}", error=f"ArrowInvalid: {number} is out of bounds")
    return number


FUNCTIONS: dict[str, Callable[..., TracedArrow]] = {
    "is_null": _is_null, "is_valid": _is_valid, "list_value_length": _value_length, "list_element": _element,
    "list_slice": _slice,
}  # fmt: skip
_METHODS: dict[str, Callable[[Any], TracedArrow]] = {"is_null": _is_null, "is_valid": _is_valid, "value_lengths": _value_length}

__all__ = ["FUNCTIONS", "TracedLists", "lists_of"]
