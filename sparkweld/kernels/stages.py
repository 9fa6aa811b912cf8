"""The statements of a row loop to stages: loops over a block of rows that hand values on through columns on the stack.

A loop that calls functions of strings is not vectorised. When a program also does enough with numbers, its row loop becomes
a loop over blocks with several loops inside, by turns of numbers and of strings, and only those of strings stay scalar.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from llvmlite import ir
from numba.core import types

from sparkweld.kernels import memory
from sparkweld.kernels.frontend import VIEW, Operation, value_type

#: Most bytes a row of the columns between stages: with the scratch tile they share the stack.
_MOST_BYTES = 256
#: Work with numbers, in additions, from which on a second loop pays.
_ENOUGH = 20


@dataclass(frozen=True)
class Statement:
    """``target = name(arguments)``.

    `weight` is the operation's cost in additions, 0 for what is better left where its values are. A `leaf` depends on the row
    only and is made again in each stage that wants it. A target of `ACCUMULATORS` is the sum over the rows so far.
    """

    target: str
    name: str
    operation: Operation
    arguments: tuple[str, ...]
    weight: int = 0
    leaf: bool = False

    @property
    def is_scalar(self) -> bool:
        """Whether its loop cannot be vectorised: it has to do with a string."""
        return VIEW in (*self.operation.arguments, self.operation.result)

    def text(self, renamed: dict[str, str]) -> str:
        """Its line of source with other names for some arguments."""
        call = f"{self.name}({', '.join(renamed.get(a, a) for a in self.arguments)})"
        return f"{self.target} = {call}" if self.target else call


ACCUMULATORS = ("flagged", "seen")


@dataclass(frozen=True)
class Stage:
    """One loop: its statements, the values of earlier stages that it wants, and those of its own that later ones want."""

    statements: tuple[Statement, ...]
    wanted: tuple[str, ...]
    kept: tuple[str, ...]
    is_scalar: bool


def stages_of(statements: Sequence[Statement]) -> tuple[Stage, ...]:
    """The stages in order: one when there is nothing to gain by more."""
    scalar = any(s.is_scalar for s in statements)
    if not scalar or sum(s.weight for s in statements if not s.is_scalar) < _ENOUGH:
        return (Stage(tuple(statements), (), (), scalar),)
    numbers = _numbers(statements)
    made = {s.target: s for s in statements if s.target and s.target not in ACCUMULATORS}
    used = sorted(set(numbers.values()))
    chosen = {stage: [s for s in statements if not s.leaf and numbers[id(s)] == stage] for stage in used}
    wanted = {stage: _wanted(chosen[stage], made) for stage in used}
    crossing = {n for stage in used for n in wanted[stage] if not made[n].leaf and numbers[id(made[n])] < stage}
    if sum(width_of(made[n].operation.result) for n in crossing) > _MOST_BYTES:
        return (Stage(tuple(statements), (), (), True),)
    stages = []
    for stage in used:
        leaves = [s for s in statements if s.leaf and s.target in wanted[stage]]
        own = {s.target for s in chosen[stage]}
        passed = [n for n in sorted(wanted[stage]) if n in crossing and n not in own]
        kept = [n for n in sorted(crossing) if n in own]
        stages.append(Stage((*leaves, *chosen[stage]), tuple(passed), tuple(kept), stage % 2 == 1))
    return tuple(stages)


def for_kept_rows(statements: Sequence[Statement], keep: str) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
    """(statements for every row, those for rows that the filter keeps) of a scalar loop; `keep` is the column that says which.

    What a dropped row's outputs would be nobody reads. Without work on strings among them a branch would not pay.
    """
    wanted: set[str] = set()
    always: set[int] = set()
    for s in reversed(statements):
        if s.target in wanted or s.target in ACCUMULATORS or keep in s.arguments:
            always.add(id(s))
            wanted.update(s.arguments)
    kept = tuple(s for s in statements if id(s) not in always)
    if not any(s.is_scalar and not s.leaf for s in kept):
        return tuple(statements), ()
    return tuple(s for s in statements if id(s) in always), kept


def _numbers(statements: Sequence[Statement]) -> dict[int, int]:
    """Stage of each statement that is no leaf, by its identity: even ones of numbers, odd ones of strings."""
    stage_of_name: dict[str, int] = {}
    numbers: dict[int, int] = {}
    for s in statements:
        if s.leaf:
            continue
        stage = max((stage_of_name.get(a, 0) for a in s.arguments), default=0)
        if s.is_scalar:
            stage += 1 - stage % 2
        elif s.weight:
            stage += stage % 2
        numbers[id(s)] = stage
        if s.target not in ACCUMULATORS:
            stage_of_name[s.target] = stage
    return numbers


def _wanted(statements: Iterable[Statement], made: dict[str, Statement]) -> set[str]:
    """Names among the arguments that some statement makes."""
    return {a for s in statements for a in s.arguments if a in made}


def width_of(type: types.Type) -> int:
    """Bytes of a value in a column between stages."""
    if type == VIEW:
        return 16
    return 1 if type == types.boolean else type.bitwidth // 8  # type: ignore[attr-defined]


def column_operation(size: int) -> Operation:
    """Address of so many bytes of the calling function's stack."""

    def build(b: ir.IRBuilder) -> ir.Value:
        with b.goto_entry_block():
            space = b.alloca(ir.IntType(8), size=size)
            space.align = 64
            return b.ptrtoint(space, ir.IntType(64))

    return Operation("column", (), types.int64, build)


def keep_operation(type: types.Type) -> Operation:
    """Stores a value as it is in registers, but for bools."""

    def build(b: ir.IRBuilder, address: ir.Value, row: ir.Value, value: ir.Value) -> None:
        memory.store(b, address, row, b.zext(value, ir.IntType(8)) if type == types.boolean else value)

    return Operation("keep", (types.int64, types.int64, type), types.none, build)


def take_operation(type: types.Type) -> Operation:
    """Inverse of `keep_operation`."""

    def build(b: ir.IRBuilder, address: ir.Value, row: ir.Value) -> ir.Value:
        if type != types.boolean:
            return memory.load(b, address, row, value_type(type))
        return b.trunc(memory.load(b, address, row, ir.IntType(8)), ir.IntType(1))

    return Operation("take", (types.int64, types.int64), type, build)
