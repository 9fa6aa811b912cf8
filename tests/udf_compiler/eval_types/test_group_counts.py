"""Compares counts of values, and builtins of columns and of arrays, in functions of groups with PySpark's worker."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, DoubleType, LongType, StringType, StructField, StructType

from tests.helpers.groups import compare_aggregate, compare_groups
from tests.udf_compiler.eval_types.test_group_values import GROUPS

LONG, DOUBLE, STRING = LongType(), DoubleType(), StringType()


def seven(group):
    return group.num_rows == 7


#: Functions of one column: their result, the column, the groups that a program computes, and those in which Python raises.
#: Two groups of five have NULLs, of which one has nothing else.
AGGREGATES = {
    "most_frequent": (lambda s: Counter(s).most_common(1)[0][0], STRING, "tag", 3, 0),
    "its_count": (lambda s: Counter(s.tolist()).most_common(1)[0][1], LONG, "day", 5, 0),
    "without_nulls": (lambda s: Counter(s.dropna()).most_common(1)[0][0], STRING, "tag", 4, 1),
    "second": (lambda s: Counter(s).most_common(2)[1][0], STRING, "tag", 2, 2),
    "rarest": (lambda s: Counter(s).most_common()[-1][0], STRING, "tag", 3, 0),
    "repeated": (lambda s: [x for x, n in Counter(s).items() if n > 1], ArrayType(STRING), "tag", 3, 0),
    "share_of_the_most": (lambda s: s.value_counts(normalize=True).iloc[0], DOUBLE, "tag", 4, 1),
    "largest_share": (lambda s: s.value_counts(normalize=True).max(), DOUBLE, "price", 5, 0),
    "share_of_one": (lambda s: s.value_counts(normalize=True)["a"], DOUBLE, "tag", 3, 2),
    "smallest_of_the_most": (lambda s: s.dropna().value_counts().sort_index().idxmax(), STRING, "tag", 4, 1),
    "smallest_share_of_the_most": (lambda s: s.value_counts(normalize=True).sort_index().idxmax(), DOUBLE, "price", 5, 0),
    "smallest_day_of_the_most": (lambda s: s.value_counts().sort_index().idxmax(), LONG, "day", 5, 0),
    "number_of_counts": (lambda s: len(s.value_counts()), LONG, "tag", 5, 0),
    "sum_of_counts": (lambda s: s.value_counts().sum(), LONG, "tag", 5, 0),
    "first_key": (lambda s: s.value_counts().keys()[0], STRING, "tag", 3, 1),
    "sorted_distinct": (lambda s: sorted(s.unique()), ArrayType(LONG), "day", 5, 0),
    "sorted_column": (lambda s: sorted(s), ArrayType(DOUBLE), "weight", 5, 0),
    "distinct_of_an_array": (lambda s: len(set(s.values)), LONG, "weight", 5, 0),
    "largest": (lambda s: max(s), DOUBLE, "price", 5, 0),
}


@pytest.mark.nightly_cases("second", "rarest", "repeated", "its_count", "sorted_column", "largest_share", "largest")
@pytest.mark.parametrize("name", AGGREGATES)
def test_aggregates(name):
    function, returns, column, decided, raised = AGGREGATES[name]
    found = compare_aggregate(function, GROUPS, returns, [column], kernel=seven)
    assert (found.refused, found.decided, found.raised) == (None, decided, raised), found.reason


def test_ties_of_a_counter_are_decided_by_the_first_value():
    groups = [pa.record_batch({"x": pa.array(x)}) for x in (["b", "a"], ["b", "a", "a", "b"], ["c", "a", "b", "a", "b"])]
    for function in (lambda s: Counter(s).most_common(1)[0][0], lambda s: ",".join(x for x, _ in Counter(s).most_common(2))):
        found = compare_aggregate(function, groups, STRING, ["x"])
        assert (found.refused, found.decided) == (None, 3), found.reason


TIES = [["é", "z", "ab", "a", "ab", "é", None], ["b", "a"], [0.0, -0.0, 1.0, 1.0], [-0.0, 0.0, float("nan")]]


@pytest.mark.parametrize("values", TIES)
def test_ties_of_counts_by_value_are_decided_by_the_smallest(values):
    """Among equal zeros, pandas keeps the first one."""
    groups, returns = [pa.record_batch({"x": pa.array(values)})], DOUBLE if type(values[0]) is float else STRING
    found = compare_aggregate(lambda s: s.value_counts().sort_index().idxmax(), groups, returns, ["x"])
    assert (found.refused, found.decided) == (None, 1), found.reason


def test_counts_by_value_have_no_known_order_of_counts():
    assert compare_aggregate(lambda s: s.value_counts().sort_index().index[0], GROUPS, STRING, ["tag"]).refused == "SW312"
    descending = lambda s: s.value_counts().sort_index(ascending=False).idxmax()  # noqa: E731
    assert compare_aggregate(descending, GROUPS, STRING, ["tag"]).refused == "SW262"


def rows_of_counts(f):
    return pd.DataFrame(Counter(f["tag"]).most_common(2), columns=["s", "n"])


def test_counts_as_rows():
    returns = StructType([StructField("s", STRING), StructField("n", LONG)])
    found = compare_groups(rows_of_counts, GROUPS, returns, kernel=seven)
    assert (found.refused, found.decided) == (None, 3), found.reason


def _narrow(rows):
    rng = np.random.default_rng(rows)
    numbers = rng.normal(size=rows) * 10.0 ** rng.integers(-5, 8, rows)
    return pa.record_batch({"small": pa.array(rng.integers(20_000, 32_000, rows), pa.int16()), "x": pa.array(numbers)})


@pytest.mark.parametrize(("column", "returns"), [("small", LONG), ("x", DOUBLE)])
def test_lists_of_an_array_have_elements_of_numpy(column, returns):
    """Python adds its floats with a correction, but not those of NumPy, whose narrow integers wrap."""
    for function in (lambda s: sum(list(s.values)), lambda s: sum(s.values), lambda s: sum(s), lambda s: sum(s.tolist())):
        found = compare_aggregate(function, [_narrow(2), _narrow(7), _narrow(300)], returns, [column], kernel=seven)
        assert (found.refused, found.decided) == (None, 3), found.reason


def repeated_element(f):
    return pd.DataFrame({"s": [f["town"].iloc[0]] * len(f), "a": f["price"].values})


def repeated_missing_element(f):
    f["s"], f["a"] = [f["tag"].iloc[0]] * len(f), 1.5
    return f[["s", "a"]]


def of_numpy(key, f):
    return pd.DataFrame({"s": [f["town"].iloc[0]] * len(f), "a": np.full(len(f), f["weight"].mean()) * np.repeat(key[0], len(f))})


@pytest.mark.parametrize("function", [repeated_element, repeated_missing_element, of_numpy])
def test_an_element_in_each_row(function):
    returns = StructType([StructField("s", STRING), StructField("a", DOUBLE)])
    found = compare_groups(function, GROUPS, returns, kernel=seven)
    assert (found.refused, found.decided) == (None, 5), found.reason


def smoothed(s):
    out = [s.iloc[0]] * len(s)
    for i in range(1, len(s)):
        out[i] = (s.iloc[i] + out[i - 1]) / 2
    return sum(out)


@pytest.mark.parametrize(
    ("function", "column", "returns"),
    [
        (lambda s: sum([s.iloc[0]] * len(s)), "small", LONG),
        (lambda s: sum([s.iloc[0]] * len(s)), "x", DOUBLE),
        (lambda s: sum([float(s.mean())] * len(s)), "x", DOUBLE),
        (smoothed, "x", DOUBLE),
    ],
)
def test_repeated_scalars(function, column, returns):
    """Those of NumPy remain so: narrow integers wrap, and sums of floats have no correction."""
    found = compare_aggregate(function, [_narrow(2), _narrow(7), _narrow(40)], returns, [column], kernel=seven)
    assert (found.refused, found.decided) == (None, 3), found.reason


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda s: Counter(s.values).most_common(1)[0][0], "SW223"),
        (lambda s: Counter(s).most_common(len(s))[0][1], "SW312"),
        (lambda s: Counter(s).total(), "SW312"),
        (lambda s: Counter(s, a=1)["a"], "SW262"),
        (lambda s: list(set(s))[0], "SW312"),
    ],
)
def test_refusals(function, code):
    assert compare_aggregate(function, GROUPS[1:2], LONG, ["day"]).refused == code
