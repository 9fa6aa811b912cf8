"""Compares searches of the module bisect in constant lists with PySpark's worker."""

from __future__ import annotations

import bisect
from bisect import bisect_left

import pyarrow as pa
import pytest
from pyspark.sql.types import LongType, StringType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

MARKS = [60, 70, 80, 90]
SHARES = (0.1, 0.5, 0.5, 2.0)
NAMES = ["alma", "ben", "ben", "zoe"]
ROWS = [
    pa.record_batch({
        "x": pa.array([59.5, 60.0, 95.0, 89.999, -1e300, float("nan"), float("inf"), 80.0]),
        "n": pa.array([0, 60, 100, 90, 2**62, -5, 1, 79]), "s": pa.array(["", "ben", "zz", "alma", "bem", "é", "zoe", "A"]),
    })
]  # fmt: skip


def grade(x, n, s):
    return "FDCBA"[bisect.bisect(MARKS, x)] + ("low", "mid", "high")[bisect_left([10, 50], n)]


def test_names_of_ranges():
    compared = compare_with_worker(grade, ROWS, StringType(), ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0)


def positions(x, n, s):
    return bisect.bisect_left(SHARES, x) * 100 + bisect.bisect_right(SHARES, n) * 10 + bisect.bisect(NAMES, s)


def positions_of_strings(x, n, s):
    return bisect_left(NAMES, s) + bisect.bisect_left([], n) + bisect.bisect(MARKS, n)


@pytest.mark.parametrize("function", [positions, positions_of_strings])
def test_positions(function):
    compared = compare_with_worker(function, ROWS, LongType(), ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0)


REFUSED = [
    lambda x, n, s: bisect.bisect([3, 1, 2], n),
    lambda x, n, s: bisect.bisect([1.0, float("nan")], x),
    lambda x, n, s: bisect.bisect(MARKS, s),
    lambda x, n, s: bisect.bisect(MARKS, x, 1),
    lambda x, n, s: bisect.bisect(MARKS, x, key=lambda mark: mark + 1),
]


@pytest.mark.parametrize("function", REFUSED)
def test_other_searches_are_refused(function):
    assert compare_with_worker(function, ROWS, LongType(), ARROW_BATCHED).refused == "SW262"


def test_insertions_are_refused():
    assert compare_with_worker(lambda x, n, s: bisect.insort([1, 2], n), ROWS, LongType(), ARROW_BATCHED).refused == "SW263"
