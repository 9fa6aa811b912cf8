"""Compares arrays and maps within arrays and maps, as arguments of plain UDFs, with the plugin off and on."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import udf
from pyspark.sql.types import ArrayType, DoubleType, IntegerType, LongType, MapType, StringType, StructType

from tests.helpers.differential import check
from tests.helpers.lines import differs_before
from tests.helpers.sampling import every_case
from tests.spark.columns.test_arrays import ANY_HEAP

of_nested_arguments = differs_before((4, 2), "plain UDFs are pickled by default, and only Arrow passes such arguments")

WORDS = ["new", "sale", "", " Red ", "é", "a longer text than a view of eight"]
ENTRIES = pa.map_(pa.string(), pa.int32())
ITEM = pa.struct([("k", pa.string()), ("v", pa.list_(pa.float64()))])


def nested(parquet, rows=1500, holes=False):
    """Returns a frame with arrays of arrays, arrays of maps, maps of arrays and arrays of structs with arrays."""
    rng = np.random.default_rng(8)
    word = lambda: WORDS[rng.integers(len(WORDS))]  # noqa: E731
    some = lambda make, most=4: [make() for _ in range(rng.integers(most))]  # noqa: E731
    entries = lambda: [(k, int(rng.integers(9))) for k in ("a", "b", "c")[: rng.integers(4)]]  # noqa: E731
    pick = lambda make: [None if row % 17 == 3 else make() for row in range(rows)]  # noqa: E731
    columns = {
        "xs": (pick(lambda: some(lambda: some(lambda: int(rng.integers(99))))), pa.list_(pa.list_(pa.int32()))),
        "ws": (pick(lambda: some(lambda: some(word))), pa.list_(pa.list_(pa.string()))),
        "ds": (pick(lambda: some(lambda: some(lambda: some(rng.random)))), pa.list_(pa.list_(pa.list_(pa.float64())))),
        "ms": (pick(lambda: some(entries)), pa.list_(ENTRIES)),
        "m": (pick(lambda: [(k, some(word)) for k, _ in entries()]), pa.map_(pa.string(), pa.list_(pa.string()))),
        "rows": (pick(lambda: some(lambda: {"k": word(), "v": some(rng.random)})), pa.list_(ITEM)),
    }  # fmt: skip
    for row in range(5, rows if holes else 0, 50):
        for name, value in {"xs": [[1], None], "ws": [["a", None]], "ms": [None], "m": [("a", None)], "rows": [None]}.items():
            columns[name][0][row] = value
    made = {name: pa.array(values, type) for name, (values, type) in columns.items()}
    return parquet({"id": np.arange(rows), **made}, row_group_size=700, name=f"nested{holes}")


total = udf(lambda xs: sum(sum(x) for x in xs) if xs else 0, LongType())
flat = udf(lambda ws: [w for x in ws or [] for w in x], ArrayType(StringType()))
chained = udf(lambda ws: sorted(set(itertools.chain.from_iterable(ws))) if ws else None, ArrayType(StringType()))
longest = udf(lambda ws: max(ws, key=len) if ws else None, ArrayType(StringType()))
deep = udf(lambda ds: sum(sum(y) for x in ds or [] for y in x) + 0.0, DoubleType())
looked_up = udf(lambda m: [f"{k}:{','.join(v)}" for k, v in m.items()] if m else [], ArrayType(StringType()))
of_rows = udf(lambda rows: {r.k: float(sum(r["v"])) for r in rows or []}, MapType(StringType(), DoubleType()), useArrow=True)


@udf(MapType(StringType(), IntegerType()), useArrow=True)
def merged(maps):
    result = {}
    for m in maps or []:
        for k, v in m.items():
            result[k] = result.get(k, 0) + v
    return result


def results(frame):
    return frame.select("id", total("xs"), flat("ws"), chained("ws"), longest("ws"), deep("ds"), looked_up("m"), of_rows("rows"),
                        merged("ms"))  # fmt: skip


@ANY_HEAP
def test_nested_arguments(spark, parquet, conf):
    frame = nested(parquet)
    check(spark, lambda: results(frame), conf=conf)


@of_nested_arguments
@pytest.mark.sampled
def test_rows_with_holes_run_in_python(spark, parquet):
    frame = nested(parquet, holes=True)
    if every_case():
        check(spark, lambda: frame.select("id", flat(F.filter("ws", F.isnotnull))), deopt=None)
    check(spark, lambda: frame.filter("id % 50 != 5").select("id", total("xs"), merged("ms"), of_rows("rows")))
    counted = udf(lambda ws, m, rows: len(ws or []) + len(m or []) + len(rows or []), IntegerType())
    check(spark, lambda: frame.select("id", counted("ws", "m", "rows")), deopt=None)


@of_nested_arguments
@pytest.mark.nightly("test_nested_arguments", "tests/spark/columns/test_arrays.py::test_rows_filters_and_caches")
def test_nested_arguments_of_other_sources(spark, parquet):
    frame = nested(parquet)
    check(spark, lambda: results(frame.repartition(3)).orderBy("id"))
    check(spark, lambda: results(frame.localCheckpoint()))
    grouped = lambda: frame.groupBy((F.col("id") % 7).alias("g")).agg(F.collect_list("ws").alias("all"))  # noqa: E731
    distinct = udf(lambda rows: sorted({w for x in rows for ws in x for w in ws}), ArrayType(StringType()))
    check(spark, lambda: grouped().select("g", distinct("all")).orderBy("g"))
    check(spark, lambda: frame.select("id", flat(F.array("ws")[0]), total(F.array(F.array("id").cast("array<int>")))))
    held = frame.select("id", F.struct("xs", F.struct("ms").alias("in")).alias("s"))
    inside = udf(lambda s: len(s.xs or []) + len(s["in"].ms or []), IntegerType(), useArrow=True)
    check(spark, lambda: held.select("id", inside("s")))


def test_pickled_arguments(spark, parquet):
    frame = nested(parquet)
    pickled = udf(lambda xs: sum(len(x) for x in xs) if xs else -1, IntegerType(), useArrow=False)
    check(spark, lambda: frame.select("id", pickled("xs")))


LISTS = ArrayType(ArrayType(IntegerType()))


@pytest.mark.sampled
def test_lists_of_lists_as_results(spark, parquet):
    frame = nested(parquet)
    chunks = udf(lambda xs: [x[i : i + 2] for x in xs for i in range(0, len(x), 2)] if xs else None, LISTS)
    words = udf(lambda ws: [sorted(x) for x in ws or [] if x], ArrayType(ArrayType(StringType())))
    same = udf(lambda ds: ds[::-1] if ds else ds, ArrayType(ArrayType(ArrayType(DoubleType()))))
    kept = udf(lambda m: m or {}, MapType(StringType(), ArrayType(StringType())), useArrow=True)
    query = lambda frame: frame.select("id", chunks("xs").alias("c"), words("ws").alias("w"), same("ds").alias("d"),  # noqa: E731
                                       kept("m").alias("m"))  # fmt: skip
    check(spark, lambda: query(frame))
    check(spark, lambda: query(frame).select("id", F.explode("c"), F.size("w"), F.col("d")[0], F.map_values("m")))
    if every_case():
        check(spark, lambda: query(frame).filter(F.size("c") > 1).repartition(3).orderBy("id"))
        check(spark, lambda: query(frame.limit(40)).union(query(frame.limit(9))))
        check(spark, lambda: query(frame).select("id", F.flatten("c"), F.to_json("w"), F.to_json("m")))
        check(spark, lambda: query(frame).agg(F.collect_list("c")), conf={"spark.sql.shuffle.partitions": "1"})


@pytest.mark.nightly("test_lists_of_lists_as_results")
def test_lists_of_lists_in_structs(spark, parquet):
    frame = nested(parquet)
    made = StructType().add("n", IntegerType()).add("l", LISTS).add("w", ArrayType(StringType()))

    @udf(made)
    def parts(xs, ws):
        firsts, words = [], []
        for x in xs or []:
            firsts.append(x[:1])
        for w in ws or []:
            words.extend(w)
        return len(firsts), firsts, words

    check(spark, lambda: frame.select("id", parts("xs", "ws").alias("p")).select("id", "p", "p.l", F.col("p.l")[0]))
    check(spark, lambda: frame.select("id", F.inline(F.array(parts("xs", "ws")))))


@pytest.mark.nightly("tests/spark/plan/test_shadow.py::test_a_sample_of_batches_is_compared")
def test_shadowed_lists_of_lists(spark, parquet):
    frame = nested(parquet)
    doubled = udf(lambda xs: [[y * 2 for y in x] for x in xs or []], LISTS)
    check(spark, lambda: frame.select("id", doubled("xs")), conf={"spark.sparkweld.shadow.fraction": "1.0"})
    pickled = udf(lambda xs: [x[:1] for x in xs] if xs else None, LISTS, useArrow=False)
    check(spark, lambda: frame.select("id", pickled("xs")))


@of_nested_arguments
@pytest.mark.nightly("test_nested_arguments", "tests/udf_compiler/eval_types/test_nested_times.py::test_nested_times")
def test_nested_dates_and_timestamps(spark, parquet):
    rows = parquet({"id": np.arange(1200), "n": np.arange(1200) * 7919 % 400}).select(
        "id", F.expr("date_add(date'2023-12-25', cast(n as int))").alias("d"),
        F.expr("timestamp_seconds(n * 86399)").alias("t"),
        F.expr("cast(timestamp_seconds(n * 3600) as timestamp_ntz)").alias("z"),
    )
    lists = F.collect_list(F.struct("d", "t", "z", "id")).alias("rows"), F.collect_list("d").alias("days")
    grouped = lambda: rows.groupBy((F.col("id") % 31).alias("g")).agg(*lists)  # noqa: E731
    last = udf(lambda rows: max(rows, key=lambda r: (r.d, r.id)).d, "date", useArrow=True)
    order = udf(lambda rows: [r.id for r in sorted(rows, key=lambda r: (r.z, r.id))], "array<long>", useArrow=True)
    years = udf(lambda days: sum(d.year for d in days), "long", useArrow=True)
    check(spark, lambda: grouped().select("g", last("rows"), order("rows"), years("days")).orderBy("g"))
    check(spark, lambda: rows.select("id", years(F.array("d", F.date_add("d", 1)))))
    beyond = udf(lambda days: len(days), "int", useArrow=True)
    late = lambda: rows.select("id", F.array(F.expr("date_add(date'9999-12-31', cast(id % 2 as int))")).alias("a"))  # noqa: E731
    check(spark, lambda: late().filter("id % 2 = 0").select(beyond("a")))
