"""Checks urllib.parse.parse_qsl of strings of the row: loops over its pairs, dicts and lists of them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlparse

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, LongType, StringType, StructType

from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import ARROW_BATCHED

QUERIES = [
    *("a=1&b=2", "a=1&a=2", "", "x=%20y&z", "a=&b=1", "a=1=2", "&&a=1&", "a+b=c%2Bd", "%C3%A9=%E2%82%AC", "=x", "é=ü"),
    *("a=1;b=2", "no query", "utm_source=q&id=%31"),
]
URLS = [pa.RecordBatch.from_pydict({"s": pa.array(rows, pa.string())}) for rows in (QUERIES, [None, "a=1"])]
LEFT = [pa.RecordBatch.from_pydict({"s": pa.array(["a=%ff", "a=%C3", "b=1"], pa.string())})]
PAIRS = ArrayType(StructType().add("name", StringType()).add("value", StringType()))


def first(s):
    for name, value in parse_qsl(urlparse("http://x.y/?" + (s or "")).query):
        if name == "a":
            return value
    return None


def cleaned(s):
    return "&".join(f"{name}={value}" for name, value in sorted(parse_qsl(s)) if not name.startswith("utm"))


TESTED = [
    (first, StringType()), (cleaned, StringType()), (lambda s: dict(parse_qsl(s)).get("a", "none"), StringType()),
    (lambda s: len(parse_qsl(s)), LongType()), (lambda s: parse_qsl(s), PAIRS),
    (lambda s: [value for _, value in parse_qsl(s)], ArrayType(StringType())),
]  # fmt: skip


@pytest.mark.parametrize(("function", "returns"), TESTED)
def test_pairs_of_a_query(function, returns):
    compared = compare_with_worker(function, URLS, returns, ARROW_BATCHED, kernel=True)
    assert (compared.decided, compared.flagged) == (2, 0)


def test_escapes_that_are_no_utf8_run_in_python():
    compared = compare_with_worker(lambda s: len(parse_qsl(s)), LEFT, LongType(), ARROW_BATCHED, kernel=True)
    assert (compared.decided, compared.flagged, compared.raised) == (1, 1, 0)


def test_blank_values_are_refused():
    def blank(s):
        return len(parse_qsl(s, keep_blank_values=True))

    assert compare_with_worker(blank, URLS, LongType(), ARROW_BATCHED).refused == "SW262"
