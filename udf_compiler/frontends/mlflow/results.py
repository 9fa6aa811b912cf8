"""Converts predictions to the Series that MLflow returns for a Spark type (`_predict_row_batch` in mlflow/pyfunc)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from sparkweld.ir.ops import MakeList
from sparkweld.ir.types import BOOL, F32, F64, I32, I64, list_of
from udf_compiler.frontends.pandas.apply.results import ListSeries, RowSeries
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.membership import series_map
from udf_compiler.frontends.pandas.calls.pandas_ import make_series
from udf_compiler.frontends.pandas.calls.strings.choose import TracedTexts
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import is_text
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse

_CALL = "mlflow.pyfunc.spark_udf"

#: Numeric Spark type that `spark_udf` accepts -> the type to which MLflow casts the selected columns.
_NUMBERS = {"IntegerType": I32, "LongType": I64, "FloatType": F32, "DoubleType": F64, "BooleanType": BOOL}


def converted(result: Any, made_of: Callable[[Any], Any], type: Any) -> TracedSeries | RowSeries | ListSeries:
    """Converts predictions to Spark's `type`: the first column for a scalar type, all columns for an array type.

    `made_of`: MLflow's own conversion of predictions. Refuses SW252 (MLflow raises, as no column fits the type) and SW868
    (unsupported types and predictions).
    """
    is_array = _name(type) == "ArrayType"
    element = _name(type.elementType) if is_array else _name(type)
    if element == "StringType" and not is_array:
        return _texts(result, type)
    if element not in _NUMBERS:
        _other(result, type)
    if is_text(result) or isinstance(result, TracedTexts):
        run_prototype(_CALL, made_of, np.array(["text"], object))
    if isinstance(result, TracedSeries) and result.dtype.kind == "f":  # as statsmodels returns
        result = TracedArray(result.loop, [result.value])
    if not isinstance(result, TracedArray):
        _other(result, type)
    run_prototype(_CALL, made_of, np.ones((1, len(result.columns))[: result.ndim], result.dtype))
    loop, to = result.loop, _NUMBERS[element]
    columns = [loop.cast(value, to) for value in (result.columns if is_array else result.columns[:1])]
    if not is_array:
        return TracedSeries(loop, columns[0], to.dtype)
    return ListSeries(loop.emit(MakeList(list_of(to)), *columns), frozenset({list_of(to).kind}))


def _texts(result: Any, type: Any) -> TracedSeries | RowSeries:
    """Converts the first column by ``str``. Refuses (SW868) floats, whose last digits may be approximate."""
    if isinstance(result, TracedTexts):
        return make_series(result)
    if not isinstance(result, TracedArray) or result.dtype.kind not in "bi":
        _other(result, type)
    return series_map(TracedSeries(result.loop, result.columns[0], result.dtype), str)


def _name(type: Any) -> str:
    return type.__class__.__name__  # type: ignore[no-any-return]


def _other(result: Any, type: Any) -> NoReturn:
    refuse("SW868", type=type.simpleString(), what=getattr(result, "what", result.__class__.__name__))
