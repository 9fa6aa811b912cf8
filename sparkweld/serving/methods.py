"""Runs a program in place of a method of a fitted model, for tables of exactly the dtypes that it was compiled for.

A model's method takes the caller's table itself, so nothing is converted here that could change its result. For a table of
another kind, with other columns or with values of other classes, the caller calls the model's own method.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from sparkweld.serving.columns import buffer_of
from sparkweld.serving.program import ServedProgram
from sparkweld.serving.results import array_of
from sparkweld.serving.runner import Buffer
from sparkweld.serving.signature import Column

#: Kinds of tables: a DataFrame, a matrix, or documents (a list, a Series or an array of strings).
FRAME, MATRIX, DOCUMENTS = "frame", "matrix", "documents"

#: dtype of a column -> Spark's name of its type, whose columns a Spark worker passes with this very dtype.
_TYPES = {
    np.dtype(np.bool_): "boolean", np.dtype(np.int8): "byte", np.dtype(np.int16): "short", np.dtype(np.int32): "integer",
    np.dtype(np.int64): "long", np.dtype(np.float32): "float", np.dtype(np.float64): "double", np.dtype(object): "string",
}  # fmt: skip
_STRINGS = {str, type(None)}


@dataclass(frozen=True)
class Layout:
    """The kind of a table, with the names and Spark's types of its columns, in order. Columns of objects count as strings."""

    kind: str
    names: tuple[str, ...]
    types: tuple[str, ...]

    @property
    def columns(self) -> dict[str, str]:
        """Returns name -> type."""
        return dict(zip(self.names, self.types, strict=True))


@dataclass(frozen=True)
class Result:
    """What a method returns: an array of one or two dimensions, or a DataFrame.

    `dtypes`: that of the array, or one for each column of a DataFrame. `names`: of a DataFrame's columns, else None. `width`: the
    number of columns of a matrix or a DataFrame, 0 for an array of one dimension.
    """

    dtypes: tuple[str, ...]
    names: tuple[str, ...] | None
    width: int

    @property
    def types(self) -> list[str]:
        """Returns Spark's names of the types of all columns."""
        dtypes = self.dtypes if self.names is not None else self.dtypes * max(self.width, 1)
        return ["string" if np.dtype(d).kind == "U" else _TYPES[np.dtype(d)] for d in dtypes]


class Method:
    """A program that computes what a method of a model returns for tables of one layout."""

    def __init__(self, program: ServedProgram, layout: Layout, result: Result) -> None:
        self.program, self.layout, self.result = program, layout, result
        self._places = {name: at for at, name in enumerate(layout.names)}
        self._dtypes = [np.dtype(name) for name in result.dtypes]

    def __call__(self, data: Any) -> Any:
        """Returns the method's result for a table of this layout; None where only the model itself can compute it."""
        rows = len(data)
        strings = self._strings(data)
        if not rows or strings is None:
            return None
        form = self.program.form(frozenset(name for name, array in strings.items() if array.null_count))
        if form is None:
            return None
        runner = form.runner_of(rows)
        column = self._reader(data)
        given = [
            buffer_of(strings[c.name], c) if c.name in strings else Buffer(column(c.name))
            for c in runner.signature.inputs
        ]
        made = runner.run(given, rows)
        return None if made is None else self._returned(made, data)

    def _strings(self, data: Any) -> dict[str, pa.Array] | None:
        """Returns the columns of strings as Arrow arrays; None where one holds anything but str and None."""
        found = {}
        for name, kind in zip(self.layout.names, self.layout.types, strict=True):
            if kind == "string":
                values = data[name] if self.layout.kind == FRAME else data
                listed = values.tolist() if hasattr(values, "tolist") else values
                if not _STRINGS.issuperset(map(type, listed)):
                    return None
                try:
                    found[name] = pa.array(listed, pa.string())
                except (pa.ArrowInvalid, UnicodeEncodeError):  # a lone surrogate
                    return None
        return found

    def _reader(self, data: Any) -> Callable[[str], np.ndarray]:
        """Returns a function from the name of a column of numbers to its values."""
        if self.layout.kind == FRAME and len(set(self.layout.types)) > 1:
            return lambda name: data[name].to_numpy()  # type: ignore[no-any-return]
        matrix = data.to_numpy() if self.layout.kind == FRAME else data
        return lambda name: matrix[:, self._places[name]]  # type: ignore[no-any-return]

    def _returned(self, made: Sequence[Buffer], data: Any) -> Any:
        dtypes = self._dtypes if self.result.names is not None else self._dtypes * len(made)
        columns = []
        for buffer, output, dtype in zip(made, self.program.outputs, dtypes, strict=True):
            values = _values(buffer, output, dtype)
            if values is None:
                return None
            columns.append(values)
        if self.result.names is None:
            return columns[0] if not self.result.width else np.column_stack(columns)
        import pandas as pd

        index = data.index if self.layout.kind == FRAME else None
        return pd.DataFrame(dict(zip(self.result.names, columns, strict=True)), index=index)

    def to_json(self) -> dict[str, Any]:
        """Returns the layout and the result as JSON."""
        return {"layout": asdict(self.layout), "result": asdict(self.result)}

    @staticmethod
    def of_json(program: ServedProgram, data: Mapping[str, Any]) -> Method:
        """Inverts `to_json`. Raises KeyError, TypeError and ValueError for other JSON."""
        layout, result = data["layout"], data["result"]
        names = result["names"]
        return Method(
            program, Layout(str(layout["kind"]), tuple(layout["names"]), tuple(layout["types"])),
            Result(tuple(result["dtypes"]), None if names is None else tuple(names), int(result["width"])),
        )  # fmt: skip


def layout_of(data: Any, documents: bool = False) -> Layout | str:
    """Returns the layout of a table, or a phrase for what programs do not take.

    `documents`: the model takes one column of strings alone.
    """
    if documents:
        plain = type(data) is list or getattr(data, "ndim", 0) == 1 and str(getattr(data, "dtype", "")) == "object"
        return Layout(DOCUMENTS, ("document",), ("string",)) if plain else _described(data)
    if type(data) is np.ndarray:
        if data.ndim != 2 or data.dtype == object or data.dtype not in _TYPES:
            return f"an array of {data.ndim} dimensions and of {data.dtype}"
        return Layout(MATRIX, tuple(f"x{at}" for at in range(data.shape[1])), (_TYPES[data.dtype],) * data.shape[1])
    if not _is_frame(data):
        return _described(data)
    names, dtypes = data.columns.tolist(), data.dtypes.tolist()
    odd = [name for name, dtype in zip(names, dtypes, strict=True) if not (isinstance(dtype, np.dtype) and dtype in _TYPES)]
    if odd:
        return f"the column {odd[0]!r} of {data.dtypes[odd[0]]}"
    if {str} != set(map(type, names)) or len(set(names)) < len(names):
        return "a DataFrame whose columns have no names, or the same"
    return Layout(FRAME, tuple(names), tuple(_TYPES[dtype] for dtype in dtypes))


def result_of(made: Any, rows: Any, layout: Layout) -> Result | str:
    """Returns what a method returned for some `rows`, or a phrase for what programs cannot return."""
    if type(made) is np.ndarray and made.ndim in (1, 2) and len(made) == len(rows):
        if made.dtype not in _TYPES and made.dtype.kind != "U":
            return f"an array of {made.dtype}"
        if made.dtype == object and not {str}.issuperset(map(type, made.ravel().tolist())):
            return "an array of objects"
        return Result((made.dtype.str,), None, 0 if made.ndim == 1 else made.shape[1])
    if _is_frame(made):
        found = layout_of(made)
        if isinstance(found, str):
            return found
        if not made.index.equals(rows.index if layout.kind == FRAME else type(made)(index=range(len(rows))).index):
            return "a DataFrame with another index"
        if "string" in found.types:
            return "a DataFrame with columns of objects"
        return Result(tuple(dtype.str for dtype in made.dtypes), found.names, len(found.names))
    return _described(made)


def _values(buffer: Buffer, output: Column, dtype: np.dtype) -> np.ndarray | None:
    """Returns a column of a result; None where it has a NULL that is no NaN."""
    missing = buffer.nulls is not None and bool(buffer.nulls.any())
    if output.kind == "str":
        return None if missing else np.array(array_of(buffer, output).to_pylist(), dtype)
    if missing and dtype.kind != "f":
        return None
    values = np.where(buffer.nulls != 0, np.nan, buffer.values) if missing else buffer.values  # type: ignore[operator]
    return values.astype(dtype, copy=False)


def _is_frame(data: Any) -> bool:
    """Whether it is a DataFrame of pandas itself, which need not be loaded; no subclass."""
    return type(data).__name__ == "DataFrame" and type(data).__module__.partition(".")[0] == "pandas"


def _described(data: Any) -> str:
    return f"a {type(data).__module__.partition('.')[0]}.{type(data).__qualname__}"
