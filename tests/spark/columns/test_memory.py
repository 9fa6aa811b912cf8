"""Checks that a batch without memory runs as Spark planned it and ends no executor."""

from __future__ import annotations

import textwrap

import pytest

from tests.helpers.sampling import every_case

#: Spark, which has little memory, serves large allocations; a task that leaks some of it fails.
SMALL = {
    "spark.memory.offHeap.enabled": "true",
    "spark.memory.offHeap.size": "4m",
    "spark.unsafe.exceptionOnMemoryLeak": "true",
    "spark.sparkweld.backend": "native",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.autoBroadcastJoinThreshold": "-1",
}

PROGRAM = """
spark = session("local[1]")

@pandas_udf("string")
def thrice(s: pd.Series) -> pd.Series:
    return s + s + s

@pandas_udf("bigint")
def doubled(k: pd.Series) -> pd.Series:
    return k * 2

def long_texts(rows):
    return spark.range(0, rows, 1, 1).selectExpr("id", "concat(repeat('a', 500), cast(id as string)) as s")

# The arena of a batch, and the rows that come to it.
report(rows=off_and_on(spark, lambda: long_texts(10000).select("id", thrice("s").alias("u"))))

# The same over columns of a file, which are joined to larger batches and written as rows again.
long_texts(10000).write.parquet(folder + "/t")
table = spark.read.parquet(folder + "/t")
report(file=off_and_on(spark, lambda: table.select("id", thrice("s").alias("u"), "s")))
if EVERY:
    filtered = lambda: table.where("id % 7 != 0").select("id", thrice("s").alias("u")).where("u > 'aaa'")
    report(filtered=off_and_on(spark, filtered))

# The groups of a kernel that merges: Spark goes on itself.
names = spark.range(0, 20000, 1, 1).selectExpr("id", *(f"cast(id % {n} as string) as n{n}" for n in (3, 5, 7, 11)))
names.write.parquet(folder + "/names")
groups = lambda: (spark.read.parquet(folder + "/names").select("n3", "n5", "n7", "n11", doubled("id").alias("k"))
    .groupBy("n3", "n5", "n7", "n11").agg(F.sum("k"), F.max("k"), F.count("*")).orderBy("n3", "n5", "n7", "n11"))
report(groups=off_and_on(spark, groups))

# There is still a session, and what needs little runs in kernels.
report(after=off_and_on(spark, lambda: spark.range(0, 9000, 1, 1).select(doubled("id").alias("k"))))
report(held=spark._jvm.io.sparkweld.columns.OffHeapBuffer.liveBytes())
"""


@pytest.mark.sampled
def test_batches_without_memory_run_as_spark_planned_them(applications, tmp_path):
    ran = applications.run(f"folder, EVERY = {str(tmp_path)!r}, {every_case()}\n" + textwrap.dedent(PROGRAM), conf=SMALL)
    for name in ("rows", "file", "filtered") if every_case() else ("rows", "file"):
        facts = ran.facts[name]
        assert facts["equal"] and facts["rows"] > 6000, name
        assert sum(operator["deoptimisedBatches"] for operator in facts["operators"]) > 0, (name, facts)
    groups = ran.facts["groups"]
    assert groups["equal"] and groups["rows"] == 3 * 5 * 7 * 11
    assert sum(entry["sparkTasks"] for entry in groups["aggregates"]) > 0, groups
    after = ran.facts["after"]
    assert after["equal"] and after["operators"][0]["kernelBatches"] > 0 and after["operators"][0]["deoptimisedBatches"] == 0
    said = [line for line in ran.log.splitlines() if "SW341" in line]
    assert len([line for line in said if "run in Python" in line]) == 1
    assert len([line for line in said if "aggregates rows" in line]) == 1
    assert all("spark.memory.offHeap.size" in line for line in said)
