"""Emits the functions `grouped_...` of `sparkweld.ir.wholes` as Python source, with the names of `whole_columns`.

The second argument has the code of each row. The state of a code is in the scratch memory, at the row of that number.
"""

from __future__ import annotations

_STATE = """
    other = scratch + 8 * n
    row = 0
    while row < n:
        store0(scratch, row, zero())
        store_int(other, row, 0)
        row += 1
    row = 0
"""

_SUM = """
    while row < n:
        at = load_int(a1, row)
        if valid0(v0, row):
            before = load0(scratch, at)
            y = load0(a0, row) - load0(other, at)
            t = before + y
            lost = t - before - y
            if lost != lost:
                lost = zero()
            store0(other, at, lost)
            store0(scratch, at, t)
{here}
        row += 1
"""

_EXTREME = """
    while row < n:
        if valid0(v0, row):
            at = load_int(a1, row)
            x = load0(a0, row)
            if load_int(other, at) == 0 or {better}:
                store0(scratch, at, x)
                store_int(other, at, 1)
        row += 1
"""

#: The result holds the squares of each code, which are then spread from the scratch memory.
_SQUARES = """
    while row < n:
        store(out, row, 0.0)
        row += 1
    row = 0
    while row < n:
        if valid0(v0, row):
            at = load_int(a1, row)
            x = load0(a0, row)
            count = load_int(other, at) + 1
            before = load0(scratch, at)
            mean = before + divide(x - before, count * 1.0)
            store(out, at, load(out, at) + (x - mean) * (x - before))
            store0(scratch, at, mean)
            store_int(other, at, count)
        row += 1
    row = 0
    while row < n:
        store0(scratch, row, load(out, row))
        row += 1
"""

_SPREAD = """
    row = 0
    while row < n:
        store(out, row, load0(scratch, load_int(a1, row)))
        row += 1
    return 0
"""


def grouped_body(fn: str) -> str:
    """Returns the body of ``grouped_`` + `fn`."""
    if fn == "running_sum":
        return _STATE + _SUM.format(here="        store(out, row, load0(scratch, at))") + "    return 0\n"
    if fn == "sum":
        return _STATE + _SUM.format(here="") + _SPREAD
    if fn == "squares":
        return _STATE + _SQUARES + _SPREAD
    better = "x < load0(scratch, at)" if fn == "min" else "x > load0(scratch, at)"
    return _STATE + _EXTREME.format(better=better) + _SPREAD
