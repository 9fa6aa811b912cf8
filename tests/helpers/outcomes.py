"""Represents a query's outcome as comparable tokens: its rows, or the class of its error.

NULL, NaN and -0.0 are three different tokens. A value on one side and an error on the other never compare equal.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

NULL = "NULL"
_EXCEPTION_LINE = re.compile(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception|Invalid|Iteration|Warning)|OutOfBounds\w+)\b", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class Outcome:
    """The outcome of a query: `rows` (tuples of values, in order), or `error` (the innermost Python error's class).

    `table`: what has the rows instead of `given`.
    """

    given: tuple[tuple[Any, ...], ...] | None
    error: str | None = None
    table: pa.Table | None = field(default=None, repr=False)

    @cached_property
    def rows(self) -> tuple[tuple[Any, ...], ...] | None:
        """Returns the rows as Python values, which takes longer than most queries."""
        if self.table is None:
            return self.given
        columns = [column.to_pylist() for column in self.table.columns]
        return tuple(zip(*columns, strict=True)) if columns else ()

    @property
    def size(self) -> int:
        """Returns the number of rows; 0 for an error."""
        return len(self.given or ()) if self.table is None else self.table.num_rows

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outcome) and (self.rows, self.error) == (other.rows, other.error)


def outcome_of(collect: Callable[[], Any]) -> Outcome:
    """Runs `collect` (which returns a pyarrow Table) and classifies how it ended."""
    from pyspark.errors import PySparkException

    try:
        table = collect()
    except PySparkException as error:
        return Outcome(None, error_class(str(error)))
    return Outcome(None, table=table)


def error_class(message: str) -> str:
    """Returns the class name of the last Python exception in a worker's traceback, or the message's first line without one."""
    names = _EXCEPTION_LINE.findall(message.split("\n\n")[0]) or _EXCEPTION_LINE.findall(message)
    return names[-1] if names else message.strip().splitlines()[0][:200]


def differences(expected: Outcome, actual: Outcome, ulp: int = 0, least: float = 0.0) -> list[str]:
    """Returns at most ten lines about differences; an empty list when the outcomes are equal.

    `ulp` is the permitted distance of two float64 results (0: the same bits, where all NaN are equal). If it is positive,
    `least` is a permitted difference.
    """
    if expected.error or actual.error:
        return [] if expected.error == actual.error else [f"expected {_ending(expected)}, got {_ending(actual)}"]
    if expected.table is not None and actual.table is not None and _have_equal_bits(expected.table, actual.table):
        return []
    assert expected.rows is not None and actual.rows is not None
    if len(expected.rows) != len(actual.rows):
        return [f"expected {len(expected.rows)} rows, got {len(actual.rows)}"]
    found = []
    for at, (left, right) in enumerate(zip(expected.rows, actual.rows, strict=True)):
        if not all(same(a, b, ulp, least) for a, b in zip(left, right, strict=True)):
            found.append(f"row {at}: expected {tokens(left)}, got {tokens(right)}")
        if len(found) == 10:
            break
    return found


def _have_equal_bits(a: pa.Table, b: pa.Table) -> bool:
    """Whether two tables without nested values are equal to the bit: in milliseconds, where rows take a second."""
    return a.schema.types == b.schema.types and all(map(_are_equal_bits, a.columns, b.columns))


def _are_equal_bits(a: pa.ChunkedArray, b: pa.ChunkedArray) -> bool:
    if pa.types.is_nested(a.type):
        return False  # floats within it
    if pa.types.is_floating(a.type):
        bits = pa.int64() if a.type == pa.float64() else pa.int32()
        return bool(a.combine_chunks().view(bits).equals(b.combine_chunks().view(bits)))
    return bool(a.equals(b))


def same(a: Any, b: Any, ulp: int = 0, least: float = 0.0) -> bool:
    """Whether two values have one token, or are floats at most `ulp` units or `least` apart."""
    if isinstance(a, float) and isinstance(b, float):
        if math.isnan(a) or math.isnan(b):
            return math.isnan(a) and math.isnan(b)
        near = ulp > 0 and (abs(_ordinal(a) - _ordinal(b)) <= ulp or abs(a - b) < least)
        return near or token(a) == token(b)
    return token(a) == token(b)


def token(value: Any) -> str:
    """Returns a string that distinguishes NULL, NaN and -0.0 and carries every bit of a float."""
    if value is None:
        return NULL
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value.hex()
    return f"{type(value).__name__}:{value!r}"


def tokens(row: tuple[Any, ...]) -> str:
    return "(" + ", ".join(f"{v!r}" if isinstance(v, float) else token(v) for v in row) + ")"


def _ending(outcome: Outcome) -> str:
    return f"the error {outcome.error}" if outcome.error else f"{outcome.size} rows"


def _ordinal(value: float) -> int:
    """Returns the position of a float64 among all float64: neighbours differ by one, -0.0 and 0.0 are both 0."""
    bits = struct.unpack("<q", struct.pack("<d", value))[0]
    return bits if bits >= 0 else -(bits & 0x7FFF_FFFF_FFFF_FFFF)
