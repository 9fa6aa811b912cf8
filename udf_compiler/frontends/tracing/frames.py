"""Names the instruction that a frame executes, from which stand-ins learn how Python uses them."""

from __future__ import annotations

import dis
from types import CodeType

#: Calls, of all versions: CPython 3.10 has three of its own.
CALLS = frozenset(("CALL", "CALL_KW", "CALL_FUNCTION", "CALL_FUNCTION_KW", "CALL_METHOD"))

#: Instructions that load a method, of all versions: LOAD_METHOD until 3.11.
METHOD_LOADS = frozenset(("LOAD_ATTR", "LOAD_METHOD"))


def instruction(code: CodeType, at: int) -> str:
    """Returns the name of the instruction at an offset of the code, such as the ``f_lasti`` of a frame."""
    return dis.opname[code.co_code[at]]
