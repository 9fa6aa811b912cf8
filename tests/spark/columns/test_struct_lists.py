"""Compares arrays of structs that plain UDFs return with the plugin off and on, in every form in which Spark reads them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import Row
from pyspark.sql import functions as F
from pyspark.sql.functions import udf
from pyspark.sql.types import ArrayType, DoubleType, IntegerType, StringType, StructType

from tests.helpers.batches import ONE_PARTITION
from tests.helpers.differential import check
from tests.helpers.sampling import every_case

TOKENS = ArrayType(StructType().add("word", StringType()).add("n", IntegerType()))
TEXTS = ["sea air sea", "", None, "rail", "étage é 12 7", "one two three four five"]


def tokens(s):
    return [(word, len(word)) for word in s.split()] if s is not None else None


def commonest(s):
    return [{"word": word, "n": n} for word, n in Counter((s or "").split()).most_common(2)]


def numbers(s):
    found = []
    for word in (s or "").split():
        found.append(None if word == "air" else {"word": word, "n": int(word) if word.isdigit() else None})
    return found


def fixed(s):
    return [{"word": s}, None, {"n": 3, "other": 1}, ("x", None)]


FUNCTIONS = [tokens, commonest, numbers, fixed]


def texts(parquet, rows=2000, name="texts"):
    words = pa.array(np.resize(np.array(TEXTS, object), rows))
    return parquet({"k": np.arange(rows, dtype=np.int32), "s": words}, name=name)


@pytest.mark.gate_cases("tokens-True", "fixed-False")
@pytest.mark.parametrize("arrow", [True, False])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_lists_become_arrays_of_structs(spark, parquet, function, arrow):
    made, frame = udf(function, TOKENS, useArrow=arrow), texts(parquet)
    check(spark, lambda: frame.select("k", made("s").alias("x")))


@pytest.mark.sampled
@pytest.mark.gate_cases("True")
@pytest.mark.parametrize("arrow", [True, False])
def test_readers_of_rows(spark, parquet, tmp_path, arrow):
    made, frame = udf(tokens, TOKENS, useArrow=arrow), texts(parquet)
    few = udf(numbers, TOKENS, useArrow=arrow)
    check(spark, lambda: frame.select("k", F.explode(made("s")).alias("t")).select("k", "t.word", "t.n"))
    check(spark, lambda: frame.select("k", F.explode_outer(few("s"))))
    check(spark, lambda: frame.select("k", F.inline_outer(made("s"))))
    first = F.get("x", F.lit(0)).word
    check(spark, lambda: frame.select(made("s").alias("x")).select(F.size("x"), first, F.col("x.n"), F.to_json("x")))
    if every_case():
        check(spark, lambda: frame.select("k", made("s").alias("x")).filter(F.size("x") > 1).repartition(3).orderBy("k"))
        check(spark, lambda: frame.limit(50).select(made("s")).union(frame.limit(9).select(few("s"))))
        check(spark, lambda: frame.filter("k % 3 = 0").select("k", F.transform(few("s"), lambda x: x.n)))
        check(spark, lambda: frame.groupBy(made("s").alias("x")).count())


def test_written_files(spark, parquet, tmp_path):
    made, frame = udf(numbers, TOKENS, useArrow=True), texts(parquet, 300)

    def written():
        target = str(tmp_path / "written")
        frame.select("k", made("s").alias("x")).write.mode("overwrite").parquet(target)
        return spark.read.parquet(target)

    check(spark, lambda: frame.select("k", made("s").alias("x")))
    rows = [row.x for row in written().orderBy("k").collect()]
    assert rows == [numbers_of(s) for s in np.resize(np.array(TEXTS, object), 300)]


def numbers_of(s):
    return [x and Row(word=x["word"], n=x["n"]) for x in numbers(s)]


@pytest.mark.nightly("test_readers_of_rows")
def test_empty_tables_and_several_files(spark, parquet, tmp_path):
    made = udf(tokens, TOKENS, useArrow=True)
    empty = texts(parquet, 0, name="empty")
    check(spark, lambda: empty.select("k", made("s")))
    for name, words in (("a", ["x yy", "zz"]), ("b", [None, "", "w " * 40])):
        texts(parquet, len(words), name=name)
    frame = spark.read.parquet(*(str(path) for path in sorted(tmp_path.glob("**/*.parquet"))))
    check(spark, lambda: frame.select("k", made("s").alias("x")), conf=ONE_PARTITION)
    check(spark, lambda: frame.filter("k >= 0").select(F.explode(made("s"))), conf=ONE_PARTITION)


def test_batches_that_do_not_convert_run_in_python(spark, parquet):
    @udf(TOKENS, useArrow=True)
    def large(k, s):
        return [(s, k * 7), ("z", 10**k if k == 3 else 2)]

    @udf(ArrayType(StructType().add("x", DoubleType()).add("s", StringType())), useArrow=True)
    def halves(k, s):
        return [(i / 2, s[:i]) for i in range(k % 5)]  # raises for a NULL string

    frame = texts(parquet)
    check(spark, lambda: frame.select("k", large("k", "s")), deopt=None)
    check(spark, lambda: frame.filter("s is not null").select("k", halves("k", "s")))
    check(spark, lambda: frame.select("k", halves("k", "s")), deopt=None)


def test_shadowed_arrays(spark, parquet):
    made, few = udf(tokens, TOKENS, useArrow=True), udf(numbers, TOKENS, useArrow=True)
    frame = texts(parquet)
    check(spark, lambda: frame.select(made("s"), few("s")), conf={"spark.sparkweld.shadow.fraction": "1.0"})
