"""Draws random functions of a row's list of strings and a string, or of an ndarray of strings."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from pyspark.sql.types import ArrayType, BooleanType, DataType, LongType, StringType

#: Kind of an expression -> its forms; the first forms are leaves.
_FORMS: dict[str, tuple[str, ...]] = {
    "L": (
        "xs", "xs[1:]", "xs[:2]", "list(xs)", "s.split({c})", "s.split()", "s.rsplit({c}, 1)", "['a', s]",
        "sorted({L})", "sorted({L}, reverse=True)", "sorted(set({L}))", "{L}[::-1]", "{L}[-1::-2]", "list(reversed({L}))",
        "list({L}) + {L}",
        "[x.strip() for x in {L}]", "[x.upper() for x in {L} if x]", "[x for x in {L} if x in {L}]", "[x + {T} for x in {L}]",
        "[f'{{k}}:{{x}}' for k, x in enumerate({L})]", "[{T}, {T}]", "[a + b for a, b in zip({L}, {L})]",
        "[w for x in {L} for w in x.split({c})]", "[*{L}, s]", "[{c}.join(x.split()) for x in {L}]", "sorted(x[:1] for x in {L})",
        "[x if {B} else {T} for x in {L}]", "({L} if {B} else [])",
    ),
    "T": (
        "s", "'new'", "xs[0]", "xs[-1]", "s.strip()", "{c}.join(xs)",
        "{c}.join({L})", "s.join({L})", "({L})[0]", "({L})[{i}]", "max({L})", "min({L})", "max({L}, default='')",
        "''.join(x[:1].upper() for x in {L})", "'-'.join([{T}, {T}])", "({T} + {T})", "({T} if {B} else {T})", "{T}.lower()",
        "' '.join(x.title() for x in {L} if len(x) > {i})",
    ),
    "N": (
        "len(xs)", "{i}", "len({L})", "len(set({L}))", "list({L}).count({T})", "list({L}).index({T})", "sum(len(x) for x in {L})",
        "max(len(x) for x in {L})", "min((len(x) for x in {L}), default=-1)", "sum(1 for x in {L} if x)", "({N} + {N})",
    ),
    "B": (
        "s in xs", "any(xs)", "{T} in {L}", "{T} in set({L})",
        "{T} not in {L}", "list({L}) == list({L})", "list({L}) != []", "any({L})", "all({L})",
        "any(x.startswith('n') for x in {L})", "all(x in xs for x in {L})", "{T} < {T}", "{N} > {N}", "not {L}",
    ),
    "c": ("','", "' '", "'ab'"),
    "i": ("0", "1", "-1", "2"),
}  # fmt: skip
_LEAVES = {"L": 7, "T": 5, "N": 2, "B": 2, "c": 3, "i": 4}
RESULTS: dict[str, DataType] = {"L": ArrayType(StringType()), "T": StringType(), "N": LongType(), "B": BooleanType()}

_LOOPS = {
    "L": "out = []\n    for x in {L}:\n        if {B}:\n            out.append(x)\n        elif len(out) > 2:\n"
         "            break\n        else:\n            out += [x, {T}]\n    return out",
    "T": "out = ''\n    for k, x in enumerate({L}):\n        out += x[:2] if k else {T}\n        if len(out) > 6:\n"
         "            return out\n    return out",
    "N": "n = 0\n    for x in {L}:\n        if x == {T}:\n            continue\n        n += len(x) + {i}\n    return n",
    "B": "for x in {L}:\n        if {B}:\n            return x == {T}\n    return False",
}  # fmt: skip


#: Expressions in a pandas UDF over a Series of string arrays `s` and a string Series `t`; g is a function of a list.
_SERIES = (
    ("s.str[0]", "T"), ("s.str.get(-2)", "T"), ("s.str[1].str.upper()", "T"), ("s.str.join('-')", "T"), ("s.str[1:]", "L"),
    ("s.str[-2:].str.join('/')", "T"), ("s", "L"),
    ("t.str.split(',')", "L"), ("t.str.split()", "L"), ("t.str.rsplit('ab', n=1)", "L"), ("t.str.strip().str.split(' ')", "L"),
    ("t.str.split(',').map(g)", "L"), ("t.str.split().apply(g)", "L"), ("t.str.split('ab').map(len)", "N"),
)  # fmt: skip


@st.composite
def tag_series(draw: st.DrawFn) -> tuple[str, str]:
    """Draws the source of ``applied(s, t)`` over a Series of string arrays and a string Series, and its result's kind."""
    expression, kind = draw(st.sampled_from(_SERIES))
    body = draw(_filled(draw(st.sampled_from(_FORMS["L"])), 1)).replace("{{", "{").replace("}}", "}")
    helper = f"def g(xs):\n    if xs is None or len(xs) == 0:\n        return None\n    s = xs[0]\n    return {body}\n"
    return f"{helper if '(g)' in expression else ''}def applied(s, t):\n    return {expression}\n", kind


@st.composite
def _filled(draw: st.DrawFn, template: str, depth: int) -> str:
    """Replaces each placeholder of a template by an expression."""
    parts = template.split("{")
    text = parts[0]
    for part in parts[1:]:
        kind, closed, rest = part.partition("}")
        if not closed or kind not in _FORMS:
            text += "{" + part  # of an f-string
            continue
        forms = _FORMS[kind] if depth else _FORMS[kind][: _LEAVES[kind]]
        text += draw(_filled(draw(st.sampled_from(forms)), max(depth - 1, 0))) + rest
    return text


@st.composite
def tag_functions(draw: st.DrawFn, array: bool) -> tuple[str, str]:
    """Draws the source of ``f(xs, s)``, or of ``f(xs)`` of an ndarray, and its result's kind: a key of `RESULTS`."""
    kind = draw(st.sampled_from("LLTTNB"))
    depth = draw(st.integers(0, 2))
    body = _LOOPS[kind] if not draw(st.integers(0, 3)) else f"return {{{kind}}}"
    body = draw(_filled(body, depth)).replace("{{", "{").replace("}}", "}")
    if array:
        return f"def f(xs):\n    if xs is None or len(xs) == 0:\n        return None\n    s = xs[-1]\n    {body}\n", kind
    empty = draw(st.sampled_from(("", " or not xs")))
    return f"def f(xs, s):\n    if xs is None or s is None{empty}:\n        return None\n    {body}\n", kind


_WORDS = ("new", "sale", "", "a", " Red ", "é", "ß x", "日本語", "a,b", "ab", "NEW", "a longer text than most", "\0", "n a")


def tag_batches() -> tuple[pa.RecordBatch, ...]:
    """Returns batches of string lists and strings: with and without NULLs, and with a NULL inside some lists."""
    rng = np.random.default_rng(29)

    def batch(rows: int, nulls: float, inside: bool, longest: int) -> pa.RecordBatch:
        lists, texts = [], []
        for _ in range(rows):
            words = [_WORDS[k] for k in rng.integers(0, len(_WORDS), rng.integers(0, longest))]
            words += [None] if inside and rng.random() < 0.1 else []  # type: ignore[list-item]
            lists.append(None if rng.random() < nulls else words)
            text = rng.choice([" ", ",", "ab"]).join(_WORDS[k] for k in rng.integers(0, len(_WORDS), rng.integers(0, 4)))
            texts.append(None if rng.random() < nulls else text)
        return pa.RecordBatch.from_arrays([pa.array(lists, pa.list_(pa.string())), pa.array(texts, pa.string())], ["a", "b"])

    return batch(40, 0.2, False, 5), batch(40, 0.0, False, 5), batch(30, 0.1, True, 4), batch(3, 0.0, False, 60)


__all__ = ["RESULTS", "tag_batches", "tag_functions", "tag_series"]
