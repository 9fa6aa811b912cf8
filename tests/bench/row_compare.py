"""Compares two folders of Parquet rows: the same rows, or where they differ.

Rows are joined by a unique key. A column is compared exactly, where NULL, NaN and -0.0 are three distinct values. A column in
`bounds` is compared within a distance in units in the last place (ULP). This is for results of libm functions, which SparkWeld
computes within a bound of NumPy's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

FAR = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Bound:
    """The permitted distance of two doubles: within `ulp` units in the last place, or within `absolute`."""

    ulp: int
    absolute: float = 0.0

    def __str__(self) -> str:
        return f"{self.ulp} ULP" + (f" or {self.absolute:g}" if self.absolute else "")


@dataclass(frozen=True)
class ColumnVerdict:
    """One column: the number of values beyond the bound, and the greatest distance seen (0: bit-equal)."""

    name: str
    rule: str
    rows: int
    different: int
    not_identical: int
    largest_ulp: int
    examples: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Verdict:
    """The whole comparison; `equal` states whether every row is on both sides and every value within its rule."""

    left_rows: int
    right_rows: int
    only_left: int
    only_right: int
    columns: list[ColumnVerdict]
    problem: str | None = None

    @property
    def equal(self) -> bool:
        keys_match = self.only_left == self.only_right == 0
        return self.problem is None and keys_match and all(column.different == 0 for column in self.columns)

    def lines(self) -> list[str]:
        """Returns a readable line per column, and the first differing values."""
        if self.problem:
            return [f"DIFFERENT: {self.problem}"]
        lines = [f"rows: {self.left_rows:,} and {self.right_rows:,}"]
        if self.only_left or self.only_right:
            lines.append(f"DIFFERENT: {self.only_left:,} rows only on the left, {self.only_right:,} only on the right")
        for column in self.columns:
            state = "equal" if column.different == 0 else f"DIFFERENT in {column.different:,} rows"
            detail = f", {column.not_identical:,} not bit-equal, at most {column.largest_ulp} ULP" if (
                column.largest_ulp and column.largest_ulp < FAR) else ""
            lines.append(f"{column.name}: {state} ({column.rule}{detail})")
            lines.extend(f"    {example}" for example in column.examples)
        return lines


def compare_folders(left: Path, right: Path, key: str, bounds: dict[str, Bound]) -> Verdict:
    """Compares every row and column of two Parquet folders; `key` must be unique and never NULL on either side."""
    tables = [_read(folder) for folder in (left, right)]
    return compare_tables(tables[0], tables[1], key, bounds)


def compare_tables(left: pa.Table, right: pa.Table, key: str, bounds: dict[str, Bound]) -> Verdict:
    """Compares tables in memory as `compare_folders` does."""
    if not left.schema.equals(right.schema):
        return Verdict(len(left), len(right), 0, 0, [], f"the schemas differ:\n{left.schema}\nand\n{right.schema}")
    keys = []
    for side, table in (("left", left), ("right", right)):
        values = table.column(key)
        if values.null_count or pc.count_distinct(values).as_py() != len(values):
            return Verdict(len(left), len(right), 0, 0, [], f"{key} is not a unique key on the {side}")
        keys.append(values.to_numpy())
    common, left_at, right_at = np.intersect1d(keys[0], keys[1], assume_unique=True, return_indices=True)
    columns = []
    for name in left.column_names:
        pair = (_at(left.column(name), left_at), _at(right.column(name), right_at))
        columns.append(_compare_column(name, *pair, common, bounds.get(name)))
    return Verdict(len(left), len(right), len(left) - len(common), len(right) - len(common), columns)


def _read(folder: Path) -> pa.Table:
    # Names that start with "_" or "." are Spark's own marks; the file system's order of the part files does not matter.
    return ds.dataset(folder, format="parquet").to_table()


def _at(column: pa.ChunkedArray, positions: np.ndarray) -> pa.Array:
    taken = column.take(pa.array(positions))
    return taken.combine_chunks() if isinstance(taken, pa.ChunkedArray) else taken


def _compare_column(
    name: str, left: pa.Array, right: pa.Array, keys: np.ndarray, bound: Bound | None
) -> ColumnVerdict:
    if pa.types.is_floating(left.type):
        distance = _distances(left, right)
        allowed = _within(left, right, distance, bound) if bound else distance == 0
        rule = f"within {bound}" if bound else "exact"
    else:
        if bound:
            raise ValueError(f"{name} is {left.type}: only floating-point columns have a bound")
        same = pc.fill_null(pc.equal(left, right), False).to_numpy(zero_copy_only=False)
        both_null = pc.and_(pc.is_null(left), pc.is_null(right)).to_numpy(zero_copy_only=False)
        allowed, rule = same | both_null, "exact"
        distance = np.where(allowed, 0, FAR)
    wrong = np.flatnonzero(~allowed)
    examples = [f"key {keys[row]}: {left[row].as_py()!r} and {right[row].as_py()!r}" for row in wrong[:3]]
    largest = int(distance.max()) if len(distance) else 0
    return ColumnVerdict(name, rule, len(keys), len(wrong), int((distance != 0).sum()), largest, examples)


def _distances(left: pa.Array, right: pa.Array) -> np.ndarray:
    """Returns ULP distances, int64: 0 for two NULLs or two NaNs; FAR when only one is that, or when a zero's sign differs."""
    a, b = (side.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False) for side in (left, right))
    if left.type == pa.float32():
        steps = _steps(_ordered(a.astype(np.float32)), _ordered(b.astype(np.float32)))
    else:
        steps = _steps(_ordered(a), _ordered(b))
    left_null, right_null = (side.is_null().to_numpy(zero_copy_only=False) for side in (left, right))
    both_nan = np.isnan(a) & np.isnan(b)
    steps[both_nan] = 0
    steps[np.isnan(a) ^ np.isnan(b)] = FAR
    zero_sign_differs = ((a == 0) & (b == 0)) & (np.signbit(a) != np.signbit(b))
    steps[zero_sign_differs] = FAR
    steps[left_null & right_null] = 0
    steps[left_null ^ right_null] = FAR
    return steps


def _ordered(values: np.ndarray) -> np.ndarray:
    """Maps doubles or floats to int64 in their order: neighbours differ by 1, and both zeros are 0."""
    bits = values.view(np.int32).astype(np.int64) if values.dtype == np.float32 else values.view(np.int64)
    lowest = np.int64(-(2**31)) if values.dtype == np.float32 else np.iinfo(np.int64).min
    return np.where(bits < 0, lowest - bits, bits)


def _steps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    # Values of opposite sign can be more steps apart than int64 holds: unsigned arithmetic, then clipped to FAR.
    low, high = np.minimum(a, b), np.maximum(a, b)
    apart = high.view(np.uint64) - low.view(np.uint64)
    return np.minimum(apart, np.uint64(FAR)).astype(np.int64)


def _within(left: pa.Array, right: pa.Array, distance: np.ndarray, bound: Bound) -> np.ndarray:
    near = distance <= bound.ulp
    if bound.absolute == 0.0:
        return near
    a, b = (side.fill_null(np.nan).to_numpy(zero_copy_only=False) for side in (left, right))
    with np.errstate(invalid="ignore"):  # NaN, NULL and inf - inf compare as not close, as required
        close = np.abs(a - b) <= bound.absolute
    return near | (close & ~((a == 0) & (b == 0)))  # two zeros that are not near differ in sign
