"""Checks profiles of queries: rows and their comparison, times, places, reasons, advice, and that settings are restored."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pandas as pd
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf
from pyspark.sql.types import DoubleType

import sparkweld
from sparkweld.errors import UserError
from sparkweld.profiling import measuring
from sparkweld.profiling.rows import comparable, digest, digest_query, hashed
from tests.helpers.lines import LINE

ENABLED = "spark.sparkweld.enabled"


@pandas_udf(DoubleType())
def score(x: pd.Series) -> pd.Series:
    return (x - 3) * x


@pandas_udf(DoubleType())
def grown(x: pd.Series) -> pd.Series:
    return np.exp(x) * 2


@pandas_udf(DoubleType())
def smoothed(x: pd.Series) -> pd.Series:
    return x.ewm(span=5).std()


@udf(DoubleType())
def lucky(x):
    import random

    return x + random.random()


@pytest.fixture(scope="module", autouse=True)
def kernels_only(spark):
    """Has functions run in kernels, and not as Spark's own expressions, which would be as fast."""
    spark.conf.set("spark.sparkweld.backend", "native")
    yield
    spark.conf.unset("spark.sparkweld.backend")


@pytest.fixture
def table(spark):
    return spark.range(0, 3000, 1, 2).selectExpr("id", "cast(id as double) / 7 as x", "cast(id as string) as t")


@pytest.fixture(autouse=True)
def settings_are_restored(spark):
    """Fails a test that leaves another setting than it found."""
    before = spark.sql("SET").collect()
    yield
    assert spark.sql("SET").collect() == before


def profiled(df, seconds=0.0):
    return sparkweld.profile(df, seconds=seconds, format="dict")


def test_a_kernel(table):
    made = sparkweld.profile(table.select("*", score("x").alias("r")), seconds=60)
    found = made.as_dict()
    assert (found["rows"]["outcome"], found["rows"]["rows"]) == ("equal", 3000)
    (function,) = found["functions"]
    assert (function["function"], function["where"], function["rows"]) == ("score", "kernel", 3000)
    assert found["times"]["repeated"]["pairs"] == 3 and found["times"]["repeated"]["on"] > 0
    assert found["advice"] == [] and found["entries"][0]["functions"] == ["score"]
    text = str(made)
    assert text.startswith("rows: equal. All 3,000 rows are equal") and "shortest of 3 more" in text and "kernel" in text
    page = made._repr_html_()
    assert "Rows: equal." in page and "<td>kernel</td>" in page


def test_a_reason_has_its_place_hint_and_line(table):
    found = profiled(table.select(smoothed("x").alias("r")))
    assert (found["rows"]["outcome"], found["functions"][0]["where"]) == ("equal", "python")
    (advice,) = found["advice"]
    assert (advice["function"], advice["code"], advice["diff"]) == ("smoothed", "SW250", ())
    assert advice["place"].startswith("smoothed, line ") and advice["line"] == "return x.ewm(span=5).std()"
    assert "Compute it with Spark" in str(sparkweld.profile(table.select(smoothed("x")), seconds=0))


def test_approximate_operations_agree_to_nine_digits(table, monkeypatch):
    query = table.select("id", grown(F.col("x") / 100).alias("r"))
    assert profiled(query)["rows"]["outcome"] in ("equal", "equal to nine digits")
    # rows that differ in the last digits, whatever this machine's libm does
    first = measuring._first

    def changed(df, columns, settings):
        seconds, found, runs = first(df, columns, settings)
        on = settings[ENABLED] == "true"
        return seconds, measuring.Digest(found.rows, (1, 2, 3), (found.columns[0], 7)) if on else found, runs

    monkeypatch.setattr(measuring, "_first", changed)
    rows = profiled(query)["rows"]
    assert (rows["outcome"], rows["columns"]) == ("equal to nine digits", ("r",)) and "exp" in rows["text"]
    assert profiled(table.select("id", score("x").alias("r")))["rows"]["outcome"] == "different"


def test_what_is_not_comparable_is_never_different(spark, table):
    rand = profiled(table.select(score("x"), F.rand()))["rows"]
    assert rand["outcome"] == "equal" or "nondeterministic expressions" in rand["text"]
    fresh = profiled(table.select(lucky("x")))["rows"]
    assert fresh["outcome"] == "not comparable" and "Two runs without SparkWeld" in fresh["text"]
    few = profiled(table.repartition(3).select(score("x")).limit(7))["rows"]
    assert few["outcome"] in ("equal", "not comparable")


@pytest.mark.gate_cases(
    "null, '', 'a', 'a ', 'A'",
    "values1",
    "null, map(), map('a', 1), map('a', 2), map('b', 1), map('a', null), map('a', 1, 'b', 2)",
)
@pytest.mark.parametrize(
    "values",
    [
        "null, 0.0D, -0.0D, double('nan'), double('inf'), 1.0D",
        "null, array(), array(0.0D), array(-0.0D), array(cast(null as double)), array(0.0D, null), array(null, 0.0D)",
        "null, map(), map('a', 1), map('a', 2), map('b', 1), map('a', null), map('a', 1, 'b', 2)",
        "null, named_struct('a', 1, 'b', null), named_struct('a', null, 'b', 1), named_struct('a', null, 'b', null)",
        "null, '', 'a', 'a ', 'A'",
        "null, X'', X'00', X'0000'",
        "null, date'2024-01-01', date'1970-01-01'",
        "null, interval 0 day, interval 1 day",
        "null, 0BD, 1.50BD, -1.50BD",
        "null, true, false",
    ],
)
def test_values_that_differ_have_other_hashes(spark, values):
    df = spark.sql(f"select explode(array({values})) as v")
    found = [row[0] for row in hashed(df, comparable(df)).collect()]
    assert len(set(found)) == len(found) == spark.sql(f"select size(array({values}))").first()[0]


def test_maps_are_sets_and_all_nan_are_equal(spark):
    df = spark.sql("select explode(array(map('a', 1, 'b', 2), map('b', 2, 'a', 1))) as m, double('nan') as n")
    assert hashed(df, comparable(df)).distinct().count() == 1


def test_repeated_rows_count(spark):
    one, two = (spark.createDataFrame([(1,), (2,), (at,)], "v long") for at in (1, 2))
    digests = [digest(digest_query(df, comparable(df))) for df in (one, two)]
    assert digests[0].rows == digests[1].rows == 3 and digests[0].sums != digests[1].sums


def test_empty_tables_equal_names_nulls_and_nested_columns(spark, table):
    assert profiled(table.where("x < -1").select(score("x")))["rows"]["text"] == "All 0 rows are equal, in any order."
    double = table.select(score("x").alias("r"), F.col("x").alias("r"), F.col("t").alias("a.b"), F.lit(None).alias("n"))
    assert profiled(double, seconds=30)["rows"]["outcome"] == "equal"
    nested = table.selectExpr("x", "map(t, array(x, null))as m", "named_struct('x y', x, 'b', array(named_struct('c', t))) as s")
    assert profiled(nested.select("*", score("x")))["rows"]["outcome"] == "equal"


def test_columns_without_a_hash_are_named(spark, table):
    struct = table.selectExpr("x", "named_struct('a', x, 'A', t) as s").select("s", score("x").alias("r"))
    rows = profiled(struct)["rows"]
    assert (rows["outcome"], rows["skipped"]) == ("equal", ("s",)) and "Not compared: s" in rows["text"]
    assert profiled(struct.select("s"))["rows"]["outcome"] == "not comparable"


def test_errors_of_the_query_are_unchanged(spark, table):
    failing = table.select(udf(lambda x: 1 / (x - x), "double")("x"))
    with pytest.raises(PySparkException, match="ZeroDivisionError"):
        sparkweld.profile(failing)


def test_settings_are_restored_after_an_interrupt(spark, table, monkeypatch):
    def interrupted(query):
        assert spark.conf.get(ENABLED) == "true" or not hasattr(interrupted, "once")
        if hasattr(interrupted, "once"):
            raise KeyboardInterrupt
        interrupted.once = True
        return digest(query)

    monkeypatch.setattr(measuring, "digest", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sparkweld.profile(table.select(score("x")))
    assert spark.conf.get(ENABLED, "unset") in ("unset", "true")


def test_a_session_with_the_plugin_off(spark, table):
    spark.conf.set(ENABLED, "false")
    try:
        frame = table.select(score("x"))
        frame.collect()  # the DataFrame keeps this plan
        assert profiled(frame)["functions"][0]["where"] == "kernel"
        assert spark.conf.get(ENABLED) == "false"
    finally:
        spark.conf.unset(ENABLED)


def test_a_cached_table_is_said(spark, table):
    cached = table.select(score("x").alias("r")).cache()
    try:
        cached.count()
        found = profiled(cached)
        assert "unpersist it" in found["notes"][0]
    finally:
        cached.unpersist(blocking=True)


def test_what_cannot_be_profiled(spark, table):
    with pytest.raises(UserError, match="reads a stream"):
        sparkweld.profile(spark.readStream.format("rate").load())
    with pytest.raises(UserError, match="not a int"):
        sparkweld.profile(3)
    with pytest.raises(UserError, match="format='html'"):
        sparkweld.profile(table, format="html")

    class OfConnect:
        sparkSession, schema = None, None

    with pytest.raises(UserError, match="Spark Connect does not report"):
        sparkweld.profile(OfConnect())
    assert "no Python function" in profiled(table)["notes"][0]


JOB = '''
import pandas as pd


def clipped(x: pd.Series) -> pd.Series:
    x[x < 10] = 0.0
    return x


def noisy(x):
    print("row", x)
    return x + 1


def host(x):
    import socket
    print(x)
    return x + len(socket.gethostname())
'''


@pytest.fixture
def job(tmp_path):
    path = tmp_path / "job.py"
    path.write_text(JOB)
    spec = importlib.util.spec_from_file_location("profiled_job", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)  # not in sys.modules: its functions are pickled by value
    assert "profiled_job" not in sys.modules
    for name in ("clipped", "noisy", "host"):
        getattr(module, name).__module__ = "__main__"
    return module


@pytest.mark.skipif(LINE < (4, 3), reason="the function itself raises where the arrays of pandas UDFs are read-only")
def test_a_change_with_the_same_rows_is_a_diff(table, job):
    found = profiled(table.select(pandas_udf(job.clipped, "double")("x").alias("r")), seconds=30)
    (advice,) = found["advice"]
    assert (advice["code"], found["functions"][0]["where"]) == ("SW256", "python")
    assert [line for line in advice["diff"] if line.startswith("+")] == ["+++ job.py", "+    x = x.copy()"]
    made = sparkweld.profile(table.select(udf(job.noisy, "double")("x").alias("r")), seconds=30)
    assert [a.diff[-2:] for a in made.advice] != [] and '-    print("row", x)' in str(made)
    assert "<del>-    print(&quot;row&quot;, x)</del>" in made._repr_html_()


def test_a_change_that_does_not_help_is_none(table, job):
    advice = profiled(table.select(udf(job.host, "double")("x").alias("r")), seconds=30)["advice"]
    assert advice and not any(one["diff"] for one in advice)


def test_strings_are_escaped(table, job):
    job.host.__name__ = job.host.__qualname__ = "<script>alert(1)</script>"
    page = sparkweld.profile(table.select(udf(job.host, "double")("x").alias("<b>")), seconds=0)._repr_html_()
    assert "<script>" not in page and "&lt;script&gt;alert(1)" in page
