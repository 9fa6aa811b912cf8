"""Defines the builders that merge rows into groups, with the semantics of Spark's partial aggregates.

They are Weld's merger and dictmerger (arXiv 1709.06416, section 3.2). Each function computes the buffer of one of Spark's
declarative aggregates before its evaluation. Rows are merged in order, so sums of doubles equal Spark's to the last bit. NULLs
are ignored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkweld.errors import VerifyError
from sparkweld.ir.ops import Array, Optional
from sparkweld.ir.types import F64, I64, Type


@dataclass(frozen=True, slots=True)
class Key:
    """A group key: column `column` holds value `value` of the group's rows, which is equal in all of them."""

    column: str
    value: int


@dataclass(frozen=True, slots=True)
class Merge:
    """The merger builder: column `column` holds the aggregate `fn` of value `value` over the rows of each group.

    `rows` takes no value and counts rows; `count` counts values that are not NULL. `sum` is NULL without any value. An integer
    sum is an i64 that wraps; `checked_sum` instead flags the row at which it overflows, and the merged columns are then
    meaningless. `total` is an f64 that starts at 0.0. `min` and `max` are NULL without any value. NaN is the largest value, and
    of two equal values, such as -0.0 and 0.0, the first is kept. `moment0`, `moment1` and `moment2` always appear together: the
    number of doubles, their mean, and the sum of squared deviations from it. All are f64 and initially 0.0 (Welford, Note on a
    Method for Calculating Corrected Sums of Squares and Products, 1962). Spark's CentralMomentAgg does the same.
    """

    column: str
    fn: str
    value: int | None = None


@dataclass(frozen=True, slots=True)
class Groups:
    """The dictmerger builder: rows with equal keys form one group, and NULL equals NULL.

    It creates the domain `domain` of the groups, in the order of their first rows; the columns of keys and merges belong to it.
    Without keys there is exactly one group, even when there are no rows.
    """

    domain: str
    keys: tuple[Key, ...]
    merges: tuple[Merge, ...]

    @property
    def parts(self) -> tuple[Key | Merge, ...]:
        """All keys and merges: the columns of a group."""
        return (*self.keys, *self.merges)


#: Central moments of one value, which are merged together.
MOMENTS = ("moment0", "moment1", "moment2")


def merge_type(fn: str, value: Type | None) -> Type:
    """Returns the type of a merge's column. Raises VerifyError for a value type that the function does not support."""
    if (value is None) != (fn == "rows"):
        raise VerifyError(f"{fn} requires {'no' if fn == 'rows' else 'one'} value")
    if value is None or fn == "count":
        return I64
    number = value.is_int or value.is_float
    if fn in ("sum", "checked_sum") and number and (fn == "sum" or value.is_int):
        return (I64 if value.is_int else F64).optional()
    if fn == "total" and number:
        return F64
    if fn in MOMENTS and value.plain() == F64:
        return F64
    if fn in ("min", "max") and not value.is_view:
        return value.optional()
    raise VerifyError(f"merge {fn} does not apply to {value}")


def key_type(value: Type) -> Type:
    """Returns the type of a key's column. Raises VerifyError for lists, and for floats, whose equality is not bitwise."""
    if value.is_float or value.is_list:
        raise VerifyError(f"{value} cannot be the type of a key")
    return value


def evaluate_groups(
    groups: Groups, values: Sequence[Array], types: Sequence[Type], rows: int
) -> tuple[dict[str, Array], np.ndarray, list[int]]:
    """Returns the columns over groups, the first row of each group, and the rows where a sum overflowed.

    The first row is 0 for the group of no rows.
    """
    numbers: dict[tuple[Any, ...], int] = {}
    first: list[int] = []
    group_of = np.zeros(rows, np.int64)
    for row in range(rows):
        key = tuple(_cell(values[k.value], row) for k in groups.keys)
        if key not in numbers:
            numbers[key] = len(first)
            first.append(row)
        group_of[row] = numbers[key]
    if not groups.keys:
        first = [0]
    columns: dict[str, Array] = {}
    for k in groups.keys:
        columns[k.column] = _column([_cell(values[k.value], row) for row in first], key_type(types[k.value]))
    flagged: list[int] = []
    for merge in groups.merges:
        type = merge_type(merge.fn, None if merge.value is None else types[merge.value])
        states = [_START.get(merge.fn)] * len(first)
        for row in range(rows):
            value = True if merge.value is None else _cell(values[merge.value], row)
            if value is None:
                continue
            at = group_of[row]
            states[at] = value if states[at] is None and merge.fn in ("min", "max") else _STEPS[merge.fn](states[at], value)
            if merge.fn == "checked_sum" and not -(2**63) <= states[at] < 2**63:
                flagged.append(row)
                break
        if merge.fn in MOMENTS:
            states = [state[MOMENTS.index(merge.fn)] for state in states]  # type: ignore[index]
        columns[merge.column] = _column([_wrapped(s) if type.plain() == I64 and s is not None else s for s in states], type)
    return columns, np.array(first, np.int32), flagged


def _larger(a: Any, b: Any) -> bool:
    """Compares in Spark's order: NaN is largest, and -0.0 equals 0.0."""
    return a > b or (math.isnan(a) and not math.isnan(b))


def _moments(state: tuple[float, float, float], value: float) -> tuple[float, float, float]:
    n, mean, squares = state[0] + 1.0, *state[1:]
    delta = value - mean
    step = delta / n
    return n, mean + step, squares + delta * (delta - step)


#: fn -> initial state; None where there is no value yet.
_START: dict[str, Any] = {"rows": 0, "count": 0, "total": 0.0, **dict.fromkeys(MOMENTS, (0.0, 0.0, 0.0))}

#: fn -> function of the state and a value that returns the next state.
_STEPS: dict[str, Callable[[Any, Any], Any]] = {
    "rows": lambda state, _: state + 1,
    "count": lambda state, _: state + 1,
    "sum": lambda state, value: (0 if state is None else state) + value,
    "checked_sum": lambda state, value: (0 if state is None else state) + value,
    **dict.fromkeys(MOMENTS, _moments),
    "total": lambda state, value: state + float(value),
    "min": lambda state, value: value if _larger(state, value) else state,
    "max": lambda state, value: value if _larger(value, state) else state,
}


def _cell(array: Array, row: int) -> Any:
    """Returns the Python value of a row, None for NULL."""
    if isinstance(array, Optional):
        return _cell(array.values, row) if array.valid[row] else None
    value = array[row]
    return value if isinstance(value, str) else value.item()


def _wrapped(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63


def _column(cells: list[Any], type: Type) -> Array:
    values = np.array([type.zero if cell is None else cell for cell in cells], type.dtype)
    return Optional(values, np.array([cell is not None for cell in cells], np.bool_)) if type.nullable else values
