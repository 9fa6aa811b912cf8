"""Models lists that a loop appends to as lists of the row.

A trace knows the length of a Python list. A list whose length differs between rounds has no such length, so it becomes a
`Growing` from the loop head on. This object has an identity, because several names may refer to it; its value is a list of the
kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sparkweld.ir.ops import ListAppend
from udf_compiler.frontends.python.lists import as_list, is_list
from udf_compiler.frontends.python.new_lists import element_value, kind_of
from udf_compiler.frontends.python.of_text import element
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw


@dataclass(slots=True, eq=False)
class Growing:
    """A list of the row that grows in a loop; `value` is its current list."""

    value: TracedScalar

    def append(self, x: Any) -> None:
        """Appends an element; refuses one of another kind (SW244)."""
        value, x = self.value, element(x)
        if kind_of([x]) != (value.kind, value.numpy):
            refuse("SW244", what=raw(x), kind=value.kind)
        made = explorer().loop.emit(ListAppend(value.value.type), value.value, element_value(explorer().loop, x))
        self.value = TracedScalar(value.kind, made, numpy=value.numpy)

    def extend(self, items: Any) -> None:
        """Appends a list of the row, or the elements of a Python list or tuple; refuses anything else (SW244)."""
        items = as_list(items)
        if is_list(items) and (items.kind, items.numpy) == (self.value.kind, self.value.numpy):
            self.value = self.value + items
            return
        if type(items) not in (list, tuple):
            refuse("SW244", what=raw(items), kind=self.value.kind)
        for x in items:
            self.append(x)


def current(x: Any) -> Any:
    """Returns the current list of a growing one; anything else unchanged."""
    return x.value if type(x) is Growing else x
