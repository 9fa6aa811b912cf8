"""Compares everyday conversions of strings in pandas UDFs with PySpark's worker."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, IntegerType, LongType, ShortType, StringType

from sparkweld.contract.constants import SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker

INT, D, S = IntegerType(), DoubleType(), StringType()
GIVEN = pa.record_batch({
    "s": pa.array([" Ab-12, x", "no number", None, "", "2024-03-05", "99.5%"]),
    "x": pa.array([1.5, None, -2.0, 0.0, 1e6, 3.25]),
    "k": pa.array([10, -2, 3, 0, 5, 60], pa.int64()),
})  # fmt: skip
BATCHES = [GIVEN, *(GIVEN.slice(at, 2) for at in range(5))]


def digits(s):
    return s.str.extract(r"(\d+)", expand=False)


#: A function of some columns, the type of its result, and how many batches are decided and raise.
CASES = [
    (lambda s: digits(s).fillna(0).astype(int), INT, (6, 0)), (lambda s: digits(s).fillna(-1.7).astype("int32"), INT, (6, 0)),
    (lambda s: digits(s).fillna(0).astype(float), D, (6, 0)), (lambda s: digits(s).fillna(0.5).astype("float64"), D, (6, 0)),
    (lambda s: s.str.extract(r"(zz\d)", expand=False).fillna(7).astype("int16"), ShortType(), (6, 0)),
    (lambda s: digits(s).fillna(0).astype("int8"), LongType(), (6, 3)), (lambda s: s.fillna(0).astype(int), INT, (3, 6)),
    (lambda k: pd.Series(np.array(["lo", "mid", "hi", "top"])[np.digitize(k, [0, 5, 50])]), S, (6, 0)),
    (lambda k: k.map("{:,}".format), S, (6, 0)), (lambda k: k.apply("{:05d}".format), S, (6, 0)),
    (lambda x: x.map("{:.1f}%".format), S, (6, 0)), (lambda k: k.map("{0}-{0:x}".format), S, (6, 0)),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(CASES)))
def test_conversions(number):
    function, returns, counts = CASES[number]
    names = list(function.__code__.co_varnames[: function.__code__.co_argcount])
    compared = compare_with_worker(function, [each.select(names) for each in BATCHES], returns, SCALAR_PANDAS, kernel=True)
    assert (compared.decided, compared.raised, compared.refused) == (*counts, ""), compared


@pytest.mark.parametrize(("function", "returns", "code"), [
    (lambda s: s.fillna(0), S, "SW106"), (lambda s: digits(s).fillna(0).astype(str), S, "SW270"),
    (lambda s: pd.to_numeric(digits(s).fillna(0)), D, "SW262"), (lambda s: s.fillna(True), S, "SW270"),
    (lambda s: s.map("{} {}".format), S, "SW261"),
])  # fmt: skip
def test_conversions_that_are_refused(function, returns, code):
    assert compare_with_worker(function, [GIVEN.select(["s"])], returns, SCALAR_PANDAS).refused == code
