"""What PySpark's worker does with one batch and one function, run in this process by PySpark's own conversions.

It follows the `func` that pyspark/worker.py builds for the eval type. The tests under tests/spark compare with real
workers; this oracle is for thousands of functions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql.conversion import (
    ArrowBatchTransformer,
    ArrowTableToRowsConversion,
    LocalDataToArrowConversion,
    PandasToArrowConversion,
)
from pyspark.sql.pandas.types import from_arrow_type, to_arrow_type
from pyspark.sql.types import DataType, StructField, StructType
from pyspark.util import PythonEvalType


def run_in_worker(
    function: Callable[..., Any], batch: pa.RecordBatch, returns: DataType, eval_type: int, timezone: str = "UTC"
) -> pa.Array:
    """The result column of `function` over the batch's columns, in order. Raises what the worker raises."""
    run = {PythonEvalType.SQL_SCALAR_PANDAS_UDF: _scalar_pandas, PythonEvalType.SQL_ARROW_BATCHED_UDF: _arrow_batched}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return run[eval_type](function, batch, returns, timezone)


def _scalar_pandas(function: Callable[..., Any], batch: pa.RecordBatch, returns: DataType, timezone: str) -> pa.Array:
    columns = ArrowBatchTransformer.to_pandas(batch, timezone=timezone, struct_in_pandas="dict", df_for_struct=True)
    result = function(*columns)
    if not hasattr(result, "__len__"):
        raise TypeError(f"a pandas.Series was expected, got {type(result).__name__}")
    if len(result) != batch.num_rows:
        raise ValueError(f"{len(result)} rows for {batch.num_rows}")
    schema = StructType([StructField("_0", returns)])
    return PandasToArrowConversion.convert([result], schema, timezone=timezone, safecheck=True, arrow_cast=True).column(0)


def _arrow_batched(function: Callable[..., Any], batch: pa.RecordBatch, returns: DataType, timezone: str) -> pa.Array:
    columns = []
    for column in batch.columns:
        convert = ArrowTableToRowsConversion._create_converter(from_arrow_type(column.type), none_on_identity=True)
        values = ArrowTableToRowsConversion._to_pylist(column)
        columns.append(values if convert is None else [convert(v) for v in values])
    results = [function(*row) for row in zip(*columns, strict=True)]
    convert = LocalDataToArrowConversion._create_converter(returns, none_on_identity=True)
    converted = results if convert is None else [convert(r) for r in results]
    arrow_type = to_arrow_type(returns, timezone="UTC")
    try:
        return pa.array(converted, type=arrow_type)
    except pa.lib.ArrowInvalid:
        return pa.array(converted).cast(target_type=arrow_type, safe=True)
