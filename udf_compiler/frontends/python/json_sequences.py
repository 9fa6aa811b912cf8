"""Writes lists, dicts and records of the row as JSON: the JSON of their elements between separators."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ListCall, StrCall
from sparkweld.ir.types import BOOL, F64, I64, STR, list_of
from udf_compiler.frontends.python.instances import is_named_tuple_class
from udf_compiler.frontends.python.list_maps import mapped
from udf_compiler.frontends.python.lists import is_list, present
from udf_compiler.frontends.python.maps import TracedMap
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.records import DICT, TracedRecords
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.session import refuse

_CALL = "json.dumps"


@dataclass(frozen=True, slots=True)
class Style:
    """Options of json.dumps: whether it escapes all but ASCII, and its separators of elements and after keys."""

    ascii: bool = True
    between: str = ", "
    after_key: str = ": "


def of_list(x: TracedScalar, style: Style) -> Value:
    """Returns the JSON of a list of bools, numbers or strings."""
    if x.numpy:
        refuse("SW262", call=_CALL, what="an array")
    loop = explorer().loop
    texts = mapped(loop, [x.value], [], list_of(STR), lambda block, parts, row: _of_part(block, parts[0], style))
    return _joined(loop, texts, style, "[]")


def of_map(x: TracedMap, style: Style) -> Value:
    """Returns the JSON of a dict of strings to bools, numbers or strings; refuses other dicts (SW262)."""
    values = x.value_list
    if not is_list(x.key_list) or x.key_list.kind != "list<str>" or type(values) is not TracedScalar or values.numpy:
        refuse("SW262", call=_CALL, what="a dict of the row with other keys than strings, or with nested values")

    def item(block: LoopBuilder, parts: Sequence[Value], row: Sequence[Value]) -> Value:
        key, value = parts
        pieces = _of_part(block, key, style), block.const(style.after_key, STR), _of_part(block, value, style)
        return block.emit(StrCall("concat"), *pieces)

    loop = explorer().loop
    return _joined(loop, mapped(loop, [x.key_list.value, values.value], [], list_of(STR), item), style, "{}")


def of_records(x: TracedRecords, style: Style) -> Value:
    """Returns the JSON of a list of dicts, tuples or Rows; tuples and Rows are arrays. Parts and elements may be None."""
    columns = [column for pair in zip(x.parts, x.absent, strict=True) for column in pair if column is not None]
    if not isinstance(x.form, str) and not is_named_tuple_class(x.form):
        refuse("SW262", call=_CALL, what="a list of objects")
    if not columns or any(column.numpy for column in columns):
        refuse("SW262", call=_CALL, what="a list of records of the row without values")
    gone = [] if x.gone is None else [x.gone]

    def element(block: LoopBuilder, values: Sequence[Value], row: Sequence[Value]) -> Value:
        given, pieces = iter(values), []
        for number, (name, part, absent) in enumerate(zip(x.names, x.parts, x.absent, strict=True)):
            before = style.between if number else ""
            if x.form == DICT:
                before += json.dumps(name, ensure_ascii=style.ascii) + style.after_key
            value = None if part is None else next(given)
            missing = None if absent is None else next(given)
            pieces += [block.const(before, STR), _of_optional(block, value, missing, style)]
        open_, close = "{}" if x.form == DICT else "[]"
        made = block.emit(StrCall("concat"), block.const(open_, STR), *pieces, block.const(close, STR))
        return block.select(values[-1], block.const("null", STR), made) if gone else made

    loop = explorer().loop
    texts = mapped(loop, [column.value for column in (*columns, *gone)], [], list_of(STR), element)
    return _joined(loop, texts, style, "[]")


def _joined(loop: LoopBuilder, texts: Value, style: Style, brackets: str) -> Value:
    texts = present(texts)
    inner = loop.emit(ListCall("join", texts.type), texts, loop.const(style.between, STR))
    return loop.emit(StrCall("concat"), loop.const(brackets[0], STR), inner, loop.const(brackets[1], STR))


def _of_optional(block: LoopBuilder, x: Value | None, absent: Value | None, style: Style) -> Value:
    """Returns the JSON of a part, which is None where `absent`."""
    null = block.const("null", STR)
    if x is None:
        return null
    text = _of_part(block, x, style, absent)
    return text if absent is None else block.select(absent, null, text)


def _of_part(block: LoopBuilder, x: Value, style: Style, absent: Value | None = None) -> Value:
    """Returns the JSON of a bool, number or string in a block; guards a float whose digits only Python knows."""
    if x.type == STR:
        return block.emit(StrCall("json_quote", (int(style.ascii),)), x)
    if x.type == BOOL:
        return block.select(x, block.const("true", STR), block.const("false", STR))
    if not x.type.is_float:
        return block.emit(StrCall("int_to_str"), block.cast(x, I64))
    wide = block.cast(x, F64)
    decided = block.emit(StrCall("float_to_str_decided"), wide)
    block.guard(decided if absent is None else block.call("logical_or", absent, decided))
    sign = block.call("greater", wide, block.const(0.0, F64))
    infinite = block.select(sign, block.const("Infinity", STR), block.const("-Infinity", STR))
    other = block.select(block.call("isnan", wide), block.const("NaN", STR), infinite)
    return block.select(block.call("isfinite", wide), block.emit(StrCall("float_to_str"), wide), other)
