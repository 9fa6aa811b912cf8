"""Traces arrays and lists that a function of a group makes with one element for each row, and single elements that it assigns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparkweld.ir import LoopBuilder
from udf_compiler.frontends.pandas.apply.comprehensions import Values
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar
from udf_compiler.frontends.pandas.groups.single_values import GroupElement
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.lower import is_number, run_prototype, type_of
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup


def filled(group: FrameGroup, function: Any, count: GroupScalar, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TracedArray:
    """Returns an array with the same number for each row. Refuses (SW262) other dtypes than those of numbers.

    The elements of np.empty are any numbers until the function assigns them.
    """
    call, loop = f"np.{function.__name__}", _loop_of(group, count, f"np.{function.__name__}")
    if function is np.full and len(args) == 1 and not kwargs and type(args[0]) is GroupScalar:
        return TracedArray(loop, (group.of_rows(args[0].value, loop),))
    if any(type(x) in (GroupScalar, GroupElement) for x in (*args, *kwargs.values())):
        refuse("SW262", call=call, what="a value of the group")
    made: Any = np.zeros if function.__name__ == "empty" else function
    proto = run_prototype(call, made, 1, *map(unwrapped, args), **{name: unwrapped(x) for name, x in kwargs.items()})
    if proto.dtype.kind not in "bif":
        refuse("SW262", call=call, what=f"dtype={proto.dtype}")
    return TracedArray(loop, (loop.const(proto[0], type_of(proto.dtype, call)),))


def repeated(group: FrameGroup, count: GroupScalar, items: list[Any]) -> Values:
    """Implements ``[x] * count`` of a number, a string or an element of the group, for a number of rows."""
    call = "a list * ..."
    loop = _loop_of(group, count, call)
    if len(items) != 1 or not (is_number(items[0]) or type(items[0]) in (str, GroupElement, GroupScalar)):
        refuse("SW312", call=call, what="other than a list of a number, string or element")
    (x,) = items
    if type(x) is GroupScalar and not x.weak:
        return Values(TracedArray(loop, (group.of_rows(x.value, loop),)))  # NumPy's elements
    column = group.constant_column(x, loop)
    assert type(column) is TracedSeries
    return Values(column)


def _loop_of(group: FrameGroup, count: GroupScalar, call: str) -> LoopBuilder:
    """Returns the loop of the rows of which a scalar is the number; refuses (SW312) other numbers."""
    loop = group.counted.get(count.value.id)
    return loop if loop is not None and count.weak else refuse("SW312", call=call, what="other than with a number of rows")


def set_element(group: FrameGroup, x: TracedArray, key: int, value: Any) -> None:
    """Implements ``x[key] = value`` of a constant index; a group without that row runs in Python. Refuses SW312."""
    call, loop, scalars = "array[...] = ...", x.loop, group.loop
    dtype = value.dtype if type(value) is GroupScalar else np.asarray(value).dtype if is_number(value) else None
    fits = dtype is not None and np.can_cast(dtype, x.dtype, "same_kind") and (dtype.kind == "b") == (x.dtype.kind == "b")
    if not fits or x.dtype.itemsize < 8:
        refuse("SW312", call=call, what=f"{raw(value)} in an array of {x.dtype}")
    count = group.count_of(loop, call)
    scalars.guard(scalars.call("greater" if key >= 0 else "greater_equal", count, scalars.const(abs(key), count.type)))
    place: Any = scalars.const(key, count.type)
    place = place if key >= 0 else scalars.call("add", count, place)
    here = loop.call("equal", group.place(loop), group.of_rows(place, loop))
    found = group.of_rows(value.value, loop) if type(value) is GroupScalar else loop.const(value, type_of(np.dtype(dtype), call))
    x.columns = (loop.select(here, loop.cast(found, x.value.type), x.value),)
