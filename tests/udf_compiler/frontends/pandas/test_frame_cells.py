"""Compares `frame.loc[mask, name] = value` with PySpark's worker, in maps and in functions of groups."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from tests.helpers.compiled import compare_with_worker
from tests.helpers.groups import compare_groups
from tests.helpers.lines import PythonEvalType

MAP = PythonEvalType.SQL_MAP_PANDAS_ITER_UDF
FIELDS = [("k", StringType()), ("v", DoubleType()), ("w", DoubleType()), ("n", LongType()), ("t", StringType())]
RETURNS = StructType([StructField(name, type) for name, type in FIELDS])
BATCH = pa.RecordBatch.from_pydict({
    "k": pa.array(["g"] * 6), "v": pa.array([1.0, -2.5, None, float("nan"), -0.0, 1e300]), "w": pa.array([0.5] * 5 + [None]),
    "n": pa.array([1, 2, 3, 4, 5, 2**53 + 1]), "t": pa.array(["a", "b", None, "", "é", "a"]),
})  # fmt: skip
BATCHES = [BATCH, BATCH.slice(0, 2), BATCH.slice(3, 3)]


def negatives(f):
    f.loc[f["v"] < 0, "v"] = 0
    f.loc[f.n > 3, ["v", "w"]] = np.nan
    return f


def strings(f):
    f.loc[f["t"] == "a", "t"] = "first"
    f.loc[f["t"].isna() | (f["n"] > 4), "n"] = -1
    return f


def made_columns(f):
    f = f.copy()
    f["w"] = 0.0
    f.loc[f["n"] > 3, "w"] = 1
    f.loc[(f["n"] <= 3) & f["v"].notna(), "w"] = f["v"]
    return f


def new_column(f):
    f = f.drop(columns="w")
    f.loc[f["n"] > 3, "w"] = 2
    return f[["k", "v", "w", "n", "t"]]


def of_a_filter(f):
    f = f[f["n"] > 1]
    f.loc[f["n"] == 2, "v"] = 9.0
    return f.reset_index(drop=True)


FUNCTIONS = [negatives, strings, made_columns, new_column, of_a_filter]


def mapped(function):
    def of_batches(batches):
        for frame in batches:
            yield function(frame)

    return of_batches


@pytest.mark.parametrize("function", FUNCTIONS)
def test_maps(function):
    compared = compare_with_worker(mapped(function), BATCHES, RETURNS, MAP, kernel=True)
    assert not compared.refused and compared.decided == len(BATCHES), compared


@pytest.mark.parametrize("function", FUNCTIONS)
def test_groups(function):
    compared = compare_groups(function, BATCHES, RETURNS)
    assert (compared.decided, compared.refused) == (len(BATCHES), None), compared


def last_day(f):
    last = f["n"].max()
    if last:
        f.loc[f["n"] == last, "w"] = 7.0
    f.loc[f["v"].isna(), "v"] = f["v"].mean()
    return f


def test_reductions():
    compared = compare_groups(last_day, BATCHES, RETURNS)
    assert (compared.decided, compared.refused) == (len(BATCHES), None), compared


def with_a_variable(f):
    v = f["v"]
    f.loc[f["n"] < 3, "v"] = 0
    return f.assign(v=v + 1)


def with_an_array(f):
    v = f["v"].values
    f.loc[f["n"] < 3, "v"] = 0
    return f.assign(v=v + 1)


def with_an_accessor(f):
    t = f["t"].str
    f.loc[f["n"] < 3, "t"] = "x"
    return f.assign(t=t.upper())


def of_part(f):
    part = f[["k", "v", "w", "n", "t"]]
    part.loc[part["n"] < 3, "v"] = 0
    return f


def before_part(f):
    part = f[["k", "v", "w", "n", "t"]]
    f.loc[f["n"] < 3, "v"] = 0
    return part


def in_a_list(f):
    columns = [f["v"], f["w"]]
    f.loc[f["n"] < 3, "w"] = 0
    return f.assign(v=columns[1])


SHARED = [with_a_variable, with_an_array, with_an_accessor, of_part, before_part, in_a_list]


@pytest.mark.parametrize("function", SHARED)
def test_columns_that_something_else_may_see_are_refused(function):
    assert compare_with_worker(mapped(function), BATCHES, RETURNS, MAP).refused == "SW256"


def other_dtype(f):
    f.loc[f["v"] < 0, "n"] = 1.5
    return f


def other_rows(f):
    f.loc[f["v"] < 0, "v"] = f[f["n"] > 2]["v"]
    return f


def a_label(f):
    f.loc[0, "v"] = 1.0
    return f


def new_strings(f):
    f.loc[f["v"] < 0, "z"] = "x"
    return f


@pytest.mark.parametrize(
    ("function", "code"), [(other_dtype, "SW255"), (other_rows, "SW262"), (a_label, "SW262"), (new_strings, "SW262")]
)
def test_other_assignments_are_refused(function, code):
    assert compare_with_worker(mapped(function), BATCHES, RETURNS, MAP).refused == code
