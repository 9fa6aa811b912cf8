"""Compares arrays of another element type than the declared one with PySpark's worker, for each pair of types."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, ByteType, DoubleType, FloatType, IntegerType, LongType, StringType

from sparkweld.contract.constants import SCALAR_PANDAS, SCALAR_PANDAS_ITERATOR
from tests.helpers.compiled import compare_with_worker

FLOATS = [
    [[1.239, -0.0, 1e300], [], None, [float("inf"), 1e-320, 0.1]],
    [[16777217.0, -3.4028236e38, 2.5]],
]
NANS = [[[1.0, None], [2.0]]]
INTEGERS = [[[1, -128, 127], [], None], [[2**24]]]
LARGE = [[[1], [300]], [[1], [-(2**24) - 1]], [[1], [2**53 + 1, 5]], [[1], [2**31]]]


def batches(rows, element):
    return [pa.record_batch({"v": pa.array(each, pa.list_(element))}) for each in rows]


def rounded(v):
    return v.apply(lambda x: None if x is None else np.around(x, decimals=2))


def lists(v):
    return v.apply(lambda x: None if x is None else [float(k) for k in x])


def same(v):
    return v


def batches_of_arrays(series):
    for v in series:
        yield v.apply(lambda x: None if x is None else x * 2)


def test_doubles_that_are_rounded_to_floats():
    for function, eval_type in ((rounded, 200), (lists, 200), (same, SCALAR_PANDAS), (batches_of_arrays, SCALAR_PANDAS_ITERATOR)):
        compared = compare_with_worker(function, batches(FLOATS, pa.float64()), ArrayType(FloatType()), eval_type, kernel=True)
        assert not compared.refused and compared.decided == 2, compared
        compared = compare_with_worker(function, batches(NANS, pa.float64()), ArrayType(FloatType()), eval_type)
        assert not compared.refused and compared.flagged == 1, compared


def test_floats_as_doubles():
    compared = compare_with_worker(same, batches(FLOATS, pa.float32()), ArrayType(DoubleType()), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == 2, compared


@pytest.mark.parametrize(
    ("returns", "flagged"),
    [(FloatType, 3), (DoubleType, 1), (ByteType, 4), (IntegerType, 2)],
    ids=lambda x: getattr(x, "__name__", x),
)
def test_integers_that_the_type_does_not_hold_raise(returns, flagged):
    rows = batches(INTEGERS[:1], pa.int64())
    compared = compare_with_worker(same, rows, ArrayType(returns()), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == 1, compared
    compared = compare_with_worker(same, batches(LARGE, pa.int64()), ArrayType(returns()), SCALAR_PANDAS)
    assert not compared.refused and (compared.flagged, compared.raised) == (flagged, flagged), compared


def test_narrow_integers_as_wider_ones():
    rows = batches([[[1, -128, 127], [], None]], pa.int8())
    for returns in (LongType, IntegerType, FloatType):
        compared = compare_with_worker(same, rows, ArrayType(returns()), SCALAR_PANDAS, kernel=True)
        assert not compared.refused and compared.decided == 1, compared


@pytest.mark.parametrize("returns", [IntegerType, StringType], ids=lambda x: x.__name__)
def test_other_conversions_are_refused(returns):
    assert compare_with_worker(same, batches(FLOATS, pa.float64()), ArrayType(returns()), SCALAR_PANDAS).refused == "SW226"
