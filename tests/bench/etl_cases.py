"""Defines the cases of the bench of cleaning pipelines, which are in etl_pipelines.py and etl_functions.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame

Tables = Mapping[str, DataFrame]


@dataclass(frozen=True)
class EtlCase:
    """One line of the table: a query with UDFs, and by built-in functions where these can express it.

    `tables`: name -> rows; the suffix of a name is the form of the table (etl_data.py), and queries find it without the
    suffix. `group`: the lines that share a target.
    """

    name: str
    group: str
    tables: Mapping[str, int]
    udfs: Callable[[Tables], DataFrame]
    sql: Callable[[Tables], DataFrame] | None = None

    @property
    def rows(self) -> int:
        return max(self.tables.values())
