# ruff: noqa: C420 - comprehensions as people write them
"""Compares dicts that functions of a row make, in loops and comprehensions, with PySpark's worker."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict

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
)

from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import PythonEvalType

ROW = PythonEvalType.SQL_ARROW_BATCHED_UDF
COUNTS, TEXTS = MapType(StringType(), IntegerType()), MapType(StringType(), StringType())
ROWS = pa.RecordBatch.from_pydict({
    "words": pa.array([["b", "a", "b"], [], ["x"], ["é", "q", "é"], None, ["long word", "a", ""]]),
    "ns": pa.array([[1, 2, 2], [3], [], [2**60, 1, -5], [1], None]),
    "s": pa.array(["k=v;kk=", "", "a b a", None, "x=1;x=2", "é é"]),
})  # fmt: skip


def sizes(words, ns, s):
    return {w: len(w) for w in words or []}


def even_places(words, ns, s):
    return {w: i for i, w in enumerate(words or []) if i % 2 == 0}


def histogram(words, ns, s):
    found = {}
    for w in words or []:
        found[w] = found.get(w, 0) + 1
    return found


def by_membership(words, ns, s):
    found = dict()  # noqa: C408
    for w in words or []:
        if w not in found:
            found[w] = 0
        found[w] += 2
    return found


def sums(words, ns, s):
    total = defaultdict(int)
    for w, n in zip(words or [], ns or [], strict=False):
        total[w] += n // 7
    return dict(total)


def pairs(words, ns, s):
    found = {}
    for part in (s or "").split(";"):
        if "=" in part:
            key, value = part.split("=", 1)
            found[key.strip()] = value
    return found


def known_keys(words, ns, s):
    found = {"a": 0, "b": 0}
    for w in words or []:
        if w in found:
            found[w] += 1
    return found


def first_places(words, ns, s):
    found = OrderedDict()
    for i, w in enumerate((s or "").split()):
        found.setdefault(w, i)
    return found


def aliased(words, ns, s):
    first = {}
    second = first
    for w in words or []:
        second[w] = 1
    return first


def merged(words, ns, s):
    found = {"s": 1, **{w: 2 for w in ("b", "s")}}
    found.update({"last": len(words or [])})
    return found


def best(words, ns, s):
    counts = Counter(words or [])
    return max(counts, key=counts.get) if counts else None


def total(words, ns, s):
    counts = {}
    for w in words or []:
        counts[w] = len(counts)
    return sum(v for k, v in counts.items() if k != "a") + sum(counts.values()) + len(counts)


def shown(words, ns, s):
    counts = Counter(s or "")
    return ",".join(f"{k}={v}" for k, v in counts.items())


COMPILED = [
    (sizes, COUNTS), (even_places, COUNTS), (histogram, COUNTS), (by_membership, COUNTS),
    (sums, MapType(StringType(), LongType())),
    (pairs, TEXTS), (known_keys, COUNTS), (first_places, COUNTS), (aliased, COUNTS), (merged, COUNTS), (best, StringType()),
    (total, LongType()), (shown, StringType()),
    (lambda words, ns, s: dict(zip(words or [], ns or [], strict=False)), MapType(StringType(), LongType())),
    (lambda words, ns, s: {n: w for w, n in zip(words or [], ns or [], strict=False)}, MapType(LongType(), StringType())),
    (lambda words, ns, s: {n > 1: n for n in ns or []}, MapType(BooleanType(), LongType())),
    (lambda words, ns, s: {w: 0.5 * len(w) for w in words or []}, MapType(StringType(), DoubleType())),
    (lambda words, ns, s: Counter(words or []), COUNTS),
    (lambda words, ns, s: dict(Counter((s or "").lower().split())), COUNTS),
    (lambda words, ns, s: Counter(ns).most_common(1)[0][0] if ns else None, LongType()),
    (lambda words, ns, s: dict.fromkeys(words or [], 0), COUNTS),
    (lambda words, ns, s: list(dict.fromkeys(words or [])), ArrayType(StringType())),
    (lambda words, ns, s: ",".join(dict.fromkeys((s or "").split())), StringType()),
    (lambda words, ns, s: sorted({w: 1 for w in words or []}), ArrayType(StringType())),
    (lambda words, ns, s: "b" in {w: 1 for w in words or []}, BooleanType()),
    (lambda words, ns, s: {w: 1 for w in words or []}.get("b", 0), LongType()),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(COMPILED)))
def test_dicts_of_the_row(number):
    function, returns = COMPILED[number]
    compared = compare_with_worker(function, [ROWS, ROWS.slice(1, 2)], returns, ROW, kernel=True)
    assert not compared.refused, compared.reason
    assert compared.decided == 2, compared


def test_a_missing_key_raises():
    function = lambda words, ns, s: {w: 1 for w in words or []}["b"]  # noqa: E731
    compared = compare_with_worker(function, [ROWS, ROWS.slice(0, 1)], LongType(), ROW)
    assert (compared.decided, compared.flagged, compared.raised) == (1, 1, 1)


def grows_in_its_own_loop(words, ns, s):
    found = {w: 1 for w in words or []}
    for key in found:
        found[key + "x"] = 2
    return found


def passed_on(words, ns, s):
    def add(counts, w):
        counts[w] = 1

    found = {}
    for w in words or []:
        add(found, w)
    return found


def shared(words, ns, s):
    inner = {"a": 1}
    outer = {"in": inner}
    inner["b"] = len(words or [])
    return outer["in"]["a"] if words and len(words) > 1 else len(outer["in"])


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (grows_in_its_own_loop, "SW282"),  # Python raises
        (passed_on, "SW282"),
        (lambda words, ns, s: {n / 2: 1 for n in ns or []}, "SW244"),  # NaN is no key that a lookup finds
        (lambda words, ns, s: Counter(words or []).elements(), "SW251"),
        (lambda words, ns, s: dict.fromkeys(words or []), "SW293"),
    ],
)
def test_refused_dicts(function, code):
    assert compare_with_worker(function, [ROWS], COUNTS, ROW).refused == code


def test_a_dict_within_another_one_is_not_copied():
    compared = compare_with_worker(shared, [ROWS], LongType(), ROW)
    assert compared.refused or compared.decided == 1


def test_long_dicts_run_in_python():
    rows = pa.RecordBatch.from_pydict({"words": pa.array([["w"], [str(n) for n in range(3000)]])})
    compared = compare_with_worker(lambda words: {w: 1 for w in words}, [rows], COUNTS, ROW, kernel=True)
    assert compared.flagged == 1 and not compared.raised
