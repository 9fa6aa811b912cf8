"""Compares functions with loops that read a struct, as a Row, with PySpark's worker."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, DoubleType, LongType, StringType, StructType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

TYPE = pa.struct([("a", pa.string()), ("b", pa.int64()), ("c", pa.list_(pa.string())), ("d", pa.float64())])
ROWS = [
    {"a": "x y zz", "b": 1, "c": ["q", "r"], "d": 1.5}, {"a": None, "b": None, "c": None, "d": None},
    {"a": "", "b": -3, "c": [], "d": float("nan")}, {"a": "é z", "b": None, "c": ["a", "b"], "d": None},
    {"a": "w", "b": 7, "c": ["a"], "d": -0.0},
]  # fmt: skip
PAIRS = pa.array([{"a": row["a"], "b": row["b"]} for row in ROWS], pa.struct([("a", pa.string()), ("b", pa.int64())]))
PAIR = StructType().add("a", StringType()).add("b", LongType())


def by_name(r):
    if r["a"] is None:
        return None
    n = 0
    for w in r["a"].split():
        n += len(w)
    return n


def by_attribute(r):
    n = 0
    for w in (r.a or "").split():
        n += len(w)
    if r.b is not None and r.b > 0:
        n += r.b
    return n


def by_number(r):
    total = 0.0
    for i in range(3):
        total += (r[3] or 0.0) * i
    return total if r[1] is None else total + r[-3]


def renamed(text):
    text = text["a"]
    if text is None:
        return []
    return [text[i : i + 2] for i in range(0, len(text), 2)]


def over_fields(r):
    found = ""
    for x in r:
        found += "n" if x is None else "y"
    return found


def helped(r):
    def shown(q):
        return (q["a"] or "") + str(q["b"])

    out = ""
    for _ in range(len(r["a"] or "")):
        out += shown(r)
    return out


def as_dict(r):
    values, n = r.asDict(), 0
    for key in values:
        if values[key] is None:
            n += 1
    return n


def joined(r):
    out = []
    for x in r["c"] or []:
        out.append(x)
        if r["b"] and r["b"] > 3:
            out.append("+")
    return ",".join(out)


def none_read(r):
    n = 0
    for x in r["c"] or []:
        n += len(x) + len(r["a"])
    return n


@pytest.mark.parametrize(
    ("function", "returns"),
    [
        (by_name, LongType()), (by_attribute, LongType()), (by_number, DoubleType()), (renamed, ArrayType(StringType())),
        (over_fields, StringType()), (helped, StringType()), (as_dict, LongType()), (joined, StringType()),
        (none_read, LongType()),
    ],
)  # fmt: skip
def test_fields(function, returns):
    made = compare(function, pa.array(ROWS, TYPE), returns)
    assert not made.refused and made.decided == 1 and not made.flagged


def test_what_raises():
    """The rows that raise run in Python."""
    rows = [*ROWS, {"a": None, "b": 1, "c": ["x"], "d": 0.0}]
    made = compare(none_read, pa.array(rows, TYPE), LongType())
    assert (made.decided, made.flagged, made.raised) == (0, 1, 1)


def rows(r):
    out = []
    for _ in (r["a"] or "").split():
        out.append(r)
    return out


def parts(r):
    out = []
    for w in (r["a"] or "").split():
        out.append((w, r["b"]))
    return out


def whole(r):
    for w in (r["a"] or "").split():
        if w == "x":
            return None
    return r


def test_lists_of_rows():
    for function in (rows, parts):
        made = compare(function, PAIRS, ArrayType(PAIR))
        assert not made.refused and made.decided == 1 and not made.flagged
    assert compare(whole, PAIRS, PAIR).refused == "SW311"


def compare(function, column, returns):
    """Returns the counts of one batch, which a kernel and PySpark's worker compute."""
    return compare_with_worker(function, [pa.record_batch({"r": column})], returns, ARROW_BATCHED, kernel=True)
