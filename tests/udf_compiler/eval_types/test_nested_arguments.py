"""Compares plain UDFs over arrays of arrays and maps, and over maps and structs with arrays, with PySpark's worker."""

from __future__ import annotations

import functools
import itertools
import operator
from collections import Counter, defaultdict

import pyarrow as pa
import pytest
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DoubleType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    StructField,
    StructType,
)

from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import LINE, PythonEvalType

ROW, PICKLED = PythonEvalType.SQL_ARROW_BATCHED_UDF, PythonEvalType.SQL_BATCHED_UDF
LONG, INT, TEXT, FLAG, DOUBLE = LongType(), IntegerType(), StringType(), BooleanType(), DoubleType()
LONGS, INTS, TEXTS, DOUBLES = map(ArrayType, (LONG, INT, TEXT, DOUBLE))
COUNTS = MapType(TEXT, INT)
ENTRIES = pa.map_(pa.string(), pa.int32())
ITEM = pa.struct([("k", pa.string()), ("v", pa.list_(pa.float64()))])


def batch(rows, type):
    return pa.RecordBatch.from_pydict({"x": pa.array(rows, type)})


NUMBERS = batch([[[1, 2], [3]], [], None, [[]], [[5], [], [7, 8, 9]], [[1, None]], [None, [2]], [[-4]]],
                pa.list_(pa.list_(pa.int64())))  # fmt: skip
WORDS = batch([[["a", "b"], ["é"]], [], None, [[]], [["x"], [], ["y", "zz", "x"]], [["q", None]], [None]],
              pa.list_(pa.list_(pa.string())))  # fmt: skip
FLOATS = batch([[[1.5, float("nan")], [-0.0]], [], None, [[]], [[5.0], [], [7, 8, 9]]], pa.list_(pa.list_(pa.float64())))
DEEP = batch([[[[1, 2], [3]], [[4]]], [], None, [[]], [[[]]], [[[1]], None], [[None]], [[[None]]],
              [[[5, 6], [7]], [[8]], [[9, 9]]]], pa.list_(pa.list_(pa.list_(pa.int64()))))  # fmt: skip
MAPS = batch([[[("a", 1), ("b", 2)], [("a", 3)]], [], None, [[]], [[("c", 5)], [], [("c", 7), ("d", 8)]], [[("a", None)]], [None],
              [[("a", 1), ("a", 2)]], [[("z", 2**31 - 1)]]], pa.list_(ENTRIES))  # fmt: skip
LISTS = batch([[("a", [1, 2]), ("b", [])], [], None, [("c", [5])], [("c", None)], [("d", [1, None])], [("e", [1]), ("e", [2])]],
              pa.map_(pa.string(), pa.list_(pa.int32())))  # fmt: skip
ROWS = batch([[{"k": "a", "v": [1.5, 2]}, {"k": "b", "v": []}], [], None, [{"k": "c", "v": [5]}], [None], [{"k": "d", "v": None}],
              [{"k": None, "v": [1]}]], pa.list_(ITEM))  # fmt: skip
TABLES = batch([[[{"k": "a", "v": [1.5, 2]}], [{"k": "b", "v": []}]], [], None, [[{"k": "c", "v": [5]}, {"k": "d", "v": [6, 7]}]],
                [None], [[None]]], pa.list_(pa.list_(ITEM)))  # fmt: skip
NESTED_MAPS = batch([[("a", [("x", 1)]), ("b", [])], [], None, [("c", [("y", 2), ("z", 3)])], [("c", [("y", 2), ("y", 3)])]],
                    pa.map_(pa.string(), ENTRIES))  # fmt: skip


def total(xs):
    found = 0
    for x in xs:
        for y in x:
            found += y
    return found


def extended(xs):
    made = []
    other = made
    for x in xs or []:
        made.extend(x)
    return other


def added(xs):
    made = []
    for x in xs or []:
        made += x
    return made


def in_a_comprehension(xs):
    made = []
    if xs:
        [made.extend(x) for x in xs]
    return made


def extended_twice(xs):
    made = []
    if xs:
        made.extend(xs[0])
        made.append(9)
        made.extend(xs[0])
        return xs[0] + made
    return made


def unique(xs):
    seen, made = set(), []
    for x in xs or []:
        for y in x:
            if y not in seen:
                seen.add(y)
                made.append(y)
    return made


def longest(xs):
    best = []
    for x in xs or []:
        if len(x) > len(best):
            best = x
    return best


def by_index(xs):
    found = 0
    for i in range(len(xs or [])):
        for j in range(len(xs[i])):
            found += xs[i][j] * (i + 1)
    return found


def first_large(xs):
    for i, x in enumerate(xs or []):
        if not x:
            continue
        if x[0] > 4:
            return i
    return -1


def caught(xs):
    try:
        return xs[1][1]
    except (IndexError, TypeError):
        return -1


def counted(xs):
    return sorted(Counter(y for x in xs or [] for y in x).items())


def most_common(xs):
    counts = Counter(itertools.chain.from_iterable(xs or []))
    return counts.most_common(1)[0][0] if counts else None


def counted_by_hand(xs):
    counts = defaultdict(int)
    for x in xs or []:
        for y in x:
            counts[y] += 1
    return dict(counts)


PAIRS = ArrayType(StructType([StructField("k", TEXT), StructField("n", LONG)]))
#: A function, its batch and type; how many of the batch and its rows a kernel decides, flags, and raise in the worker.
CASES = [
    (total, NUMBERS, LONG, (5, 4, 4)),
    (extended, NUMBERS, LONGS, (7, 3, 2)),
    (added, NUMBERS, LONGS, (7, 3, 2)),
    (in_a_comprehension, WORDS, TEXTS, (6, 3, 2)),
    (extended_twice, NUMBERS, LONGS, (7, 3, 2)),
    (unique, WORDS, TEXTS, (6, 3, 2)),
    (longest, WORDS, TEXTS, (6, 3, 2)),
    (by_index, NUMBERS, LONG, (6, 3, 3)),
    (first_large, NUMBERS, INT, (9, 3, 0)),
    (caught, NUMBERS, LONG, (9, 3, 0)),
    (counted, WORDS, PAIRS, (6, 3, 3)),
    (most_common, WORDS, TEXT, (6, 3, 2)),
    (counted_by_hand, WORDS, COUNTS, (5, 3, 3)),
    (lambda xs: [y for x in xs for y in x] if xs is not None else None, FLOATS, DOUBLES, (6, 0, 0)),
    (lambda xs: sum(len(x) for x in xs) if xs else 0, NUMBERS, LONG, (7, 3, 2)),
    (lambda xs: xs[-1][-1] if xs and xs[-1] else None, WORDS, TEXT, (8, 3, 0)),
    (lambda xs: xs[3][0] if xs else None, NUMBERS, LONG, (2, 7, 7)),
    (lambda xs: max(xs, key=len) if xs else None, NUMBERS, LONGS, (7, 3, 2)),
    (lambda xs: sorted(xs, key=len, reverse=True)[0] if xs else None, WORDS, TEXTS, (6, 3, 2)),
    (lambda xs: list(itertools.chain.from_iterable(xs)) if xs else [], NUMBERS, LONGS, (7, 3, 2)),
    (lambda xs: list(itertools.chain(*xs)) if xs else [], NUMBERS, LONGS, (7, 3, 2)),
    (lambda xs: sum(xs, []) if xs else [], NUMBERS, LONGS, (7, 3, 2)),
    (lambda xs: functools.reduce(operator.add, xs) if xs else [], NUMBERS, LONGS, (7, 3, 2)),
    (lambda xs: [sum(x) / len(x) for x in xs if x] if xs else [], FLOATS, DOUBLES, (6, 0, 0)),
    (lambda xs: len(set(itertools.chain.from_iterable(xs))) if xs else 0, WORDS, INT, (6, 3, 2)),
    (lambda xs: sorted({y for x in xs for y in x}) if xs else [], WORDS, TEXTS, (5, 3, 3)),
    (lambda xs: list(dict.fromkeys(y for x in xs for y in x)) if xs else [], WORDS, TEXTS, (6, 3, 2)),
    (lambda xs: any("x" in x for x in xs) if xs else False, WORDS, FLAG, (6, 3, 2)),
    (lambda xs: (any(xs), all(xs))[0] if xs else None, NUMBERS, FLAG, (9, 3, 0)),
    (lambda xs: all(xs) if xs else None, NUMBERS, FLAG, (9, 3, 0)),
    (lambda xs: ";".join(",".join(x) for x in xs) if xs else "", WORDS, TEXT, (5, 3, 3)),
    (lambda xs: xs[::-1][0] + xs[1:][0] if xs and len(xs) > 1 else None, WORDS, TEXTS, (8, 3, 0)),
    (lambda xs: [y for x in reversed(xs) for y in x] if xs else None, WORDS, TEXTS, (6, 3, 2)),
    (lambda xs: {x[0]: len(x) for x in xs if x} if xs else None, WORDS, COUNTS, (8, 3, 0)),
    (lambda xs: isinstance(xs, list) and all(isinstance(x, list) for x in xs), WORDS, FLAG, (8, 3, 0)),
    (lambda xs: list(map(len, xs)) if xs else None, NUMBERS, LONGS, (7, 3, 2)),
    (lambda xs: next((x for x in xs if len(x) > 1), None) if xs else None, NUMBERS, LONGS, (7, 3, 2)),
    (lambda xs: [a for (a,) in xs] if xs else None, NUMBERS, LONGS, (3, 6, 6)),
    (lambda xs: [z for x in xs or [] for y in x for z in y], DEEP, LONGS, (7, 4, 3)),
    (lambda xs: sum(len(y) for x in xs or [] for y in x), DEEP, INT, (7, 4, 3)),
    (lambda xs: xs[0][0][-1] if xs and xs[0] and xs[0][0] else None, DEEP, LONG, (10, 4, 0)),
    (lambda xs: max(xs, key=len)[0] if xs and xs[0] else None, DEEP, LONGS, (8, 4, 2)),
]


def merged(maps):
    result = {}
    for m in maps or []:
        for k, v in m.items():
            result[k] = result.get(k, 0) + v
    return result


def sums_by_index(rows):
    found = 0.0
    for i in range(len(rows or [])):
        found += sum(rows[i]["v"])
    return found


OTHERS = [
    (merged, MAPS, COUNTS, (7, 4, 3)),
    (sums_by_index, ROWS, DOUBLE, (5, 4, 3)),
    (lambda ms: sorted({k for m in ms or [] for k in m}), MAPS, TEXTS, (8, 4, 2)),
    (lambda ms: [m.get("a", -1) for m in ms or []], MAPS, INTS, (8, 4, 2)),
    (lambda ms: ms[0]["a"] if ms and "a" in ms[0] else None, MAPS, INT, (8, 4, 2)),
    (lambda ms: max(ms, key=lambda m: m.get("c", 0)).get("c") if ms else None, MAPS, INT, (8, 4, 2)),
    (lambda ms: ms[0] if ms else None, MAPS, COUNTS, (10, 4, 0)),
    (lambda m: {k: sum(v) for k, v in m.items()} if m else None, LISTS, COUNTS, (5, 4, 3)),
    (lambda m: (m or {}).get("a", [0]), LISTS, INTS, (8, 4, 0)),
    (lambda m: sum(len(v) for v in m.values()) if m else 0, LISTS, INT, (6, 4, 2)),
    (lambda m: [f"{k}:{v}" for k, vs in (m or {}).items() for v in vs], LISTS, TEXTS, (6, 4, 2)),
    (lambda m: sorted(m.items(), key=lambda kv: -len(kv[1]))[0][0] if m else None, LISTS, TEXT, (6, 4, 2)),
    (lambda m: {k: len(v) for k, v in m.items()} if m else None, NESTED_MAPS, COUNTS, (6, 2, 0)),
    (lambda m: m["a"].get("x", 5) if m and "a" in m else None, NESTED_MAPS, INT, (6, 2, 0)),
    (lambda rows: [f"{r.k}={len(r['v'])}" for r in rows or []], ROWS, TEXTS, (5, 4, 3)),
    (lambda rows: [x * 2 for r in rows or [] for x in r.v], ROWS, DOUBLES, (5, 4, 3)),
    (lambda rows: [r.k for r in sorted(rows, key=lambda r: len(r.v))] if rows else [], ROWS, TEXTS, (5, 4, 3)),
    (lambda rows: [k for k, v in rows or [] if len(v) > 0], ROWS, TEXTS, (5, 4, 3)),
    (lambda rows: rows[0] if rows else None, ROWS, StructType([StructField("k", TEXT), StructField("v", DOUBLES)]), (5, 4, 0)),
    (lambda xs: [f"{r.k}{sum(r.v)}" for x in xs or [] for r in x], TABLES, TEXTS, (4, 3, 3)),
]


def counts_of(function, given, returns):
    alone = [given.slice(at, 1) for at in range(given.num_rows)]
    compared = compare_with_worker(function, [given, *alone], returns, ROW, kernel=True)
    assert not compared.refused, compared
    return compared.decided, compared.flagged, compared.raised


@pytest.mark.parametrize("number", range(len(CASES)))
def test_lists_of_lists(number):
    function, given, returns, counts = CASES[number]
    assert counts_of(function, given, returns) == counts


@pytest.mark.parametrize("number", range(len(OTHERS)))
def test_maps_and_rows_with_lists(number):
    function, given, returns, counts = OTHERS[number]
    assert counts_of(function, given, returns) == counts


def changes_an_argument(xs):
    for x in xs or []:
        x.append(1)
    return len(xs or [])


def reduced_in_place(xs):
    start = []
    made = functools.reduce(lambda a, b: a.extend(b) or a, xs or [], start)
    return len(start) + len(made)


@pytest.mark.parametrize(("function", "returns", "code"), [
    (changes_an_argument, INT, "SW222"), (reduced_in_place, INT, "SW223"), (lambda xs: xs.append([1]) or len(xs), INT, "SW251"),
    (str, TEXT, "SW259"), (lambda xs: f"{xs}", TEXT, "SW259"), (lambda xs: sorted(xs)[0], LONGS, "SW223"),
    (lambda xs: max(xs), LONGS, "SW223"), (lambda xs: xs == [[1, 2], [3]], FLAG, "SW251"), (lambda xs: [1] in xs, FLAG, "SW222"),
    (lambda xs: xs[0] is xs[0], FLAG, "SW603"), (lambda xs: xs.index([]), INT, "SW251"),
    (lambda xs: list(set().union(*xs)), LONGS, "SW299"),
])  # fmt: skip
def test_lists_of_lists_that_are_refused(function, returns, code):
    assert compare_with_worker(function, [NUMBERS], returns, ROW).refused == code


def test_kinds_and_types_that_are_refused():
    others = (PythonEvalType.SQL_SCALAR_PANDAS_UDF, *([PythonEvalType.SQL_SCALAR_ARROW_UDF] if LINE >= (4, 1) else []))
    for given in (NUMBERS, MAPS, LISTS, ROWS):
        for eval_type in (*others, *([] if given is NUMBERS else [PICKLED])):
            assert compare_with_worker(lambda x: x, [given], LONG, eval_type).refused == "SW101"
    floats = batch([[[(0.5, 1)]]], pa.list_(pa.map_(pa.float64(), pa.int32())))
    by_rows = batch([[({"k": "a", "v": []}, 1)]], pa.map_(ITEM, pa.int32()))
    for given in (floats, by_rows):
        assert compare_with_worker(len, [given], INT, ROW).refused == "SW101"
