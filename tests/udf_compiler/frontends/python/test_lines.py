"""Compares functions that split strings into lines with PySpark's worker."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, LongType, StringType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

TEXTS = [
    "a\nb", "", "\n", "a\r\nb\rc\n", "x", "\r\n", "a\n\n", "\x0ba\x0cb\x1cc\x1dd\x1ee\x85f\u2028g\u2029h\x1fi", "é\n日\n", "\n\r",
    "# c\n y \n\n", " \n ", "\r\r\n\n",
]  # fmt: skip
LIST, COUNT, TEXT = ArrayType(StringType()), LongType(), StringType()


def lines(s):
    return s.splitlines()


def without_comments(s):
    out = []
    for line in s.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        out.append(line)
    return out


def longest(s):
    return max(len(line) for line in s.splitlines()) if s.splitlines() else 0


def rest(s):
    return "\n".join(s.splitlines()[1:])


def first(s):
    return s.splitlines()[0]


def with_breaks(s):
    return s.splitlines(True)


@pytest.mark.parametrize(("function", "returns"), [(lines, LIST), (without_comments, LIST), (longest, COUNT), (rest, TEXT)])
def test_lines(function, returns):
    made = compare(function, returns, TEXTS)
    assert made.decided == 1 and not made.flagged and not made.refused


def test_a_string_without_lines():
    assert compare(first, TEXT, ["a\nb", "\n"]).decided == 1
    assert compare(first, TEXT, TEXTS).raised == 1
    assert compare(first, TEXT, ["a", None]).raised == 1


def test_line_breaks_are_refused():
    assert compare(with_breaks, LIST, TEXTS).refused == "SW262"


def compare(function, returns, texts):
    """Returns the counts of one batch, which a kernel and PySpark's worker compute."""
    return compare_with_worker(function, [pa.record_batch({"s": pa.array(texts)})], returns, ARROW_BATCHED, kernel=True)
