"""Compares the frames of ``str.split(expand=True)``, `partition` and `extract` as whole frames with PySpark's worker.

A batch whose strings have fewer parts has fewer columns, and one with a longer string has more: pandas then raises.
"""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import StringType, StructField, StructType

from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import PythonEvalType

PARTS = StructType([StructField("user", StringType()), StructField("domain", StringType())])
#: Usual strings, no second part, a third part, and NULLs beside the usual.
BATCHES = [["a@b", "c", "", "é@ü"], ["a", "c"], ["a@b", "d@e@f"], ["a@b", None], ["@", "x@"]]


def renamed(s):
    df = s.str.split("@", n=1, expand=True)
    df.columns = ["user", "domain"]
    return df


def unlimited(s):
    df = s.str.split("@", expand=True)
    df.columns = ["user", "domain"]
    return df.assign(user=df["user"].str.upper())


def assigned(s):
    df = pd.DataFrame({"s": s})
    df[["user", "domain"]] = df["s"].str.split("@", n=1, expand=True)
    return df[["user", "domain"]]


def by_number(s):
    return s.str.rsplit("@", n=1, expand=True).rename(columns={0: "user", 1: "domain"})


def with_a_third(s):
    df = s.str.split("@", n=2, expand=True)
    df.columns = ["user", "domain", "rest"]
    df["domain"] = df["domain"].fillna("none")
    return df


def named_groups(s):
    return s.str.extract(r"(?P<user>[^@]*)@(?P<domain>.*)")


def groups(s):
    return s.str.extract(r"([^@]*)@(.*)").set_axis(["user", "domain"], axis=1)


def without_names(s):
    return s.str.split("@", n=1, expand=True)


def partitioned(s):
    parts = s.str.partition("@")
    parts.columns = ["user", "at", "domain"]
    return parts[["user", "domain"]]


@pytest.mark.parametrize(
    ("function", "left"),
    [
        (renamed, [1]), (unlimited, [1, 2]), (assigned, [1]), (by_number, [1]), (with_a_third, [0, 1, 3, 4]), (named_groups, []),
        (groups, []), (partitioned, []), (without_names, [1]),
    ],
    ids=lambda x: x.__name__ if callable(x) else "",
)  # fmt: skip
def test_frames_of_parts(function, left):
    """`left`: the batches that Python computes, as it raises for them."""
    for at, strings in enumerate(BATCHES):
        batch = pa.RecordBatch.from_pydict({"s": pa.array(strings, pa.string())})
        compared = compare_with_worker(function, [batch], returns=PARTS, eval_type=PythonEvalType.SQL_SCALAR_PANDAS_UDF)
        assert (compared.flagged, compared.raised, compared.refused) == ((1, 1, "") if at in left else (0, 0, "")), strings


def other_number(s):
    df = s.str.split("@", n=1, expand=True)
    df.columns = ["user", "domain", "rest"]
    return df


def unknown_number(s):
    return s.str.split("@", expand=True).rename(columns={0: "user", 1: "domain"})


def third(s):
    return s.str.partition("@")


@pytest.mark.parametrize(("function", "code"), [(unknown_number, "SW270"), (third, "SW364")])
def test_refused_frames(function, code):
    batch = pa.RecordBatch.from_pydict({"s": ["a@b"]})
    kind = PythonEvalType.SQL_SCALAR_PANDAS_UDF
    assert compare_with_worker(function, [batch], returns=PARTS, eval_type=kind).refused == code


def test_names_for_more_columns_than_there_can_be():
    batch = pa.RecordBatch.from_pydict({"s": ["a@b@c"]})
    compared = compare_with_worker(other_number, [batch], returns=PARTS, eval_type=PythonEvalType.SQL_SCALAR_PANDAS_UDF)
    assert (compared.flagged, compared.raised) == (1, 1)
