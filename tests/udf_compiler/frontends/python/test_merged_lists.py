"""Checks lists and dicts that many branches fill, elements that may be None, and divisors."""

from __future__ import annotations

import itertools
import json
import math

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, LongType, MapType, StringType

from sparkweld.contract.constants import ARROW_BATCHED
from sparkweld.errors import Refusal
from tests.helpers.compiled import compare_with_worker
from tests.helpers.scalars import check, function_of

NUMBERS = pa.array([*range(0, 3000, 7), None, -1, -12], pa.int64())
WORDS = pa.array([f"x{n}" if n % 3 else None for n in range(len(NUMBERS) - 1)] + ["é"])
BATCH = pa.record_batch({"a": NUMBERS, "s": WORDS})

FILLED = [
    ("out.append('t{i}')", "[]", "out", ArrayType(StringType())),
    ("out.append('t{i}')", "[]", "';'.join(out) if out else None", StringType()),
    ("out.append(a * {i})", "[]", "sum(out) + len(out)", LongType()),
    ("out['k{i}'] = str(a)", "{}", "out", MapType(StringType(), StringType())),
    ("out['k{i}'] = a + {i}", "{'a': 1}", "json.dumps(out)", StringType()),
    ("out += ['u{i}', 'v']", "[]", "out", ArrayType(StringType())),
]


@pytest.mark.nightly_cases("out.append(a * {i})-[]-sum(out) + len(out)-returns2")
@pytest.mark.parametrize(("change", "begin", "result", "returns"), FILLED)
def test_many_rules(change, begin, result, returns):
    """Twelve rules make 4,096 lists of known length, which become one list of the row where the branches meet."""
    rules = "".join(f"    if a is not None and a % {i + 2} == 0:\n        {change.replace('{i}', str(i))}\n" for i in range(12))
    function = function_of(f"def f(a, s):\n    out = {begin}\n{rules}    return {result}\n", json=json)
    compared = compare_with_worker(function, [BATCH], returns, ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared


def test_rules_beside_a_value_of_the_row():
    rules = "".join(f"    if len(s or '') % {i + 2} == {i}:\n        out.append(s or 'no')\n" for i in range(12))
    function = function_of(f"def f(a, s):\n    out = ['first']\n{rules}    return out\n")
    compared = compare_with_worker(function, [BATCH], ArrayType(StringType()), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared


def test_rules_of_elements_of_two_classes():
    rules = "".join(f"    if a % {i + 2} == 0:\n        out.append({i if i % 2 else repr(str(i))})\n" for i in range(12))
    with pytest.raises(Refusal) as refused:
        check(f"def f(a):\n    out = []\n{rules}    return len(out)\n", ("i64",))
    assert refused.value.code == "SW281"


def appended(first, rest):
    made = list(itertools.chain(rest, [first]))
    made.append(first)
    return made


def test_elements_that_are_none():
    """Rows that add None to a list of strings run in Python."""
    batch = pa.record_batch({"a": pa.array(["q", "é", None]), "b": pa.array([["x"], [], ["y"]])})
    compared = compare_with_worker(appended, [batch], ArrayType(StringType()), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.flagged == 1 and not compared.raised, compared


@pytest.mark.parametrize(
    "source",
    ["math.gcd(a, b)", "math.lcm(a, b)", "a // (math.gcd(a, b) or 1)", "math.gcd(a, 12) + math.lcm(4, b % 7)",
     "math.gcd(12, 18) * a", "math.gcd(a, b, 4) + math.gcd(b)", "math.lcm(a % 9, b % 5, 4)",
     "f'{a // math.gcd(a, b)}:{b // math.gcd(a, b)}' if b else None"],
)  # fmt: skip
def test_divisors(source):
    """The smallest int64 has no absolute value that kernels hold."""
    check(f"lambda a, b: {source}", ("i64", "i64"), needless=50, math=math)
    check(f"lambda a, b: {source}", ("i32", "i8"), math=math)


def test_divisors_of_none():
    source = "def f(a, b):\n    try:\n        return math.gcd(a, b)\n    except TypeError:\n        return -1"
    check(source, ("i32?", "i8?"), math=math)


def test_divisors_of_floats():
    with pytest.raises(Refusal) as refused:
        check("lambda a, b: math.gcd(a, b / 2)", ("i32", "i8"), math=math)
    assert refused.value.code == "SW261"
