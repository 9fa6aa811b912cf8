"""Traces what a region that runs for a whole group returns: scalars, elements, and lists that become columns."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ListCall
from sparkweld.ir.types import BOOL, DATE, F64, I32, I64, LISTS, STR, Items, Type
from udf_compiler.frontends.pandas.apply.comprehensions import Values
from udf_compiler.frontends.pandas.apply.results import ListSeries, RowSeries
from udf_compiler.frontends.pandas.apply.row_iterator import Rows, check_loop
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.frame import TracedFrame, fresh
from udf_compiler.frontends.pandas.groups.elements import rows_in_region
from udf_compiler.frontends.pandas.groups.scalars import EXACT, GroupScalar
from udf_compiler.frontends.pandas.groups.single_values import GroupElement
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS, text_series
from udf_compiler.frontends.python.lists import MIXED_ELEMENTS, NUMPY_ELEMENTS, SET_ELEMENTS
from udf_compiler.frontends.python.maps import TracedMap
from udf_compiler.frontends.python.records import DICT, TUPLE, VALUE, Records, TracedRecords
from udf_compiler.frontends.python.regions.results import PREFIXES, Kind, Parts, types_of
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup

_CALL = "a list of a loop over rows"


class GroupList(Traced):
    """A list of numbers or strings that a loop over the group has made. `value`: the list, in the loop of scalars.

    `numpy`: the classes of its elements (`TracedScalar.numpy`). Nothing may change it.
    """

    __slots__ = ("numpy", "shared", "value")
    what = "list of a loop over rows"
    stands_for = list
    __class__ = list  # type: ignore[assignment]

    def __init__(self, value: Value, numpy: str = "") -> None:
        self.value, self.numpy, self.shared = value, numpy, True

    def listed(self, loop: LoopBuilder) -> TracedScalar:
        """Returns the list in another loop."""
        return TracedScalar(self.value.type.kind, loop.repeat(self.value), numpy=self.numpy)

    @property
    def length(self) -> GroupScalar:
        """Returns the number of elements."""
        loop = self.value.loop
        return GroupScalar(loop, loop.emit(ListCall("length", self.value.type), self.value), weak=True, bound=2**31)

    def __getitem__(self, key: Any) -> Any:
        """Returns the element at a constant index. A group whose list has no such element runs in Python."""
        loop, type_ = self.value.loop, self.value.type
        if type(key) is not int or abs(key) >= 2**31 or self.numpy in (MIXED_ELEMENTS, SET_ELEMENTS):
            refuse("SW312", call=f"a {self.what} [...]", what="other than a constant int")
        size, place = self.length.value, loop.const(key, I64)
        place = place if key >= 0 else loop.call("add", size, place)
        loop.guard(loop.call("greater_equal", place, loop.const(0, I64)))
        loop.guard(loop.call("less", place, size))
        found = loop.emit(ListCall("at", type_), self.value, place)
        if type_.element == STR:
            return GroupElement(text_series(loop, found), found)
        return GroupScalar(loop, found, weak=self.numpy == "")

    def __getattr__(self, name: str) -> Any:
        refuse("SW312", call=f"list.{name}", what="a method of a list that a loop has made")

    def column(self, group: FrameGroup, loop: LoopBuilder) -> TracedSeries:
        """Returns the list as a column of the rows of a loop. A group with another number of rows runs in Python."""
        scalars = group.loop
        scalars.guard(scalars.call("equal", self.length.value, group.count_of(loop, _CALL)))
        return series_of(loop, elements_in(group, loop, self.value))

    def __iter__(self) -> Rows:
        check_loop(sys._getframe(1))
        return rows_in_region(lambda to: to.elements(self))

    def cell(self, group: FrameGroup, loop: LoopBuilder) -> ListSeries:
        """Returns a column that has the whole list in each row."""
        return ListSeries(group.of_rows(self.value, loop), frozenset((self.value.type.kind,)))


class GroupSet(GroupList):
    """A set that a loop over the group has made, of which only the number of elements is known."""

    __slots__ = ()
    what = "set of a loop over rows"
    stands_for = set  # type: ignore[assignment]
    __class__ = set  # type: ignore[assignment]

    def listed(self, loop: LoopBuilder) -> TracedScalar:
        """Refuses (SW600) the set in another loop."""
        refuse("SW600")


class GroupDict(Traced):
    """A dict that a loop over the group has made, by the lists of its keys and values. Nothing may change it."""

    __slots__ = ("_keys", "_values", "shared")
    what = "dict of a loop over rows"
    stands_for = dict
    __class__ = dict  # type: ignore[assignment]

    def __init__(self, keys: Value, values: Value) -> None:
        self._keys, self._values, self.shared = keys, values, True

    def listed(self, loop: LoopBuilder) -> TracedMap:
        """Returns the dict in another loop."""
        keys, values = (GroupList(x).listed(loop) for x in (self._keys, self._values))
        return TracedMap(keys, values)

    @property
    def length(self) -> GroupScalar:
        """Returns the number of items."""
        return GroupList(self._keys).length

    def __iter__(self) -> Rows:
        check_loop(sys._getframe(1))
        return rows_in_region(lambda to: to.elements(GroupList(self._keys)))

    def __getattr__(self, name: str) -> Any:
        if name in ("keys", "values"):
            return lambda: GroupList(self._keys if name == "keys" else self._values)
        if name == "items":
            parts = tuple((x.type.kind, False) for x in (self._keys, self._values))
            return lambda: GroupRecords(Records(TUPLE, ("0", "1"), parts), (self._keys, self._values))
        refuse("SW312", call=f"dict.{name}", what="a method of a dict that a loop has made")


class GroupRecords(Traced):
    """A list of tuples or dicts that a loop over the group has made: `lists` has the lists of their parts (`Records.types`)."""

    __slots__ = ("kind", "lists", "shared")
    what = "list of rows of a loop over rows"
    stands_for = list
    __class__ = list  # type: ignore[assignment]

    def __init__(self, kind: Records, lists: Sequence[Value]) -> None:
        self.kind, self.lists, self.shared = kind, tuple(lists), True

    def listed(self, loop: LoopBuilder) -> TracedRecords:
        """Returns the list in another loop."""
        return TracedRecords.of(self.kind, [TracedScalar(x.type.kind, loop.repeat(x)) for x in self.lists])

    @property
    def length(self) -> GroupScalar:
        """Returns the number of elements."""
        return GroupList(self.lists[0]).length

    def __getattr__(self, name: str) -> Any:
        refuse("SW312", call=f"list.{name}", what="a method of a list that a loop has made")

    def __iter__(self) -> Rows:
        check_loop(sys._getframe(1))
        return rows_in_region(lambda to: to.elements(self))

    def column(self, group: FrameGroup, loop: LoopBuilder) -> Any:
        """Returns a list of values and None as a column of the rows of a loop; None for other lists."""
        if self.kind.form != VALUE:
            return None
        scalars, (values, *gone) = group.loop, self.lists
        scalars.guard(scalars.call("equal", self.length.value, group.count_of(loop, _CALL)))
        return _with_absent(group, loop, values, gone[0] if gone else None)

    def frame(self, group: FrameGroup, columns: Any) -> TracedFrame | None:
        """Returns the DataFrame of the rows; None for other names of columns than those of the rows, or if a row may be None."""
        kind = self.kind
        if kind.gaps or kind.form not in (TUPLE, DICT):
            return None
        names: list[Any] = list(range(len(kind.names))) if kind.form == TUPLE else list(kind.names)
        if columns is not None:
            known = isinstance(columns, list) and len(columns) == len(names) and all(type(x) is str for x in columns)
            if not known or len(set(columns)) < len(columns) or (kind.form == DICT and columns != names):
                return None
            names = columns
        loop, rest, series = rows_of_list(group, self.length), iter(self.lists), {}
        for name, (part, absent) in zip(names, kind.parts, strict=True):
            value = next(rest) if part else None
            gone = next(rest) if absent else None
            if value is None:
                return None
            series[name] = _with_absent(group, loop, value, gone)
        return fresh(loop, series)


def _with_absent(group: FrameGroup, loop: LoopBuilder, values: Value, absent: Value | None) -> Any:
    """Returns a column of values, None where absent."""
    value = elements_in(group, loop, values)
    if absent is None:
        return series_of(loop, value)
    valid = loop.call("logical_not", elements_in(group, loop, absent))
    if value.type == STR:
        return text_series(loop, loop.optional(value, valid), Missing(none=True))
    if value.type == I64:  # pandas makes doubles of them
        high, low = loop.const(EXACT, I64), loop.const(-EXACT, I64)
        exact = loop.call("logical_and", loop.call("less_equal", value, high), loop.call("greater_equal", value, low))
        loop.guard(loop.call("logical_or", exact, loop.call("logical_not", valid)))
    kinds = {I64: "int", F64: "float", BOOL: "bool"}
    number = value if value.type == BOOL else loop.cast(value, F64)
    return RowSeries(loop.optional(number, valid), frozenset((kinds[value.type], "None")))


def collected(group: FrameGroup, loop: LoopBuilder, value: Value, to: LoopBuilder) -> Value:
    """Returns, in the loop `to`, the list of a value of the rows that the filter of its loop keeps."""
    packed = group.packed(loop, value, _CALL)
    made = to.read(group.whole(_CALL, "collected", loop.value_of(packed)))
    if loop.where is not None:
        count = to.repeat(group.count_of(loop, _CALL))
        made = to.emit(ListCall("slice", made.type), made, to.const(0, I64), count)
    return made


def list_of_values(group: FrameGroup, values: Values) -> GroupList:
    """Returns ``series.tolist()``. A group with a NULL runs in Python. Refuses (SW312) columns other than numbers and strings."""
    column = values.column
    numbers = type(column) is TracedArray and column.ndim == 1
    if not numbers and not (type(column) is TracedSeries and column.kind in (NUMBERS, STRINGS)):
        refuse("SW312", call="tolist", what="of such a column")
    loop, value = column.loop, column.value
    if value.type.nullable:
        absent = group.some(loop, loop.call("logical_not", loop.is_valid(value)), _CALL)
        group.loop.guard(group.loop.call("logical_not", absent))
        value = loop.value_of(value)
    return GroupList(collected(group, loop, value, group.loop))


def elements_in(group: FrameGroup, loop: LoopBuilder, items: Value) -> Value:
    """Returns, in each kept row, the element of its number in a list of the loop of scalars."""
    found = loop.read(group.builder.whole("elements", items))
    if loop.where is not None:
        found = loop.read(group.whole(_CALL, "take", found, group.place(loop)))
    return loop.value_of(found)


def series_of(loop: LoopBuilder, value: Value) -> TracedSeries:
    """Returns the Series that pandas makes of a list of these values."""
    return text_series(loop, value) if value.type == STR else TracedSeries(loop, value, value.type.dtype)  # type: ignore[no-any-return]


def rows_of_list(group: FrameGroup, length: GroupScalar) -> LoopBuilder:
    """Returns the loop of the rows that a list fills. A group with fewer rows than elements, or with none, runs in Python."""
    root, scalars = group.root, group.loop
    scalars.guard(scalars.call("less_equal", length.value, group.count_of(root, _CALL)))
    scalars.guard(scalars.call("greater", length.value, scalars.const(0, I64)))
    made = group.kept(root, root.call("less", group.position(root), group.of_rows(length.value, root)))
    made.numbered = True
    return made


def frame_of_lists(group: FrameGroup, data: Any, columns: Any, index: Any) -> TracedFrame | None:
    """Returns the DataFrame of a list of rows, or of a dict with lists that a loop has made; None for other data."""
    if type(data) is GroupRecords and index is None:
        return data.frame(group, columns)
    if not isinstance(data, dict) or index is not None or columns is not None or type(data) is GroupRecords:
        return None
    lists = [x for x in data.values() if type(x) in (GroupList, GroupRecords)]
    others = [x for x in data.values() if isinstance(x, TracedSeries | TracedArray)]
    if not lists or others or not all(type(name) is str for name in data):
        return None
    length = lists[0].length
    for other in lists[1:]:
        group.loop.guard(group.loop.call("equal", other.length.value, length.value))
    loop = rows_of_list(group, length)
    listed = (GroupList, GroupRecords)
    series = {name: x.column(group, loop) if type(x) in listed else group.constant_column(x, loop) for name, x in data.items()}
    return fresh(loop, series) if all(x is not None for x in series.values()) else None  # type: ignore[arg-type]


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
    found = next((numpy for numpy in (NUMPY_ELEMENTS, MIXED_ELEMENTS, SET_ELEMENTS) if kind.startswith(PREFIXES[numpy])), "")
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
        return GroupDict(*values)
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
    if kind.startswith("np."):
        dtype = np.dtype(kind.removeprefix("np."))
        type_ = Type({"b": "bool", "i": f"i{8 * dtype.itemsize}", "f": f"f{8 * dtype.itemsize}"}[dtype.kind])
        truth = loop.call("not_equal", value, loop.const(0, I64)) if type_ == BOOL else loop.cast(value, type_)
        return GroupScalar(loop, truth)
    refuse("SW600")
