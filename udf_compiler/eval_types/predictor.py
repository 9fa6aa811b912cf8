"""Traces the user's prediction function behind `pyspark.ml.functions.predict_batch_udf`.

PySpark's wrapper cuts each batch into chunks of `batch_size` rows and passes NumPy arrays to the function that
`make_predict_fn` returned. It converts the result to a Series or DataFrame. The function is proved row-local, so the chunks
do not matter.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from udf_compiler.frontends.pandas.apply.comprehensions import python_values
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.arrays import METHODS as ARRAY_METHODS
from udf_compiler.frontends.pandas.calls.frames import make_frame
from udf_compiler.frontends.pandas.calls.lists import is_list_series, stacked
from udf_compiler.frontends.pandas.calls.pandas_ import make_series
from udf_compiler.frontends.pandas.calls.strings.choose import TracedTexts
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.function.wrappers import cells_of

_MODULE, _NAME = "pyspark.ml.functions", "predict_batch_udf.<locals>.predict"
_SCALARS = frozenset("ByteType ShortType IntegerType LongType FloatType DoubleType StringType".split())
_CALL = "predict_batch_udf"


@dataclass(frozen=True, slots=True)
class Predictor:
    """The variables that PySpark's wrapper holds."""

    make_predict_fn: Callable[[], Callable[..., Any]]
    return_type: Any
    shapes: Any

    def over(self, make_predict_fn: Callable[[], Callable[..., Any]]) -> Callable[[Any], Iterator[Any]]:
        """Returns the function of an iterator of batches that uses `make_predict_fn`, the checked copy."""

        def predict(batches: Any) -> Iterator[Any]:
            function = as_python(make_predict_fn)
            for batch in batches:
                yield _row_by_row(self._result(as_python(function, *self._inputs(function, batch))))

        return predict

    def _inputs(self, function: Callable[..., Any], batch: Any) -> list[Any]:
        """Returns the function's input arrays: one of all columns, or one per column.

        Refuses (SW252) inputs for which PySpark raises.
        """
        wanted = len(inspect.signature(function).parameters)
        of_columns = type(batch) is tuple
        columns = list(batch.series.values() if isinstance(batch, TracedFrame) else batch if of_columns else [batch])
        shapes = self._shapes(wanted)
        if len(columns) == wanted > 1:
            return [_input(s, shape) for s, shape in zip(columns, shapes or [None] * wanted, strict=True)]
        if wanted != 1 or (len(columns) > 1 and of_columns):
            refuse("SW252", call=_CALL, error=f"ValueError: {wanted} inputs for {len(columns)} columns")
        if len(columns) == 1:
            return [_input(columns[0], shapes[0] if shapes else None)]
        if shapes and list(shapes[0] or []) != [len(columns)]:
            refuse("SW252", call=_CALL, error="ValueError: Input data does not match expected shape.")
        return [batch.to_numpy()]

    def _shapes(self, wanted: int) -> list[Any]:
        if isinstance(self.shapes, Mapping):
            shapes: list[Any] = [None] * wanted
            for index, shape in self.shapes.items():
                shapes[index] = shape
            return shapes
        shapes = list(self.shapes or [])
        if shapes and len(shapes) != wanted:
            refuse("SW252", call=_CALL, error="ValueError: input_tensor_shapes must match columns")
        return shapes

    def _result(self, predictions: Any) -> Any:
        """Returns the Series or DataFrame of the declared type. Refuses (SW825) other containers."""
        if type(self.return_type).__name__ == "StructType":
            names = self.return_type.names
            if not isinstance(predictions, dict) or set(predictions) != set(names):
                refuse("SW825", call=_CALL, what="something other than a dict of the declared columns")
            if not all(isinstance(p, TracedArray) and p.ndim == 1 for p in predictions.values()):
                refuse("SW825", call=_CALL, what="columns that are not one-dimensional arrays")
            return make_frame(predictions)
        if type(self.return_type).__name__ in _SCALARS and type(predictions) is TracedTexts:
            return make_series(predictions)
        if type(self.return_type).__name__ == "ArrayType" and isinstance(predictions, TracedArray) and predictions.ndim == 2:
            return python_values(predictions).column
        if type(self.return_type).__name__ not in _SCALARS or not isinstance(predictions, TracedArray):
            refuse("SW825", call=_CALL, what="something other than an array of numbers")
        if predictions.ndim == 2:
            if len(predictions.columns) != 1:
                refuse("SW252", call=_CALL, error="ValueError: Invalid shape for scalar prediction result.")
            predictions = predictions[:, 0]
        return make_series(predictions)


def predictor_of(function: Any) -> Predictor | None:
    """Returns the wrapper's variables if the function is the `predict_batch_udf` wrapper of the installed PySpark, else None."""
    library = sys.modules.get(_MODULE)
    if library is None or getattr(function, "__qualname__", "") != _NAME or not isinstance(function, types.FunctionType):
        return None
    codes = [c for c in library.predict_batch_udf.__code__.co_consts if isinstance(c, types.CodeType)]
    if function.__code__ not in codes:
        return None
    held = cells_of(function)
    return Predictor(held["make_predict_fn"], held["return_type"], held["input_tensor_shapes"])


def in_one_piece(function: Any) -> Any:
    """Returns the wrapper with a batch size that cuts no batch; any other function unchanged."""
    if predictor_of(function) is None:
        return function
    names = function.__code__.co_freevars
    cells = tuple(
        types.CellType(sys.maxsize) if name == "batch_size" else cell
        for name, cell in zip(names, function.__closure__, strict=True)
    )
    return types.FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__, cells)


def _row_by_row(result: Any) -> Any:
    """Returns the result. Refuses (SW825) a guard that requires some row of the batch: PySpark requires one in each chunk."""
    loop = current().loop
    if loop is not None and loop.some:
        refuse("SW825", call=_CALL, what="a dtype that depends on the rows of a chunk")
    return result


def _input(series: Any, shape: Any) -> TracedArray:
    """Returns the array of one column: of numbers, or a matrix of its arrays, which must have the declared length.

    PySpark reads the first array of a batch to find out whether there are any. A batch with a missing one runs in Python.
    """
    if not is_list_series(series):
        return _shaped(series.to_numpy(), shape)
    if not shape or len(shape) != 1 or type(shape[0]) is not int:
        refuse("SW262", call=_CALL, what="a column of arrays without one length for each in input_tensor_shapes")
    made: TracedArray = stacked(series).of_width(shape[0])
    return made


def _shaped(array: TracedArray, shape: Any) -> TracedArray:
    """Applies ``reshape([-1, *shape])`` to one column."""
    if not shape:
        return array
    if list(shape) != [1]:
        refuse("SW252", call=_CALL, error="ValueError: Invalid input_tensor_shape for scalar column.")
    made: TracedArray = ARRAY_METHODS["reshape"](array, -1, 1)
    return made
