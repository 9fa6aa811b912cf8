"""Compares strings that a loop builds of constants and values of the row with those of the real function."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql.types import IntegerType, StringType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

CODONS = {"ATG": "M", "ACA": "T", "ATA": "I", "TAA": "_", "GGG": "G", "CCC": "P"}
ROWS = ["ATGACAACATAAATG", "ATGAC", "", "TAA", "GGGATAé", "a1b22-3", "((a)(b", None]


def masked(s):
    made = ""
    for c in s or "":
        made += "*" if c.isdigit() else c
    return made


def marks(s):
    made = ""
    for c in s or "":
        if c.isdigit():
            made += "9"
        elif c.isalpha():
            made += "A"
        else:
            made += "-"
    return made


def stars(s):
    made = ""
    for c in s or "":
        if c == "A":
            made = "*" + made
    return made


def protein(s):
    made = ""
    for i in range(0, len(s or "") - len(s or "") % 3, 3):
        residue = CODONS.get(s[i : i + 3], "X")
        if residue == "_":
            break
        made += residue
    return made


STATES = {"A": "one", "T": "two", "G": "three", "C": "four", "1": "five", "2": "six", "(": "seven", ")": "eight"}


def last_of_many(s):
    """Has more states than remain constants, and reads them."""
    state, n = "start", 0
    for c in s or "":
        state = STATES.get(c, "other")
        n += state in ("two", "seven")
    return state + str(n)


def depth(s):
    stack, worst = "", 0
    for c in s or "":
        if c == "(":
            stack += c
        elif c == ")" and stack:
            stack = stack[:-1]
        worst = max(worst, len(stack))
    return worst


def two_at_once(s):
    digits, letters = "", ""
    for c in s or "":
        if c.isdigit():
            digits += "d"
        else:
            letters += "l"
    return digits + "/" + letters


@pytest.mark.parametrize(("function", "returns"), [
    (masked, StringType()), (marks, StringType()), (stars, StringType()), (protein, StringType()), (last_of_many, StringType()),
    (depth, IntegerType()), (two_at_once, StringType()),
])  # fmt: skip
def test_strings_that_a_loop_builds(function, returns):
    batches = [pa.record_batch({"s": pa.array([row], pa.string())}) for row in ROWS]
    compared = compare_with_worker(function, batches, returns, ARROW_BATCHED, kernel=True)
    assert (compared.decided, compared.refused) == (len(ROWS), ""), compared


def of_an_enclosing_function():
    complement = {"A": "T", "C": "G", "G": "C", "T": "A"}

    def reverse_complement(s):
        return None if s is None else "".join(complement.get(c, "N") for c in reversed(s))

    return reverse_complement


def test_a_generator_reads_a_dict_of_an_enclosing_function():
    batches = [pa.record_batch({"s": pa.array([row], pa.string())}) for row in ROWS]
    compared = compare_with_worker(of_an_enclosing_function(), batches, StringType(), ARROW_BATCHED, kernel=True)
    assert (compared.decided, compared.refused) == (len(ROWS), ""), compared
