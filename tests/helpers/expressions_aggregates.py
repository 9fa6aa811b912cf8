"""Draws random aggregates (one or two reductions over random expressions) and compares them with pandas."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from sparkweld.errors import Refusal
from sparkweld.ir.ops import Optional
from sparkweld.ir.types import Type
from tests.helpers.answers import aggregate_compiler
from tests.helpers.columns import extremes
from tests.helpers.compile_requests import column, python_step, request, udf
from tests.helpers.compiled import Compared, no_fault
from tests.helpers.expressions import NAMES, Function, functions
from udf_compiler.backends.aggregates.probe import evaluate_form

SPARK = {"f64": "double", "f32": "float", "i8": "byte", "i16": "short", "i32": "integer", "i64": "long"}
SINGLE = (
    "{x}.sum()", "{x}.mean()", "{x}.count()", "{x}.min()", "{x}.max()", "{x}.any()", "{x}.all()", "{x}.std()", "{x}.var(ddof=0)",
    "len({x})", "{x}.isna().mean()", "({x} > 0).sum()", "{x}[{x} > 0].sum()", "{x}.dropna().mean()", "np.nanmean({x})",
    "np.sqrt({x}.abs().max())", "float({x}.mean())", "{x}.values.sum()",
)  # fmt: skip
PAIRS = ("{a} + {b}", "{a} - {b}", "{a} * 2 - {b}", "{a} / (1.5 + {b})", "{a} > {b}", "-{a}", "abs({a})")


@st.composite
def aggregates(draw: st.DrawFn) -> Function:
    """Draws a function of a group: one reduction, or a pair of them, of a random expression of its columns."""
    rows = draw(functions())
    expression = f"({rows.source.partition(':')[2].strip()})"
    one, other = (draw(st.sampled_from(SINGLE)).format(x=expression) for _ in range(2))
    made = draw(st.sampled_from(PAIRS)).format(a=one, b=other) if draw(st.booleans()) else one
    return Function(f"lambda {', '.join(NAMES[: len(rows.types)])}: {made}", rows.types)


def group(function: Function, rows: int) -> dict[str, np.ndarray]:
    """Returns ordinary values: sums of extremes differ in every digit by their order."""
    made = {}
    for at, (name, kind) in enumerate(zip(NAMES, function.types, strict=False)):
        values = np.roll(extremes(Type(kind), rows, at % 2), 5 * at)
        made[name] = np.where(np.isfinite(values), np.clip(values, -50, 50), values).astype(values.dtype)
    return made


def form_of(function: Function, returns: str) -> Any:
    types = [SPARK[kind] for kind in function.types]
    columns = [column(n, t, nullable=t in ("float", "double")) for n, t in zip(NAMES, types, strict=False)]
    step = python_step(r=udf(0, *columns, returns=returns, evalType=202))
    made = request(step, inputs=dict(zip(NAMES, types, strict=False)))
    for each in made["inputs"]:
        each["nullable"] = each["type"] in ("float", "double")
    compiled = eval(function.source, {"__name__": "__main__", "np": np, "pd": pd})
    return aggregate_compiler(made, compiled)._form(set())


def compare_aggregate(draw: Callable[[Any], Any]) -> tuple[str, Compared]:
    """Draws an aggregate and compares its program with pandas on groups of several sizes; AssertionError where they differ."""
    function = draw(aggregates())
    title, decided = f"{function.source} on {function.types}", 0
    real = eval(function.source, {"np": np, "pd": pd})
    for rows in (60, 1, 7):
        columns = group(function, rows)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = real(*(pd.Series(c.copy()) for c in columns.values()))
            except Exception:  # noqa: BLE001 - Spark's own run raises it too, so there is nothing to compare
                return title, Compared(decided + 1, decided, raised=1)
        returns = {"b": "boolean", "i": "long"}.get(np.asarray(expected).dtype.kind, "double")
        try:
            form = form_of(function, returns)
        except Refusal as error:
            no_fault(error.code, message=str(error))
            return title, Compared(decided, decided, refused=error.code, reason=error.message)
        given = {n: Optional(c, np.ones(rows, np.bool_)) if c.dtype.kind == "f" else c for n, c in columns.items()}
        got, errors = evaluate_form(form, given, rows)
        assert not errors, f"{title}: {errors}"
        single = "f32" in function.types or "float32" in function.source
        assert _same(got, expected, single), f"{title}, {rows} rows: {got!r}, pandas {expected!r}"
        decided += 1
    return title, Compared(decided, decided)


def _same(got: Any, expected: Any, single: bool) -> bool:
    if got is None or pd.isna(expected):
        return got is None and bool(pd.isna(expected))
    return bool(np.isclose(float(got), float(expected), rtol=1e-3 if single else 1e-9, atol=1e-3 if single else 1e-6))
