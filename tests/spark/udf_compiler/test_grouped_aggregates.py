"""Compares the rows of grouped aggregate pandas UDFs that no partial aggregation computes, plugin off and on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType

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
    return parquet({"id": ids, "k": keys, "x": x, "z": z, "n": n, "w": [f"word {i % 9}" for i in ids]})


@F.pandas_udf(DoubleType())
def middle(v: pd.Series) -> float:
    return v.median()


@F.pandas_udf(DoubleType())
def spread(v: pd.Series, n: pd.Series) -> float:
    return v.quantile(0.9) - v.quantile(0.1) + n.max()


@pytest.mark.sampled
def test_groups_and_keys_of_every_kind(spark, table):
    check(spark, lambda: table.groupBy("k").agg(middle("x")))
    check(spark, lambda: table.groupBy("z").agg(middle("n").alias("m")))
    check(spark, lambda: table.groupBy("k", "n").agg(middle("x")))
    check(spark, lambda: table.groupBy((F.col("id") % 7).alias("q"), "k").agg(middle("x"), spread("x", "n")))
    if every_case():
        check(spark, lambda: table.groupBy().agg(middle("x")))
        check(spark, lambda: table.agg(middle("x")))
        check(spark, lambda: table.where("id < 0").groupBy("k").agg(middle("x")))
        check(spark, lambda: table.where("id < 0").agg(middle("x")))


@pytest.mark.nightly("test_groups_and_keys_of_every_kind")
def test_expressions_of_arguments_and_of_results(spark, table):
    check(spark, lambda: table.groupBy("k").agg((middle(F.col("x") * 2) + 1).alias("a"), F.concat("k", F.lit("!")).alias("b")))
    check(spark, lambda: table.groupBy("k").agg(middle("x").alias("m")).where("m > 40").orderBy("k"))
    both = table.groupBy("k").agg(middle("x").alias("m"))
    check(spark, lambda: table.join(both, "k").groupBy("k").agg(middle(F.col("x") - F.col("m"))))


@pytest.mark.nightly("test_groups_and_keys_of_every_kind")
def test_beside_functions_of_rows(spark, table):
    @F.pandas_udf("double")
    def doubled(v: pd.Series) -> pd.Series:
        return v * 2

    check(spark, lambda: table.withColumn("y", doubled("x")).groupBy("k").agg(middle("y")))
    check(spark, lambda: table.groupBy("k").agg(doubled(middle("x"))))


@pytest.mark.nightly(
    "tests/spark/udf_compiler/test_grouped_maps.py::test_groups_that_a_branch_sends_to_python",
    "tests/udf_compiler/eval_types/test_grouped_aggregates.py::test_groups_that_take_the_rare_way_run_in_python",
)
def test_groups_that_run_in_python(spark, table):
    @F.pandas_udf("double")
    def known(v: pd.Series) -> float:
        kept = v[v.notna()]
        if len(kept) == 0:
            return None
        return kept.median()

    check(spark, lambda: table.groupBy("k").agg(known("x")))
    check(spark, lambda: table.groupBy("id").agg(known("x")), deopt=True)
    check(spark, lambda: table.groupBy("k").agg(middle("x")), deopt=True, conf={"spark.sparkweld.groups.maxRows": "150"})


def test_what_stays_in_python(spark, table):
    @F.pandas_udf("double")
    def shape(v: pd.Series) -> float:
        return v.kurt()

    check(spark, lambda: table.groupBy("k").agg(shape("x")), refused="SW312")
