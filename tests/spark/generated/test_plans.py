"""Compares random query plans with UDFs of every kind, SparkWeld off and on, under varied Spark settings.

A plan with a refused UDF must still produce its rows. Too few plans with kernels fail the test, so that it cannot pass by
refusing. `make nightly` runs another seed.
"""

from __future__ import annotations

import random

import pytest

from tests.helpers.differential import ENABLED, measured, run
from tests.helpers.outcomes import Outcome, differences, tokens
from tests.helpers.plans import Plans, write_tables

#: Plans of each seed: in `make test`, and in `make nightly`.
PLANS, MORE = 4, 10
SETTINGS = {
    "spark.sparkweld.backend": ("auto", "native", "native"),
    "spark.sql.execution.arrow.maxRecordsPerBatch": ("10000", "500"),
    "spark.sql.adaptive.enabled": ("true", "false"),
    "spark.sql.codegen.wholeStage": ("true", "true", "false"),
    "spark.sql.autoBroadcastJoinThreshold": ("10m", "-1"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("plans"))
    write_tables(path)
    return path


def _in_any_order(outcome: Outcome) -> Outcome:
    return Outcome(tuple(sorted(outcome.rows, key=tokens))) if outcome.rows is not None else outcome


def test_random_plans(spark, folder):
    check_plans(spark, folder, 1, PLANS)


@pytest.mark.nightly("test_random_plans")
@pytest.mark.parametrize("seed", [1, 2])
def test_more_random_plans(spark, folder, seed):
    check_plans(spark, folder, seed, MORE)


def check_plans(spark, folder, seed, count):
    draw = random.Random(seed)
    plans = Plans(spark, folder, draw)
    problems, compiled = [], 0
    for number in range(count):
        text, query = plans.query()
        conf = {key: draw.choice(values) for key, values in SETTINGS.items()}
        expected, _ = run(spark, query, {**conf, ENABLED: "false"})
        actual, frame = run(spark, query, {**conf, ENABLED: "true"})
        compiled += measured(frame).operators > 0
        found = differences(_in_any_order(expected), _in_any_order(actual))
        problems += [f"{number}: {text} under {conf}: {difference}" for difference in found[:3]]
        if expected.error:
            problems.append(f"{number}: {text} must not raise {expected.error}")
    assert not problems, "\n".join(problems)
    assert compiled >= count // 2
