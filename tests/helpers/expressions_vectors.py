"""Draws random plain UDFs of two dense or sparse vectors of Spark ML, and a list of floats."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from pyspark.ml.linalg import VectorUDT
from pyspark.sql.types import ArrayType, BooleanType, DataType, DoubleType

from tests.helpers.lines import VECTOR

#: Kind of an expression -> its forms; the first forms are leaves. V: a vector, A: an array, N: a float, B: a bool, L: a list.
_FORMS: dict[str, tuple[str, ...]] = {
    "V": (
        "v", "w", "CENTRE",
        "({V} + {V})", "({V} - {V})", "({V} * {N})", "(2 - {V})", "({V} / 4)", "({V} % 3)", "(-{V})", "Vectors.dense({A})",
        "DenseVector({L})", "Vectors.dense({N}, {N}, 1)", "({V} - np.array([1.0, 2.0, 0.5]))", "({V} if {B} else {V})",
    ),
    "A": (
        "v.toArray()", "w.values", "np.array(xs)", "np.array(xs, dtype=np.float32)",
        "{V}.toArray()", "{V}.values", "({A} - {A})", "({A} * 2)", "{A}[1:]", "{A}[::-1]", "np.abs({A})", "np.cumsum({A})",
        "np.array({L})", "np.clip({A}, -1, 2)", "{A}.round(1)",
    ),
    "N": (
        "float(v[1])", "float(w[0])", "0.5", "float(len(v))", "xs[-1]",
        "float(v[{i}])", "float(max({V}))", "float(min({A}))", "float({A}.sum())", "float({A}.mean())", "float(sum(v))",
        "float({A}.argmax())", "float(np.argmin({V}))", "float(v.squared_distance(w))", "float(v.norm(1))", "float({A}[{i}])",
        "round({N}, 3)", "({N} + {N})", "sum(float(x) * 2 for x in w)", "float(len([x for x in v if x > {N}]))", "float(v.size)",
        "({N} if {B} else {N})",
    ),
    "B": (
        "v[0] > 0.5", "len(v) == len(w)", "v == w", "isinstance(v, DenseVector)",
        "{N} > {N}", "any(x > 1 for x in v)", "bool({A}.max() >= {N})", "not {V}", "{N} == {N} or v is w",
    ),
    "L": (
        "xs", "v.toArray().tolist()",
        "{A}.tolist()", "[float(x) for x in v]", "[x * 2 for x in {L}]", "sorted({L})", "[{N}, {N}]",
    ),
    "i": ("0", "1", "-1", "2"),
}  # fmt: skip
_LEAVES = {"V": 3, "A": 4, "N": 5, "B": 4, "L": 2, "i": 4}
_RESULTS: dict[str, DataType] = {"N": DoubleType(), "B": BooleanType(), "L": ArrayType(DoubleType()), "V": VectorUDT()}
_GUARDS = ("", "if v is None or w is None:\n        return None\n    ", "if v is None:\n        v = w\n    ")


@st.composite
def vector_functions(draw: st.DrawFn) -> tuple[str, DataType]:
    """Draws the source of ``f(v, w, xs)``, and its declared type."""
    kind = draw(st.sampled_from("NNNBLV"))
    body = draw(_filled(draw(st.sampled_from(_FORMS[kind])), 2))
    imports = "from pyspark.ml.linalg import DenseVector, Vectors\nCENTRE = Vectors.dense([0.5, -1.0, 2.0])\n"
    return f"{imports}def f(v, w, xs):\n    {draw(st.sampled_from(_GUARDS))}return {body}\n", _RESULTS[kind]


@st.composite
def _filled(draw: st.DrawFn, template: str, depth: int) -> str:
    """Replaces each placeholder of a template by an expression."""
    text, *parts = template.split("{")
    for part in parts:
        kind, _, rest = part.partition("}")
        forms = _FORMS[kind] if depth else _FORMS[kind][: _LEAVES[kind]]
        text += draw(_filled(draw(st.sampled_from(forms)), depth - 1)) + rest
    return text


def vector_batches() -> tuple[pa.RecordBatch, ...]:
    """Returns batches of ordinary rows, of NULL and sparse ones, and of unusual sizes and numbers."""
    random = np.random.default_rng(11)

    def dense(*numbers: float) -> tuple[int, None, None, list[float]]:
        return 1, None, None, list(numbers)

    plain = [dense(*np.round(random.normal(size=3), 2).tolist()) for _ in range(8)]
    sparse = (0, 3, [0, 2], [0.25, -1.0])
    odd = [dense(), dense(1.0), dense(2.0, 2.0, 2.0), dense(np.nan, 0.0, -0.0), dense(np.inf, 1.0, -np.inf)]
    odd.append(dense(1e308, 1e308, 1.0))
    return tuple(_batch(rows) for rows in (plain, [*plain[:3], None, sparse, None, plain[3]], [*odd, plain[0]]))


def _batch(rows: list[tuple[int, int | None, list[int] | None, list[float]] | None]) -> pa.RecordBatch:
    lists = [None if row is None else row[3] for row in rows]
    turned = [*rows[1:], rows[0]]
    return pa.record_batch({
        "v": pa.array(rows, VECTOR), "w": pa.array(turned, VECTOR), "xs": pa.array(lists, pa.list_(pa.float64())),
    })  # fmt: skip
