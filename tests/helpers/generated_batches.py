"""Generates batches for generated functions: extremes, ordinary rows, NULLs, and the constants of their code."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sparkweld.ir.types import Type
from tests.helpers.columns import special_values

ROWS = 60
NAMES = "abcd"
#: Values whose sum depends on the order of addition, so a comparison with a constant depends on the last digit.
CANCELLING = (1e16, 1.0, -1e16, 0.1, 0.2, 0.3, -0.3, 1e100, -1e100, 2.0**53, 1e-16, 0.30000000000000004)


@cache
def number_batches(types: Sequence[str]) -> tuple[pa.RecordBatch, ...]:
    """Returns batches: extremes without and with NULLs, one row, and ordinary rows (the last batch)."""
    random = np.random.default_rng(len(types))
    wild, tame = [], []
    for kind in types:
        type = Type(kind)
        wild.append(random.choice(special_values(type), ROWS))
        tame.append(random.integers(0, 2, ROWS) > 0 if kind == "bool" else random.integers(-9, 10, ROWS).astype(type.dtype))
    nulls = [random.random(ROWS) < 0.3 for _ in types]
    return (
        _batch(wild),
        _batch(wild, nulls),
        _batch([column[:1] for column in tame]),
        _batch(tame, [mask if at % 2 else np.zeros(ROWS, bool) for at, mask in enumerate(nulls)]),
        _cancelling(types),
        _batch(tame),
    )


def _cancelling(types: Sequence[str]) -> pa.RecordBatch:
    """Returns floats that cancel one another, in random order."""
    random = np.random.default_rng(3)
    columns = []
    for kind in types:
        values = random.choice(np.array(CANCELLING), ROWS) if kind[0] == "f" else random.integers(-2, 4, ROWS)
        with np.errstate(over="ignore"):
            columns.append(values.astype(Type(kind).dtype))
    return _batch(columns)


def constant_batch(types: Sequence[str], constants: Sequence[Any]) -> tuple[pa.RecordBatch, ...]:
    """Returns the numbers in a function's code and their neighbours as columns of these types; no batch without numbers."""
    numbers = [c for c in constants if not isinstance(c, str) and abs(c) < 2**70]
    near = list(dict.fromkeys(v for c in numbers for v in (c, -c, c + 1, c - 1, c / 2, np.nextafter(float(c), np.inf))))[:40]
    columns = []
    for at, kind in enumerate(types):
        dtype = Type(kind).dtype
        limits = None if dtype.kind != "i" else np.iinfo(dtype)
        held = [v for v in near if limits is None or (limits.min <= v <= limits.max and v == int(v))]
        if not held:
            return ()
        with np.errstate(over="ignore"):
            columns.append(np.resize(np.array([int(v) if limits else v for v in held]).astype(dtype), len(near) * 2))
        columns[-1] = np.roll(columns[-1], at * (1 + len(near) // 3))
    return (_batch(columns),) if columns else ()


def _batch(columns: list[np.ndarray], nulls: list[np.ndarray] | None = None) -> pa.RecordBatch:
    arrays = [pa.array(c, mask=None if nulls is None else nulls[i]) for i, c in enumerate(columns)]
    return pa.RecordBatch.from_arrays(arrays, list(NAMES[: len(columns)]))


WORDS = (
    "", " ", "a", "ab", "aab", "A", "AB", "Ab cd", "ab ab ab", " ab ", "\ta\n", "a-b-c", "0", "12", "007", "-5", "3.5", "1e3",
    " 42 ", "12345", "12345-678", "00000", "nan", "inf", "x" * 30, "aBcDeF", "é", "ÉTÉ", "straße",
    "ΑΣ", "ΟΔΟΣ ab", "İi", "日本", "a日b",
    "🙂", "e\u0301", "\u00a0a\u00a0", "\u2003", "½", "²", "٣", "ǅ", "ﬁ", "a\x00b", "hello world",
    "Hello World-Wide", "don't", "'", "\\d",
)  # fmt: skip


@cache
def text_batches() -> tuple[pa.RecordBatch, ...]:
    """Returns batches: odd words with and without NULLs, ASCII words, one row, and ordinary rows (the last batch)."""
    random = np.random.default_rng(5)
    plain = [w for w in WORDS if w.isascii()]

    def batch(words: Sequence[str], rows: int, nulls: float) -> pa.RecordBatch:
        columns = []
        for _ in range(2):
            drawn = random.choice(np.array(words, object), rows)
            columns.append(pa.array([None if random.random() < nulls else str(v) for v in drawn], pa.string()))
        numbers = pa.array(random.integers(-30, 300, rows), mask=random.random(rows) < nulls)
        return pa.RecordBatch.from_arrays([*columns, numbers], ["s", "t", "n"])

    return batch(WORDS, 90, 0.2), batch(WORDS, 60, 0.0), batch(plain, 60, 0.2), batch(plain, 1, 0.0), batch(plain, 60, 0.0)


@cache
def time_batches(zone: str) -> tuple[pa.RecordBatch, ...]:
    """Returns batches: instants in three centuries with and without NULLs, one row, and ordinary rows (the last batch)."""
    random = np.random.default_rng(6)
    edges = pd.to_datetime([
        "1970-01-01", "1969-12-31 23:59:59.999999", "2000-02-29 12:00:00", "1900-03-01", "2100-02-28 23:59:59",
        "2020-12-31 23:00:00", "2021-01-01", "2016-01-03 00:00:00.000001", "1800-05-05 05:05:05.5",
        "2200-10-31 10:10:10", "2024-12-30",
        "2023-01-01 12:30:00",
    ], format="ISO8601").to_numpy().astype("datetime64[us]").view(np.int64)  # fmt: skip
    year = 365 * 86_400 * 10**6
    arrow = pa.timestamp("us", "UTC") if zone == "timestamp" else pa.timestamp("us")

    def batch(rows: int, nulls: float, wild: bool) -> pa.RecordBatch:
        columns = []
        for _ in range(2):
            values = random.integers(20 * year, 55 * year, rows) // (1 if wild else 10**6) * (1 if wild else 10**6)
            values = np.where(random.random(rows) < 0.4, random.choice(edges, rows), values) if wild else values
            columns.append(pa.array(values, mask=random.random(rows) < nulls).cast(arrow))
        numbers = pa.array(random.integers(-30, 300, rows), mask=random.random(rows) < nulls)
        return pa.RecordBatch.from_arrays([*columns, numbers], ["a", "b", "n"])

    return batch(60, 0.2, True), batch(60, 0.0, True), batch(1, 0.0, False), batch(40, 0.3, False), batch(40, 0.0, False)


@cache
def mixed_batches(constants: tuple[Any, ...]) -> tuple[pa.RecordBatch, ...]:
    """Returns batches of a float, an integer and a string: extremes, ordinary rows with and without NULLs, code constants,
    one row.
    """
    random = np.random.default_rng(8)
    numbers = [float(c) for c in constants if not isinstance(c, str) and abs(c) < 2**70]
    near = [v for c in numbers for v in (c, -c, np.nextafter(c, np.inf))] or [1.0]
    whole = [int(c) for c in numbers if c == int(c) and abs(c) < 2**62] or [1]
    texts = [c for c in constants if isinstance(c, str)] + ["a", "ab", "", "ba"]

    def batch(
        rows: int, floats: Sequence[float], integers: Sequence[int], strings: Sequence[str], nulls: float
    ) -> pa.RecordBatch:
        pools = ((floats, float, pa.float64()), (integers, np.int64, pa.int64()), (strings, object, pa.string()))
        drawn = [(random.choice(np.array(pool, dtype), rows).tolist(), type) for pool, dtype, type in pools]
        arrays = [pa.array(values, type, mask=random.random(rows) < nulls) for values, type in drawn]
        return pa.RecordBatch.from_arrays(arrays, ["x", "i", "s"])

    wild = special_values(Type("f64")), special_values(Type("i64")), WORDS
    tame = [*range(-9, 10), 0.5, 2.25, -1.75], list(range(-5, 12)), [w for w in WORDS if w.isascii()]
    return (
        batch(50, *wild, 0.15),
        batch(40, *tame, 0.15),
        batch(40, [*near, *CANCELLING], [*whole, 0, 2], texts, 0.0),
        batch(1, *tame, 0.0),
        batch(40, *tame, 0.0),
    )
