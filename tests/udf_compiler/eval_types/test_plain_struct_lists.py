"""Compares lists that plain UDFs return for arrays of structs with PySpark's worker: tuples, dicts, Rows, None and sizes."""

from __future__ import annotations

import json
from collections import Counter

import pyarrow as pa
import pytest
from pyspark.sql import Row
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DecimalType,
    DoubleType,
    IntegerType,
    LongType,
    ShortType,
    StringType,
    StructField,
    StructType,
)

from sparkweld.api.asking import Given, ask
from sparkweld.contract.replies import Refused
from tests.helpers.compile_requests import payload
from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import PythonEvalType

ROW, PICKLED = PythonEvalType.SQL_ARROW_BATCHED_UDF, PythonEvalType.SQL_BATCHED_UDF
TOKEN = StructType().add("word", StringType()).add("n", IntegerType())
TOKENS = ArrayType(TOKEN)
MEASURES = ArrayType(StructType().add("x", DoubleType()).add("small", ShortType()).add("large", BooleanType()))
FEES = {"a": {"word": "fee", "n": 1}, "x": {"word": None, "n": 2}}
ROWS = pa.RecordBatch.from_pydict({
    "s": pa.array(["a bb ccc a", "", "x", None, "é z é 12 7"]),
    "n": pa.array([1, 0, 7, None, 2]),
})  # fmt: skip
ITEMS = pa.RecordBatch.from_pydict({"rows": pa.array(
    [[{"word": "b", "n": 2}, {"word": "a", "n": 1}], [], None, [{"word": "", "n": -1}] * 3],
    pa.list_(pa.struct([("word", pa.string()), ("n", pa.int32())])),
)})  # fmt: skip


def appended(s, n):
    found = []
    for word in (s or "").split():
        if word != "x":
            found.append({"word": word, "n": len(word)})
    return found


def longest(s, n):
    found = []
    for word in (s or "").split():
        found.append((word, len(word)))
    found.sort(key=lambda pair: (-pair[1], pair[0]))
    return found[:2]


def sorted_dicts(s, n):
    found = [{"word": word, "n": len(word)} for word in (s or "").split()]
    return [row for row in sorted(found, key=lambda row: row["n"], reverse=True) if row.get("n") > 1]


def two_loops(s, n):
    found = []
    for word in (s or "").split():
        found.append((word, 1))
    for word in (s or "").split():
        found.append((None, len(word)))
    return found


def nested_loops(s, n):
    found = []
    for word in (s or "").split():
        for at, letter in enumerate(word):
            found.append((letter, at or None))
        found.append((None, None))
    return found


def extended(s, n):
    found = [("first", n)]
    found += [("second", 2)]
    found.extend((word, 1) for word in (s or "").split())
    return found


def helper(s, n):
    return pairs_of_words((s or "").split()) if n else None


def pairs_of_words(words):
    return [(word, len(word)) for word in words]


def counted(s, n):
    counts = {}
    for word in (s or "").split():
        counts[word] = counts.get(word, 0) + 1
    return list(counts.items())


def named(s, n):
    return [Row(word=word, n=len(word)) for word in (s or "").split() if len(word) < 3]


def reordered(s, n):
    """A Row is a tuple: its names do not matter."""
    return [Row(n=s, word=n), Row(word=None, n=3)]


def as_dicts(s, n):
    rows = [Row(n=len(word), word=word) for word in (s or "").split()]
    return [row.asDict() for row in rows if row["n"] > 1]


def changed_dicts(s, n):
    found = []
    for word in (s or "").split():
        row = Row(word=word, n=1).asDict()
        row["n"] = 2
        found.append(row)
    return found


def constants(s, n):
    return [FEES[word] for word in (s or "").split() if word in FEES]


def measured(s, n):
    return [(i / 3, i, i > 1) for i in range(n or 0)]


CASES = [
    (lambda s, n: [(word, len(word)) for word in s.split()] if s is not None else None, TOKENS),
    (lambda s, n: [{"word": w, "n": c} for w, c in Counter((s or "").split()).most_common(3)], TOKENS),
    (lambda s, n: Counter((s or "").split()).most_common(2), TOKENS),
    (lambda s, n: sorted(Counter((s or "").split()).items(), key=lambda kv: (-kv[1], kv[0]))[:3], TOKENS),
    (lambda s, n: [(w, int(w) if w.isdigit() else None) for w in (s or "").split()], TOKENS),
    (lambda s, n: [None if w == "a" else (w, 1) for w in (s or "").split()], TOKENS),
    (lambda s, n: [None for w in (s or "").split()], TOKENS),
    (lambda s, n: [(w, None) for w in (s or "").split()], TOKENS),
    (lambda s, n: [{"word": w} for w in (s or "").split()], TOKENS),
    (lambda s, n: [{"n": len(w), "other": 1.5} for w in (s or "").split()], TOKENS),
    (lambda s, n: [("a", 1), (s, n)], TOKENS),
    (lambda s, n: [{"word": s}, None, {"n": 3, "x": 1}], TOKENS),
    (lambda s, n: [(w, i) for i, w in enumerate((s or "").split())], TOKENS),
    (lambda s, n: list(zip((s or "").split(), [1, 2, 3], strict=False)), TOKENS),
    (lambda s, n: sorted((w, len(w)) for w in (s or "").split()), TOKENS),
    (lambda s, n: [], TOKENS),
    (lambda s, n: None, TOKENS),
    *((f, TOKENS) for f in (appended, longest, sorted_dicts, two_loops, nested_loops, extended, helper, counted)),
    *((f, TOKENS) for f in (named, reordered, as_dicts, constants, changed_dicts)),
    (measured, MEASURES),
]


@pytest.mark.nightly_cases("0", "4", "6", "8", "9", "12", "14", "18", "19", "20", "21", "24", "25", "27", "28")
@pytest.mark.parametrize("number", range(len(CASES)))
def test_lists_for_an_array_of_structs(number):
    function, returns = CASES[number]
    batches = [ROWS, ROWS.slice(0, 3), ROWS.slice(3, 1)]
    compared = compare_with_worker(function, batches, returns, ROW, kernel=True)
    assert not compared.refused, compared.reason
    assert compared.decided == 3, compared
    assert pickled(function, returns) == ""


def pickled(function, returns):
    """Returns the code of the refusal for the pickled format, "" if it compiles; tests/spark/columns compares its results."""
    columns = [Given("s", "string", True, "nullable"), Given("n", "long", True, "nullable")]
    reply = ask(payload(function, returns), "f", returns.jsonValue(), PICKLED, columns).reply
    return reply.refusals[0].code if isinstance(reply, Refused) else ""


def test_arrays_of_structs_of_the_row():
    for function in (
        lambda rows: rows,
        lambda rows: [row for row in rows or [] if row.n > 0],
        lambda rows: [(row.word + "!", row["n"] + 1) for row in rows or []],
        lambda rows: [{"n": row.n, "word": row.word} for row in reversed(rows or [])],
        lambda rows: sorted(rows or [], key=lambda row: row.word),
        lambda rows: rows[:2] if rows else [],
    ):
        compared = compare_with_worker(function, [ITEMS, ITEMS.slice(2, 1)], TOKENS, ROW, kernel=True)
        assert compared.decided == 2, compared


def test_rows_for_structs():
    for function in (
        lambda s, n: Row(word=s, n=n),
        lambda s, n: Row(word=s, n=1) if s else None,
        lambda s, n: Row(**{"word": s, "n": len((s or "").split())}),
    ):
        compared = compare_with_worker(function, [ROWS, ROWS.slice(0, 3)], TOKEN, ROW, kernel=True)
        assert compared.decided == 2, compared


NUMBERS = ArrayType(StructType().add("x", DoubleType()).add("s", StringType()))


@pytest.mark.nightly_cases("<lambda>-returns0", "<lambda>-returns1", "<lambda>-returns5")
@pytest.mark.parametrize(
    ("function", "returns"),
    [
        (lambda s, n: [(len(w), i) for i, w in enumerate((s or "").split())], NUMBERS),
        (lambda s, n: [(i * 0.5, w > "b") for i, w in enumerate((s or "").split())], NUMBERS),
        (lambda s, n: [(n, n), (0.5, True), (1, "z"), (None, 2.5)], NUMBERS),
        (lambda s, n: [len(w) for w in (s or "").split()], ArrayType(DoubleType())),
        (lambda s, n: [len(w) for w in (s or "").split()], ArrayType(StringType())),
        (lambda s, n: [w == "a" for w in (s or "").split()], ArrayType(StringType())),
    ],
)
def test_numbers_that_arrow_converts(function, returns):
    compared = compare_with_worker(function, [ROWS, ROWS.slice(0, 3)], returns, ROW, kernel=True)
    assert compared.decided == 2, compared
    assert pickled(function, returns) in ("SW226", "SW298")


def test_ints_that_are_no_doubles_run_in_python():
    def powers(s, n):
        return [(i * 2**50, s) for i in range(n or 0)]

    large = pa.RecordBatch.from_pydict({"s": ["a", "b"], "n": [18, 3]})
    compared = compare_with_worker(powers, [large, large.slice(1)], NUMBERS, ROW, kernel=True)
    assert compared.flagged == compared.raised == 1 and compared.decided == 2, compared


def test_batches_that_do_not_convert_run_in_python():
    def large(s, n):
        return [(s, 2**31 if n == 7 else 1)]

    compared = compare_with_worker(large, [ROWS, ROWS.slice(0, 2)], TOKENS, ROW, kernel=True)
    assert compared.flagged == compared.raised == 1 and compared.decided == 2, compared


def test_values_of_json():
    def members(s, n):
        return [{"word": x["w"], "n": x["n"]} for x in json.loads(s)]

    rows = ['[{"w": "a", "n": 1}, {"w": "é", "n": 2}]', "[]", '[{"w": "a"}]', '[{"w": null, "n": 1}]', "bad"]
    batches = [pa.RecordBatch.from_pydict({"s": [row], "n": [1]}) for row in rows]
    compared = compare_with_worker(members, batches, TOKENS, ROW, kernel=True)
    assert compared.refused or compared.decided >= 2, compared


def changed(s, n):
    row = {"word": s, "n": 1}
    found = [row for _ in range(n or 0)]
    row["n"] = 2
    return found


def changed_later(s, n):
    found = []
    for word in (s or "").split():
        row = Row(word=word, n=1).asDict()
        found.append(row)
        if word == "x":
            row["n"] = 5
    return found


def identical(s, n):
    found = [(word, 1) for word in (s or "").split()]
    return [pair for pair in found if pair is not found[0]]


def mixed(s, n):
    return [(w, 1) if w == "a" else {"word": w} for w in (s or "").split()]


@pytest.mark.nightly_cases("changed_later-returns14-SW282", "identical-returns15-SW603", "mixed-returns16-SW244")
@pytest.mark.parametrize(
    ("function", "returns", "code"),
    [
        (lambda s, n: [(w, len(w), 1) for w in (s or "").split()], TOKENS, "SW311"),
        (lambda s, n: [("a",)], TOKENS, "SW311"),
        (lambda s, n: ((w, 1) for w in (s or "").split()), TOKENS, "SW226"),
        (lambda s, n: (("a", 1),), TOKENS, "SW226"),
        (lambda s, n: [["a", 1]], TOKENS, "SW226"),
        (lambda s, n: ["a"], TOKENS, "SW226"),
        (lambda s, n: [(w, w) for w in (s or "").split()], TOKENS, "SW226"),
        (lambda s, n: [(w, 0.5) for w in (s or "").split()], TOKENS, "SW226"),
        (lambda s, n: [(w, None) for w in (s or "").split()], ArrayType(StructType([*TOKEN.fields[:1],
         StructField("n", IntegerType(), nullable=False)])), "SW226"),
        (lambda s, n: [None, ("a", n)], ArrayType(TOKEN, containsNull=False), "SW226"),
        (lambda s, n: [(s, None)], ArrayType(StructType().add("s", StringType()).add("d", DecimalType(9, 2))), "SW104"),
        (lambda s, n: [(s, [n])], ArrayType(StructType().add("s", StringType()).add("l", ArrayType(LongType()))), "SW104"),
        (lambda s, n: {"a": [("b", n)]}, StructType().add("a", TOKENS), "SW104"),
        (changed, TOKENS, "SW282"),
        (changed_later, TOKENS, "SW282"),
        (identical, TOKENS, "SW603"),
        (mixed, TOKENS, "SW244"),
    ],
)  # fmt: skip
def test_refused_lists(function, returns, code):
    assert compare_with_worker(function, [ROWS], returns, ROW).refused == code


def test_lists_and_tuples_of_the_pickled_format():
    assert pickled(lambda s, n: (("a", 1), ["b", n]), TOKENS) == pickled(lambda s, n: [["a", 1]], TOKENS) == ""
    assert pickled(lambda s, n: [["a"]], TOKENS) == "SW311"
