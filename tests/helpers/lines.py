"""Describes the installed line of Spark to tests, and converts types on every line."""

from __future__ import annotations

import importlib
import inspect
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyspark
import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import DataFrame, functions
from pyspark.sql.pandas.types import from_arrow_type, to_arrow_type
from pyspark.sql.types import DataType

from sparkweld.contract.constants import (
    ARROW_BATCHED,
    BATCHED,
    GROUPED_AGG_ARROW,
    GROUPED_MAP_PANDAS,
    SCALAR_ARROW,
    SCALAR_ARROW_ITERATOR,
)

#: The installed line of Spark, such as (4, 3).
LINE = tuple(map(int, pyspark.__version__.split(".")[:2]))
#: What a failed comparison depends on, for its message.
VERSIONS = f"Spark {pyspark.__version__}, Python {platform.python_version()}, NumPy {np.__version__}"
#: PySpark's class of eval types.
PythonEvalType = importlib.import_module("pyspark.util" if LINE >= (4, 0) else "pyspark.rdd").PythonEvalType
_ZONED = {"timezone": "UTC"} if "timezone" in inspect.signature(to_arrow_type).parameters else {}


def differs_before(line: tuple[int, int], reason: str) -> pytest.MarkDecorator:
    """Marks tests that must fail on earlier lines than `line`, because of a difference of that Spark."""
    return pytest.mark.xfail(LINE < line, reason=f"Spark {LINE[0]}.{LINE[1]}: {reason}", strict=True)


#: Marks tests of results that NumPy 1 computes in another type or by another function: the trial refuses these (SW233).
of_numpy_2 = pytest.mark.skipif(int(np.__version__.split(".")[0]) < 2, reason="NumPy 1 returns other floats: refused (SW233)")

#: Whether the line has worker pipelines.
WORKER_PIPELINES = LINE >= (4, 3)

#: Marks tests of queries with worker pipelines, or with partial aggregates in workers.
of_worker_pipelines = differs_before((4, 3), "SW114 refuses pipelines and partial aggregates in its workers")

#: Marks tests of code that calls PySpark's conversions in workers.
of_worker_conversions = pytest.mark.skipif(LINE < (4, 3), reason="refused (SW114) on lines with other conversion functions")

#: Marks tests of table functions over Arrow.
of_arrow_tables = pytest.mark.skipif(LINE < (4, 3), reason="refused (SW114) on lines where their rows were never compared")

#: Marks tests of plain UDFs over Arrow.
of_plain_arrow = differs_before((4, 1), "SW114 refuses plain UDFs over Arrow, whose values are those of a Series")

#: Marks tests of calls with named arguments, which the classes of PySpark accept from 4.0 on.
of_named_arguments = differs_before((4, 0), "no function takes arguments by name")

#: Marks tests of pyspark.ml's tokenizers.
of_tokenizers = differs_before((4, 0), "SW900 refuses its tokenizers, whose functions are other classes")

#: The class of the error of a failed write: PySpark converts it from 4.0 on.
WRITE_ERROR = PySparkException if LINE >= (4, 0) else Py4JJavaError

#: The conf with which results are checked on every line, as by default from 4.1 on.
CHECKED = {} if LINE >= (4, 1) else {"spark.sql.execution.pandas.convertToArrowArraySafely": "true"}


_REFUSED = (
    "before Spark 4.1 are no Arrow UDFs, and pandas converts values of plain UDFs with Arrow: SW114 refuses these; "
    "before 4.2, it refuses functions of groups"
)


def is_known(eval_type: int) -> bool:
    """Whether the line has this kind of UDF."""
    return LINE >= (4, 1) or eval_type not in (SCALAR_ARROW, SCALAR_ARROW_ITERATOR, GROUPED_AGG_ARROW)


def is_refused(eval_type: int) -> bool:
    """Whether SW114 refuses this kind of UDF on the line."""
    return LINE < {ARROW_BATCHED: (4, 1), GROUPED_MAP_PANDAS: (4, 2)}.get(eval_type, LINE)


#: The kind of plain UDFs that the line compiles, over Arrow if it compiles both.
PLAIN = BATCHED if is_refused(ARROW_BATCHED) else ARROW_BATCHED


def require(eval_type: int) -> None:
    """Skips a test of a kind of UDF that the line lacks or refuses (SW114)."""
    if not is_known(eval_type) or is_refused(eval_type):
        pytest.skip(_REFUSED)


def skip_refused(codes: Sequence[str], plan: str) -> None:
    """Skips a test of plain UDFs over Arrow where the line refuses them (SW114), once their rows have been compared."""
    if LINE < (4, 1) and set(codes) == {"SW114"} and f"], {ARROW_BATCHED}" in plan:
        pytest.skip(_REFUSED)


def _no_arrow_udf(function: Any = None, *_: Any) -> Any:
    """Replaces `arrow_udf` in Spark 3.5 and 4.0, as decorator and as function: a test that calls such a UDF is skipped."""

    def called(*_: Any) -> Any:
        pytest.skip(f"Spark {LINE[0]}.{LINE[1]} has no Arrow UDFs")

    return called if callable(function) else lambda _: called


arrow_udf = getattr(functions, "arrow_udf", _no_arrow_udf)


def to_arrow(frame: DataFrame) -> pa.Table:
    """Returns the rows of a query as `DataFrame.toArrow` does, which Spark 3.5 lacks."""
    if LINE >= (4, 0):
        return frame.toArrow()
    schema = pa.schema([pa.field(field.name, arrow_type_of(field.dataType), field.nullable) for field in frame.schema])
    try:
        batches = frame._collect_as_arrow()
    except Py4JJavaError as error:  # `toArrow` converts it
        cause = error.java_exception
        while cause.getCause() is not None:
            cause = cause.getCause()
        raise PySparkException(cause.toString()) from error
    return pa.Table.from_batches(batches, None if batches else schema).cast(schema)


def arrow_type_of(type: DataType) -> Any:
    """Returns the Arrow type of a Spark type; that of a timestamp is in UTC."""
    return to_arrow_type(type, **_ZONED)


#: The Arrow type of a column of vectors.
VECTOR = to_arrow_type(VectorUDT.sqlType())


def spark_type_of(type: Any) -> DataType:
    """Returns the Spark type of an Arrow type; one of a timestamp without a zone has none, either."""
    if type == VECTOR:
        return VectorUDT()
    return from_arrow_type(type, prefer_timestamp_ntz=True)
