"""Compares generated queries in which Spark regroups rows, with the plugin off and on.

What a NULL does to the dtype of a whole batch must be what it does to the batch that Spark would have made.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.helpers.batch_queries import BatchQuery, Tables, batch_queries, check_query
from tests.helpers.differential import Measured

QUERIES = 18


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return Tables(str(tmp_path_factory.mktemp("batches")))


@pytest.mark.parametrize("number", [1, 2])
def test_random_queries(spark, tables, number):
    found: list[Measured] = []

    @seed(number)
    @settings(
        max_examples=QUERIES, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(batch_queries())
    def case(query: BatchQuery) -> None:
        found.append(check_query(spark, tables, query))

    case()
    ran = [what for what in found if what.kernel_batches]
    assert len(ran) >= QUERIES // 4, [what.refusals for what in found]
