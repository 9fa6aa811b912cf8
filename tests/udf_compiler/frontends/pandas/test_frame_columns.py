"""Compares methods that treat each column of a DataFrame as a Series with PySpark's worker, and joined named Series."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas.api.types import is_integer_dtype
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from sparkweld.contract.constants import MAP_PANDAS, SCALAR_PANDAS, SCALAR_PANDAS_ITERATOR
from tests.helpers.compiled import compare_with_worker

NAN, INF = float("nan"), float("inf")
A = [1.0, 7.555, None, INF, NAN, -INF, -0.0, 2.5, 1e300]
B = [1, 2**60 + 1, 3, -15, 5, -1, 0, 25, 35]
T = ["1.5", "x", None, "", "inf", " 2 ", "nan", "1e3", "-0"]
ROWS = StructType([StructField("a", DoubleType()), StructField("b", LongType()), StructField("t", StringType())])


def _batch(rows):
    columns = {"a": pa.array(A, pa.float64()), "b": pa.array(B, pa.int64()), "t": pa.array(T, pa.string())}
    return pa.record_batch({name: column.take(pa.array(rows)) for name, column in columns.items()})


BATCHES = [_batch([*range(9)]), _batch([0]), _batch([1, 7]), _batch([2, 4]), _batch([3, 5, 8])]


def over_frames(change):
    """Returns the function of an iterator of frames that applies `change` to each."""

    def function(frames):
        for frame in frames:
            yield change(frame)

    return function


def _replaces(frame):
    frame[["a", "b"]] = frame[["a", "b"]].replace([np.inf, -np.inf], np.nan)
    return frame


def _replaces_by_a_dict(frame):
    frame[["a"]] = frame[["a"]].replace({1.0: 2.0, np.nan: 0.0})
    return frame


def _fills_and_casts(frame):
    frame[["a"]] = frame[["a"]].fillna(0).astype(float)
    return frame


def _rounds(frame):
    return frame.round(1)


def _rounds_some(frame):
    return frame.round({"a": 0, "nothing": 2})


def _gets(frame):
    frame["a"] = frame.get("a").fillna(frame.get("z", 0)) + frame.get("z", default=1)
    return frame.get(["a", "b", "t"])


def _gets_nothing(frame):
    return frame if frame.get(["a", "z"]) is None else frame[["a"]]


def _drops(frame):
    return frame.dropna(axis=0)


def _drops_in_place(frame):
    frame.dropna(axis="index", subset=["t"], inplace=True)
    return frame


def _applies_to_columns(frame):
    frame[["a", "b"]] = frame[["a", "b"]].apply(pd.to_numeric, errors="coerce")
    frame[["a"]] = frame[["a"]].apply(lambda column, by: column.where(column > 0, by), args=(2.5,))
    return frame


def _applies_a_ufunc(frame):
    frame[["a"]] = frame[["a"]].apply(np.sqrt)
    return frame


def _asks_for_dtypes(frame):
    for name in frame.columns:
        if pd.api.types.is_numeric_dtype(frame[name]):
            frame[name] = frame[name].fillna(0) * (2 if is_integer_dtype(frame[name].dtype) else 4)
        elif not pd.api.types.is_bool_dtype(frame[name]):
            frame[name] = frame[name].str.upper()
    return frame


CHANGES = [_replaces, _replaces_by_a_dict, _fills_and_casts, _rounds, _rounds_some, _gets, _gets_nothing, _drops, _drops_in_place,
           _applies_to_columns, _applies_a_ufunc, _asks_for_dtypes]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_methods_of_a_frame(change):
    compared = compare_with_worker(over_frames(change), BATCHES, ROWS, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", len(BATCHES), 0)


def test_strings_become_numbers_in_all_columns():
    def parse(frame):
        made = frame[["t"]].apply(pd.to_numeric, errors="coerce")
        frame["a"] = made["t"] * 2.0
        return frame

    compared = compare_with_worker(over_frames(parse), BATCHES, ROWS, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided) == ("", len(BATCHES))


def test_dtypes_of_frames():
    def cast(frame):
        made = frame[["a", "b"]].fillna(0.5).astype(np.float32)
        more = frame[["a", "b"]].astype({"b": "float64"})
        return pd.DataFrame({"a": made["a"].astype("float64") + more["b"], "b": frame["b"], "t": frame["t"]})

    def cut(frame):
        frame["b"] = frame[["a"]].astype("int64")["a"]  # raises for NaN and infinity
        return frame

    compared = compare_with_worker(over_frames(cast), BATCHES, ROWS, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided) == ("", len(BATCHES))
    compared = compare_with_worker(over_frames(cut), BATCHES, ROWS, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.flagged, compared.raised) == ("", 3, 3)


def _joins(frame):
    half = pd.Series(frame["a"].values / 2, name="half")
    return pd.concat([frame, half, frame["b"].rename("again")], axis=1)


def test_named_series_beside_a_frame():
    returns = StructType([*ROWS, StructField("half", DoubleType()), StructField("again", LongType())])
    compared = compare_with_worker(over_frames(_joins), BATCHES, returns, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided) == ("", len(BATCHES))

    def of_series(frame):
        return pd.concat([pd.Series(frame["a"].values, name="a"), frame["b"].rename("b"), frame["t"].rename("t")], axis=1)

    assert compare_with_worker(over_frames(of_series), BATCHES, ROWS, MAP_PANDAS).refused == "SW364"

    def of_numbers(frame):
        made = pd.concat([pd.Series(frame["a"].values, name="a"), frame["b"].rename("b")], axis=1)
        made["t"] = frame["t"]
        return made

    compared = compare_with_worker(over_frames(of_numbers), BATCHES, ROWS, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided) == ("", len(BATCHES))


def _joins_a_dict(frame):
    return pd.concat({"t": frame["t"], "b": frame["b"] * 2, "a": frame["a"].rename("z")}, axis=1)


def _joins_a_part_of_a_dict(frame):
    return pd.concat({"a": frame["a"], "b": frame["b"], "t": frame["t"]}, axis=1, keys=["a", "b", "t"])


def _joins_a_dict_of_frames(frame):
    return pd.concat({"p": frame, "q": frame}, axis=1)


def test_a_dict_of_series():
    compared = compare_with_worker(over_frames(_joins_a_dict), BATCHES, ROWS, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided) == ("", len(BATCHES)), compared
    for function in (_joins_a_part_of_a_dict, _joins_a_dict_of_frames):
        assert compare_with_worker(over_frames(function), BATCHES, ROWS, MAP_PANDAS).refused == "SW262"


def _joins_without_a_name(frame):
    return pd.concat([frame, frame["b"].rename("c") * 2], axis=1)


def _joins_after_a_filter(frame):
    kept = frame[frame["b"] > 0]
    return pd.concat([kept, pd.Series(kept["a"].values, name="c")], axis=1)


def _joins_other_rows(frame):
    return pd.concat([frame[frame["b"] > 0], frame["b"].rename("c")], axis=1)


def _joins_one_name_twice(frame):
    return pd.concat([frame, frame["b"].rename("a")], axis=1)


def _replaces_integers(frame):
    frame[["b"]] = frame[["b"]].replace(0, np.nan)
    return frame


def _replaces_strings(frame):
    return frame.replace(np.nan, 0)


def _casts_an_unknown_column(frame):
    return frame.astype({"z": float})


def _casts_softly(frame):
    return frame.astype(float, errors="ignore")


def _rounds_by_a_series(frame):
    return frame.round(frame["b"])


def _drops_columns(frame):
    return frame.dropna(axis=1)


def _reduces_columns(frame):
    return frame[["a"]].apply(lambda column: column.max())


def _changes_dtypes_of_kept_rows(frame):
    kept = frame[frame["b"] > 100]
    made = kept[["b"]].apply(lambda column: column > 0)  # pandas calls it for no column where no row is kept
    kept["b"] = (~made["b"]).astype("int64")
    return kept


def _asks_for_strings(frame):
    return frame if pd.api.types.is_string_dtype(frame["t"]) else frame[["a"]]


def _raw_columns(frame):
    return frame[["a", "b"]].apply(lambda column: column, raw=True)


REFUSED = {
    _joins_without_a_name: "SW262", _joins_after_a_filter: "SW250", _joins_other_rows: "SW262", _joins_one_name_twice: "SW262",
    _replaces_integers: "SW255", _replaces_strings: "SW262", _casts_an_unknown_column: "SW252", _casts_softly: "SW262",
    _rounds_by_a_series: "SW262", _drops_columns: "SW250", _reduces_columns: "SW250", _changes_dtypes_of_kept_rows: "SW262",
    _raw_columns: "SW250", _asks_for_strings: "SW263",
}  # fmt: skip


@pytest.mark.parametrize("change", REFUSED)
def test_what_is_refused(change):
    assert compare_with_worker(over_frames(change), BATCHES[1:3], ROWS, MAP_PANDAS).refused == REFUSED[change]


def _structs(batches):
    return [pa.RecordBatch.from_arrays([pa.StructArray.from_arrays(b.columns, fields=list(b.schema))], ["s"]) for b in batches]


def test_frames_of_an_iterator_are_the_functions_own():
    def renames(frames: Iterator[pd.DataFrame]) -> Iterator[pd.Series]:
        for frame in frames:
            frame.columns = ["x", "y", "z"]
            frame["x"] = frame["x"].fillna(0)
            frame.loc[frame["y"] > 2, "x"] = -1.0
            del frame["z"]
            yield frame["x"] + frame["y"]

    compared = compare_with_worker(renames, _structs(BATCHES), DoubleType(), SCALAR_PANDAS_ITERATOR, kernel=True)
    assert (compared.refused, compared.decided) == ("", len(BATCHES))

    def alone(frame: pd.DataFrame) -> pd.Series:  # other functions of the node may receive the same frame
        frame.columns = ["x", "y", "z"]
        return frame["x"] + frame["y"]

    assert compare_with_worker(alone, _structs(BATCHES), DoubleType(), SCALAR_PANDAS).refused == "SW256"
