"""Writes the demo's results: one table of all cases, and an HTML page with plots that needs no other file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from sparkweld.report import pages

HEADS = ("case", "rows", "job off", "job on", "job", "scoring off", "scoring on", "scoring", "rows of both runs")
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1b1f24; }
table { border-collapse: collapse; } th, td { border: 1px solid #d0d7de; padding: .3rem .6rem; text-align: right; }
th:first-child, td:first-child { text-align: left; } th { background: #f6f8fa; } section { overflow-x: auto; }
svg text { font: 13px system-ui, sans-serif; } pre { overflow-x: auto; background: #f6f8fa; padding: .8rem; }
"""
#: Colours and names of the two bars of a case, and the sizes of a plot in pixels.
_BARS = (("#8c959f", "without the flag"), ("#1a7f37", "with the flag"))
_LEFT, _WIDTH, _BAR, _GAP = 110, 560, 16, 14


@dataclass(frozen=True)
class Line:
    """One case: seconds of the whole job and of its scoring stage without and with the flag. `equal`: what the rows show."""

    case: str
    rows: int
    job: tuple[float, float]
    scoring: tuple[float, float]
    equal: str

    def cells(self) -> tuple[str, ...]:
        return (self.case, f"{self.rows:,}", *_times(self.job), *_times(self.scoring), self.equal)


def _times(pair: tuple[float, float]) -> tuple[str, str, str]:
    off, on = pair
    return f"{off:.1f} s", f"{on:.1f} s", f"{off / max(on, 1e-3):.1f}x"


def table(lines: Sequence[Line]) -> str:
    """Returns the table for a terminal, which is Markdown as well."""
    rows = [HEADS, *(line.cells() for line in lines)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEADS))]
    shown = ["| " + " | ".join(_padded(row[at], at, widths[at]) for at in range(len(HEADS))) + " |" for row in rows]
    rule = "|" + "|".join("-" * (width + 1) + ("-" if at == 0 else ":") for at, width in enumerate(widths)) + "|"
    return "\n".join([shown[0], rule, *shown[1:]])


def _padded(text: str, at: int, width: int) -> str:
    return text.ljust(width) if at == 0 else text.rjust(width)


def page(lines: Sequence[Line], facts: Sequence[str], details: str) -> str:
    """Returns the page. `facts`: sentences above the plots. `details`: the text of the log, with plans and comparisons."""
    head = "".join(f"<p>{escape(fact)}</p>" for fact in facts)
    plots = plot("Scoring stage, seconds", [(line.case, line.scoring) for line in lines])
    plots += plot("Whole job, Spark's start included, seconds", [(line.case, line.job) for line in lines])
    cases = pages.table("All cases", HEADS, [line.cells() for line in lines])
    log = f'<h2>Plans, comparisons and commands</h2><pre tabindex="0">{escape(details)}</pre>'
    return pages.document("SparkWeld demo", f"{head}\n{cases}{plots}{log}", _STYLE)


def plot(title: str, pairs: Sequence[tuple[str, tuple[float, float]]]) -> str:
    """Returns horizontal bars, two for each case, as SVG."""
    most = max((value for _, pair in pairs for value in pair), default=0.0) or 1.0
    height = len(pairs) * (2 * _BAR + _GAP) + 26
    parts = []
    for at, (_, (colour, name)) in enumerate(zip(range(2), _BARS, strict=True)):
        parts.append(f'<rect x="{_LEFT + 160 * at}" y="4" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{_LEFT + 160 * at + 18}" y="15">{name}</text>')
    for at, (case, pair) in enumerate(pairs):
        top = 26 + at * (2 * _BAR + _GAP)
        parts.append(f'<text x="{_LEFT - 8}" y="{top + _BAR + 4}" text-anchor="end">{escape(case)}</text>')
        for bar, (value, (colour, _)) in enumerate(zip(pair, _BARS, strict=True)):
            y, width = top + bar * _BAR, max(value / most * _WIDTH, 1)
            parts.append(f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR - 2}" fill="{colour}"/>')
            parts.append(f'<text x="{_LEFT + width + 6:.1f}" y="{y + 12}">{value:.1f} s</text>')
    size = f'width="{_LEFT + _WIDTH + 70}" height="{height}"'
    label = "; ".join(f"{case}: {off:.1f} s without, {on:.1f} s with the flag" for case, (off, on) in pairs)
    body = "".join(parts)
    drawn = f'<svg role="img" aria-label="{escape(label)}" {size}>{body}</svg>'
    return f'<h2>{escape(title)}</h2><section tabindex="0" aria-label="{escape(title)}">{drawn}</section>\n'


def write_page(path: Path, lines: Sequence[Line], facts: Sequence[str], details: Path) -> None:
    path.write_text(page(lines, facts, details.read_text(encoding="utf-8")), encoding="utf-8")
