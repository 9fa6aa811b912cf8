"""Describes arguments of plain UDFs that are stored as parts: binary values, maps, and arrays of structs, arrays or maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ListCall, StrCall
from sparkweld.ir.types import BOOL, I64, list_of
from udf_compiler.frontends.python import calendar
from udf_compiler.frontends.python.byte_strings import TracedBytes
from udf_compiler.frontends.python.datetime_values import FIRST, FIRST_CONVERTED, LAST, LAST_CONVERTED
from udf_compiler.frontends.python.list_maps import mapped
from udf_compiler.frontends.python.lists import guard_list, of_list
from udf_compiler.frontends.python.local_time import local_offset
from udf_compiler.frontends.python.maps import TracedMap
from udf_compiler.frontends.python.nested_lists import TracedLists
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.records import list_of_times
from udf_compiler.frontends.python.row_lists import TracedRows

#: The first and the last day of Python.
DAYS = calendar.FIRST, calendar.LAST


@dataclass(frozen=True, slots=True)
class Parts:
    """An argument that is NULL where its first part is."""

    values: tuple[Value | Parts, ...]

    @property
    def columns(self) -> list[Value]:
        """Returns all columns that it is stored as."""
        return [y for x in self.values for y in (x.columns if isinstance(x, Parts) else [x])]

    def python(self) -> Any:
        """Returns the Python value on the explored path, or None."""
        first = self.columns[0]
        if first.type.nullable and not explorer().decide(first.loop.is_valid(first)):
            return None
        return self.present()

    def present(self) -> Any:
        """Returns the Python value where it is not NULL."""
        return self.made([x.present() if isinstance(x, Parts) else x.loop.value_of(x) for x in self.values])

    def made(self, values: list[Any]) -> Any:
        """Returns the Python value of parts that are not NULL."""
        raise NotImplementedError

    def guard(self, loop: LoopBuilder) -> None:
        """Guards rows with a NULL within, or with a string that is not valid UTF-8."""
        for value in self.values:
            if isinstance(value, Parts):
                value.guard(loop)
            else:
                guard_list(loop, loop.value_of(value))


class BinaryArgument(Parts):
    """A binary value. Rows whose bytes are not valid UTF-8 run in Python: kernels hold bytes as strings."""

    def made(self, values: list[Any]) -> Any:
        return TracedBytes(values[0])

    def guard(self, loop: LoopBuilder) -> None:
        loop.guard(loop.emit(StrCall("valid_utf8"), loop.value_of(self.columns[0])))


@dataclass(frozen=True, slots=True)
class MapArgument(Parts):
    """A map, as the array of its keys and that of its values.

    Rows with a repeated key run in Python, where the last value counts. `alone`: it is the value of a row, not of an array.
    """

    alone: bool = True

    def made(self, values: list[Any]) -> Any:
        return TracedMap(*map(_sequence, values))

    def guard(self, loop: LoopBuilder) -> None:
        Parts.guard(self, loop)
        if self.alone:
            loop.guard(_no_key_repeats(loop, loop.value_of(self.columns[0])))


@dataclass(frozen=True, slots=True)
class RowsArgument(Parts):
    """An array of structs, as an array for each field."""

    names: tuple[str, ...] = ()

    def made(self, values: list[Any]) -> Any:
        return TracedRows(self.names, list(map(_sequence, values)))


class ListsArgument(Parts):
    """An array of arrays or maps, as the indices at which each starts and ends, and the elements of all."""

    def made(self, values: list[Any]) -> Any:
        starts, ends, elements = map(_sequence, values)
        return TracedLists(elements, starts, ends)

    def guard(self, loop: LoopBuilder) -> None:
        Parts.guard(self, loop)
        maps = self.values[2]
        if not isinstance(maps, MapArgument):
            return
        starts, ends, keys = map(loop.value_of, self.columns[:3])

        def unique(block: LoopBuilder, bounds: Sequence[Value], row: Sequence[Value]) -> Value:
            own = block.emit(ListCall("slice", keys.type), row[0], *(block.cast(x, I64) for x in bounds))
            found = _no_key_repeats(block, own)
            block.guard(found)
            return found

        loop.guard(loop.is_valid(mapped(loop, [starts, ends], [keys], list_of(BOOL), unique)))


@dataclass(frozen=True, slots=True)
class TimesArgument(Parts):
    """An array of dates or timestamps, as the array of their days or microseconds. `type`: the Spark type of the elements."""

    type: str = "date"

    def made(self, values: list[Any]) -> Any:
        (numbers,) = values
        return list_of_times(numbers.loop.value_of(self._local(numbers.loop, numbers)), self.type == "date")

    def guard(self, loop: LoopBuilder) -> None:
        Parts.guard(self, loop)
        loop.guard(loop.is_valid(self._local(loop, loop.value_of(self.columns[0]))))

    def _local(self, loop: LoopBuilder, numbers: Value) -> Value:
        """Returns the numbers in local time; NULL where the conversion of an element raises, or may raise."""
        in_utc = self.type == "timestamp"
        low, high = (FIRST_CONVERTED, LAST_CONVERTED) if in_utc else (FIRST, LAST) if self.type != "date" else DAYS
        offset = local_offset() if in_utc else 0

        def local(block: LoopBuilder, elements: Sequence[Value], row: Sequence[Value]) -> Value:
            wide = block.cast(elements[0], I64)
            block.guard(block.call("greater_equal", wide, block.const(low, I64)))
            block.guard(block.call("less_equal", wide, block.const(high, I64)))
            return block.call("add", wide, block.const(offset, I64)) if in_utc else wide

        return mapped(loop, [numbers], [], list_of(I64), local)


def _sequence(x: Any) -> Any:
    return of_list(x) if isinstance(x, Value) else x


def _no_key_repeats(loop: LoopBuilder, keys: Value) -> Value:
    places = loop.emit(ListCall("first_at", keys.type), keys)
    return loop.call("equal", *(loop.emit(ListCall("length", x.type), x) for x in (places, keys)))


def part_argument(op: str, names: tuple[str, ...], values: tuple[Value | Parts, ...], type: str) -> Parts | None:
    """Returns the argument of an expression of parts; None for a map whose keys kernels do not compare."""
    if op == "Times":
        return TimesArgument(values, type.removeprefix("array<").removesuffix(">"))
    if op == "ArraysZip":
        return RowsArgument(values, names)
    if op == "Slices":
        starts, ends, elements = values
        inside = replace(elements, alone=False) if isinstance(elements, MapArgument) else elements
        return ListsArgument((starts, ends, inside))
    keys = values[0]
    return MapArgument(values) if isinstance(keys, Value) and not keys.type.element.is_float else None


def only_lists(x: Value | Parts) -> bool:
    """Whether a value has no structs or maps within."""
    return isinstance(x, Value) or (type(x) is ListsArgument and all(map(only_lists, x.values)))
