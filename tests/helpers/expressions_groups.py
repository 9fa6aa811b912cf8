"""Draws random functions of whole groups and of whole batches, and compares them with PySpark's worker.

Functions of groups are those of `applyInPandas` and aggregates; functions of batches are scalar pandas UDFs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st
from pyspark.sql.types import DoubleType, LongType, StructField, StructType

from tests.helpers.compiled import Compared, compare_with_worker
from tests.helpers.groups import Groups, compare_aggregate, compare_groups

#: One run in KERNELS also executes machine code.
KERNELS = 20
_COLUMNS = ("x", "y", "n", "i")

#: Statements that change the rows of the frame `f`.
_ROWS = (
    'f = f.sort_values(["n", "y"])', 'f = f.sort_values(["i", "x"], ascending=[False, True])',
    'f = f.sort_values("y", kind="stable")', 'f = f.sort_values("x", ascending=False, kind="mergesort", na_position="first")',
    'f = f.sort_values("t")', "f = f.reset_index(drop=True)", "f = f[f.y > 0]", "f = f[f.x.notna()]", "f = f.head(4)",
    "f = f.tail(3)", "f = f.iloc[1:]", "f = f.iloc[:-1]", 'f = f.drop_duplicates("i")',
    'f = f.drop_duplicates(["i", "s"], keep="last")',
    "f = f[f.y >= f.y.mean()]", 'f = f[~f.duplicated("n")]', 'f = f.dropna(subset=["x"])', 'f = f.nlargest(3, "y")',
    'f["x"] = f["x"].ffill()', 'f["n"] = f["n"].bfill().fillna(0)', "f = f.loc[f.s == f.s.mode()[0]]",
    "f = f.loc[[f.y.idxmax()]]", 'f = f.assign(y=f.y - f.y.min())', 'f["y"] = f["y"].clip(-1, 1)',
)  # fmt: skip

#: Expressions of a column of the frame `f`, with another one.
_VALUES = (
    "f.{c}", "f.{c} - f.{c}.mean()", "(f.{c} - f.{c}.mean()) / f.{c}.std()", "f.{c} / f.{c}.sum()", "f.{c}.rank()",
    'f.{c}.rank(method="first", ascending=False)', "f.{c}.rank(pct=True)", "f.{c}.shift()", "f.{c}.shift(-2)", "f.{c}.diff()",
    "f.{c}.cumsum()", "f.{c}.cummax()", "f.{c}.rolling(2).mean()", "f.{c}.rolling(3, min_periods=1).sum()",
    "f.{c}.rolling(3, min_periods=2).max()", "f.{c}.expanding().mean()", "f.{c}.expanding(2).sum()", "f.{c}.ffill()",
    "f.{c}.bfill()", "f.{c}.pct_change()", "f.{c}.fillna(f.{c}.median())", "f.{c}.clip(f.{c}.quantile(0.1), f.{c}.quantile(0.9))",
    "np.where(f.{c} > f.{d}.median(), 1.0, 0.0)", "f.{c} + f.{d}.nunique()", "f.{c} * len(f)", "f.{c} - f.{d}.iloc[0]",
    "f.{c} - f[f.y > 0].{d}.mean()", "f.{c}.mode()[0] - f.{d}", "f.{c}.duplicated() * 1.0", "f.{c}.max() - f.{c}",
)  # fmt: skip

#: Series made of the arguments `v` and `w`.
_PARTS = (
    "v", "v", "v", "v.dropna()", "v[v > 0]", "v[w > w.mean()]", "v.fillna(0)", "v.drop_duplicates()", "v.head(3)", "v.tail(2)",
    "v.iloc[1:]", "v.ffill()", "v.diff()", "v.shift()", "(v - v.mean())", "(v * w)", "v.abs()", 'v.sort_values(kind="stable")',
    "v.cumsum()", "v.rolling(2).mean()", "v.rank()", "v[v.notna()]", "v.nlargest(3)", "v.mode()", "v[v == v.max()]",
    "v.reset_index(drop=True)",
)  # fmt: skip

#: Scalars of such a Series.
_SCALARS = (
    "{e}.sum()", "{e}.mean()", "{e}.median()", "{e}.quantile(0.25)", "{e}.quantile(0.9) - {e}.quantile(0.1)", "np.median({e})",
    "float(np.percentile({e}, 90))", "np.nanquantile({e}, 0.5)", "np.percentile({e}, [10, 60])[1]",
    "{e}.nunique()", "{e}.mode()[0]", "{e}.iloc[0]", "{e}.iloc[-1]",
    "{e}.max() - {e}.min()", "len({e})", "{e}.std()", "{e}.var(ddof=0)", "np.average({e})", "{e}.count()", "({e} > 1).mean()",
    "{e}.idxmax()", "{e}.argmin()", "{e}.nlargest(2).sum()", "len({e}.unique())", "{e}.isna().sum() / len(v)", "{e}.any()",
    "None if {e}.empty else {e}.sum()", "0.0 if len({e}) < 2 else {e}.std()", "round({e}.mean(), 1)", "{e}.abs().max()",
    "{e}.sort_values().iloc[0]", "{e}.diff().mean()", "{e}.duplicated().sum()", "{e}.shift().sum()", "{e}.iloc[-1] - {e}.iloc[0]",
    "np.average(v, weights=w)", "(v * w).sum() / w.sum()", "v.loc[w.idxmax()]", "v[w.idxmin()]", "w.iloc[v.argmax()]",
)  # fmt: skip


def groups(seed: int) -> list[pa.RecordBatch]:
    """Returns groups of a few rows with ties, NULLs, NaN, infinities and zeros of both signs."""
    rng = np.random.default_rng(seed)
    return [_group(rng, rows, missing) for rows, missing in ((1, 0.0), (2, 0.3), (7, 0.0), (8, 0.4), (40, 0.1), (3, 1.0))]


def _group(rng: np.random.Generator, rows: int, missing: float) -> pa.RecordBatch:
    def some(values: Sequence[Any]) -> list[Any]:
        return [None if rng.random() < missing else value for value in values]

    x = np.round(rng.normal(size=rows), 1)
    for value in (np.nan, np.inf, -0.0):
        x[rng.random(rows) < missing / 4] = value
    return pa.record_batch({
        "k": pa.array(np.arange(rows), pa.int64()),
        "x": pa.array(some(x.tolist()), pa.float64()),
        "y": pa.array(rng.normal(size=rows) * 10.0 ** rng.integers(-3, 6, rows)),
        "n": pa.array(some(rng.integers(-3, 9, rows).tolist()), pa.int64()),
        "i": pa.array(rng.integers(0, 4, rows), pa.int32()),
        "s": pa.array(some([("a", "b", "é", "")[at] for at in rng.integers(0, 4, rows)]), pa.string()),
        "t": pa.array(some((rng.integers(0, 60, rows) * 60_000_000).tolist()), pa.timestamp("us", "UTC")),
    })  # fmt: skip


def compare_group_function(draw: Callable[[Any], Any]) -> tuple[str, Compared]:
    """Draws a function of groups and compares it; AssertionError where a program differs from the worker."""
    batches, kernel = groups(draw(st.integers(0, 40))), draw(st.integers(1, KERNELS)) == KERNELS
    kind = draw(st.sampled_from(("batches", "aggregates", "groups")))
    if kind == "batches":
        columns = draw(st.permutations(_COLUMNS))[:2]
        source = f"def f(v, w):\n    return {draw(_of_batch())}"
        found = compare_with_worker(
            _function(source), [batch.select(columns) for batch in batches], DoubleType(), kernel=kernel, whole_batches=True
        )
        return f"# {', '.join(columns)}\n{source}", found
    if kind == "aggregates":
        columns = [draw(st.sampled_from(_COLUMNS)) for _ in "vw"]
        source = f"def f(v, w):\n    return {draw(st.sampled_from(_SCALARS)).format(e=draw(st.sampled_from(_PARTS)))}"
        if columns[0] == columns[1]:
            columns[1] = "y" if columns[0] != "y" else "i"
        found = compare_aggregate(_function(source), batches, DoubleType(), columns, lambda group: kernel)
        source = f"# {', '.join(columns)}\n{source}"
    else:
        source = draw(_frame_functions())
        returns = StructType([StructField("k", LongType()), StructField("a", DoubleType()), StructField("b", DoubleType())])
        found = compare_groups(_function(source), batches, returns, (), lambda group: kernel)
    return source, _compared(found, len(batches))


@st.composite
def _of_batch(draw: st.DrawFn) -> str:
    """Draws a Series of the rows of a batch from its Series `v` and `w`."""
    value = draw(st.sampled_from(_VALUES)).replace("f[f.y > 0].{d}", "w[v > 0]").replace("len(f)", "len(v)")
    value = value.replace("f.{c}", "v").replace("f.{d}", "w")
    scalar = draw(st.sampled_from(_SCALARS)).format(e=draw(st.sampled_from(_PARTS)))
    forms = (value, value, f"v - ({scalar})", f"(w > ({scalar})) * 1.0", f"v.fillna({scalar})", f"({value}) + ({scalar})")
    return f"pd.Series({draw(st.sampled_from(forms))}).astype(float)"


@st.composite
def _frame_functions(draw: st.DrawFn) -> str:
    lines = draw(st.lists(st.sampled_from(_ROWS), max_size=3))
    for name in "ab":
        value = draw(st.sampled_from(_VALUES)).format(c=draw(st.sampled_from(_COLUMNS)), d=draw(st.sampled_from(_COLUMNS)))
        lines.append(f'f = f.assign({name}={value})')
        lines += draw(st.lists(st.sampled_from(_ROWS), max_size=1))
    return "\n    ".join(["def f(f):", *lines, 'return f[["k", "a", "b"]]'])


def _function(source: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {"np": np, "pd": pd}
    exec(source, scope)
    return scope["f"]  # type: ignore[no-any-return]


def _compared(found: Groups, count: int) -> Compared:
    if found.refused is not None:
        return Compared(refused=found.refused, reason=found.reason)
    return Compared(decided=found.decided, flagged=count - found.decided, raised=found.raised)
