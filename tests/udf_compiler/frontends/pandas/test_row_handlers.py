"""Compares handlers of exceptions in loops over rows with PySpark's worker: such a handler sees the exceptions of its own row."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import BooleanType, DoubleType, LongType, StringType, StructField, StructType

from sparkweld.contract.constants import MAP_PANDAS, SCALAR_PANDAS, SCALAR_PANDAS_ITERATOR
from tests.helpers.compiled import compare_with_worker

BATCHES = [
    pa.record_batch({"x": pa.array([1.5, -2.0, 0.0]), "s": pa.array(["1", "22", "-3"])}),
    pa.record_batch({"x": pa.array([8.0, float("inf"), 1.0]), "s": pa.array(["7", "no number", "9,4"])}),
    pa.record_batch({"x": pa.array([None, 3.0, 4.0, float("nan")]), "s": pa.array([None, "", "5", "1_0"])}),
    pa.record_batch({"x": pa.array([None], pa.float64()), "s": pa.array([None], pa.string())}),
]


def struct(**fields):
    return StructType([StructField(name, type) for name, type in fields.items()])


def parsed(frames):
    for frame in frames:
        rows = []
        for _, row in frame.iterrows():
            try:
                parts = row["s"].split(",")
                if len(parts) > 1:
                    raise ValueError("too many parts")
                rows.append({"n": int(parts[0]), "problem": None})
            except Exception as e:  # noqa: BLE001 - as people write it
                rows.append({"n": None, "problem": str(e)[:500]})
        yield pd.DataFrame(rows)


def by_kind_of_error(frames):
    for frame in frames:
        numbers, problems = [], []
        for row in frame.itertuples():
            problem = None
            try:
                n = int(row.s)
            except ValueError:
                n, problem = -1, "no number"
            except TypeError:
                n, problem = None, "missing"
            finally:
                size = len(row.s or "")
            numbers.append(n)
            problems.append(f"{problem}, {size}" if problem else None)
        frame["n"] = numbers
        frame["problem"] = problems
        yield frame[["n", "problem"]]


def in_a_helper(frames):
    def converted(texts):
        made = []
        for text in texts:
            try:
                made.append(int(text))
            except (TypeError, ValueError):
                made.append(0)
        return pd.Series(made)

    for frame in frames:
        yield frame.assign(n=converted(frame["s"]), problem=frame["s"])[["problem", "n"]]


@pytest.mark.each_value_once
@pytest.mark.parametrize("function", [parsed, by_kind_of_error, in_a_helper])
@pytest.mark.parametrize("type", [LongType(), DoubleType()])
def test_handlers_in_loops_over_rows(function, type):
    compared = compare_with_worker(function, BATCHES, struct(n=type, problem=StringType()), MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided, compared.raised) == ("", len(BATCHES), 0), compared


def of_each_row(x, s):
    made = []
    for a, text in zip(x, s):  # noqa: B905 - as people write it
        try:
            if pd.isnull(a):
                made.append(-1.0)
                continue
            made.append(a / float(text))
        except Exception:  # noqa: BLE001
            made.append(0.0)
    return pd.Series(made)


def test_handlers_in_scalar_functions():
    compared = compare_with_worker(of_each_row, BATCHES, DoubleType(), SCALAR_PANDAS, kernel=True)
    assert (compared.refused, compared.decided, compared.raised) == ("", len(BATCHES), 0), compared


LIMITS = {"1": (1.5, 2.5), "22": (0.5, 4.0)}


def reads_a_captured_dict(x, s):
    """A captured object that no handler changes is read on branches that the trace has not taken."""
    limits = LIMITS
    made = []
    for text in s:
        try:
            low, high = limits[text]
            made.append(high - low)
        except KeyError:
            made.append(0.0)
    return pd.Series(made, dtype="float64")


def test_captured_data_in_a_loop_with_a_handler():
    compared = compare_with_worker(reads_a_captured_dict, BATCHES, DoubleType(), SCALAR_PANDAS)
    assert (compared.refused, compared.decided) == ("", len(BATCHES)), compared


def around_the_loop(frames):
    for frame in frames:
        made = []
        try:
            for text in frame["s"]:
                made.append(int(text))
            frame["n"] = made
        except ValueError:
            frame["n"] = 0
        yield frame[["n"]]


def around_columns_in_a_loop_over_columns(frames):
    for frame in frames:
        for name in ("x", "s"):
            try:
                frame[name] = frame[name].astype("int64")
            except ValueError:
                frame[name] = 0
        yield pd.DataFrame({"n": frame["x"] + frame["s"]})


def of_rows_and_of_columns(frames):
    """One loop iterates over rows, and then over columns."""

    def converted(items):
        made = []
        for x in items:
            try:
                made.append(x * 2)
            except TypeError:
                made.append(x)
        return pd.Series(made) if len(made) != 2 else made[0] + made[1]

    for frame in frames:
        yield pd.DataFrame({"n": converted(frame["x"]) + converted([frame["x"], frame["x"].astype("int64")])})


@pytest.mark.parametrize(
    ("function", "codes"),
    [
        (around_the_loop, ("SW600", "SW213")), (around_columns_in_a_loop_over_columns, ("SW213",)),
        (of_rows_and_of_columns, ("SW213", "SW600")),
    ],
)  # fmt: skip
def test_handlers_around_columns_are_refused(function, codes):
    assert compare_with_worker(function, BATCHES, struct(n=LongType()), MAP_PANDAS).refused in codes


def a_loop_inside_a_handler(batches):
    for s in batches:
        made = []
        try:
            for text in s:
                try:
                    made.append(int(text))
                except ValueError:
                    made.append(0)
            yield pd.Series(made)
        except TypeError:
            yield s.str.len()


def test_the_outer_one_of_two_handlers():
    batches = [batch.select(["s"]) for batch in BATCHES]
    assert compare_with_worker(a_loop_inside_a_handler, batches, LongType(), SCALAR_PANDAS_ITERATOR).refused == "SW600"


def constants_on_one_path(frames):
    for frame in frames:
        rows = []
        for x in frame["x"]:
            if x > 1:
                rows.append({"n": x, "problem": "large"})
            else:
                rows.append({"n": -1.0, "problem": None})
        yield pd.DataFrame(rows)


def columns_with_none(frames):
    for frame in frames:
        frame["n"] = frame["s"].map(lambda s: len(s) if s else None)
        frame["problem"] = [None for _ in frame["s"]]
        yield frame[["problem", "n"]][frame["x"] > 0]


@pytest.mark.parametrize("function", [constants_on_one_path, columns_with_none])
def test_columns_of_constants_and_of_none(function):
    compared = compare_with_worker(function, BATCHES, struct(n=DoubleType(), problem=StringType()), MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided) == ("", len(BATCHES)), compared


def bools_and_none(frames):
    for frame in frames:
        rows = [{"n": None if x == 3 else x > 1} for x in frame["x"]]
        yield pd.DataFrame(rows)


def without_missing(frames):
    for frame in frames:
        frame["n"] = frame["s"].map(lambda s: len(s) if s else None)
        yield frame[["n"]].dropna()


def a_sum_of_it(frames):
    for frame in frames:
        frame["n"] = frame["s"].map(lambda s: len(s) if s else None)
        yield frame.assign(n=frame["n"] + 1)[["n"]]


def test_what_a_column_of_unknown_dtype_allows():
    assert not compare_with_worker(bools_and_none, BATCHES, struct(n=BooleanType()), MAP_PANDAS).refused
    assert compare_with_worker(bools_and_none, BATCHES, struct(n=DoubleType()), MAP_PANDAS).refused == "SW298"
    for function in (without_missing, a_sum_of_it):
        assert compare_with_worker(function, BATCHES, struct(n=DoubleType()), MAP_PANDAS).refused == "SW297"
