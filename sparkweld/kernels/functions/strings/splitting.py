"""Splits strings into lists of views, which are stored consecutively in the arena."""

from __future__ import annotations

from sparkweld.kernels.functions.strings.arena import reserve
from sparkweld.kernels.functions.strings.character_sets import skip_others, skip_others_back, skip_set, skip_set_back
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import INT, VIEW, address_of, length_of, store_word, view
from sparkweld.kernels.functions.strings.search import find_bytes, rfind_bytes
from sparkweld.kernels.functions.strings.substrings import split_count, words_count


@function(INT, INT, VIEW, result=INT)
def put_piece(to: int, index: int, v: int) -> int:
    """Writes a view to element `index` of a list."""
    store_word(to, index * 16, address_of(v))
    store_word(to, index * 16 + 8, length_of(v))
    return 0


@function(INT, VIEW, VIEW, INT, INT, result=VIEW)
def split_list(arena: int, v: int, separator: int, most: int, from_right: int) -> int:
    """Returns the list v.split(separator, most), or of rsplit."""
    count = split_count(v, separator, most)
    to = reserve(arena, count * 16)
    if to == 0:
        return view(0, 0)
    a = address_of(v)
    n = length_of(v)
    m = length_of(separator)
    i = 1
    while i < count:
        if from_right == 0:
            at = find_bytes(a, n, address_of(separator), m)
            put_piece(to, i - 1, view(a, at))
            a += at + m
            n -= at + m
        else:
            at = rfind_bytes(a, n, address_of(separator), m)
            put_piece(to, count - i, view(a + at + m, n - at - m))
            n = at
        i += 1
    if from_right == 0:
        put_piece(to, count - 1, view(a, n))
    else:
        put_piece(to, 0, view(a, n))
    return view(to, count)


@function(INT, VIEW, VIEW, result=VIEW)
def split_by(arena: int, v: int, separator: int) -> int:
    """Returns the list v.split(separator); that of v alone for an empty separator."""
    if length_of(separator) > 0:
        return split_list(arena, v, separator, -1, 0)
    to = reserve(arena, 16)
    if to == 0:
        return view(0, 0)
    put_piece(to, 0, v)
    return view(to, 1)


@function(INT, VIEW, INT, INT, INT, result=VIEW)
def words_list(arena: int, v: int, most: int, from_right: int, spaces: int) -> int:
    """Returns the list v.split(None, most), or of rsplit."""
    count = words_count(v, most, spaces)
    to = reserve(arena, count * 16)
    if to == 0:
        return view(0, 0)
    a = address_of(v)
    n = length_of(v)
    i = 0
    if from_right == 0:
        at = skip_set(a, 0, n, spaces)
        while i < count:
            end = n
            if i != most:
                end = skip_others(a, at, n, spaces)
            put_piece(to, i, view(a + at, end - at))
            at = skip_set(a, end, n, spaces)
            i += 1
        return view(to, count)
    at = skip_set_back(a, n, spaces)
    while i < count:
        begin = 0
        if i != most:
            begin = skip_others_back(a, at, spaces)
        put_piece(to, count - 1 - i, view(a + begin, at - begin))
        at = skip_set_back(a, begin, spaces)
        i += 1
    return view(to, count)
