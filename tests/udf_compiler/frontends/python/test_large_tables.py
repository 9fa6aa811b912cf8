"""Checks lookups in captured dicts and sets of more than 256 keys, in comprehensions over Series and in plain functions."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import BooleanType, LongType, StringType

from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import ARROW_BATCHED

BY_TEXT = {**{f"k{n}": n for n in range(400)}, "": -1, "é": -2}
BY_NUMBER = {**{3 * n: f"v{n}" for n in range(400)}, -(2**63): "least", 2**63 - 1: "most", 2**53 + 1: "odd", -1: "one"}
BEYOND = {**BY_NUMBER, 2**63: "beyond"}
PAIRS = {f"k{n}": (n, f"v{n}") for n in range(300)}
TEXTS_OF_SET = set(BY_TEXT)
NUMBERS_OF_SET = frozenset(range(0, 2000, 5))
MIXED = {**BY_TEXT, None: 7}
STRINGS = ["k0", "k399", "k400", "", "é", "e\u0301", "K1", " k1", "😀"]
TEXTS = [pa.RecordBatch.from_pydict({"s": pa.array(rows, pa.string())}) for rows in (STRINGS, [*STRINGS, None])]
EDGES = [0, 3, 5, 1197, 1200, -1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
NUMBERS = [pa.RecordBatch.from_pydict({"n": pa.array(rows, pa.int64())}) for rows in (EDGES, [*EDGES, None])]
FLOATS = [0.0, -0.0, 3.0, 3.5, 5.0, float("nan"), float("inf"), -float("inf"), 2.0**63, -(2.0**63), 2.0**53, 1e300]
DOUBLES = [pa.RecordBatch.from_pydict({"x": pa.array(rows, pa.float64())}) for rows in (FLOATS, [*FLOATS, None])]


def got(s: pd.Series) -> pd.Series:
    return pd.Series([BY_TEXT.get(x, -9) for x in s])


def read(s: pd.Series) -> pd.Series:
    return pd.Series([BY_TEXT[x] if x in BY_TEXT else -9 for x in s])


def appended(s: pd.Series) -> pd.Series:
    made = []
    for x in s:
        made.append(BY_TEXT.get(x, len(BY_TEXT)))
    return pd.Series(made)


def known(s: pd.Series) -> pd.Series:
    return pd.Series([x in TEXTS_OF_SET for x in s])


def pairs(s: pd.Series) -> pd.Series:
    return pd.Series([PAIRS[x][1] if x in PAIRS else "none" for x in s])


def mapped(s: pd.Series) -> pd.Series:
    return s.map(BY_TEXT).fillna(0)


def of_numbers(n: pd.Series) -> pd.Series:
    return pd.Series([BY_NUMBER.get(x, "none") for x in n])


def of_set(n: pd.Series) -> pd.Series:
    return pd.Series([x in NUMBERS_OF_SET for x in n])


TESTED = [
    (got, TEXTS, LongType()), (read, TEXTS, LongType()), (appended, TEXTS, LongType()), (known, TEXTS, BooleanType()),
    (pairs, TEXTS, StringType()), (mapped, TEXTS, LongType()), (of_numbers, NUMBERS, StringType()),
    (of_numbers, DOUBLES, StringType()), (of_set, NUMBERS, BooleanType()), (of_set, DOUBLES, BooleanType()),
]  # fmt: skip


@pytest.mark.parametrize(("function", "batches", "returns"), TESTED)
def test_comprehensions_over_columns(function, batches, returns):
    compared = compare_with_worker(function, batches, returns, kernel=True)
    assert (compared.decided, compared.flagged) == (2, 0)


def kind_of_table(x):
    return f"{type(BY_TEXT) is dict}{type(NUMBERS_OF_SET) is frozenset}{BY_NUMBER.get(x, 'none')}{len({**BY_TEXT})}"


def sized(xs):
    return sum(BY_TEXT.get(x, 0) for x in xs or []) + len(BY_TEXT)


def test_functions_of_one_value():
    lists = [pa.RecordBatch.from_pydict({"xs": pa.array([["k1", "k9", "z"], [], None], pa.list_(pa.string()))})]
    cases = [(kind_of_table, NUMBERS, StringType()), (kind_of_table, DOUBLES, StringType()), (sized, lists, LongType())]
    for function, batches, returns in cases:
        compared = compare_with_worker(function, batches, returns, ARROW_BATCHED, kernel=True)
        assert (compared.decided, compared.flagged) == (len(batches), 0)


def beyond(x: pd.Series) -> pd.Series:
    return pd.Series([BEYOND.get(v, "none") for v in x])


def mixed(s: pd.Series) -> pd.Series:
    return pd.Series([MIXED.get(v, 0) for v in s])


def missing(s: pd.Series) -> pd.Series:
    return pd.Series([BY_TEXT[v] for v in s])


def test_tables_that_are_left_to_python():
    """A float may equal an int key beyond 64 bits. Keys of other classes have no table. A missing key raises."""
    assert compare_with_worker(beyond, DOUBLES, StringType()).refused == "SW601"
    assert compare_with_worker(mixed, TEXTS, LongType()).refused == "SW601"
    compared = compare_with_worker(missing, TEXTS[:1], LongType(), kernel=True)
    assert (compared.decided, compared.flagged, compared.raised) == (1, 1, 1)
