"""Checks the marks of tests of which only `make nightly` runs all: that they name covers, agree, and miss no part."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import mark_other_cases
from tests.helpers import sampling

ROOT = Path(__file__).resolve().parents[2]
#: Files whose tests make environments and wheels, which `make test` does not.
ENVIRONMENTS = {"tests/repository/test_platforms.py", "tests/repository/test_wheel.py"}
#: Functions that a test calls to run in part, and their modules.
PARTS, HELPERS = {"every_case", "some", "a_third"}, {"tests.helpers.sampling", "tests.helpers.semantics"}


@cache
def tree_of(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def functions_of(path: str) -> dict[str, ast.FunctionDef]:
    found = (node for node in tree_of(path).body if isinstance(node, ast.FunctionDef))
    return {node.name: node for node in found if node.name.startswith("test_")}


def marks_of(test: ast.FunctionDef) -> dict[str, ast.expr]:
    """Returns the marks of a test by their names."""
    named = {ast.unparse(mark).partition("(")[0]: mark for mark in test.decorator_list}
    return {name.removeprefix("pytest.mark."): mark for name, mark in named.items() if name.startswith("pytest.mark.")}


def nightly(test: ast.FunctionDef) -> ast.expr | None:
    """Returns the mark of a test of which `make test` runs no case."""
    return marks_of(test).get("nightly")


def problems(path: str) -> list[str]:
    found = []
    for name, test in functions_of(path).items():
        mark = nightly(test)
        if mark is None:
            continue
        named = [ast.literal_eval(argument) for argument in mark.args] if isinstance(mark, ast.Call) else []
        if not named:
            found.append(f"{path}::{name} names no test of `make test`")
        for other in named:
            file, _, function = other.rpartition("::")
            known = functions_of(file or path).get(function)
            if known is None or nightly(known) is not None:
                found.append(f"{path}::{name} names {other}, which `make test` does not run")
    return found


FILES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py"))


def test_nightly_tests_name_tests_of_the_gate():
    assert [problem for path in FILES if path not in ENVIRONMENTS for problem in problems(path)] == []


def test_gate_cases_alone_choose_the_cases_of_a_test():
    """Another mark would remove cases that `gate_cases` names, or no further ones."""
    marks = {f"{path}::{name}": set(marks_of(test)) for path in FILES for name, test in functions_of(path).items()}
    others = {"nightly", "nightly_cases", "each_value_once"}
    assert [name for name, found in marks.items() if "gate_cases" in found and found & others] == []


def unmarked_parts(path: str) -> list[str]:
    """Returns the tests that call a function of `PARTS` without the mark by which `make nightly` runs the other parts."""
    imports = [node for node in tree_of(path).body if isinstance(node, ast.ImportFrom)]
    parts = {alias.name for node in imports if node.module in HELPERS for alias in node.names} & PARTS
    unmarked = {name: test for name, test in functions_of(path).items() if "sampled" not in marks_of(test)}
    called = {name: [node.func for node in ast.walk(test) if isinstance(node, ast.Call)] for name, test in unmarked.items()}
    return [f"{path}::{name}" for name, used in called.items() if parts & set(map(ast.unparse, used))]


def test_tests_that_run_in_part_are_sampled():
    assert [name for path in FILES for name in unmarked_parts(path)] == []


@pytest.mark.parametrize("path", sorted(ENVIRONMENTS))
def test_files_without_names_are_nightly(path):
    assert "pytest.mark.nightly" in (ROOT / path).read_text(encoding="utf-8")


class Item:
    """Stands for a case of a parametrised test."""

    def __init__(self, id: str, mark: Any) -> None:
        self.nodeid, self.callspec, self.marks = f"tests/test_a.py::test_a[{id}]", SimpleNamespace(id=id), [mark.mark]

    def get_closest_marker(self, name: str) -> Any:
        return next((mark for mark in self.marks if mark.name == name), None)

    def add_marker(self, mark: Any) -> None:
        self.marks.append(mark.mark)


def in_gate(mark: Any, ids: str = "abcdefg", whole: bool = True) -> str:
    items: Sequence[Any] = [Item(id, mark) for id in ids]
    mark_other_cases(items, whole)
    return "".join(item.callspec.id for item in items if item.get_closest_marker("nightly") is None)


def test_marks_choose_the_cases_of_the_gate():
    assert in_gate(pytest.mark.gate_cases("b", "e")) == "be"
    assert in_gate(pytest.mark.gate_cases(3)) == "adg"
    assert in_gate(pytest.mark.nightly_cases("b", "e")) == "acdfg"
    assert in_gate(pytest.mark.gate_cases("b"), ids="c", whole=False) == ""
    with pytest.raises(pytest.UsageError, match="names ids that no case has: \\['x'\\]"):
        in_gate(pytest.mark.nightly_cases("x"))


@pytest.mark.parametrize("every", [False, True])
def test_parts_of_tests(monkeypatch, every):
    if every:
        monkeypatch.setenv(sampling.EVERY, "1")
    else:
        monkeypatch.delenv(sampling.EVERY, raising=False)
    assert sampling.every_case() is every
    assert list(sampling.some((1, 2, 3), 2)) == ([1, 2, 3] if every else [1, 2])
