"""Runs docs/quickstart.ipynb cell by cell in IPython's shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.spark.profiling.test_magic import shell  # noqa: F401 - a fixture

NOTEBOOK = Path(__file__).resolve().parents[3] / "docs" / "quickstart.ipynb"


@pytest.mark.nightly(
    "tests/spark/test_pages.py::test_the_code_of_a_page_runs",
    "tests/spark/profiling/test_magic.py::test_a_cell_that_names_a_dataframe_has_the_source_of_its_functions",
)
def test_the_notebook(shell, capsys):  # noqa: F811
    cells = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    results = []
    for cell in cells:
        ran = shell.run_cell("".join(cell["source"]), store_history=True)
        ran.raise_error()
        results.append(ran.result)
    query, in_python, changed, model = (one for one in results if hasattr(one, "as_dict"))
    assert query.as_dict()["rows"]["outcome"] == "equal"
    assert {one["where"] for one in query.as_dict()["functions"]} <= {"kernel", "spark"}
    assert [one.code for one in in_python.advice] == ["SW250"]
    assert '-    print("km:", km)' in changed.advice[0].diff
    assert model.as_dict()["functions"][0]["where"] == "kernel"
    assert results[-2]["outcome"] in ("equal", "equal to nine digits")
    assert "in Python: spread" in capsys.readouterr().out
