"""A function of a job with what it was declared to be: the decorators that the modules of this folder use.

They read as PySpark's own, with one more argument: the table and the columns that the job calls the function with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Kind -> the eval type that PySpark gives it (a plain udf is 101 when `spark.sql.execution.pythonUDF.arrow.enabled`).
EVAL_TYPES = {
    "pandas_udf": 200,
    "pandas_udf iterator": 204,
    "pandas_udf aggregate": 202,
    "udf": 101,
    "arrow_udf": 250,
    "arrow_udf iterator": 251,
    "mapInPandas": 205,
    "mapInArrow": 207,
}


@dataclass(frozen=True)
class Case:
    """One UDF of the corpus.

    `returns` is the declared return type as DDL (the schema, for mapInPandas and mapInArrow). `columns` are those of
    `table`; a tuple of names is a struct. `by` is the column that an aggregate groups by. `never`: why no compiler of row
    functions can take it ("" for what should compile). `repeatable`: False when two runs differ.
    """

    kind: str
    function: Callable[..., Any]
    returns: str
    table: str
    columns: tuple[str | tuple[str, ...], ...]
    by: str = ""
    never: str = ""
    repeatable: bool = True

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def theme(self) -> str:
        return self.function.__module__.rpartition(".")[2]

    @property
    def summary(self) -> str:
        return (self.function.__doc__ or "").strip().splitlines()[0]


Make = Callable[[Callable[..., Any]], Case]


def _columns(text: str) -> tuple[str | tuple[str, ...], ...]:
    """``a b {c d}``: the columns a and b, and a struct of c and d."""
    found: list[str | tuple[str, ...]] = []
    for part in text.replace("{", "\0{").replace("}", "\0").split("\0"):
        if part.startswith("{"):
            found.append(tuple(part[1:].split()))
        else:
            found += part.split()
    return tuple(found)


def _decorator(kind: str, returns: str, table: str, columns: str, **given: Any) -> Make:
    return lambda function: Case(kind, function, returns, table, _columns(columns), **given)


def pandas_udf(returns: str, table: str, columns: str, **given: Any) -> Make:
    """Series to Series."""
    return _decorator("pandas_udf", returns, table, columns, **given)


def pandas_udf_iterator(returns: str, table: str, columns: str, **given: Any) -> Make:
    """Iterator of Series (or of tuples of them) to iterator of Series."""
    return _decorator("pandas_udf iterator", returns, table, columns, **given)


def pandas_udf_aggregate(returns: str, table: str, columns: str, by: str, **given: Any) -> Make:
    """Series of a group to a scalar."""
    return _decorator("pandas_udf aggregate", returns, table, columns, by=by, **given)


def udf(returns: str, table: str, columns: str, **given: Any) -> Make:
    """Python values of a row to a value."""
    return _decorator("udf", returns, table, columns, **given)


def arrow_udf(returns: str, table: str, columns: str, **given: Any) -> Make:
    """pyarrow Arrays to an Array."""
    return _decorator("arrow_udf", returns, table, columns, **given)


def arrow_udf_iterator(returns: str, table: str, columns: str, **given: Any) -> Make:
    """Iterator of Arrays to iterator of Arrays."""
    return _decorator("arrow_udf iterator", returns, table, columns, **given)


def map_in_pandas(schema: str, table: str, columns: str, **given: Any) -> Make:
    """Iterator of DataFrames to iterator of DataFrames."""
    return _decorator("mapInPandas", schema, table, columns, **given)


def map_in_arrow(schema: str, table: str, columns: str, **given: Any) -> Make:
    """Iterator of RecordBatches to iterator of RecordBatches."""
    return _decorator("mapInArrow", schema, table, columns, **given)
