"""Looks characters up by index in loops: each lookup starts at the position of the previous one.

In UTF-8, character i is found by counting, so ``s[i]`` in a loop over all i would take quadratic time. Six words of the
caller's stack, initially 0, hold the last positions. The first three are {address of the string, index, offset}. The others,
for indices from the end, are {address after the string, index from the end, address after the character}. The bytes between two
addresses do not change while a kernel runs. So a position holds for any string that begins, or ends, at the same address.
"""

from __future__ import annotations

from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import INT, VIEW, address_of, length_of, store_word, view, word
from sparkweld.kernels.functions.strings.search import NO_END, offset_of
from sparkweld.kernels.functions.strings.utf8 import advance, retreat, size_at, step_back

WORDS = 6


@function(INT, INT, INT, INT, result=INT)
def offset_near(registers: int, a: int, n: int, index: int) -> int:
    """Returns the offset of the character with that index >= 0, n when there is none."""
    i = 0
    known = 0
    if word(registers, 0) == a and word(registers, 16) <= n:
        i = word(registers, 16)
        known = word(registers, 8)
    if index >= known:
        i = advance(a, n, i, index - known)
    elif known - index < index:
        i = retreat(a, i, known - index)
    else:
        i = advance(a, n, 0, index)
    if i < n:
        store_word(registers, 0, a)
        store_word(registers, 8, index)
        store_word(registers, 16, i)
    return i


@function(INT, INT, INT, INT, result=INT)
def end_near(registers: int, a: int, n: int, index: int) -> int:
    """Returns the offset after the character that `index` others follow, 0 when there is none."""
    i = n
    known = 0
    if word(registers, 24) == a + n and word(registers, 40) >= a:
        i = word(registers, 40) - a
        known = word(registers, 32)
    if index >= known:
        i = retreat(a, i, index - known)
    elif known - index < index:
        i = advance(a, n, i, known - index)
    else:
        i = retreat(a, n, index)
    if i > 0:
        store_word(registers, 24, a + n)
        store_word(registers, 32, index)
        store_word(registers, 40, a + i)
    return i


@function(INT, VIEW, INT, result=VIEW)
def char_near(registers: int, v: int, index: int) -> int:
    """Returns v[index], or NULL."""
    a = address_of(v)
    n = length_of(v)
    if index >= 0:
        begin = offset_near(registers, a, n, index)
    else:
        behind = end_near(registers, a, n, -(index + 1))
        if behind <= 0:
            return view(0, -1)
        begin = step_back(a, behind)
    if begin >= n:
        return view(0, -1)
    return view(a + begin, size_at(a, begin, n))


@function(INT, VIEW, INT, INT, result=VIEW)
def slice_near(registers: int, v: int, start: int, stop: int) -> int:
    """Returns v[start:stop]."""
    a = address_of(v)
    n = length_of(v)
    if start < 0:
        begin = offset_of(v, start)
    else:
        begin = offset_near(registers, a, n, start)
    if stop < 0 or stop == NO_END:
        end = offset_of(v, stop)
    elif stop <= start:
        end = begin
    elif start < 0:
        end = offset_near(registers, a, n, stop)
    else:
        end = advance(a, n, begin, stop - start)
    if end < begin:
        end = begin
    return view(a + begin, end - begin)
