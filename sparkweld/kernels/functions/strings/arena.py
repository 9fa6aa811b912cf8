"""Allocates the bytes of new strings and lists in an arena: {cursor, end, base, growable strings or lists, peak} at an address.

When the cursor has passed the end, functions write nothing more and each new string is empty. The cursor keeps counting, so the
caller learns how much the kernel requires, makes a larger arena and runs the kernel again.

A value that grows repeatedly, as in ``made += word`` and ``made.append(word)`` in a loop, is copied to an allocation of twice the
size. The head stores its {start, bytes used, capacity in bytes}. Without that, each step that allocates after the value copies
all of it: quadratic time and memory. The spare bytes belong to no other value. So a value that ends at the used bytes may grow
there. One that is shorter, an earlier version of the same value, is copied.

A region whose results are numbers frees what it has allocated. The peak is the largest cursor before that, and the caller learns
it in place of the cursor: an arena of this size suffices.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import INT, copy, store_word, word
from sparkweld.kernels.llvm.numba_frontend import Operation

#: Largest allocation that one row may request. More exceeds every limit anyway, and sums of such sizes cannot wrap.
_MOST = 1 << 40

#: Growable allocations that are remembered, most recently used first: more than nested loops build at once.
_PIECES = 8
#: Offset of these entries in the head, the bytes of one entry, and of the whole head.
_FIRST, _PIECE = 24, 24
_PEAK = _FIRST + _PIECES * _PIECE
_HEAD = _PEAK + 8

_I64 = ir.IntType(64)


@function(INT, INT, result=INT)
def reserve(arena: int, size: int) -> int:
    """Returns the address of `size` new bytes, 0 when they do not fit."""
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
    """Frees the last `size` bytes of the most recent allocation."""
    store_word(arena, 0, word(arena, 0) - size)
    return 0


@function(INT, INT, result=INT)
def release(arena: int, start: int) -> int:
    """Frees all that was allocated since the cursor was at `start`."""
    if word(arena, 0) > start:
        if word(arena, 0) > word(arena, _PEAK):
            store_word(arena, _PEAK, word(arena, 0))
        store_word(arena, 0, start)
        number = 0
        while number < _PIECES:
            if word(arena, _FIRST + _PIECE * number) >= start:  # another value may begin here, with another capacity
                store_word(arena, _FIRST + _PIECE * number, 0)
            number += 1
    return 0


@function(INT, INT, INT, result=INT)
def _found(arena: int, start: int, used: int) -> int:
    """Returns the index of the growable allocation that starts at `start` with `used` bytes, `_PIECES` when there is none."""
    number = 0
    while number < _PIECES:
        at = _FIRST + _PIECE * number
        if word(arena, at) == start and word(arena, at + 8) == used:
            return number
        number += 1
    return number


@function(INT, INT, INT, INT, INT, result=INT)
def _remember(arena: int, number: int, start: int, used: int, room: int) -> int:
    """Moves an allocation to the front in place of entry `number`; the entries before that one move back."""
    at = _FIRST + _PIECE * number
    while at > _FIRST:
        store_word(arena, at, word(arena, at - _PIECE))
        store_word(arena, at + 8, word(arena, at - _PIECE + 8))
        store_word(arena, at + 16, word(arena, at - _PIECE + 16))
        at -= _PIECE
    store_word(arena, _FIRST, start)
    store_word(arena, _FIRST + 8, used)
    store_word(arena, _FIRST + 16, room)
    return 0


@function(INT, INT, INT, INT, result=INT)
def extend(arena: int, start: int, used: int, more: int) -> int:
    """Returns the address of the `used` bytes with room for `more`: `start` itself or a copy; 0 when they do not fit."""
    if used > 0 and start + used == word(arena, 0):
        if reserve(arena, more) == 0:
            return 0
        return start
    room = used + more
    if used == 0 or start < word(arena, 16) or start >= word(arena, 0):
        to = reserve(arena, room)
        if to != 0:
            copy(to, start, used)
        return to
    number = _found(arena, start, used)
    if number < _PIECES:
        capacity = word(arena, _FIRST + _PIECE * number + 16)
        if room <= capacity:
            _remember(arena, number, start, room, capacity)
            return start
        room += room
    else:
        number = _PIECES - 1
    to = reserve(arena, room)
    if to == 0:
        return 0
    copy(to, start, used)
    _remember(arena, number, to, used + more, room)
    return to


def _build_opened(b: ir.IRBuilder, table: ir.Value, entry: ir.Value) -> ir.Value:
    """Builds a head on the stack and returns its address.

    An entry of the kernel's columns holds the address of {cursor, end}.
    """
    with b.goto_entry_block():
        head = b.alloca(_I64, size=_HEAD // 8)
    given = b.inttoptr(_given(b, table, entry), _I64.as_pointer())
    cursor, end = (b.load(b.gep(given, [ir.Constant(_I64, at)])) for at in range(2))
    words = [cursor, end, cursor, *[ir.Constant(_I64, 0)] * (_HEAD // 8 - 3)]
    for at, value in enumerate(words):
        b.store(value, b.gep(head, [ir.Constant(_I64, at)]))
    return b.ptrtoint(head, _I64)


def _build_closed(b: ir.IRBuilder, arena: ir.Value, table: ir.Value, entry: ir.Value) -> None:
    """Writes the cursor, or the peak if that is larger, back to where `opened` loaded the cursor from."""
    cursor, peak = (b.load(b.inttoptr(b.add(arena, ir.Constant(_I64, at)), _I64.as_pointer())) for at in (0, _PEAK))
    cursor = b.select(b.icmp_signed(">", peak, cursor), peak, cursor)
    b.store(cursor, b.inttoptr(_given(b, table, entry), _I64.as_pointer()))


def _given(b: ir.IRBuilder, table: ir.Value, entry: ir.Value) -> ir.Value:
    return b.load(b.gep(b.inttoptr(table, _I64.as_pointer()), [entry]))


opened = Operation("opened", (INT, INT), INT, _build_opened)
closed = Operation("closed", (INT, INT, INT), types.none, _build_closed)
