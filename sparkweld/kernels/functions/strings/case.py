"""Implements case mapping and character classes with tables of the running Python (see `unicode_tables`).

ASCII is processed eight bytes at a time. All other strings map by code point, some to several. One rule depends on context: a
capital sigma at the end of a word has a lower case of its own.
"""

from __future__ import annotations

from sparkweld.kernels.functions.strings.arena import give_back, reserve
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    BOOL,
    INT,
    VIEW,
    address_of,
    byte,
    copy,
    length_of,
    load_i32,
    load_u16,
    store_byte,
    store_word,
    view,
    word,
    wrapping_add,
)
from sparkweld.kernels.functions.strings.unicode_tables import (
    ALNUM,
    CASED,
    GROWTH,
    IGNORABLE,
    LOWER,
    RECORD,
    SPECIAL,
    TITLE,
    UPPER,
    TableHead,
)
from sparkweld.kernels.functions.strings.utf8 import decode, encode, is_ascii, size_at, step_back

_HIGH = -0x7F7F7F7F7F7F7F80  # 0x80 in each byte
_ONES = 0x0101010101010101
_SIGMA, _FINAL_SIGMA = 0x3A3, 0x3C2
_END, _BLOCKS_AT = 8 * TableHead.END, 8 * TableHead.BLOCKS_AT
_ENTRIES_AT, _SPECIAL_AT = 8 * TableHead.ENTRIES_AT, 8 * TableHead.SPECIAL_AT

#: How the code points of a string are mapped.
TO_LOWER, TO_UPPER, TO_FOLDED, TO_SWAPPED, TO_TITLE, TO_CAPITALIZED = range(6)


@function(INT, INT, result=INT)
def entry(table: int, code: int) -> int:
    """Returns a code point's entry in a two-stage table; 0 past the last block."""
    if code >= word(table, _END):
        return 0
    block = load_u16(table, word(table, _BLOCKS_AT) + 2 * (code >> 7))
    return load_i32(table, word(table, _ENTRIES_AT) + 4 * ((block << 7) + (code & 127)))


@function(INT, INT, result=INT)
def flags_of(table: int, code: int) -> int:
    """Returns a code point's flags; 0 past the last block."""
    if code >= word(table, _END):
        return 0
    block = load_u16(table, word(table, _BLOCKS_AT) + 2 * (code >> 7))
    return load_u16(table, word(table, _ENTRIES_AT) + 2 * ((block << 7) + (code & 127)))


@function(INT, INT, INT, result=INT)
def put_mapped(to: int, table: int, code: int) -> int:
    """Writes a code point's mapping and returns the number of bytes."""
    e = entry(table, code)
    if e < SPECIAL:
        return encode(to, code + e)
    special = table + word(table, _SPECIAL_AT) + RECORD * (e - SPECIAL)
    size = byte(special, 0)
    copy(to, special + 1, size)
    return size


@function(INT, INT, INT, INT, INT, result=BOOL)
def is_final_sigma(a: int, i: int, j: int, n: int, flags: int) -> bool:
    """Whether the sigma from i to j ends a word: the last code point before it is cased and the next one is not.

    Ignorable code points are skipped on both sides.
    """
    found = 0
    while i > 0 and found == 0:
        before = step_back(a, i)
        f = flags_of(flags, decode(a, before, size_at(a, before, i)))
        i = before
        if f & IGNORABLE == 0:
            if f & CASED == 0:
                return False
            found = 1
    if found == 0:
        return False
    while j < n:
        size = size_at(a, j, n)
        f = flags_of(flags, decode(a, j, size))
        if f & IGNORABLE == 0:
            return f & CASED == 0
        j += size
    return True


@function(INT, INT, INT, INT, INT, INT, INT, result=INT)
def put_lower(to: int, a: int, i: int, size: int, n: int, table: int, flags: int) -> int:
    """Writes the lower case of the code point at i and returns the number of bytes."""
    code = decode(a, i, size)
    if code == _SIGMA and is_final_sigma(a, i, i + size, n, flags):
        return encode(to, _FINAL_SIGMA)
    return put_mapped(to, table, code)


@function(INT, VIEW, INT, INT, INT, INT, result=VIEW)
def map_case(arena: int, v: int, how: int, lower: int, other: int, flags: int) -> int:
    """Returns the string with each code point mapped: by `lower`, by the table `other`, or by both, according to `how`."""
    a = address_of(v)
    n = length_of(v)
    most = GROWTH * n
    to = reserve(arena, most)
    if to == 0:
        return view(0, 0)
    used = 0
    i = 0
    cased = 0
    while i < n:
        size = size_at(a, i, n)
        as_lower = how == TO_LOWER
        keep = 0
        if how == TO_CAPITALIZED:
            as_lower = i > 0
        elif how == TO_TITLE:
            as_lower = cased != 0
            cased = flags_of(flags, decode(a, i, size)) & CASED
        elif how == TO_SWAPPED:
            f = flags_of(flags, decode(a, i, size))
            as_lower = f & UPPER != 0
            if f & (UPPER | LOWER) == 0:
                keep = 1
        if keep != 0:
            copy(to + used, a + i, size)
            used += size
        elif as_lower:
            used += put_lower(to + used, a, i, size, n, lower, flags)
        else:
            used += put_mapped(to + used, other, decode(a, i, size))
        i += size
    give_back(arena, most - used)
    return view(to, used)


@function(INT, VIEW, INT, INT, result=VIEW)
def translate(arena: int, v: int, table: int, growth: int) -> int:
    """Returns the string with each code point mapped by a table, which expands a byte to at most `growth` bytes."""
    a = address_of(v)
    n = length_of(v)
    to = reserve(arena, growth * n)
    if to == 0:
        return view(0, 0)
    used = 0
    i = 0
    while i < n:
        size = size_at(a, i, n)
        used += put_mapped(to + used, table, decode(a, i, size))
        i += size
    give_back(arena, growth * n - used)
    return view(to, used)


@function(INT, VIEW, INT, INT, result=VIEW)
def strip_accents(arena: int, v: int, table: int, growth: int) -> int:
    """Returns the string with each code point mapped by a table that leaves ASCII unchanged."""
    if is_ascii(v):
        return v
    return translate(arena, v, table, growth)


@function(INT, INT, INT, result=INT)
def in_range_mask(bits: int, low: int, high: int) -> int:
    """Returns 0x80 in each byte of an ASCII word that is in [low, high]."""
    above = wrapping_add(bits, (0x80 - low) * _ONES)
    beyond = wrapping_add(bits, (0x7F - high) * _ONES)
    return above & ~beyond & _HIGH


@function(INT, INT, INT, INT, INT, result=INT)
def flip_ascii(to: int, a: int, n: int, low: int, high: int) -> int:
    """Copies n ASCII bytes and flips the case of those in [low, high]."""
    if n >= 8:
        i = 0
        while i < n:
            if i > n - 8:
                i = n - 8
            bits = word(a, i)
            store_word(to, i, bits ^ in_range_mask(bits, low, high) >> 2 & 0x2020202020202020)
            i += 8
        return 0
    i = 0
    while i < n:
        c = byte(a, i)
        if c >= low and c <= high:
            c ^= 32
        store_byte(to, i, c)
        i += 1
    return 0


@function(INT, VIEW, INT, INT, result=VIEW)
def flipped_ascii(arena: int, v: int, low: int, high: int) -> int:
    """Returns a copy of v, which is ASCII, with the case of the letters from low to high flipped."""
    n = length_of(v)
    to = reserve(arena, n)
    if to == 0:
        return view(0, 0)
    flip_ascii(to, address_of(v), n, low, high)
    return view(to, n)


@function(INT, VIEW, INT, INT, INT, result=VIEW)
def lower(arena: int, v: int, how: int, table: int, flags: int) -> int:
    """Returns v.lower() or v.casefold()."""
    if not is_ascii(v):
        return map_case(arena, v, how, table, table, flags)
    return flipped_ascii(arena, v, 65, 90)


@function(INT, VIEW, INT, result=VIEW)
def upper(arena: int, v: int, table: int) -> int:
    """Returns v.upper()."""
    if not is_ascii(v):
        return map_case(arena, v, TO_UPPER, table, table, table)
    return flipped_ascii(arena, v, 97, 122)


@function(INT, VIEW, INT, INT, INT, INT, result=VIEW)
def mixed_case(arena: int, v: int, how: int, lower_table: int, other: int, flags: int) -> int:
    """Returns v.title(), v.capitalize() or v.swapcase()."""
    if not is_ascii(v):
        return map_case(arena, v, how, lower_table, other, flags)
    a = address_of(v)
    n = length_of(v)
    to = reserve(arena, n)
    if to == 0:
        return view(0, 0)
    i = 0
    cased = 0
    while i < n:
        c = byte(a, i)
        small = c | 32
        letter = small >= 97 and small <= 122
        if letter:
            if how == TO_SWAPPED:
                c ^= 32
            elif cased != 0:
                c = small
            else:
                c = small ^ 32
        if how == TO_CAPITALIZED:
            cased = 1
        else:
            cased = 0
            if letter:
                cased = 1
        store_byte(to, i, c)
        i += 1
    return view(to, n)


@function(VIEW, INT, INT, result=BOOL)
def all_flagged(v: int, wanted: int, flags: int) -> bool:
    """Whether every code point has one of the `wanted` flags, and there is at least one code point."""
    a = address_of(v)
    n = length_of(v)
    i = 0
    while i < n:
        size = size_at(a, i, n)
        if flags_of(flags, decode(a, i, size)) & wanted == 0:
            return False
        i += size
    return n > 0


@function(VIEW, INT, INT, INT, result=BOOL)
def has_only(v: int, wanted: int, unwanted: int, flags: int) -> bool:
    """Returns v.islower() or v.isupper(): some code point has a `wanted` flag, none has an `unwanted` one."""
    a = address_of(v)
    n = length_of(v)
    i = 0
    found = 0
    while i < n:
        size = size_at(a, i, n)
        f = flags_of(flags, decode(a, i, size))
        if f & unwanted != 0:
            return False
        found |= f & wanted
        i += size
    return found != 0


@function(VIEW, INT, result=BOOL)
def is_title(v: int, flags: int) -> bool:
    """Returns v.istitle()."""
    a = address_of(v)
    n = length_of(v)
    i = 0
    found = 0
    cased = 0
    while i < n:
        size = size_at(a, i, n)
        f = flags_of(flags, decode(a, i, size))
        if f & (UPPER | TITLE) != 0:
            if cased != 0:
                return False
            cased = 1
            found = 1
        elif f & LOWER != 0:
            if cased == 0:
                return False
            found = 1
        else:
            cased = 0
        i += size
    return found != 0


__all__ = ["ALNUM", "all_flagged", "has_only", "is_title", "lower", "mixed_case", "upper"]
