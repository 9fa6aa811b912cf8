"""Compares loops over columns that append to a list with PySpark's worker, and refuses those in which rows affect each other."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from sparkweld.contract.constants import MAP_PANDAS, SCALAR_PANDAS, SCALAR_PANDAS_ITERATOR
from tests.helpers.compiled import compare_with_worker
from tests.helpers.pythons import since

BATCHES = [
    pa.record_batch({
        "a": pa.array([1.5, 250.0, -3.0, 0.0, 1e9]), "n": pa.array([4, 0, -2, 100, 7], pa.int64()),
        "s": pa.array(["wood", "", "light", "é", "wood"]),
    }),
    pa.record_batch({"a": pa.array([None, 8.0]), "n": pa.array([5, 6], pa.int64()), "s": pa.array([None, "light"])}),
]  # fmt: skip
CODES = {"wood": "W", "light": "L"}


def branches(a, n, s):
    out = []
    for x, y in zip(a, n):  # noqa: B905 - as people write it
        if x is None or x != x:
            out.append("missing")
        elif x * y > 1000:
            out.append("big")
        else:
            out.append("small")
    return pd.Series(out)


def variables_of_a_round(a, n, s):
    made = []
    for x, text in zip(a.values, s, strict=True):
        label = CODES.get(text, "?")
        for limit, mark in [(0.5, "+"), (100.0, "++")]:
            if x > limit:
                label = label + mark
        squares = [k * x for k in (1.0, 2.0)]
        made.append(label if sum(squares) > 0 else "none")
    return pd.Series(made, index=a.index)


def _ratio(x, y):
    try:
        return x / y
    except ZeroDivisionError:
        return 0.0


def helpers_that_catch(a, n, s):
    made = []
    for x, y in zip(a.tolist(), n.tolist(), strict=True):
        made.append(_ratio(x, y))
    return pd.Series(made) * 2


NUMBERS, STRINGS = DoubleType(), StringType()


@pytest.mark.parametrize(
    ("function", "returns"),
    # before, a comprehension is a function that reads a variable of the round, and might read it in a later round
    [(branches, STRINGS), since((3, 12), variables_of_a_round, STRINGS), (helpers_that_catch, NUMBERS)],
)
def test_loops_of_scalar_functions(function, returns):
    compared = compare_with_worker(function, BATCHES, returns, SCALAR_PANDAS)
    assert not compared.refused and compared.decided == len(BATCHES), compared


FORMATTED = [
    lambda a, n, s: pd.Series([f"{x:.1f}/{y}" for x, y in zip(a, n, strict=True)]),
    lambda a, n, s: pd.Series([f"{x > 1}-{y:05d}" for x, y in zip(a, n, strict=True)]),
    lambda a, n, s: pd.Series([f"<{text}>" for text in s.fillna("none")], index=s.index),
]
EXAMINED = [
    lambda a, n, s: pd.Series([f"{x}".upper() for x in n]),
    lambda a, n, s: pd.Series([str(len(f"{x}")) for x in n]),
    lambda a, n, s: pd.Series(["-".join([f"{x}{y}" for y in "ab"]) for x in n]),
    lambda a, n, s: pd.Series(["one" if f"{x}" == "1" else "other" for x in n]),
]


@pytest.mark.parametrize("function", FORMATTED)
def test_formatted_elements(function):
    compared = compare_with_worker(function, BATCHES[:1], STRINGS, SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == 1, compared


@pytest.mark.parametrize("function", EXAMINED)
def test_formatted_strings_that_are_examined_are_refused(function):
    assert compare_with_worker(function, BATCHES, STRINGS, SCALAR_PANDAS).refused == "SW602"


def batches_of_loops(batches):
    for a, n, _ in batches:
        out = []
        for x, y in zip(a, n):  # noqa: B905
            if y > 3:
                out.append(x * y)
            else:
                out.append(-1.0)
        yield pd.Series(out) + pd.Series([k + 0.5 for k in n])


def test_loops_of_iterators():
    compared = compare_with_worker(batches_of_loops, BATCHES, NUMBERS, SCALAR_PANDAS_ITERATOR)
    assert not compared.refused and compared.decided == len(BATCHES), compared


def new_column(frames):
    for frame in frames:
        doubled = []
        for x in frame["a"]:
            doubled.append(x * 2)
        frame["doubled"] = doubled
        frame["sum"] = [x + y for x, y in zip(frame["doubled"], frame["n"], strict=True)]
        yield frame[["n", "doubled", "sum"]]


def new_frame(frames):
    for frame in frames:
        yield pd.DataFrame({"n": frame["n"], "doubled": [x * 2 for x in frame["a"]], "sum": frame["a"]})


@pytest.mark.parametrize("function", [new_column, new_frame])
def test_lists_as_columns(function):
    fields = [StructField("n", LongType()), StructField("doubled", NUMBERS), StructField("sum", NUMBERS)]
    compared = compare_with_worker(function, BATCHES, StructType(fields), MAP_PANDAS)
    assert not compared.refused and compared.decided == len(BATCHES), compared


def total(a, n, s):
    out, sum_ = [], 0.0
    for x in a:
        sum_ += x
        out.append(sum_)
    return pd.Series(out)


def previous(a, n, s):
    out = []
    before = None
    for x in a:
        out.append(0.0 if before is None else x - before)
        before = x
    return pd.Series(out)


def ends_early(a, n, s):
    out = []
    for x in a:
        if x > 100:
            break
        out.append(x)
    return pd.Series(out)


def returns_within(a, n, s):
    out = []
    for x in a:
        if x > 1e12:
            return a
        out.append(x)
    return pd.Series(out)


def skips_rows(a, n, s):
    out = []
    for x in a:
        if x > 100:
            continue
        out.append(x)
    return pd.Series(out)


def appends_twice(a, n, s):
    out = []
    for x in a:
        out.append(x)
        if x > 100:
            out.append(x)
    return pd.Series(out)


def reads_the_list(a, n, s):
    out = []
    for x in a:
        out.append(x * len(out))
    return pd.Series(out)


def reads_the_last_round(a, n, s):
    out = []
    for x in a:
        y = x * 2
        out.append(y)
    return pd.Series(out) + y


def counts_in_a_list(a, n, s):
    out, counter = [], [0]
    for x in a:
        counter[0] += 1
        out.append(x * counter[0])
    return pd.Series(out)


def counts_in_a_dict(a, n, s):
    out, seen = [], {}
    for x in a:
        seen["n"] = seen.get("n", 0) + 1
        out.append(x * seen["n"])
    return pd.Series(out)


def uses_the_list_twice(a, n, s):
    out = []
    for x in a:
        out.append(x)
    return pd.Series(out) + len(out)


def begins_with_an_element(a, n, s):
    out = [0.0]
    for x in a:
        out.append(x)
    return pd.Series(out)


@pytest.mark.parametrize(
    "function",
    [total, previous, ends_early, returns_within, appends_twice, reads_the_list, reads_the_last_round,
     counts_in_a_list, counts_in_a_dict, uses_the_list_twice, begins_with_an_element],
)  # fmt: skip
def test_refused_loops(function):
    compared = compare_with_worker(function, BATCHES, NUMBERS, SCALAR_PANDAS)
    assert compared.refused in ("SW600", "SW295"), compared


def test_a_scalar_function_that_skips_rows():
    assert compare_with_worker(skips_rows, BATCHES, NUMBERS, SCALAR_PANDAS).refused == "SW107"


def counts_batches(batches):
    number = 0
    for a, _, _ in batches:
        number += 1
        yield pd.Series([x * number for x in a])


def keeps_the_list(batches):
    last = None
    for a, _, _ in batches:
        out = []
        for x in a:
            out.append(x if last is None else x + 1)
        last = out
        yield pd.Series(out)


def rows_of_a_filter(frames):
    for frame in frames:
        kept = frame[frame["a"] > 1]
        kept["doubled"] = [x * 2 for x in kept["a"]]
        yield kept[["doubled"]]


@pytest.mark.parametrize("function", [counts_batches, keeps_the_list])
def test_refused_iterators(function):
    assert compare_with_worker(function, BATCHES, NUMBERS, SCALAR_PANDAS_ITERATOR).refused in ("SW361", "SW600")


def test_rows_that_a_filter_has_kept_are_refused():
    fields = StructType([StructField("doubled", NUMBERS)])
    assert compare_with_worker(rows_of_a_filter, BATCHES, fields, MAP_PANDAS).refused == "SW262"


def in_dicts(a, n, s):
    rows = []
    for x, y, text in zip(a, n, s):  # noqa: B905 - as people write it
        label = f"{y}-{text}" if x > 1 else "none"
        rows.append({"a": f"{x:.2f}/{y}" if y > 4 else "few", "b": label, "c": "large" if y > 5 else f"<{label}>"})
    return pd.DataFrame(rows)


def in_tuples(a, n, s):
    rows = []
    for x, y, text in zip(a, n, s):  # noqa: B905
        row = ("{}:{}".format(y, "n"), f"{text}", f"{x > 1}")
        rows.append(row)
    return pd.DataFrame(rows, columns=["a", "b", "c"])


def in_lists_of_their_own(a, n, s):
    first, second, third = [], [], []
    for y, text in zip(n, s):  # noqa: B905
        name = f"{y}"
        first.append(name)
        second.append(f"{name}/{text}")
        if y > 4:
            third.append(f"{y:05d}")
        else:
            third.append(None)
    return pd.DataFrame({"a": first, "b": second, "c": third})


def by_a_condition_of_it(n):
    rows = []
    for y in n:
        rows.append({"a": f"{y}" or "none", "b": "b"})
    return pd.DataFrame(rows)


def as_a_key(n):
    rows = []
    for y in n:
        rows.append({f"{y}": 1, "a": "x", "b": "y"})
    return pd.DataFrame(rows)[["a", "b"]]


def of_a_variable_that_is_read(n):
    rows = []
    for y in n:
        name = f"{y}"
        rows.append({"a": name, "b": name if name != "4" else "four"})
    return pd.DataFrame(rows)


def of_a_dict_that_is_read(n):
    rows = []
    for y in n:
        row = {"a": f"{y}", "b": "y"}
        row["b"] = row["a"].zfill(9)
        rows.append(row)
    return pd.DataFrame(rows)


def in_another_list(n):
    rows = []
    for y in n:
        row = {"a": "a", "b": [f"{y}"][0] + "b"}
        rows.append(row)
    return pd.DataFrame(rows)


def _struct(names):
    return StructType([StructField(name, STRINGS) for name in names])


@pytest.mark.parametrize("function", [in_dicts, in_tuples, in_lists_of_their_own])
def test_formatted_parts_of_rows(function):
    compared = compare_with_worker(function, BATCHES[:1], _struct("abc"), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == 1, compared

    def mapped(frames):
        for frame in frames:
            yield function(frame["a"], frame["n"], frame["s"].fillna(""))

    compared = compare_with_worker(mapped, BATCHES[:1], _struct("abc"), MAP_PANDAS)
    assert not compared.refused and compared.decided == 1, compared


@pytest.mark.parametrize(
    "function", [by_a_condition_of_it, as_a_key, of_a_variable_that_is_read, of_a_dict_that_is_read, in_another_list]
)
def test_formatted_parts_that_are_examined_are_refused(function):
    batches = [batch.select(["n"]) for batch in BATCHES]
    assert compare_with_worker(function, batches, _struct("ab"), SCALAR_PANDAS).refused == "SW602"
