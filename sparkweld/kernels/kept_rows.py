"""A loop with a filter to those of its model ops that only the rows it keeps need."""

from __future__ import annotations

from sparkweld.ir.ops import Call, ModelOp
from sparkweld.ir.program import Let, Loop


def models_of_kept_rows(loop: Loop) -> frozenset[Let]:
    """The models, by their first output, whose results nothing needs of a row that the filter drops.

    The condition has to come before them, and not from them. A guard that holds for dropped rows, ``not where or g``, needs g of
    kept rows only; any other guard speaks of every row.
    """
    if loop.where is None:
        return frozenset()
    guards = [g for g in loop.guards if not _holds_for_dropped(loop, g)]
    needed = _closure(loop, {loop.where, *guards, *(value for pair in loop.some for value in pair)})
    found: dict[Let, bool] = {}
    for index, let in enumerate(loop.body):
        if isinstance(let.op, ModelOp):
            model = Let(let.op.at(0), let.args)
            found[model] = found.get(model, True) and index > loop.where and index not in needed
    return frozenset(model for model, kept in found.items() if kept)


def _holds_for_dropped(loop: Loop, guard: int) -> bool:
    assert loop.where is not None
    let = loop.body[guard]
    return let.op == Call("logical_or") and any(_are_opposite(loop, a, loop.where) for a in let.args)


def _are_opposite(loop: Loop, a: int, b: int) -> bool:
    """Whether one of two bools is made as the negation of the other, as the optimizer writes it."""
    first, second = loop.body[a], loop.body[b]
    if Let(Call("logical_not"), (b,)) == first or Let(Call("logical_not"), (a,)) == second:
        return True
    fns = {op.fn for op in (first.op, second.op) if isinstance(op, Call)}
    return fns == {"equal", "not_equal"} and first.args == second.args


def _closure(loop: Loop, roots: set[int]) -> set[int]:
    found = set(roots)
    for value in range(len(loop.body) - 1, -1, -1):
        if value in found:
            found.update(loop.body[value].args)
    return found
