"""Converts a batch's columns to the DataFrame or array that MLflow passes to a model, by the model's signature.

Sources: `_predict_row_batch` in mlflow/pyfunc/__init__.py and `_enforce_schema` in mlflow/models/utils.py. A call of MLflow with
a column of the dtype decides each conversion. One of its rules depends on values and becomes a guard.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pandas as pd

from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.kind import ARRAY_OBJECTS
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.tracing.lower import run_prototype, type_of
from udf_compiler.frontends.tracing.session import refuse

_CALL = "mlflow.pyfunc.spark_udf"

#: Supported signature types of plain columns; dates, binary data and nested types are unsupported.
_TYPES = ("boolean", "integer", "long", "float", "double", "string")


def named_columns(batch: Any, schema: Any) -> TracedFrame:
    """Returns the DataFrame of a batch: a struct unchanged, or the columns under the signature's names, in its order.

    Refuses SW252 (fewer columns than required) and SW867 (a struct among several columns, omitted optional columns, or names
    that are missing or duplicate).
    """
    columns = list(batch) if type(batch) is tuple else [batch]
    if len(columns) == 1 and type(columns[0]) is TracedFrame:
        return columns[0]
    if not all(type(column) is TracedSeries for column in columns):
        refuse("SW867", column="its input", required="single columns", given="a struct among columns")
    names = [str(i) for i in range(len(columns))] if schema is None else schema.input_names()
    columns = columns[: len(names)]
    if schema is not None and len(columns) < len(schema.required_input_names()):
        refuse("SW252", call=_CALL, error=f"MlflowException: Model input is missing required columns. Expected {names}")
    if len(columns) < len(names):
        refuse("SW867", column=names[len(columns)], required="optional", given="left out of the unnamed columns")
    if len(set(names)) < len(names) or not all(isinstance(name, str) for name in names):
        refuse("SW867", column="a column", required="without a name of its own", given="one of several")
    return TracedFrame(columns[0].loop, dict(zip(names, columns, strict=True)))


def enforced(frame: TracedFrame, schema: Any) -> TracedFrame | TracedArray:
    """Returns the model's input: the signature's columns in its order and types. Refuses with SW252 or SW867."""
    if schema is None:
        return frame
    if schema.is_tensor_spec():
        return _tensor(frame, schema)
    if schema.has_input_names():
        missing = [name for name in schema.required_input_names() if name not in frame.series]
        if missing:
            refuse("SW252", call=_CALL, error=f"MlflowException: Model is missing inputs {missing}.")
        wanted = {spec.name: spec for spec in schema.inputs if spec.name in frame.series}
    else:
        if len(frame.series) < len(schema.inputs):
            refuse("SW252", call=_CALL, error="MlflowException: Model inference is missing inputs.")
        wanted = dict(zip(frame.series, schema.inputs, strict=False))
    return TracedFrame(frame.loop, {name: _column(name, frame.column(name), spec.type) for name, spec in wanted.items()})


def _tensor(frame: TracedFrame, schema: Any) -> TracedArray:
    """Returns the array of an unnamed tensor: all columns in one dtype (`_enforce_tensor_schema`)."""
    spec, width = schema.inputs[0], len(frame.series)
    if schema.has_input_names() or width == 1 or not all(s.kind is NUMBERS for s in frame.series.values()):
        refuse("SW867", column="its input", required="a tensor", given="not a matrix of several numbers")
    prototype = pd.DataFrame({name: np.ones(1, s.dtype) for name, s in frame.series.items()})
    run_prototype(_CALL, _utils()._enforce_tensor_schema, prototype, schema)
    array = frame.to_array(_CALL)
    if array.dtype != spec.type:
        refuse("SW867", column="its input", required=f"a tensor of {spec.type}", given=f"of {array.dtype}")
    return array


def _column(name: str, series: TracedSeries, wanted: Any) -> TracedSeries:
    """Converts one column to the signature's type (`_enforce_mlflow_datatype`)."""
    kind = getattr(wanted, "name", None)
    if kind not in _TYPES:
        refuse("SW867", column=name, required=str(wanted), given="a column of Spark's")
    if series.kind is STRINGS and kind == "string":
        return series
    if series.kind is not NUMBERS:
        refuse("SW867", column=name, required=kind, given=_described(series))
    loop = series.loop
    if series.dtype == np.int64 and kind in ("float", "double"):  # MLflow raises for integers other than 0 and 1, or for any
        run_prototype(_CALL, _utils()._enforce_mlflow_datatype, name, pd.Series([0, 1]), wanted)
        zero, one = (loop.call("equal", series.value, loop.const(n, series.value.type)) for n in (0, 1))
        loop.guard(loop.call("logical_or", zero, one), local=True)
        made = wanted.to_numpy()
    else:
        # the prototype is 2, as MLflow has a special rule for the integers 0 and 1
        prototype = pd.Series(np.full(1, 2).astype(series.dtype))
        made = run_prototype(_CALL, _utils()._enforce_mlflow_datatype, name, prototype, wanted).dtype
    return TracedSeries(loop, loop.cast(series.value, type_of(made, _CALL)), made)


def _described(series: TracedSeries) -> str:
    return {STRINGS: "texts", ARRAY_OBJECTS: "arrays"}.get(series.kind) or str(series.dtype)


def _utils() -> Any:
    return importlib.import_module("mlflow.models.utils")
