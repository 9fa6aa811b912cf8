"""Compares UDFs of every kind, plugin off and on: iterators, Arrow functions and maps, over varied inputs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf, udtf
from pyspark.sql.types import BooleanType, DoubleType, IntegerType, LongType, StringType, StructType

import sparkweld
from tests.helpers.differential import check
from tests.helpers.lines import LINE, arrow_udf, of_plain_arrow
from tests.helpers.sampling import every_case

ROWS = 9000
PARTS = StructType().add("n", LongType()).add("ratio", DoubleType()).add("flag", BooleanType())


@pytest.fixture
def table(parquet):
    """Writes two row groups' worth of numbers; `k` and `y` have NULLs, `z` zeros."""
    ids = np.arange(ROWS)
    holes = np.where(ids % 7 == 3)[0]
    k = [None if i % 7 == 3 else int(i % 50 - 25) for i in ids]
    y = np.linspace(-2, 2, ROWS)
    y[holes] = np.nan
    return parquet(
        {
            "id": ids,
            "x": np.linspace(0, 1, ROWS),
            "y": pa.array(y, from_pandas=True),
            "k": pa.array(k, pa.int32()),
            "n": (ids % 40).astype(np.int64),
            "z": (ids % 3).astype(np.int64),
            "b": ids % 2 == 0,
        }
    )


@pandas_udf(DoubleType())
def scaled(parts: Iterator[pd.Series]) -> Iterator[pd.Series]:
    weights = np.array([1.0, 2.5])
    for part in parts:
        yield part * weights[1] + 1


@pandas_udf(DoubleType())
def summed(parts: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.Series]:
    for x, k in parts:
        yield x + k.fillna(0)


@pandas_udf(LongType())
def divided(parts: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.Series]:
    for n, z in parts:
        yield n // z


@pandas_udf(DoubleType())
def counted(parts: Iterator[pd.Series]) -> Iterator[pd.Series]:
    for number, part in enumerate(parts):
        yield part + number


def test_pandas_iterators(spark, table):
    check(spark, lambda: table.select("id", scaled("x").alias("r"), summed("x", "k").alias("s")), deopt=None)
    check(spark, lambda: table.where("x > 0.5").select("id", scaled(F.col("y") * 2).alias("r")))
    check(spark, lambda: table.select("id", counted("x").alias("r")), refused="SW360")


def test_an_iterator_whose_guard_fires_runs_batch_by_batch_in_python(spark, table):
    check(spark, lambda: table.select("id", divided("n", "z").alias("r")), deopt=True)
    check(spark, lambda: table.where("z > 0").select("id", divided("n", "z").alias("r")), deopt=None)


def test_an_iterator_between_other_udfs(spark, table):
    half = pandas_udf(lambda x: x / 2, "double")
    check(spark, lambda: table.select("id", half(scaled(half("x"))).alias("r")).where("r > 0.7"))


@arrow_udf(DoubleType())
def normalised(x: pa.Array, y: pa.Array) -> pa.Array:
    return pc.if_else(pc.greater(x, 0.25), pc.divide(y, pc.add(x, 1.0)), pc.fill_null(y, 0.0))


@arrow_udf(LongType())
def added(n: pa.Array, k: pa.Array) -> pa.Array:
    return pc.add_checked(n, pc.cast(k, pa.int64()))


@arrow_udf(IntegerType())
def quotient(n: pa.Array, z: pa.Array) -> pa.Array:
    return pc.divide(n, z)


@arrow_udf(BooleanType())
def picked(b: pa.Array, k: pa.Array) -> pa.Array:
    return pc.and_kleene(b, pc.is_in(k, value_set=pa.array([1, 2, 3], pa.int32())))


@arrow_udf(DoubleType())
def roots(parts: Iterator[pa.Array]) -> Iterator[pa.Array]:
    for part in parts:
        yield pc.sqrt(part)


def test_arrow_functions(spark, table):
    check(
        spark,
        lambda: table.select(
            "id",
            normalised("x", "y").alias("r"),
            added("n", "k").alias("a"),
            picked("b", "k").alias("p"),
            added(n=F.col("n"), k="k").alias("named"),
            added(added("n", "k"), "k").alias("twice"),
        ),
    )
    check(spark, lambda: table.select("id", roots("y").alias("r")))
    check(spark, lambda: table.where(picked("b", "k")).select("id", added("n", "k").alias("a")))


def test_an_arrow_division_by_zero_raises_as_in_python(spark, table):
    check(spark, lambda: table.select("id", quotient("n", "z").alias("r")), deopt=None)
    check(spark, lambda: table.where("z > 0").select("id", quotient("n", "z").alias("r")))


def test_arrow_functions_that_stay_in_python(spark, table):
    total = arrow_udf(lambda x: pc.subtract(x, pc.mean(x)), "double")
    check(spark, lambda: table.select("id", total("x").alias("r")), refused="SW250")


@pytest.mark.nightly("test_pandas_iterators", "test_arrow_functions")
def test_pandas_and_arrow_functions_of_one_column(spark, table):
    """The pandas function receives NULLs as float64, the Arrow function as NULLs."""
    plus = pandas_udf(lambda k: k + 1, "double")
    check(spark, lambda: table.select("id", plus("k").alias("p"), added("n", "k").alias("a")), deopt=None)
    check(spark, lambda: table.where("n > 3").select("id", plus("k").alias("p"), added("n", "k").alias("a")), deopt=None)


def features(parts):
    limits = {"high": 0.75}
    for pdf in parts:
        kept = pdf[(pdf.x < limits["high"]) & (pdf.z != 0)]
        kept = kept.assign(q=kept.n // kept.z, x=np.where(kept.y > 0, kept.x, -kept.x))
        yield kept[["id", "q", "x"]]


def doubled(parts):
    for pdf in parts:
        pdf["x"] = pdf.x * 2
        yield pdf


def grouped(parts):
    for pdf in parts:
        yield pdf.groupby("n", as_index=False).agg({"x": "sum"})


@pytest.mark.sampled
def test_map_in_pandas(spark, table):
    numbers = table.drop("b", "k")
    check(spark, lambda: numbers.mapInPandas(features, "x double, id long, q long"))
    if every_case():
        check(spark, lambda: numbers.select("id", "x").mapInPandas(doubled, "id long, x double"))
        some = numbers.where("n > 5")
        check(spark, lambda: some.mapInPandas(features, "id long, q long, x double").where("q > 3").select("id"))
    check(spark, lambda: table.select("id", "k", "x").mapInPandas(doubled, "id long, k double, x double"), deopt=None)
    check(spark, lambda: numbers.mapInPandas(grouped, "n long, x double"), refused="SW250")


@pytest.mark.nightly("test_map_in_pandas", "tests/spark/plan/test_batches.py::test_batches_end_at_their_limit_of_bytes")
def test_map_in_pandas_in_small_batches(spark, table):
    conf = {"spark.sql.execution.arrow.maxRecordsPerBatch": "100"}
    numbers = table.drop("b", "k")
    check(spark, lambda: numbers.repartition(3).mapInPandas(features, "id long, q long, x double").sort("id"), conf=conf)


def test_a_map_whose_guard_fires(spark, table):
    def divides(parts):
        for pdf in parts:
            yield pdf.assign(q=pdf.n // pdf.z)

    check(spark, lambda: table.select("n", "z").mapInPandas(divides, "n long, z long, q double"), deopt=True)


def arrow_features(parts):
    for batch in parts:
        kept = batch.filter(pc.greater(batch["x"], 0.5))
        ratio = pc.divide(kept["y"], kept["x"])
        yield pa.RecordBatch.from_arrays([kept["id"], ratio, kept["k"]], names=["id", "ratio", "k"])


def renamed(parts):
    for batch in parts:
        yield batch.select(["id", "b"]).append_column("big", pc.greater(batch.column("k"), 3))


def test_map_in_arrow(spark, table):
    check(spark, lambda: table.mapInArrow(arrow_features, "id long, ratio double, k int"))
    check(spark, lambda: table.mapInArrow(renamed, "id long, b boolean, big boolean").where("big").select("id"))
    check(spark, lambda: table.mapInArrow(renamed, "id int, b boolean, big boolean"), refused="SW364")


@pandas_udf(PARTS)
def parts(x: pd.Series, n: pd.Series, z: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"ratio": x / (z + 1), "n": n * 2, "flag": z > 0})


@pytest.mark.sampled
def test_structs_of_a_frame(spark, table):
    """Structs work as a whole, by field, in a filter, and as an argument."""

    def whole():
        return table.select("id", parts("x", "n", "z").alias("p"))

    check(spark, whole)
    check(spark, lambda: whole().select("id", "p.ratio", "p.flag").where("flag"))
    if every_case():
        check(spark, lambda: whole().where("p.n > 20").select("id", "p"))

    @pandas_udf("double")
    def again(p: pd.DataFrame) -> pd.Series:
        return p["ratio"] * p["n"]

    check(spark, lambda: whole().select("id", again("p").alias("r")))
    if every_case():
        check(spark, lambda: whole().where("p.flag").select("id", again("p").alias("r"), "p"), deopt=None)


@pytest.mark.nightly("test_structs_of_a_frame", "test_an_iterator_whose_guard_fires_runs_batch_by_batch_in_python")
def test_structs_in_an_iterator_and_in_batches_for_python(spark, table):
    @pandas_udf("q long, x double")
    def quotients(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.DataFrame]:
        for n, z in batches:
            yield pd.DataFrame({"q": n // z, "x": n / 2})

    check(spark, lambda: table.where("z > 0").select("id", quotients("n", "z").alias("s")), deopt=None)
    check(spark, lambda: table.select("id", quotients("n", "z").alias("s")), deopt=None)


@pytest.mark.nightly("tests/spark/columns/test_text_columns.py::test_parquet", "test_arrow_functions", "test_pandas_iterators")
def test_strings_of_every_kind(spark, parquet):
    words = [None if i % 11 == 5 else f" Word{i % 23} é"[: 2 + i % 8] for i in range(3000)]
    table = parquet({"id": np.arange(3000), "w": words, "ascii": [None if w is None else w.strip(" é") for w in words]})

    @arrow_udf("string")
    def tidy(w: pa.Array) -> pa.Array:
        return pc.if_else(pc.starts_with(w, "Word1"), "one", pc.utf8_upper(w))

    def named(batches):
        for pdf in batches:
            kept = pdf[pdf.w.notna()]
            yield kept.assign(w=kept.w.str.strip())

    def shortened(batches):
        for batch in batches:
            cut = pc.utf8_slice_codeunits(batch["w"], 0, 3)
            yield batch.set_column(1, "w", cut).filter(pc.is_valid(cut))

    check(spark, lambda: table.select("id", tidy("ascii").alias("t")))
    check(spark, lambda: table.select("id", tidy("w").alias("t")), deopt=None)
    check(spark, lambda: table.select("id", "w").mapInArrow(shortened, "id long, w string"))
    check(spark, lambda: table.select("id", "w").mapInPandas(named, "id long, w string"), deopt=None)


def test_a_barrier_map_stays_spark_s(spark, table):
    numbers = table.select("id", "x")
    check(spark, lambda: numbers.mapInPandas(doubled, "id long, x double", barrier=True), refused="SW367")


def test_registered_functions_in_sql(spark, table):
    spark.udf.register("scaled_sql", scaled)
    table.createOrReplaceTempView("kinds")
    check(spark, lambda: spark.sql("select id, scaled_sql(x) r from kinds where n > 2"))


@pytest.mark.skipif(LINE < (4, 1), reason="this Spark has no Arrow UDFs")
def test_registered_arrow_functions_in_sql(spark, table):
    spark.udf.register("added_sql", added)
    table.createOrReplaceTempView("kinds")
    check(spark, lambda: spark.sql("select id, added_sql(n, k) a from kinds where n > 2"))
    check(spark, lambda: spark.sql("select id, added_sql(k => k, n => n) a from kinds"))


def test_no_rows(spark, table):
    nothing = table.where("id < 0")
    check(spark, lambda: nothing.select("id", scaled("x").alias("r"), added("n", "k").alias("a")))
    check(spark, lambda: nothing.select("id", "x").mapInPandas(doubled, "id long, x double"))


def test_profiled_functions_stay_in_python(spark, table):
    conf = {"spark.sql.pyspark.udf.profiler": "perf"}
    check(spark, lambda: table.select("id", scaled("x").alias("r")), refused="SW111", conf=conf)


def banded(n, k):
    if k is None:
        return -1
    total = 0
    for step in range(3):
        total += n * step if k > 0 else k - step
    return total


@pytest.fixture(params=[pytest.param(True, marks=of_plain_arrow), False], ids=["arrow", "pickled"])
def arrow(request):
    """Whether rows reach a plain UDF over Arrow."""
    return request.param


@pytest.mark.gate_cases("arrow")
def test_row_functions(spark, table, arrow):
    plus = udf(lambda n: n + 1, "long", useArrow=arrow)
    bands = udf(banded, "long", useArrow=arrow)
    words = udf(lambda n: f"{n % 3}-{n}", "string", useArrow=arrow)
    named = {} if LINE < (4, 0) else {"k": "k", "n": F.col("n")}
    check(
        spark,
        lambda: table.select(
            "id",
            plus("n").alias("r"),
            plus(plus("n")).alias("twice"),
            bands(*() if named else ("n", "k"), **named).alias("b"),
            words("n").alias("w"),
        ),
    )
    check(spark, lambda: table.where(bands("n", "k") > 20).select("id", plus("id").alias("r")))


@pytest.mark.gate_cases("pickled")
def test_a_row_function_that_raises_on_a_row(spark, table, arrow):
    ratio = udf(lambda n, z: n / z, "double", useArrow=arrow)
    check(spark, lambda: table.select("id", ratio("n", "z").alias("r")), deopt=None)
    check(spark, lambda: table.where("z > 0").select("id", ratio("n", "z").alias("r")))


@pytest.mark.gate_cases("pickled")
def test_rows_that_a_row_kernel_leaves_to_python(spark, table, arrow):
    """Beyond int64 Python continues with big integers: batches with such rows run in Python, by either evaluator."""
    power = udf(lambda n: float(n * 10**17 * n), "double", useArrow=arrow)
    check(spark, lambda: table.select("id", power("n").alias("r")), deopt=True)


@pytest.mark.nightly("test_an_iterator_between_other_udfs")
def test_kinds_mixed_in_one_query(spark, table):
    plus = udf(lambda n: n + 1, "long")
    old = udf(lambda n: n * 2, "long", useArrow=False)
    half = pandas_udf(lambda x: x / 2, "double")

    def query():
        chain = half(added(plus(old("n")), "k").cast("double"))
        return table.select("id", chain.alias("r"), scaled("x").alias("s")).where("r > 3")

    check(spark, query, deopt=None)


@udf(LongType())
def of_row(r):
    if r.k is None or r["x"] is None:
        return len(r)
    a, x = r[0], r.asDict()["x"]
    return a + 1 if x > 0.5 else -a


@udf(StructType().add("n", LongType()).add("half", DoubleType()).add("text", StringType()))
def row_of(r, b):
    return (r.k, None if r.x is None else r.x / 2, "yes" if b else None)


@arrow_udf(LongType())
def of_struct(s: pa.Array) -> pa.Array:
    return pc.add(pc.cast(pc.struct_field(s, "k"), pa.int64()), pc.cast(pc.floor(s.field(1)), pa.int64()))


@arrow_udf(StructType().add("k", LongType()).add("x", DoubleType()))
def struct_of(k: pa.Array, x: pa.Array) -> pa.Array:
    return pa.StructArray.from_arrays([pc.cast(k, pa.int64()), pc.multiply(x, 2.0)], names=["k", "x"])


@pytest.mark.nightly("test_structs_of_a_frame", "tests/spark/columns/test_nested_arrays.py::test_structs_with_arrays")
def test_structs_of_rows_and_arrow_arrays(spark, table, parquet):
    row = F.struct("k", F.col("y").alias("x"))
    pickled = udf(row_of.func, row_of.returnType, useArrow=False)
    check(
        spark,
        lambda: table.select(
            "id", of_row(row).alias("a"), row_of(row, "b").alias("b"), pickled(row, "b").alias("c"),
            of_struct(row).alias("d"), struct_of("k", "y").alias("e"),
        ),
        deopt=None,
    )  # fmt: skip
    # A struct of the file, with NULL structs in one of two batches: that batch runs in Python.
    ids = np.arange(ROWS)
    struct = pa.StructArray.from_arrays(
        [pa.array((ids % 9).astype(np.int32), mask=ids % 4 == 1), pa.array(ids / ROWS)], ["k", "x"], mask=pa.array(ids > 8500)
    )
    stored = parquet({"id": ids, "s": struct}, name="structs")
    both = of_row("s").alias("r"), row_of("s", F.lit(True)).alias("t")
    outcome = check(spark, lambda: stored.where("id < 8400").select("id", *both), deopt=None)
    assert outcome.kernel_batches
    guarded = udf(lambda s: -1 if s is None else s.k, "long")
    check(spark, lambda: stored.select("id", guarded("s").alias("r")), deopt=True)
    check(spark, lambda: stored.select("id", of_struct("s").alias("r")), deopt=True)


@udtf(returnType="at int, word string")
class Words:
    """Keeps a count over rows, so that only Python can run it."""

    def __init__(self):
        self.rows = 0

    def eval(self, text: str):
        self.rows += 1
        yield from enumerate(text.split())


def test_table_functions_that_keep_state_run_in_python_and_explain_says_so(spark, parquet):
    texts = parquet({"id": [1, 2, 3], "t": ["a b", "", "c"]})
    texts.createOrReplaceTempView("texts_of_table_functions")
    spark.udtf.register("words_of", Words)
    query = "SELECT id, at, word FROM texts_of_table_functions, LATERAL words_of(t)"
    check(spark, lambda: spark.sql(query), refused="SW309")
    assert sparkweld.explain(spark.sql(query)).startswith("in Python: words_of\n  SW309 Table function: words_of is ")


@pytest.mark.skipif(LINE >= (4, 2), reason="compiled: tests/spark/udf_compiler/test_grouped_maps.py")
def test_functions_of_groups_before_4_2(spark, parquet):
    numbers = parquet({"k": np.arange(20) % 3, "x": np.arange(20.0)})

    def centred(group: pd.DataFrame) -> pd.DataFrame:
        return group.assign(x=group.x - group.x.mean())

    check(spark, lambda: numbers.groupBy("k").applyInPandas(centred, "k long, x double").orderBy("k", "x"), refused="SW114")
