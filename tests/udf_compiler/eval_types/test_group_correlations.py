"""Compares correlations and covariances of a group's columns with PySpark's worker."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType

from tests.helpers import groups as helper
from tests.helpers.groups import compare_aggregate, compare_groups, one_form
from tests.udf_compiler.eval_types.test_grouped_maps import GROUPS, group, schema

#: Groups of at most 9,000 rows: 8 * n * eps, and 2 * n * eps * sum(|dx * dy|) / (n - 1) of covariances below 1e5.
_BOUND = 1e-6


def _near(mine, theirs):
    pairs = [(mine[name], value) for name, value in theirs.items()]
    return all((a is None) == (b is None) and (a is None or abs(a - b) <= _BOUND) for a, b in pairs)


@pytest.fixture(autouse=True)
def within_the_bound():
    with mock.patch.object(helper, "same", _near):
        yield


def correlations(f):
    return pd.DataFrame({"a": [f.price.corr(f.weight)], "b": [f["pieces"].corr(f["day"])]})


def covariances(f):
    return pd.DataFrame({"a": [f.weight.cov(f.day)], "b": [f.pieces.cov(f.weight, ddof=0)]})


def matrices(f):
    return pd.DataFrame({"a": [np.corrcoef(f["price"], f["weight"])[0, 1]], "b": [float(np.cov(f.weight, f.day)[1][0])]})


def of_filtered_rows(f):
    kept = f[f.open]
    return pd.DataFrame({"a": [kept.weight.corr(kept.day, min_periods=3)], "b": [kept.weight.cov(kept.weight)]})


def of_constants(f):
    f["same"] = 2.0
    return pd.DataFrame({"a": [f.same.corr(f.day)], "b": [f.day.corr(f.day)]})


@pytest.mark.gate_cases("0", "3")
@pytest.mark.parametrize("number", range(5))
def test_values(number):
    function = (correlations, covariances, matrices, of_filtered_rows, of_constants)[number]
    compared = compare_groups(function, GROUPS, schema("a double, b double"), kernel=one_form(number))
    assert (compared.decided, compared.refused) == (len(GROUPS), None), compared.reason


def test_an_aggregate():
    compared = compare_aggregate(lambda price, weight: price.corr(weight), GROUPS, DoubleType(), ["price", "weight"])
    assert (compared.decided, compared.refused) == (len(GROUPS), None), compared.reason


def test_squares_without_all_digits_run_in_python():
    def correlation(f):
        return pd.DataFrame({"a": [f.x.corr(f.y)], "b": [1.0]})

    def rows(scale):
        return pa.record_batch({"k": [1] * 4, "x": [scale, 0.0, scale * 3, 0.0], "y": [1.0, 2, 3, 5]})

    groups = [rows(scale) for scale in (1.0, 1e-150, 1e200, 0.0)]
    compared = compare_groups(correlation, groups, schema("a double, b double"))
    assert (compared.decided, compared.refused) == (2, None), compared.reason


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (lambda f: f.price.corr(f.weight, method="spearman"), "SW262"),
        (lambda f: f.price.corr(f.weight, min_periods=0), "SW262"),
        (lambda f: f.price.corr(2.0), "SW262"),
        (lambda f: f.town.corr(f.weight), "SW270"),
        (lambda f: f.weight.corr(f.weight[f.open]), "SW262"),
        (lambda f: f.weight.corr(f.sort_values(["day", "k"]).weight), "SW312"),
        (lambda f: np.corrcoef(f.price, f.weight)[0, 0], "SW251"),
        (lambda f: np.cov(f.price, f.weight, bias=True)[0, 1], "SW262"),
        (lambda f: np.cov(f.price), "SW312"),
    ],
)
def test_refusals(value, code):
    function = lambda f: pd.DataFrame({"a": [value(f)], "b": [1.0]})  # noqa: E731
    assert compare_groups(function, [group(5, 1)], schema("a double, b double")).refused == code
