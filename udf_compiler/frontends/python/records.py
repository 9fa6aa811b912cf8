"""Models a list of tuples, dicts or Rows that a function makes: a list of the row for each part, all of one length.

Elements are *records*: tuples of one length, dicts of the same keys, Rows of the same fields, or objects of one class of user
code. Parts are numbers, strings, dates and naive datetimes. A date or datetime is also an element alone. Elements and
parts may be None. In functions of a group, parts may also be NumPy's scalars, and records lists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sparkweld.ir import LoopBuilder, Type, Value
from sparkweld.ir.ops import ListAppend, ListCall
from sparkweld.ir.types import DATE, I32, I64, TS
from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.found_matches import FoundMatches
from udf_compiler.frontends.python.instances import attributes, freeze, instance, is_instance, is_named_tuple_class
from udf_compiler.frontends.python.key_lists import is_key_kind, place
from udf_compiler.frontends.python.list_maps import repeated
from udf_compiler.frontends.python.listed import of_tag, tag_of
from udf_compiler.frontends.python.nested_lists import TracedLists
from udf_compiler.frontends.python.new_lists import element_value
from udf_compiler.frontends.python.new_lists import list_of as list_with
from udf_compiler.frontends.python.operands import make_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.record_dicts import TracedRecord
from udf_compiler.frontends.python.record_parts import (
    DATES,
    DATETIMES,
    MIXED,
    ListRow,
    are_wide,
    kind_of_part,
    tag_of_kind,
    tag_of_time,
    tagged,
    untagged,
)
from udf_compiler.frontends.python.row_lists import TracedElement, TracedPairs, TracedRows
from udf_compiler.frontends.python.undecided import Undecided
from udf_compiler.frontends.python.values import MAX, MIN, TracedScalar, of_value
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import Traced, raw

TUPLE, DICT, ROW, LIST = "tuple", "dict", "Row", "list"
#: The form of elements that are dates or datetimes, or numbers or strings some of which are None (`Session.of_columns`): each is
#: its own only part.
VALUE = "value"

_BOOLS = "list<bool>"


@dataclass(frozen=True, slots=True)
class Records:
    """The kind of a list of records.

    `form`: TUPLE, DICT, ROW, LIST or VALUE, the class of objects, or "" where all elements are None. `names`: the keys or fields.
    `parts`: the kind of the list of each part, "" where all are None, and whether a part may be None. A tag may be before the
    kind. `gaps`: whether an element may be None.
    """

    form: str | type
    names: tuple[str, ...]
    parts: tuple[tuple[str, bool], ...]
    gaps: bool = False

    @property
    def types(self) -> tuple[Type, ...]:
        """Returns the types of the lists, in the order of `TracedRecords.columns`."""
        of_parts = (kind for part, absent in self.parts for kind in (part, _BOOLS if absent else ""))
        return tuple(Type(untagged(kind)) for kind in (*of_parts, _BOOLS if self.gaps else "") if kind)

    def joined(self, other: object) -> Records | None:
        """Returns the kind that elements of both fit; None if there is none."""
        if type(other) is not Records:
            return None
        if not (self.form and other.form):
            return replace(self if self.form else other, gaps=self.gaps or other.gaps)
        if (self.form, self.names) != (other.form, other.names):
            return None
        parts = []
        for (kind, absent), (kind_, absent_) in zip(self.parts, other.parts, strict=True):
            both = kind or kind_
            if kind and kind_ and kind != kind_:
                if untagged(kind) != untagged(kind_) or not {tag_of_kind(kind), tag_of_kind(kind_)} <= {"", MIXED}:
                    return None
                both = f"{MIXED} {untagged(kind)}"
            parts.append((both, absent or absent_))
        return replace(self, parts=tuple(parts), gaps=self.gaps or other.gaps)


class TracedRecords(TracedRows):
    """A list of records. `parts`: the values of each part, or None where all are None.

    `absent`: whether each value of a part is None, or None where none is; `gone`: the same of the elements. What is None has an
    arbitrary value.
    """

    __slots__ = ("absent", "form", "gone")
    __dataclass_fields__ = ("form", "names", "parts", "absent", "gone")  # type: ignore[assignment]
    what = "list of tuples, dicts or Rows"

    form: str | type
    parts: tuple[TracedScalar | None, ...]  # type: ignore[assignment]
    absent: tuple[TracedScalar | None, ...]
    gone: TracedScalar | None

    def __init__(
        self, form: str | type, names: Sequence[str], parts: Sequence[TracedScalar | None], absent: Sequence[TracedScalar | None],
        gone: TracedScalar | None,
    ) -> None:  # fmt: skip
        TracedRows.__init__(self, names, parts)  # type: ignore[arg-type]
        self.form, self.absent, self.gone = form, tuple(absent), gone

    @staticmethod
    def of(kind: Records, made: Sequence[TracedScalar]) -> TracedRecords:
        """Returns the list of this kind with these lists, in the order of `columns`."""
        rest = iter(made)
        pairs = [(tagged(next(rest), part) if part else None, next(rest) if absent else None) for part, absent in kind.parts]
        return TracedRecords(kind.form, kind.names, [a for a, _ in pairs], [b for _, b in pairs], next(rest, None))

    @property
    def columns(self) -> list[TracedScalar]:
        """Returns all of its lists: for each part, its values and perhaps whether they are None; then the elements' own."""
        of_parts = (x for pair in zip(self.parts, self.absent, strict=True) for x in pair)
        return [TracedScalar(x.kind, x.value) for x in (*of_parts, self.gone) if x is not None]

    @property
    def count(self) -> Any:
        """Returns the number of elements."""
        return lists.length(self.columns[0])

    def __bool__(self) -> bool:
        return explorer().decide(lists.truth(self.columns[0]))

    @property
    def kind(self) -> Records:
        pairs = zip(self.parts, self.absent, strict=True)
        parts = tuple(("" if part is None else f"{part.numpy} {part.kind}".strip(), absent is not None) for part, absent in pairs)
        return Records(self.form, self.names, parts, self.gone is not None)

    @property
    def is_pairs(self) -> bool:
        """Whether the elements are tuples or Rows of two numbers or strings, none of which is None."""
        tagged = any(part is not None and part.numpy for part in self.parts)
        return self.form in (TUPLE, ROW) and len(self.parts) == len(self.columns) == 2 and not tagged

    @property
    def keys(self) -> list[TracedScalar]:
        """Returns the lists by which Python orders the elements; refuses (SW222) what it does not order, and bools."""
        tuples = not isinstance(self.form, str) and is_named_tuple_class(self.form)
        ordered = (tuples or self.form in (TUPLE, VALUE)) and self.gone is None and all(x is None for x in self.absent)
        known = ("", DATES, DATETIMES)
        if not ordered or any(part is None or part.kind == _BOOLS or part.numpy not in known for part in self.parts):
            refuse("SW222", call="sorted() without a key", kind=self.what)
        return self.columns

    def mapped(self, change: Any) -> TracedRecords:
        """Returns the list with a change of each of its lists, which permutes or drops elements."""
        return TracedRecords.of(self.kind, [change(x) for x in self.columns])

    moved = mapped

    def at(self, position: Any) -> Any:
        """Returns the element at an index within the list."""
        if self.gone is not None and lists.element(self.gone, position):
            return None
        found = [self._part(number, position) for number in range(len(self.parts))]
        if self.form == VALUE:
            return found[0]
        if self.form in (TUPLE, LIST):
            return tuple(found) if self.form == TUPLE else ListRow(found)
        if not isinstance(self.form, str):
            return instance(self.form, self.names, found)
        return (TracedRecord if self.form == DICT else TracedElement)(self.names, found)

    def _part(self, number: int, position: Any) -> Any:
        part, absent = self.parts[number], self.absent[number]
        if part is None or (absent is not None and lists.element(absent, position)):
            return None
        found = lists.element(TracedScalar(part.kind, part.value), position)
        if part.numpy == MIXED:
            refuse("SW282", what="a list of records with scalars of NumPy, which it reads,")
        if part.numpy in (DATES, DATETIMES):
            loop = found.value.loop
            return of_value(loop.cast(loop.cast(found.value, I32), DATE) if part.numpy == DATES else loop.cast(found.value, TS))
        return of_tag(part.numpy, found) if part.numpy else found

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return self.mapped(lambda x: lists.item(x, key))
        return self.at(make_int(lists.place(self.columns[0], key)))

    def __contains__(self, x: Any) -> bool:
        known = is_key_kind(self.kind) or (self.form == VALUE and tag_of_time(x))
        return self.has(x) if known else TracedRows.__contains__(self, x)

    def has(self, x: Any) -> bool:
        """Whether a list of times, dates or keys has one that is equal to `x`; refuses (SW282) other lists and other values."""
        if is_key_kind(self.kind):
            at, loop = place("find", self, x, "in"), explorer().loop
            return explorer().decide(loop.call("greater_equal", at, loop.const(0, I64)))
        (part, *others), own = self.parts, kind_of_part(x)
        if self.form != VALUE or self.gone is not None or part is None or others or own is None or own != self.kind.parts[0][0]:
            refuse("SW282", what="a set of values of several classes")
        number = TracedScalar("int", element_value(explorer().loop, x))
        return bool(lists.contains(TracedScalar(part.kind, part.value), number))

    def appended(self, x: Any) -> TracedRecords:
        """Returns the list with another element; refuses one of another kind (SW244)."""
        own, loop = _kind_of(x), explorer().loop
        kind = replace(self.kind, gaps=True) if x is None else self.kind.joined(own)
        if kind is None:
            refuse("SW244", what=raw(x), kind=self.what)
        values, columns, made = _values_of(x, kind), self.widened(loop, kind).columns, []
        for of, value in zip(columns, _flat(kind, values, x is None), strict=True):
            added = _element(loop, Type(of.kind).element, value, partial(element_value, loop))
            made.append(TracedScalar(of.kind, loop.emit(ListAppend(of.value.type), of.value, added)))
        return TracedRecords.of(kind, made)

    def extended(self, other: TracedRecords) -> TracedRecords:
        """Returns the list with the elements of another one; refuses one of another kind (SW244)."""
        kind, loop = self.kind.joined(other.kind), explorer().loop
        if kind is None:
            refuse("SW244", what=raw(other), kind=self.what)
        parts = zip(*(x.widened(loop, kind).columns for x in (self, other)), strict=True)
        return TracedRecords.of(kind, [a + b for a, b in parts])

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        kind = kind_of_records(other) if type(other) is list else None
        if kind is not None and self.kind.joined(kind) is not None:
            other = records_of(explorer().loop, kind, other)
        if name == "add" and type(other) is TracedRecords:
            return other.extended(self) if reflected else self.extended(other)
        return Traced._binary(self, name, other, reflected)

    def widened(self, loop: LoopBuilder, kind: Records) -> TracedRecords:
        """Returns the list as one of a kind that its elements fit, in `loop`, where its lists are."""
        if kind == self.kind:
            return self
        first = self.columns[0].value
        size = loop.emit(ListCall("length", first.type), first)

        def constant(of: str) -> TracedScalar:
            of = untagged(of)
            element = Type(of).element
            return TracedScalar(of, loop.value_of(repeated(loop, loop.const(element.zero, element), size)))

        made: list[TracedScalar] = []
        nothing: list[None] = [None] * (0 if self.form else len(kind.parts))
        for part, absent, (of, may) in zip((*self.parts, *nothing), (*self.absent, *nothing), kind.parts, strict=True):
            made += ([part] if part is not None else [constant(of)]) if of else []
            made += ([absent] if absent is not None else [constant(_BOOLS)]) if may else []
        made += ([self.gone] if self.gone is not None else [constant(_BOOLS)]) if kind.gaps else []
        return TracedRecords.of(kind, made)


def list_of_times(numbers: Value, dates: bool) -> TracedRecords:
    """Returns a list of dates or of naive datetimes by the list of their days or microseconds since 1970."""
    part = TracedScalar(numbers.type.kind, numbers, numpy=DATES if dates else DATETIMES)
    return TracedRecords(VALUE, ("0",), [part], [None], None)


def is_rows(x: object) -> bool:
    """Whether `x` is a list of Rows, pairs, records, lists, dicts or times; `isinstance` would trust `__class__`."""
    return type(x) in (TracedRows, TracedPairs, TracedRecords, TracedLists, FoundMatches)


def as_records(x: Any) -> Any:
    """Returns a list of Rows or pairs as one of records, unless it has lists or dicts within; anything else unchanged."""
    if type(x) not in (TracedRows, TracedPairs) or not all(map(lists.is_list, x.parts)):
        return x
    names = x.names if type(x) is TracedRows else ("0", "1")
    return TracedRecords(ROW if type(x) is TracedRows else TUPLE, names, x.parts, [None] * len(x.parts), None)


def kind_of_records(items: Sequence[Any]) -> Records | None:
    """Returns the kind of a list of these elements; None where they are no records of one kind, or there are none."""
    found: Records | None = Records("", (), ())
    for x in items:
        own = Records("", (), (), gaps=True) if x is None else _kind_of(x)
        found = None if found is None or own is None else found.joined(own)
    return found if items else None


def records_of(
    loop: LoopBuilder, kind: Records, items: Sequence[Any], element: Callable[[Any], Value] | None = None
) -> TracedRecords:
    """Returns the list of elements that fit a kind. `element` returns a number or string as a value in `loop`."""
    of = element or (lambda x: element_value(loop, x))
    rows = [_flat(kind, _values_of(x, kind), x is None) for x in items]
    made = []
    for at, type_ in enumerate(kind.types):
        elements = [_element(loop, type_.element, row[at], of) for row in rows]
        made.append(list_with(loop, (type_.kind, ""), elements))
    return TracedRecords.of(kind, made)


@dataclass(frozen=True, slots=True)
class _Absent:
    """Whether a part is None, which it is where `valid` does not hold."""

    valid: TracedScalar


def _element(loop: LoopBuilder, type: Type, x: Any, of: Callable[[Any], Value]) -> Value:
    """Returns an element of `_flat` as a value in a loop."""
    if x is None:
        return loop.const(type.zero, type)
    return loop.call("logical_not", of(x.valid)) if isinstance(x, _Absent) else of(x)


def _kind_of(x: Any) -> Records | None:
    form, names, values = _taken(x)
    parts = []
    for value in values:
        of = "" if value is None else kind_of_part(value.value if type(value) is Undecided else value)
        if of is None or (type(value) is int and not MIN <= value <= MAX):
            return None
        parts.append((of, value is None or type(value) is Undecided))
    return Records(form, names, tuple(parts)) if parts else None


def _taken(x: Any) -> tuple[str | type, tuple[str, ...], Sequence[Any]]:
    """Returns the form, names and values of a record; no values for another object."""
    if type(x) is tuple:
        return TUPLE, tuple(map(str, range(len(x)))), x
    if type(x) is ListRow:
        return LIST, tuple(map(str, range(len(x.items)))), x.items
    if type(x) is TracedRecord:
        return DICT, x.names, x.values_
    if type(x) is TracedElement:
        return ROW, x.names, x.values
    if is_instance(x):
        return (type(x), *attributes(x))
    alone = _is_plain(x) if current().of_columns else tag_of_time(x)
    return (VALUE, ("0",), (x,)) if alone else ("", (), ())


def _is_plain(x: Any) -> bool:
    return bool(tag_of(x)) or (type(x) in (TracedScalar, bool, int, float, str) and kind_of_part(x) is not None)


def kind_with_gaps(kind: tuple[str, str]) -> Records | None:
    """Returns the kind of a list of plain elements as one that may have None among them; None of narrow scalars of NumPy."""
    if not current().of_columns or (kind[1] and not are_wide(kind)):
        return None
    return Records(VALUE, ("0",), ((f"{MIXED if kind[1] else ''} {kind[0]}".strip(), False),), gaps=True)


def with_gaps(x: Any) -> TracedRecords:
    """Returns a list of plain elements as one that may have None among them. Refuses (SW244) one of narrow scalars of NumPy."""
    kind = kind_with_gaps((x.kind, x.numpy))
    if kind is None:
        refuse("SW244", what="None", kind=x.kind)
    alone = TracedRecords.of(replace(kind, gaps=False), [x])
    return alone.widened(x.value.loop, kind)


def _values_of(x: Any, kind: Records) -> Sequence[Any]:
    if is_instance(x):
        freeze(x)
    return [None] * len(kind.parts) if x is None else _taken(x)[2]


def _flat(kind: Records, values: Sequence[Any], gone: bool) -> list[Any]:
    """Returns the elements of a record's lists, in the order of `TracedRecords.columns`; None for an arbitrary one."""
    found: list[Any] = []
    for value, (part, absent) in zip(values, kind.parts, strict=True):
        none: Any = value is None
        if type(value) is Undecided:
            none, value = _Absent(value.valid), value.value
        found += [*([value] if part else []), *([none] if absent else [])]
    return [*found, *([gone] if kind.gaps else [])]
