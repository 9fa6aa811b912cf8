"""Checks that docs/compiled.md has the tables of `udf_compiler.frontends.pandas.calls`, and that hints about calls are true."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.calls_table import calls_table, with_calls_table
from udf_compiler.frontends.tracing.lower import BY_VALUE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compiled.md"


@pytest.mark.skipif(BY_VALUE, reason="the page lists the functions of NumPy 2")
def test_the_table_of_calls_is_up_to_date():
    text = PAGE.read_text(encoding="utf-8")
    assert with_calls_table(text) == text, "the table of calls in docs/compiled.md is out of date: `make golden` rewrites it"


def test_the_table_names_all_compiled_functions():
    table = calls_table()
    for name in ("exp", "where", "fillna", "isin", "map", "assign", "column_stack", "concat", "isinstance", "type"):
        assert f"`{name}`" in table
    for name in ("cumsum", "shift", "apply_", "print", "open", "eval"):
        assert f"`{name}`" not in table
