"""Equal values of a loop body to one value.

What it rewrites: a value with the op and the arguments of an earlier one, up to the order of a commutative op's
arguments (a float result differs at most in which NaN it is, which nothing can observe).

When it must not: -0.0 and 0.0, or two NaN constants of other types, are different constants: ops compare by exact text.
"""

from __future__ import annotations

from dataclasses import replace

from sparkweld.ir import Let, Loop, Program
from sparkweld.ir.ops import Call, Op
from sparkweld.optimizer.bodies import Body, rewrite_loop


def eliminate_common_subexpressions(program: Program) -> Program:
    """Makes each value once."""
    loops = tuple(_eliminate(loop) for loop in program.loops)
    return program if loops == program.loops else replace(program, loops=loops)


def _eliminate(loop: Loop) -> Loop:
    known: dict[Let, int] = {}

    def once(body: Body, op: Op, args: tuple[int, ...]) -> int:
        key = Let(op, tuple(sorted(args)) if isinstance(op, Call) and op.commutative else args)
        if key not in known:
            known[key] = body.emit(op, *args)
        return known[key]

    return rewrite_loop(loop, once)
