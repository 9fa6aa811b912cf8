"""Checks that after any fault of SparkWeld the rows (or the error) are Spark's own, with one warning that names the reason."""

from __future__ import annotations

import os
import signal
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyspark
import pytest
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType

from sparkweld.bridge.jar import jar_path, line_of
from tests.helpers.differential import check, measured, run
from tests.helpers.drivers import run_driver, warnings
from tests.helpers.lines import WORKER_PIPELINES

LINE = line_of(pyspark.__version__)

QUERY = """
@pandas_udf("double")
def f(x: pd.Series) -> pd.Series:
    return np.sqrt(x) * 2.0 + 1.0
query = lambda: spark.range(0, 9000).selectExpr("id", "cast(id as double) as x").select("id", f("x").alias("r"))
"""


def is_service() -> bool:
    """Whether this is a process of the compile service; a worker that earlier tests used may have imported its modules."""
    return b"udf_compiler.service" in Path("/proc/self/cmdline").read_bytes()


class BreaksInTheService:
    """A captured object that a worker can unpickle and the compile service cannot."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __setstate__(self, state):
        self.__dict__.update(state)
        if is_service():
            if self.how == "raise":
                raise ValueError("not in the service")
            if self.how == "import":
                import a_module_that_is_nowhere  # noqa: F401
            if self.how == "exit":
                os._exit(3)
            if self.how == "hang":
                time.sleep(3600)


def capturing(how: str):
    captured = BreaksInTheService(how)

    @pandas_udf(DoubleType())
    def f(x: pd.Series) -> pd.Series:
        return x + (1.0 if captured is not None else 2.0)

    return f


@pytest.fixture
def table(parquet):
    return parquet({"id": np.arange(9000), "x": np.linspace(0, 1, 9000)})


def service_pids() -> list[int]:
    """Returns the processes of the compile service that descend from this test's driver."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"udf_compiler.service" in line:
                found.append(int(entry.name))
    return [pid for pid in found if _descends(pid, os.getpid())]


def _descends(pid: int, ancestor: int) -> bool:
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
        if pid == ancestor:
            return True
    return False


def test_unsupported_udf(spark, table):
    @pandas_udf("double")
    def centred(x: pd.Series) -> pd.Series:
        return x - x.ewm(alpha=0.5).std()

    check(spark, lambda: table.select("id", centred("x").alias("r")), refused="SW250")


@pytest.mark.parametrize(("how", "code"), [("raise", "SW204"), ("import", "SW201")])
def test_pickle_that_the_service_cannot_read(spark, table, how, code):
    f = capturing(how)
    check(spark, lambda: table.select("id", f("x").alias("r")), refused=code)


def test_service_dies_while_it_reads_and_the_next_query_is_compiled(spark, table):
    f = capturing("exit")
    check(spark, lambda: table.select("id", f("x").alias("r")), refused="SW404")
    _compiles_again(spark, table)


def test_service_hangs(spark, table):
    f = capturing("hang")
    check(spark, lambda: table.select("id", f("x").alias("r")), refused="SW409", conf={"spark.sparkweld.compile.timeout": "2s"})
    _compiles_again(spark, table)


def test_service_is_killed_between_queries(spark, table):
    _compiles_again(spark, table)
    pids = service_pids()
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    _compiles_again(spark, table)


def _compiles_again(spark, table):
    """After a fault the service restarts within its back-off; until then queries run in Python."""
    constant = time.time()

    @pandas_udf("double")
    def fresh(x: pd.Series) -> pd.Series:
        return x * constant

    deadline = time.time() + 60
    while True:
        outcome, frame = run(spark, lambda: table.select("id", fresh("x").alias("r")), {})
        assert len(outcome.rows) == 9000
        if measured(frame).kernel_batches:
            return
        assert time.time() < deadline, "the service did not come back"
        time.sleep(1)


@pytest.mark.parametrize("rows", [10, 9000])
def test_a_udf_that_raises(spark, table, rows):
    @pandas_udf("double")
    def broken(x: pd.Series) -> pd.Series:
        raise KeyError("no such thing")

    check(spark, lambda: table.limit(rows).select("id", broken("x").alias("r")), refused="SW261")


def test_a_udf_that_raises_for_some_rows(spark, parquet):
    frame = parquet({"id": np.arange(9000), "k": np.where(np.arange(9000) == 8000, 300, 1)})

    @pandas_udf("byte")
    def narrow(k: pd.Series) -> pd.Series:
        return k * 1

    check(spark, lambda: frame.select("id", narrow("k").alias("r")), deopt=None)


def test_unwritable_cache(applications):
    ran = applications.run(
        "spark = session()\n" + QUERY + "report(**off_and_on(spark, query))",
        conf={"spark.sparkweld.cache.dir": "/proc/no-such-folder"},
    )
    assert ran.facts["equal"]
    assert ran.facts["operators"][0]["kernelBatches"] > 0
    assert len(warnings(ran)) == 1, warnings(ran)


@pytest.mark.nightly("tests/kernels/test_cache.py::test_a_damaged_file_is_removed_and_made_again")
def test_corrupt_cache(applications, tmp_path):
    conf = {"spark.sparkweld.cache.dir": str(tmp_path)}
    program = "spark = session()\n" + QUERY + "report(**off_and_on(spark, query))"
    assert applications.run(program, conf=conf).facts["operators"][0]["kernelBatches"] > 0
    entries = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert entries
    for path in entries:
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2] + b"\0" * 64)
    ran = applications.run(program, conf=conf)
    assert ran.facts["equal"]
    assert ran.facts["operators"][0]["kernelBatches"] > 0


STOPPED = """
import time
from pathlib import Path
spark = session("local[1]")
while not Path(STARTED).exists():
    time.sleep(0.05)
spark.stop()
time.sleep(0.5)
"""


def test_an_application_that_stops_while_its_service_starts(applications, tmp_path):
    """A JVM thread is waiting for the service then, and its end is not an error."""
    python, started = tmp_path / "python", tmp_path / "started"
    python.write_text(f"#!/bin/sh\ntouch {started}\nexec sleep 600\n")
    python.chmod(0o755)
    ran = applications.run(f"STARTED = {str(started)!r}\n" + STOPPED, conf={"spark.sparkweld.compile.python": str(python)})
    assert "Exception" not in ran.log and "\n\tat " not in ran.log, ran.log


def test_shim_that_cannot_load(tmp_path):
    """A pipeline in Python does not need the shim."""
    texts = f"""
spark.range(9000).selectExpr("id", "nullif(concat('<', id, '>'), '<7>') AS s").write.parquet("{tmp_path}/t")
import textwrap
@pandas_udf("string")
def g(s: pd.Series) -> pd.Series:
    return s.map(textwrap.dedent, na_action="ignore")
texts = lambda: spark.read.parquet("{tmp_path}/t").select("id", "s", g("s").alias("r"))
"""
    ran = run_driver(
        "spark = session()\n" + QUERY + texts + "report(**off_and_on(spark, query), texts=off_and_on(spark, texts)['equal'],"
        " plan=texts()._jdf.queryExecution().executedPlan().toString())",
        conf={"spark.driver.extraJavaOptions": "-Dsparkweld.shim=/no/such/shim.so"},
    )
    assert ran.facts["equal"] and ran.facts["texts"]
    assert ("WeldArrowBatches" in ran.facts["plan"]) is WORKER_PIPELINES
    assert all(o["kernelBatches"] == 0 for o in ran.facts["operators"])
    assert len(warnings(ran)) == 1, warnings(ran)
    assert "UDFs run in Python and functions of Spark's ML library as Spark planned them" in warnings(ran)[0]


def test_a_jar_without_the_constants_that_python_shares(tmp_path):
    stripped = tmp_path / "sparkweld.jar"
    with zipfile.ZipFile(jar_path()) as whole, zipfile.ZipFile(stripped, "w") as made:
        for name in whole.namelist():
            if name != "sparkweld/constants.json":
                made.writestr(name, whole.read(name))
    program = "spark = session()\n" + QUERY + "report(**off_and_on(spark, query))"
    ran = run_driver(program, conf={"spark.jars": str(stripped)})
    assert ran.facts["equal"] and not ran.facts["operators"]
    assert len(warnings(ran)) == 1 and "constants.json" in warnings(ran)[0], warnings(ran)


@pytest.mark.parametrize(("version", "supported"), [(f"{LINE}.0", True), (f"{LINE}.7", True), ("4.4.0", False), ("3.4.4", False)])
def test_other_spark_versions_are_left_alone(spark, version, supported):
    assert spark._jvm.io.sparkweld.spark.BuiltFor.supports(version) is supported
