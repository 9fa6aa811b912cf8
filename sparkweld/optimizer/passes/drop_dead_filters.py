"""Removes filters whose rows lead to no result: their loops move to the parent domain, and only their guards remain.

Rewrites: a domain that is no ancestor of the result's domain, innermost first. The loop that creates it loses its `where`. The
loops over it run over its parent, with each guard g as ``not where or g``, so that the same rows are flagged. The condition
becomes a column.

Must not rewrite: a domain on the way to the result, even when no column of it is read, because it determines the selection.
"""

from __future__ import annotations

from dataclasses import replace

from sparkweld.ir import Append, Let, Loop, Program
from sparkweld.ir.ops import Read
from sparkweld.ir.program import column_types, domain_parents
from sparkweld.ir.types import BOOL
from sparkweld.optimizer.loops import live_domains, weaken_guards


def drop_dead_filters(program: Program) -> Program:
    """Removes all domains but those of the result, which form one chain."""
    live = set(live_domains(program))
    while dead := _dead_leaf(program, live):
        program = _dissolve(program, dead)
    return program


def _dead_leaf(program: Program, live: set[str]) -> str | None:
    parents = domain_parents(program)
    inner = set(parents.values())
    return next((domain for domain in parents if domain not in live and domain not in inner), None)


def _dissolve(program: Program, dead: str) -> Program:
    condition = _fresh(program, f"where {dead}")
    parent = domain_parents(program)[dead]
    assert parent is not None
    loops: list[Loop] = []
    for loop in program.loops:
        if loop.makes == dead:
            assert loop.where is not None
            loop = replace(loop, where=None, makes=None, appends=(*loop.appends, Append(condition, loop.where)))
        elif loop.domain == dead:
            loop = replace(weaken_guards(loop, Let(Read(condition, BOOL))), domain=parent)
        loops.append(loop)
    return replace(program, loops=tuple(loops))


def _fresh(program: Program, name: str) -> str:
    taken = column_types(program)
    while name in taken:
        name += "'"
    return name
