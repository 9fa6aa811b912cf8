"""Blocks of rows with and without what a program does only to be faster (`ir.ops.Trial`), by turns, to what costs less.

A *turn* is one call of the row loop. Its blocks take both ways by turns when it is one of the first turns, or one of few later
on; else all take the way that won more of these contests. The count of turns and the score are static in the kernel's object
code, so that tasks and queries go on where others stopped. Threads that write them at once may lose a contest, and no row.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from sparkweld.kernels.frontend import Operation

#: Turns that begin with contests, and how many turns there are to one that has some later on.
_FIRST, _EVERY = 16, 64
#: Largest score, so that another kind of rows is noticed soon.
_MOST = 8
_I64 = ir.IntType(64)
_CONTEST = 2


def _number(value: int) -> ir.Constant:
    return ir.Constant(_I64, value)


def _place(b: ir.IRBuilder, index: int) -> ir.Value:
    """Address of the number of turns (0) or of the score (1)."""
    type, name = ir.ArrayType(_I64, 2), "sparkweld_trials"
    kept = b.module.globals.get(name)
    if kept is None:
        kept = ir.GlobalVariable(b.module, type, name)
        kept.linkage, kept.initializer = "internal", ir.Constant(type, None)
    return b.gep(kept, [_number(0), _number(index)])


def _turn(b: ir.IRBuilder) -> ir.Value:
    """Begins a turn: 0 for all blocks without, 1 for all with, _CONTEST."""
    count, score = (b.load(_place(b, index)) for index in (0, 1))
    b.store(b.add(count, _number(1)), _place(b, 0))
    later = b.icmp_unsigned("!=", b.urem(count, _number(_EVERY)), _number(0))
    settled = b.and_(b.icmp_signed(">=", count, _number(_FIRST)), later)
    return b.select(settled, b.zext(b.icmp_signed(">", score, _number(0)), _I64), _number(_CONTEST))


def _clock(b: ir.IRBuilder) -> ir.Value:
    name = "llvm.readcyclecounter"
    return b.call(b.module.globals.get(name) or ir.Function(b.module, ir.FunctionType(_I64, []), name), [])


def _decide(b: ir.IRBuilder, with_: ir.Value, without: ir.Value) -> None:
    """decide(with, without): a contest with these costs, which is lost by what is but a sixteenth cheaper."""
    more = b.add(with_, b.ashr(with_, _number(4)))
    won = b.select(b.icmp_signed("<", more, without), _number(1), _number(-1))
    score = b.add(b.load(_place(b, 1)), won)
    inside = b.icmp_unsigned("<=", b.add(score, _number(_MOST)), _number(2 * _MOST))
    with b.if_then(inside):
        b.store(score, _place(b, 1))


_OPERATIONS = {
    "trial_turn": Operation("trial_turn", (), types.int64, _turn),
    "trial_clock": Operation("trial_clock", (), types.int64, _clock),
    "trial_decide": Operation("trial_decide", (types.int64,) * 2, types.none, _decide),
}


def with_trials(lines: list[str], block: int, rows: str, namespace: dict[str, object]) -> list[str]:
    """The lines of a block of `rows` rows, in which `tried` says how; `block`, a power of 2, is the most.

    `TRIAL_HEAD` comes before the loop.
    """
    namespace.update(_OPERATIONS)
    return [
        f"tried = turn == 1 or (turn == {_CONTEST} and base & {block} == 0)",
        "began = trial_clock()",
        *lines,
        "spent = trial_clock() - began",
        f"if turn == {_CONTEST}:",
        "    if tried:",
        "        others = spent",
        f"        other_rows = {rows}",
        "    elif others > 0:",
        f"        trial_decide(others * {rows}, spent * other_rows)",
        "        others = 0",
    ]


#: What stands before the loop over blocks.
TRIAL_HEAD = ("turn = trial_turn()", "others = 0", "other_rows = 0")
