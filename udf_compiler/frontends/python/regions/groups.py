"""Models a dict of lists that a function fills, as in ``d[key].append(x)``, by the log of its keys and that of its elements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ListAppend, ListCall
from sparkweld.ir.types import BOOL, I64, list_of
from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.list_maps import kept, mapped
from udf_compiler.frontends.python.listed import Held
from udf_compiler.frontends.python.maps import TracedMap
from udf_compiler.frontends.python.nested_lists import TracedLists, changed
from udf_compiler.frontends.python.new_lists import element_value, kind_of
from udf_compiler.frontends.python.new_lists import list_of as list_with
from udf_compiler.frontends.python.of_text import element
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.records import Records, TracedRecords, kind_of_records, records_of
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw

#: The kinds of lists of keys: those that kernels sort, without floats.
_KEYS = ("list<str>", "list<i64>")
#: The most keys, and the most elements of all lists: each lookup may read all of them, so a row with more is left to Python.
_MOST = 1024
_INDICES = list_of(I64)


@dataclass(frozen=True, slots=True)
class GroupKind:
    """The kind of a dict of lists. `inner`: that of its elements, None where all lists are empty."""

    keys: str
    inner: tuple[str, str] | Records | None

    def joined(self, other: object) -> GroupKind | None:
        """Returns the kind that dicts of both fit; None if there is none."""
        if type(other) is not GroupKind or other.keys != self.keys:
            return None
        if self.inner is None or other.inner is None:
            return self if other.inner is None else other
        inner = self.inner.joined(other.inner) if type(self.inner) is Records else self.inner
        return GroupKind(self.keys, inner) if inner is not None and (type(inner) is Records or inner == other.inner) else None


class Groups(Held):
    """The lists of a dict. `keys`: its keys in the order in which they were added, each at least once.

    `owners` has the key of each element of `elements`, a sequence, or None where all lists are empty.
    """

    __slots__ = ("elements", "keys", "owners")
    __dataclass_fields__ = ("keys", "owners", "elements")
    what = "dict of lists"
    stands_for = dict

    keys: TracedScalar
    owners: TracedScalar
    elements: Any

    def __init__(self, keys: TracedScalar, owners: TracedScalar, elements: Any) -> None:
        self.keys, self.owners, self.elements = keys, owners, elements

    __class__ = dict  # type: ignore[assignment]

    @staticmethod
    def empty(loop: LoopBuilder, kind: GroupKind) -> Groups:
        """Returns a dict of a kind without keys."""
        nothing = list_with(loop, (kind.keys, ""), ())
        return Groups(nothing, nothing, None).widened(loop, kind)

    def widened(self, loop: LoopBuilder, kind: GroupKind) -> Groups:
        """Returns the dict as one of a kind that it fits, in `loop`, where it is."""
        if kind.inner is None:
            return self
        if type(kind.inner) is Records:
            made = records_of(loop, kind.inner, ()) if self.elements is None else self.elements.widened(loop, kind.inner)
            return Groups(self.keys, self.owners, made)
        assert type(kind.inner) is tuple
        return self if self.elements is not None else Groups(self.keys, self.owners, list_with(loop, kind.inner, ()))

    @property
    def kind(self) -> GroupKind:
        """Returns its kind."""
        x = self.elements
        inner = None if x is None else (x.kind, x.numpy) if lists.is_list(x) else x.kind
        return GroupKind(self.keys.kind, inner)

    def with_key(self, key: Any) -> Groups:
        """Returns the dict with another key, whose list is empty. Refuses a key of another class (SW244)."""
        check_key(self.keys.kind, key)
        return Groups(_appended(self.keys, key), self.owners, self.elements)

    def with_element(self, key: Any, elements: Any) -> Groups:
        """Returns the dict with another element of the list of a key, which is the last of `elements`."""
        return Groups(self.keys, _appended(self.owners, key), elements)

    def without(self, key: Any) -> Groups:
        """Returns the dict in which the list of a key is empty."""
        if self.elements is None:
            return self
        mask = self._mask(key, "not_equal")
        return Groups(self.keys, _kept(self.owners, mask), changed(self.elements, lambda x: _kept(x, mask)))

    def of(self, key: Any) -> Any:
        """Returns the list of a key as one of the row."""
        if self.elements is None:
            return []
        mask = self._mask(key, "equal")
        return changed(self.elements, lambda x: _kept(x, mask))

    def _mask(self, key: Any, fn: str) -> Value:
        loop = explorer().loop

        def compared(block: LoopBuilder, x: Sequence[Value], row: Sequence[Value]) -> Value:
            return block.call(fn, x[0], row[0])

        return lists.present(mapped(loop, [self.owners.value], [element_value(loop, element(key))], list_of(BOOL), compared))

    def as_map(self) -> TracedMap:
        """Returns the current contents as a dict of the row: the elements sorted by their keys, in the order of each list."""
        loop = explorer().loop
        keys = lists.of_list(lists.call("take", self.keys, lists.call("first_at", self.keys)))
        order = lists.call("argsort", self.owners)
        owners = lists.call("take", self.owners, order)
        key_type = self.keys.value.type

        def first(block: LoopBuilder, x: Sequence[Value], row: Sequence[Value]) -> Value:
            found = block.emit(ListCall("find", key_type), row[0], x[0])
            return block.select(block.call("less", found, block.const(0, I64)), block.const(0, I64), found)

        def after(block: LoopBuilder, x: Sequence[Value], row: Sequence[Value]) -> Value:
            return block.call("add", block.emit(ListCall("find_last", key_type), row[0], x[0]), block.const(1, I64))

        starts, ends = (lists.of_list(lists.present(mapped(loop, [keys.value], [owners], _INDICES, f))) for f in (first, after))
        ordered = None if self.elements is None else changed(self.elements, lambda x: _taken(x, order))
        return TracedMap(keys, TracedLists(ordered, starts, ends))


class Bucket(Held):
    """The list of a key in a dict of lists that the function fills. `owner`: the dict."""

    __slots__ = ("key", "owner")
    __dataclass_fields__ = ("owner", "key")
    what = "list in a dict of lists"
    stands_for = list

    owner: Any
    key: Any

    def __init__(self, owner: Any, key: Any) -> None:
        self.owner, self.key = owner, key

    def whole(self) -> Any:
        """Returns the current list as one of the row."""
        return self.owner.log.of(self.key)


def key_kind(key: Any) -> str:
    """Returns the kind of a list of such keys; refuses (SW244) others than strings and integers."""
    found = kind_of([element(key)])
    if found is None or found[1] or found[0] not in _KEYS:
        refuse("SW244", what=raw(key), kind="dict of lists")
    return found[0]


def check_key(kind: str, key: Any) -> None:
    """Refuses (SW244) a key of another class than those of a dict of lists."""
    if key_kind(key) != kind:
        refuse("SW244", what=raw(key), kind="dict of lists")


def check_size(x: TracedScalar) -> None:
    """Guards rows with many keys or elements."""
    loop = explorer().loop
    explorer().guard(loop.call("less", lists.call("length", x), loop.const(_MOST, I64)))


def first_element(x: Any) -> Any:
    """Returns the sequence of one element; refuses (SW244) one of which kernels have no lists."""
    x, loop = element(x), explorer().loop
    kind = kind_of([x])
    if kind is not None and not kind[1]:
        return list_with(loop, kind, [element_value(loop, x)])
    records = kind_of_records([x])
    if records is None:
        refuse("SW244", what=raw(x), kind="dict of lists")
    return records_of(loop, records, [x], lambda part: element_value(loop, part))


def is_sequence(x: Any) -> bool:
    """Whether `x` is a sequence whose elements a dict of lists holds."""
    return (lists.is_list(x) and not x.numpy) or type(x) is TracedRecords


def _appended(items: TracedScalar, x: Any) -> TracedScalar:
    check_size(items)
    loop = explorer().loop
    return lists.of_list(loop.emit(ListAppend(items.value.type), items.value, element_value(loop, element(x))))


def _kept(x: TracedScalar, mask: Value) -> TracedScalar:
    return TracedScalar(x.kind, lists.present(kept(explorer().loop, x.value, mask)), numpy=x.numpy)


def _taken(x: TracedScalar, order: Value) -> TracedScalar:
    return TracedScalar(x.kind, lists.call("take", x, order), numpy=x.numpy)
