"""Compares rows of frames that functions read like dicts with PySpark's worker, also rows with dates."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, DoubleType, StringType, StructField, StructType

from sparkweld.contract.constants import MAP_PANDAS
from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import LINE
from udf_compiler.frontends.python.regions.row_reads import columns_read

TEXT = StructType([StructField("t", StringType())])
BATCHES = [
    pa.record_batch({
        "i": pa.array([1, 2]), "x": pa.array([1.5, None]), "b": pa.array([True, False]), "s": pa.array(["a", None]),
        "d": pa.array([datetime.date(2020, 1, 31), None]),
    }),
    pa.record_batch({
        "i": pa.array([1, 2**60]), "x": pa.array([1.5, -0.0]), "b": pa.array([True, False]), "s": pa.array(["a", "b"]),
        "d": pa.array([datetime.date(2020, 1, 31), datetime.date(1920, 2, 29)]),
    }),
]  # fmt: skip


def _of_rows(function, *columns):
    def mapped(frames):
        for frame in frames:
            rows = []
            for _, row in frame[list(columns)].iterrows():
                rows.append({"t": function(row)})
            yield pd.DataFrame(rows)

    return mapped


def gets(row):
    return row.get("s", "none") if row.get("q") is None else row.get("i", default=3)


def looks_up_names(row):
    return ("s" if "s" in row else "") + ("q" if "q" in row else "")


def as_dict(row):
    d = row.to_dict()
    d["more"] = 1
    return str(d["i"]) + str(d["x"]) + str(d["b"]) + (d.pop("s") or "") + str(isinstance(d["i"], int)) + ",".join(d)


def as_pairs(row):
    kept = {name: value for name, value in row.items() if name != "x"}
    return str(len(kept)) + str(kept["i"]) + list(row.index)[0] + ",".join(row.keys()) + str(dict(row)["b"])


def classes_of_numbers(row):
    """Items of a row of floats are NumPy's, and the values of its dict are Python's."""
    values = [isinstance(value, np.float64) for _, value in row.items()]
    return str(isinstance(dict(row)["i"], np.float64)) + str(isinstance(row.to_dict()["i"], np.float64)) + str(values[0])


def years(row):
    return str(row["d"].year) + row["d"].isoformat() if row["d"] else "missing"


@pytest.mark.parametrize(
    ("function", "columns"),
    [(gets, "is"), (looks_up_names, "is"), (as_dict, "ixbsd"), (as_pairs, "ixbs"), (classes_of_numbers, "ix"), (years, "ixd"),
     (years, "d"), (years, "sd")],
)  # fmt: skip
def test_rows_as_mappings(function, columns):
    compared = compare_with_worker(_of_rows(function, *columns), BATCHES, TEXT, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided, compared.raised) == ("", len(BATCHES), 0), compared


def test_applied_functions_of_rows_with_dates():
    def applied(frames):
        for frame in frames:
            yield pd.DataFrame({"t": frame[["d", "s"]].apply(years, axis=1)})

    assert compare_with_worker(applied, BATCHES, TEXT, MAP_PANDAS).decided == len(BATCHES)


@pytest.mark.parametrize(("function", "code"), [
    (lambda row: row.get(0), "SW262"), (lambda row: "a" if 0 in row else "b", "SW262"), (lambda row: row.pop("s"), "SW251"),
    (lambda row: row["q"], "SW262"),
])  # fmt: skip
def test_refusals(function, code):
    assert compare_with_worker(_of_rows(function, "i", "s"), BATCHES, TEXT, MAP_PANDAS).refused == code


TIMES = pa.record_batch({
    "i": pa.array([1, 2]), "s": pa.array(["a", None]), "x": pa.array([None, 0.5]),
    "t": pa.array([1, None], pa.timestamp("us", "UTC")),
})  # fmt: skip


def _applied(function, *columns):
    def mapped(frames):
        for frame in frames:
            yield pd.DataFrame({"t": frame[list(columns)].apply(function, axis=1)})

    return mapped


@pytest.mark.skipif(LINE < (4, 0), reason="SW264 refuses these dates and times of Spark 3.5")
@pytest.mark.parametrize("function", [
    _of_rows(lambda row: row["s"] or str(row["i"]), "i", "s", "t"), _applied(lambda row: row["s"] or "none", "s", "t"),
    _applied(lambda row: str(row["x"]), "x", "t"),
])  # fmt: skip
def test_times_that_no_function_reads(function):
    compared = compare_with_worker(function, [TIMES], TEXT, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided, compared.raised) == ("", 1, 0), compared


@pytest.mark.parametrize("function", [
    _of_rows(lambda row: row["s"], "s", "t"), _of_rows(lambda row: row["s"], "s", "x", "t"),
    _of_rows(lambda row: "a", "t"), _of_rows(lambda row: str(row["t"]), "i", "s", "t"),
    _applied(lambda row: str(row["t"]), "s", "t"), _applied(lambda row: "a", "t"),
])  # fmt: skip
def test_rows_with_times_are_refused(function):
    """iterrows makes datetimes of a row of times and missing values, and so NaT of None."""
    assert compare_with_worker(function, [TIMES], TEXT, MAP_PANDAS).refused == "SW264"


REQUIRED = list("abcdef")


def missing(row):
    errors = []
    if row["a"] < 0:
        errors.append("a negative")
    for name in REQUIRED:
        if pd.isna(row.get(name)):
            errors.append(f"missing {name}")
    return errors


def lacks(row):
    errors = []
    for name, least in (("a", 0), ("b", 1), ("c", 0)):
        if row["a"] < least or name not in row:
            errors.append(name)
    for name in REQUIRED:
        if name not in row:
            errors.append(f"missing {name}")
    return errors


def total(row):
    made = 0.0
    if row["a"] > 0:
        for name in REQUIRED:
            if row.get(name, 0.0) > 1:
                made += row.get(name, 0.0)
    return [made]


def names(row):
    out = []
    if row["a"] > 0:
        out.append("a")
    for name in row.to_dict():
        out.append(name)
    return out


def count(row):
    return [float(len(row)) for _ in range(2 if row["a"] > 0 else 1)]


def helped(row):
    return [_all_of(row) + row["a"]]


def _all_of(row):
    found = 0.0
    for name in REQUIRED:
        found += row.get(name, 0.0)
    return found


@pytest.mark.parametrize("function", [missing, lacks, total, names, count, helped])
def test_a_row_that_is_read_as_a_whole_has_all_columns(function):
    """Results that are lists have no trial: only the instructions say which columns a function reads."""
    batch = pa.record_batch({name: pa.array([1.0, 2.0, 0.0]) for name in REQUIRED})
    element = StringType() if function in (missing, lacks, names) else DoubleType()
    result = StructType([StructField("r", ArrayType(element))])

    def mapped(frames):
        for frame in frames:
            yield pd.DataFrame({"r": frame.apply(function, axis=1)})

    compared = compare_with_worker(mapped, [batch], result, MAP_PANDAS, kernel=True)
    assert not compared.refused and not compared.flagged, compared


def test_the_columns_that_instructions_read():
    """Anything but a name in brackets, or an attribute that is a column, needs them all."""

    def by_name(row, other):
        first = row["a"]
        second = row.b
        return first + second + max(row["c"], other) if row["b"] else other

    assert columns_read(by_name.__code__, "row", "abc") == {"a", "b", "c"}
    for whole in (
        lambda row: len(row), lambda row: row["a"] + row.get("b"), lambda row: row[row["a"]], lambda row: _all_of(row),
        lambda row: [row["a"], row], lambda row: row.index, lambda row: row.sum(), lambda row: (lambda: row["a"])(),
        lambda row: row["a":], lambda row: "a" in row, lambda row: {**row}, lambda row: row.d,
    ):  # fmt: skip
        assert columns_read(whole.__code__, "row", "abc") is None
