"""Names the instruction that a frame executes, from which stand-ins learn how Python uses them."""

from __future__ import annotations

import dis
from types import CodeType


def instruction(code: CodeType, at: int) -> str:
    """Returns the name of the instruction at an offset of the code, such as the ``f_lasti`` of a frame."""
    return dis.opname[code.co_code[at]]
