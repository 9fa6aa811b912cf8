"""Compares maps, in and out of plain UDFs and in every Spark representation, with the plugin off and on."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import udf
from pyspark.sql.types import ArrayType, BinaryType, IntegerType, MapType, StringType, StructType

from tests.helpers.differential import check
from tests.helpers.sampling import every_case

COUNTS = MapType(StringType(), IntegerType())
FEES = {"sea": {"fuel": 2, "base": 9}, "air": {}, "rail": {"base": 4}}
WORDS = ["sea", "air", "", None, "rail", "étage", "a longer word"]


@udf(COUNTS, useArrow=True)
def fees(word):
    return FEES.get(word, {"unknown": 0}) if word is not None else None


@udf(COUNTS, useArrow=True)
def sizes(word, n):
    return {"size": len(word or ""), "n": n, "big": 1 if n > 900 else None}


def words(parquet, rows=2000):
    return parquet({"n": np.arange(rows, dtype=np.int32), "s": pa.array(np.resize(np.array(WORDS, object), rows))})


@pytest.mark.sampled
def test_dicts_become_maps(spark, parquet):
    frame = words(parquet)
    check(spark, lambda: frame.select("n", fees("s"), sizes("s", "n").alias("m")))
    check(spark, lambda: frame.select(sizes("s", "n").alias("m")).select(F.map_keys("m"), F.to_json("m"), F.col("m")["size"]))
    if every_case():
        check(spark, lambda: frame.filter("n % 3 = 0").select(F.explode(fees("s"))))
        check(spark, lambda: frame.select("n", fees("s").alias("m")).filter(F.size("m") > 0).repartition(3).orderBy("n"))
        check(spark, lambda: frame.limit(50).select(sizes("s", "n")).union(frame.limit(9).select(sizes("s", "n"))))


def test_a_row_that_does_not_convert_runs_alone(spark, parquet):
    @udf(COUNTS, useArrow=True)
    def scaled(n):
        return {"n": n, "m": n * 7} if n % 500 else {"m": 10**n if n == 3 else 2}

    frame = words(parquet)
    check(spark, lambda: frame.select("n", scaled("n")), deopt=None)


def test_maps_in_structs(spark, parquet):
    @udf(StructType().add("words", ArrayType(StringType())).add("counts", COUNTS).add("n", IntegerType()), useArrow=True)
    def features(word, n):
        parts = (word or "").split()
        return parts, {"parts": len(parts), "n": n}, n

    frame = words(parquet)
    check(spark, lambda: frame.select("n", features("s", "n").alias("f")).select("n", "f", "f.counts", F.col("f.counts")["n"]))


def test_shadowed_maps(spark, parquet):
    frame = words(parquet)
    check(spark, lambda: frame.select(fees("s"), sizes("s", "n")), conf={"spark.sparkweld.shadow.fraction": "1.0"})


TALLIES = pa.map_(pa.string(), pa.int32())
INSIDE = pa.struct([("k", pa.string()), ("in", pa.struct([("x", pa.float64()), ("m", TALLIES)]))])
ITEMS = pa.list_(pa.struct([("kind", pa.string()), ("n", pa.int32())]))


def parts(parquet, rows=1500):
    rng = np.random.default_rng(5)
    pick = lambda made: [None if rng.random() < 0.1 else made() for _ in range(rows)]  # noqa: E731
    word = lambda: str(rng.choice(["sea", "air", "é", ""]))  # noqa: E731
    item = lambda: {"kind": word(), "n": int(rng.integers(9))}  # noqa: E731
    return parquet({
        "n": np.arange(rows, dtype=np.int32),
        "m": pa.array(pick(lambda: [(k, int(rng.integers(99))) for k in ("a", "b", "c")[: rng.integers(4)]]),
                      TALLIES),
        "rows": pa.array(pick(lambda: [item() for _ in range(rng.integers(5))]), ITEMS),
        "b": pa.array(pick(lambda: word().encode() * int(rng.integers(3)))),
        "s": pa.array([{"k": word(), "in": {"x": float(i), "m": [("a", i)]}} for i in range(rows)],
                      INSIDE),
    }, row_group_size=700)  # fmt: skip


@udf(IntegerType(), useArrow=True)
def value_of(m):
    return m.get("b", len(m)) if m is not None else None


@udf(COUNTS, useArrow=True)
def large(m):
    return {k: v for k, v in m.items() if v > 40} if m else {}


@udf(StringType(), useArrow=True)
def listed(rows):
    return ",".join(f"{r.kind}{r['n']}" for r in rows) if rows else None


@udf(StringType(), useArrow=True)
def shown(b):
    return b.decode() + str(len(b)) if b else None


@udf(BinaryType(), useArrow=True)
def doubled(b):
    return b + b if b is not None else None


@udf(StringType(), useArrow=True)
def inside(s):
    return f"{s.k} {s['in'].x} {s['in'].m['a']}"


@udf(StringType(), useArrow=True)
def nested(t):
    return f"{t.k} {t['in'].x}" if t["in"]["x"] > 3 else t["in"].k


def test_nested_structs(spark, parquet):
    rows = [{"k": str(i % 5), "in": {"x": float(i), "k": None if i % 9 == 0 else "z"}} for i in range(900)]
    frame = parquet({"t": pa.array(rows)})
    check(spark, lambda: frame.select(nested("t")))
    gone = parquet({"t": pa.array([*rows, {"k": "a", "in": {"x": None, "k": "b"}}, {"k": "c", "in": None}])}, name="gone")
    check(spark, lambda: gone.select(nested("t")), deopt=None)


@pytest.mark.nightly("test_rows_with_holes_run_in_python", "tests/spark/columns/test_lists_of_lists.py::test_nested_arguments")
def test_arguments_that_are_stored_as_parts(spark, parquet):
    frame = parts(parquet)
    for conf in ({"spark.sql.columnVector.offheap.enabled": "true"}, {"spark.sql.columnVector.offheap.enabled": "false"}):
        check(spark, lambda: frame.select("n", value_of("m"), large("m"), listed("rows"), shown("b"), doubled("b")), conf=conf)
        check(spark, lambda: frame.select("n", inside("s")), conf=conf)
    rows = {"spark.sql.parquet.enableVectorizedReader": "false"}
    check(spark, lambda: frame.select("n", value_of("m"), listed("rows"), shown("b"), doubled("b"), inside("s")), conf=rows)
    check(spark, lambda: frame.filter("n % 7 = 0").select("n", large("m"), listed("rows"), "m", "rows", "b"))
    check(spark, lambda: frame.select("n", F.map_concat(large("m"), F.create_map(F.lit("z"), F.lit(1))), F.length(doubled("b"))))


def test_rows_with_holes_run_in_python(spark, parquet):
    holes = parquet({
        "m": pa.array([[("a", None)], [("b", 1)], None] + [[("b", 2)]] * 60, TALLIES),
        "rows": pa.array([[{"kind": "x", "n": None}, None], [], None] + [[{"kind": "y", "n": 1}]] * 60, ITEMS),
        "b": pa.array([b"\xff\xfe", b"", None] + [b"ab"] * 60),
    }, name="holes")  # fmt: skip

    @udf(IntegerType(), useArrow=True)
    def count(rows):
        return len(rows) if rows else 0

    @udf(IntegerType(), useArrow=True)
    def size(b):
        return len(b) if b else 0

    check(spark, lambda: holes.select(value_of("m"), large("m")), deopt=None)
    check(spark, lambda: holes.select(count("rows"), size("b")), deopt=None)
