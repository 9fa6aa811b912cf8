"""Compares the results of rows that the original function computes with those of Spark's worker."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, DoubleType, LongType, StringType, TimestampNTZType

from sparkweld.errors import UserError
from sparkweld.serving.original import ROW, SERIES, Original
from sparkweld.serving.signature import Column, kind_of
from tests.helpers.worker import run_in_worker

TYPES = {
    "string": StringType(), "array<string>": ArrayType(StringType()), "long": LongType(), "double": DoubleType(),
    "timestamp_ntz": TimestampNTZType(),
}  # fmt: skip
VALUES = [
    None, True, 1, 2**40, 1.5, float("nan"), -0.0, "a", b"a", np.float32(0.1), np.True_, [1, None], ["a"], (1,), "text", 5,
    datetime.datetime(2020, 1, 1, 5), datetime.datetime(2020, 1, 1, 5, tzinfo=datetime.timezone.utc), datetime.date(2020, 1, 1),
]  # fmt: skip


def outcome(call):
    try:
        return repr(call().to_pylist())
    except Exception:  # noqa: BLE001 - the worker's own exceptions differ from UserError
        return None


@pytest.mark.parametrize(("takes", "eval_type"), [(ROW, 101), (SERIES, 200)])
@pytest.mark.parametrize("kind", list(TYPES))
def test_results_are_those_of_spark_or_an_error(kind, takes, eval_type):
    batch = pa.RecordBatch.from_arrays([pa.array([1.0])], ["_0"])
    column = Column("result", kind, kind_of(kind), True)
    for value in VALUES:
        function = (lambda a, value=value: value) if takes == ROW else lambda a, value=value: pd.Series([value], dtype=object)
        made = outcome(lambda function=function: Original(function, takes, ("a",)).run(batch.columns, [column], False)[0])
        wanted = outcome(lambda function=function: run_in_worker(function, batch, TYPES[kind], eval_type))
        if takes == SERIES and (kind.startswith("array") or value != value):
            continue  # pandas functions of arrays and of NaN among objects fail in Spark
        assert made is None or made == wanted, (kind, value, made, wanted)
        assert made is not None or takes == SERIES or kind not in ("string", "array<string>") or wanted is None, (kind, value)


def test_series_are_those_of_the_worker():
    seen = []
    Original(lambda *s: seen.extend(s) or s[0], SERIES, ("t", "i")).run(
        [pa.array([0], pa.timestamp("us")), pa.array([[1, None]])], [Column("r", "timestamp_ntz", "ts", True)], False
    )
    assert seen[0].dtype == "datetime64[ns]" and seen[1][0].tolist() == [1, None]


def test_results_of_another_length():
    for result, what in ((pd.Series([1.0, 2.0]), "2 rows for 1 rows"), (3.0, "a float for 1 rows")):
        with pytest.raises(UserError, match=what):
            original = Original(lambda a, result=result: result, SERIES, ("a",))
            original.run([pa.array([1.0])], [Column("r", "double", "f64", True)], False)
