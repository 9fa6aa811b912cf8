"""Runs every UDF of the corpus over its table, off and on: equal rows, and UDFs that compile run in kernels."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from tests.corpus.case import EVAL_TYPES
from tests.corpus.queries import compare, groups
from tests.corpus.runner import answer, cases
from tests.corpus.tables import TABLES, table
from tests.helpers.lines import LINE, is_known


@pytest.fixture(scope="module")
def frames(spark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    for name in TABLES:
        pq.write_table(table(name), str(folder / f"{name}.parquet"))
    return {name: spark.read.parquet(str(folder / f"{name}.parquet")) for name in TABLES}


@pytest.mark.gate_cases("visits")
@pytest.mark.parametrize("name", list(TABLES))
def test_cases_of_a_table(spark, frames, name):
    problems = []
    mine = [case for case in cases() if case.table == name and is_known(EVAL_TYPES[case.kind])]
    answers = {case.name: answer(case) for case in mine}
    kept = {name for name, one in answers.items() if one.kept}
    for group in groups(mine):
        ran = compare(spark, frames[name], group, kept)
        problems += ran.problems
        for case in group:
            beside_refused = LINE < (4, 2) and bool(case.by)  # all aggregates of a query are compiled, or none
            if answers[case.name].compiled and case.name not in ran.names and not beside_refused:
                problems.append(f"{case.name} is compiled, and ran in Python: {ran.refusals.get(case.name)}")
            if case.never and case.name in ran.names:
                problems.append(f"{case.name} ran in a kernel, but {case.never}")
    assert not problems, "\n".join(problems)
