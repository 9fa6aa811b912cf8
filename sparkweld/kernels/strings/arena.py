"""The arena, where functions put the bytes of new strings: {cursor, end}, two int64 at an address.

When the cursor has passed the end, nothing more is written and each new string is empty; the cursor keeps counting, so that
the caller learns from it how much the kernel wants, makes a larger arena and runs the kernel again.
"""

from __future__ import annotations

from sparkweld.kernels.strings.library import function
from sparkweld.kernels.strings.memory_access import INT, store_word, word

#: Longest piece that one row may ask for. More is past every limit anyway, and sums of it cannot wrap.
_MOST = 1 << 40


@function(INT, INT, result=INT)
def reserve(arena: int, size: int) -> int:
    """Address of `size` bytes, 0 when they do not fit."""
    start = word(arena, 0)
    if size > _MOST or size < 0:
        store_word(arena, 0, start + _MOST)
        return 0
    store_word(arena, 0, start + size)
    if start + size > word(arena, 8):
        return 0
    return start


@function(INT, INT, result=INT)
def give_back(arena: int, size: int) -> int:
    """Returns the last `size` bytes of the piece that was reserved last."""
    store_word(arena, 0, word(arena, 0) - size)
    return 0
