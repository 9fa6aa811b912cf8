"""Compares loops over the bytes of a binary column, and counts of them, with PySpark's worker."""

from __future__ import annotations

import hashlib
import math
from collections import Counter

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, DoubleType, LongType, StringType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

VALUES = [b"", b"abca", None, "é日\U0001f600".encode(), b"\0\x7f", b"ab" * 300]
BATCHES = [
    pa.record_batch({"data": pa.array(VALUES, pa.binary())}),
    pa.record_batch({"data": pa.array([*VALUES, b"\xff\x00\xfe"], pa.binary())}),
]


def entropy(data):
    if not data:
        return 0.0
    counts = Counter(data)
    return -sum((n / len(data)) * math.log2(n / len(data)) for n in counts.values())


def checksum(data):
    made = 7
    for n, byte in enumerate(data or b"xy"):
        made = (made * 31 + byte * n) & 0xFFFFFFFF
    return made


def extremes(data):
    return max(data) * 1000 + min(data) + sum(data) + len(set(data)) if data else None


def digits(data):
    return " ".join(f"{byte:02x}" for byte in reversed(list(data))) if data is not None else None


def numbers(data):
    return list(data) + sorted(data) if data else []


def of_digest(data):
    return sum(hashlib.md5(data, usedforsecurity=False).digest()) if data is not None else None


CASES = [
    (entropy, DoubleType()), (checksum, LongType()), (extremes, LongType()), (digits, StringType()),
    (numbers, ArrayType(LongType())), (of_digest, LongType()),
]  # fmt: skip


@pytest.mark.parametrize(("function", "type"), CASES)
def test_bytes(function, type):
    """Bytes that are no UTF-8 run in Python."""
    compared = compare_with_worker(function, BATCHES, type, ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 2, 1), compared
