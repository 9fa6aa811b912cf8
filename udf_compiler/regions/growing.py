"""Lists that a function of a row makes an element at a time: what a loop appends to becomes a list of the row.

Python's list has a length that a trace knows. One that differs from round to round has none, so from the head of the loop on it
is a `Growing`: an object with an identity, as other names may stand for it, whose value is a list of the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sparkweld.ir.ops import ListAppend
from udf_compiler.scalar.lists import as_list, is_list
from udf_compiler.scalar.new_lists import element_value, kind_of
from udf_compiler.scalar.paths import explorer
from udf_compiler.scalar.values import TracedScalar
from udf_compiler.trace.session import refuse
from udf_compiler.trace.values import raw


@dataclass(slots=True, eq=False)
class Growing:
    """`value`: the list as it is now."""

    value: TracedScalar

    def append(self, x: Any) -> None:
        """Refuses (SW244) an element of another kind."""
        value = self.value
        if kind_of([x]) != (value.kind, value.numpy):
            refuse("SW244", what=raw(x), kind=value.kind)
        made = explorer().loop.emit(ListAppend(value.value.type), value.value, element_value(explorer().loop, x))
        self.value = TracedScalar(value.kind, made, numpy=value.numpy)

    def extend(self, items: Any) -> None:
        """Refuses (SW244) anything but a list of the row, or a few elements that are known one by one."""
        items = as_list(items)
        if is_list(items) and (items.kind, items.numpy) == (self.value.kind, self.value.numpy):
            self.value = self.value + items
            return
        if type(items) not in (list, tuple):
            refuse("SW244", what=raw(items), kind=self.value.kind)
        for x in items:
            self.append(x)


def current(x: Any) -> Any:
    """The list that a growing one is now; anything else as it is."""
    return x.value if type(x) is Growing else x
