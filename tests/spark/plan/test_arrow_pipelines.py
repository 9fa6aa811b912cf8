"""Compares Arrow UDFs with annotated black-box calls, which run as pipelines in the Python worker, with the plugin off."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType, IntegerType, LongType, StringType
from scipy.special import erf

import sparkweld
from sparkweld.annotations import Rows, annotate
from tests.helpers.lines import arrow_udf, of_worker_pipelines
from tests.helpers.sampling import every_case
from tests.spark.plan.test_pipelines import check

pytestmark = of_worker_pipelines

ARROW = Rows(container="arrow")


@arrow_udf(StringType())
def title(s: pa.Array) -> pa.Array:
    return pc.utf8_title(pc.utf8_trim_whitespace(s))


@arrow_udf(LongType())
def letters(s: pa.Array) -> pa.Array:
    return pc.subtract(pc.utf8_length(pc.utf8_reverse(s)), 1)


@arrow_udf(DoubleType())
def price(a: pa.Array, b: pa.Array) -> pa.Array:
    d = pc.divide(pc.add(pc.ln(b), pc.multiply(a, 0.5)), pc.sqrt(b))
    return pc.add(pc.multiply(pa.array(erf(d.to_numpy(zero_copy_only=False))), a), 1.0)


@arrow_udf(DoubleType())
def of_integers(i: pa.Array) -> pa.Array:
    return pc.add(pa.array(erf(i.to_numpy(zero_copy_only=False) / 4)), i)  # NULLs decide what NumPy sees


@arrow_udf(DoubleType())
def of_struct(s: pa.Array) -> pa.Array:
    x = pc.sin(pc.exp(pc.cos(pc.multiply(s.field("a"), s.field("i")))))
    return pa.array(erf(x.to_numpy(zero_copy_only=False)), from_pandas=True)


@arrow_udf(IntegerType())
def narrow(a: pa.Array) -> pa.Array:
    return pa.array(erf(a.to_numpy(zero_copy_only=False)))


@arrow_udf(DoubleType())
def without_copy(a: pa.Array) -> pa.Array:
    return pa.array(erf(a.to_numpy()))


@pandas_udf(DoubleType())
def of_pandas(s):
    return erf(s) + 1


@arrow_udf(StringType())
def each_title(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
    for s in batches:
        yield pc.utf8_title(pc.utf8_trim_whitespace(s))


@arrow_udf(DoubleType())
def each_price(batches: Iterator[tuple[pa.Array, pa.Array]]) -> Iterator[pa.Array]:
    rate = 0.5
    for a, b in batches:
        yield pc.multiply(pa.array(erf(pc.divide(a, b).to_numpy(zero_copy_only=False))), rate)


@arrow_udf(IntegerType())
def each_narrow(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
    return (pa.array(erf(a.to_numpy(zero_copy_only=False))) for a in batches)


@pytest.fixture
def t(parquet):
    rng, n = np.random.default_rng(2), 4000
    some = rng.random(n) < 0.1
    return parquet(pa.table({
        "id": np.arange(n), "a": pa.array(rng.normal(1, 1, n), mask=some), "b": rng.uniform(0.1, 3, n),
        "i": pa.array(rng.integers(-9, 9, n), mask=np.arange(n) > 3500), "none": pa.nulls(n, pa.string()),
        "s": pa.array(rng.choice(np.array(["a <b>", " \u00e9t\u00e9 two", ""], object), n), mask=some),
    }))  # fmt: skip


@pytest.mark.sampled
def test_pipelines(spark, t):
    def all_of_them(t=t):
        chain = letters(title("s")).alias("chain")
        return t.select("id", title("s").alias("title"), letters("none").alias("none"), chain, price("a", "b").alias("p"),
                        of_integers("i").alias("i"))  # fmt: skip

    wanted = {"title", "letters", "title, letters", "price", "of_integers"}
    frame = check(spark, all_of_them, wanted, ulp=1 << 12)
    assert "WeldPipeline" in frame._jdf.queryExecution().executedPlan().toString()
    if every_case():
        check(spark, lambda: all_of_them(t.filter("b > 1").repartition(3)).filter("p < 2"), wanted, ulp=1 << 12)
        check(spark, lambda: all_of_them(t.filter("id < 0")), wanted)
    check(spark, lambda: t.select("id", of_struct(F.struct("a", "b", "i")).alias("r")), {"of_struct"})
    text = sparkweld.explain(t.select(price("a", "b")))
    assert "pipeline in Python: price\n  1. kernel: " in text and "\n  2. call: " in text and "\n  3. kernel: " in text
    frame = check(spark, lambda: t.select("id", price("a", "b").alias("p"), of_pandas("b").alias("q")), {"price", "of_pandas"})


@pytest.mark.nightly("test_pipelines")
def test_errors_are_those_of_the_worker(spark, t, parquet):
    check(spark, lambda: t.select("id", narrow("b").alias("r")), {"narrow"})
    check(spark, lambda: t.select("id", without_copy("a").alias("r")), {"without_copy"})
    check(spark, lambda: t.select("id", each_narrow("b").alias("r")), {"each_narrow"})
    check(spark, lambda: t.select("id", without_copy("b").alias("r")), {"without_copy"})
    few = parquet(pa.table({"id": np.arange(20_000), "b": np.arange(20_000) / 7}))
    for function in (lambda x: x if len(x) <= 4096 else x[1:], lambda x: x if len(x) <= 4096 else x.to_pylist()):
        call = annotate(function, (ARROW,), returns=ARROW, check=False)
        made = arrow_udf(lambda x, f=call: f(pc.add(x, 1.0)), DoubleType())
        whole = {"spark.sparkweld.pipeline.blockRows": str(1 << 20)}
        check(spark, lambda made=made: few.select("id", made("b").alias("r")), {"<lambda>"}, whole)


def test_iterators(spark, t):
    def both(t=t):
        return t.select("id", each_title("s").alias("s"), each_price("a", "b").alias("p"))

    check(spark, both, {"each_title", "each_price"}, ulp=1 << 12)
    check(spark, lambda: both(t.filter("id < 0")), {"each_title", "each_price"})
