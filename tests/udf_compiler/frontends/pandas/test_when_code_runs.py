"""Compares code that runs later than a reader expects, and rows whose labels a filter has left, with PySpark's worker."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from sparkweld.contract.constants import MAP_PANDAS, SCALAR_PANDAS_ITERATOR
from tests.helpers.compiled import compare_with_worker

FRAME = StructType([StructField("a", DoubleType()), StructField("n", LongType()), StructField("t", StringType())])
BATCHES = [pa.record_batch({
    "a": pa.array(a, pa.float64()), "n": pa.array([1, 123_457, 3][: len(a)], pa.int64()),
    "t": pa.array(["x", "y", "z"][: len(a)]),
}) for a in ([1.0, 7777.125, 3.0], [5.0])]  # fmt: skip


def after_a_yield(frames):
    for frame in frames:
        yield frame
        frame["a"] = 0.0


def part_after_a_yield(frames):
    for frame in frames:
        yield frame
        frame.loc[frame.a > 1, "a"] = 0.0


def column_after_a_yield(frames):
    for frame in frames:
        made = frame.copy()
        yield made
        made["t"] = "k"


def at_the_end(frames):
    for frame in frames:
        try:
            yield frame
        finally:
            frame["a"] = 9.0


def map_of_a_part(frames):
    for frame in frames:
        part = frame[frame.a != 7777.125]
        yield part.assign(a=pd.Series(map(lambda x: x * 2, part.a)))  # noqa: C417


def list_of_a_part(frames):
    for frame in frames:
        part = frame[frame.a != 7777.125]
        yield part.assign(a=pd.Series(part.a.tolist()))


def strings_of_a_part(frames):
    for frame in frames:
        part = frame[frame.a != 7777.125]
        yield part.assign(t=pd.Series(part.t.values))


def rows_that_change(frames):
    for frame in frames:
        rows = frame.iterrows()
        frame["a"] = frame["a"].where(frame["n"] < 9999, 7.0)
        yield pd.DataFrame({"a": [row.a for _, row in rows], "n": frame.n, "t": frame.t})


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (after_a_yield, "SW360"), (part_after_a_yield, "SW360"), (column_after_a_yield, "SW360"), (at_the_end, "SW360"),
        (map_of_a_part, "SW250"), (list_of_a_part, "SW250"), (strings_of_a_part, "SW250"), (rows_that_change, "SW256"),
    ],
)  # fmt: skip
def test_frames(function, code):
    """Kernels of them returned other rows than the worker."""
    compared = compare_with_worker(function, BATCHES, FRAME, MAP_PANDAS)
    assert compared.refused == code, compared


def test_series_after_a_yield():
    def changed(columns):
        for v in columns:
            w = v * 2
            yield w
            w += 1

    batches = [pa.record_batch({"a": pa.array([1.0, 3.0])}), pa.record_batch({"a": pa.array([5.0])})]
    assert compare_with_worker(changed, batches, DoubleType(), SCALAR_PANDAS_ITERATOR).refused == "SW360"


def rare(x):
    return x > 99_999 and x % 1000 == 457 and x % 77 == 26


def list_before_a_change(n):
    k = 2
    made = list(map(lambda x: x * k if rare(x) else 0, n))  # noqa: C417
    k = 5
    return pd.Series(made)


def bools_of_rows(n):
    frame = pd.DataFrame({"n": n, "b": n > 0})
    out = []
    for i in range(len(n)):
        row = frame.iloc[i]
        out.append(float(row["b"] + row["b"]) if rare(n[i]) else 0.0)
    return pd.Series(out)


def test_values_of_rare_rows():
    batch = pa.record_batch({"n": pa.array([1, 123_457, 8], pa.int64())})
    compared = compare_with_worker(list_before_a_change, [batch], LongType(), kernel=True)
    assert not compared.refused and compared.decided == 1, compared
    assert compare_with_worker(bools_of_rows, [batch], DoubleType()).refused == "SW250"


def test_missing_strings_of_a_list():
    batch = pa.record_batch({"s": pa.array(["a", "zq9", None])})
    kept = lambda s: pd.Series([None if x == "zq9" else "k" for x in s.fillna("")], dtype="str")  # noqa: E731
    assert compare_with_worker(kept, [batch], StringType()).refused == "SW262"
