"""Draws plain UDFs that make objects of their own classes, and dicts and sets of tuples, in loops over lists of the row."""

from __future__ import annotations

from hypothesis import strategies as st
from pyspark.sql.types import ArrayType, DataType, LongType, StringType

_HEAD = """
from collections import Counter, defaultdict, namedtuple
from dataclasses import dataclass

Named = namedtuple("Named", "w n")

@dataclass
class Data:
    w: str
    n: int = 0

    def twice(self):
        return self.n * 2

@dataclass(frozen=True)
class Frozen:
    w: str
    n: int = 0

class Plain:
    def __init__(self, w, n):
        self.w = w
        self.n = n

    def add(self, k):
        self.n += k

def f(words, ns, m, k):
    k = k or ''
"""
_CLASSES = ("Named", "Data", "Frozen", "Plain")
_LOOPS = (
    "for i, w in enumerate(words or []):", "for i, w in enumerate((k or '').split('b')):",
    "for w, i in zip(words or [], ns or []):",
    "for i, w in enumerate(sorted(words or [])):",
)  # fmt: skip
_PARTS = (("w", "i"), ("w", "len(w)"), ("w + k", "i * 2 - 3"), ("w[:1]", "i % 2"))
_OF_OBJECTS: tuple[tuple[str, DataType], ...] = (
    ("sum(p.n for p in made)", LongType()), ("[p.w for p in made]", ArrayType(StringType())),
    ("[p.w for p in sorted(made, key=lambda p: (-p.n, p.w))]", ArrayType(StringType())),
    ("max(made, key=lambda p: p.n).w if made else None", StringType()), ("made[-1].n if made else -1", LongType()),
    ("len([p for p in made if p.n > 1])", LongType()), ("'|'.join(f'{p.w}{p.n}' for p in made)", StringType()),
    ("next((p.n for p in made if p.w == k), None)", LongType()),
)  # fmt: skip
_STEPS = (
    "made[{a}, {b}] = made.get(({a}, {b}), 0) + 1", "made[{b}, {a}] = i",
    "if ({a}, {b}) not in made:\n            made[({a}, {b})] = i",
)  # fmt: skip
_OF_DICTS: tuple[tuple[str, DataType], ...] = (
    ("len(made)", LongType()), ("sum(made.values())", LongType()), ("made.get(('a', 1), -1)", LongType()),
    ("[f'{a}{b}{c}' for (a, b), c in made.items()]", ArrayType(StringType())), ("(k, 1) in made", LongType()),
    ("[f'{a}{b}' for a, b in sorted(made)]", ArrayType(StringType())),
    ("str(max(made, key=made.get)[0]) if made else None", StringType()),
)  # fmt: skip
_OF_PAIRS: tuple[tuple[str, DataType], ...] = (
    ("len(set(pairs))", LongType()), ("[a for (a, b), n in Counter(pairs).most_common(2)]", ArrayType(StringType())),
    ("sum(n for n in Counter(pairs).values() if n > 1)", LongType()),
    ("[a for a, b in sorted(set(pairs))]", ArrayType(StringType())),
    ("len({(b, a) for a, b in pairs} & {(a, b) for a, b in pairs})", LongType()),
)  # fmt: skip


@st.composite
def object_functions(draw: st.DrawFn) -> tuple[str, DataType]:
    """Draws the source of ``f(words, ns, m, k)`` and the type of its results."""
    loop, (a, b) = draw(st.sampled_from(_LOOPS)), draw(st.sampled_from(_PARTS))
    kind = draw(st.sampled_from(("objects", "objects", "object", "dict", "pairs")))
    if kind == "objects":
        cls = draw(st.sampled_from(_CLASSES))
        result, returns = draw(st.sampled_from(_OF_OBJECTS))
        if draw(st.booleans()):
            body = f"    made = [{cls}({a}, {b}) {loop.rstrip(':')}]\n"
        else:
            test = draw(st.sampled_from(("", "", "if i % 2: ", "if w: ")))
            body = f"    made = []\n    {loop}\n        {test}made.append({cls}(w={a}, n={b}))\n"
        return f"{_HEAD}{body}    return {result}\n", returns
    if kind == "object":
        change = draw(st.sampled_from((f"made.add({b})", f"made.n += {b}", f"made.w = {a}", f"made = Plain({a}, made.n)")))
        result, returns = draw(st.sampled_from((("made.n", LongType()), ("made.w", StringType()))))
        return f"{_HEAD}    made = Plain('', 1)\n    {loop}\n        {change}\n    return {result}\n", returns
    if kind == "dict":
        result, returns = draw(st.sampled_from(_OF_DICTS))
        start = draw(st.sampled_from(("{}", "{}", "Counter()", "defaultdict(int)", "{('a', 1): 3}")))
        step = draw(st.sampled_from(_STEPS)).format(a=a, b=b)
        result = f"int({result})" if " in made" in result else result
        return f"{_HEAD}    made = {start}\n    {loop}\n        {step}\n    return {result}\n", returns
    result, returns = draw(st.sampled_from(_OF_PAIRS))
    pairs = draw(st.sampled_from(("zip(words or [], (words or [])[1:])", "zip(k, k[1:])", "zip(words or [], ns or [])")))
    return f"{_HEAD}    pairs = list({pairs})\n    return {result}\n", returns
