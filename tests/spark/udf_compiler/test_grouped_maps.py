"""Compares the rows of applyInPandas and their order, plugin off and on, also for groups that run in Python."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from tests.helpers.differential import check
from tests.helpers.lines import LINE
from tests.helpers.sampling import every_case

pytestmark = pytest.mark.skipif(LINE < (4, 2), reason="this line converts the results of groups in another way")

ROWS = 4000


@pytest.fixture
def table(parquet):
    """Writes groups of very different sizes, with NULLs in a key, in floats and in integers, and keys that are zeros and NaN."""
    ids = np.arange(ROWS)
    keys = [None if i % 41 == 5 else f"k{int(np.sqrt(i)) % 17}" for i in ids]
    x = [None if i % 13 == 4 else float("nan") if i % 29 == 7 else float(i * 37 % 1013) / 7 for i in ids]
    z = [None if i % 5 == 0 else (0.0, -0.0, float("nan"), 1.5)[i % 4] for i in ids]
    n = [None if i % 97 == 50 else int(i % 23 - 5) for i in ids]
    return parquet({"id": ids, "k": keys, "x": x, "z": z, "n": n, "w": [f"word {i % 9}" for i in ids], "small": ids // 3})


def centred(f):
    return f.assign(g=f.x - f.x.mean())


def ranked(key, f):
    f["g"] = f["x"].rank(ascending=False)
    return f


def summary(key, f):
    return pd.DataFrame([(*key, f.x.mean(), f.n.max(), len(f))], columns=["k", "m", "top", "rows"])


CENTRED = "id long, k string, x double, g double"


def largest(f):
    f = f.sort_values(["x", "id"], ascending=[False, True]).reset_index(drop=True)
    f["id"] = range(1, len(f) + 1)
    return f.head(5)


def priced(frames):
    for f in frames:
        f = f[f["id"] % 3 > 0]
        f["x"] = f["d"].astype(float) * f["x"]
        yield f


def test_columns_of_decimals(spark, table):
    sums = table.selectExpr("id", "cast(nullif(id % 9, 3) / 7 as decimal(10, 2)) d", "cast(id as decimal(18, 3)) e", "x")
    check(spark, lambda: sums.mapInPandas(priced, sums.schema))
    check(spark, lambda: sums.groupBy("d").applyInPandas(largest, sums.schema).where("e > 2.5"))


@pytest.mark.sampled
def test_rows_and_their_order(spark, table):
    some = table.select("id", "k", "x")
    check(spark, lambda: some.groupBy("k").applyInPandas(centred, CENTRED))
    check(spark, lambda: some.groupBy("k").applyInPandas(ranked, CENTRED))
    if every_case():
        check(spark, lambda: table.groupBy("k").applyInPandas(summary, "k string, m double, top double, rows long"))
        check(spark, lambda: table.where("id < 0").select("id", "k", "x").groupBy("k").applyInPandas(centred, CENTRED))


@pytest.mark.nightly(
    "tests/spark/udf_compiler/test_grouped_aggregates.py::test_groups_and_keys_of_every_kind",
    "test_rows_and_their_order",
)
def test_keys_of_every_kind(spark, table):
    some = table.select("id", "z", "x")
    check(spark, lambda: some.groupBy("z").applyInPandas(ranked, "id long, z double, x double, g double"))
    check(spark, lambda: some.groupBy().applyInPandas(ranked, "id long, z double, x double, g double"))
    two = table.select("id", "k", "n", "x")
    check(spark, lambda: two.groupBy("k", "n").applyInPandas(centred, "id long, k string, n double, x double, g double"))

    def with_key(key, f):
        return f.assign(q=key[0])

    by = (F.col("id") % 5).alias("q")
    check(spark, lambda: table.select("id", "x").groupBy(by).applyInPandas(with_key, "id long, x double, q long"))


@pytest.mark.nightly("test_rows_and_their_order", "tests/udf_compiler/eval_types/test_grouped_maps.py::test_strings_and_lengths")
def test_strings_filters_and_shifted_rows(spark, table):
    def words(f):
        kept = f[f.x > f.x.mean()]
        return kept.assign(u=kept.w.str.upper())[["id", "u"]]

    def steps(f):
        return pd.DataFrame({"id": f.id, "step": f.x.diff(), "total": f.x.cumsum(), "w": f.w})

    check(spark, lambda: table.groupBy("k").applyInPandas(words, "id long, u string"))
    check(spark, lambda: table.groupBy("k").applyInPandas(steps, "id long, step double, total double, w string"))


@pytest.mark.nightly("test_rows_and_their_order", "tests/udf_compiler/eval_types/test_grouped_maps.py::test_groups")
def test_sorted_and_distinct_rows(spark, table):
    def smoothed(f):
        f = f.sort_values(["n", "id"], ascending=[False, True]).reset_index(drop=True)
        f["step"] = f["x"].rolling(3, min_periods=1).mean()
        return f[["id", "w", "step"]].head(20)

    def latest(f):
        return f.sort_values("id").drop_duplicates("w", keep="last")[["id", "w", "x"]]

    def best(f):
        f["x"] = f["x"].ffill().fillna(0.0)
        return f.loc[[f["id"].idxmin()]][["id", "w", "x"]]

    check(spark, lambda: table.groupBy("k").applyInPandas(smoothed, "id long, w string, step double"))
    check(spark, lambda: table.groupBy("k").applyInPandas(latest, "id long, w string, x double"))
    check(spark, lambda: table.groupBy("k").applyInPandas(best, "id long, w string, x double"))
    check(spark, lambda: table.groupBy("k").applyInPandas(lambda f: f.sort_values("n")[["id"]], "id long"), deopt=True)


@pytest.mark.nightly("test_functions_of_batches_above_see_the_batches_of_spark")
def test_other_nodes_above_and_below(spark, table):
    def made():
        return table.where("id % 3 = 0").select("id", "k", "x").groupBy("k").applyInPandas(centred, CENTRED)

    def share(f):
        return f.assign(h=f.g / f.g.max())

    check(spark, lambda: made().where("g > 0").selectExpr("id + 1 i", "g * 2 h"))
    check(spark, lambda: made().groupBy("k").applyInPandas(share, f"{CENTRED}, h double"))
    check(spark, lambda: made().groupBy("k").agg(F.max("g"), F.count("*")).orderBy("k"))
    check(spark, lambda: made().orderBy(F.desc("g"), "id").limit(5))
    check(spark, lambda: made().groupBy("k").agg(F.max_by("id", "g"), F.max("g")).orderBy("k"))


def test_groups_that_a_branch_sends_to_python(spark, table):
    def careful(f):
        if len(f) < 3 or f.n.std() == 0:
            return f.assign(g=0.0)
        return f.assign(g=(f.n - f.n.mean()) / f.n.std())

    def query():
        return table.select("id", "k", "n").groupBy("k", F.expr("id > 3997")).applyInPandas(
            lambda f: careful(f), "id long, k string, n double, g double"
        )

    check(spark, query, deopt=True)
    few = table.select("id", "small", "n")
    check(spark, lambda: few.groupBy("small").applyInPandas(careful, "id long, small long, n double, g double"), deopt=None)


def test_columns_that_are_not_nullable(spark, table):
    fields = [StructField("id", LongType()), StructField("k", StringType()), StructField("x", DoubleType())]
    schema = StructType([*fields, StructField("g", DoubleType(), nullable=False)])
    whole = table.select("id", "k", F.expr("coalesce(nanvl(x, 0d), 0d) x"))
    check(spark, lambda: whole.groupBy("k").applyInPandas(centred, schema))


def test_large_groups_run_in_spark_s_own_node(spark, table):
    def query():
        return table.select("id", "k", "x").groupBy("k").applyInPandas(centred, CENTRED)

    check(spark, query, deopt=True, conf={"spark.sparkweld.groups.maxRows": "150"})
    check(spark, query, conf={"spark.sparkweld.groups.maxRows": "100000"})


def test_a_group_that_raises(spark, table):
    def whole_numbers(f):
        return f.assign(g=f.x.astype("int64"))

    check(spark, lambda: table.select("id", "k", "x").groupBy("k").applyInPandas(whole_numbers, CENTRED), deopt=None)


def test_functions_of_batches_above_see_the_batches_of_spark(spark, table):
    @F.pandas_udf(DoubleType())
    def running(v: pd.Series) -> pd.Series:
        return v.cumsum()

    @F.pandas_udf(DoubleType())
    def smoothed(v: pd.Series) -> pd.Series:
        return v.ewm(span=3).std()

    def query(function):
        means = table.groupBy("k").applyInPandas(summary, "k string, m double, top double, rows long")
        return means.select("k", function("m").alias("r")).orderBy("k")

    assert check(spark, lambda: query(running)).refusals == ()
    assert check(spark, lambda: query(smoothed)).refusals == ("SW250",)

    @F.pandas_udf(DoubleType())
    def by_dtype(v: pd.Series) -> pd.Series:
        return v * 2**62 // 2**60  # integers wrap, and the floats of a batch with NULLs do not

    def twice(f):
        return f.assign(n=f.n - f.n.mean() + f.n)

    def rows():
        alone = table.where("id < 400").select("id", "n").groupBy("id").applyInPandas(twice, "id long, n long")
        return alone.select("id", by_dtype("n").alias("r")).orderBy("id")

    check(spark, rows, deopt=None)


def test_what_stays_in_python(spark, table):
    some = table.select("id", "k", "x")
    ordered = "id long, k string, x double"
    check(spark, lambda: some.groupBy("k").applyInPandas(lambda f: f.sort_values("x", key=abs), ordered), refused="SW262")
    both = some.groupBy("k").cogroup(some.groupBy("k"))
    check(spark, lambda: both.applyInPandas(lambda a, b: a, ordered), refused="SW301")
