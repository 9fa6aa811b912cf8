"""Guards of a program to one more output column, NULL in the rows that are flagged: the others need not run in Python."""

from __future__ import annotations

from dataclasses import replace

from sparkweld.ir import Program
from sparkweld.ir.ops import Call, Const, MakeOptional
from sparkweld.ir.program import Append, Let
from sparkweld.ir.types import BOOL

#: No column of a request has such a name: those have a number behind a #.
COLUMN = "flagged"


def guards_as_column(program: Program) -> Program:
    """The program without guards and with the column as its last output; itself where it has none, guards the batch or filters.

    It is one of functions that see each row for itself: what the original makes of a row is the same when it gets only the
    flagged ones. Of several loops, the batch is flagged.
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
