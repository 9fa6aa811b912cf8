"""Compares pandas UDFs of decimal columns with PySpark's worker, which makes Series of Decimals of them."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import (
    BooleanType,
    DecimalType,
    DoubleType,
    FloatType,
    LongType,
    StringType,
    StructField,
    StructType,
)
from sklearn.linear_model import LinearRegression

from sparkweld.contract.constants import MAP_PANDAS, SCALAR_ARROW, SCALAR_PANDAS, SCALAR_PANDAS_ITERATOR
from tests.helpers.compiled import compare_with_worker
from tests.helpers.groups import compare_groups
from tests.helpers.kinds import codes, compile_struct, compile_udf

F, S, B, L = DoubleType(), StringType(), BooleanType(), LongType()
VALUES = [Decimal(text) for text in ("1.50", "-0.01", "0.00", "99999999.99", "2.50", "-3.25")]
OTHERS = [1.5, 2.5, None, 0.0, -1.0, 2.0]


def batch(values, precision=10, scale=2):
    columns = [pa.array(values, pa.decimal128(precision, scale)), pa.array(OTHERS[: len(values)])]
    return pa.RecordBatch.from_arrays(columns, ["d", "x"])


BATCHES = [batch(VALUES), batch([*VALUES[:3], None, None, VALUES[5]]), batch([None] * 6)]
MODEL = LinearRegression().fit([[0.0, 1.0], [1.0, 2.0], [2.0, 5.0]], [0.0, 1.0, 3.0])
#: A function of d, or of d and x, and the type of its result.
CASES = [
    (lambda d: d.astype(float), F), (lambda d, x: d.astype("float64") * x, F), (lambda d: d.astype(np.float32), FloatType()),
    (lambda d: pd.to_numeric(d), F), (lambda d: d.isna(), B), (lambda d: d.notna() * 1.0, F), (lambda d: pd.isna(d), B),
    (lambda d: d.apply(lambda v: None if v is None else float(v) * 1.2), F), (lambda d: d.map(str), S),
    (lambda d: d.apply(lambda v: v is not None and v > 1), B),
    (lambda d: pd.Series([0.0 if v is None else float(v) for v in d]), F),
    (lambda d, x: pd.Series([b if a is None else float(a) + b for a, b in zip(d, x, strict=True)]), F),
    (lambda d: d.astype(float).fillna(0.0).round(1), F), (lambda d: pd.Series(np.where(d.isna(), 0.0, d.astype(float))), F),
    (lambda d, x: x.where(d.notna(), 0.0), F), (lambda d: pd.DataFrame({"a": d})["a"].astype(float), F),
    (lambda d, x: pd.Series(MODEL.predict(np.column_stack([d.astype(float).fillna(0), x.fillna(0)]))), F),
]  # fmt: skip


def names_of(function):
    return list(function.__code__.co_varnames[: function.__code__.co_argcount])


@pytest.mark.parametrize("at", range(0, len(CASES), 6))
def test_functions(at):
    for function, returns in CASES[at : at + 6]:
        given = [table.select(names_of(function)) for table in BATCHES]
        found = compare_with_worker(function, given, returns, SCALAR_PANDAS, kernel=function is CASES[at][0])
        assert (found.refused, found.decided, found.flagged) == ("", 3, 0), (function.__code__.co_firstlineno, found)


def test_rows_that_are_left_to_python():
    large = batch([Decimal("90071992547409.93"), Decimal("0.01"), None], 18, 2).select(["d"])
    found = compare_with_worker(lambda d: d.astype(float), [large], F, SCALAR_PANDAS)
    assert (found.refused, found.flagged, found.raised) == ("", 1, 0)
    found = compare_with_worker(lambda d: d.map(float), [BATCHES[1].select(["d"])], F, SCALAR_PANDAS)
    assert (found.refused, found.flagged, found.raised) == ("", 1, 1)  # float(None)


#: A function of d and n: bigint, and the code of its refusal.
REFUSED = [
    (lambda d, n: d * 2, "SW251"), (lambda d, n: d > 1, "SW251"), (lambda d, n: d.fillna(0), "SW251"), (lambda d, n: d, "SW108"),
    (lambda d, n: d.astype(int), "SW254"), (lambda d, n: d.sum() + n, "SW251"), (lambda d, n: np.sqrt(d), "SW251"),
    (lambda d, n: pd.Series(MODEL.predict(pd.DataFrame({"a": d, "b": n}))), "SW251"), (lambda d, n: pd.Series(d.values), "SW251"),
    (lambda d, n: d.apply(lambda v: v), "SW293"), (lambda d, n: d.shift(1), "SW251"),
    (lambda d, n: n.apply(lambda v: Decimal(v)), "SW293"),
    (lambda d, n: pd.Series([Decimal(int(v)) if v > 0 else 0.0 for v in n]), "SW293"),
    (lambda d, n: pd.Series(np.vectorize(lambda v: Decimal(int(v)))(n)), "SW297"),
]  # fmt: skip


def test_functions_that_are_refused():
    for function, code in REFUSED:
        found = codes(compile_udf(function, SCALAR_PANDAS, {"d": "decimal(10,2)", "n": "long"}, "double", nulls=False))
        assert found == [code], (function.__code__.co_firstlineno, found)


def each(batches):
    for d in batches:
        yield d.astype(float)


def test_other_kinds():
    inputs = {"d": "decimal(10,2)"}
    assert compile_udf(each, SCALAR_PANDAS_ITERATOR, inputs, "double")["status"] == "ok"
    assert codes(compile_udf(lambda d: d, SCALAR_ARROW, inputs, "double")) == ["SW101"]
    assert compile_struct(lambda f: f["d"].astype(float), SCALAR_PANDAS, inputs, "double", inputs)["status"] == "ok"


def kept(frames):
    for frame in frames:
        yield frame[frame["x"] > 0]


def scaled(frames):
    for frame in frames:
        frame["x"] = frame["d"].astype(float) * frame["x"]
        yield frame.dropna()


DECIMAL = DecimalType(10, 2)
BOTH = StructType().add("d", DECIMAL).add("x", DoubleType())


@pytest.mark.parametrize(("function", "returns", "kind"), [
    (kept, BOTH, MAP_PANDAS), (scaled, BOTH, MAP_PANDAS), (lambda d: d, DECIMAL, SCALAR_PANDAS),
])  # fmt: skip
def test_decimals_as_results(function, returns, kind):
    given = BATCHES if kind == MAP_PANDAS else [each.select(["d"]) for each in BATCHES]
    found = compare_with_worker(function, given, returns, kind, kernel=True)
    assert (found.refused, found.decided, found.flagged) == ("", 3, 0)


def test_a_result_of_another_decimal_type():
    found = compare_with_worker(lambda d: d, [BATCHES[0].select(["d"])], DecimalType(12, 2), SCALAR_PANDAS)
    assert found.refused == "SW108"


def largest(frame):
    frame = frame.sort_values("x", ascending=False).reset_index(drop=True)
    frame["x"] = range(1, len(frame) + 1)
    return frame.head(3)


#: A function of a group, and the code of its refusal.
OF_GROUPS = [
    (largest, ""), (lambda f: f.assign(x=f.x - f.x.mean()), ""), (lambda f: f[f.x == f.x.max()], ""),
    (lambda f: f.assign(x=f.d.astype(float) / f.d.astype(float).sum()), ""), (lambda f: f.drop_duplicates("x"), ""),
    (lambda f: f.sort_values("d"), "SW312"), (lambda f: f.assign(x=f.d.sum()), "SW251"), (lambda f: f.fillna(0), "SW262"),
    (lambda f: f.drop_duplicates(), "SW312"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "code"), OF_GROUPS)
def test_groups_with_decimals(function, code):
    groups = [each.append_column("k", pa.array([7] * 6)) for each in BATCHES]
    found = compare_groups(function, groups, StructType([*BOTH.fields, StructField("k", LongType())]))
    assert (found.refused or "", found.decided) == (code, 0 if code else 3), found
