"""Defines what a case of a CPU bench is, and the queries of one function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

Query = Callable[[DataFrame], DataFrame]


@dataclass(frozen=True)
class Case:
    """One line of the table: a sample runs `query` over `rows` rows of a table `times` times."""

    name: str
    table: str
    rows: int
    query: Query
    times: int = 1


def of_column(function: Callable[..., object], returns: str, *columns: str) -> Query:
    """Returns a query of one plain UDF."""
    return lambda frame: frame.select("id", F.udf(function, returns)(*columns).alias("made"))


def of_series(function: Callable[..., object], returns: str, *columns: str) -> Query:
    """Returns a query of one pandas UDF."""
    return lambda frame: frame.select("id", F.pandas_udf(function, returns)(*columns).alias("made"))  # type: ignore[call-overload]
