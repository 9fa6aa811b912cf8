"""Draws functions of `applyInPandas` whose loops over a group's rows carry state, with counts, inner groups and merges.

Each returns a frame of the key, a double, a long and a string; `compare_group_loop` compares it with PySpark's worker.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from tests.helpers.compiled import Compared
from tests.helpers.groups import compare_groups

_KERNELS = 20
_RETURNS = StructType([StructField("k", LongType()), StructField("a", DoubleType()), StructField("n", LongType()),
                       StructField("t", StringType())])  # fmt: skip

#: Loops that define x (a double), i (an int), s (a string) and at (a position).
_LOOPS = (
    "for at, (x, i, s) in enumerate(zip(f.x, f.i, f.s)):",
    "for at, row in enumerate(f.itertuples()):\n        x, i, s = row.x, row.i, row.s",
    "for at, (_, row) in enumerate(f.iterrows()):\n        x, i, s = row['x'], row['i'], row['s']",
    "for at, row in enumerate(f.to_dict('records')):\n        x, i, s = row['x'], row['i'], row['s']",
    "for at in range(len(f)):\n        x, i, s = f.x.iloc[at], f.i.iloc[at], f.s.iloc[at]",
    "xs, ns, ss = f.x.values, f.i.values, f.s.values\n    for at in range(len(f)):\n        x, i, s = xs[at], ns[at], ss[at]",
    "xs, ns = f.x.tolist(), f.i.tolist()\n    for at in range(len(xs)):\n        x, i, s = xs[at], ns[at], 'a'",
    "for at in range(1, len(f)):\n        x, i, s = f.x.iloc[at] - f.x.iloc[at - 1], f.i.iloc[at - 1], f.s.iloc[at]",
    "for at, (x, i, s) in enumerate(zip(f.x.tolist(), f.i.tolist(), f.s.tolist())):",
)  # fmt: skip
#: State: t (float), n (int), w (string), out (list of numbers), names (list of strings), found (dict), seen (set), arr (array).
_START = ("    t, n, w = 0.0, 0, ''\n    out, names, found, seen = [], [], {}, set()\n    arr = {}\n")
_ARRAYS = ("np.zeros(len(f))", "f.x.values.copy()", "np.full(len(f), np.nan)", "[0] * len(f)", "np.zeros_like(f.x.values)",
    "np.repeat(key[0], len(f))", "np.arange(len(f))", "[0.0] * len(f)", "f.i.tolist()", "np.zeros(len(f), dtype=int)",
    "np.sort(f.x.values)")  # fmt: skip
_NUMBER = ("x", "i", "t", "n", "at", "1", "0.5", "-1", "x * 2", "i + 1", "t + x", "n - 1", "len(out)", "found.get(s, 0)",
    "len(found)", "len(seen)", "max(t, x)", "min(n, i)", "abs(x)", "(x if {c} else t)", "arr[at]", "arr[at - 1]",
    "(out[-1] if out else 0)", "i % 3", "i // 2", "x / 3", "round(x, 1)", "int(i)", "float(i)", "x ** 2", "sum(out)", "arr[0]",
    "i * 2**40", "len(s)", "math.sqrt(abs(x))", "x // 1", "i / 2", "-x")  # fmt: skip
_TEST = ("x > 0", "i > 1", "t > x", "s == 'a'", "s == w", "s in seen", "s not in found", "n < 3", "at % 2 == 0", "x != x",
    "out", "i in found.values()", "not names", "pd.isna(x)", "s < 'b'", "at == len(f) - 1", "x == t", "i == n", "{c} and {c}",
    "{c} or {c}", "not {c}", "np.isnan(x)", "x <= -0.0")  # fmt: skip
_STEPS = (
    "t = {n}", "t += {n}", "n += 1", "n = {i}", "w = s", "w += s", "found[s] = found.get(s, 0) + 1", "found[s] = {n}",
    "seen.add(s)", "found[s] = at", "arr[at] = {n}", "arr[at] = arr[at - 1] + {n}", "arr[at] += {n}", "t = max(t, {n})",
    "t = 0.9 * t + 0.1 * x", "found.setdefault(s, {n})", "seen.discard(w)", "arr[0] = {n}", "arr[-1] = {n}",
    "n, t = n + 1, {n}", "seen = {{s}}", "found = {{}}", "w = s[:1] + w", "t = t + x if x == x else t", "n += bool({c})",
)  # fmt: skip
_APPENDS = ("out.append({n})", "out.append({n})", "out.append(t)", "out.append(n)", "out.append({n} if {c} else None)",
    "out.append(found.get(s))", "out.append(len(seen))",
    "if {c}:\n            out.append(t)\n        else:\n            out.append({n})")  # fmt: skip
_NAMES = ("names.append(s)", "names.append(w)", "names.append(f'{{s}}{{n}}')", "names.append('x' if {c} else s)",
    "names.append(str(n))", "names.append(w or None)")
#: Results: frames of as many rows as the group, or of one row, or of a dict's items.
_FULL = (
    "pd.DataFrame({{'k': f.k, 'a': {col}, 'n': {num}, 't': {str}}})",
    "f.assign(a={col}, n={num}, t={str})[['k', 'a', 'n', 't']]",
)  # fmt: skip
_COLS = ("out", "out", "out", "arr", "pd.Series(out, index=f.index)", "np.array(out, dtype=float)", "f.x * n", "f.x + t",
    "f.x", "t", "pd.Series(out)", "np.sort(f.x.values)", "np.arange(len(f)) * 0.5", "f.x.cumsum() + t", "out[::-1]",
    "sorted(out)", "np.repeat(t, len(f))", "f.x - key[0]")  # fmt: skip
_NUMS = ("n", "f.i", "len(found)", "arr", "out", "np.arange(len(f))", "f.i + n", "f.i.fillna(0) + 1", "range(len(f))",
    "[n] * len(f)", "f.groupby('s')['y'].transform('count')", "f.groupby('s').cumcount()", "(f.y > t).astype(int)",
    "f.s.map(Counter(f.s))", "f.s.map(f.s.value_counts())", "key[0]")  # fmt: skip
_STRS = ("f.s", "names", "names", "w", "'x'", "f.s.fillna('')", "names[::-1]", "f.s.str.upper()", "str(n)",
    "','.join(sorted(seen))", "[str(v) for v in out]")
_SCALAR_A = ("t", "f.x.sum()", "sum(out)", "max(out, default=0)", "f.x.mean() + t", "(out[-1] if out else None)",
    "f.s.value_counts(normalize=True).max()", "float(n)", "arr[-1]", "f.s.value_counts(normalize=True).get('a', 0)",
    "np.percentile(f.y, 50)", "f.groupby('s')['y'].sum().max()", "f.y.median()", "min(found.values(), default=0)",
    "f.s.value_counts().max() / len(f)", "np.sort(f.y.values)[0]", "np.sort(f.y)[-1] - t", "f.groupby('s').y.mean().min()",
    "sum(found.values())")  # fmt: skip
_SCALAR_N = ("n", "len(f)", "len(out)", "Counter(f.s).most_common(1)[0][1]", "f.s.nunique()", "len(Counter(f.i))",
    "Counter(f.i)[1]", "len(seen)", "int(f.j.sum())", "f.j.value_counts().sort_index().idxmax()", "f.j.value_counts().max()",
    "f.j.value_counts().sum()", "f.groupby('j')['y'].sum().idxmax()", "max(Counter(f.j).values())",
    "f.j.value_counts().sort_index().index[0]", "len(f.query('j > 1'))", "len(set(f.s))", "max(f.j.tolist())", "f.j.mode()[0]",
    "sum(1 for v in f.j if v > 1)", "Counter(f.j).most_common()[-1][0]", "Counter(f.j.tolist()).most_common(2)[-1][0]",
    "len(f[f.s == w])", "f.query('y > 0 and j < 3').j.sum()")  # fmt: skip
_SCALAR_S = ("w", "max(found, key=found.get, default='')", "','.join(names)", "f.s.value_counts().idxmax()",
    "f.s.value_counts().sort_index().idxmax()", "f.s.iloc[0]", "Counter(f.s).most_common(1)[0][0]",
    "','.join(sorted(set(f.s)))", "min(f.s)", "str(f.j.max())", "f.s.mode()[0]", "f.groupby('s')['y'].sum().idxmax()",
    "f.s.max()", "','.join(f.s)", "sorted(found.items(), key=lambda p: (-p[1], p[0]))[0][0]", "f.s.tolist()[-1]",
    "','.join(k for k, g in groupby(f.s.tolist()))", "f.s.unique()[0]")  # fmt: skip
_ONE = ("pd.DataFrame({{'k': [key[0]], 'a': [{a}], 'n': [{m}], 't': [{s}]}})",
    "pd.DataFrame([{{'k': key[0], 'a': {a}, 'n': {m}, 't': {s}}}])",
    "pd.DataFrame([(key[0], {a}, {m}, {s})], columns=['k', 'a', 'n', 't'])",
    "pd.DataFrame([key + ({a}, {m}, {s})])")  # fmt: skip
_DICT = ("pd.DataFrame([{'k': key[0], 'a': float(v), 'n': len(c), 't': c} for c, v in found.items()])",
         "pd.DataFrame([{'k': key[0], 'a': 1.0, 'n': v, 't': c} for c, v in Counter(f.s).most_common(2)])",
         "pd.DataFrame({'k': key[0], 'a': [float(v) for v in found.values()], 'n': n, 't': list(found)})")  # fmt: skip
_BEFORE = ('f = f.sort_values(["j", "y"])', 'f = f.sort_values("y", kind="stable")', "f = f.reset_index(drop=True)",
    "f = f[f.y > 0]", "f = f.dropna()", "f = f[f.s.notna()]", "f = f.fillna({'x': 0.0, 's': ''})", 'f = f.query("j > 0")',
    "f = f.merge(DUTY, on='j', how='left')", "f['x'] = f['x'].ffill()", "f = f.head(3)", "f = f.copy()",
    'f = f.query("s == \'a\' or y > 0")', "f = f.merge(DUTY, on='j')\n    f['x'] = f.x * f.duty", "f = f.drop_duplicates('j')",
    "f['i'] = f['i'].fillna(-1).astype(int)",
    "f = f.sort_values('y', ascending=False, kind='stable').reset_index(drop=True)")  # fmt: skip
_DUTY = pd.DataFrame({"j": [0, 1, 2], "duty": [0.5, -1.0, 2.0], "label": ["z", "é", ""]})


@st.composite
def group_loops(draw: st.DrawFn) -> str:
    """Draws the source of ``f(key, f)``."""

    def fill(template: str, depth: int = 2) -> str:
        while any(hole in template for hole in ("{n}", "{c}", "{i}")):
            hole = next(h for h in ("{n}", "{c}", "{i}") if h in template)
            options = {"{n}": _NUMBER if depth else ("x", "i", "n"), "{c}": _TEST if depth else ("x > 0", "at > 1"),
    "{i}": ("i", "at", "n + 1", "len(out)")}[hole]
            template = template.replace(hole, fill(draw(st.sampled_from(options)), max(depth - 1, 0)), 1)
        return template.replace("{{", "{").replace("}}", "}")

    lines = [f"    {line}" for line in draw(st.lists(st.sampled_from(_BEFORE), max_size=2))]
    kind = draw(st.sampled_from(("full", "full", "one", "one", "dict")))
    lines.append(_START.replace("{}\n", draw(st.sampled_from(_ARRAYS)) + "\n").rstrip())
    lines.append("    " + draw(st.sampled_from(_LOOPS)))
    for _ in range(draw(st.integers(1, 3))):
        step, how = fill(draw(st.sampled_from(_STEPS))), draw(st.integers(0, 5))
        if how < 3:
            lines.append(f"        {step}")
        elif how < 5:
            end = draw(st.sampled_from(("", "", "", "\n            continue", "\n            break"))) if kind != "full" else ""
            lines.append(f"        if {fill('{c}')}:\n            {step}{end}")
        else:
            error = draw(st.sampled_from(("KeyError", "Exception", "ZeroDivisionError")))
            lines.append(f"        try:\n            {step}\n        except {error}:\n            n -= 1")
    lines += ["        " + fill(draw(st.sampled_from(_APPENDS))), "        " + fill(draw(st.sampled_from(_NAMES)))]
    if kind == "full":
        made = draw(st.sampled_from(_FULL)).format(col=draw(st.sampled_from(_COLS)), num=draw(st.sampled_from(_NUMS)),
        str=draw(st.sampled_from(_STRS)))
    elif kind == "one":
        made = draw(st.sampled_from(_ONE)).format(a=draw(st.sampled_from(_SCALAR_A)), m=draw(st.sampled_from(_SCALAR_N)),
        s=draw(st.sampled_from(_SCALAR_S)))
    else:
        made = draw(st.sampled_from(_DICT))
    return "\n".join(["def f(key, f):", *lines, f"    return {made}"]) + "\n"


def loop_groups(seed: int) -> list[pa.RecordBatch]:
    """Returns groups of a few rows with ties, NULLs, NaN, infinities, zeros of both signs and odd strings."""
    rng = np.random.default_rng(seed)

    def group(rows: int, missing: float) -> pa.RecordBatch:
        def some(values: list[Any]) -> list[Any]:
            return [None if rng.random() < missing else value for value in values]

        x = rng.choice([0.0, -0.0, 1.5, -2.5, 0.1, 3.0, np.nan, np.inf, 1e16], rows, p=[0.1, 0.1, 0.2, 0.2, 0.2, 0.1, 0.04,
        0.03, 0.03])
        return pa.record_batch({
            "k": pa.array([seed] * rows, pa.int64()), "x": pa.array(some(x.tolist()), pa.float64()),
            "y": pa.array(rng.normal(size=rows).round(2)),
            "i": pa.array(some(rng.choice([0, 1, 2, 3, -1, 2**31, 2**53 + 1], rows, p=[0.2, 0.2, 0.2, 0.2, 0.1, 0.05,
            0.05]).tolist()), pa.int64()),
            "j": pa.array(rng.integers(0, 4, rows), pa.int32()),
            "s": pa.array(some(rng.choice(["a", "b", "é", "", "ab", "\U0001f600"], rows).tolist()), pa.string()),
        })  # fmt: skip

    return [group(*form) for form in ((1, 0.0), (2, 0.0), (7, 0.0), (8, 0.3), (1, 0.0), (30, 0.0), (3, 1.0), (5, 0.0), (12, 0.1))]


def compare_group_loop(draw: Callable[[Any], Any]) -> tuple[str, Compared]:
    """Draws a function of groups with a loop and compares it; AssertionError where a program differs from the worker."""
    groups, kernel = loop_groups(draw(st.integers(0, 40))), draw(st.integers(1, _KERNELS)) == _KERNELS
    source = draw(group_loops())
    found = compare_groups(_function(source), groups, _RETURNS, ("k",), lambda group: kernel)
    if found.refused is not None:
        return source, Compared(refused=found.refused, reason=found.reason)
    return source, Compared(decided=found.decided, flagged=len(groups) - found.decided, raised=found.raised)


def _function(source: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {"np": np, "pd": pd, "DUTY": _DUTY}
    exec("import math\nfrom collections import Counter\nfrom itertools import groupby\n" + source, scope)
    return scope["f"]  # type: ignore[no-any-return]
