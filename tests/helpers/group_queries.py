"""Generates queries that aggregate, rank and union rows of files, some of which hold NULLs.

`group_queries()` is a Hypothesis strategy of queries. They have aggregate UDFs over groups, windows and whole tables, or
Spark's own aggregates over scalar UDFs. Others select the first rows by a UDF's or model's result. `batch_queries` defines
files and queries.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from tests.helpers.batch_idioms import COLUMNS, batch_functions
from tests.helpers.batch_queries import PRELUDE, BatchQuery, Tables, clauses, confs, file_values, session
from tests.helpers.compiled import FAULTS, Compared
from tests.helpers.differential import ENABLED, Measured, measured, run
from tests.helpers.group_idioms import FAMILY_OF_TYPE, group_functions
from tests.helpers.lines import LINE
from tests.helpers.outcomes import Outcome, differences

#: Relative tolerance of approximate results. Values do not cancel: see `_values`.
NEAR = 1e-9
_KEYS = (
    (), (), ("k % 2",), ("k % 2",), ("k % 3",), ("k > 5",), ("b",), ("s",), ("i % 2",), ("d",), ("h",), ("x",), ("year(t)",),
    ("k",), ("b", "k % 2"), ("s", "k > 5"), ("l is null",), ("k >= 0",), ("struct(b, k % 2)",),
    ("cast(k % 2 as double)",), ("y", "b"),
)  # fmt: skip
_WINDOWS = (
    "", "", '.orderBy("k")', '.orderBy(F.desc("k"))', '.orderBy("k").rowsBetween(-2, 1)', '.orderBy("k").rowsBetween(0, 3)',
    '.orderBy("k").rowsBetween(Window.unboundedPreceding, 0)', '.orderBy("k").rowsBetween(-3, -1)',
    '.orderBy("k").rangeBetween(-1, 0)',
    '.orderBy("k").rowsBetween(0, Window.unboundedFollowing)', '.orderBy("i")',
)  # fmt: skip
_UNIONS = (
    "frame.union(frame)", 'frame.where("k < 3").union(frame)', 'frame.where("k % 2 = 0").union(frame.where("k % 2 = 1"))',
    'frame.unionByName(frame.where("k < 3").withColumn("{c}", F.lit(None).cast("{type}")))', "frame.cache()",
    'frame.where("k > 1").cache()',
    'frame.repartition(2, "k")', "frame.repartition(1)", 'frame.dropDuplicates(["k"])',
    'frame.where("{c} is not null").union(frame)',
)  # fmt: skip
#: Each adds `j`, which is NULL only where the join finds no match.
_JOINS = (
    'frame.join(F.broadcast(spark.range(0, 40, 2).select(F.col("id").alias("k"), F.expr("id * 2 as j"))), "k", "left")',
    'frame.join(spark.range(0, 40, 3).select(F.col("id").alias("k"), F.expr("id + 1 as j")), "k", "left")',
    'frame.join(spark.range(0, 9).select(F.col("id").alias("k"), F.expr("9 - id as j")), "k")',
)
_KINDS = ("series",) * 7 + (("arrow",) * 3 if LINE >= (4, 1) else ())  # earlier lines have no arrow_udf
_HAVING = ("r0 is not null", "r0 is null", "key0 is not null", "r0 = r0", "cast(r0 as string) like '%1%'")
_ABOVE = (
    'F.pandas_udf(lambda r: r.astype(str), "string")("r0")', 'F.pandas_udf(lambda r: r.isna(), "boolean")("r0")', 'F.col("r0")',
    'F.pandas_udf(lambda r: r * 2, "double")("r0")',
)
_SEEN = (
    'F.pandas_udf(lambda r: pd.Series([f"{len(r)} {r.dtype}"] * len(r)), "string")("u")',
    'F.pandas_udf(lambda r: r.astype(str), "string")("u")', 'F.pandas_udf(lambda r: r.isna().astype(str), "string")("u")',
    'F.udf(lambda r: str(r), "string")("u")',
)
#: Spark's own aggregates, of any type and of a family of types.
_OF_ANY = ("min", "max", "count", "count_distinct", "first", "collect_list")
_OF_FAMILY = {
    "integers": ("sum", "sum", "avg", "stddev", "var_pop", "bit_xor"), "floats": ("sum", "avg", "stddev"), "bools": ("bool_or",)
}  # fmt: skip
_ORDERS = ("F.desc('r0')", "F.asc('r0')", "F.desc_nulls_first('r0')", "F.asc_nulls_last('r0')")
_LIMITS = ("r0 > {v}", "r0 >= {v}", "r0 < {v}", "r0 > {v} and k > 1", "r0 is null or r0 > {v}", "not (r0 > {v})", "r0 = {v}")
_VALUES = {"integers": ("0", "2", "1000"), "floats": ("0", "2.5", "1e9"), "bools": ("true",)}
_RANKS = ("row_number", "rank", "dense_rank")

GROUP_PRELUDE = (
    PRELUDE
    + """
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Window
from tests.helpers.group_models import score_of

def annotated(function, of, returns):
    function.__annotations__ = dict.fromkeys(function.__code__.co_varnames[: function.__code__.co_argcount], of)
    function.__annotations__["return"] = returns
    return function

def series(function, returns):
    return F.pandas_udf(annotated(function, pd.Series, float), returns)

def arrow(function, returns):
    return F.arrow_udf(annotated(function, pa.Array, pa.Scalar), returns)

def iterator(function, returns):
    return F.pandas_udf(annotated(function, Iterator[pd.Series], float), returns)
"""
)


class GroupQuery(BatchQuery):
    prelude: ClassVar[str] = GROUP_PRELUDE
    tables: ClassVar[str] = "from tests.helpers.group_queries import GroupTables as Tables"


class GroupTables(Tables):
    """Files whose sums do not cancel, so that approximate results are close to Spark's."""

    values = staticmethod(lambda: _values())


def _values() -> dict[str, tuple[pa.DataType, list[Any]]]:
    values = {name: (type, list(of)) for name, (type, of) in file_values().items()}
    values["x"] = (pa.float64(), [0.0, -0.0, 1.0, 2.5, -3.0, 7.0, 0.5, float("nan"), 1e6])
    values["l"] = (pa.int64(), [0, 1, 2, -3, 7, 2**53 + 1, 10, 3037000500])
    return values


@st.composite
def group_queries(draw: st.DrawFn) -> GroupQuery:
    """Draws a query: files, nodes below, sometimes a scalar UDF, then groups, a window, Spark's aggregates or a top-K."""
    lines, layout, seed = draw(clauses())
    column = draw(st.sampled_from("hilbdtns"))
    if draw(st.integers(0, 2)) == 0:
        lines.append("frame = " + draw(st.sampled_from(_UNIONS)).format(c=column, type=COLUMNS[column]))
    columns = dict(COLUMNS)
    if draw(st.integers(0, 4)) == 0:
        lines.append(f"frame = {draw(st.sampled_from(_JOINS))}")
        columns["j"] = "bigint"
    if draw(st.integers(0, 2)) == 0:
        function = draw(batch_functions())
        arguments = ", ".join(repr(name) for name in function.columns)
        lines.append(f'frame = frame.withColumn("u", ({function.definition})({arguments}))')
        columns = {"u": function.returns, **(columns if draw(st.booleans()) else {})}
        if draw(st.integers(0, 2)) == 0:
            lines.append("frame = " + draw(st.sampled_from(_UNIONS)).format(c=column, type=COLUMNS[column]))
            if draw(st.booleans()):
                lines.append(f'frame = frame.withColumn("seen", {draw(st.sampled_from(_SEEN))})')
                columns["seen"] = "string"
    shape = draw(st.sampled_from((_grouped, _grouped, _grouped, _grouped, _windowed, _windowed, _merged, _ranked)))
    lines += draw(shape(columns))
    return GroupQuery("\n".join(lines), layout, seed, (*draw(confs()), ("spark.sparkweld.exact.enabled", draw(_exact()))))


def _exact() -> st.SearchStrategy[str]:
    return st.sampled_from(("false", "false", "true"))


@st.composite
def _calls(draw: st.DrawFn, columns: dict[str, str], kinds: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Draws lines that define aggregate UDFs of one kind, and the calls to them."""
    kind = draw(st.sampled_from(kinds))
    most = 1 if kind == "iterator" else 2
    functions = draw(st.lists(group_functions(columns, kind), min_size=1, max_size=most))
    arguments = [", ".join(repr(name) for name in function.columns) for function in functions]
    lines = [f"f{at} = {function.definition}" for at, function in enumerate(functions)]
    return lines, [f"f{at}({given})" for at, given in enumerate(arguments)]


def _ordered(keys: tuple[str, ...]) -> list[str]:
    return ["frame = frame.orderBy(" + ", ".join(f'"key{at}"' for at in range(len(keys))) + ")"] if keys else []


def _named_keys(keys: tuple[str, ...]) -> str:
    return ", ".join(f'F.expr("{key}").alias("key{at}")' for at, key in enumerate(keys))


@st.composite
def _grouped(draw: st.DrawFn, columns: dict[str, str]) -> list[str]:
    lines, calls = draw(_calls(columns, (*_KINDS, "iterator")))  # iterators, which Spark does not support for windows
    keys = draw(st.sampled_from(_KEYS))
    method = draw(st.sampled_from(("groupBy",) * 7 + ("rollup",))) if keys else "groupBy"
    results = ", ".join(f'{call}.alias("r{at}")' for at, call in enumerate(calls))
    lines.append(f"frame = frame.{method}({_named_keys(keys)}).agg({results})")
    if draw(st.integers(0, 3)) == 0:
        having = draw(st.sampled_from(_HAVING))
        lines.append(f'frame = frame.where("{having if keys else having.replace("key0", "r0")}")')
    lines += _ordered(keys)
    if draw(st.integers(0, 4)) == 0:
        lines.append(f'frame = frame.withColumn("above", {draw(st.sampled_from(_ABOVE))})')
    return lines


@st.composite
def _windowed(draw: st.DrawFn, columns: dict[str, str]) -> list[str]:
    lines, calls = draw(_calls(columns, _KINDS))
    window = f"Window.partitionBy({_named_keys(draw(st.sampled_from(_KEYS)))})" + draw(st.sampled_from(_WINDOWS))
    results = ", ".join(f'{call}.over({window}).alias("r{at}")' for at, call in enumerate(calls))
    return [*lines, f'frame = frame.select("k", {results}).orderBy("k")']


@st.composite
def _scalar(draw: st.DrawFn, columns: dict[str, str]) -> tuple[list[str], str]:
    """Draws lines that define column r0, and the family of its type: `u` where it exists, else a scalar UDF or a model."""
    if "u" in columns:
        return ['frame = frame.withColumn("r0", F.col("u"))'], FAMILY_OF_TYPE[columns["u"]]
    if draw(st.integers(0, 2)) == 0:
        name = draw(st.sampled_from(("linear", "tree", "histogram", "imputed")))
        taken = draw(st.sampled_from(("i l", "h x", "y b", "k l x")))
        given = ", ".join(repr(c) for c in taken.split())
        return [f"frame = frame.withColumn('r0', score_of({name!r}, {len(taken.split())})({given}))"], "floats"
    function = draw(batch_functions())
    arguments = ", ".join(repr(c) for c in function.columns)
    return [f'frame = frame.withColumn("r0", ({function.definition})({arguments}))'], FAMILY_OF_TYPE[function.returns]


@st.composite
def _merged(draw: st.DrawFn, columns: dict[str, str]) -> list[str]:
    """Draws Spark's own aggregates over a scalar UDF's result."""
    (lines, family), keys = draw(_scalar(columns)), draw(st.sampled_from(_KEYS))
    drawn = draw(st.lists(st.sampled_from(_OF_ANY + _OF_FAMILY.get(family, ())), min_size=1, max_size=3))
    calls = ", ".join(f'F.{name}("r0").alias("a{at}")' for at, name in enumerate(drawn))
    lines.append(f"frame = frame.groupBy({_named_keys(keys)}).agg({calls})")
    return [*lines, *_ordered(keys)]


@st.composite
def _ranked(draw: st.DrawFn, columns: dict[str, str]) -> list[str]:
    """Draws the first rows by r0, the first rows of each group, or a filter on r0."""
    (lines, family), order = draw(_scalar(columns)), draw(st.sampled_from(_ORDERS))
    how = draw(st.integers(0, 2))
    if how == 0:
        lines.append(f'frame = frame.orderBy({order}, "k").limit({draw(st.integers(1, 6))})')
    elif how == 1:
        keys, rank = draw(st.sampled_from(_KEYS)), draw(st.sampled_from(_RANKS))
        window = f'Window.partitionBy({_named_keys(keys)}).orderBy({order}, "k")'
        lines.append(f'frame = frame.withColumn("rank", F.{rank}().over({window})).where("rank <= {draw(st.integers(1, 3))}")')
    else:
        values = _VALUES.get(family)
        limit = draw(st.sampled_from(_LIMITS)).format(v=draw(st.sampled_from(values))) if values else "r0 is null"
        lines.append(f'frame = frame.where("{limit}")')
    return [*lines, 'frame = frame.select("k", "s", "l", "r0").orderBy("k", "r0")']


def check_groups(spark: Any, tables: Tables, query: BatchQuery) -> Measured:
    """Returns Weld's metrics for the query; AssertionError where the outcomes with the plugin off and on differ."""
    folder, conf = tables.folder(query.layout, query.seed), dict(query.conf)
    expected, _ = _once(spark, lambda: query.frame(spark, folder), {**conf, ENABLED: "false"})
    actual, what = _once(spark, lambda: query.frame(spark, folder), {**conf, ENABLED: "true"})
    problems = differences(expected, actual)
    if what.kept and _are_near(expected, actual):
        problems = []
    if expected.error and actual.rows is not None:
        # Groups that a filter above drops need not raise, nor does a column that an aggregate never reads.
        problems = [] if _is_filtered(query) or _raises_below(spark, query, folder, expected.error) else problems
    faults = sorted({*what.refusals} & FAULTS)
    if problems or faults:
        raise AssertionError("\n".join([*problems, *(f"refused with {code}" for code in faults), f"{what}", query.script()]))
    return what


def _raises_below(spark: Any, query: BatchQuery, folder: str, error: str) -> bool:
    """Whether the scalar UDF below the aggregates raises by itself: `len(u)` does not need its values."""
    below, made, _ = query.source.partition('frame = frame.withColumn("u"')
    first = replace(query, source=below + made + query.source[len(below + made) :].partition("\n")[0])
    outcome, _ = _once(spark, lambda: first.frame(spark, folder), {**dict(query.conf), ENABLED: "false"})
    return bool(made) and outcome.error == error


def _is_filtered(query: BatchQuery) -> bool:
    """Whether a filter or a limit is located above the first aggregate or rank."""
    lines = query.source.splitlines()
    first = next((at for at, line in enumerate(lines) if ".agg(" in line or ".over(" in line or "limit(" in line), len(lines))
    return any(".where(" in line or ".limit(" in line for line in lines[first:])


def _once(spark: Any, query: Callable[[], Any], conf: dict[str, str]) -> tuple[Outcome, Measured]:
    try:
        outcome, frame = run(spark, query, conf)
        return outcome, measured(frame)
    finally:
        spark.catalog.clearCache()


def _are_near(expected: Outcome, actual: Outcome) -> bool:
    """Whether the outcomes differ at most in the last digits of numbers."""
    if expected.rows is None or actual.rows is None or len(expected.rows) != len(actual.rows):
        return False
    pairs = (pair for rows in zip(expected.rows, actual.rows, strict=True) for pair in zip(*rows, strict=True))
    return all(a == b or _is_near(a, b) for a, b in pairs)


def _is_near(a: Any, b: Any) -> bool:
    numbers = type(a) is type(b) and type(a) in (int, float)
    return numbers and bool(np.isclose(a, b, rtol=NEAR, atol=NEAR, equal_nan=True))


def compare_groups(draw: Callable[[Any], Any]) -> tuple[str, Compared]:
    """Draws a query and compares its outcomes in a session of this process."""
    query = draw(group_queries())
    what = check_groups(session(), _tables(), query)
    return query.source, Compared(1, int(is_native(what)), refused="" if is_native(what) else (*what.refusals, "none")[0])


def is_native(what: Measured) -> bool:
    """Whether any UDF of the query ran in kernels or as Spark expressions."""
    return bool(what.operators or what.rewritten)


@cache
def _tables() -> GroupTables:
    return GroupTables(tempfile.mkdtemp(prefix="group-queries-"))
