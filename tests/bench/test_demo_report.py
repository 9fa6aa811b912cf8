"""Checks the demo's table and its page."""

from __future__ import annotations

from pathlib import Path

from demo_report import Line, page, table

from tests.helpers.browser import browser, of_chromium

LINES = [
    Line("formula", 10_103_280, (60.04, 12.0), (48.0, 4.0), "equal"),
    Line("<b>", 5, (1.0, 1.0), (0.0, 0.0), "DIFFERENT"),
]


def test_the_table_is_aligned():
    head, rule, first, second = table(LINES).splitlines()
    assert len({len(line) for line in (head, rule, first, second)}) == 1
    cells = [cell.strip() for cell in first.split("|")[1:-1]]
    assert cells == ["formula", "10,103,280", "60.0 s", "12.0 s", "5.0x", "48.0 s", "4.0 s", "12.0x", "equal"]


def test_the_page_escapes_and_has_a_plot_of_each_time():
    made = page(LINES, ["10 & more"], "a <plan>")
    assert made.count("<svg") == 2 and made.count("<rect") == 2 * (2 + 2 * 2)
    assert "<b>" not in made and "&lt;b&gt;" in made and "a &lt;plan&gt;" in made and "10 &amp; more" in made
    assert 'width="560.0"' in made  # the longest bar


@of_chromium
def test_the_page_in_a_browser(tmp_path: Path):
    (tmp_path / "report.html").write_text(page(LINES, ["10 & more"], "a <plan>" * 100))
    with browser() as chromium:
        found = chromium.look((tmp_path / "report.html").as_uri())
    assert found["needed"] <= found["width"] and found["errors"] == []
    assert not found["unscoped"] and not found["unreachable"] and not found["unnamed"]
    assert "<b>" in found["cells"] and found["title"] == "SparkWeld demo" == found["headings"][0]
