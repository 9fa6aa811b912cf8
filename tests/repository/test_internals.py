"""Checks the pages for maintainers: pictures equal their descriptions, and all files, tests and commits that they name exist."""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
INTERNALS = ROOT / "docs" / "internals"
PAGES = [ROOT / "docs" / "glossary.md", *sorted(INTERNALS.glob("*.md")), *sorted(INTERNALS.glob("*.txt"))]
# The pages name Scala files by their path in the package.
BASES = (ROOT, ROOT / "jvm-bridge" / "src" / "main" / "scala" / "io" / "sparkweld")
PATH = re.compile(r"[\w.-]+(/[\w.-]+)*(/|\.(py|scala|java|c|h|json|md|txt|svg|conf|ir))|[\w.-]+(/[\w.-]+)+")

MARKDOWN = [page for page in PAGES if page.suffix == ".md"]
#: Pages that follow a commit -> the most files that such a change may touch, without tests and generated pages.
WALKTHROUGHS = {"add-an-op.md": 3, "add-a-pandas-method.md": 2, "add-an-estimator.md": 3, "add-a-reason.md": 1}
COMMIT = re.compile(r"commit[^`.]*`([\w, ]+: [^`]+)`")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _commits() -> dict[str, str] | None:
    """Returns the subject of each commit with its hash; None for a copy of the sources without its history."""
    if not (ROOT / ".git").exists() or _git("rev-parse", "--is-shallow-repository").strip() == "true":
        return None
    return dict(line.split(" ", 1)[::-1] for line in _git("log", "--format=%H %s").splitlines())


def _subjects(page: Path) -> list[str]:
    """Returns the subjects of commits that a page names."""
    return COMMIT.findall(" ".join(page.read_text(encoding="utf-8").split()))


def _diff(page: Path) -> dict[str, list[str]]:
    """Returns the added lines of each file in a page's diff."""
    added: dict[str, list[str]] = {}
    for block in re.findall(r"^```diff\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("+++ "):
                lines = added.setdefault(line[4:], [])
            elif line.startswith("+"):
                lines.append(line[1:])
    return added


def _named(page: Path) -> set[str]:
    """The paths in backquotes, without the test that follows `::`, and the targets of links."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    quoted = {name.partition("::")[0] for name in re.findall(r"`([^`\n]+)`", text)}
    return {name for name in quoted if PATH.fullmatch(name)}


@pytest.mark.parametrize("description", sorted((ROOT / "docs").rglob("*.txt")), ids=lambda path: path.stem)
def test_a_picture_is_that_of_its_description(description):
    draw = runpy.run_path(str(INTERNALS / "draw.py"))["draw"]
    drawn = draw(description.read_text(encoding="utf-8"))
    ElementTree.fromstring(drawn)
    message = f"run python docs/internals/draw.py: {description.stem}.svg is out of date"
    assert description.with_suffix(".svg").read_text(encoding="utf-8") == drawn, message


def test_every_picture_has_a_description():
    described = {path.with_suffix(".svg") for path in (ROOT / "docs").rglob("*.txt")}
    assert set((ROOT / "docs").rglob("*.svg")) == described


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_path_of_a_page_exists(page):
    named = _named(page)
    assert named, "a page without a path: has the format changed?"
    assert not [name for name in sorted(named) if not any((base / name).exists() for base in BASES)]


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda path: path.name)
def test_every_link_of_a_page_leads_to_a_file(page):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not link.startswith("https://") and not (page.parent / link).exists()]


def test_every_test_of_a_page_exists():
    pages = [page.read_text(encoding="utf-8") for page in PAGES if page.suffix == ".md"]
    named = [found for page in pages for found in re.findall(r"`([\w/.]+)::(\w+)`", page)]
    assert len(named) >= 10
    for path, name in named:
        assert re.search(rf"^\s*def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), f"{path}::{name}"


def test_every_commit_of_a_page_exists():
    commits = _commits()
    named = {subject for page in MARKDOWN for subject in _subjects(page)}
    hashes = {name for page in MARKDOWN for name in re.findall(r"\bcommit ([0-9a-f]{7,})", page.read_text(encoding="utf-8"))}
    assert len(named) > len(WALKTHROUGHS)
    if commits is not None:
        assert sorted(named - set(commits)) == []
        assert [name for name in sorted(hashes) if not any(full.startswith(name) for full in commits.values())] == []


@pytest.mark.parametrize("name", WALKTHROUGHS)
def test_a_page_shows_the_commit_that_it_follows(name):
    page = INTERNALS / name
    text = " ".join(page.read_text(encoding="utf-8").split())
    added, commits = _diff(page), _commits()
    assert 0 < len(added) <= WALKTHROUGHS[name]
    assert f"{len(added)} file{'s' * (len(added) > 1)}, tests and generated pages not counted" in text
    for path, lines in added.items():
        source = (ROOT / path).read_text(encoding="utf-8").splitlines()
        assert lines and not [line for line in lines if line not in source], f"{path} has changed: update the diff in {name}"
    if commits is not None:
        touched = _git("show", "--format=", "--name-only", commits[_subjects(page)[0]]).split()
        assert {Path(path).name for path in touched if not path.startswith(("tests/", "docs/"))} == {Path(p).name for p in added}


def test_walkthroughs_cover_all_pages_of_additions():
    assert {page.name for page in INTERNALS.glob("add-*.md")} - {"add-a-spark-line.md"} == set(WALKTHROUGHS)
