"""Compares comprehensions over columns that call helpers with f-strings, or choose between f-strings, with PySpark's worker."""

from __future__ import annotations

import re

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import StringType

from tests.helpers.compiled import compare_with_worker

ROWS = [
    pa.record_batch({
        "s": pa.array(["parcel is", "kind  support", "", None, "Refund\nof a parcel late"]),
        "t": pa.array(["late", None, "refund", "again, urgent", ""]),
        "n": pa.array([1, 5, -7, 9, 2**40]),
        "y": pa.array([4.5, 2.25, -0.001, float("nan"), 1e10]),
    })
]  # fmt: skip


def key(n, y, digits=1):
    return f"{n}:{round(y, digits)}"


def state(s, t):
    words = f"{s or ''} {t or ''}"
    for pattern in (r"parcel.*late", r"kind\s+support"):
        if re.search(pattern, words, re.IGNORECASE | re.DOTALL):
            return "accepted"
    return "published" if "refund" in words.lower() else "none"


def outer(n, y):
    found = key(n, y, digits=2)
    return found[1:] if n > 2 else found


def helper_of_two_columns(s, t, n, y):
    return pd.Series([state(a, b) for a, b in zip(s, t, strict=True)])


def conditional_call(s, t, n, y):
    return pd.Series([key(i, x) if pd.notnull(x) and i > 0 else None for i, x in zip(n, y, strict=True)])


def helper_of_a_helper(s, t, n, y):
    return pd.Series([outer(i, x) for i, x in zip(n, y, strict=True)])


def conditional_string(s, t, n, y):
    return pd.Series([f"{i}-{x:.2f}" if i > 4 else None for i, x in zip(n, y, strict=True)])


def string_in_the_middle(s, t, n, y):
    return pd.Series([None if i > 5 else f"{i}" if i < 3 else str(i) + "!" for i in n])


FUNCTIONS = [helper_of_two_columns, conditional_call, helper_of_a_helper, conditional_string, string_in_the_middle]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_strings(function):
    compared = compare_with_worker(function, ROWS, StringType(), kernel=True)
    assert not compared.refused and compared.decided == 1, compared


def test_helpers_of_closures():
    width = 3
    unit = "kg"

    def with_unit(n):
        return f"{n:>{width}}{unit}".strip()

    def weights(s, t, n, y):
        return pd.Series([with_unit(i) for i in n])

    before = with_unit
    compared = compare_with_worker(weights, ROWS, StringType(), kernel=True)
    assert not compared.refused and compared.decided == 1, compared
    assert with_unit is before


SEEN: dict[str, int] = {}


def counted(n):
    SEEN["n"] = SEEN.get("n", 0) + 1
    return f"{n}".upper()


def keeps_state(s, t, n, y):
    return pd.Series([counted(i) for i in n])


def reads_the_string(s, t, n, y):
    return pd.Series([f"{i}".zfill(9) if i > 4 else None for i in n])


def unknown_format(n):
    return f"{n:>5.3g}".strip()


def helper_with_an_unknown_format(s, t, n, y):
    return pd.Series([unknown_format(x) for x in y])


@pytest.mark.parametrize(
    ("function", "code"), [(keeps_state, "SW217"), (reads_the_string, "SW602"), (helper_with_an_unknown_format, "SW602")]
)
def test_what_is_refused(function, code):
    compared = compare_with_worker(function, ROWS, StringType(), kernel=True)
    assert compared.refused == code, compared
