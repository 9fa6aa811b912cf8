"""The arena, where functions put the bytes of new strings and lists: {cursor, end, base, pieces with room} at an address.

When the cursor has passed the end, nothing more is written and each new string is empty; the cursor keeps counting, so that
the caller learns from it how much the kernel wants, makes a larger arena and runs the kernel again.

A piece that grows again and again, as ``made += word`` and ``made.append(word)`` do in a loop, is copied to twice the room.
Its {start, bytes used, bytes of room} are stored in the head. Without that each step whose strings lie behind the piece copies
all of it: quadratic time and memory. The bytes behind those used belong to no other piece. So a value that has all the used
bytes may grow there, and one that has fewer, an older value of the same piece, gets a copy.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from sparkweld.kernels.frontend import Operation
from sparkweld.kernels.strings.library import function
from sparkweld.kernels.strings.memory_access import INT, copy, store_word, word

#: Longest piece that one row may ask for. More is past every limit anyway, and sums of it cannot wrap.
_MOST = 1 << 40

#: Pieces with room that are remembered, those used last first: more than loops within each other build at once.
_PIECES = 8
#: Where they are in the head, the bytes of one, and of the whole head.
_FIRST, _PIECE = 24, 24
_HEAD = _FIRST + _PIECES * _PIECE

_I64 = ir.IntType(64)


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


@function(INT, INT, INT, result=INT)
def _found(arena: int, start: int, used: int) -> int:
    """Number of the piece with room that has these bytes, or as many as there are."""
    number = 0
    while number < _PIECES:
        at = _FIRST + _PIECE * number
        if word(arena, at) == start and word(arena, at + 8) == used:
            return number
        number += 1
    return number


@function(INT, INT, INT, INT, INT, result=INT)
def _remember(arena: int, number: int, start: int, used: int, room: int) -> int:
    """Makes a piece the first one, in the place of piece `number`; those before that one move back."""
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
    """Address of the `used` bytes at `start` with room for `more` behind them: `start` or a copy. 0 when they do not fit."""
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
    """The address of a head on the stack, from the {cursor, end} whose address is in an entry of a kernel's columns."""
    with b.goto_entry_block():
        head = b.alloca(_I64, size=_HEAD // 8)
    given = b.inttoptr(_given(b, table, entry), _I64.as_pointer())
    cursor, end = (b.load(b.gep(given, [ir.Constant(_I64, at)])) for at in range(2))
    words = [cursor, end, cursor, *[ir.Constant(_I64, 0)] * (_HEAD // 8 - 3)]
    for at, value in enumerate(words):
        b.store(value, b.gep(head, [ir.Constant(_I64, at)]))
    return b.ptrtoint(head, _I64)


def _build_closed(b: ir.IRBuilder, arena: ir.Value, table: ir.Value, entry: ir.Value) -> None:
    """Gives the cursor back to where `opened` had it from."""
    cursor = b.load(b.inttoptr(arena, _I64.as_pointer()))
    b.store(cursor, b.inttoptr(_given(b, table, entry), _I64.as_pointer()))


def _given(b: ir.IRBuilder, table: ir.Value, entry: ir.Value) -> ir.Value:
    return b.load(b.gep(b.inttoptr(table, _I64.as_pointer()), [entry]))


opened = Operation("opened", (INT, INT), INT, _build_opened)
closed = Operation("closed", (INT, INT, INT), types.none, _build_closed)
