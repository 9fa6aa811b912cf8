"""Removes redundant guards, which flag no further row.

Rewrites: a guard that is the constant True, a guard on some row that is always True, and a guard that is listed twice.

Must not rewrite: the constant False, which flags every row of its domain: the batch then runs in Python.
"""

from __future__ import annotations

from dataclasses import replace

from sparkweld.ir import Loop, Program
from sparkweld.ir.ops import Const


def drop_guards(program: Program) -> Program:
    """Removes duplicate guards and those that always hold."""
    loops = tuple(_drop(loop) for loop in program.loops)
    return program if loops == program.loops else replace(program, loops=loops)


def _drop(loop: Loop) -> Loop:
    guards = tuple(g for g in dict.fromkeys(loop.guards) if not _always(loop, g))
    some = tuple(pair for pair in dict.fromkeys(loop.some) if not _always(loop, pair[1]))
    return loop if (guards, some) == (loop.guards, loop.some) else replace(loop, guards=guards, some=some)


def _always(loop: Loop, guard: int) -> bool:
    op = loop.body[guard].op
    return isinstance(op, Const) and bool(op.value)
