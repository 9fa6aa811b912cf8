"""Compares plain UDFs of Spark ML's vectors with the plugin off and on: stored ones, rows, and those of the same query."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from pyspark.ml import classification, feature
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.ml.linalg import DenseVector, Vectors, VectorUDT
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DoubleType, IntegerType, LongType, StructField, StructType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.differential import check
from tests.helpers.lines import is_refused
from tests.helpers.sampling import every_case

ROWS = 400
SCHEMA = StructType([
    StructField("id", LongType()), StructField("p", VectorUDT()), StructField("q", VectorUDT()),
    StructField("xs", ArrayType(DoubleType())), StructField("y", DoubleType()),
])  # fmt: skip


def plain(returns):
    """Declares a UDF that is pickled: Spark 4.3 itself passes no column of vectors from files to a UDF over Arrow."""
    return F.udf(returnType=returns, useArrow=False)


def rounded(v):
    return None if v is None else round(float(v[1]), 5)


second = plain(DoubleType())(rounded)


@plain(IntegerType())
def label(v):
    if v is None:
        return None
    return int(np.argmax(v.toArray())) if v[0] < 0.75 else -1


@plain(ArrayType(DoubleType()))
def numbers(v):
    return v.toArray().tolist() if isinstance(v, DenseVector) else None


@plain(DoubleType())
def spread(v, w):
    return math.nan if v is None or w is None else float(max(v) - min(w) + len(v) + sum(x * 2 for x in w.values))


@plain(VectorUDT())
def shifted(v, xs):
    return None if v is None or v[0] > 0.9 else Vectors.dense(v.toArray() - np.array(xs))


def fields(v):
    """Returns the stored fields of a vector as a string: Arrow, which collects results for the comparison, has no vectors."""
    return F.unwrap_udt(v).cast("string")


def results():
    plain = [second("p").alias("a"), label("p").alias("b"), numbers("p").alias("c"), spread("p", "q").alias("d")]
    return [*plain, fields(shifted("p", "xs")).alias("e")]


def rows_of(nulls, sparse):
    random = np.random.default_rng(7)

    def vector():
        if random.random() < nulls:
            return None
        values = np.round(random.random(3), 3)
        return Vectors.sparse(3, [0, 2], values[:2].tolist()) if random.random() < sparse else Vectors.dense(values)

    return [(i, vector(), vector(), random.random(3).tolist(), float(i % 2)) for i in range(ROWS)]


@pytest.fixture(scope="module")
def tables(spark, tmp_path_factory):
    """Returns tables, by name, of dense vectors, of some NULL ones, and of some sparse ones."""
    made = {}
    for name, nulls, sparse in (("dense", 0, 0), ("nulls", 0.1, 0), ("sparse", 0.1, 0.1)):
        frame = spark.createDataFrame(rows_of(nulls, sparse), SCHEMA).coalesce(1)
        folder = str(tmp_path_factory.mktemp("vectors") / name)
        frame.write.parquet(folder)
        made[name] = spark.read.parquet(folder)
    return made


@pytest.mark.gate_cases("sparse", "nulls")
@pytest.mark.parametrize("name", ["dense", "nulls", "sparse"])
def test_stored_vectors(spark, tables, name):
    """Sparse rows run in Python alone; a batch with NULL vectors does not."""
    compared = check(spark, lambda: tables[name].select("id", *results()), deopt=None)
    assert compared.guarded_rows < ROWS // 3


@pytest.mark.gate_cases("sparse")
@pytest.mark.parametrize("name", ["nulls", "sparse"])
def test_rows_of_vectors(spark, tables, name):
    """Below the UDFs are rows, from an exchange, rather than batches."""
    check(spark, lambda: tables[name].repartition(2, "id").select("id", *results()), deopt=None)
    over_arrow = F.udf(rounded, DoubleType(), useArrow=True)
    how = {"refused": "SW114"} if is_refused(ARROW_BATCHED) else {"deopt": None}
    check(spark, lambda: tables[name].repartition(2, "id").select("id", over_arrow("p").alias("a")), **how)


def test_vectors_of_arrays(spark, tables):
    check(spark, lambda: tables["dense"].select("id", second(array_to_vector("xs")).alias("a")))
    made = tables["dense"].withColumn("v", array_to_vector("xs"))
    check(spark, lambda: made.select("id", second("v").alias("a"), label("v").alias("b")))


def test_vectors_of_a_model(spark, tables):
    """The vectors of the same query are never stored; rows whose vector an assembler makes sparse run in Python."""
    assembler = feature.VectorAssembler(inputCols=["y", "id"], outputCol="f")
    frame = assembler.transform(tables["dense"])
    model = classification.LogisticRegression(featuresCol="f", labelCol="y", maxIter=3).fit(frame)
    check(spark, lambda: model.transform(frame).select("id", second("probability").alias("a"), label("probability").alias("b")))
    compared = check(spark, lambda: frame.select("id", second("f").alias("a")), deopt=None)
    assert compared.guarded_rows < 3  # the rows of two zeros


@pytest.mark.nightly("test_vectors_of_a_model")
def test_vectors_of_an_assembler(spark, parquet):
    """Spark stores zeros, also negative ones, where that is not smaller; NaN is no zero."""
    draw = np.random.default_rng(5)
    drawn = [np.where(draw.random(3000) < 0.2, draw.choice([0.0, -0.0], 3000), draw.normal(size=3000)) for _ in range(5)]
    drawn[1][::17] = np.nan
    table = parquet(pa.table({"id": np.arange(3000), **{f"x{i}": x for i, x in enumerate(drawn)}}))
    names = [f"x{i}" for i in range(5)]
    made = feature.VectorAssembler(inputCols=names, outputCol="v", handleInvalid="keep").transform(table)
    sparse = made.filter(F.unwrap_udt("v").getField("type") == 0).count()
    signs = plain(ArrayType(DoubleType()))(lambda v: [float(np.copysign(1.0, x)) for x in v])
    listed = plain(ArrayType(DoubleType()))(lambda v: v.toArray().tolist())
    queries = [second("v"), listed("v"), signs("v"), plain(DoubleType())(lambda v: float(v[4]) + len(v))("v")]
    for query in queries:
        compared = check(spark, lambda query=query: made.select("id", query.alias("a")), deopt=None)
        assert compared.guarded_rows == sparse > 0
    dense = feature.VectorAssembler(inputCols=names[:2], outputCol="v", handleInvalid="keep").transform(table.filter("x0 != 0"))
    check(spark, lambda: dense.select("id", listed("v").alias("a")))
    scaler = feature.MinMaxScaler(inputCol="v", outputCol="s").fit(made.filter("not isnan(x1)"))
    check(spark, lambda: scaler.transform(made).select("id", listed("s").alias("a")), deopt=None)


@pytest.mark.sampled
def test_vectors_as_results(spark, tables):
    """A vector that a UDF returns is an argument of a UDF of the same query; a model reads it from Spark's column."""
    frame = tables["nulls"]
    made = frame.withColumn("v", plain(VectorUDT())(lambda xs: Vectors.dense(xs))("xs"))
    check(spark, lambda: made.select("id", fields("v").alias("u"), second("v").alias("a"), F.col("v").isNull()))
    if every_case():
        wrapped = plain(VectorUDT())(lambda xs: DenseVector(xs))
        check(spark, lambda: frame.select("id", second(shifted("p", "xs")).alias("a"), fields(wrapped("xs")).alias("b")))
    model = feature.StandardScaler(inputCol="v", outputCol="s", withMean=True).fit(made)
    check(spark, lambda: model.transform(made).select("id", vector_to_array("s")[0].alias("a")))
