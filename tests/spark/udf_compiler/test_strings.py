"""Compares strings in pandas UDFs with PySpark: `.str`, operators, patterns, numerals, NULLs, batches without a string."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.functions import pandas_udf

from tests.helpers.differential import check
from tests.helpers.sampling import every_case
from tests.helpers.strings import TEXTS

WORDS = (
    "alpha", "Beta gamma", "", " padded ", "a.b@example.com", "NEW YORK", "10001-2345", "2024-02-29", "3.14", "12", "$1,234.50",
    "x,y,z", "a,b", "<b>bold</b> text", "https://example.com/p?q=1", "Straße", "ÉCOLE élève", "ΟΔΟΣ", "😀 a😀b", "tab\there\n",
    "yes", "No", "key=1;k=2",
)  # fmt: skip


def udf(returns, function):
    return pandas_udf(function, returns)


TEXTS_OF_TEXTS = [
    lambda s: s.str.strip().str.lower(),
    lambda s: s.str.upper() + "!",
    lambda s: s.str.title(),
    lambda s: s.str.capitalize().str.swapcase(),
    lambda s: s.str[1:4],
    lambda s: s.str[::-1],
    lambda s: s.str.zfill(7).str.rjust(9, "*"),
    lambda s: s.str.center(9, "é"),
    lambda s: s.str.replace("a", "[a]", regex=False),
    lambda s: s.str.replace(r"\s+", " ", regex=True),
    lambda s: s.str.replace(r"(\w)(\d)", r"\2\1", regex=True),
    lambda s: s.str.replace(r"<[^>]+>", "", regex=True),
    lambda s: s.str.partition("@")[2],
    lambda s: s.str.split(",").str[0],
    lambda s: s.str.split().str.join(" "),
    lambda s: s.str.extract(r"(\d{4})-(\d\d)")[0],
    lambda s: s.str.extract(r"^([^@]+)@", expand=False),
    lambda s: s.str.removeprefix("a").str.removesuffix("z"),
    lambda s: s.fillna("none"),
    lambda s: s.where(s.str.len() > 3, "short"),
    lambda s: s.map({"alpha": "A", "yes": "Y"}).fillna("other"),
    lambda s: s.replace({"yes": "no", "No": "yes"}),
    lambda s: s.str.cat(s.str.upper(), sep="|"),
    lambda s: pd.Series(np.where(s.str.startswith("a"), "a-word", s)),
    lambda s: pd.Series(np.select([s == "alpha", s == "yes"], ["first", "second"], "rest")),
    lambda s: s.astype(str),
]

FLAGS = [
    lambda s: s.str.contains("a"),
    lambda s: s.str.contains("A", case=False, na=False),
    lambda s: s.str.contains(r"\bb|\d{2}", na=False),
    lambda s: s.str.match("[A-Z]"),
    lambda s: s.str.fullmatch(r"\w+"),
    lambda s: s.str.isdigit(),
    lambda s: s.str.isupper(),
    lambda s: s.str.startswith(("a", "N")),
    lambda s: s.str.endswith("z", na=True),
    lambda s: s == "alpha",
    lambda s: s < "b",
    lambda s: s.isin(["alpha", "yes", "😀 a😀b"]),
    lambda s: s.isna(),
    lambda s: s.str.contains("a") & (s != "alpha"),
    lambda s: s.str.contains("e").fillna(False) | s.str.contains("x"),
]

NUMBERS = [
    lambda s: s.str.len(),
    lambda s: s.str.len().fillna(0).astype(int) + 1,
    lambda s: s.str.count("[aeiou]"),
    lambda s: s.str.find("a"),
    lambda s: s.str.rfind("a", 0, 5),
    lambda s: s.str.split(",").str.len(),
    lambda s: s.map({"alpha": 1, "yes": 2}),
    lambda s: pd.Series(np.where(s.str.len() > 5, 1, 0)),
    lambda s: s.str.len() * 2 - s.str.count("a"),
]


@pytest.fixture
def texts(parquet):
    """Writes words and strings of every kind, some NULL; a column without NULLs; and one of numerals."""
    values = [*WORDS, *TEXTS] * 3
    some = [None if i % 7 == 3 else v for i, v in enumerate(values)]
    numerals = [str(i % 100 - 50) if i % 3 else f"{i}.25" for i in range(len(values))]
    columns = {"s": some, "t": values, "n": numerals, "v": [None if i % 5 == 0 else v for i, v in enumerate(numerals)]}
    return parquet(pa.table({"id": np.arange(len(values)), **columns}), dictionary=True)


def all_of(frame, functions, returns, *columns):
    made = [udf(returns, f)(c).alias(f"r{i}_{c}") for i, f in enumerate(functions) for c in columns]
    return lambda: frame.select("id", *made)


@pytest.mark.gate_cases("18")
@pytest.mark.parametrize("at", range(0, len(TEXTS_OF_TEXTS), 9))
def test_strings(spark, texts, at):
    check(spark, all_of(texts, TEXTS_OF_TEXTS[at : at + 9], "string", "s", "t"))


def test_flags(spark, texts):
    check(spark, all_of(texts, FLAGS, "boolean", "s", "t"))


@pytest.mark.nightly("test_strings", "tests/udf_compiler/frontends/pandas/test_strings.py::test_numbers_and_bools_of_strings")
def test_numbers(spark, texts):
    check(spark, all_of(texts, NUMBERS, "long", "s", "t"))
    check(spark, all_of(texts, [NUMBERS[0], NUMBERS[8], lambda s: s.str.count("a") / s.str.len()], "double", "s", "t"))


@pytest.mark.nightly("test_strings", "tests/udf_compiler/frontends/pandas/test_strings.py::test_strings_to_numbers")
def test_numerals(spark, texts):
    read = [
        lambda s: pd.to_numeric(s, errors="coerce"),
        lambda s: pd.to_numeric(s).fillna(0) * 2.5,
        lambda s: s.astype(float) / 2,
    ]
    check(spark, all_of(texts, read, "double", "n", "v"))
    check(spark, all_of(texts, [lambda s: s.str.split(".").str[0].astype(int)], "long", "n"))


@pytest.mark.sampled
def test_batches_of_few_rows(spark, texts):
    """Some batches have no NULL, some only NULLs, and in some no string has a second element."""
    conf = {"spark.sql.parquet.columnarReaderBatchSize": "2"}
    functions = [TEXTS_OF_TEXTS[i] for i in (0, 1, 19, 20)]
    check(spark, all_of(texts, functions, "string", "s"), conf=conf, deopt=None)
    if every_case():
        check(spark, all_of(texts, FLAGS[:3], "boolean", "s"), conf=conf, deopt=None)
        check(spark, all_of(texts, NUMBERS[:3], "long", "s"), conf=conf, deopt=None)


@pytest.mark.nightly(
    "test_batches_of_few_rows",
    "tests/udf_compiler/frontends/pandas/test_strings.py::test_batches_without_a_string",
)
def test_a_batch_without_a_second_piece_raises_as_in_pyspark(spark, texts):
    plain = texts.where("id < 4").select("id", "t")
    for function in (lambda s: s.str.split("#").str[1], lambda s: s.str.split("#").str[1].str.upper()):
        check(spark, lambda function=function: plain.select("id", udf("string", function)("t").alias("r")), deopt=True)


@pytest.mark.nightly(
    "test_batches_of_few_rows",
    "tests/udf_compiler/frontends/pandas/test_strings.py::test_batches_without_a_string",
)
def test_nulls_only_and_no_rows(spark, parquet):
    frame = parquet(pa.table({"id": np.arange(50), "s": pa.array([None] * 50, pa.string())}))
    check(spark, all_of(frame, TEXTS_OF_TEXTS[:9], "string", "s"))
    check(spark, all_of(frame, NUMBERS[:4], "long", "s"))
    check(spark, all_of(frame.where("id < 0"), TEXTS_OF_TEXTS[:2], "string", "s"), deopt=None)


@pytest.mark.nightly("test_strings", "tests/spark/udf_compiler/test_scalar_functions.py::test_chains_and_filters")
def test_filters_and_chains(spark, texts):
    lower, length = udf("string", lambda s: s.str.lower()), udf("long", lambda s: s.str.len())
    long = udf("boolean", lambda s: s.str.len() > 4)
    check(spark, lambda: texts.where(long("s")).select("id", length(lower("s")).alias("r"), lower("t").alias("q")))
    check(spark, lambda: texts.where("s = 'alpha' or t > 'b'").select("id", lower("s").alias("r")))
    check(spark, lambda: texts.select("id", length(lower("s")).alias("r")).where("r > 3"))


@pytest.mark.nightly(
    "test_strings",
    "tests/udf_compiler/frontends/pandas/test_strings.py::test_kernels_return_the_values_of_the_programs",
)
def test_numbers_to_strings(spark, parquet):
    frame = parquet({"id": np.arange(60), "i": np.arange(60) * 7 - 100, "b": np.arange(60) % 3 == 0, "d": np.arange(60) / 8})
    for column in ("i", "b", "d"):
        check(spark, all_of(frame, [lambda s: s.astype(str), lambda s: "#" + s.astype(str).str.zfill(6)], "string", column))
    check(spark, all_of(frame, [lambda s: s.map({-100: "low", -93: "next"}).fillna("else")], "string", "i"))


def test_refused_patterns_and_methods(spark, texts):
    for code, function in (("SW272", lambda s: s.str.replace(r"(a)\1", "", regex=True)), ("SW270", lambda s: s.str.wrap(3))):
        check(spark, all_of(texts, [function], "string", "s"), refused=code)
    check(spark, all_of(texts, [lambda s: s.str[:1]], "long", "n"), refused="SW274")


def test_a_struct_with_strings(spark, texts):
    from pyspark.sql.functions import struct

    joined = udf("string", lambda d: d.s + "/" + d.t)
    check(spark, lambda: texts.select("id", joined(struct("s", "t")).alias("r")))
