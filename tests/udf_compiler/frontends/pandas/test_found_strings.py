"""Checks Series.str.findall with join, len and elements of its lists, and Series.str.normalize."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, BooleanType, DoubleType, StringType

from tests.helpers.compiled import compare_with_worker

STRINGS = ["a=1&b=2", "ab ab c", "", "é1 é2", "12 34", "A-b_c", "\n\na", "😀a😀", "aaa"]
TEXTS = [pa.RecordBatch.from_pydict({"s": pa.array(rows, pa.string())}) for rows in (STRINGS, [None, *STRINGS])]
ASCII = [pa.RecordBatch.from_pydict({"s": pa.array(rows, pa.string())}) for rows in (["Abc", "", "x\ty"], [None, "fi"])]

TESTED = [
    (lambda s: s.str.findall(r"[a-z]+").str.join("-"), StringType()),
    (lambda s: s.str.findall(r"\w+").str.len(), DoubleType()),
    (lambda s: s.str.findall(r"(\w)=\w").str[0], StringType()),
    (lambda s: s.str.findall(r"[a-z]").str.get(-1), StringType()),
    (lambda s: s.str.findall("A", flags=re.IGNORECASE).str.join(","), StringType()),
    (lambda s: s.str.findall(re.compile(r"^\w", re.MULTILINE)).str.join(""), StringType()),
    (lambda s: s.str.findall(r"(a)|b").str.join("|"), StringType()),
    (lambda s: s.str.findall("a").str.len() > 1, BooleanType()),
    (lambda s: s.str.findall(r"\d+"), ArrayType(StringType())),
]


@pytest.mark.parametrize(("function", "returns"), TESTED)
def test_matches(function, returns):
    compared = compare_with_worker(function, TEXTS, returns, kernel=True)
    assert (compared.decided, compared.flagged) == (2, 0)


def test_normalized_strings():
    """Every form leaves ASCII unchanged. A batch with another string runs in Python."""
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        compared = compare_with_worker(lambda s, form=form: s.str.normalize(form).str.upper(), ASCII, StringType(), kernel=True)
        assert (compared.decided, compared.flagged) == (2, 0)
    compared = compare_with_worker(lambda s: s.str.normalize("NFKD"), TEXTS, StringType(), kernel=True)
    assert (compared.flagged, compared.raised) == (2, 0)


REFUSED = [
    (lambda s: s.str.findall(r"(a)(b)").str[0], "SW262"), (lambda s: s.str.findall("x*").str.len(), "SW272"),
    (lambda s: s.str.normalize("NFX"), "SW252"), (lambda s: s.str.findall("[").str.len(), "SW252"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "code"), REFUSED)
def test_what_is_refused(function, code):
    assert compare_with_worker(function, TEXTS, StringType()).refused == code
