"""Builds the site of docs/ with warnings as errors, and checks each link, anchor and picture of it without a network."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import sparkweld

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: Pages that only the hosts of repositories show.
OUTSIDE = [*sorted(ROOT.glob("*.md")), ROOT / "tests" / "bench" / "README.md"]
#: Pages that Sphinx writes by itself.
OF_SPHINX = {"genindex.html", "search.html", "py-modindex.html"}


class Links(HTMLParser):
    """Collects the links, the loaded files and the anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = dict(attrs)
        self.anchors.update(of[name] or "" for name in ("id", "name") if name in of)
        if tag == "a" and of.get("href"):
            self.links.append(of["href"] or "")
        elif (target := of.get("src") or (of.get("href") if tag == "link" else None)) is not None:
            self.loaded.append(target)


def anchor(heading: str) -> str:
    """Returns the anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()).replace(" ", "-")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Links]:
    """Returns the pages of the built site by their files."""
    folder = tmp_path_factory.mktemp("site")
    options = ["-b", "html", "-q", "-n", "-W", "--keep-going", "-d", str(folder / "cache")]
    command = [sys.executable, "-m", "sphinx", *options, str(DOCS), str(folder / "html")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "html" / "searchindex.js").stat().st_size > 50_000
    return {path: Links(path.read_text(encoding="utf-8")) for path in sorted((folder / "html").rglob("*.html"))}


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info < (3, 11), reason="the last MyST for CPython 3.10 makes other anchors")
def test_the_site_has_every_page_and_no_broken_link(site):
    folder = next(path.parent for path in site if path.name == "search.html")
    pages = {str(page.relative_to(DOCS).with_suffix(".html")) for page in DOCS.rglob("*.md")}
    assert {str(path.relative_to(folder)) for path in site} - OF_SPHINX == pages
    broken, count = [], 0
    for path, page in site.items():
        for link in (*page.links, *page.loaded):
            parts = urlsplit(link)
            if parts.scheme or link.startswith("data:"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            count += 1
            if not target.is_file() or parts.fragment and unquote(parts.fragment) not in (site[target].anchors | {"#"}):
                broken.append(f"{path.relative_to(folder)}: {link}")
    assert not broken and count > 1000, "\n".join(broken)


@pytest.mark.slow
def test_the_site_loads_nothing_from_a_network(site):
    for path, page in site.items():
        assert [name for name in page.loaded if urlsplit(name).scheme not in ("", "data") or name.startswith("//")] == [], path


@pytest.mark.slow
def test_every_page_is_found_by_its_title_without_a_server(site):
    """The index of the search is a script, which a page opened from a disk may load, too."""
    folder = next(path.parent for path in site if path.name == "search.html")
    assert "searchindex.js" in " ".join(site[folder / "search.html"].loaded)
    index = (folder / "searchindex.js").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        assert f'"{page.relative_to(DOCS).with_suffix("")}"' in index, page


def test_the_reference_has_every_public_name():
    named = set(re.findall(r"^- `sparkweld\.([\w.]+)`", (DOCS / "api.md").read_text(encoding="utf-8"), re.MULTILINE))
    public = {name for name in sparkweld.__all__ if not inspect.ismodule(getattr(sparkweld, name))}
    for module in ("annotations", "lint", "mlflow"):
        public |= {f"{module}.{name}" for name in import_module(f"sparkweld.{module}").__all__ if name[0] != "_"}
    assert public <= named
    assert {"cascade.fit", "ranking.fit"} <= named


@pytest.mark.parametrize("page", OUTSIDE, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_page_outside_the_site_lead_to_files_and_headings(page: Path):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)]+)\)", text):
        path, _, fragment = link.partition("#")
        if path.startswith(("https://", "../../security/")):  # the second is a form of the host
            continue
        target = (page.parent / path) if path else page
        assert target.exists(), link
        if fragment:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert fragment in map(anchor, headings), link
