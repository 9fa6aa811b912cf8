"""Compares everyday pandas code with PySpark's worker: new columns of frames, assignments by masks, emptiness guards."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from sparkweld.contract.constants import MAP_PANDAS, SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker

NAN = float("nan")
BATCHES = [
    pa.record_batch({"a": pa.array([1.0, 7.5, None, 3.0, NAN, 2.0, -0.0]), "b": pa.array([1, 2, 3, 4, 5, -1, 0], pa.int64())}),
    pa.record_batch({"a": pa.array([9.0, 7.5]), "b": pa.array([1, 2], pa.int64())}),
    pa.record_batch({"a": pa.array([0.5, -7.5]), "b": pa.array([10, 20], pa.int64())}),
]
ROWS = StructType([StructField("a", DoubleType()), StructField("b", LongType())])


def adds_by_masks(a, b):
    risk = pd.Series(0.1, index=a.index)
    risk[a > 5] += 0.35
    risk[b.isin([1, 2])] += 0.6
    risk[(a > 1) & (b < 3)] *= risk[(a > 1) & (b < 3)]
    return risk.clip(0, 1.0)


def computes_with_kept_elements(a, b):
    made = a.copy()
    small = a < 2
    made[small] = -(made[small] / 3 + 1)
    made[~small] -= a[~small]
    return made


def guards_emptiness(a, b):
    if len(a) == 0 or b.empty or not len(b) or a.size < 1 or a.shape[0] <= 0:
        return a
    return a * 2


def renames_joined_columns(a, b):
    frame = pd.concat([a, b], axis=1)
    frame.columns = ["x", "y"]
    frame["z"] = frame["x"] + frame["y"]
    chosen = frame[["z", "x"]]
    chosen["t"] = "text"
    chosen["z"] = chosen["z"] * chosen["t"].str.len()
    return chosen["z"] if frame.shape[1] == 3 and len(frame) > 0 else frame["x"]


def adds_columns(a, b):
    frame = pd.DataFrame({"a": a, "b": b})
    frame["c"] = 2.0
    other = frame.drop(columns=["b"])
    other["d"] = frame["a"] - 1
    return other["a"] * frame["c"] + other["d"]


def returns_a_series_of_an_apply(a, b):
    return pd.Series(a.apply(lambda x: 1 if x > 2 else 0.5))


@pytest.mark.parametrize("function", [adds_by_masks, computes_with_kept_elements, guards_emptiness, renames_joined_columns,
                                      adds_columns, returns_a_series_of_an_apply])  # fmt: skip
def test_series(function):
    compared = compare_with_worker(function, BATCHES, DoubleType(), SCALAR_PANDAS, kernel=True)
    assert (compared.refused, compared.decided) == ("", 3)


def test_frames_of_a_map():
    def add(frames):
        for frame in frames:
            if frame.empty:
                continue
            frame["source"] = "shop"
            frame["z"] = frame["a"].values * frame["b"].values
            yield frame

    returns = StructType([*ROWS, StructField("source", StringType()), StructField("z", DoubleType())])
    compared = compare_with_worker(add, BATCHES, returns, MAP_PANDAS)
    assert (compared.refused, compared.decided) == ("", 3)


def test_arrays_of_a_frame_in_another_dtype():
    def halves(frames):
        for frame in frames:
            narrow = frame[["a"]].fillna(0).to_numpy(dtype=np.float32)
            frame["a"] = narrow[:, 0].astype(np.float64) / 2
            yield frame

    compared = compare_with_worker(halves, BATCHES, ROWS, MAP_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == len(BATCHES), compared

    def of_two_dtypes(frames):
        for frame in frames:
            frame["a"] = frame.to_numpy(dtype="float32")[:, 0]
            yield frame

    def of_integers(frames):
        for frame in frames:
            frame["a"] = frame.to_numpy(dtype="int64")[:, 0]
            yield frame

    compared = compare_with_worker(of_two_dtypes, BATCHES, ROWS, MAP_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == len(BATCHES), compared
    assert compare_with_worker(of_integers, BATCHES[1:], ROWS, MAP_PANDAS).refused == "SW262"


def test_several_new_columns_of_a_map():
    def score(frames):
        for frame in frames:
            made = frame.copy()
            made[["a", "b"]] = made[["a", "b"]].values / 4
            made[["p", "q"]] = np.column_stack([made["b"], made["a"]])
            made[["u", "v"]] = frame[["b", "a"]]
            made[["k", "l"]] = 2.5
            made["s"] = np.where(made["b"] > 1, "large", "small")
            yield made

    names = {"a": DoubleType, "b": DoubleType, "p": DoubleType, "q": DoubleType, "u": LongType, "v": DoubleType, "k": DoubleType,
             "l": DoubleType, "s": StringType}  # fmt: skip
    returns = StructType([StructField(name, type()) for name, type in names.items()])
    compared = compare_with_worker(score, BATCHES, returns, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided) == ("", 3)


def _filtered(frames):
    for frame in frames:
        kept = frame[frame["a"] > 1]
        if kept.empty:
            kept = frame
        yield kept


def test_rows_that_a_filter_keeps_may_be_none():
    assert compare_with_worker(_filtered, BATCHES, ROWS, MAP_PANDAS).refused == "SW250"


def _integers(a, b):
    made = b.copy()
    made[b > 1] -= 3  # pandas computes with float64 where only some rows are kept
    return made


def _other_mask(a, b):
    made = a.copy()
    made[a > 1] = made[a > 2] + 1
    return made


def _reduced(a, b):
    return a - a[a > 1].mean()


def _count(a, b):
    return a / len(a)


def _doubled(a, b):
    return pd.DataFrame({"a": a, "b": b})[["a", "a"]].sum(axis=1)


def _other_width(a, b):
    frame = pd.DataFrame({"a": a, "b": b})
    frame[["a", "b"]] = np.column_stack([a, b, a])
    return frame["a"]


def _listed_values(a, b):
    frame = pd.DataFrame({"a": a, "b": b})
    frame[["a", "b"]] = [1.0, 2.0]
    return frame["a"]


REFUSED = {_other_width: "SW252", _listed_values: "SW262", _integers: "SW255", _other_mask: "SW250", _reduced: "SW250",
           _count: "SW250", _doubled: "SW262"}  # fmt: skip


@pytest.mark.parametrize("function", REFUSED)
def test_what_is_refused(function):
    assert compare_with_worker(function, BATCHES, DoubleType(), SCALAR_PANDAS).refused == REFUSED[function]


def test_an_argument_keeps_its_columns():
    def function(frame: pd.DataFrame) -> pd.Series:
        frame.columns = ["x", "y"]
        return frame["x"]

    whole = pa.StructArray.from_arrays(BATCHES[1].columns, fields=list(BATCHES[1].schema))
    compared = compare_with_worker(function, [pa.RecordBatch.from_arrays([whole], ["s"])], DoubleType(), SCALAR_PANDAS)
    assert compared.refused == "SW256"


def test_columns_that_are_set_as_attributes():
    def add(frames):
        for frame in frames:
            frame.a = frame.a + 1
            frame.b = frame.a.fillna(0).astype("int64") if len(frame) else frame.b
            yield frame

    def of_another_name(frames):
        for frame in frames:
            frame.c = frame.a + 1  # an attribute, which is not a column
            yield frame

    def of_a_method(frames):
        for frame in frames:
            frame = frame.rename(columns={"a": "size"})
            frame.size = 1
            yield frame.rename(columns={"size": "a"})

    assert compare_with_worker(add, BATCHES, ROWS, MAP_PANDAS, kernel=True).decided == 3
    for function in (of_another_name, of_a_method):
        assert compare_with_worker(function, BATCHES, ROWS, MAP_PANDAS).refused == "SW256"
