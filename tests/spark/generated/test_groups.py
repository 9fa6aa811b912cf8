"""Compares generated queries that aggregate and rank rows, with the plugin off and on.

A NULL changes the dtype of its group, whichever files and batches the group's rows come from. `make nightly` runs another seed.
"""

from __future__ import annotations

import pytest

from tests.helpers.batch_queries import run_queries
from tests.helpers.group_queries import GroupTables, check_groups, group_queries, is_native

QUERIES = 5


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return GroupTables(str(tmp_path_factory.mktemp("groups")))


@pytest.mark.parametrize("number", [1, pytest.param(2, marks=pytest.mark.nightly)])
def test_random_queries(spark, tables, number):
    found = run_queries(number, QUERIES, group_queries(), lambda query: check_groups(spark, tables, query))
    assert sum(map(is_native, found)) > QUERIES // 2, [what.refusals for what in found]
