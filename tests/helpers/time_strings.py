"""Provides formats of times and strings that are near them: parsed, nearly parsed, and malformed."""

from __future__ import annotations

import datetime

import numpy as np

#: Formats that strptime and strftime both support; years are written with four digits.
FORMATS = (
    "%Y-%m-%d", "%d.%m.%Y", "%m/%d/%y", "%Y%m%d", "%d %b %Y", "%B %d, %Y", "%A, %d. %B %Y", "%a %b %d %H:%M:%S %Y",
    "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%fZ", "%H:%M", "%I:%M %p", "%I%p", "%d/%b/%Y:%H:%M:%S",
    "%Y%m%d%H%M%S%f", "%y%m%d", "%j %Y", "%Y-%j", "%m%d%Y%H%M", "%H:%M:%S %I %p", "%d%%%m%%%Y", "  %Y  ", "%b-%y", "%f.%S",
    "%u %Y %w", "%m %b %Y", "%y/%Y", "", "it's %Y",
)  # fmt: skip

_NOISE = " 0123456789-/.:,TZamp\t%+"


def near(format: str, random: np.random.Generator) -> str:
    """Returns a string of the format, as it is or changed in one to three places."""
    time = datetime.datetime(1, 1, 1) + datetime.timedelta(
        days=int(random.integers(0, 3_652_059)), seconds=int(random.integers(0, 86_400)),
        microseconds=int(random.choice((0, 1, 120_000, 999_999))),
    )  # fmt: skip
    time = time.replace(year=max(time.year, 1000)) if random.random() < 0.9 and (time.month, time.day) != (2, 29) else time
    text = time.strftime(format)
    kind = random.integers(0, 8)
    if kind == 0:
        text = text.upper() if random.random() < 0.5 else text.lower()
    if kind == 1:  # fields of one digit
        text = text.replace("-0", "-").replace("/0", "/").replace(".0", ".").replace(":0", ":").removeprefix("0")
    if kind == 2:
        text = text.replace(" ", str(random.choice(("  ", "\t", " \n ", "", "\x1c"))))
    for _ in range(int(random.integers(1, 4)) if kind in (3, 4, 5) else 0):
        at = int(random.integers(0, len(text) + 1))
        piece = str(random.choice(list(_NOISE))) if random.random() < 0.8 else ""
        text = text[:at] + piece + text[at + int(random.integers(0, 2)) :]
    if kind == 6 and random.random() < 0.3:
        text = text.replace("1", "١") if random.random() < 0.5 else text + "é"
    return text
