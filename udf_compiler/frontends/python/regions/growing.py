"""Models lists that a function changes as lists of the row.

A trace knows the length of a Python list. A list whose length differs between rounds has no such length, so it becomes a
`Growing` from the loop head on. So does a new list of the row, such as a split, in a function that changes lists. This object has
an identity, because several names may refer to it; its value is a list of the kernel, which never changes itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sparkweld.ir.ops import ListAppend
from sparkweld.ir.types import BOOL, I64
from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.list_operators import widened
from udf_compiler.frontends.python.lists import MIXED_ELEMENTS, NUMPY_ELEMENTS, as_list, is_list
from udf_compiler.frontends.python.nested_lists import TracedLists, is_nested
from udf_compiler.frontends.python.new_lists import element_value, kind_of
from udf_compiler.frontends.python.of_text import element
from udf_compiler.frontends.python.operands import is_number, make_int
from udf_compiler.frontends.python.operands import kind_of as number_kind
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.records import TracedRecords, as_records, is_rows, with_gaps
from udf_compiler.frontends.python.regions.groups import Bucket
from udf_compiler.frontends.python.regions.overwritten import Overwritten
from udf_compiler.frontends.python.regions.stored import Cells, Line, Table, whole
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.session import current as session
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.values import raw

#: The most elements of a list that is changed other than at its end. A change takes as much memory as two such lists, until the
#: end of the row.
_LONGEST_CHANGED = 128


@dataclass(slots=True, eq=False)
class Growing:
    """A list of the row that the function changes; `value` is its current list, which may be one of records or of lists.

    `frozen`: nothing may change it any more, as it is an element of another list. `lent`: nor may anything keep it, as it is an
    argument that belongs to the caller.
    """

    value: Any
    frozen: bool = False
    lent: bool = False

    def check(self) -> None:
        """Refuses (SW282) a change of a list that another one holds, of the caller's, or to whose elements a loop assigns."""
        if type(self.value) in (Overwritten, Cells, Table):
            refuse("SW282", what="a list to whose elements it assigns, which it changes in another way,")
        self.check_free()

    def check_free(self) -> None:
        """Refuses (SW282) a change of a list that another one holds, or of the caller's."""
        if self.lent:
            refuse("SW282", what="a list of the calling function, which it changes,")
        if self.frozen:
            refuse("SW282", what="a list that it changes after it has added it to another list,")

    def check_owned(self) -> None:
        """Refuses (SW282) to return or store a list of the caller's: the caller may change it later."""
        if self.lent:
            refuse("SW282", what="a list of the calling function, which it returns or stores,")

    def append(self, x: Any, /) -> None:
        """Appends an element; refuses one of another kind (SW244)."""
        if type(self.value) is Cells:
            self.check_free()
            self.value = self.value.appended(x)
            return
        self.check()
        if type(self.value) in (TracedRecords, TracedLists):
            self.value = self.value.appended(x)
            return
        if x is None and session().of_columns:
            self.value = with_gaps(self.value).appended(None)
            return
        if x is None:  # the rows of this path run in Python, as those with None among the elements of a column
            explorer().guard(explorer().loop.const(False, BOOL))
            return
        value, x = widened(self.value), element(x)
        numpy = numpy_of_both((value.kind, value.numpy), kind_of([x]))
        if numpy is None:
            refuse("SW244", what=raw(x), kind=value.kind)
        made = explorer().loop.emit(ListAppend(value.value.type), value.value, element_value(explorer().loop, x))
        self.value = TracedScalar(value.kind, made, numpy=numpy)

    def extend(self, items: Any, /) -> None:
        """Appends a list of the row, or the elements of a Python list or tuple; refuses anything else (SW244)."""
        self.check()
        items = widened(as_records(as_list(current(items))))
        self.value = widened(self.value)
        if type(items) is TracedRecords and type(self.value) is TracedRecords:
            self.value = self.value.extended(items)
            return
        if is_nested(items) and is_nested(self.value):
            self.value = self.value.extended(items)
            return
        if is_list(items) and not is_rows(self.value) and (items.kind, items.numpy) == (self.value.kind, self.value.numpy):
            self.value = self.value + items
            return
        if type(items) not in (list, tuple):
            refuse("SW244", what=raw(items), kind=raw(self.value))
        for x in items:
            self.append(x)

    def _guard_short(self) -> None:
        """Guards long lists before a change that copies all elements. Refuses (SW282) changes in one of records or lists."""
        self.check()
        if is_rows(self.value):
            refuse("SW282", what="a list of lists, tuples, dicts or Rows, which it changes other than at its end,")
        run = explorer()
        run.guard(run.loop.call("less_equal", lists.call("length", self.value), run.loop.const(_LONGEST_CHANGED, I64)))

    def set(self, key: Any, x: Any) -> None:
        """Assigns an element, or a list to a slice; refuses others of another kind (SW244). IndexError as in Python."""
        if type(self.value) is Overwritten:
            self.check_free()
            self.value = self.value.replaced(key, x)
            return
        self._guard_short()
        if isinstance(key, slice):
            self._replace(key, x)
            return
        value, x = widened(self.value), element(x)
        index = lists.place(value, key)
        if kind_of([x]) != (value.kind, value.numpy):
            refuse("SW244", what=raw(x), kind=value.kind)
        at: Any = make_int(index)
        self.value = value[:at]
        self.append(x)
        self.value = self.value + value[at + 1 :]

    def delete(self, key: Any) -> None:
        """Removes the element at an index, or those of a slice."""
        if isinstance(key, slice):
            self.set(key, [])
            return
        self._guard_short()
        self.value = lists.without(self.value, lists.place(self.value, key))

    def _replace(self, key: slice, items: Any) -> None:
        """Assigns a list to a slice without a step; refuses others (SW282)."""
        if key.step is not None:
            refuse("SW282", what="a list, of which it assigns a slice with a step,")
        before = self.value[: 0 if key.start is None else key.start]
        rest = self.value[:0]
        if key.stop is not None:  # the slice ends where it begins, or after that
            ends = [lists.call("length", x) for x in (before, self.value[: key.stop])]
            loop = explorer().loop
            last = loop.select(loop.call("less", *ends), ends[1], ends[0])
            rest = self.value[make_int(last, (0, lists.LONGEST)) :]
        self.value = before
        self.extend(items)
        self.extend(rest)

    def pop(self, key: Any = -1, /) -> Any:
        """Removes and returns the element at an index; IndexError as in Python."""
        self._guard_short()  # an append copies what a pop leaves
        value, index = self.value, lists.place(self.value, key)
        found = lists.element(value, make_int(index))
        self.value = value[:-1] if type(key) is int and key == -1 else lists.without(value, index)
        return found

    def insert(self, key: Any, x: Any, /) -> None:
        """Inserts an element before an index, or at an end of the list if it is outside."""
        if key is None:
            raise in_place(TypeError("'NoneType' object cannot be interpreted as an integer"))
        self._guard_short()
        if not is_number(key) or number_kind(key) != "int":
            lists.refuse_list(self.value, f".insert() at {raw(key)}")
        rest = self.value[key:]
        self.value = self.value[:key]
        self.append(x)
        self.value = self.value + rest

    def remove(self, x: Any, /) -> None:
        """Removes the first element that is equal to `x`; ValueError as in Python."""
        self._guard_short()
        at, run = lists.sought("find", self.value, x, "remove"), explorer()
        run.raise_if(run.loop.call("less", at, run.loop.const(0, I64)), lambda: ValueError("list.remove(x): x not in list"))
        self.value = lists.without(self.value, at)

    def sort(self, *, key: Any = None, reverse: Any = False) -> None:
        """Sorts the list; refuses a key (SW222). Guards NaN."""
        self.check()
        if is_rows(self.value):
            refuse("SW222", call=".sort()", kind="list of tuples, dicts or Rows")
        self.value = lists.sorted_(self.value, key, reverse)

    def reverse(self) -> None:
        """Reverses the list."""
        self.check()
        self.value = self.value.mapped(lists.reversed_) if is_rows(self.value) else lists.reversed_(self.value)

    def clear(self) -> None:
        """Removes all elements."""
        self.check()
        self.value = self.value[:0]


#: The methods of a list that change it.
METHODS = frozenset("append extend pop insert remove sort reverse clear".split())


def numpy_of_both(known: Any, kind: Any) -> str | None:
    """Returns the classes of the elements of lists of two kinds together (`TracedScalar.numpy`); None if there is none.

    `known` and `kind`: the kind of a list and its `numpy`, as of `kind_of`.
    """
    if known == kind:
        return known[1]  # type: ignore[no-any-return]
    alike = type(known) is type(kind) is tuple and known[0] == kind[0] and session().of_columns
    return MIXED_ELEMENTS if alike and {known[1], kind[1]} <= {"", NUMPY_ELEMENTS, MIXED_ELEMENTS} else None


def held(x: Any) -> Any:
    """Returns the current list of a growing one that another object takes: nothing may change it any more. Else returns `x`.

    Refuses (SW282) a table of lists, and one of its rows.
    """
    if type(x) is Line or (type(x) is Growing and type(x.value) is Table):
        refuse("SW282", what="a list of lists that it assigns to, or one of these, within another value")
    if type(x) is Bucket:
        x.owner.check_owned()
        x.owner.frozen = True
        return x.whole()
    if type(x) is not Growing:
        return x
    x.check_owned()
    x.frozen = True
    return whole(x.value)


def current(x: Any) -> Any:
    """Returns the current list of a growing one, a copy of one that is assigned to in place; anything else unchanged."""
    if type(x) is Growing:
        return whole(x.value) if type(x.value) is Cells else x.value
    return whole(x) if type(x) is Line else x.whole() if type(x) is Bucket else x


def readable(x: Any) -> Any:
    """Returns what holds the elements of a growing list, for a read of single ones; anything else unchanged."""
    return x.value if type(x) is Growing else x.whole() if type(x) is Bucket else x
