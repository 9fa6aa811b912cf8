"""What a model predicts to the Series that MLflow makes of it for a type of Spark's (`_predict_row_batch` in mlflow/pyfunc)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from sparkweld.ir.ops import MakeList
from sparkweld.ir.types import BOOL, F32, F64, I32, I64, list_of
from udf_compiler.calls.membership import series_map
from udf_compiler.calls.pandas_ import make_series
from udf_compiler.calls.strings.choose import TracedTexts
from udf_compiler.scalar.results import ListSeries, RowSeries
from udf_compiler.trace import TracedArray, TracedSeries
from udf_compiler.trace.lower import run_prototype
from udf_compiler.trace.session import refuse
from udf_compiler.trace.text import is_text

_CALL = "mlflow.pyfunc.spark_udf"

#: Spark's types of numbers that `spark_udf` takes, and what MLflow casts the chosen columns to.
_NUMBERS = {"IntegerType": I32, "LongType": I64, "FloatType": F32, "DoubleType": F64, "BooleanType": BOOL}


def converted(result: Any, made_of: Callable[[Any], Any], type: Any) -> TracedSeries | RowSeries | ListSeries:
    """The Series for Spark's `type`: of one value, the first column; of an array, all columns.

    `made_of`: what MLflow makes of given predictions. Refuses SW252 (it finds none that the type can hold, and raises) and SW868
    (other types and other predictions).
    """
    is_array = _name(type) == "ArrayType"
    element = _name(type.elementType) if is_array else _name(type)
    if element == "StringType" and not is_array:
        return _texts(result, type)
    if element not in _NUMBERS:
        _other(result, type)
    if is_text(result) or isinstance(result, TracedTexts):
        run_prototype(_CALL, made_of, np.array(["text"], object))
    if not isinstance(result, TracedArray):
        _other(result, type)
    run_prototype(_CALL, made_of, np.ones((1, len(result.columns))[: result.ndim], result.dtype))
    loop, to = result.loop, _NUMBERS[element]
    columns = [loop.cast(value, to) for value in (result.columns if is_array else result.columns[:1])]
    if not is_array:
        return TracedSeries(loop, columns[0], to.dtype)
    return ListSeries(loop.emit(MakeList(list_of(to)), *columns), frozenset({list_of(to).kind}))


def _texts(result: Any, type: Any) -> TracedSeries | RowSeries:
    """``str`` of the first column; not of floats, whose last digits may be kept differences."""
    if isinstance(result, TracedTexts):
        return make_series(result)
    if not isinstance(result, TracedArray) or result.dtype.kind not in "bi":
        _other(result, type)
    return series_map(TracedSeries(result.loop, result.columns[0], result.dtype), str)


def _name(type: Any) -> str:
    return type.__class__.__name__  # type: ignore[no-any-return]


def _other(result: Any, type: Any) -> NoReturn:
    refuse("SW868", type=type.simpleString(), what=getattr(result, "what", result.__class__.__name__))
