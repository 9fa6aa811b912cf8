"""Names the instruction that a frame executes, from which stand-ins learn how Python uses them."""

from __future__ import annotations

import dis
from functools import lru_cache
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


def in_while(frame: FrameType) -> bool:
    """Whether the frame executes the condition or the body of a `while` loop."""
    return frame.f_lineno in _lines_of_while(frame.f_code)


@lru_cache(maxsize=512)
def _lines_of_while(code: CodeType) -> frozenset[int]:
    """Returns the lines of the `while` loops: CPython copies the condition before the loop, with the same line."""
    instructions = [i for i in dis.get_instructions(code) if i.opname != "EXTENDED_ARG"]
    jumps = [(i.argval, i.offset) for i in instructions if i.opcode in {*dis.hasjrel, *dis.hasjabs} and i.argval < i.offset]
    heads = {begin: next(i.opname for i in instructions if i.offset >= begin) for begin, _ in jumps}
    loops = [(begin, end) for begin, end in jumps if heads[begin] != "FOR_ITER"]
    lines = [part for part in code.co_lines() if any(part[0] <= end and begin < part[1] for begin, end in loops)]
    return frozenset(line for _, _, line in lines if line is not None)


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
