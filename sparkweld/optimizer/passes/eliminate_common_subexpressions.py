"""Eliminates common subexpressions: equal values of a loop body become one value.

Rewrites: a value with the op and the arguments of an earlier one. The arguments of a commutative op may be in another order. A
float result then differs at most in which NaN it is, and nothing can observe that.

Must not rewrite: -0.0 and 0.0, or two NaN constants of different types, which are different constants: ops compare by exact
text.
"""

from __future__ import annotations

from dataclasses import replace

from sparkweld.ir import Let, Loop, Program
from sparkweld.ir.ops import Call, Op
from sparkweld.optimizer.bodies import Body, rewrite_loop


def eliminate_common_subexpressions(program: Program) -> Program:
    """Computes each distinct value once."""
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
