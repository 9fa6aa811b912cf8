"""Splits a row loop's statements into stages: loops over a block of rows that pass values on through columns.

LLVM does not vectorise a loop that calls string functions. When a program also has enough numeric work, its row loop becomes a
loop over blocks of rows. The loops inside alternate between numbers and strings, and only those of strings stay scalar. Calls of
models, each for a whole block, are stages of a third kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from llvmlite import ir
from numba.core import types

from sparkweld.kernels.llvm import memory
from sparkweld.kernels.llvm.numba_frontend import VIEW, Operation, Results, value_type

#: Most bytes a row of the columns between stages while they share the stack with the scratch tile.
_MOST_BYTES = 256
#: Numeric work, in additions, from which on a second loop pays.
_ENOUGH = 20


@dataclass(frozen=True)
class Statement:
    """One line of the row loop: ``target = name(arguments)``.

    `weight` is the operation's cost in additions, 0 for operations that stay in the stage of their arguments. A `leaf` depends on
    the row only and is recomputed in each stage that reads it. A target of `ACCUMULATORS` is the sum over the rows so far.
    `rows`: the bool that marks the rows that need the value, empty for all; in other rows the value is `nothing()`.
    """

    target: str
    name: str
    operation: Operation
    arguments: tuple[str, ...]
    weight: int = 0
    leaf: bool = False
    rows: str = ""
    nothing: str = ""

    @property
    def reads(self) -> tuple[str, ...]:
        """Returns the names of the values that it reads."""
        return (*self.arguments, self.rows) if self.rows else self.arguments

    @property
    def is_scalar(self) -> bool:
        """Whether its loop cannot be vectorised, because it handles a string or calls a region.

        So a region's results are read in the stage of the call, and need no column between stages.
        """
        return any(type == VIEW or isinstance(type, Results) for type in (*self.operation.arguments, self.operation.result))

    def text(self, renamed: dict[str, str]) -> str:
        """Returns its line of source, with other names for some arguments."""
        call = f"{self.name}({', '.join(renamed.get(a, a) for a in self.arguments)})"
        return f"{self.target} = {call}" if self.target else call


def lines_of(statements: Sequence[Statement], renamed: dict[str, str]) -> list[str]:
    """Returns the source of statements; consecutive statements for the same rows share one branch."""
    lines = []
    for rows, some in groupby(statements, lambda s: s.rows):
        made = list(some)
        if rows:
            lines += [f"if {rows}:", *(f"    {s.text(renamed)}" for s in made)]
            lines += ["else:", *(f"    {s.target} = {s.nothing}()" for s in made)]
        else:
            lines += [s.text(renamed) for s in made]
    return lines


ACCUMULATORS = ("flagged", "seen")

#: Kinds of stages, in the order in which they alternate.
NUMBERS, STRINGS, MODELS = range(3)


@dataclass(frozen=True)
class ModelCall:
    """``name(columns of the arguments, columns of the targets)``: results of a model for a block of rows.

    `targets`: (index of the model's result, name, type) for the results that are used. `number`: index of the call in the
    program. `rows`: the bool that marks the rows the call is for; empty for all rows.
    """

    number: int
    arguments: tuple[str, ...]
    targets: tuple[tuple[int, str, types.Type], ...]
    rows: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Returns the values that it reads from a block's rows."""
        return (*self.arguments, self.rows) if self.rows else self.arguments


@dataclass(frozen=True)
class Stage:
    """One loop over a block.

    `wanted`: values of earlier stages that it reads. `kept`: its own values that later stages read. A stage of model calls has
    no statements; both then name columns.
    """

    statements: tuple[Statement, ...]
    wanted: tuple[str, ...]
    kept: tuple[str, ...]
    kind: int
    calls: tuple[ModelCall, ...] = ()

    @property
    def is_scalar(self) -> bool:
        """Whether LLVM need not try to vectorise it."""
        return self.kind == STRINGS


def stages_of(statements: Sequence[Statement], calls: Sequence[ModelCall] = ()) -> tuple[Stage, ...]:
    """Returns the stages in order: a single one when splitting does not pay."""
    scalar = any(s.is_scalar for s in statements)
    enough = scalar and sum(s.weight for s in statements if not s.is_scalar) >= _ENOUGH
    whole = Stage(tuple(statements), (), (), STRINGS if scalar else NUMBERS)
    if not calls and not enough:
        return (whole,)
    numbers = _numbers(statements, calls)
    made: dict[str, Statement | ModelCall] = {s.target: s for s in statements if s.target and s.target not in ACCUMULATORS}
    made.update((name, call) for call in calls for _, name, _ in call.targets)
    used = sorted(set(numbers.values()))
    chosen = {stage: [s for s in statements if not s.leaf and numbers[id(s)] == stage] for stage in used}
    called = {stage: tuple(c for c in calls if numbers[id(c)] == stage) for stage in used}
    wanted = {stage: _wanted([*chosen[stage], *called[stage]], made) for stage in used}
    crossing = {n for stage in used for n in wanted[stage] if not _is_leaf(made[n]) and numbers[id(made[n])] < stage}
    if not calls and sum(width_of(s.operation.result) for s in statements if s.target in crossing) > _MOST_BYTES:
        return (whole,)
    stages = []
    for stage in used:
        leaves = [s for s in statements if s.leaf and s.target in wanted[stage] and not called[stage]]
        own = {s.target for s in chosen[stage]} | {name for c in called[stage] for _, name, _ in c.targets}
        passed = [n for n in sorted(wanted[stage]) if n in crossing and n not in own]
        kept = [n for n in sorted(crossing) if n in own]
        stages.append(Stage((*leaves, *chosen[stage]), tuple(passed), tuple(kept), stage % 3, called[stage]))
    return tuple(stages)


def _wanted(users: Iterable[Statement | ModelCall], made: dict[str, Statement | ModelCall]) -> set[str]:
    """Returns the names among the arguments that some statement or call computes."""
    read = (user.columns if isinstance(user, ModelCall) else user.reads for user in users)
    return {a for names in read for a in names if a in made}


def _is_leaf(statement: Statement | ModelCall) -> bool:
    return isinstance(statement, Statement) and statement.leaf


def for_kept_rows(statements: Sequence[Statement], keep: str) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
    """Splits the statements of a scalar loop into those for every row and those for rows that the filter keeps.

    `keep` is the filter's column. No consumer reads a dropped row's outputs. Without string work for kept rows, a branch would
    not pay, and all statements are for every row.
    """
    wanted: set[str] = set()
    always: set[int] = set()
    for s in reversed(statements):
        if s.target in wanted or s.target in ACCUMULATORS or keep in s.arguments:
            always.add(id(s))
            wanted.update(s.reads)
    kept = tuple(s for s in statements if id(s) not in always)
    if not any(s.is_scalar and not s.leaf for s in kept):
        return tuple(statements), ()
    return tuple(s for s in statements if id(s) in always), kept


def _numbers(statements: Sequence[Statement], calls: Sequence[ModelCall]) -> dict[int, int]:
    """Returns the stage of each call, and of each statement that is not a leaf, by its identity.

    A stage's kind is its number modulo 3. A statement without a kind stays in the stage of its arguments. Only later stages can
    read a call's results.
    """
    stage_of_name: dict[str, int] = {}
    numbers: dict[int, int] = {}
    left = list(calls)
    for s in statements:
        for call in [c for c in left if {name for _, name, _ in c.targets} & set(s.reads)]:
            _number_call(call, left, stage_of_name, numbers)
        if s.leaf:
            continue
        stage = max((stage_of_name.get(a, 0) for a in s.reads), default=0)
        if s.is_scalar:
            stage = _next(stage, STRINGS)
        elif s.weight or stage % 3 == MODELS:
            stage = _next(stage, NUMBERS)
        numbers[id(s)] = stage
        if s.target not in ACCUMULATORS:
            stage_of_name[s.target] = stage
    return numbers


def _number_call(call: ModelCall, left: list[ModelCall], stage_of_name: dict[str, int], numbers: dict[int, int]) -> None:
    left.remove(call)
    for below in [c for c in left if {name for _, name, _ in c.targets} & set(call.columns)]:
        _number_call(below, left, stage_of_name, numbers)
    stage = _next(max(_after(stage_of_name.get(a, 0)) for a in call.columns), MODELS)
    numbers[id(call)] = stage
    stage_of_name.update((name, stage) for _, name, _ in call.targets)


def _after(stage: int) -> int:
    return stage + 1 if stage % 3 == MODELS else stage


def _next(stage: int, kind: int) -> int:
    """Returns the first stage of a kind, from `stage` on."""
    return stage + (kind - stage) % 3


def width_of(type: types.Type) -> int:
    """Returns the bytes of a value in a column between stages."""
    if type == VIEW:
        return 16
    return 1 if type == types.boolean else type.bitwidth // 8  # type: ignore[attr-defined]


def column_operation(size: int) -> Operation:
    """Builds the address of `size` bytes of the calling function's stack."""

    def build(b: ir.IRBuilder) -> ir.Value:
        with b.goto_entry_block():
            space = b.alloca(ir.IntType(8), size=size)
            space.align = 64
            return b.ptrtoint(space, ir.IntType(64))

    return Operation("column", (), types.int64, build)


def keep_operation(type: types.Type) -> Operation:
    """Builds the store of a value in its register representation; bools take a byte."""

    def build(b: ir.IRBuilder, address: ir.Value, row: ir.Value, value: ir.Value) -> None:
        memory.store(b, address, row, b.zext(value, ir.IntType(8)) if type == types.boolean else value)

    return Operation("keep", (types.int64, types.int64, type), types.none, build)


def take_operation(type: types.Type) -> Operation:
    """Builds the inverse of `keep_operation`."""

    def build(b: ir.IRBuilder, address: ir.Value, row: ir.Value) -> ir.Value:
        if type != types.boolean:
            return memory.load(b, address, row, value_type(type))
        return b.trunc(memory.load(b, address, row, ir.IntType(8)), ir.IntType(1))

    return Operation("take", (types.int64, types.int64), type, build)
