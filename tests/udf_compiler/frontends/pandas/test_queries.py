"""Compares DataFrame.query with PySpark's worker."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql.types import BooleanType, DoubleType, LongType, StringType, StructField, StructType

from sparkweld.contract.constants import MAP_PANDAS
from tests.helpers.compiled import compare_with_worker
from tests.helpers.groups import compare_groups

STRING, DOUBLE, LONG = StringType(), DoubleType(), LongType()
ROWS = StructType([StructField("s", STRING), StructField("x", DOUBLE), StructField("n", LONG), StructField("ok", BooleanType())])


def batch(s, x, n, ok):
    types = (pa.string(), pa.float64(), pa.int64(), pa.bool_())
    return pa.record_batch({k: pa.array(v, t) for k, v, t in zip(("s", "x", "n", "ok"), (s, x, n, ok), types, strict=True)})


BATCHES = [
    batch(
        ["a", "b", None, "é", ""], [1.5, float("nan"), None, -0.0, float("inf")], [1, 2, 2**53 + 1, -4, 0],
        [True, False, True, False, True],
    ),
    batch(["a", "b"], [0.0, 2.0], [5, 3], [False, False]),
    batch([], [], [], []),
]  # fmt: skip
QUERIES = [
    "n > 0 and x > 1", "(n > 0) & (x > 1) | (s == 'a')", "n > 0 & x < 2", "not n > 0", "~(n > 0)", "ok", "not ok and n >= 0",
    "s == 'a'", "'a' == s", "s != 'a'", "s > 'a'", "s in ['a', 'é']", "s not in ['a', '']", "n in (1, -4)", "n not in [1]",
    "-5 < n <= 2.5", "x < n", "s == 1", "ok == True", "x != x", "s == \"é\" or x in [2.0]", "n == 9007199254740993",
    "x > -1 and (n < 3 or ok)",
]  # fmt: skip
REFUSED = [
    "n", "n + 1 > 2", "abs(n) > 1", "s > 1", "n == 'a'", "1 < 2", "n > @k", "`n` > 1", "n == [1, 2]", "s > n", "n >", "index > 1",
    "s.str.len() > 1", "n = 1",
]  # fmt: skip


def _function(text):
    def kept(frames):
        for df in frames:
            yield df.query(text).assign(x=lambda d: d["x"] + 1)

    return kept


@pytest.mark.parametrize("text", QUERIES)
def test_queries(text):
    compared = compare_with_worker(_function(text), BATCHES, ROWS, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 3, 0), compared


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text):
    code = {"index > 1": "SW252", "s > 1": "SW270"}.get(text, "SW262")
    assert compare_with_worker(_function(text), BATCHES[:1], ROWS, MAP_PANDAS).refused == code


def narrow(frames):
    for df in frames:
        yield df.query("x > 0.1")


def test_a_column_of_float32_is_refused():
    """pandas rounds the constant to float32."""
    given = pa.record_batch({"x": pa.array([0.1, 1.0], pa.float32())})
    assert compare_with_worker(narrow, [given], StructType([StructField("x", DOUBLE)]), MAP_PANDAS).refused == "SW262"


def of_group(df):
    kept = df.query("n > 0 and s != 'b'").reset_index(drop=True)
    return kept.assign(x=kept["n"].cumsum().astype(float))


def test_groups():
    found = compare_groups(of_group, BATCHES[:2], ROWS, ["n"])
    assert (found.refused, found.decided) == (None, 2), found.reason
