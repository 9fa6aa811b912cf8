"""Compares conversions of plain UDF results: whole batch, gathered rows, and each row alone."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql.types import (
    BooleanType,
    ByteType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StringType,
)

from tests.helpers.compiled import compare_with_worker
from tests.helpers.expressions_lists import list_batches
from tests.helpers.kinds import codes, compile_struct, compile_udf
from tests.helpers.lines import PythonEvalType

ROW = PythonEvalType.SQL_ARROW_BATCHED_UDF
TYPES: tuple[DataType, ...] = (
    BooleanType(), ByteType(), ShortType(), IntegerType(), LongType(), FloatType(), DoubleType(), StringType(),
)  # fmt: skip
#: Results of a path, of an int column `n` and a float column `x`.
RESULTS = ("n", "x", "n > 3", "None", "7", "300", "0.5", "n // 1000000", "'a'", "2**24 + 1", "True")
INTS = [0, 1, 127, 128, 2**15, 2**24, 2**24 + 1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), -(2**24) - 1]
FLOATS = [0.0, -0.0, 0.5, 1.0, 2.0**24 + 1, 2.0**53, 1e300, float("inf"), float("nan"), 3.0, 128.0, -1.5, 0.1]


def batches() -> tuple[pa.RecordBatch, ...]:
    """Returns rows of every path and value together, and random small batches."""
    rng = np.random.default_rng(3)
    rows = list(itertools.product(range(2), range(len(INTS))))
    whole = [rows, *([rows[i] for i in rng.integers(0, len(rows), size)] for size in (1, 1, 2, 2, 2, 3, 3, 4, 4, 6, 6, 8))]
    return tuple(
        pa.RecordBatch.from_pydict({
            "i": pa.array([i for i, _ in some]),
            "n": pa.array([INTS[at] for _, at in some]),
            "x": pa.array([FLOATS[at] for _, at in some]),
        })
        for some in whole
    )  # fmt: skip


@pytest.mark.gate_cases("IntegerType()", "StringType()", "DoubleType()")
@pytest.mark.parametrize("returns", TYPES, ids=str)
def test_a_flagged_row_does_not_depend_on_its_neighbours(returns):
    """The kernel's rows are compared beside flagged ones that Python converts together and alone."""
    compiled = 0
    for yes, no in itertools.combinations(RESULTS, 2):
        function = eval(f"lambda i, n, x: {yes} if i else {no}", {"__name__": "__main__"})
        compiled += not compare_with_worker(function, batches(), returns, ROW).refused
    assert compiled > (5 if isinstance(returns, BooleanType) else 20)


def test_ints_beside_floats_declared_float():
    """Arrow rejects an int beyond 2**24 as a float32, except where a float in the batch turns all of them into doubles."""
    assert codes(compile_udf(lambda i, x: x if i == 3 else 0.5, 101, {"i": "long", "x": "long"}, "float")) == ["SW298"]
    assert codes(compile_udf(lambda i, x: x if i == 3 else 0.5, 101, {"i": "long", "x": "integer"}, "float")) == ["SW298"]
    fields, result = {"i": "long", "x": "long"}, {"a": "float", "b": "long"}
    assert codes(compile_struct(lambda r: (r.x if r.i == 3 else 0.5, 1), 101, fields, result, fields)) == ["SW298"]
    fitting = (("byte", "float", 101), ("short", "float", 101), ("long", "double", 101), ("long", "float", 100))
    for fits, returns, eval_type in fitting:
        reply = compile_udf(lambda i, x: x if i == 3 else 0.5, eval_type, {"i": "long", "x": fits}, returns)
        assert reply["status"] == "ok", (fits, returns, eval_type)


@pytest.mark.parametrize(
    "function",
    [
        lambda n: "1" if n * n > 2**63 else 0.5,
        lambda n: "1" if n + 1 > 2**63 - 1 else 0.5,
        lambda n: "1" if (n << 8) // 3 > 2**62 else 0.5,
        lambda n: 0.5 if n * 2 <= 2**63 - 1 else "1" if n > 0 else 2,
    ],
)
def test_paths_of_flagged_rows_alone(function):
    """Only Python returns the str: no int64 is that large. Arrow converts it to 1.0 alone, and raises for it among floats."""
    assert codes(compile_udf(function, ROW, {"n": "long"}, "double")) == ["SW298"]
    assert compile_udf(function, ROW, {"n": "long"}, "string")["status"] == "ok"
    assert compile_udf(function, PythonEvalType.SQL_BATCHED_UDF, {"n": "long"}, "double")["status"] == "ok"
    assert codes(compile_struct(lambda r: (function(r.n),), ROW, {"n": "long"}, {"x": "double"}, {"n": "long"})) == ["SW298"]
    listed = compile_udf(lambda n: None if n is None else [function(n)], ROW, {"n": "long"}, "array<double>")
    assert codes(listed) == ["SW226"]


@pytest.mark.parametrize(
    "function",
    [
        lambda n: 1.5 if n * 3 > n else 0.5,
        lambda n: None if n * n > 2**63 else n / 7,
        lambda n: 1 if n * n > 2**63 else 0.5,
        lambda n: 0.5 if n * n < 2**63 else 1 / (n - n),
    ],
)
def test_paths_of_flagged_rows_that_convert(function):
    """Every result converts, or raises, independently of its neighbours."""
    assert compile_udf(function, ROW, {"n": "long"}, "double")["status"] == "ok"


def test_paths_of_flagged_rows_that_are_not_compiled():
    """What such a path returns is unknown, so the function is refused for the call on it."""
    assert codes(compile_udf(lambda n: math.gamma(n) if n * n > 2**63 else 0.5, ROW, {"n": "long"}, "double")) == ["SW251"]
    assert codes(compile_udf(lambda n: round(0.5, n) if n * n > 2**63 else 0.5, ROW, {"n": "long"}, "double")) == ["SW259"]


def test_casts_that_are_not_safe():
    """For [2**31, 0.5] declared int, an unsafe cast converts the first from a double, but from a long when alone."""
    unsafe = {"spark.sql.execution.pandas.convertToArrowArraySafely": "false"}
    assert codes(compile_udf(lambda n: n, 101, {"n": "long"}, "integer", pandas=unsafe)) == ["SW110"]


@pytest.mark.parametrize("eval_type", [100, 101])
def test_lists_as_other_types(eval_type):
    """pyarrow raises for them; the pickled format converts them to NULL or Java's string."""
    for function, code in ((lambda a: a, "SW298"), (lambda a: a if a else "x", "SW298"), (lambda a: [str(a)], "SW293")):
        assert codes(compile_udf(function, eval_type, {"a": "array<double>"}, "string")) == [code]
    assert codes(compile_udf(lambda a: a, eval_type, {"a": "array<double>"}, "double")) == ["SW298"]
    assert codes(compile_udf(lambda a: f"{a}", eval_type, {"a": "array<double>"}, "string")) == ["SW222"]
    compared = compare_with_worker(lambda a, n: str(a), list_batches(pa.float64()), StringType(), ROW, kernel=True)
    assert not compared.refused and compared.decided, compared
    compared = compare_with_worker(lambda a, n: None if a is None else bool(a), list_batches(pa.float64()), BooleanType(), ROW)
    assert not compared.refused and compared.decided
