"""Checks the types of operands where the value of a constant decides them, as before NumPy 2."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import BooleanType, DoubleType

from sparkweld.contract.constants import SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker
from tests.helpers.models import batch_of, compare
from udf_compiler.frontends.pandas.calls import membership, numpy_
from udf_compiler.frontends.python import numpy_scalars
from udf_compiler.frontends.tracing import lower

BATCH = batch_of(f=np.linspace(0, 1, 30).astype("float32"), d=np.linspace(0, 1, 30))


@pytest.fixture
def by_value(monkeypatch):
    """Lets NumPy report the common type of a float32 array and a float64 scalar as NumPy 1.26 does."""
    result_type = np.result_type

    def former(*operands):
        arrays = [o for o in operands if isinstance(o, np.ndarray)]
        weak = arrays and all(isinstance(o, np.ndarray | np.floating) for o in operands)
        return arrays[0].dtype if weak else result_type(*operands)

    monkeypatch.setattr(lower, "BY_VALUE", True)
    monkeypatch.setattr(np, "result_type", former)
    lower._resolved.cache_clear()
    yield
    lower._resolved.cache_clear()


def test_a_scalar_that_changes_the_comparison_is_refused(by_value):
    """NumPy 1.26 compares float32 here, which is another result for rows that are 0.1 as float32."""
    limit = np.float64(0.1)
    assert compare(lambda d: d["f"] > limit, BATCH, BooleanType()).refused == "SW251"


def test_other_operands_are_compiled(by_value):
    limit = np.float64(0.1)
    assert compare(lambda d: d["d"] > limit, BATCH, BooleanType()).rows == 30
    assert compare(lambda d: d["f"] > 0.5, BATCH, BooleanType()).rows == 30
    assert compare(lambda d: d["d"] * 3 / d["f"], BATCH, DoubleType()).rows == 30


FLOATS, INTS = pa.list_(pa.float32()), pa.list_(pa.int32())


@pytest.mark.parametrize(
    ("function", "type"),
    [
        (lambda v: v[0] * 3 + v[-1], FLOATS),  # NumPy 1.26 multiplies scalars as float64
        (lambda v: 1.0 if v[0] > 0.1 else 0.0, FLOATS),
        (lambda v: v[0] * 2 + 0.0, INTS),
        (lambda v: (v - v.sum()).max() * 1.0, INTS),  # the sum is an int64, and the difference an int32 array there
        (lambda v: float((v * v.argmax()).max()), FLOATS),  # the position is an int64, and the product a float32 array there
    ],
)
def test_scalars_that_are_converted_in_another_way_are_refused(monkeypatch, function, type):
    monkeypatch.setattr(numpy_scalars, "BY_VALUE", True)
    assert of_elements(function, type).refused == "SW251"


@pytest.mark.parametrize(
    ("function", "type"),
    [
        (lambda v: v[0] + v[1], FLOATS), (lambda v: (v - v.mean()).max(), FLOATS), (lambda v: (v * 0.5).sum(), FLOATS),
        (lambda v: v[0] * 3 + v[-1], pa.list_(pa.float64())), (lambda v: v[0] * 2.0, INTS),
        (lambda v: (v + v[0]).max() / 1.0, INTS),
    ],
)  # fmt: skip
def test_other_scalars_are_compiled(monkeypatch, function, type):
    monkeypatch.setattr(numpy_scalars, "BY_VALUE", True)
    assert of_elements(function, type).decided == 1


def sums_of_products(s, t):
    return pd.Series([float((v * x).sum()) for v, x in zip(s, t, strict=True)])


def test_a_float_that_float32_cannot_hold_is_left_to_python(monkeypatch):
    """NumPy 1.26 multiplies as float64 there."""
    monkeypatch.setattr(numpy_scalars, "BY_VALUE", True)
    for numbers, flagged in (([1.0, -1e38, np.inf, np.nan], 0), ([1e39, 1.0], 1), ([1.0, -3.5e38], 1)):
        lists = pa.array([[1.5, 0.25]] * len(numbers), FLOATS)
        batch = pa.record_batch({"v": lists, "x": pa.array(numbers)})
        compared = compare_with_worker(sums_of_products, [batch], DoubleType(), SCALAR_PANDAS)
        assert (compared.refused, compared.flagged) == ("", flagged)


@pytest.mark.parametrize("keys", [[0.1], [16777217], np.array([0.1])])
def test_keys_that_are_rounded_in_small_tables_are_refused(monkeypatch, keys):
    """NumPy 1.26 compares each of a few keys as float32, and many as float64."""
    monkeypatch.setattr(membership, "BY_VALUE", True)
    assert compare(lambda d: pd.Series(np.isin(d["f"], keys)), BATCH, BooleanType()).refused == "SW251"
    assert compare(lambda d: pd.Series(np.isin(d["d"], keys)), BATCH, BooleanType()).rows == 30
    assert compare(lambda d: pd.Series(np.isin(d["f"], [0.5, 1, np.nan])), BATCH, BooleanType()).rows == 30


def test_a_constant_close_to_float32_is_refused(monkeypatch):
    """NumPy 1.26 compares a batch with NaN as float64."""
    monkeypatch.setattr(numpy_, "BY_VALUE", True)
    assert compare(lambda d: pd.Series(np.isclose(d["f"], 0.1)), BATCH, BooleanType()).refused == "SW251"
    assert compare(lambda d: pd.Series(np.isclose(d["f"], d["f"])), BATCH, BooleanType()).rows == 30
    assert compare(lambda d: pd.Series(np.isclose(d["d"], 0.1)), BATCH, BooleanType()).rows == 30


@pytest.mark.parametrize("tolerances", [{"atol": -1.0, "rtol": 0.0}, {"rtol": 1e10}, {"rtol": 1e10, "equal_nan": True}])
def test_tolerances_of_equal_numbers_and_infinities(tolerances):
    batch = batch_of(x=[1.0, 1.0, np.inf, np.inf, np.nan, 2.0], y=[1.0, 2.0, np.inf, 1e300, np.nan, np.inf])
    assert compare(lambda d: pd.Series(np.isclose(d["x"], d["y"], **tolerances)), batch, BooleanType()).rows == 6


def of_elements(function, type):
    """Compares a function of each array of a Series with the worker."""
    batch = pa.record_batch({"v": pa.array([[100, 2, 3], [7, 90, 120]], type)})
    return compare_with_worker(lambda s: s.map(function), [batch], DoubleType(), SCALAR_PANDAS)
