"""Checks that long, background and over-budget compiles leave queries and the service running."""

from __future__ import annotations

import json
import os
import re
import signal
import time

import joblib
import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf
from sklearn.linear_model import LinearRegression

from tests.helpers.differential import BACKEND, WELD_REPORT, check, measured, run
from tests.spark.plan.test_faults import capturing, is_service, service_pids

CPU, TIMEOUT, TINY = "spark.sparkweld.compile.cpuTime", "spark.sparkweld.compile.timeout", "spark.sparkweld.compile.tinyRows"
ROWS = 9000


class Busy:
    """A captured object that the service takes `seconds` of CPU time to unpickle; a worker unpickles it at once."""

    def __init__(self, seconds: float, number: float) -> None:
        self.seconds, self.number = seconds, number

    def __setstate__(self, state):
        self.__dict__.update(state)
        if is_service():
            end = time.process_time() + self.seconds
            while time.process_time() < end:
                pass


def busy_for(seconds: float):
    held = Busy(seconds, time.time())

    @pandas_udf("double")
    def busy(x: pd.Series) -> pd.Series:
        return x * (1.0 if held is not None else 2.0)

    return busy


def of_now():
    """Returns a function that no query has used before."""
    constant = time.time()

    @pandas_udf("double")
    def f(x: pd.Series) -> pd.Series:
        return x * constant

    return f


@pytest.fixture
def table(parquet):
    return parquet({"id": np.arange(ROWS), "x": np.linspace(0, 1, ROWS)})


@pytest.fixture
def warm(spark, table):
    """Returns the process of a service that has compiled something."""
    check_new(spark, lambda f: table.select(f("x")))
    return service_pids()


def check_new(spark, query, **given):
    """Runs `check` on a query of a function that no query has used before."""
    function = of_now()
    check(spark, lambda: query(function), **given)


def kernel_batches(spark, query, **conf):
    outcome, frame = run(spark, query, {BACKEND: "native", **conf})
    assert outcome.error is None
    return measured(frame).kernel_batches, measured(frame).refusals


def whys(spark, query, **conf):
    """Returns the messages of a query's refusals."""
    outcome, frame = run(spark, query, {BACKEND: "native", **conf})
    assert outcome.error is None
    report = json.loads(getattr(spark._jvm, WELD_REPORT).report(frame._jdf.queryExecution()))
    return " ".join(refusal["message"] for refusal in report["refusals"])


def until_compiled(spark, query, **conf):
    """Repeats a query until it runs in a kernel; returns the codes of the earlier runs."""
    codes, deadline = [], time.time() + 60
    while time.time() < deadline:
        batches, refusals = kernel_batches(spark, query, **conf)
        if batches:
            return codes
        codes.append(refusals)
        time.sleep(0.3)
    raise AssertionError(f"never compiled: {codes}")


@pytest.mark.nightly(
    "tests/udf_compiler/requests/test_budgets.py::test_a_function_that_uses_up_its_cpu_time_is_named_and_others_are_answered",
    "test_a_compile_that_ran_past_the_waiting_time_is_used_by_the_next_query",
)
def test_a_function_past_its_cpu_time_locks_nobody_out(spark, table, warm):
    """It is refused by name and not retried; the query's other functions, and the next query, have kernels at once."""
    bad, good = busy_for(60), of_now()
    check(spark, lambda: table.select("id", bad("x").alias("r")), refused="SW408", conf={CPU: "1s"})
    check_new(spark, lambda f: table.select("id", f("x").alias("r")))
    started = time.time()
    other = F.col("x") + 1  # a function in Python may change an argument that others read
    batches, refusals = kernel_batches(spark, lambda: table.select(bad("x"), good(other)), **{CPU: "1s"})
    assert batches and "SW408" in refusals
    assert time.time() - started < 30


def test_a_compile_that_ran_past_the_waiting_time_is_used_by_the_next_query(spark, table, warm):
    slow = busy_for(2.0)
    query = lambda: table.select("id", slow("x").alias("r"))  # noqa: E731
    check(spark, query, refused="SW409", conf={TIMEOUT: "300ms"})
    assert all(set(codes) <= {"SW409"} for codes in until_compiled(spark, query, **{TIMEOUT: "300ms"}))
    assert service_pids() == warm


def test_a_service_that_gets_no_processor_is_not_killed(spark, table, warm):
    (pid,) = warm
    fresh = of_now()
    query = lambda: table.select("id", fresh("x").alias("r"))  # noqa: E731
    os.kill(pid, signal.SIGSTOP)
    try:
        check(spark, query, refused="SW409", conf={TIMEOUT: "500ms"})
    finally:
        os.kill(pid, signal.SIGCONT)
    until_compiled(spark, query, **{TIMEOUT: "2s"})
    assert service_pids() == warm


@pytest.mark.nightly("test_a_service_that_gets_no_processor_is_not_killed", "tests/spark/plan/test_faults.py::test_service_hangs")
def test_nobody_waits_again_for_a_service_that_does_not_work(spark, table, warm):
    """The innocent function that the service had received is compiled after the service was replaced."""
    (pid,) = warm
    first, second = of_now(), of_now()
    os.kill(pid, signal.SIGSTOP)
    try:
        assert "no reply in 1000 ms" in whys(spark, lambda: table.select(first("x")), **{TIMEOUT: "1s"})
        assert "has not answered an earlier query" in whys(spark, lambda: table.select(second("x")), **{TIMEOUT: "100s"})
        for function in (second, first):
            until_compiled(spark, lambda function=function: table.select(function("x")), **{TIMEOUT: "60s"})
        deadline = time.time() + 60
        while pid in service_pids() and time.time() < deadline:  # it is killed after 15 seconds
            time.sleep(0.2)
    finally:
        if pid in service_pids():
            os.kill(pid, signal.SIGCONT)
    until_compiled(spark, lambda: table.select("id", first("x")))


@pytest.mark.nightly("tests/spark/plan/test_faults.py::test_service_dies_while_it_reads_and_the_next_query_is_compiled")
def test_functions_that_end_the_service_lock_nobody_out_for_long(spark, table, warm):
    seconds, ends, deadline = [], 0, time.time() + 120
    while ends < 5 and time.time() < deadline:
        bad = capturing("exit")
        why = whys(spark, lambda bad=bad: table.select(bad("x")))
        seconds += [float(found) for found in re.findall(r"restarts in (.*?) s", why)]
        ends += "exit status 3" in why
        time.sleep(0.3)
    assert ends == 5
    innocent = of_now()
    why = whys(spark, lambda: table.select(innocent("x")))
    seconds += [float(found) for found in re.findall(r"restarts in (.*?) s", why)]
    assert max(seconds, default=0.0) <= 4.0, seconds
    until_compiled(spark, lambda: table.select(innocent("x")))


class Noisy:
    """A captured object that prints 800 MB without a line end while the service unpickles it.

    A string builder of 2 GB of heap fails after 512 MB, when its next array is twice as long.
    """

    def __setstate__(self, state):
        self.__dict__.update(state)
        if is_service():
            piece = b"x" * (1 << 20)
            for _ in range(800):
                os.write(2, piece)


def test_a_function_that_prints_without_an_end_of_line(spark, table, warm):
    held = Noisy()
    held.number = time.time()
    noisy = pandas_udf(lambda x: x * (1.0 if held is not None else 2.0), "double")
    until_compiled(spark, lambda: table.select(noisy("x")))
    assert service_pids() == warm


def test_a_reply_that_came_late_is_not_used_for_a_file_that_has_changed(spark, table, tmp_path):
    path, x = str(tmp_path / "model"), np.linspace(0, 1, 20).reshape(-1, 1)
    joblib.dump(LinearRegression().fit(x, 3 * x[:, 0]), path)
    held = Busy(1.5, time.time())

    @pandas_udf("double")
    def score(x: pd.Series) -> pd.Series:
        model = joblib.load(path)
        return pd.Series(model.predict(x.to_numpy().reshape(-1, 1))).round(6) * (1.0 if held is not None else 2.0)

    query = lambda: table.select("id", score("x").alias("r"))  # noqa: E731
    check(spark, query, refused="SW409", conf={TIMEOUT: "200ms"})
    joblib.dump(LinearRegression().fit(x, 5 * x[:, 0] + 1), path)
    until_compiled(spark, query)
    check(spark, query)


def test_a_tiny_query_waits_for_nothing(spark, warm):
    """Its functions are compiled when they repeat; one that never repeats costs the service nothing."""
    frame = spark.range(50).selectExpr("id", "cast(id AS double) AS x")
    listed = spark.createDataFrame([(i, float(i)) for i in range(50)], ["id", "x"])
    for given in (frame, listed):
        check_new(spark, lambda f, given=given: given.select("id", f("x").alias("r")), refused="SW410", conf={TINY: "1000"})
        function = of_now()
        query = lambda given=given, function=function: given.select("id", function("x").alias("r"))  # noqa: E731
        codes = until_compiled(spark, query, **{TINY: "1000"})
        assert codes[0] == ("SW410",) and {c for code in codes[1:] for c in code} <= {"SW409"}
        check(spark, query, conf={TINY: "1000"})


def test_queries_that_are_not_known_to_be_tiny_wait(spark, parquet, warm):
    many = parquet({"x": np.linspace(0, 1, 200_000)})
    check_new(spark, lambda f: many.select(f("x")), conf={TINY: "1000"})
    few = spark.range(40).selectExpr("cast(id AS double) AS x")
    exploded = few.selectExpr("x", "explode(sequence(1, 100)) AS n")
    check_new(spark, lambda f: exploded.select(f("x")), conf={TINY: "1000"})


@pytest.mark.nightly("tests/udf_compiler/requests/test_budgets.py::test_helpers_that_call_helpers_twice")
def test_plain_udfs_of_helpers_that_call_helpers_twice(spark, table):
    def h0(x):
        return x * 0.5 + 1.0 if x > 0.0 else x

    def twice(h):
        return lambda x: h(x) + h(x * 0.25)

    for _ in range(12):
        h0 = twice(h0)
    doubled = udf(lambda x: h0(x), "double")
    started = time.time()
    check(spark, lambda: table.limit(2).select(doubled("x")), refused="SW287")
    assert time.time() - started < 60
    check_new(spark, lambda f: table.select("id", f("x")))
