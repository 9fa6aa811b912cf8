"""Runs the tables of `ir.ops.automata` over a string, by byte offsets instead of code point positions.

`automaton_tables` lays the tables out.
"""

from __future__ import annotations

from sparkweld.kernels.functions.strings.arena import reserve
from sparkweld.kernels.functions.strings.automaton_tables import ASCII, BOUNDS, SKIPS, UNSET, ActionHead, Element, Move, TableHead
from sparkweld.kernels.functions.strings.building import put
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
    load_u32,
    shift_right,
    store_word,
    view,
    word,
)
from sparkweld.kernels.functions.strings.search import min_of
from sparkweld.kernels.functions.strings.splitting import put_piece
from sparkweld.kernels.functions.strings.utf8 import decode, size_at, step_back

_BOUNDS_COUNT, _ROWS_AT, _ACTIONS_AT = 8 * TableHead.BOUNDS, 8 * TableHead.ROWS_AT, 8 * TableHead.ACTIONS_AT
_AFTER_AT, _START, _REGISTERS = 8 * TableHead.AFTER_AT, 8 * TableHead.START, 8 * TableHead.REGISTERS
_END_CLASS = 8 * TableHead.END_CLASS
_ACCEPTS, _MOVES = 4 * ActionHead.ACCEPTS, 4 * ActionHead.MOVES
_TO, _SOURCE, _MOVE = 4 * Move.TO, 4 * Move.SOURCE, 4 * len(Move)
_ELEMENTS, _FIRST_ELEMENT, _ELEMENT = 0, 8, 8 * len(Element)
#: Words of the stack that `test` requires besides the registers.
TEST_WORDS = 4
_GROUP, _LITERAL_AT, _LENGTH = 8 * Element.GROUP, 8 * Element.LITERAL_AT, 8 * Element.LENGTH
#: Bytes of the two registers of a group, and the offsets of the one where it begins and of that where it ends.
_PAIR, _BEGIN, _END = 16, 0, 8


@function(INT, INT, result=INT)
def class_of(table: int, code: int) -> int:
    """Returns the class of a code point past ASCII: that of the last bound up to it."""
    low = 0
    high = word(table, _BOUNDS_COUNT)
    bounds = table + BOUNDS
    while high - low > 1:
        middle = low + high >> 1
        if load_u32(bounds, 8 * middle) <= code:
            low = middle
        else:
            high = middle
    return load_u32(bounds, 8 * low + 4)


@function(INT, INT, INT, INT, INT, result=BOOL)
def find_match(registers: int, a: int, i: int, n: int, table: int) -> bool:
    """Whether there is a match at or after offset i; the registers then hold the groups' offsets, negative for none.

    One more word after the registers holds the offset up to which the search has read; it is past n when it has read END.
    """
    rows = table + word(table, _ROWS_AT)
    actions = table + word(table, _ACTIONS_AT)
    start = word(table, _START)
    row = start
    if i > 0:
        before = step_back(a, i)
        code = decode(a, before, size_at(a, before, i))
        if code < 128:
            kind = load_u16(table, ASCII + 2 * code)
        else:
            kind = class_of(table, code)
        row = load_u32(table, word(table, _AFTER_AT) + 4 * kind)
    r = word(table, _REGISTERS) - 8
    while r >= 0:
        store_word(registers, r, UNSET)
        r -= 8
    found = 0
    while row != 0:
        if row == start:
            while i < n and byte(table, SKIPS + byte(a, i)) != 0:
                i += 1
        size = 1
        if i >= n:
            kind = word(table, _END_CLASS)
        else:
            code = byte(a, i)
            if code < 128:
                kind = load_u16(table, ASCII + 2 * code)
            else:
                size = size_at(a, i, n)
                kind = class_of(table, decode(a, i, size))
        entry = word(rows, row + 8 * kind)
        row = entry & 0xFFFFFFFF
        at = shift_right(entry, 32)
        if at != 0:
            action = actions + at
            found |= load_i32(action, _ACCEPTS)
            moves = load_i32(action, _MOVES)
            while moves > 0:
                action += _MOVE  # the head is as long as a move
                source = load_i32(action, _SOURCE)
                value = i
                if source >= 0:
                    value = word(registers, source)
                elif source == UNSET:
                    value = source
                store_word(registers, load_i32(action, _TO), value)
                moves -= 1
        i += size
    store_word(registers, word(table, _REGISTERS), i)
    return found != 0


@function(INT, VIEW, INT, result=BOOL)
def test(registers: int, v: int, table: int) -> bool:
    """Whether there is a match. The registers then hold the groups' offsets in the first match, as after `find_match`.

    Three more words hold {address, length, whether there is a match} of the last string, the length initially -2. The bytes
    between two addresses do not change while a kernel runs. So a test, and each group of its match, take one run together.
    """
    known = registers + word(table, _REGISTERS) + 8
    if word(known, 0) != address_of(v) or word(known, 8) != length_of(v):
        store_word(known, 0, address_of(v))
        store_word(known, 8, length_of(v))
        store_word(known, 16, 0)
        if find_match(registers, address_of(v), 0, length_of(v), table):
            store_word(known, 16, 1)
    return word(known, 16) != 0


@function(INT, INT, INT, INT, INT, INT, result=BOOL)
def next_match(registers: int, a: int, i: int, n: int, table: int, left: int) -> bool:
    """Like `find_match`, but false when no match is left to search for or the last match was empty (then i is negative)."""
    return left != 0 and i >= 0 and find_match(registers, a, i, n, table)


@function(INT, result=INT)
def behind_match(registers: int) -> int:
    """Returns the offset from which the next match is searched for, -1 after an empty match."""
    if word(registers, _END) <= word(registers, _BEGIN):
        return -1
    return word(registers, _END)


@function(INT, VIEW, INT, INT, result=INT)
def count_matches(registers: int, v: int, table: int, limit: int) -> int:
    """Returns the number of non-overlapping matches, at most `limit` unless that is negative."""
    a = address_of(v)
    n = length_of(v)
    count = 0
    i = 0
    while next_match(registers, a, i, n, table, limit - count):
        count += 1
        i = behind_match(registers)
    return count


@function(INT, VIEW, INT, INT, INT, result=BOOL)
def reads_little(registers: int, v: int, table: int, limit: int, most: int) -> bool:
    """Whether the searches for `limit` matches (all when that is negative) read at most `most` times the string's bytes."""
    a = address_of(v)
    n = length_of(v)
    left = most * (n + 1)
    i = 0
    while left >= 0 and limit != 0 and i >= 0:
        found = find_match(registers, a, i, n, table)
        left -= min_of(word(registers, word(table, _REGISTERS)), n) - i
        limit -= 1
        i = -1
        if found:
            i = behind_match(registers)
    return left >= 0


@function(INT, VIEW, INT, INT, result=VIEW)
def group_text(registers: int, v: int, table: int, index: int) -> int:
    """Returns a group of the first match, or NULL."""
    if not test(registers, v, table) or word(registers, _PAIR * index) < 0:
        return view(0, -1)
    begin = word(registers, _PAIR * index)
    return view(address_of(v) + begin, word(registers, _PAIR * index + _END) - begin)


@function(INT, VIEW, INT, INT, INT, result=VIEW)
def split_by_match(registers: int, v: int, table: int, limit: int, index: int) -> int:
    """Returns the substring of that index among those between matches, or NULL."""
    a = address_of(v)
    n = length_of(v)
    if index < 0:
        index += count_matches(registers, v, table, limit) + 1
    if index < 0:
        return view(0, -1)
    done = 0
    i = 0
    begin = 0
    while next_match(registers, a, i, n, table, limit - done):
        if done == index:
            return view(a + begin, word(registers, _BEGIN) - begin)
        done += 1
        begin = word(registers, _END)
        i = behind_match(registers)
    if done == index:
        return view(a + begin, n - begin)
    return view(0, -1)


@function(INT, VIEW, result=INT)
def _one_more(arena: int, v: int) -> int:
    """Appends an element to the list at the end of the arena."""
    to = reserve(arena, 16)
    if to != 0:
        put_piece(to, 0, v)
    return 0


@function(INT, INT, VIEW, INT, INT, INT, result=VIEW)
def list_matches(arena: int, registers: int, v: int, table: int, limit: int, index: int) -> int:
    """Returns the list of a group's strings in all matches; for `index` < 0, the list of the substrings between matches."""
    a = address_of(v)
    n = length_of(v)
    start = word(arena, 0)
    done = 0
    i = 0
    behind = 0
    while next_match(registers, a, i, n, table, limit - done):
        piece = view(a, 0)
        if index < 0:
            piece = view(a + behind, word(registers, _BEGIN) - behind)
        elif word(registers, _PAIR * index) >= 0:
            begin = word(registers, _PAIR * index)
            piece = view(a + begin, word(registers, _PAIR * index + _END) - begin)
        _one_more(arena, piece)
        done += 1
        behind = word(registers, _END)
        i = behind_match(registers)
    if index < 0:
        _one_more(arena, view(a + behind, n - behind))
        done += 1
    if word(arena, 0) > word(arena, 8):
        return view(0, 0)
    return view(start, done)


@function(INT, INT, INT, INT, result=INT)
def expand(to: int, a: int, registers: int, template: int) -> int:
    """Writes the replacement of a match to an address, nowhere when it is 0, and returns the number of bytes.

    `template_of` lays the template out.
    """
    size = 0
    part = 0
    while part < word(template, _ELEMENTS):
        at = template + _FIRST_ELEMENT + _ELEMENT * part
        group = word(at, _GROUP)
        piece = view(template + word(at, _LITERAL_AT), word(at, _LENGTH))
        if group >= 0:
            begin = word(registers, _PAIR * group)
            piece = view(a + begin, 0)
            if begin >= 0:
                piece = view(a + begin, word(registers, _PAIR * group + _END) - begin)
        if to != 0:
            put(to + size, piece)
        size += length_of(piece)
        part += 1
    return size


@function(INT, INT, VIEW, INT, INT, INT, result=VIEW)
def replace_matches(arena: int, registers: int, v: int, table: int, template: int, limit: int) -> int:
    """Returns v with its first `limit` matches (all when that is negative) replaced; v itself when there is none."""
    a = address_of(v)
    n = length_of(v)
    size = n
    done = 0
    i = 0
    while next_match(registers, a, i, n, table, limit - done):
        size += expand(0, a, registers, template) - (word(registers, _END) - word(registers, _BEGIN))
        done += 1
        i = behind_match(registers)
    if done == 0:
        return v
    to = reserve(arena, size)
    if to == 0:
        return view(0, 0)
    end = to
    done = 0
    i = 0
    behind = 0
    while next_match(registers, a, i, n, table, limit - done):
        begin = word(registers, _BEGIN)
        copy(end, a + behind, begin - behind)
        end += begin - behind
        end += expand(end, a, registers, template)
        done += 1
        behind = word(registers, _END)
        i = behind_match(registers)
    copy(end, a + behind, n - behind)
    return view(to, size)
