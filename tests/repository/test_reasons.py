"""Checks the table of reason codes: sorted, complete, and every code is raised by a source and expected by a test."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from sparkweld.errors import InternalError, Refusal
from sparkweld.reasons import CATEGORIES, REASONS_FILE, TRAITS, _narrowing, has, reasons, refusal

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [(folder, suffix) for folder in ("sparkweld", "udf_compiler", "jvm-bridge/src/main") for suffix in ("py", "scala")]
TESTS = [("tests", "py"), ("tests", "scala"), ("jvm-bridge/src/test", "scala")]

CODE = re.compile(r"\bSW\d{3}\b")


def codes_in(places: list[tuple[str, str]]) -> set[str]:
    """Returns codes in string literals (with their quotes, so that a mention in a comment or docstring does not count)."""
    found: set[str] = set()
    for folder, suffix in places:
        for path in (ROOT / folder).rglob(f"*.{suffix}"):
            if path != Path(__file__).resolve():
                text = path.read_text(encoding="utf-8")
                found.update(re.findall(r"[\"'](SW\d{3})[\"']", text))
    return found


def test_the_file_is_sorted_and_written_by_the_rules():
    text = REASONS_FILE.read_text(encoding="utf-8")
    table = json.loads(text)
    assert list(table) == sorted(table)
    assert text == json.dumps(table, indent=2) + "\n"


def test_entries_are_complete():
    for code, entry in reasons().items():
        assert CODE.fullmatch(code) and code[2] in "123456789"
        assert set(entry) - {"traits", "narrows"} == {"title", "category", "message", "hint"} and all(entry.values()), code
        traits = list(entry.get("traits", ()))
        assert entry["category"] in CATEGORIES and traits == sorted(set(traits) & set(TRAITS)), code
        assert len(entry["title"]) <= 50 and not entry["title"].endswith("."), code
        assert entry["message"].endswith((".", ">")) and not entry["message"].startswith(" "), code
        for field in ("message", "hint"):
            assert set(re.findall(r"<([^>]*)>", entry[field])) == set(re.findall(r"<([a-z_]+)>", entry[field])), code


def test_every_category_and_trait_is_used():
    assert {entry["category"] for entry in reasons().values()} == set(CATEGORIES)
    assert {name for entry in reasons().values() for name in entry.get("traits", ())} == set(TRAITS)
    with pytest.raises(InternalError, match="no trait"):
        has("SW101", "unheard_of")


def branches_on_codes(source: str) -> list[int]:
    """Returns the lines where a program compares a code or lists codes, instead of raising or returning a refusal."""
    if re.search(r"SW\d", source) is None:
        return []
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"SW\d+", node.value)):
            continue
        while not isinstance(parents[node], ast.stmt | ast.Compare | ast.Call):
            node = parents[node]
        outer = parents[node]
        listing = isinstance(outer, ast.Call) and ast.unparse(outer.func).endswith(("startswith", "set"))
        listed = isinstance(outer, ast.Assign | ast.AnnAssign) and not isinstance(node, ast.Constant | ast.IfExp)
        if isinstance(outer, ast.Compare) or listing or listed:
            found.append(node.lineno)
    return found


def test_no_program_branches_on_a_code():
    source = 'x = r.code == "SW101"\nif r.code in ("SW101", "SW102"): pass\nL = frozenset(("SW101",))'
    assert branches_on_codes(source) == [1, 2, 2, 3]
    assert branches_on_codes('raise refusal("SW101", at=x)\nreason = "SW101"\nreturn "SW102", {}') == []
    for folder in ("sparkweld", "udf_compiler", "jobs"):
        for path in (ROOT / folder).rglob("*.py"):
            assert branches_on_codes(path.read_text(encoding="utf-8")) == [], path
    compared = re.compile(r'code\)? *[!=]= *"SW|Set\("SW|startsWith\("?SW|case "SW|Seq\("SW')
    for path in (ROOT / "jvm-bridge/src/main").rglob("*.scala"):
        assert not compared.search(path.read_text(encoding="utf-8")), path


def test_titles_are_unique():
    titles = [entry["title"] for entry in reasons().values()]
    assert len(set(titles)) == len(titles)


def test_every_code_that_a_source_raises_is_in_the_table():
    assert sorted(codes_in(SOURCES) - set(reasons())) == []


def test_every_code_is_raised_by_a_source():
    narrow = {code: set(entry["narrows"]) for code, entry in reasons().items() if "narrows" in entry}
    assert sorted(set(reasons()) - codes_in(SOURCES) - set(narrow)) == []
    assert not [code for code, wide in narrow.items() if not wide <= set(reasons()) - set(narrow)]


def test_every_code_is_expected_by_a_test():
    assert sorted(set(reasons()) - codes_in(TESTS)) == []


def test_a_refusal_is_filled_in():
    made = refusal("SW201", "f, line 3 of job.py", module="scoring")
    assert isinstance(made, Refusal)
    assert "scoring" in made.message and "<" not in made.message
    assert str(made).startswith("SW201 Module missing (f, line 3 of job.py): ")


def test_an_entry_narrows_another_one(monkeypatch):
    wide = {"title": "Wide", "message": "<function> uses <module>.", "hint": "None."}
    narrow = {**wide, "title": "Narrow", "hint": "Use from_json.", "narrows": {"SW101": {"module": ["json"]}}}
    monkeypatch.setattr("sparkweld.reasons.reasons", lambda: {"SW101": wide, "SW102": narrow})
    monkeypatch.setattr("sparkweld.reasons._narrowing", _narrowing.__wrapped__)
    assert refusal("SW101", function="f", module="time").code == "SW101"
    expected = Refusal("SW102", "Narrow", "f uses json.", "Use from_json.", "here")
    assert refusal("SW101", "here", function="f", module="json") == expected


def test_a_refusal_without_its_parameters_is_our_bug():
    with pytest.raises(InternalError, match="module"):
        refusal("SW201")
    with pytest.raises(InternalError, match="SW999"):
        refusal("SW999")
