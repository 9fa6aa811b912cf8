"""Compares functions of the arrays that vector_to_array makes, of assembled and stored vectors, dense and sparse ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from py4j.protocol import Py4JError
from pyspark.ml.feature import Normalizer, VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType, LongType, StructField, StructType

from tests.helpers.differential import ENABLED, check, run

ROWS = 400
NUMBERS = [0.0, -0.0, 1.5, -2.25, 1e300, 0.1]
VECTORS = [
    [0.0, -0.0, 0.0, 3.0], [-0.0, -0.0, -1.0, 0.1], Vectors.sparse(4, [1, 3], [-0.0, 0.5]), Vectors.sparse(4, [0], [1e300]),
    Vectors.sparse(4, [], []),
]  # fmt: skip


@pandas_udf(DoubleType())
def signs(s: pd.Series) -> pd.Series:
    matrix = np.stack(s).reshape(-1, 4)
    return pd.Series(matrix[:, 0] * 0.5 + np.copysign(8.0, matrix[:, 1]) + np.copysign(1.0, matrix[:, 2]) + matrix[:, 3])


@pytest.fixture
def table(parquet):
    rng = np.random.default_rng(5)
    columns = {name: pa.array(rng.choice(NUMBERS, ROWS), mask=rng.random(ROWS) < 0.02) for name in "abcd"}
    return parquet({"id": np.arange(ROWS), **columns})


@pytest.mark.gate_cases("float64")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_assembled_vectors(spark, table, dtype):
    assembler = VectorAssembler(inputCols=list("abcd"), outputCol="v", handleInvalid="keep")
    query = lambda: assembler.transform(table).select("id", signs(vector_to_array("v", dtype)).alias("r"))  # noqa: E731
    assert check(spark, query, deopt=None).batches


@pytest.mark.gate_cases("float32")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_stored_vectors(spark, tmp_path, dtype):
    schema = StructType([StructField("id", LongType()), StructField("v", VectorUDT(), metadata={"ml_attr": {"num_attrs": 4}})])
    rows = [(i, Vectors.dense(v) if isinstance(v, list) else v) for i, v in enumerate(VECTORS * 20)]
    spark.createDataFrame(rows, schema).write.parquet(str(tmp_path / "t"))
    stored = spark.read.parquet(str(tmp_path / "t")).where("id % 7 != 3")  # of whole batches, Spark 4.3 cannot pass vectors
    assert check(spark, lambda: stored.select("id", signs(vector_to_array("v", dtype)).alias("r")), deopt=None).batches


def test_vectors_of_a_transformer(spark, table):
    """A product may be a negative zero, which Spark stores in a dense vector and not in a sparse one."""
    assembler = VectorAssembler(inputCols=list("abcd"), outputCol="v", handleInvalid="skip")
    normalizer = Normalizer(inputCol="v", outputCol="n", p=2.0)
    filled = table.fillna(1.0)
    query = lambda: normalizer.transform(assembler.transform(filled)).select("id", signs(vector_to_array("n")).alias("r"))  # noqa: E731
    assert check(spark, query, deopt=None, ulp=64).batches


def test_a_vector_that_is_null(spark, tmp_path):
    """Spark raises an error for it."""
    schema = StructType([StructField("v", VectorUDT(), metadata={"ml_attr": {"num_attrs": 4}})])
    spark.createDataFrame([(Vectors.dense(1.0, 2.0, 3.0, 4.0),), (None,)], schema).write.parquet(str(tmp_path / "t"))
    query = lambda: spark.read.parquet(str(tmp_path / "t")).select(signs(vector_to_array("v")).alias("r"))  # noqa: E731

    def error(enabled):
        try:
            return run(spark, query, {ENABLED: enabled})[0].error
        except Py4JError as raised:  # on Spark 4.0
            return type(raised)

    assert error("true") == error("false") is not None
