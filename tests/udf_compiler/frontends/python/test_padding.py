"""Compares methods that pad strings to a width of the row with PySpark's worker."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql.types import StringType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

TEXTS = ["a", "abc", "-5", "é", "", "+", "-", "+12", "--3", "x" * 30, "日本", "0"]
ROWS = [(text, width) for text in TEXTS for width in (-3, 0, 1, 2, 3, 4, 5, 6, 11, 31, 256)]


def zeros(s, n):
    return s.zfill(n)


def right(s, n):
    return s.rjust(n, "*")


def left(s, n):
    return s.ljust(n)


def middle(s, n):
    return s.center(n, "é") + "|" + s.center(n + 1)


def several(s, n):
    return "".join(w.rjust(n) for w in s.split("b"))


def two_characters(s, n):
    return s.rjust(n, "ab")


@pytest.mark.parametrize("function", [zeros, right, left, middle, several])
def test_widths_of_the_row(function):
    made = compare(function, *zip(*ROWS, strict=True))
    assert made.decided == 1 and not made.flagged and not made.refused


def test_other_widths():
    """Wide strings run in Python, as does what raises."""
    assert compare(zeros, ["a", "b"], [258, 3]).flagged == 1
    assert compare(zeros, ["a", "b"], [-(2**63), 3]).flagged == 1
    assert compare(right, ["a", None, "b"], [3, 3, 2]).raised == 1
    assert compare(right, ["a", "b"], [None, 3]).raised == 1
    assert compare(middle, ["a", "-b"], [True, False]).decided == 1
    assert compare(zeros, ["a", "-b"], [1.0, 2.0]).refused == "SW261"
    assert compare(two_characters, ["a", "-b"], [1, 2]).refused == "SW261"


def compare(function, texts, widths):
    """Returns the counts of one batch, which a kernel and PySpark's worker compute."""
    batch = pa.record_batch({"s": pa.array(texts, pa.string()), "n": pa.array(widths)})
    return compare_with_worker(function, [batch], StringType(), ARROW_BATCHED, kernel=True)
