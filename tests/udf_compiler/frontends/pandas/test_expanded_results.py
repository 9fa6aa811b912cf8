"""Compares ``Series.apply`` of functions that return a Series, which makes a frame, with PySpark's worker."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from sparkweld.contract.constants import SCALAR_PANDAS_ITERATOR
from tests.helpers.compiled import compare_with_worker

RETURNS = StructType([StructField("a", StringType()), StructField("b", StringType()), StructField("n", LongType())])
NUMBERS = StructType([StructField("a", LongType()), StructField("b", DoubleType())])
MAILS = pa.record_batch({
    "s": ["a@b", "x@y.z", "q@", "@", "é@\ue000", "aa@bb"], "n": pa.array([1, -2, 2**60, 0, 7, 9], pa.int64()),
})  # fmt: skip
GAPS = pa.record_batch({"s": ["a@b", None, ""], "n": pa.array([1, 2, 3], pa.int64())})


def _halves(mail):
    user, host = mail.split("@")
    return pd.Series({"a": user, "b": host or None, "n": len(mail)})


def _parts(mail):
    user, host = mail.split("@")
    return user, host or None, len(mail)


def of_helper(s, n):
    return s.apply(lambda mail: _halves(mail))


def of_lists(s, n):
    return s.apply(lambda x: pd.Series(["?" if x is None else x, "z", 3], index=["a", "b", "n"]))


def of_numbers(s, n):
    made = n.apply(lambda x: pd.Series({"a": str(x), "b": "t", "n": x}))
    made["b"] = made["a"] + made["b"]
    return made


def of_iterator(batches):
    for s, _ in batches:
        yield s.apply(_halves)


@pytest.mark.parametrize(("function", "rows"), [(of_helper, MAILS), (of_lists, MAILS), (of_lists, GAPS), (of_numbers, MAILS)])
def test_frames_of_series(function, rows):
    proved = compare_with_worker(function, [rows], RETURNS, kernel=True)
    assert (proved.refused, proved.decided, proved.flagged) == ("", 1, 0)


FLOATS = StructType([StructField("a", DoubleType()), StructField("b", DoubleType())])


@pytest.mark.parametrize(
    ("function", "returns"),
    [
        (lambda s, n: n.apply(lambda x: pd.Series({"a": x, "b": x / 2})), FLOATS),
        (lambda s, n: n.apply(lambda x: pd.Series({"a": x % 7, "b": 0.5})).assign(a=lambda f: f["a"] + 1), NUMBERS),
        (lambda s, n: n.apply(lambda x: pd.Series([x % 9, -x], index=["a", "b"])), NUMBERS),
        (lambda s, n: n.apply(lambda x: pd.Series({"a": None if x < 1 else 2, "b": x * 0.1})), FLOATS),
        (lambda s, n: s.apply(lambda x: pd.Series({"a": len(x), "b": float(len(x.split("@")[0]))})), FLOATS),
    ],
)
def test_frames_of_numbers(function, returns):
    rows = MAILS.set_column(1, "n", pa.array([1, -2, 2**50, 0, 7, 9], pa.int64()))
    proved = compare_with_worker(function, [rows], returns, kernel=True)
    assert (proved.refused, proved.decided, proved.flagged) == ("", 1, 0)


@pytest.mark.parametrize(
    ("function", "returns"),
    [
        (lambda s, n: pd.DataFrame(s.apply(_parts).tolist(), columns=["a", "b", "n"]), RETURNS),
        (lambda s, n: pd.DataFrame(n.map(lambda x: (x % 5, x / 2)).to_list(), columns=["a", "b"], index=n.index), NUMBERS),
        (lambda s, n: pd.DataFrame(n.apply(lambda x: (x % 5, None if x > 5 else 0.5)).tolist()), NUMBERS),
        (lambda s, n: pd.DataFrame([(x % 5, len(y) / 2) for x, y in zip(n, s, strict=True)]), NUMBERS),
    ],
)
def test_frames_of_tuples(function, returns):
    rows = MAILS.set_column(1, "n", pa.array([1, -2, 2**50, 0, 7, 9], pa.int64()))
    proved = compare_with_worker(function, [rows], returns, kernel=True)
    assert (proved.refused, proved.decided, proved.flagged) == ("", 1, 0)


def test_frames_of_an_iterator():
    proved = compare_with_worker(of_iterator, [MAILS], RETURNS, SCALAR_PANDAS_ITERATOR)
    assert (proved.refused, proved.decided, proved.flagged) == ("", 1, 0)


@pytest.mark.parametrize(
    ("function", "returns", "code"),
    [
        (lambda s, n: s.apply(lambda x: pd.Series({"a": x, "b": x, "n": 1}) if x > "b" else None), RETURNS, "SW262"),
        (lambda s, n: n.apply(lambda x: pd.Series({"a": x, "b": x > 2})), NUMBERS, "SW262"),
        (lambda s, n: n.apply(lambda x: pd.Series({"a": x, "b": x / 2 if x > 2 else 1})), NUMBERS, "SW262"),
        (lambda s, n: s.apply(lambda x: pd.Series({"a": x, "b": x})["a"]), StringType(), "SW262"),
        (lambda s, n: s.map(lambda x: pd.Series({"a": x, "b": x, "n": 1})), RETURNS, "SW293"),
        (lambda s, n: pd.DataFrame(n.apply(lambda x: (x, 0.5)), columns=["a"]).assign(b=0.5), NUMBERS, "SW262"),
        (lambda s, n: n.apply(lambda x: (x, 0.5)).str[0], LongType(), "SW262"),
        (lambda s, n: n.apply(lambda x: (x, 0.5) if x > 0 else (x,)), NUMBERS, "SW262"),
    ],
)
def test_other_series(function, returns, code):
    """pandas makes no frame of them, or infers one dtype for all numbers of a row."""
    assert compare_with_worker(function, [MAILS], returns).refused == code
