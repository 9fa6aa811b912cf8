"""Defines the corpus's decorators, which hold a job's function with its declaration.

They read like PySpark's own, with one more argument: the table and the columns that the job passes to the function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sparkweld.contract.constants import ARROW_BATCHED, BATCHED
from tests.helpers.lines import is_refused

#: Kind -> PySpark's eval type. Plain UDFs run over Arrow where the line's are compiled, by default from Spark 4.2 on.
EVAL_TYPES = {
    "pandas_udf": 200,
    "pandas_udf iterator": 204,
    "pandas_udf aggregate": 202,
    "udf": BATCHED if is_refused(ARROW_BATCHED) else ARROW_BATCHED,
    "arrow_udf": 250,
    "arrow_udf iterator": 251,
    "applyInPandas": 201,
    "mapInPandas": 205,
    "mapInArrow": 207,
}


@dataclass(frozen=True)
class Case:
    """One UDF of the corpus.

    `returns` is the declared return type as DDL (the schema, for functions that return rows). `columns` are those of `table`;
    a tuple of names is a struct. `by` is the column of the groups. `never`: the reason that no row compiler can
    support it ("" for functions that should compile). `repeatable`: False when two runs differ.
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
    """Parses ``a b {c d}``: the columns a and b, and a struct of c and d."""
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
    """Declares a function of Series that returns a Series."""
    return _decorator("pandas_udf", returns, table, columns, **given)


def pandas_udf_iterator(returns: str, table: str, columns: str, **given: Any) -> Make:
    """Declares a function of an iterator of Series (or of tuples of them) that returns an iterator of Series."""
    return _decorator("pandas_udf iterator", returns, table, columns, **given)


def pandas_udf_aggregate(returns: str, table: str, columns: str, by: str, **given: Any) -> Make:
    """Declares a function of a group's Series that returns a scalar."""
    return _decorator("pandas_udf aggregate", returns, table, columns, by=by, **given)


def udf(returns: str, table: str, columns: str, **given: Any) -> Make:
    """Declares a function of a row's Python values that returns a value."""
    return _decorator("udf", returns, table, columns, **given)


def arrow_udf(returns: str, table: str, columns: str, **given: Any) -> Make:
    """Declares a function of pyarrow Arrays that returns an Array."""
    return _decorator("arrow_udf", returns, table, columns, **given)


def arrow_udf_iterator(returns: str, table: str, columns: str, **given: Any) -> Make:
    """Declares a function of an iterator of Arrays that returns an iterator of Arrays."""
    return _decorator("arrow_udf iterator", returns, table, columns, **given)


def map_in_pandas(schema: str, table: str, columns: str, **given: Any) -> Make:
    """Declares a function of an iterator of DataFrames that returns an iterator of DataFrames."""
    return _decorator("mapInPandas", schema, table, columns, **given)


def map_in_arrow(schema: str, table: str, columns: str, **given: Any) -> Make:
    """Declares a function of an iterator of RecordBatches that returns an iterator of RecordBatches."""
    return _decorator("mapInArrow", schema, table, columns, **given)


def apply_in_pandas(schema: str, table: str, columns: str, by: str, **given: Any) -> Make:
    """Declares a function of a group's DataFrame that returns a DataFrame."""
    return _decorator("applyInPandas", schema, table, columns, by=by, **given)
