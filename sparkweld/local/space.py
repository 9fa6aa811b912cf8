"""What is captured together: the data of one session that have one number of rows, in one capture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sparkweld.ir import Type, Value
from sparkweld.ir.ops import Optional
from sparkweld.ir.types import I64, of_dtype
from sparkweld.local.traced import Foreign
from sparkweld.pipelines import Capture, Runner
from udf_compiler.trace import TracedArray, TracedSeries
from udf_compiler.trace.text import Missing, text_series

#: Name of the column of row numbers, made when rows are filtered and their labels are asked for.
POSITION = "position"


@dataclass
class Options:
    """How a session runs. `threads`: 0 is all cores; `block_rows`: None is measured; `exact`: only what is bit-equal."""

    threads: int = 0
    block_rows: int | None = None
    exact: bool = False


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

    def array(self, data: np.ndarray, example: Any = None) -> Any:
        """The traced form of an array of the root's rows; the same input again for the same array."""
        source = self._input(data, of_dtype(data.dtype) if data.dtype.isnative else None, data)
        if isinstance(source, Value):
            return TracedArray(self.capture.loop(), (source,), shared=True)
        return Foreign(source, self.capture.root, "array", data[:4])

    def series(self, data: pd.Series) -> Any:
        """The traced form of a Series of the root's rows."""
        values = data.to_numpy() if isinstance(data.dtype, np.dtype) else data
        if isinstance(data.dtype, np.dtype) and data.dtype == object:
            return self._objects(values)
        type = of_dtype(data.dtype) if isinstance(data.dtype, np.dtype) and data.dtype.isnative else None
        source = self._input(values, type, values)
        if isinstance(source, Value):
            return TracedSeries(self.capture.loop(), source, data.dtype, shared=True)
        return Foreign(source, self.capture.root, "series", data.iloc[:4])

    def _objects(self, values: np.ndarray) -> Any:
        """Strings, all missing ones None or all NaN, as text; any other objects as they are."""
        kinds = set(map(type, values.tolist()))
        none, nan = type(None) in kinds, float in kinds
        texts = str in kinds and kinds <= {str, type(None), float} and not (none and nan) and _is_utf8(values)
        absent = pd.isna(values)
        if not texts or (nan and len(kinds) == 2 and absent.sum() != sum(type(v) is float for v in values.tolist())):
            return Foreign(self._named(values, None, values), self.capture.root, "series", values[:4])
        data = Optional(np.where(absent, "", values), ~absent) if none or nan else values
        source = self._input(values, Type("str", none or nan), data)
        return text_series(self.capture.loop(), source, Missing(none=none, nan=nan))

    def positions(self) -> Value:
        """The number of each row."""
        if POSITION not in self.columns:
            self.columns[POSITION] = np.arange(self.rows)
            self.capture.input(POSITION, I64)
        return self.capture.loop().read(POSITION)

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


def _is_utf8(values: np.ndarray) -> bool:
    try:
        pa.array(values, pa.string(), from_pandas=True)
        return True
    except UnicodeEncodeError:  # a lone surrogate
        return False
