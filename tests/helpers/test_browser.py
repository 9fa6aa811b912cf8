"""Checks that a look at a page finds what is wrong with it."""

from __future__ import annotations

from pathlib import Path

from tests.helpers.browser import HEIGHT, WIDTH, browser, of_chromium

PAGE = """<!DOCTYPE html><html><head><title>Page</title></head><body><main><h1>Title</h1>
<section aria-label="Rows" tabindex="0"><table><thead><tr><th scope="col">A</th><th>B</th></tr></thead>
<tbody><tr><td>&lt;b&gt;</td><td><a href="#"></a></td></tr></tbody></table></section>
<section style="width: 3000px">wide</section><svg role="img" aria-label="Plot"></svg><svg role="img"></svg></main>
<script>function f() { alert(1) }</script><script>throw new Error("broken")</script></body></html>
"""


@of_chromium
def test_a_look_finds_what_is_wrong(tmp_path: Path):
    (tmp_path / "page.html").write_text(PAGE)
    with browser() as chromium:
        found = chromium.look((tmp_path / "page.html").as_uri())
    assert (found["title"], found["headings"], found["cells"]) == ("Page", ["Title"], ["<b>", ""])
    assert found["width"] == WIDTH > HEIGHT and found["needed"] >= 3000
    assert (found["unscoped"], found["regions"]) == (["B"], ["Rows", None])
    assert (found["unreachable"], found["unnamed"], found["scripts"]) == (1, 2, 1)
    assert len(found["errors"]) == 1 and "broken" in found["errors"][0]
