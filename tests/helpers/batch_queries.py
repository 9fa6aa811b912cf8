"""Generates queries in which Spark regroups rows into batches: small files in one partition, filters, small batches.

`batch_queries()` is a Hypothesis strategy of queries as source text; `Tables` writes the files that they read.
`BatchQuery.script` is a standalone program that reproduces a difference.
"""

from __future__ import annotations

import datetime
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.helpers.batch_idioms import COLUMNS, batch_functions
from tests.helpers.compiled import FAULTS, Compared
from tests.helpers.differential import ENABLED, Measured, measured, run
from tests.helpers.outcomes import differences

#: For each layout, one (row count, NULL pattern) pair per file.
LAYOUTS = (
    ((6, "none"), (6, "some")), ((9, "some"), (4, "none")), ((5, "none"), (5, "none"), (5, "last")), ((12, "last"),),
    ((8, "all"), (7, "none")), ((10, "first"), (10, "none")), ((7, "none"), (7, "none")), ((11, "some"),),
    ((9, "none"), (3, "one"), (8, "none")),
)  # fmt: skip
_BATCHES = ("1", "2", "3", "5", "7", "4096", "4096")
_RECORDS = ("1", "2", "3", "4", "7", "10000", "10000", "10000")
_BELOW = (
    "k < 2", "k % 2 = 0", "k % 3 != 1", "k >= 4", "k > 5 or k = 1", "x > 0", "i is not null", "l is not null and k > 1",
    "i is null",
    "b", "s is not null", "t is not null", "n is not null", "d is not null", "h is not null", "s like '%a%'", "true", "k < 9",
    "i > 0",
    "coalesce(i, k) % 2 = 0", "l > 0 or l is null", "year(t) >= 2000",
)  # fmt: skip
_ABOVE = ("{r} is not null", "{r} is null", "k > 2", "k % 2 = 1", "cast({r} as string) like '%0%'", "{r} = {r}",
"k < 6 and {r} is not null")
_PREPARED = (
    'frame.where("{c} is not null")',
    'frame.withColumn("{c}", F.coalesce("{c}", F.lit({zero}).cast("{type}")))', 'frame.orderBy("k")',
    'frame.orderBy(F.desc("k"))', "frame.coalesce(1)",
    'frame.withColumn("{c}", F.when(F.col("k") > 3, F.col("{c}")))', "frame.limit(8)",
    'frame.join(F.broadcast(spark.range(0, 40, 2).select(F.col("id").alias("even"))), F.expr("k = even"), "left").drop("even")',
    'frame.join(F.broadcast(spark.range(0, 40, 3).select(F.col("id").alias("third"))), F.expr("k = third"), "semi")',
)  # fmt: skip
_ZERO = {"boolean": "True", "string": "'a'", "date": "'2020-01-31'", "timestamp": "'2020-01-31 05:00:00'",
         "timestamp_ntz": "'2020-01-31 05:00:00'"}  # fmt: skip

PRELUDE = '''
import datetime
from typing import Iterator, Tuple
import numpy as np
import pandas as pd
from pyspark.sql import functions as F

def iterated(function, returns, kind):
    def each(parts: kind) -> Iterator[pd.Series]:
        for part in parts:
            yield function(part)
    return F.pandas_udf(each, returns)
'''


@dataclass(frozen=True)
class BatchQuery:
    """A query: `source` creates `frame` from `spark` and `folder` in the scope of `prelude`; `layout` and `seed`: see
    `Tables`.
    """

    source: str
    layout: int
    seed: int
    conf: tuple[tuple[str, str], ...]
    prelude: ClassVar[str] = PRELUDE
    #: The line of a script that imports the tables.
    tables: ClassVar[str] = "from tests.helpers.batch_queries import Tables"

    def frame(self, spark: Any, folder: str) -> Any:
        scope: dict[str, Any] = {"__name__": "__main__", "spark": spark, "folder": folder}
        exec(compile(self.prelude + self.source, "<query>", "exec", dont_inherit=True), scope)
        return scope["frame"]

    def script(self) -> str:
        """Returns a program that prints the query's outcomes with the plugin off and on."""
        return f"""import sys, tempfile
sys.path.insert(0, ".")
from pyspark.sql import SparkSession
import sparkweld
{self.tables}
{self.prelude}
spark = sparkweld.configure(SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")).getOrCreate()
for key, value in {self.conf!r}:
    spark.conf.set(key, value)
folder = Tables(tempfile.mkdtemp()).folder({self.layout}, {self.seed})
for enabled in ("false", "true"):
    spark.conf.set("spark.sparkweld.enabled", enabled)
{_indented(self.source)}
    print(enabled, frame.toArrow().to_pydict())
"""


def _indented(source: str) -> str:
    return "\n".join(f"    {line}" for line in source.strip().splitlines())


class Tables:
    """Folders of Parquet files below one root, each written on first use."""

    #: Maps a column to its type and to the values that it is drawn from.
    values: Callable[[], dict[str, tuple[pa.DataType, list[Any]]]] = staticmethod(lambda: file_values())

    def __init__(self, root: str) -> None:
        self._root = Path(root)

    def folder(self, layout: int, seed: int) -> str:
        """Returns the folder with the files of a layout, whose values `seed` determines."""
        path = self._root / f"{layout}-{seed}"
        if not path.exists():
            path.mkdir(parents=True)
            first = 0
            for at, (rows, _) in enumerate(LAYOUTS[layout]):
                pq.write_table(table_of(layout, seed, at, first, self.values()), path / f"part-{at}.parquet")
                first += rows
        return str(path)


def table_of(layout: int, seed: int, at: int, first: int, drawn_from: dict[str, tuple[pa.DataType, list[Any]]]) -> pa.Table:
    """Returns the table of file number `at` of a layout; its rows are numbered from `first`."""
    (rows, nulls), random = LAYOUTS[layout][at], np.random.default_rng((layout, seed, at))
    arrays = {}
    for name, (type, values) in drawn_from.items():
        drawn = [values[at] for at in random.integers(0, len(values), rows)]
        empty = _nulls(nulls, rows, random)
        arrays[name] = pa.array([None if null else value for value, null in zip(drawn, empty, strict=True)], type)
    return pa.table({"k": pa.array(range(first, first + rows), pa.int32()), **arrays})


def _nulls(nulls: str, rows: int, random: np.random.Generator) -> list[bool]:
    at = np.arange(rows)
    masks = {
        "none": at < 0, "all": at >= 0, "some": random.random(rows) < 0.4, "first": at < 2, "last": at >= rows - 2,
        "one": at == random.integers(0, rows),
    }  # fmt: skip
    return list(masks[nulls].tolist())


def file_values() -> dict[str, tuple[pa.DataType, list[Any]]]:
    texts = "2020-01-31T05:00 2020-03-29T02:30 1999-12-31T23:59:59.999999 1970-01-01 2021-11-07T05:40 2024-02-29T12:00"
    times = [datetime.datetime.fromisoformat(text) for text in texts.split()]
    return {
        "h": (pa.int16(), [0, 1, 2, -3, 7, 32767, -32768, 200]),
        "y": (pa.int8(), [0, 1, 2, -3, 7, 127, -128]),
        "i": (pa.int32(), [0, 1, 2, -3, 7, 2**31 - 1, -(2**31), 46341]),
        "l": (pa.int64(), [0, 1, 2, -3, 7, 2**53 + 1, -(2**53) - 1, 10, 3037000500]),
        "x": (pa.float64(), [0.0, -0.0, 1.0, 2.5, -3.0, 1e16, 0.1, 7.0]),
        "b": (pa.bool_(), [True, False]),
        "s": (pa.string(), ["a", "bb", "", "aba", "0", "é"]),
        "d": (pa.date32(), [moment.date() for moment in times]),
        "t": (pa.timestamp("us", "UTC"), [pd.Timestamp(moment, tz="UTC") for moment in times]),
        "n": (pa.timestamp("us"), times),
    }


@st.composite
def clauses(draw: st.DrawFn) -> tuple[list[str], int, int]:
    """Draws lines that read the files and apply a filter or another node; returns them with the layout and seed of the files."""
    layout, seed = draw(st.integers(0, len(LAYOUTS) - 1)), draw(st.integers(0, 2))
    lines = ["frame = spark.read.parquet(folder)"]
    column = draw(st.sampled_from("hilbdtns"))
    if draw(st.integers(0, 3)) == 0:
        zero, type = _ZERO.get(COLUMNS[column], "0"), COLUMNS[column]
        lines.append("frame = " + draw(st.sampled_from(_PREPARED)).format(c=column, zero=zero, type=type))
    if draw(st.integers(0, 4)):
        lines.append(f'frame = frame.where("{draw(st.sampled_from(_BELOW))}")')
    return lines, layout, seed


@st.composite
def batch_queries(draw: st.DrawFn) -> BatchQuery:
    """Draws a query: files, a filter or another node, UDFs side by side or nested or a map, and sometimes a filter above."""
    lines, layout, seed = draw(clauses())
    lines += draw(_maps() if draw(st.integers(0, 7)) == 0 else _calls())
    if draw(st.integers(0, 2)) == 0:
        lines.append(f'frame = frame.where("{draw(st.sampled_from(_ABOVE)).format(r="r0")}")')
    return BatchQuery("\n".join(lines), layout, seed, draw(confs()))


@st.composite
def confs(draw: st.DrawFn) -> tuple[tuple[str, str], ...]:
    """Draws batch sizes, file partitions, a time zone and a backend."""
    conf = {
        "spark.sql.parquet.columnarReaderBatchSize": draw(st.sampled_from(_BATCHES)),
        "spark.sql.execution.arrow.maxRecordsPerBatch": draw(st.sampled_from(_RECORDS)),
        "spark.sql.execution.arrow.maxBytesPerBatch": draw(st.sampled_from((*["268435456"] * 6, "40", "300"))),
        "spark.sql.files.minPartitionNum": draw(st.sampled_from(("1", "1", "1", "3"))),
        "spark.sql.files.openCostInBytes": "1",
        "spark.sql.session.timeZone": draw(st.sampled_from(("UTC", "UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata"))),
        "spark.sparkweld.backend": draw(st.sampled_from(("native", "native", "auto"))),
    }
    return tuple(conf.items())


@st.composite
def _calls(draw: st.DrawFn) -> list[str]:
    functions = draw(st.lists(batch_functions(), min_size=1, max_size=2))
    lines, columns = [], []
    for at, function in enumerate(functions):
        lines.append(f"f{at} = {function.definition}")
        arguments = ", ".join(repr(name) for name in function.columns)
        columns.append(f'f{at}({arguments}).alias("r{at}")')
    lines.append(f'frame = frame.select("k", {", ".join(columns)})')
    if draw(st.integers(0, 3)) == 0:
        if draw(st.booleans()):
            lines.append(f'frame = frame.where("{draw(st.sampled_from(_ABOVE)).format(r="r0")}")')
        lines += ['g = F.pandas_udf(lambda r: r.astype(str), "string")', 'frame = frame.withColumn("over", g("r0"))']
    return lines


@st.composite
def _maps(draw: st.DrawFn) -> list[str]:
    function = draw(batch_functions(("series",)))
    columns = ", ".join(f"part.{name}" for name in function.columns)
    body = "parts:\n        yield pd.DataFrame({'k': part.k, 'r0': made(" + columns + ")})"
    return [
        f"made = lambda {', '.join(function.columns)}: {function.body}",
        f"def mapped(parts):\n    for part in {body}",
        f"frame = frame.select('k', {', '.join(repr(n) for n in function.columns if n != 'k')}".rstrip(", ")
        + f").mapInPandas(mapped, 'k int, r0 {function.returns}')",
    ]


def run_queries(
    number: int, count: int, queries: st.SearchStrategy[BatchQuery], check: Callable[[BatchQuery], Measured]
) -> list[Measured]:
    """Returns the measurements by `check` of `count` queries that seed `number` determines."""
    found: list[Measured] = []

    @seed(number)
    @settings(max_examples=count, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(queries)
    def case(query: BatchQuery) -> None:
        found.append(check(query))

    case()
    return found


def check_query(spark: Any, tables: Tables, query: BatchQuery) -> Measured:
    """Returns Weld's metrics for the query; AssertionError where the outcomes with the plugin off and on differ."""
    folder, conf = tables.folder(query.layout, query.seed), dict(query.conf)
    expected, _ = run(spark, lambda: query.frame(spark, folder), {**conf, ENABLED: "false"})
    actual, frame = run(spark, lambda: query.frame(spark, folder), {**conf, ENABLED: "true"})
    what, problems = measured(frame), differences(expected, actual)
    faults = sorted({*what.refusals} & FAULTS)
    if problems or faults:
        raise AssertionError("\n".join([*problems, *(f"refused with {code}" for code in faults), query.script()]))
    return what


def compare_query(draw: Callable[[Any], Any]) -> tuple[str, Compared]:
    """Draws a query and compares its outcomes in a session of this process."""
    query = draw(batch_queries())
    what = check_query(session(), _tables(), query)
    ran = what.kernel_batches + what.deoptimised_batches
    refused = "" if what.operators or what.rewritten else (*what.refusals, "none")[0]
    return query.source, Compared(ran, what.kernel_batches, what.deoptimised_batches, refused=refused)


@cache
def _tables() -> Tables:
    return Tables(tempfile.mkdtemp(prefix="batch-queries-"))


@cache
def session() -> Any:
    """Returns a session with the plugin."""
    from pyspark.sql import SparkSession

    import sparkweld

    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    folder = tempfile.mkdtemp(prefix="batch-session-")
    settings = {
        "spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2", "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sparkweld.compile.tinyRows": "0", "spark.sparkweld.kernel.dropSlower.enabled": "false",
        "spark.ui.showConsoleProgress": "false", "spark.sql.warehouse.dir": f"{folder}/warehouse",
    }  # fmt: skip
    builder = SparkSession.builder.master("local[1]")
    for key, value in settings.items():
        builder = builder.config(key, value)
    made = sparkweld.configure(builder).getOrCreate()
    made.sparkContext.setLogLevel("OFF")  # queries that raise are compared, too
    return made
