"""Draws random functions of a row's list and number, or of an ndarray: reductions, indices, slices, loops, arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

_LIST_NUMBERS = ("len(xs)", "sum(xs)", "min(xs)", "max(xs)", "xs[0]", "xs[-1]", "xs[1]", "xs[i]", "sum(xs[1:])",
                 "max(xs, default=0)", "len(xs[:-1])", "sum(x * x for x in xs)",
                 "sum(x for x in xs if x > i)", "xs.count(xs[0])", "sum([x * i for x in xs])", "len([x for x in xs if x > i])",
                 "sorted(xs)[0]", "sorted(xs, reverse=True)[-1]", "sum(xs[::-1])", "xs[::2][-1]", "xs.index(xs[-1])",
                 "len(xs + xs[1:])", "sum(xs[:1] + xs)", "max(x for x in xs)", "list(reversed(xs))[0]", "[*xs, *xs][-1]",
                 "sorted(-x for x in xs)[0]", "min((x for x in xs if x > i), default=i)",
                 "max([x + k for k, x in enumerate(xs)])", "[k * k for k in range(i)][-1]")  # fmt: skip
_ARRAYS = ("xs", "xs[1:]", "xs[:-1]", "{a} + {k}", "{k} - {a}", "{a} * {k}", "{a} / {k}", "{a} // {k}", "{a} % {k}", "{a} ** 2",
           "{a} + {a}", "{a} - {a} * 2", "{a} - xs[0]", "{a} * len(xs)", "{a} / (1 + xs.size)", "-{a}", "abs({a})",
           "np.maximum({a}, {k})", "np.minimum({a}, {a})", "np.square({a})", "np.sqrt(np.abs({a}))", "np.floor({a} / 2)",
           "np.where({m}, {a}, {k})", "np.where({m}, {a}, {a})", "np.clip({a}, -2, 3)", "{a}.clip(0, None)", "{a}.astype(float)",
           "{a}.astype('float32')", "{a}.round(1)", "np.nan_to_num({a})", "xs[{M}]", "{a} * np.float32(0.1)", "xs - xs.mean()",
           "xs * W[:1]", "np.sign({a})", "({m}).astype(int)")  # fmt: skip
_MASKS = ("{a} > {k}", "{a} <= {a}", "np.isnan({a})", "({a} > 0) & ({a} < 3)", "~({a} == {k})", "{a} != {k}",
          "np.isfinite({a})")  # fmt: skip
_ARRAY_CONSTANTS = ("2", "-3", "0.5", "1.0", "100", "np.int64(3)", "np.float64(0.25)", "xs[-1]", "int(xs[0])", "float(xs[0])")
_OF_ARRAYS = ("{a}.sum()", "({a}).mean()", "np.max({a})", "({a}).min()", "({a})[0]", "len({a})", "np.std({a})",
              "({a}).var(ddof=1)", "({m}).sum()", "({m}).any()", "np.all({m})", "({m}).mean()", "sum({a})", "max({a})",
              "sum(x * 2 for x in {a})", "({a})[-1] * 3 - ({a})[0]", "np.sum({a}) / 7", "round(float(({a})[0]), 2)",
              "({a})[0] + 1", "({a})[0] * 0.1", "({a})[0] > 0.1", "({a})[-1] // 3")  # fmt: skip
_ARRAY_NUMBERS = ("len(xs)", "xs.sum()", "xs.mean()", "np.max(xs)", "xs.min()", "xs[0]", "xs[-1]", "xs[1:].sum()", "xs.size",
                  "sum(x * x for x in xs)", "max(xs)", "sum(xs)")  # fmt: skip
#: Constants of the functions.
SCOPE = {"W": np.array([0.5])}
_TESTS = ("len(xs) > 2", "any(xs)", "all(xs)", "xs[0] > 1", "any(x > 3 for x in xs)", "all(x == x for x in xs)")
_LIST_TESTS = ("2 in xs", "xs == xs[::-1]", "xs != []", "xs[1:] == sorted(xs)[1:]", "xs", "not xs[2:]")
_LOOPS = (
    "for x in xs:\n        n += 1\n        t = t + x if x > {} else t - 1",
    "for k, x in enumerate(xs):\n        if x < {}:\n            continue\n        t += x * k\n        n += 1",
    "for k in range(len(xs)):\n        if k > {}:\n            break\n        t += xs[k]\n        n = k",
)
_GROWING = (
    "out = []\n    for x in xs:\n        if x > {}:\n            out.append(x)\n        n += len(out)\n"
    "    t = sum(out) if out else -1",
    "up, down = [], []\n    for x in xs:\n        if x < {}:\n            down.append(x)\n        else:\n"
    "            up += [x, x]\n    n = len(up) - len(down)\n    t = max(up) if up else min(down, default=0)",
    "out = same = []\n    for k, x in enumerate(xs):\n        out.append(x)\n        if same[0] > {} and k > 1:\n"
    "            out = []\n            out.append(x)\n    n = len(same)\n    t = out[-1] if out else 0",
    "xs = xs[:5]\n    d = [[0] * (len(xs) + 1) for _ in range(len(xs) + 1)]\n    row = d[0]\n"
    "    for k in range(1, len(xs) + 1):\n        for j in range(len(xs)):\n"
    "            d[k][j + 1] = max(d[k - 1][j], d[k][j]) + int(xs[j] > {})\n        row[k] += k\n"
    "    t = d[-1][-1] + sum(row)\n    n = max(d[-1])",
    "d = []\n    for k, x in enumerate(xs[:5]):\n        row = [1] * (k + 2)\n        d.append(row)\n"
    "        row[0] = d[k // 2][-1] + k\n        if x > {}:\n            d[k][1] = d[0][0]\n"
    "    for row in d:\n        row[-1] -= 1\n        t += sum(row)\n    n = len(d)",
)


@st.composite
def _array(draw: st.DrawFn, template: str, depth: int, of: str = "{a}") -> str:
    """Fills a template: {a} an array as long as xs, {m} a mask of it, {M} a mask of xs itself, {k} a number."""
    while "{" in template:
        key = next(k for k in ("{a}", "{m}", "{M}", "{k}") if k in template)
        chosen = draw(st.sampled_from({"{a}": _ARRAYS if depth else ("xs",), "{k}": _ARRAY_CONSTANTS}.get(key, _MASKS)))
        if key == "{M}":
            chosen = chosen.replace("{a}", "xs")
        filled = chosen if key == "{k}" else f"({draw(_array(chosen, max(depth - 1, 0)))})"
        template = template.replace(key, filled, 1)
    return template


@st.composite
def array_functions(draw: st.DrawFn) -> str:
    """Draws the source of ``f(xs)`` of an ndarray that returns a number or an array."""
    template = draw(st.sampled_from(("{a}", *_OF_ARRAYS, *_OF_ARRAYS)))
    value = draw(_array(template, draw(st.integers(1, 2))))
    head = "def f(xs):\n    if xs is None or len(xs) < 2:\n        return None\n"
    if draw(st.integers(0, 4)) or template == "{a}":
        return f"{head}    return {value}\n"
    loop = "    for x in xs:\n        t += x\n        if x > 3:\n            t = t - 1\n"
    return f"{head}    t = 0.0\n{loop}    return t + {value}\n"


@st.composite
def list_functions(draw: st.DrawFn, array: bool) -> str:
    """Draws the source of ``f(xs, i)``, or of ``f(xs)`` of an ndarray."""
    numbers = st.sampled_from(_ARRAY_NUMBERS if array else _LIST_NUMBERS)
    tests = st.sampled_from(_TESTS if array else _TESTS + _LIST_TESTS)
    a, b = draw(numbers), draw(numbers)
    chosen = f"{a} if {draw(tests)} else {b}"
    value = draw(st.sampled_from((f"{a} + {b}", f"{a} * 2 - {b}", a, chosen, f"{a} / (1 + len(xs))")))
    empty = draw(st.sampled_from(("", " or len(xs) == 0")))
    head = f"def f(xs{'' if array else ', i'}):\n    if xs is None{empty}:\n        return None\n"
    if draw(st.integers(0, 2)):
        return f"{head}    return {value}\n"
    loop = draw(st.sampled_from(_LOOPS if array else _LOOPS + _GROWING)).format(draw(st.integers(-2, 4)))
    return f"{head}    t, n = 0.0, 0\n    {loop}\n    return t + n\n"


def list_batches(type: pa.DataType) -> tuple[pa.RecordBatch, ...]:
    """Returns batches of lists of a type and small integers: with and without NULLs, short and long, some with a NULL element."""
    rng = np.random.default_rng(23)

    def batch(rows: int, nulls: float, inside: bool, longest: int) -> pa.RecordBatch:
        lists: list[Any] = []
        for _ in range(rows):
            count = int(rng.integers(0, longest))
            wild = rng.choice([0.0, -0.0, 0.1, 1e16, np.nan, np.inf, 2.5], count)
            numbers = rng.integers(-9, 9, count)
            values = (np.where(rng.random(count) < 0.2, wild, numbers / 4) if pa.types.is_floating(type) else numbers).tolist()
            values = [x > 0 for x in values] if pa.types.is_boolean(type) else values
            lists.append(None if rng.random() < nulls else [*values, *([None] if inside and rng.random() < 0.1 else [])])
        return pa.RecordBatch.from_arrays([pa.array(lists, pa.list_(type)), pa.array(rng.integers(-3, 4, rows))], ["a", "b"])

    some, none, incomplete = batch(40, 0.2, False, 6), batch(40, 0.0, False, 6), batch(30, 0.1, True, 4)
    return some, none, incomplete, batch(4, 0.0, False, 400), batch(1, 0.0, False, 2)


__all__ = ["SCOPE", "array_functions", "list_batches", "list_functions"]
