"""Reproduces PySpark's worker for one batch and one function in this process, with PySpark's own conversions.

It follows the `func` that pyspark/worker.py builds for the eval type. The tests under tests/spark compare with real workers;
this oracle serves thousands of functions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
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
from pyspark.worker import verify_pandas_result

from tests.helpers.outcomes import token


def run_in_worker(
    function: Callable[..., Any], batch: pa.RecordBatch, returns: DataType, eval_type: int, timezone: str = "UTC"
) -> pa.Array:
    """Returns the result column of `function` over the batch's columns, in order; for a map, the structs of its rows.

    Raises the worker's exceptions.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return _RUN[eval_type](function, batch, returns, timezone)


def _series(batch: pa.RecordBatch, timezone: str) -> list[Any]:
    return ArrowBatchTransformer.to_pandas(  # type: ignore[no-any-return]
        batch, timezone=timezone, struct_in_pandas="dict", df_for_struct=True
    )


def _converted(result: Any, returns: DataType, timezone: str) -> pa.Array:
    """Converts a Series, or for a struct a DataFrame, to a column of a Spark type."""
    schema = StructType([StructField("_0", returns)])
    return PandasToArrowConversion.convert(
        [result], schema, timezone=timezone, safecheck=True, arrow_cast=True, assign_cols_by_name=True
    ).column(0)


def _scalar_pandas(function: Callable[..., Any], batch: pa.RecordBatch, returns: DataType, timezone: str) -> pa.Array:
    result = function(*_series(batch, timezone))
    if not hasattr(result, "__len__"):
        raise TypeError(f"a pandas.Series was expected, got {type(result).__name__}")
    if len(result) != batch.num_rows:
        raise ValueError(f"{len(result)} rows for {batch.num_rows}")
    if isinstance(returns, StructType) and not isinstance(result, pd.DataFrame):
        raise ValueError("a pandas.DataFrame was expected for a struct")
    return _converted(result, returns, timezone)


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


def _scalar_arrow(function: Callable[..., Any], batch: pa.RecordBatch, returns: DataType, timezone: str) -> pa.Array:
    return _enforced(function(*batch.columns), batch.num_rows, returns)


def _enforced(result: Any, rows: int, returns: DataType) -> pa.Array:
    made = pa.RecordBatch.from_arrays([result], ["_0"])
    schema = pa.schema([pa.field("_0", to_arrow_type(returns, timezone="UTC"))])
    (column,) = ArrowBatchTransformer.enforce_schema(made, schema).columns
    if len(column) != rows:
        raise ValueError(f"{len(column)} rows for {rows}")
    return column


#: (function of an iterator, batch, declared type, zone, number of batches) -> the results, each as a column.
_Iterated = Callable[[Callable[..., Any], pa.RecordBatch, DataType, str, int], list[pa.Array]]


def _twice(run: _Iterated) -> Callable[[Callable[..., Any], pa.RecordBatch, DataType, str], pa.Array]:
    """Wraps a run so that it returns the results of a partition's first batch. Raises when the second batch's results differ."""

    def one(function: Callable[..., Any], batch: pa.RecordBatch, returns: DataType, timezone: str) -> pa.Array:
        alone = pa.chunked_array(run(function, batch, returns, timezone, 1), to_arrow_type(returns, timezone="UTC"))
        both = pa.chunked_array(run(function, batch, returns, timezone, 2), alone.type)
        if token([part.to_pylist() for part in both.flatten()]) != token([part.to_pylist() * 2 for part in alone.flatten()]):
            raise ValueError("the second of two equal batches returns other rows than the first")
        return alone.combine_chunks()

    return one


def _scalar_pandas_iterator(
    function: Callable[..., Any], batch: pa.RecordBatch, returns: DataType, timezone: str, batches: int
) -> list[pa.Array]:
    given = (_series(batch, timezone) for _ in range(batches))
    results = list(_checked(function(x[0] if len(x) == 1 else tuple(x) for x in given)))
    for result in results:
        verify_pandas_result(result, returns, assign_cols_by_name=True, truncate_return_schema=True)
    _check_rows(results, batches * batch.num_rows)
    return [_converted(result, returns, timezone) for result in results]


def _scalar_arrow_iterator(
    function: Callable[..., Any], batch: pa.RecordBatch, returns: DataType, timezone: str, batches: int
) -> list[pa.Array]:
    given = (tuple(batch.columns) for _ in range(batches))
    results = list(_checked(function(x[0] if len(x) == 1 else x for x in given)))
    _check_rows(results, batches * batch.num_rows)
    return [_enforced(result, len(result), returns) for result in results]


def _map_pandas(
    function: Callable[..., Any], batch: pa.RecordBatch, returns: DataType, timezone: str, batches: int
) -> list[pa.Array]:
    whole = ArrowBatchTransformer.wrap_struct(batch)
    results = list(_checked(function(_series(whole, timezone)[0] for _ in range(batches))))
    for result in results:
        verify_pandas_result(result, returns, assign_cols_by_name=True, truncate_return_schema=True)
    return [_converted(result, returns, timezone) for result in results]


def _map_arrow(
    function: Callable[..., Any], batch: pa.RecordBatch, returns: DataType, timezone: str, batches: int
) -> list[pa.Array]:
    """Runs an Arrow map: Spark takes the columns by position, and raises for other types."""
    whole, declared = ArrowBatchTransformer.wrap_struct(batch), to_arrow_type(returns, timezone="UTC")
    results = list(_checked(function(ArrowBatchTransformer.flatten_struct(whole) for _ in range(batches))))
    for result in results:
        if not isinstance(result, pa.RecordBatch) or result.schema.types != [field.type for field in declared]:
            raise TypeError(f"a RecordBatch of {declared} was expected, got {getattr(result, 'schema', type(result))}")
    return [pa.StructArray.from_arrays(result.columns, fields=list(declared)) for result in results]


def _checked(results: Any) -> Iterator[Any]:
    if not isinstance(results, Iterator):
        raise TypeError(f"an iterator was expected, got {type(results).__name__}")
    return results


def _check_rows(results: list[Any], rows: int) -> None:
    if sum(map(len, results)) != rows:
        raise ValueError(f"{sum(map(len, results))} rows for {rows}")


_RUN = {
    PythonEvalType.SQL_SCALAR_PANDAS_UDF: _scalar_pandas,
    PythonEvalType.SQL_ARROW_BATCHED_UDF: _arrow_batched,
    PythonEvalType.SQL_SCALAR_PANDAS_ITER_UDF: _twice(_scalar_pandas_iterator),
    PythonEvalType.SQL_SCALAR_ARROW_UDF: _scalar_arrow,
    PythonEvalType.SQL_SCALAR_ARROW_ITER_UDF: _twice(_scalar_arrow_iterator),
    PythonEvalType.SQL_MAP_PANDAS_ITER_UDF: _twice(_map_pandas),
    PythonEvalType.SQL_MAP_ARROW_ITER_UDF: _twice(_map_arrow),
}
