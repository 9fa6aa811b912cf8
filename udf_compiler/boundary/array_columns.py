"""Converts Series of arrays and lists to Spark array columns, as Arrow converts each element to the declared type."""

from __future__ import annotations

from collections.abc import Sequence

from sparkweld.ir import LoopBuilder, Type, Value
from sparkweld.ir.ops import ListCall, MakeList
from sparkweld.ir.types import BOOL, F32, F64, I64, STR
from sparkweld.reasons import refusal
from udf_compiler.frontends.python.list_maps import mapped

#: The largest magnitude of an integer that Arrow converts to a type of floats: it raises for a larger one, exact or not.
_EXACT = {F32: 2**24, F64: 2**53}


def column(loop: LoopBuilder, value: Value, to: Type, return_type: str, udf: str) -> Value:
    """Returns arrays with the declared type's elements.

    Arrow rounds floats to a narrower type, and raises for integers that the type does not hold; those rows are flagged. Refuses
    (SW226) other conversions. Flags rows with a NaN, which would become a NULL.
    """
    own = value.type.plain().element
    if isinstance((made := loop.body[value.id]).op, MakeList) and (own, to.element) == (F32, F64):
        return _checked(loop, loop.emit(MakeList(to), *(loop.cast(loop.value(element), F64) for element in made.args)))
    if own == to.element:
        return _checked(loop, value)
    numbers = BOOL not in (own, to.element) and STR not in (own, to.element)
    if not numbers or (own.is_float and not to.element.is_float):
        raise refusal("SW226", udf, what=f"arrays of {own}", type=return_type)
    return _checked(loop, _converted(loop, value, to))


def _checked(loop: LoopBuilder, value: Value) -> Value:
    if value.type.plain().element.is_float:
        loop.guard(loop.emit(ListCall("ordered", value.type.plain()), loop.value_of(value)), local=True)
    return value


def _converted(loop: LoopBuilder, value: Value, to: Type) -> Value:
    """Returns arrays of numbers with elements of another type. Guards rows with integers that the type does not hold."""
    element = to.element

    def of(block: LoopBuilder, elements: Sequence[Value], row: Sequence[Value]) -> Value:
        (x,) = elements
        if x.type.is_int:
            high = _EXACT[element] if element.is_float else 2 ** (8 * element.dtype.itemsize - 1) - 1
            low, wide = -high - (not element.is_float), block.cast(x, I64)
            above, below = block.const(low, I64), block.const(high, I64)
            block.guard(block.call("greater_equal", wide, above))
            block.guard(block.call("less_equal", wide, below))
        return block.cast(x, element)

    nullable = value.type.nullable
    made = mapped(loop, [loop.value_of(value) if nullable else value], [], to, of)
    loop.guard(loop.is_valid(made), local=True)
    return loop.optional(loop.value_of(made), loop.is_valid(value)) if nullable else loop.value_of(made)
