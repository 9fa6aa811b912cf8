"""Checks shadow runs: a sample of batches also runs in Python, is compared and counted, and disables a wrong kernel."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xgboost
from packaging.version import Version
from pyspark.sql.functions import pandas_udf
from xgboost import XGBClassifier

import sparkweld
from tests.helpers.differential import check, measured, run

FRACTION = "spark.sparkweld.shadow.fraction"


def counted(frame) -> tuple[int, int]:
    """Returns (rows compared, batches that differ)."""
    report = json.loads(frame.sparkSession._jvm.io.sparkweld.ui.WeldReport.report(frame._jdf.queryExecution()))
    return tuple(sum(o[name] for o in report["operators"]) for name in ("shadowRows", "shadowDifferences"))


class Shifting:
    """A number that differs between the compile service and a worker, because both unpickle it: undetectable by any proof."""

    def __init__(self, in_service: str, elsewhere: str) -> None:
        self.source = f"{in_service} if 'udf_compiler.requests.pipeline' in __import__('sys').modules else {elsewhere}"

    def __reduce__(self):
        return eval, (self.source,)


@pytest.fixture
def table(parquet):
    return parquet({"x": np.arange(10_000.0)}, row_group_size=1000)


def test_a_sample_of_batches_is_compared(spark, table):
    @pandas_udf("double")
    def smooth(x: pd.Series) -> pd.Series:
        return np.exp(-x / 1000) * 3  # kept within a few units of the last place

    query = lambda: table.where("x >= 500").select("x", smooth("x").alias("y"))  # noqa: E731
    for fraction, rows in (("0", 0), ("0.2", 2000), ("1", 9500)):
        check(spark, query, conf={FRACTION: fraction}, ulp=4)
        _, frame = run(spark, query, {FRACTION: fraction})
        compared, differing = counted(frame)
        assert differing == 0 and abs(compared - rows) <= 1000 and (compared > 0) == (rows > 0)
    # A value that is not a share counts as none.
    _, frame = run(spark, query, {FRACTION: "2"})
    assert counted(frame) == (0, 0)


def test_small_numbers_are_compared_by_their_own_size(spark, table):
    """The largest value of a column scales the tolerance of approximate results: near 1e-12, none may be off by half."""
    scale = Shifting("2e-12", "3e-12")

    @pandas_udf("double")
    def small(x: pd.Series) -> pd.Series:
        return np.exp(-x / 10_000) * scale

    query = lambda: table.select("x", small("x").alias("y"))  # noqa: E731
    _, frame = run(spark, query, {FRACTION: "1"})
    assert counted(frame)[1] > 0
    assert "SW956" in sparkweld.explain(query())


def test_doubles_made_of_single_precision_are_compared_as_such(spark, table):
    x = pd.DataFrame({"x": np.arange(10_000.0)})
    noise = np.random.default_rng(0).normal(size=len(x))
    model = XGBClassifier(n_estimators=50).fit(x, np.sin(x.x / 500) + noise > 0)

    @pandas_udf("double")
    def likely(x: pd.Series) -> pd.Series:
        return pd.Series(model.predict_proba(pd.DataFrame({"x": x}))[:, 1].astype("float64"))

    made, frame = run(spark, lambda: table.select(likely("x").alias("y")), {FRACTION: "1"})
    assert counted(frame) == (10_000, 0)
    if Version(xgboost.__version__) >= Version("3.4"):  # XGBoost 3.2 returns the digits of the kernel
        assert [y for (y,) in made.rows] != model.predict_proba(x)[:, 1].tolist()


def test_a_difference_turns_the_kernel_off(spark, table):
    offset = Shifting("2.0", "3.0")

    @pandas_udf("double")
    def shifted(x: pd.Series) -> pd.Series:
        return x + offset

    query = lambda: table.select("x", shifted("x").alias("y"))  # noqa: E731
    wrong, _ = run(spark, query, {})
    assert {row[1] - row[0] for row in wrong.rows} == {2.0}  # the kernel has the service's number
    right, frame = run(spark, query, {FRACTION: "1"})
    assert {row[1] - row[0] for row in right.rows} == {3.0}  # from the first batch on
    assert counted(frame)[1] == 1 and measured(frame).deoptimised_batches == 9
    assert spark._jvm.io.sparkweld.support.WarnOnce.warned("breaker:")
    # Off for the application: the plan leaves it to Spark at any fraction, and reports the difference.
    check(spark, query, refused="SW956")
    told = " ".join(sparkweld.explain(query()).split())
    assert "SW955" in told and "A comparison of shifted with Python" in told
    assert "in row 0 of a batch of partition 0, y is 2.0 in the kernel and 3.0 in Python" in told


def test_rows_that_python_refuses_are_a_difference(spark, table):
    limit = Shifting("1e9", "10.0")

    @pandas_udf("double")
    def checked(x: pd.Series) -> pd.Series:
        return x.astype("int64") // (limit * 0 + 1) if limit > 10 else x.astype("int64").map(lambda v: 1 // 0)

    query = lambda: table.select(checked("x").alias("y"))  # noqa: E731
    made, _ = run(spark, query, {})
    assert made.error is None
    refused, _ = run(spark, query, {FRACTION: "1"})
    assert refused.error is not None and "ZeroDivision" in refused.error
