"""Refuses plain UDFs that test a row's value for identity with an object, in each attempt to trace them."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import BooleanType

from sparkweld.contract.constants import ARROW_BATCHED, SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker

SMALL, UNKNOWN = 12, -1.0
NUMBERS = pa.record_batch({"x": pa.array([1, 12, 300], pa.int64())})


def small(x):
    return x is SMALL


def helped(x):
    return small(x)


def of_column(s):
    return s.apply(small)


def of_rows(s):
    return pd.Series([small(x) for x in s])


@pytest.mark.parametrize(
    ("function", "eval_type"),
    [(small, ARROW_BATCHED), (helped, ARROW_BATCHED), (lambda x: x is not UNKNOWN, ARROW_BATCHED), (of_column, SCALAR_PANDAS),
     (of_rows, SCALAR_PANDAS)],
)  # fmt: skip
def test_identity_of_a_value_is_refused(function, eval_type):
    assert compare_with_worker(function, [NUMBERS], BooleanType(), eval_type).refused == "SW603"
