"""Maps a function over the elements of a row's lists, as a region that appends the results in a loop.

Also filters a list by a list of bools, and repeats a value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sparkweld.ir import LoopBuilder, ProgramBuilder, Type, Value
from sparkweld.ir.ops import Arg, ListAppend, ListCall, Region
from sparkweld.ir.ops.regions import Block, Branch, Graph, Jump, Return
from sparkweld.ir.types import I64, Items, list_of

#: A function of one element of each list and of values of the row, in the loop of a block. It may add guards there.
Elementwise = Callable[[LoopBuilder, Sequence[Value], Sequence[Value]], Value]


def mapped(loop: LoopBuilder, lists: Sequence[Value], row: Sequence[Value], to: Type, of: Elementwise) -> Value:
    """Returns the list, of type `to`, of ``of(block, elements, row)`` for the elements of all lists, which are as long as the
    first.

    It is NULL where a guard of `of` fails for some element.
    """
    types = [*(x.type for x in lists), *(x.type for x in row)]
    return _looped(loop, [*lists, *row], to, [_body(types, len(lists), to, of)])


def kept(loop: LoopBuilder, xs: Value, mask: Value) -> Value:
    """Returns the elements of `xs` where `mask`, an equally long list of bools, is True; NULL only for extremely long lists."""
    return _looped(loop, [xs, mask], xs.type, [*_choice([xs.type, mask.type], xs.type)])


def repeated(loop: LoopBuilder, value: Value, count: Value) -> Value:
    """Returns the list that has a value `count` times; NULL only for extremely long lists."""
    types, to = [I64, value.type], list_of(value.type)
    return _looped(loop, [count, value], to, [_body(types, 0, to, lambda block, elements, row: row[1])])


def extended(loop: LoopBuilder, xs: Value, more: Value) -> Value:
    """Returns `xs` with the elements of another list behind it, without a copy where `xs` can grow in place.

    It is NULL only for extremely long lists.
    """
    types, to = [more.type, xs.type], xs.type
    block, args = _arguments(types)
    first = _block(types, block, Jump(1, _ids([*args, block.const(0, I64), args[1]])))
    body = _body(types, 1, to, lambda block, elements, row: elements[0])
    return loop.emit(Region(Graph((first, _head(types, to), _last(to), body), (to,))), more, xs)


def interleaved(loop: LoopBuilder, xs: Value, others: Sequence[Value]) -> Value:
    """Returns the elements of `xs`, each but the last followed by those of the `others`, which have one less, at its place.

    It is NULL only for extremely long lists.
    """
    types = [xs.type, *(x.type for x in others)]
    return _looped(loop, [xs, *others], xs.type, [*_alternating(types)])


def _looped(loop: LoopBuilder, args: Sequence[Value], to: Type, body: Sequence[Block]) -> Value:
    """Returns the region of a loop over the first list, or of as many rounds as the number in its place.

    `body` has the blocks from number 3 on.
    """
    types = [x.type for x in args]
    blocks = (_first(types, to), _head(types, to), _last(to), *body)
    return loop.emit(Region(Graph(blocks, (to,))), *args)


def _arguments(types: Sequence[Type]) -> tuple[LoopBuilder, list[Value]]:
    block = ProgramBuilder("region", ()).loop("block")
    return block, [block.emit(Arg(number, type)) for number, type in enumerate(types)]


def _first(types: Sequence[Type], to: Type) -> Block:
    block, args = _arguments(types)
    state = [*args, block.const(0, I64), block.const(Items(to.element.kind), to)]
    return _block(types, block, Jump(1, _ids(state)))


def _head(types: Sequence[Type], to: Type) -> Block:
    """Returns the block that tests whether another element follows."""
    block, state = _arguments([*types, I64, to])
    size = state[0] if types[0] == I64 else block.emit(ListCall("length", types[0]), state[0])
    more = block.call("less", state[-2], size)
    return _block([*types, I64, to], block, Branch(more.id, Jump(3, _ids(state)), Jump(2, _ids(state[-1:]))))


def _body(types: Sequence[Type], lists: int, to: Type, of: Elementwise) -> Block:
    block, (*given, at, made) = _arguments([*types, I64, to])
    elements = [block.emit(ListCall("at", x.type), x, at) for x in given[:lists]]
    value = of(block, elements, given[lists:])
    grown = block.emit(ListAppend(to), made, value)
    following = block.call("add", at, block.const(1, I64))
    return _block([*types, I64, to], block, Jump(1, _ids([*given, following, grown])))


def _choice(types: Sequence[Type], to: Type) -> tuple[Block, Block]:
    """Returns a block that tests the mask, and one that appends."""
    block, (xs, mask, at, made) = _arguments([*types, I64, to])
    chosen = block.emit(ListCall("at", mask.type), mask, at)
    following = block.call("add", at, block.const(1, I64))
    ends = Branch(chosen.id, Jump(4, _ids([xs, mask, at, made])), Jump(1, _ids([xs, mask, following, made])))
    first = _block([*types, I64, to], block, ends)
    block, (xs, mask, at, made) = _arguments([*types, I64, to])
    grown = block.emit(ListAppend(to), made, block.emit(ListCall("at", xs.type), xs, at))
    following = block.call("add", at, block.const(1, I64))
    return first, _block([*types, I64, to], block, Jump(1, _ids([xs, mask, following, grown])))


def _alternating(types: Sequence[Type]) -> tuple[Block, Block]:
    """Returns a block that appends an element of the first list and tests for more, and one that appends those of the others."""
    to, after = types[0], []
    for first in (True, False):
        block, (*given, at, made) = _arguments([*types, I64, to])
        for x in given[:1] if first else given[1:]:
            made = block.emit(ListAppend(to), made, block.emit(ListCall("at", x.type), x, at))
        following = block.call("add", at, block.const(1, I64))
        on = Jump(1, _ids([*given, following, made]))
        end: Jump | Branch = on
        if first:
            more = block.call("less", at, block.emit(ListCall("length", types[1]), given[1]))
            end = Branch(more.id, Jump(4, _ids([*given, at, made])), on)
        after.append(_block([*types, I64, to], block, end))
    return after[0], after[1]


def _last(to: Type) -> Block:
    block, args = _arguments([to])
    return _block([to], block, Return(_ids(args)))


def _block(params: Sequence[Type], block: LoopBuilder, end: Jump | Branch | Return) -> Block:
    return Block(tuple(params), tuple(block.body), tuple(block.guards), end)


def _ids(values: Sequence[Value]) -> tuple[int, ...]:
    return tuple(v.id for v in values)
