"""Compares lookups of tuples in constant dicts and sets, and of keys whose values are tuples, with PySpark's worker."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, BooleanType, DoubleType, LongType, StringType

from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import PythonEvalType

ROW = PythonEvalType.SQL_ARROW_BATCHED_UDF
TEXT, LONG = StringType(), LongType()
ROWS = pa.RecordBatch.from_pydict({
    "c": pa.array(["A", "DE", "B", "C", None, "A", "", "z7"]),
    "k": pa.array(["food", "books", "other", None, "food", "x", "", "food"]),
    "n": pa.array([1, 2, None, 3, 4, 29, 0, -(2**62)], pa.int64()),
    "ns": pa.array([[1, 2, 2], [3, 29, 30], [], None, [1], [7, 2**40, 3], [4, 4], [0]], pa.list_(pa.int64())),
    "s": pa.array(["GATTACA", "AC", "", None, "X", "CCG", "é", "TT"]),
})  # fmt: skip
RATES = {
    ("DE", "food"): 0.07, ("DE", "books"): 0.05, ("DE", "other"): 0.19, ("A", "food"): 0.1, ("B", "other"): 0.2, ("", ""): -0.0,
    "C": 1.0, 7: 2.0, ("DE",): 3.0,
}  # fmt: skip
PRODUCTS = {(i, j): i * j for i in range(30) for j in range(30)}
SCORES = {(a, b): 4 if a == b else -1 for a in "ACGT" for b in "ACGT"}
NAMES = {("A", 1): "first", ("A", 29): "last", ("B", 2): "b", ("C", 3): "c", ("DE", 2): "de", ("é", 0): "e"}
MIXED = {("A", 1, None): 1, ("A", None, "x"): 2, ("B", None, "x"): 3, ("DE", 2, "x"): 4, ("C", 3, "y"): 5, (None, 4, "x"): 6}
FLAGS = {(True, "A"): 1, (False, "B"): 2, (True, "C"): 3, (3, "FR"): 4, (0, ""): 5, (False, "zz"): 6}
PLACES = {f"z{i}": (i * 1.5, -i * 0.5) for i in range(300)} | {"A": (1.0, -0.0), "B": (3.0, 4.0)}
LABELS = {(c, n): (c * 2, n + 1) for c in ("A", "B", "C", "DE") for n in range(30)}
STEPS = {("new", "A"): "paid", ("paid", "DE"): "sent", ("sent", "A"): "done", ("new", "B"): "off", ("paid", "B"): "off"}


def rate(c, k, n, ns, s):
    return None if c is None else RATES.get((c.upper(), k), RATES.get((c.upper(), "other"), 0.25))


def caught(c, k, n, ns, s):
    try:
        return PRODUCTS[n, n]
    except KeyError:
        return -5


def neighbours(c, k, n, ns, s):
    return sum(PRODUCTS.get((a, b), -1) for a, b in zip(ns or [], (ns or [])[1:]))  # noqa: B905


def places(c, k, n, ns, s):
    total = 0
    for i, x in enumerate(ns or []):
        if (i, x) in PRODUCTS:
            total += PRODUCTS[i, x]
        else:
            total -= 1
    return total


def score(c, k, n, ns, s):
    return sum(SCORES.get((a, b), 0) for a, b in zip(s or "", "GATTCCA"))  # noqa: B905


def states(c, k, n, ns, s):
    state = "new"
    for event in (c, k, "DE", "A"):
        state = STEPS.get((state, event), state)
    return state


def place(c, k, n, ns, s):
    lat, lon = PLACES.get(c, (0.0, 0.5))
    return lat * 10 + lon


def label(c, k, n, ns, s):
    found = LABELS.get((c, n))
    return f"{found[0]}{found[1]}" if found else None


COMPILED = [
    (rate, DoubleType()), (caught, LONG), (neighbours, LONG), (places, LONG), (score, LONG), (states, TEXT),
    (place, DoubleType()), (label, TEXT),
    (lambda c, k, n, ns, s: NAMES.get((c, n), "none"), TEXT),
    (lambda c, k, n, ns, s: (c, n) in NAMES, BooleanType()),
    (lambda c, k, n, ns, s: (n, n) not in PRODUCTS, BooleanType()),
    (lambda c, k, n, ns, s: MIXED.get((c, n, "x"), MIXED.get((c, n, None), 0)), LONG),
    (lambda c, k, n, ns, s: FLAGS.get((n, c), 0) * 10 + FLAGS.get((n is not None and n > 2, c), 0), LONG),
    (lambda c, k, n, ns, s: FLAGS.get((True, c), 0) * 10 + FLAGS.get((0, c), 0), LONG),
    (lambda c, k, n, ns, s: [PRODUCTS.get((x, 2), 0) for x in ns or []], ArrayType(LONG)),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(COMPILED)))
def test_lookups(number):
    function, returns = COMPILED[number]
    compared = compare_with_worker(function, [ROWS, ROWS.slice(1, 2)], returns, ROW, kernel=True)
    assert not compared.refused, compared.reason
    assert (compared.decided, compared.flagged) == (2, 0), compared


def test_a_missing_tuple_raises():
    rows = [ROWS, ROWS.slice(0, 1), ROWS.slice(6, 1)]
    compared = compare_with_worker(lambda c, k, n, ns, s: PRODUCTS[n, n], rows, LONG, ROW)
    assert (compared.decided, compared.flagged, compared.raised) == (2, 1, 1), compared
