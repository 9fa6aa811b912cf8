"""Times an optional optimization (`ir.ops.Trial`) online, by A/B timing of row loop calls, and keeps the faster variant.

A *turn* is one call of the row loop. The first turns, and a few later ones, are A/B timings: a turn with the optimization, then
one without it. All other turns use the variant that won more timings. The optimization may lose at first, before its caches are
filled. So the score cannot fall far, and lost timings are repeated sooner.

The turn count, the score and the cost of the last timed turn with the optimization are static variables of the kernel's object
code. So tasks and queries continue where others stopped. A data race between threads may lose a timing, but never a row.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from sparkweld.kernels.llvm.numba_frontend import Operation

#: Number of initial turns that are timed; later on, turns per timing (a pair of turns) after wins and after losses. All even.
_FIRST, _EVERY, _AGAIN = 16, 128, 32
#: Bounds of the score, so that a change in the data is noticed soon.
_LEAST, _MOST = -2, 8
_I64 = ir.IntType(64)
#: A turn is without (0), with (1), or the same in a timed turn.
_WITHOUT, _WITH = 2, 3


def _number(value: int) -> ir.Constant:
    return ir.Constant(_I64, value)


def _place(b: ir.IRBuilder, index: int) -> ir.Value:
    """Returns the address of one word of the state.

    The words are the turn count (0), the score (1), and the time (2) and rows (3) of the last timed turn with the optimization.
    """
    type, name = ir.ArrayType(_I64, 4), "sparkweld_trials"
    kept = b.module.globals.get(name)
    if kept is None:
        kept = ir.GlobalVariable(b.module, type, name)
        kept.linkage, kept.initializer = "internal", ir.Constant(type, None)
    return b.gep(kept, [_number(0), _number(index)])


def _turn(b: ir.IRBuilder) -> ir.Value:
    """Begins a turn and returns its kind: 0, 1, `_WITHOUT` or `_WITH`."""
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
    """Ends a turn: scores a timed pair. The optimization wins only when it is cheaper by more than a sixteenth."""
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
    """Wraps the lines of a row loop over `rows` rows in a turn.

    The lines read the bool `tried`, which states whether this turn uses the optimization.
    """
    namespace.update(_OPERATIONS)
    head = ["turn = trial_turn()", "tried = turn & 1 == 1", "began = trial_clock()"]
    return [*head, *lines, f"trial_end(turn, trial_clock() - began, {rows})"]
