"""Converts a program's guards to an output column that is NULL in flagged rows, so that only those run in Python."""

from __future__ import annotations

from dataclasses import replace

from sparkweld.ir import Program
from sparkweld.ir.ops import Call, Const, MakeOptional
from sparkweld.ir.ops.base import Let
from sparkweld.ir.program import Append
from sparkweld.ir.types import BOOL

#: No column of a request has this name: those end in # and a number.
COLUMN = "flagged"


def guards_as_column(program: Program) -> Program:
    """Returns the program without guards and with the column as its last output.

    Returns the program itself where it has no guards, guards the whole batch, or filters. The functions of the program must see
    each row individually. The original then computes the same result for a row when it receives only the flagged rows. With
    several loops, the whole batch is flagged.
    """
    if len(program.loops) != 1:
        return program
    (loop,) = program.loops
    if not loop.guards or loop.some or loop.where is not None or loop.groups is not None:
        return program
    body, decided = list(loop.body), loop.guards[0]
    for guard in loop.guards[1:]:
        body.append(Let(Call("logical_and"), (decided, guard)))
        decided = len(body) - 1
    body += [Let(Const.of(True, BOOL)), Let(MakeOptional(), (len(body), decided))]
    flags = Append(COLUMN, len(body) - 1)
    made = replace(loop, body=tuple(body), appends=(*loop.appends, flags), guards=())
    return replace(program, loops=(made,), outputs=(*program.outputs, COLUMN))
