"""Compares generated queries in which Spark regroups rows, with the plugin off and on.

A NULL changes the dtype of a whole batch, which must be the batch that Spark would have built. `make nightly` runs more seeds.
"""

from __future__ import annotations

import pytest

from tests.helpers.batch_queries import Tables, batch_queries, check_query, run_queries

#: Queries of each seed: in `make test`, and in `make nightly`.
QUERIES, MORE = 3, 10


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return Tables(str(tmp_path_factory.mktemp("batches")))


def test_random_queries(spark, tables):
    check_queries(spark, tables, 1, QUERIES)


@pytest.mark.nightly("test_random_queries")
@pytest.mark.parametrize("number", [1, 2, 3])
def test_more_random_queries(spark, tables, number):
    check_queries(spark, tables, number, MORE)


def check_queries(spark, tables, number, count):
    found = run_queries(number, count, batch_queries(), lambda query: check_query(spark, tables, query))
    ran = [what for what in found if what.kernel_batches]
    assert len(ran) >= count // 4, [what.refusals for what in found]
