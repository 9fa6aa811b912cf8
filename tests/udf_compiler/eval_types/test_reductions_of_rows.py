"""Compares reductions of a group within functions of single values, and in functions of math, with PySpark's worker."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pyspark.sql.types import DoubleType

from tests.helpers.groups import compare_aggregate, compare_groups, one_form
from tests.udf_compiler.eval_types.test_grouped_maps import GROUPS, group, schema


def z_scores(f):
    mean, spread = f["price"].mean(), f["price"].std()
    f["a"] = f["price"].apply(lambda x: (x - mean) / spread)
    f["b"] = f["day"].apply(lambda x: x - f["day"].mean())
    return f[["k", "a", "b"]]


def of_lengths(f):
    n, last = len(f), f["day"].size - 1
    f["a"] = f["day"].map(lambda x: 100.0 * x / n)
    f["b"] = f["weight"].rank(method="max").apply(lambda x: -1 if last == 0 else (x - 1) / last)
    return f[["k", "a", "b"]]


def of_extremes(f):
    top, low = f["day"].max(), f["weight"].min()
    f["a"] = f["day"].apply(lambda x: 1.0 if x == top else 0.5 if x * 2 > top else 0.0)
    f["b"] = [x - low for x in f["weight"]]
    return f[["k", "a", "b"]]


def of_rows(f):
    top, size = f["weight"].max(), math.sqrt(len(f))
    f["a"] = f.apply(lambda row: row["day"] / size if row["weight"] < top else -1.0, axis=1)
    f["b"] = f["weight"] * math.fabs(f["weight"].min())
    return f[["k", "a", "b"]]


MAPS = [z_scores, of_lengths, of_extremes, of_rows]


@pytest.mark.gate_cases(2)
@pytest.mark.parametrize("function", MAPS)
def test_functions_of_single_values(function):
    compared = compare_groups(function, GROUPS, schema("k long, a double, b double"), kernel=one_form(MAPS.index(function)))
    assert compared.refused is None and compared.decided >= len(GROUPS) - 2, compared


def sharpe(v):
    x = v.dropna()
    if len(x) < 2:
        return 0.0
    spread = float(x.std(ddof=1))
    if spread <= 0 or math.isnan(spread):
        return 0.0
    return float(x.mean() / spread * math.sqrt(len(x)))


def root(v):
    return math.sqrt(v.var()) + math.fabs(v.min())


AGGREGATES = [(sharpe, "weight"), (sharpe, "price"), (root, "weight"), (root, "day")]


@pytest.mark.gate_cases(2)
@pytest.mark.parametrize(("function", "column"), AGGREGATES)
def test_functions_of_math(function, column):
    number = AGGREGATES.index((function, column))
    compared = compare_aggregate(function, GROUPS, DoubleType(), [column], one_form(number))
    assert compared.refused is None and compared.decided >= len(GROUPS) - 3, compared


@pytest.mark.parametrize("function", [lambda v: math.sqrt(v.min() - 100), lambda v: math.sqrt(-len(v))])
def test_math_that_raises_runs_in_python(function):
    compared = compare_aggregate(function, [group(7, 3)], DoubleType(), ["weight"])
    assert (compared.decided, compared.raised, compared.refused) == (0, 1, None), compared


OTHERS = [lambda v: math.log(v.mean()), lambda v: math.floor(v.mean()), lambda v: math.exp(np.mean(v))]


@pytest.mark.parametrize("function", OTHERS)
def test_other_functions_of_math_are_refused(function):
    assert compare_aggregate(function, [group(7, 3)], DoubleType(), ["weight"]).refused == "SW251"
