"""Reads from a driver JVM what a query's functions did and receive, and replaces one of them.

`sparkweld.profile` and `sparkweld.cascade.advise` use it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sparkweld.contract.requests import BroadcastFile

#: Classes are looked up by their full names: for each package of a path, py4j would search all jars of Spark.
_QUERY, _READER, _ENCODER = "io.sparkweld.ui.ProfiledQuery", "io.sparkweld.ui.RunReader", "io.sparkweld.contract.Encoder"


@dataclass(frozen=True)
class Facts:
    """What comparing two runs of a query depends on.

    `ordered`: nodes and functions whose results may depend on the order of rows. `cached`: it reads a cached table.
    `float_sums`: it adds floats, if its columns are floats, in any order.
    """

    deterministic: bool
    cached: bool
    ordered: tuple[str, ...]
    float_sums: bool


@dataclass(frozen=True)
class Function:
    """A Python function of a query.

    `type` is the JSON of its declared type, `command` the pickled function. `broadcasts`: those that it reads; none where they
    are encrypted.
    """

    name: str
    eval_type: int
    type: str
    command: bytes
    broadcasts: tuple[BroadcastFile, ...] = ()


def facts(df: Any) -> Facts:
    """Returns the facts of a query, which is optimized for this and not run. Raises what Spark raises for the query."""
    found = json.loads(_answers(df).facts(df._jdf.queryExecution()))
    return Facts(found["deterministic"], found["cached"], tuple(found["ordered"]), found["floatSums"])


def functions(df: Any) -> list[Function]:
    """Returns the Python functions in a query's plan."""
    found = _answers(df).functions(df._jdf.queryExecution())
    return [Function(one.name(), one.evalType(), one.type(), bytes(one.command()), _broadcasts(one)) for one in found]


def _broadcasts(function: Any) -> tuple[BroadcastFile, ...]:
    return tuple(BroadcastFile(id=file.id(), path=file.path()) for file in function.broadcasts())


def replaced(df: Any, command: bytes, changed: bytes) -> Any:
    """Returns the same query with another command in place of one."""
    return _frame_of(_answers(df).replaced(df._jdf.queryExecution(), bytearray(command), bytearray(changed)), df)


def arguments(df: Any, command: bytes) -> Any:
    """Returns a DataFrame of the arguments of a command's first call in a query; None where only a join's condition calls it.

    A column has the index of its argument as its name, such as ``0``. That of a named argument has ``=`` and the name.
    """
    plan = _answers(df).arguments(df._jdf.queryExecution(), bytearray(command))
    return None if plan is None else _frame_of(plan, df)


def _frame_of(plan: Any, df: Any) -> Any:
    """Returns a DataFrame of a logical plan, in the session of `df`."""
    from pyspark.sql import DataFrame

    session = df.sparkSession
    maker = getattr(session._jvm, df._jdf.getClass().getName())  # Spark 4 has it in another package than Spark 3.5
    return DataFrame(maker.ofRows(session._jsparkSession, plan), session)


class Runs:
    """Reads what the nodes of one query did. Created before the query runs, since cached tables count from then on."""

    def __init__(self, df: Any) -> None:
        self._df = df
        self._reader = getattr(df.sparkSession._jvm, _READER)()
        self._reader.of(df._jdf.queryExecution().executedPlan())

    def after(self) -> list[dict[str, Any]]:
        """Returns the runs of the query, after it has been collected; the event `SparkWeldQuery` has the same fields."""
        made = self._reader.of(self._df._jdf.queryExecution().executedPlan())
        found: list[dict[str, Any]] = json.loads(getattr(self._df.sparkSession._jvm, _ENCODER).text(made))["runs"]
        return found


def _answers(df: Any) -> Any:
    return getattr(df.sparkSession._jvm, _QUERY)
