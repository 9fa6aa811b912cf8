"""Compares Catalyst expressions translated to IR with Spark, ANSI on and off, on NULL, NaN, -0.0 and type limits."""

from __future__ import annotations

import datetime
import itertools
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparkweld.errors import Refusal
from sparkweld.ir import Input, ProgramBuilder, Result, Type, evaluate
from sparkweld.ir.ops import Array, Optional
from sparkweld.optimizer import optimize
from tests.helpers.answers import expression
from tests.helpers.differential import session_conf
from tests.helpers.lines import to_arrow
from tests.helpers.programs import assert_equal_arrays, assert_equal_results
from udf_compiler.boundary.series import SPARK_TYPES
from udf_compiler.frontends.catalyst.expressions import EXPRESSIONS, translate, translate_condition
from udf_compiler.frontends.catalyst.lists import LIST_RULES
from udf_compiler.frontends.catalyst.strings import STRING_RULES
from udf_compiler.frontends.catalyst.times import TIME_RULES

ANSI = "spark.sql.ansi.enabled"
#: Spark evaluates an operand that several columns share before any `And` can skip it, and then raises.
SHARING = "spark.sql.subexpressionElimination.enabled"
#: Casts of these are sent unchanged; a cast of a string constant has been folded before.
FOLDABLE = (*(name for name in SPARK_TYPES if name != "string"), "void")
EPOCH = datetime.date(1970, 1, 1)

#: Column prefix -> Spark type, and edge values of expressions. Each type has the columns p1 and p2.
COLUMNS: dict[str, tuple[str, pa.DataType, list[Any]]] = {
    "b": ("boolean", pa.bool_(), [True, False, None]),
    "y": ("byte", pa.int8(), [0, 1, -1, 5, -7, 127, -128, None]),
    "s": ("short", pa.int16(), [0, 1, -1, 5, -129, 32767, -32768, None]),
    "i": ("integer", pa.int32(), [0, 1, -1, 5, 46341, -40000, 2**31 - 1, -(2**31), None]),
    "l": ("long", pa.int64(), [0, 1, -1, 3, 2**53 + 1, 3037000500, -(2**62), 2**63 - 1, -(2**63), None]),
    "f": ("float", pa.float32(), [0.0, -0.0, 1.5, -2.5, 3.4028234663852886e38, np.inf, -np.inf, np.nan, 1e10, None]),
    "d": (
        "double",
        pa.float64(),
        [0.0, -0.0, 1.5, -2.5, 0.1, 127.9, -128.9, 2147483647.5, -2147483648.9, 2.0**63, -(2.0**63), 1e300, np.inf]
        + [-np.inf, np.nan, None],
    ),
    "t": ("date", pa.date32(), [EPOCH, datetime.date(2024, 2, 29), datetime.date(1, 1, 1), datetime.date(9999, 12, 31), None]),
}
ROWS = max(len(values) for _, _, values in COLUMNS.values()) ** 2
NUMBERS = "ysilfd"
INTS = "ysil"
FLOATS = "fd"

COMPARISONS = [f"{p}1 {op} {p}2" for p in COLUMNS for op in ("=", "<=>", "<", "<=", ">", ">=")]

EXPRESSIONS_SQL = [
    *COMPARISONS,
    *(f"{p}1 + {p}2" for p in NUMBERS),
    *(f"{p}1 - {p}2" for p in NUMBERS),
    *(f"{p}1 * {p}2" for p in NUMBERS),
    *(f"{p}1 % {p}2" for p in NUMBERS),
    *(f"-{p}1" for p in NUMBERS),
    *(f"abs({p}1)" for p in NUMBERS),
    "d1 / d2",
    "i1 / i2",
    *(f"cast({a}1 as {COLUMNS[b][0].replace('integer', 'int').replace('long', 'bigint')})" for a in "bysilfd" for b in "bysilfd"),
    *(f"isnan({p}1)" for p in FLOATS),
    *(f"{p}1 is null" for p in COLUMNS),
    *(f"{p}1 is not null" for p in COLUMNS),
    *(f"if(b1, {p}1, {p}2)" for p in COLUMNS),
    *(f"coalesce({p}1, {p}2)" for p in COLUMNS),
    "coalesce(d1, d2, 7D)",
    "coalesce(i1, i2, 7)",
    "b1 and b2",
    "b1 or b2",
    "not b1",
    "not (b1 and not b2) or b2 is null",
    "case when b1 then i1 when b2 then i2 end",
    "case when d1 > 0 then d1 when d1 < d2 then d2 else -1D end",
    "case when i2 != 0 then i1 % i2 else 0 end",
    "i2 != 0 and i1 % i2 = 1",
    "i2 = 0 or i1 % i2 = 1",
    "if(i2 = 0, null, i1 % i2)",
    "coalesce(i1, i2 + i2)",
    "b1 or (i1 + i2 > 0)",
    "(i1 + i2 > 0) and b1",
    "d2 != 0 and d1 / d2 > 1",
    "i1 in (1, 5, -40000)",
    "i1 in (1, null)",
    "l1 in (3L, 9223372036854775807L)",
    "d1 in (0D, 1.5D, double('NaN'))",
    "d1 in (1.5D, null)",
    "f1 in (float(1.5), d1)",
    "i1 in (i2, 5)",
    "t1 in (date'1970-01-01', date'2024-02-29')",
    "b1 in (true)",
    "b1 in (b2, null)",
    "sqrt(d1)",
    "sqrt(i1)",
    "t1 < date'2000-01-01'",
    "d1 > 0.5D",
    "f1 <= float('NaN')",
    "d1 > double('-Infinity')",
    "i1 > 1.5D",
    "l1 = d1",
    "cast(null as int) + i1",
    "null and b1",
    "null or b1",
    "b1 <=> null",
    "l1 * 3L",
    "l1 + 1L",
    "l1 - 1L",
    "i1 * i2 + 1",
    "cast(d1 as int) % 7",
]


def column_values(prefix: str, second: bool) -> list[Any]:
    """Repeats all pairs of values of a type."""
    pairs = itertools.cycle(itertools.product(COLUMNS[prefix][2], repeat=2))
    return [pair[second] for pair in itertools.islice(pairs, ROWS)]


def names() -> list[str]:
    return [f"{p}{n}" for p in COLUMNS for n in (1, 2)]


@pytest.fixture(scope="module")
def table() -> pa.Table:
    columns = {f"{p}{n}": pa.array(column_values(p, n == 2), COLUMNS[p][1]) for p in COLUMNS for n in (1, 2)}
    return pa.table({"row": pa.array(range(ROWS), pa.int32()), **columns})


@pytest.fixture(scope="module")
def frame(spark, table, tmp_path_factory):
    """Returns the table behind a cache of rows, so that Spark runs generated code rather than folding a local relation."""
    path = str(tmp_path_factory.mktemp("catalyst") / "t.parquet")
    pq.write_table(table, path)
    return spark.read.parquet(path).repartition(1).cache()


def to_json(e: Any) -> dict[str, Any]:
    """Returns the JSON that the JVM side sends for a Catalyst expression."""
    op = e.getClass().getSimpleName()
    if op == "Alias":
        return to_json(e.children().head())
    expr: dict[str, Any] = {"op": op, "type": json.loads(e.dataType().json()), "nullable": e.nullable()}
    if op == "AttributeReference":
        return {**expr, "op": "Column", "name": e.name()}
    if op == "Literal" or (op == "Cast" and e.foldable() and json.loads(e.child().dataType().json()) not in FOLDABLE):
        value = e.eval(None)  # as ConstantFolding leaves double('NaN') and float(1.5)
        expr["op"] = "Literal"
        if isinstance(value, float):
            value = str(value) if value != value or value in (np.inf, -np.inf) else value.hex()
            value = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(value, value)
        elif value is not None and not isinstance(value, bool):
            value = str(value)
        return {**expr, "value": value}
    children = e.children()
    expr["args"] = [to_json(children.apply(at)) for at in range(children.size())]
    if op in ("UnaryMinus", "Abs"):
        expr["ansi"] = e.failOnError()
    elif op in ("Add", "Subtract", "Multiply", "Divide", "Remainder", "Cast"):
        expr["ansi"] = e.evalMode().toString() == "ANSI"
    return expr


def analyzed(frame: Any, sql: str) -> dict[str, Any]:
    plan = frame.selectExpr(f"{sql} as result")._jdf.queryExecution().analyzed()
    return to_json(plan.projectList().head())


def arrow_parts(array: pa.Array) -> Optional:
    valid = np.asarray(array.is_valid())
    if pa.types.is_date(array.type):
        array = array.cast(pa.int32())
    filled = array.fill_null(False if pa.types.is_boolean(array.type) else 0)
    return Optional(filled.to_numpy(zero_copy_only=False), valid)


def run_ir(expr: dict[str, Any], table: pa.Table) -> Result:
    """Runs the translated expression on the table, optimised and not."""
    inputs = [Input(name, Type(SPARK_TYPES[COLUMNS[name[0]][0]].kind, True)) for name in names()]
    builder = ProgramBuilder("catalyst", inputs)
    loop = builder.loop("project")
    loop.append("result", translate(loop, expression(expr), loop.read))
    loop.close()
    program = builder.finish(["result"])
    columns: dict[str, Array] = {name: arrow_parts(table[name].combine_chunks()) for name in names()}
    result = evaluate(program, columns, len(table))
    optimized = optimize(program)
    assert_equal_results(evaluate(optimized, columns, len(table)), result)
    return result


def spark_column(frame: Any, sql: str, rows: list[int]) -> pa.Array:
    """Returns Spark's own result for some rows, ordered by row."""
    kept = frame.filter(frame["row"].isin(rows)) if len(rows) < ROWS else frame
    result = to_arrow(kept.selectExpr("row", f"{sql} as result")).sort_by("row")
    assert result["row"].to_pylist() == rows
    return result["result"].combine_chunks()


def assert_same(ours: Array, theirs: pa.Array) -> None:
    got = ours if isinstance(ours, Optional) else Optional(ours, np.ones(len(ours), np.bool_))
    wanted = arrow_parts(theirs) if len(theirs) else got
    assert_equal_arrays(got, wanted, "result")


@dataclass
class Case:
    """One expression in one mode: the IR's result, and Spark's column for the rows that are not flagged."""

    result: Result
    theirs: pa.Array | None


def of_decided(sql: str, result: Result) -> str:
    """Returns the expression for the rows that it does not flag, and NULL for the others, for which it may raise."""
    rows = np.flatnonzero(result.flagged).tolist()
    return f"case when row in ({', '.join(map(str, rows))}) then null else {sql} end" if rows else sql


@pytest.fixture(scope="module")
def all_cases(spark, frame, table) -> dict[tuple[str, str], Case]:
    """Runs every expression in both modes. They share Spark queries, without the rows that they flag, which saves minutes."""
    found: dict[tuple[str, str], Case] = {}
    for ansi in ("true", "false"):
        with session_conf(spark, {ANSI: ansi, SHARING: "false"}):
            cases = {sql: Case(run_ir(analyzed(frame, sql), table), None) for sql in EXPRESSIONS_SQL}
            for some in (EXPRESSIONS_SQL[at : at + 20] for at in range(0, len(EXPRESSIONS_SQL), 20)):
                columns = [f"{of_decided(sql, cases[sql].result)} as result{at}" for at, sql in enumerate(some)]
                results = to_arrow(frame.selectExpr("row", *columns)).sort_by("row")
                for at, sql in enumerate(some):
                    cases[sql].theirs = results[f"result{at}"].combine_chunks().filter(~cases[sql].result.flagged)
            found.update({(sql, ansi): case for sql, case in cases.items()})
    return found


@pytest.mark.parametrize("ansi", ["true", "false"])
@pytest.mark.parametrize("sql", EXPRESSIONS_SQL)
def test_expression(spark, frame, table, all_cases, sql: str, ansi: str) -> None:
    case = all_cases[sql, ansi]
    flagged = case.result.flagged
    decided = np.flatnonzero(~flagged)
    assert len(decided) and case.theirs is not None
    assert_same(_rows(case.result.columns["result"], decided), case.theirs)
    assert ansi == "true" or not flagged.any()
    with session_conf(spark, {ANSI: ansi}):
        for row in np.flatnonzero(flagged)[:1].tolist():
            if not may_flag_more(sql, table, row):
                with pytest.raises(Exception, match=r"OVERFLOW|caused overflow|DIVIDE_BY_ZERO|REMAINDER_BY_ZERO"):
                    spark_column(frame, sql, [row])


def _rows(column: Array, rows: np.ndarray) -> Array:
    return Optional(column.values[rows], column.valid[rows]) if isinstance(column, Optional) else column[rows]


def may_flag_more(sql: str, table: pa.Table, row: int) -> bool:
    """Whether a guard is wider than Spark's error here: long products near the limit, and casts of 2**63 to long."""
    if "cast" in sql and "bigint" in sql:
        return table["d1"][row].as_py() == 2.0**63
    return sql.startswith("l1 *")


def test_every_expression_is_tested(spark, frame) -> None:
    """Each op that translates occurs above, or is built by hand below when no SQL produces it.

    Those of dates and times are in tests/kernels/test_calendar.py and tests/spark/columns/test_timestamps.py. Those of strings
    are in tests/spark/generated/test_expressions.py and test_strings.py, those of arrays in test_catalyst_lists.py.
    """
    seen: set[str] = set()

    def visit(expr: dict[str, Any]) -> None:
        seen.add(expr["op"])
        for arg in expr.get("args", ()):
            visit(arg)

    for sql in EXPRESSIONS_SQL:
        visit(analyzed(frame, sql))
    elsewhere = {*TIME_RULES, *STRING_RULES, *LIST_RULES}
    assert EXPRESSIONS - seen - elsewhere == {*OPTIMIZER_MADE, *OF_EQUIVALENTS}


OPTIMIZER_MADE = ("KnownNotNull", "KnownFloatingPointNormalized", "NormalizeNaNAndZero")
#: SparkWeld's own expressions, used in equivalent Catalyst expressions of UDFs: op -> the function of a column's values
#: (given twice).
OF_EQUIVALENTS = {"NullIfNaN": lambda x: x, "IeeeDivide": lambda x: x / x, "ceil": np.ceil, "floor": np.floor, "trunc": np.trunc}


@pytest.mark.parametrize("op", [*OPTIMIZER_MADE, *OF_EQUIVALENTS])
def test_expressions_that_no_sql_produces(table, op: str) -> None:
    column = {"op": "Column", "name": "d1", "type": "double", "nullable": True}
    args = [column, column] if op == "IeeeDivide" else [column]
    result = run_ir({"op": op, "type": "double", "nullable": True, "args": args}, table).columns["result"]
    assert isinstance(result, Optional)
    wanted = arrow_parts(table["d1"].combine_chunks())
    with np.errstate(all="ignore"):
        values = wanted.values + 0.0 if op == "NormalizeNaNAndZero" else OF_EQUIVALENTS.get(op, lambda x: x)(wanted.values)
    valid = wanted.valid & ~np.isnan(values) if op == "NullIfNaN" else wanted.valid
    assert_equal_arrays(result, Optional(values, valid))


@pytest.mark.parametrize("sql", ["b1", "b1 and b2", "b1 or d1 > 0", "i1 in (1, null)", "i1 <=> i2"])
def test_a_condition_keeps_the_rows_of_a_filter(spark, frame, table, sql: str) -> None:
    inputs = [Input(name, Type(SPARK_TYPES[COLUMNS[name[0]][0]].kind, True)) for name in names()]
    builder = ProgramBuilder("filter", inputs)
    loop = builder.loop("filter")
    loop.close(where=translate_condition(loop, expression(analyzed(frame, sql)), loop.read), makes="kept")
    program = builder.finish([])
    columns: dict[str, Array] = {name: arrow_parts(table[name].combine_chunks()) for name in names()}
    kept = evaluate(program, columns, len(table)).selection.tolist()
    assert kept == sorted(row["row"] for row in frame.filter(sql).select("row").collect())


@pytest.mark.parametrize(
    "sql, code",
    [
        ("pow(d1, d2)", "SW321"),
        ("reverse('ab') = 'ba'", "SW321"),
        ("cast(d1 as string) is null", "SW323"),
        ("cast(t1 as timestamp) is null", "SW323"),
        ("cast(i1 as decimal(10, 2)) is null", "SW322"),
        ("try_add(i1, i2)", "SW321"),
    ],
)
def test_refusals(spark, frame, sql: str, code: str) -> None:
    loop = ProgramBuilder("p", [Input(name, Type(SPARK_TYPES[COLUMNS[name[0]][0]].kind, True)) for name in names()]).loop("p")
    with pytest.raises(Refusal, match=code):
        translate(loop, expression(analyzed(frame, sql)), loop.read)


def test_casts_of_dates_are_refused() -> None:
    builder = ProgramBuilder("p", [Input("t1", Type("date"))])
    loop = builder.loop("p")
    column = {"op": "Column", "name": "t1", "type": "date", "nullable": False}
    with pytest.raises(Refusal, match="SW323"):
        given = {"op": "Cast", "type": "integer", "nullable": True, "ansi": False, "args": [column]}
        translate(loop, expression(given), loop.read)


def test_empty_in_is_refused() -> None:
    builder = ProgramBuilder("p", [Input("i1", Type("i32"))])
    loop = builder.loop("p")
    column = {"op": "Column", "name": "i1", "type": "integer", "nullable": False}
    with pytest.raises(Refusal, match="SW321"):
        translate(loop, expression({"op": "In", "type": "boolean", "nullable": False, "args": [column]}), loop.read)
