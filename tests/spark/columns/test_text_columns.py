"""Checks string columns of kernels, in and out, in every Spark representation: kinds of columns, NULLs, lengths, memory."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import BooleanType, DoubleType, StringType

from tests.helpers.differential import check, measured, run
from tests.helpers.lines import differs_before, of_tokenizers
from tests.helpers.sampling import every_case

WORDS = ["", "a", " padded ", "exactly 12 b", "thirteen byte", "Zürich", "日本語", "😀", "name", "\x00"]
ON_HEAP = {"spark.sql.columnVector.offheap.enabled": "false"}
OFF_HEAP = {"spark.sql.columnVector.offheap.enabled": "true"}


@pandas_udf(StringType())
def same(s: pd.Series) -> pd.Series:
    return s


@pandas_udf(BooleanType())
def is_a(s: pd.Series) -> pd.Series:
    return s == "a"


@pandas_udf(StringType())
def twice(s: pd.Series) -> pd.Series:
    return s + s


@pandas_udf(DoubleType())
def half(x: pd.Series) -> pd.Series:
    return x * 0.5


def texts(rows: int, nulls: str = "some", seed: int = 1) -> pa.Array:
    random = np.random.default_rng(seed)
    share = {"none": 0.0, "some": 0.2, "all": 1.1}[nulls]
    missing = random.random(rows) < share
    return pa.array([None if gone else WORDS[i % len(WORDS)] * (i % 7 % 3 + 1) for i, gone in enumerate(missing)], pa.string())


def columns(rows: int = 9000, nulls: str = "some") -> dict[str, object]:
    return {"id": np.arange(rows), "x": np.linspace(0, 1, rows), "s": texts(rows, nulls)}


def query_of(frame):
    return lambda: frame.select("id", same("s").alias("t"), is_a("s").alias("a"), twice("s").alias("u"), half("x").alias("h"))


@pytest.mark.each_value_once
@pytest.mark.parametrize("conf", [ON_HEAP, OFF_HEAP], ids=["on-heap", "off-heap"])
@pytest.mark.parametrize("dictionary", [True, False], ids=["dictionary", "plain"])
@pytest.mark.parametrize("nulls", ["none", "some", "all"])
def test_parquet(spark, parquet, conf, dictionary, nulls):
    frame = parquet(columns(nulls=nulls), dictionary=dictionary, row_group_size=4000)
    check(spark, query_of(frame), conf=conf)


def test_many_dictionaries_of_many_strings(spark, parquet):
    rows = 30_000
    values = [f"value {i * 7919 % 6000}" for i in range(rows)]
    frame = parquet({"id": np.arange(rows), "s": values, "x": np.zeros(rows)}, dictionary=True, row_group_size=10_000)
    check(spark, query_of(frame))


@pytest.mark.parametrize("conf", [ON_HEAP, OFF_HEAP], ids=["on-heap", "off-heap"])
def test_no_rows(spark, parquet, conf):
    check(spark, query_of(parquet(columns(0, "none"))), conf=conf)


@pytest.mark.nightly("tests/spark/rules/test_plans.py::test_partition_columns_are_constant_vectors")
def test_a_partition_column(spark, tmp_path):
    path = str(tmp_path / "partitioned")
    parts = spark.range(4000).selectExpr(
        "id", "id / 7D as x", "case id % 4 when 0 then 'a' when 1 then 'Zürich' when 2 then 'long enough to matter' end as s"
    )
    parts.write.partitionBy("s").parquet(path)
    frame = spark.read.parquet(path).orderBy("id")
    scan = spark.read.parquet(path)
    assert check(spark, lambda: query_of(scan)().orderBy("id")).kernel_batches > 1
    check(spark, query_of(frame))


def test_rows_of_a_join(spark, parquet):
    left, right = parquet(columns(3000), name="l"), parquet(columns(3000), name="r")
    joined = left.join(right.select("id", F.col("s").alias("other")), "id").orderBy("id")
    for conf in (ON_HEAP, OFF_HEAP):
        check(spark, lambda: joined.select("id", same("s").alias("t"), twice("other").alias("u"), "s", "other"), conf=conf)


def test_a_cached_table(spark, parquet):
    frame = parquet(columns(3000)).cache()
    try:
        check(spark, query_of(frame))
    finally:
        frame.unpersist()


def test_columns_of_another_udf_in_python(spark, parquet):
    """Kernels read the Arrow vectors of another UDF's Python results."""

    @pandas_udf(StringType())
    def stays_in_python(s: pd.Series) -> pd.Series:
        return s.str.slice(0, 3).where(s.notna().cumsum() > 2)

    frame = parquet(columns(3000))
    what = check(
        spark,
        lambda: frame.select("id", stays_in_python("s").alias("p"), "x").select("id", same("p").alias("t"), half("x").alias("h")),
        deopt=None,
    )
    assert what.kernel_batches


def test_fields_of_a_struct(spark, parquet):
    rows = 3000
    struct = pa.StructArray.from_arrays([texts(rows), pa.array(np.arange(rows) / 3)], ["s", "x"])
    frame = parquet({"id": np.arange(rows), "p": struct})

    @pandas_udf(StringType())
    def field(p: pd.DataFrame) -> pd.Series:
        return p["s"]

    check(spark, lambda: frame.select("id", field("p").alias("t")))


def test_passed_through_and_filtered(spark, parquet):
    frame = parquet(columns())
    check(spark, lambda: frame.where(half("x") > 0.25).select("id", "s", same("s").alias("t"), half("x").alias("h")))
    check(spark, lambda: frame.select("id", "s", is_a("s").alias("a")).where("a").select("id", "s"))


@pytest.mark.sampled
def test_consumers_that_keep_rows(spark, parquet):
    """Sorts, aggregates and exchanges hold rows longer than their batch."""
    frame = parquet(columns())
    made = lambda: frame.select("id", same("s").alias("t"), twice("s").alias("u"))  # noqa: E731
    check(spark, lambda: made().orderBy("u", "id"))
    check(spark, lambda: made().groupBy("u").agg(F.count("*").alias("n"), F.max("t").alias("m"), F.first("t")).orderBy("u"))
    if every_case():
        check(spark, lambda: made().orderBy(F.desc("u"), "id").limit(50))
        check(spark, lambda: made().repartition(3, "t").sortWithinPartitions("id").orderBy("id"))


@pytest.mark.nightly("tests/spark/udf_compiler/test_bad_input.py::test_a_text_of_ten_megabytes")
def test_long_strings(spark, parquet):
    rows = 7
    values = [("0123456789" * (1 << 20)) if i % 5 == 0 else "short" if i % 5 else None for i in range(rows)]
    frame = parquet({"id": np.arange(rows), "s": values, "x": np.zeros(rows)})
    for conf in (ON_HEAP, OFF_HEAP):
        check(spark, query_of(frame), conf=conf)


def test_more_text_than_the_limit_runs_in_python(spark, parquet):
    frame = parquet(columns())
    limit = {"spark.sparkweld.kernel.maxTextBytes": "20k"}
    _, executed = run(spark, lambda: frame.select("id", twice("s").alias("u")), limit)
    assert measured(executed).deoptimised_batches > 0
    check(spark, lambda: frame.select("id", twice("s").alias("u")), conf=limit, deopt=True)
    check(spark, lambda: frame.select("id", same("s").alias("t")), conf=limit)  # slices of an input need no memory


@pytest.mark.nightly(
    "test_more_text_than_the_limit_runs_in_python",
    "tests/spark/columns/test_memory.py::test_batches_without_memory_run_as_spark_planned_them",
)
@of_tokenizers
def test_the_limit_is_said_once(applications):
    """The message also states where the batches run: functions of Spark's ML library never ran in Python."""
    program = """
    spark = session()
    @pandas_udf("string")
    def twice(s: pd.Series) -> pd.Series:
        return s + s
    query = lambda: spark.range(0, 9000).selectExpr("id", "cast(id as string) as s").select("id", twice("s").alias("u"))
    report(**off_and_on(spark, query))
    from pyspark.ml.feature import HashingTF, Tokenizer
    from pyspark.ml.regression import LinearRegression
    words, counts = Tokenizer(inputCol="s", outputCol="w"), HashingTF(inputCol="w", outputCol="features", numFeatures=8)
    texts = spark.range(0, 9000).selectExpr("id", "cast(id as string) as s", "double(id % 7) as label")
    line = LinearRegression(maxIter=1).fit(counts.transform(words.transform(texts)))
    query = lambda: line.transform(counts.transform(words.transform(texts))).select("id", "prediction")
    report(ml=off_and_on(spark, query))
    """
    ran = applications.run(program, conf={"spark.sparkweld.kernel.maxTextBytes": "1k", "spark.sparkweld.backend": "native"})
    assert ran.facts["equal"] and ran.facts["operators"][0]["deoptimisedBatches"] > 0
    assert ran.facts["ml"]["equal"] and ran.facts["ml"]["operators"][0]["deoptimisedBatches"] > 0
    said = [line for line in ran.log.splitlines() if "SW340" in line]
    assert ["run in Python." in line for line in said] == [True, False]
    assert "run as Spark planned them." in said[1]


@pytest.mark.gate_cases("1000")
@pytest.mark.parametrize("stream_after", ["1", "1000"])
def test_batches_that_run_in_python(spark, parquet, stream_after):
    """Guards of another column send each batch, or the stream of batches, to Python, with strings in and out."""
    frame = parquet(columns())

    @pandas_udf("int")
    def whole(x: pd.Series) -> pd.Series:
        return x.where(x < 0.4, 1.0) * 0 + 1

    @pandas_udf("byte")
    def small(k: pd.Series) -> pd.Series:
        return k.where(k != 5000, 1) // 64

    conf = {"spark.sparkweld.fallback.streamAfter": stream_after}
    made = [same("s").alias("t"), twice("s").alias("u")]
    check(spark, lambda: frame.select("id", *made, small("id").alias("k")), conf=conf, deopt=None)
    check(spark, lambda: frame.select("id", *made, whole("x").alias("w")), conf=conf, deopt=None)


def test_invalid_text_ends_as_in_python(spark, parquet):
    data = b"good\xff\xfebad" + "é".encode()
    offsets = np.array([0, 4, 9, 11], dtype=np.int32)
    broken = pa.Array.from_buffers(pa.string(), 3, [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data)])
    frame = parquet({"id": np.arange(3), "s": broken, "x": np.zeros(3)})
    check(spark, query_of(frame), deopt=None)


@differs_before((4, 0), "no collations")
def test_types_of_text_that_stay_with_spark(spark, parquet):
    frame = parquet(columns(100))
    collated = frame.select("id", F.expr("s collate UTF8_LCASE").alias("s"), F.expr("cast(s as binary)").alias("b"))
    check(spark, lambda: collated.select("id", same("s").alias("t")), refused="SW306")
    check(spark, lambda: collated.select("id", same("b").alias("t")), refused="SW101")
