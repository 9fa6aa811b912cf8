"""Draws each picture of docs/: `python docs/internals/draw.py` turns every NAME.txt into NAME.svg.

A description lists columns of boxes, from left to right and from top to bottom, then arrows between neighbours:

    title TEXT
    column TEXT
    box NAME TEXT                (the indented lines below it are its text; `a/path` is monospaced)
    gap                          (leaves one place of the column empty)
    arrow NAME -> NAME LABEL     (also <->; and ..> for the path of a failure, which is dashed)

Boxes side by side have the same height. Widths are upper bounds for common fonts, so the description alone decides the picture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

MARGIN, TOP, LANE, BEND, HEAD, LINE, ROW_GAP, COLUMN_GAP = 24, 58, 16, 30, 24, 17, 30, 46
FILLS, EDGES = ("#eef4fb", "#eef8f1", "#fdf5e8"), ("#4878a8", "#3f8a5c", "#b5801f")
INK, SOFT, FAIL, BOLD = "#1f2933", "#52606d", "#b23b3b", ' font-weight="600"'
SANS = "-apple-system, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"
MONO = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


@dataclass
class Box:
    """A box of the column `column`, at the place `row` of it; `x`, `y`, `width` and `height` are set by `place`."""
    title: str
    column: int
    row: int
    lines: list[str] = field(default_factory=list)
    x = y = width = height = 0.0


@dataclass
class Picture:
    """A parsed description; arrows are (from, kind, to, label)."""
    title: str = ""
    columns: list[str] = field(default_factory=list)
    boxes: dict[str, Box] = field(default_factory=dict)
    arrows: list[tuple[str, ...]] = field(default_factory=list)


def parse(text: str) -> Picture:
    """Reads a description. Raises ValueError for a line that is none of the format."""
    picture, row, box = Picture(), 0, None
    for line in filter(str.strip, text.splitlines()):
        word, _, rest = line.partition(" ")
        if line.startswith("  ") and box:
            box.lines.append(line.strip())
        elif word == "title":
            picture.title = rest
        elif word == "column":
            picture.columns, row = [*picture.columns, rest], 0
        elif line == "gap":
            row += 1
        elif word == "box":
            name, _, title = rest.partition(" ")
            box = picture.boxes[name] = Box(title, len(picture.columns) - 1, row)
            row += 1
        elif found := re.fullmatch(r"arrow (\w+) (->|<->|\.\.>) (\w+) *(.*)", line):
            picture.arrows.append(found.groups())
        else:
            raise ValueError(f"not a line of a picture: {line}")
    return picture


def width_of(line: str, size: float, bold: bool = False) -> float:
    """Returns a width that the line does not exceed in common fonts."""
    return len(line.strip("`")) * size * (0.605 if line.startswith("`") else 0.6 if bold else 0.54)


def place(picture: Picture) -> tuple[float, float]:
    """Sets the position and size of every box, and returns the size of the picture."""
    boxes, x = list(picture.boxes.values()), float(MARGIN)
    for column, name in enumerate(picture.columns):
        own = [box for box in boxes if box.column == column]
        widths = [max(width_of(box.title, 14, True), *(width_of(line, 12) for line in box.lines)) for box in own]
        width = max(*widths, width_of(name, 15, True)) + 28
        for box in own:
            box.x, box.width = x + LANE, width
        across = [each for each in picture.arrows if {picture.boxes[each[k]].column for k in (0, 2)} == {column, column + 1}]
        x += width + 2 * LANE + max([COLUMN_GAP, *(width_of(label, 11.5) + BEND + 2 for *_, label in across)])
    y = TOP + 38.0
    for row in range(max(box.row for box in boxes) + 1):
        own = [box for box in boxes if box.row == row]
        for box in own:
            box.y, box.height = y, max(HEAD + 16 + LINE * len(other.lines) for other in own)
        y += own[0].height + ROW_GAP
    return max(box.x + box.width for box in boxes) + LANE + MARGIN, y - ROW_GAP + LANE + MARGIN


def rectangle(x: float, y: float, width: float, height: float, fill: str, edge: str = "none") -> str:
    """Returns a rectangle with round corners."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8" fill="{fill}" stroke="{edge}"/>'


def words(x: float, y: float, line: str, size: float, look: str = "", colour: str = INK) -> str:
    """Returns a line of text; a line in backquotes is monospaced."""
    look += f' font-family="{MONO}"' if line.startswith("`") else ""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{colour}"{look}>{escape(line.strip("`"))}</text>'


def arrow(picture: Picture, start: str, kind: str, end: str, label: str) -> str:
    """Returns an arrow and its label: straight along a row or a column, else with a bend between two columns."""
    a, b = picture.boxes[start], picture.boxes[end]
    colour, dash, name = (FAIL, ' stroke-dasharray="6 4"', "fail") if kind == "..>" else (SOFT, "", "end")
    if a.column == b.column:
        x, (y1, y2) = a.x + a.width / 2, (a.y + a.height, b.y) if a.y < b.y else (a.y, b.y + b.height)
        path, at, anchor = f"M{x:g} {y1:g} V{y2:g}", (x + 9, (y1 + y2) / 2 + 4), "start"
    else:
        right, (y1, y2) = a.column < b.column, (a.y + a.height / 2, b.y + b.height / 2)
        x1, x2 = (a.x + a.width, b.x) if right else (a.x, b.x + b.width)
        bend = x1 + (BEND if right else -BEND)
        path, at, anchor = f"M{x1:g} {y1:g} H{x2:g}", ((x1 + x2) / 2, y2 - 7), "middle"
        if y1 != y2:
            path, anchor = f"M{x1:g} {y1:g} H{bend:g} V{y2:g} H{x2:g}", "start" if right else "end"
            at = (bend + (7 if right else -7), (y1 + y2) / 2 + 4)
    marks = f'marker-end="url(#{name})"' + (f' marker-start="url(#{name})"' if kind == "<->" else "")
    drawn = f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.6"{dash} {marks}/>'
    return drawn + words(*at, label, 11.5, f' text-anchor="{anchor}"', colour)


def draw(text: str) -> str:
    """Returns the SVG of a description."""
    width, height = place(picture := parse(text))
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
           f'font-family="{SANS}" role="img"><title>{escape(picture.title)}</title>']  # fmt: skip
    for name, colour in (("end", SOFT), ("fail", FAIL)):
        out.append(f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto-start-'
                   f'reverse" markerUnits="userSpaceOnUse"><path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>')  # fmt: skip
    out += [rectangle(0, 0, width, height, "#ffffff"), words(MARGIN, MARGIN + 16, picture.title, 18, BOLD)]
    for column, name in enumerate(picture.columns):
        box = next(box for box in picture.boxes.values() if box.column == column)
        out += [rectangle(box.x - LANE, TOP, box.width + 2 * LANE, height - MARGIN - TOP, FILLS[column % 3]),
                words(box.x, TOP + 26, name, 15, BOLD, EDGES[column % 3])]  # fmt: skip
    out += [arrow(picture, *each) for each in picture.arrows]
    for box in picture.boxes.values():
        out += [rectangle(box.x, box.y, box.width, box.height, "#ffffff", EDGES[box.column % 3]),
                words(box.x + 14, box.y + 24, box.title, 14, BOLD)]  # fmt: skip
        out += [words(box.x + 14, box.y + HEAD + 20 + LINE * k, line, 12, "", SOFT) for k, line in enumerate(box.lines)]
    return "\n".join([*out, "</svg>", ""])


if __name__ == "__main__":
    for source in sorted(Path(__file__).parents[1].rglob("*.txt")):
        source.with_suffix(".svg").write_text(draw(source.read_text(encoding="utf-8")), encoding="utf-8")
