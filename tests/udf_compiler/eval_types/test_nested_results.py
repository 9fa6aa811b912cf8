"""Compares lists of lists that plain UDFs make and return with PySpark's worker."""

from __future__ import annotations

import itertools

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
from tests.udf_compiler.eval_types.test_nested_arguments import (
    DEEP,
    FLOATS,
    LISTS,
    NUMBERS,
    PICKLED,
    ROW,
    WORDS,
    batch,
    counts_of,
)

XS = batch([[1, 2, 3, 4, 5], [], None, [7], [3, 3, 1, 9]], pa.list_(pa.int64()))
TEXT = batch(["a b, c", "", None, "x,y z,w"], pa.string())
LONGS, TEXTS, DOUBLES, INTS = (ArrayType(ArrayType(of)) for of in (LongType(), StringType(), DoubleType(), IntegerType()))
FLAGS, SINGLES, CUBES = ArrayType(ArrayType(BooleanType())), ArrayType(ArrayType(FloatType())), ArrayType(INTS)
ENTRIES = MapType(StringType(), ArrayType(IntegerType()))
PAIR = StructType().add("a", ArrayType(LongType())).add("l", LONGS)
TABLE = [[1, 2], [3]]
SYNONYMS = {"late": ["time", "bad"], "awful": ["bad"], "kind": ["good"]}
TAGS = batch([["late", "awful", "late"], [], None, ["zz"], ["kind", "late"], ["kind", "kind"]], pa.list_(pa.string()))


def chunks(xs):
    out = []
    for i in range(0, len(xs or []), 2):
        out.append(xs[i : i + 2])
    return out


def runs(xs):
    out, run = [], []
    for x in xs or []:
        if run and x < run[-1]:
            out.append(run)
            run = []
        run.append(x)
    if run:
        out.append(run)
    return out


def pairs(xs):
    out = []
    for x in xs or []:
        out.append([x, 1])
    return out


def changed_before(xs):
    out = []
    for x in xs or []:
        row = [x]
        row.append(5)
        out.append(row)
    return out


def copies(xs):
    out, run = [], []
    for x in xs or []:
        run.append(x)
        out.append(run[:])
    return out


def some_empty(xs):
    out = []
    for x in xs or []:
        if x > 2:
            out.append([x])
        else:
            out.append([])
    return out


def caught(xs):
    out = []
    for x in xs or []:
        try:
            out.append([10 // (x - 3)])
        except ZeroDivisionError:
            out.append([])
    return out


def raises(xs):
    return [[10 // (x - 3)] for x in xs or []]


def twice(x):
    return [x, x]


def of_table(ws):
    out = []
    for w in ws or []:
        known = SYNONYMS.get(w)
        if known:
            out.append(known)
    if out:
        return list(dict.fromkeys(itertools.chain(*out)))


def used(xs):
    out, total = [], 0
    for x in xs or []:
        out.append([x, x + 1])
    for a, b in out:
        total += a * b
    return total


def by_helper(xs):
    def windows(values, n):
        return [values[i : i + n] for i in range(len(values) - n + 1)]

    return [sum(w) for w in windows(xs or [], 2)]


def of_helper(xs):
    def split(values):
        return [values[:1], values[1:]]

    return split(xs or []) + [[9]]


def extended(xs):
    out = []
    out.extend([[x] for x in xs or []])
    return out


def two_lists(xs):
    low, high = [], []
    for x in xs or []:
        if x < 3:
            low.append(x)
        else:
            high.append(x)
    return [low, high]


def swapped(xs):
    a, b = [], []
    for x in xs or []:
        a.append(x)
        a, b = b, a
    return [a, b]


def multiples(xs):
    rows = []
    for k in (1, 2):
        row = []
        rows.append(row)
        for x in xs or []:
            row.append(x * k)
    return rows


def of_tuple(xs):
    a, b = [], []
    for x in xs or []:
        a.append(x)
        b.append([x, x])
    return a, b


def of_dict(xs):
    a, b = [], []
    for x in xs or []:
        a.append(x)
        b.append([x, x])
    return {"l": b, "a": a}


#: A function, its batch and type; how many of the batch and its rows a kernel decides, flags, and raise in the worker.
MADE = [
    (chunks, XS, LONGS, (6, 0, 0)),
    (runs, XS, LONGS, (6, 0, 0)),
    (pairs, XS, LONGS, (6, 0, 0)),
    (changed_before, XS, LONGS, (6, 0, 0)),
    (copies, XS, LONGS, (6, 0, 0)),
    (some_empty, XS, LONGS, (6, 0, 0)),
    (caught, XS, LONGS, (6, 0, 0)),
    (raises, XS, LONGS, (3, 3, 3)),
    (used, XS, LongType(), (6, 0, 0)),
    (by_helper, XS, ArrayType(LongType()), (6, 0, 0)),
    (of_helper, XS, LONGS, (6, 0, 0)),
    (extended, XS, LONGS, (6, 0, 0)),
    (two_lists, XS, LONGS, (6, 0, 0)),
    (swapped, XS, LONGS, (6, 0, 0)),
    (multiples, XS, LONGS, (6, 0, 0)),
    (of_tuple, XS, PAIR, (6, 0, 0)),
    (of_dict, XS, PAIR, (6, 0, 0)),
    (lambda xs: {"a": [x for x in xs if x], "l": [[x] for x in xs]} if xs else {"a": None, "l": []}, XS, PAIR, (6, 0, 0)),
    (lambda xs: [xs[i : i + 2] for i in range(0, len(xs), 2)] if xs else [], XS, LONGS, (6, 0, 0)),
    (lambda xs: [xs[:i] for i in range(len(xs) + 1)] if xs is not None else None, XS, LONGS, (6, 0, 0)),
    (lambda xs: [[x, x * 2] for x in xs or []], XS, LONGS, (6, 0, 0)),
    (lambda xs: [[] for x in xs or []], XS, LONGS, (6, 0, 0)),
    (lambda xs: [list(p) for p in zip(xs, xs[1:], strict=False)] if xs else [], XS, LONGS, (6, 0, 0)),
    (lambda xs: [[i, x] for i, x in enumerate(xs or [])], XS, LONGS, (6, 0, 0)),
    (lambda xs: list(map(twice, xs or [])), XS, LONGS, (6, 0, 0)),
    (lambda xs: [[x * y for y in xs] for x in xs] if xs else None, XS, LONGS, (6, 0, 0)),
    (lambda xs: sorted([[x, i] for i, x in enumerate(xs or [])], key=lambda p: (-p[0], p[1])), XS, LONGS, (6, 0, 0)),
    (lambda xs: max([[x, -x] for x in xs or [0]], key=lambda p: p[1])[0], XS, LongType(), (6, 0, 0)),
    (lambda xs: list(reversed([[x] for x in xs or []])), XS, LONGS, (6, 0, 0)),
    (lambda xs: [[1, 2], [3]] if xs else [[]], XS, LONGS, (6, 0, 0)),
    (lambda xs: [[len(xs)], []] if xs is not None else [[0], [2, 3]], XS, LONGS, (6, 0, 0)),
    (lambda xs: [xs, [1]] if xs else None, XS, LONGS, (6, 0, 0)),
    (lambda xs: [row for row in TABLE if len(row) > 1] if xs else TABLE, XS, LONGS, (6, 0, 0)),
    (of_table, TAGS, ArrayType(StringType()), (7, 0, 0)),
    (lambda ws: [SYNONYMS.get(w, []) for w in ws or []], TAGS, TEXTS, (7, 0, 0)),
    (lambda s: [p.strip().split(" ") for p in (s or "").split(",")], TEXT, TEXTS, (5, 0, 0)),
    (lambda xs: [[x > 2] for x in xs or []], XS, FLAGS, (6, 0, 0)),
    (lambda xs: [[x > 2] for x in xs or []], XS, TEXTS, (6, 0, 0)),
    (lambda xs: [[x / 2, float(x)] for x in xs or []], XS, DOUBLES, (6, 0, 0)),
    (lambda xs: [[x / 2, float(x)] for x in xs or []], XS, SINGLES, (6, 0, 0)),
    (lambda xs: [[x, x * 2**31] for x in xs or []], XS, INTS, (2, 4, 4)),
    (lambda xs: [[x, x * 2**52] for x in xs or []], XS, DOUBLES, (2, 4, 4)),
    (lambda xs: [[x, x * 2] for x in xs or []], XS, TEXTS, (6, 0, 0)),
]
GIVEN = [
    (lambda xs: xs, NUMBERS, LONGS, (9, 3, 0)),
    (lambda xs: xs, NUMBERS, INTS, (9, 3, 0)),
    (lambda xs: xs, FLOATS, DOUBLES, (6, 0, 0)),
    (lambda xs: xs, DEEP, CUBES, (10, 4, 0)),
    (lambda xs: xs[::-1] if xs else xs, WORDS, TEXTS, (8, 3, 0)),
    (lambda xs: [x for x in xs if x] if xs else [], NUMBERS, LONGS, (9, 3, 0)),
    (lambda xs: sorted(xs, key=len) if xs else [], WORDS, TEXTS, (6, 3, 2)),
    (lambda xs: [sorted(x) for x in xs or []], NUMBERS, LONGS, (6, 3, 3)),
    (lambda xs: [[str(y) for y in x] for x in xs or []], NUMBERS, TEXTS, (7, 3, 2)),
    (lambda xs: [y for x in xs or [] for y in x], DEEP, LONGS, (8, 4, 2)),
    (lambda m: m, LISTS, ENTRIES, (8, 4, 0)),
    (lambda xs: {"a": [x[0] for x in xs if x], "b": [9]} if xs else {}, NUMBERS, ENTRIES, (9, 3, 0)),
    (lambda m: (None, [[len(m or {})]]), LISTS, PAIR, (5, 4, 0)),
]


@pytest.mark.nightly_cases("35")
@pytest.mark.parametrize("number", range(len(MADE)))
def test_lists_of_lists_that_a_function_makes(number):
    function, given, returns, counts = MADE[number]
    assert counts_of(function, given, returns) == counts


@pytest.mark.parametrize("number", range(len(GIVEN)))
def test_lists_of_lists_that_a_function_takes(number):
    function, given, returns, counts = GIVEN[number]
    assert counts_of(function, given, returns) == counts


def same_list_again(xs):
    out, run = [], []
    for x in xs or []:
        run.append(x)
        out.append(run)
    return out


def changed_after(xs):
    out = []
    for x in xs or []:
        row = [x]
        out.append(row)
        row.append(5)
    return out


def changed_in_place(xs):
    out = []
    for x in xs or []:
        if not out or x < out[-1][-1]:
            out.append([x])
        else:
            out[-1].append(x)
    return out


def last_changed(xs):
    out, last = [], None
    for x in xs or []:
        if last is not None:
            last.append(x)
        last = [x]
        out.append(last)
    return out


def empty_changed(xs):
    out = []
    for _ in xs or []:
        out.append([])
    if out:
        out[0].append(1)
    return out


def empty_shared(xs):
    out, run = [], []
    for x in xs or []:
        out.append(run)
        if x > 2:
            run = []
    run.append(1)
    return out


def changed_within_a_tuple(xs):
    a = []
    for x in xs or []:
        a.append(x)
    t = (a, [])
    a.append(3)
    return [t[0]]


def changed_within_a_list(xs):
    a = []
    for x in xs or []:
        a.append(x)
    out = [a, [1]]
    a.append(1)
    return out


def changed_within_a_dict(xs):
    a = []
    for x in xs or []:
        a.append(x)
    d = {"a": a}
    a.append(3)
    return [d["a"]]


def grown_within_a_dict(xs):
    d = {"a": []}
    for x in xs or []:
        d["a"].append(x)
    return [d["a"]]


@pytest.mark.nightly_cases("grown_within_a_dict-returns9-SW281")
@pytest.mark.parametrize(("function", "returns", "code"), [
    (same_list_again, LONGS, "SW282"), (changed_after, LONGS, "SW282"), (changed_in_place, LONGS, "SW222"),
    (last_changed, LONGS, "SW282"), (empty_changed, LONGS, "SW222"), (empty_shared, LONGS, "SW282"),
    (changed_within_a_tuple, LONGS, "SW282"), (changed_within_a_list, LONGS, "SW282"), (changed_within_a_dict, LONGS, "SW282"),
    (grown_within_a_dict, LONGS, "SW281"), (lambda xs: xs, LONGS, "SW226"), (lambda xs: [(x, x) for x in xs], LONGS, "SW226"),
    (lambda xs: [[x, None] for x in xs or []], LONGS, "SW293"), (lambda xs: [[x, 0.5] for x in xs or []], DOUBLES, "SW293"),
    (lambda xs: [[x > 1] for x in xs or []], LONGS, "SW226"), (lambda xs: [[x / 2] for x in xs or []], TEXTS, "SW226"),
    (lambda xs: [None, [1]], LONGS, "SW226"), (lambda xs: str([[x] for x in xs]), StringType(), "SW259"),
])  # fmt: skip
def test_lists_of_lists_that_are_refused(function, returns, code):
    assert compare_with_worker(function, [XS], returns, ROW).refused == code


def test_pickled_maps_of_lists_are_refused():
    assert compare_with_worker(lambda xs: {"a": xs}, [XS], ENTRIES, PICKLED).refused == "SW104"
