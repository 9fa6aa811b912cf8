"""Models a list of lists or dicts of the row: the elements of all of them, and where each starts and ends among these.

A *sequence* is a list of the row, a list of Rows or of lists, or anything else that has the methods of `TracedLists`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sparkweld.ir import LoopBuilder, Type, Value
from sparkweld.ir.ops import ListAppend, ListCall
from sparkweld.ir.types import I64, Items, list_of
from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.list_maps import mapped
from udf_compiler.frontends.python.new_lists import kind_of
from udf_compiler.frontends.python.new_lists import list_of as list_with
from udf_compiler.frontends.python.operands import as_int, make_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import MAX, MIN, TracedScalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced, raw

#: A change of a list that permutes or drops elements.
Change = Callable[[TracedScalar], TracedScalar]

_INDICES = list_of(I64)


@dataclass(frozen=True, slots=True)
class Lists:
    """The kind of a list of lists. `inner`: the kind of these, or of the lists in them; "" where all are empty."""

    inner: str | Lists

    @property
    def types(self) -> tuple[Type, ...]:
        """Returns the types of the lists, in the order of `TracedLists.columns`."""
        inside = self.inner.types if isinstance(self.inner, Lists) else (Type(self.inner),) if self.inner else ()
        return (*inside, _INDICES, _INDICES)

    def joined(self, other: object) -> Lists | None:
        """Returns the kind that elements of both fit; None if there is none."""
        if type(other) is not Lists:
            return None
        if not (self.inner and other.inner):
            return self if self.inner else other
        return self if self == other else None


class TracedLists(Traced):
    """A list of lists, or of dicts. `elements`: a sequence of the elements of all lists, or a dict of the items of all dicts.

    It is None where all lists are empty. `starts` and `ends` are the lists of the indices at which each begins and ends. Several
    may share elements.
    """

    __slots__ = ("elements", "ends", "starts")
    __dataclass_fields__ = ("elements", "starts", "ends")  # as in the other elements of a region's state
    what = "list of lists or dicts"
    stands_for = list

    elements: Any
    starts: TracedScalar
    ends: TracedScalar

    def __init__(self, elements: Any, starts: TracedScalar, ends: TracedScalar) -> None:
        self.elements, self.starts, self.ends = elements, starts, ends

    __class__ = list  # type: ignore[assignment]

    @property
    def first(self) -> TracedScalar:
        """Returns a list of the row of the same length."""
        return self.starts

    @property
    def count(self) -> Any:
        """Returns the number of lists."""
        return lists.length(self.starts)

    def at(self, position: Any) -> Any:
        """Returns the list at an index within this one."""
        if self.elements is None:  # an empty list behaves the same whatever its elements might be
            return lists.of_list(explorer().loop.const(Items("i64"), _INDICES))
        bounds = [as_int(lists.element(x, position)) for x in (self.starts, self.ends)]
        return changed(self.elements, lambda x: TracedScalar(x.kind, lists.call("slice", x, *bounds)))

    def mapped(self, change: Change) -> TracedLists:
        """Returns a list of some of the lists, by a change that permutes or drops elements."""
        return TracedLists(self.elements, change(self.starts), change(self.ends))

    @property
    def kind(self) -> Lists | None:
        """Returns the kind of a list of lists of numbers or strings, or of such lists; None for another one."""
        if self.elements is None:
            return Lists("")
        if lists.is_list(self.elements):
            return None if self.elements.numpy else Lists(self.elements.kind)
        inner = self.elements.kind if is_nested(self.elements) else None
        return None if inner is None else Lists(inner)

    @property
    def columns(self) -> list[TracedScalar]:
        """Returns all of its lists."""
        inside = [] if self.elements is None else [self.elements] if lists.is_list(self.elements) else self.elements.columns
        return [*inside, self.starts, self.ends]

    @staticmethod
    def of(kind: Lists, made: Sequence[TracedScalar]) -> TracedLists:
        """Returns the list of this kind with these lists, in the order of `columns`."""
        *inside, starts, ends = made
        if not kind.inner:
            return TracedLists(None, starts, ends)
        return TracedLists(inside[0] if isinstance(kind.inner, str) else TracedLists.of(kind.inner, inside), starts, ends)

    def moved(self, leaf: Callable[[Any], Any]) -> TracedLists:
        """Returns the list with a change of each of its lists, such as to one of another block."""
        nested = is_nested(self.elements)
        elements = self.elements.moved(leaf) if nested else None if self.elements is None else leaf(self.elements)
        return TracedLists(elements, leaf(self.starts), leaf(self.ends))

    def appended(self, x: Any) -> TracedLists:
        """Returns the list with another list: an empty one, or one of the kind of its lists. Refuses others (SW244)."""
        kind, loop, nothing = self.kind, explorer().loop, type(x) is list and not x
        own = Lists(x.kind) if lists.is_list(x) and not x.numpy else None
        if kind is None or not (nothing or (own is not None and kind.joined(own) == own)):
            refuse("SW244", what=raw(x), kind=self.what)
        start = loop.const(0, I64) if self.elements is None else lists.call("length", self.elements)
        elements = self.elements
        if not nothing:
            elements = x if elements is None else joined(elements, x)
        bounds = (start, start if nothing else lists.call("length", elements))
        grown = (loop.emit(ListAppend(_INDICES), of.value, at) for of, at in zip((self.starts, self.ends), bounds, strict=True))
        return TracedLists(elements, *map(lists.of_list, grown))

    def extended(self, other: TracedLists) -> TracedLists:
        """Returns the list with the lists of another one; refuses lists of another kind (SW244)."""
        loop, kind = explorer().loop, None if self.kind is None else self.kind.joined(other.kind)
        if kind is None or not isinstance(kind.inner, str):
            refuse("SW244", what=raw(other), kind=self.what)
        first, second = (x.widened(loop, kind) for x in (self, other))
        if not kind.inner:
            return TracedLists(None, joined(first.starts, second.starts), joined(first.ends, second.ends))
        shift = lists.call("length", first.elements)

        def later(bounds: TracedScalar) -> TracedScalar:
            moved = mapped(loop, [bounds.value], [shift], _INDICES, lambda block, x, row: block.call("add", x[0], row[0]))
            return lists.of_list(lists.present(moved))

        bounds = joined(first.starts, later(second.starts)), joined(first.ends, later(second.ends))
        return TracedLists(joined(first.elements, second.elements), *bounds)

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        if name == "add" and is_nested(other):
            return other.extended(self) if reflected else self.extended(other)
        return Traced._binary(self, name, other, reflected)

    def widened(self, loop: LoopBuilder, kind: Lists) -> TracedLists:
        """Returns the list as one of a kind that its lists fit, in `loop`, where it is."""
        if self.elements is not None or not isinstance(kind.inner, str) or not kind.inner:
            return self
        return TracedLists(list_with(loop, (kind.inner, ""), ()), self.starts, self.ends)

    def __bool__(self) -> bool:
        return explorer().decide(lists.truth(self.starts))

    def __getitem__(self, key: Any) -> Any:
        return item(self, key)

    def __iter__(self) -> Any:
        refuse("SW223")

    def __reversed__(self) -> Any:
        refuse("SW223")

    def __contains__(self, x: Any) -> bool:
        refuse("SW222", call=f"in with {raw(x)}", kind=self.what)


def joined(x: TracedScalar, y: TracedScalar) -> TracedScalar:
    """Returns the concatenation of two lists of one kind."""
    return TracedScalar(x.kind, lists.call("concat", x, y.value))


def first_of(x: Any) -> TracedScalar:
    """Returns a list of the row that is as long as a sequence."""
    return x if lists.is_list(x) else x.first


def element(x: Any, position: Any) -> Any:
    """Returns the element of a sequence at an index within it."""
    return lists.element(x, position) if lists.is_list(x) else x.at(position)


def changed(x: Any, change: Change) -> Any:
    """Returns a sequence with a change of each list that it is stored as."""
    return change(x) if lists.is_list(x) else x.mapped(change)


def item(x: Any, key: Any) -> Any:
    """Returns ``x[i]`` or ``x[a:b]`` of a sequence."""
    if isinstance(key, slice):
        return changed(x, lambda part: lists.item(part, key))
    return element(x, make_int(lists.place(first_of(x), key)))


def kind_of_lists(items: Sequence[Any]) -> Lists | None:
    """Returns the kind of a list of these lists, which are lists of the row or Python's; None if they have no common kind."""
    found = set()
    for x in items:
        if type(x) is list:
            large = any(type(y) is int and not MIN <= y <= MAX for y in x)
            found |= {None if large else kind_of(x)} if x else set()
        else:
            found.add((x.kind, x.numpy) if lists.is_list(x) else None)
    if items and not found:
        return Lists("")
    kind = found.pop() if len(found) == 1 else None
    return None if kind is None or kind[1] else Lists(kind[0])


def lists_of(loop: LoopBuilder, kind: Lists, items: Sequence[Any], element: Callable[[Any], Value]) -> TracedLists:
    """Returns the list of lists that fit a kind, whose elements are no lists. `element` returns a value of `loop`.

    It applies to the lists of the row, and to the elements of Python's.
    """
    assert isinstance(kind.inner, str)
    bounds = [loop.const(0, I64)]
    if not kind.inner:
        return TracedLists(None, *[list_with(loop, ("list<i64>", ""), bounds * len(items))] * 2)
    type_ = Type(kind.inner)
    elements = loop.const(Items(type_.element.kind), type_)
    for x in items:
        own = list_with(loop, (kind.inner, ""), list(map(element, x))).value if type(x) is list else element(x)
        elements = loop.emit(ListCall("concat", type_), elements, own)
        bounds.append(loop.emit(ListCall("length", type_), elements))
    made = (list_with(loop, ("list<i64>", ""), part) for part in (bounds[:-1], bounds[1:]))
    return TracedLists(lists.of_list(elements), *made)


def is_nested(x: object) -> bool:
    """Whether `x` is a list of lists or dicts; `isinstance` would trust `__class__`."""
    return type(x) is TracedLists
