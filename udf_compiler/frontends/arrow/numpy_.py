"""Converts Arrow arrays to NumPy arrays and back: ``Array.to_numpy`` and ``pa.array``."""

from __future__ import annotations

from typing import Any

from sparkweld.ir.arrow import ARROW_TYPES
from sparkweld.ir.types import BOOL
from udf_compiler.frontends.arrow.array import TracedArrow, name_of
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import raw


def to_numpy(x: TracedArrow, zero_copy_only: Any = True, writable: Any = False) -> TracedArray:
    """Returns the NumPy array; NULL floats become NaN.

    NULLs in other columns change the dtype of the whole batch, and without a copy they raise. Such rows are guarded where a
    flagged row returns its whole batch to the function itself (`Session.batches`); elsewhere the column is refused (SW251).
    """
    call, loop, value, type = "Array.to_numpy", x.loop, x.value, x.value.type
    if not isinstance(zero_copy_only, bool) or writable is not False:
        refuse("SW262", call=call, what=f"zero_copy_only={zero_copy_only!r}, writable={writable!r}")
    if not (type.is_float or type.is_int or (type == BOOL and not zero_copy_only)):
        refuse("SW251", call=f"{call} of {name_of(type)}")
    if x.valid is not None and type.is_float and not zero_copy_only:
        value = loop.select(x.valid, value, loop.const(float("nan"), type))
    elif x.valid is not None:
        if not current().batches:
            refuse("SW251", call=f"{call} of a column that may hold NULL")
        loop.guard(x.valid)
    return TracedArray(loop, (value,), shared=True)


def array(obj: Any, type: Any = None, mask: Any = None, size: Any = None, from_pandas: Any = None) -> TracedArrow:
    """Returns the Array of a NumPy array or a Series; by default, NaN becomes NULL only for a Series (`from_pandas`)."""
    call = "pa.array"
    series = isinstance(obj, TracedSeries)
    plain = series and obj.kind is NUMBERS or isinstance(obj, TracedArray) and obj.ndim == 1
    if not plain or obj.value.type not in ARROW_TYPES:
        refuse("SW262", call=call, what=raw(obj))
    own = ARROW_TYPES[obj.value.type]
    if mask is not None or size is not None or from_pandas not in (None, True, False) or not (type is None or type == own):
        refuse("SW262", call=call, what=f"{raw(obj)} as another type, or in part")
    loop, value = obj.loop, obj.value
    if not value.type.is_float or not (series if from_pandas is None else from_pandas):
        return TracedArrow(loop, value)
    return TracedArrow(loop, value, loop.call("logical_not", loop.call("isnan", value)))
