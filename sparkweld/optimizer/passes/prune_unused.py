"""Eliminates dead code: unread values, columns, loops and inputs.

Rewrites: columns that are not an output and that no later loop reads, and values that feed no column, guard or `where`. So are
loops without any of these, and inputs that are neither read nor an output.

Must not rewrite: guards are roots, even when no column of their loop is read, because Spark would have run the function and
raised. A `where` is a root, because it is the selection. The last loop stays, since a kernel is a loop.
"""

from __future__ import annotations

from dataclasses import replace

from sparkweld.ir import Append, Let, Loop, Program
from sparkweld.optimizer.loops import read_columns


def prune_unused(program: Program) -> Program:
    """Retains only the values that the outputs, the selection and the flagged rows depend on."""
    needed = set(program.outputs)
    kept: list[Loop] = []
    for loop in reversed(program.loops):
        loop = _prune(loop, needed)
        needed |= read_columns(loop)
        kept.append(loop)
    loops = tuple(loop for loop in reversed(kept) if loop.appends or loop.guards or loop.some or loop.where is not None)
    loops = loops or tuple(kept[-1:])
    inputs = tuple(i for i in program.inputs if i.name in needed)
    if loops == program.loops and inputs == program.inputs:
        return program
    return replace(program, loops=loops, inputs=inputs)


def _prune(loop: Loop, needed: set[str]) -> Loop:
    appends = [append for append in loop.appends if append.column in needed]
    pairs = (value for pair in loop.some for value in pair)
    where = () if loop.where is None else (loop.where,)
    roots = {*loop.guards, *pairs, *(append.value for append in appends), *where}
    at: dict[int, int] = {}
    for value in _reachable(loop, roots):
        at[value] = len(at)
    body = tuple(Let(loop.body[v].op, tuple(at[a] for a in loop.body[v].args)) for v in at)
    return replace(
        loop,
        body=body,
        appends=tuple(Append(a.column, at[a.value]) for a in appends),
        guards=tuple(at[g] for g in loop.guards),
        where=None if loop.where is None else at[loop.where],
        some=tuple((at[among], at[wanted]) for among, wanted in loop.some),
    )


def _reachable(loop: Loop, roots: set[int]) -> list[int]:
    """Returns the values that the roots depend on, ascending."""
    alive = set(roots)
    for value in range(len(loop.body) - 1, -1, -1):
        if value in alive:
            alive.update(loop.body[value].args)
    return sorted(alive)
