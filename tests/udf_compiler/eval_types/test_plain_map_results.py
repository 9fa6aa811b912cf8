"""Compares dicts that plain UDFs return for a map with PySpark's worker: the order of keys, NULL, conversions of values."""

from __future__ import annotations

import json
import re
from collections import Counter

import pyarrow as pa
import pytest
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    StructType,
)

from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import PythonEvalType

ROW = PythonEvalType.SQL_ARROW_BATCHED_UDF
PICKLED = PythonEvalType.SQL_BATCHED_UDF
TEXTS, COUNTS = MapType(StringType(), StringType()), MapType(StringType(), IntegerType())
NUMBERS = MapType(StringType(), DoubleType())
ROWS = pa.RecordBatch.from_pydict({
    "x": pa.array([1.5, None, -0.0, float("nan"), 1e300, 0.1]),
    "n": pa.array([1, 0, 7, 2**40, -(2**63), None]),
    "s": pa.array(["sea", "air", "", None, "é z", "rail"]),
})  # fmt: skip
FEES = {"sea": {"base": 9.5, "fuel": 0.25}, "air": {}, "rail": {"base": 1.0}}
NAMES = {"sea": "ship", "air": "plane"}


def measures(x, n, s):
    return None if x is None else {"half": x / 2, "id": float(n or 0), "last": -x}


def branches(x, n, s):
    n = n or 0
    found = {"n": n % 9}
    if s:
        found["size"] = len(s)
    if n > 5:
        found["n"] = 5  # keeps its place
    return found


def patterns(x, n, s):
    return {name: bool(re.search(f, s or "")) for name, f in (("vowel", "[aeiou]"), ("blank", r"\s"))}


CASES = [
    (measures, NUMBERS),
    (branches, COUNTS),
    (patterns, MapType(StringType(), BooleanType())),
    (lambda x, n, s: FEES.get(s, {}), NUMBERS),
    (lambda x, n, s: FEES[s] if s in FEES else None, NUMBERS),
    (lambda x, n, s: NAMES, TEXTS),
    (lambda x, n, s: {"a": "é", "n": n, "big": s == "sea", "none": "None"}, TEXTS),  # Arrow's format makes strings of all values
    (lambda x, n, s: {"n": (n or 0) % 100, "x": 0.5}, NUMBERS),
    (lambda x, n, s: {1: n, 2: 3}, MapType(LongType(), LongType())),
    (lambda x, n, s: {True: n, False: 3}, MapType(BooleanType(), LongType())),
    (lambda x, n, s: dict(zip(("b", "a"), (1, (n or 3) % 2), strict=True)), COUNTS),
    (lambda x, n, s: {**NAMES, "road": s or ""}, TEXTS),
    (lambda x, n, s: {}, COUNTS),
    (lambda x, n, s: {"a": None, "x": x, "n": None if s == "sea" else 0.5}, NUMBERS),
    (lambda x, n, s: {"a": s, "b": None}, TEXTS),
    (lambda x, n, s: {"a": None}, COUNTS),
]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_dicts_for_a_map(number):
    function, returns = CASES[number]
    compared = compare_with_worker(function, [ROWS, ROWS.slice(0, 2)], returns, ROW, kernel=True)
    assert not compared.refused, compared.reason
    assert compared.decided == 2, compared


def test_values_that_do_not_convert_run_in_python():
    compared = compare_with_worker(lambda x, n, s: {"n": n}, [ROWS, ROWS.slice(0, 3)], COUNTS, ROW, kernel=True)
    assert compared.flagged == compared.raised == 1, "2**40 is no int"
    assert compared.decided == 1
    compared = compare_with_worker(lambda x, n, s: {"n": n}, [ROWS, ROWS.slice(0, 3)], NUMBERS, ROW, kernel=True)
    assert compared.flagged == compared.raised == 1, "-2**63 is beyond the exact integers of a double"


@pytest.mark.parametrize(
    ("function", "returns", "code"),
    [
        (lambda x, n, s: [("a", 1)], COUNTS, "SW226"),
        (lambda x, n, s: {None: 1}, COUNTS, "SW226"),
        (lambda x, n, s: {"a": n or 0, "b": 0.5}, MapType(StringType(), FloatType()), "SW226"),
        (lambda x, n, s: {"a": 1, "b": "2"}, COUNTS, "SW226"),
    ],
)
def test_refused_maps(function, returns, code):
    assert compare_with_worker(function, [ROWS], returns, ROW).refused == code


def mixed_values(x, n, s):
    if s is None:
        return None
    return {"name": s, "size": len(s), "known": s in FEES, "no": False, "seven": -7, "absent": None, "n": n if n else s}


def dicts_on_some_paths(x, n, s):
    if not s:
        return (s, 0)
    if n is None:
        return s
    return {"name": s, "n": n}


def test_values_of_several_classes_become_declared_strings():
    compared = compare_with_worker(mixed_values, [ROWS], TEXTS, ROW, kernel=True)
    assert not compared.refused and compared.decided == 1, compared


def test_rows_without_a_dict_raise_in_python():
    rows = [ROWS.slice(at, 1) for at in range(ROWS.num_rows)]
    found = [compare_with_worker(dicts_on_some_paths, [row], TEXTS, ROW, kernel=True) for row in rows]
    assert not any(x.refused for x in found), found
    assert [x.raised for x in found] == [0, 0, 1, 1, 0, 1], found
    compared = compare_with_worker(dicts_on_some_paths, [ROWS], TEXTS, ROW, kernel=True)
    assert (compared.flagged, compared.raised) == (1, 1), compared


def test_a_pickled_dict_loses_its_order():
    """Pyrolite makes a java.util.HashMap of it, whose order Spark's map has."""
    assert compare_with_worker(branches, [ROWS], COUNTS, PICKLED).refused == "SW104"


def test_maps_and_arrays_as_fields():
    returns = StructType().add("n", IntegerType()).add("words", ArrayType(StringType())).add("sizes", COUNTS).add("x", NUMBERS)

    def features(x, n, s):
        words = (s or "").split()
        return len(words), words, {"n": n and n % 5, "size": len(words)}, None if x is None else {"x": x}

    compared = compare_with_worker(features, [ROWS], returns, ROW, kernel=True)
    assert compared.decided == 1, compared
    compared = compare_with_worker(lambda x, n, s: {"sizes": {"a": 1}, "words": [s or ""], "n": 3, "x": {}}, [ROWS], returns, ROW)
    assert compared.decided == 1, compared


def test_lists_of_values_that_arrow_converts():
    for function, returns in (
        (lambda x, n, s: [(n or 0) % 7, 0.5], ArrayType(DoubleType())),
        (lambda x, n, s: [n or 0, s or "", s == ""], ArrayType(StringType())),
    ):
        compared = compare_with_worker(function, [ROWS], returns, ROW, kernel=True)
        assert compared.decided == 1, compared
        assert compare_with_worker(function, [ROWS], returns, PICKLED).refused == "SW226"


def test_a_counter_of_constants():
    compared = compare_with_worker(lambda x, n, s: Counter("abca"), [ROWS], COUNTS, ROW)
    assert compared.decided == 1 or compared.refused, compared


DOCUMENTS = pa.RecordBatch.from_pydict({"s": pa.array([
    '{"a": "x", "b": "y"}', "{}", '{"a": 1}', '{"a": null}', '{"b": "1", "b": "2", "a": "\\u00e9"}', '["a", "b"]', "[]", "[1]",
    '"a"', "null", None, "bad", '["a", null]', '{"t": ["x", "\\n"]}',
])})  # fmt: skip


def document(s):
    try:
        return json.loads(s) if s else None
    except ValueError:
        return None


def member(s):
    return json.loads(s or "{}").get("t", [])


def named(s):
    try:
        return {k.upper(): str(v) for k, v in json.loads(s or "{}").items()}
    except (AttributeError, ValueError):
        return {}


@pytest.mark.nightly_cases("named-returns3")
@pytest.mark.parametrize(
    ("function", "returns"),
    [(document, TEXTS), (document, ArrayType(StringType())), (member, ArrayType(StringType())), (named, TEXTS)],
)
def test_values_of_json(function, returns):
    """Rows with values of other classes than strings run in Python."""
    rows = [DOCUMENTS.slice(at, 1) for at in range(DOCUMENTS.num_rows)]
    compared = compare_with_worker(function, [DOCUMENTS, *rows], returns, ROW, kernel=True)
    assert not compared.refused and compared.decided > 4, compared


def pairs(s):
    return {d["key"]: d["value"] for d in json.loads(s)}


def pairs_in_a_loop(s):
    found = {}
    try:
        for d in json.loads(s):
            found[d["key"]] = d.get("value")
    except Exception:  # noqa: BLE001 - as people write it
        return {}
    return found


def numbers_of_members(s):
    found = {}
    for name, x in json.loads(s).items():
        if isinstance(x, int):
            found[name] = x
    return found


#: Each row with a NULL, a value of another class than the map's, or one that raises, is computed in Python.
DOCUMENTS_OF_ITEMS = [
    '[{"key": "a", "value": "x"}, {"key": "b", "value": "é"}, {"key": "a", "value": "z"}]', "[]", "{}",
    '{"n": 1, "m": 2, "n": 3}',
    '[{"key": "a", "value": null}]', '[{"key": "a", "value": 1}]', '[{"key": null, "value": "x"}]', '[{"key": "a"}]', "null", "x",
    '{"n": 1, "m": "2", "k": true}',
]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "returns", "flagged"),
    [(pairs, TEXTS, 8), (pairs_in_a_loop, TEXTS, 4), (numbers_of_members, MapType(StringType(), LongType()), 9)],
)
def test_items_of_a_loop_over_json(function, returns, flagged):
    batches = [pa.RecordBatch.from_pydict({"s": [text]}) for text in DOCUMENTS_OF_ITEMS]
    compared = compare_with_worker(function, batches, returns=returns, eval_type=ROW)
    assert (compared.flagged, compared.refused) == (flagged, "")
