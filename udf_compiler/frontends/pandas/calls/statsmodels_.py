"""Lowers `statsmodels.tools.tools.add_constant` on traced columns: a column of ones beside those of a model's matrix."""

from __future__ import annotations

import sys
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL, F64
from udf_compiler.frontends.pandas import batch_dependent
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.numpy_ import has_traced
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw

_MODULE, _NAME = "statsmodels.tools.tools", "const"
#: Scatters integers up to a billion, and numbers that differ by a millionth or more, over fractions.
_SCATTER = 618_033.618033988


def add_constant(data: Any, prepend: Any = True, has_constant: Any = "skip") -> Any:
    """Implements add_constant of numeric frames and arrays. Refuses (SW262) other arguments, and a column that exists.

    Unless `has_constant` is "add", the library looks for a constant column in the batch. A guard proves that there is none.
    """
    call = f"{_MODULE}.add_constant"
    if not has_traced((data, prepend, has_constant)):
        return sys.modules[_MODULE].add_constant(data, prepend, has_constant)
    if type(prepend) is not bool or type(has_constant) is not str or has_constant not in ("raise", "add", "skip"):
        refuse("SW262", call=call, what="another prepend or has_constant")
    if isinstance(data, TracedSeries):
        refuse("SW262", call=call, what="a Series")
    if not isinstance(data, TracedFrame | TracedArray):
        refuse("SW262", call=call, what=f"an argument {raw(data)}")
    loop = data.loop
    for value in _values(data, call):
        if has_constant != "add":
            _guard_that_values_differ(loop, value)
    one = loop.const(1.0, F64)
    if isinstance(data, TracedArray):
        loop.guard_some(loop.const(True, BOOL))  # the library raises for an array without rows, and not for a frame
        columns = [loop.cast(column, F64) for column in data.columns]
        return TracedArray(loop, [one, *columns] if prepend else [*columns, one], 2, "C")
    ones = {_NAME: TracedSeries(loop, one, F64.dtype)}
    return TracedFrame(loop, {**ones, **data.series} if prepend else {**data.series, **ones})


def _values(data: TracedFrame | TracedArray, call: str) -> list[Value]:
    """Returns the columns as numbers. Refuses (SW262) those of other types, and a column of the new name."""
    if isinstance(data, TracedArray):
        values = list(data.columns)
    else:
        if _NAME in data.series:
            refuse("SW262", call=call, what=f"a DataFrame with a column {_NAME!r}")
        for series in data.series.values():
            series.kind.check_numeric(call)
        values = [batch_dependent.plain(series, call).value for series in data.series.values()]
    if any(value.type.dtype.kind not in "iuf" for value in values):
        refuse("SW262", call=call, what="columns that are not numbers")
    return [data.loop.cast(value, F64) for value in values]


def _guard_that_values_differ(loop: LoopBuilder, value: Value) -> None:
    """Guards that the batch has two different values: some with a scaled fraction below a half, and some with one from it on."""
    scaled = loop.call("multiply", value, loop.const(_SCATTER, F64))
    fraction, half = loop.call("subtract", scaled, loop.call("floor", scaled)), loop.const(0.5, F64)
    loop.guard_some(loop.call("less", fraction, half))
    loop.guard_some(loop.call("greater_equal", fraction, half))


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of add_constant, or None for any other object."""
    library = sys.modules.get(_MODULE)
    return add_constant if library is not None and obj is getattr(library, "add_constant", None) else None
