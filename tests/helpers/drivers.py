"""Runs small PySpark programs, in a driver each or as applications of one driver, and collects their reports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]

_PRELUDE = """
import json, os, sys
import numpy as np
import pandas as pd
from pyspark.sql import SparkSession, functions as F
from pyspark.sql.functions import pandas_udf

def report(**facts):
    print("REPORT " + json.dumps(facts, default=str), flush=True)

def session(master="local[2]", **conf):
    import sparkweld
    builder = SparkSession.builder.master(master).config("spark.sparkweld.compile.tinyRows", "0")
    builder = builder.config("spark.sparkweld.untestedLines.enabled", "true")
    for key, value in json.loads(os.environ["TEST_CONF"]).items():
        builder = builder.config(key, value)
    return sparkweld.configure(builder).getOrCreate()

def rows(frame):
    if hasattr(frame, "toArrow"):  # no import of SparkWeld, which clients without it must not load
        table = frame.toArrow()
    else:
        from tests.helpers.lines import to_arrow
        table = to_arrow(frame)
    return [list(r.values()) for r in table.to_pylist()]

def measured(frame):
    return json.loads(frame.sparkSession._jvm.io.sparkweld.ui.WeldReport.report(frame._jdf.queryExecution()))

def off_and_on(spark, query):
    spark.conf.set("spark.sparkweld.enabled", "false")
    expected = rows(query())
    spark.conf.set("spark.sparkweld.enabled", "true")
    frame = query()
    return {"equal": rows(frame) == expected, "rows": len(expected), "second": expected[1:2], **measured(frame)}
"""


#: Reads programs from stdin and runs each after the previous context has ended. Settings of the first program launch the JVM,
#: whose system properties every later context would inherit.
_APPLICATIONS = """
import traceback
from pyspark import SparkContext

for line in sys.stdin:
    os.environ["TEST_CONF"], program = json.loads(line)
    returncode = 0
    try:
        exec(program, dict(globals()))
    except BaseException:
        traceback.print_exc()
        returncode = 1
    if SparkContext._active_spark_context is not None:
        SparkSession.builder.getOrCreate().stop()
    if SparkContext._jvm is not None:
        for key in json.loads(os.environ["TEST_CONF"]):
            SparkContext._jvm.java.lang.System.clearProperty(key)
    sys.stderr.flush()
    print("DONE", returncode, flush=True)
"""


@dataclass(frozen=True)
class Ran:
    """The result of a program: the facts that it reported (the last report of each name wins) and its output."""

    facts: dict
    log: str


def run_driver(
    program: str,
    *,
    conf: dict[str, str] | None = None,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    timeout: int = 600,
    bugs: bool = False,
) -> Ran:
    """Runs `program` after a prelude that defines `session`, `report`, `measured` and `off_and_on`.

    Fails when the program fails. Fails also when its log contains an internal error of SparkWeld, unless `bugs` allows it.
    """
    done = subprocess.run(
        [sys.executable, "-c", _PRELUDE + textwrap.dedent(program)],
        env={**_environment(), "TEST_CONF": _settings(conf), **(env or {})},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return _ran(done.returncode, done.stdout, done.stderr, bugs)


class Driver:
    """A driver that runs programs as consecutive applications in one JVM, at a tenth of `run_driver`'s cost."""

    def __init__(self, process: subprocess.Popen[str], log: IO[str]) -> None:
        self._process = process
        self._log = log

    def run(self, program: str, *, conf: dict[str, str] | None = None, timeout: int = 600, bugs: bool = False) -> Ran:
        """Runs a program as `run_driver` does."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([_settings(conf), textwrap.dedent(program)]) + "\n")
        self._process.stdin.flush()
        printed: list[str] = []
        too_slow = threading.Timer(timeout, self._process.kill)
        too_slow.start()
        try:
            while not (printed and printed[-1].startswith("DONE ")):
                printed.append(self._process.stdout.readline())
                assert printed[-1], f"the driver is gone, or took {timeout} s\n" + self._log.read()[-6000:]
        finally:
            too_slow.cancel()
        return _ran(int(printed.pop().split()[1]), "".join(printed), self._log.read(), bugs)


@contextmanager
def driver() -> Iterator[Driver]:
    """Yields a process that runs programs one after another until the `with` block ends."""
    with tempfile.NamedTemporaryFile("w") as errors, open(errors.name) as log:
        command = [sys.executable, "-c", _PRELUDE + _APPLICATIONS]
        with subprocess.Popen(
            command, env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, bufsize=1
        ) as process:
            try:
                yield Driver(process, log)
            finally:
                process.kill()  # its JVM exits when its stdin closes


def _settings(conf: Mapping[str, str] | None) -> str:
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sparkweld.backend": "native",  # the programs test kernels over row ranges
        **(conf or {}),
    }
    return json.dumps(settings)


def _environment() -> dict[str, str]:
    return {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}


def _ran(returncode: int, printed: str, errors: str, bugs: bool) -> Ran:
    log = printed + errors
    assert returncode == 0, log[-6000:]
    at = log.find("INTERNAL_ERROR")
    assert at < 0 or bugs, log[max(at - 500, 0) : at + 5000]
    facts: dict = {}
    for line in printed.splitlines():
        if line.startswith("REPORT "):
            facts.update(json.loads(line.removeprefix("REPORT ")))
    return Ran(facts, log)


def warnings(ran: Ran) -> list[str]:
    """Returns the warnings that SparkWeld logged."""
    return [line for line in ran.log.splitlines() if " WARN " in line and "SparkWeld: " in line]
