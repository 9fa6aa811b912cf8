"""Checks that the two parts of `make test` hold each test once, and that part 1 has tests of each folder."""

from __future__ import annotations

import ast
from types import SimpleNamespace

from tests.helpers import parts


def functions_of(path: str) -> set[str]:
    tree = ast.parse((parts.ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_each_listed_test_exists_and_is_listed_once():
    names = parts.listed()
    assert sorted(set(names)) == names
    assert [name for name in names if name.partition("::")[2] not in functions_of(name.partition("::")[0])] == []


def test_each_folder_has_tests_of_part_1():
    listed = set(parts.listed())
    folders = {(parts.ROOT / name.partition("::")[0]).parent for name in listed}
    files = {folder: [str(path.relative_to(parts.ROOT)) for path in folder.glob("test_*.py")] for folder in folders}
    tests = {folder: {f"{path}::{name}" for path in paths for name in functions_of(path)} for folder, paths in files.items()}
    assert [folder for folder, names in tests.items() if not names - listed] == []


def items(*ids: str) -> list[SimpleNamespace]:
    return [Case(id) for id in ids]


class Case(SimpleNamespace):
    """Stands for a collected test."""

    def __init__(self, nodeid: str) -> None:
        super().__init__(nodeid=nodeid)

    def __hash__(self) -> int:
        return hash(self.nodeid)


def second(*ids: str) -> list[str]:
    chosen = parts.second_part(items(*ids))
    return sorted(item.nodeid for item in chosen)


def test_listed_tests_belong_to_part_2(monkeypatch):
    monkeypatch.setattr(parts, "listed", lambda: ["tests/ir/test_a.py::test_b"])
    assert second("tests/ir/test_a.py::test_a", "tests/ir/test_a.py::test_b[1]", "tests/ir/test_a.py::test_b[2]") == [
        "tests/ir/test_a.py::test_b[1]",
        "tests/ir/test_a.py::test_b[2]",
    ]


def test_every_second_of_many_cases_belongs_to_part_2(monkeypatch):
    monkeypatch.setattr(parts, "listed", list)
    cases = [f"tests/ir/test_a.py::test_a[{case}]" for case in range(9)]
    assert second(*cases) == cases[1::2]
    assert second(*cases[:7]) == []
    assert second(*(case.replace("/ir/", "/repository/") for case in cases)) == []
