"""Compares assignments to slices of lists that a function has made, and deletions of these, with PySpark's worker."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, IntegerType, StringType

from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import PythonEvalType

ROW = PythonEvalType.SQL_ARROW_BATCHED_UDF
INTS, TEXTS = ArrayType(IntegerType()), ArrayType(StringType())
ROWS = pa.RecordBatch.from_pydict({
    "xs": pa.array([[3, 1, 2, 4, 9], [7], [], None, [2, 2, 5]], pa.list_(pa.int32())),
    "n": pa.array([1, -2, 0, 3, None], pa.int64()),
    "m": pa.array([3, -1, 5, None, 1], pa.int64()),
    "s": pa.array(["a b c d", "", "x", None, "é q"]),
})  # fmt: skip


def assigned(xs, n, m, s):
    items = list(xs or [])
    items[1:3] = [0]
    return items


def deleted(xs, n, m, s):
    items = list(xs or [])
    del items[1:3]
    return items


def cleared(xs, n, m, s):
    items = list(xs or [])
    del items[0:]
    items[2:] = [5, 6]
    return items


def whole(xs, n, m, s):
    items = list(xs or [])
    same = items
    items[:] = [x for x in items if x > 1]
    return same


def from_the_end(xs, n, m, s):
    items = list(xs or [])
    items[-2:] = []
    items[:1] = [8, 9]
    return items


def of_the_row(xs, n, m, s):
    items = list(xs or [])
    items[n:m] = [7, 7]
    del items[m:n]
    return items


def its_own(xs, n, m, s):
    items = list(xs or [])
    items[n:m] = items
    return items


def inserted(xs, n, m, s):
    items = list(xs or [])
    second = items
    items[1:1] = [9]
    second[3:1] = [10]
    return items + second[:1]


def words(xs, n, m, s):
    parts = (s or "").split()
    parts[1:-1] = ["..."]
    return parts


@pytest.mark.parametrize("function", [assigned, deleted, cleared, whole, from_the_end, of_the_row, its_own, inserted, words])
def test_slices(function):
    returns = TEXTS if function is words else INTS
    compared = compare_with_worker(function, [ROWS, ROWS.slice(1, 2)], returns, ROW, kernel=True)
    assert not compared.refused, compared.reason
    assert (compared.decided, compared.flagged) == (2, 0), compared


def with_a_step(xs, n, m, s):
    items = list(xs or [])
    items[::2] = [1] * len(items[::2])
    return items


def of_another_class(xs, n, m, s):
    items = list(xs or [])
    items[:1] = ["a"]
    return items


def of_an_argument(xs, n, m, s):
    xs[:1] = [1]
    return xs


@pytest.mark.parametrize(("function", "code"), [(with_a_step, "SW282"), (of_another_class, "SW244"), (of_an_argument, "SW256")])
def test_refused_slices(function, code):
    assert compare_with_worker(function, [ROWS], INTS, ROW).refused == code
