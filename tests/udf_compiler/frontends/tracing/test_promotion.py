"""Checks the types of operands where the value of a constant decides them, as before NumPy 2."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql.types import BooleanType, DoubleType

from tests.helpers.models import batch_of, compare
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
