"""Draws plain UDFs that return lists of tuples, dicts and Rows for arrays of structs."""

from __future__ import annotations

from hypothesis import strategies as st
from pyspark.sql.types import ArrayType, BooleanType, DataType, DoubleType, IntegerType, LongType, StringType, StructType

_LOOPS = (
    "for i, w in enumerate(words or []):", "for i, w in enumerate((k or '').split('b')):",
    "for w, i in (m.items() if m else []):", "for w, i in zip(words or [], ns or []):",
    "for w, i in Counter(words or []).most_common():", "for w, i in [('é', 2), (k, 3)]:",
)  # fmt: skip
#: Type -> expressions over `w`, `i` and `k`, some of which may be None.
_PARTS: dict[DataType, tuple[str, ...]] = {
    StringType(): ("w", "w + k", "w[:1]", "k", "(w if i % 2 else None)", "None", "'x'"),
    LongType(): ("i", "len(w)", "i * 3 - 1", "(len(w) or None)", "7", "(i if w else len(k))"),
    IntegerType(): ("i", "len(w)", "i * 2**29", "(None if w == k else 1)"),
    DoubleType(): ("i / 2", "0.5", "(float(i) if i > 0 else None)", "len(w) * -0.25"),
    BooleanType(): ("w == k", "i > 1", "(i > 0 if w else None)", "True"),
}
_NAMES = ("a", "b", "c")
_TESTS = ("", "", "if i % 2:", "if w:", "if w != k:", "if i > 0 and len(w) < 2:")
_RESULTS = ("found", "found", "found[:2]", "found[-1:]", "found or None", "found[::-1]", "list(found)")


@st.composite
def record_functions(draw: st.DrawFn) -> tuple[str, DataType]:
    """Draws the source of ``f(words, ns, m, k)`` and the type of its results."""
    types = draw(st.lists(st.sampled_from(list(_PARTS)), min_size=1, max_size=3))
    form = draw(st.sampled_from(("tuple", "tuple", "dict", "dict", "missing")))
    returns = StructType()
    for name, type in zip(_NAMES, types, strict=False):
        returns.add(name, type)
    made = [_record(draw, form, types) for _ in range(draw(st.integers(1, 2)))]
    made += ["None"] if draw(st.integers(0, 7)) == 0 else []
    loop, test = draw(st.sampled_from(_LOOPS)), draw(st.sampled_from(_TESTS))
    result = draw(st.sampled_from(_RESULTS))
    head = "from collections import Counter\n\ndef f(words, ns, m, k):\n    k = k or ''\n"
    if len(made) == 1 and draw(st.booleans()):
        source = f"{head}    found = [{made[0]} {loop.rstrip(':')} {test.rstrip(':')}]\n    return {result}\n"
        return source, ArrayType(returns)
    lines = [f"found.append({record})" for record in made]
    if len(lines) > 1 and draw(st.booleans()):
        lines = [f"if i % 3:\n            {lines[0]}\n        else:\n            {lines[1]}", *lines[2:]]
    body = "\n        ".join(lines)
    body = f"{test}\n            {body.replace(chr(10), chr(10) + '    ')}" if test else body
    return f"{head}    found = []\n    {loop}\n        {body}\n    return {result}\n", ArrayType(returns)


def _record(draw: st.DrawFn, form: str, types: list[DataType]) -> str:
    parts = [draw(st.sampled_from(_PARTS[type])) for type in types]
    if form == "tuple":
        return f"({', '.join(parts)},)"
    items = [f"'{name}': {part}" for name, part in zip(_NAMES, parts, strict=False)]
    if form == "missing":
        items = [*items[1:], "'other': 1"]
    return f"{{{', '.join(reversed(items))}}}"
