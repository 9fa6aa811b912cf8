"""Runs a small PySpark program in a driver of its own and reads back what it reports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_PRELUDE = """
import json, os, sys
import numpy as np
import pandas as pd
from pyspark.sql import SparkSession, functions as F
from pyspark.sql.functions import pandas_udf

def report(**facts):
    print("REPORT " + json.dumps(facts), flush=True)

def session(master="local[2]", **conf):
    import sparkweld
    builder = SparkSession.builder.master(master)
    for key, value in json.loads(os.environ["TEST_CONF"]).items():
        builder = builder.config(key, value)
    return sparkweld.configure(builder).getOrCreate()

def rows(frame):
    table = frame.toArrow()
    return [list(r.values()) for r in table.to_pylist()]

def measured(frame):
    return json.loads(frame.sparkSession._jvm.io.sparkweld.ui.WeldReport.report(frame._jdf.queryExecution()))

def off_and_on(spark, query):
    spark.conf.set("spark.sparkweld.enabled", "false")
    expected = rows(query())
    spark.conf.set("spark.sparkweld.enabled", "true")
    frame = query()
    return {"equal": rows(frame) == expected, "rows": len(expected), **measured(frame)}
"""


@dataclass(frozen=True)
class Ran:
    """How the program ended: the facts that it reported (the last report of each name wins) and its output."""

    facts: dict
    log: str


def run_driver(program: str, *, conf: dict[str, str] | None = None, env: dict[str, str] | None = None, timeout: int = 240) -> Ran:
    """Runs `program` after a prelude that gives it `session`, `report`, `measured` and `off_and_on`. Fails when it fails."""
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sparkweld.backend": "native",  # the programs are about kernels, over a range of rows
        **(conf or {}),
    }
    environment = {
        **os.environ,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
        "TEST_CONF": json.dumps(settings),
        **(env or {}),
    }
    done = subprocess.run(
        [sys.executable, "-c", _PRELUDE + textwrap.dedent(program)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    log = done.stdout + done.stderr
    assert done.returncode == 0, log[-6000:]
    facts: dict = {}
    for line in done.stdout.splitlines():
        if line.startswith("REPORT "):
            facts.update(json.loads(line.removeprefix("REPORT ")))
    return Ran(facts, log)


def warnings(ran: Ran) -> list[str]:
    """The warnings that SparkWeld logged."""
    return [line for line in ran.log.splitlines() if " WARN " in line and "SparkWeld: " in line]
