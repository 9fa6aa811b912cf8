"""Identifies the ops that allocate new strings or lists in a kernel's arena; results of all others are views of their arguments.
"""

from __future__ import annotations

from functools import lru_cache

from sparkweld.ir.ops.base import Op
from sparkweld.ir.ops.lists import NEW, ListAppend, ListCall, ListCopy, ListStore, MakeList
from sparkweld.ir.ops.matches import RegexCall
from sparkweld.ir.ops.regions import Region
from sparkweld.ir.ops.strings import StrCall

#: Functions of strings whose results may be allocated in the arena.
_ALLOCATING = frozenset(
    """lower upper swapcase title capitalize casefold replace concat repeat center ljust rjust zfill from_code_point int_to_str
    float_to_str format_int format_decimal format_hex format_fixed strftime translate strip_accents_ascii strip_accents_unicode
    split rsplit split_str hexdigest hexlify base64_encode base64_decode base64_decode_decided quote unquote unquote_decided
    query_values json_quote json_string json_member json_elements json_keys json_values json_strings json_writable json_written
    json_put json_drop python_literal without_wide unhexlify hmac_key repeat_some""".split()
)


def allocates(op: Op) -> bool:
    """Whether an op's kernel allocates from the arena."""
    if isinstance(op, MakeList | ListAppend | ListCopy | ListStore):
        return True
    if isinstance(op, ListCall):
        return op.fn in NEW
    if isinstance(op, Region):
        return _region_allocates(op)
    if isinstance(op, StrCall):
        return op.fn in _ALLOCATING or (op.fn == "slice" and op.params[2] != 1)
    return isinstance(op, RegexCall) and op.fn in ("replace", "all", "split")


@lru_cache(maxsize=256)
def _region_allocates(op: Region) -> bool:
    return any(allocates(let.op) for block in op.graph.blocks for let in block.body)
