"""Traces the lists and dicts that loops over a group have made, and the columns that they become."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from types import NoneType
from typing import TYPE_CHECKING, Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ListCall
from sparkweld.ir.types import BOOL, DATE, F64, I32, I64, STR, Type
from udf_compiler.frontends.pandas import datetimes
from udf_compiler.frontends.pandas.apply.comprehensions import Values
from udf_compiler.frontends.pandas.apply.results import ListSeries, RowSeries
from udf_compiler.frontends.pandas.apply.row_iterator import Rows, check_loop
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.datetimes import DATETIMES, TIMEDELTAS
from udf_compiler.frontends.pandas.frame import TracedFrame, fresh
from udf_compiler.frontends.pandas.groups.appending import appended
from udf_compiler.frontends.pandas.groups.elements import rows_in_region
from udf_compiler.frontends.pandas.groups.scalars import EXACT, GroupScalar
from udf_compiler.frontends.pandas.groups.single_values import GroupElement
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS, text_series
from udf_compiler.frontends.python.lists import MIXED_ELEMENTS, NUMPY_ELEMENTS, SET_ELEMENTS
from udf_compiler.frontends.python.maps import TracedMap
from udf_compiler.frontends.python.record_parts import tag_of_kind
from udf_compiler.frontends.python.records import DICT, LIST, TUPLE, VALUE, Records, TracedRecords
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.frontends.tracing.values import Traced

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup

_CALL = "a list of a loop over rows"

#: Tags of the kinds of parts that are times.
_TIMES = {"ns": DATETIMES, "ns span": TIMEDELTAS}


class GroupList(Traced):
    """A list of numbers or strings that a loop over the group has made. `value`: the list, in the loop of scalars.

    `numpy`: the classes of its elements (`TracedScalar.numpy`). `owned`: code may append to it, and changes nothing else of it.
    """

    __slots__ = ("numpy", "owned", "shared", "value")
    what = "list of a loop over rows"
    stands_for = list
    __class__ = list  # type: ignore[assignment]

    def __init__(self, value: Value, numpy: str = "") -> None:
        self.value, self.numpy, self.shared, self.owned = value, numpy, True, False

    def listed(self, loop: LoopBuilder) -> TracedScalar:
        """Returns the list in another loop."""
        return TracedScalar(self.value.type.kind, loop.repeat(self.value), numpy=self.numpy)

    @property
    def length(self) -> GroupScalar:
        """Returns the number of elements."""
        loop = self.value.loop
        return GroupScalar(loop, loop.emit(ListCall("length", self.value.type), self.value), weak=True, bound=2**31)

    def __bool__(self) -> bool:
        """Whether there are elements, as in most groups; the others run in Python."""
        return bool(self.length != 0)

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
        if name == "append" and self.owned:
            return self._append
        refuse("SW312", call=f"list.{name}", what="a method of a list that a loop has made")

    def _append(self, x: Any) -> None:
        made = appended(TracedScalar(self.value.type.kind, self.value, numpy=self.numpy), x)
        self.value, self.numpy = made.value, made.numpy

    def column(self, group: FrameGroup, loop: LoopBuilder) -> TracedSeries:
        """Returns the list as a column of the rows of a loop. A group with another number of rows runs in Python."""
        _guard_length(group, self.length, loop, self.value.type.element)
        return series_of(loop, elements_in(group, loop, self.value))

    def __iter__(self) -> Rows:
        check_loop(sys._getframe(1))
        return rows_in_region(lambda to: to.elements(self))

    def copied(self) -> GroupList:
        """Returns ``list(x)``."""
        made = GroupList(self.value, self.numpy)
        made.owned = True
        return made

    def cell(self, group: FrameGroup, loop: LoopBuilder) -> ListSeries:
        """Returns a column that has the whole list in each row."""
        return ListSeries(group.of_rows(self.value, loop), frozenset((self.value.type.kind,)))


def _guard_length(group: FrameGroup, length: GroupScalar, loop: LoopBuilder, element: Type) -> None:
    """Leaves groups to Python in which a list that becomes a column has another number of elements than a loop has rows.

    So are those without elements, except for floats: pandas makes a column of float64, whatever other groups have.
    """
    scalars = group.loop
    scalars.guard(scalars.call("equal", length.value, group.count_of(loop, _CALL)))
    if element != F64:
        scalars.guard(scalars.call("greater", length.value, scalars.const(0, I64)))


class GroupSet(GroupList):
    """A set that a loop over the group has made, of which only the number of elements is known."""

    __slots__ = ()
    what = "set of a loop over rows"
    stands_for = set  # type: ignore[assignment]
    __class__ = set  # type: ignore[assignment]

    def listed(self, loop: LoopBuilder) -> TracedScalar:
        """Refuses (SW600) the set in another loop."""
        refuse("SW600")


def _of_dict(name: str, *args: Any) -> Any:
    """Returns what a function of the group reads of a dict; refuses (SW600) a function of single values."""
    group = current().group
    return refuse("SW600") if group is None else group.of_lists(name, args, {})


class DictGet(StandIn):
    """The method `get` of a dict that a loop over the group has made."""

    __slots__ = ("owner",)
    what = "dict.get"
    stands_for: Any = type({}.get)

    def __init__(self, owner: GroupDict) -> None:
        self.owner = owner

    def __call__(self, key: Any, default: Any = None, /) -> Any:
        return _of_dict("get", self.owner, key, default)


class GroupDict(Traced):
    """A dict or Counter that a loop over the group has made, by the lists of its keys and values. Nothing may change it."""

    __slots__ = ("_counts", "_keys", "_values", "shared")
    what = "dict of a loop over rows"

    def __init__(self, keys: Value, values: Value, counts: bool = False) -> None:
        self._keys, self._values, self._counts, self.shared = keys, values, counts, True

    @property
    def stands_for(self) -> type:  # type: ignore[override]
        return Counter if self._counts else dict

    __class__ = stands_for  # type: ignore[assignment]

    def listed(self, loop: LoopBuilder) -> TracedMap:
        """Returns the dict in another loop."""
        keys, values = (GroupList(x).listed(loop) for x in (self._keys, self._values))
        return TracedMap(keys, values)

    def __bool__(self) -> bool:
        return bool(self.length != 0)

    @property
    def length(self) -> GroupScalar:
        """Returns the number of items."""
        return GroupList(self._keys).length

    def __iter__(self) -> Rows:
        check_loop(sys._getframe(1))
        return rows_in_region(lambda to: to.elements(GroupList(self._keys)))

    def __getitem__(self, key: Any) -> Any:
        """Returns the value of a key. A group without it runs in Python, whatever the class of the dict."""
        return _of_dict("item", self, key)

    def __contains__(self, key: Any) -> bool:
        return bool(_of_dict("contains", self, key))

    def copied(self) -> GroupList:
        """Returns ``list(x)``, the list of the keys."""
        return GroupList(self._keys).copied()

    def __getattr__(self, name: str) -> Any:
        if name == "get":
            return DictGet(self)
        if name == "most_common" and self._counts:
            return self._most_common
        if name in ("keys", "values"):
            return lambda: GroupList(self._keys if name == "keys" else self._values)
        if name == "items":
            parts = tuple((x.type.kind, False) for x in (self._keys, self._values))
            return lambda: GroupRecords(Records(TUPLE, ("0", "1"), parts), (self._keys, self._values))
        refuse("SW312", call=f"dict.{name}", what="a method of a dict that a loop has made")

    def _most_common(self, n: Any = None) -> Any:
        if type(n) not in (int, NoneType):
            refuse("SW312", call="Counter.most_common", what="other than a constant number")
        return _of_dict("most_common", self, n)


class GroupRecords(Traced):
    """A list of tuples or dicts that a loop over the group has made: `lists` has the lists of their parts (`Records.types`)."""

    __slots__ = ("kind", "lists", "owned", "shared")
    what = "list of rows of a loop over rows"
    stands_for = list
    __class__ = list  # type: ignore[assignment]

    def __init__(self, kind: Records, lists: Sequence[Value]) -> None:
        self.kind, self.lists, self.shared, self.owned = kind, tuple(lists), True, False

    def listed(self, loop: LoopBuilder) -> TracedRecords:
        """Returns the list in another loop."""
        return TracedRecords.of(self.kind, [TracedScalar(x.type.kind, loop.repeat(x)) for x in self.lists])

    @property
    def length(self) -> GroupScalar:
        """Returns the number of elements."""
        return GroupList(self.lists[0]).length

    def __bool__(self) -> bool:
        return bool(self.length != 0)

    def __getattr__(self, name: str) -> Any:
        if name == "append" and self.owned:
            return self._append
        refuse("SW312", call=f"list.{name}", what="a method of a list that a loop has made")

    def __getitem__(self, key: Any) -> Any:
        """Returns the tuple at a constant index. A group whose list has no such element runs in Python."""
        kind = self.kind
        if kind.form != TUPLE or kind.gaps or any(absent or tag_of_kind(part) or not part for part, absent in kind.parts):
            refuse("SW312", call=f"a {self.what} [...]", what="other than tuples of numbers and strings")
        return tuple(GroupList(x)[key] for x in self.lists)

    def copied(self) -> GroupRecords:
        """Returns ``list(x)``."""
        made = GroupRecords(self.kind, self.lists)
        made.owned = True
        return made

    def _append(self, x: Any) -> None:
        made = appended(TracedRecords.of(self.kind, [TracedScalar(part.type.kind, part) for part in self.lists]), x)
        self.kind, self.lists = made.kind, tuple(part.value for part in made.columns)

    def __iter__(self) -> Rows:
        check_loop(sys._getframe(1))
        return rows_in_region(lambda to: to.elements(self))

    def column(self, group: FrameGroup, loop: LoopBuilder) -> Any:
        """Returns a list of values and None as a column of the rows of a loop; None for other lists."""
        if self.kind.form != VALUE:
            return None
        values, *gone = self.lists
        _guard_length(group, self.length, loop, values.type.element)
        return _with_absent(group, loop, self.kind.parts[0][0], values, gone[0] if gone else None)

    def frame(self, group: FrameGroup, columns: Any) -> TracedFrame | None:
        """Returns the DataFrame of the rows; None for other names of columns than those of the rows, or if a row may be None."""
        kind = self.kind
        if kind.gaps or kind.form not in (TUPLE, DICT, LIST):
            return None
        names: list[Any] = list(kind.names) if kind.form == DICT else list(range(len(kind.names)))
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
            series[name] = _with_absent(group, loop, part, value, gone)
        return fresh(loop, series)


def _with_absent(group: FrameGroup, loop: LoopBuilder, kind: str, values: Value, absent: Value | None) -> Any:
    """Returns a column of values, None where absent; NaT in place of a time. `kind`: that of their list in records."""
    value, tag = elements_in(group, loop, values), tag_of_kind(kind)
    value = loop.cast(loop.cast(value, I32), DATE) if tag == "date" else value
    valid = None if absent is None else loop.call("logical_not", elements_in(group, loop, absent))
    if valid is not None and tag in _TIMES:  # pandas makes objects of None alone
        group.loop.guard(group.some(loop, valid, _CALL))
    if tag in ("date", *_TIMES):
        value = value if valid is None else loop.optional(value, valid)
        return TracedSeries(loop, value, np.dtype(object), DATES) if tag == "date" else datetimes.new(loop, value, _TIMES[tag])
    if valid is None:
        return series_of(loop, value)
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
    """Returns ``series.tolist()``, or ``list(array)``. A group with a NULL runs in Python.

    Refuses (SW312) columns other than numbers and strings.
    """
    column = values.column
    numbers = type(column) is TracedArray and column.ndim == 1
    if not numbers and not (type(column) is TracedSeries and column.kind in (NUMBERS, STRINGS)):
        refuse("SW312", call="tolist", what="of such a column")
    loop, value = column.loop, column.value
    if value.type.nullable:
        group.guard_none(loop, loop.call("logical_not", loop.is_valid(value)), _CALL)
        value = loop.value_of(value)
    return GroupList(collected(group, loop, value, group.loop), NUMPY_ELEMENTS if numbers else "")


def elements_in(group: FrameGroup, loop: LoopBuilder, items: Value) -> Value:
    """Returns, in each kept row, the element of its number in a list of the loop of scalars."""
    found = loop.read(group.builder.whole("elements", items))
    if loop.where is not None:
        found = loop.read(group.whole(_CALL, "take", found, group.place(loop)))
    return loop.value_of(found)


def array_of(group: FrameGroup, items: GroupList) -> TracedArray:
    """Returns the array that NumPy makes of a list of numbers. Refuses (SW312) strings."""
    if items.value.type.element == STR or items.numpy == SET_ELEMENTS:
        refuse("SW312", call="np.array", what="of such a list")
    loop = rows_of_list(group, items.length)
    return TracedArray(loop, (elements_in(group, loop, items.value),))


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
