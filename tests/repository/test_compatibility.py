"""Checks that docs/compatibility.md agrees with the current compiler."""

from __future__ import annotations

import sys

import pytest

from sparkweld.errors import Refusal
from tests.helpers import compatibility_arrays as arrays
from tests.helpers.compatibility import ACCESSORS, FAULTS, PAGE, Cell, Column, cell, columns, page, row
from tests.helpers.lines import LINE, require
from udf_compiler.boundary.series import SPARK_TYPES
from udf_compiler.boundary.type_names import ARRAYS
from udf_compiler.frontends.pandas.calls import series_methods

DOUBLE, LONG, DATE = Column("double", "dense"), Column("long", "dense"), Column("date", "dense")


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info < (3, 13), reason="the page has the functions of `math` of CPython 3.13")
@pytest.mark.skipif(LINE < (4, 1), reason="SW114 refuses all plain UDFs over Arrow, which the page compiles")
def test_the_page_is_not_stale():
    """Each call is compiled as the page shows it, and a refused name as it is tried first.

    Of arrays, each function is compiled for one type, the types in turn.
    """
    text = PAGE.read_text(encoding="utf-8")
    tried = {line.rpartition(" | `")[2].removesuffix("` |").replace("\\|", "|") for line in text.splitlines()}

    def as_shown(name, sources, among=None):
        first, *others = sources
        return row(name, [next((source for source in (first, *others) if source in tried), first)], among)

    of_arrays = text.partition("## Arrays\n")[2].partition("## Models\n")[0].splitlines()
    stored = iter([cell for line in of_arrays if line.startswith("| `") for cell in line.strip("| ").split(" | ")[1:]])
    compiled = []

    def in_turn(source, gives, element, kind):
        cell = next(stored, "no such cell")
        if arrays.TYPES[len(compiled) % len(arrays.TYPES)] != element or source in compiled:
            return cell
        compiled.append(source)
        return arrays.cell(source, gives, element, kind)

    assert text == page(as_shown, in_turn), "run `make golden`, then read the diff"
    assert len(compiled) == len(arrays.OF_A_LIST + arrays.OF_A_SERIES + arrays.OF_AN_ARROW_ARRAY)
    assert FAULTS == [], "these calls must be compiled or refused; they ended in errors of ours"


@pytest.mark.nightly("test_the_page_is_not_stale")  # a name that another call compiles has a test beside the frontend's
def test_the_page_is_not_stale_for_any_call():
    """All calls of all names are compiled in turn, and all cells of arrays."""
    assert page() == PAGE.read_text(encoding="utf-8"), "run `make golden`, then read the diff"
    assert FAULTS == []


def test_the_page_equals_its_sources():
    """A quick check: the names of the tables of calls, and the types."""
    text = PAGE.read_text(encoding="utf-8")
    names = {f"`{name}`" for name in {*series_methods.METHODS, *series_methods.PROPERTIES} - ACCESSORS}
    wanted = {*names, *(f"| {name} |" for name in SPARK_TYPES)}
    assert sorted(name for name in wanted if name not in text) == [], "run `make golden`, then read the diff"


def test_all_types_and_states_are_tested():
    covered = {column.spark_type for column in columns()} | {"short", "integer"}
    assert covered == set(SPARK_TYPES)
    assert {column.state for column in columns()} == {"dense", "nullable"}


@pytest.mark.parametrize(
    "source,column,text",
    [
        ("s + t", DOUBLE, "="),
        ("s // t", LONG, "=*"),
        ("np.exp(s)", DOUBLE, "~4 ULP"),
        ("s.mean()", DOUBLE, "SW250"),
        ("s.no_such_name", DOUBLE, "SW261"),
        ("s", Column("boolean", "nullable"), "="),
        ("3", DOUBLE, "SW106"),
    ],
)
def test_a_cell_shows_the_outcome_of_the_compiler(source, column, text):
    if column.spark_type == "boolean":
        assert cell(source, column).text in ("=", "SW102")
        return
    assert cell(source, column) == Cell(text)


def test_a_row_shows_the_first_call_that_compiles():
    made = row("clip", ("s.clip('a')", "s.clip(0, 2)", "s.clip(2)"), among=(DOUBLE, DATE))
    assert (made.call, made.compiled) == ("s.clip(0, 2)", True)
    assert made.cells[0].compiled and not made.cells[1].compiled
    never = row("mean", ("s.mean()", "s.mean(2)"), among=(DOUBLE, LONG))
    assert (never.call, never.compiled) == ("s.mean()", False)


def test_a_refusal_of_the_boundary_is_a_cell(monkeypatch):
    monkeypatch.setattr("tests.helpers.compatibility.series_of_column", _refusing)
    assert cell("s", DOUBLE).text == "SW102"


@pytest.mark.parametrize(
    "source,gives,element,kind,text",
    [
        ("lambda xs, ys, i: 0 if xs is None else len(xs)", "long", "double", arrays.PLAIN, "="),
        ("lambda xs, ys, i: xs[i]", "element", "boolean", arrays.PLAIN, "=*"),
        ("lambda xs, ys, i: xs[0]", "element", "float", arrays.PLAIN, "=*"),
        ("lambda xs, ys, i: sum(a * b for a, b in zip(xs, ys))", "number", "double", arrays.PLAIN, "=*"),
        ("lambda s: s.explode()", "element", "long", arrays.PANDAS, "SW224"),
    ],
)
def test_a_cell_of_arrays_shows_the_outcome_of_the_compiler(source, gives, element, kind, text):
    require(kind)
    assert arrays.cell(source, gives, element, kind) == text


def test_all_elements_of_arrays_are_tested():
    assert {f"array<{name}>" for name in (*arrays.TYPES, "byte", "short")} >= set(ARRAYS)


def _refusing(*_: object) -> None:
    raise Refusal("SW102", "", "", "")
