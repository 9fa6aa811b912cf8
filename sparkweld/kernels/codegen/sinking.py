"""Sinks calls that only one side of a branch needs into that side, so that a row computes them only where needed.

The tracer emits the values of all paths before it knows the condition that separates them. LLVM sinks arithmetic, but no calls.
Without sinking, a list that several paths append to is copied by all of them but one.

A store of an element changes a list in place. So no call moves past one: it might read that list.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from sparkweld.ir.ops import Arg, Const, ListCall, ListStore, RegexCall, Region, StrCall
from sparkweld.ir.ops.base import Let
from sparkweld.ir.ops.memory import allocates
from sparkweld.ir.ops.regions import Block, Branch, Graph, Jump, Return, types_of


def sunk(graph: Graph) -> Graph:
    """Returns an equivalent graph in which calls that only one successor of a block reads are moved to that successor."""
    leading = Counter(jump.target for block in graph.blocks for jump in block.jumps)
    leading[0] += 1  # the region begins there
    blocks = list(graph.blocks)
    for number in range(len(blocks)):
        for value in reversed(range(_first_movable(blocks[number]), len(blocks[number].body))):
            if _is_call(blocks[number].body[value]):
                _sink(blocks, number, value, leading)
    return replace(graph, blocks=tuple(blocks))


def _first_movable(block: Block) -> int:
    """Returns the index of the first value after the last store of an element."""
    return max((at + 1 for at, let in enumerate(block.body) if isinstance(let.op, ListStore)), default=0)


def _is_call(let: Let) -> bool:
    return isinstance(let.op, StrCall | ListCall | RegexCall | Region) or allocates(let.op)


def _sink(blocks: list[Block], number: int, value: int, leading: Counter[int]) -> None:
    """Moves a value to the target of the only jump that passes it, if no other jump has this target. Drops an unused value."""
    block = blocks[number]
    if any(value in let.args for let in block.body) or value in block.guards:
        return
    if isinstance(block.end, Return) and value in block.end.values:
        return
    if isinstance(block.end, Branch) and value == block.end.condition:
        return
    jumps = [jump for jump in block.jumps if value in jump.args]
    if not jumps:
        blocks[number] = _without(block, value)
    elif isinstance(block.end, Branch) and len(jumps) == 1 and leading[jumps[0].target] == 1:
        (jump,) = jumps
        passed, blocks[jump.target] = _received(blocks[jump.target], block, value, jump)
        changed = Jump(jump.target, passed)
        yes, no = (changed if known is jump else known for known in block.jumps)
        end = Branch(block.end.condition, yes, no)
        blocks[number] = _without(replace(block, end=end), value)


def _received(target: Block, source: Block, value: int, jump: Jump) -> tuple[tuple[int, ...], Block]:
    """Returns the jump's new arguments, and the target block, which now computes the value itself."""
    let, types = source.body[value], types_of(source)
    kept = [at for at, argument in enumerate(jump.args) if argument != value]
    passed, params = [jump.args[at] for at in kept], [target.params[at] for at in kept]
    body: list[Let] = []
    for operand in let.args:
        op = source.body[operand].op
        if not isinstance(op, Const):
            op = Arg(len(passed), types[operand])
            passed.append(operand)
            params.append(types[operand])
        body.append(Let(op, ()))
    body.append(Let(let.op, tuple(range(len(let.args)))))
    moved, places, numbers = len(body) - 1, dict[int, int](), {at: new for new, at in enumerate(kept)}
    for at, old in enumerate(target.body):
        if isinstance(old.op, Arg) and old.op.number not in numbers:
            places[at] = moved
            continue
        op = Arg(numbers[old.op.number], old.op.type) if isinstance(old.op, Arg) else old.op
        places[at] = len(body)
        body.append(Let(op, tuple(places[a] for a in old.args)))
    return tuple(passed), _renamed(replace(target, params=tuple(params), body=tuple(body)), places)


def _without(block: Block, value: int) -> Block:
    """Returns a block without a value that is unused."""
    places = {at: at - (at > value) for at in range(len(block.body))}
    body = [Let(let.op, tuple(places[a] for a in let.args)) for at, let in enumerate(block.body) if at != value]
    return _renamed(replace(block, body=tuple(body)), places)


def _renamed(block: Block, places: dict[int, int]) -> Block:
    """Returns a block whose guards and end use the values' new indices."""
    end = block.end
    if isinstance(end, Return):
        end = Return(tuple(places[v] for v in end.values))
    elif isinstance(end, Jump):
        end = _jump(end, places)
    elif isinstance(end, Branch):
        end = Branch(places[end.condition], _jump(end.yes, places), _jump(end.no, places))
    return replace(block, guards=tuple(places[g] for g in block.guards), end=end)


def _jump(jump: Jump, places: dict[int, int]) -> Jump:
    return Jump(jump.target, tuple(places[a] for a in jump.args))
