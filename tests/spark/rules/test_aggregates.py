"""Compares aggregate pandas UDFs that run as Spark aggregates with PySpark's Python plan: rows, errors or refusals."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import Window
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf

from tests.helpers.differential import BACKEND, check, measured, run, session_conf
from tests.helpers.lines import CHECKED, LINE, arrow_udf, of_named_arguments
from tests.helpers.outcomes import differences
from tests.helpers.sampling import every_case
from udf_compiler.frontends.tracing.lower import BY_VALUE


def numbers(rows=3000, groups=40, seed=3):
    """Returns groups by `g`: of one row, of only NULL, of only NaN, and ordinary ones; `g` is NULL for some rows."""
    random = np.random.default_rng(seed)
    g = random.integers(0, groups, rows)
    g[:3] = [groups, groups + 1, groups + 2]  # groups of one row
    x = random.normal(3, 10, rows)
    x[random.random(rows) < 0.1] = np.nan
    x[g == 5] = np.nan
    x[g == 6], x[g == 7] = np.inf, -0.0
    k = random.integers(-1000, 1000, rows)
    big = random.integers(2**61, 2**62, rows)
    return {
        "g": pa.array(g, mask=g == 9),
        "x": pa.array(x, mask=(random.random(rows) < 0.1) | (g == 8) | (g == groups)),
        "y": random.uniform(0.5, 2.0, rows),
        "k": k,
        "kn": pa.array(k, mask=((random.random(rows) < 0.05) & (g % 2 == 0)) | (g == 8)),
        "i": pa.array(k.astype(np.int32), mask=(random.random(rows) < 0.05) & (g % 3 == 0)),
        "b8": k.astype(np.int8),
        "big": big,
        "f": pa.array(x.astype(np.float32)),
        "flag": pa.array(x > 3),
        "maybe": pa.array(k > 3, mask=((random.random(rows) < 0.05) & (g % 2 == 0)) | (g == 8)),
        "name": pa.array([f"name {v % 5}" for v in g]),
    }


@pytest.fixture(autouse=True)
def checked_results(spark):
    """Checks conversions of results on every line: without that, most results of aggregates are refused (SW110)."""
    with session_conf(spark, CHECKED):
        yield


@pytest.fixture
def table(parquet):
    return parquet(numbers())


def aggregate(source, returns, columns):
    """Returns a grouped aggregate of a lambda over named columns, as a Column."""
    function = eval(source, {"__name__": "__main__", "np": np, "pd": pd})
    function.__annotations__ = dict.fromkeys(function.__code__.co_varnames[: function.__code__.co_argcount], pd.Series)
    function.__annotations__["return"] = float
    return pandas_udf(function, returns)(*columns.split())


EXACT = [
    ("lambda v: v.count()", "long", "x"),
    ("lambda v: v.count()", "int", "kn"),
    ("lambda v: len(v)", "int", "x"),
    ("lambda v: v.size", "long", "kn"),
    ("lambda v: v.shape[0]", "double", "kn"),
    ("lambda v: v.sum()", "long", "k"),
    ("lambda v: v.sum()", "long", "big"),
    ("lambda v: v.sum()", "long", "b8"),
    ("lambda v: v.max() - v.min()", "long", "k"),
    ("lambda v: (v > 0).mean()", "double", "x"),
    ("lambda v: (v > 0).sum() / len(v)", "double", "kn"),
    ("lambda v: v.isna().sum()", "long", "x"),
    ("lambda v: v.isna().mean()", "double", "kn"),
    ("lambda v: (v > 900).any()", "boolean", "k"),
    ("lambda v: (v > -990).all()", "boolean", "kn"),
    ("lambda v: v.any()", "boolean", "x"),
    ("lambda v: np.max(v)", "int", "b8"),
    ("lambda v: (v * v).sum()", "long", "k"),
    ("lambda v: len(v) * 2 + 1", "long", "x"),
    ("lambda v, w: ((v > 0) & (w > 1)).sum()", "long", "x y"),
    ("lambda v: np.where(v > 0, 1, 0).sum()", "long", "x"),
    ("lambda v: v.sum()", "long", "maybe"),
    ("lambda v: v.mean()", "double", "maybe"),
    ("lambda v: v[v > 0].sum()", "long", "k"),
    ("lambda v: len(v.dropna())", "long", "kn"),
    # NumPy before 2 multiplies int8 as int64 (SW251).
    *([] if BY_VALUE else [("lambda v: v.min() * 2", "tinyint", "b8")]),
]
KEPT = [
    ("lambda v: v.sum()", "double", "x"),
    ("lambda v: v.mean()", "double", "x"),
    ("lambda v: v.mean()", "double", "kn"),
    ("lambda v: v.mean()", "double", "i"),
    ("lambda v: v.std()", "double", "x"),
    ("lambda v: v.var(ddof=0)", "double", "kn"),
    ("lambda v: np.std(v)", "double", "x"),
    ("lambda v: v.max()", "double", "x"),
    ("lambda v: v.max() - v.min()", "double", "kn"),
    ("lambda v, w: (v * w).sum() / w.sum()", "double", "x y"),
    ("lambda v, w: np.average(v, weights=w)", "double", "x y"),
    ("lambda v: v.values.mean()", "double", "x"),
    ("lambda v: np.nanmean(v)", "double", "x"),
    ("lambda v: np.sqrt((v * v).mean())", "double", "x"),
    ("lambda v: round(v.mean(), 2)", "double", "y"),
    ("lambda v: v.std() / v.mean()", "double", "i"),
    ("lambda v: v.abs().max() / (1 + v.count())", "double", "kn"),
    ("lambda v: v.sum() / (len(v) - 1)", "double", "x"),
    ("lambda v: v.fillna(0).mean()", "double", "x"),
    ("lambda v: v[v > 0].mean()", "double", "kn"),
    ("lambda v: v.dropna().std()", "double", "x"),
    ("lambda v: float(v[v < 100].max())", "double", "x"),
    ("lambda v, w: ((v - w) ** 2).mean()", "double", "x y"),
    ("lambda v: v.clip(0, 5).sum()", "double", "x"),
]


def grouped(table, cases):
    return table.groupBy("g").agg(*(aggregate(*case).alias(f"r{i}") for i, case in enumerate(cases))).orderBy("g")


def test_exact_reductions(spark, table):
    for backend, operators in (("catalyst", 0), ("auto", 1)):  # the kernel that merges
        what = check(spark, lambda: grouped(table, EXACT), rewritten=len(EXACT), conf={BACKEND: backend})
        assert what.operators == operators and not what.refusals


@pytest.mark.nightly(
    "test_exact_reductions",
    "tests/udf_compiler/backends/aggregates/test_aggregates.py::test_a_form_is_the_function",
    "tests/udf_compiler/backends/aggregates/test_bounds.py::test_sums_means_and_averages",
)
def test_kept_reductions(spark, table):
    check(spark, lambda: grouped(table, KEPT), rewritten=len(KEPT), ulp=1 << 14)
    expressions, kernels = (run(spark, lambda: grouped(table, KEPT), {BACKEND: b}) for b in ("catalyst", "auto"))
    assert not differences(expressions[0], kernels[0]) and measured(kernels[1]).kernel_batches, "sums add in one order"


def test_float32_sums_are_kept_in_float32_digits(spark, table):
    query = lambda: grouped(table, [("lambda v: v.sum()", "float", "f"), ("lambda v: v.mean()", "float", "f")])  # noqa: E731
    check(spark, query, rewritten=2, ulp=1 << 36)


@pytest.mark.gate_cases("0")
@pytest.mark.parametrize("rows", [0, 1, 500])
def test_without_keys_an_empty_table_has_no_row(spark, parquet, rows):
    table = parquet({name: column[:rows] for name, column in numbers().items()})
    query = lambda: table.agg(aggregate(*EXACT[5]).alias("s"), aggregate("lambda v: v.count()", "long", "x").alias("n"))  # noqa: E731
    check(spark, query, rewritten=2)
    check(spark, lambda: query().where("n >= 0").select("s"), rewritten=1)


def test_groups_of_an_empty_table(spark, table):
    check(spark, lambda: grouped(table.where("g < 0"), EXACT[:4]), rewritten=0)


@pytest.mark.sampled
def test_beside_other_operators(spark, table):
    """HAVING, aggregates of aggregates, expressions and strings as keys, repeated calls and unread columns all work."""
    total, rows = aggregate("lambda v: v.sum()", "long", "k"), aggregate("lambda v: len(v)", "long", "x")
    check(spark, lambda: table.groupBy("name").agg(total.alias("s")).where("s > 0").orderBy("name"), rewritten=1)
    both = lambda: table.groupBy(F.col("k") % 7, "name").agg((total + 1).alias("s"), total, rows)  # noqa: E731
    check(spark, lambda: both().orderBy("name", "s"), rewritten=2)
    inner = lambda: table.groupBy("g", "name").agg(total.alias("k"))  # noqa: E731
    if every_case():
        check(spark, lambda: inner().groupBy("name").agg(aggregate(*EXACT[8])).orderBy("name"), rewritten=2)
        check(spark, lambda: table.groupBy("g").agg(total.alias("s"), rows.alias("n")).select("g", "n").orderBy("g"), rewritten=1)


@of_named_arguments
def test_arguments_that_are_expressions_and_keywords(spark, table):
    @pandas_udf("long")
    def weighted(value: pd.Series, weight: pd.Series) -> int:
        return (value * weight).sum()

    calls = weighted(weight=F.col("k"), value=F.lit(3)).alias("w"), weighted(F.col("k") + 1, F.col("b8")).alias("v")
    conf = {"spark.sql.ansi.enabled": "false"}
    check(spark, lambda: table.groupBy("g").agg(*calls).orderBy("g"), rewritten=2, conf=conf)
    code = "SW384" if LINE < (4, 2) else None  # k + 1 may raise: group by group, as in Spark
    check(spark, lambda: table.groupBy("g").agg(*calls).orderBy("g"), refused=code)
    struct = weighted(F.struct("k"), "k")
    check(spark, lambda: table.groupBy("g").agg(struct), refused="SW101")


def test_a_scalar_udf_below_is_a_kernel(spark, table):
    @pandas_udf("double")
    def twice(v: pd.Series) -> pd.Series:
        return v * 2.0

    rows = aggregate("lambda v: (v > 6).sum()", "long", "x")

    @pandas_udf("long")
    def total(v: pd.Series) -> int:
        return (v > 6).sum()

    what = check(spark, lambda: table.groupBy("g").agg(total(twice("x")), rows).orderBy("g"), rewritten=2)
    assert what.operators == 1 and what.kernel_batches


ERRORS = [
    ("lambda v: v.mean()", "long", "k"),
    ("lambda v: v.sum()", "tinyint", "k"),
    ("lambda v: v.sum()", "long", "huge"),
    ("lambda v: v.sum()", "double", "big"),
    ("lambda v, w: np.average(v, weights=w)", "double", "y zero"),
]


@pytest.mark.gate_cases("lambda v: v.mean() long")
@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0] + " " + case[1])
def test_errors_are_those_of_pyspark(spark, parquet, case):
    data = numbers(300) | {"huge": pa.array([2**62] * 299 + [None]), "zero": np.zeros(300)}
    table = parquet({**data, "g": np.zeros(300, np.int64)})
    check(spark, lambda: table.groupBy("g").agg(aggregate(*case)), rewritten=1)


REFUSED = [
    ("SW382", "lambda v: v.median()", "double", "x"),
    ("SW383", "lambda v: (v - v.mean()).abs().max()", "double", "x"),
    ("SW384", "lambda v: (v // 3 % v).sum()", "long", "k"),
    ("SW385", "lambda v: 1.0", "double", "x"),
    ("SW388", "lambda a, b, c, d: (a + b + c + d).sum()", "double", "k kn i g"),
    ("SW102", "lambda v: v.any()", "boolean", "flag"),
    ("SW380", "lambda v: np.log(v.abs().max())", "double", "x"),
]


def over_names(table, *cases):
    """Returns aggregates over windows, which no kernel computes group by group."""
    calls = [aggregate(*case).over(Window.partitionBy("name")).alias(f"r{at}") for at, case in enumerate(cases)]
    return table.select("name", "k", *calls).orderBy("name", "k", "r0")


@pytest.mark.gate_cases("SW102")
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case[0])
def test_refusals_leave_sparks_plan(spark, table, case):
    code, *rest = case
    check(spark, lambda: over_names(table, rest), refused=code)


def test_one_refused_aggregate_keeps_its_neighbours_in_python(spark, table):
    assert check(spark, lambda: over_names(table, EXACT[0], REFUSED[0][1:]), refused="SW382").refusals == ("SW382", "SW382")


@pytest.mark.nightly("tests/spark/udf_compiler/test_grouped_aggregates.py::test_groups_and_keys_of_every_kind")
@pytest.mark.skipif(LINE < (4, 2), reason="this line converts the results of groups in another way")
def test_what_no_partial_aggregate_computes_runs_group_by_group(spark, table):
    for _, *case in REFUSED[:5]:
        check(spark, lambda case=case: table.groupBy("name").agg(aggregate(*case)).orderBy("name"), deopt=None)
    check(spark, lambda: grouped(table, [EXACT[0], REFUSED[0][1:]]))
    check(spark, lambda: table.groupBy("x").agg(aggregate(*EXACT[0])).orderBy("x"), deopt=None)


@pytest.mark.nightly("tests/udf_compiler/backends/aggregates/test_aggregates.py::test_exact_mode_refuses_approximate_operations")
def test_exact_mode_refuses_sums_of_floats(spark, table):
    exact = {"spark.sparkweld.exact.enabled": "true"}
    total = aggregate(*KEPT[0]).over(Window.partitionBy("name")).alias("r")
    check(spark, lambda: table.select("name", total).orderBy("name", "r"), refused="SW387", conf=exact)
    check(spark, lambda: grouped(table, EXACT[:5]), rewritten=5, conf=exact)
    if LINE >= (4, 2):
        check(spark, lambda: grouped(table, KEPT[:1]), conf=exact)  # group by group, in NumPy's order


def test_the_python_backend_leaves_every_plan_alone(spark, table):
    _, frame = run(spark, lambda: grouped(table, EXACT[:2]), {"spark.sparkweld.backend": "python"})
    node = "ArrowAggregatePython" if LINE >= (4, 1) else "AggregateInPandas"
    assert node in frame._jdf.queryExecution().executedPlan().toString() and not measured(frame).rewritten


def test_explain_names_the_aggregates(spark, table):
    from sparkweld import explain

    text = explain(grouped(table, KEPT[:1]))
    assert "Spark's own expressions for <lambda> (aggregate)" in text and "approximate: Series.sum" in text
    assert "SW382" in explain(over_names(table, REFUSED[0][1:]))
    stays = explain(grouped(table, [("lambda v: v.kurt()", "double", "x")]))
    assert "SW382" in stays and ("SW312" in stays or LINE < (4, 2))


ARROW = [
    ("lambda v: pc.sum(v)", "long", "k"),
    ("lambda v: pc.sum(v, min_count=0)", "long", "kn"),
    ("lambda v: pc.sum(v, skip_nulls=False)", "long", "kn"),
    ("lambda v: pc.max(v).as_py()", "int", "i"),
    ("lambda v: pc.count(v, mode='only_null').as_py()", "int", "x"),
    ("lambda v: pc.any(v)", "boolean", "maybe"),
    ("lambda v: pc.all(v).as_py()", "boolean", "maybe"),
]
ARROW_KEPT = [
    ("lambda v: pc.mean(v)", "double", "kn"),
    ("lambda v: pc.sum(v).as_py()", "double", "x"),
    ("lambda v: pc.stddev(v, ddof=1)", "double", "kn"),
    ("lambda v: pc.max(v)", "double", "x"),
    ("lambda v: pc.variance(v)", "double", "y"),
    ("lambda v, w: pc.sum(pc.multiply(v, w)).as_py() / pc.sum(w).as_py()", "double", "y y"),
]


def arrow_aggregate(source, returns, columns):
    """Returns a grouped aggregate of a lambda over Arrow arrays, as a Column."""
    function = eval(source, {"__name__": "__main__", "pc": pc})
    function.__annotations__ = dict.fromkeys(function.__code__.co_varnames[: function.__code__.co_argcount], pa.Array)
    function.__annotations__["return"] = pa.Scalar
    return arrow_udf(function, returns)(*columns.split())


@pytest.mark.sampled
def test_arrow_aggregates(spark, table):
    def query(cases, keys=("g",), frame=table):
        calls = [arrow_aggregate(*case).alias(f"r{i}") for i, case in enumerate(cases)]
        return frame.groupBy(*keys).agg(*calls).orderBy(*keys or ["r0"])

    check(spark, lambda: query(ARROW), rewritten=len(ARROW))
    if every_case():
        check(spark, lambda: query(ARROW_KEPT), rewritten=len(ARROW_KEPT), ulp=4096)
        check(spark, lambda: query(ARROW[:3], (), table.where("k > 5000")), rewritten=3)
    for case in (("lambda v: pc.sum(v)", "int", "big"), ("lambda v: 1.0 / pc.min(v).as_py()", "double", "zero")):
        check(spark, lambda case=case: query([case], frame=table.withColumn("zero", F.lit(0.0))), rewritten=1)
    windows = [arrow_aggregate(*case).over(Window.partitionBy("g")).alias(f"r{i}") for i, case in enumerate(ARROW[:3])]
    check(spark, lambda: table.select("g", "k", *windows).orderBy("g", "k", "r0"), rewritten=3)


@pytest.mark.skipif(LINE < (4, 2), reason="no aggregate takes an iterator")
def test_aggregates_of_iterators_stay_in_python(spark, table):
    """Iterator aggregates are other kinds of UDF, and their refusals say so."""

    @arrow_udf("long")
    def total(batches: Iterator[pa.Array]) -> int:
        return sum(pc.sum(v).as_py() or 0 for v in batches)

    check(spark, lambda: table.groupBy("g").agg(total("k")).orderBy("g"), refused="SW386")


WINDOWS = {
    "all": lambda w: w,
    "running": lambda w: w.orderBy("id"),
    "around": lambda w: w.orderBy("id").rowsBetween(-3, 2),
    "up to here": lambda w: w.orderBy("id").rowsBetween(Window.unboundedPreceding, 0),
    "before": lambda w: w.orderBy("id").rowsBetween(-5, -2),
}
WINDOWED = [EXACT[0], EXACT[3], EXACT[5], ("lambda v: v.sum()", "double", "kn"), ("lambda v: v.max() + len(v)", "long", "k")]


@pytest.mark.gate_cases("all", "up to here")
@pytest.mark.parametrize("frame", [name for name in WINDOWS if name != "before"])
def test_windows(spark, parquet, frame):
    table = parquet(numbers(300) | {"id": np.arange(300)})
    window = WINDOWS[frame](Window.partitionBy("name"))
    calls = [aggregate(*case).over(window).alias(f"r{i}") for i, case in enumerate(WINDOWED)]
    check(spark, lambda: table.select("id", *calls).orderBy("id"), rewritten=len(WINDOWED), ulp=4)


@pytest.mark.nightly("test_windows", "tests/udf_compiler/backends/aggregates/test_aggregates.py::test_refusals")
def test_windows_whose_frames_can_be_empty_are_refused(spark, parquet):
    table = parquet(numbers(300) | {"id": np.arange(300)})
    total = aggregate("lambda v: v.count()", "long", "x")
    before = WINDOWS["before"](Window.partitionBy("name"))
    check(spark, lambda: table.select("id", total.over(before)).orderBy("id"), refused="SW393")
    both = [total.over(before).alias("before"), total.over(WINDOWS["running"](Window.partitionBy("name"))).alias("running")]
    for calls in (both, both[::-1]):
        check(spark, lambda calls=calls: table.select("id", *calls).orderBy("id"), refused="SW393")
    median = aggregate("lambda v: v.median()", "double", "x")
    check(spark, lambda: table.select("id", median.over(Window.partitionBy("name"))).orderBy("id"), refused="SW382")


def test_python_above_an_aggregate_must_not_see_its_order(spark, table):
    @pandas_udf("double")
    def running(v: pd.Series) -> pd.Series:
        return v.cumsum()

    @pandas_udf("double")
    def half(v: pd.Series) -> pd.Series:
        return v * 0.5

    rows, refusals = aggregate("lambda v: (v > 0).mean()", "double", "x"), ["SW392"] if LINE < (4, 2) else []
    query = lambda f: table.groupBy("g").agg(rows.alias("n")).select("g", f("n").alias("r")).orderBy("g")  # noqa: E731
    inside = lambda f: table.groupBy("g").agg(f(rows).alias("r")).orderBy("g")  # noqa: E731
    for made in (query, inside):
        found = check(spark, lambda made=made: made(running)).refusals
        if LINE < (4, 2):  # functions of whole batches are refused there, too
            found = tuple(code for code in found if code != "SW114")
        assert [*found] == refusals
    check(spark, lambda: inside(half), rewritten=1)
    assert check(spark, lambda: query(half), rewritten=1)
