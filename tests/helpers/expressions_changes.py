"""Draws plain UDFs whose loops change lists, tables of rows, dicts and sets: by index, by methods, under several names.

`change_functions()` draws the source of ``f(xs, words, s, i)`` and the type of its results; `change_batches()` has rows for it.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from pyspark.sql.types import ArrayType, DataType, LongType, MapType, StringType

from tests.helpers.templates import Grammar

_LONGS, _STRINGS = ArrayType(LongType()), ArrayType(StringType())
#: How the variables of a function begin: `also` may be another name of the list `out`, and `row` one of a row of the table `d`.
_STARTS = {
    "out": ("[]", "[]", "list(xs)", "xs[:]", "xs", "[0] * len(xs)", "[0] * 5", "[i, 1]", "sorted(xs)",
    "[x for x in xs if x > 0]", "xs[::-1]", "xs[-3:]", "list(range(len(xs)))", "[len(w) for w in words]"),
    "also": ("out", "out", "out[:]", "list(out)", "[]", "[1, 2, 3]", "out + [0]", "sorted(out)"),
    "d": ("[[0] * (len(xs) + 1) for _ in range(3)]", "[[0] * 3 for _ in range(len(words) + 1)]", "[[0] * 3] * 3",
    "[[1, 2], [3, 4], [5, 6]]", "[]", "[list(range(4)) for _ in range(4)]", "[xs[:2], xs[1:]]", "[[x, 1] for x in xs]",
    "[[0 for _ in range(3)] for _ in range(len(xs))]", "[[k] * (k + 1) for k in range(4)]"),
    "row": ("d[0]", "d[-1]", "[0, 0, 0]", "d[i % 3]", "[]", "out", "d[0][:]", "list(d[0])"),
    "found": ("{}", "{}", "dict()", "{'a': 1}", "Counter()", "defaultdict(int)", "Counter(words)", "Counter(s)"),
    "seen": ("set()", "set()", "{'a'}", "set(words)", "set(s)"),
    "ws": ("[]", "list(words)", "words[:]", "words", "s.split('a')", "sorted(words)", "list(s)", "[w[:1] for w in words]"),
}  # fmt: skip
_INT = (
    "i", "t", "n", "k", "0", "1", "-1", "2", "len(xs)", "len(out)", "len(d)", "len(words)", "xs[{n}]", "out[{n}]", "also[{n}]",
    "d[{n}][{n}]", "row[{n}]", "sum(out)", "max(out)", "min(row)", "len(row)", "out[-1]", "d[-1][-1]", "({n} + {n})",
    "({n} - {n})", "({n} * 3 - 1)", "({n} // {n})", "({n} % {n})", "({n} if {c} else {n})", "max({n}, {n})", "min({n}, {n})",
    "abs({n})", "len(seen)", "len(found)", "found[{w}]", "found.get({w}, {n})", "out.count({n})", "out.index({n})", "out.pop()",
    "out.pop({n})", "also.pop(0)", "int({c})", "len({w})", "sum(found.values())", "sum(sum(r) for r in d)", "sum(d[{n}])",
    "max(len(r) for r in d)", "d[{n}].pop()", "len(d[{n}])", "sum(row[{n}:])", "len(out[{n}:{n}])",
    "(abs({n}) % 2**40 * 2**23)", "out[::-1][{n}]", "sum(out[{n}:{n}:2])", "out[len(out) // 2]", "k", "n", "t", "ord({w})",
    "len(ws)",
)  # fmt: skip
_WORD = (
    "w", "w", "s", "'a'", "''", "words[{n}]", "ws[{n}]", "ws[-1]", "s[{n}]", "s[{n}:{n}]", "({w} + {w})[:9]", "w[::-1]",
    "w.upper()", "''.join(ws)[:9]", "str({n})", "'é'", "max(words)", "min(ws)", "ws.pop()", "({w} if {c} else {w})", "s[::-1]",
    "{w}[:1]", "''.join(reversed({w}))", "''.join(sorted({w}))",
)  # fmt: skip
_CONDITION = (
    "{n} > {n}", "{n} == {n}", "{n} != {n}", "{n} <= {n}", "out", "not out", "{n} in out", "{n} not in also", "{w} in found",
    "{w} not in seen", "{w} in seen", "out == also", "out is also", "row is d[0]", "row == d[{n}]", "d[0] is d[1]", "out == xs",
    "{w} == {w}", "{w} in words", "ws == words", "({c} and {c})", "({c} or {c})", "not {c}", "k % 2", "any(out)", "all(row)",
    "{w} < {w}", "d", "seen", "[1, 2] in d", "out < also",
)  # fmt: skip
_STEP = (
    "t += {n}", "n = {n}", "t = {n}", "n += 1", "out.append({n})", "out.append({n})", "out[{n}] = {n}", "out[{n}] += {n}",
    "out[{n}], out[{n}] = out[{n}], out[{n}]", "also.append({n})", "also[{n}] = {n}", "d[{n}][{n}] = {n}", "d[{n}][{n}] += {n}",
    "d[{n}][{n}] = max(d[{n}][{n}], d[{n}][{n}])", "row[{n}] = {n}", "row[{n}] -= {n}", "row = d[{n}]", "row = list(out)",
    "row = [{n}] * 3", "d.append([{n}, {n}])", "d.append(row)", "d.append([0] * 3)", "d[{n}].append({n})", "d.append(out[:])",
    "d[{n}] = [{n}, {n}]", "d[{n}], d[{n}] = d[{n}], d[{n}]", "out.insert({n}, {n})", "out.pop({n})", "del out[{n}]",
    "out.pop()", "out.remove({n})", "out.sort()", "out.reverse()", "out.extend(xs[:3])", "out.extend(also[:2])", "out += [{n}]",
    "out += out[:2]", "out = out + [{n}]", "out = out[1:]", "out = also", "also = out", "also = out[:]", "out = []",
    "out.clear()", "out[{n}:{n}] = [{n}]", "out.sort(reverse=True)", "out[:] = []", "del out[{n}:]",
    "out = [x + {n} for x in out]", "row.append({n})", "d = d[1:]", "d.pop()", "found[{w}] = {n}",
    "found[{w}] = found.get({w}, 0) + {n}", "found[{w}] += {n}", "found.setdefault({w}, {n})", "found.pop({w}, None)",
    "del found[{w}]", "seen.add({w})", "seen.discard({w})", "seen.remove({w})", "ws.append({w})", "ws[{n}] = {w}", "ws.sort()",
    "ws.reverse()", "ws.insert(0, {w})", "ws.pop({n})", "ws = ws[{n}:]", "found = {}", "words = ws[:]", "xs = out[:]",
    "found.update({'b': {n}})", "found.clear()", "seen |= {{w}}", "change(out, {n})", "change(row, {n})",
    "t += change(d[{n}], {n})", "out, also = also, out", "found[{w}], t = t, {n}",
)  # fmt: skip
_LOOP = (
    "for k in range(min({n}, 9)):", "for k, x in enumerate(xs):", "for k in xs:", "for k in range(len(xs) - 1, -1, -1):",
    "for w in words:", "for w in s:", "for k, w in enumerate(words):", "for w in reversed(s):", "for w in sorted(s):",
    "for k in s.encode():", "for w, run in groupby(s):", "for k, run in groupby(xs):",
)  # fmt: skip
#: Loops over what their body may change: they end after a while.
_OPEN = (
    "for k in out:", "for k in range(len(out)):", "for w in ws:", "for row in d:", "for k, row in enumerate(d):",
    "for k in range(0, len(out), 2):", "while len(out) > {n}:", "while n < len(xs):", "for w, k in zip(words, out):",
    "for w in sorted(seen):", "for w, k in found.items():", "for k in reversed(out):", "for k in row:",
    "for k in sorted(out, reverse=True):", "for k, x in zip(out, out[1:]):",
)  # fmt: skip
_END = ("break", "continue", "return {r}", "pass", "raise ValueError('x')")
_HANDLED = ("IndexError", "ValueError", "(IndexError, KeyError)", "Exception", "ZeroDivisionError", "KeyError")
_RESULTS: tuple[tuple[str, DataType], ...] = (
    ("t", LongType()), ("n + t", LongType()), ("sum(out) + t", LongType()), ("d[-1][-1]", LongType()),
    ("sum(sum(r) for r in d)", LongType()),
    ("out", _LONGS), ("out", _LONGS), ("also", _LONGS), ("row", _LONGS), ("d[0]", _LONGS), ("[sum(r) for r in d]", _LONGS),
    ("out + also", _LONGS),
    ("sorted(out)", _LONGS), ("d", ArrayType(_LONGS)), ("d", ArrayType(_LONGS)), ("d", ArrayType(_LONGS)), ("ws", _STRINGS),
    ("sorted(seen)", _STRINGS),
    ("found", MapType(StringType(), LongType())), ("found", MapType(StringType(), LongType())), ("str(out)", StringType()),
    ("[x for r in d for x in r]", _LONGS), ("sorted(found)", _STRINGS), ("str(d)", StringType()), ("','.join(ws)",
    StringType()),
    ("[out, also]", ArrayType(_LONGS)), ("xs", _LONGS), ("words", _STRINGS),
)  # fmt: skip
_LEAVES = {"n": ("0", "1", "-1", "i", "k", "2", "len(xs)"), "w": ("w", "'a'", "s"), "c": ("k > 1", "out", "i > 0")}
_FORMS = {"n": _INT, "w": _WORD, "c": _CONDITION}
_HEAD = """from collections import Counter, defaultdict
from itertools import groupby
def change(ys, k):
    {change}
def f(xs, words, s, i):
    if xs is None or words is None or s is None or i is None:
        return None
    t, n, k, w, rounds = 0, 0, 1, 'a', 0
"""
_CHANGES = ("ys[0] += k\n    return k", "ys.append(k)\n    return len(ys)", "ys = ys + [k]\n    return sum(ys)",
            "for j in range(len(ys)):\n        ys[j] = k\n    return len(ys)",
            "if k > 1:\n        return 0\n    ys[-1] = k\n    return 1")  # fmt: skip


class _Writer:
    """Writes the statements of one function."""

    def __init__(self, draw: st.DrawFn, result: str) -> None:
        self.draw, self.grammar = draw, Grammar(_FORMS, {**_LEAVES, "r": (result,)})

    def fill(self, template: str, depth: int) -> str:
        return self.grammar.filled(self.draw, template, depth)

    def block(self, depth: int, indent: str, steps: int, loops: bool) -> list[str]:
        """Returns some statements; `loops`: they are within a loop."""
        return [line for _ in range(self.draw(st.integers(1, steps))) for line in self.statement(depth, indent, loops)]

    def statement(self, depth: int, indent: str, loops: bool) -> list[str]:
        what = self.draw(st.integers(0, 9)) if depth else 0
        if what < 5:
            return [indent + self.fill(self.draw(st.sampled_from(_STEP)), 1)]
        inside = indent + "    "
        if what < 7:
            body = self.block(depth - 1, inside, 3, True)
            loop = self.draw(st.sampled_from(_LOOP + _OPEN))
            end = [f"{inside}rounds += 1", f"{inside}if rounds > 30:", f"{inside}    break"] if loop in _OPEN else []
            if "run" in loop:
                body.append(inside + "t += len(list(run))")
            return [indent + self.fill(loop, 0), *end, *body]
        if what < 9:
            test = [f"{indent}if {self.fill('{c}', 2)}:"]
            if not self.draw(st.integers(0, 3)):
                return [*test, inside + self.fill(self.draw(st.sampled_from(_END if loops else _END[2:])), 1)]
            more = [f"{indent}else:", *self.block(depth - 1, inside, 2, loops)] if self.draw(st.booleans()) else []
            return [*test, *self.block(depth - 1, inside, 2, loops), *more]
        handler = [f"{indent}except {self.draw(st.sampled_from(_HANDLED))}:", *self.block(0, inside, 2, loops)]
        return [f"{indent}try:", *self.block(depth - 1, inside, 3, loops), *handler]


@st.composite
def change_functions(draw: st.DrawFn) -> tuple[str, DataType]:
    """Draws the source of ``f(xs, words, s, i)`` and the type of its results."""
    result, returns = draw(st.sampled_from(_RESULTS))
    writer = _Writer(draw, result)
    body = "\n".join(writer.block(3, "    ", 5, False)) + f"\n    return {result}\n"
    starts = [name for name in _STARTS if name in body or name in ("out", "d")]
    lines = "".join(f"    {name} = {draw(st.sampled_from(_STARTS[name]))}\n" for name in starts)
    head = _HEAD.format(change=draw(st.sampled_from(_CHANGES)))
    return head + lines + body, returns


def change_batches() -> tuple[pa.RecordBatch, ...]:
    """Returns batches of lists of numbers and words, strings and small numbers: with and without NULLs, some near limits."""
    rng = np.random.default_rng(31)
    words = ["a", "b", "", "é", "ab", "B", "aab", "e\u0301", "\ud7ff\ue000", "\U0001f600", "ß"]

    def batch(rows: int, nulls: float, large: bool) -> pa.RecordBatch:
        def some(make):  # type: ignore[no-untyped-def]
            return [None if rng.random() < nulls else make() for _ in range(rows)]

        numbers = [2**63 - 1, -(2**63), 2**31, -(2**31), 2**53 + 1, 0, 1] if large else [0, 1, 2, -1, 3, 1, 0, 5]
        return pa.RecordBatch.from_pydict({
            "xs": pa.array(some(lambda: rng.choice(numbers, rng.integers(6)).tolist()), pa.list_(pa.int64())),
            "words": pa.array(some(lambda: rng.choice(words, rng.integers(6)).tolist()), pa.list_(pa.string())),
            "s": pa.array(some(lambda: "".join(rng.choice(words, rng.integers(6)))), pa.string()),
            "i": pa.array(some(lambda: int(rng.integers(-3, 4))), pa.int64()),
        })  # fmt: skip

    whole = (batch(12, 0.1, False), batch(30, 0.0, False), batch(12, 0.0, True))
    return whole[0], *(each.slice(row, 1) for each in whole[1:] for row in range(each.num_rows))
