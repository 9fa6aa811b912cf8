"""Compares generated queries in which Spark regroups rows, with the plugin off and on.

A NULL changes the dtype of a whole batch, which must be the batch that Spark would have built. `make nightly` runs more seeds.
"""

from __future__ import annotations

import pytest

from tests.helpers.batch_queries import Tables, batch_queries, check_query, run_queries

QUERIES = 10


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return Tables(str(tmp_path_factory.mktemp("batches")))


@pytest.mark.parametrize("number", [1, pytest.param(2, marks=pytest.mark.nightly), pytest.param(3, marks=pytest.mark.nightly)])
def test_random_queries(spark, tables, number):
    found = run_queries(number, QUERIES, batch_queries(), lambda query: check_query(spark, tables, query))
    ran = [what for what in found if what.kernel_batches]
    assert len(ran) >= QUERIES // 4, [what.refusals for what in found]
