"""Converts a table, or one row, to Arrow columns of a program's types, and these to what a kernel reads.

Accepted are dicts of sequences, pandas DataFrames, Arrow tables and record batches, and matrices. None, pandas' NA and NaT, and
masked values are NULL; a NaN in a column of floats stays NaN. Nothing is guessed: a missing, unknown or repeated column and a
value of another class are UserErrors.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np
import pyarrow as pa

from sparkweld.errors import UserError
from sparkweld.serving.runner import Buffer
from sparkweld.serving.signature import Column

#: Spark's name of a type -> Arrow's type. A timestamp with a zone is not served: functions see it in their worker's local time.
ARROW: dict[str, pa.DataType] = {
    "boolean": pa.bool_(), "byte": pa.int8(), "short": pa.int16(), "integer": pa.int32(), "long": pa.int64(),
    "float": pa.float32(), "double": pa.float64(), "string": pa.string(), "date": pa.date32(),
    "timestamp_ntz": pa.timestamp("us"),
}  # fmt: skip
ARROW.update({f"array<{name}>": pa.list_(type) for name, type in list(ARROW.items())[:8]})


def columns_of(data: Any, columns: Sequence[Column]) -> list[pa.Array]:
    """Returns the columns of a table, in order. Raises UserError for other columns, other types and columns of other lengths."""
    table = _as_mapping(data, [column.name for column in columns])
    _check_names(table, columns)
    arrays = [converted(table[column.name], column) for column in columns]
    if len({len(array) for array in arrays}) > 1:
        sizes = ", ".join(f"{column.name} {len(array)}" for column, array in zip(columns, arrays, strict=True))
        raise UserError(f"the columns have different numbers of rows: {sizes}")
    return arrays


def matrix_of(data: Any, names: Sequence[str], read: Sequence[int]) -> np.ndarray | None:
    """Returns a contiguous float64[columns, rows] of some columns of a table that has floats only, far faster than `columns_of`.

    `names`: the table's columns; `read`: the positions of those that are returned. None for other tables: those of other columns
    or types, of None, and without rows.
    """
    matrix = None
    if isinstance(data, np.ndarray):
        matrix = data.T if data.ndim == 2 and not isinstance(data, np.ma.MaskedArray) else None
    elif isinstance(data, dict):
        arrays = [array for name in names if (array := _floats(data.get(name))) is not None]
        if len(data) == len(names) == len(arrays) and len({len(array) for array in arrays}) == 1:
            return np.stack([arrays[at] for at in read]) if read else np.empty((0, len(arrays[0])))
    elif hasattr(data, "iloc") and getattr(data, "ndim", 0) == 2 and {*data.dtypes} == {np.dtype(np.float64)}:
        found = data.columns.tolist()
        if found == list(names) or [*map(str, found)] == list(names):  # numbers are names of columns, too
            matrix = data.to_numpy().T
        elif len(found) == len(names) and {*found} == {*names}:
            matrix = data[list(names)].to_numpy().T
    if matrix is None or matrix.dtype != np.float64 or len(matrix) != len(names) or not matrix.shape[1]:
        return None
    return np.ascontiguousarray(matrix if [*read] == [*range(len(names))] else matrix[read])


def _floats(values: Any) -> np.ndarray | None:
    """Returns float64[rows], at least one, where a column has floats only, else None."""
    if isinstance(values, list):
        return np.array(values) if {*map(type, values)} == {float} else None
    is_array = isinstance(values, np.ndarray) and not isinstance(values, np.ma.MaskedArray)
    return values if is_array and values.ndim == 1 and values.dtype == np.float64 and len(values) > 0 else None


def converted(values: Any, column: Column) -> pa.Array:
    """Returns a sequence as an Arrow array of the column's type; raises UserError where a value has another class."""
    expected = ARROW[column.type]
    try:
        given = isinstance(values, pa.Array | pa.ChunkedArray)
        made = values if given else _of_values(values, expected)
        if isinstance(made, pa.ChunkedArray):
            made = made.combine_chunks()
        if given and not pa.types.is_primitive(made.type):
            made.validate(full=True)  # kernels read no byte beyond a string only if it is valid UTF-8
        if not len(made):
            return pa.nulls(0, expected)
        if made.type != expected:
            _check_class(made.type, expected)
            made = made.cast(expected)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, TypeError, ValueError) as error:
        raise UserError(f"column {column.name!r} does not hold {column.type}: {error}") from None
    return made


def buffer_of(array: pa.Array, column: Column) -> Buffer:
    """Returns what a kernel reads of a column. The caller has checked for NULLs in a column that is not nullable."""
    if not array.null_count and column.kind in ("f64", "f32", "i64", "i32", "i16", "i8"):
        return Buffer(array.to_numpy(), None, array)
    valid = np.ones(len(array), np.bool_) if not array.null_count else np.asarray(array.is_valid())
    nulls = None if not array.null_count else (~valid).view(np.uint8)
    if pa.types.is_string(array.type):
        return Buffer(_views(array, valid), nulls, array)
    if pa.types.is_list(array.type):
        return _list_buffer(array, valid, nulls)
    if pa.types.is_date(array.type) or pa.types.is_timestamp(array.type):
        array = array.view(pa.int32() if pa.types.is_date(array.type) else pa.int64())
    plain = array if nulls is None else array.fill_null(False if pa.types.is_boolean(array.type) else 0)
    return Buffer(np.asarray(plain.to_numpy(zero_copy_only=False), column.dtype), nulls, plain)


def _list_buffer(array: pa.ListArray, valid: np.ndarray, nulls: np.ndarray | None) -> Buffer:
    """Returns views of a list column: the address of the first element and the number of elements, ~n with a NULL among them."""
    held: Any = array.values
    missing = np.zeros(len(held) + 1, np.int64)
    if held.null_count:
        np.cumsum(np.asarray(held.is_null()), out=missing[1:])
    if pa.types.is_string(held.type):
        element = np.ascontiguousarray(_views(held, np.asarray(held.is_valid())))
    else:
        plain = held.fill_null(False if pa.types.is_boolean(held.type) else 0) if held.null_count else held
        element = np.ascontiguousarray(plain.to_numpy(zero_copy_only=False))
    offsets = np.asarray(array.offsets, np.int64)
    starts, counts = offsets[:-1], np.diff(offsets) * valid
    size = 16 if element.ndim == 2 else element.itemsize
    incomplete = missing[starts + counts] > missing[starts]
    views = np.column_stack([element.ctypes.data + starts * size, np.where(incomplete, ~counts, counts)])
    return Buffer(views, nulls, (array, element, held))


def _views(array: pa.StringArray, valid: np.ndarray) -> np.ndarray:
    """Returns the address and the length of each string in the array's own memory."""
    _, offsets, data = array.buffers()
    if not len(array) or offsets is None:
        return np.zeros((len(array), 2), np.int64)
    ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    return np.column_stack([ends[:-1] + (0 if data is None else data.address), np.diff(ends) * valid])


def _of_values(values: Any, expected: pa.DataType) -> pa.Array | pa.ChunkedArray:
    """Returns an Arrow array of values that are not Arrow's; lets Arrow infer their class, so that none is converted silently."""
    if hasattr(values, "dtype") and hasattr(values, "to_numpy") and not isinstance(values, np.ndarray):  # a pandas Series
        if values.dtype == object:
            return _of_objects(values.tolist(), expected)
        floats = isinstance(values.dtype, np.dtype) and values.dtype.kind == "f"
        return pa.array(values.to_numpy(), from_pandas=False) if floats else pa.Array.from_pandas(values)
    if isinstance(values, np.ndarray) and values.dtype != object:
        return pa.array(values)
    # One string or number is no column, and iterating over a dict would return its keys, such as those of `to_dict()`.
    if isinstance(values, str | bytes | Mapping | Set):
        raise pa.ArrowTypeError(f"a {type(values).__name__} is not a sequence of values")
    return _of_objects(list(values), expected)


def _of_objects(values: list[Any], expected: pa.DataType) -> pa.Array:
    pandas = sys.modules.get("pandas")
    missing = {id(x) for x in (pandas.NA, pandas.NaT)} if pandas is not None else set()
    values = [None if id(x) in missing else x for x in values]
    kinds = {type(x) for x in values if x is not None}
    if pa.types.is_floating(expected) and kinds <= {int, float}:  # as Spark reads Python numbers in a column of floats
        return pa.array(values, expected)
    if pa.types.is_date(expected) and not kinds <= {datetime.date}:  # Arrow would drop the time of a datetime
        raise pa.ArrowTypeError(f"it holds {', '.join(sorted(kind.__name__ for kind in kinds))}")
    if pa.types.is_string(expected) and any(x != x for x in values if type(x) is float):
        raise pa.ArrowTypeError("it holds NaN: pass None for a missing string")
    if pa.types.is_timestamp(expected) and any(getattr(x, "tzinfo", None) or getattr(x, "nanosecond", 0) for x in values):
        raise pa.ArrowTypeError("it holds datetimes with zones or nanoseconds")  # Arrow would drop these
    return pa.array(values) if kinds else pa.nulls(len(values), expected)


def _check_class(found: pa.DataType, expected: pa.DataType) -> None:
    """Raises ArrowTypeError unless values of the found type are values of the other one, if they are in range."""
    if pa.types.is_list(expected) and (pa.types.is_list(found) or pa.types.is_large_list(found)):
        return _check_class(found.value_type, expected.value_type)
    if pa.types.is_string(expected):
        values = found.value_type if pa.types.is_dictionary(found) else found
        kinds = (pa.types.is_string, pa.types.is_large_string, getattr(pa.types, "is_string_view", lambda type: False))
        if any(is_kind(values) for is_kind in kinds):
            return None
    if pa.types.is_timestamp(found) and pa.types.is_timestamp(expected) and found.tz is None:
        return None
    for is_kind in (pa.types.is_integer, pa.types.is_boolean, pa.types.is_date):
        if is_kind(found) and is_kind(expected):
            return None
    if pa.types.is_floating(expected) and (pa.types.is_integer(found) or pa.types.is_floating(found)):
        return None
    if pa.types.is_null(found):
        return None
    raise pa.ArrowTypeError(f"it holds {found}")


def _as_mapping(data: Any, names: Sequence[str]) -> Mapping[str, Any]:
    if isinstance(data, Mapping):
        return data
    if isinstance(data, pa.Table | pa.RecordBatch):
        return _unrepeated(data.schema.names, data.columns)
    if isinstance(data, np.ndarray) and data.ndim == 2:
        if data.shape[1] != len(names):
            raise UserError(f"the matrix has {data.shape[1]} columns; the program takes {len(names)}: {_listed(names)}")
        return dict(zip(names, data.T, strict=True))
    if hasattr(data, "columns") and hasattr(data, "iloc"):
        return _unrepeated([str(name) for name in data.columns], (column for _, column in data.items()))
    raise UserError(f"a {type(data).__name__} is not a table: pass a DataFrame, a dict of columns, an Arrow table or a matrix")


def _unrepeated(names: Sequence[str], columns: Iterable[Any]) -> dict[str, Any]:
    made = dict(zip(names, columns, strict=True))
    if len(made) < len(names):
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise UserError(f"{_listed(repeated)} names several columns of the table")
    return made


def check_row(row: Any, columns: Sequence[Column]) -> None:
    """Raises UserError unless a row is a mapping with a value for each column and no other."""
    if not isinstance(row, Mapping):
        raise UserError(f"a {type(row).__name__} is not a row: pass a dict with a value for each column")
    _check_names(row, columns)


def _check_names(given: Mapping[str, Any], columns: Sequence[Column]) -> None:
    names = [column.name for column in columns]
    missing, extra = [n for n in names if n not in given], [n for n in given if n not in names]
    if missing or extra:
        what = [f"{_listed(missing)} is missing"] if missing else []
        what += [f"{_listed(extra)} is not a column of the program"] if extra else []
        raise UserError(f"{' and '.join(what)}; it takes {', '.join(f'{c.name} {c.type}' for c in columns)}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:12])) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
