"""Compares loops that assign to the elements of arrays and lists, and lists of rows, with PySpark's worker."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.helpers.groups import compare_groups
from tests.udf_compiler.eval_types.test_group_loops import COUNT, GROUPS, NUMBER, one, schema

TWO = "k long, r double, s double"


def column(f, out):
    return f.assign(r=out)[["k", "r"]]


def smoothed(f):
    x, out = f["x"].values, np.zeros(len(f))
    out[0] = x[0]
    for i in range(1, len(x)):
        out[i] = 0.3 * x[i] + 0.7 * out[i - 1]
    return column(f, out)


def gaps_of_nan(f):
    x = f["x"].to_numpy()
    out = np.full(len(x), np.nan)
    for i in range(2, len(x)):
        if x[i] > 0:
            out[i] = x[max(0, i - 2) : i + 1].mean()
    return column(f, out)


def of_empty(f):
    x, out = f["x"].values, np.empty(len(f))
    for i in range(len(x)):
        out[i] = x[i] if i == 0 else out[i - 1] + x[i]
    return column(f, out)


def copied(f):
    out = f["x"].values.copy()
    for i in range(1, len(out)):
        out[i] = 0.5 * out[i - 1] + 0.5 * out[i]
    return column(f, np.where(out > 0, out, 0) + out.mean())


def two_arrays(f):
    gain, loss, x = np.zeros(len(f)), np.zeros(len(f)), f["x"].values
    for i in range(1, len(f)):
        if x[i] > x[i - 1]:
            gain[i] = x[i] - x[i - 1]
        else:
            loss[i] = x[i - 1] - x[i]
    f["r"], f["s"] = gain, loss
    return f[["k", "r", "s"]]


def twice(f):
    out, x = np.zeros_like(f["x"].values), f["x"].values
    for i in range(len(f)):
        out[i] = x[i]
        out[i] += 1
        if i > 2:
            out[i - 2] *= 2
    for i in range(len(f) - 2, -1, -1):
        out[i] = out[i + 1] + x[i]
    return column(f, out)


def from_the_end(f):
    out = np.zeros(len(f))
    for i in range(1, len(f) + 1):
        out[-i] = f["x"].values[-i] * 2
    return column(f, out)


def outside(f):
    out = np.zeros(len(f))
    for i in range(len(f)):
        out[i + 1] = 1.0
    return column(f, out)


def integers(f):
    out, w = np.zeros(len(f), dtype=int), f["w"].values
    for i in range(len(f)):
        out[i] = w[i] + (out[i - 1] if i else 0)
    return column(f, out)


def integers_as_doubles(f):
    out, big = np.zeros(len(f)), f["big"].values
    for i in range(len(f)):
        out[i] = big[i]
    return column(f, out)


def list_of_zeros(f):
    x = f["x"].tolist()
    out = [0.0] * len(x)
    for i in range(1, len(x)):
        out[i] = out[i - 1] + x[i]
    return column(f, out)


def floats_in_a_list_of_ints(f):
    out, x = [0] * len(f), f["x"].values
    for i in range(len(f)):
        if x[i] > 0:
            out[i] = x[i]
    return column(f, out)


def flags_and_texts(f):
    out, texts = [0] * len(f), ["none"] * len(f)
    for i, kind in enumerate(f["kind"]):
        if kind != "a":
            out[i], texts[i] = 1, kind + "!"
    f["r"], f["s"] = out, texts
    return f[["k", "r", "s"]]


def ints_or_floats(f):
    out, x = [0] * len(f), f["x"].tolist()
    for i, w in enumerate(f["w"].tolist()):
        out[i] = w if w > 1 else x[i]
    f["r"] = out
    return f.assign(s=f["r"].astype(str))[["k", "s"]]


def in_helper(x):
    out = np.zeros(len(x))
    for i in range(len(x)):
        out[i] = x[i] * 2
    return out


def returned(f):
    g = f.sort_values("x", kind="stable")
    return column(g, in_helper(g["x"].values))


def lists_as_rows(f):
    rows, last = [], 0.0
    for _, row in f.iterrows():
        rows.append([row["k"], row["x"] - last])
        last = row["x"]
    return pd.DataFrame(rows, columns=["k", "r"])


def rows_of_scalars(f):
    rows, x = [], f["x"].values
    for i in range(len(f)):
        rows.append((f["k"].iloc[i] if i % 2 else 5, None if f["w"].iloc[i] > 3 else x[i], x[i] > 0))
    return pd.DataFrame(rows, columns=["k", "r", "b"])


def scalars_and_none(f):
    out, last = [], None
    for i in range(len(f)):
        out.append(last)
        last = f["x"].iloc[i]
    return column(f, out)


def one_more_row(f):
    rows = []
    for w in f["w"]:
        if w > 3:
            rows.append({"k": 1, "n": w})
    rows.append({"k": 2, "n": int(f["w"].max())})
    return pd.DataFrame(rows)


def dicts(f):
    out, last = [], 0.0
    for row in f.to_dict("records"):
        out.append({"k": row["k"], "r": row["x"] - last})
        last = row["x"]
    return pd.DataFrame(out)


def first_row(f):
    f["r"] = f["x"] - f.iloc[0].x
    return f[["k", "r"]]


#: Function -> its result, the groups that a program computes, and those in which Python raises.
COMPILED = {
    smoothed: (NUMBER, 6, 0), gaps_of_nan: (NUMBER, 6, 0), copied: (NUMBER, 6, 0), two_arrays: (TWO, 6, 0), twice: (NUMBER, 6, 0),
    from_the_end: (NUMBER, 6, 0), outside: (NUMBER, 0, 6), integers: (COUNT, 6, 0), integers_as_doubles: (NUMBER, 6, 0),
    list_of_zeros: (NUMBER, 6, 0), returned: (NUMBER, 6, 0), lists_as_rows: (NUMBER, 6, 0),
    rows_of_scalars: ("k long, r double, b boolean", 6, 0), scalars_and_none: (NUMBER, 6, 0),
    floats_in_a_list_of_ints: (NUMBER, 3, 0), flags_and_texts: ("k long, r long, s string", 6, 0),
    ints_or_floats: ("k long, s string", 3, 0),
    one_more_row: ("k long, n long", 4, 0), dicts: (NUMBER, 6, 0),
    first_row: (NUMBER, 6, 0), of_empty: (NUMBER, 6, 0),
}  # fmt: skip


def view_of_a_column(f):
    out = f["x"].values
    for i in range(1, len(out)):
        out[i] = out[i - 1]
    return column(f, out)


def second_name(f):
    a = np.zeros(len(f))
    b = a
    for i in range(len(f)):
        a[i] = 1.0
    return column(f, b)


def in_a_tuple(f):
    a = np.zeros(len(f))
    pair = (a, 1)
    for i in range(len(f)):
        a[i] = 1.0
    return column(f, pair[0])


def of_the_caller(f):
    out = np.zeros(len(f))
    _fill(out)
    return column(f, out)


def _fill(out):
    for i in range(len(out)):
        out[i] = 1.0


def of_a_series(f):
    a = np.zeros(len(f))
    s = pd.Series(a)
    for i in range(len(f)):
        a[i] = 1.0
    return column(f, s.values)


def floats_in_integers(f):
    out = np.zeros(len(f), dtype=int)
    for i in range(len(f)):
        out[i] = f["x"].values[i]
    return column(f, out)


def ints_in_floats(f):
    out = [0.0] * len(f)
    for i, w in enumerate(f["w"].tolist()):
        out[i] = w
    return column(f, out)


def changed_row(f):
    rows = []
    for x in f["x"]:
        row = [1, x]
        rows.append(row)
        row[1] = 0.0
    return pd.DataFrame(rows, columns=["k", "r"])


def changed_after_append(f):
    rows = []
    for w in f["w"]:
        if w > 3:
            rows.append({"k": 1, "r": w})
    row = {"k": 2, "r": 5}
    rows.append(row)
    row["r"] = 6
    return pd.DataFrame(rows)


def appended_by_a_second_name(f):
    rows = []
    same = rows
    for w in f["w"]:
        rows.append((1, w))
    same.append((2, 7))
    return pd.DataFrame(rows, columns=["k", "r"])


def changed_dict(f):
    rows = []
    for row in f.to_dict("records"):
        row["r"] = row["x"] * 2
        rows.append(row)
    return pd.DataFrame(rows)[["k", "r"]]


REFUSED = {
    **dict.fromkeys((view_of_a_column, second_name, in_a_tuple, of_the_caller, of_a_series), "SW256"),
    **dict.fromkeys((floats_in_integers, ints_in_floats), "SW256"),
    changed_row: "SW293", changed_after_append: "SW256", appended_by_a_second_name: "SW312", changed_dict: "SW256",
}  # fmt: skip


def check(function, kernel):
    returns, decided, raised = COMPILED[function]
    found = compare_groups(function, GROUPS, schema(returns), kernel=lambda rows: rows.num_rows == kernel)
    assert (found.refused, found.decided, found.raised) == (None, decided, raised), found.reason


@pytest.mark.parametrize("function", COMPILED, ids=lambda function: function.__name__)
def test_assignments_and_rows_equal_those_of_the_worker(function):
    check(function, 17 if function is smoothed else 0)


@pytest.mark.nightly("test_assignments_and_rows_equal_those_of_the_worker")
@pytest.mark.parametrize("function", COMPILED, ids=lambda function: function.__name__)
def test_kernels_of_assignments_and_rows(function):
    check(function, 17)


@pytest.mark.parametrize("function", REFUSED, ids=lambda function: function.__name__)
def test_changes_that_another_name_sees_are_refused(function):
    assert compare_groups(function, GROUPS[:1], schema(NUMBER)).refused == REFUSED[function]


def test_a_single_number_is_no_list():
    assert compare_groups(lambda f: one(f, r=float([0.0] * 3 == [0.0])), GROUPS[:1], schema(NUMBER)).decided == 1
