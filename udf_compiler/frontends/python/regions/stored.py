"""Models lists to whose elements a function assigns in place: a list of numbers or strings, and a table of such lists.

Each has memory of its own in the kernel, begun by a `ListCopy`, which no other value shares. The function reads it through these
objects alone, always in its current version. An assignment takes effect at the end of its instruction (`State.writes`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ListAppend, ListCopy, ListStore
from sparkweld.ir.types import BOOL, I64, Items, Type, list_of
from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.listed import Listed
from udf_compiler.frontends.python.nested_lists import TracedLists
from udf_compiler.frontends.python.new_lists import element_value, kind_of
from udf_compiler.frontends.python.of_text import element
from udf_compiler.frontends.python.operands import as_int, make_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import MAX, TracedScalar, of_value
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw

_INDICES = list_of(I64)

#: What distinguishes the copies of a block: an instruction, and a number.
Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """The kind of a list that is assigned to in place. `inner`: the kind of its memory. `rows`: it is a table of lists."""

    inner: str
    rows: bool


class Cells(Listed):
    """A list of numbers or strings. `elements`: its memory."""

    __slots__ = ("elements",)
    __dataclass_fields__ = ("elements",)
    what = "list of the row that it assigns to"
    stands_for = list

    elements: TracedScalar

    def __init__(self, elements: TracedScalar) -> None:
        self.elements = elements

    @staticmethod
    def of(loop: LoopBuilder, x: TracedScalar, place: Place) -> Cells:
        """Returns a copy of a list of the row."""
        return Cells(lists.of_list(loop.emit(ListCopy(x.value.type, *place), x.value)))

    @property
    def kind(self) -> Stored:
        """Returns its kind."""
        return Stored(self.elements.kind, rows=False)

    @property
    def count(self) -> Any:
        """Returns the number of elements."""
        return lists.length(self.elements)

    def at(self, position: Any) -> Any:
        """Returns the element at an index within the list."""
        return lists.element(self.elements, position)

    def stored(self, loop: LoopBuilder, index: Value, x: Value) -> Cells:
        """Returns the list with another element. Nothing may read this one any more."""
        return Cells(_stored(loop, self.elements, index, x))

    def appended(self, x: Any) -> Cells:
        """Returns the list with another element, which must be of its kind (SW244)."""
        found = _value(x, self.elements)
        return Cells(lists.of_list(found.loop.emit(ListAppend(self.elements.value.type), self.elements.value, found)))

    def whole(self) -> TracedScalar:
        """Returns a copy as a list of the row."""
        return _copied(self.elements)

    def __getitem__(self, key: Any) -> Any:
        return lists.item(self.whole(), key) if isinstance(key, slice) else lists.item(self.elements, key)

    def __len__(self) -> int:
        return self.count  # type: ignore[no-any-return]


class Table(Listed):
    """A list of lists, none of which is an element of another list or twice one of this.

    `elements`: the memory of all of them. `starts` and `ends`: the lists of the indices at which each begins and ends there.
    """

    __slots__ = ("elements", "ends", "starts")
    __dataclass_fields__ = ("elements", "starts", "ends")
    what = "list of lists that it assigns to"
    stands_for = list

    elements: TracedScalar
    starts: TracedScalar
    ends: TracedScalar

    def __init__(self, elements: TracedScalar, starts: TracedScalar, ends: TracedScalar) -> None:
        self.elements, self.starts, self.ends = elements, starts, ends

    @staticmethod
    def empty(loop: LoopBuilder, inner: str, place: Place) -> Table:
        """Returns a table without rows."""
        type_, none = Type(inner), loop.const(Items("i64"), _INDICES)
        memory = loop.emit(ListCopy(type_, *place), loop.const(Items(type_.element.kind), type_))
        return Table(lists.of_list(memory), lists.of_list(none), lists.of_list(none))

    @property
    def kind(self) -> Stored:
        """Returns its kind."""
        return Stored(self.elements.kind, rows=True)

    @property
    def count(self) -> Any:
        """Returns the number of rows."""
        return lists.length(self.starts)

    def at(self, position: Any) -> Any:
        """Refuses (SW282): a row refers to the growing list of its table."""
        refuse("SW282", what="a list of lists that it assigns to, for another function")

    def stored(self, loop: LoopBuilder, index: Value, x: Value) -> Table:
        """Returns the table with another element. Nothing may read this one any more."""
        return Table(_stored(loop, self.elements, index, x), self.starts, self.ends)

    def appended(self, row: TracedScalar) -> Table:
        """Returns the table with a copy of a list as another row; refuses elements of another kind (SW244)."""
        if row.kind != self.elements.kind or row.numpy:
            refuse("SW244", what=raw(row), kind=self.what)
        loop = explorer().loop
        start = lists.call("length", self.elements)
        elements = lists.of_list(lists.call("extended", self.elements, row.value))
        starts, ends = (
            lists.of_list(loop.emit(ListAppend(_INDICES), bounds.value, at))
            for bounds, at in ((self.starts, start), (self.ends, lists.call("length", elements)))
        )
        return Table(elements, starts, ends)

    def whole(self) -> TracedLists:
        """Returns a copy as a list of lists of the row."""
        return TracedLists(_copied(self.elements), self.starts, self.ends)

    def __bool__(self) -> bool:
        return explorer().decide(lists.truth(self.starts))

    def __len__(self) -> int:
        return self.count  # type: ignore[no-any-return]


class Line(Listed):
    """A row of a table. `owner`: the growing list of the table. `start` and `end`: where the row is in the table's memory."""

    __slots__ = ("end", "owner", "start")
    __dataclass_fields__ = ("owner", "start", "end")
    what = "list of a list that it assigns to"
    stands_for = list

    owner: Any
    start: TracedScalar
    end: TracedScalar

    def __init__(self, owner: Any, start: TracedScalar, end: TracedScalar) -> None:
        self.owner, self.start, self.end = owner, start, end

    @property
    def count(self) -> Any:
        """Returns the number of elements."""
        return make_int(explorer().loop.call("subtract", self.end.value, self.start.value), (0, MAX))

    def at(self, position: Any) -> Any:
        """Returns the element at an index within the row."""
        at = explorer().loop.call("add", self.start.value, as_int(position))
        return lists.element(self.owner.value.elements, make_int(at))

    def index(self, key: Any) -> TracedScalar:
        """Returns where in the table's memory the element at an index is. IndexError as in Python."""
        place = lists.place(self.owner.value.elements, key, as_int(self.count))
        return _int(explorer().loop.call("add", self.start.value, place))

    def whole(self) -> TracedScalar:
        """Returns a copy as a list of the row."""
        of = self.owner.value.elements
        return _copied(TracedScalar(of.kind, lists.call("slice", of, self.start.value, self.end.value)))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return lists.item(self.whole(), key)
        return lists.element(self.owner.value.elements, self.index(key))

    def __len__(self) -> int:
        return self.count  # type: ignore[no-any-return]


def line(owner: Any, key: Any) -> Line:
    """Returns the row of a table at an index. IndexError as in Python."""
    return line_at(owner, _int(lists.place(owner.value.starts, key)))


def line_at(owner: Any, position: Any) -> Line:
    """Returns the row of a table at an index within it."""
    starts, ends = owner.value.starts, owner.value.ends
    return Line(owner, *(_int(lists.call("at", bounds, as_int(position))) for bounds in (starts, ends)))


def write(owner: Any, index: TracedScalar, x: Any) -> list[tuple[Any, TracedScalar, TracedScalar]]:
    """Returns the assignment of an element of the memory of a growing list; refuses one of another kind (SW244).

    Rows in which the element is None run in Python, so nothing is assigned.
    """
    if x is None:
        explorer().guard(explorer().loop.const(False, BOOL))
        return []
    of = owner.value.elements
    return [(owner, index, of_value(_value(x, of)))]


def whole(x: Any) -> Any:
    """Returns a copy of such a list as one of the row; anything else unchanged."""
    return x.whole() if type(x) in (Cells, Table, Line) else x


def _value(x: Any, of: TracedScalar) -> Value:
    x = element(x)
    if kind_of([x]) != (of.kind, ""):
        refuse("SW244", what=raw(x), kind=of.kind)
    return element_value(explorer().loop, x)


def _stored(loop: LoopBuilder, elements: TracedScalar, index: Value, x: Value) -> TracedScalar:
    return lists.of_list(loop.emit(ListStore(elements.value.type), elements.value, index, x))


def _copied(x: TracedScalar) -> TracedScalar:
    loop = explorer().loop
    nothing = loop.const(Items(x.value.type.element.kind), x.value.type)
    return lists.of_list(lists.call("extended", lists.of_list(nothing), x.value))


def _int(value: Value) -> TracedScalar:
    return make_int(value, (0, MAX))
