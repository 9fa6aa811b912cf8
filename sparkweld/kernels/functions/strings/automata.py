"""Runs the tables of `ir.ops.automata` over a string, by byte offsets instead of code point positions.

`tables_of` lays the tables out as follows:

- int64: the number of bounds past ASCII,
- four int64: the offsets of these bounds, of the rows, of the actions, and of the first rows after each class,
- int64: the first row at the beginning,
- int64: the bytes of the registers,
- int64: the class of END,
- 256 bytes that are 1 for each byte that leaves the first row unchanged,
- the classes of ASCII as uint16.

Bounds are pairs of uint32: a code point, and the class from there on. A row has two uint32 for each class. The first is the
offset of the next row among the rows. The second is that of the action among the actions, 0 for none. An action is int32
values: whether it accepts, the number of moves, and for each move the offsets of two registers. The second one is negative for
a source that is no register.
"""

from __future__ import annotations

import numpy as np

from sparkweld.ir.ops.automata import POSITION, Automaton
from sparkweld.kernels.functions.strings.arena import reserve
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

_HEAD, _SKIPS, _ASCII = 64, 64, 64 + 256
_BOUNDS = _ASCII + 256
_UNSET = -2


@function(INT, INT, result=INT)
def class_of(table: int, code: int) -> int:
    """Returns the class of a code point past ASCII: that of the last bound up to it."""
    low = 0
    high = word(table, 0)
    bounds = table + _BOUNDS
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
    rows = table + word(table, 16)
    actions = table + word(table, 24)
    start = word(table, 40)
    row = start
    if i > 0:
        before = step_back(a, i)
        code = decode(a, before, size_at(a, before, i))
        if code < 128:
            kind = load_u16(table, _ASCII + 2 * code)
        else:
            kind = class_of(table, code)
        row = load_u32(table, word(table, 32) + 4 * kind)
    r = word(table, 48) - 8
    while r >= 0:
        store_word(registers, r, _UNSET)
        r -= 8
    found = 0
    while row != 0:
        if row == start:
            while i < n and byte(table, _SKIPS + byte(a, i)) != 0:
                i += 1
        size = 1
        if i >= n:
            kind = word(table, 56)
        else:
            code = byte(a, i)
            if code < 128:
                kind = load_u16(table, _ASCII + 2 * code)
            else:
                size = size_at(a, i, n)
                kind = class_of(table, decode(a, i, size))
        entry = word(rows, row + 8 * kind)
        row = entry & 0xFFFFFFFF
        at = shift_right(entry, 32)
        if at != 0:
            action = actions + at
            found |= load_i32(action, 0)
            moves = load_i32(action, 4)
            while moves > 0:
                action += 8
                source = load_i32(action, 4)
                value = i
                if source >= 0:
                    value = word(registers, source)
                elif source == _UNSET:
                    value = source
                store_word(registers, load_i32(action, 0), value)
                moves -= 1
        i += size
    store_word(registers, word(table, 48), i)
    return found != 0


@function(INT, VIEW, INT, result=BOOL)
def test(registers: int, v: int, table: int) -> bool:
    """Whether there is a match."""
    return find_match(registers, address_of(v), 0, length_of(v), table)


@function(INT, INT, INT, INT, INT, INT, result=BOOL)
def next_match(registers: int, a: int, i: int, n: int, table: int, left: int) -> bool:
    """Like `find_match`, but false when no match is left to search for or the last match was empty (then i is negative)."""
    return left != 0 and i >= 0 and find_match(registers, a, i, n, table)


@function(INT, result=INT)
def behind_match(registers: int) -> int:
    """Returns the offset from which the next match is searched for, -1 after an empty match."""
    if word(registers, 8) <= word(registers, 0):
        return -1
    return word(registers, 8)


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
        left -= min_of(word(registers, word(table, 48)), n) - i
        limit -= 1
        i = -1
        if found:
            i = behind_match(registers)
    return left >= 0


@function(INT, VIEW, INT, INT, result=VIEW)
def group_text(registers: int, v: int, table: int, index: int) -> int:
    """Returns a group of the first match, or NULL."""
    a = address_of(v)
    if not find_match(registers, a, 0, length_of(v), table) or word(registers, 16 * index) < 0:
        return view(0, -1)
    begin = word(registers, 16 * index)
    return view(a + begin, word(registers, 16 * index + 8) - begin)


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
            return view(a + begin, word(registers, 0) - begin)
        done += 1
        begin = word(registers, 8)
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
            piece = view(a + behind, word(registers, 0) - behind)
        elif word(registers, 16 * index) >= 0:
            begin = word(registers, 16 * index)
            piece = view(a + begin, word(registers, 16 * index + 8) - begin)
        _one_more(arena, piece)
        done += 1
        behind = word(registers, 8)
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

    A template is int64 values: the number of elements, then for each a group or -1, and a literal's offset and length.
    """
    size = 0
    part = 0
    while part < word(template, 0):
        at = template + 8 + 24 * part
        group = word(at, 0)
        piece = view(template + word(at, 8), word(at, 16))
        if group >= 0:
            begin = word(registers, 16 * group)
            piece = view(a + begin, 0)
            if begin >= 0:
                piece = view(a + begin, word(registers, 16 * group + 8) - begin)
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
        size += expand(0, a, registers, template) - (word(registers, 8) - word(registers, 0))
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
        begin = word(registers, 0)
        copy(end, a + behind, begin - behind)
        end += begin - behind
        end += expand(end, a, registers, template)
        done += 1
        behind = word(registers, 8)
        i = behind_match(registers)
    copy(end, a + behind, n - behind)
    return view(to, size)


def tables_of(automaton: Automaton) -> bytes:
    """Returns the tables, laid out as the module describes."""
    width = automaton.symbols + 1
    actions, offsets = _actions_of(automaton)
    entries = np.column_stack([np.array(automaton.targets) * 8 * width, [offsets[a] for a in automaton.acts]]).astype("<u4")
    ranges = zip(automaton.bounds, automaton.classes, _ends(automaton), strict=True)
    later = [(max(bound, 128), kind) for bound, kind, end in ranges if end > 128]
    parts = [np.array(later, "<u4").tobytes(), entries.tobytes(), actions]
    parts.append((np.array(automaton.after) * 8 * width).astype("<u4").tobytes())
    starts = np.cumsum([_BOUNDS, *map(len, parts)])
    head = [len(later), _BOUNDS, starts[1], starts[2], starts[3], automaton.start * 8 * width, 8 * automaton.registers, width - 1]
    ascii_classes = [automaton.class_of(code) for code in range(128)]
    fixed = np.array(head, "<i8").tobytes() + _skips(automaton, ascii_classes) + np.array(ascii_classes, "<u2").tobytes()
    return b"".join([fixed, *parts])


def _ends(automaton: Automaton) -> tuple[int, ...]:
    return (*automaton.bounds[1:], 0x110000)


def _skips(automaton: Automaton, ascii_classes: list[int]) -> bytes:
    """Returns 1 for each byte that leads from the first row to itself without an action."""
    first = automaton.start * (automaton.symbols + 1)
    stays = [automaton.targets[first + c] == automaton.start and automaton.acts[first + c] == 0 for c in ascii_classes]
    return bytes(stays).ljust(256, b"\0")


def _actions_of(automaton: Automaton) -> tuple[bytes, list[int]]:
    """Returns the actions and the offset of each one. The first 8 bytes belong to none, so that no action has offset 0."""
    data, offsets = bytes(8), []
    for accepts, *moves in automaton.actions:
        offsets.append(len(data) if accepts or moves else 0)
        if offsets[-1]:
            flat = [accepts, len(moves) // 2]
            for to, source in zip(moves[::2], moves[1::2], strict=True):
                flat += [8 * to, 8 * source if source >= 0 else -1 if source == POSITION else _UNSET]
            data += np.array(flat, "<i4").tobytes()
    return data, offsets


def template_of(parts: tuple[str, ...]) -> bytes:
    """Returns a template of literals that alternate with group numbers."""
    texts = [part.encode() if at % 2 == 0 else b"" for at, part in enumerate(parts)]
    groups = [int(part) if at % 2 else -1 for at, part in enumerate(parts)]
    first = 8 + 24 * len(parts)
    offsets = first + np.cumsum([0, *map(len, texts)])
    rows = [value for group, offset, text in zip(groups, offsets, texts, strict=False) for value in (group, offset, len(text))]
    return np.array([len(parts), *rows], "<i8").tobytes() + b"".join(texts)
