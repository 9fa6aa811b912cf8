"""Lays out the statistics of combinations of categories as hash tables, and what the keys of each combination are made of.

A table is an array of records: a key of 64 bits, then the statistics of that key, of 32 bits each. A free record has a key that
no combination has, and the statistics of unknown combinations. So a search ends at a record whose statistics are the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np

from sparkweld.ir.category_combinations import FACTOR, Combination, PartKind

_MASK = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


class PartWord(IntEnum):
    """Index of each int64 of a part."""

    KIND = 0
    ARGUMENT = 1
    OPERAND = 2  # of IS_ABOVE the bits of a float64
    FACTOR = 3  # of what it contributes to the key, modulo 2**64


class TableWord(IntEnum):
    """Index of each int64 of a table."""

    PARTS_END = 0  # the number of parts of this table and of those before
    RECORDS = 1  # the byte offset of the first record
    HOMES = 2  # a key's search begins at record key * HOMES / 2**64
    OUTPUTS = 3
    FIRST = 4  # the number of its first output
    FREE = 5  # the key of free records


def layout(combinations: Sequence[Combination]) -> dict[str, np.ndarray]:
    """Returns the arrays of a block: `tables` and `parts`, int64, and `records`, int32."""
    tables, parts, records = [], [], []
    size = first = 0
    for one in combinations:
        for at, part in enumerate(one.parts):
            above = part.kind in (PartKind.IS_ABOVE, PartKind.IS_ABOVE_OR_MISSING)
            operand = int(np.float64(part.operand).view(np.int64)) if above else int(part.operand)
            # Each later part multiplies the key once more.
            factor = np.array(pow(FACTOR, len(one.parts) - at + 1, 1 << 64), np.uint64).view(np.int64)
            parts.append((part.kind, part.argument, operand, int(factor)))
        homes, free, made = _table(one.keys.astype(np.uint64), one.values.astype(np.float32))
        outputs = one.values.shape[1]
        tables.append((len(parts), size, homes, outputs, first, free))
        records.append(made.ravel())
        size, first = size + made.nbytes, first + outputs
    return {
        "tables": np.array(tables, np.int64).ravel(),
        "parts": np.array(parts, np.int64).ravel(),
        "records": np.concatenate(records),
    }


def _table(keys: np.ndarray, values: np.ndarray) -> tuple[int, int, np.ndarray]:
    """Returns the number of homes, the key of free records (signed), and the records, int32 [records, 2 + outputs].

    Keys take the record of their home, or the next free one. The last record is free: a search does not turn around.
    """
    homes = max(4, len(keys) * 3)
    home = homes_of(keys, homes)
    order, turns = np.argsort(home, kind="stable"), np.arange(len(keys))
    places = np.maximum.accumulate(home[order] - turns) + turns
    count = max(homes, int(places[-1]) + 1 if len(places) else 0) + 1
    known = set(keys.tolist())
    free = next(key for key in range(len(keys) + 1) if key not in known)
    all_keys = np.full(count, free, np.uint64)
    all_keys[places] = keys[order]
    made = np.empty((count, 2 + values.shape[1]), np.int32)
    made[:, :2] = all_keys.view(np.int32).reshape(-1, 2)
    made[:, 2:] = values[-1].view(np.int32)
    made[places, 2:] = values[order].view(np.int32)
    return homes, free, made


def homes_of(keys: np.ndarray, homes: int) -> np.ndarray:
    """Returns ``keys * homes >> 64`` of uint64 keys; `homes` is below 2**31."""
    count = np.uint64(homes)
    low = (keys & _MASK) * count >> _32
    return ((keys >> _32) * count + low >> _32).astype(np.int64)  # type: ignore[no-any-return]


def find(records: np.ndarray, table: Sequence[int], keys: np.ndarray) -> np.ndarray:
    """Returns the statistics of each key, f32 [keys, outputs], from the records of a table, whose numbers are `TableWord`'s."""
    width = 2 + table[TableWord.OUTPUTS]
    place = table[TableWord.RECORDS] // records.itemsize + homes_of(keys, table[TableWord.HOMES]) * width
    while True:
        stored = records[place[:, None] + np.arange(2)].view(np.uint64)[:, 0]
        on = (stored != keys) & (stored != np.uint64(table[TableWord.FREE]))
        if not on.any():
            return records[place[:, None] + np.arange(2, width)].view(np.float32)
        place += width * on
