"""Compares frames that a function makes of the lists of a loop over rows with PySpark's worker."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from sparkweld.contract.constants import MAP_PANDAS, SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker

BATCHES = [
    pa.record_batch({
        "a": pa.array([1.5, 250.0, -3.0, -0.0, 1e9]), "n": pa.array([4, 0, -2, 2**60, 7], pa.int64()),
        "s": pa.array(["wood 1", "", "light x", "é", "wood"]),
    }),
    pa.record_batch({"a": pa.array([None, 8.0]), "n": pa.array([5, 6], pa.int64()), "s": pa.array(["7", "light"])}),
]  # fmt: skip
NUMBERS, STRINGS, INTEGERS = DoubleType(), StringType(), LongType()


def struct(**fields):
    return StructType([StructField(name, type) for name, type in fields.items()])


def several_lists(frames):
    for frame in frames:
        numbers, words = [], []
        for row in frame.itertuples():
            numbers.append(int(row.n))
            words.append(len(row.s.split()))
        yield pd.DataFrame({"n": numbers, "words": words})


def lists_of_their_own(frames):
    for frame in frames:
        doubled = []
        first = []
        for x, text in zip(frame["a"], frame["s"]):  # noqa: B905 - as people write it
            doubled.append(x * 2)
            if text:
                first.append(text[0])
            else:
                first.append("-")
        frame["doubled"] = doubled
        frame["first"] = first
        yield frame[["doubled", "first"]]


def rows_as_dicts(frames):
    for frame in frames:
        rows = []
        for text in frame["s"]:
            rows.append({"size": len(text), "upper": text.upper()})
        yield pd.DataFrame(rows)


def features(text):
    return {"digits": sum(c.isdigit() for c in text) / max(len(text), 1), "size": len(text)}


def rows_beside_the_frame(frames):
    for frame in frames:
        results = []
        for text in frame["s"]:
            made = features(text)
            results.append(made)
        yield pd.concat([frame.reset_index(drop=True), pd.DataFrame(results)], axis=1)


def some_columns_of_a_comprehension(frames):
    for frame in frames:
        yield pd.DataFrame([{"x": x, "y": 1.0, "t": t} for x, t in zip(frame.a, frame.s, strict=True)], columns=["t", "x"])


@pytest.mark.parametrize(("function", "returns"), [
    (several_lists, struct(n=INTEGERS, words=INTEGERS)), (lists_of_their_own, struct(doubled=NUMBERS, first=STRINGS)),
    (rows_as_dicts, struct(size=INTEGERS, upper=STRINGS)),
    (rows_beside_the_frame, struct(a=NUMBERS, n=INTEGERS, s=STRINGS, digits=NUMBERS, size=INTEGERS)),
    (some_columns_of_a_comprehension, struct(t=STRINGS, x=NUMBERS)),
])  # fmt: skip
def test_frames_of_lists(function, returns):
    compared = compare_with_worker(function, BATCHES, returns, MAP_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == len(BATCHES), compared


def test_each_column_has_the_dtype_of_its_values():
    """pandas infers NumPy's narrow dtypes."""

    def narrow(a, n, s):
        rows = []
        for x in a.to_numpy(dtype=np.float32):
            rows.append({"x": x * x})
        return pd.DataFrame(rows)["x"]

    compared = compare_with_worker(narrow, BATCHES, NUMBERS, SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == len(BATCHES), compared


def other_keys(frames):
    for frame in frames:
        yield pd.DataFrame([{"x": x, "y": 1.0} if x > 2 else {"x": x} for x in frame["a"]])


def another_order(frames):
    for frame in frames:
        yield pd.DataFrame([{"x": x, "y": 1.0} if x > 2 else {"y": 1.0, "x": x} for x in frame["a"]])


def another_length(frames):
    for frame in frames:
        yield pd.DataFrame([(x, 1.0) if x > 2 else (x,) for x in frame["a"]], columns=["x", "y"])


def other_columns(frames):
    for frame in frames:
        yield pd.DataFrame([{"x": x} for x in frame["a"]], columns=["x", "y"])


def one_list_with_two_names(frames):
    for frame in frames:
        x = y = []
        for value in frame["a"]:
            x.append(value)
            y.append(value)
        yield pd.DataFrame({"x": x})


def a_list_that_skips_rows(frames):
    for frame in frames:
        x, y = [], []
        for value in frame["a"]:
            x.append(value)
            if value > 0:
                y.append(value)
        yield pd.DataFrame({"x": x, "y": y})


def a_list_for_the_size(frames):
    for frame in frames:
        x, y = [], []
        for value in frame["a"]:
            x.append(value)
            y.append(value * len(x))
        yield pd.DataFrame({"x": x, "y": y})


def a_list_that_no_call_takes(frames):
    for frame in frames:
        x, y = [], []
        for value in frame["a"]:
            x.append(value)
            y.append(value)
        yield pd.DataFrame({"x": x, "y": x})


def a_second_loop_before_the_call(frames):
    for frame in frames:
        x, y, z = [], [], []
        for value in frame["a"]:
            x.append(value)
            y.append(value)
        for value in frame["a"]:
            z.append(value)
        yield pd.DataFrame({"x": x, "y": z})


@pytest.mark.parametrize(("function", "code"), [
    (other_keys, "SW262"), (another_order, "SW262"), (another_length, "SW262"), (other_columns, "SW262"),
    (one_list_with_two_names, "SW600"), (a_list_that_skips_rows, "SW600"), (a_list_for_the_size, "SW600"),
    (a_list_that_no_call_takes, "SW600"), (a_second_loop_before_the_call, "SW600"),
])  # fmt: skip
def test_refused_frames(function, code):
    assert compare_with_worker(function, BATCHES, struct(x=NUMBERS, y=NUMBERS), MAP_PANDAS).refused == code


def jaccard(o, v, w, k):
    def similarity(a, b):
        a, b = set(a), set(b)
        if not a and not b:
            return 0.0
        return float(len(a & b)) / len(a | b)

    frame = pd.DataFrame({"left": o, "right": v})
    return frame.apply(lambda row: similarity(row["left"], row["right"]), axis=1)


def sums_of_arrays(o, v, w, k):
    return pd.DataFrame({"w": w, "k": k}).apply(lambda row: row.w.sum() * row["k"] if row.w is not None else -1.0, axis=1)


ARRAYS = [
    pa.record_batch({
        "o": [["a", "b"], ["c"], [], ["x", "x"]], "v": pa.array([["a"], ["c", "d"], [], ["y"]]),
        "w": pa.array([[1.0, 2.0], [], [3.0], [4.0]]), "k": pa.array([1, 2, 3, 4], pa.int32()),
    }),
    pa.record_batch({
        "o": pa.array([["a"], None]), "v": pa.array([["a"], ["b"]]), "w": pa.array([[1.0, None], None]),
        "k": pa.array([1, None], pa.int32()),
    }),
]  # fmt: skip


@pytest.mark.parametrize(("function", "decided", "raised"), [(jaccard, 1, 1), (sums_of_arrays, 2, 0)])
def test_rows_with_arrays(function, decided, raised):
    compared = compare_with_worker(function, ARRAYS, DoubleType(), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and (compared.decided, compared.raised) == (decided, raised), compared
