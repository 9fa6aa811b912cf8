"""Compares generated queries that aggregate and rank rows, with the plugin off and on.

A NULL in a group must do to the dtype of the group what it does there, whatever files and batches its rows come from.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.helpers.batch_queries import BatchQuery
from tests.helpers.differential import Measured
from tests.helpers.group_queries import GroupTables, check_groups, group_queries, is_native

QUERIES = 5


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return GroupTables(str(tmp_path_factory.mktemp("groups")))


@pytest.mark.parametrize("number", [1, 2])
def test_random_queries(spark, tables, number):
    found: list[Measured] = []

    @seed(number)
    @settings(
        max_examples=QUERIES, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(group_queries())
    def case(query: BatchQuery) -> None:
        found.append(check_groups(spark, tables, query))

    case()
    assert sum(map(is_native, found)) >= QUERIES // 4, [what.refusals for what in found]
