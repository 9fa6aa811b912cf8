"""Compares functions with loops that return a tuple or a dict for a struct with PySpark's worker."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from pyspark.sql.types import BooleanType, DoubleType, LongType, StringType, StructField, StructType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

ROWS = pa.record_batch({
    "path": pa.array(["/a/b/12", "x", "", "/7/", "a/é/b", "12"]), "n": pa.array([4, 0, -3, 11, 250, 7], pa.int64()),
})  # fmt: skip
RETURNS = StructType([StructField("name", StringType()), StructField("count", LongType()), StructField("share", DoubleType())])


def counts(path, n):
    digits = 0
    for sign in path:
        if sign.isdigit():
            digits += 1
    return path, digits, digits / len(path) if path else None


def several_ends(path, n):
    best, at = None, -1
    for place, part in enumerate(path.split("/")):
        if best is None or len(part) > len(best):
            best, at = part, place
    if at < 0 or best == "":
        return None
    if n > 100:
        return best, None, 0.5
    return best, at, n * 0.25


def as_a_dict(path, n):
    total, steps = n, 0
    while total > 1 and steps < 50:
        total, steps = total // 2 if total % 2 == 0 else 3 * total + 1, steps + 1
    return {"name": path.upper(), "count": steps, "share": steps * 0.5}


def of_a_helper(path, n):
    def smallest_factor(x):
        for k in (2, 3, 5, 7, 11, 13):
            if x % k == 0:
                return k, True
        return 1, False

    factor, found = smallest_factor(n)
    marks = 0
    for sign in path:
        marks += sign in "/x"
    return (path if found else "prime"), factor + marks, 1.0


def row_of_a_dict(path, n):
    from pyspark.sql import Row

    found = {"name": None, "count": None, "share": None}
    if "/" in path:
        found["name"] = path.split("/")[0]
    if n > 5:
        found["count"] = n
    return Row(**found)


def row_of_types(path, n):
    from pyspark.sql.types import Row as Record

    return Record(name=path, count=n, share=1.0) if n > 5 else Record(name=path, count=0, share=None)


@pytest.mark.parametrize("function", [row_of_a_dict, row_of_types])
def test_rows_of_a_class_that_the_function_imports(function):
    compared = compare_with_worker(function, [ROWS, ROWS[1:2]], RETURNS, ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 2 and not compared.flagged, compared


def of_a_function_of_spark(path, n):
    from pyspark.sql import functions as F

    return F.lit(path), n, 1.0


def of_a_session(path, n):
    from pyspark.sql import SparkSession

    return str(SparkSession.builder), n, 1.0


@pytest.mark.parametrize(("function", "code"), [(of_a_function_of_spark, "SW214"), (of_a_session, "SW215")])
def test_other_members_of_pyspark_are_refused(function, code):
    compared = compare_with_worker(function, [ROWS], RETURNS, ARROW_BATCHED, kernel=True)
    assert code in compared.refused, compared


@pytest.mark.nightly_cases("counts", "as_a_dict")
@pytest.mark.parametrize("function", [counts, several_ends, as_a_dict, of_a_helper])
def test_loops_that_return_a_struct(function):
    compared = compare_with_worker(function, [ROWS, ROWS[1:2]], RETURNS, ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 2, compared


def none_of_a_pattern(path, n):
    found = re.search(r"(\w)/(\d+)", path)
    return None if found is None else (found.group(1), int(found.group(2)), n * 0.5)


def none_of_a_branch(path, n):
    return None if n < 5 else (path, n, None)


@pytest.mark.parametrize("function", [several_ends, none_of_a_pattern, none_of_a_branch])
def test_none_is_a_null_struct(function):
    compared = compare_with_worker(function, [ROWS, ROWS[1:2]], RETURNS, ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 2 and not compared.flagged, compared


def test_rows_with_none_are_flagged_where_a_field_may_not_be_null():
    returns = StructType([StructField("name", StringType(), False), *RETURNS.fields[1:]])
    compared = compare_with_worker(none_of_a_branch, [ROWS, ROWS[3:4]], returns, ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.flagged == 1, compared


def test_dicts_with_other_keys_on_some_paths():
    def either(path, n):
        length = 0
        for _ in path:
            length += 1
        return {"name": path, "ok": length > 2} if n > 5 else {"ok": False, "name": None}

    returns = StructType([StructField("name", StringType()), StructField("ok", BooleanType())])
    compared = compare_with_worker(either, [ROWS], returns, ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared


def of_one_class(path, n):
    try:
        start = path.find("/") if n > 0 else path.find(None)
        if start == -1:
            return None
        size = len(path) or 1
        return {"low": start / size * n, "high": (start + 1) / size * n if n != 7 else None, "other": n * 0.5}
    except TypeError:
        return {"low": -1.0, "high": 0.0, "other": float(n)}


def test_dicts_of_values_of_one_class():
    names = ("low", "high", "other")
    returns = StructType([StructField(name, DoubleType()) for name in names])
    rows = [ROWS.slice(at, 1) for at in range(ROWS.num_rows)]
    compared = compare_with_worker(of_one_class, [ROWS, *rows], returns, ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided > 3, compared


@pytest.mark.parametrize("other", [[None, None], "none", (1, 2, 3)])
def test_results_on_some_paths_that_are_no_struct(other):
    """The worker raises for them, so their rows are flagged."""

    def either(path, n):
        return (path, n > 5) if n > 0 else other

    returns = StructType([StructField("name", StringType()), StructField("ok", BooleanType())])
    rows = [pa.record_batch({"path": ["a", "b"], "n": pa.array(n, pa.int64())}) for n in ([1, 9], [1, -1], [-1, 0])]
    compared = compare_with_worker(either, rows, returns, ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged, compared.raised) == ("", 2, 2, 2)
