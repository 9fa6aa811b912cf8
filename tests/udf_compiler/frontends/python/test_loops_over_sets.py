"""Compares loops over a set of the row with PySpark's worker: their order is Python's, so no result may depend on it."""

# ruff: noqa: C416 - loops as people write them

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, DoubleType, LongType, StringType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker


def _rank(w):
    n = 0
    for c in w:
        n += c > "a"
    return n


def _put(out, w):
    out.append(w)
    return 1


ELEMENTS = pa.record_batch({
    "ws": pa.array([[], ["b", "a", "b"], ["", "é", "zz"], ["1", "22", "1"], ["a\x00b", "A"]], pa.list_(pa.string())),
    "ns": pa.array([[3, 3, -5], [], [2**62, 7], [0, -1, 1], [4]], pa.list_(pa.int64())),
})  # fmt: skip


@pytest.mark.parametrize(
    ("function", "returns"),
    [
        (lambda ws, ns: sum(1 for w in set(ws) if w > "a") + sum(n % 7 for n in set(ns)), LongType()),
        (lambda ws, ns: sorted(w.upper() for w in set(ws) if w), ArrayType(StringType())),
        (lambda ws, ns: sorted([n // 2 for n in set(ns)]), ArrayType(LongType())),
        (lambda ws, ns: len([w for w in set(ws) if len(w) > 1]) * 10 + len({w.upper() for w in set(ws)}), LongType()),
        (lambda ws, ns: max((len(w) for w in set(ws)), default=-1) + sum(_rank(w) for w in set(ws)), LongType()),
        (lambda ws, ns: min([w + "!" for w in set(ws)], default=None), StringType()),
        (lambda ws, ns: int(any(w.isdigit() for w in set(ws)) or all(n > 0 for n in set(ns))), LongType()),
    ],
)  # fmt: skip
def test_loops_over_a_set_whose_order_does_not_matter(function, returns):
    proved = compare_with_worker(function, [ELEMENTS], returns, ARROW_BATCHED)
    assert (proved.refused, proved.decided, proved.flagged) == ("", 1, 0)


def kept_order(ws, ns):
    out = []
    count = sum(_put(out, w) for w in set(ws))
    return out if count else out


def last_element(ws, ns):
    last = ""
    count = len([(last := w) for w in set(ws)])
    return [last] * min(count, 1)


@pytest.mark.parametrize(
    ("function", "returns"),
    [
        (kept_order, ArrayType(StringType())), (last_element, ArrayType(StringType())),
        (lambda ws, ns: [w for w in set(ws)], ArrayType(StringType())),
        (lambda ws, ns: ",".join(w for w in set(ws)), StringType()),
        (lambda ws, ns: sum(n / 3 for n in set(ns)), DoubleType()), (lambda ws, ns: max(n * 0.0 for n in set(ns)), DoubleType()),
        (lambda ws, ns: sorted((w for w in set(ws)), key=len), ArrayType(StringType())),
    ],
)  # fmt: skip
def test_loops_over_a_set_whose_order_matters(function, returns):
    assert compare_with_worker(function, [ELEMENTS], returns, ARROW_BATCHED).refused in ("SW282", "SW280")
