"""Generates synthetic rows for the trial of a function: extremes, cancelling sums, and the function's own constants.

A wrong branch shows only in rows that take it: for ``1 if code == "X7" else 0``, in rows with the string X7.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from sparkweld.ir import Type
from sparkweld.ir.ops import Array, Optional
from sparkweld.ir.types import DTYPES, Items

_SPECIAL_ROWS, _ORDINARY_ROWS, _CANCELLING_ROWS = 64, 32, 15
EXTREME_ROWS = _SPECIAL_ROWS + _CANCELLING_ROWS
ROW_COUNT = EXTREME_ROWS + _ORDINARY_ROWS

#: The smallest and the largest number of rows with constants of the function.
_FEW_CONSTANTS, _MANY_CONSTANTS = 48, 192

#: Values of adjacent columns, or elements of a list, whose sum depends on the order of additions and on rounding.
_CANCELLING = ((1e16, 1.0, -1e16), (0.1, 0.2, 0.3), (2.0**53, 1.0, -(2.0**53)), (1e308, 1e308, -1e308), (-1e16, 0.1, 1e16))

#: Days since 1970: the first and the last that Python supports, leap days, ordinary ones.
_DAYS = (-719162, 2932896, 0, -1, 1, 11016, 19782, 19783)
EPOCH = datetime.date(1970, 1, 1).toordinal()

#: Typical strings of columns: words, names, addresses, codes, numbers, dates.
_TEXTS = (
    "alpha", "Beta gamma", "John Smith", "a.b@example.com", "https://example.com/a?b=c", "NEW YORK", "12345", "10001-2345",
    "2024-02-29", "3.14", "-7", "$1,234.50", "12%", "A-1_b", "x=1;y=2", "a,b,c", "Yes", "no", "N/A", "10 kg", "  padded  ",
)  # fmt: skip

#: Edge cases of string functions: empty, blank, other alphabets, case mappings to several letters, line ends, long ones.
_SPECIAL_TEXTS = (
    "", " ", "a", "A", "0", "1", "-", "\n", "a\n", "\t x\u2003", "ab", "aB", "aab", "b a", "é", "É", "ß", "straße", "ΑΣ", "ς",
    "İ", "ı", "ﬁ", "ǆ", "😀", "a😀b", "٣", "½", "一", "\x1c", "\x85", "\xa0", "1_0", "+1", "1e5", "inf", "nan", "None", "True",
    "007", "a" * 300, "é" * 90, "<b>x</b>", "a,b", "x@y",
)  # fmt: skip
#: Times around the epoch and midnight, leap days and non-leap years, ends of months, quarters and years, the limits of
#: nanoseconds, and years that only microseconds can represent.
_TIMES = """1970-01-01 1970-01-01T00:00:00.000001 1969-12-31T23:59:59.999999 2000-02-29T12:34:56.789012 1900-02-28T23:59:59
    1900-03-01 2100-03-01T06:00 2023-12-31T23:59:59.999999 2024-01-01 2024-02-29 2024-12-30T18:00 2021-01-03T01:02:03
    2020-03-31T11:59:59.5 2020-06-30 2020-10-01T00:00:00.001 1677-09-22 1677-09-21T00:12:43.145225
    2262-04-11T23:47:16.854775 1600-01-01 2400-02-29 0001-01-01 9999-12-31T23:59:59.999999""".split()


@cache
def column_of(type: Type, at: int) -> Array:
    """Returns ROW_COUNT rows of a type for the column at position `at`, with a fixed seed.

    First every special value, shuffled; then values that cancel with those of the other columns; then ordinary ones.
    """
    rng = np.random.default_rng((list(DTYPES).index(type.kind), at))
    special = rng.permutation(np.resize(_special(type), _SPECIAL_ROWS))
    values = np.concatenate([special, _cancelling(type, at, rng), ordinary(type, rng)]).astype(type.dtype)
    return Optional(values, rng.random(ROW_COUNT) > 0.25) if type.nullable else values



def constant_rows(constants: Sequence[Any]) -> int:
    """Returns the number of rows that `with_constants` adds."""
    return min(max(2 * len(constants), _FEW_CONSTANTS), _MANY_CONSTANTS) if constants else 0


def with_constants(column: Array, type: Type, at: int, constants: Sequence[Any]) -> Array:
    """Returns the column followed by rows with the constants of its type, their neighbours, and ordinary values."""
    count = constant_rows(constants)
    if not count:
        return column
    rng = np.random.default_rng((list(DTYPES).index(type.kind), at, count))
    values = np.resize(ordinary(type, rng), count)
    chosen = constants_of_type(type, constants)
    if len(chosen):
        values = np.where(rng.random(count) < 0.75, np.resize(rng.permutation(chosen), count), values)
    values = values.astype(type.dtype)
    if not isinstance(column, Optional):
        return np.concatenate([column, values])
    return Optional(np.concatenate([column.values, values]), np.concatenate([column.valid, rng.random(count) > 0.1]))


def constants_of_type(type: Type, constants: Sequence[Any]) -> np.ndarray:
    """Returns values of a type at which the function's constants may change its behaviour."""
    numbers = [c for c in constants if isinstance(c, int | float)]
    found: list[Any] = []
    if type.is_list:
        elements = constants_of_type(type.element, constants)
        return _lists(type, elements, 2 * len(elements)) if len(elements) else elements
    if type.is_float:
        limit = float(np.finfo(type.dtype).max)
        floats = [float(c) for c in numbers if c == c and abs(c) <= limit]
        found = [near for c in floats for near in (c, c - 1, c + 1, np.nextafter(type.dtype.type(c), -np.inf), -c)]
    elif type.is_int:
        limits = np.iinfo(type.dtype)
        ints = [int(c) for c in numbers if c == c and abs(c) < 2**64]
        found = [near for c in ints for near in (c, c - 1, c + 1, -c) if limits.min <= near <= limits.max]
    elif type.kind == "str":
        texts = [c for c in constants if isinstance(c, str)]
        found = [near for c in texts for near in (c, c.lower(), c.upper(), f" {c}", f"{c}x", f"x{c}", c[:-1])]
    elif type.kind in ("date", "ts"):
        days = [c.toordinal() - EPOCH for c in constants if isinstance(c, datetime.date)]
        scale = 86_400 * 10**6 if type.kind == "ts" else 1
        found = [(day + near) * scale for day in days for near in (-1, 0, 1) if _DAYS[0] <= day + near <= _DAYS[1]]
    return np.array(list(dict.fromkeys(found)), type.dtype)


def _cancelling(type: Type, at: int, rng: np.random.Generator) -> np.ndarray:
    """Returns rows of `_CANCELLING`, whose three numbers are distributed over three columns in rotation."""
    if type.is_list and (type.element.is_float or type.element.is_int):
        kind = type.element.kind
        rows = [_numbers(type.element, [*triple, triple[0]]) for triple in _CANCELLING]
        return np.resize(np.array([Items(kind, tuple(row.tolist())) for row in rows], object), _CANCELLING_ROWS)
    if not (type.is_float or type.is_int):
        return np.resize(ordinary(type, rng), _CANCELLING_ROWS)
    turned = [triple[(at + turn) % 3] for triple in _CANCELLING for turn in range(3)]
    return _numbers(type, turned)


def _numbers(type: Type, values: Sequence[float]) -> np.ndarray:
    """Returns the values, clipped to the limits of a numeric type."""
    if type.is_float:
        with np.errstate(over="ignore"):
            return np.array(values).astype(type.dtype)
    limits = np.iinfo(type.dtype)
    return np.array([int(max(limits.min, min(limits.max, v))) for v in values], type.dtype)


def ordinary(type: Type, rng: np.random.Generator) -> np.ndarray:
    """Returns a few typical rows of a type."""
    if type.is_float:
        return rng.uniform(-100, 100, _ORDINARY_ROWS)
    if type.kind == "date":
        return rng.integers(0, 25_000, _ORDINARY_ROWS)
    if type.kind == "str":
        return rng.choice(np.array(_TEXTS, object), _ORDINARY_ROWS)
    if type.is_list:
        return _lists(type, ordinary(type.element, rng), _ORDINARY_ROWS)
    if type.kind == "ts":
        return rng.integers(0, 2_000_000_000, _ORDINARY_ROWS) * 10**6 + rng.integers(0, 10**6, _ORDINARY_ROWS)
    return rng.integers(0, 2, _ORDINARY_ROWS) if type.kind == "bool" else rng.integers(-100, 100, _ORDINARY_ROWS)


def _special(type: Type) -> np.ndarray:
    if type.kind == "date":
        return np.array(_DAYS)
    if type.kind == "str":
        return np.array(_SPECIAL_TEXTS, object)
    if type.is_list:
        special = _special(type.element)
        incomplete = Items(type.element.kind, (None, special.tolist()[0]))
        return np.array([*_lists(type, special, 40), incomplete], object)
    if type.kind == "ts":
        return np.array(_TIMES, "M8[us]").view(np.int64)
    if type.kind == "bool":
        return np.array([False, True])
    if not type.is_float:
        limits = np.iinfo(type.dtype)
        small = [*range(-4, 9), 10, -10, 63, 64, 100, -100]
        return np.array([limits.min, limits.min + 1, limits.max - 1, limits.max, limits.max // 2, *small], type.dtype)
    limit = np.finfo(type.dtype)
    positive: list[Any] = [0.0, limit.smallest_subnormal, limit.tiny, limit.eps]
    positive += [0.1, 0.2, 0.3, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 7.0, 10.0, 100.0]
    positive += [2.0**24, 2.0**31, 2.0**53, 1e16, 2.0**63, limit.max, np.inf, np.nan]
    return np.array(positive + [-x for x in positive], type.dtype)


def _lists(type: Type, elements: np.ndarray, count: int) -> np.ndarray:
    """Returns `count` lists of these elements, with lengths from zero to beyond a block of NumPy's pairwise sum."""
    lengths = [0, 1, 2, 3, 3, 4, 5, 8, 9, 20, 130]
    cycle = np.resize(elements, 131 + count).astype(type.element.dtype).tolist()
    kind = type.element.kind
    return np.array([Items(kind, tuple(cycle[at : at + lengths[at % len(lengths)]])) for at in range(count)], object)
