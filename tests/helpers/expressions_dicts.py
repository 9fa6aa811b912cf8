"""Draws plain UDFs that make dicts in loops over lists, strings and maps, and return maps or what they compute of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from pyspark.sql.types import ArrayType, DataType, LongType, MapType, StringType

_KEYS = ("w", "w[:1]", "w.upper()", "w + k", "len(w)")
_VALUES = ("1", "i", "len(w)", "i * 3 - 1", "found.get({key}, 0) + 1", "(m.get(w, 5) if m else -1)")
_STEPS = (
    "found[{key}] = {value}", "found[{key}] = found.get({key}, 0) + {value}", "found.setdefault({key}, {value})",
    "if {key} not in found:\n            found[{key}] = {value}", "if i % 2:\n            found[{key}] = {value}",
)  # fmt: skip
_LOOPS = (
    "for i, w in enumerate(words or []):", "for i, w in enumerate((k or '').split('b')):",
    "for w, i in (m.items() if m else []):", "for w, i in zip(words or [], ns or []):",
)  # fmt: skip
_STARTS = ("{}", "{}", "dict()", "{'a': 1}")
#: Result -> its type; None: the map itself.
_RESULTS: tuple[tuple[str, DataType | None], ...] = (
    ("found", None), ("found", None), ("dict(found)", None), ("len(found)", LongType()), ("sum(found.values())", LongType()),
    ("','.join(f'{a}={b}' for a, b in found.items())", StringType()), ("max(found.values()) if found else None", LongType()),
    ("{a: b for a, b in found.items() if b > 1}", None), ("list(found)", ArrayType(StringType())),
)  # fmt: skip


@st.composite
def dict_functions(draw: st.DrawFn) -> tuple[str, DataType]:
    """Draws the source of ``f(words, ns, m, k)`` and the type of its results."""
    key = draw(st.sampled_from(_KEYS))
    value = draw(st.sampled_from(_VALUES)).format(key=key)
    step = draw(st.sampled_from(_STEPS)).format(key=key, value=value)
    result, returns = draw(st.sampled_from(_RESULTS))
    loop, start = draw(st.sampled_from(_LOOPS)), draw(st.sampled_from(_STARTS))
    of = LongType() if key == "len(w)" else StringType()
    head = "def f(words, ns, m, k):\n    k = k or ''\n"
    source = f"{head}    found = {start}\n    {loop}\n        {step}\n    return {result}\n"
    if returns is None:
        return source, MapType(of, LongType())
    return source, ArrayType(of) if isinstance(returns, ArrayType) else returns


def dict_batches() -> tuple[pa.RecordBatch, ...]:
    """Returns batches of lists of words and numbers, maps and strings: with NULLs and without, some with repeated elements."""
    rng = np.random.default_rng(29)
    words = ["a", "b", "", "é", "ab", "B", "a b"]

    def batch(rows: int, nulls: float) -> pa.RecordBatch:
        def some(make):  # type: ignore[no-untyped-def]
            return [None if rng.random() < nulls else make() for _ in range(rows)]

        return pa.RecordBatch.from_pydict({
            "words": pa.array(some(lambda: rng.choice(words, rng.integers(7)).tolist()), pa.list_(pa.string())),
            "ns": pa.array(some(lambda: rng.integers(-5, 6, rng.integers(5)).tolist()), pa.list_(pa.int64())),
            "m": pa.array(some(lambda: [(w, int(rng.integers(9))) for w in rng.permutation(words)[: rng.integers(4)]]),
                          pa.map_(pa.string(), pa.int64())),
            "k": pa.array(some(lambda: str(rng.choice(words)))),
        })  # fmt: skip

    return batch(40, 0.1), batch(3, 0.0), batch(1, 1.0)
