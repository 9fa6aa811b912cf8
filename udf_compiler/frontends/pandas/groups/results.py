"""Traces what a region that runs for a whole group returns: scalars, elements and lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL, DATE, I32, I64, LISTS, STR, Items, Type
from udf_compiler.frontends.pandas import datetimes
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.datetimes import DATETIMES
from udf_compiler.frontends.pandas.groups.made_lists import GroupDict, GroupList, GroupRecords, GroupSet
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar
from udf_compiler.frontends.pandas.groups.single_values import GroupElement, GroupSpan
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import text_series
from udf_compiler.frontends.python.lists import MIXED_ELEMENTS, NDARRAY, NUMPY_ELEMENTS, SET_ELEMENTS
from udf_compiler.frontends.python.records import Records
from udf_compiler.frontends.python.regions.results import PREFIXES, Kind, Parts, types_of
from udf_compiler.frontends.tracing.session import refuse

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup


def results_of_group(group: FrameGroup, kinds: tuple[Kind, ...], values: Sequence[Value]) -> list[Any]:
    """Returns a region's results, which are a tuple, from their values in the loop of scalars."""
    loop, rest, rows = group.loop, list(values), []
    number = rest.pop(0) if len(kinds) > 1 else loop.const(0, I64)
    for kind in kinds:
        assert isinstance(kind, Parts)
        row = []
        for part in kind.kinds:
            count = len(types_of(part))
            row.append((part, rest[:count]))
            rest = rest[count:]
        rows.append(row)
    return [_of_kinds(group, number, [row[at] for row in rows]) for at in range(len(rows[0]))]


def _of_kinds(group: FrameGroup, number: Value, cases: Sequence[tuple[Kind, list[Value]]]) -> Any:
    """Returns one result. `cases`: its kind and values for each number of the result.

    A string may also be None, and a list may be empty. Of other kinds the last one is expected. A guard flags groups with
    another one.
    """
    loop = group.loop
    kinds = {kind for kind, _ in cases}
    shapes = {(len(kind.kinds), kind.keys) if isinstance(kind, Parts) else kind for kind in kinds}
    if len(shapes) == 1 and isinstance(cases[0][0], Parts):
        return _of_parts(group, number, cases)
    lists = [kind for kind in kinds if isinstance(kind, Records) or (isinstance(kind, str) and _of_list(kind)[1] in LISTS)]
    if kinds <= {"str", "None"} and len(kinds) == 2:
        return _optional_text(loop, number, cases)
    expected = lists[0] if len(lists) == 1 and kinds <= {*lists, "[]"} else max(kinds, key=_preference)
    fits: Value | None = None
    found: list[Value] = []
    for at, (kind, values) in enumerate(cases):
        here = loop.call("equal", number, loop.const(at, I64))
        if kind == "[]" and lists == [expected]:
            values = [loop.const(Items(type_.element.kind), type_) for type_ in types_of(expected)]
        elif kind != expected:
            continue
        fits = here if fits is None else loop.call("logical_or", fits, here)
        found = [loop.select(here, a, b) for a, b in zip(values, found, strict=True)] if found else list(values)
    if fits is not None and len(kinds) > 1:
        loop.guard(fits)
    return _python(loop, expected, found)


def _of_parts(group: FrameGroup, number: Value, cases: Sequence[tuple[Any, list[Value]]]) -> Any:
    """Returns a tuple, or a dict of constant keys, by its parts."""
    first, made = cases[0][0], []
    for at in range(len(first.kinds)):
        parts = []
        for kind, values in cases:
            begin = sum(len(types_of(part)) for part in kind.kinds[:at])
            parts.append((kind.kinds[at], values[begin : begin + len(types_of(kind.kinds[at]))]))
        made.append(_of_kinds(group, number, parts))
    return tuple(made) if first.keys is None else dict(zip(first.keys, made, strict=True))


def _of_list(kind: str) -> tuple[str, str]:
    """Returns the classes of the elements of a list (`TracedScalar.numpy`), and the kind of the list without them."""
    known = (NUMPY_ELEMENTS, MIXED_ELEMENTS, SET_ELEMENTS, NDARRAY)
    found = next((numpy for numpy in known if kind.startswith(PREFIXES[numpy])), "")
    return found, kind.removeprefix(PREFIXES[found])


def _preference(kind: Kind) -> tuple[int, str]:
    order = ["None", "[]", "bool", "int", "np.int64", "float", "np.float64"]
    return (order.index(kind) if kind in order else len(order)), repr(kind)


def _optional_text(loop: LoopBuilder, number: Value, cases: Sequence[tuple[Kind, list[Value]]]) -> GroupElement:
    value, valid = loop.const("", STR), loop.const(False, BOOL)
    for at, (kind, values) in enumerate(cases):
        if kind == "str":
            here = loop.call("equal", number, loop.const(at, I64))
            value = loop.select(here, values[0], value)
            valid = loop.call("logical_or", here, valid)
    made = loop.optional(value, valid)
    return GroupElement(text_series(loop, made, Missing(none=True)), made)


def _python(loop: LoopBuilder, kind: Kind, values: Sequence[Value]) -> Any:
    """Returns a result of one kind as the function sees it. Refuses (SW600) kinds that it cannot go on with."""
    if isinstance(kind, Records):
        return GroupRecords(kind, values)
    if not isinstance(kind, str):
        refuse("SW600")
    if kind in ("None", "[]"):
        return None if kind == "None" else []
    if " to " in kind:
        return GroupDict(values[0], values[1])
    if kind == "{}" or not values:
        refuse("SW600")
    numpy, plain = _of_list(kind)
    if numpy == SET_ELEMENTS:
        return GroupSet(values[0], numpy)
    if plain in LISTS:
        return GroupList(values[0], numpy)
    (value,) = values
    if kind == "bool":
        return GroupScalar(loop, loop.call("not_equal", value, loop.const(0, I64)), weak=True)
    if kind in ("int", "float"):
        return GroupScalar(loop, value, weak=True)
    if kind == "str":
        return GroupElement(text_series(loop, value), value)
    if kind == "date":
        date = loop.cast(loop.cast(value, I32), DATE)
        return GroupElement(TracedSeries(loop, date, np.dtype(object), DATES), date)
    if kind == "ns":
        return GroupElement(datetimes.new(loop, value, DATETIMES), value)
    if kind == "ns span":
        return GroupSpan(value)
    if kind.startswith("np."):
        dtype = np.dtype(kind.removeprefix("np."))
        type_ = Type({"b": "bool", "i": f"i{8 * dtype.itemsize}", "f": f"f{8 * dtype.itemsize}"}[dtype.kind])
        truth = loop.call("not_equal", value, loop.const(0, I64)) if type_ == BOOL else loop.cast(value, type_)
        return GroupScalar(loop, truth)
    refuse("SW600")
