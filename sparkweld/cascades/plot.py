"""Writes the points of a cost curve as CSV and as an SVG chart, without a plotting library."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT, _MARGIN = 640, 400, 60
_COLOURS = ("#1b6ca8", "#d1495b", "#2e8b57", "#8e6c8a", "#edae49", "#555555")


@dataclass(frozen=True)
class Point:
    """One threshold of one candidate on the rows to choose with.

    `lost`: the share that the promise limits, from these `counts`, which `text` states in words. `cost`: expected nanoseconds
    per row.
    """

    groups: tuple[str, ...]
    about: str
    threshold: float
    unsure: float
    lost: float
    counts: dict[str, int]
    text: str
    cost: float
    passes: bool


def curve_csv(points: Sequence[Point]) -> str:
    """Returns CSV with one line per point."""
    out = io.StringIO()
    writer = csv.writer(out)
    counts = list(points[0].counts) if points else []
    writer.writerow(["groups", "model", "threshold", "unsure", *counts, "cost_ns", "passes"])
    for p in points:
        settings = ["+".join(p.groups), p.about, repr(p.threshold), f"{p.unsure:.6f}"]
        writer.writerow([*settings, *(p.counts[name] for name in counts), f"{p.cost:.1f}", p.passes])
    return out.getvalue()


def curve_svg(points: Sequence[Point], full_cost: float, title: str, limit: float) -> str:
    """Plots cost per row over what is lost, one line per small model. Filled points would pass; the dashed lines are the full
    model's cost and the `limit` of what is lost. `title`: that of the axis.
    """
    loss = [100 * p.lost for p in points] or [0.0]
    low, high = min(0.0, *loss), max(100 * limit * 2, *loss)
    top = max(full_cost, *(p.cost for p in points)) * 1.05 if points else full_cost or 1.0

    def x(value: float) -> float:
        return _MARGIN + (value - low) / ((high - low) or 1.0) * (_WIDTH - 2 * _MARGIN)

    def y(value: float) -> float:
        return _HEIGHT - _MARGIN - value / top * (_HEIGHT - 2 * _MARGIN)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _line(_MARGIN, y(0), _WIDTH - _MARGIN, y(0), "#333"),
        _line(_MARGIN, y(0), _MARGIN, _MARGIN, "#333"),
        _line(_MARGIN, y(full_cost), _WIDTH - _MARGIN, y(full_cost), "#333", "4 3"),
        _line(x(100 * limit), y(0), x(100 * limit), _MARGIN, "#999", "2 3"),
        _text(_WIDTH / 2, _HEIGHT - 18, f"{title} ({low:.3g} to {high:.3g})"),
        _text(_WIDTH / 2, 24, f"ns per row, 0 to {top:.0f}; the full model: {full_cost:.0f}"),
    ]
    names = list(dict.fromkeys((p.groups, p.about) for p in points))
    for number, name in enumerate(names):
        colour = _COLOURS[number % len(_COLOURS)]
        own = [(p, at) for p, at in zip(points, loss, strict=False) if (p.groups, p.about) == name]
        line = " ".join(f"{x(at):.1f},{y(p.cost):.1f}" for p, at in own)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-opacity="0.5"/>')
        for p, at in own:
            fill = colour if p.passes else "white"
            parts.append(f'<circle cx="{x(at):.1f}" cy="{y(p.cost):.1f}" r="3" fill="{fill}" stroke="{colour}"/>')
        label = f"{name[1]} of {', '.join(name[0])}"
        parts.append(_text(_WIDTH - _MARGIN, _MARGIN + 16 * number, label[:70], colour, "end"))
    return "\n".join([*parts, "</svg>", ""])


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, dash: str = "") -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dashes}/>'


def _text(x: float, y: float, text: str, colour: str = "#333", anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>'
