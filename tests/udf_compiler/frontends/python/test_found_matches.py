"""Compares functions that go over the matches of `re.finditer` with PySpark's worker."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, LongType, MapType, StringType, StructType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

TEXTS = ["a=1 b=2", "", "a= c=x a=9", "é=7,zz=é", "12a- 3b", "==", "a=b=c", "x", "日=本 \n n=1"]
TEXT, COUNT, LIST, MAP = StringType(), LongType(), ArrayType(StringType()), MapType(StringType(), StringType())
PAIRS = ArrayType(StructType().add("a", StringType()).add("b", StringType()))
MEMBER = re.compile(r"(?P<k>\w+)=(?P<v>\d+)")


def by_number(s):
    out = []
    for m in re.finditer(r"(\w+)=(\d*)", s):
        out.append(m.group(1) + "/" + m.group(2) + m[0])
    return out


def whole(s):
    return [m.group() for m in re.finditer(r"\d+", s)]


def total(s):
    return sum(int(m.group("v")) for m in MEMBER.finditer(s))


def counted(s):
    return sum(1 for _ in re.finditer(r"\d", s))


def numbered(s):
    for i, m in enumerate(MEMBER.finditer(s)):
        if m["v"] == "2":
            return i
    return -1


def as_dict(s):
    made = {}
    for m in MEMBER.finditer(s):
        made[m.group("k")] = m.group("v")
    return made


def of_groups(s):
    out = []
    for m in MEMBER.finditer(s):
        k, v = m.groups("none")
        out.append((k, v))
    return out


def several(s):
    out = []
    for m in MEMBER.finditer(s):
        out.append(m.group(2, 1))
    return out


def last(s):
    found = None
    for m in MEMBER.finditer(s):
        if m:
            found = m
    return found.group("k") if found else None


def no_such_group(s):
    for m in MEMBER.finditer(s):
        return m.group(7)
    return "none"


def caught(s):
    for m in MEMBER.finditer(s):
        try:
            return m.group("x")
        except IndexError:
            return m.group(1)
    return "none"


def twice(s):
    found, n = re.finditer(r"\d+", s), 0
    for _ in found:
        n += 1
    for _ in found:
        n += 1
    return n


def optional_group(s):
    return [m.group(2) for m in re.finditer(r"(\w)(\d)?", s)]


def by_bool(s):
    return [m.group(True) for m in MEMBER.finditer(s)]


def started(s):
    return [m.start() for m in MEMBER.finditer(s)]


@pytest.mark.parametrize(
    ("function", "returns"),
    [
        (by_number, LIST), (whole, LIST), (total, COUNT), (counted, COUNT), (numbered, COUNT), (as_dict, MAP), (of_groups, PAIRS),
        (several, PAIRS), (last, TEXT), (caught, TEXT),
    ],
)  # fmt: skip
def test_matches(function, returns):
    made = compare(function, returns)
    assert made.decided == 1 and not made.flagged and not made.refused


def test_a_group_that_does_not_exist():
    assert compare(no_such_group, TEXT).raised == 1


@pytest.mark.parametrize(
    ("function", "returns", "code"),
    [
        (twice, COUNT, "SW282"), (optional_group, LIST, "SW262"), (by_bool, LIST, "SW262"),
        (started, ArrayType(LongType()), "SW251"),
    ],
)  # fmt: skip
def test_what_is_refused(function, returns, code):
    assert compare(function, returns).refused == code


def compare(function, returns):
    """Returns the counts of one batch, which a kernel and PySpark's worker compute."""
    return compare_with_worker(function, [pa.record_batch({"s": TEXTS})], returns, ARROW_BATCHED, kernel=True)
