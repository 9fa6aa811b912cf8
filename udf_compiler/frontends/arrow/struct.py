"""Models a pyarrow StructArray without NULL structs: an argument whose fields are read, or a result of several columns."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NoReturn

import pyarrow as pa

from sparkweld.ir import LoopBuilder
from udf_compiler.frontends.arrow.array import TracedArrow
from udf_compiler.frontends.tracing.class_stand_ins import class_stand_in
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced, raw


class TracedStructArray(Traced):
    """The fields in order as (name, Array), all over the rows of `loop`."""

    __slots__ = ("fields", "loop", "shared")
    what = "StructArray"
    stands_for = pa.StructArray

    loop: LoopBuilder
    fields: tuple[tuple[str, TracedArrow], ...]

    def __init__(self, loop: LoopBuilder, fields: Sequence[tuple[str, TracedArrow]]) -> None:
        self.loop, self.fields, self.shared = loop, tuple(fields), True

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return StructArrayStandIn

    def __getattr__(self, name: str) -> Any:
        call = f"StructArray.{name}"
        if name == "field":
            return lambda index: struct_field(self, index)
        if name == "flatten":
            return lambda: [array for _, array in self.fields]
        refuse("SW251", call=call)


def struct_field(values: Any, indices: Any) -> TracedArrow:
    """Returns a field by name or number, or by a list of one of these."""
    call = "pc.struct_field"
    if type(values) is not TracedStructArray:
        refuse("SW262", call=call, what=raw(values))
    key = indices[0] if isinstance(indices, list | tuple) and len(indices) == 1 else indices
    names = [name for name, _ in values.fields]
    if isinstance(key, str):
        if key not in names:
            refuse("SW252", call=call, error=f"no field {key!r}")
        return values.fields[names.index(key)][1]
    try:
        at = operator.index(key)
    except TypeError:
        refuse("SW262", call=call, what=raw(key))
    if not 0 <= at < len(names):
        refuse("SW252", call=call, error=f"no field {at}")
    return values.fields[at][1]


def from_arrays(arrays: Any, names: Any = None) -> TracedStructArray:
    """Returns a struct of the batch's columns with their names, as pa.StructArray.from_arrays does."""
    call = "pa.StructArray.from_arrays"
    if not (isinstance(arrays, list | tuple) and arrays and all(type(a) is TracedArrow for a in arrays)):
        refuse("SW262", call=call, what=raw(arrays))
    if not (isinstance(names, list | tuple) and len(names) == len(arrays) and all(type(n) is str for n in names)):
        refuse("SW262", call=call, what=raw(names))
    if any(a.loop is not arrays[0].loop for a in arrays):
        refuse("SW262", call=call, what="columns of other rows")
    return TracedStructArray(arrays[0].loop, list(zip(names, arrays, strict=True)))


def _no_array(*args: Any, **kwargs: Any) -> NoReturn:
    refuse("SW252", call="pa.StructArray", error="TypeError: Do not call StructArray's constructor directly")


#: The stand-in for pyarrow.StructArray, which creates structs from columns.
StructArrayStandIn = class_stand_in(
    pa.StructArray, "pa.StructArray", _no_array, visible=frozenset({"from_arrays"}), from_arrays=staticmethod(from_arrays)
)
