"""Compares functions that read the runs of `itertools.groupby` with PySpark's worker."""

from __future__ import annotations

from itertools import groupby

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, BooleanType, LongType, MapType, StringType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

WORDS = ["", "a", "aab", "aaab日日é\U0001f600", None, "\0\0a", "ab" * 40, "z" * 300]
LISTS = [["a", "a", "b"], [], None, ["", "", "日"], ["x"], ["b", "a", "b"]]
TEXTS = [pa.record_batch({"s": pa.array(WORDS)})]
LONGS = [pa.record_batch({"s": pa.array([[1, 1, 2, 1], [], None, [0], [7] * 90, [-1, -1]])})]
STRINGS = [pa.record_batch({"s": pa.array(LISTS, pa.list_(pa.string()))})]
DOUBLES = [
    pa.record_batch({"s": pa.array([[0.0, -0.0, 1.5, 1.5], [], None])}),
    pa.record_batch({"s": pa.array([[float("nan"), float("nan")], [2.0], None])}),
]


def encoded(s):
    return "".join(f"{key}{len(list(run))}" for key, run in groupby(s or ""))


def encoded_in_a_loop(s):
    parts = []
    for key, run in groupby(s or ""):
        parts.append(str(key) + "*" + str(sum(1 for _ in run)))
    return ",".join(parts)


def longest(s):
    return max((len(list(run)) for _, run in groupby(s)), default=0) if s is not None else None


def second_run(s):
    n = 0
    for at, (_, run) in enumerate(groupby(s or "")):
        if at == 1:
            n = len(list(run))
            break
    return n


def after_a_break(s):
    if not s:
        return 0
    for _, run in groupby(s):  # noqa: B007
        break
    return len(list(run))


def keys(s):
    return [key for key, _ in groupby(s)] if s is not None else None


def texts(s):
    return ["".join(run) for _, run in groupby(s)] if s else []


def repeated(s):
    return any(len(list(run)) > 2 for _, run in groupby(s or ""))


def sizes(s):
    return {key: len(list(run)) for key, run in groupby(sorted(s))} if s else {}


CASES = [
    *((f, batches, StringType()) for f in (encoded, encoded_in_a_loop) for batches in (TEXTS, LONGS, STRINGS)),
    *((f, batches, LongType()) for f in (longest, second_run, after_a_break) for batches in (TEXTS, LONGS, STRINGS)),
    (keys, TEXTS, ArrayType(StringType())), (keys, LONGS, ArrayType(LongType())), (texts, TEXTS, ArrayType(StringType())),
    (repeated, TEXTS, BooleanType()), (sizes, TEXTS, MapType(StringType(), LongType())),
]  # fmt: skip


@pytest.mark.parametrize(("function", "batches", "type"), CASES)
def test_runs(function, batches, type):
    compared = compare_with_worker(function, batches, type, ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0), compared


def test_runs_of_floats():
    """Zeros of both signs are equal. Rows with a NaN run in Python: a NaN is equal to itself there, as the same object."""
    compared = compare_with_worker(longest, DOUBLES, LongType(), ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 2, 1), compared


REFUSED = [
    ("for key, run in groupby(s):\n        n += len(list(run)) + len(list(run))", "SW282"),
    ("for key, run in groupby(s):\n        for i in range(2):\n            n += len(list(run))", "SW282"),
    ("for key, run in groupby(s):\n        pass\n    n += len(list(run))", "SW282"),
    ("for pair in groupby(s):\n        n += len(list(pair[1]))", "SW282"),
    ("kept = [(key, run) for key, run in groupby(s)]\n    n += len(list(kept[0][1]))", "SW282"),
    ("kept = [run for key, run in groupby(s)]\n    n += len(list(kept[0]))", "SW282"),
    ("for pair in groupby(s):\n        a, b = pair\n        n += len(list(b))\n        a, b = pair\n        n += len(list(b))",
     "SW282"),
    ("n += len(list(groupby(s)))", "SW299"),
    ("for key, run in groupby(s):\n        n += sum(1 for x in s if x in run)", "SW299"),
    ("for key, run in groupby(s, key=str.lower):\n        n += len(list(run))", "SW282"),
    ("runs = groupby(s)\n    for key, run in runs:\n        n += 1\n    for key, run in runs:\n        n += 1", "SW282"),
    ("kept = list(s)\n    for key, run in groupby(kept):\n        kept.append('a') if len(kept) < 9 else None\n        n += 1",
     "SW259"),
    ("kept = [c for c in s]\n    for key, run in groupby(kept):\n        if n < 3:\n            kept.append('a')\n        n += 1",
     "SW282"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code"), REFUSED)
def test_runs_that_end(body, code):
    """A second loop over a run, or one after the next run has begun, is empty in Python."""
    names = {"groupby": groupby, "__name__": "user"}
    exec(f"def f(s):\n    n = 0\n    if not s:\n        return n\n    {body}\n    return n", names)
    assert compare_with_worker(names["f"], TEXTS, LongType(), ARROW_BATCHED).refused == code
