"""Compares every input type in every dtype state, through output casts, with PySpark's own conversions."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.functions import pandas_udf

from tests.helpers.compiled import TWO_FORMS
from tests.helpers.differential import check
from udf_compiler.boundary.series import COLUMN_TYPES

INT_LIMITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1e300, -1e300, 5e-324, float("inf"), float("-inf"), float("nan"), 2.0**53, 1e-20]


def column(kind: str, nulls: str) -> pa.Array:
    """Returns 40 values of a type with its extremes; `nulls`: none, some or all of them NULL."""
    if kind in INT_LIMITS:
        top = 2 ** (INT_LIMITS[kind] - 1)
        values = [0, 1, -1, 2, 3, -7, 100, top - 1, -top, top - 2, top // 2] * 4
        array = pa.array(values[:40], pa.type_for_alias(kind))
    elif kind in ("float", "double"):
        values = FLOATS if kind == "double" else [float(np.float32(min(max(v, -3e38), 3e38))) if v == v else v for v in FLOATS]
        array = pa.array((values * 3)[:40], pa.type_for_alias(kind))
    elif kind == "bool":
        array = pa.array([True, False, True, True, False] * 8)
    else:
        array = pa.array([datetime.date(1900, 1, 1) + datetime.timedelta(days=997 * i) for i in range(40)])
    keep = {"none": [True], "some": [True, True, False, True, True, True], "all": [False]}[nulls]
    return pa.array([v if keep[i % len(keep)] else None for i, v in enumerate(array.to_pylist())], array.type)


KINDS = ["int8", "int16", "int32", "int64", "float", "double", "bool", "date32"]
RETURNS = ["byte", "short", "int", "long", "float", "double", "boolean"]
#: Kind -> the return types to which all its values convert, with NULLs and without.
HOLDING = {
    "int8": RETURNS, "int16": RETURNS[1:], "int32": ["int", "long", "double", "boolean"], "int64": ["boolean"],
    "float": ["float", "double", "boolean"], "double": ["float", "double", "boolean"], "bool": ["float", "double", "boolean"],
    "date32": ["date"],
}  # fmt: skip


@pytest.mark.gate_cases(
    "int8-some",
    "int16-some",
    "int32-some",
    "int64-some",
    "bool-some",
    "float-some",
    "double-some",
    "date32-some",
)
@pytest.mark.parametrize("nulls", ["none", "some", "all"])
@pytest.mark.parametrize("kind", KINDS)
def test_identity_and_every_return_type(spark, parquet, kind, nulls):
    """The return types that hold all values share a query. Each other one has its own, which may raise."""
    returns = ["date"] if kind == "date32" else RETURNS
    holding = returns if nulls == "all" else HOLDING[kind]
    query = identities(parquet({"id": np.arange(40), "v": column(kind, nulls)}))
    assert not check(spark, query(holding), deopt=None).refusals
    others = [name for name in returns if name not in holding]
    for name in others if nulls == "none" else others[:1]:
        check(spark, query([name]), deopt=None)


def identities(frame):
    def query(names):
        made = {name: pandas_udf(lambda v: v, name)("v").alias(name) for name in names}
        return lambda: frame.select("id", *made.values())

    return query


@pytest.mark.nightly("tests/udf_compiler/boundary/test_declared_types.py::test_results_of_every_kind")
@pytest.mark.parametrize("kind", KINDS[:-1])
def test_the_other_return_types_of_columns_with_nulls(spark, parquet, kind):
    query = identities(parquet({"id": np.arange(40), "v": column(kind, "some")}))
    for name in RETURNS:
        if name not in HOLDING[kind]:
            check(spark, query([name]), deopt=None)


@pytest.mark.gate_cases("bool-1", "int64-7")
@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("kind", ["int32", "int64", "bool", "double", "date32"])
def test_small_batches_mix_dtype_states(spark, parquet, kind, batch):
    frame = parquet({"id": np.arange(40), "v": column(kind, "some")})

    @pandas_udf("boolean")
    def missing(v: pd.Series) -> pd.Series:
        return v.isna()

    conf = {"spark.sql.parquet.columnarReaderBatchSize": str(batch)}
    check(spark, lambda: frame.select("id", missing("v").alias("r")), deopt=None, conf=conf)


@pytest.mark.gate_cases("none-int8", "some-int64")
@pytest.mark.parametrize("kind", list(INT_LIMITS))
@pytest.mark.parametrize("nulls", ["none", "some"])
def test_integer_wrap_around_at_the_inputs_width(spark, parquet, kind, nulls):
    frame = parquet({"id": np.arange(40), "v": column(kind, nulls)})

    @pandas_udf("long")
    def twice_and_one(v: pd.Series) -> pd.Series:
        return v * 2 + 1

    check(spark, lambda: frame.select("id", twice_and_one("v").alias("r")), deopt=None)


def test_integer_division_by_zero_in_some_batches(spark, parquet):
    rows = np.arange(12_000)
    frame = parquet({"id": rows, "a": rows % 100 - 50, "b": np.where((rows > 5000) & (rows < 5100), 0, rows % 7 + 1)})

    @pandas_udf("double")
    def quotient(a: pd.Series, b: pd.Series) -> pd.Series:
        return (a // b) + (a % b) + a / b

    what = check(spark, lambda: frame.select("id", quotient("a", "b").alias("r")), deopt=None)
    assert 0 < what.kernel_batches <= what.batches


def test_fractional_result_of_an_int_udf_raises_as_in_python(spark, parquet):
    frame = parquet({"id": np.arange(10), "x": np.linspace(0, 3, 10)})

    @pandas_udf("int")
    def as_int(x: pd.Series) -> pd.Series:
        return x * 2

    check(spark, lambda: frame.select("id", as_int("x").alias("r")), deopt=None)


def test_overflow_of_the_return_type_raises_as_in_python(spark, parquet):
    frame = parquet({"id": np.arange(1000), "k": np.arange(1000)})

    @pandas_udf("byte")
    def narrow(k: pd.Series) -> pd.Series:
        return k + 1

    check(spark, lambda: frame.select("id", narrow("k").alias("r")), deopt=None)
    check(spark, lambda: frame.where("k < 100").select("id", narrow("k").alias("r")), deopt=False)


def test_chain_ignores_the_inner_return_type(spark, parquet):
    frame = parquet({"id": np.arange(10), "x": np.arange(10) + 0.5})

    @pandas_udf("int")
    def inner(x: pd.Series) -> pd.Series:
        return x

    @pandas_udf("double")
    def outer(x: pd.Series) -> pd.Series:
        return x * 2

    check(spark, lambda: frame.select("id", outer(inner("x")).alias("r")))
    check(spark, lambda: frame.select("id", outer(inner("x") * 2).alias("r")), deopt=None)


def test_nan_becomes_null_and_negative_zero_stays(spark, parquet):
    frame = parquet({"id": np.arange(40), "x": column("double", "some")})

    @pandas_udf("double")
    def root(x: pd.Series) -> pd.Series:
        return np.sqrt(x)

    @pandas_udf("double")
    def negate(x: pd.Series) -> pd.Series:
        return -x

    check(spark, lambda: frame.select("id", root("x").alias("r"), negate("x").alias("n")))


@pytest.mark.nightly("test_identity_and_every_return_type")
def test_dates(spark, parquet):
    frame = parquet({"id": np.arange(40), "d": column("date32", "none"), "e": column("date32", "some")})
    limit = datetime.date(1950, 6, 1)

    @pandas_udf("boolean")
    def before(d: pd.Series) -> pd.Series:
        return d < limit

    @pandas_udf("date")
    def filled(e: pd.Series) -> pd.Series:
        return e.fillna(limit)

    check(spark, lambda: frame.select("id", before("d").alias("b")))
    check(spark, lambda: frame.select("id", filled("e").alias("f")), deopt=None)
    check(spark, lambda: frame.select("id", before("e").alias("b")), deopt=None)


def test_a_dictionary_that_grows_from_batch_to_batch(spark, parquet):
    """Each batch adds larger ids and returns to the first ones: a growing table must keep none of its old bytes."""
    rows = np.arange(120_000)
    values = np.where(rows % 2 == 0, rows % 16, rows // 2 + 16)
    kinds = {"i": pa.array(values, pa.int32()), "l": pa.array(values * 3), "s": pa.array([f"text {v}" for v in values])}
    frame = parquet({"id": rows, **kinds}, dictionary=True)
    plus = pandas_udf("long")(_typed_plus)
    check(spark, lambda: frame.select("id", plus("i", "l").alias("r"), pandas_udf("string")(_typed_bang)("s").alias("t")))


def _typed_plus(a: pd.Series, b: pd.Series) -> pd.Series:
    return a + b


def _typed_bang(s: pd.Series) -> pd.Series:
    return s + "!"


def test_types_whose_nulls_have_a_form_of_their_own(spark):
    """Test harnesses without a JVM compile for the states that the JVM distinguishes."""
    policies = getattr(spark._jvm, "io.sparkweld.plan.NullPolicy$").__getattr__("MODULE$")
    for name in COLUMN_TYPES:
        policy = policies.ofSeries(spark._jvm.org.apache.spark.sql.types.DataType.fromDDL(name)).toString()
        assert policy == ("OtherForm" if name in TWO_FORMS else "Read"), name
