"""Compares `groupby` inside the groups of applyInPandas with PySpark's worker."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from tests.helpers.groups import compare_groups, one_form
from tests.udf_compiler.eval_types.test_group_values import GROUPS as TAGGED
from tests.udf_compiler.eval_types.test_grouped_maps import GROUPS

RETURNS = StructType([StructField("k", LongType()), StructField("a", DoubleType()), StructField("b", DoubleType())])


def means(f):
    by_day = f.groupby("day")
    return f.assign(a=by_day["price"].transform("mean"), b=by_day.weight.transform("sum"))[["k", "a", "b"]]


def spreads_of_two_keys(f):
    by = f.groupby(["day", "open"])
    f["a"] = by["price"].transform("std") + by["price"].transform("count")
    f["b"] = by["weight"].transform("var") - by["weight"].transform("size")
    return f[["k", "a", "b"]]


def named(f):
    made = f.groupby("day", as_index=False).agg(a=("price", "sum"), b=("weight", "max"))
    return made.assign(k=made["day"].astype("int64"))[["k", "a", "b"]]


def one_column(f):
    made = f.groupby("day")["price"].mean().reset_index().rename(columns={"price": "a"})
    return made.assign(k=1, b=made["day"] * 1.0)[["k", "a", "b"]]


def scalars_of_keys(f):
    row = [f["k"].iloc[0], f.groupby("day")["weight"].mean().max(), f.groupby("open")["price"].var().mean()]
    return pd.DataFrame([row], columns=["k", "a", "b"])


def several_columns(f):
    made = f.groupby(["open", "day"])[["price", "weight"]].min().reset_index()
    return made.assign(k=2, a=made["price"], b=made["weight"] + made["day"])[["k", "a", "b"]]


def so_far(f):
    f["a"] = f.groupby("day")["price"].cumsum()
    f["b"] = f.groupby("day").cumcount() + f.groupby("open")["total"].cumsum() / 3
    return f[["k", "a", "b"]]


def sizes(f):
    made = f.groupby("day").size().reset_index(name="n")
    return made.assign(k=made["n"], a=made["day"] * 1.0, b=0.0)[["k", "a", "b"]]


def of_a_filter(f):
    made = f[f["open"]].groupby("day", sort=False).agg({"price": "mean", "weight": "std"}).reset_index()
    return made.assign(k=1, a=made["price"], b=made["weight"])[["k", "a", "b"]]


def of_sorted_rows(f):
    f = f.sort_values(["weight", "day"])
    f["a"] = f.groupby("day")["total"].transform("mean")
    f["b"] = f["price"] / f.groupby("day")["price"].transform("max")
    return f[["k", "a", "b"]]


def several_statistics(f):
    made = f.groupby("town")["pieces"].agg(["sum", "mean"]).reset_index()
    return made.assign(k=1, a=made["sum"] * 1.0, b=made["mean"])[["k", "a", "b"]]


def edges(f):
    f = f.sort_values(["weight", "day"])
    f["a"] = f.groupby("day")["price"].transform("first") - f.groupby(["day", "open"])["total"].transform("last")
    f["b"] = f["weight"] - f.groupby("open")["weight"].transform("first")
    return f[["k", "a", "b"]]


def edges_of_a_filter(f):
    by_day = f[f["open"]].groupby("day")
    return by_day.agg(a=("price", "last"), b=("pieces", "first"), k=("total", "first")).reset_index()[["k", "a", "b"]]


def distinct_values(f):
    f["a"] = f.groupby("day")["price"].transform("nunique") * 1.0
    made = f[f["open"]].groupby(["day", "open"]).agg(b=("total", "nunique"), k=("pieces", "nunique"), a=("a", "max"))
    return made.reset_index()[["k", "a", "b"]].astype({"b": "float64"})


def best_keys(f):
    by_day = f.groupby("day")
    row = [by_day.size().max(), by_day["weight"].sum().idxmax() * 1.0, by_day["weight"].max().idxmin() * 0.5]
    return pd.DataFrame([row], columns=["k", "a", "b"])


def ordered_again(f):
    made = f.groupby("day")["total"].max().sort_values(ascending=False).reset_index()
    return pd.DataFrame([[made["total"].idxmax(), made["day"].iloc[0] * 1.0, made.loc[made["total"].idxmin(), "day"] * 1.0]],
                        columns=["k", "a", "b"])  # fmt: skip


ALL = [distinct_values, best_keys, ordered_again, edges, edges_of_a_filter,
       means, spreads_of_two_keys, named, one_column, scalars_of_keys, several_columns, so_far, sizes, of_a_filter,
       of_sorted_rows, several_statistics]  # fmt: skip


@pytest.mark.nightly_cases("edges_of_a_filter", "several_columns", "of_sorted_rows", "one_column", "spreads_of_two_keys")
@pytest.mark.parametrize("function", ALL)
def test_inner_groups(function):
    compared = compare_groups(function, GROUPS, RETURNS, kernel=one_form(ALL.index(function)))
    assert (compared.decided, compared.refused) == (len(GROUPS), None), compared.reason


def largest_sum(f):
    found = f.groupby("tag")["weight"].sum().sort_values(ascending=False)
    least = f.groupby("tag")["weight"].sum().idxmin()
    return pd.DataFrame([{"s": found.index[0] + least, "a": found.iloc[0], "b": found.iloc[-1]}])


def test_statistics_in_their_own_order():
    """Groups with a missing key run in Python, and so does one without keys, in which Python raises."""
    returns = StructType([StructField("s", StringType()), StructField("a", DoubleType()), StructField("b", DoubleType())])
    compared = compare_groups(largest_sum, TAGGED, returns, kernel=lambda group: group.num_rows == 7)
    assert (compared.decided, compared.refused, compared.raised) == (3, None, 1), compared.reason


def test_equal_statistics_have_no_known_order():
    ties = _group([1, 1, 2], [1.0, 2.0, 3.0], [1, 1, 1], list("aab"), [True] * 3)
    groups = [ties, _group([1, 2], [1.0, 2.0], [1, 1], list("ab"), [True] * 2)]

    def first(f):
        return pd.DataFrame([{"k": f.groupby("k")["v"].sum().sort_values().index[0], "a": 0.0, "b": 0.0}])

    assert compare_groups(first, groups, RETURNS, ()).decided == 1


def _group(k, v, i, s, b):
    return pa.record_batch({
        "k": pa.array(k), "v": pa.array(v, pa.float64()), "i": pa.array(i, pa.int32()), "s": pa.array(s), "b": pa.array(b),
    })  # fmt: skip


NAN = float("nan")
#: Zeros of both signs, keys without numbers, infinite numbers, missing keys and values, one row, sums that cancel, narrow sums.
RARE = [
    _group([1, 1, 2, 2, 3], [0.0, -0.0, -0.0, -0.0, 1.0], [2, 1, 5, -5, 7], list("aabab"), [True, False, True, True, False]),
    _group([1, 1, 2, 2, 3], [1.0, 2.0, NAN, NAN, 3.0], [1, 1, 5, -5, 7], list("aabab"), [True, False, True, True, False]),
    _group([1, 1, 2], [1.0, float("inf"), 2.0], [1, 1, 5], list("aab"), [True, False, True]),
    _group([1, 1, 2], [1.0, None, None], [1, None, 5], ["a", None, "b"], [True, False, True]),
    _group([5], [1e300], [1], ["é"], [True]),
    _group([9, 8, 9, 8], [0.1, 0.2, 0.3, 1e17], [1, 2, 3, 4], list("baba"), [True, True, True, False]),
    _group([1, 1], [1e308, 1e308], [2**31 - 1, 1], ["a", "a"], [True, True]),
]


def _in_rows(name, column, key):
    return lambda f: f.assign(a=f.groupby(key)[column].transform(name) * 1.0, b=1.0)[["k", "a", "b"]]


def _by_key(name, column, key):
    def function(f):
        made = f.groupby(key)[column].agg(name).reset_index()
        return made.assign(k=1, a=made[column] * 1.0, b=0.0)[["k", "a", "b"]]

    return function


@pytest.mark.each_value_once
@pytest.mark.parametrize("of", [_in_rows, _by_key])
@pytest.mark.parametrize("name", ["sum", "mean", "count", "size", "min", "max", "std", "var", "first", "last", "nunique"])
def test_rare_numbers(name, of):
    """Groups with infinite numbers or a missing key run in Python, and so does a narrow sum that overflows."""
    for column, key, decided in (("v", "k", 6), ("i", "s", 6), ("v", "b", 6)):
        if name in ("count", "size", "first", "last", "nunique") and column == "v":
            decided = 7
        if name == "sum" and column == "i":
            decided = 5
        compared = compare_groups(of(name, column, key), RARE, RETURNS, (), kernel=lambda group: False)
        assert (compared.decided, compared.refused, compared.raised) == (decided, None, 0), (column, compared)


def test_a_filter_that_keeps_no_rows():
    def empty(f):
        made = f[f["v"] > 1e305].groupby("k")["v"].sum().reset_index()
        return made.assign(a=made["v"], b=0.0)[["k", "a", "b"]]

    assert compare_groups(empty, [RARE[0], RARE[4], RARE[6]], RETURNS, ()).decided == 3


def _assigns_the_column(f):
    by = f.groupby("k")
    f["v"] = f["v"] * 2
    return f.assign(a=by["v"].transform("sum"), b=0.0)[["k", "a", "b"]]


def _assigns_the_key(f):
    by = f.groupby("k")
    f["k"] = 1
    return f.assign(a=by["v"].transform("sum"), b=0.0)[["k", "a", "b"]]


def _sorts(f):
    by = f.groupby("k")
    f.sort_values("v", inplace=True, kind="stable")
    return f.assign(a=by["v"].transform("sum"), b=0.0)[["k", "a", "b"]]


def _loops(f):
    for _, part in f.groupby("k"):
        f["a"] = part["v"].sum()
    return f.assign(b=0.0)[["k", "a", "b"]]


def test_another_column_may_change():
    def function(f):
        by = f.groupby("k")
        largest = by["v"].sum().max()
        f["b"] = largest
        return f.assign(a=by["v"].transform("sum"))[["k", "a", "b"]]

    assert compare_groups(function, RARE, RETURNS, ()).decided == 6


@pytest.mark.parametrize(("function", "code"), [
    (_assigns_the_column, "SW256"), (_assigns_the_key, "SW256"), (_sorts, "SW256"), (_loops, "SW312"),
    (lambda f: f.groupby("k").apply(lambda g: g), "SW312"), (lambda f: f.groupby(f["k"])["v"].sum().reset_index(), "SW262"),
    (lambda f: f.groupby("k").mean().reset_index(), "SW312"), (lambda f: f.groupby("k", dropna=False)["v"].sum(), "SW262"),
    (lambda f: f.groupby("k")["v"].agg(lambda x: x.sum()), "SW262"), (lambda f: f.groupby("k")["v"].median(), "SW312"),
    (lambda f: f.assign(a=f.groupby("k")["v"].sum(), b=0.0), "SW262"), (lambda f: f.groupby("k")["s"].min(), "SW270"),
    (lambda f: f.assign(a=f.groupby("k")["v"].sum()[1], b=0.0), "SW312"), (lambda f: f.groupby("k")["v"].sum(), "SW106"),
    (lambda f: f.assign(a=f.groupby(["k", "s"])["v"].sum().idxmax(), b=0.0), "SW312"),
    (lambda f: f.assign(a=f.groupby("k")["v"].sum().index.max(), b=0.0), "SW312"),
    (lambda f: f.assign(a=f.groupby("k")["v"].sum().sort_values(kind="stable").iloc[0], b=0.0), "SW262"),
    (lambda f: f.groupby("k")[["k", "v"]].sum(), "SW262"), (lambda f: f.groupby("q")["v"].sum(), "SW252"),
])  # fmt: skip
def test_refusals(function, code):
    assert compare_groups(function, RARE[:1], RETURNS, ()).refused == code
