"""Compares Catalyst expressions of strings inside kernels with Spark: around UDFs, in arguments and in filters."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType, StringType

from tests.helpers.differential import check
from tests.helpers.lines import differs_before

NATIVE = {"spark.sparkweld.backend": "native"}
TEXTS = ["", "a", "b", "ab", "aab", " a ", "  ", "\t a", "abcdefgh", "Zürich", "日本語", "😀a😀", "İ", "z\x00z", "a%b_c", None]
ASCII = ["", "a", "AbC", "zZ 09", "[\\]", None]


@pandas_udf(StringType())
def same(s: pd.Series) -> pd.Series:
    return s


@pandas_udf(DoubleType())
def half(x: pd.Series) -> pd.Series:
    return x * 0.5


@pytest.fixture
def table(parquet):
    pairs = list(itertools.product(TEXTS, TEXTS))
    rows = len(pairs)
    return parquet({
        "id": np.arange(rows),
        "s1": pa.array([a for a, _ in pairs], pa.string()),
        "s2": pa.array([b for _, b in pairs], pa.string()),
        "plain": pa.array([ASCII[i % len(ASCII)] for i in range(rows)], pa.string()),
        "k": pa.array([None if i % 9 == 8 else (-1) ** i * i * 10**15 for i in range(rows)], pa.int64()),
        "i": pa.array(np.arange(rows) - 100, pa.int32()),
        "y": pa.array(np.arange(rows) % 256 - 128, pa.int8()),
        "flag": pa.array([None if i % 5 == 4 else i % 2 == 0 for i in range(rows)]),
        "x": np.arange(rows) / 3,
    })  # fmt: skip


STARTS = (0, 1, 2, 5, -1, -2, -20, 2**31 - 1, -(2**31))
STRINGS = [
    "concat(s1, s2)",
    "concat(s1, 'é', s2, s1)",
    "s1 || '-' || s2",
    *(f"substring(s1, {start}, {length})" for start in STARTS for length in (0, 1, 3, -1)),
    "substring(s1, 2)",
    "substring(s1, -2)",
    "left(s1, 2)",
    "right(s1, 2)",
    "trim(s1)",
    "ltrim(s1)",
    "rtrim(s1)",
    "trim(BOTH 'ab ' FROM s1)",
    "trim(LEADING 'Zaé' FROM s1)",
    "trim(TRAILING '😀hg' FROM s1)",
    "trim(BOTH '' FROM s1)",
    "upper(plain)",
    "lower(plain)",
    "coalesce(s1, s2, 'none')",
    "if(s1 = s2, 'same', s1)",
    "case when s1 < s2 then s1 when s1 is null then 'null' else s2 end",
    "nullif(s1, 'a')",
    "cast(k as string)",
    "cast(i as string)",
    "cast(y as string)",
    "concat('#', i)",
    "cast(flag as string)",
]

CONDITIONS = [
    *(f"s1 {op} s2" for op in ("=", "<=>", "!=", "<", "<=", ">", ">=")),
    "s1 = 'Zürich'",
    "s1 > 'a'",
    "'b' >= s1",
    "s1 in ('a', '', '日本語')",
    "s1 in ('a', s2)",
    "s1 in ('a', null)",
    "s1 not in ('a', 'ab', 'b', '', ' a ', '  ', 'aab', 'Zürich', '日本語', 'x', 'y', 'z')",
    "s1 is null",
    "s1 is not null and length(s1) > 2",
    "length(s1) = length(s2)",
    "startswith(s1, 'a')",
    "endswith(s1, '語')",
    "contains(s1, 'ü')",
    "contains(s1, '')",
    "s1 like 'a%'",
    "s1 like '%b'",
    "s1 like '%ri%'",
    "s1 like 'a%b'",
    "s1 like 'ab'",
    "length(concat(s1, s2)) % 2 = 0",
    "lower(plain) = upper(plain)",
]


#: Expressions of one query: each is compiled, or the query has a refusal.
TOGETHER = 15


def check_strings(spark, table, sqls):
    made = [same(F.expr(sql)).alias(f"r{at}") for at, sql in enumerate(sqls)]
    assert check(spark, lambda: table.select("id", *made), conf=NATIVE).refusals == ()


@pytest.mark.gate_cases("0", "60")
@pytest.mark.parametrize("first", range(0, len(STRINGS), TOGETHER))
def test_strings(spark, table, first):
    check_strings(spark, table, STRINGS[first : first + TOGETHER])


@pytest.mark.parametrize("first", range(0, len(CONDITIONS), TOGETHER))
def test_conditions_of_three_values(spark, table, first):
    three = "case when {0} then 'true' when not ({0}) then 'false' end"
    check_strings(spark, table, [three.format(sql) for sql in CONDITIONS[first : first + TOGETHER]])


#: Conditions of one kind of predicate each. `test_conditions_of_three_values` has the values of all conditions, with NULL, and a
#: filter keeps the rows whose value is true: the other filters repeat this at night.
KINDS = ("s1 <=> s2", "s1 in ('a', s2)", "s1 in ('a', null)", "s1 is null", "length(s1) = length(s2)", "s1 like 'a%b'")


@pytest.mark.gate_cases("s1 is null", "s1 <=> s2")
@pytest.mark.parametrize("sql", [pytest.param(sql, marks=() if sql in KINDS else pytest.mark.nightly) for sql in CONDITIONS])
def test_condition(spark, table, sql):
    check(spark, lambda: table.where(sql).select("id", "s1", half("x").alias("h"), same("s2").alias("t")), conf=NATIVE)


def test_length(spark, table):
    check(spark, lambda: table.select("id", half(F.expr("cast(length(s1) as double)")).alias("r")), conf=NATIVE)


@pytest.mark.parametrize("sql", ["upper(s1)", "lower(s1)"])
def test_case_of_other_letters_is_left_to_spark(spark, table, sql):
    check(spark, lambda: table.select("id", same(F.expr(sql)).alias("r")), conf=NATIVE, deopt=True)


def test_bytes_that_are_no_text(spark, parquet):
    """Spark compares bytes even in invalid UTF-8: such batches run in its own operators."""
    data, offsets = b"good\xff\xfebad" + "é".encode(), np.array([0, 4, 9, 11], np.int32)
    broken = pa.Array.from_buffers(pa.string(), 3, [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data)])
    frame = parquet({"id": np.arange(3), "s": broken, "x": np.arange(3) / 2})
    check(spark, lambda: frame.where("s > 'a' and length(s) > 1").select("id", half("x").alias("h")), conf=NATIVE, deopt=True)


WITHOUT_ANSI = {**NATIVE, "spark.sql.ansi.enabled": "false"}


@pytest.mark.gate_cases("initcap(s1)", "substring(s1, i, 2)")
@pytest.mark.parametrize(
    "sql",
    [
        "if(contains(s1, s2), 'y', 'n')", "substring(s1, i, 2)", "trim(BOTH s2 FROM s1)", "cast(cast(s1 as int) as string)",
        "cast(x as string)", "initcap(s1)",
    ],
)  # fmt: skip
def test_arguments_that_spark_computes(spark, table, sql):
    check(spark, lambda: table.select("id", same(F.expr(sql)).alias("r")), deopt=None, conf=WITHOUT_ANSI)


@differs_before((4, 0), "no collations")
def test_collations_are_refused(spark, table):
    argument = F.expr("s1 collate UNICODE")
    check(spark, lambda: table.select("id", same(argument).alias("r")), refused="SW306", conf=WITHOUT_ANSI)
