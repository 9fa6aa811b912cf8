"""Checks heapq.nlargest and nsmallest of lists of the row: by a key, of generators and pairs, and with a number of the row."""

from __future__ import annotations

import heapq
from collections import Counter

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, DoubleType, LongType, StringType

from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import ARROW_BATCHED

INTS = [[], [3], [2, 9, 2, -5, 7], [2**63 - 1, -(2**63), 0], [1, 1, 1], [5, 4, 3, 2, 1]]
COUNTS = [1, 0, 3, -2, 2, 2**40]
NUMBERS = pa.RecordBatch.from_pydict({"xs": pa.array(INTS, pa.list_(pa.int64())), "n": pa.array(COUNTS, pa.int64())})
STRINGS = [[], ["b"], ["aa", "b", "", "é", "😀😀", "aa"], ["z", "y", "x"]]
TEXTS = pa.RecordBatch.from_pydict({"xs": pa.array(STRINGS, pa.list_(pa.string()))})
LISTS = [[], [0.0, -0.0], [1.5, float("inf"), -1.5, 1.5], [-0.0, 0.0, 1e300]]
FLOATS = pa.RecordBatch.from_pydict({"xs": pa.array(LISTS, pa.list_(pa.float64()))})
NANS = pa.RecordBatch.from_pydict({"xs": pa.array([[1.0, float("nan"), 2.0], [3.0, 1.0]], pa.list_(pa.float64()))})

TESTED = [
    (lambda xs, n: heapq.nlargest(3, xs), NUMBERS, LongType()),
    (lambda xs, n: heapq.nsmallest(2, xs), NUMBERS, LongType()),
    (lambda xs, n: heapq.nlargest(n, xs), NUMBERS, LongType()),
    (lambda xs, n: heapq.nsmallest(n, xs, key=lambda x: x % 3), NUMBERS, LongType()),
    (lambda xs, n: heapq.nlargest(2, (x // 2 for x in xs)), NUMBERS, LongType()),
    (lambda xs: heapq.nlargest(2, xs, key=len), TEXTS, StringType()),
    (lambda xs: heapq.nsmallest(3, xs), TEXTS, StringType()),
    (lambda xs: [w for w, _ in heapq.nlargest(2, Counter(xs).items(), key=lambda pair: pair[1])], TEXTS, StringType()),
    (lambda xs: heapq.nlargest(2, xs), FLOATS, DoubleType()),
    (lambda xs: heapq.nsmallest(1, xs), FLOATS, DoubleType()),
]


@pytest.mark.parametrize(("function", "batch", "element"), TESTED)
def test_some_of_a_list(function, batch, element):
    compared = compare_with_worker(function, [batch], ArrayType(element), ARROW_BATCHED, kernel=True)
    assert (compared.decided, compared.flagged) == (1, 0)


def test_rows_that_python_computes():
    """The order of a NaN depends on the comparisons of the heap. None is no list, and no number of elements."""
    compared = compare_with_worker(lambda xs: heapq.nlargest(2, xs), [NANS], ArrayType(DoubleType()), ARROW_BATCHED, kernel=True)
    assert (compared.decided, compared.flagged) == (1, 1)
    missing = pa.RecordBatch.from_pydict({"xs": pa.array([None, [1]], NUMBERS["xs"].type), "n": pa.array([1, None], pa.int64())})

    def caught(xs, n):
        try:
            return heapq.nlargest(n, xs)
        except TypeError:
            return [-1]

    compared = compare_with_worker(caught, [missing, NUMBERS], ArrayType(LongType()), ARROW_BATCHED, kernel=True)
    assert (compared.decided, compared.flagged) == (2, 0)


@pytest.mark.parametrize(("function", "code"), [(lambda xs: heapq.merge(xs), "SW263"), (lambda xs: heapq.heapify(xs), "SW263")])
def test_other_functions_of_heapq(function, code):
    assert compare_with_worker(function, [FLOATS], ArrayType(DoubleType()), ARROW_BATCHED).refused == code
