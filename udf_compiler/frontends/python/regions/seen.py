"""Models a set that the function itself fills, as in ``if x not in seen: seen.add(x)``, by the list of its elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.new_lists import element_value, kind_of, list_of, listed
from udf_compiler.frontends.python.of_text import element
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.record_parts import MIXED, kind_of_part, tag_of_kind
from udf_compiler.frontends.python.records import TracedRecords, kind_of_records, records_of
from udf_compiler.frontends.python.regions.growing import Growing, current
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse

_KINDS = ("str", "int")


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A symbolic set. `items`: its elements in the order of their first addition, in a list that only this set has.

    Python's own order depends on hashes, so operations that depend on it are refused.
    """

    items: list[Any] | Growing

    def add(self, x: Any) -> None:
        """Adds an element; refuses (SW282) one that may be equal to an element of another class.

        A value of JSON is a string: rows with others run in Python.
        """
        x = element(x)
        parts = [element(part) for part in x] if type(x) is tuple and x else [x]
        if not all((y.kind if is_scalar(y) and not y.numpy else type(y).__name__) in _KINDS for y in parts) and not _is_time(x):
            refuse("SW282", what="a set that it fills with anything but strings, integers and tuples of these")
        x = tuple(parts) if type(x) is tuple else x
        if not x in self:  # noqa: E713 - `__contains__` decides the path
            self.items.append(x)

    def __contains__(self, x: Any) -> bool:
        items = current(self.items)
        return items.has(x) if type(items) is TracedRecords else bool(as_python(lambda items: x in items, items))

    def __len__(self) -> int:
        return len(self.items) if type(self.items) is list else 0

    def __bool__(self) -> bool:
        return bool(current(self.items))

    def list_of_row(self) -> Any:
        """Returns the elements as a list of the row; refuses an empty set (SW282), whose elements have no class yet."""
        found = lists.as_list(listed(current(self.items)))
        loop, kind = explorer().loop, kind_of(found) if type(found) is list else None
        records = kind_of_records(found) if type(found) is list and kind is None else None
        if kind is not None:  # constants
            found = list_of(loop, kind, [element_value(loop, x) for x in found])
        elif records is not None:
            found = records_of(loop, records, found)
        if not lists.is_list(found) and type(found) is not TracedRecords:
            refuse("SW282", what="a set without elements of the row")
        return found


def _is_time(x: Any) -> bool:
    """Whether `x` is a time or a date, of a function of a group."""
    return tag_of_kind(kind_of_part(x) or "") not in ("", MIXED)


def numbers_of(items: Any) -> Any:
    """Returns a list of times or dates as that of their numbers; anything else unchanged."""
    if type(items) is list and items and all(map(_is_time, items)):
        kind = kind_of_records(items)
        items = records_of(explorer().loop, kind, items) if kind is not None else items
    return items.columns[0] if type(items) is TracedRecords else items
