"""Splits strings at sets of code points and strips them; results are views into the string.

`unicode_tables.character_set` lays out the sets.
"""

from __future__ import annotations

from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    BOOL,
    INT,
    VIEW,
    address_of,
    length_of,
    load_i32,
    shift_right,
    view,
    word,
)
from sparkweld.kernels.functions.strings.unicode_tables import SetHead
from sparkweld.kernels.functions.strings.utf8 import decode, is_ascii, size_at, step_back

_LOW, _HIGH, _OTHERS = 8 * SetHead.LOW, 8 * SetHead.HIGH, 8 * SetHead.OTHERS
_MEMBERS = 8 * len(SetHead)


@function(INT, INT, result=BOOL)
def in_set(characters: int, code: int) -> bool:
    """Whether a code point is in a set."""
    if code < 64:
        return shift_right(word(characters, _LOW), code) & 1 == 1
    if code < 128:
        return shift_right(word(characters, _HIGH), code - 64) & 1 == 1
    i = word(characters, _OTHERS) - 1
    while i >= 0:
        if load_i32(characters, _MEMBERS + 4 * i) == code:
            return True
        i -= 1
    return False


@function(VIEW, INT, result=BOOL)
def lacks(v: int, characters: int) -> bool:
    """Whether no code point is in the set, whose members past ASCII ascend: most code points precede all but a few members."""
    if word(characters, _LOW) | word(characters, _HIGH) == 0 and is_ascii(v):
        return True
    a = address_of(v)
    n = length_of(v)
    members = word(characters, _OTHERS)
    i = 0
    while i < n:
        size = size_at(a, i, n)
        code = decode(a, i, size)
        if code < 128:
            if in_set(characters, code):
                return False
        else:
            k = 0
            while k < members and load_i32(characters, _MEMBERS + 4 * k) < code:
                k += 1
            if k < members and load_i32(characters, _MEMBERS + 4 * k) == code:
                return False
        i += size
    return True


@function(INT, INT, INT, INT, result=INT)
def skip_set(a: int, i: int, n: int, characters: int) -> int:
    """Returns the first offset from i on whose code point is not in the set."""
    while i < n:
        size = size_at(a, i, n)
        if not in_set(characters, decode(a, i, size)):
            return i
        i += size
    return n


@function(INT, INT, INT, INT, result=INT)
def skip_others(a: int, i: int, n: int, characters: int) -> int:
    """Returns the first offset from i on whose code point is in the set."""
    while i < n:
        size = size_at(a, i, n)
        if in_set(characters, decode(a, i, size)):
            return i
        i += size
    return n


@function(INT, INT, INT, result=INT)
def skip_set_back(a: int, i: int, characters: int) -> int:
    """Returns the smallest offset up to i such that all code points from there to i are in the set."""
    while i > 0:
        before = step_back(a, i)
        size = size_at(a, before, i)
        if not in_set(characters, decode(a, before, size)):
            return i
        i = before
    return 0


@function(INT, INT, INT, result=INT)
def skip_others_back(a: int, i: int, characters: int) -> int:
    """Returns the smallest offset up to i such that no code point from there to i is in the set."""
    while i > 0:
        before = step_back(a, i)
        size = size_at(a, before, i)
        if in_set(characters, decode(a, before, size)):
            return i
        i = before
    return 0


@function(VIEW, INT, result=VIEW)
def lstrip(v: int, characters: int) -> int:
    a = address_of(v)
    n = length_of(v)
    i = skip_set(a, 0, n, characters)
    return view(a + i, n - i)


@function(VIEW, INT, result=VIEW)
def rstrip(v: int, characters: int) -> int:
    a = address_of(v)
    return view(a, skip_set_back(a, length_of(v), characters))


@function(VIEW, INT, result=VIEW)
def strip(v: int, characters: int) -> int:
    return rstrip(lstrip(v, characters), characters)
