"""Checks that a compile service that has grown is replaced between requests, and that no query notices."""

from __future__ import annotations

import pytest

PROGRAM = """
spark = session()
driver = spark._jvm.io.sparkweld.SparkWeldRuntime.driver().get().compiler()
pids, wrong, refused = set(), [], []
for number in range(QUERIES):
    frame = spark.range(3).select(F.udf(lambda x, n=number: x + n, "long")("id").alias("r"))
    if [row.r for row in frame.collect()] != [number, number + 1, number + 2]:
        wrong.append(number)
    refused += [one["code"] for one in measured(frame)["refusals"]]
    pids |= set(map(int, driver.pids().mkString(",").split(",")))
report(pids=len(pids), wrong=wrong, refused=refused, starts=driver.starts(), failures=driver.failures())
"""


def run(applications, limit, queries):
    """A query has two answers of the service, and each sixteenth answer may end it."""
    program = f"QUERIES = {queries}\n{PROGRAM}"
    return applications.run(program, conf={"spark.sparkweld.compile.recycleMemory": limit}).facts


def test_a_service_that_has_grown_is_replaced(applications):
    facts = run(applications, "1m", queries=14)
    assert facts["wrong"] == facts["refused"] == [] and facts["failures"] == 0
    assert facts["pids"] == facts["starts"] and 2 <= facts["starts"] <= 7


@pytest.mark.nightly("test_a_service_that_has_grown_is_replaced")
def test_a_small_service_stays(applications):
    assert run(applications, "1g", queries=12) == {"pids": 1, "wrong": [], "refused": [], "starts": 1, "failures": 0}


@pytest.mark.nightly("test_a_service_that_has_grown_is_replaced")
def test_a_service_is_never_replaced_without_a_limit(applications):
    assert run(applications, "0", queries=12)["starts"] == 1
