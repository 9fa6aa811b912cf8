"""Compares ``ord`` and ``chr`` of characters of a row's string, and their orders, with PySpark's worker."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, BooleanType, LongType, StringType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

TEXTS = [pa.record_batch({"s": pa.array(["ab c\td", "", None, "x y\x01q", "Über ß", "日本 \U0001f600z", "a\x00b"])})]
NUMBERS = [pa.record_batch({"n": pa.array([65, 0, 223, 0x20AC, 0x1F600, 0xD7FF, 0xE000, None])})]


def printable(s):
    if s is None:
        return None
    flat = " ".join(s.split())
    return "".join(c for c in flat if ord(c) >= 32 or c in "\t\n")


def shifted(s):
    return "".join(chr((ord(c) - 97 + 3) % 26 + 97) if "a" <= c <= "z" else c for c in s) if s else s


def following(s):
    return "".join([chr(ord(c) + 1) for c in s]) if s else s


def ascii_only(s):
    return "".join(c if ord(c) < 128 else "?" for c in s or "")


@pytest.mark.parametrize("function", [printable, shifted, following, ascii_only])
def test_strings(function):
    compared = compare_with_worker(function, TEXTS, StringType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1 and not compared.flagged, compared


def checksum(s):
    made = 7
    for c in s or "":
        made = (made * 31 + ord(c)) & 0xFFFFFFFF
    return made


def first(s):
    return ord(s[0]) if s else -1


@pytest.mark.parametrize("function", [checksum, first])
def test_numbers(function):
    compared = compare_with_worker(function, TEXTS, LongType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1 and not compared.flagged, compared


def test_characters_of_code_points():
    compared = compare_with_worker(lambda n: n if n is None else chr(n) + "!", NUMBERS, StringType(), ARROW_BATCHED, kernel=True)
    assert (compared.decided, compared.flagged) == (1, 0)


@pytest.mark.parametrize("n", [-1, 0x110000, 0xD800, 0xDFFF, 2**62])
def test_rows_without_a_character(n):
    batch = pa.record_batch({"n": pa.array([n])})
    assert compare_with_worker(lambda n: chr(n), [batch], StringType(), ARROW_BATCHED, kernel=True).flagged == 1


def test_strings_that_are_no_character():
    assert compare_with_worker(lambda s: ord(s), TEXTS, LongType(), ARROW_BATCHED, kernel=True).flagged == 1

    def caught(s):
        try:
            return ord(s)
        except TypeError:
            return -1

    assert compare_with_worker(caught, TEXTS, LongType(), ARROW_BATCHED, kernel=True).decided == 1


PAIRS = {"a": "T", "b": "G", "日": "本"}


def reversed_pairs(s):
    return "".join(PAIRS.get(c, c) for c in reversed(s)) if s is not None else None


def trailing(s):
    count = 0
    for c in reversed(s or ""):
        if c != "b":
            break
        count += 1
    return str(count)


def both_ways(s):
    if s is None:
        return None
    characters = list(s)
    return "".join(reversed(characters)) + "|".join(reversed(s)) + "|" + "-".join(s)


def extremes(s):
    return max(s) + min(reversed(s)) + "".join(sorted(s)) if s else None


@pytest.mark.parametrize("function", [reversed_pairs, trailing, both_ways, extremes, lambda s: "".join(reversed(s or ""))])
def test_orders(function):
    batch = pa.record_batch({"s": pa.array(["", "a", "abb", "bbb", None, "日本\U0001f600b", "\0a", "ab" * 300])})
    compared = compare_with_worker(function, [*TEXTS, batch], StringType(), ARROW_BATCHED, kernel=True)
    assert (compared.decided, compared.flagged) == (2, 0), compared


def palindrome(s):
    return s is not None and all(a == b for a, b in zip(s, reversed(s), strict=False)) and s == "".join(reversed(s))


def numbered(s):
    return [f"{n}{c}" for n, c in enumerate(reversed(s))] if s else None


def backwards(s):
    return list(reversed(s)) + sorted(s, reverse=True) if s else []


@pytest.mark.parametrize(
    ("function", "type"),
    [(palindrome, BooleanType()), (numbered, ArrayType(StringType())), (backwards, ArrayType(StringType()))],
)
def test_results_of_orders(function, type):
    compared = compare_with_worker(function, TEXTS, type, ARROW_BATCHED, kernel=True)
    assert (compared.decided, compared.flagged) == (1, 0), compared


def test_orders_of_none():
    """Python raises for each of these, in the worker."""
    for function in (lambda s: "".join(reversed(s)), lambda s: max(s)):
        compared = compare_with_worker(function, TEXTS, StringType(), ARROW_BATCHED, kernel=True)
        assert (compared.decided, compared.flagged, compared.raised) == (0, 1, 1), compared
