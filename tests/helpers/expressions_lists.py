"""Random functions of a list of the row and a number, or of an ndarray: reductions, indices, slices, loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

_LIST_NUMBERS = ("len(xs)", "sum(xs)", "min(xs)", "max(xs)", "xs[0]", "xs[-1]", "xs[1]", "xs[i]", "sum(xs[1:])",
                 "max(xs, default=0)", "len(xs[:-1])", "sum(x * x for x in xs)",
                 "sum(x for x in xs if x > i)", "xs.count(xs[0])", "sum([x * i for x in xs])", "len([x for x in xs if x > i])",
                 "max([x + k for k, x in enumerate(xs)])", "[k * k for k in range(i)][-1]")  # fmt: skip
_ARRAY_NUMBERS = ("len(xs)", "xs.sum()", "xs.mean()", "np.max(xs)", "xs.min()", "xs[0]", "xs[-1]", "xs[1:].sum()", "xs.size",
                  "sum(x * x for x in xs)", "max(xs)", "sum(xs)")  # fmt: skip
_TESTS = ("len(xs) > 2", "any(xs)", "all(xs)", "xs[0] > 1", "any(x > 3 for x in xs)", "all(x == x for x in xs)")
_LIST_TESTS = ("2 in xs", "xs", "not xs[2:]")
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
)


@st.composite
def list_functions(draw: st.DrawFn, array: bool) -> str:
    """Source of ``f(xs, i)``, or of ``f(xs)`` of an ndarray."""
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
    """Lists of a type and small integers: with NULLs and without, short and long, some with a NULL inside."""
    rng = np.random.default_rng(23)

    def batch(rows: int, nulls: float, inside: bool, longest: int) -> pa.RecordBatch:
        lists: list[Any] = []
        for _ in range(rows):
            count = int(rng.integers(0, longest))
            wild = rng.choice([0.0, -0.0, 0.1, 1e16, np.nan, np.inf, 2.5], count)
            numbers = rng.integers(-9, 9, count)
            values = (numbers if pa.types.is_integer(type) else np.where(rng.random(count) < 0.2, wild, numbers / 4)).tolist()
            lists.append(None if rng.random() < nulls else [*values, *([None] if inside and rng.random() < 0.1 else [])])
        return pa.RecordBatch.from_arrays([pa.array(lists, pa.list_(type)), pa.array(rng.integers(-3, 4, rows))], ["a", "b"])

    some, none, incomplete = batch(40, 0.2, False, 6), batch(40, 0.0, False, 6), batch(30, 0.1, True, 4)
    return some, none, incomplete, batch(4, 0.0, False, 400), batch(1, 0.0, False, 2)


__all__ = ["list_batches", "list_functions"]
