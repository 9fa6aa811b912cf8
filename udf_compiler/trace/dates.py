"""Series of datetime.date objects: comparisons, membership and choice, as pandas' object dtype has them."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL, DATE
from udf_compiler.trace.constants import ConstantDate
from udf_compiler.trace.session import refuse

_FUNCTIONS = {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}
_EPOCH = datetime.date(1970, 1, 1).toordinal()


def is_date(x: object) -> bool:
    """Whether `x` is a datetime.date constant (a datetime is not: it compares otherwise)."""
    return type(x) is datetime.date or type(x) is ConstantDate


def days(date: datetime.date) -> int:
    """Days since 1970-01-01."""
    return date.toordinal() - _EPOCH


def date_constant(loop: LoopBuilder, date: datetime.date) -> Value:
    return loop.const(days(date), DATE)


def refuse_date(series: Any, call: str) -> None:
    """Refuses a Series of dates (SW264), strings (SW270), datetimes or timedeltas (SW251)."""
    if series.kind == "date":
        refuse("SW264", call=call)
    if series.kind == "text":
        refuse("SW270", call=call)
    if series.kind not in ("numpy", "maybe"):
        refuse("SW251", call=f"{call} of a {series.kind} Series")


def settle(series: Any) -> None:
    """Flags the missing rows of a Series that ``.dt.date`` made: where all of a batch are, pandas infers datetime64."""
    if series.kind == "date" and series.nat_objects and series.value.type.nullable:
        series.loop.guard(series.loop.is_valid(series.value))


def compare(series: Any, name: str, other: Any, call: str) -> Any:
    """A comparison with a date or another Series of dates: False where either is None (True for !=)."""
    from udf_compiler.trace.series import TracedSeries

    loop = series.loop
    if name not in _FUNCTIONS or series.kind != "date":
        refuse("SW264", call=call)
    if isinstance(other, TracedSeries) and other.kind == "date":
        right = other.value
        if name not in ("eq", "ne"):
            settle(other)
    elif is_date(other):
        right = date_constant(loop, other)
    else:
        refuse("SW264", call=call)
    if name not in ("eq", "ne"):
        settle(series)
    result = loop.call(_FUNCTIONS[name], loop.value_of(series.value), loop.value_of(right))
    for side in (series.value, right):
        if side.type.nullable:
            result = loop.select(loop.is_valid(side), result, loop.const(name == "ne", BOOL))
    return TracedSeries(loop, result, np.bool_)
