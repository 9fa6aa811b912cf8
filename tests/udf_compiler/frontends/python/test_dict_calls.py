"""Compares updates and comparisons of dicts that functions of a row make, and defaults of defaultdicts, with PySpark's worker."""

from __future__ import annotations

from collections import Counter, defaultdict

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, BooleanType, IntegerType, LongType, MapType, StringType

from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import PythonEvalType

ROW = PythonEvalType.SQL_ARROW_BATCHED_UDF
TEXT, LONG, BOOL = StringType(), LongType(), BooleanType()
ROWS = pa.RecordBatch.from_pydict({
    "words": pa.array([["tea", "eat", "a b", "a"], [], ["x"], ["é", "a", "é"], None]),
    "more": pa.array([["eat", "tea", "a", "a b"], [], ["x", "x"], None, ["a"]]),
    "s": pa.array(["k=v;kk;k=w", "", "a b a", None, "é é"]),
    "small": pa.array([[3, 1, 2], [7], [], None, [2, 2]], pa.list_(pa.int32())),
})  # fmt: skip


def words_of_words(words, more, s, small):
    counts = Counter()
    for w in words or []:
        counts.update(w.split())
    return dict(counts)


def letters(words, more, s, small):
    counts = Counter()
    for w in words or []:
        counts.update(w)
    return counts["a"] * 10 + counts["missing"] + len(counts)


def updated(words, more, s, small):
    counts = Counter((s or "").split())
    counts.update(words or [])
    return max(counts.values(), default=0) * 10 + len(counts)


def updated_by_constants(words, more, s, small):
    counts = Counter(words or [])
    same = counts
    counts.update(["a", "a"])
    return same["a"] * 10 + len(counts)


def zeros(words, more, s, small):
    counts = defaultdict(lambda: 0)
    for w in words or []:
        counts[w[:1]] += 1
    return ",".join(f"{k}{v}" for k, v in counts.items())


def texts(words, more, s, small):
    found = defaultdict(lambda: "n/a")
    for w in words or []:
        found[w] = w + found[w[:1]]
    return ",".join(f"{k}{v}" for k, v in found.items())


def lists(words, more, s, small):
    found = defaultdict(lambda: [])
    for w in words or []:
        found[w[:1]].append(w)
    return ",".join(f"{k}{len(v)}" for k, v in found.items())


def equal_dicts(words, more, s, small):
    first = {}
    for w in words or []:
        first[w] = len(w)
    return first == {w: len(w) for w in more or []}


def with_a_zero(words, more, s, small):
    first, second = Counter(words or []), Counter(more or [])
    second["none"] = 0
    return first == second


def swapped(words, more, s, small):
    items = list(small or [])
    for i in range(len(items)):
        for j in range(len(items) - 1 - i):
            if items[j] > items[j + 1]:
                items[j], items[j + 1] = items[j + 1], items[j]
    return items


def queue(words, more, s, small):
    items, made = list(small or []), []
    while items:
        x = items.pop(0)
        made.append(x)
        if x > 5:
            items.append(x - 5)
    return made


def ends(words, more, s, small):
    items = list(small or [])
    items.insert(0, -1)
    items.extend(small or [])
    items.append(len(items))
    return items


def parts(words, more, s, small):
    found = (s or "").split(";")
    found.append("end")
    found.extend(words or [])
    return "|".join(found)


COMPILED = [
    (words_of_words, MapType(TEXT, IntegerType())), (letters, LONG), (updated, LONG), (updated_by_constants, LONG),
    (zeros, TEXT), (texts, TEXT), (lists, TEXT),
    (equal_dicts, BOOL), (with_a_zero, BOOL), (swapped, ArrayType(IntegerType())), (queue, ArrayType(IntegerType())),
    (ends, ArrayType(IntegerType())), (parts, TEXT),
    (lambda words, more, s, small: Counter(words or []) == Counter(more or []), BOOL),
    (lambda words, more, s, small: Counter(s or "") != Counter("".join(words or [])), BOOL),
    (lambda words, more, s, small: {w: 1 for w in words or []} == {"x": 1}, BOOL),  # noqa: C420
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(COMPILED)))
def test_dicts_and_lists(number):
    function, returns = COMPILED[number]
    compared = compare_with_worker(function, [ROWS, ROWS.slice(1, 2)], returns, ROW, kernel=True)
    assert not compared.refused, compared.reason
    assert (compared.decided, compared.flagged) == (2, 0), compared


def missing_in_an_empty_counter(words, more, s, small):
    counts = Counter(words or [])
    try:
        return counts["none"]
    except KeyError:
        return -1


def test_a_counter_without_elements_counts_0():
    compared = compare_with_worker(missing_in_an_empty_counter, [ROWS], LONG, ROW, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0), compared


def constants(words, more, s, small):
    counts = Counter("abc")
    for w in words or []:
        counts.update(w)
    return len(counts)


def default_of_the_row(words, more, s, small):
    counts = defaultdict(lambda: len(s or ""))
    for w in words or []:
        counts[w] += 1
    return len(counts)


@pytest.mark.parametrize(("function", "code"), [(constants, "SW251"), (default_of_the_row, "SW282")])
def test_refused_calls(function, code):
    assert compare_with_worker(function, [ROWS], LONG, ROW).refused == code
