"""Compares generated queries that aggregate and rank rows, with the plugin off and on.

A NULL changes the dtype of its group, whichever files and batches the group's rows come from. `make nightly` runs another seed.
"""

from __future__ import annotations

import pytest

from tests.helpers.batch_queries import run_queries
from tests.helpers.group_queries import GroupTables, check_groups, group_queries, is_native


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return GroupTables(str(tmp_path_factory.mktemp("groups")))


@pytest.mark.parametrize(("number", "count"), [(1, 3), *(pytest.param(seed, 5, marks=pytest.mark.nightly) for seed in (1, 2))])
def test_random_queries(spark, tables, number, count):
    found = run_queries(number, count, group_queries(), lambda query: check_groups(spark, tables, query))
    assert sum(map(is_native, found)) > count // 2, [what.refusals for what in found]
