"""Regenerates the expected halves of fixtures from the current code: run `make golden`, then review the diff.

Cases that must not fire are unchanged: a pass that starts to fire there is a failure, not a new expectation.
"""

from __future__ import annotations

from pathlib import Path

from sparkweld.cli.main import conf_table
from sparkweld.ir import parse_program, print_program
from tests.corpus import runner as corpus
from tests.helpers import compatibility, reasons_page
from tests.helpers.calls_table import with_calls_table
from tests.optimizer.test_passes import BLOCKS, BY_NAME, FIXTURES, cases, to_fixed_point

DOCS = Path(__file__).resolve().parents[2] / "docs"
COMPILED, SETTINGS = DOCS / "compiled.md", DOCS / "settings.md"
CONF_BEGIN, CONF_END = "<!-- conf -->\n", "<!-- /conf -->\n"


def pass_fixture(path: Path) -> str:
    """Returns a file of tests/fixtures/passes with each expected program replaced by the pass's current output."""
    parts = []
    for title, before, after in cases(path):
        if after:
            after = print_program(to_fixed_point(BY_NAME[path.stem], parse_program(before, BLOCKS)))
        parts.append(f"# title: {title}\n{before}---\n{after}")
    return "\n".join(parts)


def with_conf_table(text: str) -> str:
    """Returns docs/settings.md with the table of settings that the jar prints."""
    begin, end = text.index(CONF_BEGIN) + len(CONF_BEGIN), text.index(CONF_END)
    return text[:begin] + conf_table().strip() + "\n" + text[end:]


def main() -> None:
    rewritten = {path: pass_fixture(path) for path in sorted(FIXTURES.glob("*.ir"))}
    rewritten[COMPILED] = with_calls_table(COMPILED.read_text(encoding="utf-8"))
    rewritten[SETTINGS] = with_conf_table(SETTINGS.read_text(encoding="utf-8"))
    rewritten[corpus.EXPECTED] = corpus.expected_text([corpus.answer(case) for case in corpus.cases()])
    rewritten[compatibility.PAGE] = compatibility.page()
    rewritten[reasons_page.PAGE] = reasons_page.page()
    for path, text in rewritten.items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"rewrote {path}")


if __name__ == "__main__":
    main()
