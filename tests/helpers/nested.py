"""Takes columns of maps, and of arrays of structs, arrays or maps, apart as `NestedParts.scala` does, and names the parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tests.helpers.compile_requests import column

Rows = list[Any]


def is_partwise(type: pa.DataType) -> bool:
    """Whether a column is stored as parts."""
    of = type.value_type if pa.types.is_list(type) else type
    return pa.types.is_map(type) or (of is not type and (pa.types.is_nested(of) or pa.types.is_temporal(of)))


def parts_of(name: str, array: pa.Array) -> dict[str, pa.Array]:
    """Returns the columns that a column is stored as, by name."""
    rows = array.to_pylist()
    if pa.types.is_map(array.type):
        return dict(_entries(name, array.type, rows))
    return dict(_elements(name, array.type.value_type, rows))


def _entries(name: str, type: pa.DataType, rows: Rows) -> Iterator[tuple[str, pa.Array]]:
    for at, (part, of) in enumerate({"keys": type.key_type, "values": type.item_type}.items()):
        yield from _elements(f"{name}.{part}", of, [row and [item[at] for item in row] for row in rows])


def _elements(name: str, type: pa.DataType, rows: Rows) -> Iterator[tuple[str, pa.Array]]:
    """Yields the parts of lists with elements of a type."""
    if pa.types.is_struct(type):
        for field in type:
            values = [row and [x and x[field.name] for x in row] for row in rows]
            yield from _elements(f"{name}.{field.name}", field.type, values)
    elif pa.types.is_list(type) or pa.types.is_map(type):
        bounds = [_bounds(row) for row in rows]
        for at, part in enumerate(("starts", "ends")):
            yield f"{name}.{part}", pa.array([row and [x and x[at] for x in row] for row in bounds], pa.list_(pa.int64()))
        inside = [None if row is None else [y for x in row for y in x or ()] for row in rows]
        if pa.types.is_map(type):
            yield from _entries(name, type, inside)
        else:
            yield from _elements(f"{name}.elements", type.value_type, inside)
    else:
        values = pa.array(rows, pa.list_(type))
        yield name, values.cast(pa.list_(_number_of(type))) if pa.types.is_temporal(type) else values


def _number_of(type: pa.DataType) -> pa.DataType:
    return pa.int32() if pa.types.is_date(type) else pa.int64()


def _bounds(row: Rows | None) -> Rows | None:
    if row is None:
        return None
    found, end = [], 0
    for x in row:
        start, end = end, end + len(x or ())
        found.append(None if x is None else (start, end))
    return found


def lists_of(starts: Rows | None, ends: Rows | None, elements: Rows | None) -> Rows | None:
    """Returns the lists of a row of which a kernel returns the parts."""
    if starts is None or ends is None or elements is None:
        assert starts is ends is elements, "some parts are NULL"
        return None
    return [elements[start:end] for start, end in zip(starts, ends, strict=True)]


def argument_of(name: str, type: pa.DataType, inputs: dict[str, str]) -> dict[str, Any]:
    """Returns the expression of a column that is stored as parts."""
    return _map(name, type, inputs) if pa.types.is_map(type) else _list(name, type.value_type, inputs)


def _map(name: str, type: pa.DataType, inputs: dict[str, str]) -> dict[str, Any]:
    args = [_list(f"{name}.{part}", of, inputs) for part, of in (("keys", type.key_type), ("values", type.item_type))]
    return {"op": "MapFromArrays", "names": ["keys", "values"], "args": args, "type": "parts"}


def _list(name: str, type: pa.DataType, inputs: dict[str, str]) -> dict[str, Any]:
    if pa.types.is_struct(type):
        args = [_list(f"{name}.{field.name}", field.type, inputs) for field in type]
        return {"op": "ArraysZip", "names": [field.name for field in type], "args": args, "type": "parts"}
    if pa.types.is_temporal(type):
        of = "date" if pa.types.is_date(type) else "timestamp_ntz" if type.tz is None else "timestamp"
        return {"op": "Times", "names": ["numbers"], "args": [column(name, inputs[name])], "type": f"array<{of}>"}
    if not (pa.types.is_list(type) or pa.types.is_map(type)):
        return column(name, inputs[name])
    bounds = [column(f"{name}.{part}", inputs[f"{name}.{part}"]) for part in ("starts", "ends")]
    inside = _map(name, type, inputs) if pa.types.is_map(type) else _list(f"{name}.elements", type.value_type, inputs)
    return {"op": "Slices", "names": ["starts", "ends", "elements"], "args": [*bounds, inside], "type": "parts"}
