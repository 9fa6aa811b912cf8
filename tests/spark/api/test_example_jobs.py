"""Runs the example jobs: equal rows with and without kernels, their functions in kernels, and one as it is submitted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest

import sparkweld
from jobs.examples import clean_orders, query_sales, score_customers
from sparkweld.bridge.jar import jar_path
from tests.helpers.drivers import ROOT

EXAMPLES = Path(ROOT) / "jobs" / "examples"


def places(found):
    return {name: one["where"] for one in found["functions"] for name in one["function"].split(", ")}


@pytest.mark.nightly("test_the_analyst", "tests/spark/test_pages.py::test_the_code_of_a_page_runs")
def test_the_data_engineer(spark, tmp_path):
    query = clean_orders.clean(clean_orders.write_orders(spark, 5000, str(tmp_path / "orders")))
    found = sparkweld.profile(query, seconds=0, format="dict")
    assert (found["rows"]["outcome"], found["advice"]) == ("equal", [])
    assert 1000 < found["rows"]["rows"] < 5000
    assert {row.country for row in query.select("country").distinct().collect()} == set(clean_orders.RATES)
    assert set(places(found)) == {"country_of", "amount_of", "net_price"} and "python" not in places(found).values()


@pytest.mark.nightly("test_the_analyst", "tests/spark/udf_compiler/test_models.py::test_tree_ensembles")
def test_the_ml_engineer(spark, tmp_path):
    model = tmp_path / "leaves.joblib"
    score_customers.fit(model)
    query = score_customers.score(score_customers.write_customers(spark, 3000, str(tmp_path / "customers")), model)
    found = sparkweld.profile(query, seconds=0, format="dict")
    assert found["rows"]["outcome"] in ("equal", "equal to nine digits") and 0 < found["rows"]["rows"] < 3000
    assert set(places(found).values()) == {"kernel"}


def test_the_analyst(spark, tmp_path):
    found = sparkweld.profile(query_sales.answer(spark, 5000, str(tmp_path / "sales")), seconds=0, format="dict")
    assert (found["rows"]["outcome"], found["advice"]) == ("equal", [])
    assert set(places(found)) == {"region_of", "season", "discount"} and "python" not in places(found).values()


@pytest.mark.nightly("test_the_analyst", "tests/spark/api/test_score_job.py::test_formats_in_and_out")
@pytest.mark.slow
def test_the_operator(tmp_path):
    modules = ",".join(str(EXAMPLES / name) for name in ("clean_orders.py", "query_sales.py"))
    command = [
        str(Path(pyspark.__file__).parent / "bin" / "spark-submit"), "--master", "local[2]", "--jars", str(jar_path()),
        "--conf", "spark.plugins=io.sparkweld.SparkWeldPlugin", "--conf", "spark.ui.enabled=false",
        "--conf", "spark.sql.shuffle.partitions=2", "--conf", "spark.sparkweld.untestedLines.enabled=true",
        "--py-files", modules, str(EXAMPLES / "check_queries.py"), "--folder", str(tmp_path), "--rows", "5000", "--seconds", "0",
    ]  # fmt: skip
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable,
                   "SPARK_LOCAL_IP": "127.0.0.1"}  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    clean, sales = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    assert (clean["query"], clean["rows"], clean["reasons"]) == ("clean orders", "equal", [])
    assert (sales["query"], sales["rows"], sales["reasons"]) == ("query sales", "equal", [])
