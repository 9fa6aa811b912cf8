"""Describes the installed line of Spark to tests, and converts types on every line."""

from __future__ import annotations

import inspect
from typing import Any

import pyspark
import pytest
from pyspark.sql.pandas.types import from_arrow_type, to_arrow_type
from pyspark.sql.types import DataType

from sparkweld.contract.constants import ARROW_BATCHED, GROUPED_AGG_ARROW, SCALAR_ARROW, SCALAR_ARROW_ITERATOR

#: The installed line of Spark, such as (4, 3).
LINE = tuple(map(int, pyspark.__version__.split(".")[:2]))
_ZONED = {"timezone": "UTC"} if "timezone" in inspect.signature(to_arrow_type).parameters else {}

#: Marks tests of code that calls PySpark's conversions in workers.
of_worker_conversions = pytest.mark.skipif(LINE < (4, 3), reason="refused (SW114) on lines with other conversion functions")

#: The conf with which results are checked on every line, as by default from 4.1 on.
CHECKED = {} if LINE >= (4, 1) else {"spark.sql.execution.pandas.convertToArrowArraySafely": "true"}


def require(eval_type: int) -> None:
    """Skips a test of a kind of UDF that the line lacks or refuses (SW114)."""
    if LINE < (4, 1) and eval_type in (ARROW_BATCHED, SCALAR_ARROW, SCALAR_ARROW_ITERATOR, GROUPED_AGG_ARROW):
        pytest.skip("Spark 4.0 has no Arrow UDFs, and pandas converts the values of plain UDFs over Arrow")


def arrow_type_of(type: DataType) -> Any:
    """Returns the Arrow type of a Spark type; that of a timestamp is in UTC."""
    return to_arrow_type(type, **_ZONED)


def spark_type_of(type: Any) -> DataType:
    """Returns the Spark type of an Arrow type; that of a timestamp without a zone has none, either."""
    return from_arrow_type(type, prefer_timestamp_ntz=True)
