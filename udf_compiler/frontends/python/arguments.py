"""Describes arguments of plain UDFs that are stored as parts: a binary value, a map, and an array of structs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ListCall, StrCall
from udf_compiler.frontends.python.byte_strings import TracedBytes
from udf_compiler.frontends.python.lists import guard_list, of_list
from udf_compiler.frontends.python.maps import TracedMap
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.row_lists import TracedRows


@dataclass(frozen=True, slots=True)
class Parts:
    """An argument that is NULL where its first part is."""

    values: tuple[Value, ...]

    def python(self) -> Any:
        """Returns the Python value on the explored path, or None."""
        first = self.values[0]
        if first.type.nullable and not explorer().decide(first.loop.is_valid(first)):
            return None
        return self.made([x.loop.value_of(x) for x in self.values])

    def made(self, values: list[Value]) -> Any:
        """Returns the Python value of parts that are not NULL."""
        raise NotImplementedError

    def guard(self, loop: LoopBuilder) -> None:
        """Guards rows with a NULL within, or with a string that is not valid UTF-8."""
        for value in self.values:
            guard_list(loop, loop.value_of(value))


class BinaryArgument(Parts):
    """A binary value. Rows whose bytes are not valid UTF-8 run in Python: kernels hold bytes as strings."""

    def made(self, values: list[Value]) -> Any:
        return TracedBytes(values[0])

    def guard(self, loop: LoopBuilder) -> None:
        loop.guard(loop.emit(StrCall("valid_utf8"), loop.value_of(self.values[0])))


class MapArgument(Parts):
    """A map, as the arrays of its keys and of its values. Rows with a repeated key run in Python, where the last value counts."""

    def made(self, values: list[Value]) -> Any:
        return TracedMap(*map(of_list, values))

    def guard(self, loop: LoopBuilder) -> None:
        Parts.guard(self, loop)
        keys = loop.value_of(self.values[0])
        places = loop.emit(ListCall("first_at", keys.type), keys)
        sizes = (loop.emit(ListCall("length", x.type), x) for x in (places, keys))
        loop.guard(loop.call("equal", *sizes))


@dataclass(frozen=True, slots=True)
class RowsArgument(Parts):
    """An array of structs, as an array for each field."""

    names: tuple[str, ...] = ()

    def made(self, values: list[Value]) -> Any:
        return TracedRows(self.names, [of_list(x) for x in values])


def part_argument(op: str, names: tuple[str, ...], values: tuple[Value, ...]) -> Parts | None:
    """Returns the argument of an expression of parts; None for a map whose keys kernels do not compare."""
    if op == "ArraysZip":
        return RowsArgument(values, names)
    return None if values[0].type.element.is_float else MapArgument(values)


