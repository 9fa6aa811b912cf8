"""Lists that a function of a row makes an element at a time: what a loop appends to becomes a list of the row.

Python's list has a length that a trace knows. One that differs from round to round has none, so from the head of the loop on it
is a `Growing`: an object with an identity, as other names may stand for it, whose value is a list of the kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ListAppend, MakeList
from sparkweld.ir.types import Items, Type
from udf_compiler.scalar.lists import NUMPY_ELEMENTS
from udf_compiler.scalar.paths import explorer
from udf_compiler.scalar.values import SCALARS, TracedScalar, is_scalar
from udf_compiler.trace.session import refuse
from udf_compiler.trace.values import raw

#: Class of the elements, and NumPy's dtype or "" -> kind of the list.
_KINDS = {
    **{(kind, ""): f"list<{SCALARS[kind]}>" for kind in ("bool", "int", "float")},
    ("bool", "bool"): "list<bool>", ("int", "int64"): "list<i64>", ("float", "float64"): "list<f64>",
}  # fmt: skip


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
        """Refuses (SW244) anything but a few elements that are known one by one."""
        if type(items) not in (list, tuple):
            refuse("SW244", what=raw(items), kind=self.value.kind)
        for x in items:
            self.append(x)


def kind_of(items: Sequence[Any]) -> tuple[str, str] | None:
    """Kind of a list of these elements and its `numpy`; None where no list of kernels holds them."""
    found = {(x.kind, x.numpy) if is_scalar(x) else (type(x).__name__, "") for x in items}
    if len(found) != 1:
        return None
    key = found.pop()
    return (_KINDS[key], NUMPY_ELEMENTS if key[1] else "") if key in _KINDS else None


def element_value(loop: LoopBuilder, x: Any) -> Value:
    """A number as an element."""
    return x.value if is_scalar(x) else loop.const(x, SCALARS[type(x).__name__])


def list_of(loop: LoopBuilder, kind: tuple[str, str], elements: Sequence[Value]) -> TracedScalar:
    """A list of elements that are known one by one."""
    type_ = Type(kind[0])
    made = loop.emit(MakeList(type_), *elements) if elements else loop.const(Items(type_.element.kind), type_)
    return TracedScalar(kind[0], made, numpy=kind[1])


def current(x: Any) -> Any:
    """The list that a growing one is now; anything else as it is."""
    return x.value if type(x) is Growing else x
