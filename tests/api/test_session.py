"""Checks `configure` and `explain` in separate processes: each way that a driver's JVM can start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sparkweld.bridge.jar import TESTED_LINES
from tests.helpers.lines import LINE

pytestmark = [pytest.mark.spark, pytest.mark.slow]

COMMON = """
import pandas as pd
import sparkweld
from pyspark.sql import SparkSession, functions as F
from pyspark.sql.types import DoubleType

@F.pandas_udf(DoubleType())
def doubled(x: pd.Series) -> pd.Series:
    return x * 2.0

def builder(untested="true"):
    quiet = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    quiet = quiet.config("spark.sparkweld.untestedLines.enabled", untested)  # this tests other lines of Spark
    return quiet.config("spark.sparkweld.backend", "native")  # over rows the cost model would take an expression

def scored(spark):
    return spark.range(10).selectExpr("cast(id as double) x").select(doubled("x").alias("y"))

def show(spark):
    print("SUM", scored(spark).selectExpr("sum(y)").first()[0])
    print("EXPLAIN", sparkweld.explain(scored(spark)))
"""


def run(tmp_path: Path, body: str, *launcher: str, **environment: str) -> str:
    """Returns the standard output of a program in its own process, started by `launcher`."""
    script = tmp_path / "job.py"
    script.write_text(COMMON + body)
    settings = {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1", **environment}
    command = [*(launcher or (sys.executable,)), str(script)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **settings}, cwd=tmp_path, timeout=180)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def spark_submit() -> str:
    """Returns the spark-submit of the pyspark that the tests run with."""
    import pyspark

    return str(Path(pyspark.__file__).parent / "bin" / "spark-submit")


@pytest.mark.skipif(LINE >= (4, 0), reason="tests/spark/test_deployments.py runs the server of a later line")
@pytest.mark.parametrize("untested", ["false", "true"])
def test_spark_3_5_with_the_classes_of_a_connect_server_is_not_tested(tmp_path, untested):
    """PySpark 3.5 has no server to test with."""
    server = tmp_path / "org" / "apache" / "spark" / "sql" / "connect" / "service" / "SparkConnectServer.class"
    server.parent.mkdir(parents=True)
    server.touch()
    made = f'builder("{untested}").config("spark.driver.extraClassPath", {str(tmp_path)!r})'
    out = run(tmp_path, f"show(sparkweld.configure({made}).getOrCreate())")
    assert "SUM 90.0" in out
    assert ("EXPLAIN compiled doubled" in out) == (untested == "true")


def test_under_spark_submit_without_jars(tmp_path):
    out = run(tmp_path, "show(sparkweld.configure(builder()).getOrCreate())", spark_submit())
    assert "SUM 90.0" in out
    assert "EXPLAIN compiled doubled" in out


def test_after_a_session_without_the_plugin_it_is_active_exactly_on_tested_lines(tmp_path):
    """The session of `tests/spark/conftest.py` is that of a plain program."""
    body = """
plain = builder().getOrCreate()
print("BEFORE", sparkweld.explain(scored(plain)))
try:
    sparkweld.configure(builder())
except sparkweld.UserError as fault:
    print("RUNNING", fault)
plain.stop()
show(sparkweld.configure(builder("false")).getOrCreate())
"""
    out = run(tmp_path, body)
    assert "BEFORE SparkWeld is not active in this session: spark.plugins is not set." in out
    assert "RUNNING a SparkContext without the plugin runs already" in out
    assert "SUM 90.0" in out
    assert ("EXPLAIN compiled doubled" in out) == (".".join(map(str, LINE)) in TESTED_LINES)
