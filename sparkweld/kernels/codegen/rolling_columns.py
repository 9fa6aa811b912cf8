"""Emits the statistics of `sparkweld.ir.rolling` as Python source, with the names of `whole_columns`."""

from __future__ import annotations

from textwrap import indent

from sparkweld.ir.rolling import LEAST_BITS

_WINDOW = f"""
    described = load_int(a1, 0) if n > 0 else 0
    window = described >> {LEAST_BITS}
    least = described & {(1 << LEAST_BITS) - 1}
    row = 0
"""

#: Slides the window: where it has rows of the one before, a number leaves, and then the row's own number comes.
#: {begin} and {again} begin a window; {leave} and {come} change its state by x; {result} sets `found`.
_SLIDE = """
    known = 0
    same = 0
    previous = 0.0
    added = 0.0
    removed = 0.0
{begin}
    while row < n:
        start = row - window + 1
        if start < 0:
            start = 0
        if row == 0 or start >= row:
            known = 0
            same = 0
            previous = load0(a0, start)
            added = 0.0
            removed = 0.0
{again}
        elif start > 0:
            x = load0(a0, start - 1)
            if x == x:
                known -= 1
{leave}
        x = load0(a0, row)
        if x == x:
            known += 1
            if x == previous:
                same += 1
            else:
                same = 1
            previous = x
{come}
        found = nan
        if known >= least:
{result}
        store(out, row, found)
        row += 1
    return 0
"""

#: Python of a sum: its start, and what a number that leaves or comes changes.
_TOTAL = ("""
negative = 0
total = 0.0
""", """
y = -x - removed
t = total + y
removed = t - total - y
total = t
if signbit(x):
    negative -= 1
""", """
y = x - added
t = total + y
added = t - total - y
total = t
if signbit(x):
    negative += 1
""")  # fmt: skip

#: The same of the mean, and of the squares of the distances from it.
_MOMENTS = ("""
mean = 0.0
squares = 0.0
""", """
if known == 0:
    mean = 0.0
    squares = 0.0
else:
    before = mean - removed
    y = x - removed
    t = y - mean
    removed = t + mean - y
    mean = mean - divide(t, known * 1.0)
    squares = squares - (x - before) * (x - mean)
""", """
before = mean - added
y = x - added
t = y - mean
added = t + mean - y
mean = mean + divide(t, known * 1.0)
squares = squares + (x - before) * (x - mean)
""")  # fmt: skip

_SUM = """
found = total
if same >= known:
    found = previous * known
"""

_MEAN = """
found = divide(total, known * 1.0)
if same >= known:
    found = previous
elif (negative == 0 and found < 0.0) or (negative == known and found > 0.0):
    found = 0.0
"""

_SQUARES = """
found = squares
if known == 1 or same >= known:
    found = 0.0
"""

_RULES = {"sum": (_TOTAL, _SUM), "mean": (_TOTAL, _MEAN), "squares": (_MOMENTS, _SQUARES)}

_EXTREMES = """
    while row < n:
        at = row - window + 1
        if at < 0:
            at = 0
        known = 0
        found = nan
        while at <= row:
            x = load0(a0, at)
            if x == x:
                if known == 0 or x {sign} found:
                    found = x
                known += 1
            at += 1
        store(out, row, found if known >= least else nan)
        row += 1
    return 0
"""


def rolling_body(what: str) -> str:
    """Returns the body of the function of a statistic."""
    if what in ("max", "min"):
        return _WINDOW + _EXTREMES.format(sign=">=" if what == "max" else "<=")
    (begin, leave, come), result = _RULES[what]
    parts = {"begin": (begin, 4), "again": (begin, 12), "leave": (leave, 16), "come": (come, 12), "result": (result, 12)}
    return _WINDOW + _SLIDE.format(**{name: indent(code.strip("\n"), " " * columns) for name, (code, columns) in parts.items()})


_WEIGHTED_MEAN = """
    alpha = divide(1.0, 1.0 + load0(a1, 0)) if n > 0 else 0.0
    factor = 1.0 - alpha
    new = {new}
    mean = nan
    old = 1.0
    row = 0
    while row < n:
        x = load0(a0, row)
        if mean != mean:
            mean = x
        else:
            old = old * factor
            if x == x:
                if mean != x:
                    mean = divide(old * mean + new * x, old + new)
                old = {kept}
        store(out, row, mean)
        row += 1
    return 0
"""


def weighted_mean_body(adjusted: bool) -> str:
    """Returns the body of the function of an exponentially weighted mean."""
    return _WEIGHTED_MEAN.format(new="1.0" if adjusted else "alpha", kept="old + new" if adjusted else "1.0")
