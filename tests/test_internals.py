"""Checks the pages for maintainers: pictures are those of their descriptions, and all files and tests that they name exist."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parent.parent
INTERNALS = ROOT / "docs" / "internals"
PAGES = [ROOT / "docs" / "glossary.md", *sorted(INTERNALS.glob("*.md")), *sorted(INTERNALS.glob("*.txt"))]
# The pages name Scala files by their path in the package.
BASES = (ROOT, ROOT / "jvm-bridge" / "src" / "main" / "scala" / "io" / "sparkweld")
PATH = re.compile(r"[\w.-]+(/[\w.-]+)*(/|\.(py|scala|java|c|h|json|md|txt|svg|conf|ir))|[\w.-]+(/[\w.-]+)+")


def _named(page: Path) -> set[str]:
    """The paths in backquotes, without the test that follows `::`, and the targets of links."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    quoted = {name.partition("::")[0] for name in re.findall(r"`([^`\n]+)`", text)}
    return {name for name in quoted if PATH.fullmatch(name)}


@pytest.mark.parametrize("description", sorted(INTERNALS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_picture_is_that_of_its_description(description):
    draw = runpy.run_path(str(INTERNALS / "draw.py"))["draw"]
    drawn = draw(description.read_text(encoding="utf-8"))
    ElementTree.fromstring(drawn)
    message = f"run python docs/internals/draw.py: {description.stem}.svg is out of date"
    assert description.with_suffix(".svg").read_text(encoding="utf-8") == drawn, message


def test_every_picture_has_a_description():
    assert {path.stem for path in INTERNALS.glob("*.svg")} == {path.stem for path in INTERNALS.glob("*.txt")}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_path_of_a_page_exists(page):
    named = _named(page)
    assert named, "a page without a path: has the format changed?"
    assert not [name for name in sorted(named) if not any((base / name).exists() for base in BASES)]


@pytest.mark.parametrize("page", [page for page in PAGES if page.suffix == ".md"], ids=lambda path: path.name)
def test_every_link_of_a_page_leads_to_a_file(page):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not link.startswith("https://") and not (page.parent / link).exists()]


def test_every_test_of_a_page_exists():
    pages = [page.read_text(encoding="utf-8") for page in PAGES if page.suffix == ".md"]
    named = [found for page in pages for found in re.findall(r"`([\w/.]+)::(\w+)`", page)]
    assert len(named) >= 10
    for path, name in named:
        assert re.search(rf"^\s*def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), f"{path}::{name}"
