"""Compares single strings and times of a group, its counts of values and shifted strings with PySpark's worker."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import LongType, StringType, StructField, StructType

from tests.helpers.groups import compare_groups, one_form
from tests.udf_compiler.eval_types.test_grouped_maps import group, schema


def with_tags(rows, key, missing=0.0):
    """Returns a group with times and a tag of four, of which some may be NULL."""
    rng = np.random.default_rng(key)
    times = [dt.datetime(2021, 3, 1) + dt.timedelta(microseconds=int(x)) for x in rng.integers(0, 10**12, rows)]
    tags = [None if rng.random() < missing else "abcd"[at] for at in rng.integers(0, 4, rows)]
    made = group(rows, key).append_column("at", pa.array(times, pa.timestamp("us", "UTC")))
    return made.append_column("tag", pa.array(tags, pa.string()))


GROUPS = [with_tags(1, 9), with_tags(7, 3), with_tags(40, 4), with_tags(30, 8, 0.3), with_tags(5, 6, 1.0)]
WITHOUT_NULLS = GROUPS[:3]


def elements_of_arrays(f):
    kept = f.loc[f.open | ~f.open, "weight"]
    return pd.DataFrame({"k": [f["k"].values[0] + f["day"].unique()[-1]], "a": [kept.to_numpy()[-1]]})


def seconds(f):
    first, last = f["at"].iloc[0], f["at"].iloc[-1]
    return pd.DataFrame({"k": [(f["at"].max() - f["at"].min()).days], "a": [(last - first).total_seconds()]})


def fields(f):
    first, last = f["at"].iloc[0], f["at"].max()
    return pd.DataFrame({"k": [(last - first).seconds + last.hour * 60 + first.dayofweek], "a": [float(first.year)]})


def seconds_of_rows(f):
    return f.assign(k=(f["at"] > f["at"].iloc[0]).astype(int), a=(f["at"].max() - f["at"]).dt.total_seconds())[["k", "a"]]


def same_as_the_first(f):
    kept = (f["tag"] == f["tag"].iloc[0]).astype(int) + (f["town"].iloc[0] != f["town"]).astype(int)
    return f.assign(k=kept, a=1.0 if f["town"].iloc[0] == "elsewhere" else 2.0)[["k", "a"]]


def sessions(f):
    return f.assign(k=(f["tag"] != f["tag"].shift()).cumsum(), a=(f["tag"] == f["tag"].shift(-2)) * 1.0)[["k", "a"]]


def extremes_so_far(f):
    return f.assign(k=f["day"].expanding().max().astype(int), a=f["price"].expanding(3).min())[["k", "a"]]


def extremes_of_filtered_rows(f):
    return f[f.open].assign(a=lambda d: d["price"].expanding().max())[["k", "a"]]


def counts(f):
    found = f["tag"].value_counts()
    return pd.DataFrame({"k": [found.get("a", 0) + len(f["tag"].unique())], "a": [found.get("none", 0) / len(f)]})


def of_slices(f):
    return pd.DataFrame({"k": [f["tag"][:2].nunique() + f["day"].values[-3:].sum()], "a": [f["price"][-3:].sum()]})


def of_lists(f):
    return pd.DataFrame({"k": [f["day"].tolist()[0]], "a": [list(f["weight"])[-1] + f["price"].values.tolist()[0]]})


def named_reductions(f):
    return pd.DataFrame({"k": [f["tag"].agg("nunique")], "a": [f["price"].agg("mean") + f["weight"].aggregate("median")]})


@pytest.mark.nightly_cases("seconds-5", "extremes_so_far-5", "of_lists-5")
@pytest.mark.parametrize(
    ("function", "decided"),
    [(elements_of_arrays, 5), (of_slices, 5), (of_lists, 5), (named_reductions, 5), (seconds, 5), (fields, 5),
     (seconds_of_rows, 5), (same_as_the_first, 4), (sessions, 5), (extremes_so_far, 5), (extremes_of_filtered_rows, 5),
     (counts, 5)],
)  # fmt: skip
def test_numbers(function, decided):
    compared = compare_groups(function, GROUPS, schema("k long, a double"), kernel=one_form(decided))
    assert (compared.decided, compared.refused) == (decided, None), compared.reason


def joined(f):
    return pd.DataFrame({"k": [str(f["tag"].iloc[0]) + "-" + f["town"].iloc[-1]], "a": ["x" + f.tag.iloc[0]]})


def of_arrays_of_strings(f):
    return pd.DataFrame({"k": [f["tag"].values[0]], "a": [f["tag"].unique()[-1]]})


def most_frequent(f):
    return pd.DataFrame({"k": [f["tag"].value_counts().idxmax()], "a": [f[f.weight > 0]["tag"].value_counts().index[0]]})


def shifted(f):
    return f.sort_values(["day", "weight"]).assign(k=lambda d: d.tag.shift(1), a=lambda d: d.tag.shift(-1))[["k", "a"]]


@pytest.mark.nightly_cases("of_arrays_of_strings-5-0")
@pytest.mark.parametrize(
    ("function", "decided", "raised"),
    [(joined, 4, 1), (of_arrays_of_strings, 5, 0), (most_frequent, 3, 1), (shifted, 5, 0)],
)
def test_strings(function, decided, raised):
    """pandas raises for a missing string in +, and for the most frequent value of none. One group has two such values."""
    returns = StructType([StructField("k", StringType()), StructField("a", StringType())])
    compared = compare_groups(function, GROUPS, returns, kernel=one_form(decided))
    assert (compared.decided, compared.refused, compared.raised) == (decided, None, raised), compared.reason


def has_a_tag(f):
    found = f["tag"].value_counts()
    return pd.DataFrame({"k": [len(f) if "a" in found.index and "a" in found else -len(f)]})


def of_a_known_tag(f):
    return pd.DataFrame({"k": [f["tag"].value_counts()["a"] + f["day"].value_counts().max() + f.tag.value_counts().iloc[0]]})


def test_counts_of_values():
    """A group without the value takes the other branch, or raises."""
    tags = [set(g.column("tag").to_pylist()) for g in WITHOUT_NULLS]
    for function in (has_a_tag, of_a_known_tag):
        compared = compare_groups(function, WITHOUT_NULLS, StructType([StructField("k", LongType())]))
        assert (compared.decided, compared.refused) == (sum("a" in t for t in tags), None), compared.reason


def test_ties_of_the_most_frequent_value_run_in_python():
    def most(f):
        return pd.DataFrame({"k": [f["x"].value_counts().idxmax()]})

    groups = [pa.record_batch({"k": [1] * len(xs), "x": xs}) for xs in ([1, 2, 2], [1, 2, 2, 1], [3], [2, 1])]
    assert compare_groups(most, groups, StructType([StructField("k", LongType())])).decided == 2


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (lambda f: f["at"].iloc[0] + f["at"].iloc[1], "SW251"),
        (lambda f: f["at"].iloc[0].week, "SW312"),
        (lambda f: (f["at"].max() - f["at"].min()).nanoseconds, "SW312"),
        (lambda f: f["tag"].iloc[0] * 2, "SW251"),
        (lambda f: f["tag"].iloc[0] + f["at"].iloc[0], "SW251"),
        (lambda f: int(f["tag"].iloc[0]), "SW259"),
        (lambda f: f["tag"].values[f["k"].iloc[0]], "SW251"),
        (lambda f: f["weight"].values[1.0], "SW250"),
        (lambda f: f["weight"][::2].sum(), "SW312"),
        (lambda f: f["weight"].values[::2].sum(), "SW312"),
        (lambda f: f["weight"].agg(["mean"]), "SW262"),
        (lambda f: f["weight"].agg(np.mean), "SW262"),
        (lambda f: f["tag"].value_counts(normalize=None).max(), "SW262"),
        (lambda f: f["tag"].value_counts().get("a"), "SW262"),
        (lambda f: f["tag"].value_counts()[1], "SW262"),
        (lambda f: f["tag"].value_counts().iloc[1], "SW312"),
        (lambda f: f["tag"].value_counts().index[1], "SW312"),
        (lambda f: f["tag"].value_counts(normalize=True).sum(), "SW312"),
        (lambda f: f["open"].value_counts().max(), "SW312"),
        (lambda f: (f["tag"] < f["tag"].iloc[0]).sum(), "SW312"),
        (lambda f: (f["weight"] - f["at"].iloc[0]).sum(), "SW312"),
        (lambda f: f["tag"].shift(fill_value="x").nunique(), "SW270"),
    ],
)
def test_refusals(value, code):
    function = lambda f: pd.DataFrame({"k": [value(f)]})  # noqa: E731
    assert compare_groups(function, [with_tags(7, 3)], StructType([StructField("k", LongType())])).refused == code
