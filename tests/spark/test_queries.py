"""Runs each query of tests/queries off and on: equal rows, and the verdicts and the plan that are stored beside it.

`--golden` writes them; `make golden` passes it.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from sparkweld.contract.constants import SCALAR_ARROW
from tests.helpers.lines import LINE, require
from tests.helpers.queries import CASES, FOLDER, expected_of, prepare, run_case, without_result_stages

#: The cases with another plan before Spark 4.3, and what that Spark does.
OTHER_PLANS = {
    "join_below.sql": "pushes the filter below the join before rules run, and a kernel is cheaper there",
    "pandas_map.py": "generates no code for unions, which therefore read whole rows",
}
if LINE < (4, 2):
    OTHER_PLANS |= dict.fromkeys(
        ("dates.sql", "distinct.sql", "join_key.sql", "refused.sql", "refused_beside_compiled.sql", "sum_of_udf.sql"),
        "hands functions batches of rows, which kernels of some functions rebuild",
    )
    OTHER_PLANS["aggregate_udf.sql"] = "has workers that cast results of groups otherwise (SW114)"


@pytest.fixture(scope="module")
def views(spark, tmp_path_factory):
    prepare(spark, str(tmp_path_factory.mktemp("queries")))


@pytest.mark.nightly_cases("null_structs.py", "pandas_map.py", "aggregate_udf.sql", "model.sql")
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_query(spark, views, request, path: Path) -> None:
    if "py_length" in path.read_text(encoding="utf-8"):
        require(SCALAR_ARROW)
    ran, expected = run_case(spark, path), expected_of(path)
    assert ran.problems() == []
    assert ran.off.error or ran.off.rows, "vacuous: the query returns no row"
    if request.config.getoption("golden"):
        expected.write_text(ran.text(), encoding="utf-8")
    text = expected.read_text(encoding="utf-8")
    if LINE < (4, 0):
        text = without_result_stages(text)
    if LINE < (4, 3) and path.name in OTHER_PLANS:
        assert ran.text() != text
        pytest.xfail(f"Spark {LINE[0]}.{LINE[1]}: {OTHER_PLANS[path.name]}")
    assert ran.text() == text


def test_every_case_has_a_title_and_every_file_a_case() -> None:
    assert len(CASES) >= 20
    for path in CASES:
        text = path.read_text(encoding="utf-8")
        title = text.splitlines()[0].removeprefix("-- ") if path.suffix == ".sql" else ast.get_docstring(ast.parse(text))
        assert title and title.split()[0].endswith("s"), f"{path.name}: begin with a sentence such as 'Filters by a UDF.'"
    assert sorted(FOLDER.glob("*.expected")) == sorted(map(expected_of, CASES))
