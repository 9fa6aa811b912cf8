"""Models a list or array of a region whose elements a loop assigns, usually one after the other.

It is the list of the elements up to the last assigned one, and the elements of before behind them. An assignment behind the first
list appends to it, which takes no copy of the list.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ListAppend, ListCall
from sparkweld.ir.types import BOOL, F64, I64, list_of
from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.list_maps import extended, mapped
from udf_compiler.frontends.python.listed import Listed
from udf_compiler.frontends.python.lists import MIXED_ELEMENTS
from udf_compiler.frontends.python.new_lists import kind_of
from udf_compiler.frontends.python.numpy_scalars import numpy_scalar
from udf_compiler.frontends.python.operands import as_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import SCALARS, TracedScalar, is_scalar, of_value
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw

#: The most assigned elements where a change before the last one copies all of them.
_LONGEST_CHANGED = 128

#: The classes of numbers that an array of a type takes without a change of their value.
_FITTING = {F64: ("bool", "int", "float"), I64: ("bool", "int"), BOOL: ("bool",)}


class Overwritten(Listed):
    """`first`: the elements up to the last assigned one. `base`: those of before, of all positions."""

    __slots__ = ("base", "first")
    __dataclass_fields__ = ("first", "base")
    what = "list of the row that it assigns to"

    first: TracedScalar
    base: TracedScalar

    def __init__(self, first: TracedScalar, base: TracedScalar) -> None:
        self.first, self.base = first, base

    @property
    def stands_for(self) -> type:  # type: ignore[override]
        return np.ndarray if self.base.is_ndarray else list

    @property
    def kind(self) -> str:
        return self.base.kind

    @property
    def numpy(self) -> str:
        return self.base.numpy

    @property
    def count(self) -> Any:
        return lists.length(self.base)

    def at(self, position: Any) -> Any:
        if self.base.numpy == MIXED_ELEMENTS:
            refuse("SW282", what="a list to which it assigns numbers of several classes, of which it reads an element,")
        loop, at = explorer().loop, as_int(position)
        assigned = loop.call("less", at, lists.call("length", self.first))
        value = loop.select(assigned, lists.call("at", self.first, at), lists.call("at", self.base, at))
        return numpy_scalar(value, value.type.dtype) if self.base.is_ndarray else of_value(value)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            refuse("SW282", what="a list to whose elements it assigns, of which it reads a slice,")
        return self.at(TracedScalar("int", lists.place(self.base, key)))

    def __len__(self) -> int:
        return self.count  # type: ignore[no-any-return]

    def replaced(self, key: Any, x: Any) -> Overwritten:
        """Returns the list with another element at an index; refuses one of another kind (SW244)."""
        fitting = self if self.base.is_ndarray else self._admitting(x)
        if fitting is not self:
            return fitting.replaced(key, x)
        run, loop = explorer(), explorer().loop
        at, element = lists.place(self.base, key), self._element(x)
        size = lists.call("length", self.first)
        if not run.decide(loop.call("equal", at, size)):
            if run.decide(loop.call("greater", at, size)):
                filled = extended(loop, self.first.value, self._part(self.base, size, at))
                return self._with(loop, lists.present(filled), element)
            limit = 0 if self.base.numpy == MIXED_ELEMENTS else _LONGEST_CHANGED  # or the only float might be replaced by an int
            run.guard(loop.call("less_equal", size, loop.const(limit, I64)))
            begin = self._with(loop, self._part(self.first, loop.const(0, I64), at), element)
            rest = self._part(self.first, loop.call("add", at, loop.const(1, I64)), size)
            return self._of(self._joined(begin.first.value, rest))
        return self._with(loop, self.first.value, element)

    def whole(self) -> TracedScalar:
        """Returns the list of all elements."""
        size, count = lists.call("length", self.first), lists.call("length", self.base)
        joined = self._joined(self.first.value, self._part(self.base, size, count))
        return TracedScalar(self.base.kind, joined, numpy=self.base.numpy)

    def _element(self, x: Any) -> Value:
        """Returns what the list has for an assigned value."""
        loop, type_ = explorer().loop, self.base.value.type.element
        kind = x.kind if is_scalar(x) else type(x).__name__
        narrow = is_scalar(x) and x.numpy == "float32"
        fits = not self.base.is_ndarray or kind in _FITTING.get(type_, ())
        if not fits or narrow or (type(x) is int and not -(2**63) <= x < 2**63):
            refuse("SW244", what=raw(x), kind=self.base.kind)
        return loop.cast(x.value if is_scalar(x) else loop.const(x, SCALARS[kind]), type_)

    def _admitting(self, x: Any) -> Overwritten:
        """Returns the list as one that may have `x` among its elements, which become a column of floats if some are floats.

        Nothing reads the elements of a list of Python's and NumPy's numbers, or of ints and floats.
        """
        found, own = kind_of([x]), (self.base.kind, self.base.numpy)
        if found == own or (found is not None and own == (found[0], MIXED_ELEMENTS)):
            return self
        kinds = {own[0], "" if found is None else found[0]}
        if kinds <= {"list<i64>", "list<f64>"} and own == ("list<f64>", MIXED_ELEMENTS):
            return self
        # a list of floats may be one of ints alone after it has taken ints, which makes another column
        if not kinds <= {"list<i64>", "list<f64>"} or (len(kinds) > 1 and own[0] == "list<f64>"):
            refuse("SW244", what=raw(x), kind=self.base.kind)
        first, base = self.first, self.base
        if len(kinds) > 1 and own[0] == "list<i64>":
            first, base = _as_floats(first), _as_floats(base)
        return Overwritten(*(TracedScalar(part.kind, part.value, numpy=MIXED_ELEMENTS) for part in (first, base)))

    def _with(self, loop: LoopBuilder, first: Value, element: Value) -> Overwritten:
        return self._of(loop.emit(ListAppend(first.type), first, element))

    def _of(self, first: Value) -> Overwritten:
        return Overwritten(TracedScalar(self.first.kind, first, numpy=self.first.numpy), self.base)

    @staticmethod
    def _joined(a: Value, b: Value) -> Value:
        return a.loop.emit(ListCall("concat", a.type), a, b)

    @staticmethod
    def _part(x: TracedScalar, start: Value, stop: Value) -> Value:
        return x.value.loop.emit(ListCall("slice", x.value.type), x.value, start, stop)


def _as_floats(x: TracedScalar) -> TracedScalar:
    """Returns a list of ints as one of floats."""
    loop, to = explorer().loop, list_of(F64)
    made = mapped(loop, [x.value], [], to, lambda block, elements, row: block.cast(elements[0], F64))
    return TracedScalar("list<f64>", lists.present(made))


def whole(x: Any) -> Any:
    """Returns the list of all elements of an overwritten one; anything else unchanged."""
    return x.whole() if type(x) is Overwritten else x
