"""Tests whether a JSON array has an element that is equal to a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir import json_texts as kinds
from sparkweld.ir.ops import ListCall, StrCall
from sparkweld.ir.types import BOOL, I64, STR, list_of
from udf_compiler.frontends.python.list_maps import mapped
from udf_compiler.frontends.python.lists import present
from udf_compiler.frontends.python.operands import as_text, is_number, is_text, kind_of
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw

#: A condition on an element, given its JSON, the number of its class, and the value that is searched.
_Test = Callable[[LoopBuilder, Value, Value, Sequence[Value]], Value]


def is_element(texts: TracedScalar, part: Any) -> Value:
    """Returns the condition that some element is equal to None, a string or an int; refuses other values (SW262).

    `texts` is the JSON of each element. Rows with floats or bools in the array run in Python if an int is searched.
    """
    run, loop = explorer(), explorer().loop
    if part is None:
        return _any(texts, [], lambda block, text, kind, row: _is(block, kind, kinds.NULL))
    if is_text(part):
        return _any(texts, [as_text(part)], _is_string)
    if not is_number(part) or kind_of(part) != "int" or (is_scalar(part) and part.numpy):
        refuse("SW262", call="in", what=raw(part))
    value = part.value if is_scalar(part) else loop.const(part, I64)
    run.guard(loop.call("logical_not", _any(texts, [], _is_other_number)))
    return _any(texts, [loop.emit(StrCall("int_to_str"), value)], _is_int)


def _any(texts: TracedScalar, row: Sequence[Value], test: _Test) -> Value:
    def of(block: LoopBuilder, elements: Sequence[Value], given: Sequence[Value]) -> Value:
        (text,) = elements
        return test(block, text, block.emit(StrCall("json_kind"), text), given)

    loop = explorer().loop
    found = present(mapped(loop, [texts.value], row, list_of(BOOL), of))
    return loop.emit(ListCall("any", found.type), found)


def _is(block: LoopBuilder, kind: Value, number: int) -> Value:
    return block.call("equal", kind, block.const(number, kind.type))


def _is_string(block: LoopBuilder, text: Value, kind: Value, row: Sequence[Value]) -> Value:
    same = block.call("equal", block.emit(StrCall("json_string"), text), row[0])
    return block.call("logical_and", _is(block, kind, kinds.STR), same)


def _is_int(block: LoopBuilder, text: Value, kind: Value, row: Sequence[Value]) -> Value:
    """Compares the digits; JSON writes an int in one way, apart from -0."""
    minus, zero = (block.const(digits, STR) for digits in ("-0", "0"))
    zero = block.call("logical_and", block.call("equal", text, minus), block.call("equal", row[0], zero))
    same = block.call("logical_or", block.call("equal", text, row[0]), zero)
    return block.call("logical_and", _is(block, kind, kinds.INT), same)


def _is_other_number(block: LoopBuilder, text: Value, kind: Value, row: Sequence[Value]) -> Value:
    return block.call("logical_or", _is(block, kind, kinds.FLOAT), _is(block, kind, kinds.BOOL))

