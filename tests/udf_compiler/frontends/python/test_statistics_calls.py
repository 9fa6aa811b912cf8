"""Compares functions of the module statistics with PySpark's worker."""

from __future__ import annotations

import statistics
from statistics import mean, median

import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType

from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import PythonEvalType

ROW = PythonEvalType.SQL_ARROW_BATCHED_UDF
ROWS = pa.RecordBatch.from_pydict({
    "xs": pa.array([[1, 2, 3, 4], [5], [3, 3, 4], None, [2**52, 2**52 - 1], [-7, 2]], pa.list_(pa.int64())),
    "fs": pa.array([[0.1, 0.2, 0.3], [1.5], [0.0, -0.0], [1e308, 1e308], [2.5, 1.0, float("inf")], None]),
    "a": pa.array([1, 2, 3, 4, 5, 6]),
    "b": pa.array([2.0, 3.0, 0.5, None, -0.0, 2.0]),
})  # fmt: skip
EMPTY = pa.RecordBatch.from_pydict({
    "xs": pa.array([[1], []], pa.list_(pa.int64())), "fs": pa.array([[1.0], []], pa.list_(pa.float64())), "a": [1, 2],
    "b": [1.0, 2.0],
})  # fmt: skip


def caught(xs, fs, a, b):
    try:
        return statistics.median(fs or [])
    except statistics.StatisticsError:
        return None


FUNCTIONS = [
    lambda xs, fs, a, b: statistics.mean(xs) if xs else None,
    lambda xs, fs, a, b: median(xs) if xs else None,
    lambda xs, fs, a, b: statistics.median(fs) if fs else None,
    lambda xs, fs, a, b: statistics.median_low(fs) if fs else None,
    lambda xs, fs, a, b: statistics.median_high(xs or [1]),
    lambda xs, fs, a, b: statistics.fmean(xs) if xs else None,
    lambda xs, fs, a, b: mean([a, 3, a * 2]),
    lambda xs, fs, a, b: statistics.median([b, 0.0, 0.5]) if b is not None else None,
    lambda xs, fs, a, b: statistics.mean([x * 2 for x in xs if x > 0]) if xs and max(xs) > 0 else 0.0,
    lambda xs, fs, a, b: statistics.median([x for x in fs if x > 0.2]) if fs and max(fs) > 0.2 else None,
    lambda xs, fs, a, b: mean(len(w) for w in ["a", "bb", "c"]) + a,
    caught,
]


@pytest.mark.parametrize("number", range(len(FUNCTIONS)))
def test_statistics_of_lists(number):
    compared = compare_with_worker(FUNCTIONS[number], [ROWS, ROWS.slice(0, 3), EMPTY], DoubleType(), ROW, kernel=True)
    assert compared.decided == 3, compared


def test_lists_without_elements_raise():
    compared = compare_with_worker(lambda xs, fs, a, b: statistics.mean(xs), [EMPTY, EMPTY.slice(0, 1)], DoubleType(), ROW)
    assert compared.flagged == compared.raised == 1 and not compared.refused, compared


def test_totals_beyond_floats_run_in_python():
    columns = {"xs": [[2**53, 2**53 - 1, 5], [1, 2]], "fs": [[1.0], [2.0]], "a": [1, 2], "b": [1.0, 2.0]}
    large = pa.RecordBatch.from_pydict(columns)
    for function in (lambda xs, fs, a, b: statistics.mean(xs), lambda xs, fs, a, b: statistics.fmean(xs)):
        compared = compare_with_worker(function, [large, large.slice(1)], DoubleType(), ROW, kernel=True)
        assert compared.flagged == 1 and not compared.raised and not compared.refused, compared


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda xs, fs, a, b: statistics.mean(fs), "SW262"),
        (lambda xs, fs, a, b: statistics.median(iter(xs)), "SW223"),
        (lambda xs, fs, a, b: statistics.fmean(xs, weights=xs), "SW262"),
        (lambda xs, fs, a, b: statistics.stdev(xs), "SW263"),
    ],
)
def test_refused_calls(function, code):
    assert compare_with_worker(function, [ROWS], DoubleType(), ROW).refused == code
