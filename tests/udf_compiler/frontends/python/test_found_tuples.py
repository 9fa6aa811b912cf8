"""Compares functions that find all matches of a pattern with several groups with PySpark's worker."""

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
MEMBER = re.compile(r"(\w+)=(\w*)")


def in_a_loop(s):
    out = []
    for k, v in re.findall(r"(\w+)=(\d*)", s):
        out.append(k + v)
    return out


def as_dict(s):
    return dict(MEMBER.findall(s))


def of_dict(s):
    return dict(MEMBER.findall(s)).get("a", "none")


def dict_of_a_loop(s):
    return {k: v for k, v in MEMBER.findall(s) if v}


def returned(s):
    return re.findall(r"(\w+)=(\w*)", s)


def dicts(s):
    return [{"b": v, "a": k} for k, v in MEMBER.findall(s)]


def total(s):
    return sum(int(v) for _, v in re.findall(r"(\w+)=(\d+)", s))


def optional_group(s):
    for a, b, c in re.findall(r"(\d+)([a-z])(-)?", s):
        if c:
            return a + b
    return None


def by_index(s):
    found = MEMBER.findall(s)
    return found[-1][0] if found else None


def counted(s):
    return len(MEMBER.findall(s))


def changed(s):
    found = dict(MEMBER.findall(s))
    found["x"] = "y"
    return found.get("a")


@pytest.mark.parametrize(
    ("function", "returns"),
    [
        (in_a_loop, LIST), (as_dict, MAP), (of_dict, TEXT), (dict_of_a_loop, MAP), (returned, PAIRS), (dicts, PAIRS),
        (total, COUNT), (optional_group, TEXT), (by_index, TEXT), (counted, COUNT),
    ],
)  # fmt: skip
def test_tuples(function, returns):
    made = compare(function, returns)
    assert made.decided == 1 and not made.flagged and not made.refused


def test_a_dict_that_changes_is_refused():
    assert compare(changed, TEXT).refused


def compare(function, returns):
    """Returns the counts of one batch, which a kernel and PySpark's worker compute."""
    return compare_with_worker(function, [pa.record_batch({"s": TEXTS})], returns, ARROW_BATCHED, kernel=True)
