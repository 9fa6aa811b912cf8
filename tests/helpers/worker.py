"""Runs PySpark's own worker on batches in this process: `read_udfs` of pyspark/worker.py, with the line's own conversions.

The tests under tests/spark compare with workers of real queries; this oracle serves thousands of functions.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pyarrow as pa
import pyspark.worker
from pyspark.serializers import CPickleSerializer, write_int, write_long
from pyspark.sql.types import DataType, DoubleType, StructField, StructType

from sparkweld.contract.constants import (
    ARROW_BATCHED,
    MAP_ARROW,
    MAP_PANDAS,
    SCALAR_ARROW_ITERATOR,
    SCALAR_PANDAS,
    SCALAR_PANDAS_ITERATOR,
)
from tests.helpers.lines import LINE, arrow_type_of, require, spark_type_of
from tests.helpers.outcomes import token

#: Eval types whose functions take an iterator.
_ITERATED = (SCALAR_PANDAS_ITERATOR, SCALAR_ARROW_ITERATOR, MAP_PANDAS, MAP_ARROW)


def run_in_worker(
    function: Callable[..., Any], batch: pa.RecordBatch, returns: DataType, eval_type: int, timezone: str = "UTC"
) -> pa.Array:
    """Returns the result column of `function` over the batch's columns, in order; for a map, the structs of its rows.

    Raises the worker's exceptions. A function of an iterator also raises when two equal batches have unequal results.
    """
    if eval_type in (MAP_PANDAS, MAP_ARROW):
        whole = pa.StructArray.from_arrays(batch.columns, fields=list(batch.schema))
        batch = pa.RecordBatch.from_arrays([whole], ["_0"])
    if eval_type not in _ITERATED:
        return column_of(function, [batch], returns, eval_type, timezone)
    alone = column_of(function, [batch], returns, eval_type, timezone)
    both = column_of(function, [batch, batch], returns, eval_type, timezone)
    if token([part.to_pylist() for part in _parts(both)]) != token([part.to_pylist() * 2 for part in _parts(alone)]):
        raise ValueError("the second of two equal batches returns other rows than the first")
    return alone


def _parts(column: pa.Array) -> list[pa.Array]:
    return column.flatten() if pa.types.is_struct(column.type) else [column]  # type: ignore[no-any-return]


def column_of(
    function: Callable[..., Any], batches: list[pa.RecordBatch], returns: DataType, eval_type: int, timezone: str = "UTC",
    confs: Mapping[str, str] | None = None,
) -> pa.Array:  # fmt: skip
    """Returns the result column of all batches of a task. Raises the worker's exceptions, and the JVM's for other types."""
    declared = arrow_type_of(returns)
    made = [batch.column(0) for batch in outputs(function, batches, returns, eval_type, timezone, confs)]
    for column in made if eval_type == MAP_ARROW else ():  # the JVM takes the columns by position
        if [field.type for field in column.type] != [field.type for field in declared]:
            raise TypeError(f"{declared} was expected, got {column.type}")
    return pa.chunked_array([_in_utc(column, declared) for column in made], declared).combine_chunks()


def _in_utc(column: pa.Array, declared: pa.DataType) -> pa.Array:
    """Returns a column with its timestamps in UTC and the declared nullability of its fields."""
    if pa.types.is_struct(declared):
        parts = [_in_utc(part, field.type) for part, field in zip(column.flatten(), declared, strict=True)]
        return pa.StructArray.from_arrays(parts, fields=list(declared), mask=column.is_null())
    return column.cast(declared) if pa.types.is_timestamp(declared) else column


def arguments_of(batch: pa.RecordBatch, timezone: str = "UTC", eval_type: int = SCALAR_PANDAS) -> list[Any]:
    """Returns the objects that a scalar pandas UDF receives for the batch's columns."""
    seen: list[Any] = []

    def function(*args: Any) -> pd.Series:
        seen.extend(args)
        return pd.Series(np.zeros(batch.num_rows))

    outputs(function, [batch], DoubleType(), eval_type, timezone)
    return seen


def converted(result: Any, returns: DataType, timezone: str = "UTC", confs: Mapping[str, str] | None = None) -> pa.Array:
    """Returns the column that the worker makes of a scalar pandas UDF's result. Raises the worker's exceptions."""
    batch = pa.RecordBatch.from_arrays([pa.array(np.zeros(len(result), np.int8))], ["_0"])
    return outputs(lambda _: result, [batch], returns, SCALAR_PANDAS, timezone, confs)[0].column(0)


def outputs(
    function: Callable[..., Any], batches: Iterable[pa.RecordBatch], returns: DataType, eval_type: int, timezone: str = "UTC",
    confs: Mapping[str, str] | None = None,
) -> list[pa.RecordBatch]:  # fmt: skip
    """Returns what the worker sends back for the batches of a task, whose columns are the arguments."""
    require(eval_type)
    batches = list(batches)
    settings = {"spark.sql.session.timeZone": timezone, "spark.sql.execution.pandas.convertToArrowArraySafely": "true"}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        with mock.patch.object(pyspark.worker, "read_command", lambda *_: (function, returns)):
            run, reader, writer = _read(batches[0], eval_type, settings | dict(confs or {}))
        sent = io.BytesIO()
        writer.dump_stream(run(0, reader.load_stream(_stream(batches))), sent)
    if not sent.tell():
        return []
    sent.seek(4)  # START_ARROW_STREAM
    return list(pa.ipc.open_stream(sent))


def _stream(batches: list[pa.RecordBatch]) -> io.BytesIO:
    stream = io.BytesIO()
    with pa.ipc.new_stream(stream, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    stream.seek(0)
    return stream


def _read(batch: pa.RecordBatch, eval_type: int, confs: Mapping[str, str]) -> tuple[Any, Any, Any]:
    """Returns the function over batches, the deserializer and the serializer of a worker that receives this call."""
    arguments = range(batch.num_columns)
    fields = [StructField(field.name, spark_type_of(field.type)) for field in batch.schema]
    types, pickles = StructType(fields).json(), CPickleSerializer()
    if LINE >= (4, 3):
        info = SimpleNamespace(udfs=[b""], args=list(arguments), kwargs={}, result_id=1)
        run_conf, eval_conf = pyspark.worker.RunnerConf(dict(confs)), pyspark.worker.EvalConf({"input_type": types})
        read = pyspark.worker.read_udfs(pickles, [info], eval_type, run_conf, eval_conf)
        return read[0], read[2], read[3]
    message = io.BytesIO()
    _write_confs(message, confs)
    if LINE >= (4, 2):
        _write_confs(message, {"input_type": types})
    elif LINE >= (4, 1) and eval_type == ARROW_BATCHED:
        _write_string(message, types)
    if (4, 0) <= LINE < (4, 2):
        message.write(b"\0")  # no profiler
    write_int(1, message)  # functions
    write_int(len(arguments), message)
    for at in arguments:
        write_int(at, message)
        if LINE >= (4, 2) or LINE >= (4, 0) and eval_type not in (MAP_PANDAS, MAP_ARROW):
            message.write(b"\0")  # no keyword
    write_int(1, message)  # commands of a chain
    write_long(1, message)  # the profiler's id, from 4.2 on
    message.seek(0)
    if LINE < (4, 2):
        read = pyspark.worker.read_udfs(pickles, message, eval_type)
    else:
        run_conf, eval_conf = pyspark.worker.RunnerConf(message), pyspark.worker.EvalConf(message)
        read = pyspark.worker.read_udfs(pickles, message, eval_type, run_conf, eval_conf)
    return read[0], read[2], read[3]


def _write_confs(message: io.BytesIO, confs: Mapping[str, str]) -> None:
    write_int(len(confs), message)
    for name, value in confs.items():
        _write_string(message, name)
        _write_string(message, value)


def _write_string(message: io.BytesIO, string: str) -> None:
    data = string.encode()
    write_int(len(data), message)
    message.write(data)
