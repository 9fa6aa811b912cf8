"""Compares plain UDFs over maps, arrays of structs, nested structs and binary columns with PySpark's worker."""

from __future__ import annotations

import base64

import pyarrow as pa
import pytest
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DoubleType,
    IntegerType,
    LongType,
    MapType,
    StringType,
)

from tests.helpers.compiled import compare_with_worker
from tests.helpers.kinds import compile_udf
from tests.helpers.lines import PythonEvalType

ROW, PICKLED = PythonEvalType.SQL_ARROW_BATCHED_UDF, PythonEvalType.SQL_BATCHED_UDF
COUNTS = MapType(StringType(), IntegerType())
TALLIES = pa.map_(pa.string(), pa.int32())
ITEM = pa.struct([("kind", pa.string()), ("n", pa.int32()), ("x", pa.float64())])
MAPS = pa.RecordBatch.from_pydict({
    "m": pa.array([[("a", 1), ("b", 2)], [], None, [("size", 5)], [("b", 11), ("c", 20), ("a", 0)]], TALLIES),
    "k": pa.array(["a", "b", None, "size", "zz"]),
})  # fmt: skip
HOLES = pa.RecordBatch.from_pydict({
    "m": pa.array([[("a", None)], [("b", 1), ("b", 2)], [("a", 3)]], TALLIES),
    "k": pa.array(["a", "b", "a"]),
})  # fmt: skip
ROWS = pa.RecordBatch.from_pydict({
    "rows": pa.array([
        [{"kind": "é", "n": 1, "x": 0.5}, {"kind": "b", "n": 3, "x": -1.0}], [], None,
        [{"kind": "b", "n": 2, "x": 1e300}], [{"kind": "c", "n": None, "x": 1.0}, None], [{"kind": "a", "n": 9, "x": 0.0}] * 5,
    ], pa.list_(ITEM)),
})  # fmt: skip
BYTES = pa.RecordBatch.from_pydict({"b": pa.array([b"abc", b"", None, b"\xff\x00", "é".encode(), b"x" * 40])})


def positive(m, k):
    if m is None:
        return None
    return {key: value * 2 for key, value in m.items() if value > 0}


def looked_up(m, k):
    if m and k in m:
        return m[k]
    return -1


MAP_CASES = [
    (positive, COUNTS), (looked_up, IntegerType()),
    (lambda m, k: m.get(k, 7) if m and k else 0, LongType()),
    (lambda m, k: m.get("size") if m else None, IntegerType()),
    (lambda m, k: sum(m.values()) + len(m) if m else 0, LongType()),
    (lambda m, k: max(m, key=m.get) if m else None, StringType()),
    (lambda m, k: ",".join(f"{key}={value}" for key, value in m.items()) if m else "", StringType()),
    (lambda m, k: sorted(m.keys()) if m else [], ArrayType(StringType())),
    (lambda m, k: m, COUNTS),
    (lambda m, k: any(v > 9 for v in m.values()) if m else False, BooleanType()),
]  # fmt: skip


@pytest.mark.gate_cases(2)
@pytest.mark.parametrize("number", range(len(MAP_CASES)))
def test_maps(number):
    function, returns = MAP_CASES[number]
    compared = compare_with_worker(function, [MAPS], returns, ROW, kernel=True)
    assert not compared.refused and compared.decided == 1 and not compared.flagged, compared


def test_rows_that_kernels_do_not_hold():
    """A NULL value, and a repeated key."""
    compared = compare_with_worker(lambda m, k: m.get(k, 7), [HOLES], LongType(), ROW, kernel=True)
    assert (compared.decided, compared.flagged, compared.raised) == (1, 1, 0), compared


def joined(rows):
    text = ""
    for row in rows or []:
        text += row["kind"] + ":" + str(row.n) + ";"
    return text


def last_b(rows):
    for row in reversed(rows or []):
        if row.kind == "b":
            return row[1]
    return None


ROW_CASES = [
    (joined, StringType()), (last_b, IntegerType()),
    (lambda rows: float(sum(r.n * r.x for r in rows)) if rows else 0.0, DoubleType()),
    (lambda rows: [r["kind"] for r in rows if r["n"] > 1] if rows else [], ArrayType(StringType())),
    (lambda rows: len(rows) if rows else 0, IntegerType()),
    (lambda rows: rows[-1].kind + rows[0]["kind"] if rows else None, StringType()),
    (lambda rows: {r.kind: r.n for r in rows or []}, COUNTS),
    (lambda rows: sum(n for kind, n, x in rows[:2]) if rows else 0, LongType()),
]  # fmt: skip


@pytest.mark.gate_cases(2)
@pytest.mark.parametrize("number", range(len(ROW_CASES)))
def test_arrays_of_structs(number):
    function, returns = ROW_CASES[number]
    compared = compare_with_worker(function, [ROWS, ROWS.slice(0, 4)], returns, ROW, kernel=True)
    assert not compared.refused and compared.flagged == 1 and compared.decided >= 1, compared


BYTE_CASES = [
    (lambda b: b.decode() if b else None, StringType()),
    (lambda b: base64.b64encode(b).decode("ascii") if b else None, StringType()),
    (lambda b: "short" if not b or len(b) < 4 else b[:4].hex(), StringType()),
    (lambda b: len(b) if b is not None else -1, IntegerType()),
    (lambda b: b, BinaryType()),
    (lambda b: b"none" if b is None else b + b"!", BinaryType()),
]


@pytest.mark.parametrize("number", range(len(BYTE_CASES)))
def test_binary(number):
    function, returns = BYTE_CASES[number]
    compared = compare_with_worker(function, [BYTES, BYTES.slice(0, 3)], returns, ROW, kernel=True)
    assert not compared.refused and compared.flagged == 1 and compared.decided >= 1, compared


def test_binary_results_of_strings():
    texts = pa.RecordBatch.from_pydict({"s": pa.array(["é", None, "", "abc"])})
    function = lambda s: s.encode("utf-8") if s is not None else None  # noqa: E731
    compared = compare_with_worker(function, [texts], BinaryType(), ROW, kernel=True)
    assert compared.decided == 1, compared
    assert compile_udf(function, PICKLED, {"s": "string"}, "binary")["status"] == "ok"
    assert compare_with_worker(lambda s: s, [texts], BinaryType(), ROW).refused == "SW226"


def test_parts_that_are_refused():
    floats = pa.RecordBatch.from_pydict({"m": pa.array([[(0.5, 1)]], pa.map_(pa.float64(), pa.int32()))})
    assert compare_with_worker(lambda m: m.get(0.5), [floats], LongType(), ROW).refused == "SW101"
    for batch in (MAPS.select(["m"]), ROWS, BYTES):
        assert compare_with_worker(lambda x: len(x or []), [batch], LongType(), PICKLED).refused == "SW101"
        assert compare_with_worker(lambda x: x, [batch], LongType(), PythonEvalType.SQL_SCALAR_PANDAS_UDF).refused == "SW101"
        assert compare_with_worker(lambda x: x, [batch], LongType(), PythonEvalType.SQL_SCALAR_ARROW_UDF).refused == "SW101"


def first_value(rows):
    found = next((row for row in rows or [] if row.kind in ("b", "c")), None)
    if found:
        return found.x * 2


def first_or_raise(rows):
    try:
        return next(row["n"] for row in rows if row["x"] < 0)
    except StopIteration:
        return -1


@pytest.mark.parametrize(("function", "returns"), [(first_value, DoubleType()), (first_or_raise, LongType())])
def test_the_first_row_of_a_generator_expression(function, returns):
    alone = [ROWS.slice(at, 1) for at in range(ROWS.num_rows)]
    compared = compare_with_worker(function, [ROWS, *alone], returns, ROW, kernel=True)
    assert not compared.refused and compared.decided > 3, compared
