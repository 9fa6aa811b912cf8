"""Evaluates ``str(x)`` of a list of the row: the representations of its elements between brackets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ListCall, StrCall
from sparkweld.ir.types import BOOL, F64, I64, STR, list_of
from udf_compiler.frontends.python.list_maps import mapped
from udf_compiler.frontends.python.lists import present
from udf_compiler.frontends.python.operands import make_text
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.regex_calls import Regex
from udf_compiler.frontends.python.values import TracedScalar

#: The shortest run of printable characters in the check: it misses rare ones, whose rows run in Python.
_SHORTEST = 64


def text_of_list(x: TracedScalar) -> TracedScalar:
    """Returns ``str(x)``. Guards rows with a string that `repr` escapes or puts in double quotes."""
    run, loop = explorer(), explorer().loop
    xs, separator = x.value, loop.const(", ", STR)
    if xs.type.element == STR:
        together = loop.emit(ListCall("join", xs.type), xs, loop.const("", STR))
        escapes = Regex(_escaped(), 0, "str() of a list").emit(loop, together, "test", guard=run.guard)
        run.guard(loop.call("logical_not", escapes), local=True)
    texts = present(mapped(loop, [xs], [], list_of(STR), _shown))
    inner = loop.emit(ListCall("join", texts.type), texts, separator)
    return make_text(loop.emit(StrCall("concat"), loop.const("[", STR), inner, loop.const("]", STR)))


def _shown(block: LoopBuilder, elements: Sequence[Value], row: Sequence[Value]) -> Value:
    """Returns the representation of an element."""
    (x,) = elements
    if x.type == STR:
        quote = block.const("'", STR)
        return block.emit(StrCall("concat"), quote, x, quote)
    if x.type == BOOL:
        return block.select(x, block.const("True", STR), block.const("False", STR))
    if x.type.is_float:
        wide = block.cast(x, F64)
        block.guard(block.emit(StrCall("float_to_str_decided"), wide))
        return block.emit(StrCall("float_to_str"), wide)
    return block.emit(StrCall("int_to_str"), block.cast(x, I64))


@cache
def _escaped() -> str:
    """Returns a pattern of the characters that `repr` may escape, and of the single quote."""
    plain = "".join(f"{re.escape(chr(low))}-{re.escape(chr(high))}" for low, high in _printable())
    return rf"['\\]|[^{plain}]"


def _printable() -> Iterator[tuple[int, int]]:
    """Yields long ranges of characters that `repr` leaves as they are."""
    low = None
    for code in range(0x110000):
        if chr(code).isprintable():
            low = code if low is None else low
            continue
        if low is not None and code - low >= _SHORTEST:
            yield low, code - 1
        low = None
