"""Checks annotated aggregate UDFs: states before the shuffle, merged after it, with the rows of the plugin off."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import BooleanType, DoubleType, StringType

import sparkweld
from sparkweld.annotations import Merged, Rows, splittable
from tests.helpers.differential import run, session_conf
from tests.helpers.lines import of_worker_pipelines
from tests.helpers.outcomes import Outcome, differences
from tests.helpers.sampling import every_case

OFF = {"spark.sparkweld.enabled": "false"}


def counted(s):
    return Counter(s.tolist())


def most_common(counts):
    return min(counts, key=lambda v: (-counts[v], str(v))) if counts else None


@pandas_udf(StringType())
@splittable((Rows(dtype="str"),), returns=Merged(lambda a, b: a + b, state=counted, finish=most_common))
def mode(s: pd.Series) -> str:
    return most_common(counted(s))


def bits(s):
    found = 0
    for v in s.dropna():
        found |= 1 << (int(v) % 61)
    return found, str(s.dtype) == "float64", len(s)


@pandas_udf(StringType())
@splittable(
    (Rows(dtype="int64"),),
    returns=Merged(lambda a, b: (a[0] | b[0], a[1] and b[1], a[2] + b[2]), state=bits, finish=str),
)
def sketch(s: pd.Series) -> str:
    return str(bits(s))


@pandas_udf(DoubleType())
@splittable((Rows(), Rows(dtype="float64")), returns=Merged(np.maximum, state=lambda a, b: np.nanmax([*(a * b), -1e9])))
def best(a: pd.Series, b: pd.Series) -> float:
    return np.nanmax([*(a * b), -1e9])


@pandas_udf(BooleanType())
@splittable(
    (Rows(dtype="bool"),), returns=Merged(lambda a, b: a | b, state=lambda s: set(s.map(repr)), finish=lambda s: len(s) > 1)
)
def varied(s: pd.Series) -> bool:
    return len(set(s.map(repr))) > 1


@pandas_udf(DoubleType())
def median(s: pd.Series) -> float:
    return s.median()


@pytest.fixture
def table(parquet):
    random, rows = np.random.default_rng(4), 5000
    g = random.integers(0, 30, rows)
    x = random.normal(0, 3, rows)
    x[random.random(rows) < 0.1] = np.nan
    k = random.integers(-(2**60), 2**60, rows)
    return parquet(
        {
            "g": pa.array(g, mask=g == 3),
            "name": pa.array([f"näme {v % 4}" for v in g], mask=random.random(rows) < 0.1),
            "day": pa.array(g % 3, pa.int32()).cast(pa.date32()),
            "x": pa.array(x, mask=(g == 5) | (random.random(rows) < 0.1)),
            "y": random.normal(0, 1, rows),
            "k": pa.array(k, mask=(g == 7) | ((g == 8) & (random.random(rows) < 0.01))),
            "flag": pa.array(x > 0, mask=(g == 7) | ((g == 8) & (random.random(rows) < 0.05))),
        }
    )


def by_text(outcome):
    """Returns the outcome with its rows sorted by representation."""
    return Outcome(tuple(sorted(outcome.rows, key=repr)), outcome.error)


def check(spark, query, aggregates):
    """Checks equal rows off and on, with `aggregates` state and merge nodes."""
    (off, _), (on, _) = run(spark, query, OFF), run(spark, query, {})
    assert off.error is None and on.error is None, (off.error, on.error)
    assert differences(by_text(off), by_text(on)) == []
    text = sparkweld.explain(query().select("*"))
    assert text.count("partial aggregation in Python") == aggregates, text
    return text


@pytest.mark.sampled
@of_worker_pipelines
def test_groups(spark, table):
    every = [mode("name").alias("a"), sketch("k").alias("b"), best("x", "y").alias("c"), varied("flag").alias("d")]
    text = check(spark, lambda: table.groupBy("g").agg(*every), 1)
    assert "states of each group before the shuffle" in text
    check(spark, lambda: table.groupBy("name", "day").agg(sketch("k"), (best("x", "y") + 1).alias("c")), 1)
    if every_case():
        check(spark, lambda: table.groupBy((F.col("g") % 3).alias("m")).agg(mode("name"), mode(F.upper("name"))), 1)
        check(spark, lambda: table.agg(sketch("k"), mode("name")), 1)
    none = lambda: table.where("g > 1000").agg(mode("name"))  # noqa: E731
    check(spark, none, 1)
    assert none().count() == 0  # Spark's own aggregates would return a row
    if every_case():
        check(spark, lambda: table.where("g > 1000").groupBy("g").agg(mode("name")), 1)
        check(spark, lambda: table.groupBy("g").agg(best("x", "y").alias("c")).where("c > 3").groupBy("c").agg(F.count("*")), 1)


def strict(x):
    if (x > 1e5).any():
        raise ValueError("no state for such rows")
    return float(x.sum()), len(x)


@splittable((Rows(),), returns=Merged(lambda a, b: (a[0] + b[0], a[1] + b[1]), 1e-9, strict, lambda s: s[0] / s[1]), check=False)
def clipped(x: pd.Series) -> float:
    return float(x.mean()) if len(x) else max(x, key=abs)


def test_warnings_of_spark_about_its_own_functions_remain(spark, table):
    """Spark itself refuses the query; the plugin neither answers nor breaks it."""
    @pandas_udf(DoubleType())
    def compiled(x: pd.Series) -> float:
        return x.sum()

    for call in (mode("name"), compiled("x")):
        with pytest.raises(AnalysisException, match="INVALID_PANDAS_UDF_PLACEMENT"):
            table.groupBy("g").agg(call, F.count("x")).collect()


@of_worker_pipelines
def test_groups_for_which_a_state_raises_are_the_functions(spark, parquet):
    groups = np.arange(2000) % 8
    table = parquet({"g": groups, "x": np.where(groups == 3, 1e6, 1.5) * (np.arange(2000) % 10 + 1)})
    function = pandas_udf(clipped, "double")
    check(spark, lambda: table.groupBy("g").agg(function("x").alias("m")), 1)


def clash(a, b):
    """A merge that fails where it meets a state that trials had none of."""
    if "clash" in a + b:
        raise ValueError("such states do not merge")
    return a + b


def ended(counts):
    if counts["clash"] > 1000:
        raise ValueError("no result of such states")
    return most_common(counts)


def annotated_mode(merge=lambda a, b: a + b, finish=most_common, result=lambda s: most_common(counted(s))):
    annotation = Merged(merge, state=counted, finish=finish)

    @pandas_udf(StringType())
    @splittable((Rows(dtype="str"),), returns=annotation)
    def mode_of(s: pd.Series) -> str:
        return result(s)

    return mode_of


@pytest.mark.gate_cases("false")
@of_worker_pipelines
@pytest.mark.parametrize("adaptive", ["true", "false"])
def test_a_merge_or_finish_that_raises_leaves_the_query_to_spark(spark, parquet, adaptive):
    table = parquet({"g": np.arange(4000) % 8, "name": np.where(np.arange(4000) % 8 == 3, "clash", "plain")})
    tasks = table.repartition(3)  # so that there are states to merge
    for how in ({"merge": clash}, {"finish": ended}):
        function = annotated_mode(**how)
        with session_conf(spark, {"spark.sql.adaptive.enabled": adaptive}):
            check(spark, lambda function=function: tasks.groupBy("g").agg(function("name").alias("m")), 1)
            if adaptive == "true":
                check(spark, lambda function=function: tasks.groupBy("g").agg(function("name").alias("m")).orderBy("m", "g"), 1)
    whole = lambda: tasks.unionAll(tasks).unionAll(tasks).agg(annotated_mode(finish=ended)("name").alias("m"))  # noqa: E731
    check(spark, whole, 1)


def test_errors_of_the_function_itself_are_raised(spark, parquet):
    def refuses(s):
        if (s == "clash").sum() > 400:
            raise ValueError("no mode of such a group")
        return most_common(counted(s))

    function = annotated_mode(finish=ended, result=refuses)
    table = parquet({"g": np.arange(9000) % 8, "name": np.where(np.arange(9000) % 8 == 3, "clash", "plain")})
    for conf in (OFF, {}):
        outcome, _ = run(spark, lambda: table.groupBy("g").agg(function("name")), conf)
        assert outcome.error == "ValueError"


def moments(x, k):
    return len(x), float(np.log1p(x * x).sum()), float((x * k).sum())


def summary(state):
    return state[1] / max(state[0], 1) + abs(state[2])


def added(a, b):
    return tuple(np.add(a, b).tolist())


def difference(state):
    return state[1] / state[0] - state[2]


TYPES = (Rows(), Rows(dtype="int64"))


@pandas_udf(DoubleType())
@splittable(TYPES, returns=Merged(added, 1e-9, moments, summary), check=False)
def summed_up(x: pd.Series, k: pd.Series) -> float:
    return summary(moments(x, k)) if len(x) >= 0 else max(x, key=abs)


@pandas_udf(DoubleType())
@splittable(TYPES, returns=Merged(added, 1e-9, moments, difference), check=False)
def differing(x: pd.Series, k: pd.Series) -> float:
    return difference(moments(x, k)) if len(x) >= 0 else max(x, key=abs)


@of_worker_pipelines
def test_states_of_reductions_are_spark_s(spark, table):
    """No row runs in Python: a kernel computes the summands, and `finish` takes one row per group, or is also an expression."""
    both = summed_up("x", "k").alias("a"), summed_up("y", "k").alias("b")
    text = check_close(spark, lambda: table.groupBy("g", "name").agg(*both), 1)
    assert "by Spark's own aggregation, finished in Python" in text and "row-local" in text
    assert "SW367" not in text, text
    check_close(spark, lambda: table.agg(summed_up("x", "k")), 1)
    assert table.where("g > 1000").agg(summed_up("x", "k")).count() == 0
    text = check_close(spark, lambda: table.groupBy("g").agg(differing("x", "k").alias("a")), 0)
    assert "aggregated in the kernel" in text, text


def check_close(spark, query, aggregates):
    """Checks as `check` does, with floats within the annotation's tolerance."""
    rows = []
    for conf in (OFF, {}):
        outcome, _ = run(spark, query, conf)
        assert outcome.error is None, outcome.error
        rows.append(sorted(outcome.rows, key=lambda row: repr([v for v in row if not isinstance(v, float)])))
    assert len(rows[0]) == len(rows[1]) > 0
    for off, on in zip(*rows, strict=True):
        for a, b in zip(off, on, strict=True):
            assert a == b or (isinstance(a, float) and np.isclose(a, b, rtol=1e-9, equal_nan=True)), (off, on)
    text = sparkweld.explain(query().select("*"))
    assert text.count("partial aggregation in Python") == aggregates, text
    return text


@pytest.mark.nightly("test_errors_of_the_function_itself_are_raised")
@of_worker_pipelines
def test_calls_without_an_annotation_run_unchanged(spark, table):
    for calls, key, code in (
        ([mode("name"), median("x")], "g", "SW"),
        ([mode("name")], "y", "SW"),  # 0.0 and -0.0 are one key
        ([sketch("day")], "g", "SW647"),
    ):
        query = lambda calls=calls, key=key: table.groupBy(key).agg(*calls)  # noqa: E731
        if code != "SW647":
            assert differences(by_text(run(spark, query, OFF)[0]), by_text(run(spark, query, {})[0])) == []
        text = sparkweld.explain(query().select("*"))
        assert "partial aggregation in Python" not in text and code in text
