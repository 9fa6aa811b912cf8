"""Compares functions that convert strings to pandas' dtype "string" with PySpark's worker."""

from __future__ import annotations

import re

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import BooleanType, LongType, StringType, StructField, StructType

from sparkweld.contract.constants import MAP_PANDAS, SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker

BATCHES = [
    pa.record_batch({"s": pa.array(["abc中文", None, "", " É x ", "<NA>"]), "t": pa.array(["a▁b", "x", None, "", "None"])}),
    pa.record_batch({"s": pa.array([None, None], pa.string()), "t": pa.array(["a", "b"])}),
    pa.record_batch({"s": pa.array(["a", "b"]), "t": pa.array(["a", "B"])}),
]  # fmt: skip
WORDS = re.compile(r"[^\u4e00-\u9fff]+")


def unchanged(s, t):
    return s.astype("string")


def filled(s, t):
    return s.astype("string").fillna("")


def of_elements(s, t):
    known = s.astype("string").fillna("")
    return known.apply(lambda text: WORDS.sub("*", text)).astype(str)


def of_pairs(s, t):
    a, b = s.astype("string").fillna(""), t.astype("string").fillna("-")

    def both(pair):
        first, second = pair
        parts = second.split("▁")
        return first + "|" + parts[-1]

    return pd.Series(map(both, zip(a, b, strict=True)))


def changes(s, t):
    return s.astype("string").str.strip().str.upper().str.replace("X", "y", regex=False)


def joined(s, t):
    return "<" + s.astype("string") + t.astype("string").fillna("") + ">"


@pytest.mark.parametrize("function", [unchanged, filled, of_elements, of_pairs, changes, joined])
def test_strings(function):
    compared = compare_with_worker(function, BATCHES, StringType(), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == len(BATCHES), compared


def lengths(s, t):
    return s.astype("string").fillna("").map(len)


def test_functions_of_elements():
    compared = compare_with_worker(lengths, BATCHES, LongType(), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == len(BATCHES), compared


def equal(s, t):
    return s.astype("string") == t.astype("string")


def other_than(s, t):
    return s.astype("string") != "a"


def missing(s, t):
    return s.astype("string").isna() & t.astype("string").notna()


@pytest.mark.parametrize("function", [equal, other_than, missing])
def test_comparisons(function):
    compared = compare_with_worker(function, BATCHES, BooleanType(), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == len(BATCHES), compared


def kept(frames):
    for frame in frames:
        frame["s"] = frame["s"].astype("string")
        yield frame[frame["s"] == "a"]


def test_rows_of_a_comparison():
    fields = [StructField("s", StringType()), StructField("t", StringType())]
    compared = compare_with_worker(kept, BATCHES, StructType(fields), MAP_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == len(BATCHES), compared


def of_missing_elements(s, t):
    return s.astype("string").apply(len)


def ordered(s, t):
    return s.astype("string") < "b"


def lengths_of_the_dtype(s, t):
    return s.astype("string").str.len()


def its_dtype(s, t):
    return s if s.astype("string").dtype == "string" else t


def beside_objects(s, t):
    return s.astype("string") + t


@pytest.mark.parametrize(("function", "code"), [
    (of_missing_elements, "SW251"), (ordered, "SW251"), (lengths_of_the_dtype, "SW251"), (its_dtype, "SW251"),
    (beside_objects, "SW270"),
])  # fmt: skip
def test_refused(function, code):
    assert compare_with_worker(function, BATCHES, StringType(), SCALAR_PANDAS).refused == code
