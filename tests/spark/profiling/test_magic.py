"""Checks the cell magic in IPython's shell: cells that return a DataFrame, that name one, and that have none."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell

from sparkweld.errors import UserError
from sparkweld.profiling.magic import run


@pytest.fixture
def shell(spark, tmp_path, monkeypatch):
    """Returns a shell with the extension and a session in its namespace."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    made = InteractiveShell()
    made.history_manager.enabled = False
    made.user_ns["spark"] = spark
    made.run_line_magic("load_ext", "sparkweld")
    yield made
    made.history_manager.end_session()


def test_a_cell_that_returns_a_dataframe(shell):
    text = "from pyspark.sql import functions as F\ntwice = F.udf(lambda x: x * 2, 'long')\nspark.range(50).select(twice('id'))\n"
    made = shell.run_cell_magic("sparkweld", "--seconds 0", text)
    assert made.as_dict()["rows"]["rows"] == 50 and made.measured.repeated is None
    assert "twice" in shell.user_ns


def test_a_cell_that_names_a_dataframe_has_the_source_of_its_functions(shell):
    text = (
        "from pyspark.sql.functions import udf\n\n@udf('long')\ndef noisy(x):\n    print('row', x)\n    return x + 1\n\n"
        "frame = spark.range(100).select(noisy('id'))\n"
    )
    made = shell.run_cell_magic("sparkweld", "frame", text)
    (advice,) = made.advice
    assert advice.code == "SW229"
    assert advice.diff[0] == "--- the cell" and "-    print('row', x)" in advice.diff


def test_cells_without_a_dataframe(shell):
    with pytest.raises(UserError, match="the cell's result is a int"):
        run(shell, "", "1 + 1")
    with pytest.raises(UserError, match="the cell's result is a NoneType"):
        run(shell, "missing", "x = 1")
    with pytest.raises(ZeroDivisionError):
        run(shell, "", "1 / 0")
    for line in ("--seconds", "--seconds x", "a b", "--other"):
        with pytest.raises(UserError, match="--seconds N"):
            run(shell, line, "spark.range(3)")
