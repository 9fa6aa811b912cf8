"""Captures the same-length arrays of a session together: one capture context per number of rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa

from sparkweld.ir import Type, Value
from sparkweld.ir.ops import Optional
from sparkweld.ir.types import I32, I64, of_dtype
from sparkweld.pipelines import Capture, Runner
from udf_compiler.backends.worker_pipelines.black_boxes import Foreign
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import text_series

#: The name of the column of row numbers, added when the labels of filtered rows are needed.
POSITION = "position"


@dataclass(frozen=True)
class RowNumbers:
    """The numbers of all rows, generated per block on demand; a kernel widens the narrow numbers that it keeps."""

    type: Type
    nbytes: ClassVar[int] = 0

    def __getitem__(self, rows: slice) -> np.ndarray:
        return np.arange(rows.start, rows.stop, dtype=self.type.dtype)


@dataclass
class Options:
    """The options of a session. `threads`: 0 is all cores; `block_rows`: None is measured; `exact`: only bit-equal operations.

    `least_rows`: calls on fewer rows run at once.
    """

    threads: int = 0
    block_rows: int | None = None
    exact: bool = False
    least_rows: int = 0


@dataclass
class Space:
    """A capture over `rows` rows; `columns` are its inputs' data."""

    rows: int
    options: Options
    capture: Capture = field(default_factory=lambda: Capture("lazy"))
    columns: dict[str, Any] = field(default_factory=dict)
    runners: dict[Any, Runner] = field(default_factory=dict)
    last: Runner | None = None
    _known: dict[Any, tuple[Any, str]] = field(default_factory=dict)

    @property
    def is_recorded(self) -> bool:
        """Whether calls on this number of rows are recorded instead of run at once."""
        return self.rows >= max(self.options.least_rows, 1)

    def array(self, data: np.ndarray, example: Any = None) -> Any:
        """Returns the traced form of an array of the root's rows; the same array yields the same input."""
        source = self._input(data, of_dtype(data.dtype) if data.dtype.isnative else None, data)
        if isinstance(source, Value):
            return TracedArray(self.capture.loop(), (source,), shared=True)
        return Foreign(source, self.capture.root, "array", data[:4])

    def series(self, data: pd.Series) -> Any:
        """Returns the traced form of a Series of the root's rows."""
        if not isinstance(data.dtype, np.dtype):  # the array without its labels: slicing a Series may use labels
            return Foreign(self._named(data, None, data.array), self.capture.root, "series", data.iloc[:4])
        values = data.to_numpy()
        if data.dtype == object:
            return self._objects(values)
        source = self._input(values, of_dtype(data.dtype) if data.dtype.isnative else None, values)
        if isinstance(source, Value):
            return TracedSeries(self.capture.loop(), source, data.dtype, shared=True)
        return Foreign(source, self.capture.root, "series", data.iloc[:4])

    def _objects(self, values: np.ndarray) -> Any:
        """Returns the traced form of objects: text for strings whose missing values are all None or all NaN, else foreign."""
        elements = values.tolist()
        kinds = set(map(type, elements))
        none, nan = type(None) in kinds, float in kinds
        texts = str in kinds and kinds <= {str, type(None), float} and not (none and nan)
        absent = pd.isna(values) if none or nan else None
        if nan and absent is not None:  # floats other than NaN are not missing strings
            texts = texts and int(absent.sum()) == sum(type(v) is float for v in elements)
        if not texts or not _is_utf8(values if absent is not None else elements):
            return Foreign(self._named(values, None, values), self.capture.root, "series", values[:4])
        data = values if absent is None else Optional(np.where(absent, "", values), ~absent)
        source = self._input(values, Type("str", none or nan), data)
        return text_series(self.capture.loop(), source, Missing(none=none, nan=nan))

    def positions(self) -> Value:
        """Returns the number of each row."""
        if POSITION not in self.columns:
            numbers = self.columns[POSITION] = RowNumbers(I32 if self.rows <= np.iinfo(np.int32).max else I64)
            self.capture.input(POSITION, numbers.type)
        loop = self.capture.loop()
        return loop.cast(loop.read(POSITION), I64)

    def _input(self, owner: Any, type: Type | None, data: Any) -> Any:
        name = self._named(owner, type, data)
        return name if type is None else self.capture.loop().read(name)

    def _named(self, owner: Any, type: Type | None, data: Any) -> str:
        key = (owner.ctypes.data, owner.strides, owner.dtype) if isinstance(owner, np.ndarray) else id(owner)
        if key not in self._known:
            name = f"in{len(self._known)}"
            self.columns[name] = data
            self.capture.input(name, type)
            self._known[key] = owner, name
        return self._known[key][1]


def _is_utf8(texts: Any) -> bool:
    """Whether the strings have no lone surrogates; they are a list when none is missing."""
    if isinstance(texts, list) and "".join(texts).isascii():
        return True
    try:
        pa.array(texts, pa.string(), from_pandas=True)
        return True
    except UnicodeEncodeError:
        return False
