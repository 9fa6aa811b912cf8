"""Compares lines through the rows of a group, np.polyfit of degree 1, with PySpark's worker."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType

from tests.helpers import groups as helper
from tests.helpers.groups import compare_aggregate, compare_groups, one_form
from tests.udf_compiler.eval_types.test_grouped_maps import GROUPS, schema

SCHEMA = schema("a double, b double")


def _near(mine, theirs):
    """Within 8 * n * eps * q of the scale of y, for the groups below: at most 12 rows, q <= 1e6, and values below 1e3."""
    pairs = [(mine[name], value) for name, value in theirs.items()]
    return all((a is None) == (b is None) and (a is None or abs(a - b) <= 1e-6 * max(abs(b), 1e-3)) for a, b in pairs)


@pytest.fixture(autouse=True)
def within_the_bound():
    with mock.patch.object(helper, "same", _near):
        yield


def rows(x, y):
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    return pa.record_batch({"k": [1] * len(x), "x": x, "y": y, "n": np.arange(len(x)) ** 2 + 1})


RANDOM = np.random.default_rng(5)
LINES = [
    rows(RANDOM.normal(size=12), RANDOM.normal(size=12) * 100),
    rows(RANDOM.normal(size=7) + 40, RANDOM.normal(size=7)),
    rows([1, 2], [5, 9]),
    rows([0, 0, 1], [1, 3, -4]),
    rows([-3, -1, 1, 3], [1, 1, 1, 1]),
]
#: A single row, equal x, x far from zero, a NaN, an infinity.
OTHERS = [rows(*columns) for columns in (
    ([3], [4]), ([2, 2, 2], [1, 2, 3]), ([1e6, 1e6 + 0.5], [1, 2]), ([1, np.nan, 3], [1, 2, 3]), ([1, 2, 3], [1, np.nan, 3]),
    ([1, np.inf, 3], [1, 2, 3]), ([1, 2, 3], [1, -np.inf, 3]),
)]  # fmt: skip


def unpacked(f):
    slope, intercept = np.polyfit(f.x, f.y, 1)
    return pd.DataFrame({"a": [slope], "b": [intercept]})


def elements(f):
    line = np.polyfit(f["x"].values, f["y"].to_numpy(), 1)
    return pd.DataFrame({"a": [line[0]], "b": [float(line[-1])]})


def trend(f):
    f = f.sort_values("n")
    slopes = np.polyfit(np.arange(len(f)), f["y"], deg=1)[0], np.polyfit(range(len(f)), f["x"], 1)[0]
    return pd.DataFrame({"a": [slopes[0]], "b": [slopes[1]]})


def residuals(f):
    slope, intercept = np.polyfit(f["n"], f["y"], 1)
    return pd.DataFrame({"a": f.y - (slope * f["n"] + intercept), "b": f.y})


def of_enough_rows(f):
    if len(f) < 3:
        return pd.DataFrame({"a": [np.nan], "b": [0.0]})
    return pd.DataFrame({"a": [round(np.polyfit(f.x, f.y, 1)[0], 3)], "b": [1.0]})


@pytest.mark.parametrize("number", range(3))
def test_values(number):
    compared = compare_groups((unpacked, elements, trend)[number], LINES, SCHEMA, kernel=one_form(number))
    assert (compared.decided, compared.refused) == (len(LINES), None), compared.reason


def test_columns_of_residuals():
    lines = [group for group in LINES if group.num_rows > 2]  # of two rows, residuals are rounding errors
    compared = compare_groups(residuals, lines, SCHEMA)
    assert (compared.decided, compared.refused) == (len(lines), None), compared.reason


def test_groups_too_small_for_a_line():
    compared = compare_groups(of_enough_rows, LINES[:3], SCHEMA)
    assert (compared.decided, compared.refused) == (2, None), compared.reason


@pytest.mark.filterwarnings("ignore")  # NumPy's of a poor condition
def test_other_groups_run_in_python():
    for group in OTHERS:
        compared = compare_groups(unpacked, [LINES[0], group], SCHEMA)
        assert (compared.decided, compared.refused) == (1, None), (compared.reason, group)


def test_an_aggregate():
    compared = compare_aggregate(lambda x, y: np.polyfit(x, y, 1)[0], LINES, DoubleType(), ["x", "y"])
    assert (compared.decided, compared.refused) == (len(LINES), None), compared.reason


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (lambda f: np.polyfit(f.price, f.weight, 2)[0], "SW262"),
        (lambda f: np.polyfit(f.price, f.weight, 1, w=f.weight)[0], "SW262"),
        (lambda f: np.polyfit(f.price, f.weight, 1).sum(), "SW251"),
        (lambda f: np.polyfit(f.price, f.weight, 1)[2], "SW251"),
        (lambda f: np.polyfit(f.town, f.weight, 1)[0], "SW270"),
    ],
)
def test_refusals(value, code):
    function = lambda f: pd.DataFrame({"a": [value(f)], "b": [1.0]})  # noqa: E731
    assert compare_groups(function, GROUPS[:1], SCHEMA).refused == code
