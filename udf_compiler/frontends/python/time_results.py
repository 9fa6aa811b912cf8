"""Converts lists of dates and datetimes that a plain UDF returns to the numbers that a Spark array of times is stored as."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sparkweld.contract.spark_types import time_of_array
from sparkweld.ir import LoopBuilder, Type, Value
from sparkweld.ir.ops import ListCall, MakeList
from sparkweld.ir.types import BOOL, DATE, I32, I64, TS, Items, list_of
from udf_compiler.frontends.python.conditions import both
from udf_compiler.frontends.python.list_maps import mapped
from udf_compiler.frontends.python.list_results import Conversion
from udf_compiler.frontends.python.lists import is_list
from udf_compiler.frontends.python.path_explorer import Node, leaves
from udf_compiler.frontends.python.record_parts import DATES, DATETIMES
from udf_compiler.frontends.python.records import VALUE, TracedRecords
from udf_compiler.frontends.python.result_kinds import kind_of_time, merged, not_none
from udf_compiler.frontends.python.values import of_value
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw


def tag_of_field(type: str) -> str:
    """Returns the tag of a list of the values of a Spark type: of days, of microseconds, or "" for other values."""
    return {"date": DATES, "timestamp": DATETIMES, "timestamp_ntz": DATETIMES}.get(type, "")


@dataclass(frozen=True, slots=True)
class TimesResult:
    """The results of a function for an array of dates or timestamps.

    `conversion`: that of one element, in a loop. `pickled`: the wire format. `none`: elements may be None, for which any value is
    stored. Otherwise rows with a None run in Python.
    """

    loop: LoopBuilder
    type: str
    place: str
    pickled: bool
    none: bool
    conversion: Callable[[LoopBuilder], Conversion]

    @property
    def _element(self) -> Type:
        return DATE if time_of_array(self.type) == "date" else TS

    @property
    def _to(self) -> Type:
        return list_of(I32 if self._element == DATE else I64)

    def value(self, tree: Node, pruned: Node | None) -> Value:
        """Returns the numbers of the row's list; guards join the loop.

        Refuses (SW226) other lists, and elements that are no dates, or no datetimes, also on the paths of `pruned`.
        """
        loop = self.loop
        values = [leaf.value for leaf in leaves(tree) if leaf.error is None]
        others = [leaf.value for leaf in leaves(pruned) if leaf.error is None] if pruned is not None else []
        for x in (*values, *others):
            self._check(x)
        made = merged(loop, tree, self._to, self._of)
        loop.guard(merged(loop, tree, BOOL, self._fits))
        return made if all(x is not None for x in values) else loop.optional(made, not_none(loop, tree))

    def _numbers(self, x: Any) -> tuple[Value, Value | None] | None:
        """Returns the numbers of a list of the row, and whether each is None; None for a list of Python."""
        if type(x) is TracedRecords and x.form == VALUE and x.parts[0] is not None and x.absent == (None,):
            return x.parts[0].value, None if x.gone is None else x.gone.value
        return (x.value, None) if is_list(x) else None

    def _check(self, x: Any) -> None:
        own = DATES if self._element == DATE else DATETIMES
        if type(x) is TracedRecords and x.form == VALUE and x.parts[0] is not None and x.parts[0].numpy == own:
            return
        if x is None or (is_list(x) and x.numpy == own):  # a field of records
            return
        if type(x) not in ((list, tuple) if self.pickled else (list,)):
            refuse("SW226", at=self.place, what=raw(x), type=self.type)
        taken = ("date",) if own == DATES else ("datetime", "utc") if time_of_array(self.type) == "timestamp" else ("datetime",)
        for item in x:
            if item is not None and kind_of_time(item) not in taken:
                refuse("SW226", at=self.place, what=f"a list with {raw(item)}", type=self.type)

    def _fits(self, x: Any) -> Value:
        """Returns the condition that the list has no None, unless it may, and that each element converts."""
        loop, numbers = self.loop, None if x is None else self._numbers(x)
        found = loop.const(True, BOOL)
        if numbers is not None:
            values, gone = numbers
            if gone is not None and not self.none:
                first = loop.emit(ListCall("find", gone.type), gone, loop.const(True, BOOL))
                found = loop.call("less", first, loop.const(0, I64))
            return both(loop, found, loop.is_valid(self._converted(values)))
        for item in x or ():
            if item is None and not self.none:
                return loop.const(False, BOOL)
            found = found if item is None else both(loop, found, self.conversion(loop).converts(item))
        return found

    def _of(self, x: Any) -> Value:
        loop, numbers = self.loop, None if x is None else self._numbers(x)
        if numbers is not None:
            return loop.value_of(self._converted(numbers[0]))
        if not x:
            return loop.const(Items(self._to.element.kind), self._to)
        zero, conversion = loop.const(self._to.element.zero, self._to.element), self.conversion(loop)
        items = (zero if item is None else loop.cast(conversion.value(item), self._to.element) for item in x)
        return loop.emit(MakeList(self._to), *items)

    def _converted(self, numbers: Value) -> Value:
        """Returns the numbers of Spark for days, or for microseconds in local time; NULL where one does not convert."""

        def of(block: LoopBuilder, elements: Sequence[Value], row: Sequence[Value]) -> Value:
            wide = block.cast(elements[0], I32) if self._element == DATE else elements[0]
            item, conversion = of_value(block.cast(wide, self._element)), self.conversion(block)
            block.guard(conversion.converts(item))
            return block.cast(conversion.value(item), self._to.element)

        return mapped(self.loop, [numbers], [], self._to, of)
