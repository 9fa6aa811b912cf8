"""Compares sorts by a key, and pairs of a dict in the order of its values, with PySpark's worker."""

from __future__ import annotations

from collections import Counter, defaultdict
from operator import itemgetter

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, LongType, MapType, StringType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

TEXTS = ["b a c a", "", None, "x", "a b b a c c d", "é é q", "z yy X w v v"]
BATCHES = [
    pa.record_batch({"s": pa.array(TEXTS), "n": pa.array([1, 2, None, 0, 3, -1, 9], pa.int64())}),
    pa.record_batch({"s": pa.array(["b a c a", "ccc bb a"]), "n": pa.array([2, 1], pa.int64())}),
]
STRINGS = ArrayType(StringType())


def rank(w):
    return {"a": 3, "b": 2}.get(w, 9)


def by_get(s, n):
    c = Counter((s or "").split())
    return sorted(c, key=c.get, reverse=True)[:2]


def sort_len_rev(s, n):
    return sorted((s or "").split(), key=len, reverse=True)


def sort_lambda(s, n):
    return sorted((s or "").split(), key=lambda w: w[::-1])


def key_none(s, n):
    d = {"a": 1, "b": 2}
    return sorted((s or "").split(), key=d.get)


def key_none_caught(s, n):
    d = {"a": 1, "b": 2}
    try:
        return sorted((s or "").split(), key=d.get)
    except TypeError:
        return ["bad"]


def key_nan(s, n):
    return sorted((s or "").split(), key=lambda w: float("nan") if w == "x" else len(w) * 0.5)


def key_bool2(s, n):
    return sorted((s or "").split(), key=lambda w: (w != "b", -len(w), w.upper()), reverse=True)


def key_raises(s, n):
    return sorted((s or "").split(), key=lambda w: 1 // (len(w) - 1))


def key_raises_caught(s, n):
    try:
        return sorted((s or "").split(), key=lambda w: 1 // (len(w) - 1))
    except ZeroDivisionError:
        return None


def key_method(s, n):
    return sorted((s or "").split(), key=str.lower, reverse=True)


def key_float(s, n):
    return sorted((s or "").split(), key=lambda w: -len(w) / 2 if w > "b" else -0.0)


def key_helper(s, n):
    return sorted((s or "").split(), key=rank)


def key_words_by_pos(s, n):
    ws = (s or "").split()
    ws.sort(key=lambda w: (w.count("a"), w), reverse=True)
    return ws[:2]


def top_words(s, n):
    return [w for w, _ in Counter((s or "").split()).most_common(2)]


def by_items(s, n):
    c = Counter((s or "").split())
    return [k for k, v in sorted(c.items(), key=lambda kv: kv[1], reverse=True)[:2]]


def by_items2(s, n):
    c = Counter((s or "").split())
    return [k for k, v in sorted(c.items(), key=lambda kv: (-kv[1], kv[0]))]


def items_sorted(s, n):
    c = {}
    for w in (s or "").split():
        c[w] = c.get(w, 0) + 1
    return [k + str(v) for k, v in sorted(c.items())]


def mc_zero(s, n):
    return [w for w, _ in Counter((s or "").split()).most_common(0)]


def mc_loop_reuse(s, n):
    o = []
    m = Counter((s or "").split()).most_common()
    for w, _ in m:
        o.append(w)
    for _, c in m:
        o.append(str(c))
    return o


def mc_rev(s, n):
    return [w for w, c in reversed(Counter((s or "").split()).most_common(3))]


def mc_slice(s, n):
    return [w for w, c in Counter((s or "").split()).most_common()[:-3:-1]]


def dd_sorted(s, n):
    d = defaultdict(int)
    for w in (s or "").split():
        d[w] += len(w)
    return [w for w, _ in sorted(d.items(), key=lambda x: x[1], reverse=True)][:2]


def sort_inplace_key(s, n):
    w = (s or "").split()
    w.sort(key=len)
    return w


def by_item(s, n):
    return [w for _, w in sorted([(len(w), w) for w in (s or "").split()], key=itemgetter(0), reverse=True)]


def by_item_of_items(s, n):
    c = Counter((s or "").split())
    return [w for w, _ in sorted(c.items(), key=itemgetter(1, 0))]


def key_captured(s, n):
    return sorted((s or "").split(), key=lambda w: w * (n or 1))


@pytest.mark.nightly_cases("by_item", "by_items2", "mc_slice", "mc_rev", "mc_loop_reuse")
@pytest.mark.parametrize("function", [
    key_captured, by_item, by_item_of_items,
    by_get, sort_len_rev, sort_lambda, key_none, key_none_caught, key_nan, key_bool2, key_raises, key_raises_caught,
    key_method, key_float, key_helper, key_words_by_pos, top_words, by_items,
    by_items2, items_sorted, mc_zero, mc_loop_reuse, mc_rev, mc_slice, dd_sorted, sort_inplace_key,
])  # fmt: skip
def test_lists(function):
    kernel = function in (by_get, key_bool2, by_items2, top_words)
    compared = compare_with_worker(function, BATCHES, STRINGS, ARROW_BATCHED, kernel=kernel)
    assert not compared.refused, compared


def joined_sorted(s, n):
    return " ".join(sorted((s or "").split(), key=lambda w: (-len(w), w.lower())))


def top_joined(s, n):
    return ",".join((f"{w}:{c}" for w, c in Counter((s or "").split()).most_common(2)))


def second(s, n):
    c = Counter((s or "").split()).most_common(2)
    return c[1][0] if len(c) > 1 else None


def max_items(s, n):
    c = Counter((s or "").split())
    return max(c.items(), key=lambda kv: kv[1])[0] if c else None


def mc_if(s, n):
    m = Counter((s or "").split()).most_common(2)
    if not m:
        return "none"
    if len(m) == 2 and m[0][1] == m[1][1]:
        return "tie"
    return m[0][0] + m[-1][0]


def mc_next(s, n):
    return next((w for w, c in Counter((s or "").split()).most_common() if c == 1), None)


@pytest.mark.nightly_cases("max_items", "mc_next")
@pytest.mark.parametrize("function", [joined_sorted, top_joined, second, max_items, mc_if, mc_next])
def test_strings(function):
    compared = compare_with_worker(function, BATCHES, StringType(), ARROW_BATCHED)
    assert not compared.refused, compared


def top_map(s, n):
    return dict(Counter((s or "").split()).most_common(2))


def sorted_map(s, n):
    c = Counter((s or "").split())
    return dict(sorted(c.items(), key=lambda kv: -kv[1])[:2])


@pytest.mark.parametrize("function", [top_map, sorted_map])
def test_dicts(function):
    compared = compare_with_worker(function, BATCHES, MapType(StringType(), LongType()), ARROW_BATCHED)
    assert not compared.refused, compared


def key_mixed(s, n):
    return sorted((s or "").split(), key=lambda w: 1 if w == "x" else 0.5)


def key_reverse_row(s, n):
    return sorted((s or "").split(), key=len, reverse=n)


def key_mixed_tuple(s, n):
    return sorted((s or "").split(), key=lambda w: (1, w) if w > "b" else (0,))


def key_list(s, n):
    return sorted((s or "").split(), key=lambda w: [len(w), w])


def mc_row(s, n):
    return [w for w, _ in Counter((s or "").split()).most_common(n)]


def mc_append(s, n):
    m = Counter((s or "").split()).most_common(2)
    m.append(("z", 1))
    return [w for w, _ in m]


def mc_plus(s, n):
    return [w for w, c in Counter((s or "").split()).most_common(2) + [("z", 1)]]


def mc_str(s, n):
    return str(Counter((s or "").split()).most_common(2))


def counter_of_pairs(s, n):
    return [k[0] for k in Counter(Counter((s or "").split()).most_common(2))]


@pytest.mark.nightly_cases("key_mixed")
@pytest.mark.parametrize("function", [
    key_mixed, key_reverse_row, key_mixed_tuple, key_list, mc_row, mc_append, mc_plus, mc_str,
    counter_of_pairs,
])  # fmt: skip
def test_refused(function):
    """Keys of several classes cannot be compared as values of one kind, and a list of pairs supports no change or comparison."""
    returns = StringType() if function is mc_str else STRINGS
    assert compare_with_worker(function, BATCHES, returns, ARROW_BATCHED).refused


def most_frequent(xs):
    return max(set(xs), key=xs.count) if xs else None


@pytest.mark.parametrize(("function", "counts"), [
    (most_frequent, (6, 1)), (lambda xs: max(set(xs), key=xs.count), (5, 2)),
    (lambda xs: min(set(xs), key=lambda x: x % 1, default=9), (6, 3)),
    (lambda xs: max(set(xs), key=lambda x: (xs.count(x), x)) if xs else 0, (6, 0)),
])  # fmt: skip
def test_the_element_of_a_set_with_the_largest_key(function, counts):
    """Rows in which several elements have it run in Python: the order of the set decides."""
    rows = [[1, 2, 2], [3], [], [4, 4, 5, 5], [7, 7, 7, 1], [-1, -1]]
    batches = [pa.record_batch({"xs": pa.array([row], pa.list_(pa.int64()))}) for row in rows]
    compared = compare_with_worker(function, batches, LongType(), ARROW_BATCHED, kernel=True)
    assert (compared.decided, compared.flagged, compared.refused) == (*counts, ""), compared
