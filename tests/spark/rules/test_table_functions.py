"""Compares Python table functions of single rows with the plugin off and on, and checks why others run in Python."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql.functions import udtf

import sparkweld
from tests.helpers.batches import ONE_PARTITION
from tests.helpers.differential import check

LIMIT = 3


@udtf(returnType="word string, n int")
class Words:
    def eval(self, text: str):
        if text is None:
            return
        for word in text.split():
            yield word, len(word)


@udtf(returnType="word string, n int")
class Numbered:
    prefix = "#"

    def shown(self, n):
        return f"{self.prefix}{n}"

    def eval(self, text: str, n: int):
        for at in range(min(n, LIMIT)):
            if at % 2 == 0:
                yield {"word": self.shown(at), "n": at}
            else:
                yield [text, None]


@udtf(returnType="n int, s string")
class Listed:
    def eval(self, text: str):
        return [(at, word) for at, word in enumerate((text or "").split())]


@udtf(returnType="n int")
class Large:
    def eval(self, n: int):
        for at in range(n % 3):
            yield (at if n != 5 else 2**31,)


@udtf(returnType="word string, n int")
class Ended:
    def eval(self, text: str):
        yield text, 1

    def terminate(self):
        yield "end", 0


@udtf(returnType="word string, n int")
class Counting:
    def __init__(self):
        self.seen = 0

    def eval(self, text: str):
        self.seen += 1
        yield text, self.seen


@udtf(returnType="word string, n int not null")
class Required:
    def eval(self, text: str):
        yield text, 1


FUNCTIONS = {"words": Words, "numbered": Numbered, "listed": Listed, "large": Large, "ended": Ended, "counting": Counting,
             "required": Required}  # fmt: skip


@pytest.fixture
def texts(spark, parquet):
    rows = ["sea air sea", "", None, "rail", "étage é 12 7"] * 60
    parquet({"k": pa.array(range(len(rows)), pa.int32()), "s": pa.array(rows)}).createOrReplaceTempView("texts")
    for name, function in FUNCTIONS.items():
        spark.udtf.register(name, function)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT k, word, n FROM texts, LATERAL words(s)",
        "SELECT word, sum(n), count(*) FROM texts, LATERAL words(s) GROUP BY word",
        "SELECT k, t.* FROM texts, LATERAL words(s) t WHERE n > 3",
        "SELECT k, t.* FROM texts LEFT JOIN LATERAL words(s) t",
        "SELECT k, word, n FROM texts, LATERAL numbered(s, k)",
        "SELECT k, t.n, s2 FROM texts, LATERAL listed(s) t(n, s2)",
        "SELECT k, t.word, t.n FROM texts, LATERAL numbered(concat(s, '!'), k + 1) t",
        "SELECT k, a.word, b.n FROM texts, LATERAL words(s) a, LATERAL numbered(a.word, a.n) b",
    ],
)
def test_rows_of_single_rows(spark, texts, query):
    check(spark, lambda: spark.sql(query))


def test_empty_tables_and_several_files(spark, texts, parquet, tmp_path):
    query = "SELECT k, word, n FROM {}, LATERAL words(s)"
    parquet({"k": pa.array([], pa.int32()), "s": pa.array([], pa.string())}, name="none").createOrReplaceTempView("none")
    check(spark, lambda: spark.sql(query.format("none")))
    for name, words in (("a", ["x yy", "zz"]), ("b", [None, "", "w " * 40])):
        parquet({"k": pa.array(range(len(words)), pa.int32()), "s": pa.array(words)}, name=f"part_{name}")
    spark.read.parquet(*map(str, sorted(tmp_path.glob("part_*")))).createOrReplaceTempView("parts")
    check(spark, lambda: spark.sql(query.format("parts")), conf=ONE_PARTITION)


def test_rows_that_do_not_convert_run_in_python(spark, texts):
    check(spark, lambda: spark.sql("SELECT k, n FROM texts, LATERAL large(k)"), deopt=None)


@pytest.mark.parametrize(("name", "code"), [("ended", "SW313"), ("counting", "SW313"), ("required", "SW313")])
def test_functions_with_state_run_in_python(spark, texts, name, code):
    query = f"SELECT k, word, n FROM texts, LATERAL {name}(s)"
    check(spark, lambda: spark.sql(query), refused="SW309")
    assert f"\n  {code} " in sparkweld.explain(spark.sql(query)), sparkweld.explain(spark.sql(query))
