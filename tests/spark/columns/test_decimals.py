"""Compares decimal columns as arguments and results of plain UDFs with PySpark, pickled and over Arrow."""

from __future__ import annotations

import json
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf
from pyspark.sql.types import DecimalType

from tests.helpers.differential import check
from tests.helpers.lines import LINE

ROWS = 400
#: Of one UDF with useArrow=True: PySpark 3.5 and 4.0 pass its values through pandas.
WIRES = [True, False] if LINE >= (4, 1) else [False]


def prices(precision: int, scale: int) -> pa.Array:
    """Returns decimals of any size, with NULLs, zeros and the limits of the type."""
    most = 10**precision - 1
    edges = [0, 1, -1, 5, -5, 50, 150, 250, -250, most, -most]
    numbers = [edges[i % 11] if i % 3 == 0 else (i * 7919 - 999_999) * 13**(i % 9) % most for i in range(ROWS)]
    values = [None if i % 7 == 5 else Decimal(n).scaleb(-scale) for i, n in enumerate(numbers)]
    return pa.array(values, pa.decimal128(precision, scale))


def gross(d):
    return None if d is None else float(d) * 1.19


def shown(d):
    return f"{d:,.1f} of {d}" if d is not None else "none"


def level(d):
    return "big" if d is not None and d > Decimal("2.50") else "small"


def rounded(d):
    return d.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP) if d is not None else None


def same(d):
    return d


FUNCTIONS = [(gross, "double"), (shown, "string"), (level, "string"), (rounded, "decimal(18,3)"), (same, "decimal(18,4)")]


@pytest.mark.parametrize("arrow", WIRES)
@pytest.mark.parametrize("type", [(9, 2), (10, 2)])
def test_columns(spark, parquet, type, arrow):
    frame = parquet({"id": np.arange(ROWS), "d": prices(*type)})
    results = [udf(f, returns, useArrow=arrow)("d").alias(f.__name__) for f, returns in FUNCTIONS]
    what = check(spark, lambda: frame.select("id", *results))
    assert what.kernel_batches


def test_computed_and_rare_inputs(spark, parquet):
    frame = parquet({"id": np.arange(ROWS), "d": prices(10, 2), "k": [i % 3 for i in range(ROWS)]})
    text, total = udf(shown, "string"), udf(lambda a, b: None if a is None or b is None else float(a) + float(b), "double")
    double = udf(lambda d: None if d is None else d + d, DecimalType(12, 2))
    fields = udf(lambda s: f"{s.d} {s.k}", "string")
    queries = [
        lambda: frame.where("d > 10").select("id", text("d").alias("t")),
        lambda: frame.select("id", text(F.expr("d * 2")).alias("t"), total("d", F.lit(Decimal("0.10"))).alias("u")),
        lambda: frame.select("id", double("d").alias("e")).where("e > 5").select("id", "e", text("e").alias("t")),
        lambda: frame.select("id", text(double("d")).alias("t")),
        lambda: frame.repartition(2).select("id", double("d").alias("e")),
        lambda: frame.select("id", F.struct("d", "k").alias("s")).select("id", fields("s").alias("t")),
        lambda: frame.groupBy("k").agg(F.max("d").alias("m")).select("k", double("m").alias("e")),
    ]
    for query in queries:
        what = check(spark, query, deopt=None)
        assert what.kernel_batches, what


def test_a_result_that_does_not_fit_raises(spark, parquet):
    frame = parquet({"id": np.arange(9), "d": pa.array([Decimal(i * 150) for i in range(9)], pa.decimal128(10, 2))})
    for arrow in WIRES:
        check(spark, lambda a=arrow: frame.select(udf(same, "decimal(5,2)", useArrow=a)("d").alias("r")), deopt=None)
    nothing = udf(lambda d: 1, "decimal(5,2)", useArrow=False)
    check(spark, lambda: frame.select(nothing("d").alias("r")))


def test_numbers_that_are_pickled_in_other_words(spark, parquet):
    """The JVM pickles 1E-8 as 10E-9, which Python reads as a number of nine decimals."""
    values = [Decimal(text) for text in ("0E-8", "0.00000001", "-0.00000123", "0.00000999", "0.01", "1.00000000")]
    frame = parquet({"id": np.arange(140), "d": pa.array([*values, None] * 20, pa.decimal128(10, 8))})
    text = [(arrow, udf(lambda d: None if d is None else f"{d:f}", "string", useArrow=arrow)) for arrow in WIRES]
    for arrow, function in text:
        what = check(spark, lambda f=function: frame.select("id", f("d").alias("r")), deopt=None)
        assert what.guarded_rows == (0 if arrow else 20)


def test_pandas_functions(spark, parquet):
    values = prices(10, 2)
    frame = parquet({"id": np.arange(ROWS), "d": values, "e": values.fill_null(Decimal(0)), "x": np.linspace(-2, 2, ROWS)})
    float_of = pandas_udf(lambda d: d.astype(float), "double")
    total = pandas_udf(lambda d, x: d.astype(float).fillna(0) * x, "double")
    text = pandas_udf(lambda d: d.map(lambda v: "none" if v is None else f"{v:,.2f}"), "string")
    queries = [
        lambda: frame.select("id", float_of("d").alias("a"), total("e", "x").alias("b"), text("d").alias("c")),
        lambda: frame.where("e > 1").repartition(2).select("id", float_of("e").alias("a"), total("d", "x").alias("b")),
    ]
    for query in queries:
        assert check(spark, query).kernel_batches
    double = pandas_udf(lambda d: d * 2, "double")
    check(spark, lambda: frame.select(double("d").alias("r")), refused="SW251")


def parts(d):
    return None if d is None else (d / 100, f"{d:.1f}", round(d, 1))


def shown_fields(s):
    return "none" if s is None else json.dumps(s.asDict(), default=str)


@pytest.mark.parametrize("arrow", WIRES)
def test_fields_of_structs(spark, parquet, arrow):
    given = [Decimal("7.25") if v is not None and abs(v) < 1 else v for v in prices(6, 2).to_pylist()]
    values = pa.array(given, pa.decimal128(6, 2))
    structs = [{"d": d, "k": i % 3} for i, d in enumerate(values.to_pylist())]
    frame = parquet({"id": np.arange(ROWS), "d": values, "s": pa.array(structs, pa.struct({"d": values.type, "k": pa.int64()}))})
    made = udf(parts, "struct<a:decimal(12,4),b:string,c:decimal(7,1)>", useArrow=arrow)
    text = udf(shown_fields, "string", useArrow=arrow)
    what = check(spark, lambda: frame.select("id", made("d").alias("r")).select("id", "r.a", "r.c", "r"), deopt=None)
    assert what.kernel_batches
    assert check(spark, lambda: frame.select("id", text("s").alias("t"))).kernel_batches
