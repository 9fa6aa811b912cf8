"""Models an array of structs of the row as a list of Rows: a sequence for each field (`nested_lists`), all of one length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.maps import TracedItems
from udf_compiler.frontends.python.nested_lists import changed, element, first_of, item
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.rows import TracedStruct
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced, raw


class TracedRows(Traced):
    """A list of Rows. `parts` holds the sequence of each field's values."""

    __slots__ = ("names", "parts")
    __dataclass_fields__ = ("names", "parts")  # as in the other elements of a region's state
    what = "list of Rows"
    stands_for = list

    names: tuple[str, ...]
    parts: tuple[Any, ...]

    def __init__(self, names: Sequence[str], parts: Sequence[Any]) -> None:
        self.names, self.parts = tuple(names), tuple(parts)

    __class__ = list  # type: ignore[assignment]

    @property
    def first(self) -> TracedScalar:
        """Returns a list of the row of the same length."""
        return first_of(self.parts[0])

    @property
    def count(self) -> Any:
        """Returns the number of Rows."""
        return lists.length(self.first)

    def at(self, position: Any) -> TracedElement:
        """Returns the Row at an index within the list."""
        return TracedElement(self.names, [element(part, position) for part in self.parts])

    def mapped(self, change: Any) -> TracedRows:
        """Returns the list of Rows with a change of each field's list."""
        return TracedRows(self.names, [changed(part, change) for part in self.parts])

    def __bool__(self) -> bool:
        return explorer().decide(lists.truth(self.first))

    def __getitem__(self, key: Any) -> Any:
        return item(self, key)

    def __iter__(self) -> Any:
        refuse("SW223")

    def __reversed__(self) -> Any:
        refuse("SW223")

    def __contains__(self, x: Any) -> bool:
        refuse("SW222", call=f"in with {raw(x)}", kind="list of Rows")


class TracedElement(TracedStruct):
    """A Row of known values."""

    __slots__ = ("values",)
    __dataclass_fields__ = ("names", "values")

    values: tuple[Any, ...]

    def __init__(self, names: Sequence[str], values: Sequence[Any]) -> None:
        self.values = tuple(values)
        TracedStruct.__init__(self, names, [lambda x=x: x for x in self.values])


def as_tuple(x: Any) -> Any:
    """Returns a Row of known values as the tuple that it is; anything else unchanged."""
    return x.values if type(x) is TracedElement else x


class TracedPairs(TracedRows):
    """A new list of the items of a dict: pairs of a key, which no other pair has, and its value."""

    __slots__ = ()
    what = "list of pairs"

    def at(self, position: Any) -> Any:
        """Returns the pair at an index within the list."""
        return tuple(element(part, position) for part in self.parts)

    def mapped(self, change: Any) -> TracedPairs:
        """Returns the list of pairs with a change of each of its lists, which permutes or drops elements."""
        return TracedPairs(self.names, [changed(part, change) for part in self.parts])


def pairs_of(x: Any) -> Any:
    """Returns the items of a dict of the row as a list of pairs; anything else unchanged."""
    return TracedPairs(("key", "value"), (x.of.key_list, x.of.value_list)) if type(x) is TracedItems else x
