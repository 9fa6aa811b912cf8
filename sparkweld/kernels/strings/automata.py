"""Runs the tables of `ir.ops.regex` over the bytes of a string.

Tables in memory: 256 bytes of classes, then for each state a row of uint32, one for each class: the offset of the next row
in bytes, from the first row on, shifted by 4; bits 0 and 1 are the next state's accept flags, 2 and 3 the tags of the
transition.
A row ends with one more entry, the tags of a match that ends in its state.
"""

from __future__ import annotations

from sparkweld.ir.ops.regex import ACCEPT
from sparkweld.kernels.strings.arena import give_back, reserve
from sparkweld.kernels.strings.building import put
from sparkweld.kernels.strings.library import function
from sparkweld.kernels.strings.memory_access import BOOL, INT, VIEW, address_of, byte, copy, length_of, load_u32, view
from sparkweld.kernels.strings.search import min_of


@function(INT, INT, INT, result=INT)
def step(table: int, entry: int, b: int) -> int:
    """The entry that leads from the state of an entry by a byte."""
    return load_u32(table, 256 + (entry >> 4) + 4 * byte(table, b))


@function(VIEW, INT, INT, result=BOOL)
def test(v: int, table: int, start: int) -> bool:
    """Whether some beginning of the text is accepted, or the whole at its end."""
    a = address_of(v)
    n = length_of(v)
    entry = start
    i = 0
    while i < n:
        if entry & ACCEPT != 0:
            return True
        if entry < 16:
            return False
        entry = step(table, entry, byte(a, i))
        i += 1
    return entry & 3 != 0


@function(INT, INT, INT, INT, INT, result=INT)
def longest_match(a: int, i: int, n: int, table: int, start: int) -> int:
    """End of the longest match that begins at i, else -1. The start state accepts nothing."""
    entry = start
    end = -1
    while i < n:
        entry = step(table, entry, byte(a, i))
        if entry < 16:
            return end
        i += 1
        if entry & ACCEPT != 0:
            end = i
    if entry & 3 != 0:
        end = n
    return end


@function(INT, INT, INT, INT, INT, result=VIEW)
def next_match(a: int, i: int, n: int, table: int, start: int) -> int:
    """{begin, end} of the leftmost longest match from i on, else {0, -1}."""
    while i < n:
        if step(table, start, byte(a, i)) >= 16:
            end = longest_match(a, i, n, table, start)
            if end >= 0:
                return view(i, end)
        i += 1
    return view(0, -1)


@function(INT, INT, INT, INT, INT, INT, result=VIEW)
def group_of(a: int, i: int, end: int, table: int, start: int, width: int) -> int:
    """{begin, end} of the group of the match from i to end, -1 for what is not set."""
    entry = start
    first = -1
    last = -1
    while i < end:
        entry = step(table, entry, byte(a, i))
        if entry & 4 != 0:
            first = i
        if entry & 8 != 0:
            last = i
        i += 1
    tags = load_u32(table, 256 + (entry >> 4) + 4 * width)
    if tags & 1 != 0:
        first = end
    if tags & 2 != 0:
        last = end
    return view(first, last)


@function(VIEW, INT, INT, INT, INT, INT, result=VIEW)
def span(v: int, table: int, start: int, width: int, anchored: int, tagged: int) -> int:
    """The text of the first match or of its group, or nothing."""
    a = address_of(v)
    n = length_of(v)
    if anchored != 0:
        found = view(0, longest_match(a, 0, n, table, start))
    else:
        found = next_match(a, 0, n, table, start)
    if length_of(found) < 0:
        return found
    if tagged != 0:
        found = group_of(a, address_of(found), length_of(found), table, start, width)
    begin = address_of(found)
    end = length_of(found)
    if begin < 0 or end < begin:
        return view(0, -1)
    return view(a + begin, end - begin)


@function(VIEW, INT, INT, result=INT)
def count_matches(v: int, table: int, start: int) -> int:
    """Number of matches that do not overlap."""
    a = address_of(v)
    n = length_of(v)
    count = 0
    found = next_match(a, 0, n, table, start)
    while length_of(found) >= 0:
        count += 1
        found = next_match(a, length_of(found), n, table, start)
    return count


@function(INT, VIEW, INT, INT, VIEW, INT, result=VIEW)
def replace_matches(arena: int, v: int, table: int, start: int, new: int, most: int) -> int:
    """The text with matches replaced, v itself when there is none. Every match has a byte at least."""
    a = address_of(v)
    n = length_of(v)
    found = next_match(a, 0, n, table, start)
    if most == 0 or length_of(found) < 0:
        return v
    largest = n
    m = length_of(new)
    if m > 1:
        matches = n
        if most > 0:
            matches = min_of(n, most)
        largest = n + matches * (m - 1)
    to = reserve(arena, largest)
    if to == 0:
        return view(0, 0)
    end = to
    at = 0
    while most != 0 and length_of(found) >= 0:
        begin = address_of(found)
        copy(end, a + at, begin - at)
        end = put(end + begin - at, new)
        at = length_of(found)
        most -= 1
        found = next_match(a, at, n, table, start)
    copy(end, a + at, n - at)
    end += n - at
    give_back(arena, largest - (end - to))
    return view(to, end - to)
