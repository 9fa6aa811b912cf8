"""Compares Series.map with a dict of lists with PySpark's worker."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, DoubleType, FloatType, IntegerType, LongType, StringType

from sparkweld.contract.constants import SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker

LIMITS = [18, 30, 45, 65]
RANGES = {x: [0 if x == 0 else LIMITS[x - 1], 115 if x == len(LIMITS) else LIMITS[x] - 1] for x in range(len(LIMITS) + 1)}
WORDS = {"a": ["x", "é"], "b": [], "c": ["q"]}
NUMBERS = [pa.record_batch({"x": pa.array([0, 1, 4, 2], pa.int32())}), pa.record_batch({"x": pa.array([3], pa.int32())})]
STRINGS = [pa.record_batch({"x": pa.array(["a", "b", "c"])})]


@pytest.mark.parametrize(
    ("function", "batches", "of"),
    [
        (lambda x: x.map(RANGES), NUMBERS, IntegerType()),
        (lambda x: x.map(RANGES), NUMBERS, LongType()),
        (lambda x: pd.Series(np.digitize(x, LIMITS)).map(RANGES), NUMBERS, IntegerType()),
        (lambda x: x.map(WORDS), STRINGS, StringType()),
        (lambda x: x.map({"a": [1.5], "b": [0.1, 2.5], "c": []}), STRINGS, DoubleType()),
        (lambda x: x.map({"a": [1.5], "b": [0.1, 2.5], "c": []}), STRINGS, FloatType()),
    ],
)
def test_tables_of_lists(function, batches, of):
    compared = compare_with_worker(function, batches, ArrayType(of), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == len(batches), compared


@pytest.mark.parametrize(
    ("function", "column"),
    [(lambda x: x.map(RANGES), pa.array([0, 9], pa.int32())), (lambda x: x.map(RANGES), pa.array([0, None], pa.int32())),
     (lambda x: x.map(WORDS), pa.array(["a", "z"])), (lambda x: x.map(WORDS), pa.array(["a", None]))],
)  # fmt: skip
def test_rows_without_a_key_run_in_python(function, column):
    returns = ArrayType(IntegerType() if column.type == pa.int32() else StringType())
    compared = compare_with_worker(function, [pa.record_batch({"x": column})], returns, SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.flagged == 1, compared


@pytest.mark.parametrize(
    ("table", "code"),
    [({"a": [1], "b": ["x"]}, "SW262"), ({"a": [1], "b": "x"}, "SW262"), ({str(n): [n] for n in range(80)}, "SW262"),
     ({"a": [None], "b": [1]}, "SW262"), ({"a": [2**70]}, "SW262")],
)  # fmt: skip
def test_other_tables_are_refused(table, code):
    assert compare_with_worker(lambda x: x.map(table), STRINGS, ArrayType(LongType()), SCALAR_PANDAS).refused == code
