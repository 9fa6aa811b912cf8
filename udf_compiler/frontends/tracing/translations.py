"""Converts tables of `str.translate` to the parameters of the op `translate`."""

from __future__ import annotations

from typing import Any

from sparkweld.ir.ops.string_functions import LONGEST_REPLACEMENT
from udf_compiler.frontends.tracing.large_dicts import is_dict
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.utf8 import check_text
from udf_compiler.frontends.tracing.values import raw


def translations(table: Any, call: str) -> tuple[str, ...]:
    """Returns the parameters of the op `translate` for a table of `str.translate`; empty if it changes nothing. Refuses SW262."""
    if not is_dict(table) or not all(type(k) in (int, str) for k in table):
        refuse("SW262", call=call, what=f"{raw(table)} as the table")
    pairs = {}
    for code, to in table.items():
        if type(code) is int and 0 <= code <= 0x10FFFF and not 0xD800 <= code < 0xE000:  # no other key is ever looked up
            pairs[chr(code)] = _translation(to, call)
    return ("".join(pairs), *pairs.values()) if pairs else ()


def _translation(to: Any, call: str) -> str:
    if to is None:
        return ""
    if type(to) is int and 0 <= to <= 0x10FFFF:
        to = chr(to)
    if type(to) is not str:
        refuse("SW262", call=call, what=f"{raw(to)} in the table")
    text = check_text(to, call)
    if len(text.encode()) > LONGEST_REPLACEMENT:
        refuse("SW262", call=call, what=f"{text!r} in the table, which is longer than {LONGEST_REPLACEMENT} bytes")
    return text
