"""Compares the metrics of an application with its queries, with docs/operators.md and with the Grafana dashboard."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PLUGIN = "_plugin_io_sparkweld_SparkWeldPlugin_"

PROGRAM = """
import time
import urllib.request

def score(x):
    return x * 2.0 + 1

def host(x):
    import socket
    return socket.gethostname() + str(x)

def divided(x):
    return 1 / x

def printing(x):
    if x == 7:
        print("seven")
    return x

def lines():
    address = spark.sparkContext.uiWebUrl.rpartition(":")[2]
    return urllib.request.urlopen(f"http://localhost:{address}/metrics/prometheus/").read().decode().splitlines()

spark = session()
early = lines()
rows = spark.range(0, 1000, 1, 2).selectExpr("cast(id as double) as x")
rows.select(F.udf(score, "double")("x").alias("r")).agg(F.sum("r")).collect()
rows.select(F.udf(host, "string")("x").alias("r")).write.format("noop").mode("overwrite").save()
rows.select(F.udf(printing, "double")("x").alias("r")).agg(F.sum("r")).collect()
try:
    rows.select(F.udf(divided, "double")("x").alias("r")).write.format("noop").mode("overwrite").save()
except Exception as error:
    assert "ZeroDivisionError" in str(error)
for _ in range(100):
    now = lines()
    if any("_queries_Count" in line and line.endswith(" 4") for line in now):
        break
    time.sleep(0.1)
report(early=early, lines=now)
"""

CONF = {
    "spark.ui.enabled": "true",
    "spark.ui.port": "0",
    "spark.metrics.namespace": "job",
    "spark.metrics.conf.*.sink.prometheusServlet.class": "org.apache.spark.metrics.sink.PrometheusServlet",
    "spark.metrics.conf.*.sink.prometheusServlet.path": "/metrics/prometheus",
}


@pytest.fixture(scope="module")
def facts(applications):
    return applications.run(PROGRAM, conf=CONF)


def metrics(lines):
    """Returns name -> value of the plugin's metrics, as `rows_kernel_Count`."""
    found = {}
    for line in lines:
        name, _, value = line.rpartition(" ")
        name = name.partition("{")[0]
        if PLUGIN in name and name.rpartition("_")[2] in ("Count", "Value"):
            found[name.split(PLUGIN)[1]] = float(value)
    return found


def test_the_counters_are_those_of_the_queries(facts):
    found = metrics(facts.facts["lines"])
    assert (found["queries_Count"], found["failedQueries_Count"]) == (4, 1)
    assert found["rows_kernel_Count"] in (2000, 2500)  # the failed query may have finished its other partition
    assert found["rows_python_Count"] == 1000
    assert found["time_kernelNanos_Count"] > 0 and found["batches_kernel_Count"] >= 2
    assert (found["rows_guarded_Count"], found["batches_fallback_Count"]) == (1, 0)
    codes = {name: value for name, value in found.items() if name.startswith("refusals_")}
    assert list(codes.values()) == [1] and re.fullmatch(r"refusals_SW\d{3}_Count", *codes)
    assert found["service_starts_Value"] == 1 and found["service_failures_Value"] == found["service_unavailable_Value"] == 0
    assert 20 << 20 < found["service_residentBytes_Value"] < 2 << 30
    assert found["compile_requests_Value"] >= 4 and found["compile_waitMillis_Value"] > 0
    assert found["kernels_loaded_Value"] >= 1 and found["kernels_disabled_Value"] == found["kernels_dropped_Value"] == 0


def test_counters_exist_before_the_first_query(facts):
    assert metrics(facts.facts["early"])["queries_Count"] == 0


def test_the_page_for_operators_lists_all_metrics(facts):
    page = (ROOT / "docs/operators.md").read_text()
    rows = re.findall(r"^\| (`[a-z].*?) \|", page.partition("## Metrics")[2], re.M)
    listed = {name for row in rows for name in re.findall("`(.*?)`", row)}
    found = {re.sub(r"SW\d+", "CODE", name.rpartition("_")[0]).replace("_", ".") for name in metrics(facts.facts["lines"])}
    assert found == listed


def test_the_dashboard_reads_metrics_that_exist(facts):
    names = {line.partition("{")[0] for line in facts.facts["lines"]}
    board = json.loads((ROOT / "conf/grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    patterns = [pattern for query in queries for pattern in re.findall('=~"(metrics.*?)"', query)]
    assert len(patterns) > 20
    assert [pattern for pattern in patterns if not any(re.fullmatch(pattern, name) for name in names)] == []


def test_the_end_of_an_application_logs_its_totals(applications):
    program = """
    spark = session()
    log4j = spark._jvm.org.apache.logging.log4j
    log4j.core.config.Configurator.setLevel("io.sparkweld.SparkWeld", log4j.Level.INFO)
    spark.range(10).select(F.udf(lambda x: x + 1, "long")("id").alias("r")).agg(F.sum("r")).collect()
    spark.stop()
    log4j.core.config.Configurator.setLevel("io.sparkweld.SparkWeld", log4j.Level.WARN)
    """
    (line,) = re.findall(r"INFO SparkWeld: (SparkWeld: .*)", applications.run(program).log)
    assert re.fullmatch(
        r"SparkWeld: 1 queries with Python functions \(0 failed\); 10 rows in kernels \(0\.\d s\), 0 in Python \(0\.0 s\); "
        "kernels left 0 batches and 0 rows to Python",
        line,
    )
