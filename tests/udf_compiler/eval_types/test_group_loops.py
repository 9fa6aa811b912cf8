"""Compares loops over a group's rows that carry state from row to row with PySpark's worker, group by group."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DateType,
    DoubleType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from tests.helpers.groups import compare_groups

TYPES = {
    "long": LongType(), "double": DoubleType(), "string": StringType(), "boolean": BooleanType(), "date": DateType(),
    "timestamp": TimestampType(), "doubles": ArrayType(DoubleType()),
}  # fmt: skip
NUMBER, COUNT, TEXT = "k long, r double", "k long, r long", "k long, r string"


def schema(text: str) -> StructType:
    fields = [field.split() for field in text.split(", ")]
    return StructType([StructField(name, TYPES[type]) for name, type in fields])


def group(rows: int, key: int, missing: float = 0.0) -> pa.RecordBatch:
    """Returns a group with large integers, infinities, zeros of both signs, and a share of NULLs."""
    rng = np.random.default_rng((rows, key))

    def nulls(values):
        return [None if rng.random() < missing else x for x in values]

    wild = rng.choice([0.0, -0.0, 1.5, -2.5, np.nan, np.inf, -np.inf, 1e308, 5e-324], rows)
    days = [datetime.date(2024, 1, 1) + datetime.timedelta(days=int(x)) for x in rng.integers(0, 9, rows)]
    return pa.record_batch({
        "k": pa.array([key] * rows, pa.int64()),
        "big": pa.array(nulls(rng.integers(-(2**62), 2**62, rows).tolist()), pa.int64()),
        "wild": pa.array(nulls(wild.tolist()), pa.float64()),
        "text": pa.array(nulls(rng.choice(["", "a", "ZZ", "é", "10"], rows).tolist()), pa.string()),
        "open": pa.array(nulls((rng.random(rows) < 0.5).tolist()), pa.bool_()),
        "day": pa.array(days),
        "w": pa.array(rng.integers(0, 6, rows), pa.int64()),
        "x": pa.array(rng.normal(size=rows).round(2)),
        "small": pa.array(rng.integers(-30_000, 30_000, rows), pa.int16()),
        "kind": pa.array(rng.choice(["a", "b", "c"], rows).tolist()),
    })  # fmt: skip


GROUPS = [group(1, 1), group(2, 2, 0.3), group(3, 3), group(17, 4), group(40, 5, 0.2), group(6, 6, 1.0)]


def one(f, **results):
    return pd.DataFrame([{"k": int(f["k"].iloc[0]), **results}])


def carried_scalars(f):
    state, starts, longest, run = "idle", 0, 0, 0
    for _, row in f[["k", "x", "kind"]].iterrows():
        if row["x"] > 0 and state == "idle":
            state, run = "busy", 1
            starts += 1
        elif row["x"] > 0:
            run += 1
        else:
            state = "idle"
        longest = max(longest, run)
    return one(f, r=float(longest), n=starts, s=state)


def smoothed(f):
    out = []
    for i in range(len(f["x"].values)):
        if i < 2:
            value = f["x"].values[i]
        else:
            value = (f["x"].values[i] + f["x"].values[i - 1] + f["x"].values[i - 2]) / 3
        out.append(value)
    f["r"] = out
    f["s"] = "s" + str(f["w"].iloc[0])
    return f[["k", "r", "s"]]


def differences(f):
    previous, out = None, []
    for x in f["x"]:
        out.append(None if previous is None else x - previous)
        previous = x
    f["r"] = out
    return f[["k", "r"]]


def selected_rows(f):
    rows = []
    for i in range(1, len(f)):
        step = f["x"].iloc[i] - f.iloc[i - 1]["x"]
        if step > 0:
            rows.append({"k": int(f["k"].iloc[i]), "r": float(step)})
    return pd.DataFrame(rows, columns=["k", "r"])


def rows_with_none(f):
    rows, last = [], None
    for row in f.itertuples(index=False):
        rows.append((row.k, None if last is None else row.x - last, row.kind if row.x > 0 else None))
        last = row.x
    return pd.DataFrame(rows, columns=["k", "r", "s"])


def python_sum(f):
    total = 0
    for x in f["big"]:
        total += x
    return one(f, r=total)


def numpy_sum(f):
    total = f["small"].iloc[0]
    for i in range(1, len(f)):
        total = total + f["small"].iloc[i]
    return one(f, r=total)


def common_dtype(f):
    out = []
    for _, row in f[["k", "big", "x"]].iterrows():
        out.append(row["big"])
    return pd.DataFrame({"k": f["k"], "r": out})


def python_division(f):
    out, divisor = [], 1.0
    for w in f["w"]:
        out.append(divisor / w)
        divisor = w
    f["r"] = out
    return f[["k", "r"]]


def numpy_division(f):
    out, w = [], f["w"].values
    for i in range(len(w)):
        out.append(w[i - 1] / w[i])
    f["r"] = out
    return f[["k", "r"]]


def mixed_floats(f):
    total, out = 0.0, []
    for x, w in zip(f["wild"].tolist(), f["x"].values):  # noqa: B905 - as people write it
        if x == x:
            total += w
        out.append(total)
    f["r"] = out
    return f[["k", "r"]]


def largest_so_far(f):
    best, out = -1e9, []
    for x in f["wild"]:
        if x > best:
            best = x
        out.append(best)
    f["r"] = out
    return f[["k", "r"]]


def changes_of_text(f):
    last, count = None, 0
    for text in f["text"]:
        if text != last:
            count += 1
        last = text
    return one(f, r=count)


def joined_text(f):
    previous, out = "-", []
    for row in f.itertuples():
        out.append(row.kind + str(row.w) if row.kind != previous else "same")
        previous = row.kind
    f["r"] = out
    return f[["k", "r"]]


def bools_with_none(f):
    run = best = 0
    for is_open in f["open"]:
        run = run + 1 if is_open else 0
        best = max(best, run)
    return one(f, r=best)


def first_above(f):
    found, at = False, -1
    for i, x in enumerate(f["x"]):
        if x > 1.2:
            found, at = True, i
            break
    return one(f, r=at, b=found)


def of_kept_rows(f):
    kept, total = f[f["w"] > 2].reset_index(drop=True), 0.0
    for i in range(len(kept)):
        total = total * 0.5 + kept.loc[i, "x"]
    return one(f, r=total)


def backwards(f):
    total, out = 0.0, []
    for i in range(len(f) - 1, -1, -1):
        total = total * 0.5 + f["x"].iloc[i]
        out.append(total)
    f["r"] = out
    return f[["k", "r"]]


def inversions(f):
    count, w = 0, f["w"].values
    for i in range(len(w)):
        for j in range(i + 1, len(w)):
            if w[i] > w[j]:
                count += 1
    return one(f, r=count)


def best_of(values, margin):
    best, count = values[0], 0
    for i in range(1, len(values)):
        if values[i] - values[i - 1] > margin:
            count += 1
        best = max(best, values[i])
    return best, count


def in_helper(f):
    best, count = best_of(f["x"].to_numpy(), 0.5)
    return one(f, r=best, n=count)


def distinct(f):
    seen = set()
    for w in f["w"].tolist():
        if w > 1:
            seen.add(w)
    return one(f, r=len(seen))


def caught(f):
    count = 0
    for kind in f["text"]:
        try:
            count += int(kind)
        except ValueError:
            count += 1
    return one(f, r=count)


def aliased(f):
    out = []
    again = out
    for x in f["x"]:
        again.append(x * 2)
    f["r"] = out
    return f[["k", "r"]]


def counted_in_a_dict(f):
    state = {"count": 0, "last": 0.0}
    for x in f["x"]:
        if x > state["last"]:
            state["count"] += 1
        state["last"] = x
    return one(f, r=state["count"])


def best_pair(f):
    best = (None, -1.0)
    for row in f.itertuples():
        if row.x > best[1]:
            best = (row.kind, row.x)
    return one(f, r=best[1], s=best[0])


def most_common(f):
    counts = {}
    for text in f["text"]:
        counts[text] = counts.get(text, 0) + 1
    best, most = "", 0
    for text in counts:
        if counts[text] > most:
            best, most = text, counts[text]
    return one(f, n=most, s=best)


def while_in_helper(f):
    return one(f, n=_rounds(float(f["x"].min()), float(f["x"].max())))


def _rounds(low, high):
    n = 0
    while low < high:
        low += 0.5
        n += 1
    return n


#: Function -> its result, the groups that a program computes, and those in which Python raises.
COMPILED = {
    carried_scalars: ("k long, r double, n long, s string", 6, 0), smoothed: ("k long, r double, s string", 6, 0),
    differences: (NUMBER, 6, 0), selected_rows: (NUMBER, 4, 0), rows_with_none: ("k long, r double, s string", 6, 0),
    python_sum: (COUNT, 6, 0), numpy_sum: (COUNT, 6, 0), common_dtype: (NUMBER, 6, 0), python_division: (NUMBER, 3, 3),
    numpy_division: (NUMBER, 6, 0), largest_so_far: (NUMBER, 6, 0), changes_of_text: (COUNT, 6, 0),
    joined_text: (TEXT, 6, 0), bools_with_none: (COUNT, 6, 0), first_above: ("k long, r long, b boolean", 6, 0),
    of_kept_rows: (NUMBER, 6, 0), backwards: (NUMBER, 6, 0), inversions: (COUNT, 6, 0),
    in_helper: ("k long, r double, n long", 6, 0), mixed_floats: (NUMBER, 4, 0),
    distinct: (COUNT, 6, 0), caught: (COUNT, 3, 2), aliased: (NUMBER, 6, 0), counted_in_a_dict: (COUNT, 6, 0),
    best_pair: ("k long, r double, s string", 6, 0), most_common: ("k long, n long, s string", 4, 0),
    while_in_helper: ("k long, n long", 6, 0),
}  # fmt: skip


def changed_elsewhere(f):
    out = []
    _fill(out, f["x"])
    f["r"] = out
    return f[["k", "r"]]


def _fill(out, values):
    for x in values:
        out.append(x)


def labels_of_sorted_rows(f):
    f, out = f.sort_values("x", kind="stable"), []
    for i in range(len(f)):
        out.append(f["x"][i])
    f["r"] = out
    return f[["k", "r"]]


def returns_within(f):
    for i in range(len(f)):
        if f["x"].iloc[i] > 0:
            return one(f, r=i)
    return one(f, r=-1)


def while_below(f):
    low, n = f["x"].min(), 0
    while low < f["x"].max():
        low += 0.5
        n += 1
    return one(f, r=n)


REFUSED = {
    changed_elsewhere: "SW295", labels_of_sorted_rows: "SW250", returns_within: "SW600", while_below: "SW312",
}  # fmt: skip


@pytest.mark.parametrize("function", REFUSED, ids=lambda function: function.__name__)
def test_other_loops_are_refused(function):
    assert compare_groups(function, GROUPS[:1], schema(NUMBER)).refused == REFUSED[function]


@pytest.mark.nightly_cases(
    "carried_scalars",
    "selected_rows",
    "rows_with_none",
    "numpy_sum",
    "joined_text",
    "of_kept_rows",
    "inversions",
    "in_helper",
    "mixed_floats",
    "caught",
    "best_pair",
)
@pytest.mark.parametrize("function", COMPILED, ids=lambda function: function.__name__)
def test_loops_that_carry_state_equal_those_of_the_worker(function):
    returns, decided, raised = COMPILED[function]
    found = compare_groups(function, GROUPS, schema(returns), kernel=lambda rows: rows.num_rows == 17)
    assert (found.refused, found.decided, found.raised) == (None, decided, raised), found.reason
