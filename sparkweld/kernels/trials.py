"""Turns of the row loop with and without what a program does only to be faster (`ir.ops.Trial`), to what costs less.

A *turn* is one call of the row loop. The first turns, and few later on, are contests, of a turn with and the next one without;
all others go the way that won more contests. Turns with may lose at first, before what they keep is there: that is soon
forgotten, and more contests are held where they have lost. The count of turns, the score, and what the turn with has cost are
static in the kernel's object code, so that tasks and queries go on where others stopped. Threads that write them at once may lose
a contest, and no row.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from sparkweld.kernels.frontend import Operation

#: Turns that are contests' at first, and how many turns there are to one contest later on, with and without; all even.
_FIRST, _EVERY, _AGAIN = 16, 128, 32
#: Smallest and largest score, so that another kind of rows is noticed soon.
_LEAST, _MOST = -2, 8
_I64 = ir.IntType(64)
#: A turn is without (0), with (1), or the same in a contest.
_WITHOUT, _WITH = 2, 3


def _number(value: int) -> ir.Constant:
    return ir.Constant(_I64, value)


def _place(b: ir.IRBuilder, index: int) -> ir.Value:
    """Address of the number of turns (0), of the score (1), of the time of a contest's turn with (2), or of its rows (3)."""
    type, name = ir.ArrayType(_I64, 4), "sparkweld_trials"
    kept = b.module.globals.get(name)
    if kept is None:
        kept = ir.GlobalVariable(b.module, type, name)
        kept.linkage, kept.initializer = "internal", ir.Constant(type, None)
    return b.gep(kept, [_number(0), _number(index)])


def _turn(b: ir.IRBuilder) -> ir.Value:
    """Begins a turn, and says which."""
    count, score = (b.load(_place(b, index)) for index in (0, 1))
    b.store(b.add(count, _number(1)), _place(b, 0))
    wins = b.icmp_signed(">", score, _number(0))
    later = b.icmp_unsigned(">", b.urem(count, b.select(wins, _number(_EVERY), _number(_AGAIN))), _number(1))
    settled = b.and_(b.icmp_signed(">=", count, _number(_FIRST)), later)
    contest = b.select(b.trunc(count, ir.IntType(1)), _number(_WITHOUT), _number(_WITH))
    return b.select(settled, b.zext(wins, _I64), contest)


def _clock(b: ir.IRBuilder) -> ir.Value:
    name = "llvm.readcyclecounter"
    return b.call(b.module.globals.get(name) or ir.Function(b.module, ir.FunctionType(_I64, []), name), [])


def _end(b: ir.IRBuilder, turn: ir.Value, spent: ir.Value, rows: ir.Value) -> None:
    """end(turn, spent, rows): a contest is lost by what is but a sixteenth cheaper."""
    with b.if_then(b.icmp_signed("==", turn, _number(_WITH))):
        b.store(spent, _place(b, 2))
        b.store(rows, _place(b, 3))
    others, other_rows = (b.load(_place(b, index)) for index in (2, 3))
    with b.if_then(b.and_(b.icmp_signed("==", turn, _number(_WITHOUT)), b.icmp_signed(">", others, _number(0)))):
        b.store(_number(0), _place(b, 2))
        with_, without = b.mul(others, rows), b.mul(spent, other_rows)
        more = b.add(with_, b.ashr(with_, _number(4)))
        won = b.select(b.icmp_signed("<", more, without), _number(1), _number(-1))
        score = b.add(b.load(_place(b, 1)), won)
        inside = b.icmp_unsigned("<=", b.sub(score, _number(_LEAST)), _number(_MOST - _LEAST))
        with b.if_then(inside):
            b.store(score, _place(b, 1))


_OPERATIONS = {
    "trial_turn": Operation("trial_turn", (), types.int64, _turn),
    "trial_clock": Operation("trial_clock", (), types.int64, _clock),
    "trial_end": Operation("trial_end", (types.int64,) * 3, types.none, _end),
}


def with_trials(lines: list[str], rows: str, namespace: dict[str, object]) -> list[str]:
    """The lines of a row loop over `rows` rows, in which `tried` says how."""
    namespace.update(_OPERATIONS)
    head = ["turn = trial_turn()", "tried = turn & 1 == 1", "began = trial_clock()"]
    return [*head, *lines, f"trial_end(turn, trial_clock() - began, {rows})"]
