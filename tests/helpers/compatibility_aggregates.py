"""Renders the reductions of aggregate UDFs as a table: exact, approximate with its bound, or a refusal code, per column type."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tests.helpers.answers import compile_aggregate, or_refused
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from udf_compiler.backends.aggregates import GROUPED_AGG_PANDAS

TYPES = ("boolean", "byte", "short", "integer", "long", "float", "double")

SOURCES = (
    "v.sum()", "v.mean()", "v.count()", "v.min()", "v.max()", "v.any()", "v.all()", "v.var()", "v.std(ddof=0)", "len(v)",
    "v.size", "v.shape[0]", "v[v > 0].sum()", "v[v > 0].mean()", "v.dropna().mean()", "v.values.sum()", "v.values.mean()",
    "v.values.max()", "v.values.std()", "np.sum(v)", "np.mean(v)", "np.std(v)", "np.nansum(v)", "np.nanmean(v)",
    "np.average(v, weights=v)", "v.median()", "v.nunique()", "v.iloc[0]", "(v - v.mean()).sum()",
)  # fmt: skip


def reductions_table() -> Iterator[str]:
    """Yields Markdown lines: the table, and the numbered bounds."""
    bounds: dict[str, int] = {}
    yield f"| | {' | '.join(TYPES)} |"
    yield f"|---{'|---' * len(TYPES)}|"
    for source in SOURCES:
        yield f"| `{source}` | {' | '.join(_cell(source, spark_type, bounds) for spark_type in TYPES)} |"
    yield ""
    for bound, number in bounds.items():
        yield f"{number}. {bound}"


def _cell(source: str, spark_type: str, bounds: dict[str, int]) -> str:
    function = eval(f"lambda v: {source}", {"__name__": "__main__", "np": np, "pd": pd})
    step = python_step(r=udf(0, column("v", spark_type, nullable=False), returns="double", evalType=GROUPED_AGG_PANDAS))
    made = request(step, inputs={"v": spark_type})
    made["inputs"][0]["nullable"] = spark_type in ("float", "double")
    reply = or_refused(compile_aggregate, made, [payload(function)])
    if reply["status"] != "ok":
        return str(reply["refusals"][0]["code"])
    kept = dict.fromkeys(kept["bound"] for kept in reply["kept"])
    numbers = ", ".join(str(bounds.setdefault(bound, len(bounds) + 1)) for bound in kept)
    return f"~ ({numbers})" if kept else "equal"
