"""Explains the plugin's plan of a DataFrame: the kernels, and the UDFs that run in Python with the reasons."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, overload

from sparkweld.api.settings import changed
from sparkweld.bridge.jar import PLUGIN_CLASS
from sparkweld.errors import UserError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_HEADING = re.compile(r"^== Extended Information \((?P<title>[^)]*)\) ==$", re.MULTILINE)

#: Setting of the number of rows below which a query does not wait for its kernels; `explain` always waits.
TINY_ROWS = "spark.sparkweld.compile.tinyRows"
#: Setting of the form of the plugin's part of `df.explain()`.
_FORMAT = "spark.sparkweld.explain.format"

NOT_ACTIVE = (
    "SparkWeld is not active in this session: {why}. "
    f"Start the job with `--conf spark.plugins={PLUGIN_CLASS}` (and `--jars`, see `python -m sparkweld jar`), "
    "or build the session with sparkweld.configure(builder). `python -m sparkweld doctor` checks the machine."
)


@overload
def explain(df: DataFrame, format: Literal["text"] = "text") -> str: ...


@overload
def explain(df: DataFrame, format: Literal["dict"]) -> dict[str, Any]: ...


def explain(df: DataFrame, format: Literal["text", "dict"] = "text") -> str | dict[str, Any]:
    """Returns the explanation of `df`'s plan: programs, kernels, and each refusal with its code and place.

    Plans the query, runs nothing, and waits for the compile service whatever the size of the query. Works for Classic and for
    Spark Connect DataFrames. Where the plugin is not active, returns a message that explains how to activate it.

    `format="dict"` returns ``{"active", "message", "entries"}``. Each entry has a ``kind``, such as "compiled", "in_python",
    "pipeline_in_python" or "spark_expressions". It has the names of its ``functions``, and its ``refusals``, each with code,
    category, title, message, hint and place. Each other detail is a list of strings. Raises UserError for another format.
    """
    if format not in ("text", "dict"):
        raise UserError(f"format={format!r}: pass 'text' or 'dict'")
    as_json = format == "dict"
    with changed(df.sparkSession, {TINY_ROWS: "0", _FORMAT: "json" if as_json else "text"}):
        text, active = _explain_classic(df) if hasattr(df, "_jdf") else _explain_connect(df)
    if not as_json:
        return text
    if not active:
        return {"active": False, "message": text, "entries": []}
    return {"active": True, "message": "", **json.loads(text)}


def why_inactive(df: Any) -> str:
    """Returns why the plugin is not active in the session of a Classic DataFrame, and the remedy; an empty string if it is."""
    # pyspark-client, for Connect, has no py4j, which this module loads
    from sparkweld.bridge import jvm as live

    context = df.sparkSession.sparkContext
    plugins = live.context_conf(context, "spark.plugins") or ""
    if PLUGIN_CLASS not in plugins.split(","):
        return NOT_ACTIVE.format(why=f"spark.plugins is {plugins!r}" if plugins else "spark.plugins is not set")
    if not live.plugin_is_loadable(context._jvm):
        return NOT_ACTIVE.format(why="its classes are not on the driver's class path")
    return ""


def check_query(df: Any, what: str) -> None:
    """Raises UserError for what a call cannot run: other objects, streams, queries of Connect, and any without the plugin."""
    if not hasattr(df, "sparkSession") or not hasattr(df, "schema"):
        raise UserError(f"{what} requires a DataFrame of Spark, not a {type(df).__name__}")
    if not hasattr(df, "_jdf"):
        raise UserError(
            f"{what} requires a session of its own JVM: Spark Connect does not report what a query's nodes did. "
            "Use sparkweld.explain(df), or run the job with spark-submit."
        )
    if df.isStreaming:
        raise UserError(f"{what} requires a query that ends; df reads a stream. Pass the same query on a table of its rows.")
    if why := why_inactive(df):
        raise UserError(why)


def _explain_classic(df: Any) -> tuple[str, bool]:
    """Returns the explanation, or why there is none; and whether the plugin is active."""
    from sparkweld.bridge import jvm as live

    if why := why_inactive(df):
        return why, False
    text = live.explain(df._jdf.queryExecution(), df.sparkSession.sparkContext._jvm)
    assert text is not None
    return text, True


def _explain_connect(df: Any) -> tuple[str, bool]:
    """Extracts the explanation from the server's own `explain`, where it has a separate heading: a Connect client has no JVM."""
    text: str = df._explain_string(mode="formatted")
    sections = _HEADING.split(text)  # before, title, body, title, body, ...
    for title, body in zip(sections[1::2], sections[2::2], strict=True):
        if "weld" in title.lower():
            return body.strip("\n"), True
    text = NOT_ACTIVE.format(why="the server's explain has no SparkWeld section")
    return text.replace("Start the job", "Start the server"), False


@dataclass(frozen=True)
class Ran:
    """Counters of finished queries: rows that scans read and that were written, and batches that ran in kernels or in Python."""

    read: int
    written: int
    in_kernels: int
    in_python: int


@contextmanager
def watched(spark: SparkSession) -> Iterator[Callable[[], Ran]]:
    """Yields a function that, after the block, returns the counters of the queries inside of it. For Classic sessions."""
    # pyspark-client, for Connect, has no py4j, which this module loads
    from sparkweld.bridge import jvm as live

    last = live.last_execution(spark)
    made: list[tuple[str, dict[str, int]]] = []

    def count(metric: str, operator: str) -> int:
        return sum(counts.get(metric, 0) for name, counts in made if name.startswith(operator))

    def ran() -> Ran:
        rows, batches = "number of output rows", "batches run in"
        parts = (count(f"{batches} {where}", "Weld") for where in ("kernels", "Python"))
        return Ran(count(rows, "Scan"), count(rows, "Execute Insert"), *parts)

    yield ran
    made += live.operators_since(spark, last)
