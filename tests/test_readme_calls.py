"""The README's table of calls is the tables of `udf_compiler.calls`, and the hints that point to it speak the truth."""

from __future__ import annotations

from pathlib import Path

from tests.helpers.calls_table import calls_table, readme_with_calls_table

README = Path(__file__).resolve().parent.parent / "README.md"


def test_the_table_of_calls_is_up_to_date():
    text = README.read_text(encoding="utf-8")
    assert readme_with_calls_table(text) == text, "the table of calls in README.md is out of date: `make golden` rewrites it"


def test_the_table_names_what_is_compiled():
    table = calls_table()
    for name in ("exp", "where", "fillna", "isin", "map", "assign", "column_stack", "concat", "isinstance", "type"):
        assert f"`{name}`" in table
    for name in ("cumsum", "shift", "apply_", "print", "open", "eval"):
        assert f"`{name}`" not in table
