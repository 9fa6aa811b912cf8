"""Converts Arrow arrays to program columns and back: NULL stays NULL, and NaN stays NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from sparkweld.ir.ops import Optional
from sparkweld.ir.types import BOOL, DATE, F32, F64, I8, I16, I32, I64, STR, Type

#: Arrow types of kernel columns.
ARROW_TYPES: dict[Type, pa.DataType] = {
    BOOL: pa.bool_(),
    I8: pa.int8(),
    I16: pa.int16(),
    I32: pa.int32(),
    I64: pa.int64(),
    F32: pa.float32(),
    F64: pa.float64(),
    DATE: pa.date32(),
    STR: pa.string(),
}
IR_TYPES = {arrow: ir for ir, arrow in ARROW_TYPES.items()}


def column_of(array: pa.Array) -> Optional:
    """Converts an array of one of these types to a column, with zero (or "") in place of NULL.

    Copies only where Arrow has no view. Raises UnicodeDecodeError for bytes that are not valid UTF-8.
    """
    if array.type == pa.date32():
        array = array.view(pa.int32())
    if not array.null_count:
        return Optional(array.to_numpy(zero_copy_only=False), np.ones(len(array), np.bool_))
    filled = array.fill_null(IR_TYPES[array.type].zero)
    return Optional(filled.to_numpy(zero_copy_only=False), array.is_valid().to_numpy(zero_copy_only=False))


def array_of(column: Any, type: Type) -> pa.Array:
    """Converts a column of this type to an array, and returns an array unchanged.

    Raises UnicodeEncodeError for a lone surrogate.
    """
    if isinstance(column, pa.Array):
        return column
    values = column.values if isinstance(column, Optional) else column
    mask = ~column.valid if isinstance(column, Optional) and not column.valid.all() else None
    arrow = ARROW_TYPES[type.plain()]
    made = pa.array(values, pa.int32() if arrow == pa.date32() else arrow, mask, from_pandas=False)
    return made.view(arrow)
