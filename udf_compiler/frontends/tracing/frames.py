"""Names the instruction that a frame executes, from which stand-ins learn how Python uses them."""

from __future__ import annotations

import dis
from types import CodeType, FrameType

#: Calls, of all versions: CPython 3.10 has three of its own.
CALLS = frozenset(("CALL", "CALL_KW", "CALL_FUNCTION", "CALL_FUNCTION_KW", "CALL_METHOD"))

#: Instructions that load a method, of all versions: LOAD_METHOD until 3.11.
METHOD_LOADS = frozenset(("LOAD_ATTR", "LOAD_METHOD"))


def offset_of(frame: FrameType) -> int:
    """Returns the offset of the instruction that the frame executes."""
    return _begin(frame.f_code, frame.f_lasti)


def instruction(code: CodeType, at: int) -> str:
    """Returns the name of the instruction at an offset of the code, such as the ``f_lasti`` of a frame."""
    return dis.opname[code.co_code[_begin(code, at)]]


def _begin(code: CodeType, at: int) -> int:
    """Returns the offset of the whole instruction at an ``f_lasti``.

    In 3.11 and 3.12, a frame that calls a function written in Python is at the last cache entry of the call. In 3.11, one that
    calls another function may be at the first half of the call.
    """
    while dis.opname[code.co_code[at]] == "CACHE":
        at -= 2
    while dis.opname[code.co_code[at]] in ("PRECALL", "CACHE"):
        at += 2
    return at
