"""Compares Python table functions of single rows with the plugin off and on, and checks why others run in Python."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql import udtf as pyspark_udtf
from pyspark.sql.functions import udtf

import sparkweld
from tests.helpers.batches import ONE_PARTITION
from tests.helpers.differential import check
from tests.helpers.lines import LINE, of_arrow_tables

LIMIT = 3
#: The exception that ends the rows of a partition; Spark 3.5 has none.
SkipRestOfInputTableException = Stop = getattr(pyspark_udtf, "SkipRestOfInputTableException", None)


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


@udtf(returnType="word string, n double")
class Initialised:
    def __init__(self):
        self.speed, self.names = 65, {"sea": "ship"}

    def eval(self, text: str):
        for word in (text or "").split():
            yield self.names.get(word, word), len(word) / self.speed

    def terminate(self):
        pass


@udtf(returnType="word string, n int not null")
class Required:
    def eval(self, text: str):
        yield text, 1


@udtf(returnType="word string")
class Bare:
    """Over Arrow, the values of the only column need no tuples."""

    def eval(self, text: str):
        for word in (text or "").split():
            yield word.strip()


@udtf(returnType="n int")
class BareOrNot:
    def eval(self, n: int):
        if n % 3 == 0:
            yield n
            yield None
        elif n % 3 == 1:
            yield (n * 2,)


@udtf(returnType="n int")
class Single:
    def eval(self, n: int):
        if n % 3:
            yield (n * 2,)


@udtf(returnType="word string")
class InLists:
    def eval(self, text: str):
        for word in (text or "").split():
            yield [word]


@udtf(returnType="word string")
class InNamedLists:
    def eval(self, text: str):
        for word in (text or "").split():
            row = [word]
            yield row


@udtf(returnType="word string, n int")
class Reused:
    """Over Arrow, all rows of a call have the last contents of the list."""

    def eval(self, text: str, n: int):
        row = ["", 0]
        for word in (text or "").split():
            row[0], row[1] = word, n
            yield row


@udtf(returnType="word string, n int")
class Missing:
    """Over Arrow, a dict may lack a column."""

    def eval(self, text: str):
        yield {"n": len(text or ""), "other": 1}


@udtf(returnType="a int, b boolean, c double, d string")
class Converted:
    def eval(self, n: int):
        yield n, n > 3, n, n
        yield n, True, 0.5, "x"


@udtf(returnType="n int, b boolean")
class NoBoolean:
    """Arrow does not convert an int to a boolean."""

    def eval(self, n: int):
        yield (n, True) if n % 50 else (n, 1)


@udtf(returnType="word string, n int")
class OfRows:
    """The argument is a row of a table."""

    def eval(self, row):
        for word in (row["s"] or "").split():
            yield word, row.k + len(row)


@udtf(returnType="n int")
class Skipping:
    def eval(self, n: int):
        if n > 100:
            raise SkipRestOfInputTableException("enough")
        yield (n,)


def enough(n):
    if n > 100:
        raise Stop("enough")


@udtf(returnType="n int")
class SkippingInAHelper:
    def eval(self, n: int):
        enough(n)
        yield (n,)


@udtf(returnType="n int")
class SkippingInAStaticMethod:
    @staticmethod
    def checked(n):
        return enough(n)

    def eval(self, n: int):
        self.checked(n)
        yield (n,)


FUNCTIONS = {"words": Words, "numbered": Numbered, "listed": Listed, "large": Large, "ended": Ended,
             "counting": Counting, "required": Required, "bare": Bare, "bare_or_not": BareOrNot, "missing": Missing,
             "converted": Converted, "of_rows": OfRows, "single": Single, "in_lists": InLists,
             "in_named_lists": InNamedLists, "reused": Reused, "no_boolean": NoBoolean, "skipping": Skipping,
             "skipping_in_a_helper": SkippingInAHelper, "skipping_in_a_static_method": SkippingInAStaticMethod,
             "initialised": Initialised}  # fmt: skip


@pytest.fixture(params=[pytest.param(False, id="pickled"), pytest.param(True, id="arrow", marks=of_arrow_tables)])
def over_arrow(request):
    return request.param


@pytest.fixture
def texts(spark, parquet, over_arrow):
    rows = ["sea air sea", "", None, "rail", "étage é 12 7"] * 60
    parquet({"k": pa.array(range(len(rows)), pa.int32()), "s": pa.array(rows)}).createOrReplaceTempView("texts")
    for name, function in FUNCTIONS.items():
        spark.udtf.register(name, udtf(function.func, returnType=function.returnType, useArrow=over_arrow))


@pytest.mark.nightly_cases(
    "arrow-SELECT k, t.n, s2 FROM texts, LATERAL listed(s) t(n, s2)",
    "arrow-SELECT word, sum(n), count(*) FROM texts, LATERAL words(s) GROUP BY word",
    "pickled-SELECT k, word, n FROM texts, LATERAL initialised(s)",
)
@pytest.mark.each_value_once
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
        "SELECT k, word, n FROM texts, LATERAL initialised(s)",
    ],
)
def test_rows_of_single_rows(spark, texts, query):
    check(spark, lambda: spark.sql(query))


@pytest.mark.gate_cases("pickled")
def test_empty_tables_and_several_files(spark, texts, parquet, tmp_path):
    query = "SELECT k, word, n FROM {}, LATERAL words(s)"
    parquet({"k": pa.array([], pa.int32()), "s": pa.array([], pa.string())}, name="none").createOrReplaceTempView("none")
    check(spark, lambda: spark.sql(query.format("none")))
    for name, words in (("a", ["x yy", "zz"]), ("b", [None, "", "w " * 40])):
        parquet({"k": pa.array(range(len(words)), pa.int32()), "s": pa.array(words)}, name=f"part_{name}")
    spark.read.parquet(*map(str, sorted(tmp_path.glob("part_*")))).createOrReplaceTempView("parts")
    check(spark, lambda: spark.sql(query.format("parts")), conf=ONE_PARTITION)


@pytest.mark.gate_cases("arrow")
def test_rows_that_do_not_convert_run_in_python(spark, texts):
    check(spark, lambda: spark.sql("SELECT k, n FROM texts, LATERAL large(k)"), deopt=None)


@pytest.mark.gate_cases(
    "SELECT k, n FROM texts, LATERAL single(k)-False-True",
    "SELECT k, word FROM texts, LATERAL bare(s)-False-True",
)
@of_arrow_tables
@pytest.mark.parametrize("over_arrow", [True], indirect=True)
@pytest.mark.parametrize(
    ("query", "deopt"),
    [
        ("SELECT k, word FROM texts, LATERAL bare(s)", False),
        ("SELECT k, word, n FROM texts, LATERAL missing(s)", False),
        ("SELECT k, n FROM texts, LATERAL single(k)", False),
        ("SELECT k, t.* FROM texts, LATERAL converted(k) t", False),
    ],
)
def test_rows_over_arrow(spark, texts, query, deopt):
    check(spark, lambda: spark.sql(query), deopt=deopt)


@of_arrow_tables
@pytest.mark.parametrize("over_arrow", [True], indirect=True)
@pytest.mark.parametrize(
    "query",
    [
        "SELECT k, n FROM texts, LATERAL bare_or_not(k)",  # a list would be the value of the column, and a tuple is the row
        "SELECT k, word FROM texts, LATERAL in_lists(s)",
        "SELECT k, word FROM texts, LATERAL in_named_lists(s)",
        "SELECT k, word, n FROM texts, LATERAL reused(s, k)",
    ],
)
def test_rows_that_are_no_tuples(spark, texts, query):
    check(spark, lambda: spark.sql(query), refused="SW309")


@pytest.mark.gate_cases("true-True")
@of_arrow_tables
@pytest.mark.parametrize("over_arrow", [True], indirect=True)
@pytest.mark.parametrize("condition", ["k % 50 != 0", "true"])
def test_values_that_arrow_does_not_convert(spark, texts, condition):
    check(spark, lambda: spark.sql(f"SELECT k, t.* FROM texts, LATERAL no_boolean(k) t WHERE {condition}"), refused="SW309")


@of_arrow_tables
@pytest.mark.parametrize("over_arrow", [True], indirect=True)
def test_pandas_makes_the_rows_over_arrow(spark, texts):
    legacy = {"spark.sql.legacy.execution.pythonUDTF.pandas.conversion.enabled": "true"}
    check(spark, lambda: spark.sql("SELECT k, word, n FROM texts, LATERAL words(s)"), refused="SW309", conf=legacy)


@pytest.mark.gate_cases("arrow-TABLE(texts)", "pickled-TABLE(SELECT k, s FROM texts WHERE k < 0)")
@pytest.mark.skipif(Stop is None, reason="no such exception in Spark 3.5")
@pytest.mark.parametrize(
    "table", ["TABLE(texts)", "TABLE(SELECT k, s FROM texts WHERE k < 0)", "TABLE(texts) WITH SINGLE PARTITION"]
)
def test_rows_of_a_table(spark, texts, table):
    check(spark, lambda: spark.sql(f"SELECT word, n FROM of_rows({table})"))


@pytest.mark.gate_cases("arrow")
def test_partitions_of_a_table(spark, texts):
    check(spark, lambda: spark.sql("SELECT word, n FROM of_rows(TABLE(texts) PARTITION BY k)"), refused="SW309")


@pytest.mark.gate_cases("pickled-skipping", "arrow-skipping_in_a_helper")
@pytest.mark.parametrize("name", ["skipping", "skipping_in_a_helper", "skipping_in_a_static_method"])
def test_functions_that_end_the_rows_of_a_partition(spark, texts, name):
    query = f"SELECT k, n FROM texts, LATERAL {name}(k)"
    if LINE < (4, 0):  # the exception that ends the rows is unknown there, so both ways raise
        check(spark, lambda: spark.sql(query), deopt=None)
        return
    check(spark, lambda: spark.sql(query), refused="SW309")
    assert "may skip the rest of its rows" in sparkweld.explain(spark.sql(query))


@pytest.mark.gate_cases("arrow-counting-SW217", "pickled-ended-SW313")
@pytest.mark.parametrize(("name", "code"), [("ended", "SW313"), ("counting", "SW217"), ("required", "SW313")])
def test_functions_with_state_run_in_python(spark, texts, name, code):
    query = f"SELECT k, word, n FROM texts, LATERAL {name}(s)"
    check(spark, lambda: spark.sql(query), refused="SW309")
    assert f"\n  {code} " in sparkweld.explain(spark.sql(query)), sparkweld.explain(spark.sql(query))
