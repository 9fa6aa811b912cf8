# ruff: noqa: E731, C417 - lambdas as people write them
"""Compares lambdas and nested functions that read variables of the row with PySpark's worker."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import reduce

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, BooleanType, LongType, StringType

from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import PythonEvalType

ROW = PythonEvalType.SQL_ARROW_BATCHED_UDF
TEXT, LONG = StringType(), LongType()
ROWS = pa.RecordBatch.from_pydict({
    "words": pa.array([["tea", "eat", "a", "ate", ""], [], ["x"], ["é", "q", "é"], None, ["b c", "a", "b", "a", "é"]]),
    "ns": pa.array([[1, 2, 2, 9, 4], [3], [], [40, 1, -5], None, [7, 7]], pa.list_(pa.int64())),
    "s": pa.array(["abba x", "", "a b a", None, "level one", "é é"]),
    "m": pa.array([2, 3, None, 1, 0, 4], pa.int64()),
})  # fmt: skip


def largest_by_count(words, ns, s, m):
    counts = {}
    for w in words or []:
        counts[w] = counts.get(w, 0) + 1
    return max(counts, key=lambda k: (counts[k], k)) if counts else None


def largest_group(words, ns, s, m):
    groups = defaultdict(list)
    for w in words or []:
        groups[w[:1]].append(w)
    return max(groups, key=lambda k: len(groups[k])) if groups else None


def ordered_groups(words, ns, s, m):
    groups = defaultdict(list)
    for w in words or []:
        groups[w[:1]].append(w)
    return sorted(groups, key=lambda k: -len(groups[k]))


def by_frequency(words, ns, s, m):
    counts = Counter(words or [])
    return sorted(counts, key=lambda w: (-counts[w], w))


def nearest_length(words, ns, s, m):
    return None if m is None else sorted(words or [], key=lambda w: (abs(len(w) - m), w))


def polynomial(words, ns, s, m):
    return reduce(lambda a, b: (a * m + b) % 97, ns) if ns and m is not None else None


def scaled(words, ns, s, m):
    if m is None:
        return None

    def scale(x):
        return x * m + 1

    total = 0
    for n in ns or []:
        total += scale(n)
    return total * 100 + sum(scale(n) for n in ns or [])


def padded(words, ns, s, m):
    width = len(words or [])

    def pad(w, ch):
        return w.rjust(width, ch)

    return "|".join([pad(w, ".") for w in words or []])


def later_words(words, ns, s, m):
    seen = {}
    for w in words or []:
        seen[w] = len(seen)
    return ",".join(filter(lambda w: seen[w] > 0, words or []))


def within_a_closure(words, ns, s, m):
    def outer(x):
        def inner(y):
            return y * (m or 1) + x

        return inner(x + 1)

    return sum(outer(n) for n in ns or [])


def reads_a_list(words, ns, s, m):
    large = [n for n in ns or [] if n > 1]

    def best(k):
        return max([n for n in large if n != k], default=k)

    return best(3) * 100 + best(40)


def reads_a_dict(words, ns, s, m):
    index = {w: i for i, w in enumerate(words or [])}

    def at(w):
        return index.get(w, -1)

    return at("a") * 10 + at("b")


def any_equal(words, ns, s, m):
    return None if m is None else any(map(lambda n: n == m, ns or []))


def maybe_none(words, ns, s, m):
    def add(x):
        return 0 if m is None else m + x

    return add(1) * add(len(s or ""))


def in_a_string(words, ns, s, m):
    def has(t):
        return t in s if s else False

    return sum(1 for t in ("a", "b", "q") if has(t))


def normalised(words, ns, s, m):
    if not ns:
        return None
    least = min(ns)
    span = max(ns) - least
    normal = lambda v: (v - least) * 100 // span if span else 0
    return [normal(n) for n in ns]


def longest_palindrome(words, ns, s, m):
    text = s or ""

    def expand(left, right):
        while left >= 0 and right < len(text) and text[left] == text[right]:
            left -= 1
            right += 1
        return right - left - 1

    best = 0
    for i in range(len(text)):
        best = max(best, expand(i, i), expand(i, i + 1))
    return best


def called_by_a_helper(words, ns, s, m):
    def safe(f):
        try:
            return f()
        except (TypeError, ZeroDivisionError):
            return -1

    return safe(lambda: 7 // m)


def parts(words, ns, s, m):
    found = (s or "").split()
    get = lambda i: found[i] if i < len(found) else ""
    return get(0) + get(2) + get(5)


COMPILED = [
    (largest_by_count, TEXT), (largest_group, TEXT), (ordered_groups, ArrayType(TEXT)), (by_frequency, ArrayType(TEXT)),
    (nearest_length, ArrayType(TEXT)), (polynomial, LONG), (scaled, LONG), (padded, TEXT), (later_words, TEXT),
    (within_a_closure, LONG), (reads_a_list, LONG), (reads_a_dict, LONG), (any_equal, BooleanType()), (maybe_none, LONG),
    (in_a_string, LONG), (normalised, ArrayType(LONG)), (longest_palindrome, LONG), (called_by_a_helper, LONG), (parts, TEXT),
]  # fmt: skip


@pytest.mark.parametrize(("function", "returns"), COMPILED, ids=lambda x: getattr(x, "__name__", ""))
def test_closures(function, returns):
    compared = compare_with_worker(function, [ROWS, ROWS.slice(1, 2)], returns, ROW, kernel=True)
    assert not compared.refused, compared.reason
    assert (compared.decided, compared.flagged) == (2, 0), compared


def parameter_assigned_later(words, ns, s, m):
    add = lambda x: x + (m or 0)
    m = 5
    return sum(add(n) for n in ns or [])


def variable_of_a_loop(words, ns, s, m):
    total = 0
    for n in ns or []:
        add = lambda x: x + n  # noqa: B023
        total += add(m or 0)
    return total


def dict_that_changes(words, ns, s, m):
    counts = {}
    count = lambda k: counts.get(k, 0)
    for w in words or []:
        counts[w] = count(w) + 1
    return sum(counts.values())


def dict_that_changes_later(words, ns, s, m):
    index = {w: i for i, w in enumerate(words or [])}
    at = lambda w: index.get(w, -1)
    index["a"] = 50
    return at("a")


def dict_that_an_argument_changes(words, ns, s, m):
    counts = {}
    return sum(map(lambda k: counts.get(k, 0), [counts.setdefault(w, 3) and w for w in words or []]))


def list_that_changes(words, ns, s, m):
    items = [n for n in ns or []]  # noqa: C416
    count = lambda: len(items)
    items.append(5)
    return count()


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (parameter_assigned_later, "SW280"), (variable_of_a_loop, "SW280"), (dict_that_changes, "SW282"),
        (dict_that_changes_later, "SW282"), (dict_that_an_argument_changes, "SW282"), (list_that_changes, "SW282"),
    ],
)  # fmt: skip
def test_variables_that_change(function, code):
    compared = compare_with_worker(function, [ROWS], LONG, ROW)
    assert compared.refused == code, compared
