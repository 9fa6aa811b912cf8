"""Compares with PySpark's worker the DataFrames of one row or a few rows that functions of groups make."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.helpers.groups import compare_groups, one_form
from tests.udf_compiler.eval_types.test_grouped_maps import GROUPS, group, schema


def of_a_key(key, f):
    return pd.DataFrame([key + (f.price.mean(),)])


def of_a_list(f):
    return pd.DataFrame([[len(f), f.price.max()]])


def of_an_element_among_doubles(f):
    first, last = f[["k", "price", "pieces", "day"]].iloc[0], f[["day", "weight"]].iloc[-1]
    return pd.DataFrame({"k": [f.k.iloc[0]], "a": [first["k"] + first.pieces + last["day"]]})


def of_an_element_among_longs(f):
    row = f[["day", "total"]].iloc[0]
    return pd.DataFrame({"k": [row.day], "a": [row.total / 2]})


@pytest.mark.gate_cases("0", "3")
@pytest.mark.parametrize("number", range(4))
def test_one_row(number):
    function = (of_a_key, of_a_list, of_an_element_among_doubles, of_an_element_among_longs)[number]
    compared = compare_groups(function, GROUPS, schema("k long, a double"), kernel=one_form(number))
    assert (compared.decided, compared.refused) == (len(GROUPS), None), compared.reason


def statistics(key, f):
    return pd.DataFrame({"k": key[0], "what": ["mean", "most", "rows"], "a": [f.price.mean(), f.weight.max(), len(f)]})


def statistics_of_lists(f):
    k = f.k.iloc[0]
    return pd.DataFrame([[k, "rows", len(f)], [k, "open", f.open.sum()]], columns=["k", "what", "a"])


def statistics_by_column(f):
    rows = []
    for name in ["price", "weight", "day"]:
        rows.append({"k": f.k.iloc[0], "what": name, "a": f[name].mean() / f[name].max()})
    return pd.DataFrame(rows)


def by_place(f):
    return pd.DataFrame([(1, "least", f.weight.min()), (2, "most", f.weight.max())])


SEVERAL = [(statistics, 3), (statistics_of_lists, 2), (statistics_by_column, 3), (by_place, 2)]


@pytest.mark.gate_cases(2)
@pytest.mark.parametrize(("function", "rows"), SEVERAL)
def test_several_rows(function, rows):
    """A group with fewer rows than the result runs in Python."""
    groups = [g for g in GROUPS if g.column("price").null_count < g.num_rows]
    compared = compare_groups(function, groups, schema("k long, what string, a double"), kernel=one_form(rows))
    assert (compared.decided, compared.refused) == (sum(g.num_rows >= rows for g in groups), None), compared.reason


@pytest.mark.gate_cases(2)
@pytest.mark.parametrize("times", [
    pa.array([dt.date(2021, 5, at) for at in (4, 1)]),
    pa.array([5, 6], pa.timestamp("us", "UTC")),
])  # fmt: skip
def test_numbers_of_a_row_with_a_time(times):
    """Such a row has Python objects, so its numbers keep their dtypes."""

    def first(f):
        row = f.iloc[0]
        return pd.DataFrame({"k": [row["k"]], "a": [row["weight"] + row.day]})

    rows = pa.record_batch({"k": pa.array([3, 3], pa.int64()), "at": times, "weight": [0.5, 2.0], "day": [2**53 + 1, 4]})
    assert compare_groups(first, [rows], schema("k long, a double")).decided == 1


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda f: pd.DataFrame([[f.k.sum(), f.k.sum()], [1]]), "SW262"),
        (lambda f: pd.DataFrame([[f.k.sum(), 1, 2]]), "SW364"),
        (lambda f: pd.DataFrame({"k": [f.k.sum(), 1], "a": [0.5]}), "SW262"),
        (lambda f: pd.DataFrame({"k": [f.k.sum(), f.weight.sum()], "a": 0.5}, index=[0, 1]), "SW262"),
        (lambda f: pd.DataFrame([{"k": f.k.sum(), "a": 0.5}, {"a": 0.5, "k": 1}]), "SW262"),
        (lambda f: pd.DataFrame({"k": [f.town.iloc[0], "x"], "a": 0.5}), "SW312"),
        (lambda f: pd.DataFrame({"k": [f.k.sum()] * 65, "a": 0.5}), "SW262"),
    ],
)
def test_refusals(function, code):
    assert compare_groups(function, [group(5, 1)], schema("k long, a double")).refused == code


def frame_without_a_column(f):
    f = f.drop(columns=["town", "nothing"], errors="ignore").drop("price", axis=1)
    return f.assign(a=f.weight - np.mean(f.weight))[["k", "a"]]


def test_columns_that_are_dropped_if_they_are_there():
    compared = compare_groups(frame_without_a_column, GROUPS, schema("k long, a double"))
    assert (compared.decided, compared.refused) == (len(GROUPS), None), compared.reason
    for function in (lambda f: f.drop(columns=["nothing"]), lambda f: f.drop(0), lambda f: f.drop([0], columns=["town"])):
        assert compare_groups(function, [group(5, 1)], schema("k long, a double")).refused == "SW262"
