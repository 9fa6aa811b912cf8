"""Runs the original function in Python, for rows and batches that a kernel may not decide.

The function receives what Spark's worker would pass: Python values of one row, pandas Series, or a DataFrame.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from sparkweld.errors import UserError
from sparkweld.serving.columns import ARROW
from sparkweld.serving.signature import Column

#: What a function takes: the values of one row, a Series for each column, one DataFrame, or the one column as a Series.
ROW, SERIES, FRAME = "row", "series", "frame"


@dataclass(frozen=True)
class Original:
    """A Python function and what it takes. `names`: those of the columns in a DataFrame. `pickled`: the function in a file."""

    function: Callable[..., Any]
    takes: str
    names: tuple[str, ...]
    pickled: bytes = field(repr=False, default=b"")

    def run(self, columns: Sequence[pa.Array], outputs: Sequence[Column], struct: bool) -> list[pa.Array]:
        """Returns the output columns, those of a `struct` where the function returns one.

        Passes on the function's own exceptions; raises UserError for a result of another type.
        """
        if self.takes == ROW:
            made = [self.function(*row) for row in zip(*(column.to_pylist() for column in columns), strict=True)]
            names = [column.name for column in outputs]
            rows = [_fields(x, names) for x in made] if struct else [[x] for x in made]
            parts = [[fields[at] for fields in rows] for at in range(len(names))]
            return [_array(part, column) for part, column in zip(parts, outputs, strict=True)]
        import pandas as pd

        series = [_as_series(column) for column in columns]
        given = [pd.DataFrame(dict(zip(self.names, series, strict=True)))] if self.takes == FRAME else series
        result = self.function(*given)
        if not hasattr(result, "__len__") or len(result) != len(columns[0]):
            what = f"{len(result)} rows" if hasattr(result, "__len__") else f"a {type(result).__name__}"
            raise UserError(f"the function returned {what} for {len(columns[0])} rows")
        parts = [result.iloc[:, at] for at in range(len(outputs))] if isinstance(result, pd.DataFrame) else [result]
        return [_series(part, column) for part, column in zip(parts, outputs, strict=True)]


def _as_series(column: pa.Array) -> Any:
    """Returns a column as Spark's worker passes it: nanoseconds, and NULLs in arrays of integers as None."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ns"))
    return column.to_pandas(date_as_object=True, integer_object_nulls=pa.types.is_list(column.type))


def _fields(made: Any, names: list[str]) -> Sequence[Any]:
    """Returns the fields of a struct as a function returns it: a dict, a tuple or Row, or None, whose fields are NULL."""
    if made is None:
        return [None] * len(names)
    fields = [made.get(name) for name in names] if isinstance(made, dict) else list(made)
    if len(fields) != len(names):
        raise UserError(f"the function returned {len(fields)} fields; it is declared to return {', '.join(names)}")
    return fields


def _array(values: list[Any], column: Column) -> pa.Array:
    """Returns the results of rows as Spark converts them: anything to a string, and only datetimes without a zone to one."""
    if column.kind == "str":
        values = [_string(x) for x in values]
    elif column.element == "str" and all(x is None or isinstance(x, list) for x in values):
        values = [None if x is None else [_string(y) for y in x] for x in values]
    elif column.element == "str" or (column.kind == "ts" and not all(x is None or _is_naive(x) for x in values)):
        raise UserError(f"the function returned a value that is no {column.type}")
    try:
        return pa.array(values, ARROW[column.type])
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise UserError(f"the function returned a value that is no {column.type}: {error}") from None


def _string(value: Any) -> str | None:
    if value is None or type(value) is str:
        return value
    return str(value).lower() if value is True or value is False else str(value)


def _is_naive(value: Any) -> bool:
    return isinstance(value, datetime.datetime) and value.tzinfo is None


def _series(values: Any, column: Column) -> pa.Array:
    """Returns a column, whose values are not rounded and do not wrap, as by default since Spark 4.1."""
    try:
        return pa.Array.from_pandas(values, type=ARROW[column.type], safe=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise UserError(f"the function returned a column that is no {column.type}: {error}") from None
