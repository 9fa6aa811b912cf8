"""Compares merges of DataFrames with constant ones with PySpark's worker."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import BooleanType, DoubleType, LongType, StringType, StructField, StructType

from sparkweld.contract.constants import MAP_PANDAS, SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker
from tests.helpers.groups import compare_groups
from tests.helpers.lines import LINE

STRING, DOUBLE, LONG = StringType(), DoubleType(), LongType()
DUTIES = pd.DataFrame({"kind": ["wood", "light", "é", ""], "duty": [0.04, float("nan"), 0.09, -0.0]})
NAMES = pd.DataFrame({"kind": ["wood", "light", "é"], "name": ["Wood", None, float("nan")], "price": [1.5, 2.5, 3.5]})
COUNTS = pd.DataFrame({"kind": ["wood", "light"], "count": [3, -4], "known": [True, False]})
NUMBERS = pd.DataFrame({"n": [2, -1, 2**53 + 1], "title": ["two", "minus one", "large"], "weight": [0.5, 1.5, 2.5]})
FLOATS = pd.DataFrame({"x": [0.5, 0.0], "title": ["half", "zero"]})


def batch(kinds, prices, numbers):
    return pa.record_batch({
        "kind": pa.array(kinds, pa.string()), "price": pa.array(prices, pa.float64()), "n": pa.array(numbers, pa.int64()),
    })  # fmt: skip


#: With missing keys in some rows and in all, with NULL as a key, without rows, and with doubled keys.
BATCHES = [
    batch(["wood", "light", "wood", "é"], [1.0, None, float("nan"), 4.0], [2, -1, 2, 2]),
    batch(["wood", "none", "light", ""], [1.0, 2.0, 3.0, 0.0], [2, 3, 2**53, 2**53 + 1]),
    batch([None, "é", "none", None, "light", "wood"], [1.0, 2.0, 0.5, -0.0, float("inf"), 0.1], [1, None, 2, None, -1, 2]),
    batch([None, None], [1.0, 0.5], [None, None]),
    batch(["none", "None"], [1.0, 0.5], [5, 6]),
    batch([], [], []),
]


def filled(kind, price, n):
    df = pd.DataFrame({"kind": kind, "price": price})
    df = df.merge(DUTIES, on="kind", how="left")
    return df["price"] * df["duty"].fillna(0.02)


def missing(kind, price, n):
    return pd.merge(kind.to_frame("kind"), DUTIES, how="left")["duty"]


def by_two_names(kind, price, n):
    df = pd.DataFrame({"k": kind, "price": price}).merge(NAMES, left_on="k", right_on=["kind"], how="left", validate="m:1")
    return df["price_y"].fillna(0) + df["price_x"] + df["kind"].notna()


def by_floats(kind, price, n):
    return pd.DataFrame({"x": price}).merge(FLOATS, on="x", how="left")["title"].str.len().fillna(-1.0)


@pytest.mark.parametrize("function", [filled, missing, by_two_names, by_floats])
def test_columns(function):
    compared = compare_with_worker(function, BATCHES, DOUBLE, SCALAR_PANDAS, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 6, 0), compared


def names(kind, price, n):
    return pd.DataFrame({"kind": kind}).merge(NAMES[["kind", "name"]], on=["kind"], how="left")["name"]


def titles(kind, price, n):
    return pd.merge(pd.DataFrame({"n": n, "z": 1}), NUMBERS, on="n", how="left", suffixes=("", "_r"))["title"]


@pytest.mark.parametrize("function", [names, titles])
def test_strings(function):
    compared = compare_with_worker(function, BATCHES, STRING, SCALAR_PANDAS, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 6, 0), compared


def counts(kind, price, n):
    return pd.DataFrame({"kind": kind}).merge(COUNTS, on="kind", how="left")["count"]


def filled_counts(kind, price, n):
    return pd.DataFrame({"kind": kind}).merge(COUNTS, on="kind", how="left")["count"].fillna(0).astype(int)


@pytest.mark.parametrize("function", [counts, filled_counts])
def test_integers(function):
    compared = compare_with_worker(function, BATCHES, LONG, SCALAR_PANDAS, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 6, 0), compared


def known(kind, price, n):
    return pd.DataFrame({"kind": kind}).merge(COUNTS, on="kind", how="left")["known"].fillna(False).astype(bool)


def test_bools():
    compared = compare_with_worker(known, BATCHES, BooleanType(), SCALAR_PANDAS, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 6, 0), compared


def inner(frames):
    for df in frames:
        df = df[df["price"] > 0.2]
        yield df.merge(COUNTS, on="kind")[["kind", "price", "count"]]


def inner_of_names(frames):
    for df in frames:
        yield pd.merge(df, NAMES, on="kind", how="inner").rename(columns={"price_x": "price", "n": "count"})[["name", "price"]]


def left(frames):
    for df in frames:
        df = df[df["price"] > 0.2].merge(NAMES, on="kind", how="left")
        df["name"] = df["name"].fillna("?")
        yield df.assign(price=lambda d: d["price_x"] + d["price_y"])[["name", "price"]]


def left_of_numbers(frames):
    for df in frames:
        df = df[df["price"] > 0.2].merge(NUMBERS, on="n", how="left")
        yield df.assign(name=df["title"], price=df["weight"])[["name", "price"]]


def counted_before_a_filter(frames):
    for df in frames:
        df = df.merge(COUNTS, on="kind", how="left")
        yield df[df["price"] > 0.2][["kind", "price", "count"]]


COUNTED = StructType([StructField("kind", STRING), StructField("price", DOUBLE), StructField("count", LONG)])
NAMED = StructType([StructField("name", STRING), StructField("price", DOUBLE)])


@pytest.mark.parametrize(("function", "returns"), [(inner, COUNTED), (inner_of_names, NAMED), (left, NAMED)])
def test_rows(function, returns):
    compared = compare_with_worker(function, BATCHES, returns, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 6, 0), compared


def test_rows_by_numbers():
    """From Spark 4.2 on, whole numbers with NULLs beside strings are columns of pd.NA."""
    compared = compare_with_worker(left_of_numbers, [BATCHES[0], BATCHES[1], BATCHES[4]], NAMED, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 3, 0), compared
    with_nulls = compare_with_worker(left_of_numbers, [BATCHES[2]], NAMED, MAP_PANDAS)
    assert (with_nulls.refused, with_nulls.decided) == (("SW262", 0) if LINE >= (4, 2) else ("", 1)), with_nulls


def test_a_dtype_of_dropped_rows():
    """Whole numbers are floats if a row has no key, also if a filter drops that row: such batches run in Python."""
    compared = compare_with_worker(counted_before_a_filter, BATCHES, COUNTED, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 3, 5), compared


def of_group(df):
    df = df.merge(DUTIES, on="kind", how="left")
    return pd.DataFrame({"kind": df["kind"], "duty": df["duty"].fillna(0.5) / df["price"].sum()})


def kept_in_group(df):
    df = df[df["price"] < 3].merge(DUTIES, on="kind")
    return pd.DataFrame({"kind": df["kind"], "duty": df["duty"].cumsum()})


@pytest.mark.parametrize("function", [of_group, kept_in_group])
def test_groups(function):
    returns = StructType([StructField("kind", STRING), StructField("duty", DOUBLE)])
    found = compare_groups(function, BATCHES[:5], returns, ["kind"])
    assert (found.refused, found.decided) == (None, 5), found.reason


def doubled(kind, price, n):
    return pd.DataFrame({"kind": kind}).merge(TWICE, on="kind", how="left")["duty"]


def with_a_missing_key(kind, price, n):
    return pd.DataFrame({"kind": kind}).merge(MISSING, on="kind", how="left")["duty"]


def outer(kind, price, n):
    return pd.DataFrame({"kind": kind}).merge(DUTIES, on="kind", how="outer")["duty"]


def drops_rows(kind, price, n):
    return pd.DataFrame({"kind": kind}).merge(DUTIES, on="kind")["duty"]


def of_other_classes(kind, price, n):
    return pd.DataFrame({"n": kind}).merge(NUMBERS, on="n", how="left")["weight"]


def sorted_rows(kind, price, n):
    return pd.DataFrame({"kind": kind}).merge(DUTIES, on="kind", how="left", sort=True)["duty"]


def length(kind, price, n):
    return price * DUTIES.sum()


TWICE = pd.DataFrame({"kind": ["a", "a"], "duty": [1.0, 2.0]})
MISSING = pd.DataFrame({"kind": ["a", None], "duty": [1.0, 2.0]})


@pytest.mark.parametrize(("function", "code"), [
    (doubled, "SW262"), (with_a_missing_key, "SW262"), (outer, "SW262"), (drops_rows, "SW107"), (of_other_classes, "SW262"),
    (sorted_rows, "SW262"), (length, "SW263"),
])  # fmt: skip
def test_refused(function, code):
    assert compare_with_worker(function, BATCHES[:1], DOUBLE, SCALAR_PANDAS).refused == code


def test_random_rows():
    rng = np.random.default_rng(5)
    for _ in range(4):
        rows = rng.integers(1, 60)
        kinds = [[*DUTIES["kind"], "x", "y", None][k] for k in rng.integers(0, 7, rows)]
        given = batch(kinds, rng.normal(size=rows) + 1, rng.integers(-3, 3, rows))
        for function, returns in ((inner, COUNTED), (inner_of_names, NAMED), (left, NAMED)):
            compared = compare_with_worker(function, [given], returns, MAP_PANDAS)
            assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0), compared
