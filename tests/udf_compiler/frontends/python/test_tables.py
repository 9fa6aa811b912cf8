"""Compares lookups in nested dicts, by tuples, and in dicts and sets of thousands of keys with PySpark's worker."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, LongType, StringType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

ROWS = [
    pa.record_batch({"m": pa.array(["sea", "air", "rail", None, "sea", ""]), "k": pa.array(["P", "Q", "P", "Q", None, "Q"]),
                     "n": pa.array([0, 6, 7, None, 2**40, -3]), "s": pa.array(["w7 zz", "", None, "w9999 w0", "W7", "é w12"])})
]  # fmt: skip
FEES = {"sea": {"P": {"base": 9}, "Q": {"base": 4, "fuel": 2}}, "air": {"P": {"base": 1}}, "post": {}}
PAIRS = {("sea", "P"): 15, ("air", "Q"): 25, ("sea", None): 3, ("rail", 7): 4}
WORDS = {f"w{n}" for n in range(10_000)}
CODES = {f"w{n}": n * 2 for n in range(3000)}
NAMES = {n * 3: f"n{n}" for n in range(1000)}


def chain(m, k, n, s):
    return FEES.get(m, {}).get(k, {}).get("base", -1)


def nested(m, k, n, s):
    if m in FEES and k in FEES[m]:
        return FEES[m][k]["base"]
    return None


def by_tuple(m, k, n, s):
    return PAIRS.get((m, k), 0) + (PAIRS[m, n] if (m, n) in PAIRS else 1)


def words_in_a_set(m, k, n, s):
    return sum(1 for word in s.split() if word in WORDS) if s else 0


def code_of_a_word(m, k, n, s):
    return CODES.get(s.split(" ")[0], -1) if s else None


def codes(m, k, n, s):
    found = 0
    for word in (s or "").split():
        if word in CODES:
            found += CODES[word]
    return found


@pytest.mark.nightly_cases("codes")
@pytest.mark.parametrize("function", [chain, nested, by_tuple, words_in_a_set, code_of_a_word, codes])
def test_numbers(function):
    compared = compare_with_worker(function, ROWS, LongType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1 and not compared.flagged, compared


def name_of(m, k, n, s):
    return NAMES.get(n)


def name_or_default(m, k, n, s):
    try:
        return NAMES[n]
    except KeyError:
        return "none"


def other_words(m, k, n, s):
    return " ".join(word for word in s.split() if word not in WORDS) if s else s


GROUPS = {letter: str(at) for at, letters in enumerate(["bfpv", "cgjkqsxz", "dt", "l", "mn"], 1) for letter in letters}


def phonetic(m, k, n, s):
    text = str(s).lower()
    made, last = text[:1].upper(), GROUPS.get(text[:1])
    for letter in text[1:]:
        group = GROUPS.get(letter)
        if group and group != last:
            made += group
        if letter not in "hw":
            last = group
    return made[:4].ljust(4, "0")


@pytest.mark.nightly_cases("other_words")
@pytest.mark.parametrize("function", [name_of, name_or_default, other_words, phonetic])
def test_strings(function):
    compared = compare_with_worker(function, ROWS, StringType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1 and not compared.flagged, compared


def test_lists():
    compared = compare_with_worker(
        lambda m, k, n, s: [word for word in s.split() if word in WORDS] if s else None,
        ROWS, ArrayType(StringType()), ARROW_BATCHED, kernel=True,
    )  # fmt: skip
    assert not compared.refused and compared.decided == 1, compared


def counts_by_word(m, k, n, s):
    counts = {}
    for word in (s or "").split():
        counts[word] = counts.get(word, 0) + 1
    return len(counts)


def fills_by_word(m, k, n, s):
    found = {}
    if s in WORDS:
        found["x"] = 1
    return found.get("x", 0) + found.get("y", 2)


@pytest.mark.parametrize("function", [counts_by_word, fills_by_word])
def test_dicts_that_a_function_changes(function):
    compared = compare_with_worker(function, ROWS, LongType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared


class Holder:
    """Holds a value, as a broadcast variable does."""

    def __init__(self, value):
        self._value = value

    @property
    def value(self):
        return self._value


def test_dicts_and_lists_of_a_captured_object():
    aliases, stops = Holder({"w7": "seven", "": "none", "a": "b"}), Holder(["zz", "w9"])

    def renamed(m, k, n, s):
        if not s:
            return []
        table, dropped = aliases.value, stops.value
        made = []
        for word in s.split():
            if word not in dropped:
                made.append(table.get(word.strip().lower()) or word)
        return made

    compared = compare_with_worker(renamed, ROWS, ArrayType(StringType()), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared

    def appends(m, k, n, s):
        for word in (s or "").split():
            stops.value.append(word)
        return []

    assert compare_with_worker(appends, ROWS, ArrayType(StringType()), ARROW_BATCHED).refused == "SW295"


def test_a_key_that_is_not_there_raises():
    compared = compare_with_worker(lambda m, k, n, s: NAMES[n], ROWS, StringType(), ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.flagged, compared.raised) == ("", 1, 1)


MIXED = {**CODES, 1.5: 3}
OF_TWO_KINDS = {**CODES, "other": "text"}


@pytest.mark.parametrize("function", [lambda m, k, n, s: s in MIXED, lambda m, k, n, s: len(str(OF_TWO_KINDS.get(s)))])
def test_other_large_tables_are_refused(function):
    assert compare_with_worker(function, ROWS, LongType(), ARROW_BATCHED).refused == "SW601"
