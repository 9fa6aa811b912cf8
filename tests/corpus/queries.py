"""Runs cases of the corpus as Spark queries, many scalar UDFs over one table each, and reports how each UDF ran.

The outcome with SparkWeld off is the oracle. In a query of many UDFs, `Ran.names` lists those that a kernel computed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tests.corpus.case import Case
from tests.corpus.runner import spark_type
from tests.helpers.differential import ENABLED, WELD_REPORT, run
from tests.helpers.outcomes import Outcome, differences

#: Tolerance in units in the last place for formulas with libm functions, each of which is within 4. A subtraction of close
#: values, as in a bearing between neighbours, magnifies that. About 1e-9 of the value.
ULP = 1 << 23
#: Tolerance for sums of close values, of which little is left: 1 plus a hyperbolic tangent near -1.
LEAST = 1e-14


#: How long a query of dozens of functions may wait for them on a slow machine.
_TIMEOUT = "spark.sparkweld.compile.timeout"


@dataclass(frozen=True)
class Ran:
    """A query with SparkWeld off and on: the differing outcomes, and the UDFs that ran in kernels or as expressions."""

    cases: tuple[Case, ...]
    problems: list[str]
    names: frozenset[str]
    refusals: dict[str, str]


def groups(cases: Iterable[Case]) -> Iterator[tuple[Case, ...]]:
    """Yields groups of cases that share a query: scalar UDFs over one table, aggregates over one grouping, all others alone."""

    def key(case: Case) -> tuple[str, ...]:
        if case.kind in ("mapInPandas", "mapInArrow", "applyInPandas") or not case.repeatable:
            return (case.table, "alone", case.name)
        return (case.table, "grouped", case.by) if case.by else (case.table, "scalar")

    for _, members in groupby(sorted(cases, key=key), key):
        yield tuple(members)


def compare(spark: Any, frame: Any, cases: tuple[Case, ...], kept: Collection[str]) -> Ran:
    """Runs the query of `cases` twice over the DataFrame of their table. Non-repeatable rows are not compared.

    `kept`: the cases that use libm functions; all others must be equal to the bit.
    """
    query = _query(frame, cases)
    expected, _ = run(spark, query, {ENABLED: "false"})
    actual, executed = run(spark, query, {ENABLED: "true", _TIMEOUT: "60s"})
    problems = _problems(expected, actual, cases, kept) if cases[0].repeatable else []
    report = json.loads(getattr(spark._jvm, WELD_REPORT).report(executed._jdf.queryExecution()))
    names = {udf for operator in report["operators"] for udf in operator["udfs"]}
    names |= {record["udf"] for record in report["rewritten"]}
    refusals = {udf: refusal["code"] for refusal in report["refusals"] for udf in refusal["udfs"]}
    return Ran(cases, problems, frozenset(names), refusals)


def _problems(expected: Outcome, actual: Outcome, cases: tuple[Case, ...], kept: Collection[str]) -> list[str]:
    """Describes how the outcomes differ, a column at a time, so that a message names its UDF."""
    if expected.error is not None:
        return [f"without SparkWeld: {expected.error}"]
    if actual.rows is None or len(cases) == 1:
        return differences(expected, actual, ULP if cases[0].name in kept else 0, LEAST)
    found = []
    for at, case in enumerate(cases, start=1):
        pairs = [Outcome(tuple((row[0], row[at]) for row in outcome.rows or ())) for outcome in (expected, actual)]
        found += [f"{case.name}: {problem}" for problem in differences(*pairs, ULP if case.name in kept else 0, LEAST)]
    return found


def _query(frame: Any, cases: tuple[Case, ...]) -> Callable[[], Any]:
    first = cases[0]
    if first.kind in ("mapInPandas", "mapInArrow"):
        names = [name for name in first.columns if isinstance(name, str)]
        return lambda: getattr(frame.select(*names), first.kind)(first.function, spark_type(first.returns))
    if first.kind == "applyInPandas":
        names = [name for name in first.columns if isinstance(name, str)]
        return lambda: frame.select(*names).groupBy(first.by).applyInPandas(first.function, spark_type(first.returns))
    made = [_declared(case)(*map(_column, case.columns)).alias(case.name) for case in cases]
    if first.by:
        return lambda: frame.groupBy(first.by).agg(*made).orderBy(first.by)
    return lambda: frame.select("id", *made)


def _column(column: str | tuple[str, ...]) -> Any:
    from pyspark.sql import functions

    return column if isinstance(column, str) else functions.struct(*column)


def _declared(case: Case) -> Any:
    """Returns the function as PySpark's decorator of its kind declares it."""
    from pyspark.sql import functions

    make = getattr(functions, case.kind.partition(" ")[0])
    return make(case.function, returnType=spark_type(case.returns))
