"""Compares functions of integers with NULLs beside strings with PySpark's worker: since Spark 4.3, they are nullable integers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import BooleanType, DoubleType, IntegerType, LongType, ShortType, StringType, StructField, StructType

from sparkweld.contract.constants import MAP_PANDAS, SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker
from udf_compiler.process.spark_line import LINE

LARGEST = 2**31 - 1
BATCHES = [
    pa.record_batch({
        "age": pa.array([30, None, -1, LARGEST, 0], pa.int32()), "n": pa.array([None, 2, 2**62, -5, 0], pa.int64()),
        "b": pa.array([True, False, True, True, False]), "x": pa.array([1.5, None, float("nan"), -0.0, 2.0]),
        "s": pa.array(["a", None, "", "é", "b"]),
    }),
    pa.record_batch({
        "age": pa.array([30, 4], pa.int32()), "n": pa.array([None, None], pa.int64()), "b": pa.array([True, False]),
        "x": pa.array([0.0, 1.0]), "s": pa.array(["q", "r"]),
    }),
    pa.record_batch({
        "age": pa.array([30, 4], pa.int32()), "n": pa.array([1, 2], pa.int64()), "b": pa.array([True, False]),
        "x": pa.array([0.0, 1.0]), "s": pa.array(["q", "r"]),
    }),
]  # fmt: skip
ALL = {"age": IntegerType(), "n": LongType(), "b": BooleanType(), "x": DoubleType(), "s": StringType()}
SHORT = ShortType()


def struct(**fields):
    return StructType([StructField(name, type) for name, type in fields.items()])


def each(function):
    def of_batches(frames):
        for frame in frames:
            yield function(frame)

    of_batches.__name__ = function.__name__
    return of_batches


def untouched(frame):
    frame["s"] = frame["s"].str.upper()
    return frame


def equal(frame):
    return frame[frame.age == 30]


def both(frame):
    return frame[(frame.age > 0) & (frame["n"] != 2)]


def one_of_both(frame):
    return frame[(frame.age > 0) | ~(frame["n"] >= 2) | frame.b]


def missing_ones(frame):
    return frame[frame["n"].isna() & frame.age.notna()]


def without_missing(frame):
    return frame.dropna(subset=["age"])[["age", "n", "b", "x", "s"]]


def filled(frame):
    return frame.assign(age=frame.age.fillna(0), n=frame["n"].fillna(-1) * 2)


def wraps(frame):
    frame["age"] = frame["age"] * 2
    frame["n"] = 3 - frame["n"] - frame["n"]
    return frame


def as_float(frame):
    frame["x"] = frame["n"].astype("float64") / 2 + frame["x"]
    return frame


def renamed(frame):
    made = frame.rename(columns={"age": "old"})
    made["age"] = made["old"].copy() + 1
    return made[["age", "n", "b", "x", "s"]]


def between(frame):
    return frame[frame.age.between(0, 40)]


@pytest.mark.nightly_cases("without_missing", "between", "one_of_both", "renamed")
@pytest.mark.parametrize("function", [
    untouched, equal, both, one_of_both, missing_ones, without_missing, filled, wraps, as_float, renamed, between,
])  # fmt: skip
def test_nullable_integers(function):
    compared = compare_with_worker(each(function), BATCHES, struct(**ALL), MAP_PANDAS, kernel=True)
    assert not compared.refused and compared.decided >= 2, compared


def flags(frame):
    return pd.DataFrame({"b": frame["n"] > 1, "x": frame["x"]})


def kleene(frame):
    known = frame["n"] > 1
    return pd.DataFrame({"b": (known & frame.b) | (frame.age < 0), "x": frame["x"]})


def with_constants(frame):
    return pd.DataFrame({"b": (frame["n"] > 1) & True | False, "x": frame["x"]})


@pytest.mark.skipif(not LINE.converts_by_arrow, reason="these comparisons have no missing results there")
@pytest.mark.parametrize("function", [flags, kleene, with_constants])
def test_missing_booleans(function):
    compared = compare_with_worker(each(function), BATCHES, struct(b=BooleanType(), x=DoubleType()), MAP_PANDAS, kernel=True)
    assert not compared.refused and compared.decided, compared


@pytest.mark.parametrize("type_", [SHORT, IntegerType(), LongType(), DoubleType()])
def test_other_types_of_results(type_):
    def widened(frame):
        return frame[["n"]]

    compared = compare_with_worker(each(widened), BATCHES, struct(n=type_), MAP_PANDAS, kernel=True)
    assert not compared.refused and compared.decided, compared


def test_a_struct_argument():
    def scored(frame):
        return (frame["age"] + 1).fillna(0)

    batches = [pa.record_batch({"f": pa.StructArray.from_arrays(batch.columns, batch.schema.names)}) for batch in BATCHES]
    compared = compare_with_worker(scored, batches, IntegerType(), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided, compared


def divides(frame):
    return frame.assign(x=frame.age / 2)


def beside_floats(frame):
    return frame.assign(x=frame.age + frame.x)


def reads_the_dtype(frame):
    return frame if frame["n"].dtype == "Int64" else frame[["age", "n", "b", "x", "s"]]


def of_numpy(frame):
    return frame.assign(x=np.sqrt(frame["n"]))


def in_a_choice(frame):
    return frame.assign(x=np.where(frame["age"] > 3, 1.0, 2.0))


def of_single_values(frame):
    return frame.assign(x=frame["age"].apply(lambda a: 1.0 if a is pd.NA else a * 2.0))


def beside_a_float(frame):
    return frame[frame.age > 2.5]


def of_strings(frame):
    return frame.assign(s=frame["age"].astype(str))


def too_large(frame):
    return frame.assign(age=frame["age"] + 2**40)


@pytest.mark.skipif(not LINE.converts_by_arrow, reason="the columns are floats there")
@pytest.mark.parametrize(("function", "code"), [
    (divides, "SW273"), (beside_floats, "SW262"), (reads_the_dtype, "SW273"), (of_numpy, "SW273"), (in_a_choice, "SW273"),
    (of_single_values, "SW273"), (beside_a_float, "SW262"), (of_strings, "SW254"), (too_large, "SW262"),
])  # fmt: skip
def test_refused(function, code):
    assert compare_with_worker(each(function), BATCHES[:1], struct(**ALL), MAP_PANDAS).refused == code
