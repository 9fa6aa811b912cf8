"""Compares functions that pass their lists, dicts and sets to helpers, or consume helper generators, with PySpark's worker."""

from __future__ import annotations

import sys

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, IntegerType, MapType, StringType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

BATCHES = [pa.record_batch({"words": pa.array(rows, pa.list_(pa.string()))}) for rows in (
    [[], ["a"], ["b", "a", "b"], ["", ""], ["1", "2", "3", "3"], ["é", "a", "éa", "b", "z"]], [["x", None]], [None],
)]  # fmt: skip
INT, TEXT, TEXTS, SIZES = IntegerType(), StringType(), ArrayType(StringType()), MapType(StringType(), IntegerType())
STOP = ["a", "b"]


def _longest(xs):
    best = ""
    for x in xs:
        if len(x) > len(best):
            best = x
    return best


def _count(xs, what):
    n = 0
    for x in xs:
        n += x == what
    return n


def _best(counts):
    best, most = None, 0
    for key, n in counts.items():
        if n > most:
            best, most = key, n
    return best


def _overlap(a, b):
    n = 0
    for x in a:
        if x in b:
            n += 1
    return n


def _weighted(xs, weights):
    return sum(len(x) * w for x, w in zip(xs, weights, strict=False))


def _upper(xs):
    return [x.upper() for x in xs]


def _same(xs):
    return xs


def _add(xs, x):
    xs.append(x)


def _add_known(xs):
    xs.add("k")


def built(words):
    out = []
    for w in words:
        if w != "a":
            out.append(w + "!")
    return _longest(out) if isinstance(out, list) else "?"


def grown_meanwhile(words):
    seen, n = [], 0
    for w in words:
        n += _count(seen, w)
        seen.append(w)
    return n


def made_of_it(words):
    out = []
    for w in words:
        out.append(w.strip())
    return _upper(out)


def of_constants(words):
    return _weighted(words, [3, 1, 2])


def captured(words):
    n = 0
    for w in words:
        n += _count(STOP, w)
    return n


def counted(words):
    counts = {}
    for w in words:
        counts[w] = counts.get(w, 0) + 1
    return _best(counts)


def known_keys(words):
    totals = {"a": 0, "b": 0}
    for w in words:
        totals["a"] += len(w)
        totals["b"] += 1
    return (lambda d: d["a"] * 10 + d["b"])(totals)


def distinct(words):
    n = 0
    for _ in words:
        n += 1
    return _overlap(words, set(words)) + n


@pytest.mark.parametrize(
    ("function", "returns"),
    [
        (built, TEXT), (grown_meanwhile, INT), (made_of_it, TEXTS), (of_constants, INT), (captured, INT), (counted, TEXT),
        (known_keys, INT), (distinct, INT),
    ],
)  # fmt: skip
def test_arguments_that_a_helper_reads(function, returns):
    proved = compare_with_worker(function, BATCHES, returns, ARROW_BATCHED, kernel=True)
    assert (proved.refused, proved.flagged) == ("", 2)


def returns_it(words):
    seen = ["x"]
    for w in words:
        seen.append(w)
    again = _same(seen)
    for w in words:
        seen.append(w)
    return len(again)


def changes_it(words):
    seen = []
    for w in words:
        _add(seen, w)
    return seen


def keeps_it(words):
    seen = {}
    for w in words:
        seen[w] = 1
    kept = (lambda d: [d])(seen)
    seen["y"] = 2
    return len(kept[0])


def changes_an_empty_set(words):
    seen = set()
    _add_known(seen)
    return sum(1 for w in words if w in seen)


@pytest.mark.parametrize("function", [returns_it, changes_it, keeps_it, changes_an_empty_set])
def test_arguments_that_a_helper_changes_or_keeps(function):
    """A region has copies of the lists and dicts, so what the callee keeps would not change with the caller's."""
    returns = TEXTS if function is changes_it else INT
    assert compare_with_worker(function, BATCHES, returns, ARROW_BATCHED).refused == "SW282"


def _filled(xs):
    for x in xs:
        if x:
            yield x.upper()


def _ints(xs):
    for x in xs:
        yield int(x)


def _framed(xs):
    yield "first"
    yield from _filled(xs)
    yield "last"


def _pairs(xs):
    for a, b in zip(xs, xs[1:], strict=False):
        yield a, b + ""


def _windows(xs):
    window = []
    for x in xs:
        window.append(x)
        if len(window) == 2:
            yield window
            window = []
    if window:
        yield window


def in_loop(words):
    n = 0
    for x in _filled(words):
        if x == "A":
            break
        n += len(x)
    return n


def defined_within(words):
    def flags(xs):
        for x in xs:
            yield x.isdigit()

    return int(all(flags(words)))


def of_pairs(words):
    n = 0
    for a, b in _pairs(words):
        n += a < b
    return n


def ends_early(words):
    """Python adds the numbers before the first that raises; such rows run in Python."""
    n = 0
    try:
        for x in _ints(words):
            n += x
    except ValueError:
        pass
    return n


of_yield_from = pytest.mark.skipif(sys.version_info < (3, 12), reason="SW280 refuses `yield from` of earlier bytecode")


@pytest.mark.parametrize(
    ("function", "returns", "flagged"),
    [
        (lambda words: list(_filled(words)), TEXTS, 2), (lambda words: ",".join(_filled(words)), TEXT, 2),
        (lambda words: sum(len(x) for x in _filled(words)), INT, 2), (lambda words: next(_filled(words), "none"), TEXT, 2),
        (lambda words: int(any(x == "A" for x in _filled(words))), INT, 2),
        pytest.param(lambda words: list(_framed(words)), TEXTS, 2, marks=of_yield_from),
        (lambda words: {w: len(w) for w in _filled(words)}, SIZES, 2), (in_loop, INT, 2), (defined_within, INT, 2),
        (of_pairs, INT, 2), (lambda words: ["".join(x) for x in _windows(words)], TEXTS, 2), (ends_early, INT, 3),
    ],
)  # fmt: skip
def test_helpers_that_are_generators(function, returns, flagged):
    proved = compare_with_worker(function, BATCHES, returns, ARROW_BATCHED, kernel=True)
    assert (proved.refused, proved.flagged) == ("", flagged)


def _forever(x):
    while True:
        yield x
        x += "a"


def _shared(xs):
    last = ["", ""]
    for x in xs:
        last[0], last[1] = last[1], x
        yield last


def endless(words):
    for w in words:
        for x in _forever(w):
            if len(x) > 5:
                return x
    return ""


def changed_meanwhile(words):
    xs, n = [w for w in words], 0  # noqa: C416
    for _ in _filled(xs):
        n += 1
        if n < 5:
            xs.append("z")
    return n


@pytest.mark.parametrize(
    ("function", "code"),
    [(endless, "SW280"), (lambda words: [a + b for a, b in _shared(words)], "SW280"), (changed_meanwhile, "SW282")],
)
def test_generators_that_depend_on_their_consumer(function, code):
    """A region computes all elements before the first is used."""
    returns = {endless: TEXT, changed_meanwhile: INT}.get(function, TEXTS)
    assert compare_with_worker(function, BATCHES, returns, ARROW_BATCHED).refused == code
