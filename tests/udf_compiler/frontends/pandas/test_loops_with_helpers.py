"""Compares loops over Series that call a helper with loops of its own with PySpark's worker."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from tests.helpers.compiled import compare_with_worker

ROWS = [("a  b c", ["a", "b"], 3), ("", [], 0), ("Éa x", ["c"], -1), (" q ", ["q", "q"], 2**53 + 1), ("x\ud7ff1", ["é", ""], 7)]
BATCHES = [
    pa.record_batch({"s": pa.array(s, pa.string()), "ws": pa.array(ws, pa.list_(pa.string())), "n": pa.array(n, pa.int64())})
    for s, ws, n in ((list(column) for column in zip(*rows, strict=True)) for rows in (ROWS, [*ROWS, (None, ["x"], 1)]))
]
PAIR = StructType([StructField("kind", StringType()), StructField("text", StringType())])


def _squeezed(s):
    return " ".join(s.split()) if s else ""


def _kind_and_text(s, n):
    if n > 2 and s:
        return "long", s.strip()
    return ("none", "") if not s else ("plain", _squeezed(s)[:40])


def _score(s, ws):
    if not s:
        return 0
    found = set(s.lower().split())
    return sum(1 for w in ws if w in found) - 0.5


def _letters(s):
    n = 0
    for w in (s or "").split():
        if len(w) > 1:
            n += len(w)
    return n


def _first(ws):
    for at, w in enumerate(ws):
        if w > "b":
            return f"{at}:{w}"
    return None


@pytest.mark.nightly_cases("<lambda>-returns2")
@pytest.mark.parametrize(
    ("function", "returns"),
    [
        (lambda s, ws, n: pd.Series([_squeezed(x) for x in s]), StringType()),
        (lambda s, ws, n: pd.Series([_squeezed(x) + str(y) for x, y in zip(s, n, strict=True)]), StringType()),
        (lambda s, ws, n: pd.Series([float(_score(x, y)) for x, y in zip(s, ws, strict=True)], dtype="float64"), DoubleType()),
        (lambda s, ws, n: pd.Series([_letters(x) * 2 for x in s]), LongType()),
        (lambda s, ws, n: pd.Series([_first(x) for x in ws]), StringType()),
        (
            lambda s, ws, n: pd.DataFrame([_kind_and_text(x, y) for x, y in zip(s, n, strict=True)], columns=["kind", "text"]),
            PAIR,
        ),
        (lambda s, ws, n: pd.DataFrame([{"kind": _squeezed(x), "text": _first(y)} for x, y in zip(s, ws, strict=True)]), PAIR),
    ],
)
def test_helpers_with_loops(function, returns):
    proved = compare_with_worker(function, BATCHES, returns, kernel=returns != DoubleType())
    assert (proved.refused, proved.decided, proved.flagged) == ("", 2, 0)


def test_two_loops_and_a_map():
    def both(s, ws, n):
        first = pd.Series([_letters(x) for x in s])
        second = pd.Series([len(_squeezed(x)) for x in s])
        return first * 100 + second + n.map(lambda x: x % 5)

    proved = compare_with_worker(both, BATCHES, LongType(), kernel=True)
    assert (proved.refused, proved.decided, proved.flagged) == ("", 2, 0)
