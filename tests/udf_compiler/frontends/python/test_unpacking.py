"""Compares starred unpacking, and loops and calls over generator expressions, with PySpark's worker."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, BooleanType, DoubleType, LongType, MapType, StringType

from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import PythonEvalType

ROW = PythonEvalType.SQL_ARROW_BATCHED_UDF
TEXT, LONG = StringType(), LongType()
TEXTS, MAP = ArrayType(TEXT), MapType(TEXT, TEXT)
ROWS = pa.RecordBatch.from_pydict({
    "words": pa.array([["tea", "eat", "a"], [], ["x"], ["é", "a"], None]),
    "ns": pa.array([[1, 2, 9, 4], [3], [], [40, 1, -5], None], pa.list_(pa.int64())),
    "s": pa.array(["k=v;kk=;k=w;z", "", "a b  c", None, "x=1=2;x é"]),
})  # fmt: skip
KNOWN = {"a", "cat", "tea"}


def rotated(words, ns, s):
    if not words:
        return []
    first, *rest = words
    return [*rest, first]


def last_two(words, ns, s):
    try:
        *rest, a, b = words or []
    except ValueError:
        return ["short"]
    return [b, a, *rest]


def initials(words, ns, s):
    parts = (s or "").split()
    if len(parts) < 2:
        return None
    first, *middle, last = parts
    return f"{last}, {first}" + "".join(m[:1] for m in middle)


def characters(words, ns, s):
    first, *rest = s or "zz"
    return first + "-" + "".join(rest)


def of_constants(words, ns, s):
    total = 0
    for x, *rest in [ns or [0], [1, 2, 3]]:
        total += x * 10 + len(rest)
    return total


def pairs(words, ns, s):
    return dict(p.split("=", 1) for p in (s or "").split(";") if "=" in p)


def pairs_of_a_list(words, ns, s):
    return dict([p.split("=", 1) for p in (s or "").split(";") if "=" in p])


def pairs_in_a_comprehension(words, ns, s):
    return {k.strip(): v for k, v in (p.split("=", 1) for p in (s or "").split(";") if "=" in p)}


def of_default(words, ns, s, *, digits={"1": "one", "2": "two"}):  # noqa: B006
    return "".join(digits.get(c, "-") for c in reversed(s or ""))


def digits(words, ns, s):
    return sum(int(m.group()) for m in re.finditer(r"\d", s or ""))


def products(words, ns, s):
    total = 0
    for a, b in ((n, n * 2) for n in ns or [] if n > 1):
        total += a * b
        if total > 50:
            break
    return total


COMPILED = [
    (rotated, TEXTS), (last_two, TEXTS), (initials, TEXT), (characters, TEXT), (of_constants, LONG), (pairs, MAP),
    (pairs_of_a_list, MAP), (pairs_in_a_comprehension, MAP), (of_default, TEXT), (products, LONG), (digits, LONG),
    (lambda words, ns, s: sum((n % 10 for n in ns or []), 100), LONG),
    (lambda words, ns, s: sum((n * 0.1 for n in ns or []), 100), DoubleType()),
    (lambda words, ns, s: sum((n * 0.1 for n in ns or []), 0.5), DoubleType()),
    (lambda words, ns, s: sum(ns or [], 7), LONG),
    (lambda words, ns, s: sorted(KNOWN - set(words or [])), TEXTS),
    (lambda words, ns, s: sorted(set(words or []) - KNOWN), TEXTS),
    (lambda words, ns, s: sorted(KNOWN | set(words or [])), TEXTS),
    (lambda words, ns, s: len(KNOWN ^ set(words or [])), LONG),
    (lambda words, ns, s: set(words or []) <= KNOWN, BooleanType()),
    (lambda words, ns, s: set("ea") <= set((s or "").lower()), BooleanType()),
    (lambda words, ns, s: len(set(words or []) & KNOWN) / len(set(words or []) | KNOWN), DoubleType()),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(COMPILED)))
def test_unpacking_and_generators(number):
    function, returns = COMPILED[number]
    compared = compare_with_worker(function, [ROWS, ROWS.slice(1, 2)], returns, ROW, kernel=True)
    assert not compared.refused, compared.reason
    assert (compared.decided, compared.flagged) == (2, 0), compared


def three(words, ns, s):
    a, b, *rest = words or []
    return a + b + "".join(rest)


def pairs_of_any_size(words, ns, s):
    return len(dict(p.split("=") for p in (s or "").split(";")))


@pytest.mark.parametrize(("function", "returns"), [(three, TEXT), (pairs_of_any_size, LONG)])
def test_other_sizes_raise(function, returns):
    compared = compare_with_worker(function, [ROWS, ROWS.slice(0, 1), ROWS.slice(4, 1)], returns, ROW)
    assert not compared.refused, compared.reason
    assert compared.flagged == compared.raised == (2 if function is three else 3), compared


def grows_what_it_reads(words, ns, s):
    made = [1]
    for n in (x for x in made):
        if len(made) < 5:
            made.append(n + 1)
    return len(made)


def changes_what_it_reads(words, ns, s):
    shift, total = len(s or ""), 0
    for n in (x + shift for x in ns or []):
        total += n
        shift += 1
    return total


@pytest.mark.parametrize("function", [changes_what_it_reads])
def test_refused_generators(function):
    assert compare_with_worker(function, [ROWS], LONG, ROW).refused == "SW282"


def test_a_generator_over_a_growing_list():
    compared = compare_with_worker(grows_what_it_reads, [ROWS], LONG, ROW)
    assert (compared.refused, compared.decided) == ("", 1), compared
